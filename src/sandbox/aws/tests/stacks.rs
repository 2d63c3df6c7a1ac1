//! CloudFormation and Lambda: what is deployed.

use aws_sdk_cloudformation::error::ProvideErrorMetadata;
use aws_sdk_cloudformation::types::TemplateStage;

use super::super::Outcome;
use super::{Stage, client};

async fn code(stage: &Stage, function: &str) -> String {
    let lambda = client!(aws_sdk_lambda, stage);
    let told = lambda.get_function_configuration().function_name(function).send().await.unwrap();
    told.code_sha256().unwrap().to_owned()
}

async fn template(stage: &Stage, stack: &str) -> String {
    let cloudformation = client!(aws_sdk_cloudformation, stage);
    let told = cloudformation.get_template().stack_name(stack).template_stage(TemplateStage::Original).send().await;
    told.unwrap().template_body().unwrap().to_owned()
}

async fn label(stage: &Stage, stack: &str) -> Option<String> {
    let told = client!(aws_sdk_cloudformation, stage).describe_stacks().stack_name(stack).send().await.unwrap();
    let [stack] = told.stacks() else { panic!("{told:?}") };
    let tag = stack.tags().iter().find(|tag| tag.key() == Some("version"));
    tag.and_then(|tag| tag.value()).map(str::to_owned)
}

#[tokio::test]
async fn stacks_of_one_version_run_the_same() {
    let stage = Stage::new().await;
    assert_eq!(code(&stage, "worker-dev").await, code(&stage, "worker-prod").await);
    let first = template(&stage, "trading-dev").await;
    assert_eq!(first, template(&stage, "trading-prod").await);
    assert!(first.contains("events & what") && first.contains("<1.0>"), "XML takes it and gives it back: {first}");
    stage.pass(60);
    assert!(stage.world.deploy("dev", "1.1"));
    assert_eq!(label(&stage, "trading-dev").await.as_deref(), Some("1.1"));
    assert_eq!(label(&stage, "trading-prod").await.as_deref(), Some("1.0"));
    assert_ne!(code(&stage, "worker-dev").await, code(&stage, "worker-prod").await);
    assert_ne!(template(&stage, "trading-dev").await, first);
    assert!(stage.world.set_fault("prod.version.other", true));
    assert!(stage.world.deploy("dev", "2026.11.21"));
    assert_eq!(template(&stage, "trading-dev").await, template(&stage, "trading-prod").await);
    assert!(stage.world.set_fault("prod.version.other", false));
    assert_eq!(template(&stage, "trading-prod").await, first);
    assert!(!stage.world.deploy("test", "1.1"), "no such environment");
}

#[tokio::test]
async fn label_and_template_change_alone() {
    let stage = Stage::new().await;
    let before = code(&stage, "worker-dev").await;
    assert!(stage.world.set_label("dev", None));
    assert!(stage.world.set_template("dev", "Resources: {}"));
    assert_eq!(
        (label(&stage, "trading-dev").await, template(&stage, "trading-dev").await.as_str()),
        (None, "Resources: {}")
    );
    assert_eq!(code(&stage, "worker-dev").await, before);
}

#[tokio::test]
async fn what_is_not_deployed_is_refused_in_each_services_words() {
    let stage = Stage::new().await;
    let lambda = client!(aws_sdk_lambda, stage);
    let missing = lambda.get_function_configuration().function_name("gone").send().await.unwrap_err();
    assert_eq!(missing.raw_response().unwrap().status().as_u16(), 404);
    assert!(missing.into_service_error().is_resource_not_found_exception());
    let cloudformation = client!(aws_sdk_cloudformation, stage);
    let missing = cloudformation.describe_stacks().stack_name("gone").send().await.unwrap_err();
    assert_eq!(missing.code(), Some("ValidationError"));
    assert_eq!(missing.message(), Some("Stack with id gone does not exist"));
    assert_eq!(cloudformation.describe_stacks().send().await.unwrap().stacks().len(), 2);
    assert!(stage.world.unknown_calls().is_empty());
    assert!(stage.world.set_fault("aws.version-forbidden", true));
    let denied = lambda.get_function_configuration().function_name("worker-dev").send().await.unwrap_err();
    assert_eq!(denied.code(), Some("AccessDeniedException"));
    let denied = cloudformation.get_template().stack_name("trading-dev").send().await.unwrap_err();
    assert_eq!(denied.code(), Some("AccessDenied"));
}

#[tokio::test]
async fn other_operations_of_lambda_are_unknown() {
    let stage = Stage::new().await;
    let lambda = client!(aws_sdk_lambda, stage);
    assert!(lambda.get_function().function_name("worker-dev").send().await.is_err());
    assert!(lambda.delete_function().function_name("worker-dev").send().await.is_err());
    let unknown = stage.world.unknown_calls();
    assert!(unknown.iter().all(|call| call.service == "lambda" && call.outcome == Outcome::Unknown));
    assert_eq!(unknown[1].operation, "DELETE /2015-03-31/functions/worker-dev");
}
