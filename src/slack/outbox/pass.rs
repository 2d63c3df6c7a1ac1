//! One pass over one run: what is not told yet is told, as far as Slack lets us. The card first, then stakeholders, then
//! the thread; what fails for one of them is tried again in its own time.

use std::pin::pin;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::notices::{Lines, problem};
use super::post::{GoOn, Line, Outgoing, Stop, Telling, digest, is_closed, is_lost, is_thread_gone, name};
use super::{Inner, Told};
use crate::domain::{Actor, Recorded, Run, RunId, SlackPlace};
use crate::slack::client::CallError;
use crate::slack::message::Message;
use crate::store::SlackMessage;

/// The card's key, and that of its one replacement, should the card be deleted.
const CARD: &str = "card";
const CARD_AGAIN: &str = "card-2";
/// The keys of what the requester is told directly while the channel is closed: that it is, and how the run ended.
const ELSEWHERE: &str = "elsewhere";
const ELSEWHERE_END: &str = "elsewhere-end";
/// The wait after the store failed.
const STORE_WAIT: SignedDuration = SignedDuration::from_secs(2);
/// How long the thread lets the notices go first.
const HEAD_START: Duration = Duration::from_secs(1);

/// What is remembered of a run between passes. All of it can be forgotten.
#[derive(Default)]
pub(super) struct Memory {
    journal: Vec<Recorded>,
    card_sent_at: Option<Timestamp>,
    again_at: Option<Timestamp>,
    /// Whether the pass before has told everything.
    told_all: bool,
    /// Card and thread.
    own: Line,
    /// Card and replacement are both gone: somebody does not want it.
    card_unwanted: bool,
    /// The requester, who is told directly while the channel is closed.
    elsewhere: Line,
    notices: Lines,
}

/// When a run is to be looked at again.
#[derive(Clone, Copy, Debug)]
pub(super) enum Next {
    /// Never: it has ended, and all is told.
    Over,
    /// All is told; the card changes with time, then.
    Settled(Option<Timestamp>),
    /// Something is left that may not be told before then. What is recorded meanwhile may.
    Later(Timestamp),
    /// Something failed; nothing is to be tried before then.
    Held(Timestamp),
}

impl Inner {
    pub(super) async fn pass(&self, run: RunId, memory: &mut Memory, go_on: &GoOn) -> Next {
        let mut journal = std::mem::take(&mut memory.journal);
        let next = self.tell(run, &mut journal, memory, go_on).await;
        memory.journal = journal;
        match next {
            Ok(next) => next,
            Err(Stop::Store(error)) => {
                tracing::error!(run.id = %run, %error, "cannot read or record what Slack was told");
                memory.told_all = false;
                Next::Held(self.clock.now() + STORE_WAIT)
            }
            Err(stop) => {
                memory.told_all = false;
                Next::Held(self.hold(&mut memory.own, stop).unwrap_or_else(|_| self.clock.now()))
            }
        }
    }

    async fn tell(
        &self,
        id: RunId,
        journal: &mut Vec<Recorded>,
        memory: &mut Memory,
        go_on: &GoOn,
    ) -> Result<Next, Stop> {
        let known = journal.last().map_or(0, |last| last.seq);
        let new = self.store.journal_after(id, known).await?;
        let now = self.clock.now();
        if new.is_empty() && memory.told_all && memory.again_at.is_none_or(|at| now < at) {
            return Ok(Next::Settled(memory.again_at));
        }
        journal.extend(new);
        let (Some(run), Some(last)) = (Run::from_journal(journal), journal.last().map(|last| last.seq)) else {
            return Ok(Next::Over);
        };
        memory.told_all = false;
        let messages = self.store.slack_messages(id).await?;
        let place = (self.look.place)(&run).map(|place| settled_place(place, &messages));
        let told = Telling { run: &run, journal, messages, go_on };
        let (own, noticed) = self.tell_all(&told, place.as_ref(), memory).await;
        let own_held = own.is_err();
        let own = match own {
            Ok(due) => {
                memory.own.failures = 0;
                due
            }
            Err(stop) => {
                if let (Some(code), Some(place)) = (is_closed(&stop), &place) {
                    self.tell_elsewhere(&told, &mut memory.elsewhere, place, code).await?;
                }
                Some(self.hold(&mut memory.own, stop)?)
            }
        };
        if let Some(due) = own.into_iter().chain(noticed?).min() {
            // Where it is planned that nobody else is told, nothing is to be done before then, whatever is recorded.
            let alone = run.plan.as_ref().is_some_and(|(plan, _)| plan.notify.is_empty());
            return Ok(if own_held && alone { Next::Held(due) } else { Next::Later(due) });
        }
        self.store.mark_projected(id, last).await?;
        memory.told_all = true;
        memory.again_at = match place {
            Some(_) if !memory.card_unwanted && run.ended.is_none() => (self.look.card_changes_at)(&run, now),
            _ => None,
        };
        Ok(if run.ended.is_some() { Next::Over } else { Next::Settled(memory.again_at) })
    }

    /// When card and thread are to be gone on with, and when the notices, if something of them is left.
    async fn tell_all(
        &self,
        told: &Telling<'_>,
        place: Option<&SlackPlace>,
        memory: &mut Memory,
    ) -> (Result<Option<Timestamp>, Stop>, Result<Option<Timestamp>, Stop>) {
        let mut own = told.clone();
        let card = match (place, memory.own.held_until(self.clock.now())) {
            (None, _) => Ok(None),
            (Some(_), Some(at)) => Err(Stop::Until(at)),
            (Some(place), None) => self.tell_card(&mut own, memory, place).await,
        };
        let notices = (self.look.notices)(told.journal);
        let mut noticed = pin!(self.tell_notices(told, &mut memory.notices, &notices));
        let thread = async {
            match (place, card) {
                (Some(place), Ok(due)) => {
                    let thread = self.tell_thread(&mut own, &mut memory.own, place).await?;
                    Ok(due.into_iter().chain(thread).min())
                }
                (_, card) => card,
            }
        };
        // A destination that does not answer holds up the thread no longer than this.
        match tokio::time::timeout(HEAD_START, &mut noticed).await {
            Ok(noticed) => (thread.await, noticed),
            Err(_) => tokio::join!(thread, noticed),
        }
    }

    /// Tells the requester directly, once, that the channel is closed, and once how the run ended meanwhile. The channel
    /// itself is told everything when it is open again.
    async fn tell_elsewhere(
        &self,
        told: &Telling<'_>,
        line: &mut Line,
        place: &SlackPlace,
        code: &str,
    ) -> Result<(), Stop> {
        let Actor::Slack { user, .. } = &told.run.actor else { return Ok(()) };
        let key = if told.run.ended.is_some() { ELSEWHERE_END } else { ELSEWHERE };
        if told.ts(key).is_some() || line.held_until(self.clock.now()).is_some() {
            return Ok(());
        }
        let message = (self.look.elsewhere)(told.run, &place.channel, &problem(code, &place.channel));
        let what =
            Outgoing { key, channel: user, thread_ts: None, broadcast: false, message: &message, rendering: None };
        match self.post(&mut told.clone(), line, what).await {
            Ok(_) => Ok(()),
            Err(stop) => self.hold(line, stop).map(drop),
        }
    }

    /// Posts the card, or brings it up to date. Says when it may be, if it may not be yet.
    async fn tell_card(
        &self,
        told: &mut Telling<'_>,
        memory: &mut Memory,
        place: &SlackPlace,
    ) -> Result<Option<Timestamp>, Stop> {
        let now = self.clock.now();
        let card = (self.look.card)(told.run, now);
        let (key, other) = if told.get(CARD_AGAIN).is_some() { (CARD_AGAIN, None) } else { (CARD, Some(CARD_AGAIN)) };
        // If it turns out to be there already, from before a crash, it may show something older.
        if told.ts(key).is_none() && self.post(told, &mut memory.own, card_to_post(key, place, &card)).await? {
            memory.card_sent_at = Some(now);
            return Ok(None);
        }
        let Some(shown) = told.get(key).cloned() else { return Ok(None) };
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
        match self.client.update(&channel, &ts, &card, Some(&name(told.run.id, key))).await {
            Ok(_) => {
                self.pace.went_well(&channel);
                self.note(told, SlackMessage { digest, ..shown }).await?;
                memory.card_sent_at = Some(now);
                Ok(None)
            }
            Err(error) if is_lost(&error) => {
                let Some(again) = other else {
                    tracing::warn!(run.id = %told.run.id, %error, "the card cannot be kept up to date; its thread goes on");
                    memory.card_unwanted = true;
                    return Ok(None);
                };
                tracing::warn!(run.id = %told.run.id, %error, "the card cannot be updated; it is posted anew");
                self.post(told, &mut memory.own, card_to_post(again, place, &card)).await?;
                memory.card_sent_at = Some(now);
                Ok(None)
            }
            Err(error @ CallError::RateLimited { .. }) => {
                Ok(Some(self.pace.after(&error, "chat.update", &channel, memory.own.failures, now)))
            }
            Err(error) => Err(Stop::Failed { error, method: "chat.update", channel }),
        }
    }

    /// Posts what is missing, in order, and brings up to date what has changed. Says when that is to be gone on with.
    async fn tell_thread(
        &self,
        told: &mut Telling<'_>,
        line: &mut Line,
        place: &SlackPlace,
    ) -> Result<Option<Timestamp>, Stop> {
        let mut due = None;
        for Told { key, message, broadcast, live, chart } in (self.look.thread)(told.journal) {
            if told.ts(&key).is_some() {
                if live {
                    due = due.into_iter().chain(self.update(told, line, &key, &message).await?).min();
                }
                continue;
            }
            let rendering = |journal: &[Recorded]| {
                let thread = (self.look.thread)(journal);
                thread.into_iter().find(|other| other.key == key).map(|told| told.message)
            };
            let posted = loop {
                let thread_ts = thread_of(told, place, &line.gone);
                if thread_ts.is_none() {
                    if told.get(CARD_AGAIN).is_none() {
                        let card = (self.look.card)(told.run, self.clock.now());
                        let channel = SlackPlace { channel: place.channel.clone(), thread_ts: None };
                        self.post(told, line, card_to_post(CARD_AGAIN, &channel, &card)).await?;
                        continue;
                    }
                    if !broadcast {
                        // Somebody wants neither the card nor its thread.
                        break None;
                    }
                }
                let what = Outgoing {
                    key: &key,
                    channel: &place.channel,
                    thread_ts: thread_ts.as_deref(),
                    broadcast: broadcast && thread_ts.is_some(),
                    message: &message,
                    rendering: Some(&rendering),
                };
                let posted = match &chart {
                    // It never changes, and its first line finds it in each of its forms.
                    Some(chart) => self.show_chart(told, line, Outgoing { rendering: None, ..what }, chart).await,
                    None => self.post(told, line, what).await,
                };
                match (posted, thread_ts) {
                    (Err(stop), Some(thread_ts)) if is_thread_gone(&stop) => {
                        tracing::warn!(run.id = %told.run.id, "a run's thread is gone; it goes on below another card");
                        line.gone.push(thread_ts);
                    }
                    (posted, _) => break Some(posted?),
                }
            };
            let Some(posted) = posted else { continue };
            if live && !posted {
                // It was there already, and may show something older.
                due = due.into_iter().chain(self.update(told, line, &key, &message).await?).min();
            }
        }
        Ok(due)
    }
}

fn card_to_post<'a>(key: &'a str, place: &'a SlackPlace, message: &'a Message) -> Outgoing<'a> {
    let thread_ts = place.thread_ts.as_deref();
    Outgoing { key, channel: &place.channel, thread_ts, broadcast: false, message, rendering: None }
}

/// The thread that a run is told in. It stays with the first card, for a thread with replies outlives the message that it
/// began with; only where it is gone it goes on with the card's replacement. None when that is gone too, or not there.
fn thread_of(told: &Telling<'_>, place: &SlackPlace, gone: &[String]) -> Option<String> {
    let again = told.get(CARD_AGAIN).filter(|card| card.thread_ts.is_none()).and_then(|card| card.ts.clone());
    let first = place.thread_ts.clone().or_else(|| told.ts(CARD).cloned());
    first.into_iter().chain(again).find(|ts| !gone.contains(ts))
}

/// Where the card is, if it is anywhere: a configuration that moves to another channel leaves old threads where they are.
fn settled_place(place: SlackPlace, messages: &[SlackMessage]) -> SlackPlace {
    let card = messages.iter().find(|message| message.key == CARD && message.ts.is_some());
    card.map_or(place, |card| SlackPlace { channel: card.channel.clone(), thread_ts: card.thread_ts.clone() })
}
