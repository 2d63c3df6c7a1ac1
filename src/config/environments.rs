//! What makes the environments sound: names that can be typed without doubt, shapes that AWS accepts, waits that end.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::is_web_url;
use super::problem::{Findings, KeyPath};
use super::{deploy, roles, safeguards, smoke, window};
use crate::command::WORDS;
use crate::domain::{Environment, Partition, Rule, Waits, global_arn};

/// The longest wait: a run that takes longer than this is a mistake in writing.
pub(super) const MAX_WAIT: SignedDuration = SignedDuration::from_hours(7 * 24);
/// The longest name of a rule in EventBridge.
const MAX_RULE_CHARS: usize = 64;

/// Notes what is wrong with them.
pub(super) fn check(environments: &BTreeMap<String, Environment>, findings: &mut Findings) {
    let at = KeyPath::from("environments");
    findings.require(
        !environments.is_empty(),
        at.clone(),
        "there is no environment",
        "Add a table [environments.dev].",
    );
    for (name, environment) in environments {
        let at = at.key(name);
        check_name(name, &at, findings);
        check_shapes(environment, &at, findings);
        check_rules(environment, environments, &at.key("rules"), findings);
        check_waits(&environment.waits, &at.key("waits"), findings);
        roles::check(environment, &at, findings);
        safeguards::check(environment, environments, &at, findings);
        if let Some(deploy) = &environment.deploy {
            deploy::check(deploy, &at.key("deploy"), findings);
        }
        if let Some(smoke) = &environment.smoke {
            smoke::check(smoke, &at.key("smoke"), findings);
        }
        if let Some(window) = &environment.window {
            window::check(window, &at.key("window"), findings);
        }
    }
}

fn check_name(name: &str, at: &KeyPath, findings: &mut Findings) {
    findings.require(
        is_typable(name, b"-"),
        at.clone(),
        "this name cannot be typed in a command",
        "Use lower-case letters, digits and dashes, such as dev.",
    );
    findings.require(
        !WORDS.contains(&name) && name != "all",
        at.clone(),
        format!("`{name}` is a word of Alch's commands"),
        "Give the environment another name.",
    );
}

fn check_shapes(environment: &Environment, at: &KeyPath, findings: &mut Findings) {
    if let Some(account) = &environment.account {
        findings.require(
            is_account(account),
            at.key("account"),
            "an AWS account has twelve digits",
            "Write them in quotes; leading zeros count.",
        );
    }
    findings.require(
        is_region(&environment.region),
        at.key("region"),
        format!("`{}` is not an AWS region", environment.region),
        "Write it like us-east-1.",
    );
    for (key, role) in [("role_arn", &environment.role_arn), ("reader_role_arn", &environment.reader_role_arn)] {
        if let Some(role) = role {
            check_role(role, at.key(key), environment, findings);
        }
    }
    findings.require(
        environment.reader_role_arn.is_none() || environment.role_arn.is_some(),
        at.key("reader_role_arn"),
        "there is a role for reading and none for acting",
        "Add role_arn, or leave this out.",
    );
    for (key, value) in [
        ("stack", &environment.stack),
        ("bus", &environment.bus),
        ("function", &environment.function),
        ("archive", &environment.archive),
        ("alarm_topic", &environment.alarm_topic),
    ] {
        check_resource(value, at.key(key), findings);
    }
    let table = at.key("table");
    check_resource(&environment.table.name, table.key("name"), findings);
    check_resource(&environment.table.key, table.key("key"), findings);
    check_resource(&environment.table.ttl_attribute, table.key("ttl_attribute"), findings);
    findings.require(
        !environment.dlqs.is_empty(),
        at.key("dlqs"),
        "no dead-letter queue is named",
        "Name the rules' own first; a gate compares how many messages are in it.",
    );
    check_names(&environment.dlqs, &at.key("dlqs"), findings);
    check_names(&environment.alarms, &at.key("alarms"), findings);
    if let Some(url) = &environment.dashboard_url {
        let mend = "Write it like https://…, without a password in it.";
        findings.require(is_web_url(url), at.key("dashboard_url"), "this is not a URL", mend);
    }
}

fn check_role(role: &str, at: KeyPath, environment: &Environment, findings: &mut Findings) {
    let partition = Partition::of_region(&environment.region);
    let Some((of_role, account)) = role_parts(role) else {
        let mend = format!("Write it like {}.", global_arn(&environment.region, "123456789012", "iam", "role/alch"));
        findings.add(at, "this is not the ARN of a role", mend);
        return;
    };
    if let Some(configured) = &environment.account {
        findings.require(
            account == configured,
            at.clone(),
            "this role belongs to another account than `account` says",
            "Mend one of the two.",
        );
    }
    findings.require(
        of_role == partition.id(),
        at,
        format!("this role is of the partition {of_role}, and the region {} is of {partition}", environment.region),
        "Mend one of the two: no role is known in another partition.",
    );
}

fn check_resource(name: &str, at: KeyPath, findings: &mut Findings) {
    // No AWS name has others; these go into command lines and messages as they are.
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
    let fine = !name.is_empty() && name.bytes().all(allowed);
    findings.require(fine, at, "this is not the name of a resource", "Write the plain name, neither an ARN nor a URL.");
}

fn check_names(names: &[String], at: &KeyPath, findings: &mut Findings) {
    for (index, name) in names.iter().enumerate() {
        let key = at.index(index);
        // Alarms may have spaces in their names.
        findings.require(!name.trim().is_empty(), key.clone(), "this name is empty", "Remove it.");
        findings.require(!names[..index].contains(name), key, format!("`{name}` is named twice"), "Remove one.");
    }
}

fn check_rules(
    environment: &Environment,
    environments: &BTreeMap<String, Environment>,
    at: &KeyPath,
    findings: &mut Findings,
) {
    let rules = &environment.rules;
    let mend = "Add [[environments.….rules]] with `name` and `rule`, in the order in which they are enabled.";
    findings.require(!rules.is_empty(), at.clone(), "there are no rules to look after", mend);
    for (index, rule) in rules.iter().enumerate() {
        let at = at.index(index);
        findings.require(
            is_typable(&rule.name, b"-_."),
            at.key("name"),
            "this name cannot be typed in a command",
            "Use lower-case letters, digits, dashes, dots and underscores, such as signal-generated.",
        );
        findings.require(rule.name != "all", at.key("name"), "`all` means every rule", "Give the rule another name.");
        findings.require(
            (1..=MAX_RULE_CHARS).contains(&rule.rule.len())
                && rule.rule.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)),
            at.key("rule"),
            "this is not the name of an EventBridge rule",
            "It has up to 64 letters, digits, dashes, dots and underscores.",
        );
        for (key, name) in [("name", &rule.name), ("rule", &rule.rule)] {
            if let Some(twin) = rules[..index].iter().find(|earlier| speaks_of(earlier, name)) {
                let problem = format!("`{name}` is named twice: rule `{}` has it already", twin.name);
                findings.add(at.key(key), problem, "Give each rule a name of its own.");
            }
            findings.require(
                !environments.contains_key(&name.to_lowercase()),
                at.key(key),
                format!(
                    "`{name}` is the name of an environment too, and rule and environment may be typed in any order"
                ),
                "Give the rule another short name, or the environment.",
            );
        }
    }
}

fn speaks_of(rule: &Rule, name: &str) -> bool {
    rule.name.eq_ignore_ascii_case(name) || rule.rule.eq_ignore_ascii_case(name)
}

fn check_waits(waits: &Waits, at: &KeyPath, findings: &mut Findings) {
    for (key, wait) in [
        ("after_enable", waits.after_enable),
        ("poll", waits.poll),
        ("settle", waits.settle),
        ("unknown_grace", waits.unknown_grace),
        ("lookback", waits.lookback),
        ("recent", waits.recent),
        ("answer", waits.answer),
    ] {
        findings.require(
            wait.is_positive(),
            at.key(key),
            "this is no time to wait",
            "Write a time above zero, such as 2m.",
        );
        findings.require(
            wait <= MAX_WAIT,
            at.key(key),
            "this is longer than a week",
            "Write a time like 90s, 2m or 1h.",
        );
    }
    findings.require(
        !waits.after_enable.is_positive() || waits.poll <= waits.after_enable,
        at.key("poll"),
        "this is longer than the wait itself (after_enable)",
        "Look at least once during the wait.",
    );
}

/// Begins and ends with a letter or digit: marks around a word are taken for Slack's.
fn is_typable(name: &str, marks: &[u8]) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let edges = [name.bytes().next(), name.bytes().next_back()];
    edges.into_iter().all(|edge| edge.is_some_and(inner))
        && name.bytes().all(|byte| inner(byte) || marks.contains(&byte))
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [area, middle @ .., number] = parts.as_slice() else { return false };
    let letters = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    area.len() == 2
        && letters(area)
        && (1..=2).contains(&middle.len())
        && middle.iter().all(letters)
        && (1..=2).contains(&number.len())
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// Partition and account of a role's ARN.
fn role_parts(arn: &str) -> Option<(&str, &str)> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", partition, "iam", "", account, role] = parts.as_slice() else { return None };
    let role = role.strip_prefix("role/")?;
    (partition.starts_with("aws") && is_account(account) && !role.is_empty()).then_some((*partition, *account))
}
