//! Who may do what, where and when: a pure decision over facts that others have collected. The one maker of [`Permit`].
//!
//! It errs on the side of refusing, with two exceptions on purpose. Who only wants to look is not kept from it. And where
//! Slack cannot say who somebody is, a person of our own workspace may still act in environments without approval,
//! because a rollback must not depend on Slack; the journal then says so.

mod refusal;

#[cfg(test)]
mod tests;

use jiff::Timestamp;

use crate::domain::{Actor, ApprovalRule, Command, Environment, Standing, Window};
use crate::window::{self, LOOK_AHEAD_DAYS};

pub use refusal::Refusal;

/// Where Alch is at home: the workspace and the channels where it takes commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct House {
    /// The workspace, `T…`.
    pub workspace: String,
    /// The channel of the run cards.
    pub channel: String,
    /// Further channels where commands are taken.
    pub also_in: Vec<String>,
    /// What is typed before a command, such as `/alch`.
    pub command_word: String,
}

/// Somebody who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Who.
    pub actor: Actor,
    /// What Slack says of the account. Means nothing for people on a terminal.
    pub standing: Standing,
}

/// Where somebody asks. A thread is in its channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A channel, by id.
    Channel(String),
    /// A direct message to Alch.
    DirectMessage,
    /// A shell on the machine that Alch runs on.
    Terminal,
}

/// Everything that a decision rests on.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Who asks.
    pub person: &'a Person,
    /// For what.
    pub command: &'a Command,
    /// The environment that the command names, or that the run which it names is in; none when there is none.
    pub environment: Option<&'a Environment>,
    /// Where it was asked.
    pub place: &'a Place,
    /// Where Alch is at home.
    pub house: &'a House,
    /// The time.
    pub now: Timestamp,
}

/// The proof that a command was permitted. Only [`decide`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permit {
    command: Command,
    environment: Option<String>,
    approvals: u32,
    notes: Vec<String>,
}

impl Permit {
    /// What is permitted.
    pub fn command(&self) -> &Command {
        &self.command
    }

    /// Where, if it is about an environment.
    pub fn environment(&self) -> Option<&str> {
        self.environment.as_deref()
    }

    /// How many people have to approve before anything acts.
    pub fn approvals_needed(&self) -> u32 {
        self.approvals
    }

    /// What the permission rests on, where that deserves a word in the journal; plain text.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// What a command is, to policy.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Weight {
    /// Looks.
    Reads,
    /// Says something to a run: cancel, answer.
    Steers,
    /// Changes an environment.
    Acts,
}

/// Decides.
pub fn decide(request: &Request<'_>) -> Result<Permit, Refusal> {
    let weight = weight(request.command);
    let mut notes = Vec::new();
    check_person_and_place(request, weight, &mut notes)?;
    check_environment(request, weight)?;
    Ok(Permit {
        command: request.command.clone(),
        environment: request.environment.map(|environment| environment.name.clone()),
        approvals: 0,
        notes,
    })
}

/// Whether somebody may lift a lock that another person holds.
pub fn may_break_lock(person: &Person, environment: &Environment) -> bool {
    match &person.actor {
        // Whoever has a shell there has the bot's own AWS credentials.
        Actor::Terminal { .. } => true,
        Actor::Slack { user, .. } => {
            person.standing == Standing::Member
                && environment.roles.admin.iter().any(|who| who.is_everyone() || who.user() == Some(user))
        }
        Actor::Alch => false,
    }
}

fn weight(command: &Command) -> Weight {
    match command {
        Command::Enable { .. }
        | Command::Disable { .. }
        | Command::Rollback { .. }
        | Command::Restore { .. }
        | Command::Promote { .. } => Weight::Acts,
        Command::Cancel { .. }
        | Command::Answer { .. }
        | Command::Approve { .. }
        | Command::Reject { .. }
        | Command::Override { .. }
        | Command::Object { .. }
        | Command::Pause { .. }
        | Command::Resume { .. }
        | Command::Retry { .. }
        | Command::Skip { .. }
        | Command::Hold { .. }
        | Command::Release { .. }
        | Command::Escalate { .. } => Weight::Steers,
        Command::Verify { .. }
        | Command::Status { .. }
        | Command::Runs { .. }
        | Command::Show { .. }
        | Command::Plan { .. }
        | Command::Contacts
        | Command::Audit { .. }
        | Command::Enrol { .. }
        | Command::Whoami
        | Command::Help { .. } => Weight::Reads,
    }
}

fn check_person_and_place(request: &Request<'_>, weight: Weight, notes: &mut Vec<String>) -> Result<(), Refusal> {
    let (user, team) = match (&request.person.actor, request.place) {
        // Whoever has a shell there has the bot's own AWS credentials.
        (Actor::Terminal { .. }, Place::Terminal) => return Ok(()),
        (Actor::Slack { user, team }, Place::Channel(_) | Place::DirectMessage) => (user, team),
        (Actor::Slack { .. }, Place::Terminal) | (Actor::Terminal { .. }, _) | (Actor::Alch, _) => {
            return Err(Refusal::NotAPerson);
        }
    };
    if *team != request.house.workspace || request.person.standing == Standing::Stranger {
        return Err(Refusal::Stranger);
    }
    let channel = || request.house.channel.clone();
    match request.place {
        Place::Channel(id) if *id == request.house.channel || request.house.also_in.contains(id) => {}
        Place::Channel(_) => return Err(Refusal::Elsewhere { channel: channel() }),
        Place::DirectMessage if weight == Weight::Reads => {}
        Place::DirectMessage => {
            return Err(Refusal::InPrivate { command: request.command.text(), channel: channel() });
        }
        Place::Terminal => return Err(Refusal::NotAPerson),
    }
    match (&request.person.standing, weight) {
        (Standing::Member, _) => Ok(()),
        (Standing::Guest, Weight::Reads) if *request.place == Place::DirectMessage => {
            Err(Refusal::Elsewhere { channel: channel() })
        }
        (Standing::Guest, Weight::Reads) => Ok(()),
        (Standing::Guest, Weight::Steers | Weight::Acts) => Err(Refusal::Guest { command: request.command.text() }),
        (Standing::Stranger, _) => Err(Refusal::Stranger),
        (Standing::Bot | Standing::Deleted, _) => Err(Refusal::NotAPerson),
        (Standing::Unknown(_), Weight::Reads) => Ok(()),
        (Standing::Unknown(why), Weight::Steers | Weight::Acts) => {
            // Environments with approval are refused further on.
            notes.push(format!("Slack could not say whether {user} is a guest: {why}"));
            Ok(())
        }
    }
}

fn check_environment(request: &Request<'_>, weight: Weight) -> Result<(), Refusal> {
    if let Some(named) = request.command.environment()
        && request.environment.is_none_or(|environment| environment.name != named)
    {
        return Err(Refusal::NoEnvironment { environment: named.to_owned() });
    }
    let Some(environment) = request.environment else { return Ok(()) };
    let needs_approval = match environment.approval {
        ApprovalRule::None => false,
        ApprovalRule::Required => match request.command {
            // Stopping a run is never held up; answering one makes it act.
            Command::Answer { .. } => true,
            _ => weight == Weight::Acts,
        },
    };
    if needs_approval {
        return Err(Refusal::needs_approval(request.command, environment, &request.house.command_word));
    }
    match (request.command, &environment.window) {
        (Command::Enable { .. } | Command::Restore { .. }, Some(window)) => check_window(window, environment, request),
        _ => Ok(()),
    }
}

/// Refuses when the window is closed.
fn check_window(window: &Window, environment: &Environment, request: &Request<'_>) -> Result<(), Refusal> {
    if window::is_open(window, request.now) {
        return Ok(());
    }
    Err(Refusal::WindowClosed {
        command: request.command.text(),
        environment: environment.name.clone(),
        opens: window::next_opening(window, request.now).map_or_else(
            || format!("It does not open within {LOOK_AHEAD_DAYS} days."),
            |opens| format!("It opens on {}.", opens.strftime("%A, %Y-%m-%d at %H:%M %Z")),
        ),
    })
}
