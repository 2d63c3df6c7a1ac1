//! What has to hold before production is touched.

use alch::domain::{Outcome, Phase, Subject};
use insta::assert_snapshot;
use jiff::SignedDuration;

use super::{R1, R2, TOLD, TOLD_ALWAYS, approved, asks, ended, goes_to_its_end, mails, rehearsed, says};
use crate::world::story_with;

#[test]
fn a_failed_safeguard_blocks_until_it_is_overridden_which_takes_one_approval_more_and_is_told() {
    story_with(&TOLD_ALWAYS, async |world| {
        rehearsed(world).await;
        world.set_all("prod", alch::sandbox::aws::RuleState::Disabled);
        world.alice().types("promote").await;
        let promotion = world.store().recent_runs(None, 1).await.unwrap()[0].id;
        let blocking = world.run(promotion).await;
        let blocking: Vec<&str> = blocking.blocking().iter().map(|check| check.name.as_str()).collect();
        assert_eq!(blocking, ["soak"]);
        assert_snapshot!("blocked", world.thread(promotion).await);
        world.bob().types(&format!("approve {promotion} {}", world.run(promotion).await.rounds[0].digest)).await;
        says(&world.bob().saw(), &["safeguards block"]);
        let card = world.asking(promotion, "override").await;
        world.alice().clicks(&card, "override").await;
        if !world.slack.views("U0ALICE").is_empty() {
            world.alice().gives_reason("I want it").await;
        }
        says(&world.alice().saw(), &["somebody else has to override"]);
        world.bob().clicks(&card, "override").await;
        world.bob().gives_reason("a fix for the broken orders").await;
        approved(world, promotion).await;
        let run = world.run(promotion).await;
        let round = run.round(&Subject::Plan).unwrap();
        assert_eq!((round.needed, round.approvals.len(), run.cleared), (2, 1, false));
        assert_eq!(run.phase(), Phase::Approving);
        let card = world.asking(promotion, "approve").await;
        world.carol().clicks(&card, "approve").await;
        assert_eq!(world.enabled("prod"), ["signal-generated"], "{}", world.told(promotion).await);
        says(&mails(world), &["OVERRIDDEN:    the safeguard soak", "a fix for the broken"]);
        says(&world.channel("C0STAKEHOLD"), &["Overridden: soak", "a fix for the broken orders"]);
        assert_snapshot!("overridden", world.channel("C0STAKEHOLD"));
        world.bob().types(&format!("cancel {promotion}")).await;
        assert_eq!(ended(world, promotion).await.0, Outcome::Cancelled);
    });
}

const NO_SOAK: (&str, &str) = ("ALCH__ENVIRONMENTS__PROD__SAFEGUARDS__COMMANDS", "[]");

#[test]
fn a_promotion_waits_for_its_window_across_a_restart_and_looks_again_when_it_opens() {
    story_with(&[TOLD[0], TOLD[1], NO_SOAK], async |world| {
        // Monday noon in New York.
        world.passes(SignedDuration::from_hours(14)).await;
        asks(world, "promote --at \"next window\"").await;
        approved(world, R1).await;
        let run = world.run(R1).await;
        assert_eq!(run.phase(), Phase::Scheduled);
        assert_eq!(run.starts_at().unwrap().to_string(), "2026-11-23T22:00:00Z");
        assert_snapshot!("scheduled", world.thread(R1).await);
        world.passes(SignedDuration::from_hours(2)).await;
        world.killed();
        world.clock.advance(SignedDuration::from_hours(1));
        world.starts().await;
        world.passes(SignedDuration::from_mins(119)).await;
        assert_eq!(world.store().holder("prod").await.unwrap(), None, "the environment is free meanwhile");
        assert_eq!(world.changes(), Vec::<String>::new());
        world.passes(SignedDuration::from_mins(1)).await;
        assert_eq!(world.enabled("prod"), ["signal-generated"]);
        assert!(world.run(R1).await.rounds.len() == 1, "approved once");
        world.bob().types("cancel R-1").await;
        assert_eq!(goes_to_its_end(world, R1).await.0, Outcome::Cancelled);
    });
}

#[test]
fn what_has_moved_when_the_window_opens_is_asked_about_anew() {
    story_with(&[NO_SOAK], async |world| {
        world.passes(SignedDuration::from_hours(14)).await;
        asks(world, "promote --at \"next window\"").await;
        approved(world, R1).await;
        assert!(world.aws.deploy("prod", "2026.11.21"));
        world.passes(SignedDuration::from_hours(5)).await;
        assert_eq!(world.changes(), Vec::<String>::new());
        assert_eq!(world.run(R1).await.phase(), Phase::Approving);
        says(&world.thread(R1).await, &["The version was"]);
        approved(world, R1).await;
        assert_eq!(world.enabled("prod"), ["signal-generated"], "{}", world.told(R1).await);
        world.bob().types("cancel R-1").await;
        goes_to_its_end(world, R1).await;
    });
}

#[test]
fn what_does_not_fit_into_the_window_as_a_whole_is_blocked() {
    story_with(&[NO_SOAK], async |world| {
        // Four rules and the watch take 5 h 20 min; Sunday's window closes in two hours.
        world.set_all("prod", alch::sandbox::aws::RuleState::Disabled);
        world.alice().types("promote").await;
        let names = |run: &alch::domain::Run| run.blocking().iter().map(|check| check.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&world.run(R1).await), ["window"], "{}", world.told(R1).await);
        world.alice().types("cancel R-1").await;
        world.alice().types("promote --at \"sat 10:00\"").await;
        let run = world.run(R2).await;
        assert_eq!(names(&run), Vec::<String>::new());
        assert_eq!(run.starts_at().unwrap().to_string(), "2026-11-28T15:00:00Z");
        world.alice().types("cancel R-2").await;
        assert_eq!(ended(world, R2).await.0, Outcome::Cancelled);
    });
}
