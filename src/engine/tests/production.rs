//! Production runs in worlds made at random, against people who click whatever they like whenever they like: nothing is
//! done there that enough different people have not approved, for exactly the plan that is carried out.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::domain::{Destination, Moment, PlanDigest, Subject};

/// What somebody does before a turn; none of it has passed the policy.
#[derive(Clone, Debug)]
enum Click {
    /// Approve what is asked: by which person, with the digest of which plan so far, about which subject.
    Approve(u8, usize, bool),
    Reject(u8, usize),
    Override(u8),
    Cancel,
    Preempt,
    Pause,
    Resume,
    Skip,
    Answer(Answer),
    /// Time goes by.
    Dawdle(u16),
}

#[derive(Clone, Debug)]
struct Production {
    needed: u32,
    each: bool,
    clicks: BTreeMap<usize, Click>,
    verdicts: Vec<Verdict>,
    /// Whether the world has moved, at each look after an approval.
    moves: Vec<bool>,
    /// Whether a notice is delivered, each in turn.
    delivered: Vec<bool>,
    on_gate_failure: OnGateFailure,
}

fn person(number: u8) -> Actor {
    Actor::Slack { user: format!("U{number}"), team: "T1".to_owned() }
}

fn production(world: &Production) -> Environment {
    let (config, _) =
        Config::layered(&[("alch.toml", crate::config::ALCH_TOML), ("sandbox.toml", SANDBOX_TOML)], &BTreeMap::new())
            .unwrap();
    let mut environment = config.environments["prod"].clone();
    environment.approvals.needed = world.needed;
    environment.approvals.approve = if world.each { ApprovalMode::Each } else { ApprovalMode::Plan };
    environment.on_gate_failure = world.on_gate_failure;
    environment.safeguards.commands = vec!["enable".to_owned()];
    environment.safeguards.watch_after = Some(SignedDuration::from_secs(10));
    environment.notify.slack = vec!["C1".to_owned()];
    environment.notify.topic = Some("topic".to_owned());
    environment
}

/// Whether the journal shows enough approvals for carrying out `digest` now, told from the events alone.
fn is_covered(journal: &[Recorded], digest: &PlanDigest, subject: &Subject) -> bool {
    let (mut needed, mut until, mut people) = (u32::MAX, Timestamp::MIN, BTreeSet::new());
    let mut overridden = false;
    for recorded in journal {
        match &recorded.event {
            Event::ApprovalAsked { subject: asked, digest: of, needed: number, until: end } if asked == subject => {
                people.clear();
                overridden = false;
                (needed, until) = if of == digest { (*number, *end) } else { (u32::MAX, Timestamp::MIN) };
            }
            Event::Overridden { digest: of, .. }
                if of == digest
                    && *subject == Subject::Plan
                    && people.len() < needed as usize
                    && recorded.at < until =>
            {
                overridden = true;
            }
            Event::Approved { subject: about, digest: of, actor, .. }
                if about == subject && of == digest && recorded.at < until =>
            {
                people.insert(format!("{actor:?}"));
            }
            _ => {}
        }
    }
    let needed = needed.saturating_add(u32::from(overridden && needed < u32::MAX));
    people.len() >= needed as usize
}

fn play_production(world: &Production) -> Run {
    let environment = production(world);
    let mut now: Timestamp = "2026-11-23T03:00:00Z".parse().unwrap();
    let mut journal: Vec<Recorded> = Vec::new();
    fn record(journal: &mut Vec<Recorded>, events: Vec<Event>, now: Timestamp) -> Run {
        for event in events {
            let seq = i64::try_from(journal.len()).unwrap() + 1;
            journal.push(Recorded { run: RunId(1), seq, at: now, event, hash: String::new() });
        }
        Run::from_journal(journal).unwrap()
    }
    let mut states: BTreeMap<String, RuleState> =
        environment.rules.iter().map(|rule| (rule.name.clone(), RuleState::Disabled)).collect();
    let command = Command::Enable { rules: Selection::All, environment: "prod".to_owned() };
    let requested = Event::Requested {
        command: command.clone(),
        text: command.text(),
        actor: person(0),
        environment: "prod".to_owned(),
        origin: Origin::Terminal,
        queue: true,
        notes: Vec::new(),
    };
    let mut run = record(&mut journal, vec![requested], now);
    let mut digests: Vec<PlanDigest> = Vec::new();
    let (mut polled_at, mut looks, mut clears, mut notices, mut alarms) = (None, 0, 0, 0, 0);
    let plan_of = |states: &BTreeMap<String, RuleState>, alarms: usize| {
        let fact = |state: &RuleState| RuleFact { state: *state, managed_by: None, targets: Vec::new() };
        let rules = states.iter().map(|(name, state)| (name.clone(), fact(state))).collect();
        let facts = Facts { rules, ..Facts::default() };
        let mut plan = runbook::plan(&command, &facts, &environment).unwrap();
        let alarms = (0..alarms).map(|number| format!("alarm-{number}")).collect();
        plan.world = Some(crate::domain::World { alarms, ..Default::default() });
        let digest = plan.digest();
        (facts, plan, digest)
    };
    for turn in 0..TURNS {
        if let Some(click) = world.clicks.get(&turn) {
            let digest = |which: &usize| digests.get(which % digests.len().max(1)).cloned();
            let subject = run.open_round().map_or(Subject::Plan, |round| round.subject.clone());
            let current = run.current().map(|step| step.step.id.clone());
            let event = match click {
                Click::Approve(who, which, about_plan) => digest(which).map(|digest| Event::Approved {
                    subject: if *about_plan { Subject::Plan } else { subject },
                    digest,
                    actor: person(*who),
                    note: None,
                    stepped_up: false,
                }),
                Click::Reject(who, which) => digest(which).map(|digest| {
                    let (actor, reason) = (person(*who), "no".to_owned());
                    Event::Rejected { subject, digest, actor, reason }
                }),
                Click::Override(who) => run.plan.as_ref().map(|(_, digest)| Event::Overridden {
                    safeguard: "soak".to_owned(),
                    digest: digest.clone(),
                    actor: person(*who),
                    reason: "because".to_owned(),
                }),
                Click::Cancel => Some(Event::CancelRequested { actor: person(1) }),
                Click::Preempt => Some(Event::Preempted { by: RunId(2) }),
                Click::Pause => Some(Event::Paused { actor: person(1), reason: None, objection: false }),
                Click::Resume => Some(Event::Resumed { actor: person(1) }),
                Click::Skip => {
                    current.map(|step| Event::SkipRequested { step, actor: person(1), reason: "why not".to_owned() })
                }
                Click::Answer(answer) => run
                    .steps
                    .iter()
                    .find(|step| step.question.is_some())
                    .map(|step| Event::Answered { step: step.step.id.clone(), answer: *answer, actor: person(1) }),
                Click::Dawdle(seconds) => {
                    now = now.saturating_add(SignedDuration::from_secs(i64::from(*seconds))).unwrap();
                    None
                }
            };
            if let Some(event) = event {
                run = record(&mut journal, vec![event], now);
            }
        }
        let events = match next(&run, &environment, polled_at, now) {
            Next::Ended | Next::Discard => return run,
            Next::Conclude => vec![conclude(&run)],
            Next::Record(events) => {
                assert!(!events.is_empty(), "a turn that records nothing would come again for ever");
                for event in &events {
                    if let Event::Finished { step, status: StepStatus::Skipped, .. } = event {
                        let (_, digest) = run.plan.as_ref().unwrap();
                        assert!(is_covered(&journal, digest, &Subject::Skip(step.clone())), "{step} left out");
                    }
                }
                events
            }
            Next::Wait(until) => {
                assert!(until > now, "a wait that is over is no wait");
                // Slack's part of the telling.
                let mut untold = run.untold(Moment::Before).into_iter().chain(run.untold(Moment::After));
                let slack = untold.find(|to| matches!(to, Destination::Slack(_))).cloned();
                match slack {
                    Some(to) if world.delivered[notices % world.delivered.len()] => {
                        notices += 1;
                        let moment = if run.ended.is_some() { Moment::After } else { Moment::Before };
                        vec![Event::Delivered { moment, to, receipt: "1.2".to_owned() }]
                    }
                    _ => {
                        notices += 1;
                        now = until;
                        continue;
                    }
                }
            }
            Next::Lock => vec![Event::Locked],
            Next::Publish { moment, to } => {
                notices += 1;
                vec![if world.delivered[notices % world.delivered.len()] {
                    Event::Delivered { moment, to, receipt: "id".to_owned() }
                } else {
                    Event::Undelivered { moment, to, problem: "refused".to_owned() }
                }]
            }
            Next::Plan => {
                let (facts, plan, digest) = plan_of(&states, alarms);
                digests.push(digest.clone());
                vec![Event::Observed { facts }, Event::Planned { plan, digest }]
            }
            Next::Clear => {
                clears += 1;
                alarms += usize::from(world.moves[clears % world.moves.len()]);
                let (facts, plan, digest) = plan_of(&states, alarms);
                let (approved, before) = run.plan.as_ref().unwrap();
                if digest == *before {
                    vec![Event::Cleared { digest }]
                } else {
                    let differences = super::super::drift::differences(approved, &plan);
                    assert!(!differences.is_empty());
                    digests.push(digest.clone());
                    vec![Event::Drifted { differences }, Event::Observed { facts }, Event::Planned { plan, digest }]
                }
            }
            Next::Check { step, decide } => {
                looks += 1;
                polled_at = Some(now);
                let verdict = world.verdicts[looks % world.verdicts.len()];
                now = now.saturating_add(SignedDuration::from_millis(200)).unwrap();
                judge(&run, &environment, &step, vec![check(verdict)], decide, now)
            }
            Next::Apply(step) => {
                let (plan, digest) = run.plan.as_ref().unwrap();
                assert!(run.locked, "nothing is done without the environment");
                assert!(is_covered(&journal, digest, &Subject::Plan), "{step} without approval: {journal:#?}");
                assert!(
                    !world.each || is_covered(&journal, digest, &Subject::Step(step.clone())),
                    "{step}, no go-ahead"
                );
                let told = run.deliveries.iter().filter(|delivery| delivery.receipt.is_ok()).count();
                let skipped = run.steps.iter().any(|step| step.status == StepStatus::Skipped);
                assert!(told == plan.notify.len() || skipped, "{step} before stakeholders were told");
                let StepKind::SetRule { rule, from, to, .. } = &run.step(&step).unwrap().step.kind else {
                    panic!("{step}")
                };
                let changed = states.insert(rule.name.clone(), *to) != Some(*to);
                let change = Change { from: *from, to: *to, changed, request_ids: Vec::new(), elapsed_ms: 0 };
                let status = if changed { StepStatus::Done } else { StepStatus::Already };
                vec![
                    Event::Applied { step: step.clone(), change },
                    Event::Finished { step, status, summary: String::new() },
                ]
            }
            Next::Settle(step) => vec![Event::Finished { step, status: StepStatus::Already, summary: String::new() }],
            Next::Observe(step) | Next::Stop(step) => panic!("{step} has no effect that takes time"),
            Next::Undo(step) => {
                let progress = run.step(&step).unwrap();
                let (rule, back) = (progress.step.kind.rule().unwrap(), progress.step.undo.unwrap());
                let from = states.insert(rule.name.clone(), back).unwrap();
                let change = Change { from, to: back, changed: true, request_ids: Vec::new(), elapsed_ms: 0 };
                vec![Event::Undone { step, change }]
            }
        };
        run = record(&mut journal, events, now);
        // What a restart would read is what is known.
        assert_eq!(Run::from_journal(&journal).as_ref(), Some(&run));
    }
    panic!("the run does not end: {run:#?}");
}

fn clicks() -> impl Strategy<Value = Click> {
    let answer = prop_oneof![Just(Answer::Retry), Just(Answer::Undo), Just(Answer::Continue), Just(Answer::WaitOn)];
    prop_oneof![
        12 => (0_u8..4, 0_usize..4, any::<bool>()).prop_map(|(who, which, plan)| Click::Approve(who, which, plan)),
        1 => (0_u8..4, 0_usize..4).prop_map(|(who, which)| Click::Reject(who, which)),
        1 => (0_u8..4).prop_map(Click::Override),
        1 => Just(Click::Cancel),
        1 => Just(Click::Preempt),
        2 => Just(Click::Pause),
        2 => Just(Click::Resume),
        2 => Just(Click::Skip),
        2 => answer.prop_map(Click::Answer),
        2 => (0_u16..1_000).prop_map(Click::Dawdle),
    ]
}

fn productions() -> impl Strategy<Value = Production> {
    let verdict = prop_oneof![12 => Just(Verdict::Pass), 1 => Just(Verdict::Unknown), 1 => Just(Verdict::Fail)];
    (
        (1_u32..3, any::<bool>()),
        prop::collection::btree_map(0_usize..60, clicks(), 0..40),
        prop::collection::vec(verdict, 1..40),
        prop::collection::vec(prop::bool::weighted(0.2), 1..5),
        prop::collection::vec(prop::bool::weighted(0.9), 1..10),
        prop_oneof![Just(OnGateFailure::Hold), Just(OnGateFailure::Disable)],
    )
        .prop_map(|((needed, each), clicks, verdicts, moves, delivered, on_gate_failure)| Production {
            needed,
            each,
            clicks,
            verdicts,
            moves,
            delivered,
            on_gate_failure,
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_done_that_was_not_approved(world in productions()) {
        let run = play_production(&world);
        let ended = run.ended.clone().unwrap();
        prop_assert!(run.untold(Moment::After).iter().all(|to| matches!(to, Destination::Slack(_))));
        if matches!(ended.outcome, Outcome::Refused) {
            prop_assert!(run.steps.iter().all(|step| step.applied.is_none()), "refused, and acted");
        }
    }
}

/// Approvals by two people, one after the other, at a time of one's own.
fn all_goes_well(needed: u32, each: bool) -> Production {
    let approvals = (0..900).map(|turn| (turn, Click::Approve(u8::try_from(turn % 3).unwrap() + 1, 0, false)));
    Production {
        needed,
        each,
        clicks: approvals.collect(),
        verdicts: vec![Verdict::Pass],
        moves: vec![false],
        delivered: vec![true],
        on_gate_failure: OnGateFailure::Disable,
    }
}

#[test]
fn a_plan_that_is_approved_is_carried_out_and_everybody_is_told() {
    for (needed, each) in [(1, false), (2, false), (2, true)] {
        let run = play_production(&all_goes_well(needed, each));
        assert_eq!(run.ended.as_ref().map(|ended| ended.outcome), Some(Outcome::Succeeded), "{needed} {each}");
        assert!(run.set_states().values().all(|state| state.is_enabled()));
        assert!(run.deliveries.iter().any(|delivery| delivery.moment == Moment::After));
    }
}

#[test]
fn a_world_that_moved_is_approved_anew() {
    let mut world = all_goes_well(1, false);
    world.moves = vec![false, true];
    // The approvals are of the first plan, and then nobody clicks any more.
    let run = play_production(&world);
    assert_eq!(run.ended.map(|ended| ended.outcome), Some(Outcome::Expired));
    assert!(run.rounds.len() > 1 && run.rounds[0].superseded);
}

#[test]
fn nobody_approves_and_nothing_is_done() {
    let run = play_production(&Production { clicks: BTreeMap::new(), ..all_goes_well(1, false) });
    let round = &run.rounds[0];
    assert_eq!(run.ended.as_ref().map(|ended| ended.outcome), Some(Outcome::Expired));
    assert_eq!(round.reminded, Some(round.remind_at()));
    assert_eq!(round.escalated, Some(round.escalate_at()));
    assert!(round.lapsed && run.deliveries.is_empty());
}
