//! Decides on a command and carries it out: as a run, a signal to one, a rollback, or an answer.

use super::read::Pressed;
use super::{Asked, Requests};
use crate::command::{self, help};
use crate::domain::{
    Actor, Answer, Command, Environment, Event, Memberships, Origin, Outcome, Run, RunId, Standing, StepProgress,
};
use crate::engine::emergency::RollbackRequest;
use crate::policy::{self, Permit, Person, Place};
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
        let parsed = match command::parse(text, &self.0.context) {
            Ok(parsed) => parsed,
            Err(refusal) => return Ok(Response::Refuse(view::refused(&refusal))),
        };
        let asked = Asked {
            command: parsed.command,
            text: parsed.text,
            person: Person {
                actor: Actor::Terminal { user: user.to_owned() },
                standing: Standing::Member,
                groups: Memberships::new(),
            },
            place: Place::Terminal,
            origin: Origin::Terminal,
            pressed: Pressed { queue, question: None },
            inbox_key: None,
            arrived,
        };
        self.act(asked).await
    }

    pub(super) async fn act(&self, asked: Asked) -> Result<Response, StoreError> {
        let about = match &asked.command {
            Command::Show { run } | Command::Cancel { run } | Command::Answer { run, .. } => {
                match self.0.engine.store().run(*run).await? {
                    Some(run) => Some(run),
                    None => {
                        let text = format!("There is no run {run}. See `{} runs`.", self.0.house.command_word);
                        return Ok(Response::Refuse(view::refusal(&text)));
                    }
                }
            }
            _ => None,
        };
        let permit = match policy::decide(&policy::Request {
            person: &asked.person,
            command: &asked.command,
            environment: self.environment_of(&asked.command, about.as_ref()),
            place: &asked.place,
            house: &self.0.house,
            slack_approves: self.slack_approves(),
            now: self.0.engine.clock().now(),
        }) {
            Ok(permit) => permit,
            Err(refusal) => return Ok(Response::Refuse(view::refused(&refusal))),
        };
        match (permit.command().clone(), about) {
            (
                Command::Enable { .. } | Command::Disable { .. } | Command::Restore { .. } | Command::Verify { .. },
                _,
            ) => self.start(asked, &permit).await,
            (Command::Rollback { environment }, _) => Ok(self.roll_back(asked, environment).await),
            (Command::Cancel { .. }, Some(run)) => self.cancel(&asked, &run).await,
            (Command::Answer { answer, .. }, Some(run)) => self.answer_question(&asked, &run, answer).await,
            (Command::Show { run: id }, Some(run)) => {
                let journal = self.0.engine.store().journal(id).await?;
                Ok(Response::Say(view::show(&run, &journal, self.0.engine.clock().now())))
            }
            (Command::Status { environment }, _) => self.status(environment.as_deref()).await.map(Response::Say),
            (Command::Runs { environment }, _) => self.runs(environment.as_deref()).await.map(Response::Say),
            (Command::Whoami, _) => Ok(Response::Say(self.whoami(&asked))),
            (Command::Help { topic }, _) => Ok(Response::Say(self.help(topic.as_deref()))),
            (command, _) => Ok(Response::Refuse(view::refusal(&format!("`{}` is not there yet.", command.name())))),
        }
    }

    fn environment_of(&self, command: &Command, about: Option<&Run>) -> Option<&Environment> {
        let name = command.environment().or(about.map(|run| run.environment.as_str()))?;
        self.0.config.environments.get(name)
    }

    async fn start(&self, asked: Asked, permit: &Permit) -> Result<Response, StoreError> {
        let Some(environment) = permit.environment() else { return Err(StoreError::NoRun) };
        let (store, now) = (self.0.engine.store(), self.0.engine.clock().now());
        if asked.command.acts()
            && !asked.pressed.queue
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
            queue: asked.pressed.queue,
            notes: permit.notes().to_vec(),
        };
        let new = NewRun { requested: &requested, environment, driven: true, inbox_key: asked.inbox_key.as_deref() };
        Ok(Response::Run(store.create_run(new, now).await?))
    }

    async fn roll_back(&self, asked: Asked, environment: String) -> Response {
        let request = RollbackRequest {
            environment: environment.clone(),
            actor: asked.person.actor,
            origin: asked.origin,
            text: asked.text,
            inbox_key: asked.inbox_key,
            interrupted: None,
            arrived: asked.arrived,
        };
        let Some(report) = self.0.engine.rollback(request).await else {
            return Response::Refuse(view::refusal(&format!("There is no environment {environment}.")));
        };
        let (summary, succeeded) = match &report.ended {
            Event::Ended { summary, outcome, .. } => (summary.as_str(), *outcome == Outcome::Succeeded),
            _ => ("", false),
        };
        let late = "The database does not answer: this is journalled as soon as it does.";
        let said = view::refusal(&format!("{summary} {late}"));
        Response::RolledBack { journalled: report.run.is_some(), run: report.run, said, succeeded }
    }

    async fn cancel(&self, asked: &Asked, run: &Run) -> Result<Response, StoreError> {
        let rollback = matches!(run.command, Command::Rollback { .. });
        if run.ended.is_some() {
            return Ok(Response::Refuse(view::stale_click(run)));
        }
        if rollback {
            let text = format!("{} is a rollback: it is over in a moment and is not stopped half way.", run.id);
            return Ok(Response::Refuse(view::refusal(&text)));
        }
        if run.cancel.is_none() {
            let event = Event::CancelRequested { actor: asked.person.actor.clone() };
            self.0.engine.store().signal(run.id, &[event], self.0.engine.clock().now()).await?;
        }
        Ok(Response::Say(view::cancel_accepted(run)))
    }

    async fn answer_question(&self, asked: &Asked, run: &Run, answer: Answer) -> Result<Response, StoreError> {
        let open = run.steps.iter().find(|progress| progress.question.is_some());
        let is_asked = |open: &&StepProgress| {
            run.ended.is_none() && asked.pressed.question.as_ref().is_none_or(|question| *question == open.step.id)
        };
        let Some(open) = open.filter(is_asked) else {
            return Ok(Response::Refuse(view::stale_click(run)));
        };
        let event = Event::Answered { step: open.step.id.clone(), answer, actor: asked.person.actor.clone() };
        self.0.engine.store().signal(run.id, &[event], self.0.engine.clock().now()).await?;
        Ok(Response::Say(view::answer_accepted(run, answer)))
    }

    pub(super) fn help(&self, topic: Option<&str>) -> Message {
        view::help(&match topic {
            Some(topic) => help::topic(topic, &self.0.context),
            None => help::overview(&self.0.context),
        })
    }
}
