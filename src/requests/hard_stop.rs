//! A hard stop's requests: where others approve, a card asks any responder for one click, as that of a rollback does.

use super::click::Card;
use super::decide::Decision;
use super::{Asked, Requests, Response};
use crate::domain::{ApprovalRule, Command, Environment, RunId};
use crate::engine::PreviewError;
use crate::engine::emergency::RollbackRequest;
use crate::policy::{Permit, Place};
use crate::slack::view;
use crate::store::StoreError;

impl Requests {
    /// Stops the function: at once, or where others approve by one click on a card. The button of a rollback that is over is
    /// such a click. Whoever sits at a terminal has typed the environment's name there.
    pub(super) async fn hard_stop(
        &self,
        asked: Asked,
        permit: &Permit,
        environment: &Environment,
    ) -> Result<Response, StoreError> {
        let asks_first = environment.approval == ApprovalRule::Required && asked.place != Place::Terminal;
        match asked.pressed.card {
            Some(Card::Of(run)) => self.hard_stop_by_click(&asked, environment, run).await,
            None if asks_first => self.offer_hard_stop(asked, environment).await,
            Some(Card::WithoutRun) | None => self.start(asked, permit).await,
        }
    }

    async fn hard_stop_by_click(
        &self,
        asked: &Asked,
        environment: &Environment,
        run: RunId,
    ) -> Result<Response, StoreError> {
        let run = self.0.engine.store().run(run).await?;
        let is_meant =
            |command: &Command| matches!(command, Command::HardStop { environment: of } if *of == environment.name);
        let run = run.filter(|run| is_meant(&run.command));
        let asks = run.as_ref().and_then(|run| Some((run, run.rounds.last()?.digest.to_string())));
        match asks {
            Some((run, plan)) => self.decide(asked, run, Decision::Approve { plan: &plan, note: None }).await,
            None => Ok(Response::Refuse(view::refusal("This button belongs to no hard stop. Nothing was done."))),
        }
    }

    async fn offer_hard_stop(&self, asked: Asked, environment: &Environment) -> Result<Response, StoreError> {
        let request = RollbackRequest {
            environment: environment.name.clone(),
            actor: asked.person.actor,
            origin: asked.origin,
            text: asked.text,
            inbox_key: asked.inbox_key,
            interrupted: None,
            arrived: asked.arrived,
        };
        // In a task of its own: it plans, which is deep, and a retry stands before it.
        let engine = self.0.engine.clone();
        let offering = self.0.tasks.spawn(async move { engine.offer_hard_stop(request).await });
        match offering.await {
            Ok(Ok(run)) => Ok(Response::Run(run)),
            Ok(Err(PreviewError::Store(error))) => Err(error),
            Err(_) => Ok(Response::Refuse(view::refusal("This failed unexpectedly. Nothing was changed; ask again."))),
            Ok(Err(error @ (PreviewError::NoEnvironment | PreviewError::NoPlan(_) | PreviewError::Aws(_)))) => {
                let text = format!(
                    "There is no card: {error}. Nothing was changed. Ask again, or on a terminal: `alch run \"hard-stop {}\"`",
                    environment.name
                );
                Ok(Response::Refuse(view::refusal(&text)))
            }
        }
    }
}
