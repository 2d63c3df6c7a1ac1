//! Which environments people have frozen or locked. The journal tells the story; the row says what stands now. Both are
//! written in one transaction.

use jiff::Timestamp;
use sqlx::any::AnyRow;
use sqlx::{Any, Row, Transaction};

use super::journal::{Made, NewRun, insert};
use super::{Result, Store, StoreError, micros, optional_time, time};
use crate::domain::{Event, Hold, HoldKind, RunId};

/// A freeze or a lock, made or lifted: the run that tells of it, which is over at once.
#[derive(Clone, Debug)]
pub struct NewHold<'a> {
    /// The run; nobody drives it.
    pub run: NewRun<'a>,
    /// What changes.
    pub change: HoldChange,
    /// The run of the row that the decision was made on, whether its time is over or not; none when there was no row.
    pub seen: Option<RunId>,
    /// The run's last event, which is an end.
    pub ended: &'a Event,
}

/// What changes about an environment.
#[derive(Clone, Debug)]
pub enum HoldChange {
    /// It is held from now on. The run's number is filled in.
    Held(Hold),
    /// It is free of this.
    Released(HoldKind),
}

impl HoldChange {
    fn kind(&self) -> HoldKind {
        match self {
            Self::Held(hold) => hold.kind,
            Self::Released(kind) => *kind,
        }
    }
}

impl Store {
    /// What is recorded of holds of an environment; ask each [`Hold::stands`].
    ///
    /// # Errors
    /// When the database fails.
    pub async fn holds(&self, environment: &str) -> Result<Vec<Hold>> {
        // Read where it is written: a reader on another connection may see the state from before.
        sqlx::query(
            "SELECT kind, run_id, by_actor, reason, since, until FROM holds WHERE environment = $1 ORDER BY kind",
        )
        .bind(environment.to_owned())
        .fetch_all(&self.writes)
        .await?
        .iter()
        .map(hold)
        .collect()
    }

    /// Makes or lifts a hold: the run with all its events, the settled request and the row, or nothing of it. None when
    /// the row is not the one any more that was decided on; then read, decide and ask again. Runs that wait in the
    /// environment look again.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn change_hold(&self, new: NewHold<'_>, now: Timestamp) -> Result<Option<RunId>> {
        let mut tx = self.begin().await?;
        // Making the run comes first: it is what lets one such transaction in at a time.
        let (run, first) = match self.make_run(&mut tx, &new.run, now).await? {
            Made::New(run, hash) => (run, hash),
            Made::Before(run) => return Ok(Some(run)),
        };
        let (environment, kind) = (new.run.environment.to_owned(), word(new.change.kind()));
        let row = sqlx::query("SELECT run_id FROM holds WHERE environment = $1 AND kind = $2")
            .bind(environment.clone())
            .bind(kind)
            .fetch_optional(&mut *tx)
            .await?;
        let stored = row.map(|row| row.try_get::<i64, _>("run_id")).transpose()?.map(RunId);
        if stored != new.seen {
            return Ok(None);
        }
        sqlx::query("DELETE FROM holds WHERE environment = $1 AND kind = $2")
            .bind(environment.clone())
            .bind(kind)
            .execute(&mut *tx)
            .await?;
        let changed = match new.change {
            HoldChange::Held(hold) => {
                let hold = Hold { run, ..hold };
                write(&mut tx, &environment, &hold).await?;
                Event::Held { hold }
            }
            HoldChange::Released(hold) => Event::Released { hold },
        };
        let second = insert(&mut tx, run, 2, now, &first, &changed).await?;
        let last = insert(&mut tx, run, 3, now, &second, new.ended).await?;
        sqlx::query("UPDATE runs SET head_seq = 3, head_hash = $2, live = 0 WHERE id = $1")
            .bind(run.0)
            .bind(last)
            .execute(&mut *tx)
            .await?;
        sqlx::query("UPDATE inbox SET done_at = $2 WHERE run_id = $1 AND done_at IS NULL")
            .bind(run.0)
            .bind(micros(now))
            .execute(&mut *tx)
            .await?;
        sqlx::query("UPDATE runs SET wake_at = $2 WHERE environment = $1 AND live = 1 AND wake_at > $2")
            .bind(environment)
            .bind(micros(now))
            .execute(&mut *tx)
            .await?;
        self.commit(tx).await?;
        Ok(Some(run))
    }
}

/// How the row says which of the two it is.
fn word(kind: HoldKind) -> &'static str {
    match kind {
        HoldKind::Freeze => "freeze",
        HoldKind::Lock => "lock",
    }
}

async fn write(tx: &mut Transaction<'static, Any>, environment: &str, hold: &Hold) -> Result<()> {
    let by = serde_json::to_string(&hold.by).map_err(|error| StoreError::Unreadable(error.to_string()))?;
    sqlx::query(
        "INSERT INTO holds (environment, kind, run_id, by_actor, reason, since, until)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(environment.to_owned())
    .bind(word(hold.kind))
    .bind(hold.run.0)
    .bind(by)
    .bind(hold.reason.clone())
    .bind(micros(hold.since))
    .bind(hold.until.map(micros))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

fn hold(row: &AnyRow) -> Result<Hold> {
    let (kind, by): (String, String) = (row.try_get("kind")?, row.try_get("by_actor")?);
    let kinds = [HoldKind::Freeze, HoldKind::Lock];
    let unreadable = |what: &str| StoreError::Unreadable(format!("a hold's {what}"));
    Ok(Hold {
        kind: kinds.into_iter().find(|known| word(*known) == kind).ok_or_else(|| unreadable("kind"))?,
        run: RunId(row.try_get("run_id")?),
        by: serde_json::from_str(&by).map_err(|_| unreadable("person"))?,
        reason: row.try_get("reason")?,
        since: time(row, "since")?,
        until: optional_time(row, "until")?,
    })
}
