//! Looks by ourselves: while a version soaks in an environment, that environment is verified every hour.
//!
//! When the next look is due follows from the journals alone, so a restart changes nothing. A verification that is under
//! way is waited for. Of several processes on one database, one looks.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::execute::Engine;
use super::later;
use crate::checks::safeguards::{looked_back, verify_due};
use crate::domain::{Actor, Command, Event, Origin};
use crate::store::{Duty, NewRun, Pulse, StoreError};

/// How long it waits before it asks a failing database again.
const DATABASE_RETRY: SignedDuration = SignedDuration::from_secs(5);
/// How long another process is given to begin a look that is due.
const OTHERS_LOOK: SignedDuration = SignedDuration::from_secs(15);

/// An environment where versions soak.
struct Source<'a> {
    name: &'a str,
    /// The longest soak that is asked for there.
    soak: SignedDuration,
    /// The environments that promote from it.
    targets: Vec<&'a str>,
}

impl Engine {
    /// Verifies by itself, until `stop`, the environments in which a version soaks.
    pub async fn keep_soaks(&self, stop: CancellationToken) {
        if self.sources().is_empty() {
            return;
        }
        let inner = &self.0;
        let mut changes = inner.store.changes();
        let mut seen = None;
        let mut wake = Timestamp::MIN;
        while !stop.is_cancelled() {
            changes.mark_unchanged();
            match self.look_at_soaks(&mut seen, wake).await {
                Ok(next) => wake = next,
                Err(error) => {
                    tracing::error!(%error, "the database failed; soaks are not looked at until it answers");
                    (seen, wake) = (None, later(inner.clock.now(), DATABASE_RETRY));
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                _ = changes.changed() => {}
                () = inner.clock.sleep_until(wake) => {}
            }
        }
    }

    /// When the next look is due in any environment; at once when one is overdue, none while nothing soaks.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn next_verification(&self) -> Result<Option<Timestamp>, StoreError> {
        let mut next: Option<Timestamp> = None;
        for source in self.sources() {
            let due = self.due(&source).await?;
            next = [next, due].into_iter().flatten().min();
        }
        Ok(next)
    }

    /// Begins the looks that are due, and says when the next one is. Journals are only read again when a run has begun or
    /// ended since they were `seen`, or `wake` has come.
    async fn look_at_soaks(&self, seen: &mut Option<Vec<Pulse>>, wake: Timestamp) -> Result<Timestamp, StoreError> {
        let sources = self.sources();
        let mut pulses = Vec::new();
        for source in &sources {
            for name in source.targets.iter().chain([&source.name]) {
                pulses.push(self.0.store.pulse(name).await?);
            }
        }
        if seen.as_ref() == Some(&pulses) && self.0.clock.now() < wake {
            return Ok(wake);
        }
        let mut next = Timestamp::MAX;
        for source in &sources {
            match self.due(source).await? {
                Some(due) if due <= self.0.clock.now() => {
                    if self.0.replica.take_duty(Duty::Soaks).await?.is_none() {
                        // Whoever has the duty begins it; should they die, it is overdue at the next look.
                        return Ok(later(self.0.clock.now(), OTHERS_LOOK));
                    }
                    self.verify(source.name).await?;
                }
                Some(due) => next = next.min(due),
                None => {}
            }
        }
        *seen = Some(pulses);
        Ok(next)
    }

    async fn due(&self, source: &Source<'_>) -> Result<Option<Timestamp>, StoreError> {
        let store = &self.0.store;
        let now = self.0.clock.now();
        let since = now.saturating_sub(looked_back(source.soak)).unwrap_or(Timestamp::MIN);
        let runs = store.runs_since(source.name, since).await?;
        let mut promotions = Vec::new();
        for target in &source.targets {
            promotions.extend(store.runs_since(target, since).await?);
        }
        Ok(verify_due(source.soak, &runs, &promotions, now))
    }

    /// Begins a verification. It changes nothing, so it needs nobody's permit.
    async fn verify(&self, environment: &str) -> Result<(), StoreError> {
        let command = Command::Verify { environment: environment.to_owned() };
        let requested = Event::Requested {
            text: command.text(),
            command,
            actor: Actor::Alch,
            environment: environment.to_owned(),
            origin: Origin::Schedule,
            queue: false,
            notes: vec!["a version soaks here, so it is verified every hour".to_owned()],
        };
        let new = NewRun { requested: &requested, environment, driven: true, inbox_key: None };
        self.0.store.create_run(new, self.0.clock.now()).await?;
        Ok(())
    }

    /// The environments that others promote from after a soak.
    fn sources(&self) -> Vec<Source<'_>> {
        let mut sources: BTreeMap<&str, Source<'_>> = BTreeMap::new();
        for target in self.places().map(|place| &place.environment) {
            let (Some(from), Some(soak)) = (&target.promote_from, target.safeguards.soak) else { continue };
            let Some(place) = self.place(from) else { continue };
            let name = place.environment.name.as_str();
            let source = sources.entry(name).or_insert_with(|| Source { name, soak, targets: Vec::new() });
            source.soak = source.soak.max(soak);
            source.targets.push(&target.name);
        }
        sources.into_values().collect()
    }
}
