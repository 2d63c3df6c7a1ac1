//! The incident: one click, and everything is off.

use alch::domain::Outcome;
use alch::sandbox::slack::How;
use insta::assert_snapshot;
use jiff::SignedDuration;

use super::{R1, R2, TOLD, TOLD_ALWAYS, approved, asks, ended, kinds, mails, says};
use crate::world::story_with;

/// How long a rollback takes is real time.
fn untimed(text: &str) -> String {
    let untimed = (1..30).fold(text.to_owned(), |text, tenths: u32| {
        text.replace(&format!("after {}.{} s", tenths / 10, tenths % 10), "after N s")
    });
    // Nor are receipts the same, when two are told at the same time.
    untimed.lines().filter(|line| !line.contains("✅ #") && !line.contains("✅ SNS")).collect::<Vec<_>>().join("\n")
}

#[test]
fn one_click_turns_production_off_stops_the_promotion_and_tells_everybody() {
    story_with(&TOLD_ALWAYS, async |world| {
        asks(world, "enable all prod").await;
        approved(world, R1).await;
        world.passes(SignedDuration::from_mins(80)).await;
        world.alice().types("rollback prod").await;
        assert_snapshot!("rollback_asks", world.thread(R2).await);
        let card = world.asking(R2, "rollback:now").await;
        world.alice().clicks(&card, "rollback:now").await;
        assert_eq!(world.enabled("prod"), Vec::<&str>::new());
        assert_eq!(ended(world, R1).await.0, Outcome::Preempted);
        assert_eq!(ended(world, R2).await.0, Outcome::Succeeded);
        let changes = world.changes();
        world.bob().clicks_stale(&card, "rollback:now").await;
        says(&world.bob().saw(), &["R-2 has ended"]);
        assert_eq!(world.changes(), changes);
        assert_snapshot!("rollback_thread", untimed(&world.thread(R2).await));
        assert_snapshot!("rollback_preempted", world.thread(R1).await.lines().take(12).collect::<Vec<_>>().join("\n"));
        // Which of the two runs is told of first is nobody's promise.
        let told = untimed(&world.channel("C0STAKEHOLD"));
        let mut told: Vec<&str> = told.split("alch: ").map(str::trim_end).collect();
        told.sort_unstable();
        assert_snapshot!("rollback_stakeholders", told.join("\nalch: "));
        let mailed = untimed(&mails(world));
        let mut mailed: Vec<&str> = mailed.split("\n-----\n").map(str::trim_end).collect();
        mailed.sort_unstable_by_key(|mail| mail.lines().nth(1));
        assert_snapshot!("rollback_mails", mailed.join("\n-----\n"));
        world.passes(SignedDuration::from_hours(2)).await;
        assert_eq!(world.enabled("prod"), Vec::<&str>::new());
    });
}

#[test]
fn a_card_that_nobody_clicks_lapses_and_does_nothing_afterwards() {
    story_with(&TOLD, async |world| {
        world.alice().types("rollback prod").await;
        let card = world.asking(R1, "rollback:now").await;
        world.passes(SignedDuration::from_mins(31)).await;
        assert_eq!(ended(world, R1).await.0, Outcome::Expired);
        world.alice().clicks_stale(&card, "rollback:now").await;
        says(&world.alice().saw(), &["R-1 has ended", "`/alch rollback prod`"]);
        assert_eq!(world.enabled("prod").len(), 4);
        assert_eq!(world.aws.published("prod").len(), 0);
    });
}

#[test]
fn slack_that_does_not_say_who_somebody_is_does_not_hold_up_a_rollback() {
    story_with(&[("ALCH__ENVIRONMENTS__PROD__ROLES__RESPONDER", "[\"S0RESPONDERS\"]")], async |world| {
        world.slack.fail_next("usergroups.users.list", 2, How::Hang);
        world.alice().types("rollback prod").await;
        let card = world.asking(R1, "rollback:now").await;
        let began = std::time::Instant::now();
        world.alice().clicks(&card, "rollback:now").await;
        assert!(began.elapsed() < std::time::Duration::from_secs(6));
        assert_eq!(world.enabled("prod"), Vec::<&str>::new(), "{}", world.alice().sees());
        says(&world.told(R1).await, &["Slack"]);
    });
}

#[test]
fn who_clicked_is_in_the_journal_although_the_database_came_back_late() {
    story_with(&TOLD, async |world| {
        use sqlx::Connection;
        world.alice().types("rollback prod").await;
        let card = world.asking(R1, "rollback:now").await;
        let mut other = sqlx::AnyConnection::connect(&world.database).await.unwrap();
        sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
        world.slack.clicks("U0BOB", &card.ts, "rollback:now").await;
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
        while !world.enabled("prod").is_empty() {
            assert!(std::time::Instant::now() < deadline, "the rollback waits for the database");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
        sqlx::query("COMMIT").execute(&mut other).await.unwrap();
        other.close().await.unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while world.run(R1).await.ended.is_none() {
            assert!(std::time::Instant::now() < deadline, "it is never journalled");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        world.settle().await;
        let approvals = world.run(R1).await.rounds[0].approvals.clone();
        assert_eq!(approvals.len(), 1, "{}", world.told(R1).await);
        assert_eq!(approvals[0].actor.to_string(), "<@U0BOB>");
        assert_eq!(kinds(world, R1).await.iter().filter(|kind| **kind == "approved").count(), 1);
        assert_eq!(world.aws.published("prod").len(), 1);
    });
}
