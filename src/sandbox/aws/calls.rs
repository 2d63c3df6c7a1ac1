//! The log of the calls that reached the world, in their order, with what was asked: tests assert on it.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The oldest calls are forgotten beyond this many.
const CALLS_MAX: usize = 10_000;

/// One call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// When it was dealt with, by the world's clock.
    pub at: Timestamp,
    /// The service as policies name it (`events`, `sqs`), or as the request did where the world does not know it.
    pub service: String,
    /// The operation.
    pub operation: String,
    /// The input, as a JSON value whatever the protocol; `null` where it could not be read.
    pub request: Value,
    /// The access key that signed it.
    pub access_key: Option<String>,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It was answered.
    Answered,
    /// It was refused with this error code.
    Refused(String),
    /// It was lost, without effect: the connection broke, or nothing came back.
    Lost,
    /// It had its effect and was not answered.
    AnswerLost,
    /// The world does not know what was asked.
    Unknown,
}

#[derive(Debug, Default)]
pub struct CallLog(VecDeque<Call>);

impl CallLog {
    pub fn push(&mut self, call: Call) {
        if self.0.len() >= CALLS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(call);
    }

    pub fn all(&self) -> Vec<Call> {
        self.0.iter().cloned().collect()
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }
}
