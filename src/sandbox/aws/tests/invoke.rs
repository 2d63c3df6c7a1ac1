//! Lambda's Invoke as its callers meet it: what comes back, what happens in the world, and where the function trades.

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::LogType;
use aws_smithy_types::base64;

use super::{Stage, client};
use crate::sandbox::aws::RuleState;

const WORKER: &str = "worker-dev";

/// What the function answers: its error, the payload, and the tail of its log.
async fn invoked(stage: &Stage, payload: &str) -> (Option<String>, serde_json::Value, String) {
    let lambda = client!(aws_sdk_lambda, stage);
    let call = lambda.invoke().function_name(WORKER).payload(Blob::new(payload)).log_type(LogType::Tail);
    let output = call.send().await.unwrap();
    assert_eq!((output.status_code(), output.executed_version()), (200, Some("$LATEST")));
    let log = base64::decode(output.log_result().unwrap()).unwrap();
    let payload = serde_json::from_slice(output.payload().unwrap().as_ref()).unwrap();
    (output.function_error().map(str::to_owned), payload, String::from_utf8(log).unwrap())
}

#[tokio::test]
async fn a_run_publishes_what_its_rules_get_and_the_archive_keeps() {
    let stage = Stage::new().await;
    assert!(stage.world.set_rule_state("orders-dev", "first-dev", RuleState::Enabled));
    let before = stage.world.archived("archive-dev").len();
    let (error, answer, log) = invoked(&stage, r#"{"correlation_id": "R1"}"#).await;
    assert_eq!((error, answer["status"].as_str()), (None, Some("success")));
    assert!(log.contains(r#""correlation_id":"R1""#) && log.contains(r#""mode":"paper""#), "{log}");
    let archived = stage.world.archived("archive-dev");
    assert_eq!(archived.len(), before + 2, "one for each rule");
    assert!(archived.iter().any(|event| event.detail.contains("R1")));
    let told = client!(aws_sdk_cloudwatchlogs, stage).filter_log_events().log_group_name("/aws/lambda/worker-dev");
    let told = told.filter_pattern("\"R1\"").send().await.unwrap();
    assert_eq!(told.events().len(), 1);
}

#[tokio::test]
async fn status_200_says_nothing_of_a_function_that_failed() {
    let stage = Stage::new().await;
    assert!(stage.world.set_fault("dev.function.errors", true));
    let (error, answer, log) = invoked(&stage, "{}").await;
    assert_eq!((error.as_deref(), answer["errorType"].as_str()), (Some("Unhandled"), Some("RuntimeError")));
    assert!(log.contains("hunter2-hunter2"), "careless code logs its secrets: {log}");
    assert!(stage.world.set_fault("dev.function.errors", false));
    assert!(stage.world.set_fault("dev.function.returns-failed", true));
    let (error, answer, _) = invoked(&stage, "{}").await;
    assert_eq!((error, answer["status"].as_str()), (None, Some("failed")));
    assert!(stage.world.set_fault("dev.function.returns-failed", false));
    assert!(stage.world.set_fault("dev.function.publishes-nothing", true));
    let before = stage.world.archived("archive-dev").len();
    assert_eq!(invoked(&stage, "{}").await.1["status"], "success");
    assert_eq!(stage.world.archived("archive-dev").len(), before);
}

#[tokio::test]
async fn what_may_not_run_is_refused() {
    let stage = Stage::new().await;
    let lambda = client!(aws_sdk_lambda, stage);
    let refused = |function: &str, payload: &str| {
        let call = lambda.invoke().function_name(function).payload(Blob::new(payload));
        async { call.send().await.unwrap_err().into_service_error() }
    };
    assert!(refused("gone", "{}").await.is_resource_not_found_exception());
    assert!(refused(WORKER, "{").await.is_invalid_request_content_exception());
    assert!(stage.world.set_concurrency(WORKER, Some(0)));
    assert!(refused(WORKER, "{}").await.is_too_many_requests_exception());
}

#[tokio::test]
async fn the_variable_says_where_it_trades_whatever_the_payload_says() {
    let stage = Stage::new().await;
    let lambda = client!(aws_sdk_lambda, stage);
    let read = || async { lambda.get_function_configuration().function_name(WORKER).send().await.unwrap() };
    let first = read().await;
    let variables = first.environment().unwrap().variables().unwrap();
    assert_eq!((variables["ENDPOINT"].as_str(), variables.len()), ("https://paper.example.com", 2));
    assert!(stage.world.set_fault("dev.function.trades-elsewhere", true));
    let live = read().await;
    assert_eq!(live.environment().unwrap().variables().unwrap()["ENDPOINT"], "https://live.example.com");
    assert_ne!(live.revision_id(), first.revision_id());
    assert!(invoked(&stage, r#"{"trading_mode": "paper"}"#).await.2.contains("LIVE"));
    assert!(stage.world.set_fault("dev.function.variables-unreadable", true));
    let unreadable = read().await;
    let environment = unreadable.environment().unwrap();
    assert!(environment.variables().is_none() && unreadable.kms_key_arn().is_some());
    assert_eq!(environment.error().unwrap().error_code(), Some("AccessDeniedException"));
}
