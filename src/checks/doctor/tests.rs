//! Each trap, found alone.

use std::collections::BTreeMap;

use super::super::checklist::tests::{answer, count, environment, healthy, told, with_alarm, with_rule};
use super::super::facts::Measured;
use super::super::{Answer, Permission};
use super::{DoctorReadings, Right, checks, needed};
use crate::domain::{ArchiveFact, Environment, Verdict};
use Verdict::{Fail, Inconclusive, Pass, Unknown};

fn pinned() -> Environment {
    Environment { account: Some("111111111111".to_owned()), archive_retention_days: Some(365), ..environment() }
}

fn right(action: &str, vital: bool, permission: Permission) -> Right {
    Right { action: action.to_owned(), on: "rule/the-bus/rule-one".to_owned(), vital, permission }
}

fn sound() -> DoctorReadings {
    let mut list = healthy();
    count(&mut list, Measured::RuleInvocations("one".to_owned()), 3);
    DoctorReadings {
        list,
        identity: Ok(("111111111111".to_owned(), "arn:aws:sts::111111111111:assumed-role/alch/dev".to_owned())),
        namesakes: BTreeMap::from([("one".to_owned(), answer(false))]),
        archive: answer(Some(ArchiveFact {
            name: "a".to_owned(),
            arn: "arn:aws:events:us-east-1:111111111111:archive/a".to_owned(),
            bus_arn: "arn:aws:events:us-east-1:111111111111:event-bus/the-bus".to_owned(),
            state: "ENABLED".to_owned(),
            retention_days: Some(365),
            events: 0,
            since: None,
            filtered: false,
        })),
        rights: vec![right("events:EnableRule", true, Permission::Allowed)],
    }
}

#[test]
fn a_sound_account_has_no_trap() {
    let checks = checks(&pinned(), &sound());
    assert_eq!(Verdict::of(&checks), Pass, "{}", told(&checks));
    insta::assert_snapshot!(told(&checks));
}

#[test]
fn each_trap_is_found_alone() {
    type Change = fn(&mut DoctorReadings);
    fn archive(readings: &mut DoctorReadings, change: impl FnOnce(&mut ArchiveFact)) {
        if let Ok(Answer { value: Some(archive), .. }) = &mut readings.archive {
            change(archive);
        }
    }
    let traps: Vec<(&str, Change, &str, Verdict)> = vec![
        ("another account", |r| r.identity = Ok(("2".to_owned(), "arn".to_owned())), "account", Fail),
        ("no credentials", |r| r.identity = Err("none".to_owned()), "account", Unknown),
        (
            "may not turn rules off",
            |r| r.rights.push(right("events:DisableRule", true, Permission::Denied("no".to_owned()))),
            "rights",
            Fail,
        ),
        (
            "may not deploy",
            |r| r.rights.push(right("cloudformation:CreateChangeSet", false, Permission::Denied("no".to_owned()))),
            "rights",
            Inconclusive,
        ),
        (
            "rights not told",
            |r| r.rights.push(right("events:DisableRule", true, Permission::Unknown("no".to_owned()))),
            "rights",
            Unknown,
        ),
        ("a namesake", |r| drop(r.namesakes.insert("one".to_owned(), answer(true))), "bus", Inconclusive),
        ("namesake unread", |r| drop(r.namesakes.insert("one".to_owned(), Err("no".to_owned()))), "bus", Unknown),
        ("no queue", |r| with_rule(&mut r.list, |rule| rule.targets[0].dlq = None), "targets", Fail),
        ("no permission", |r| r.list.function_policy = answer(None), "permissions", Fail),
        ("mute alarm", |r| with_alarm(&mut r.list, "failed", |fact| fact.actions.clear()), "alarms", Fail),
        ("no archive", |r| r.archive = answer(None), "archive", Fail),
        ("archive off", |r| archive(r, |archive| archive.state = "DISABLED".to_owned()), "archive", Fail),
        ("another retention", |r| archive(r, |archive| archive.retention_days = Some(30)), "archive", Fail),
        ("another bus", |r| archive(r, |archive| archive.bus_arn = "arn".to_owned()), "archive", Fail),
        ("filtered", |r| archive(r, |archive| archive.filtered = true), "archive", Inconclusive),
        ("archive unread", |r| r.archive = Err("no".to_owned()), "archive", Unknown),
        ("nobody subscribed", |r| r.list.subscriptions = answer(Some(Vec::new())), "subscriptions", Fail),
        ("returned failed", |r| r.list.log = answer(Some(vec![r#"{"status": "failed"}"#.to_owned()])), "hidden", Fail),
        ("log unread", |r| r.list.log = Err("no".to_owned()), "hidden", Unknown),
        ("a schedule", |r| count(&mut r.list, Measured::FunctionInvocations, 4), "schedule", Inconclusive),
    ];
    for (so, change, name, verdict) in traps {
        let mut readings = sound();
        change(&mut readings);
        let checks = checks(&pinned(), &readings);
        for check in checks.iter().filter(|check| !check.is_part()) {
            let expected = if check.name == name { verdict } else { Pass };
            assert_eq!(check.verdict, expected, "{so}: {check:#?}");
        }
        assert!(checks.iter().all(|check| check.reason.ends_with('.')), "{so}: {}", told(&checks));
    }
}

#[test]
fn a_rule_on_the_default_bus_alone_is_the_worst_namesake() {
    let mut readings = sound();
    readings.list.rules.insert("one".to_owned(), answer(None));
    readings.namesakes.insert("one".to_owned(), answer(true));
    let checks = checks(&pinned(), &readings);
    let found = checks.iter().find(|check| check.name == "bus/one").unwrap();
    assert_eq!((found.verdict, found.value.as_str()), (Fail, "on the default bus"));
}

#[test]
fn a_rule_that_picks_everything_beside_another_delivers_twice() {
    let mut environment = pinned();
    environment.rules.push(crate::domain::Rule { name: "all".to_owned(), rule: "rule-all".to_owned() });
    let mut readings = sound();
    let Some(Ok(Answer { value: Some(rule), .. })) = readings.list.rules.get("one").cloned() else {
        panic!("there is a rule")
    };
    let mut greedy = rule;
    greedy.pattern = Some(r#"{"source": [{"prefix": ""}]}"#.to_owned());
    readings.list.rules.insert("all".to_owned(), answer(Some(greedy)));
    let checks = checks(&environment, &readings);
    let found = checks.iter().find(|check| check.name == "twice").unwrap();
    assert_eq!((found.verdict, found.value.as_str()), (Inconclusive, "all"));
}

#[test]
fn what_is_needed_names_each_rule_and_never_everything() {
    let needed = needed(&pinned());
    assert!(needed.iter().all(|need| need.resource != "*" && !need.actions.is_empty()));
    assert!(needed.iter().any(|need| need.vital && need.resource == "rule/the-bus/rule-one"));
}
