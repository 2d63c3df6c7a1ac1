//! A chart within the limits of Slack's own: a few points of a few series, without gaps, limits and marks.

use std::collections::BTreeSet;

use super::scale::time_label;
use super::words::cut;
use super::{Chart, Panel};

/// Points of a series.
pub const MAX_NATIVE_POINTS: usize = 20;
/// Series of a chart.
const MAX_NATIVE_SERIES: usize = 6;
/// Characters in a title or the name of an axis.
const MAX_NATIVE_TITLE: usize = 50;
/// Characters in a series' name and in a point's label.
const MAX_NATIVE_NAME: usize = 20;

/// One panel as Slack would draw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Native {
    /// At most 50 characters.
    pub title: String,
    /// The times, at most 20, each once, at most 20 characters.
    pub categories: Vec<String>,
    /// At most six, each of another name, with one value for each category.
    pub series: Vec<NativeSeries>,
    /// The unit, at most 50 characters.
    pub unit: String,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct NativeSeries {
    pub name: String,
    pub values: Vec<i64>,
}

impl Chart {
    /// The first two panels that have counts: a message takes two of Slack's charts. A time with nothing reported is
    /// shown as zero, because Slack's charts know no gaps; the words beside them tell how many were reported.
    pub fn native(&self) -> Vec<Native> {
        let has_counts = |panel: &&Panel| panel.series.iter().any(|series| !series.points.is_empty());
        self.shown().iter().filter(has_counts).take(2).map(|panel| self.native_panel(panel)).collect()
    }

    fn native_panel(&self, panel: &Panel) -> Native {
        let minutes = usize::try_from(self.until.duration_since(self.from).as_mins()).unwrap_or(0).max(1);
        let each = minutes.div_ceil(MAX_NATIVE_POINTS);
        let count = minutes.div_ceil(each);
        let starts = (0..count).filter_map(|n| {
            let minutes = jiff::SignedDuration::from_mins(i64::try_from(n * each).ok()?);
            self.from.checked_add(minutes).ok()
        });
        let mut taken = BTreeSet::new();
        let unique = |name: String, n: usize, taken: &mut BTreeSet<String>| {
            let name = if taken.contains(&name) { cut(&format!("{} {name}", n + 1), MAX_NATIVE_NAME) } else { name };
            taken.insert(name.clone());
            name
        };
        let categories =
            starts.map(|at| cut(&time_label(at, self.from, self.until), MAX_NATIVE_NAME)).collect::<Vec<_>>();
        let categories = categories.into_iter().enumerate().map(|(n, name)| unique(name, n, &mut taken)).collect();
        let mut names = BTreeSet::new();
        let series = panel
            .series
            .iter()
            .take(MAX_NATIVE_SERIES)
            .enumerate()
            .map(|(n, series)| {
                let mut values = vec![0_i64; count];
                for (at, value) in series.within(self.from, self.until) {
                    let minute = usize::try_from(at.duration_since(self.from).as_mins()).unwrap_or(0);
                    if let Some(sum) = values.get_mut(minute / each) {
                        *sum = sum.saturating_add(*value);
                    }
                }
                let name = unique(cut(&series.name, MAX_NATIVE_NAME), n, &mut names);
                NativeSeries { name, values }
            })
            .collect();
        let unit = if each == 1 { "per minute".to_owned() } else { format!("in each {each} min") };
        Native { title: cut(&panel.title, MAX_NATIVE_TITLE), categories, series, unit }
    }
}
