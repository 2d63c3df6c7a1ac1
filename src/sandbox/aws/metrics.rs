//! The metrics' storage: what happened, when it becomes readable, and the minutes that queries see. Dimension sets are
//! compared exactly and never added together.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::state::Place;

/// How long a minute stays readable. The real service keeps them for fifteen days.
const MINUTES_KEPT: SignedDuration = SignedDuration::from_hours(6);

/// One metric: the same name with other dimensions is another metric.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MetricKey {
    pub place: Place,
    pub namespace: String,
    pub name: String,
    pub dimensions: BTreeMap<String, String>,
}

impl MetricKey {
    pub fn new(place: &Place, namespace: &str, name: &str, dimensions: &[(&str, &str)]) -> Self {
        Self {
            place: place.clone(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            dimensions: dimensions.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        }
    }
}

/// What a span of time adds up to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    pub sum: f64,
    pub count: f64,
    pub min: f64,
    pub max: f64,
}

impl Bucket {
    fn of(value: f64) -> Self {
        Self { sum: value, count: 1.0, min: value, max: value }
    }

    pub fn merge(self, other: Self) -> Self {
        Self {
            sum: self.sum + other.sum,
            count: self.count + other.count,
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        }
    }

    /// The statistic of this name; `None` for one that the world does not compute (percentiles and the like).
    pub fn statistic(&self, name: &str) -> Option<f64> {
        match name {
            "Sum" => Some(self.sum),
            "SampleCount" => Some(self.count),
            "Average" => Some(self.sum / self.count),
            "Minimum" => Some(self.min),
            "Maximum" => Some(self.max),
            _ => None,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Series {
    key: MetricKey,
    /// By the minute's first second since the epoch.
    minutes: BTreeMap<i64, Bucket>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Sample {
    at: Timestamp,
    series: usize,
    value: f64,
    published: bool,
}

/// All metrics of the world.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Metrics {
    series: Vec<Series>,
    /// In the order of time: what is not readable yet, and the last minutes for the alarms and the panel.
    samples: VecDeque<Sample>,
}

impl Metrics {
    /// Notes that something happened. Calls come in the order of time.
    pub fn record(&mut self, at: Timestamp, key: MetricKey, value: f64) {
        let series = self.series.iter().position(|series| series.key == key).unwrap_or_else(|| {
            self.series.push(Series { key, minutes: BTreeMap::new() });
            self.series.len() - 1
        });
        self.samples.push_back(Sample { at, series, value, published: false });
    }

    /// Makes readable what happened until `until`, and forgets what nobody asks for any more.
    pub fn publish(&mut self, until: Timestamp, recent_from: Timestamp) {
        for sample in self.samples.iter_mut().take_while(|sample| sample.at <= until).filter(|sample| !sample.published)
        {
            sample.published = true;
            let bucket = Bucket::of(sample.value);
            self.series[sample.series]
                .minutes
                .entry(minute_of(sample.at))
                .and_modify(|sum| *sum = sum.merge(bucket))
                .or_insert(bucket);
        }
        while self.samples.front().is_some_and(|sample| sample.published && sample.at < recent_from) {
            self.samples.pop_front();
        }
        let oldest = (until - MINUTES_KEPT).as_second();
        for series in &mut self.series {
            series.minutes = series.minutes.split_off(&oldest);
        }
    }

    /// The readable minutes of one metric, from `start` to before `end` (seconds since the epoch).
    pub fn minutes(&self, key: &MetricKey, start: i64, end: i64) -> impl Iterator<Item = (i64, Bucket)> {
        let series = self.series.iter().find(|series| series.key == *key);
        series
            .into_iter()
            .flat_map(move |series| series.minutes.range(start..end.max(start)))
            .map(|(minute, bucket)| (*minute, *bucket))
    }

    /// What happened after `after` and until `until`, readable or not.
    pub fn recent(&self, key: &MetricKey, after: Timestamp, until: Timestamp) -> Option<Bucket> {
        let series = self.series.iter().position(|series| series.key == *key)?;
        let first = self.samples.partition_point(|sample| sample.at <= after);
        self.samples
            .range(first..)
            .take_while(|sample| sample.at <= until)
            .filter(|sample| sample.series == series)
            .map(|sample| Bucket::of(sample.value))
            .reduce(Bucket::merge)
    }

    /// The metrics that have a readable minute.
    pub fn keys(&self) -> impl Iterator<Item = &MetricKey> {
        self.series.iter().filter(|series| !series.minutes.is_empty()).map(|series| &series.key)
    }
}

/// The first second of the minute that `at` lies in.
pub fn minute_of(at: Timestamp) -> i64 {
    at.as_second().div_euclid(60) * 60
}
