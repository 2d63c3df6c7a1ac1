//! People's decisions about what a run may do: each about one plan's digest, and one subject of it.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Actor, PlanDigest, StepId};

/// What is decided about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The whole plan.
    Plan,
    /// The go-ahead of one step, where the plan asks for each.
    Step(StepId),
    /// Leaving a step out.
    Skip(StepId),
}

impl fmt::Display for Subject {
    /// As buttons carry it: `plan`, `step/enable:x`, `skip/watch:x`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plan => f.write_str("plan"),
            Self::Step(step) => write!(f, "step/{step}"),
            Self::Skip(step) => write!(f, "skip/{step}"),
        }
    }
}

impl FromStr for Subject {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.split_once('/') {
            None if text == "plan" => Ok(Self::Plan),
            Some(("step", step)) if !step.is_empty() => Ok(Self::Step(StepId(step.to_owned()))),
            Some(("skip", step)) if !step.is_empty() => Ok(Self::Skip(StepId(step.to_owned()))),
            _ => Err(()),
        }
    }
}

/// What a plan says of the approvals that it needs. Part of the plan, so that its digest covers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedApproval {
    /// How many different people have to approve, before overrides.
    pub needed: u32,
    /// How long a question stands.
    pub expires: SignedDuration,
}

/// One approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// When, UTC.
    pub at: Timestamp,
    /// By whom.
    pub actor: Actor,
    /// What they had to say.
    pub note: Option<String>,
    /// Whether a second factor was shown.
    pub stepped_up: bool,
}

/// One question for approval, with what people decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round {
    /// About what.
    pub subject: Subject,
    /// Of which plan.
    pub digest: PlanDigest,
    /// How many different people have to approve; grows with an override.
    pub needed: u32,
    /// When it was asked, UTC.
    pub asked_at: Timestamp,
    /// Until when it stands, UTC.
    pub until: Timestamp,
    /// When people were reminded, UTC.
    pub reminded: Option<Timestamp>,
    /// When the escalation was called, UTC.
    pub escalated: Option<Timestamp>,
    /// Who approved, each person once, in order.
    pub approvals: Vec<Approval>,
    /// Who rejected it, when and why.
    pub rejected: Option<(Timestamp, Actor, String)>,
    /// Whether its time is over.
    pub lapsed: bool,
    /// Whether another plan has taken the place of the one that it is about.
    pub superseded: bool,
}

impl Round {
    /// Whether a decision still counts.
    pub fn is_open(&self) -> bool {
        !self.is_granted() && self.rejected.is_none() && !self.lapsed && !self.superseded
    }

    /// Whether enough people have approved.
    pub fn is_granted(&self) -> bool {
        self.rejected.is_none() && !self.lapsed && !self.superseded && self.approvals.len() >= self.needed as usize
    }

    /// When people are reminded: at half time.
    pub fn remind_at(&self) -> Timestamp {
        self.part(1, 2)
    }

    /// When the escalation is called, before it lapses: after five sixths of the time.
    pub fn escalate_at(&self) -> Timestamp {
        self.part(5, 6)
    }

    fn part(&self, of: i32, parts: i32) -> Timestamp {
        let whole = self.until.duration_since(self.asked_at);
        self.asked_at.saturating_add(whole / parts * of).unwrap_or(self.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_read_as_they_are_written() {
        for subject in
            [Subject::Plan, Subject::Step(StepId("enable:a".into())), Subject::Skip(StepId("watch:a/b".into()))]
        {
            assert_eq!(subject.to_string().parse(), Ok(subject));
        }
        for text in ["", "step", "step/", "plan/x", "other/x"] {
            assert_eq!(text.parse::<Subject>(), Err(()), "{text}");
        }
    }
}
