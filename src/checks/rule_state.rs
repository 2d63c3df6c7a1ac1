//! The states of rules as a monitor tells them: a rule that somebody turns on or off meanwhile is news, and no failure.

use std::collections::BTreeMap;

use crate::domain::{Check, Environment, Evidence, Facts, RuleState, Verdict};

use super::Reading;

/// The beginning of these checks' names: a change of their value is told.
pub const RULE_STATE: &str = "state";

/// One check a rule: as it was at the beginning, or not. `listed` has the states by the rule's name in EventBridge.
pub fn checks(environment: &Environment, before: &Facts, listed: &Reading<BTreeMap<String, RuleState>>) -> Vec<Check> {
    let check = |rule: &crate::domain::Rule| {
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
        Check {
            name: format!("{RULE_STATE}:{}", rule.name),
            title: format!("State of {}", rule.name),
            verdict,
            value,
            limit: String::new(),
            reason,
            evidence: Evidence {
                query: format!("ListRules on {}", environment.bus),
                request_ids,
                ..Evidence::default()
            },
        }
    };
    environment.rules.iter().map(check).collect()
}
