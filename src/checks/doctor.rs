//! The doctor: what makes an environment look well when it is not, or does harm when somebody follows the runbook. Each
//! trap is one check with its mend; what the traps are made of follows where it is not well. A trap that does no harm yet
//! is inconclusive.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::domain::{ArchiveFact, Check, Environment, Rule, Verdict};

use super::checklist::{
    Checklist, Finding, Row, group, is_function, may_be_written_to, may_invoke, quoted, trouble_with, unread,
};
use super::facts::{ChecklistReadings, FullRule, Measured};
use super::words::{count, sentence};
use super::{Permission, Reading};

#[cfg(test)]
mod tests;

/// What the doctor reads beside the checklist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoctorReadings {
    /// What the checklist reads.
    pub list: ChecklistReadings,
    /// The account and the ARN of the credentials.
    pub identity: Result<(String, String), String>,
    /// Whether the default bus has a rule of the same name, by short name.
    pub namesakes: BTreeMap<String, Reading<bool>>,
    /// The archive; none when there is none of that name.
    pub archive: Reading<Option<ArchiveFact>>,
    /// What Alch may do there.
    pub rights: Vec<Right>,
}

/// Something that Alch itself needs to be allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Right {
    /// The IAM action.
    pub action: String,
    /// On what, for people.
    pub on: String,
    /// Whether a rollback or a verification needs it.
    pub vital: bool,
    /// Whether it may.
    pub permission: Permission,
}

/// What Alch needs to be allowed on one resource, to be asked for at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needed {
    /// The ARN's service.
    pub service: &'static str,
    /// The ARN's resource.
    pub resource: String,
    /// The IAM actions.
    pub actions: &'static [&'static str],
    /// Whether a rollback or a verification needs them.
    pub vital: bool,
}

/// What changes something and so cannot be tried, by resource.
pub fn needed(environment: &Environment) -> Vec<Needed> {
    let need = |service, resource: String, actions, vital| Needed { service, resource, actions, vital };
    let Environment { bus, function, stack, archive, alarm_topic, .. } = environment;
    let mut all: Vec<Needed> = environment
        .rules
        .iter()
        .map(|rule| {
            need("events", format!("rule/{bus}/{}", rule.rule), &["events:EnableRule", "events:DisableRule"][..], true)
        })
        .collect();
    all.push(need("events", format!("event-bus/{bus}"), &["events:PutEvents"][..], false));
    all.push(need("events", format!("archive/{archive}"), &["events:StartReplay"][..], false));
    all.push(need("events", "replay/alch-probe".to_owned(), &["events:CancelReplay"][..], false));
    all.push(need(
        "lambda",
        format!("function:{function}"),
        &[
            "lambda:PutFunctionConcurrency",
            "lambda:DeleteFunctionConcurrency",
            "lambda:UpdateFunctionCode",
            "lambda:InvokeFunction",
        ][..],
        false,
    ));
    let changes =
        &["cloudformation:CreateChangeSet", "cloudformation:ExecuteChangeSet", "cloudformation:DescribeStackEvents"];
    all.push(need("cloudformation", format!("stack/{stack}/*"), &changes[..], false));
    all.extend(environment.dlqs.iter().map(|queue| {
        let actions = &["sqs:ReceiveMessage", "sqs:ChangeMessageVisibility", "sqs:DeleteMessage"];
        need("sqs", queue.clone(), &actions[..], false)
    }));
    all.push(need("sns", alarm_topic.clone(), &["sns:Publish", "sns:Subscribe"][..], false));
    all
}

/// Looks for the traps.
pub fn checks(environment: &Environment, readings: &DoctorReadings) -> Vec<Check> {
    let doctor = Doctor { list: Checklist { environment, readings: &readings.list }, environment, readings };
    let traps = [
        ("account", "Account and region", doctor.account()),
        ("rights", "Alch's own rights", doctor.rights()),
        ("bus", "Rules on the configured bus", doctor.buses()),
        ("targets", "Targets and their dead-letter queues", doctor.each_rule(targets)),
        ("queue-policies", "Dead-letter queues that EventBridge may write to", doctor.queue_policies()),
        ("permissions", "Rules that may invoke the function", doctor.each_rule(permitted)),
        ("twice", "Events delivered once", doctor.twice()),
        ("alarms", "Alarms that can go off and are heard", doctor.alarms()),
        ("archive", "The archive", doctor.archive()),
        ("subscriptions", "Confirmed subscriptions", doctor.list.subscriptions()),
        ("hidden", "Failures that no metric counts", doctor.hidden()),
        ("schedule", "Runs that no rule starts", doctor.schedule()),
    ];
    traps.into_iter().flat_map(|(name, title, parts)| group(name, title, parts)).collect()
}

struct Doctor<'a> {
    list: Checklist<'a>,
    environment: &'a Environment,
    readings: &'a DoctorReadings,
}

impl Doctor<'_> {
    fn account(&self) -> Vec<Check> {
        let configured = self.environment.account.as_deref();
        let finding = match (&self.readings.identity, configured) {
            (Err(why), _) => unread(why),
            (Ok((account, arn)), Some(configured)) if account == configured => {
                Finding::new(Verdict::Pass, account, format!("Alch is {arn}."))
            }
            (Ok((account, arn)), Some(configured)) => {
                let reason =
                    format!("Alch is {arn}, but `account` says {configured}: nothing is changed. Mend one of the two.");
                Finding::new(Verdict::Fail, account, reason)
            }
            (Ok((account, _)), None) => {
                let reason = format!(
                    "No account is pinned, so wrong credentials would act elsewhere. Set account = \"{account}\"."
                );
                Finding::new(Verdict::Inconclusive, account, reason)
            }
        };
        let account = self.list.found(
            Row::new("account", "Account", configured.unwrap_or("pinned")),
            "GetCallerIdentity",
            finding,
        );
        let region = &self.environment.region;
        let row = Row::new("region", "Region", region);
        let query = format!("DescribeEventBus {}", self.environment.bus);
        let there = self.list.check(row, query, &self.readings.list.bus, |bus| match bus {
            Some(bus) => {
                let found = bus.arn.split(':').nth(3).unwrap_or_default();
                let verdict = if found == region { Verdict::Pass } else { Verdict::Fail };
                Finding::new(verdict, found, format!("The bus is in {found}."))
            }
            None => {
                let reason = format!("There is no bus {} in {region}. Mend `region` or `bus`.", self.environment.bus);
                Finding::new(Verdict::Fail, "no such bus", reason)
            }
        });
        vec![account, there]
    }

    fn rights(&self) -> Vec<Check> {
        let who = match &self.readings.identity {
            Ok((_, arn)) => arn.as_str(),
            Err(_) => "its role",
        };
        // Where none can be told, it is for one reason, and that is said once.
        if let Some(why) = nothing_told(&self.readings.rights) {
            let finding = Finding::new(Verdict::Unknown, "not told", sentence(why));
            return vec![self.list.found(Row::new("none", "", "allowed"), "SimulatePrincipalPolicy", finding)];
        }
        let rights = self.readings.rights.iter().map(|right| {
            let Right { action, on, vital, permission } = right;
            let finding = match permission {
                Permission::Allowed => Finding::new(Verdict::Pass, "allowed", "Alch may do this."),
                Permission::Denied(why) => {
                    let verdict = if *vital { Verdict::Fail } else { Verdict::Inconclusive };
                    let reason = format!("{} Add {action} on {on} to {who}.", sentence(why));
                    Finding::new(verdict, "denied", reason)
                }
                Permission::Unknown(why) => Finding::new(Verdict::Unknown, "not told", sentence(why)),
            };
            let title = format!("{action} on {on}");
            self.list.found(Row::new(format!("{action}:{on}"), title, "allowed"), "SimulatePrincipalPolicy", finding)
        });
        let rights: Vec<Check> = rights.collect();
        if rights.is_empty() {
            let finding = Finding::new(Verdict::Unknown, "", "No right could be asked for.");
            return vec![self.list.found(Row::new("none", "", "allowed"), "SimulatePrincipalPolicy", finding)];
        }
        shared(rights)
    }

    /// Each rule is on the configured bus, and the default bus has none of its name.
    fn buses(&self) -> Vec<Check> {
        let bus = &self.environment.bus;
        let not_asked: Reading<Option<FullRule>> = Err("it was not asked".to_owned());
        let each = self.environment.rules.iter().map(|rule| {
            let found = self.readings.list.rules.get(&rule.name).unwrap_or(&not_asked);
            let namesake = match self.readings.namesakes.get(&rule.name) {
                None => Err("it was not asked"),
                Some(Err(why)) => Err(why.as_str()),
                Some(Ok(answer)) => Ok(answer.value),
            };
            let row = Row::new(&rule.name, &rule.name, format!("on {bus} alone"));
            let query = format!("DescribeRule {} on {bus} and on default", rule.rule);
            self.list.check(row, query, found, |full| match (full, namesake) {
                (None, Ok(true)) => Finding::new(
                    Verdict::Fail,
                    "on the default bus",
                    format!(
                        "{} is on the default bus, and not on {bus}: what matches there is not what you think. Mend `bus`, or \
                         deploy the rule with EventBusName.",
                        rule.rule
                    ),
                ),
                (None, Ok(false) | Err(_)) => Finding::new(
                    Verdict::Fail,
                    "missing",
                    format!("There is no rule {} on {bus}. Deploy the stack, or mend `rules`.", rule.rule),
                ),
                (Some(_), Ok(true)) => Finding::new(
                    Verdict::Inconclusive,
                    "twice",
                    format!(
                        "The default bus has a rule {} too: the runbook's commands without --event-bus-name change that one. \
                         Always name {bus}; rename or delete the other.",
                        rule.rule
                    ),
                ),
                (Some(_), Ok(false)) => Finding::new(Verdict::Pass, format!("on {bus}"), "And nowhere else."),
                (Some(_), Err(why)) => Finding::new(
                    Verdict::Unknown,
                    format!("on {bus}"),
                    format!("Whether the default bus has one of its name: {}", sentence(why)),
                ),
            })
        });
        let mut each: Vec<Check> = each.collect();
        each.insert(0, self.list.bus());
        each
    }

    fn each_rule(&self, judge: fn(&Self, &Rule, &FullRule) -> Finding) -> Vec<Check> {
        let not_asked: Reading<Option<FullRule>> = Err("it was not asked".to_owned());
        let each = self.environment.rules.iter().map(|rule| {
            let row = Row::new(&rule.name, &rule.name, "");
            let query =
                format!("DescribeRule, ListTargetsByRule {}; GetPolicy {}", rule.rule, self.environment.function);
            let found = self.readings.list.rules.get(&rule.name).unwrap_or(&not_asked);
            self.list.check(row, query, found, |full| match full {
                Some(full) => judge(self, rule, full),
                None => Finding::new(Verdict::Fail, "missing", "There is no such rule."),
            })
        });
        each.collect()
    }

    fn queue_policies(&self) -> Vec<Check> {
        let not_asked = Err("it was not asked".to_owned());
        let each = self.environment.dlqs.iter().map(|queue| {
            let row = Row::new(queue, queue, "writable");
            let found = self.readings.list.queues.get(queue).unwrap_or(&not_asked);
            self.list.check(row, format!("GetQueueAttributes {queue} Policy"), found, |fact| match fact {
                None => Finding::new(Verdict::Fail, "missing", "There is no queue of this name."),
                Some(fact) => match may_be_written_to(self.environment, &self.readings.list, fact) {
                    Some((verdict, reason)) => Finding::new(verdict, "not shown", reason),
                    None => Finding::new(Verdict::Pass, "writable", "The rules that name it may write to it."),
                },
            })
        });
        each.collect()
    }

    /// A rule that picks everything, beside others with the same function, delivers each of their events again.
    fn twice(&self) -> Vec<Check> {
        let query = format!("DescribeRule, ListTargetsByRule of the rules on {}", self.environment.bus);
        let row = Row::new("twice", "", "no two rules for one event");
        let mut known = Vec::new();
        for rule in &self.environment.rules {
            match self.readings.list.rules.get(&rule.name) {
                Some(Ok(answer)) => known.extend(answer.value.as_ref().map(|full| (rule, full))),
                Some(Err(why)) => return vec![self.list.found(row, query, unread(why))],
                None => return vec![self.list.found(row, query, unread("it was not asked"))],
            }
        }
        let invokes = |full: &FullRule| full.targets.iter().any(|target| is_function(self.environment, &target.arn));
        let invoking: Vec<_> = known.iter().filter(|(_, full)| invokes(full)).collect();
        let greedy = invoking.iter().filter(|(_, full)| full.pattern.as_deref().is_some_and(picks_everything));
        let greedy: Vec<&str> = greedy.map(|(rule, _)| rule.name.as_str()).collect();
        let finding = if greedy.is_empty() || invoking.len() < 2 {
            Finding::new(Verdict::Pass, "once", "No rule that invokes the function picks every event.")
        } else {
            let names = greedy.join(", ");
            let reason = format!(
                "{names} picks every event and invokes {} like the other rules, which get the same event: it runs twice, and \
                 only the idempotency table keeps that from doing harm. Give it a target of its own, a log group for \
                 example.",
                self.environment.function
            );
            Finding::new(Verdict::Inconclusive, names, reason)
        };
        vec![self.list.found(row, query, finding)]
    }

    fn alarms(&self) -> Vec<Check> {
        let names = &self.environment.alarms;
        let query = format!("DescribeAlarms {}", names.join(", "));
        if names.is_empty() {
            let finding = Finding::new(Verdict::Inconclusive, "none", "No alarm is configured. Name them in `alarms`.");
            return vec![self.list.found(Row::new("none", "", ""), query, finding)];
        }
        let topic = self.readings.list.topic.as_deref();
        let each = names.iter().map(|name| {
            let row = Row::new(name, name, "can go off, tells the topic");
            self.list.check(row, query.clone(), &self.readings.list.alarms, |found| match found.get(name) {
                None => Finding::new(
                    Verdict::Fail,
                    "missing",
                    "There is no alarm of this name. Create it, or mend `alarms`.",
                ),
                Some(fact) => match trouble_with(self.environment, fact, topic) {
                    Some((verdict, reason)) => Finding::new(verdict, "mute", reason),
                    None => Finding::new(Verdict::Pass, "sound", "It can go off, and tells the topic."),
                },
            })
        });
        each.collect()
    }

    fn archive(&self) -> Vec<Check> {
        let name = &self.environment.archive;
        let wanted = self.environment.archive_retention_days;
        let limit = wanted.map_or("ENABLED".to_owned(), |days| format!("ENABLED, {days} days"));
        let bus = match &self.readings.list.bus {
            Ok(answer) => answer.value.as_ref().map(|bus| bus.arn.as_str()),
            Err(_) => None,
        };
        vec![self.list.check(Row::new(name, "", limit), format!("DescribeArchive {name}"), &self.readings.archive, |found| {
            let Some(archive) = found else {
                let reason = "There is no archive of this name, so nothing can be replayed. Deploy the stack, or mend `archive`.";
                return Finding::new(Verdict::Fail, "missing", reason);
            };
            let kept = archive.retention_days.map_or("for ever".to_owned(), |days| format!("{days} days"));
            let value = format!("{}, {kept}", archive.state);
            if archive.state != "ENABLED" {
                let reason = format!("It keeps nothing while it is {}. Deploy the stack again.", archive.state);
                Finding::new(Verdict::Fail, value, reason)
            } else if bus.is_some_and(|bus| bus != archive.bus_arn) {
                let reason = format!("It keeps the events of {}, and not of {}.", archive.bus_arn, self.environment.bus);
                Finding::new(Verdict::Fail, value, reason)
            } else if wanted.is_some() && archive.retention_days.is_some() && wanted != archive.retention_days {
                let reason = "That is another retention than `archive_retention_days`. Mend the template or the configuration.";
                Finding::new(Verdict::Fail, value, reason)
            } else if archive.filtered {
                let reason = "It keeps only the events that its pattern picks: what is not kept cannot be replayed.";
                Finding::new(Verdict::Inconclusive, value, reason)
            } else {
                Finding::new(Verdict::Pass, value, "It keeps the bus's events.")
            }
        })]
    }

    fn hidden(&self) -> Vec<Check> {
        let list = &self.readings.list;
        let function = list.function.as_ref().ok().and_then(|answer| answer.value.as_ref());
        let group = function.map_or_else(
            || format!("/aws/lambda/{}", self.environment.function),
            |function| function.log_group.clone(),
        );
        let query = format!("FilterLogEvents {group}; GetMetricData AWS/Lambda Errors");
        let finding = match (&list.log, list.sum(&Measured::FunctionErrors)) {
            (Err(why), _) => unread(why),
            (Ok(_), Err(why)) => unread(why),
            (Ok(answer), Ok(errors)) => match answer.value.as_deref() {
                Some(lines) if !lines.is_empty() && errors == 0 => {
                    let reason = format!(
                        "The log tells of failures and Errors is 0: the function returns failed instead of raising, so no \
                         alarm, retry or dead-letter queue sees it. Raise in the handler. It says: {}.",
                        quoted(lines)
                    );
                    Finding::new(Verdict::Fail, count(lines.len() as i64, "line"), reason)
                }
                Some(_) => Finding::new(Verdict::Pass, "none", "What fails is counted."),
                None => {
                    Finding::new(Verdict::Inconclusive, "no log", "There is no log group yet, so nothing can be told.")
                }
            },
        };
        vec![self.list.found(Row::new("hidden", "", "none"), query, finding)]
    }

    /// Runs beyond those that the rules account for have another source, which a rollback does not stop.
    fn schedule(&self) -> Vec<Check> {
        let list = &self.readings.list;
        let query = "GetMetricData AWS/Lambda Invocations, AWS/Events Invocations by bus and rule";
        let rules: Result<i64, &str> =
            self.environment.rules.iter().map(|rule| list.sum(&Measured::RuleInvocations(rule.name.clone()))).sum();
        let finding = match (list.sum(&Measured::FunctionInvocations), rules) {
            (Err(why), _) | (Ok(_), Err(why)) => unread(why),
            (Ok(ran), Ok(started)) if ran > started => {
                let reason = format!(
                    "The function ran {} and the rules started {started}: something else starts it too, the daily \
                     schedule of EventBridge Scheduler for example, or retries. A rollback turns off rules alone: the hard \
                     stop holds back the rest.",
                    count(ran, "time")
                );
                Finding::new(Verdict::Inconclusive, format!("{} of {ran}", ran - started), reason)
            }
            (Ok(ran), Ok(_)) => {
                let reason = "All recent runs were started by rules. A schedule of EventBridge Scheduler would show here once \
                              it has run; a rollback would not stop it.";
                Finding::new(Verdict::Pass, format!("0 of {ran}"), reason)
            }
        };
        vec![self.list.found(Row::new("schedule", "", "none"), query, finding)]
    }
}

fn targets(_: &Doctor<'_>, _: &Rule, full: &FullRule) -> Finding {
    if full.targets.is_empty() {
        let reason = "It has no target, so events that it matches go nowhere. Deploy the stack again.";
        return Finding::new(Verdict::Fail, "no target", reason);
    }
    let without = full.targets.iter().filter(|target| target.dlq.is_none()).count();
    if without > 0 {
        let reason = "Events that cannot be delivered are lost. Give the target a DeadLetterConfig in the template.";
        return Finding::new(Verdict::Fail, format!("{without} without a queue"), reason);
    }
    Finding::new(Verdict::Pass, count(full.targets.len() as i64, "target"), "With a dead-letter queue.")
}

fn permitted(doctor: &Doctor<'_>, _: &Rule, full: &FullRule) -> Finding {
    let environment = doctor.environment;
    let Some(target) = full.targets.iter().find(|target| is_function(environment, &target.arn)) else {
        let reason = format!("It does not invoke {}. Mend its target, or `function`.", environment.function);
        return Finding::new(Verdict::Inconclusive, "another target", reason);
    };
    match may_invoke(environment, &doctor.readings.list, full, &target.arn) {
        Some((verdict, reason)) => Finding::new(verdict, "not shown", reason),
        None => Finding::new(Verdict::Pass, "allowed", "The function's policy names this rule."),
    }
}

/// Whether a pattern picks events by neither type nor content.
fn picks_everything(pattern: &str) -> bool {
    let value: Value = serde_json::from_str(pattern).unwrap_or_default();
    value.as_object().is_some_and(|fields| !fields.contains_key("detail-type") && !fields.contains_key("detail"))
}

/// Why nothing is known of any right, when that is so.
fn nothing_told(rights: &[Right]) -> Option<&str> {
    let mut why = None;
    for right in rights {
        match &right.permission {
            Permission::Unknown(reason) => why = why.or(Some(reason.as_str())),
            Permission::Allowed | Permission::Denied(_) => return None,
        }
    }
    why
}

/// Rights that are told the same, each once.
fn shared(checks: Vec<Check>) -> Vec<Check> {
    let mut different: Vec<Check> = Vec::new();
    for check in checks {
        if !different.iter().any(|known| known.title == check.title) {
            different.push(check);
        }
    }
    different
}
