//! The alarms' topic: have an address subscribed until it is confirmed, and publish a test to whoever is.

use jiff::SignedDuration;

use super::step;
use crate::domain::{Effect, Environment, Step, StepKind};

/// Between two looks whether a link was followed: nobody waits for the answer by the second.
const LOOK: SignedDuration = SignedDuration::from_mins(5);
/// SNS waits two days for that; what is pending after them has lapsed, which a look finds.
const PATIENCE: SignedDuration = SignedDuration::from_hours(50);
/// A test is over when it is published.
const AT_ONCE: SignedDuration = SignedDuration::from_mins(1);

/// One address is asked to subscribe, and waited for.
pub(super) fn subscribe(endpoint: &str, environment: &Environment) -> Vec<Step> {
    let effect = Effect::Subscribe { topic: environment.alarm_topic.clone(), endpoint: endpoint.to_owned() };
    vec![step("subscribe", StepKind::Effect { effect, poll: LOOK, patience: PATIENCE })]
}

/// One test is published.
pub(super) fn test(environment: &Environment) -> Vec<Step> {
    let effect = Effect::TestAlarm { topic: environment.alarm_topic.clone() };
    vec![step("test-alarm", StepKind::Effect { effect, poll: AT_ONCE, patience: AT_ONCE })]
}
