//! The question for approval: the one message of a thread that is kept up to date, with the whole plan, the buttons, and
//! afterwards who decided what.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::blocks::{Button, Draft, Style};
use super::markup::{Markup, clip, md};
use super::{ViewContext, action, plan, resend, versions, words};
use crate::domain::{
    Actor, Approval, Check, Command, Environment, Outcome, Round, Run, StepId, StepUp, Subject, Verdict,
};
use crate::slack::message::Message;

/// The longest note or reason of a person.
const MAX_NOTE: usize = 300;

/// A question as it was asked, with what was overridden while it stood.
pub struct Question {
    /// The run as it was when the question was asked.
    pub asked: Run,
    /// Which of its rounds the question is.
    pub round: usize,
    /// The safeguards that people overrode: by name, when, by whom, why.
    pub overridden: BTreeMap<String, (Timestamp, Actor, String)>,
}

impl Question {
    /// The safeguards that keep it from being approved.
    fn blocking(&self) -> Vec<&Check> {
        let blocks =
            |check: &&Check| check.verdict > Verdict::Inconclusive && !self.overridden.contains_key(&check.name);
        self.asked.safeguards.iter().filter(blocks).collect()
    }
}

/// The message, of the run as it is now.
pub fn message(question: &Question, now: &Run, context: &ViewContext<'_>) -> Option<Message> {
    let round = now.rounds.get(question.round)?;
    let environment = context.environments.get(&now.environment);
    let mut draft = Draft::new();
    let open = is_open(round, now);
    let mention = match open {
        true => environment.map(|environment| plan::approvers(environment, &now.command)).unwrap_or_default(),
        false => Markup::default(),
    };
    let mark = if open { "🖐️" } else { "📋" };
    draft.section(Markup::join([md!("{} {}", mark, headline(question, round, now, open).bold()), mention], " "));
    draft.lines(standing(round, now));
    if open {
        draft.typed(typed(question, round, now, context));
    }
    match &round.subject {
        Subject::Plan => whole_plan(&mut draft, question, round, now, context),
        Subject::Step(_) => draft.lines(states(&question.asked, environment)),
        Subject::Skip(_) => {
            if let Some(skip) = &question.asked.skip {
                draft.section(md!("{} asked for it: {}", Markup::actor(&skip.actor), clip(&skip.reason, MAX_NOTE)));
            }
            let meanwhile = if open { " Until somebody decides, the step goes on." } else { "" };
            draft.section(md!("What is left out is not shown to be well.{}", meanwhile));
            draft.lines(states(&question.asked, environment));
        }
    }
    if open {
        let blocked = round.subject == Subject::Plan && !question.blocking().is_empty();
        draft.buttons(buttons(question, round, now, environment, blocked), Markup::default());
    }
    draft.context(md!("{} · asked by {} · plan {}", now.id, Markup::actor(&now.actor), round.digest.to_string()));
    Some(draft.finish())
}

/// What is to be approved; once that is decided, what it was about.
fn headline(question: &Question, round: &Round, now: &Run, open: bool) -> Markup {
    let asked = &question.asked;
    match &round.subject {
        Subject::Plan => {
            let again = asked.rounds.iter().any(|other| other.subject == Subject::Plan && other.superseded);
            let title = if open { md!("{} needs approval", now.id) } else { md!("Plan of {}", now.id) };
            let again = if again { ", anew because the world has moved" } else { "" };
            md!("{}{}: {}", title, again, clip(&words::subject(&now.command), 150))
        }
        Subject::Step(step) => md!("{} asks for a go-ahead: {}", now.id, title(asked, step)),
        Subject::Skip(step) => md!("Shall {} leave out “{}”?", now.id, title(asked, step)),
    }
}

/// Whether a decision still counts: a run that stops takes none.
fn is_open(round: &Round, now: &Run) -> bool {
    let stops = now.ended.is_some() || now.cancel.is_some() || now.preempted.is_some() || now.undoing.is_some();
    round.is_open() && !stops
}

fn whole_plan(draft: &mut Draft, question: &Question, round: &Round, now: &Run, context: &ViewContext<'_>) {
    let asked = &question.asked;
    let environment = context.environments.get(&now.environment);
    if let Command::Promote { reason: Some(reason), .. } = &now.command {
        draft.section(md!("Why: {}", clip(reason, MAX_NOTE)));
    }
    let open = is_open(round, now);
    let safeguards = plan::safeguard_lines(&asked.safeguards, &question.overridden);
    // What blocks comes before the plan that it blocks.
    let blocks = open && !question.blocking().is_empty();
    if blocks {
        draft.lines(blocked(question, now, context));
        draft.lines(safeguards.clone());
    }
    if let Some((planned, _)) = &asked.plan {
        let show = Markup::code(&clip(&format!("{} show {}", context.command_word, now.id), 100));
        plan::steps(draft, planned, &show);
        versions::changes(draft, planned);
        let remarks = asked.facts.iter().flat_map(|(_, facts)| resend::remarks(&facts.remarks));
        draft.lines(remarks);
        if open || now.starts_at().is_some() {
            draft.section(when(now, round, planned.expected()));
        }
        draft.lines(plan::consequences(planned, context));
        if !blocks {
            draft.lines(safeguards);
        }
        draft.lines(plan::world(planned, asked.facts.as_ref().map(|(_, facts)| facts), environment));
    }
    draft.lines(now.notes.iter().take(3).map(|note| md!("{}", clip(note, 200))));
}

/// When it begins and ends.
fn when(run: &Run, round: &Round, expected: SignedDuration) -> Markup {
    let end = |from: Timestamp| from.checked_add(expected).unwrap_or(Timestamp::MAX);
    match run.starts_at() {
        Some(at) => md!("Begins {}, ends about {}.", Markup::day(at), Markup::day(end(at))),
        None => md!("Begins once approved; approved at once, it ends about {}.", Markup::day(end(round.asked_at))),
    }
}

/// What keeps it from being approved, and how to go on.
fn blocked(question: &Question, run: &Run, context: &ViewContext<'_>) -> Vec<Markup> {
    let blocking = question.blocking();
    if blocking.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![md!(
        "⛔ {}",
        md!("It cannot be approved, because this does not hold: {}", plan::titles(&blocking)).bold()
    )];
    let environment = context.environments.get(&run.environment);
    let overriders = environment.map_or(&[][..], |environment| environment.approvals.overriders.as_slice());
    let who = Markup::join(overriders.iter().take(8).map(Markup::principal), " ");
    let word = context.command_word;
    for check in &blocking {
        if let Some(lift) = lifted_by(check) {
            let lift = Markup::code(&clip(&format!("{word} {lift} {}", run.environment), 200));
            lines.push(md!("→ {} is not overridden but lifted: {}, then ask again.", clip(&check.title, 80), lift));
        }
    }
    if blocking.iter().any(|check| lifted_by(check).is_none()) {
        lines.push(if who.is_empty() {
            md!("→ Nobody is entitled to override here: cancel it, and ask again when every safeguard holds.")
        } else {
            md!("→ Ask again when every safeguard holds; or {} may override with a reason, which needs one approval more.", who)
        });
    }
    lines
}

/// The command that lifts what cannot be overridden.
fn lifted_by(check: &Check) -> Option<&'static str> {
    match check.name.as_str() {
        "freeze" => Some("unfreeze"),
        "lock" => Some("unlock"),
        _ => None,
    }
}

/// How the question stands: who approved so far and until when; or who decided, when, and what they said.
fn standing(round: &Round, run: &Run) -> Vec<Markup> {
    let mut lines: Vec<Markup> = round.approvals.iter().take(12).map(|approval| md!("✅ {}", by(approval))).collect();
    let (given, needed) = (round.approvals.len(), round.needed as usize);
    lines.push(if let Some((at, by, reason)) = &round.rejected {
        md!(
            "🚫 {} by {} {}: {}",
            Markup::from("Rejected").bold(),
            Markup::actor(by),
            Markup::day(*at),
            clip(reason, MAX_NOTE)
        )
    } else if round.superseded {
        md!("♻️ {}: the world has moved, so another plan took its place.", Markup::from("Not valid any more").bold())
    } else if round.lapsed {
        md!("⌛ {}: nobody decided until {}.", Markup::from("Lapsed").bold(), Markup::day(round.until))
    } else if round.is_granted() {
        md!("✅ {}, {} of {}.", Markup::from("Approved").bold(), given, needed)
    } else if !is_open(round, run) {
        let how = run.ended.as_ref().map_or("is stopping", |ended| match ended.outcome {
            Outcome::Cancelled => "was cancelled",
            Outcome::Preempted => "gave way to a rollback",
            Outcome::Succeeded | Outcome::Unproven | Outcome::Failed | Outcome::Refused | Outcome::Expired => {
                "has ended"
            }
        });
        md!("⏹️ {}: {} {}.", Markup::from("Not decided").bold(), run.id, how)
    } else {
        md!("⏳ {} of {} approved; it stands until {}.", given, needed, Markup::day(round.until))
    });
    lines
}

/// Who approved, when, and their note.
pub fn by(approval: &Approval) -> Markup {
    let note = approval.note.as_deref().filter(|note| !note.trim().is_empty());
    let note = note.map(|note| format!(": {}", clip(note, MAX_NOTE))).unwrap_or_default();
    let factor = if approval.stepped_up { " (second factor)" } else { "" };
    md!("{} {}{}{}", Markup::actor(&approval.actor), Markup::day(approval.at), factor, note)
}

fn buttons(
    question: &Question,
    round: &Round,
    run: &Run,
    environment: Option<&Environment>,
    blocked: bool,
) -> Vec<Button> {
    let value = format!("{} {} {}", run.id, round.digest.0, round.subject);
    let button = |label: &str, action, value: String, style| Button {
        label: label.to_owned(),
        action,
        value,
        style,
        confirm: None,
    };
    let mut buttons = Vec::new();
    if !blocked {
        buttons.push(button("Approve", action::APPROVE, value.clone(), Style::Primary));
    }
    buttons.push(button("Reject", action::REJECT, value, Style::Danger));
    let may_override = environment.is_some_and(|environment| !environment.approvals.overriders.is_empty());
    if blocked && may_override {
        let overridable = question.blocking().into_iter().filter(|check| lifted_by(check).is_none()).take(7);
        buttons.extend(overridable.map(|check| {
            let value = format!("{} {} {}", run.id, round.digest.0, check.name);
            button(&format!("Override {}…", check.name), action::OVERRIDE, value, Style::Plain)
        }));
    }
    buttons
}

/// What the buttons do, for those who read the text only.
fn typed(question: &Question, round: &Round, run: &Run, context: &ViewContext<'_>) -> Markup {
    let code = |command: Command| Markup::code(&clip(&format!("{} {}", context.command_word, command.text()), 200));
    let why = || "reason".to_owned();
    let blocking = if round.subject == Subject::Plan { question.blocking() } else { Vec::new() };
    let mut lines = Vec::new();
    if blocking.is_empty() {
        let environment = context.environments.get(&run.environment);
        lines.push(if environment.is_some_and(|environment| environment.approvals.step_up == StepUp::Totp) {
            md!("To approve: the button, which asks for a code in a form. A code is never typed into a channel.")
        } else {
            md!("To approve: {}", code(Command::Approve { run: run.id, plan: round.digest.to_string(), note: None }))
        });
    }
    lines.push(md!("To reject: {}", code(Command::Reject { run: run.id, reason: why() })));
    lines.extend(blocking.iter().filter(|check| lifted_by(check).is_none()).take(4).map(|check| {
        md!("To override: {}", code(Command::Override { run: run.id, safeguard: check.name.clone(), reason: why() }))
    }));
    Markup::join(lines, "\n")
}

/// What the environment's rules are, in the run's own knowledge.
pub fn states(run: &Run, environment: Option<&Environment>) -> Vec<Markup> {
    let states = run.rule_states();
    if states.is_empty() {
        return Vec::new();
    }
    vec![md!("{} now", &run.environment).bold(), words::rule_states(&states, environment).cut(700)]
}

fn title(run: &Run, step: &StepId) -> String {
    run.step(step).map_or_else(|| clip(&step.0, 90), |progress| clip(&progress.step.kind.title(), 90))
}
