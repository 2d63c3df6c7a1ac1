//! An environment as the configuration describes it: an AWS account and region, names of resources, waits, policy.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime, Time};
use serde::{Deserialize, Serialize};

use super::{ChangesetDeployer, Command, Deploy, Deployer, Principal, Role, SamDeployer, Smoke};

/// `dev`, `prod`, …: one deployment of the system that Alch looks after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// The name that people type; filled in from the table's key.
    #[serde(skip_deserializing, default)]
    pub name: String,
    /// Whom Alch calls when nobody decides; filled in from `contacts.escalation`.
    #[serde(skip_deserializing, default)]
    pub escalation: String,
    /// The AWS account's twelve digits. When given, Alch refuses to act in another.
    #[serde(default)]
    pub account: Option<String>,
    /// The AWS region, such as `us-east-1`.
    pub region: String,
    /// A role to assume for what acts in this environment, and for all else without `reader_role_arn`; the process's own
    /// identity when not given.
    #[serde(default)]
    pub role_arn: Option<String>,
    /// A role to assume for what only reads.
    #[serde(default)]
    pub reader_role_arn: Option<String>,
    /// How much of who acts the sessions of `role_arn` say.
    #[serde(default)]
    pub session: SessionStyle,
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
    /// For how many days the archive is to keep events; not compared when not given.
    #[serde(default)]
    pub archive_retention_days: Option<u32>,
    /// The SNS topic that the alarms publish to.
    pub alarm_topic: String,
    /// Who is to hear the alarms, by e-mail address or whatever SNS calls an endpoint; anybody when empty.
    #[serde(default)]
    pub alarm_subscribers: Vec<String>,
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
    /// Who may do what here.
    #[serde(default)]
    pub roles: Roles,
    /// How approvals are given here.
    #[serde(default)]
    pub approvals: Approvals,
    /// What has to hold before anything is enabled here.
    #[serde(default)]
    pub safeguards: Safeguards,
    /// Who is told before and after.
    #[serde(default)]
    pub notify: Notify,
    /// The environment that versions are promoted from, for `promote`.
    #[serde(default)]
    pub promote_from: Option<String>,
    /// How it is deployed to, for `deploy`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub deploy: Option<Deploy>,
    /// How the function proves paper mode, for `smoke`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub smoke: Option<Smoke>,
}

impl Environment {
    /// The rule of this short name.
    pub fn rule(&self, name: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.name == name)
    }

    /// SAM, where that deploys.
    pub fn sam(&self) -> Option<&SamDeployer> {
        self.deploy.as_ref().filter(|deploy| deploy.deployer == Deployer::Sam)?.sam.as_ref()
    }

    /// Change sets as the deployer, where they are.
    pub fn changeset(&self) -> Option<&ChangesetDeployer> {
        self.deploy.as_ref().filter(|deploy| deploy.deployer == Deployer::Changeset)?.changeset.as_ref()
    }

    /// Whether the whole of the safeguards is asked for a command of this name.
    pub fn asks_safeguards(&self, command: &str) -> bool {
        self.approval == ApprovalRule::Required && self.safeguards.commands.iter().any(|name| name == command)
    }

    /// Whether a run of `command` needs approval here. A rollback waits for nobody.
    pub fn needs_approval(&self, command: &Command) -> bool {
        self.approval == ApprovalRule::Required && command.acts() && !command.is_emergency()
    }

    /// How many different people have to approve a command of this name.
    pub fn approvals_needed(&self, command: &str) -> u32 {
        let own = self.approvals.commands.get(command).and_then(|own| own.needed);
        own.unwrap_or(self.approvals.needed)
    }

    /// Who may approve a command of this name.
    pub fn approvers(&self, command: &str) -> &[Principal] {
        let own = self.approvals.commands.get(command).and_then(|own| own.by.as_deref());
        own.unwrap_or(&self.roles.approver)
    }

    /// Whether a command of this name asks once for its plan or at each acting step.
    pub fn approval_mode(&self, command: &str) -> ApprovalMode {
        let own = self.approvals.commands.get(command).and_then(|own| own.approve);
        own.unwrap_or(self.approvals.approve)
    }
}

/// Who may do what, each role a list of `everyone`, user groups `S…` and people `U…`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Roles {
    /// Who may look.
    pub viewer: Vec<Principal>,
    /// Who may ask for what acts, and steer runs.
    pub operator: Vec<Principal>,
    /// Who may roll back.
    pub responder: Vec<Principal>,
    /// Who may approve.
    pub approver: Vec<Principal>,
    /// Who may freeze, break other people's locks and reset second factors.
    pub admin: Vec<Principal>,
    /// Who may ask for a command, by its name, instead of whoever has the role for it.
    pub commands: BTreeMap<String, Vec<Principal>>,
}

impl Default for Roles {
    fn default() -> Self {
        let everyone = || vec![Principal("everyone".to_owned())];
        Self {
            viewer: everyone(),
            operator: everyone(),
            responder: everyone(),
            approver: Vec::new(),
            admin: Vec::new(),
            commands: BTreeMap::new(),
        }
    }
}

impl Roles {
    /// Who has a role.
    pub fn of(&self, role: Role) -> &[Principal] {
        match role {
            Role::Viewer => &self.viewer,
            Role::Operator => &self.operator,
            Role::Responder => &self.responder,
            Role::Approver => &self.approver,
            Role::Admin => &self.admin,
        }
    }
}

/// How much of who acts a role's session says to CloudTrail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionStyle {
    /// Run and step by its name, the person by SourceIdentity and tags.
    #[default]
    Tagged,
    /// The name alone.
    Named,
}

/// How approvals are given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Approvals {
    /// How many different people have to approve.
    pub needed: u32,
    /// Once for the plan, or again at each step that acts.
    pub approve: ApprovalMode,
    /// How long a question stands.
    pub expires: SignedDuration,
    /// The commands whose requester may approve them, by name.
    pub by_requester: Vec<String>,
    /// Who may override a safeguard that fails.
    #[serde(rename = "override")]
    pub overriders: Vec<Principal>,
    /// Whether an approver has to show a second factor.
    pub step_up: StepUp,
    /// What differs for single commands, by name.
    pub commands: BTreeMap<String, CommandApprovals>,
}

impl Default for Approvals {
    fn default() -> Self {
        Self {
            needed: 1,
            approve: ApprovalMode::Plan,
            expires: SignedDuration::from_mins(30),
            by_requester: Vec::new(),
            overriders: Vec::new(),
            step_up: StepUp::None,
            commands: BTreeMap::new(),
        }
    }
}

/// How approvals of one command differ.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CommandApprovals {
    /// How many different people have to approve.
    pub needed: Option<u32>,
    /// Who may approve, instead of the role's people.
    pub by: Option<Vec<Principal>>,
    /// Once for the plan, or again at each step that acts.
    pub approve: Option<ApprovalMode>,
}

/// What an approval is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalMode {
    /// One for the whole plan.
    #[default]
    Plan,
    /// One for the plan, and one more right before each step that acts.
    Each,
}

/// A second factor of approvers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepUp {
    /// Slack's word is enough.
    #[default]
    None,
    /// A time-based one-time code (RFC 6238).
    Totp,
}

/// What has to hold before anything is enabled. What is not given is not asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Safeguards {
    /// How long the same version must have been healthy in `promote_from`.
    pub soak: Option<SignedDuration>,
    /// Rules are enabled one at a time, each watched for so long at least.
    pub one_rule_per: Option<SignedDuration>,
    /// How long the environment is watched on after the last rule.
    pub watch_after: Option<SignedDuration>,
    /// How long ago a rollback and re-enabling of the same version in `promote_from` may be.
    pub rehearsal: Option<SignedDuration>,
    /// The commands that they are asked for, by name. Freezes, locks, the window and the stakeholders are asked for
    /// whatever enables.
    pub commands: Vec<String>,
}

impl Default for Safeguards {
    fn default() -> Self {
        Self {
            soak: None,
            one_rule_per: None,
            watch_after: None,
            rehearsal: None,
            commands: vec!["promote".to_owned()],
        }
    }
}

/// Who is told before and after something acts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Notify {
    /// Slack channels (`C…`) and people (`U…`).
    pub slack: Vec<String>,
    /// An SNS topic, by name or ARN.
    pub topic: Option<String>,
    /// How long a notice may take to be delivered before it counts as undeliverable.
    pub patience: SignedDuration,
}

impl Default for Notify {
    fn default() -> Self {
        Self { slack: Vec::new(), topic: None, patience: SignedDuration::from_mins(10) }
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
    /// How long the function lets an item live; not known when not given.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub keeps: Option<SignedDuration>,
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
    /// How far back the checklist looks at what the function ran; never further than its last change.
    pub recent: SignedDuration,
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
            recent: SignedDuration::from_hours(24),
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
    /// Days and times at which nothing is allowed, such as holidays.
    #[serde(default)]
    pub blackout: Vec<Blackout>,
}

/// A time at which nothing is allowed, in the window's zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Blackout {
    /// A whole day.
    Day(Date),
    /// From one time until another, exclusive.
    Range {
        /// From when on.
        from: DateTime,
        /// Until when.
        until: DateTime,
    },
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
