//! Words that several checks use.

use jiff::Timestamp;

use crate::domain::{AlarmState, AlarmStatus};

/// CloudWatch's reasons can be very long; this much of one is shown.
const MAX_REASON_CHARS: usize = 200;

/// `1 message`, `3 messages`.
pub(super) fn count(number: i64, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// A time for people: `14:03:20 UTC`.
pub(super) fn clock_time(at: Timestamp) -> String {
    at.strftime("%H:%M:%S UTC").to_string()
}

/// A time for people: `2026-11-23 14:03 UTC`.
pub(super) fn date_time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// An alarm with since when and why it is in its state.
pub(super) fn alarm(name: &str, status: &AlarmStatus) -> String {
    let since = status.since.map(|at| format!(" since {}", date_time(at))).unwrap_or_default();
    let mut reason: String = status.reason.trim().trim_end_matches('.').chars().take(MAX_REASON_CHARS).collect();
    if status.reason.trim().chars().count() > MAX_REASON_CHARS + 1 {
        reason.push('…');
    }
    if reason.is_empty() { format!("{name}{since}") } else { format!("{name}{since} ({reason})") }
}

/// CloudWatch's own word.
pub(super) fn alarm_state(state: AlarmState) -> &'static str {
    match state {
        AlarmState::Ok => "OK",
        AlarmState::Alarm => "ALARM",
        AlarmState::InsufficientData => "INSUFFICIENT_DATA",
    }
}

/// Ends a text as a sentence.
pub(super) fn sentence(text: &str) -> String {
    let mut chars = text.trim().chars();
    let first: String = chars.next().map(|c| c.to_uppercase().collect()).unwrap_or_default();
    let text = format!("{first}{}", chars.as_str());
    if text.ends_with(['.', '!', '?']) { text } else { format!("{text}.") }
}
