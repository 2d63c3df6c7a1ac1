//! The pure part of the engine, driven through worlds made at random: whatever happens, and whenever a person or a
//! rollback steps in, a run ends, acts only while it may, and leaves things as its end says.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::conclude::conclude;
use super::next::{Next, judge, next};
use crate::config::{Config, SANDBOX_TOML};
use crate::domain::{
    Actor, Answer, ApprovalMode, Change, Check, Command, Environment, Event, Evidence, Facts, OnGateFailure,
    OnInconclusive, Origin, Outcome, Recorded, RuleFact, RuleState, Run, RunId, Selection, StepKind, StepStatus,
    Verdict,
};
use crate::runbook;

mod production;

/// More turns than any of these runs takes.
const TURNS: usize = 2_000;

#[derive(Clone, Debug)]
struct World {
    enabled: Vec<bool>,
    /// What each look finds, used in a circle.
    verdicts: Vec<Verdict>,
    /// What a person does before which turn.
    interventions: BTreeMap<usize, Intervention>,
    on_gate_failure: OnGateFailure,
    on_inconclusive: OnInconclusive,
}

#[derive(Clone, Copy, Debug)]
enum Intervention {
    Cancel,
    Preempt,
    Answer(Answer),
}

fn environment(world: &World) -> Environment {
    let (config, _) =
        Config::layered(&[("alch.toml", crate::config::ALCH_TOML), ("sandbox.toml", SANDBOX_TOML)], &BTreeMap::new())
            .unwrap();
    let mut environment = config.environments["dev"].clone();
    environment.on_gate_failure = world.on_gate_failure;
    environment.on_inconclusive = world.on_inconclusive;
    environment
}

fn check(verdict: Verdict) -> Check {
    Check {
        name: "failed-invocations".to_owned(),
        title: "Failed invocations".to_owned(),
        verdict,
        value: String::new(),
        limit: String::new(),
        reason: "because".to_owned(),
        evidence: Evidence::default(),
    }
}

/// What happened: the run at its end, and the acts in order, as (rule, state), with whether they were undone.
struct Told {
    run: Run,
    acts: Vec<(String, RuleState, bool)>,
}

/// Plays the engine's loop on a world of values.
fn play(world: &World) -> Told {
    let environment = environment(world);
    let mut now: Timestamp = "2026-11-23T03:00:00Z".parse().unwrap();
    let mut journal: Vec<Recorded> = Vec::new();
    let mut record = |events: Vec<Event>, now: Timestamp| -> Run {
        for event in events {
            let seq = i64::try_from(journal.len()).unwrap() + 1;
            journal.push(Recorded { run: RunId(1), seq, at: now, event, hash: String::new() });
        }
        Run::from_journal(&journal).unwrap()
    };
    let mut states: BTreeMap<String, RuleState> = environment
        .rules
        .iter()
        .zip(&world.enabled)
        .map(|(rule, enabled)| (rule.name.clone(), if *enabled { RuleState::Enabled } else { RuleState::Disabled }))
        .collect();
    let command = Command::Enable { rules: Selection::All, environment: "dev".to_owned() };
    let mut run = record(
        vec![Event::Requested {
            command: command.clone(),
            text: command.text(),
            actor: Actor::Alch,
            environment: "dev".to_owned(),
            origin: Origin::Terminal,
            queue: false,
            notes: Vec::new(),
        }],
        now,
    );
    let (mut polled_at, mut looks, mut acts) = (None, 0, Vec::new());
    for turn in 0..TURNS {
        match world.interventions.get(&turn) {
            Some(Intervention::Cancel) => run = record(vec![Event::CancelRequested { actor: Actor::Alch }], now),
            Some(Intervention::Preempt) => run = record(vec![Event::Preempted { by: RunId(2) }], now),
            Some(Intervention::Answer(answer)) => {
                if let Some(step) = run.steps.iter().find(|step| step.question.is_some()) {
                    let step = step.step.id.clone();
                    run = record(vec![Event::Answered { step, answer: *answer, actor: Actor::Alch }], now);
                }
            }
            None => {}
        }
        let stopped = run.cancel.is_some() || run.preempted.is_some();
        let events = match next(&run, &environment, polled_at, now) {
            Next::Ended | Next::Discard => return Told { run, acts },
            Next::Conclude => vec![conclude(&run)],
            Next::Record(events) => {
                assert!(!events.is_empty(), "a turn that records nothing would come again for ever");
                events
            }
            Next::Wait(until) => {
                assert!(until > now, "a wait that is over is no wait");
                now = until;
                continue;
            }
            Next::Clear | Next::Publish { .. } => panic!("nobody approves and nobody is told here"),
            Next::Lock => vec![Event::Locked],
            Next::Plan => {
                let fact = |state: &RuleState| RuleFact { state: *state, managed_by: None, targets: Vec::new() };
                let rules = states.iter().map(|(name, state)| (name.clone(), fact(state))).collect();
                let facts = Facts { rules, ..Facts::default() };
                let plan = runbook::plan(&command, &facts, &environment).unwrap();
                let digest = plan.digest();
                vec![Event::Observed { facts }, Event::Planned { plan, digest }]
            }
            Next::Check { step, decide } => {
                looks += 1;
                polled_at = Some(now);
                let verdict = world.verdicts[looks % world.verdicts.len()];
                // A look takes a moment.
                now = now.saturating_add(SignedDuration::from_millis(200)).unwrap();
                judge(&run, &environment, &step, vec![check(verdict)], decide, now)
            }
            Next::Apply(step) => {
                assert!(!stopped, "nothing is begun after the run was told to stop");
                assert!(run.locked, "nothing is done without the environment");
                let progress = run.step(&step).unwrap();
                let StepKind::SetRule { rule, from, to, .. } = &progress.step.kind else { panic!("{step}") };
                let before = run.steps.iter().take_while(|earlier| earlier.step.id != step);
                for earlier in before {
                    assert!(earlier.status.is_over(), "{step} before {} was over", earlier.step.id);
                    assert!(!matches!(earlier.status, StepStatus::Failed | StepStatus::Unknown));
                }
                let changed = states.insert(rule.name.clone(), *to) != Some(*to);
                if changed {
                    acts.push((rule.name.clone(), *to, false));
                }
                let change = Change { from: *from, to: *to, changed, request_ids: Vec::new(), elapsed_ms: 0 };
                let status = if changed { StepStatus::Done } else { StepStatus::Already };
                vec![
                    Event::Applied { step: step.clone(), change },
                    Event::Finished { step, status, summary: String::new() },
                ]
            }
            Next::Settle(step) => {
                vec![Event::Finished { step, status: StepStatus::Already, summary: String::new() }]
            }
            Next::Observe(step) | Next::Stop(step) => panic!("{step} has no effect that takes time"),
            Next::Undo(step) => {
                assert!(run.preempted.is_none(), "a rollback has turned everything off already");
                let progress = run.step(&step).unwrap();
                let (rule, back) = (progress.step.kind.rule().unwrap(), progress.step.undo.unwrap());
                let from = states.insert(rule.name.clone(), back).unwrap();
                acts.push((rule.name.clone(), back, true));
                let change = Change { from, to: back, changed: true, request_ids: Vec::new(), elapsed_ms: 0 };
                vec![Event::Undone { step, change }]
            }
        };
        run = record(events, now);
    }
    panic!("the run does not end: {run:#?}");
}

fn worlds() -> impl Strategy<Value = World> {
    let verdict = prop_oneof![
        6 => Just(Verdict::Pass),
        2 => Just(Verdict::Inconclusive),
        1 => Just(Verdict::Unknown),
        1 => Just(Verdict::Fail),
    ];
    let answer = prop_oneof![Just(Answer::WaitOn), Just(Answer::Continue), Just(Answer::Undo)];
    let intervention = prop_oneof![
        1 => Just(Intervention::Cancel),
        1 => Just(Intervention::Preempt),
        4 => answer.prop_map(Intervention::Answer),
    ];
    (
        prop::collection::vec(any::<bool>(), 4),
        prop::collection::vec(verdict, 1..40),
        prop::collection::btree_map(0_usize..200, intervention, 0..5),
        prop_oneof![Just(OnGateFailure::Hold), Just(OnGateFailure::Disable)],
        prop_oneof![Just(OnInconclusive::Finish), Just(OnInconclusive::Ask)],
    )
        .prop_map(|(enabled, verdicts, interventions, on_gate_failure, on_inconclusive)| World {
            enabled,
            verdicts,
            interventions,
            on_gate_failure,
            on_inconclusive,
        })
}

proptest! {
    #[test]
    fn every_run_ends_and_its_end_is_true(world in worlds()) {
        let Told { run, acts } = play(&world);
        let ended = run.ended.clone().unwrap();
        let gates = || run.steps.iter().filter(|step| matches!(step.step.kind, StepKind::Gate { .. }));
        match ended.outcome {
            Outcome::Succeeded => prop_assert!(gates().all(|gate| gate.status == StepStatus::Done)),
            Outcome::Unproven => prop_assert!(gates().any(|gate| gate.status == StepStatus::Inconclusive)),
            Outcome::Failed => prop_assert!(
                run.undoing.is_some()
                    || run.steps.iter().any(|step| matches!(step.status, StepStatus::Failed | StepStatus::Unknown))
            ),
            Outcome::Cancelled => prop_assert!(run.cancel.is_some()),
            Outcome::Preempted => prop_assert!(run.preempted.is_some()),
            Outcome::Refused | Outcome::Expired => prop_assert!(false, "nobody refuses here"),
        }
        // What the end says of the rules is what was done to them. After a rollback that is not this run's to say.
        let preempted = ended.outcome == Outcome::Preempted;
        prop_assert!(!preempted || ended.rules.is_empty());
        let mut told = BTreeMap::new();
        for (rule, state, _) in acts.iter().filter(|_| !preempted) {
            told.insert(rule.clone(), *state);
        }
        for (rule, state) in told.into_iter().filter(|_| ended.outcome != Outcome::Preempted) {
            prop_assert_eq!(ended.rules.get(&rule), Some(&state), "{}", rule);
        }
        // An abort undoes all that the run did, latest first, and nothing else.
        if run.undoing.is_some() && run.preempted.is_none() {
            let done: Vec<&String> = acts.iter().filter(|act| !act.2).map(|act| &act.0).collect();
            let mut undone: Vec<&String> = acts.iter().filter(|act| act.2).map(|act| &act.0).collect();
            undone.reverse();
            prop_assert_eq!(done, undone);
            prop_assert_eq!(run.to_undo().count(), 0);
        } else if run.undoing.is_some() {
            // A rollback that comes while it undoes ends that: what is undone by then was the latest, latest first.
            let latest_first = acts.iter().filter(|act| !act.2).map(|act| &act.0).rev();
            let undone: Vec<&String> = acts.iter().filter(|act| act.2).map(|act| &act.0).collect();
            prop_assert_eq!(latest_first.take(undone.len()).collect::<Vec<_>>(), undone);
        } else {
            prop_assert!(acts.iter().all(|act| !act.2));
        }
    }

    #[test]
    fn a_failed_gate_stops_the_run_before_the_next_rule(world in worlds()) {
        let run = play(&world).run;
        let failed = run.steps.iter().position(|step| matches!(step.status, StepStatus::Failed | StepStatus::Unknown));
        if let Some(failed) = failed {
            prop_assert!(run.steps[failed + 1..].iter().all(|step| step.status == StepStatus::Pending));
        }
    }
}
