//! EventBridge's operations.

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::error::ProvideErrorMetadata;
use aws_sdk_eventbridge::types::RuleState as WireState;

use super::super::{Outcome, RuleState};
use super::{Stage, client, stack};

async fn wire_state(events: &Client, bus: &str, rule: &str) -> WireState {
    let described = events.describe_rule().event_bus_name(bus).name(rule).send().await.unwrap();
    described.state().unwrap().clone()
}

#[tokio::test]
async fn enabling_on_the_bus_changes_that_rule_only() {
    let stage = Stage::new().await;
    let events = client!(aws_sdk_eventbridge, stage);
    assert_eq!(wire_state(&events, "orders-dev", "first-dev").await, WireState::Disabled);
    events.enable_rule().event_bus_name("orders-dev").name("first-dev").send().await.unwrap();
    assert_eq!(wire_state(&events, "orders-dev", "first-dev").await, WireState::Enabled);
    assert_eq!(stage.world.rule_state("orders-dev", "second-dev"), Some(RuleState::Disabled));
    events.disable_rule().event_bus_name("orders-dev").name("first-dev").send().await.unwrap();
    assert_eq!(wire_state(&events, "orders-dev", "first-dev").await, WireState::Disabled);
}

#[tokio::test]
async fn without_a_bus_the_namesake_on_the_default_bus_is_meant() {
    let stage = Stage::new().await;
    let events = client!(aws_sdk_eventbridge, stage);
    let described = events.describe_rule().name("first-dev").send().await.unwrap();
    assert_eq!(described.event_bus_name(), Some("default"));
    assert_eq!(described.state(), Some(&WireState::Enabled), "it looks as if the work were done");
    events.enable_rule().name("first-dev").send().await.unwrap();
    assert_eq!(stage.world.rule_state("orders-dev", "first-dev"), Some(RuleState::Disabled));
    events.disable_rule().name("first-dev").send().await.unwrap();
    assert_eq!(stage.world.rule_state("default", "first-dev"), Some(RuleState::Disabled));
    let calls = stage.world.calls();
    assert_eq!(calls[1].operation, "EnableRule");
    assert_eq!(calls[1].request, serde_json::json!({"Name": "first-dev"}));
    assert_eq!(calls[1].outcome, Outcome::Answered);
}

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
    let stage = Stage::new().await;
    let events = client!(aws_sdk_eventbridge, stage);
    let no_rule = events.enable_rule().event_bus_name("orders-dev").name("third-dev").send().await.unwrap_err();
    assert!(no_rule.into_service_error().is_resource_not_found_exception());
    let no_bus = events.enable_rule().event_bus_name("sales-dev").name("first-dev").send().await.unwrap_err();
    assert!(no_bus.into_service_error().is_resource_not_found_exception());
    let not_there = events.enable_rule().name("second-dev").send().await.unwrap_err();
    assert!(not_there.into_service_error().is_resource_not_found_exception(), "only the first rule has a namesake");
}

#[tokio::test]
async fn a_managed_rule_is_refused() {
    let stage = Stage::new().await;
    let events = client!(aws_sdk_eventbridge, stage);
    let name = "Events-Archive-archive-dev";
    let refused = events.disable_rule().event_bus_name("orders-dev").name(name).send().await.unwrap_err();
    assert!(refused.into_service_error().is_managed_rule_exception());
    assert_eq!(stage.world.rule_state("orders-dev", name), Some(RuleState::Enabled));
    let described = events.describe_rule().event_bus_name("orders-dev").name(name).send().await.unwrap();
    assert!(described.managed_by().is_some());
}

#[tokio::test]
async fn listing_rules_takes_several_pages_and_shows_the_company_on_the_bus() {
    let stage = Stage::new().await;
    stage.world.set_page_max(2);
    let events = client!(aws_sdk_eventbridge, stage);
    let arn = "arn:aws:events:eu-west-1:111111111111:event-bus/orders-dev";
    let (mut names, mut token, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = events.list_rules().event_bus_name(arn).set_next_token(token).send().await.unwrap();
        names.extend(page.rules().iter().map(|rule| rule.name().unwrap().to_owned()));
        pages += 1;
        token = page.next_token().map(str::to_owned);
        if token.is_none() {
            break;
        }
    }
    assert_eq!(names, ["Events-Archive-archive-dev", "first-dev", "reporting-team-feed-dev", "second-dev"]);
    assert_eq!(pages, 2);
    let page = events.list_rules().event_bus_name("orders-dev").name_prefix("first").send().await.unwrap();
    assert_eq!(page.rules().len(), 1);
    let wrong = events.list_rules().event_bus_name("orders-dev").next_token("nonsense").send().await.unwrap_err();
    assert_eq!(wrong.code(), Some("ValidationException"));
}

#[tokio::test]
async fn a_target_names_the_function_and_its_dead_letter_queue() {
    let stage = Stage::new().await;
    let events = client!(aws_sdk_eventbridge, stage);
    let listed = events.list_targets_by_rule().event_bus_name("orders-dev").rule("first-dev").send().await.unwrap();
    let [target] = listed.targets() else { panic!("one target, not {:?}", listed.targets()) };
    assert_eq!(target.arn(), "arn:aws:lambda:eu-west-1:111111111111:function:worker-dev");
    let dlq = target.dead_letter_config().and_then(|config| config.arn());
    assert_eq!(dlq, Some("arn:aws:sqs:eu-west-1:111111111111:dlq-dev"));
}

#[tokio::test]
async fn archives_are_filtered_by_one_thing_only() {
    let stage = Stage::new().await;
    let events = client!(aws_sdk_eventbridge, stage);
    let bus = events.describe_event_bus().name("orders-dev").send().await.unwrap();
    let listed = events.list_archives().event_source_arn(bus.arn().unwrap()).send().await.unwrap();
    assert_eq!(listed.archives()[0].archive_name(), Some("archive-dev"));
    assert_eq!(listed.archives().len(), 1);
    let two = events.list_archives().event_source_arn(bus.arn().unwrap()).name_prefix("archive");
    assert_eq!(two.send().await.unwrap_err().code(), Some("ValidationException"));
    let described = events.describe_archive().archive_name("archive-dev").send().await.unwrap();
    assert!(described.archive_arn().unwrap().ends_with("archive/archive-dev"));
}

#[tokio::test]
async fn a_stale_read_shows_the_state_from_before_for_some_seconds() {
    let stage = Stage::new().await;
    let events = client!(aws_sdk_eventbridge, stage);
    assert!(stage.world.set_fault("aws.stale-reads", true));
    stage.pass(30);
    events.enable_rule().event_bus_name("orders-dev").name("first-dev").send().await.unwrap();
    assert_eq!(wire_state(&events, "orders-dev", "first-dev").await, WireState::Disabled);
    assert_eq!(stage.world.rule_state("orders-dev", "first-dev"), Some(RuleState::Enabled), "it took effect at once");
    stage.pass(5);
    assert_eq!(wire_state(&events, "orders-dev", "first-dev").await, WireState::Enabled);
}

#[tokio::test]
async fn enabling_keeps_the_other_way_of_being_enabled() {
    let stage = Stage::new().await;
    let events = client!(aws_sdk_eventbridge, stage);
    let special = RuleState::EnabledWithAllCloudtrailManagementEvents;
    stage.world.set_rule_state("orders-dev", "first-dev", special);
    events.enable_rule().event_bus_name("orders-dev").name("first-dev").send().await.unwrap();
    assert_eq!(stage.world.rule_state("orders-dev", "first-dev"), Some(special));
}

#[tokio::test]
async fn an_operation_that_the_world_does_not_know_is_refused_and_remembered() {
    let stage = Stage::new().await;
    let events = client!(aws_sdk_eventbridge, stage);
    let refused = events.delete_rule().event_bus_name("orders-dev").name("first-dev").send().await.unwrap_err();
    assert_eq!(refused.code(), Some("UnknownOperationException"));
    let unknown = stage.world.unknown_calls();
    assert_eq!(unknown.len(), 1);
    assert_eq!((unknown[0].service.as_str(), unknown[0].operation.as_str()), ("events", "DeleteRule"));
}

#[tokio::test]
async fn two_stacks_of_one_account_share_its_default_bus() {
    let account = "111111111111";
    let stage = Stage::with(vec![stack("dev", account), stack("prod", account)]).await;
    let events = client!(aws_sdk_eventbridge, stage);
    let buses = events.list_event_buses().send().await.unwrap();
    let mut names: Vec<&str> = buses.event_buses().iter().filter_map(|bus| bus.name()).collect();
    names.sort_unstable();
    assert_eq!(names, ["default", "orders-dev", "orders-prod"]);
    assert_eq!(events.list_rules().send().await.unwrap().rules().len(), 2);
}

#[tokio::test]
async fn another_region_has_nothing() {
    let stage = Stage::new().await;
    let events = client!(aws_sdk_eventbridge, stage, "AKIASANDBOX", "us-east-1");
    let refused = events.describe_rule().event_bus_name("orders-dev").name("first-dev").send().await.unwrap_err();
    assert!(refused.into_service_error().is_resource_not_found_exception());
}
