//! What a monitoring run does next and how it ends: it looks until its time is over or somebody stops it, ends nothing by
//! itself, and its end says what was seen. Pure.

use jiff::{SignedDuration, Timestamp};

use super::later;
use super::next::{Next, due, finished, next_look, reasons};
use crate::checks::gate;
use crate::domain::{Check, StepProgress, StepStatus, Verdict};

/// What comes next while it is under way.
pub(super) fn under_way(
    current: &StepProgress,
    lasting: SignedDuration,
    poll: SignedDuration,
    polled_at: Option<Timestamp>,
    now: Timestamp,
) -> Next {
    let end = later(current.started_at.unwrap_or(now), lasting);
    match due(current, poll, end, polled_at, now) {
        Some(check) => check,
        None if now >= end => over(current),
        None => Next::Wait(next_look(poll, end, polled_at, now)),
    }
}

/// What comes next once somebody has asked it to stop: one more look, and the end.
pub(super) fn stopped(current: &StepProgress, asked: Timestamp, polled_at: Option<Timestamp>) -> Next {
    if polled_at.is_none_or(|polled| polled < asked) {
        return Next::Check { step: current.step.id.clone(), decide: false };
    }
    over(current)
}

fn over(current: &StepProgress) -> Next {
    let (status, mut summary) = verdict(current);
    let traffic = current.checks.iter().filter(|check| check.name == gate::TRAFFIC && !check.value.is_empty());
    let traffic: Vec<String> = traffic.map(|check| format!("{}: {}", check.title, check.value)).collect();
    if !traffic.is_empty() {
        summary.push_str(&format!(". {}", traffic.join(", ")));
    }
    Next::Record(vec![finished(&current.step, status, &summary)])
}

/// What was seen, over the whole time.
fn verdict(current: &StepProgress) -> (StepStatus, String) {
    let checks = &current.checks;
    if !current.failures.is_empty() {
        let told = current.failures.iter().map(|(title, at)| {
            let bad = checks.iter().any(|check| check.title == *title && check.verdict == Verdict::Fail);
            let since = at.strftime("%H:%M UTC");
            if bad {
                format!("{title} failed at {since}")
            } else {
                format!("{title} failed at {since}, and is well again")
            }
        });
        return (StepStatus::Failed, told.collect::<Vec<_>>().join("; "));
    }
    // A disabled rule has no traffic, which is as it should be.
    match Verdict::of(checks) {
        Verdict::Unknown => {
            (StepStatus::Unknown, format!("not all could be seen: {}", reasons(checks, Verdict::Unknown)))
        }
        Verdict::Inconclusive => (StepStatus::Inconclusive, quiet(checks)),
        Verdict::Pass | Verdict::Fail => (StepStatus::Done, "nothing failed".to_owned()),
    }
}

fn quiet(checks: &[Check]) -> String {
    let silent = |check: &&Check| check.name == gate::TRAFFIC && check.verdict == Verdict::Inconclusive;
    let titles: Vec<&str> = checks.iter().filter(silent).map(|check| check.title.as_str()).collect();
    if titles.is_empty() {
        return "nothing failed, and nothing shows that events came through".to_owned();
    }
    format!("nothing failed, but without traffic that proves nothing: {}", titles.join(", "))
}
