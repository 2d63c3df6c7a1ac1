//! Clicks that need a reason: a form is opened at once, because Slack's trigger is good for three seconds. Such a click
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
                requests.ask_why(click, command, pressed).await;
            });
        }
        Ack::default()
    }

    async fn ask_why(&self, clicked: Inbound, command: Command, pressed: Pressed) {
        let Inbound::Action { user, channel, message_ts, thread_ts, value, trigger_id, response_url, .. } = clicked
        else {
            return;
        };
        let (Some((client, _)), Some(channel)) = (&self.0.slack, channel) else { return };
        let thread = thread_of_click(message_ts.as_deref(), thread_ts.as_deref());
        let reply = ReplyTo::Url { url: response_url, channel: channel.clone(), thread_ts: thread, user };
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
        let Some(form) = view::reason_form(&command, run.as_ref(), &carried) else {
            return self.reply(&reply, &self.typed_instead(command)).await;
        };
        if let Err(error) = client.views_open(&trigger_id, &form).await {
            tracing::warn!(%error, "a form that asks for a reason could not be opened");
            self.reply(&reply, &self.typed_instead(command)).await;
        }
    }

    fn typed_instead(&self, command: Command) -> Message {
        let typed = click::with_reason(command, "why".to_owned()).text();
        let typed = escape(&format!("{} {typed}", self.0.house.command_word));
        view::refused(&format!(
            "Slack did not open the form that asks why. Nothing was done. Type it instead: `{typed}`"
        ))
    }
}
