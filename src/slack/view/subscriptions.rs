//! Who is subscribed to a topic, for people.

use super::blocks::Draft;
use super::markup::{Markup, clip, md};
use super::words;
use crate::domain::Subscription;
use crate::slack::message::Message;

/// The most subscriptions that are listed.
const SHOWN: usize = 40;
/// The longest address of a subscription that is shown whole.
const MAX_ENDPOINT: usize = 120;

/// The subscriptions of an environment's alarm topic. `whole` says that the addresses are shown; else as much as one needs
/// to know one's own again.
pub fn subscriptions(environment: &str, topic: &str, all: &[Subscription], whole: bool) -> Message {
    let mut draft = Draft::new();
    let confirmed = all.iter().filter(|one| one.is_confirmed()).count();
    let number = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let waiting = match all.len() - confirmed {
        0 => String::new(),
        pending => format!(", {pending} pending"),
    };
    let count = format!("{}{waiting}", words::count(number(confirmed), "confirmed subscription"));
    draft.section(md!("{}: {} ({})", md!("Alarms of {}", environment).bold(), count, Markup::code(topic)));
    if confirmed == 0 {
        draft.section(md!("⚠️ Nobody gets an alarm of {}. {}", environment, add(environment)));
    }
    draft.lines(all.iter().take(SHOWN).map(|one| {
        let (mark, state) =
            if one.is_confirmed() { ("✅", "confirmed") } else { ("⏳", "pending: the link was not followed yet") };
        let endpoint = if whole { clip(&one.endpoint, MAX_ENDPOINT) } else { masked(&one.endpoint) };
        md!("{} {} {}, {}", mark, one.protocol.as_str(), Markup::code(&endpoint), state)
    }));
    if all.len() > SHOWN {
        draft.section(md!("… and {} more", words::count(number(all.len() - SHOWN), "subscription")));
    }
    draft.finish()
}

fn add(environment: &str) -> Markup {
    md!("Add an address with {}.", Markup::code(&format!("subscribe {environment} you@example.com")))
}

/// `o•••@example.com`: whose it is, its owner knows. Of what is no address, the beginning.
fn masked(endpoint: &str) -> String {
    match endpoint.rsplit_once('@') {
        Some((name, domain)) => {
            let first: String = name.chars().take(1).collect();
            format!("{first}•••@{}", clip(domain, MAX_ENDPOINT))
        }
        None => format!("{}•••", endpoint.chars().take(8).collect::<String>()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(endpoint: &str, confirmed: bool) -> Subscription {
        let arn = confirmed.then(|| "arn:aws:sns:us-east-1:1:t:1".to_owned());
        Subscription { protocol: "email".to_owned(), endpoint: endpoint.to_owned(), arn }
    }

    #[test]
    fn addresses_are_whole_for_members_and_never_markup() {
        let all = [one("ada@example.com", true), one("<!channel>`*x*@example.com", false)];
        let told = serde_json::to_string(&subscriptions("dev", "alarms-dev", &all, true)).unwrap();
        assert!(told.contains("`ada@example.com`"), "{told}");
        assert!(told.contains("1 confirmed subscription, 1 pending"), "{told}");
        assert!(told.contains("`&lt;!channel&gt;'*x*@example.com`"), "{told}");
        let masked = serde_json::to_string(&subscriptions("dev", "alarms-dev", &all, false)).unwrap();
        assert!(masked.contains("`a•••@example.com`") && !masked.contains("ada@"), "{masked}");
        let nobody = serde_json::to_string(&subscriptions("dev", "alarms-dev", &[], true)).unwrap();
        assert!(nobody.contains("Nobody gets an alarm of dev"), "{nobody}");
    }
}
