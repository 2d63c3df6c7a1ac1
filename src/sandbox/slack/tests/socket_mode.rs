//! Socket Mode, with the client that the bot uses and with a bare WebSocket.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;

use super::*;

type Connector = SlackClientHyperConnector<HttpConnector>;

async fn answer_command(
    event: SlackCommandEvent,
    _client: Arc<SlackClient<Connector>>,
    _state: SlackClientEventsUserState,
) -> UserCallbackResult<SlackCommandEventResponse> {
    let text = format!("heard {}", event.text.unwrap_or_default());
    Ok(SlackCommandEventResponse::new(SlackMessageContent::new().with_text(text)))
}

#[tokio::test]
async fn the_bots_client_answers_and_comes_back_after_a_disconnect() {
    let world = World::new().await;
    world.slack.deliver_by_socket();
    let client = Arc::new(world.client());
    let callbacks = SlackSocketModeListenerCallbacks::new().with_command_events(answer_command);
    let environment = Arc::new(SlackClientEventsListenerEnvironment::new(client));
    let config = SlackClientSocketModeConfig::new().with_max_connections_count(1);
    let listener = SlackClientSocketModeListener::new(&config, environment, callbacks);
    let token = SlackApiToken::new(world.slack.spec().app_token.clone().into());
    listener.listen_for(&token).await.unwrap();
    listener.start().await;

    for _ in 0..2 {
        world.slack.until(|slack| slack.connections() == 1).await;
        let delivered = world.slack.types("U0ALICE", "/alch status dev").await;
        assert!(delivered.is_ok(), "{delivered:?}");
        world.slack.disconnect("refresh_requested");
    }
    assert_eq!(world.slack.ephemeral_transcript("U0ALICE"), "alch: heard status dev\nalch: heard status dev");
    listener.shutdown().await;
}

#[tokio::test]
async fn an_envelope_goes_to_exactly_one_connection() {
    let world = World::new().await;
    world.slack.deliver_by_socket();
    let nobody = world.slack.types("U0ALICE", "/alch status").await;
    assert_eq!(nobody.error.unwrap(), "dispatch_failed");

    let mut first = connect(&world).await;
    let mut second = connect(&world).await;
    for _ in 0..4 {
        let slack = world.slack.clone();
        let typed = tokio::spawn(async move { slack.types("U0ALICE", "/alch status").await });
        let (index, envelope) = tokio::select! {
            envelope = next(&mut first) => (0, envelope),
            envelope = next(&mut second) => (1, envelope),
        };
        assert_eq!(envelope["type"], "slash_commands");
        assert_eq!(envelope["accepts_response_payload"], true);
        assert_eq!(envelope["payload"]["text"], "status");
        let ack = json!({"envelope_id": envelope["envelope_id"], "payload": {"text": index.to_string()}}).to_string();
        // The other connection cannot acknowledge what it did not get.
        let (own, other) = if index == 0 { (&mut first, &mut second) } else { (&mut second, &mut first) };
        other.send(Message::text(ack.clone())).await.unwrap();
        own.send(Message::text(ack)).await.unwrap();
        assert!(typed.await.unwrap().is_ok());
    }
    let mut answers: Vec<String> = world.slack.ephemerals("U0ALICE").into_iter().map(|seen| seen.text).collect();
    answers.remove(0);
    answers.sort();
    assert_eq!(answers, ["0", "0", "1", "1"], "connections take turns");

    world.slack.disconnect("warning");
    assert_eq!(next(&mut first).await["reason"], "warning");
}

type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

async fn connect(world: &World) -> Socket {
    let token = format!("Bearer {}", world.slack.spec().app_token);
    let open = format!("{}/api/apps.connections.open", world.base);
    let (_, _, body) = send(Method::POST, &open, &[("authorization", &token)], String::new()).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    let url = body["url"].as_str().unwrap();
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    assert_eq!(next(&mut socket).await["type"], "hello");
    assert!(tokio_tungstenite::connect_async(url).await.is_err(), "a ticket is good for one connection");
    socket
}

async fn next(socket: &mut Socket) -> Value {
    loop {
        if let Message::Text(text) = socket.next().await.unwrap().unwrap() {
            return serde_json::from_str(text.as_str()).unwrap();
        }
    }
}
