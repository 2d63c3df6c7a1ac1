//! Finding a message of ours again, after a post whose outcome is not known.

use serde_json::Value;

use super::SlackClient;
use super::call::CallError;
use super::methods::METADATA_TYPE;

/// Messages a page.
const PAGE: &str = "200";
/// How many pages are looked through at most.
const MAX_PAGES: usize = 20;

/// A channel, or a thread in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The channel's id.
    pub channel: &'a str,
    /// The thread's first message.
    pub thread_ts: Option<&'a str>,
}

/// What a message of ours is known by.
pub struct Lookup<'a> {
    /// Where it was posted.
    pub place: Place<'a>,
    /// Not before this, Slack's time: seconds and a fraction.
    pub oldest: &'a str,
    /// The key in its metadata.
    pub key: &'a str,
    /// The bot's user id and bot id, where known: where the server drops metadata, the author and the text must do.
    pub author: (&'a str, &'a str),
    /// Whether a text is the one that was posted.
    pub same_text: &'a (dyn Fn(&str) -> bool + Send + Sync),
    /// Messages that are known to be others.
    pub taken: &'a [String],
}

impl SlackClient {
    /// The time of the message, if it is there.
    pub async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<String>, CallError> {
        let mut cursor = String::new();
        for _ in 0..MAX_PAGES {
            let mut query = vec![
                ("channel", lookup.place.channel),
                ("oldest", lookup.oldest),
                ("inclusive", "true"),
                ("include_all_metadata", "true"),
                ("limit", PAGE),
            ];
            if !cursor.is_empty() {
                query.push(("cursor", &cursor));
            }
            let method = match lookup.place.thread_ts {
                Some(thread_ts) => {
                    query.push(("ts", thread_ts));
                    "conversations.replies"
                }
                None => "conversations.history",
            };
            let page = self.read(method, &query).await?.body;
            let messages = page.get("messages").and_then(Value::as_array);
            if let Some(ts) = messages.into_iter().flatten().find_map(|message| lookup.ts_if_same(message)) {
                return Ok(Some(ts));
            }
            cursor = text(&page, "/response_metadata/next_cursor").to_owned();
            if cursor.is_empty() {
                return Ok(None);
            }
        }
        tracing::warn!(
            key = lookup.key,
            pages = MAX_PAGES,
            "gave up looking for a message in a very long conversation"
        );
        Ok(None)
    }
}

impl Lookup<'_> {
    fn ts_if_same(&self, message: &Value) -> Option<String> {
        let ts = text(message, "/ts");
        let mine = [(self.author.0, "/user"), (self.author.1, "/bot_id")];
        let mine = mine.iter().any(|(id, path)| !id.is_empty() && text(message, path) == *id);
        if ts.is_empty() || !mine || self.taken.iter().any(|taken| taken == ts) {
            return None;
        }
        let same = match text(message, "/metadata/event_type") {
            METADATA_TYPE => text(message, "/metadata/event_payload/key") == self.key,
            "" => (self.same_text)(text(message, "/text")),
            _ => false,
        };
        same.then(|| ts.to_owned())
    }
}

fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default()
}
