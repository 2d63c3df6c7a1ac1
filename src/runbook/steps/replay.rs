//! A replay of the archive: started once under a name that follows from the run, looked at until it is over, and cancelled
//! when the run is to stop or messages come into a dead-letter queue.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use jiff::Timestamp;

use super::ActError;
use super::effects::{Found, Observation, Site};
use crate::aws::AwsError;
use crate::checks::idempotency;
use crate::domain::{
    Check, Evidence, Held, Inspection, Progress, Receipt, ReplayFact, ReplayOrder, ReplayState, Run, StepKind,
    StepStatus, Verdict,
};

/// EventBridge takes so many characters in a replay's name.
const NAME_MAX: usize = 64;
/// News are recorded when the replay has come so far since the last, in thousandths.
const NEWS_PERMILLE: u16 = 20;

/// The name of a run's replay: `alch-dev-R-42-20261123T030000`. It follows from the run, so that a repeat finds it; the time
/// keeps apart the runs of two databases.
pub fn name(run: &Run) -> String {
    let tail = format!("-{}-{}", run.id, run.requested_at.strftime("%Y%m%dT%H%M%S"));
    let allowed = |letter: char| if letter.is_ascii_alphanumeric() || ".-_".contains(letter) { letter } else { '-' };
    let head = format!("alch-{}", run.environment).chars().map(allowed).take(NAME_MAX - tail.len()).collect::<String>();
    head + &tail
}

/// Whether the interlock of this run has passed. Asked again right before the act: nobody's word replaces it.
pub(super) fn interlocked(run: &Run) -> Result<(), String> {
    let checked = run
        .steps
        .iter()
        .find(|progress| matches!(progress.step.kind, StepKind::Inspect { inspection: Inspection::Idempotency, .. }));
    match checked {
        Some(progress) if progress.status == StepStatus::Done && idempotency::stops(&progress.checks).is_none() => {
            Ok(())
        }
        Some(_) | None => {
            Err("it is not shown that handling an event twice is harmless, and without that nothing is sent again; \
                 nothing was done"
                .to_owned())
        }
    }
}

/// Whether the run's replay was started already.
pub(super) async fn find(site: &Site<'_>, order: &ReplayOrder) -> Result<Found, AwsError> {
    if let Err(why) = interlocked(site.run) {
        return Ok(Found::Refused(why));
    }
    let name = name(site.run);
    Ok(match site.aws.replay(&name).await?.value {
        None => Found::NotDone,
        Some(found) if found.order == *order || same_window(&found.order, order) => {
            Found::Done(receipt(&name, order, Vec::new()))
        }
        Some(_) => Found::Refused(format!(
            "there is a replay {name} already, with another window or other rules; nothing was started"
        )),
    })
}

/// The order of the rules, and parts of seconds, are EventBridge's own.
fn same_window(one: &ReplayOrder, other: &ReplayOrder) -> bool {
    let rules = |order: &ReplayOrder| {
        let mut arns = order.rule_arns.clone();
        arns.sort();
        arns
    };
    one.archive_arn == other.archive_arn
        && one.from.as_second() == other.from.as_second()
        && one.to.as_second() == other.to.as_second()
        && rules(one) == rules(other)
}

/// Starts the replay.
pub(super) async fn act(site: &Site<'_>, held: &Held<'_>, order: &ReplayOrder) -> Result<Receipt, ActError> {
    let name = name(site.run);
    let description = format!("Started by Alch for {}.", site.run.id);
    let request_ids = site.aws.start_replay(held, &name, &description, order).await?;
    Ok(receipt(&name, order, request_ids))
}

fn receipt(name: &str, order: &ReplayOrder, request_ids: Vec<String>) -> Receipt {
    Receipt {
        changed: true,
        said: format!("replay {name} of the events from {} to {} was started", utc(order.from), utc(order.to)),
        request_ids,
        ..Receipt::default()
    }
}

/// How far it is, and whether the dead-letter queues have grown meanwhile.
pub(super) async fn observe(site: &Site<'_>) -> Result<Observation, AwsError> {
    let Some(replay) = read(site).await? else { return Ok(gone(site)) };
    let queues = queues(site).await;
    let grown = grown(&queues);
    let mut observation = Observation { news: news(site, &replay), checks: queues.clone(), ..Observation::default() };
    match replay.state {
        // Its end is not bad because of what came into the queue later: both are told.
        ReplayState::Completed | ReplayState::Cancelled | ReplayState::Failed => {
            observation.over = Some(ending(site, &replay, &queues));
        }
        ReplayState::Starting | ReplayState::Running if grown.is_some() => observation.stop = grown,
        ReplayState::Starting | ReplayState::Running => {}
        ReplayState::Cancelling => observation.stop = grown.or_else(|| Some("it was cancelled elsewhere".to_owned())),
    }
    Ok(observation)
}

/// Cancels it, and waits until it is cancelled.
pub(super) async fn stop(site: &Site<'_>, held: &Held<'_>) -> Result<Observation, AwsError> {
    let Some(replay) = read(site).await? else { return Ok(gone(site)) };
    let queues = queues(site).await;
    if replay.state.is_over() {
        let over = Some(ending(site, &replay, &queues));
        return Ok(Observation { news: news(site, &replay), checks: queues, over, ..Observation::default() });
    }
    if replay.state.can_be_cancelled()
        && let Err(error) = site.aws.cancel_replay(held, &replay.name).await
    {
        // It may have ended in between: then the next look tells.
        match site.aws.replay(&replay.name).await?.value {
            Some(now) if !now.state.can_be_cancelled() => {}
            Some(_) | None => return Err(error),
        }
    }
    let now = format!("being cancelled, {}", reached(&replay));
    let before = &site.step.progress;
    let asked = site.run.cancel.is_some() || site.run.preempted.is_some();
    let why = grown(&queues).filter(|_| !asked && !before.now.starts_with("being cancelled"));
    let lines = why.map(|why| format!("{why}: the replay is being cancelled")).into_iter().collect();
    let news = (before.now != now).then(|| Progress { lines, now, ..Progress::default() });
    Ok(Observation { news, checks: queues, ..Observation::default() })
}

async fn read(site: &Site<'_>) -> Result<Option<ReplayFact>, AwsError> {
    Ok(site.aws.replay(&name(site.run)).await?.value)
}

fn gone(site: &Site<'_>) -> Observation {
    let why = format!("EventBridge does not know the replay {} any more", name(site.run));
    Observation::over(StepStatus::Unknown, why)
}

/// How it ended, in words.
fn ending(site: &Site<'_>, replay: &ReplayFact, queues: &[Check]) -> (StepStatus, String) {
    let grown = grown(queues);
    let unread = queues.iter().any(|check| check.verdict == Verdict::Unknown);
    let reached = reached(replay);
    let again = "What was replayed stays replayed.";
    match replay.state {
        ReplayState::Failed => {
            let why = replay.reason.as_deref().unwrap_or("EventBridge gives no reason").trim_end_matches('.');
            (StepStatus::Failed, format!("EventBridge ended it as failed ({why}), {reached}. {again}"))
        }
        ReplayState::Completed => {
            let off = off(site);
            let off = if off.is_empty() { String::new() } else { format!(" Nothing went to {off}: disabled.") };
            match (grown, unread) {
                (Some(why), _) => (StepStatus::Failed, format!("completed, but {why}.{off}")),
                (None, true) => (
                    StepStatus::Inconclusive,
                    format!(
                        "completed, but the dead-letter queues could not be read: whether handlers failed is not known.{off}"
                    ),
                ),
                (None, false) => {
                    (StepStatus::Done, format!("completed, {reached}; nothing came into the dead-letter queues.{off}"))
                }
            }
        }
        ReplayState::Starting | ReplayState::Running | ReplayState::Cancelling | ReplayState::Cancelled => {
            let asked = site.run.cancel.is_some() || site.run.preempted.is_some();
            match (asked, grown) {
                (true, _) => (StepStatus::Skipped, format!("cancelled as asked, {reached}. {again}")),
                (false, Some(why)) => (
                    StepStatus::Failed,
                    format!("stopped by itself, because {why}. It was cancelled, {reached}. {again}"),
                ),
                (false, None) => (StepStatus::Failed, format!("cancelled outside of Alch, {reached}. {again}")),
            }
        }
    }
}

/// The rules that were off when it was planned, as one list.
fn off(site: &Site<'_>) -> String {
    match &site.step.step.kind {
        StepKind::Effect { effect: crate::domain::Effect::StartReplay { off, .. }, .. } => off.join(", "),
        _ => String::new(),
    }
}

fn reached(replay: &ReplayFact) -> String {
    match replay.last_event {
        Some(at) => format!("the last event replayed is from {} ({} % of the window)", utc(at), replay.percent()),
        None => "no event was replayed".to_owned(),
    }
}

/// What is new since the last record.
fn news(site: &Site<'_>, replay: &ReplayFact) -> Option<Progress> {
    let permille = u16::from(replay.percent()) * 10;
    let now = match replay.last_event {
        Some(at) => format!("{}, replayed up to {}", replay.state.word(), utc(at)),
        None => replay.state.word().to_owned(),
    };
    let before = &site.step.progress;
    let first = before.now.is_empty();
    let state_changed = !before.now.starts_with(replay.state.word());
    let moved = permille.abs_diff(before.permille.unwrap_or(0)) >= NEWS_PERMILLE;
    (first || state_changed || (moved && before.now != now)).then(|| Progress {
        lines: first.then(|| format!("replay {}", replay.name)).into_iter().collect(),
        permille: Some(permille),
        now,
        ..Progress::default()
    })
}

/// Each queue now against what lay in it before the run acted. What cannot be read is unknown, and never "not grown".
async fn queues(site: &Site<'_>) -> Vec<Check> {
    let before: BTreeMap<String, i64> = site
        .run
        .facts
        .iter()
        .flat_map(|(_, facts)| &facts.dlqs)
        .map(|(queue, depth)| (queue.clone(), depth.total()))
        .collect();
    let limit = i64::from(site.environment.limits.dlq_growth);
    let looks = site.environment.dlqs.iter().map(|queue| async move { (queue, site.aws.dlq_depth(queue).await) });
    let judged = join_all(looks).await.into_iter().map(|(queue, depth)| {
        let (verdict, value, reason) = match (depth, before.get(queue)) {
            (Err(error), _) => (Verdict::Unknown, String::new(), format!("Could not be asked: {error}.")),
            (Ok(depth), None) => (
                Verdict::Unknown,
                depth.total().to_string(),
                "How many messages there were before is not known.".to_owned(),
            ),
            (Ok(depth), Some(before)) if depth.total() - before > limit => (
                Verdict::Fail,
                format!("{before} → {}", depth.total()),
                "Events that were replayed could not be handled. Look into the queue before anything is replayed again."
                    .to_owned(),
            ),
            (Ok(depth), Some(before)) => {
                (Verdict::Pass, format!("{before} → {}", depth.total()), "It has not grown.".to_owned())
            }
        };
        Check {
            name: format!("dlq:{queue}"),
            title: format!("Messages in {queue}"),
            verdict,
            value,
            limit: if limit == 0 { "no more than before".to_owned() } else { format!("at most {limit} more") },
            reason,
            evidence: Evidence {
                query: format!("GetQueueAttributes {queue} ApproximateNumberOfMessages, …NotVisible, …Delayed"),
                until: Some(site.now),
                ..Evidence::default()
            },
        }
    });
    judged.collect()
}

/// Which queue has grown, in words.
fn grown(queues: &[Check]) -> Option<String> {
    let grown: Vec<String> = queues
        .iter()
        .filter(|check| check.verdict == Verdict::Fail)
        .map(|check| format!("{} grew: {}", check.title.trim_start_matches("Messages in "), check.value))
        .collect();
    (!grown.is_empty()).then(|| grown.join(", "))
}

fn utc(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Actor, Command, Event, Origin, Recorded, RunId};

    fn run(environment: &str, number: i64, at: &str) -> Run {
        let requested = Event::Requested {
            command: Command::Redrive { environment: environment.to_owned(), limit: None },
            text: String::new(),
            actor: Actor::Alch,
            environment: environment.to_owned(),
            origin: Origin::Schedule,
            queue: false,
            notes: Vec::new(),
        };
        let (at, hash) = (at.parse().unwrap(), String::new());
        Run::from_journal(&[Recorded { run: RunId(number), seq: 1, at, event: requested, hash }]).unwrap()
    }

    #[test]
    fn a_replays_name_follows_from_its_run_and_is_what_eventbridge_takes() {
        let at = "2026-11-23T03:00:00.123Z";
        assert_eq!(name(&run("dev", 42, at)), "alch-dev-R-42-20261123T030000");
        for environment in ["prod", "a b/c:d", "ünïcode", &"x".repeat(200)] {
            let name = name(&run(environment, i64::MAX, at));
            assert!(name.len() <= NAME_MAX, "{name}");
            assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c)), "{name}");
            assert!(name.ends_with("-R-9223372036854775807-20261123T030000"), "{name}");
        }
    }

    #[test]
    fn without_a_check_that_passed_nothing_is_sent_again() {
        assert!(interlocked(&run("dev", 1, "2026-11-23T03:00:00Z")).is_err());
    }
}
