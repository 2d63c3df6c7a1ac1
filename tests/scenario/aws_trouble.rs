//! AWS fails in the middle of runs: credentials expire, permissions go, resources vanish, reads are old, the place is the
//! wrong one. What people read says what happened, how things stand and what to do.

use alch::domain::{Outcome, RuleState as State, Run, RunId};
use alch::sandbox::aws::{ApiFault, Failure, RuleState};
use jiff::SignedDuration;

use crate::world::{World, says, story, story_with};

const R1: RunId = RunId(1);
const BUS: &str = "alchemiser-trading-events-dev";

/// Dev has roles of its own, for reading and for acting.
const ROLES: [(&str, &str); 2] = [
    ("ALCH__ENVIRONMENTS__DEV__ROLE_ARN", "arn:aws:iam::111111111111:role/alch-operator"),
    ("ALCH__ENVIRONMENTS__DEV__READER_ROLE_ARN", "arn:aws:iam::111111111111:role/alch-reader"),
];

fn plan(world: &World, operation: &str, times: u32, how: Failure) {
    world.aws.inject(ApiFault { operation: operation.to_owned(), times, how });
}

fn called(world: &World, operation: &str) -> usize {
    world.aws.calls().iter().filter(|call| call.operation == operation).count()
}

fn ended(run: &Run) -> (Outcome, &str) {
    let ended = run.ended.as_ref().unwrap();
    (ended.outcome, &ended.summary)
}

/// The messages of a run's thread about trouble with AWS.
async fn troubles(world: &World, run: RunId) -> Vec<String> {
    let card = world.card(run).await;
    let thread = world.slack.thread(&card.ts).into_iter().map(|message| message.text);
    thread.filter(|text| text.contains("AWS gives trouble") || text.contains("AWS gave trouble")).collect()
}

#[test]
fn trouble_that_passes_is_one_message_which_says_since_when_until_when_and_that_it_is_over() {
    story(async |world| {
        world.aws.set_fault("aws.throttle-all", true);
        world.alice().types("enable signal-generated dev").await;
        assert_eq!(troubles(world, R1).await, Vec::<String>::new(), "a moment is told on the card alone");
        world.passes(SignedDuration::from_mins(2)).await;
        let told = troubles(world, R1).await;
        assert_eq!(told.len(), 1, "{told:?}");
        says(
            &world.thread(R1).await,
            &["AWS gives trouble", "since 03:00:00 UTC", "next at 03:0", "until 03:10:00 UTC", "/alch cancel R-1"],
        );
        world.aws.set_fault("aws.throttle-all", false);
        assert_eq!(ended(&world.until_ended(R1).await).0, Outcome::Succeeded);
        let told = troubles(world, R1).await;
        assert_eq!(told.len(), 1, "{told:?}");
        says(&told[0], &["AWS gave trouble", "answers again", "throttled"]);
    });
}

#[test]
fn a_gate_that_cannot_be_asked_says_until_when_it_waits() {
    story(async |world| {
        world.alice().types("enable signal-generated dev").await;
        world.passes(SignedDuration::from_mins(2)).await;
        plan(world, "GetMetricData", u32::MAX, Failure::Throttle);
        world.passes(SignedDuration::from_secs(90)).await;
        says(
            &world.thread(R1).await,
            &[
                "AWS does not tell what the gate asks",
                "since 03:03:00 UTC",
                "throttled GetMetricData",
                "until 03:05:00 UTC",
            ],
        );
        world.aws.cancel_injected();
        assert_eq!(ended(&world.until_ended(R1).await).0, Outcome::Succeeded);
        let told = troubles(world, R1).await;
        assert_eq!(told.len(), 1, "{told:?}");
        says(&told[0], &["AWS gave trouble", "answers again"]);
    });
}

#[test]
fn every_third_call_throttled_delays_and_changes_nothing() {
    story(async |world| {
        world.aws.set_fault("aws.throttle-some", true);
        for (number, (command, enabled)) in
            [("enable signal-generated dev", 1), ("rollback dev", 0), ("restore dev", 1), ("verify dev", 1)]
                .into_iter()
                .enumerate()
        {
            let run = RunId(i64::try_from(number).unwrap() + 1);
            world.alice().types(command).await;
            let ended = world.until_ended(run).await.ended;
            assert!(ended.is_some() && world.enabled("dev").len() == enabled, "{command}: {}", world.told(run).await);
        }
        world.aws.set_fault("aws.throttle-some", false);
    });
}

#[test]
fn credentials_that_expire_in_the_middle_are_asked_for_again_and_a_person_is_told_to_renew_them() {
    for operation in ["EnableRule", "DescribeRule"] {
        story_with(&ROLES, async |world| {
            world.alice().types("enable all dev").await;
            world.passes(SignedDuration::from_mins(1)).await;
            assert_eq!(world.enabled("dev"), ["signal-generated"]);
            plan(world, operation, u32::MAX, Failure::ExpiredToken);
            world.passes(SignedDuration::from_mins(15)).await;
            if world.run(R1).await.trouble.is_some() {
                says(&troubles(world, R1).await[0], &["have expired", "renew them", "until"]);
            }
            world.aws.cancel_injected();
            let run = world.until_ended(R1).await;
            assert!(world.is_enabled("dev", "signal-generated"), "{}", world.told(R1).await);
            says(ended(&run).1, &["have expired", "renew them", "Tried again for 10 min", "signal-generated"]);
        });
        story_with(&ROLES, async |world| {
            world.alice().types("enable all dev").await;
            // More than once in a step, and renewed in time.
            for _ in 0..4 {
                plan(world, operation, 2, Failure::ExpiredToken);
                world.passes(SignedDuration::from_mins(2)).await;
            }
            world.aws.cancel_injected();
            let run = world.until_ended(R1).await;
            assert_eq!(ended(&run).0, Outcome::Succeeded, "{}", world.told(R1).await);
            assert_eq!(world.changes().len(), 4);
        });
    }
}

#[test]
fn expired_credentials_before_anything_is_begun_end_the_run_at_once() {
    story_with(&ROLES, async |world| {
        assert!(world.aws.set_fault("aws.credentials-expired", true));
        world.alice().types("enable signal-generated dev").await;
        let run = world.run(R1).await;
        assert_eq!(ended(&run).0, Outcome::Failed);
        says(ended(&run).1, &["have expired", "renew them", "Nothing was changed"]);
        assert!(world.aws.set_fault("aws.credentials-expired", false));
    });
}

#[test]
fn access_that_is_denied_in_the_middle_stops_there_and_says_what_is_on() {
    for operation in ["EnableRule", "DescribeRule"] {
        story(async |world| {
            world.alice().types("enable all dev").await;
            world.passes(SignedDuration::from_mins(1)).await;
            plan(world, operation, u32::MAX, Failure::AccessDenied);
            let run = world.until_ended(R1).await;
            world.aws.cancel_injected();
            assert_eq!(ended(&run).0, Outcome::Failed, "{}", world.told(R1).await);
            says(ended(&run).1, &["add the IAM action events:", "signal-generated"]);
            assert_eq!(world.enabled("dev"), ["signal-generated"]);
            says(&world.thread(R1).await, &["dev now", "disable signal-generated dev", "enable all dev"]);
            assert_eq!(called(world, "EnableRule"), if operation == "EnableRule" { 2 } else { 1 });
        });
    }
}

#[test]
fn what_vanishes_while_it_is_watched_is_named_and_nothing_passes() {
    let table = [
        ("alchemiser-signal-generated-dev", "State of signal-generated", "somebody has deleted it"),
        ("alchemiser-event-dlq-dev", "alchemiser-event-dlq-dev", "does not exist"),
        ("alchemiser-lambda-errors-dev", "alchemiser-lambda-errors-dev", "do not exist"),
    ];
    for (gone, what, why) in table {
        story(async |world| {
            world.alice().types("enable signal-generated dev").await;
            world.passes(SignedDuration::from_mins(1)).await;
            assert!(world.aws.delete(gone) || world.aws.delete_rule(BUS, gone), "{gone}");
            let run = world.until_ended(R1).await;
            assert_ne!(ended(&run).0, Outcome::Succeeded, "{gone}: {}", world.told(R1).await);
            let thread = world.thread(R1).await;
            says(&thread, &[what, why]);
            assert!(!thread.contains("no traffic seen"), "{thread}");
        });
    }
}

#[test]
fn who_turns_a_rule_off_while_it_is_watched_is_not_overlooked() {
    story(async |world| {
        world.alice().types("enable signal-generated dev").await;
        world.passes(SignedDuration::from_mins(1)).await;
        world.set_all("dev", RuleState::Disabled);
        let run = world.until_ended(R1).await;
        assert_eq!(ended(&run).0, Outcome::Failed, "{}", world.told(R1).await);
        says(ended(&run).1, &["State of signal-generated", "Somebody has turned it off since"]);
        assert_eq!(run.ended.unwrap().rules["signal-generated"], State::Disabled, "as it was last seen");
        assert_eq!(world.enabled("dev"), Vec::<&str>::new());
    });
}

#[test]
fn a_rule_that_vanishes_before_its_turn_ends_the_run_and_where_it_was_looked_for_is_said() {
    story(async |world| {
        world.alice().types("enable all dev").await;
        world.passes(SignedDuration::from_mins(1)).await;
        assert!(world.aws.delete_rule(BUS, "alchemiser-trade-executed-dev"));
        let run = world.until_ended(R1).await;
        assert_eq!(ended(&run).0, Outcome::Failed, "{}", world.told(R1).await);
        says(
            ended(&run).1,
            &["alchemiser-trade-executed-dev does not exist", "account 111111111111, us-east-1", "signal-generated"],
        );
        assert_eq!(world.changes().len(), 2);
    });
}

#[test]
fn what_is_missing_at_the_checklist_is_said_and_the_rest_is_checked() {
    let all = [
        ("the-alchemiser-v2-lambda-dev", "the-alchemiser-v2-lambda-dev"),
        ("alchemiser-event-dlq-dev", "alchemiser-event-dlq-dev"),
        ("alchemiser-lambda-errors-dev", "alchemiser-lambda-errors-dev"),
        ("the-table", "the-table"),
    ];
    for (gone, named) in all {
        story(async |world| {
            let table = world.environment("dev").table.name.clone();
            let (gone, named) = if gone == "the-table" { (table.as_str(), table.as_str()) } else { (gone, named) };
            assert!(world.aws.delete(gone), "{gone}");
            world.alice().types("verify dev").await;
            let run = world.until_ended(R1).await;
            assert_eq!(ended(&run).0, Outcome::Failed, "{gone}: {}", world.told(R1).await);
            says(&world.thread(R1).await, &[named, "9"]);
        });
    }
}

#[test]
fn reads_that_are_some_seconds_old_delay_a_change_and_do_not_fail_it() {
    story(async |world| {
        world.aws.set_fault("aws.stale-reads", true);
        for (number, (command, enabled)) in
            [("enable signal-generated dev", 1), ("disable signal-generated dev", 0)].into_iter().enumerate()
        {
            let run = RunId(i64::try_from(number).unwrap() + 1);
            world.alice().types(command).await;
            let ended = world.until_ended(run).await.ended.unwrap();
            assert_eq!(ended.outcome, Outcome::Succeeded, "{command}: {}", world.told(run).await);
            assert_eq!(world.enabled("dev").len(), enabled, "{command}");
        }
        world.aws.set_fault("aws.stale-reads", false);
    });
}

#[test]
fn a_wrong_region_or_account_changes_nothing_and_is_said() {
    for (wrong, parts) in [
        ("region", ["does not exist", "eu-west-1", "Nothing was changed"]),
        ("account", ["account 111111111111", "999999999999", "nothing was changed"]),
    ] {
        story_with(&ROLES, async |world| {
            world.killed();
            world.configured(|config| {
                let dev = config.environments.get_mut("dev").unwrap();
                match wrong {
                    "region" => dev.region = "eu-west-1".to_owned(),
                    _ => dev.account = Some("999999999999".to_owned()),
                }
            });
            world.starts().await;
            for command in ["enable signal-generated dev", "rollback dev"] {
                world.alice().types(command).await;
            }
            let run = world.until_ended(R1).await;
            assert_eq!(ended(&run).0, Outcome::Failed, "{}", world.told(R1).await);
            says(ended(&run).1, &parts);
            let run = world.until_ended(RunId(2)).await;
            assert_eq!(ended(&run).0, Outcome::Failed, "{}", world.told(RunId(2)).await);
            assert!(world.changes().is_empty());
        });
    }
}

#[test]
fn a_call_that_nobody_answers_is_given_up_and_sent_again() {
    for operation in ["DescribeRule", "EnableRule"] {
        story(async |world| {
            plan(world, operation, 1, Failure::Hang);
            world.alice().types("enable signal-generated dev").await;
            let run = world.until_ended(R1).await;
            assert_eq!(ended(&run).0, Outcome::Succeeded, "{operation}: {}", world.told(R1).await);
            assert_eq!(world.changes().len(), 1, "{operation}");
        });
    }
}

#[test]
fn a_stack_that_vanishes_while_it_is_updated_is_said() {
    let settings = [
        ("ALCH__ENVIRONMENTS__DEV__DEPLOY__DEPLOYER", "changeset"),
        ("ALCH__ENVIRONMENTS__DEV__DEPLOY__CHANGESET__TEMPLATE", "s3://alchemiser-artefacts/dev/{version}.yaml"),
    ];
    story_with(&settings, async |world| {
        world.alice().types("deploy dev --version 2026.11.27").await;
        for _ in 0..120 {
            if called(world, "ExecuteChangeSet") == 0 {
                world.passes(SignedDuration::from_secs(1)).await;
            }
        }
        let stack = world.environment("dev").stack.clone();
        assert!(world.aws.delete(&stack));
        let run = world.until_ended(R1).await;
        assert_ne!(ended(&run).0, Outcome::Succeeded, "{}", world.told(R1).await);
        says(ended(&run).1, &[&format!("the stack {stack} is gone")]);
        assert_eq!(called(world, "ExecuteChangeSet"), 1);
    });
}
