//! The store keeps its promises, on SQLite and on PostgreSQL alike.

#![expect(clippy::unwrap_used, reason = "in a test, what is not there fails it")]

mod support {
    pub mod postgres;
    pub mod required;
}

use std::collections::BTreeSet;

use alch::clock::Clock;
use alch::domain::{Actor, Command, Event, Hold, HoldKind, Origin, Outcome, PlanDigest, RunId, Subject};
use alch::journal::{AuditKeys, Removed};
use alch::step_up::Shown;
use alch::store::{
    AuditScope, FactorRun, HoldChange, LockOutcome, NewHold, NewRun, Put, Replica, Retention, SlackMessage, Store,
    StoreError,
};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde_json::json;

/// Runs the story on a new database of each kind.
async fn on_each_database(story: impl AsyncFn(&Store, &str)) {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", directory.path().join("alch.db").display());
    let store = Store::open(&url).await.unwrap();
    story(&store, &url).await;
    store.close().await;
    if let Some(postgres) = support::postgres::postgres() {
        let url = postgres.database().await;
        let store = Store::open(&url).await.unwrap();
        story(&store, &url).await;
        store.close().await;
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn requested(environment: &str) -> Event {
    Event::Requested {
        command: Command::Verify { environment: environment.to_owned() },
        text: format!("verify {environment}"),
        actor: Actor::Terminal { user: "ada".to_owned() },
        environment: environment.to_owned(),
        origin: Origin::Terminal,
        queue: false,
        notes: Vec::new(),
    }
}

fn ended() -> Event {
    Event::Ended { outcome: Outcome::Succeeded, summary: String::new(), rules: Default::default(), next: Vec::new() }
}

async fn new_run(store: &Store, environment: &str, now: Timestamp) -> RunId {
    let requested = requested(environment);
    store.create_run(NewRun { requested: &requested, environment, driven: true, inbox_key: None }, now).await.unwrap()
}

fn a_replica(store: &Store) -> Replica {
    Replica::new(store.clone(), Clock::system())
}

async fn execute(url: &str, sql: &str) {
    use sqlx::Connection;
    let mut connection = sqlx::AnyConnection::connect(url).await.unwrap();
    sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_reads_back_as_it_was_written() {
    on_each_database(async |store, _| {
        let run = new_run(store, "dev", at(0)).await;
        assert_eq!(run, RunId(1));
        assert_eq!(new_run(store, "dev", at(0)).await, RunId(2));
        let claim = a_replica(store).claim(at(1)).await.unwrap().unwrap();
        let written = store.append(run, claim.fence, &[Event::Locked, ended()], at(2)).await.unwrap();
        let journal = store.journal(run).await.unwrap();
        assert_eq!(journal[1..], written);
        assert_eq!(journal.iter().map(|recorded| recorded.seq).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(store.journal_after(run, 2).await.unwrap(), journal[2..]);
        assert_eq!(store.verify_chain().await.unwrap(), Vec::<String>::new());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_tampering_with_the_journal_is_found() {
    let tampers = [
        (
            "UPDATE events SET body = '{\"kind\":\"locked\" }' WHERE run_id = 2 AND seq = 2",
            "event 2 is not what was recorded",
        ),
        ("UPDATE events SET at = at + 1 WHERE run_id = 2 AND seq = 2", "event 2 is not what was recorded"),
        ("DELETE FROM events WHERE run_id = 2 AND seq = 2", "events are missing"),
        ("DELETE FROM events WHERE run_id = 2 AND seq = 3", "the newest events are missing"),
        ("DELETE FROM events WHERE run_id = 2", "runs are missing"),
        ("UPDATE runs SET environment = 'prod' WHERE id = 2", "filed under `prod`"),
        ("UPDATE last_run SET id = 2", "the newest runs"),
    ];
    for (tamper, found) in tampers {
        on_each_database(async |store, url| {
            for _ in 0..3 {
                let run = new_run(store, "dev", at(0)).await;
                store.signal(run, &[Event::Locked, Event::Locked], at(1)).await.unwrap();
            }
            execute(url, tamper).await;
            let problems = store.verify_chain().await.unwrap().join("; ");
            assert!(problems.contains(found), "{tamper}: {problems:?}");
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_at_the_same_instant_are_made_one_after_the_other() {
    on_each_database(async |store, _| {
        let me = a_replica(store);
        let run = new_run(store, "dev", at(0)).await;
        let digest = PlanDigest("d".to_owned());
        let asked = Event::ApprovalAsked { subject: Subject::Plan, digest: digest.clone(), needed: 3, until: at(60) };
        store.signal(run, &[asked], at(1)).await.unwrap();
        let claim = me.claim(at(1)).await.unwrap().unwrap();
        assert!(store.put_back(&claim, 2, at(600)).await.unwrap());
        let decided = futures_util::future::join_all((0..12).map(|person| {
            let (store, digest) = (store.clone(), digest.clone());
            tokio::spawn(async move {
                // Each person clicks twice.
                let actor = Actor::Terminal { user: format!("person {}", person / 2) };
                store
                    .decide(run, at(5), |run| {
                        let round = run.open_round().ok_or("decided already")?;
                        if round.approvals.iter().any(|approval| approval.actor == actor) {
                            return Err("you did already");
                        }
                        Ok(vec![Event::Approved {
                            subject: Subject::Plan,
                            digest,
                            actor,
                            note: None,
                            stepped_up: false,
                        }])
                    })
                    .await
                    .unwrap()
            })
        }))
        .await;
        let counts: BTreeSet<usize> = decided
            .iter()
            .flat_map(|decided| decided.as_ref().unwrap())
            .map(|run| run.rounds[0].approvals.len())
            .collect();
        assert_eq!(counts, BTreeSet::from([1, 2, 3]), "each saw those before, and nobody the same");
        let now = store.run(run).await.unwrap().unwrap();
        assert!(now.rounds[0].is_granted());
        assert_eq!(now.last_seq, 5, "what does not count is not recorded");
        assert_eq!(me.next_wake().await.unwrap(), Some(at(5)), "a decision wakes the run");
        assert_eq!(store.verify_chain().await.unwrap(), Vec::<String>::new());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_that_is_refused_records_nothing_and_does_not_wake_the_run() {
    on_each_database(async |store, _| {
        let me = a_replica(store);
        let run = new_run(store, "dev", at(0)).await;
        let claim = me.claim(at(0)).await.unwrap().unwrap();
        assert!(store.put_back(&claim, 1, at(600)).await.unwrap());
        assert_eq!(store.decide(run, at(5), |_| Err("no")).await.unwrap(), Err("no"));
        let nothing = store.decide(run, at(5), |_| Ok::<_, ()>(Vec::new())).await.unwrap().unwrap();
        assert_eq!(nothing.last_seq, 1);
        assert_eq!(me.next_wake().await.unwrap(), Some(at(600)));
        let ended = store.decide(run, at(6), |_| Ok::<_, ()>(vec![ended()])).await.unwrap().unwrap();
        assert!(ended.ended.is_some());
        assert_eq!(store.live_runs("dev").await.unwrap(), []);
        let missing = store.decide(RunId(9), at(6), |_| Ok::<_, ()>(Vec::new())).await;
        assert!(matches!(missing, Err(StoreError::NoRun)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_that_arrives_before_a_run_is_put_back_is_not_slept_over() {
    on_each_database(async |store, _| {
        let me = a_replica(store);
        let run = new_run(store, "dev", at(0)).await;
        let claim = me.claim(at(0)).await.unwrap().unwrap();
        let cancel = Event::CancelRequested { actor: Actor::Alch };
        store.signal(run, std::slice::from_ref(&cancel), at(1)).await.unwrap();
        assert!(!store.put_back(&claim, 1, at(600)).await.unwrap());
        assert!(store.put_back(&claim, 2, at(600)).await.unwrap());
        assert_eq!(me.next_wake().await.unwrap(), Some(at(600)));
        store.signal(run, &[cancel], at(5)).await.unwrap();
        assert_eq!(me.next_wake().await.unwrap(), Some(at(5)), "a signal wakes a waiting run");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_claimers_never_get_the_same_run() {
    on_each_database(async |store, _| {
        for _ in 0..40 {
            new_run(store, "dev", at(0)).await;
        }
        let claimers = (0..4).map(|_| {
            let claimer = a_replica(store);
            tokio::spawn(async move {
                let mut runs = Vec::new();
                while let Some(claim) = claimer.claim(at(1)).await.unwrap() {
                    runs.push(claim.run);
                }
                runs
            })
        });
        let mut claimed = Vec::new();
        for claimer in claimers.collect::<Vec<_>>() {
            claimed.extend(claimer.await.unwrap());
        }
        assert_eq!(claimed.len(), 40);
        assert_eq!(claimed.iter().collect::<BTreeSet<_>>().len(), 40);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_from_everywhere_keep_the_chain_whole() {
    on_each_database(async |store, _| {
        let run = new_run(store, "dev", at(0)).await;
        let clicks = (0..30).map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                store.signal(run, &[Event::CancelRequested { actor: Actor::Alch }], at(1)).await.unwrap()
            })
        });
        for click in clicks.collect::<Vec<_>>() {
            click.await.unwrap();
        }
        assert_eq!(store.journal(run).await.unwrap().len(), 31);
        assert_eq!(store.verify_chain().await.unwrap(), Vec::<String>::new());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_is_held_by_one_run_until_it_ends() {
    on_each_database(async |store, _| {
        let me = a_replica(store);
        let (first, second) = (new_run(store, "dev", at(0)).await, new_run(store, "dev", at(0)).await);
        assert_eq!(store.lock("dev", first, at(1)).await.unwrap(), LockOutcome::Acquired);
        assert_eq!(store.lock("dev", first, at(2)).await.unwrap(), LockOutcome::Acquired);
        let LockOutcome::HeldBy(holder) = store.lock("dev", second, at(3)).await.unwrap() else { panic!("held") };
        assert_eq!((holder.run, holder.since), (first, at(1)));
        assert_eq!(store.lock("prod", second, at(3)).await.unwrap(), LockOutcome::Acquired);
        let waiting = me.claim(at(3)).await.unwrap().unwrap();
        let waiting = if waiting.run == second { waiting } else { me.claim(at(3)).await.unwrap().unwrap() };
        assert!(store.put_back(&waiting, 1, at(60)).await.unwrap());
        store.signal(first, &[ended()], at(4)).await.unwrap();
        assert_eq!(store.holder("dev").await.unwrap(), None);
        let woken = me.claim(at(4)).await.unwrap().unwrap();
        assert_eq!(woken.run, second, "the end wakes those who wait");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_takes_the_environment_and_an_end_of_another_does_not_free_it() {
    on_each_database(async |store, _| {
        let (holder, rollback) = (new_run(store, "dev", at(0)).await, new_run(store, "dev", at(0)).await);
        assert_eq!(store.seize("dev", rollback, at(1)).await.unwrap(), None);
        assert_eq!(store.seize("dev", rollback, at(1)).await.unwrap(), None, "a repeat takes it from nobody");
        store.signal(rollback, &[ended()], at(2)).await.unwrap();
        store.lock("dev", holder, at(3)).await.unwrap();
        let rollback = new_run(store, "dev", at(4)).await;
        assert_eq!(store.seize("dev", rollback, at(4)).await.unwrap().unwrap().run, holder);
        store.signal(holder, &[ended()], at(5)).await.unwrap();
        assert_eq!(store.holder("dev").await.unwrap().unwrap().run, rollback);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_becomes_one_run_however_often_it_is_delivered() {
    on_each_database(async |store, _| {
        assert_eq!(a_replica(store).put_request("k1", &json!({"n": 1}), at(0)).await.unwrap(), Put::New);
        assert_eq!(a_replica(store).put_request("k1", &json!({"n": 1}), at(1)).await.unwrap(), Put::Repeated);
        a_replica(store).put_request("k2", &json!({"n": 2}), at(2)).await.unwrap();
        let keys: Vec<String> =
            store.pending_requests().await.unwrap().into_iter().map(|pending| pending.key).collect();
        assert_eq!(keys, ["k1", "k2"]);
        let requested = requested("dev");
        let new = NewRun { requested: &requested, environment: "dev", driven: true, inbox_key: Some("k1") };
        let run = store.create_run(new.clone(), at(3)).await.unwrap();
        assert_eq!(store.create_run(new, at(4)).await.unwrap(), run);
        store.settle_request("k2", at(5)).await.unwrap();
        assert!(store.pending_requests().await.unwrap().is_empty());
        assert_eq!(
            a_replica(store).put_request("k1", &json!({}), at(9)).await.unwrap(),
            Put::Repeated,
            "settled is not forgotten"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollbacks_request_stays_open_until_the_rollback_has_ended() {
    on_each_database(async |store, _| {
        a_replica(store).put_request("k", &json!({}), at(0)).await.unwrap();
        let requested = requested("dev");
        let new = NewRun { requested: &requested, environment: "dev", driven: false, inbox_key: Some("k") };
        let run = store.create_run(new, at(1)).await.unwrap();
        assert!(a_replica(store).claim(at(9)).await.unwrap().is_none(), "the engine does not drive it");
        assert_eq!(store.pending_requests().await.unwrap()[0].run, Some(run));
        store.signal(run, &[ended()], at(2)).await.unwrap();
        assert!(store.pending_requests().await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_slack_was_told_is_known_after_a_restart() {
    on_each_database(async |store, url| {
        let run = new_run(store, "dev", at(0)).await;
        assert_eq!(store.unprojected().await.unwrap(), [(run, 1)]);
        store.slack_message_intent(run, "card", "C1", None, at(1)).await.unwrap();
        assert_eq!(store.slack_messages(run).await.unwrap()[0].ts, None);
        let message = |key: &str, channel: &str, thread_ts: Option<&str>, ts: &str| SlackMessage {
            key: key.to_owned(),
            channel: channel.to_owned(),
            thread_ts: thread_ts.map(str::to_owned),
            ts: Some(ts.to_owned()),
            digest: "digest".to_owned(),
        };
        store.slack_message_outcome(run, &message("card", "C1", None, "17.1")).await.unwrap();
        store.slack_message_intent(run, "3", "C1", Some("17.1"), at(1)).await.unwrap();
        store.slack_message_outcome(run, &message("3", "C1", Some("17.1"), "17.2")).await.unwrap();
        // Meant for a person, and found to be in the conversation with them.
        store.slack_message_intent(run, "notice/before/U1", "U1", None, at(1)).await.unwrap();
        let notice = message("notice/before/U1", "D1", None, "17.3");
        store.slack_message_outcome(run, &notice).await.unwrap();
        assert!(store.slack_messages(run).await.unwrap().contains(&notice));
        assert_eq!(store.run_of_thread("D1", "17.3").await.unwrap(), Some(run));
        store.slack_message_outcome(run, &notice.clone().given_up()).await.unwrap();
        assert!(store.slack_messages(run).await.unwrap().iter().any(|message| message.is_given_up()));
        store.slack_message_intent(run, "notice/before/U1", "U1", None, at(2)).await.unwrap();
        assert!(!store.slack_messages(run).await.unwrap().iter().any(|message| message.is_given_up()));
        assert_eq!(store.run_of_thread("C1", "17.1").await.unwrap(), Some(run));
        assert_eq!(store.run_of_thread("C2", "17.1").await.unwrap(), None);
        store.signal(run, &[ended()], at(2)).await.unwrap();
        assert_eq!(store.unprojected().await.unwrap(), [(run, 2)], "the end is not told yet");
        store.mark_projected(run, 2).await.unwrap();
        assert!(store.unprojected().await.unwrap().is_empty());
        if url.starts_with("postgres") {
            let again = Store::open(url).await.unwrap();
            assert_eq!(again.slack_messages(run).await.unwrap().len(), 3);
        }
    })
    .await;
}

#[tokio::test]
async fn a_second_process_on_the_same_file_is_refused_and_a_restart_frees_the_leases() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", directory.path().join("new/folder/alch.db").display());
    let store = Store::open(&url).await.unwrap();
    let run = new_run(&store, "dev", at(0)).await;
    a_replica(&store).claim(at(0)).await.unwrap().unwrap();
    let refused = Store::open(&url).await.unwrap_err();
    assert!(matches!(refused, StoreError::InUse(_)), "{refused}");
    store.close().await;
    drop(store);
    let store = Store::open(&url).await.unwrap();
    assert_eq!(a_replica(&store).claim(at(1)).await.unwrap().unwrap().run, run);
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_of_an_environment_are_read_since_a_time_the_newest_first() {
    on_each_database(async |store, _| {
        for (environment, second) in [("dev", 0), ("prod", 10), ("dev", 20), ("dev", 30)] {
            new_run(store, environment, at(second)).await;
        }
        store.signal(RunId(3), &[Event::Locked, ended()], at(40)).await.unwrap();
        let since = async |second| store.runs_since("dev", at(second)).await.unwrap();
        let ids = |runs: &[alch::domain::Run]| runs.iter().map(|run| run.id.0).collect::<Vec<_>>();
        assert_eq!(ids(&since(0).await), [4, 3, 1]);
        assert_eq!(ids(&since(20).await), [4, 3]);
        assert_eq!(ids(&since(31).await), Vec::<i64>::new());
        let folded = store.run(RunId(3)).await.unwrap();
        assert_eq!(since(20).await.pop(), folded);
    })
    .await;
}

fn hold(by: &str, until: Option<Timestamp>) -> Hold {
    Hold {
        kind: HoldKind::Freeze,
        run: RunId(0),
        by: Actor::Terminal { user: by.to_owned() },
        reason: "an incident".to_owned(),
        since: at(0),
        until,
    }
}

async fn change_hold(
    store: &Store,
    change: HoldChange,
    seen: Option<RunId>,
    inbox_key: Option<&str>,
    now: Timestamp,
) -> Option<RunId> {
    let (requested, ended) = (requested("dev"), ended());
    let run = NewRun { requested: &requested, environment: "dev", driven: false, inbox_key };
    store.change_hold(NewHold { run, change, seen, ended: &ended }, now).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_stands_until_it_is_lifted_and_its_run_tells_of_it() {
    on_each_database(async |store, _| {
        let me = a_replica(store);
        let waiting = new_run(store, "dev", at(0)).await;
        let claim = me.claim(at(0)).await.unwrap().unwrap();
        assert!(store.put_back(&claim, 1, at(600)).await.unwrap());
        a_replica(store).put_request("k", &json!({}), at(0)).await.unwrap();
        let freeze = HoldChange::Held(hold("ada", Some(at(100))));
        let run = change_hold(store, freeze.clone(), None, Some("k"), at(1)).await.unwrap();
        assert_eq!(me.next_wake().await.unwrap(), Some(at(1)), "who waits there looks again");
        let standing = Hold { run, ..hold("ada", Some(at(100))) };
        assert_eq!(store.holds("dev").await.unwrap(), std::slice::from_ref(&standing));
        assert!(store.holds("prod").await.unwrap().is_empty());
        let kinds: Vec<&str> = store.journal(run).await.unwrap().iter().map(|recorded| recorded.event.kind()).collect();
        assert_eq!(kinds, ["requested", "held", "ended"]);
        assert_eq!(store.journal(run).await.unwrap()[1].event, Event::Held { hold: standing });
        assert_eq!(store.live_runs("dev").await.unwrap(), [waiting]);
        assert!(store.pending_requests().await.unwrap().is_empty());
        assert_eq!(
            change_hold(store, freeze, Some(run), Some("k"), at(2)).await,
            Some(run),
            "a repeat is the same run"
        );
        assert_eq!(store.recent_runs(None, 10).await.unwrap().len(), 2);

        let lifted = change_hold(store, HoldChange::Released(HoldKind::Freeze), Some(run), None, at(3)).await.unwrap();
        assert!(store.holds("dev").await.unwrap().is_empty());
        assert_eq!(store.journal(lifted).await.unwrap()[1].event, Event::Released { hold: HoldKind::Freeze });
        assert_eq!(store.verify_chain().await.unwrap(), Vec::<String>::new());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_is_changed_only_as_it_was_seen() {
    on_each_database(async |store, _| {
        let changes = ["ada", "bob", "eve"].map(|by| {
            let store = store.clone();
            tokio::spawn(async move { change_hold(&store, HoldChange::Held(hold(by, None)), None, None, at(1)).await })
        });
        let mut made = Vec::new();
        for change in changes {
            made.extend(change.await.unwrap());
        }
        assert_eq!(made.len(), 1, "of those who saw none, one is first");
        assert_eq!(store.holds("dev").await.unwrap()[0].run, made[0]);
        let late = change_hold(store, HoldChange::Released(HoldKind::Freeze), Some(RunId(9)), None, at(2)).await;
        assert_eq!(late, None);
        assert_eq!(store.recent_runs(None, 10).await.unwrap().len(), 1, "nothing is left of what was not done");
        assert_eq!(store.verify_chain().await.unwrap(), Vec::<String>::new());
        let again = change_hold(store, HoldChange::Held(hold("bob", None)), Some(made[0]), None, at(3)).await.unwrap();
        assert_eq!(store.holds("dev").await.unwrap(), [Hold { run: again, ..hold("bob", None) }]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_runs_that_changed_rules_are_among_the_changes() {
    on_each_database(async |store, _| {
        let rolled_back = Event::RulesDisabled { rules: Vec::new(), elapsed_ms: 1, verified: true };
        let one = new_run(store, "dev", at(0)).await;
        new_run(store, "dev", at(1)).await;
        store.signal(one, &[rolled_back.clone(), ended()], at(2)).await.unwrap();
        let other = new_run(store, "prod", at(3)).await;
        store.signal(other, &[rolled_back], at(4)).await.unwrap();
        let found = store.recent_changes("dev", 100).await.unwrap();
        assert_eq!(found.iter().map(|run| run.id).collect::<Vec<_>>(), [one]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pulse_changes_with_every_beginning_and_end() {
    on_each_database(async |store, _| {
        let mut seen = vec![store.pulse("dev").await.unwrap()];
        let run = new_run(store, "dev", at(0)).await;
        seen.push(store.pulse("dev").await.unwrap());
        store.signal(run, &[Event::Locked], at(1)).await.unwrap();
        new_run(store, "prod", at(1)).await;
        assert_eq!(store.pulse("dev").await.unwrap(), seen[1]);
        store.signal(run, &[ended()], at(2)).await.unwrap();
        seen.push(store.pulse("dev").await.unwrap());
        // One that began and ended between two looks.
        let short = new_run(store, "dev", at(3)).await;
        store.signal(short, &[ended()], at(3)).await.unwrap();
        seen.push(store.pulse("dev").await.unwrap());
        for (index, pulse) in seen.iter().enumerate() {
            assert!(!seen[..index].contains(pulse), "{seen:?}");
        }
    })
    .await;
}
/// Makes the database of the first schema, as an earlier release left it.
async fn first_schema(url: &str) {
    use sqlx::SqlSafeStr;
    use sqlx::migrate::{Migration, MigrationType, Migrator};
    sqlx::any::install_default_drivers();
    let sql = include_str!("../migrations/0001_journal.sql");
    let first = Migration::new(1, "journal".into(), MigrationType::Simple, sql.into_sql_str(), false);
    let create = if url.starts_with("sqlite:") { format!("{url}?mode=rwc") } else { url.to_owned() };
    let pool = sqlx::AnyPool::connect(&create).await.unwrap();
    Migrator::with_migrations(vec![first]).run(&pool).await.unwrap();
    pool.close().await;
    let body = serde_json::to_string(&requested("dev")).unwrap();
    let hash = alch::journal::link("", RunId(1), 1, at(0), &body);
    let micros = at(0).as_microsecond();
    for sql in [
        format!("INSERT INTO events VALUES (1, 1, {micros}, 'requested', '{body}', '{hash}')"),
        format!("INSERT INTO runs VALUES (1, 'dev', {micros}, 1, '{hash}', {micros}, NULL, NULL, NULL, 0, 1, 0)"),
        format!("UPDATE last_run SET id = 1, hash = '{hash}'"),
        format!("INSERT INTO locks VALUES ('dev', 1, {micros})"),
    ] {
        execute(url, &sql).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_of_an_earlier_release_is_brought_up_to_date_with_all_that_it_holds() {
    let directory = tempfile::tempdir().unwrap();
    let mut urls = vec![format!("sqlite:{}", directory.path().join("old.db").display())];
    // It runs as long as this is held.
    let postgres = support::postgres::postgres();
    if let Some(postgres) = &postgres {
        urls.push(postgres.database().await);
    }
    for url in urls {
        first_schema(&url).await;
        let early = Store::open_read_only(&url).await.unwrap_err();
        assert!(matches!(early, StoreError::OtherSchema { found: 1, known: 5 }), "{early}");
        let store = Store::open(&url).await.unwrap();
        assert_eq!(store.verify_chain().await.unwrap(), Vec::<String>::new());
        assert_eq!(store.live_runs("dev").await.unwrap(), [RunId(1)]);
        assert_eq!(store.holder("dev").await.unwrap().unwrap().run, RunId(1));
        assert!(store.holds("dev").await.unwrap().is_empty());
        change_hold(&store, HoldChange::Held(hold("ada", None)), None, None, at(1)).await.unwrap();
        assert_eq!(store.verify_chain().await.unwrap(), Vec::<String>::new());
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_only_reads_reads_beside_whoever_writes_and_can_write_nothing() {
    on_each_database(async |store, url| {
        for environment in ["dev", "prod", "dev"] {
            let run = new_run(store, environment, at(0)).await;
            store.signal(run, &[Event::Locked, ended()], at(60)).await.unwrap();
        }
        let reader = Store::open_read_only(url).await.unwrap();
        let lines = async |scope| {
            let lines = reader.journal_lines(scope, None).await.unwrap();
            lines.iter().map(|line| (line.run.0, line.seq)).collect::<Vec<_>>()
        };
        let all = AuditScope::default();
        assert_eq!(lines(all).await.len(), 9);
        assert_eq!(lines(AuditScope { environment: Some("prod"), since: None }).await, [(2, 1), (2, 2), (2, 3)]);
        let late = AuditScope { environment: Some("dev"), since: Some(at(60)) };
        assert_eq!(lines(late).await, [(1, 2), (1, 3), (3, 2), (3, 3)]);
        let page = reader.journal_lines(all, None).await.unwrap();
        assert_eq!(reader.journal_lines(all, page.get(4)).await.unwrap(), page[5..]);
        let report = reader.check_chain(None).await.unwrap();
        assert_eq!((report.runs, report.events, report.problems), (3, 9, Vec::new()));
        let first = store.journal(RunId(3)).await.unwrap().swap_remove(0);
        assert_eq!(report.head, Some((RunId(3), first.hash)));
        let requested = requested("dev");
        let new = NewRun { requested: &requested, environment: "dev", driven: true, inbox_key: None };
        reader.create_run(new, at(1)).await.unwrap_err();
        store.signal(RunId(3), &[Event::Locked], at(61)).await.unwrap();
        assert_eq!(reader.check_chain(None).await.unwrap().events, 10);
        reader.close().await;
    })
    .await;
}

#[tokio::test]
async fn what_is_no_database_of_ours_is_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", directory.path().join("alch.db").display());
    let missing = Store::open_read_only(&url).await.unwrap_err();
    assert!(matches!(missing, StoreError::File { .. }), "{missing}");
    assert!(std::fs::read_dir(directory.path()).unwrap().next().is_none(), "nothing was created");
    Store::open(&url).await.unwrap().close().await;
    execute(&url, "INSERT INTO _sqlx_migrations VALUES (99, 'later', CURRENT_TIMESTAMP, TRUE, x'00', 0)").await;
    let newer = Store::open_read_only(&url).await.unwrap_err();
    assert!(matches!(newer, StoreError::OtherSchema { found: 99, .. }), "{newer}");
    execute(&url, "DROP TABLE _sqlx_migrations").await;
    let foreign = Store::open_read_only(&url).await.unwrap_err();
    assert!(foreign.to_string().contains("no database of alch"), "{foreign}");
}

fn enrolling<'a>(requested: &'a Event, ended: &'a Event, inbox_key: Option<&'a str>) -> FactorRun<'a> {
    FactorRun { run: NewRun { requested, environment: "prod", driven: false, inbox_key }, ended }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_is_confirmed_once_by_the_secret_that_was_shown_last() {
    on_each_database(async |store, _| {
        let (requested, ended) = (requested("prod"), ended());
        let told = |key| enrolling(&requested, &ended, key);
        assert_eq!(store.second_factor("U1").await.unwrap(), None);
        assert!(!store.spend_code("U1", Shown { generation: 0, step: 5 }).await.unwrap(), "there is none");
        let first = store.begin_second_factor("U1").await.unwrap();
        let second = store.begin_second_factor("U1").await.unwrap();
        assert_eq!((first.generation, second.generation, second.confirmed_at), (0, 1, None));
        let shown = |generation, step| Shown { generation, step };
        assert!(!store.spend_code("U1", shown(1, 5)).await.unwrap(), "an approval confirms nothing");
        assert_eq!(store.confirm_second_factor("U1", shown(0, 5), told(None), at(1)).await.unwrap(), None);
        assert!(store.recent_runs(None, 9).await.unwrap().is_empty(), "what came to nothing is not journalled");
        a_replica(store).put_request("k", &json!({}), at(2)).await.unwrap();
        let run = store.confirm_second_factor("U1", shown(1, 5), told(Some("k")), at(2)).await.unwrap();
        assert_eq!(run, Some(RunId(1)));
        let again = store.confirm_second_factor("U1", shown(1, 5), told(Some("k")), at(3)).await.unwrap();
        assert_eq!(again, Some(RunId(1)), "taken up again after a crash, it is the same run");
        assert!(store.pending_requests().await.unwrap().is_empty());
        assert_eq!(store.journal(RunId(1)).await.unwrap().len(), 2);
        assert_eq!(store.confirm_second_factor("U1", shown(1, 6), told(None), at(4)).await.unwrap(), None);
        let confirmed = store.begin_second_factor("U1").await.unwrap();
        assert_eq!((confirmed.generation, confirmed.confirmed_at), (1, Some(at(2))), "its secret stays");
        assert_eq!(store.verify_chain().await.unwrap(), Vec::<String>::new());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_spent_once_and_a_reset_makes_all_codes_worthless() {
    on_each_database(async |store, _| {
        let (requested, ended) = (requested("prod"), ended());
        let told = || enrolling(&requested, &ended, None);
        let shown = |step| Shown { generation: 0, step };
        assert_eq!(store.reset_second_factor("U1", told(), at(0)).await.unwrap(), None);
        store.begin_second_factor("U1").await.unwrap();
        store.confirm_second_factor("U1", shown(5), told(), at(1)).await.unwrap().unwrap();
        let (one, other) = tokio::join!(store.spend_code("U1", shown(7)), store.spend_code("U1", shown(7)));
        assert!(one.unwrap() != other.unwrap(), "of two at once, one counts");
        for (step, counts) in [(5, false), (6, false), (7, false), (8, true), (8, false)] {
            assert_eq!(store.spend_code("U1", shown(step)).await.unwrap(), counts, "{step}");
        }
        for second in 2..7 {
            store.note_wrong_code("U1", at(second)).await.unwrap();
        }
        let locked = store.second_factor("U1").await.unwrap().unwrap();
        assert_eq!((locked.wrong, locked.wrong_at, locked.last_step), (5, Some(at(6)), Some(8)));
        assert!(locked.locked_until(at(7)).is_some());
        assert_eq!(store.reset_second_factor("U1", told(), at(8)).await.unwrap(), Some(RunId(2)));
        let reset = store.second_factor("U1").await.unwrap().unwrap();
        assert_eq!((reset.generation, reset.confirmed_at, reset.wrong), (1, None, 0));
        assert!(!store.spend_code("U1", shown(9)).await.unwrap());
        assert_eq!(store.verify_chain().await.unwrap(), Vec::<String>::new());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_is_given_back_by_its_holder_only() {
    on_each_database(async |store, _| {
        let (holder, other) = (new_run(store, "dev", at(0)).await, new_run(store, "dev", at(0)).await);
        assert_eq!(store.lock("dev", holder, at(1)).await.unwrap(), LockOutcome::Acquired);
        store.give_back("dev", other).await.unwrap();
        assert_eq!(store.holder("dev").await.unwrap().map(|held| held.run), Some(holder));
        store.give_back("dev", holder).await.unwrap();
        assert_eq!(store.holder("dev").await.unwrap(), None);
    })
    .await;
}

const DAY: i64 = 86_400;
/// Journals are kept for a hundred days, and the newest change of an environment for ever.
const KEPT: Retention = Retention { kept: SignedDuration::from_hours(100 * 24), changes: 1 };

fn keys() -> AuditKeys {
    AuditKeys::read(&SecretString::from("a key that only this test knows of!"))
}

fn changed() -> Event {
    Event::RulesDisabled { rules: Vec::new(), elapsed_ms: 60, verified: true }
}

/// A run that is over in every respect.
async fn over(store: &Store, environment: &str, events: &[Event], now: Timestamp) -> RunId {
    let requested = requested(environment);
    let new = NewRun { requested: &requested, environment, driven: false, inbox_key: None };
    let run = store.create_run(new, now).await.unwrap();
    let newest = store.signal(run, &[events, &[ended()]].concat(), now).await.unwrap().pop().unwrap();
    // An end asks for a last look, which finds nothing to do.
    let claim = a_replica(store).claim(now).await.unwrap().unwrap();
    store.retire(&claim, newest.seq).await.unwrap();
    store.mark_projected(run, newest.seq).await.unwrap();
    run
}

#[tokio::test(flavor = "multi_thread")]
async fn journals_whose_time_is_over_are_removed_and_the_chain_goes_on_behind_them() {
    on_each_database(async |store, url| {
        let looks = over(store, "dev", &[], at(0)).await;
        let change = over(store, "dev", &[changed()], at(1)).await;
        let later = over(store, "prod", &[], at(2)).await;
        let newest_change = over(store, "dev", &[changed()], at(3)).await;
        let last = over(store, "dev", &[], at(50 * DAY)).await;
        let now = at(101 * DAY);
        assert_eq!(store.outlived(KEPT, now).await.unwrap(), [], "by the newest run it is only the fiftieth day");
        over(store, "prod", &[], at(101 * DAY)).await;
        assert_eq!(store.outlived(KEPT, at(99 * DAY)).await.unwrap(), [], "by the clock it is only the 99th day");
        let outlived = store.outlived(KEPT, now).await.unwrap();
        assert_eq!(outlived, [looks, change, later], "{newest_change} is the newest change of dev, {last} is younger");

        let kept = store.journal(newest_change).await.unwrap();
        let hash = store.journal(later).await.unwrap().swap_remove(0).hash;
        assert_eq!(store.remove_journals(&outlived[..1], &keys(), now).await.unwrap(), 1);
        assert_eq!(store.remove_journals(&outlived, &keys(), now).await.unwrap(), 2, "what is gone is gone");
        assert_eq!(store.outlived(KEPT, now).await.unwrap(), []);
        for run in outlived {
            assert_eq!(store.journal(run).await.unwrap(), []);
            assert!(store.run(run).await.unwrap().is_none());
        }
        let stretch = Removed { first: looks, last: later, hash, events: 7, at: now };
        assert_eq!(store.removal_of(change).await.unwrap().as_ref(), Some(&stretch));
        assert_eq!(store.removal_of(newest_change).await.unwrap(), None);
        assert_eq!(store.journal(newest_change).await.unwrap(), kept);

        let reader = Store::open_read_only(url).await.unwrap();
        let report = reader.check_chain(Some(&keys())).await.unwrap();
        assert_eq!((report.runs, report.removed, report.problems), (3, vec![stretch], Vec::new()));
        let unknown = reader.check_chain(None).await.unwrap().problems;
        assert_eq!(
            unknown,
            ["R-1 to R-3: were removed, and without AUDIT_KEY it is not known whether Alch has signed that"]
        );
        reader.close().await;
        assert_eq!(new_run(store, "dev", now).await, RunId(7), "a number is never given twice");
        assert_eq!(store.check_chain(Some(&keys())).await.unwrap().problems, Vec::<String>::new());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_there_is_still_to_do_for_is_kept_however_old() {
    on_each_database(async |store, _| {
        let live = new_run(store, "dev", at(0)).await;
        store.signal(live, &[Event::Locked], at(0)).await.unwrap();
        let claim = a_replica(store).claim(at(0)).await.unwrap().unwrap();
        store.put_back(&claim, 2, at(400 * DAY)).await.unwrap();
        let untold = over(store, "dev", &[], at(1)).await;
        store.signal(untold, &[Event::Discarded { change_sets: Vec::new(), problem: None }], at(1)).await.unwrap();
        let freeze = HoldChange::Held(hold("ada", None));
        let held = change_hold(store, freeze, None, None, at(2)).await.unwrap();
        let seq = store.journal(held).await.unwrap().pop().unwrap().seq;
        store.mark_projected(held, seq).await.unwrap();
        let spoken_of_lately = over(store, "dev", &[], at(3)).await;
        let newest = store.signal(spoken_of_lately, &[Event::Locked], at(150 * DAY)).await.unwrap()[0].seq;
        store.mark_projected(spoken_of_lately, newest).await.unwrap();
        over(store, "prod", &[], at(200 * DAY)).await;
        let now = at(200 * DAY);
        assert_eq!(store.outlived(KEPT, now).await.unwrap(), []);

        let over_by_now = over(store, "dev", &[], at(200 * DAY)).await;
        over(store, "prod", &[], at(400 * DAY)).await;
        let outlived = store.outlived(KEPT, at(400 * DAY)).await.unwrap();
        assert!(outlived.ends_with(&[over_by_now]) && outlived.contains(&spoken_of_lately), "{outlived:?}");
        // Somebody comes in between the look and the removal.
        store.signal(over_by_now, &[Event::Locked], at(400 * DAY)).await.unwrap();
        assert_eq!(store.remove_journals(&[live, untold, over_by_now], &keys(), at(400 * DAY)).await.unwrap(), 0);
        assert_eq!(store.verify_chain().await.unwrap(), Vec::<String>::new());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_removes_a_journal_without_the_key_is_found() {
    let tampers = [
        ("UPDATE removed SET last_run = 3", "no key of AUDIT_KEY has signed that"),
        ("UPDATE removed SET hash = (SELECT hash FROM events WHERE run_id = 3 AND seq = 1)", "no key of AUDIT_KEY"),
        ("UPDATE removed SET events = 1", "no key of AUDIT_KEY has signed that"),
        ("UPDATE removed SET signature = ''", "no key of AUDIT_KEY has signed that"),
        ("DELETE FROM removed", "runs are missing"),
        ("DELETE FROM events WHERE run_id = 3", "runs are missing"),
        ("DELETE FROM events WHERE run_id = 4", "the newest runs"),
        (
            "INSERT INTO removed (first_run, last_run, hash, events, removed_at, signature)
             SELECT 4, 4, hash, 2, removed_at, signature FROM removed",
            "R-4 to R-4: are said to be removed, and are there",
        ),
    ];
    for (tamper, found) in tampers {
        on_each_database(async |store, url| {
            for day in 0..4 {
                over(store, "dev", &[], at(day * DAY)).await;
            }
            store.remove_journals(&[RunId(1), RunId(2)], &keys(), at(200 * DAY)).await.unwrap();
            assert_eq!(store.check_chain(Some(&keys())).await.unwrap().problems, Vec::<String>::new());
            execute(url, tamper).await;
            let problems = store.check_chain(Some(&keys())).await.unwrap().problems.join("; ");
            assert!(problems.contains(found), "{tamper}: {problems:?}");
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_has_tampered_with_is_not_removed() {
    let tampers = [
        "UPDATE events SET body = '{\"kind\":\"locked\" }' WHERE run_id = 3 AND seq = 2",
        "DELETE FROM events WHERE run_id = 3 AND seq = 2",
        "DELETE FROM events WHERE run_id = 3 AND seq = 1",
        "UPDATE removed SET events = 1",
    ];
    for tamper in tampers {
        on_each_database(async |store, url| {
            for day in 0..4 {
                over(store, "dev", &[], at(day * DAY)).await;
            }
            store.remove_journals(&[RunId(1)], &keys(), at(200 * DAY)).await.unwrap();
            execute(url, tamper).await;
            let refused = store.remove_journals(&[RunId(2), RunId(3)], &keys(), at(200 * DAY)).await.unwrap_err();
            assert!(matches!(refused, StoreError::Broken(_)), "{tamper}: {refused}");
            assert_eq!(store.journal(RunId(2)).await.unwrap().len(), 2, "{tamper}: it is all or nothing");
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_were_settled_long_ago_are_forgotten() {
    on_each_database(async |store, _| {
        let me = a_replica(store);
        for key in ["settled", "lately", "open"] {
            me.put_request(key, &json!({}), at(0)).await.unwrap();
        }
        store.settle_request("settled", at(0)).await.unwrap();
        store.settle_request("lately", at(10)).await.unwrap();
        assert!(store.forget_requests(at(10)).await.unwrap());
        assert!(!store.forget_requests(at(10)).await.unwrap());
        assert_eq!(me.put_request("settled", &json!({}), at(20)).await.unwrap(), Put::New);
        assert_eq!(me.put_request("lately", &json!({}), at(20)).await.unwrap(), Put::Repeated);
        assert_eq!(me.put_request("open", &json!({}), at(20)).await.unwrap(), Put::Repeated);
    })
    .await;
}
