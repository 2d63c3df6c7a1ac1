//! From the bytes that Slack sends to [`Inbound`]. By hand and tolerantly: a member that is missing, new or of another
//! type than expected costs that member, not the request.

use serde_json::Value;

use super::Inbound;

impl Inbound {
    /// Reads the raw body of a request to the events URL: a slash command, an interaction or an event.
    pub fn from_http(body: &[u8]) -> Self {
        if body.trim_ascii_start().starts_with(b"{") {
            return match serde_json::from_slice::<Value>(body) {
                Ok(value) => Self::from_event(&value),
                Err(_) => ignored("a body that is not JSON"),
            };
        }
        let mut form = serde_json::Map::new();
        for (key, value) in form_urlencoded::parse(body) {
            form.entry(key.into_owned()).or_insert_with(|| Value::String(value.into_owned()));
        }
        if let Some(Value::String(payload)) = form.get("payload") {
            return match serde_json::from_str::<Value>(payload) {
                Ok(value) => Self::from_interaction(&value),
                Err(_) => ignored("an interaction that is not JSON"),
            };
        }
        Self::from_slash(&Value::Object(form))
    }

    /// Reads the payload of a Socket Mode envelope of type `kind`.
    pub fn from_envelope(kind: &str, payload: &Value) -> Self {
        match kind {
            "slash_commands" => Self::from_slash(payload),
            "interactive" => Self::from_interaction(payload),
            "events_api" => Self::from_event(payload),
            other => ignored(format!("an envelope of kind {}", name(other))),
        }
    }

    fn from_slash(form: &Value) -> Self {
        if told(form, "ssl_check") {
            return Self::SslCheck;
        }
        let (Some(command), Some(user), Some(channel)) =
            (text_at(form, "/command"), text_at(form, "/user_id"), text_at(form, "/channel_id"))
        else {
            return ignored("a form that is no slash command");
        };
        Self::Slash {
            team: or_empty(form, "/team_id"),
            channel,
            channel_name: or_empty(form, "/channel_name"),
            user,
            user_team: text_at(form, "/user_team").or_else(|| text_at(form, "/user_team_id")),
            text: or_empty(form, "/text"),
            command,
            trigger_id: or_empty(form, "/trigger_id"),
            response_url: or_empty(form, "/response_url"),
            is_enterprise_install: told(form, "is_enterprise_install"),
        }
    }

    fn from_interaction(payload: &Value) -> Self {
        let Some(user) = text_at(payload, "/user/id") else {
            return ignored("an interaction of nobody");
        };
        let user_team = text_at(payload, "/user/team_id");
        let team = or_empty(payload, "/team/id");
        let trigger_id = or_empty(payload, "/trigger_id");
        match or_empty(payload, "/type").as_str() {
            "block_actions" => {
                let Some(action) = payload.pointer("/actions/0") else {
                    return ignored("an interaction without an action");
                };
                let first = |paths: &[&str]| paths.iter().find_map(|path| text_at(payload, path));
                Self::Action {
                    team,
                    user,
                    user_team,
                    channel: first(&["/channel/id", "/container/channel_id"]),
                    message_ts: first(&["/container/message_ts", "/message/ts"]),
                    thread_ts: first(&["/container/thread_ts", "/message/thread_ts"]),
                    action_id: or_empty(action, "/action_id"),
                    block_id: or_empty(action, "/block_id"),
                    value: text_at(action, "/value"),
                    selected: selected(action),
                    trigger_id,
                    response_url: or_empty(payload, "/response_url"),
                    state: first_value(payload, &["/state/values", "/view/state/values"]),
                }
            }
            "view_submission" => Self::ViewSubmission {
                team,
                user,
                user_team,
                view_id: or_empty(payload, "/view/id"),
                callback_id: or_empty(payload, "/view/callback_id"),
                private_metadata: or_empty(payload, "/view/private_metadata"),
                hash: or_empty(payload, "/view/hash"),
                state: first_value(payload, &["/view/state/values"]),
                trigger_id,
                shown: None,
            },
            other => ignored(format!("an interaction of kind {}", name(other))),
        }
    }

    fn from_event(outer: &Value) -> Self {
        match or_empty(outer, "/type").as_str() {
            "url_verification" => return Self::UrlVerification { challenge: or_empty(outer, "/challenge") },
            "event_callback" => {}
            other => return ignored(format!("a callback of kind {}", name(other))),
        }
        let Some(event) = outer.get("event") else {
            return ignored("a callback without an event");
        };
        let kind = or_empty(event, "/type");
        let Some(user) = text_at(event, "/user") else {
            return ignored(format!("an event of nobody, of kind {}", name(&kind)));
        };
        if of_a_bot(outer, event, &user) {
            return ignored("an event of a bot");
        }
        let event_id = or_empty(outer, "/event_id");
        let team = or_empty(outer, "/team_id");
        // A message of somebody from another organisation says so in the first two; `team` is set for everybody.
        let user_team = ["/user_team", "/source_team", "/team"].iter().find_map(|path| text_at(event, path));
        let (channel, text, ts) = (or_empty(event, "/channel"), or_empty(event, "/text"), or_empty(event, "/ts"));
        let thread_ts = text_at(event, "/thread_ts");
        match kind.as_str() {
            "app_mention" if event.get("edited").is_some() => ignored("an edited mention"),
            "app_mention" => Self::Mention {
                event_id,
                team,
                channel,
                user,
                user_team,
                text,
                ts,
                thread_ts,
                ext_shared: outer.get("is_ext_shared_channel").and_then(Value::as_bool),
            },
            "message" if or_empty(event, "/channel_type") == "im" => match text_at(event, "/subtype").as_deref() {
                None | Some("file_share" | "thread_broadcast") => {
                    Self::DirectMessage { event_id, team, channel, user, user_team, text, ts, thread_ts }
                }
                Some(other) => ignored(format!("a direct message of kind {}", name(other))),
            },
            "message" => ignored("a message in a channel"),
            "app_home_opened" => Self::HomeOpened { event_id, team, user },
            other => ignored(format!("an event of kind {}", name(other))),
        }
    }
}

/// Our own messages come back to us as events, and two bots that answer each other never stop.
fn of_a_bot(outer: &Value, event: &Value, user: &str) -> bool {
    let ourselves = outer.get("authorizations").and_then(Value::as_array).is_some_and(|installed| {
        installed.iter().any(|one| {
            one.get("is_bot").and_then(Value::as_bool) == Some(true)
                && text_at(one, "/user_id").as_deref() == Some(user)
        })
    });
    ourselves
        || text_at(event, "/bot_id").is_some()
        || event.get("bot_profile").is_some_and(Value::is_object)
        || text_at(event, "/subtype").as_deref() == Some("bot_message")
}

/// What was chosen, whichever element it was chosen in.
fn selected(action: &Value) -> Vec<String> {
    const ONE: [&str; 7] = [
        "/selected_option/value",
        "/selected_user",
        "/selected_channel",
        "/selected_conversation",
        "/selected_date",
        "/selected_time",
        "/selected_date_time",
    ];
    let one = ONE.iter().filter_map(|path| match action.pointer(path) {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    });
    let options = action.get("selected_options").and_then(Value::as_array).into_iter().flatten();
    let options = options.filter_map(|option| text_at(option, "/value"));
    let many = ["selected_users", "selected_channels", "selected_conversations"];
    let many = many.iter().filter_map(|key| action.get(key).and_then(Value::as_array)).flatten();
    one.chain(options).chain(many.filter_map(Value::as_str).map(str::to_owned)).collect()
}

/// The text at `path`; none when it is missing, empty or no text.
fn text_at(value: &Value, path: &str) -> Option<String> {
    value.pointer(path).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn or_empty(value: &Value, path: &str) -> String {
    text_at(value, path).unwrap_or_default()
}

fn first_value(value: &Value, paths: &[&str]) -> Value {
    paths.iter().find_map(|path| value.pointer(path)).cloned().unwrap_or(Value::Null)
}

/// A flag, as forms (`1`, `true`) and JSON write it.
fn told(value: &Value, key: &str) -> bool {
    match value.get(key) {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::String(text)) => text == "1" || text == "true",
        Some(Value::Number(number)) => number.as_i64() == Some(1),
        _ => false,
    }
}

/// A kind's name as it may go to a log: short and plain, whatever was sent.
fn name(kind: &str) -> String {
    let plain: String = kind.chars().filter(|c| c.is_ascii_alphanumeric() || "_-.".contains(*c)).take(40).collect();
    if plain.is_empty() { "(none)".to_owned() } else { plain }
}

fn ignored(why: impl Into<String>) -> Inbound {
    Inbound::Ignored { why: why.into() }
}
