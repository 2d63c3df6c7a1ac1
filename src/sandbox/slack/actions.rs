//! What people type: commands and messages; and opening the App Home. Told with what Slack shows them in return.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Slack;
use super::args::{Args, Refused};
use super::chat::{Content, thread_of};
use super::delivery::{Answered, Parcel};
use super::spec::{PersonSpec, SLACKBOT, WorkspaceSpec};
use super::state::{Message, ReplyUrl, State};
use super::typed::{self, Style};

/// The verification token that old apps compare; ours goes by the signature.
pub(super) const TOKEN: &str = "sandbox-verification-token";

/// What came of something that a person did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Delivered {
    /// The bot's HTTP status, or 200 for an acknowledged envelope. 0 if nothing was delivered or answered.
    pub http_status: u16,
    /// The body of the bot's answer.
    pub body: String,
    /// How long the bot took to answer.
    pub elapsed: Duration,
    /// What went wrong, as Slack words it: `operation_timeout`, `dispatch_failed`, or why nothing was delivered.
    pub error: Option<String>,
    /// What the bot found wrong with a modal's inputs, by block id.
    pub errors: Map<String, Value>,
}

impl Delivered {
    pub(super) fn refused(error: impl Into<String>) -> Self {
        Self { error: Some(error.into()), ..Self::default() }
    }

    /// Nothing went wrong.
    pub fn is_ok(&self) -> bool {
        self.error.is_none() && self.errors.is_empty()
    }
}

impl From<Answered> for Delivered {
    fn from(answered: Answered) -> Self {
        let Answered { http_status, body, elapsed, failure, .. } = answered;
        let error = failure.map(|failure| match failure {
            "http_timeout" => "operation_timeout".to_owned(),
            _ => "dispatch_failed".to_owned(),
        });
        Self { http_status, body, elapsed, error, errors: Map::new() }
    }
}

impl Slack {
    /// Types a slash command in the channel, for example `/alch status`.
    pub async fn types(&self, user: &str, text: &str) -> Delivered {
        self.types_in(user, &self.spec().channel.id.clone(), text).await
    }

    /// Types a slash command in a channel or in the direct messages with the bot.
    pub async fn types_in(&self, user: &str, channel: &str, text: &str) -> Delivered {
        let spec = self.spec();
        let Some(person) = spec.person(user) else { return Delivered::refused("user_not_found") };
        let (command, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        if command != spec.command {
            self.slackbot_says(user, channel, &format!("{command} is not a valid command."));
            return Delivered::refused("unknown_command");
        }
        if person.is_stranger {
            self.slackbot_says(user, channel, "Only people of this workspace can use its apps' commands.");
            return Delivered::refused("not_allowed");
        }
        let (reply_url, url) = self.reply_url(channel, user, None);
        let trigger = self.trigger(user, None);
        let payload = json!({
            "token": TOKEN,
            "team_id": spec.team_id,
            "team_domain": spec.team_domain,
            "channel_id": channel,
            "channel_name": spec.channel_name(channel),
            "user_id": user,
            "user_name": person.username(),
            "command": spec.command,
            "text": typed::escape(spec, rest.trim(), Style::Command),
            "api_app_id": spec.api_app_id,
            "is_enterprise_install": "false",
            "response_url": reply_url,
            "trigger_id": trigger,
        });
        let mut delivered: Delivered = self.deliver(Parcel::Command(payload)).await.into();
        if delivered.error.is_none()
            && let Err(Refused { error, .. }) = self.show_acknowledgement(&url, &delivered.body)
        {
            delivered.error = Some(error);
        }
        if let Some(error) = &delivered.error {
            self.slackbot_says(user, channel, &format!("{command} failed with the error \"{error}\""));
        }
        delivered
    }

    /// Writes a message; the bot hears of it if it is mentioned, or in its direct messages.
    pub async fn says(&self, user: &str, channel: &str, thread_ts: Option<&str>, text: &str) -> Delivered {
        let spec = self.spec();
        if spec.person(user).is_none() {
            return Delivered::refused("user_not_found");
        }
        let now = self.clock().now();
        let written = self.change(|state| {
            let thread_ts = thread_of(state, channel, thread_ts)?;
            let text = typed::escape(spec, text, Style::Message);
            let (channel, user) = (channel.to_owned(), user.to_owned());
            Ok::<_, Refused>(state.add(now, Message { channel, thread_ts, user, text, ..Message::default() }))
        });
        let message = match written {
            Ok(message) => message,
            Err(Refused { error, .. }) => return Delivered::refused(error),
        };
        let is_direct = spec.owner_of(channel).is_some();
        let is_mention = message.text.contains(&format!("<@{}>", spec.bot_user.id)) && spec.is_joined(channel);
        if !is_direct && !is_mention {
            return Delivered::default();
        }
        let mut event = json!({
            "type": if is_direct { "message" } else { "app_mention" },
            "user": user,
            "text": message.text,
            "ts": message.ts,
            "channel": channel,
            "event_ts": message.ts,
            "team": spec.team_id,
        });
        if is_direct {
            event["channel_type"] = json!("im");
        }
        if let Some(thread_ts) = &message.thread_ts {
            event["thread_ts"] = json!(thread_ts);
        }
        self.deliver(Parcel::Event(self.event(event))).await.into()
    }

    /// Opens the bot's App Home.
    pub async fn opens_home(&self, user: &str) -> Delivered {
        if self.spec().person(user).is_none() {
            return Delivered::refused("user_not_found");
        }
        let now = self.clock().now();
        let mut event = json!({
            "type": "app_home_opened",
            "user": user,
            "channel": WorkspaceSpec::direct_message(user),
            "tab": "home",
            "event_ts": self.change(|state| state.next_ts(now)),
        });
        if let Some(home) = self.home(user) {
            event["view"] = home;
        }
        self.deliver(Parcel::Event(self.event(event))).await.into()
    }

    /// Shows what the body of a command's acknowledgement says, if it says anything.
    fn show_acknowledgement(&self, url: &ReplyUrl, body: &str) -> Result<(), Refused> {
        if body.trim().is_empty() {
            return Ok(());
        }
        let Ok(Value::Object(answer)) = serde_json::from_str(body) else {
            let text = body.to_owned();
            return self.post_reply(url, Content { text, blocks: None, metadata: None }, None, None);
        };
        if answer.is_empty() {
            return Ok(());
        }
        let args = Args::of(answer);
        let content = self.content(&args, 40_000).map_err(|_| "invalid_command_response")?;
        self.post_reply(url, content, args.text("response_type"), None)
    }

    fn slackbot_says(&self, user: &str, channel: &str, text: &str) {
        let now = self.clock().now();
        let message = Message {
            channel: channel.to_owned(),
            user: SLACKBOT.to_owned(),
            text: text.to_owned(),
            ephemeral_to: Some(user.to_owned()),
            ..Message::default()
        };
        self.change(|state| state.add(now, message));
    }

    /// A new response URL, as the bot gets it and as we know it.
    pub(super) fn reply_url(&self, channel: &str, user: &str, source: Option<&str>) -> (String, ReplyUrl) {
        let url = ReplyUrl {
            channel: channel.to_owned(),
            user: user.to_owned(),
            source: source.map(str::to_owned),
            issued: self.clock().now(),
            uses: 0,
        };
        let path = self.change(|state: &mut State| state.issue_reply_url(&self.spec().team_id, url.clone()));
        (self.url(&path), url)
    }

    /// What all interactions have in common.
    pub(super) fn interaction(&self, kind: &str, user: &str) -> Value {
        let spec = self.spec();
        let person =
            spec.person(user).cloned().unwrap_or_else(|| PersonSpec { id: user.to_owned(), ..Default::default() });
        json!({
            "type": kind,
            "token": TOKEN,
            "api_app_id": spec.api_app_id,
            "team": {"id": spec.team_id, "domain": spec.team_domain},
            "enterprise": null,
            "is_enterprise_install": false,
            "user": {
                "id": user,
                "username": person.username(),
                "name": person.username(),
                "team_id": spec.team_of(&person),
            },
        })
    }

    /// An event in its envelope.
    fn event(&self, event: Value) -> Value {
        let spec = self.spec();
        json!({
            "token": TOKEN,
            "team_id": spec.team_id,
            "api_app_id": spec.api_app_id,
            "event": event,
            "type": "event_callback",
            "event_id": self.change(|state| state.next_id("Ev")),
            "event_time": self.clock().now().as_second(),
            "is_ext_shared_channel": spec.channel.is_ext_shared,
            "authorizations": [{
                "enterprise_id": null,
                "team_id": spec.team_id,
                "user_id": spec.bot_user.id,
                "is_bot": true,
                "is_enterprise_install": false,
            }],
        })
    }
}
