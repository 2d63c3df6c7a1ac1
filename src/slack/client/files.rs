//! Handing out a file: ask for an address, post the bytes there, and have it shown where it belongs.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use url::Url;

use super::call::CallError;
use super::methods::expect_text;
use super::text::cut;
use super::{Place, SlackClient};
use crate::slack::message::Message;

/// How long posting the bytes may take: some MiB over a slow line.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(60);
/// Characters of an alternative text that Slack takes.
const MAX_ALT: usize = 1_000;

/// A file to be shown in a conversation.
#[derive(Clone, Debug)]
pub struct FileUpload<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it is called where it is shown.
    pub title: &'a str,
    /// What a picture shows, for who does not see it; at most 1,000 characters are sent. Empty for what is no picture.
    pub alt: &'a str,
    /// Its content; never empty.
    pub content: Vec<u8>,
    /// Where it is shown.
    pub place: Place<'a>,
    /// What is said with it: its text only, files have no blocks.
    pub comment: &'a Message,
}

impl SlackClient {
    /// Uploads a file and shows it; returns its id. Not idempotent: after [`CallError::Ambiguous`] it may be there.
    ///
    /// # Errors
    /// `missing_scope` without the scope `files:write`; `foreign_upload_url` when the address for the bytes is not Slack's.
    pub async fn upload(&self, file: FileUpload<'_>) -> Result<String, CallError> {
        let length = file.content.len().to_string();
        let alt: String = file.alt.chars().take(MAX_ALT).collect();
        let mut asked = vec![("filename", file.name), ("length", length.as_str())];
        if !alt.is_empty() {
            asked.push(("alt_txt", &alt));
        }
        let answer = self.read("files.getUploadURLExternal", &asked).await;
        // Until the file is completed nobody sees anything of it.
        let answer = answer.map_err(surely_not)?;
        let (url, id) = (expect_text(&answer.body, "/upload_url"), expect_text(&answer.body, "/file_id"));
        let (url, id) = (url.map_err(surely_not)?, id.map_err(surely_not)?);
        // The answer says where the journals go: nowhere but to Slack.
        if !Url::parse(&url).is_ok_and(|url| self.0.base.owns(&url)) {
            return Err(CallError::Api { code: "foreign_upload_url".to_owned(), messages: Vec::new() });
        }
        let patient = self.clone().with_timeout(UPLOAD_TIMEOUT);
        patient.post_bytes(&url, Bytes::from(file.content)).await.map_err(surely_not)?;
        let mut body = json!({
            "files": [{ "id": id, "title": file.title }],
            "channel_id": file.place.channel,
            "initial_comment": cut(&file.comment.text),
        });
        if let Some(thread_ts) = file.place.thread_ts {
            body["thread_ts"] = thread_ts.into();
        }
        self.write("files.completeUploadExternal", &body).await.map(|_| id)
    }
}

/// A step of which it does not matter whether it happened.
fn surely_not(error: CallError) -> CallError {
    match error {
        CallError::Ambiguous(why) => CallError::Unreachable(why),
        error @ (CallError::RateLimited { .. }
        | CallError::Api { .. }
        | CallError::Unreachable(_)
        | CallError::InvalidAuth(_)) => error,
    }
}
