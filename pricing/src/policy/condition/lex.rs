//! The words of an expression, before the language's own parser sees it: that parser recurses, so
//! what could make it recurse far is refused here, with the character.

/// Deepest nesting of brackets. The parser takes tens of kilobytes of stack for each level.
const NESTING_MAX: usize = 8;
/// Most words.
const WORDS_MAX: usize = 128;
/// Most conditional operators, each of which nests.
const CONDITIONALS_MAX: usize = 4;
/// Most signs and negations in a row.
const PREFIXES_MAX: usize = 4;

const PAIRS: [&str; 6] = ["&&", "||", "==", "!=", "<=", ">="];
const SINGLES: &[u8] = b"()[],.+-*/%<>!?:";

/// Takes the next word off the front: the word and the rest, or what is wrong.
fn next(rest: &str) -> Result<(&str, &str), String> {
    let first = rest.as_bytes()[0];
    let run = |fits: fn(char) -> bool| rest.find(|c| !fits(c)).unwrap_or(rest.len());
    let length = match first {
        b'a'..=b'z' | b'A'..=b'Z' | b'_' => run(|c| c.is_ascii_alphanumeric() || c == '_'),
        b'0'..=b'9' => run(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.'),
        b'"' | b'\'' => text_length(rest)?,
        b'/' if rest.starts_with("//") => return Err("a comment has no place".into()),
        _ if PAIRS.iter().any(|pair| rest.starts_with(pair)) => 2,
        _ if SINGLES.contains(&first) => 1,
        _ => {
            let shown = rest.chars().next().map(|c| c.escape_debug().to_string());
            return Err(format!("`{}` has no place", shown.unwrap_or_default()));
        }
    };
    let (word, rest) = rest.split_at(length);
    let whole = word.bytes().all(|b| b.is_ascii_digit());
    let leading_zero = word.len() > 1 && word.starts_with('0');
    if first.is_ascii_digit() && (!whole || leading_zero) {
        return Err(format!(
            "`{word}` is not a whole number in decimal digits without a leading zero"
        ));
    }
    let is_name = first.is_ascii_alphabetic() || first == b'_';
    if is_name && rest.starts_with(['"', '\'']) {
        return Err("a text may have no prefix".into());
    }
    Ok((word, rest))
}

/// Length of a quoted text with its quotes.
fn text_length(rest: &str) -> Result<usize, String> {
    let quote = &rest[..1];
    if rest.starts_with(&quote.repeat(3)) {
        return Err("a text has one quote at each end".into());
    }
    let inside = rest[1..].split(quote).next().unwrap_or_default();
    if inside.len() + 2 > rest.len() {
        return Err("a text that does not end".into());
    }
    if let Some(c) = inside
        .chars()
        .find(|c| *c == '\\' || !(' '..='~').contains(c))
    {
        return Err(format!("a text holds `{}`", c.escape_debug()));
    }
    Ok(inside.len() + 2)
}

/// Checks the words and how they nest.
///
/// Fails with what is wrong and the character, counted from 1.
pub(super) fn check(text: &str) -> Result<(), String> {
    let mut rest = text.trim_start_matches([' ', '\n']);
    let (mut words, mut nesting, mut conditionals, mut prefixes) = (0, 0usize, 0, 0);
    while !rest.is_empty() {
        let at = |what: String| {
            let before = &text[..text.len() - rest.len()];
            format!("at character {}: {what}", before.chars().count() + 1)
        };
        let (word, after) = next(rest).map_err(at)?;
        words += 1;
        match word {
            "(" | "[" => nesting += 1,
            ")" | "]" => nesting = nesting.saturating_sub(1),
            "?" => conditionals += 1,
            _ => {}
        }
        prefixes = if ["!", "-"].contains(&word) {
            prefixes + 1
        } else {
            0
        };
        let limits = [
            (words, WORDS_MAX, "words"),
            (nesting, NESTING_MAX, "brackets in one another"),
            (conditionals, CONDITIONALS_MAX, "`?`"),
            (prefixes, PREFIXES_MAX, "`!` or `-` in a row"),
        ];
        if let Some((_, max, what)) = limits.iter().find(|(have, max, _)| have > max) {
            return Err(at(format!("more than {max} {what}")));
        }
        rest = after.trim_start_matches([' ', '\n']);
    }
    if words == 0 {
        return Err("an empty expression".into());
    }
    Ok(())
}
