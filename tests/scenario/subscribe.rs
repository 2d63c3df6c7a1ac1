//! The alarms' topic: an address is subscribed and waited for, who is subscribed is listed, and a test is published.

use alch::domain::{Outcome, RunId, StepStatus};
use alch::sandbox::aws::{ApiFault, Failure};
use insta::assert_snapshot;
use jiff::SignedDuration;

use crate::world::{World, story, story_with};

const R1: RunId = RunId(1);
const TOPIC: &str = "alchemiser-alarms-dev";
const ADA: &str = "ada@example.com";
const HOUR: SignedDuration = SignedDuration::from_hours(1);

fn plan(world: &World, operation: &str, times: u32, how: Failure) {
    world.aws.inject(ApiFault { operation: operation.to_owned(), times, how });
}

/// The mails that say that they are a test.
fn tests(world: &World) -> Vec<(String, String)> {
    let mails = world.aws.published("dev").into_iter();
    mails.map(|mail| (mail.subject.unwrap_or_default(), mail.body)).filter(|mail| mail.0.contains("TEST")).collect()
}

#[test]
fn an_address_is_pending_until_it_is_confirmed_and_the_run_says_when() {
    story(async |world| {
        world.alice().types("subscribe dev ada@example.com").await;
        assert_eq!(world.aws.asked_to_confirm("dev"), [ADA]);
        world.passes(HOUR).await;
        assert!(world.run(R1).await.ended.is_none());
        assert_snapshot!("subscribe_pending", world.thread(R1).await);
        world.bob().types("subscriptions dev").await;
        assert!(world.bob().saw().contains("1 confirmed subscription, 1 pending"), "{}", world.bob().saw());
        assert!(world.bob().sees().contains(ADA), "{}", world.bob().sees());
        // It is in nobody's way meanwhile.
        world.bob().types("enable signal-generated dev").await;
        assert_eq!(world.until_ended(RunId(2)).await.ended.unwrap().outcome, Outcome::Succeeded);
        assert!(world.aws.confirm_subscription(TOPIC, ADA));
        world.passes(SignedDuration::from_mins(6)).await;
        assert_eq!(world.run(R1).await.ended.unwrap().outcome, Outcome::Succeeded);
        assert_snapshot!("subscribe_confirmed", world.thread(R1).await);
        assert_eq!(world.aws.asked_to_confirm("dev").len(), 1, "asked once");
        // Who has confirmed is told so, and not asked again.
        world.alice().types("subscribe dev Ada@Example.com").await;
        let again = world.until_ended(RunId(3)).await;
        assert_eq!(again.ended.as_ref().unwrap().outcome, Outcome::Succeeded);
        assert!(again.ended.unwrap().summary.contains("is subscribed"), "{}", world.told(RunId(3)).await);
        assert_eq!(world.aws.asked_to_confirm("dev").len(), 1);
    });
}

#[test]
fn what_nobody_confirms_in_two_days_has_lapsed_also_over_a_restart() {
    story(async |world| {
        world.alice().types("subscribe dev ada@example.com").await;
        world.passes(HOUR * 24).await;
        world.killed();
        world.starts().await;
        world.clock.advance(SignedDuration::from_secs(15));
        world.passes(HOUR * 25).await;
        let ended = world.run(R1).await.ended.unwrap();
        assert_eq!(ended.outcome, Outcome::Failed);
        assert!(ended.summary.contains("did not confirm"), "{}", ended.summary);
        assert_eq!(world.aws.asked_to_confirm("dev"), [ADA], "asked once, whatever happened");
        assert_snapshot!("subscribe_lapsed", world.thread(R1).await);
    });
}

#[test]
fn an_answer_that_is_lost_or_a_crash_asks_nobody_twice() {
    story(async |world| {
        plan(world, "Subscribe", 1, Failure::AfterEffect);
        plan(world, "Subscribe", 9, Failure::ServerError);
        world.alice().types("subscribe dev ada@example.com").await;
        world.passes(HOUR).await;
        assert_eq!(world.aws.asked_to_confirm("dev"), [ADA], "found when it was looked again");
        world.aws.cancel_injected();
        assert!(world.aws.confirm_subscription(TOPIC, ADA));
        assert_eq!(world.until_ended(R1).await.ended.unwrap().outcome, Outcome::Succeeded);
    });
}

#[test]
fn who_cancels_stops_waiting_and_the_link_stays_good() {
    story(async |world| {
        world.alice().types("subscribe dev ada@example.com").await;
        world.alice().types("cancel R-1").await;
        world.passes(SignedDuration::from_mins(3)).await;
        let ended = world.run(R1).await.ended.unwrap();
        assert_eq!(ended.outcome, Outcome::Cancelled, "{}", ended.summary);
        assert!(world.aws.confirm_subscription(TOPIC, ADA), "SNS still knows the link");
    });
}

#[test]
fn what_is_no_address_is_refused_and_a_refusal_of_aws_names_the_permission() {
    story(async |world| {
        for text in
            ["subscribe dev", "subscribe dev nobody", "subscribe dev <!channel>@example.com", "subscribe dev a@b"]
        {
            world.alice().types(text).await;
        }
        assert!(world.aws.asked_to_confirm("dev").is_empty());
        plan(world, "Subscribe", 1, Failure::AccessDenied);
        world.alice().types("subscribe dev ada@example.com").await;
        let ended = world.until_ended(R1).await.ended.unwrap();
        assert_eq!(ended.outcome, Outcome::Failed);
        assert!(ended.summary.contains("sns:Subscribe"), "{}", ended.summary);
        // An address may have signs that Slack takes for markup.
        world.alice().types("subscribe dev `a*b_c`@example.com").await;
        world.alice().types("cancel R-2").await;
        world.passes(SignedDuration::from_mins(3)).await;
    });
}

#[test]
fn a_test_is_marked_as_one_and_says_who_asked_and_how_many_get_it() {
    story(async |world| {
        world.alice().types("test-alarm dev").await;
        let run = world.until_ended(R1).await;
        assert_eq!(run.ended.unwrap().outcome, Outcome::Succeeded);
        let [(subject, body)] = tests(world).try_into().unwrap();
        assert_snapshot!("test_alarm_mail", format!("{subject}\n\n{body}"));
        assert_snapshot!("test_alarm", world.thread(R1).await);
        // Nobody gets it: that is no proof of anything.
        assert!(world.aws.unsubscribe(TOPIC, "on-call@example.com"));
        world.alice().types("test-alarm dev").await;
        let ended = world.until_ended(RunId(2)).await.ended.unwrap();
        assert_eq!(ended.outcome, Outcome::Unproven);
        assert!(ended.summary.contains("Nobody gets it"), "{}", ended.summary);
        assert_eq!(tests(world).len(), 2);
    });
}

#[test]
fn a_test_whose_fate_is_unknown_asks_a_person_and_is_not_published_twice_by_itself() {
    story(async |world| {
        plan(world, "Publish", 1, Failure::AfterEffect);
        world.alice().types("test-alarm dev").await;
        world.passes(SignedDuration::from_mins(10)).await;
        let run = world.run(R1).await;
        assert!(run.ended.is_none() && run.steps[0].question.is_some(), "{}", world.told(R1).await);
        assert_eq!(run.steps[0].status, StepStatus::Unknown);
        assert_eq!(tests(world).len(), 1);
        assert_snapshot!("test_alarm_asks", world.thread(R1).await);
        world.bob().types("retry R-1").await;
        assert_eq!(world.until_ended(R1).await.ended.unwrap().outcome, Outcome::Succeeded);
        assert_eq!(tests(world).len(), 2, "a person said so");
    });
    // A refusal that surely did nothing is no such case, nor is a session that cannot be had.
    let role = [("ALCH__ENVIRONMENTS__DEV__ROLE_ARN", "arn:aws:iam::111111111111:role/alch-operator")];
    story_with(&role, async |world| {
        plan(world, "Publish", 2, Failure::Throttle);
        world.alice().types("test-alarm dev").await;
        assert_eq!(world.until_ended(R1).await.ended.unwrap().outcome, Outcome::Succeeded);
        plan(world, "AssumeRole", 4, Failure::ServerError);
        world.alice().types("test-alarm dev").await;
        assert_eq!(world.until_ended(RunId(2)).await.ended.unwrap().outcome, Outcome::Succeeded);
        assert_eq!(tests(world).len(), 2);
        world.aws.cancel_injected();
    });
}

#[test]
fn guests_see_that_there_are_subscribers_and_not_who() {
    story(async |world| {
        world.guest().types("subscriptions dev").await;
        let seen = world.guest().sees();
        assert!(!seen.contains("on-call@example.com"), "{seen}");
        plan(world, "ListSubscriptionsByTopic", 1, Failure::AccessDenied);
        world.alice().types("subscriptions dev").await;
        assert!(world.alice().saw().contains("sns:ListSubscriptionsByTopic"), "{}", world.alice().saw());
    });
}
