//! What tests reach into the world with, past its wire protocols: to look at a resource as it truly is, or to change it
//! behind the bot's back. Names are taken as they are; of two resources of one name in two accounts, the first is meant.

use jiff::Timestamp;

use super::bus_events::BusEvent;
use super::calls::Call;
use super::change_sets::VersionPlan;
use super::deploy::code_of;
use super::messages::HIDDEN_MAX;
use super::state::{AlarmState, Published, QueueDepth, RuleState, Session, Stack, State, SubscriptionStanding};
use super::world::World;

/// Where a message is put in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageState {
    /// There to be taken.
    Visible,
    /// Taken and not deleted.
    InFlight,
    /// Not to be seen yet.
    Delayed,
}

/// What differs in a message from what EventBridge would have written.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeadLetter<'a> {
    /// The body, instead of the event.
    pub body: Option<&'a str>,
    /// ERROR_CODE.
    pub error: Option<&'a str>,
    /// RULE_ARN.
    pub rule_arn: Option<&'a str>,
}

impl World {
    /// Says what is special about deploying a version by a change set.
    pub fn plan_version(&self, version: &str, plan: VersionPlan) {
        self.ticked().state.versions.insert(version.to_owned(), plan);
    }

    /// A rule's state, or `None` if there is no such rule.
    pub fn rule_state(&self, bus: &str, rule: &str) -> Option<RuleState> {
        self.ticked().state.rule_mut(bus, rule).map(|rule| rule.state)
    }

    /// Brings a rule to a state; says whether there is such a rule.
    pub fn set_rule_state(&self, bus: &str, rule: &str, state: RuleState) -> bool {
        let now = self.clock().now();
        let mut inner = self.ticked();
        let Some(rule) = inner.state.rule_mut(bus, rule) else { return false };
        rule.before = std::mem::replace(&mut rule.state, state);
        rule.since = now;
        true
    }

    /// Takes a rule away; says whether there was one.
    pub fn delete_rule(&self, bus: &str, rule: &str) -> bool {
        let mut inner = self.ticked();
        let Some(bus) = inner.state.bus_mut(bus) else { return false };
        let before = bus.rules.len();
        bus.rules.retain(|known| known.name != rule);
        bus.rules.len() < before
    }

    /// Takes queues, functions, tables, stacks and alarms of this name away; says whether there were any.
    pub fn delete(&self, name: &str) -> bool {
        let mut inner = self.ticked();
        let state = &mut inner.state;
        let resources = |state: &State| {
            [state.queues.len(), state.functions.len(), state.tables.len(), state.formations.len(), state.alarms.len()]
        };
        let before = resources(state);
        state.queues.retain(|queue| queue.name != name);
        state.functions.retain(|function| function.name != name);
        state.tables.retain(|table| table.name != name);
        state.formations.retain(|stack| stack.name != name);
        state.alarms.retain(|alarm| alarm.name != name);
        resources(state) != before
    }

    /// Lets somebody else manage a rule, or nobody; says whether there is such a rule.
    pub fn set_managed_by(&self, bus: &str, rule: &str, principal: Option<&str>) -> bool {
        let mut inner = self.ticked();
        let rule = inner.state.rule_mut(bus, rule);
        rule.map(|rule| rule.managed_by = principal.map(str::to_owned)).is_some()
    }

    /// Points a rule's first target elsewhere; says whether there is such a target.
    pub fn set_target(&self, bus: &str, rule: &str, arn: &str) -> bool {
        let mut inner = self.ticked();
        let target = inner.state.rule_mut(bus, rule).and_then(|rule| rule.targets.first_mut());
        target.map(|target| target.arn = arn.to_owned()).is_some()
    }

    /// Has somebody update a stack, by whatever means: from now on it stands so, and it was changed now; says whether there
    /// is such a stack.
    pub fn touch_stack(&self, stack: &str, status: &str, reason: Option<&str>) -> bool {
        let now = self.clock().now();
        let mut inner = self.ticked();
        let stack = inner.state.formations.iter_mut().find(|known| known.name == stack);
        stack
            .map(|stack| {
                stack.standing = Some((status.to_owned(), reason.map(str::to_owned)));
                stack.updated = now;
            })
            .is_some()
    }

    /// What lies in a queue, or `None` if there is no such queue.
    pub fn queue_depth(&self, queue: &str) -> Option<QueueDepth> {
        let mut inner = self.ticked();
        let now = inner.state.reached;
        inner.state.queue_mut(queue).map(|queue| queue.depth(now))
    }

    /// Puts one message into a queue; says whether there is such a queue.
    pub fn put_message(&self, queue: &str, state: MessageState) -> bool {
        let mut inner = self.ticked();
        let now = inner.state.reached;
        let Some(environment) = inner.state.queue_mut(queue).map(|queue| queue.environment.clone()) else {
            return false;
        };
        let (body, attributes) = inner.state.undelivered(now, &environment, queue, 0);
        let Some(queue) = inner.state.queue_mut(queue) else { return false };
        let message = queue.put(now, body, attributes);
        if state != MessageState::Visible {
            message.visible_at = now + HIDDEN_MAX;
        }
        message.receives = u32::from(state == MessageState::InFlight);
        true
    }

    /// Puts an event of one rule (by its short name) into a queue as if it could not be delivered, or what `letter` says
    /// instead; says whether there are such a queue and rule.
    pub fn put_dead_letter(&self, queue: &str, rule: &str, letter: DeadLetter<'_>) -> bool {
        let mut inner = self.ticked();
        let state = &mut inner.state;
        let now = state.reached;
        let Some(environment) = state.queue_mut(queue).map(|queue| queue.environment.clone()) else { return false };
        let stack = state.stacks.iter().find(|stack| stack.environment == environment);
        let Some(number) = stack.and_then(|stack| stack.rules.iter().position(|known| known.short == rule)) else {
            return false;
        };
        let (mut body, mut attributes) = state.undelivered(now, &environment, queue, number);
        if let Some(other) = letter.body {
            body = other.to_owned();
        }
        if let Some(code) = letter.error {
            attributes.insert("ERROR_CODE".to_owned(), code.to_owned());
        }
        if let Some(arn) = letter.rule_arn {
            attributes.insert("RULE_ARN".to_owned(), arn.to_owned());
        }
        let Some(queue) = state.queue_mut(queue) else { return false };
        queue.put(now, body, attributes);
        true
    }

    /// The bodies of all messages in a queue, hidden ones too, in the order in which they were put in.
    pub fn bodies(&self, queue: &str) -> Vec<String> {
        let mut inner = self.ticked();
        let messages = inner.state.queue_mut(queue).map(|queue| queue.messages.iter());
        messages.into_iter().flatten().map(|message| message.body.clone()).collect()
    }

    /// The events that an archive remembers, oldest first.
    pub fn archived(&self, archive: &str) -> Vec<BusEvent> {
        let inner = self.ticked();
        let archives = inner.state.archives.iter().filter(|known| known.name == archive);
        archives.flat_map(|archive| archive.remembered.iter().cloned()).collect()
    }

    /// Counts events in an archive that it does not remember, as if it were older; says whether there is such an archive.
    pub fn set_archive_age(&self, archive: &str, created: Timestamp, events: u64) -> bool {
        let mut inner = self.ticked();
        let archive = inner.state.archives.iter_mut().find(|known| known.name == archive);
        archive.map(|archive| (archive.created, archive.events) = (created, events)).is_some()
    }

    /// The replays so far as `name STATE`, the oldest first.
    pub fn replays(&self) -> Vec<String> {
        let inner = self.ticked();
        inner.state.replays.iter().map(|replay| format!("{} {}", replay.name, replay.phase.as_str())).collect()
    }

    /// The names of the rules that a replay gave an event again, one for each event; `None` if there is no such replay.
    pub fn replayed(&self, name: &str) -> Option<Vec<String>> {
        let inner = self.ticked();
        inner.state.replays.iter().find(|replay| replay.name == name).map(|replay| replay.delivered.clone())
    }

    /// Empties a queue; says whether there is such a queue.
    pub fn purge_queue(&self, queue: &str) -> bool {
        let mut inner = self.ticked();
        inner.state.queue_mut(queue).map(|queue| queue.messages.clear()).is_some()
    }

    /// An alarm's state, or `None` if there is no such alarm.
    pub fn alarm_state(&self, alarm: &str) -> Option<AlarmState> {
        self.ticked().state.alarms.iter().find(|known| known.name == alarm).map(|alarm| alarm.state)
    }

    /// Holds an alarm in a state until it is let go with `None`; says whether there is such an alarm. In either case
    /// all alarms are evaluated at once.
    pub fn set_alarm(&self, alarm: &str, state: Option<AlarmState>) -> bool {
        let now = self.clock().now();
        let mut inner = self.ticked();
        let inner = &mut *inner;
        let Some(alarm) = inner.state.alarms.iter_mut().find(|known| known.name == alarm) else { return false };
        alarm.held = state;
        inner.state.evaluate_alarms(now, &inner.pace);
        true
    }

    /// Takes an alarm away; says whether there was one.
    pub fn delete_alarm(&self, alarm: &str) -> bool {
        let mut inner = self.ticked();
        let before = inner.state.alarms.len();
        inner.state.alarms.retain(|known| known.name != alarm);
        inner.state.alarms.len() < before
    }

    /// What was published to the topics of an environment, oldest first; the newest 1000 messages of all are kept.
    pub fn published(&self, environment: &str) -> Vec<Published> {
        let inner = self.ticked();
        let published = inner.state.published.iter().filter(|message| message.asks.is_none());
        published.filter(|message| message.environment == environment).cloned().collect()
    }

    /// Whom SNS asked to confirm a subscription in an environment, oldest first, once for each message.
    pub fn asked_to_confirm(&self, environment: &str) -> Vec<String> {
        let inner = self.ticked();
        let sent = inner.state.published.iter().filter(|message| message.environment == environment);
        sent.filter_map(|message| message.asks.clone()).collect()
    }

    /// Confirms a pending subscription, as whoever has the mailbox does; says whether there is one.
    pub fn confirm_subscription(&self, topic: &str, endpoint: &str) -> bool {
        let now = self.clock().now();
        let (from, to) = (SubscriptionStanding::Pending, SubscriptionStanding::Confirmed);
        self.ticked().state.set_subscription(topic, endpoint, from, to, now)
    }

    /// Takes a confirmed subscription away; says whether there is one. SNS goes on listing it for a while.
    pub fn unsubscribe(&self, topic: &str, endpoint: &str) -> bool {
        let now = self.clock().now();
        let (from, to) = (SubscriptionStanding::Confirmed, SubscriptionStanding::Deleted);
        self.ticked().state.set_subscription(topic, endpoint, from, to, now)
    }

    /// The session that a call was signed by; none for a caller without a role.
    pub fn session_of(&self, call: &Call) -> Option<Session> {
        let key = call.access_key.as_ref()?;
        self.lock().state.sessions.iter().find(|session| session.access_key == *key).cloned()
    }

    /// Deploys a version, with the code and the template that follow from its label; says whether there is such an
    /// environment. Environments with the same label run the same.
    pub fn deploy(&self, environment: &str, label: &str) -> bool {
        let now = self.clock().now();
        self.ticked().state.deploy(environment, label, now)
    }

    /// Changes the stack's tag `version` alone, or takes it away; says whether there is such an environment.
    pub fn set_label(&self, environment: &str, label: Option<&str>) -> bool {
        let mut inner = self.ticked();
        let stack = stack_mut(&mut inner.state, environment);
        stack.map(|stack| stack.label = label.map(str::to_owned)).is_some()
    }

    /// Gives the stack another status, as if somebody else were at work on it, or its own again; says whether there is such
    /// an environment.
    pub fn set_stack_status(&self, environment: &str, status: Option<&str>) -> bool {
        let mut inner = self.ticked();
        let stack = stack_mut(&mut inner.state, environment);
        stack.map(|stack| stack.standing = status.map(|status| (status.to_owned(), None))).is_some()
    }

    /// Changes the stack's template alone; says whether there is such an environment.
    pub fn set_template(&self, environment: &str, template: &str) -> bool {
        let mut inner = self.ticked();
        stack_mut(&mut inner.state, environment).map(|stack| stack.template = template.to_owned()).is_some()
    }

    /// A function's reserved concurrency: outer none if there is no such function.
    pub fn concurrency(&self, function: &str) -> Option<Option<u32>> {
        let inner = self.ticked();
        inner.state.functions.iter().find(|known| known.name == function).map(|function| function.concurrency)
    }

    /// Sets a function's reserved concurrency; says whether there is such a function.
    pub fn set_concurrency(&self, function: &str, to: Option<u32>) -> bool {
        let mut inner = self.ticked();
        let function = inner.state.functions.iter_mut().find(|known| known.name == function);
        function.map(|function| function.concurrency = to).is_some()
    }

    /// Changes a function's code behind its stack's back; says whether there is such a function.
    pub fn set_code(&self, function: &str, label: &str) -> bool {
        let mut inner = self.ticked();
        let function = inner.state.functions.iter_mut().find(|known| known.name == function);
        function.map(|function| function.code = code_of(label)).is_some()
    }

    /// Has a function write to another log group from now on, and gives it another variable; says whether there is such a
    /// function.
    pub fn set_up_function(&self, function: &str, log_group: &str, variable: (&str, &str)) -> bool {
        let mut inner = self.ticked();
        let Some(function) = inner.state.functions.iter_mut().find(|known| known.name == function) else {
            return false;
        };
        function.logs_to = Some(log_group.to_owned());
        function.variables.insert(variable.0.to_owned(), variable.1.to_owned());
        true
    }

    /// Lets updates of a function's code fail for a reason, or not any more; says whether there is such a function.
    pub fn set_update_fails(&self, function: &str, why: Option<&str>) -> bool {
        let mut inner = self.ticked();
        let function = inner.state.functions.iter_mut().find(|known| known.name == function);
        function.map(|function| function.update_fails = why.map(str::to_owned)).is_some()
    }

    /// Switches a table's time to live; says whether there is such a table.
    pub fn set_ttl(&self, table: &str, enabled: bool) -> bool {
        let mut inner = self.ticked();
        let table = inner.state.tables.iter_mut().find(|known| known.name == table);
        table.map(|table| table.ttl_enabled = enabled).is_some()
    }
}

fn stack_mut<'a>(state: &'a mut State, environment: &str) -> Option<&'a mut Stack> {
    state.formations.iter_mut().find(|stack| stack.environment == environment)
}
