//! Enable rules progressively: one at a time, each watched and gated before the next.

use super::{NoPlan, set_rule, step};
use crate::domain::{Command, Environment, Facts, Rule, RuleState, Step, StepKind};

/// The steps for these rules, in the order given.
pub(super) fn steps(
    command: &Command,
    rules: Vec<&Rule>,
    facts: &Facts,
    environment: &Environment,
) -> Result<Vec<Step>, NoPlan> {
    // Where everything is watched on after the last rule, it is watched along until then.
    let on = environment.safeguards.watch_after.is_some() && environment.asks_safeguards(command.name());
    let mut steps = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        steps.push(set_rule(rule, RuleState::Enabled, facts, environment)?);
        steps.push(step(
            &format!("watch:{}", rule.name),
            StepKind::Watch {
                rule: (*rule).clone(),
                lasting: environment.waits.after_enable,
                poll: environment.waits.poll,
                also: if on { rules[..index].iter().map(|rule| (*rule).clone()).collect() } else { Vec::new() },
            },
        ));
        steps.push(step(
            &format!("gate:{}", rule.name),
            StepKind::Gate {
                rule: (*rule).clone(),
                settle: environment.waits.settle,
                on_inconclusive: environment.on_inconclusive,
            },
        ));
    }
    Ok(steps)
}
