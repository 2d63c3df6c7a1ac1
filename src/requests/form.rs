//! Clicks that need a reason or a code: a form is opened at once, because Slack's trigger is good for three seconds. Such a click
//! is not recorded: it asks for nothing yet, and after a restart its form could not be opened any more.

use std::time::Duration;

use super::click::{self, Pressed};
use super::reply::{ReplyTo, thread_of_click};
use super::{Ack, Inbound, Requests};
use crate::command::escape;
use crate::domain::Command;
use crate::slack::message::Message;
use crate::slack::view::{self, Carried, action};

/// How long is looked whether the form is of any use, before it is opened all the same.
const LOOK_PATIENCE: Duration = Duration::from_millis(500);

/// Whether a form of this name asks for a reason.
pub(super) fn asks_why(callback_id: &str) -> bool {
    [action::REJECT, action::OVERRIDE, action::OBJECT, action::SKIP].contains(&callback_id)
}

impl Requests {
    pub(super) fn take_for_form(&self, click: Inbound, key: String, command: Command, pressed: Pressed) -> Ack {
        if let Some(under_way) = self.alone(key) {
            let requests = self.clone();
            self.0.tasks.spawn(async move {
                let _under_way = under_way;
                match command {
                    Command::Enrol { .. } => requests.show_secret(click).await,
                    command => requests.open_form(click, command, pressed).await,
                }
            });
        }
        Ack::default()
    }

    async fn open_form(&self, clicked: Inbound, command: Command, pressed: Pressed) {
        let Inbound::Action {
            team,
            user,
            user_team,
            channel,
            message_ts,
            thread_ts,
            value,
            trigger_id,
            response_url,
            ..
        } = clicked
        else {
            return;
        };
        let (Some((client, _)), Some(channel)) = (&self.0.slack, channel) else { return };
        let thread = thread_of_click(message_ts.as_deref(), thread_ts.as_deref());
        let reply = ReplyTo::Url { url: response_url, channel: channel.clone(), thread_ts: thread, user: user.clone() };
        let run = match tokio::time::timeout(LOOK_PATIENCE, self.about(&command)).await {
            Ok(Ok(Some(run))) => {
                if let Some(over) = self.is_out_of_date(&run, &command, &pressed) {
                    return self.reply(&reply, &over).await;
                }
                Some(run)
            }
            Ok(Ok(None)) => {
                return self.reply(&reply, &view::refusal("There is no such run. Nothing was done.")).await;
            }
            // The form can be filled in meanwhile.
            Ok(Err(_)) | Err(_) => None,
        };
        let carried = Carried { value: value.unwrap_or_default(), channel, message_ts, thread_ts };
        let form = if let Command::Approve { .. } = command {
            let who = (user.as_str(), user_team.as_deref().unwrap_or(&team));
            if let Some(said) = self.no_code_of_use(who, &carried.channel, (&command, &pressed)).await {
                return self.reply(&reply, &said).await;
            }
            let there = run.as_ref().map_or("production", |run| run.environment.as_str());
            view::code_form(run.as_ref(), there, &carried)
        } else {
            view::reason_form(&command, run.as_ref(), &carried)
        };
        let Some(form) = form else {
            return self.reply(&reply, &self.typed_instead(command)).await;
        };
        if let Err(error) = client.views_open(&trigger_id, &form).await {
            tracing::warn!(%error, "a form could not be opened");
            self.reply(&reply, &self.typed_instead(command)).await;
        }
    }

    fn typed_instead(&self, command: Command) -> Message {
        if let Command::Approve { .. } = command {
            return view::refusal(
                "Slack did not open the form that asks for your code. Nothing was decided. Press again.",
            );
        }
        let typed = click::with_reason(command, "why".to_owned()).text();
        let typed = escape(&format!("{} {typed}", self.0.house.command_word));
        view::refused(&format!(
            "Slack did not open the form that asks why. Nothing was done. Type it instead: `{typed}`"
        ))
    }
}
