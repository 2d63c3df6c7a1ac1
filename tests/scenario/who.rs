//! Who may do what, where.

use insta::assert_snapshot;

use crate::world::{World, story, story_with};

async fn nothing_was_started(world: &World) {
    assert!(world.store().recent_runs(None, 10).await.unwrap().is_empty());
    assert_eq!(world.changes(), Vec::<String>::new());
}

#[test]
fn guests_and_people_of_other_organisations_may_not_act() {
    story(async |world| {
        world.guest().types("enable signal-generated dev").await;
        world.guest().types("rollback dev").await;
        world.stranger().types("enable signal-generated dev").await;
        world.stranger().types("rollback dev").await;
        nothing_was_started(world).await;
        assert_snapshot!("guest_refused", world.guest().sees());
        assert_snapshot!("stranger_refused", world.stranger().sees());
    });
}

#[test]
fn production_is_for_those_who_have_the_role() {
    // Carol is the one responder of the emulated workspace.
    let carol = r#"["S0RESPONDERS"]"#;
    let roles =
        [("ALCH__ENVIRONMENTS__PROD__ROLES__OPERATOR", carol), ("ALCH__ENVIRONMENTS__PROD__ROLES__RESPONDER", carol)];
    story_with(&roles, async |world| {
        for command in ["enable all prod", "disable all prod", "rollback prod", "restore prod"] {
            world.alice().types(command).await;
        }
        nothing_was_started(world).await;
        assert_snapshot!("production_refused", world.alice().sees());
    });
}

#[test]
fn commands_are_taken_in_the_configured_channels_only() {
    story(async |world| {
        world.slack.types_in("U0ALICE", "C0RANDOM", "/alch enable signal-generated dev").await;
        world.settle().await;
        nothing_was_started(world).await;
        assert!(world.slack.ephemeral_transcript("U0ALICE").contains("#alchemiser-platform"));
    });
}

#[test]
fn direct_messages_only_look() {
    story(async |world| {
        world.alice().says_directly("enable signal-generated dev").await;
        nothing_was_started(world).await;
        world.alice().says_directly("status dev").await;
        let channel = alch::sandbox::slack::WorkspaceSpec::direct_message("U0ALICE");
        let said: Vec<String> = world
            .slack
            .messages()
            .into_iter()
            .filter(|m| m.channel == channel && m.user == "U0ALCH")
            .map(|m| m.text)
            .collect();
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].contains("direct messages"), "{}", said[0]);
        assert!(said[1].contains("signal-generated"), "{}", said[1]);
    });
}

#[test]
fn help_usage_errors_and_lists_are_for_the_person_alone() {
    story(async |world| {
        world.alice().types("").await;
        world.alice().types("enabel signal-generated dev").await;
        world.alice().types("enable signl-generated dev").await;
        world.alice().types("enable signal-generated").await;
        world.alice().types("help rollback").await;
        world.alice().types("whoami").await;
        world.alice().types("runs").await;
        world.alice().types("status").await;
        nothing_was_started(world).await;
        assert_snapshot!("answers", world.alice().sees());
    });
}

#[test]
fn what_slack_makes_of_the_text_is_understood() {
    story(async |world| {
        world.alice().types("ENABLE “Signal-Generated”  Dev").await;
        world.until_ended(alch::domain::RunId(1)).await;
        assert!(world.is_enabled("dev", "signal-generated"));
    });
}

#[test]
fn the_home_shows_the_environments_and_the_runs() {
    story(async |world| {
        world.alice().types("enable signal-generated dev").await;
        world.until_ended(alch::domain::RunId(1)).await;
        world.slack.opens_home("U0ALICE").await;
        world.settle().await;
        let home = world.slack.home("U0ALICE").expect("the home is shown").to_string();
        assert!(home.contains("signal-generated") && home.contains("R-1"), "{home}");
    });
}

#[test]
fn who_asks_too_much_is_told_so_and_a_rollback_is_taken_all_the_same() {
    let limits = [("ALCH__LIMITS__PERSON_PER_MINUTE", "2"), ("ALCH__LIMITS__WORKSPACE_PER_MINUTE", "100")];
    story_with(&limits, async |world| {
        for _ in 0..3 {
            world.alice().types("enable signal-generated dev").await;
        }
        assert!(world.alice().sees().contains("I take 2 requests a minute of one person"), "{}", world.alice().sees());
        world.bob().types("whoami").await;
        assert!(!world.bob().sees().contains("a minute of one person"));
        world.alice().types("rollback dev").await;
        assert_eq!(world.enabled("dev"), Vec::<&str>::new());
    });
}
