//! Why something is not permitted. `Display` is what the person reads in Slack: what was refused, that nothing was
//! changed, and what to do.

use std::borrow::Cow;

use crate::domain::Command;

/// How much of what was asked for is repeated.
const MAX_SHOWN_CHARS: usize = 200;

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
        "Guests may look, but not act, decide or steer: `{command}` was refused and nothing was changed. Please ask a \
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
    /// Not one of those who may.
    #[error(
        "`{command}` was refused and nothing was changed: in `{environment}` it is for {entitled}, and you are not among \
         them. Please ask one of them; `{command_word} whoami` shows what you may do."
    )]
    NotEntitled {
        /// What was refused.
        command: String,
        /// Where.
        environment: String,
        /// Who may, as mentions.
        entitled: String,
        /// The roles that it takes, as words; none when the command has a list of its own.
        roles: Option<String>,
        /// What is typed before a command.
        command_word: String,
    },
    /// What only an admin may, and no environment to be one of.
    #[error("`{command}` is for admins only. Nothing was changed.")]
    OnlyAdmins {
        /// What was refused.
        command: String,
    },
    /// Slack does not say who somebody is, or whether they may.
    #[error(
        "`{command}` was refused and nothing was changed, because nobody is taken at their word in `{environment}`: {why}. \
         Please try again in a moment. A rollback does not wait for Slack: `{command_word} rollback {environment}`."
    )]
    SlackCannotSay {
        /// What was refused.
        command: String,
        /// Where.
        environment: String,
        /// Why, in words.
        why: String,
        /// What is typed before a command.
        command_word: String,
    },
    /// Acting here needs approval, and on a terminal without Slack there is nobody to give it.
    #[error(
        "`{command}` needs approval, and approvals come from Slack, where no Alch that serves is listening for this \
         terminal: it was refused and nothing was changed. Ask for it in Slack with `{command_word} {command}`. What works \
         here: `verify {environment}`, `status {environment}`, and in an incident `rollback {environment}`."
    )]
    NeedsApproval {
        /// What was refused.
        command: String,
        /// Where.
        environment: String,
        /// What is typed before a command.
        command_word: String,
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
    pub fn in_short(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Elsewhere { .. } => "not from this channel",
            Self::InPrivate { .. } => "not in direct messages",
            Self::Stranger => "only people of the workspace may",
            Self::Guest { .. } => "guests may only look",
            Self::NotAPerson => "not with this account",
            Self::NoEnvironment { .. } => "there is no such environment",
            Self::NotEntitled { roles: Some(roles), .. } => return Cow::Owned(format!("needs the role {roles}")),
            Self::NotEntitled { roles: None, .. } => "not one of those who may",
            Self::OnlyAdmins { .. } => "only admins may",
            Self::SlackCannotSay { why, .. } => return Cow::Owned(why.clone()),
            Self::NeedsApproval { .. } => "needs approval from Slack",
            Self::WindowClosed { .. } => "the deployment window is closed now",
        })
    }
}

/// What was asked for, to stand in a code span: people's own words must not end it, nor become mentions.
pub(super) fn asked(command: &Command) -> String {
    shown(&command.text())
}

/// A text of people's, to stand in a code span.
pub(super) fn shown(text: &str) -> String {
    let tame = |c: char| if c == '`' || c.is_control() { '\'' } else { c };
    let mut clipped: String = text.chars().map(tame).take(MAX_SHOWN_CHARS).collect();
    if text.chars().nth(MAX_SHOWN_CHARS).is_some() {
        clipped.push('…');
    }
    clipped.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
