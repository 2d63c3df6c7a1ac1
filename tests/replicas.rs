//! Several processes on one database: who has what, who takes it from whom, and what a process that was away may still do.
//! `tests/shared.rs` has the same with real processes.

#![expect(clippy::unwrap_used, reason = "in a test, what is not there fails it")]

mod support {
    pub mod postgres;
    pub mod required;
}

use std::time::Duration;

use alch::clock::Clock;
use alch::domain::{Actor, Command, Event, Fence as _, Origin, RunId};
use alch::store::{Duty, NewRun, Replica, Store, StoreError};
use jiff::Timestamp;
use serde_json::json;

/// Shorter than a process has it, so that a lease lapses soon.
const SHORT: Duration = Duration::from_millis(300);
/// Longer than any story takes.
const LONG: Duration = Duration::from_secs(60);

async fn on_each_database(story: impl AsyncFn(&Store)) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&format!("sqlite:{}", directory.path().join("alch.db").display())).await.unwrap();
    story(&store).await;
    store.close().await;
    if let Some(postgres) = support::postgres::postgres() {
        let store = Store::open(&postgres.database().await).await.unwrap();
        story(&store).await;
        store.close().await;
    }
}

fn replica(store: &Store, lasts: Duration) -> Replica {
    Replica::new(store.clone(), Clock::system()).lasting(lasts)
}

/// Waits until this one has buried somebody.
async fn buries(replica: &Replica) {
    let mut burials = replica.burials();
    burials.mark_unchanged();
    while !burials.has_changed().unwrap() {
        let wait = replica.keep().await.unwrap();
        if !burials.has_changed().unwrap() {
            tokio::time::sleep(wait).await;
        }
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

async fn new_run(store: &Store) -> RunId {
    let requested = Event::Requested {
        command: Command::Verify { environment: "dev".to_owned() },
        text: "verify dev".to_owned(),
        actor: Actor::Alch,
        environment: "dev".to_owned(),
        origin: Origin::Terminal,
        queue: false,
        notes: Vec::new(),
    };
    let new = NewRun { requested: &requested, environment: "dev", driven: true, inbox_key: None };
    store.create_run(new, at(0)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lost_the_lease_can_record_nothing() {
    on_each_database(async |store| {
        let run = new_run(store).await;
        let (frozen, other) = (replica(store, SHORT), replica(store, LONG));
        let first = frozen.claim(at(0)).await.unwrap().unwrap();
        assert!(other.claim(at(0)).await.unwrap().is_none(), "somebody has it");
        assert_eq!(other.next_wake().await.unwrap(), None, "and nobody else needs to look");
        assert!(store.still_claimed(&first).await.unwrap());
        buries(&other).await;
        assert_eq!(other.next_wake().await.unwrap(), Some(at(0)));
        let second = other.claim(at(0)).await.unwrap().unwrap();
        assert_eq!((second.run, second.fence), (run, first.fence + 1));
        assert!(!store.still_claimed(&first).await.unwrap());
        assert_ne!(frozen.renew().await.unwrap().name(), first.owner, "who was buried is somebody else");
        let refused = store.append(run, first.fence, &[Event::Locked], at(11)).await;
        assert!(matches!(refused, Err(StoreError::Fenced)));
        assert!(!store.put_back(&first, 1, at(60)).await.unwrap());
        assert_eq!(store.journal(run).await.unwrap().len(), 1);
        store.append(run, second.fence, &[Event::Locked], at(11)).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_away_may_do_nothing_with_what_it_had() {
    on_each_database(async |store| {
        let (frozen, other) = (replica(store, SHORT * 6), replica(store, LONG));
        let before = frozen.renew().await.unwrap();
        assert!(before.left() > Duration::ZERO && before.left() <= SHORT * 6, "{:?}", before.left());
        while before.left() > Duration::ZERO {
            tokio::time::sleep(before.left()).await;
        }
        let again = frozen.renew().await.unwrap();
        assert_eq!(again.name(), before.name(), "nobody has taken anything meanwhile");
        assert!(before.left() > Duration::ZERO);
        buries(&other).await;
        assert_eq!(before.left(), Duration::ZERO, "its own clock says so before anybody else could take anything");
        let after = frozen.renew().await.unwrap();
        assert!(after.left() > Duration::ZERO);
        assert_eq!(before.left(), Duration::ZERO);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_claims_no_run_that_it_drives_already() {
    on_each_database(async |store| {
        new_run(store).await;
        let replica = replica(store, SHORT);
        let claim = replica.claim(at(0)).await.unwrap().unwrap();
        let tenure = replica.tenure().await.unwrap();
        while tenure.left() > Duration::ZERO {
            tokio::time::sleep(tenure.left()).await;
        }
        assert!(replica.claim(at(60)).await.unwrap().is_none(), "its lease had lapsed, and it has the run still");
        assert!(store.still_claimed(&claim).await.unwrap());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_lives_on_one_process_also_while_it_waits() {
    on_each_database(async |store| {
        new_run(store).await;
        let (home, other) = (replica(store, SHORT), replica(store, LONG));
        let claim = home.claim(at(0)).await.unwrap().unwrap();
        assert!(store.put_back(&claim, 1, at(5)).await.unwrap());
        assert!(other.claim(at(9)).await.unwrap().is_none());
        assert_eq!((home.next_wake().await.unwrap(), other.next_wake().await.unwrap()), (Some(at(5)), None));
        let again = home.claim(at(9)).await.unwrap().unwrap();
        assert!(!store.still_claimed(&claim).await.unwrap());
        assert!(store.put_back(&again, 1, at(20)).await.unwrap());
        buries(&other).await;
        assert_eq!(other.next_wake().await.unwrap(), Some(at(20)));
        assert!(other.claim(at(20)).await.unwrap().is_some());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_up_is_free_at_once() {
    on_each_database(async |store| {
        let run = new_run(store).await;
        let (leaving, other) = (replica(store, LONG), replica(store, LONG));
        leaving.claim(at(0)).await.unwrap().unwrap();
        assert!(leaving.take_duty(Duty::Telling).await.unwrap().is_some());
        leaving.put_request("k", &json!({}), at(0)).await.unwrap();
        assert!(other.adopt_requests().await.unwrap().is_empty());
        leaving.give_up_runs().await.unwrap();
        assert_eq!(other.claim(at(0)).await.unwrap().unwrap().run, run);
        assert!(other.take_duty(Duty::Telling).await.unwrap().is_none(), "its last words are not said yet");
        leaving.leave().await.unwrap();
        assert!(other.take_duty(Duty::Telling).await.unwrap().is_some());
        assert_eq!(other.adopt_requests().await.unwrap().len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_has_a_duty_until_it_is_dead() {
    on_each_database(async |store| {
        let (frozen, other) = (replica(store, SHORT), replica(store, LONG));
        assert!(frozen.take_duty(Duty::Telling).await.unwrap().is_some());
        assert!(frozen.take_duty(Duty::Telling).await.unwrap().is_some(), "and goes on with it");
        assert!(other.take_duty(Duty::Telling).await.unwrap().is_none());
        assert!(other.take_duty(Duty::Soaks).await.unwrap().is_some(), "another duty is another's");
        buries(&other).await;
        assert!(other.take_duty(Duty::Telling).await.unwrap().is_some());
        assert!(frozen.take_duty(Duty::Telling).await.unwrap().is_none());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_dead_have_not_answered_is_taken_over_once_and_in_order() {
    on_each_database(async |store| {
        let (dead, other) = (replica(store, SHORT), replica(store, LONG));
        dead.renew().await.unwrap();
        for (key, second) in [("b", 1), ("a", 2), ("c", 0)] {
            dead.put_request(key, &json!({ "key": key }), at(second)).await.unwrap();
        }
        store.settle_request("a", at(3)).await.unwrap();
        assert!(other.adopt_requests().await.unwrap().is_empty());
        buries(&other).await;
        let adopted: Vec<String> =
            other.adopt_requests().await.unwrap().into_iter().map(|pending| pending.key).collect();
        assert_eq!(adopted, ["c", "b"]);
        assert!(other.adopt_requests().await.unwrap().is_empty());
        assert!(replica(store, LONG).adopt_requests().await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whether_another_process_drives_a_run_here_is_known() {
    on_each_database(async |store| {
        new_run(store).await;
        let (one, other) = (replica(store, LONG), replica(store, LONG));
        assert!(!other.is_driven_elsewhere("dev").await.unwrap());
        let claim = one.claim(at(0)).await.unwrap().unwrap();
        assert!(other.is_driven_elsewhere("dev").await.unwrap());
        assert!(!other.is_driven_elsewhere("prod").await.unwrap());
        assert!(!one.is_driven_elsewhere("dev").await.unwrap(), "that is itself");
        assert!(store.put_back(&claim, 1, at(60)).await.unwrap());
        assert!(!other.is_driven_elsewhere("dev").await.unwrap());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_process_records_wakes_the_others() {
    let Some(postgres) = support::postgres::postgres() else { return };
    let url = postgres.database().await;
    let (one, other) = (Store::open(&url).await.unwrap(), Store::open(&url).await.unwrap());
    let mut changes = other.changes();
    // The first change says that it listens.
    let listens = *tokio::time::timeout(LONG, changes.wait_for(|count| *count > 0)).await.unwrap().unwrap();
    let run = new_run(&one).await;
    tokio::time::timeout(LONG, changes.wait_for(|count| *count > listens)).await.unwrap().unwrap();
    assert!(other.run(run).await.unwrap().is_some());
    one.close().await;
    other.close().await;
}
