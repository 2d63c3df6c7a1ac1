//! The transport against the sandbox's Slack, which was built from Slack's own rules and not from ours: requests by
//! people over both transports, and the client's calls.

#![expect(clippy::unwrap_used, reason = "in a test, what is not there fails it")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use jiff::Timestamp;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::client::{Answer, CallCounters, CallError, FileUpload, Lookup, Place, Post, SlackClient};
use super::http::{Ingress, router};
use super::inbound::Inbound;
use super::ingress::{Ack, IngressCounters, Intake};
use super::message::Message;
use super::people::People;
use super::socket::{Patience, Socket};
use super::verify::SigningSecrets;
use crate::clock::Clock;
use crate::domain::Standing;
use crate::sandbox::slack::{How, Slack, WorkspaceSpec};

struct World {
    slack: Slack,
    clock: Clock,
    client: SlackClient,
    taken: Arc<Mutex<Vec<(Inbound, String)>>>,
    counters: IngressCounters,
    servers: Vec<JoinHandle<()>>,
    stop: CancellationToken,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
        self.servers.iter().for_each(JoinHandle::abort);
    }
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), what).await.expect("it never happens")
}

fn message(text: &str) -> Message {
    let button = json!({ "type": "button", "action_id": "cancel", "value": "R-7", "text": { "type": "plain_text", "text": "Cancel" } });
    Message { text: text.to_owned(), blocks: vec![json!({ "type": "actions", "block_id": "b", "elements": [button] })] }
}

impl World {
    async fn new(by_socket: bool) -> Self {
        let clock = Clock::manual(Timestamp::from_second(1_790_000_000).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let slack = Slack::new(clock.clone(), WorkspaceSpec::demo(), &base);
        let api = slack.api_router();
        let mut servers = vec![tokio::spawn(async move { axum::serve(listener, api).await.unwrap() })];
        let token = slack.spec().bot_token.clone().into();
        let client = SlackClient::new(&format!("{base}/api"), token, CallCounters::default()).unwrap();
        let taken: Arc<Mutex<Vec<(Inbound, String)>>> = Arc::default();
        let counters = IngressCounters::default();
        let remember = Arc::clone(&taken);
        let intake = Intake {
            accept: Arc::new(move |inbound, key| {
                let says = Message { text: format!("heard a {}", inbound.get().kind()), blocks: Vec::new() };
                remember.lock().unwrap().push((inbound.into_inner(), key));
                futures_util::future::ready(Ok(Ack::say(says))).boxed()
            }),
            client: Some(client.clone()),
            counters: counters.clone(),
        };
        let stop = CancellationToken::new();
        if by_socket {
            let app_token = slack.spec().app_token.clone().into();
            let socket = Socket::new(client.clone(), app_token, intake, Patience::default()).unwrap();
            let mut live = socket.live();
            slack.deliver_by_socket();
            servers.push(tokio::spawn(socket.run(stop.clone())));
            soon(live.wait_for(|live| *live == 2)).await.unwrap();
        } else {
            let secrets = SigningSecrets::new([slack.spec().signing_secret.clone().into()]);
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            slack.deliver_to(&format!("http://{}/slack/events", listener.local_addr().unwrap()));
            let app = router(Ingress { secrets, clock: clock.clone(), intake });
            servers.push(tokio::spawn(async move { axum::serve(listener, app).await.unwrap() }));
        }
        Self { slack, clock, client, taken, counters, servers, stop }
    }

    fn channel(&self) -> String {
        self.slack.spec().channel.id.clone()
    }

    fn last(&self) -> Inbound {
        self.taken.lock().unwrap().last().unwrap().0.clone()
    }

    async fn post(&self, text: &str, key: &str) -> Result<String, CallError> {
        let channel = self.channel();
        let place = Place { channel: &channel, thread_ts: None };
        let post = Post { place, broadcast: false, message: &message(text), key: Some(key) };
        self.client.post(post).await.map(|posted| posted.ts)
    }
}

#[tokio::test]
async fn people_are_heard_and_answered_over_both_transports() {
    for by_socket in [false, true] {
        let world = World::new(by_socket).await;
        let slack = &world.slack;
        assert!(slack.types("U0ALICE", "/alch enable <b> & \"co\"").await.is_ok());
        let Inbound::Slash { user, channel, team, response_url, text, .. } = world.last() else { panic!("no command") };
        assert_eq!((user.as_str(), team), ("U0ALICE", slack.spec().team_id.clone()));
        assert_eq!((channel, text.as_str()), (world.channel(), "enable &lt;b&gt; &amp; \"co\""));
        assert_eq!(slack.ephemeral_transcript("U0ALICE"), "alch: heard a slash");
        world.client.respond(&response_url, &message("later"), Answer::default()).await.unwrap();
        assert!(slack.ephemeral_transcript("U0ALICE").contains("later"));

        let card = world.post("the card", "R-7/card").await.unwrap();
        assert!(slack.clicks("U0BOB", &card, "cancel").await.is_ok());
        let Inbound::Action { user, value, message_ts, block_id, .. } = world.last() else { panic!("no click") };
        assert_eq!((user.as_str(), value.as_deref(), message_ts), ("U0BOB", Some("R-7"), Some(card.clone())));
        assert_eq!(block_id, "b");

        assert!(slack.says("U0BOB", &world.channel(), Some(&card), "@alch cancel").await.is_ok());
        let Inbound::Mention { user, thread_ts, .. } = world.last() else { panic!("no mention") };
        assert_eq!((user.as_str(), thread_ts), ("U0BOB", Some(card)));

        let own = WorkspaceSpec::direct_message("U0BOB");
        assert!(slack.says("U0BOB", &own, None, "status").await.is_ok());
        assert_eq!(world.last().kind(), "direct_message");
        assert!(slack.opens_home("U0BOB").await.is_ok());
        assert_eq!(world.last().kind(), "home_opened");
    }
}

#[tokio::test]
async fn the_urls_proof_is_given_and_a_recorded_request_is_told_by_its_key() {
    let world = World::new(false).await;
    assert!(world.slack.verifies_url().await);
    world.slack.types("U0ALICE", "/alch status").await;
    world.slack.replays_last().await.unwrap();
    let keys: Vec<String> = world.taken.lock().unwrap().iter().map(|(_, key)| key.clone()).collect();
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0], keys[1]);
    world.clock.advance(jiff::SignedDuration::from_secs(301));
    world.slack.replays_last().await.unwrap();
    assert_eq!(world.counters.get("unverified", "stale"), 1);
}

#[tokio::test]
async fn a_message_whose_answer_was_lost_is_found() {
    for drops in [false, true] {
        let world = World::new(false).await;
        world.slack.set_fault("slack-drops-metadata", drops);
        let told = world.client.auth_test().await.unwrap();
        assert!(told.scopes.iter().any(|scope| scope == "chat:write"), "{told:?}");
        let first = world.post("one & two", "R-1/card").await.unwrap();
        world.slack.fail_next("chat.postMessage", 1, How::AcceptedButDropped);
        world.post("three", "R-2/card").await.unwrap_err();
        let channel = world.channel();
        let lookup = Lookup {
            place: Place { channel: &channel, thread_ts: None },
            oldest: "1789999000.000000",
            key: "R-2/card",
            author: (&told.user_id, &told.bot_id),
            same_text: &|text| text == "three",
            taken: std::slice::from_ref(&first),
        };
        let found = world.client.find(&lookup).await.unwrap().unwrap();
        assert_eq!(world.slack.message(&found).unwrap().text, "three");
        let reply = Post {
            place: Place { channel: &channel, thread_ts: Some(&first) },
            broadcast: true,
            message: &message("a reply"),
            key: Some("R-1/2"),
        };
        let reply = world.client.post(reply).await.unwrap().ts;
        let place = Place { channel: &channel, thread_ts: Some(&first) };
        let lookup = Lookup { place, key: "R-1/2", same_text: &|text| text == "a reply", ..lookup };
        assert_eq!(world.client.find(&lookup).await.unwrap(), Some(reply));
        assert!(world.client.permalink(&channel, &first).await.unwrap().contains(&channel));
        world.client.update(&channel, &first, &message("changed"), Some("R-1/card")).await.unwrap();
        assert_eq!(world.slack.message(&first).unwrap().text, "changed");
    }
}

#[tokio::test]
async fn people_stand_as_the_workspace_says() {
    let world = World::new(false).await;
    let people = People::new(world.client.clone(), world.clock.clone());
    for (user, expected) in [
        ("U0ALICE", Standing::Member),
        ("U0GUEST", Standing::Guest),
        ("U0STRANGER", Standing::Stranger),
        ("U0ALCH", Standing::Bot),
        ("U0NOBODY", Standing::Stranger),
    ] {
        assert_eq!(people.standing(user, &world.slack.spec().team_id).await, expected, "{user}");
    }
    let conversation = world.client.open_dm("U0ALICE").await.unwrap();
    let place = Place { channel: &world.channel(), thread_ts: None };
    world.client.post_ephemeral(place, "U0ALICE", &message("only you")).await.unwrap();
    assert!(world.slack.ephemeral_transcript("U0ALICE").contains("only you"));
    assert_eq!(conversation, WorkspaceSpec::direct_message("U0ALICE"));
    let home = json!({ "type": "home", "blocks": [] });
    world.client.views_publish("U0ALICE", &home).await.unwrap();
    assert!(world.slack.home("U0ALICE").is_some());
}

#[tokio::test]
async fn a_file_is_shown_where_it_was_asked_for() {
    let world = World::new(false).await;
    let channel = world.channel();
    let card = world.post("the card", "R-1/card").await.unwrap();
    let comment = message("an audit & more");
    for (thread_ts, name) in [(None, "a b.jsonl"), (Some(card.as_str()), "b.csv")] {
        let content = name.as_bytes().repeat(1_000);
        let place = Place { channel: &channel, thread_ts };
        world
            .client
            .upload(FileUpload { name, title: name, alt: "", content: content.clone(), place, comment: &comment })
            .await
            .unwrap();
        let file = world.slack.files().pop().unwrap();
        assert_eq!((file.name.as_str(), file.content), (name, Some(content)));
        let shown = world.slack.messages().pop().unwrap();
        assert_eq!((shown.thread_ts.as_deref(), shown.channel.as_str()), (thread_ts, channel.as_str()));
        assert_eq!(shown.text, "an audit & more");
        assert_eq!(shown.files, [file.id]);
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_handed_out_is_shown_to_nobody() {
    let world = World::new(false).await;
    let (channel, comment) = (world.channel(), message("an audit"));
    let upload = async |content: &[u8]| {
        let place = Place { channel: &channel, thread_ts: None };
        world
            .client
            .upload(FileUpload {
                name: "a.csv",
                title: "a.csv",
                alt: "",
                content: content.to_vec(),
                place,
                comment: &comment,
            })
            .await
    };
    for step in ["files.getUploadURLExternal", "upload"] {
        world.slack.fail_next(step, 1, How::AcceptedButDropped);
        let error = upload(b"x").await.unwrap_err();
        assert!(matches!(error, CallError::Unreachable(_)), "{step}: {error}");
    }
    assert!(world.slack.files().is_empty());
    world.slack.fail_next("files.completeUploadExternal", 1, How::AcceptedButDropped);
    assert!(matches!(upload(b"x").await, Err(CallError::Ambiguous(_))), "it is there, and nobody said so");
    world.slack.grant_scopes(&["commands", "chat:write"]);
    let error = upload(b"x").await.unwrap_err();
    assert!(matches!(&error, CallError::Api { code, .. } if code == "missing_scope"), "{error}");
    assert_eq!(world.slack.files().len(), 1);
}
