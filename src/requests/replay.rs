//! `replay`: the form that asks for its times, and what is answered at once: how replays stand, which there were, and
//! cancelling the run that looks after one.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde_json::Value;

use super::reply::ReplyTo;
use super::{Ack, Asked, Inbound, Requests, Response};
use crate::command::{self, ReplayField};
use crate::domain::{Command, Environment, Run};
use crate::slack::view::{self, Carried, ReplayForm, replay_input};
use crate::store::StoreError;

/// How long AWS is asked before the answer says that it could not be.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long before now the proposed window ends: events take so long to arrive in the archive.
const ARRIVAL: SignedDuration = SignedDuration::from_mins(10);

impl Requests {
    /// Opens the form at once, because Slack's trigger is good for three seconds. It is not recorded: it asks for nothing
    /// yet.
    pub(super) fn take_for_replay_form(&self, typed: Inbound, key: String, environment: String) -> Ack {
        if let Some(under_way) = self.alone(key) {
            let requests = self.clone();
            self.0.tasks.spawn(async move {
                let _under_way = under_way;
                requests.open_replay_form(typed, &environment).await;
            });
        }
        Ack::default()
    }

    async fn open_replay_form(&self, typed: Inbound, environment: &str) {
        let Inbound::Slash { channel, user, trigger_id, response_url, .. } = typed else { return };
        let (Some((client, _)), Some(environment)) = (&self.0.slack, self.0.config.environments.get(environment))
        else {
            return;
        };
        let reply = ReplyTo::Url { url: response_url, channel: channel.clone(), thread_ts: None, user };
        let carried = Carried { value: environment.name.clone(), channel, message_ts: None, thread_ts: None };
        let zone = environment.window.as_ref().map_or("UTC", |window| window.zone.as_str());
        let form = TimeZone::get(zone).ok().and_then(|here| {
            let now = self.0.engine.clock().now();
            let end = now.checked_sub(ARRIVAL).unwrap_or(now).to_zoned(here).datetime();
            // Whole minutes, as the pickers have them.
            let end = end.with().second(0).subsec_nanosecond(0).build().unwrap_or(end);
            let begin = end.checked_sub(1.hour()).unwrap_or(end);
            view::replay_form(&ReplayForm { environment, zone, window: (begin, end) }, &carried)
        });
        let opened = match form {
            Some(form) => client.views_open(&trigger_id, &form).await.map_err(|error| error.to_string()),
            None => Err("there is no form that Slack would take".to_owned()),
        };
        if let Err(error) = opened {
            tracing::warn!(%error, "the form for a replay could not be opened");
            let text = format!(
                "Slack did not open the form that asks for the times. Nothing was done. Type them instead: `{}`",
                self.replay_typed(&environment.name)
            );
            self.reply(&reply, &view::refused(&text)).await;
        }
    }

    fn replay_typed(&self, environment: &str) -> String {
        format!(
            "{} replay start {environment} --from \"2026-11-20 09:00\" --to \"2026-11-20 12:00\"",
            self.0.house.command_word
        )
    }

    /// What is wrong with a form that was sent in, said in the form.
    pub(super) fn replay_form_refused(&self, private_metadata: &str, state: &Value, now: Timestamp) -> Option<Ack> {
        let carried = Carried::read(private_metadata)?;
        let (field, problem) = self.replay_of_form(&carried.value, state, now).err()?;
        let input = match field {
            ReplayField::From => replay_input::FROM_DATE,
            ReplayField::To => replay_input::TO_DATE,
            ReplayField::Rules => replay_input::RULES,
        };
        Some(Ack { body: None, response_action: Some(view::replay_refused(input, &problem)) })
    }

    /// The command that a form asks for, or which of its inputs is wrong and why.
    pub(super) fn replay_of_form(
        &self,
        environment: &str,
        state: &Value,
        now: Timestamp,
    ) -> Result<Command, (ReplayField, String)> {
        let choice = view::replay_choice(state);
        let chosen =
            command::ReplayTimes { from: &choice.from, to: &choice.to, rules: choice.rules, even_off: choice.even_off };
        command::replay_of(environment, chosen, &self.0.context, now)
    }

    /// Without times and without a form there is nothing to begin.
    pub(super) fn replay_needs_times(&self, environment: &str) -> Response {
        let text = format!(
            "From when until when? Write it like `{}`, or type `{} replay {environment}` as a command in a channel: then a \
             form asks.",
            self.replay_typed(environment),
            self.0.house.command_word,
        );
        Response::Refuse(view::refused(&text))
    }

    /// `replay status` and `replay list`.
    pub(super) async fn replays(&self, environment: &Environment, list: bool) -> Result<Response, StoreError> {
        let name = &environment.name;
        let Some(place) = self.0.engine.place(name) else { return Err(StoreError::NoRun) };
        let Ok(answer) = tokio::time::timeout(PATIENCE, place.replays()).await else {
            return Ok(Response::Refuse(view::refusal("EventBridge did not answer in time. Ask again.")));
        };
        Ok(match answer {
            Err(error) => {
                Response::Refuse(view::refusal(&format!("The replays of {name} could not be read: {error}.")))
            }
            Ok(None) => {
                let text = format!("There is no archive {} (`archive` in the configuration).", environment.archive);
                Response::Refuse(view::refusal(&text))
            }
            Ok(Some(replays)) if list => Response::Say(view::replay_list(name, &replays)),
            Ok(Some(replays)) => {
                let run = self.replaying(name).await?;
                Response::Say(view::replay_status(name, &replays, run.as_ref(), &self.0.house.command_word))
            }
        })
    }

    /// The run that looks after a replay of this environment.
    pub(super) async fn replaying(&self, environment: &str) -> Result<Option<Run>, StoreError> {
        let store = self.0.engine.store();
        for id in store.live_runs(environment).await? {
            if let Some(run) = store.run(id).await?.filter(|run| matches!(run.command, Command::ReplayStart { .. })) {
                return Ok(Some(run));
            }
        }
        Ok(None)
    }

    /// `replay cancel`: the run is cancelled, and with it the replay.
    pub(super) async fn cancel_replay(&self, asked: Asked, environment: &str) -> Result<Response, StoreError> {
        let Some(run) = self.replaying(environment).await? else {
            let text = format!(
                "No run of mine replays anything in {environment}. A replay that was started elsewhere shows in `{} replay \
                 status {environment}`, and is cancelled where it was started.",
                self.0.house.command_word
            );
            return Ok(Response::Refuse(view::refused(&text)));
        };
        let command = Command::Cancel { run: run.id };
        let asked = Asked { command, about: Some(run.clone()), ..asked };
        self.steer(&asked, &run).await
    }
}
