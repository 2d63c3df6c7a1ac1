//! The queue of runs that have something to do: claimed under a lease, renewed, put back with the time of the next look.

use jiff::Timestamp;
use sqlx::Row;

use super::{Result, Store, micros, micros_after, optional_time};
use crate::domain::RunId;

/// A run that this process drives.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Which.
    pub run: RunId,
    /// The number of this claim; every write of the run carries it.
    pub fence: i64,
    /// When checks were last made.
    pub polled_at: Option<Timestamp>,
}

impl Store {
    /// Takes the run that is due longest and that nobody drives.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn claim(&self, owner: &str, now: Timestamp, until: Timestamp) -> Result<Option<Claim>> {
        let statement = self.locking(
            "UPDATE runs SET lease_owner = $1, lease_until = $2, fence = fence + 1 WHERE id = (
                 SELECT id FROM runs WHERE wake_at <= $3 AND (lease_owner IS NULL OR lease_until <= $3)
                 ORDER BY wake_at, id LIMIT 1{lock}
             ) RETURNING id, fence, polled_at",
            " FOR UPDATE SKIP LOCKED",
        );
        let row = sqlx::query(statement)
            .bind(owner.to_owned())
            .bind(micros(until))
            .bind(micros(now))
            .fetch_optional(&self.writes)
            .await?;
        row.map(|row| {
            Ok(Claim {
                run: RunId(row.try_get("id")?),
                fence: row.try_get("fence")?,
                polled_at: optional_time(&row, "polled_at")?,
            })
        })
        .transpose()
    }

    /// Lengthens all leases of this process.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn renew(&self, owner: &str, until: Timestamp) -> Result<()> {
        sqlx::query("UPDATE runs SET lease_until = $2 WHERE lease_owner = $1")
            .bind(owner.to_owned())
            .bind(micros(until))
            .execute(&self.writes)
            .await?;
        Ok(())
    }

    /// Puts a run back until `wake_at`. False when its journal has grown past `seen_seq` meanwhile, or the lease has
    /// passed on: a signal that arrived in between must be looked at, not slept over.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn put_back(&self, claim: &Claim, seen_seq: i64, wake_at: Timestamp) -> Result<bool> {
        let done = sqlx::query(
            "UPDATE runs SET lease_owner = NULL, lease_until = NULL, wake_at = $4, polled_at = $5
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
            "UPDATE runs SET lease_owner = NULL, lease_until = NULL,
                 wake_at = CASE WHEN head_seq = $3 THEN NULL ELSE wake_at END
             WHERE id = $1 AND fence = $2",
        )
        .bind(claim.run.0)
        .bind(claim.fence)
        .bind(seen_seq)
        .execute(&self.writes)
        .await?;
        Ok(())
    }

    /// Whether this claim still drives its run, with a lease beyond `at`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn still_claimed(&self, claim: &Claim, at: Timestamp) -> Result<bool> {
        let row = sqlx::query("SELECT 1 AS one FROM runs WHERE id = $1 AND fence = $2 AND lease_until > $3")
            .bind(claim.run.0)
            .bind(claim.fence)
            .bind(micros(at))
            .fetch_optional(&self.reads)
            .await?;
        Ok(row.is_some())
    }

    /// When the next run is due that nobody drives; none when all wait for ever.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn next_wake(&self) -> Result<Option<Timestamp>> {
        let row = sqlx::query(
            "SELECT MIN(CASE WHEN lease_owner IS NULL OR lease_until < wake_at THEN wake_at ELSE lease_until END) AS at
             FROM runs WHERE wake_at IS NOT NULL",
        )
        .fetch_one(&self.reads)
        .await?;
        optional_time(&row, "at")
    }

    /// Gives up all leases of this process, for an orderly stop.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn give_up_leases(&self, owner: &str) -> Result<()> {
        sqlx::query("UPDATE runs SET lease_owner = NULL, lease_until = NULL WHERE lease_owner = $1")
            .bind(owner.to_owned())
            .execute(&self.writes)
            .await?;
        Ok(())
    }
}
