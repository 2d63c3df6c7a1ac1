//! Tells the channel when the bot starts and something is missing, and when all is there.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::clock::Clock;
use crate::config::manifest;
use crate::slack::client::{AuthTest, CallError, Lookup, Place, Post, SlackClient};
use crate::slack::message::Message;
use crate::slack::view;
use crate::web::Readiness;

/// How long what is slow at the start may take before people are told: longer than two tries.
const GRACE: Duration = Duration::from_secs(15);
/// Between two looks; twice as long each time that Slack does not take it, up to the second.
const LOOK: Duration = Duration::from_secs(5);
const LONGEST_LOOK: Duration = Duration::from_secs(300);
/// How far back a message of this kind is looked for and used again: a process that starts over and over says it once, and of
/// several servers one does.
const ONCE: SignedDuration = SignedDuration::from_mins(15);
/// The key of the message.
const KEY: &str = "degraded";

/// Who tells, where, and of what.
pub(super) struct Degraded {
    pub(super) client: SlackClient,
    pub(super) channel: String,
    pub(super) readiness: Readiness,
    pub(super) clock: Clock,
}

#[derive(PartialEq, Eq)]
struct Missing {
    parts: BTreeMap<String, String>,
    scopes: Vec<String>,
}

impl Degraded {
    /// Looks until all is there; people are told of what is not.
    pub(super) async fn tell(self) {
        tokio::time::sleep(GRACE).await;
        let (mut shown, mut told) = (None, None);
        let (mut known, mut pause) = (None, LOOK);
        loop {
            if known.is_none() {
                match self.client.auth_test().await {
                    Ok(answer) => known = Some(answer),
                    Err(_) => pause = (pause * 2).min(LONGEST_LOOK),
                }
            }
            // Without Slack there is nobody to be told.
            if let Some(known) = &known {
                let missing = self.missing(known).await;
                if missing.parts.is_empty() && missing.scopes.is_empty() {
                    // What another process said shortly before is over, too.
                    let there = match shown.take() {
                        Some(ts) => Some(ts),
                        None => self.find(known).await.unwrap_or_default(),
                    };
                    let Some(ts) = there else { return };
                    let said = self.client.update(&self.channel, &ts, &view::whole_again(), Some(KEY)).await;
                    shown = Some(ts);
                    match said {
                        Ok(_) => return,
                        Err(error) => {
                            tracing::warn!(%error, "cannot say that all is there");
                            pause = (pause * 2).min(LONGEST_LOOK);
                        }
                    }
                } else if told.as_ref() != Some(&missing) {
                    let message = view::degraded(&missing.parts, &missing.scopes);
                    match self.show(known, shown.clone(), &message).await {
                        // Scopes come with another installation, and that with another start.
                        Ok(_) if missing.parts.is_empty() => return,
                        Ok(ts) => (shown, told, pause) = (Some(ts), Some(missing), LOOK),
                        Err(error) => {
                            tracing::warn!(%error, "cannot say what is missing");
                            pause = (pause * 2).min(LONGEST_LOOK);
                        }
                    }
                }
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn missing(&self, known: &AuthTest) -> Missing {
        let (_, parts) = self.readiness.check().await;
        let parts = parts.into_iter().filter(|(_, how)| how != "ok").collect();
        // Where the server does not tell scopes, none is missing.
        let scopes = match known.scopes.as_slice() {
            [] => Vec::new(),
            granted => manifest::bot_scopes().into_iter().filter(|scope| !granted.contains(scope)).collect(),
        };
        Missing { parts, scopes }
    }

    /// Changes the message that is there, or posts one.
    async fn show(&self, known: &AuthTest, shown: Option<String>, message: &Message) -> Result<String, CallError> {
        let shown = match shown {
            Some(ts) => Some(ts),
            None => self.find(known).await?,
        };
        let place = Place { channel: &self.channel, thread_ts: None };
        let posted = match shown {
            Some(ts) => self.client.update(&self.channel, &ts, message, Some(KEY)).await?,
            None => self.client.post(Post { place, broadcast: false, message, key: Some(KEY) }).await?,
        };
        Ok(posted.ts)
    }

    async fn find(&self, known: &AuthTest) -> Result<Option<String>, CallError> {
        let oldest = self.clock.now().saturating_sub(ONCE).map_or(0, Timestamp::as_second);
        let lookup = Lookup {
            place: Place { channel: &self.channel, thread_ts: None },
            oldest: &format!("{}.000000", oldest.max(0)),
            key: KEY,
            author: (&known.user_id, &known.bot_id),
            same_text: &|_| false,
            taken: &[],
        };
        self.client.find(&lookup).await
    }
}
