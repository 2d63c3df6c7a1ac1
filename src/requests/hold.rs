//! Freezing and locking environments, and lifting that: decided on what stands, and recorded only while it does.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::{Asked, Requests, Response};
use crate::domain::{Actor, Command, Environment, Event, Hold, HoldKind, Outcome, Run, RunId};
use crate::policy::{self, Permit, Person};
use crate::slack::message::Message;
use crate::slack::view;
use crate::store::{HoldChange, NewHold, NewRun, StoreError};

/// How often what stands is read again when somebody else was faster.
const TRIES: u32 = 5;

/// What is to become of a hold, decided on the one that was found.
struct Decided {
    change: HoldChange,
    ended: Event,
    /// The run of the hold that was found.
    seen: Option<RunId>,
}

impl Requests {
    /// Who is kept from acting in the environment now, and by what.
    pub(super) async fn kept_out(&self, asked: &Asked, environment: &str) -> Result<Option<Message>, StoreError> {
        if !asked.command.acts() || asked.command.is_emergency() {
            return Ok(None);
        }
        let now = self.0.engine.clock().now();
        let holds = self.0.engine.store().holds(environment).await?;
        let hold = holds.iter().find(|hold| hold.keeps_out(&asked.person.actor, now));
        Ok(hold.map(|hold| view::kept_out(hold, environment, &asked.command, &self.0.house.command_word)))
    }

    /// Freezes or locks an environment, or lifts that.
    pub(super) async fn change_hold(&self, asked: Asked, permit: &Permit) -> Result<Response, StoreError> {
        let environment = permit.environment().and_then(|name| self.0.config.environments.get(name));
        let Some(environment) = environment else { return Err(StoreError::NoRun) };
        let store = self.0.engine.store();
        let requested = Event::Requested {
            command: asked.command.clone(),
            text: asked.text.clone(),
            actor: asked.person.actor.clone(),
            environment: environment.name.clone(),
            origin: asked.origin.clone(),
            queue: false,
            notes: permit.notes().to_vec(),
        };
        for _ in 0..TRIES {
            let now = self.0.engine.clock().now();
            let holds = store.holds(&environment.name).await?;
            let under_way = self.under_way(&environment.name).await?;
            let word = &self.0.house.command_word;
            let Decided { change, ended, seen } = match decide(&asked, environment, &holds, &under_way, word, now) {
                Ok(decided) => decided,
                Err(message) => return Ok(Response::Refuse(message)),
            };
            let run = NewRun {
                requested: &requested,
                environment: &environment.name,
                driven: false,
                inbox_key: asked.inbox_key.as_deref(),
            };
            if let Some(run) = store.change_hold(NewHold { run, change, seen, ended: &ended }, now).await? {
                return Ok(Response::Run(run));
            }
        }
        let text = format!(
            "Several people are freezing or locking {} at this moment. Nothing was changed by this; look at `{} status {}`.",
            environment.name, self.0.house.command_word, environment.name
        );
        Ok(Response::Refuse(view::refusal(&text)))
    }

    /// The runs that act in the environment and have not ended; a rollback is over in a moment.
    async fn under_way(&self, environment: &str) -> Result<Vec<RunId>, StoreError> {
        let store = self.0.engine.store();
        let mut acting = Vec::new();
        for id in store.live_runs(environment).await? {
            let run = store.run(id).await?;
            acting.extend(run.filter(|run| run.command.acts() && !is_rollback(run)).map(|run| run.id));
        }
        Ok(acting)
    }
}

fn is_rollback(run: &Run) -> bool {
    matches!(run.command, Command::Rollback { .. })
}

fn decide(
    asked: &Asked,
    environment: &Environment,
    holds: &[Hold],
    under_way: &[RunId],
    command_word: &str,
    now: Timestamp,
) -> Result<Decided, Message> {
    let refuse = |text: &str| Err(view::refusal(text));
    let found = |kind: HoldKind| holds.iter().find(|hold| hold.kind == kind);
    let name = &environment.name;
    match &asked.command {
        Command::Hold { lasting: Some(lasting), .. } if *lasting <= SignedDuration::ZERO => {
            refuse("That is no length of time. Nothing was changed.")
        }
        Command::Hold { kind, reason, lasting, .. } => {
            let before = found(*kind);
            if let Some(other) = before.filter(|hold| hold.stands(now) && hold.by != asked.person.actor) {
                return Err(view::held_already(other, name, command_word));
            }
            let hold = Hold {
                kind: *kind,
                // The store fills in the number of the run that it makes.
                run: RunId(0),
                by: asked.person.actor.clone(),
                reason: reason.clone(),
                since: before.filter(|hold| hold.stands(now)).map_or(now, |hold| hold.since),
                until: lasting.map(|lasting| now.saturating_add(lasting).unwrap_or(Timestamp::MAX)),
            };
            let ended =
                ended(held(&hold, name, under_way), Command::Release { kind: *kind, environment: name.clone() });
            Ok(Decided { change: HoldChange::Held(hold), ended, seen: before.map(|hold| hold.run) })
        }
        Command::Release { kind, .. } => {
            let Some(hold) = found(*kind) else {
                return refuse(&format!("{name} is not {}. Nothing was changed.", kind.word()));
            };
            if !hold.stands(now) {
                let over = hold.until.map(|until| format!(" since {}", minute(until))).unwrap_or_default();
                return refuse(&format!("{name} is not {} any more{over}. Nothing was changed.", kind.word()));
            }
            if *kind == HoldKind::Lock && !may_unlock(&hold.by, &asked.person, environment) {
                return Err(view::not_yours(hold, name));
            }
            let left = holds.iter().find(|left| left.kind != *kind && left.stands(now));
            let again =
                Command::Hold { kind: *kind, environment: name.clone(), reason: hold.reason.clone(), lasting: None };
            let ended = ended(released(hold, left, name, under_way), again);
            Ok(Decided { change: HoldChange::Released(*kind), ended, seen: Some(hold.run) })
        }
        _ => refuse("That is neither a freeze nor a lock. Nothing was changed."),
    }
}

fn may_unlock(holder: &Actor, person: &Person, environment: &Environment) -> bool {
    *holder == person.actor || policy::may_break_lock(person, environment)
}

fn ended(summary: String, undo: Command) -> Event {
    Event::Ended { outcome: Outcome::Succeeded, summary, rules: Default::default(), next: vec![undo.text()] }
}

/// What a freeze or a lock means for the environment from now on.
fn held(hold: &Hold, environment: &str, under_way: &[RunId]) -> String {
    let until = match hold.until {
        Some(until) => format!("until {}", minute(until)),
        None => "until it is lifted".to_owned(),
    };
    let mut summary = format!("{environment} is {} {until}: ", hold.kind.word());
    summary.push_str(match hold.kind {
        HoldKind::Freeze => "nothing but a rollback is taken there.",
        HoldKind::Lock => "nobody but its holder acts there, but for a rollback.",
    });
    match (hold.kind, named(under_way)) {
        (_, None) => {}
        (HoldKind::Freeze, Some((runs, false))) => {
            summary.push_str(&format!(" {runs}, which is under way, begins nothing new."));
        }
        (HoldKind::Freeze, Some((runs, true))) => {
            summary.push_str(&format!(" {runs}, which are under way, begin nothing new."));
        }
        (HoldKind::Lock, Some((runs, false))) => summary.push_str(&format!(" {runs}, which is under way, goes on.")),
        (HoldKind::Lock, Some((runs, true))) => summary.push_str(&format!(" {runs}, which are under way, go on.")),
    }
    summary.push_str(&format!(" No rule was changed. Reason: {}", hold.reason));
    summary
}

/// What it means that a hold is lifted.
fn released(hold: &Hold, left: Option<&Hold>, environment: &str, under_way: &[RunId]) -> String {
    let mut summary = format!(
        "{environment} is not {} any more; it was since {} ({}: {}).",
        hold.kind.word(),
        minute(hold.since),
        hold.run,
        hold.reason.trim_end_matches('.')
    );
    match left {
        Some(left) => summary.push_str(&format!(" It is still {} ({}).", left.kind.word(), left.run)),
        None => summary.push_str(" Commands are taken there again."),
    }
    let frozen = left.is_some_and(|left| left.kind == HoldKind::Freeze);
    match (hold.kind, named(under_way).filter(|_| !frozen)) {
        (HoldKind::Freeze, Some((runs, several))) => {
            let them = if several { "them" } else { "it" };
            summary.push_str(&format!(" {runs} may be paused by it: `resume` lets {them} go on."));
        }
        (HoldKind::Freeze, None) | (HoldKind::Lock, _) => {}
    }
    summary
}

/// `R-7 and R-9`, and whether they are several.
fn named(runs: &[RunId]) -> Option<(String, bool)> {
    let names: Vec<String> = runs.iter().map(ToString::to_string).collect();
    let (last, others) = names.split_last()?;
    Some(if others.is_empty() { (last.clone(), false) } else { (format!("{} and {last}", others.join(", ")), true) })
}

/// A time for people in a text without markup: `2026-11-23 07:00 UTC`.
pub(super) fn minute(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ALCH_TOML, Config};
    use crate::domain::{Memberships, Principal, Standing};

    fn slack(user: &str) -> Actor {
        Actor::Slack { user: user.to_owned(), team: "T1".to_owned() }
    }

    fn hold(kind: HoldKind, until: Option<Timestamp>) -> Hold {
        let since = "2026-11-23T03:00:00Z".parse().unwrap();
        Hold { kind, run: RunId(5), by: slack("U1"), reason: "an incident.".to_owned(), since, until }
    }

    #[test]
    fn a_lock_is_lifted_by_its_holder_or_an_admin() {
        let (config, _) = Config::parse(ALCH_TOML, "alch.toml", &Default::default()).unwrap();
        let mut dev = config.environments["dev"].clone();
        dev.roles.admin = vec![Principal("U2".to_owned())];
        let person = |actor: Actor| Person { actor, standing: Standing::Member, groups: Memberships::new() };
        assert!(may_unlock(&slack("U1"), &person(slack("U1")), &dev));
        assert!(may_unlock(&slack("U1"), &person(slack("U2")), &dev));
        assert!(!may_unlock(&slack("U1"), &person(slack("U3")), &dev));
    }

    #[test]
    fn the_words_say_what_it_means() {
        let until = Some("2026-11-23T07:00:00Z".parse().unwrap());
        for (told, words) in [
            (
                held(&hold(HoldKind::Freeze, until), "prod", &[RunId(7)]),
                "prod is frozen until 2026-11-23 07:00 UTC: nothing but a rollback is taken there. R-7, which is under \
                 way, begins nothing new. No rule was changed. Reason: an incident.",
            ),
            (
                held(&hold(HoldKind::Lock, None), "prod", &[RunId(7), RunId(8), RunId(9)]),
                "prod is locked until it is lifted: nobody but its holder acts there, but for a rollback. R-7, R-8 and \
                 R-9, which are under way, go on. No rule was changed. Reason: an incident.",
            ),
            (
                released(&hold(HoldKind::Freeze, None), None, "prod", &[RunId(7)]),
                "prod is not frozen any more; it was since 2026-11-23 03:00 UTC (R-5: an incident). Commands are taken \
                 there again. R-7 may be paused by it: `resume` lets it go on.",
            ),
            (
                released(&hold(HoldKind::Lock, None), Some(&hold(HoldKind::Freeze, None)), "prod", &[RunId(7)]),
                "prod is not locked any more; it was since 2026-11-23 03:00 UTC (R-5: an incident). It is still frozen \
                 (R-5).",
            ),
        ] {
            assert_eq!(told, words);
        }
    }
}
