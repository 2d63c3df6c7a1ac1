//! What people do: type commands, write messages, press buttons, fill in modals, open the App Home; and what Slack
//! shows them in return.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Slack;
use super::args::{Args, Refused};
use super::chat::{Content, thread_of};
use super::delivery::{Answered, Parcel};
use super::elements::{self, Found};
use super::spec::{PersonSpec, SLACKBOT, WorkspaceSpec};
use super::state::{Message, ReplyUrl, State};
use super::typed::{self, Style};
use super::views::checked;

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
    fn refused(error: impl Into<String>) -> Self {
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

/// A press on a button or a choice in a menu.
#[derive(Clone, Debug, Default)]
pub(super) struct Press<'a> {
    pub(super) user: &'a str,
    pub(super) block_id: Option<&'a str>,
    /// The action id or the label.
    pub(super) action: &'a str,
    /// What was chosen or typed; nothing for a button.
    pub(super) choice: Option<&'a Value>,
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
        let trigger = self.change(|state| self.trigger(state, self.clock().now(), user, None));
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
        let is_mention = message.text.contains(&format!("<@{}>", spec.bot_user.id)) && channel == spec.channel.id;
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

    /// Presses the button with this action id or label on a message, as it is now.
    pub async fn clicks(&self, user: &str, message_ts: &str, action: &str) -> Delivered {
        self.presses(message_ts, Press { user, action, ..Press::default() }).await
    }

    /// Chooses in the menu with this action id or label on a message, by the option's value or label.
    pub async fn selects(&self, user: &str, message_ts: &str, action: &str, choice: &str) -> Delivered {
        let choice = json!(choice);
        self.presses(message_ts, Press { user, action, choice: Some(&choice), ..Press::default() }).await
    }

    /// Presses a button on a copy of a message from before it changed, as a client that has not noticed would.
    pub async fn clicks_stale(&self, user: &str, copy: &Message, action: &str) -> Delivered {
        self.presses_on(copy, Press { user, action, ..Press::default() }).await
    }

    pub(super) async fn presses(&self, message_ts: &str, press: Press<'_>) -> Delivered {
        let Some(message) = self.message(message_ts).filter(|message| !message.deleted) else {
            return Delivered::refused("message_not_found");
        };
        if message.ephemeral_to.as_deref().is_some_and(|only| only != press.user) {
            return Delivered::refused("message_not_found");
        }
        self.presses_on(&message, press).await
    }

    async fn presses_on(&self, message: &Message, press: Press<'_>) -> Delivered {
        let blocks = message.blocks.as_deref().unwrap_or_default();
        let Some((found, action)) = self.pressed(blocks, &press) else {
            return Delivered::refused(format!("there is no {:?} on this message", press.action));
        };
        let channel = &message.channel;
        let (reply_url, _) = self.reply_url(channel, press.user, Some(&message.ts));
        let mut payload = self.interaction("block_actions", press.user);
        let is_ephemeral = message.ephemeral_to.is_some();
        payload["container"] = json!({
            "type": "message",
            "message_ts": message.ts,
            "channel_id": channel,
            "is_ephemeral": is_ephemeral,
        });
        if let Some(thread_ts) = &message.thread_ts {
            payload["container"]["thread_ts"] = json!(thread_ts);
        }
        payload["channel"] = json!({"id": channel, "name": self.spec().channel_name(channel)});
        if !is_ephemeral {
            payload["message"] = self.state().message_json(self.spec(), message, true);
        }
        payload["state"] = state_of(blocks, Some((&found, &action)));
        payload["response_url"] = json!(reply_url);
        payload["trigger_id"] = json!(self.change(|state| self.trigger(state, self.clock().now(), press.user, None)));
        payload["actions"] = json!([action]);
        self.deliver(Parcel::Interaction(payload)).await.into()
    }

    /// Presses a button in an open modal or in the person's App Home.
    pub async fn clicks_in_view(&self, user: &str, view_id: &str, action: &str) -> Delivered {
        self.presses_in_view(view_id, Press { user, action, ..Press::default() }).await
    }

    pub(super) async fn presses_in_view(&self, view_id: &str, press: Press<'_>) -> Delivered {
        let view = {
            let state = self.state();
            let home = state.homes.get(press.user).filter(|home| home["id"] == view_id);
            let open = state.views.iter().find(|open| open.id == view_id && open.user == press.user);
            home.or(open.map(|open| &open.view)).cloned()
        };
        let Some(view) = view else { return Delivered::refused("view_not_found") };
        let blocks = view["blocks"].as_array().map(Vec::as_slice).unwrap_or_default();
        let Some((found, action)) = self.pressed(blocks, &press) else {
            return Delivered::refused(format!("there is no {:?} in this view", press.action));
        };
        let modal = (view["type"] == "modal").then_some(view_id);
        let mut payload = self.interaction("block_actions", press.user);
        payload["container"] = json!({"type": "view", "view_id": view_id});
        payload["trigger_id"] = json!(self.change(|state| self.trigger(state, self.clock().now(), press.user, modal)));
        payload["actions"] = json!([action]);
        payload["view"] = view.clone();
        payload["view"]["state"] = state_of(blocks, Some((&found, &action)));
        self.deliver(Parcel::Interaction(payload)).await.into()
    }

    /// Finds what was pressed and tells of it as an entry of `actions`.
    fn pressed(&self, blocks: &[Value], press: &Press<'_>) -> Option<(Found, Value)> {
        let found = elements::find(blocks, press.block_id, press.action)?;
        let mut action = elements::chosen(&found.element, press.choice)?;
        action.insert("action_id".to_owned(), json!(found.action_id()));
        action.insert("block_id".to_owned(), json!(found.block_id));
        for kept in ["text", "style", "confirm", "placeholder"] {
            if !found.element[kept].is_null() {
                action.insert(kept.to_owned(), found.element[kept].clone());
            }
        }
        action.retain(|_, value| !value.is_null());
        let now = self.clock().now();
        action.insert("action_ts".to_owned(), json!(self.change(|state| state.next_ts(now))));
        Some((found, Value::Object(action)))
    }

    /// Sends a modal in: `values` holds, by block id and action id, the text typed, the option chosen, or the whole
    /// object as Slack tells it. What is left out has its initial value.
    pub async fn submits(&self, user: &str, view_id: &str, values: Value) -> Delivered {
        let Some(open) = self.open_view(user, view_id) else { return Delivered::refused("view_not_found") };
        let blocks = open["blocks"].as_array().cloned().unwrap_or_default();
        let filled = match filled_in(&blocks, &values) {
            Ok(filled) => filled,
            Err(refused) => return refused,
        };
        let mut payload = self.interaction("view_submission", user);
        payload["view"] = open;
        payload["view"]["state"] = json!({"values": filled});
        payload["response_urls"] = json!([]);
        payload["trigger_id"] =
            json!(self.change(|state| self.trigger(state, self.clock().now(), user, Some(view_id))));
        let mut delivered: Delivered = self.deliver(Parcel::Interaction(payload)).await.into();
        if delivered.error.is_none() {
            let body = delivered.body.clone();
            match self.follow_response_action(user, view_id, &body) {
                Ok(errors) => delivered.errors = errors,
                Err(Refused { error, .. }) => delivered.error = Some(error),
            }
        }
        delivered
    }

    /// Closes a modal without sending it in.
    pub async fn closes(&self, user: &str, view_id: &str) -> Delivered {
        let Some(open) = self.open_view(user, view_id) else { return Delivered::refused("view_not_found") };
        self.change(|state| state.views.retain(|view| view.id != view_id));
        if open["notify_on_close"] != true {
            return Delivered::default();
        }
        let mut payload = self.interaction("view_closed", user);
        payload["view"] = open;
        payload["is_cleared"] = json!(false);
        self.deliver(Parcel::Interaction(payload)).await.into()
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

    fn open_view(&self, user: &str, view_id: &str) -> Option<Value> {
        let state = self.state();
        state.views.iter().find(|open| open.id == view_id && open.user == user).map(|open| open.view.clone())
    }

    /// Does what the answer to a submission says; returns the errors it tells of.
    fn follow_response_action(&self, user: &str, view_id: &str, body: &str) -> Result<Map<String, Value>, Refused> {
        let answer: Value = if body.trim().is_empty() {
            Value::Null
        } else {
            serde_json::from_str(body).map_err(|_| "invalid_response")?
        };
        self.change(|state| {
            match answer["response_action"].as_str() {
                None => state.views.retain(|open| open.id != view_id),
                Some("clear") => state.views.retain(|open| open.user != user),
                Some("errors") => return Ok(answer["errors"].as_object().cloned().unwrap_or_default()),
                Some("update") => {
                    let view = checked(state, answer["view"].clone())?;
                    self.replace(state, view_id, view);
                }
                Some("push") => {
                    let view = checked(state, answer["view"].clone())?;
                    self.push(state, user, view, Some(view_id.to_owned()));
                }
                Some(_) => return Err("invalid_response".into()),
            }
            Ok(Map::new())
        })
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
    fn reply_url(&self, channel: &str, user: &str, source: Option<&str>) -> (String, ReplyUrl) {
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
    fn interaction(&self, kind: &str, user: &str) -> Value {
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

/// What the selects and inputs among the blocks hold, with the one that was just changed.
fn state_of(blocks: &[Value], changed: Option<(&Found, &Value)>) -> Value {
    let mut values = Map::new();
    for found in elements::all(blocks) {
        if found.element["type"] == "button" {
            continue;
        }
        let now = changed
            .filter(|(changed, _)| changed.block_id == found.block_id && changed.action_id() == found.action_id());
        let mut told = elements::chosen(&found.element, None).unwrap_or_default();
        if let Some((_, action)) = now {
            for (key, value) in &mut told {
                *value = action[key].clone();
            }
        }
        let block = values.entry(found.block_id.clone()).or_insert_with(|| json!({}));
        block[found.action_id()] = Value::Object(told);
    }
    json!({"values": values})
}

/// A modal's values as they are sent in; refused like Slack's client does if a required input is empty.
fn filled_in(blocks: &[Value], values: &Value) -> Result<Map<String, Value>, Delivered> {
    let mut filled = Map::new();
    for block in blocks {
        for found in elements::all(std::slice::from_ref(block)) {
            if found.element["type"] == "button" {
                continue;
            }
            let given = Some(&values[&found.block_id][found.action_id()]).filter(|given| !given.is_null());
            let Some(told) = elements::chosen(&found.element, given) else {
                return Err(Delivered::refused(format!("{} has no such option", found.block_id)));
            };
            if block["type"] == "input" && block["optional"] != true && elements::is_empty(&told) {
                return Err(Delivered::refused(format!("{} is required", found.block_id)));
            }
            let entry = filled.entry(found.block_id.clone()).or_insert_with(|| json!({}));
            entry[found.action_id()] = Value::Object(told);
        }
    }
    let unknown = values.as_object().into_iter().flatten().find(|(block, _)| !filled.contains_key(*block));
    match unknown {
        Some((block, _)) => Err(Delivered::refused(format!("there is no input {block}"))),
        None => Ok(filled),
    }
}
