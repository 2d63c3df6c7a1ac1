//! What a deployment should have made: bus, table, and the dead-letter queue that the stack itself names.

use std::collections::BTreeMap;

use crate::domain::{Check, DlqDepth, Environment, Evidence, Verdict};

use super::Reading;
use super::checklist::{TableFact, TtlFact};

/// The stack's output that has the URL of the rules' dead-letter queue.
const QUEUE_OUTPUT: &str = "EventDLQUrl";

/// What was read. Where nothing is there, the answer is none: that was asked and answered.
#[derive(Clone, Debug)]
pub struct InfrastructureReadings {
    /// Whether the bus exists.
    pub bus: Reading<bool>,
    /// The idempotency table.
    pub table: Reading<Option<TableFact>>,
    /// Its expiry.
    pub ttl: Reading<Option<TtlFact>>,
    /// The rules' dead-letter queue; none when none is configured.
    pub queue: Option<(String, Reading<Option<DlqDepth>>)>,
    /// The stack's outputs, by key.
    pub outputs: Reading<BTreeMap<String, String>>,
}

/// Goes through what was read.
pub fn checks(environment: &Environment, readings: &InfrastructureReadings) -> Vec<Check> {
    let bus = &environment.bus;
    let table = &environment.table;
    let mut checks = vec![
        check(
            &format!("bus:{bus}"),
            format!("Event bus {bus}"),
            format!("DescribeEventBus {bus}"),
            &readings.bus,
            |there| {
                if *there {
                    (Verdict::Pass, "is there", "The bus is there.".to_owned())
                } else {
                    (
                        Verdict::Fail,
                        "missing",
                        "There is no such bus: look at the stack's resources, or mend `bus`.".to_owned(),
                    )
                }
            },
        ),
        check(
            &format!("table:{}", table.name),
            format!("Table {}", table.name),
            format!("DescribeTable {}", table.name),
            &readings.table,
            |found| match found {
                None => (
                    Verdict::Fail,
                    "missing",
                    "There is no such table: look at the stack's resources, or mend `table`.".to_owned(),
                ),
                Some(found) if found.status != "ACTIVE" => {
                    (Verdict::Fail, "not active", format!("The table is {}; it has to be ACTIVE.", found.status))
                }
                Some(found) if found.partition_key.as_deref() != Some(table.key.as_str()) => {
                    let key = found.partition_key.as_deref().unwrap_or("nothing");
                    (Verdict::Fail, "another key", format!("Its partition key is {key}, not {}.", table.key))
                }
                Some(_) => (Verdict::Pass, "ACTIVE", format!("The table is active, with the key {}.", table.key)),
            },
        ),
        check(
            &format!("ttl:{}", table.name),
            format!("Expiry of {}", table.name),
            format!("DescribeTimeToLive {}", table.name),
            &readings.ttl,
            |found| match found {
                Some(found)
                    if found.status == "ENABLED"
                        && found.attribute.as_deref() == Some(table.ttl_attribute.as_str()) =>
                {
                    (Verdict::Pass, "ENABLED", format!("Items expire by {}.", table.ttl_attribute))
                }
                Some(found) => {
                    let by = found.attribute.as_deref().map(|by| format!(" by {by}")).unwrap_or_default();
                    let why =
                        format!("Expiry is {}{by}; it has to be ENABLED by {}.", found.status, table.ttl_attribute);
                    (Verdict::Fail, "not as wanted", why)
                }
                None => (Verdict::Fail, "missing", "There is no such table.".to_owned()),
            },
        ),
    ];
    checks.extend(
        readings.queue.as_ref().map(|(queue, depth)| queue_check(environment, queue, depth, &readings.outputs)),
    );
    checks
}

/// The queue is there, and is the one that the stack says it made.
fn queue_check(
    environment: &Environment,
    queue: &str,
    depth: &Reading<Option<DlqDepth>>,
    outputs: &Reading<BTreeMap<String, String>>,
) -> Check {
    let query = format!("GetQueueAttributes {queue}; DescribeStacks {}", environment.stack);
    let name = format!("queue:{queue}");
    let title = format!("Dead-letter queue {queue}");
    let outputs = match outputs {
        Ok(outputs) => outputs,
        Err(why) => return check::<bool>(&name, title, query, &Err(why.clone()), |_| unasked()),
    };
    let named = outputs.value.get(QUEUE_OUTPUT);
    check(&name, title, query, depth, |depth| match (depth, named) {
        (None, _) => (
            Verdict::Fail,
            "missing",
            "There is no such queue: look at the stack's resources, or mend `dlqs`.".to_owned(),
        ),
        (Some(_), Some(url)) if url.rsplit('/').next() != Some(queue) => {
            let why = format!("The stack's output {QUEUE_OUTPUT} is {url}, which is not this queue: mend `dlqs`.");
            (Verdict::Fail, "another queue", why)
        }
        (Some(_), Some(_)) => {
            (Verdict::Pass, "is there", format!("The queue is there, and is the stack's {QUEUE_OUTPUT}."))
        }
        (Some(_), None) => (
            Verdict::Pass,
            "is there",
            format!("The queue is there; the stack has no output {QUEUE_OUTPUT} to name it."),
        ),
    })
}

/// What nobody judges: a reading that failed is unknown.
fn unasked() -> (Verdict, &'static str, String) {
    (Verdict::Unknown, "", "It could not be asked.".to_owned())
}

fn check<T>(
    name: &str,
    title: String,
    query: String,
    reading: &Reading<T>,
    judge: impl FnOnce(&T) -> (Verdict, &'static str, String),
) -> Check {
    let (verdict, value, reason) = match reading {
        Ok(answer) => judge(&answer.value),
        Err(why) => (Verdict::Unknown, "", format!("It could not be asked: {}.", why.trim_end_matches('.'))),
    };
    let request_ids = reading.as_ref().map(|answer| answer.request_ids.clone()).unwrap_or_default();
    Check {
        name: name.to_owned(),
        title,
        verdict,
        value: value.to_owned(),
        limit: "is there".to_owned(),
        reason,
        evidence: Evidence { query, request_ids, ..Evidence::default() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::Answer;
    use crate::config::{ALCH_TOML, Config};

    fn answered<T>(value: T) -> Reading<T> {
        Ok(Answer { value, request_ids: Vec::new() })
    }

    fn denied<T>() -> Reading<T> {
        Err("denied".to_owned())
    }

    fn sound() -> InfrastructureReadings {
        let url = "https://sqs.us-east-1.amazonaws.com/111122223333/alchemiser-event-dlq-dev";
        let key = Some("event_id".to_owned());
        InfrastructureReadings {
            bus: answered(true),
            table: answered(Some(TableFact { status: "ACTIVE".to_owned(), partition_key: key, sort_key: None })),
            ttl: answered(Some(TtlFact { status: "ENABLED".to_owned(), attribute: Some("ttl".to_owned()) })),
            queue: Some(("alchemiser-event-dlq-dev".to_owned(), answered(Some(DlqDepth::default())))),
            outputs: answered(BTreeMap::from([(QUEUE_OUTPUT.to_owned(), url.to_owned())])),
        }
    }

    fn verdicts(readings: &InfrastructureReadings) -> Vec<Verdict> {
        let (config, _) = Config::parse(ALCH_TOML, "alch.toml", &Default::default()).unwrap();
        checks(&config.environments["dev"], readings).into_iter().map(|check| check.verdict).collect()
    }

    #[test]
    fn all_four_have_to_be_there_and_the_queue_to_be_the_stacks() {
        use Verdict::{Fail, Pass, Unknown};
        assert_eq!(verdicts(&sound()), [Pass; 4]);
        assert_eq!(verdicts(&InfrastructureReadings { bus: answered(false), ..sound() }), [Fail, Pass, Pass, Pass]);
        assert_eq!(verdicts(&InfrastructureReadings { bus: denied(), ..sound() }), [Unknown, Pass, Pass, Pass]);
        assert_eq!(verdicts(&InfrastructureReadings { table: answered(None), ..sound() }), [Pass, Fail, Pass, Pass]);
        let off = TtlFact { status: "DISABLED".to_owned(), attribute: None };
        assert_eq!(verdicts(&InfrastructureReadings { ttl: answered(Some(off)), ..sound() }), [Pass, Pass, Fail, Pass]);
        let other = BTreeMap::from([(QUEUE_OUTPUT.to_owned(), "https://sqs/1/somebody-elses".to_owned())]);
        assert_eq!(verdicts(&InfrastructureReadings { outputs: answered(other), ..sound() }), [Pass, Pass, Pass, Fail]);
        let silent = InfrastructureReadings { outputs: answered(BTreeMap::new()), ..sound() };
        assert_eq!(verdicts(&silent), [Pass; 4]);
        assert_eq!(verdicts(&InfrastructureReadings { outputs: denied(), ..sound() }), [Pass, Pass, Pass, Unknown]);
        let gone = Some(("q".to_owned(), answered(None)));
        assert_eq!(verdicts(&InfrastructureReadings { queue: gone, ..sound() }), [Pass, Pass, Pass, Fail]);
    }
}
