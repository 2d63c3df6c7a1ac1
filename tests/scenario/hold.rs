//! One acting run an environment: who holds it, the queue, and cancelling.

use alch::domain::{Outcome, RunId};
use insta::assert_snapshot;
use jiff::SignedDuration;

use crate::world::story;

const R1: RunId = RunId(1);
const R2: RunId = RunId(2);

#[test]
fn who_asks_while_the_environment_is_held_learns_by_whom_and_can_queue() {
    story(async |world| {
        world.alice().types("enable signal-generated dev").await;
        world.passes(SignedDuration::from_secs(30)).await;
        world.bob().types("enable rebalance-planned dev").await;
        assert_snapshot!("held", world.bob().sees());
        assert_eq!(world.store().recent_runs(None, 10).await.unwrap().len(), 1, "nothing was started");

        let offer = world.slack.ephemerals("U0BOB").pop().unwrap();
        world.bob().clicks(&offer, "queue").await;
        assert_eq!(world.run(R2).await.waiting_for, Some(R1));
        assert_eq!(world.enabled("dev"), ["signal-generated"]);
        world.until_ended(R1).await;
        let run = world.until_ended(R2).await;
        assert_eq!(run.ended.unwrap().outcome, Outcome::Succeeded);
        assert_eq!(world.enabled("dev"), ["signal-generated", "rebalance-planned"]);
        assert_snapshot!("queued_journal", world.told(R2).await);
    });
}

#[test]
fn a_run_is_cancelled_at_its_next_safe_point_and_says_what_state_things_are_in() {
    story(async |world| {
        world.alice().types("enable all dev").await;
        world.passes(SignedDuration::from_secs(30)).await;
        let card = world.card(R1).await;
        world.bob().clicks(&card, "cancel").await;
        let run = world.run(R1).await;
        assert_eq!(run.ended.unwrap().outcome, Outcome::Cancelled);
        assert_eq!(world.enabled("dev"), ["signal-generated"], "what was done stays done");
        assert_snapshot!("cancelled", world.thread(R1).await);
        world.bob().clicks_stale(&card, "cancel").await;
        assert!(world.bob().sees().contains("out of date"), "{}", world.bob().sees());
    });
}

#[test]
fn in_the_thread_of_a_run_its_name_goes_without_saying() {
    story(async |world| {
        world.alice().types("enable signal-generated dev").await;
        world.alice().says_in_thread(R1, "@alch cancel").await;
        assert_eq!(world.run(R1).await.ended.unwrap().outcome, Outcome::Cancelled);
        world.alice().says_in_thread(R1, "@alch verify").await;
        assert_eq!(world.until_ended(R2).await.environment, "dev");
    });
}

#[test]
fn the_same_click_twice_counts_once() {
    story(async |world| {
        world.alice().types("enable signal-generated dev").await;
        let card = world.card(R1).await;
        let (alice, bob) = (world.alice(), world.bob());
        tokio::join!(alice.clicks(&card, "cancel"), bob.clicks_stale(&card, "cancel"));
        let journal = world.journal(R1).await;
        assert_eq!(journal.iter().filter(|recorded| recorded.event.kind() == "ended").count(), 1);
    });
}

#[test]
fn the_same_request_delivered_twice_is_one_run() {
    story(async |world| {
        world.alice().types("enable signal-generated dev").await;
        let again = world.slack.replays_last().await.unwrap();
        assert_eq!(again.http_status, 200);
        world.until_ended(R1).await;
        assert_eq!(world.store().recent_runs(None, 10).await.unwrap().len(), 1);
    });
}
