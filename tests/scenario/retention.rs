//! Journals whose time is over are removed, and whatever is asked afterwards is answered as before.

use alch::domain::{Outcome, RunId};
use alch::journal::AuditKeys;
use jiff::SignedDuration;

use crate::world::{World, story_with};

const KEPT: [(&str, &str); 2] =
    [("ALCH__STORE__RETENTION_DAYS", "60"), ("AUDIT_KEY", "whatever makes the settings sound here")];

async fn is_removed(world: &World, run: RunId) {
    let removed = async {
        while world.store().removal_of(run).await.unwrap().is_none() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), removed).await.expect("it is removed");
}

#[test]
fn what_is_removed_is_said_to_be_and_what_was_wanted_stays_known() {
    story_with(&KEPT, async |world| {
        world.alice().types("verify dev").await;
        let looked = world.until_ended(RunId(1)).await.id;
        world.alice().types("enable signal-generated dev").await;
        let enabled = world.until_ended(RunId(2)).await;
        let wanted = world.engine().wanted_states("dev").await.unwrap();
        assert_eq!(wanted.len(), 1);

        world.clock.advance(SignedDuration::from_hours(24 * 70));
        world.alice().types("verify dev").await;
        let newest = world.store().recent_runs(Some("dev"), 1).await.unwrap().swap_remove(0).id;
        let verified = world.until_ended(newest).await.ended.unwrap();
        assert_ne!(verified.outcome, Outcome::Refused);
        world.clock.advance(SignedDuration::from_hours(2));
        world.settle().await;
        is_removed(world, looked).await;

        assert_eq!(world.store().run(enabled.id).await.unwrap().as_ref(), Some(&enabled), "it says what is wanted");
        assert_eq!(world.engine().wanted_states("dev").await.unwrap(), wanted);
        world.bob().types("show R-1").await;
        assert!(
            world.bob().sees().contains("The journal of R-1 was removed when its time was over"),
            "{}",
            world.bob().sees()
        );
        world.bob().types("show R-99").await;
        assert!(world.bob().sees().contains("There is no run R-99"), "{}", world.bob().sees());
        let keys = AuditKeys::read(&"another key, which has signed nothing".into());
        let problems = world.store().check_chain(Some(&keys)).await.unwrap().problems;
        assert!(problems[0].contains("no key of AUDIT_KEY has signed that"), "{problems:?}");
    });
}
