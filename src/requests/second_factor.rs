//! Second factors: setting one up, taking one away, and checking the codes that forms bring.
//!
//! A code is checked before its request is recorded, and taken out of it: what is recorded says which step a right code
//! was of, and so no table ever holds a code. It is spent only when the request is worked on, after everything else that
//! could decline it. A crash in between spends the code and decides nothing; the next one works.
//!
//! A secret is shown in a form and nowhere else, and each form shows another.

use std::time::Duration;

use jiff::Timestamp;

use super::click::Pressed;
use super::decide::needs_code;
use super::hold::minute;
use super::reply::ReplyTo;
use super::{Ack, Asked, Inbound, NotPersisted, PERSIST_PATIENCE, Requests, Response};
use crate::domain::{Actor, Command, Environment, Event, Origin, Outcome, Role, SlackPlace};
use crate::policy::{self, Belongs, Person, Place};
use crate::slack::message::Message;
use crate::slack::view::{self, Carried, action};
use crate::step_up::{SecondFactor, Shown, StepUp};
use crate::store::{FactorRun, NewRun, StoreError};

/// How long is looked whether an approval would count, before its form is opened all the same.
const LOOK_PATIENCE: Duration = Duration::from_millis(1_000);
/// What is said where no environment asks for a code, or this Alch has no key.
const NOT_IN_USE: &str = "Second factors are not in use here: no environment asks for one (`approvals.step_up`), or this \
                          Alch has no `STEP_UP_KEY`. There is nothing to set up.";
const NOT_ENROLLED: &str = "You have no second factor yet. Send me enrol in a direct message, set it up, and press \
                            Approve again. Nothing was decided.";

/// Whether a form of this name brings a one-time code.
pub(super) fn brings_code(callback_id: &str) -> bool {
    [action::APPROVE, action::ENROL].contains(&callback_id)
}

impl Requests {
    /// The environments whose approvals take a code.
    fn with_codes(&self) -> impl Iterator<Item = &Environment> {
        self.0.config.environments.values().filter(|environment| needs_code(environment))
    }

    fn names_with_codes(&self) -> String {
        let names: Vec<&str> = self.with_codes().map(|environment| environment.name.as_str()).collect();
        names.join(" and ")
    }

    /// What makes codes, and the environment whose journal tells of second factors. None where they are not in use.
    fn in_use(&self) -> Option<(&StepUp, &Environment)> {
        self.0.step_up.as_ref().zip(self.with_codes().next())
    }

    /// Whether an approval of this run takes a code. Not known in time is no: then the approval is declined.
    pub(super) async fn asks_for_code(&self, command: &Command) -> bool {
        if self.in_use().is_none() || !matches!(command, Command::Approve { .. }) {
            return false;
        }
        match tokio::time::timeout(PERSIST_PATIENCE / 2, self.about(command)).await {
            Ok(Ok(Some(run))) => self.0.config.environments.get(&run.environment).is_some_and(needs_code),
            Ok(Ok(None) | Err(_)) | Err(_) => false,
        }
    }

    /// Checks the code of a form that was sent in: which step it is of, or what the form says then.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(super) async fn check_code(
        &self,
        user: &str,
        form: (&str, &str),
        code: Option<&str>,
    ) -> Result<Result<Shown, Ack>, NotPersisted> {
        // One at a time, so that codes that are tried at once are counted like codes that are tried in turn.
        let Some(_alone) = self.alone(format!("code of {user}")) else {
            return Ok(Err(refused("Another code of yours is being looked at. Send it in again in a moment.")));
        };
        match tokio::time::timeout(PERSIST_PATIENCE, self.look_at_code(user, form, code.unwrap_or_default())).await {
            Ok(Ok(checked)) => Ok(checked.map_err(|problem| refused(&problem))),
            Ok(Err(error)) => {
                tracing::error!(%error, "a code could not be checked");
                Err(NotPersisted)
            }
            Err(_) => {
                tracing::error!("a code could not be checked in time");
                Err(NotPersisted)
            }
        }
    }

    async fn look_at_code(
        &self,
        user: &str,
        (callback_id, private_metadata): (&str, &str),
        code: &str,
    ) -> Result<Result<Shown, String>, StoreError> {
        let Some((step_up, _)) = self.in_use() else { return Ok(Err(plain(NOT_IN_USE))) };
        let (store, now) = (self.0.engine.store(), self.0.engine.clock().now());
        let Some(factor) = store.second_factor(user).await? else { return Ok(Err(NOT_ENROLLED.to_owned())) };
        if let Some(until) = factor.locked_until(now) {
            return Ok(Err(locked(until)));
        }
        match (callback_id == action::ENROL, factor.confirmed_at) {
            (false, None) => return Ok(Err(NOT_ENROLLED.to_owned())),
            (true, Some(_)) => return Ok(Err("You have a second factor already. Nothing was changed.".to_owned())),
            (true, None) if !shows(private_metadata, factor.generation) => {
                let over = "Another key was shown since, and this one is worth nothing. Close this and begin again. If \
                            that was not you, tell an admin.";
                return Ok(Err(over.to_owned()));
            }
            (true, None) | (false, Some(_)) => {}
        }
        let Some(step) = step_up.check(user, factor.generation, code, now) else {
            store.note_wrong_code(user, now).await?;
            let counted = store.second_factor(user).await?;
            let until = counted.and_then(|counted| counted.locked_until(now));
            return Ok(Err(until.map_or_else(
                || {
                    "That is not the code of now. Nothing was done. Look at the app, and at the phone's clock."
                        .to_owned()
                },
                locked,
            )));
        };
        if factor.is_spent(step) {
            return Ok(Err("That code was used already. Wait for the next: at most half a minute.".to_owned()));
        }
        Ok(Ok(Shown { generation: factor.generation, step }))
    }

    /// Spends the code that was shown with an approval.
    pub(super) async fn spend(&self, actor: &Actor, shown: Shown) -> Result<Result<(), Message>, StoreError> {
        let Actor::Slack { user, .. } = actor else { return Ok(Err(view::refusal(NOT_ENROLLED))) };
        if self.0.engine.store().spend_code(user, shown).await? {
            return Ok(Ok(()));
        }
        let used = "That code was used already, or your second factor was reset meanwhile. Nothing was decided. Press \
                    Approve again, with the next code.";
        Ok(Err(view::refusal(used)))
    }

    /// Why no form for an approval's code is opened: it would not count, or they have no code to show.
    pub(super) async fn no_code_of_use(
        &self,
        who: (&str, &str),
        channel: &str,
        approval: (&Command, &Pressed),
    ) -> Option<Message> {
        let (user, team) = who;
        let looking = async {
            let (command, pressed) = approval;
            let actor = Actor::Slack { user: user.to_owned(), team: team.to_owned() };
            let run = self.about(command).await.ok()??;
            let environment = self.0.config.environments.get(&run.environment)?;
            let person = self.person(actor, command, Some(environment)).await;
            let place = super::read::place_of(channel);
            if let Err(declined) = self.would_count((&person, &place), &run, (command, pressed)).await {
                return Some(view::refused(&declined));
            }
            let factor = self.0.engine.store().second_factor(user).await.ok()?;
            let now = self.0.engine.clock().now();
            match factor {
                Some(SecondFactor { confirmed_at: Some(_), .. }) => {
                    factor.and_then(|factor| factor.locked_until(now)).map(|until| view::refusal(&locked(until)))
                }
                Some(_) | None => Some(view::refusal(NOT_ENROLLED)),
            }
        };
        tokio::time::timeout(LOOK_PATIENCE, looking).await.ok().flatten()
    }

    /// `enrol`, typed or sent in with a first code, and `enrol --reset`.
    pub(super) async fn enrol(&self, asked: Asked, reset: Option<String>) -> Result<Response, StoreError> {
        let refuse = |text: &str| Ok(Response::Refuse(view::refused(&text)));
        let Actor::Slack { user, .. } = asked.person.actor.clone() else {
            return refuse(
                "Second factors belong to people in Slack: they are set up and reset there. Nothing was changed.",
            );
        };
        let Some((_, environment)) = self.in_use() else { return refuse(NOT_IN_USE) };
        let environment = environment.name.clone();
        match (reset, asked.pressed.shown) {
            (Some(whose), _) if whose == user => refuse(
                "Nobody resets their own second factor: a stolen session could. Nothing was changed. Ask another admin.",
            ),
            (Some(whose), _) => self.reset(asked, &whose, environment).await,
            (None, Some(shown)) => self.confirm(asked, &user, shown, environment).await,
            (None, None) if asked.place != Place::DirectMessage => {
                refuse("This is between you and me. Send me `enrol` in a direct message. Nothing was changed.")
            }
            (None, None) => match self.may_enrol(&user).await? {
                Ok(()) => Ok(Response::Say(view::enrolment_offer(&self.names_with_codes()))),
                Err(said) => Ok(Response::Refuse(said)),
            },
        }
    }

    async fn may_enrol(&self, user: &str) -> Result<Result<(), Message>, StoreError> {
        let Some(factor) = self.0.engine.store().second_factor(user).await? else { return Ok(Ok(())) };
        if let Some(since) = factor.confirmed_at {
            return Ok(Err(view::refused(&format!(
                "You have a second factor since {}, and its key is not shown again. Nothing was changed. When the app is \
                 lost, an admin resets it with `{} enrol --reset` and your name.",
                minute(since),
                self.0.house.command_word
            ))));
        }
        Ok(match factor.locked_until(self.0.engine.clock().now()) {
            Some(until) => Err(view::refusal(&locked(until))),
            None => Ok(()),
        })
    }

    /// The click on the offer: a new secret, in a form. Nothing of it is recorded but that there is one.
    pub(super) async fn show_secret(&self, clicked: Inbound) {
        let Inbound::Action { team, user, user_team, channel, trigger_id, response_url, .. } = clicked else { return };
        let (Some((client, _)), Some(channel)) = (&self.0.slack, channel) else { return };
        let reply = ReplyTo::Url { url: response_url, channel: channel.clone(), thread_ts: None, user: user.clone() };
        let actor = Actor::Slack { user: user.clone(), team: user_team.unwrap_or(team) };
        let form = match self.secret_form(actor, &user, channel).await {
            Ok(Ok(form)) => form,
            Ok(Err(said)) => return self.reply(&reply, &said).await,
            Err(error) => {
                tracing::error!(%error, "a second factor could not be begun");
                let again = "The database does not answer. Nothing was changed; press the button again in a while.";
                return self.reply(&reply, &view::refusal(again)).await;
            }
        };
        if let Err(error) = client.views_open(&trigger_id, &form).await {
            tracing::warn!(%error, "the form that shows a key could not be opened");
            let again = "Slack did not open the form. Nothing was changed; press the button again.";
            self.reply(&reply, &view::refusal(again)).await;
        }
    }

    async fn secret_form(
        &self,
        actor: Actor,
        user: &str,
        channel: String,
    ) -> Result<Result<serde_json::Value, Message>, StoreError> {
        let command = Command::Enrol { reset: None };
        let person = self.person(actor, &command, None).await;
        let place = super::read::place_of(&channel);
        let permitted = policy::decide(&policy::Request {
            person: &person,
            command: &command,
            environment: None,
            place: &place,
            house: &self.0.house,
            slack_approves: self.slack_approves(),
            now: self.0.engine.clock().now(),
        });
        if let Err(refusal) = permitted {
            return Ok(Err(view::refused(&refusal)));
        }
        let Some((step_up, _)) = self.in_use() else { return Ok(Err(view::refused(&NOT_IN_USE))) };
        if let Err(said) = self.may_enrol(user).await? {
            return Ok(Err(said));
        }
        let factor = self.0.engine.store().begin_second_factor(user).await?;
        let enrolment = step_up.enrolment(user, factor.generation).filter(|_| factor.confirmed_at.is_none());
        let form = enrolment.and_then(|enrolment| {
            let value = factor.generation.to_string();
            let carried = Carried { value, channel, message_ts: None, thread_ts: None };
            view::enrolment_form(&enrolment.secret, &enrolment.url, &carried)
        });
        Ok(form.ok_or_else(|| view::refusal("No key can be shown to you now. Nothing was changed.")))
    }

    async fn confirm(
        &self,
        asked: Asked,
        user: &str,
        shown: Shown,
        environment: String,
    ) -> Result<Response, StoreError> {
        let names = self.names_with_codes();
        let again = Command::Enrol { reset: Some(user.to_owned()) };
        let summary = format!(
            "A second factor is set up: approvals in {names} take its codes from now on. If this was not the \
             person named here, tell an admin, who resets it."
        );
        let (requested, ended) = self.told(&asked, &environment, summary, vec![again.text()]);
        let run = run_of(&requested, &environment, &asked);
        let now = self.0.engine.clock().now();
        let told = FactorRun { run, ended: &ended };
        Ok(match self.0.engine.store().confirm_second_factor(user, shown, told, now).await? {
            Some(run) => Response::Say(view::enrolled(&names, run)),
            None => Response::Refuse(view::refusal(
                "That key is worth nothing any more: another was shown since, or a second factor is set up already. \
                 Nothing was changed.",
            )),
        })
    }

    async fn reset(&self, asked: Asked, whose: &str, environment: String) -> Result<Response, StoreError> {
        let summary = format!(
            "A second factor is reset: its codes are worth nothing from now on, and its person approves in {} again once \
             another is set up, by enrol in a direct message.",
            self.names_with_codes()
        );
        let (requested, ended) = self.told(&asked, &environment, summary, Vec::new());
        let run = run_of(&requested, &environment, &asked);
        let now = self.0.engine.clock().now();
        let told = FactorRun { run, ended: &ended };
        Ok(match self.0.engine.store().reset_second_factor(whose, told, now).await? {
            Some(run) => {
                let whose_own = ReplyTo::Person { user: whose.to_owned() };
                self.reply(&whose_own, &view::was_reset(&asked.person.actor)).await;
                Response::Say(view::reset_done(whose, run))
            }
            None => Response::Refuse(view::refusal("They have no second factor. Nothing was changed.")),
        })
    }

    /// The two events of a run about a second factor. It is told in the channel, wherever it was asked: who sets one up
    /// with a stolen session is to be seen.
    fn told(&self, asked: &Asked, environment: &str, summary: String, next: Vec<String>) -> (Event, Event) {
        let place = SlackPlace { channel: self.0.house.channel.clone(), thread_ts: None };
        let requested = Event::Requested {
            command: asked.command.clone(),
            text: asked.text.clone(),
            actor: asked.person.actor.clone(),
            environment: environment.to_owned(),
            origin: Origin::Slack(place),
            queue: false,
            notes: Vec::new(),
        };
        (requested, Event::Ended { outcome: Outcome::Succeeded, summary, rules: Default::default(), next })
    }

    /// Where a person is looked at who wants to reset somebody: an environment that asks for codes and where they are
    /// an admin, if there is one. An admin elsewhere has no say in these.
    pub(super) fn environment_to_reset(&self, person: &Person) -> Option<&Environment> {
        let is_admin = |there: &&Environment| policy::has_role(person, there, Role::Admin) == Belongs::Yes;
        let first = || self.with_codes().next().or(self.0.config.environments.values().next());
        self.with_codes().find(is_admin).or_else(first)
    }

    /// What `whoami` says of it; none where no approval takes a code.
    pub(super) async fn own_factor(&self, actor: &Actor) -> Result<Option<String>, StoreError> {
        let (Actor::Slack { user, .. }, Some(_)) = (actor, self.with_codes().next()) else { return Ok(None) };
        let factor = self.0.engine.store().second_factor(user).await?;
        let since = factor.and_then(|factor| factor.confirmed_at);
        let own = since.map_or_else(
            || "you have set up none yet: send me enrol in a direct message".to_owned(),
            |since| format!("yours is set up since {}", minute(since)),
        );
        Ok(Some(format!("second factor: approving in {} takes a code; {own}", self.names_with_codes())))
    }
}

fn run_of<'a>(requested: &'a Event, environment: &'a str, asked: &'a Asked) -> NewRun<'a> {
    NewRun { requested, environment, driven: false, inbox_key: asked.inbox_key.as_deref() }
}

/// Whether the form showed the secret of this generation.
fn shows(private_metadata: &str, generation: i64) -> bool {
    Carried::read(private_metadata).is_some_and(|carried| carried.value == generation.to_string())
}

fn refused(problem: &str) -> Ack {
    Ack { body: None, response_action: Some(view::code_refused(problem)) }
}

fn locked(until: Timestamp) -> String {
    format!("Too many codes were wrong: none is taken until {}. If that was not you, tell an admin.", minute(until))
}

/// Without marks, for a form.
fn plain(text: &str) -> String {
    text.replace('`', "")
}
