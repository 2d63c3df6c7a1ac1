//! SQS's operations on queues. Those on messages are in `messages`.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::input::Input;
use super::messages;
use super::refusal::Refusal;
use super::serve::CallContext;
use super::state::{Queue, State};
use super::wire::Service;

const ATTRIBUTES: [&str; 14] = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "CreatedTimestamp",
    "DelaySeconds",
    "LastModifiedTimestamp",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "Policy",
    "QueueArn",
    "ReceiveMessageWaitTimeSeconds",
    "RedrivePolicy",
    "SqsManagedSseEnabled",
    "VisibilityTimeout",
];

pub fn answer(state: &mut State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    match call.operation {
        "GetQueueUrl" => {
            let name = input.required("QueueName")?;
            let account = input.text("QueueOwnerAWSAccountId");
            let mut queues = visible(state, call);
            let queue =
                queues.find(|queue| queue.name == name && account.is_none_or(|account| queue.place.account == account));
            Ok(json!({"QueueUrl": url(call, queue.ok_or_else(no_queue)?)}))
        }
        "GetQueueAttributes" => get_queue_attributes(state, call, input),
        "ReceiveMessage" => messages::receive(state, call, input),
        "ChangeMessageVisibilityBatch" => messages::change_visibility_batch(state, call, input),
        "DeleteMessage" => messages::delete(state, call, input),
        "ListQueues" => list_queues(state, call, input),
        other => Err(Refusal::unknown_operation(Some(Service::Sqs), other)),
    }
}

fn visible<'a>(state: &'a State, call: &'a CallContext) -> impl Iterator<Item = &'a Queue> {
    state.queues.iter().filter(|queue| call.sees(&queue.place))
}

fn no_queue() -> Refusal {
    Refusal {
        query_code: "AWS.SimpleQueueService.NonExistentQueue",
        ..Refusal::sender("QueueDoesNotExist", "The specified queue does not exist.")
    }
}

fn url(call: &CallContext, queue: &Queue) -> String {
    format!("{}/{}/{}", call.endpoint, queue.place.account, queue.name)
}

/// The queue whose URL a call names.
pub fn find<'a>(state: &'a mut State, call: &CallContext, input: Input) -> Result<&'a mut Queue, Refusal> {
    let url = input.required("QueueUrl")?;
    let mut path = url.rsplit('/');
    let (name, account) = (path.next().unwrap_or_default(), path.next().unwrap_or_default());
    let mut queues = state.queues.iter_mut().filter(|queue| call.sees(&queue.place));
    queues.find(|queue| queue.name == name && queue.place.account == account).ok_or_else(no_queue)
}

fn get_queue_attributes(state: &mut State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    let queue = find(state, call, input)?;
    let wanted = input.texts("AttributeNames");
    if let Some(unknown) = wanted.iter().find(|name| **name != "All" && !ATTRIBUTES.contains(name)) {
        return Err(Refusal::sender("InvalidAttributeName", format!("Unknown Attribute {unknown}.")));
    }
    // Without names there are no attributes in the answer, and not all of them.
    let is_wanted = |name: &str| wanted.contains(&"All") || wanted.contains(&name);
    let attributes: Map<String, Value> = ATTRIBUTES
        .into_iter()
        .filter(|name| is_wanted(name))
        .filter_map(|name| Some((name.to_owned(), Value::String(attribute(queue, name, call.now)?))))
        .collect();
    if attributes.is_empty() { Ok(json!({})) } else { Ok(json!({"Attributes": attributes})) }
}

/// An attribute's value, always a text; `None` for one that this queue does not have.
fn attribute(queue: &Queue, name: &str, now: Timestamp) -> Option<String> {
    match name {
        "ApproximateNumberOfMessages" => Some(queue.depth(now).visible.to_string()),
        "ApproximateNumberOfMessagesDelayed" => Some(queue.depth(now).delayed.to_string()),
        "ApproximateNumberOfMessagesNotVisible" => Some(queue.depth(now).in_flight.to_string()),
        "CreatedTimestamp" | "LastModifiedTimestamp" => Some(queue.created.as_second().to_string()),
        "DelaySeconds" | "ReceiveMessageWaitTimeSeconds" => Some("0".to_owned()),
        "MaximumMessageSize" => Some("262144".to_owned()),
        "MessageRetentionPeriod" => Some("1209600".to_owned()),
        "Policy" => queue.policy.as_ref().map(Value::to_string),
        "QueueArn" => Some(queue.arn()),
        "SqsManagedSseEnabled" => Some("true".to_owned()),
        "VisibilityTimeout" => Some("30".to_owned()),
        _ => None,
    }
}

fn list_queues(state: &State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    let prefix = input.text("QueueNamePrefix").unwrap_or_default();
    let queues = visible(state, call).filter(|queue| queue.name.starts_with(prefix));
    let urls: Vec<String> = queues.map(|queue| url(call, queue)).collect();
    let size = usize::try_from(input.number("MaxResults", 1000, 1..=1000)?).unwrap_or(1);
    let (page, next) = input.page(urls, "NextToken", size)?;
    let mut answer = json!({});
    if !page.is_empty() {
        answer["QueueUrls"] = json!(page);
    }
    if let Some(next) = next.filter(|_| input.value.get("MaxResults").is_some()) {
        answer["NextToken"] = json!(next);
    }
    Ok(answer)
}
