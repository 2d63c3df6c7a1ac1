//! Journals in a database on one side, a Slack that misbehaves on the other.

mod live;
mod notices;

use std::collections::BTreeMap;

use serde_json::json;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::*;
use crate::domain::{Actor, Answer, Command, Event, Origin, Outcome, StepId};
use crate::slack::stand_in::{Fault, StandIn};
use crate::store::NewRun;

struct World {
    slack: StandIn,
    store: Store,
    clock: Clock,
    tempo: Tempo,
    outbox: Outbox,
    stop: CancellationToken,
    running: JoinHandle<()>,
    _dir: TempDir,
}

/// Fails rather than hangs.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), what).await.expect("it never happens")
}

fn quick() -> Tempo {
    Tempo {
        card_spacing: SignedDuration::ZERO,
        posts_per_second: 1_000,
        backoff: (SignedDuration::from_millis(2), SignedDuration::from_millis(10)),
        stuck: SignedDuration::from_secs(60),
    }
}

/// A time for clocks that stand still.
fn standing() -> Clock {
    Clock::manual(Timestamp::from_second(1_790_000_000).unwrap())
}

fn start(slack: &StandIn, store: &Store, clock: &Clock, tempo: Tempo) -> (Outbox, CancellationToken, JoinHandle<()>) {
    let look = Look {
        card: Box::new(|run, now| Message {
            text: format!(
                "{} · {}\nevent {}{}",
                run.id,
                run.text,
                run.last_seq,
                if run.text == "moves" && run.ended.is_none() { format!(", as of {now}") } else { String::new() }
            ),
            blocks: vec![json!({ "type": "divider" })],
        }),
        card_changes_at: Box::new(|run, now| (run.text == "moves").then(|| now + SignedDuration::from_secs(10))),
        thread: Box::new(|journal| {
            let told = |recorded: &Recorded| {
                let text = format!("{} {}", recorded.run, recorded.seq);
                let broadcast = matches!(recorded.event, Event::Ended { .. });
                let live = matches!(recorded.event, Event::Asked { .. });
                let message = if live { question(&text, journal) } else { Message { text, blocks: Vec::new() } };
                Told { key: recorded.seq.to_string(), message, broadcast, live, chart: None }
            };
            journal.iter().skip(1).filter(|recorded| is_told(recorded)).map(told).collect()
        }),
        notices: Box::new(notices::view),
        elsewhere: Box::new(|run, channel, why| {
            let how = if run.ended.is_some() { "has ended" } else { "goes on" };
            Message { text: format!("{} {how}, untold in {channel}: {why}", run.id), blocks: Vec::new() }
        }),
        place: Box::new(|run| match &run.origin {
            Origin::Slack(place) => Some(place.clone()),
            Origin::Terminal | Origin::Schedule => None,
        }),
        charts: Style::Text,
    };
    let replica = Replica::new(store.clone(), clock.clone());
    let outbox =
        Outbox::new(replica, slack.client().with_timeout(Duration::from_millis(500)), clock.clone(), look, tempo);
    let stop = CancellationToken::new();
    let running = tokio::spawn({
        let (outbox, stop, store) = (outbox.clone(), stop.clone(), store.clone());
        async move {
            // Whoever told before is dead.
            store.bury_all().await.unwrap();
            outbox.run(stop).await;
        }
    });
    (outbox, stop, running)
}

/// What speaks in the thread; the rest is what [`notices`] rests on.
fn is_told(recorded: &Recorded) -> bool {
    matches!(recorded.event, Event::Answered { .. } | Event::Asked { .. } | Event::Ended { .. })
}

/// A live message: it counts the answers, and has a button until there is one.
fn question(text: &str, journal: &[Recorded]) -> Message {
    let answers = journal.iter().filter(|recorded| matches!(recorded.event, Event::Answered { .. })).count();
    let button = json!({ "type": "actions", "elements": [{ "type": "button", "action_id": "approve" }] });
    Message { text: format!("{text}: {answers} answers"), blocks: if answers == 0 { vec![button] } else { Vec::new() } }
}

impl World {
    async fn new(clock: Clock, tempo: Tempo) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&format!("sqlite:{}", dir.path().join("alch.db").display())).await.unwrap();
        let slack = StandIn::start().await;
        let (outbox, stop, running) = start(&slack, &store, &clock, tempo);
        Self { slack, store, clock, tempo, outbox, stop, running, _dir: dir }
    }

    /// Dies in the middle of whatever it does.
    async fn crash(&mut self) {
        self.running.abort();
        let _ = (&mut self.running).await;
    }

    fn restart(&mut self) {
        (self.outbox, self.stop, self.running) = start(&self.slack, &self.store, &self.clock, self.tempo);
    }

    async fn asks(&self, text: &str, origin: Origin) -> RunId {
        let requested = Event::Requested {
            command: Command::Verify { environment: "dev".to_owned() },
            text: text.to_owned(),
            actor: Actor::Slack { user: "U1".to_owned(), team: "T1".to_owned() },
            environment: "dev".to_owned(),
            origin,
            queue: false,
            notes: Vec::new(),
        };
        let new = NewRun { requested: &requested, environment: "dev", driven: true, inbox_key: None };
        self.store.create_run(new, self.clock.now()).await.unwrap()
    }

    async fn asks_in(&self, channel: &str) -> RunId {
        self.asks("verify dev", Origin::Slack(SlackPlace { channel: channel.to_owned(), thread_ts: None })).await
    }

    async fn record(&self, run: RunId, event: Event) {
        self.store.signal(run, &[event], self.clock.now()).await.unwrap();
    }

    async fn goes_on(&self, run: RunId) {
        let answered = Event::Answered { step: StepId("s".to_owned()), answer: Answer::WaitOn, actor: Actor::Alch };
        self.record(run, answered).await;
    }

    async fn ends(&self, run: RunId) {
        let outcome = Outcome::Succeeded;
        let ended = Event::Ended { outcome, summary: String::new(), rules: BTreeMap::new(), next: Vec::new() };
        self.record(run, ended).await;
    }

    async fn idle(&self) {
        soon(self.outbox.idle()).await;
    }

    /// Waits until nothing is under way, though something may be left for later.
    async fn rested(&self) {
        soon(self.outbox.wait_for(|state| !state.busy)).await;
    }

    fn posts(&self) -> usize {
        self.slack.calls("chat.postMessage").len()
    }

    fn updates(&self) -> usize {
        self.slack.calls("chat.update").len()
    }

    /// Stops; what is told by now stays told.
    async fn stops(mut self) {
        self.stop.cancel();
        soon(&mut self.running).await.unwrap();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.running.abort();
    }
}

const STORY: &str = "R-1 · verify dev\nevent 4\n  R-1 2\n  R-1 3\n  R-1 4\n";

#[tokio::test]
async fn a_run_is_told_as_a_card_and_its_thread() {
    let world = World::new(Clock::system(), quick()).await;
    let run = world.asks_in("C1").await;
    world.idle().await;
    world.goes_on(run).await;
    world.goes_on(run).await;
    world.idle().await;
    world.ends(run).await;
    world.idle().await;
    assert_eq!(world.slack.transcript(), STORY);
    let messages = world.slack.messages();
    let card = &messages[0];
    assert!(messages[1..].iter().all(|reply| reply["thread_ts"] == card["ts"]));
    assert_eq!(messages.iter().map(|m| m["reply_broadcast"] == true).collect::<Vec<_>>(), [false, false, false, true]);
    assert!(world.store.unprojected().await.unwrap().is_empty());
    world.stops().await;
}

#[tokio::test]
async fn a_request_made_in_a_thread_is_told_there() {
    let world = World::new(Clock::system(), quick()).await;
    let place = SlackPlace { channel: "C1".to_owned(), thread_ts: Some("5.5".to_owned()) };
    let run = world.asks("verify dev", Origin::Slack(place)).await;
    world.ends(run).await;
    world.idle().await;
    assert!(world.slack.messages().iter().all(|message| message["thread_ts"] == "5.5"));
    assert_eq!(world.slack.messages().len(), 2);
    world.stops().await;
}

#[tokio::test]
async fn what_slack_is_not_to_know_is_not_told() {
    let world = World::new(Clock::system(), quick()).await;
    let run = world.asks("verify dev", Origin::Terminal).await;
    world.ends(run).await;
    world.idle().await;
    assert!(world.slack.messages().is_empty());
    assert!(world.store.unprojected().await.unwrap().is_empty());
    world.stops().await;
}

#[tokio::test]
async fn a_post_without_an_answer_is_not_repeated() {
    for fault in [Fault::DoneThenLost, Fault::DoneThenHangs, Fault::Lost, Fault::Status(502)] {
        for dropped in [false, true] {
            for before in 1..4 {
                let world = World::new(Clock::system(), quick()).await;
                if dropped {
                    world.slack.drop_metadata();
                }
                let run = world.asks_in("C1").await;
                world.idle().await;
                let fail = || world.slack.fail_next("chat.postMessage", fault.clone());
                for step in 1..4 {
                    if step == before {
                        fail();
                    }
                    if step == 3 {
                        world.ends(run).await
                    } else {
                        world.goes_on(run).await
                    }
                    world.idle().await;
                }
                assert_eq!(world.slack.transcript(), STORY, "{fault:?}, metadata dropped: {dropped}, at {before}");
                world.stops().await;
            }
        }
    }
}

#[tokio::test]
async fn a_card_without_an_answer_is_not_repeated() {
    for dropped in [false, true] {
        let world = World::new(Clock::system(), quick()).await;
        if dropped {
            world.slack.drop_metadata();
        }
        world.slack.fail_next("chat.postMessage", Fault::DoneThenLost);
        let run = world.asks_in("C1").await;
        soon(world.slack.called("chat.postMessage", 1)).await;
        world.goes_on(run).await;
        world.goes_on(run).await;
        world.ends(run).await;
        world.idle().await;
        assert_eq!(world.slack.transcript(), STORY, "metadata dropped: {dropped}");
        world.stops().await;
    }
}

#[tokio::test]
async fn a_crash_between_a_post_and_its_record_repeats_nothing() {
    for at in 0..4 {
        let mut world = World::new(Clock::system(), quick()).await;
        let mut run = None;
        for step in 0..4 {
            if step == at {
                world.slack.fail_next("chat.postMessage", Fault::DoneThenHangs);
            }
            match (step, run) {
                (3, Some(run)) => world.ends(run).await,
                (_, Some(run)) => world.goes_on(run).await,
                (_, None) => run = Some(world.asks_in("C1").await),
            }
            if step == at {
                soon(world.slack.called("chat.postMessage", step + 1)).await;
                world.crash().await;
                world.restart();
            }
            world.idle().await;
        }
        assert_eq!(world.slack.transcript(), STORY, "at {at}");
        world.stops().await;
    }
}

#[tokio::test]
async fn where_slack_cannot_be_searched_a_message_twice_is_better_than_none() {
    let world = World::new(Clock::system(), quick()).await;
    world.slack.fail_next("chat.postMessage", Fault::Lost);
    world.slack.fail_next("conversations.history", Fault::Refuse("missing_scope"));
    world.asks_in("C1").await;
    world.idle().await;
    assert_eq!((world.slack.messages().len(), world.posts()), (1, 2));
    world.stops().await;
}

#[tokio::test]
async fn the_wait_that_slack_asks_for_holds_for_the_channel_and_for_no_other() {
    let world = World::new(standing(), quick()).await;
    world.slack.fail_next("chat.postMessage", Fault::TooMany(30));
    world.asks_in("C1").await;
    world.rested().await;
    world.clock.advance(SignedDuration::from_secs(29));
    world.asks_in("C1").await;
    world.asks_in("C2").await;
    world.rested().await;
    assert_eq!(world.slack.transcript(), "R-3 · verify dev\nevent 1\n");
    world.clock.advance(SignedDuration::from_secs(1));
    world.idle().await;
    assert_eq!(world.posts(), 4);
    world.stops().await;
}

#[tokio::test]
async fn after_an_outage_the_thread_catches_up_in_order() {
    for fault in [Fault::Status(503), Fault::Lost, Fault::Refuse("fatal_error")] {
        let world = World::new(Clock::system(), quick()).await;
        world.slack.outage(Some(fault));
        let run = world.asks_in("C1").await;
        soon(world.slack.called("chat.postMessage", 1)).await;
        for _ in 0..2 {
            world.goes_on(run).await;
        }
        world.ends(run).await;
        soon(world.slack.called("auth.test", 3)).await;
        assert_eq!(world.slack.transcript(), "");
        world.slack.outage(None);
        world.idle().await;
        assert_eq!(world.slack.transcript(), STORY);
        world.stops().await;
    }
}

#[tokio::test]
async fn refused_blocks_leave_the_text() {
    let world = World::new(Clock::system(), quick()).await;
    world.slack.fail_next("chat.postMessage", Fault::Refuse("invalid_blocks"));
    let run = world.asks_in("C1").await;
    world.idle().await;
    assert_eq!(world.slack.messages()[0]["blocks"], json!([]));
    world.slack.fail_next("chat.update", Fault::Refuse("invalid_blocks_format"));
    world.ends(run).await;
    world.idle().await;
    assert_eq!(world.slack.transcript(), "R-1 · verify dev\nevent 2\n  R-1 2\n");
    world.stops().await;
}

#[tokio::test]
async fn a_channel_that_refuses_does_not_hold_up_another() {
    for error in ["channel_not_found", "is_archived", "not_in_channel", "account_inactive", "something_new"] {
        let world = World::new(standing(), quick()).await;
        world.slack.fail_next("chat.postMessage", Fault::Refuse(error));
        world.asks_in("C1").await;
        world.rested().await;
        world.asks_in("C2").await;
        world.rested().await;
        // Where only the channel is closed, who asked is told directly.
        let directly = matches!(error, "channel_not_found" | "is_archived" | "not_in_channel");
        let to = |channel: &str| world.slack.messages().iter().filter(|message| message["channel"] == channel).count();
        assert_eq!((to("C1"), to("C2"), to("D1")), (0, 1, usize::from(directly)), "{error}");
        world.clock.advance(SignedDuration::from_secs(60));
        world.idle().await;
        // Surely not posted, so it is not looked for.
        let posts = 3 + usize::from(directly);
        assert_eq!((world.posts(), world.slack.calls("conversations.history").len()), (posts, 0));
        world.stops().await;
    }
}

#[tokio::test]
async fn a_deleted_card_comes_back_once() {
    let world = World::new(Clock::system(), quick()).await;
    let run = world.asks_in("C1").await;
    world.idle().await;
    let first = world.slack.messages()[0]["ts"].as_str().unwrap().to_owned();
    world.goes_on(run).await;
    world.idle().await;
    world.slack.delete(&first);
    world.goes_on(run).await;
    world.idle().await;
    assert_eq!(world.slack.transcript(), "  R-1 2\nR-1 · verify dev\nevent 3\n  R-1 3\n");
    let second = world.slack.messages()[1]["ts"].as_str().unwrap().to_owned();
    world.slack.delete(&second);
    world.ends(run).await;
    world.idle().await;
    assert_eq!(world.slack.transcript(), "  R-1 2\n  R-1 3\n  R-1 4\n");
    assert!(world.slack.messages().iter().all(|reply| reply["thread_ts"] == first));
    assert!(world.store.unprojected().await.unwrap().is_empty());
    world.stops().await;
}

#[tokio::test]
async fn cards_are_updated_no_more_often_than_they_may_but_at_the_end_at_once() {
    let world = World::new(standing(), Tempo { card_spacing: SignedDuration::from_secs(3), ..quick() }).await;
    let run = world.asks_in("C1").await;
    world.idle().await;
    for posted in 2..5 {
        world.goes_on(run).await;
        world.rested().await;
        assert_eq!((world.posts(), world.updates()), (posted, 0));
    }
    world.clock.advance(SignedDuration::from_secs(3));
    world.idle().await;
    assert_eq!(world.updates(), 1);
    world.ends(run).await;
    world.idle().await;
    assert_eq!(world.updates(), 2);
    assert!(world.slack.transcript().starts_with("R-1 · verify dev\nevent 5\n"));
    world.stops().await;
}

#[tokio::test]
async fn a_card_that_moves_with_time_is_rendered_anew_until_the_end() {
    let world = World::new(standing(), quick()).await;
    let place = SlackPlace { channel: "C1".to_owned(), thread_ts: None };
    let run = world.asks("moves", Origin::Slack(place)).await;
    world.idle().await;
    for updates in 1..4 {
        world.clock.advance(SignedDuration::from_secs(10));
        soon(world.slack.called("chat.update", updates)).await;
        world.idle().await;
    }
    world.ends(run).await;
    world.idle().await;
    assert_eq!(world.updates(), 4);
    assert_eq!(world.slack.transcript(), "R-1 · moves\nevent 2\n  R-1 2\n");
    world.stops().await;
}

#[tokio::test]
async fn a_restart_sends_nothing_that_is_told() {
    let mut world = World::new(Clock::system(), quick()).await;
    let run = world.asks_in("C1").await;
    world.goes_on(run).await;
    world.idle().await;
    let (posts, updates) = (world.posts(), world.updates());
    world.crash().await;
    world.restart();
    world.idle().await;
    assert_eq!((world.posts(), world.updates()), (posts, updates));
    world.stops().await;
}
