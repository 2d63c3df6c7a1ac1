//! Lengths of time as people type them: `4h`, `90m`, `1d`.

use jiff::{SignedDuration, Span, SpanRelativeTo};

/// Reads a length of time above zero; a day has 24 hours. None when it is none.
pub(super) fn read(text: &str) -> Option<SignedDuration> {
    let span: Span = text.to_ascii_lowercase().parse().ok()?;
    let lasting = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    lasting.is_positive().then_some(lasting)
}
