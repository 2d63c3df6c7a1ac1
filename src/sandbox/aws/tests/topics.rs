//! SNS: what is published is kept, and what the real one would not take is refused.

use aws_sdk_sns::error::ProvideErrorMetadata;

use super::{Stage, client};

const NOTICES: &str = "arn:aws:sns:eu-west-1:111111111111:notices-dev";

#[tokio::test]
async fn what_is_published_is_kept_with_its_id_and_time() {
    let stage = Stage::new().await;
    let sns = client!(aws_sdk_sns, stage);
    let publish = |body: &str| sns.publish().topic_arn(NOTICES).subject("R-1 <begins>").message(body).send();
    let first = publish("one & two\nthree\n").await.unwrap();
    stage.pass(5);
    let second = publish("again").await.unwrap();
    let kept = stage.world.published("dev");
    let [one, two] = kept.as_slice() else { panic!("{kept:?}") };
    assert_eq!((one.topic.as_str(), one.subject.as_deref()), ("notices-dev", Some("R-1 <begins>")));
    assert_eq!((one.body.as_str(), two.body.as_str()), ("one & two\nthree\n", "again"));
    assert_eq!((first.message_id(), second.message_id()), (Some(one.id.as_str()), Some(two.id.as_str())));
    assert_ne!(one.id, two.id);
    assert_eq!(two.at, stage.now());
    assert!(stage.world.published("prod").is_empty());
    assert_eq!(stage.world.snapshot()["environments"][0]["published"][0]["body"], "again", "the newest first");
}

#[tokio::test]
async fn what_sns_does_not_take_is_refused() {
    let stage = Stage::new().await;
    let sns = client!(aws_sdk_sns, stage);
    let long = "x".repeat(100);
    for subject in ["", " begins with a space", "two\nlines", "bell\u{7}", "größer", &long] {
        let refused = sns.publish().topic_arn(NOTICES).subject(subject).message("m").send().await.unwrap_err();
        assert_eq!(refused.code(), Some("InvalidParameter"), "{subject:?}");
    }
    for message in ["", &"x".repeat(262_145)] {
        let refused = sns.publish().topic_arn(NOTICES).message(message).send().await.unwrap_err();
        assert_eq!(refused.code(), Some("InvalidParameter"));
    }
    for (topic, code) in [
        ("notices-dev", "InvalidParameter"),
        ("arn:aws:sns:eu-west-1:111111111111:gone", "NotFound"),
        ("arn:aws:sns:us-east-1:111111111111:notices-dev", "InvalidParameter"),
    ] {
        let refused = sns.publish().topic_arn(topic).message("m").send().await.unwrap_err();
        assert_eq!(refused.code(), Some(code), "{topic}");
        let refused = sns.get_topic_attributes().topic_arn(topic).send().await.unwrap_err();
        assert_eq!(refused.code(), Some(code), "{topic}");
    }
    assert!(stage.world.set_fault("dev.sns.refuses", true));
    let refused = sns.publish().topic_arn(NOTICES).subject(&long[1..]).message("m").send().await.unwrap_err();
    assert_eq!(refused.code(), Some("AuthorizationError"));
    assert_eq!(refused.raw_response().unwrap().status().as_u16(), 403);
    assert!(stage.world.published("dev").is_empty());
    assert!(stage.world.unknown_calls().is_empty());
    assert!(stage.world.set_fault("dev.sns.refuses", false));
    sns.publish().topic_arn(NOTICES).subject(&long[1..]).message("m").send().await.unwrap();
}

#[tokio::test]
async fn a_topic_tells_its_attributes() {
    let stage = Stage::new().await;
    let sns = client!(aws_sdk_sns, stage);
    let told = sns.get_topic_attributes().topic_arn(NOTICES).send().await.unwrap();
    let attributes = told.attributes().unwrap();
    assert_eq!(attributes["TopicArn"], NOTICES);
    assert_eq!(attributes["SubscriptionsConfirmed"], "1");
    sns.get_topic_attributes().topic_arn("arn:aws:sns:eu-west-1:111111111111:alarms-dev").send().await.unwrap();
}

#[tokio::test]
async fn a_subscription_is_pending_until_it_is_confirmed_and_forgotten_after_two_days() {
    let stage = Stage::new().await;
    let sns = client!(aws_sdk_sns, stage);
    let list = async || {
        let told = sns.list_subscriptions_by_topic().topic_arn(NOTICES).send().await.unwrap();
        let all = told.subscriptions().iter();
        all.map(|one| (one.endpoint().unwrap().to_owned(), one.subscription_arn().unwrap().to_owned()))
            .collect::<Vec<_>>()
    };
    let subscribe = |email: &str| sns.subscribe().topic_arn(NOTICES).protocol("email").endpoint(email).send();
    assert_eq!(list().await.len(), 1, "one is there from the start");
    let told = subscribe("a@example.com").await.unwrap();
    assert_eq!(told.subscription_arn(), Some("pending confirmation"));
    assert_eq!(list().await[1], ("a@example.com".to_owned(), "PendingConfirmation".to_owned()));
    subscribe("a@example.com").await.unwrap();
    assert_eq!((list().await.len(), stage.world.asked_to_confirm("dev").len()), (2, 2), "asked again, and still one");
    assert!(stage.world.published("dev").is_empty());
    assert!(stage.world.set_fault("dev.sns.notices-dev.confirm.a@example.com", true), "the panel's button");
    assert!(!stage.world.confirm_subscription("notices-dev", "a@example.com"), "it is confirmed already");
    let told = subscribe("a@example.com").await.unwrap();
    assert_eq!(told.subscription_arn(), Some(list().await[1].1.as_str()));
    assert_eq!(stage.world.asked_to_confirm("dev").len(), 2, "who has confirmed is not asked");

    subscribe("b@example.com").await.unwrap();
    let attributes = sns.get_topic_attributes().topic_arn(NOTICES).send().await.unwrap();
    let count = |name: &str| attributes.attributes().unwrap()[name].clone();
    assert_eq!((count("SubscriptionsConfirmed").as_str(), count("SubscriptionsPending").as_str()), ("2", "1"));
    stage.pass(48 * 3_600);
    assert_eq!(list().await.len(), 2, "two days are over");
    assert!(stage.world.unsubscribe("notices-dev", "a@example.com"));
    assert_eq!(list().await[1].1, "Deleted");
    for email in ["", "nobody", "two words@example.com", "a@b@example.com"] {
        assert_eq!(subscribe(email).await.unwrap_err().code(), Some("InvalidParameter"), "{email:?}");
    }
    stage.world.set_page_max(1);
    let first = sns.list_subscriptions_by_topic().topic_arn(NOTICES).send().await.unwrap();
    assert_eq!(first.subscriptions().len(), 1);
    let next = sns.list_subscriptions_by_topic().topic_arn(NOTICES).set_next_token(first.next_token).send();
    assert_eq!(next.await.unwrap().next_token(), None);
    assert!(stage.world.unknown_calls().is_empty());
}
