//! Every way to each verdict of a smoke test.

use super::*;
use crate::checks::{Answer, minute_after};
use crate::config::{ALCH_TOML, Config};
use crate::domain::SmokeFacts;
use Verdict::{Fail, Inconclusive, Pass, Unknown};

fn proof(variable: Variable, update: Option<&str>) -> Proof {
    Proof {
        variable,
        update: update.map(str::to_owned),
        version: Some("$LATEST".to_owned()),
        state: "revision 1".to_owned(),
    }
}

fn good() -> Proof {
    proof(Variable::AsExpected, Some("Successful"))
}

#[test]
fn only_the_expected_value_of_a_function_at_rest_is_a_proof() {
    let unreadable = |key: Option<&str>| Variable::Unreadable {
        code: "AccessDeniedException".to_owned(),
        key: key.map(str::to_owned),
    };
    for (told, proof) in [
        (None, good()),
        (Some("V is not the expected value"), proof(Variable::Other, Some("Successful"))),
        (Some("it has no variable V"), proof(Variable::Absent, Some("Successful"))),
        (Some("kms:Decrypt on arn:key to"), proof(unreadable(Some("arn:key")), Some("Successful"))),
        (Some("kms:Decrypt to"), proof(unreadable(None), Some("Successful"))),
        (Some("is being updated"), proof(Variable::AsExpected, Some("InProgress"))),
        (Some("LastUpdateStatus Failed"), proof(Variable::AsExpected, Some("Failed"))),
        (Some("LastUpdateStatus not said"), proof(Variable::AsExpected, None)),
    ] {
        let why = unproven("f", "V", &proof);
        assert_eq!(why.is_some(), told.is_some(), "{why:?}");
        assert!(why.unwrap_or_default().contains(told.unwrap_or_default()), "{told:?}");
    }
}

#[test]
fn a_function_that_was_changed_or_another_version_that_ran_is_no_paper() {
    let moved = |after: &Proof, ran: Option<&str>| moved("f", "V", &good(), after, ran);
    assert_eq!(moved(&good(), Some("$LATEST")), None);
    assert_eq!(moved(&good(), None), None);
    assert!(moved(&good(), Some("7")).unwrap().contains("its version 7 ran"));
    let other = Proof { state: "revision 2".to_owned(), ..good() };
    assert!(moved(&other, Some("$LATEST")).unwrap().contains("somebody has changed it"));
    let live = Proof { variable: Variable::Other, ..good() };
    let told = moved(&live, None).unwrap();
    assert!(told.starts_with("PAPER MODE IS NOT PROVEN") && told.contains("not the expected value any more"), "{told}");
}

#[test]
fn an_answer_succeeds_only_where_it_says_so() {
    for (verdict, word, payload) in [
        (Pass, "status success", r#"{"status": "success"}"#),
        (Pass, "status OK", r#"{"status": "OK"}"#),
        (Fail, "status failed", r#"{"status": "failed"}"#),
        (Fail, "status ERROR", r#"{"status": " ERROR "}"#),
        (Inconclusive, "status partial", r#"{"status": "partial"}"#),
        (Inconclusive, "no status", r#"{"answer": 42}"#),
        (Inconclusive, "no status", "null"),
        (Inconclusive, "no status", ""),
        (Inconclusive, "no status", r#""all is well""#),
        (Inconclusive, "a status that is no word", r#"{"status": null}"#),
        (Pass, "statusCode 200", r#"{"statusCode": 200}"#),
        (Fail, "statusCode 500", r#"{"statusCode": 500, "status": "success"}"#),
        (Fail, "success false", r#"{"success": false, "statusCode": 200}"#),
        (Pass, "status 204", r#"{"status": 204}"#),
    ] {
        assert_eq!(judge(payload), (verdict, word.to_owned()), "{payload}");
    }
}

fn at(text: &str) -> Timestamp {
    format!("2026-11-23T{text}Z").parse().unwrap()
}

fn answered<T>(value: T) -> Reading<T> {
    Ok(Answer { value, request_ids: Vec::new() })
}

fn dev() -> Environment {
    let (config, _) = Config::parse(ALCH_TOML, "alch.toml", &Default::default()).unwrap();
    config.environments["dev"].clone()
}

fn series(environment: &Environment, rule: &Rule, metric: GateMetric, points: &[(&str, i64)]) -> Reading<Series> {
    let points = points.iter().map(|(minute, number)| (at(minute), *number)).collect();
    answered(Series { query: metric.query(environment, rule), points })
}

/// Invoked at 14:03:20, answered at 14:03:25, looked at two minutes later: all rules are on, and one has invoked its target.
fn flowed(environment: &Environment) -> Readings {
    let metrics = environment.rules.iter().map(|rule| {
        let traffic: &[(&str, i64)] =
            if rule.name == "trade-executed" { &[("14:02:00", 9), ("14:03:00", 2)] } else { &[] };
        let of = |metric| match metric {
            GateMetric::Invocations => series(environment, rule, metric, traffic),
            metric => series(environment, rule, metric, &[]),
        };
        (rule.name.clone(), GateMetric::ALL.into_iter().map(|metric| (metric, of(metric))).collect())
    });
    let now = at("14:05:30");
    Readings {
        at: now,
        from: at("14:03:00"),
        until: minute_after(now),
        states: answered(environment.rules.iter().map(|rule| (rule.rule.clone(), RuleState::Enabled)).collect()),
        metrics: metrics.collect(),
        archive: answered(Some(ArchiveFact {
            name: environment.archive.clone(),
            arn: "arn".to_owned(),
            bus_arn: format!("arn:aws:events:us-east-1:111122223333:event-bus/{}", environment.bus),
            state: "ENABLED".to_owned(),
            retention_days: None,
            events: 12,
            since: None,
            filtered: false,
        })),
        dlqs: environment.dlqs.iter().map(|queue| (queue.clone(), answered(DlqDepth::default()))).collect(),
    }
}

fn asked(environment: &Environment, readings: &Readings, change: impl FnOnce(&mut Facts)) -> Vec<Check> {
    let depths = environment.dlqs.iter().map(|queue| (queue.clone(), DlqDepth { visible: 1, ..DlqDepth::default() }));
    let smoke = SmokeFacts { refusal: None, archived: Some(9) };
    let mut baseline = Facts { dlqs: depths.collect(), smoke: Some(Box::new(smoke)), ..Facts::default() };
    change(&mut baseline);
    let question = Question {
        environment,
        since: at("14:03:20"),
        answered: at("14:03:25"),
        status: StepStatus::Done,
        told: "answered",
        baseline: &baseline,
    };
    evidence(&question, readings)
}

fn verdict(checks: &[Check], name: &str) -> (Verdict, String) {
    let check = checks.iter().find(|check| check.name == name).unwrap_or_else(|| panic!("{name} in {checks:#?}"));
    (check.verdict, check.value.clone())
}

#[test]
fn everything_that_flowed_is_a_pass_and_what_was_before_does_not_count() {
    let environment = dev();
    let readings = flowed(&environment);
    let checks = asked(&environment, &readings, |_| {});
    assert_eq!(Verdict::of(&checks), Pass, "{checks:#?}");
    assert_eq!(verdict(&checks, "traffic"), (Pass, "2".to_owned()), "nine were in the minute before");
    assert_eq!(verdict(&checks, "archive"), (Pass, "12 (+3)".to_owned()));
    let mine = asked(&environment, &readings, |baseline| {
        baseline.minute = Some(at("14:03:00"));
        let seen = [("invocations".to_owned(), 2)].into();
        baseline.running_minute.insert("trade-executed".to_owned(), seen);
    });
    assert_eq!(verdict(&mine, "traffic"), (Inconclusive, "0".to_owned()), "both were there before the invoke");
}

#[test]
fn nothing_is_a_pass_that_was_not_seen() {
    let environment = dev();
    let told = |change: &dyn Fn(&mut Readings)| {
        let mut readings = flowed(&environment);
        change(&mut readings);
        asked(&environment, &readings, |_| {})
    };
    let off = told(&|readings| {
        readings.states = answered(environment.rules.iter().map(|r| (r.rule.clone(), RuleState::Disabled)).collect());
    });
    assert_eq!(verdict(&off, "traffic").0, Inconclusive);
    let untold = told(&|readings| readings.states = Err("denied".to_owned()));
    assert_eq!(verdict(&untold, "traffic").0, Unknown);
    let unread = told(&|readings| readings.metrics.clear());
    for name in ["traffic", "failed-invocations", "failed-to-dlq", "function-errors"] {
        assert_eq!(verdict(&unread, name).0, Unknown, "{name}");
    }
    let first = &environment.rules[0];
    for metric in [GateMetric::FailedInvocations, GateMetric::FailedToDlq, GateMetric::FunctionErrors] {
        let failed = told(&|readings| {
            let bad = series(&environment, first, metric, &[("14:04:00", 1)]);
            readings.metrics.get_mut(&first.name).unwrap().insert(metric, bad);
        });
        assert_eq!(verdict(&failed, metric.key()), (Fail, "1".to_owned()));
    }
    let elsewhere = told(&|readings| {
        let mut other = first.clone();
        other.rule = "namesake".to_owned();
        let of_other = series(&environment, &other, GateMetric::Invocations, &[("14:04:00", 5)]);
        for rule in &environment.rules {
            readings.metrics.get_mut(&rule.name).unwrap().insert(GateMetric::Invocations, of_other.clone());
        }
    });
    assert_eq!(verdict(&elsewhere, "traffic").0, Unknown, "of another rule's metric");
}

#[test]
fn an_archive_has_to_be_there_and_on_and_of_the_bus() {
    let environment = dev();
    for (expected, change) in [
        (Pass, &(|archive: &mut ArchiveFact| archive.events = 9) as &dyn Fn(&mut ArchiveFact)),
        (Fail, &|archive: &mut ArchiveFact| archive.state = "DISABLED".to_owned()),
        (Fail, &|archive: &mut ArchiveFact| archive.bus_arn = "arn:event-bus/other".to_owned()),
    ] {
        let mut readings = flowed(&environment);
        if let Ok(Answer { value: Some(archive), .. }) = &mut readings.archive {
            change(archive);
        }
        assert_eq!(verdict(&asked(&environment, &readings, |_| {}), "archive").0, expected);
    }
    let gone = Readings { archive: answered(None), ..flowed(&environment) };
    assert_eq!(verdict(&asked(&environment, &gone, |_| {}), "archive").0, Fail);
    let denied = Readings { archive: Err("denied".to_owned()), ..flowed(&environment) };
    assert_eq!(verdict(&asked(&environment, &denied, |_| {}), "archive").0, Unknown);
}

#[test]
fn a_queue_has_to_be_empty_a_minute_after_the_answer() {
    let environment = dev();
    let queue = environment.dlqs[0].clone();
    let name = format!("dlq:{queue}");
    let holding = |visible, when: &str| {
        let mut readings = Readings { at: at(when), ..flowed(&environment) };
        readings.dlqs.insert(queue.clone(), answered(DlqDepth { visible, ..DlqDepth::default() }));
        asked(&environment, &readings, |_| {})
    };
    assert_eq!(verdict(&holding(0, "14:04:24"), &name).0, Inconclusive, "it may still come");
    assert_eq!(verdict(&holding(0, "14:04:25"), &name).0, Pass);
    assert_eq!(verdict(&holding(1, "14:05:00"), &name).0, Inconclusive, "as before, but not empty");
    assert_eq!(verdict(&holding(2, "14:03:30"), &name), (Fail, "1 → 2".to_owned()));
    let mut unread = flowed(&environment);
    unread.dlqs.clear();
    assert_eq!(verdict(&asked(&environment, &unread, |_| {}), &name).0, Unknown);
}
