//! The alarms: when they look at their metric and what they make of it. A missing metric never makes one go off.

use jiff::Timestamp;

use super::faults::alarm_fault;
use super::spec::Pace;
use super::state::{Alarm, AlarmState, AlarmTurn, State};

/// The oldest changes of an alarm's state are forgotten beyond this many.
const HISTORY_MAX: usize = 1_000;

impl State {
    /// Looks at every alarm's metric once.
    pub fn evaluate_alarms(&mut self, at: Timestamp, pace: &Pace) {
        for index in 0..self.alarms.len() {
            let alarm = &self.alarms[index];
            let raised = self.fault(&alarm_fault(&alarm.environment, &alarm.name));
            let (state, reason) = match alarm.held {
                Some(state) => (state, "set by hand".to_owned()),
                None if raised => (AlarmState::Alarm, "raised by hand".to_owned()),
                None => self.judge(alarm, at, pace),
            };
            self.alarms[index].enter(state, reason, at);
        }
    }

    fn judge(&self, alarm: &Alarm, at: Timestamp, pace: &Pace) -> (AlarmState, String) {
        match self.watched_value(alarm, at, pace) {
            Some(value) if value >= alarm.threshold => {
                (AlarmState::Alarm, format!("{value} was at or above the threshold ({})", alarm.threshold))
            }
            Some(value) => (AlarmState::Ok, format!("{value} was below the threshold ({})", alarm.threshold)),
            None => (AlarmState::Ok, "no datapoint was at the threshold".to_owned()),
        }
    }

    fn watched_value(&self, alarm: &Alarm, at: Timestamp, pace: &Pace) -> Option<f64> {
        let metric = alarm.metric.as_ref()?;
        if metric.namespace == "AWS/SQS" {
            // The depth itself: it is published once a minute, which is a long time in a sandbox.
            let name = metric.dimensions.get("QueueName")?;
            let queue = self.queues.iter().find(|queue| queue.place == metric.place && queue.name == *name)?;
            return Some(queue.depth(at).visible as f64);
        }
        let until = at - pace.metric_delay;
        self.metrics.recent(metric, until - pace.alarm_window, until)?.statistic(&alarm.statistic)
    }
}

impl Alarm {
    fn enter(&mut self, state: AlarmState, reason: String, at: Timestamp) {
        if self.state != state {
            if self.history.len() >= HISTORY_MAX {
                self.history.remove(0);
            }
            let from = std::mem::replace(&mut self.state, state);
            let from_reason = std::mem::replace(&mut self.reason, reason.clone());
            self.history.push(AlarmTurn { at, from, from_reason, to: state, to_reason: reason });
            self.since = at;
        }
    }
}
