//! Which run holds which environment.

use jiff::Timestamp;
use sqlx::Row;

use super::{Result, Store, micros, time};
use crate::domain::RunId;

/// Who holds an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The run.
    pub run: RunId,
    /// Since when, UTC.
    pub since: Timestamp,
}

/// What came of asking for an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockOutcome {
    /// It is the run's now, or was already.
    Acquired,
    /// Another run has it.
    HeldBy(Holder),
}

impl Store {
    /// Takes the environment for a run, if it is free.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lock(&self, environment: &str, run: RunId, now: Timestamp) -> Result<LockOutcome> {
        loop {
            sqlx::query(
                "INSERT INTO locks (environment, run_id, since) VALUES ($1, $2, $3) ON CONFLICT (environment) DO NOTHING",
            )
            .bind(environment.to_owned())
            .bind(run.0)
            .bind(micros(now))
            .execute(&self.writes)
            .await?;
            match self.holder(environment).await? {
                Some(holder) if holder.run == run => return Ok(LockOutcome::Acquired),
                Some(holder) => return Ok(LockOutcome::HeldBy(holder)),
                // Given back between the two statements.
                None => {}
            }
        }
    }

    /// Gives the environment back, if the run holds it. The end of a run does so by itself.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn give_back(&self, environment: &str, run: RunId) -> Result<()> {
        sqlx::query("DELETE FROM locks WHERE environment = $1 AND run_id = $2")
            .bind(environment.to_owned())
            .bind(run.0)
            .execute(&self.writes)
            .await?;
        Ok(())
    }

    /// Takes the environment for a rollback, whoever holds it. Returns from whom it was taken.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn seize(&self, environment: &str, run: RunId, now: Timestamp) -> Result<Option<Holder>> {
        let before = self.holder(environment).await?;
        sqlx::query(
            "INSERT INTO locks (environment, run_id, since) VALUES ($1, $2, $3)
             ON CONFLICT (environment) DO UPDATE SET run_id = $2, since = $3",
        )
        .bind(environment.to_owned())
        .bind(run.0)
        .bind(micros(now))
        .execute(&self.writes)
        .await?;
        Ok(before.filter(|holder| holder.run != run))
    }

    /// Who holds the environment now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn holder(&self, environment: &str) -> Result<Option<Holder>> {
        // Read where it is written: a reader on another connection may see the state from before.
        sqlx::query("SELECT run_id, since FROM locks WHERE environment = $1")
            .bind(environment.to_owned())
            .fetch_optional(&self.writes)
            .await?
            .map(|row| Ok(Holder { run: RunId(row.try_get("run_id")?), since: time(&row, "since")? }))
            .transpose()
    }
}
