//! What Slack was told of each run: how far its journal is projected, and which message is where.

use jiff::Timestamp;
use sqlx::Row;

use super::{Result, Store, micros};
use crate::domain::RunId;

/// A message of a run in Slack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlackMessage {
    /// Which: `card`, or the number of the event that speaks.
    pub key: String,
    /// The channel it is in.
    pub channel: String,
    /// The thread it is in; none for the card.
    pub thread_ts: Option<String>,
    /// Slack's name for it; none when it is not known whether it was posted.
    pub ts: Option<String>,
    /// The digest of its content as last posted.
    pub digest: String,
}

impl Store {
    /// The runs that Slack does not know the newest of, or whose card still moves, oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn unprojected(&self) -> Result<Vec<RunId>> {
        sqlx::query("SELECT id FROM runs WHERE live = 1 OR projected_seq < head_seq ORDER BY id")
            .fetch_all(&self.reads)
            .await?
            .iter()
            .map(|row| Ok(RunId(row.try_get("id")?)))
            .collect()
    }

    /// Records that Slack knows the journal up to `seq`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn mark_projected(&self, run: RunId, seq: i64) -> Result<()> {
        sqlx::query("UPDATE runs SET projected_seq = $2 WHERE id = $1 AND projected_seq < $2")
            .bind(run.0)
            .bind(seq)
            .execute(&self.writes)
            .await?;
        Ok(())
    }

    /// The messages of a run.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn slack_messages(&self, run: RunId) -> Result<Vec<SlackMessage>> {
        sqlx::query("SELECT key, channel, thread_ts, ts, digest FROM slack_messages WHERE run_id = $1")
            .bind(run.0)
            .fetch_all(&self.reads)
            .await?
            .iter()
            .map(|row| {
                Ok(SlackMessage {
                    key: row.try_get("key")?,
                    channel: row.try_get("channel")?,
                    thread_ts: row.try_get("thread_ts")?,
                    ts: row.try_get("ts")?,
                    digest: row.try_get("digest")?,
                })
            })
            .collect()
    }

    /// Records that a message is about to be posted.
    ///
    /// # Errors
    /// When the database fails; it must not be posted then.
    pub async fn slack_message_intent(
        &self,
        run: RunId,
        key: &str,
        channel: &str,
        thread_ts: Option<&str>,
        now: Timestamp,
    ) -> Result<()> {
        sqlx::query(
            "INSERT INTO slack_messages (run_id, key, channel, thread_ts, digest, intended_at) VALUES ($1, $2, $3, $4, '', $5)
             ON CONFLICT (run_id, key) DO UPDATE SET channel = $3, thread_ts = $4, ts = NULL, digest = '', intended_at = $5",
        )
        .bind(run.0)
        .bind(key.to_owned())
        .bind(channel.to_owned())
        .bind(thread_ts.map(str::to_owned))
        .bind(micros(now))
        .execute(&self.writes)
        .await?;
        Ok(())
    }

    /// Records that a message was posted or updated.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn slack_message_sent(&self, run: RunId, key: &str, ts: &str, digest: &str) -> Result<()> {
        sqlx::query("UPDATE slack_messages SET ts = $3, digest = $4 WHERE run_id = $1 AND key = $2")
            .bind(run.0)
            .bind(key.to_owned())
            .bind(ts.to_owned())
            .bind(digest.to_owned())
            .execute(&self.writes)
            .await?;
        Ok(())
    }

    /// The run whose card or thread a message is.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn run_of_thread(&self, channel: &str, ts: &str) -> Result<Option<RunId>> {
        let row = sqlx::query(
            "SELECT run_id FROM slack_messages WHERE channel = $1 AND (ts = $2 OR thread_ts = $2) ORDER BY run_id DESC LIMIT 1",
        )
        .bind(channel.to_owned())
        .bind(ts.to_owned())
        .fetch_optional(&self.reads)
        .await?;
        row.map(|row| Ok(RunId(row.try_get("run_id")?))).transpose()
    }
}
