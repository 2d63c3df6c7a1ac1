//! Item 2: the dead-letter queues are empty, and EventBridge may write to those of the rules: a queue that nobody can write
//! to is always empty.

use super::super::facts::{ChecklistReadings, EVENTS, QueueFact};
use super::super::policy_document::{self, Asker, PolicyDocument, Request, Ruling};
use super::super::words::sentence;
use super::rules::context_of;
use super::{Checklist, Finding, Row};
use crate::domain::{Check, DlqDepth, Environment, Verdict};

impl Checklist<'_> {
    pub(super) fn queues(&self) -> Vec<Check> {
        self.environment.dlqs.iter().map(|queue| self.queue(queue)).collect()
    }

    fn queue(&self, queue: &str) -> Check {
        let row = Row::new(queue, queue, "0");
        let query = format!("GetQueueAttributes {queue} ApproximateNumberOfMessages, …NotVisible, …Delayed, Policy");
        let not_asked = Err("it was not asked".to_owned());
        self.check(row, query, self.readings.queues.get(queue).unwrap_or(&not_asked), |found| {
            let Some(fact) = found else {
                let reason = "There is no queue of this name, so events that fail are lost. Deploy the stack, or mend `dlqs`.";
                return Finding::new(Verdict::Fail, "missing", reason);
            };
            let DlqDepth { visible, in_flight, delayed } = fact.depth;
            if fact.depth.total() > 0 {
                let reason = format!(
                    "{visible} visible, {in_flight} in flight, {delayed} delayed. `dlq {}` shows which events failed and \
                     why; `dlq redrive {}` sends them again.",
                    self.environment.name, self.environment.name
                );
                return Finding::new(Verdict::Fail, fact.depth.total().to_string(), reason);
            }
            match may_be_written_to(self.environment, self.readings, fact) {
                Some((verdict, reason)) => Finding::new(verdict, "0", reason),
                None => {
                    let reason = "Empty. SQS counts approximately; a number may take a minute to settle.";
                    Finding::new(Verdict::Pass, "0", reason)
                }
            }
        })
    }
}

/// Why a queue that rules name for what they cannot deliver gets nothing; none when it may be written to, or no rule names
/// it: the Scheduler writes with a role of its own.
pub(in super::super) fn may_be_written_to(
    environment: &Environment,
    readings: &ChecklistReadings,
    queue: &QueueFact,
) -> Option<(Verdict, String)> {
    let name = queue.arn.rsplit(':').next().unwrap_or(&queue.arn);
    if !readings.target_queues().contains(queue.arn.as_str()) {
        // The first is the rules' own; if a rule could not be read, who writes to it is not known.
        let is_rules_own = environment.dlqs.first().is_some_and(|first| first == name);
        let unread = readings.rules.values().any(Result::is_err) || readings.rules.len() < environment.rules.len();
        let reason = "Which rules write to it could not be read, so whether they may is not known.";
        return (is_rules_own && unread).then(|| (Verdict::Unknown, reason.to_owned()));
    }
    let mend = format!(
        "Add an AWS::SQS::QueuePolicy for {name} that lets {EVENTS} do sqs:SendMessage, with aws:SourceArn like the ARNs of \
         the rules on {}.",
        environment.bus
    );
    let nothing = format!("EventBridge may not write to it, so 0 proves nothing. {mend}");
    let Some(text) = &queue.policy else {
        return Some((Verdict::Fail, format!("The queue has no policy: {nothing}")));
    };
    let document = match PolicyDocument::parse(text) {
        Ok(document) => [document],
        Err(why) => return Some((Verdict::Unknown, format!("The queue's policy cannot be read: {}", sentence(&why)))),
    };
    let rules = readings.rules.values().filter_map(|reading| reading.as_ref().ok()?.value.as_ref());
    let theirs = rules.filter(|rule| rule.targets.iter().any(|target| target.dlq.as_ref() == Some(&queue.arn)));
    theirs
        .filter_map(|rule| {
            let request = Request {
                asker: Asker::Service(EVENTS),
                action: "sqs:SendMessage",
                resource: &queue.arn,
                context: context_of(&rule.arn),
            };
            let rule_name = rule.arn.rsplit('/').next().unwrap_or(&rule.arn);
            match policy_document::rule(&document, &request) {
                Ruling::Allowed => None,
                Ruling::Denied(by) => Some((
                    Verdict::Fail,
                    format!("{by} of its policy denies {rule_name} to write: 0 proves nothing. Take it out."),
                )),
                Ruling::Silent => Some((Verdict::Fail, format!("Its policy does not name {rule_name}: {nothing}"))),
                Ruling::Unknown(why) => {
                    Some((Verdict::Unknown, format!("Whether {rule_name} may write to it: {}", sentence(&why))))
                }
            }
        })
        .max_by_key(|(verdict, _)| *verdict)
}
