//! The answer to `subscriptions`: who gets the alarms of an environment, and who has yet to confirm.

use super::{Asked, Requests};
use crate::domain::{Actor, Standing};
use crate::slack::message::Message;
use crate::slack::view;
use crate::store::StoreError;

impl Requests {
    pub(super) async fn subscriptions(&self, asked: &Asked, environment: &str) -> Result<Message, StoreError> {
        let place = self.0.engine.place(environment).ok_or(StoreError::NoRun)?;
        let topic = &place.environment.alarm_topic;
        // Whose addresses they are is for members of the workspace; others see that there are some.
        let is_member =
            matches!(asked.person.actor, Actor::Terminal { .. }) || asked.person.standing == Standing::Member;
        Ok(match place.aws.subscriptions(topic).await {
            Ok(all) => view::subscriptions(environment, topic, &all.value, is_member),
            Err(error) => view::refusal(&format!("Who is subscribed to {topic} cannot be read: {error}.")),
        })
    }
}
