//! How the world moves on: everything that happens between two moments, in the order of time. Computed from the time
//! elapsed alone, so that the same calls at the same times always find the same world; nothing runs in between.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::build::queue_metric;
use super::bus_events::BusEvent;
use super::faults::{QUEUE_DENIED, function_fault, queue_fault, rule_fault};
use super::logs::{self, Written};
use super::metrics::MetricKey;
use super::replays::REPLAY_BEAT;
use super::spec::Pace;
use super::state::{Rule, State, Target};

/// The longest gap that is played out: a world that was left for longer wakes up with its last hour.
const CATCH_UP_MAX: SignedDuration = SignedDuration::from_hours(1);

/// How far back the panel counts.
pub const PANEL_WINDOW: SignedDuration = SignedDuration::from_mins(5);

/// One thing that happens at one moment. Of those at the same moment, the first here goes first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    Event {
        bus: usize,
        rule: usize,
    },
    Replay {
        replay: usize,
    },
    /// Queues publish their depth each full minute.
    QueueMetrics,
    AlarmEvaluation,
}

impl State {
    /// Lets everything happen that is due until `now`.
    pub fn advance(&mut self, now: Timestamp, pace: &Pace) {
        self.settle_stacks(now);
        if now > self.reached {
            let from = self.reached.max(now - CATCH_UP_MAX);
            for (at, happening) in self.due(from, now, pace) {
                match happening {
                    Happening::Event { bus, rule } => self.happen(at, bus, rule),
                    Happening::Replay { replay } => self.replay_on(at, replay),
                    Happening::QueueMetrics => self.publish_queues(at),
                    Happening::AlarmEvaluation => self.evaluate_alarms(at, pace),
                }
            }
            self.reached = now;
        }
        let recent = PANEL_WINDOW.max(pace.alarm_window + pace.metric_delay);
        self.metrics.publish(self.reached - pace.metric_delay, self.reached - recent);
    }

    fn due(&self, from: Timestamp, now: Timestamp, pace: &Pace) -> Vec<(Timestamp, Happening)> {
        let mut due = Vec::new();
        for (bus_index, bus) in self.buses.iter().enumerate() {
            for (rule_index, rule) in bus.rules.iter().enumerate() {
                if !rule.has_traffic || self.rule_fault(rule, "silent") {
                    continue;
                }
                // Each rule has its own place within the gap, so that rules do not move in step.
                let share = i32::try_from(rule_index + 1).unwrap_or(1);
                let rules = i32::try_from(bus.rules.len()).unwrap_or(1);
                let phase = pace.event_gap / rules * share;
                let event = Happening::Event { bus: bus_index, rule: rule_index };
                due.extend(beats(rule.since + phase, pace.event_gap, from, now).map(|at| (at, event)));
            }
        }
        for (replay, going) in self.replays.iter().enumerate().filter(|(_, replay)| !replay.phase.is_over()) {
            due.extend(beats(going.started, REPLAY_BEAT, from, now).map(|at| (at, Happening::Replay { replay })));
        }
        let minute = SignedDuration::from_mins(1);
        due.extend(beats(Timestamp::UNIX_EPOCH, minute, from, now).map(|at| (at, Happening::QueueMetrics)));
        let evaluations = beats(Timestamp::UNIX_EPOCH, pace.alarm_period, from, now);
        due.extend(evaluations.map(|at| (at, Happening::AlarmEvaluation)));
        due.sort();
        due
    }

    /// An event comes for a rule: the archive keeps it, and the rule gets it if it is enabled.
    fn happen(&mut self, at: Timestamp, bus: usize, rule: usize) {
        let event = self.fresh_event(at, bus, rule);
        self.archive(bus, &event);
        if self.buses[bus].rules[rule].state.lets_events_through() {
            self.match_rule(at, bus, rule, &event, None);
        }
    }

    /// A rule that is enabled gets an event that it matches; `replay` names the replay that it comes from.
    pub fn match_rule(&mut self, at: Timestamp, bus: usize, rule: usize, event: &BusEvent, replay: Option<&str>) {
        let (bus, rule) = (&self.buses[bus], &self.buses[bus].rules[rule]);
        let metric = |name: &str| bus.rule_metric(&rule.name, name);
        let mut written = Vec::new();
        let mut happened = vec![
            (metric("TriggeredRules"), 1.0),
            (MetricKey::new(&bus.place, "AWS/Events", "MatchedEvents", &[]), 1.0),
        ];
        let targets = rule.targets.clone();
        let fails = self.rule_fault(rule, "fails") || self.rule_fault(rule, "unpermitted");
        if self.rule_fault(rule, "throttled") {
            happened.push((metric("ThrottledRules"), 1.0));
        } else if fails {
            happened.push((metric("Invocations"), 1.0));
            happened.push((metric("FailedInvocations"), 1.0));
            for arrived in targets.iter().filter_map(|target| self.dead_letter_arrives(target)) {
                let name = if arrived { "InvocationsSentToDlq" } else { "InvocationsFailedToBeSentToDlq" };
                happened.push((metric(name), 1.0));
            }
        } else {
            happened.push((metric("Invocations"), 1.0));
            happened.extend(targets.iter().flat_map(|target| self.invoke(at, target)));
            written.extend(targets.iter().filter_map(|target| self.writes(at, target)));
        }
        let (body, rule_arn) = (event.envelope(bus, replay), bus.rule_arn(rule));
        let dead_letters =
            targets.iter().filter(|_| fails).filter_map(|target| Some((target, target.dlq_arn.as_deref()?)));
        for (target, arn) in dead_letters {
            for queue in self.queues.iter_mut().filter(|queue| queue.arn() == arn && queue.policy.is_some()) {
                queue.put(at, body.clone(), reasons(&rule_arn, &target.arn, Undelivered::NoPermission));
            }
        }
        for (key, value) in happened {
            self.metrics.record(at, key, value);
        }
        for written in written {
            logs::write(&mut self.log, written);
        }
    }

    /// What the function writes of a run that does not go well.
    fn writes(&self, at: Timestamp, target: &Target) -> Option<Written> {
        let function = self.functions.iter().find(|function| function.arn() == target.arn)?;
        let fault = |what: &str| self.fault(&function_fault(&function.environment, what));
        let text = if fault("throttles") || function.concurrency == Some(0) {
            return None;
        } else if fault("errors") {
            "[ERROR] RuntimeError: the broker does not answer"
        } else if fault("returns-failed") {
            r#"{"level": "info", "result": {"status": "failed", "reason": "the broker does not answer"}}"#
        } else {
            return None;
        };
        Some(Written { place: function.place.clone(), group: function.log_group(), at, text: text.to_owned() })
    }

    /// Whether what cannot be delivered to `target` gets to its dead-letter queue; `None` without one.
    fn dead_letter_arrives(&self, target: &Target) -> Option<bool> {
        let arn = target.dlq_arn.as_deref()?;
        Some(self.queues.iter().any(|queue| queue.arn() == arn && queue.policy.is_some()))
    }

    /// One asynchronous invocation of the function, as its metrics tell it. The retries of a failed one are left out.
    fn invoke(&self, at: Timestamp, target: &Target) -> Vec<(MetricKey, f64)> {
        let Some(function) = self.functions.iter().find(|function| function.arn() == target.arn) else {
            return Vec::new();
        };
        let fault = |what: &str| self.fault(&function_fault(&function.environment, what));
        if fault("throttles") || function.concurrency == Some(0) {
            return vec![(function.metric("Throttles"), 1.0)];
        }
        let milliseconds = 180.0 + (at.as_second().rem_euclid(7) * 15) as f64;
        vec![
            (function.metric("Invocations"), 1.0),
            (function.metric("Errors"), if fault("errors") { 1.0 } else { 0.0 }),
            (function.metric("Throttles"), 0.0),
            (function.metric("Duration"), milliseconds),
        ]
    }

    fn publish_queues(&mut self, at: Timestamp) {
        for queue in &mut self.queues {
            queue.expire(at);
            let visible = queue.depth(at).visible;
            self.metrics.record(at, queue_metric(&queue.place, &queue.name), visible as f64);
            if let Some(age) = queue.oldest_age(at) {
                let dimensions = [("QueueName", queue.name.as_str())];
                let key = MetricKey::new(&queue.place, "AWS/SQS", "ApproximateAgeOfOldestMessage", &dimensions);
                self.metrics.record(at, key, age as f64);
            }
        }
    }

    /// A message for a queue of an environment, as if something could not be delivered: body and attributes.
    pub fn undelivered(
        &mut self,
        now: Timestamp,
        environment: &str,
        queue: &str,
        number: usize,
    ) -> (String, BTreeMap<String, String>) {
        let stack = self.stacks.iter().find(|stack| stack.environment == environment);
        let Some((bus, names)) = stack
            .filter(|stack| stack.dlqs.first().is_some_and(|first| first == queue))
            .map(|stack| (stack.bus.clone(), stack.rules.iter().map(|rule| rule.name.clone()).collect::<Vec<_>>()))
        else {
            let error =
                [("ERROR_CODE", "NO_PERMISSIONS"), ("ERROR_MESSAGE", "The schedule may not invoke its target.")];
            let error = error.map(|(name, value)| (name.to_owned(), value.to_owned()));
            return ("{\"mode\":\"scheduled\"}".to_owned(), error.into());
        };
        let found = self.buses.iter().position(|known| known.name == bus);
        let place = found.and_then(|bus| {
            let name = names.get(number % names.len().max(1))?;
            Some((bus, self.buses[bus].rules.iter().position(|rule| rule.name == *name)?))
        });
        let Some((bus, rule)) = place else { return ("{}".to_owned(), BTreeMap::new()) };
        let event = self.fresh_event(now, bus, rule);
        let (bus, rule) = (&self.buses[bus], &self.buses[bus].rules[rule]);
        let why = if number.is_multiple_of(2) { Undelivered::NoPermission } else { Undelivered::Exhausted };
        let target = rule.targets.first().map_or("", |target| target.arn.as_str());
        (event.envelope(bus, None), reasons(&bus.rule_arn(rule), target, why))
    }

    fn rule_fault(&self, rule: &Rule, what: &str) -> bool {
        let owner = rule.owner.as_ref();
        owner.is_some_and(|(environment, short)| self.fault(&rule_fault(environment, short, what)))
    }

    /// Gives a queue its policy back, or takes it away, as its fault says.
    pub fn apply_queue_policy(&mut self, environment: &str, name: &str) {
        let denied = self.fault(&queue_fault(environment, name, QUEUE_DENIED));
        let Some(bus) = self.stacks.iter().find(|stack| stack.environment == environment).map(|stack| &stack.bus)
        else {
            return;
        };
        let queues = self.queues.iter_mut().filter(|queue| queue.environment == environment && queue.name == name);
        for queue in queues {
            queue.policy = (!denied).then(|| super::state::Queue::event_policy(&queue.place, name, bus));
        }
    }
}

/// Why EventBridge could not deliver an event.
#[derive(Clone, Copy)]
enum Undelivered {
    NoPermission,
    Exhausted,
}

/// What EventBridge writes beside an event that it could not deliver.
fn reasons(rule_arn: &str, target_arn: &str, why: Undelivered) -> BTreeMap<String, String> {
    let mut reasons = BTreeMap::new();
    let mut add = |name: &str, value: &str| drop(reasons.insert(name.to_owned(), value.to_owned()));
    add("RULE_ARN", rule_arn);
    add("TARGET_ARN", target_arn);
    match why {
        Undelivered::NoPermission => {
            add("ERROR_CODE", "NO_PERMISSIONS");
            add(
                "ERROR_MESSAGE",
                "The rule may not invoke its target: no statement of the function's policy allows it.",
            );
            add("RETRY_ATTEMPTS", "0");
        }
        Undelivered::Exhausted => {
            add("ERROR_CODE", "SDK_CLIENT_ERROR");
            add("ERROR_MESSAGE", "The target could not be reached: connection timed out.");
            add("EXHAUSTED_RETRY_CONDITION", "MaximumRetryAttempts");
            add("RETRY_ATTEMPTS", "185");
        }
    }
    reasons
}

/// The moments `first`, `first + gap`, … that lie after `from` and not after `until`.
fn beats(first: Timestamp, gap: SignedDuration, from: Timestamp, until: Timestamp) -> impl Iterator<Item = Timestamp> {
    let gap = gap.as_nanos();
    let since_first = from.duration_since(first).as_nanos();
    let next = if gap <= 0 || since_first < 0 { 0 } else { since_first / gap + 1 };
    (next..)
        .map_while(move |beat| first.checked_add(SignedDuration::from_nanos_i128(beat * gap)).ok())
        .take_while(move |at| gap > 0 && *at <= until)
}
