//! The metrics that a gate looks at, and the exact question that is asked for each.

use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};

use crate::domain::{Environment, Rule};

/// A metric that a gate looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GateMetric {
    /// Events that could not be delivered to the rule's target.
    FailedInvocations,
    /// Events that EventBridge held back.
    ThrottledRules,
    /// Events that could be written neither to the target nor to the dead-letter queue.
    FailedToDlq,
    /// Invocations of the rule's targets: the evidence of traffic.
    Invocations,
    /// Events that the rule matched.
    TriggeredRules,
    /// Failures of the function.
    FunctionErrors,
    /// Invocations that Lambda refused for lack of concurrency.
    FunctionThrottles,
    /// Invocations that the function had.
    FunctionInvocations,
}

impl GateMetric {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::FailedInvocations,
        Self::ThrottledRules,
        Self::FailedToDlq,
        Self::Invocations,
        Self::TriggeredRules,
        Self::FunctionErrors,
        Self::FunctionThrottles,
        Self::FunctionInvocations,
    ];

    /// A stable name, as in [`crate::domain::Facts::running_minute`].
    pub fn key(self) -> &'static str {
        match self {
            Self::FailedInvocations => "failed-invocations",
            Self::ThrottledRules => "throttled-rules",
            Self::FailedToDlq => "failed-to-dlq",
            Self::Invocations => "invocations",
            Self::TriggeredRules => "triggered-rules",
            Self::FunctionErrors => "function-errors",
            Self::FunctionThrottles => "function-throttles",
            Self::FunctionInvocations => "function-invocations",
        }
    }

    /// CloudWatch's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::FailedInvocations => "FailedInvocations",
            Self::ThrottledRules => "ThrottledRules",
            Self::FailedToDlq => "InvocationsFailedToBeSentToDlq",
            Self::Invocations | Self::FunctionInvocations => "Invocations",
            Self::TriggeredRules => "TriggeredRules",
            Self::FunctionErrors => "Errors",
            Self::FunctionThrottles => "Throttles",
        }
    }

    /// Whether it speaks of the function rather than the rule.
    pub fn is_of_function(self) -> bool {
        match self {
            Self::FunctionErrors | Self::FunctionThrottles | Self::FunctionInvocations => true,
            Self::FailedInvocations
            | Self::ThrottledRules
            | Self::FailedToDlq
            | Self::Invocations
            | Self::TriggeredRules => false,
        }
    }

    /// What to ask CloudWatch. Rules are asked for with their bus: CloudWatch keeps each set of dimensions apart, and
    /// that of the rule alone speaks of the default bus.
    pub fn query(self, environment: &Environment, rule: &Rule) -> MetricQuery {
        let (namespace, dimensions) = if self.is_of_function() {
            ("AWS/Lambda", vec![("FunctionName", environment.function.clone())])
        } else {
            ("AWS/Events", vec![("EventBusName", environment.bus.clone()), ("RuleName", rule.rule.clone())])
        };
        MetricQuery { namespace, name: self.name(), dimensions }
    }
}

/// One question to CloudWatch: always the sum, by minute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricQuery {
    /// The namespace.
    pub namespace: &'static str,
    /// The metric.
    pub name: &'static str,
    /// The dimensions, exactly.
    pub dimensions: Vec<(&'static str, String)>,
}

impl MetricQuery {
    /// Seconds that one datapoint covers.
    pub const PERIOD_SECONDS: i32 = 60;
}

impl fmt::Display for MetricQuery {
    /// As evidence: enough to ask the same by hand.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GetMetricData {} {} {{", self.namespace, self.name)?;
        for (n, (name, value)) in self.dimensions.iter().enumerate() {
            write!(f, "{}{name}={value}", if n == 0 { "" } else { ", " })?;
        }
        write!(f, "}} Sum {} s", Self::PERIOD_SECONDS)
    }
}

/// The datapoints of one query. A minute without one had none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// What was asked.
    pub query: MetricQuery,
    /// The sums by the start of their minute, UTC.
    pub points: BTreeMap<Timestamp, i64>,
}

/// The start of the minute that a time lies in.
pub fn minute_of(time: Timestamp) -> Timestamp {
    let second = time.as_second();
    Timestamp::from_second(second - second.rem_euclid(60)).unwrap_or(time)
}

/// The end of the minute that a time lies in: the exclusive end of a window that includes it.
pub fn minute_after(time: Timestamp) -> Timestamp {
    minute_of(time).saturating_add(SignedDuration::from_mins(1)).unwrap_or(time)
}
