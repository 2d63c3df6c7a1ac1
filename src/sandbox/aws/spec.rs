//! What a world is made of and how fast it goes: plain values that the one who starts a world fills in. No defaults for
//! names: every name comes from outside.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

/// One environment's stack: the resources that the world builds for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StackSpec {
    /// The environment's name; it appears in fault ids and in the snapshot.
    pub environment: String,
    /// Twelve digits. Two stacks may share an account.
    pub account: String,
    /// The region of every resource of the stack.
    pub region: String,
    /// The CloudFormation stack's name.
    pub stack: String,
    /// The custom event bus.
    pub bus: String,
    /// The bus's rules, in their order.
    pub rules: Vec<RuleSpec>,
    /// The function that every rule has as its one target.
    pub function: String,
    /// The queues. The first is the dead-letter queue of the rules' targets.
    pub dlqs: Vec<String>,
    /// The DynamoDB table.
    pub table: String,
    /// The table's partition key, a string.
    pub table_key: String,
    /// The attribute that holds an item's time to live.
    pub ttl_attribute: String,
    /// The SNS topic that the alarms act on.
    pub topic: String,
    /// Further SNS topics, by name.
    pub more_topics: Vec<String>,
    /// What people call the version that is deployed when the world starts: the stack's tag `version`. The code and the
    /// template follow from it, so stacks of the same version run the same.
    pub version: String,
    /// The bus's archive; its managed rule comes with it.
    pub archive: String,
    /// The alarms.
    pub alarms: Vec<AlarmSpec>,
    /// The variables of the function, beside the one that says where it trades.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// Where the function trades, if it is one that does.
    #[serde(default)]
    pub trades: Option<TradeSpec>,
}

/// Where a function trades: a variable says it, and the payload does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TradeSpec {
    /// The variable.
    pub variable: String,
    /// Its value on paper.
    pub paper: String,
    /// Its value where orders are real.
    pub live: String,
    /// Which of the two it has when the world starts.
    pub is_live: bool,
}

/// One rule of a stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleSpec {
    /// The short name, as people type it; part of fault ids.
    pub short: String,
    /// The rule's name on the bus.
    pub name: String,
    /// Whether the rule is enabled when the world starts.
    pub enabled: bool,
}

/// One alarm of a stack. It goes off when what it watches reaches the threshold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlarmSpec {
    /// The alarm's name.
    pub name: String,
    /// What it watches.
    pub watches: AlarmMetric,
    /// The value at which it goes off.
    pub threshold: f64,
}

/// What an alarm watches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AlarmMetric {
    /// The visible messages of the queue of this name.
    QueueDepth(String),
    /// The failed invocations of the rule of this short name.
    RuleFailures {
        /// The rule's short name.
        rule: String,
        /// Whether the alarm names the bus too. Without it, it watches a rule of the default bus: a trap, since such
        /// an alarm never goes off for a custom bus.
        names_bus: bool,
    },
    /// The function's errors.
    FunctionErrors,
    /// The function's throttled invocations.
    FunctionThrottles,
    /// The function's longest duration, in milliseconds.
    FunctionDuration,
    /// Something that the world has no metric for: the alarm stays OK until it is raised by hand.
    Unmodelled,
}

/// How fast the world goes. All of it is time of the world's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Between two events of one enabled rule. Zero or less: no events.
    pub event_gap: SignedDuration,
    /// From a thing happening to its metric being readable.
    pub metric_delay: SignedDuration,
    /// Between two evaluations of the alarms.
    pub alarm_period: SignedDuration,
    /// How far back an alarm looks.
    pub alarm_window: SignedDuration,
}

impl Default for Pace {
    /// A pace that a person at the sandbox's page can watch.
    fn default() -> Self {
        Self {
            event_gap: SignedDuration::from_secs(3),
            metric_delay: SignedDuration::from_secs(4),
            alarm_period: SignedDuration::from_secs(5),
            alarm_window: SignedDuration::from_secs(60),
        }
    }
}
