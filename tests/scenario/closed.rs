//! Environments that people close to others, the journals as files, and plans that are only shown.

use alch::domain::{Outcome, Recorded, RunId};
use alch::sandbox::slack::StoredFile;
use jiff::SignedDuration;

use crate::world::{World, says, story};

const R1: RunId = RunId(1);
const R2: RunId = RunId(2);

async fn ended(world: &World, run: RunId) -> (Outcome, String) {
    let ended = world.run(run).await.ended.unwrap_or_else(|| panic!("{run} has not ended"));
    (ended.outcome, ended.summary)
}

async fn runs(world: &World) -> usize {
    world.store().recent_runs(None, 100).await.unwrap().len()
}

#[test]
fn a_frozen_environment_takes_nothing_but_a_rollback() {
    story(async |world| {
        world.alice().types("freeze dev \"trading is halted\" --for 4h").await;
        let (outcome, summary) = ended(world, R1).await;
        assert_eq!(outcome, Outcome::Succeeded);
        says(&summary, &["dev is frozen until 2026-11-23 07:00 UTC", "nothing but a rollback"]);
        says(&world.thread(R1).await, &["dev is frozen until", "unfreeze dev"]);
        for person in [world.alice(), world.bob()] {
            person.types("enable signal-generated dev").await;
            let seen = person.sees();
            says(&seen, &["dev is frozen", "@Alice", "trading is halted", "unfreeze dev", "Nothing was changed"]);
        }
        world.bob().types("status dev").await;
        says(&world.bob().sees(), &["dev is frozen", "@Alice"]);
        assert_eq!(runs(world).await, 1);
        world.killed();
        world.starts().await;
        world.bob().types("disable all dev").await;
        assert_eq!(runs(world).await, 1, "a restart lifts nothing");
        world.bob().types("rollback dev").await;
        assert_eq!(ended(world, R2).await.0, Outcome::Succeeded);
        world.passes(SignedDuration::from_hours(4)).await;
        world.bob().types("enable signal-generated dev").await;
        assert_eq!(world.until_ended(RunId(3)).await.ended.unwrap().outcome, Outcome::Succeeded);
    });
}

#[test]
fn a_freeze_is_renewed_by_who_made_it_and_says_what_it_stops() {
    story(async |world| {
        world.alice().types("enable signal-generated dev").await;
        world.alice().types("freeze dev \"first\"").await;
        says(&ended(world, R2).await.1, &["until it is lifted", "R-1, which is under way, begins nothing new"]);
        world.bob().types("freeze dev \"second\" --for 1h").await;
        says(&world.bob().sees(), &["dev is frozen", "@Alice", "first"]);
        world.alice().types("freeze dev \"third\" --for 1h").await;
        let holds = world.store().holds("dev").await.unwrap();
        assert_eq!((holds.len(), holds[0].reason.as_str(), holds[0].run), (1, "third", RunId(3)));
        world.alice().types("unfreeze dev").await;
        says(&ended(world, RunId(4)).await.1, &["not frozen any more", "R-3: third", "R-1 may be paused by it"]);
        world.alice().types("unfreeze dev").await;
        says(&world.alice().sees(), &["dev is not frozen"]);
        assert_eq!(runs(world).await, 4);
        world.alice().types("cancel R-1").await;
    });
}

#[test]
fn a_lock_keeps_others_out_and_is_its_holders() {
    story(async |world| {
        world.alice().types("lock dev \"looking into the queue\"").await;
        says(&ended(world, R1).await.1, &["dev is locked until it is lifted", "nobody but its holder"]);
        for command in ["enable signal-generated dev", "lock dev \"me too\"", "unlock dev"] {
            world.bob().types(command).await;
            says(&world.bob().sees(), &["dev is locked", "@Alice", "looking into the queue"]);
        }
        assert_eq!(runs(world).await, 1);
        world.alice().types("enable signal-generated dev").await;
        assert_eq!(world.until_ended(R2).await.ended.unwrap().outcome, Outcome::Succeeded);
        world.alice().types("unlock dev").await;
        says(&ended(world, RunId(3)).await.1, &["not locked any more", "Commands are taken there again"]);
        world.bob().types("disable signal-generated dev").await;
        assert_eq!(world.until_ended(RunId(4)).await.ended.unwrap().outcome, Outcome::Succeeded);
    });
}

#[test]
fn the_same_freeze_delivered_twice_is_one() {
    story(async |world| {
        world.alice().types("freeze dev \"once\"").await;
        world.slack.replays_last().await.unwrap();
        world.settle().await;
        assert_eq!(runs(world).await, 1);
    });
}

#[test]
fn an_audit_is_handed_out_where_it_is_asked() {
    story(async |world| {
        world.alice().types("verify dev").await;
        world.until_ended(R1).await;
        world.alice().types("verify prod").await;
        world.until_ended(R2).await;
        world.alice().types("audit dev --format jsonl").await;
        world.alice().says_in_thread(R1, "@alch audit --format csv").await;
        let files = world.slack.files();
        let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["alch-audit-dev-2026-11-23.jsonl", "alch-audit-dev-2026-11-23.csv"]);
        let text = |file: &StoredFile| String::from_utf8(file.content.clone().unwrap()).unwrap();
        let lines: Vec<Recorded> = text(&files[0]).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines, world.journal(R1).await);
        assert_eq!(text(&files[1]).lines().count(), lines.len() + 1);
        let card = world.card(R1).await;
        let shown = world.slack.messages();
        let places: Vec<Option<&str>> =
            shown.iter().filter(|shown| !shown.files.is_empty()).map(|shown| shown.thread_ts.as_deref()).collect();
        assert_eq!(places, [None, Some(card.ts.as_str())]);
        let head = world.journal(R2).await[0].hash.clone();
        says(&shown.iter().map(|shown| shown.text.as_str()).collect::<String>(), &["1 run", &head]);
    });
}

#[test]
fn without_the_scope_an_audit_says_what_is_missing() {
    story(async |world| {
        world.slack.grant_scopes(&["commands", "chat:write", "users:read", "channels:history", "groups:history"]);
        world.alice().types("verify dev").await;
        world.until_ended(R1).await;
        world.alice().types("audit dev --format jsonl").await;
        says(&world.alice().sees(), &["`files:write`", "`alch audit`"]);
        assert!(world.slack.files().is_empty());
    });
}

#[test]
fn a_plan_is_shown_and_nothing_else() {
    story(async |world| {
        for command in ["plan enable all dev", "plan enable all prod", "plan rollback dev", "plan verify dev"] {
            world.alice().types(command).await;
        }
        says(&world.alice().sees(), &["signal-generated", "Nothing was done and nothing was recorded"]);
        assert_eq!(runs(world).await, 0);
        assert_eq!(world.changes(), Vec::<String>::new());
        assert_eq!(world.store().holder("dev").await.unwrap(), None);
    });
}

#[test]
fn contacts_are_told_and_called() {
    story(async |world| {
        world.alice().types("contacts").await;
        says(&world.alice().sees(), &["Primary contact", "Escalation"]);
        world.alice().types("escalate R-1").await;
        says(&world.alice().sees(), &["There is no run R-1"]);
        world.alice().types("enable signal-generated dev").await;
        world.bob().types("escalate R-1 \"the queue grows\"").await;
        let journal = world.journal(R1).await;
        let called = journal.iter().filter(|recorded| recorded.event.kind() == "escalated").count();
        assert_eq!(called, 1);
        world.until_ended(R1).await;
        world.bob().types("escalate R-1").await;
        says(&world.bob().sees(), &["R-1 is over"]);
    });
}
