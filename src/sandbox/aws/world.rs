//! The handle on one world: its time, its faults, its call log, and keeping it on disk. What tests reach into it for is
//! in `levers`, what the page shows of it in `panel`.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::clock::Clock;

use super::calls::{Call, CallLog, Outcome};
use super::faults::{ApiFault, Fault};
use super::rights::Rights;
use super::spec::{Pace, StackSpec};
use super::state::State;

/// How many entries of a list are on one page, unless a test wants fewer.
const PAGE_MAX: usize = 100;

/// An emulated AWS. Cheap to clone; all clones are the same world.
#[derive(Clone, Debug)]
pub struct World {
    clock: Clock,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
pub struct Inner {
    pub pace: Pace,
    pub state: State,
    pub planned: Vec<ApiFault>,
    pub calls: CallLog,
    /// How many calls came, for the fault that meets every third.
    pub served: u64,
    pub page_max: usize,
    /// What roles may do, where a test has said so.
    pub rights: Rights,
}

impl Inner {
    pub fn tick(&mut self, now: Timestamp) {
        self.state.advance(now, &self.pace);
    }
}

/// Why a saved world could not be had back.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file is there and cannot be read.
    #[error("the saved world cannot be read")]
    Read(#[source] io::Error),
    /// The file holds something else.
    #[error("the saved world is damaged, or of another version")]
    Format(#[source] serde_json::Error),
    /// The configuration has changed since.
    #[error("the saved world was made of other stacks than those configured now")]
    OtherStacks,
}

impl World {
    /// A fresh world that begins now.
    pub fn new(clock: Clock, pace: Pace, stacks: Vec<StackSpec>) -> Self {
        let state = State::build(stacks, clock.now());
        Self::with_state(clock, pace, state)
    }

    /// The world that was saved at `path`, or a fresh one where there is none. Its time has gone on meanwhile.
    pub fn load(clock: Clock, pace: Pace, stacks: Vec<StackSpec>, path: &Path) -> Result<Self, LoadError> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::new(clock, pace, stacks)),
            Err(error) => return Err(LoadError::Read(error)),
        };
        let state: State = serde_json::from_slice(&text).map_err(LoadError::Format)?;
        if state.stacks != stacks {
            return Err(LoadError::OtherStacks);
        }
        Ok(Self::with_state(clock, pace, state))
    }

    /// Keeps the world at `path`: resources, metrics, sessions and the panel's switches; not the call log and the
    /// planned faults. The file is replaced whole.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let text = serde_json::to_vec(&self.ticked().state)?;
        let draft = path.with_extension("tmp");
        fs::write(&draft, text)?;
        fs::rename(&draft, path)
    }

    fn with_state(clock: Clock, pace: Pace, state: State) -> Self {
        let (planned, calls) = (Vec::new(), CallLog::default());
        let inner = Inner { pace, state, planned, calls, served: 0, page_max: PAGE_MAX, rights: Rights::default() };
        Self { clock, inner: Arc::new(Mutex::new(inner)) }
    }

    /// The endpoint, for all services. A client needs any credentials and its stack's region.
    pub fn router(&self) -> axum::Router {
        super::serve::router(self.clone())
    }

    /// Lets everything happen that is due by the clock. Calls and questions do so by themselves.
    pub fn tick(&self) {
        drop(self.ticked());
    }

    /// The panel's switches.
    pub fn faults(&self) -> Vec<Fault> {
        self.ticked().state.switches()
    }

    /// Switches a fault; says whether there is such a one. Off heals what it broke.
    pub fn set_fault(&self, id: &str, on: bool) -> bool {
        let mut inner = self.ticked();
        let inner = &mut *inner;
        inner.state.switch(id, on, self.clock.now(), &inner.pace)
    }

    /// Plans a fault of the next calls of one operation. Several for the same one come in the order of planning.
    pub fn inject(&self, fault: ApiFault) {
        if fault.times > 0 {
            self.lock().planned.push(fault);
        }
    }

    /// Takes back the planned faults that no call has met yet.
    pub fn cancel_injected(&self) {
        self.lock().planned.clear();
    }

    /// The planned faults that no call has met yet.
    pub fn faults_left(&self) -> Vec<ApiFault> {
        self.lock().planned.clone()
    }

    /// The calls so far, oldest first.
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.all()
    }

    /// The calls that the world had no answer for. A test that finds one has to fail.
    pub fn unknown_calls(&self) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.outcome == Outcome::Unknown).collect()
    }

    /// Forgets the calls so far.
    pub fn forget_calls(&self) {
        self.lock().calls.clear();
    }

    /// Puts at most this many entries on a page, so that few resources need several.
    pub fn set_page_max(&self, entries: usize) {
        self.lock().page_max = entries.max(1);
    }

    /// From now on a role may do what this policy allows, and other roles of its account nothing. Policies are not kept in
    /// a saved world.
    pub fn enforce(&self, account: &str, role: &str, policy: serde_json::Value) {
        self.lock().rights.insert((account.to_owned(), role.to_owned()), policy);
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The world as it is now.
    pub(super) fn ticked(&self) -> MutexGuard<'_, Inner> {
        let mut inner = self.lock();
        inner.tick(self.clock.now());
        inner
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        // Whoever panicked with the lock held was a test; the world is still good for the others to report.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
