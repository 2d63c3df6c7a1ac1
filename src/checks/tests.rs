//! Every way to each verdict, and what must hold for any readings at all.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use crate::domain::{AlarmState, AlarmStatus, Check, DlqDepth, Environment, Facts, RuleFact, RuleState, Verdict};

use super::gate::{self, GateQuestion, GateReadings};
use super::{Answer, GateMetric, Reading, Series, minute_after, minute_of};
use Verdict::{Fail, Inconclusive, Pass, Unknown};

const FAILURES: [GateMetric; 5] = [
    GateMetric::FailedInvocations,
    GateMetric::ThrottledRules,
    GateMetric::FailedToDlq,
    GateMetric::FunctionErrors,
    GateMetric::FunctionThrottles,
];

fn environment() -> Environment {
    let mut environment: Environment = toml::from_str(
        r#"
        region = "us-east-1"
        stack = "s"
        bus = "the-bus"
        rules = [{ name = "one", rule = "rule-one" }]
        function = "the-function"
        dlqs = ["the-dlq"]
        table = { name = "the-table", key = "event_id", ttl_attribute = "ttl" }
        archive = "a"
        alarm_topic = "topic"
        alarms = ["alarm-a", "alarm-b"]
        limits = { function_errors = 2 }
        "#,
    )
    .unwrap();
    environment.name = "dev".to_owned();
    environment
}

fn at(text: &str) -> Timestamp {
    format!("2026-11-23T{text}Z").parse().unwrap()
}

fn since() -> Timestamp {
    at("14:03:20")
}

fn answer<T>(value: T) -> Reading<T> {
    Ok(Answer { value, request_ids: vec!["req-1".to_owned()] })
}

fn alarms(states: [AlarmState; 2]) -> BTreeMap<String, AlarmStatus> {
    let status = |state| AlarmStatus { state, reason: "Threshold Crossed.".to_owned(), since: Some(at("13:00:00")) };
    ["alarm-a", "alarm-b"].into_iter().map(str::to_owned).zip(states.map(status)).collect()
}

/// The readings of a healthy rule with traffic, and the world before it was enabled.
struct Gate {
    environment: Environment,
    baseline: Facts,
    readings: GateReadings,
    changed: bool,
}

impl Gate {
    fn healthy() -> Self {
        let environment = environment();
        let metrics = GateMetric::ALL.map(|metric| {
            let query = metric.query(&environment, &environment.rules[0]);
            (metric, answer(Series { query, points: BTreeMap::new() }))
        });
        let mut gate = Self {
            baseline: Facts {
                dlqs: BTreeMap::from([("the-dlq".to_owned(), DlqDepth { visible: 2, ..DlqDepth::default() })]),
                ..Facts::default()
            },
            readings: GateReadings {
                at: at("14:05:30"),
                from: minute_of(since()),
                until: minute_after(at("14:05:30")),
                metrics: BTreeMap::from(metrics),
                dlqs: BTreeMap::from([("the-dlq".to_owned(), answer(DlqDepth { visible: 2, ..DlqDepth::default() }))]),
                alarms: answer(alarms([AlarmState::Ok, AlarmState::Ok])),
            },
            environment,
            changed: true,
        };
        gate.set(GateMetric::Invocations, "14:04:00", 3);
        gate.set(GateMetric::FunctionInvocations, "14:04:00", 3);
        gate
    }

    fn with(change: impl FnOnce(&mut Self)) -> Self {
        let mut gate = Self::healthy();
        change(&mut gate);
        gate
    }

    fn target(&mut self, arn: &str) {
        let fact = RuleFact { state: RuleState::Disabled, managed_by: None, targets: vec![arn.to_owned()] };
        self.baseline.rules.insert(self.environment.rules[0].name.clone(), fact);
    }

    fn set(&mut self, metric: GateMetric, minute: &str, value: i64) {
        if let Some(Ok(answer)) = self.readings.metrics.get_mut(&metric) {
            answer.value.points.insert(at(minute), value);
        }
    }

    fn empty(&mut self, metric: GateMetric) {
        if let Some(Ok(answer)) = self.readings.metrics.get_mut(&metric) {
            answer.value.points.clear();
        }
    }

    fn fail_reading(&mut self, metric: GateMetric) {
        self.readings.metrics.insert(metric, Err("CloudWatch throttled GetMetricData".to_owned()));
    }

    fn before(&mut self, minute: &str, metric: GateMetric, value: i64) {
        self.baseline.minute = Some(at(minute));
        let of_rule = self.baseline.running_minute.entry("one".to_owned()).or_default();
        of_rule.insert(metric.key().to_owned(), value);
    }

    fn checks(&self) -> Vec<Check> {
        let question = GateQuestion {
            environment: &self.environment,
            rule: &self.environment.rules[0],
            since: since(),
            changed: self.changed,
            baseline: &self.baseline,
        };
        gate::checks(&question, &self.readings)
    }

    fn verdict(&self) -> Verdict {
        gate::verdict(&self.checks())
    }
}

fn find(checks: &[Check], name: &str) -> Check {
    checks.iter().find(|check| check.name == name).cloned().unwrap_or_else(|| panic!("no {name} in {checks:#?}"))
}

#[test]
fn a_healthy_rule_with_traffic_passes_and_tells_what_that_rests_on() {
    let checks = Gate::healthy().checks();
    let names: Vec<_> = checks.iter().map(|check| check.name.as_str()).collect();
    let expected = [
        "failed-invocations",
        "throttled-rules",
        "failed-to-dlq",
        "traffic",
        "function-errors",
        "function-throttles",
        "dlq:the-dlq",
        "alarms",
    ];
    assert_eq!(names, expected);
    assert_eq!(gate::verdict(&checks), Pass, "{checks:#?}");
    assert!(!gate::is_decided_early(&checks));
    let traffic = find(&checks, "traffic");
    assert_eq!(
        traffic.evidence.query,
        "GetMetricData AWS/Events Invocations {EventBusName=the-bus, RuleName=rule-one} Sum 60 s"
    );
    assert_eq!(traffic.evidence.from, Some(at("14:03:00")));
    assert_eq!(traffic.evidence.until, Some(at("14:06:00")));
    assert_eq!(traffic.evidence.datapoints, [(at("14:04:00"), 3)]);
    assert_eq!(traffic.evidence.request_ids, ["req-1"]);
    insta::assert_snapshot!(table(&checks), @r"
    failed-invocations | Failed invocations of one | pass | 0 | 0 | None with 3 invocations since it was enabled at 14:03:20 UTC.
    throttled-rules | Throttled events of one | pass | 0 | 0 | None with 3 invocations since it was enabled at 14:03:20 UTC.
    failed-to-dlq | Events of one lost on the way to the dead-letter queue | pass | 0 | 0 | None with 3 invocations since it was enabled at 14:03:20 UTC.
    traffic | Traffic through one | pass | 3 | at least 1 | The rule invoked its target 3 times since it was enabled at 14:03:20 UTC.
    function-errors | Errors of the-function | pass | 0 | at most 2 | None with 3 invocations of the function since it was enabled at 14:03:20 UTC.
    function-throttles | Throttles of the-function | pass | 0 | 0 | None with 3 invocations of the function since it was enabled at 14:03:20 UTC.
    dlq:the-dlq | Messages in the-dlq | pass | 2 → 2 | no more than before | No more messages than allowed since before.
    alarms | Alarms of dev | pass | 2 of 2 OK | none in ALARM | All alarms are OK.
    ");
}

/// The checks as lines, to be read.
fn table(checks: &[Check]) -> String {
    let row = |c: &Check| {
        let Check { name, title, verdict, value, limit, reason, .. } = c;
        format!("{name} | {title} | {} | {value} | {limit} | {reason}", verdict.word())
    };
    checks.iter().map(row).collect::<Vec<_>>().join("\n")
}

#[test]
fn each_way_to_a_verdict_of_the_gate() {
    type Change = fn(&mut Gate);
    // (what is so, which check tells it, its verdict, the gate's verdict)
    let ways: Vec<(&str, Change, &str, Verdict, Verdict)> = vec![
        (
            "a failed invocation",
            |g| g.set(GateMetric::FailedInvocations, "14:04:00", 1),
            "failed-invocations",
            Fail,
            Fail,
        ),
        ("a throttled rule", |g| g.set(GateMetric::ThrottledRules, "14:04:00", 1), "throttled-rules", Fail, Fail),
        ("a lost event", |g| g.set(GateMetric::FailedToDlq, "14:04:00", 1), "failed-to-dlq", Fail, Fail),
        (
            "a function throttle",
            |g| g.set(GateMetric::FunctionThrottles, "14:04:00", 1),
            "function-throttles",
            Fail,
            Fail,
        ),
        (
            "errors within the limit",
            |g| g.set(GateMetric::FunctionErrors, "14:04:00", 2),
            "function-errors",
            Pass,
            Pass,
        ),
        ("errors above the limit", |g| g.set(GateMetric::FunctionErrors, "14:04:00", 3), "function-errors", Fail, Fail),
        ("no traffic", |g| g.empty(GateMetric::Invocations), "traffic", Inconclusive, Inconclusive),
        (
            "no traffic, no failures",
            |g| g.empty(GateMetric::Invocations),
            "failed-invocations",
            Inconclusive,
            Inconclusive,
        ),
        (
            "the function's run is not reported yet",
            |g| g.empty(GateMetric::FunctionInvocations),
            "function-errors",
            Pass,
            Pass,
        ),
        (
            "the rule invokes the function",
            |g| {
                g.empty(GateMetric::FunctionInvocations);
                g.target("arn:aws:lambda:us-east-1:111111111111:function:the-function:live");
            },
            "function-errors",
            Pass,
            Pass,
        ),
        (
            "the rule invokes another function",
            |g| {
                g.empty(GateMetric::FunctionInvocations);
                g.target("arn:aws:lambda:us-east-1:111111111111:function:the-function-of-others");
            },
            "function-errors",
            Inconclusive,
            Inconclusive,
        ),
        (
            "a failure without traffic",
            |g| {
                g.empty(GateMetric::Invocations);
                g.set(GateMetric::FailedInvocations, "14:04:00", 1);
            },
            "failed-invocations",
            Fail,
            Fail,
        ),
        (
            "a metric could not be read",
            |g| g.fail_reading(GateMetric::FailedInvocations),
            "failed-invocations",
            Unknown,
            Unknown,
        ),
        ("traffic could not be read", |g| g.fail_reading(GateMetric::Invocations), "throttled-rules", Unknown, Unknown),
        (
            "the function's could not be read",
            |g| g.fail_reading(GateMetric::FunctionInvocations),
            "function-errors",
            Unknown,
            Unknown,
        ),
        (
            "a metric was not asked",
            |g| drop(g.readings.metrics.remove(&GateMetric::FailedToDlq)),
            "failed-to-dlq",
            Unknown,
            Unknown,
        ),
        (
            "asked by the rule alone",
            |g| {
                if let Some(Ok(answer)) = g.readings.metrics.get_mut(&GateMetric::Invocations) {
                    answer.value.query.dimensions.retain(|(name, _)| *name == "RuleName");
                }
            },
            "traffic",
            Unknown,
            Unknown,
        ),
        (
            "the minute before the enabling",
            |g| {
                g.set(GateMetric::FailedInvocations, "14:02:00", 5);
            },
            "failed-invocations",
            Pass,
            Pass,
        ),
        (
            "failures that the baseline knew",
            |g| {
                g.set(GateMetric::FailedInvocations, "14:03:00", 5);
                g.before("14:03:00", GateMetric::FailedInvocations, 5);
            },
            "failed-invocations",
            Pass,
            Pass,
        ),
        (
            "one failure more than the baseline knew",
            |g| {
                g.set(GateMetric::FailedInvocations, "14:03:00", 6);
                g.before("14:03:00", GateMetric::FailedInvocations, 5);
            },
            "failed-invocations",
            Fail,
            Fail,
        ),
        (
            "traffic that the baseline knew",
            |g| {
                g.empty(GateMetric::Invocations);
                g.set(GateMetric::Invocations, "14:03:00", 5);
                g.before("14:03:00", GateMetric::Invocations, 5);
            },
            "traffic",
            Inconclusive,
            Inconclusive,
        ),
        (
            "enabled already: the baseline's minute counts",
            |g| {
                g.changed = false;
                g.set(GateMetric::FailedInvocations, "14:03:00", 5);
                g.before("14:03:00", GateMetric::FailedInvocations, 5);
            },
            "failed-invocations",
            Fail,
            Fail,
        ),
        (
            "a message more",
            |g| {
                g.readings.dlqs.insert("the-dlq".to_owned(), answer(DlqDepth { visible: 1, in_flight: 1, delayed: 1 }));
            },
            "dlq:the-dlq",
            Fail,
            Fail,
        ),
        (
            "a message less",
            |g| {
                g.readings.dlqs.insert("the-dlq".to_owned(), answer(DlqDepth { visible: 1, ..DlqDepth::default() }));
            },
            "dlq:the-dlq",
            Pass,
            Pass,
        ),
        (
            "an empty queue that was not measured",
            |g| {
                g.baseline.dlqs.clear();
                g.readings.dlqs.insert("the-dlq".to_owned(), answer(DlqDepth::default()));
            },
            "dlq:the-dlq",
            Pass,
            Pass,
        ),
        ("a queue that was not measured", |g| g.baseline.dlqs.clear(), "dlq:the-dlq", Unknown, Unknown),
        (
            "a queue that cannot be read",
            |g| {
                g.readings.dlqs.insert("the-dlq".to_owned(), Err("denied".to_owned()));
            },
            "dlq:the-dlq",
            Unknown,
            Unknown,
        ),
        ("a queue that was not asked", |g| g.readings.dlqs.clear(), "dlq:the-dlq", Unknown, Unknown),
        ("an alarm", |g| g.readings.alarms = answer(alarms([AlarmState::Ok, AlarmState::Alarm])), "alarms", Fail, Fail),
        (
            "an alarm without data",
            |g| {
                g.readings.alarms = answer(alarms([AlarmState::Ok, AlarmState::InsufficientData]));
            },
            "alarms",
            Pass,
            Pass,
        ),
        (
            "an alarm without data, nor traffic",
            |g| {
                g.readings.alarms = answer(alarms([AlarmState::Ok, AlarmState::InsufficientData]));
                g.empty(GateMetric::Invocations);
            },
            "alarms",
            Inconclusive,
            Inconclusive,
        ),
        ("a missing alarm", |g| g.readings.alarms = answer(BTreeMap::new()), "alarms", Inconclusive, Inconclusive),
        ("alarms that cannot be read", |g| g.readings.alarms = Err("denied".to_owned()), "alarms", Unknown, Unknown),
    ];
    for (so, change, name, verdict, of_gate) in ways {
        let gate = Gate::with(change);
        let check = find(&gate.checks(), name);
        assert_eq!(check.verdict, verdict, "{so}: {check:#?}");
        assert_eq!(gate.verdict(), of_gate, "{so}: {:#?}", gate.checks());
        assert!(check.reason.ends_with('.'), "{so}: {}", check.reason);
    }
}

#[test]
fn a_failing_gate_says_what_to_do() {
    let gate = Gate::with(|g| {
        g.set(GateMetric::FailedInvocations, "14:04:00", 2);
        g.set(GateMetric::ThrottledRules, "14:03:00", 1);
        g.set(GateMetric::FailedToDlq, "14:04:00", 1);
        g.set(GateMetric::FunctionErrors, "14:04:00", 3);
        g.set(GateMetric::FunctionThrottles, "14:04:00", 1);
        g.readings.alarms = answer(alarms([AlarmState::Alarm, AlarmState::Ok]));
        g.readings.dlqs.insert("the-dlq".to_owned(), answer(DlqDepth { visible: 5, ..DlqDepth::default() }));
    });
    assert!(gate::is_decided_early(&gate.checks()));
    insta::assert_snapshot!(table(&gate.checks()), @r"
    failed-invocations | Failed invocations of one | fail | 2 | 0 | EventBridge could not deliver 2 events of one since it was enabled at 14:03:20 UTC. Check the target's permission for the rule, and look into the-dlq.
    throttled-rules | Throttled events of one | fail | 1 | 0 | EventBridge held one back 1 time since it was enabled at 14:03:20 UTC. Lower the rate of events, or ask AWS for a higher quota of invocations. It lies in the minute in which the rule was enabled, and may be from right before.
    failed-to-dlq | Events of one lost on the way to the dead-letter queue | fail | 1 | 0 | 1 event of one could be written neither to the target nor to the-dlq since it was enabled at 14:03:20 UTC: lost. Check that the queue's policy lets events.amazonaws.com send.
    traffic | Traffic through one | pass | 3 | at least 1 | The rule invoked its target 3 times since it was enabled at 14:03:20 UTC.
    function-errors | Errors of the-function | fail | 3 | at most 2 | the-function failed 3 times since it was enabled at 14:03:20 UTC. Read its log, /aws/lambda/the-function.
    function-throttles | Throttles of the-function | fail | 1 | 0 | Lambda refused to run the-function 1 time since it was enabled at 14:03:20 UTC. Check its reserved concurrency and the account's limit.
    dlq:the-dlq | Messages in the-dlq | fail | 2 → 5 | no more than before | 3 messages more than before. Read the messages to see which events failed and why; leave them in the queue.
    alarms | Alarms of dev | fail | ALARM: 1 | none in ALARM | In ALARM: alarm-a since 2026-11-23 13:00 UTC (Threshold Crossed). Find out why before going on.
    ");
}

#[test]
fn without_traffic_the_gate_says_that_nothing_is_proven() {
    let gate = Gate::with(|g| {
        g.empty(GateMetric::Invocations);
        g.set(GateMetric::TriggeredRules, "14:04:00", 1);
        g.fail_reading(GateMetric::FunctionThrottles);
        g.readings.alarms = answer(alarms([AlarmState::Ok, AlarmState::InsufficientData]));
    });
    insta::assert_snapshot!(table(&gate.checks()), @r"
    failed-invocations | Failed invocations of one | inconclusive | 0 | 0 | No invocation is reported since it was enabled at 14:03:20 UTC, so none could fail.
    throttled-rules | Throttled events of one | inconclusive | 0 | 0 | No invocation is reported since it was enabled at 14:03:20 UTC, so none could fail.
    failed-to-dlq | Events of one lost on the way to the dead-letter queue | inconclusive | 0 | 0 | No invocation is reported since it was enabled at 14:03:20 UTC, so none could fail.
    traffic | Traffic through one | inconclusive | 0 | at least 1 | The rule matched 1 event since it was enabled at 14:03:20 UTC, but no invocation of its target is reported. Wait on; metrics may be late.
    function-errors | Errors of the-function | inconclusive | 0 | at most 2 | No invocation is reported since it was enabled at 14:03:20 UTC, so none could fail.
    function-throttles | Throttles of the-function | unknown |  | 0 | Could not be asked: CloudWatch throttled GetMetricData.
    dlq:the-dlq | Messages in the-dlq | pass | 2 → 2 | no more than before | No more messages than allowed since before.
    alarms | Alarms of dev | inconclusive | 1 of 2 OK | none in ALARM | None is in ALARM, but without traffic these have too little data to prove anything: alarm-b.
    ");
}

#[test]
fn minutes_are_full_and_include_their_time() {
    assert_eq!(minute_of(at("14:03:59.5")), at("14:03:00"));
    assert_eq!(minute_of(at("14:03:00")), at("14:03:00"));
    assert_eq!(minute_after(at("14:03:00")), at("14:04:00"));
    assert_eq!(minute_of(Timestamp::from_second(-1).unwrap()), Timestamp::from_second(-60).unwrap());
}

/// Any readings at all: each metric fails to be read, is empty, or has datapoints around the enabling.
fn any_gate() -> impl Strategy<Value = Gate> {
    let points = prop::collection::btree_map(0..4_i64, 0..4_i64, 0..4);
    let metric = prop::option::weighted(0.9, points);
    let state = prop::sample::select(vec![AlarmState::Ok, AlarmState::Alarm, AlarmState::InsufficientData]);
    let depth = prop::option::weighted(0.9, 0..4_i64);
    (prop::collection::vec(metric, 8), prop::array::uniform2(state), depth, any::<bool>(), 0..3_i64).prop_map(
        |(metrics, states, depth, changed, known)| {
            Gate::with(|gate| {
                for (metric, points) in GateMetric::ALL.into_iter().zip(metrics) {
                    gate.empty(metric);
                    match points {
                        None => gate.fail_reading(metric),
                        Some(points) => {
                            for (minute, value) in points {
                                let minute = minute_of(since()) + SignedDuration::from_mins(minute - 1);
                                gate.set(metric, &minute.strftime("%H:%M:%S").to_string(), value);
                            }
                        }
                    }
                    gate.before("14:03:00", metric, known);
                }
                gate.readings.alarms = answer(alarms(states));
                let depth = depth.map(|visible| DlqDepth { visible, ..DlqDepth::default() });
                let depth = depth.ok_or_else(|| "denied".to_owned()).and_then(answer);
                gate.readings.dlqs.insert("the-dlq".to_owned(), depth);
                gate.changed = changed;
            })
        },
    )
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "changed: {}, {:#?}", self.changed, self.readings)
    }
}

/// What a metric surely counts: its datapoints after the first minute.
fn later(gate: &Gate, metric: GateMetric) -> i64 {
    let Some(Ok(answer)) = gate.readings.metrics.get(&metric) else { return 0 };
    answer.value.points.range(at("14:04:00")..).map(|(_, value)| value).sum()
}

proptest! {
    #[test]
    fn a_failed_reading_never_yields_a_pass(mut gate in any_gate(), which in 0..10_usize) {
        let name = match GateMetric::ALL.get(which) {
            Some(metric) => {
                gate.fail_reading(*metric);
                match metric {
                    GateMetric::Invocations => Some("traffic"),
                    // They only lend evidence to other checks.
                    GateMetric::TriggeredRules | GateMetric::FunctionInvocations => None,
                    other => Some(other.key()),
                }
            }
            None if which == 8 => {
                gate.readings.alarms = Err("denied".to_owned());
                Some("alarms")
            }
            None => {
                gate.readings.dlqs.insert("the-dlq".to_owned(), Err("denied".to_owned()));
                Some("dlq:the-dlq")
            }
        };
        let checks = gate.checks();
        if let Some(name) = name {
            prop_assert_eq!(find(&checks, name).verdict, Unknown);
            prop_assert!(gate.verdict() >= Unknown);
        }
        if which != GateMetric::TriggeredRules as usize {
            prop_assert_ne!(gate.verdict(), Pass);
        }
    }

    #[test]
    fn without_traffic_nothing_passes_as_a_whole(mut gate in any_gate()) {
        gate.empty(GateMetric::Invocations);
        prop_assert_ne!(gate.verdict(), Pass);
        for metric in FAILURES {
            prop_assert_ne!(find(&gate.checks(), metric.key()).verdict, Pass);
        }
    }

    #[test]
    fn a_failure_metric_above_its_limit_always_fails(gate in any_gate()) {
        for metric in FAILURES {
            let limit = if metric == GateMetric::FunctionErrors { 2 } else { 0 };
            if later(&gate, metric) > limit {
                prop_assert_eq!(find(&gate.checks(), metric.key()).verdict, Fail);
                prop_assert_eq!(gate.verdict(), Fail);
                prop_assert!(gate::is_decided_early(&gate.checks()));
            }
        }
    }
}
