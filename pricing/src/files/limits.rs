//! `limits` of our own workload file: the customer's conditions on money, time, place and data.

use tandem_model::network::Country;
use tandem_model::workload::{DataClass, Limits, Near};

use super::cursor::Meaning::Used;
use super::cursor::{Field, Fields, Table};
use super::draft;
use super::problem::Problems;
use crate::book::round_trip_ms;
use crate::countries;

const LIMITS: Table = &[
    ("max_price_usd_per_gpu_hour", Used),
    ("start_by_seconds", Used),
    ("max_duration_seconds", Used),
    ("finish_by_seconds", Used),
    ("expected_seconds", Used),
    ("budget_usd", Used),
    ("egress_gb", Used),
    ("countries_allowed", Used),
    ("countries_denied", Used),
    ("near", Used),
    ("data", Used),
];
const NEAR: Table = &[("countries", Used), ("round_trip_ms", Used)];

/// Most time in seconds that a limit can give: one year.
const DURATION_SECONDS_MAX: u64 = 31_536_000;
/// Most that a workload can say it sends out, in GB: an exabyte.
const EGRESS_GB_MAX: u64 = 1_000_000_000;
/// Longest round trip that can be asked for in milliseconds; the far side of the earth is nearer.
const ROUND_TRIP_MS_MAX: u64 = 1_000;
/// Most countries of users.
const NEAR_COUNTRIES_MAX: usize = 16;

/// Reads the mapping.
pub(super) fn read(field: &Field<'_>, p: &mut Problems) -> Limits {
    let Some(fields) = field.map(p) else {
        return Limits::default();
    };
    fields.check(LIMITS, p);
    let seconds = |name: &str, p: &mut Problems| {
        let n = fields.get(name)?.integer(1, DURATION_SECONDS_MAX, p)?;
        u32::try_from(n).ok()
    };
    let dollars = |name: &str, p: &mut Problems| draft::usd(&fields.get(name)?, p);
    let names = DataClass::ALL.map(DataClass::as_str);
    let data = |p: &mut Problems| DataClass::parse(fields.get("data")?.word(&names, p)?);
    let limits = Limits {
        max_price_micro_usd: dollars("max_price_usd_per_gpu_hour", p),
        start_by_seconds: seconds("start_by_seconds", p),
        max_duration_seconds: seconds("max_duration_seconds", p),
        finish_by_seconds: seconds("finish_by_seconds", p),
        expected_seconds: seconds("expected_seconds", p),
        budget_micro_usd: dollars("budget_usd", p),
        egress_gb: fields
            .get("egress_gb")
            .and_then(|f| f.integer(0, EGRESS_GB_MAX, p)),
        countries_allowed: countries(&fields, "countries_allowed", p),
        countries_denied: countries(&fields, "countries_denied", p),
        near: fields.get("near").and_then(|f| near(&f, p)),
        data: data(p).unwrap_or_default(),
    };
    length_is_known(&limits, &fields, p);
    limits
}

/// Refuses limits on a length that nothing tells.
fn length_is_known(limits: &Limits, fields: &Fields<'_>, p: &mut Problems) {
    if limits
        .expected_seconds
        .or(limits.max_duration_seconds)
        .is_some()
    {
        return;
    }
    let set = [
        ("finish_by_seconds", limits.finish_by_seconds.is_some()),
        ("budget_usd", limits.budget_micro_usd.is_some()),
    ];
    for (name, _) in set.iter().filter(|(_, is_set)| *is_set) {
        if let Some(field) = fields.get(name) {
            let text = "cannot be kept while nothing says how long the work takes: give \
                        `expected_seconds` or `max_duration_seconds` too";
            p.invalid(&field, text);
        }
    }
}

fn near(field: &Field<'_>, p: &mut Problems) -> Option<Near> {
    let fields = field.map(p)?;
    fields.check(NEAR, p);
    let users = match fields.get("countries") {
        Some(f) => users(&f, p),
        None => {
            p.missing(field, "countries", "the countries of the users belong here");
            Vec::new()
        }
    };
    let Some(longest) = fields.get("round_trip_ms") else {
        let text = "the longest round trip to the users belongs here";
        p.missing(field, "round_trip_ms", text);
        return None;
    };
    let ms = longest.integer(1, ROUND_TRIP_MS_MAX, p)?;
    Some(Near {
        countries: users,
        round_trip_ms: u32::try_from(ms).ok()?,
    })
}

/// Countries whose distance from others is known.
fn users(field: &Field<'_>, p: &mut Problems) -> Vec<Country> {
    let items = field.list(p);
    if field.is_list() && !(1..=NEAR_COUNTRIES_MAX).contains(&items.len()) {
        let text = format!("1 to {NEAR_COUNTRIES_MAX} countries of users belong here");
        p.invalid(field, text);
    }
    let mut found = Vec::new();
    for f in items {
        let Some(country) = country(&f, p) else {
            continue;
        };
        match round_trip_ms(country, country) {
            Some(_) => found.push(country),
            None => p.invalid(
                &f,
                "how far it is from others is not known here; name a country beside it",
            ),
        }
    }
    found
}

fn countries(fields: &Fields<'_>, name: &str, p: &mut Problems) -> Vec<Country> {
    let items = fields.get(name).map(|f| f.list(p)).unwrap_or_default();
    items.iter().filter_map(|f| country(f, p)).collect()
}

fn country(field: &Field<'_>, p: &mut Problems) -> Option<Country> {
    let found = field.text(p).and_then(countries::parse);
    if found.is_none() {
        p.invalid(
            field,
            "a country is the two letters that ISO 3166-1 gave it, quoted where YAML reads NO as false",
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::read;
    use tandem_model::money::MicroUsd;

    fn file(limits: &str) -> String {
        format!("tandem: 1\nname: a\nrun: x\nlimits: {limits}\n")
    }

    #[test]
    fn wrong_limits_are_refused_by_the_name_of_their_field() {
        let many = vec!["DE"; NEAR_COUNTRIES_MAX + 1].join(", ");
        let crowd = format!("{{near: {{countries: [{many}], round_trip_ms: 9}}}}");
        for (limits, field) in [
            ("{finish_by_seconds: 0}", "finish_by_seconds"),
            ("{finish_by_seconds: 31536001}", "finish_by_seconds"),
            ("{expected_seconds: 1.5}", "expected_seconds"),
            ("{expected_seconds: an hour}", "expected_seconds"),
            ("{budget_usd: 0}", "budget_usd"),
            ("{budget_usd: -3}", "budget_usd"),
            ("{budget_usd: 1e99}", "budget_usd"),
            ("{egress_gb: 1000000001}", "egress_gb"),
            ("{egress_gb: -1}", "egress_gb"),
            ("{data: secret}", "data"),
            ("{data: [public]}", "data"),
            ("{countries_allowed: [UK]}", "countries_allowed[0]"),
            ("{countries_denied: [DE, false]}", "countries_denied[1]"),
            ("{near: DE}", "near"),
            ("{near: {round_trip_ms: 9}}", "near.countries"),
            ("{near: {countries: [DE]}}", "near.round_trip_ms"),
            (
                "{near: {countries: [], round_trip_ms: 9}}",
                "near.countries",
            ),
            (
                "{near: {countries: [DE, ZZ], round_trip_ms: 9}}",
                "near.countries[1]",
            ),
            (
                "{near: {countries: [AQ], round_trip_ms: 9}}",
                "near.countries[0]",
            ),
            (
                "{near: {countries: [DE], round_trip_ms: 0}}",
                "near.round_trip_ms",
            ),
            (
                "{near: {countries: [DE], round_trip_ms: 1001}}",
                "near.round_trip_ms",
            ),
            (
                "{near: {countries: [DE], round_trip_ms: 9, within: 2}}",
                "near.within",
            ),
            (crowd.as_str(), "near.countries"),
        ] {
            let errors = read(&file(limits)).unwrap_err().0;
            let fields: Vec<_> = errors.iter().map(|e| e.field.as_str()).collect();
            assert_eq!(fields, [format!("limits.{field}")], "{limits}");
        }
    }

    #[test]
    fn every_limit_reaches_the_workload_and_what_is_not_said_stays_open() {
        let w = |limits: &str| read(&file(limits)).unwrap().workload.unwrap();
        assert_eq!(w("{}").limits, Limits::default());
        let all = "{max_price_usd_per_gpu_hour: 2, start_by_seconds: 1, max_duration_seconds: 2, \
            finish_by_seconds: 31536000, expected_seconds: 3, budget_usd: $120.5, egress_gb: 0, \
            countries_allowed: [de], countries_denied: [FR], \
            near: {countries: [DE, US], round_trip_ms: 1000}, data: restricted}";
        let found = |code: &str| Country::parse(code).unwrap();
        let wanted = Limits {
            max_price_micro_usd: Some(MicroUsd::new(2_000_000)),
            start_by_seconds: Some(1),
            max_duration_seconds: Some(2),
            countries_allowed: vec![found("DE")],
            countries_denied: vec![found("FR")],
            finish_by_seconds: Some(31_536_000),
            budget_micro_usd: Some(MicroUsd::new(120_500_000)),
            expected_seconds: Some(3),
            egress_gb: Some(0),
            near: Some(Near {
                countries: vec![found("DE"), found("US")],
                round_trip_ms: 1_000,
            }),
            data: DataClass::Restricted,
        };
        assert_eq!(w(all).limits, wanted);
    }
}
