//! A question about the world, its verdict, and what the verdict rests on.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a check found. Ordered from best to worst, so that the verdict of many is the greatest of theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Shown to hold.
    Pass,
    /// Asked, but the answer proves nothing: no traffic.
    Inconclusive,
    /// Could not be asked.
    Unknown,
    /// Shown not to hold.
    Fail,
}

impl Verdict {
    /// The verdict of a set of checks: the worst of them. An empty set proves nothing.
    pub fn of<'a>(checks: impl IntoIterator<Item = &'a Check>) -> Self {
        checks.into_iter().map(|check| check.verdict).max().unwrap_or(Self::Inconclusive)
    }

    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Inconclusive => "inconclusive",
            Self::Unknown => "unknown",
            Self::Fail => "fail",
        }
    }
}

/// One question about the world, answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// A stable name, such as `failed-invocations`.
    pub name: String,
    /// What is asked, for people: `Failed invocations of signal-generated`.
    pub title: String,
    /// The answer.
    pub verdict: Verdict,
    /// What was measured, for people: `3`, `2 → 5`, `ALARM`. Empty when it could not be asked.
    pub value: String,
    /// What it is held against, for people: `0`, `at least 1`, `OK`.
    pub limit: String,
    /// Why this verdict, and when it is not a pass, what to do. One or two plain sentences without Slack markup.
    pub reason: String,
    /// What the verdict rests on.
    pub evidence: Evidence,
}

impl Check {
    /// Whether it is a part of another check before it, which speaks for the whole: `rules/signal-generated` of `rules`.
    pub fn is_part(&self) -> bool {
        self.name.contains('/')
    }
}

/// What a verdict rests on: enough to ask the same again by hand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The call and its arguments: `GetMetricData AWS/Events FailedInvocations {EventBusName=…, RuleName=…} Sum 60 s`.
    pub query: String,
    /// From when on was asked, UTC.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub from: Option<Timestamp>,
    /// Until when, exclusive, UTC.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub until: Option<Timestamp>,
    /// The datapoints by minute.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub datapoints: Vec<(Timestamp, i64)>,
    /// The ids that AWS gave the requests.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub request_ids: Vec<String>,
}
