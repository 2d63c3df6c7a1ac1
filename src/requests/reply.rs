//! How one person is answered, wherever they asked. An answer is a courtesy: what matters is in the journal.

use super::Requests;
use crate::slack::client::{Answer, CallError, Place, Post, SlackClient};
use crate::slack::message::Message;

/// Where an answer goes.
#[derive(Clone, Debug)]
pub(super) enum ReplyTo {
    /// To the person alone, by the request's response_url; in the thread where a button was clicked.
    Url { url: String, channel: String, thread_ts: Option<String>, user: String },
    /// To the person alone, in a thread; directly, where Slack does not take that.
    Thread { channel: String, thread_ts: Option<String>, user: String },
    /// To the person, into the direct conversation with them.
    Person { user: String },
    /// Into a direct conversation.
    Direct { channel: String, thread_ts: Option<String> },
}

impl Requests {
    pub(super) async fn reply(&self, to: &ReplyTo, message: &Message) {
        let Some((client, _)) = &self.0.slack else { return };
        let sent = match to {
            ReplyTo::Url { url, channel, thread_ts, user } => {
                let thread_ts = thread_ts.as_deref();
                match client.respond(url, message, Answer { thread_ts, ..Answer::default() }).await {
                    Ok(()) => Ok(()),
                    // A response_url lives for half an hour; a request may have waited longer.
                    Err(error) => {
                        tracing::warn!(%error, "could not answer by response_url; trying an ephemeral message");
                        client.post_ephemeral(Place { channel, thread_ts }, user, message).await
                    }
                }
            }
            ReplyTo::Thread { channel, thread_ts, user } => {
                let place = Place { channel, thread_ts: thread_ts.as_deref() };
                match client.post_ephemeral(place, user, message).await {
                    // They may have been told, and are not told twice.
                    Ok(()) | Err(CallError::Ambiguous(_)) => Ok(()),
                    Err(error) => {
                        tracing::warn!(%error, "could not answer where it was asked; answering directly");
                        directly(client, user, message).await
                    }
                }
            }
            ReplyTo::Person { user } => directly(client, user, message).await,
            ReplyTo::Direct { channel, thread_ts } => {
                let place = Place { channel, thread_ts: thread_ts.as_deref() };
                client.post(Post { place, broadcast: false, message, key: None }).await.map(drop)
            }
        };
        if let Err(error) = sent {
            tracing::warn!(%error, "an answer did not reach its person");
        }
    }
}

/// The thread that a clicked message is in; none for a card, above its own thread.
pub(super) fn thread_of_click(message_ts: Option<&str>, thread_ts: Option<&str>) -> Option<String> {
    thread_ts.filter(|thread| message_ts != Some(thread)).map(str::to_owned)
}

async fn directly(client: &SlackClient, user: &str, message: &Message) -> Result<(), CallError> {
    let channel = client.open_dm(user).await?;
    let place = Place { channel: &channel, thread_ts: None };
    client.post(Post { place, broadcast: false, message, key: None }).await.map(drop)
}
