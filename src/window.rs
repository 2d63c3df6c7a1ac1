//! Deployment windows: whether one is open, when it opens and closes, and whether something fits into it. Pure.
//!
//! A window is told in the civil time of its zone: open is what the wall clock there says. An hour that the clock skips
//! is never open, and an hour that it shows twice is open twice. What turns rules off is never kept waiting by a window.

#[cfg(test)]
mod tests;

use jiff::civil::{DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan, Zoned};

use crate::domain::{Blackout, TimeRange, Weekday, Window};

/// How far ahead an opening is looked for, and from an opening on its closing, days.
pub const LOOK_AHEAD_DAYS: i32 = 60;

/// Why something does not fit into a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DoesNotFit {
    /// It is closed when it would begin.
    Closed {
        /// When it would fit next; none when not within [`LOOK_AHEAD_DAYS`].
        next: Option<Zoned>,
    },
    /// It is open when it would begin, and closes before its end.
    TooShort {
        /// When it closes.
        closes: Zoned,
        /// When it would fit next; none when not within [`LOOK_AHEAD_DAYS`].
        next: Option<Zoned>,
    },
}

/// Whether deployments are allowed now. A zone that is not known keeps the window shut.
pub fn is_open(window: &Window, now: Timestamp) -> bool {
    TimeZone::get(&window.zone).is_ok_and(|zone| is_open_at(window, &now.to_zoned(zone)))
}

/// The first moment from `now` on at which the window is open: `now` itself when it is.
pub fn next_opening(window: &Window, now: Timestamp) -> Option<Zoned> {
    next_fitting(window, now, SignedDuration::ZERO)
}

/// When the stretch of open time ends that contains `now`, exclusive. None when the window is closed, or does not close
/// within [`LOOK_AHEAD_DAYS`].
pub fn closes(window: &Window, now: Timestamp) -> Option<Zoned> {
    let zone = TimeZone::get(&window.zone).ok()?;
    let first = stretches(window, &zone, now).into_iter().next()?;
    (first.from == now).then_some(first.until?.to_zoned(zone))
}

/// The first moment from `now` on from which the window stays open for so long.
pub fn next_fitting(window: &Window, now: Timestamp, lasting: SignedDuration) -> Option<Zoned> {
    let zone = TimeZone::get(&window.zone).ok()?;
    let found = stretches(window, &zone, now).into_iter().find(|stretch| stretch.holds(stretch.from, lasting))?;
    Some(found.from.to_zoned(zone))
}

/// Whether the window is open at `start` and stays so for as long as it lasts.
///
/// # Errors
/// With what keeps it out, and when it would fit.
pub fn fits(window: &Window, start: Timestamp, lasting: SignedDuration) -> Result<(), DoesNotFit> {
    let next = || next_fitting(window, start, lasting);
    if !is_open(window, start) {
        return Err(DoesNotFit::Closed { next: next() });
    }
    match closes(window, start) {
        Some(closes) if ends(start, lasting) > closes.timestamp() => Err(DoesNotFit::TooShort { closes, next: next() }),
        Some(_) | None => Ok(()),
    }
}

/// A stretch of open time.
struct Stretch {
    from: Timestamp,
    /// Exclusive; none when no end is in sight.
    until: Option<Timestamp>,
}

impl Stretch {
    fn holds(&self, start: Timestamp, lasting: SignedDuration) -> bool {
        self.until.is_none_or(|until| ends(start, lasting) <= until)
    }
}

fn ends(start: Timestamp, lasting: SignedDuration) -> Timestamp {
    start.saturating_add(lasting).unwrap_or(Timestamp::MAX)
}

/// The stretches of open time from `now` on that begin within [`LOOK_AHEAD_DAYS`], in order. The first begins at `now` if
/// the window is open then.
fn stretches(window: &Window, zone: &TimeZone, now: Timestamp) -> Vec<Stretch> {
    let mut found: Vec<Stretch> = Vec::new();
    for at in turns(window, zone, now) {
        let was_open = found.last().is_some_and(|last| last.until.is_none());
        match (was_open, is_open_at(window, &at.to_zoned(zone.clone()))) {
            (false, true) => found.push(Stretch { from: at, until: None }),
            (true, false) => {
                if let Some(last) = found.last_mut() {
                    last.until = Some(at);
                }
            }
            (true, true) | (false, false) => {}
        }
    }
    let last = ends(now, SignedDuration::from_hours(24 * i64::from(LOOK_AHEAD_DAYS)));
    found.retain(|stretch| stretch.from <= last);
    found
}

/// The moments from `now` on at which a window may open or close, `now` first: between two of them it does neither. The
/// wall clock reaches an edge of the configuration, or it is set forward or back.
fn turns(window: &Window, zone: &TimeZone, now: Timestamp) -> Vec<Timestamp> {
    let today = now.to_zoned(zone.clone()).date();
    // Twice as far: a stretch that begins on the last day has its end within as many days again.
    let days = (0..=2 * LOOK_AHEAD_DAYS).filter_map(|days| today.checked_add(days.days()).ok());
    let times: Vec<Time> = window
        .allow
        .iter()
        .flat_map(|range| [Some(from(range)), range.until])
        .flatten()
        .chain([Time::midnight()])
        .collect();
    let mut edges: Vec<DateTime> = days.flat_map(|day| times.iter().map(move |time| day.to_datetime(*time))).collect();
    let horizon = edges.iter().max().copied().unwrap_or(DateTime::MIN);
    edges.extend(window.blackout.iter().flat_map(|blackout| {
        match blackout {
            // A day begins and ends at midnights, which are edges already.
            Blackout::Day(_) => [None, None],
            Blackout::Range { from, until } => [Some(*from), Some(*until)],
        }
        .into_iter()
        .flatten()
        .filter(|edge| *edge <= horizon)
    }));
    let mut turns: Vec<Timestamp> = edges.into_iter().flat_map(|edge| instants(zone, edge)).collect();
    let last = turns.iter().max().copied().unwrap_or(now);
    turns.extend(zone.following(now).map(|transition| transition.timestamp()).take_while(|at| *at <= last));
    turns.retain(|at| *at > now);
    turns.push(now);
    turns.sort();
    turns.dedup();
    turns
}

/// The moments at which the wall clock shows a time: two where it is set back, none where it is set forward over it.
fn instants(zone: &TimeZone, at: DateTime) -> impl Iterator<Item = Timestamp> {
    let offsets = match zone.to_ambiguous_timestamp(at).offset() {
        AmbiguousOffset::Unambiguous { offset } => [Some(offset), None],
        AmbiguousOffset::Fold { before, after } => [Some(before), Some(after)],
        AmbiguousOffset::Gap { .. } => [None, None],
    };
    offsets.into_iter().flatten().filter_map(move |offset| offset.to_timestamp(at).ok())
}

fn is_open_at(window: &Window, now: &Zoned) -> bool {
    !window.blackout.iter().any(|blackout| covers(blackout, now)) && window.allow.iter().any(|range| allows(range, now))
}

fn covers(blackout: &Blackout, now: &Zoned) -> bool {
    match blackout {
        Blackout::Day(day) => *day == now.date(),
        Blackout::Range { from, until } => *from <= now.datetime() && now.datetime() < *until,
    }
}

fn allows(range: &TimeRange, now: &Zoned) -> bool {
    let (from, time) = (from(range), now.time());
    let on = |day: jiff::civil::Weekday| range.days.iter().any(|allowed| civil(*allowed) == day);
    let (today, yesterday) = (now.weekday(), now.weekday().previous());
    match range.until {
        None => on(today) && time >= from,
        Some(until) if from < until => on(today) && time >= from && time < until,
        Some(until) => (on(today) && time >= from) || (on(yesterday) && time < until),
    }
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
