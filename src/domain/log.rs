//! A line of a log.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One line of a log group (CloudWatch Logs `FilterLogEvents`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When it was written, UTC.
    pub at: Timestamp,
    /// The log stream.
    pub stream: String,
    /// What it says.
    pub text: String,
}
