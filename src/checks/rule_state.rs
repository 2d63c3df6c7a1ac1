//! The states of rules. As a monitor tells them, a rule that somebody turns on or off meanwhile is news, and no failure; as a
//! gate takes them, a rule that is not on any more is one.

use std::collections::BTreeMap;

use crate::domain::{Check, Environment, Evidence, Facts, Rule, RuleState, Verdict};

use super::Reading;

/// The beginning of these checks' names: a change of their value is told.
pub const RULE_STATE: &str = "state";

/// One check a rule: as it was at the beginning, or not. `listed` has the states by the rule's name in EventBridge.
pub fn checks(environment: &Environment, before: &Facts, listed: &Reading<BTreeMap<String, RuleState>>) -> Vec<Check> {
    let told = |rule: &Rule| {
        let began = before.rules.get(&rule.name).map(|fact| fact.state);
        let (verdict, value, reason, request_ids) = match listed {
            Err(why) => (Verdict::Unknown, String::new(), format!("Could not be asked: {why}"), Vec::new()),
            Ok(answer) => {
                let ids = answer.request_ids.clone();
                match answer.value.get(&rule.rule) {
                    None => {
                        (Verdict::Fail, "missing".to_owned(), "The rule is gone. Deploy the stack.".to_owned(), ids)
                    }
                    Some(state) => {
                        let moved = began.is_some_and(|began| began.is_enabled() != state.is_enabled());
                        let reason = if moved { "Somebody has changed it meanwhile." } else { "As at the beginning." };
                        (Verdict::Pass, state.word().to_owned(), reason.to_owned(), ids)
                    }
                }
            }
        };
        check(environment, rule, (verdict, value, reason), request_ids)
    };
    environment.rules.iter().map(told).collect()
}

/// A check for each of these rules that is not shown to be on: what is on is judged by its traffic.
pub fn not_on<'r>(
    environment: &Environment,
    rules: impl IntoIterator<Item = &'r Rule>,
    listed: &Reading<BTreeMap<String, RuleState>>,
) -> Vec<Check> {
    let told = |rule: &Rule| {
        let answer = match listed {
            Err(why) => {
                let found = (Verdict::Unknown, String::new(), format!("Could not be asked: {why}"));
                return Some(check(environment, rule, found, Vec::new()));
            }
            Ok(answer) => answer,
        };
        let found = match answer.value.get(&rule.rule) {
            Some(state) if state.is_enabled() => return None,
            Some(state) => {
                let reason = "Somebody has turned it off since: no event reaches its target. Find out who and why before it \
                              is enabled again.";
                (Verdict::Fail, state.word().to_owned(), reason.to_owned())
            }
            None => {
                let reason = "The rule is gone: somebody has deleted it, and no event reaches its target. Deploy the stack, \
                              which makes it anew.";
                (Verdict::Fail, "missing".to_owned(), reason.to_owned())
            }
        };
        Some(Check { limit: "enabled".to_owned(), ..check(environment, rule, found, answer.request_ids.clone()) })
    };
    rules.into_iter().filter_map(told).collect()
}

fn check(
    environment: &Environment,
    rule: &Rule,
    (verdict, value, reason): (Verdict, String, String),
    request_ids: Vec<String>,
) -> Check {
    let query = format!("ListRules on {}", environment.bus);
    Check {
        name: format!("{RULE_STATE}:{}", rule.name),
        title: format!("State of {}", rule.name),
        verdict,
        value,
        limit: String::new(),
        reason,
        evidence: Evidence { query, request_ids, ..Evidence::default() },
    }
}
