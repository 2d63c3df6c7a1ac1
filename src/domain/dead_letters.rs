//! What lies in a dead-letter queue, as facts: messages told by rule and error.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Messages of one rule and one error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetterGroup {
    /// The rule's short name.
    pub rule: String,
    /// The error's code.
    pub error: String,
    /// AWS's words about one of them, clipped; empty when there are none.
    #[serde(default)]
    pub message: String,
    /// How many there are in the sample.
    pub count: u32,
    /// How many of these cannot be put on the bus again.
    #[serde(default)]
    pub stuck: u32,
    /// When the first of them was put into the queue, UTC.
    pub first: Option<Timestamp>,
    /// When the last of them was, UTC.
    pub last: Option<Timestamp>,
    /// One of them: `SignalGenerated from alchemiser`, or why it is no event.
    pub example: String,
}
