//! A chart in text: a line of bars for each series, and one paragraph that says what the picture shows.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::scale::{short, time_label};
use super::{Chart, Limit, Panel, Series};

/// The bars of a sparkline, from the smallest to the largest.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// A minute without a count.
const GAP: char = '·';
/// Bars of one line; a longer time is told by the largest count of several minutes.
const MAX_BARS: usize = 40;
/// The longest description: Slack takes 2,000 characters for an alternative text.
const MAX_DESCRIPTION: usize = 1900;
/// The longest name of a series in a line of bars.
const MAX_NAME: usize = 60;

impl Chart {
    /// One line for each series: bars by time, with the smallest, largest and last count and the limit in words. Plain
    /// text; the bars of all lines cover the same time.
    pub fn sparkline(&self) -> String {
        let mut lines = Vec::new();
        for panel in self.shown() {
            let (series, left_out) = panel.shown();
            for series in series {
                lines.push(format!("{} {}", self.bars(series), of(series, panel)));
            }
            if left_out > 0 {
                lines.push(format!("… and {left_out} more in {}", panel.title));
            }
        }
        lines.push(self.span());
        lines.join("\n")
    }

    /// What the picture shows, for who does not see it.
    pub fn description(&self) -> String {
        let mut said = vec![format!("Chart: {}.", joined(&self.title, &self.subtitle)), format!("{}.", self.span())];
        for panel in self.shown() {
            let (series, left_out) = panel.shown();
            let all: Vec<String> = series.iter().map(|series| of(series, panel)).collect();
            let more = if left_out > 0 { format!("; and {left_out} more") } else { String::new() };
            let none = if all.is_empty() { "nothing was asked" } else { "" };
            said.push(format!("{}: {none}{}{more}.", panel.title, all.join("; ")));
        }
        let marks: Vec<String> = self
            .shown_marks()
            .iter()
            .map(|mark| format!("{} at {}", mark.label, time_label(mark.at, self.from, self.until)))
            .collect();
        if !marks.is_empty() {
            said.push(format!("Marked: {}.", marks.join(", ")));
        }
        cut(&said.join(" "), MAX_DESCRIPTION)
    }

    /// The time that is shown.
    fn span(&self) -> String {
        format!("{} to {} UTC", whole_time(self.from), whole_time(self.until))
    }

    fn bars(&self, series: &Series) -> String {
        let minutes = usize::try_from(self.until.duration_since(self.from).as_mins()).unwrap_or(0).max(1);
        let each = minutes.div_ceil(MAX_BARS);
        let count = minutes.div_ceil(each);
        let max = series.points.values().copied().max().unwrap_or(0);
        let mut bars: Vec<Option<i64>> = vec![None; count];
        for (at, value) in series.within(self.from, self.until) {
            let minute = usize::try_from(at.duration_since(self.from).as_mins()).unwrap_or(0);
            if let Some(bar) = bars.get_mut(minute / each) {
                *bar = Some(bar.map_or(*value, |other: i64| other.max(*value)));
            }
        }
        bars.into_iter().map(|bar| bar.map_or(GAP, |value| height(value, max))).collect()
    }
}

/// The bar of a count: the lowest is kept for nothing.
fn height(value: i64, max: i64) -> char {
    if value <= 0 || max <= 0 {
        return BARS[0];
    }
    let share = value as f64 / max as f64;
    let step = (share * (BARS.len() - 1) as f64).ceil() as usize;
    BARS[step.clamp(1, BARS.len() - 1)]
}

/// A series in words.
fn of(series: &Series, panel: &Panel) -> String {
    let limits: Vec<&str> = panel.limits.iter().map(|limit: &Limit| limit.name.as_str()).collect();
    let limits = if limits.is_empty() { String::new() } else { format!(", {}", limits.join(", ")) };
    let name = cut(&series.name, MAX_NAME);
    match series.extent() {
        None => format!("{name}: nothing reported{limits}"),
        Some(extent) => format!(
            "{name}: min {}, max {}, last {}, {} in all{limits}",
            short(extent.min),
            short(extent.max),
            short(extent.last),
            short(extent.sum)
        ),
    }
}

fn joined(title: &str, subtitle: &str) -> String {
    if subtitle.is_empty() { title.to_owned() } else { format!("{title}, {subtitle}") }
}

fn whole_time(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M").to_string()
}

/// No longer than this many characters.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}
