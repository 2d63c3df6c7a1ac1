//! The forms that ask a person why, or for a one-time code: what Slack shows, what it carries, and what comes back.
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
/// The same of a one-time code.
const CODE: &str = "code";
/// The same of a note.
const NOTE: &str = "note";
/// Characters in what is typed as a code: six digits, and spaces between them.
const MAX_CODE: usize = 12;

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
    let about = run.map(|run| md!("{}: {}", md!("{}", run.id).bold(), clip(&words::subject(&run.command), 150)));
    let text = Markup::join(about.into_iter().chain([meaning]), "\n").cut(2900);
    let why = json!({
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
    });
    form((callback_id, &title, submit), carried, vec![section(&text), why])
}

/// The form that asks for the code of an approval in `environment`. None when Slack would not carry what has to be
/// carried.
pub fn code_form(run: Option<&Run>, environment: &str, carried: &Carried) -> Option<Value> {
    let about = run.map(|run| {
        let subject = clip(&words::subject(&run.command), 150);
        md!("{}: {}, asked by {}", md!("{}", run.id).bold(), subject, Markup::actor(&run.actor))
    });
    let meaning = md!("Approving in {} takes the code that your authenticator app shows now.", clip(environment, 90));
    let text = Markup::join(about.into_iter().chain([meaning]), "\n").cut(2900);
    let title = run.map_or_else(|| "Approve".to_owned(), |run| format!("Approve {}", run.id));
    let note = json!({
        "type": "input",
        "block_id": NOTE,
        "optional": true,
        "label": plain("Note"),
        "hint": plain("Everybody in the thread reads it, and it is journalled. The code is not."),
        "element": {"type": "plain_text_input", "action_id": NOTE, "max_length": MAX_REASON},
    });
    form((action::APPROVE, &title, "Approve"), carried, vec![section(&text), code_input("Code"), note])
}

/// The form that shows a person their secret, and asks for its first code. It goes to `views.open` and nowhere else.
pub fn enrolment_form(secret: &str, url: &str, carried: &Carried) -> Option<Value> {
    let letters: Vec<char> = secret.chars().collect();
    let grouped: Vec<String> = letters.chunks(4).map(|four| four.iter().collect()).collect();
    let secret = md!(
        "1. Add an account in an authenticator app, by time, with this key: {}\nOr open this address with it: {}",
        Markup::code(&grouped.join(" ")),
        Markup::code(url)
    );
    let once = md!("The key is shown this once. Keep it to the app: with it, anybody can make your codes.");
    let blocks = vec![section(&secret), section(&once), code_input("2. The code that the app shows now")];
    form((action::ENROL, "Your second factor", "Set it up"), carried, blocks)
}

/// Takes the one-time code out of the inputs of a form that was sent in.
pub fn take_code(state: &mut Value) -> Option<String> {
    let typed = state.as_object_mut()?.remove(CODE)?;
    typed[CODE]["value"].as_str().map(str::to_owned)
}

/// The answer to a form that keeps it open and says what is wrong with the code.
pub fn code_refused(problem: &str) -> Value {
    json!({"response_action": "errors", "errors": {CODE: problem}})
}

/// The note in the inputs of a form that was sent in.
pub fn note(state: &Value) -> Option<String> {
    let typed = state[NOTE][NOTE]["value"].as_str().unwrap_or_default().trim();
    (!typed.is_empty()).then(|| clip(typed, MAX_REASON))
}

/// A form with a callback id, a title and the word on its button.
pub(super) fn form(
    (callback_id, title, submit): (&str, &str, &str),
    carried: &Carried,
    blocks: Vec<Value>,
) -> Option<Value> {
    let private_metadata = serde_json::to_string(carried).ok().filter(|json| length(json) <= MAX_CARRIED)?;
    Some(json!({
        "type": "modal",
        "callback_id": callback_id,
        "private_metadata": private_metadata,
        "title": plain(&clip(title, MAX_TITLE)),
        "submit": plain(submit),
        "close": plain("Never mind"),
        "blocks": blocks,
    }))
}

pub(super) fn section(text: &Markup) -> Value {
    json!({"type": "section", "text": {"type": "mrkdwn", "text": text.as_str(), "verbatim": true}})
}

fn code_input(label: &str) -> Value {
    json!({
        "type": "input",
        "block_id": CODE,
        "label": plain(label),
        "hint": plain("Six digits. It counts once and is kept nowhere."),
        "element": {
            "type": "plain_text_input",
            "action_id": CODE,
            "min_length": 6,
            "max_length": MAX_CODE,
            "focus_on_load": true,
        },
    })
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

pub(super) fn plain(text: &str) -> Value {
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
    fn a_code_is_taken_out_of_what_was_typed() {
        let input = |name: &str, value: &str| json!({name: {"type": "plain_text_input", "value": value}});
        let mut state = json!({CODE: input(CODE, "123 456"), NOTE: input(NOTE, "  seen <it> ")});
        assert_eq!(take_code(&mut state), Some("123 456".to_owned()));
        assert!(!state.to_string().contains("123 456"), "{state}");
        assert_eq!(note(&state), Some("seen <it>".to_owned()));
        assert_eq!(take_code(&mut state), None);
        for mut state in [Value::Null, json!([]), json!({CODE: 7}), json!({CODE: {CODE: {"value": 7}}})] {
            assert_eq!(take_code(&mut state), None, "{state}");
            assert!(!state.to_string().contains('7'), "{state}");
            assert_eq!(note(&state), None);
        }
    }

    #[test]
    fn the_key_is_grouped_for_typing_and_both_forms_keep_to_slacks_limits() {
        let url = "otpauth://totp/Alch:U0BOB?secret=ABCDEFGHIJKLMNOPQRSTUVWXYZ234567&issuer=Alch";
        let enrolment = enrolment_form("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", url, &carried("0")).unwrap();
        let shown = enrolment["blocks"][0]["text"]["text"].as_str().unwrap();
        assert!(shown.contains("`ABCD EFGH IJKL MNOP QRST UVWX YZ23 4567`"), "{shown}");
        assert!(shown.contains("&amp;issuer=Alch`"), "{shown}");
        let code = code_form(None, "<!channel>", &carried("R-1 x")).unwrap();
        for form in [enrolment, code] {
            for name in ["title", "submit", "close"] {
                assert!(form[name]["text"].as_str().unwrap().chars().count() <= MAX_TITLE, "{form}");
            }
            assert!(!form.to_string().contains("<!channel>"), "{form}");
        }
        assert!(code_form(None, "prod", &carried(&"x".repeat(3000))).is_none());
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
