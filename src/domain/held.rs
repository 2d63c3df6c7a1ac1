//! The proof that an environment is held: every AWS call that changes something asks for it.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use super::RunId;

/// For how long a process may go on with what it began: others take it over after that.
pub trait Fence: Debug + Send + Sync {
    /// How much is left; zero when it is over.
    fn left(&self) -> Duration;
}

/// Says that `run` holds `environment` now. Made by the engine right before an act, and by the emergency path, which needs
/// nobody's leave; see `tests/tidy.rs`. A process that was frozen in between finds by its fence that the proof is worth
/// nothing any more.
#[derive(Debug)]
pub struct Held<'a> {
    environment: &'a str,
    run: Option<RunId>,
    fence: Option<Arc<dyn Fence>>,
}

impl<'a> Held<'a> {
    /// To be called only where the lock was just checked.
    pub(crate) fn granted(environment: &'a str, run: Option<RunId>) -> Self {
        Self { environment, run, fence: None }
    }

    /// The same, for as long as the fence says.
    pub(crate) fn within(self, fence: impl Fence + 'static) -> Self {
        Self { fence: Some(Arc::new(fence)), ..self }
    }

    /// The same without an end: for finishing what was begun within it, where leaving it half done would do it twice.
    pub fn to_finish(&self) -> Held<'a> {
        Held { fence: None, ..*self }
    }

    /// Which environment is held.
    pub fn environment(&self) -> &str {
        self.environment
    }

    /// By which run; none for a rollback whose run could not be recorded yet.
    pub fn run(&self) -> Option<RunId> {
        self.run
    }

    /// For how long; none when it is not limited.
    pub fn fence(&self) -> Option<&Arc<dyn Fence>> {
        self.fence.as_ref()
    }
}
