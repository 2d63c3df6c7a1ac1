//! Killed anywhere on the way through production: nothing is done twice, nobody is told twice, no approval is lost.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use alch::domain::{Moment, Outcome};
use jiff::SignedDuration;

use super::{R1, TOLD, approved, asks, ended, kinds};
use crate::world::{World, story_with};

/// What must hold of a run that was killed on the way and went well in the end. `mails` is how many e-mails there may be:
/// one that was sent and not recorded is sent again.
async fn went_well(world: &World, mails: usize) {
    let run = world.ended_within(R1, SignedDuration::from_hours(3)).await;
    let (outcome, summary) = ended(world, R1).await;
    assert_eq!(outcome, Outcome::Succeeded, "{summary}");
    world.passes(SignedDuration::from_secs(60)).await;
    assert_eq!(run.rounds.len(), 1, "{}", world.told(R1).await);
    assert_eq!(run.rounds[0].approvals.len(), 1);
    assert_eq!(kinds(world, R1).await.iter().filter(|kind| **kind == "approved").count(), 1);
    assert_eq!(world.enabled("prod"), ["signal-generated"]);
    assert!(world.changes().len() <= 2, "{:?}", world.changes());
    let run = world.run(R1).await;
    for moment in [Moment::Before, Moment::After] {
        let told = run.deliveries.iter().filter(|told| told.moment == moment && told.receipt.is_ok());
        assert_eq!(told.count(), 2, "{}", world.told(R1).await);
    }
    let published = world.aws.published("prod").len();
    assert!((2..=mails).contains(&published), "{published} e-mails");
    let mut posts: BTreeMap<String, usize> = BTreeMap::new();
    for message in world.slack.messages() {
        if let Some(key) = message.metadata.as_ref().and_then(|metadata| metadata["event_payload"]["key"].as_str()) {
            *posts.entry(key.to_owned()).or_default() += 1;
        }
    }
    assert!(posts.values().all(|times| *times == 1), "each message once: {posts:?}");
    assert!(posts.keys().any(|key| key.starts_with("notice/after/") || key.contains("notice")), "{posts:?}");
    assert_eq!(world.store().holder("prod").await.unwrap(), None);
}

#[test]
fn the_crash_sweep_of_production() {
    let (mut before, mut after) = (0, 0);
    story_with(&TOLD, async |world| {
        asks(world, "enable signal-generated prod").await;
        before = world.aws.calls().len();
        approved(world, R1).await;
        after = world.aws.calls().len();
        went_well(world, 2).await;
    });
    // From the approval on: the second look, the telling, the act, the read-back, and the first looks of the hour.
    for point in (before..after + 12).step_by(4) {
        story_with(&TOLD, async |world| {
            asks(world, "enable signal-generated prod").await;
            let card = world.asking(R1, "approve").await;
            world.slack.clicks("U0BOB", &card.ts, "approve").await;
            let deadline = Instant::now() + Duration::from_secs(10);
            while !world.run(R1).await.is_approved() {
                assert!(Instant::now() < deadline, "{}", world.bob().sees());
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            world.killed_when(|world| world.aws.calls().len() >= point).await;
            went_well(world, 3).await;
        });
    }
}

#[test]
fn a_click_that_was_taken_and_not_decided_is_decided_after_a_restart() {
    story_with(&TOLD, async |world| {
        asks(world, "enable signal-generated prod").await;
        let card = world.asking(R1, "approve").await;
        // Slack does not say who is in the group, so the click lies in the inbox when the process dies.
        world.slack.fail_next("usergroups.users.list", 1, alch::sandbox::slack::How::Hang);
        assert_eq!(world.slack.clicks("U0BOB", &card.ts, "approve").await.http_status, 200);
        let deadline = Instant::now() + Duration::from_secs(10);
        while !world.slack.unspent_failures().is_empty() {
            assert!(Instant::now() < deadline, "Slack is not asked");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(!world.run(R1).await.is_approved());
        world.killed();
        world.starts().await;
        world.settle().await;
        assert!(world.run(R1).await.is_approved(), "{}", world.bob().sees());
        went_well(world, 2).await;
    });
}

#[test]
fn the_hours_wait_survives_being_killed_again_and_again() {
    story_with(&TOLD, async |world| {
        asks(world, "enable signal-generated prod").await;
        approved(world, R1).await;
        for _ in 0..5 {
            world.passes(SignedDuration::from_mins(9)).await;
            world.killed();
            world.clock.advance(SignedDuration::from_mins(2));
            world.starts().await;
        }
        assert_eq!(world.changes().len(), 1);
        went_well(world, 2).await;
        let run = world.run(R1).await;
        let took = run.ended.unwrap().at.duration_since(run.requested_at);
        assert!(took >= SignedDuration::from_mins(65), "{took:#}");
    });
}
