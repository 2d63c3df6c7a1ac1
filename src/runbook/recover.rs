//! Bring a stack out of a failed update: what helps depends on the state that it is in.

use jiff::SignedDuration;

use super::{NoPlan, step};
use crate::domain::{Effect, Environment, Facts, Step, StepKind};

const POLL: SignedDuration = SignedDuration::from_secs(5);
const PATIENCE: SignedDuration = SignedDuration::from_hours(1);

/// The one step, where anything but a deletion helps.
pub(super) fn steps(facts: &Facts, environment: &Environment) -> Result<Vec<Step>, NoPlan> {
    let stack = &environment.stack;
    let Some(status) = &facts.stack_status else {
        return Err(NoPlan::Because(format!("there is no stack {stack}")));
    };
    match status.as_str() {
        "UPDATE_ROLLBACK_FAILED" | "UPDATE_FAILED" | "CREATE_FAILED" => {}
        "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "DELETE_FAILED" => {
            return Err(NoPlan::Because(format!(
                "{stack} is {status}: only deleting it helps, which Alch never does. Delete it in the CloudFormation \
                 console and deploy it anew"
            )));
        }
        _ => return Err(NoPlan::Because(format!("{stack} is {status}: there is nothing to bring it out of"))),
    }
    let effect = Effect::RecoverStack { stack: stack.clone(), status: status.clone() };
    Ok(vec![step("recover", StepKind::Effect { effect, poll: POLL, patience: PATIENCE })])
}
