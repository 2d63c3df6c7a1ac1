//! Decides on a command and carries it out: as a run, a signal to one, a rollback, or an answer.

use super::click::{Card, Pressed};
use super::decide::Decision;
use super::{Asked, Requests};
use crate::command::{self, help};
use crate::domain::{Actor, Command, Environment, Event, Origin, Run, RunId};
use crate::policy::{self, Permit, Place};
use crate::slack::message::Message;
use crate::slack::view;
use crate::store::{NewRun, StoreError};

/// What came of a request.
#[derive(Debug)]
pub enum Response {
    /// It is a run now; its card and thread tell the rest.
    Run(RunId),
    /// Rolled back. When it could not be journalled yet, no card tells of it: then it has to be said.
    RolledBack {
        /// Whether the journal has it.
        journalled: bool,
        /// The run, when it is journalled.
        run: Option<RunId>,
        /// The end in words.
        said: Message,
        /// Whether all rules are shown to be off.
        succeeded: bool,
    },
    /// An answer.
    Say(Message),
    /// No, and why.
    Refuse(Message),
}

impl Requests {
    /// A command typed on a terminal.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ask_from_terminal(&self, text: &str, user: &str, queue: bool) -> Result<Response, StoreError> {
        let (requests, text, user) = (self.clone(), text.to_owned(), user.to_owned());
        // A task of its own: what was asked goes on although the terminal goes away, a rollback above all.
        let asking = self.0.tasks.spawn(async move { requests.typed_on_terminal(&text, &user, queue).await });
        asking.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a command from a terminal failed unexpectedly");
            Ok(Response::Refuse(view::refusal("This failed unexpectedly. See what was done with `runs` and `status`.")))
        })
    }

    async fn typed_on_terminal(&self, text: &str, user: &str, queue: bool) -> Result<Response, StoreError> {
        let arrived = std::time::Instant::now();
        let parsed = match command::parse(text, &self.0.context, self.0.engine.clock().now()) {
            Ok(parsed) => parsed,
            Err(refusal) => return Ok(Response::Refuse(view::refused(&refusal))),
        };
        let about = self.about(&parsed.command).await?;
        let environment = self.environment_of(&parsed.command, about.as_ref());
        let actor = Actor::Terminal { user: user.to_owned() };
        let asked = Asked {
            person: self.person(actor, &parsed.command, environment).await,
            command: parsed.command,
            text: parsed.text,
            about,
            place: Place::Terminal,
            origin: Origin::Terminal,
            pressed: Pressed { queue, ..Pressed::default() },
            inbox_key: None,
            arrived,
        };
        self.act(asked).await
    }

    pub(super) async fn act(&self, asked: Asked) -> Result<Response, StoreError> {
        if let (Some(run), None) = (asked.command.run(), &asked.about) {
            let what = match self.0.engine.store().removal_of(run).await? {
                Some(_) => format!("The journal of {run} was removed when its time was over (`store.retention_days`)."),
                None => format!("There is no run {run}."),
            };
            let text = format!("{what} See `{} runs`.", self.0.house.command_word);
            return Ok(Response::Refuse(view::refusal(&text)));
        }
        let environment = match &asked.command {
            Command::Enrol { reset: Some(_) } => self.environment_to_reset(&asked.person),
            command => self.environment_of(command, asked.about.as_ref()),
        };
        let permit = match policy::decide(&policy::Request {
            person: &asked.person,
            command: &asked.command,
            environment,
            place: &asked.place,
            house: &self.0.house,
            slack_approves: self.slack_approves(),
            now: self.0.engine.clock().now(),
        }) {
            Ok(permit) => permit,
            Err(refusal) => return Ok(Response::Refuse(view::refused(&refusal))),
        };
        match (permit.command().clone(), asked.about.clone()) {
            (
                Command::Enable { .. }
                | Command::Disable { .. }
                | Command::Restore { .. }
                | Command::Promote { .. }
                | Command::Deploy { .. }
                | Command::Recover { .. }
                | Command::CodeRollback { .. }
                | Command::Smoke { .. }
                | Command::Subscribe { .. }
                | Command::TestAlarm { .. }
                | Command::Monitor { .. }
                | Command::ReplayStart { from: Some(_), .. }
                | Command::Redrive { .. }
                | Command::Doctor { .. }
                | Command::Verify { .. },
                _,
            ) => self.start(asked, &permit).await,
            (Command::Subscriptions { environment }, _) => {
                self.subscriptions(&asked, &environment).await.map(Response::Say)
            }
            (Command::MonitorStop { environment }, _) => self.stop_monitor(asked, &environment).await,
            (Command::Versions { .. }, _) => match environment {
                Some(environment) => self.versions(environment).await,
                None => Err(StoreError::NoRun),
            },
            (Command::ReplayStart { environment, .. }, _) => Ok(self.replay_needs_times(&environment)),
            (Command::ReplayStatus { .. }, _) => match environment {
                Some(environment) => self.replays(environment, false).await,
                None => Err(StoreError::NoRun),
            },
            (Command::ReplayList { .. }, _) => match environment {
                Some(environment) => self.replays(environment, true).await,
                None => Err(StoreError::NoRun),
            },
            (Command::ReplayCancel { environment }, _) => self.cancel_replay(asked, &environment).await,
            (Command::Dlq { .. }, _) => match environment {
                Some(environment) => self.dead_letters(environment).await,
                None => Err(StoreError::NoRun),
            },
            (Command::Rollback { .. }, _) => match environment {
                Some(environment) => Ok(self.roll_back(asked, environment).await),
                None => Err(StoreError::NoRun),
            },
            (Command::HardStop { .. }, _) => match environment {
                // On the heap, as whatever plans: it is large.
                Some(environment) => Box::pin(self.hard_stop(asked, &permit, environment)).await,
                None => Err(StoreError::NoRun),
            },
            (Command::Status { environment }, _) => self.status(environment.as_deref()).await.map(Response::Say),
            (Command::Hold { .. } | Command::Release { .. }, _) => self.change_hold(asked, &permit).await,
            (Command::Plan { of }, _) => self.preview(&of, &asked.person.actor).await,
            (Command::Audit { .. }, _) => self.audit(&asked).await,
            (Command::Contacts, _) => {
                let (primary, escalation) = self.contacts();
                Ok(Response::Say(view::contacts(Some(primary), Some(escalation))))
            }
            (Command::Runs { environment }, _) => self.runs(environment.as_deref()).await.map(Response::Say),
            (Command::Whoami, _) => Ok(Response::Say(self.whoami(&asked).await?)),
            (Command::Enrol { reset }, _) => self.enrol(asked, reset).await,
            (Command::Help { topic }, _) => Ok(Response::Say(self.help(topic.as_deref()))),
            (command, Some(run)) => self.speak_to(asked, &run, command).await,
            // What names a run was refused above when there is none.
            (_, None) => Err(StoreError::NoRun),
        }
    }

    /// A command about a run that exists.
    async fn speak_to(&self, asked: Asked, run: &Run, command: Command) -> Result<Response, StoreError> {
        match &command {
            Command::Show { .. } => {
                let journal = self.0.engine.store().journal(run.id).await?;
                Ok(Response::Say(view::show(run, &journal, self.0.engine.clock().now())))
            }
            // Of a rollback's card, the word is the click.
            Command::Approve { .. } if matches!(run.command, Command::Rollback { .. }) => {
                match self.0.config.environments.get(&run.environment) {
                    Some(environment) => Ok(self.roll_back_by_click(asked, environment, Card::Of(run.id)).await),
                    None => Err(StoreError::NoRun),
                }
            }
            Command::Approve { plan, note, .. } => {
                self.decide(&asked, run, Decision::Approve { plan, note: note.as_deref() }).await
            }
            Command::Reject { reason, .. } => self.decide(&asked, run, Decision::Reject { reason }).await,
            Command::Override { safeguard, reason, .. } => {
                self.decide(&asked, run, Decision::Override { safeguard, reason }).await
            }
            Command::Answer { .. }
            | Command::Cancel { .. }
            | Command::Pause { .. }
            | Command::Resume { .. }
            | Command::Object { .. }
            | Command::Skip { .. }
            | Command::Escalate { .. } => self.steer(&asked, run).await,
            Command::Retry { .. } => self.retry(asked, run).await,
            // The others name no run.
            _ => Err(StoreError::NoRun),
        }
    }

    /// The run of such a command that is under way in an environment.
    pub(super) async fn live_run_of(
        &self,
        environment: &str,
        is: impl Fn(&Command) -> bool,
    ) -> Result<Option<Run>, StoreError> {
        let store = self.0.engine.store();
        for id in store.live_runs(environment).await? {
            if let Some(run) = store.run(id).await?.filter(|run| is(&run.command)) {
                return Ok(Some(run));
            }
        }
        Ok(None)
    }

    /// The run that a command names, if there is one.
    pub(super) async fn about(&self, command: &Command) -> Result<Option<Run>, StoreError> {
        match command.run() {
            Some(run) => self.0.engine.store().run(run).await,
            None => Ok(None),
        }
    }

    pub(super) fn environment_of(&self, command: &Command, about: Option<&Run>) -> Option<&Environment> {
        let name = command.environment().or(about.map(|run| run.environment.as_str()))?;
        self.0.config.environments.get(name)
    }

    pub(super) async fn start(&self, asked: Asked, permit: &Permit) -> Result<Response, StoreError> {
        let Some(environment) = permit.environment() else { return Err(StoreError::NoRun) };
        let (store, now) = (self.0.engine.store(), self.0.engine.clock().now());
        if let Some(refusal) = self.kept_out(&asked, environment).await? {
            return Ok(Response::Refuse(refusal));
        }
        if matches!(asked.command, Command::Monitor { .. })
            && let Some(runs) = self.is_monitored(environment).await?
        {
            return Ok(runs);
        }
        // What people approve first waits for the environment by itself, once it is approved.
        let queue = asked.pressed.queue || permit.approvals_needed() > 0;
        // What stops something waits for nobody.
        if asked.command.acts()
            && !asked.command.is_emergency()
            && !queue
            && let Some(holder) = store.holder(environment).await?
            && let Some(holder) = store.run(holder.run).await?
        {
            let permalink = self.permalink(holder.id).await?;
            return Ok(Response::Refuse(view::held(&holder, permalink.as_deref(), &asked.command)));
        }
        let requested = Event::Requested {
            command: asked.command,
            text: asked.text,
            actor: asked.person.actor,
            environment: environment.to_owned(),
            origin: asked.origin,
            queue,
            notes: permit.notes().to_vec(),
        };
        let new = NewRun { requested: &requested, environment, driven: true, inbox_key: asked.inbox_key.as_deref() };
        Ok(Response::Run(store.create_run(new, now).await?))
    }

    pub(super) fn help(&self, topic: Option<&str>) -> Message {
        view::help(&match topic {
            Some(topic) => help::topic(topic, &self.0.context),
            None => help::overview(&self.0.context),
        })
    }
}
