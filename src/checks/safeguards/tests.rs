//! Every way in which a safeguard holds or does not, and what sets the soak's clock back.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::domain::{
    AlarmState, Change, Event, Facts, Origin, Outcome, Recorded, RuleFact, RuleOutcome, RuleState, RunId, Selection,
    StepId, StepStatus,
};
use crate::runbook;
use Verdict::{Fail, Inconclusive, Pass, Unknown};

/// Saturday noon in New York.
const NOW: &str = "2026-11-28T17:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}

fn ago(span: SignedDuration) -> Timestamp {
    now() - span
}

fn person(user: &str) -> Actor {
    Actor::Slack { user: user.to_owned(), team: "T1".to_owned() }
}

fn version(label: &str) -> Version {
    Version {
        label: Some(label.to_owned()),
        artefact: format!("{label}-artefact"),
        template: format!("{label}-template"),
    }
}

fn environment(name: &str) -> Environment {
    let mut environment: Environment = toml::from_str(
        r#"
        region = "us-east-1"
        stack = "s"
        bus = "the-bus"
        rules = [{ name = "one", rule = "rule-one" }, { name = "two", rule = "rule-two" }]
        function = "the-function"
        dlqs = ["the-dlq"]
        table = { name = "the-table", key = "event_id", ttl_attribute = "ttl" }
        archive = "a"
        alarm_topic = "topic"
        alarms = ["alarm-a", "alarm-b"]
        "#,
    )
    .unwrap();
    environment.name = name.to_owned();
    environment
}

fn production() -> Environment {
    let mut prod = environment("prod");
    let differs = r#"
        window = { zone = "America/New_York", allow = [{ days = ["sat"] }] }
        waits = { after_enable = "1h", poll = "1m", settle = "5m" }
        safeguards = { soak = "24h", one_rule_per = "1h", watch_after = "1h", rehearsal = "720h" }
        notify = { slack = ["C1"], topic = "topic" }
    "#;
    #[derive(serde::Deserialize)]
    struct Differs {
        window: crate::domain::Window,
        waits: crate::domain::Waits,
        safeguards: crate::domain::Safeguards,
        notify: crate::domain::Notify,
    }
    let differs: Differs = toml::from_str(differs).unwrap();
    prod.window = Some(differs.window);
    prod.waits = differs.waits;
    prod.safeguards = differs.safeguards;
    prod.notify = differs.notify;
    prod.approval = ApprovalRule::Required;
    prod.promote_from = Some("dev".to_owned());
    prod.dashboard_url = Some("https://example.com".to_owned());
    prod
}

fn facts(version: Option<Version>, state: RuleState) -> Facts {
    let rule = |name: &str| (name.to_owned(), RuleFact { state, managed_by: None, targets: vec!["t".to_owned()] });
    Facts { rules: [rule("one"), rule("two")].into(), version, ..Facts::default() }
}

fn run(id: i64, command: Command, events: Vec<(Timestamp, Event)>, begins: Timestamp) -> Run {
    let requested = Event::Requested {
        text: command.text(),
        environment: command.environment().unwrap().to_owned(),
        command,
        actor: person("U1"),
        origin: Origin::Terminal,
        queue: false,
        notes: Vec::new(),
    };
    let journal: Vec<Recorded> = std::iter::once((begins, requested))
        .chain(events)
        .zip(1..)
        .map(|((at, event), seq)| Recorded { run: RunId(id), seq, at, event, hash: String::new() })
        .collect();
    Run::from_journal(&journal).unwrap()
}

fn checked(verdict: Verdict) -> Check {
    let title = "Messages in the-dlq".to_owned();
    let (value, limit, reason) = (String::new(), String::new(), String::new());
    Check { name: "dlq".to_owned(), title, verdict, value, limit, reason, evidence: Evidence::default() }
}

fn ended(outcome: Outcome) -> Event {
    Event::Ended { outcome, summary: String::new(), rules: BTreeMap::new(), next: Vec::new() }
}

/// What the engine records of a verification that finds this. It takes ten seconds.
fn verify(id: i64, at: Timestamp, found: Option<Version>, verdict: Verdict) -> Run {
    let command = Command::Verify { environment: "dev".to_owned() };
    let facts = facts(found, RuleState::Enabled);
    let plan = runbook::plan(&command, &facts, &environment("dev")).unwrap();
    let step = StepId("checklist".to_owned());
    let (status, outcome) = match verdict {
        Pass => (StepStatus::Done, Outcome::Succeeded),
        Inconclusive => (StepStatus::Inconclusive, Outcome::Unproven),
        Unknown => (StepStatus::Unknown, Outcome::Failed),
        Fail => (StepStatus::Failed, Outcome::Failed),
    };
    let then = at + SignedDuration::from_secs(10);
    let events = vec![
        (at, Event::Observed { facts }),
        (at, Event::Planned { digest: plan.digest(), plan }),
        (at, Event::Started { step: step.clone() }),
        (then, Event::Checked { step: step.clone(), checks: vec![checked(Pass), checked(verdict)] }),
        (then, Event::Finished { step, status, summary: String::new() }),
        (then, ended(outcome)),
    ];
    run(id, command, events, at)
}

fn rollback(id: i64, at: Timestamp, outcome: Option<Outcome>) -> Run {
    let rules = environment("dev").rules.into_iter().map(|rule| RuleOutcome {
        rule,
        before: Some(RuleState::Enabled),
        after: Some(RuleState::Disabled),
        attempts: 1,
        elapsed_ms: 1,
        error: None,
    });
    let mut events = vec![(at, Event::RulesDisabled { rules: rules.collect(), elapsed_ms: 1, verified: true })];
    events.extend(outcome.map(|outcome| (at, ended(outcome))));
    run(id, Command::Rollback { environment: "dev".to_owned() }, events, at)
}

/// What the engine records of enabling rules; with `Failed` the first gate fails.
fn enable(id: i64, at: Timestamp, rules: Selection, found: Option<Version>, outcome: Outcome) -> Run {
    let command = Command::Enable { rules, environment: "dev".to_owned() };
    let facts = facts(found, RuleState::Disabled);
    let plan = runbook::plan(&command, &facts, &environment("dev")).unwrap();
    let mut events =
        vec![(at, Event::Observed { facts }), (at, Event::Planned { digest: plan.digest(), plan: plan.clone() })];
    for step in plan.steps {
        let fails = outcome == Outcome::Failed && matches!(step.kind, StepKind::Gate { .. });
        let status = if fails { StepStatus::Failed } else { StepStatus::Done };
        events.push((at, Event::Started { step: step.id.clone() }));
        if let StepKind::SetRule { from, to, .. } = step.kind {
            let change = Change { from, to, changed: true, request_ids: Vec::new(), elapsed_ms: 1 };
            events.push((at, Event::Applied { step: step.id.clone(), change }));
        }
        events.push((at, Event::Finished { step: step.id, status, summary: "2 failed invocations".to_owned() }));
        if fails {
            break;
        }
    }
    events.push((at, ended(outcome)));
    run(id, command, events, at)
}

fn alarm_change(alarm: &str, at: Timestamp, to: AlarmState) -> AlarmChange {
    AlarmChange { alarm: alarm.to_owned(), at, to }
}

/// A promotion of 1.4, for which everything is well.
struct World {
    environment: Environment,
    source: Option<Environment>,
    facts: Facts,
    command: Command,
    plan: Option<Plan>,
    asked: Option<String>,
    start: Timestamp,
    readings: Readings,
}

impl World {
    fn well() -> Self {
        let all_well =
            |name: &str| (name.to_owned(), AlarmStatus { state: AlarmState::Ok, reason: String::new(), since: None });
        let rehearsed = ago(hours(240));
        let mut runs = vec![
            verify(1, rehearsed - hours(1), Some(version("1.4")), Pass),
            rollback(2, rehearsed, Some(Outcome::Succeeded)),
            enable(3, rehearsed + minutes(5), Selection::All, Some(version("1.4")), Outcome::Succeeded),
        ];
        // Every hour for 25 h.
        runs.extend((0..25).map(|look| verify(4 + look, ago(hours(25 - look)), Some(version("1.4")), Pass)));
        runs.reverse();
        Self {
            environment: production(),
            source: Some(environment("dev")),
            facts: facts(Some(version("1.4")), RuleState::Disabled),
            command: Command::Promote { environment: "prod".to_owned(), version: None, at: None, reason: None },
            plan: None,
            asked: None,
            start: now(),
            readings: Readings {
                version: Ok(version("1.4")),
                source_version: Ok(version("1.4")),
                source_runs: runs,
                alarm_changes: Ok(Vec::new()),
                source_alarms: Ok([all_well("alarm-a"), all_well("alarm-b")].into()),
                source_drift: Vec::new(),
                holds: Vec::new(),
            },
        }
    }

    fn with(change: impl FnOnce(&mut Self)) -> Self {
        let mut world = Self::well();
        change(&mut world);
        world
    }

    /// A run of dev that is newer than those that it has.
    fn then(&mut self, make: impl FnOnce(i64) -> Run) {
        let id = self.readings.source_runs.first().map_or(1, |run| run.id.0 + 1);
        self.readings.source_runs.insert(0, make(id));
    }

    fn checks(&self) -> Vec<Check> {
        let planned = runbook::plan(&self.command, &self.facts, &self.environment).unwrap();
        let requester = person("U1");
        let question = Question {
            environment: &self.environment,
            source: self.source.as_ref(),
            plan: self.plan.as_ref().unwrap_or(&planned),
            requester: &requester,
            version: self.asked.as_deref(),
            start: self.start,
            now: now(),
        };
        checks(&question, &self.readings)
    }

    fn check(&self, name: &str) -> Check {
        self.checks().into_iter().find(|check| check.name == name).unwrap()
    }

    fn plan(&mut self) -> &mut Plan {
        let planned = runbook::plan(&self.command, &self.facts, &self.environment).unwrap();
        self.plan.get_or_insert(planned)
    }

    fn hold(&mut self, kind: HoldKind, by: &str, until: Option<Timestamp>) {
        let (run, by, since) = (RunId(90), person(by), ago(hours(1)));
        self.readings.holds.push(Hold { kind, run, by, reason: "year-end close".to_owned(), since, until });
    }
}

/// Each change of the world with the verdict that it brings and a part of the value and reason that people read.
fn judged(name: &str, cases: Vec<(World, Verdict, &str)>) {
    for (number, (world, verdict, part)) in cases.into_iter().enumerate() {
        let check = world.check(name);
        assert_eq!(check.verdict, verdict, "case {number}: {check:#?}");
        let text = format!("{} | {}", check.value, check.reason);
        assert!(text.contains(part), "case {number}: {part:?} is not in {text:?}");
        let ends = check.reason.ends_with('.');
        assert!(ends && !check.reason.contains("..") && !check.reason.contains("  "), "case {number}: {text}");
    }
}

#[test]
fn everything_passes_when_everything_is_well() {
    let checks = World::well().checks();
    let names: Vec<&str> = checks.iter().map(|check| check.name.as_str()).collect();
    let wanted = ["soak", "version", "progressive", "watched", "rehearsal", "window", "stakeholders", "freeze", "lock"];
    assert_eq!(names, wanted);
    for check in checks {
        assert_eq!(check.verdict, Pass, "{check:#?}");
        assert!(!check.evidence.query.is_empty() && !check.reason.is_empty(), "{check:#?}");
    }
}

#[test]
fn what_is_not_configured_is_inconclusive_and_says_so() {
    let mut world = World::well();
    let bare = environment("prod");
    world.environment.safeguards = Default::default();
    world.environment.notify = bare.notify;
    world.environment.window = None;
    world.source = None;
    for check in world.checks() {
        let held = ["freeze", "lock"].contains(&check.name.as_str());
        assert_eq!(check.verdict, if held { Pass } else { Inconclusive }, "{check:#?}");
        assert!(held || check.reason.starts_with("Not configured: "), "{check:#?}");
    }
}

#[test]
fn what_turns_rules_off_and_what_is_not_production_is_only_kept_by_freezes_and_locks() {
    let names = |world: &World| world.checks().into_iter().map(|check| check.name).collect::<Vec<_>>();
    let mut world = World::well();
    world.command = Command::Disable { rules: Selection::All, environment: "prod".to_owned() };
    assert_eq!(names(&world), ["freeze", "lock"]);
    let mut world = World::well();
    world.environment.approval = ApprovalRule::None;
    assert_eq!(names(&world), ["freeze", "lock"]);
    let mut world = World::well();
    world.command = Command::Enable { rules: Selection::All, environment: "prod".to_owned() };
    world.environment.safeguards.commands = vec!["enable".to_owned()];
    assert_eq!(names(&world).len(), 9);
    world.environment.safeguards.commands = vec!["promote".to_owned()];
    assert_eq!(names(&world), ["promotion", "window", "stakeholders", "freeze", "lock"]);
}

#[test]
fn only_the_version_that_was_tried_is_turned_on() {
    judged(
        "version",
        vec![
            (World::with(|w| w.readings.version = Err("timed out".to_owned())), Unknown, "of prod could not be read"),
            (
                World::with(|w| w.readings.source_version = Err("denied".to_owned())),
                Unknown,
                "of dev could not be read",
            ),
            (
                World::with(|w| w.readings.source_version = Ok(version("1.5"))),
                Fail,
                "prod runs 1.4 (1.4-arte), and dev runs another one, 1.5 (1.5-arte). Deploy",
            ),
            (
                World::with(|w| {
                    let template = "edited".to_owned();
                    w.readings.source_version = Ok(Version { template, ..version("1.4") });
                }),
                Fail,
                "the same artefact with another template",
            ),
            (World::with(|w| w.asked = Some("1.4".to_owned())), Pass, "both run 1.4"),
            (World::with(|w| w.asked = Some("1.4-artef".to_owned())), Pass, "both run 1.4"),
            (World::with(|w| w.asked = Some("1.5".to_owned())), Fail, "1.5 was asked for, and prod runs 1.4"),
            (
                World::with(|w| {
                    w.readings.version = Ok(version("1.5"));
                    w.asked = Some("1.5".to_owned());
                }),
                Fail,
                "dev runs another one",
            ),
            (
                World::with(|w| {
                    w.source = None;
                    w.asked = Some("1.4".to_owned());
                }),
                Pass,
                "as asked for",
            ),
        ],
    );
}

#[test]
fn the_soak_is_as_long_as_the_version_is_healthy() {
    let verified = |span: SignedDuration| {
        World::with(|w| w.readings.source_runs = vec![verify(1, ago(span), Some(version("1.4")), Pass)])
    };
    judged(
        "soak",
        vec![
            (World::well(), Pass, "25 verifications passed, at most 1 h without one."),
            (
                verified(hours(30)),
                Pass,
                "29 h 59 min | 1.4 (1.4-arte) has been healthy since 2026-11-27 11:00 UTC (R-1)",
            ),
            (verified(hours(30)), Pass, "1 verification passed, at most 29 h 59 min without one."),
            (verified(hours(24)), Fail, "23 h 59 min of 24 h"),
            (verified(minutes(18 * 60 + 20)), Fail, "5 h 40 min are left: 2026-11-28 22:40 UTC if all stays well."),
            (World::with(|w| w.readings.source_runs.clear()), Fail, "none of 24 h | No verification of 1.4"),
            (
                World::with(|w| w.readings.version = Err("timed out".to_owned())),
                Unknown,
                "could not be read: Timed out.",
            ),
            (
                World::with(|w| w.readings.source_version = Err("denied".to_owned())),
                Unknown,
                "of dev could not be read",
            ),
            (World::with(|w| w.readings.alarm_changes = Err("denied".to_owned())), Unknown, "is not known: Denied."),
            (World::with(|w| w.readings.source_alarms = Err("denied".to_owned())), Unknown, "is not known: Denied."),
            (
                World::with(|w| w.readings.source_alarms.as_mut().unwrap().retain(|name, _| name == "alarm-a")),
                Unknown,
                "There is no alarm alarm-b in dev.",
            ),
            (World::with(|w| w.source = None), Unknown, "`promote_from` is not set for prod"),
            // A version that could not be read, or a checklist that could not tell, starts nothing.
            (
                World::with(|w| w.readings.source_runs = vec![verify(1, ago(hours(30)), None, Pass)]),
                Fail,
                "No verification of 1.4",
            ),
            (
                World::with(|w| {
                    w.readings.source_runs = vec![verify(1, ago(hours(30)), Some(version("1.4")), Inconclusive)];
                }),
                Fail,
                "No verification of 1.4",
            ),
        ],
    );
}

#[test]
fn what_goes_wrong_in_the_source_sets_the_clock_back() {
    let same = || Some(version("1.4"));
    let half = ago(minutes(90));
    let trouble = |make: &dyn Fn(i64) -> Run| World::with(|w| w.then(make));
    judged(
        "soak",
        vec![
            (
                trouble(&|id| verify(id, half, same(), Fail)),
                Fail,
                "verify of R-29 failed (Messages in the-dlq). No verif",
            ),
            (trouble(&|id| verify(id, half, Some(version("1.5")), Pass)), Fail, "R-29 found another version, 1.5"),
            (trouble(&|id| rollback(id, half, Some(Outcome::Succeeded))), Fail, "dev was rolled back (R-29)"),
            (trouble(&|id| rollback(id, half, Some(Outcome::Failed))), Fail, "dev was rolled back (R-29)"),
            (trouble(&|id| rollback(id, ago(hours(30)), None)), Fail, "none of 24 h"),
            (trouble(&|id| enable(id, half, Selection::All, same(), Outcome::Failed)), Fail, "enable of R-29 failed"),
            (
                trouble(&|id| enable(id, half, Selection::All, Some(version("1.3")), Outcome::Succeeded)),
                Fail,
                "R-29 found another version, 1.3",
            ),
            (
                World::with(|w| w.readings.source_version = Ok(version("1.5"))),
                Fail,
                "dev runs another version now, 1.5",
            ),
            (
                World::with(|w| w.readings.source_drift = vec!["one".to_owned()]),
                Fail,
                "one in dev are not as they were last left",
            ),
            (
                World::with(|w| {
                    w.readings.source_alarms.as_mut().unwrap().get_mut("alarm-b").unwrap().state = AlarmState::Alarm;
                }),
                Fail,
                "alarm-b is in ALARM.",
            ),
        ]
        .into_iter()
        // The trouble of 90 minutes ago is over for the hourly look of 60 minutes ago, which had a lower number.
        .map(|(mut world, verdict, part)| {
            world.readings.source_runs.retain(|run| run.requested_at <= half || run.id.0 > 28);
            (world, verdict, part)
        })
        .collect(),
    );
}

#[test]
fn an_alarm_sets_the_clock_back_until_it_is_over() {
    let changes = |changes: &[(i64, AlarmState)]| {
        let changes = changes.iter().map(|(before, to)| alarm_change("alarm-a", ago(minutes(*before)), *to)).collect();
        World::with(|w| w.readings.alarm_changes = Ok(changes))
    };
    use AlarmState::{Alarm, InsufficientData, Ok as Fine};
    judged(
        "soak",
        vec![
            // Before the first verification, and changes that are none to ALARM.
            (changes(&[(1_700, Alarm), (1_690, Fine)]), Pass, "(R-4)"),
            (changes(&[(700, InsufficientData), (690, Fine)]), Pass, "(R-4)"),
            // Told in any order. The look 11 h ago is the first after it.
            (changes(&[(690, Fine), (700, Alarm)]), Fail, "(R-18). 11 verifications passed"),
            (
                changes(&[(690, Fine), (700, Alarm)]),
                Fail,
                "set back on 2026-11-28 05:30 UTC: alarm-a was in ALARM until",
            ),
            (changes(&[(700, Alarm), (30, Fine)]), Fail, "none of 24 h"),
            (changes(&[(30, Alarm)]), Fail, "alarm-a went to ALARM. No verification has passed since."),
        ],
    );
}

#[test]
fn a_verification_after_the_trouble_starts_the_clock_again() {
    let mut world = World::well();
    world.then(|id| verify(id, ago(minutes(50)), Some(version("1.4")), Fail));
    world.then(|id| verify(id, ago(minutes(40)), Some(version("1.4")), Pass));
    let check = world.check("soak");
    assert_eq!((check.verdict, check.value.as_str()), (Fail, "39 min of 24 h"));
    assert!(check.reason.contains("23 h 20 min are left"), "{}", check.reason);
    assert!(
        check.reason.contains("The clock was set back on 2026-11-28 16:10 UTC: verify of R-29"),
        "{}",
        check.reason
    );
}

#[test]
fn a_verification_that_could_not_tell_is_counted_and_changes_nothing() {
    let mut world = World::well();
    world.then(|id| verify(id, ago(minutes(50)), Some(version("1.4")), Unknown));
    world.then(|id| verify(id, ago(minutes(40)), None, Pass));
    let check = world.check("soak");
    assert_eq!(check.verdict, Pass);
    assert!(check.reason.contains(" 2 more could not tell."), "{}", check.reason);
}

#[test]
fn rules_that_are_off_while_it_soaks_are_named() {
    let mut world = World::well();
    world.readings.source_runs[0].facts.as_mut().unwrap().1.rules.get_mut("two").unwrap().state = RuleState::Disabled;
    let reason = world.check("soak").reason;
    assert!(reason.contains("Off in dev, so not tried there: two."), "{reason}");
}

#[test]
fn a_rollback_is_rehearsed_when_everything_came_up_again_with_the_same_version() {
    let same = || Some(version("1.4"));
    let one = |rule: &str| Selection::One(rule.to_owned());
    let history = |runs: Vec<Run>| {
        World::with(|w| {
            w.readings.source_runs = runs;
            w.readings.source_runs.sort_by_key(|run| -run.id.0);
        })
    };
    let back = |days: i64| rollback(2, ago(hours(24 * days)), Some(Outcome::Succeeded));
    let up = |id, rules, found, outcome| enable(id, ago(hours(4)), rules, found, outcome);
    let all = |found, outcome| up(3, Selection::All, found, outcome);
    judged(
        "rehearsal",
        vec![
            (history(vec![back(1), all(same(), Outcome::Succeeded)]), Pass, "24 h ago | R-2 turned dev off"),
            (history(vec![back(1), up(3, one("one"), same(), Outcome::Succeeded)]), Fail, "After R-2 not every rule"),
            (
                history(vec![
                    back(1),
                    up(3, one("one"), same(), Outcome::Succeeded),
                    up(4, one("two"), same(), Outcome::Succeeded),
                ]),
                Pass,
                "R-4 brought every rule up again",
            ),
            (history(vec![back(30), all(same(), Outcome::Succeeded)]), Pass, "30 d ago"),
            (history(vec![back(31), all(same(), Outcome::Succeeded)]), Fail, "That is too long ago. Rehearse it"),
            (history(vec![back(1), all(same(), Outcome::Unproven)]), Fail, "with 1.4 (1.4-arte): one, two."),
            (history(vec![back(1), all(Some(version("1.5")), Outcome::Succeeded)]), Fail, "After R-2 not every rule"),
            (history(vec![back(1), all(None, Outcome::Succeeded)]), Fail, "After R-2 not every rule"),
            (
                history(vec![
                    verify(1, ago(hours(25)), Some(version("1.3")), Pass),
                    back(1),
                    all(same(), Outcome::Succeeded),
                ]),
                Fail,
                "R-2 turned another version off than 1.4",
            ),
            (
                history(vec![rollback(2, ago(hours(9)), Some(Outcome::Failed)), all(same(), Outcome::Succeeded)]),
                Fail,
                "R-2 did not turn dev off",
            ),
            // A second rollback, from which nothing came up yet, does not undo the rehearsal before it.
            (
                history(vec![
                    back(1),
                    all(same(), Outcome::Succeeded),
                    rollback(5, ago(hours(1)), Some(Outcome::Succeeded)),
                ]),
                Pass,
                "R-2 turned dev off",
            ),
            (history(vec![all(same(), Outcome::Succeeded)]), Fail, "No rollback of dev is recorded"),
            (World::with(|w| w.readings.version = Err("denied".to_owned())), Unknown, "could not be read: Denied."),
            (World::with(|w| w.source = None), Unknown, "`promote_from` is not set"),
        ],
    );
}

#[test]
fn rules_go_on_one_at_a_time_each_watched() {
    let waits = |change: &dyn Fn(&mut crate::domain::Waits)| World::with(|w| change(&mut w.environment.waits));
    judged(
        "progressive",
        vec![
            (World::well(), Pass, "2 rules | Each rule is watched for 1 h or longer"),
            (waits(&|waits| waits.after_enable = minutes(59)), Fail, "one is watched for 59 min only; two is"),
            (waits(&|waits| waits.poll = minutes(2)), Fail, "one is looked at only every 2 min"),
            (World::with(|w| w.plan().steps.retain(|step| step.id.0 != "watch:one")), Fail, "one is not watched"),
            (World::with(|w| w.plan().steps.retain(|step| step.id.0 != "gate:two")), Fail, "two is not checked"),
            (World::with(|w| w.environment.rules.reverse()), Pass, "2 rules"),
            (World::with(|w| w.plan().environment.clear()), Pass, "2 rules"),
            (
                World::with(|w| {
                    w.plan();
                    w.environment.rules.reverse();
                }),
                Fail,
                "two is enabled after one.",
            ),
            (World::with(|w| w.plan().steps.clear()), Pass, "The plan enables nothing."),
        ],
    );
}

#[test]
fn what_is_enabled_is_watched_on_and_by_alarms() {
    judged(
        "watched",
        vec![
            (World::well(), Pass, "2 alarms are watched"),
            (World::with(|w| w.environment.dashboard_url = None), Pass, "no dashboard is linked there"),
            (World::with(|w| w.environment.alarms.clear()), Fail, "No alarms are configured for prod"),
            (World::with(|w| w.plan().steps.retain(|step| step.id.0 != "watch-all")), Fail, "not watched"),
            (
                World::with(|w| {
                    w.plan();
                    w.environment.safeguards.watch_after = Some(hours(2));
                }),
                Fail,
                "does not watch everything",
            ),
            (
                World::with(|w| {
                    for step in &mut w.plan().steps {
                        if let StepKind::WatchAll { rules, .. } = &mut step.kind {
                            rules.pop();
                        }
                    }
                }),
                Fail,
                "does not watch everything",
            ),
            (World::with(|w| w.plan().steps.clear()), Pass, "nothing to watch"),
        ],
    );
}

#[test]
fn the_whole_plan_has_to_fit_into_the_window() {
    let at = |start: &str| World::with(|w| w.start = start.parse().unwrap());
    // Two rules, an hour and five minutes each, and an hour after: 3 h 10 min.
    judged(
        "window",
        vec![
            (World::well(), Pass, "2026-11-28 17:00 UTC to 2026-11-28 20:10 UTC | All 3 h 10 min"),
            (at("2026-11-29T01:50:00Z"), Pass, "All 3 h 10 min"),
            (
                at("2026-11-29T01:51:00Z"),
                Fail,
                "closes on Sunday, 2026-11-29 at 00:00 EST. It fits from Saturday, 2026-12-05 at 00:00 EST on",
            ),
            (
                at("2026-11-27T17:00:00Z"),
                Fail,
                "closed then, and the plan needs it open for 3 h 10 min. It fits from Sat",
            ),
            (
                World::with(|w| {
                    w.start = "2026-11-27T17:00:00Z".parse().unwrap();
                    w.environment.waits.after_enable = hours(40);
                }),
                Fail,
                "There is no such time within 60 days.",
            ),
        ],
    );
}

#[test]
fn stakeholders_are_told_by_a_step() {
    judged(
        "stakeholders",
        vec![
            (World::well(), Pass, "2 destinations"),
            (World::with(|w| w.plan().steps.retain(|step| step.id.0 != "notify")), Fail, "no step that tells them"),
            (World::with(|w| w.plan().notify.clear()), Inconclusive, "Not configured"),
        ],
    );
}

#[test]
fn freezes_and_locks_keep_others_out_when_the_plan_begins() {
    use HoldKind::{Freeze, Lock};
    let held = |kind, by: &str, until| World::with(|w| w.hold(kind, by, until));
    let later = Some(now() + hours(2));
    judged(
        "freeze",
        vec![
            (
                held(Freeze, "U2", None),
                Fail,
                "frozen since 2026-11-28 16:00 UTC | prod is frozen (R-90): Year-end close.",
            ),
            (held(Freeze, "U1", later), Fail, "frozen until 2026-11-28 19:00 UTC (R-90)"),
            (held(Freeze, "U2", Some(ago(minutes(1)))), Pass, "Nobody"),
            (held(Lock, "U2", None), Pass, "Nobody"),
            (
                World::with(|w| {
                    w.hold(Freeze, "U2", Some(now() + hours(2)));
                    w.start = now() + hours(3);
                }),
                Pass,
                "not any more when the plan begins",
            ),
        ],
    );
    judged(
        "lock",
        vec![
            (held(Lock, "U2", None), Fail, "have it lifted with `unlock prod`"),
            (held(Lock, "U1", None), Pass, "by the person who asks"),
            (held(Freeze, "U2", None), Pass, "Nobody"),
        ],
    );
}

#[test]
fn a_soak_is_looked_at_every_hour_until_the_version_is_promoted() {
    let verified = ago(minutes(90));
    let by_us = |mut run: Run| {
        run.actor = Actor::Alch;
        run
    };
    let first = || verify(1, verified, Some(version("1.4")), Pass);
    let due = |runs: &[Run], promotions: &[Run], now: Timestamp| {
        verify_due(hours(24), runs, promotions, now).map(|due| due.duration_since(verified).as_mins())
    };
    assert_eq!(due(&[], &[], now()), None);
    assert_eq!(due(&[first()], &[], verified + minutes(1)), Some(60));
    assert_eq!(due(&[first()], &[], now()), Some(90), "overdue is now");
    let second = || by_us(verify(2, verified + minutes(60), Some(version("1.4")), Pass));
    assert_eq!(due(&[second(), first()], &[], now()), Some(120));
    // One that fails does not end it: the next that passes starts the clock again.
    let failed = by_us(verify(3, verified + minutes(120), Some(version("1.4")), Fail));
    assert_eq!(due(&[failed, second(), first()], &[], now()), Some(180));
    let mut live = second();
    live.ended = None;
    assert_eq!(due(&[live, first()], &[], now()), None, "one at a time");
    // Only what somebody asked for and what passed starts it.
    assert_eq!(due(&[second()], &[], now()), None);
    assert_eq!(due(&[verify(1, verified, Some(version("1.4")), Fail)], &[], now()), None);
    assert_eq!(due(&[verify(1, verified, None, Pass)], &[], now()), None);
    // For seven days, and longer where the soak is.
    let week = verified + hours(7 * 24);
    assert_eq!(due(&[first()], &[], week), Some(7 * 24 * 60));
    assert_eq!(due(&[first()], &[], week + minutes(1)), None);
    assert!(verify_due(hours(24 * 10), &[first()], &[], week + minutes(1)).is_some());
    let promote = |found: &str, outcome| {
        let command = Command::Promote { environment: "prod".to_owned(), version: None, at: None, reason: None };
        let facts = facts(Some(version(found)), RuleState::Disabled);
        let events = vec![(verified, Event::Observed { facts }), (verified + minutes(70), ended(outcome))];
        run(9, command, events, verified)
    };
    assert_eq!(due(&[first()], &[promote("1.4", Outcome::Succeeded)], now()), None);
    assert_eq!(due(&[first()], &[promote("1.4", Outcome::Failed)], now()), Some(90));
    assert_eq!(due(&[first()], &[promote("1.3", Outcome::Succeeded)], now()), Some(90));
    assert_eq!(
        due(&[verify(10, now(), Some(version("1.4")), Pass)], &[promote("1.4", Outcome::Succeeded)], now()),
        Some(150)
    );
}

/// Something that happens in dev.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Happens {
    Verified(Verdict),
    OtherVersion,
    Unreadable,
    RolledBack,
    Enabled,
    GateFailed,
    Alarm(AlarmState),
}

fn happenings() -> impl Strategy<Value = Happens> {
    prop_oneof![
        8 => Just(Happens::Verified(Pass)),
        1 => prop::sample::select(vec![Inconclusive, Unknown, Fail]).prop_map(Happens::Verified),
        1 => prop::sample::select(vec![Happens::OtherVersion, Happens::Unreadable, Happens::RolledBack]),
        1 => prop::sample::select(vec![Happens::Enabled, Happens::GateFailed]),
        1 => prop::sample::select(vec![AlarmState::Alarm, AlarmState::Ok]).prop_map(Happens::Alarm),
    ]
}

proptest! {
    #[test]
    fn a_soak_passes_exactly_after_so_long_without_anything_bad_from_a_passing_verification_on(
        past in prop::collection::btree_map(1..2_880_i64, happenings(), 0..12),
    ) {
        let mut world = World::well();
        let same = || Some(version("1.4"));
        world.readings.source_runs.clear();
        let mut changes = Vec::new();
        let mut ringing = false;
        // Whether each minute's happening is bad: told here once more, by the minute.
        let mut bad_minutes = Vec::new();
        for (before, happens) in past.iter().rev() {
            let at = ago(minutes(*before));
            let bad = match happens {
                Happens::Verified(verdict) => {
                    world.then(|id| verify(id, at, same(), *verdict));
                    *verdict == Fail
                }
                Happens::OtherVersion => {
                    world.then(|id| verify(id, at, Some(version("1.3")), Pass));
                    true
                }
                Happens::Unreadable => {
                    world.then(|id| verify(id, at, None, Pass));
                    false
                }
                Happens::RolledBack => {
                    world.then(|id| rollback(id, at, Some(Outcome::Succeeded)));
                    true
                }
                Happens::Enabled => {
                    world.then(|id| enable(id, at, Selection::All, same(), Outcome::Succeeded));
                    false
                }
                Happens::GateFailed => {
                    world.then(|id| enable(id, at, Selection::All, same(), Outcome::Failed));
                    true
                }
                Happens::Alarm(to) => {
                    changes.push(alarm_change("alarm-a", at, *to));
                    let was = std::mem::replace(&mut ringing, *to == AlarmState::Alarm);
                    was || ringing
                }
            };
            bad_minutes.extend(bad.then_some(*before));
        }
        world.readings.alarm_changes = Ok(changes);
        if ringing {
            world.readings.source_alarms.as_mut().unwrap().get_mut("alarm-a").unwrap().state = AlarmState::Alarm;
        }
        let last_bad = if ringing { 0 } else { bad_minutes.iter().min().copied().unwrap_or(i64::MAX) };
        let passes = past.iter().filter(|(_, happens)| **happens == Happens::Verified(Pass));
        // A verification takes ten seconds, so that of 24 h ago has a minute to go.
        let shown = passes.clone().any(|(before, _)| *before > 24 * 60 && *before < last_bad);
        let check = world.check("soak");
        prop_assert_eq!(check.verdict == Pass, shown, "{:#?}", check);
        prop_assert!(check.verdict == Pass || check.verdict == Fail);
    }
}
