//! How much there is of what waits, in numbers that can be watched.

use jiff::Timestamp;
use sqlx::Row;

use super::{Result, Store, time};

/// What the database holds at one moment, for all processes that share it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Live runs by environment: how many a process is at work on, and how many wait.
    pub live: Vec<LiveRuns>,
    /// Requests that are recorded and not worked off.
    pub open_requests: u64,
    /// Runs of which Slack does not know the newest.
    pub untold_runs: u64,
    /// When the oldest event was recorded that Slack does not know, UTC.
    pub untold_since: Option<Timestamp>,
    /// Processes that have a lease.
    pub replicas: u64,
}

/// The live runs of an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveRuns {
    /// Which.
    pub environment: String,
    /// Being worked on right now.
    pub driven: u64,
    /// Waiting: for a time, a person, or the environment.
    pub waiting: u64,
}

impl Store {
    /// Reads them.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn figures(&self) -> Result<Figures> {
        let live = sqlx::query(
            "SELECT environment, CAST(SUM(driven) AS BIGINT) AS driven, CAST(COUNT(*) AS BIGINT) AS live
             FROM runs WHERE live = 1 GROUP BY environment ORDER BY environment",
        )
        .fetch_all(&self.reads)
        .await?
        .iter()
        .map(|row| {
            let driven = count(row, "driven")?;
            let waiting = count(row, "live")?.saturating_sub(driven);
            Ok(LiveRuns { environment: row.try_get("environment")?, driven, waiting })
        })
        .collect::<Result<_>>()?;
        let requests = sqlx::query("SELECT COUNT(*) AS open FROM inbox WHERE done_at IS NULL").fetch_one(&self.reads);
        let open_requests = count(&requests.await?, "open")?;
        let untold = sqlx::query(
            "SELECT COUNT(*) AS runs, MIN(events.at) AS since FROM runs
             JOIN events ON events.run_id = runs.id AND events.seq = runs.projected_seq + 1
             WHERE runs.projected_seq < runs.head_seq",
        )
        .fetch_one(&self.reads)
        .await?;
        let since: Option<i64> = untold.try_get("since")?;
        let untold_since = since.map(|_| time(&untold, "since")).transpose()?;
        let replicas = sqlx::query("SELECT COUNT(*) AS alive FROM replicas").fetch_one(&self.reads).await?;
        let (untold_runs, replicas) = (count(&untold, "runs")?, count(&replicas, "alive")?);
        Ok(Figures { live, open_requests, untold_runs, untold_since, replicas })
    }
}

fn count(row: &sqlx::any::AnyRow, column: &str) -> Result<u64> {
    Ok(u64::try_from(row.try_get::<i64, _>(column)?).unwrap_or_default())
}
