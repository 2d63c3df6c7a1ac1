//! `versions`: what runs now, and what was deployed through Alch.

use super::{Requests, Response};
use crate::domain::Environment;
use crate::slack::view;
use crate::store::StoreError;

impl Requests {
    pub(super) async fn versions(&self, environment: &Environment) -> Result<Response, StoreError> {
        let Some(place) = self.0.engine.place(&environment.name) else { return Err(StoreError::NoRun) };
        let running = place.aws.version(environment).await.map_err(|error| error.to_string());
        let known = self.0.engine.deployed_versions(&environment.name).await?;
        Ok(Response::Say(view::versions(environment, &running, &known, &self.0.house.command_word)))
    }
}
