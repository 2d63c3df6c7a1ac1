//! Telling stakeholders before and after: whom, and what shows that they were told.

use std::fmt;

use serde::{Deserialize, Serialize};

/// When stakeholders are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// Before anything acts: what, who, why, when, and how to object.
    Before,
    /// At the end, however it ended.
    After,
}

/// Somebody who is told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Destination {
    /// A Slack channel (`C…`, `G…`) or person (`U…`, `W…`).
    Slack(String),
    /// The environment's SNS topic, by name or ARN.
    Topic(String),
}

impl Destination {
    /// Without markup.
    pub fn plain(&self) -> String {
        match self {
            Self::Slack(id) => format!("Slack {id}"),
            Self::Topic(topic) => format!("SNS topic {topic}"),
        }
    }
}

impl fmt::Display for Destination {
    /// As Slack markup.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slack(id) if id.starts_with(['U', 'W']) => write!(f, "<@{id}>"),
            Self::Slack(id) => write!(f, "<#{id}>"),
            Self::Topic(topic) => write!(f, "SNS topic {topic}"),
        }
    }
}

/// What came of telling one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Before or after.
    pub moment: Moment,
    /// Whom.
    pub to: Destination,
    /// Slack's message ts or the SNS MessageId; else why it could not be delivered, for people.
    pub receipt: Result<String, String>,
}
