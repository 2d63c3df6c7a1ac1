//! Settings of Slack: the workspace, its channels, and how requests come in.

use jiff::SignedDuration;
use secrecy::SecretString;
use serde::Deserialize;

use crate::chart::Style;

use super::problem::{ConfigError, ConfigErrors, Findings, KeyPath, Origin};
use super::{Config, Secrets};

/// The longest slash command that Slack takes.
const MAX_COMMAND_CHARS: usize = 32;

/// `[slack]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slack {
    /// How requests come in.
    #[serde(default)]
    pub transport: TransportChoice,
    /// The only workspace whose people may use Alch, `T…`.
    pub workspace: String,
    /// Where commands are taken and where run cards go, `C…` or `G…`.
    pub channel: String,
    /// Further channels where commands are taken.
    #[serde(default)]
    pub also_in: Vec<String>,
    /// The slash command. Default `/alch`.
    #[serde(default = "slash_alch")]
    pub command: String,
    /// How often a card is updated at most while only the time goes on. Default `10s`.
    #[serde(default = "ten_seconds")]
    pub card_refresh: SignedDuration,
    /// How charts are shown. Default `picture`.
    #[serde(default)]
    pub charts: Style,
    /// The base of the Web API without a slash at its end. From the variable `SLACK_API_URL` only.
    #[serde(skip, default = "public_api")]
    pub api_url: String,
}

/// How requests come in, as configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransportChoice {
    /// HTTP when there is a signing secret, else Socket Mode when there is an app token.
    #[default]
    Auto,
    /// Signed requests to the server of Alch.
    Http,
    /// A connection that Alch opens to Slack.
    Socket,
}

/// How requests come in, as decided, with the secret that it needs.
#[derive(Clone, Debug)]
pub enum Transport {
    /// Signed requests to the server of Alch.
    Http {
        /// Shows that they come from Slack.
        signing_secret: SecretString,
    },
    /// A connection that Alch opens to Slack.
    Socket {
        /// Opens it.
        app_token: SecretString,
    },
}

fn slash_alch() -> String {
    "/alch".to_owned()
}

fn ten_seconds() -> SignedDuration {
    SignedDuration::from_secs(10)
}

fn public_api() -> String {
    "https://slack.com/api".to_owned()
}

impl Slack {
    /// All channels where commands are taken, the one for run cards first.
    pub fn channels(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.channel).chain(&self.also_in).map(String::as_str)
    }

    pub(super) fn check(&self, findings: &mut Findings) {
        let at = KeyPath::from("slack");
        findings.require(
            is_id(&self.workspace, &['T']),
            at.key("workspace"),
            "this is not the id of a workspace",
            "It begins with T, such as T024BE7LD; Slack in a browser shows it in the address.",
        );
        let channel_mend = "It begins with C or G, such as C0123ABCD; Slack shows it under the channel's details.";
        findings.require(
            is_id(&self.channel, &['C', 'G']),
            at.key("channel"),
            "this is not the id of a channel",
            channel_mend,
        );
        for (index, channel) in self.also_in.iter().enumerate() {
            let key = at.key("also_in").index(index);
            findings.require(is_id(channel, &['C', 'G']), key.clone(), "this is not the id of a channel", channel_mend);
            let repeated = *channel == self.channel || self.also_in[..index].contains(channel);
            findings.require(!repeated, key, "this channel is named twice", "Remove one.");
        }
        let word = self.command.strip_prefix('/').unwrap_or_default();
        findings.require(
            !word.is_empty()
                && self.command.len() <= MAX_COMMAND_CHARS
                && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte)),
            at.key("command"),
            "this is not a slash command",
            "Write a slash and lower-case letters, such as /alch.",
        );
        findings.require(
            self.card_refresh.is_positive(),
            at.key("card_refresh"),
            "this is no time to wait",
            "Write a time above zero, such as 10s.",
        );
    }
}

impl Config {
    /// Decides how requests come in, and says what is missing for it. Only `serve` needs this: a command on a terminal
    /// works without Slack.
    pub fn transport(&self, secrets: &Secrets) -> Result<Transport, ConfigErrors> {
        let http = secrets.slack_signing_secret.clone().map(|signing_secret| Transport::Http { signing_secret });
        let socket = secrets.slack_app_token.clone().map(|app_token| Transport::Socket { app_token });
        let (found, variable, problem) = match self.slack.transport {
            TransportChoice::Auto => (http.or(socket), "SLACK_SIGNING_SECRET", "neither it nor SLACK_APP_TOKEN is set"),
            TransportChoice::Http => (http, "SLACK_SIGNING_SECRET", "it is not set, and slack.transport is \"http\""),
            TransportChoice::Socket => (socket, "SLACK_APP_TOKEN", "it is not set, and slack.transport is \"socket\""),
        };
        let mend = match variable {
            "SLACK_APP_TOKEN" => {
                "Make an app-level token with connections:write (Basic Information), it begins with xapp-."
            }
            _ => {
                "The signing secret stands under Basic Information of the Slack app; requests come in by HTTP with it, and by Socket Mode with an app token."
            }
        };
        found.ok_or_else(|| {
            ConfigErrors(vec![ConfigError {
                origin: Origin::Variable(variable.to_owned()),
                key: KeyPath::default(),
                problem: problem.to_owned(),
                mend: mend.to_owned(),
            }])
        })
    }
}

/// Whether this is an id of Slack's that begins with one of these letters.
pub(super) fn is_id(text: &str, first: &[char]) -> bool {
    text.starts_with(first)
        && (3..=20).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}
