//! Whether a deployment window is open, and when it opens next. What turns rules off is never kept waiting by it.

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};

use super::{Refusal, Request};
use crate::domain::{Blackout, Environment, TimeRange, Weekday, Window};

/// How far ahead an opening is looked for, days.
const LOOK_AHEAD_DAYS: i32 = 60;

/// Refuses when the window is closed.
pub(super) fn check(window: &Window, environment: &Environment, request: &Request<'_>) -> Result<(), Refusal> {
    if is_open(window, request.now) {
        return Ok(());
    }
    Err(Refusal::WindowClosed {
        command: super::refusal::asked(request.command),
        environment: environment.name.clone(),
        opens: next_opening(window, request.now).map_or_else(
            || format!("It does not open within {LOOK_AHEAD_DAYS} days."),
            |opens| format!("It opens on {}.", opens.strftime("%A, %Y-%m-%d at %H:%M %Z")),
        ),
    })
}

/// Whether deployments are allowed now. A zone that is not known keeps the window shut.
pub(crate) fn is_open(window: &Window, now: Timestamp) -> bool {
    let Ok(zone) = TimeZone::get(&window.zone) else { return false };
    let now = now.to_zoned(zone);
    !window.blackout.iter().any(|blackout| closes(blackout, &now))
        && window.allow.iter().any(|range| covers(range, &now))
}

fn closes(blackout: &Blackout, now: &Zoned) -> bool {
    match blackout {
        Blackout::Day(day) => *day == now.date(),
        Blackout::Range { from, until } => *from <= now.datetime() && now.datetime() < *until,
    }
}

fn covers(range: &TimeRange, now: &Zoned) -> bool {
    let (from, time) = (from(range), now.time());
    let on = |day: jiff::civil::Weekday| range.days.iter().any(|allowed| civil(*allowed) == day);
    let (today, yesterday) = (now.weekday(), now.weekday().previous());
    match range.until {
        None => on(today) && time >= from,
        Some(until) if from < until => on(today) && time >= from && time < until,
        Some(until) => (on(today) && time >= from) || (on(yesterday) && time < until),
    }
}

/// The first moment from `now` on at which the window is open: a range's beginning, or the midnight after a blackout.
pub(crate) fn next_opening(window: &Window, now: Timestamp) -> Option<Zoned> {
    let zone = TimeZone::get(&window.zone).ok()?;
    let today = now.to_zoned(zone.clone()).date();
    let starts = || window.allow.iter().map(from).chain([Time::midnight()]);
    (0..=LOOK_AHEAD_DAYS)
        .filter_map(|days| today.checked_add(days.days()).ok())
        .flat_map(|date| starts().map(move |time| date.to_datetime(time)))
        .filter_map(|start| start.to_zoned(zone.clone()).ok())
        .filter(|start| start.timestamp() >= now && is_open(window, start.timestamp()))
        .min_by_key(Zoned::timestamp)
}

fn from(range: &TimeRange) -> Time {
    range.from.unwrap_or(Time::midnight())
}

fn civil(day: Weekday) -> jiff::civil::Weekday {
    match day {
        Weekday::Mon => jiff::civil::Weekday::Monday,
        Weekday::Tue => jiff::civil::Weekday::Tuesday,
        Weekday::Wed => jiff::civil::Weekday::Wednesday,
        Weekday::Thu => jiff::civil::Weekday::Thursday,
        Weekday::Fri => jiff::civil::Weekday::Friday,
        Weekday::Sat => jiff::civil::Weekday::Saturday,
        Weekday::Sun => jiff::civil::Weekday::Sunday,
    }
}
