//! Who drives which run when: claims what is due, renews the leases, sleeps until the next is due. Never polls.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::execute::Engine;
use super::later;

/// How long the scheduler waits before it asks a failing database again.
const DATABASE_RETRY: SignedDuration = SignedDuration::from_secs(1);
/// Before a lease that could not be renewed is tried again.
const RENEW_RETRY: Duration = Duration::from_millis(500);
/// How often the queue is looked at when others may have put something into it: telling each other may fail.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// How long a stop waits for the steps under way.
const DRAIN: Duration = Duration::from_secs(4);
/// How many runs one process drives at the same time; the rest waits in the database.
const MOST_DRIVEN: usize = 64;

impl Engine {
    /// Drives runs until `stop`. Then the steps under way are finished or left where another process takes them up.
    pub async fn run(&self, stop: CancellationToken) {
        let inner = &self.0;
        let mut changes = inner.store.changes();
        let mut driven = JoinSet::new();
        let kept = CancellationToken::new();
        let _kept = kept.clone().drop_guard();
        tokio::spawn(self.clone().keep_alive(kept));
        loop {
            changes.mark_unchanged();
            while driven.len() < MOST_DRIVEN && !stop.is_cancelled() {
                let now = inner.clock.now();
                // Counted before it is claimed: a run is never neither due nor driven.
                let active = Active::count(self);
                match inner.replica.claim(now).await {
                    Ok(Some(claim)) => {
                        let (engine, stop) = (self.clone(), stop.clone());
                        // Of the highest level: a quieter log must not lose the ids of what it still says.
                        let span = tracing::error_span!("run", run.id = %claim.run, replica = %claim.owner);
                        let driving = async move {
                            let _active = active;
                            engine.drive(claim, stop).await;
                        };
                        driven.spawn(driving.instrument(span));
                    }
                    Ok(None) => break,
                    Err(error) => {
                        tracing::error!(%error, "the database failed; no new runs are taken until it answers");
                        inner.clock.sleep(DATABASE_RETRY).await;
                    }
                }
            }
            let wake = match inner.replica.next_wake().await {
                Ok(wake) => wake.unwrap_or(Timestamp::MAX),
                Err(_) => later(inner.clock.now(), DATABASE_RETRY),
            };
            tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = driven.join_next() => {}
                _ = changes.changed() => {}
                () = inner.clock.sleep_until(wake), if driven.len() < MOST_DRIVEN => {}
                () = tokio::time::sleep(LOOK_AGAIN), if inner.store.is_shared() => {}
            }
        }
        // Each run stops between two steps; a call that is under way is over within its own time limit.
        if tokio::time::timeout(DRAIN, async { while driven.join_next().await.is_some() {} }).await.is_err() {
            tracing::warn!("some runs did not stop in time; they are taken up again from their journal");
            driven.shutdown().await;
        }
        if let Err(error) = inner.replica.give_up_runs().await {
            tracing::warn!(%error, "the runs could not be given up; others take them when the lease has lapsed");
        }
    }

    /// Renews the lease, and buries those who do not.
    async fn keep_alive(self, stop: CancellationToken) {
        let mut fails = false;
        loop {
            let wait = match self.0.replica.keep().await {
                Ok(wait) => {
                    fails = false;
                    wait
                }
                Err(error) => {
                    if !std::mem::replace(&mut fails, true) {
                        tracing::error!(%error, "the lease could not be renewed; if this lasts, other processes take the runs");
                    }
                    RENEW_RETRY
                }
            };
            if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                return;
            }
        }
    }

    /// How many runs are being driven right now.
    pub fn active(&self) -> usize {
        *self.0.active.borrow()
    }
}

struct Active(Engine);

impl Active {
    fn count(engine: &Engine) -> Self {
        engine.0.active.send_modify(|active| *active += 1);
        Self(engine.clone())
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.0.active.send_modify(|active| *active -= 1);
    }
}
