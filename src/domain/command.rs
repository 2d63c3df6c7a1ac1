//! What a person can ask for, typed.

use serde::{Deserialize, Serialize};

use super::RunId;

/// Which rules of an environment are meant. Names are the short ones of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selection {
    /// All rules, in the configured order.
    All,
    /// One rule.
    One(String),
}

/// What a person chose when a run asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Wait as long again for traffic, then decide again.
    WaitOn,
    /// Go on although it is not proven.
    Continue,
    /// Undo what this run did, and end it.
    Undo,
}

/// A parsed request. Environments and rules in it exist in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// Enable rules, each watched and gated.
    Enable {
        /// Which.
        rules: Selection,
        /// Where.
        environment: String,
    },
    /// Disable rules.
    Disable {
        /// Which.
        rules: Selection,
        /// Where.
        environment: String,
    },
    /// The emergency path: all rules off, verified, everyone told.
    Rollback {
        /// Where.
        environment: String,
    },
    /// Bring back the rule states from before the last rollback, progressively and gated.
    Restore {
        /// Where.
        environment: String,
    },
    /// The checklist.
    Verify {
        /// Where.
        environment: String,
    },
    /// What state an environment, or all, are in.
    Status {
        /// Where; all when not said.
        environment: Option<String>,
    },
    /// Recent runs.
    Runs {
        /// Where; all when not said.
        environment: Option<String>,
    },
    /// One run's story.
    Show {
        /// Which.
        run: RunId,
    },
    /// Stop a run at its next safe point.
    Cancel {
        /// Which.
        run: RunId,
    },
    /// Answer a run that asks.
    Answer {
        /// Which.
        run: RunId,
        /// What.
        answer: Answer,
    },
    /// Who am I, and what may I do.
    Whoami,
    /// How to use a command, or all.
    Help {
        /// The command's name; an overview when not said.
        topic: Option<String>,
    },
}

impl Command {
    /// The command's first word, as typed.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Enable { .. } => "enable",
            Self::Disable { .. } => "disable",
            Self::Rollback { .. } => "rollback",
            Self::Restore { .. } => "restore",
            Self::Verify { .. } => "verify",
            Self::Status { .. } => "status",
            Self::Runs { .. } => "runs",
            Self::Show { .. } => "show",
            Self::Cancel { .. } => "cancel",
            Self::Answer { .. } => "answer",
            Self::Whoami => "whoami",
            Self::Help { .. } => "help",
        }
    }

    /// The environment that it speaks of, if it names one.
    pub fn environment(&self) -> Option<&str> {
        match self {
            Self::Enable { environment, .. }
            | Self::Disable { environment, .. }
            | Self::Rollback { environment }
            | Self::Restore { environment }
            | Self::Verify { environment } => Some(environment),
            Self::Status { environment } | Self::Runs { environment } => environment.as_deref(),
            Self::Show { .. } | Self::Cancel { .. } | Self::Answer { .. } | Self::Whoami | Self::Help { .. } => None,
        }
    }

    /// Whether it changes an environment.
    pub fn acts(&self) -> bool {
        match self {
            Self::Enable { .. } | Self::Disable { .. } | Self::Rollback { .. } | Self::Restore { .. } => true,
            Self::Verify { .. }
            | Self::Status { .. }
            | Self::Runs { .. }
            | Self::Show { .. }
            | Self::Cancel { .. }
            | Self::Answer { .. }
            | Self::Whoami
            | Self::Help { .. } => false,
        }
    }

    /// The command as one would type it after `/alch`.
    pub fn text(&self) -> String {
        let rules = |selection: &Selection| match selection {
            Selection::All => "all".to_owned(),
            Selection::One(rule) => rule.clone(),
        };
        let with = |environment: &Option<String>| environment.as_ref().map(|e| format!(" {e}")).unwrap_or_default();
        match self {
            Self::Enable { rules: r, environment } => format!("enable {} {environment}", rules(r)),
            Self::Disable { rules: r, environment } => format!("disable {} {environment}", rules(r)),
            Self::Rollback { environment } => format!("rollback {environment}"),
            Self::Restore { environment } => format!("restore {environment}"),
            Self::Verify { environment } => format!("verify {environment}"),
            Self::Status { environment } => format!("status{}", with(environment)),
            Self::Runs { environment } => format!("runs{}", with(environment)),
            Self::Show { run } => format!("show {run}"),
            Self::Cancel { run } => format!("cancel {run}"),
            Self::Answer { run, answer } => format!("answer {run} {}", answer.word()),
            Self::Whoami => "whoami".to_owned(),
            Self::Help { topic } => format!("help{}", with(topic)),
        }
    }
}

impl Answer {
    /// The word that is typed for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::WaitOn => "wait",
            Self::Continue => "continue",
            Self::Undo => "undo",
        }
    }
}
