//! The page's tables: totals, groups, days, and what was assumed.

use std::fmt::Write;

use tandem_model::workload::Tier;

use super::escape;
use crate::lab::bootstrap::Metric;
use crate::lab::figures::{dollars, gpu_hours, share, whole};
use crate::lab::report::{Backtest, PolicyReport};
use crate::lab::tally::Sums;

/// A table; the first cell of a row is its head. Cells are text, not HTML.
fn table(caption: &str, head: &[String], rows: &[Vec<String>]) -> String {
    let mut text = format!(
        "<div class=\"scroll\"><table><caption>{}</caption><thead><tr>",
        escape(caption)
    );
    for cell in head {
        let _ = write!(text, "<th scope=\"col\">{}</th>", escape(cell));
    }
    text.push_str("</tr></thead><tbody>");
    for row in rows {
        text.push_str("<tr>");
        for (number, cell) in row.iter().enumerate() {
            let cell = escape(cell);
            let _ = match number {
                0 => write!(text, "<th scope=\"row\">{cell}</th>"),
                _ => write!(text, "<td>{cell}</td>"),
            };
        }
        text.push_str("</tr>");
    }
    text + "</tbody></table></div>"
}

fn words(all: &[&str]) -> Vec<String> {
    all.iter().map(|&word| word.to_owned()).collect()
}

/// Every metric with its interval, and the difference where there are two policies.
pub(super) fn totals(backtest: &Backtest, names: &[String]) -> String {
    let mut head = vec![String::new()];
    for name in names {
        head.extend([name.clone(), "5 % to 95 %".to_owned()]);
    }
    if backtest.difference.is_some() {
        head.extend(words(&["difference", "5 % to 95 %"]));
    }
    let rows: Vec<Vec<String>> = Metric::ALL
        .iter()
        .map(|metric| {
            let mut row = vec![metric.label().to_owned()];
            for report in &backtest.policies {
                if let Some(estimate) = report.estimates.get(metric) {
                    let interval = metric.shown_interval(estimate, false);
                    row.extend([metric.shown(estimate.value), interval]);
                }
            }
            let difference = backtest.difference.as_ref();
            if let Some(estimate) = difference.and_then(|all| all.get(metric)) {
                let interval = metric.shown_interval(estimate, true);
                row.extend([metric.shown_change(estimate.value), interval]);
            }
            row
        })
        .collect();
    let caption = match backtest.difference {
        Some(_) => {
            "The difference is the second policy less the first, on the same tasks and draws."
        }
        None => "All tasks.",
    };
    table(caption, &head, &rows)
}

const GROUP_HEAD: [&str; 10] = [
    "tasks",
    "sold",
    "of tasks",
    "refused: price",
    "capacity",
    "other",
    "GPU-hours",
    "revenue",
    "margin",
    "credit",
];

fn group(sums: &Sums) -> Vec<String> {
    let other = sums.refused() - sums.refused_price - sums.refused_capacity;
    let count = |n: u64| whole(i128::from(n));
    vec![
        count(sums.tasks),
        count(sums.accepted),
        share(u128::from(sums.accepted), u128::from(sums.tasks)),
        count(sums.refused_price),
        count(sums.refused_capacity),
        count(other),
        gpu_hours(sums.gpu_seconds),
        dollars(sums.revenue_micro_usd),
        dollars(sums.margin_micro_usd),
        dollars(sums.expected_credit_micro_usd),
    ]
}

/// Rows of every policy under one another, each with what it is about.
fn grouped(
    backtest: &Backtest,
    names: &[String],
    (caption, what): (&str, &str),
    groups: impl Fn(&PolicyReport) -> Vec<(String, &Sums)>,
) -> String {
    let mut rows = Vec::new();
    for (report, name) in backtest.policies.iter().zip(names) {
        for (label, sums) in groups(report) {
            let mut row = vec![label.replace('_', " "), name.clone()];
            row.extend(group(sums));
            rows.push(row);
        }
    }
    // Policies beside one another: by the order of the first policy's groups.
    let order: Vec<String> = rows.iter().map(|row| row[0].clone()).collect();
    rows.sort_by_key(|row| order.iter().position(|label| *label == row[0]));
    let mut head = words(&[what, "policy"]);
    head.extend(words(&GROUP_HEAD));
    table(caption, &head, &rows)
}

/// By tier, by class, by day, and the lines of the revenue.
pub(super) fn groups(backtest: &Backtest, names: &[String]) -> String {
    let tier = grouped(
        backtest,
        names,
        ("By the tier that was wanted.", "tier"),
        |r| {
            let groups = r.by_tier.iter();
            groups
                .map(|(tier, sums)| (tier.as_str().to_owned(), sums))
                .collect()
        },
    );
    let class = grouped(backtest, names, ("By class.", "class"), |r| {
        let groups = r.by_class.iter();
        groups
            .map(|(class, sums)| (class.as_str().to_owned(), sums))
            .collect()
    });
    let day = grouped(backtest, names, ("By day of arrival.", "day"), |r| {
        let groups = r.by_day.iter();
        groups
            .map(|day| ((day.day + 1).to_string(), &day.sums))
            .collect()
    });
    let lines = lines(backtest, names);
    format!(
        "<h2>By tier</h2>{tier}<h2>By class</h2>{class}<h2>Where the revenue comes from</h2>{lines}\
         <details><summary>By day</summary>{day}</details>"
    )
}

fn lines(backtest: &Backtest, names: &[String]) -> String {
    let mut head = vec!["policy".to_owned()];
    let rows: Vec<Vec<String>> = backtest
        .policies
        .iter()
        .zip(names)
        .map(|(report, name)| {
            let mut row = vec![name.clone()];
            row.extend(
                report
                    .totals
                    .lines
                    .named()
                    .map(|(_, amount)| dollars(amount)),
            );
            row.push(dollars(report.totals.revenue_micro_usd));
            row
        })
        .collect();
    let named = Sums::default().lines.named();
    head.extend(named.iter().map(|(name, _)| name.replace('_', " ")));
    head.push("revenue".to_owned());
    table("The lines add up to the revenue.", &head, &rows)
}

fn by_tier(figure: impl Fn(Tier) -> u32) -> String {
    Tier::ALL
        .map(|tier| format!("{} {}", whole(figure(tier).into()), tier.as_str()))
        .join(", ")
}

/// What was assumed, and on what it played.
pub(super) fn assumptions(backtest: &Backtest) -> String {
    let p = &backtest.parameters;
    let acceptance = if backtest.inputs.acceptance_by_table {
        "by the table of conversion".to_owned()
    } else {
        format!(
            "{} permille at the reference price, elasticity {} permille",
            p.base_acceptance_ppm / 1_000,
            p.elasticity_permille
        )
    };
    let entries = [
        ("acceptance", acceptance),
        (
            "reference price",
            format!(
                "list cost and {} basis points",
                p.reference_margin_basis_points
            ),
        ),
        (
            "failures in a billion GPU-hours",
            format!(
                "{} enterprise, {} other",
                whole(p.enterprise_failures_per_billion_gpu_hours.into()),
                whole(p.consumer_failures_per_billion_gpu_hours.into())
            ),
        ),
        (
            "breaches in a thousand failures",
            by_tier(|tier| p.breach_per_failure_permille.of(tier)),
        ),
        (
            "credit of a breach, basis points of the price",
            by_tier(|tier| p.credit_basis_points.of(tier)),
        ),
    ];
    let mut text = "<h2>What was assumed</h2><dl>".to_owned();
    for (name, value) in entries {
        let _ = write!(text, "<dt>{name}</dt><dd>{}</dd>", escape(value.trim()));
    }
    for report in &backtest.policies {
        let (name, digest) = (escape(&report.name), report.digest);
        let _ = write!(text, "<dt>policy {name}</dt><dd><code>{digest}</code></dd>");
    }
    for file in &backtest.inputs.files {
        let (name, digest) = (escape(&file.name), &file.sha256);
        let _ = write!(text, "<dt>{name}</dt><dd><code>{digest}</code></dd>");
    }
    text + "</dl>"
}
