//! PTX text to tokens: each with the line it stands on, comments and debug directives left out.

use crate::parse::ParseError;

/// A PTX text longer than this is refused.
pub const TEXT_BYTES_MAX: usize = 16 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A name, register, opcode with its suffixes, directive, or number.
    Word,
    /// One character of punctuation.
    Mark,
    /// A string in quotes.
    Text,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Token<'t> {
    pub(crate) kind: Kind,
    pub(crate) text: &'t str,
    pub(crate) line: u32,
}

/// Splits `text` into tokens. Fails on a text too long, an open comment or string, or a character
/// that PTX does not have.
pub(crate) fn tokens(text: &str) -> Result<Vec<Token<'_>>, ParseError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(ParseError::new(
            0,
            format!("a text of {} bytes (limit {TEXT_BYTES_MAX})", text.len()),
        ));
    }
    let mut lexer = Lexer {
        text,
        at: 0,
        line: 1,
    };
    let mut out = Vec::new();
    while let Some(token) = lexer.next()? {
        out.push(token);
    }
    Ok(out)
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    line: u32,
}

impl<'t> Lexer<'t> {
    fn next(&mut self) -> Result<Option<Token<'t>>, ParseError> {
        self.skip_blanks()?;
        let text = self.text;
        let rest = &text[self.at..];
        let Some(first) = rest.chars().next() else {
            return Ok(None);
        };
        let line = self.line;
        let (kind, length) = if first == '"' {
            let end = rest[1..]
                .find('"')
                .ok_or_else(|| ParseError::new(line, "a string that does not end".to_owned()))?;
            (Kind::Text, end + 2)
        } else if is_word(first) {
            (Kind::Word, word_length(rest))
        } else if "(){}[]<>,;:=+-|!@*/~&^?".contains(first) {
            (Kind::Mark, 1)
        } else {
            return Err(ParseError::new(line, format!("character {first:?}")));
        };
        self.at += length;
        let token = Token {
            kind,
            text: &rest[..length],
            line,
        };
        if token.text == ".loc" || token.text == ".file" {
            self.skip_line();
            return self.next();
        }
        Ok(Some(token))
    }

    fn skip_line(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.find('\n').unwrap_or(rest.len());
    }

    fn skip_blanks(&mut self) -> Result<(), ParseError> {
        loop {
            let rest = &self.text[self.at..];
            if rest.starts_with("//") {
                self.skip_line();
            } else if rest.starts_with("/*") {
                let end = rest.find("*/").ok_or_else(|| {
                    ParseError::new(self.line, "a comment that does not end".to_owned())
                })?;
                self.line += line_ends(&rest[..end]);
                self.at += end + 2;
            } else if let Some(blank) = rest.chars().next().filter(|c| c.is_whitespace()) {
                self.line += u32::from(blank == '\n');
                self.at += blank.len_utf8();
            } else {
                return Ok(());
            }
        }
    }
}

fn line_ends(text: &str) -> u32 {
    text.matches('\n').count().try_into().unwrap_or(u32::MAX)
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_$%.".contains(c)
}

/// The length of the word at the start of `text`. `::` belongs to it (`.L1::no_allocate`), a single
/// `:` after a label does not.
fn word_length(text: &str) -> usize {
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        if is_word(c) {
            at += 1;
        } else if text[at..].starts_with("::") {
            at += 2;
        } else {
            break;
        }
    }
    at
}
