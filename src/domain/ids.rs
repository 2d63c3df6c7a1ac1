//! Names of runs, steps and people.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The number of a run, written `R-42` wherever a person reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub i64);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "R-{}", self.0)
    }
}

/// A text that names no run.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a run: runs are written like R-42")]
pub struct BadRunId(pub String);

impl FromStr for RunId {
    type Err = BadRunId;

    /// Reads `R-42`, `r42`, `#42` and `42`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.trim_start_matches(['R', 'r', '#']).trim_start_matches('-');
        match digits.parse::<i64>() {
            Ok(number) if number > 0 && digits.bytes().all(|b| b.is_ascii_digit()) => Ok(Self(number)),
            Ok(_) | Err(_) => Err(BadRunId(text.to_owned())),
        }
    }
}

/// The name of a step within its plan, such as `enable:signal-generated`. Unique in a plan and stable over replanning.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepId(pub String);

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who asks: a person in Slack, somebody at a terminal, or Alch itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Actor {
    /// A Slack user, by ids; names change and are looked up only to be shown.
    Slack {
        /// The user's id, `U…` or `W…`.
        user: String,
        /// The workspace that the user belongs to, `T…`.
        team: String,
    },
    /// Somebody with a shell on the machine that Alch runs on.
    Terminal {
        /// The operating system's name for the user.
        user: String,
    },
    /// Alch itself.
    Alch,
}

/// What Slack says of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A full member.
    Member,
    /// A guest, of one channel or of several.
    Guest,
    /// Somebody from another organisation.
    Stranger,
    /// No person.
    Bot,
    /// An account that is closed.
    Deleted,
    /// Slack could not say; why, for people.
    Unknown(String),
}

impl fmt::Display for Actor {
    /// As Slack markup: a mention for Slack users.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slack { user, .. } => write!(f, "<@{user}>"),
            Self::Terminal { user } => write!(f, "{user} (terminal)"),
            Self::Alch => f.write_str("Alch"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_ids_are_read_as_people_write_them() {
        for text in ["R-42", "r-42", "R42", "42", "#42"] {
            assert_eq!(text.parse(), Ok(RunId(42)), "{text}");
        }
        for text in ["", "R-", "R-0", "--4", "R-4x", "99999999999999999999", "+4"] {
            assert!(text.parse::<RunId>().is_err(), "{text}");
        }
    }
}
