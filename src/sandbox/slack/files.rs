//! The upload in three steps (ask for an address, post the bytes, complete), and the download for the page.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};

use super::Slack;
use super::api::lost_answer;
use super::args::{Answer, Args};
use super::chat::thread_of;
use super::state::{Message, Outcome, StoredFile};

impl Slack {
    pub(super) fn files_get_upload_url_external(&self, args: &Args) -> Answer {
        let name = args.required("filename")?.to_owned();
        let length = args.number("length").filter(|&length| length > 0).ok_or("invalid_arguments")?;
        let alt = args.text("alt_txt").unwrap_or_default().to_owned();
        let id = self.change(|state| {
            let id = state.next_id("F");
            state.files.push(StoredFile {
                id: id.clone(),
                title: name.clone(),
                name,
                alt,
                length,
                ..Default::default()
            });
            id
        });
        Ok(json!({"upload_url": self.url(&format!("/upload/v1/{id}")), "file_id": id}))
    }

    pub(super) fn files_complete_upload_external(&self, args: &Args) -> Answer {
        let Some(Value::Array(files)) = args.json("files")? else { return Err("invalid_arguments".into()) };
        let channel = args.text("channel_id").map(|channel| self.writable_channel(channel)).transpose()?;
        let now = self.clock().now();
        self.change(|state| {
            let mut shared = Vec::new();
            for file in &files {
                let stored = state.files.iter_mut().find(|stored| file["id"] == json!(stored.id));
                let stored = stored.filter(|stored| stored.content.is_some()).ok_or("file_not_found")?;
                if let Some(title) = file["title"].as_str() {
                    stored.title = title.to_owned();
                }
                stored.shared = true;
                shared.push(stored.clone());
            }
            if let Some(channel) = channel {
                let thread_ts = thread_of(state, &channel, args.text("thread_ts"))?;
                state.posts += 1;
                let message = Message {
                    channel,
                    thread_ts,
                    user: self.spec().bot_user.id.clone(),
                    text: args.text("initial_comment").unwrap_or_default().to_owned(),
                    files: shared.iter().map(|file| file.id.clone()).collect(),
                    ..Message::default()
                };
                state.add(now, message);
            }
            let told: Vec<Value> = shared.iter().map(|file| json!({"id": file.id, "title": file.title})).collect();
            Ok(json!({"files": told}))
        })
    }

    /// Where the page finds a file.
    pub(super) fn file_url(&self, file: &StoredFile) -> String {
        let name: String = form_urlencoded::byte_serialize(file.name.as_bytes()).collect();
        self.url(&format!("/files/{}/{name}", file.id))
    }
}

/// Takes the bytes of a file.
pub(super) async fn upload(
    State(slack): State<Slack>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let now = slack.clock().now();
    let told = json!({"file": id, "bytes": body.len()});
    let number = slack.change(|state| state.log_call(now, "upload", told));
    let lost = match slack.suffer("upload", number).await {
        Ok(lost) => lost,
        Err(response) => return response,
    };
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let status = slack.change(|state| {
        let status = match state.files.iter_mut().find(|file| file.id == id) {
            None => StatusCode::NOT_FOUND,
            Some(file) if file.length != body.len() => StatusCode::BAD_REQUEST,
            Some(file) => {
                file.content = Some(body.to_vec());
                file.content_type = kind.to_owned();
                StatusCode::OK
            }
        };
        let outcome = if status == StatusCode::OK { Outcome::Done } else { Outcome::Status(status.as_u16()) };
        state.log_outcome(number, if lost { Outcome::Dropped } else { outcome });
        status
    });
    if lost { lost_answer() } else { (status, format!("{status} - {}", body.len())).into_response() }
}

/// Hands a file to the page.
pub(super) async fn download(State(slack): State<Slack>, Path((id, _name)): Path<(String, String)>) -> Response {
    let state = slack.state();
    let file = state.files.iter().find(|file| file.id == id && file.shared);
    match file.and_then(|file| Some((file.content_type.clone(), file.content.clone()?))) {
        Some((kind, content)) => {
            let headers = [(header::CONTENT_TYPE, kind), (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned())];
            (headers, content).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
