//! Clicks and words about a run that exists: approvals, and what steers it. What the decision needs of Slack is gathered
//! first; then it is made over the run as it is, in the transaction that records it.

use super::click::Pressed;
use super::steer::{self, Pointless, Steering};
use super::{Asked, Requests, Response};
use crate::domain::{Actor, Command, Environment, PlanDigest, Run, StepUp, Subject};
use crate::policy::approval::{self, Decider};
use crate::policy::{Declined, Person, Place};
use crate::slack::message::Message;
use crate::slack::view;
use crate::store::StoreError;

/// A decision about what a run asks people.
#[derive(Clone, Copy, Debug)]
pub(super) enum Decision<'a> {
    Approve { plan: &'a str, note: Option<&'a str> },
    Reject { reason: &'a str },
    Override { safeguard: &'a str, reason: &'a str },
}

/// Whether an approval there needs a code beside the click.
pub(super) fn needs_code(environment: &Environment) -> bool {
    environment.approvals.step_up == StepUp::Totp
}

impl Requests {
    /// Approves, rejects or overrides, if that counts.
    pub(super) async fn decide(
        &self,
        asked: &Asked,
        run: &Run,
        decision: Decision<'_>,
    ) -> Result<Response, StoreError> {
        let Some(environment) = self.0.config.environments.get(&run.environment) else {
            return Ok(Response::Refuse(view::refusal(&format!(
                "I know no environment {} any more.",
                run.environment
            ))));
        };
        let channel_is_shared = self.is_shared(&asked.place).await;
        let note = asked.pressed.note.clone();
        let stepped_up = match (decision, asked.pressed.shown) {
            (Decision::Approve { .. }, Some(shown)) => {
                // A code that was shown is spent last, so that it is not lost on what is declined for another reason.
                if let Err(declined) =
                    self.would_count((&asked.person, &asked.place), run, (&asked.command, &asked.pressed)).await
                {
                    return Ok(Response::Refuse(view::refused(&declined)));
                }
                if let Err(said) = self.spend(&asked.person.actor, shown).await? {
                    return Ok(Response::Refuse(said));
                }
                true
            }
            (Decision::Approve { .. } | Decision::Reject { .. } | Decision::Override { .. }, _) => false,
        };
        let now = self.0.engine.clock().now();
        let mut about = Subject::Plan;
        let decided = self.0.engine.store().decide(run.id, now, |run| {
            let (digest, subject) = meant(&asked.pressed, decision, run);
            about = subject;
            let decider = Decider {
                person: &asked.person,
                place: &asked.place,
                house: &self.0.house,
                channel_is_shared,
                run,
                environment,
                digest: &digest,
                subject: &about,
                stepped_up,
                now,
            };
            match decision {
                Decision::Approve { note: typed, .. } => {
                    approval::approve(&decider, note.or_else(|| typed.map(str::to_owned)))
                }
                Decision::Reject { reason } => approval::reject(&decider, reason),
                Decision::Override { safeguard, reason } => approval::override_safeguard(&decider, safeguard, reason),
            }
        });
        Ok(match decided.await? {
            Ok(run) => Response::Say(counted(&run, &about, decision)),
            Err(declined) => Response::Refuse(view::refused(&declined)),
        })
    }

    /// Whether an approval would count if a right code was shown with it.
    ///
    /// # Errors
    /// When it would not.
    pub(super) async fn would_count(
        &self,
        (person, place): (&Person, &Place),
        run: &Run,
        (command, pressed): (&Command, &Pressed),
    ) -> Result<(), Declined> {
        let (Command::Approve { plan, .. }, Some(environment)) =
            (command, self.0.config.environments.get(&run.environment))
        else {
            return Ok(());
        };
        let channel_is_shared = self.is_shared(place).await;
        let (digest, subject) = meant(pressed, Decision::Approve { plan, note: None }, run);
        let decider = Decider {
            person,
            place,
            house: &self.0.house,
            channel_is_shared,
            run,
            environment,
            digest: &digest,
            subject: &subject,
            stepped_up: true,
            now: self.0.engine.clock().now(),
        };
        approval::approve(&decider, None).map(drop)
    }

    /// Whether Slack says that people of other organisations are where it was asked.
    async fn is_shared(&self, place: &Place) -> bool {
        match (place, &self.0.slack) {
            (Place::Channel(channel), Some((_, people))) => {
                // Who clicked is looked at by itself; a Slack that knows no such channels is no reason to refuse everybody.
                people.is_shared(channel).await.unwrap_or(false)
            }
            (Place::Channel(_), None) => true,
            (Place::DirectMessage | Place::Terminal, _) => false,
        }
    }

    /// Says something to a run: decides, records and answers how things are then.
    pub(super) async fn steer(&self, asked: &Asked, run: &Run) -> Result<Response, StoreError> {
        let now = self.0.engine.clock().now();
        let steering = self.steering(&asked.person.actor, &asked.pressed, now);
        let decided = self.0.engine.store().decide(run.id, now, |run| {
            steering.say(run, &asked.command).map_err(|pointless| pointless_to_people(&pointless, run))
        });
        Ok(match decided.await? {
            Ok(run) => Response::Say(steered(&run, &asked.command, steering.escalation)),
            Err(said) => Response::Refuse(said),
        })
    }

    fn steering<'a>(&'a self, actor: &'a Actor, pressed: &'a Pressed, now: jiff::Timestamp) -> Steering<'a> {
        let escalation = self.0.config.contacts.escalation.as_deref();
        Steering { actor, step: pressed.step.as_ref(), escalation, now }
    }

    /// Does a failed step again, or begins an ended run anew: that goes the whole way of the command, with new approvals.
    pub(super) async fn retry(&self, asked: Asked, run: &Run) -> Result<Response, StoreError> {
        if run.ended.is_none() {
            return self.steer(&asked, run).await;
        }
        if let Err(pointless) = steer::may_begin_anew(run) {
            return Ok(Response::Refuse(pointless_to_people(&pointless, run)));
        }
        let command = as_asked_now(&run.command, self.0.engine.clock().now());
        let text = if command == run.command { run.text.clone() } else { command.text() };
        let environment = self.0.config.environments.get(&run.environment);
        let person = self.person(asked.person.actor, &command, environment).await;
        let pressed = Pressed { queue: run.queue, by_button: asked.pressed.by_button, ..Pressed::default() };
        // Boxed, because it is this very way that it goes again.
        Box::pin(self.act(Asked { command, text, person, pressed, about: None, ..asked })).await
    }

    /// Whether it is no use to ask for a reason, because what it is for is over.
    pub(super) fn is_out_of_date(&self, run: &Run, command: &Command, pressed: &Pressed) -> Option<Message> {
        let now = self.0.engine.clock().now();
        let steering = self.steering(&Actor::Alch, pressed, now);
        let pointless = match command {
            Command::Object { .. } | Command::Skip { .. } => steering.say(run, command).err(),
            _ => {
                let is_open = pressed.about.as_ref().is_some_and(|(digest, subject)| {
                    let round = run.round(subject);
                    run.ended.is_none() && round.is_some_and(|round| round.digest == *digest && round.is_open())
                });
                (!is_open).then_some(Pointless::OutOfDate)
            }
        };
        pointless.map(|pointless| pointless_to_people(&pointless, run))
    }
}

/// Which plan and what of it is meant: what the button says, or for words what the run asks now.
fn meant(pressed: &Pressed, decision: Decision<'_>, run: &Run) -> (String, Subject) {
    if let Some((PlanDigest(digest), subject)) = &pressed.about {
        return (digest.clone(), subject.clone());
    }
    let open = run.open_round().or(run.rounds.last());
    let subject = open.map_or(Subject::Plan, |round| round.subject.clone());
    let asked = open.map(|round| round.digest.0.clone()).unwrap_or_default();
    match decision {
        Decision::Approve { plan, .. } => (plan.to_owned(), subject),
        Decision::Reject { .. } => (asked, subject),
        Decision::Override { .. } => {
            (run.plan.as_ref().map(|(_, digest)| digest.0.clone()).unwrap_or_default(), Subject::Plan)
        }
    }
}

/// The command for a new run: a time that is over is not asked for again.
fn as_asked_now(command: &Command, now: jiff::Timestamp) -> Command {
    match command {
        Command::Promote { environment, version, at, reason } => Command::Promote {
            environment: environment.clone(),
            version: version.clone(),
            at: at.filter(|at| *at > now),
            reason: reason.clone(),
        },
        other => other.clone(),
    }
}

/// The answer to a decision that counts; `run` is as it left it.
fn counted(run: &Run, about: &Subject, decision: Decision<'_>) -> Message {
    match (decision, run.round(about)) {
        (Decision::Approve { .. }, Some(round)) => view::approved(run, round),
        (Decision::Approve { .. }, None) => view::stale_click(run),
        (Decision::Reject { .. }, _) => view::rejected(run),
        (Decision::Override { safeguard, .. }, _) => view::overridden(run, safeguard),
    }
}

/// The answer to what was said to a run; `run` is as it left it.
fn steered(run: &Run, command: &Command, escalation: Option<&str>) -> Message {
    match command {
        Command::Pause { .. } => view::paused(run),
        Command::Object { .. } => view::objected(run),
        Command::Resume { .. } => view::resumed(run),
        Command::Retry { .. } => view::retrying(run),
        Command::Skip { .. } => {
            view::skip_asked(run, run.plan.as_ref().is_some_and(|(plan, _)| plan.approval.is_some()))
        }
        Command::Escalate { .. } => view::escalated(run, escalation.unwrap_or_default()),
        Command::Answer { answer, .. } => view::answer_accepted(run, *answer),
        _ => view::cancel_accepted(run),
    }
}

fn pointless_to_people(pointless: &Pointless, run: &Run) -> Message {
    match pointless {
        Pointless::OutOfDate => view::stale_click(run),
        Pointless::Because(why) => view::refused(why),
    }
}
