//! What a person is told of their second factor. Their secret is in none of this: it is shown in a form only.

use super::action;
use super::blocks::{Button, Draft, Style};
use super::markup::{Markup, clip, md};
use crate::domain::{Actor, RunId};
use crate::slack::message::Message;

/// The button that opens the form with the secret.
pub fn enrolment_offer(environments: &str) -> Message {
    let mut draft = Draft::new();
    draft.section(md!(
        "🔑 {} Approving in {} takes a code of an authenticator app beside the click. The button shows you a key for the \
         app, once; have the app at hand.",
        Markup::from("Set up your second factor.").bold(),
        clip(environments, 300)
    ));
    let button = Button {
        label: "Set up my second factor".to_owned(),
        action: action::ENROL,
        value: "enrol".to_owned(),
        style: Style::Primary,
        confirm: None,
    };
    draft.buttons(vec![button], md!("The key is shown in a form only, which the button opens."));
    draft.finish()
}

/// The first code was right.
pub fn enrolled(environments: &str, run: RunId) -> Message {
    let mut draft = Draft::new();
    draft.section(md!(
        "✅ {} When you approve in {}, a form asks for a code. {} says in the channel that you set it up.",
        Markup::from("Your second factor is set up.").bold(),
        clip(environments, 300),
        run
    ));
    draft.context(md!("Lost the app? An admin resets it, and you enrol again."));
    draft.finish()
}

/// Somebody's second factor was reset: to the admin.
pub fn reset_done(whose: &str, run: RunId) -> Message {
    let mut draft = Draft::new();
    draft.section(md!(
        "👍 The second factor of {} is reset: its codes are worth nothing from now on. They enrol again by sending me {} in \
         a direct message. {} says so in the channel.",
        Markup::contact(whose),
        Markup::code("enrol"),
        run
    ));
    draft.finish()
}

/// The same to whose it is.
pub fn was_reset(by: &Actor) -> Message {
    let mut draft = Draft::new();
    draft.section(md!(
        "🔑 {} by {}: its codes are worth nothing from now on. Send me {} to set up another. If you did not ask for this, \
         tell them in the channel.",
        Markup::from("Your second factor was reset").bold(),
        Markup::actor(by),
        Markup::code("enrol")
    ));
    draft.finish()
}
