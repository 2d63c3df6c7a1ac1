//! Everything that the checklist looks at, read at the same time. What cannot be read says why in its place.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};

use crate::checks::facts::{BUS_ACTIONS, ChecklistReadings, Measured, TABLE_ACTIONS};
use crate::checks::{Answer, Permission, Reading, Series, minute_after, minute_of};
use crate::domain::{Environment, LogLine};

use super::observe::{in_words, none_if_missing};
use super::{Aws, AwsError};

/// Lines of the log that are kept of each search, the newest.
const LINES_KEPT: usize = 20;
/// Lines that tell of an error in plain words.
const LOG_ERRORS: &str = r#"?"Task timed out" ?ERROR ?Traceback"#;
/// Lines in JSON that say so.
const LOG_LEVEL: &str = r#"{ $.level = "error" }"#;
/// Lines that may hold a result that failed; a look at the text tells.
const LOG_RESULTS: &str = "status failed";
/// How far back throttles count.
const THROTTLES_SINCE: SignedDuration = SignedDuration::from_mins(15);

impl Aws {
    /// Everything that the checklist looks at. Its parts are on the heap: together they are too much for a thread's stack.
    pub async fn read_checklist(&self, environment: &Environment, now: Timestamp) -> ChecklistReadings {
        let function_name = &environment.function;
        // The function comes first: its role, and since when it is what it is.
        let function = self.read_function(function_name).await;
        let changed = function.as_ref().ok().and_then(|answer| answer.value.modified);
        let lookback = now.saturating_sub(environment.waits.recent).unwrap_or(now);
        let recent_from = minute_of(changed.map_or(lookback, |changed| changed.max(lookback)).min(now));
        let throttles_from = minute_of(now.saturating_sub(THROTTLES_SINCE).unwrap_or(now));
        let until = minute_after(now);
        let log_group = match &function {
            Ok(answer) => answer.value.log_group.clone(),
            Err(_) => format!("/aws/lambda/{function_name}"),
        };
        let role = function.as_ref().map(|answer| answer.value.role.clone());
        let (bus, rules, others, function_policy, queues, alarms, topic, subscriptions) = tokio::join!(
            Box::pin(self.read_bus(&environment.bus)),
            join_all(environment.rules.iter().map(|rule| async {
                let read = self.read_full_rule(&environment.bus, &rule.rule).await;
                (rule.name.clone(), in_words(none_if_missing(read)))
            })),
            Box::pin(self.read_other_rules(environment)),
            Box::pin(self.read_function_policy(function_name)),
            join_all(
                environment
                    .dlqs
                    .iter()
                    .map(|queue| async { (queue.clone(), in_words(none_if_missing(self.read_queue(queue).await))) })
            ),
            Box::pin(self.read_alarm_facts(&environment.alarms)),
            Box::pin(self.topic_arn(&environment.alarm_topic)),
            Box::pin(self.subscriptions(&environment.alarm_topic)),
        );
        let table = &environment.table.name;
        let table_arn = self.arn("dynamodb", &format!("table/{table}")).await;
        let bus_arn = self.arn("events", &format!("event-bus/{}", environment.bus)).await;
        let table_policy = async {
            match &table_arn {
                Ok(arn) => in_words(Box::pin(self.read_table_policy(arn)).await),
                Err(error) => Err(error.to_string()),
            }
        };
        let (shape, ttl, table_policy, table_access, bus_access, recent, throttles, log) = tokio::join!(
            Box::pin(self.read_table(table)),
            Box::pin(self.read_ttl(table)),
            table_policy,
            Box::pin(self.access(&role, &TABLE_ACTIONS, &table_arn)),
            Box::pin(self.access(&role, &BUS_ACTIONS, &bus_arn)),
            Box::pin(self.measure(environment, Measured::recent(&environment.rules), recent_from, until)),
            Box::pin(self.measure(environment, Measured::throttles(&environment.rules), throttles_from, until)),
            Box::pin(self.read_failures(&log_group, recent_from, until)),
        );
        ChecklistReadings {
            at: now,
            bus: in_words(bus),
            rules: rules.into_iter().collect(),
            others: in_words(others),
            function: in_words(none_if_missing(function)),
            function_policy: in_words(function_policy),
            queues: queues.into_iter().collect(),
            alarms: in_words(alarms),
            topic: topic.map_err(|error| error.to_string()),
            subscriptions: in_words(none_if_missing(subscriptions)),
            table: in_words(none_if_missing(shape)),
            ttl: in_words(none_if_missing(ttl)),
            table_arn: table_arn.map_err(|error| error.to_string()),
            table_policy,
            table_access,
            bus_access,
            recent_from,
            throttles_from,
            until,
            metrics: recent.into_iter().chain(throttles).collect(),
            log,
        }
    }

    async fn access(
        &self,
        role: &Result<String, &AwsError>,
        actions: &[&str],
        resource: &Result<String, AwsError>,
    ) -> Reading<Vec<(String, Permission)>> {
        let role = role.as_ref().map_err(ToString::to_string)?;
        let resource = resource.as_ref().map_err(ToString::to_string)?;
        in_words(self.may_all(role, actions, resource).await)
    }

    async fn measure(
        &self,
        environment: &Environment,
        wanted: Vec<Measured>,
        from: Timestamp,
        until: Timestamp,
    ) -> BTreeMap<Measured, Reading<Series>> {
        let asked = wanted.into_iter().filter_map(|measured| Some((measured.query(environment)?, measured)));
        let (queries, wanted): (Vec<_>, Vec<_>) = asked.unzip();
        match self.metric_series(queries, from, until).await {
            Ok(series) => wanted.into_iter().zip(series).collect(),
            Err(error) => wanted.into_iter().map(|measured| (measured, Err(error.to_string()))).collect(),
        }
    }

    /// What a function's log says of failures (FilterLogEvents); none when there is no log group.
    async fn read_failures(&self, group: &str, from: Timestamp, until: Timestamp) -> Reading<Option<Vec<String>>> {
        let search = |pattern| self.search_log(group, pattern, from, until, LINES_KEPT);
        let (errors, structured, results) = tokio::join!(search(LOG_ERRORS), search(LOG_LEVEL), search(LOG_RESULTS));
        let read = async {
            let (errors, structured, results) = (errors?, structured?, results?);
            let failed = results.value.into_iter().filter(|line| says_failed(&line.text));
            let mut lines: Vec<LogLine> = errors.value.into_iter().chain(structured.value).chain(failed).collect();
            lines.sort_by_key(|line| line.at);
            lines.dedup_by(|one, other| one == other);
            let request_ids = [errors.request_ids, structured.request_ids, results.request_ids].concat();
            Ok(Answer { value: lines.into_iter().map(|line| line.text).collect(), request_ids })
        };
        in_words(none_if_missing(read.await))
    }
}

/// Whether a line holds a result whose status is failed, in JSON or as Python prints it.
fn says_failed(text: &str) -> bool {
    let plain: String = text.chars().filter(|letter| !letter.is_whitespace() && *letter != '\\').collect();
    plain.contains("\"status\":\"failed\"") || plain.contains("'status':'failed'")
}
