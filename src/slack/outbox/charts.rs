//! Charts: as a picture that is uploaded to the thread, in Slack's own block, or in text; each in the form that the workspace
//! takes. A chart in text is better than none, so nothing of a thread waits long for a picture.

use std::sync::atomic::{AtomicBool, Ordering};

use super::post::{Line, Outgoing, Stop, Telling, is_refused};
use super::{ChartToShow, Inner};
use crate::chart::Style;
use crate::slack::client::{CallError, FileUpload, Place};
use crate::slack::message::Message;
use crate::store::SlackMessage;

const UPLOAD: &str = "files.completeUploadExternal";
/// How often an upload is tried that fails, before the chart is told in text.
const MOST_TRIES: u32 = 3;

/// What the workspace has refused since this process began.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    /// Files.
    files: AtomicBool,
    /// Slack's own charts.
    native: AtomicBool,
}

impl Refusals {
    /// Notes that Slack has taken a message without its blocks.
    pub(super) fn blocks_of(&self, message: &Message) {
        if message.blocks.iter().any(|block| block["type"] == "data_visualization")
            && !self.native.swap(true, Ordering::Relaxed)
        {
            tracing::warn!("Slack refuses its own chart blocks here; from now on charts are pictures");
        }
    }
}

impl Inner {
    /// Shows a chart, unless it turns out to be there. Whether it was shown now.
    pub(super) async fn show_chart(
        &self,
        told: &mut Telling<'_>,
        line: &mut Line,
        what: Outgoing<'_>,
        shown: &ChartToShow,
    ) -> Result<bool, Stop> {
        match self.look.charts {
            Style::Native if !self.refusals.native.load(Ordering::Relaxed) => {
                self.post(told, line, Outgoing { message: &shown.native, ..what }).await
            }
            Style::Picture | Style::Native if !self.refusals.files.load(Ordering::Relaxed) => {
                self.upload(told, line, what, shown).await
            }
            Style::Picture | Style::Native | Style::Text => self.post(told, line, what).await,
        }
    }

    async fn upload(
        &self,
        told: &mut Telling<'_>,
        line: &mut Line,
        what: Outgoing<'_>,
        shown: &ChartToShow,
    ) -> Result<bool, Stop> {
        if self.is_there(told, line, what).await? {
            return Ok(false);
        }
        let chart = shown.chart.clone();
        // Drawing takes some dozens of milliseconds of a core.
        let content = match tokio::task::spawn_blocking(move || chart.png()).await {
            Ok(Ok(content)) => content,
            Ok(Err(error)) => {
                tracing::error!(run.id = %told.run.id, %error, "a chart cannot be drawn; it is told in text");
                return self.post(told, line, what).await;
            }
            Err(error) => {
                tracing::error!(run.id = %told.run.id, %error, "a chart cannot be drawn; it is told in text");
                return self.post(told, line, what).await;
            }
        };
        let intent = self.intend(told, line, what, UPLOAD).await?;
        let caption = Message { text: shown.caption.clone(), blocks: Vec::new() };
        let file = FileUpload {
            name: &shown.file,
            title: &shown.chart.title,
            alt: &shown.chart.description(),
            content,
            place: Place { channel: what.channel, thread_ts: what.thread_ts },
            comment: &caption,
        };
        match self.client.upload(file).await {
            Ok(id) => {
                self.pace.went_well(what.channel);
                line.failures = 0;
                // Slack does not say which message shows it, and nobody changes it.
                self.note(told, SlackMessage { ts: Some(id), ..intent }).await?;
                Ok(true)
            }
            Err(error) => {
                if !matches!(error, CallError::Ambiguous(_)) {
                    line.surely_not(what.key);
                }
                let refused = is_refused(&error).map(str::to_owned);
                if refused.is_none() && line.failures + 1 < MOST_TRIES {
                    return Err(Stop::Failed { error, method: UPLOAD, channel: what.channel.to_owned() });
                }
                if matches!(refused.as_deref(), Some("missing_scope" | "not_allowed_token_type" | "unknown_method"))
                    && !self.refusals.files.swap(true, Ordering::Relaxed)
                {
                    tracing::warn!(%error, "Slack takes no files of this app; charts are told in text from now on");
                } else {
                    tracing::warn!(run.id = %told.run.id, %error, "a chart could not be uploaded; it is told in text");
                }
                self.post(told, line, what).await
            }
        }
    }
}
