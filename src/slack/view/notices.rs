//! What stakeholders read in Slack before and after, and what the thread says of whom was told.

use super::blocks::{Button, Draft, Style};
use super::markup::{Markup, clip, md};
use super::{ViewContext, action, approval, card, plan, thread, words};
use crate::domain::{
    Command, Delivery, Destination, Event, Moment, Plan, Recorded, Run, StepId, StepKind, StepProgress, StepStatus,
    Subject,
};
use crate::slack::message::Message;

/// The longest reason of a person.
const MAX_REASON: usize = 500;

/// What one Slack destination is told.
#[derive(Clone, Debug, PartialEq)]
pub struct NoticeMessage {
    /// Before or after.
    pub moment: Moment,
    /// The id of the channel or the person.
    pub to: String,
    /// What it says. Of a journal that grows it stays the same.
    pub message: Message,
}

/// The notices that are due, those that were delivered already included, so that a longer journal only adds some.
pub fn notices(journal: &[Recorded], context: &ViewContext<'_>) -> Vec<NoticeMessage> {
    let Some((first, rest)) = journal.split_first() else { return Vec::new() };
    let Some(mut run) = Run::from_journal(std::slice::from_ref(first)) else { return Vec::new() };
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for recorded in rest {
        let over = run.ended.is_some();
        run.apply(recorded);
        match &recorded.event {
            Event::Started { step } if before.is_empty() && is_notify(&run, step) => {
                before = each(&run, Moment::Before, || before_message(&run, context));
            }
            Event::Ended { .. } if !over && (!before.is_empty() || told_topic(&run) || run.disabled.is_some()) => {
                after = each(&run, Moment::After, || after_message(&run, context));
            }
            _ => {}
        }
    }
    before.into_iter().chain(after).collect()
}

fn is_notify(run: &Run, step: &StepId) -> bool {
    run.step(step).is_some_and(|progress| matches!(progress.step.kind, StepKind::Notify { .. }))
}

/// Whether the step that tells has begun, although Slack had nobody to tell.
fn told_topic(run: &Run) -> bool {
    let begun = |progress: &StepProgress| progress.started_at.is_some();
    run.steps.iter().any(|progress| matches!(progress.step.kind, StepKind::Notify { .. }) && begun(progress))
}

fn each(run: &Run, moment: Moment, message: impl FnOnce() -> Message) -> Vec<NoticeMessage> {
    let destinations = run.plan.iter().flat_map(|(plan, _)| &plan.notify);
    let to: Vec<&String> = destinations
        .filter_map(|destination| match destination {
            Destination::Slack(id) => Some(id),
            Destination::Topic(_) => None,
        })
        .collect();
    if to.is_empty() {
        return Vec::new();
    }
    let message = message();
    to.into_iter().map(|to| NoticeMessage { moment, to: to.clone(), message: message.clone() }).collect()
}

fn before_message(run: &Run, context: &ViewContext<'_>) -> Message {
    let mut draft = Draft::new();
    let subject = clip(&words::subject(&run.command), 150);
    draft.section(md!("📣 {} · asked by {}", md!("{} begins: {}", run.id, subject).bold(), Markup::actor(&run.actor)));
    draft.lines(why(run));
    draft.lines(approved_by(run));
    if let Some((planned, _)) = &run.plan {
        let ends = run.last_at.checked_add(planned.expected()).unwrap_or(jiff::Timestamp::MAX);
        draft.section(md!("Begins {}, ends about {}.", Markup::day(run.last_at), Markup::day(ends)));
        let show = Markup::code(&clip(&format!("{} show {}", context.command_word, run.id), 100));
        // What this message itself does need not be said.
        let steps =
            planned.steps.iter().filter(|step| !matches!(step.kind, StepKind::Notify { .. })).cloned().collect();
        plan::steps(&mut draft, &Plan { steps, ..planned.clone() }, &show);
        draft.lines(plan::world(planned, None, None));
    }
    let object = Button {
        label: "Object…".to_owned(),
        action: action::OBJECT,
        value: run.id.to_string(),
        style: Style::Danger,
        confirm: None,
    };
    let typed = Command::Object { run: run.id, reason: "reason".to_owned() }.text();
    draft.section(md!("Something against it? *Object* pauses the run at once."));
    draft.buttons(vec![object], md!("To object: {}", Markup::code(&format!("{} {typed}", context.command_word))));
    draft.finish()
}

fn after_message(run: &Run, context: &ViewContext<'_>) -> Message {
    let mut draft = Draft::new();
    let Some(ended) = &run.ended else { return draft.finish() };
    draft.section(md!(
        "{}: {}",
        Markup::from(words::outcome(run, ended.outcome)).bold(),
        md!("{} {}", run.id, clip(&words::subject(&run.command), 150)),
    ));
    draft.section(Markup::prose(&clip(&ended.summary, 900)));
    let changed = thread::changes(run);
    if changed.is_empty() {
        draft.section(md!("Nothing was changed."));
    } else {
        draft.lines(std::iter::once(md!("*What changed*")).chain(changed).map(|line| line.cut(200)));
    }
    if !ended.rules.is_empty() {
        let environment = context.environments.get(&run.environment);
        draft.lines([md!("{} now", &run.environment).bold(), words::rule_states(&ended.rules, environment).cut(700)]);
    }
    draft.lines(gates(run));
    draft.lines(why(run));
    draft.lines(approved_by(run));
    if !ended.next.is_empty() {
        draft.lines([md!("*Next*"), card::next_commands(&ended.next, context)]);
    }
    draft.context(md!(
        "{} · asked by {} · took {}",
        run.id,
        Markup::actor(&run.actor),
        words::between(run.requested_at, ended.at)
    ));
    draft.finish()
}

fn why(run: &Run) -> Vec<Markup> {
    match &run.command {
        Command::Promote { reason: Some(reason), .. } => vec![md!("Why: {}", clip(reason, MAX_REASON))],
        _ => Vec::new(),
    }
}

/// How the gates and watches came out: how many passed, and the others by name.
pub fn gates(run: &Run) -> Option<Markup> {
    run.plan.as_ref().filter(|(plan, _)| plan.approval.is_some())?;
    let judged: Vec<&StepProgress> = run
        .steps
        .iter()
        .filter(|progress| match progress.step.kind {
            StepKind::Gate { .. } | StepKind::WatchAll { .. } => progress.status.is_over(),
            // The gate speaks for a watch that went well.
            StepKind::Watch { .. } => progress.status.is_over() && progress.status != StepStatus::Done,
            StepKind::SetRule { .. }
            | StepKind::Notify { .. }
            | StepKind::Checklist
            | StepKind::Effect { .. }
            | StepKind::Inspect { .. }
            | StepKind::Monitor { .. }
            | StepKind::DisableAll { .. } => false,
        })
        .collect();
    let passes = |progress: &&&StepProgress| matches!(progress.status, StepStatus::Done | StepStatus::Already);
    let passed = judged.iter().filter(passes).count();
    let others = judged.iter().filter(|progress| !passes(progress)).take(12).map(|progress| {
        let (mark, word) = words::step_mark(progress.status);
        md!("{} {}: {}", mark, clip(&progress.step.kind.title(), 90), word)
    });
    let all = md!("Checks: {} of {} gates and watches passed", passed, judged.len());
    (!judged.is_empty()).then(|| Markup::join(std::iter::once(all.clone()).chain(others), "\n"))
}

/// Who approved the plan, and who overrode what.
pub fn approved_by(run: &Run) -> Vec<Markup> {
    let word = if run.command.is_emergency() { "Clicked" } else { "Approved" };
    let round = run.round(&Subject::Plan).filter(|round| !round.approvals.is_empty());
    let approvals = round.into_iter().flat_map(|round| &round.approvals);
    let mut lines: Vec<Markup> = approvals.take(8).map(|given| md!("{} by {}", word, approval::by(given))).collect();
    lines.extend(run.overridden.iter().take(8).map(|(safeguard, (at, by, reason))| {
        md!(
            "⚠️ {} by {} {}: {}",
            md!("Overridden: {}", clip(safeguard, 60)).bold(),
            Markup::actor(by),
            Markup::day(*at),
            clip(reason, 300)
        )
    }));
    lines
}

/// What came of telling the plan's destinations.
fn results(run: &Run, moment: Moment) -> impl Iterator<Item = &Delivery> {
    let destinations = run.plan.iter().flat_map(|(plan, _)| &plan.notify);
    destinations
        .filter_map(move |to| run.deliveries.iter().find(|delivery| delivery.moment == moment && delivery.to == *to))
}

/// Whether everybody has a receipt, or a reason for having none.
pub fn is_complete(run: &Run, moment: Moment) -> bool {
    let all = run.plan.as_ref().map_or(0, |(plan, _)| plan.notify.len());
    all > 0 && results(run, moment).count() == all
}

/// What the thread says once everybody has a receipt, or a reason for having none.
pub fn told(before: &Run, run: &Run, moment: Moment, to: &Destination) -> Option<Draft> {
    let of = |run: &Run, to: &Destination| {
        run.deliveries.iter().find(|delivery| delivery.moment == moment && delivery.to == *to).cloned()
    };
    if !is_complete(run, moment) || of(before, to) == of(run, to) {
        return None;
    }
    let all: Vec<&Delivery> = results(run, moment).collect();
    let (good, bad): (Vec<&Delivery>, Vec<&Delivery>) = all.iter().partition(|delivery| delivery.receipt.is_ok());
    let when = match moment {
        Moment::Before => "before it begins",
        Moment::After => "of the end",
    };
    let mut draft = Draft::new();
    if bad.is_empty() {
        draft.section(md!("📨 {} {}", Markup::from("Stakeholders were told").bold(), when));
    } else {
        let title = md!("{} of {} stakeholders could not be told {}", bad.len(), all.len(), when).bold();
        draft.section(md!("❌ {}", title));
        draft.lines(bad.iter().take(12).map(|delivery| {
            let problem = delivery.receipt.as_ref().err().map_or("", String::as_str);
            md!("❌ {}: {}", Markup::destination(&delivery.to), clip(problem, 300))
        }));
        draft.section(match moment {
            Moment::Before => md!("Nothing is done before everybody is told."),
            Moment::After => md!("Please tell them yourself."),
        });
    }
    draft.context(Markup::join(
        good.iter().take(12).map(|delivery| {
            let receipt = delivery.receipt.as_ref().ok().map_or("", String::as_str);
            md!("✅ {}: {}", Markup::destination(&delivery.to), clip(receipt, 90))
        }),
        "\n",
    ));
    Some(draft)
}
