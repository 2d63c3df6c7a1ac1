//! What a button says. Its value is opaque and names things; what is true of them is read from the journal. A value that
//! was made up says nothing more than a button could have said. Pure, and public for what attacks it from outside.

use crate::domain::{Answer, Command, PlanDigest, RunId, StepId, Subject};
use crate::slack::view::action;
use crate::step_up::Shown;

/// Hexadecimal digits of a plan's digest.
const DIGEST_DIGITS: usize = 64;
/// The longest name of a step or a safeguard that is read.
const MAX_NAME: usize = 300;

/// What a button says beside the command that it stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pressed {
    /// Whether it was a button at all: a click is always answered.
    pub by_button: bool,
    /// Wait for the environment when another run holds it.
    pub queue: bool,
    /// The step that it is about: an old card must not answer a newer question, nor skip a newer step.
    pub step: Option<StepId>,
    /// The plan and what of it is decided about.
    pub about: Option<(PlanDigest, Subject)>,
    /// The button of a rollback or a hard stop, after its confirmation.
    pub card: Option<Card>,
    /// The one-time code that was shown in a form.
    pub shown: Option<Shown>,
    /// What was noted there.
    pub note: Option<String>,
}

/// What shows the button of a rollback or a hard stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Card {
    /// The card of a run that waits for it.
    Of(RunId),
    /// None does: an answer that was given because the database did not make a run, or the card of a rollback that is over
    /// and offers the hard stop.
    WithoutRun,
}

/// What a click means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Click {
    /// A command.
    Ask(Command, Pressed),
    /// A command that lacks its reason, or its code, which a form asks for.
    Why(Command, Pressed),
    /// Words as if typed.
    Typed(String, Pressed),
    /// One of our buttons with a value that we did not give it.
    Garbled,
    /// None of our buttons.
    Unknown,
}

/// Reads a click.
pub fn read(action_id: &str, value: &str) -> Click {
    let read = match action_id {
        action::QUEUE => Some(Click::Typed(value.to_owned(), Pressed { queue: true, ..by_button() })),
        action::CANCEL => run_only(value, |run| Command::Cancel { run }),
        action::PAUSE => run_only(value, |run| Command::Pause { run }),
        action::RESUME => run_only(value, |run| Command::Resume { run }),
        action::ESCALATE => run_only(value, |run| Command::Escalate { run, reason: None }),
        action::OBJECT => {
            run_only(value, |run| Command::Object { run, reason: String::new() }).map(Click::lacking_reason)
        }
        action::RETRY => run_and_step(value, |run| Command::Retry { run }),
        action::ANSWER_WAIT => run_and_step(value, |run| Command::Answer { run, answer: Answer::WaitOn }),
        action::ANSWER_CONTINUE => run_and_step(value, |run| Command::Answer { run, answer: Answer::Continue }),
        action::ANSWER_UNDO => run_and_step(value, |run| Command::Answer { run, answer: Answer::Undo }),
        action::SKIP => skip(value),
        action::APPROVE => {
            decision(value, |run, digest| Command::Approve { run, plan: digest.to_string(), note: None })
        }
        action::REJECT => {
            decision(value, |run, _| Command::Reject { run, reason: String::new() }).map(Click::lacking_reason)
        }
        action::OVERRIDE => override_safeguard(value),
        action::ROLL_BACK => in_an_emergency(value, |environment| Command::Rollback { environment }),
        action::HARD_STOP => in_an_emergency(value, |environment| Command::HardStop { environment }),
        action::ENROL => Some(Click::Why(Command::Enrol { reset: None }, by_button())),
        _ => return Click::Unknown,
    };
    read.unwrap_or(Click::Garbled)
}

/// The command with its reason; as it is when it takes none.
pub fn with_reason(command: Command, why: String) -> Command {
    match command {
        Command::Reject { run, .. } => Command::Reject { run, reason: why },
        Command::Override { run, safeguard, .. } => Command::Override { run, safeguard, reason: why },
        Command::Object { run, .. } => Command::Object { run, reason: why },
        Command::Skip { run, .. } => Command::Skip { run, reason: why },
        other => other,
    }
}

impl Click {
    fn lacking_reason(self) -> Self {
        match self {
            Self::Ask(command, pressed) => Self::Why(command, pressed),
            other @ (Self::Why(..) | Self::Typed(..) | Self::Garbled | Self::Unknown) => other,
        }
    }
}

fn by_button() -> Pressed {
    Pressed { by_button: true, ..Pressed::default() }
}

fn run_only(value: &str, command: impl FnOnce(RunId) -> Command) -> Option<Click> {
    Some(Click::Ask(command(run(value)?), by_button()))
}

fn run_and_step(value: &str, command: impl FnOnce(RunId) -> Command) -> Option<Click> {
    match value.split_once(' ') {
        None => run_only(value, command),
        Some((id, step)) => {
            let pressed = Pressed { step: Some(StepId(name(step)?)), ..by_button() };
            Some(Click::Ask(command(run(id)?), pressed))
        }
    }
}

fn skip(value: &str) -> Option<Click> {
    let (id, step) = value.split_once(' ')?;
    let pressed = Pressed { step: Some(StepId(name(step)?)), ..by_button() };
    Some(Click::Why(Command::Skip { run: run(id)?, reason: String::new() }, pressed))
}

fn decision(value: &str, command: impl FnOnce(RunId, &PlanDigest) -> Command) -> Option<Click> {
    let (id, digest, subject) = three(value)?;
    let (digest, subject) = (plan_digest(digest)?, name(subject)?.parse().ok()?);
    let command = command(run(id)?, &digest);
    Some(Click::Ask(command, Pressed { about: Some((digest, subject)), ..by_button() }))
}

fn override_safeguard(value: &str) -> Option<Click> {
    let (id, digest, safeguard) = three(value)?;
    let pressed = Pressed { about: Some((plan_digest(digest)?, Subject::Plan)), ..by_button() };
    let command = Command::Override { run: run(id)?, safeguard: name(safeguard)?, reason: String::new() };
    Some(Click::Why(command, pressed))
}

fn in_an_emergency(value: &str, command: impl FnOnce(String) -> Command) -> Option<Click> {
    let (environment, card) = match value.split_once(' ') {
        None => (value, Card::WithoutRun),
        Some((environment, id)) => (environment, Card::Of(run(id)?)),
    };
    let command = command(name(environment)?);
    Some(Click::Ask(command, Pressed { card: Some(card), ..by_button() }))
}

fn three(value: &str) -> Option<(&str, &str, &str)> {
    let (first, rest) = value.split_once(' ')?;
    let (second, third) = rest.split_once(' ')?;
    Some((first, second, third))
}

fn run(text: &str) -> Option<RunId> {
    text.parse().ok()
}

fn plan_digest(text: &str) -> Option<PlanDigest> {
    let is_whole = text.len() == DIGEST_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_whole.then(|| PlanDigest(text.to_owned()))
}

fn name(text: &str) -> Option<String> {
    let is_name = !text.is_empty() && text.chars().count() <= MAX_NAME && !text.contains(char::is_control);
    is_name.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const R5: RunId = RunId(5);

    #[test]
    fn buttons_are_read_as_they_are_given() {
        let reason = String::new;
        let plan = || Some((PlanDigest(DIGEST.to_owned()), Subject::Plan));
        let skip = Some((PlanDigest(DIGEST.to_owned()), Subject::Skip(StepId("watch:a".to_owned()))));
        let step = || Some(StepId("watch:a".to_owned()));
        let about = |about| Pressed { about, ..by_button() };
        let on = |step| Pressed { step, ..by_button() };
        let on_card = |card| Pressed { card: Some(card), ..by_button() };
        let prod = || Command::Rollback { environment: "prod".to_owned() };
        let stop = || Command::HardStop { environment: "prod".to_owned() };
        let approve = || Command::Approve { run: R5, plan: DIGEST[..12].to_owned(), note: None };
        let soak = Command::Override { run: R5, safeguard: "soak".to_owned(), reason: reason() };
        let retry = || Command::Retry { run: R5 };
        let undo = Command::Answer { run: R5, answer: Answer::Undo };
        let expected = [
            (action::APPROVE, format!("R-5 {DIGEST} plan"), Click::Ask(approve(), about(plan()))),
            (action::APPROVE, format!("R-5 {DIGEST} skip/watch:a"), Click::Ask(approve(), about(skip))),
            (
                action::REJECT,
                format!("R-5 {DIGEST} plan"),
                Click::Why(Command::Reject { run: R5, reason: reason() }, about(plan())),
            ),
            (action::OVERRIDE, format!("R-5 {DIGEST} soak"), Click::Why(soak, about(plan()))),
            (action::OBJECT, "R-5".to_owned(), Click::Why(Command::Object { run: R5, reason: reason() }, by_button())),
            (action::PAUSE, "R-5".to_owned(), Click::Ask(Command::Pause { run: R5 }, by_button())),
            (action::RESUME, "R-5".to_owned(), Click::Ask(Command::Resume { run: R5 }, by_button())),
            (action::CANCEL, "R-5".to_owned(), Click::Ask(Command::Cancel { run: R5 }, by_button())),
            (action::ESCALATE, "R-5".to_owned(), Click::Ask(Command::Escalate { run: R5, reason: None }, by_button())),
            (action::RETRY, "R-5".to_owned(), Click::Ask(retry(), by_button())),
            (action::RETRY, "R-5 watch:a".to_owned(), Click::Ask(retry(), on(step()))),
            (action::ANSWER_UNDO, "R-5 watch:a".to_owned(), Click::Ask(undo, on(step()))),
            (
                action::SKIP,
                "R-5 watch:a".to_owned(),
                Click::Why(Command::Skip { run: R5, reason: reason() }, on(step())),
            ),
            (action::ROLL_BACK, "prod".to_owned(), Click::Ask(prod(), on_card(Card::WithoutRun))),
            (action::ROLL_BACK, "prod R-5".to_owned(), Click::Ask(prod(), on_card(Card::Of(R5)))),
            (action::HARD_STOP, "prod".to_owned(), Click::Ask(stop(), on_card(Card::WithoutRun))),
            (action::HARD_STOP, "prod R-5".to_owned(), Click::Ask(stop(), on_card(Card::Of(R5)))),
        ];
        for (action_id, value, click) in expected {
            assert_eq!(read(action_id, &value), click, "{action_id} {value}");
        }
    }

    #[test]
    fn values_that_no_button_has_are_garbled_and_never_a_command() {
        let ours = [
            action::APPROVE,
            action::REJECT,
            action::OVERRIDE,
            action::OBJECT,
            action::PAUSE,
            action::RESUME,
            action::RETRY,
            action::SKIP,
            action::ESCALATE,
            action::CANCEL,
            action::ANSWER_WAIT,
            action::ANSWER_UNDO,
        ];
        let long = format!("R-5 {}", "x".repeat(MAX_NAME + 1));
        let crafted =
            ["", " ", "  ", "R-0", "R--5", "R-5 ", "x R-5", "R-99999999999999999999 x", "R-5 \u{0}", "🙂 🙂 🙂", &long];
        for action_id in ours {
            for value in crafted {
                assert_eq!(read(action_id, value), Click::Garbled, "{action_id} {value:?}");
            }
        }
        let short = &DIGEST[1..];
        for value in [
            "R-5".to_owned(),
            format!("R-5 {DIGEST}"),
            format!("R-5 {DIGEST} "),
            format!("R-5 {short} plan"),
            format!("R-5 {short}g plan"),
            format!("R-5 {DIGEST} plan extra"),
            format!("R-5 {DIGEST} step/"),
            format!("R-5  {DIGEST} plan"),
        ] {
            assert_eq!(read(action::APPROVE, &value), Click::Garbled, "{value:?}");
        }
        for value in ["", " R-5", "prod ", "prod R-x", "prod R-5 more"] {
            assert_eq!(read(action::ROLL_BACK, value), Click::Garbled, "{value:?}");
            assert_eq!(read(action::HARD_STOP, value), Click::Garbled, "{value:?}");
        }
        assert_eq!(read("approve2", "R-5"), Click::Unknown);
        assert_eq!(read("", ""), Click::Unknown);
    }

    #[test]
    fn the_reason_goes_into_the_command_that_lacks_it() {
        let skip = Command::Skip { run: R5, reason: String::new() };
        assert_eq!(with_reason(skip, "why".to_owned()), Command::Skip { run: R5, reason: "why".to_owned() });
        let pause = Command::Pause { run: R5 };
        assert_eq!(with_reason(pause.clone(), "why".to_owned()), pause);
    }
}
