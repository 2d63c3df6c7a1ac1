//! Tells stakeholders by the ways that are the engine's own: SNS topics. Slack is told by whoever tells Slack.

use jiff::SignedDuration;

use super::act::session;
use super::execute::{Drive, Place, Turn};
use super::later;
use super::trouble::jittered;
use crate::domain::{Destination, Event, Moment, Run, StepId};
use crate::notice;
use crate::store::StoreError;

/// Between two tries to publish.
const RETRY: SignedDuration = SignedDuration::from_secs(15);

impl Drive<'_> {
    /// Publishes a notice. At least once: a crash between SNS's answer and its record publishes again, because a notice
    /// twice is better than none.
    pub(super) async fn publish(
        &self,
        place: &Place,
        run: &Run,
        moment: Moment,
        to: Destination,
    ) -> Result<Turn, StoreError> {
        let Destination::Topic(topic) = &to else { return Ok(Turn::Again) };
        let inner = &self.engine.0;
        let notice = notice::compose(run, &place.environment, moment, &inner.command_word);
        let now = inner.clock.now();
        let sent = match place.aws.acting_for(&session(run, &StepId("notify".to_owned()))).await {
            Ok(aws) => {
                self.tenure().await?;
                aws.publish(topic, &notice.subject, &notice.text).await
            }
            Err(error) => Err(error),
        };
        let event = match sent {
            Ok(receipt) => Event::Delivered { moment, to, receipt },
            Err(error) => {
                let since = run.trouble.as_ref().map_or(now, |trouble| trouble.since);
                let gives_up_at = later(since, place.environment.notify.patience);
                if error.is_transient() && now < gives_up_at {
                    let problem = format!("{topic} could not be told: {error}");
                    let retry_at = later(now, jittered(RETRY, run));
                    Event::Troubled { step: None, problem, retry_at, gives_up_at: Some(gives_up_at) }
                } else {
                    Event::Undelivered { moment, to, problem: error.to_string() }
                }
            }
        };
        self.record(vec![event]).await
    }
}
