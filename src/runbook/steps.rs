//! What the acting steps do to AWS: apply, settle and undo. Each says how a repeat is made harmless. Here rules; the
//! effects of other steps are in [`effects`].

pub mod effects;
mod function;
mod keep;
mod redrive;
pub mod replay;
mod sam;
pub mod smoke;
mod stack;
mod topic;

use std::time::{Duration, Instant};

use crate::aws::{Aws, AwsError};
use crate::domain::{Change, Held, Rule, RuleState};
use crate::sam::StartError;

/// How often a state is read back before it is taken to be what it reads.
const READ_BACKS: u32 = 10;
/// Between two read-backs: EventBridge shows a change after a short while.
const READ_BACK_GAP: Duration = Duration::from_millis(300);

/// Why an act is not known to have been done.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// AWS refused or could not be asked.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// A program could not be started.
    #[error(transparent)]
    NotStarted(#[from] StartError),
    /// The world does not allow it; nothing was done. The text is for people.
    #[error("{0}")]
    Refused(String),
    /// AWS accepted it, but goes on reading otherwise, as it may for some seconds.
    #[error("AWS accepted the change, but {rule} still reads {state} after {waited_ms} ms")]
    NotSeen {
        /// The rule's short name.
        rule: String,
        /// What it reads.
        state: &'static str,
        /// For how long it was read again.
        waited_ms: u128,
    },
}

/// What a rule reads now, and the change that has to be made to it.
#[derive(Debug)]
pub struct Found {
    /// The state read.
    pub state: RuleState,
    started: Instant,
}

/// Reads the rule (EventBridge `DescribeRule`). Changes nothing.
///
/// # Errors
/// When AWS cannot be asked.
pub async fn find(aws: &Aws, bus: &str, rule: &Rule) -> Result<Found, AwsError> {
    let started = Instant::now();
    let fact = aws.describe_rule(bus, &rule.rule).await?;
    Ok(Found { state: fact.state, started })
}

/// Sets the rule's state (EventBridge `EnableRule`, `DisableRule`, with the bus's name) and reads it back.
///
/// Harmless to repeat: setting a state that is there already changes nothing.
///
/// # Errors
/// When AWS refuses, cannot be asked, or does not show the change.
pub async fn set(
    aws: &Aws,
    held: &Held<'_>,
    bus: &str,
    rule: &Rule,
    found: &Found,
    to: RuleState,
) -> Result<Change, ActError> {
    let request_ids = if to.is_enabled() {
        aws.enable_rule(held, bus, &rule.rule).await?
    } else {
        aws.disable_rule(held, bus, &rule.rule).await?
    };
    let asked = Instant::now();
    let mut state = found.state;
    for attempt in 0..READ_BACKS {
        if attempt > 0 {
            tokio::time::sleep(READ_BACK_GAP).await;
        }
        state = aws.describe_rule(bus, &rule.rule).await?.state;
        if state.is_enabled() == to.is_enabled() {
            return Ok(Change {
                from: found.state,
                to: state,
                changed: true,
                request_ids,
                elapsed_ms: u64::try_from(found.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            });
        }
    }
    Err(ActError::NotSeen { rule: rule.name.clone(), state: state.word(), waited_ms: asked.elapsed().as_millis() })
}
