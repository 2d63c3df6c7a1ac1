//! Messages of a dead-letter queue put on the bus again, a handful at a time: first the event is put, only then its message
//! is deleted. What cannot be put stays. What comes back into the queue stops it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::ActError;
use super::effects::{Found, Observation, Site};
use super::replay::interlocked;
use crate::aws::{Aws, AwsError, ListedRule};
use crate::checks::dead_letters::DeadLetter;
use crate::domain::{Held, Progress, Receipt, StepStatus};

/// For how long a handful is hidden, seconds: longer than it takes, so that nobody else takes it meanwhile.
const HIDDEN_SECONDS: i32 = 60;
/// For how long a message that stays is hidden, seconds, so that the next handfuls have others.
const STUCK_SECONDS: i32 = 900;
/// Until so many could not be put, and none was, messages are taken one by one.
const ALONE: i64 = 3;
/// Messages taken at a time; SQS gives no more.
const HANDFUL: usize = 10;
/// After this time no further message of a handful is begun: a rollback does not wait for the rest.
const HANDFUL_TIME: Duration = Duration::from_millis(500);
/// How often the queue has to look empty while messages are hidden, before it is taken to be.
const EMPTY_LOOKS: i64 = 15;

/// How often it is looked whether the first event has come back, before that is taken for a yes.
const SETTLE_LOOKS: i64 = 15;

/// The counts that a redrive keeps, by the name in its progress.
const SENT: &str = "sent";
const STUCK: &str = "stuck";
const EMPTY: &str = "empty";
const SETTLING: &str = "settling";
const SETTLED: &str = "settled";
const TROUBLED: &str = "troubled";

/// After so many handfuls in a row of which nothing was sent because EventBridge failed, it stops.
const MOST_TROUBLED: i64 = 5;

/// What is put where.
#[derive(Clone, Copy)]
pub(super) struct Redrive<'a> {
    pub(super) queue: &'a str,
    pub(super) bus: &'a str,
    pub(super) limit: u32,
}

/// Nothing tells whether a message was sent before: one that was is gone. After a crash it goes on; at most the message
/// that was in flight is sent twice, which the interlock makes harmless.
pub(super) async fn find(site: &Site<'_>, redrive: Redrive<'_>) -> Result<Found, AwsError> {
    if let Err(why) = interlocked(site.run) {
        return Ok(Found::Refused(why));
    }
    if !site.aws.bus_exists(redrive.bus).await? {
        return Ok(Found::Refused(format!(
            "there is no bus {}: EventBridge would take the events and lose them; nothing was sent",
            redrive.bus
        )));
    }
    Ok(Found::NotDone)
}

/// Begins: the messages follow, a handful at a time.
pub(super) fn act(redrive: Redrive<'_>) -> Result<Receipt, ActError> {
    Ok(Receipt {
        changed: true,
        said: format!("messages of {} are put on {} again", redrive.queue, redrive.bus),
        ..Receipt::default()
    })
}

/// Puts the next handful on the bus.
pub(super) async fn work(site: &Site<'_>, held: &Held<'_>, redrive: Redrive<'_>) -> Result<Observation, AwsError> {
    let before = &site.step.progress;
    let (sent, stuck) = (before.count(SENT), before.count(STUCK));
    let left = i64::from(redrive.limit) - sent - stuck;
    if left <= 0 {
        return Ok(Observation::over(StepStatus::Done, format!("{}. The limit is reached", told(sent, stuck))));
    }
    // The first goes alone: what fails at once is seen before the others are sent.
    let most = if sent == 0 && stuck < ALONE { 1 } else { usize::try_from(left).unwrap_or(HANDFUL).min(HANDFUL) };
    if let Some(grown) = grown(site, redrive).await? {
        return Ok(Observation::over(StepStatus::Failed, format!("{}. {grown}", told(sent, stuck))));
    }
    if sent > 0
        && before.count(SETTLED) == 0
        && let Some(waits) = settle(site, redrive, (sent, stuck)).await?
    {
        return Ok(waits);
    }
    let letters = site.aws.receive(redrive.queue, most, HIDDEN_SECONDS).await?.value;
    if letters.is_empty() {
        return empty(site, redrive, (sent, stuck)).await;
    }
    // Read again for each handful: somebody may turn a rule off meanwhile.
    let rules = site.aws.rules(redrive.bus).await?;
    let since = site.step.effected.as_ref().map_or(site.now, |(at, _)| *at);
    let mut handful = Handful {
        aws: site.aws,
        held,
        redrive,
        rules: &rules,
        news: Vec::new(),
        put: BTreeMap::new(),
        sent,
        stuck,
        trouble: None,
    };
    let came_back = handful.send(letters, since).await;
    let Handful { mut news, put, sent, stuck, trouble, .. } = handful;
    if !put.is_empty() {
        let kinds: Vec<String> = put.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        news.insert(0, format!("put again: {}", kinds.join(", ")));
    }
    if let (Some(error), true) = (&trouble, news.is_empty()) {
        return Err(error.clone());
    }
    let mut counts = before.counts.clone();
    counts.insert(SENT.to_owned(), sent);
    counts.insert(STUCK.to_owned(), stuck);
    counts.insert(EMPTY.to_owned(), 0);
    let troubled = if trouble.is_some() && sent == before.count(SENT) { before.count(TROUBLED) + 1 } else { 0 };
    counts.insert(TROUBLED.to_owned(), troubled);
    if before.count(SENT) > 0 {
        counts.insert(SETTLED.to_owned(), 1);
    }
    let all = before_it(site, redrive).map_or(i64::from(redrive.limit), |lay| lay.min(i64::from(redrive.limit))).max(1);
    let permille = u16::try_from(((sent + stuck).saturating_mul(1000) / all).min(1000)).ok();
    let news = Progress { lines: news, permille, now: told(sent, stuck), counts };
    let over = came_back.then(|| {
        let why = format!(
            "{}. Stopped by itself: messages have come into {} since it began, so what was sent fails again. Those and the \
             rest stay there",
            told(sent, stuck),
            redrive.queue
        );
        (StepStatus::Failed, why)
    });
    let over = over.or_else(|| {
        let error = trouble.filter(|_| troubled >= MOST_TROUBLED)?;
        let why = format!(
            "{}. Stopped by itself: {error}, {troubled} times in a row. The messages stay in {}; look at `status {}`, and ask \
             again when it is well",
            told(sent, stuck),
            redrive.queue,
            site.environment.name
        );
        Some((StepStatus::Failed, why))
    });
    Ok(Observation { news: Some(news), over, ..Observation::default() })
}

/// The first event was sent: the queue has to be shorter by it before more are. SQS counts late, so that is waited for; when
/// the queue stays as long as it was, what was sent comes back. None when more may be sent.
async fn settle(
    site: &Site<'_>,
    redrive: Redrive<'_>,
    (sent, stuck): (i64, i64),
) -> Result<Option<Observation>, AwsError> {
    let Some(before) = before_it(site, redrive) else { return Ok(None) };
    let now = site.aws.dlq_depth(redrive.queue).await?.total();
    if now <= before - sent {
        return Ok(None);
    }
    let looks = site.step.progress.count(SETTLING) + 1;
    if looks >= SETTLE_LOOKS {
        let why = format!(
            "{}. Stopped by itself: {} is as long as before, so what was sent fails again. The rest stays there",
            told(sent, stuck),
            redrive.queue
        );
        return Ok(Some(Observation::over(StepStatus::Failed, why)));
    }
    let counts = BTreeMap::from([(SETTLING.to_owned(), looks)]);
    let now = format!("{}; waiting whether it comes back before more are sent", told(sent, stuck));
    Ok(Some(Observation { news: Some(Progress { now, counts, ..Progress::default() }), ..Observation::default() }))
}

/// Whether more lies in the queue than before anything was sent; in words. That it has not shrunk yet proves nothing: SQS
/// counts late.
async fn grown(site: &Site<'_>, redrive: Redrive<'_>) -> Result<Option<String>, AwsError> {
    let Some(before) = before_it(site, redrive) else { return Ok(None) };
    let now = site.aws.dlq_depth(redrive.queue).await?.total();
    let limit = i64::from(site.environment.limits.dlq_growth);
    let grown = now - before > limit;
    Ok(grown.then(|| format!("Stopped by itself: {} grew from {before} to {now} messages", redrive.queue)))
}

/// How many messages lay in the queue before anything was sent.
fn before_it(site: &Site<'_>, redrive: Redrive<'_>) -> Option<i64> {
    let (_, facts) = site.run.facts.as_ref()?;
    facts.dlqs.get(redrive.queue).map(|depth| depth.total())
}

/// The queue shows nothing. While messages are hidden that are none of those left behind, they may come back.
async fn empty(site: &Site<'_>, redrive: Redrive<'_>, (sent, stuck): (i64, i64)) -> Result<Observation, AwsError> {
    let depth = site.aws.dlq_depth(redrive.queue).await?;
    let looks = site.step.progress.count(EMPTY) + 1;
    let hidden = depth.total() - stuck;
    if hidden > 0 && looks < EMPTY_LOOKS {
        let mut counts = site.step.progress.counts.clone();
        counts.insert(EMPTY.to_owned(), looks);
        let now = format!("{}; waiting for {hidden} more that are hidden at the moment", told(sent, stuck));
        let news = Progress { now, counts, ..Progress::default() };
        return Ok(Observation { news: Some(news), ..Observation::default() });
    }
    let rest =
        if hidden > 0 { format!(". {hidden} more are hidden by somebody else who took them") } else { String::new() };
    Ok(Observation::over(StepStatus::Done, format!("{}{rest}", told(sent, stuck))))
}

/// Nothing is under way between two handfuls.
pub(super) fn stop(site: &Site<'_>) -> Observation {
    let (sent, stuck) = (site.step.progress.count(SENT), site.step.progress.count(STUCK));
    let words = format!("{}. Stopped as asked; the other messages stay in the queue", told(sent, stuck));
    Observation::over(StepStatus::Skipped, words)
}

fn told(sent: i64, stuck: i64) -> String {
    let sent = match sent {
        0 => "no event was put on the bus".to_owned(),
        1 => "1 event was put on the bus and its message deleted".to_owned(),
        _ => format!("{sent} events were put on the bus and their messages deleted"),
    };
    match stuck {
        0 => sent,
        1 => format!("{sent}; 1 message could not be and stays"),
        _ => format!("{sent}; {stuck} messages could not be and stay"),
    }
}

/// One handful of messages.
struct Handful<'a> {
    aws: &'a Aws,
    held: &'a Held<'a>,
    redrive: Redrive<'a>,
    /// The rules of the bus as they are now.
    rules: &'a [ListedRule],
    news: Vec<String>,
    /// How many events of which type were put and their messages deleted.
    put: BTreeMap<String, u32>,
    sent: i64,
    stuck: i64,
    trouble: Option<AwsError>,
}

impl Handful<'_> {
    /// Sends them one after the other; says whether some are younger than the redrive. Those that were not begun are given
    /// back at once. When some are younger, none is sent.
    async fn send(&mut self, letters: Vec<DeadLetter>, since: Timestamp) -> bool {
        let began = Instant::now();
        let mut back = Vec::new();
        let came_back = letters.iter().any(|letter| letter.sent.is_some_and(|sent| sent >= since));
        for letter in letters {
            if came_back || self.trouble.is_some() || began.elapsed() > HANDFUL_TIME {
                back.push(letter);
                continue;
            }
            self.send_one(&letter).await;
        }
        if !back.is_empty() {
            // What cannot be given back comes back by itself in a minute.
            let _ = self.aws.give_back(self.redrive.queue, &back).await;
        }
        came_back
    }

    /// Leaves a message in the queue, hidden for as long as the others take.
    async fn stays(&mut self, letter: &DeadLetter, why: &str) {
        self.stuck += 1;
        self.news.push(format!("message {} stays: {why}", letter.id));
        // Else it comes back in a minute and is told a second time.
        let _ = self.aws.hide(self.redrive.queue, std::slice::from_ref(letter), STUCK_SECONDS).await;
    }

    /// Why nothing would get the event: the rule that it comes from is off, or all are when it names none.
    fn goes_nowhere(&self, letter: &DeadLetter) -> Option<String> {
        let mut on = self.rules.iter().filter(|rule| rule.state.is_enabled() && rule.managed_by.is_none());
        match letter.rule_name() {
            Some(name) => (!on.any(|rule| rule.name == name))
                .then(|| format!("its rule {name} is off, and nothing would get its event; turn it on and ask again")),
            None => on.next().is_none().then(|| "every rule is off, and nothing would get its event".to_owned()),
        }
    }

    async fn send_one(&mut self, letter: &DeadLetter) {
        let event = match letter.event(self.redrive.bus) {
            Ok(event) => event,
            Err(why) => return self.stays(letter, &why.to_string()).await,
        };
        if let Some(why) = self.goes_nowhere(letter) {
            return self.stays(letter, &why).await;
        }
        match self.aws.put_event(self.held, self.redrive.bus, &event).await {
            Err(error) => {
                if error.may_have_happened() {
                    self.news.push(format!(
                        "message {}: {error}. Its event may have been put; the message stays, and is sent again when it \
                         comes back.",
                        letter.id
                    ));
                }
                self.trouble = Some(error);
            }
            Ok(answer) => match answer.value {
                Err(refused) => self.stays(letter, &refused.to_string()).await,
                Ok(_) => {
                    self.sent += 1;
                    // Whoever has the run by now would send it again.
                    match self.aws.delete_message(&self.held.to_finish(), self.redrive.queue, letter).await {
                        Ok(_) => *self.put.entry(event.detail_type).or_default() += 1,
                        Err(error) => {
                            self.news.push(format!(
                                "message {}: its event was put, but the message could not be deleted ({error}): it is sent \
                                 a second time when it comes back.",
                                letter.id
                            ));
                            self.trouble = Some(error);
                        }
                    }
                }
            },
        }
    }
}
