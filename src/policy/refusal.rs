//! Why something is not permitted. `Display` is what the person reads in Slack: what was refused, that nothing was
//! changed, and what to do.

use crate::domain::{Command, Environment};

/// A command that is not permitted. Its `Display` is Slack's mrkdwn.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// In a channel that is not configured.
    #[error("I don't take commands here. Nothing was changed. Please ask in <#{channel}>.")]
    Elsewhere {
        /// The channel where commands are taken.
        channel: String,
    },
    /// More than a look, in a direct message.
    #[error(
        "In direct messages I only show things, so that everybody sees what is done. `{command}` was refused and nothing \
         was changed. Please ask in <#{channel}>."
    )]
    InPrivate {
        /// What was refused.
        command: String,
        /// The channel where commands are taken.
        channel: String,
    },
    /// Somebody from another organisation, or from another workspace.
    #[error(
        "I only take commands from people of my own workspace, and your account belongs to another. Nothing was changed. \
         Please ask one of them."
    )]
    Stranger,
    /// A guest who wants more than to look.
    #[error(
        "Guests may look, but not act, cancel or answer: `{command}` was refused and nothing was changed. Please ask a \
         full member of the workspace."
    )]
    Guest {
        /// What was refused.
        command: String,
    },
    /// A bot, a closed account, or a person who is somewhere where that person cannot be.
    #[error("I only take commands from people with an open account. Nothing was changed.")]
    NotAPerson,
    /// The environment is not the one that the command names, or there is none of that name.
    #[error("I know no environment `{environment}`. Nothing was changed.")]
    NoEnvironment {
        /// Its name.
        environment: String,
    },
    /// Acting here needs approval, which this release cannot give.
    #[error(
        "`{command}` needs approval, and approvals are not built yet: for now I refuse everything that acts in \
         `{environment}`. Nothing was changed.{way_out}\nWhat works now: `{command_word} verify {environment}` and \
         `{command_word} status {environment}`."
    )]
    NeedsApproval {
        /// What was refused.
        command: String,
        /// Where.
        environment: String,
        /// What is typed before a command.
        command_word: String,
        /// How to do it by hand, when that must not wait; begins on a new line.
        way_out: String,
    },
    /// Outside of the hours for deployments.
    #[error(
        "The deployment window of `{environment}` is closed: `{command}` was refused and nothing was changed. {opens} \
         What turns rules off is always open: `disable`, `rollback`."
    )]
    WindowClosed {
        /// What was refused.
        command: String,
        /// Where.
        environment: String,
        /// A sentence that says when it opens.
        opens: String,
    },
}

impl Refusal {
    /// The reason in a few words, plain text, for lists.
    pub fn in_short(&self) -> &'static str {
        match self {
            Self::Elsewhere { .. } => "not from this channel",
            Self::InPrivate { .. } => "not in direct messages",
            Self::Stranger => "only people of the workspace may",
            Self::Guest { .. } => "guests may only look",
            Self::NotAPerson => "not with this account",
            Self::NoEnvironment { .. } => "there is no such environment",
            Self::NeedsApproval { .. } => "needs approval",
            Self::WindowClosed { .. } => "the deployment window is closed now",
        }
    }

    pub(super) fn needs_approval(command: &Command, environment: &Environment, command_word: &str) -> Self {
        Self::NeedsApproval {
            command: command.text(),
            environment: environment.name.clone(),
            command_word: command_word.to_owned(),
            way_out: match command {
                Command::Rollback { .. } => by_hand(environment),
                Command::Answer { run, .. } => format!(" `{command_word} cancel {run}` stops the run."),
                _ => String::new(),
            },
        }
    }
}

/// The rollback as lines for a shell, because an incident does not wait for a release.
fn by_hand(environment: &Environment) -> String {
    let (bus, region) = (&environment.bus, &environment.region);
    let mut text = format!("\nIn an incident, with credentials for `{}`, type this:\n```\n", environment.name);
    for rule in &environment.rules {
        let name = &rule.rule;
        text.push_str(&format!("aws events disable-rule --name {name} --event-bus-name {bus} --region {region}\n"));
    }
    text.push_str(&format!(
        "aws events list-rules --event-bus-name {bus} --region {region} --query 'Rules[].[Name,State]' --output text\n```"
    ));
    text
}
