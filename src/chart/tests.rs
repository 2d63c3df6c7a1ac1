//! What charts say in text, that they can be drawn whatever they hold, and that what matters is in the picture.

use jiff::SignedDuration;

use super::*;

fn at(minute: i64) -> Timestamp {
    let begin: Timestamp = "2026-11-23T03:00:00Z".parse().unwrap();
    begin + SignedDuration::from_mins(minute)
}

fn series(name: &str, points: &[(i64, i64)]) -> Series {
    Series { name: name.to_owned(), points: points.iter().map(|(minute, count)| (at(*minute), *count)).collect() }
}

fn limit(value: i64) -> Limit {
    Limit { name: format!("limit {value}"), value }
}

/// A gate that found a failure.
pub(super) fn gate() -> Chart {
    Chart {
        title: "signal-generated in dev".to_owned(),
        subtitle: "R-12 · failed its gate".to_owned(),
        from: at(0),
        until: at(14),
        panels: vec![
            Panel {
                title: "Invocations per minute".to_owned(),
                series: vec![series(
                    "signal-generated",
                    &[(1, 2), (2, 3), (3, 3), (4, 2), (5, 4), (8, 3), (9, 6), (10, 3), (12, 2)],
                )],
                limits: Vec::new(),
            },
            Panel {
                title: "Failures per minute".to_owned(),
                series: vec![
                    series("Failed invocations", &[(9, 1), (10, 2)]),
                    series("Errors of the-alchemiser-v2-lambda-dev", &[]),
                ],
                limits: vec![limit(0)],
            },
        ],
        marks: vec![
            Mark { at: at(1), label: "signal-generated enabled".to_owned(), tone: Tone::Plain },
            Mark { at: at(11), label: "gate failed".to_owned(), tone: Tone::Bad },
            Mark { at: at(11), label: "signal-generated disabled".to_owned(), tone: Tone::Plain },
        ],
    }
}

/// A promotion of four rules.
fn promotion() -> Chart {
    let rules = ["signal-generated", "rebalance-planned", "trade-executed", "all-events-monitor"];
    let wave = |n: i64| -> Vec<(i64, i64)> {
        (0..90).filter(|m| *m >= n * 20 && (m + n) % 7 != 0).map(|m| (m, (m * (n + 3)) % 17 + 20 * n)).collect()
    };
    let numbered = || (0..4_i64).zip(rules);
    Chart {
        title: "prod: promotion of 4 rules".to_owned(),
        subtitle: "R-31 · succeeded".to_owned(),
        from: at(0),
        until: at(90),
        panels: vec![
            Panel {
                title: "Invocations per minute".to_owned(),
                series: numbered().map(|(n, rule)| series(rule, &wave(n))).collect(),
                limits: Vec::new(),
            },
            Panel {
                title: "Failures per minute".to_owned(),
                series: numbered().map(|(_, rule)| series(&format!("{rule} failed"), &[])).collect(),
                limits: vec![limit(0)],
            },
        ],
        marks: numbered()
            .flat_map(|(n, rule)| {
                [
                    Mark { at: at(n * 20), label: format!("{rule} enabled"), tone: Tone::Plain },
                    Mark { at: at(n * 20 + 15), label: "gate passed".to_owned(), tone: Tone::Good },
                ]
            })
            .chain([Mark { at: at(89), label: "end".to_owned(), tone: Tone::Good }])
            .collect(),
    }
}

fn odd_charts() -> Vec<(&'static str, Chart)> {
    let one = |points: &[(i64, i64)]| Chart {
        title: "odd".to_owned(),
        from: at(0),
        until: at(30),
        panels: vec![Panel { title: "n".to_owned(), series: vec![series("n", points)], limits: vec![limit(5)] }],
        ..Chart::default()
    };
    let many = Chart {
        panels: (0..9)
            .map(|_| Panel {
                title: "a very long title ".repeat(20),
                series: (0..30).map(|n| series(&"long name ".repeat(n), &[(n as i64, 3)])).collect(),
                limits: (0..9).map(limit).collect(),
            })
            .collect(),
        marks: (0..300).map(|n| Mark { at: at(n), label: "mark ".repeat(30), tone: Tone::Bad }).collect(),
        ..one(&[])
    };
    vec![
        ("empty", Chart::default()),
        ("no points", one(&[])),
        ("one point", one(&[(3, 1)])),
        ("zeros", one(&(0..30).map(|n| (n, 0)).collect::<Vec<_>>())),
        ("huge", one(&[(0, i64::MAX), (1, 1), (2, i64::MAX - 1)])),
        ("negative", one(&[(0, i64::MIN), (1, -5)])),
        (
            "limit far above",
            Chart {
                panels: vec![Panel {
                    title: "n".to_owned(),
                    series: vec![series("n", &[(1, 2)])],
                    limits: vec![limit(i64::MAX)],
                }],
                ..one(&[])
            },
        ),
        ("outside", one(&[(-100, 4), (400, 4)])),
        ("backwards", Chart { from: at(30), until: at(0), ..one(&[(3, 1)]) }),
        ("a year", Chart { until: at(525_600), ..one(&(0..2000).map(|n| (n * 250, n % 9)).collect::<Vec<_>>()) }),
        ("the ends of time", Chart { from: Timestamp::MIN, until: Timestamp::MAX, ..one(&[(3, 1)]) }),
        ("many", many),
        ("a day", Chart { until: at(1440), ..one(&(0..1440).map(|n| (n, n * n % 97)).collect::<Vec<_>>()) }),
        ("other letters", Chart { title: "日本語 🚀 \u{202e}".to_owned(), ..one(&[(3, 1)]) }),
    ]
}

/// The pixels, decoded.
fn decoded(file: &[u8]) -> (u32, u32, Vec<[u8; 3]>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!(info.color_type, png::ColorType::Rgb);
    (info.width, info.height, pixels.chunks(3).map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect())
}

#[test]
fn a_picture_has_its_size_its_series_and_its_limit() {
    for chart in [gate(), promotion()] {
        let file = chart.png().unwrap();
        assert!(file.len() < 120_000, "{} bytes", file.len());
        let (width, height, pixels) = decoded(&file);
        assert_eq!((width, height), (WIDTH, HEIGHT));
        let count = |color: [u8; 3]| pixels.iter().filter(|pixel| **pixel == color).count();
        assert!(count(LIMIT_COLOR) > 500, "the limit's line: {}", count(LIMIT_COLOR));
        assert!(count([0, 114, 178]) > 500, "the first series: {}", count([0, 114, 178]));
        assert!(count([255, 255, 255]) > pixels.len() / 2, "the card");
        assert_ne!(pixels[0], [0, 0, 0], "the corner is the card's, not transparent or black");
    }
}

#[test]
fn whatever_it_holds_it_can_be_drawn_and_told() {
    for (name, chart) in odd_charts() {
        let file = chart.png().unwrap_or_else(|error| panic!("{name}: {error}"));
        let (width, height, pixels) = decoded(&file);
        assert_eq!((width, height), (WIDTH, HEIGHT), "{name}");
        assert!(pixels.iter().any(|pixel| *pixel != pixels[pixels.len() / 2]), "{name}: blank");
        assert!(chart.description().chars().count() <= 1900, "{name}");
        assert!(chart.sparkline().lines().count() <= MAX_PANELS * (MAX_SERIES + 1) + 1, "{name}");
        for native in chart.native() {
            assert!((1..=MAX_NATIVE_POINTS).contains(&native.categories.len()), "{name}");
            assert!(native.series.iter().all(|series| series.values.len() == native.categories.len()), "{name}");
        }
    }
}

#[test]
fn a_gate_in_text() {
    insta::assert_snapshot!(gate().sparkline(), @"
    ·▄▅▅▄▆··▅█▅·▄· signal-generated: min 2, max 6, last 2, 28 in all
    ·········▅█··· Failed invocations: min 1, max 2, last 2, 3 in all, limit 0
    ·············· Errors of the-alchemiser-v2-lambda-dev: nothing reported, limit 0
    2026-11-23 03:00 to 2026-11-23 03:14 UTC
    ");
    insta::assert_snapshot!(gate().description(), @"Chart: signal-generated in dev, R-12 · failed its gate. 2026-11-23 03:00 to 2026-11-23 03:14 UTC. Invocations per minute: signal-generated: min 2, max 6, last 2, 28 in all. Failures per minute: Failed invocations: min 1, max 2, last 2, 3 in all, limit 0; Errors of the-alchemiser-v2-lambda-dev: nothing reported, limit 0. Marked: signal-generated enabled at 03:01, gate failed at 03:11, signal-generated disabled at 03:11.");
}

#[test]
fn bars_tell_gaps_from_zeros() {
    let chart = |points: &[(i64, i64)], minutes| Chart {
        from: at(0),
        until: at(minutes),
        panels: vec![Panel { series: vec![series("n", points)], ..Panel::default() }],
        ..Chart::default()
    };
    let bars = |points: &[(i64, i64)], minutes| {
        let told = chart(points, minutes).sparkline();
        told.split(' ').next().unwrap().to_owned()
    };
    assert_eq!(bars(&[], 5), "·····");
    assert_eq!(bars(&[(0, 0), (1, 0), (4, 0)], 5), "▁▁··▁");
    assert_eq!(bars(&[(0, 1), (1, 8), (3, 4)], 5), "▂█·▅·");
    assert_eq!(bars(&[(2, 1)], 5), "··█··");
    assert_eq!(bars(&(0..400).map(|n| (n, n)).collect::<Vec<_>>(), 400).chars().count(), 40);
}

#[test]
fn grids_are_round() {
    let cases: [(i64, i64, &[i64]); 6] = [
        (0, 5, &[0, 1]),
        (3, 5, &[0, 1, 2, 3]),
        (6, 5, &[0, 2, 4, 6]),
        (7, 2, &[0, 5, 10]),
        (95, 5, &[0, 20, 40, 60, 80, 100]),
        (1_000_001, 1, &[0, 2_000_000]),
    ];
    for (max, most, expected) in cases {
        assert_eq!(scale::counts(max, most), expected, "{max} in {most}");
    }
    assert!(scale::counts(i64::MAX, 5).len() <= 7);
    let labels = |minutes: i64| {
        let ticks = scale::times(at(3), at(3 + minutes), 8);
        ticks.into_iter().map(|tick| scale::time_label(tick, at(3), at(3 + minutes))).collect::<Vec<_>>()
    };
    assert_eq!(labels(6), ["03:03", "03:04", "03:05", "03:06", "03:07", "03:08", "03:09"]);
    assert_eq!(labels(60), ["03:10", "03:20", "03:30", "03:40", "03:50", "04:00"]);
    assert_eq!(labels(24 * 60)[0], "23 Nov 06:00");
    for (count, expected) in
        [(0, "0"), (950, "950"), (9_999, "9999"), (12_000, "12k"), (1_250_000, "1.2M"), (-12_000, "-12k")]
    {
        assert_eq!(scale::short(count), expected);
    }
}

#[test]
fn what_slack_would_draw_keeps_within_its_limits() {
    let native = promotion().native();
    assert_eq!(native.len(), 1, "a panel without counts is not worth one");
    assert_eq!(native[0].categories.len(), 18);
    assert_eq!(native[0].unit, "in each 5 min");
    let mut doubled = gate();
    doubled.panels[0].series =
        vec![series("the same long name of a series", &[(1, 1)]), series("the same long name of another", &[(1, 2)])];
    let names: Vec<String> = doubled.native().remove(0).series.into_iter().map(|series| series.name).collect();
    assert_eq!(names, ["the same long name …", "2 the same long nam…"]);
}

#[test]
fn more_limits_than_can_be_told_apart_leave_the_counts_to_be_seen() {
    let mut crowded = gate();
    crowded.panels[0].limits = (0..40).map(limit).collect();
    let (_, _, pixels) = decoded(&crowded.png().unwrap());
    let share = |color: [u8; 3]| pixels.iter().filter(|pixel| **pixel == color).count() * 100 / pixels.len();
    assert!(share(LIMIT_COLOR) < 5, "{} % is limits", share(LIMIT_COLOR));
}

/// Writes the pictures of this file for people to look at: `CHARTS_TO=folder cargo test --lib chart:: -- --ignored`.
#[test]
#[ignore = "writes files"]
fn write_pictures() {
    let folder = std::path::PathBuf::from(std::env::var("CHARTS_TO").unwrap());
    for (name, chart) in odd_charts().into_iter().chain([("gate", gate()), ("promotion", promotion())]) {
        std::fs::write(folder.join(format!("{name}.png")), chart.png().unwrap()).unwrap();
    }
}
