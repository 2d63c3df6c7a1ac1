//! Who may do what, where and when: a pure decision over facts that others have collected. The one maker of [`Permit`].
//!
//! It errs on the side of refusing, with two exceptions on purpose. Who only wants to look is not kept from it by Slack's
//! silence. And a rollback must not depend on Slack: where Slack cannot say who somebody is, or whether they are a
//! responder, a person of our own workspace may roll back all the same, and the journal then says so.
//!
//! A permit lets a request become a run or reach one. What a run may do then is up to people: whose approval of which plan
//! counts is decided in [`approval`], over the run's journal.

pub mod approval;
mod declined;
mod refusal;
mod roles;

#[cfg(test)]
mod tests;

use jiff::Timestamp;

use crate::domain::{Actor, ApprovalRule, Command, Environment, Memberships, Standing, Window};
use crate::window::{self, LOOK_AHEAD_DAYS};

pub use declined::Declined;
pub use refusal::Refusal;
pub use roles::{Belongs, groups_of, groups_to_decide, has_role, may_break_lock, may_decide};

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

impl House {
    /// Whether commands are taken there. In direct messages only some are.
    pub fn takes_commands(&self, place: &Place) -> bool {
        match place {
            Place::Channel(id) => *id == self.channel || self.also_in.contains(id),
            Place::DirectMessage | Place::Terminal => false,
        }
    }
}

/// Somebody who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Who.
    pub actor: Actor,
    /// What Slack says of the account. Means nothing for people on a terminal.
    pub standing: Standing,
    /// What Slack says of the user groups that matter for what is asked: those of [`groups_of`].
    pub groups: Memberships,
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
    /// Whether somebody in Slack can be asked to approve: a server with Slack takes the clicks. Matters for what is asked
    /// on a terminal.
    pub slack_approves: bool,
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

    /// How many people have to approve before anything acts. None for a rollback: where others need approval, its card
    /// asks any responder for one click, which may be the requester's.
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
    /// Keeps something from happening: what it does is undone with a word, and is not to fail because Slack is slow.
    Stops,
    /// Says something to a run or about an environment, so that something may happen.
    Steers,
    /// Changes an environment.
    Acts,
}

/// Decides. For approvals, rejections and overridden safeguards it looks at the person and the place only: whether they
/// count is for [`approval`], which knows the run.
pub fn decide(request: &Request<'_>) -> Result<Permit, Refusal> {
    let weight = weight(request.command);
    let mut notes = Vec::new();
    check_person_and_place(request, weight, &mut notes)?;
    check_environment(request)?;
    if *request.place == Place::Terminal {
        check_terminal(request)?;
    } else {
        check_role(request, weight, &mut notes)?;
        check_certainty(request, weight)?;
    }
    check_window(request)?;
    let needs_approval = request.environment.filter(|environment| environment.needs_approval(request.command));
    Ok(Permit {
        command: request.command.clone(),
        environment: request.environment.map(|environment| environment.name.clone()),
        approvals: needs_approval.map_or(0, |environment| environment.approvals_needed(request.command.name())),
        notes,
    })
}

fn weight(command: &Command) -> Weight {
    match command {
        Command::Enable { .. }
        | Command::Disable { .. }
        | Command::Rollback { .. }
        | Command::Restore { .. }
        | Command::Promote { .. }
        | Command::Deploy { .. }
        | Command::Recover { .. }
        | Command::CodeRollback { .. }
        | Command::Smoke { .. }
        | Command::HardStop { .. }
        | Command::Subscribe { .. }
        | Command::TestAlarm { .. }
        | Command::ReplayStart { .. }
        | Command::Redrive { .. } => Weight::Acts,
        Command::Cancel { .. }
        | Command::Reject { .. }
        | Command::Object { .. }
        | Command::Pause { .. }
        | Command::MonitorStop { .. }
        | Command::ReplayCancel { .. }
        | Command::Hold { .. }
        | Command::Escalate { .. } => Weight::Stops,
        Command::Answer { .. }
        | Command::Approve { .. }
        | Command::Override { .. }
        | Command::Resume { .. }
        | Command::Retry { .. }
        | Command::Skip { .. }
        | Command::Release { .. }
        | Command::Enrol { reset: Some(_) } => Weight::Steers,
        Command::Verify { .. }
        | Command::Versions { .. }
        | Command::Subscriptions { .. }
        | Command::Monitor { .. }
        | Command::ReplayStatus { .. }
        | Command::ReplayList { .. }
        | Command::Dlq { .. }
        | Command::Doctor { .. }
        | Command::Status { .. }
        | Command::Runs { .. }
        | Command::Show { .. }
        | Command::Plan { .. }
        | Command::Contacts
        | Command::Audit { .. }
        | Command::Enrol { reset: None }
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
    check_place(request, weight)?;
    match (&request.person.standing, weight) {
        (Standing::Member, _) => Ok(()),
        (Standing::Guest, Weight::Reads) if *request.place == Place::DirectMessage => {
            Err(Refusal::Elsewhere { channel: request.house.channel.clone() })
        }
        (Standing::Guest, Weight::Reads) => Ok(()),
        (Standing::Guest, Weight::Stops | Weight::Steers | Weight::Acts) => {
            Err(Refusal::Guest { command: refusal::asked(request.command) })
        }
        (Standing::Stranger, _) => Err(Refusal::Stranger),
        (Standing::Bot | Standing::Deleted, _) => Err(Refusal::NotAPerson),
        (Standing::Unknown(_), Weight::Reads) => Ok(()),
        (Standing::Unknown(why), Weight::Stops | Weight::Steers | Weight::Acts) => {
            // Where more than Slack's silence is needed, it is refused further on.
            notes.push(format!("Slack could not say whether {user} is a guest: {why}"));
            Ok(())
        }
    }
}

/// Commands are taken in the configured channels. Looking, and objecting, is fine in private too; and stakeholders object
/// where they were told.
fn check_place(request: &Request<'_>, weight: Weight) -> Result<(), Refusal> {
    let objects = matches!(request.command, Command::Object { .. });
    let told_there = |id: &String| request.environment.is_some_and(|there| there.notify.slack.contains(id));
    let channel = || request.house.channel.clone();
    match request.place {
        _ if request.house.takes_commands(request.place) => Ok(()),
        Place::Channel(id) if objects && told_there(id) => Ok(()),
        Place::Channel(_) => Err(Refusal::Elsewhere { channel: channel() }),
        Place::DirectMessage if objects || weight == Weight::Reads => Ok(()),
        Place::DirectMessage => {
            Err(Refusal::InPrivate { command: refusal::asked(request.command), channel: channel() })
        }
        Place::Terminal => Err(Refusal::NotAPerson),
    }
}

fn check_environment(request: &Request<'_>) -> Result<(), Refusal> {
    match request.command.environment() {
        Some(named) if request.environment.is_none_or(|environment| environment.name != named) => {
            Err(Refusal::NoEnvironment { environment: named.to_owned() })
        }
        Some(_) | None => Ok(()),
    }
}

/// What acts, or lets a run go on, waits for somebody in Slack; without anybody listening there it would wait for ever.
fn check_terminal(request: &Request<'_>) -> Result<(), Refusal> {
    let Some(environment) = request.environment else { return Ok(()) };
    let goes_on = matches!(
        request.command,
        Command::Answer { .. } | Command::Resume { .. } | Command::Retry { .. } | Command::Skip { .. }
    );
    let needs_approval =
        environment.needs_approval(request.command) || (goes_on && environment.approval == ApprovalRule::Required);
    if needs_approval && !request.slack_approves {
        return Err(Refusal::NeedsApproval {
            command: refusal::asked(request.command),
            environment: environment.name.clone(),
            command_word: request.house.command_word.clone(),
        });
    }
    Ok(())
}

fn check_role(request: &Request<'_>, weight: Weight, notes: &mut Vec<String>) -> Result<(), Refusal> {
    let command = request.command;
    let Some(environment) = request.environment else {
        return match command {
            // Somebody else's second factor is an admin's, wherever that is.
            Command::Enrol { reset: Some(_) } => Err(Refusal::OnlyAdmins { command: refusal::asked(command) }),
            _ => Ok(()),
        };
    };
    let Some(entitled) = roles::entitled(environment, command) else { return Ok(()) };
    match (roles::belongs(request.person, entitled.iter().copied()), weight) {
        (Belongs::Yes, _) => Ok(()),
        (Belongs::No, _) => Err(Refusal::NotEntitled {
            command: refusal::asked(command),
            environment: environment.name.clone(),
            entitled: roles::named(entitled),
            roles: (!environment.roles.commands.contains_key(command.name())).then(|| roles::role_words(command)),
            command_word: request.house.command_word.clone(),
        }),
        (Belongs::Unknown(_), Weight::Reads) => Ok(()),
        (Belongs::Unknown(why), Weight::Acts) if command.is_emergency() => {
            notes.push(format!("Slack could not say whether {} is a responder: {why}", user(&request.person.actor)));
            Ok(())
        }
        (Belongs::Unknown(why), Weight::Stops | Weight::Steers | Weight::Acts) => {
            Err(cannot_say(request, environment, &why))
        }
    }
}

/// Where approvals are needed, a person of whom Slack says nothing lets nothing happen, but for a rollback.
fn check_certainty(request: &Request<'_>, weight: Weight) -> Result<(), Refusal> {
    let careful = request.environment.filter(|there| there.approval == ApprovalRule::Required);
    match (careful, &request.person.standing, weight) {
        _ if request.command.is_emergency() => Ok(()),
        (Some(environment), Standing::Unknown(why), Weight::Steers | Weight::Acts) => {
            Err(cannot_say(request, environment, why))
        }
        _ => Ok(()),
    }
}

fn cannot_say(request: &Request<'_>, environment: &Environment, why: &str) -> Refusal {
    Refusal::SlackCannotSay {
        command: refusal::asked(request.command),
        environment: environment.name.clone(),
        why: why.to_owned(),
        command_word: request.house.command_word.clone(),
    }
}

fn user(actor: &Actor) -> &str {
    match actor {
        Actor::Slack { user, .. } | Actor::Terminal { user } => user,
        Actor::Alch => "Alch",
    }
}

/// Where approvals are needed the window is a safeguard of the plan, which is shown and can be overridden.
fn check_window(request: &Request<'_>) -> Result<(), Refusal> {
    let Some(environment) = request.environment else { return Ok(()) };
    match (request.command, &environment.window, environment.approval) {
        (
            Command::Enable { .. } | Command::Restore { .. } | Command::Promote { .. },
            Some(window),
            ApprovalRule::None,
        ) => refuse_while_closed(window, environment, request),
        _ => Ok(()),
    }
}

/// Refuses when the window is closed.
fn refuse_while_closed(window: &Window, environment: &Environment, request: &Request<'_>) -> Result<(), Refusal> {
    if window::is_open(window, request.now) {
        return Ok(());
    }
    Err(Refusal::WindowClosed {
        command: refusal::asked(request.command),
        environment: environment.name.clone(),
        opens: window::next_opening(window, request.now).map_or_else(
            || format!("It does not open within {LOOK_AHEAD_DAYS} days."),
            |opens| format!("It opens on {}.", opens.strftime("%A, %Y-%m-%d at %H:%M %Z")),
        ),
    })
}
