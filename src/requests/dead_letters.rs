//! `dlq`: what lies in the dead-letter queues, answered at once. Nothing is deleted, and nothing hidden for longer than the
//! look takes.

use futures_util::future::join_all;

use super::{Requests, Response};
use crate::domain::Environment;
use crate::engine::Place;
use crate::slack::view::{self, QueueLook};
use crate::store::StoreError;

/// How many messages of each queue are looked at.
const SAMPLE: usize = 50;

impl Requests {
    pub(super) async fn dead_letters(&self, environment: &Environment) -> Result<Response, StoreError> {
        let Some(place) = self.0.engine.place(&environment.name) else { return Err(StoreError::NoRun) };
        let looks = join_all(environment.dlqs.iter().map(|queue| self.look_into(place, queue))).await;
        let now = self.0.engine.clock().now();
        Ok(Response::Say(view::dead_letters(&environment.name, &looks, &self.0.house.command_word, now)))
    }

    async fn look_into(&self, place: &Place, queue: &str) -> QueueLook {
        let now = self.0.engine.clock().now();
        let mut look = QueueLook { queue: queue.to_owned(), ..QueueLook::default() };
        // The depth first: a look makes messages count as taken for a moment.
        match place.aws.dlq_depth(queue).await {
            Ok(depth) => look.depth = Some(depth),
            Err(error) => look.notes.push(format!("{error}.")),
        }
        let (age, sample) = tokio::join!(place.aws.oldest_age(queue, now), place.aws.sample(queue, SAMPLE));
        match age {
            Ok(seconds) => look.oldest_seconds = seconds,
            Err(error) => look.notes.push(format!("The age of the oldest message: {error}.")),
        }
        match sample {
            Err(error) => look.notes.push(format!("The messages could not be looked at: {error}.")),
            Ok(sample) => {
                look.groups = place.grouped(&sample.letters);
                let oldest = sample.letters.iter().filter_map(|letter| letter.sent).min();
                let seen = oldest.map(|sent| now.duration_since(sent).as_secs().max(0));
                // SQS tells the age minutes late; a message that was seen may be older than that.
                look.oldest_seconds = look.oldest_seconds.max(seen);
                if let Some((hidden, why)) = sample.hidden {
                    look.notes.push(format!("{hidden} messages stay hidden for 20 s at most: {why}."));
                }
            }
        }
        look
    }
}
