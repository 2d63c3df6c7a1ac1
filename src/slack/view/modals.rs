//! The forms that ask a person why: what Slack shows, what it carries, and what comes back.
//!
//! A form carries what the button said. Nothing of that is believed when it comes back: it is read anew like the click.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::markup::{Markup, clip, length, md};
use super::{action, words};
use crate::domain::{Command, Run};

/// Characters in a form's title.
pub const MAX_TITLE: usize = 24;
/// Characters that a form can carry.
pub const MAX_CARRIED: usize = 3000;
/// Characters in a reason.
pub const MAX_REASON: usize = 500;
/// The block and the element that the reason is typed into.
const REASON: &str = "reason";

/// What a form carries from the click to its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// The button's value.
    pub value: String,
    /// The channel of the button's message.
    pub channel: String,
    /// The message.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub message_ts: Option<String>,
    /// The thread that the message is in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub thread_ts: Option<String>,
}

impl Carried {
    /// What Slack gave back. None when it is not what a form of ours carries.
    pub fn read(private_metadata: &str) -> Option<Self> {
        serde_json::from_str(private_metadata).ok()
    }
}

/// The form that asks why for `command`, as a view for `views.open`. None for commands that need no reason, and when
/// Slack would not carry what has to be carried.
pub fn reason_form(command: &Command, run: Option<&Run>, carried: &Carried) -> Option<Value> {
    let (callback_id, title, submit, meaning) = wording(command)?;
    let private_metadata = serde_json::to_string(carried).ok().filter(|json| length(json) <= MAX_CARRIED)?;
    let about = run.map(|run| md!("{}: {}", md!("{}", run.id).bold(), clip(&words::subject(&run.command), 150)));
    let text = Markup::join(about.into_iter().chain([meaning]), "\n").cut(2900);
    Some(json!({
        "type": "modal",
        "callback_id": callback_id,
        "private_metadata": private_metadata,
        "title": plain(&clip(&title, MAX_TITLE)),
        "submit": plain(submit),
        "close": plain("Never mind"),
        "blocks": [
            {"type": "section", "text": {"type": "mrkdwn", "text": text.as_str(), "verbatim": true}},
            {
                "type": "input",
                "block_id": REASON,
                "label": plain("Why?"),
                "hint": plain("Everybody in the thread reads it, and it is journalled."),
                "element": {
                    "type": "plain_text_input",
                    "action_id": REASON,
                    "multiline": true,
                    "max_length": MAX_REASON,
                    "focus_on_load": true,
                },
            },
        ],
    }))
}

/// The callback id, the title, the word on the button, and what sending it in means.
fn wording(command: &Command) -> Option<(&'static str, String, &'static str, Markup)> {
    Some(match command {
        Command::Reject { run, .. } => (
            action::REJECT,
            format!("Reject {run}"),
            "Reject",
            md!("What was asked for is not done. Nothing is changed by this."),
        ),
        Command::Override { run, safeguard, .. } => (
            action::OVERRIDE,
            format!("Override for {run}"),
            "Override",
            md!(
                "The safeguard {} does not hold this plan up any more. That needs one approval more, and stakeholders are \
                 told.",
                Markup::code(&clip(safeguard, 60))
            ),
        ),
        Command::Object { run, .. } => (
            action::OBJECT,
            format!("Object to {run}"),
            "Object",
            md!("The run is paused: nothing new begins until somebody other than who asked for it lets it go on."),
        ),
        Command::Skip { run, .. } => (
            action::SKIP,
            format!("Skip a step of {run}"),
            "Skip",
            md!("The step is left out and the run goes on; in production once that is approved."),
        ),
        _ => return None,
    })
}

/// The reason in the inputs of a form that was sent in, or what is wrong with it.
///
/// # Errors
/// With a sentence for the person.
pub fn reason(state: &Value) -> Result<String, &'static str> {
    let typed = state[REASON][REASON]["value"].as_str().unwrap_or_default().trim();
    if typed.is_empty() {
        Err("Please say why, in a few words.")
    } else if typed.chars().count() > MAX_REASON {
        Err("Please say it in at most 500 characters.")
    } else {
        Ok(typed.to_owned())
    }
}

/// The answer to a form that keeps it open and says what is wrong with the reason.
pub fn reason_refused(problem: &str) -> Value {
    json!({"response_action": "errors", "errors": {REASON: problem}})
}

fn plain(text: &str) -> Value {
    json!({"type": "plain_text", "text": text, "emoji": true})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::RunId;

    fn commands() -> [Command; 4] {
        let (run, reason) = (RunId(i64::MAX), String::new());
        [
            Command::Reject { run, reason: reason.clone() },
            Command::Override { run, safeguard: "<!channel>".repeat(30), reason: reason.clone() },
            Command::Object { run, reason: reason.clone() },
            Command::Skip { run, reason },
        ]
    }

    fn carried(value: &str) -> Carried {
        Carried {
            value: value.to_owned(),
            channel: "C1".to_owned(),
            message_ts: None,
            thread_ts: Some("1.2".to_owned()),
        }
    }

    #[test]
    fn forms_keep_to_slacks_limits_and_carry_what_they_are_given() {
        for command in commands() {
            let carried = carried("R-1 x");
            let form = reason_form(&command, None, &carried).unwrap();
            assert!(form["title"]["text"].as_str().unwrap().chars().count() <= MAX_TITLE, "{form}");
            assert!(form["submit"]["text"].as_str().unwrap().chars().count() <= MAX_TITLE, "{form}");
            assert_eq!(form["blocks"][1]["element"]["max_length"], 500);
            assert!(!form["blocks"][0]["text"]["text"].as_str().unwrap().contains("<!"), "{form}");
            assert_eq!(Carried::read(form["private_metadata"].as_str().unwrap()), Some(carried));
        }
    }

    #[test]
    fn what_slack_would_not_carry_makes_no_form() {
        let [reject, ..] = commands();
        assert!(reason_form(&reject, None, &carried(&"ä".repeat(2900))).is_some());
        assert!(reason_form(&reject, None, &carried(&"ä".repeat(3000))).is_none());
        assert!(reason_form(&Command::Pause { run: RunId(1) }, None, &carried("R-1")).is_none());
    }

    #[test]
    fn what_comes_back_is_read_with_care() {
        for text in ["", "{}", "[]", "null", "R-1", "{\"value\":1,\"channel\":\"C1\"}"] {
            assert_eq!(Carried::read(text), None, "{text}");
        }
        let state = |value: Value| json!({REASON: {REASON: {"type": "plain_text_input", "value": value}}});
        assert_eq!(reason(&state(json!("  too risky\nnow "))), Ok("too risky\nnow".to_owned()));
        let long = state(json!("x".repeat(501)));
        for state in [state(json!("  ")), state(Value::Null), state(json!(7)), Value::Null, json!([]), long] {
            assert!(reason(&state).is_err(), "{state}");
        }
    }
}
