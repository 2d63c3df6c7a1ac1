//! The queue of runs that have something to do: claimed by a process, put back with the time of the next look.

use jiff::Timestamp;
use sqlx::Row;

use super::{Replica, Result, Store, micros, micros_after, optional_time};
use crate::domain::RunId;

/// A run that this process drives.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Which.
    pub run: RunId,
    /// The number of this claim; every write of the run carries it.
    pub fence: i64,
    /// The name that the process had when it claimed the run. Under another it has lost it.
    pub owner: String,
    /// When checks were last made.
    pub polled_at: Option<Timestamp>,
}

/// Whether a process of the name `$1` may take a run: one that lives nowhere, whose process is dead, or that lives here and
/// waits. One that it drives already it may not take, whatever became of its lease: the run would be driven twice.
macro_rules! may_take {
    () => {
        "(lease_owner IS NULL OR NOT EXISTS (SELECT 1 FROM replicas WHERE name = runs.lease_owner)
            OR (lease_owner = $1 AND driven = 0))"
    };
}

impl Replica {
    /// Takes the run that is due longest and that nobody drives. It lives on this process from now on, also while it waits:
    /// what was begun for it beside the database, a process or a call that goes on for minutes, is here.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn claim(&self, now: Timestamp) -> Result<Option<Claim>> {
        let owner = self.tenure().await?.name().to_owned();
        let statement = self.store.locking(
            concat!(
                "UPDATE runs SET lease_owner = $1, driven = 1, fence = fence + 1 WHERE id = (
                     SELECT id FROM runs WHERE wake_at <= $2 AND ",
                may_take!(),
                " ORDER BY wake_at, id LIMIT 1{lock}) RETURNING id, fence, polled_at"
            ),
            " FOR UPDATE SKIP LOCKED",
        );
        let row =
            sqlx::query(statement).bind(owner.clone()).bind(micros(now)).fetch_optional(&self.store.writes).await?;
        row.map(|row| {
            Ok(Claim {
                run: RunId(row.try_get("id")?),
                fence: row.try_get("fence")?,
                owner,
                polled_at: optional_time(&row, "polled_at")?,
            })
        })
        .transpose()
    }

    /// When the next run is due that this process may take; none when all wait for ever.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn next_wake(&self) -> Result<Option<Timestamp>> {
        let statement = concat!("SELECT MIN(wake_at) AS at FROM runs WHERE wake_at IS NOT NULL AND ", may_take!());
        let row = sqlx::query(statement).bind(self.name()).fetch_one(&self.store.reads).await?;
        optional_time(&row, "at")
    }

    /// Whether another process that is alive is at work on a run of this environment at the moment.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn is_driven_elsewhere(&self, environment: &str) -> Result<bool> {
        let row = sqlx::query(
            "SELECT 1 AS one FROM runs WHERE environment = $2 AND lease_owner <> $1 AND driven = 1
                 AND EXISTS (SELECT 1 FROM replicas WHERE name = runs.lease_owner) LIMIT 1",
        )
        .bind(self.name())
        .bind(environment.to_owned())
        .fetch_optional(&self.store.reads)
        .await?;
        Ok(row.is_some())
    }
}

impl Store {
    /// Puts a run back until `wake_at`. False when its journal has grown past `seen_seq` meanwhile, or it has passed on:
    /// a signal that arrived in between must be looked at, not slept over.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn put_back(&self, claim: &Claim, seen_seq: i64, wake_at: Timestamp) -> Result<bool> {
        let done = sqlx::query(
            "UPDATE runs SET driven = 0, wake_at = $4, polled_at = $5
             WHERE id = $1 AND fence = $2 AND head_seq = $3",
        )
        .bind(claim.run.0)
        .bind(claim.fence)
        .bind(seen_seq)
        .bind(micros_after(wake_at))
        .bind(claim.polled_at.map(micros))
        .execute(&self.writes)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Puts a run back for good: it has ended and has nothing more to do. Whoever appends to it meanwhile has it looked
    /// at again.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn retire(&self, claim: &Claim, seen_seq: i64) -> Result<()> {
        sqlx::query(
            "UPDATE runs SET lease_owner = NULL, driven = 0, wake_at = CASE WHEN head_seq = $3 THEN NULL ELSE wake_at END
             WHERE id = $1 AND fence = $2",
        )
        .bind(claim.run.0)
        .bind(claim.fence)
        .bind(seen_seq)
        .execute(&self.writes)
        .await?;
        Ok(())
    }

    /// Whether nobody has taken or given up the run since this claim.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn still_claimed(&self, claim: &Claim) -> Result<bool> {
        let row =
            sqlx::query("SELECT 1 AS one FROM runs WHERE id = $1 AND fence = $2 AND lease_owner = $3 AND driven = 1")
                .bind(claim.run.0)
                .bind(claim.fence)
                .bind(claim.owner.clone())
                .fetch_optional(&self.reads)
                .await?;
        Ok(row.is_some())
    }
}
