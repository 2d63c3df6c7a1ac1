//! The hash chain of the journal: what makes an edit, a deletion or a reorder show. Pure; the rows are the store's.

mod removed;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::domain::RunId;

pub use removed::{AuditKeys, Removed};

/// The hash of an event: over the hash before it and everything that is stored of it.
///
/// The first event of a run is chained to the first event of the run before, so that a missing run shows too.
pub fn link(previous: &str, run: RunId, seq: i64, at: Timestamp, body: &str) -> String {
    let mut hasher = Sha256::new();
    // Every part but the last has a fixed alphabet without newlines, so the parts cannot run into one another.
    hasher.update(format!("{previous}\n{}\n{seq}\n{}\n", run.0, at.as_microsecond()));
    hasher.update(body);
    hex::encode(hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_an_event_counts() {
        let at = Timestamp::UNIX_EPOCH;
        let whole = link("aa", RunId(1), 1, at, "{}");
        assert_eq!(whole.len(), 64);
        for other in [
            link("ab", RunId(1), 1, at, "{}"),
            link("aa", RunId(2), 1, at, "{}"),
            link("aa", RunId(1), 2, at, "{}"),
            link("aa", RunId(1), 1, Timestamp::from_microsecond(1).unwrap(), "{}"),
            link("aa", RunId(1), 1, at, "{ }"),
        ] {
            assert_ne!(whole, other);
        }
    }
}
