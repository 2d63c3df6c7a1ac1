//! `plan`: what another command would do, shown and not done.

use super::{Requests, Response};
use crate::domain::{Actor, Command};
use crate::engine::{Preview, PreviewError};
use crate::slack::view::{self, ViewContext};
use crate::store::StoreError;

impl Requests {
    pub(super) async fn preview(&self, command: &Command, actor: &Actor) -> Result<Response, StoreError> {
        match self.0.engine.preview(command, actor).await {
            Ok(Preview { plan, digest, safeguards, facts }) => {
                let shown = view::preview(&plan, &digest, &safeguards, &facts, &self.view_context());
                Ok(Response::Say(shown))
            }
            Err(PreviewError::Store(error)) => Err(error),
            Err(error @ (PreviewError::NoEnvironment | PreviewError::NoPlan(_) | PreviewError::Aws(_))) => {
                let text = format!("There is no plan: {error}. Nothing was changed.");
                Ok(Response::Refuse(view::refusal(&text)))
            }
        }
    }

    fn view_context(&self) -> ViewContext<'_> {
        let config = &self.0.config;
        ViewContext {
            environments: &config.environments,
            card_refresh: config.slack.card_refresh,
            contacts: self.contacts(),
            command_word: &self.0.house.command_word,
        }
    }

    /// The primary contact and the escalation; empty when not configured.
    pub(super) fn contacts(&self) -> (&str, &str) {
        let contacts = &self.0.config.contacts;
        (contacts.primary.as_deref().unwrap_or_default(), contacts.escalation.as_deref().unwrap_or_default())
    }
}
