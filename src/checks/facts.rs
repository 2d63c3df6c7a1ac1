//! What is read of an environment's resources to judge them, beside what plans need: with ARNs, policies, dead-letter
//! queues. Plain values; where nothing is there, the answer is none: that was asked and answered.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::domain::{AlarmStatus, DlqDepth, Rule, RuleFact, Subscription};

use super::{MetricQuery, Permission, Reading, Series};

/// A bus (EventBridge `DescribeEventBus`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusFact {
    /// Its ARN.
    pub arn: String,
    /// Its policy, if it has one.
    pub policy: Option<String>,
}

/// A rule with all of its targets (EventBridge `DescribeRule`, `ListTargetsByRule`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FullRule {
    /// Its ARN.
    pub arn: String,
    /// What plans need of it.
    pub fact: RuleFact,
    /// The pattern by which it picks events.
    pub pattern: Option<String>,
    /// Its targets.
    pub targets: Vec<TargetFact>,
}

/// A target of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetFact {
    /// Its ARN.
    pub arn: String,
    /// The ARN of the queue for what cannot be delivered to it.
    pub dlq: Option<String>,
}

/// A rule of the bus that is not configured (EventBridge `ListRules`, `ListTargetsByRule`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherRule {
    /// Its name.
    pub name: String,
    /// Whether it is enabled.
    pub enabled: bool,
    /// The ARNs of its targets.
    pub targets: Vec<String>,
}

/// A function (Lambda `GetFunctionConfiguration`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionFact {
    /// Its ARN.
    pub arn: String,
    /// The ARN of the role that it runs with.
    pub role: String,
    /// When its code or configuration was changed last, UTC.
    pub modified: Option<Timestamp>,
    /// The log group that it writes to (LoggingConfig.LogGroup).
    pub log_group: String,
}

/// A queue (SQS `GetQueueAttributes`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueFact {
    /// Its ARN.
    pub arn: String,
    /// What lies in it.
    pub depth: DlqDepth,
    /// Its policy, if it has one.
    pub policy: Option<String>,
}

/// An alarm with what it watches and whom it tells (CloudWatch `DescribeAlarms`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlarmFact {
    /// Its state.
    pub status: AlarmStatus,
    /// Whether its actions are carried out.
    pub actions_enabled: bool,
    /// The ARNs that it tells when it goes off.
    pub actions: Vec<String>,
    /// The metrics that it watches; none for a composite one.
    pub metrics: Vec<AlarmMetric>,
}

/// A metric that an alarm watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlarmMetric {
    /// `AWS/Events`.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its dimensions.
    pub dimensions: BTreeMap<String, String>,
}

/// What the checklist and the doctor read of an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChecklistReadings {
    /// When, UTC.
    pub at: Timestamp,
    /// The bus.
    pub bus: Reading<Option<BusFact>>,
    /// The configured rules by short name.
    pub rules: BTreeMap<String, Reading<Option<FullRule>>>,
    /// The rules of the bus that are not configured and that no AWS service manages.
    pub others: Reading<Vec<OtherRule>>,
    /// The function.
    pub function: Reading<Option<FunctionFact>>,
    /// The function's own policy; none when it has none.
    pub function_policy: Reading<Option<String>>,
    /// The dead-letter queues by name.
    pub queues: BTreeMap<String, Reading<Option<QueueFact>>>,
    /// The alarms by name; those that do not exist are absent.
    pub alarms: Reading<BTreeMap<String, AlarmFact>>,
    /// The ARN of the topic that alarms are to tell.
    pub topic: Result<String, String>,
    /// The topic's subscriptions; none when there is no such topic.
    pub subscriptions: Reading<Option<Vec<Subscription>>>,
    /// The idempotency table.
    pub table: Reading<Option<super::checklist::TableFact>>,
    /// Its expiry.
    pub ttl: Reading<Option<super::checklist::TtlFact>>,
    /// Its ARN, or why it is not known.
    pub table_arn: Result<String, String>,
    /// Its policy; none when it has none.
    pub table_policy: Reading<Option<String>>,
    /// What the function's role may do with the table, by action.
    pub table_access: Reading<Vec<(String, Permission)>>,
    /// What it may do with the bus, by action.
    pub bus_access: Reading<Vec<(String, Permission)>>,
    /// From when on recent invocations count: a full minute, UTC.
    pub recent_from: Timestamp,
    /// From when on throttles count: a full minute, UTC.
    pub throttles_from: Timestamp,
    /// The end of both, exclusive: a full minute, UTC.
    pub until: Timestamp,
    /// The metrics that were asked for.
    pub metrics: BTreeMap<Measured, Reading<Series>>,
    /// What the function's log says of failures since `recent_from`, newest last; none when there is no log group.
    pub log: Reading<Option<Vec<String>>>,
}

/// A metric that the checklist looks at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measured {
    /// Runs of the function.
    FunctionInvocations,
    /// Runs that failed.
    FunctionErrors,
    /// Events that Lambda gave up on.
    EventsDropped,
    /// Results that could not be passed on.
    DeliveryFailures,
    /// Invocations of a rule's targets, by the rule's short name.
    RuleInvocations(String),
    /// Invocations that Lambda refused for lack of concurrency.
    FunctionThrottles,
    /// Events of a rule that EventBridge held back, by the rule's short name.
    ThrottledRule(String),
    /// Reads of the table that DynamoDB refused.
    TableReadThrottles,
    /// Writes to the table that DynamoDB refused.
    TableWriteThrottles,
}

impl Measured {
    /// Those of recent invocations.
    pub fn recent(rules: &[Rule]) -> Vec<Self> {
        let rules = rules.iter().map(|rule| Self::RuleInvocations(rule.name.clone()));
        [Self::FunctionInvocations, Self::FunctionErrors, Self::EventsDropped, Self::DeliveryFailures]
            .into_iter()
            .chain(rules)
            .collect()
    }

    /// Those of throttles.
    pub fn throttles(rules: &[Rule]) -> Vec<Self> {
        let rules = rules.iter().map(|rule| Self::ThrottledRule(rule.name.clone()));
        std::iter::once(Self::FunctionThrottles)
            .chain(rules)
            .chain([Self::TableReadThrottles, Self::TableWriteThrottles])
            .collect()
    }

    /// What to ask CloudWatch; none for a rule that is not configured. Rules are asked for with their bus.
    pub fn query(&self, environment: &crate::domain::Environment) -> Option<MetricQuery> {
        let function = |name| MetricQuery {
            namespace: "AWS/Lambda",
            name,
            dimensions: vec![("FunctionName", environment.function.clone())],
        };
        let table = |name| MetricQuery {
            namespace: "AWS/DynamoDB",
            name,
            dimensions: vec![("TableName", environment.table.name.clone())],
        };
        let of_rule = |rule: &str, name| {
            Some(MetricQuery {
                namespace: "AWS/Events",
                name,
                dimensions: vec![
                    ("EventBusName", environment.bus.clone()),
                    ("RuleName", environment.rule(rule)?.rule.clone()),
                ],
            })
        };
        match self {
            Self::FunctionInvocations => Some(function("Invocations")),
            Self::FunctionErrors => Some(function("Errors")),
            Self::EventsDropped => Some(function("AsyncEventsDropped")),
            Self::DeliveryFailures => Some(function("DestinationDeliveryFailures")),
            Self::FunctionThrottles => Some(function("Throttles")),
            Self::TableReadThrottles => Some(table("ReadThrottleEvents")),
            Self::TableWriteThrottles => Some(table("WriteThrottleEvents")),
            Self::RuleInvocations(rule) => of_rule(rule, "Invocations"),
            Self::ThrottledRule(rule) => of_rule(rule, "ThrottledRules"),
        }
    }
}

/// The actions that the function needs on its table.
pub const TABLE_ACTIONS: [&str; 2] = ["dynamodb:GetItem", "dynamodb:PutItem"];
/// The action that it needs on its bus.
pub const BUS_ACTIONS: [&str; 1] = ["events:PutEvents"];
/// Who delivers events.
pub(super) const EVENTS: &str = "events.amazonaws.com";

impl ChecklistReadings {
    /// The sum of a metric, or why it is not known.
    pub(super) fn sum(&self, measured: &Measured) -> Result<i64, &str> {
        match self.metrics.get(measured) {
            None => Err("it was not asked"),
            Some(Err(why)) => Err(why),
            Some(Ok(answer)) => Ok(answer.value.points.values().map(|value| (*value).max(0)).sum()),
        }
    }

    /// The ARNs of the queues that the rules' targets name.
    pub(super) fn target_queues(&self) -> BTreeSet<&str> {
        let rules = self.rules.values().filter_map(|reading| reading.as_ref().ok()?.value.as_ref());
        rules.flat_map(|rule| &rule.targets).filter_map(|target| target.dlq.as_deref()).collect()
    }
}
