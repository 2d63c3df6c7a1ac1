//! Dead-letter queues and putting events again, against the emulated AWS.

use jiff::SignedDuration;

use super::*;
use crate::checks::dead_letters::{self, Event};
use crate::domain::Held;
use crate::sandbox::aws::{DeadLetter, MessageState, RuleState as Set};

fn visible(stage: &Stage) -> u64 {
    stage.world.queue_depth("dlq-dev").unwrap().visible
}

#[tokio::test]
async fn a_look_tells_why_each_message_lies_there_and_hides_none() {
    let stage = Stage::new().await;
    let dev = dev();
    let aws = stage.aws(&dev).await;
    for error in [Some("THROTTLING"), None, None] {
        assert!(stage.world.put_dead_letter("dlq-dev", "first", DeadLetter { error, ..DeadLetter::default() }));
    }
    let sample = aws.sample("dlq-dev", 50).await.unwrap();
    assert_eq!((sample.letters.len(), sample.hidden), (3, None));
    let letter = &sample.letters[1];
    assert_eq!(letter.rule_arn.as_deref(), Some("arn:aws:events:eu-west-1:111111111111:rule/orders-dev/first-dev"));
    assert_eq!(letter.error_code.as_deref(), Some("NO_PERMISSIONS"));
    assert_eq!((letter.sent, letter.receives, letter.retries), (Some(stage.now()), 1, Some(0)));
    assert!(letter.target_arn.as_deref().unwrap().ends_with(":function:worker-dev"));
    let event = letter.event("orders-dev").unwrap();
    assert_eq!((event.source.as_str(), event.detail_type.as_str()), ("worker-dev", "First"));
    let groups = dead_letters::groups(&dev, &sample.letters);
    let told: Vec<_> = groups.iter().map(|g| (g.rule.as_str(), g.error.as_str(), g.count)).collect();
    assert_eq!(told, [("first", "NO_PERMISSIONS", 2), ("first", "THROTTLING", 1)]);
    assert_eq!(visible(&stage), 3, "all are there to be taken");
    assert_eq!(stage.asked("DeleteMessage"), 0);
}

#[tokio::test]
async fn a_large_queue_is_looked_at_in_part() {
    let stage = Stage::new().await;
    let aws = stage.aws(&dev()).await;
    for _ in 0..30 {
        stage.world.put_message("dlq-dev", MessageState::Visible);
    }
    stage.world.put_message("dlq-dev", MessageState::InFlight);
    let sample = aws.sample("dlq-dev", 25).await.unwrap();
    assert_eq!(sample.letters.len(), 25);
    assert_eq!(visible(&stage), 30);
    assert_eq!(aws.sample("dlq-dev", 50).await.unwrap().letters.len(), 30, "what somebody else has taken is not seen");
}

#[tokio::test]
async fn what_was_seen_is_given_back_though_the_look_goes_wrong() {
    let stage = Stage::new().await;
    let aws = stage.aws(&dev()).await;
    for _ in 0..12 {
        stage.world.put_message("dlq-dev", MessageState::Visible);
    }
    // The second batch is refused.
    stage.world.inject(ApiFault { operation: "ReceiveMessage".to_owned(), times: 1, how: Failure::AccessDenied });
    let denied = aws.sample("dlq-dev", 50).await.unwrap_err();
    assert_eq!(denied.kind, AwsErrorKind::AccessDenied { iam_action: "sqs:ReceiveMessage" });
    stage.plan("ChangeMessageVisibilityBatch", Failure::AccessDenied);
    let sample = aws.sample("dlq-dev", 50).await.unwrap();
    let (hidden, why) = sample.hidden.unwrap();
    assert!(hidden == 10 && why.contains("sqs:ChangeMessageVisibility"), "{hidden} {why}");
    assert_eq!(visible(&stage), 2);
    stage.clock.advance(SignedDuration::from_secs(20));
    assert_eq!(visible(&stage), 12, "they come back by themselves");
}

#[tokio::test]
async fn the_age_of_the_oldest_message_is_read_from_its_metric() {
    let stage = Stage::new().await;
    let aws = stage.aws(&dev()).await;
    assert_eq!(aws.oldest_age("dlq-dev", stage.now()).await.unwrap(), None);
    stage.world.put_message("dlq-dev", MessageState::Visible);
    stage.clock.advance(SignedDuration::from_mins(10));
    let age = aws.oldest_age("dlq-dev", stage.now()).await.unwrap().unwrap();
    assert!((500..=600).contains(&age), "{age}");
}

#[tokio::test]
async fn an_event_is_put_again_as_it_was_and_its_message_deleted() {
    let stage = Stage::new().await;
    let (aws, held) = (stage.aws(&dev()).await, Held::granted("dev", None));
    stage.world.set_rule_state("orders-dev", "first-dev", Set::Enabled);
    stage.world.put_dead_letter("dlq-dev", "first", DeadLetter::default());
    let taken = aws.receive("dlq-dev", 10, 60).await.unwrap().value;
    let [letter] = taken.as_slice() else { panic!("{taken:?}") };
    let event = letter.event("orders-dev").unwrap();
    let id = aws.put_event(&held, "orders-dev", &event).await.unwrap().value.unwrap();
    assert_ne!(id, event.id, "it has another id");
    aws.delete_message(&held, "dlq-dev", letter).await.unwrap();
    aws.delete_message(&held, "dlq-dev", letter).await.unwrap();
    assert_eq!(stage.world.bodies("dlq-dev"), Vec::<String>::new());
    let archived = stage.world.archived("archive-dev");
    let again = archived.iter().find(|archived| archived.id == id).unwrap();
    assert_eq!((&again.source, &again.detail_type, &again.detail), (&event.source, &event.detail_type, &event.detail));
    assert_eq!(Some(again.at), event.time);
}

#[tokio::test]
async fn an_event_that_is_refused_says_so_though_the_call_succeeds() {
    let stage = Stage::new().await;
    let (aws, held) = (stage.aws(&dev()).await, Held::granted("dev", None));
    let event = |source: &str, detail: &str| Event {
        id: "e".to_owned(),
        source: source.to_owned(),
        detail_type: "First".to_owned(),
        detail: detail.to_owned(),
        resources: Vec::new(),
        time: None,
    };
    let refused = aws.put_event(&held, "orders-dev", &event("aws.ec2", "{}")).await.unwrap().value.unwrap_err();
    assert_eq!(refused.code, "NotAuthorizedForSource");
    let refused = aws.put_event(&held, "orders-dev", &event("worker-dev", "[1]")).await.unwrap().value.unwrap_err();
    assert_eq!(refused.to_string(), "EventBridge refused the event with MalformedDetail: Detail is malformed.");
    // A bus that does not exist takes everything, and nothing comes of it.
    assert!(aws.put_event(&held, "gone", &event("worker-dev", "{}")).await.unwrap().value.is_ok());
}

#[tokio::test]
async fn an_event_is_sent_once_though_the_answer_is_lost() {
    let stage = Stage::new().await;
    let (aws, held) = (stage.aws(&dev()).await, Held::granted("dev", None));
    stage.world.put_dead_letter("dlq-dev", "first", DeadLetter::default());
    let taken = aws.receive("dlq-dev", 1, 60).await.unwrap().value;
    let event = taken[0].event("orders-dev").unwrap();
    stage.plan("PutEvents", Failure::AfterEffect);
    let lost = aws.put_event(&held, "orders-dev", &event).await.unwrap_err();
    assert!(lost.may_have_happened(), "{lost}");
    assert_eq!(stage.asked("PutEvents"), 1, "the SDK must not send it again by itself");
}
