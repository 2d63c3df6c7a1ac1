//! `subscribe`: have the alarms sent to an e-mail address.

use super::help::Topic;
use super::{Line, Refusal, target};
use crate::domain::Command;

pub(super) const TOPIC: Topic = Topic {
    name: "subscribe",
    usage: "subscribe <env> <email>",
    line: "Have alarms sent to an address",
    long: "Subscribes the address to the topic of the alarms. SNS sends it a link, and nothing else before that is clicked; I say when it was.",
    examples: &["{env} you@example.com"],
};

/// The longest address that SMTP knows.
const MAX_ADDRESS_CHARS: usize = 254;

/// Reads the words after `subscribe`.
pub(super) fn read(line: Line<'_>) -> Result<Command, Refusal> {
    let (addresses, names): (Vec<String>, Vec<String>) = line.plain()?.into_iter().partition(|word| word.contains('@'));
    let endpoint = match addresses.as_slice() {
        [] if names.len() > 1 => return Err(line.unfit("There is no e-mail address in that: one has an `@`.")),
        [] => return Err(line.missing("Which e-mail address?")),
        [one] => one.clone(),
        [_, ..] => return Err(line.unfit("One address at a time, please.")),
    };
    if !is_address(&endpoint) {
        return Err(line.unfit("That is not an e-mail address."));
    }
    let environment = target::environment(&names, &TOPIC, line.context)?;
    Ok(Command::Subscribe { environment, endpoint })
}

/// Whether a text has the shape of an address that SNS takes; whether it exists shows when its link is clicked.
fn is_address(text: &str) -> bool {
    let Some((name, domain)) = text.rsplit_once('@') else { return false };
    let name_letter = |letter: char| letter.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(letter);
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-')
    };
    text.len() <= MAX_ADDRESS_CHARS
        && !name.is_empty()
        && name.chars().all(name_letter)
        && domain.contains('.')
        && domain.split('.').all(label)
}
