//! What Slack was told of each run: how far its journal is projected, and which message is where.

use jiff::Timestamp;
use sqlx::Row;

use super::{Result, Store, micros};
use crate::domain::RunId;

/// A message of a run in Slack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlackMessage {
    /// Which: `card`, the number of the event that speaks, or `notice/…` with the moment and whom it tells.
    pub key: String,
    /// The channel it is in.
    pub channel: String,
    /// The thread it is in; none for the card and for notices.
    pub thread_ts: Option<String>,
    /// Slack's name for it; none when it is not known whether it was posted, or it is given up.
    pub ts: Option<String>,
    /// The digest of its content as last posted.
    pub digest: String,
}

/// Stands in place of a digest for a message that is not in Slack and is not tried again.
const GIVEN_UP: &str = "given up";

impl SlackMessage {
    /// Whether it is not in Slack and is not tried again.
    pub fn is_given_up(&self) -> bool {
        self.ts.is_none() && self.digest == GIVEN_UP
    }

    /// The same, not to be tried again.
    pub fn given_up(self) -> Self {
        Self { ts: None, digest: GIVEN_UP.to_owned(), ..self }
    }
}

impl Store {
    /// The runs that Slack does not know the newest of, or whose card still moves, oldest first; each with the number of its
    /// newest event.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn unprojected(&self) -> Result<Vec<(RunId, i64)>> {
        sqlx::query("SELECT id, head_seq FROM runs WHERE live = 1 OR projected_seq < head_seq ORDER BY id")
            .fetch_all(&self.reads)
            .await?
            .iter()
            .map(|row| Ok((RunId(row.try_get("id")?), row.try_get("head_seq")?)))
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

    /// Records what became of a message: posted, found, updated or given up. Where it is may differ from where it was
    /// meant to go: a message to a person is in a conversation with an id of its own.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn slack_message_outcome(&self, run: RunId, message: &SlackMessage) -> Result<()> {
        sqlx::query("UPDATE slack_messages SET channel = $3, ts = $4, digest = $5 WHERE run_id = $1 AND key = $2")
            .bind(run.0)
            .bind(message.key.clone())
            .bind(message.channel.clone())
            .bind(message.ts.clone())
            .bind(message.digest.clone())
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

    /// Whether a message is on its way into a channel, or was sent there without its answer being recorded yet.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn is_posting(&self, channel: &str) -> Result<bool> {
        let row = sqlx::query("SELECT run_id FROM slack_messages WHERE channel = $1 AND ts IS NULL LIMIT 1")
            .bind(channel.to_owned())
            .fetch_optional(&self.reads)
            .await?;
        Ok(row.is_some())
    }
}
