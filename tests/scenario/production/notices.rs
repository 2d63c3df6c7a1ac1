//! Stakeholders: told before anything acts, and of every end.

use alch::domain::{Moment, Outcome, StepStatus};
use alch::sandbox::aws::{ApiFault, Failure};
use alch::sandbox::slack::How;
use insta::assert_snapshot;
use jiff::SignedDuration;

use super::{R1, R2, TOLD, approved, asks, ended, goes_to_its_end, mails, says};
use crate::world::{World, story_with};

/// Everybody has been told once of the beginning, and once of the end.
async fn all_told_once(world: &World) {
    all_told(world, 2..=2).await;
}

/// The same with so many e-mails: between SNS's answer and its record, a crash tells once more.
async fn all_told(world: &World, mails: std::ops::RangeInclusive<usize>) {
    let run = world.run(R1).await;
    for moment in [Moment::Before, Moment::After] {
        let told = run.deliveries.iter().filter(|told| told.moment == moment && told.receipt.is_ok());
        assert_eq!(told.count(), 2, "{}", world.told(R1).await);
    }
    let subjects: Vec<String> = world.aws.published("prod").into_iter().filter_map(|mail| mail.subject).collect();
    let of_run = subjects.iter().filter(|subject| subject.contains("R-1")).count();
    assert!(mails.contains(&of_run), "{subjects:?}");
    let posts = world.slack.messages();
    let posts = posts
        .iter()
        .filter(|post| post.channel == "C0STAKEHOLD" && post.ephemeral_to.is_none() && post.text.contains("R-1"))
        .count();
    assert_eq!(posts, 2, "{}", world.channel("C0STAKEHOLD"));
}

#[test]
fn who_cannot_be_told_by_e_mail_stops_it_before_it_acts_and_a_retry_goes_on() {
    story_with(&TOLD, async |world| {
        asks(world, "enable signal-generated prod").await;
        world.aws.set_fault("prod.sns.refuses", true);
        approved(world, R1).await;
        world.passes(SignedDuration::from_mins(11)).await;
        assert_eq!(world.changes(), Vec::<String>::new());
        let run = world.run(R1).await;
        assert_eq!(run.steps[0].status, StepStatus::Failed, "{}", world.told(R1).await);
        assert!(run.steps[0].question.is_some());
        assert_snapshot!("undelivered", world.thread(R1).await);
        world.aws.set_fault("prod.sns.refuses", false);
        world.alice().types("retry R-1").await;
        let run = world.run(R1).await;
        assert!(world.is_enabled("prod", "signal-generated"), "{}", world.told(R1).await);
        assert_eq!(run.rounds.len(), 1, "what was approved stays approved");
        assert_eq!(goes_to_its_end(world, R1).await.0, Outcome::Succeeded);
        all_told_once(world).await;
    });
}

#[test]
fn a_channel_that_refuses_stops_it_before_it_acts_and_a_retry_goes_on() {
    story_with(&TOLD, async |world| {
        asks(world, "enable signal-generated prod").await;
        world.slack.fail_next("chat.postMessage C0STAKEHOLD", 1, How::Error("channel_not_found"));
        approved(world, R1).await;
        assert_eq!(world.changes(), Vec::<String>::new(), "{}", world.told(R1).await);
        says(&world.thread(R1).await, &["could not be told", "invite Alch there"]);
        let card = world.asking(R1, "retry").await;
        world.bob().clicks(&card, "retry").await;
        assert!(world.is_enabled("prod", "signal-generated"), "{}", world.told(R1).await);
        assert_eq!(goes_to_its_end(world, R1).await.0, Outcome::Succeeded);
        all_told_once(world).await;
    });
}

#[test]
fn an_objection_pauses_it_and_somebody_else_lets_it_go_on() {
    story_with(&super::TOLD_ALWAYS, async |world| {
        asks(world, "enable all prod").await;
        approved(world, R1).await;
        let notice = world.slack.messages().into_iter().find(|post| post.channel == "C0STAKEHOLD").unwrap();
        world.carol().clicks(&notice, "object").await;
        world.carol().gives_reason("the market is closing").await;
        assert!(world.run(R1).await.paused.is_some_and(|pause| pause.objection));
        world.passes(SignedDuration::from_mins(70)).await;
        assert_eq!(world.enabled("prod"), ["signal-generated"], "what has begun is watched; nothing new begins");
        world.alice().types("resume R-1").await;
        says(&world.alice().saw(), &["somebody else has to"]);
        assert_snapshot!("objected", world.thread(R1).await);
        world.bob().types("resume R-1").await;
        assert_eq!(world.enabled("prod"), ["signal-generated", "rebalance-planned"]);
        world.bob().types("cancel R-1").await;
        assert_eq!(ended(world, R1).await.0, Outcome::Cancelled);
        says(&mails(world), &["cancelled"]);
        all_told_once(world).await;
    });
}

#[test]
fn who_was_told_before_is_told_of_every_end() {
    for end in ["failed", "cancelled", "pre-empted"] {
        story_with(&TOLD, async |world| {
            asks(world, "enable signal-generated prod").await;
            approved(world, R1).await;
            world.passes(SignedDuration::from_mins(5)).await;
            match end {
                "failed" => {
                    world.aws.set_fault("prod.rule.signal-generated.fails", true);
                }
                "cancelled" => {
                    world.alice().types("cancel R-1").await;
                }
                _ => {
                    world.bob().types("rollback prod").await;
                    let card = world.asking(R2, "rollback:now").await;
                    world.bob().clicks(&card, "rollback:now").await;
                }
            }
            let (outcome, _) = goes_to_its_end(world, R1).await;
            assert_eq!(outcome.word(), end);
            all_told_once(world).await;
            let word = match end {
                "failed" => "FAILED",
                "pre-empted" => "was stopped by a rollback",
                end => end,
            };
            says(&mails(world), &[word]);
            says(&world.channel("C0STAKEHOLD"), &[end]);
            if end == "pre-empted" {
                assert!(!mails(world).contains("signal-generated is enabled"), "{}", mails(world));
            }
        });
    }
}

#[test]
fn the_end_is_told_although_the_process_died_right_after_it() {
    story_with(&TOLD, async |world| {
        asks(world, "enable signal-generated prod").await;
        approved(world, R1).await;
        // SNS does not answer, so the end is recorded and nobody is told of it yet.
        world.aws.inject(ApiFault { operation: "Publish".to_owned(), times: 1, how: Failure::Hang });
        world.slack.types("U0ALICE", "/alch cancel R-1").await;
        while world.run(R1).await.ended.is_none() {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        world.killed();
        world.aws.cancel_injected();
        world.starts().await;
        world.passes(SignedDuration::from_secs(30)).await;
        assert_eq!(ended(world, R1).await.0, Outcome::Cancelled);
        all_told(world, 2..=3).await;
    });
}
