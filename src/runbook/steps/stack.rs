//! Stacks: a change set is executed once and its events are told until the stack has settled; a stack that is stuck is
//! brought out of its failed update.

use super::ActError;
use super::effects::{Found, Observation, Site};
use crate::aws::{AwsError, StackState};
use crate::domain::{ChangeSetState, Detail, Held, Progress, Receipt, ResourceChange, StackEvent, StepStatus};

/// How many events of a stack one record takes; the others come with the next.
const LINES_AT_ONCE: usize = 20;
/// By this name the events that were told are counted.
const EVENTS: &str = "events";

/// A change set that was planned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Planned<'a> {
    pub(super) stack: &'a str,
    pub(super) id: &'a str,
    pub(super) version: &'a str,
    pub(super) changes: &'a [ResourceChange],
}

/// Looks whether the change set was executed, by the token in the stack's events, or may be.
pub(super) async fn find(site: &Site<'_>, planned: Planned<'_>, first: bool) -> Result<Found, AwsError> {
    if !first && !site.aws.stack_events(planned.stack, &token(site)).await?.value.is_empty() {
        let said = format!("the change set of {} was executed before", planned.version);
        return Ok(Found::Done(receipt(planned, said, Vec::new())));
    }
    let Some(found) = site.aws.change_set(planned.stack, planned.id).await?.value else {
        return Ok(Found::Refused("the change set is gone. Nothing was deployed; ask again".to_owned()));
    };
    Ok(match found.state {
        ChangeSetState::Available => Found::NotDone,
        ChangeSetState::Executed { .. } if !first => {
            let said = format!("the change set of {} was executed before", planned.version);
            Found::Done(receipt(planned, said, Vec::new()))
        }
        ChangeSetState::Executed { status } => {
            Found::Refused(format!("somebody else has executed the change set ({status}); look at the stack"))
        }
        ChangeSetState::Pending | ChangeSetState::Empty => Found::Refused(
            "the change set is not what was planned any more. Nothing was deployed; ask again".to_owned(),
        ),
        ChangeSetState::Unusable { reason } => {
            Found::Refused(format!("the change set cannot be executed: {reason}. Nothing was deployed; ask again"))
        }
    })
}

/// Executes it. Harmless to repeat: the token follows from run and step.
pub(super) async fn execute(site: &Site<'_>, held: &Held<'_>, planned: Planned<'_>) -> Result<Receipt, ActError> {
    let request_ids = site.aws.execute_change_set(held, planned.stack, planned.id, &token(site)).await?;
    Ok(receipt(planned, format!("the change set of {} is executed", planned.version), request_ids))
}

/// Looks how far the stack is, and what has happened to it.
pub(super) async fn observe(site: &Site<'_>, planned: Planned<'_>) -> Result<Observation, AwsError> {
    let token = token(site);
    let (events, state) =
        tokio::join!(site.aws.stack_events(planned.stack, &token), site.aws.stack_state(planned.stack));
    let (events, Some(state)) = (events?.value, state?) else {
        return Ok(Observation::over(StepStatus::Failed, format!("the stack {} is gone", planned.stack)));
    };
    let of_resources = |event: &&StackEvent| event.resource_type != "AWS::CloudFormation::Stack";
    let complete = events.iter().filter(of_resources).filter(|event| is_complete(&event.status));
    let mut done: Vec<&str> = complete.map(|event| event.logical_id.as_str()).collect();
    done.sort_unstable();
    done.dedup();
    let settled = state.is_good() && (!events.is_empty() || was_executed(site, planned, &state).await?);
    let all = planned.changes.len().max(1);
    let permille = u16::try_from(if settled { 1000 } else { 1000 * done.len().min(all) / all }).ok();
    let count = format!(", {} of {} resources done", done.len(), planned.changes.len());
    // Where the events do not name their request, nothing can be counted.
    let count = if settled && done.is_empty() { String::new() } else { count };
    let now = format!("{} is {}{count}", planned.stack, state.status);
    let news = news(site, &events, now, permille);
    if news.is_some() || state.is_in_progress() || (state.is_good() && !settled) {
        return Ok(Observation { news, ..Observation::default() });
    }
    if state.is_good() {
        let summary = format!("{} is {} with version {}", planned.stack, state.status, planned.version);
        return Ok(Observation::over(StepStatus::Done, summary));
    }
    Ok(Observation::over(StepStatus::Failed, stuck(site, planned.stack, &state, &events)))
}

/// Whether a stack that looks well does so because of this change set: right after the request it may still show what was
/// before.
async fn was_executed(site: &Site<'_>, planned: Planned<'_>, state: &StackState) -> Result<bool, AwsError> {
    let asked = site.step.effected.as_ref().map(|(at, _)| *at);
    if state.touched_at.zip(asked).is_some_and(|(touched, asked)| touched >= asked) {
        return Ok(true);
    }
    let found = site.aws.change_set(planned.stack, planned.id).await?.value;
    Ok(found
        .is_none_or(|set| matches!(&set.state, ChangeSetState::Executed { status } if status == "EXECUTE_COMPLETE")))
}

/// The run is to stop. CloudFormation goes on by itself, so it is looked at until the stack has settled; a rollback that
/// came meanwhile has to hear what that may have done.
pub(super) async fn stop(site: &Site<'_>, planned: Planned<'_>) -> Result<Observation, AwsError> {
    let mut observed = observe(site, planned).await?;
    let environment = &site.environment.name;
    if let Some((_, summary)) = &mut observed.over {
        summary.push_str(&match site.run.preempted {
            Some(by) => format!(
                ". The rollback {by} had turned the rules off while the stack was being changed, and a template that says \
                 ENABLED may have turned them on again: look at `status {environment}`, and roll back once more if one is on"
            ),
            None => format!(
                ". What is there was neither looked at nor recorded, and rules that the template turned on were not turned off: \
                 look at `status {environment}` and `verify {environment}`"
            ),
        });
    }
    Ok(observed)
}

/// Looks whether a stack is still stuck.
pub(super) async fn find_recovery(site: &Site<'_>, stack: &str, first: bool) -> Result<Found, AwsError> {
    let Some(state) = site.aws.stack_state(stack).await? else {
        return Ok(Found::Refused(format!("there is no stack {stack}")));
    };
    let said = || Receipt { said: format!("{stack} is {}", state.status), ..Receipt::default() };
    Ok(match state.status.as_str() {
        "UPDATE_ROLLBACK_FAILED" | "UPDATE_FAILED" | "CREATE_FAILED" => Found::NotDone,
        _ if state.is_in_progress() && first => Found::Refused(format!(
            "{stack} is {}: CloudFormation is at work on it. Ask again when it has settled",
            state.status
        )),
        _ => Found::Done(said()),
    })
}

/// Does what the stack's state asks for. Harmless to repeat: a stack on its way back takes no second request.
pub(super) async fn recover(site: &Site<'_>, held: &Held<'_>, stack: &str) -> Result<Receipt, ActError> {
    let role = site.environment.changeset().and_then(|deployer| deployer.role_arn.as_deref());
    let state = site.aws.stack_state(stack).await?;
    let (request_ids, said) = match state.as_ref().map(|state| state.status.as_str()) {
        Some("UPDATE_ROLLBACK_FAILED") => (
            site.aws.continue_update_rollback(held, stack, role, &token(site)).await?,
            format!("the rollback of {stack} is continued"),
        ),
        _ => (
            site.aws.rollback_stack(held, stack, role, &token(site)).await?,
            format!("the update of {stack} is rolled back"),
        ),
    };
    Ok(Receipt { changed: true, said, request_ids, ..Receipt::default() })
}

/// Looks until the stack has settled.
pub(super) async fn observe_recovery(site: &Site<'_>, stack: &str) -> Result<Observation, AwsError> {
    let events = site.aws.stack_events(stack, &token(site)).await?.value;
    let Some(state) = site.aws.stack_state(stack).await? else {
        return Ok(Observation::over(StepStatus::Failed, format!("the stack {stack} is gone")));
    };
    let news = news(site, &events, format!("{stack} is {}", state.status), None);
    if news.is_some() || state.is_in_progress() {
        return Ok(Observation { news, ..Observation::default() });
    }
    if state.takes_updates() {
        return Ok(Observation::over(StepStatus::Done, format!("{stack} is {} and takes updates again", state.status)));
    }
    Ok(Observation::over(StepStatus::Failed, stuck(site, stack, &state, &events)))
}

/// What shows that it was executed.
fn receipt(planned: Planned<'_>, said: String, request_ids: Vec<String>) -> Receipt {
    let detail = Detail::Version { version: planned.version.to_owned() };
    Receipt { changed: true, said, detail, request_ids, ..Receipt::default() }
}

/// The events that were not told yet; none when there are none and nothing else is new.
fn news(site: &Site<'_>, events: &[StackEvent], now: String, permille: Option<u16>) -> Option<Progress> {
    let known = &site.step.progress;
    let told = known.counts.get(EVENTS).and_then(|told| usize::try_from(*told).ok()).unwrap_or(0);
    let fresh: Vec<String> = events.iter().skip(told).take(LINES_AT_ONCE).map(line).collect();
    if fresh.is_empty() && known.now == now {
        return None;
    }
    let told = i64::try_from(told + fresh.len()).unwrap_or(i64::MAX);
    Some(Progress { lines: fresh, permille, now, counts: [(EVENTS.to_owned(), told)].into() })
}

/// One event in one line.
fn line(event: &StackEvent) -> String {
    let at = event.at.strftime("%H:%M:%S");
    let reason = event.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let mark = if event.is_failure() { "FAILED " } else { "" };
    format!("{at} UTC {mark}{} ({}) {}{reason}", event.logical_id, event.resource_type, event.status)
}

/// The state that an update has left a stack in, the reasons, and the way out.
fn stuck(site: &Site<'_>, stack: &str, state: &StackState, events: &[StackEvent]) -> String {
    let failed = events.iter().filter(|event| event.is_failure());
    let failed = failed.filter(|event| event.reason.as_ref().is_some_and(|reason| !reason.contains("cancelled")));
    let reasons: Vec<String> = failed
        .take(3)
        .map(|event| format!("{}: {}", event.logical_id, event.reason.clone().unwrap_or_default()))
        .collect();
    let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join("; ")) };
    let environment = &site.environment.name;
    let (means, way) = match state.status.as_str() {
        "UPDATE_ROLLBACK_COMPLETE" => (
            "the update failed, and CloudFormation has put the stack back to what it was",
            format!("Mend the template and deploy again, or go back with `rollback {environment} --code`"),
        ),
        "UPDATE_ROLLBACK_FAILED" => (
            "the update failed and so did putting it back: parts of both versions are there",
            format!("Mend what the reason names, then `recover {environment}` continues the rollback"),
        ),
        "UPDATE_FAILED" | "CREATE_FAILED" => {
            ("the update stopped half way", format!("`recover {environment}` puts the stack back to what it was"))
        }
        "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" => (
            "the stack was never made whole",
            "Only deleting it helps, which is done by hand in the CloudFormation console".to_owned(),
        ),
        _ => (
            "it is not what was wanted",
            format!("Look at it in the CloudFormation console, then deploy {environment} again"),
        ),
    };
    format!("{stack} is {}: {means}{reasons}. {way}", state.status)
}

fn is_complete(status: &str) -> bool {
    status.ends_with("_COMPLETE") && !status.contains("ROLLBACK") && !status.contains("CLEANUP")
}

/// The token of the request: CloudFormation takes 1 to 128 letters, digits and dashes.
fn token(site: &Site<'_>) -> String {
    let step = site.step.step.id.0.replace(|letter: char| !letter.is_ascii_alphanumeric(), "-");
    format!("alch-{}-{step}", site.run.mark())
}
