//! Declarations of variables: `.shared .align 16 .b8 tile[4096];`, `.const .b32 K[64] = {…};`.

use crate::parse::ParseError;
use crate::parse::cursor::Cursor;

/// A variable larger than this is refused.
pub const VARIABLE_BYTES_MAX: u64 = 256 << 20;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Declaration {
    pub(crate) name: String,
    pub(crate) align: u64,
    /// Size in bytes; 0 for an array without a length.
    pub(crate) bytes: u64,
    /// The first bytes, from the initialiser.
    pub(crate) content: Vec<u8>,
}

/// Reads what stands after the state space: alignment, vector, type, name, length, initialiser. Leaves
/// the `;` (or the `,` or `)` of a list of parameters).
pub(crate) fn declaration(cursor: &mut Cursor<'_>) -> Result<Declaration, ParseError> {
    let mut align = None;
    let mut vector = 1;
    let element = loop {
        let word = cursor.word()?;
        match word {
            ".align" => align = Some(u64::from(cursor.small()?)),
            ".v2" => vector = 2,
            ".v4" => vector = 4,
            _ => break type_bytes(word).ok_or_else(|| unknown(cursor, word))? * vector,
        }
    };
    // `.param .u64 .ptr .global .align 1 name`: the pointer's facts stand after the type.
    if cursor.take(".ptr") {
        while [".global", ".shared", ".const", ".local"]
            .iter()
            .any(|s| cursor.take(s))
        {}
        if cursor.take(".align") {
            cursor.small()?;
        }
    }
    let name = cursor.word()?.to_owned();
    let mut bytes = element;
    while cursor.take("[") {
        let length = if cursor.is("]") { 0 } else { cursor.number()? };
        cursor.expect("]")?;
        bytes = bytes.saturating_mul(length);
    }
    let content = if cursor.take("=") {
        initialiser(cursor, (element / vector) as usize)?
    } else {
        Vec::new()
    };
    let bytes = bytes.max(content.len() as u64);
    let align = align.unwrap_or(element);
    if bytes > VARIABLE_BYTES_MAX || !align.is_power_of_two() || align > 4096 {
        return Err(cursor.error(format!(
            "variable {name} of {bytes} bytes aligned to {align}"
        )));
    }
    Ok(Declaration {
        name,
        align,
        bytes,
        content,
    })
}

fn unknown(cursor: &Cursor<'_>, word: &str) -> ParseError {
    cursor.error(format!("`{word}` where a type should be"))
}

/// Bytes of a type such as `.b32`.
fn type_bytes(word: &str) -> Option<u64> {
    let bits: u64 = word.strip_prefix('.')?.get(1..)?.parse().ok()?;
    [8, 16, 32, 64, 128].contains(&bits).then_some(bits / 8)
}

fn initialiser(cursor: &mut Cursor<'_>, element: usize) -> Result<Vec<u8>, ParseError> {
    let mut out = Vec::new();
    let mut depth = 0_u32;
    loop {
        if cursor.take("{") {
            depth += 1;
        } else if cursor.take("}") {
            depth = depth.saturating_sub(1);
        } else if !cursor.take(",") {
            let value = cursor.number()?.to_le_bytes();
            out.extend(value.get(..element).unwrap_or(&value));
        }
        if depth == 0 {
            return Ok(out);
        }
    }
}
