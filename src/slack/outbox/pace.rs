//! How fast and how soon: posts a second into a channel, the waits that Slack asks for, and what is said in the log about
//! troubles: once when they begin, once when they end.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use jiff::{SignedDuration, Timestamp};
use rand::random_range;

use super::Tempo;
use crate::slack::client::CallError;

/// Posts that may follow one another at once before the rate counts: a card and the first words of its thread.
const BURST: u32 = 3;

/// Longer than any wait that Slack is granted, and than any of ours.
const LONGEST_HOLD: SignedDuration = SignedDuration::from_mins(15);

pub(super) struct Pace {
    tempo: Tempo,
    posts: DefaultKeyedRateLimiter<String>,
    /// Until when Slack wants no call of a method for a channel.
    held: Mutex<HashMap<(&'static str, String), Timestamp>>,
    /// What is wrong with a channel, as last logged.
    troubles: Mutex<HashMap<String, String>>,
}

impl Pace {
    pub(super) fn new(tempo: Tempo) -> Self {
        let rate = NonZeroU32::new(tempo.posts_per_second).unwrap_or(NonZeroU32::MIN);
        let burst = rate.max(NonZeroU32::new(BURST).unwrap_or(rate));
        let posts = RateLimiter::keyed(Quota::per_second(rate).allow_burst(burst));
        Self { tempo, posts, held: Mutex::default(), troubles: Mutex::default() }
    }

    /// Waits for the channel's turn.
    pub(super) async fn turn(&self, channel: &String) {
        self.posts.until_key_ready(channel).await;
    }

    /// Until when this method must not be called for this channel.
    pub(super) fn held_until(&self, method: &'static str, channel: &str, now: Timestamp) -> Option<Timestamp> {
        let mut held = lock(&self.held);
        held.retain(|_, until| *until > now && is_credible(*until, now));
        held.get(&(method, channel.to_owned())).copied()
    }

    /// When to try again after `error`, the `failures`th in a row.
    pub(super) fn after(
        &self,
        error: &CallError,
        method: &'static str,
        channel: &str,
        failures: u32,
        now: Timestamp,
    ) -> Timestamp {
        let wait = match error {
            CallError::RateLimited { retry_after } => {
                let wait = SignedDuration::try_from(*retry_after).unwrap_or(self.tempo.stuck);
                lock(&self.held).insert((method, channel.to_owned()), now + wait);
                tracing::info!(method, slack.channel = channel, wait_s = wait.as_secs(), "Slack asks to wait");
                return now + wait;
            }
            CallError::Ambiguous(_) | CallError::Unreachable(_) => {
                let (first, longest) = self.tempo.backoff;
                first.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(longest)
            }
            CallError::Api { .. } | CallError::InvalidAuth(_) => self.tempo.stuck,
        };
        self.log_trouble(channel, error);
        now + wait.mul_f64(random_range(0.5..=1.0))
    }

    fn log_trouble(&self, channel: &str, error: &CallError) {
        let (name, mendable) = match error {
            CallError::Api { code, .. } => (code.clone(), true),
            CallError::InvalidAuth(code) => (code.clone(), true),
            CallError::RateLimited { .. } | CallError::Ambiguous(_) | CallError::Unreachable(_) => {
                ("away".to_owned(), false)
            }
        };
        if lock(&self.troubles).insert(channel.to_owned(), name.clone()).as_ref() == Some(&name) {
            return;
        }
        if let CallError::InvalidAuth(_) = error {
            tracing::error!(
                slack.channel = channel, %error,
                "Slack accepts the bot's token no more, and nobody can be told of runs, which go on: install the app again, \
                 give SLACK_BOT_TOKEN the new token and restart; what was not told is told then"
            );
        } else if mendable {
            tracing::error!(slack.channel = channel, %error, "Slack refuses what a run has to tell; trying again every minute");
        } else {
            tracing::warn!(slack.channel = channel, %error, "Slack is away; what runs have to tell waits");
        }
    }

    /// A call went well.
    pub(super) fn went_well(&self, channel: &str) {
        if lock(&self.troubles).remove(channel).is_some() {
            tracing::info!(slack.channel = channel, "Slack takes messages again");
        }
    }
}

/// Whether anything can have been put off so far. If not, the clock was set back, and nobody waits for it to catch up.
pub(super) fn is_credible(until: Timestamp, now: Timestamp) -> bool {
    until.duration_since(now) <= LONGEST_HOLD
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
