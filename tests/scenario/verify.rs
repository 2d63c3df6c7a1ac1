//! `/alch verify`: the checklist.

use alch::domain::{Outcome, RunId};
use insta::assert_snapshot;

use crate::world::story;

#[test]
fn a_sound_environment_passes_every_check() {
    story(async |world| {
        world.alice().types("verify dev").await;
        let run = world.until_ended(RunId(1)).await;
        assert_eq!(run.ended.unwrap().outcome, Outcome::Succeeded);
        assert_eq!(world.changes(), Vec::<String>::new());
        assert_snapshot!("verify_passes", world.thread(RunId(1)).await);
    });
}

#[test]
fn what_is_not_well_is_named_with_its_mend() {
    story(async |world| {
        world.aws.set_fault("dev.table.ttl-off", true);
        world.aws.set_fault("dev.queue.alchemiser-event-dlq-dev.fill", true);
        world.aws.set_alarm("alchemiser-lambda-errors-dev", Some(alch::sandbox::aws::AlarmState::Alarm));
        world.alice().types("verify dev").await;
        let run = world.until_ended(RunId(1)).await;
        assert_eq!(run.ended.unwrap().outcome, Outcome::Failed);
        assert_snapshot!("verify_fails", world.thread(RunId(1)).await);
    });
}

#[test]
fn a_rule_that_is_not_as_it_was_last_wanted_is_found() {
    story(async |world| {
        world.alice().types("enable signal-generated dev").await;
        world.until_ended(RunId(1)).await;
        let bus = "alchemiser-trading-events-dev";
        world.aws.set_rule_state(bus, "alchemiser-signal-generated-dev", alch::sandbox::aws::RuleState::Disabled);
        world.alice().types("verify dev").await;
        let run = world.until_ended(RunId(2)).await;
        let wrong = run.steps[0].checks.iter().find(|check| check.name == "rule:signal-generated").unwrap();
        assert_eq!(wrong.verdict, alch::domain::Verdict::Fail, "{wrong:?}");
    });
}

#[test]
fn production_may_be_verified_by_anyone_who_may_look() {
    story(async |world| {
        world.guest().types("verify prod").await;
        let run = world.until_ended(RunId(1)).await;
        assert_eq!(run.environment, "prod");
        assert_eq!(world.changes(), Vec::<String>::new());
    });
}
