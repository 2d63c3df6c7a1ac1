//! What a run will do, as a value. What is shown, approved, executed, resumed and undone is this one value.

use std::collections::BTreeMap;
use std::fmt;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    Command, Destination, Effect, Inspection, OnGateFailure, OnInconclusive, PlannedApproval, Rule, RuleState, StepId,
    Verdict, Version,
};

/// The version of the format below. Plans outlive the binary that wrote them: a change that an older reader would
/// misunderstand gets a new number.
pub const PLAN_VERSION: u32 = 1;

/// The ordered steps of one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The format's version.
    pub version: u32,
    /// What was asked for.
    pub command: Command,
    /// Where.
    pub environment: String,
    /// What will be done, in order.
    pub steps: Vec<Step>,
    /// What happens when a gate fails.
    pub on_gate_failure: OnGateFailure,
    /// The approvals that it needs before anything acts; none when it needs none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub approval: Option<PlannedApproval>,
    /// What of the world it rests on, where that is approved with it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub world: Option<World>,
    /// Who is told at the end, and before anything acts where a step says so.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub notify: Vec<Destination>,
}

/// What a plan rests on beside the states that its steps name. When any of it moves, the plan is another one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct World {
    /// The environment's alarms that are in ALARM, by name, sorted.
    pub alarms: Vec<String>,
    /// What is deployed; none when it could not be read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub version: Option<Version>,
    /// SHA-256 of the environment's configuration, hexadecimal.
    pub settings: String,
    /// The safeguards' verdicts by name.
    pub safeguards: BTreeMap<String, Verdict>,
}

/// The SHA-256 of a plan's JSON, in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlanDigest(pub String);

impl fmt::Display for PlanDigest {
    /// The first twelve digits: enough for people to compare.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.get(..12).unwrap_or(&self.0))
    }
}

/// One unit of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its name in the plan.
    pub id: StepId,
    /// What it does.
    pub kind: StepKind,
    /// The rule state that an abort of this run brings back; none when there is nothing to undo.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub undo: Option<RuleState>,
    /// Whether the step asks a person before it is done.
    #[serde(default)]
    pub needs_person: bool,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum StepKind {
    /// Act: set a rule's state and read it back.
    SetRule {
        /// Which.
        rule: Rule,
        /// On which bus.
        bus: String,
        /// The state that was found.
        from: RuleState,
        /// The state that is wanted.
        to: RuleState,
    },
    /// Wait, watching the gate's checks of a rule all the while. A check that fails ends the wait at once.
    Watch {
        /// Which rule.
        rule: Rule,
        /// How long.
        #[serde(rename = "for")]
        lasting: SignedDuration,
        /// How often the checks are made.
        poll: SignedDuration,
        /// The rules that this run enabled before, watched along.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        also: Vec<Rule>,
    },
    /// Tell stakeholders before anything acts. It is done when each of the plan's destinations has a receipt.
    Notify {
        /// How long that may take.
        patience: SignedDuration,
    },
    /// Watch all rules that this run enabled, after the last of them. A check that fails ends it at once.
    WatchAll {
        /// Which.
        rules: Vec<Rule>,
        /// How long.
        #[serde(rename = "for")]
        lasting: SignedDuration,
        /// How often the checks are made.
        poll: SignedDuration,
    },
    /// Gate: let the metrics settle, then decide.
    Gate {
        /// Which rule.
        rule: Rule,
        /// How long metrics are given to arrive, after the wait.
        settle: SignedDuration,
        /// What happens when there was no traffic.
        on_inconclusive: OnInconclusive,
    },
    /// Observe: the checklist of the environment.
    Checklist,
    /// Act: one effect, observed until it is over.
    Effect {
        /// Which.
        effect: Effect,
        /// How often it is looked at while it is not over.
        poll: SignedDuration,
        /// How long it may take until it counts as failed.
        patience: SignedDuration,
    },
    /// Observe: look once, or until what is looked for shows, and judge by checks.
    Inspect {
        /// At what.
        inspection: Inspection,
        /// How long it is looked again and again, until every check passes or one fails; once when not given.
        #[serde(rename = "for", skip_serializing_if = "Option::is_none", default)]
        lasting: Option<SignedDuration>,
    },
    /// Observe: watch rules for a time and tell what changes. A check that fails is told, and ends nothing.
    Monitor {
        /// Which.
        rules: Vec<Rule>,
        /// How long.
        #[serde(rename = "for")]
        lasting: SignedDuration,
        /// How often the checks are made.
        poll: SignedDuration,
    },
    /// Act: the emergency path, all rules off at once.
    DisableAll {
        /// Which, in order.
        rules: Vec<Rule>,
        /// On which bus.
        bus: String,
    },
}

impl Plan {
    /// The digest that approvals are bound to.
    pub fn digest(&self) -> PlanDigest {
        // Struct fields keep their order and maps are sorted, so equal plans have equal JSON.
        let json = serde_json::to_vec(self).unwrap_or_default();
        PlanDigest(hex::encode(Sha256::digest(json)))
    }

    /// Whether any step changes the environment.
    pub fn acts(&self) -> bool {
        self.steps.iter().any(|step| step.kind.acts())
    }

    /// How long the plan takes when nothing goes wrong, AWS's own time aside.
    pub fn expected(&self) -> SignedDuration {
        self.steps.iter().fold(SignedDuration::ZERO, |sum, step| match &step.kind {
            StepKind::Watch { lasting, .. }
            | StepKind::WatchAll { lasting, .. }
            | StepKind::Monitor { lasting, .. } => sum.saturating_add(*lasting),
            StepKind::Gate { settle, .. } => sum.saturating_add(*settle),
            StepKind::SetRule { .. }
            | StepKind::Notify { .. }
            | StepKind::Checklist
            | StepKind::Effect { .. }
            | StepKind::Inspect { .. }
            | StepKind::DisableAll { .. } => sum,
        })
    }
}

impl StepKind {
    /// Whether it changes the environment.
    pub fn acts(&self) -> bool {
        match self {
            Self::SetRule { .. } | Self::DisableAll { .. } => true,
            Self::Effect { effect, .. } => effect.holds_environment(),
            Self::Watch { .. }
            | Self::WatchAll { .. }
            | Self::Monitor { .. }
            | Self::Gate { .. }
            | Self::Notify { .. }
            | Self::Inspect { .. }
            | Self::Checklist => false,
        }
    }

    /// The rule that it is about, when it is about one.
    pub fn rule(&self) -> Option<&Rule> {
        match self {
            Self::SetRule { rule, .. } | Self::Watch { rule, .. } | Self::Gate { rule, .. } => Some(rule),
            Self::WatchAll { .. }
            | Self::Monitor { .. }
            | Self::Notify { .. }
            | Self::Checklist
            | Self::Effect { .. }
            | Self::Inspect { .. }
            | Self::DisableAll { .. } => None,
        }
    }

    /// What it does, for people: `Enable signal-generated`.
    pub fn title(&self) -> String {
        match self {
            Self::SetRule { rule, to, .. } if to.is_enabled() => format!("Enable {}", rule.name),
            Self::SetRule { rule, .. } => format!("Disable {}", rule.name),
            Self::Watch { rule, .. } => format!("Watch {}", rule.name),
            Self::WatchAll { .. } => "Watch everything enabled".to_owned(),
            Self::Notify { .. } => "Tell stakeholders".to_owned(),
            Self::Gate { rule, .. } => format!("Check {}", rule.name),
            Self::Checklist => "Go through the checklist".to_owned(),
            Self::Effect { effect, .. } => effect.title(),
            Self::Inspect { inspection, .. } => inspection.title().to_owned(),
            Self::Monitor { .. } => "Monitor everything".to_owned(),
            Self::DisableAll { .. } => "Disable all rules".to_owned(),
        }
    }
}
