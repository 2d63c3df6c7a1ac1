//! How a person stands in the workspace, in which user groups they are, and who shares a channel, as Slack tells it, kept
//! for a few minutes at most. What follows from it is policy's.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};

use super::client::{CallError, SlackClient, User};
use crate::clock::Clock;
use crate::domain::{Membership, Memberships, Standing};

/// How long it is believed who somebody is, and whether a channel is shared.
const KEPT: SignedDuration = SignedDuration::from_mins(5);
/// How long it is believed who is in a user group. Slack allows about twenty such questions a minute.
const GROUPS_KEPT: SignedDuration = SignedDuration::from_secs(60);
/// How long a person may wait for an answer.
const BUDGET: Duration = Duration::from_secs(2);
/// How many answers of a kind are kept.
const MAX_KEPT: usize = 10_000;

/// Asks Slack about people. Cheap to clone; clones share what they know.
#[derive(Clone, Debug)]
pub struct People {
    client: SlackClient,
    clock: Clock,
    known: Arc<Known<User>>,
    groups: Arc<Known<BTreeSet<String>>>,
    shared: Arc<Known<bool>>,
}

/// Answers by what was asked about, each for a while.
#[derive(Debug)]
struct Known<T> {
    answers: Mutex<HashMap<String, (Timestamp, T)>>,
    lasting: SignedDuration,
}

impl<T: Clone> Known<T> {
    fn new(lasting: SignedDuration) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::default(), lasting })
    }

    fn get(&self, key: &str, now: Timestamp) -> Option<T> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, told) = answers.get(key)?;
        let age = now.duration_since(*since);
        (age >= SignedDuration::ZERO && age < self.lasting).then(|| told.clone())
    }

    fn forget(&self, key: &str) {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    fn keep(&self, key: &str, told: T, now: Timestamp) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= MAX_KEPT {
            answers.clear();
        }
        answers.insert(key.to_owned(), (now, told));
    }
}

impl People {
    /// Asks by `client`.
    pub fn new(client: SlackClient, clock: Clock) -> Self {
        let (known, groups, shared) = (Known::new(KEPT), Known::new(GROUPS_KEPT), Known::new(KEPT));
        Self { client, clock, known, groups, shared }
    }

    /// As [`People::standing`], asked anew.
    pub async fn standing_now(&self, user: &str, team: &str) -> Standing {
        self.known.forget(user);
        self.standing(user, team).await
    }

    /// How `user` stands in the workspace `team`. Answers within two seconds; an answer that could not be had is not
    /// kept.
    pub async fn standing(&self, user: &str, team: &str) -> Standing {
        let now = self.clock.now();
        if let Some(known) = self.known.get(user, now) {
            return standing(&known, team);
        }
        match tokio::time::timeout(BUDGET, self.client.users_info(user)).await {
            Ok(Ok(told)) if told.id == user => {
                let standing = standing(&told, team);
                self.known.keep(user, told, now);
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

    /// Whether `user` is in each of `groups`, by their ids. Answers within two seconds; what could not be had is not kept,
    /// and who is in a group is believed for a minute. With `fresh` Slack is asked anew, for what deserves the truth of
    /// this moment; then an older answer counts for nothing.
    pub async fn memberships(&self, user: &str, groups: &BTreeSet<String>, fresh: bool) -> Memberships {
        let asking =
            groups.iter().map(|group| async move { (group.clone(), self.membership(user, group, fresh).await) });
        join_all(asking).await.into_iter().collect()
    }

    async fn membership(&self, user: &str, group: &str, fresh: bool) -> Membership {
        let now = self.clock.now();
        let told = |members: &BTreeSet<String>| if members.contains(user) { Membership::In } else { Membership::Out };
        if let Some(members) = self.groups.get(group, now).filter(|_| !fresh) {
            return told(&members);
        }
        match tokio::time::timeout(BUDGET, self.client.usergroup_users(group)).await {
            Ok(Ok(members)) => {
                let members: BTreeSet<String> = members.into_iter().collect();
                let membership = told(&members);
                self.groups.keep(group, members, now);
                membership
            }
            Ok(Err(error)) => {
                tracing::warn!(slack.group = group, %error, "cannot ask Slack who is in a user group");
                Membership::Unknown(group_words(&error))
            }
            Err(_) => Membership::Unknown("Slack did not say within 2 s who is in the user group".to_owned()),
        }
    }

    /// Whether people of other organisations are in `channel`. None when Slack cannot say.
    pub async fn is_shared(&self, channel: &str) -> Option<bool> {
        let now = self.clock.now();
        if let Some(shared) = self.shared.get(channel, now) {
            return Some(shared);
        }
        match tokio::time::timeout(BUDGET, self.client.is_ext_shared(channel)).await {
            Ok(Ok(shared)) => {
                self.shared.keep(channel, shared, now);
                Some(shared)
            }
            Ok(Err(error)) => {
                tracing::warn!(slack.channel = channel, %error, "cannot ask Slack whether a channel is shared");
                None
            }
            Err(_) => None,
        }
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

fn group_words(error: &CallError) -> String {
    match error {
        CallError::Api { code, .. } if code == "missing_scope" => {
            "the Slack app may not ask who is in a user group: it needs the scope usergroups:read".to_owned()
        }
        CallError::Api { code, .. } if code == "unknown_method" => {
            "this Slack does not say who is in a user group: it has no usergroups.users.list".to_owned()
        }
        CallError::Api { code, .. } if code == "no_such_subteam" || code == "subteam_not_found" => {
            "Slack knows no such user group as the one that is configured".to_owned()
        }
        CallError::Api { code, .. } => format!("Slack did not say who is in the user group: {code}"),
        CallError::RateLimited { .. } => "Slack is asked too often who is in the user group".to_owned(),
        CallError::InvalidAuth(_) => "Slack does not accept the app's token".to_owned(),
        CallError::Ambiguous(_) | CallError::Unreachable(_) => {
            "Slack cannot be asked who is in the user group".to_owned()
        }
    }
}

#[cfg(test)]
mod tests;
