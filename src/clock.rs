//! The clock, as a value that is passed in: the system's, or one that a test moves by hand.
//!
//! Nothing outside this file asks the operating system for the time of day. Timeouts of network calls are not its
//! business: they are tokio's, on the monotonic clock.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

/// The longest that [`Clock::sleep_until`] trusts one timer. The wall clock is read again after it, so that a clock
/// that jumped, or a machine that slept, is noticed within this time.
const RECHECK: Duration = Duration::from_secs(5);

/// Tells the time and waits for it. Cheap to clone; all clones share one time.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(Arc<watch::Sender<Timestamp>>),
}

/// When something is over, by [`Clock::left`].
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    at: Instant,
    /// None on a manual clock: what a test makes of the time of day says nothing of how long a process was away.
    by_day: Option<Timestamp>,
}

impl Clock {
    /// The operating system's clock.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still at `start` until [`Clock::advance`] moves it.
    pub fn manual(start: Timestamp) -> Self {
        Self(Source::Manual(Arc::new(watch::Sender::new(start))))
    }

    /// The time now, in UTC, in whole microseconds: what the journal stores, so that nothing changes by being stored.
    #[expect(clippy::disallowed_methods, reason = "the one place that asks")]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => {
                let now = Timestamp::now();
                Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
            }
            Source::Manual(time) => *time.borrow(),
        }
    }

    /// Moves a manual clock forward and wakes those whose time has come. The system's clock is not moved.
    pub fn advance(&self, by: SignedDuration) {
        if let Source::Manual(time) = &self.0 {
            time.send_modify(|now| *now += by);
        }
    }

    /// Waits until `at`; returns at once if it has passed.
    pub async fn sleep_until(&self, at: Timestamp) {
        match &self.0 {
            Source::System => loop {
                let left = at.duration_since(self.now());
                match Duration::try_from(left) {
                    Ok(left) if !left.is_zero() => tokio::time::sleep(left.min(RECHECK)).await,
                    _ => return,
                }
            },
            Source::Manual(time) => {
                let mut time = time.subscribe();
                // The sender lives in `self`, so waiting cannot end by its loss.
                let _ = time.wait_for(|now| *now >= at).await;
            }
        }
    }

    /// Waits for `span` from now on.
    pub async fn sleep(&self, span: SignedDuration) {
        self.sleep_until(self.now() + span).await;
    }

    /// The moment that is `span` away, for what must not last longer whatever happens to this process.
    pub fn deadline(&self, span: Duration) -> Deadline {
        let by_day = match &self.0 {
            Source::System => Some(self.now().saturating_add(span).unwrap_or(Timestamp::MAX)),
            Source::Manual(_) => None,
        };
        Deadline { at: Instant::now() + span, by_day }
    }

    /// How long it takes until then. Of the monotonic clock and the time of day, the one that has gone further tells: the
    /// first stands still while the machine sleeps, the second may be set back.
    pub fn left(&self, deadline: &Deadline) -> Duration {
        let left = deadline.at.saturating_duration_since(Instant::now());
        match deadline.by_day {
            Some(at) => left.min(Duration::try_from(at.duration_since(self.now())).unwrap_or(Duration::ZERO)),
            None => left,
        }
    }
}
