//! What a journal says: events, appended once and never changed.
//!
//! The JSON of these types is the format of the audit log. Fields may be added with a default; a kind or a field that is
//! there stays, with its meaning, because journals outlive the binary that wrote them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Actor, Answer, Check, Command, Facts, Outcome, Plan, PlanDigest, Rule, RuleState, RunId, StepId, StepStatus,
};

/// An event with its place in the journal of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// Whose journal.
    pub run: RunId,
    /// Its number there, from 1 on without gaps.
    pub seq: i64,
    /// When it was recorded, UTC.
    pub at: Timestamp,
    /// What happened.
    pub event: Event,
    /// SHA-256 over the previous event's hash and this event, hexadecimal.
    pub hash: String,
}

/// Where in Slack a request came from, and so where its thread goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlackPlace {
    /// The channel's id.
    pub channel: String,
    /// The thread it was asked in, for mentions.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub thread_ts: Option<String>,
}

/// Where a request came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum Origin {
    /// Slack.
    Slack(SlackPlace),
    /// `alch run`.
    Terminal,
}

/// What an act changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The state found right before.
    pub from: RuleState,
    /// The state read back.
    pub to: RuleState,
    /// Whether this run changed it; false when it was so already.
    pub changed: bool,
    /// The request ids of AWS, for CloudTrail.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub request_ids: Vec<String>,
    /// How long the calls took, milliseconds.
    #[serde(default)]
    pub elapsed_ms: u64,
}

/// What the emergency path did to one rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleOutcome {
    /// Which.
    pub rule: Rule,
    /// The state from before; none when it could not be read in time.
    pub before: Option<RuleState>,
    /// The state read back afterwards; none when it could not be read.
    pub after: Option<RuleState>,
    /// How often DisableRule was called.
    pub attempts: u32,
    /// From the start of the rollback until AWS confirmed, milliseconds.
    pub elapsed_ms: u64,
    /// Why it failed, for people.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// Somebody asked. The first event of every run.
    Requested {
        /// For what.
        command: Command,
        /// As it was typed.
        text: String,
        /// Who.
        actor: Actor,
        /// Where.
        environment: String,
        /// From where.
        origin: Origin,
        /// Whether to wait for the environment when another run holds it.
        #[serde(default)]
        queue: bool,
        /// What the decision to permit it rested on, when that deserves a word.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        notes: Vec<String>,
    },
    /// The world as it was before planning.
    Observed {
        /// What was seen.
        facts: Facts,
    },
    /// What will be done.
    Planned {
        /// The plan.
        plan: Plan,
        /// Its digest.
        digest: PlanDigest,
    },
    /// The environment is held by another run; this one waits for it.
    Waiting {
        /// Who holds it.
        holder: RunId,
    },
    /// The environment is held by this run now.
    Locked,
    /// Intent: the step is about to be done.
    Started {
        /// Which.
        step: StepId,
    },
    /// The act of a step has happened and was read back.
    Applied {
        /// Which.
        step: StepId,
        /// What it changed.
        change: Change,
    },
    /// Checks were made, and something about them is new.
    Checked {
        /// For which step.
        step: StepId,
        /// All of them.
        checks: Vec<Check>,
    },
    /// A step is over.
    Finished {
        /// Which.
        step: StepId,
        /// How it ended.
        status: StepStatus,
        /// In words, for people, plain text.
        summary: String,
    },
    /// AWS could not be asked or did not do it; it is tried again.
    Troubled {
        /// During which step; none while observing before the plan.
        step: Option<StepId>,
        /// What went wrong, for people.
        problem: String,
        /// When it is tried again, UTC.
        retry_at: Timestamp,
    },
    /// A person is asked.
    Asked {
        /// About which step.
        step: StepId,
        /// What.
        question: String,
        /// Until when the question stands, UTC.
        until: Timestamp,
    },
    /// A person has answered. A signal: may be recorded by anyone, at any time.
    Answered {
        /// About which step.
        step: StepId,
        /// What.
        answer: Answer,
        /// Who.
        actor: Actor,
    },
    /// Somebody wants the run to stop. A signal.
    CancelRequested {
        /// Who.
        actor: Actor,
    },
    /// A rollback goes first. A signal.
    Preempted {
        /// Which rollback.
        by: RunId,
    },
    /// The run aborts: what it did is undone, latest first.
    Undoing {
        /// Why, for people.
        reason: String,
    },
    /// A step was undone.
    Undone {
        /// Which.
        step: StepId,
        /// What that changed.
        change: Change,
    },
    /// The emergency path disabled the rules.
    RulesDisabled {
        /// Each rule's outcome.
        rules: Vec<RuleOutcome>,
        /// From the request's arrival until the list call had verified it, milliseconds.
        elapsed_ms: u64,
        /// Whether every rule is shown to be off.
        verified: bool,
    },
    /// The run is over. Nothing of weight follows it.
    Ended {
        /// How.
        outcome: Outcome,
        /// What happened, what it means for the environment now, and what to do next; plain text.
        summary: String,
        /// The rules' states as last read or set, by short name.
        #[serde(default)]
        rules: BTreeMap<String, RuleState>,
        /// Commands that undo or go on, as typed after `/alch`.
        #[serde(default)]
        next: Vec<String>,
    },
}

impl Event {
    /// The kind's name in the JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Requested { .. } => "requested",
            Self::Observed { .. } => "observed",
            Self::Planned { .. } => "planned",
            Self::Waiting { .. } => "waiting",
            Self::Locked => "locked",
            Self::Started { .. } => "started",
            Self::Applied { .. } => "applied",
            Self::Checked { .. } => "checked",
            Self::Finished { .. } => "finished",
            Self::Troubled { .. } => "troubled",
            Self::Asked { .. } => "asked",
            Self::Answered { .. } => "answered",
            Self::CancelRequested { .. } => "cancel_requested",
            Self::Preempted { .. } => "preempted",
            Self::Undoing { .. } => "undoing",
            Self::Undone { .. } => "undone",
            Self::RulesDisabled { .. } => "rules_disabled",
            Self::Ended { .. } => "ended",
        }
    }
}
