//! How many requests are taken of one person and of the whole workspace. A rollback is never counted and never refused.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::config::Limits;
use crate::domain::{Actor, Command};

/// After so many people the ones that have not asked lately are forgotten.
const MANY_PEOPLE: usize = 1_000;

/// Counts requests, on the monotonic clock.
pub(super) struct Limiter {
    person: Option<DefaultKeyedRateLimiter<String>>,
    workspace: Option<DefaultDirectRateLimiter>,
}

/// Too many requests. `Display` is Slack's mrkdwn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TooMany {
    /// Of one person.
    #[error(
        "That is a lot at once: I take {limit} requests a minute of one person. Nothing was done; please try again in {} s. \
         A rollback is always taken.", wait.as_secs().max(1)
    )]
    OfYou {
        /// How many there may be in a minute.
        limit: u32,
        /// When the next is taken.
        wait: Duration,
    },
    /// Of everybody.
    #[error(
        "I am asked more than {limit} times a minute by everybody together. Nothing was done; please try again in {} s. A \
         rollback is always taken.", wait.as_secs().max(1)
    )]
    OfAll {
        /// How many there may be in a minute.
        limit: u32,
        /// When the next is taken.
        wait: Duration,
    },
}

impl Limiter {
    pub(super) fn new(limits: &Limits) -> Self {
        let quota = |limit| NonZeroU32::new(limit).map(Quota::per_minute);
        Self {
            person: quota(limits.person_per_minute).map(RateLimiter::keyed),
            workspace: quota(limits.workspace_per_minute).map(RateLimiter::direct),
        }
    }

    /// Counts a request, or says why it is not taken. Only people in Slack are counted.
    pub(super) fn check(&self, actor: &Actor, command: &Command, limits: &Limits) -> Result<(), TooMany> {
        let Actor::Slack { user, .. } = actor else { return Ok(()) };
        // What stops something is never kept waiting.
        if matches!(
            command,
            Command::Rollback { .. }
                | Command::Cancel { .. }
                | Command::Pause { .. }
                | Command::Object { .. }
                | Command::Reject { .. }
        ) {
            return Ok(());
        }
        let now = DefaultClock::default().now();
        if let Some(person) = &self.person {
            if person.len() > MANY_PEOPLE {
                person.retain_recent();
            }
            person
                .check_key(user)
                .map_err(|until| TooMany::OfYou { limit: limits.person_per_minute, wait: until.wait_time_from(now) })?;
        }
        if let Some(workspace) = &self.workspace {
            workspace.check().map_err(|until| TooMany::OfAll {
                limit: limits.workspace_per_minute,
                wait: until.wait_time_from(now),
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(name: &str) -> Actor {
        Actor::Slack { user: name.to_owned(), team: "T1".to_owned() }
    }

    #[test]
    fn a_person_is_slowed_down_and_others_are_not_and_a_rollback_never() {
        let limits = Limits { person_per_minute: 3, workspace_per_minute: 5 };
        let limiter = Limiter::new(&limits);
        let rollback = Command::Rollback { environment: "prod".to_owned() };
        let ask = |who: &str| limiter.check(&person(who), &Command::Whoami, &limits);
        assert!((0..3).all(|_| ask("U1").is_ok()));
        let refused = ask("U1").unwrap_err();
        assert!(matches!(refused, TooMany::OfYou { limit: 3, .. }) && refused.to_string().contains("try again in"));
        assert!(ask("U2").is_ok() && ask("U2").is_ok());
        assert!(matches!(ask("U3"), Err(TooMany::OfAll { limit: 5, .. })));
        assert!((0..100).all(|_| limiter.check(&person("U1"), &rollback, &limits).is_ok()));
        let terminal = Actor::Terminal { user: "ada".to_owned() };
        assert!((0..100).all(|_| limiter.check(&terminal, &Command::Whoami, &limits).is_ok()));
    }

    #[test]
    fn nought_is_no_limit() {
        let limits = Limits { person_per_minute: 0, workspace_per_minute: 0 };
        let limiter = Limiter::new(&limits);
        assert!((0..1_000).all(|_| limiter.check(&person("U1"), &Command::Whoami, &limits).is_ok()));
    }
}
