//! One pass over one run: what is not told yet is told, as far as Slack lets us.

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::{Inner, Told};
use crate::domain::{Recorded, Run, RunId, SlackPlace};
use crate::slack::client::{AuthTest, CallError, Lookup, Place, Post, cut};
use crate::slack::message::Message;
use crate::store::{SlackMessage, StoreError};

/// The card's key, and that of its one replacement, should the card be deleted.
const CARD: &str = "card";
const CARD_AGAIN: &str = "card-2";
/// How far before a run's request a message of it is looked for: our clock and Slack's may differ.
const LOOK_BACK: SignedDuration = SignedDuration::from_mins(10);
/// The wait after the store failed.
const STORE_WAIT: SignedDuration = SignedDuration::from_secs(2);

/// What is remembered of a run between passes. All of it can be forgotten.
#[derive(Default)]
pub(super) struct Memory {
    journal: Vec<Recorded>,
    card_sent_at: Option<Timestamp>,
    again_at: Option<Timestamp>,
    /// Whether the pass before has told everything.
    told_all: bool,
    /// Failures in a row.
    failures: u32,
    /// The message whose last post surely did not happen, so that it need not be looked for.
    surely_not_posted: Option<String>,
    /// Card and replacement are both gone: somebody does not want it.
    card_unwanted: bool,
}

/// When a run is to be looked at again.
#[derive(Clone, Copy, Debug)]
pub(super) enum Next {
    /// Never: it has ended, and all is told.
    Over,
    /// All is told; the card changes with time, then.
    Settled(Option<Timestamp>),
    /// Something is left that may not be told before then, and nothing else.
    Later(Timestamp),
    /// Something failed; nothing is to be tried before then.
    Held(Timestamp),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Why a pass cannot go on.
enum Stop {
    Store(StoreError),
    /// Try again then.
    Until(Timestamp),
    /// The process stops.
    Asked,
}

/// A run that is being told, with what Slack has of it.
struct Telling<'a> {
    run: &'a Run,
    place: SlackPlace,
    messages: Vec<SlackMessage>,
    stop: &'a CancellationToken,
}

impl Inner {
    pub(super) async fn pass(&self, run: RunId, memory: &mut Memory, stop: &CancellationToken) -> Next {
        match self.tell(run, memory, stop).await {
            Ok(next) => {
                memory.failures = 0;
                next
            }
            Err(Stop::Until(at)) => {
                memory.told_all = false;
                Next::Held(at)
            }
            Err(Stop::Store(error)) => {
                tracing::error!(run.id = %run, %error, "cannot read or record what Slack was told");
                memory.told_all = false;
                Next::Held(self.clock.now() + STORE_WAIT)
            }
            Err(Stop::Asked) => Next::Held(self.clock.now()),
        }
    }

    async fn tell(&self, id: RunId, memory: &mut Memory, stop: &CancellationToken) -> Result<Next, Stop> {
        let known = memory.journal.last().map_or(0, |last| last.seq);
        let new = self.store.journal_after(id, known).await?;
        let now = self.clock.now();
        if new.is_empty() && memory.told_all && memory.again_at.is_none_or(|at| now < at) {
            return Ok(Next::Settled(memory.again_at));
        }
        memory.journal.extend(new);
        let (Some(run), Some(last)) = (Run::from_journal(&memory.journal), memory.journal.last().map(|last| last.seq))
        else {
            return Ok(Next::Over);
        };
        let over = |again_at| if run.ended.is_some() { Next::Over } else { Next::Settled(again_at) };
        let Some(place) = (self.look.place)(&run) else {
            self.store.mark_projected(id, last).await?;
            (memory.told_all, memory.again_at) = (true, None);
            return Ok(over(None));
        };
        let messages = self.store.slack_messages(id).await?;
        let thread = (self.look.thread)(&memory.journal);
        let place = settled_place(place, &messages);
        let mut told = Telling { run: &run, place, messages, stop };
        let card_due = self.tell_card(&mut told, memory).await?;
        for message in &thread {
            self.tell_in_thread(&mut told, memory, message).await?;
        }
        if let Some(due) = card_due {
            memory.told_all = false;
            return Ok(Next::Later(due));
        }
        self.store.mark_projected(id, last).await?;
        memory.told_all = true;
        memory.again_at = match memory.card_unwanted {
            true => None,
            false => (self.look.card_changes_at)(&run, now).filter(|_| run.ended.is_none()),
        };
        Ok(over(memory.again_at))
    }

    /// Posts the card, or brings it up to date. Says when it may be, if it may not be yet.
    async fn tell_card(&self, told: &mut Telling<'_>, memory: &mut Memory) -> Result<Option<Timestamp>, Stop> {
        let now = self.clock.now();
        let card = (self.look.card)(told.run, now);
        let (key, other) = if told.get(CARD_AGAIN).is_some() { (CARD_AGAIN, None) } else { (CARD, Some(CARD_AGAIN)) };
        if told.ts(key).is_none() {
            let place = told.place.clone();
            if self.post(told, memory, key, place.thread_ts, &card, false).await? {
                memory.card_sent_at = Some(now);
                return Ok(None);
            }
            // It was there already, from before a crash, and may show something older.
        }
        let Some(shown) = told.get(key) else { return Ok(None) };
        let (Some(ts), channel, digest) = (shown.ts.clone(), shown.channel.clone(), digest(&card)) else {
            return Ok(None);
        };
        if shown.digest == digest || memory.card_unwanted {
            return Ok(None);
        }
        let spaced =
            memory.card_sent_at.filter(|at| *at <= now).map(|at| at + self.tempo.card_spacing).filter(|at| *at > now);
        if let (Some(at), None) = (spaced, &told.run.ended) {
            return Ok(Some(at));
        }
        if let Some(at) = self.pace.held_until("chat.update", &channel, now) {
            // The thread goes on meanwhile: its posts are another method.
            return Ok(Some(at));
        }
        told.go_on()?;
        let message_key = name(told.run.id, key);
        match self.client.update(&channel, &ts, &card, Some(&message_key)).await {
            Ok(_) => {
                self.pace.went_well(&channel);
                self.store.slack_message_sent(told.run.id, key, &ts, &digest).await?;
                memory.card_sent_at = Some(now);
                Ok(None)
            }
            Err(CallError::Api { code, .. })
                if matches!(code.as_str(), "message_not_found" | "edit_window_closed" | "cant_update_message") =>
            {
                let Some(again) = other else {
                    tracing::warn!(run.id = %told.run.id, code, "the card cannot be kept up to date; its thread goes on");
                    memory.card_unwanted = true;
                    return Ok(None);
                };
                tracing::warn!(run.id = %told.run.id, code, "the card cannot be updated; it is posted anew");
                let thread_ts = told.place.thread_ts.clone();
                self.post(told, memory, again, thread_ts, &card, false).await?;
                memory.card_sent_at = Some(now);
                Ok(None)
            }
            Err(error @ CallError::RateLimited { .. }) => {
                Ok(Some(self.pace.after(&error, "chat.update", &channel, memory.failures, now)))
            }
            Err(error) => Err(self.failed(memory, &error, "chat.update", &channel)),
        }
    }

    async fn tell_in_thread(&self, told: &mut Telling<'_>, memory: &mut Memory, message: &Told) -> Result<(), Stop> {
        let (key, message, broadcast) = message;
        if told.ts(key).is_some() {
            return Ok(());
        }
        let thread_ts = told.place.thread_ts.clone().or_else(|| told.thread());
        self.post(told, memory, key, thread_ts, message, *broadcast).await.map(drop)
    }

    /// Posts a message, unless it turns out to be there. Whether it was posted now.
    async fn post(
        &self,
        told: &mut Telling<'_>,
        memory: &mut Memory,
        key: &str,
        thread_ts: Option<String>,
        message: &Message,
        broadcast: bool,
    ) -> Result<bool, Stop> {
        const METHOD: &str = "chat.postMessage";
        let id = told.run.id;
        // An intent is looked for where it was meant to go.
        if let Some(intent) = told.get(key).cloned()
            && memory.surely_not_posted.as_deref() != Some(key)
        {
            told.go_on()?;
            if let Some(ts) = self.look_for(told, memory, &intent, message).await? {
                tracing::info!(run.id = %id, key, "found a message of which it was not known whether it was posted");
                // What it shows is not known, so the next update is due.
                self.store.slack_message_sent(id, key, &ts, "").await?;
                told.record(SlackMessage { ts: Some(ts), ..intent });
                return Ok(false);
            }
        }
        let channel = told.place.channel.clone();
        self.pace.turn(&channel).await;
        told.go_on()?;
        let now = self.clock.now();
        if let Some(at) = self.pace.held_until(METHOD, &channel, now) {
            return Err(Stop::Until(at));
        }
        self.store.slack_message_intent(id, key, &channel, thread_ts.as_deref(), now).await?;
        let intent = SlackMessage {
            key: key.to_owned(),
            channel: channel.clone(),
            thread_ts: thread_ts.clone(),
            ts: None,
            digest: String::new(),
        };
        told.record(intent.clone());
        memory.surely_not_posted = None;
        let place = Place { channel: &channel, thread_ts: thread_ts.as_deref() };
        let post = Post { place, broadcast, message, key: Some(&name(id, key)) };
        match self.client.post(post).await {
            Ok(posted) => {
                self.pace.went_well(&channel);
                memory.failures = 0;
                let digest = digest(message);
                self.store.slack_message_sent(id, key, &posted.ts, &digest).await?;
                told.record(SlackMessage { ts: Some(posted.ts), digest, ..intent });
                Ok(true)
            }
            Err(error) => {
                if !matches!(error, CallError::Ambiguous(_)) {
                    memory.surely_not_posted = Some(key.to_owned());
                }
                Err(self.failed(memory, &error, METHOD, &channel))
            }
        }
    }

    /// The message's time, if it is in Slack. None as well where Slack cannot be searched: then it is posted again,
    /// because a message twice is better than none.
    async fn look_for(
        &self,
        told: &Telling<'_>,
        memory: &mut Memory,
        intent: &SlackMessage,
        message: &Message,
    ) -> Result<Option<String>, Stop> {
        let method = if intent.thread_ts.is_some() { "conversations.replies" } else { "conversations.history" };
        if let Some(at) = self.pace.held_until(method, &intent.channel, self.clock.now()) {
            return Err(Stop::Until(at));
        }
        let ourselves = match self.ourselves.get_or_try_init(|| self.client.auth_test()).await {
            Ok(ourselves) => ourselves,
            Err(error @ CallError::Api { .. }) => {
                tracing::warn!(run.id = %told.run.id, key = intent.key, %error, "cannot ask Slack who we are; posting again");
                return Ok(None);
            }
            Err(error) => return Err(self.failed(memory, &error, "auth.test", &intent.channel)),
        };
        let AuthTest { user_id, bot_id, .. } = ourselves;
        let is_card = intent.key == CARD || intent.key == CARD_AGAIN;
        // A card's text moves with time, but it opens with the run's number; other messages never change.
        let text = cut(&message.text);
        let same_text = move |seen: &str| seen == text || (is_card && seen.lines().next() == text.lines().next());
        let taken: Vec<String> = told.messages.iter().filter_map(|message| message.ts.clone()).collect();
        let oldest = told.run.requested_at.saturating_sub(LOOK_BACK).map_or(0, Timestamp::as_second);
        let lookup = Lookup {
            place: Place { channel: &intent.channel, thread_ts: intent.thread_ts.as_deref() },
            oldest: &format!("{}.000000", oldest.max(0)),
            key: &name(told.run.id, &intent.key),
            author: (user_id, bot_id),
            same_text: &same_text,
            taken: &taken,
        };
        match self.client.find(&lookup).await {
            Ok(found) => Ok(found),
            Err(CallError::Api { code, .. }) if code == "thread_not_found" => Ok(None),
            Err(CallError::Api { code, messages }) if !is_about_channel(&code) => {
                tracing::warn!(
                    run.id = %told.run.id, key = intent.key, code, ?messages,
                    "cannot look for a message that may have been posted; posting it, perhaps again",
                );
                Ok(None)
            }
            Err(error) => Err(self.failed(memory, &error, method, &intent.channel)),
        }
    }

    fn failed(&self, memory: &mut Memory, error: &CallError, method: &'static str, channel: &str) -> Stop {
        memory.failures = memory.failures.saturating_add(1);
        Stop::Until(self.pace.after(error, method, channel, memory.failures, self.clock.now()))
    }
}

impl Telling<'_> {
    fn get(&self, key: &str) -> Option<&SlackMessage> {
        self.messages.iter().find(|message| message.key == key)
    }

    fn ts(&self, key: &str) -> Option<&String> {
        self.get(key).and_then(|message| message.ts.as_ref())
    }

    /// The card's thread. It stays with the first card: a thread outlives the message that it began with.
    fn thread(&self) -> Option<String> {
        self.ts(CARD).or_else(|| self.ts(CARD_AGAIN)).cloned()
    }

    fn record(&mut self, message: SlackMessage) {
        self.messages.retain(|other| other.key != message.key);
        self.messages.push(message);
    }

    fn go_on(&self) -> Result<(), Stop> {
        if self.stop.is_cancelled() { Err(Stop::Asked) } else { Ok(()) }
    }
}

/// A message's name in Slack's metadata, unique among all runs.
fn name(run: RunId, key: &str) -> String {
    format!("{run}/{key}")
}

/// Tells whether a message looks as it did when it was last sent.
fn digest(message: &Message) -> String {
    let json = serde_json::json!({ "text": message.text, "blocks": message.blocks });
    hex::encode(Sha256::digest(json.to_string()))
}

/// Where the card is, if it is anywhere: a configuration that moves to another channel leaves old threads where they are.
fn settled_place(place: SlackPlace, messages: &[SlackMessage]) -> SlackPlace {
    let card = messages.iter().find(|message| message.key == CARD && message.ts.is_some());
    card.map_or(place, |card| SlackPlace { channel: card.channel.clone(), thread_ts: card.thread_ts.clone() })
}

fn is_about_channel(code: &str) -> bool {
    matches!(code, "channel_not_found" | "is_archived" | "not_in_channel")
}
