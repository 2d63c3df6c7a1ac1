//! The messages of queues: what one holds, who sees it when, and SQS's operations on them. A message that was received is
//! hidden until its time is over, it is shown again, or deleted.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::input::Input;
use super::refusal::Refusal;
use super::serve::CallContext;
use super::sqs::find;
use super::state::{Queue, QueueDepth, State};

/// For how long queues keep a message.
pub const KEPT: SignedDuration = SignedDuration::from_hours(14 * 24);
/// The longest that a message may be hidden.
pub const HIDDEN_MAX: SignedDuration = SignedDuration::from_hours(12);
const BATCH_MAX: usize = 10;

/// A message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub id: String,
    pub body: String,
    /// Its message attributes, all of them texts.
    pub attributes: BTreeMap<String, String>,
    pub sent: Timestamp,
    /// From when on it is seen.
    pub visible_at: Timestamp,
    pub first_received: Option<Timestamp>,
    pub receives: u32,
    /// Whether a switch of the panel put it there.
    pub filled: bool,
}

impl Queue {
    /// Puts a message in.
    pub fn put(&mut self, at: Timestamp, body: String, attributes: BTreeMap<String, String>) -> &mut Message {
        self.put_count += 1;
        let id = format!("00000000-0000-4000-a000-{:012}", self.put_count);
        self.messages.push(Message {
            id,
            body,
            attributes,
            sent: at,
            visible_at: at,
            first_received: None,
            receives: 0,
            filled: false,
        });
        let last = self.messages.len() - 1;
        &mut self.messages[last]
    }

    /// What lies in it.
    pub fn depth(&self, now: Timestamp) -> QueueDepth {
        let mut depth = QueueDepth::default();
        for message in &self.messages {
            if message.visible_at <= now {
                depth.visible += 1;
            } else if message.receives > 0 {
                depth.in_flight += 1;
            } else {
                depth.delayed += 1;
            }
        }
        depth
    }

    /// Forgets what is too old to be kept.
    pub fn expire(&mut self, now: Timestamp) {
        self.messages.retain(|message| now.duration_since(message.sent) < KEPT);
    }

    /// The age of its oldest message, in seconds.
    pub fn oldest_age(&self, now: Timestamp) -> Option<i64> {
        self.messages.iter().map(|message| now.duration_since(message.sent).as_secs()).max()
    }
}

/// The receipt of the last receive of a message: an earlier one is of no use any more.
fn receipt(message: &Message) -> String {
    format!("AQEB-{}-{}", message.id, message.receives)
}

pub fn receive(state: &mut State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    let queue = find(state, call, input)?;
    let most = usize::try_from(input.number("MaxNumberOfMessages", 1, 1..=10)?).unwrap_or(1);
    let hidden = input.number("VisibilityTimeout", 30, 0..=43_200)?;
    input.number("WaitTimeSeconds", 0, 0..=20)?;
    let system = [input.texts("MessageSystemAttributeNames"), input.texts("AttributeNames")].concat();
    let wanted = input.texts("MessageAttributeNames");
    let mut received = Vec::new();
    for message in queue.messages.iter_mut().filter(|message| message.visible_at <= call.now).take(most) {
        message.receives += 1;
        message.visible_at = call.now + SignedDuration::from_secs(hidden);
        let first_received = *message.first_received.get_or_insert(call.now);
        let attributes: Map<String, Value> = [
            ("ApproximateFirstReceiveTimestamp", first_received.as_millisecond().to_string()),
            ("ApproximateReceiveCount", message.receives.to_string()),
            ("SenderId", "AIDAEVENTBRIDGE".to_owned()),
            ("SentTimestamp", message.sent.as_millisecond().to_string()),
        ]
        .into_iter()
        .filter(|(name, _)| system.contains(&"All") || system.contains(name))
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect();
        let of_message: Map<String, Value> = message
            .attributes
            .iter()
            .filter(|(name, _)| wanted.iter().any(|wanted| ["All", ".*", name.as_str()].contains(wanted)))
            .map(|(name, value)| (name.clone(), json!({"StringValue": value, "DataType": "String"})))
            .collect();
        let mut value = json!({"MessageId": message.id, "ReceiptHandle": receipt(message), "Body": message.body});
        for (name, map) in [("Attributes", attributes), ("MessageAttributes", of_message)] {
            if !map.is_empty() {
                value[name] = Value::Object(map);
            }
        }
        received.push(value);
    }
    Ok(if received.is_empty() { json!({}) } else { json!({"Messages": received}) })
}

/// Hides messages for another time from now on, or shows them again. Each entry has a result of its own.
pub fn change_visibility_batch(state: &mut State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    let queue = find(state, call, input)?;
    let entries = input.list("Entries");
    if entries.is_empty() {
        return Err(Refusal {
            query_code: "AWS.SimpleQueueService.EmptyBatchRequest",
            ..Refusal::sender("EmptyBatchRequest", "There should be at least one entry in the request.")
        });
    }
    if entries.len() > BATCH_MAX {
        return Err(Refusal {
            query_code: "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
            ..Refusal::sender("TooManyEntriesInBatchRequest", "Maximum number of entries per request are 10.")
        });
    }
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for value in entries {
        let entry = Input { value, ..input };
        let id = entry.text("Id").unwrap_or_default();
        let hidden = entry.number("VisibilityTimeout", 30, 0..=43_200)?;
        let handle = entry.text("ReceiptHandle").unwrap_or_default();
        match queue.messages.iter_mut().find(|message| receipt(message) == handle && message.visible_at > call.now) {
            Some(message) => {
                message.visible_at = call.now + SignedDuration::from_secs(hidden);
                successful.push(json!({"Id": id}));
            }
            None => failed.push(json!({
                "Id": id,
                "SenderFault": true,
                "Code": "MessageNotInflight",
                "Message": "The specified message isn't in flight.",
            })),
        }
    }
    Ok(json!({"Successful": successful, "Failed": failed}))
}

/// Deletes a message by its receipt. One that is gone is gone; one that somebody received since is left.
pub fn delete(state: &mut State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    let queue = find(state, call, input)?;
    let handle = input.required("ReceiptHandle")?;
    if !handle.starts_with("AQEB-") {
        let message = "The input receipt handle is not a valid receipt handle.";
        return Err(Refusal::sender("ReceiptHandleIsInvalid", message));
    }
    queue.messages.retain(|message| receipt(message) != handle);
    Ok(json!({}))
}
