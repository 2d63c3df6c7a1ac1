//! What a run that needs people's decisions does next: asks, reminds, calls the escalation, lapses, goes on. Pure.

use jiff::{SignedDuration, Timestamp};

use super::later;
use super::next::{Next, after_failure, told_beforehand};
use crate::domain::{
    Actor, Environment, Event, Plan, PlanDigest, PlannedApproval, Round, Run, StepId, StepKind, StepStatus, Subject,
};

/// How often a run is looked at that somebody else drives.
const LOOK: SignedDuration = SignedDuration::from_hours(24);

/// The plan of a run is not carried out before enough people have approved it, its time has come, the environment is
/// this run's, and the world is still what was approved.
pub(super) fn of_plan(
    run: &Run,
    (plan, digest): &(Plan, PlanDigest),
    environment: &Environment,
    now: Timestamp,
) -> Option<Next> {
    let approval = plan.approval.as_ref()?;
    if run.cleared {
        return None;
    }
    let Some(round) = run.round(&Subject::Plan).filter(|round| round.digest == *digest) else {
        let until = later(now, approval.expires).max(run.starts_at().unwrap_or(now));
        return Some(Next::Record(vec![ask(Subject::Plan, digest, approval.needed, until)]));
    };
    if !round.is_granted() {
        return Some(waiting(run, round, environment, now));
    }
    Some(match run.starts_at() {
        _ if run.paused.is_some() => paused(run, environment, now),
        Some(at) if now < at => of_skip(run, environment, now).unwrap_or_else(|| beforehand(run, at, environment, now)),
        Some(_) | None if !run.locked => Next::Lock,
        Some(_) | None => Next::Clear,
    })
}

/// What is approved for later waits, and stakeholders are told at once: there is time to object.
fn beforehand(run: &Run, at: Timestamp, environment: &Environment, now: Timestamp) -> Next {
    let telling = run.steps.first().filter(|first| matches!(first.step.kind, StepKind::Notify { .. }));
    match telling {
        Some(step) if step.status == StepStatus::Pending => {
            Next::Record(vec![Event::Started { step: step.step.id.clone() }])
        }
        Some(step) if !step.status.is_over() => match told_beforehand(run, step, now) {
            Next::Wait(until) => Next::Wait(until.min(at)),
            next => next,
        },
        Some(step) if matches!(step.status, StepStatus::Failed | StepStatus::Unknown) => {
            let Some((plan, _)) = &run.plan else { return Next::Wait(at) };
            after_failure(run, plan, step, environment, now)
        }
        Some(_) | None => Next::Wait(at),
    }
}

/// A rollback that waits for its one click. After it, the emergency path drives it.
pub(super) fn of_rollback(run: &Run, environment: &Environment, now: Timestamp) -> Next {
    match run.round(&Subject::Plan) {
        Some(round) if !round.is_granted() => of_click(run, round, environment, now),
        // From here on the emergency path drives it; this is only a look once in a while.
        Some(_) | None => Next::Wait(later(now, LOOK)),
    }
}

/// One click that is waited for.
pub(super) fn of_click(run: &Run, round: &Round, environment: &Environment, now: Timestamp) -> Next {
    if run.cancel.is_some() || run.preempted.is_some() {
        return Next::Conclude;
    }
    match waiting(run, round, environment, now) {
        // Nobody is to be reminded of an incident: either they act, or it is over.
        Next::Record(events) if !events.iter().any(|event| matches!(event, Event::Lapsed { .. })) => {
            Next::Wait(round.until)
        }
        Next::Wait(_) => Next::Wait(round.until),
        next => next,
    }
}

/// The go-ahead of a step that asks for it; none when it may begin.
pub(super) fn of_step(run: &Run, step: &StepId, environment: &Environment, now: Timestamp) -> Option<Next> {
    let subject = Subject::Step(step.clone());
    match run.round(&subject) {
        None => ask_again(run, subject, now),
        Some(round) if round.is_granted() => None,
        Some(round) => Some(waiting(run, round, environment, now)),
    }
}

/// What a wish to leave a step out leads to; none when there is no such wish.
pub(super) fn of_skip(run: &Run, environment: &Environment, now: Timestamp) -> Option<Next> {
    let skip = run.skip.as_ref()?;
    let progress = run.step(&skip.step)?;
    let can_be_skipped = match progress.status {
        StepStatus::Running => !progress.step.kind.acts(),
        StepStatus::Failed | StepStatus::Unknown => true,
        _ => false,
    };
    if !can_be_skipped {
        return None;
    }
    let left_out = || {
        let summary = format!("left out on a person's word: {}", skip.reason);
        let (step, status) = (skip.step.clone(), StepStatus::Skipped);
        Next::Record(vec![Event::Finished { step, status, summary }])
    };
    let (plan, _) = run.plan.as_ref()?;
    if plan.approval.is_none() {
        return Some(left_out());
    }
    let subject = Subject::Skip(skip.step.clone());
    match run.round(&subject).filter(|round| round.asked_at >= skip.at) {
        None => ask_again(run, subject, now),
        Some(round) if round.is_granted() => Some(left_out()),
        Some(round) if round.is_open() => Some(waiting(run, round, environment, now)),
        // Rejected or lapsed: the step goes on.
        Some(_) => None,
    }
}

/// A paused run waits for a person, but not for ever: what it holds is wanted by others. One that is to begin later is
/// waited for from then on.
pub(super) fn paused(run: &Run, environment: &Environment, now: Timestamp) -> Next {
    let since = run.paused.as_ref().map_or(now, |pause| pause.at.max(run.starts_at().unwrap_or(pause.at)));
    let until = later(since, environment.waits.answer);
    if now < until { Next::Wait(until) } else { Next::Record(vec![Event::CancelRequested { actor: Actor::Alch }]) }
}

/// What an open question leads to as time goes by; what is decided against the run ends it.
fn waiting(run: &Run, round: &Round, environment: &Environment, now: Timestamp) -> Next {
    if !round.is_open() {
        return Next::Conclude;
    }
    if now >= round.until {
        return Next::Record(vec![Event::Lapsed { subject: round.subject.clone() }]);
    }
    if round.escalated.is_none() && now >= round.escalate_at() {
        let until = round.until.strftime("%Y-%m-%d %H:%M UTC");
        let reason = format!("{} waits for approval, and lapses at {until}", run.id);
        let contact = environment.escalation.clone();
        return Next::Record(vec![Event::Escalated { actor: Actor::Alch, contact, reason }]);
    }
    if round.reminded.is_none() && now >= round.remind_at() && round.escalated.is_none() {
        return Next::Record(vec![Event::Reminded { subject: round.subject.clone() }]);
    }
    let marks = [round.remind_at(), round.escalate_at(), round.until];
    Next::Wait(marks.into_iter().filter(|mark| *mark > now).min().unwrap_or(round.until))
}

fn ask_again(run: &Run, subject: Subject, now: Timestamp) -> Option<Next> {
    let (plan, digest) = run.plan.as_ref()?;
    let PlannedApproval { needed, expires } = plan.approval.as_ref()?;
    Some(Next::Record(vec![ask(subject, digest, *needed, later(now, *expires))]))
}

fn ask(subject: Subject, digest: &PlanDigest, needed: u32, until: Timestamp) -> Event {
    Event::ApprovalAsked { subject, digest: digest.clone(), needed, until }
}
