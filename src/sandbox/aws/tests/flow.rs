//! How the world moves with its clock: events, failures, alarms.

use serde_json::Value;

use super::super::{AlarmState, QueueDepth, RuleState};
use super::Stage;

fn rule(stage: &Stage, index: usize) -> Value {
    stage.world.snapshot()["environments"][0]["rules"][index].clone()
}

#[tokio::test]
async fn the_world_is_the_same_however_often_it_is_asked() {
    let (often, once) = (Stage::new().await, Stage::new().await);
    for stage in [&often, &once] {
        stage.world.set_rule_state("orders-dev", "first-dev", RuleState::Enabled);
        assert!(stage.world.set_fault("dev.rule.first.fails", true));
    }
    for _ in 0..240 {
        often.pass(1);
        often.world.tick();
    }
    once.pass(240);
    assert_eq!(often.world.snapshot(), once.world.snapshot());
    assert_eq!(rule(&once, 0)["invocations_5m"], 24);
}

#[tokio::test]
async fn a_disabled_rule_has_no_events() {
    let stage = Stage::new().await;
    stage.world.set_rule_state("orders-dev", "first-dev", RuleState::Enabled);
    stage.pass(60);
    assert_eq!(rule(&stage, 0)["invocations_5m"], 6);
    stage.world.set_rule_state("orders-dev", "first-dev", RuleState::Disabled);
    stage.pass(60);
    assert_eq!(rule(&stage, 0)["invocations_5m"], 6);
}

#[tokio::test]
async fn a_silent_rule_has_no_events_until_it_heals() {
    let stage = Stage::new().await;
    stage.world.set_rule_state("orders-dev", "first-dev", RuleState::Enabled);
    assert!(stage.world.set_fault("dev.rule.first.silent", true));
    stage.pass(60);
    assert_eq!(rule(&stage, 0)["invocations_5m"], 0);
    assert!(stage.world.set_fault("dev.rule.first.silent", false));
    stage.pass(60);
    assert_eq!(rule(&stage, 0)["invocations_5m"], 6);
}

#[tokio::test]
async fn what_fails_lands_in_the_dead_letter_queue_and_sets_off_the_alarms_that_look_right() {
    let stage = Stage::new().await;
    stage.world.set_rule_state("orders-dev", "first-dev", RuleState::Enabled);
    assert!(stage.world.set_fault("dev.rule.first.fails", true));
    stage.pass(60);
    assert_eq!(rule(&stage, 0)["failed_5m"], 6);
    assert_eq!(stage.world.queue_depth("dlq-dev"), Some(QueueDepth { visible: 6, ..QueueDepth::default() }));
    assert_eq!(stage.world.queue_depth("other-dlq-dev"), Some(QueueDepth::default()));
    assert_eq!(stage.world.alarm_state("first-failed-dev"), Some(AlarmState::Alarm));
    assert_eq!(stage.world.alarm_state("first-failed-blind-dev"), Some(AlarmState::Ok), "it watches another bus");
    assert!(stage.world.set_fault("dev.rule.first.fails", false));
    stage.pass(120);
    assert_eq!(stage.world.alarm_state("first-failed-dev"), Some(AlarmState::Ok));
    assert_eq!(stage.world.queue_depth("dlq-dev").unwrap().visible, 6, "messages do not go by themselves");
}

#[tokio::test]
async fn nothing_arrives_in_a_queue_that_eventbridge_may_not_write_to() {
    let stage = Stage::new().await;
    stage.world.set_rule_state("orders-dev", "first-dev", RuleState::Enabled);
    assert!(stage.world.set_fault("dev.rule.first.fails", true));
    assert!(stage.world.set_fault("dev.queue.dlq-dev.denied", true));
    stage.pass(60);
    assert_eq!(stage.world.queue_depth("dlq-dev").unwrap().visible, 0);
    assert_eq!(rule(&stage, 0)["failed_5m"], 6);
}

#[tokio::test]
async fn a_function_that_fails_has_errors_and_the_rule_has_none() {
    let stage = Stage::new().await;
    stage.world.set_rule_state("orders-dev", "first-dev", RuleState::Enabled);
    assert!(stage.world.set_fault("dev.function.errors", true));
    stage.pass(60);
    let snapshot = stage.world.snapshot();
    assert_eq!(snapshot["environments"][0]["function"]["errors_5m"], 6);
    assert_eq!(snapshot["environments"][0]["rules"][0]["failed_5m"], 0);
    assert_eq!(stage.world.alarm_state("errors-dev"), Some(AlarmState::Alarm));
    assert!(stage.world.set_fault("dev.function.errors", false));
    assert!(stage.world.set_fault("dev.function.throttles", true));
    stage.pass(60);
    let snapshot = stage.world.snapshot();
    assert_eq!(snapshot["environments"][0]["function"]["throttles_5m"], 6);
    assert_eq!(snapshot["environments"][0]["function"]["invocations_5m"], 6, "a throttled one is none");
}

#[tokio::test]
async fn a_rule_of_one_environment_does_not_touch_the_other() {
    let stage = Stage::new().await;
    stage.world.set_rule_state("orders-prod", "first-prod", RuleState::Enabled);
    stage.pass(60);
    let snapshot = stage.world.snapshot();
    assert_eq!(snapshot["environments"][0]["function"]["invocations_5m"], 0);
    assert_eq!(snapshot["environments"][1]["function"]["invocations_5m"], 6);
}
