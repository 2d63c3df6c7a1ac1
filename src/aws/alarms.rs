//! CloudWatch: the states of alarms, asked for by name.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::types::{AlarmType, Dimension, MetricAlarm, StateValue};
use aws_smithy_types::DateTime;

use crate::checks::facts::{AlarmFact, AlarmMetric};
use crate::domain::{AlarmState, AlarmStatus};

use super::metrics::timestamp;
use super::operation::DESCRIBE_ALARMS;
use super::rules::ids;
use super::{Answer, Aws, AwsError, Operation};

/// CloudWatch's limit on the names of one call.
const NAMES_PER_CALL: usize = 100;
/// Pages of one call's answer before it is called endless.
const MAX_PAGES: usize = 20;

impl Aws {
    /// The alarms of these names, metric and composite ones alike (DescribeAlarms). Those that do not exist are absent.
    pub async fn alarms(&self, names: &[String]) -> Result<BTreeMap<String, AlarmStatus>, AwsError> {
        self.read_alarms(names).await.map(|answer| answer.value)
    }

    pub(crate) async fn read_alarms(
        &self,
        names: &[String],
    ) -> Result<Answer<BTreeMap<String, AlarmStatus>>, AwsError> {
        let Answer { value, request_ids } = self.read_alarm_facts(names).await?;
        Ok(Answer { value: value.into_iter().map(|(name, fact)| (name, fact.status)).collect(), request_ids })
    }

    /// The same with what they watch and whom they tell.
    pub(crate) async fn read_alarm_facts(
        &self,
        names: &[String],
    ) -> Result<Answer<BTreeMap<String, AlarmFact>>, AwsError> {
        let mut all = Answer { value: BTreeMap::new(), request_ids: Vec::new() };
        // No names would mean all alarms of the account.
        for names in names.chunks(NAMES_PER_CALL) {
            self.read_alarm_pages(names, &mut all).await?;
        }
        Ok(all)
    }

    async fn read_alarm_pages(
        &self,
        names: &[String],
        all: &mut Answer<BTreeMap<String, AlarmFact>>,
    ) -> Result<(), AwsError> {
        let mut next = None;
        for _ in 0..MAX_PAGES {
            let page = self
                .clients()
                .cloudwatch
                .describe_alarms()
                .set_alarm_names(Some(names.to_vec()))
                .alarm_types(AlarmType::MetricAlarm)
                .alarm_types(AlarmType::CompositeAlarm)
                .max_records(100)
                .set_next_token(next)
                .send()
                .await
                .map_err(|error| AwsError::from_sdk(DESCRIBE_ALARMS, &error))?;
            all.request_ids.extend(ids(&page));
            for alarm in page.metric_alarms() {
                let Some(name) = alarm.alarm_name() else { continue };
                let fact = AlarmFact {
                    status: status(name, alarm.state_value(), alarm.state_reason(), alarm.state_updated_timestamp())?,
                    actions_enabled: are_enabled(alarm.actions_enabled()),
                    actions: alarm.alarm_actions().to_vec(),
                    metrics: watched(alarm),
                };
                all.value.insert(name.to_owned(), fact);
            }
            for alarm in page.composite_alarms() {
                let Some(name) = alarm.alarm_name() else { continue };
                let fact = AlarmFact {
                    status: status(name, alarm.state_value(), alarm.state_reason(), alarm.state_updated_timestamp())?,
                    actions_enabled: are_enabled(alarm.actions_enabled()),
                    actions: alarm.alarm_actions().to_vec(),
                    metrics: Vec::new(),
                };
                all.value.insert(name.to_owned(), fact);
            }
            next = page.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
            if next.is_none() {
                return Ok(());
            }
        }
        Err(AwsError::other(DESCRIBE_ALARMS, "TooManyPages", "the listing did not end"))
    }
}

/// CloudWatch says it of each alarm; whatever leaves it out means the value that alarms have by themselves.
fn are_enabled(told: Option<bool>) -> bool {
    told.unwrap_or(true)
}

/// The metrics that an alarm watches: its own one, or those of its expression.
fn watched(alarm: &MetricAlarm) -> Vec<AlarmMetric> {
    let metric = |namespace: Option<&str>, name: Option<&str>, dimensions: &[Dimension]| {
        let dimension = |one: &Dimension| Some((one.name()?.to_owned(), one.value()?.to_owned()));
        Some(AlarmMetric {
            namespace: namespace?.to_owned(),
            name: name?.to_owned(),
            dimensions: dimensions.iter().filter_map(dimension).collect(),
        })
    };
    let own = metric(alarm.namespace(), alarm.metric_name(), alarm.dimensions());
    let of_expression = alarm.metrics().iter().filter_map(|query| query.metric_stat()?.metric());
    let of_expression = of_expression.filter_map(|one| metric(one.namespace(), one.metric_name(), one.dimensions()));
    own.into_iter().chain(of_expression).collect()
}

/// CloudWatch's state of an alarm as ours.
pub(super) fn alarm_state(
    operation: &'static Operation,
    alarm: &str,
    state: Option<&StateValue>,
) -> Result<AlarmState, AwsError> {
    match state {
        Some(StateValue::Ok) => Ok(AlarmState::Ok),
        Some(StateValue::Alarm) => Ok(AlarmState::Alarm),
        Some(StateValue::InsufficientData) => Ok(AlarmState::InsufficientData),
        other => {
            let state = other.map_or("none", StateValue::as_str);
            Err(AwsError::other(operation, "UnknownState", format!("the state is {state}")).about(alarm))
        }
    }
}

fn status(
    name: &str,
    state: Option<&StateValue>,
    reason: Option<&str>,
    since: Option<&DateTime>,
) -> Result<AlarmStatus, AwsError> {
    let state = alarm_state(DESCRIBE_ALARMS, name, state)?;
    Ok(AlarmStatus { state, reason: reason.unwrap_or_default().to_owned(), since: since.and_then(timestamp) })
}
