//! What a run does next, told from its journal. Pure: no clock, no I/O; the loop in `execute` does what is said here.

use jiff::{SignedDuration, Timestamp};

use super::{approval, later, monitor};
use crate::checks::{checklist, gate, smoke};
use crate::domain::{
    Actor, Answer, Check, CodeRollback, Command, Destination, Effect, Environment, Event, Inspection, Moment,
    OnGateFailure, OnInconclusive, Plan, Run, Step, StepId, StepKind, StepProgress, StepStatus, Subject, Verdict, span,
};

/// The next thing to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Observe the world, and plan from what was seen.
    Plan,
    /// Take the environment.
    Lock,
    /// Look at the world again, now that people have approved: is it what they approved?
    Clear,
    /// Tell a stakeholder by a way that is the engine's.
    Publish {
        /// Before or after.
        moment: Moment,
        /// Whom.
        to: Destination,
    },
    /// Record these events; nothing else is to be done.
    Record(Vec<Event>),
    /// Do the act of the step, whose intent is recorded, and read it back.
    Apply(StepId),
    /// The run is to stop, but it is not known whether the step's act happened: find out, without acting.
    Settle(StepId),
    /// Look how far the effect of the step is.
    Observe(StepId),
    /// The run is to stop: stop the effect of the step that is under way.
    Stop(StepId),
    /// Make the checks of the step. `decide` says that their time has come: the result is the step's.
    Check {
        /// Which step.
        step: StepId,
        /// Whether the result decides.
        decide: bool,
    },
    /// Undo the step.
    Undo(StepId),
    /// The run has ended: take away what was prepared for it and not carried out.
    Discard,
    /// Nothing to do before this time.
    Wait(Timestamp),
    /// Write the end.
    Conclude,
    /// The run has ended.
    Ended,
}

/// Says what comes next. `polled_at` is when checks were last made, `now` the time.
pub fn next(run: &Run, environment: &Environment, polled_at: Option<Timestamp>, now: Timestamp) -> Next {
    let next = untroubled(run, environment, polled_at, now);
    let asks_aws = match next {
        Next::Plan
        | Next::Clear
        | Next::Publish { .. }
        | Next::Apply(_)
        | Next::Settle(_)
        | Next::Observe(_)
        | Next::Stop(_)
        | Next::Check { .. }
        | Next::Discard
        | Next::Undo(_) => true,
        Next::Lock | Next::Record(_) | Next::Wait(_) | Next::Conclude | Next::Ended => false,
    };
    match &run.trouble {
        Some(trouble) if asks_aws && now < trouble.retry_at => Next::Wait(trouble.retry_at),
        Some(_) | None => next,
    }
}

/// The same while AWS gives no trouble.
fn untroubled(run: &Run, environment: &Environment, polled_at: Option<Timestamp>, now: Timestamp) -> Next {
    if run.ended.is_some() {
        let over = || if leaves_change_sets(run, environment) { Next::Discard } else { Next::Ended };
        return publish(run, Moment::After).unwrap_or_else(over);
    }
    if let (Command::Rollback { .. }, Some(_)) = (&run.command, &run.plan) {
        return approval::of_rollback(run, environment, now);
    }
    if let (Command::HardStop { .. }, Some(round)) = (&run.command, run.round(&Subject::Plan))
        && !round.is_granted()
    {
        return approval::of_click(run, round, environment, now);
    }
    if run.undoing.is_some() {
        // A rollback has turned everything off already, and what it found is restored by `restore`.
        return match run.to_undo().next() {
            Some(progress) if run.preempted.is_none() => Next::Undo(progress.step.id.clone()),
            Some(_) | None => Next::Conclude,
        };
    }
    if run.cancel.is_some() || run.preempted.is_some() {
        return stopping(run, polled_at, now);
    }
    if run.waiting_for.is_some() {
        return Next::Lock;
    }
    let Some(planned) = &run.plan else {
        return Next::Plan;
    };
    if let Some(next) = approval::of_plan(run, planned, environment, now) {
        return next;
    }
    let skip = match approval::of_skip(run, environment, now) {
        Some(Next::Wait(until)) => Some(until),
        Some(next) => return next,
        None => None,
    };
    match (carry_out(run, &planned.0, environment, polled_at, now), skip) {
        (Next::Wait(until), Some(skip)) => Next::Wait(until.min(skip)),
        (next, _) => next,
    }
}

/// Whether the run may have left change sets behind: one is made while planning, and is of no use to anybody once the run
/// has ended without executing it. Where one may have been executed, CloudFormation takes the others away.
fn leaves_change_sets(run: &Run, environment: &Environment) -> bool {
    let makes = matches!(run.command, Command::Deploy { .. } | Command::CodeRollback { by: CodeRollback::Stack, .. });
    let executed = run.steps.iter().any(|progress| {
        matches!(progress.step.kind, StepKind::Effect { effect: Effect::ExecuteChangeSet { .. }, .. })
            && (progress.effected.is_some() || progress.status == StepStatus::Unknown)
    });
    makes && environment.changeset().is_some() && !executed && !run.discarded
}

/// How often it is looked, at the longest, whether an effect has stopped: nobody waits for a slow look to be rid of it.
const STOP_POLL: SignedDuration = SignedDuration::from_secs(5);

/// A run that is to stop finds out about an act in flight, stops an effect under way, and ends.
fn stopping(run: &Run, polled_at: Option<Timestamp>, now: Timestamp) -> Next {
    let Some(current) = run.current().filter(|current| current.status == StepStatus::Running) else {
        return Next::Conclude;
    };
    let step = || current.step.id.clone();
    match &current.step.kind {
        StepKind::SetRule { .. } if current.applied.is_none() => Next::Settle(step()),
        StepKind::Effect { .. } if current.effected.is_none() => Next::Settle(step()),
        StepKind::Effect { poll, .. } => {
            let poll = (*poll).min(STOP_POLL);
            match due(current, poll, Timestamp::MAX, polled_at, now) {
                Some(_) => Next::Stop(step()),
                None => Next::Wait(next_look(poll, Timestamp::MAX, polled_at, now)),
            }
        }
        StepKind::Monitor { .. } => {
            monitor::stopped(current, run.cancel.as_ref().map_or(now, |(asked, _)| *asked), polled_at)
        }
        StepKind::SetRule { .. }
        | StepKind::Watch { .. }
        | StepKind::WatchAll { .. }
        | StepKind::Gate { .. }
        | StepKind::Notify { .. }
        | StepKind::Checklist
        | StepKind::Inspect { .. }
        | StepKind::DisableAll { .. } => Next::Conclude,
    }
}

/// What comes next in a plan that may be carried out.
fn carry_out(run: &Run, plan: &Plan, environment: &Environment, polled_at: Option<Timestamp>, now: Timestamp) -> Next {
    if let Some(failed) =
        run.steps.iter().find(|progress| matches!(progress.status, StepStatus::Failed | StepStatus::Unknown))
    {
        return after_failure(run, plan, failed, environment, now);
    }
    let Some(current) = run.current() else {
        return Next::Conclude;
    };
    if plan.acts() && !run.locked {
        return Next::Lock;
    }
    if current.status == StepStatus::Pending {
        // Who looks changes nothing: what was enabled before the pause is watched and checked all the same.
        let only_looks = !current.step.kind.acts() && !matches!(current.step.kind, StepKind::Notify { .. });
        if run.paused.is_some() && !only_looks {
            return approval::paused(run, environment, now);
        }
        if current.step.needs_person
            && let Some(next) = approval::of_step(run, &current.step.id, environment, now)
        {
            return next;
        }
        return Next::Record(vec![Event::Started { step: current.step.id.clone() }]);
    }
    let started = current.started_at.unwrap_or(now);
    match &current.step.kind {
        StepKind::SetRule { .. } | StepKind::DisableAll { .. } => Next::Apply(current.step.id.clone()),
        StepKind::Notify { .. } => told_beforehand(run, current, now),
        StepKind::Checklist | StepKind::Inspect { lasting: None, .. } => {
            Next::Check { step: current.step.id.clone(), decide: true }
        }
        StepKind::Inspect { lasting: Some(lasting), .. } => {
            let (poll, end) = (environment.waits.poll, later(started, *lasting));
            match due(current, poll, end, polled_at, now) {
                Some(_) => Next::Check { step: current.step.id.clone(), decide: now >= end },
                None => Next::Wait(next_look(poll, end, polled_at, now)),
            }
        }
        StepKind::Effect { poll, patience, .. } => effect(current, *poll, *patience, polled_at, now),
        StepKind::Monitor { lasting, poll, .. } => monitor::under_way(current, *lasting, *poll, polled_at, now),
        StepKind::Watch { lasting, poll, .. } | StepKind::WatchAll { lasting, poll, .. } => {
            let end = later(started, *lasting);
            match due(current, *poll, end, polled_at, now) {
                Some(check) => check,
                None if now >= end => {
                    Next::Record(vec![finished(&current.step, StepStatus::Done, "waited, and watched")])
                }
                None => Next::Wait(next_look(*poll, end, polled_at, now)),
            }
        }
        StepKind::Gate { settle, .. } => gate(plan, current, environment, *settle, started, polled_at, now),
    }
}

/// An effect: done once, then looked at until it is over or has taken too long.
fn effect(
    current: &StepProgress,
    poll: SignedDuration,
    patience: SignedDuration,
    polled_at: Option<Timestamp>,
    now: Timestamp,
) -> Next {
    let Some((since, _)) = &current.effected else { return Next::Apply(current.step.id.clone()) };
    let end = later(*since, patience);
    match due(current, poll, end, polled_at, now) {
        Some(_) => Next::Observe(current.step.id.clone()),
        None if now >= end => {
            let summary = format!("not over after {}: {}", span(patience), current.progress.now);
            Next::Record(vec![finished(&current.step, StepStatus::Unknown, summary.trim_end_matches([':', ' ']))])
        }
        None => Next::Wait(next_look(poll, end, polled_at, now)),
    }
}

/// A gate: looks while the metrics settle, decides when they have, and waits for a person where it has asked.
fn gate(
    plan: &Plan,
    current: &StepProgress,
    environment: &Environment,
    settle: SignedDuration,
    started: Timestamp,
    polled_at: Option<Timestamp>,
    now: Timestamp,
) -> Next {
    if let Some((_, until)) = &current.question {
        if now < *until {
            return Next::Wait(*until);
        }
        let summary = format!("{}, and nobody answered", unproven(current));
        let unanswered = finished(&current.step, StepStatus::Inconclusive, &summary);
        // Where people have to approve, silence approves nothing: what comes next is not begun.
        let stopped = plan.approval.is_some().then_some(Event::CancelRequested { actor: Actor::Alch });
        return Next::Record(std::iter::once(unanswered).chain(stopped).collect());
    }
    match &current.answer {
        // Where people have to approve, going on unproven is a step left out, which takes their approval.
        Some((Answer::Continue, _)) if plan.approval.is_none() => {
            let summary = format!("{}; continued on a person's word", unproven(current));
            return Next::Record(vec![finished(&current.step, StepStatus::Inconclusive, &summary)]);
        }
        Some((Answer::Undo, _)) => {
            return Next::Record(vec![
                finished(&current.step, StepStatus::Inconclusive, unproven(current)),
                Event::Undoing { reason: "a person asked to undo it".to_owned() },
            ]);
        }
        Some((Answer::Continue | Answer::WaitOn | Answer::Retry, _)) | None => {}
    }
    let decide_at = match current.waiting_on_since {
        Some(since) => later(since, environment.waits.after_enable.saturating_add(settle)),
        None => later(started, settle),
    };
    let poll = environment.waits.poll;
    match due(current, poll, decide_at, polled_at, now) {
        Some(Next::Check { step, .. }) => Next::Check { step, decide: now >= decide_at },
        Some(other) => other,
        // Looked at since its time had come, and still open: it could not be asked. Look again.
        None if now >= decide_at => Next::Wait(polled_at.map_or(now, |polled| later(polled, poll))),
        None => Next::Wait(next_look(poll, decide_at, polled_at, now)),
    }
}

/// Whether a look is due: none was made in this step, the last is a poll ago, or the end has come since the last.
pub(super) fn due(
    current: &StepProgress,
    poll: SignedDuration,
    end: Timestamp,
    polled_at: Option<Timestamp>,
    now: Timestamp,
) -> Option<Next> {
    let started = current.started_at.unwrap_or(now);
    let due = polled_at.is_none_or(|polled| {
        // A clock that was set back must not silence the watch.
        polled < started || polled > now || now >= later(polled, poll) || (now >= end && polled < end)
    });
    due.then(|| Next::Check { step: current.step.id.clone(), decide: false })
}

pub(super) fn next_look(
    poll: SignedDuration,
    end: Timestamp,
    polled_at: Option<Timestamp>,
    now: Timestamp,
) -> Timestamp {
    polled_at.map_or(now, |polled| later(polled, poll)).min(end)
}

/// A failed gate is undone where that is configured. In production, whatever else fails asks a person: to begin anew
/// would take all approvals anew.
pub(super) fn after_failure(
    run: &Run,
    plan: &Plan,
    failed: &StepProgress,
    environment: &Environment,
    now: Timestamp,
) -> Next {
    let gate = matches!(failed.step.kind, StepKind::Watch { .. } | StepKind::WatchAll { .. } | StepKind::Gate { .. });
    // What may have been done and may not be done twice is a person's to decide, wherever that is.
    let doubtful = matches!(failed.step.kind, StepKind::Effect { .. }) && failed.status == StepStatus::Unknown;
    let undoable = run.to_undo().next().is_some();
    // A smoke test ends with what it found: nobody is asked whether to invoke again, which is a new run's.
    let is_smoke = match &failed.step.kind {
        StepKind::Effect { effect, .. } => matches!(effect, Effect::Invoke { .. }),
        StepKind::Inspect { inspection, .. } => *inspection == Inspection::SmokeEvidence,
        _ => false,
    };
    match (&failed.question, &failed.answer) {
        _ if is_smoke => Next::Conclude,
        _ if gate && undoable && plan.on_gate_failure == OnGateFailure::Disable => {
            Next::Record(vec![Event::Undoing { reason: failed.summary.clone() }])
        }
        (None, None) if plan.approval.is_some() || doubtful => {
            let undo = if undoable { "undo what this run did, " } else { "" };
            let summary = failed.summary.trim_end_matches('.');
            Next::Record(vec![Event::Asked {
                step: failed.step.id.clone(),
                question: format!(
                    "{} failed: {summary}. Nothing more is done until somebody says how to go on: retry, skip, {undo}or \
                     cancel?",
                    failed.step.kind.title(),
                ),
                until: later(now, environment.waits.answer),
            }])
        }
        (Some((_, until)), _) if now < *until => Next::Wait(*until),
        (None, Some((Answer::Undo, _))) if undoable => {
            Next::Record(vec![Event::Undoing { reason: "a person asked to undo it".to_owned() }])
        }
        _ => Next::Conclude,
    }
}

/// Stakeholders are told first: by the topics here, in Slack by whoever tells Slack. All of them, or nothing acts.
pub(super) fn told_beforehand(run: &Run, current: &StepProgress, now: Timestamp) -> Next {
    let patience = match &current.step.kind {
        StepKind::Notify { patience } => *patience,
        _ => SignedDuration::ZERO,
    };
    let patience_ends = later(current.started_at.unwrap_or(now), patience);
    let moment = Moment::Before;
    let untold = run.untold(moment);
    if !untold.is_empty() && now < patience_ends {
        return publish(run, moment).unwrap_or(Next::Wait(patience_ends));
    }
    if !untold.is_empty() {
        let problem = "it could not be delivered in time".to_owned();
        let given_up = |to: &Destination| Event::Undelivered { moment, to: to.clone(), problem: problem.clone() };
        return Next::Record(untold.into_iter().map(given_up).collect());
    }
    let told = run.deliveries.iter().filter(|delivery| delivery.moment == moment);
    let failed: Vec<String> = told
        .clone()
        .filter_map(|delivery| delivery.receipt.as_ref().err().map(|why| format!("{}: {why}", delivery.to.plain())))
        .collect();
    Next::Record(vec![if failed.is_empty() {
        finished(&current.step, StepStatus::Done, &format!("{} told", told.count()))
    } else {
        finished(&current.step, StepStatus::Failed, &failed.join("; "))
    }])
}

/// The topic that is to be told next, if there is one.
fn publish(run: &Run, moment: Moment) -> Option<Next> {
    let to = run.untold(moment).into_iter().find(|to| matches!(to, Destination::Topic(_)))?;
    Some(Next::Publish { moment, to: to.clone() })
}

/// What the result of a step's checks means: the events to record. `decide` as in [`Next::Check`].
pub fn judge(
    run: &Run,
    environment: &Environment,
    step: &StepId,
    checks: Vec<Check>,
    decide: bool,
    now: Timestamp,
) -> Vec<Event> {
    let Some(progress) = run.step(step) else {
        return Vec::new();
    };
    let verdict = Verdict::of(&checks);
    let mut events = Vec::new();
    let counted_on = counts(progress, now) && !same_values(&progress.checks, &checks);
    // What was seen in the whole time is recorded at its end, whatever was recorded before.
    let ends = match progress.step.kind {
        StepKind::Monitor { lasting, .. } => {
            run.cancel.is_some() || now >= later(progress.started_at.unwrap_or(now), lasting)
        }
        _ => decide,
    };
    if counted_on || !same_findings(&progress.checks, &checks) || (ends && progress.checks != checks) {
        events.push(Event::Checked { step: step.clone(), checks: checks.clone() });
    }
    if let StepKind::Checklist | StepKind::Inspect { .. } = progress.step.kind {
        // What is looked for may still show; a failure or a pass does not wait.
        let lasts = matches!(progress.step.kind, StepKind::Inspect { lasting: Some(_), .. });
        if lasts && !decide && matches!(verdict, Verdict::Inconclusive | Verdict::Unknown) {
            return events;
        }
        let status = match verdict {
            Verdict::Pass => StepStatus::Done,
            Verdict::Fail => StepStatus::Failed,
            Verdict::Unknown => StepStatus::Unknown,
            Verdict::Inconclusive => StepStatus::Inconclusive,
        };
        let mut summary = checklist::tally(&checks);
        if lasts && verdict != Verdict::Pass {
            summary.push_str(&format!(". {}", reasons(&checks, verdict)));
        }
        events.push(finished(&progress.step, status, &summary));
        return events;
    }
    match verdict {
        Verdict::Fail if matches!(progress.step.kind, StepKind::Monitor { .. }) => {}
        Verdict::Fail => events.push(finished(&progress.step, StepStatus::Failed, &reasons(&checks, Verdict::Fail))),
        Verdict::Pass if decide => events.push(finished(&progress.step, StepStatus::Done, "healthy")),
        Verdict::Inconclusive if decide => events.push(inconclusive(progress, environment, &checks, now)),
        Verdict::Unknown if decide && gave_up(progress, environment, now) => {
            let summary = format!("could not be checked: {}", reasons(&checks, Verdict::Unknown));
            events.push(finished(&progress.step, StepStatus::Unknown, &summary));
        }
        Verdict::Pass | Verdict::Inconclusive | Verdict::Unknown => {}
    }
    events
}

fn inconclusive(progress: &StepProgress, environment: &Environment, checks: &[Check], now: Timestamp) -> Event {
    let summary = reasons(checks, Verdict::Inconclusive);
    match &progress.step.kind {
        StepKind::Gate { rule, on_inconclusive: OnInconclusive::Ask, .. } => Event::Asked {
            step: progress.step.id.clone(),
            question: format!(
                "{} is enabled, but nothing has shown yet that it works: {summary} Wait on, continue, or undo?",
                rule.name
            ),
            until: later(now, environment.waits.answer),
        },
        _ => finished(&progress.step, StepStatus::Inconclusive, &summary),
    }
}

/// Whether AWS could not be asked for longer than the grace time after the gate should have decided.
fn gave_up(progress: &StepProgress, environment: &Environment, now: Timestamp) -> bool {
    let settle = match &progress.step.kind {
        StepKind::Gate { settle, .. } => *settle,
        _ => SignedDuration::ZERO,
    };
    let since = progress.waiting_on_since.or(progress.started_at).unwrap_or(now);
    now >= later(since, settle.saturating_add(environment.waits.unknown_grace))
}

/// Whether two sets of checks say the same to a person: windows move with every look, and so does the count of what went
/// well; findings do not.
fn same_findings(before: &[Check], after: &[Check]) -> bool {
    let counted = [gate::TRAFFIC, smoke::ARCHIVE];
    let counts = |check: &Check| counted.contains(&check.name.as_str()) && check.verdict == Verdict::Pass;
    let finding = |check: &Check| {
        let value = if counts(check) { String::new() } else { check.value.clone() };
        (check.name.clone(), check.title.clone(), check.verdict, value)
    };
    before.iter().map(finding).eq(after.iter().map(finding))
}

/// The same, with the count.
fn same_values(before: &[Check], after: &[Check]) -> bool {
    let values = |check: &Check| (check.name.clone(), check.verdict, check.value.clone());
    before.iter().map(values).eq(after.iter().map(values))
}

/// Whether it is time to record again how much traffic was seen: a dozen times in a wait, and at its end. An hour that is
/// watched every minute must not fill the journal with what people do not read.
fn counts(progress: &StepProgress, now: Timestamp) -> bool {
    let (StepKind::Watch { lasting, .. }
    | StepKind::WatchAll { lasting, .. }
    | StepKind::Monitor { lasting, .. }
    | StepKind::Inspect { lasting: Some(lasting), .. }
    | StepKind::Gate { settle: lasting, .. }) = progress.step.kind
    else {
        return true;
    };
    let (Some(started), Some(before)) = (progress.started_at, progress.checked_at) else { return true };
    now >= later(started, lasting) || now >= later(before, lasting / 12)
}

/// What is missing where a gate has not proven anything: traffic, unless that was seen.
pub(super) fn unproven(progress: &StepProgress) -> &'static str {
    let seen = |check: &Check| check.name == gate::TRAFFIC && check.verdict == Verdict::Pass;
    if progress.checks.iter().any(seen) { DOUBTFUL } else { SILENT }
}

/// The words for both.
pub(super) const SILENT: &str = "no traffic seen";
pub(super) const DOUBTFUL: &str = "not everything is shown to be well";

/// Why the checks of this verdict say so. Where there was no traffic, that is the reason for all the others.
pub(super) fn reasons(checks: &[Check], verdict: Verdict) -> String {
    let of_verdict = || checks.iter().filter(|check| check.verdict == verdict);
    match of_verdict().find(|check| check.name == gate::TRAFFIC && verdict == Verdict::Inconclusive) {
        Some(traffic) => traffic.reason.clone(),
        None => of_verdict().map(|check| format!("{}: {}", check.title, check.reason)).collect::<Vec<_>>().join(" "),
    }
}

pub(super) fn finished(step: &Step, status: StepStatus, summary: &str) -> Event {
    Event::Finished { step: step.id.clone(), status, summary: summary.to_owned() }
}
