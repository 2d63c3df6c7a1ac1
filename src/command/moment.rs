//! Moments as people type them: `sat 10:00`, `tomorrow 10:00`, `2027-01-30 10:00`, `next window`, or with an offset.
//!
//! Without an offset a time is in the zone of the environment's deployment window. A time that does not exist there, or
//! exists twice, is refused: half an hour more or less is not ours to choose.

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan, Zoned};

use super::{Known, Quoted};
use crate::domain::Window;
use crate::window::{is_open, next_opening};

/// How far ahead something can be asked for.
const MAX_AHEAD: SignedDuration = SignedDuration::from_hours(24 * 60);

/// The names of the days; three letters are enough.
const DAYS: [(&str, Weekday); 7] = [
    ("monday", Weekday::Monday),
    ("tuesday", Weekday::Tuesday),
    ("wednesday", Weekday::Wednesday),
    ("thursday", Weekday::Thursday),
    ("friday", Weekday::Friday),
    ("saturday", Weekday::Saturday),
    ("sunday", Weekday::Sunday),
];

/// A day as it was typed.
#[derive(Clone, Copy)]
enum Day {
    Today,
    Tomorrow,
    Next(Weekday),
    On(Date),
}

/// Reads a moment that is over, with its day, in the zone of the environment's window.
pub(super) fn read_past(text: &str, environment: &Known, now: Timestamp) -> Result<Timestamp, String> {
    let zone = zone(environment)?;
    let at = match text.parse::<Timestamp>() {
        Ok(at) => at,
        Err(_) => civil(text, &words(text), &zone, now)?,
    };
    if at > now {
        let shown = at.to_zoned(zone).strftime("%A, %Y-%m-%d at %H:%M %Z");
        return Err(format!("That moment is not over yet: {shown}. Write it with its day, like `2026-11-20 09:00`."));
    }
    Ok(at)
}

/// Reads a moment for an environment, or says what is wrong with it, as Slack's mrkdwn.
pub(super) fn read(text: &str, environment: &Known, now: Timestamp) -> Result<Timestamp, String> {
    let zone = zone(environment)?;
    let words = words(text);
    let at = if let Ok(at) = text.parse::<Timestamp>() {
        at
    } else if matches!(words.iter().map(String::as_str).collect::<Vec<_>>()[..], ["next", "window"] | ["window"]) {
        opening(environment, now)?
    } else {
        civil(text, &words, &zone, now)?
    };
    let shown = |at: Timestamp| at.to_zoned(zone.clone()).strftime("%A, %Y-%m-%d at %H:%M %Z").to_string();
    if at <= now {
        return Err(format!("That moment is over: {}. It is now {}.", shown(at), shown(now)));
    }
    if at.duration_since(now) > MAX_AHEAD {
        return Err(format!("That is too far ahead: {}. I wait 60 days at most.", shown(at)));
    }
    Ok(at)
}

/// Whether a word can be a part of a moment.
pub(super) fn is_part(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    word.starts_with(|letter: char| letter.is_ascii_digit())
        || matches!(word.as_str(), "next" | "window")
        || matches!(read_day(&word), Some(Day::Today | Day::Tomorrow | Day::Next(_)))
}

fn zone(environment: &Known) -> Result<TimeZone, String> {
    let Some(window) = &environment.window else { return Ok(TimeZone::UTC) };
    TimeZone::get(&window.zone).map_err(|_| {
        format!(
            "I don't know the time zone `{}` of `{}`. Write the time without `--at`.",
            window.zone, environment.name
        )
    })
}

/// Lower-case words; the `T` between a date and a time parts them too.
fn words(text: &str) -> Vec<String> {
    let text = text.to_ascii_lowercase();
    let words = text.split([' ', ',']).filter(|word| !word.is_empty());
    let begins_with_digit = |word: &str| word.starts_with(|letter: char| letter.is_ascii_digit());
    words
        .flat_map(|word| match word.split_once('t') {
            Some((date, time)) if begins_with_digit(date) && begins_with_digit(time) => vec![date, time],
            _ => vec![word],
        })
        .map(str::to_owned)
        .collect()
}

/// The next moment at which the window turns from closed to open.
fn opening(environment: &Known, now: Timestamp) -> Result<Timestamp, String> {
    let Some(window) = &environment.window else {
        let name = &environment.name;
        return Err(format!("`{name}` has no deployment window: it is open at all times. Leave `--at` out."));
    };
    let none = || format!("The deployment window of `{}` does not open within 60 days.", environment.name);
    let mut from = now;
    while from.duration_since(now) <= MAX_AHEAD {
        let start = next_opening(window, from).ok_or_else(none)?.timestamp();
        if was_shut_before(window, start) {
            return Ok(start);
        }
        from = start.checked_add(SignedDuration::from_secs(1)).map_err(|_| none())?;
    }
    Err(none())
}

fn was_shut_before(window: &Window, start: Timestamp) -> bool {
    start.checked_sub(SignedDuration::from_secs(1)).is_ok_and(|before| !is_open(window, before))
}

/// A day and a time without an offset.
fn civil(text: &str, words: &[String], zone: &TimeZone, now: Timestamp) -> Result<Timestamp, String> {
    let here = now.to_zoned(zone.clone());
    let (mut day, mut time) = (None, None);
    for word in words {
        let is_new = match (read_time(word), read_day(word)) {
            (Some(read), _) => time.replace(read).is_none(),
            (None, Some(read)) => day.replace(read).is_none(),
            (None, None) => false,
        };
        if !is_new {
            return Err(format!("I cannot read the time {}. {}", Quoted(text.to_owned()), forms(&here)));
        }
    }
    let Some(time) = time else {
        return Err(format!("At what time? {}", forms(&here)));
    };
    let moment = next(day, time, here.datetime()).map_err(|_| "That day is not in any calendar of mine.".to_owned())?;
    once(moment, zone)
}

/// The next such moment after `here`.
fn next(day: Option<Day>, time: Time, here: DateTime) -> Result<DateTime, jiff::Error> {
    let today = here.date();
    let is_ahead = today.to_datetime(time) > here;
    let date = match day {
        None if is_ahead => today,
        None | Some(Day::Tomorrow) => today.checked_add(1.day())?,
        Some(Day::Today) => today,
        Some(Day::Next(weekday)) if weekday == today.weekday() && is_ahead => today,
        Some(Day::Next(weekday)) => today.nth_weekday(1, weekday)?,
        Some(Day::On(date)) => date,
    };
    Ok(date.to_datetime(time))
}

/// The moment, when there is exactly one of that name.
fn once(moment: DateTime, zone: &TimeZone) -> Result<Timestamp, String> {
    let name = zone.iana_name().unwrap_or("UTC");
    let shown = moment.strftime("%Y-%m-%d %H:%M");
    let ambiguous = zone.to_ambiguous_timestamp(moment);
    let offsets = match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { .. } => None,
        AmbiguousOffset::Gap { .. } => {
            return Err(format!("There is no {shown} in {name}: the clocks go forward over it. Name another time."));
        }
        AmbiguousOffset::Fold { before, after } => Some((before, after)),
    };
    match offsets {
        None => ambiguous.unambiguous().map_err(|_| format!("{shown} in {name} is no moment that I know.")),
        Some((before, after)) => {
            let written = moment.strftime("%Y-%m-%dT%H:%M");
            Err(format!(
                "{shown} comes twice in {name}: the clocks go back. Say which: `{written}{before}` or `{written}{after}`."
            ))
        }
    }
}

fn read_time(word: &str) -> Option<Time> {
    let digits = |part: &str| -> Option<i8> {
        let fine = (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        fine.then(|| part.parse().ok()).flatten()
    };
    let mut parts = word.split(':');
    let (hour, minute) = (digits(parts.next()?)?, digits(parts.next()?)?);
    let second = parts.next().map_or(Some(0), digits)?;
    parts.next().is_none().then(|| Time::new(hour, minute, second, 0).ok()).flatten()
}

fn read_day(word: &str) -> Option<Day> {
    match word {
        "today" => return Some(Day::Today),
        "tomorrow" => return Some(Day::Tomorrow),
        _ => {}
    }
    if let Some((_, weekday)) = DAYS.iter().find(|(name, _)| word.len() >= 3 && name.starts_with(word)) {
        return Some(Day::Next(*weekday));
    }
    let is_date = word.len() == 10 && word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    is_date.then(|| word.parse().ok()).flatten().map(Day::On)
}

fn forms(here: &Zoned) -> String {
    let date = here.date().checked_add(2.days()).unwrap_or(here.date());
    format!(
        "Write it like `\"sat 10:00\"`, `\"tomorrow 10:00\"`, `10:00`, `\"{date} 10:00\"`, `{date}T10:00:00Z` or `\"next window\"`."
    )
}
