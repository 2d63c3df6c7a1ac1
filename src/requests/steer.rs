//! What people say to a run beside approvals: which events that is, or why it makes no sense now. Pure; asked within
//! [`Store::decide`](crate::store::Store::decide), over the run as it is at that moment.

use jiff::{SignedDuration, Timestamp};

use crate::command::escape;
use crate::domain::{
    Actor, Answer, Command, Event, Outcome, Phase, Principal, Run, StepId, StepKind, StepProgress, StepStatus,
};

/// How long one person waits before they call the escalation contact to the same run again.
const ESCALATE_AGAIN: SignedDuration = SignedDuration::from_mins(1);

/// Somebody who steers a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steering<'a> {
    /// Who.
    pub(super) actor: &'a Actor,
    /// The step that the button was about.
    pub(super) step: Option<&'a StepId>,
    /// The escalation contact, if one is configured.
    pub(super) escalation: Option<&'a str>,
    /// The time.
    pub(super) now: Timestamp,
}

/// Why it is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pointless {
    /// The run has gone on since the button was shown.
    OutOfDate,
    /// In words, as Slack's mrkdwn.
    Because(String),
}

type Events = Result<Vec<Event>, Pointless>;

impl Steering<'_> {
    /// What a command says to a run that is live.
    pub(super) fn say(&self, run: &Run, command: &Command) -> Events {
        match command {
            Command::Pause { .. } => self.pause(run),
            Command::Object { reason, .. } => self.object(run, reason),
            Command::Resume { .. } => self.resume(run),
            Command::Retry { .. } => self.retry(run),
            Command::Answer { answer, .. } => self.answer(run, *answer),
            Command::Skip { reason, .. } => self.skip(run, reason),
            Command::Cancel { .. } => self.cancel(run),
            Command::Escalate { reason, .. } => self.escalate(run, reason.as_deref()),
            // The others say nothing to a run.
            _ => Ok(Vec::new()),
        }
    }

    /// Nothing new is to begin.
    fn pause(&self, run: &Run) -> Events {
        self.may_pause(run)?;
        if let Some(pause) = &run.paused {
            return Err(because(format!("{} is paused already, by {}.", run.id, who(&pause.actor))));
        }
        Ok(vec![Event::Paused { actor: self.actor.clone(), reason: None, objection: false }])
    }

    /// An objection pauses, and weighs more than a pause.
    fn object(&self, run: &Run, reason: &str) -> Events {
        self.may_pause(run)?;
        if let Some(pause) = run.paused.as_ref().filter(|pause| pause.objection) {
            let text = format!(
                "{} is paused already by an objection, of {}. Say yours in its thread.",
                run.id,
                who(&pause.actor)
            );
            return Err(because(text));
        }
        Ok(vec![Event::Paused { actor: self.actor.clone(), reason: Some(reason.to_owned()), objection: true }])
    }

    fn may_pause(&self, run: &Run) -> Result<(), Pointless> {
        is_live(run)?;
        if let Command::Rollback { .. } = run.command {
            return Err(because(format!("{} is a rollback, and that is not paused half way.", run.id)));
        }
        if !run.command.acts() {
            return Err(because(format!("{} only looks: there is nothing that could be paused.", run.id)));
        }
        if run.cancel.is_some() || run.preempted.is_some() || run.undoing.is_some() {
            return Err(because(format!("{} is stopping already and begins nothing new.", run.id)));
        }
        Ok(())
    }

    /// The run goes on. After an objection that takes somebody other than who asked for the run.
    fn resume(&self, run: &Run) -> Events {
        is_live(run)?;
        let Some(pause) = &run.paused else {
            return Err(because(format!("{} is not paused: it is {}.", run.id, doing(run))));
        };
        if pause.objection && is_same(self.actor, &run.actor) {
            let text = format!(
                "{} objected to {}, and you asked for it: somebody else has to let it go on. To stop it, cancel it.",
                who(&pause.actor),
                run.id
            );
            return Err(because(text));
        }
        Ok(vec![Event::Resumed { actor: self.actor.clone() }])
    }

    /// The failed step that asks is done again. What has ended is begun anew elsewhere.
    fn retry(&self, run: &Run) -> Events {
        is_live(run)?;
        if let Some(asking) = asking(run).filter(|asking| has_failed(asking)) {
            self.is_about(&asking.step.id)?;
            return Ok(vec![self.answered(asking, Answer::Retry)]);
        }
        Err(match &run.trouble {
            Some(trouble) => because(format!(
                "{} tries again by itself, next at {} UTC: {}. Nothing needs to be done.",
                run.id,
                trouble.retry_at.strftime("%H:%M:%S"),
                escape(&trouble.problem),
            )),
            None => because(format!("There is nothing to try again in {}: it is {}.", run.id, doing(run))),
        })
    }

    /// An answer to the question that stands open.
    fn answer(&self, run: &Run, answer: Answer) -> Events {
        let asking = asking(run).filter(|_| run.ended.is_none()).ok_or(Pointless::OutOfDate)?;
        self.is_about(&asking.step.id)?;
        let fits = match answer {
            Answer::Undo => true,
            Answer::Retry => has_failed(asking),
            Answer::WaitOn | Answer::Continue => !has_failed(asking),
        };
        if !fits {
            let text = match has_failed(asking) {
                true => format!(
                    "“{}” has failed: it can be tried again or left out, or the run undone or cancelled.",
                    escape(&asking.step.kind.title())
                ),
                false => format!("“{}” has not failed: wait on, continue, or undo.", escape(&asking.step.kind.title())),
            };
            return Err(because(text));
        }
        let needs_approval = run.plan.as_ref().is_some_and(|(plan, _)| plan.approval.is_some());
        if answer == Answer::Continue && needs_approval {
            // To go on unproven is to leave the gate out, which takes the approval of others.
            let (step, actor) = (asking.step.id.clone(), self.actor.clone());
            return Ok(vec![Event::SkipRequested {
                step,
                actor,
                reason: "go on although it is not proven".to_owned(),
            }]);
        }
        Ok(vec![self.answered(asking, answer)])
    }

    /// A step is to be left out: the watch or gate under way, or the failed step that asks.
    fn skip(&self, run: &Run, reason: &str) -> Events {
        is_live(run)?;
        if run.cancel.is_some() || run.preempted.is_some() || run.undoing.is_some() {
            return Err(because(format!("{} is stopping already: there is nothing left to leave out.", run.id)));
        }
        if let Some(skip) = &run.skip {
            return Err(because(format!("{} asked for that already; it waits for approval.", who(&skip.actor))));
        }
        let Some(step) = skippable(run) else {
            let text = format!(
                "Nothing is under way in {} that could be left out: only waits, watches and gates, and what has failed.",
                run.id
            );
            return Err(because(text));
        };
        self.is_about(&step.step.id)?;
        Ok(vec![Event::SkipRequested {
            step: step.step.id.clone(),
            actor: self.actor.clone(),
            reason: reason.to_owned(),
        }])
    }

    /// The run is to stop at its next safe point.
    fn cancel(&self, run: &Run) -> Events {
        if run.ended.is_some() {
            return Err(Pointless::OutOfDate);
        }
        let begun = run.steps.iter().any(|progress| progress.status != StepStatus::Pending);
        let waits_for_click = run.open_round().is_some() && !begun;
        if matches!(run.command, Command::Rollback { .. }) && !waits_for_click {
            let text = format!("{} is a rollback: it is over in a moment and is not stopped half way.", run.id);
            return Err(because(text));
        }
        // A second one changes nothing, and is no mistake.
        Ok(match run.cancel {
            Some(_) => Vec::new(),
            None => vec![Event::CancelRequested { actor: self.actor.clone() }],
        })
    }

    /// The escalation contact is called.
    fn escalate(&self, run: &Run, reason: Option<&str>) -> Events {
        let Some(contact) = self.escalation else {
            return Err(because("Nobody is configured to be called: `contacts.escalation` is not set.".to_owned()));
        };
        if run.ended.is_some() {
            return Err(because(format!("{} is over. Turn to {} directly.", run.id, call(contact))));
        }
        let again = |(at, by): &(Timestamp, Actor)| {
            is_same(by, self.actor) && self.now.duration_since(*at).abs() < ESCALATE_AGAIN
        };
        if run.escalations.iter().any(again) {
            return Err(because(format!("You called {} to {} less than a minute ago.", call(contact), run.id)));
        }
        let reason = reason.unwrap_or("asked for help with this run");
        Ok(vec![Event::Escalated { actor: self.actor.clone(), contact: contact.to_owned(), reason: reason.to_owned() }])
    }

    fn answered(&self, asking: &StepProgress, answer: Answer) -> Event {
        Event::Answered { step: asking.step.id.clone(), answer, actor: self.actor.clone() }
    }

    /// Whether the button, if it named a step, named this one.
    fn is_about(&self, step: &StepId) -> Result<(), Pointless> {
        match self.step {
            Some(named) if named != step => Err(Pointless::OutOfDate),
            Some(_) | None => Ok(()),
        }
    }
}

/// Whether an ended run is begun anew by a retry, and why not.
pub(super) fn may_begin_anew(run: &Run) -> Result<(), Pointless> {
    let Some(ended) = &run.ended else { return Err(Pointless::OutOfDate) };
    match ended.outcome {
        Outcome::Failed | Outcome::Cancelled | Outcome::Expired | Outcome::Unproven | Outcome::Refused => Ok(()),
        Outcome::Succeeded => Err(because(format!("{} has succeeded: there is nothing to try again.", run.id))),
        Outcome::Preempted => Err(because(format!(
            "{} was stopped by a rollback, so it is not simply begun anew. When the incident is over, ask for it: `{}`",
            run.id,
            escape(&run.command.text())
        ))),
    }
}

/// The step that a skip would leave out.
fn skippable(run: &Run) -> Option<&StepProgress> {
    let waits = |progress: &&StepProgress| {
        progress.status == StepStatus::Running
            && match progress.step.kind {
                StepKind::Watch { .. } | StepKind::WatchAll { .. } | StepKind::Gate { .. } => true,
                StepKind::SetRule { .. }
                | StepKind::Effect { .. }
                | StepKind::Inspect { .. }
                | StepKind::Monitor { .. }
                | StepKind::Notify { .. }
                | StepKind::Checklist
                | StepKind::DisableAll { .. } => false,
            }
    };
    asking(run).filter(|asking| has_failed(asking)).or_else(|| run.current().filter(waits))
}

fn asking(run: &Run) -> Option<&StepProgress> {
    run.steps.iter().find(|progress| progress.question.is_some())
}

fn has_failed(progress: &StepProgress) -> bool {
    matches!(progress.status, StepStatus::Failed | StepStatus::Unknown)
}

fn is_live(run: &Run) -> Result<(), Pointless> {
    if run.ended.is_some() { Err(Pointless::OutOfDate) } else { Ok(()) }
}

/// Whether two are the same person: the workspace through which a click came does not make another person of them.
fn is_same(one: &Actor, other: &Actor) -> bool {
    match (one, other) {
        (Actor::Slack { user, .. }, Actor::Slack { user: other, .. }) => user == other,
        (Actor::Slack { .. } | Actor::Terminal { .. } | Actor::Alch, _) => one == other,
    }
}

fn because(text: String) -> Pointless {
    Pointless::Because(text)
}

fn who(actor: &Actor) -> String {
    match actor {
        Actor::Slack { .. } | Actor::Alch => actor.to_string(),
        Actor::Terminal { .. } => escape(&actor.to_string()),
    }
}

/// The contact as configured: a mention of a person or a user group, or words.
fn call(contact: &str) -> String {
    let principal = Principal(contact.to_owned());
    let is_id = contact.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    if is_id && (principal.user().is_some() || principal.group().is_some()) {
        principal.to_string()
    } else {
        escape(contact)
    }
}

fn doing(run: &Run) -> &'static str {
    match run.phase() {
        Phase::Planning => "looking and planning",
        Phase::Approving => "waiting for approval",
        Phase::Scheduled => "scheduled",
        Phase::Waiting => "queued",
        Phase::Running => "running",
        Phase::Paused => "paused",
        Phase::Asking => "waiting for an answer",
        Phase::Undoing => "undoing what it did",
        Phase::Ended(_) => "over",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        Facts, OnGateFailure, OnInconclusive, Origin, PLAN_VERSION, Plan, PlannedApproval, Recorded, Rule, RunId,
        SlackPlace, Step, Subject,
    };

    fn person(user: &str) -> Actor {
        Actor::Slack { user: user.to_owned(), team: "T1".to_owned() }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn id(step: &str) -> StepId {
        StepId(step.to_owned())
    }

    /// A run of Alice's with a watch and a gate, and these events after its plan.
    fn run_of(command: Command, events: Vec<Event>) -> Run {
        let rule = Rule { name: "a".to_owned(), rule: "rule-a".to_owned() };
        let minute = SignedDuration::from_mins(1);
        let step = |name: &str, kind| Step { id: id(name), kind, undo: None, needs_person: false };
        let (watched, gated) = (rule.clone(), rule);
        let steps = vec![
            step("watch:a", StepKind::Watch { rule: watched, lasting: minute, poll: minute, also: Vec::new() }),
            step("gate:a", StepKind::Gate { rule: gated, settle: minute, on_inconclusive: OnInconclusive::Ask }),
        ];
        let plan = Plan {
            version: PLAN_VERSION,
            command: command.clone(),
            environment: "prod".to_owned(),
            steps,
            on_gate_failure: OnGateFailure::Hold,
            approval: Some(PlannedApproval { needed: 1, expires: minute }),
            world: None,
            notify: Vec::new(),
        };
        let digest = plan.digest();
        let requested = Event::Requested {
            command,
            text: String::new(),
            actor: person("UALICE"),
            environment: "prod".to_owned(),
            origin: Origin::Slack(SlackPlace { channel: "C1".to_owned(), thread_ts: None }),
            queue: false,
            notes: Vec::new(),
        };
        let before = [requested, Event::Observed { facts: Facts::default() }, Event::Planned { plan, digest }];
        let journal: Vec<Recorded> = before
            .into_iter()
            .chain(events)
            .zip(1..)
            .map(|(event, seq)| Recorded { run: RunId(5), seq, at: at(seq), event, hash: String::new() })
            .collect();
        Run::from_journal(&journal).unwrap()
    }

    fn run(events: Vec<Event>) -> Run {
        run_of(Command::Restore { environment: "prod".to_owned() }, events)
    }

    fn running(step: &str) -> Event {
        Event::Started { step: id(step) }
    }

    fn finished(step: &str, status: StepStatus) -> Event {
        Event::Finished { step: id(step), status, summary: String::new() }
    }

    fn asked(step: &str) -> Event {
        Event::Asked { step: id(step), question: "?".to_owned(), until: at(500) }
    }

    fn ended(outcome: Outcome) -> Event {
        Event::Ended { outcome, summary: String::new(), rules: Default::default(), next: Vec::new() }
    }

    fn paused(by: &str, objection: bool) -> Event {
        Event::Paused { actor: person(by), reason: None, objection }
    }

    fn says(user: &str, run: &Run, command: Command) -> Events {
        says_about(user, None, run, command)
    }

    fn says_about(user: &str, step: Option<&str>, run: &Run, command: Command) -> Events {
        let (actor, step) = (person(user), step.map(id));
        Steering { actor: &actor, step: step.as_ref(), escalation: Some("SONCALL"), now: at(100) }.say(run, &command)
    }

    fn kinds(events: Events) -> Vec<&'static str> {
        events.map(|events| events.iter().map(Event::kind).collect()).unwrap_or_default()
    }

    fn refused(events: Events) -> String {
        match events {
            Err(Pointless::Because(why)) => why,
            Err(Pointless::OutOfDate) => "out of date".to_owned(),
            Ok(events) => panic!("it is done: {events:?}"),
        }
    }

    const R5: RunId = RunId(5);

    fn commands() -> [Command; 8] {
        let reason = || "because".to_owned();
        [
            Command::Pause { run: R5 },
            Command::Object { run: R5, reason: reason() },
            Command::Resume { run: R5 },
            Command::Retry { run: R5 },
            Command::Skip { run: R5, reason: reason() },
            Command::Cancel { run: R5 },
            Command::Escalate { run: R5, reason: None },
            Command::Answer { run: R5, answer: Answer::Undo },
        ]
    }

    #[test]
    fn nothing_is_said_to_a_run_that_is_over() {
        let over = run(vec![running("watch:a"), ended(Outcome::Failed)]);
        for command in commands() {
            assert!(says("UBOB", &over, command.clone()).is_err(), "{command:?}");
        }
    }

    #[test]
    fn a_pause_counts_once_and_an_objection_weighs_more() {
        let live = run(vec![running("watch:a")]);
        assert_eq!(kinds(says("UBOB", &live, Command::Pause { run: R5 })), ["paused"]);
        let still = run(vec![paused("UBOB", false)]);
        assert!(refused(says("UALICE", &still, Command::Pause { run: R5 })).contains("already, by <@UBOB>"));
        let objection = Command::Object { run: R5, reason: "not now".to_owned() };
        assert_eq!(kinds(says("UCAROL", &still, objection.clone())), ["paused"]);
        let objected = run(vec![paused("UBOB", false), paused("UCAROL", true)]);
        assert!(objected.paused.as_ref().is_some_and(|pause| pause.objection), "the objection stands, not the pause");
        assert!(refused(says("UDAVE", &objected, objection)).contains("an objection"));
    }

    #[test]
    fn after_an_objection_who_asked_for_the_run_cannot_let_it_go_on() {
        let resume = Command::Resume { run: R5 };
        let objected = run(vec![paused("UCAROL", true)]);
        assert!(refused(says("UALICE", &objected, resume.clone())).contains("somebody else"));
        assert_eq!(kinds(says("UBOB", &objected, resume.clone())), ["resumed"]);
        // Nor by objecting first, so that the objection is their own.
        let own = run(vec![paused("UALICE", true), paused("UCAROL", true)]);
        assert!(refused(says("UALICE", &own, resume.clone())).contains("somebody else"));
        assert_eq!(kinds(says("UALICE", &run(vec![paused("UBOB", false)]), resume.clone())), ["resumed"]);
        assert!(refused(says("UALICE", &run(vec![]), resume)).contains("not paused"));
    }

    #[test]
    fn what_only_looks_and_what_is_a_rollback_is_not_paused() {
        for command in
            [Command::Verify { environment: "prod".to_owned() }, Command::Rollback { environment: "prod".to_owned() }]
        {
            let run = run_of(command, vec![]);
            for pausing in [Command::Pause { run: R5 }, Command::Object { run: R5, reason: "no".to_owned() }] {
                assert!(!refused(says("UBOB", &run, pausing)).is_empty());
            }
        }
    }

    #[test]
    fn only_the_step_under_way_is_skipped_and_only_if_it_waits_or_has_failed() {
        let skip = || Command::Skip { run: R5, reason: "known".to_owned() };
        let step_of = |events: Events| match events.as_deref() {
            Ok([Event::SkipRequested { step, .. }]) => step.to_string(),
            other => panic!("{other:?}"),
        };
        let watching = run(vec![running("watch:a")]);
        assert_eq!(step_of(says_about("UBOB", Some("watch:a"), &watching, skip())), "watch:a");
        assert_eq!(step_of(says("UBOB", &watching, skip())), "watch:a");
        assert_eq!(says_about("UBOB", Some("gate:a"), &watching, skip()), Err(Pointless::OutOfDate));
        assert!(refused(says("UBOB", &run(vec![]), skip())).contains("Nothing is under way"));
        let failed = run(vec![running("watch:a"), finished("watch:a", StepStatus::Failed), asked("watch:a")]);
        assert_eq!(step_of(says("UBOB", &failed, skip())), "watch:a");
        // A button from before the failure still means this step; one of another step does not.
        assert_eq!(says_about("UBOB", Some("gate:a"), &failed, skip()), Err(Pointless::OutOfDate));
        let requested = Event::SkipRequested { step: id("watch:a"), actor: person("UBOB"), reason: String::new() };
        let twice = run(vec![running("watch:a"), requested]);
        assert!(refused(says("UCAROL", &twice, skip())).contains("already"));
        let stopping = run(vec![running("watch:a"), Event::CancelRequested { actor: person("UBOB") }]);
        assert!(refused(says("UBOB", &stopping, skip())).contains("stopping"));
    }

    #[test]
    fn a_failed_step_is_tried_again_and_an_unproven_one_is_not() {
        let retry = || Command::Retry { run: R5 };
        let answer = |answer| Command::Answer { run: R5, answer };
        let failed = run(vec![running("watch:a"), finished("watch:a", StepStatus::Failed), asked("watch:a")]);
        assert_eq!(kinds(says_about("UBOB", Some("watch:a"), &failed, retry())), ["answered"]);
        assert_eq!(says_about("UBOB", Some("gate:a"), &failed, retry()), Err(Pointless::OutOfDate));
        assert_eq!(kinds(says("UBOB", &failed, answer(Answer::Undo))), ["answered"]);
        assert!(refused(says("UBOB", &failed, answer(Answer::Continue))).contains("has failed"));
        let unproven = run(vec![running("gate:a"), asked("gate:a")]);
        assert!(refused(says("UBOB", &unproven, answer(Answer::Retry))).contains("has not failed"));
        assert_eq!(kinds(says("UBOB", &unproven, answer(Answer::WaitOn))), ["answered"]);
        assert!(refused(says("UBOB", &unproven, retry())).contains("nothing to try again"));
        let problem = "AWS <throttles>".to_owned();
        let troubled = run(vec![
            running("watch:a"),
            Event::Troubled { step: None, problem, retry_at: at(110), gives_up_at: None },
        ]);
        let told = refused(says("UBOB", &troubled, retry()));
        assert!(told.contains("tries again by itself") && told.contains("&lt;throttles&gt;"), "{told}");
    }

    #[test]
    fn what_ended_without_success_is_begun_anew_but_not_behind_a_rollbacks_back() {
        let after = |outcome| may_begin_anew(&run(vec![ended(outcome)]));
        for outcome in [Outcome::Failed, Outcome::Cancelled, Outcome::Expired, Outcome::Unproven, Outcome::Refused] {
            assert_eq!(after(outcome), Ok(()), "{outcome:?}");
        }
        assert!(after(Outcome::Succeeded).is_err());
        assert!(after(Outcome::Preempted).is_err());
        assert_eq!(may_begin_anew(&run(vec![])), Err(Pointless::OutOfDate));
    }

    #[test]
    fn a_rollback_is_cancelled_only_while_it_waits_for_its_click() {
        let cancel = || Command::Cancel { run: R5 };
        let rollback = |events| run_of(Command::Rollback { environment: "prod".to_owned() }, events);
        let digest = rollback(vec![]).plan.unwrap().1;
        let waits =
            || Event::ApprovalAsked { subject: Subject::Plan, digest: digest.clone(), needed: 1, until: at(900) };
        let clicked = Event::Approved {
            subject: Subject::Plan,
            digest: digest.clone(),
            actor: person("UBOB"),
            note: None,
            stepped_up: false,
        };
        assert_eq!(kinds(says("UBOB", &rollback(vec![waits()]), cancel())), ["cancel_requested"]);
        assert!(refused(says("UBOB", &rollback(vec![waits(), clicked]), cancel())).contains("not stopped half way"));
        assert!(refused(says("UBOB", &rollback(vec![]), cancel())).contains("not stopped half way"));
        let twice = run(vec![Event::CancelRequested { actor: person("UALICE") }]);
        assert_eq!(says("UBOB", &twice, cancel()), Ok(Vec::new()), "nothing more to record");
    }

    #[test]
    fn one_person_calls_the_escalation_contact_to_a_run_once_a_minute() {
        let escalate = || Command::Escalate { run: R5, reason: None };
        let called =
            |by: &str| Event::Escalated { actor: person(by), contact: "SONCALL".to_owned(), reason: "help".to_owned() };
        assert_eq!(kinds(says("UBOB", &run(vec![]), escalate())), ["escalated"]);
        let just_now = run(vec![called("UBOB")]);
        assert_eq!(kinds(says("UCAROL", &just_now, escalate())), ["escalated"], "somebody else may");
        let (bob, later) = (person("UBOB"), just_now.last_at + SignedDuration::from_secs(59));
        let say =
            |now| Steering { actor: &bob, step: None, escalation: Some("SONCALL"), now }.say(&just_now, &escalate());
        assert!(refused(say(later)).contains("<!subteam^SONCALL>"));
        assert_eq!(kinds(say(later + SignedDuration::from_secs(1))), ["escalated"]);
        let nobody = Steering { actor: &bob, step: None, escalation: None, now: later };
        assert!(refused(nobody.say(&just_now, &escalate())).contains("contacts.escalation"));
    }
}
