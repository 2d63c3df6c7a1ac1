//! SNS's operations on topics. What is published is kept for tests and the panel; nobody is subscribed.

use serde_json::{Value, json};

use super::faults::sns_fault;
use super::input::Input;
use super::refusal::Refusal;
use super::serve::CallContext;
use super::state::{Place, Published, State, Topic};
use super::wire::Service;

/// A subject has fewer characters than this.
const SUBJECT_CHARS: usize = 100;
const MESSAGE_MAX_BYTES: usize = 262_144;
/// The oldest messages are forgotten beyond this many.
const PUBLISHED_MAX: usize = 1_000;

pub fn answer(state: &mut State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    match call.operation {
        "Publish" => publish(state, call, input),
        "GetTopicAttributes" => get_topic_attributes(state, call, input),
        other => Err(Refusal::unknown_operation(Some(Service::Sns), other)),
    }
}

/// The topic of an ARN. Of another region it is wrong, of another account forbidden, whether it is there or not.
fn find<'a>(state: &'a State, call: &CallContext, input: Input) -> Result<&'a Topic, Refusal> {
    let arn = input.required("TopicArn")?;
    let parts: Vec<&str> = arn.split(':').collect();
    let ["arn", _, "sns", region, account, _] = parts.as_slice() else {
        return Err(wrong(input, "TopicArn"));
    };
    if call.caller.region.as_ref().is_some_and(|signed| signed != region) {
        return Err(wrong(input, "TopicArn"));
    }
    if !call.sees(&Place { account: (*account).to_owned(), region: (*region).to_owned() }) {
        return Err(Refusal::access_denied(Service::Sns, call.operation));
    }
    let topic = state.topics.iter().find(|topic| topic.arn() == arn);
    topic.ok_or_else(|| Refusal { status: 404, ..Refusal::sender("NotFound", "Topic does not exist") })
}

fn wrong(input: Input, name: &str) -> Refusal {
    input.wrong(format!("Invalid parameter: {name}"))
}

fn publish(state: &mut State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    if let Some(name) =
        ["TargetArn", "PhoneNumber", "MessageStructure"].into_iter().find(|name| input.text(name).is_some())
    {
        return Err(Refusal::unmodelled("InvalidParameter", format!("{name} is not known here")));
    }
    let topic = find(state, call, input)?;
    let subject = input.value.get("Subject").and_then(Value::as_str);
    if subject.is_some_and(|subject| !is_subject(subject)) {
        return Err(wrong(input, "Subject"));
    }
    let body = input.text("Message").ok_or_else(|| input.wrong("Invalid parameter: Empty message"))?;
    if body.len() > MESSAGE_MAX_BYTES {
        return Err(input.wrong("Invalid parameter: Message too long"));
    }
    if state.fault(&sns_fault(&topic.environment)) {
        return Err(Refusal::access_denied(Service::Sns, call.operation));
    }
    let message = Published {
        environment: topic.environment.clone(),
        topic: topic.name.clone(),
        subject: subject.map(str::to_owned),
        body: body.to_owned(),
        id: format!("00000000-0000-4000-8000-{:012}", state.published_count + 1),
        at: call.now,
    };
    let answer = json!({"MessageId": message.id});
    state.published_count += 1;
    if state.published.len() >= PUBLISHED_MAX {
        state.published.remove(0);
    }
    state.published.push(message);
    Ok(answer)
}

/// One line of ASCII that begins with a letter, a number or a punctuation mark.
fn is_subject(subject: &str) -> bool {
    let begins_well = subject.starts_with(|first: char| first.is_ascii_graphic());
    begins_well && subject.len() < SUBJECT_CHARS && subject.chars().all(|letter| matches!(letter, ' '..='~'))
}

fn get_topic_attributes(state: &State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    let topic = find(state, call, input)?;
    Ok(json!({"Attributes": {
        "TopicArn": topic.arn(),
        "Owner": topic.place.account,
        "SubscriptionsConfirmed": "1",
        "SubscriptionsPending": "0",
        "SubscriptionsDeleted": "0",
    }}))
}
