//! Lengths of time in words, for everybody who writes to people.

use jiff::SignedDuration;

/// A length of time as people say it: `0.2 s`, `40 s`, `2 min 5 s`, `1 h 30 min`.
pub fn span(span: SignedDuration) -> String {
    let seconds = span.as_secs().max(0);
    let of = |big: i64, unit: &str, small: i64, small_unit: &str| {
        if small == 0 { format!("{big} {unit}") } else { format!("{big} {unit} {small} {small_unit}") }
    };
    match seconds {
        0..10 => {
            let tenths = (span.as_millis().max(0) + 50) / 100;
            if tenths % 10 == 0 { format!("{} s", tenths / 10) } else { format!("{}.{} s", tenths / 10, tenths % 10) }
        }
        10..60 => format!("{seconds} s"),
        60..3600 => of(seconds / 60, "min", seconds % 60, "s"),
        3600..86_400 => of(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ => of(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_people_say_them() {
        for (ms, said) in [
            (-5, "0 s"),
            (212, "0.2 s"),
            (3000, "3 s"),
            (9999, "10 s"),
            (40_000, "40 s"),
            (125_000, "2 min 5 s"),
            (5_400_000, "1 h 30 min"),
            (180_000_000, "2 d 2 h"),
        ] {
            assert_eq!(span(SignedDuration::from_millis(ms)), said);
        }
    }
}
