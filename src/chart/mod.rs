//! A chart of counts by minute, as a value, and the three ways to show it: a picture, a line of text, words for who does
//! not see the picture. It does not know where the counts come from, nor where the chart goes.
//!
//! A minute without a count is a gap, never a zero: CloudWatch is silent when nothing happened and when nothing arrived.

mod native;
mod picture;
mod scale;
mod words;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;

pub use native::{MAX_NATIVE_POINTS, Native, NativeSeries};
pub use picture::{HEIGHT, LIMIT_COLOR, PictureError, WIDTH};

/// Panels of a chart; more are left out.
pub const MAX_PANELS: usize = 3;
/// Series that one panel draws; more are told in words.
pub const MAX_SERIES: usize = 8;
/// Marks that are drawn; of more, the first and the last.
pub const MAX_MARKS: usize = 16;

/// How charts are shown in Slack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// As pictures, uploaded to the thread; in text where the app may upload no files.
    #[default]
    Picture,
    /// In Slack's own chart block; as pictures where Slack refuses it.
    Native,
    /// In text only.
    Text,
}

/// What is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chart {
    /// What it is about, in a few words.
    pub title: String,
    /// Where, and in which run.
    pub subtitle: String,
    /// The begin of the time that is shown, UTC.
    pub from: Timestamp,
    /// Its end, exclusive, UTC.
    pub until: Timestamp,
    /// One below the other, on one axis of time.
    pub panels: Vec<Panel>,
    /// What happened meanwhile.
    pub marks: Vec<Mark>,
}

/// Series that share a scale.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Panel {
    /// What is counted, with its unit: `Invocations per minute`.
    pub title: String,
    /// The counts.
    pub series: Vec<Series>,
    /// What they are held against.
    pub limits: Vec<Limit>,
}

/// One line of a panel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Series {
    /// What it counts.
    pub name: String,
    /// The counts by the start of their minute, UTC.
    pub points: BTreeMap<Timestamp, i64>,
}

/// A value that is not to be passed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limit {
    /// For what, and how it is meant: `limit 0`.
    pub name: String,
    /// Where the line is.
    pub value: i64,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// When, UTC.
    pub at: Timestamp,
    /// What, in a few words.
    pub label: String,
    /// How to take it.
    pub tone: Tone,
}

/// How a mark is to be taken; shown by its colour and by the sign before its label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As it was meant to be.
    Plain,
    /// It went well.
    Good,
    /// It did not.
    Bad,
}

impl Chart {
    /// Whether there is any count to be shown.
    pub fn has_counts(&self) -> bool {
        self.panels.iter().flat_map(|panel| &panel.series).any(|series| !series.points.is_empty())
    }

    /// The minutes that any series has a count for.
    pub fn minutes(&self) -> usize {
        let all = self.panels.iter().flat_map(|panel| &panel.series).flat_map(|series| series.points.keys());
        all.collect::<std::collections::BTreeSet<_>>().len()
    }

    /// The panels that are shown.
    fn shown(&self) -> &[Panel] {
        self.panels.get(..MAX_PANELS).unwrap_or(&self.panels)
    }

    /// The marks that are shown, in their order.
    fn shown_marks(&self) -> Vec<&Mark> {
        let mut marks: Vec<&Mark> = self.marks.iter().collect();
        marks.sort_by_key(|mark| mark.at);
        if marks.len() > MAX_MARKS {
            let last = marks.split_off(marks.len() - MAX_MARKS / 2);
            marks.truncate(MAX_MARKS - last.len());
            marks.extend(last);
        }
        marks
    }
}

impl Panel {
    /// The series that are drawn, and how many are not.
    fn shown(&self) -> (&[Series], usize) {
        match self.series.get(..MAX_SERIES) {
            Some(shown) => (shown, self.series.len() - MAX_SERIES),
            None => (&self.series, 0),
        }
    }
}

impl Series {
    /// The counts from a time until before another, in their order; none when the times run backwards.
    fn within(&self, from: Timestamp, until: Timestamp) -> impl Iterator<Item = (&Timestamp, &i64)> {
        // A range whose end lies before its begin is a panic of the map.
        self.points.range(from..until.max(from))
    }

    /// The smallest, largest and last count, and their sum; none when there is no count.
    pub fn extent(&self) -> Option<Extent> {
        let (_, last) = self.points.last_key_value()?;
        Some(Extent {
            min: *self.points.values().min()?,
            max: *self.points.values().max()?,
            last: *last,
            sum: self.points.values().fold(0, |sum: i64, value| sum.saturating_add(*value)),
        })
    }
}

/// What a series comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Extent {
    pub min: i64,
    pub max: i64,
    pub last: i64,
    pub sum: i64,
}

#[cfg(test)]
mod tests;
