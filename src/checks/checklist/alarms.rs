//! Items 3 and 4: each alarm is there, is OK, can go off, and tells the topic; and somebody hears what the topic is told.

use super::super::facts::{AlarmFact, AlarmMetric};
use super::super::words::alarm;
use super::{Checklist, Finding, Row};
use crate::domain::{AlarmState, Check, Environment, Verdict};

impl Checklist<'_> {
    pub(super) fn alarms(&self) -> Vec<Check> {
        let names = &self.environment.alarms;
        if names.is_empty() {
            let reason = "No alarm is configured, so nobody is told. Name them in `alarms`.";
            let finding = Finding::new(Verdict::Inconclusive, "none", reason);
            return vec![self.found(Row::new("none", "", "all OK"), "", finding)];
        }
        names.iter().map(|name| self.alarm(name)).collect()
    }

    fn alarm(&self, name: &str) -> Check {
        let row = Row::new(name, name, "OK");
        let query = format!("DescribeAlarms {}", self.environment.alarms.join(", "));
        self.check(row, query, &self.readings.alarms, |found| {
            let Some(fact) = found.get(name) else {
                let reason = "There is no alarm of this name. Create it, or take it out of `alarms` in the configuration.";
                return Finding::new(Verdict::Fail, "missing", reason);
            };
            let told = alarm(name, &fact.status);
            match fact.status.state {
                AlarmState::Alarm => {
                    return Finding::new(Verdict::Fail, "ALARM", format!("In ALARM: {told}. Find out why."));
                }
                AlarmState::InsufficientData => {
                    let reason = format!(
                        "{told}: it cannot be told whether all is well. Check that its metric and dimensions exist, or let \
                         missing data count as not breaching."
                    );
                    return Finding::new(Verdict::Unknown, "INSUFFICIENT_DATA", reason);
                }
                AlarmState::Ok => {}
            }
            match trouble_with(self.environment, fact, self.readings.topic.as_deref()) {
                Some((verdict, reason)) => Finding::new(verdict, "OK", reason),
                None => Finding::new(Verdict::Pass, "OK", "It is OK, can go off, and tells the topic."),
            }
        })
    }

    pub(in super::super) fn subscriptions(&self) -> Vec<Check> {
        let topic = &self.environment.alarm_topic;
        let wanted = &self.environment.alarm_subscribers;
        let query = format!("ListSubscriptionsByTopic {topic}");
        let one = |row: Row, address: Option<&String>| {
            self.check(row, query.clone(), &self.readings.subscriptions, |found| {
                let Some(all) = found else {
                    let reason = "There is no topic of this name. Deploy the stack, or mend `alarm_topic`.";
                    return Finding::new(Verdict::Fail, "missing", reason);
                };
                let is_one = |endpoint: &str| address.is_none_or(|address| endpoint.eq_ignore_ascii_case(address));
                let theirs = || all.iter().filter(|one| is_one(&one.endpoint));
                let confirmed = theirs().filter(|one| one.is_confirmed()).count();
                let pending = theirs().count() - confirmed;
                let who = address.map_or("<e-mail>", String::as_str);
                if confirmed > 0 {
                    let value = if address.is_some() { "confirmed".to_owned() } else { format!("{confirmed} confirmed") };
                    Finding::new(Verdict::Pass, value, format!("{topic} reaches somebody."))
                } else if pending > 0 {
                    let reason = "Nobody has confirmed yet: follow the link in SNS's message, or ask for a new one with \
                                  `subscribe`.";
                    Finding::new(Verdict::Fail, format!("{pending} pending"), reason)
                } else {
                    let reason =
                        format!("Nobody hears {topic}: `subscribe {} {who}`, and confirm.", self.environment.name);
                    Finding::new(Verdict::Fail, "none", reason)
                }
            })
        };
        if wanted.is_empty() {
            return vec![one(Row::new("any", "", "at least one confirmed"), None)];
        }
        wanted.iter().map(|address| one(Row::new(address, address, "confirmed"), Some(address))).collect()
    }
}

/// Why an alarm would not go off, or nobody would hear it. `topic` is the ARN that it is to tell, or why that is not known.
pub(in super::super) fn trouble_with(
    environment: &Environment,
    alarm: &AlarmFact,
    topic: Result<&str, &String>,
) -> Option<(Verdict, String)> {
    if let Some(why) = alarm.metrics.iter().find_map(|metric| never_fires(environment, metric)) {
        return Some((Verdict::Fail, why));
    }
    if !alarm.actions_enabled {
        let reason = "Its actions are turned off, so it tells nobody. `aws cloudwatch enable-alarm-actions`.";
        return Some((Verdict::Fail, reason.to_owned()));
    }
    match topic {
        Err(why) => Some((Verdict::Unknown, format!("Whom it tells cannot be compared: {why}."))),
        Ok(topic) if !alarm.actions.iter().any(|action| action == topic) => {
            let reason = format!("It does not tell {topic}. Add that to its AlarmActions in the template.");
            Some((Verdict::Fail, reason))
        }
        Ok(_) => None,
    }
}

/// Why a metric has no datapoint, ever. Of namespaces that are not known here, nothing is said.
fn never_fires(environment: &Environment, metric: &AlarmMetric) -> Option<String> {
    let AlarmMetric { namespace, name, dimensions } = metric;
    let value = |key: &str| dimensions.get(key).map(String::as_str);
    match namespace.as_str() {
        "AWS/Events" => match (value("EventBusName"), value("RuleName")) {
            (None, Some(rule)) => Some(format!(
                "It can never go off: {name} with RuleName={rule} alone speaks of the default bus. Add the dimension \
                 EventBusName={} in the template.",
                environment.bus
            )),
            (Some(bus), _) if bus != environment.bus => {
                Some(format!("It watches the bus {bus}, and not {}. Mend its dimensions.", environment.bus))
            }
            (Some(_), Some(rule)) if !environment.rules.iter().any(|known| known.rule == rule) => {
                Some(format!("It watches the rule {rule}, which is not one of this environment. Mend its dimensions."))
            }
            _ => None,
        },
        "AWS/Lambda" => other(value("FunctionName"), "function", [&environment.function]),
        "AWS/SQS" => other(value("QueueName"), "queue", &environment.dlqs),
        "AWS/DynamoDB" => other(value("TableName"), "table", [&environment.table.name]),
        _ => None,
    }
}

fn other<'a>(watched: Option<&str>, what: &str, known: impl IntoIterator<Item = &'a String>) -> Option<String> {
    let known: Vec<&str> = known.into_iter().map(String::as_str).collect();
    match watched {
        None => Some(format!("It names no {what}, so it watches all of the account's. Mend its dimensions.")),
        Some(watched) if !known.contains(&watched) => {
            Some(format!("It watches the {what} {watched}, and not {}. Mend its dimensions.", known.join(" or ")))
        }
        Some(_) => None,
    }
}
