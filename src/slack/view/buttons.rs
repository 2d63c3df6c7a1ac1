//! The buttons of a card, most useful first, and what to type instead of each.

use super::blocks::{Button, Confirm, Style};
use super::markup::{Markup, clip, md};
use super::{ViewContext, action, words};
use crate::domain::{Answer, Command, Outcome, Phase, Run, StepId, StepKind, StepProgress, StepStatus, Subject};

/// Buttons on a card: more are not read by anybody in a hurry.
const MAX_BUTTONS: usize = 5;

/// A button, and the command that does the same.
type Choice = (Button, &'static str, Command);

/// The buttons of the card as the run is now, and the text that says the same.
pub fn of(run: &Run, context: &ViewContext<'_>) -> (Vec<Button>, Markup) {
    let mut choices = choices(run, context);
    choices.truncate(MAX_BUTTONS);
    let typed = |command: &Command| Markup::code(&clip(&format!("{} {}", context.command_word, command.text()), 200));
    let instead = choices.iter().map(|(_, to, command)| md!("{}: {}", *to, typed(command)));
    let instead = Markup::join(instead.collect::<Vec<_>>(), "\n");
    (choices.into_iter().map(|(button, ..)| button).collect(), instead)
}

fn choices(run: &Run, context: &ViewContext<'_>) -> Vec<Choice> {
    if matches!(run.command, Command::Rollback { .. }) {
        return turn_off(run).or_else(|| stop_function(run)).into_iter().collect();
    }
    if matches!(run.command, Command::HardStop { .. })
        && run.round(&Subject::Plan).is_some_and(|round| !round.is_granted())
    {
        // One that lapsed is asked for anew by typing, as a rollback is.
        return stop_now(run).into_iter().collect();
    }
    if let Some(ended) = &run.ended {
        let again = match ended.outcome {
            Outcome::Failed | Outcome::Cancelled | Outcome::Expired => true,
            Outcome::Succeeded | Outcome::Unproven | Outcome::Preempted | Outcome::Refused => false,
        };
        // What was invoked, or may have been, is not invoked again by a click in passing: that is another command.
        let invoked = matches!(run.command, Command::Smoke { .. })
            && run.steps.iter().any(|progress| progress.effected.is_some() || progress.status == StepStatus::Unknown);
        let again = again && !invoked && (run.command.acts() || is_verify(run));
        return again.then(|| retry(run, "To do it again")).into_iter().collect();
    }
    if run.undoing.is_some() {
        return Vec::new();
    }
    let stopping = run.cancel.is_some() || run.preempted.is_some();
    let mut choices = Vec::new();
    if let Some(asking) = asking(run) {
        choices.extend(answers(run, &asking.step.id).into_iter().map(|command| answer(run, asking, command)));
    }
    if !stopping && run.command.acts() {
        match run.phase() {
            Phase::Paused => choices.push(resume(run)),
            Phase::Running | Phase::Scheduled => choices.push(pause(run)),
            Phase::Planning | Phase::Approving | Phase::Waiting | Phase::Asking | Phase::Undoing | Phase::Ended(_) => {}
        }
        choices.extend(skippable(run).map(|step| skip(run, step)));
    }
    choices.extend((!stopping).then(|| cancel(run)));
    choices.extend(escalate(run, context));
    choices
}

/// The step whose question stands open.
fn asking(run: &Run) -> Option<&StepProgress> {
    run.steps.iter().find(|progress| progress.question.is_some())
}

/// Whether a step failed, so that its question is what to do about that.
fn has_failed(progress: &StepProgress) -> bool {
    matches!(progress.status, StepStatus::Failed | StepStatus::Unknown)
}

/// What can be answered to the question about a step, as commands.
pub fn answers(run: &Run, step: &StepId) -> Vec<Command> {
    let answer = |answer| Command::Answer { run: run.id, answer };
    if run.step(step).is_some_and(has_failed) {
        let skip = Command::Skip { run: run.id, reason: "reason".to_owned() };
        let undo = run.to_undo().next().map(|_| answer(Answer::Undo));
        return [Some(Command::Retry { run: run.id }), undo, Some(skip)].into_iter().flatten().collect();
    }
    [Answer::WaitOn, Answer::Continue, Answer::Undo].map(answer).to_vec()
}

fn answer(run: &Run, asking: &StepProgress, command: Command) -> Choice {
    // With the step, so that the button of an old card does not answer a newer question.
    let value = format!("{} {}", run.id, asking.step.id);
    let (label, action, style, confirm) = match &command {
        Command::Retry { .. } => return retry(run, "To try the step again"),
        Command::Skip { .. } => return skip(run, asking),
        Command::Answer { answer: Answer::Continue, .. } => {
            ("Continue unproven", action::ANSWER_CONTINUE, Style::Plain, None)
        }
        Command::Answer { answer: Answer::Undo, .. } => {
            let confirm = Confirm {
                title: format!("Undo {}?", run.id),
                text: format!(
                    "What this run changed in {} is changed back, and the run ends.",
                    clip(&run.environment, 100)
                ),
                yes: "Undo it",
                no: "Keep it",
            };
            ("Undo", action::ANSWER_UNDO, Style::Danger, Some(confirm))
        }
        _ => ("Wait on", action::ANSWER_WAIT, Style::Primary, None),
    };
    (Button { label: label.to_owned(), action, value, style, confirm }, "To answer", command)
}

fn plain(run: &Run, label: &str, action: &'static str, style: Style) -> Button {
    Button { label: label.to_owned(), action, value: run.id.to_string(), style, confirm: None }
}

fn retry(run: &Run, to: &'static str) -> Choice {
    (plain(run, "Try again", action::RETRY, Style::Primary), to, Command::Retry { run: run.id })
}

fn pause(run: &Run) -> Choice {
    (plain(run, "Pause", action::PAUSE, Style::Plain), "To pause it", Command::Pause { run: run.id })
}

fn resume(run: &Run) -> Choice {
    (plain(run, "Resume", action::RESUME, Style::Primary), "To go on", Command::Resume { run: run.id })
}

/// The step under way, if leaving it out changes nothing but what is known.
fn skippable(run: &Run) -> Option<&StepProgress> {
    let waits = |progress: &&StepProgress| {
        let kind =
            matches!(progress.step.kind, StepKind::Watch { .. } | StepKind::Gate { .. } | StepKind::WatchAll { .. });
        kind && progress.status == StepStatus::Running && progress.question.is_none()
    };
    run.steps.iter().find(waits).filter(|_| run.skip.is_none())
}

fn skip(run: &Run, progress: &StepProgress) -> Choice {
    let value = format!("{} {}", run.id, progress.step.id);
    let button = Button { value, ..plain(run, "Skip…", action::SKIP, Style::Plain) };
    (button, "To leave this step out", Command::Skip { run: run.id, reason: "reason".to_owned() })
}

fn cancel(run: &Run) -> Choice {
    if let Command::Monitor { environment, .. } = &run.command {
        let stop = Command::MonitorStop { environment: environment.clone() };
        return (plain(run, "Stop", action::CANCEL, Style::Plain), "To end it now", stop);
    }
    let confirm = Confirm {
        title: format!("Cancel {}?", run.id),
        text: format!(
            "{} stops at its next safe point. What it has done so far stays, and it says what state things are in.",
            clip(&words::subject(&run.command), 120)
        ),
        yes: "Cancel the run",
        no: "Let it go on",
    };
    let button = Button { confirm: Some(confirm), ..plain(run, "Cancel", action::CANCEL, Style::Danger) };
    (button, "To stop it", Command::Cancel { run: run.id })
}

/// Calling somebody, where something stands still and there is somebody to call.
fn escalate(run: &Run, context: &ViewContext<'_>) -> Option<Choice> {
    let stuck = match run.phase() {
        Phase::Approving | Phase::Paused | Phase::Asking => true,
        Phase::Planning | Phase::Scheduled | Phase::Waiting | Phase::Running => run.trouble.is_some(),
        Phase::Undoing | Phase::Ended(_) => false,
    };
    let somebody = !context.contacts.1.trim().is_empty();
    let production = run.plan.as_ref().is_some_and(|(plan, _)| plan.approval.is_some());
    let button = plain(run, "Escalate", action::ESCALATE, Style::Plain);
    let confirm = Confirm {
        title: format!("Escalate {}?", run.id),
        text: format!("{} is called to this run, in its thread and in the channel.", clip(context.contacts.1, 150)),
        yes: "Call them",
        no: "Not now",
    };
    let command = Command::Escalate { run: run.id, reason: None };
    (stuck && somebody && production).then_some((
        Button { confirm: Some(confirm), ..button },
        "To call the escalation contact",
        command,
    ))
}

/// The one click of a rollback, while it is waited for.
fn turn_off(run: &Run) -> Option<Choice> {
    run.open_round().filter(|_| run.ended.is_none() && run.cancel.is_none())?;
    let steps = run.plan.iter().flat_map(|(plan, _)| &plan.steps);
    let rules = steps.flat_map(|step| match &step.kind {
        StepKind::DisableAll { rules, .. } => rules.as_slice(),
        _ => &[],
    });
    let rules: Vec<&str> = rules.map(|rule| rule.name.as_str()).collect();
    let environment = &run.environment;
    let button = Button {
        label: "Turn everything off".to_owned(),
        action: action::ROLL_BACK,
        value: format!("{environment} {}", run.id),
        style: Style::Danger,
        confirm: Some(Confirm {
            title: format!("Turn off all rules of {}?", clip(environment, 60)),
            text: format!("Now, at once: {}", clip(&rules.join(", "), 250)),
            yes: "Turn everything off",
            no: "Not now",
        }),
    };
    let typed = Command::Rollback { environment: environment.clone() };
    Some((button, "To ask anew, where the button is gone", typed))
}

/// After a verified rollback: what is queued for the function already can be kept from running, too.
fn stop_function(run: &Run) -> Option<Choice> {
    run.ended.as_ref().filter(|ended| ended.outcome == Outcome::Succeeded)?;
    let button = stop_button("Stop the function too", run, run.environment.clone());
    let typed = Command::HardStop { environment: run.environment.clone() };
    Some((button, "To stop the function too", typed))
}

/// The one click of a hard stop, while it is waited for.
fn stop_now(run: &Run) -> Option<Choice> {
    run.open_round().filter(|_| run.ended.is_none() && run.cancel.is_none())?;
    let button = stop_button("Stop the function", run, format!("{} {}", run.environment, run.id));
    let typed = Command::HardStop { environment: run.environment.clone() };
    Some((button, "To ask anew, where the button is gone", typed))
}

fn stop_button(label: &str, run: &Run, value: String) -> Button {
    Button {
        label: label.to_owned(),
        action: action::HARD_STOP,
        value,
        style: Style::Danger,
        confirm: Some(Confirm {
            title: format!("Stop the function of {}?", clip(&run.environment, 60)),
            text: "Its reserved concurrency is set to 0: events that are queued for it already do not run either. \
                   `restore` gives it back."
                .to_owned(),
            yes: "Stop the function",
            no: "Not now",
        }),
    }
}

fn is_verify(run: &Run) -> bool {
    matches!(run.command, Command::Verify { .. })
}
