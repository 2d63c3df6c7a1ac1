//! Requests, recorded before they are acknowledged and settled when they have become something.

use jiff::Timestamp;
use serde_json::Value;
use sqlx::Row;

use super::{Result, Store, StoreError, micros, time};
use crate::domain::RunId;

/// What came of recording a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is new.
    New,
    /// It had been recorded before: acknowledge it again, and do nothing.
    Repeated,
}

/// A request that is not settled.
#[derive(Clone, Debug)]
pub struct Pending {
    /// Its key.
    pub key: String,
    /// When it arrived, UTC.
    pub received_at: Timestamp,
    /// The request.
    pub body: Value,
    /// The run that it became: only a rollback's request stays open after that.
    pub run: Option<RunId>,
}

impl Store {
    /// Records a request.
    ///
    /// # Errors
    /// When the database fails; the request must not be acknowledged then.
    pub async fn put_request(&self, key: &str, body: &Value, now: Timestamp) -> Result<Put> {
        let done =
            sqlx::query("INSERT INTO inbox (key, received_at, body) VALUES ($1, $2, $3) ON CONFLICT (key) DO NOTHING")
                .bind(key.to_owned())
                .bind(micros(now))
                .bind(body.to_string())
                .execute(&self.writes)
                .await?;
        Ok(if done.rows_affected() == 1 { Put::New } else { Put::Repeated })
    }

    /// The requests that are not settled, in the order of their arrival.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn pending_requests(&self) -> Result<Vec<Pending>> {
        sqlx::query("SELECT key, received_at, body, run_id FROM inbox WHERE done_at IS NULL ORDER BY received_at, key")
            .fetch_all(&self.reads)
            .await?
            .iter()
            .map(|row| {
                let body: String = row.try_get("body")?;
                Ok(Pending {
                    key: row.try_get("key")?,
                    received_at: time(row, "received_at")?,
                    body: serde_json::from_str(&body).map_err(|error| StoreError::Unreadable(error.to_string()))?,
                    run: row.try_get::<Option<i64>, _>("run_id")?.map(RunId),
                })
            })
            .collect()
    }

    /// Settles a request that became no run.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn settle_request(&self, key: &str, now: Timestamp) -> Result<()> {
        sqlx::query("UPDATE inbox SET done_at = $2 WHERE key = $1 AND done_at IS NULL")
            .bind(key.to_owned())
            .bind(micros(now))
            .execute(&self.writes)
            .await?;
        Ok(())
    }

    /// Takes back a request that was refused to its sender, so that nothing comes of it and a repeat is a new one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn withdraw_request(&self, key: &str) -> Result<()> {
        sqlx::query("DELETE FROM inbox WHERE key = $1 AND run_id IS NULL AND done_at IS NULL")
            .bind(key.to_owned())
            .execute(&self.writes)
            .await?;
        Ok(())
    }
}
