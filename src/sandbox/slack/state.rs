//! What the workspace remembers: messages, views, files, what was handed out, and the log of calls. Plain values; who
//! may change them how is decided by the methods and the people's actions.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::{fs, io};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::faults::Faults;
use super::spec::WorkspaceSpec;

/// How many Web API calls and deliveries the logs keep.
const LOG_KEPT: usize = 20_000;
/// A trigger opens a view within this time.
const TRIGGER_LIFE: SignedDuration = SignedDuration::from_secs(3);
/// A response URL answers within this time.
const REPLY_URL_LIFE: SignedDuration = SignedDuration::from_mins(30);
/// How often a response URL answers.
const REPLY_URL_USES: u32 = 5;

/// A message, as it is now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Message {
    /// Its id within the channel: the time it was posted, made unique.
    pub ts: String,
    /// Where: `C…`, or `D…` for a direct message with the bot.
    pub channel: String,
    /// The message that opens the thread it is in.
    pub thread_ts: Option<String>,
    /// The author's user id.
    pub user: String,
    /// The plain text.
    pub text: String,
    /// Block Kit blocks, with the ids that Slack gave to those without.
    pub blocks: Option<Vec<Value>>,
    /// What the app stored with it.
    pub metadata: Option<Value>,
    /// When it was changed last.
    pub edited_ts: Option<String>,
    /// It is gone; kept so that the page can say so.
    pub deleted: bool,
    /// A reply that is shown in the channel, too.
    pub broadcast: bool,
    /// The only person who sees it.
    pub ephemeral_to: Option<String>,
    /// Ids of the files shared with it.
    pub files: Vec<String>,
    /// Emoji names with the users who reacted.
    pub reactions: Vec<(String, String)>,
}

impl Message {
    /// Whether history and replies tell of it.
    pub(super) fn is_public(&self) -> bool {
        !self.deleted && self.ephemeral_to.is_none()
    }

    /// Whether it stands in the thread that `root` opens; the root itself does, too.
    pub(super) fn is_in_thread(&self, root: &str) -> bool {
        self.ts == root || self.thread_ts.as_deref() == Some(root)
    }
}

/// An open modal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct View {
    /// `V…`.
    pub id: String,
    /// Who sees it.
    pub user: String,
    /// The view object with the fields that Slack adds.
    pub view: Value,
}

/// An uploaded file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoredFile {
    /// `F…`.
    pub id: String,
    /// The file's name.
    pub name: String,
    /// As shown above it.
    pub title: String,
    /// What a screen reader says.
    pub alt: String,
    /// The number of bytes that was announced.
    pub length: usize,
    /// The content type it was uploaded with.
    pub content_type: String,
    /// The content; `None` until it is uploaded.
    #[serde(with = "hex_bytes")]
    pub content: Option<Vec<u8>>,
    /// The upload was completed.
    pub shared: bool,
}

mod hex_bytes {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &Option<Vec<u8>>, to: S) -> Result<S::Ok, S::Error> {
        bytes.as_ref().map(hex::encode).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<u8>>, D::Error> {
        Option::<String>::deserialize(from)?.map(hex::decode).transpose().map_err(serde::de::Error::custom)
    }
}

/// One Web API call.
#[derive(Clone, Debug)]
pub struct Call {
    /// Its place in the log.
    pub number: u64,
    /// When it arrived.
    pub at: Timestamp,
    /// For example `chat.postMessage`.
    pub method: String,
    /// Query, form or JSON body as one object, without the token.
    pub args: Value,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a Web API call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Not answered yet, or never.
    Pending,
    /// `ok: true`.
    Done,
    /// `ok: false` with this error; `unknown_method` for one that this workspace does not have.
    Refused(String),
    /// An HTTP status without an answer, by a fault.
    Status(u16),
    /// Done, and the answer was lost.
    Dropped,
}

/// A request to the bot, as it was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// `slash_commands`, `interactive` or `events_api`.
    pub kind: &'static str,
    /// Which retry it was; 0 for the first attempt.
    pub retry: u32,
    /// The HTTP status, 200 for an acknowledged envelope, 0 for no answer.
    pub http_status: u16,
}

pub(super) struct Trigger {
    pub(super) user: String,
    pub(super) issued: Timestamp,
    pub(super) used: bool,
    /// The modal it was issued from.
    pub(super) view: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ReplyUrl {
    pub(super) channel: String,
    pub(super) user: String,
    /// The message whose button was pressed.
    pub(super) source: Option<String>,
    pub(super) issued: Timestamp,
    pub(super) uses: u32,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct State {
    pub(super) messages: Vec<Message>,
    pub(super) views: Vec<View>,
    pub(super) homes: BTreeMap<String, Value>,
    pub(super) files: Vec<StoredFile>,
    pub(super) reply_urls: BTreeMap<String, ReplyUrl>,
    /// Non-ephemeral messages that the bot ever posted.
    pub(super) posts: u64,
    last_ts: i64,
    last_id: u64,
    #[serde(skip)]
    pub(super) triggers: HashMap<String, Trigger>,
    #[serde(skip)]
    pub(super) calls: Vec<Call>,
    #[serde(skip)]
    pub(super) deliveries: Vec<Delivery>,
    #[serde(skip)]
    pub(super) faults: Faults,
    /// Who is in the user groups that were edited, by their ids.
    #[serde(default)]
    pub(super) members: BTreeMap<String, Vec<String>>,
    #[serde(skip)]
    pub(super) scopes: Vec<String>,
    #[serde(skip)]
    pub(super) bot_url: Option<String>,
    /// The last signed request, to send it again byte by byte.
    #[serde(skip)]
    pub(super) last_request: Option<super::delivery::Signed>,
}

impl State {
    /// The next message timestamp: the time, pushed forward as far as needed to be the latest.
    pub(super) fn next_ts(&mut self, now: Timestamp) -> String {
        self.last_ts = (now.as_microsecond() / 100 * 100).max(self.last_ts + 100);
        format!("{}.{:06}", self.last_ts / 1_000_000, self.last_ts % 1_000_000)
    }

    /// A new id that starts with `kind`.
    pub(super) fn next_id(&mut self, kind: &str) -> String {
        self.last_id += 1;
        format!("{kind}0{:07X}", self.last_id)
    }

    pub(super) fn message(&self, channel: &str, ts: &str) -> Option<&Message> {
        self.messages.iter().find(|message| message.channel == channel && message.ts == ts)
    }

    pub(super) fn message_mut(&mut self, channel: &str, ts: &str) -> Option<&mut Message> {
        self.messages.iter_mut().find(|message| message.channel == channel && message.ts == ts)
    }

    pub(super) fn add(&mut self, now: Timestamp, mut message: Message) -> Message {
        message.ts = self.next_ts(now);
        self.messages.push(message.clone());
        message
    }

    pub(super) fn log_call(&mut self, at: Timestamp, method: &str, args: Value) -> u64 {
        let number = self.calls.last().map_or(1, |call| call.number + 1);
        self.calls.push(Call { number, at, method: method.to_owned(), args, outcome: Outcome::Pending });
        if self.calls.len() > LOG_KEPT {
            self.calls.drain(..LOG_KEPT / 2);
        }
        number
    }

    pub(super) fn log_delivery(&mut self, delivery: Delivery) {
        self.deliveries.push(delivery);
        if self.deliveries.len() > LOG_KEPT {
            self.deliveries.drain(..LOG_KEPT / 2);
        }
    }

    pub(super) fn log_outcome(&mut self, number: u64, outcome: Outcome) {
        if let Some(call) = self.calls.iter_mut().rev().find(|call| call.number == number) {
            call.outcome = outcome;
        }
    }

    pub(super) fn issue_trigger(&mut self, now: Timestamp, user: &str, view: Option<&str>) -> String {
        self.triggers.retain(|_, trigger| now.duration_since(trigger.issued) < REPLY_URL_LIFE);
        let id = format!("{}.{}.{:016x}", self.last_ts, self.triggers.len() + 1, rand::random::<u64>());
        let trigger = Trigger { user: user.to_owned(), issued: now, used: false, view: view.map(str::to_owned) };
        self.triggers.insert(id.clone(), trigger);
        id
    }

    /// Uses a trigger up; tells whose it was and the modal it came from.
    pub(super) fn use_trigger(&mut self, now: Timestamp, id: &str) -> Result<(String, Option<String>), &'static str> {
        let trigger = self.triggers.get_mut(id).ok_or("invalid_trigger_id")?;
        if trigger.used {
            return Err("exchanged_trigger_id");
        }
        if now.duration_since(trigger.issued) > TRIGGER_LIFE {
            return Err("expired_trigger_id");
        }
        trigger.used = true;
        Ok((trigger.user.clone(), trigger.view.clone()))
    }

    /// Hands out the path of a new response URL.
    pub(super) fn issue_reply_url(&mut self, team: &str, url: ReplyUrl) -> String {
        let now = url.issued;
        self.reply_urls.retain(|_, url| now.duration_since(url.issued) < REPLY_URL_LIFE * 2);
        let path = format!("/commands/{team}/{:016x}", rand::random::<u64>());
        self.reply_urls.insert(path.clone(), url);
        path
    }

    /// Counts one use of a response URL.
    pub(super) fn use_reply_url(&mut self, now: Timestamp, path: &str) -> Result<ReplyUrl, &'static str> {
        let url = self.reply_urls.get_mut(path).ok_or("expired_url")?;
        if now.duration_since(url.issued) > REPLY_URL_LIFE {
            return Err("expired_url");
        }
        if url.uses >= REPLY_URL_USES {
            return Err("used_url");
        }
        url.uses += 1;
        Ok(url.clone())
    }

    /// The message as history, replies and payloads show it.
    pub(super) fn message_json(&self, spec: &WorkspaceSpec, message: &Message, with_metadata: bool) -> Value {
        let mut told = Map::new();
        told.insert("type".to_owned(), json!("message"));
        told.insert("user".to_owned(), json!(message.user));
        told.insert("team".to_owned(), json!(spec.team_id));
        told.insert("text".to_owned(), json!(message.text));
        told.insert("ts".to_owned(), json!(message.ts));
        if message.user == spec.bot_user.id {
            told.insert("bot_id".to_owned(), json!(spec.bot_id()));
            told.insert("app_id".to_owned(), json!(spec.api_app_id));
        }
        if let Some(blocks) = &message.blocks {
            told.insert("blocks".to_owned(), json!(blocks));
        }
        if let Some(ts) = &message.edited_ts {
            told.insert("edited".to_owned(), json!({"user": message.user, "ts": ts}));
        }
        if message.broadcast {
            told.insert("subtype".to_owned(), json!("thread_broadcast"));
        }
        if !message.files.is_empty() {
            let files = self.files.iter().filter(|file| message.files.contains(&file.id));
            told.insert("files".to_owned(), files.map(|file| json!({"id": file.id, "title": file.title})).collect());
        }
        if with_metadata && let Some(metadata) = &message.metadata {
            told.insert("metadata".to_owned(), metadata.clone());
        }
        let replies: Vec<&Message> = self
            .messages
            .iter()
            .filter(|reply| reply.is_public() && reply.channel == message.channel)
            .filter(|reply| reply.thread_ts.as_ref() == Some(&message.ts))
            .collect();
        if let Some(thread_ts) = &message.thread_ts {
            told.insert("thread_ts".to_owned(), json!(thread_ts));
            if let Some(root) = self.message(&message.channel, thread_ts) {
                told.insert("parent_user_id".to_owned(), json!(root.user));
            }
        } else if let Some(latest) = replies.last() {
            let mut users: Vec<&str> = replies.iter().map(|reply| reply.user.as_str()).collect();
            users.sort_unstable();
            users.dedup();
            told.insert("thread_ts".to_owned(), json!(message.ts));
            told.insert("reply_count".to_owned(), json!(replies.len()));
            told.insert("reply_users_count".to_owned(), json!(users.len()));
            told.insert("reply_users".to_owned(), json!(users));
            told.insert("latest_reply".to_owned(), json!(latest.ts));
        }
        Value::Object(told)
    }

    /// Writes what a restart comes back to.
    pub(super) fn save(&self, path: &Path) -> io::Result<()> {
        let draft = path.with_extension("draft");
        fs::write(&draft, serde_json::to_vec(self)?)?;
        fs::rename(&draft, path)
    }

    /// Reads what [`State::save`] wrote; what belongs to the running process stays as it is.
    pub(super) fn load(&mut self, path: &Path) -> io::Result<()> {
        let mut saved: Self = serde_json::from_slice(&fs::read(path)?)?;
        saved.scopes = std::mem::take(&mut self.scopes);
        saved.bot_url = self.bot_url.take();
        saved.faults = std::mem::take(&mut self.faults);
        saved.calls = std::mem::take(&mut self.calls);
        *self = saved;
        Ok(())
    }
}
