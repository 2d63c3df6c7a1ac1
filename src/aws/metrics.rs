//! CloudWatch: the datapoints of metrics, many in one call.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricDataResult, MetricStat, StatusCode};
use aws_smithy_types::DateTime;
use jiff::Timestamp;

use crate::checks::{Answer, MetricQuery, Reading, Series};

use super::operation::GET_METRIC_DATA;
use super::rules::ids;
use super::{Aws, AwsError};

/// CloudWatch's limit on the queries of one call.
const QUERIES_PER_CALL: usize = 500;
/// Pages of one call's answer before it is called endless.
const MAX_PAGES: usize = 50;

/// What came back for one query so far.
#[derive(Default)]
struct Collected {
    points: BTreeMap<Timestamp, i64>,
    /// Set while the last word on this query is that it could not be answered.
    trouble: Option<&'static str>,
}

impl Aws {
    /// The sums by minute for each query, from `from` until before `until`, both full minutes (GetMetricData). The
    /// answers are in the order of the queries. A query without datapoints is an empty series; one that CloudWatch
    /// could not answer in full is the words why.
    pub(super) async fn metric_series(
        &self,
        queries: Vec<MetricQuery>,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Reading<Series>>, AwsError> {
        let mut all = Vec::with_capacity(queries.len());
        for queries in queries.chunks(QUERIES_PER_CALL) {
            let (mut collected, request_ids) = self.collect(queries, from, until).await?;
            for (n, query) in queries.iter().enumerate() {
                let Collected { points, trouble } = collected.remove(&query_id(n)).unwrap_or_default();
                all.push(match trouble {
                    Some(why) => Err(format!("{GET_METRIC_DATA}: {why}")),
                    None => {
                        let value = Series { query: query.clone(), points };
                        Ok(Answer { value, request_ids: request_ids.clone() })
                    }
                });
            }
        }
        Ok(all)
    }

    async fn collect(
        &self,
        queries: &[MetricQuery],
        from: Timestamp,
        until: Timestamp,
    ) -> Result<(BTreeMap<String, Collected>, Vec<String>), AwsError> {
        let queries: Vec<_> = queries.iter().enumerate().map(|(n, query)| sdk_query(n, query)).collect();
        let mut collected = BTreeMap::new();
        let mut request_ids = Vec::new();
        let mut next = None;
        for _ in 0..MAX_PAGES {
            let page = self
                .clients()
                .cloudwatch
                .get_metric_data()
                .set_metric_data_queries(Some(queries.clone()))
                .start_time(DateTime::from_secs(from.as_second()))
                .end_time(DateTime::from_secs(until.as_second()))
                .set_next_token(next)
                .send()
                .await
                .map_err(|error| AwsError::from_sdk(GET_METRIC_DATA, &error))?;
            request_ids.extend(ids(&page));
            for result in page.metric_data_results() {
                add(&mut collected, result);
            }
            next = page.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
            if next.is_none() {
                return Ok((collected, request_ids));
            }
        }
        Err(AwsError::other(GET_METRIC_DATA, "TooManyPages", "the answer did not end"))
    }
}

/// Takes one result. A query may come back on several pages, with further datapoints or the same ones again; its last
/// status counts.
fn add(collected: &mut BTreeMap<String, Collected>, result: &MetricDataResult) {
    let entry = collected.entry(result.id().unwrap_or_default().to_owned()).or_default();
    entry.trouble = match result.status_code() {
        // Without a status there was nothing to complain about.
        None | Some(StatusCode::Complete) => None,
        Some(StatusCode::PartialData) => Some("only part of the datapoints came back"),
        Some(StatusCode::Forbidden) => Some("the metric may not be read; add the IAM action cloudwatch:GetMetricData"),
        Some(StatusCode::InternalError) => Some("CloudWatch failed on its side"),
        Some(_) => Some("CloudWatch answered with a status that Alch does not know"),
    };
    if result.timestamps().len() != result.values().len() {
        entry.trouble = Some("datapoints came back without their times");
        return;
    }
    for (at, value) in result.timestamps().iter().zip(result.values()) {
        match timestamp(at) {
            // The metrics asked for are counts; a float holds them exactly.
            Some(at) if value.is_finite() => drop(entry.points.insert(at, value.round() as i64)),
            Some(_) | None => entry.trouble = Some("a datapoint could not be read"),
        }
    }
}

/// Ids begin with a small letter.
fn query_id(n: usize) -> String {
    format!("q{n}")
}

fn sdk_query(n: usize, query: &MetricQuery) -> MetricDataQuery {
    let dimensions =
        query.dimensions.iter().map(|(name, value)| Dimension::builder().name(*name).value(value).build()).collect();
    let metric =
        Metric::builder().namespace(query.namespace).metric_name(query.name).set_dimensions(Some(dimensions)).build();
    let stat = MetricStat::builder().metric(metric).period(MetricQuery::PERIOD_SECONDS).stat("Sum").build();
    MetricDataQuery::builder().id(query_id(n)).metric_stat(stat).return_data(true).build()
}

/// A time of the SDK as one of ours.
pub(super) fn timestamp(at: &DateTime) -> Option<Timestamp> {
    let nanos = i32::try_from(at.subsec_nanos()).ok()?;
    Timestamp::new(at.secs(), nanos).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(status: StatusCode, points: &[(i64, f64)]) -> MetricDataResult {
        MetricDataResult::builder()
            .id("q0")
            .status_code(status)
            .set_timestamps(Some(points.iter().map(|(at, _)| DateTime::from_secs(*at)).collect()))
            .set_values(Some(points.iter().map(|(_, value)| *value).collect()))
            .build()
    }

    fn collect(results: &[MetricDataResult]) -> Collected {
        let mut collected = BTreeMap::new();
        for result in results {
            add(&mut collected, result);
        }
        collected.remove("q0").unwrap()
    }

    #[test]
    fn a_query_that_comes_back_on_two_pages_is_one_series_with_each_minute_once() {
        let collected = collect(&[
            result(StatusCode::PartialData, &[(60, 1.0), (120, 2.0)]),
            result(StatusCode::Complete, &[(120, 2.0), (180, 3.0)]),
        ]);
        assert_eq!(collected.points.values().copied().collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(collected.trouble, None);
    }

    #[test]
    fn what_is_not_complete_in_the_end_is_trouble() {
        for status in [StatusCode::PartialData, StatusCode::Forbidden, StatusCode::InternalError, "New".into()] {
            let told = collect(&[result(StatusCode::Complete, &[(60, 0.0)]), result(status.clone(), &[])]).trouble;
            assert!(told.is_some(), "{status}");
        }
        assert!(collect(&[result(StatusCode::Complete, &[(60, f64::NAN)])]).trouble.is_some());
    }
}
impl super::Aws {
    /// STANDIN
    pub async fn version(&self, _e: &crate::domain::Environment) -> Result<crate::domain::Version, super::AwsError> {
        Ok(crate::domain::Version { label: None, artefact: "a".into(), template: "b".into() })
    }
    /// STANDIN
    pub async fn alarm_changes(
        &self,
        _a: &[String],
        _s: jiff::Timestamp,
    ) -> Result<Vec<crate::domain::AlarmChange>, super::AwsError> {
        Ok(Vec::new())
    }
    /// STANDIN
    pub async fn publish(&self, _t: &str, _s: &str, _x: &str) -> Result<String, super::AwsError> {
        Ok("mid".into())
    }
}
