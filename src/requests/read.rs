//! What an inbound request means, as far as its words tell: what is asked, by whom, where, and where the answer goes.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::Requests;
use super::click::{self, Click, Pressed};
use super::reply::{ReplyTo, thread_of_click};
use crate::command::{self, Context, Parsed};
use crate::domain::{Command, Origin, RunId, SlackPlace};
use crate::policy::Place;
use crate::slack::inbound::Inbound;
use crate::slack::message::Message;
use crate::slack::view::{self, Carried};
use crate::step_up::Shown;
use crate::store::StoreError;

/// How often, and how long after one another, a thread is looked for whose message is being posted.
const THREAD_LOOKS: u32 = 20;
const THREAD_LOOK: Duration = Duration::from_millis(100);

/// What an inbound request turns out to be.
#[expect(clippy::large_enum_variant, reason = "there is one at a time, and it is taken apart at once")]
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

impl Requests {
    /// What a request means, as far as its words tell. Times in them count from when it arrived.
    pub(super) async fn read(&self, inbound: Inbound, arrived: Timestamp) -> Result<Read, StoreError> {
        Ok(match inbound {
            Inbound::Slash { team, channel, user, user_team, text, response_url, .. } => {
                let reply =
                    ReplyTo::Url { url: response_url, channel: channel.clone(), thread_ts: None, user: user.clone() };
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
                let thread = thread_of_click(message_ts.as_deref(), thread_ts.as_deref());
                let reply =
                    ReplyTo::Url { url: response_url, channel: channel.clone(), thread_ts: thread, user: user.clone() };
                let who = Who { user, team: user_team.unwrap_or(team) };
                let place = place_of(&channel);
                let origin = Origin::Slack(SlackPlace { channel, thread_ts: thread_ts.or(message_ts) });
                let from = (who, place, origin, reply);
                self.clicked(click::read(&action_id, &value.unwrap_or_default()), arrived, from)
            }
            Inbound::ViewSubmission { team, user, user_team, callback_id, private_metadata, state, shown, .. } => {
                let who = Who { user, team: user_team.unwrap_or(team) };
                if callback_id == view::action::REPLAY {
                    return Ok(self.replay_sent_in(&private_metadata, &state, arrived, who));
                }
                sent_in(&callback_id, &private_metadata, (&state, shown), who)
            }
            Inbound::HomeOpened { team, user, .. } if team == self.0.house.workspace => Read::Home { user },
            Inbound::HomeOpened { .. }
            | Inbound::UrlVerification { .. }
            | Inbound::SslCheck
            | Inbound::Ignored { .. } => Read::Nothing,
        })
    }

    /// The form for a replay: the command is made of what was chosen in it, and of nothing that it carries but the
    /// environment's name.
    fn replay_sent_in(&self, private_metadata: &str, state: &Value, arrived: Timestamp, who: Who) -> Read {
        let Some(Carried { value, channel, thread_ts, .. }) = Carried::read(private_metadata) else {
            return Read::Say { message: garbled(), reply: ReplyTo::Person { user: who.user } };
        };
        let reply = ReplyTo::Thread { channel: channel.clone(), thread_ts, user: who.user.clone() };
        match self.replay_of_form(&value, state, arrived) {
            Ok(command) => {
                let place = place_of(&channel);
                let origin = Origin::Slack(SlackPlace { channel, thread_ts: None });
                asking(command, Pressed { by_button: true, ..Pressed::default() }, (who, place, origin, reply))
            }
            Err((_, problem)) => Read::Say { message: view::refused(&problem), reply },
        }
    }

    fn clicked(&self, click: Click, arrived: Timestamp, from: (Who, Place, Origin, ReplyTo)) -> Read {
        match click {
            Click::Ask(command, pressed) => asking(command, pressed, from),
            Click::Typed(words, queued) => match parsed(&words, arrived, &self.0.context, from) {
                Read::Ask { parsed, who, place, origin, reply, .. } => {
                    Read::Ask { parsed, who, place, origin, pressed: queued, reply }
                }
                other @ (Read::Say { .. } | Read::Home { .. } | Read::Nothing) => other,
            },
            Click::Garbled => Read::Say { message: garbled(), reply: from.3 },
            // What lacks its reason gets a form before it is recorded.
            Click::Why(..) | Click::Unknown => Read::Nothing,
        }
    }

    async fn run_of_thread(&self, channel: &str, thread_ts: &str) -> Result<Option<(RunId, String)>, StoreError> {
        let store = self.0.engine.store();
        let mut looks = 0;
        // Somebody may write into a thread before it is recorded that Slack has taken the message it hangs on.
        let found = loop {
            looks += 1;
            let may_come = looks < THREAD_LOOKS && store.is_posting(channel).await?;
            match store.run_of_thread(channel, thread_ts).await? {
                None if may_come => tokio::time::sleep(THREAD_LOOK).await,
                found => break found,
            }
        };
        Ok(match found {
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
pub(super) fn place_of(channel: &str) -> Place {
    if channel.starts_with('D') { Place::DirectMessage } else { Place::Channel(channel.to_owned()) }
}

/// A form that was sent in: read like the click that opened it, with its reason. Nothing that it carries is believed
/// beyond what a button could say. `inputs` are what was typed and what was found of a one-time code among it.
fn sent_in(callback_id: &str, private_metadata: &str, inputs: (&Value, Option<Shown>), who: Who) -> Read {
    let (state, shown) = inputs;
    let Some(carried) = Carried::read(private_metadata) else {
        return match click::read(callback_id, "") {
            Click::Unknown => Read::Nothing,
            _ => Read::Say { message: garbled(), reply: ReplyTo::Person { user: who.user } },
        };
    };
    let Carried { value, channel, message_ts, thread_ts } = carried;
    let reply = ReplyTo::Thread { channel: channel.clone(), thread_ts: thread_ts.clone(), user: who.user.clone() };
    let place = place_of(&channel);
    let origin = Origin::Slack(SlackPlace { channel, thread_ts: thread_ts.or(message_ts) });
    match (click::read(callback_id, &value), shown) {
        (Click::Ask(command @ Command::Approve { .. }, pressed), Some(_)) => {
            asking(command, Pressed { shown, note: view::note(state), ..pressed }, (who, place, origin, reply))
        }
        // It is told where nobody else reads it, whatever became of the conversation that the form was opened from.
        (Click::Why(command @ Command::Enrol { .. }, pressed), Some(_)) => {
            let reply = ReplyTo::Person { user: who.user.clone() };
            asking(command, Pressed { shown, ..pressed }, (who, place, origin, reply))
        }
        (Click::Why(Command::Enrol { .. }, _), None) => Read::Say { message: garbled(), reply },
        (Click::Why(command, pressed), _) => match view::reason(state) {
            Ok(why) => asking(click::with_reason(command, why), pressed, (who, place, origin, reply)),
            Err(problem) => Read::Say { message: view::refusal(problem), reply },
        },
        (Click::Unknown, _) => Read::Nothing,
        (Click::Ask(..) | Click::Typed(..) | Click::Garbled, _) => Read::Say { message: garbled(), reply },
    }
}

fn asking(command: Command, pressed: Pressed, from: (Who, Place, Origin, ReplyTo)) -> Read {
    let (who, place, origin, reply) = from;
    Read::Ask { parsed: Box::new(Parsed { text: command.text(), command }), who, place, origin, pressed, reply }
}

fn garbled() -> Message {
    view::refusal("That button cannot be read, and nothing was done. Type the command instead; `help` lists them.")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::slack::view::action;

    fn send(callback_id: &str, metadata: &str, reason: &str) -> Read {
        let state = json!({"reason": {"reason": {"type": "plain_text_input", "value": reason}}});
        sent_in(callback_id, metadata, (&state, None), Who { user: "U1".to_owned(), team: "T1".to_owned() })
    }

    #[test]
    fn a_form_that_is_sent_in_is_the_command_with_its_reason_answered_in_the_thread() {
        let metadata = r#"{"value":"R-5","channel":"C1","message_ts":"2.0","thread_ts":"1.0"}"#;
        let Read::Ask { parsed, place, reply, pressed, .. } = send(action::OBJECT, metadata, " not <now> ") else {
            panic!("it asks for something");
        };
        assert_eq!(parsed.command, Command::Object { run: RunId(5), reason: "not <now>".to_owned() });
        assert_eq!(place, Place::Channel("C1".to_owned()));
        assert!(pressed.by_button);
        let ReplyTo::Thread { channel, thread_ts, user } = reply else { panic!("it is answered in the thread") };
        assert_eq!((channel.as_str(), thread_ts.as_deref(), user.as_str()), ("C1", Some("1.0"), "U1"));
    }

    #[test]
    fn a_form_that_we_did_not_make_asks_for_nothing() {
        let metadata = |value: &str| format!(r#"{{"value":"{value}","channel":"C1"}}"#);
        for (callback_id, metadata) in [
            (action::OBJECT, metadata("R-x")),
            (action::OBJECT, String::new()),
            (action::SKIP, metadata("R-5")),
            // A form never stands for what needs no reason.
            (action::APPROVE, metadata("R-5")),
            (action::CANCEL, metadata("R-5")),
            (action::ROLL_BACK, metadata("prod")),
            (action::QUEUE, metadata("enable all prod")),
            // No code was shown.
            (action::ENROL, metadata("0")),
        ] {
            assert!(matches!(send(callback_id, &metadata, "why"), Read::Say { .. }), "{callback_id} {metadata}");
        }
        assert!(matches!(send("other", &metadata("R-5"), "why"), Read::Nothing));
        assert!(matches!(send(action::OBJECT, &metadata("R-5"), "  "), Read::Say { .. }));
    }
}
