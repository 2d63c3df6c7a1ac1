//! Keeping the world on disk and coming back to it.

use super::super::{LoadError, MessageState, RuleState, World};
use super::{Stage, pace, stack};

#[tokio::test]
async fn a_saved_world_comes_back_and_its_time_has_gone_on() {
    let stage = Stage::new().await;
    let stacks = || vec![stack("dev", "111111111111"), stack("prod", "222222222222")];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("aws.json");
    stage.world.set_rule_state("orders-dev", "first-dev", RuleState::Enabled);
    stage.world.put_message("dlq-dev", MessageState::InFlight);
    stage.world.set_fault("dev.rule.second.silent", true);
    stage.pass(60);
    stage.world.save(&path).unwrap();
    stage.pass(60);
    let back = World::load(stage.clock.clone(), pace(), stacks(), &path).unwrap();
    assert_eq!(back.snapshot(), stage.world.snapshot());
    assert_eq!(back.faults(), stage.world.faults());
    assert_eq!(back.snapshot()["environments"][0]["rules"][0]["invocations_5m"], 12);
}

#[tokio::test]
async fn a_world_that_does_not_fit_is_refused() {
    let stage = Stage::new().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("aws.json");
    let load = |account| World::load(stage.clock.clone(), pace(), vec![stack("dev", account)], &path);
    assert!(load("111111111111").is_ok(), "nothing was saved: a fresh one");
    load("111111111111").unwrap().save(&path).unwrap();
    assert!(load("111111111111").is_ok());
    assert!(matches!(load("222222222222"), Err(LoadError::OtherStacks)));
    std::fs::write(&path, "{").unwrap();
    assert!(matches!(load("111111111111"), Err(LoadError::Format(_))));
}

#[tokio::test]
async fn a_world_left_alone_for_days_wakes_up_quickly() {
    let stage = Stage::new().await;
    stage.world.set_rule_state("orders-dev", "first-dev", RuleState::Enabled);
    stage.pass(60 * 60 * 24 * 30);
    let rule = &stage.world.snapshot()["environments"][0]["rules"][0];
    assert_eq!(rule["invocations_5m"], 30);
}
