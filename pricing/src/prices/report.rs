//! What was counted while price files were read, and its form in JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::gate::{Defect, Finding};

/// One defect, how many rows have it, and the first of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DefectCount {
    /// The defect.
    pub code: Defect,
    /// Rows that have it.
    pub count: u64,
    /// File, line, field, value and what was made of it.
    pub example: String,
}

/// What was counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Rows below the header, those without an accelerator included.
    pub rows: u64,
    /// Offers that passed; on-demand and spot count apart.
    pub offers: u64,
    /// Offers that were refused, and rows that could not be read.
    pub refused: u64,
    /// Offers among those that passed that had to be corrected.
    pub corrected: u64,
    /// Defects, those with most rows first.
    pub defects: Vec<DefectCount>,
}

impl Report {
    /// The sum of two reports; examples are the first ones.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let mut defects: BTreeMap<Defect, DefectCount> = BTreeMap::new();
        for found in self.defects.into_iter().chain(other.defects) {
            let code = found.code;
            defects
                .entry(code)
                .and_modify(|known| known.count += found.count)
                .or_insert(found);
        }
        let mut report = Self {
            rows: self.rows + other.rows,
            offers: self.offers + other.offers,
            refused: self.refused + other.refused,
            corrected: self.corrected + other.corrected,
            defects: defects.into_values().collect(),
        };
        report.sort();
        report
    }

    /// Rows that have a defect.
    pub fn count(&self, code: Defect) -> u64 {
        let found = self.defects.iter().find(|d| d.code == code);
        found.map_or(0, |d| d.count)
    }

    fn sort(&mut self) {
        self.defects
            .sort_by(|a, b| b.count.cmp(&a.count).then(a.code.cmp(&b.code)));
    }
}

/// A report in the making. A row that has a defect several times counts once.
pub(super) struct Tally<'a> {
    file: &'a str,
    pub(super) report: Report,
    counted: BTreeMap<Defect, (usize, u64)>,
}

impl<'a> Tally<'a> {
    pub(super) fn new(file: &'a str) -> Self {
        Self {
            file,
            report: Report::default(),
            counted: BTreeMap::new(),
        }
    }

    /// Counts a finding of a line. Findings of one code and line come one after the other.
    pub(super) fn find(&mut self, line: u64, finding: &Finding) {
        let defects = &mut self.report.defects;
        let (at, last) = self.counted.entry(finding.code).or_insert_with(|| {
            defects.push(DefectCount {
                code: finding.code,
                count: 0,
                example: format!("{}:{line}: {finding}", self.file),
            });
            (defects.len() - 1, 0)
        });
        if *last != line {
            *last = line;
            defects[*at].count += 1;
        }
    }

    /// The report, sorted.
    pub(super) fn finish(mut self) -> Report {
        self.report.sort();
        self.report
    }
}
