//! Words that several checks use.

use jiff::{SignedDuration, Timestamp};

use crate::domain::AlarmStatus;

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

/// Ends a text as a sentence.
pub(super) fn sentence(text: &str) -> String {
    let mut chars = text.trim().chars();
    let first: String = chars.next().map(|c| c.to_uppercase().collect()).unwrap_or_default();
    let text = format!("{first}{}", chars.as_str());
    if text.ends_with(['.', '!', '?']) { text } else { format!("{text}.") }
}

/// A length of time for people, in whole minutes and never more than it is: `18 h 20 min`, `24 h`, `40 min`, `15 s`.
/// From two days on in days: `30 d`, `2 d 6 h`.
pub(super) fn lasting(span: SignedDuration) -> String {
    let seconds = span.as_secs().max(0);
    let of = |big: i64, unit: &str, small: i64, small_unit: &str| {
        if small == 0 { format!("{big} {unit}") } else { format!("{big} {unit} {small} {small_unit}") }
    };
    match seconds {
        1..60 => format!("{seconds} s"),
        0..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => of(seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => of(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}
