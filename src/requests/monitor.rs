//! `monitor`: one at a time in an environment, and `monitor stop`.

use super::{Asked, Requests, Response};
use crate::domain::{Command, Run};
use crate::slack::view;
use crate::store::StoreError;

impl Requests {
    /// Why no second monitor is begun, if one runs.
    pub(super) async fn is_monitored(&self, environment: &str) -> Result<Option<Response>, StoreError> {
        let Some(run) = self.monitoring(environment).await? else { return Ok(None) };
        let permalink = self.permalink(run.id).await?;
        Ok(Some(Response::Refuse(view::monitored(&run, permalink.as_deref(), &self.0.house.command_word))))
    }

    /// Ends the monitoring of an environment; its thread then says what was seen.
    pub(super) async fn stop_monitor(&self, asked: Asked, environment: &str) -> Result<Response, StoreError> {
        let Some(run) = self.monitoring(environment).await? else {
            let text = format!(
                "Nothing monitors {environment} now. `{} monitor {environment}` begins it.",
                self.0.house.command_word
            );
            return Ok(Response::Refuse(view::refusal(&text)));
        };
        let command = Command::Cancel { run: run.id };
        let asked = Asked { command, about: Some(run.clone()), ..asked };
        self.steer(&asked, &run).await
    }

    async fn monitoring(&self, environment: &str) -> Result<Option<Run>, StoreError> {
        self.live_run_of(environment, |command| matches!(command, Command::Monitor { .. })).await
    }
}
