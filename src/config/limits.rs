//! How many requests are taken in a minute.

use serde::Deserialize;

use super::problem::{Findings, KeyPath};

/// The greatest limit that makes sense, requests a minute.
const MOST: u32 = 100_000;

/// `[limits]`: requests a minute. 0 is no limit; a rollback is never limited.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Of one person. Default 60.
    pub person_per_minute: u32,
    /// Of the whole workspace. Default 300.
    pub workspace_per_minute: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { person_per_minute: 60, workspace_per_minute: 300 }
    }
}

impl Limits {
    pub(super) fn check(&self, findings: &mut Findings) {
        let at = KeyPath::from("limits");
        for (key, limit) in
            [("person_per_minute", self.person_per_minute), ("workspace_per_minute", self.workspace_per_minute)]
        {
            findings.require(limit <= MOST, at.key(key), "this limit is out of range", "Write 0 for no limit.");
        }
        let (person, workspace) = (self.person_per_minute, self.workspace_per_minute);
        findings.require(
            workspace == 0 || person <= workspace,
            at.key("workspace_per_minute"),
            "this is less than what one person may",
            "Raise it, or lower person_per_minute.",
        );
    }
}
