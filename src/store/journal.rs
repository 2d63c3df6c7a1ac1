//! Runs and their journals: made, appended to and read.

use jiff::Timestamp;
use sqlx::any::AnyRow;
use sqlx::{Any, Row, Transaction};

use super::{Result, Store, StoreError, micros, time};
use crate::domain::{Event, Recorded, Run, RunId};
use crate::journal::link;

/// The events of a run after a number, in order.
const SELECT_JOURNAL: &str =
    "SELECT run_id, seq, at, body, hash FROM events WHERE run_id = $1 AND seq > $2 ORDER BY seq";

/// Whether a run has changed something.
pub(super) const CHANGED: &str = "EXISTS (SELECT 1 FROM events
    WHERE events.run_id = runs.id AND events.kind IN ('applied', 'effected', 'rules_disabled'))";

/// Where the journal of a run ends, and who drives the run.
struct Head {
    seq: i64,
    hash: String,
    fence: i64,
    environment: String,
}

/// A run to be made.
#[derive(Clone, Debug)]
pub struct NewRun<'a> {
    /// Its first event, which is a request.
    pub requested: &'a Event,
    /// Where it acts.
    pub environment: &'a str,
    /// Whether the engine drives it; a rollback drives itself.
    pub driven: bool,
    /// The request in the inbox that it comes from.
    pub inbox_key: Option<&'a str>,
}

/// What changes whenever a run of an environment begins or ends, and never goes back to what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulse {
    newest: i64,
    live: i64,
}

/// What came of making a run.
pub(super) enum Made {
    /// It is there now, with the hash of its first event.
    New(RunId, String),
    /// Its request had become this run before.
    Before(RunId),
}

impl Store {
    /// Makes a run with its first event, and settles the request it comes from, in one transaction: a request becomes one
    /// run, however often it is looked at. A rollback's request stays open until the rollback has ended.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn create_run(&self, new: NewRun<'_>, now: Timestamp) -> Result<RunId> {
        self.create_run_with(new, &[], now).await
    }

    /// As [`Store::create_run`], with further events in the same transaction.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn create_run_with(&self, new: NewRun<'_>, further: &[Event], now: Timestamp) -> Result<RunId> {
        let mut tx = self.begin().await?;
        match self.make_run(&mut tx, &new, now).await? {
            Made::Before(run) => Ok(run),
            Made::New(run, mut hash) => {
                let mut seq = 1;
                for event in further {
                    seq += 1;
                    hash = insert(&mut tx, run, seq, now, &hash, event).await?;
                }
                sqlx::query("UPDATE runs SET head_seq = $2, head_hash = $3 WHERE id = $1")
                    .bind(run.0)
                    .bind(seq)
                    .bind(hash)
                    .execute(&mut *tx)
                    .await?;
                self.commit(tx).await?;
                Ok(run)
            }
        }
    }

    /// Makes a run within a transaction that goes on. One such transaction is let in at a time.
    pub(super) async fn make_run(
        &self,
        tx: &mut Transaction<'static, Any>,
        new: &NewRun<'_>,
        now: Timestamp,
    ) -> Result<Made> {
        if let Some(key) = new.inbox_key {
            let select = self.locking("SELECT run_id FROM inbox WHERE key = $1{lock}", " FOR UPDATE");
            let row = sqlx::query(select).bind(key.to_owned()).fetch_optional(&mut **tx).await?;
            if let Some(id) = row.map(|row| row.try_get::<Option<i64>, _>("run_id")).transpose()?.flatten() {
                return Ok(Made::Before(RunId(id)));
            }
        }
        let last = sqlx::query(self.locking("SELECT id, hash FROM last_run{lock}", " FOR UPDATE"))
            .fetch_one(&mut **tx)
            .await?;
        let run = RunId(last.try_get::<i64, _>("id")? + 1);
        let previous: String = last.try_get("hash")?;
        let hash = insert(tx, run, 1, now, &previous, new.requested).await?;
        sqlx::query("UPDATE last_run SET id = $1, hash = $2").bind(run.0).bind(hash.clone()).execute(&mut **tx).await?;
        sqlx::query(
            "INSERT INTO runs (id, environment, created_at, head_seq, head_hash, wake_at, fence, live, projected_seq)
             VALUES ($1, $2, $3, 1, $4, $5, 0, 1, 0)",
        )
        .bind(run.0)
        .bind(new.environment.to_owned())
        .bind(micros(now))
        .bind(hash.clone())
        .bind(new.driven.then(|| micros(now)))
        .execute(&mut **tx)
        .await?;
        if let Some(key) = new.inbox_key {
            sqlx::query("UPDATE inbox SET run_id = $2, done_at = $3 WHERE key = $1")
                .bind(key.to_owned())
                .bind(run.0)
                .bind(new.driven.then(|| micros(now)))
                .execute(&mut **tx)
                .await?;
        }
        Ok(Made::New(run, hash))
    }

    /// Appends events as the holder of the run's lease.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the lease has passed on; nothing is recorded then.
    pub async fn append(&self, run: RunId, fence: i64, events: &[Event], now: Timestamp) -> Result<Vec<Recorded>> {
        self.append_where(run, Some(fence), events, now).await
    }

    /// Appends signals, and events of runs that nobody holds a lease of: from anyone, at any time. Wakes the run.
    ///
    /// # Errors
    /// When the database fails or there is no such run.
    pub async fn signal(&self, run: RunId, events: &[Event], now: Timestamp) -> Result<Vec<Recorded>> {
        self.append_where(run, None, events, now).await
    }

    /// Decides on a run: `rule` sees it as it is now, and what it gives is appended before anybody else can append. So of
    /// decisions at the same instant the second sees the first. Wakes the run, as a signal does. Returns the run as it is
    /// afterwards, or what `rule` refused; nothing is recorded then. `rule` keeps writers waiting: it must be quick.
    ///
    /// # Errors
    /// When the database fails, or there is no such run.
    pub async fn decide<E>(
        &self,
        run: RunId,
        now: Timestamp,
        rule: impl FnOnce(&Run) -> Result<Vec<Event>, E>,
    ) -> Result<Result<Run, E>> {
        let mut tx = self.begin().await?;
        let head = self.head(&mut tx, run).await?;
        let journal: Vec<Recorded> = sqlx::query(SELECT_JOURNAL)
            .bind(run.0)
            .bind(0_i64)
            .fetch_all(&mut *tx)
            .await?
            .iter()
            .map(recorded)
            .collect::<Result<_>>()?;
        let mut folded = Run::from_journal(&journal).ok_or(StoreError::NoRun)?;
        let events = match rule(&folded) {
            Ok(events) => events,
            Err(refused) => {
                tx.rollback().await?;
                return Ok(Err(refused));
            }
        };
        if events.is_empty() {
            tx.rollback().await?;
            return Ok(Ok(folded));
        }
        let appended = append(&mut tx, run, head, true, &events, now).await?;
        self.commit(tx).await?;
        appended.iter().for_each(|recorded| folded.apply(recorded));
        Ok(Ok(folded))
    }

    async fn append_where(
        &self,
        run: RunId,
        fence: Option<i64>,
        events: &[Event],
        now: Timestamp,
    ) -> Result<Vec<Recorded>> {
        let mut tx = self.begin().await?;
        let head = self.head(&mut tx, run).await?;
        if fence.is_some_and(|fence| fence != head.fence) {
            return Err(StoreError::Fenced);
        }
        let appended = append(&mut tx, run, head, fence.is_none(), events, now).await?;
        self.commit(tx).await?;
        Ok(appended)
    }

    /// Where the journal of a run ends. Nobody else appends to it until the transaction's end.
    async fn head(&self, tx: &mut Transaction<'static, Any>, run: RunId) -> Result<Head> {
        let select =
            self.locking("SELECT head_seq, head_hash, fence, environment FROM runs WHERE id = $1{lock}", " FOR UPDATE");
        let row = sqlx::query(select).bind(run.0).fetch_optional(&mut **tx).await?.ok_or(StoreError::NoRun)?;
        Ok(Head {
            seq: row.try_get("head_seq")?,
            hash: row.try_get("head_hash")?,
            fence: row.try_get("fence")?,
            environment: row.try_get("environment")?,
        })
    }

    /// The journal of a run, in order; empty when there is no such run.
    ///
    /// # Errors
    /// When the database fails or holds what this version cannot read.
    pub async fn journal(&self, run: RunId) -> Result<Vec<Recorded>> {
        self.journal_after(run, 0).await
    }

    /// The events of a run after number `seq`.
    ///
    /// # Errors
    /// As [`Store::journal`].
    pub async fn journal_after(&self, run: RunId, seq: i64) -> Result<Vec<Recorded>> {
        sqlx::query(SELECT_JOURNAL).bind(run.0).bind(seq).fetch_all(&self.reads).await?.iter().map(recorded).collect()
    }

    /// A run, folded from its journal.
    ///
    /// # Errors
    /// As [`Store::journal`].
    pub async fn run(&self, run: RunId) -> Result<Option<Run>> {
        Ok(Run::from_journal(&self.journal(run).await?))
    }

    /// The newest runs first, of one environment or of all.
    ///
    /// # Errors
    /// As [`Store::journal`].
    pub async fn recent_runs(&self, environment: Option<&str>, limit: i64) -> Result<Vec<Run>> {
        let rows = sqlx::query("SELECT id FROM runs WHERE $1 = '' OR environment = $1 ORDER BY id DESC LIMIT $2")
            .bind(environment.unwrap_or_default().to_owned())
            .bind(limit)
            .fetch_all(&self.reads)
            .await?;
        let mut runs = Vec::with_capacity(rows.len());
        for row in rows {
            runs.extend(self.run(RunId(row.try_get("id")?)).await?);
        }
        Ok(runs)
    }

    /// The runs of an environment that were asked for from `since` on, the newest first.
    ///
    /// # Errors
    /// As [`Store::journal`].
    pub async fn runs_since(&self, environment: &str, since: Timestamp) -> Result<Vec<Run>> {
        let rows = sqlx::query(
            "SELECT events.run_id AS run_id, events.seq AS seq, events.at AS at, events.body AS body,
                 events.hash AS hash
             FROM runs JOIN events ON events.run_id = runs.id
             WHERE runs.environment = $1 AND runs.created_at >= $2 ORDER BY runs.id DESC, events.seq",
        )
        .bind(environment.to_owned())
        .bind(micros(since))
        .fetch_all(&self.reads)
        .await?;
        let journals = rows.iter().map(recorded).collect::<Result<Vec<Recorded>>>()?;
        Ok(journals.chunk_by(|one, next| one.run == next.run).filter_map(Run::from_journal).collect())
    }

    /// The newest runs of an environment that have changed rules there, the newest first.
    ///
    /// # Errors
    /// As [`Store::journal`].
    pub async fn recent_changes(&self, environment: &str, limit: i64) -> Result<Vec<Run>> {
        let select = format!("SELECT id FROM runs WHERE environment = $1 AND {CHANGED} ORDER BY id DESC LIMIT $2");
        let rows = sqlx::query(sqlx::AssertSqlSafe(select))
            .bind(environment.to_owned())
            .bind(limit)
            .fetch_all(&self.reads)
            .await?;
        let mut runs = Vec::with_capacity(rows.len());
        for row in rows {
            runs.extend(self.run(RunId(row.try_get("id")?)).await?);
        }
        Ok(runs)
    }

    /// The environment's pulse: cheap to look at, and another one whenever a run there has begun or ended.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn pulse(&self, environment: &str) -> Result<Pulse> {
        let row = sqlx::query(
            "SELECT COALESCE(MAX(id), 0) AS newest, COUNT(CASE WHEN live = 1 THEN 1 END) AS live
             FROM runs WHERE environment = $1",
        )
        .bind(environment.to_owned())
        .fetch_one(&self.reads)
        .await?;
        Ok(Pulse { newest: row.try_get("newest")?, live: row.try_get("live")? })
    }

    /// The runs of an environment that have not ended, oldest first.
    ///
    /// # Errors
    /// As [`Store::journal`].
    pub async fn live_runs(&self, environment: &str) -> Result<Vec<RunId>> {
        sqlx::query("SELECT id FROM runs WHERE live = 1 AND environment = $1 ORDER BY id")
            .bind(environment.to_owned())
            .fetch_all(&self.reads)
            .await?
            .iter()
            .map(|row| Ok(RunId(row.try_get("id")?)))
            .collect()
    }
}

/// Appends events to the journal that ends at `head`. A signal wakes the run; an end frees its environment.
async fn append(
    tx: &mut Transaction<'static, Any>,
    run: RunId,
    head: Head,
    wakes: bool,
    events: &[Event],
    now: Timestamp,
) -> Result<Vec<Recorded>> {
    let Head { mut seq, mut hash, environment, .. } = head;
    let mut appended = Vec::with_capacity(events.len());
    for event in events {
        seq += 1;
        hash = insert(tx, run, seq, now, &hash, event).await?;
        appended.push(Recorded { run, seq, at: now, event: event.clone(), hash: hash.clone() });
    }
    let ended = events.iter().any(|event| matches!(event, Event::Ended { .. }));
    let statement = match (ended, wakes) {
        (true, _) => "UPDATE runs SET head_seq = $2, head_hash = $3, wake_at = $4, live = 0 WHERE id = $1",
        (false, false) => "UPDATE runs SET head_seq = $2, head_hash = $3 WHERE id = $1 AND $4 = $4",
        (false, true) => {
            "UPDATE runs SET head_seq = $2, head_hash = $3,
                 wake_at = CASE WHEN wake_at IS NULL THEN NULL ELSE $4 END WHERE id = $1"
        }
    };
    sqlx::query(statement).bind(run.0).bind(seq).bind(hash).bind(micros(now)).execute(&mut **tx).await?;
    if ended {
        sqlx::query("DELETE FROM locks WHERE environment = $1 AND run_id = $2")
            .bind(environment.clone())
            .bind(run.0)
            .execute(&mut **tx)
            .await?;
        // Those who wait for the environment look again now.
        sqlx::query("UPDATE runs SET wake_at = $2 WHERE environment = $1 AND live = 1 AND wake_at > $2")
            .bind(environment)
            .bind(micros(now))
            .execute(&mut **tx)
            .await?;
        sqlx::query("UPDATE inbox SET done_at = $2 WHERE run_id = $1 AND done_at IS NULL")
            .bind(run.0)
            .bind(micros(now))
            .execute(&mut **tx)
            .await?;
    }
    Ok(appended)
}

/// Writes an event, and returns its hash.
pub(super) async fn insert(
    tx: &mut Transaction<'static, Any>,
    run: RunId,
    seq: i64,
    at: Timestamp,
    previous: &str,
    event: &Event,
) -> Result<String> {
    let body = serde_json::to_string(event).map_err(|error| StoreError::Unreadable(error.to_string()))?;
    // The stored time has microseconds; the hash is over what is stored.
    let hash = link(previous, run, seq, at, &body);
    sqlx::query("INSERT INTO events (run_id, seq, at, kind, body, hash) VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(run.0)
        .bind(seq)
        .bind(micros(at))
        .bind(event.kind())
        .bind(body)
        .bind(hash.clone())
        .execute(&mut **tx)
        .await?;
    Ok(hash)
}

fn recorded(row: &AnyRow) -> Result<Recorded> {
    let body: String = row.try_get("body")?;
    let (run, seq) = (RunId(row.try_get("run_id")?), row.try_get("seq")?);
    let event =
        serde_json::from_str(&body).map_err(|error| StoreError::Unreadable(format!("{run}, event {seq}: {error}")))?;
    Ok(Recorded { run, seq, at: time(row, "at")?, event, hash: row.try_get("hash")? })
}
