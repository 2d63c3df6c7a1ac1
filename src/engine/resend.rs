//! What is read before events are handled again: the archive and its window, the dead-letter queue, and the interlock.

use std::collections::BTreeMap;

use futures_util::future::join;
use jiff::Timestamp;

use super::execute::Place;
use crate::aws::AwsError;
use crate::checks::dead_letters::{self, DeadLetter};
use crate::checks::idempotency;
use crate::domain::{Check, Command, DeadLetterGroup, Environment, RedriveFacts, ReplayFact, ReplayFacts, Rule};

/// How many messages are looked at before some are put on the bus again.
const SAMPLE: usize = 50;

/// The interlock, asked now.
pub(super) async fn interlock(place: &Place, now: Timestamp) -> Vec<Check> {
    let readings = place.aws.read_idempotency(&place.environment, now).await;
    idempotency::checks(&place.environment, &readings)
}

/// What is known before events are replayed.
pub(super) async fn replay_facts(
    place: &Place,
    rules: &[&Rule],
    (from, to): (Timestamp, Timestamp),
    now: Timestamp,
) -> Result<ReplayFacts, AwsError> {
    let Environment { archive, bus, .. } = &place.environment;
    let (archive, listed, matched, idempotency) = tokio::join!(
        place.aws.archive(archive),
        place.aws.rules(bus),
        place.aws.matched(&place.environment, rules, from, to),
        interlock(place, now),
    );
    let (archive, listed) = (archive?.value, listed?);
    let mut under_way = Vec::new();
    if let Some(archive) = &archive {
        let replays = place.aws.replays(&archive.arn).await?.value;
        under_way.extend(replays.into_iter().filter(|replay| !replay.state.is_over()).map(|replay| replay.name));
    }
    let arn = |rule: &&Rule| {
        let found = listed.iter().find(|listed| listed.name == rule.rule)?;
        Some((rule.name.clone(), found.arn.clone()))
    };
    let rule_arns: BTreeMap<String, String> = rules.iter().filter_map(arn).collect();
    Ok(ReplayFacts { at: now, archive, rule_arns, under_way, matched, idempotency })
}

/// What is known before messages are put on the bus again.
pub(super) async fn redrive_facts(place: &Place, now: Timestamp) -> Result<Option<RedriveFacts>, AwsError> {
    let environment = &place.environment;
    let Some(queue) = environment.dlqs.first() else { return Ok(None) };
    let (sample, (bus_exists, idempotency)) =
        join(place.aws.sample(queue, SAMPLE), join(place.aws.bus_exists(&environment.bus), interlock(place, now)))
            .await;
    let letters = sample?.letters;
    let events: Vec<_> = letters.iter().filter_map(|letter| letter.event(&environment.bus).ok()).collect();
    Ok(Some(RedriveFacts {
        at: now,
        queue: queue.clone(),
        bus_exists: bus_exists?,
        groups: dead_letters::groups(environment, &letters),
        keyed: u32::try_from(dead_letters::with_key(&environment.table.key, &events)).unwrap_or(u32::MAX),
        oldest: events.iter().filter_map(|event| event.time).min(),
        idempotency,
    }))
}

impl Place {
    /// The replays of the environment's archive, the newest first; none when there is no such archive.
    ///
    /// # Errors
    /// When EventBridge cannot be asked.
    pub async fn replays(&self) -> Result<Option<Vec<ReplayFact>>, AwsError> {
        match self.aws.archive(&self.environment.archive).await?.value {
            Some(archive) => Ok(Some(self.aws.replays(&archive.arn).await?.value)),
            None => Ok(None),
        }
    }

    /// Messages of a dead-letter queue, by rule and error.
    pub fn grouped(&self, letters: &[DeadLetter]) -> Vec<DeadLetterGroup> {
        dead_letters::groups(&self.environment, letters)
    }
}

/// The window of a replay that has one.
pub(super) fn window(command: &Command) -> Option<(Timestamp, Timestamp)> {
    match command {
        Command::ReplayStart { from, to, .. } => from.zip(*to),
        _ => None,
    }
}
