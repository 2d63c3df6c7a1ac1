//! Between a rollback and the acts of other runs in this process: an act that is under way when a rollback begins is
//! waited for before the rollback's last look, and none begins while it lasts.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{RwLock, RwLockReadGuard};

/// One for each environment.
#[derive(Debug, Default)]
pub struct Interlock {
    rollbacks: AtomicUsize,
    acts: RwLock<()>,
}

/// Lets one act happen; the rollback's last look waits until it is dropped.
#[derive(Debug)]
pub struct ActGuard<'a> {
    _guard: RwLockReadGuard<'a, ()>,
}

/// Keeps acts from beginning until it is dropped.
#[derive(Debug)]
pub struct Closed<'a>(&'a Interlock);

impl Interlock {
    /// Leave for one act; none while a rollback is under way.
    pub async fn act(&self) -> Option<ActGuard<'_>> {
        let guard = self.acts.read().await;
        // Looked at with the guard in hand: a rollback that begins after this look waits for the guard.
        (self.rollbacks.load(Ordering::SeqCst) == 0).then_some(ActGuard { _guard: guard })
    }

    /// Begins a rollback. Waits for nothing.
    pub fn close(&self) -> Closed<'_> {
        self.rollbacks.fetch_add(1, Ordering::SeqCst);
        Closed(self)
    }
}

impl Closed<'_> {
    /// Whether no act is under way right now.
    pub fn is_quiet(&self) -> bool {
        self.0.acts.try_write().is_ok()
    }

    /// Waits until the acts that had begun before are over.
    pub async fn quiet(&self) {
        drop(self.0.acts.write().await);
    }
}

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        self.0.rollbacks.fetch_sub(1, Ordering::SeqCst);
    }
}
