//! Rules: which words, at which kind of place, speak for which activity, and how strongly.

mod command;
mod fields;
mod finite;
mod image;
mod names;
mod structure;

use std::sync::LazyLock;

use tandem_model::workload::WorkloadClass;

use super::facts::{Facts, Zone};
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

/// Every rule and where it looks, with the words of all of them in two indexes.
struct Book {
    rules: Vec<(&'static str, &'static Rule)>,
    texts: words::Index,
    programs: words::Index,
}

static BOOK: LazyLock<Book> = LazyLock::new(|| {
    let tables: [(&'static str, &'static [Rule]); 5] = [
        ("command", command::RULES),
        ("command", finite::RULES),
        ("image", image::RULES),
        ("name", names::RULES),
        ("field", fields::RULES),
    ];
    let rules: Vec<_> = tables
        .into_iter()
        .flat_map(|(source, rules)| rules.iter().map(move |rule| (source, rule)))
        .collect();
    let of = |position| {
        let chosen = rules
            .iter()
            .zip(0..)
            .filter(move |((_, r), _)| r.position == position);
        words::Index::new(chosen.flat_map(|((_, r), id)| r.needles.iter().map(move |n| (*n, id))))
    };
    Book {
        texts: of(Where::Text),
        programs: of(Where::Program),
        rules,
    }
});

/// Weight of an everyday verb where neither a model nor a GPU speaks for inference.
const EVERYDAY_WEIGHT: i32 = 15;

/// Whether an image carries models.
fn has_image_of_models(facts: &Facts) -> bool {
    let of_models = |r: &&Rule| matches!(r.activity, Activity::Serve | Activity::Batch);
    let rules = image::RULES.iter().filter(of_models);
    rules
        .flat_map(|r| r.needles)
        .any(|n| facts.says(&[Zone::Image], n))
}

/// Applies every rule: each fires once, on the first line that matches, and with half its weight
/// when only a command in the background does. `has_model_or_gpu` says whether a model is named or
/// a GPU is asked for.
pub(super) fn all(document: &Document, facts: &Facts, has_model_or_gpu: bool) -> Vec<Finding> {
    let book = &*BOOK;
    let infers = has_model_or_gpu || has_image_of_models(facts);
    let mut strong: Vec<Option<Finding>> = vec![None; book.rules.len()];
    let mut weak = strong.clone();
    for fact in facts.iter() {
        let mut hit = |id: u16, word: &str, at: Option<usize>| {
            let at_rule = usize::from(id);
            let (source, rule) = book.rules[at_rule];
            if !rule.zones.contains(&fact.zone) || strong[at_rule].is_some() {
                return;
            }
            // Without a model or a GPU, such a program works on data.
            let (activity, weight) = match rule.why == finite::EVERYDAY && !infers {
                true => (Activity::Evaluate, EVERYDAY_WEIGHT),
                false => (rule.activity, rule.weight),
            };
            let (slot, weight) = match (fact.background, activity) {
                // A server in the background serves only the job itself.
                (true, Activity::Serve) => return,
                (true, _) if weak[at_rule].is_some() => return,
                (true, _) => (&mut weak[at_rule], weight / 2),
                (false, _) => (&mut strong[at_rule], weight),
            };
            *slot = Some(Finding {
                line: fact.line_at(at.or_else(|| fact.lower.find(word)).unwrap_or(0)),
                source,
                text: format!("`{word}`: {}", rule.why),
                activity,
                weight,
            });
        };
        book.texts
            .scan(&fact.lower, |id, word, at| hit(id, word, Some(at)));
        book.programs
            .scan(&fact.programs, |id, word, _| hit(id, word, None));
    }
    let mut found: Vec<Finding> = strong
        .into_iter()
        .zip(weak)
        .filter_map(|(strong, weak)| strong.or(weak))
        .collect();
    found.extend(structure::findings(document, facts));
    found
}
