//! What stakeholders are told before and after.

use super::ViewContext;
use crate::domain::{Moment, Recorded};
use crate::slack::message::Message;

/// A message to one stakeholder.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// Before or after.
    pub moment: Moment,
    /// The channel's or the person's id.
    pub to: String,
    /// What it says.
    pub message: Message,
}

/// The notices as far as the journal goes.
pub fn notices(_journal: &[Recorded], _context: &ViewContext<'_>) -> Vec<Notice> {
    Vec::new()
}
