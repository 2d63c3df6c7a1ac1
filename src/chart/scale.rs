//! Where the lines of a grid go: round counts, round minutes.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The steps between two times on the axis, in minutes.
const TIME_STEPS: [i64; 14] = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10_080];

/// Round counts from zero to at least `max`, at most `most` steps; the last is the end of the axis.
pub(super) fn counts(max: i64, most: i64) -> Vec<i64> {
    let max = max.max(1);
    let most = most.max(1);
    let rough = max / most + i64::from(max % most != 0);
    let mut magnitude = 1_i64;
    let step = loop {
        let fitting = [1, 2, 5].into_iter().find_map(|digit| {
            let step = magnitude.checked_mul(digit)?;
            (step >= rough).then_some(step)
        });
        match (fitting, magnitude.checked_mul(10)) {
            (Some(step), _) => break step,
            (None, Some(larger)) => magnitude = larger,
            // Beyond what can be counted in round steps.
            (None, None) => break rough,
        }
    };
    let mut ticks = vec![0];
    while let Some(last) = ticks.last().copied().filter(|last| *last < max) {
        ticks.push(last.saturating_add(step));
    }
    ticks
}

/// Round times within the span, at most `most`.
pub(super) fn times(from: Timestamp, until: Timestamp, most: i64) -> Vec<Timestamp> {
    let minutes = until.duration_since(from).as_mins().max(1);
    let fits = |step: &i64| minutes / step <= most.max(1);
    let step = TIME_STEPS.into_iter().find(fits).unwrap_or(minutes / most.max(1) + 1) * 60;
    let first = from.as_second().div_euclid(step) * step;
    let all = (0..=most + 2).filter_map(|n| Timestamp::from_second(first.checked_add(step.checked_mul(n)?)?).ok());
    all.filter(|at| (from..=until).contains(at)).collect()
}

/// A time of the axis: the hour, and the day where the span has several.
pub(super) fn time_label(at: Timestamp, from: Timestamp, until: Timestamp) -> String {
    let at = at.to_zoned(TimeZone::UTC);
    let many_days = from.to_zoned(TimeZone::UTC).date() != until.to_zoned(TimeZone::UTC).date();
    at.strftime(if many_days { "%-d %b %H:%M" } else { "%H:%M" }).to_string()
}

/// A count in few characters: `950`, `1.2k`, `3M`.
pub(super) fn short(count: i64) -> String {
    const UNITS: [(i64, &str); 4] = [(1_000_000_000_000, "T"), (1_000_000_000, "G"), (1_000_000, "M"), (10_000, "k")];
    let Some((_, unit)) = UNITS.into_iter().find(|(size, _)| count.unsigned_abs() >= size.unsigned_abs()) else {
        return count.to_string();
    };
    let size =
        if unit == "k" { 1_000.0 } else { UNITS.iter().find(|(_, of)| *of == unit).map_or(1.0, |(n, _)| *n as f64) };
    let number = format!("{:.1}", count as f64 / size);
    format!("{}{unit}", number.strip_suffix(".0").unwrap_or(&number))
}
