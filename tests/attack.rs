//! Attackers against the real program: what they send, how they send it, and that others are served meanwhile. Most of
//! what comes here is signed well, as if Slack passed on what somebody made up; what is not is in `tests/serve.rs`.
#![cfg(feature = "sandbox")]
#![expect(clippy::unwrap_used, reason = "a story that cannot go on panics, in its helpers too")]

mod support {
    pub mod server;
}

use std::time::{Duration, Instant};

use alch::clock::Clock;
use alch::domain::RunId;
use alch::sandbox::slack::signature;
use bytes::Bytes;
use http_body_util::Full;
use serde_json::json;
use support::server::{ALICE, Answered, SIGNING_SECRET, Server, Stage, get, send, until, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How long Slack waits for an answer to a command.
const SLACKS_PATIENCE: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
async fn who_holds_connections_open_keeps_nobody_out() {
    let stage = Stage::new().await;
    let server = stage.serve().await;
    let mut held = Vec::new();
    // More than are taken at once: a third say nothing, a third half a head, a third a head and half a body.
    let said: [&[u8]; 3] = [
        b"",
        b"POST /slack/events HTTP/1.1\r\nhost: alch\r\nx-more: ",
        b"POST /slack/events HTTP/1.1\r\nhost: alch\r\ncontent-length: 900\r\n\r\ntext=",
    ];
    for number in 0..700 {
        let mut stream = connect(&server).await;
        // The oldest may be closed while it speaks.
        let _ = stream.write_all(said[number % said.len()]).await;
        held.push(stream);
    }
    let asked = Instant::now();
    let typed = stage.slack.types(ALICE, "/alch verify dev").await;
    assert_eq!((typed.http_status, &typed.error), (200, &None));
    assert!(asked.elapsed() < SLACKS_PATIENCE, "{:?}", asked.elapsed());
    stage.told(RunId(1)).await;
    // Whoever went longest without an answer made room.
    let mut rest = Vec::new();
    let _ = within("the first is closed", held[0].read_to_end(&mut rest)).await;
    assert_eq!(get(&format!("{}/healthz", server.url)).await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_unpacked_and_no_body_is_endless() {
    let stage = Stage::new().await;
    let server = stage.serve().await;
    // `text=rollback dev` and the rest, packed: never unpacked, so it is no command.
    let packed: Vec<u8> = [&b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"[..], &[0xed; 300]].concat();
    let answered = post_with(&server, packed, &[("content-encoding", "gzip")]).await;
    assert_eq!((answered.status, answered.body.as_str()), (200, ""));

    let mut endless = connect(&server).await;
    let head = "POST /slack/events HTTP/1.1\r\nhost: alch\r\ntransfer-encoding: chunked\r\n\r\n";
    endless.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("{:x}\r\n{}\r\n", 64 * 1024, "a".repeat(64 * 1024));
    // Bounded here, and cut off there long before.
    for _ in 0..200 {
        if endless.write_all(chunk.as_bytes()).await.is_err() {
            break;
        }
    }
    let mut answer = Vec::new();
    let _ = within("an end", endless.read_to_end(&mut answer)).await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 413"), "{}", String::from_utf8_lossy(&answer));

    // Two lengths are two requests to two readers.
    let twice = "POST /slack/events HTTP/1.1\r\nhost: alch\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab";
    assert!(says(&server, twice.as_bytes()).await.starts_with("HTTP/1.1 400"));
    let cut = "POST /slack/events HTTP/1.1\r\nhost: alch\r\ncontent-length: 900\r\n\r\ntext=";
    let mut stream = connect(&server).await;
    stream.write_all(cut.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let _ = within("an end", stream.read_to_end(&mut answer)).await;
    assert!(!answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    let long = format!("GET /healthz HTTP/1.1\r\nhost: alch\r\nx-more: {}\r\n\r\n", "a".repeat(200_000));
    assert!(!says(&server, long.as_bytes()).await.contains(" 200 "));
    assert_eq!(stage.number("SELECT count(*) FROM inbox").await, 0);
    assert_eq!(get(&format!("{}/healthz", server.url)).await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_in_a_row_is_answered_in_a_row_each_by_its_own_signature() {
    let stage = Stage::new().await;
    let server = stage.serve().await;
    let [first, second] = ["verify dev", "status"].map(|text| slash(ALICE, text, NOWHERE));
    let mut signed = request(&first, &signatures(first.as_bytes())).replace("connection: close\r\n", "");
    // The second rides on the signature of the first.
    signed.push_str(&request(&second, &signatures(first.as_bytes())));
    let answer = says(&server, signed.as_bytes()).await;
    let statuses: Vec<&str> = answer.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(statuses, ["200", "401"], "{answer}");
    let twice: Vec<_> = signatures(first.as_bytes()).into_iter().chain(signatures(b"another")).collect();
    assert!(says(&server, request(&first, &twice).as_bytes()).await.starts_with("HTTP/1.1 401"));
    for time in ["9223372036854775807", "-9223372036854775808", "99999999999999999999", "0x6ab0", "1e9", "", " "] {
        let value = signature(SIGNING_SECRET, 0, first.as_bytes());
        let far = [("x-slack-request-timestamp", time.to_owned()), ("x-slack-signature", value)];
        let answer = says(&server, request(&first, &far).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 401"), "{time:?}: {answer}");
    }
    settled(&stage).await;
    assert_eq!(stage.number("SELECT count(*) FROM inbox").await, 1, "only the first was Slack's");
    stage.told(RunId(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_nested_deeply_or_is_no_text_is_taken_for_what_it_is_and_harms_nobody() {
    let stage = Stage::new().await;
    let server = stage.serve().await;
    let deep = |open: &str, close: &str, depth| format!("{}{}", open.repeat(depth), close.repeat(depth));
    let lists = deep("[", "]", 100_000);
    // In a form each of its signs takes three bytes.
    let tables = deep("{\"a\":", "}", 40_000).replace(":}", ":1}");
    let forms = |payload: &str| form(&[("payload", payload)]).into_bytes();
    let click = |value: &str| {
        let action = json!({ "action_id": "approve", "block_id": "x", "value": value });
        let whole = json!({
            "type": "block_actions", "user": { "id": ALICE, "team_id": "T00000000" }, "team": { "id": "T00000000" },
            "channel": { "id": "C00000000" }, "message": { "ts": "1.2" }, "trigger_id": "1.2.3", "actions": [action],
        });
        forms(&whole.to_string())
    };
    let submitted = |metadata: &str| {
        let view = json!({ "id": "V1", "callback_id": "reason", "private_metadata": metadata, "hash": "1.x" });
        let user = json!({ "id": ALICE, "team_id": "T00000000" });
        let whole = json!({
            "type": "view_submission", "user": user, "team": { "id": "T00000000" }, "view": view, "trigger_id": "1.2.3",
        });
        forms(&whole.to_string())
    };
    let bodies: Vec<Vec<u8>> = vec![
        format!("{{\"type\":\"event_callback\",\"event\":{lists}}}").into_bytes(),
        tables.clone().into_bytes(),
        forms(&lists),
        forms(&tables),
        click(&lists),
        click(&tables),
        click("\0\u{202e}<!channel>"),
        submitted(&lists),
        submitted("\0<!channel>"),
        b"{\"type\":\"event_callback\",\"event\":\"\xff\xfe\"}".to_vec(),
        b"payload=%ff%fe%00&payload={}".to_vec(),
        b"&&==%%%zz=%&command&user_id".to_vec(),
        b"".to_vec(),
        slash(ALICE, "enable \0signal-generated\0 dev", NOWHERE).into_bytes(),
        [slash(ALICE, "", NOWHERE).as_bytes(), b"&text=\xff\xfe\x00%ff"].concat(),
        form(&[("command", "/alch"), ("channel_id", "C00000000"), ("user_id", ALICE), ("text", "enable \u{fffd} dev")])
            .into_bytes(),
    ];
    for body in bodies {
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        let answered = post_with(&server, body, &[]).await;
        assert_eq!(answered.status, 200, "{shown}: {}", answered.body);
    }
    settled(&stage).await;
    assert_eq!(stage.number("SELECT count(*) FROM runs").await, 0);
    assert_eq!(stage.changes_asked(), 0);
    assert!(stage.slack.types(ALICE, "/alch verify dev").await.is_ok());
    stage.told(RunId(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_goes_nowhere_but_to_slack_whatever_a_request_says() {
    let stage = Stage::new().await;
    let server = stage.serve().await;
    // Another address of this machine; a service inside the network, to the program.
    let inside = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let port = inside.local_addr().unwrap().port();
    let slack = stage.variables["SLACK_API_URL"].strip_suffix("/api").unwrap().strip_prefix("http://").unwrap();
    for place in [
        format!("http://127.0.0.2:{port}/"),
        format!("http://{slack}@127.0.0.2:{port}/"),
        format!("http://127.0.0.2:{port}/#{slack}"),
        format!("http://127.0.0.2:{port}\\@{slack}/"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "file:///etc/passwd".to_owned(),
        "gopher://127.0.0.2/".to_owned(),
        "\0".to_owned(),
    ] {
        let answered = post_with(&server, slash(ALICE, "enabel x dev", &place).into_bytes(), &[]).await;
        assert_eq!(answered.status, 200, "{place}");
        let answered = post_with(&server, slash(ALICE, "verify nowhere", &place).into_bytes(), &[]).await;
        assert_eq!(answered.status, 200, "{place}");
    }
    settled(&stage).await;
    let reached = std::future::poll_fn(|context| std::task::Poll::Ready(inside.poll_accept(context).is_ready())).await;
    assert!(!reached, "something called where no Slack is");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_twin_of_a_letter_names_nothing_and_a_name_calls_nobody() {
    let stage = Stage::new().await;
    let server = stage.serve().await;
    let twins = [
        "enable signal-generated d\u{435}v",
        "enable signal-generated \u{ff44}\u{ff45}\u{ff56}",
        "enable signal-generated \u{202e}ved",
        "enable s\u{456}gnal-generated dev",
        "r\u{43e}llback dev",
    ];
    for text in twins {
        let before = stage.slack.ephemerals(ALICE).len();
        assert!(stage.slack.types(ALICE, &format!("/alch {text}")).await.is_ok());
        stage.sees(text, |slack| slack.ephemerals(ALICE).len() > before).await;
    }
    // Ids that are none, and words that would call everybody.
    for user in ["<!channel>", "U1> <!here", "../users.list", "", "U0ALICE\0", "u0alice", "\u{202e}U0ALICE"] {
        for text in ["enable signal-generated dev", "<!channel> <https://evil.example|status>", "whoami"] {
            let answered = post_with(&server, slash(user, text, NOWHERE).into_bytes(), &[]).await;
            assert_eq!(answered.status, 200, "{user:?}");
            for shout in ["<!channel", "<!here", "<https://evil", "\u{202e}"] {
                assert!(!answered.body.contains(shout), "{}", answered.body);
            }
        }
    }
    settled(&stage).await;
    assert_eq!(stage.number("SELECT count(*) FROM runs").await, 0);
    assert_eq!(stage.changes_asked(), 0);
}

/// Where nothing listens.
const NOWHERE: &str = "http://127.0.0.1:9/nobody";

/// Waits until all that was taken is done with.
async fn settled(stage: &Stage) {
    until("what was taken is settled", async || {
        stage.number("SELECT count(*) FROM inbox WHERE done_at IS NULL").await == 0
    })
    .await;
}

fn slash(user: &str, text: &str, response_url: &str) -> String {
    form(&[
        ("team_id", "T00000000"),
        ("channel_id", "C00000000"),
        ("user_id", user),
        ("command", "/alch"),
        ("text", text),
        ("response_url", response_url),
        ("trigger_id", "1.2.3"),
    ])
}

fn form(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

fn signatures(body: &[u8]) -> Vec<(&'static str, String)> {
    let now = Clock::system().now().as_second();
    let signed = signature(SIGNING_SECRET, now, body);
    vec![("x-slack-request-timestamp", now.to_string()), ("x-slack-signature", signed)]
}

/// A request as it stands on the wire.
fn request(body: &str, headers: &[(&'static str, String)]) -> String {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    let head = "POST /slack/events HTTP/1.1\r\nhost: alch\r\nconnection: close\r\n";
    format!("{head}content-length: {length}\r\n{headers}\r\n{body}")
}

async fn connect(server: &Server) -> TcpStream {
    let address = server.url.strip_prefix("http://").unwrap();
    within("a connection", TcpStream::connect(address)).await.unwrap()
}

/// Says this and waits; what comes back until the other side closes.
async fn says(server: &Server, bytes: &[u8]) -> String {
    let mut stream = connect(server).await;
    // What is refused before it ends is not read to its end.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = within("an end", stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// Sends a body that is signed well.
async fn post_with(server: &Server, body: Vec<u8>, headers: &[(&'static str, &str)]) -> Answered {
    let mut request = http::Request::post(format!("{}/slack/events", server.url));
    for (name, value) in signatures(&body) {
        request = request.header(name, value);
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    within("an answer", send(request.body(Full::new(Bytes::from(body))).unwrap())).await.unwrap()
}
