//! What can go wrong: the switches of the panel, which stay on until they are switched off, and the faults of single
//! calls that tests plan ahead.

use serde::{Deserialize, Serialize};

use super::deploy::OTHER_VERSION;
use super::spec::Pace;
use super::state::{Queue, State, SubscriptionStanding};
use jiff::Timestamp;

/// How many messages the switch "holds messages" puts into a queue.
const FILL_MESSAGES: usize = 5;

/// What the switch of a queue is called whose policy it takes away.
pub const QUEUE_DENIED: &str = "denied";

/// What the function's switches are called that only one place knows of.
pub const PUBLISHES_NOTHING: &str = "publishes-nothing";
pub const VARIABLES_UNREADABLE: &str = "variables-unreadable";
pub const SLOW_FUNCTION: &str = "slow";

pub const THROTTLE_ALL: &str = "aws.throttle-all";
pub const THROTTLE_SOME: &str = "aws.throttle-some";
pub const UNREACHABLE: &str = "aws.unreachable";
pub const SLOW: &str = "aws.slow";
pub const METRICS_FORBIDDEN: &str = "aws.metrics-forbidden";
pub const METRICS_INCOMPLETE: &str = "aws.metrics-incomplete";
pub const ENABLE_DENIED: &str = "aws.enable-denied";
pub const VERSION_FORBIDDEN: &str = "aws.version-forbidden";
pub const SIMULATE_DENIED: &str = "aws.simulate-denied";
pub const POLICIES_DENIED: &str = "aws.policies-denied";
pub const STALE_READS: &str = "aws.stale-reads";
pub const CREDENTIALS_EXPIRED: &str = "aws.credentials-expired";
pub const SESSION_TAGS_REFUSED: &str = "aws.session-tags-refused";

/// One switch of the panel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// What [`World::set_fault`](super::World::set_fault) takes.
    pub id: String,
    /// A short sentence for the panel.
    pub label: String,
    /// Where it stands on the panel.
    pub group: FaultGroup,
    /// The environment that it concerns; `None` for all of them.
    pub environment: Option<String>,
    /// Whether it is on. A momentary one never is.
    pub active: bool,
    /// Whether it does something once instead of staying on.
    pub momentary: bool,
}

/// The panel's sections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum FaultGroup {
    /// Of one rule.
    Rules,
    /// Of the function.
    Function,
    /// Of a queue.
    Queue,
    /// Of everything else: alarms, the table, the service itself.
    #[serde(rename = "AWS")]
    Aws,
}

/// A fault of the next calls of one operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiFault {
    /// The operation's name, for example `EnableRule`; `*` for any.
    pub operation: String,
    /// How many calls it meets.
    pub times: u32,
    /// What happens to them.
    pub how: Failure,
}

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Failure {
    /// Refused: too many calls.
    Throttle,
    /// Refused by an error inside the service.
    ServerError,
    /// Refused since somebody else is changing the same rule.
    Conflict,
    /// Refused: not allowed.
    AccessDenied,
    /// Refused: the credentials were good once.
    ExpiredToken,
    /// Never answered, and without effect. The connection stays open until the caller gives up.
    Hang,
    /// The connection breaks before the call has an effect.
    BeforeEffect,
    /// The call has its effect, and then the connection breaks.
    AfterEffect,
}

pub fn rule_fault(environment: &str, short: &str, what: &str) -> String {
    format!("{environment}.rule.{short}.{what}")
}

pub fn function_fault(environment: &str, what: &str) -> String {
    format!("{environment}.function.{what}")
}

pub fn queue_fault(environment: &str, name: &str, what: &str) -> String {
    format!("{environment}.queue.{name}.{what}")
}

pub fn role_fault(environment: &str, what: &str) -> String {
    format!("{environment}.role.{what}")
}

/// The alarms on rules name no bus.
pub fn alarms_fault(environment: &str) -> String {
    format!("{environment}.alarms.rule-alone")
}

/// The archive keeps nothing.
pub fn archive_fault(environment: &str) -> String {
    format!("{environment}.archive.disabled")
}

/// What the policy of a resource denies everybody.
pub fn denial_fault(environment: &str, what: &str) -> String {
    format!("{environment}.{what}.policy-denies")
}

pub fn alarm_fault(environment: &str, name: &str) -> String {
    format!("{environment}.alarm.{name}.raised")
}

pub fn sns_fault(environment: &str) -> String {
    format!("{environment}.sns.refuses")
}

/// What a switch does beyond being on.
enum Effect {
    None,
    Fill(String),
    Empty(String),
    Policy(String),
    Alarms,
    TimeToLive,
    Deploy,
    /// Has the function trade where it did not before.
    Trade,
    /// Confirms the subscription of an address to a topic.
    Confirm(String, String),
}

impl State {
    /// The panel's switches, in the order in which they are shown.
    pub fn switches(&self) -> Vec<Fault> {
        self.all_switches().into_iter().map(|(fault, _)| fault).collect()
    }

    /// Switches one fault; says whether there is such a one. Off heals.
    pub fn switch(&mut self, id: &str, on: bool, now: Timestamp, pace: &Pace) -> bool {
        let Some((fault, effect)) = self.all_switches().into_iter().find(|(fault, _)| fault.id == id) else {
            return false;
        };
        if fault.active == on && !fault.momentary {
            return true;
        }
        if on && !fault.momentary {
            self.faults.insert(fault.id);
        } else {
            self.faults.remove(id);
        }
        let environment = fault.environment.unwrap_or_default();
        match effect {
            Effect::None => {}
            Effect::Fill(queue) => {
                if on {
                    self.fill(now, &environment, &queue, FILL_MESSAGES);
                } else if let Some(queue) = self.queue_of(&environment, &queue) {
                    queue.messages.retain(|message| !message.filled);
                }
            }
            Effect::Empty(queue) if on => {
                self.faults.remove(&queue_fault(&environment, &queue, "fill"));
                if let Some(queue) = self.queue_of(&environment, &queue) {
                    queue.messages.clear();
                }
            }
            Effect::Empty(_) => {}
            Effect::Confirm(topic, endpoint) => {
                let (from, to) = (SubscriptionStanding::Pending, SubscriptionStanding::Confirmed);
                self.set_subscription(&topic, &endpoint, from, to, now);
            }
            Effect::Policy(queue) => self.apply_queue_policy(&environment, &queue),
            Effect::Alarms => self.evaluate_alarms(now, pace),
            Effect::Deploy => {
                let mut stacks = self.stacks.iter().filter(|stack| stack.environment == environment);
                let first = stacks.next().map(|stack| stack.version.clone()).unwrap_or_default();
                self.deploy(&environment, if on { OTHER_VERSION } else { &first }, now);
            }
            Effect::Trade => self.trade_elsewhere(&environment, on, now),
            Effect::TimeToLive => {
                let stack = self.stacks.iter().find(|stack| stack.environment == environment);
                let name = stack.map(|stack| stack.table.clone());
                for table in self.tables.iter_mut().filter(|table| Some(&table.name) == name.as_ref()) {
                    table.ttl_enabled = !on;
                }
            }
        }
        true
    }

    fn queue_of(&mut self, environment: &str, name: &str) -> Option<&mut Queue> {
        let mut queues = self.queues.iter_mut();
        queues.find(|queue| queue.environment == environment && queue.name == name)
    }

    /// Puts messages into a queue: events of the environment's rules in turn where the rules have it, else what a
    /// scheduler could not deliver.
    fn fill(&mut self, now: Timestamp, environment: &str, name: &str, messages: usize) {
        for number in 0..messages {
            let (body, attributes) = self.undelivered(now, environment, name, number);
            if let Some(queue) = self.queue_of(environment, name) {
                queue.put(now, body, attributes).filled = true;
            }
        }
    }

    fn all_switches(&self) -> Vec<(Fault, Effect)> {
        use FaultGroup::{Aws, Function, Queue, Rules};
        let mut all = Vec::new();
        let mut add = |environment: Option<&str>, group, id: String, label: String, effect| {
            let momentary = matches!(effect, Effect::Empty(_) | Effect::Confirm(..));
            let active = self.faults.contains(&id);
            let environment = environment.map(str::to_owned);
            all.push((Fault { id, label, group, environment, active, momentary }, effect));
        };
        for stack in &self.stacks {
            let env = stack.environment.as_str();
            for rule in &stack.rules {
                let short = &rule.short;
                let mut rule = |what: &str, says: &str| {
                    add(Some(env), Rules, rule_fault(env, short, what), format!("{short} {says}"), Effect::None);
                };
                rule("fails", "fails to reach its target");
                rule("silent", "has no traffic");
                rule("throttled", "is throttled");
                rule("unpermitted", "may not invoke the function");
            }
            for (what, says) in [
                ("errors", "The function fails"),
                ("returns-failed", "The function returns failed and raises nothing"),
                ("throttles", "The function is throttled"),
                (PUBLISHES_NOTHING, "The function succeeds and publishes nothing"),
                (VARIABLES_UNREADABLE, "The function's variables cannot be decrypted"),
                (SLOW_FUNCTION, "The function takes ten seconds to answer"),
            ] {
                add(Some(env), Function, function_fault(env, what), says.to_owned(), Effect::None);
            }
            if let Some(trades) = &stack.trades {
                let says = if trades.is_live { "The function trades on paper" } else { "The function trades live" };
                add(Some(env), Function, function_fault(env, "trades-elsewhere"), says.to_owned(), Effect::Trade);
            }
            for (what, says) in
                [("table", "The function may not use its table"), ("bus", "The function may not publish")]
            {
                add(Some(env), Function, role_fault(env, what), says.to_owned(), Effect::None);
            }
            let label = format!("Another version ({OTHER_VERSION}) is deployed");
            add(Some(env), Function, format!("{env}.version.other"), label, Effect::Deploy);
            for name in &stack.dlqs {
                let mut queue = |what: &str, label: String, effect| {
                    add(Some(env), Queue, queue_fault(env, name, what), label, effect);
                };
                queue("fill", format!("{name} holds {FILL_MESSAGES} messages more"), Effect::Fill(name.clone()));
                queue("empty", format!("Empty {name}"), Effect::Empty(name.clone()));
                queue(QUEUE_DENIED, format!("{name} lets nobody write"), Effect::Policy(name.clone()));
            }
            for alarm in &stack.alarms {
                add(Some(env), Aws, alarm_fault(env, &alarm.name), format!("{} goes off", alarm.name), Effect::Alarms);
            }
            add(Some(env), Aws, sns_fault(env), "SNS refuses notices".to_owned(), Effect::None);
            for topic in self.topics.iter().filter(|topic| topic.environment == env) {
                let all = topic.subscriptions.iter();
                for pending in all.filter(|known| known.standing == SubscriptionStanding::Pending) {
                    let id = format!("{env}.sns.{}.confirm.{}", topic.name, pending.endpoint);
                    let label = format!("Confirm {} at {}", pending.endpoint, topic.name);
                    add(Some(env), Aws, id, label, Effect::Confirm(topic.name.clone(), pending.endpoint.clone()));
                }
            }
            for (what, name) in [("table", &stack.table), ("bus", &stack.bus)] {
                add(
                    Some(env),
                    Aws,
                    denial_fault(env, what),
                    format!("The policy of {name} denies everything"),
                    Effect::None,
                );
            }
            add(Some(env), Aws, alarms_fault(env), "Alarms on rules name no bus".to_owned(), Effect::None);
            add(Some(env), Aws, archive_fault(env), format!("{} is disabled", stack.archive), Effect::None);
            let label = format!("{} has its time to live off", stack.table);
            add(Some(env), Aws, format!("{env}.table.ttl-off"), label, Effect::TimeToLive);
        }
        for (id, label) in [
            (THROTTLE_ALL, "AWS throttles every call"),
            (THROTTLE_SOME, "AWS throttles every third call"),
            (UNREACHABLE, "AWS is unreachable"),
            (SLOW, "AWS is slow"),
            (METRICS_FORBIDDEN, "Metrics are forbidden"),
            (METRICS_INCOMPLETE, "Metrics cannot be read completely"),
            (ENABLE_DENIED, "Enabling a rule is forbidden"),
            (VERSION_FORBIDDEN, "The deployed version cannot be read"),
            (SIMULATE_DENIED, "IAM simulates nothing for the bot"),
            (POLICIES_DENIED, "The policies of roles may not be read"),
            (STALE_READS, "Reads of rules are some seconds old"),
            (CREDENTIALS_EXPIRED, "The bot's credentials have expired"),
            (SESSION_TAGS_REFUSED, "Roles refuse sessions that say who asked"),
        ] {
            add(None, Aws, id.to_owned(), label.to_owned(), Effect::None);
        }
        all
    }
}
