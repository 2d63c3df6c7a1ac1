//! Whom CloudTrail would name: the sessions that reads, acts and rollbacks are made in.

use alch::domain::{Outcome, RunId};
use alch::sandbox::aws::{ApiFault, Call, Failure, Outcome as CallOutcome, Session};
use jiff::SignedDuration;

use crate::world::{World, story_with};

const R1: RunId = RunId(1);

/// Both environments have roles of their own, for reading and for acting.
const ROLES: [(&str, &str); 2] = [
    ("ALCH__ENVIRONMENTS__DEV__ROLE_ARN", "arn:aws:iam::111111111111:role/alch-operator"),
    ("ALCH__ENVIRONMENTS__DEV__READER_ROLE_ARN", "arn:aws:iam::111111111111:role/alch-reader"),
];

fn calls(world: &World, operation: &str) -> Vec<(Call, Option<Session>)> {
    let calls = world.aws.calls().into_iter().filter(|call| call.operation == operation);
    calls.map(|call| (call.clone(), world.aws.session_of(&call))).collect()
}

fn sessions(world: &World, operation: &str) -> Vec<Session> {
    let all = calls(world, operation);
    all.into_iter().map(|(call, session)| session.unwrap_or_else(|| panic!("{call:?} has no session"))).collect()
}

/// Waits, in real time, until the credentials for an emergency are there.
async fn standing_by(world: &World) {
    for _ in 0..2_000 {
        let assumed = calls(world, "AssumeRole").into_iter().filter(|(call, _)| {
            call.outcome == CallOutcome::Answered && call.request["RoleSessionName"] == "alch-dev-standby"
        });
        if assumed.count() > 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("no credentials are ready for an emergency");
}

fn plan(world: &World, operation: &str, times: u32, how: Failure) {
    world.aws.inject(ApiFault { operation: operation.to_owned(), times, how });
}

#[test]
fn each_act_has_a_session_that_names_run_step_and_person_and_reads_have_the_readers() {
    story_with(&ROLES, async |world| {
        world.alice().types("enable signal-generated dev").await;
        assert_eq!(world.until_ended(R1).await.ended.unwrap().outcome, Outcome::Succeeded);
        let [acted] = sessions(world, "EnableRule").try_into().unwrap();
        assert_eq!((acted.account.as_str(), acted.role.as_str()), ("111111111111", "alch-operator"));
        assert_eq!(acted.name, "alch-dev-R1-enable-signal-generated");
        assert_eq!(acted.source_identity.as_deref(), Some("U0ALICE@T0ALCHSBX"));
        let tags: Vec<_> = acted.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(
            tags,
            [
                ("alch:run", "R1"),
                ("alch:environment", "dev"),
                ("alch:user", "U0ALICE@T0ALCHSBX"),
                ("alch:command", "enable")
            ]
        );
        for operation in ["GetMetricData", "DescribeAlarms", "GetQueueAttributes", "GetTemplate"] {
            let all = sessions(world, operation);
            assert!(!all.is_empty() && all.iter().all(|one| one.role == "alch-reader"), "{operation}: {all:?}");
        }
        // Another step, another session.
        world.bob().types("disable signal-generated dev").await;
        let [acted] = sessions(world, "DisableRule").try_into().unwrap();
        assert_eq!(acted.name, "alch-dev-R2-disable-signal-generated");
        assert_eq!(acted.source_identity.as_deref(), Some("U0BOB@T0ALCHSBX"));
    });
}

#[test]
fn where_a_trust_policy_refuses_the_person_the_session_has_its_name_and_the_run_goes_on() {
    story_with(&ROLES, async |world| {
        assert!(world.aws.set_fault("aws.session-tags-refused", true));
        world.alice().types("enable signal-generated dev").await;
        assert_eq!(world.until_ended(R1).await.ended.unwrap().outcome, Outcome::Succeeded);
        let [acted] = sessions(world, "EnableRule").try_into().unwrap();
        assert_eq!(acted.name, "alch-dev-R1-enable-signal-generated");
        assert_eq!((acted.source_identity, acted.tags), (None, Vec::new()));
    });
    let named = [ROLES[0], ROLES[1], ("ALCH__ENVIRONMENTS__DEV__SESSION", "named")];
    story_with(&named, async |world| {
        world.alice().types("disable all dev").await;
        world.alice().types("enable signal-generated dev").await;
        assert_eq!(world.until_ended(RunId(2)).await.ended.unwrap().outcome, Outcome::Succeeded);
        let asked = calls(world, "AssumeRole");
        let of_dev = |call: &Call| call.request["RoleArn"].as_str().is_some_and(|arn| arn.contains("111111111111"));
        assert!(
            asked.iter().filter(|(call, _)| of_dev(call)).all(|(call, _)| {
                call.request.get("SourceIdentity").is_none() && call.request.get("Tags").is_none()
            })
        );
    });
}

#[test]
fn an_act_without_a_session_is_tried_again_and_nothing_is_sent_meanwhile() {
    story_with(&ROLES, async |world| {
        standing_by(world).await;
        plan(world, "AssumeRole", 4, Failure::ServerError);
        world.alice().types("enable signal-generated dev").await;
        let run = world.until_ended(R1).await;
        assert_eq!(run.ended.unwrap().outcome, Outcome::Succeeded, "{}", world.told(R1).await);
        assert_eq!(sessions(world, "EnableRule")[0].source_identity.as_deref(), Some("U0ALICE@T0ALCHSBX"));
    });
    story_with(&ROLES, async |world| {
        standing_by(world).await;
        // As often as a session is tried, down to its name alone.
        plan(world, "AssumeRole", 40, Failure::AccessDenied);
        world.alice().types("enable signal-generated dev").await;
        let run = world.until_ended(R1).await;
        assert_eq!(run.ended.unwrap().outcome, Outcome::Failed);
        assert!(world.changes().is_empty());
        assert!(world.told(R1).await.contains("sts:AssumeRole"), "{}", world.told(R1).await);
        world.aws.cancel_injected();
    });
}

#[test]
fn a_rollback_names_the_person_where_that_takes_no_time() {
    story_with(&ROLES, async |world| {
        standing_by(world).await;
        world.alice().types("enable signal-generated dev").await;
        // The states from before take a moment: the session is there by then.
        plan(world, "ListRules", 1, Failure::Hang);
        world.bob().types("rollback dev").await;
        assert_eq!(world.enabled("dev"), Vec::<&str>::new());
        let all = sessions(world, "DisableRule");
        assert_eq!(all.len(), 4);
        for session in all {
            assert_eq!(session.name, "alch-dev-disable-all");
            assert_eq!(session.source_identity.as_deref(), Some("U0BOB@T0ALCHSBX"));
        }
        world.passes(SignedDuration::from_mins(1)).await;
    });
}

#[test]
fn a_rollback_waits_for_no_answer_of_sts() {
    for how in [Failure::Hang, Failure::ServerError, Failure::AccessDenied, Failure::BeforeEffect] {
        story_with(&ROLES, async |world| {
            standing_by(world).await;
            world.alice().types("enable signal-generated dev").await;
            plan(world, "AssumeRole", 100, how);
            plan(world, "GetCallerIdentity", 100, how);
            world.bob().types("rollback dev").await;
            assert_eq!(world.enabled("dev"), Vec::<&str>::new(), "{how:?}");
            let rolled_back = world.run(RunId(2)).await;
            assert_eq!(rolled_back.ended.unwrap().outcome, Outcome::Succeeded, "{how:?}");
            let slowest = rolled_back.disabled.unwrap().iter().map(|rule| rule.elapsed_ms).max().unwrap();
            assert!(slowest < 1_500, "{how:?}: {slowest} ms");
            for session in sessions(world, "DisableRule") {
                assert_eq!((session.role.as_str(), session.name.as_str()), ("alch-operator", "alch-dev-standby"));
            }
            world.aws.cancel_injected();
            world.passes(SignedDuration::from_mins(1)).await;
        });
    }
}

#[test]
fn a_session_that_names_the_person_and_may_do_nothing_does_not_stand_in_a_rollbacks_way() {
    story_with(&ROLES, async |world| {
        standing_by(world).await;
        world.alice().types("enable signal-generated dev").await;
        plan(world, "ListRules", 1, Failure::Hang);
        plan(world, "DisableRule", 1, Failure::AccessDenied);
        world.bob().types("rollback dev").await;
        assert_eq!(world.enabled("dev"), Vec::<&str>::new());
        assert_eq!(world.run(RunId(2)).await.ended.unwrap().outcome, Outcome::Succeeded);
        world.passes(SignedDuration::from_mins(1)).await;
    });
}
