//! The page's API, as a browser uses it.

use hyper::body::Incoming;

use super::*;

struct Stream(Incoming, String);

impl Stream {
    async fn open(world: &World) -> Self {
        let uri = format!("{}/sandbox/stream", world.base);
        let request = Request::builder().uri(uri).body(Full::default()).unwrap();
        let response = delivery::client().request(request).await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self(response.into_body(), String::new())
    }

    /// The next state.
    async fn next(&mut self) -> Value {
        loop {
            if let Some((event, rest)) = self.1.split_once("\n\n") {
                let mut lines = event.lines();
                assert_eq!(lines.next(), Some("event: state"));
                let state = serde_json::from_str(lines.next().unwrap().strip_prefix("data: ").unwrap()).unwrap();
                self.1 = rest.to_owned();
                return state;
            }
            let frame = self.0.frame().await.unwrap().unwrap().into_data().unwrap();
            self.1.push_str(std::str::from_utf8(&frame).unwrap());
        }
    }
}

async fn act(world: &World, path: &str, body: Value) -> Value {
    let url = format!("{}/sandbox/{path}", world.base);
    let (status, _, body) = send(Method::POST, &url, &[("content-type", "application/json")], body.to_string()).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    serde_json::from_str(&body).unwrap()
}

#[tokio::test]
async fn the_stream_tells_the_state_and_each_change() {
    let world = World::new().await;
    let mut stream = Stream::open(&world).await;
    let state = stream.next().await;
    assert_eq!(state["now"], "2026-11-23T14:00:00Z");
    assert_eq!(state["bot"], json!({"id": "U0ALCH", "name": "alch"}));
    assert_eq!(state["channel"]["name"], "alchemiser-platform");
    assert_eq!(state["people"][0]["initials"], "AM");
    let kinds: Vec<&Value> = state["people"].as_array().unwrap().iter().map(|person| &person["kind"]).collect();
    assert_eq!(kinds, ["member", "member", "member", "guest", "stranger"]);
    assert_eq!(state["hints"][0]["usage"], "/alch status");
    assert_eq!(state["world"]["rules"], 5);
    assert_eq!(state["faults"][0]["active"], false);
    assert_eq!(state["messages"], json!([]));

    world.posted(json!({"text": "hello"})).await;
    let changed = loop {
        let state = stream.next().await;
        if state["messages"] != json!([]) {
            break state;
        }
    };
    let message = &changed["messages"][0];
    assert_eq!((&message["text"], &message["user"]), (&json!("hello"), &json!("U0ALCH")));
    assert_eq!((&message["edited"], &message["ephemeral_to"]), (&json!(false), &Value::Null));
}

#[tokio::test]
async fn people_act_through_the_page() {
    let mut world = World::new().await;
    assert_eq!(act(&world, "say", json!({"user": "U0ALICE", "text": "/alch status"})).await, json!({"ok": true}));
    assert_eq!(world.received().await.form("text"), "status");

    let root = world.posted(json!({"text": "run", "blocks": card("Cancel")})).await;
    let mut in_thread = json!({"user": "U0ALICE", "channel": "C0PLATFORM", "thread_ts": root, "text": "/alch cancel"});
    let refused = act(&world, "say", in_thread.clone()).await;
    assert_eq!(refused["error"], "/alch is not supported in threads. Sorry!");
    in_thread["text"] = json!("<@U0ALCH> cancel &lt;now&gt;");
    assert_eq!(act(&world, "say", in_thread).await["ok"], true);
    assert_eq!(world.received().await.json()["event"]["text"], "<@U0ALCH> cancel &lt;now&gt;");

    let mut press =
        json!({"user": "U0ALICE", "message_ts": root, "block_id": "", "action_id": "cancel", "value": "R-42"});
    assert_eq!(act(&world, "act", press.clone()).await["ok"], true);
    assert_eq!(world.received().await.payload()["actions"][0]["value"], "R-42");
    press["action_id"] = json!("approve");
    assert_eq!(act(&world, "act", press).await["ok"], false);

    assert_eq!(act(&world, "fault", json!({"id": "slack-slow", "on": true})).await["ok"], true);
    assert_eq!(act(&world, "fault", json!({"id": "nothing", "on": true})).await["ok"], false);
    assert!(world.slack.faults().iter().any(|switch| switch.id == "slack-slow" && switch.active));
}

#[tokio::test]
async fn another_sites_page_cannot_drive_the_sandbox() {
    let world = World::new().await;
    let url = format!("{}/sandbox/say", world.base);
    let host = world.base.strip_prefix("http://").unwrap();
    let body = json!({"user": "U0ALICE", "text": "hello"}).to_string();
    let json = ("content-type", "application/json");
    let cases: [(&[(&str, &str)], StatusCode); 6] = [
        (&[json, ("origin", "http://evil.example")], StatusCode::FORBIDDEN),
        (&[json, ("origin", "null")], StatusCode::FORBIDDEN),
        (&[json, ("host", "evil.example")], StatusCode::FORBIDDEN),
        (&[("content-type", "text/plain")], StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (&[json], StatusCode::OK),
        (&[json, ("origin", &world.base), ("host", host)], StatusCode::OK),
    ];
    for (headers, expected) in cases {
        let (status, _, _) = send(Method::POST, &url, headers, body.clone()).await;
        assert_eq!(status, expected, "{headers:?}");
    }
    let stream = format!("{}/sandbox/stream", world.base);
    let (status, _, _) = send(Method::GET, &stream, &[("host", "evil.example")], String::new()).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(world.slack.messages().len(), 2);
}

#[tokio::test]
async fn the_page_comes_with_its_files() {
    let world = World::new().await;
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/app.js", "text/javascript; charset=utf-8"),
        ("/app.css", "text/css; charset=utf-8"),
        ("/favicon.svg", "image/svg+xml"),
    ] {
        let (status, headers, body) = send(Method::GET, &format!("{}{path}", world.base), &[], String::new()).await;
        assert_eq!((status, headers["content-type"].to_str().unwrap()), (StatusCode::OK, kind));
        assert!(!body.is_empty());
    }
    let ts = world.posted(json!({"text": "x"})).await;
    let link = world.call("chat.getPermalink", json!({"channel": "C0PLATFORM", "message_ts": ts})).await;
    let (status, headers, _) = send(Method::GET, link["permalink"].as_str().unwrap(), &[], String::new()).await;
    assert_eq!(status, StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(headers["location"], format!("/#C0PLATFORM/p{}", ts.replace('.', "")));
}
