//! Messages of a thread that change where they stand.

use super::*;

impl World {
    /// Asks, and returns the message's time.
    async fn is_asked(&self, run: RunId) -> String {
        let until = self.clock.now() + SignedDuration::from_hours(1);
        self.record(run, Event::Asked { step: StepId("s".to_owned()), question: String::new(), until }).await;
        self.rested().await;
        self.messages_with("answers").pop().unwrap()["ts"].as_str().unwrap().to_owned()
    }

    fn messages_with(&self, text: &str) -> Vec<serde_json::Value> {
        let messages = self.slack.messages();
        messages.into_iter().filter(|message| message["text"].as_str().unwrap().contains(text)).collect()
    }

    fn updates_of(&self, ts: &str) -> usize {
        self.slack.calls("chat.update").iter().filter(|call| call.args["ts"] == ts).count()
    }
}

#[tokio::test]
async fn a_live_message_changes_where_it_stands() {
    let world = World::new(Clock::system(), quick()).await;
    let run = world.asks_in("C1").await;
    let asked = world.is_asked(run).await;
    assert_eq!(world.messages_with("answers")[0]["blocks"][0]["type"], "actions");
    world.goes_on(run).await;
    world.idle().await;
    let messages = world.messages_with("answers");
    assert_eq!((messages.len(), messages[0]["ts"].as_str()), (1, Some(asked.as_str())));
    assert_eq!((&messages[0]["text"], &messages[0]["blocks"]), (&json!("R-1 2: 1 answers"), &json!([])));
    world.ends(run).await;
    world.idle().await;
    assert_eq!(world.slack.transcript(), "R-1 · verify dev\nevent 4\n  R-1 2: 1 answers\n  R-1 3\n  R-1 4\n");
    assert_eq!((world.posts(), world.updates_of(&asked)), (4, 1));
    world.stops().await;
}

#[tokio::test]
async fn buttons_go_at_once_though_the_card_has_to_wait() {
    let world = World::new(standing(), Tempo { card_spacing: SignedDuration::from_secs(3), ..quick() }).await;
    let run = world.asks_in("C1").await;
    let asked = world.is_asked(run).await;
    world.goes_on(run).await;
    world.rested().await;
    assert_eq!((world.updates(), world.updates_of(&asked)), (1, 1));
    assert_eq!(world.messages_with("answers")[0]["blocks"], json!([]));
    world.stops().await;
}

#[tokio::test]
async fn too_many_updates_hold_up_no_post_and_only_the_newest_state_is_sent() {
    let world = World::new(standing(), quick()).await;
    let run = world.asks_in("C1").await;
    let asked = world.is_asked(run).await;
    world.slack.fail_about(&asked, Some(Fault::TooMany(30)));
    world.goes_on(run).await;
    world.rested().await;
    world.slack.fail_about(&asked, None);
    for _ in 0..2 {
        world.goes_on(run).await;
        world.rested().await;
    }
    assert_eq!((world.posts(), world.updates_of(&asked)), (5, 1));
    world.clock.advance(SignedDuration::from_secs(30));
    world.idle().await;
    assert_eq!((world.posts(), world.updates_of(&asked)), (5, 2));
    assert_eq!(world.messages_with("answers")[0]["text"], "R-1 2: 3 answers");
    world.stops().await;
}

#[tokio::test]
async fn an_update_without_an_answer_is_sent_again() {
    for fault in [Fault::Lost, Fault::DoneThenLost, Fault::Status(503)] {
        let world = World::new(standing(), quick()).await;
        let run = world.asks_in("C1").await;
        let asked = world.is_asked(run).await;
        world.slack.fail_about(&asked, Some(fault));
        world.goes_on(run).await;
        world.rested().await;
        assert_eq!((world.posts(), world.updates_of(&asked)), (3, 1));
        world.slack.fail_about(&asked, None);
        world.clock.advance(SignedDuration::from_secs(1));
        world.idle().await;
        assert_eq!(world.messages_with("answers")[0]["text"], "R-1 2: 1 answers");
        assert_eq!((world.posts(), world.updates_of(&asked)), (3, 2));
        world.stops().await;
    }
}

#[tokio::test]
async fn what_cannot_be_updated_stays_and_is_not_posted_again() {
    for code in ["message_not_found", "edit_window_closed", "cant_update_message", "msg_too_long"] {
        let mut world = World::new(standing(), quick()).await;
        let run = world.asks_in("C1").await;
        let asked = world.is_asked(run).await;
        world.slack.fail_about(&asked, Some(Fault::Refuse(code)));
        world.goes_on(run).await;
        world.idle().await;
        // The same again is not asked for again.
        assert_eq!((world.posts(), world.updates_of(&asked)), (3, 1), "{code}");
        world.crash().await;
        world.restart();
        world.ends(run).await;
        world.idle().await;
        assert_eq!((world.posts(), world.messages_with("answers").len()), (4, 1), "{code}");
        assert!(world.store.unprojected().await.unwrap().is_empty(), "{code}");
        world.stops().await;
    }
}

#[tokio::test]
async fn a_restart_brings_up_to_date_what_has_changed_meanwhile() {
    let mut world = World::new(Clock::system(), quick()).await;
    let run = world.asks_in("C1").await;
    let asked = world.is_asked(run).await;
    world.crash().await;
    world.goes_on(run).await;
    world.restart();
    world.idle().await;
    assert_eq!((world.posts(), world.updates_of(&asked)), (3, 1));
    world.crash().await;
    world.restart();
    world.idle().await;
    assert_eq!((world.posts(), world.updates_of(&asked)), (3, 1));
    world.stops().await;
}

#[tokio::test]
async fn a_live_message_is_found_again_though_it_would_read_differently_by_now() {
    for dropped in [false, true] {
        let mut world = World::new(Clock::system(), quick()).await;
        if dropped {
            world.slack.drop_metadata();
        }
        let run = world.asks_in("C1").await;
        world.idle().await;
        world.slack.fail_next("chat.postMessage", Fault::DoneThenHangs);
        let until = world.clock.now() + SignedDuration::from_hours(1);
        world.record(run, Event::Asked { step: StepId("s".to_owned()), question: String::new(), until }).await;
        soon(world.slack.called("chat.postMessage", 2)).await;
        world.crash().await;
        world.goes_on(run).await;
        world.restart();
        world.idle().await;
        assert_eq!(
            world.slack.transcript(),
            "R-1 · verify dev\nevent 3\n  R-1 2: 1 answers\n  R-1 3\n",
            "metadata dropped: {dropped}"
        );
        world.stops().await;
    }
}
