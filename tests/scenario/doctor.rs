//! `/alch doctor`: the traps of the live account.

use alch::domain::{Outcome, Run, RunId, Verdict};
use insta::assert_snapshot;
use jiff::SignedDuration;

use crate::world::story;

/// The trap that a check of this name tells of, and what it says.
fn found<'a>(run: &'a Run, name: &str) -> (Verdict, &'a str) {
    let check = run.steps[0].checks.iter().find(|check| check.name == name);
    let check = check.unwrap_or_else(|| panic!("no {name} in {:#?}", run.steps[0].checks));
    (check.verdict, &check.reason)
}

#[test]
fn what_is_well_passes_and_the_namesake_on_the_default_bus_is_named() {
    story(async |world| {
        world.alice().types("doctor dev").await;
        let run = world.until_ended(RunId(1)).await;
        assert_eq!(world.changes(), Vec::<String>::new());
        let bad: Vec<&str> = run.steps[0]
            .checks
            .iter()
            .filter(|check| check.verdict != Verdict::Pass)
            .map(|check| check.name.as_str())
            .collect();
        assert_eq!(bad, ["bus", "bus/signal-generated"]);
        assert_snapshot!("doctor_well", world.thread(RunId(1)).await);
    });
}

#[test]
fn each_trap_is_found_with_its_mend() {
    story(async |world| {
        world.aws.set_fault("dev.rule.trade-executed.unpermitted", true);
        world.aws.set_fault("dev.queue.alchemiser-event-dlq-dev.denied", true);
        world.aws.set_fault("dev.alarms.rule-alone", true);
        world.aws.set_fault("dev.archive.disabled", true);
        world.aws.set_fault("aws.enable-denied", true);
        world.aws.delete_rule("alchemiser-trading-events-dev", "alchemiser-signal-generated-dev");
        world.alice().types("doctor dev").await;
        let run = world.until_ended(RunId(1)).await;
        assert_eq!(run.ended.as_ref().unwrap().outcome, Outcome::Failed);
        for (name, words) in [
            ("bus/signal-generated", "is on the default bus, and not on"),
            ("permissions/trade-executed", "aws lambda add-permission"),
            ("queue-policies/alchemiser-event-dlq-dev", "AWS::SQS::QueuePolicy"),
            ("alarms/alchemiser-rebalance-planned-failed-dev", "alone speaks of the default bus"),
            ("archive", "DISABLED"),
            (
                "rights/events:EnableRule:rule/alchemiser-trading-events-dev/alchemiser-trade-executed-dev",
                "events:EnableRule",
            ),
        ] {
            let (verdict, reason) = found(&run, name);
            assert_eq!(verdict, Verdict::Fail, "{name}: {reason}");
            assert!(reason.contains(words), "{name}: {reason}");
        }
        assert_snapshot!("doctor_traps", world.thread(RunId(1)).await);
    });
}

#[test]
fn failures_that_the_function_returns_instead_of_raising_are_found() {
    story(async |world| {
        world.aws.set_fault("prod.function.returns-failed", true);
        world.passes(SignedDuration::from_mins(5)).await;
        world.alice().types("doctor prod").await;
        let run = world.until_ended(RunId(1)).await;
        let (verdict, reason) = found(&run, "hidden");
        assert_eq!(verdict, Verdict::Fail, "{reason}");
        assert!(reason.contains("Raise in the handler"), "{reason}");
    });
}

#[test]
fn what_may_not_be_looked_at_is_unknown_with_the_action_to_add() {
    story(async |world| {
        world.aws.set_fault("aws.simulate-denied", true);
        world.aws.set_fault("aws.policies-denied", true);
        world.alice().types("doctor dev").await;
        let run = world.until_ended(RunId(1)).await;
        let rights = run.steps[0].checks.iter().filter(|check| check.name.starts_with("rights/"));
        for check in rights {
            assert_eq!(check.verdict, Verdict::Unknown, "{check:#?}");
            assert!(check.reason.contains("iam:SimulatePrincipalPolicy"), "{}", check.reason);
        }
    });
}
