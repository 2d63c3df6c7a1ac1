//! The world's resources as values: buses, rules, queues, functions, tables, alarms, stacks, topics. How they change over time is in
//! `flow` and `alarms`, how they answer calls in one file a service.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::bus_events::BusEvent;
use super::change_sets::{ChangeSet, VersionPlan};
use super::logs::Written;
use super::messages::Message;
use super::metrics::{MetricKey, Metrics};
use super::replays::Replay;
use super::spec::StackSpec;

/// An account and a region: where a resource is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    pub account: String,
    pub region: String,
}

impl Place {
    pub fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:{}:{service}:{}:{}:{resource}", self.partition(), self.region, self.account)
    }

    /// The part of AWS that the region is in.
    pub fn partition(&self) -> &'static str {
        match self.region.split('-').collect::<Vec<_>>().as_slice() {
            ["cn", ..] => "aws-cn",
            ["us", "gov", ..] => "aws-us-gov",
            _ => "aws",
        }
    }
}

/// A rule's state, as EventBridge names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RuleState {
    /// Events that match reach the targets.
    Enabled,
    /// Events that match go nowhere.
    Disabled,
    /// Enabled, and told of management events as well.
    EnabledWithAllCloudtrailManagementEvents,
}

impl RuleState {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "ENABLED",
            Self::Disabled => "DISABLED",
            Self::EnabledWithAllCloudtrailManagementEvents => "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS",
        }
    }

    pub(super) fn lets_events_through(self) -> bool {
        self != Self::Disabled
    }
}

/// An alarm's state, as CloudWatch names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AlarmState {
    /// Below the threshold.
    Ok,
    /// At the threshold or above.
    Alarm,
    /// It cannot tell.
    InsufficientData,
}

impl AlarmState {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Alarm => "ALARM",
            Self::InsufficientData => "INSUFFICIENT_DATA",
        }
    }
}

/// What lies in a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueDepth {
    /// Messages that a consumer could take.
    pub visible: u64,
    /// Messages that a consumer has taken and not deleted.
    pub in_flight: u64,
    /// Messages that are not to be seen yet.
    pub delayed: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Bus {
    pub place: Place,
    pub name: String,
    pub created: Timestamp,
    pub rules: Vec<Rule>,
}

impl Bus {
    pub fn arn(&self) -> String {
        self.place.arn("events", &format!("event-bus/{}", self.name))
    }

    pub fn is_default(&self) -> bool {
        self.name == "default"
    }

    pub fn rule_arn(&self, rule: &Rule) -> String {
        let path = if self.is_default() { rule.name.clone() } else { format!("{}/{}", self.name, rule.name) };
        self.place.arn("events", &format!("rule/{path}"))
    }

    /// A metric of one rule: the default bus's rules are told apart by the rule alone, others by bus and rule.
    pub fn rule_metric(&self, rule: &str, name: &str) -> MetricKey {
        let both = [("EventBusName", self.name.as_str()), ("RuleName", rule)];
        MetricKey::new(&self.place, "AWS/Events", name, if self.is_default() { &both[1..] } else { &both })
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Rule {
    pub name: String,
    /// Environment and short name, for the rules that a stack's spec names.
    pub owner: Option<(String, String)>,
    pub state: RuleState,
    /// When the rule came to its state.
    pub since: Timestamp,
    /// The state before that, for reads that come too late.
    pub before: RuleState,
    pub managed_by: Option<String>,
    pub pattern: Value,
    pub targets: Vec<Target>,
    /// Whether events come for this rule at all.
    pub has_traffic: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Target {
    pub id: String,
    pub arn: String,
    pub dlq_arn: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Archive {
    pub place: Place,
    pub name: String,
    pub bus_arn: String,
    pub created: Timestamp,
    /// All that ever arrived.
    pub events: u64,
    /// The newest of them, oldest first.
    #[serde(default)]
    pub remembered: VecDeque<BusEvent>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Queue {
    pub place: Place,
    pub name: String,
    pub environment: String,
    /// In the order in which they were put in.
    #[serde(default)]
    pub messages: Vec<Message>,
    /// How many messages there were in all, so that each has an id of its own.
    #[serde(default)]
    pub put_count: u64,
    /// Without it, EventBridge cannot write to the queue.
    pub policy: Option<Value>,
    pub created: Timestamp,
}

impl Queue {
    pub fn arn(&self) -> String {
        self.place.arn("sqs", &self.name)
    }

    /// The policy that lets EventBridge send what the rules of `bus` could not deliver.
    pub fn event_policy(place: &Place, name: &str, bus: &str) -> Value {
        json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Sid": "events",
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": place.arn("sqs", name),
                "Condition": {"ArnLike": {"aws:SourceArn": place.arn("events", &format!("rule/{bus}/*"))}},
            }],
        })
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Function {
    pub place: Place,
    pub name: String,
    pub environment: String,
    /// The code's CodeSha256: base64.
    pub code: String,
    pub modified: Timestamp,
    /// The reserved concurrency; none without a reservation.
    #[serde(default)]
    pub concurrency: Option<u32>,
    /// Counts its changes.
    #[serde(default)]
    pub revision: u64,
    /// When Lambda is done with the last update of its code.
    #[serde(default)]
    pub updated_at: Option<Timestamp>,
    /// Why updates of its code fail, if they do.
    #[serde(default)]
    pub update_fails: Option<String>,
    /// Its variables.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// The log group that it is set up with, if it is with another than its own.
    #[serde(default)]
    pub logs_to: Option<String>,
}

impl Function {
    pub fn arn(&self) -> String {
        self.place.arn("lambda", &format!("function:{}", self.name))
    }

    pub fn metric(&self, name: &str) -> MetricKey {
        MetricKey::new(&self.place, "AWS/Lambda", name, &[("FunctionName", &self.name)])
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Table {
    pub place: Place,
    pub name: String,
    pub key: String,
    pub ttl_attribute: String,
    pub ttl_enabled: bool,
    pub created: Timestamp,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Alarm {
    pub place: Place,
    pub environment: String,
    pub name: String,
    pub topic_arn: String,
    /// `None` for an alarm whose metric the world does not have.
    pub metric: Option<MetricKey>,
    pub statistic: String,
    pub threshold: f64,
    pub state: AlarmState,
    pub reason: String,
    /// When it came to its state.
    pub since: Timestamp,
    /// A state that it is held in, whatever its metric says.
    pub held: Option<AlarmState>,
    pub created: Timestamp,
    /// Oldest first.
    pub history: Vec<AlarmTurn>,
}

/// A change of an alarm's state.
#[derive(Debug, Serialize, Deserialize)]
pub struct AlarmTurn {
    pub at: Timestamp,
    pub from: AlarmState,
    pub from_reason: String,
    pub to: AlarmState,
    pub to_reason: String,
}

/// A CloudFormation stack.
#[derive(Debug, Serialize, Deserialize)]
pub struct Stack {
    pub place: Place,
    pub environment: String,
    pub name: String,
    pub template: String,
    /// Its tag `version`.
    pub label: Option<String>,
    /// How it stands and why, when that is not how it was made or updated.
    #[serde(default)]
    pub standing: Option<(String, Option<String>)>,
    pub created: Timestamp,
    pub updated: Timestamp,
}

/// An SNS topic.
#[derive(Debug, Serialize, Deserialize)]
pub struct Topic {
    pub place: Place,
    pub name: String,
    pub environment: String,
    /// In the order in which they were asked for.
    #[serde(default)]
    pub subscriptions: Vec<Subscription>,
}

impl Topic {
    pub fn arn(&self) -> String {
        self.place.arn("sns", &self.name)
    }
}

/// Somebody who gets, or is asked to get, what is published to a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    pub protocol: String,
    pub endpoint: String,
    /// The last part of its ARN.
    pub id: String,
    pub standing: SubscriptionStanding,
    /// Since when.
    pub since: Timestamp,
}

/// How far a subscription is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SubscriptionStanding {
    /// Nobody has followed the link yet.
    Pending,
    /// Messages reach it.
    Confirmed,
    /// It is gone, and listed for a while all the same.
    Deleted,
}

/// A message that was published to a topic of the world, or that SNS sent by itself. Here it ends: nobody has a mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The environment whose topic it is.
    pub environment: String,
    /// The topic's name.
    pub topic: String,
    /// The subject, if it had one.
    pub subject: Option<String>,
    /// The message itself.
    pub body: String,
    /// The MessageId that SNS answered with.
    pub id: String,
    /// When, by the world's clock.
    pub at: Timestamp,
    /// The one whom SNS asks to confirm; none for what was published.
    #[serde(default)]
    pub asks: Option<String>,
}

/// A role that somebody assumed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// What its calls are signed with.
    pub access_key: String,
    /// The role's account.
    pub account: String,
    /// The role's name.
    pub role: String,
    /// The session's name.
    pub name: String,
    /// Who acts, as whoever assumed it says.
    pub source_identity: Option<String>,
    /// Its tags, as they were given.
    #[serde(default)]
    pub tags: Vec<(String, String)>,
}

/// All there is in the world. What is in here is what a saved world keeps.
#[derive(Debug, Serialize, Deserialize)]
pub struct State {
    pub stacks: Vec<StackSpec>,
    /// The time until which everything that was to happen has happened.
    pub reached: Timestamp,
    pub buses: Vec<Bus>,
    pub archives: Vec<Archive>,
    #[serde(default)]
    pub replays: Vec<Replay>,
    /// How many events there were in all, so that each has an id of its own.
    #[serde(default)]
    pub event_count: u64,
    pub functions: Vec<Function>,
    pub queues: Vec<Queue>,
    pub tables: Vec<Table>,
    pub alarms: Vec<Alarm>,
    pub formations: Vec<Stack>,
    pub topics: Vec<Topic>,
    /// The newest messages, oldest first.
    pub published: Vec<Published>,
    /// How many messages there were in all, so that each has an id of its own.
    pub published_count: u64,
    pub metrics: Metrics,
    pub sessions: Vec<Session>,
    /// What functions wrote about runs that did not go well, oldest first.
    #[serde(default)]
    pub log: VecDeque<Written>,
    /// Change sets, oldest first.
    #[serde(default)]
    pub change_sets: Vec<ChangeSet>,
    /// What is special about versions, by their names.
    #[serde(default)]
    pub versions: BTreeMap<String, VersionPlan>,
    /// Rollbacks of stacks that were asked for: when, by which token, and what came of it.
    #[serde(default)]
    pub recoveries: Vec<(Timestamp, String, String)>,
    /// The ids of the faults that are switched on.
    pub faults: BTreeSet<String>,
}

impl State {
    pub fn fault(&self, id: &str) -> bool {
        self.faults.contains(id)
    }

    /// The bus of this name; that is enough for tests, calls look further (see `events`).
    pub fn bus_mut(&mut self, name: &str) -> Option<&mut Bus> {
        self.buses.iter_mut().find(|bus| bus.name == name)
    }

    pub fn rule_mut(&mut self, bus: &str, rule: &str) -> Option<&mut Rule> {
        let named = self.buses.iter_mut().filter(|known| known.name == bus);
        named.flat_map(|bus| &mut bus.rules).find(|known| known.name == rule)
    }

    pub fn queue_mut(&mut self, name: &str) -> Option<&mut Queue> {
        self.queues.iter_mut().find(|queue| queue.name == name)
    }
}
