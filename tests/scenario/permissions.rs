//! The policies of `alch iam`, enforced: whole flows with nothing but what they allow.

use alch::domain::{Outcome, RunId};
use alch::iam::{PolicyOf, policy};
use alch::sandbox::aws::{Outcome as CallOutcome, RuleState};
use jiff::SignedDuration;

use crate::world::{World, story_with};

/// Both environments have roles of their own, for reading and for acting.
const ROLES: [(&str, &str); 3] = [
    ("ALCH__ENVIRONMENTS__DEV__ROLE_ARN", "arn:aws:iam::111111111111:role/alch-operator"),
    ("ALCH__ENVIRONMENTS__DEV__READER_ROLE_ARN", "arn:aws:iam::111111111111:role/alch-reader"),
    ("ALCH__ENVIRONMENTS__PROD__NOTIFY__TOPIC", "alchemiser-alarms-prod"),
];

/// From now on the roles may do what their policies say.
fn enforced(world: &World) {
    for (name, account) in [("dev", "111111111111"), ("prod", "222222222222")] {
        let environment = world.environment(name);
        for (role, of) in [("alch-operator", PolicyOf::Operator), ("alch-reader", PolicyOf::Reader)] {
            world.aws.enforce(account, role, policy(environment, of, None).document);
        }
    }
}

/// What was refused: `events:EnableRule by alch-reader`.
fn refused(world: &World) -> Vec<String> {
    // That something does not exist, a policy or a namesake for example, is an answer.
    let is_denied = |outcome: &CallOutcome| match outcome {
        CallOutcome::Refused(code) => code.contains("Denied") || code.contains("Authorization"),
        _ => false,
    };
    let calls = world.aws.calls().into_iter().filter(|call| is_denied(&call.outcome));
    let mut all: Vec<String> = calls
        .map(|call| {
            let role = world.aws.session_of(&call).map(|session| session.role).unwrap_or_default();
            format!("{}:{} by {role}: {}", call.service, call.operation, call.request)
        })
        .collect();
    all.dedup();
    all
}

#[test]
fn whole_flows_need_nothing_that_the_policies_do_not_allow() {
    story_with(&ROLES, async |world| {
        enforced(world);
        world.alice().types("subscribe dev ada@example.com").await;
        assert!(world.aws.confirm_subscription("alchemiser-alarms-dev", "ada@example.com"));
        let mut run = 1;
        for command in [
            "enable all dev",
            "verify dev",
            "test-alarm dev",
            "smoke dev",
            "rollback dev",
            "restore dev",
            "disable signal-generated dev",
            "doctor dev",
        ] {
            run += 1;
            world.alice().types(command).await;
            let ended = world.until_ended(RunId(run)).await.ended.unwrap();
            let acts = !matches!(command, "verify dev" | "doctor dev");
            assert!(!acts || ended.outcome == Outcome::Succeeded, "{command}: {} {:?}", ended.summary, refused(world));
        }
        for command in ["status", "status prod", "subscriptions dev", "dlq dev", "replay list dev"] {
            world.alice().types(command).await;
        }
        world.set_all("prod", RuleState::Enabled);
        world.alice().types("disable all prod").await;
        let card = world.asking(RunId(run + 1), "approve").await;
        world.bob().clicks(&card, "approve").await;
        let ended = world.until_ended(RunId(run + 1)).await.ended.unwrap();
        assert_eq!(ended.outcome, Outcome::Succeeded, "{} {:?}", ended.summary, refused(world));
        world.passes(SignedDuration::from_mins(6)).await;
        assert_eq!(refused(world), Vec::<String>::new());
    });
}

#[test]
fn a_missing_action_stops_the_flow_and_is_named() {
    story_with(&ROLES, async |world| {
        enforced(world);
        let environment = world.environment("dev");
        let mut less = policy(environment, PolicyOf::Operator, None).document;
        let statements = less["Statement"].as_array_mut().unwrap();
        statements.retain(|statement| statement["Sid"] != "SetRulesThatNobodyManages");
        world.aws.enforce("111111111111", "alch-operator", less);
        world.alice().types("enable signal-generated dev").await;
        let ended = world.until_ended(RunId(1)).await.ended.unwrap();
        assert_eq!(ended.outcome, Outcome::Failed);
        assert!(ended.summary.contains("add the IAM action events:EnableRule"), "{}", ended.summary);
        assert_eq!(world.enabled("dev"), Vec::<&str>::new());
    });
}

#[test]
fn dev_s_roles_may_do_nothing_with_what_a_service_manages() {
    story_with(&ROLES, async |world| {
        enforced(world);
        let (bus, rule) = ("alchemiser-trading-events-dev", "alchemiser-signal-generated-dev");
        world.set_all("dev", RuleState::Enabled);
        // Somebody takes the rule over right when everything is turned off, and the look before is too late to see it.
        assert!(world.aws.set_managed_by(bus, rule, Some("prod.vhs.events.aws.internal")));
        world.alice().types("rollback dev").await;
        world.until_ended(RunId(1)).await;
        assert_eq!(world.enabled("dev"), ["signal-generated"]);
        assert!(world.aws.set_managed_by(bus, rule, None));
    });
}
