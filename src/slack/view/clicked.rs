//! What one person is told of a click that made a run or rolled back; and the offer of a rollback without a card.

use super::action;
use super::blocks::{Button, Confirm, Draft, Style};
use super::markup::{Markup, clip, md};
use super::words;
use crate::domain::{Environment, Run};
use crate::slack::message::Message;

/// A click made a run.
pub fn run_made(run: &Run, permalink: Option<&str>) -> Message {
    let mut draft = Draft::new();
    let link = permalink.map(|permalink| Markup::link(permalink, "Look at the run")).unwrap_or_default();
    draft.section(Markup::join(
        [
            md!(
                "👍 {} does it: {}. It is {}.",
                md!("{}", run.id).bold(),
                clip(&words::subject(&run.command), 150),
                words::phase(run)
            ),
            link,
        ],
        "\n",
    ));
    draft.finish()
}

/// The offer of a rollback where no card can be made: the same button, without a run.
pub fn rollback_offer(environment: &Environment, why: &str) -> Message {
    let mut draft = Draft::new();
    draft.section(md!("🛑 {}", md!("Roll back {}?", &environment.name).bold()));
    draft.lines(environment.rules.iter().map(|rule| md!("• {} is turned off", clip(&rule.name, 100))));
    draft.section(md!("{} The button works all the same, for any responder, and at once.", why));
    let button = Button {
        label: "Turn everything off now".to_owned(),
        action: action::ROLL_BACK,
        value: environment.name.clone(),
        style: Style::Danger,
        confirm: Some(Confirm {
            title: format!("Roll back {}?", clip(&environment.name, 60)),
            text: format!(
                "All {} rules of {} are turned off now. What other runs do there is stopped.",
                environment.rules.len(),
                clip(&environment.name, 60)
            ),
            yes: "Turn everything off",
            no: "Not now",
        }),
    };
    draft.buttons(
        vec![button],
        md!("From a terminal: {}", Markup::code(&format!("alch run \"rollback {}\"", environment.name))),
    );
    draft.finish()
}

/// What a rollback has done, to who asked for it or clicked. `where_else` says where the rest is told.
pub fn rolled_back(summary: &str, succeeded: bool, where_else: &str) -> Message {
    let mut draft = Draft::new();
    let mark = if succeeded { "✅" } else { "❌" };
    draft.section(md!("{} {} {}", mark, Markup::prose(&clip(summary, 2000)), where_else));
    draft.finish()
}
