//! Rules: which words, at which kind of place, speak for which activity, and how strongly.

mod command;
mod finite;
mod image;
mod names;
mod structure;

use tandem_model::workload::WorkloadClass;

use super::facts::{Fact, Facts, Zone};
use super::words;
use crate::files::Document;

/// What a workload does; together with its nodes this gives the class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activity {
    Train,
    Serve,
    Interact,
    Batch,
    Render,
    Evaluate,
}

impl Activity {
    pub(super) const ALL: [Self; 6] = [
        Self::Train,
        Self::Serve,
        Self::Interact,
        Self::Batch,
        Self::Render,
        Self::Evaluate,
    ];

    pub(super) fn class(self, nodes: u16) -> WorkloadClass {
        match self {
            Self::Train if nodes > 1 => WorkloadClass::DistributedTraining,
            Self::Train => WorkloadClass::SingleNodeTraining,
            Self::Serve => WorkloadClass::OnlineInference,
            Self::Interact => WorkloadClass::Interactive,
            Self::Batch => WorkloadClass::BatchInference,
            Self::Render => WorkloadClass::Rendering,
            Self::Evaluate => WorkloadClass::EvaluationOrData,
        }
    }
}

/// Where in a line the words must stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Where {
    /// Anywhere.
    Text,
    /// In the name of a program, script or module.
    Program,
}

/// A rule; it fires once, on the first line that matches.
pub(super) struct Rule {
    pub(super) zones: &'static [Zone],
    pub(super) position: Where,
    pub(super) needles: &'static [&'static str],
    pub(super) activity: Activity,
    /// How strongly; negative speaks against.
    pub(super) weight: i32,
    pub(super) why: &'static str,
}

/// A rule that fired.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    pub(super) line: u32,
    pub(super) source: &'static str,
    pub(super) text: String,
    pub(super) activity: Activity,
    pub(super) weight: i32,
}

/// Applies every rule.
pub(super) fn all(document: &Document, facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    for (source, rules) in [
        ("command", command::RULES),
        ("command", finite::RULES),
        ("image", image::RULES),
        ("name", names::RULES),
    ] {
        found.extend(rules.iter().filter_map(|rule| apply(rule, source, facts)));
    }
    found.extend(structure::findings(document, facts));
    found
}

fn apply(rule: &Rule, source: &'static str, facts: &Facts) -> Option<Finding> {
    let mut weaker = None;
    for fact in facts.iter().filter(|f| rule.zones.contains(&f.zone)) {
        let Some(needle) = matching(rule, fact) else {
            continue;
        };
        let finding = |weight| Finding {
            line: fact.line,
            source,
            text: format!("`{}`: {}", needle.trim_end_matches('*'), rule.why),
            activity: rule.activity,
            weight,
        };
        match (fact.background, rule.activity) {
            // A server in the background serves only the job itself.
            (true, Activity::Serve) => {}
            (true, _) => weaker = weaker.or_else(|| Some(finding(rule.weight / 2))),
            (false, _) => return Some(finding(rule.weight)),
        }
    }
    weaker
}

fn matching(rule: &Rule, fact: &Fact) -> Option<&'static str> {
    let mut needles = rule.needles.iter().copied();
    match rule.position {
        Where::Text => needles.find(|n| words::find(&fact.lower, n)),
        Where::Program => needles.find(|n| words::find(&fact.programs, n)),
    }
}
