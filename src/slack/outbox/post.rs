//! One message: posted once, found again after a post whose outcome is not known, brought up to date.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::Inner;
use super::pace::is_credible;
use crate::domain::{Fence as _, Recorded, Run, RunId};
use crate::slack::client::{AuthTest, CallError, Lookup, Place, Post, cut};
use crate::slack::message::Message;
use crate::store::{SlackMessage, StoreError, Tenure};

const POST: &str = "chat.postMessage";
const UPDATE: &str = "chat.update";
/// How far before a run's request a message of it is looked for: our clock and Slack's may differ.
const LOOK_BACK: SignedDuration = SignedDuration::from_mins(10);
/// How long this process has to be the one that tells when it sends a call: most are over by then.
const CALL_TIME: Duration = Duration::from_secs(3);
/// How long it waits to be that again.
const TENURE_WAIT: SignedDuration = SignedDuration::from_secs(1);

/// Why it cannot be gone on with.
pub(super) enum Stop {
    Store(StoreError),
    /// Try again then.
    Until(Timestamp),
    /// A call failed.
    Failed {
        error: CallError,
        method: &'static str,
        channel: String,
    },
    /// The process stops.
    Asked,
    /// Another process may be telling already.
    Lapsed,
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What is remembered of messages that go to one place, one after the other. All of it can be forgotten.
#[derive(Default)]
pub(super) struct Line {
    /// Nothing is to be tried before then.
    held_until: Option<Timestamp>,
    /// Failures in a row.
    pub(super) failures: u32,
    /// The message whose last post surely did not happen, so that it need not be looked for.
    surely_not_posted: Option<String>,
    /// Updates that failed, by the message's key.
    updates: HashMap<String, FailedUpdate>,
    /// Threads that somebody has deleted, or closed.
    pub(super) gone: Vec<String>,
}

/// What came of updating a message.
#[derive(Default)]
struct FailedUpdate {
    failures: u32,
    not_before: Option<Timestamp>,
    /// The message cannot be changed any more, or is gone.
    lost: bool,
    /// The digest of the content that Slack refused.
    refused: Option<String>,
}

impl Line {
    /// Notes that the last post of this message did not happen.
    pub(super) fn surely_not(&mut self, key: &str) {
        self.surely_not_posted = Some(key.to_owned());
    }

    pub(super) fn held_until(&self, now: Timestamp) -> Option<Timestamp> {
        to_come(self.held_until, now)
    }
}

/// A run that is being told, with what Slack has of it.
#[derive(Clone)]
pub(super) struct Telling<'a> {
    pub(super) run: &'a Run,
    pub(super) journal: &'a [Recorded],
    pub(super) messages: Vec<SlackMessage>,
    pub(super) go_on: &'a GoOn,
}

/// Whether a call may be sent.
#[derive(Clone, Debug)]
pub(super) struct GoOn {
    /// The process stops.
    pub(super) stop: CancellationToken,
    /// For how long this process is the one that tells.
    pub(super) tenure: Tenure,
}

impl Telling<'_> {
    pub(super) fn get(&self, key: &str) -> Option<&SlackMessage> {
        self.messages.iter().find(|message| message.key == key)
    }

    pub(super) fn ts(&self, key: &str) -> Option<&String> {
        self.get(key).and_then(|message| message.ts.as_ref())
    }

    fn record(&mut self, message: SlackMessage) {
        self.messages.retain(|other| other.key != message.key);
        self.messages.push(message);
    }

    pub(super) fn go_on(&self) -> Result<(), Stop> {
        if self.go_on.stop.is_cancelled() {
            return Err(Stop::Asked);
        }
        if self.go_on.tenure.left() < CALL_TIME { Err(Stop::Lapsed) } else { Ok(()) }
    }
}

/// How a message looks as of a journal, if it is there yet.
pub(super) type Rendering<'a> = &'a (dyn Fn(&[Recorded]) -> Option<Message> + Send + Sync);

/// A message to be posted.
#[derive(Clone, Copy)]
pub(super) struct Outgoing<'a> {
    pub(super) key: &'a str,
    pub(super) channel: &'a str,
    pub(super) thread_ts: Option<&'a str>,
    pub(super) broadcast: bool,
    pub(super) message: &'a Message,
    /// None for cards: they move with time, but open with the run's number.
    pub(super) rendering: Option<Rendering<'a>>,
}

impl Inner {
    /// Puts off what goes to this place. Passes on what is no matter of the place.
    pub(super) fn hold(&self, line: &mut Line, stop: Stop) -> Result<Timestamp, Stop> {
        let until = match stop {
            Stop::Until(at) => at,
            Stop::Failed { error, method, channel } => {
                line.failures = line.failures.saturating_add(1);
                self.pace.after(&error, method, &channel, line.failures, self.clock.now())
            }
            Stop::Lapsed => self.clock.now() + TENURE_WAIT,
            other @ (Stop::Store(_) | Stop::Asked) => return Err(other),
        };
        line.held_until = Some(until);
        Ok(until)
    }

    /// Records what became of a message, in the store and in what is being told.
    pub(super) async fn note(&self, told: &mut Telling<'_>, message: SlackMessage) -> Result<(), Stop> {
        self.store.slack_message_outcome(told.run.id, &message).await?;
        told.record(message);
        Ok(())
    }

    /// Posts a message, unless it turns out to be there. Whether it was posted now.
    pub(super) async fn post(&self, told: &mut Telling<'_>, line: &mut Line, what: Outgoing<'_>) -> Result<bool, Stop> {
        if self.is_there(told, line, what).await? {
            return Ok(false);
        }
        let (id, key, channel) = (told.run.id, what.key, what.channel.to_owned());
        let intent = self.intend(told, line, what, POST).await?;
        let place = Place { channel: &channel, thread_ts: what.thread_ts };
        let post = Post { place, broadcast: what.broadcast, message: what.message, key: Some(&name(id, key)) };
        match self.client.post(post).await {
            Ok(posted) => {
                self.pace.went_well(&channel);
                line.failures = 0;
                if posted.degraded.blocks {
                    self.refusals.blocks_of(what.message);
                }
                let digest = digest(what.message);
                let sent = SlackMessage { channel: posted.channel, ts: Some(posted.ts), digest, ..intent };
                self.note(told, sent).await?;
                Ok(true)
            }
            Err(error) => {
                if !matches!(error, CallError::Ambiguous(_)) {
                    line.surely_not_posted = Some(key.to_owned());
                }
                Err(Stop::Failed { error, method: POST, channel })
            }
        }
    }

    /// Whether a message is in Slack whose post was begun earlier.
    pub(super) async fn is_there(&self, told: &mut Telling<'_>, line: &Line, what: Outgoing<'_>) -> Result<bool, Stop> {
        // An intent is looked for where it was meant to go.
        match told.get(what.key).filter(|message| !message.is_given_up()).cloned() {
            Some(intent) if line.surely_not_posted.as_deref() != Some(what.key) => {
                self.find_again(told, &intent, what).await
            }
            Some(_) | None => Ok(false),
        }
    }

    /// Waits for the channel's turn, and records that a message is about to be sent by this method.
    pub(super) async fn intend(
        &self,
        told: &mut Telling<'_>,
        line: &mut Line,
        what: Outgoing<'_>,
        method: &'static str,
    ) -> Result<SlackMessage, Stop> {
        let channel = what.channel.to_owned();
        self.pace.turn(&channel).await;
        told.go_on()?;
        let now = self.clock.now();
        if let Some(at) = self.pace.held_until(method, &channel, now) {
            return Err(Stop::Until(at));
        }
        self.store.slack_message_intent(told.run.id, what.key, &channel, what.thread_ts, now).await?;
        let intent = SlackMessage {
            key: what.key.to_owned(),
            channel,
            thread_ts: what.thread_ts.map(str::to_owned),
            ts: None,
            digest: String::new(),
        };
        told.record(intent.clone());
        line.surely_not_posted = None;
        // Again: who was frozen in the meantime must not post beside the one that tells by now.
        told.go_on()?;
        Ok(intent)
    }

    /// Looks in Slack for a message of which it is not known whether it was posted. Whether it is there.
    pub(super) async fn find_again(
        &self,
        told: &mut Telling<'_>,
        intent: &SlackMessage,
        what: Outgoing<'_>,
    ) -> Result<bool, Stop> {
        told.go_on()?;
        let Some((channel, ts)) = self.look_for(told, intent, what).await? else { return Ok(false) };
        tracing::info!(run.id = %told.run.id, key = what.key, "found a message of which it was not known whether it was posted");
        // What it shows is not known, so the next update is due.
        let found = SlackMessage { channel, ts: Some(ts), digest: String::new(), ..intent.clone() };
        self.note(told, found).await?;
        Ok(true)
    }

    /// The message's channel and time, if it is in Slack. None as well where Slack cannot be searched: then it is posted
    /// again, because a message twice is better than none.
    async fn look_for(
        &self,
        told: &Telling<'_>,
        intent: &SlackMessage,
        what: Outgoing<'_>,
    ) -> Result<Option<(String, String)>, Stop> {
        let method = if intent.thread_ts.is_some() { "conversations.replies" } else { "conversations.history" };
        if let Some(at) = self.pace.held_until(method, &intent.channel, self.clock.now()) {
            return Err(Stop::Until(at));
        }
        let failed = |error, method| Stop::Failed { error, method, channel: intent.channel.clone() };
        let cannot = |error: &CallError| {
            tracing::warn!(
                run.id = %told.run.id, key = intent.key, %error,
                "cannot look for a message that may have been posted; posting it, perhaps again",
            );
        };
        let ourselves = match self.ourselves.get_or_try_init(|| self.client.auth_test()).await {
            Ok(ourselves) => ourselves,
            Err(error @ CallError::Api { .. }) => {
                cannot(&error);
                return Ok(None);
            }
            Err(error) => return Err(failed(error, "auth.test")),
        };
        let channel = match is_person(&intent.channel) {
            false => intent.channel.clone(),
            // A conversation with a person can be read only by its own id.
            true => match self.client.open_dm(&intent.channel).await {
                Ok(channel) => channel,
                Err(error @ CallError::Api { .. }) => {
                    cannot(&error);
                    return Ok(None);
                }
                Err(error) => return Err(failed(error, "conversations.open")),
            },
        };
        let AuthTest { user_id, bot_id, .. } = ourselves;
        let text = cut(&what.message.text);
        let past: HashSet<String> = what.rendering.map_or_else(HashSet::new, |rendering| {
            let as_of = |events: usize| rendering(told.journal.get(..events)?);
            (1..=told.journal.len()).filter_map(as_of).map(|message| cut(&message.text)).collect()
        });
        let same_first_line = |seen: &str| what.rendering.is_none() && seen.lines().next() == text.lines().next();
        let same_text = |seen: &str| seen == text || past.contains(seen) || same_first_line(seen);
        let taken: Vec<String> = told.messages.iter().filter_map(|message| message.ts.clone()).collect();
        let oldest = told.run.requested_at.saturating_sub(LOOK_BACK).map_or(0, Timestamp::as_second);
        let lookup = Lookup {
            place: Place { channel: &channel, thread_ts: intent.thread_ts.as_deref() },
            oldest: &format!("{}.000000", oldest.max(0)),
            key: &name(told.run.id, &intent.key),
            author: (user_id, bot_id),
            same_text: &same_text,
            taken: &taken,
        };
        match self.client.find(&lookup).await {
            Ok(found) => Ok(found.map(|ts| (channel, ts))),
            Err(CallError::Api { code, .. }) if code == "thread_not_found" => Ok(None),
            Err(error @ CallError::Api { .. }) if !is_about_channel(&error) => {
                cannot(&error);
                Ok(None)
            }
            Err(error) => Err(failed(error, method)),
        }
    }

    /// Brings a message up to date that was posted. What fails here holds up nothing else. Says when it is to be tried
    /// again, if it is.
    pub(super) async fn update(
        &self,
        told: &mut Telling<'_>,
        line: &mut Line,
        key: &str,
        message: &Message,
    ) -> Result<Option<Timestamp>, Stop> {
        let Some(shown) = told.get(key).cloned() else { return Ok(None) };
        let (Some(ts), digest) = (shown.ts.clone(), digest(message)) else { return Ok(None) };
        if shown.digest == digest {
            return Ok(None);
        }
        let now = self.clock.now();
        let past = line.updates.entry(key.to_owned()).or_default();
        if past.lost || past.refused.as_ref() == Some(&digest) {
            return Ok(None);
        }
        let held = to_come(past.not_before, now);
        if let Some(at) = held.or_else(|| self.pace.held_until(UPDATE, &shown.channel, now)) {
            return Ok(Some(at));
        }
        told.go_on()?;
        match self.client.update(&shown.channel, &ts, message, Some(&name(told.run.id, key))).await {
            Ok(_) => {
                self.pace.went_well(&shown.channel);
                line.updates.remove(key);
                self.note(told, SlackMessage { digest, ..shown }).await?;
                Ok(None)
            }
            Err(error) if is_lost(&error) => {
                tracing::warn!(run.id = %told.run.id, key, %error, "a message cannot be kept up to date any more");
                past.lost = true;
                Ok(None)
            }
            Err(error) if is_refused(&error).is_some() => {
                tracing::error!(run.id = %told.run.id, key, %error, "Slack refuses an update of a message; it stays as it is");
                past.refused = Some(digest);
                Ok(None)
            }
            Err(error) => {
                past.failures = past.failures.saturating_add(1);
                let at = self.pace.after(&error, UPDATE, &shown.channel, past.failures, now);
                past.not_before = Some(at);
                Ok(Some(at))
            }
        }
    }
}

/// A time in the future, unless the clock was set back.
fn to_come(at: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    at.filter(|at| *at > now && is_credible(*at, now))
}

/// A message's name in Slack's metadata, unique among all runs.
pub(super) fn name(run: RunId, key: &str) -> String {
    format!("{run}/{key}")
}

/// Tells whether a message looks as it did when it was last sent.
pub(super) fn digest(message: &Message) -> String {
    let json = serde_json::json!({ "text": message.text, "blocks": message.blocks });
    hex::encode(Sha256::digest(json.to_string()))
}

/// Whether this is a person's id, who is written to in a direct message.
pub(super) fn is_person(id: &str) -> bool {
    id.starts_with(['U', 'W'])
}

/// Whether a message is gone, or closed for changes.
pub(super) fn is_lost(error: &CallError) -> bool {
    matches!(error, CallError::Api { code, .. }
        if matches!(code.as_str(), "message_not_found" | "edit_window_closed" | "cant_update_message"))
}

/// Whether no reply can be posted into a thread any more.
pub(super) fn is_thread_gone(stop: &Stop) -> bool {
    matches!(stop, Stop::Failed { error: CallError::Api { code, .. }, .. }
        if matches!(code.as_str(), "thread_not_found" | "message_not_found" | "cannot_reply_to_message"
            | "restricted_action_thread_locked"))
}

/// Slack's word for it, if the channel is closed to us until somebody opens it.
pub(super) fn is_closed(stop: &Stop) -> Option<&str> {
    match stop {
        Stop::Failed { error: error @ CallError::Api { code, .. }, .. }
            if is_about_channel(error) || code.starts_with("restricted_action") =>
        {
            Some(code)
        }
        Stop::Failed { .. } | Stop::Store(_) | Stop::Until(_) | Stop::Asked | Stop::Lapsed => None,
    }
}

/// Slack's word for it, if Slack has understood what was asked for and will not do it, however often it is asked. Not
/// so what a proxy on the way says, and a workspace that is being moved.
pub(super) fn is_refused(error: &CallError) -> Option<&str> {
    match error {
        CallError::Api { code, .. }
            if code.starts_with("http_") || matches!(code.as_str(), "org_login_required" | "team_added_to_org") =>
        {
            None
        }
        CallError::Api { code, .. } => Some(code),
        CallError::RateLimited { .. }
        | CallError::Ambiguous(_)
        | CallError::Unreachable(_)
        | CallError::InvalidAuth(_) => None,
    }
}

fn is_about_channel(error: &CallError) -> bool {
    matches!(error, CallError::Api { code, .. }
        if matches!(code.as_str(), "channel_not_found" | "is_archived" | "not_in_channel"))
}
