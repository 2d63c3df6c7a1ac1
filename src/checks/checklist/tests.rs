//! Every way to each verdict of the nine items.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::json;

use super::super::facts::{AlarmFact, AlarmMetric, BusFact, FullRule, FunctionFact, OtherRule, QueueFact, TargetFact};
use super::super::{Answer, Permission, Reading, Series};
use super::{ChecklistReadings, ITEMS, Measured, TableFact, TtlFact, checks};
use crate::domain::{
    AlarmState, AlarmStatus, Check, DlqDepth, Environment, RuleFact, RuleState, Subscription, Verdict,
};
use Verdict::{Fail, Inconclusive, Pass, Unknown};

const BUS: &str = "arn:aws:events:us-east-1:111111111111:event-bus/the-bus";
const RULE: &str = "arn:aws:events:us-east-1:111111111111:rule/the-bus/rule-one";
const QUEUE: &str = "arn:aws:sqs:us-east-1:111111111111:the-dlq";
const FUNCTION: &str = "arn:aws:lambda:us-east-1:111111111111:function:the-function";
const TOPIC: &str = "arn:aws:sns:us-east-1:111111111111:topic";
const TABLE: &str = "arn:aws:dynamodb:us-east-1:111111111111:table/the-table";

pub(in crate::checks) fn environment() -> Environment {
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
        alarms = ["failed", "errors"]
        "#,
    )
    .unwrap();
    environment.name = "dev".to_owned();
    environment
}

fn at(text: &str) -> Timestamp {
    format!("2026-11-23T{text}Z").parse().unwrap()
}

pub(in crate::checks) fn answer<T>(value: T) -> Reading<T> {
    Ok(Answer { value, request_ids: vec!["req-1".to_owned()] })
}

fn policy(action: &str, resource: &str, source: &str) -> String {
    json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": action, "Resource": resource,
        "Condition": {"ArnLike": {"aws:SourceArn": source}},
    }]})
    .to_string()
}

fn denial() -> String {
    json!({"Statement": {"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}}).to_string()
}

fn alarm(namespace: &str, name: &str, dimensions: &[(&str, &str)]) -> AlarmFact {
    AlarmFact {
        status: AlarmStatus { state: AlarmState::Ok, reason: "all is well".to_owned(), since: Some(at("13:00:00")) },
        actions_enabled: true,
        actions: vec![TOPIC.to_owned()],
        metrics: vec![AlarmMetric {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            dimensions: dimensions.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        }],
    }
}

pub(in crate::checks) fn healthy() -> ChecklistReadings {
    let environment = environment();
    let rule = FullRule {
        arn: RULE.to_owned(),
        fact: RuleFact { state: RuleState::Enabled, managed_by: None, targets: vec![FUNCTION.to_owned()] },
        pattern: Some(r#"{"detail-type": ["One"]}"#.to_owned()),
        targets: vec![TargetFact { arn: FUNCTION.to_owned(), dlq: Some(QUEUE.to_owned()) }],
    };
    let allowed = |actions: &[&str]| answer(actions.iter().map(|a| ((*a).to_owned(), Permission::Allowed)).collect());
    let all = Measured::recent(&environment.rules).into_iter().chain(Measured::throttles(&environment.rules));
    let metrics = all.map(|measured| {
        let points = match measured {
            Measured::FunctionInvocations | Measured::RuleInvocations(_) => BTreeMap::from([(at("14:00:00"), 3)]),
            _ => BTreeMap::new(),
        };
        let query = measured.query(&environment).unwrap();
        (measured, answer(Series { query, points }))
    });
    ChecklistReadings {
        at: at("14:05:30"),
        bus: answer(Some(BusFact { arn: BUS.to_owned(), policy: None })),
        rules: BTreeMap::from([("one".to_owned(), answer(Some(rule)))]),
        others: answer(vec![OtherRule {
            name: "theirs".to_owned(),
            enabled: true,
            targets: vec!["arn:aws:lambda:us-east-1:111111111111:function:the-function-of-theirs".to_owned()],
        }]),
        function: answer(Some(FunctionFact {
            arn: FUNCTION.to_owned(),
            role: "arn:aws:iam::111111111111:role/worker".to_owned(),
            modified: None,
            log_group: "/aws/lambda/the-function".to_owned(),
        })),
        function_policy: answer(Some(policy("lambda:InvokeFunction", FUNCTION, RULE))),
        queues: BTreeMap::from([(
            "the-dlq".to_owned(),
            answer(Some(QueueFact {
                arn: QUEUE.to_owned(),
                depth: DlqDepth::default(),
                policy: Some(policy("sqs:SendMessage", QUEUE, "arn:aws:events:*:*:rule/the-bus/*")),
            })),
        )]),
        alarms: answer(BTreeMap::from([
            (
                "failed".to_owned(),
                alarm("AWS/Events", "FailedInvocations", &[("EventBusName", "the-bus"), ("RuleName", "rule-one")]),
            ),
            ("errors".to_owned(), alarm("AWS/Lambda", "Errors", &[("FunctionName", "the-function")])),
        ])),
        topic: Ok(TOPIC.to_owned()),
        subscriptions: answer(Some(vec![subscription(true)])),
        table: answer(Some(table("ACTIVE", "event_id", None))),
        ttl: answer(Some(ttl("ENABLED", Some("ttl")))),
        table_arn: Ok(TABLE.to_owned()),
        table_policy: answer(None),
        table_access: allowed(&["dynamodb:GetItem", "dynamodb:PutItem"]),
        bus_access: allowed(&["events:PutEvents"]),
        recent_from: at("13:00:00"),
        throttles_from: at("13:50:00"),
        until: at("14:06:00"),
        metrics: metrics.collect(),
        log: answer(Some(Vec::new())),
    }
}

fn subscription(confirmed: bool) -> Subscription {
    Subscription {
        protocol: "email".to_owned(),
        endpoint: "ada@example.com".to_owned(),
        arn: confirmed.then(|| format!("{TOPIC}:1")),
    }
}

fn table(status: &str, key: &str, sort: Option<&str>) -> TableFact {
    TableFact { status: status.to_owned(), partition_key: Some(key.to_owned()), sort_key: sort.map(str::to_owned) }
}

fn ttl(status: &str, attribute: Option<&str>) -> TtlFact {
    TtlFact { status: status.to_owned(), attribute: attribute.map(str::to_owned) }
}

fn list(readings: &ChecklistReadings, wanted: Option<RuleState>) -> Vec<Check> {
    let wanted = wanted.map(|state| ("one".to_owned(), state)).into_iter().collect();
    checks(&environment(), &wanted, readings)
}

pub(in crate::checks) fn told(checks: &[Check]) -> String {
    let row = |c: &Check| {
        let Check { name, title, verdict, value, limit, reason, .. } = c;
        format!("{name} | {title} | {} | {value} | {limit} | {reason}", verdict.word())
    };
    checks.iter().map(row).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_healthy_environment_passes_all_nine_items() {
    for wanted in [None, Some(RuleState::Enabled), Some(RuleState::EnabledWithAllCloudtrailManagementEvents)] {
        let checks = list(&healthy(), wanted);
        assert_eq!(Verdict::of(&checks), Pass, "{checks:#?}");
        assert_eq!(checks.len(), 9);
    }
    insta::assert_snapshot!(told(&list(&healthy(), None)));
}

#[test]
fn what_is_amiss_is_told_with_its_mend() {
    let mut readings = healthy();
    readings.bus = Err("EventBridge denied DescribeEventBus: add the IAM action events:DescribeEventBus".to_owned());
    with_alarm(&mut readings, "failed", |fact| fact.status.state = AlarmState::Alarm);
    with_alarm(&mut readings, "errors", |fact| fact.status.state = AlarmState::InsufficientData);
    readings.ttl = answer(Some(ttl("DISABLED", None)));
    readings.function_policy = answer(None);
    readings.log = answer(Some(vec!["[ERROR] one".to_owned(), r#"{"status": "failed"}"#.to_owned()]));
    insta::assert_snapshot!(told(&list(&readings, Some(RuleState::Enabled))));
}

pub(in crate::checks) fn with_rule(readings: &mut ChecklistReadings, change: impl FnOnce(&mut FullRule)) {
    if let Some(Ok(Answer { value: Some(rule), .. })) = readings.rules.get_mut("one") {
        change(rule);
    }
}

fn with_queue(readings: &mut ChecklistReadings, change: impl FnOnce(&mut QueueFact)) {
    if let Some(Ok(Answer { value: Some(queue), .. })) = readings.queues.get_mut("the-dlq") {
        change(queue);
    }
}

pub(in crate::checks) fn with_alarm(readings: &mut ChecklistReadings, name: &str, change: impl FnOnce(&mut AlarmFact)) {
    if let Ok(answer) = &mut readings.alarms
        && let Some(fact) = answer.value.get_mut(name)
    {
        change(fact);
    }
}

pub(in crate::checks) fn count(readings: &mut ChecklistReadings, measured: Measured, value: i64) {
    let query = measured.query(&environment()).unwrap();
    let points = BTreeMap::from([(at("14:00:00"), value)]);
    readings.metrics.insert(measured, answer(Series { query, points }));
}

type Change = fn(&mut ChecklistReadings);

#[test]
fn each_way_to_a_verdict_of_each_item() {
    let ways: Vec<(&str, Change, &str, Verdict)> = vec![
        ("no bus", |r| r.bus = answer(None), "rules", Fail),
        ("rule disabled", |r| with_rule(r, |rule| rule.fact.state = RuleState::Disabled), "rules", Fail),
        ("no target", |r| with_rule(r, |rule| rule.targets.clear()), "rules", Fail),
        ("no queue for its target", |r| with_rule(r, |rule| rule.targets[0].dlq = None), "rules", Fail),
        ("managed", |r| with_rule(r, |rule| rule.fact.managed_by = Some("a".to_owned())), "rules", Inconclusive),
        ("no rule", |r| drop(r.rules.insert("one".to_owned(), answer(None))), "rules", Fail),
        ("rule denied", |r| drop(r.rules.insert("one".to_owned(), Err("denied".to_owned()))), "rules", Unknown),
        ("rule not asked", |r| r.rules.clear(), "rules", Unknown),
        ("no permission", |r| r.function_policy = answer(None), "rules", Fail),
        (
            "permission of another rule",
            |r| {
                r.function_policy =
                    answer(Some(policy("lambda:InvokeFunction", FUNCTION, "arn:aws:events:*:*:rule/other")))
            },
            "rules",
            Fail,
        ),
        ("permission denied", |r| r.function_policy = answer(Some(denial())), "rules", Fail),
        ("permission unreadable", |r| r.function_policy = answer(Some("nonsense".to_owned())), "rules", Unknown),
        ("permission unread", |r| r.function_policy = Err("denied".to_owned()), "rules", Unknown),
        (
            "another rule that invokes the function",
            |r| {
                r.others = answer(vec![OtherRule {
                    name: "extra".to_owned(),
                    enabled: true,
                    targets: vec![format!("{FUNCTION}:live")],
                }]);
            },
            "rules",
            Fail,
        ),
        ("other rules denied", |r| r.others = Err("denied".to_owned()), "rules", Unknown),
        ("a message", |r| with_queue(r, |queue| queue.depth.in_flight = 1), "dead-letters", Fail),
        ("no queue", |r| drop(r.queues.insert("the-dlq".to_owned(), answer(None))), "dead-letters", Fail),
        (
            "queue denied",
            |r| drop(r.queues.insert("the-dlq".to_owned(), Err("denied".to_owned()))),
            "dead-letters",
            Unknown,
        ),
        ("nobody may write", |r| with_queue(r, |queue| queue.policy = None), "dead-letters", Fail),
        (
            "others may write",
            |r| {
                with_queue(r, |queue| {
                    queue.policy = Some(policy("sqs:SendMessage", QUEUE, "arn:aws:events:*:*:rule/b/*"))
                })
            },
            "dead-letters",
            Fail,
        ),
        ("writing is denied", |r| with_queue(r, |queue| queue.policy = Some(denial())), "dead-letters", Fail),
        ("an alarm", |r| with_alarm(r, "failed", |fact| fact.status.state = AlarmState::Alarm), "alarms", Fail),
        (
            "no data",
            |r| with_alarm(r, "failed", |fact| fact.status.state = AlarmState::InsufficientData),
            "alarms",
            Unknown,
        ),
        ("no alarms", |r| r.alarms = answer(BTreeMap::new()), "alarms", Fail),
        ("alarms denied", |r| r.alarms = Err("denied".to_owned()), "alarms", Unknown),
        ("actions off", |r| with_alarm(r, "failed", |fact| fact.actions_enabled = false), "alarms", Fail),
        ("another topic", |r| with_alarm(r, "failed", |fact| fact.actions.clear()), "alarms", Fail),
        ("topic unknown", |r| r.topic = Err("denied".to_owned()), "alarms", Unknown),
        (
            "by the rule alone",
            |r| with_alarm(r, "failed", |fact| drop(fact.metrics[0].dimensions.remove("EventBusName"))),
            "alarms",
            Fail,
        ),
        (
            "another function",
            |r| {
                with_alarm(r, "errors", |fact| {
                    drop(fact.metrics[0].dimensions.insert("FunctionName".into(), "x".into()))
                })
            },
            "alarms",
            Fail,
        ),
        ("nobody subscribed", |r| r.subscriptions = answer(Some(Vec::new())), "subscriptions", Fail),
        ("pending", |r| r.subscriptions = answer(Some(vec![subscription(false)])), "subscriptions", Fail),
        ("no topic", |r| r.subscriptions = answer(None), "subscriptions", Fail),
        ("subscriptions denied", |r| r.subscriptions = Err("denied".to_owned()), "subscriptions", Unknown),
        ("no table", |r| r.table = answer(None), "table", Fail),
        ("table denied", |r| r.table = Err("denied".to_owned()), "table", Unknown),
        ("table being made", |r| r.table = answer(Some(table("CREATING", "event_id", None))), "table", Fail),
        ("another key", |r| r.table = answer(Some(table("ACTIVE", "id", None))), "table", Fail),
        ("a sort key", |r| r.table = answer(Some(table("ACTIVE", "event_id", Some("at")))), "table", Fail),
        ("no expiry", |r| r.ttl = answer(Some(ttl("DISABLED", None))), "table", Fail),
        ("expiry by another", |r| r.ttl = answer(Some(ttl("ENABLED", Some("expires")))), "table", Fail),
        ("expiry soon", |r| r.ttl = answer(Some(ttl("ENABLING", Some("ttl")))), "table", Inconclusive),
        ("expiry denied", |r| r.ttl = Err("denied".to_owned()), "table", Unknown),
        ("expiry of no table", |r| r.ttl = answer(None), "table", Fail),
        (
            "may not write",
            |r| r.table_access = answer(vec![("dynamodb:PutItem".to_owned(), Permission::Denied("no".to_owned()))]),
            "table-access",
            Fail,
        ),
        (
            "may perhaps write",
            |r| r.table_access = answer(vec![("dynamodb:PutItem".to_owned(), Permission::Unknown("no".to_owned()))]),
            "table-access",
            Unknown,
        ),
        ("role unread", |r| r.table_access = Err("denied".to_owned()), "table-access", Unknown),
        ("the table forbids", |r| r.table_policy = answer(Some(denial())), "table-access", Fail),
        ("the table's policy unread", |r| r.table_policy = Err("denied".to_owned()), "table-access", Unknown),
        (
            "may not publish",
            |r| r.bus_access = answer(vec![("events:PutEvents".to_owned(), Permission::Denied("no".to_owned()))]),
            "bus-access",
            Fail,
        ),
        (
            "the bus forbids",
            |r| r.bus = answer(Some(BusFact { arn: BUS.to_owned(), policy: Some(denial()) })),
            "bus-access",
            Fail,
        ),
        ("errors", |r| count(r, Measured::FunctionErrors, 1), "invocations", Fail),
        ("dropped", |r| count(r, Measured::EventsDropped, 1), "invocations", Fail),
        ("undelivered", |r| count(r, Measured::DeliveryFailures, 1), "invocations", Fail),
        ("nothing ran", |r| count(r, Measured::FunctionInvocations, 0), "invocations", Inconclusive),
        (
            "failed without an error",
            |r| r.log = answer(Some(vec![r#"{"status": "failed"}"#.to_owned()])),
            "invocations",
            Fail,
        ),
        ("log denied", |r| r.log = Err("denied".to_owned()), "invocations", Unknown),
        ("no log", |r| r.log = answer(None), "invocations", Unknown),
        (
            "errors unread",
            |r| drop(r.metrics.insert(Measured::FunctionErrors, Err("denied".to_owned()))),
            "invocations",
            Unknown,
        ),
        ("function throttled", |r| count(r, Measured::FunctionThrottles, 2), "throttles", Fail),
        ("rule throttled", |r| count(r, Measured::ThrottledRule("one".to_owned()), 2), "throttles", Fail),
        ("table throttled", |r| count(r, Measured::TableWriteThrottles, 2), "throttles", Fail),
        (
            "throttles unread",
            |r| drop(r.metrics.insert(Measured::TableReadThrottles, Err("denied".to_owned()))),
            "throttles",
            Unknown,
        ),
    ];
    for (so, change, name, verdict) in ways {
        let mut readings = healthy();
        change(&mut readings);
        let checks = list(&readings, Some(RuleState::Enabled));
        let item = checks.iter().find(|check| check.name == name).unwrap();
        assert_eq!(item.verdict, verdict, "{so}: {item:#?}");
        for check in &checks {
            assert!(check.reason.ends_with('.'), "{so}: {}", check.reason);
            let of = check.name.split('/').next().unwrap_or_default();
            assert!(ITEMS.iter().any(|(item, _)| *item == of), "{}", check.name);
        }
    }
}

#[test]
fn where_all_rules_are_off_nothing_had_to_run() {
    let mut readings = healthy();
    with_rule(&mut readings, |rule| rule.fact.state = RuleState::Disabled);
    count(&mut readings, Measured::FunctionInvocations, 0);
    assert_eq!(Verdict::of(&list(&readings, None)), Pass);
    readings.rules.insert("one".to_owned(), Err("denied".to_owned()));
    let checks = list(&readings, None);
    assert_eq!(checks.iter().find(|check| check.name == "invocations").unwrap().verdict, Inconclusive);
}

#[test]
fn wanted_subscribers_are_asked_for_each() {
    let mut environment = environment();
    environment.alarm_subscribers = vec!["Ada@example.com".to_owned(), "bob@example.com".to_owned()];
    let checks = checks(&environment, &BTreeMap::new(), &healthy());
    let bad: Vec<&str> = checks.iter().filter(|check| check.verdict != Pass).map(|check| check.name.as_str()).collect();
    assert_eq!(bad, ["subscriptions", "subscriptions/bob@example.com"]);
}
