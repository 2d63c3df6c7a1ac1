//! Who may do what, as the configuration says it: roles, and the people and user groups that have them.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// What a person may do in an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Look.
    Viewer,
    /// Ask for what acts, and steer runs.
    Operator,
    /// Act in an incident: rollback.
    Responder,
    /// Approve what others ask for.
    Approver,
    /// Freeze, break other people's locks, and reset second factors.
    Admin,
}

impl Role {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 5] = [Self::Viewer, Self::Operator, Self::Responder, Self::Approver, Self::Admin];

    /// The word of the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Responder => "responder",
            Self::Approver => "approver",
            Self::Admin => "admin",
        }
    }
}

/// Whom a role is given to: `everyone` (full members of the workspace), a user group `S…`, or a person `U…`, `W…`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Principal(pub String);

impl Principal {
    /// Every full member of the workspace.
    pub fn is_everyone(&self) -> bool {
        self.0 == "everyone"
    }

    /// The user group's id, if it is one.
    pub fn group(&self) -> Option<&str> {
        self.0.starts_with('S').then_some(self.0.as_str())
    }

    /// The person's id, if it is one.
    pub fn user(&self) -> Option<&str> {
        self.0.starts_with(['U', 'W']).then_some(self.0.as_str())
    }
}

impl fmt::Display for Principal {
    /// As Slack markup: a mention.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.group(), self.user()) {
            (Some(group), _) => write!(f, "<!subteam^{group}>"),
            (_, Some(user)) => write!(f, "<@{user}>"),
            (None, None) => f.write_str(&self.0),
        }
    }
}

/// Whether somebody is in a user group, as Slack tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Membership {
    /// Yes.
    In,
    /// No.
    Out,
    /// Slack could not say; why, for people.
    Unknown(String),
}

/// What is known of a person's user groups, by the groups' ids. A group that is absent was not asked about.
pub type Memberships = BTreeMap<String, Membership>;
