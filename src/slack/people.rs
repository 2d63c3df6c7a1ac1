//! How a person stands in the workspace, as Slack tells it, kept for a few minutes. What a standing permits is policy's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::client::{CallError, SlackClient, User};
use crate::clock::Clock;
use crate::domain::Standing;

/// How long an answer is believed.
const KEPT_MINUTES: i64 = 5;
/// How long a person may wait for it.
const BUDGET: Duration = Duration::from_secs(2);
/// How many people are kept.
const MAX_KEPT: usize = 10_000;

/// Asks Slack about people. Cheap to clone; clones share what they know.
#[derive(Clone, Debug)]
pub struct People {
    client: SlackClient,
    clock: Clock,
    known: Arc<Mutex<HashMap<String, (Timestamp, User)>>>,
}

impl People {
    /// Asks by `client`.
    pub fn new(client: SlackClient, clock: Clock) -> Self {
        Self { client, clock, known: Arc::default() }
    }

    /// How `user` stands in the workspace `team`. Answers within two seconds; an answer that could not be had is not
    /// kept.
    pub async fn standing(&self, user: &str, team: &str) -> Standing {
        let now = self.clock.now();
        if let Some(known) = self.known(user, now) {
            return standing(&known, team);
        }
        match tokio::time::timeout(BUDGET, self.client.users_info(user)).await {
            Ok(Ok(told)) if told.id == user => {
                let standing = standing(&told, team);
                self.keep(told, now);
                standing
            }
            Ok(Ok(_)) => Standing::Unknown("Slack answered about somebody else".to_owned()),
            Ok(Err(CallError::Api { code, .. })) if code == "user_not_found" || code == "user_not_visible" => {
                Standing::Stranger
            }
            Ok(Err(error)) => {
                tracing::warn!(slack.user = user, %error, "cannot ask Slack about a person");
                Standing::Unknown(words(&error))
            }
            Err(_) => Standing::Unknown("Slack did not say within 2 s who you are".to_owned()),
        }
    }

    fn known(&self, user: &str, now: Timestamp) -> Option<User> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, told) = known.get(user)?;
        let age = now.duration_since(*since);
        (age >= SignedDuration::ZERO && age < SignedDuration::from_mins(KEPT_MINUTES)).then(|| told.clone())
    }

    fn keep(&self, told: User, now: Timestamp) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_KEPT {
            known.clear();
        }
        known.insert(told.id.clone(), (now, told));
    }
}

fn standing(user: &User, team: &str) -> Standing {
    if user.deleted {
        Standing::Deleted
    } else if user.is_stranger || !user.is_of(team) {
        Standing::Stranger
    } else if user.is_bot {
        Standing::Bot
    } else if user.is_restricted || user.is_ultra_restricted {
        Standing::Guest
    } else {
        Standing::Member
    }
}

fn words(error: &CallError) -> String {
    match error {
        CallError::Api { code, .. } if code == "missing_scope" => {
            "the Slack app may not ask who people are: it needs the scope users:read".to_owned()
        }
        CallError::Api { code, .. } if code == "unknown_method" => {
            "this Slack does not say who people are: it has no users.info".to_owned()
        }
        CallError::Api { code, .. } => format!("Slack did not say who you are: {code}"),
        CallError::RateLimited { .. } => "Slack is asked too often who people are".to_owned(),
        CallError::InvalidAuth(_) => "Slack does not accept the app's token".to_owned(),
        CallError::Ambiguous(_) | CallError::Unreachable(_) => "Slack cannot be asked who you are".to_owned(),
    }
}

#[cfg(test)]
mod tests;
