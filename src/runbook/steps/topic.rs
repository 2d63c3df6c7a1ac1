//! What is done to the topic of the alarms: somebody is asked to subscribe, and a test is published.

use std::time::Instant;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::ActError;
use super::effects::{Found, Observation, Site};
use crate::aws::AwsError;
use crate::domain::{Actor, Detail, Progress, Receipt, StepStatus, Subscription};

/// How long SNS waits for its link to be followed.
pub const PENDING: SignedDuration = SignedDuration::from_hours(48);
/// A subscription that was just asked for may not be listed yet.
const LISTED_AFTER: SignedDuration = SignedDuration::from_mins(5);
/// How many times a publish that surely did not happen is sent.
const ATTEMPTS: u32 = 3;
/// The pause after the first of them; it doubles.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(300);

/// Whether the address is subscribed, or asked, already (SNS `ListSubscriptionsByTopic`). Asking again would be harmless,
/// but for one more e-mail.
pub(super) async fn find_subscription(
    site: &Site<'_>,
    topic: &str,
    email: &str,
    first: bool,
) -> Result<Found, AwsError> {
    let listed = site.aws.subscriptions(topic).await?;
    let Some(known) = listed.value.iter().find(|known| known.is_email_of(email)) else { return Ok(Found::NotDone) };
    // After a crash it is this run that asked.
    let changed = !first;
    let said = match (known.is_confirmed(), changed) {
        (true, _) => format!("{email} is subscribed to {topic} already"),
        (false, true) => sent(email),
        (false, false) => format!("{email} was asked before and has not confirmed yet; no second message was sent"),
    };
    Ok(Found::Done(Receipt { changed, said, request_ids: listed.request_ids, ..Receipt::default() }))
}

/// Asks the address to subscribe (SNS `Subscribe`).
pub(super) async fn subscribe(site: &Site<'_>, topic: &str, email: &str) -> Result<Receipt, ActError> {
    let started = Instant::now();
    let request_ids = site.aws.subscribe(topic, email).await?;
    Ok(Receipt { changed: true, said: sent(email), request_ids, elapsed_ms: millis(started), ..Receipt::default() })
}

fn sent(email: &str) -> String {
    format!("SNS has sent {email} a link; nothing else is sent there before it is followed")
}

/// Looks whether the link was followed.
pub(super) async fn observe_subscription(
    site: &Site<'_>,
    topic: &str,
    email: &str,
    receipt: &Receipt,
) -> Result<Observation, AwsError> {
    let since = site.step.effected.as_ref().map_or(site.now, |(at, _)| *at);
    let waited = site.now.duration_since(since);
    let listed = site.aws.subscriptions(topic).await?.value;
    let environment = &site.environment.name;
    Ok(match listed.iter().find(|known| known.is_email_of(email)) {
        Some(known) if known.is_confirmed() && receipt.changed => Observation::over(
            StepStatus::Done,
            format!("{email} has confirmed, and gets the alarms of {environment} now"),
        ),
        Some(known) if known.is_confirmed() && waited < LISTED_AFTER => Observation::over(
            StepStatus::Already,
            format!("{email} is subscribed to {topic}, and gets the alarms of {environment}"),
        ),
        Some(known) if known.is_confirmed() => Observation::over(
            StepStatus::Done,
            format!("{email} has confirmed, and gets the alarms of {environment} now"),
        ),
        Some(_) if waited < PENDING => pending(site, email, since),
        None if receipt.changed && waited < LISTED_AFTER => pending(site, email, since),
        Some(_) | None => Observation::over(
            StepStatus::Failed,
            format!(
                "{email} did not confirm: the request has lapsed, as SNS lets it after two days, or somebody took it back. \
                 No alarm goes there. `subscribe {environment} {email}` sends a new link",
            ),
        ),
    })
}

fn pending(site: &Site<'_>, email: &str, since: Timestamp) -> Observation {
    let until = since.saturating_add(PENDING).unwrap_or(Timestamp::MAX).to_zoned(TimeZone::UTC);
    let until = until.strftime("%Y-%m-%d %H:%M UTC");
    let now = format!("pending: {email} has a link of SNS to follow until {until}, and gets no alarm before");
    let is_new = site.step.progress.now != now;
    Observation { news: is_new.then(|| Progress { now, ..Progress::default() }), ..Observation::default() }
}

/// Nobody waits for it any longer; the link stays good.
pub(super) fn stop_waiting(email: &str) -> Observation {
    let summary = format!(
        "not waited for any longer; the link that {email} has stays good until SNS forgets it, two days after it was sent"
    );
    Observation::over(StepStatus::Inconclusive, summary)
}

/// Whether a test may be published. Only once for a step: SNS cannot tell whether one was.
pub(super) fn find_test(site: &Site<'_>, topic: &str, first: bool) -> Found {
    if first {
        return Found::NotDone;
    }
    let run = site.run.id;
    Found::Unknown(format!(
        "the test may have been published to {topic} or not, and SNS cannot tell: ask a subscriber for an e-mail that says \
         TEST and {run}. If there is none, retry publishes one"
    ))
}

/// Publishes the test (SNS `Publish`, one attempt), and says whom it reaches (`ListSubscriptionsByTopic`).
///
/// A repeat is not harmless: people get a second e-mail. It is repeated only after a refusal that surely did nothing.
pub(super) async fn publish_test(site: &Site<'_>, topic: &str) -> Result<Receipt, ActError> {
    let started = Instant::now();
    let readers = site.aws.subscriptions(topic).await;
    let (subject, text) = test_message(site, topic);
    let mut pause = PAUSE;
    let mut attempt = 1;
    let id = loop {
        match site.aws.publish_once(topic, &subject, &text).await {
            Ok(id) => break id,
            Err(error) if attempt < ATTEMPTS && error.is_transient() && !error.may_have_happened() => {
                attempt += 1;
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            Err(error) => return Err(error.into()),
        }
    };
    let (confirmed, reached) = match readers {
        Ok(listed) => {
            let confirmed = listed.value.iter().filter(|one| one.is_confirmed()).count();
            (u32::try_from(confirmed).ok(), reached(&site.environment.name, &listed.value))
        }
        Err(error) => (None, format!("Whom it reaches could not be read: {error}")),
    };
    Ok(Receipt {
        changed: true,
        said: format!("published to {topic} as message {id}. {reached}"),
        detail: Detail::Published { confirmed },
        elapsed_ms: millis(started),
        ..Receipt::default()
    })
}

fn reached(environment: &str, all: &[Subscription]) -> String {
    let confirmed = all.iter().filter(|one| one.is_confirmed()).count();
    let waiting = match all.len() - confirmed {
        0 => String::new(),
        1 => "; 1 more has not confirmed".to_owned(),
        more => format!("; {more} more have not confirmed"),
    };
    match confirmed {
        0 => format!(
            "Nobody gets it, and nobody gets an alarm either: the topic has no confirmed subscriber{waiting}. Add one with \
             `subscribe {environment} you@example.com`"
        ),
        1 => format!("1 confirmed subscriber gets it{waiting}"),
        number => format!("{number} confirmed subscribers get it{waiting}"),
    }
}

/// A test that was published is over. It is proven only where it is known to reach somebody.
pub(super) fn observe_test(receipt: &Receipt) -> Observation {
    let proven = matches!(receipt.detail, Detail::Published { confirmed: Some(1..) });
    let status = if proven { StepStatus::Done } else { StepStatus::Inconclusive };
    Observation::over(status, receipt.said.clone())
}

/// What subscribers read: that it is a test, before anything else.
fn test_message(site: &Site<'_>, topic: &str) -> (String, String) {
    let (run, environment) = (site.run.id, &site.environment.name);
    let who = match &site.run.actor {
        Actor::Slack { user, .. } => format!("the Slack user {user}"),
        Actor::Terminal { user } => format!("{user}, at a terminal"),
        Actor::Alch => "Alch".to_owned(),
    };
    let at = site.now.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M UTC");
    let subject = format!("[TEST] {environment}: test of the alarms, {run}");
    let text = format!(
        "This is a TEST. Nothing is wrong with {environment}, and there is nothing to do.\n\n\
         It shows that what is published to the alarms' topic reaches you. It does\n\
         not show that an alarm goes off.\n\n\
         Run:          {run}\n\
         Asked for by: {who}\n\
         At:           {at}\n\
         Topic:        {topic}\n"
    );
    (subject, text)
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
