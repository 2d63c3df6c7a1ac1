//! The panel's switches and the planned faults of single calls.

use std::time::Duration;

use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;

use super::super::{ApiFault, Failure, Outcome, QueueDepth, RuleState};
use super::{Stage, client};

async fn enable(events: &Client) -> Result<(), SdkError<aws_sdk_eventbridge::operation::enable_rule::EnableRuleError>> {
    events.enable_rule().event_bus_name("orders-dev").name("first-dev").send().await.map(drop)
}

fn plan(stage: &Stage, how: Failure) {
    stage.world.inject(ApiFault { operation: "EnableRule".to_owned(), times: 1, how });
}

#[tokio::test]
async fn throttling_is_told_in_each_services_words() {
    let stage = Stage::new().await;
    assert!(stage.world.set_fault("aws.throttle-all", true));
    let events = client!(aws_sdk_eventbridge, stage);
    assert_eq!(enable(&events).await.unwrap_err().code(), Some("ThrottlingException"));
    let cloudwatch = client!(aws_sdk_cloudwatch, stage).describe_alarms().send().await.unwrap_err();
    assert_eq!(cloudwatch.code(), Some("Throttling"));
    assert_eq!(cloudwatch.raw_response().unwrap().status().as_u16(), 400);
    let sqs = client!(aws_sdk_sqs, stage).get_queue_url().queue_name("dlq-dev").send().await.unwrap_err();
    assert!(sqs.into_service_error().is_request_throttled());
    let dynamodb = client!(aws_sdk_dynamodb, stage).describe_table().table_name("seen-dev").send().await.unwrap_err();
    assert_eq!(dynamodb.code(), Some("ThrottlingException"));
    let sts = client!(aws_sdk_sts, stage).get_caller_identity().send().await.unwrap_err();
    assert_eq!(sts.code(), Some("Throttling"));
    let sns = client!(aws_sdk_sns, stage).publish().topic_arn("t").message("m").send().await.unwrap_err();
    assert_eq!(sns.code(), Some("Throttling"));
    let lambda =
        client!(aws_sdk_lambda, stage).get_function_configuration().function_name("f").send().await.unwrap_err();
    assert!(lambda.into_service_error().is_too_many_requests_exception());
    let stacks = client!(aws_sdk_cloudformation, stage).describe_stacks().send().await.unwrap_err();
    assert_eq!(stacks.code(), Some("Throttling"));
    assert!(stage.world.set_fault("aws.throttle-all", false));
    enable(&events).await.unwrap();
}

/// A client that tries each call three times.
fn patient(stage: &Stage) -> Client {
    let retries = RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(1));
    Client::from_conf(client!(aws_sdk_eventbridge, stage).config().to_builder().retry_config(retries).build())
}

#[tokio::test]
async fn a_client_that_retries_gets_through_some_throttling() {
    let stage = Stage::new().await;
    stage.world.inject(ApiFault { operation: "EnableRule".to_owned(), times: 2, how: Failure::Throttle });
    enable(&patient(&stage)).await.unwrap();
    let outcomes: Vec<Outcome> = stage.world.calls().into_iter().map(|call| call.outcome).collect();
    let throttled = Outcome::Refused("ThrottlingException".to_owned());
    assert_eq!(outcomes, [throttled.clone(), throttled, Outcome::Answered]);
    assert!(stage.world.faults_left().is_empty());
}

#[tokio::test]
async fn a_client_that_retries_gets_over_a_broken_connection() {
    let stage = Stage::new().await;
    plan(&stage, Failure::AfterEffect);
    enable(&patient(&stage)).await.unwrap();
    let outcomes: Vec<Outcome> = stage.world.calls().into_iter().map(|call| call.outcome).collect();
    assert_eq!(outcomes, [Outcome::AnswerLost, Outcome::Answered]);
}

#[tokio::test]
async fn every_third_call_is_throttled() {
    let stage = Stage::new().await;
    assert!(stage.world.set_fault("aws.throttle-some", true));
    let events = client!(aws_sdk_eventbridge, stage);
    let mut passed = Vec::new();
    for _ in 0..6 {
        passed.push(enable(&events).await.is_ok());
    }
    assert_eq!(passed, [true, true, false, true, true, false]);
}

#[tokio::test]
async fn forbidden_things_are_forbidden_and_others_are_not() {
    let stage = Stage::new().await;
    assert!(stage.world.set_fault("aws.enable-denied", true));
    assert!(stage.world.set_fault("aws.metrics-forbidden", true));
    let events = client!(aws_sdk_eventbridge, stage);
    assert_eq!(enable(&events).await.unwrap_err().code(), Some("AccessDeniedException"));
    events.disable_rule().event_bus_name("orders-dev").name("first-dev").send().await.unwrap();
    let cloudwatch = client!(aws_sdk_cloudwatch, stage);
    let data = cloudwatch.get_metric_data().start_time(DateTime::from_secs(0)).end_time(DateTime::from_secs(60));
    let query = aws_sdk_cloudwatch::types::MetricDataQuery::builder().id("a").build();
    let refused = data.metric_data_queries(query).send().await.unwrap_err();
    assert_eq!(refused.code(), Some("AccessDenied"));
    assert_eq!(refused.raw_response().unwrap().status().as_u16(), 403);
    cloudwatch.describe_alarms().send().await.unwrap();
}

#[tokio::test]
async fn a_connection_breaks_before_or_after_the_effect() {
    let stage = Stage::new().await;
    let events = client!(aws_sdk_eventbridge, stage);
    plan(&stage, Failure::BeforeEffect);
    let before = enable(&events).await.unwrap_err();
    assert!(before.as_service_error().is_none(), "no answer at all, rather than {before:?}");
    assert_eq!(stage.world.rule_state("orders-dev", "first-dev"), Some(RuleState::Disabled));
    plan(&stage, Failure::AfterEffect);
    let after = enable(&events).await.unwrap_err();
    assert!(after.as_service_error().is_none(), "no answer at all, rather than {after:?}");
    assert_eq!(stage.world.rule_state("orders-dev", "first-dev"), Some(RuleState::Enabled));
    let outcomes: Vec<Outcome> = stage.world.calls().into_iter().map(|call| call.outcome).collect();
    assert_eq!(outcomes, [Outcome::Lost, Outcome::AnswerLost]);
    assert!(stage.world.set_fault("aws.unreachable", true));
    assert!(enable(&events).await.unwrap_err().as_service_error().is_none());
    assert!(stage.world.set_fault("aws.unreachable", false));
    enable(&events).await.unwrap();
}

#[tokio::test]
async fn a_call_that_hangs_ends_by_its_callers_patience() {
    let stage = Stage::new().await;
    plan(&stage, Failure::Hang);
    let impatient = client!(aws_sdk_eventbridge, stage)
        .config()
        .to_builder()
        .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(Duration::from_millis(200)).build());
    let events = Client::from_conf(impatient.build());
    assert!(matches!(enable(&events).await, Err(SdkError::TimeoutError(_))));
    assert_eq!(stage.world.rule_state("orders-dev", "first-dev"), Some(RuleState::Disabled));
    enable(&events).await.unwrap();
}

#[tokio::test]
async fn refusals_of_single_calls_have_the_right_kind() {
    let stage = Stage::new().await;
    let events = client!(aws_sdk_eventbridge, stage);
    plan(&stage, Failure::ServerError);
    plan(&stage, Failure::Conflict);
    plan(&stage, Failure::AccessDenied);
    let server = enable(&events).await.unwrap_err();
    assert_eq!(server.raw_response().unwrap().status().as_u16(), 500);
    assert!(server.into_service_error().is_internal_exception());
    assert!(enable(&events).await.unwrap_err().into_service_error().is_concurrent_modification_exception());
    assert_eq!(enable(&events).await.unwrap_err().code(), Some("AccessDeniedException"));
    enable(&events).await.unwrap();
}

#[tokio::test]
async fn a_queue_is_filled_emptied_and_healed() {
    let stage = Stage::new().await;
    let visible = || stage.world.queue_depth("dlq-dev").unwrap().visible;
    assert!(stage.world.set_fault("dev.queue.dlq-dev.fill", true));
    assert!(stage.world.set_fault("dev.queue.dlq-dev.fill", true), "on twice is on");
    assert_eq!(visible(), 5);
    assert!(stage.world.set_fault("dev.queue.dlq-dev.fill", false));
    assert_eq!(visible(), 0);
    assert!(stage.world.set_fault("dev.queue.dlq-dev.fill", true));
    assert!(stage.world.set_fault("dev.queue.dlq-dev.empty", true));
    assert_eq!(stage.world.queue_depth("dlq-dev"), Some(QueueDepth::default()));
    let filled = stage.world.faults().into_iter().find(|fault| fault.id == "dev.queue.dlq-dev.fill").unwrap();
    assert!(!filled.active, "emptied, it holds nothing more");
}

#[tokio::test]
async fn every_switch_goes_on_and_off_and_leaves_no_trace() {
    let stage = Stage::new().await;
    let before = stage.world.snapshot();
    let faults = stage.world.faults();
    let mut ids: Vec<&str> = faults.iter().map(|fault| fault.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), faults.len(), "ids are unique");
    for fault in &faults {
        assert!(stage.world.set_fault(&fault.id, true), "{}", fault.id);
        let now = stage.world.faults().into_iter().find(|known| known.id == fault.id).unwrap();
        assert_eq!(now.active, !fault.momentary, "{}", fault.id);
        assert!(stage.world.set_fault(&fault.id, false), "{}", fault.id);
    }
    assert_eq!(stage.world.snapshot(), before);
    assert!(stage.world.faults().iter().all(|fault| !fault.active));
    assert!(!stage.world.set_fault("dev.rule.third.fails", true), "no such switch");
}
