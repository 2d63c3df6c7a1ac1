//! What people decide about a plan, and what does not count.

use alch::domain::{Outcome, Phase, Subject};
use alch::sandbox::aws::{AlarmState, RuleState};
use alch::sandbox::slack::How;
use insta::assert_snapshot;
use jiff::SignedDuration;

use super::{BUS, R1, R2, RULE, TOLD, approved, asks, ended, goes_to_its_end, kinds, says};
use crate::world::{story, story_with};

#[test]
fn what_has_moved_since_the_plan_is_shown_and_asked_about_anew() {
    let by_hand = "signal-generated was disabled, and is enabled now.";
    for (moved, difference) in [("rule", by_hand), ("alarm", "is in ALARM now"), ("version", "The version was")] {
        story(async |world| {
            asks(world, "enable signal-generated prod").await;
            let old = world.asking(R1, "approve").await;
            match moved {
                "rule" => assert!(world.aws.set_rule_state(BUS, RULE, RuleState::Enabled)),
                "alarm" => {
                    assert!(world.aws.set_alarm("alchemiser-lambda-duration-high-prod", Some(AlarmState::Alarm)));
                }
                _ => assert!(world.aws.deploy("prod", "2026.11.21")),
            }
            world.bob().clicks(&old, "approve").await;
            let run = world.run(R1).await;
            assert_eq!(run.phase(), Phase::Approving, "{moved}");
            assert_eq!(run.rounds.len(), 2);
            assert_eq!(world.changes(), Vec::<String>::new());
            says(&world.thread(R1).await, &[difference, "R-1 needs approval"]);
            if moved == "rule" {
                assert_snapshot!("drifted", world.thread(R1).await);
            }
            world.carol().clicks_stale(&old, "approve").await;
            says(&world.carol().saw(), &["older plan"]);
            assert!(world.run(R1).await.rounds[1].approvals.is_empty());
            let new = world.asking(R1, "approve").await;
            world.carol().clicks(&new, "approve").await;
            assert!(world.run(R1).await.cleared);
            world.bob().types("rollback prod").await;
            let card = world.asking(R2, "rollback:now").await;
            world.bob().clicks(&card, "rollback:now").await;
            // Where an alarm rings, the first look ends it before the rollback does.
            let expected = if moved == "alarm" { Outcome::Failed } else { Outcome::Preempted };
            assert_eq!(ended(world, R1).await.0, expected);
            assert_eq!(world.enabled("prod"), Vec::<&str>::new());
        });
    }
}

#[test]
fn a_question_lapses_after_a_reminder_and_a_call_and_nothing_was_done() {
    story_with(&TOLD, async |world| {
        asks(world, "enable signal-generated prod").await;
        let card = world.asking(R1, "approve").await;
        let run = world.until_ended(R1).await;
        assert_eq!(run.ended.unwrap().outcome, Outcome::Expired);
        assert_eq!(kinds(world, R1).await[4..], ["approval_asked", "reminded", "escalated", "lapsed", "ended"]);
        assert_eq!(world.changes(), Vec::<String>::new());
        assert_eq!(world.aws.published("prod").len(), 0, "nobody was told before");
        assert_eq!(world.channel("C0STAKEHOLD"), "");
        assert_snapshot!("lapsed", world.thread(R1).await);
        world.bob().clicks_stale(&card, "approve").await;
        says(&world.bob().saw(), &["R-1 has ended", "expired"]);
        world.bob().clicks_stale(&card, "reject").await;
        assert!(world.slack.views("U0BOB").is_empty(), "no form for what is over");
    });
}

#[test]
fn a_rejection_ends_it_and_says_why() {
    story_with(&TOLD, async |world| {
        asks(world, "enable signal-generated prod").await;
        let card = world.asking(R1, "approve").await;
        world.bob().clicks(&card, "reject").await;
        world.bob().gives_reason("the queue is being drained").await;
        let (outcome, summary) = ended(world, R1).await;
        assert_eq!(outcome, Outcome::Refused);
        says(&summary, &["the queue is being drained", "Nothing was changed"]);
        assert_snapshot!("rejected", world.thread(R1).await);
        world.carol().clicks_stale(&card, "approve").await;
        says(&world.carol().saw(), &["R-1 has ended"]);
        assert_eq!(world.aws.published("prod").len(), 0);
        assert_eq!(world.changes(), Vec::<String>::new());
    });
}

#[test]
fn of_two_approvers_at_the_same_instant_both_are_answered_and_it_begins_once() {
    for needed in [1, 2] {
        let needs = needed.to_string();
        story_with(&[("ALCH__ENVIRONMENTS__PROD__APPROVALS__NEEDED", &needs)], async |world| {
            asks(world, "enable signal-generated prod").await;
            let card = world.asking(R1, "approve").await;
            tokio::join!(
                world.slack.clicks("U0BOB", &card.ts, "approve"),
                world.slack.clicks("U0CAROL", &card.ts, "approve")
            );
            world.settle().await;
            assert_eq!(world.run(R1).await.rounds[0].approvals.len(), needed);
            assert_eq!(world.slack.ephemerals("U0BOB").len(), 1, "{}", world.bob().sees());
            assert_eq!(world.slack.ephemerals("U0CAROL").len(), 1, "{}", world.carol().sees());
            assert_eq!(world.changes().len(), 1);
            world.bob().types("cancel R-1").await;
            assert_eq!(goes_to_its_end(world, R1).await.0, Outcome::Cancelled);
        });
    }
}

#[test]
fn who_may_not_approve_is_told_why_and_nothing_is_counted() {
    story(async |world| {
        asks(world, "enable signal-generated prod").await;
        let card = world.asking(R1, "approve").await;
        world.alice().clicks(&card, "approve").await;
        says(&world.alice().saw(), &["asked for this yourself"]);
        world.guest().clicks(&card, "approve").await;
        says(&world.guest().saw(), &["Guests may look", "approve R-1"]);
        world.stranger().clicks(&card, "approve").await;
        says(&world.stranger().saw(), &["workspace"]);
        // Who has just been taken out of the group: what was believed a second ago counts for nothing.
        world.bob().types("whoami").await;
        world.slack.set_members("S0APPROVERS", &["U0CAROL"]);
        world.bob().clicks(&card, "approve").await;
        says(&world.bob().saw(), &["S0APPROVERS", "you are not among them"]);
        world.slack.fail_next("usergroups.users.list", 1, How::Error("internal_error"));
        world.carol().clicks(&card, "approve").await;
        says(&world.carol().saw(), &["Slack"]);
        assert_eq!(world.run(R1).await.rounds[0].approvals, []);
        assert_snapshot!(
            "no_approvals",
            [world.alice(), world.guest(), world.stranger(), world.bob(), world.carol()]
                .map(|person| person.saw())
                .join("\n")
        );
        world.carol().clicks(&card, "approve").await;
        assert_eq!(world.run(R1).await.rounds[0].approvals.len(), 1);
        world.bob().types("cancel R-1").await;
        goes_to_its_end(world, R1).await;
    });
}

#[test]
fn a_cancelled_run_takes_no_approval() {
    story(async |world| {
        asks(world, "enable signal-generated prod").await;
        let card = world.asking(R1, "approve").await;
        world.alice().types("cancel R-1").await;
        assert_eq!(ended(world, R1).await.0, Outcome::Cancelled);
        world.bob().clicks_stale(&card, "approve").await;
        says(&world.bob().saw(), &["R-1 has ended", "cancelled"]);
        assert_eq!(world.changes(), Vec::<String>::new());
    });
}

#[test]
fn each_rule_asks_for_its_own_go_ahead_where_that_is_configured() {
    let each = [
        ("ALCH__ENVIRONMENTS__PROD__APPROVALS__APPROVE", "each"),
        ("ALCH__ENVIRONMENTS__PROD__WINDOW__ALLOW", super::ALWAYS),
    ];
    story_with(&each, async |world| {
        world.set_all("prod", RuleState::Disabled);
        world.alice().types("enable all prod").await;
        approved(world, R1).await;
        assert_eq!(world.changes(), Vec::<String>::new(), "the plan alone enables nothing");
        let round = world.run(R1).await.open_round().cloned().unwrap();
        assert!(matches!(&round.subject, Subject::Step(step) if step.0.contains("signal-generated")));
        approved(world, R1).await;
        assert_eq!(world.enabled("prod"), ["signal-generated"]);
        world.passes(SignedDuration::from_mins(66)).await;
        assert_eq!(world.enabled("prod"), ["signal-generated"], "the next asks again");
        assert_snapshot!("each", world.thread(R1).await);
        // Nobody says anything: it stops, and what was done stays done.
        let (outcome, summary) = goes_to_its_end(world, R1).await;
        assert_eq!(outcome, Outcome::Expired);
        says(&summary, &["what was done stays done"]);
        assert_eq!(world.enabled("prod"), ["signal-generated"]);
    });
}
