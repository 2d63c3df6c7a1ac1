//! The methods of the Web API that Alch uses.

use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{Answered, CallError};
use super::text::cut;
use super::{Place, SlackClient};
use crate::slack::message::Message;

/// The type of the metadata that our messages carry.
pub(super) const METADATA_TYPE: &str = "alch_message";

/// Who the token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthTest {
    /// The bot's user id, `U…`.
    pub user_id: String,
    /// The bot's id, `B…`; empty where the server names none.
    pub bot_id: String,
    /// The workspace.
    pub team_id: String,
    /// The workspace's name.
    pub team: String,
    /// The bot's name.
    pub user: String,
    /// What the token may do; empty where the server does not say.
    pub scopes: Vec<String>,
}

/// What is posted, and where.
#[derive(Clone, Copy, Debug)]
pub struct Post<'a> {
    /// Where.
    pub place: Place<'a>,
    /// Whether a message in a thread is shown in the channel too.
    pub broadcast: bool,
    /// What.
    pub message: &'a Message,
    /// Goes into the metadata, for the message to be found again.
    pub key: Option<&'a str>,
}

/// A message of ours in Slack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    /// The channel it is in: for a message to a person, the conversation with them.
    pub channel: String,
    /// Its time, which is its name in the channel.
    pub ts: String,
    /// What Slack refused of it.
    pub degraded: Degraded,
}

/// What of a message Slack refused, so that it was posted without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Degraded {
    /// The blocks: only the text is shown.
    pub blocks: bool,
    /// The metadata: the message can be found again by its text only.
    pub metadata: bool,
}

/// How an answer by response_url is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answer<'a> {
    /// To everybody in the channel instead of to the person alone.
    pub in_channel: bool,
    /// In place of the message that the response_url belongs to.
    pub replace_original: bool,
    /// In this thread.
    pub thread_ts: Option<&'a str>,
}

/// A person, as far as it matters for what they may do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names are Slack's")]
pub struct User {
    pub id: String,
    pub team_id: Option<String>,
    pub deleted: bool,
    pub is_bot: bool,
    pub is_restricted: bool,
    pub is_ultra_restricted: bool,
    pub is_stranger: bool,
    pub enterprise_user: Option<EnterpriseUser>,
}

/// A person's place in an organisation of several workspaces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct EnterpriseUser {
    /// The workspaces that the person belongs to.
    pub teams: Vec<String>,
}

impl User {
    /// Whether the person belongs to this workspace. Where the server names no workspace at all, it has only one.
    pub fn is_of(&self, team: &str) -> bool {
        let own = self.team_id.as_deref().unwrap_or_default();
        let others = self.enterprise_user.as_ref().map_or(&[][..], |of| &of.teams);
        own.is_empty() || own == team || others.iter().any(|other| other == team)
    }
}

impl SlackClient {
    /// Who the token is, and what it may do.
    pub async fn auth_test(&self) -> Result<AuthTest, CallError> {
        let Answered { body, headers } = self.write("auth.test", &json!({})).await?;
        let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let scopes = headers.get("x-oauth-scopes").and_then(|value| value.to_str().ok()).unwrap_or_default();
        Ok(AuthTest {
            user_id: text("user_id"),
            bot_id: text("bot_id"),
            team_id: text("team_id"),
            team: text("team"),
            user: text("user"),
            scopes: scopes.split(',').map(str::trim).filter(|scope| !scope.is_empty()).map(str::to_owned).collect(),
        })
    }

    /// Posts a message; without what Slack refuses of it, if need be. Not idempotent: after
    /// [`CallError::Ambiguous`] look for the message before posting again.
    pub async fn post(&self, post: Post<'_>) -> Result<Posted, CallError> {
        let mut body = content(post.message, post.key);
        body["channel"] = post.place.channel.into();
        body["unfurl_links"] = false.into();
        body["unfurl_media"] = false.into();
        if let Some(thread_ts) = post.place.thread_ts {
            body["thread_ts"] = thread_ts.into();
            body["reply_broadcast"] = post.broadcast.into();
        }
        self.write_degrading("chat.postMessage", body).await
    }

    /// Replaces the content of a message of ours. Idempotent.
    pub async fn update(
        &self,
        channel: &str,
        ts: &str,
        message: &Message,
        key: Option<&str>,
    ) -> Result<Posted, CallError> {
        let mut body = content(message, key);
        body["channel"] = channel.into();
        body["ts"] = ts.into();
        self.write_degrading("chat.update", body).await
    }

    /// Shows a message to one person only. Not guaranteed to arrive, and gone when they reload.
    pub async fn post_ephemeral(&self, place: Place<'_>, user: &str, message: &Message) -> Result<(), CallError> {
        let mut body = content(message, None);
        body["channel"] = place.channel.into();
        body["user"] = user.into();
        if let Some(thread_ts) = place.thread_ts {
            body["thread_ts"] = thread_ts.into();
        }
        self.write_degrading("chat.postEphemeral", body).await.map(drop)
    }

    /// Answers a command or a click by its response_url; five times within thirty minutes.
    pub async fn respond(&self, response_url: &str, message: &Message, answer: Answer<'_>) -> Result<(), CallError> {
        let mut body = content(message, None);
        body["response_type"] = if answer.in_channel { "in_channel" } else { "ephemeral" }.into();
        body["replace_original"] = answer.replace_original.into();
        if let Some(thread_ts) = answer.thread_ts {
            body["thread_ts"] = thread_ts.into();
        }
        match self.post_to(response_url, &body).await {
            Err(error) if drop_refused(&mut body, &error, "response_url").is_some() => {
                self.post_to(response_url, &body).await
            }
            other => other,
        }
    }

    /// The URL of a message.
    pub async fn permalink(&self, channel: &str, ts: &str) -> Result<String, CallError> {
        let answer = self.read("chat.getPermalink", &[("channel", channel), ("message_ts", ts)]).await?;
        expect_text(&answer.body, "/permalink")
    }

    /// What Slack knows of a person.
    pub async fn users_info(&self, user: &str) -> Result<User, CallError> {
        let answer = self.read("users.info", &[("user", user)]).await?;
        let user = answer.body.get("user").cloned().unwrap_or_default();
        serde_json::from_value(user).map_err(|_| CallError::Ambiguous("a user that cannot be read".to_owned()))
    }

    /// The people of a user group (usergroups.users.list, scope usergroups:read).
    pub async fn usergroup_users(&self, group: &str) -> Result<Vec<String>, CallError> {
        let answer = self.read("usergroups.users.list", &[("usergroup", group)]).await?;
        let users = answer.body.get("users").cloned().unwrap_or_default();
        serde_json::from_value(users).map_err(|_| CallError::Ambiguous("a user group that cannot be read".to_owned()))
    }

    /// Whether people of other organisations are in a channel (conversations.info, scopes channels:read, groups:read).
    pub async fn is_ext_shared(&self, channel: &str) -> Result<bool, CallError> {
        let answer = self.read("conversations.info", &[("channel", channel)]).await?;
        let shared = answer.body.pointer("/channel/is_ext_shared").and_then(Value::as_bool);
        shared.ok_or_else(|| CallError::Ambiguous("a channel that does not say whether it is shared".to_owned()))
    }

    /// The direct conversation with a person.
    pub async fn open_dm(&self, user: &str) -> Result<String, CallError> {
        let answer = self.write("conversations.open", &json!({ "users": user })).await?;
        expect_text(&answer.body, "/channel/id")
    }

    /// Opens a modal. The trigger is good once, for three seconds.
    pub async fn views_open(&self, trigger_id: &str, view: &Value) -> Result<(), CallError> {
        self.write("views.open", &json!({ "trigger_id": trigger_id, "view": view })).await.map(drop)
    }

    /// Shows a person's App Home.
    pub async fn views_publish(&self, user: &str, view: &Value) -> Result<(), CallError> {
        self.write("views.publish", &json!({ "user_id": user, "view": view })).await.map(drop)
    }

    /// A URL for one Socket Mode connection. It carries a ticket: a secret.
    pub async fn apps_connections_open(&self, app_token: &SecretString) -> Result<String, CallError> {
        let answer = self.write_with("apps.connections.open", app_token, &json!({})).await?;
        expect_text(&answer.body, "/url")
    }

    /// Writes a message, and where Slack refuses a part of it, once more without that part.
    async fn write_degrading(&self, method: &'static str, mut body: Value) -> Result<Posted, CallError> {
        let mut degraded = Degraded::default();
        loop {
            let error = match self.write(method, &body).await {
                Ok(answer) => {
                    let ts = ["/ts", "/message_ts"].iter().find_map(|path| answer.body.pointer(path)?.as_str());
                    let channel = answer.body.get("channel").and_then(Value::as_str);
                    let channel = channel.or(body["channel"].as_str()).unwrap_or_default().to_owned();
                    return Ok(Posted { channel, ts: ts.unwrap_or_default().to_owned(), degraded });
                }
                Err(error) => error,
            };
            match drop_refused(&mut body, &error, method) {
                Some(Part::Blocks) => degraded.blocks = true,
                Some(Part::Metadata) => degraded.metadata = true,
                None => return Err(error),
            }
        }
    }
}

fn content(message: &Message, key: Option<&str>) -> Value {
    let text = if message.text.trim().is_empty() { "(no text)".to_owned() } else { cut(&message.text) };
    // Blocks are sent even if there are none: an update without them would keep those that are there in some servers.
    let mut body = json!({ "text": text, "blocks": message.blocks });
    if let Some(key) = key {
        body["metadata"] = json!({ "event_type": METADATA_TYPE, "event_payload": { "key": key } });
    }
    body
}

#[derive(Clone, Copy)]
enum Part {
    Blocks,
    Metadata,
}

/// Takes out of `body` what `error` refuses; none if there is nothing to take out.
fn drop_refused(body: &mut Value, error: &CallError, method: &'static str) -> Option<Part> {
    let CallError::Api { code, messages } = error else { return None };
    let about = |pointer: &str| code == "invalid_arguments" && messages.iter().any(|said| said.contains(pointer));
    let has_blocks = body["blocks"].as_array().is_some_and(|blocks| !blocks.is_empty());
    let blocks_refused = code.starts_with("invalid_blocks")
        || code.starts_with("unsupported")
        || matches!(code.as_str(), "msg_blocks_too_long" | "block_mismatch" | "invalid_attachments")
        || about("/blocks");
    let part = if code.contains("metadata") || about("/metadata") {
        body.as_object_mut()?.remove("metadata")?;
        Part::Metadata
    } else if has_blocks && blocks_refused {
        body["blocks"] = json!([]);
        Part::Blocks
    } else {
        return None;
    };
    let refused = match part {
        Part::Blocks => "blocks",
        Part::Metadata => "metadata",
    };
    tracing::warn!(method, refused, %error, "Slack refuses a part of a message; it goes out without");
    Some(part)
}

fn expect_text(body: &Value, path: &str) -> Result<String, CallError> {
    let text = body.pointer(path).and_then(Value::as_str).map(str::to_owned);
    text.ok_or_else(|| CallError::Ambiguous(format!("an answer without {}", path.trim_start_matches('/'))))
}
