//! `alch serve` from outside: what Slack, a supervisor and a load balancer see of the real program.
#![cfg(feature = "sandbox")]
#![expect(clippy::unwrap_used, reason = "a story that cannot go on panics, in its helpers too")]

mod support {
    pub mod server;
}

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use alch::clock::Clock;
use alch::domain::RunId;
use alch::sandbox::aws::{ApiFault, Failure};
use alch::sandbox::slack::{Break, How, Outcome, Slack, signature};
use bytes::Bytes;
use http_body_util::Full;
use serde_json::Value;
use support::server::{ALICE, Answered, BOB, By, CAROL, SIGNING_SECRET, Server, Stage, get, send, until, within};

const GUEST: &str = "U0GUEST";
const STRANGER: &str = "U0STRANGER";

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_acknowledged_and_runs_to_its_end_in_one_thread() {
    let stage = Stage::new().await;
    let server = stage.serve().await;
    assert!(stage.slack.verifies_url().await);
    let typed = stage.slack.types(ALICE, "/alch enable signal-generated dev").await;
    assert_eq!((typed.http_status, typed.body.as_str(), &typed.error), (200, "", &None));
    let (card, last) = stage.told(RunId(1)).await;
    assert!(card.text.contains("succeeded"), "{}", card.text);
    assert_eq!(last.thread_ts.as_ref(), Some(&card.ts));
    assert!(last.text.contains("enabled and healthy"), "{}", last.text);
    assert!(stage.is_enabled("dev", "signal-generated"));
    assert!(!stage.is_enabled("dev", "rebalance-planned"), "no other rule is touched");
    let channel: Vec<_> = stage.slack.messages().into_iter().filter(|message| message.thread_ts.is_none()).collect();
    assert_eq!(channel.len(), 1, "a run is one message in the channel");
    assert_eq!(get(&format!("{}/healthz", server.url)).await.unwrap().status, 200);
    assert_eq!(counted(&server, "slash", "accepted").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_shown_to_be_slacks_is_refused_and_counted() {
    let stage = Stage::new().await;
    let server = stage.serve().await;
    let body = command("T00000000", "rollback dev");
    let now = Clock::system().now().as_second();
    let good = signature(SIGNING_SECRET, now, body.as_bytes());
    let old = now - 301;
    let stale = signature(SIGNING_SECRET, old, body.as_bytes());
    let foreign = signature("another-secret", now, body.as_bytes());
    let cases = [
        (vec![("x-slack-request-timestamp", now.to_string()), ("x-slack-signature", foreign)], "wrong_signature"),
        (vec![("x-slack-request-timestamp", now.to_string())], "missing_signature"),
        (vec![("x-slack-signature", good.clone())], "missing_signature"),
        (vec![("x-slack-request-timestamp", old.to_string()), ("x-slack-signature", stale)], "stale"),
        (
            vec![("x-slack-request-timestamp", now.to_string()), ("x-slack-signature", "v0=nonsense".to_owned())],
            "malformed_signature",
        ),
    ];
    for (headers, outcome) in cases {
        let before = counted(&server, "unverified", outcome).await;
        let answered = post(&server, &headers, body.clone()).await;
        assert_eq!((answered.status, answered.body.as_str()), (401, ""), "{outcome}");
        assert_eq!(counted(&server, "unverified", outcome).await, before + 1, "{outcome}");
    }
    let long = format!("{body}&more={}", "x".repeat(1024 * 1024));
    let signed = signature(SIGNING_SECRET, now, long.as_bytes());
    let headers = [("x-slack-request-timestamp", now.to_string()), ("x-slack-signature", signed)];
    assert_eq!(post(&server, &headers, long).await.status, 413);
    assert_eq!(stage.number("SELECT count(*) FROM inbox").await, 0);
    assert_eq!(stage.changes_asked(), 0);
    let headers = [("x-slack-request-timestamp", now.to_string()), ("x-slack-signature", good)];
    assert_eq!(post(&server, &headers, body).await.status, 200, "the same, signed well and in time, is taken");
    stage.told(RunId(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_signed_request_twice_is_acknowledged_twice_and_done_once() {
    let stage = Stage::new().await;
    let _server = stage.serve().await;
    assert!(stage.slack.types(ALICE, "/alch verify dev").await.is_ok());
    assert_eq!(stage.slack.replays_last().await.unwrap().http_status, 200);
    stage.told(RunId(1)).await;
    assert_eq!(stage.slack.replays_last().await.unwrap().http_status, 200);
    until("everything is settled", async || {
        stage.number("SELECT count(*) FROM inbox WHERE done_at IS NULL").await == 0
    })
    .await;
    assert_eq!(stage.number("SELECT count(*) FROM inbox").await, 1);
    assert_eq!(stage.number("SELECT count(*) FROM runs").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_ready_once_aws_has_accepted_the_credentials() {
    let stage = Stage::new().await;
    let refused = ApiFault { operation: "GetCallerIdentity".to_owned(), times: 2, how: Failure::AccessDenied };
    stage.aws.inject(refused);
    let server = stage.serve().await;
    let readyz = async || {
        let answered = get(&format!("{}/readyz", server.url)).await.unwrap();
        let said: Value = serde_json::from_str(&answered.body).unwrap();
        (answered.status, said)
    };
    let not_yet = "the credentials are not accepted yet";
    until("the refusal is shown", async || readyz().await.1["parts"]["aws.dev"] == not_yet).await;
    let (status, said) = readyz().await;
    assert_eq!((status, &said["ready"]), (503, &Value::Bool(false)), "{said}");
    assert_eq!((&said["parts"]["database"], &said["parts"]["slack"]), (&"ok".into(), &"ok".into()), "{said}");
    assert_eq!(get(&format!("{}/healthz", server.url)).await.unwrap().status, 200);
    until("it is ready", async || readyz().await.0 == 200).await;
    let (_, said) = readyz().await;
    let parts = said["parts"].as_object().unwrap();
    assert_eq!(parts.keys().collect::<Vec<_>>(), ["aws.dev", "aws.prod", "database", "slack"]);
    assert!(parts.values().all(|part| part == "ok"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_act_is_refused_with_a_reason_and_nothing_is_done() {
    let stage = Stage::new().await;
    let server = stage.serve().await;
    let enable = "/alch enable signal-generated dev";
    stage.slack.types_in(ALICE, "C0RANDOM", enable).await;
    stage.hears(ALICE, "I don't take commands here").await;
    stage.slack.types(GUEST, enable).await;
    stage.hears(GUEST, "Guests may look, but not act").await;
    let channel = stage.slack.spec().channel.id.clone();
    stage.slack.says(STRANGER, &channel, None, "@alch enable signal-generated dev").await;
    stage.hears(STRANGER, "people of my own workspace").await;
    let body = command("T0ELSEWHERE", "enable signal-generated dev");
    let now = Clock::system().now().as_second();
    let signed = signature(SIGNING_SECRET, now, body.as_bytes());
    let headers = [("x-slack-request-timestamp", now.to_string()), ("x-slack-signature", signed)];
    assert_eq!(post(&server, &headers, body).await.status, 200);
    until("all four are settled", async || {
        stage.number("SELECT count(*) FROM inbox WHERE done_at IS NOT NULL").await == 4
    })
    .await;
    assert_eq!(stage.number("SELECT count(*) FROM runs").await, 0);
    assert_eq!(stage.changes_asked(), 0);
    assert!(!stage.is_enabled("dev", "signal-generated"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mention_in_the_thread_of_a_run_speaks_of_that_run() {
    let stage = Stage::with(By::Http, &[("ALCH__ENVIRONMENTS__DEV__WAITS__AFTER_ENABLE", "10m")]).await;
    let _server = stage.serve().await;
    assert!(stage.slack.types(ALICE, "/alch enable all dev").await.is_ok());
    let card = stage.card(RunId(1)).await;
    until("the first rule is on", async || stage.is_enabled("dev", "signal-generated")).await;
    assert!(stage.slack.says(BOB, &card.channel, Some(&card.ts), "@alch cancel").await.is_ok());
    stage.hears(BOB, "stops at its next safe point").await;
    let (card, _) = stage.told(RunId(1)).await;
    assert!(card.text.contains("cancelled"), "{}", card.text);
    assert!(stage.is_enabled("dev", "signal-generated"), "what was done stays done");
    assert!(!stage.is_enabled("dev", "rebalance-planned"));
}

#[tokio::test(flavor = "multi_thread")]
async fn direct_messages_answer_questions_and_act_on_nothing() {
    let stage = Stage::new().await;
    let _server = stage.serve().await;
    let direct = "D0ALICE";
    let bot = stage.slack.spec().bot_user.id.clone();
    let answered = |words: &'static str| {
        let bot = bot.clone();
        move |slack: &alch::sandbox::slack::Slack| {
            let messages = slack.messages();
            messages.iter().any(|said| said.channel == direct && said.user == bot && said.text.contains(words))
        }
    };
    assert!(stage.slack.says(ALICE, direct, None, "status").await.is_ok());
    stage.sees("the status", answered("signal-generated")).await;
    assert!(stage.slack.says(ALICE, direct, None, "enable signal-generated dev").await.is_ok());
    stage.sees("the refusal", answered("In direct messages I only show things")).await;
    assert_eq!(stage.number("SELECT count(*) FROM runs").await, 0);
    assert_eq!(stage.changes_asked(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_second_is_told_who_holds_the_environment_and_can_queue() {
    let stage = Stage::with(By::Http, &[("ALCH__ENVIRONMENTS__DEV__WAITS__AFTER_ENABLE", "4s")]).await;
    let _server = stage.serve().await;
    assert!(stage.slack.types(ALICE, "/alch enable signal-generated dev").await.is_ok());
    until("the first run has begun", async || stage.is_enabled("dev", "signal-generated")).await;
    assert!(stage.slack.types(BOB, "/alch enable rebalance-planned dev").await.is_ok());
    let told = stage.hears(BOB, "Not started").await;
    assert!(told.text.contains("R-1") && told.text.contains("enable signal-generated"), "{}", told.text);
    assert!(stage.slack.clicks(BOB, &told.ts, "Queue it").await.is_ok());
    stage.sees("the second run waits", |slack| slack.transcript().contains("queued")).await;
    assert!(!stage.is_enabled("dev", "rebalance-planned"), "it waits");
    for run in [RunId(1), RunId(2)] {
        let (card, _) = stage.told(run).await;
        assert!(card.text.contains("succeeded"), "{}", card.text);
    }
    assert!(stage.is_enabled("dev", "rebalance-planned"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_is_quick_and_the_run_goes_on_after_the_restart() {
    let stage = Stage::with(By::Http, &[("ALCH__ENVIRONMENTS__DEV__WAITS__AFTER_ENABLE", "3s")]).await;
    let mut server = stage.serve().await;
    assert!(stage.slack.types(ALICE, "/alch enable signal-generated dev").await.is_ok());
    until("it acted", async || stage.is_enabled("dev", "signal-generated")).await;
    server.process.terminate();
    let asked = Instant::now();
    assert!(server.process.exit().await.success());
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    assert_eq!(stage.number("SELECT count(*) FROM runs WHERE live = 1").await, 1, "stopped in the middle");
    let _server = stage.serve().await;
    let (card, _) = stage.told(RunId(1)).await;
    assert!(card.text.contains("succeeded"), "{}", card.text);
    assert_eq!(stage.changes_asked(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_is_quick_although_slack_hangs() {
    let stage = Stage::with(By::Http, &[("ALCH__ENVIRONMENTS__DEV__WAITS__AFTER_ENABLE", "5s")]).await;
    let mut server = stage.serve().await;
    assert!(stage.slack.types(ALICE, "/alch enable signal-generated dev").await.is_ok());
    until("it acted", async || stage.is_enabled("dev", "signal-generated")).await;
    stage.card(RunId(1)).await;
    stage.slack.fail_next("chat.update", 1, How::Hang);
    stage.sees("a call hangs", |slack| slack.calls().iter().any(|call| call.outcome == Outcome::Pending)).await;
    server.process.terminate();
    let asked = Instant::now();
    assert!(server.process.exit().await.success());
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    let _server = stage.serve().await;
    let (card, _) = stage.told(RunId(1)).await;
    assert!(card.text.contains("succeeded"), "{}", card.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_the_same_database_refuses_to_start() {
    let stage = Stage::new().await;
    let server = stage.serve().await;
    let mut second = stage.spawn_server();
    assert_eq!(second.exit().await.code(), Some(1));
    let said = second.stderr();
    assert!(said.contains("alch.db") && said.contains("another"), "{said}");
    assert!(!said.contains("\"serving\""), "{said}");
    assert_eq!(get(&format!("{}/healthz", server.url)).await.unwrap().status, 200, "the first is not disturbed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_configuration_names_the_place_and_the_mend_before_anything_listens() {
    type Edit = fn(&str) -> String;
    let cases: [(Edit, &[&str]); 5] = [
        (|text| text.replace("\nbus = \"alchemiser-trading-events-dev\"", "\nbuss = \"x\""), &["environments.dev.bus"]),
        (
            |text| text.replacen("name = \"rebalance-planned\"", "name = \"signal-generated\"", 1),
            &["environments.dev.rules[1]", "signal-generated"],
        ),
        (|text| text.replace("channel = \"C00000000\"", ""), &["slack.channel"]),
        (
            |text| {
                let (before, after) = text.split_once("allow = [").unwrap();
                format!("{before}allow = []\n{}", after.split_once("\n]").unwrap().1)
            },
            &["environments.prod.window"],
        ),
        (|text| text.replace("poll = \"15s\"", "poll = \"soon\""), &["environments.dev.waits.poll", "2m"]),
    ];
    for (edit, named) in cases {
        let mut stage = Stage::new().await;
        stage.variables.remove("ALCH__ENVIRONMENTS__DEV__WAITS__POLL");
        let text = std::fs::read_to_string(stage.config_path()).unwrap();
        let edited = edit(&text);
        assert_ne!(text, edited);
        std::fs::write(stage.config_path(), edited).unwrap();
        let mut process = stage.spawn_server();
        assert_eq!(process.exit().await.code(), Some(1));
        let said = process.stderr();
        assert!(!said.contains("\"serving\""), "{said}");
        for part in named.iter().chain(&["alch.toml"]) {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
    let mut stage = Stage::new().await;
    stage.variables.remove("SLACK_SIGNING_SECRET");
    let mut process = stage.spawn_server();
    assert_eq!(process.exit().await.code(), Some(1));
    assert!(process.stderr().contains("SLACK_SIGNING_SECRET"), "{}", process.stderr());
    assert!(!process.stderr().contains("\"serving\""), "{}", process.stderr());
}

#[tokio::test(flavor = "multi_thread")]
async fn socket_mode_tells_the_same_story() {
    // The first run waits for longer than this test takes, so that the second is surely still queued when it is cancelled.
    let stage = Stage::with(By::Socket, &[("ALCH__ENVIRONMENTS__DEV__WAITS__AFTER_ENABLE", "10m")]).await;
    let server = stage.serve().await;
    assert!(stage.slack.types(ALICE, "/alch enable signal-generated dev").await.is_ok());
    until("the first run has begun", async || stage.is_enabled("dev", "signal-generated")).await;
    assert!(stage.slack.types(BOB, "/alch enable rebalance-planned dev").await.is_ok());
    let told = stage.hears(BOB, "Not started").await;
    assert!(stage.slack.clicks(BOB, &told.ts, "Queue it").await.is_ok());
    for (run, person) in [(RunId(2), CAROL), (RunId(1), ALICE)] {
        let card = stage.card(run).await;
        assert!(stage.slack.says(person, &card.channel, Some(&card.ts), "@alch cancel").await.is_ok());
        let (card, _) = stage.told(run).await;
        assert!(card.text.contains("cancelled"), "{}", card.text);
    }
    assert!(stage.slack.types(BOB, "/alch disable signal-generated dev").await.is_ok());
    let (card, _) = stage.told(RunId(3)).await;
    assert!(card.text.contains("succeeded"), "{}", card.text);
    assert_eq!(stage.slack.types(ALICE, "/alch enabel x dev").await.http_status, 200);
    stage.hears(ALICE, "enable").await;
    let answered = post(&server, &[], command("T00000000", "rollback dev")).await;
    assert_eq!(answered.status, 404, "nothing takes requests by HTTP");
    let ready = get(&format!("{}/readyz", server.url)).await.unwrap();
    assert!(ready.body.contains("\"slack.socket\":\"ok\""), "{}", ready.body);
    assert_eq!(stage.number("SELECT count(*) FROM runs").await, 3);
}

/// No message of a thread stands right behind the same.
#[track_caller]
fn nothing_is_told_twice(thread: &[(String, bool)]) {
    let mut once = thread.to_vec();
    once.dedup();
    assert_eq!(thread, once);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_around_an_envelope_and_one_that_comes_twice_make_one_run() {
    for when in [Break::Before, Break::After] {
        let stage = Stage::with(By::Socket, &[("ALCH__ENVIRONMENTS__DEV__WAITS__AFTER_ENABLE", "10m")]).await;
        let mut server = stage.serve().await;
        let lost = when == Break::Before;
        let runs = async |stage: &Stage| stage.number("SELECT count(*) FROM runs").await;
        // Slack shows a command whose acknowledgement was lost as failed, and does not send it again by itself.
        stage.slack.breaks_connection(when);
        assert_eq!(stage.slack.types(ALICE, "/alch enable signal-generated dev").await.is_ok(), !lost, "{when:?}");
        until("it acted", async || stage.is_enabled("dev", "signal-generated")).await;
        // The same envelope again is taken for what it is, over a connection that was made anew.
        until("it is connected again", async || stage.slack.connections() == 2).await;
        assert!(stage.slack.delivers_envelope_again().await.unwrap().is_ok());
        // Also by a process that was not there.
        server.process.kill();
        let _server = stage.serve().await;
        until("it is connected", async || stage.slack.connections() == 2).await;
        assert!(stage.slack.delivers_envelope_again().await.unwrap().is_ok());
        // An event is sent again by Slack, in another envelope.
        let card = stage.card(RunId(1)).await;
        stage.slack.breaks_connection(when);
        let said = stage.slack.says(ALICE, &card.channel, Some(&card.ts), "@alch cancel").await;
        assert_eq!(said.is_ok(), !lost, "{when:?}");
        let (card, _) = stage.told(RunId(1)).await;
        assert!(card.text.contains("cancelled"), "{}", card.text);
        let again = |slack: &Slack| {
            slack.deliveries().iter().any(|delivery| delivery.retry == 1 && delivery.http_status == 200)
        };
        match when {
            Break::Before => stage.sees("it is sent again", again).await,
            Break::After => assert!(!again(&stage.slack)),
        }
        assert_eq!(runs(&stage).await, 1, "{when:?}");
        assert_eq!(stage.changes_asked(), 1, "{when:?}");
        nothing_is_told_twice(&stage.thread_of(RunId(1)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_shows_in_the_log_and_in_the_numbers_and_stops_no_run() {
    let stage = Stage::with(By::Http, &[("ALCH__ENVIRONMENTS__DEV__WAITS__AFTER_ENABLE", "3s")]).await;
    let mut server = stage.serve().await;
    assert!(stage.slack.types(ALICE, "/alch enable signal-generated dev").await.is_ok());
    stage.card(RunId(1)).await;
    until("it acted", async || stage.is_enabled("dev", "signal-generated")).await;
    assert!(stage.slack.set_fault("slack-token-revoked", true));
    until("it has ended", async || stage.number("SELECT count(*) FROM runs WHERE live = 1").await == 0).await;
    let shows = async |name: &str, value: f64| {
        scraped(&server).await.get(name).and_then(|said| said.parse::<f64>().ok()).is_some_and(|said| said >= value)
    };
    until("it is counted that Slack is behind", async || shows("alch_outbox_runs_behind", 1.0).await).await;
    let scrape = get(&format!("{}/metrics", server.url)).await.unwrap().body;
    assert!(scrape.contains("result=\"invalid_auth\""), "{scrape}");
    let log = server.process.stderr();
    for words in ["token_revoked", "nobody can be told of runs, which go on", "SLACK_BOT_TOKEN"] {
        assert!(log.contains(words), "{words}: {log}");
    }
    server.process.kill();
    assert!(stage.slack.set_fault("slack-token-revoked", false));
    let _server = stage.serve().await;
    let (card, _) = stage.told(RunId(1)).await;
    assert!(card.text.contains("succeeded"), "{}", card.text);
    nothing_is_told_twice(&stage.thread_of(RunId(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_tells_everything_tells_no_secret() {
    for by in [By::Http, By::Socket] {
        let mut stage = Stage::with(by, &[]).await;
        stage.variables.insert("RUST_LOG".to_owned(), "debug".to_owned());
        let mut server = stage.serve().await;
        assert!(stage.slack.types(ALICE, "/alch verify dev").await.is_ok());
        assert!(stage.slack.types(ALICE, "/alch whoami").await.is_ok());
        stage.hears(ALICE, "You are").await;
        stage.told(RunId(1)).await;
        server.process.terminate();
        assert!(server.process.exit().await.success());
        assert!(server.process.stderr().contains("\"level\":\"DEBUG\""), "the stage searches what was written");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_does_is_logged_with_its_id() {
    let mut stage = Stage::new().await;
    stage.variables.insert("RUST_LOG".to_owned(), "debug".to_owned());
    let mut server = stage.serve().await;
    assert!(stage.slack.types(ALICE, "/alch enable signal-generated dev").await.is_ok());
    stage.told(RunId(1)).await;
    assert!(stage.slack.types(BOB, "/alch disable all dev").await.is_ok());
    stage.told(RunId(2)).await;
    server.process.terminate();
    assert!(server.process.exit().await.success());
    let log = server.process.stderr();
    let lines: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    // The SDK logs each call at length, in a span of its own inside the run's.
    let runs_that_called = |operation: &str| -> BTreeSet<Option<String>> {
        let spans = lines.iter().filter_map(|line| line["spans"].as_array());
        let of_it = spans.filter(|spans| spans.iter().any(|span| span["rpc.method"] == operation));
        of_it.map(|spans| spans.iter().find_map(|span| Some(span["run.id"].as_str()?.to_owned()))).collect()
    };
    let runs = |ids: &[u64]| -> BTreeSet<_> { ids.iter().map(|id| Some(format!("R-{id}"))).collect() };
    assert_eq!(runs_that_called("EnableRule"), runs(&[1]));
    assert_eq!(runs_that_called("DisableRule"), runs(&[2]));
    assert_eq!(runs_that_called("GetMetricData"), runs(&[1, 2]), "both look at what flows");
}

#[tokio::test(flavor = "multi_thread")]
async fn production_is_refused_to_those_without_a_role_and_nothing_is_changed_there() {
    let mut stage = Stage::new().await;
    for role in ["OPERATOR", "RESPONDER"] {
        // Alice is no responder.
        let (name, group) = (format!("ALCH__ENVIRONMENTS__PROD__ROLES__{role}"), r#"["S0RESPONDERS"]"#);
        stage.variables.insert(name, group.to_owned());
    }
    let _server = stage.serve().await;
    for (asked, command) in
        ["enable all prod", "disable signal-generated prod", "rollback prod", "restore prod"].into_iter().enumerate()
    {
        assert!(stage.slack.types(ALICE, &format!("/alch {command}")).await.is_ok());
        stage
            .sees(command, |slack| {
                let heard = slack.ephemerals(ALICE);
                heard.iter().filter(|message| message.text.contains("you are not among them")).count() > asked
            })
            .await;
    }
    assert_eq!(stage.number("SELECT count(*) FROM runs").await, 0);
    assert_eq!(stage.changes_asked(), 0);
    assert!(stage.slack.types(ALICE, "/alch verify prod").await.is_ok());
    stage.told(RunId(1)).await;
    assert_eq!(stage.changes_asked(), 0);
}

/// The body of a slash command, as Slack would send it.
fn command(team: &str, text: &str) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("team_id", team),
            ("channel_id", "C00000000"),
            ("user_id", ALICE),
            ("command", "/alch"),
            ("text", text),
            ("response_url", "http://127.0.0.1:9/nobody"),
            ("trigger_id", "1.2.3"),
        ])
        .finish()
}

async fn post(server: &Server, headers: &[(&'static str, String)], body: String) -> Answered {
    let mut request = http::Request::post(format!("{}/slack/events", server.url));
    request = request.header("content-type", "application/x-www-form-urlencoded");
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    within("an answer", send(request.body(Full::new(Bytes::from(body))).unwrap())).await.unwrap()
}

/// How many requests of this kind had this outcome, as `/metrics` tells it.
async fn counted(server: &Server, kind: &str, outcome: &str) -> u64 {
    let name = format!("alch_slack_requests_total{{kind=\"{kind}\",outcome=\"{outcome}\"}}");
    scraped(server).await.get(&name).map_or(0, |value| value.parse().unwrap())
}

/// What `/metrics` shows: each sample by name and labels. Reads it as OpenMetrics wants it written.
async fn scraped(server: &Server) -> BTreeMap<String, String> {
    let metrics = get(&format!("{}/metrics", server.url)).await.unwrap();
    assert_eq!(metrics.status, 200);
    let (mut samples, mut families) = (BTreeMap::new(), BTreeSet::new());
    assert!(metrics.body.ends_with("# EOF\n"), "{}", metrics.body);
    for line in metrics.body.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            let (name, kind) = family.split_once(' ').unwrap();
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(families.insert(name.to_owned()), "{name} twice");
        } else if !line.starts_with('#') {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let family = name.split('{').next().unwrap();
            assert!(families.iter().any(|known| family.starts_with(known.as_str())), "{line}: of no family");
            assert!(value.parse::<f64>().is_ok(), "{line}");
            assert!(samples.insert(name.to_owned(), value.to_owned()).is_none(), "{name} twice");
        }
    }
    samples
}

#[tokio::test(flavor = "multi_thread")]
async fn its_numbers_are_those_of_the_journal() {
    let stage = Stage::new().await;
    let server = stage.serve().await;
    assert!(stage.slack.types(ALICE, "/alch enable signal-generated dev").await.is_ok());
    stage.told(RunId(1)).await;
    stage.aws.inject(ApiFault { operation: "DisableRule".to_owned(), times: 1, how: Failure::Throttle });
    assert!(stage.slack.types(BOB, "/alch disable all dev").await.is_ok());
    stage.told(RunId(2)).await;
    let wanted = "alch_runs_total{command=\"disable\",environment=\"dev\",outcome=\"succeeded\"}";
    until("both runs are counted", async || scraped(&server).await.contains_key(wanted)).await;
    let samples = scraped(&server).await;
    let number = |name: &str| samples.get(name).unwrap_or_else(|| panic!("no {name} in {samples:#?}")).as_str();
    assert_eq!(number("alch_runs_total{command=\"enable\",environment=\"dev\",outcome=\"succeeded\"}"), "1");
    assert_eq!(number(wanted), "1");
    for (step, count) in [("enable", "1"), ("watch", "1"), ("gate", "1"), ("disable", "1")] {
        assert_eq!(number(&format!("alch_steps_total{{step=\"{step}\",status=\"done\"}}")), count, "{step}");
    }
    assert_eq!(number("alch_steps_total{step=\"disable\",status=\"already\"}"), "3");
    let lasted: f64 = number("alch_step_duration_seconds_sum{step=\"watch\"}").parse().unwrap();
    assert!((0.6..10.0).contains(&lasted), "{lasted}");
    assert_eq!(number("alch_slack_acknowledgement_seconds_count{kind=\"slash\"}"), "2");
    let call = |operation: &str, result: &str| {
        let labels = format!("service=\"EventBridge\",operation=\"{operation}\",result=\"{result}\"");
        samples.get(&format!("alch_aws_calls_total{{{labels}}}")).map(String::as_str)
    };
    assert_eq!(call("EnableRule", "ok"), Some("1"), "{samples:#?}");
    assert_eq!((call("DisableRule", "ok"), call("DisableRule", "throttled")), (Some("1"), Some("1")), "{samples:#?}");
    let asked = stage.aws.calls().iter().filter(|call| call.operation == "GetMetricData").count();
    let labels = "service=\"CloudWatch\",operation=\"GetMetricData\",result=\"ok\"";
    assert_eq!(number(&format!("alch_aws_calls_total{{{labels}}}")), asked.to_string());
    for (name, value) in [
        ("alch_outbox_lag_seconds", "0.0"),
        ("alch_outbox_runs_behind", "0.0"),
        ("alch_requests_open", "0.0"),
        ("alch_replicas", "1.0"),
        ("alch_duty{duty=\"telling\"}", "1.0"),
    ] {
        assert_eq!(number(name), value, "{name}");
    }
    assert!(!samples.contains_key("alch_lease_left_seconds"), "on SQLite a lease has no end");

    // What waits, and what Slack does not know.
    assert!(stage.slack.set_fault("slack-down", true));
    assert!(stage.slack.types(ALICE, "/alch promote prod").await.is_ok());
    until("it waits for approval, and Slack is behind", async || {
        let samples = scraped(&server).await;
        let waits = samples.get("alch_runs_live{environment=\"prod\",state=\"waiting\"}");
        let lag = samples.get("alch_outbox_lag_seconds").map_or(0.0, |lag| lag.parse::<f64>().unwrap());
        waits.is_some_and(|waits| waits == "1.0") && lag > 0.0
    })
    .await;
    assert!(stage.slack.set_fault("slack-down", false));

    let body = get(&format!("{}/metrics", server.url)).await.unwrap().body;
    let families = body.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let mut shown: BTreeSet<String> =
        families.map(|(name, kind)| format!("{name}{}", if kind == "counter" { "_total" } else { "" })).collect();
    shown.insert("alch_lease_left_seconds".to_owned());
    assert_eq!(shown, numbers_of_the_manual());
}

/// What the operations manual has a row for.
fn numbers_of_the_manual() -> BTreeSet<String> {
    let manual = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md")).unwrap();
    let rows = manual.lines().filter_map(|line| line.strip_prefix("| `alch_")?.split('`').next());
    // With labels it is an alert's.
    rows.filter(|name| !name.contains('{')).map(|name| format!("alch_{name}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_at_the_start_is_said_once_and_then_that_it_is_there() {
    let stage = Stage::new().await;
    stage.aws.inject(ApiFault {
        operation: "GetCallerIdentity".to_owned(),
        times: u32::MAX,
        how: Failure::AccessDenied,
    });
    let said = |slack: &alch::sandbox::slack::Slack, words: &str| {
        let said = slack.messages().into_iter().filter(|message| message.text.contains(words));
        said.collect::<Vec<_>>()
    };
    let missing = "not everything is there";
    let mut server = stage.serve().await;
    stage.sees("what is missing", |slack| !said(slack, missing).is_empty()).await;
    let told = said(&stage.slack, missing).remove(0);
    for word in ["aws.dev", "aws.prod", "not rolled back either", "alch check --live"] {
        assert!(told.text.contains(word), "{word}: {}", told.text);
    }
    assert!(!told.text.contains("scopes"), "{}", told.text);
    // Another start, as by a supervisor, says it no second time, and takes back what the first one said.
    server.process.kill();
    let server = stage.serve().await;
    let refused = || stage.aws.calls().iter().filter(|call| call.operation == "GetCallerIdentity").count();
    let before = refused();
    until("it has asked in vain", async || refused() > before).await;
    stage.aws.cancel_injected();
    stage.sees("that all is there", |slack| !said(slack, "All is there now").is_empty()).await;
    let whole = said(&stage.slack, "All is there now");
    assert_eq!((whole.len(), &whole[0].ts), (1, &told.ts), "the same message");
    assert!(said(&stage.slack, missing).is_empty());
    drop(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn scopes_that_the_app_has_not_are_said() {
    let stage = Stage::new().await;
    let scopes = alch::config::manifest::bot_scopes();
    let granted: Vec<&str> = scopes.iter().map(String::as_str).filter(|scope| *scope != "files:write").collect();
    stage.slack.grant_scopes(&granted);
    let _server = stage.serve().await;
    let missing = |slack: &alch::sandbox::slack::Slack| {
        slack.messages().into_iter().find(|message| message.text.contains("scopes that the app has not"))
    };
    stage.sees("what is missing", |slack| missing(slack).is_some()).await;
    let told = missing(&stage.slack).unwrap();
    assert!(told.text.contains("files:write") && !told.text.contains("chat:write"), "{}", told.text);
}
