//! A message as Slack shows it: blocks for the eye, and a text that says the same to a screen reader or a notification.

use serde::{Deserialize, Serialize};

/// What is posted. The text is mrkdwn and complete by itself: where Slack refuses the blocks, the text alone is posted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The plain form.
    pub text: String,
    /// Block Kit blocks; may be empty.
    #[serde(default)]
    pub blocks: Vec<serde_json::Value>,
}
