//! What becomes of clicks: on a run that asks for approval, on one that is steered, and on the card of a rollback.

use std::collections::BTreeSet;

use alch::domain::{
    Actor, Check, Command, Event, Evidence, OnGateFailure, OnInconclusive, Origin, Outcome, PLAN_VERSION, Plan,
    PlanDigest, PlannedApproval, Rule, RunId, Selection, SlackPlace, Step, StepId, StepKind, Subject, Verdict,
};
use alch::sandbox::slack::{How, Message};
use alch::store::NewRun;
use jiff::SignedDuration;
use serde_json::json;

use crate::world::{World, story};

const R1: RunId = RunId(1);

/// A run of Alice's in production that asks for this many approvals; nobody drives it, so nothing but clicks moves it.
pub async fn asks(world: &World, needed: u32) -> PlanDigest {
    let command =
        Command::Enable { rules: Selection::One("signal-generated".to_owned()), environment: "prod".to_owned() };
    let minute = SignedDuration::from_mins(1);
    let rule = Rule { name: "signal-generated".to_owned(), rule: "alchemiser-signal-generated-prod".to_owned() };
    let step = |id: &str, kind| Step { id: StepId(id.to_owned()), kind, undo: None, needs_person: false };
    let plan = Plan {
        version: PLAN_VERSION,
        command: command.clone(),
        environment: "prod".to_owned(),
        steps: vec![
            step("watch:a", StepKind::Watch { rule: rule.clone(), lasting: minute, poll: minute, also: Vec::new() }),
            step("gate:a", StepKind::Gate { rule, settle: minute, on_inconclusive: OnInconclusive::Finish }),
        ],
        on_gate_failure: OnGateFailure::Hold,
        approval: Some(PlannedApproval { needed, expires: SignedDuration::from_mins(30) }),
        world: None,
        notify: Vec::new(),
    };
    let digest = plan.digest();
    let requested = Event::Requested {
        text: command.text(),
        command,
        actor: Actor::Slack { user: "U0ALICE".to_owned(), team: "T0ALCHSBX".to_owned() },
        environment: "prod".to_owned(),
        origin: Origin::Slack(SlackPlace { channel: "C0PLATFORM".to_owned(), thread_ts: None }),
        queue: true,
        notes: Vec::new(),
    };
    let now = world.clock.now();
    let new = NewRun { requested: &requested, environment: "prod", driven: false, inbox_key: None };
    let run = world.store().create_run(new, now).await.unwrap();
    let until = now + SignedDuration::from_mins(30);
    let asked = Event::ApprovalAsked { subject: Subject::Plan, digest: digest.clone(), needed, until };
    world.store().signal(run, &[Event::Planned { plan, digest: digest.clone() }, asked], now).await.unwrap();
    world.settle().await;
    digest
}

/// The card with this button on it, whatever it shows.
pub async fn button(world: &World, action: &str, value: &str) -> Message {
    let mut card = world.card(R1).await;
    card.blocks = Some(vec![json!({"type": "actions", "block_id": "b", "elements": [{
        "type": "button", "action_id": action, "value": value, "text": {"type": "plain_text", "text": action},
    }]})]);
    card
}

pub async fn ends(world: &World) {
    let ended =
        Event::Ended { outcome: Outcome::Failed, summary: String::new(), rules: Default::default(), next: Vec::new() };
    world.store().signal(R1, &[ended], world.clock.now()).await.unwrap();
    world.settle().await;
}

pub fn last(world: &World, user: &str) -> String {
    world.slack.ephemerals(user).pop().map(|message| message.text).unwrap_or_default()
}

#[test]
fn what_acts_in_production_waits_for_somebody_else_and_then_runs() {
    story(async |world| {
        let on = world.enabled("prod");
        world.alice().types("disable signal-generated prod").await;
        world.passes(SignedDuration::from_mins(1)).await;
        let digest = world.run(R1).await.open_round().expect("it asks").digest.clone();
        assert_eq!(world.enabled("prod"), on, "nothing is done before");
        world.alice().types(&format!("approve R-1 {digest}")).await;
        assert!(last(world, "U0ALICE").contains("asked for this yourself"), "{}", last(world, "U0ALICE"));
        world.bob().types("approve R-1 0123456789ab").await;
        assert!(last(world, "U0BOB").contains("older plan"), "{}", last(world, "U0BOB"));
        assert_eq!(world.enabled("prod"), on);
        world.bob().types(&format!("approve R-1 {digest}")).await;
        assert!(last(world, "U0BOB").contains("1 of 1"), "{}", last(world, "U0BOB"));
        let run = world.until_ended(R1).await;
        assert_eq!(run.ended.unwrap().outcome, Outcome::Succeeded);
        assert!(!world.is_enabled("prod", "signal-generated"));
    });
}

#[test]
fn a_cancelled_run_is_begun_anew_with_new_approvals() {
    story(async |world| {
        world.alice().types("disable signal-generated prod").await;
        world.alice().types("cancel R-1").await;
        assert_eq!(world.until_ended(R1).await.ended.unwrap().outcome, Outcome::Cancelled);
        let retry = button(world, "retry", "R-1").await;
        world.bob().clicks_stale(&retry, "retry").await;
        let anew = world.run(RunId(2)).await;
        assert_eq!(anew.actor.to_string(), "<@U0BOB>");
        assert!(anew.open_round().is_some_and(|round| round.approvals.is_empty()), "what was approved before is not");
        assert!(last(world, "U0BOB").contains("R-2"), "{}", last(world, "U0BOB"));
        world.bob().types("cancel R-2").await;
        world.until_ended(RunId(2)).await;
    });
}

#[test]
fn clicks_at_the_same_instant_are_counted_right_and_each_is_answered_once() {
    story(async |world| {
        let digest = asks(world, 2).await;
        let approve = button(world, "approve", &format!("{R1} {} plan", digest.0)).await;
        let click = |user| world.slack.clicks_stale(user, &approve, "approve");
        tokio::join!(click("U0BOB"), click("U0BOB"), click("U0CAROL"), click("U0CAROL"), click("U0ALICE"));
        world.settle().await;
        let run = world.run(R1).await;
        let by: BTreeSet<String> = run.rounds[0].approvals.iter().map(|approval| approval.actor.to_string()).collect();
        assert_eq!(by, BTreeSet::from(["<@U0BOB>".to_owned(), "<@U0CAROL>".to_owned()]));
        assert!(run.is_approved());
        let approved = world.journal(R1).await.iter().filter(|recorded| recorded.event.kind() == "approved").count();
        assert_eq!(approved, 2, "what does not count is not journalled");
        for (user, answers) in [("U0BOB", 2), ("U0CAROL", 2), ("U0ALICE", 1)] {
            assert_eq!(world.slack.ephemerals(user).len(), answers, "{user}: {}", last(world, user));
        }
        click("U0BOB").await;
        world.settle().await;
        assert!(last(world, "U0BOB").contains("needs nothing more"), "{}", last(world, "U0BOB"));
        ends(world).await;
        click("U0CAROL").await;
        world.settle().await;
        assert!(last(world, "U0CAROL").contains("has ended"), "{}", last(world, "U0CAROL"));
    });
}

#[test]
fn a_rejection_takes_its_reason_from_a_form_and_stands_in_the_journal() {
    story(async |world| {
        let digest = asks(world, 1).await;
        let reject = button(world, "reject", &format!("{R1} {} plan", digest.0)).await;
        world.bob().clicks_stale(&reject, "reject").await;
        assert_eq!(world.run(R1).await.rounds[0].rejected, None, "not before it says why");
        let form = world.slack.views("U0BOB").pop().expect("a form is open");
        let empty = world.slack.submits("U0BOB", &form.id, json!({"reason": {"reason": "   "}})).await;
        assert!(empty.errors.contains_key("reason") || empty.error.is_some(), "{empty:?}");
        let sent = world.slack.submits("U0BOB", &form.id, json!({"reason": {"reason": "the alarm <rings>"}})).await;
        assert!(sent.is_ok(), "{sent:?}");
        world.settle().await;
        assert_eq!(world.slack.views("U0BOB"), [], "the form is closed");
        let run = world.run(R1).await;
        let (_, by, why) = run.rounds[0].rejected.clone().unwrap();
        assert_eq!((by.to_string().as_str(), why.as_str()), ("<@U0BOB>", "the alarm <rings>"));
        assert!(last(world, "U0BOB").contains("rejected"), "{}", last(world, "U0BOB"));
        // Whoever comes late is told so instead of being asked why.
        world.slack.clicks_stale("U0CAROL", &reject, "reject").await;
        world.settle().await;
        assert_eq!(world.slack.views("U0CAROL"), []);
        assert!(last(world, "U0CAROL").contains("out of date"), "{}", last(world, "U0CAROL"));
        ends(world).await;
    });
}

#[test]
fn where_slack_opens_no_form_the_command_to_type_is_given() {
    story(async |world| {
        let digest = asks(world, 1).await;
        world.slack.fail_next("views.open", 1, How::Error("unknown_method"));
        let reject = button(world, "reject", &format!("{R1} {} plan", digest.0)).await;
        world.bob().clicks_stale(&reject, "reject").await;
        assert!(last(world, "U0BOB").contains("/alch reject R-1 'why'"), "{}", last(world, "U0BOB"));
        ends(world).await;
    });
}

#[test]
fn an_overridden_safeguard_takes_one_approval_more() {
    story(async |world| {
        let digest = asks(world, 1).await;
        let soak = Check {
            name: "soak".to_owned(),
            title: "Soak".to_owned(),
            verdict: Verdict::Fail,
            value: "3 h".to_owned(),
            limit: "24 h".to_owned(),
            reason: String::new(),
            evidence: Evidence::default(),
        };
        world.store().signal(R1, &[Event::Safeguarded { checks: vec![soak] }], world.clock.now()).await.unwrap();
        let approve = button(world, "approve", &format!("{R1} {} plan", digest.0)).await;
        world.bob().clicks_stale(&approve, "approve").await;
        assert!(last(world, "U0BOB").contains("safeguards block"), "{}", last(world, "U0BOB"));
        let skip_it = button(world, "override", &format!("{R1} {} soak", digest.0)).await;
        world.bob().clicks_stale(&skip_it, "override").await;
        let form = world.slack.views("U0BOB").pop().expect("a form is open");
        world.slack.submits("U0BOB", &form.id, json!({"reason": {"reason": "hotfix"}})).await;
        world.settle().await;
        let run = world.run(R1).await;
        assert_eq!(run.rounds[0].needed, 2);
        assert!(run.blocking().is_empty());
        assert!(last(world, "U0BOB").contains("2 approvals"), "{}", last(world, "U0BOB"));
        ends(world).await;
    });
}

#[test]
fn a_run_is_paused_objected_to_and_resumed_by_buttons() {
    story(async |world| {
        asks(world, 1).await;
        let (pause, resume) = (button(world, "pause", "R-1").await, button(world, "resume", "R-1").await);
        let object = button(world, "object", "R-1").await;
        world.alice().clicks_stale(&pause, "pause").await;
        assert!(world.run(R1).await.paused.is_some());
        assert!(last(world, "U0ALICE").contains("is paused"), "{}", last(world, "U0ALICE"));
        world.bob().clicks_stale(&object, "object").await;
        let form = world.slack.views("U0BOB").pop().expect("a form is open");
        world.slack.submits("U0BOB", &form.id, json!({"reason": {"reason": "market is closing"}})).await;
        world.settle().await;
        assert!(world.run(R1).await.paused.is_some_and(|pause| pause.objection));
        world.alice().clicks_stale(&resume, "resume").await;
        assert!(last(world, "U0ALICE").contains("somebody else"), "{}", last(world, "U0ALICE"));
        world.bob().clicks_stale(&resume, "resume").await;
        assert_eq!(world.run(R1).await.paused, None);
        assert!(last(world, "U0BOB").contains("goes on"), "{}", last(world, "U0BOB"));
        world.bob().clicks_stale(&resume, "resume").await;
        assert!(last(world, "U0BOB").contains("not paused"), "{}", last(world, "U0BOB"));
        ends(world).await;
    });
}

#[test]
fn a_crafted_value_does_nothing_and_is_answered_once() {
    story(async |world| {
        let digest = asks(world, 1).await;
        let crafted = [
            ("approve", format!("R-1 {} skip/../plan", digest.0)),
            ("approve", format!("R-999 {} plan", digest.0)),
            ("approve", "R-1".to_owned()),
            ("reject", "R-1 0123 plan".to_owned()),
            ("override", "R-999999999999999999999 x y".to_owned()),
            ("skip", "R-1 enable:<!channel>".to_owned()),
            ("pause", "R-1; DROP TABLE runs".to_owned()),
            ("rollback:now", "nowhere".to_owned()),
            ("rollback:now", "prod R-1".to_owned()),
            ("rollback:now", "prod R-77".to_owned()),
        ];
        for (told, (action, value)) in (1..).zip(crafted) {
            let crafted = button(world, action, &value).await;
            world.bob().clicks_stale(&crafted, action).await;
            assert_eq!(world.slack.ephemerals("U0BOB").len(), told, "{action} {value}");
        }
        assert_eq!(world.slack.views("U0BOB"), []);
        assert_eq!(world.journal(R1).await.len(), 3);
        assert_eq!(world.changes(), Vec::<String>::new());
        world.bob().clicks_stale(&button(world, "not-ours", "R-1").await, "not-ours").await;
        assert_eq!(world.journal(R1).await.len(), 3);
        ends(world).await;
    });
}

#[test]
fn a_rollback_of_production_takes_one_click_on_its_card_and_the_next_does_nothing() {
    story(async |world| {
        let on = world.enabled("prod");
        assert_eq!(on.len(), 4);
        world.alice().types("rollback prod").await;
        assert_eq!(world.enabled("prod"), on, "it waits for the click");
        let card = button(world, "rollback:now", "prod R-1").await;
        // The requester included: nobody else is needed.
        world.alice().clicks_stale(&card, "rollback:now").await;
        assert_eq!(world.enabled("prod"), Vec::<&str>::new());
        let run = world.run(R1).await;
        assert_eq!(run.rounds[0].approvals.len(), 1);
        assert_eq!(run.ended.unwrap().outcome, Outcome::Succeeded);
        assert!(last(world, "U0ALICE").contains("are off"), "{}", last(world, "U0ALICE"));
        let changes = world.changes();
        world.bob().clicks_stale(&card, "rollback:now").await;
        assert!(last(world, "U0BOB").contains("has ended"), "{}", last(world, "U0BOB"));
        assert_eq!(world.changes(), changes);
        assert_eq!(world.store().recent_runs(None, 10).await.unwrap().len(), 1);
    });
}

#[test]
fn a_rollback_of_production_works_while_the_database_does_not_answer() {
    story(async |world| {
        use sqlx::Connection;
        let on = world.enabled("prod");
        assert_eq!(on.len(), 4);
        let mut other = sqlx::AnyConnection::connect(&world.database).await.unwrap();
        sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
        world.slack.types("U0ALICE", "/alch rollback prod").await;
        world.slack.until(|slack| !slack.ephemerals("U0ALICE").is_empty()).await;
        let offer = world.slack.ephemerals("U0ALICE").pop().unwrap();
        assert_eq!(world.enabled("prod"), on, "it waits for the click");
        let began = std::time::Instant::now();
        world.slack.clicks("U0ALICE", &offer.ts, "rollback:now").await;
        while !world.enabled("prod").is_empty() {
            assert!(began.elapsed() < std::time::Duration::from_secs(3), "the rollback waits for the database");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        world.slack.until(|slack| slack.ephemerals("U0ALICE").len() > 1).await;
        assert!(last(world, "U0ALICE").contains("journalled as soon as it does"), "{}", last(world, "U0ALICE"));
        sqlx::query("COMMIT").execute(&mut other).await.unwrap();
        other.close().await.unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while !world.store().recent_runs(None, 10).await.unwrap().iter().any(|run| run.ended.is_some()) {
            assert!(std::time::Instant::now() < deadline, "it is never journalled");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        world.settle().await;
        // The card that came late, if it came, is of no use any more.
        for run in world.store().recent_runs(None, 10).await.unwrap().into_iter().filter(|run| run.ended.is_none()) {
            world.alice().types(&format!("cancel {}", run.id)).await;
        }
    });
}
