//! A policy file becomes a draft: header, defaults and guard rails here, rules and promotions in
//! `read_rules.rs`, selectors in `read_match.rs`. Reading goes on after each problem.

use std::collections::BTreeMap;

use super::problem::{PolicyProblems, Problem};
use super::rule::{Defaults, GuardRails, Promotion, Rule};
use super::selector::Names;
use super::{overlap, read_rules};
use crate::files::build;
use crate::files::cursor::{Field, Fields, Meaning};
use crate::files::problem::Problems;
use crate::files::tree::{Body, Node, Place};
use crate::files::{FILE_BYTES_MAX, LINES_MAX};

/// Longest name of a policy, a rule or a promotion.
pub const NAME_LEN_MAX: usize = 63;
/// Highest margin and surcharge, in basis points of cost.
pub const BASIS_POINTS_MAX: u64 = 100_000;

/// What a file says.
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) defaults: Defaults,
    pub(super) guard_rails: GuardRails,
    pub(super) rules: Vec<Rule>,
    pub(super) promotions: Vec<Promotion>,
    pub(super) names: Names,
    /// Every field's text by its path, for the comparison of two files.
    pub(super) texts: BTreeMap<String, String>,
}

const START: Place = Place { line: 1, column: 1 };

const FIELDS: &[(&str, Meaning)] = &[
    ("tandem_policy", Meaning::Used),
    ("name", Meaning::Used),
    ("defaults", Meaning::Used),
    ("guard_rails", Meaning::Used),
    ("rules", Meaning::Used),
    ("promotions", Meaning::Used),
];

const DEFAULTS: &[(&str, Meaning)] = &[
    ("margin_basis_points", Meaning::Used),
    ("rate_risk_basis_points", Meaning::Used),
    ("term_seconds", Meaning::Used),
    ("valid_seconds", Meaning::Used),
    ("assured_share_permille", Meaning::Used),
    ("replacement_rate_max_basis_points", Meaning::Used),
];

const GUARD_RAILS: &[(&str, Meaning)] = &[
    ("price_change_max_permille", Meaning::Used),
    ("margin_min_basis_points", Meaning::Used),
];

/// Reads a whole file, or says everything that is wrong with it.
pub(super) fn read(text: &str) -> Result<Draft, PolicyProblems> {
    let root = tree(text).map_err(|problem| PolicyProblems(vec![problem]))?;
    let mut p = Problems::default();
    let draft = document(&Field::root(&root), &mut p);
    let (errors, _) = p.finish();
    let mut problems: Vec<Problem> = errors.into_iter().map(Problem::from).collect();
    problems.extend(overlap::problems(&draft.rules));
    problems.sort_by_key(|problem| problem.position);
    if problems.is_empty() {
        Ok(draft)
    } else {
        Err(PolicyProblems(problems))
    }
}

fn tree(text: &str) -> Result<Node, Problem> {
    let refuse = |text: String| Err(Problem::at(START, "", text));
    if text.len() > FILE_BYTES_MAX {
        return refuse(format!(
            "{} bytes; at most {FILE_BYTES_MAX} are read",
            text.len()
        ));
    }
    if text.bytes().filter(|b| *b == b'\n').count() > LINES_MAX {
        return refuse(format!("more than {LINES_MAX} lines"));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut roots = build::parse(text)?;
    if let Some(second) = roots.get(1) {
        let text = "a second document; a policy is one";
        return Err(Problem::at(second.place, "", text));
    }
    match roots.pop() {
        Some(root) if matches!(root.body, Body::Map(_)) => Ok(root),
        Some(root) => Err(Problem::at(
            root.place,
            "",
            "a mapping of fields belongs at the top of the file",
        )),
        None => refuse("the file is empty".into()),
    }
}

fn document(root: &Field<'_>, p: &mut Problems) -> Draft {
    let mut draft = Draft {
        name: String::new(),
        defaults: Defaults {
            margin_basis_points: 0,
            rate_risk_basis_points: 0,
            term_seconds: 0,
            valid_seconds: 0,
            assured_share_permille: 0,
            replacement_rate_max_basis_points: 0,
        },
        guard_rails: GuardRails {
            price_change_max_permille: 0,
            margin_min_basis_points: 0,
        },
        rules: Vec::new(),
        promotions: Vec::new(),
        names: Names::default(),
        texts: BTreeMap::new(),
    };
    let Some(fields) = mapping(root, FIELDS, p) else {
        return draft;
    };
    if let Some(version) = needed(root, &fields, "tandem_policy", p) {
        version.integer(1, 1, p);
    }
    if let Some(name) = needed(root, &fields, "name", p) {
        draft.name = name_of(&name, p);
    }
    if let Some(field) = needed(root, &fields, "guard_rails", p) {
        guard_rails(&field, &mut draft.guard_rails, p);
    }
    if let Some(field) = needed(root, &fields, "defaults", p) {
        defaults(&field, &mut draft, p);
    }
    read_rules::read(&fields, &mut draft, p);
    flatten(root.node, "", &mut draft.texts);
    draft
}

fn defaults(field: &Field<'_>, draft: &mut Draft, p: &mut Problems) {
    let Some(fields) = mapping(field, DEFAULTS, p) else {
        return;
    };
    let mut number = |name, min, max| needed_number(field, &fields, name, (min, max), p);
    draft.defaults = Defaults {
        margin_basis_points: number("margin_basis_points", 0, BASIS_POINTS_MAX),
        rate_risk_basis_points: number("rate_risk_basis_points", 0, 10_000),
        term_seconds: number("term_seconds", 3_600, 31_536_000),
        valid_seconds: number("valid_seconds", 10, 3_600),
        assured_share_permille: number("assured_share_permille", 0, 1_000),
        replacement_rate_max_basis_points: number(
            "replacement_rate_max_basis_points",
            10_000,
            BASIS_POINTS_MAX,
        ),
    };
    if let Some(margin) = fields.get("margin_basis_points")
        && draft.defaults.margin_basis_points < draft.guard_rails.margin_min_basis_points
    {
        below_smallest_margin(&margin, draft.guard_rails, p);
    }
}

fn guard_rails(field: &Field<'_>, guard_rails: &mut GuardRails, p: &mut Problems) {
    let Some(fields) = mapping(field, GUARD_RAILS, p) else {
        return;
    };
    let mut number = |name, max| needed_number(field, &fields, name, (0, max), p);
    *guard_rails = GuardRails {
        price_change_max_permille: number("price_change_max_permille", 100_000),
        margin_min_basis_points: number("margin_min_basis_points", BASIS_POINTS_MAX),
    };
}

/// A margin lies below the file's own guard rail.
pub(super) fn below_smallest_margin(field: &Field<'_>, rails: GuardRails, p: &mut Problems) {
    p.invalid(
        field,
        format!(
            "a margin of {} is below guard_rails.margin_min_basis_points, which is {}",
            field.shown(),
            rails.margin_min_basis_points
        ),
    );
}

/// The fields of a mapping. Unknown ones and those without a value are problems: an empty line
/// behind `tier:` would otherwise mean every tier.
pub(super) fn mapping<'a>(
    field: &Field<'a>,
    table: &[(&'static str, Meaning)],
    p: &mut Problems,
) -> Option<Fields<'a>> {
    let fields = field.map(p)?;
    fields.check(table, p);
    for (name, value) in fields.iter() {
        if value.node.is_null() && table.iter().any(|(known, _)| *known == name) {
            p.invalid(&value, "has no value; remove the line or complete it");
        }
    }
    Some(fields)
}

/// A field that must be there.
pub(super) fn needed<'a>(
    parent: &Field<'a>,
    fields: &Fields<'a>,
    name: &str,
    p: &mut Problems,
) -> Option<Field<'a>> {
    let found = fields.get(name);
    if found.is_none() && fields.iter().all(|(have, _)| have != name) {
        p.missing(parent, name, "is missing");
    }
    found
}

/// A whole number that must be there; the smallest stands in for one that is refused.
pub(super) fn needed_number(
    parent: &Field<'_>,
    fields: &Fields<'_>,
    name: &str,
    (min, max): (u64, u64),
    p: &mut Problems,
) -> u32 {
    let number = whole_number(parent, fields, name, (min, max), p);
    number
        .or_else(|| u32::try_from(min).ok())
        .unwrap_or(u32::MAX)
}

/// A whole number that must be there.
pub(super) fn whole_number(
    parent: &Field<'_>,
    fields: &Fields<'_>,
    name: &str,
    (min, max): (u64, u64),
    p: &mut Problems,
) -> Option<u32> {
    let field = needed(parent, fields, name, p)?;
    field
        .integer(min, max, p)
        .and_then(|n| u32::try_from(n).ok())
}

/// A name of lower-case letters, digits and dashes.
pub(super) fn name_of(field: &Field<'_>, p: &mut Problems) -> String {
    let Some(text) = field.text(p) else {
        return String::new();
    };
    let fits = (1..=NAME_LEN_MAX).contains(&text.len())
        && text
            .bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    if !fits {
        p.invalid(
            field,
            format!(
                "`{}` is not 1 to {NAME_LEN_MAX} lower-case letters, digits and dashes",
                field.shown()
            ),
        );
    }
    text.to_owned()
}

/// Every scalar and every list of scalars by its path. Rules and promotions go by their id, so that
/// moving one changes nothing; items of a list are sorted, because their order means nothing.
fn flatten(node: &Node, path: &str, texts: &mut BTreeMap<String, String>) {
    let join = |name: &str| {
        let dot = if path.is_empty() { "" } else { "." };
        format!("{path}{dot}{name}")
    };
    match &node.body {
        Body::Scalar(scalar) => {
            texts.insert(path.to_owned(), scalar.text.trim().to_owned());
        }
        Body::Map(entries) => {
            for (key, value) in entries {
                flatten(value, &join(&key.text), texts);
            }
        }
        Body::List(items) => {
            let mut plain: Vec<&str> = items.iter().filter_map(Node::text).collect();
            plain.sort_unstable();
            if !plain.is_empty() {
                texts.insert(path.to_owned(), plain.join(", "));
            }
            for item in items {
                if let Some(id) = item.get("id").and_then(Node::text) {
                    flatten(item, &join(id), texts);
                }
            }
        }
    }
}
