//! What is missing when the bot starts, for the channel.

use std::collections::BTreeMap;

use super::blocks::Draft;
use super::markup::{Markup, clip, md};
use crate::slack::message::Message;

/// The longest reason that is shown whole.
const MAX_REASON: usize = 300;

/// What is missing: the parts of `/readyz` that are not well, each with why, and scopes that the Slack app has not.
pub fn degraded(parts: &BTreeMap<String, String>, scopes: &[String]) -> Message {
    let mut draft = Draft::new();
    draft.section(md!("⚠️ {}", Markup::from("I have started, and not everything is there").bold()));
    draft.lines(parts.iter().map(|(part, why)| {
        let (means, mend) = meaning(part);
        md!("• {}: {}. {} {}", Markup::from(part.as_str()).bold(), clip(why, MAX_REASON), means, mend)
    }));
    if !scopes.is_empty() {
        let missing: Vec<&str> = scopes.iter().map(String::as_str).collect();
        draft.section(md!(
            "• {}: {}. What needs them is left out or told in words. Add them to the Slack app, install it again, and restart me.",
            Markup::from("scopes that the app has not").bold(),
            missing.join(", ").as_str()
        ));
    }
    draft.section(md!(
        "{} on the machine tells more. This message is changed when all is there.",
        Markup::code("alch check --live")
    ));
    draft.finish()
}

/// All is there by now.
pub fn whole_again() -> Message {
    let mut draft = Draft::new();
    draft.section(md!("✅ {} Something was missing when I started.", Markup::from("All is there now.").bold()));
    draft.finish()
}

/// What it means that a part is missing, and what to do.
fn meaning(part: &str) -> (Markup, Markup) {
    match part.strip_prefix("aws.") {
        Some(environment) => (
            md!("Nothing of {} can be read or changed through me, and not rolled back either.", environment),
            md!("Give me credentials of its account, or have the AWS CLI at hand."),
        ),
        None if part == "database" => (
            md!("Commands and clicks are answered with that, and do nothing; only {} works.", Markup::code("rollback")),
            md!("Runs go on when it is back."),
        ),
        None if part == "slack.socket" => {
            (md!("No command and no click reaches me."), md!("Is the app's token right, and Socket Mode on?"))
        }
        None => (md!("What rests on it does not work."), md!("The log says why.")),
    }
}
