//! An environment held or closed by a person.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Actor, RunId};

/// How an environment is kept from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldKind {
    /// Closed to everything but a rollback.
    Freeze,
    /// Kept by a person: others do not act there, but for a rollback.
    Lock,
}

impl HoldKind {
    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Freeze => "frozen",
            Self::Lock => "locked",
        }
    }
}

/// A freeze or a lock of an environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Which of the two.
    pub kind: HoldKind,
    /// The run in whose journal it stands.
    pub run: RunId,
    /// By whom.
    pub by: Actor,
    /// Why.
    pub reason: String,
    /// Since when, UTC.
    pub since: Timestamp,
    /// Until when, UTC; until it is lifted when not given.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub until: Option<Timestamp>,
}

impl Hold {
    /// Whether it stands at `now`.
    pub fn stands(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// Whether it keeps `actor` from acting at `now`. A lock does not keep the person who holds it.
    pub fn keeps_out(&self, actor: &Actor, now: Timestamp) -> bool {
        self.stands(now)
            && match self.kind {
                HoldKind::Freeze => true,
                HoldKind::Lock => self.by != *actor,
            }
    }
}
