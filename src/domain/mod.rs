//! The words of the design as plain values: what every other module talks about. No I/O, no clock.

mod check;
mod command;
mod environment;
mod event;
mod facts;
mod held;
mod ids;
mod plan;
mod run;

pub use check::{Check, Evidence, Verdict};
pub use command::{Answer, Command, Selection};
pub use environment::{
    ApprovalRule, Environment, GateLimits, OnGateFailure, OnInconclusive, Rule, Table, TimeRange, Waits, Weekday,
    Window,
};
pub use event::{Change, Event, Origin, Recorded, RuleOutcome, SlackPlace};
pub use facts::{AlarmState, AlarmStatus, DlqDepth, Facts, RuleFact, RuleState};
pub use held::Held;
pub use ids::{Actor, BadRunId, RunId, Standing, StepId};
pub use plan::{PLAN_VERSION, Plan, PlanDigest, Step, StepKind};
pub use run::{Ended, Outcome, Phase, Run, StepProgress, StepStatus};
