//! SQS, DynamoDB, STS, and CloudWatch's alarms.

use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{AlarmType, HistoryItemType, ScanBy, StateValue};
use aws_sdk_sqs::error::ProvideErrorMetadata;
use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use jiff::SignedDuration;

use super::super::{AlarmState, MessageState};
use super::{Stage, client};
use crate::clock::Clock;

#[tokio::test]
async fn a_queue_tells_what_lies_in_it_and_who_may_write() {
    let stage = Stage::new().await;
    let sqs = client!(aws_sdk_sqs, stage);
    let url = sqs.get_queue_url().queue_name("dlq-dev").send().await.unwrap().queue_url().unwrap().to_owned();
    for state in [MessageState::Visible, MessageState::Visible, MessageState::InFlight, MessageState::Delayed] {
        assert!(stage.world.put_message("dlq-dev", state));
    }
    let answer = sqs.get_queue_attributes().queue_url(&url).attribute_names(Attribute::All).send().await.unwrap();
    let attributes = answer.attributes().unwrap();
    assert_eq!(attributes[&Attribute::ApproximateNumberOfMessages], "2");
    assert_eq!(attributes[&Attribute::ApproximateNumberOfMessagesNotVisible], "1");
    assert_eq!(attributes[&Attribute::ApproximateNumberOfMessagesDelayed], "1");
    assert!(attributes[&Attribute::Policy].contains("events.amazonaws.com"));
    let nothing = sqs.get_queue_attributes().queue_url(&url).send().await.unwrap();
    assert!(nothing.attributes().is_none(), "attributes come by name only");
    let missing = sqs.get_queue_url().queue_name("no-such-queue").send().await.unwrap_err();
    assert_eq!(missing.code(), Some("AWS.SimpleQueueService.NonExistentQueue"));
    assert!(missing.into_service_error().is_queue_does_not_exist());
    let listed = sqs.list_queues().queue_name_prefix("dlq").send().await.unwrap();
    assert_eq!(listed.queue_urls().len(), 2);
}

#[tokio::test]
async fn a_table_tells_its_time_to_live_only_when_asked_for_it() {
    let stage = Stage::new().await;
    let dynamodb = client!(aws_sdk_dynamodb, stage);
    let table = dynamodb.describe_table().table_name("seen-dev").send().await.unwrap();
    assert_eq!(table.table().unwrap().key_schema()[0].attribute_name(), "id");
    let ttl = || async {
        let answer = dynamodb.describe_time_to_live().table_name("seen-dev").send().await.unwrap();
        let description = answer.time_to_live_description().unwrap();
        let status = description.time_to_live_status().unwrap().as_str().to_owned();
        (status, description.attribute_name().map(str::to_owned))
    };
    assert_eq!(ttl().await, ("ENABLED".to_owned(), Some("expires".to_owned())));
    assert!(stage.world.set_fault("dev.table.ttl-off", true));
    assert_eq!(ttl().await, ("DISABLED".to_owned(), None));
    assert!(stage.world.set_fault("dev.table.ttl-off", false));
    assert_eq!(ttl().await.0, "ENABLED");
    assert!(stage.world.set_ttl("seen-dev", false));
    assert_eq!(ttl().await.0, "DISABLED");
    let missing = dynamodb.describe_table().table_name("unseen-dev").send().await.unwrap_err();
    assert!(missing.into_service_error().is_resource_not_found_exception());
}

#[tokio::test]
async fn an_assumed_role_sees_its_own_account_only() {
    let stage = Stage::new().await;
    let sts = client!(aws_sdk_sts, stage);
    let assume = |role: &str, name: &str| {
        sts.assume_role().role_arn(role).role_session_name(name).source_identity("U061@T024").send()
    };
    let role = "arn:aws:iam::222222222222:role/operator";
    let assumed = assume(role, "run-1").await.unwrap();
    let key = assumed.credentials().unwrap().access_key_id().to_owned();
    let own = client!(aws_sdk_sts, stage, key.as_str(), "eu-west-1");
    let identity = own.get_caller_identity().send().await.unwrap();
    assert_eq!(identity.account(), Some("222222222222"));
    assert_eq!(identity.arn(), Some("arn:aws:sts::222222222222:assumed-role/operator/run-1"));
    let events = client!(aws_sdk_eventbridge, stage, key.as_str(), "eu-west-1");
    events.describe_event_bus().name("orders-prod").send().await.unwrap();
    let refused = events.describe_event_bus().name("orders-dev").send().await.unwrap_err();
    assert!(refused.into_service_error().is_resource_not_found_exception());
    let bad_name = assume(role, "run:1").await.unwrap_err();
    assert_eq!(bad_name.code(), Some("ValidationError"));
    let stranger = assume("arn:aws:iam::333333333333:role/operator", "run-1").await.unwrap_err();
    assert_eq!(stranger.code(), Some("AccessDenied"));
}

#[tokio::test]
async fn credentials_are_good_for_an_hour_of_real_time_too() {
    let stage = Stage::new().await;
    let sts = client!(aws_sdk_sts, stage);
    let expiration = |seconds| {
        let assume = sts.assume_role().role_arn("arn:aws:iam::222222222222:role/operator").role_session_name("run-1");
        let sent = assume.duration_seconds(seconds).send();
        async move { sent.await.unwrap().credentials().unwrap().expiration().secs() }
    };
    // The stage's time stands still in the past.
    let real = Clock::system().now().as_second();
    assert!(expiration(900).await >= real + 3_600);
    stage.clock.advance(Clock::system().now().duration_since(stage.now()) + SignedDuration::from_hours(48));
    assert_eq!(expiration(900).await, stage.now().as_second() + 900);
    assert!(sts.assume_role().role_arn("r").role_session_name("run-1").duration_seconds(1).send().await.is_err());
}

#[tokio::test]
async fn alarms_come_in_pages_and_by_name() {
    let stage = Stage::new().await;
    stage.world.set_page_max(3);
    let cloudwatch = client!(aws_sdk_cloudwatch, stage);
    let first = cloudwatch.describe_alarms().send().await.unwrap();
    assert_eq!(first.metric_alarms().len(), 3);
    let named = cloudwatch.describe_alarms().alarm_names("errors-dev").alarm_names("gone-dev").send().await.unwrap();
    let [alarm] = named.metric_alarms() else { panic!("a missing alarm is left out") };
    assert_eq!(alarm.state_value(), Some(&StateValue::Ok));
    assert_eq!(alarm.threshold(), Some(1.0));
    assert_eq!(alarm.alarm_actions(), ["arn:aws:sns:eu-west-1:111111111111:alarms-dev"]);
    assert_eq!(alarm.state_updated_timestamp().unwrap().secs(), stage.now().as_second());
    assert_eq!(named.next_token(), None);
}

#[tokio::test]
async fn an_alarm_goes_off_with_the_queue_and_comes_back() {
    let stage = Stage::new().await;
    assert!(stage.world.put_message("dlq-dev", MessageState::Visible));
    stage.pass(10);
    assert_eq!(stage.world.alarm_state("depth-dev"), Some(AlarmState::Alarm));
    let cloudwatch = client!(aws_sdk_cloudwatch, stage);
    let raised = cloudwatch.describe_alarms().state_value(StateValue::Alarm).send().await.unwrap();
    assert_eq!(raised.metric_alarms().len(), 1);
    assert_eq!(raised.metric_alarms()[0].alarm_name(), Some("depth-dev"));
    stage.world.purge_queue("dlq-dev");
    stage.pass(10);
    assert_eq!(stage.world.alarm_state("depth-dev"), Some(AlarmState::Ok));
}

#[tokio::test]
async fn a_held_alarm_stays_until_it_is_let_go() {
    let stage = Stage::new().await;
    stage.world.set_alarm("other-dev", Some(AlarmState::InsufficientData));
    stage.pass(600);
    assert_eq!(stage.world.alarm_state("other-dev"), Some(AlarmState::InsufficientData));
    stage.world.set_alarm("other-dev", None);
    assert_eq!(stage.world.alarm_state("other-dev"), Some(AlarmState::Ok));
    assert!(stage.world.set_fault("dev.alarm.other-dev.raised", true));
    assert_eq!(stage.world.alarm_state("other-dev"), Some(AlarmState::Alarm));
    assert_eq!(stage.world.alarm_state("other-prod"), Some(AlarmState::Ok));
    assert!(stage.world.set_fault("dev.alarm.other-dev.raised", false));
    assert_eq!(stage.world.alarm_state("other-dev"), Some(AlarmState::Ok));
}

#[tokio::test]
async fn an_alarm_keeps_the_history_of_its_states() {
    let stage = Stage::new().await;
    let began = stage.now();
    for state in [Some(AlarmState::Alarm), Some(AlarmState::InsufficientData), None] {
        stage.pass(30);
        assert!(stage.world.set_alarm("other-dev", state));
    }
    let cloudwatch = client!(aws_sdk_cloudwatch, stage);
    let all = cloudwatch.describe_alarm_history().alarm_name("other-dev").send().await.unwrap();
    let kinds: Vec<_> =
        all.alarm_history_items().iter().map(|item| item.history_item_type().unwrap().as_str()).collect();
    assert_eq!(kinds, ["StateUpdate", "StateUpdate", "StateUpdate", "ConfigurationUpdate"], "the newest first");
    stage.world.set_page_max(1);
    let first_pages = |from: i64, next: Option<String>| {
        let asked = cloudwatch.describe_alarm_history().alarm_name("other-dev").scan_by(ScanBy::TimestampAscending);
        let asked = asked.history_item_type(HistoryItemType::StateUpdate).set_next_token(next);
        asked.start_date(DateTime::from_secs(began.as_second() + from)).send()
    };
    let first = first_pages(60, None).await.unwrap();
    let [item] = first.alarm_history_items() else { panic!("{first:?}") };
    assert_eq!(item.timestamp().unwrap().secs(), began.as_second() + 60, "its start is part of it");
    assert_eq!(item.history_summary(), Some("Alarm updated from ALARM to INSUFFICIENT_DATA"));
    let told: serde_json::Value = serde_json::from_str(item.history_data().unwrap()).unwrap();
    assert_eq!(told["newState"]["stateValue"], "INSUFFICIENT_DATA");
    let second = first_pages(60, first.next_token().map(str::to_owned)).await.unwrap();
    assert_eq!((second.alarm_history_items().len(), second.next_token()), (1, None));
    let composite = cloudwatch.describe_alarm_history().alarm_types(AlarmType::CompositeAlarm).send().await.unwrap();
    assert!(composite.alarm_history_items().is_empty());
    let gone = cloudwatch.describe_alarm_history().alarm_name("gone").send().await.unwrap();
    assert!(gone.alarm_history_items().is_empty());
}
