//! The emergency path's requests. Nothing that may be slow stands before it: what the database or Slack do not say at
//! once is done without.

use std::time::Duration;

use super::click::Card;
use super::{Asked, RETRY, Requests, Response};
use crate::domain::{ApprovalRule, Command, Environment, Event, Outcome, RunId, Subject};
use crate::engine::emergency::RollbackRequest;
use crate::policy::Place;
use crate::policy::approval::{self, Decider};
use crate::slack::message::Message;
use crate::slack::view;
use crate::store::StoreError;

/// How long the database may take to make the card of a rollback, before the person gets the button directly.
const OFFER_PATIENCE: Duration = Duration::from_secs(1);
/// How long a click waits for the database to say whether it is the first.
const CLICK_PATIENCE: Duration = Duration::from_millis(500);

impl Requests {
    /// Rolls back: at once, or where others approve by one click on a card. Whoever sits at a terminal has typed the
    /// environment's name there.
    pub(super) async fn roll_back(&self, asked: Asked, environment: &Environment) -> Response {
        let asks_first = environment.approval == ApprovalRule::Required && asked.place != Place::Terminal;
        match asked.pressed.card {
            Some(card) => self.roll_back_by_click(asked, environment, card).await,
            None if asks_first => self.offer_rollback(asked, environment).await,
            None => self.roll_back_now(asked, environment, None).await,
        }
    }

    async fn offer_rollback(&self, asked: Asked, environment: &Environment) -> Response {
        let (engine, request) = (self.0.engine.clone(), request(asked, environment, None));
        // In a task of its own: a card that comes late is better than half a run.
        let offering = self.0.tasks.spawn(async move { engine.offer_rollback(request).await });
        match tokio::time::timeout(OFFER_PATIENCE, offering).await {
            Ok(Ok(Ok(run))) => Response::Run(run),
            Ok(Ok(Err(error))) => {
                tracing::error!(%error, "a rollback has no card; its button goes to the person");
                Response::Say(view::rollback_offer(environment, "The database failed, so there is no card."))
            }
            Ok(Err(_)) | Err(_) => {
                tracing::error!("a rollback has no card in time; its button goes to the person");
                Response::Say(view::rollback_offer(
                    environment,
                    "The database does not answer, so there is no card yet.",
                ))
            }
        }
    }

    pub(super) async fn roll_back_by_click(&self, asked: Asked, environment: &Environment, card: Card) -> Response {
        let Some(_under_way) = self.alone(format!("rollback of {}", environment.name)) else {
            let text = format!("{} is being rolled back already; this click did nothing more.", environment.name);
            return Response::Refuse(view::refusal(&text));
        };
        let run = match card {
            Card::WithoutRun => None,
            Card::Of(run) => match self.first_click(&asked, environment, run).await {
                Ok(()) => Some(run),
                Err(said) => return Response::Refuse(said),
            },
        };
        self.roll_back_now(asked, environment, run).await
    }

    /// Records the click as the card's approval. No when it is not the first, or the card is over; a database that does
    /// not answer holds nothing up.
    async fn first_click(&self, asked: &Asked, environment: &Environment, run: RunId) -> Result<(), Message> {
        let (requests, person, place) = (self.clone(), asked.person.clone(), asked.place.clone());
        let (environment, store) = (environment.clone(), self.0.engine.store().clone());
        // Tried until the database is back: who clicked must not be missing from the journal.
        let deciding = self.0.tasks.spawn(async move {
            loop {
                let now = requests.0.engine.clock().now();
                let decided = store.decide(run, now, |run| {
                    let is_meant =
                        matches!(&run.command, Command::Rollback { environment: of } if *of == environment.name);
                    let Some(round) = run.round(&Subject::Plan).filter(|_| is_meant) else {
                        return Err(view::stale_click(run));
                    };
                    if run.ended.is_some() && !round.is_granted() {
                        let over = format!(
                            "Nothing was done: {} has ended without a click in time. To roll {} back, ask for a new card: \
                             `{} {}`",
                            run.id,
                            environment.name,
                            requests.0.house.command_word,
                            run.command.text(),
                        );
                        return Err(view::refused(&over));
                    }
                    if let Some(first) = round.approvals.first().filter(|_| run.ended.is_none() && round.is_granted()) {
                        let already = format!(
                            "{} is being rolled back already, since the click of {}. The thread of {} tells of it.",
                            environment.name, first.actor, run.id
                        );
                        return Err(view::refused(&already));
                    }
                    let decider = Decider {
                        person: &person,
                        place: &place,
                        house: &requests.0.house,
                        channel_is_shared: false,
                        run,
                        environment: &environment,
                        digest: &round.digest.0,
                        subject: &Subject::Plan,
                        stepped_up: false,
                        now,
                    };
                    approval::approve(&decider, None).map_err(|declined| view::refused(&declined))
                });
                match decided.await {
                    Ok(decided) => return decided.map(drop),
                    Err(StoreError::NoRun) => return Err(view::refusal(&format!("There is no run {run}."))),
                    Err(error) => tracing::error!(%error, "a rollback's click is not journalled yet"),
                }
                tokio::time::sleep(RETRY).await;
            }
        });
        // Who could not be recorded a moment ago need not wait for the same again.
        let patience = if asked.inbox_key.is_some() { CLICK_PATIENCE } else { Duration::ZERO };
        match tokio::time::timeout(patience, deciding).await {
            Ok(Ok(decided)) => decided,
            Ok(Err(_)) | Err(_) => {
                tracing::error!("the database does not say whether a rollback's click counts; it goes on");
                Ok(())
            }
        }
    }

    async fn roll_back_now(&self, asked: Asked, environment: &Environment, run: Option<RunId>) -> Response {
        let Some(report) = self.0.engine.rollback(request(asked, environment, run)).await else {
            return Response::Refuse(view::refusal(&format!("There is no environment {}.", environment.name)));
        };
        let (summary, succeeded) = match &report.ended {
            Event::Ended { summary, outcome, .. } => (summary.as_str(), *outcome == Outcome::Succeeded),
            _ => ("", false),
        };
        let where_else = match report.run {
            Some(run) => format!("The thread of {run} tells the rest."),
            None => "The database does not answer: this is journalled as soon as it does.".to_owned(),
        };
        let said = view::rolled_back(summary, succeeded, &where_else);
        Response::RolledBack { journalled: report.run.is_some(), run: report.run, said, succeeded }
    }
}

fn request(asked: Asked, environment: &Environment, run: Option<RunId>) -> RollbackRequest {
    RollbackRequest {
        environment: environment.name.clone(),
        actor: asked.person.actor,
        origin: asked.origin,
        text: asked.text,
        inbox_key: asked.inbox_key,
        interrupted: run,
        arrived: asked.arrived,
    }
}
