//! What a journal says: events, appended once and never changed.
//!
//! The JSON of these types is the format of the audit log. Fields may be added with a default; a kind or a field that is
//! there stays, with its meaning, because journals outlive the binary that wrote them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Actor, Answer, Check, Command, Destination, Facts, Hold, HoldKind, Moment, Outcome, Plan, PlanDigest, Progress,
    Receipt, Rule, RuleState, RunId, StepId, StepStatus, Subject,
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

/// An event as it is stored: its JSON is what was written, which is what the hash is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalLine {
    /// Where the run acts.
    pub environment: String,
    /// Whose journal.
    pub run: RunId,
    /// Its number there.
    pub seq: i64,
    /// When it was recorded, UTC.
    pub at: Timestamp,
    /// The event's JSON.
    pub body: String,
    /// SHA-256 over the previous event's hash and this event, hexadecimal.
    pub hash: String,
}

impl JournalLine {
    /// What happened; none when this version cannot read it.
    pub fn event(&self) -> Option<Event> {
        serde_json::from_str(&self.body).ok()
    }
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
    /// Alch itself, on its own schedule: told in Slack only when it ends badly.
    Schedule,
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
    /// The safeguards, asked together with the plan that follows.
    Safeguarded {
        /// Each with its evidence.
        checks: Vec<Check>,
    },
    /// The world is not what the plan was made for any more; a new plan follows.
    Drifted {
        /// What differs, for people, plain text.
        differences: Vec<String>,
    },
    /// People are asked to approve.
    ApprovalAsked {
        /// What.
        subject: Subject,
        /// Of which plan.
        digest: PlanDigest,
        /// How many different people have to.
        needed: u32,
        /// Until when the question stands, UTC.
        until: Timestamp,
    },
    /// Somebody approves. A signal; recorded only while it counts.
    Approved {
        /// What.
        subject: Subject,
        /// Of which plan.
        digest: PlanDigest,
        /// Who.
        actor: Actor,
        /// What they had to say.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        note: Option<String>,
        /// Whether a second factor was shown.
        #[serde(default)]
        stepped_up: bool,
    },
    /// Somebody rejects. A signal; recorded only while it counts.
    Rejected {
        /// What.
        subject: Subject,
        /// Of which plan.
        digest: PlanDigest,
        /// Who.
        actor: Actor,
        /// Why.
        reason: String,
    },
    /// Half of an approval's time is over: its approvers are reminded.
    Reminded {
        /// Of what.
        subject: Subject,
    },
    /// An approval's time is over.
    Lapsed {
        /// Of what.
        subject: Subject,
    },
    /// The escalation contact is called: before an approval lapses by Alch, or by a person. A signal.
    Escalated {
        /// Who calls.
        actor: Actor,
        /// The contact, as configured.
        contact: String,
        /// Why.
        reason: String,
    },
    /// Somebody entitled overrides a safeguard that fails. A signal; recorded only while it counts.
    Overridden {
        /// The safeguard's name.
        safeguard: String,
        /// For which plan.
        digest: PlanDigest,
        /// Who.
        actor: Actor,
        /// Why.
        reason: String,
    },
    /// The world was looked at again after the approval and is what was approved.
    Cleared {
        /// The plan that is carried out.
        digest: PlanDigest,
    },
    /// Nothing new is to begin. A signal.
    Paused {
        /// Who.
        actor: Actor,
        /// Why; an objection's reason.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        reason: Option<String>,
        /// Whether it is a stakeholder's objection.
        #[serde(default)]
        objection: bool,
    },
    /// The run goes on. A signal.
    Resumed {
        /// Who.
        actor: Actor,
    },
    /// Somebody wants a step left out. A signal.
    SkipRequested {
        /// Which.
        step: StepId,
        /// Who.
        actor: Actor,
        /// Why.
        reason: String,
    },
    /// A stakeholder was told.
    Delivered {
        /// Before or after.
        moment: Moment,
        /// Whom.
        to: Destination,
        /// Slack's message ts, or the SNS MessageId.
        receipt: String,
    },
    /// A stakeholder could not be told.
    Undelivered {
        /// Before or after.
        moment: Moment,
        /// Whom.
        to: Destination,
        /// Why, for people.
        problem: String,
    },
    /// An environment is frozen or locked from now on.
    Held {
        /// How.
        hold: Hold,
    },
    /// A freeze or a lock is lifted.
    Released {
        /// Which of the two.
        hold: HoldKind,
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
    /// The effect of a step has been done, or was found to be done. It may take time until it is over.
    Effected {
        /// Which.
        step: StepId,
        /// What shows it.
        receipt: Receipt,
    },
    /// There is news of a step that takes time.
    Progressed {
        /// Which.
        step: StepId,
        /// The news.
        progress: Progress,
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
        /// Until when it is tried again, UTC; none in journals from before this was recorded.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        gives_up_at: Option<Timestamp>,
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
    /// What was prepared for the plan and not carried out was taken away again (CloudFormation `DeleteChangeSet`), or could
    /// not be. Follows the end.
    Discarded {
        /// The change sets, by name.
        change_sets: Vec<String>,
        /// Why they are still there, for people.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        problem: Option<String>,
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
            Self::Safeguarded { .. } => "safeguarded",
            Self::Drifted { .. } => "drifted",
            Self::ApprovalAsked { .. } => "approval_asked",
            Self::Approved { .. } => "approved",
            Self::Rejected { .. } => "rejected",
            Self::Reminded { .. } => "reminded",
            Self::Lapsed { .. } => "lapsed",
            Self::Escalated { .. } => "escalated",
            Self::Overridden { .. } => "overridden",
            Self::Cleared { .. } => "cleared",
            Self::Paused { .. } => "paused",
            Self::Resumed { .. } => "resumed",
            Self::SkipRequested { .. } => "skip_requested",
            Self::Delivered { .. } => "delivered",
            Self::Undelivered { .. } => "undelivered",
            Self::Held { .. } => "held",
            Self::Released { .. } => "released",
            Self::Waiting { .. } => "waiting",
            Self::Locked => "locked",
            Self::Started { .. } => "started",
            Self::Applied { .. } => "applied",
            Self::Effected { .. } => "effected",
            Self::Progressed { .. } => "progressed",
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
            Self::Discarded { .. } => "discarded",
            Self::Ended { .. } => "ended",
        }
    }
}
