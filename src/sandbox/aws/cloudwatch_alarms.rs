//! CloudWatch's operations on alarms.

use serde_json::{Value, json};

use super::cloudwatch::dimension_values;
use super::input::Input;
use super::refusal::Refusal;
use super::serve::CallContext;
use super::state::{Alarm, State};

const RECORDS_DEFAULT: i64 = 50;

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
    let alarms: Vec<Value> = page.into_iter().map(alarm_value).collect();
    let mut answer = json!({"MetricAlarms": alarms, "CompositeAlarms": []});
    if let Some(next) = next {
        answer["NextToken"] = json!(next);
    }
    Ok(answer)
}

fn alarm_value(alarm: &Alarm) -> Value {
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
        value["Dimensions"] = json!(dimension_values(metric));
    } else {
        value["Dimensions"] = json!([]);
    }
    value
}
