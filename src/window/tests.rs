//! When windows are open: on ordinary days, over midnight, in blackouts, and when the clocks change.

use jiff::civil::{date, time};
use proptest::prelude::*;

use super::*;

const ZONE: &str = "America/New_York";

fn range(days: &[Weekday], from: Option<Time>, until: Option<Time>) -> TimeRange {
    TimeRange { days: days.to_vec(), from, until }
}

/// Weekends, and the nights of weekdays, as `config/alch.toml` has them.
fn nights_and_weekends() -> Window {
    use Weekday::{Fri, Mon, Sat, Sun, Thu, Tue, Wed};
    Window {
        zone: ZONE.to_owned(),
        allow: vec![
            range(&[Sat, Sun], None, None),
            range(&[Mon, Tue, Wed, Thu, Fri], Some(time(17, 0, 0, 0)), Some(time(8, 30, 0, 0))),
        ],
        blackout: Vec::new(),
    }
}

/// A local time, with an offset where the clock shows it twice: `2026-11-01T01:30:00-04:00`.
fn at(local: &str) -> Timestamp {
    if local.len() > 19 {
        return local.parse().unwrap();
    }
    format!("{local}[{ZONE}]").parse::<Zoned>().unwrap().timestamp()
}

/// Without the zone's name.
fn told(at: Option<Zoned>) -> String {
    at.map_or_else(|| "never".to_owned(), |at| at.to_string().replace(&format!("[{ZONE}]"), ""))
}

fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}

#[test]
fn a_window_is_open_as_configured() {
    let mut window = nights_and_weekends();
    // 2026-11-27 is a Friday; the last Monday-to-Friday night of the week ends on Saturday, which is open anyway.
    let cases = [
        ("2026-11-25T08:29:59", true),
        ("2026-11-25T08:30:00", false),
        ("2026-11-25T16:59:59", false),
        ("2026-11-25T17:00:00", true),
        ("2026-11-28T12:00:00", true),
        ("2026-11-29T23:59:59", true),
        // Sunday is a whole day, and no range begins there that reaches into Monday morning.
        ("2026-11-30T00:00:00", false),
        ("2026-11-30T17:00:00", true),
        // Summer time.
        ("2026-07-01T08:29:59", true),
        ("2026-07-01T08:30:00", false),
    ];
    for (local, wanted) in cases {
        assert_eq!(is_open(&window, at(local)), wanted, "{local}");
    }
    window.allow[0].from = Some(time(9, 0, 0, 0));
    window.allow[0].until = Some(time(12, 0, 0, 0));
    let cases = [
        ("2026-11-29T08:59:59", false),
        ("2026-11-29T09:00:00", true),
        ("2026-11-29T11:59:59", true),
        ("2026-11-29T12:00:00", false),
        // Friday's range reaches into Saturday.
        ("2026-11-28T08:29:59", true),
        ("2026-11-28T08:30:00", false),
    ];
    for (local, wanted) in cases {
        assert_eq!(is_open(&window, at(local)), wanted, "{local}");
    }
}

#[test]
fn openings_and_closings_are_found() {
    let mut window = nights_and_weekends();
    let (noon, night) = (at("2026-11-25T12:00:00"), at("2026-11-25T20:00:00"));
    assert_eq!(told(next_opening(&window, noon)), "2026-11-25T17:00:00-05:00");
    assert_eq!(told(closes(&window, noon)), "never", "it is closed");
    assert_eq!(told(next_opening(&window, night)), "2026-11-25T20:00:00-05:00");
    assert_eq!(told(closes(&window, night)), "2026-11-26T08:30:00-05:00");
    // Friday's night, Saturday and Sunday are one stretch.
    assert_eq!(told(closes(&window, at("2026-11-27T17:00:00"))), "2026-11-30T00:00:00-05:00");
    window.blackout = [25, 26].map(|day| Blackout::Day(date(2026, 11, day))).to_vec();
    assert!(!is_open(&window, night));
    assert_eq!(told(next_opening(&window, noon)), "2026-11-27T00:00:00-05:00");
    let blackout =
        Blackout::Range { from: date(2026, 11, 27).at(13, 0, 0, 0), until: date(2026, 11, 28).at(10, 15, 0, 0) };
    window.blackout.push(blackout);
    assert_eq!(told(next_opening(&window, at("2026-11-27T12:00:00"))), "2026-11-28T10:15:00-05:00");
    assert_eq!(told(closes(&window, at("2026-11-27T07:00:00"))), "2026-11-27T08:30:00-05:00");
    window.blackout =
        vec![Blackout::Range { from: date(2026, 11, 25).at(0, 0, 0, 0), until: date(2027, 11, 25).at(0, 0, 0, 0) }];
    assert_eq!(told(next_opening(&window, noon)), "never", "not within the days looked at");
}

#[test]
fn a_window_without_an_end_never_closes_and_one_in_no_zone_never_opens() {
    use Weekday::{Fri, Mon, Sat, Sun, Thu, Tue, Wed};
    let mut window = nights_and_weekends();
    window.allow = vec![range(&[Mon, Tue, Wed, Thu, Fri, Sat, Sun], None, None)];
    let noon = at("2026-11-25T12:00:00");
    assert_eq!(told(closes(&window, noon)), "never");
    assert_eq!(fits(&window, noon, hours(2_000)), Ok(()));
    window.zone = "Mars/Olympus".to_owned();
    assert!(!is_open(&window, noon));
    assert_eq!(next_opening(&window, noon), None);
    assert_eq!(fits(&window, noon, hours(1)), Err(DoesNotFit::Closed { next: None }));
}

#[test]
fn what_is_begun_has_to_end_before_the_window_closes() {
    let window = nights_and_weekends();
    let cases = [
        ("2026-11-25T20:00:00", 6, "fits"),
        // To the minute of the closing, and a minute longer.
        ("2026-11-25T20:30:00", 12, "fits"),
        ("2026-11-25T20:31:00", 12, "closes 2026-11-26T08:30:00-05:00, next 2026-11-26T17:00:00-05:00"),
        ("2026-11-25T12:00:00", 6, "closed, next 2026-11-25T17:00:00-05:00"),
        // Only from Friday on is it open for a whole day.
        ("2026-11-25T17:00:00", 24, "closes 2026-11-26T08:30:00-05:00, next 2026-11-27T17:00:00-05:00"),
        ("2026-11-25T12:00:00", 24, "closed, next 2026-11-27T17:00:00-05:00"),
        ("2026-11-27T17:00:00", 55, "fits"),
        ("2026-11-27T17:00:00", 56, "closes 2026-11-30T00:00:00-05:00, next never"),
    ];
    for (start, lasting, wanted) in cases {
        let found = match fits(&window, at(start), hours(lasting)) {
            Ok(()) => "fits".to_owned(),
            Err(DoesNotFit::Closed { next }) => format!("closed, next {}", told(next)),
            Err(DoesNotFit::TooShort { closes, next }) => {
                format!("closes {}, next {}", told(Some(closes)), told(next))
            }
        };
        assert_eq!(found, wanted, "{lasting} h from {start}");
    }
}

#[test]
fn a_night_in_which_the_clocks_change_is_an_hour_longer_or_shorter() {
    let mut window = nights_and_weekends();
    window.allow = vec![range(&[Weekday::Sat], Some(time(22, 0, 0, 0)), Some(time(6, 0, 0, 0)))];
    // Forward on 2026-03-08, back on 2026-11-01: 7 and 9 hours of open time instead of 8.
    for (evening, lasts) in [("2026-03-07", 7), ("2026-03-14", 8), ("2026-10-31", 9)] {
        let opens = at(&format!("{evening}T22:00:00"));
        assert_eq!(fits(&window, opens, hours(lasts)), Ok(()), "{evening}");
        assert!(matches!(
            fits(&window, opens, hours(lasts) + SignedDuration::from_secs(1)),
            Err(DoesNotFit::TooShort { .. })
        ));
    }
}

#[test]
fn an_hour_that_the_clock_skips_is_not_open_and_one_that_it_shows_twice_is_open_twice() {
    let mut window = nights_and_weekends();
    window.allow = vec![range(&[Weekday::Sun], Some(time(2, 15, 0, 0)), Some(time(2, 45, 0, 0)))];
    assert_eq!(told(next_opening(&window, at("2026-03-08T00:00:00"))), "2026-03-15T02:15:00-04:00");
    // What begins in the skipped hour begins after it.
    window.allow = vec![range(&[Weekday::Sun], Some(time(2, 15, 0, 0)), Some(time(4, 0, 0, 0)))];
    assert_eq!(told(next_opening(&window, at("2026-03-08T00:00:00"))), "2026-03-08T03:00:00-04:00");
    window.allow = vec![range(&[Weekday::Sun], Some(time(1, 0, 0, 0)), Some(time(1, 30, 0, 0)))];
    let first = at("2026-11-01T01:00:00-04:00");
    assert_eq!(told(closes(&window, first)), "2026-11-01T01:30:00-04:00");
    let between = at("2026-11-01T01:45:00-04:00");
    assert!(!is_open(&window, between));
    assert_eq!(told(next_opening(&window, between)), "2026-11-01T01:00:00-05:00");
    assert_eq!(told(closes(&window, at("2026-11-01T01:10:00-05:00"))), "2026-11-01T01:30:00-05:00");
}

fn days() -> impl Strategy<Value = Vec<Weekday>> {
    use Weekday::{Fri, Mon, Sat, Sun, Thu, Tue, Wed};
    prop::sample::subsequence(vec![Mon, Tue, Wed, Thu, Fri, Sat, Sun], 1..=7)
}

/// Times on half hours, so that edges meet.
fn half_hours() -> impl Strategy<Value = Time> {
    (0..48_i8).prop_map(|half| time(half / 2, half % 2 * 30, 0, 0))
}

fn windows() -> impl Strategy<Value = Window> {
    let ranges = (days(), prop::option::of(half_hours()), prop::option::of(half_hours()))
        .prop_map(|(days, from, until)| TimeRange { days, from, until });
    let blackouts = prop_oneof![
        (1..29_i8).prop_map(|day| Blackout::Day(date(2026, 11, day))),
        (1..29_i8, half_hours(), 0..3_i8, half_hours()).prop_map(|(day, from, more, until)| Blackout::Range {
            from: date(2026, 11, day).to_datetime(from),
            until: date(2026, 11, 1).checked_add(i32::from(day - 1 + more).days()).unwrap().to_datetime(until),
        }),
    ];
    let zones = prop::sample::select(vec![ZONE, "UTC", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Kathmandu"]);
    (zones, prop::collection::vec(ranges, 1..4), prop::collection::vec(blackouts, 0..4))
        .prop_map(|(zone, allow, blackout)| Window { zone: zone.to_owned(), allow, blackout })
}

/// Around the days on which clocks change, in both directions.
fn moments() -> impl Strategy<Value = Timestamp> {
    let around = prop::sample::select(vec![
        "2026-03-07T00:00Z",
        "2026-04-04T00:00Z",
        "2026-04-23T00:00Z",
        "2026-10-03T00:00Z",
        "2026-10-29T00:00Z",
        "2026-10-31T00:00Z",
        "2026-11-20T00:00Z",
    ]);
    (around, 0..4_320_i64).prop_map(|(day, minutes)| {
        day.replace("Z", ":00Z").parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minutes)
    })
}

proptest! {
    #[test]
    fn what_fits_is_open_at_every_minute_in_between(window in windows(), start in moments(), minutes in 1..2_000_i64) {
        let open = |minute: i64| is_open(&window, start + SignedDuration::from_mins(minute));
        let found = fits(&window, start, SignedDuration::from_mins(minutes));
        prop_assert_eq!(found.is_ok(), (0..minutes).all(open), "{:?}", found);
        if let Err(DoesNotFit::TooShort { closes, .. }) = &found {
            let until = closes.timestamp().duration_since(start).as_mins();
            prop_assert!((0..until).all(open) && !open(until));
        }
    }

    #[test]
    fn the_next_start_fits_and_none_before_it_does(window in windows(), now in moments(), minutes in 1..900_i64) {
        let lasting = SignedDuration::from_mins(minutes);
        let next = next_fitting(&window, now, lasting).map(|next| next.timestamp());
        if let Some(next) = next {
            prop_assert_eq!(fits(&window, next, lasting), Ok(()));
        }
        let week = now + hours(7 * 24);
        let before = next.map_or(week, |next| next.min(week)).duration_since(now).as_mins();
        for minute in (0..before).step_by(211) {
            prop_assert!(fits(&window, now + SignedDuration::from_mins(minute), lasting).is_err(), "{minute}");
        }
    }
}
