//! Rules and promotions of a policy file.

use tandem_model::money::MicroUsd;
use tandem_model::time::WallTime;

use super::condition::Condition;
use super::problem::Position;
use super::read::{
    BASIS_POINTS_MAX, Draft, below_smallest_margin, mapping, name_of, needed, needed_number,
    whole_number,
};
use super::read_match;
use super::rule::{Effect, Effects, Promotion, Rule};
use super::selector::Selector;
use super::surge::{POINTS_MAX, Surge, UTILISATION_MAX};
use crate::files::cursor::{Field, Fields, Meaning};
use crate::files::problem::Problems;

/// Most rules of a policy.
pub const RULES_MAX: usize = 128;
/// Most promotions of a policy.
pub const PROMOTIONS_MAX: usize = 64;
/// Highest priority.
pub const PRIORITY_MAX: u64 = 1_000_000;
/// Highest floor and ceiling: 1,000 dollars per GPU-hour.
pub const PRICE_LIMIT_MAX: u64 = 1_000_000_000;
/// Largest discount: what is left is never nothing.
pub const DISCOUNT_MAX: u64 = 9_000;
/// Largest cap of a promotion: a billion dollars.
const CAP_MAX: u64 = 1_000_000_000_000_000;

const RULE: &[(&str, Meaning)] = &[
    ("id", Meaning::Used),
    ("priority", Meaning::Used),
    ("match", Meaning::Used),
    ("when", Meaning::Used),
    ("set", Meaning::Used),
];

const SET: &[(&str, Meaning)] = &[
    (Effect::Margin.field(), Meaning::Used),
    (Effect::Surge.field(), Meaning::Used),
    (Effect::RateRisk.field(), Meaning::Used),
    (Effect::Floor.field(), Meaning::Used),
    (Effect::Ceiling.field(), Meaning::Used),
    (Effect::BelowCost.field(), Meaning::Used),
];

const PROMOTION: &[(&str, Meaning)] = &[
    ("id", Meaning::Used),
    ("match", Meaning::Used),
    ("discount_basis_points", Meaning::Used),
    ("from", Meaning::Used),
    ("until", Meaning::Used),
    ("total_cap_micro_usd", Meaning::Used),
];

/// Reads `rules` and `promotions` into the draft. Ids are unique within each.
pub(super) fn read(fields: &Fields<'_>, draft: &mut Draft, p: &mut Problems) {
    let rules = entries(fields, "rules", RULES_MAX, p);
    let mut seen = Vec::new();
    for field in &rules {
        if let Some(rule) = rule(field, draft, &mut seen, p) {
            draft.rules.push(rule);
        }
    }
    let promotions = entries(fields, "promotions", PROMOTIONS_MAX, p);
    let mut seen = Vec::new();
    for field in &promotions {
        if let Some(promotion) = promotion(field, draft, &mut seen, p) {
            draft.promotions.push(promotion);
        }
    }
}

fn entries<'a>(fields: &Fields<'a>, name: &str, max: usize, p: &mut Problems) -> Vec<Field<'a>> {
    let Some(field) = fields.get(name) else {
        return Vec::new();
    };
    let items = field.list(p);
    if items.len() > max {
        p.too_large(&field, format!("{} entries; at most {max}", items.len()));
        return Vec::new();
    }
    items
}

/// The id of an entry, which no earlier one may have.
fn id_of(
    entry: &Field<'_>,
    fields: &Fields<'_>,
    seen: &mut Vec<(String, Position)>,
    p: &mut Problems,
) -> String {
    let Some(field) = needed(entry, fields, "id", p) else {
        return String::new();
    };
    let id = name_of(&field, p);
    if let Some((_, first)) = seen.iter().find(|(have, _)| *have == id) {
        p.invalid(
            &field,
            format!("`{id}` is also the id of the entry at {first}"),
        );
    }
    seen.push((id.clone(), field.place.into()));
    id
}

fn selector_of(fields: &Fields<'_>, draft: &mut Draft, p: &mut Problems) -> Selector {
    fields
        .get("match")
        .map(|field| read_match::read(&field, &mut draft.names, p))
        .unwrap_or_default()
}

fn rule(
    entry: &Field<'_>,
    draft: &mut Draft,
    seen: &mut Vec<(String, Position)>,
    p: &mut Problems,
) -> Option<Rule> {
    let fields = mapping(entry, RULE, p)?;
    let id = id_of(entry, &fields, seen, p);
    let priority = whole_number(entry, &fields, "priority", (0, PRIORITY_MAX), p);
    let mut rule = Rule {
        id,
        priority: priority.unwrap_or_default(),
        selector: selector_of(&fields, draft, p),
        condition: fields.get("when").and_then(|field| condition(&field, p)),
        effects: Effects::default(),
        sets: 0,
        position: entry.place.into(),
        set_at: Default::default(),
    };
    let set = needed(entry, &fields, "set", p)?;
    let fields = mapping(&set, SET, p)?;
    for effect in Effect::ALL {
        if let Some(field) = fields.get(effect.field()) {
            rule.sets |= effect.bit();
            rule.set_at[effect as usize] = Some(field.place.into());
        }
    }
    if rule.sets == 0 {
        p.invalid(&set, "a rule that sets nothing");
    }
    if priority.is_none() {
        rule.sets = 0; // It is refused already, and contradicts nobody.
    }
    rule.effects = effects(&fields, p);
    let allowed = rule.effects.allow_below_cost == Some(true);
    if let (Some(field), Some(margin)) = (
        fields.get(Effect::Margin.field()),
        rule.effects.margin_basis_points,
    ) && margin < draft.guard_rails.margin_min_basis_points
        && !allowed
    {
        below_smallest_margin(&field, draft.guard_rails, p);
    }
    Some(rule)
}

fn condition(field: &Field<'_>, p: &mut Problems) -> Option<Condition> {
    let text = field.text(p)?;
    match Condition::compile(text) {
        Ok(condition) => Some(condition),
        Err(what) => {
            let value = Field {
                place: field.node.place,
                ..field.clone()
            };
            p.invalid(&value, what);
            None
        }
    }
}

fn effects(fields: &Fields<'_>, p: &mut Problems) -> Effects {
    let mut number = |effect: Effect, min, max| {
        let number = fields.get(effect.field())?.integer(min, max, p)?;
        i64::try_from(number).ok()
    };
    let basis_points = |n: i64| u32::try_from(n).unwrap_or(u32::MAX);
    let effects = Effects {
        margin_basis_points: number(Effect::Margin, 0, BASIS_POINTS_MAX).map(basis_points),
        rate_risk_basis_points: number(Effect::RateRisk, 0, 10_000).map(basis_points),
        floor: number(Effect::Floor, 1, PRICE_LIMIT_MAX).map(MicroUsd::new),
        ceiling: number(Effect::Ceiling, 1, PRICE_LIMIT_MAX).map(MicroUsd::new),
        surge: fields
            .get(Effect::Surge.field())
            .and_then(|field| surge(&field, p)),
        allow_below_cost: fields
            .get(Effect::BelowCost.field())
            .and_then(|field| field.boolean(p)),
    };
    if let (Some(floor), Some(ceiling)) = (effects.floor, effects.ceiling)
        && floor > ceiling
        && let Some(field) = fields.get(Effect::Ceiling.field())
    {
        p.invalid(&field, "the ceiling lies below the floor of the same rule");
    }
    effects
}

fn surge(field: &Field<'_>, p: &mut Problems) -> Option<Surge> {
    let fields = field.map(p)?;
    let mut points = Vec::new();
    for (key, value) in fields.iter() {
        let utilisation = key.replace('_', "").parse::<u16>().ok();
        let utilisation = utilisation.filter(|u| *u <= UTILISATION_MAX);
        let basis_points = value.integer(0, BASIS_POINTS_MAX, p);
        match (utilisation, basis_points) {
            (None, _) => p.invalid(
                &value,
                format!(
                    "the utilisation is not a whole number from 0 to {UTILISATION_MAX} permille"
                ),
            ),
            (Some(utilisation), Some(n)) => {
                points.push((utilisation, u32::try_from(n).unwrap_or(u32::MAX)));
            }
            (Some(_), None) => {}
        }
    }
    let all = fields.iter().count();
    if all > POINTS_MAX {
        p.too_large(field, format!("{all} points; at most {POINTS_MAX}"));
        return None;
    }
    let whole = points.len() == all;
    let surge = Surge::new(points);
    if whole && surge.is_none() {
        p.invalid(
            field,
            "a table of at least one point, in which utilisation rises from point to point and the \
             surcharge never falls, belongs here",
        );
    }
    surge
}

fn promotion(
    entry: &Field<'_>,
    draft: &mut Draft,
    seen: &mut Vec<(String, Position)>,
    p: &mut Problems,
) -> Option<Promotion> {
    let fields = mapping(entry, PROMOTION, p)?;
    let mut moment = |name| {
        let field = needed(entry, &fields, name, p)?;
        let found = field.text(p).and_then(moment);
        if found.is_none() {
            p.invalid(
                &field,
                format!(
                    "`{}` is not a moment such as 2027-01-31T00:00:00Z (RFC 3339)",
                    field.shown()
                ),
            );
        }
        found
    };
    let (from, until) = (moment("from"), moment("until"));
    if let (Some(from), Some(until), Some(field)) = (from, until, fields.get("until"))
        && until <= from
    {
        p.invalid(&field, "ends before it begins");
    }
    let discount = "discount_basis_points";
    let cap = fields.get("total_cap_micro_usd");
    let cap = cap.and_then(|field| field.integer(1, CAP_MAX, p));
    Some(Promotion {
        id: id_of(entry, &fields, seen, p),
        selector: selector_of(&fields, draft, p),
        discount_basis_points: needed_number(entry, &fields, discount, (1, DISCOUNT_MAX), p),
        from: from.unwrap_or_default(),
        until: until.unwrap_or_default(),
        total_cap: cap
            .and_then(|cap| i64::try_from(cap).ok())
            .map(MicroUsd::new),
    })
}

/// A moment of RFC 3339 with a date, a time and `Z` or an offset; to the microsecond.
fn moment(text: &str) -> Option<WallTime> {
    let plain = |b: u8| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b':' | b'.' | b'T' | b'Z');
    let with_time = text.as_bytes().get(10) == Some(&b'T') && text.as_bytes().get(4) == Some(&b'-');
    if !with_time || !text.bytes().all(plain) {
        return None;
    }
    let moment: jiff::Timestamp = text.parse().ok()?;
    Some(WallTime::from_micros(moment.as_microsecond()))
}
