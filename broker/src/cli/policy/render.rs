//! Differences of policies as tables and lines.

use serde_json::Value;
use tandem_model::time::{Clock as _, WallTime};

use crate::api::{ShadowView, ViolationView};
use crate::cli::output::{say, table, tell};
use crate::cli::words::moment;
use crate::clock::SystemClock;

/// What the policy in the shadow would have changed.
pub(super) fn report(seen: &ShadowView) -> anyhow::Result<()> {
    say(&format!(
        "`{}` since {}: {} quotes; {} would have been dearer, {} cheaper, {} new, {} lost",
        seen.name,
        moment(seen.since),
        seen.quotes,
        seen.dearer,
        seen.cheaper,
        seen.newly_sold,
        seen.no_longer_sold
    ))?;
    let mut rows = table(&["tier", "GPU", "network", "country", "change"]);
    for difference in &seen.differences {
        let subject = &difference["subject"];
        let text = |name: &str| subject[name].as_str().unwrap_or_default().to_owned();
        rows.add_row([
            text("tier"),
            text("gpu"),
            text("network"),
            text("country"),
            permille(difference),
        ]);
    }
    say(&rows.to_string())
}

fn permille(of: &Value) -> String {
    let change = of["change_permille"].as_i64();
    change.map_or_else(String::new, |change| format!("{change:+} permille"))
}

/// The greatest change of a price: by how much, of what, and when, where that is not yet.
fn greatest(example: &Value, now: WallTime) -> String {
    let subject = &example["subject"];
    let text = |name: &str| subject[name].as_str().unwrap_or_default();
    let of = format!(
        "{} on {}, {} of {}",
        text("class"),
        text("tier"),
        text("gpu"),
        text("network")
    );
    let at = example["at"].as_i64().map(WallTime::from_micros);
    let from = at
        .filter(|at| *at > now)
        .map_or_else(String::new, |at| format!(", from {}", moment(at.into())));
    format!("{} ({of}{from})", permille(example))
}

/// What changes, and which guard rails it breaks.
pub(super) fn changes(diff: &Value, broken: &[ViolationView]) -> anyhow::Result<()> {
    let mut rows = table(&["what", "field", "before", "after"]);
    let mut fields = |what: &str, list: &Value| {
        for change in list.as_array().into_iter().flatten() {
            let text = |name: &str| change[name].as_str().unwrap_or("–").to_owned();
            rows.add_row([what.to_owned(), text("field"), text("old"), text("new")]);
        }
    };
    fields("policy", &diff["fields"]);
    let mut came_and_went = Vec::new();
    for (kind, name) in [("rules", "rule"), ("promotions", "promotion")] {
        for changed in diff[kind]["changed"].as_array().into_iter().flatten() {
            let id = changed["id"].as_str().unwrap_or_default();
            fields(&format!("{name} {id}"), &changed["fields"]);
        }
        for (list, verb) in [("added", "new"), ("removed", "gone")] {
            for id in diff[kind][list].as_array().into_iter().flatten() {
                let id = id.as_str().unwrap_or_default();
                came_and_went.push(format!("{name} {id} is {verb}"));
            }
        }
    }
    if !rows.is_empty() {
        say(&rows.to_string())?;
    }
    came_and_went.iter().try_for_each(|line| say(line))?;
    let prices = &diff["prices"];
    let count = |name: &str| prices[name].as_u64().unwrap_or(0);
    say(&format!(
        "{} prices compared: {} rise, {} fall, {} stay, {} new, {} lost",
        count("compared"),
        count("dearer"),
        count("cheaper"),
        count("same"),
        count("newly_sold"),
        count("no_longer_sold")
    ))?;
    let now = SystemClock::new(1).wall();
    for (name, what) in [
        ("largest_rise", "largest rise"),
        ("largest_fall", "largest fall"),
    ] {
        if !prices[name].is_null() {
            say(&format!("{what}: {}", greatest(&prices[name], now)))?;
        }
    }
    for violation in broken {
        tell(&format!("guard rail: {}", violation.text));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_change_that_is_to_come_is_told_with_its_date() {
        let example = json!({
            "at": 1_799_971_200_000_000_i64, "change_permille": -80,
            "subject": {
                "class": "rendering", "tier": "consumer", "gpu": "rtx4090", "network": "ionet",
            },
        });
        let told = |now_us| greatest(&example, WallTime::from_micros(now_us));
        let what = "-80 permille (rendering on consumer, rtx4090 of ionet";
        let from = format!("{what}, from 2027-01-15 00:00:00Z)");
        assert_eq!(told(1_799_971_199_000_000), from);
        assert_eq!(told(1_799_971_200_000_000), format!("{what})"));
    }
}
