//! CloudWatch: what the states of alarms were before now.

use aws_sdk_cloudwatch::types::{AlarmHistoryItem, AlarmType, HistoryItemType, ScanBy, StateValue};
use aws_smithy_types::DateTime;
use futures_util::future::try_join_all;
use jiff::Timestamp;
use serde_json::Value;

use crate::domain::AlarmChange;

use super::alarms::alarm_state;
use super::metrics::timestamp;
use super::operation::DESCRIBE_ALARM_HISTORY;
use super::{Aws, AwsError};

/// Pages of one alarm's history before it is called endless: 5000 changes.
const MAX_PAGES: usize = 50;
/// Alarms that are asked about at the same time. CloudWatch allows few of these calls a second.
const AT_ONCE: usize = 4;

impl Aws {
    /// The changes of these alarms' states since a time, inclusive, oldest first (DescribeAlarmHistory, StateUpdate, all
    /// pages). Metric and composite alarms alike; of one that never existed there are none, and that it is gone is for
    /// [`Aws::alarms`] to find. CloudWatch forgets what is older than 30 days.
    ///
    /// An entry that cannot be read is an error: left out, it would look as if nothing had happened.
    pub async fn alarm_changes(&self, alarms: &[String], since: Timestamp) -> Result<Vec<AlarmChange>, AwsError> {
        let mut all = Vec::new();
        for alarms in alarms.chunks(AT_ONCE) {
            let histories = try_join_all(alarms.iter().map(|alarm| self.history_of(alarm, since))).await?;
            all.extend(histories.into_iter().flatten().filter(|change| change.at >= since));
        }
        // Stable: of one alarm's changes in the same moment, the order is CloudWatch's.
        all.sort_by_key(|change: &AlarmChange| change.at);
        Ok(all)
    }

    async fn history_of(&self, alarm: &str, since: Timestamp) -> Result<Vec<AlarmChange>, AwsError> {
        let mut all = Vec::new();
        let mut next = None;
        for _ in 0..MAX_PAGES {
            let page = self
                .clients()
                .cloudwatch
                .describe_alarm_history()
                .alarm_name(alarm)
                // Without types, CloudWatch tells of metric alarms only.
                .alarm_types(AlarmType::MetricAlarm)
                .alarm_types(AlarmType::CompositeAlarm)
                .history_item_type(HistoryItemType::StateUpdate)
                .start_date(DateTime::from_secs(since.as_second()))
                .scan_by(ScanBy::TimestampAscending)
                .max_records(100)
                .set_next_token(next)
                .send()
                .await
                .map_err(|error| AwsError::from_sdk(DESCRIBE_ALARM_HISTORY, &error).about(alarm))?;
            // Should there be more than was asked for: what else a history tells of is not about states.
            let updates = page
                .alarm_history_items()
                .iter()
                .filter(|item| item.history_item_type().is_none_or(|kind| *kind == HistoryItemType::StateUpdate));
            for item in updates {
                all.push(change(alarm, item)?);
            }
            next = page.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
            if next.is_none() {
                return Ok(all);
            }
        }
        Err(AwsError::other(DESCRIBE_ALARM_HISTORY, "TooManyPages", "the listing did not end").about(alarm))
    }
}

/// The state stands in `HistoryData`, a JSON text: `{"oldState": {"stateValue": …}, "newState": {"stateValue": …}}`.
fn change(alarm: &str, item: &AlarmHistoryItem) -> Result<AlarmChange, AwsError> {
    let unreadable =
        |what: &str| AwsError::other(DESCRIBE_ALARM_HISTORY, "UnreadableHistory", what.to_owned()).about(alarm);
    let at = item.timestamp().and_then(timestamp).ok_or_else(|| unreadable("an entry has no time"))?;
    let history: Value = item
        .history_data()
        .and_then(|text| serde_json::from_str(text).ok())
        .ok_or_else(|| unreadable("an entry does not say what happened"))?;
    let state = history["newState"]["stateValue"].as_str().map(StateValue::from);
    let to = alarm_state(DESCRIBE_ALARM_HISTORY, alarm, state.as_ref())?;
    Ok(AlarmChange { alarm: alarm.to_owned(), at, to })
}
