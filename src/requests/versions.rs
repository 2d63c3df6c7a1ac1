//! `versions`: what runs now, and what was deployed through Alch.

use super::{Requests, Response};
use crate::domain::Environment;
use crate::engine::running_label;
use crate::slack::view;
use crate::store::StoreError;

impl Requests {
    pub(super) async fn versions(&self, environment: &Environment) -> Result<Response, StoreError> {
        let Some(place) = self.0.engine.place(&environment.name) else { return Err(StoreError::NoRun) };
        let mut running = place.aws.version(environment).await.map_err(|error| error.to_string());
        let known = self.0.engine.known_versions(environment).await?;
        if let Ok(version) = &mut running {
            version.label = running_label(place, &known).await;
        }
        Ok(Response::Say(view::versions(environment, &running, &known, &self.0.house.command_word)))
    }
}
