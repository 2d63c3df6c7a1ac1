//! Archives of a bus and replays from them, as they are found in EventBridge, and what is known before events are
//! replayed or put on the bus again.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Check, DeadLetterGroup};

/// An archive as it was found (EventBridge `DescribeArchive`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveFact {
    /// Its name.
    pub name: String,
    /// Its own ARN: the source of a replay.
    pub arn: String,
    /// The ARN of the bus whose events it keeps: the only destination of a replay.
    pub bus_arn: String,
    /// Its state in EventBridge's word: `ENABLED`.
    pub state: String,
    /// For how many days events are kept; none for ever.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub retention_days: Option<u32>,
    /// How many events it holds. EventBridge takes up to a day to count.
    pub events: i64,
    /// Since when it keeps events, UTC; none when EventBridge does not say.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub since: Option<Timestamp>,
    /// Whether it keeps only the events that a pattern picks.
    #[serde(default)]
    pub filtered: bool,
}

/// What a replay does, as it is asked for (EventBridge `StartReplay`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayOrder {
    /// The ARN of the archive.
    pub archive_arn: String,
    /// The ARN of the archive's bus.
    pub bus_arn: String,
    /// The ARNs of the rules that get the events. Without any, EventBridge would mean all rules of the bus.
    pub rule_arns: Vec<String>,
    /// The first event's time, inclusive, UTC.
    pub from: Timestamp,
    /// The last event's time, exclusive, UTC.
    pub to: Timestamp,
}

/// How far a replay is (EventBridge `ReplayState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "EventBridge's own words")]
pub enum ReplayState {
    Starting,
    Running,
    Cancelling,
    Completed,
    Cancelled,
    Failed,
}

impl ReplayState {
    /// Whether nothing of it happens any more.
    pub fn is_over(self) -> bool {
        match self {
            Self::Completed | Self::Cancelled | Self::Failed => true,
            Self::Starting | Self::Running | Self::Cancelling => false,
        }
    }

    /// Whether EventBridge takes a cancel for it.
    pub fn can_be_cancelled(self) -> bool {
        match self {
            Self::Starting | Self::Running => true,
            Self::Cancelling | Self::Completed | Self::Cancelled | Self::Failed => false,
        }
    }

    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Cancelling => "being cancelled",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }
}

/// A replay as it was found (EventBridge `DescribeReplay`, `ListReplays`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayFact {
    /// Its name.
    pub name: String,
    /// How far it is.
    pub state: ReplayState,
    /// EventBridge's reason for the state.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// What it does. In a listing the bus and the rules are left out.
    pub order: ReplayOrder,
    /// The time of the event that was replayed last, UTC; none before the first.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_event: Option<Timestamp>,
    /// When it was started, UTC.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub started: Option<Timestamp>,
    /// When it was over, UTC.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ended: Option<Timestamp>,
}

impl ReplayFact {
    /// How much of the window has been replayed, in hundredths: 100 only when it is completed. EventBridge replays in
    /// the order of minutes, but only the time of the last event tells, so a quiet end of the window shows as a jump.
    pub fn percent(&self) -> u8 {
        if self.state == ReplayState::Completed {
            return 100;
        }
        let Some(last) = self.last_event else { return 0 };
        let whole = self.order.to.duration_since(self.order.from).as_secs();
        let done = last.duration_since(self.order.from).as_secs();
        if whole <= 0 {
            return 0;
        }
        u8::try_from((done.saturating_mul(100) / whole).clamp(0, 99)).unwrap_or(0)
    }
}

/// What is known before events are replayed. Whether it may be done follows from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayFacts {
    /// When this was read, UTC.
    pub at: Timestamp,
    /// The archive; none when there is none of the configured name.
    pub archive: Option<ArchiveFact>,
    /// The ARNs of the chosen rules, by short name.
    #[serde(default)]
    pub rule_arns: BTreeMap<String, String>,
    /// The replays of the archive that are under way, by name.
    #[serde(default)]
    pub under_way: Vec<String>,
    /// How many events each chosen rule matched in the window while it was enabled, by short name; what could not be
    /// read is absent.
    #[serde(default)]
    pub matched: BTreeMap<String, i64>,
    /// The interlock, as it was then.
    #[serde(default)]
    pub idempotency: Vec<Check>,
}

/// What is known before messages are put on the bus again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedriveFacts {
    /// When this was read, UTC.
    pub at: Timestamp,
    /// The queue.
    pub queue: String,
    /// Whether the bus exists: EventBridge takes events for one that does not, and loses them.
    pub bus_exists: bool,
    /// The messages that were looked at, by rule and error.
    #[serde(default)]
    pub groups: Vec<DeadLetterGroup>,
    /// How many of those that can be sent name the attribute by which the function tells repeats.
    #[serde(default)]
    pub keyed: u32,
    /// When the oldest of those that can be sent happened, UTC.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub oldest: Option<Timestamp>,
    /// The interlock, as it was then.
    #[serde(default)]
    pub idempotency: Vec<Check>,
}

/// Something that people have to know before a plan is carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// Whether it is a warning.
    #[serde(default)]
    pub loud: bool,
    /// Plain text for people.
    pub text: String,
}

impl Remark {
    /// For information.
    pub fn said(text: impl Into<String>) -> Self {
        Self { loud: false, text: text.into() }
    }

    /// A warning.
    pub fn warned(text: impl Into<String>) -> Self {
        Self { loud: true, text: text.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_follows_the_last_event_and_is_whole_only_at_the_end() {
        let at = |minute: i64| Timestamp::from_second(minute * 60).unwrap();
        let order = ReplayOrder {
            archive_arn: String::new(),
            bus_arn: String::new(),
            rule_arns: Vec::new(),
            from: at(0),
            to: at(200),
        };
        let fact = |state, last_event| ReplayFact {
            name: "r".to_owned(),
            state,
            reason: None,
            order: order.clone(),
            last_event,
            started: None,
            ended: None,
        };
        for (state, last, percent) in [
            (ReplayState::Starting, None, 0),
            (ReplayState::Running, Some(at(0)), 0),
            (ReplayState::Running, Some(at(50)), 25),
            (ReplayState::Running, Some(at(200)), 99),
            (ReplayState::Cancelled, Some(at(100)), 50),
            (ReplayState::Completed, Some(at(100)), 100),
            (ReplayState::Completed, None, 100),
        ] {
            assert_eq!(fact(state, last).percent(), percent, "{state:?} {last:?}");
        }
    }
}
