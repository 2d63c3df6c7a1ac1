//! The same story against moto and ministack. Here rather than among the integration tests, because only the crate
//! itself can say that it holds an environment.

use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

use crate::checks::gate::{self, GateQuestion};
use crate::checks::{checklist, minute_of};
use crate::clock::Clock;
use crate::domain::{AlarmState, Check, Held, RuleState, Verdict};

use super::{Aws, AwsErrorKind};

#[path = "../../tests/support/mod.rs"]
mod support;

use support::emulators::{self, Emulator};
use support::stack::{Sdk, dev, settings};

/// What differs between the emulators where it shows.
struct Lies {
    /// The state of a new alarm without data.
    new_alarm: AlarmState,
    /// Whether a metric is found by its exact dimensions only, as CloudWatch does.
    exact_dimensions: bool,
    /// Whether a rule or bus that does not exist is refused.
    missing_rules_refused: bool,
}

#[tokio::test]
async fn the_runbooks_calls_work_against_moto() {
    if let Some(moto) = emulators::moto() {
        let lies = Lies { new_alarm: AlarmState::Ok, exact_dimensions: false, missing_rules_refused: true };
        tell_the_story(&moto, &lies).await;
    }
}

#[tokio::test]
async fn the_runbooks_calls_work_against_ministack() {
    if let Some(ministack) = emulators::ministack() {
        let lies =
            Lies { new_alarm: AlarmState::InsufficientData, exact_dimensions: true, missing_rules_refused: false };
        tell_the_story(&ministack, &lies).await;
    }
}

fn find<'a>(checks: &'a [Check], name: &str) -> &'a Check {
    checks.iter().find(|check| check.name == name).unwrap_or_else(|| panic!("no check {name} in {checks:#?}"))
}

async fn tell_the_story(emulator: &Emulator, lies: &Lies) {
    let environment = dev(emulator.account);
    let sdk = Sdk::connect(&environment, &emulator.endpoint).await;
    sdk.make_stack(&environment).await;
    let aws = Aws::connect(&environment, &settings(&emulator.endpoint)).await;
    let held = Held::granted("dev", None);
    let now = Clock::system().now();
    let rules: Vec<_> = environment.rules.iter().collect();
    let rule = rules[0];

    // Who and what is there.
    for (operation, result) in aws.check_access(&environment, now).await {
        assert!(result.is_ok(), "{operation}: {result:?}");
    }
    let facts = aws.observe(&environment, &rules, now).await.unwrap();
    assert_eq!(facts.notes, Vec::<String>::new());
    assert!(
        facts.rules.values().all(|fact| fact.state == RuleState::Disabled && fact.targets.len() == 1),
        "{facts:#?}"
    );
    assert_eq!(facts.dlqs.values().map(|depth| depth.total()).sum::<i64>(), 0);
    assert_eq!(facts.dlqs.len(), 2);
    assert!(facts.alarms.values().all(|alarm| alarm.state == lies.new_alarm), "{:#?}", facts.alarms);
    assert_eq!(facts.alarms.len(), 2);

    // The checklist before anything was done.
    let readings = aws.read_checklist(&environment, now).await;
    let checks =
        checklist::checks(&environment, &facts.rules.iter().map(|(k, v)| (k.clone(), v.state)).collect(), &readings);
    for check in &checks {
        let expected = match check.name.as_str() {
            "alarms" if lies.new_alarm != AlarmState::Ok => Verdict::Unknown,
            _ => Verdict::Pass,
        };
        assert_eq!(check.verdict, expected, "{check:#?}");
    }

    // One rule is enabled, twice, which is the same as once.
    for _ in 0..2 {
        let ids = aws.enable_rule(&held, &environment.bus, &rule.rule).await.unwrap();
        assert_eq!(ids.len(), 1, "the request ids: {ids:?}");
    }
    let states: Vec<_> = aws.rules(&environment.bus).await.unwrap().into_iter().map(|r| (r.name, r.state)).collect();
    for (name, state) in &states {
        assert_eq!(state.is_enabled(), *name == rule.rule, "{states:?}");
    }

    // The gate: nothing, traffic, a failure.
    let since = now - SignedDuration::from_mins(3);
    let asked = |changed| GateQuestion { environment: &environment, rule, since, changed, baseline: &facts };
    let readings = aws.read_gate(&environment, rule, since, now).await;
    let checks = gate::checks(&asked(true), &readings);
    assert_eq!(gate::verdict(&checks), Verdict::Inconclusive, "{checks:#?}");

    let report = async |namespace: &str, metric: &str, dimensions: &[(&str, &str)], at: Timestamp, value: f64| {
        sdk.put_metric(namespace, metric, dimensions, at, value).await;
    };
    let minute = minute_of(now) - SignedDuration::from_mins(2);
    let of_rule = [("EventBusName", environment.bus.as_str()), ("RuleName", rule.rule.as_str())];
    let of_function = [("FunctionName", environment.function.as_str())];
    if lies.exact_dimensions {
        // By the rule alone: that of the default bus, which must not count.
        report("AWS/Events", "Invocations", &of_rule[1..], minute, 99.0).await;
        let readings = aws.read_gate(&environment, rule, since, now).await;
        let checks = gate::checks(&asked(true), &readings);
        assert_eq!(find(&checks, "traffic").value, "0", "{checks:#?}");
    }
    report("AWS/Events", "Invocations", &of_rule, minute, 2.0).await;
    report("AWS/Events", "Invocations", &of_rule, minute + SignedDuration::from_mins(1), 1.0).await;
    report("AWS/Lambda", "Invocations", &of_function, minute, 3.0).await;
    report("AWS/Lambda", "Errors", &of_function, minute, 0.0).await;
    let readings = aws.read_gate(&environment, rule, since, now).await;
    let checks = gate::checks(&asked(true), &readings);
    for check in &checks {
        assert_eq!(check.verdict, Verdict::Pass, "{check:#?}");
        assert!(!check.evidence.request_ids.is_empty(), "{check:#?}");
    }
    if lies.exact_dimensions {
        assert_eq!(find(&checks, "traffic").evidence.datapoints.iter().map(|(_, n)| *n).collect::<Vec<_>>(), [2, 1]);
    }

    report("AWS/Events", "FailedInvocations", &of_rule, minute, 3.0).await;
    let queue = aws.read_dlq(&environment.dlqs[0]).await.unwrap();
    assert_eq!(queue.value.total(), 0);
    let url = sdk.sqs.get_queue_url().queue_name(&environment.dlqs[0]).send().await.unwrap();
    sdk.sqs.send_message().queue_url(url.queue_url().unwrap()).message_body("{}").send().await.unwrap();
    let readings = aws.read_gate(&environment, rule, since, now).await;
    let checks = gate::checks(&asked(true), &readings);
    assert!(gate::is_decided_early(&checks));
    assert_eq!(find(&checks, "failed-invocations").value, "3", "{checks:#?}");
    assert_eq!(find(&checks, "failed-invocations").verdict, Verdict::Fail);
    assert_eq!(find(&checks, "dlq:alchemiser-event-dlq-dev").value, "0 → 1");

    // What does not exist, and what is not held.
    let missing = aws.describe_rule(&environment.bus, "no-such-rule").await.unwrap_err();
    assert!(missing.is_not_found(), "{missing}");
    assert!(!aws.bus_exists("no-such-bus").await.unwrap());
    assert!(aws.dlq_depth("no-such-queue").await.unwrap_err().is_not_found());
    assert!(aws.table("no-such-table").await.unwrap_err().is_not_found());
    let refused = aws.enable_rule(&held, &environment.bus, "no-such-rule").await;
    assert_eq!(refused.is_err_and(|error| error.is_not_found()), lies.missing_rules_refused);
    let elsewhere = Held::granted("prod", None);
    let mixed_up = aws.disable_rule(&elsewhere, &environment.bus, &rule.rule).await.unwrap_err();
    assert!(matches!(mixed_up.kind, AwsErrorKind::WrongEnvironment { .. }), "{mixed_up}");

    // The rollback: what was enabled is told from what was not, and everything is shown to be off.
    aws.enable_rule(&held, &environment.bus, &rules[3].rule).await.unwrap();
    let done = aws.disable_all(&held, &environment.bus, &environment.rules, Instant::now()).await.unwrap();
    assert!(done.verified, "{done:#?}");
    for (outcome, expected) in done.rules.iter().zip([true, false, false, true]) {
        assert_eq!(outcome.before.map(RuleState::is_enabled), Some(expected), "{done:#?}");
        assert_eq!((outcome.after, outcome.attempts), (Some(RuleState::Disabled), 1), "{done:#?}");
        assert_eq!(outcome.error, None);
    }

    // Another account is not acted in.
    let mut other = environment.clone();
    other.account = Some("999999999999".to_owned());
    let wrong = Aws::connect(&other, &settings(&emulator.endpoint)).await;
    let error = wrong.enable_rule(&held, &environment.bus, &rule.rule).await.unwrap_err();
    assert!(matches!(error.kind, AwsErrorKind::WrongAccount { .. }), "{error}");
    assert!(wrong.disable_all(&held, &environment.bus, &environment.rules, Instant::now()).await.is_err());
    assert!(!aws.describe_rule(&environment.bus, &rule.rule).await.unwrap().state.is_enabled());
}
