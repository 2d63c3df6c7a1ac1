//! A version soaks: the environment is verified by itself, quietly, and across restarts.

use alch::domain::{
    Actor, Check, Command, Event, Evidence, Facts, Origin, Outcome, Plan, RunId, Step, StepId, StepKind, StepStatus,
    Verdict, Version,
};
use alch::store::NewRun;
use jiff::SignedDuration;

use crate::world::{World, story};

/// Somebody's verification of `dev` that passed, as the journal tells it, begun and over now.
async fn somebody_verified(world: &World) -> RunId {
    let (store, now) = (world.store(), world.clock.now());
    let command = Command::Verify { environment: "dev".to_owned() };
    let requested = Event::Requested {
        text: command.text(),
        command: command.clone(),
        actor: Actor::Terminal { user: "ada".to_owned() },
        environment: "dev".to_owned(),
        origin: Origin::Terminal,
        queue: false,
        notes: Vec::new(),
    };
    let new = NewRun { requested: &requested, environment: "dev", driven: false, inbox_key: None };
    let run = store.create_run(new, now).await.unwrap();
    let version = Version { label: None, artefact: "artefact".to_owned(), template: "template".to_owned() };
    let step = StepId("checklist".to_owned());
    let plan = Plan {
        version: alch::domain::PLAN_VERSION,
        command,
        environment: "dev".to_owned(),
        steps: vec![Step { id: step.clone(), kind: StepKind::Checklist, undo: None, needs_person: false }],
        on_gate_failure: Default::default(),
        approval: None,
        world: None,
        notify: Vec::new(),
    };
    let check = Check {
        name: "bus".to_owned(),
        title: "Event bus".to_owned(),
        verdict: Verdict::Pass,
        value: String::new(),
        limit: String::new(),
        reason: String::new(),
        evidence: Evidence::default(),
    };
    let events = [
        Event::Observed { facts: Facts { version: Some(version), ..Facts::default() } },
        Event::Planned { digest: plan.digest(), plan },
        Event::Started { step: step.clone() },
        Event::Checked { step: step.clone(), checks: vec![check] },
        Event::Finished { step, status: StepStatus::Done, summary: String::new() },
        Event::Ended {
            outcome: Outcome::Succeeded,
            summary: String::new(),
            rules: Default::default(),
            next: Vec::new(),
        },
    ];
    store.signal(run, &events, now).await.unwrap();
    run
}

/// The runs so far: who asked, how many minutes after the story's beginning, and how it ended.
async fn runs(world: &World) -> Vec<(Actor, i64, Option<Outcome>)> {
    let mut runs = world.store().recent_runs(None, 100).await.unwrap();
    runs.reverse();
    let start = runs[0].requested_at;
    let told = |run: &alch::domain::Run| {
        (run.actor.clone(), run.requested_at.duration_since(start).as_mins(), run.ended.as_ref().map(|end| end.outcome))
    };
    runs.iter().map(told).collect()
}

#[test]
fn while_a_version_soaks_it_is_verified_every_hour_and_only_trouble_is_told() {
    story(async |world| {
        let first = somebody_verified(world).await;
        world.passes(SignedDuration::from_mins(150)).await;
        let by_us = |minute| (Actor::Alch, minute, Some(Outcome::Succeeded));
        assert_eq!(runs(world).await[1..], [by_us(60), by_us(120)]);
        world.killed();
        world.starts().await;
        world.passes(SignedDuration::from_mins(20)).await;
        assert_eq!(runs(world).await.len(), 3, "a restart changes nothing");
        world.aws.set_fault("dev.table.ttl-off", true);
        world.passes(SignedDuration::from_mins(40)).await;
        assert_eq!(runs(world).await[3], (Actor::Alch, 180, Some(Outcome::Failed)));
        for (run, told) in [(first, true), (RunId(2), false), (RunId(3), false), (RunId(4), true)] {
            let messages = world.store().slack_messages(run).await.unwrap();
            assert_eq!(!messages.is_empty(), told, "{run}");
        }
        // What Alch was away for is not made up for: one look, and then the next after an hour.
        world.killed();
        world.clock.advance(SignedDuration::from_hours(5));
        world.starts().await;
        world.passes(SignedDuration::from_mins(30)).await;
        assert_eq!(runs(world).await.iter().map(|(_, minute, _)| *minute).collect::<Vec<_>>(), [0, 60, 120, 180, 510]);
        assert_eq!(world.changes(), Vec::<String>::new());
    });
}

#[test]
fn nothing_is_verified_by_itself_before_somebody_has() {
    story(async |world| {
        world.alice().types("status dev").await;
        world.passes(SignedDuration::from_hours(3)).await;
        assert_eq!(world.store().recent_runs(None, 100).await.unwrap().len(), 0);
    });
}
