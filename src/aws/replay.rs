//! EventBridge: archives, replays from them, and putting events on a bus again. A replay reads from the **archive's** ARN
//! and always names the rules that get its events: without them, EventBridge means every rule of the bus.

use aws_sdk_eventbridge::config::retry::RetryConfig;
use aws_sdk_eventbridge::operation::start_replay::StartReplayError;
use aws_sdk_eventbridge::types::{PutEventsRequestEntry, ReplayDestination, ReplayState as SdkReplayState};
use aws_smithy_types::DateTime;
use jiff::Timestamp;

use crate::checks::dead_letters::Event;
use crate::domain::{ArchiveFact, Held, ReplayFact, ReplayOrder, ReplayState};

use super::metrics::timestamp;
use super::operation::{
    CANCEL_REPLAY, DESCRIBE_ARCHIVE, DESCRIBE_REPLAY, LIST_ARCHIVES, LIST_REPLAYS, PUT_EVENTS, START_REPLAY,
};
use super::rules::ids;
use super::{Answer, Aws, AwsError, Operation};

/// Pages of one listing that are read before it is called endless.
const MAX_PAGES: usize = 100;

/// An event that EventBridge took the request for and refused all the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("EventBridge refused the event with {code}: {message}")]
pub struct NotPut {
    /// EventBridge's code.
    pub code: String,
    /// EventBridge's own words.
    pub message: String,
}

impl Aws {
    /// An archive by its name, with its state, retention, event count and bus (DescribeArchive); none when there is no
    /// such archive.
    pub async fn archive(&self, name: &str) -> Result<Answer<Option<ArchiveFact>>, AwsError> {
        let output = match self.clients().events.describe_archive().archive_name(name).send().await {
            Ok(output) => output,
            Err(error) => {
                return match AwsError::from_sdk(DESCRIBE_ARCHIVE, &error).about(name) {
                    missing if missing.is_not_found() => {
                        Ok(Answer { value: None, request_ids: missing.request_id.into_iter().collect() })
                    }
                    error => Err(error),
                };
            }
        };
        let told = |what: &str, value: Option<&str>| match value {
            Some(value) if !value.is_empty() => Ok(value.to_owned()),
            Some(_) | None => {
                Err(AwsError::other(DESCRIBE_ARCHIVE, "EmptyAnswer", format!("the answer has no {what}")).about(name))
            }
        };
        let fact = ArchiveFact {
            name: name.to_owned(),
            arn: told("ARN", output.archive_arn())?,
            bus_arn: told("event source", output.event_source_arn())?,
            state: told("state", output.state().map(|state| state.as_str()))?,
            // Zero days mean that nothing expires.
            retention_days: output.retention_days().and_then(|days| u32::try_from(days).ok()).filter(|days| *days > 0),
            events: output.event_count(),
            since: output.creation_time().and_then(timestamp),
            filtered: output.event_pattern().is_some_and(|pattern| !pattern.is_empty()),
        };
        Ok(Answer { value: Some(fact), request_ids: ids(&output) })
    }

    /// The names of a bus's archives (ListArchives by the bus's ARN, all pages; EventBridge takes one filter only).
    pub async fn archives_of(&self, bus_arn: &str) -> Result<Answer<Vec<String>>, AwsError> {
        let mut all = Answer { value: Vec::new(), request_ids: Vec::new() };
        let mut next = None;
        for _ in 0..MAX_PAGES {
            let call = self.clients().events.list_archives().event_source_arn(bus_arn).limit(100);
            let page = call
                .set_next_token(next)
                .send()
                .await
                .map_err(|error| AwsError::from_sdk(LIST_ARCHIVES, &error).about(bus_arn))?;
            all.value.extend(page.archives().iter().filter_map(|archive| archive.archive_name().map(str::to_owned)));
            all.request_ids.extend(ids(&page));
            next = page.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
            if next.is_none() {
                return Ok(all);
            }
        }
        Err(endless(LIST_ARCHIVES).about(bus_arn))
    }

    /// A replay by its name (DescribeReplay); none when there is no such replay. EventBridge forgets a replay 90 days
    /// after its end.
    pub async fn replay(&self, name: &str) -> Result<Answer<Option<ReplayFact>>, AwsError> {
        let output = match self.clients().events.describe_replay().replay_name(name).send().await {
            Ok(output) => output,
            Err(error) => {
                return match AwsError::from_sdk(DESCRIBE_REPLAY, &error).about(name) {
                    missing if missing.is_not_found() => {
                        Ok(Answer { value: None, request_ids: missing.request_id.into_iter().collect() })
                    }
                    error => Err(error),
                };
            }
        };
        let destination = output.destination();
        let fact = ReplayFact {
            name: name.to_owned(),
            state: replay_state(DESCRIBE_REPLAY, name, output.state())?,
            reason: output.state_reason().filter(|reason| !reason.is_empty()).map(str::to_owned),
            order: ReplayOrder {
                archive_arn: output.event_source_arn().unwrap_or_default().to_owned(),
                bus_arn: destination.map(|bus| bus.arn().to_owned()).unwrap_or_default(),
                rule_arns: destination.map(|bus| bus.filter_arns().to_vec()).unwrap_or_default(),
                from: time(DESCRIBE_REPLAY, name, output.event_start_time())?,
                to: time(DESCRIBE_REPLAY, name, output.event_end_time())?,
            },
            last_event: output.event_last_replayed_time().and_then(timestamp),
            started: output.replay_start_time().and_then(timestamp),
            ended: output.replay_end_time().and_then(timestamp),
        };
        Ok(Answer { value: Some(fact), request_ids: ids(&output) })
    }

    /// The replays from an archive, the newest first (ListReplays by the archive's ARN, all pages; EventBridge takes one
    /// filter only). A listing tells neither bus nor rules. One that is listed without its window is described.
    pub async fn replays(&self, archive_arn: &str) -> Result<Answer<Vec<ReplayFact>>, AwsError> {
        let mut all = Answer { value: Vec::new(), request_ids: Vec::new() };
        let mut next = None;
        for _ in 0..MAX_PAGES {
            let call = self.clients().events.list_replays().event_source_arn(archive_arn).limit(100);
            let page = call
                .set_next_token(next)
                .send()
                .await
                .map_err(|error| AwsError::from_sdk(LIST_REPLAYS, &error).about(archive_arn))?;
            for replay in page.replays() {
                let name = replay.replay_name().unwrap_or_default();
                if replay.event_start_time().is_none() || replay.event_end_time().is_none() {
                    let described = self.replay(name).await?;
                    all.value.extend(described.value);
                    all.request_ids.extend(described.request_ids);
                    continue;
                }
                all.value.push(ReplayFact {
                    name: name.to_owned(),
                    state: replay_state(LIST_REPLAYS, name, replay.state())?,
                    reason: replay.state_reason().filter(|reason| !reason.is_empty()).map(str::to_owned),
                    order: ReplayOrder {
                        archive_arn: replay.event_source_arn().unwrap_or(archive_arn).to_owned(),
                        bus_arn: String::new(),
                        rule_arns: Vec::new(),
                        from: time(LIST_REPLAYS, name, replay.event_start_time())?,
                        to: time(LIST_REPLAYS, name, replay.event_end_time())?,
                    },
                    last_event: replay.event_last_replayed_time().and_then(timestamp),
                    started: replay.replay_start_time().and_then(timestamp),
                    ended: replay.replay_end_time().and_then(timestamp),
                });
            }
            all.request_ids.extend(ids(&page));
            next = page.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
            if next.is_none() {
                all.value.sort_by_key(|replay| std::cmp::Reverse(replay.started));
                return Ok(all);
            }
        }
        Err(endless(LIST_REPLAYS).about(archive_arn))
    }

    /// Starts a replay (StartReplay); returns the ids of the requests. The source is the archive, the destination its
    /// bus, and the rules are always named.
    ///
    /// A repeat is harmless: `name` follows from the run, and EventBridge has each name once. When it says that the name
    /// is there already, the replay is read: with the same source, window and rules it is this one, and done.
    pub async fn start_replay(
        &self,
        held: &Held<'_>,
        name: &str,
        description: &str,
        order: &ReplayOrder,
    ) -> Result<Vec<String>, AwsError> {
        let in_time = self.may_change(held, START_REPLAY).await?;
        let unnamed =
            || AwsError::other(START_REPLAY, "NoRules", "without rules it would mean all rules of the bus").about(name);
        if order.rule_arns.is_empty() || order.rule_arns.iter().any(String::is_empty) {
            return Err(unnamed());
        }
        let destination = ReplayDestination::builder()
            .arn(&order.bus_arn)
            .set_filter_arns(Some(order.rule_arns.clone()))
            .build()
            .map_err(|_| unnamed())?;
        let call = self.clients().events.start_replay().replay_name(name).description(description);
        let sent = call
            .event_source_arn(&order.archive_arn)
            .event_start_time(DateTime::from_secs(order.from.as_second()))
            .event_end_time(DateTime::from_secs(order.to.as_second()))
            .destination(destination)
            .customize()
            .interceptor(in_time)
            .send()
            .await;
        match sent {
            Ok(output) => Ok(ids(&output)),
            Err(error) => {
                let exists =
                    error.as_service_error().is_some_and(StartReplayError::is_resource_already_exists_exception);
                let error = AwsError::from_sdk(START_REPLAY, &error).about(name);
                if exists { self.is_the_same(name, order, error).await } else { Err(error) }
            }
        }
    }

    /// Whether the replay that has the name is the one that was asked for.
    async fn is_the_same(&self, name: &str, order: &ReplayOrder, error: AwsError) -> Result<Vec<String>, AwsError> {
        let found = self.replay(name).await?;
        match found.value {
            Some(replay) if same_order(&replay.order, order) => {
                Ok(error.request_id.into_iter().chain(found.request_ids).collect())
            }
            Some(_) => {
                let message = "a replay of this name was started before with other arguments; it was left alone";
                Err(AwsError::other(START_REPLAY, "ResourceAlreadyExistsException", message).about(name))
            }
            None => Err(error),
        }
    }

    /// Cancels a replay (CancelReplay); returns the ids of the requests. EventBridge takes it only while the replay is
    /// starting or running; events that were replayed already stay replayed.
    ///
    /// A repeat is refused by EventBridge and changes nothing: read the replay before and after.
    pub async fn cancel_replay(&self, held: &Held<'_>, name: &str) -> Result<Vec<String>, AwsError> {
        let in_time = self.may_change(held, CANCEL_REPLAY).await?;
        match self.clients().events.cancel_replay().replay_name(name).customize().interceptor(in_time).send().await {
            Ok(output) => Ok(ids(&output)),
            Err(error) => Err(AwsError::from_sdk(CANCEL_REPLAY, &error).about(name)),
        }
    }

    /// Puts one event on a bus (PutEvents with one entry); returns the id that EventBridge gave it. It goes to every rule
    /// that matches, and EventBridge gives it a new id. A request that EventBridge took may have refused the event all
    /// the same: that is the inner error.
    ///
    /// A repeat puts the event a second time, so this is sent once, without the SDK's retries: an error that
    /// [may have happened](AwsError::may_have_happened) is for the caller to weigh. Putting on a bus that does not exist
    /// looks like success: read the bus first.
    pub async fn put_event(
        &self,
        held: &Held<'_>,
        bus: &str,
        event: &Event,
    ) -> Result<Answer<Result<String, NotPut>>, AwsError> {
        let in_time = self.may_change(held, PUT_EVENTS).await?;
        let entry = PutEventsRequestEntry::builder()
            .event_bus_name(bus)
            .source(&event.source)
            .detail_type(&event.detail_type)
            .detail(&event.detail)
            .set_resources((!event.resources.is_empty()).then(|| event.resources.clone()))
            .set_time(event.time.map(|time| DateTime::from_secs(time.as_second())))
            .build();
        let once = aws_sdk_eventbridge::config::Builder::new().retry_config(RetryConfig::disabled());
        let call = self.clients().events.put_events().entries(entry);
        let sent = call.customize().config_override(once).interceptor(in_time).send().await;
        let output = sent.map_err(|error| AwsError::from_sdk(PUT_EVENTS, &error).about(bus))?;
        let [result] = output.entries() else {
            return Err(AwsError::other(PUT_EVENTS, "EmptyAnswer", "the answer does not speak of the event").about(bus));
        };
        let put = match (result.event_id(), result.error_code()) {
            (Some(id), None) if output.failed_entry_count() == 0 => Ok(id.to_owned()),
            (_, code) => Err(NotPut {
                code: code.unwrap_or("no code").to_owned(),
                message: result.error_message().unwrap_or("no reason was given").to_owned(),
            }),
        };
        Ok(Answer { value: put, request_ids: ids(&output) })
    }
}

/// Whether two orders mean the same: the order of the rules does not matter.
fn same_order(one: &ReplayOrder, other: &ReplayOrder) -> bool {
    let sorted = |order: &ReplayOrder| {
        let mut arns = order.rule_arns.clone();
        arns.sort();
        arns
    };
    one.archive_arn == other.archive_arn
        && one.bus_arn == other.bus_arn
        && one.from.as_second() == other.from.as_second()
        && one.to.as_second() == other.to.as_second()
        && sorted(one) == sorted(other)
}

fn replay_state(
    operation: &'static Operation,
    name: &str,
    state: Option<&SdkReplayState>,
) -> Result<ReplayState, AwsError> {
    match state {
        Some(SdkReplayState::Starting) => Ok(ReplayState::Starting),
        Some(SdkReplayState::Running) => Ok(ReplayState::Running),
        Some(SdkReplayState::Cancelling) => Ok(ReplayState::Cancelling),
        Some(SdkReplayState::Completed) => Ok(ReplayState::Completed),
        Some(SdkReplayState::Cancelled) => Ok(ReplayState::Cancelled),
        Some(SdkReplayState::Failed) => Ok(ReplayState::Failed),
        other => {
            let state = other.map_or("none", SdkReplayState::as_str);
            Err(AwsError::other(operation, "UnknownState", format!("the state is {state}")).about(name))
        }
    }
}

fn time(operation: &'static Operation, name: &str, at: Option<&DateTime>) -> Result<Timestamp, AwsError> {
    at.and_then(timestamp)
        .ok_or_else(|| AwsError::other(operation, "UnreadableTime", "the answer has no window").about(name))
}

fn endless(operation: &'static Operation) -> AwsError {
    AwsError::other(operation, "TooManyPages", format!("the listing did not end within {MAX_PAGES} pages"))
}
