//! The smoke test: how it is configured, and what is known before the function is invoked.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

/// The runbook's payload. What it says of paper is ignored by the function.
const PAYLOAD: &str = r#"{"mode": "trade", "trading_mode": "paper"}"#;

/// How the function proves that it trades on paper, and what it is invoked with then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Smoke {
    /// The variable of the function that says where it trades.
    pub proof_variable: String,
    /// Its values that prove paper mode, each to the letter.
    pub expected: Vec<String>,
    /// The version or alias that is asked for its proof and invoked; `$LATEST`, as rules without a qualifier do, when not
    /// given.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub qualifier: Option<String>,
    /// The payload, a JSON object.
    #[serde(default = "payload")]
    pub payload: String,
    /// How long it is looked whether events flowed, after the function has answered.
    #[serde(default = "ten_minutes")]
    pub wait: SignedDuration,
}

fn payload() -> String {
    PAYLOAD.to_owned()
}

fn ten_minutes() -> SignedDuration {
    SignedDuration::from_mins(10)
}

/// What is known before the function is invoked. Nothing of its variables is in here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmokeFacts {
    /// Why it must not be invoked, for people; none when it has proven paper mode and may run.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub refusal: Option<String>,
    /// How many events the archive says that it holds; none where it could not be asked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub archived: Option<i64>,
}
