//! Response URLs: the short-lived addresses that come with a command or a click.

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value, json};

use super::Slack;
use super::api::lost_answer;
use super::args::{Args, Refused};
use super::chat::{Content, thread_of};
use super::state::{Message, Outcome, ReplyUrl};

impl Slack {
    fn use_reply_url(&self, path: &str, args: &Args) -> Result<(), Refused> {
        let now = self.clock().now();
        let url = self.change(|state| state.use_reply_url(now, path))?;
        if args.flag("delete_original") {
            return self.change(|state| match source_of(&mut state.messages, &url) {
                Some(message) => {
                    message.deleted = true;
                    Ok(())
                }
                None => Err("message_not_found".into()),
            });
        }
        let content = self.content(args, 40_000)?;
        if args.flag("replace_original") && url.source.is_some() {
            return self.change(|state| {
                let edited_ts = state.next_ts(now);
                let message = source_of(&mut state.messages, &url).ok_or("message_not_found")?;
                message.text = content.text;
                message.blocks = content.blocks;
                message.edited_ts = Some(edited_ts);
                Ok(())
            });
        }
        self.post_reply(&url, content, args.text("response_type"), args.text("thread_ts"))
    }

    /// Posts what a response URL or an acknowledgement's body says: for one person unless it says `in_channel`.
    pub(super) fn post_reply(
        &self,
        url: &ReplyUrl,
        content: Content,
        response_type: Option<&str>,
        thread_ts: Option<&str>,
    ) -> Result<(), Refused> {
        let now = self.clock().now();
        let in_channel = response_type == Some("in_channel");
        self.change(|state| {
            let thread_ts = thread_of(state, &url.channel, thread_ts)?;
            state.posts += u64::from(in_channel);
            let message = Message {
                channel: url.channel.clone(),
                thread_ts,
                user: self.spec().bot_user.id.clone(),
                text: content.text,
                blocks: content.blocks,
                metadata: content.metadata,
                ephemeral_to: (!in_channel).then(|| url.user.clone()),
                ..Message::default()
            };
            state.add(now, message);
            Ok(())
        })
    }
}

fn source_of<'a>(messages: &'a mut [Message], url: &ReplyUrl) -> Option<&'a mut Message> {
    let source = url.source.as_ref()?;
    messages.iter_mut().find(|message| message.ts == *source && message.channel == url.channel && !message.deleted)
}

/// Takes a message for a response URL.
pub(super) async fn reply(State(slack): State<Slack>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let now = slack.clock().now();
    let args = Args::read(&uri, &headers, &body);
    let told = args.as_ref().map_or(Value::Null, Args::to_json);
    let number = slack.change(|state| state.log_call(now, "response_url", told));
    let lost = match slack.suffer("response_url", number).await {
        Ok(lost) => lost,
        Err(response) => return response,
    };
    let (outcome, response) = match args.and_then(|args| slack.use_reply_url(uri.path(), &args)) {
        Ok(()) => (Outcome::Done, "ok".into_response()),
        Err(Refused { error, .. }) => {
            let gone = matches!(error.as_str(), "used_url" | "expired_url");
            let status = if gone { StatusCode::NOT_FOUND } else { StatusCode::BAD_REQUEST };
            let body = axum::Json(json!({"ok": false, "error": error}));
            (Outcome::Refused(error), (status, body).into_response())
        }
    };
    let outcome = if lost { Outcome::Dropped } else { outcome };
    slack.change(|state| state.log_outcome(number, outcome));
    if lost { lost_answer() } else { response }
}
