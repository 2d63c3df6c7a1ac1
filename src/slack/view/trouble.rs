//! Trouble with AWS that lasts: for each a message that is kept up to date, so that who reads along knows that AWS is asked
//! again, since when, for how long still, and how it passed. However often it is asked again, the message is one.

use jiff::{SignedDuration, Timestamp};

use super::blocks::Draft;
use super::markup::{Markup, clip, md};
use super::{ViewContext, words};
use crate::domain::{Check, Command, Event, Recorded, Run, StepId, StepKind, StepProgress, StepStatus, Verdict};
use crate::slack::message::Message;

/// Trouble is told when it lasts: from this on between its beginning and the next try. The card tells it at once.
const LASTING: SignedDuration = SignedDuration::from_secs(30);
/// The longest problem.
const MAX_PROBLEM: usize = 1000;

/// The troubles of a run, in their order, each with its message.
#[derive(Default)]
pub struct Troubles(Vec<Trouble>);

/// A trouble as far as the journal goes.
struct Trouble {
    kind: Kind,
    step: Option<StepId>,
    since: Timestamp,
    problem: String,
    retry_at: Option<Timestamp>,
    gives_up_at: Option<Timestamp>,
    over: Option<(Timestamp, Way)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A call fails and is sent again.
    Call,
    /// A gate waits for an answer to judge by.
    Gate,
}

/// How a trouble ended.
enum Way {
    /// AWS answers again.
    Passed,
    /// It lasted for too long, or turned into something that does not pass.
    GivenUp,
    /// The run was stopped before.
    Stopped,
}

impl Troubles {
    /// Takes one more event, and the run as it left it. The number of a trouble that is to be told from this event on.
    pub fn note(&mut self, run: &Run, recorded: &Recorded, context: &ViewContext<'_>) -> Option<usize> {
        let now = match &run.trouble {
            // What is left then is to tell others that it has ended.
            _ if run.ended.is_some() => None,
            Some(trouble) => Some(Trouble {
                kind: Kind::Call,
                step: trouble.step.clone(),
                since: trouble.since,
                problem: trouble.problem.clone(),
                retry_at: Some(trouble.retry_at),
                gives_up_at: trouble.gives_up_at,
                over: None,
            }),
            None => gate(run, recorded.at, context),
        };
        let before = self.0.last_mut().filter(|trouble| trouble.over.is_none());
        match (before, now) {
            (Some(before), Some(now)) if before.is_same(&now) => {
                *before = Trouble { since: before.since, ..now };
                None
            }
            (before, now) => {
                if let Some(before) = before {
                    before.over = Some((recorded.at, way(run, &recorded.event)));
                }
                let lasts = |trouble: &Trouble| match trouble.kind {
                    Kind::Call => trouble.retry_at.is_some_and(|at| words::between(trouble.since, at) >= LASTING),
                    Kind::Gate => matches!(recorded.event, Event::Checked { .. }),
                };
                self.0.push(now.filter(lasts)?);
                Some(self.0.len() - 1)
            }
        }
    }

    /// What is said of a trouble, as far as is known of it.
    pub fn message(&self, number: usize, run: &Run, context: &ViewContext<'_>) -> Option<Message> {
        let trouble = self.0.get(number)?;
        let title = trouble.step.as_ref().and_then(|step| run.step(step)).map(|progress| progress.step.kind.title());
        let place = title.map(|title| md!(", in “{}”", clip(&title, 90))).unwrap_or_default();
        let problem = Markup::prose(&clip(&trouble.problem, MAX_PROBLEM));
        let since = Markup::time(trouble.since);
        let mut draft = Draft::new();
        match &trouble.over {
            None => {
                let title = match trouble.kind {
                    Kind::Call => "AWS gives trouble",
                    Kind::Gate => "AWS does not tell what the gate asks",
                };
                draft.section(md!("⚠️ {} since {}{}: {}", Markup::from(title).bold(), since, place, problem));
                draft.section(trouble.ahead(run, context));
            }
            Some((at, way)) => {
                let (mark, end) = match way {
                    Way::Passed => ("✅", "it answers again, and the run went on"),
                    Way::GivenUp => ("❌", "then it was given up"),
                    Way::Stopped => ("⏹️", "then the run was stopped"),
                };
                let title = Markup::from("AWS gave trouble").bold();
                draft.section(md!("{} {} from {} to {}{}; {}.", mark, title, since, Markup::time(*at), place, end));
                draft.section(md!("The last of it: {}", problem));
            }
        }
        Some(draft.finish())
    }
}

impl Trouble {
    fn is_same(&self, other: &Self) -> bool {
        match (self.kind, other.kind) {
            (Kind::Call, Kind::Call) => self.since == other.since,
            (Kind::Gate, Kind::Gate) => self.step == other.step,
            (Kind::Call, Kind::Gate) | (Kind::Gate, Kind::Call) => false,
        }
    }

    /// What is done about it by itself, until when, and what comes then.
    fn ahead(&self, run: &Run, context: &ViewContext<'_>) -> Markup {
        let next = self.retry_at.map(|at| md!(", next at {}", Markup::time(at))).unwrap_or_default();
        let until = self.gives_up_at.map(|until| md!(", until {}", Markup::time(until))).unwrap_or_default();
        let then = match (&self.step, self.kind) {
            (_, Kind::Gate) => "the gate ends without a verdict",
            (Some(_), Kind::Call) if run.undoing.is_some() => {
                "the undo is given up, and the end of the run says what is still on"
            }
            (Some(_), Kind::Call) => "the step fails, and nothing more is begun",
            (None, Kind::Call) if run.plan.is_some() => "whom it is about counts as not told",
            (None, Kind::Call) => "the run ends, with nothing changed",
        };
        let then = self.gives_up_at.map(|_| md!(" If it lasts longer, {}.", then)).unwrap_or_default();
        let cancel = Markup::code(&format!("{} {}", context.command_word, Command::Cancel { run: run.id }.text()));
        md!(
            "AWS is asked again by itself{}{}; meanwhile nothing else is done, and what was done stays.{} {} ends the run \
             earlier.",
            next,
            until,
            then,
            cancel
        )
    }
}

/// The gate that should have been decided and could not be asked, if the run is at one.
fn gate(run: &Run, now: Timestamp, context: &ViewContext<'_>) -> Option<Trouble> {
    let progress = run.current().filter(|progress| progress.status == StepStatus::Running)?;
    let StepKind::Gate { settle, .. } = progress.step.kind else { return None };
    if Verdict::of(&progress.checks) != Verdict::Unknown {
        return None;
    }
    let began = progress.waiting_on_since.or(progress.started_at)?;
    let decide_at = began.saturating_add(settle).ok()?;
    let grace = context.environments.get(&run.environment)?.waits.unknown_grace;
    let gives_up_at = decide_at.saturating_add(grace).ok()?;
    let is_late = now >= decide_at && now < gives_up_at;
    is_late.then(|| Trouble {
        kind: Kind::Gate,
        step: Some(progress.step.id.clone()),
        since: decide_at,
        problem: unknown(progress),
        retry_at: None,
        gives_up_at: Some(gives_up_at),
        over: None,
    })
}

/// What could not be asked, and why: each reason once.
fn unknown(progress: &StepProgress) -> String {
    let mut told: Vec<(Vec<&str>, &str)> = Vec::new();
    for Check { title, reason, .. } in progress.checks.iter().filter(|check| check.verdict == Verdict::Unknown) {
        match told.iter_mut().find(|(_, other)| other == reason) {
            Some((titles, _)) => titles.push(title),
            None => told.push((vec![title], reason)),
        }
    }
    told.into_iter().map(|(titles, reason)| format!("{}: {reason}", titles.join(", "))).collect::<Vec<_>>().join(" ")
}

/// How the trouble ended that the event ended.
fn way(run: &Run, event: &Event) -> Way {
    let stopped = run.cancel.is_some() || run.preempted.is_some();
    match event {
        Event::Ended { .. } if stopped => Way::Stopped,
        Event::Finished { status: StepStatus::Failed | StepStatus::Unknown, .. }
        | Event::Undelivered { .. }
        | Event::Ended { .. } => Way::GivenUp,
        _ => Way::Passed,
    }
}
