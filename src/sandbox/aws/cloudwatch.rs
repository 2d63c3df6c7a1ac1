//! CloudWatch's operations on metrics. The alarms' are in `cloudwatch_alarms`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::faults::METRICS_INCOMPLETE;
use super::input::Input;
use super::metrics::{Bucket, MetricKey};
use super::refusal::Refusal;
use super::serve::CallContext;
use super::state::{Place, State};
use super::wire::Service;

const QUERIES_MAX: usize = 500;
const DATAPOINTS_MAX: i64 = 100_800;
/// The most datapoints that GetMetricStatistics answers with.
const STATISTICS_DATAPOINTS_MAX: usize = 1_440;
const LIST_METRICS_PAGE: usize = 500;
const BAD_VALUE: &str = "InvalidParameterValue";

pub fn answer(state: &State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    match call.operation {
        "GetMetricData" => get_metric_data(state, call, input),
        "GetMetricStatistics" => get_metric_statistics(state, call, input),
        "ListMetrics" => list_metrics(state, call, input),
        "DescribeAlarms" => super::cloudwatch_alarms::describe_alarms(state, call, input),
        "DescribeAlarmHistory" => super::cloudwatch_alarms::describe_alarm_history(state, call, input),
        other => Err(Refusal::unknown_operation(Some(Service::CloudWatch), other)),
    }
}

/// What a query found: datapoints by the time they begin at, oldest first.
type Points = Vec<(i64, f64)>;

fn get_metric_data(state: &State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    let queries = input.list("MetricDataQueries");
    if queries.is_empty() || queries.len() > QUERIES_MAX {
        return Err(input.wrong(format!("MetricDataQueries must have between 1 and {QUERIES_MAX} members.")));
    }
    let span = span(input)?;
    let newest_first = match input.text("ScanBy") {
        None | Some("TimestampDescending") => true,
        Some("TimestampAscending") => false,
        Some(other) => return Err(input.wrong(format!("{other} is no value of ScanBy."))),
    };
    let mut ids = BTreeSet::new();
    let mut results = Vec::new();
    for query in queries {
        let query = Input { value: query, ..input };
        let id = query.required("Id")?;
        if !is_query_id(id) || !ids.insert(id) {
            return Err(input.wrong(format!("The value {id} for parameter Id is not valid or not unique.")));
        }
        let (label, mut points) = run_query(state, call, query, span)?;
        if newest_first {
            points.reverse();
        }
        if state.fault(METRICS_INCOMPLETE) {
            points.clear();
        }
        if query.value.get("ReturnData").and_then(Value::as_bool).unwrap_or(true) {
            results.push((id, query.text("Label").map_or(label, str::to_owned), points));
        }
    }
    let page_size = usize::try_from(input.number("MaxDatapoints", DATAPOINTS_MAX, 1..=DATAPOINTS_MAX)?).unwrap_or(1);
    let mut answer = page_of_results(input, results, page_size)?;
    if state.fault(METRICS_INCOMPLETE) {
        for result in answer["MetricDataResults"].as_array_mut().into_iter().flatten() {
            result["StatusCode"] = json!("InternalError");
        }
    }
    Ok(answer)
}

/// An id begins with a small letter, so that expressions can name it.
fn is_query_id(id: &str) -> bool {
    id.starts_with(|first: char| first.is_ascii_lowercase())
        && id.chars().all(|other| other.is_ascii_alphanumeric() || other == '_')
}

fn run_query(state: &State, call: &CallContext, query: Input, span: Span) -> Result<(String, Points), Refusal> {
    let Some(stat) = query.value.get("MetricStat").filter(|stat| stat.is_object()) else {
        return Err(Refusal::unmodelled("ValidationError", "only queries with a MetricStat are known here"));
    };
    let stat = Input { value: stat, ..query };
    let metric = Input { value: stat.value.get("Metric").unwrap_or(&Value::Null), ..query };
    let (name, statistic) = (metric.required("MetricName")?, stat.required("Stat")?);
    let (namespace, dimensions) = (metric.required("Namespace")?, dimensions(metric)?);
    let period = period(stat)?;
    let key = find_metric(state, call, namespace, name, dimensions);
    let buckets = key.map(|key| buckets(state, &key, span, period)).unwrap_or_default();
    let points = buckets
        .iter()
        .map(|(at, bucket)| bucket.statistic(statistic).map(|value| (*at, value)))
        .collect::<Option<Points>>();
    // Where there is nothing to compute, a statistic that the world does not know must be told all the same.
    let known = matches!(statistic, "Sum" | "SampleCount" | "Average" | "Minimum" | "Maximum");
    match points {
        Some(points) if known => Ok((name.to_owned(), points)),
        _ => Err(Refusal::unmodelled("ValidationError", format!("the statistic {statistic} is not known here"))),
    }
}

/// One page of all datapoints, in the order of the queries. A query whose datapoints go on in the next is partial.
fn page_of_results(input: Input, results: Vec<(&str, String, Points)>, page_size: usize) -> Result<Value, Refusal> {
    let all: Vec<(usize, (i64, f64))> = results
        .iter()
        .enumerate()
        .flat_map(|(query, (_, _, points))| points.iter().map(move |point| (query, *point)))
        .collect();
    let total = all.len();
    let (page, next) = input.page(all, "NextToken", page_size)?;
    let mut pages: BTreeMap<usize, Points> = BTreeMap::new();
    for (query, point) in page {
        pages.entry(query).or_default().push(point);
    }
    let is_first = input.text("NextToken").is_none();
    let last = pages.keys().next_back().copied();
    let values = results.into_iter().enumerate().filter_map(|(query, (id, label, points))| {
        // Queries without any datapoint are told of on the first page.
        let page = pages.remove(&query).or_else(|| (is_first && (points.is_empty() || total == 0)).then(Vec::new))?;
        let is_partial = next.is_some() && last == Some(query) && page.last() != points.last();
        Some(json!({
            "Id": id,
            "Label": label,
            "Timestamps": page.iter().map(|(at, _)| *at).collect::<Vec<i64>>(),
            "Values": page.iter().map(|(_, value)| *value).collect::<Vec<f64>>(),
            "StatusCode": if is_partial { "PartialData" } else { "Complete" },
        }))
    });
    let mut answer = json!({"MetricDataResults": values.collect::<Vec<Value>>(), "Messages": []});
    if let Some(next) = next {
        answer["NextToken"] = json!(next);
    }
    Ok(answer)
}

fn get_metric_statistics(state: &State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    let (namespace, name) = (input.required("Namespace")?, input.required("MetricName")?);
    let (span, period, dimensions) = (span(input)?, period(input)?, dimensions(input)?);
    let statistics = input.texts("Statistics");
    if statistics.is_empty() {
        return Err(Refusal::unmodelled("InvalidParameterCombination", "only plain Statistics are known here"));
    }
    let key = find_metric(state, call, namespace, name, dimensions);
    let buckets = key.map(|key| buckets(state, &key, span, period)).unwrap_or_default();
    if buckets.len() > STATISTICS_DATAPOINTS_MAX {
        return Err(Refusal::sender(
            "InvalidParameterCombination",
            format!("The request would return more than {STATISTICS_DATAPOINTS_MAX} datapoints."),
        ));
    }
    let datapoints = buckets.into_iter().map(|(at, bucket)| {
        let mut point = json!({"Timestamp": at, "Unit": unit_of(name)});
        for statistic in &statistics {
            point[*statistic] = json!(bucket.statistic(statistic));
        }
        point
    });
    Ok(json!({"Label": name, "Datapoints": datapoints.collect::<Vec<Value>>()}))
}

fn list_metrics(state: &State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    let filters = input.list("Dimensions").iter().map(|filter| Input { value: filter, ..input });
    let filters: Vec<(&str, Option<&str>)> =
        filters.map(|filter| Ok((filter.required("Name")?, filter.text("Value")))).collect::<Result<_, Refusal>>()?;
    let matching = state.metrics.keys().filter(|key| {
        call.sees(&key.place)
            && input.text("Namespace").is_none_or(|namespace| key.namespace == namespace)
            && input.text("MetricName").is_none_or(|name| key.name == name)
            && filters.iter().all(|(name, value)| {
                let found = key.dimensions.get(*name);
                found.is_some_and(|found| value.is_none_or(|value| found == value))
            })
    });
    let values = matching
        .map(|key| json!({"Namespace": key.namespace, "MetricName": key.name, "Dimensions": dimension_values(key)}));
    let (page, next) = input.page(values.collect(), "NextToken", LIST_METRICS_PAGE.min(call.page_max * 5))?;
    let mut answer = json!({"Metrics": page});
    if let Some(next) = next {
        answer["NextToken"] = json!(next);
    }
    Ok(answer)
}

/// A metric's dimensions as they are written in answers.
pub fn dimension_values(key: &MetricKey) -> Vec<Value> {
    key.dimensions.iter().map(|(name, value)| json!({"Name": name, "Value": value})).collect()
}

/// From the first minute to before the last second, in seconds since the epoch.
#[derive(Clone, Copy)]
struct Span {
    start: i64,
    end: i64,
}

fn span(input: Input) -> Result<Span, Refusal> {
    let (start, end) = (input.time("StartTime")?, input.time("EndTime")?);
    if start >= end {
        return Err(input.wrong("The parameter StartTime must be less than the parameter EndTime."));
    }
    // The start is rounded down to its minute. A minute that begins before the end is part of the answer.
    Ok(Span { start: (start.floor() as i64).div_euclid(60) * 60, end: end.ceil() as i64 })
}

fn period(input: Input) -> Result<i64, Refusal> {
    let period = input.number("Period", 60, 1..=86_400)?;
    let given = input.value.get("Period").is_some_and(|period| !period.is_null());
    if !given || period % 60 != 0 {
        return Err(Refusal::sender(BAD_VALUE, "Period must be given, and a multiple of 60."));
    }
    Ok(period)
}

fn dimensions(input: Input) -> Result<BTreeMap<String, String>, Refusal> {
    let dimensions = input.list("Dimensions").iter().map(|dimension| {
        let dimension = Input { value: dimension, ..input };
        Ok((dimension.required("Name")?.to_owned(), dimension.required("Value")?.to_owned()))
    });
    dimensions.collect()
}

/// The one metric of exactly these dimensions. Metrics of two accounts are never mixed.
fn find_metric(
    state: &State,
    call: &CallContext,
    namespace: &str,
    name: &str,
    dimensions: BTreeMap<String, String>,
) -> Option<MetricKey> {
    let mut key = MetricKey {
        place: Place { account: String::new(), region: String::new() },
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        dimensions,
    };
    let places =
        state.stacks.iter().map(|stack| Place { account: stack.account.clone(), region: stack.region.clone() });
    places.filter(|place| call.sees(place)).find_map(|place| {
        key.place = place;
        state.metrics.keys().any(|known| *known == key).then(|| key.clone())
    })
}

fn buckets(state: &State, key: &MetricKey, span: Span, period: i64) -> Vec<(i64, Bucket)> {
    let mut buckets: BTreeMap<i64, Bucket> = BTreeMap::new();
    for (minute, bucket) in state.metrics.minutes(key, span.start, span.end) {
        let begins = minute.div_euclid(period) * period;
        buckets.entry(begins).and_modify(|sum| *sum = sum.merge(bucket)).or_insert(bucket);
    }
    buckets.into_iter().collect()
}

fn unit_of(metric: &str) -> &'static str {
    if metric == "Duration" { "Milliseconds" } else { "Count" }
}
