//! CloudWatch's operations on alarms.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::cloudwatch::dimension_values;
use super::faults::alarms_fault;
use super::input::Input;
use super::refusal::Refusal;
use super::serve::CallContext;
use super::state::{Alarm, State};

const RECORDS_DEFAULT: i64 = 50;
const HISTORY_DEFAULT: i64 = 100;

pub fn describe_alarms(state: &State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    let (names, prefix) = (input.texts("AlarmNames"), input.text("AlarmNamePrefix"));
    if !names.is_empty() && prefix.is_some() {
        return Err(input.wrong("AlarmNames and AlarmNamePrefix cannot be given together."));
    }
    let size = usize::try_from(input.number("MaxRecords", RECORDS_DEFAULT, 1..=100)?).unwrap_or(1);
    let types = input.texts("AlarmTypes");
    let wants_metric_alarms = types.is_empty() || types.contains(&"MetricAlarm");
    let mut alarms: Vec<&Alarm> = state
        .alarms
        .iter()
        .filter(|alarm| {
            wants_metric_alarms
                && call.sees(&alarm.place)
                && (names.is_empty() || names.contains(&alarm.name.as_str()))
                && prefix.is_none_or(|prefix| alarm.name.starts_with(prefix))
                && input.text("StateValue").is_none_or(|state| alarm.state.as_str() == state)
                && input.text("ActionPrefix").is_none_or(|prefix| alarm.topic_arn.starts_with(prefix))
        })
        .collect();
    alarms.sort_by(|one, other| one.name.cmp(&other.name));
    let (page, next) = input.page(alarms, "NextToken", size.min(call.page_max)).map_err(|refusal| Refusal {
        code: "InvalidNextToken",
        query_code: "InvalidNextToken",
        ..refusal
    })?;
    let alarms: Vec<Value> = page.into_iter().map(|alarm| alarm_value(state, alarm)).collect();
    let mut answer = json!({"MetricAlarms": alarms, "CompositeAlarms": []});
    if let Some(next) = next {
        answer["NextToken"] = json!(next);
    }
    Ok(answer)
}

pub fn describe_alarm_history(state: &State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    let size = usize::try_from(input.number("MaxRecords", HISTORY_DEFAULT, 1..=HISTORY_DEFAULT)?).unwrap_or(1);
    let [from, until] = ["StartDate", "EndDate"].map(|name| match input.value.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(_) => input.time(name).map(Some),
    });
    let (from, until) = (from?, until?);
    let newest_first = match input.text("ScanBy") {
        None | Some("TimestampDescending") => true,
        Some("TimestampAscending") => false,
        Some(other) => return Err(input.wrong(format!("{other} is no value of ScanBy."))),
    };
    let types = input.texts("AlarmTypes");
    let wants_metric_alarms = types.is_empty() || types.contains(&"MetricAlarm");
    let alarms = state.alarms.iter().filter(|alarm| {
        wants_metric_alarms && call.sees(&alarm.place) && input.text("AlarmName").is_none_or(|name| alarm.name == name)
    });
    let mut items: Vec<(f64, Value)> = alarms.flat_map(history_of).collect();
    items.retain(|(at, item)| {
        input.text("HistoryItemType").is_none_or(|kind| item["HistoryItemType"] == kind)
            && from.is_none_or(|from| *at >= from)
            && until.is_none_or(|until| *at <= until)
    });
    items.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    if newest_first {
        items.reverse();
    }
    let (page, next) = input.page(items, "NextToken", size.min(call.page_max)).map_err(|refusal| Refusal {
        code: "InvalidNextToken",
        query_code: "InvalidNextToken",
        ..refusal
    })?;
    let items: Vec<Value> = page.into_iter().map(|(_, item)| item).collect();
    let mut answer = json!({"AlarmHistoryItems": items});
    if let Some(next) = next {
        answer["NextToken"] = json!(next);
    }
    Ok(answer)
}

/// An alarm's entries with their times. Its making is one too, which is no change of its state.
fn history_of(alarm: &Alarm) -> Vec<(f64, Value)> {
    let entry = |at: Timestamp, kind: &str, summary: String, told: Value| {
        let at = at.as_millisecond() as f64 / 1000.0;
        let item = json!({
            "AlarmName": alarm.name,
            "AlarmType": "MetricAlarm",
            "Timestamp": at,
            "HistoryItemType": kind,
            "HistorySummary": summary,
            "HistoryData": told.to_string(),
        });
        (at, item)
    };
    let made = json!({"version": "1.0", "type": "Create", "createdAlarm": {"alarmName": alarm.name}});
    let made = entry(alarm.created, "ConfigurationUpdate", format!("Alarm \"{}\" created", alarm.name), made);
    let turns = alarm.history.iter().map(|turn| {
        let (from, to) = (turn.from.as_str(), turn.to.as_str());
        let told = json!({
            "version": "1.0",
            "oldState": {"stateValue": from, "stateReason": turn.from_reason},
            "newState": {"stateValue": to, "stateReason": turn.to_reason},
        });
        entry(turn.at, "StateUpdate", format!("Alarm updated from {from} to {to}"), told)
    });
    std::iter::once(made).chain(turns).collect()
}

fn alarm_value(state: &State, alarm: &Alarm) -> Value {
    let since = alarm.since.as_millisecond() as f64 / 1000.0;
    let mut value = json!({
        "AlarmName": alarm.name,
        "AlarmArn": alarm.place.arn("cloudwatch", &format!("alarm:{}", alarm.name)),
        "AlarmConfigurationUpdatedTimestamp": alarm.created.as_second(),
        "ActionsEnabled": true,
        "OKActions": [],
        "AlarmActions": [alarm.topic_arn],
        "InsufficientDataActions": [],
        "StateValue": alarm.state.as_str(),
        "StateReason": alarm.reason,
        "StateUpdatedTimestamp": since,
        "StateTransitionedTimestamp": since,
        "Statistic": alarm.statistic,
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": alarm.threshold,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "notBreaching",
    });
    if let Some(metric) = &alarm.metric {
        value["Namespace"] = json!(metric.namespace);
        value["MetricName"] = json!(metric.name);
        let mut metric = metric.clone();
        if state.fault(&alarms_fault(&alarm.environment)) {
            metric.dimensions.remove("EventBusName");
        }
        value["Dimensions"] = json!(dimension_values(&metric));
    } else {
        value["Dimensions"] = json!([]);
    }
    value
}
