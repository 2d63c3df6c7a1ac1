//! The Web API as the bot's own client sees it, and its refusals.

use super::*;
use crate::sandbox::slack::Outcome;

#[tokio::test]
async fn the_bots_client_posts_updates_and_finds_messages() {
    let world = World::new().await;
    let client = world.client();
    let token = world.token();
    let session = client.open_session(&token);
    let channel: SlackChannelId = "C0PLATFORM".into();

    let me = session.auth_test().await.unwrap();
    assert_eq!((me.user_id, me.team_id), ("U0ALCH".into(), "T0ALCHEMIST".into()));

    let blocks: Vec<SlackBlock> = serde_json::from_value(card("Cancel")).unwrap();
    let metadata = SlackMessageMetadata::new("run".into())
        .with_event_payload(std::collections::HashMap::from([("run".into(), "R-42".into())]));
    let content =
        SlackMessageContent::new().with_text("run R-42".into()).with_blocks(blocks).with_metadata(metadata.clone());
    let posted =
        session.chat_post_message(&SlackApiChatPostMessageRequest::new(channel.clone(), content)).await.unwrap();
    let reply = SlackMessageContent::new().with_text("metrics look fine".into());
    let reply = SlackApiChatPostMessageRequest::new(channel.clone(), reply).with_thread_ts(posted.ts.clone());
    let reply = session.chat_post_message(&reply.with_reply_broadcast(true)).await.unwrap();
    assert!(reply.ts.0 > posted.ts.0);

    let content = SlackMessageContent::new().with_text("run R-42 is done".into());
    let update = SlackApiChatUpdateRequest::new(channel.clone(), content, posted.ts.clone());
    session.chat_update(&update).await.unwrap();
    insta::assert_snapshot!(world.slack.transcript(), @r"
    alch (edited): run R-42 is done
      | alch: metrics look fine
    alch (also sent to the channel): metrics look fine
    ");

    let history =
        SlackApiConversationsHistoryRequest::new().with_channel(channel.clone()).with_include_all_metadata(true);
    let history = session.conversations_history(&history).await.unwrap();
    assert_eq!(history.messages[1].content.metadata, Some(metadata), "an update without metadata keeps it");
    assert_eq!(history.messages[1].parent.reply_count, Some(1));
    let replies = SlackApiConversationsRepliesRequest::new(channel.clone(), posted.ts.clone());
    let replies = session.conversations_replies(&replies).await.unwrap();
    assert_eq!(replies.messages.len(), 2);
    assert_eq!(replies.messages[0].content.metadata, None, "metadata is only told when it is asked for");

    let link = SlackApiChatGetPermalinkRequest::new(channel.clone(), reply.ts.clone());
    let link = session.chat_get_permalink(&link).await.unwrap().permalink;
    assert!(link.as_str().contains(&format!("thread_ts={}", posted.ts.0)), "{link}");

    session.chat_delete(&SlackApiChatDeleteRequest::new(channel, reply.ts)).await.unwrap();
    assert_eq!(world.slack.transcript(), "alch (edited): run R-42 is done");
    assert_eq!(world.slack.posts(), 2);
}

#[tokio::test]
async fn the_bots_client_reads_people_groups_and_channels() {
    let world = World::new().await;
    let client = world.client();
    let token = world.token();
    let session = client.open_session(&token);

    let sam = session.users_info(&SlackApiUsersInfoRequest::new("U0STRANGER".into())).await.unwrap().user;
    assert_eq!((sam.flags.is_stranger, sam.team_id), (Some(true), Some("T0PARTNER".into())));
    let gus = session.users_info(&SlackApiUsersInfoRequest::new("U0GUEST".into())).await.unwrap().user;
    assert_eq!(gus.flags.is_restricted, Some(true));
    assert_eq!(session.users_list(&SlackApiUsersListRequest::new()).await.unwrap().members.len(), 5);

    let groups = session.usergroups_list(&SlackApiUserGroupsListRequest::new()).await.unwrap().usergroups;
    assert_eq!(groups[0].handle, "alch-approvers");
    let members = SlackApiUserGroupsUsersListRequest::new(groups[0].id.clone());
    assert_eq!(session.usergroups_users_list(&members).await.unwrap().users, ["U0BOB".into(), "U0CAROL".into()]);

    let info = SlackApiConversationsInfoRequest::new("C0PLATFORM".into());
    let info = session.conversations_info(&info).await.unwrap().channel;
    assert_eq!((info.name.as_deref(), info.flags.is_member), (Some("alchemiser-platform"), Some(true)));
    let list = session.conversations_list(&SlackApiConversationsListRequest::new()).await.unwrap();
    assert_eq!(list.channels.len(), 2);
    let members = SlackApiConversationsMembersRequest::new().with_channel("C0PLATFORM".into());
    assert_eq!(session.conversations_members(&members).await.unwrap().members.len(), 6);
    let open = SlackApiConversationsOpenRequest::new().with_users(vec!["U0ALICE".into()]);
    assert_eq!(session.conversations_open(&open).await.unwrap().channel.id, "D0ALICE".into());
}

#[tokio::test]
async fn lists_come_in_pages() {
    let world = World::new().await;
    for number in 0..5 {
        world.posted(json!({"text": number.to_string()})).await;
    }
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = json!({"channel": "C0PLATFORM", "limit": 2, "cursor": cursor});
        let page = world.call("conversations.history", page).await;
        seen.extend(page["messages"].as_array().unwrap().iter().map(|message| message["text"].clone()));
        cursor = page["response_metadata"]["next_cursor"].as_str().unwrap().to_owned();
        assert_eq!(page["has_more"], !cursor.is_empty());
        if cursor.is_empty() {
            break;
        }
    }
    assert_eq!(seen, ["4", "3", "2", "1", "0"]);
    let oldest = &world.slack.messages()[2].ts;
    let later = world.call("conversations.history", json!({"channel": "C0PLATFORM", "oldest": oldest})).await;
    assert_eq!(later["messages"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn an_image_is_uploaded_in_three_steps() {
    let world = World::new().await;
    let client = world.client();
    let token = world.token();
    let session = client.open_session(&token);
    let root = world.posted(json!({"text": "run"})).await;

    let place =
        SlackApiFilesGetUploadUrlExternalRequest::new("chart.png".into(), 3).with_alt_txt("errors: none".into());
    let place = session.get_upload_url_external(&place).await.unwrap();
    let upload = SlackApiFilesUploadViaUrlRequest::new(place.upload_url, vec![1, 2, 3], "image/png".into());
    session.files_upload_via_url(&upload).await.unwrap();
    let file = SlackApiFilesComplete::new(place.file_id).with_title("Errors".into());
    let complete = SlackApiFilesCompleteUploadExternalRequest::new(vec![file])
        .with_channel_id("C0PLATFORM".into())
        .with_thread_ts(root.as_str().into());
    session.files_complete_upload_external(&complete).await.unwrap();

    insta::assert_snapshot!(world.slack.thread_transcript(&root), @r"
    alch: run
      | alch:
      |     [file: Errors] errors: none
    ");
    let url = world.slack.file_url(&world.slack.files()[0]);
    let (status, headers, body) = send(Method::GET, &url, &[], String::new()).await;
    assert_eq!((status, body.as_bytes()), (StatusCode::OK, &[1, 2, 3][..]));
    assert_eq!(headers["content-type"], "image/png");
}

#[tokio::test]
async fn calls_are_refused_with_slacks_errors() {
    let world = World::new().await;
    let theirs = {
        world.slack.says("U0ALICE", "C0PLATFORM", None, "hello").await;
        world.slack.messages()[0].ts.clone()
    };
    let long = "x".repeat(4_001);
    let platform = "C0PLATFORM";
    let cases = [
        ("chat.postMessage", json!({"text": "x"}), "invalid_arguments"),
        ("chat.postMessage", json!({"channel": platform}), "no_text"),
        ("chat.postMessage", json!({"channel": "C0NOWHERE", "text": "x"}), "channel_not_found"),
        ("chat.postMessage", json!({"channel": "C0RANDOM", "text": "x"}), "not_in_channel"),
        ("chat.postMessage", json!({"channel": platform, "text": "x".repeat(40_001)}), "msg_too_long"),
        ("chat.postMessage", json!({"channel": platform, "text": "x", "blocks": "["}), "invalid_blocks_format"),
        ("chat.postMessage", json!({"channel": platform, "text": "x", "thread_ts": "1.2"}), "thread_not_found"),
        (
            "chat.postMessage",
            json!({"channel": platform, "text": "x", "metadata": {"a": 1}}),
            "invalid_metadata_format",
        ),
        ("chat.update", json!({"channel": platform, "ts": "1.2", "text": "x"}), "message_not_found"),
        ("chat.update", json!({"channel": platform, "ts": theirs, "text": "x"}), "cant_update_message"),
        ("chat.update", json!({"channel": platform, "ts": theirs, "text": long}), "msg_too_long"),
        ("chat.delete", json!({"channel": platform, "ts": theirs}), "cant_delete_message"),
        ("chat.postEphemeral", json!({"channel": platform, "user": "U0NOBODY", "text": "x"}), "user_not_in_channel"),
        ("conversations.replies", json!({"channel": platform, "ts": "1.2"}), "thread_not_found"),
        ("users.info", json!({"user": "U0NOBODY"}), "user_not_found"),
        ("usergroups.users.list", json!({"usergroup": "S0NOBODY"}), "no_such_subteam"),
        ("views.open", json!({"trigger_id": "1.2.3", "view": {"type": "modal"}}), "invalid_arguments"),
        ("apps.connections.open", json!({}), "not_allowed_token_type"),
        ("chat.meMessage", json!({"channel": platform, "text": "x"}), "unknown_method"),
    ];
    for (method, args, expected) in cases {
        let answer = world.call(method, args).await;
        assert_eq!((answer["ok"].as_bool(), answer["error"].as_str()), (Some(false), Some(expected)), "{method}");
    }
    let last = world.slack.calls().pop().unwrap();
    assert_eq!((last.method.as_str(), last.outcome), ("chat.meMessage", Outcome::Refused("unknown_method".to_owned())));
    assert_eq!(last.args["text"], "x");
}

#[tokio::test]
async fn tokens_and_scopes_are_checked() {
    let world = World::new().await;
    let auth_test = format!("{}/api/auth.test", world.base);
    let error = async |headers: &[(&str, &str)], body: &str| {
        let (_, _, body) = send(Method::POST, &auth_test, headers, body.to_owned()).await;
        serde_json::from_str::<Value>(&body).unwrap()["error"].clone()
    };
    assert_eq!(error(&[], "").await, "not_authed");
    assert_eq!(error(&[("authorization", "Bearer xoxb-other")], "").await, "invalid_auth");
    assert_eq!(error(&[("authorization", "Bearer xapp-sandbox-app-token")], "").await, "not_allowed_token_type");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(error(&form, "token=xoxb-sandbox-bot-token").await, Value::Null);

    world.slack.grant_scopes(&["commands", "users:read"]);
    let token = [("authorization", "Bearer xoxb-sandbox-bot-token")];
    let (_, headers, _) = send(Method::GET, &auth_test, &token, String::new()).await;
    assert_eq!(headers["x-oauth-scopes"], "commands,users:read");
    let answer = world.call("chat.postMessage", json!({"channel": "C0PLATFORM", "text": "x"})).await;
    assert_eq!((&answer["error"], &answer["needed"]), (&json!("missing_scope"), &json!("chat:write")));
}

#[tokio::test]
async fn blocks_beyond_the_limits_are_refused() {
    let world = World::new().await;
    let section = |length: usize| json!({"type": "section", "text": {"type": "mrkdwn", "text": "x".repeat(length)}});
    let button = |text: usize, value: usize| {
        let text = json!({"type": "plain_text", "text": "x".repeat(text)});
        json!({"type": "actions", "elements": [{"type": "button", "text": text, "value": "x".repeat(value)}]})
    };
    let header = |length: usize| json!({"type": "header", "text": {"type": "plain_text", "text": "x".repeat(length)}});
    let cell = json!({"type": "raw_text", "text": "x"});
    let table = |rows: usize, columns: usize| json!({"type": "table", "rows": vec![vec![cell.clone(); columns]; rows]});
    let context =
        |parts: usize| json!({"type": "context", "elements": vec![json!({"type": "mrkdwn", "text": "x"}); parts]});
    let confirm = |title: usize| {
        let mut blocks = card("Cancel");
        blocks[2]["elements"][0]["confirm"]["title"]["text"] = json!("x".repeat(title));
        blocks[2].clone()
    };
    let task = json!({"type": "task_card", "task_id": "t", "title": "Enable", "status": "complete"});
    let plan = |tasks: usize| json!({"type": "plan", "title": "Run", "tasks": vec![task.clone(); tasks]});
    let same_id = json!({"type": "divider", "block_id": "same"});
    let within = [
        vec![section(3000); 50],
        vec![header(150), button(75, 2000), context(10), confirm(100), table(100, 20)],
        vec![plan(50)],
    ];
    let beyond = [
        vec![section(3001)],
        vec![section(1); 51],
        vec![header(151)],
        vec![button(76, 1)],
        vec![button(1, 2001)],
        vec![context(11)],
        vec![confirm(101)],
        vec![table(101, 1)],
        vec![table(1, 21)],
        vec![table(1, 1), table(1, 1)],
        vec![plan(51)],
        vec![plan(1), task.clone()],
        vec![same_id.clone(), same_id],
        vec![json!({"type": "section"})],
        vec![json!({"type": "image", "image_url": "http://x"})],
        vec![json!({"type": "alert", "text": {"type": "plain_text", "text": "modals only"}})],
        vec![json!({"type": "marquee"})],
        vec![json!({"type": "divider", "block_id": "x".repeat(256)})],
    ];
    let url = format!("{}/api/chat.postMessage", world.base);
    // As a form, where blocks are a string of JSON.
    let post = async |blocks: &Vec<Value>| {
        let blocks = serde_json::to_string(blocks).unwrap();
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("token", "xoxb-sandbox-bot-token").append_pair("channel", "#alchemiser-platform");
        let form = form.append_pair("text", "x").append_pair("blocks", &blocks).finish();
        let headers = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
        let (_, _, body) = send(Method::POST, &url, &headers, form).await;
        serde_json::from_str::<Value>(&body).unwrap()
    };
    for blocks in &within {
        let answer = post(blocks).await;
        assert_eq!(answer["ok"], true, "{answer}");
    }
    for blocks in &beyond {
        let answer = post(blocks).await;
        assert_eq!(answer["error"], "invalid_blocks", "{}", blocks[0]["type"]);
        let why = answer["response_metadata"]["messages"][0].as_str().unwrap();
        assert!(why.starts_with("[ERROR]"), "{why}");
    }
    assert_eq!(world.slack.posts(), within.len() as u64);
}

#[tokio::test]
async fn a_workspace_comes_back_from_its_file() {
    let world = World::new().await;
    let ts = world.posted(json!({"text": "before", "blocks": card("Cancel")})).await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("slack.json");
    world.slack.load(&path).unwrap();
    world.slack.save(&path).unwrap();

    let second = World::new().await;
    second.slack.load(&path).unwrap();
    assert_eq!(second.slack.messages(), world.slack.messages());
    let later = second.posted(json!({"text": "after"})).await;
    assert!(later > ts, "timestamps go on where they were");
    assert!(second.slack.clicks("U0ALICE", &ts, "Cancel").await.is_ok(), "the bot's address stays");
}

#[tokio::test]
async fn a_transcript_reads_like_the_channel() {
    let world = World::new().await;
    let rich = json!({"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [
        {"type": "text", "text": "0 failed, "}, {"type": "link", "url": "http://x", "text": "evidence"},
    ]}]});
    let blocks = json!([
        {"type": "plan", "title": "Enable", "tasks": [
            {"task_id": "1", "title": "Enable the rule", "status": "complete", "output": rich},
            {"task_id": "2", "title": "Wait", "status": "in_progress"},
            {"task_id": "3", "title": "Gate", "status": "pending"},
        ]},
        {"type": "section", "fields": [{"type": "mrkdwn", "text": "*State*\nenabled"}]},
        {"type": "table", "rows": [
            [{"type": "raw_text", "text": "check"}, {"type": "raw_text", "text": "value"}],
            [{"type": "raw_text", "text": "errors"}, {"type": "raw_text", "text": "0"}],
        ]},
        {"type": "divider"},
        {"type": "context", "elements": [{"type": "mrkdwn", "text": "<!date^1795441234^{time}|14:00> by <@U0ALICE>"}]},
        {"type": "actions", "elements": [
            {"type": "static_select", "placeholder": {"type": "plain_text", "text": "More"}, "options": [
                {"text": {"type": "plain_text", "text": "Pause"}, "value": "pause"},
            ]},
        ]},
    ]);
    let ts = world.posted(json!({"text": "Enabling in <#C0PLATFORM>\n2 of 3 &amp; counting", "blocks": blocks})).await;
    insta::assert_snapshot!(world.slack.message_transcript(&ts).unwrap(), @r"
    alch: Enabling in #alchemiser-platform
      2 of 3 & counting
        # Enable
        [x] Enable the rule
              0 failed, evidence
        [~] Wait
        [ ] Gate
        - *State*: enabled
        | check | value |
        | errors | 0 |
        ---
        ~ 14:00 by @Alice Moreau
        <More: Pause>
    ");
}
