//! The projection of journals to Slack: for each run a card, kept up to date, the messages of its thread, in order and
//! each once, and the notices to stakeholders, whose receipts go back into the journal. Slack being slow or away delays
//! only what is here, and what waits for a receipt.
//!
//! Before a message is posted the intent is recorded. An intent without an outcome, after a crash or a lost connection,
//! is looked for in Slack by its key before it is posted again.

mod charts;
mod notices;
mod pace;
mod pass;
mod post;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{OnceCell, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::charts::Refusals;
use self::pace::{Pace, is_credible};
use self::pass::{Memory, Next};
use self::post::GoOn;
use super::client::{AuthTest, SlackClient};
use super::message::Message;
use crate::chart::{Chart, Style};
use crate::clock::Clock;
use crate::domain::{Moment, Recorded, Run, RunId, SlackPlace};
use crate::store::{Duty, Replica, Store, StoreError, Tenure};

/// Runs that are worked on at the same time; more wait.
const MAX_PARALLEL: usize = 64;
/// Changes that come faster than this are looked at together.
const LOOK_SPACING: Duration = Duration::from_millis(20);
/// How long to wait when the store fails, and how often to look for what other processes have recorded.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// How long calls under way may take when stopping; longer than a call's time limit.
const LAST_CALLS: Duration = Duration::from_secs(12);

/// A message of a thread.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Its name within the run.
    pub key: String,
    /// What it says.
    pub message: Message,
    /// Whether the channel sees it too.
    pub broadcast: bool,
    /// Whether it may change as the journal grows; it is brought up to date where it stands. Others never change.
    pub live: bool,
    /// A chart, of which the message is the form in text.
    pub chart: Option<ChartToShow>,
}

/// A chart in its other forms.
#[derive(Clone, Debug, PartialEq)]
pub struct ChartToShow {
    /// What is drawn.
    pub chart: Chart,
    /// The picture's file name.
    pub file: String,
    /// What is said with the picture, mrkdwn.
    pub caption: String,
    /// In Slack's own chart blocks.
    pub native: Message,
}

/// A message to one stakeholder, of which the journal gets the receipt.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// Before or after.
    pub moment: Moment,
    /// The id of a channel, or of a person, who gets it as a direct message.
    pub to: String,
    /// What it says.
    pub message: Message,
}

/// Renders the card as of a time.
pub type CardView = Box<dyn Fn(&Run, Timestamp) -> Message + Send + Sync>;
/// Says when the card will look different although nothing is recorded; none when only an event can change it.
pub type CardTimer = Box<dyn Fn(&Run, Timestamp) -> Option<Timestamp> + Send + Sync>;
/// Renders the thread as far as the journal goes. A longer journal adds messages, and changes only those that are live.
pub type ThreadView = Box<dyn Fn(&[Recorded]) -> Vec<Told> + Send + Sync>;
/// Renders the notices as far as the journal goes: one for each moment and destination, once its time has come.
pub type NoticesView = Box<dyn Fn(&[Recorded]) -> Vec<Notice> + Send + Sync>;
/// Says where a run is told; none for runs that Slack is not told of.
pub type Placing = Box<dyn Fn(&Run) -> Option<SlackPlace> + Send + Sync>;

/// Renders what the requester is told directly while a channel is closed: of the run, the channel's id, and why.
pub type ElsewhereView = Box<dyn Fn(&Run, &str, &str) -> Message + Send + Sync>;

/// How runs look, and where: pure functions of journals.
#[expect(missing_docs, reason = "the types say it")]
pub struct Look {
    pub card: CardView,
    pub card_changes_at: CardTimer,
    pub thread: ThreadView,
    pub notices: NoticesView,
    pub elsewhere: ElsewhereView,
    pub place: Placing,
    pub charts: Style,
}

/// How fast Slack may be spoken to.
#[derive(Clone, Copy, Debug)]
pub struct Tempo {
    /// The shortest time between two updates of a card. The last one, when a run has ended, does not wait for it.
    pub card_spacing: SignedDuration,
    /// Posts a second into one channel; short bursts may be faster.
    pub posts_per_second: u32,
    /// The wait after a failure grows from the first to the second of these.
    pub backoff: (SignedDuration, SignedDuration),
    /// The wait when only a person can mend it: half of this to all of it.
    pub stuck: SignedDuration,
}

impl Default for Tempo {
    /// As the public Slack wants it.
    fn default() -> Self {
        Self {
            card_spacing: SignedDuration::from_secs(3),
            posts_per_second: 1,
            backoff: (SignedDuration::from_secs(1), SignedDuration::from_secs(30)),
            stuck: SignedDuration::from_secs(60),
        }
    }
}

/// The projection. Cheap to clone; [`Outbox::run`] is called once.
#[derive(Clone)]
pub struct Outbox(Arc<Inner>);

struct Inner {
    store: Store,
    replica: Replica,
    client: SlackClient,
    clock: Clock,
    look: Look,
    tempo: Tempo,
    pace: Pace,
    ourselves: OnceCell<AuthTest>,
    refusals: Refusals,
    state: watch::Sender<State>,
}

/// How far the projection is.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// The count of the store's changes that it has looked at; none when the store fails.
    seen: Option<u64>,
    /// Whether it works on something, or is about to.
    busy: bool,
    /// Whether something that is recorded is not told: it waits for its time.
    left: bool,
}

/// A run that may have something to tell.
#[derive(Default)]
struct Slot {
    /// Away while a pass works on the run.
    memory: Option<Memory>,
    busy: bool,
    /// Its journal has grown.
    dirty: bool,
    /// The number of its newest event, when it was looked at last: of a thousand runs that wait, none is read again because
    /// another has gone on.
    newest: i64,
    /// Not before this: Slack asked for it, or it failed.
    held_until: Option<Timestamp>,
    /// Look again then, even if nothing is recorded.
    again_at: Option<Timestamp>,
    /// Whether all that could be told was told.
    settled: bool,
}

impl Slot {
    fn due_at(&self, now: Timestamp) -> Option<Timestamp> {
        let wanted = if self.dirty { Some(now) } else { self.again_at };
        let held = self.held_until.filter(|until| is_credible(*until, now));
        if self.busy { None } else { wanted.map(|at| held.map_or(at, |held| held.max(at))) }
    }
}

impl Outbox {
    /// Tells `client`'s Slack what is in the store, as `look` says, while no other process does.
    pub fn new(replica: Replica, client: SlackClient, clock: Clock, look: Look, tempo: Tempo) -> Self {
        let store = replica.store().clone();
        let pace = Pace::new(tempo);
        let (ourselves, refusals, state) = (OnceCell::new(), Refusals::default(), watch::Sender::new(State::default()));
        Self(Arc::new(Inner { store, replica, client, clock, look, tempo, pace, ourselves, refusals, state }))
    }

    /// Returns once everything that is recorded by now is told, or can be told only with time: cards that move.
    pub async fn idle(&self) {
        self.wait_for(|state| !state.busy && !state.left).await;
    }

    /// Waits until all that is recorded by now was looked at, and the state is as asked.
    async fn wait_for(&self, asked: impl Fn(&State) -> bool) {
        let recorded = *self.0.store.changes().borrow();
        let mut state = self.0.state.subscribe();
        // The sender lives in `self`, so waiting cannot end by its loss.
        let _ = state.wait_for(|state| state.seen.is_some_and(|seen| seen >= recorded) && asked(state)).await;
    }

    /// Waits for [`Outbox::idle`] no longer than `longest`; whether it was reached.
    pub async fn drain(&self, longest: Duration) -> bool {
        tokio::time::timeout(longest, self.idle()).await.is_ok()
    }

    /// Tells until `stop`; calls that are under way then are finished.
    pub async fn run(&self, stop: CancellationToken) {
        let inner = &self.0;
        let mut changes = inner.store.changes();
        let permits = Arc::new(Semaphore::new(MAX_PARALLEL));
        let mut slots: BTreeMap<RunId, Slot> = BTreeMap::new();
        let mut passes: JoinSet<(Memory, Next)> = JoinSet::new();
        let mut working: HashMap<tokio::task::Id, RunId> = HashMap::new();
        let mut seen = None;
        let mut store_fails = false;
        let mut look = true;
        // Of several processes one tells, and the others watch whether it does.
        let mut telling = None;
        let mut looked_at = Instant::now();
        while !stop.is_cancelled() {
            if std::mem::take(&mut look) {
                looked_at = Instant::now();
                let upto = *changes.borrow_and_update();
                match inner.to_tell().await {
                    Ok(found) => {
                        seen = Some(upto);
                        store_fails = false;
                        let (tenure, runs) = found.unzip();
                        telling = tenure;
                        for (run, newest) in runs.into_iter().flatten() {
                            let slot = slots.entry(run).or_default();
                            slot.dirty |= newest > slot.newest;
                            slot.newest = newest;
                        }
                    }
                    Err(error) => {
                        seen = None;
                        if !std::mem::replace(&mut store_fails, true) {
                            tracing::error!(%error, "cannot read what Slack is to be told");
                        }
                    }
                }
            }
            let now = inner.clock.now();
            if telling.is_none() {
                slots.retain(|_, slot| slot.busy);
            }
            for (run, slot) in &mut slots {
                let Some(tenure) = &telling else { break };
                if slot.due_at(now).is_some_and(|at| at <= now) {
                    let memory = slot.memory.take().unwrap_or_default();
                    *slot = Slot { busy: true, newest: slot.newest, ..Slot::default() };
                    let go_on = GoOn { stop: stop.clone(), tenure: tenure.clone() };
                    let pass = one_pass(Arc::clone(inner), Arc::clone(&permits), *run, memory, go_on);
                    working.insert(passes.spawn(pass).id(), *run);
                }
            }
            // All that is due was started above.
            let busy = slots.values().any(|slot| slot.busy);
            let left = slots.values().any(|slot| !slot.settled || slot.dirty);
            inner.state.send_replace(State { seen, busy, left });
            let next = slots.values().filter_map(|slot| slot.due_at(now)).min();
            tokio::select! {
                () = stop.cancelled() => break,
                Some(done) = passes.join_next_with_id() => {
                    let (task, memory, next) = match done {
                        Ok((task, (memory, next))) => (task, memory, next),
                        Err(error) => {
                            tracing::error!(%error, "telling Slack of a run failed unexpectedly");
                            (error.id(), Memory::default(), Next::Held(inner.clock.now() + inner.tempo.stuck))
                        }
                    };
                    if let Some(run) = working.remove(&task) {
                        take_back(&mut slots, run, memory, next);
                    }
                }
                Ok(()) = changes.changed() => {
                    tokio::time::sleep_until(looked_at + LOOK_SPACING).await;
                    look = true;
                }
                () = sleep_until(&inner.clock, next) => {}
                () = tokio::time::sleep(LOOK_AGAIN) => look = true,
            }
        }
        let last = async { while passes.join_next().await.is_some() {} };
        if tokio::time::timeout(LAST_CALLS, last).await.is_err() {
            tracing::warn!("stopping although a call to Slack is under way; it will be looked for at the next start");
        }
    }
}

impl Inner {
    /// The runs that may have something to tell; none while another process tells.
    async fn to_tell(&self) -> Result<Option<(Tenure, Vec<(RunId, i64)>)>, StoreError> {
        let Some(tenure) = self.replica.take_duty(Duty::Telling).await? else { return Ok(None) };
        Ok(Some((tenure, self.store.unprojected().await?)))
    }
}

async fn one_pass(
    inner: Arc<Inner>,
    permits: Arc<Semaphore>,
    run: RunId,
    mut memory: Memory,
    go_on: GoOn,
) -> (Memory, Next) {
    // The semaphore is never closed.
    let _permit = permits.acquire().await;
    let next = inner.pass(run, &mut memory, &go_on).await;
    (memory, next)
}

fn take_back(slots: &mut BTreeMap<RunId, Slot>, run: RunId, memory: Memory, next: Next) {
    let slot = slots.entry(run).or_default();
    slot.busy = false;
    slot.memory = Some(memory);
    match next {
        // What was recorded meanwhile keeps the slot.
        Next::Over if !slot.dirty => drop(slots.remove(&run)),
        Next::Over => slot.settled = true,
        Next::Settled(again_at) => (slot.settled, slot.again_at) = (true, again_at),
        Next::Later(at) => (slot.settled, slot.again_at) = (false, Some(at)),
        Next::Held(at) => (slot.settled, slot.again_at, slot.held_until) = (false, Some(at), Some(at)),
    }
}

async fn sleep_until(clock: &Clock, at: Option<Timestamp>) {
    match at {
        Some(at) => clock.sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
