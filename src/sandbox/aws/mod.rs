//! An emulated AWS: a small world of stacks that moves with a [`Clock`](crate::clock::Clock), and one local endpoint
//! that answers for it in the services' own wire protocols. It holds no name of a real system: [`StackSpec`] brings them.
//!
//! It answers for EventBridge, CloudWatch, SQS, DynamoDB, Lambda, CloudFormation, SNS, IAM and STS, and only for the operations that somebody here uses;
//! anything else gets the protocol's error for an unknown operation and is marked [`Outcome::Unknown`] in the call log.
//! A new operation goes into the file of its service. Time passes for the world when it is asked something, never by
//! itself, so that a test with a clock of its own finds the same world each time.

mod alarms;
mod build;
mod bus_events;
mod calls;
mod change_sets;
mod cloudformation;
mod cloudwatch;
mod cloudwatch_alarms;
mod deploy;
mod dynamodb;
mod events;
mod faults;
mod flow;
mod iam;
mod input;
mod invoke;
mod lambda;
mod levers;
mod logs;
mod messages;
mod metrics;
mod panel;
mod query;
mod refusal;
mod replays;
mod rights;
mod serve;
mod sns;
mod spec;
mod sqs;
mod state;
mod sts;
#[cfg(test)]
mod tests;
mod wire;
mod world;

pub use bus_events::BusEvent;
pub use calls::{Call, Outcome};
pub use change_sets::VersionPlan;
pub use faults::{ApiFault, Failure, Fault, FaultGroup};
pub use levers::{DeadLetter, MessageState};
pub use spec::{AlarmMetric, AlarmSpec, Pace, RuleSpec, StackSpec, TradeSpec};
pub use state::{AlarmState, Published, QueueDepth, RuleState, Session};
pub use world::{LoadError, World};
