//! Requests, recorded before they are acknowledged and settled when they have become something.

use jiff::Timestamp;
use serde_json::Value;
use sqlx::any::AnyRow;
use sqlx::{AnyPool, Row};
use tokio::sync::{mpsc, oneshot};

use super::{Replica, Result, Store, StoreError, micros, time};
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

/// How many writes of the inbox share one commit at most.
const MOST_TOGETHER: usize = 128;
/// How many may wait for the next commit; more wait to be let in.
const MOST_WAITING: usize = 4_096;

/// A write of the inbox, with whom to tell when it is on the disk.
pub(super) enum Write {
    Put { key: String, body: String, owner: Option<String>, now: Timestamp, done: oneshot::Sender<Result<Put>> },
    Settle { key: String, now: Timestamp, done: oneshot::Sender<Result<()>> },
}

/// Writes what is asked for, those that wait together in one commit: acknowledging a burst of requests costs a few
/// commits, not one each. Ends when the last `Store` is gone.
pub(super) fn start_writer(writes: AnyPool, begin: &'static str) -> mpsc::Sender<Write> {
    let (sender, mut receiver) = mpsc::channel(MOST_WAITING);
    tokio::spawn(async move {
        let mut batch = Vec::with_capacity(MOST_TOGETHER);
        while receiver.recv_many(&mut batch, MOST_TOGETHER).await > 0 {
            match write(&writes, begin, &batch).await {
                Ok(affected) => batch.drain(..).zip(affected).for_each(|(write, affected)| write.tell(affected)),
                Err(error) => {
                    let why = error.to_string();
                    batch.drain(..).for_each(|write| write.fail(&why));
                }
            }
        }
    });
    sender
}

async fn write(writes: &AnyPool, begin: &'static str, batch: &[Write]) -> Result<Vec<u64>> {
    let mut tx = super::begin(writes, begin).await?;
    let mut affected = Vec::with_capacity(batch.len());
    for write in batch {
        let query = match write {
            Write::Put { key, body, owner, now, .. } => sqlx::query(
                "INSERT INTO inbox (key, received_at, body, owner) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (key) DO NOTHING",
            )
            .bind(key.clone())
            .bind(micros(*now))
            .bind(body.clone())
            .bind(owner.clone()),
            Write::Settle { key, now, .. } => {
                sqlx::query("UPDATE inbox SET done_at = $2 WHERE key = $1 AND done_at IS NULL")
                    .bind(key.clone())
                    .bind(micros(*now))
            }
        };
        affected.push(query.execute(&mut *tx).await?.rows_affected());
    }
    tx.commit().await?;
    Ok(affected)
}

impl Write {
    // Whoever asked may have gone; then nobody wants to know.
    fn tell(self, affected: u64) {
        match self {
            Self::Put { done, .. } => {
                let _ = done.send(Ok(if affected == 1 { Put::New } else { Put::Repeated }));
            }
            Self::Settle { done, .. } => {
                let _ = done.send(Ok(()));
            }
        }
    }

    fn fail(self, why: &str) {
        let error = StoreError::NotWritten(why.to_owned());
        match self {
            Self::Put { done, .. } => {
                let _ = done.send(Err(error));
            }
            Self::Settle { done, .. } => {
                let _ = done.send(Err(error));
            }
        }
    }
}

pub(super) fn pending(row: &AnyRow) -> Result<Pending> {
    let body: String = row.try_get("body")?;
    Ok(Pending {
        key: row.try_get("key")?,
        received_at: time(row, "received_at")?,
        body: serde_json::from_str(&body).map_err(|error| StoreError::Unreadable(error.to_string()))?,
        run: row.try_get::<Option<i64>, _>("run_id")?.map(RunId),
    })
}

impl Replica {
    /// Records a request, which this process works on.
    ///
    /// # Errors
    /// When the database fails; the request must not be acknowledged then.
    pub async fn put_request(&self, key: &str, body: &Value, now: Timestamp) -> Result<Put> {
        let (done, told) = oneshot::channel();
        let (key, body, owner) = (key.to_owned(), body.to_string(), Some(self.name()));
        self.store.write(Write::Put { key, body, owner, now, done }, told).await
    }
}

impl Store {
    /// Settles a request that became no run.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn settle_request(&self, key: &str, now: Timestamp) -> Result<()> {
        let (done, told) = oneshot::channel();
        self.write(Write::Settle { key: key.to_owned(), now, done }, told).await
    }

    async fn write<T>(&self, write: Write, told: oneshot::Receiver<Result<T>>) -> Result<T> {
        let gone = || StoreError::NotWritten("the store is closed".to_owned());
        self.inbox.send(write).await.map_err(|_| gone())?;
        told.await.map_err(|_| gone())?
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
            .map(pending)
            .collect()
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
