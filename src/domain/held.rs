//! The proof that an environment is held: every AWS call that changes something asks for it.

use super::RunId;

/// Says that `run` holds `environment` now, and that its lease lasts long enough for one more call. Made by the engine
/// right before an act, and by the emergency path, which needs nobody's leave; see `tests/tidy.rs`.
#[derive(Debug)]
pub struct Held<'a> {
    environment: &'a str,
    run: Option<RunId>,
}

impl<'a> Held<'a> {
    /// To be called only where the lock was just checked.
    pub(crate) fn granted(environment: &'a str, run: Option<RunId>) -> Self {
        Self { environment, run }
    }

    /// Which environment is held.
    pub fn environment(&self) -> &str {
        self.environment
    }

    /// By which run; none for a rollback whose run could not be recorded yet.
    pub fn run(&self) -> Option<RunId> {
        self.run
    }
}
