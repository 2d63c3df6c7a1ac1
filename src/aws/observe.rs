//! What the engine asks of the world, each question as one value with all its parts read at the same time.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use jiff::{SignedDuration, Timestamp};

use crate::checks::gate::GateReadings;
use crate::checks::idempotency::{IdempotencyReadings, WRITE_ACTIONS};
use crate::checks::{Answer, GateMetric, MetricQuery, Reading, Series, minute_after, minute_of};
use crate::domain::{DlqDepth, Environment, Facts, Rule};

use super::operation::DESCRIBE_RULE;
use super::{Aws, AwsError};

/// The longest window for which the minutes of metrics are added up.
const MATCHED_WINDOW_MAX: SignedDuration = SignedDuration::from_hours(72);
/// How long an observation waits for the version that is deployed.
pub(super) const VERSION_PATIENCE: Duration = Duration::from_secs(3);

impl Aws {
    /// The world before a plan is made for these rules. A rule that cannot be described is an error; whatever else
    /// cannot be read becomes a note. The version is waited for 3 s at most: nothing is held up by it.
    pub async fn observe(&self, environment: &Environment, rules: &[&Rule], now: Timestamp) -> Result<Facts, AwsError> {
        self.same_environment(DESCRIBE_RULE, &environment.name)?;
        let described = try_join_all(rules.iter().map(|rule| async {
            Ok::<_, AwsError>((rule.name.clone(), self.describe_rule(&environment.bus, &rule.rule).await?))
        }));
        let (described, dlqs, alarms, running, version) = tokio::join!(
            described,
            self.read_dlqs(&environment.dlqs),
            self.read_alarms(&environment.alarms),
            self.running_minute(environment, rules, now),
            tokio::time::timeout(VERSION_PATIENCE, self.version(environment)),
        );
        let mut facts = Facts { rules: described?.into_iter().collect(), ..Facts::default() };
        for (queue, depth) in dlqs {
            match depth {
                Ok(answer) => drop(facts.dlqs.insert(queue, answer.value)),
                Err(error) => facts.notes.push(format!("Messages in {queue}: {error}")),
            }
        }
        match alarms {
            Ok(answer) => facts.alarms = answer.value,
            Err(error) => facts.notes.push(format!("Alarms: {error}")),
        }
        match running {
            Ok((running_minute, notes)) => {
                facts.minute = Some(minute_of(now));
                facts.running_minute = running_minute;
                facts.notes.extend(notes);
            }
            Err(error) => facts.notes.push(format!("Metrics of the running minute: {error}")),
        }
        match version {
            Ok(Ok(version)) => facts.version = Some(version),
            Ok(Err(error)) => facts.notes.push(format!("Deployed version: {error}")),
            Err(_) => facts.notes.push(format!("Deployed version: not told within {} s", VERSION_PATIENCE.as_secs())),
        }
        Ok(facts)
    }

    /// What the metrics of each rule say of the minute that is running, and notes on those that could not be read.
    async fn running_minute(
        &self,
        environment: &Environment,
        rules: &[&Rule],
        now: Timestamp,
    ) -> Result<(BTreeMap<String, BTreeMap<String, i64>>, Vec<String>), AwsError> {
        let asked: Vec<_> =
            rules.iter().flat_map(|rule| GateMetric::ALL.into_iter().map(move |metric| (*rule, metric))).collect();
        let queries = asked.iter().map(|(rule, metric)| metric.query(environment, rule)).collect();
        let series = self.metric_series_deduplicated(queries, minute_of(now), minute_after(now)).await?;
        let mut sums: BTreeMap<String, BTreeMap<String, i64>> = BTreeMap::new();
        let mut notes = Vec::new();
        for ((rule, metric), reading) in asked.into_iter().zip(series) {
            match reading {
                Ok(answer) => {
                    let sum = answer.value.points.values().sum();
                    sums.entry(rule.name.clone()).or_default().insert(metric.key().to_owned(), sum);
                }
                Err(why) => notes.push(format!("{} of {} in the running minute: {why}", metric.key(), rule.name)),
            }
        }
        Ok((sums, notes))
    }

    /// Asks each different query once: all rules may share one function.
    async fn metric_series_deduplicated(
        &self,
        queries: Vec<MetricQuery>,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Reading<Series>>, AwsError> {
        let mut different: Vec<MetricQuery> = Vec::new();
        let places: Vec<usize> = queries
            .into_iter()
            .map(|query| {
                different.iter().position(|known| *known == query).unwrap_or_else(|| {
                    different.push(query);
                    different.len() - 1
                })
            })
            .collect();
        let series = self.metric_series(different, from, until).await?;
        let at = |place: usize| series.get(place).cloned().unwrap_or_else(|| Err("not answered".to_owned()));
        Ok(places.into_iter().map(at).collect())
    }

    /// Everything that the gate of a rule looks at, from the minute of `from` until the end of the minute of `now`.
    /// What cannot be read says why in its place.
    pub async fn read_gate(
        &self,
        environment: &Environment,
        rule: &Rule,
        from: Timestamp,
        now: Timestamp,
    ) -> GateReadings {
        let (from, until) = (minute_of(from), minute_after(now));
        let (metrics, dlqs, alarms) = tokio::join!(
            self.gate_metrics(environment, rule, from, until),
            self.read_dlqs(&environment.dlqs),
            self.read_alarms(&environment.alarms),
        );
        GateReadings {
            at: now,
            from,
            until,
            metrics,
            dlqs: dlqs.into_iter().map(|(queue, depth)| (queue, in_words(depth))).collect(),
            alarms: in_words(alarms),
        }
    }

    /// The metrics of a gate in one call, from `from` until before `until`, both full minutes.
    pub async fn gate_metrics(
        &self,
        environment: &Environment,
        rule: &Rule,
        from: Timestamp,
        until: Timestamp,
    ) -> BTreeMap<GateMetric, Reading<Series>> {
        let queries = GateMetric::ALL.map(|metric| metric.query(environment, rule)).to_vec();
        match self.metric_series(queries, from, until).await {
            Ok(series) => GateMetric::ALL.into_iter().zip(series).collect(),
            Err(error) => GateMetric::ALL.into_iter().map(|metric| (metric, Err(error.to_string()))).collect(),
        }
    }

    /// Everything that the interlock before handling events again looks at. What cannot be read says why in its place.
    pub async fn read_idempotency(&self, environment: &Environment, now: Timestamp) -> IdempotencyReadings {
        let table = &environment.table.name;
        let may = async {
            let subject = async {
                Ok::<_, AwsError>((
                    self.role_of(&environment.function).await?,
                    self.arn("dynamodb", &format!("table/{table}")).await?,
                ))
            };
            match subject.await {
                Err(error) => WRITE_ACTIONS.iter().map(|action| (*action, Err(error.to_string()))).collect(),
                Ok((role, table)) => {
                    let asks = WRITE_ACTIONS
                        .iter()
                        .map(|action| async { (*action, in_words(self.may(&role, action, &table).await)) });
                    join_all(asks).await
                }
            }
        };
        let (described, ttl, may) = tokio::join!(self.read_table(table), self.read_ttl(table), may);
        IdempotencyReadings {
            at: now,
            table: in_words(none_if_missing(described)),
            ttl: in_words(none_if_missing(ttl)),
            may,
        }
    }

    /// How many events each of these rules matched from `from` until before `to`, by short name; what could not be read
    /// is absent, as is everything when the window is longer than CloudWatch keeps minutes for.
    pub async fn matched(
        &self,
        environment: &Environment,
        rules: &[&Rule],
        from: Timestamp,
        to: Timestamp,
    ) -> BTreeMap<String, i64> {
        if to.duration_since(from) > MATCHED_WINDOW_MAX {
            return BTreeMap::new();
        }
        let queries = rules.iter().map(|rule| GateMetric::TriggeredRules.query(environment, rule)).collect();
        let Ok(series) = self.metric_series(queries, minute_of(from), minute_after(to)).await else {
            return BTreeMap::new();
        };
        let sums = rules
            .iter()
            .zip(series)
            .filter_map(|(rule, reading)| Some((rule.name.clone(), reading.ok()?.value.points.values().sum())));
        sums.collect()
    }

    async fn read_dlqs(&self, queues: &[String]) -> Vec<(String, Result<Answer<DlqDepth>, AwsError>)> {
        join_all(queues.iter().map(|queue| async { (queue.clone(), self.read_dlq(queue).await) })).await
    }
}

pub(super) fn in_words<T>(result: Result<Answer<T>, AwsError>) -> Reading<T> {
    result.map_err(|error| error.to_string())
}

/// That something does not exist is an answer.
pub(super) fn none_if_missing<T>(result: Result<Answer<T>, AwsError>) -> Result<Answer<Option<T>>, AwsError> {
    match result {
        Ok(Answer { value, request_ids }) => Ok(Answer { value: Some(value), request_ids }),
        Err(error) if error.is_not_found() => {
            Ok(Answer { value: None, request_ids: error.request_id.into_iter().collect() })
        }
        Err(error) => Err(error),
    }
}
