//! Journals of production: approvals, safeguards, notices, pauses, the rollback's click, a freeze.

use jiff::{SignedDuration, Timestamp};

use super::{OFF, ON, RULES, Story, alice, bob, change, check, id, rule, start, traffic};
use crate::domain::*;

pub fn carol() -> Actor {
    Actor::Slack { user: "U0CAROL".to_owned(), team: "T0HOME".to_owned() }
}

fn promote(at: Option<Timestamp>) -> Command {
    Command::Promote {
        environment: "prod".to_owned(),
        version: None,
        at,
        reason: Some("Go live with signals and rebalancing".to_owned()),
    }
}

/// The two rules of these stories.
const TWO: [&str; 2] = [RULES[0], RULES[1]];

fn hour() -> SignedDuration {
    SignedDuration::from_hours(1)
}

/// Tell, then each rule enabled, watched for an hour and checked, then an hour more for all.
fn steps() -> Vec<Step> {
    let step = |id: &str, kind, undo| Step { id: super::id(id), kind, undo, needs_person: false };
    let poll = SignedDuration::from_mins(1);
    let mut steps = vec![step("notify", StepKind::Notify { patience: SignedDuration::from_mins(10) }, None)];
    for (index, name) in TWO.into_iter().enumerate() {
        let bus = "alchemiser-trading-events-prod".to_owned();
        let also = TWO[..index].iter().map(|name| rule(name)).collect();
        let set = StepKind::SetRule { rule: rule(name), bus, from: OFF, to: ON };
        steps.push(step(&format!("enable:{name}"), set, Some(OFF)));
        steps.push(step(
            &format!("watch:{name}"),
            StepKind::Watch { rule: rule(name), lasting: hour(), poll, also },
            None,
        ));
        let settle = SignedDuration::from_mins(2);
        let gate = StepKind::Gate { rule: rule(name), settle, on_inconclusive: OnInconclusive::Finish };
        steps.push(step(&format!("gate:{name}"), gate, None));
    }
    let rules = TWO.map(rule).to_vec();
    steps.push(step("watch-all", StepKind::WatchAll { rules, lasting: hour(), poll }, None));
    steps
}

fn notify() -> Vec<Destination> {
    vec![Destination::Slack("C0OPS".to_owned()), Destination::Topic("alchemiser-alarms-prod".to_owned())]
}

/// A plan of production. What is found in alarm makes it another plan.
fn plan(command: &Command, steps: Vec<Step>, alarms: &[&str], on_gate_failure: OnGateFailure) -> Event {
    let version =
        Version { label: Some("v4.1.0".to_owned()), artefact: "q83vEjRWeJA=".to_owned(), template: "ab12".to_owned() };
    let plan = Plan {
        version: PLAN_VERSION,
        command: command.clone(),
        environment: "prod".to_owned(),
        steps,
        on_gate_failure,
        approval: Some(PlannedApproval { needed: 1, expires: SignedDuration::from_mins(30) }),
        world: Some(World {
            alarms: alarms.iter().map(|name| (*name).to_owned()).collect(),
            version: Some(version),
            settings: String::new(),
            safeguards: Default::default(),
        }),
        notify: notify(),
    };
    Event::Planned { digest: plan.digest(), plan }
}

fn safeguards(soak: Verdict) -> Event {
    let (value, reason) = match soak {
        Verdict::Pass => ("26 h", "healthy in dev since Sun 12:30 UTC"),
        _ => ("14 h", "10 h are left, until Tue 00:30 UTC, unless something fails in dev"),
    };
    Event::Safeguarded {
        checks: vec![
            check("soak", "Soak in dev", soak, value, "24 h", reason),
            check("version", "Version", Verdict::Pass, "v4.1.0 in dev and prod", "the same", ""),
            check("progressive", "One rule an hour", Verdict::Pass, "1 h each", "1 h", ""),
            check("watched", "Watched afterwards", Verdict::Pass, "1 h", "1 h", ""),
            check("rehearsal", "Rehearsed rollback", Verdict::Inconclusive, "", "", "not configured"),
            check("window", "Window", Verdict::Pass, "open until Mon 09:30 EST", "the whole run", ""),
            check("stakeholders", "Stakeholders", Verdict::Pass, "2", "at least 1", ""),
            check("freeze", "No freeze", Verdict::Pass, "none", "none", ""),
            check("lock", "No lock", Verdict::Pass, "none", "none", ""),
        ],
    }
}

impl Story {
    fn digest(&self) -> PlanDigest {
        self.run().plan.unwrap().1
    }

    fn ask(self, subject: Subject, needed: u32) -> Self {
        let until = self.now + SignedDuration::from_mins(30);
        let digest = self.digest();
        self.then(Event::ApprovalAsked { subject, digest, needed, until })
    }

    fn approved(self, subject: Subject, actor: Actor, note: Option<&str>) -> Self {
        let digest = self.digest();
        let note = note.map(str::to_owned);
        self.then(Event::Approved { subject, digest, actor, note, stepped_up: false })
    }

    fn cleared(self) -> Self {
        let digest = self.digest();
        self.then(Event::Locked).then(super::facts(&[])).then(Event::Cleared { digest })
    }

    fn told(self, moment: Moment, ts: &str) -> Self {
        let [channel, topic] = <[Destination; 2]>::try_from(notify()).unwrap();
        self.then(Event::Delivered { moment, to: channel, receipt: ts.to_owned() }).then(Event::Delivered {
            moment,
            to: topic,
            receipt: "8f0c1c1e-0000-5000-8000-000000000001".to_owned(),
        })
    }

    /// Cleared, stakeholders told, and the first rule enabled and being watched.
    fn begun_in_production(self) -> Self {
        self.cleared()
            .started("notify")
            .after(3)
            .told(Moment::Before, "1795446400.000100")
            .finished("notify", StepStatus::Done, "2 of 2 were told")
            .started(&format!("enable:{}", TWO[0]))
            .applied(&format!("enable:{}", TWO[0]), OFF, ON)
            .finished(&format!("enable:{}", TWO[0]), StepStatus::Done, "")
            .started(&format!("watch:{}", TWO[0]))
            .after(600)
            .checked(&format!("watch:{}", TWO[0]), watched(TWO[0], "0", "OK"))
    }

    /// A rule's watch and gate, well.
    fn proven(self, name: &str) -> Self {
        let (watch, gate) = (format!("watch:{name}"), format!("gate:{name}"));
        self.after(3000)
            .checked(&watch, watched(name, "7", "OK"))
            .finished(&watch, StepStatus::Done, "")
            .started(&gate)
            .after(120)
            .checked(&gate, watched(name, "9", "OK"))
            .finished(&gate, StepStatus::Done, "all checks pass")
    }

    fn second_rule(self) -> Self {
        let (set, watch) = (format!("enable:{}", TWO[1]), format!("watch:{}", TWO[1]));
        self.started(&set)
            .applied(&set, OFF, ON)
            .finished(&set, StepStatus::Done, "")
            .started(&watch)
            .after(600)
            .checked(&watch, watched(TWO[1], "2", "OK"))
            .proven(TWO[1])
    }

    fn end_of_promotion(self) -> Self {
        self.ended(
            Outcome::Succeeded,
            "Both rules are enabled and healthy.",
            &[(TWO[0], ON), (TWO[1], ON), (RULES[2], OFF), (RULES[3], OFF)],
            &["rollback prod", "verify prod"],
        )
        .after(2)
        .told(Moment::After, "1795455000.000200")
    }
}

/// The checks of a watch, an alarm's state among them.
fn watched(rule: &str, invocations: &str, alarm: &str) -> Vec<Check> {
    let mut checks = traffic(rule, invocations, "0");
    let verdict = if alarm == "OK" { Verdict::Pass } else { Verdict::Inconclusive };
    checks.push(check("alarms", "Alarms", verdict, alarm, "all OK", "An alarm without data proves nothing."));
    checks
}

fn asked(command: Command, soak: Verdict) -> Story {
    let planned = plan(&command, steps(), &[], OnGateFailure::Hold);
    Story::of(command).then(super::facts(&[])).then(safeguards(soak)).then(planned).ask(Subject::Plan, 1)
}

pub fn promoted() -> Story {
    let story = asked(promote(None), Verdict::Pass)
        .after(300)
        .approved(Subject::Plan, bob(), Some("looks right"))
        .begun_in_production()
        .proven(TWO[0])
        .second_rule()
        .started("watch-all");
    story
        .after(60)
        .checked("watch-all", watched(TWO[1], "11", "OK"))
        .after(1200)
        .checked("watch-all", watched(TWO[1], "13", "alchemiser-lambda-errors-prod: no data"))
        .after(60)
        .checked("watch-all", watched(TWO[1], "14", "alchemiser-lambda-errors-prod: no data"))
        .after(600)
        .checked("watch-all", watched(TWO[1], "21", "OK"))
        .after(1680)
        .finished("watch-all", StepStatus::Done, "")
        .end_of_promotion()
}

pub fn rejected_with_a_reason() -> Story {
    let story = asked(promote(None), Verdict::Pass).after(120);
    let digest = story.digest();
    story
        .then(Event::Rejected {
            subject: Subject::Plan,
            digest,
            actor: bob(),
            reason: "not before the auditors' call".to_owned(),
        })
        .ended(Outcome::Refused, "bob rejected the plan; nothing was done.", &[(TWO[0], OFF), (TWO[1], OFF)], &[])
}

pub fn expired() -> Story {
    asked(promote(None), Verdict::Pass)
        .after(900)
        .then(Event::Reminded { subject: Subject::Plan })
        .after(600)
        .then(Event::Escalated {
            actor: Actor::Alch,
            contact: "S0ONCALL".to_owned(),
            reason: "the approval of R-12 lapses in 5 min".to_owned(),
        })
        .after(300)
        .then(Event::Lapsed { subject: Subject::Plan })
        .ended(
            Outcome::Expired,
            "Nobody approved within 30 min; nothing was done.",
            &[(TWO[0], OFF), (TWO[1], OFF)],
            &["promote prod"],
        )
}

pub fn drifted_and_approved_again() -> Story {
    let command = promote(None);
    let planned = plan(&command, steps(), &["alchemiser-lambda-errors-prod"], OnGateFailure::Hold);
    asked(command, Verdict::Pass)
        .after(300)
        .approved(Subject::Plan, bob(), None)
        .then(Event::Locked)
        .then(super::facts(&[]))
        .then(Event::Drifted {
            differences: vec!["alchemiser-lambda-errors-prod is in ALARM now, and was not".to_owned()],
        })
        .then(safeguards(Verdict::Pass))
        .then(planned)
        .ask(Subject::Plan, 1)
        .after(60)
        .approved(Subject::Plan, carol(), Some("known, see the incident"))
        .begun_in_production()
}

pub fn overridden_and_scheduled() -> Story {
    let at = start() + SignedDuration::from_hours(14);
    let story = asked(promote(Some(at)), Verdict::Fail).after(60);
    let digest = story.digest();
    story
        .then(Event::Overridden {
            safeguard: "soak".to_owned(),
            digest,
            actor: carol(),
            reason: "the fix for last night's incident".to_owned(),
        })
        .after(60)
        .approved(Subject::Plan, bob(), None)
        .after(60)
        .approved(Subject::Plan, carol(), Some("agreed on the phone"))
}

pub fn objected_and_resumed() -> Story {
    asked(promote(None), Verdict::Pass)
        .after(300)
        .approved(Subject::Plan, bob(), None)
        .begun_in_production()
        .then(Event::Paused {
            actor: carol(),
            reason: Some("the exchange has announced a halt at 16:00".to_owned()),
            objection: true,
        })
        .after(900)
        .then(Event::Resumed { actor: bob() })
}

/// The gate of the first rule fails, a person is asked and tries again.
pub fn failed_and_retried() -> Story {
    let gate = format!("gate:{}", TWO[0]);
    let until = start() + SignedDuration::from_hours(6);
    asked(promote(None), Verdict::Pass)
        .after(300)
        .approved(Subject::Plan, bob(), None)
        .begun_in_production()
        .after(3000)
        .finished(&format!("watch:{}", TWO[0]), StepStatus::Done, "")
        .started(&gate)
        .after(120)
        .checked(&gate, traffic(TWO[0], "9", "2"))
        .finished(&gate, StepStatus::Failed, "2 invocations failed, 0 are allowed.")
        .then(Event::Asked {
            step: id(&gate),
            question:
                "The gate of signal-generated failed, and the rule stays enabled. Try again, undo, skip or cancel?"
                    .to_owned(),
            until,
        })
        .after(60)
        .then(Event::Answered { step: id(&gate), answer: Answer::Retry, actor: alice() })
}

pub fn skipped_in_production() -> Story {
    let watch = format!("watch:{}", TWO[0]);
    let skip = Subject::Skip(id(&watch));
    asked(promote(None), Verdict::Pass)
        .after(300)
        .approved(Subject::Plan, bob(), None)
        .begun_in_production()
        .then(Event::SkipRequested { step: id(&watch), actor: alice(), reason: "no traffic before Monday".to_owned() })
        .ask(skip.clone(), 1)
        .after(60)
        .approved(skip, bob(), Some("fine"))
        .finished(&watch, StepStatus::Skipped, "left out for alice, approved by bob: no traffic before Monday")
        .ended(
            Outcome::Unproven,
            "signal-generated is enabled, not yet proven.",
            &[(TWO[0], ON), (TWO[1], OFF)],
            &["disable signal-generated prod"],
        )
}

/// Each rule of a promotion with a go-ahead of its own; the second one's is still open.
pub fn go_ahead_of_a_step() -> Story {
    let second = id(&format!("enable:{}", TWO[1]));
    asked(promote(None), Verdict::Pass)
        .after(300)
        .approved(Subject::Plan, bob(), None)
        .begun_in_production()
        .proven(TWO[0])
        .ask(Subject::Step(second), 1)
}

/// Somebody cannot be told, so nothing is done.
pub fn untold() -> Story {
    let [channel, topic] = <[Destination; 2]>::try_from(notify()).unwrap();
    asked(promote(None), Verdict::Pass)
        .after(300)
        .approved(Subject::Plan, bob(), None)
        .cleared()
        .started("notify")
        .after(600)
        .then(Event::Delivered { moment: Moment::Before, to: topic, receipt: "8f0c1c1e".to_owned() })
        .then(Event::Undelivered {
            moment: Moment::Before,
            to: channel,
            problem: "not_in_channel: invite the bot to the channel".to_owned(),
        })
        .finished("notify", StepStatus::Failed, "1 of 2 could not be told")
        .ended(
            Outcome::Failed,
            "Nothing was done: a stakeholder could not be told.",
            &[(TWO[0], OFF)],
            &["promote prod"],
        )
}

/// The card of a rollback that nobody has clicked yet.
pub fn rollback_offered() -> Story {
    let command = Command::Rollback { environment: "prod".to_owned() };
    let rules: Vec<Rule> = RULES.iter().map(|name| rule(name)).collect();
    let kind = StepKind::DisableAll { rules, bus: "alchemiser-trading-events-prod".to_owned() };
    let step = Step { id: id("disable-all"), kind, undo: None, needs_person: false };
    let planned = plan(&command, vec![step], &[], OnGateFailure::Hold);
    Story::of(command).then(planned).ask(Subject::Plan, 1)
}

pub fn rollback_clicked() -> Story {
    let outcome = |name: &str| RuleOutcome {
        rule: rule(name),
        before: Some(if TWO.contains(&name) { ON } else { OFF }),
        after: Some(OFF),
        attempts: 1,
        elapsed_ms: 310,
        error: None,
    };
    rollback_offered()
        .after(4)
        .approved(Subject::Plan, alice(), None)
        .started("disable-all")
        .after(1)
        .then(Event::RulesDisabled { rules: RULES.map(outcome).to_vec(), elapsed_ms: 640, verified: true })
        .finished("disable-all", StepStatus::Done, "")
        .ended(
            Outcome::Succeeded,
            "All 4 rules of prod are off, verified in 0.6 s.",
            &RULES.map(|name| (name, OFF)),
            &["status prod", "restore prod"],
        )
        .then(Event::Escalated {
            actor: Actor::Alch,
            contact: "S0ONCALL".to_owned(),
            reason: "prod was rolled back".to_owned(),
        })
        .told(Moment::After, "1795446500.000100")
}

pub fn rollback_lapsed() -> Story {
    rollback_offered().after(1800).then(Event::Lapsed { subject: Subject::Plan }).ended(
        Outcome::Expired,
        "Nobody clicked within 30 min; nothing was turned off.",
        &[],
        &["rollback prod"],
    )
}

pub fn frozen() -> Story {
    let command = Command::Hold {
        kind: HoldKind::Freeze,
        environment: "prod".to_owned(),
        reason: "exchange incident".to_owned(),
        lasting: Some(SignedDuration::from_hours(4)),
    };
    Story::of(command)
        .then(Event::Held {
            hold: Hold {
                kind: HoldKind::Freeze,
                run: RunId(12),
                by: alice(),
                reason: "exchange incident".to_owned(),
                since: start(),
                until: Some(start() + SignedDuration::from_hours(4)),
            },
        })
        .ended(Outcome::Succeeded, "prod is frozen until 18:30 UTC.", &[], &["unfreeze prod"])
}

pub fn unfrozen() -> Story {
    Story::of(Command::Release { kind: HoldKind::Freeze, environment: "prod".to_owned() })
        .then(Event::Released { hold: HoldKind::Freeze })
        .ended(Outcome::Succeeded, "prod is not frozen any more.", &[], &[])
}

/// A dev run that somebody pauses and whose watch somebody skips.
pub fn paused_and_skipped_in_dev() -> Story {
    let watch = "watch:signal-generated";
    super::begun(super::enable_first(), super::off_to_on("signal-generated"), OnGateFailure::Hold)
        .started("enable:signal-generated")
        .then(Event::Applied { step: id("enable:signal-generated"), change: change(OFF, ON) })
        .finished("enable:signal-generated", StepStatus::Done, "")
        .started(watch)
        .after(20)
        .then(Event::Paused { actor: bob(), reason: None, objection: false })
        .then(Event::SkipRequested { step: id(watch), actor: bob(), reason: "seen enough".to_owned() })
        .finished(watch, StepStatus::Skipped, "left out by bob: seen enough")
}
