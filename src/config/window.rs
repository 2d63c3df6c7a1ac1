//! Whether a deployment window is sound: a zone that exists, and times that it is ever open.

use jiff::civil::Time;
use jiff::tz::TimeZone;

use super::problem::{Findings, KeyPath};
use crate::domain::{Blackout, Window};

/// Notes what is wrong with a window.
pub(super) fn check(window: &Window, at: &KeyPath, findings: &mut Findings) {
    findings.require(
        TimeZone::get(&window.zone).is_ok(),
        at.key("zone"),
        format!("`{}` is not a time zone that this machine knows", window.zone),
        "Write an IANA name such as America/New_York or UTC; names like EST are not enough for summer time.",
    );
    for (index, blackout) in window.blackout.iter().enumerate() {
        if let Blackout::Range { from, until } = blackout {
            findings.require(
                from < until,
                at.key("blackout").index(index),
                "this blackout is empty: it ends before it begins",
                "`until` is later than `from`, and exclusive.",
            );
        }
    }
    let allow = at.key("allow");
    if window.allow.is_empty() {
        findings.add(allow, "this window never opens", "Add a range, or remove the window to allow all times.");
        return;
    }
    for (index, range) in window.allow.iter().enumerate() {
        let key = allow.index(index);
        findings.require(
            !range.days.is_empty(),
            key.key("days"),
            "this range is on no day",
            "Name days, such as \"mon\".",
        );
        let repeated = range.days.iter().enumerate().any(|(place, day)| range.days[..place].contains(day));
        findings.require(!repeated, key.key("days"), "a day is named twice", "Remove one.");
        let (from, until) = (range.from.unwrap_or(Time::midnight()), range.until);
        findings.require(
            until != Some(from),
            key,
            "this range is empty: it ends when it begins",
            "Leave `from` and `until` out for the whole day.",
        );
    }
}
