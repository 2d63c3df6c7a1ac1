//! Payloads as Slack sends them, and what we make of them.

use serde_json::json;

use super::*;

fn form(pairs: &[(&str, &str)]) -> Vec<u8> {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish().into_bytes()
}

fn interaction(payload: &Value) -> Inbound {
    Inbound::from_http(&form(&[("payload", &payload.to_string())]))
}

fn event(event: Value) -> Inbound {
    Inbound::from_http(
        json!({
            "token": "old", "team_id": "T1", "api_app_id": "A1", "type": "event_callback", "event_id": "Ev1",
            "event_time": 1_790_000_000, "is_ext_shared_channel": false,
            "authorizations": [{ "team_id": "T1", "user_id": "UBOT", "is_bot": true }],
            "event": event,
        })
        .to_string()
        .as_bytes(),
    )
}

fn why(inbound: Inbound) -> String {
    match inbound {
        Inbound::Ignored { why } => why,
        other => panic!("expected to ignore it: {other:?}"),
    }
}

fn slash_body() -> Vec<u8> {
    form(&[
        ("token", "old"),
        ("team_id", "T1"),
        ("team_domain", "example"),
        ("channel_id", "C1"),
        ("channel_name", "platform"),
        ("user_id", "U1"),
        ("user_name", "alice"),
        ("command", "/alch"),
        ("text", "enable “signal-generated” dev &amp; <@U2|bob> +"),
        ("api_app_id", "A1"),
        ("is_enterprise_install", "false"),
        ("response_url", "https://hooks.slack.com/commands/1/2"),
        ("trigger_id", "1.2.3"),
    ])
}

#[test]
fn a_slash_command_is_read_with_its_text_untouched() {
    let expected = Inbound::Slash {
        team: "T1".into(),
        channel: "C1".into(),
        channel_name: "platform".into(),
        user: "U1".into(),
        user_team: None,
        text: "enable “signal-generated” dev &amp; <@U2|bob> +".into(),
        command: "/alch".into(),
        trigger_id: "1.2.3".into(),
        response_url: "https://hooks.slack.com/commands/1/2".into(),
        is_enterprise_install: false,
    };
    assert_eq!(Inbound::from_http(&slash_body()), expected);
    let shown = format!("{expected:?}");
    assert!(shown.contains("\"U1\"") && !shown.contains("hooks.slack.com"), "{shown}");
    let payload = json!({
        "team_id": "T1", "channel_id": "C1", "channel_name": "platform", "user_id": "U1", "command": "/alch",
        "text": "enable “signal-generated” dev &amp; <@U2|bob> +", "is_enterprise_install": "false",
        "response_url": "https://hooks.slack.com/commands/1/2", "trigger_id": "1.2.3",
    });
    assert_eq!(Inbound::from_envelope("slash_commands", &payload), expected);
}

#[test]
fn a_click_is_read_whatever_else_the_payload_holds() {
    let click = json!({
        "type": "block_actions",
        "user": { "id": "U1", "username": "alice", "team_id": "T2" },
        "team": { "id": "T1", "domain": "example" },
        "container": { "type": "message", "message_ts": "17.1", "channel_id": "C1", "thread_ts": "16.9" },
        "channel": { "id": "C1", "name": "platform" },
        // Numbers in metadata and unknown members have made other parsers refuse the whole click.
        "message": { "ts": "17.1", "metadata": { "event_type": "x", "event_payload": { "n": 1, "deep": [{}] } } },
        "state": { "values": { "b": { "a": { "type": "plain_text_input", "value": "why" } } } },
        "response_url": "https://hooks.slack.com/actions/1/2",
        "trigger_id": "1.2.3",
        "actions": [{ "type": "button", "action_id": "cancel", "block_id": "b1", "value": "R-7", "action_ts": "18.0" }],
        "new_member_of_next_year": [1, 2, 3],
    });
    let Inbound::Action { team, user_team, channel, message_ts, thread_ts, action_id, value, state, .. } =
        interaction(&click)
    else {
        panic!("not an action");
    };
    assert_eq!((team.as_str(), user_team.as_deref(), channel.as_deref()), ("T1", Some("T2"), Some("C1")));
    assert_eq!((message_ts.as_deref(), thread_ts.as_deref()), (Some("17.1"), Some("16.9")));
    assert_eq!((action_id.as_str(), value.as_deref()), ("cancel", Some("R-7")));
    assert_eq!(state["b"]["a"]["value"], "why");
    assert_eq!(Inbound::from_envelope("interactive", &click), interaction(&click));
}

#[test]
fn what_is_chosen_is_read_from_every_element() {
    for (action, expected) in [
        (json!({ "selected_option": { "value": "dev", "text": {} } }), vec!["dev"]),
        (json!({ "selected_options": [{ "value": "a" }, { "value": "b" }] }), vec!["a", "b"]),
        (json!({ "selected_user": "U9" }), vec!["U9"]),
        (json!({ "selected_users": ["U8", "U9"] }), vec!["U8", "U9"]),
        (json!({ "selected_date": "2026-11-23" }), vec!["2026-11-23"]),
        (json!({ "selected_date_time": 1_790_000_000 }), vec!["1790000000"]),
        (json!({ "selected_option": null, "selected_options": null }), vec![]),
    ] {
        let payload = json!({ "type": "block_actions", "user": { "id": "U1" }, "team": null, "actions": [action] });
        let Inbound::Action { selected, team, .. } = interaction(&payload) else { panic!("not an action") };
        assert_eq!(selected, expected);
        assert_eq!(team, "");
    }
}

#[test]
fn a_submitted_modal_is_read() {
    let submission = json!({
        "type": "view_submission", "team": { "id": "T1" }, "user": { "id": "U1", "team_id": "T1" }, "trigger_id": "1.2",
        "view": { "id": "V1", "callback_id": "enable", "private_metadata": "R-7", "hash": "h",
                  "state": { "values": { "b": {} } } },
        "response_urls": [],
    });
    assert_eq!(
        interaction(&submission),
        Inbound::ViewSubmission {
            team: "T1".into(),
            user: "U1".into(),
            user_team: Some("T1".into()),
            view_id: "V1".into(),
            callback_id: "enable".into(),
            private_metadata: "R-7".into(),
            hash: "h".into(),
            state: json!({ "b": {} }),
            trigger_id: "1.2".into(),
            shown: None,
        }
    );
}

#[test]
fn events_are_read() {
    let mention = event(json!({
        "type": "app_mention", "user": "U1", "text": "<@UBOT> cancel", "ts": "17.2", "thread_ts": "17.1",
        "channel": "C1", "team": "T1", "user_team": "T2",
    }));
    assert_eq!(
        mention,
        Inbound::Mention {
            event_id: "Ev1".into(),
            team: "T1".into(),
            channel: "C1".into(),
            user: "U1".into(),
            user_team: Some("T2".into()),
            text: "<@UBOT> cancel".into(),
            ts: "17.2".into(),
            thread_ts: Some("17.1".into()),
            ext_shared: Some(false),
        }
    );
    let message = event(json!({
        "type": "message", "channel_type": "im", "user": "U1", "text": "status", "ts": "17.2", "channel": "D1",
    }));
    assert_eq!(message.kind(), "direct_message");
    let home = event(json!({ "type": "app_home_opened", "user": "U1", "channel": "D1", "tab": "home" }));
    assert_eq!(home, Inbound::HomeOpened { event_id: "Ev1".into(), team: "T1".into(), user: "U1".into() });
    let hello = Inbound::from_http(br#"{"type":"url_verification","challenge":"abc","token":"old"}"#);
    assert_eq!(hello, Inbound::UrlVerification { challenge: "abc".into() });
    assert_eq!(Inbound::from_http(b"token=old&ssl_check=1"), Inbound::SslCheck);
}

#[test]
fn what_is_not_for_us_is_ignored_and_says_why() {
    let im = |more: Value| {
        let mut message = json!({ "type": "message", "channel_type": "im", "user": "U1", "text": "x", "ts": "1" });
        message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event(message)
    };
    let table = [
        (im(json!({ "bot_id": "B1" })), "an event of a bot"),
        (im(json!({ "user": "UBOT" })), "an event of a bot"),
        (im(json!({ "subtype": "bot_message" })), "an event of a bot"),
        (im(json!({ "subtype": "message_changed" })), "a direct message of kind message_changed"),
        (im(json!({ "channel_type": "channel" })), "a message in a channel"),
        (event(json!({ "type": "app_mention", "user": "U1", "edited": {} })), "an edited mention"),
        (event(json!({ "type": "reaction_added", "user": "U1" })), "an event of kind reaction_added"),
        (event(json!({ "type": "team_rename" })), "an event of nobody, of kind team_rename"),
        (event(json!("text")), "an event of nobody, of kind (none)"),
        (interaction(&json!({ "type": "shortcut", "user": { "id": "U1" } })), "an interaction of kind shortcut"),
        (
            interaction(&json!({ "type": "block_actions", "user": { "id": "U1" }, "actions": [] })),
            "an interaction without an action",
        ),
        (interaction(&json!(null)), "an interaction of nobody"),
        (Inbound::from_http(b"payload=%7B%22type%22"), "an interaction that is not JSON"),
        (Inbound::from_http(b"{\"type\":\"\xff\"}"), "a body that is not JSON"),
        (Inbound::from_http("[".repeat(100_000).as_bytes()), "a form that is no slash command"),
        (Inbound::from_http(format!("{{\"a\":{}", "[".repeat(100_000)).as_bytes()), "a body that is not JSON"),
        (Inbound::from_http(b"\xff\xfe\x00"), "a form that is no slash command"),
        (Inbound::from_http(b""), "a form that is no slash command"),
        (Inbound::from_envelope("new<thing>", &json!({})), "an envelope of kind newthing"),
    ];
    for (inbound, expected) in table {
        assert_eq!(why(inbound), expected);
    }
}

#[test]
fn a_name_in_broken_utf8_is_still_a_command() {
    let mut body = slash_body();
    body.extend(b"&user_name=%FF%FE\xff");
    assert_eq!(Inbound::from_http(&body).kind(), "slash");
}

#[test]
fn events_are_known_by_their_id_and_the_rest_by_its_delivery() {
    let mention = event(json!({ "type": "app_mention", "user": "U1", "channel": "C1", "ts": "1" }));
    let slash = Inbound::from_http(&slash_body());
    let (http, socket) = (Delivery::Http { signature: "ab12" }, Delivery::Socket { envelope_id: "e-1" });
    assert_eq!(mention.dedupe_key(http), "event:Ev1");
    assert_eq!(mention.dedupe_key(socket), "event:Ev1");
    assert_eq!(slash.dedupe_key(http), "signature:ab12");
    assert_eq!(slash.dedupe_key(socket), "envelope:e-1");
}

#[test]
fn what_is_stored_is_read_again() {
    for inbound in [
        Inbound::from_http(&slash_body()),
        event(json!({ "type": "app_mention", "user": "U1", "channel": "C1", "ts": "1" })),
        interaction(&json!({ "type": "block_actions", "user": { "id": "U1" }, "actions": [{ "value": "x" }] })),
    ] {
        let stored = serde_json::to_string(&inbound).unwrap();
        assert_eq!(serde_json::from_str::<Inbound>(&stored).unwrap(), inbound);
    }
}
