//! Stop the function itself: events that are queued for it already do not run either. And what takes that back.

use jiff::SignedDuration;

use super::{NoPlan, step};
use crate::domain::{Detail, Effect, Environment, Facts, Run, RunId, Step, StepKind};

/// Lambda shows a change at once, or soon.
const LOOK: SignedDuration = SignedDuration::from_secs(5);
const PATIENCE: SignedDuration = SignedDuration::from_mins(5);

/// The one step of a hard stop.
pub(super) fn steps(facts: &Facts, environment: &Environment) -> Result<Vec<Step>, NoPlan> {
    let function = facts.function.as_ref();
    let found = function.ok_or_else(|| NoPlan::Because(format!("{} could not be read", environment.function)))?;
    Ok(vec![set("stop-function", found.concurrency, Some(0), environment)])
}

/// Why the function is left as it is although it is, or was, stopped: a sentence without its full stop. None where there is
/// nothing to say.
pub(super) fn left(facts: &Facts, environment: &Environment) -> Option<String> {
    let found = facts.function.as_ref()?;
    let function = &environment.function;
    let words = |concurrency: Option<u32>| concurrency.map_or_else(|| "none".to_owned(), |number| number.to_string());
    match (found.concurrency, found.stopped) {
        (Some(0), None) => Some(format!(
            "{function} is stopped (reserved concurrency 0), and by no hard stop that the journals know: it is left so, and \
             nothing runs until whoever did it gives it back"
        )),
        (now, Some((run, former))) if now != Some(0) && now != former => Some(format!(
            "{run} stopped {function}, whose reserved concurrency was {} before; it reads {} now. Somebody else has changed it \
             since, and it is left as it is",
            words(former),
            words(now)
        )),
        _ => None,
    }
}

/// The step that gives the function back what a hard stop has taken, if it is stopped by one.
pub(super) fn back(facts: &Facts, environment: &Environment) -> Option<Step> {
    let function = facts.function.as_ref().filter(|function| function.concurrency == Some(0))?;
    let (_, former) = function.stopped?;
    Some(set("start-function", function.concurrency, former, environment))
}

fn set(id: &str, from: Option<u32>, to: Option<u32>, environment: &Environment) -> Step {
    let effect = Effect::SetConcurrency { function: environment.function.clone(), from, to };
    step(id, StepKind::Effect { effect, poll: LOOK, patience: PATIENCE })
}

/// The hard stop of a function that was not taken back since, as the journals tell it, newest run first: the run and the
/// reserved concurrency from before.
pub fn not_taken_back(runs: &[Run], function: &str) -> Option<(RunId, Option<u32>)> {
    runs.iter().find_map(|run| of_run(run, function)).flatten()
}

/// What a run says about it; none when it says nothing.
fn of_run(run: &Run, function: &str) -> Option<Option<(RunId, Option<u32>)>> {
    run.steps.iter().rev().find_map(|progress| {
        let StepKind::Effect { effect: Effect::SetConcurrency { function: of, to, .. }, .. } = &progress.step.kind
        else {
            return None;
        };
        let (_, receipt) = progress.effected.as_ref().filter(|_| of == function)?;
        match (to, &receipt.detail) {
            (Some(0), Detail::Concurrency { from, .. }) if receipt.changed => Some(Some((run.id, *from))),
            (Some(0), _) => None,
            (Some(_) | None, _) => Some(None),
        }
    })
}
