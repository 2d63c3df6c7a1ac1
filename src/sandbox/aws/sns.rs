//! SNS's operations on topics and their subscriptions. What is published is kept for tests and the panel, and so is what
//! SNS itself sends to those whom it asks to confirm; the panel and tests confirm for them.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::faults::sns_fault;
use super::input::Input;
use super::refusal::Refusal;
use super::serve::CallContext;
use super::state::{Place, Published, State, Subscription, SubscriptionStanding as Standing, Topic};
use super::wire::Service;

/// A subject has fewer characters than this.
const SUBJECT_CHARS: usize = 100;
const MESSAGE_MAX_BYTES: usize = 262_144;
/// The oldest messages are forgotten beyond this many.
const PUBLISHED_MAX: usize = 1_000;
/// How long somebody may take to confirm a subscription before SNS forgets it.
const PENDING_MAX: SignedDuration = SignedDuration::from_hours(48);
/// How long a subscription that is gone is listed.
const DELETED_MAX: SignedDuration = SignedDuration::from_hours(72);
/// An address has no more letters than this.
const ENDPOINT_MAX: usize = 254;

pub fn answer(state: &mut State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    match call.operation {
        "Publish" => publish(state, call, input),
        "GetTopicAttributes" => get_topic_attributes(state, call, input),
        "ListSubscriptionsByTopic" => list_subscriptions(state, call, input),
        "Subscribe" => subscribe(state, call, input),
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
        id: String::new(),
        at: call.now,
        asks: None,
    };
    Ok(json!({"MessageId": state.send(message)}))
}

/// The topic that `find` looks for, to be changed.
fn find_mut<'a>(state: &'a mut State, call: &CallContext, input: Input) -> Result<&'a mut Topic, Refusal> {
    let arn = find(state, call, input)?.arn();
    let topic = state.topics.iter_mut().find(|topic| topic.arn() == arn);
    topic.ok_or_else(|| Refusal::sender("NotFound", "Topic does not exist"))
}

fn subscribe(state: &mut State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    state.forget_old_subscriptions(call.now);
    let number = state.published_count + 1;
    let topic = find_mut(state, call, input)?;
    let protocol = input.required("Protocol")?;
    if protocol != "email" {
        return Err(Refusal::unmodelled("InvalidParameter", format!("the protocol {protocol} is not known here")));
    }
    let endpoint = input.text("Endpoint").ok_or_else(|| wrong(input, "Endpoint"))?;
    if endpoint.len() > ENDPOINT_MAX || !is_address(endpoint) {
        return Err(wrong(input, "Email address"));
    }
    let wants_arn = input.value.get("ReturnSubscriptionArn").and_then(Value::as_bool).unwrap_or(false);
    let told = |topic: &Topic, subscription: &Subscription| {
        let is_told = wants_arn || subscription.standing == Standing::Confirmed;
        json!({"SubscriptionArn": if is_told { subscription.arn(topic) } else { "pending confirmation".to_owned() }})
    };
    let known =
        topic.subscriptions.iter().find(|known| known.endpoint == endpoint && known.standing != Standing::Deleted);
    if let Some(confirmed) = known.filter(|known| known.standing == Standing::Confirmed) {
        return Ok(told(topic, confirmed));
    }
    let pending = known.cloned().unwrap_or_else(|| {
        let subscription = Subscription {
            protocol: protocol.to_owned(),
            endpoint: endpoint.to_owned(),
            id: format!("00000000-0000-4000-9000-{number:012}"),
            standing: Standing::Pending,
            since: call.now,
        };
        topic.subscriptions.push(subscription.clone());
        subscription
    });
    let answer = told(topic, &pending);
    let asking = Published {
        environment: topic.environment.clone(),
        topic: topic.name.clone(),
        subject: Some("AWS Notification - Subscription Confirmation".to_owned()),
        body: format!(
            "You have chosen to subscribe {endpoint} to the topic:\n{}\n\nTo confirm this subscription, press its button \
             below.\n",
            topic.arn()
        ),
        id: String::new(),
        at: call.now,
        asks: Some(endpoint.to_owned()),
    };
    state.send(asking);
    Ok(answer)
}

/// Near enough to what SNS takes for an address.
fn is_address(endpoint: &str) -> bool {
    let fits = |part: &str| !part.is_empty() && part.chars().all(|letter| letter.is_ascii_graphic() && letter != '@');
    endpoint.split_once('@').is_some_and(|(local, host)| fits(local) && fits(host) && host.contains('.'))
}

fn list_subscriptions(state: &mut State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    state.forget_old_subscriptions(call.now);
    let topic = find(state, call, input)?;
    let listed = topic.subscriptions.iter().map(|subscription| {
        let arn = match subscription.standing {
            Standing::Pending => "PendingConfirmation".to_owned(),
            Standing::Confirmed => subscription.arn(topic),
            Standing::Deleted => "Deleted".to_owned(),
        };
        json!({
            "SubscriptionArn": arn,
            "Owner": topic.place.account,
            "Protocol": subscription.protocol,
            "Endpoint": subscription.endpoint,
            "TopicArn": topic.arn(),
        })
    });
    let (page, next) = input.page(listed.collect(), "NextToken", call.page_max)?;
    Ok(json!({"Subscriptions": page, "NextToken": next}))
}

impl Subscription {
    fn arn(&self, topic: &Topic) -> String {
        format!("{}:{}", topic.arn(), self.id)
    }
}

impl State {
    /// Keeps a message with an id of its own, and returns that.
    fn send(&mut self, message: Published) -> String {
        self.published_count += 1;
        let id = format!("00000000-0000-4000-8000-{:012}", self.published_count);
        if self.published.len() >= PUBLISHED_MAX {
            self.published.remove(0);
        }
        self.published.push(Published { id: id.clone(), ..message });
        id
    }

    /// What nobody has confirmed in time is gone, and so in the end is what was deleted.
    pub fn forget_old_subscriptions(&mut self, now: Timestamp) {
        for topic in &mut self.topics {
            topic.subscriptions.retain(|known| match known.standing {
                Standing::Pending => now.duration_since(known.since) < PENDING_MAX,
                Standing::Confirmed => true,
                Standing::Deleted => now.duration_since(known.since) < DELETED_MAX,
            });
        }
    }

    /// Brings the subscription of an address from one standing to another; says whether there is such a one.
    pub fn set_subscription(
        &mut self,
        topic: &str,
        endpoint: &str,
        from: Standing,
        to: Standing,
        now: Timestamp,
    ) -> bool {
        self.forget_old_subscriptions(now);
        let topics = self.topics.iter_mut().filter(|known| known.name == topic);
        let mut known = topics.flat_map(|topic| &mut topic.subscriptions);
        let found = known.find(|known| known.endpoint == endpoint && known.standing == from);
        found.map(|found| (found.standing, found.since) = (to, now)).is_some()
    }
}

/// One line of ASCII that begins with a letter, a number or a punctuation mark.
fn is_subject(subject: &str) -> bool {
    let begins_well = subject.starts_with(|first: char| first.is_ascii_graphic());
    begins_well && subject.len() < SUBJECT_CHARS && subject.chars().all(|letter| matches!(letter, ' '..='~'))
}

fn get_topic_attributes(state: &mut State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    state.forget_old_subscriptions(call.now);
    let topic = find(state, call, input)?;
    let count = |standing| {
        topic.subscriptions.iter().filter(|subscription| subscription.standing == standing).count().to_string()
    };
    Ok(json!({"Attributes": {
        "TopicArn": topic.arn(),
        "Owner": topic.place.account,
        "SubscriptionsConfirmed": count(Standing::Confirmed),
        "SubscriptionsPending": count(Standing::Pending),
        "SubscriptionsDeleted": count(Standing::Deleted),
    }}))
}
