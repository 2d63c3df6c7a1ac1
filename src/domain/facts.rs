//! What was observed of the world before a plan is made.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The state of a rule (EventBridge `RuleState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleState {
    /// Matches events.
    Enabled,
    /// Matches events, CloudTrail management events included. Counts as enabled and is never changed to plain enabled.
    EnabledWithAllCloudtrailManagementEvents,
    /// Matches nothing.
    Disabled,
}

impl RuleState {
    /// Whether the rule matches events.
    pub fn is_enabled(self) -> bool {
        match self {
            Self::Enabled | Self::EnabledWithAllCloudtrailManagementEvents => true,
            Self::Disabled => false,
        }
    }

    /// The word for people.
    pub fn word(self) -> &'static str {
        if self.is_enabled() { "enabled" } else { "disabled" }
    }
}

/// A rule as it was found (EventBridge `DescribeRule`, `ListTargetsByRule`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleFact {
    /// Its state.
    pub state: RuleState,
    /// The AWS service that manages it; such a rule is never touched.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub managed_by: Option<String>,
    /// The ARNs of its targets.
    #[serde(default)]
    pub targets: Vec<String>,
}

/// Messages in a dead-letter queue (SQS `GetQueueAttributes`); each number is AWS's approximation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DlqDepth {
    /// ApproximateNumberOfMessages.
    pub visible: i64,
    /// ApproximateNumberOfMessagesNotVisible.
    pub in_flight: i64,
    /// ApproximateNumberOfMessagesDelayed.
    pub delayed: i64,
}

impl DlqDepth {
    /// All messages together.
    pub fn total(self) -> i64 {
        self.visible + self.in_flight + self.delayed
    }
}

/// The state of an alarm (CloudWatch `StateValue`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "CloudWatch's own words")]
pub enum AlarmState {
    Ok,
    Alarm,
    InsufficientData,
}

/// An alarm as it was found (CloudWatch `DescribeAlarms`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmStatus {
    /// Its state.
    pub state: AlarmState,
    /// CloudWatch's reason for it.
    #[serde(default)]
    pub reason: String,
    /// Since when, UTC.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub since: Option<Timestamp>,
}

/// What was observed before a plan was made. What could not be asked is absent, and said in `notes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The rules that the command speaks of, by short name.
    #[serde(default)]
    pub rules: BTreeMap<String, RuleFact>,
    /// The dead-letter queues by name.
    #[serde(default)]
    pub dlqs: BTreeMap<String, DlqDepth>,
    /// The alarms by name; those that do not exist are absent.
    #[serde(default)]
    pub alarms: BTreeMap<String, AlarmStatus>,
    /// What the failure and traffic metrics of each rule said of the minute that was running, by short name and metric:
    /// the part of that minute's datapoint that the run did not cause.
    #[serde(default)]
    pub running_minute: BTreeMap<String, BTreeMap<String, i64>>,
    /// The start of that minute, UTC.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub minute: Option<Timestamp>,
    /// For `restore`: the states from before the last rollback, by short name, and which run that was.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub before_rollback: Option<(super::RunId, BTreeMap<String, RuleState>)>,
    /// What is deployed; none when it was not asked for or could not be read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub version: Option<super::Version>,
    /// For `deploy` where `sam` deploys: what is checked out.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sam: Option<super::SamFacts>,
    /// For a deployment by change set.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub change_set: Option<Box<super::ChangeSetFacts>>,
    /// For a deployment: what the function runs before it; none when that could not be read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub artefact: Option<super::Artefact>,
    /// For `recover` and `rollback --code --function`: the stack's status; none when there is no stack.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stack_status: Option<String>,
    /// For `hard-stop`, `restore` and `rollback --code --function`: the function.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub function: Option<Box<super::FunctionFact>>,
    /// For `replay`: the archive and the window.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub replay: Option<Box<super::ReplayFacts>>,
    /// For `dlq redrive`: what lies in the queue.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub redrive: Option<Box<super::RedriveFacts>>,
    /// For `smoke`: whether the function may be invoked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub smoke: Option<Box<super::SmokeFacts>>,
    /// What people have to know before the plan is carried out.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub remarks: Vec<super::Remark>,
    /// What could not be observed, and why.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub notes: Vec<String>,
}
