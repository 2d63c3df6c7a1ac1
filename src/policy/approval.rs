//! Whose decision on a run counts: approvals, rejections and overridden safeguards, each as the events to append. Decided
//! over the journal as it stands at the moment of appending, so that two clicks at once, old cards and late clicks each
//! get their own answer. Errs on the side of no, but for the click that starts a rollback.

use jiff::Timestamp;

use super::declined::Declined;
use super::refusal::shown;
use super::roles::{self, Belongs, belongs, named};
use super::{House, Person, Place};
use crate::domain::{
    Actor, Check, Command, Environment, Event, HoldKind, Principal, Round, Run, Standing, StepUp, Subject, Verdict,
};

/// How many digits of a plan's digest name it at least.
const MIN_DIGITS: usize = 6;

/// Somebody who decides, and everything that the decision rests on.
#[derive(Clone, Debug)]
pub struct Decider<'a> {
    /// Who, with the user groups that [`super::groups_to_decide`] names, asked about anew.
    pub person: &'a Person,
    /// Where they clicked or typed.
    pub place: &'a Place,
    /// Where Alch is at home.
    pub house: &'a House,
    /// Whether people of other organisations are in that channel.
    pub channel_is_shared: bool,
    /// The run, folded from its whole journal.
    pub run: &'a Run,
    /// The run's environment.
    pub environment: &'a Environment,
    /// The digest of the plan that they saw, whole or its beginning.
    pub digest: &'a str,
    /// What they decide about.
    pub subject: &'a Subject,
    /// Whether they showed a second factor.
    pub stepped_up: bool,
    /// The time.
    pub now: Timestamp,
}

/// Approves.
///
/// # Errors
/// When the approval does not count; nothing is to be recorded then.
pub fn approve(decider: &Decider<'_>, note: Option<String>) -> Result<Vec<Event>, Declined> {
    decider.check_person()?;
    decider.check_run()?;
    let round = decider.round()?;
    decider.check_first(round)?;
    decider.check_open(round)?;
    let note = match decider.run.command {
        Command::Rollback { .. } => decider.check_responder(note)?,
        // One click as well, but what Slack cannot say holds it up: the rules can be turned off meanwhile.
        Command::HardStop { .. } => {
            decider.check_among(decider.responders())?;
            note
        }
        _ => {
            decider.check_not_own()?;
            decider.check_among(decider.approvers())?;
            decider.check_safeguards()?;
            decider.check_second_factor()?;
            note
        }
    };
    Ok(vec![Event::Approved {
        subject: round.subject.clone(),
        digest: round.digest.clone(),
        actor: decider.person.actor.clone(),
        note,
        stepped_up: decider.stepped_up,
    }])
}

/// Rejects. Whoever may approve may, and whoever asked for it.
///
/// # Errors
/// When the rejection does not count; nothing is to be recorded then.
pub fn reject(decider: &Decider<'_>, reason: &str) -> Result<Vec<Event>, Declined> {
    decider.check_person()?;
    decider.check_run()?;
    let round = decider.round()?;
    // Who has approved may think again while the question stands.
    decider.check_open(round)?;
    if !decider.is_own() {
        decider.check_among(match decider.run.command {
            Command::Rollback { .. } | Command::HardStop { .. } => decider.responders(),
            _ => decider.approvers(),
        })?;
    }
    Ok(vec![Event::Rejected {
        subject: round.subject.clone(),
        digest: round.digest.clone(),
        actor: decider.person.actor.clone(),
        reason: said(reason)?,
    }])
}

/// Overrides a safeguard that blocks the plan. The decider's subject does not matter: it is always the plan.
///
/// # Errors
/// When it does not count; nothing is to be recorded then.
pub fn override_safeguard(decider: &Decider<'_>, safeguard: &str, reason: &str) -> Result<Vec<Event>, Declined> {
    let decider = Decider { subject: &Subject::Plan, ..decider.clone() };
    decider.check_person()?;
    decider.check_run()?;
    let round = decider.round()?;
    decider.check_open(round)?;
    let overriders = &decider.environment.approvals.overriders;
    if decider.is_own() {
        return Err(Declined::OwnSafeguard { overriders: named(overriders) });
    }
    decider.check_among(overriders.iter().collect())?;
    decider.check_overridable(safeguard)?;
    Ok(vec![Event::Overridden {
        safeguard: safeguard.to_owned(),
        digest: round.digest.clone(),
        actor: decider.person.actor.clone(),
        reason: said(reason)?,
    }])
}

impl<'a> Decider<'a> {
    fn is_rollback(&self) -> bool {
        matches!(self.run.command, Command::Rollback { .. })
    }

    /// Who it is and where. What only a click for a rollback may lack is looked at later.
    fn check_person(&self) -> Result<(), Declined> {
        let team = match (&self.person.actor, self.place) {
            (Actor::Terminal { .. }, _) | (_, Place::Terminal) => return Err(Declined::FromTerminal),
            (Actor::Alch, _) => return Err(Declined::NotAPerson),
            (Actor::Slack { team, .. }, Place::Channel(_) | Place::DirectMessage) => team,
        };
        if *team != self.house.workspace {
            return Err(Declined::Stranger);
        }
        match &self.person.standing {
            Standing::Member => {}
            Standing::Guest => return Err(Declined::Guest),
            Standing::Stranger => return Err(Declined::Stranger),
            Standing::Bot | Standing::Deleted => return Err(Declined::NotAPerson),
            Standing::Unknown(_) if self.is_rollback() => {}
            Standing::Unknown(why) => return Err(Declined::SlackCannotSay { why: why.clone() }),
        }
        let channel = || self.house.channel.clone();
        if !self.house.takes_commands(self.place) {
            return Err(Declined::Elsewhere { channel: channel() });
        }
        if self.channel_is_shared && !self.is_rollback() {
            return Err(Declined::SharedChannel { channel: channel() });
        }
        Ok(())
    }

    fn check_run(&self) -> Result<(), Declined> {
        let run = self.run.id;
        if let Some(ended) = &self.run.ended {
            return Err(Declined::RunEnded { run, outcome: ended.outcome });
        }
        if let Some(by) = self.run.preempted {
            return Err(Declined::Preempted { run, by });
        }
        match &self.run.cancel {
            Some((_, by)) => Err(Declined::Cancelled { run, by: by.to_string() }),
            None => Ok(()),
        }
    }

    /// The question about this subject and plan, whatever became of it.
    fn round(&self) -> Result<&'a Round, Declined> {
        let run = self.run.id;
        if self.digest.chars().count() < MIN_DIGITS {
            return Err(Declined::UnclearPlan { digits: MIN_DIGITS });
        }
        let stands = |round: &Round| self.run.plan.as_ref().is_none_or(|(_, digest)| *digest == round.digest);
        match self.run.round(self.subject) {
            Some(round) if round.digest.0.starts_with(self.digest) && stands(round) => Ok(round),
            Some(_) => Err(Declined::OlderPlan { run }),
            None if self.run.rounds.iter().any(|round| round.subject == *self.subject) => {
                Err(Declined::OlderPlan { run })
            }
            None => Err(Declined::NothingAsked { run }),
        }
    }

    /// A question that is past its time is closed, whether that is recorded yet or not.
    fn check_open(&self, round: &Round) -> Result<(), Declined> {
        let run = self.run.id;
        if let Some((at, by, _)) = &round.rejected {
            return Err(Declined::Rejected { by: by.to_string(), at: *at });
        }
        if round.is_granted() {
            let by: Vec<String> = round.approvals.iter().map(|approval| approval.actor.to_string()).collect();
            return Err(Declined::Granted { run, by: by.join(" and ") });
        }
        if round.lapsed || self.now >= round.until {
            return Err(Declined::Lapsed { run, until: round.until });
        }
        Ok(())
    }

    /// Nobody counts twice. Where the question is closed without being granted, that is the better answer.
    fn check_first(&self, round: &Round) -> Result<(), Declined> {
        let own = round.approvals.iter().find(|approval| is_same(&approval.actor, &self.person.actor));
        let Some(own) = own.filter(|_| round.is_granted() || self.check_open(round).is_ok()) else { return Ok(()) };
        let missing = match (round.needed as usize).saturating_sub(round.approvals.len()) {
            0 => "It needs nothing more.".to_owned(),
            1 => "One more is needed, from somebody else.".to_owned(),
            missing => format!("{missing} more are needed, from others."),
        };
        Err(Declined::ApprovedByYou { at: own.at, missing })
    }

    fn approvers(&self) -> Vec<&'a Principal> {
        self.environment.approvers(self.run.command.name()).iter().collect()
    }

    fn responders(&self) -> Vec<&'a Principal> {
        roles::entitled(self.environment, &self.run.command).unwrap_or_default()
    }

    /// Whether they asked for it themselves: for the run, or for the step to be left out.
    fn is_own(&self) -> bool {
        let asked_to_skip = match (self.subject, &self.run.skip) {
            (Subject::Skip(step), Some(skip)) => skip.step == *step && is_same(&skip.actor, &self.person.actor),
            (Subject::Skip(_) | Subject::Plan | Subject::Step(_), _) => false,
        };
        asked_to_skip || is_same(&self.run.actor, &self.person.actor)
    }

    fn check_not_own(&self) -> Result<(), Declined> {
        let mut by_requester = self.environment.approvals.by_requester.iter();
        if self.is_own() && !by_requester.any(|name| name == self.run.command.name()) {
            return Err(Declined::OwnRequest { approvers: named(self.approvers()) });
        }
        Ok(())
    }

    fn check_among(&self, entitled: Vec<&Principal>) -> Result<(), Declined> {
        match belongs(self.person, entitled.iter().copied()) {
            Belongs::Yes => Ok(()),
            Belongs::No => {
                Err(Declined::NotEntitled { environment: self.environment.name.clone(), entitled: named(entitled) })
            }
            Belongs::Unknown(why) => Err(Declined::SlackCannotSay { why }),
        }
    }

    /// The one click of a rollback: any responder's, and what Slack cannot say does not hold it up. The note says so.
    fn check_responder(&self, note: Option<String>) -> Result<Option<String>, Declined> {
        let mut notes: Vec<String> = note.into_iter().collect();
        if let Standing::Unknown(why) = &self.person.standing {
            notes.push(format!("Slack could not say whether this is a guest: {why}"));
        }
        match self.check_among(self.responders()) {
            Err(Declined::SlackCannotSay { why }) => {
                notes.push(format!("Slack could not say whether this is a responder: {why}"));
            }
            other => other?,
        }
        Ok((!notes.is_empty()).then(|| notes.join("; ")))
    }

    fn check_safeguards(&self) -> Result<(), Declined> {
        let blocking = match self.subject {
            Subject::Plan => self.run.blocking(),
            // These are asked for once the plan is approved and stands.
            Subject::Step(_) | Subject::Skip(_) => Vec::new(),
        };
        if blocking.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = blocking.iter().map(|check| format!("`{}`", check.name)).collect();
        Err(Declined::Blocked {
            run: self.run.id,
            safeguards: names.join(", "),
            overriders: named(&self.environment.approvals.overriders),
        })
    }

    fn check_second_factor(&self) -> Result<(), Declined> {
        match self.environment.approvals.step_up {
            StepUp::Totp if !self.stepped_up => {
                Err(Declined::SecondFactor { environment: self.environment.name.clone() })
            }
            StepUp::Totp | StepUp::None => Ok(()),
        }
    }

    fn check_overridable(&self, safeguard: &str) -> Result<(), Declined> {
        let environment = &self.environment.name;
        for (kind, lifted) in [(HoldKind::Freeze, "unfreeze"), (HoldKind::Lock, "unlock")] {
            if safeguard == hold_name(kind) {
                let way_out = format!("{} {lifted} {environment}", self.house.command_word);
                return Err(Declined::NotOverridable { safeguard: safeguard.to_owned(), way_out });
            }
        }
        if let Some((at, by, _)) = self.run.overridden.get(safeguard) {
            return Err(Declined::Overridden { safeguard: safeguard.to_owned(), by: by.to_string(), at: *at });
        }
        let fails = |check: &&Check| check.name == safeguard && check.verdict > Verdict::Inconclusive;
        match self.run.safeguards.iter().find(fails) {
            Some(_) => Ok(()),
            None => Err(Declined::NotFailing { run: self.run.id, safeguard: shown(safeguard) }),
        }
    }
}

/// The safeguard's name that a hold has.
fn hold_name(kind: HoldKind) -> &'static str {
    match kind {
        HoldKind::Freeze => "freeze",
        HoldKind::Lock => "lock",
    }
}

/// Whether two are the same person: the workspace through which a click came does not make another person of them.
fn is_same(one: &Actor, other: &Actor) -> bool {
    match (one, other) {
        (Actor::Slack { user, .. }, Actor::Slack { user: other, .. }) => user == other,
        _ => one == other,
    }
}

fn said(reason: &str) -> Result<String, Declined> {
    let reason = reason.trim();
    if reason.is_empty() { Err(Declined::NoReason) } else { Ok(reason.to_owned()) }
}

#[cfg(test)]
mod tests;
