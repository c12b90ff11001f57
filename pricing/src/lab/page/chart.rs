//! Charts as inline SVG, from whole numbers. Colours come from the page's style sheet; a second
//! series is also dashed or hatched, so that nothing depends on colour alone.

use std::fmt::Write;

use super::escape;

/// A named row of values; none where there is nothing to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) values: Vec<Option<i128>>,
}

/// What stands on a chart, and how its values are written.
pub(super) struct Chart<'a> {
    pub(super) id: &'a str,
    pub(super) title: &'a str,
    /// One sentence for those who cannot see it.
    pub(super) description: &'a str,
    pub(super) series: &'a [Series],
    /// Names along the bottom.
    pub(super) labels: &'a [String],
    pub(super) shown: fn(i128) -> String,
}

const WIDTH: i128 = 720;
const HEIGHT: i128 = 250;
const LEFT: i128 = 74;
const RIGHT: i128 = 12;
const TOP: i128 = 12;
const BOTTOM: i128 = 30;
/// Lines across, at most.
const TICKS_MAX: i128 = 5;
/// Labels along the bottom, at most.
const LABELS_MAX: usize = 15;
/// Up to so many values each has a point.
const POINTS_MAX: usize = 40;
/// Colours that the style sheet has.
const COLOURS: usize = 2;

/// The vertical axis: its lowest and highest value and the step between lines.
struct Axis {
    low: i128,
    high: i128,
    step: i128,
}

impl Axis {
    /// From zero, or below where a value is, to a round number above every value.
    fn over(series: &[Series]) -> Self {
        let values = || {
            series
                .iter()
                .flat_map(|s| s.values.iter().flatten().copied())
        };
        let (low, high) = (
            values().min().unwrap_or(0).min(0),
            values().max().unwrap_or(0).max(1),
        );
        let wanted = ((high - low) / TICKS_MAX).max(1);
        let mut power = 1;
        while power * 10 <= wanted {
            power *= 10;
        }
        let steps = [1, 2, 5, 10].map(|factor| factor * power);
        let step = steps
            .into_iter()
            .find(|step| *step >= wanted)
            .unwrap_or(wanted);
        Self {
            low: low.div_euclid(step) * step,
            high: (high + step - 1).div_euclid(step) * step,
            step,
        }
    }

    /// Where a value lies, in units of the drawing.
    fn y(&self, value: i128) -> i128 {
        let span = (self.high - self.low).max(1);
        let room = HEIGHT - TOP - BOTTOM;
        HEIGHT - BOTTOM - (value - self.low) * room / span
    }

    fn lines(&self, shown: fn(i128) -> String, svg: &mut String) {
        let mut value = self.low;
        while value <= self.high {
            let (y, right) = (self.y(value), WIDTH - RIGHT);
            let class = if value == 0 { "zero" } else { "grid" };
            let text = escape(&shown(value));
            let (label_x, label_y) = (LEFT - 8, y + 4);
            let _ = write!(
                svg,
                "<line class=\"{class}\" x1=\"{LEFT}\" y1=\"{y}\" x2=\"{right}\" y2=\"{y}\"/>\
                 <text x=\"{label_x}\" y=\"{label_y}\" text-anchor=\"end\">{text}</text>"
            );
            value += self.step;
        }
    }
}

fn index(number: usize) -> i128 {
    i128::try_from(number).unwrap_or(i128::MAX)
}

fn open(chart: &Chart<'_>) -> String {
    let (id, title) = (chart.id, escape(chart.title));
    let described = escape(chart.description);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\">\
         <title id=\"{id}-t\">{title}</title><desc id=\"{id}-d\">{described}</desc>"
    );
    // A hatch of its own for each chart: ids are unique in a page.
    let _ = write!(
        svg,
        "<defs><pattern id=\"{id}-h\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" \
         patternTransform=\"rotate(45)\"><rect class=\"f1\" width=\"6\" height=\"6\"/>\
         <line class=\"hatch\" x1=\"0\" y1=\"0\" x2=\"0\" y2=\"6\"/></pattern></defs>"
    );
    svg
}

fn bottom(labels: &[String], x: impl Fn(usize) -> i128, svg: &mut String) {
    let every = labels.len().div_ceil(LABELS_MAX).max(1);
    for (number, label) in labels.iter().enumerate().step_by(every) {
        let (x, y, label) = (x(number), HEIGHT - 10, escape(label));
        let _ = write!(
            svg,
            "<text x=\"{x}\" y=\"{y}\" text-anchor=\"middle\">{label}</text>"
        );
    }
}

/// Lines over time.
pub(super) fn lines(chart: &Chart<'_>) -> String {
    let axis = Axis::over(chart.series);
    let count = chart.labels.len();
    let gaps = index(count.saturating_sub(1)).max(1);
    let x = |number: usize| LEFT + 10 + index(number) * (WIDTH - LEFT - RIGHT - 20) / gaps;
    let mut svg = open(chart);
    axis.lines(chart.shown, &mut svg);
    bottom(chart.labels, x, &mut svg);
    for (colour, series) in series(chart) {
        let mut path = String::new();
        let mut pen_is_down = false;
        for (number, value) in series.values.iter().enumerate() {
            let Some(value) = value else {
                pen_is_down = false;
                continue;
            };
            let (x, y) = (x(number), axis.y(*value));
            // A day between days without a value is a point: a line of no length with round ends.
            let _ = match pen_is_down {
                true => write!(path, "L{x} {y}"),
                false => write!(path, "M{x} {y}h0"),
            };
            pen_is_down = true;
        }
        let _ = write!(svg, "<path class=\"s{colour}\" d=\"{path}\"/>");
        points(
            chart,
            series,
            colour,
            |number, value| (x(number), axis.y(value)),
            &mut svg,
        );
    }
    svg + "</svg>"
}

fn points(
    chart: &Chart<'_>,
    series: &Series,
    colour: usize,
    place: impl Fn(usize, i128) -> (i128, i128),
    svg: &mut String,
) {
    if series.values.len() > POINTS_MAX {
        return;
    }
    let name = escape(&series.name);
    for (number, value) in series.values.iter().enumerate() {
        if let Some(value) = value {
            let (x, y) = place(number, *value);
            let (label, shown) = (
                escape(&chart.labels[number]),
                escape(&(chart.shown)(*value)),
            );
            let _ = write!(
                svg,
                "<circle class=\"f{colour}\" cx=\"{x}\" cy=\"{y}\" r=\"3\">\
                 <title>{name}, {label}: {shown}</title></circle>"
            );
        }
    }
}

/// Bars side by side, one group a label.
pub(super) fn bars(chart: &Chart<'_>) -> String {
    let axis = Axis::over(chart.series);
    let groups = index(chart.labels.len()).max(1);
    let width = (WIDTH - LEFT - RIGHT) / groups;
    let bar = (width * 6 / 10 / index(chart.series.len()).max(1)).clamp(2, 90);
    let used = bar * index(chart.series.len());
    let start = |group: usize| LEFT + index(group) * width + (width - used) / 2;
    let mut svg = open(chart);
    axis.lines(chart.shown, &mut svg);
    bottom(chart.labels, |group| start(group) + used / 2, &mut svg);
    for (colour, series) in series(chart) {
        let name = escape(&series.name);
        let fill = match colour {
            0 => "class=\"f0\"".to_owned(),
            _ => format!("fill=\"url(#{}-h)\"", chart.id),
        };
        for (group, value) in series.values.iter().enumerate() {
            let Some(value) = value else { continue };
            let x = start(group) + index(colour) * bar;
            let (top, foot) = (axis.y(*value).min(axis.y(0)), axis.y(*value).max(axis.y(0)));
            let (height, inner) = (foot - top, bar - 3);
            let shown = escape(&(chart.shown)(*value));
            let (middle, above) = (x + inner / 2, top - 5);
            let label = escape(&chart.labels[group]);
            let _ = write!(
                svg,
                "<rect {fill} x=\"{x}\" y=\"{top}\" width=\"{inner}\" height=\"{height}\">\
                 <title>{name}, {label}: {shown}</title></rect>\
                 <text x=\"{middle}\" y=\"{above}\" text-anchor=\"middle\">{shown}</text>"
            );
        }
    }
    svg + "</svg>"
}

fn series<'a>(chart: &'a Chart<'_>) -> impl Iterator<Item = (usize, &'a Series)> {
    let colours = (0..COLOURS).cycle();
    colours.zip(chart.series)
}
