//! Builds a fresh world's resources from the specs, with the company that a real bus has: an archive's managed rule,
//! another team's rule, and a namesake on the default bus.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::json;

use super::bus_events::event_type;
use super::deploy;
use super::metrics::{MetricKey, Metrics};
use super::spec::{AlarmMetric, StackSpec};
use super::state::{
    Alarm, AlarmState, Archive, Bus, Function, Place, Queue, Rule, RuleState, Stack, State, Subscription,
    SubscriptionStanding, Table, Target, Topic,
};

/// Who manages an archive's rule.
pub const ARCHIVE_PRINCIPAL: &str = "prod.vhs.events.aws.internal";
/// Who is subscribed to every topic from the start.
const FIRST_SUBSCRIBER: &str = "on-call@example.com";

impl State {
    pub fn build(stacks: Vec<StackSpec>, now: Timestamp) -> Self {
        let mut state = Self {
            reached: now,
            buses: Vec::new(),
            archives: Vec::new(),
            replays: Vec::new(),
            event_count: 0,
            functions: Vec::new(),
            queues: Vec::new(),
            tables: Vec::new(),
            alarms: Vec::new(),
            formations: Vec::new(),
            topics: Vec::new(),
            published: Vec::new(),
            published_count: 0,
            metrics: Metrics::default(),
            sessions: Vec::new(),
            log: Default::default(),
            change_sets: Vec::new(),
            versions: Default::default(),
            recoveries: Vec::new(),
            faults: Default::default(),
            stacks: Vec::new(),
        };
        for stack in &stacks {
            state.add_stack(stack, now);
        }
        state.stacks = stacks;
        state
    }

    fn add_stack(&mut self, spec: &StackSpec, now: Timestamp) {
        let place = Place { account: spec.account.clone(), region: spec.region.clone() };
        let bus = custom_bus(spec, &place, now);
        self.archives.push(Archive {
            place: place.clone(),
            name: spec.archive.clone(),
            bus_arn: bus.arn(),
            created: now,
            events: 0,
            remembered: Default::default(),
        });
        self.alarms.extend(alarms(spec, &bus, now));
        self.buses.push(bus);
        self.add_namesake(spec, &place, now);
        self.functions.push(Function {
            place: place.clone(),
            name: spec.function.clone(),
            environment: spec.environment.clone(),
            code: deploy::code_of(&spec.version),
            modified: now,
            concurrency: None,
            revision: 0,
            updated_at: None,
            update_fails: None,
            variables: variables(spec),
            logs_to: None,
        });
        self.formations.push(Stack {
            place: place.clone(),
            environment: spec.environment.clone(),
            name: spec.stack.clone(),
            template: deploy::template_of(&spec.version),
            label: Some(spec.version.clone()),
            standing: None,
            created: now,
            updated: now,
        });
        self.topics.extend(std::iter::once(&spec.topic).chain(&spec.more_topics).map(|name| Topic {
            place: place.clone(),
            name: name.clone(),
            environment: spec.environment.clone(),
            subscriptions: vec![Subscription {
                protocol: "email".to_owned(),
                endpoint: FIRST_SUBSCRIBER.to_owned(),
                id: "00000000-0000-4000-9000-000000000000".to_owned(),
                standing: SubscriptionStanding::Confirmed,
                since: now,
            }],
        }));
        self.queues.extend(spec.dlqs.iter().map(|name| Queue {
            place: place.clone(),
            name: name.clone(),
            environment: spec.environment.clone(),
            messages: Vec::new(),
            put_count: 0,
            policy: Some(Queue::event_policy(&place, name, &spec.bus)),
            created: now,
        }));
        self.tables.push(Table {
            place,
            name: spec.table.clone(),
            key: spec.table_key.clone(),
            ttl_attribute: spec.ttl_attribute.clone(),
            ttl_enabled: true,
            created: now,
        });
    }

    /// A rule of the first rule's name on the account's default bus, enabled and busy: who forgets the bus in a call or
    /// in a metric's dimensions gets an answer that looks right and is about this rule.
    fn add_namesake(&mut self, spec: &StackSpec, place: &Place, now: Timestamp) {
        let index = self.buses.iter().position(|bus| bus.is_default() && bus.place == *place).unwrap_or_else(|| {
            let bus = Bus { place: place.clone(), name: "default".to_owned(), created: now, rules: Vec::new() };
            self.buses.push(bus);
            self.buses.len() - 1
        });
        let Some(first) = spec.rules.first() else { return };
        if self.buses[index].rules.iter().all(|rule| rule.name != first.name) {
            let target = function_target(place, "unrelated-consumer", None);
            self.buses[index].rules.push(plain_rule(&first.name, RuleState::Enabled, target, now));
        }
    }
}

/// All variables of the function.
fn variables(spec: &StackSpec) -> BTreeMap<String, String> {
    let trades = spec.trades.iter().map(|trades| {
        let value = if trades.is_live { &trades.live } else { &trades.paper };
        (trades.variable.clone(), value.clone())
    });
    spec.variables.clone().into_iter().chain(trades).collect()
}

fn custom_bus(spec: &StackSpec, place: &Place, now: Timestamp) -> Bus {
    let dlq_arn = spec.dlqs.first().map(|name| place.arn("sqs", name));
    let mut rules: Vec<Rule> = spec
        .rules
        .iter()
        .map(|rule| {
            let state = if rule.enabled { RuleState::Enabled } else { RuleState::Disabled };
            let target = function_target(place, &spec.function, dlq_arn.clone());
            Rule {
                owner: Some((spec.environment.clone(), rule.short.clone())),
                pattern: json!({"detail-type": [event_type(&rule.short)]}),
                ..plain_rule(&rule.name, state, target, now)
            }
        })
        .collect();
    let archive_target = Target {
        id: "archive".to_owned(),
        arn: format!("arn:{}:events:{}:::", place.partition(), spec.region),
        dlq_arn: None,
    };
    rules.push(Rule {
        managed_by: Some(ARCHIVE_PRINCIPAL.to_owned()),
        has_traffic: false,
        ..plain_rule(&format!("Events-Archive-{}", spec.archive), RuleState::Enabled, archive_target, now)
    });
    let foreign = format!("reporting-team-feed-{}", spec.environment);
    let consumer = function_target(place, "reporting-team-consumer", None);
    rules.push(Rule {
        pattern: json!({"detail-type": [event_type(&foreign)]}),
        ..plain_rule(&foreign, RuleState::Enabled, consumer, now)
    });
    Bus { place: place.clone(), name: spec.bus.clone(), created: now, rules }
}

fn plain_rule(name: &str, state: RuleState, target: Target, now: Timestamp) -> Rule {
    Rule {
        name: name.to_owned(),
        owner: None,
        state,
        since: now,
        before: state,
        managed_by: None,
        pattern: json!({"source": [{"prefix": ""}]}),
        targets: vec![target],
        has_traffic: true,
    }
}

fn function_target(place: &Place, function: &str, dlq_arn: Option<String>) -> Target {
    Target { id: "function".to_owned(), arn: place.arn("lambda", &format!("function:{function}")), dlq_arn }
}

fn alarms<'a>(spec: &'a StackSpec, bus: &'a Bus, now: Timestamp) -> impl Iterator<Item = Alarm> + use<'a> {
    spec.alarms.iter().map(move |alarm| {
        let (metric, statistic) = alarm_metric(spec, bus, &alarm.watches);
        Alarm {
            place: bus.place.clone(),
            environment: spec.environment.clone(),
            name: alarm.name.clone(),
            topic_arn: bus.place.arn("sns", &spec.topic),
            metric,
            statistic: statistic.to_owned(),
            threshold: alarm.threshold,
            state: AlarmState::Ok,
            reason: "no datapoint was at the threshold".to_owned(),
            since: now,
            held: None,
            created: now,
            history: Vec::new(),
        }
    })
}

fn alarm_metric(spec: &StackSpec, bus: &Bus, watches: &AlarmMetric) -> (Option<MetricKey>, &'static str) {
    let function = |metric| MetricKey::new(&bus.place, "AWS/Lambda", metric, &[("FunctionName", &spec.function)]);
    match watches {
        AlarmMetric::QueueDepth(queue) => (Some(queue_metric(&bus.place, queue)), "Maximum"),
        AlarmMetric::RuleFailures { rule, names_bus } => {
            let name = spec.rules.iter().find(|known| known.short == *rule).map_or(rule, |known| &known.name);
            let mut key = bus.rule_metric(name, "FailedInvocations");
            if !names_bus {
                key.dimensions.remove("EventBusName");
            }
            (Some(key), "Sum")
        }
        AlarmMetric::FunctionErrors => (Some(function("Errors")), "Sum"),
        AlarmMetric::FunctionThrottles => (Some(function("Throttles")), "Sum"),
        AlarmMetric::FunctionDuration => (Some(function("Duration")), "Maximum"),
        AlarmMetric::Unmodelled => (None, "Sum"),
    }
}

/// The depth of a queue, as a metric.
pub fn queue_metric(place: &Place, queue: &str) -> MetricKey {
    MetricKey::new(place, "AWS/SQS", "ApproximateNumberOfMessagesVisible", &[("QueueName", queue)])
}
