//! Who has a second factor, and which codes were spent. That one is set up or taken away is journalled in the transaction
//! that does it.

use jiff::Timestamp;
use sqlx::{Any, Row, Transaction};

use super::journal::{Made, NewRun, insert};
use super::{Result, Store, micros, optional_time};
use crate::domain::{Event, RunId};
use crate::step_up::{SecondFactor, Shown};

/// A run that tells of a second factor and is over at once.
#[derive(Clone, Debug)]
pub struct FactorRun<'a> {
    /// The run; nobody drives it.
    pub run: NewRun<'a>,
    /// The run's last event, which is an end.
    pub ended: &'a Event,
}

impl Store {
    /// A person's second factor; none when they never began to enrol one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn second_factor(&self, user: &str) -> Result<Option<SecondFactor>> {
        // Read where it is written: a reader on another connection may see the state from before.
        let row =
            sqlx::query("SELECT generation, confirmed_at, last_step, wrong, wrong_at FROM step_up WHERE user_id = $1")
                .bind(user.to_owned())
                .fetch_optional(&self.writes)
                .await?;
        row.map(|row| {
            Ok(SecondFactor {
                generation: row.try_get("generation")?,
                confirmed_at: optional_time(&row, "confirmed_at")?,
                last_step: row.try_get("last_step")?,
                wrong: row.try_get("wrong")?,
                wrong_at: optional_time(&row, "wrong_at")?,
            })
        })
        .transpose()
    }

    /// Begins to enrol a person, or finds what they have confirmed. Each beginning is a generation of its own: a secret
    /// that was shown and not confirmed is worth nothing once another is, so that nobody who looked earlier shares it.
    /// Wrong codes stay counted.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn begin_second_factor(&self, user: &str) -> Result<SecondFactor> {
        sqlx::query(
            "INSERT INTO step_up (user_id, generation, wrong) VALUES ($1, 0, 0) ON CONFLICT (user_id) DO UPDATE
             SET generation = step_up.generation + 1, last_step = NULL WHERE step_up.confirmed_at IS NULL",
        )
        .bind(user.to_owned())
        .execute(&self.writes)
        .await?;
        let begun = SecondFactor { generation: 0, confirmed_at: None, last_step: None, wrong: 0, wrong_at: None };
        Ok(self.second_factor(user).await?.unwrap_or(begun))
    }

    /// Confirms an enrolment by its first code, spends that, and journals it: all of it or nothing. None when the person
    /// began anew meanwhile, or has confirmed one already.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn confirm_second_factor(
        &self,
        user: &str,
        shown: Shown,
        told: FactorRun<'_>,
        now: Timestamp,
    ) -> Result<Option<RunId>> {
        let mut tx = self.begin().await?;
        let (run, first) = match self.make_run(&mut tx, &told.run, now).await? {
            Made::New(run, hash) => (run, hash),
            Made::Before(run) => return Ok(Some(run)),
        };
        let done = sqlx::query(
            "UPDATE step_up SET last_step = $3, confirmed_at = $4, wrong = 0, wrong_at = NULL
             WHERE user_id = $1 AND generation = $2 AND confirmed_at IS NULL",
        )
        .bind(user.to_owned())
        .bind(shown.generation)
        .bind(shown.step)
        .bind(micros(now))
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() != 1 {
            return Ok(None);
        }
        self.end_at_once(tx, (run, first), told.ended, now).await.map(Some)
    }

    /// Spends a code. False when it, or a later one, was spent before, or the person was reset meanwhile.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn spend_code(&self, user: &str, shown: Shown) -> Result<bool> {
        let done = sqlx::query(
            "UPDATE step_up SET last_step = $3, wrong = 0, wrong_at = NULL
             WHERE user_id = $1 AND generation = $2 AND confirmed_at IS NOT NULL
                 AND (last_step IS NULL OR last_step < $3)",
        )
        .bind(user.to_owned())
        .bind(shown.generation)
        .bind(shown.step)
        .execute(&self.writes)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Counts a wrong code.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn note_wrong_code(&self, user: &str, now: Timestamp) -> Result<()> {
        sqlx::query("UPDATE step_up SET wrong = wrong + 1, wrong_at = $2 WHERE user_id = $1")
            .bind(user.to_owned())
            .bind(micros(now))
            .execute(&self.writes)
            .await?;
        Ok(())
    }

    /// Resets a person and journals it: the old secret is worth nothing, and they enrol anew. None when they have none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn reset_second_factor(&self, user: &str, told: FactorRun<'_>, now: Timestamp) -> Result<Option<RunId>> {
        let mut tx = self.begin().await?;
        let (run, first) = match self.make_run(&mut tx, &told.run, now).await? {
            Made::New(run, hash) => (run, hash),
            Made::Before(run) => return Ok(Some(run)),
        };
        let done = sqlx::query(
            "UPDATE step_up SET generation = generation + 1, confirmed_at = NULL, last_step = NULL, wrong = 0,
                 wrong_at = NULL WHERE user_id = $1",
        )
        .bind(user.to_owned())
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() != 1 {
            return Ok(None);
        }
        self.end_at_once(tx, (run, first), told.ended, now).await.map(Some)
    }

    /// Ends a run that was just made with this first hash, and settles its request.
    async fn end_at_once(
        &self,
        mut tx: Transaction<'static, Any>,
        (run, first): (RunId, String),
        ended: &Event,
        now: Timestamp,
    ) -> Result<RunId> {
        let last = insert(&mut tx, run, 2, now, &first, ended).await?;
        sqlx::query("UPDATE runs SET head_seq = 2, head_hash = $2, live = 0 WHERE id = $1")
            .bind(run.0)
            .bind(last)
            .execute(&mut *tx)
            .await?;
        sqlx::query("UPDATE inbox SET done_at = $2 WHERE run_id = $1 AND done_at IS NULL")
            .bind(run.0)
            .bind(micros(now))
            .execute(&mut *tx)
            .await?;
        self.commit(tx).await?;
        Ok(run)
    }
}
