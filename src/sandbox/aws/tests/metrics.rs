//! CloudWatch's operations on metrics.

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::error::ProvideErrorMetadata;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{
    Dimension, DimensionFilter, Metric, MetricDataQuery, MetricStat, ScanBy, Statistic, StatusCode,
};
use jiff::Timestamp;

use super::super::RuleState;
use super::{START, Stage, client};

fn time(at: Timestamp) -> DateTime {
    DateTime::from_secs(at.as_second())
}

fn dimension(name: &str, value: &str) -> Dimension {
    Dimension::builder().name(name).value(value).build()
}

fn query(id: &str, metric: &str, dimensions: &[(&str, &str)]) -> MetricDataQuery {
    let namespace =
        if dimensions.iter().any(|(name, _)| *name == "FunctionName") { "AWS/Lambda" } else { "AWS/Events" };
    let dimensions = dimensions.iter().map(|(name, value)| dimension(name, value)).collect();
    let metric = Metric::builder().namespace(namespace).metric_name(metric).set_dimensions(Some(dimensions)).build();
    let stat = MetricStat::builder().metric(metric).period(60).stat("Sum").build();
    MetricDataQuery::builder().id(id).metric_stat(stat).build()
}

const BOTH: &[(&str, &str)] = &[("EventBusName", "orders-dev"), ("RuleName", "first-dev")];

/// The sum of one metric since the beginning; `None` where there is no datapoint.
async fn sum(stage: &Stage, cloudwatch: &Client, query: MetricDataQuery) -> Option<f64> {
    let data = cloudwatch.get_metric_data().metric_data_queries(query);
    let data = data.start_time(time(START.parse().unwrap())).end_time(time(stage.now())).send().await.unwrap();
    let [result] = data.metric_data_results() else { panic!("one result a query") };
    assert_eq!(result.status_code(), Some(&StatusCode::Complete));
    assert_eq!(result.timestamps().len(), result.values().len());
    (!result.values().is_empty()).then(|| result.values().iter().sum())
}

#[tokio::test]
async fn only_the_exact_dimensions_find_a_rules_metrics() {
    let stage = Stage::new().await;
    let cloudwatch = client!(aws_sdk_cloudwatch, stage);
    stage.world.set_rule_state("default", "first-dev", RuleState::Disabled);
    stage.world.set_rule_state("orders-dev", "first-dev", RuleState::Enabled);
    stage.pass(120);
    let invocations = sum(&stage, &cloudwatch, query("a", "Invocations", BOTH)).await;
    assert_eq!(invocations, Some(10.0), "one each 10 s, the last 20 s not readable yet");
    let rule_only = sum(&stage, &cloudwatch, query("a", "Invocations", &[("RuleName", "first-dev")])).await;
    assert_eq!(rule_only, None, "that would be the default bus");
    let bus_only = sum(&stage, &cloudwatch, query("a", "Invocations", &[("EventBusName", "orders-dev")])).await;
    assert_eq!(bus_only, None);
    let other = &[("EventBusName", "orders-dev"), ("RuleName", "second-dev")];
    assert_eq!(sum(&stage, &cloudwatch, query("a", "Invocations", other)).await, None);
}

#[tokio::test]
async fn the_rule_alone_speaks_of_the_default_bus() {
    let stage = Stage::new().await;
    let cloudwatch = client!(aws_sdk_cloudwatch, stage);
    stage.pass(120);
    let rule_only = sum(&stage, &cloudwatch, query("a", "Invocations", &[("RuleName", "first-dev")])).await;
    assert!(rule_only.is_some_and(|sum| sum > 0.0), "the namesake has traffic");
    assert_eq!(sum(&stage, &cloudwatch, query("a", "Invocations", BOTH)).await, None, "the rule is disabled");
}

#[tokio::test]
async fn failure_metrics_are_absent_while_they_are_zero_and_the_functions_are_not() {
    let stage = Stage::new().await;
    let cloudwatch = client!(aws_sdk_cloudwatch, stage);
    stage.world.set_rule_state("orders-dev", "first-dev", RuleState::Enabled);
    stage.pass(120);
    for name in ["FailedInvocations", "ThrottledRules", "InvocationsSentToDlq", "InvocationsFailedToBeSentToDlq"] {
        assert_eq!(sum(&stage, &cloudwatch, query("a", name, BOTH)).await, None, "{name}");
    }
    let function = &[("FunctionName", "worker-dev")];
    assert_eq!(sum(&stage, &cloudwatch, query("a", "Errors", function)).await, Some(0.0));
    assert_eq!(sum(&stage, &cloudwatch, query("a", "Invocations", function)).await, Some(10.0));
    assert!(stage.world.set_fault("dev.rule.first.fails", true));
    stage.pass(60);
    assert_eq!(sum(&stage, &cloudwatch, query("a", "FailedInvocations", BOTH)).await, Some(4.0));
    assert_eq!(sum(&stage, &cloudwatch, query("a", "InvocationsSentToDlq", BOTH)).await, Some(4.0));
}

#[tokio::test]
async fn a_metric_is_not_readable_before_its_delay() {
    let stage = Stage::new().await;
    let cloudwatch = client!(aws_sdk_cloudwatch, stage);
    stage.world.set_rule_state("orders-dev", "first-dev", RuleState::Enabled);
    stage.pass(10);
    let read = || sum(&stage, &cloudwatch, query("a", "Invocations", BOTH));
    assert_eq!(read().await, None, "the event came and its metric has not");
    assert_eq!(stage.world.snapshot()["environments"][0]["rules"][0]["invocations_5m"], 1);
    stage.pass(12);
    assert_eq!(read().await, None);
    stage.pass(1);
    assert_eq!(read().await, Some(1.0));
}

#[tokio::test]
async fn minutes_begin_with_the_start_and_end_before_the_end() {
    let stage = Stage::new().await;
    let cloudwatch = client!(aws_sdk_cloudwatch, stage);
    stage.world.set_rule_state("orders-dev", "first-dev", RuleState::Enabled);
    stage.pass(600);
    let begin: Timestamp = START.parse().unwrap();
    let minutes = |from: i64, to: i64, scan: ScanBy| {
        let at = |seconds| DateTime::from_secs(begin.as_second() + seconds);
        let data = cloudwatch.get_metric_data().metric_data_queries(query("a", "Invocations", BOTH));
        let send = data.start_time(at(from)).end_time(at(to)).scan_by(scan).send();
        async move {
            let data = send.await.unwrap();
            let times = data.metric_data_results()[0].timestamps().to_vec();
            times.into_iter().map(|time| (time.secs() - begin.as_second()) / 60).collect::<Vec<i64>>()
        }
    };
    assert_eq!(minutes(60, 180, ScanBy::TimestampAscending).await, [1, 2]);
    assert_eq!(minutes(60, 181, ScanBy::TimestampDescending).await, [3, 2, 1]);
    assert_eq!(minutes(90, 180, ScanBy::TimestampAscending).await, [1, 2], "the start is rounded down");
}

#[tokio::test]
async fn datapoints_beyond_the_limit_come_on_the_next_page() {
    let stage = Stage::new().await;
    let cloudwatch = client!(aws_sdk_cloudwatch, stage);
    stage.world.set_rule_state("orders-dev", "first-dev", RuleState::Enabled);
    stage.pass(300);
    let (mut token, mut pages, mut values, mut codes) = (None, 0, Vec::new(), Vec::new());
    loop {
        let data = cloudwatch
            .get_metric_data()
            .metric_data_queries(query("empty", "FailedInvocations", BOTH))
            .metric_data_queries(query("full", "Invocations", BOTH))
            .start_time(time(START.parse().unwrap()))
            .end_time(time(stage.now()))
            .max_datapoints(2)
            .set_next_token(token)
            .send()
            .await
            .unwrap();
        pages += 1;
        for result in data.metric_data_results() {
            values.extend_from_slice(result.values());
            codes.push((result.id().unwrap().to_owned(), result.status_code().unwrap().clone()));
        }
        token = data.next_token().map(str::to_owned);
        if token.is_none() {
            break;
        }
    }
    assert_eq!(pages, 3);
    assert_eq!(values.len(), 5);
    let full = |code| ("full".to_owned(), code);
    assert_eq!(
        codes,
        [
            ("empty".to_owned(), StatusCode::Complete),
            full(StatusCode::PartialData),
            full(StatusCode::PartialData),
            full(StatusCode::Complete)
        ]
    );
}

#[tokio::test]
async fn what_cannot_be_read_completely_is_not_told_as_complete() {
    let stage = Stage::new().await;
    let cloudwatch = client!(aws_sdk_cloudwatch, stage);
    stage.world.set_rule_state("orders-dev", "first-dev", RuleState::Enabled);
    assert!(stage.world.set_fault("aws.metrics-incomplete", true));
    stage.pass(120);
    let data = cloudwatch.get_metric_data().metric_data_queries(query("a", "Invocations", BOTH));
    let data = data.start_time(time(START.parse().unwrap())).end_time(time(stage.now())).send().await.unwrap();
    assert_eq!(data.metric_data_results()[0].status_code(), Some(&StatusCode::InternalError));
    assert!(data.metric_data_results()[0].values().is_empty());
}

#[tokio::test]
async fn queries_that_make_no_sense_are_refused() {
    let stage = Stage::new().await;
    let cloudwatch = client!(aws_sdk_cloudwatch, stage);
    let (from, to) = (time(START.parse().unwrap()), DateTime::from_secs(time(START.parse().unwrap()).secs() + 60));
    let ask = |query: MetricDataQuery, from: DateTime, to: DateTime| {
        cloudwatch.get_metric_data().metric_data_queries(query).start_time(from).end_time(to).send()
    };
    let upper_case = ask(query("A", "Invocations", BOTH), from, to).await.unwrap_err();
    assert_eq!(upper_case.code(), Some("ValidationError"));
    let backwards = ask(query("a", "Invocations", BOTH), to, from).await.unwrap_err();
    assert_eq!(backwards.code(), Some("ValidationError"));
    assert!(stage.world.unknown_calls().is_empty());
    let math = MetricDataQuery::builder().id("a").expression("SUM(METRICS())").build();
    assert!(ask(math, from, to).await.is_err());
    assert_eq!(stage.world.unknown_calls().len(), 1, "metric math exists, and the world does not know it");
}

#[tokio::test]
async fn statistics_and_the_list_of_metrics_tell_dimensions_apart_too() {
    let stage = Stage::new().await;
    let cloudwatch = client!(aws_sdk_cloudwatch, stage);
    stage.world.set_rule_state("orders-dev", "first-dev", RuleState::Enabled);
    stage.pass(130);
    let statistics = cloudwatch
        .get_metric_statistics()
        .namespace("AWS/Lambda")
        .metric_name("Duration")
        .dimensions(dimension("FunctionName", "worker-dev"))
        .start_time(time(START.parse().unwrap()))
        .end_time(time(stage.now()))
        .period(120)
        .statistics(Statistic::Average)
        .statistics(Statistic::SampleCount)
        .send()
        .await
        .unwrap();
    let [point] = statistics.datapoints() else { panic!("one period of two minutes") };
    assert_eq!(point.sample_count(), Some(11.0));
    assert!(point.average().is_some_and(|average| average > 100.0));
    assert_eq!(point.sum(), None, "not asked for");
    let filter = DimensionFilter::builder().name("RuleName").value("first-dev").build();
    let listed = cloudwatch.list_metrics().namespace("AWS/Events").metric_name("Invocations").dimensions(filter);
    let listed = listed.send().await.unwrap();
    let mut sizes: Vec<usize> = listed.metrics().iter().map(|metric| metric.dimensions().len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 2], "the namesake's and the rule's");
}

#[tokio::test]
async fn two_accounts_metrics_are_never_mixed() {
    let mut other = super::stack("dev", "222222222222");
    other.environment = "twin".to_owned();
    let stage = Stage::with(vec![super::stack("dev", "111111111111"), other]).await;
    let sts = client!(aws_sdk_sts, stage);
    let role = "arn:aws:iam::222222222222:role/reader";
    let assumed = sts.assume_role().role_arn(role).role_session_name("run-1").send().await.unwrap();
    let key = assumed.credentials().unwrap().access_key_id().to_owned();
    let events = client!(aws_sdk_eventbridge, stage, key.as_str(), "eu-west-1");
    events.enable_rule().event_bus_name("orders-dev").name("first-dev").send().await.unwrap();
    stage.pass(120);
    let twins = client!(aws_sdk_cloudwatch, stage, key.as_str(), "eu-west-1");
    assert_eq!(sum(&stage, &twins, query("a", "Invocations", BOTH)).await, Some(10.0));
    let assumed = sts.assume_role().role_arn("arn:aws:iam::111111111111:role/reader").role_session_name("run-1");
    let key = assumed.send().await.unwrap().credentials().unwrap().access_key_id().to_owned();
    let first = client!(aws_sdk_cloudwatch, stage, key.as_str(), "eu-west-1");
    assert_eq!(sum(&stage, &first, query("a", "Invocations", BOTH)).await, None);
}
