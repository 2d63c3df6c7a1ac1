//! The emergency path: all rules of an environment off, at once, whatever it takes, and shown to be off.
//!
//! Its own clients give up on a hanging call early and do not retry; the loop here does, hard. It touches only the rules
//! that it is given, and none that an AWS service manages.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::domain::{Held, Rule, RuleOutcome, RuleState};

use super::operation::DISABLE_RULE;
use super::rules::list_rules;
use super::{Aws, AwsError, AwsErrorKind, ListedRule};

/// How long the states from before are waited for. Knowing them is worth little; disabling is what counts.
const BEFORE_PATIENCE: Duration = Duration::from_millis(400);
/// How long a call that AWS throttles or fails is repeated, from the start of the rollback.
const PERSISTENCE: Duration = Duration::from_secs(60);
/// The pause after the first failure; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How long verifying goes on while the list still shows a rule as enabled: EventBridge may be a little behind.
const STALE_PATIENCE: Duration = Duration::from_secs(5);
/// How long the list call for verifying is repeated when it fails.
const VERIFY_PERSISTENCE: Duration = Duration::from_secs(15);
/// The pause before a stale list is asked for again.
const STALE_PAUSE: Duration = Duration::from_millis(250);

/// What the emergency path did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllDisabled {
    /// Each rule, in the order given.
    pub rules: Vec<RuleOutcome>,
    /// From the request's arrival until all was verified or given up, milliseconds.
    pub elapsed_ms: u64,
    /// Whether every rule is shown to be off.
    pub verified: bool,
}

/// The rules of a bus by their name in EventBridge.
type Listed = BTreeMap<String, ListedRule>;

/// One rule on its way off.
struct Disabling<'a> {
    rule: &'a Rule,
    managed: bool,
    attempts: u32,
    /// When AWS said yes.
    confirmed: Option<Instant>,
    error: Option<AwsError>,
}

/// Whose credentials the calls are made with: those at hand, and as soon as it is there, the session that names the
/// person. Nothing waits for that one, and where it is refused, those at hand do.
struct Hands {
    at_hand: aws_sdk_eventbridge::Client,
    attributed: Arc<OnceLock<aws_sdk_eventbridge::Client>>,
    is_refused: AtomicBool,
}

impl Hands {
    fn of(aws: &Aws) -> Self {
        let attributed = Arc::new(OnceLock::new());
        let (filling, aws_too) = (attributed.clone(), aws.clone());
        tokio::spawn(async move {
            if let Some(events) = aws_too.attributed_emergency_client().await {
                let _ = filling.set(events);
            }
        });
        Self { at_hand: aws.emergency_client(), attributed, is_refused: AtomicBool::new(false) }
    }

    async fn call<T, F>(&self, call: impl Fn(aws_sdk_eventbridge::Client) -> F) -> Result<T, AwsError>
    where
        F: Future<Output = Result<T, AwsError>>,
    {
        if let Some(attributed) = self.attributed.get().filter(|_| !self.is_refused.load(Ordering::Relaxed)) {
            match call(attributed.clone()).await {
                Err(error) if error.is_credentials() || matches!(error.kind, AwsErrorKind::AccessDenied { .. }) => {
                    tracing::warn!(%error, "the session that names the person is refused; going on without it");
                    self.is_refused.store(true, Ordering::Relaxed);
                }
                result => return result,
            }
        }
        call(self.at_hand.clone()).await
    }
}

impl Aws {
    /// Disables all the rules given, and shows that they are off. A repeat is harmless: disabling a disabled rule
    /// changes nothing.
    ///
    /// `arrived` is when the request came in; all times count from then. What could not be done is said for each rule;
    /// the error is only for a mix-up of environments or accounts, when nothing was sent.
    pub async fn disable_all(
        &self,
        held: &Held<'_>,
        bus: &str,
        rules: &[Rule],
        arrived: Instant,
    ) -> Result<AllDisabled, AwsError> {
        self.same_environment(DISABLE_RULE, held.environment())?;
        let deadline = Instant::now() + PERSISTENCE;
        let hands = Hands::of(self);

        // The states from before, and whether this is the right account. Neither is worth a long wait.
        let mut before = pin!(list_hard(&hands, bus, deadline));
        let first_look =
            async { tokio::join!(tokio::time::timeout(BEFORE_PATIENCE, &mut before), self.account_in_time()) };
        let (looked, account) = first_look.await;
        account?;
        // Answered, with whatever: then there is nothing more to wait for.
        let is_answered = looked.is_ok();
        let early: Option<Listed> = looked.ok().and_then(Result::ok);

        let managed = |rule: &Rule| managed_by(early.as_ref(), rule).is_some();
        let mut disabling: Vec<_> = rules.iter().map(|rule| Disabling::new(rule, managed(rule))).collect();
        let late = {
            let mut all = pin!(join_all(disabling.iter_mut().map(|one| disable_hard(&hands, bus, one, deadline))));
            if is_answered {
                all.await;
                None
            } else {
                tokio::select! {
                    biased;
                    listed = &mut before => {
                        all.await;
                        listed.ok()
                    }
                    _ = &mut all => None,
                }
            }
        };

        let after = verify(&hands, bus, &mut disabling, deadline).await;
        let rules: Vec<_> =
            disabling.iter().map(|one| one.outcome(arrived, early.as_ref(), late.as_ref(), after.as_ref())).collect();
        let verified = rules.iter().all(|outcome| outcome.after == Some(RuleState::Disabled));
        Ok(AllDisabled { rules, elapsed_ms: millis_since(arrived, Instant::now()), verified })
    }

    /// Refuses another account than the configured one if AWS says so in time; an emergency does not wait for STS.
    async fn account_in_time(&self) -> Result<(), AwsError> {
        match tokio::time::timeout(BEFORE_PATIENCE, self.confirm_account()).await {
            Ok(Err(error)) if matches!(error.kind, AwsErrorKind::WrongAccount { .. }) => Err(error),
            Ok(Ok(()) | Err(_)) | Err(_) => Ok(()),
        }
    }
}

/// Sends DisableRule until AWS says yes, says something that repeating cannot change, or time is up. Harmless to
/// repeat: the state asked for is the same.
async fn disable_hard(hands: &Hands, bus: &str, one: &mut Disabling<'_>, deadline: Instant) {
    if one.managed {
        one.error = Some(AwsError::new(DISABLE_RULE, AwsErrorKind::Managed).about(&one.rule.rule));
        return;
    }
    let name = &one.rule.rule;
    let attempts = &mut one.attempts;
    let result = hard(deadline, || {
        *attempts += 1;
        hands.call(|events| async move {
            let call = events.disable_rule().name(name).event_bus_name(bus);
            call.send().await.map_err(|error| AwsError::from_sdk(DISABLE_RULE, &error).about(name))
        })
    })
    .await;
    match result {
        Ok(_) => {
            one.confirmed = Some(Instant::now());
            one.error = None;
        }
        Err(error) => one.error = Some(error),
    }
}

/// Lists the rules until all that could be disabled show so. Rules that the list still shows as enabled are disabled
/// again: EventBridge may be a little behind, or somebody enabled them just now.
async fn verify(hands: &Hands, bus: &str, disabling: &mut [Disabling<'_>], deadline: Instant) -> Option<Listed> {
    let started = Instant::now();
    loop {
        let listed = list_hard(hands, bus, started + VERIFY_PERSISTENCE).await.ok()?;
        let stale = |one: &Disabling<'_>| {
            let enabled = listed.get(&one.rule.rule).is_some_and(|found| found.state.is_enabled());
            enabled && one.error.as_ref().is_none_or(is_worth_repeating)
        };
        if !disabling.iter().any(stale) || started.elapsed() >= STALE_PATIENCE {
            return Some(listed);
        }
        tokio::time::sleep(STALE_PAUSE).await;
        let again = disabling.iter_mut().filter(|one| stale(one));
        join_all(again.map(|one| disable_hard(hands, bus, one, deadline))).await;
    }
}

async fn list_hard(hands: &Hands, bus: &str, deadline: Instant) -> Result<Listed, AwsError> {
    let listed = hard(deadline, || hands.call(|events| async move { list_rules(&events, bus).await })).await?;
    Ok(listed.into_iter().map(|rule| (rule.name.clone(), rule)).collect())
}

impl<'a> Disabling<'a> {
    fn new(rule: &'a Rule, managed: bool) -> Self {
        Self { rule, managed, attempts: 0, confirmed: None, error: None }
    }

    fn outcome(
        &self,
        arrived: Instant,
        early: Option<&Listed>,
        late: Option<&Listed>,
        after: Option<&Listed>,
    ) -> RuleOutcome {
        let state = |listed: Option<&Listed>| listed.and_then(|all| all.get(&self.rule.rule)).map(|rule| rule.state);
        // A list that came after the disabling had begun may show its effect: only "enabled" is surely from before.
        let before = state(early).or_else(|| state(late).filter(|state| state.is_enabled()));
        let after_state = state(after);
        let error = match (&self.error, after_state) {
            (Some(_), Some(RuleState::Disabled)) => None,
            (Some(error), _) => Some(error.to_string()),
            (None, Some(state)) if state.is_enabled() => {
                Some("AWS accepted the call, but the rule still shows as enabled; disable it again".to_owned())
            }
            (None, Some(_)) => None,
            (None, None) => Some("AWS accepted the call, but the rule's state could not be read back".to_owned()),
        };
        RuleOutcome {
            rule: self.rule.clone(),
            before,
            after: after_state,
            attempts: self.attempts,
            elapsed_ms: millis_since(arrived, self.confirmed.unwrap_or_else(Instant::now)),
            error,
        }
    }
}

/// Repeats a call, with growing, jittered pauses, while its failure may pass and until the deadline.
async fn hard<T, F>(deadline: Instant, mut call: impl FnMut() -> F) -> Result<T, AwsError>
where
    F: Future<Output = Result<T, AwsError>>,
{
    let mut pause = FIRST_PAUSE;
    loop {
        let error = match call().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let wait = pause.mul_f64(rand::random_range(0.5..1.0));
        if !is_worth_repeating(&error) || Instant::now() + wait >= deadline {
            return Err(error);
        }
        tracing::warn!(operation = error.operation.name, %error, "repeating a call of the emergency path");
        tokio::time::sleep(wait).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// In an emergency credentials count as something that may come back: a role's are fetched over the network.
fn is_worth_repeating(error: &AwsError) -> bool {
    error.is_transient() || error.is_credentials()
}

fn managed_by<'a>(listed: Option<&'a Listed>, rule: &Rule) -> Option<&'a str> {
    listed?.get(&rule.rule)?.managed_by.as_deref()
}

fn millis_since(start: Instant, end: Instant) -> u64 {
    u64::try_from(end.saturating_duration_since(start).as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_list_counts_as_before_only_where_it_shows_enabled() {
        let rule = Rule { name: "one".to_owned(), rule: "rule-one".to_owned() };
        let listed = |state| {
            let found = ListedRule { name: rule.rule.clone(), arn: String::new(), state, managed_by: None };
            Listed::from([(rule.rule.clone(), found)])
        };
        let (enabled, disabled) = (listed(RuleState::Enabled), listed(RuleState::Disabled));
        let one = Disabling::new(&rule, false);
        let before = |early, late| one.outcome(Instant::now(), early, late, Some(&disabled)).before;
        assert_eq!(before(None, Some(&enabled)), Some(RuleState::Enabled));
        assert_eq!(before(None, Some(&disabled)), None);
        assert_eq!(before(Some(&disabled), None), Some(RuleState::Disabled));
    }

    #[tokio::test]
    async fn hard_calls_end_at_their_deadline() {
        let mut calls = 0;
        let passed = Instant::now();
        let result: Result<(), _> = hard(passed, || {
            calls += 1;
            async { Err(AwsError::new(DISABLE_RULE, AwsErrorKind::Throttled)) }
        })
        .await;
        assert!(result.is_err());
        assert_eq!(calls, 1);
    }
}
