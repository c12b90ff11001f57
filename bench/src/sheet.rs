//! The report: figures with their aims, for a person or as one JSON document.

use serde::Serialize;

/// What a figure should come to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Aim {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
}

/// One figure that was measured.
#[derive(Debug, Serialize)]
struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    aim: Option<Aim>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_met: Option<bool>,
}

/// Figures that belong together.
#[derive(Debug, Serialize)]
pub(crate) struct Section {
    title: String,
    figures: Vec<Figure>,
    notes: Vec<String>,
}

impl Aim {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
        }
    }

    fn words(self, value: f64) -> String {
        let met = if self.is_met(value) { "met" } else { "MISSED" };
        match self {
            Self::AtMost(most) => format!("aim at most {}: {met}", shown(most)),
            Self::AtLeast(least) => format!("aim at least {}: {met}", shown(least)),
        }
    }
}

impl Section {
    /// A section without figures.
    pub(crate) fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            figures: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Adds a figure.
    pub(crate) fn figure(&mut self, name: impl Into<String>, value: f64, unit: &'static str) {
        self.push(name.into(), value, unit, None);
    }

    /// Adds a figure that has an aim.
    pub(crate) fn aimed(
        &mut self,
        name: impl Into<String>,
        value: f64,
        unit: &'static str,
        aim: Aim,
    ) {
        self.push(name.into(), value, unit, Some(aim));
    }

    fn push(&mut self, name: String, value: f64, unit: &'static str, aim: Option<Aim>) {
        self.figures.push(Figure {
            name,
            value,
            unit,
            is_met: aim.map(|aim| aim.is_met(value)),
            aim,
        });
    }

    /// Adds a sentence.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    fn print(&self) {
        println!("\n{}", self.title);
        for figure in &self.figures {
            let aim = figure.aim.map(|aim| aim.words(figure.value));
            let line = format!(
                "  {:<68} {:>10} {:<11} {}",
                figure.name,
                shown(figure.value),
                figure.unit,
                aim.unwrap_or_default()
            );
            println!("{}", line.trim_end());
        }
        for note in &self.notes {
            println!("  {note}");
        }
    }
}

/// A number with about three digits that mean something, and commas.
fn shown(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 100.0 || size.fract() == 0.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 4,
    };
    let text = format!("{value:.decimals$}");
    let (whole, rest) = match text.split_once('.') {
        Some((whole, rest)) => (whole, format!(".{rest}")),
        None => (text.as_str(), String::new()),
    };
    let mut out = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) && !out.ends_with('-') {
            out.push(',');
        }
        out.push(digit);
    }
    out + &rest
}

/// The whole report.
#[derive(Debug)]
pub(crate) struct Sheet {
    is_json: bool,
    sections: Vec<Section>,
}

impl Sheet {
    /// A report without sections.
    pub(crate) fn new(is_json: bool) -> Self {
        Self {
            is_json,
            sections: Vec::new(),
        }
    }

    /// Adds a section, which a person sees at once.
    pub(crate) fn add(&mut self, section: Section) {
        if !self.is_json {
            section.print();
        }
        self.sections.push(section);
    }

    /// Prints the document that machines asked for, or how many aims were missed.
    pub(crate) fn finish(&self) {
        if self.is_json {
            let document = serde_json::json!({ "sections": self.sections });
            println!("{document:#}");
            return;
        }
        let figures = self.sections.iter().flat_map(|section| &section.figures);
        let aims: Vec<bool> = figures.filter_map(|figure| figure.is_met).collect();
        let missed = aims.iter().filter(|is_met| !**is_met).count();
        println!("\n{} aims, {missed} of them missed", aims.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_about_three_digits() {
        for (value, text) in [
            (1_234_567.8, "1,234,568"),
            (-1_234.0, "-1,234"),
            (123.4, "123"),
            (12.34, "12.3"),
            (1.234, "1.23"),
            (0.012_34, "0.0123"),
            (10.0, "10"),
        ] {
            assert_eq!(shown(value), text);
        }
    }

    #[test]
    fn an_aim_says_whether_it_was_met() {
        assert_eq!(Aim::AtMost(10.0).words(10.0), "aim at most 10: met");
        assert_eq!(Aim::AtLeast(0.6).words(0.5), "aim at least 0.6000: MISSED");
    }
}
