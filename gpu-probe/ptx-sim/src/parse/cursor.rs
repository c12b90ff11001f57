//! A place in the tokens of a text, with the few questions that a parser asks there.

use crate::parse::ParseError;
use crate::parse::lexer::{Kind, Token};

pub(crate) struct Cursor<'t> {
    tokens: Vec<Token<'t>>,
    at: usize,
}

impl<'t> Cursor<'t> {
    pub(crate) fn new(tokens: Vec<Token<'t>>) -> Self {
        Self { tokens, at: 0 }
    }

    pub(crate) fn place(&self) -> usize {
        self.at
    }

    /// Goes back to what [`Cursor::place`] said.
    pub(crate) fn return_to(&mut self, place: usize) {
        self.at = place;
    }

    pub(crate) fn peek(&self) -> Option<Token<'t>> {
        self.tokens.get(self.at).copied()
    }

    pub(crate) fn peek_second(&self) -> Option<Token<'t>> {
        self.tokens.get(self.at + 1).copied()
    }

    /// The line of the next token, or of the last one at the end.
    pub(crate) fn line(&self) -> u32 {
        self.peek()
            .or_else(|| self.tokens.last().copied())
            .map_or(0, |token| token.line)
    }

    pub(crate) fn error(&self, what: impl Into<String>) -> ParseError {
        ParseError::new(self.line(), what.into())
    }

    pub(crate) fn next(&mut self) -> Result<Token<'t>, ParseError> {
        let token = self
            .peek()
            .ok_or_else(|| self.error("the text ends here"))?;
        self.at += 1;
        Ok(token)
    }

    pub(crate) fn is(&self, text: &str) -> bool {
        self.peek().is_some_and(|token| token.text == text)
    }

    /// Passes the next token if it is `text`.
    pub(crate) fn take(&mut self, text: &str) -> bool {
        let found = self.is(text);
        self.at += usize::from(found);
        found
    }

    pub(crate) fn expect(&mut self, text: &str) -> Result<(), ParseError> {
        if self.take(text) {
            return Ok(());
        }
        let found = self.peek().map_or("the end", |token| token.text);
        Err(self.error(format!("`{found}` where `{text}` should be")))
    }

    pub(crate) fn word(&mut self) -> Result<&'t str, ParseError> {
        let token = self.next()?;
        if token.kind == Kind::Word {
            Ok(token.text)
        } else {
            Err(ParseError::new(
                token.line,
                format!("`{}` where a word should be", token.text),
            ))
        }
    }

    /// A number with an optional sign, as 64 bits: two's complement, or the bits of a float.
    pub(crate) fn number(&mut self) -> Result<u64, ParseError> {
        let negative = self.take("-");
        let line = self.line();
        let text = self.word()?;
        let value = number(text)
            .ok_or_else(|| ParseError::new(line, format!("`{text}` where a number should be")))?;
        Ok(if negative {
            value.wrapping_neg()
        } else {
            value
        })
    }

    /// A number that must fit 32 bits.
    pub(crate) fn small(&mut self) -> Result<u32, ParseError> {
        let line = self.line();
        let value = self.number()?;
        u32::try_from(value)
            .map_err(|_| ParseError::new(line, format!("{value} is too large here")))
    }

    /// Passes everything up to and with the next `;`.
    pub(crate) fn skip_statement(&mut self) -> Result<(), ParseError> {
        while self.next()?.text != ";" {}
        Ok(())
    }

    /// Passes a block in braces, with the blocks inside it.
    pub(crate) fn skip_block(&mut self) -> Result<(), ParseError> {
        self.expect("{")?;
        let mut depth = 1_u32;
        while depth > 0 {
            match self.next()?.text {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
        }
        Ok(())
    }
}

/// The value of a literal: `12`, `0x1F`, `017`, `0b1`, with an optional `U`; `0f` and 8 hexadecimal
/// digits for an FP32, `0d` and 16 for an FP64.
pub(crate) fn number(text: &str) -> Option<u64> {
    let hex = |digits: &str| u64::from_str_radix(digits, 16).ok();
    match text.as_bytes() {
        [b'0', b'f' | b'F', ..] if text.len() == 10 => return hex(&text[2..]),
        [b'0', b'd' | b'D', ..] if text.len() == 18 => return hex(&text[2..]),
        _ => {}
    }
    let text = text.strip_suffix('U').unwrap_or(text);
    match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => hex(&text[2..]),
        [b'0', b'b' | b'B', ..] => u64::from_str_radix(&text[2..], 2).ok(),
        [b'0', _, ..] => u64::from_str_radix(&text[1..], 8).ok(),
        _ => text.parse().ok(),
    }
}
