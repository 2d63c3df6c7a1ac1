//! An environment as the configuration describes it: an AWS account and region, names of resources, waits, policy.

use jiff::SignedDuration;
use jiff::civil::{Date, Time};
use serde::{Deserialize, Serialize};

/// `dev`, `prod`, …: one deployment of the system that Alch looks after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// The name that people type; filled in from the table's key.
    #[serde(skip_deserializing, default)]
    pub name: String,
    /// The AWS account's twelve digits. When given, Alch refuses to act in another.
    #[serde(default)]
    pub account: Option<String>,
    /// The AWS region, such as `us-east-1`.
    pub region: String,
    /// A role to assume for all calls of this environment; the process's own identity when not given.
    #[serde(default)]
    pub role_arn: Option<String>,
    /// The CloudFormation stack.
    pub stack: String,
    /// The custom event bus that the rules live on.
    pub bus: String,
    /// The rules that Alch looks after, in the order in which they are enabled.
    pub rules: Vec<Rule>,
    /// The Lambda function that the rules invoke.
    pub function: String,
    /// The dead-letter queues; the first is the rules' own.
    pub dlqs: Vec<String>,
    /// The idempotency table.
    pub table: Table,
    /// The event archive of the bus.
    pub archive: String,
    /// The SNS topic that the alarms publish to.
    pub alarm_topic: String,
    /// CloudWatch alarms, by name.
    pub alarms: Vec<String>,
    /// A dashboard for people, linked from the thread.
    #[serde(default)]
    pub dashboard_url: Option<String>,
    /// Whether acting here needs somebody's approval.
    #[serde(default)]
    pub approval: ApprovalRule,
    /// How long things take here.
    #[serde(default)]
    pub waits: Waits,
    /// What a gate tolerates.
    #[serde(default)]
    pub limits: GateLimits,
    /// What happens when a gate fails.
    #[serde(default)]
    pub on_gate_failure: OnGateFailure,
    /// What happens when a gate is inconclusive.
    #[serde(default)]
    pub on_inconclusive: OnInconclusive,
    /// When deployments are allowed; always when not given.
    #[serde(default)]
    pub window: Option<Window>,
}

impl Environment {
    /// The rule of this short name.
    pub fn rule(&self, name: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.name == name)
    }
}

/// An EventBridge rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The short name that people type.
    pub name: String,
    /// The name of the rule in EventBridge.
    pub rule: String,
}

/// A DynamoDB table with expiring items.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// The table's name.
    pub name: String,
    /// Its partition key.
    pub key: String,
    /// The attribute that holds when an item expires.
    pub ttl_attribute: String,
}

/// Whether acting needs approval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalRule {
    /// Whoever may use Alch may act.
    #[default]
    None,
    /// Somebody else has to approve.
    Required,
}

/// How long things take. Written `"2m"`, `"90s"`, `"1h"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Waits {
    /// After a rule was enabled, before its gate.
    pub after_enable: SignedDuration,
    /// Between two looks at the metrics while waiting.
    pub poll: SignedDuration,
    /// Metrics arrive late: how long a gate lets them settle before it decides.
    pub settle: SignedDuration,
    /// How long a gate goes on asking when AWS cannot be asked, before it gives up as unknown.
    pub unknown_grace: SignedDuration,
    /// How far back the metrics of a rule that was enabled already are read.
    pub lookback: SignedDuration,
    /// How long a question to a person stays open.
    pub answer: SignedDuration,
}

impl Default for Waits {
    fn default() -> Self {
        Self {
            after_enable: SignedDuration::from_mins(2),
            poll: SignedDuration::from_secs(15),
            settle: SignedDuration::from_mins(1),
            unknown_grace: SignedDuration::from_mins(2),
            lookback: SignedDuration::from_mins(10),
            answer: SignedDuration::from_hours(4),
        }
    }
}

/// The greatest values that a gate lets pass, each over the time since the rule was enabled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GateLimits {
    /// AWS/Events FailedInvocations of the rule.
    pub failed_invocations: u32,
    /// AWS/Events ThrottledRules of the rule.
    pub throttled_rules: u32,
    /// AWS/Events InvocationsFailedToBeSentToDlq of the rule.
    pub failed_to_dlq: u32,
    /// AWS/Lambda Errors of the function.
    pub function_errors: u32,
    /// AWS/Lambda Throttles of the function.
    pub function_throttles: u32,
    /// Messages in the dead-letter queues more than before.
    pub dlq_growth: u32,
}

/// What happens when a gate fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnGateFailure {
    /// Stop, and leave things as they are for a person to look at.
    #[default]
    Hold,
    /// Stop, and disable what this run enabled.
    Disable,
}

/// What happens when a gate is inconclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnInconclusive {
    /// Go on, and end as "enabled, not yet proven".
    #[default]
    Finish,
    /// Pause, and ask a person: wait on, continue, or undo.
    Ask,
}

/// When deployments are allowed, in a named time zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// An IANA time zone, such as `America/New_York`.
    pub zone: String,
    /// The times that are allowed; their union counts.
    pub allow: Vec<TimeRange>,
    /// Days on which nothing is allowed.
    #[serde(default)]
    pub blackout: Vec<Date>,
}

/// A part of some days of the week.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeRange {
    /// On which days it starts.
    pub days: Vec<Weekday>,
    /// From when on; midnight when not given.
    #[serde(default)]
    pub from: Option<Time>,
    /// Until when, exclusive; the day's end when not given. Earlier than `from` means the next day.
    #[serde(default)]
    pub until: Option<Time>,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Weekday {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}
