//! What a deployment should have made: bus, table, and the dead-letter queue that the stack itself names.

use std::collections::BTreeMap;

use crate::domain::{Check, DlqDepth, Environment, Evidence, Verdict};

use super::Reading;
use super::checklist::{self, ChecklistReadings};

/// The stack's output that has the URL of the rules' dead-letter queue.
const QUEUE_OUTPUT: &str = "EventDLQUrl";

/// Goes through what was read. `outputs` are the stack's, by key.
pub fn checks(
    environment: &Environment,
    readings: &ChecklistReadings,
    outputs: &Reading<BTreeMap<String, String>>,
) -> Vec<Check> {
    let asked = ["bus", "table", "ttl"];
    let all = checklist::checks(environment, &BTreeMap::new(), readings);
    let mut checks: Vec<Check> = all.into_iter().filter(|check| asked.contains(&check.name.as_str())).collect();
    if let Some(queue) = environment.dlqs.first() {
        checks.push(queue_check(environment, queue, readings.dlqs.get(queue), outputs));
    }
    checks
}

/// The queue is there, and is the one that the stack says it made.
fn queue_check(
    environment: &Environment,
    queue: &str,
    depth: Option<&Reading<Option<DlqDepth>>>,
    outputs: &Reading<BTreeMap<String, String>>,
) -> Check {
    let mut request_ids = Vec::new();
    let (verdict, value, reason) = match (depth, outputs) {
        (None, _) => (Verdict::Unknown, String::new(), format!("{queue} was not asked for.")),
        (Some(Err(why)), _) | (_, Err(why)) => {
            (Verdict::Unknown, String::new(), format!("It could not be asked: {why}."))
        }
        (Some(Ok(depth)), Ok(outputs)) => {
            request_ids.extend(depth.request_ids.iter().chain(&outputs.request_ids).cloned());
            let named = outputs.value.get(QUEUE_OUTPUT);
            match (&depth.value, named) {
                (None, _) => (
                    Verdict::Fail,
                    "missing".to_owned(),
                    "There is no queue of this name: look at the stack's resources, or mend `dlqs`.".to_owned(),
                ),
                (Some(_), Some(url)) if url.rsplit('/').next() != Some(queue) => (
                    Verdict::Fail,
                    "another queue".to_owned(),
                    format!("The stack's output {QUEUE_OUTPUT} is {url}, which is not this queue: mend `dlqs`."),
                ),
                (Some(_), Some(_)) => (
                    Verdict::Pass,
                    "is there".to_owned(),
                    format!("The queue is there, and is the stack's {QUEUE_OUTPUT}."),
                ),
                (Some(_), None) => (
                    Verdict::Pass,
                    "is there".to_owned(),
                    format!("The queue is there; the stack has no output {QUEUE_OUTPUT} that would name it."),
                ),
            }
        }
    };
    Check {
        name: format!("queue:{queue}"),
        title: format!("Dead-letter queue {queue}"),
        verdict,
        value,
        limit: "exists".to_owned(),
        reason,
        evidence: Evidence {
            query: format!("GetQueueAttributes {queue}; DescribeStacks {}", environment.stack),
            request_ids,
            ..Evidence::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::Answer;
    use crate::config::{ALCH_TOML, Config};

    fn judged(depth: Reading<Option<DlqDepth>>, output: Reading<Option<&str>>) -> Verdict {
        let (config, _) = Config::parse(ALCH_TOML, "alch.toml", &Default::default()).unwrap();
        let outputs = output.map(|answer| Answer {
            value: answer.value.map(|url| (QUEUE_OUTPUT.to_owned(), url.to_owned())).into_iter().collect(),
            request_ids: Vec::new(),
        });
        queue_check(&config.environments["dev"], "alchemiser-event-dlq-dev", Some(&depth), &outputs).verdict
    }

    fn answered<T>(value: T) -> Reading<T> {
        Ok(Answer { value, request_ids: Vec::new() })
    }

    #[test]
    fn the_queue_has_to_be_there_and_to_be_the_stacks() {
        let there = || answered(Some(DlqDepth::default()));
        let own = "https://sqs.us-east-1.amazonaws.com/111122223333/alchemiser-event-dlq-dev";
        let other = "https://sqs.us-east-1.amazonaws.com/111122223333/somebody-elses";
        assert_eq!(judged(there(), answered(Some(own))), Verdict::Pass);
        assert_eq!(judged(there(), answered(None)), Verdict::Pass);
        assert_eq!(judged(there(), answered(Some(other))), Verdict::Fail);
        assert_eq!(judged(answered(None), answered(Some(own))), Verdict::Fail);
        assert_eq!(judged(Err("denied".to_owned()), answered(Some(own))), Verdict::Unknown);
        assert_eq!(judged(there(), Err("denied".to_owned())), Verdict::Unknown);
    }
}
