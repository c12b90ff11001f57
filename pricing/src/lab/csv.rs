//! Rows of comma-separated text with their line numbers. None of the formats that are read here has
//! quoted fields, so a quotation mark is refused instead of guessed at.

use super::problem::LabError;

/// Most rows of a file.
pub const ROWS_MAX: usize = 1_000_000;
/// Longest line in bytes.
pub const LINE_BYTES_MAX: usize = 4_096;

/// A file whose first line was one of those expected.
pub(super) struct Rows<'a> {
    name: &'a str,
    header: &'static str,
    text: &'a str,
}

/// One row.
pub(super) struct Row<'a> {
    name: &'a str,
    header: &'static str,
    line: u32,
    cells: Vec<&'a str>,
}

/// The first line of a file, without a byte order mark.
pub(super) fn head(text: &str) -> &str {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.lines().next().unwrap_or("").trim_end()
}

impl<'a> Rows<'a> {
    /// A file whose header is known to be this one.
    pub(super) const fn new(name: &'a str, header: &'static str, text: &'a str) -> Self {
        Self { name, header, text }
    }

    /// Its rows; empty lines are passed over.
    ///
    /// A row fails that is too long, quoted, or does not have as many cells as the header.
    pub(super) fn rows(&self) -> impl Iterator<Item = Result<Row<'a>, LabError>> + '_ {
        let lines = (1u32..).zip(self.text.lines()).skip(1);
        lines
            .filter(|(_, line)| !line.trim().is_empty())
            .enumerate()
            .map(|(index, (number, line))| self.row(index, number, line))
    }

    fn row(&self, index: usize, number: u32, line: &'a str) -> Result<Row<'a>, LabError> {
        let refuse = |text: String| Err(LabError::new(self.name, number, "", text));
        if index >= ROWS_MAX {
            return refuse(format!("the file has more than {ROWS_MAX} rows"));
        }
        if line.len() > LINE_BYTES_MAX {
            return refuse(format!("the line is longer than {LINE_BYTES_MAX} bytes"));
        }
        if line.contains('"') {
            return refuse("quoted fields are not read".into());
        }
        let cells: Vec<&str> = line.split(',').map(str::trim).collect();
        let wanted = self.header.split(',').count();
        if cells.len() != wanted {
            return refuse(format!("{} columns instead of {wanted}", cells.len()));
        }
        Ok(Row {
            name: self.name,
            header: self.header,
            line: number,
            cells,
        })
    }
}

impl<'a> Row<'a> {
    /// The text in a column of the header.
    pub(super) fn text(&self, column: &str) -> &'a str {
        let index = self.header.split(',').position(|name| name == column);
        index
            .and_then(|index| self.cells.get(index))
            .copied()
            .expect("columns are named as in the header, and a row has all of them")
    }

    /// What is wrong with a column.
    pub(super) fn refuse(&self, column: &str, text: impl Into<String>) -> LabError {
        LabError::new(self.name, self.line, column, text)
    }

    /// A whole number from 0 to `max`.
    pub(super) fn number(&self, column: &str, max: u64) -> Result<u64, LabError> {
        let text = self.text(column);
        let number = text.parse().ok().filter(|_| !text.starts_with('+'));
        number.filter(|n| *n <= max).ok_or_else(|| {
            self.refuse(
                column,
                format!("must be a whole number from 0 to {max}, not {text:?}"),
            )
        })
    }

    /// A whole number; none where the cell is empty.
    pub(super) fn optional(&self, column: &str, max: u64) -> Result<Option<u64>, LabError> {
        if self.text(column).is_empty() {
            return Ok(None);
        }
        self.number(column, max).map(Some)
    }

    /// What a reader makes of a cell; fails with what was expected.
    pub(super) fn parse<T>(
        &self,
        column: &str,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, LabError> {
        let text = self.text(column);
        read(text).ok_or_else(|| self.refuse(column, format!("must be {expected}, not {text:?}")))
    }
}
