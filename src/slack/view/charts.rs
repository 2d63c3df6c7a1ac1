//! Charts of a run: the datapoints that its checks rest on, with the moments in which something happened to the rules.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::markup::{Markup, clip, md};
use super::words;
use crate::chart::{Chart, Limit, Mark, Native, Panel, Series, Tone};
use crate::domain::{Check, Command, Event, Run, StepKind, StepProgress, StepStatus};
use crate::slack::message::Message;

/// The check that counts what came through.
pub(super) const TRAFFIC: &str = "traffic";
/// Kinds of failures that are drawn one by one.
const MOST_FAILURES: usize = 5;
/// The longest chart in text.
const MAX_TEXT: usize = 2500;

/// A chart for the thread.
#[derive(Clone, Debug, PartialEq)]
pub struct Charted {
    /// What is drawn.
    pub chart: Chart,
    /// The file's name.
    pub file: String,
    /// What is said with the picture, mrkdwn.
    pub caption: String,
    /// The same in Slack's own chart blocks.
    pub native: Message,
    /// The same in text.
    pub text: Message,
}

/// The chart that an event brings, told of the run as the event left it: at the end of a gate and of a monitoring, and of
/// all rules at the end of a run that went through several. None where nothing was counted.
pub(super) fn of(run: &Run, event: &Event) -> Option<Charted> {
    let (file, chart) = match event {
        Event::Finished { step, .. } => {
            let progress = run.step(step)?;
            if progress.status == StepStatus::Skipped {
                return None;
            }
            let title = match &progress.step.kind {
                StepKind::Gate { rule, .. } => format!("{} in {}", rule.name, run.environment),
                // Then the gate is not asked any more.
                StepKind::Watch { rule, .. } if progress.status == StepStatus::Failed => {
                    format!("{} in {}", rule.name, run.environment)
                }
                StepKind::Monitor { .. } => format!("{} while it was monitored", run.environment),
                _ => return None,
            };
            (step.0.replace(|letter: char| !letter.is_ascii_alphanumeric(), "-"), chart(run, title, &[progress])?)
        }
        Event::Ended { .. } => {
            let watched = |progress: &&StepProgress| {
                matches!(progress.step.kind, StepKind::Gate { .. } | StepKind::Watch { .. } | StepKind::WatchAll { .. })
            };
            let watched: Vec<&StepProgress> = run.steps.iter().filter(watched).collect();
            let rules: BTreeSet<&str> = watched
                .iter()
                .filter(|progress| !progress.checks.is_empty())
                .filter_map(|progress| Some(progress.step.kind.rule()?.name.as_str()))
                .collect();
            if rules.len() < 2 && !matches!(run.command, Command::Promote { .. }) {
                return None;
            }
            let title = format!(
                "{} of {}: {}",
                words::count(i64::try_from(rules.len()).unwrap_or(0), "rule"),
                run.environment,
                run.command.name()
            );
            ("all".to_owned(), chart(run, title, &watched)?)
        }
        _ => return None,
    };
    let words = md!("📈 {}", Markup::from(clip(&chart.title, 200)).bold());
    let caption = md!("{} · {}", words, clip(&chart.subtitle, 200));
    let lines: Vec<String> = chart.sparkline().lines().map(str::to_owned).collect();
    let text = md!("{}\n{}", &caption, Markup::block(&lines, MAX_TEXT)).into_string();
    let blocks = chart.native();
    let blocks = blocks.iter().map(block);
    let heading = json!({ "type": "section", "text": { "type": "mrkdwn", "text": caption.as_str() } });
    let native = Message { text: text.clone(), blocks: std::iter::once(heading).chain(blocks).collect() };
    let file = format!("{}-{file}.png", run.id);
    Some(Charted { chart, file, caption: caption.into_string(), native, text: Message { text, blocks: Vec::new() } })
}

/// Slack's data_visualization block.
fn block(native: &Native) -> Value {
    let data = |values: &[i64]| -> Vec<Value> {
        let points = native.categories.iter().zip(values);
        points.map(|(label, value)| json!({ "label": label, "value": value })).collect()
    };
    let series: Vec<Value> =
        native.series.iter().map(|one| json!({ "name": one.name, "data": data(&one.values) })).collect();
    json!({
        "type": "data_visualization",
        "title": native.title,
        "chart": {
            "type": "line",
            "series": series,
            "axis_config": { "categories": native.categories, "x_label": "UTC", "y_label": native.unit },
        },
    })
}

/// What the steps counted; none when they counted nothing.
fn chart(run: &Run, title: String, steps: &[&StepProgress]) -> Option<Chart> {
    let counted = |progress: &&StepProgress| progress.checks.iter().filter(is_counted).cloned().collect::<Vec<_>>();
    let checks: Vec<Check> = steps.iter().flat_map(counted).collect();
    let from = checks.iter().filter_map(|check| check.evidence.from).min()?;
    let until = checks.iter().filter_map(|check| check.evidence.until).max()?;
    let marks: Vec<Mark> = marks(run, steps).into_iter().filter(|mark| mark.at >= from && mark.at <= until).collect();
    let (traffic, failures): (Vec<&Check>, Vec<&Check>) = checks.iter().partition(|check| check.name == TRAFFIC);
    let panels = [("Invocations per minute", &traffic), ("Failures per minute", &failures)];
    let panels = panels.into_iter().filter(|(_, checks)| !checks.is_empty());
    let mut panels: Vec<Panel> = panels.map(|(title, checks)| panel(title, checks)).collect();
    if let Some(failures) = panels.last_mut().filter(|_| !failures.is_empty()) {
        failures.series = together(std::mem::take(&mut failures.series));
    }
    let subtitle = format!("{} · {}", run.id, ending(run, steps));
    let chart = Chart { title, subtitle, from, until, panels, marks };
    chart.has_counts().then_some(chart)
}

/// Whether a check rests on datapoints (CloudWatch GetMetricData).
fn is_counted(check: &&Check) -> bool {
    check.evidence.query.starts_with("GetMetricData") && check.evidence.from.is_some()
}

fn panel(title: &str, checks: &[&Check]) -> Panel {
    let mut series: Vec<Series> = Vec::new();
    for check in checks {
        let name = check.title.strip_prefix("Traffic through ").unwrap_or(&check.title).to_owned();
        let points = check.evidence.datapoints.iter().copied();
        match series.iter_mut().find(|one| one.name == name) {
            Some(one) => one.points.extend(points),
            None => series.push(Series { name, points: points.collect::<BTreeMap<Timestamp, i64>>() }),
        }
    }
    let limits: BTreeSet<i64> = checks.iter().filter_map(|check| limit(&check.limit)).collect();
    let limits = limits.into_iter().map(|value| Limit { name: format!("limit {value}"), value }).collect();
    Panel { title: title.to_owned(), series, limits }
}

/// Of many series those that counted something, and all others as one.
fn together(series: Vec<Series>) -> Vec<Series> {
    if series.len() <= MOST_FAILURES {
        return series;
    }
    let (mut kept, others): (Vec<Series>, Vec<Series>) =
        series.into_iter().partition(|one| one.points.values().any(|value| *value != 0));
    let name = format!("{}{} kinds of failures", if kept.is_empty() { "" } else { "the other " }, others.len());
    let points = others.into_iter().flat_map(|one| one.points).collect();
    kept.push(Series { name, points });
    kept
}

/// A limit that is not to be passed: `0`, `at most 3`.
fn limit(text: &str) -> Option<i64> {
    text.strip_prefix("at most ").unwrap_or(text).parse().ok()
}

/// What happened to the rules of these steps, and what was found.
fn marks(run: &Run, steps: &[&StepProgress]) -> Vec<Mark> {
    let about = |progress: &&StepProgress| match (progress.step.kind.rule(), steps) {
        (Some(rule), [one]) => one.step.kind.rule().is_none_or(|own| own == rule),
        (_, _) => true,
    };
    let mut marks = Vec::new();
    for progress in run.steps.iter().filter(about) {
        match (&progress.step.kind, &progress.applied, progress.finished_at) {
            (StepKind::SetRule { rule, .. }, Some((at, change)), _) if change.changed => {
                let label = format!("{} {}", rule.name, change.to.word());
                marks.push(Mark { at: *at, label, tone: Tone::Plain });
            }
            (StepKind::Gate { rule, .. }, _, Some(at)) => {
                let (label, tone) = match progress.status {
                    StepStatus::Done => (format!("{} healthy", rule.name), Tone::Good),
                    StepStatus::Failed => (format!("{} failed", rule.name), Tone::Bad),
                    _ => (format!("{} not proven", rule.name), Tone::Plain),
                };
                marks.push(Mark { at, label, tone });
            }
            _ => {}
        }
        let failed = progress.failures.iter().filter(|_| matches!(progress.step.kind, StepKind::Monitor { .. }));
        marks.extend(failed.map(|(title, at)| Mark { at: *at, label: format!("{title} failed"), tone: Tone::Bad }));
    }
    marks
}

/// How it ended, in a word.
fn ending(run: &Run, steps: &[&StepProgress]) -> String {
    match (&run.ended, steps) {
        (Some(ended), _) => ended.outcome.word().to_owned(),
        (None, [one]) => match (&one.step.kind, one.status) {
            (StepKind::Gate { .. }, StepStatus::Done) => "healthy".to_owned(),
            (StepKind::Monitor { .. }, StepStatus::Done) => "nothing failed".to_owned(),
            (_, status) => words::step_mark(status).1.to_owned(),
        },
        (None, _) => String::new(),
    }
}
