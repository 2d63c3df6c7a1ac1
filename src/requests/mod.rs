//! From a persisted request to a run, a signal or an answer: parse, decide, record, reply.
//!
//! A request is recorded before it is acknowledged, and settled in the transaction that makes its run; what a crash
//! leaves unsettled is taken up at the next start. Only words that do nothing, help and usage errors, are answered in the
//! acknowledgement itself. A rollback begins at once, recorded or not.

mod act;
mod answer;
mod audit;
pub mod click;
mod dead_letters;
mod decide;
mod form;
mod hard_stop;
mod hold;
mod limits;
mod monitor;
mod preview;
mod read;
mod replay;
mod reply;
mod rollback;
mod second_factor;
mod steer;
mod subscriptions;
mod versions;

use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::command::{self, Context, Parsed};
use crate::config::Config;
use crate::domain::{Actor, Command, Environment, Membership, Memberships, Origin, Run, Standing};
use crate::engine::Engine;
use crate::policy::{self, House, Person, Place};
use crate::slack::client::SlackClient;
use crate::slack::inbound::Inbound;
use crate::slack::ingress::{Accept, Ack, NotPersisted};
use crate::slack::people::People;
use crate::slack::view;
use crate::step_up::StepUp;
use crate::store::{Pending, Put, StoreError};

pub use act::Response;
use click::{Click, Pressed};
use limits::Limiter;
use read::Read;

/// How long an acknowledgement waits for the database; Slack waits three seconds in all.
const PERSIST_PATIENCE: Duration = Duration::from_millis(2_000);
/// How long a rollback's acknowledgement waits for it; the rollback itself does not wait.
const ROLLBACK_PERSIST_PATIENCE: Duration = Duration::from_millis(500);
/// How long a rollback waits for Slack to say who asks; what Slack does not say in time does not hold it up.
const ROLLBACK_STANDING_PATIENCE: Duration = Duration::from_millis(250);
/// How many requests are worked on at the same time; more wait.
const MOST_AT_ONCE: usize = 64;
/// How long a stop waits for the requests that are worked on.
const DRAIN: Duration = Duration::from_secs(4);
/// Before requests are looked at again that the database failed under.
const RETRY: Duration = Duration::from_secs(2);

/// Takes requests. Cheap to clone.
#[derive(Clone)]
pub struct Requests(Arc<Inner>);

struct Inner {
    config: Config,
    house: House,
    context: Context,
    engine: Engine,
    /// None on a terminal without Slack.
    slack: Option<(SlackClient, People)>,
    /// None without the installation's key.
    step_up: Option<StepUp>,
    /// For those that are worked on at the same time.
    turns: Semaphore,
    /// The keys of the requests that this process works on.
    under_way: Mutex<HashSet<String>>,
    tasks: TaskTracker,
    limiter: Limiter,
    /// Whether requests from Slack are taken, so that somebody there can be asked.
    serves: AtomicBool,
}

/// A request of a person, whatever it came by.
#[derive(Clone, Debug)]
struct Asked {
    command: Command,
    text: String,
    /// The run that the command names, if there is one.
    about: Option<Run>,
    person: Person,
    place: Place,
    origin: Origin,
    pressed: Pressed,
    inbox_key: Option<String>,
    arrived: Instant,
}

/// When a request came in.
#[derive(Clone, Copy)]
struct Arrival {
    /// By the clock, UTC: the times in its words count from it, also when they are read again after a restart.
    at: Timestamp,
    /// When this process took it up, to tell how long it took.
    taken: Instant,
}

/// What came of recording a request.
enum Persisted {
    New,
    Repeated,
    /// It is not recorded, or will be withdrawn.
    Not,
}

impl Requests {
    /// Takes requests for this engine.
    pub fn new(config: Config, engine: Engine, slack: Option<(SlackClient, People)>, step_up: Option<StepUp>) -> Self {
        let house = House {
            workspace: config.slack.workspace.clone(),
            channel: config.slack.channel.clone(),
            also_in: config.slack.also_in.clone(),
            command_word: config.slack.command.clone(),
        };
        let context = Context::from(&config);
        let limiter = Limiter::new(&config.limits);
        Self(Arc::new(Inner {
            config,
            house,
            context,
            engine,
            slack,
            step_up,
            turns: Semaphore::new(MOST_AT_ONCE),
            under_way: Mutex::default(),
            tasks: TaskTracker::new(),
            limiter,
            serves: AtomicBool::new(false),
        }))
    }

    /// What the transports hand requests to.
    pub fn accept(&self) -> Accept {
        let requests = self.clone();
        Arc::new(move |inbound, key| {
            let requests = requests.clone();
            Box::pin(async move { requests.take(inbound.into_inner(), key).await })
        })
    }

    /// The words that commands are made of, for completion lists.
    pub fn context(&self) -> &Context {
        &self.0.context
    }

    async fn take(&self, mut inbound: Inbound, key: String) -> Result<Ack, NotPersisted> {
        let arrived = Arrival { at: self.0.engine.clock().now(), taken: Instant::now() };
        // First of all: whatever becomes of the form, its code is recorded nowhere.
        if let Inbound::ViewSubmission { user, callback_id, private_metadata, state, shown, .. } = &mut inbound {
            let code = view::take_code(state);
            if second_factor::brings_code(callback_id) {
                match self.check_code(user, (callback_id, private_metadata), code.as_deref()).await? {
                    Ok(checked) => *shown = Some(checked),
                    Err(ack) => return Ok(ack),
                }
            }
        }
        match &inbound {
            Inbound::Slash { text, .. } => match command::parse(text, &self.0.context, arrived.at) {
                Err(refusal) => return Ok(Ack::say(view::refused(&refusal))),
                Ok(Parsed { command: Command::Help { topic }, .. }) => {
                    return Ok(Ack::say(self.help(topic.as_deref())));
                }
                Ok(Parsed { command: Command::Rollback { .. }, .. }) => {
                    return self.take_rollback(inbound, key, arrived).await;
                }
                Ok(Parsed { command: Command::ReplayStart { environment, from: None, .. }, .. }) => {
                    return Ok(self.take_for_replay_form(inbound, key, environment));
                }
                Ok(_) => {}
            },
            // Without its environment it goes the slower way: which run's thread it is, only the database knows.
            Inbound::Mention { text, .. } => {
                if let Ok(Parsed { command: Command::Rollback { .. }, .. }) =
                    command::parse(text, &self.0.context, arrived.at)
                {
                    return self.take_rollback(inbound, key, arrived).await;
                }
            }
            Inbound::Action { action_id, value, .. } => {
                match click::read(action_id, value.as_deref().unwrap_or_default()) {
                    Click::Ask(Command::Rollback { environment }, _) if self.is_environment(&environment) => {
                        return self.take_rollback(inbound, key, arrived).await;
                    }
                    Click::Why(command, pressed) => return Ok(self.take_for_form(inbound, key, command, pressed)),
                    Click::Ask(command, pressed) if self.asks_for_code(&command).await => {
                        return Ok(self.take_for_form(inbound, key, command, pressed));
                    }
                    Click::Ask(..) | Click::Typed(..) | Click::Garbled | Click::Unknown => {}
                }
            }
            // What is wrong with a form is said while it is open.
            Inbound::ViewSubmission { callback_id, private_metadata, state, .. } => {
                if callback_id == view::action::REPLAY
                    && let Some(refused) = self.replay_form_refused(private_metadata, state, arrived.at)
                {
                    return Ok(refused);
                }
                if let (true, Err(problem)) = (form::asks_why(callback_id), view::reason(state)) {
                    return Ok(Ack { body: None, response_action: Some(view::reason_refused(problem)) });
                }
            }
            Inbound::DirectMessage { .. }
            | Inbound::HomeOpened { .. }
            | Inbound::UrlVerification { .. }
            | Inbound::SslCheck
            | Inbound::Ignored { .. } => {}
        }
        if !self.begin(&key) {
            // The same request, delivered again while the first is still worked on.
            return Ok(Ack::default());
        }
        match self.persist(&key, &inbound, PERSIST_PATIENCE).await {
            Persisted::New => {
                let requests = self.clone();
                self.0.tasks.spawn(async move { requests.settle(key, inbound, arrived).await });
                Ok(Ack::default())
            }
            Persisted::Repeated => {
                self.end(&key);
                Ok(Ack::default())
            }
            Persisted::Not => Err(NotPersisted),
        }
    }

    /// A rollback is not held up by a database that does not answer.
    async fn take_rollback(&self, inbound: Inbound, key: String, arrived: Arrival) -> Result<Ack, NotPersisted> {
        if !self.begin(&key) {
            return Ok(Ack::default());
        }
        match self.persist(&key, &inbound, ROLLBACK_PERSIST_PATIENCE).await {
            Persisted::New => {
                let requests = self.clone();
                self.0.tasks.spawn(async move {
                    requests.roll_back_once(inbound, Some(key.clone()), arrived).await;
                    requests.end(&key);
                });
            }
            Persisted::Repeated => self.end(&key),
            Persisted::Not => {
                tracing::error!("a rollback could not be recorded; it goes on all the same");
                let requests = self.clone();
                self.0.tasks.spawn(async move { requests.roll_back_once(inbound, None, arrived).await });
            }
        }
        Ok(Ack::default())
    }

    /// Once, whatever the database says of it: the engine sees to it that it is journalled, and a request that stays open
    /// is looked at again at the next start.
    async fn roll_back_once(&self, inbound: Inbound, inbox_key: Option<String>, arrived: Arrival) {
        if let Err(error) = self.work(inbound, inbox_key, arrived).await {
            tracing::error!(%error, "the database failed under a rollback's request");
        }
    }

    /// Records a request. What takes too long is withdrawn again, so that "not recorded" stays true, and a repeat of the
    /// request is a new one.
    async fn persist(&self, key: &str, inbound: &Inbound, patience: Duration) -> Persisted {
        let Ok(body) = serde_json::to_value(inbound) else {
            self.end(key);
            return Persisted::Not;
        };
        let (replica, now, owned) = (self.0.engine.replica().clone(), self.0.engine.clock().now(), key.to_owned());
        // In a task of its own: a statement that was sent is carried out, whether somebody waits for it or not.
        let mut putting = tokio::spawn(async move { replica.put_request(&owned, &body, now).await });
        match tokio::time::timeout(patience, &mut putting).await {
            Ok(Ok(Ok(Put::New))) => Persisted::New,
            Ok(Ok(Ok(Put::Repeated))) => Persisted::Repeated,
            Ok(Ok(Err(error))) => {
                tracing::error!(%error, "a request could not be recorded");
                self.end(key);
                Persisted::Not
            }
            Ok(Err(_)) => {
                self.end(key);
                Persisted::Not
            }
            Err(_) => {
                tracing::error!("a request could not be recorded in time; it is withdrawn");
                let (requests, key) = (self.clone(), key.to_owned());
                self.0.tasks.spawn(async move {
                    if let Ok(Ok(Put::New)) = putting.await
                        && let Err(error) = requests.0.engine.store().withdraw_request(&key).await
                    {
                        tracing::error!(%error, "a request that was refused could not be withdrawn");
                    }
                    requests.end(&key);
                });
                Persisted::Not
            }
        }
    }

    /// Takes up what other processes have left, at the start and whenever one dies, and lets requests be worked on until
    /// `stop`. Those under way then are finished.
    pub async fn run(&self, stop: CancellationToken) {
        self.0.serves.store(true, Ordering::Relaxed);
        let mut burials = self.0.engine.replica().burials();
        let taking_up = async {
            loop {
                burials.mark_unchanged();
                while let Err(error) = self.resume_rollbacks().await {
                    tracing::error!(%error, "cannot tell whether a rollback was interrupted; trying again");
                    tokio::time::sleep(RETRY).await;
                }
                while let Err(error) = self.adopt().await {
                    tracing::error!(%error, "requests cannot be read; trying again");
                    tokio::time::sleep(RETRY).await;
                }
                if burials.changed().await.is_err() {
                    return;
                }
            }
        };
        let _ = stop.run_until_cancelled(taking_up).await;
        stop.cancelled().await;
        self.0.tasks.close();
        if tokio::time::timeout(DRAIN, self.0.tasks.wait()).await.is_err() {
            tracing::warn!("some requests are not finished; the next start takes them up");
        }
    }

    async fn adopt(&self) -> Result<(), StoreError> {
        for request in self.0.engine.replica().adopt_requests().await? {
            // A request with a run is a rollback's, which was resumed or is under way.
            if request.run.is_none() && self.begin(&request.key) {
                self.0.tasks.spawn(self.clone().take_up(request));
            }
        }
        Ok(())
    }

    async fn take_up(self, request: Pending) {
        match serde_json::from_value::<Inbound>(request.body) {
            Ok(inbound) => {
                let arrived = Arrival { at: request.received_at, taken: Instant::now() };
                self.settle(request.key, inbound, arrived).await;
            }
            Err(error) => {
                tracing::error!(%error, "a recorded request cannot be read; it is dropped");
                let _ = self.0.engine.store().settle_request(&request.key, self.0.engine.clock().now()).await;
                self.end(&request.key);
            }
        }
    }

    /// Works on a recorded request until the database has taken what came of it.
    async fn settle(&self, key: String, inbound: Inbound, arrived: Arrival) {
        let Ok(_turn) = self.0.turns.acquire().await else { return };
        // On the heap, and only now: what waits for its turn is a few hundred bytes, not all that working on it takes.
        while let Err(error) = Box::pin(self.work(inbound.clone(), Some(key.clone()), arrived)).await {
            tracing::error!(%error, "the database failed under a request; it is taken up again");
            tokio::time::sleep(RETRY).await;
        }
        self.end(&key);
    }

    /// Whether all that was recorded is settled and nothing is under way.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn is_idle(&self) -> Result<bool, StoreError> {
        // In this order: a request that is begun between the two looks is still under way at the second.
        let settled = self.0.engine.store().pending_requests().await?.is_empty();
        Ok(settled && self.0.under_way.lock().unwrap_or_else(PoisonError::into_inner).is_empty())
    }

    /// False when the request is under way already.
    fn begin(&self, key: &str) -> bool {
        self.0.under_way.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned())
    }

    /// While the result lives, nobody else gets one for the same key. None when somebody has it.
    fn alone(&self, key: String) -> Option<Alone> {
        self.begin(&key).then(|| Alone { requests: self.clone(), key })
    }

    fn end(&self, key: &str) {
        self.0.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    /// The rollbacks that a crash interrupted are done again: disabling what is disabled changes nothing.
    async fn resume_rollbacks(&self) -> Result<(), StoreError> {
        for rollback in self.0.engine.interrupted_rollbacks().await? {
            tracing::warn!(environment = %rollback.environment, "a rollback was interrupted; it is done again");
            let engine = self.0.engine.clone();
            self.0.tasks.spawn(async move { engine.rollback(rollback).await });
        }
        Ok(())
    }

    /// Does what a request asks, replies, and settles it.
    async fn work(&self, inbound: Inbound, inbox_key: Option<String>, arrived: Arrival) -> Result<(), StoreError> {
        match self.read(inbound, arrived.at).await? {
            Read::Nothing => {}
            Read::Say { message, reply } => self.reply(&reply, &message).await,
            Read::Home { user } => self.publish_home(&user).await?,
            Read::Ask { parsed, who, place, origin, pressed, reply } => {
                let Parsed { command, text } = *parsed;
                let actor = Actor::Slack { user: who.user, team: who.team };
                if let Err(too_many) = self.0.limiter.check(&actor, &command, &self.0.config.limits) {
                    self.reply(&reply, &view::refused(&too_many)).await;
                    return self.settled(inbox_key).await;
                }
                let about = self.about(&command).await?;
                let environment = self.environment_of(&command, about.as_ref());
                let person = self.person(actor, &command, environment).await;
                // A click is always answered; what is typed is answered by the run's card.
                let answered = pressed.by_button || matches!(command, Command::Retry { .. });
                let inbox_key = inbox_key.clone();
                let asked =
                    Asked { command, text, about, person, place, origin, pressed, inbox_key, arrived: arrived.taken };
                match self.act(asked).await? {
                    Response::Run(run) if answered => {
                        if let Some(run) = self.0.engine.store().run(run).await? {
                            self.reply(&reply, &view::run_made(&run, self.permalink(run.id).await?.as_deref())).await;
                        }
                    }
                    Response::RolledBack { journalled: true, .. } if !answered => {}
                    Response::Run(_) => {}
                    Response::RolledBack { said, .. } | Response::Say(said) | Response::Refuse(said) => {
                        self.reply(&reply, &said).await;
                    }
                }
            }
        }
        self.settled(inbox_key).await
    }

    async fn settled(&self, inbox_key: Option<String>) -> Result<(), StoreError> {
        match inbox_key {
            Some(key) => self.0.engine.store().settle_request(&key, self.0.engine.clock().now()).await,
            None => Ok(()),
        }
    }

    /// Who asks, with what Slack says of them as far as it matters for the command. A rollback waits for that only a
    /// moment; who decides on a run is asked about anew.
    async fn person(&self, actor: Actor, command: &Command, environment: Option<&Environment>) -> Person {
        let Actor::Slack { user, .. } = &actor else {
            return Person { actor, standing: Standing::Member, groups: Memberships::new() };
        };
        let groups = self.groups_to_ask(command, environment);
        let Some((_, people)) = &self.0.slack else {
            let why = "there is no connection to Slack";
            return Person { actor, standing: Standing::Unknown(why.to_owned()), groups: unknown(&groups, why) };
        };
        let fresh = matches!(
            command,
            Command::Approve { .. } | Command::Reject { .. } | Command::Override { .. } | Command::Enrol { .. }
        );
        let standing = async {
            // Whose word counts is asked anew: somebody may have become a guest a moment ago.
            match fresh {
                true => people.standing_now(user, &self.0.house.workspace).await,
                false => people.standing(user, &self.0.house.workspace).await,
            }
        };
        let memberships = people.memberships(user, &groups, fresh);
        let (standing, groups) = match command {
            Command::Rollback { .. } => {
                let why = "Slack did not say at once, and a rollback does not wait";
                let (standing, memberships) = tokio::join!(
                    tokio::time::timeout(ROLLBACK_STANDING_PATIENCE, standing),
                    tokio::time::timeout(ROLLBACK_STANDING_PATIENCE, memberships)
                );
                (
                    standing.unwrap_or_else(|_| Standing::Unknown(why.to_owned())),
                    memberships.unwrap_or_else(|_| unknown(&groups, why)),
                )
            }
            _ => tokio::join!(standing, memberships),
        };
        Person { actor, standing, groups }
    }

    /// The user groups that decide about a command. Those of every environment where it is about oneself.
    fn groups_to_ask(&self, command: &Command, environment: Option<&Environment>) -> BTreeSet<String> {
        match command {
            Command::Whoami | Command::Enrol { .. } => {
                let environments = self.0.config.environments.values();
                environments.flat_map(|there| policy::groups_of(Some(there), command)).collect()
            }
            _ => policy::groups_of(environment, command),
        }
    }

    fn is_environment(&self, name: &str) -> bool {
        self.0.config.environments.contains_key(name)
    }

    /// Whether people in Slack can be asked to approve.
    fn slack_approves(&self) -> bool {
        self.0.slack.is_some() && self.0.serves.load(Ordering::Relaxed)
    }
}

/// The only one that works on something.
struct Alone {
    requests: Requests,
    key: String,
}

impl Drop for Alone {
    fn drop(&mut self) {
        self.requests.end(&self.key);
    }
}

fn unknown(groups: &BTreeSet<String>, why: &str) -> Memberships {
    groups.iter().map(|group| (group.clone(), Membership::Unknown(why.to_owned()))).collect()
}
