//! The result of a back-test as one HTML page: no script, nothing from elsewhere.

mod chart;
mod style;
mod tables;

use std::fmt::Write;

use tandem_model::workload::Tier;

use super::figures::{dollars, percent};
use super::report::{Backtest, DayReport, PolicyReport};
use super::tally::Sums;
use chart::{Chart, Series};

/// Makes text safe inside HTML and its attributes.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

/// The names of the policies as they stand on the page: told apart where they are equal.
fn names(backtest: &Backtest) -> Vec<String> {
    let reports = &backtest.policies;
    let same = reports.len() == 2 && reports[0].name == reports[1].name;
    let name = |(report, suffix): (&PolicyReport, &str)| match same {
        true => format!("{} ({suffix})", report.name),
        false => report.name.clone(),
    };
    reports.iter().zip(["first", "second"]).map(name).collect()
}

/// The page. The same result gives the same text.
pub fn html(backtest: &Backtest) -> String {
    let names = names(backtest);
    let title = escape(&names.join(" against "));
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>Price lab: {title}</title><style>{}</style></head><body>\n\
         <header><h1>Price lab: {title}</h1>",
        style::STYLE
    );
    let inputs = &backtest.inputs;
    let _ = write!(
        page,
        "<p class=\"quiet\">{} tasks in {} days, {} places that sold, seed {}. \
         Intervals hold nine of ten of {} resamples of the days.</p>",
        inputs.tasks, inputs.days, inputs.lanes, backtest.parameters.seed, backtest.resamples
    );
    if inputs.demand_is_synthetic {
        page.push_str(
            "<p class=\"note\">The demand is synthetic: a generator made it, no customer did. \
             The figures show how the policies differ on it, not what anyone would earn.</p>",
        );
    }
    page.push_str("</header>\n<main><h2>Totals</h2>");
    page.push_str(&tables::totals(backtest, &names));
    page.push_str("<h2>Day by day</h2>");
    page.push_str(&key(&names));
    page.push_str("<div class=\"charts\">");
    for figure in figures(backtest, &names) {
        page.push_str(&figure);
    }
    page.push_str("</div>");
    page.push_str(&tables::groups(backtest, &names));
    page.push_str(&tables::assumptions(backtest));
    page.push_str("</main></body></html>\n");
    page
}

/// Which line is which policy.
fn key(names: &[String]) -> String {
    let entries = names.iter().enumerate().map(|(number, name)| {
        format!(
            "<span class=\"key\"><svg viewBox=\"0 0 28 10\" aria-hidden=\"true\">\
             <path class=\"s{number}\" d=\"M0 5L28 5\"/></svg>{}</span>",
            escape(name)
        )
    });
    format!("<p>{}</p>", entries.collect::<String>())
}

fn by_day(
    backtest: &Backtest,
    names: &[String],
    value: impl Fn(&DayReport) -> Option<i128>,
) -> Vec<Series> {
    let series = backtest.policies.iter().zip(names);
    series
        .map(|(report, name)| Series {
            name: name.clone(),
            values: report.by_day.iter().map(&value).collect(),
        })
        .collect()
}

fn ratio(part: i128, whole: u128) -> Option<i128> {
    part.checked_div(i128::try_from(whole).ok()?)
}

fn figures(backtest: &Backtest, names: &[String]) -> Vec<String> {
    let first = backtest.policies.first();
    let days = first.map_or(&[][..], |report| &report.by_day);
    let days: Vec<String> = days.iter().map(|day| (day.day + 1).to_string()).collect();
    let price = |d: &DayReport| ratio(d.sums.revenue_micro_usd * 3_600, d.sums.gpu_seconds);
    let taken = |d: &DayReport| {
        let taken = i128::try_from(d.occupancy.taken_gpu_seconds).ok()?;
        ratio(taken * 1_000_000, d.occupancy.supply_gpu_seconds)
    };
    let over_time = [
        (
            "price",
            "Average price per GPU-hour sold",
            by_day(backtest, names, price),
            dollars as fn(i128) -> String,
        ),
        (
            "revenue",
            "Revenue",
            by_day(backtest, names, |d| Some(d.sums.revenue_micro_usd)),
            dollars,
        ),
        (
            "margin",
            "Margin",
            by_day(backtest, names, |d| Some(d.sums.margin_micro_usd)),
            dollars,
        ),
        (
            "utilisation",
            "Utilisation: GPU-hours taken of those there were",
            by_day(backtest, names, taken),
            percent,
        ),
    ];
    let mut all: Vec<String> = over_time
        .iter()
        .map(|(id, title, series, shown)| {
            let chart = Chart {
                id,
                title,
                description: "One line a policy, by day; the table by day has the figures.",
                series,
                labels: &days,
                shown: *shown,
            };
            figure(title, "by day", &chart::lines(&chart))
        })
        .collect();
    all.push(by_tier(backtest, names));
    all
}

fn by_tier(backtest: &Backtest, names: &[String]) -> String {
    let sold = |sums: &Sums| {
        ratio(
            i128::from(sums.accepted) * 1_000_000,
            u128::from(sums.tasks),
        )
    };
    let series: Vec<Series> = backtest
        .policies
        .iter()
        .zip(names)
        .map(|(report, name)| Series {
            name: name.clone(),
            values: Tier::ALL
                .iter()
                .map(|tier| report.by_tier.get(tier).and_then(sold))
                .collect(),
        })
        .collect();
    let title = "Tasks sold of those that wanted the tier";
    let chart = Chart {
        id: "tier",
        title,
        description: "One bar a policy for each tier; the table by tier has the figures.",
        series: &series,
        labels: &Tier::ALL.map(|tier| tier.as_str().to_owned()),
        shown: percent,
    };
    figure(title, "by tier", &chart::bars(&chart))
}

fn figure(title: &str, over: &str, svg: &str) -> String {
    let title = escape(title);
    format!("<figure><h3>{title}</h3><figcaption>{over}</figcaption>{svg}</figure>")
}
