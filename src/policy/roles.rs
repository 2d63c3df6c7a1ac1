//! Whether a person belongs to those whom the configuration gives a role, and which user groups have to be asked about
//! for that.

use std::collections::BTreeSet;

use super::Person;
use crate::domain::{Actor, Command, Environment, HoldKind, Membership, Principal, Role, Standing, Subject};

/// Whether somebody belongs to those who are named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Belongs {
    /// Yes.
    Yes,
    /// No.
    No,
    /// It hangs on a user group that Slack could not tell of; why, for people.
    Unknown(String),
}

/// What a command asks of the person who gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asks {
    /// Nothing: it concerns only the person who asks, or is decided elsewhere.
    Nothing,
    /// One of these roles.
    OneOf(&'static [Role]),
}

/// The roles of which one is needed. An approval is decided by `approval`, and an objection is everybody's.
pub(super) fn asks(command: &Command) -> Asks {
    match command {
        Command::Verify { .. }
        | Command::Status { .. }
        | Command::Runs { .. }
        | Command::Show { .. }
        | Command::Plan { .. }
        | Command::Versions { .. }
        | Command::Subscriptions { .. }
        | Command::Monitor { .. }
        | Command::ReplayStatus { .. }
        | Command::ReplayList { .. }
        | Command::Dlq { .. }
        | Command::Doctor { .. }
        | Command::Audit { .. } => Asks::OneOf(&[Role::Viewer]),
        Command::Enable { .. }
        | Command::Disable { .. }
        | Command::Restore { .. }
        | Command::Promote { .. }
        | Command::Deploy { .. }
        | Command::Recover { .. }
        | Command::CodeRollback { .. }
        | Command::Smoke { .. }
        | Command::Subscribe { .. }
        | Command::TestAlarm { .. }
        | Command::MonitorStop { .. }
        | Command::ReplayStart { .. }
        | Command::ReplayCancel { .. }
        | Command::Redrive { .. }
        | Command::Cancel { .. }
        | Command::Answer { .. }
        | Command::Pause { .. }
        | Command::Resume { .. }
        | Command::Retry { .. }
        | Command::Skip { .. }
        | Command::Escalate { .. } => Asks::OneOf(&[Role::Operator]),
        Command::Rollback { .. } | Command::HardStop { .. } => Asks::OneOf(&[Role::Responder]),
        Command::Hold { kind: HoldKind::Freeze, .. } => Asks::OneOf(&[Role::Operator, Role::Responder, Role::Admin]),
        Command::Hold { kind: HoldKind::Lock, .. } | Command::Release { .. } => {
            Asks::OneOf(&[Role::Operator, Role::Admin])
        }
        Command::Enrol { reset: Some(_) } => Asks::OneOf(&[Role::Admin]),
        Command::Approve { .. }
        | Command::Reject { .. }
        | Command::Override { .. }
        | Command::Object { .. }
        | Command::Contacts
        | Command::Enrol { reset: None }
        | Command::Whoami
        | Command::Help { .. } => Asks::Nothing,
    }
}

/// Those who may ask for `command` there: the command's own list, or whoever has one of the roles for it. None when
/// everybody may.
pub(super) fn entitled<'a>(environment: &'a Environment, command: &Command) -> Option<Vec<&'a Principal>> {
    let Asks::OneOf(roles) = asks(command) else { return None };
    Some(match environment.roles.commands.get(command.name()) {
        Some(own) => own.iter().collect(),
        None => roles.iter().flat_map(|role| environment.roles.of(*role)).collect(),
    })
}

/// The roles of which one is needed for `command`, as words: `operator or admin`.
pub(super) fn role_words(command: &Command) -> String {
    match asks(command) {
        Asks::Nothing => String::new(),
        Asks::OneOf(roles) => roles.iter().map(|role| role.word()).collect::<Vec<_>>().join(" or "),
    }
}

/// Whether `person` is one of `principals`. `everyone` covers every account that got this far: that guests may not act
/// and strangers may nothing at all is decided by their standing.
pub(super) fn belongs<'a>(person: &Person, principals: impl IntoIterator<Item = &'a Principal>) -> Belongs {
    let Actor::Slack { user, .. } = &person.actor else { return Belongs::No };
    let mut doubt = None;
    for principal in principals {
        if principal.is_everyone() || principal.user() == Some(user) {
            return Belongs::Yes;
        }
        let Some(group) = principal.group() else { continue };
        match person.groups.get(group) {
            Some(Membership::In) => return Belongs::Yes,
            Some(Membership::Out) => {}
            Some(Membership::Unknown(why)) => doubt = Some(why.clone()),
            None => doubt = Some("Slack was not asked who is in the user group".to_owned()),
        }
    }
    doubt.map_or(Belongs::No, Belongs::Unknown)
}

/// Whether `person` has `role` in `environment`. On a terminal nobody has one: a shell has all that Alch has.
pub fn has_role(person: &Person, environment: &Environment, role: Role) -> Belongs {
    match (&person.standing, role) {
        (Standing::Member | Standing::Unknown(_), _) | (Standing::Guest, Role::Viewer) => {
            belongs(person, environment.roles.of(role))
        }
        (Standing::Guest | Standing::Stranger | Standing::Bot | Standing::Deleted, _) => Belongs::No,
    }
}

/// Whether `person` is one of those whose approval, or override, may count in `environment`. Yes for what needs neither.
pub fn may_decide(person: &Person, environment: &Environment, command: &Command) -> Belongs {
    match (command, &person.actor) {
        (Command::Approve { .. } | Command::Override { .. }, Actor::Terminal { .. } | Actor::Alch) => Belongs::No,
        (Command::Approve { .. }, Actor::Slack { .. }) => has_role(person, environment, Role::Approver),
        (Command::Override { .. }, Actor::Slack { .. }) => belongs(person, &environment.approvals.overriders),
        _ => Belongs::Yes,
    }
}

/// Whether `person` may lift a lock that somebody else holds.
pub fn may_break_lock(person: &Person, environment: &Environment) -> bool {
    match person.actor {
        Actor::Terminal { .. } => true,
        Actor::Slack { .. } => has_role(person, environment, Role::Admin) == Belongs::Yes,
        Actor::Alch => false,
    }
}

/// The user groups that have to be asked about to decide on `command` there. None where the role is everybody's: what
/// needs no answer must not wait for one.
pub fn groups_of(environment: Option<&Environment>, command: &Command) -> BTreeSet<String> {
    let Some(environment) = environment else { return BTreeSet::new() };
    let entitled = entitled(environment, command).map(to_ask).unwrap_or_default();
    match command {
        // Whom these need hangs on what the run does, which only its journal tells.
        Command::Approve { .. } | Command::Reject { .. } | Command::Override { .. } => deciders(environment),
        // Whether the lock is somebody else's is not known yet.
        Command::Release { kind: HoldKind::Lock, .. } => {
            entitled.into_iter().chain(to_ask(&environment.roles.admin)).collect()
        }
        Command::Whoami => named_groups(environment),
        _ => entitled,
    }
}

/// The user groups that have to be asked about to decide on `subject` of a run of `command`.
pub fn groups_to_decide(environment: &Environment, command: &Command, subject: &Subject) -> BTreeSet<String> {
    match (command, subject) {
        (Command::Rollback { .. }, Subject::Plan) => entitled(environment, command).map(to_ask).unwrap_or_default(),
        _ => {
            let approvers = to_ask(environment.approvers(command.name()));
            approvers.into_iter().chain(to_ask(&environment.approvals.overriders)).collect()
        }
    }
}

/// The groups of every list that a decision of people may hang on.
fn deciders(environment: &Environment) -> BTreeSet<String> {
    let roles = &environment.roles;
    let own = environment.approvals.commands.values().filter_map(|own| own.by.as_ref());
    let responders = roles.commands.get("rollback").unwrap_or(&roles.responder);
    let lists = own.chain([&roles.approver, &environment.approvals.overriders, responders]);
    lists.flat_map(to_ask).collect()
}

/// Every user group that has something to say in this environment.
fn named_groups(environment: &Environment) -> BTreeSet<String> {
    let roles = &environment.roles;
    let lists = Role::ALL.iter().map(|role| roles.of(*role)).chain(roles.commands.values().map(Vec::as_slice));
    lists.flat_map(to_ask).chain(deciders(environment)).collect()
}

fn to_ask<'a>(principals: impl IntoIterator<Item = &'a Principal>) -> BTreeSet<String> {
    let mut groups = BTreeSet::new();
    for principal in principals {
        if principal.is_everyone() {
            return BTreeSet::new();
        }
        groups.extend(principal.group().map(str::to_owned));
    }
    groups
}

/// Names as Slack shows them: `@approvers, @bob`.
pub(super) fn named<'a>(principals: impl IntoIterator<Item = &'a Principal>) -> String {
    let names: Vec<String> = principals.into_iter().map(Principal::to_string).collect();
    if names.is_empty() { "nobody is configured".to_owned() } else { names.join(", ") }
}
