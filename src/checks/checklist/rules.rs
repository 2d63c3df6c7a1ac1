//! Item 1: the bus and its rules are there, each rule is as it was last left, its targets have a dead-letter queue, and it
//! may invoke the function. No other rule invokes the function.

use std::collections::BTreeMap;

use super::super::facts::{ChecklistReadings, EVENTS, FullRule, OtherRule, TargetFact};
use super::super::policy_document::{self, Asker, PolicyDocument, Request, Ruling};
use super::super::words::{count, sentence};
use super::{Checklist, Finding, Row, unread};
use crate::domain::{Check, Environment, Rule, RuleState, Verdict};

impl Checklist<'_> {
    pub(super) fn rules(&self, wanted: &BTreeMap<String, RuleState>) -> Vec<Check> {
        let rules = &self.environment.rules;
        let mut parts = vec![self.bus()];
        parts.extend(rules.iter().map(|rule| self.rule(rule, wanted.get(&rule.name).copied())));
        parts.push(self.others());
        parts
    }

    pub(in super::super) fn bus(&self) -> Check {
        let bus = &self.environment.bus;
        self.check(Row::new("bus", bus, "exists"), format!("DescribeEventBus {bus}"), &self.readings.bus, |found| {
            if found.is_some() {
                return Finding::new(Verdict::Pass, "exists", "The bus is there.");
            }
            let region = &self.environment.region;
            let reason = format!("There is no bus of this name in {region}. Deploy the stack, or mend `bus`.");
            Finding::new(Verdict::Fail, "missing", reason)
        })
    }

    /// A rule is there, can deliver, and is as it was last left. When nobody has left it in any state through Alch, there
    /// is nothing that its state could contradict: it is reported, and the rest of the question decides.
    fn rule(&self, rule: &Rule, wanted: Option<RuleState>) -> Check {
        let bus = &self.environment.bus;
        let limit = match wanted {
            Some(state) => format!("{}, able to deliver", state.word()),
            None => "able to deliver".to_owned(),
        };
        let row = Row::new(&rule.name, &rule.name, limit);
        let query =
            format!("DescribeRule, ListTargetsByRule {} on {bus}; GetPolicy {}", rule.rule, self.environment.function);
        let not_asked = Err("it was not asked".to_owned());
        self.check(row, query, self.readings.rules.get(&rule.name).unwrap_or(&not_asked), |found| {
            let Some(full) = found else {
                let reason = format!("There is no rule {} on {bus}. Deploy the stack, or mend `rules`.", rule.rule);
                return Finding::new(Verdict::Fail, "missing", reason);
            };
            let state = full.fact.state.word();
            if let Some(service) = &full.fact.managed_by {
                let reason = format!(
                    "{service} manages this rule, so Alch leaves it alone. Take it out of `rules` in the configuration."
                );
                return Finding::new(Verdict::Inconclusive, state, reason);
            }
            let value = format!("{state}, {}", count(full.targets.len() as i64, "target"));
            if let Some(wanted) = wanted.filter(|wanted| wanted.is_enabled() != full.fact.state.is_enabled()) {
                let reason = format!(
                    "It was last left {}, and is {state} now: changed outside of Alch, by a deployment for example. {} it \
                     if that is not meant.",
                    wanted.word(),
                    if wanted.is_enabled() { "Enable" } else { "Disable" }
                );
                return Finding::new(Verdict::Fail, value, reason);
            }
            match cannot_deliver(self.environment, self.readings, full) {
                Some((verdict, reason)) => Finding::new(verdict, value, reason),
                None if wanted.is_some() => Finding::new(Verdict::Pass, value, "As it was last left."),
                None => Finding::new(
                    Verdict::Pass,
                    value,
                    format!("It is {state}; no state is recorded as wanted, since Alch has not set it yet."),
                ),
            }
        })
    }

    /// Rules of others on the bus are theirs, as long as they leave the function alone.
    fn others(&self) -> Check {
        let row = Row::new("others", "Other rules", "none that invokes the function");
        let query = format!("ListRules, ListTargetsByRule on {}", self.environment.bus);
        self.check(row, query, &self.readings.others, |others| {
            let bad = unexpected(self.environment, others);
            if bad.is_empty() {
                return Finding::new(Verdict::Pass, others.len().to_string(), "None of them invokes the function.");
            }
            let names = bad.join(", ");
            let reason = format!(
                "{names} on the bus is not in `rules`, and is enabled and invokes {}. Add it to `rules`, so that a rollback \
                 turns it off too, or disable it.",
                self.environment.function
            );
            Finding::new(Verdict::Fail, names, reason)
        })
    }
}

/// The enabled rules of others that invoke the environment's function.
pub(in super::super) fn unexpected<'a>(environment: &Environment, others: &'a [OtherRule]) -> Vec<&'a str> {
    let invokes = |rule: &&OtherRule| rule.targets.iter().any(|arn| is_function(environment, arn));
    others.iter().filter(|rule| rule.enabled).filter(invokes).map(|rule| rule.name.as_str()).collect()
}

/// Whether an ARN is that of the environment's function, or of a version or alias of it.
pub(in super::super) fn is_function(environment: &Environment, arn: &str) -> bool {
    let function = format!(":function:{}", environment.function);
    arn.split_once(&function).is_some_and(|(_, version)| version.is_empty() || version.starts_with(':'))
}

/// Why events that the rule matches do not arrive, or get lost when they cannot.
fn cannot_deliver(
    environment: &Environment,
    readings: &ChecklistReadings,
    rule: &FullRule,
) -> Option<(Verdict, String)> {
    if rule.targets.is_empty() {
        let reason = "It has no target, so events that it matches go nowhere. Deploy the stack again.";
        return Some((Verdict::Fail, reason.to_owned()));
    }
    if let Some(TargetFact { arn, .. }) = rule.targets.iter().find(|target| target.dlq.is_none()) {
        let reason = format!(
            "Its target {arn} has no dead-letter queue, so events that cannot be delivered are lost. Give it a \
             DeadLetterConfig in the template."
        );
        return Some((Verdict::Fail, reason));
    }
    let to_function = rule.targets.iter().find(|target| is_function(environment, &target.arn))?;
    may_invoke(environment, readings, rule, &to_function.arn)
}

/// Why EventBridge may not invoke the function for the rule; none when it may.
pub(in super::super) fn may_invoke(
    environment: &Environment,
    readings: &ChecklistReadings,
    rule: &FullRule,
    target: &str,
) -> Option<(Verdict, String)> {
    let mend = || {
        format!(
            "`aws lambda add-permission --function-name {} --statement-id {} --action lambda:InvokeFunction --principal \
             {EVENTS} --source-arn {}`, or an AWS::Lambda::Permission in the template.",
            environment.function,
            rule.arn.rsplit('/').next().unwrap_or("rule"),
            rule.arn
        )
    };
    let document = match &readings.function_policy {
        Err(why) => {
            let Finding { reason, .. } = unread(why);
            return Some((Verdict::Unknown, format!("Whether it may invoke the function is not known. {reason}")));
        }
        Ok(answer) => match &answer.value {
            None => {
                let reason = format!("The function has no policy, so EventBridge may not invoke it. Add {}", mend());
                return Some((Verdict::Fail, reason));
            }
            Some(text) => PolicyDocument::parse(text),
        },
    };
    let document = match document {
        Ok(document) => document,
        Err(why) => {
            return Some((Verdict::Unknown, format!("The function's policy cannot be read: {}", sentence(&why))));
        }
    };
    let request = Request {
        asker: Asker::Service(EVENTS),
        action: "lambda:InvokeFunction",
        resource: target,
        context: context_of(&rule.arn),
    };
    match policy_document::rule(&[document], &request) {
        Ruling::Allowed => None,
        Ruling::Denied(by) => Some((Verdict::Fail, format!("{by} of the function's policy denies it. Take it out."))),
        Ruling::Silent => Some((
            Verdict::Fail,
            format!("The function's policy does not let this rule invoke it, so its events fail. Add {}", mend()),
        )),
        Ruling::Unknown(why) => {
            Some((Verdict::Unknown, format!("Whether it may invoke the function: {}", sentence(&why))))
        }
    }
}

/// What a service's request says of where it comes from.
pub(super) fn context_of(source_arn: &str) -> BTreeMap<&'static str, String> {
    let account = source_arn.split(':').nth(4).unwrap_or_default().to_owned();
    BTreeMap::from([
        ("aws:sourcearn", source_arn.to_owned()),
        ("aws:sourceaccount", account),
        ("aws:securetransport", "true".to_owned()),
    ])
}
