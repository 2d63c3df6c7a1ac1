//! The thread of a run: which events speak, and what they say.
//!
//! A question for approval, the progress of a step and a trouble with AWS are live: they show how things stand now. Every
//! other message follows from the journal up to its event and nothing later, so it never changes once it is posted, and
//! posting on after a restart is comparing keys.
//! Steps that go well are silent where the gate speaks for them.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::approval::{self, Question};
use super::blocks::Draft;
use super::charts::{self, Charted};
use super::markup::{Markup, clip, md};
use super::signals::{self, Signal};
use super::trouble::Troubles;
use super::{ViewContext, buttons, card, checks, notices, plan, progress, words};
use crate::domain::{
    Change, Check, Command, Environment, Event, Hold, HoldKind, Moment, Outcome, Recorded, RuleState, Run, StepId,
    StepKind, StepProgress, StepStatus, Subject, Verdict,
};
use crate::slack::message::Message;

/// Lines of changes or differences that a message spells out.
const MAX_LINES: usize = 24;

/// One message of a thread.
#[derive(Clone, Debug, PartialEq)]
pub struct ThreadMessage {
    /// Its name within the run: the number of the event that it tells.
    pub key: String,
    /// What it says.
    pub message: Message,
    /// Whether the channel sees it too.
    pub broadcast: bool,
    /// Whether it shows how things stand now: then a longer journal may change it, and it is updated in place.
    pub live: bool,
    /// A chart, of which the message is the form in text.
    pub chart: Option<Box<Charted>>,
}

/// The thread as far as the journal goes. A longer journal adds messages, and changes only those that are live.
pub fn thread(journal: &[Recorded], context: &ViewContext<'_>) -> Vec<ThreadMessage> {
    let Some((first, rest)) = journal.split_first() else { return Vec::new() };
    let Some(run) = Run::from_journal(std::slice::from_ref(first)) else { return Vec::new() };
    let mut teller = Teller {
        run,
        context,
        plans: 0,
        troubles: Troubles::default(),
        questions: Vec::new(),
        progressed: BTreeSet::new(),
    };
    let told: Vec<Told> = rest
        .iter()
        .flat_map(|recorded| {
            let over = teller.run.ended.is_some();
            let told = teller.tell(recorded);
            let trouble = teller.troubles.note(&teller.run, recorded, context);
            let trouble = trouble.map(|trouble| Told::Trouble { key: recorded.seq.to_string(), trouble });
            let chart = (!over).then(|| charts::of(&teller.run, &recorded.event)).flatten();
            told.or(trouble).into_iter().chain(chart.map(|chart| Told::Once(charted(recorded, chart))))
        })
        .collect();
    let Teller { run, questions, troubles, .. } = teller;
    let render = |told| match told {
        Told::Once(message) => Some(message),
        Told::Progress { key, step } => {
            let message = progress::message(&run, &step)?;
            Some(ThreadMessage { key, message, broadcast: false, live: true, chart: None })
        }
        Told::Trouble { key, trouble } => {
            let message = troubles.message(trouble, &run, context)?;
            Some(ThreadMessage { key, message, broadcast: false, live: true, chart: None })
        }
        Told::Live { key, question } => {
            let message = approval::message(questions.get(question)?, &run, context)?;
            Some(ThreadMessage { key, message, broadcast: false, live: true, chart: None })
        }
    };
    told.into_iter().filter_map(render).collect()
}

/// Below what is said of the event.
fn charted(recorded: &Recorded, chart: Charted) -> ThreadMessage {
    let (key, message) = (format!("{}-chart", recorded.seq), chart.text.clone());
    ThreadMessage { key, message, broadcast: false, live: false, chart: Some(Box::new(chart)) }
}

/// What an event is told as.
enum Told {
    Once(ThreadMessage),
    /// A question, rendered when the whole journal is known.
    Live {
        key: String,
        question: usize,
    },
    /// The progress of a step, rendered when the whole journal is known.
    Progress {
        key: String,
        step: StepId,
    },
    /// A trouble with AWS, rendered when the whole journal is known.
    Trouble {
        key: String,
        trouble: usize,
    },
}

/// Walks through a journal and knows no more of the run than had happened at each event.
struct Teller<'a> {
    run: Run,
    context: &'a ViewContext<'a>,
    plans: usize,
    troubles: Troubles,
    questions: Vec<Question>,
    /// The steps whose progress has a message.
    progressed: BTreeSet<StepId>,
}

impl Teller<'_> {
    fn tell(&mut self, recorded: &Recorded) -> Option<Told> {
        let event = &recorded.event;
        let over = self.run.ended.is_some();
        let draft = if let Event::Delivered { moment, to, .. } | Event::Undelivered { moment, to, .. } = event {
            let before = self.run.clone();
            self.run.apply(recorded);
            notices::told(&before, &self.run, *moment, to)?
        } else if over && !matches!(event, Event::Escalated { .. } | Event::Discarded { problem: Some(_), .. }) {
            // A signal that came too late: it changed nothing, and the end was already told.
            self.run.apply(recorded);
            return None;
        } else if signals::is_signal(event) {
            let before = self.run.clone();
            self.run.apply(recorded);
            self.note_overrides();
            Signal { before: &before, after: &self.run, context: self.context }.told(recorded)?
        } else if let Event::Checked { step, checks } = event {
            let before = self.run.step(step).map(|progress| progress.checks.clone()).unwrap_or_default();
            self.run.apply(recorded);
            self.watched(step, &before, checks)?
        } else {
            self.run.apply(recorded);
            if let Event::ApprovalAsked { .. } = event {
                return self.ask(recorded.seq);
            }
            if let Event::Progressed { step, .. } = event {
                // One message a step, however much news there is.
                let is_new = self.progressed.insert(step.clone());
                return is_new.then(|| Told::Progress { key: recorded.seq.to_string(), step: step.clone() });
            }
            self.after(event)?
        };
        let calls = matches!(event, Event::Escalated { .. });
        let bad_end = !over
            && self.run.ended.as_ref().is_some_and(|ended| {
                let rollback = matches!(self.run.command, Command::Rollback { .. });
                ended.outcome == Outcome::Failed || (rollback && ended.outcome != Outcome::Expired)
            });
        let broadcast = calls || bad_end;
        Some(Told::Once(ThreadMessage {
            key: recorded.seq.to_string(),
            message: draft.finish(),
            broadcast,
            live: false,
            chart: None,
        }))
    }

    /// A new question. A rollback or a hard stop asks on its card, where the hurry is.
    fn ask(&mut self, seq: i64) -> Option<Told> {
        if self.run.command.is_emergency() {
            return None;
        }
        let round = self.run.rounds.len().checked_sub(1)?;
        let overridden = self.run.overridden.clone();
        self.questions.push(Question { asked: self.run.clone(), round, overridden });
        Some(Told::Live { key: seq.to_string(), question: self.questions.len() - 1 })
    }

    /// Overrides belong to the question about the plan that stands; a new plan forgets them.
    fn note_overrides(&mut self) {
        let Some((_, digest)) = &self.run.plan else { return };
        let about = |question: &&mut Question| {
            self.run
                .rounds
                .get(question.round)
                .is_some_and(|round| round.subject == Subject::Plan && round.digest == *digest)
        };
        for question in self.questions.iter_mut().filter(about) {
            question.overridden.clone_from(&self.run.overridden);
        }
    }

    /// Everything else, told of the run as the event left it.
    fn after(&mut self, event: &Event) -> Option<Draft> {
        let run = &self.run;
        match event {
            Event::Planned { plan, digest } => {
                self.plans += 1;
                // The question for approval shows the plan itself.
                let shown = plan.approval.is_none();
                shown.then(|| plan::message(run, plan, digest, self.plans > 1, self.environment()))?
            }
            Event::Drifted { differences } => Some(self.drifted(differences)),
            Event::Cleared { .. } if !matches!(run.command, Command::Rollback { .. }) => Some(section(md!(
                "▶️ {}: the world was looked at again, and nothing has moved. {} begins now.",
                Markup::from("As approved").bold(),
                run.id
            ))),
            Event::Held { hold } => Some(self.held(hold)),
            Event::Released { hold } => Some(section(md!(
                "🔓 {} by {}.",
                md!("{} is not {} any more: lifted", &run.environment, hold.word()).bold(),
                Markup::actor(&run.actor)
            ))),
            Event::Waiting { holder } => Some(section(md!(
                "⏸️ {}: {} is queued behind it and starts by itself. {} takes it out of the queue.",
                md!("{} is held by {}", &run.environment, *holder).bold(),
                run.id,
                self.typed(&Command::Cancel { run: run.id }),
            ))),
            Event::Discarded { change_sets, problem: Some(problem) } => Some(section(md!(
                "⚠️ {}: {}. {} It changes nothing of the stack, and is deleted in the CloudFormation console.",
                Markup::from("A change set may be left behind").bold(),
                clip(problem.trim_end_matches('.'), 400),
                clip(&change_sets.join(", "), 300)
            ))),
            Event::Finished { step, status, .. } => self.finished(step, *status),
            Event::Asked { step, question, until } => Some(self.asked(step, question, *until)),
            Event::Undone { step, change } => Some(section(undone(run.step(step), step, change))),
            Event::RulesDisabled { rules, elapsed_ms, verified } => {
                Some(checks::rules_disabled(run, rules, *elapsed_ms, *verified))
            }
            Event::Ended { outcome, .. } => {
                // What a freeze or a lock did was told when it was done.
                let told = matches!(run.command, Command::Hold { .. } | Command::Release { .. });
                if told && *outcome == Outcome::Succeeded { None } else { self.ended() }
            }
            _ => None,
        }
    }

    fn drifted(&self, differences: &[String]) -> Draft {
        let mut draft = section(md!(
            "🔀 {}: nothing was done.",
            md!("{} has moved since {} was approved", &self.run.environment, self.run.id).bold()
        ));
        let more = differences.len().saturating_sub(MAX_LINES);
        let lines = differences.iter().take(MAX_LINES).map(|line| md!("• {}", clip(line, 300)));
        draft.lines(lines.chain((more > 0).then(|| md!("… and {} more", more))));
        draft.section(md!("What was approved does not count any more: a new plan follows, and asks again."));
        draft
    }

    fn held(&self, hold: &Hold) -> Draft {
        let environment = &self.run.environment;
        let (mark, title, who_passes) = match hold.kind {
            HoldKind::Freeze => ("🧊", md!("{} is frozen", environment), md!("Only a rollback passes.")),
            HoldKind::Lock => {
                let by = Markup::actor(&hold.by);
                ("🔒", md!("{} is locked", environment), md!("Only {} acts there, and a rollback.", by))
            }
        };
        let until = hold.until.map_or_else(|| md!("until it is lifted"), |until| md!("until {}", Markup::day(until)));
        let lift = Command::Release { kind: hold.kind, environment: environment.clone() };
        let mut draft = section(md!(
            "{} {} by {}, {}: {}",
            mark,
            title.bold(),
            Markup::actor(&hold.by),
            until,
            clip(&hold.reason, 900)
        ));
        draft.section(md!("{} To lift it: {}", who_passes, self.typed(&lift)));
        draft
    }

    fn asked(&self, step: &StepId, question: &str, until: Timestamp) -> Draft {
        let run = &self.run;
        let mut draft = section(md!(
            "❓ {}, {}\n{}",
            Markup::actor(&run.actor),
            md!("{} asks", run.id).bold(),
            Markup::prose(&clip(question, 1500)),
        ));
        draft.section(md!("The buttons are on the card above; the question stands until {}.", Markup::day(until)));
        let typed = buttons::answers(run, step).into_iter().map(|command| self.typed(&command));
        draft.context(Markup::join(typed, "  "));
        draft
    }

    /// While everything is watched: verdicts that change, and alarms that change their state. Numbers are on the card.
    fn watched(&self, step: &StepId, before: &[Check], now: &[Check]) -> Option<Draft> {
        let run = &self.run;
        let progress = run.step(step)?;
        let told = match progress.step.kind {
            StepKind::WatchAll { .. } | StepKind::Monitor { .. } => true,
            StepKind::Watch { .. } => run.plan.as_ref().is_some_and(|(plan, _)| plan.approval.is_some()),
            StepKind::SetRule { .. }
            | StepKind::Notify { .. }
            | StepKind::Gate { .. }
            | StepKind::Checklist
            | StepKind::Effect { .. }
            | StepKind::Inspect { .. }
            | StepKind::DisableAll { .. } => false,
        };
        let ends = !matches!(progress.step.kind, StepKind::Monitor { .. });
        // What fails ends the watch at once, and is told with its end.
        if !told || (ends && Verdict::of(now) == Verdict::Fail) {
            return None;
        }
        let told = now.iter().filter(|check| ends || checks::is_news(before, check));
        let changes: Vec<Markup> = told.filter_map(|check| checks::changed(before, check)).collect();
        if changes.is_empty() {
            return None;
        }
        let how = if Verdict::of(now) == Verdict::Pass { "all is well now" } else { "something changed" };
        let mut draft = section(md!("👁️ {}", md!("{}: {}", progress.step.kind.title(), how).bold()));
        draft.lines(changes.into_iter().take(MAX_LINES));
        draft.context(self.dashboard());
        Some(draft)
    }

    fn dashboard(&self) -> Markup {
        let url = self.environment().and_then(|environment| environment.dashboard_url.as_deref());
        url.map(|url| Markup::link(url, "dashboard")).unwrap_or_default()
    }

    fn finished(&self, step: &StepId, status: StepStatus) -> Option<Draft> {
        let run = &self.run;
        let progress = run.step(step)?;
        let bad = match status {
            StepStatus::Failed | StepStatus::Unknown => true,
            StepStatus::Pending
            | StepStatus::Running
            | StepStatus::Done
            | StepStatus::Already
            | StepStatus::Inconclusive
            | StepStatus::Undone
            | StepStatus::Skipped => false,
        };
        // An effect that was stopped half way tells so itself.
        if status == StepStatus::Skipped && progress.effected.is_none() {
            let title = md!("“{}” was left out", clip(&progress.step.kind.title(), 90)).bold();
            let summary = Markup::prose(&clip(&progress.summary, 900));
            return Some(section(md!("⏭️ {}: what it would have shown is not known.\n{}", title, summary)));
        }
        match &progress.step.kind {
            StepKind::Gate { .. } => Some(checks::gate(run, progress)),
            StepKind::Watch { .. } | StepKind::WatchAll { .. } if bad => Some(checks::gate(run, progress)),
            StepKind::Monitor { .. } => {
                let lasted =
                    progress.started_at.zip(progress.finished_at).map(|(from, until)| words::between(from, until));
                let title = md!("{} was monitored for {}", &run.environment, lasted.unwrap_or_default()).bold();
                let mut draft = section(md!("{} {}", words::step_mark(status).0, title));
                draft.section(Markup::prose(&clip(&progress.summary, 1500)));
                draft.context(self.dashboard());
                Some(draft)
            }
            StepKind::WatchAll { lasting, .. } => {
                let numbers = words::live_numbers(&progress.checks).map(|numbers| format!(": {numbers}"));
                let mark = words::step_mark(status).0;
                let title = md!("{} was watched for {}", &run.environment, *lasting).bold();
                let mut draft = section(md!("{} {}{}", mark, title, numbers.unwrap_or_default()));
                if status != StepStatus::Done {
                    draft.section(Markup::prose(&clip(&progress.summary, 900)));
                }
                draft.context(self.dashboard());
                Some(draft)
            }
            StepKind::Checklist | StepKind::Inspect { .. } => Some(checks::checklist(run, progress)),
            StepKind::Effect { .. } => Some(progress::finished(progress)),
            StepKind::SetRule { rule, to, .. } if status == StepStatus::Already && to.is_enabled() => {
                let checked = run.steps.iter().any(|other| match &other.step.kind {
                    StepKind::Gate { rule: gated, .. } => gated == rule,
                    _ => false,
                });
                let still = if checked { " It is checked all the same." } else { "" };
                Some(section(md!(
                    "✅ {}: nothing was changed.{}",
                    md!("{} was enabled already", &rule.name).bold(),
                    still
                )))
            }
            // Who could not be told was told when that was known of everybody.
            StepKind::Notify { .. } if notices::is_complete(run, Moment::Before) => None,
            // The rules were told one by one when they were disabled.
            StepKind::DisableAll { .. } if run.disabled.is_some() => None,
            StepKind::SetRule { .. } | StepKind::Notify { .. } | StepKind::DisableAll { .. } if bad => {
                let (mark, word) = words::step_mark(status);
                let title = md!("{}: {}", progress.step.kind.title(), word).bold();
                Some(section(md!("{} {}\n{}", mark, title, Markup::prose(&clip(&progress.summary, 1500)))))
            }
            _ => None,
        }
    }

    fn ended(&self) -> Option<Draft> {
        let run = &self.run;
        let ended = run.ended.as_ref()?;
        let mut draft = section(md!(
            "{}: {}",
            Markup::from(words::outcome(run, ended.outcome)).bold(),
            md!("{} {}", run.id, words::subject(&run.command)),
        ));
        draft.section(Markup::prose(&clip(&ended.summary, 2000)));
        let changed: Vec<Markup> = changes(run);
        let nothing_changed = changed.is_empty();
        if !nothing_changed {
            draft.lines(std::iter::once(md!("{}", md!("What changed").bold())).chain(changed));
        }
        if !ended.rules.is_empty() {
            let states = words::rule_states(&ended.rules, self.environment()).cut(1000);
            draft.lines([md!("{}", md!("{} now", &run.environment).bold()), states]);
        }
        draft.lines(notices::gates(run));
        draft.lines(notices::approved_by(run));
        if !ended.next.is_empty() {
            let title = if nothing_changed { "Next" } else { "To undo or go on" };
            draft.lines([Markup::from(title).bold(), card::next_commands(&ended.next, self.context)]);
        }
        if ended.outcome == Outcome::Failed && run.command.acts() {
            draft.section(self.contacts());
        }
        draft.context(md!(
            "{} · asked by {} · took {}",
            run.id,
            Markup::actor(&run.actor),
            words::between(run.requested_at, ended.at)
        ));
        Some(draft)
    }

    fn contacts(&self) -> Markup {
        let (primary, escalation) = self.context.contacts;
        let named = |role: &'static str, who: &str| match who {
            "" => Markup::default(),
            _ => md!("{}: {}", role, Markup::contact(who)),
        };
        Markup::join([named("☎️ Primary contact", primary), named("Escalation", escalation)], " · ")
    }

    fn environment(&self) -> Option<&Environment> {
        self.context.environments.get(&self.run.environment)
    }

    fn typed(&self, command: &Command) -> Markup {
        Markup::code(&format!("{} {}", self.context.command_word, command.text()))
    }
}

fn section(text: Markup) -> Draft {
    let mut draft = Draft::new();
    draft.section(text);
    draft
}

fn undone(progress: Option<&StepProgress>, step: &StepId, change: &Change) -> Markup {
    let what = progress
        .and_then(|progress| progress.step.kind.rule())
        .map_or_else(|| step.to_string(), |rule| rule.name.clone());
    md!("↩️ {}: {}", md!("{} is {} again", what, change.to.word()).bold(), words::change(change))
}

/// What this run did to the rules, undone things included.
pub fn changes(run: &Run) -> Vec<Markup> {
    let set = run.steps.iter().filter_map(|progress| {
        let (_, change) = progress.applied.as_ref().filter(|(_, change)| change.changed)?;
        let rule = progress.step.kind.rule()?;
        let back = if progress.status == StepStatus::Undone { ", undone again" } else { "" };
        Some(md!("• {}: {} → {}{}", &rule.name, change.from.word(), change.to.word(), back))
    });
    let off = run.disabled.iter().flatten().filter(|outcome| outcome.before != outcome.after).map(|outcome| {
        let word = |state: Option<RuleState>| state.map_or("unknown", |state| state.word());
        md!("• {}: {} → {}", &outcome.rule.name, word(outcome.before), word(outcome.after))
    });
    let effects = run.steps.iter().filter_map(|progress| {
        let (_, receipt) = progress.effected.as_ref().filter(|(_, receipt)| receipt.changed)?;
        Some(md!("• {}", clip(&receipt.said, 300)))
    });
    let mut all: Vec<Markup> = set.chain(effects).chain(off).collect();
    let more = all.len().saturating_sub(MAX_LINES);
    all.truncate(MAX_LINES);
    all.extend((more > 0).then(|| md!("… and {} more", more)));
    all
}
