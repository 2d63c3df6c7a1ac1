//! `/alch verify`: the checklist.

use alch::domain::{Outcome, RunId, Verdict};
use alch::sandbox::aws::{ApiFault, Failure};
use insta::assert_snapshot;
use jiff::SignedDuration;

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
        let wrong = run.steps[0].checks.iter().find(|check| check.name == "rules/signal-generated").unwrap();
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

/// Each item of the checklist, broken by one switch of the world, and what it says then.
#[test]
fn each_item_fails_by_itself_and_says_how_to_mend_it() {
    for (switch, item, words) in [
        ("dev.rule.trade-executed.unpermitted", "rules", "aws lambda add-permission"),
        ("dev.queue.alchemiser-event-dlq-dev.denied", "dead-letters", "AWS::SQS::QueuePolicy"),
        ("dev.alarms.rule-alone", "alarms", "can never go off"),
        ("dev.table.ttl-off", "table", "Deploy the stack again"),
        ("dev.role.table", "table-access", "Add dynamodb:PutItem"),
        ("dev.table.policy-denies", "table-access", "denies it"),
        ("dev.role.bus", "bus-access", "Add events:PutEvents"),
        ("dev.bus.policy-denies", "bus-access", "denies it"),
    ] {
        story(async |world| {
            assert!(world.aws.set_fault(switch, true), "{switch}");
            world.alice().types("verify dev").await;
            let run = world.until_ended(RunId(1)).await;
            let checks = &run.steps[0].checks;
            for check in checks.iter().filter(|check| !check.is_part()) {
                let expected = if check.name == item { Verdict::Fail } else { Verdict::Pass };
                assert_eq!(check.verdict, expected, "{switch}: {check:#?}");
            }
            assert!(checks.iter().any(|check| check.reason.contains(words)), "{switch}: {checks:#?}");
        });
    }
}

#[test]
fn what_the_function_ran_is_told_by_its_metrics_and_its_log() {
    for (switch, item, words) in [
        ("prod.function.errors", "invocations", "the broker does not answer"),
        ("prod.function.returns-failed", "invocations", "it returned instead of raising"),
        ("prod.function.throttles", "throttles", "reserved concurrency"),
        ("prod.rule.signal-generated.throttled", "throttles", "Lower the rate of events"),
    ] {
        story(async |world| {
            assert!(world.aws.set_fault(switch, true), "{switch}");
            world.passes(SignedDuration::from_mins(5)).await;
            world.alice().types("verify prod").await;
            let run = world.until_ended(RunId(1)).await;
            let checks = &run.steps[0].checks;
            let found = checks.iter().find(|check| check.name == item).unwrap();
            assert_eq!(found.verdict, Verdict::Fail, "{switch}: {found:#?}");
            assert!(checks.iter().any(|check| check.reason.contains(words)), "{switch}: {checks:#?}");
        });
    }
}

#[test]
fn an_idle_environment_is_not_proven_and_not_failed() {
    story(async |world| {
        for rule in ["signal-generated", "rebalance-planned", "trade-executed", "all-events-monitor"] {
            world.aws.set_fault(&format!("prod.rule.{rule}.silent"), true);
        }
        world.alice().types("verify prod").await;
        let run = world.until_ended(RunId(1)).await;
        let found = run.steps[0].checks.iter().find(|check| check.name == "invocations").unwrap();
        assert_eq!(found.verdict, Verdict::Inconclusive, "{found:#?}");
        assert_eq!(run.ended.unwrap().outcome, Outcome::Unproven);
    });
}

#[test]
fn what_alch_may_not_read_is_unknown_with_the_action_to_add() {
    for (operations, item, action) in [
        (&["GetPolicy"][..], "rules", "lambda:GetPolicy"),
        (&["ListSubscriptionsByTopic"], "subscriptions", "sns:ListSubscriptionsByTopic"),
        (
            &["SimulatePrincipalPolicy", "SimulatePrincipalPolicy", "ListRolePolicies", "ListRolePolicies"],
            "bus-access",
            "iam:SimulatePrincipalPolicy",
        ),
        (&["GetResourcePolicy"], "table-access", "dynamodb:GetResourcePolicy"),
        (&["GetMetricData", "GetMetricData", "GetMetricData"], "throttles", "cloudwatch:GetMetricData"),
    ] {
        story(async |world| {
            for operation in operations {
                world.aws.inject(ApiFault { operation: (*operation).to_owned(), times: 1, how: Failure::AccessDenied });
            }
            world.alice().types("verify dev").await;
            let run = world.until_ended(RunId(1)).await;
            world.aws.cancel_injected();
            let checks = &run.steps[0].checks;
            let found = checks.iter().find(|check| check.name == item).unwrap();
            assert_eq!(found.verdict, Verdict::Unknown, "{item}: {checks:#?}");
            assert!(checks.iter().any(|check| check.reason.contains(action)), "{item}: {checks:#?}");
        });
    }
}

#[test]
fn where_simulating_is_denied_the_roles_policies_are_read() {
    story(async |world| {
        world.aws.set_fault("aws.simulate-denied", true);
        world.alice().types("verify dev").await;
        let run = world.until_ended(RunId(1)).await;
        assert_eq!(run.ended.unwrap().outcome, Outcome::Succeeded, "{:#?}", run.steps[0].checks);
    });
}
