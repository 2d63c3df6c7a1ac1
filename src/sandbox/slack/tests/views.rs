//! Modals and the App Home.

use jiff::SignedDuration;

use super::*;

fn modal(title: &str) -> Value {
    json!({
        "type": "modal",
        "callback_id": "freeze",
        "notify_on_close": true,
        "title": {"type": "plain_text", "text": title},
        "submit": {"type": "plain_text", "text": "Freeze"},
        "blocks": [
            {"type": "input", "block_id": "why", "label": {"type": "plain_text", "text": "Why"},
             "element": {"type": "plain_text_input", "action_id": "text"}},
            {"type": "input", "block_id": "env", "label": {"type": "plain_text", "text": "Where"},
             "element": {"type": "static_select", "action_id": "pick", "options": [
                {"text": {"type": "plain_text", "text": "Development"}, "value": "dev"},
                {"text": {"type": "plain_text", "text": "Production"}, "value": "prod"},
             ]}},
        ],
    })
}

/// A trigger from a fresh command.
async fn trigger(world: &mut World) -> String {
    world.slack.types("U0ALICE", "/alch freeze").await;
    world.received().await.form("trigger_id")
}

async fn open(world: &mut World) -> String {
    let trigger = trigger(world).await;
    let answer = world.call("views.open", json!({"trigger_id": trigger, "view": modal("Freeze")})).await;
    answer["view"]["id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

#[tokio::test]
async fn a_trigger_opens_one_view_within_three_seconds() {
    let mut world = World::new().await;
    let used = trigger(&mut world).await;
    let args = json!({"trigger_id": used, "view": modal("Freeze")});
    assert_eq!(world.call("views.open", args.clone()).await["ok"], true);
    assert_eq!(world.call("views.open", args).await["error"], "exchanged_trigger_id");

    let late = trigger(&mut world).await;
    world.clock.advance(SignedDuration::from_millis(3001));
    let args = json!({"trigger_id": late, "view": modal("Freeze")});
    assert_eq!(world.call("views.open", args).await["error"], "expired_trigger_id");
    let args = json!({"trigger_id": "1.2.3", "view": modal("Freeze")});
    assert_eq!(world.call("views.open", args).await["error"], "invalid_trigger_id");
}

#[tokio::test]
async fn a_modal_is_filled_in_and_sent() {
    let mut world = World::new().await;
    let view = open(&mut world).await;
    let slack = world.slack.clone();
    let missing = slack.submits("U0ALICE", &view, json!({"why": {"text": "release day"}})).await;
    assert_eq!(missing.error.unwrap(), "env is required");
    let unknown = slack.submits("U0ALICE", &view, json!({"why": {"text": "x"}, "env": {"pick": "test"}})).await;
    assert_eq!(unknown.error.unwrap(), "env has no such option");

    world.answer_with([Answer::Json(json!({"response_action": "errors", "errors": {"why": "too short"}}))]);
    let values = json!({"why": {"text": "because"}, "env": {"pick": "prod"}});
    let delivered = slack.submits("U0ALICE", &view, values.clone()).await;
    assert_eq!(delivered.errors["why"], "too short");
    assert_eq!(slack.views("U0ALICE").len(), 1, "a modal with errors stays open");
    let payload = world.received().await.payload();
    let SlackInteractionEvent::ViewSubmission(submission) = serde_json::from_value(payload.clone()).unwrap() else {
        panic!("{payload}")
    };
    let state = submission.view.state_params.state.unwrap();
    assert_eq!(state.values[&"why".into()][&"text".into()].value.as_deref(), Some("because"));
    assert_eq!(payload["view"]["state"]["values"]["env"]["pick"]["selected_option"]["value"], "prod");

    world.answer_with([Answer::Json(json!({"response_action": "update", "view": modal("Really?")}))]);
    assert!(slack.submits("U0ALICE", &view, values.clone()).await.is_ok());
    assert_eq!(slack.views("U0ALICE")[0].view["title"]["text"], "Really?");
    assert!(slack.submits("U0ALICE", &view, values).await.is_ok());
    assert!(slack.views("U0ALICE").is_empty());
}

#[tokio::test]
async fn modals_stack_three_deep_and_tell_when_they_are_closed() {
    let mut world = World::new().await;
    let slack = world.slack.clone();
    let mut view = open(&mut world).await;
    let values = json!({"why": {"text": "because"}, "env": {"pick": "prod"}});
    for depth in 2..=4 {
        // A modal that answers with errors stays open and brings a trigger to push from.
        world.answer_with([Answer::Json(json!({"response_action": "errors", "errors": {"why": "x"}}))]);
        slack.submits("U0ALICE", &view, values.clone()).await;
        let trigger = world.received().await.payload()["trigger_id"].clone();
        let answer = world.call("views.push", json!({"trigger_id": trigger, "view": modal("More")})).await;
        if depth == 4 {
            assert_eq!(answer["error"], "push_limit_reached");
        } else {
            assert_eq!(answer["view"]["previous_view_id"], view);
            view = answer["view"]["id"].as_str().unwrap().to_owned();
        }
    }
    assert!(slack.closes("U0ALICE", &view).await.is_ok());
    assert_eq!(world.received().await.payload()["type"], "view_closed");
    assert_eq!(slack.views("U0ALICE").len(), 2);
}

#[tokio::test]
async fn views_are_replaced_only_with_their_latest_hash() {
    let mut world = World::new().await;
    let view = open(&mut world).await;
    let args = |hash: &str| json!({"view_id": view, "hash": hash, "view": modal("Other")});
    assert_eq!(world.call("views.update", args("old")).await["error"], "hash_conflict");
    let hash = world.slack.views("U0ALICE")[0].view["hash"].as_str().unwrap().to_owned();
    assert_eq!(world.call("views.update", args(&hash)).await["ok"], true);

    let home = json!({"type": "home", "blocks": card("Cancel")});
    let published = world.call("views.publish", json!({"user_id": "U0ALICE", "view": home.clone()})).await;
    let stale = json!({"user_id": "U0ALICE", "view": home.clone(), "hash": "old"});
    assert_eq!(world.call("views.publish", stale).await["error"], "hash_conflict");
    let latest = json!({"user_id": "U0ALICE", "view": home, "hash": published["view"]["hash"]});
    assert_eq!(world.call("views.publish", latest).await["view"]["id"], published["view"]["id"]);

    let id = published["view"]["id"].as_str().unwrap();
    assert!(world.slack.clicks_in_view("U0ALICE", id, "Cancel").await.is_ok());
    let payload = world.received().await.payload();
    assert_eq!((&payload["container"]["type"], &payload["view"]["type"]), (&json!("view"), &json!("home")));
    assert!(serde_json::from_value::<SlackInteractionEvent>(payload).is_ok());
}
