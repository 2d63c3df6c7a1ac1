//! Items 8 and 9: the function's recent runs succeeded, by its metrics and by its log; and nothing was throttled lately.

use jiff::Timestamp;

use super::super::facts::Measured;
use super::super::words::{count, date_time, sentence};
use super::{Checklist, Finding, Row, unread};
use crate::domain::{Check, Verdict};

/// Lines of the log that are quoted.
const QUOTED: usize = 3;
/// Characters of each.
const QUOTED_CHARS: usize = 160;

impl Checklist<'_> {
    pub(super) fn invocations(&self) -> Vec<Check> {
        let row = Row::new("function", "", "at least 1, no failure");
        let query = format!(
            "GetMetricData AWS/Lambda Invocations, Errors, AsyncEventsDropped, DestinationDeliveryFailures \
             {{FunctionName={}}}; FilterLogEvents",
            self.environment.function
        );
        let finding = self.recent().unwrap_or_else(|why| unread(&why));
        vec![self.measured(self.found(row, query, finding), &Measured::FunctionInvocations, self.readings.recent_from)]
    }

    fn recent(&self) -> Result<Finding, String> {
        let readings = self.readings;
        let function = &self.environment.function;
        let sum = |measured| readings.sum(&measured).map_err(str::to_owned);
        let ran = sum(Measured::FunctionInvocations)?;
        let errors = sum(Measured::FunctionErrors)?;
        let dropped = sum(Measured::EventsDropped)?;
        let undelivered = sum(Measured::DeliveryFailures)?;
        let since = date_time(readings.recent_from);
        let value = format!("{ran} ran, {errors} failed");
        let mut bad = Vec::new();
        if errors > i64::from(self.environment.limits.function_errors) {
            bad.push(format!("{function} failed {} since {since}.", count(errors, "time")));
        }
        if dropped > 0 {
            bad.push(format!("Lambda gave up on {} without running it.", count(dropped, "event")));
        }
        if undelivered > 0 {
            bad.push(format!(
                "{} could not be passed on.",
                sentence(&count(undelivered, "result")).trim_end_matches('.')
            ));
        }
        let told = match &readings.log {
            Ok(answer) => answer.value.as_deref().unwrap_or_default(),
            Err(_) => &[],
        };
        if !told.is_empty() {
            if errors == 0 {
                bad.push(
                    "Its log tells of failures that Errors does not count: it returned instead of raising.".to_owned(),
                );
            }
            bad.push(format!("The log says: {}", quoted(told)));
        }
        if !bad.is_empty() {
            bad.push(format!("Read {}.", self.log_group()));
            return Ok(Finding::new(Verdict::Fail, value, bad.join(" ")));
        }
        if ran == 0 {
            return Ok(self.quiet(value, &since));
        }
        match &readings.log {
            Err(why) => {
                let reason = format!("No run failed by the metrics, but the log could not be asked: {}", sentence(why));
                Ok(Finding::new(Verdict::Unknown, value, reason))
            }
            Ok(answer) if answer.value.is_none() => {
                let reason = format!(
                    "No run failed by the metrics, but there is no log group {} to tell of results that failed.",
                    self.log_group()
                );
                Ok(Finding::new(Verdict::Unknown, value, reason))
            }
            Ok(_) => {
                Ok(Finding::new(Verdict::Pass, value, format!("None failed since {since}, nor does the log say so.")))
            }
        }
    }

    /// The log group of the function, as far as it could be read.
    fn log_group(&self) -> String {
        let function = self.readings.function.as_ref().ok().and_then(|answer| answer.value.as_ref());
        function
            .map_or_else(|| format!("/aws/lambda/{}", self.environment.function), |function| function.log_group.clone())
    }

    /// Nothing ran: what was to be expected while all rules are off, and proof of nothing while one is on.
    fn quiet(&self, value: String, since: &str) -> Finding {
        let on = |reading: &super::super::Reading<Option<super::super::facts::FullRule>>| match reading {
            Ok(answer) => answer.value.as_ref().is_some_and(|rule| rule.fact.state.is_enabled()),
            Err(_) => true,
        };
        if !self.readings.rules.is_empty() && !self.readings.rules.values().any(on) {
            let reason = "All rules are off, so there was nothing to run.";
            return Finding::new(Verdict::Pass, value, reason);
        }
        let reason = format!(
            "Nothing ran since {since}, so nothing is proven. Wait for traffic, or run `smoke {}`.",
            self.environment.name
        );
        Finding::new(Verdict::Inconclusive, value, reason)
    }

    pub(super) fn throttles(&self) -> Vec<Check> {
        let all = Measured::throttles(&self.environment.rules);
        all.into_iter().map(|measured| self.throttle(&measured)).collect()
    }

    fn throttle(&self, measured: &Measured) -> Check {
        let (title, mend) = match measured {
            Measured::ThrottledRule(rule) => {
                (rule.as_str(), "Lower the rate of events, or ask AWS for a higher quota of invocations.")
            }
            Measured::TableReadThrottles => ("reads of the table", "Look at the table's capacity and its hot keys."),
            Measured::TableWriteThrottles => ("writes to the table", "Look at the table's capacity and its hot keys."),
            Measured::FunctionThrottles
            | Measured::FunctionInvocations
            | Measured::FunctionErrors
            | Measured::EventsDropped
            | Measured::DeliveryFailures
            | Measured::RuleInvocations(_) => {
                ("the function", "Check its reserved concurrency and the account's limit.")
            }
        };
        let query = measured.query(self.environment).map(|query| query.to_string()).unwrap_or_default();
        let finding = match self.readings.sum(measured) {
            Err(why) => unread(why),
            Ok(0) => Finding::new(Verdict::Pass, "0", "Not throttled."),
            Ok(times) => {
                let reason = format!("Throttled {}. {mend}", count(times, "time"));
                Finding::new(Verdict::Fail, times.to_string(), reason)
            }
        };
        let check = self.found(Row::new(title, title, "0"), query, finding);
        self.measured(check, measured, self.readings.throttles_from)
    }

    /// Adds what a metric's verdict rests on.
    fn measured(&self, mut check: Check, measured: &Measured, from: Timestamp) -> Check {
        check.evidence.from = Some(from);
        check.evidence.until = Some(self.readings.until);
        if let Some(Ok(answer)) = self.readings.metrics.get(measured) {
            check.evidence.request_ids.clone_from(&answer.request_ids);
        }
        check
    }
}

/// The newest lines, shortened.
pub(in super::super) fn quoted(lines: &[String]) -> String {
    let newest = lines.iter().rev().take(QUOTED).map(|line| {
        let mut text: String = line.trim().chars().take(QUOTED_CHARS).collect();
        if line.trim().chars().count() > QUOTED_CHARS {
            text.push('…');
        }
        format!("\"{text}\"")
    });
    newest.collect::<Vec<_>>().join(", ")
}
