//! What an inbound request means, as far as its words tell: what is asked, by whom, where, and where the answer goes.

use jiff::Timestamp;

use super::Requests;
use super::reply::ReplyTo;
use crate::command::{self, Context, Parsed};
use crate::domain::{Answer, Command, Origin, RunId, SlackPlace, StepId};
use crate::policy::Place;
use crate::slack::inbound::Inbound;
use crate::slack::message::Message;
use crate::slack::view::{self, action};
use crate::store::StoreError;

/// What an inbound request turns out to be.
pub(super) enum Read {
    Ask { parsed: Box<Parsed>, who: Who, place: Place, origin: Origin, pressed: Pressed, reply: ReplyTo },
    Say { message: Message, reply: ReplyTo },
    Home { user: String },
    Nothing,
}

/// A Slack user, before it is known how they stand.
#[derive(Clone, Debug)]
pub(super) struct Who {
    pub(super) user: String,
    pub(super) team: String,
}

/// What a button says beside the words that it stands for.
#[derive(Clone, Debug, Default)]
pub(super) struct Pressed {
    /// Wait for the environment when another run holds it.
    pub(super) queue: bool,
    /// The step whose question it answers: an old card must not answer a newer question.
    pub(super) question: Option<StepId>,
}

impl Requests {
    /// What a request means, as far as its words tell. Times in them count from when it arrived.
    pub(super) async fn read(&self, inbound: Inbound, arrived: Timestamp) -> Result<Read, StoreError> {
        Ok(match inbound {
            Inbound::Slash { team, channel, user, user_team, text, response_url, .. } => {
                let reply = ReplyTo::Url { url: response_url, channel: channel.clone(), user: user.clone() };
                let who = Who { user, team: user_team.unwrap_or(team) };
                let place = place_of(&channel);
                let origin = Origin::Slack(SlackPlace { channel, thread_ts: None });
                parsed(&text, arrived, &self.0.context, (who, place, origin, reply))
            }
            Inbound::Mention { team, channel, user, user_team, text, ts, thread_ts, .. } => {
                let implied = match &thread_ts {
                    Some(thread) => self.run_of_thread(&channel, thread).await.unwrap_or_else(|error| {
                        tracing::warn!(%error, "cannot tell which run's thread it is; the words have to say it");
                        None
                    }),
                    None => None,
                };
                let context = match &implied {
                    Some((run, environment)) => self.0.context.in_thread_of(*run, environment),
                    None => self.0.context.clone(),
                };
                // In a thread the answer belongs there; elsewhere it opens one, so that the channel stays readable.
                let thread_ts = Some(thread_ts.unwrap_or(ts));
                let reply =
                    ReplyTo::Thread { channel: channel.clone(), thread_ts: thread_ts.clone(), user: user.clone() };
                let who = Who { user, team: user_team.unwrap_or(team) };
                let origin = Origin::Slack(SlackPlace { channel: channel.clone(), thread_ts });
                parsed(&text, arrived, &context.typed_after("@alch"), (who, Place::Channel(channel), origin, reply))
            }
            Inbound::DirectMessage { team, channel, user, user_team, text, thread_ts, .. } => {
                let reply = ReplyTo::Direct { channel: channel.clone(), thread_ts };
                let who = Who { user, team: user_team.unwrap_or(team) };
                let origin = Origin::Slack(SlackPlace { channel, thread_ts: None });
                let context = self.0.context.typed_after("");
                parsed(
                    text.strip_prefix(&self.0.house.command_word).unwrap_or(&text),
                    arrived,
                    &context,
                    (who, Place::DirectMessage, origin, reply),
                )
            }
            Inbound::Action {
                team,
                user,
                user_team,
                channel,
                message_ts,
                thread_ts,
                action_id,
                value,
                response_url,
                ..
            } => {
                let Some(channel) = channel else { return Ok(Read::Nothing) };
                let value = value.unwrap_or_default();
                let (words, pressed) = match (clicked(&action_id, &value), action_id.as_str()) {
                    (Some((command, question)), _) => (command.text(), Pressed { queue: false, question }),
                    (None, action::QUEUE) => (value, Pressed { queue: true, question: None }),
                    (None, _) => return Ok(Read::Nothing),
                };
                let reply = ReplyTo::Url { url: response_url, channel: channel.clone(), user: user.clone() };
                let who = Who { user, team: user_team.unwrap_or(team) };
                let place = place_of(&channel);
                let origin = Origin::Slack(SlackPlace { channel, thread_ts: thread_ts.or(message_ts) });
                match parsed(&words, arrived, &self.0.context, (who, place, origin, reply)) {
                    Read::Ask { parsed, who, place, origin, reply, .. } => {
                        Read::Ask { parsed, who, place, origin, pressed, reply }
                    }
                    other => other,
                }
            }
            Inbound::HomeOpened { team, user, .. } if team == self.0.house.workspace => Read::Home { user },
            Inbound::HomeOpened { .. }
            | Inbound::ViewSubmission { .. }
            | Inbound::UrlVerification { .. }
            | Inbound::SslCheck
            | Inbound::Ignored { .. } => Read::Nothing,
        })
    }

    async fn run_of_thread(&self, channel: &str, thread_ts: &str) -> Result<Option<(RunId, String)>, StoreError> {
        let store = self.0.engine.store();
        Ok(match store.run_of_thread(channel, thread_ts).await? {
            Some(id) => store.run(id).await?.map(|run| (id, run.environment)),
            None => None,
        })
    }
}

fn parsed(text: &str, arrived: Timestamp, context: &Context, from: (Who, Place, Origin, ReplyTo)) -> Read {
    let (who, place, origin, reply) = from;
    match command::parse(text, context, arrived).map(Box::new) {
        Ok(parsed) => Read::Ask { parsed, who, place, origin, pressed: Pressed::default(), reply },
        Err(refusal) => Read::Say { message: view::refused(&refusal), reply },
    }
}

/// Slack's ids of direct conversations begin with a D.
fn place_of(channel: &str) -> Place {
    if channel.starts_with('D') { Place::DirectMessage } else { Place::Channel(channel.to_owned()) }
}

/// The command that a button stands for, and the question that it answers. Its value names a run and a step and nothing
/// else; what is true is read from the journal.
fn clicked(action_id: &str, value: &str) -> Option<(Command, Option<StepId>)> {
    let (run, question) = match value.split_once(' ') {
        Some((run, step)) => (run, Some(StepId(step.to_owned()))),
        None => (value, None),
    };
    let run: RunId = run.parse().ok()?;
    let command = match action_id {
        action::CANCEL => Command::Cancel { run },
        action::ANSWER_WAIT => Command::Answer { run, answer: Answer::WaitOn },
        action::ANSWER_CONTINUE => Command::Answer { run, answer: Answer::Continue },
        action::ANSWER_UNDO => Command::Answer { run, answer: Answer::Undo },
        _ => return None,
    };
    Some((command, question))
}
