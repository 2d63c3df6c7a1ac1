//! CloudWatch: the states of alarms, asked for by name.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::types::{AlarmType, StateValue};
use aws_smithy_types::DateTime;

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
        all: &mut Answer<BTreeMap<String, AlarmStatus>>,
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
            let metric = page
                .metric_alarms()
                .iter()
                .map(|a| (a.alarm_name(), a.state_value(), a.state_reason(), a.state_updated_timestamp()));
            let composite = page
                .composite_alarms()
                .iter()
                .map(|a| (a.alarm_name(), a.state_value(), a.state_reason(), a.state_updated_timestamp()));
            for (name, state, reason, since) in metric.chain(composite) {
                let Some(name) = name else { continue };
                all.value.insert(name.to_owned(), status(name, state, reason, since)?);
            }
            next = page.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
            if next.is_none() {
                return Ok(());
            }
        }
        Err(AwsError::other(DESCRIBE_ALARMS, "TooManyPages", "the listing did not end"))
    }
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
