//! What makes safeguards sound, the environment that versions come from, and those who are told.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use super::environments::MAX_WAIT;
use super::problem::{Findings, KeyPath};
use super::roles::check_approved_command;
use super::slack::is_id;
use crate::domain::{Environment, Notify, Safeguards};

/// The shortest and the longest time that a notice may take.
const PATIENCE: (SignedDuration, SignedDuration) = (SignedDuration::from_secs(10), SignedDuration::from_hours(1));
/// The longest name of an SNS topic.
const MAX_TOPIC_CHARS: usize = 256;

/// Notes what is wrong with them.
pub(super) fn check(
    environment: &Environment,
    environments: &BTreeMap<String, Environment>,
    at: &KeyPath,
    findings: &mut Findings,
) {
    check_safeguards(environment, &at.key("safeguards"), findings);
    check_promotion(environment, environments, &at.key("promote_from"), findings);
    check_notify(&environment.notify, &at.key("notify"), findings);
}

fn check_safeguards(environment: &Environment, at: &KeyPath, findings: &mut Findings) {
    let Safeguards { soak, one_rule_per, watch_after, rehearsal, commands } = &environment.safeguards;
    for (key, time) in
        [("soak", soak), ("one_rule_per", one_rule_per), ("watch_after", watch_after), ("rehearsal", rehearsal)]
    {
        findings.require(
            time.is_none_or(|time| time.is_positive()),
            at.key(key),
            "this is no time",
            "Write a time above zero, such as 24h, or remove it: then the safeguard is not asked for.",
        );
    }
    for (key, time) in [("one_rule_per", one_rule_per), ("watch_after", watch_after)] {
        findings.require(
            time.is_none_or(|time| time <= MAX_WAIT),
            at.key(key),
            "this is longer than a week",
            "Write a time like 1h.",
        );
    }
    for (key, time) in [("soak", soak), ("rehearsal", rehearsal)] {
        findings.require(
            time.is_none() || environment.promote_from.is_some(),
            at.key(key),
            "there is no environment in which that could be shown",
            "Name it in promote_from, or remove this.",
        );
    }
    for (index, command) in commands.iter().enumerate() {
        check_approved_command(command, &at.key("commands").index(index), findings);
    }
}

fn check_promotion(
    environment: &Environment,
    environments: &BTreeMap<String, Environment>,
    at: &KeyPath,
    findings: &mut Findings,
) {
    let Some(from) = &environment.promote_from else { return };
    if *from == environment.name {
        findings.add(at.clone(), "nothing is promoted from where it is", "Name another environment.");
        return;
    }
    let Some(other) = environments.get(from) else {
        let known: Vec<&str> = environments.keys().map(String::as_str).collect();
        let mend = format!("Known here: {}.", known.join(", "));
        findings.add(at.clone(), format!("there is no environment `{from}`"), mend);
        return;
    };
    let names = |environment: &Environment| {
        environment.rules.iter().map(|rule| rule.name.clone()).collect::<BTreeSet<String>>()
    };
    let (here, there) = (names(environment), names(other));
    let only: Vec<&str> = here.symmetric_difference(&there).map(String::as_str).collect();
    findings.require(
        only.is_empty(),
        at.clone(),
        format!("`{from}` has other rules: {} is in one of the two only", only.join(", ")),
        "Give the rules the same short names in both.",
    );
}

fn check_notify(notify: &Notify, at: &KeyPath, findings: &mut Findings) {
    for (index, id) in notify.slack.iter().enumerate() {
        let key = at.key("slack").index(index);
        findings.require(
            is_id(id, &['C', 'G', 'D', 'U', 'W']),
            key.clone(),
            "this is not the id of a channel or a person",
            "Write ids: C0123ABCD for a channel, U0123ABCD for a person.",
        );
        findings.require(!notify.slack[..index].contains(id), key, format!("`{id}` is named twice"), "Remove one.");
    }
    if let Some(topic) = &notify.topic {
        findings.require(
            is_topic(topic),
            at.key("topic"),
            "this is neither the name nor the ARN of an SNS topic",
            "Write it like alarms-prod, or arn:aws:sns:us-east-1:123456789012:alarms-prod.",
        );
    }
    findings.require(
        (PATIENCE.0..=PATIENCE.1).contains(&notify.patience),
        at.key("patience"),
        "a notice may take ten seconds at least and an hour at most",
        "Write a time like 10m.",
    );
}

fn is_topic(text: &str) -> bool {
    let is_name = |name: &str| {
        let plain = name.strip_suffix(".fifo").unwrap_or(name);
        (1..=MAX_TOPIC_CHARS).contains(&name.len())
            && !plain.is_empty()
            && plain.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    match text.split(':').collect::<Vec<_>>().as_slice() {
        [name] => is_name(name),
        ["arn", partition, "sns", region, account, name] => {
            partition.starts_with("aws")
                && !region.is_empty()
                && account.len() == 12
                && account.bytes().all(|byte| byte.is_ascii_digit())
                && is_name(name)
        }
        _ => false,
    }
}
