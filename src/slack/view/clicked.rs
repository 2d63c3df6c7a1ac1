//! What one person is told whose click or command has steered a run: what it does now, and how its environment stands.

use super::action;
use super::blocks::{Button, Confirm, Draft, Style};
use super::markup::{Markup, clip, md};
use super::words;
use crate::domain::{Command, Environment, Round, Run, Subject};
use crate::slack::message::Message;

/// A run was paused, resumed, objected to, told to skip, to try again or to stop, or the escalation contact was called.
/// `run` is as it is since then.
pub fn steered(run: &Run, command: &Command, environment: Option<&Environment>, command_word: &str) -> Message {
    let name = md!("{} ({})", md!("{}", run.id).bold(), clip(&words::subject(&run.command), 150));
    let resume = Markup::code(&format!("{command_word} resume {}", run.id));
    let what = match command {
        Command::Pause { .. } => md!(
            "⏸️ {} is paused: what is under way is finished and watched, and nothing new begins. To go on: {}",
            name,
            resume
        ),
        Command::Object { .. } => md!(
            "✋ Your objection stands in the thread and {} is paused: nothing new begins. Somebody other than who asked for \
             it can let it go on: {}",
            name,
            resume
        ),
        Command::Resume { .. } => md!("▶️ {} goes on.", name),
        Command::Retry { .. } => md!("🔁 {} tries the step again that failed.", name),
        Command::Skip { .. } => {
            let step = run.skip.as_ref().and_then(|skip| run.step(&skip.step)).or(run.current());
            let step = step.map(|progress| clip(&progress.step.kind.title(), 100)).unwrap_or_default();
            match run.plan.as_ref().is_some_and(|(plan, _)| plan.approval.is_some()) {
                true => md!(
                    "⏭️ {}: to leave out “{}” is asked for in the thread. It goes on as planned until then.",
                    name,
                    step
                ),
                false => md!("⏭️ {} leaves out “{}” and goes on.", name, step),
            }
        }
        Command::Cancel { .. } => {
            md!("⏹️ {} stops at its next safe point and tells in its thread what state things are in.", name)
        }
        Command::Escalate { .. } => md!("📣 The escalation contact is called in the thread of {}.", name),
        _ => md!("👍 {}: {}.", name, words::phase(run)),
    };
    told(run, what, environment)
}

/// An approval, a rejection or an override counts. `run` is as it is since then.
pub fn decided(run: &Run, subject: &Subject, command: &Command, environment: Option<&Environment>) -> Message {
    let round = run.round(subject);
    let what = match command {
        Command::Reject { .. } => md!("🚫 You rejected {}. {}", of(run, subject), rejected(subject)),
        Command::Override { safeguard, .. } => {
            md!("⚠️ {} is overridden for this plan of {}. {}", Markup::code(&clip(safeguard, 60)), run.id, count(round))
        }
        _ => md!("👍 You approved {}. {}", of(run, subject), count(round)),
    };
    let paused = match run.paused {
        Some(_) => md!("⏸️ The run is paused, and nothing new begins before it is resumed."),
        None => Markup::default(),
    };
    told(run, Markup::join([what, paused], "\n"), environment)
}

/// A click made a run.
pub fn run_made(run: &Run, permalink: Option<&str>) -> Message {
    let mut draft = Draft::new();
    let link = permalink.map(|permalink| Markup::link(permalink, "Look at the run")).unwrap_or_default();
    draft.section(Markup::join(
        [
            md!(
                "👍 {} does it: {}. It is {}.",
                md!("{}", run.id).bold(),
                clip(&words::subject(&run.command), 150),
                words::phase(run)
            ),
            link,
        ],
        "\n",
    ));
    draft.finish()
}

/// The offer of a rollback where no card can be made: the same button, without a run.
pub fn rollback_offer(environment: &Environment, why: &str) -> Message {
    let mut draft = Draft::new();
    draft.section(md!("🛑 {}", md!("Roll back {}?", &environment.name).bold()));
    draft.lines(environment.rules.iter().map(|rule| md!("• {} is turned off", clip(&rule.name, 100))));
    draft.section(md!("{} The button works all the same, for any responder, and at once.", why));
    let button = Button {
        label: "Turn everything off now".to_owned(),
        action: action::ROLL_BACK,
        value: environment.name.clone(),
        style: Style::Danger,
        confirm: Some(Confirm {
            title: format!("Roll back {}?", clip(&environment.name, 60)),
            text: format!(
                "All {} rules of {} are turned off now. What other runs do there is stopped.",
                environment.rules.len(),
                clip(&environment.name, 60)
            ),
            yes: "Turn everything off",
            no: "Not now",
        }),
    };
    draft.buttons(
        vec![button],
        md!("From a terminal: {}", Markup::code(&format!("alch run \"rollback {}\"", environment.name))),
    );
    draft.finish()
}

/// What a rollback has done, to who asked for it or clicked. `where_else` says where the rest is told.
pub fn rolled_back(summary: &str, succeeded: bool, where_else: &str) -> Message {
    let mut draft = Draft::new();
    let mark = if succeeded { "✅" } else { "❌" };
    draft.section(md!("{} {} {}", mark, Markup::prose(&clip(summary, 2000)), where_else));
    draft.finish()
}

fn told(run: &Run, what: Markup, environment: Option<&Environment>) -> Message {
    let mut draft = Draft::new();
    draft.section(what);
    draft.section(state(run, environment));
    draft.finish()
}

/// How the environment stands, as far as this run knows.
fn state(run: &Run, environment: Option<&Environment>) -> Markup {
    let states = run.rule_states();
    if states.is_empty() {
        return match run.command.acts() {
            true => md!("Nothing in {} was changed by this run.", clip(&run.environment, 100)),
            false => Markup::default(),
        };
    }
    md!(
        "{}, as this run last found or set it:\n{}",
        clip(&run.environment, 100),
        words::rule_states(&states, environment).cut(1500)
    )
}

fn of(run: &Run, subject: &Subject) -> Markup {
    let step = |step| run.step(step).map_or_else(String::new, |progress| clip(&progress.step.kind.title(), 100));
    match subject {
        Subject::Plan => md!("the plan of {}", md!("{}", run.id).bold()),
        Subject::Step(id) => md!("“{}” of {}", step(id), md!("{}", run.id).bold()),
        Subject::Skip(id) => md!("leaving out “{}” in {}", step(id), md!("{}", run.id).bold()),
    }
}

fn rejected(subject: &Subject) -> &'static str {
    match subject {
        Subject::Plan => "The run ends without having acted.",
        Subject::Step(_) => "The step is not done, and the run ends.",
        Subject::Skip(_) => "The step stays, and the run goes on.",
    }
}

fn count(round: Option<&Round>) -> Markup {
    let Some(round) = round else { return Markup::default() };
    let given = round.approvals.len();
    let needed = round.needed as usize;
    if round.is_granted() {
        let next = match round.subject {
            Subject::Plan => "The world is looked at again, and if it is as the plan says, the run begins.",
            Subject::Step(_) => "The step is done now.",
            Subject::Skip(_) => "The step is left out.",
        };
        md!("That makes {} of {}. {}", given, needed, next)
    } else {
        md!("That makes {} of {}; the question stands until {}.", given, needed, Markup::minute(round.until))
    }
}
