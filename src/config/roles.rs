//! What makes roles and approvals sound: people and groups that can exist, enough of them, and commands that there are.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::problem::{Findings, KeyPath};
use super::slack::is_id;
use crate::domain::{ApprovalRule, Approvals, Command, Environment, Principal, Role, Roles};

/// The most approvals that one plan may need.
const MAX_NEEDED: u32 = 10;
/// The shortest time that a question may stand.
const MIN_EXPIRES: SignedDuration = SignedDuration::from_mins(1);
/// The longest time that a question may stand.
const MAX_EXPIRES: SignedDuration = SignedDuration::from_hours(24);

/// Notes what is wrong with who may do what in an environment.
pub(super) fn check(environment: &Environment, at: &KeyPath, findings: &mut Findings) {
    check_roles(&environment.roles, &at.key("roles"), findings);
    check_approvals(environment, &at.key("approvals"), findings);
    if environment.approval == ApprovalRule::Required {
        findings.require(
            !environment.roles.approver.is_empty(),
            at.key("roles").key("approver"),
            "approval is required here, and nobody may approve",
            "Name user groups (S…) or people (U…) who may.",
        );
    }
}

fn check_roles(roles: &Roles, at: &KeyPath, findings: &mut Findings) {
    for role in Role::ALL {
        check_principals(roles.of(role), &at.key(role.word()), findings);
    }
    findings.require(
        !roles.responder.is_empty(),
        at.key("responder"),
        "nobody could roll back in an incident",
        "Name who may, or \"everyone\".",
    );
    for (command, principals) in &roles.commands {
        let key = at.key("commands").key(command);
        findings.require(
            Command::WITH_ROLE.contains(&command.as_str()),
            key.clone(),
            "this is no command that takes a role",
            format!(
                "These are: {}. Who approves is said by `approver` and by approvals.",
                Command::WITH_ROLE.join(", ")
            ),
        );
        check_given(principals, &key, findings);
    }
}

fn check_approvals(environment: &Environment, at: &KeyPath, findings: &mut Findings) {
    let Approvals { needed, expires, by_requester, overriders, commands, approve: _, step_up: _ } =
        &environment.approvals;
    check_needed(*needed, &environment.roles.approver, at.key("needed"), findings);
    findings.require(
        (MIN_EXPIRES..=MAX_EXPIRES).contains(expires),
        at.key("expires"),
        "a question stands for a minute at least and for a day at most",
        "Write a time like 30m.",
    );
    check_principals(overriders, &at.key("override"), findings);
    for (index, command) in by_requester.iter().enumerate() {
        check_approved_command(command, &at.key("by_requester").index(index), findings);
    }
    for (command, own) in commands {
        let key = at.key("commands").key(command);
        check_approved_command(command, &key, findings);
        if let Some(by) = &own.by {
            check_given(by, &key.key("by"), findings);
        }
        if own.needed.is_some() || own.by.is_some() {
            let place = if own.needed.is_some() { key.key("needed") } else { key.key("by") };
            check_needed(environment.approvals_needed(command), environment.approvers(command), place, findings);
        }
    }
}

/// Where only people are listed, it is known whether they are enough.
fn check_needed(needed: u32, approvers: &[Principal], at: KeyPath, findings: &mut Findings) {
    findings.require(
        (1..=MAX_NEEDED).contains(&needed),
        at.clone(),
        format!("an approval takes from 1 to {MAX_NEEDED} people"),
        "Where none is to be needed, say approval = \"none\".",
    );
    let people: BTreeSet<&str> = approvers.iter().filter_map(Principal::user).collect();
    let only_people = !approvers.is_empty() && approvers.iter().all(|principal| principal.user().is_some());
    findings.require(
        !only_people || people.len() >= needed as usize,
        at,
        format!("so many people have to approve, and only {} may", people.len()),
        "Name more people, or ask for fewer.",
    );
}

/// Notes it when `command` is none that is approved. Safeguards are asked for the same.
pub(super) fn check_approved_command(command: &str, at: &KeyPath, findings: &mut Findings) {
    let approved = || Command::ACTING.into_iter().filter(|acting| *acting != "rollback");
    findings.require(
        approved().any(|known| known == command),
        at.clone(),
        match command {
            "rollback" => "a rollback waits for no approval and no safeguard".to_owned(),
            _ => "this is no command that acts".to_owned(),
        },
        format!("These are: {}.", approved().collect::<Vec<_>>().join(", ")),
    );
}

fn check_given(principals: &[Principal], at: &KeyPath, findings: &mut Findings) {
    findings.require(!principals.is_empty(), at.clone(), "nobody is named", "Name who may, or remove it.");
    check_principals(principals, at, findings);
}

fn check_principals(principals: &[Principal], at: &KeyPath, findings: &mut Findings) {
    for (index, principal) in principals.iter().enumerate() {
        findings.require(
            principal.is_everyone() || is_id(&principal.0, &['S', 'U', 'W']),
            at.index(index),
            "this is neither \"everyone\" nor the id of a user group or a person",
            "Write ids: S0123ABCD for a user group, U0123ABCD for a person; Slack shows them in the profile.",
        );
        let again = principals[..index].contains(principal);
        findings.require(!again, at.index(index), format!("`{}` is named twice", principal.0), "Remove one.");
    }
}
