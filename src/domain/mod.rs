//! The words of the design as plain values: what every other module talks about. No I/O, no clock.

mod approval;
mod change_set;
mod check;
mod command;
mod dead_letters;
mod deploy;
mod effect;
mod environment;
mod event;
mod facts;
mod function;
mod held;
mod hold;
mod ids;
mod known_version;
mod log;
mod notice;
mod partition;
mod plan;
mod replay;
mod roles;
mod run;
mod smoke;
mod span;
mod subscription;
mod version;

pub use approval::{Approval, PlannedApproval, Round, Subject};
pub use change_set::{
    ChangeSet, ChangeSetFacts, ChangeSetOrder, ChangeSetState, Replacement, ResourceChange, StackEvent,
};
pub use check::{Check, Evidence, Verdict};
pub use command::{Answer, AuditFormat, CodeRollback, Command, Selection};
pub use dead_letters::DeadLetterGroup;
pub use deploy::{ChangesetDeployer, CheckedOut, Deploy, Deployer, SamDeployer, SamFacts};
pub use effect::{Detail, Effect, Inspection, Progress, Receipt};
pub use environment::{
    ApprovalMode, ApprovalRule, Approvals, Blackout, CommandApprovals, Environment, GateLimits, Notify, OnGateFailure,
    OnInconclusive, Roles, Rule, Safeguards, SessionStyle, StepUp, Table, TimeRange, Waits, Weekday, Window,
};
pub use event::{Change, Event, JournalLine, Origin, Recorded, RuleOutcome, SlackPlace};
pub use facts::{AlarmState, AlarmStatus, DlqDepth, Facts, RuleFact, RuleState};
pub use function::{Artefact, Expected, ExpectedBy, FunctionFact, Package};
pub use held::{Fence, Held};
pub use hold::{Hold, HoldKind};
pub use ids::{Actor, BadRunId, RunId, Standing, StepId};
pub use known_version::{How, KnownVersion};
pub use log::LogLine;
pub use notice::{Delivery, Destination, Moment};
pub use partition::{Partition, arn, console_url, global_arn};
pub use plan::{PLAN_VERSION, Plan, PlanDigest, Step, StepKind, World};
pub use replay::{ArchiveFact, RedriveFacts, Remark, ReplayFact, ReplayFacts, ReplayOrder, ReplayState};
pub use roles::{Membership, Memberships, Principal, Role};
pub use run::{Ended, Outcome, Pause, Phase, Run, SkipRequest, StepProgress, StepStatus};
pub use smoke::{Smoke, SmokeFacts};
pub use span::span;
pub use subscription::Subscription;
pub use version::{AlarmChange, Version};
