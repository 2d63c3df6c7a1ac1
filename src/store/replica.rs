//! One of the processes that share a database: its lease, what it owns under it, and what it takes over from the dead.
//!
//! A process is a row that it renews, and what it owns bears the row's name. Who has not renewed in time, by the database's
//! clock, is buried: another process deletes the row, and then takes what bears a name without a row. Who was buried and
//! comes back, because it was frozen or cut off, finds its row gone, and goes on under another name with nothing. So there is
//! no moment at which two can take themselves for the owner: the row is either renewed or deleted.
//!
//! In between, the process itself counts how long it may go on, from before it asked; see [`crate::domain::Fence`].

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::Row;
use tokio::sync::watch;

use super::inbox::{Pending, pending};
use super::{Result, Store};
use crate::clock::{Clock, Deadline};
use crate::domain::Fence;

/// How long a lease lasts without being renewed.
pub const LEASE: Duration = Duration::from_secs(10);
/// How long a lease without an end lasts.
const NO_END: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// What one process does for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Duty {
    /// Telling Slack what is in the journals.
    Telling,
    /// Verifying where versions soak.
    Soaks,
    /// Removing what is kept no longer.
    Retention,
}

impl Duty {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Telling, Self::Soaks, Self::Retention];

    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Telling => "telling",
            Self::Soaks => "soaks",
            Self::Retention => "retention",
        }
    }
}

/// A process among those that share a database. Cheap to clone; all clones have one lease.
#[derive(Clone, Debug)]
pub struct Replica {
    pub(super) store: Store,
    /// How long a lease lasts; none where nobody else can have the database open.
    lasts: Option<Duration>,
    lease: Arc<Lease>,
}

struct Lease {
    clock: Clock,
    state: Mutex<State>,
    /// One renewal at a time: two that find the row gone would make two names.
    renewing: tokio::sync::Mutex<()>,
    /// Counts how often this process has buried others.
    burials: watch::Sender<u64>,
}

struct State {
    name: Arc<str>,
    /// Whether there is a row of this name, as far as is known.
    is_known: bool,
    /// None for a lease without an end.
    until: Option<Deadline>,
    /// What was taken under this name.
    duties: BTreeSet<Duty>,
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, left) = (self.state().name.clone(), self.state().left(&self.clock));
        f.debug_struct("Lease").field("name", &name).field("left", &left).finish_non_exhaustive()
    }
}

impl Lease {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn left(&self, clock: &Clock) -> Duration {
        match &self.until {
            _ if !self.is_known => Duration::ZERO,
            Some(until) => clock.left(until),
            None => Duration::MAX,
        }
    }
}

/// How a process stands among those that share a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// How much of its lease is left; none for a lease without an end.
    pub left: Option<Duration>,
    /// The duties that it has taken.
    pub duties: BTreeSet<Duty>,
}

/// A time over which a process bears one name: what it owns under it, nobody else takes before it is over.
#[derive(Clone, Debug)]
pub struct Tenure {
    name: Arc<str>,
    lease: Arc<Lease>,
}

impl Tenure {
    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Fence for Tenure {
    fn left(&self) -> Duration {
        let state = self.lease.state();
        if state.name == self.name { state.left(&self.lease.clock) } else { Duration::ZERO }
    }
}

impl Replica {
    /// A process on this store, with a name of its own.
    pub fn new(store: Store, clock: Clock) -> Self {
        let state = State { name: new_name(), is_known: false, until: None, duties: BTreeSet::new() };
        let lease = Lease {
            clock,
            state: Mutex::new(state),
            renewing: tokio::sync::Mutex::default(),
            burials: watch::Sender::new(0),
        };
        let lasts = store.is_shared().then_some(LEASE);
        Self { store, lasts, lease: Arc::new(lease) }
    }

    /// The same, with a lease of this length.
    pub fn lasting(self, lasts: Duration) -> Self {
        Self { lasts: Some(lasts), ..self }
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    pub(super) fn name(&self) -> String {
        self.lease.state().name.to_string()
    }

    /// How this process stands, as far as it knows without asking.
    pub fn standing(&self) -> Standing {
        let state = self.lease.state();
        let left = state.left(&self.lease.clock);
        let duties = if left.is_zero() { BTreeSet::new() } else { state.duties.clone() };
        Standing { left: (left != Duration::MAX).then_some(left), duties }
    }

    /// Resolves to a new value whenever this process has buried others: what they had begun is to be taken up.
    pub fn burials(&self) -> watch::Receiver<u64> {
        self.lease.burials.subscribe()
    }

    /// Lengthens the lease. Who was buried gets a new name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn renew(&self) -> Result<Tenure> {
        let _one = self.lease.renewing.lock().await;
        // A connection over which nothing comes any more would not say so for minutes.
        let patience = self.lasts.unwrap_or(LEASE) / 3;
        tokio::time::timeout(patience, self.renew_alone()).await.map_err(|_| sqlx::Error::PoolTimedOut)?
    }

    async fn renew_alone(&self) -> Result<Tenure> {
        let is_known = self.lease.state().is_known;
        if is_known && self.lasts.is_none() {
            return Ok(self.as_it_is(&self.lease.state()));
        }
        let until = self.lasts.map(|lasts| self.lease.clock.deadline(lasts));
        if !is_known || !self.lengthen().await? {
            if is_known {
                tracing::warn!("this process was away for too long: others have taken what it had begun");
            }
            let name = new_name();
            let statement = self.store.timed("INSERT INTO replicas (name, until) VALUES ($1, {now} + $2)");
            sqlx::query(statement).bind(name.to_string()).bind(self.micros()).execute(&self.store.writes).await?;
            let mut state = self.lease.state();
            (state.name, state.is_known, state.duties) = (name, true, BTreeSet::new());
        }
        let mut state = self.lease.state();
        state.until = until;
        Ok(self.as_it_is(&state))
    }

    async fn lengthen(&self) -> Result<bool> {
        let statement = self.store.timed("UPDATE replicas SET until = {now} + $2 WHERE name = $1");
        let done = sqlx::query(statement).bind(self.name()).bind(self.micros()).execute(&self.store.writes).await?;
        Ok(done.rows_affected() == 1)
    }

    /// The tenure, with at least half of a lease left.
    ///
    /// # Errors
    /// When the lease has to be renewed and the database fails.
    pub async fn tenure(&self) -> Result<Tenure> {
        {
            let state = self.lease.state();
            if state.left(&self.lease.clock) >= self.lasts.unwrap_or(LEASE) / 2 {
                return Ok(self.as_it_is(&state));
            }
        }
        self.renew().await
    }

    fn as_it_is(&self, state: &State) -> Tenure {
        Tenure { name: Arc::clone(&state.name), lease: Arc::clone(&self.lease) }
    }

    /// In microseconds, how long the row is to stand.
    fn micros(&self) -> i64 {
        i64::try_from(self.lasts.unwrap_or(NO_END).as_micros()).unwrap_or(i64::MAX)
    }

    /// Renews the lease and buries those whose lease has lapsed. Says when to do so again.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn keep(&self) -> Result<Duration> {
        self.renew().await?;
        let Some(lasts) = self.lasts else { return Ok(NO_END) };
        self.bury().await?;
        let statement = self.store.timed("SELECT MIN(until) - {now} AS lasts FROM replicas WHERE name <> $1");
        let row = sqlx::query(statement).bind(self.name()).fetch_one(&self.store.reads).await?;
        let next: Option<i64> = row.try_get("lasts")?;
        let lapse = next.map_or(NO_END, |micros| Duration::from_micros(u64::try_from(micros).unwrap_or(0)));
        // A moment later, so that it has lapsed then.
        Ok((lasts * 3 / 10).min(lapse.saturating_add(Duration::from_millis(10))))
    }

    async fn bury(&self) -> Result<()> {
        let statement = self.store.timed("DELETE FROM replicas WHERE until <= {now} AND name <> $1");
        let mut tx = self.store.begin().await?;
        let dead = sqlx::query(statement).bind(self.name()).execute(&mut *tx).await?.rows_affected();
        if dead == 0 {
            return Ok(());
        }
        self.store.commit(tx).await?;
        tracing::warn!(
            processes = dead,
            "others have not renewed their lease in time; what they had begun is taken over"
        );
        self.lease.burials.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Takes a duty, if nobody has it; none when somebody has. Asked again before each time it is done.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn take_duty(&self, duty: Duty) -> Result<Option<Tenure>> {
        let tenure = self.tenure().await?;
        if self.lease.state().duties.contains(&duty) {
            return Ok(Some(tenure));
        }
        let taken = sqlx::query(
            "INSERT INTO duties (duty, owner) VALUES ($1, $2)
             ON CONFLICT (duty) DO UPDATE SET owner = excluded.owner
             WHERE NOT EXISTS (SELECT 1 FROM replicas WHERE name = duties.owner)",
        )
        .bind(duty.word())
        .bind(tenure.name().to_owned())
        .execute(&self.store.writes)
        .await?;
        if taken.rows_affected() == 0 {
            return Ok(None);
        }
        let mut state = self.lease.state();
        if state.name == tenure.name {
            state.duties.insert(duty);
        }
        Ok(Some(tenure))
    }

    /// Takes over the requests that nobody works on, in the order of their arrival.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn adopt_requests(&self) -> Result<Vec<Pending>> {
        let tenure = self.tenure().await?;
        let rows = sqlx::query(
            "UPDATE inbox SET owner = $1 WHERE done_at IS NULL
                 AND (owner IS NULL OR NOT EXISTS (SELECT 1 FROM replicas WHERE name = inbox.owner))
             RETURNING key, received_at, body, run_id",
        )
        .bind(tenure.name().to_owned())
        .fetch_all(&self.store.writes)
        .await?;
        let mut adopted = rows.iter().map(pending).collect::<Result<Vec<_>>>()?;
        adopted.sort_by(|a, b| (a.received_at, &a.key).cmp(&(b.received_at, &b.key)));
        Ok(adopted)
    }

    /// Gives up all runs of this process, for an orderly stop: others go on with them at once.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn give_up_runs(&self) -> Result<()> {
        let mut tx = self.store.begin().await?;
        sqlx::query("UPDATE runs SET lease_owner = NULL, driven = 0 WHERE lease_owner = $1")
            .bind(self.name())
            .execute(&mut *tx)
            .await?;
        self.store.commit(tx).await
    }

    /// Gives up all that this process owns, at the end of an orderly stop.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn leave(&self) -> Result<()> {
        let mut tx = self.store.begin().await?;
        sqlx::query("DELETE FROM replicas WHERE name = $1").bind(self.name()).execute(&mut *tx).await?;
        self.store.commit(tx).await
    }
}

/// Unique among all processes that ever share the database.
fn new_name() -> Arc<str> {
    format!("{}-{:016x}", std::process::id(), rand::random::<u64>()).into()
}
