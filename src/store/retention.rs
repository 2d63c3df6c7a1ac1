//! What is kept no longer: journals whose time is over, and requests that have long become something.
//!
//! A run is removed whole. In its place stays where the hash chain goes on (see [`Removed`]), and only a journal that is
//! what was recorded is removed: what somebody has tampered with stays to be found.

use jiff::{SignedDuration, Timestamp};
use sqlx::any::AnyRow;
use sqlx::{Any, Row, Transaction};

use super::audit::{Walk, lines_of};
use super::journal::CHANGED;
use super::{AuditKeys, Removed, Result, Store, StoreError, micros, time};
use crate::domain::RunId;

/// How many requests are forgotten in one transaction.
const REQUESTS_TOGETHER: i64 = 500;
/// How many runs are looked for at once.
const RUNS_TOGETHER: i64 = 1_000;

/// Which journals are kept.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// How long after its newest event.
    pub kept: SignedDuration,
    /// However old, so many of each environment's newest runs that changed something there.
    pub changes: i64,
}

impl Store {
    /// The runs whose journals are kept no longer, oldest first; at most a thousand. Live runs are kept, and those that Slack
    /// has not been told whole.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn outlived(&self, retention: Retention, now: Timestamp) -> Result<Vec<RunId>> {
        let newest =
            sqlx::query("SELECT created_at FROM runs ORDER BY id DESC LIMIT 1").fetch_optional(&self.reads).await?;
        let Some(newest) = newest.map(|row| time(&row, "created_at")).transpose()? else { return Ok(Vec::new()) };
        // A clock that is years ahead removes nothing before people have worked by it.
        let before = now.min(newest).saturating_sub(retention.kept).unwrap_or(Timestamp::MIN);
        let mut outlived = Vec::new();
        let environments = sqlx::query("SELECT DISTINCT environment FROM runs").fetch_all(&self.reads).await?;
        for environment in environments {
            let environment: String = environment.try_get("environment")?;
            let select =
                format!("SELECT id FROM runs WHERE environment = $1 AND {CHANGED} ORDER BY id DESC LIMIT 1 OFFSET $2");
            let oldest_kept = sqlx::query(sqlx::AssertSqlSafe(select))
                .bind(environment.clone())
                .bind(retention.changes.saturating_sub(1))
                .fetch_optional(&self.reads)
                .await?;
            let oldest_kept: i64 = oldest_kept.map_or(Ok(0), |row| row.try_get("id"))?;
            let select = format!(
                "SELECT runs.id AS id FROM runs
                 JOIN events AS newest ON newest.run_id = runs.id AND newest.seq = runs.head_seq
                 WHERE runs.environment = $1 AND {OVER} AND runs.created_at < $2 AND newest.at < $2
                     AND (runs.id < $3 OR NOT {CHANGED})
                     AND NOT EXISTS (SELECT 1 FROM holds WHERE holds.run_id = runs.id)
                 ORDER BY runs.id LIMIT $4"
            );
            let rows = sqlx::query(sqlx::AssertSqlSafe(select))
                .bind(environment)
                .bind(micros(before))
                .bind(oldest_kept)
                .bind(RUNS_TOGETHER)
                .fetch_all(&self.reads)
                .await?;
            for row in rows {
                outlived.push(RunId(row.try_get("id")?));
            }
        }
        outlived.sort_unstable();
        outlived.truncate(usize::try_from(RUNS_TOGETHER).unwrap_or_default());
        Ok(outlived)
    }

    /// Removes the journals of these runs, and all else that is stored of them, in one transaction; the stretches that stand for
    /// them are signed with the newest key. What has grown meanwhile is left. Returns how many runs were removed.
    ///
    /// # Errors
    /// [`StoreError::Broken`] when a journal, or a stretch that was removed before, is not what was recorded; nothing is
    /// removed then. When the database fails.
    pub async fn remove_journals(&self, runs: &[RunId], keys: &AuditKeys, now: Timestamp) -> Result<u64> {
        let mut tx = self.begin().await?;
        // Whoever makes a run, or removes others, waits.
        sqlx::query(self.locking("SELECT id FROM last_run{lock}", " FOR UPDATE")).fetch_one(&mut *tx).await?;
        let mut stretches = Vec::new();
        for (stretch, signature) in removed(&mut tx).await? {
            if !keys.have_signed(&stretch, &signature) {
                return Err(StoreError::Broken(not_signed(&stretch)));
            }
            stretches.push(stretch);
        }
        let mut count = 0;
        for &run in runs {
            if let Some(gone) = self.remove(&mut tx, run, &stretches, now).await? {
                stretches = Removed::joined([stretches, vec![gone]].concat());
                count += 1;
            }
        }
        if count == 0 {
            tx.rollback().await?;
            return Ok(0);
        }
        sqlx::query("DELETE FROM removed").execute(&mut *tx).await?;
        for stretch in &stretches {
            sqlx::query(
                "INSERT INTO removed (first_run, last_run, hash, events, removed_at, signature)
                 VALUES ($1, $2, $3, $4, $5, $6)",
            )
            .bind(stretch.first.0)
            .bind(stretch.last.0)
            .bind(stretch.hash.clone())
            .bind(i64::try_from(stretch.events).unwrap_or(i64::MAX))
            .bind(micros(stretch.at))
            .bind(keys.sign(stretch))
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(count)
    }

    /// Removes one run, and returns what stands for it; none when there is something to do for it again.
    async fn remove(
        &self,
        tx: &mut Transaction<'static, Any>,
        run: RunId,
        stretches: &[Removed],
        now: Timestamp,
    ) -> Result<Option<Removed>> {
        let select = format!("SELECT head_hash FROM runs WHERE id = $1 AND {OVER}{{lock}}");
        let select = self.locking(&select, " FOR UPDATE");
        let Some(row) = sqlx::query(select).bind(run.0).fetch_optional(&mut **tx).await? else { return Ok(None) };
        let head: String = row.try_get("head_hash")?;
        let before = RunId(run.0 - 1);
        let behind = stretches.iter().find(|stretch| stretch.last == before).map(|stretch| stretch.hash.clone());
        let previous = match behind {
            Some(hash) => hash,
            None => {
                let select = "SELECT hash FROM events WHERE run_id = $1 AND seq = 1";
                let row = sqlx::query(select).bind(before.0).fetch_optional(&mut **tx).await?;
                row.map_or(Ok(String::new()), |row| row.try_get("hash"))?
            }
        };
        let journal = lines_of(tx, run).await?;
        let mut walk = Walk::behind(before, previous);
        journal.iter().for_each(|line| walk.step(line));
        let problems = walk.end().problems;
        let whole = journal.last().is_some_and(|line| line.hash == head);
        let (Some(first), true, true) = (journal.first(), problems.is_empty(), whole) else {
            let problem = problems.into_iter().next().unwrap_or_else(|| newest_are_missing(run));
            return Err(StoreError::Broken(problem));
        };
        for statement in [
            "DELETE FROM events WHERE run_id = $1",
            "DELETE FROM slack_messages WHERE run_id = $1",
            "DELETE FROM inbox WHERE run_id = $1",
            "DELETE FROM runs WHERE id = $1",
        ] {
            sqlx::query(statement).bind(run.0).execute(&mut **tx).await?;
        }
        let events = u64::try_from(journal.len()).unwrap_or(u64::MAX);
        // Signed is what is stored, and that has microseconds.
        let at = Timestamp::from_microsecond(micros(now)).unwrap_or(now);
        Ok(Some(Removed { first: run, last: run, hash: first.hash.clone(), events, at }))
    }

    /// The stretch that the run is in, when its journal was removed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn removal_of(&self, run: RunId) -> Result<Option<Removed>> {
        let select = format!("{SELECT_REMOVED} WHERE first_run <= $1 AND last_run >= $1");
        let row = sqlx::query(sqlx::AssertSqlSafe(select)).bind(run.0).fetch_optional(&self.reads).await?;
        row.map(|row| Ok(stretch(&row)?.0)).transpose()
    }

    /// Forgets requests that were settled before `before`. Slack sends none again after so long. Returns whether there may be
    /// more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_requests(&self, before: Timestamp) -> Result<bool> {
        let done = sqlx::query("DELETE FROM inbox WHERE key IN (SELECT key FROM inbox WHERE done_at < $1 LIMIT $2)")
            .bind(micros(before))
            .bind(REQUESTS_TOGETHER)
            .execute(&self.writes)
            .await?;
        Ok(done.rows_affected() > 0)
    }
}

/// A run that has ended, for which nothing is to be done, and that Slack was told whole.
const OVER: &str = "runs.live = 0 AND runs.wake_at IS NULL AND runs.projected_seq >= runs.head_seq";

const SELECT_REMOVED: &str = "SELECT first_run, last_run, hash, events, removed_at, signature FROM removed";

/// What was removed so far, in the order of the runs, each with its signature.
pub(super) async fn removed(tx: &mut Transaction<'static, Any>) -> Result<Vec<(Removed, String)>> {
    let select = format!("{SELECT_REMOVED} ORDER BY first_run");
    sqlx::query(sqlx::AssertSqlSafe(select)).fetch_all(&mut **tx).await?.iter().map(stretch).collect()
}

fn stretch(row: &AnyRow) -> Result<(Removed, String)> {
    let removed = Removed {
        first: RunId(row.try_get("first_run")?),
        last: RunId(row.try_get("last_run")?),
        hash: row.try_get("hash")?,
        events: u64::try_from(row.try_get::<i64, _>("events")?).unwrap_or_default(),
        at: time(row, "removed_at")?,
    };
    Ok((removed, row.try_get("signature")?))
}

/// What is wrong with a stretch that none of the keys has signed, in words.
pub(super) fn not_signed(stretch: &Removed) -> String {
    let Removed { first, last, .. } = stretch;
    format!("{first} to {last}: were removed, and no key of AUDIT_KEY has signed that")
}

pub(super) fn newest_are_missing(run: RunId) -> String {
    format!("{run}: the newest events are missing")
}
