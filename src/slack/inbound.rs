//! What Slack tells us, typed. Read tolerantly from the raw bytes: whatever we do not know is [`Inbound::Ignored`] and
//! is acknowledged all the same. Decides nothing about who may do what, and leaves text as Slack escaped it.
//!
//! The JSON of [`Inbound`] is stored before a request is acknowledged and read again after a restart: fields may be
//! added with a default, names stay.

mod read;

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::step_up::Shown;

/// One request of Slack's. Ids are empty where Slack named none; nobody is permitted anything by an empty id.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Inbound {
    /// `/alch …` was typed.
    Slash {
        /// The workspace.
        team: String,
        /// The channel's id.
        channel: String,
        /// The channel's name, to be shown only.
        channel_name: String,
        /// Who typed.
        user: String,
        /// The user's own workspace, when Slack says it.
        #[serde(default)]
        user_team: Option<String>,
        /// What follows the command.
        text: String,
        /// The command itself, `/alch`.
        command: String,
        /// Opens a modal, once, for three seconds.
        trigger_id: String,
        /// Answers, five times, for thirty minutes. A secret.
        response_url: String,
        /// Whether the app is installed on a whole organisation.
        #[serde(default)]
        is_enterprise_install: bool,
    },
    /// A button was pressed or something was chosen.
    Action {
        /// The workspace that the message is in.
        team: String,
        /// Who did it.
        user: String,
        /// The user's own workspace.
        #[serde(default)]
        user_team: Option<String>,
        /// The channel; none in a modal or in App Home.
        #[serde(default)]
        channel: Option<String>,
        /// The message.
        #[serde(default)]
        message_ts: Option<String>,
        /// The thread that the message is in.
        #[serde(default)]
        thread_ts: Option<String>,
        /// Which element.
        action_id: String,
        /// In which block.
        block_id: String,
        /// The value of a button.
        #[serde(default)]
        value: Option<String>,
        /// What was chosen, for elements that offer a choice.
        #[serde(default)]
        selected: Vec<String>,
        /// Opens a modal, once, for three seconds.
        trigger_id: String,
        /// Answers, five times, for thirty minutes. A secret; empty in modals and App Home.
        response_url: String,
        /// The message's or view's input values, as Slack sends them: block, action, element.
        #[serde(default)]
        state: Value,
    },
    /// A modal was submitted.
    ViewSubmission {
        /// The workspace.
        team: String,
        /// Who did it.
        user: String,
        /// The user's own workspace.
        #[serde(default)]
        user_team: Option<String>,
        /// The view.
        view_id: String,
        /// What the view is, as we named it.
        callback_id: String,
        /// What we gave the view to carry.
        private_metadata: String,
        /// The view's version.
        hash: String,
        /// The input values, as Slack sends them: block, action, element.
        #[serde(default)]
        state: Value,
        /// Opens a modal, once, for three seconds.
        trigger_id: String,
        /// Never Slack's: what Alch found of a one-time code among the values, which it takes out of them before it
        /// records the request.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        shown: Option<Shown>,
    },
    /// `@alch …` was written in a channel.
    Mention {
        /// Slack's id of the event; the same in each of its deliveries.
        event_id: String,
        /// The workspace.
        team: String,
        /// The channel's id.
        channel: String,
        /// Who wrote.
        user: String,
        /// The user's own workspace, when Slack says it.
        #[serde(default)]
        user_team: Option<String>,
        /// The whole message, the mention included.
        text: String,
        /// The message.
        ts: String,
        /// The thread that it is in.
        #[serde(default)]
        thread_ts: Option<String>,
        /// Whether the channel is shared with other organisations, when Slack says it.
        #[serde(default)]
        ext_shared: Option<bool>,
    },
    /// A direct message to the bot.
    DirectMessage {
        /// Slack's id of the event; the same in each of its deliveries.
        event_id: String,
        /// The workspace.
        team: String,
        /// The conversation's id.
        channel: String,
        /// Who wrote.
        user: String,
        /// The user's own workspace, when Slack says it.
        #[serde(default)]
        user_team: Option<String>,
        /// The whole message.
        text: String,
        /// The message.
        ts: String,
        /// The thread that it is in.
        #[serde(default)]
        thread_ts: Option<String>,
    },
    /// Somebody opened the bot's App Home.
    HomeOpened {
        /// Slack's id of the event; the same in each of its deliveries.
        event_id: String,
        /// The workspace.
        team: String,
        /// Who.
        user: String,
    },
    /// Slack wants to see that the URL is ours.
    UrlVerification {
        /// To be sent back.
        challenge: String,
    },
    /// Slack checks the certificate.
    SslCheck,
    /// Nothing for us. Acknowledged, so that it is not sent again.
    Ignored {
        /// Why, for the log. Carries nothing of what was sent but names of kinds.
        why: String,
    },
}

impl fmt::Debug for Inbound {
    /// As the JSON, without the secrets: a response_url answers a request without a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut json = serde_json::to_value(self).map_err(|_| fmt::Error)?;
        if let Some(members) = json.as_object_mut() {
            members.retain(|name, _| !matches!(name.as_str(), "response_url" | "trigger_id"));
        }
        write!(f, "{json}")
    }
}

/// How a request reached us, and so what tells a repeat of it.
#[derive(Clone, Copy, Debug)]
pub enum Delivery<'a> {
    /// By HTTP, with this signature in lower-case hexadecimal.
    Http {
        /// The signature, recomputed, so that two spellings of one signature are one key.
        signature: &'a str,
    },
    /// Over Socket Mode, in this envelope.
    Socket {
        /// The envelope's id.
        envelope_id: &'a str,
    },
}

impl Inbound {
    /// What is the same in every delivery of this request and in no other request. Events are sent again with a new
    /// signature and in a new envelope, so their own id tells them; everything else is sent once.
    pub fn dedupe_key(&self, delivery: Delivery<'_>) -> String {
        match self {
            Self::Mention { event_id, .. }
            | Self::DirectMessage { event_id, .. }
            | Self::HomeOpened { event_id, .. }
                if !event_id.is_empty() =>
            {
                format!("event:{event_id}")
            }
            Self::Mention { .. }
            | Self::DirectMessage { .. }
            | Self::HomeOpened { .. }
            | Self::Slash { .. }
            | Self::Action { .. }
            | Self::ViewSubmission { .. }
            | Self::UrlVerification { .. }
            | Self::SslCheck
            | Self::Ignored { .. } => match delivery {
                Delivery::Http { signature } => format!("signature:{signature}"),
                Delivery::Socket { envelope_id } => format!("envelope:{envelope_id}"),
            },
        }
    }

    /// The kind's name in the JSON and in counters.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Slash { .. } => "slash",
            Self::Action { .. } => "action",
            Self::ViewSubmission { .. } => "view_submission",
            Self::Mention { .. } => "mention",
            Self::DirectMessage { .. } => "direct_message",
            Self::HomeOpened { .. } => "home_opened",
            Self::UrlVerification { .. } => "url_verification",
            Self::SslCheck => "ssl_check",
            Self::Ignored { .. } => "ignored",
        }
    }

    /// Whether Slack delivers it again by itself when it is not acknowledged.
    pub fn is_redelivered(&self) -> bool {
        match self {
            Self::Mention { .. } | Self::DirectMessage { .. } | Self::HomeOpened { .. } => true,
            Self::Slash { .. }
            | Self::Action { .. }
            | Self::ViewSubmission { .. }
            | Self::UrlVerification { .. }
            | Self::SslCheck
            | Self::Ignored { .. } => false,
        }
    }

    /// Where an answer that only the person sees can be sent later, if Slack gave a place.
    pub fn response_url(&self) -> Option<&str> {
        match self {
            Self::Slash { response_url, .. } | Self::Action { response_url, .. } if !response_url.is_empty() => {
                Some(response_url)
            }
            Self::Slash { .. }
            | Self::Action { .. }
            | Self::ViewSubmission { .. }
            | Self::Mention { .. }
            | Self::DirectMessage { .. }
            | Self::HomeOpened { .. }
            | Self::UrlVerification { .. }
            | Self::SslCheck
            | Self::Ignored { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests;
