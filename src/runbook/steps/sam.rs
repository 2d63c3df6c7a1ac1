//! `sam build` and `sam deploy`: started in the checkout that was planned, watched by what they write, judged by their
//! exit status and by the stack's state, killed with all their children when the run is to stop.

use std::time::Duration;

use jiff::Timestamp;

use super::ActError;
use super::effects::{Found, Observation, Site};
use crate::aws::{AwsError, StackState};
use crate::domain::{CheckedOut, Detail, Held, Progress, Receipt, SamDeployer, StepStatus};
use crate::sam::{End, GRACE, Key, Keys, Order, Seen, StartError, Stopped, Target};

/// How many of the new lines one record takes.
const LINES_AT_ONCE: usize = 20;
/// How many of the last lines stand in the words of a failure.
const LAST_LINES: usize = 3;
/// Between two looks whether something has ended, within one turn.
const LOOK: Duration = Duration::from_millis(100);
/// How long a turn waits for a process that was told to end.
const END_PATIENCE: Duration = Duration::from_secs(1);

/// Looks whether the build may begin. A repeat is harmless: a build changes nothing in AWS.
pub(super) async fn find_build(site: &Site<'_>, checkout: &CheckedOut, first: bool) -> Found {
    if let Some(found) = found_process(site, first, checkout, "sam build was started") {
        return found;
    }
    may_begin(site, checkout).await
}

/// Looks whether the deployment may begin, or was begun before Alch was restarted: then the stack tells, never a second
/// deployment beside the first.
pub(super) async fn find_deploy(
    site: &Site<'_>,
    stack: &str,
    checkout: &CheckedOut,
    first: bool,
) -> Result<Found, AwsError> {
    if let Some(found) = found_process(site, first, checkout, "sam deploy was started") {
        return Ok(found);
    }
    let ready = may_begin(site, checkout).await;
    let state = site.aws.stack_state(stack).await?;
    let Some(state) = state else { return Ok(ready) };
    let touched = since(&state, site.step.started_at);
    if !first && (touched || state.is_in_progress()) {
        let said = format!("sam deploy was started before Alch was restarted; {stack} is {} now", state.status);
        return Ok(Found::Done(receipt(checkout, said)));
    }
    if state.is_in_progress() {
        return Ok(Found::Refused(format!(
            "{stack} is {}: somebody else changes it. Nothing was done; ask again when it has settled",
            state.status
        )));
    }
    if !state.takes_updates() {
        return Ok(Found::Refused(format!("{}. Nothing was done", stuck(site, stack, &state))));
    }
    Ok(ready)
}

/// Starts `sam build`.
pub(super) async fn build(site: &Site<'_>, checkout: &CheckedOut) -> Result<Receipt, ActError> {
    let deployer = deployer(site)?;
    site.sam.start(key(site), deployer, &site.environment.region, Order::Build).await?;
    Ok(Receipt { changed: false, said: format!("sam build was started at {}", checkout.name()), ..Receipt::default() })
}

/// Starts `sam deploy`, which makes a change set and executes it. Not to be repeated while the stack is at work:
/// [`find_deploy`] looks first.
pub(super) async fn deploy(
    site: &Site<'_>,
    held: &Held<'_>,
    stack: &str,
    checkout: &CheckedOut,
) -> Result<Receipt, ActError> {
    let deployer = deployer(site)?;
    let access = site.aws.program_access(held).await?;
    let keys = Keys { id: access.keys.id, secret: access.keys.secret, session: access.session };
    let region = &site.environment.region;
    let target = Target { config_env: &deployer.config_env, stack, region };
    let order = Order::Deploy { target, keys: &keys, endpoint: access.endpoint.as_deref() };
    site.sam.start(key(site), deployer, region, order).await?;
    Ok(receipt(checkout, format!("sam deploy was started at {}", checkout.name())))
}

/// Looks how the build goes on. One that ended with a former Alch is begun again.
pub(super) async fn observe_build(site: &Site<'_>, checkout: &CheckedOut) -> Observation {
    let Some(seen) = site.sam.jobs.look(&key(site)) else {
        if let Some(moved) = moved(site, checkout).await {
            return Observation::over(StepStatus::Failed, moved);
        }
        return match build(site, checkout).await {
            Ok(_) => Observation {
                news: Some(Progress {
                    lines: vec!["Alch was restarted, and sam build ended with it; it begins again".to_owned()],
                    ..Progress::default()
                }),
                ..Observation::default()
            },
            // The former one may still be ending.
            Err(ActError::NotStarted(error)) if error.is_transient() => Observation::default(),
            Err(error) => Observation::over(StepStatus::Failed, error.to_string()),
        };
    };
    let news = news(site, &seen);
    let over = seen.end.map(|end| {
        if end.is_success() {
            (StepStatus::Done, format!("built {}", checkout.name()))
        } else {
            (StepStatus::Failed, format!("{}. Nothing was deployed", ended_badly("sam build", end, &seen)))
        }
    });
    Observation { news, over, ..Observation::default() }
}

/// Looks how the deployment goes on: `sam` while it runs, then the stack until it has settled.
pub(super) async fn observe_deploy(
    site: &Site<'_>,
    stack: &str,
    checkout: &CheckedOut,
) -> Result<Observation, AwsError> {
    let seen = site.sam.jobs.look(&key(site));
    let running = seen.as_ref().is_some_and(|seen| seen.end.is_none());
    let news = seen.as_ref().and_then(|seen| news(site, seen));
    if running {
        return Ok(Observation { news, ..Observation::default() });
    }
    if seen.is_none() && !is_free(site).await {
        // What a former Alch left behind is ending.
        return Ok(Observation::default());
    }
    let state = site.aws.stack_state(stack).await?;
    if let Some(state) = state.as_ref().filter(|state| state.is_in_progress()) {
        let now = format!("sam has ended; {stack} goes on by itself: {}", state.status);
        let known = site.step.progress.now == now;
        let news = news.map(|news| Progress { now: now.clone(), ..news });
        let news = news.or_else(|| (!known).then(|| Progress { now, ..Progress::default() }));
        return Ok(Observation { news, ..Observation::default() });
    }
    Ok(Observation {
        news,
        over: Some(judge(site, stack, checkout, seen.as_ref(), state.as_ref())),
        ..Default::default()
    })
}

/// Kills `sam`, and says how it leaves the stack.
pub(super) async fn stop(site: &Site<'_>, stack: Option<&str>) -> Result<Observation, AwsError> {
    let key = key(site);
    site.sam.jobs.stop(&key);
    let ended = async {
        while site.sam.jobs.look(&key).is_some_and(|seen| seen.end.is_none()) {
            tokio::time::sleep(LOOK).await;
        }
    };
    let over = tokio::time::timeout(END_PATIENCE, ended).await.is_ok();
    let news = site.sam.jobs.look(&key).and_then(|seen| news(site, &seen));
    if !over {
        return Ok(Observation { news, ..Observation::default() });
    }
    let Some(stack) = stack else {
        let over =
            (StepStatus::Skipped, "sam build was stopped with all its children; nothing was deployed".to_owned());
        return Ok(Observation { news, over: Some(over), ..Observation::default() });
    };
    let state = site.aws.stack_state(stack).await?;
    let over = match &state {
        Some(state) if state.is_in_progress() => (
            StepStatus::Skipped,
            format!(
                "sam deploy was stopped with all its children, but CloudFormation goes on by itself: {stack} is {}. When it \
                 has settled, rules may be on that were off: look again then",
                state.status
            ),
        ),
        Some(state) if since(state, site.step.started_at) => (
            StepStatus::Skipped,
            format!(
                "sam deploy was stopped with all its children, but {stack} was changed before: it is {}",
                state.status
            ),
        ),
        Some(state) => (
            StepStatus::Skipped,
            format!(
                "sam deploy was stopped with all its children before it changed {stack}, which is {}",
                state.status
            ),
        ),
        None => (StepStatus::Skipped, format!("sam deploy was stopped with all its children before it made {stack}")),
    };
    Ok(Observation { news, over: Some(over), ..Observation::default() })
}

fn key(site: &Site<'_>) -> Key {
    Key { run: site.run.id, step: site.step.step.id.clone() }
}

fn receipt(checkout: &CheckedOut, said: String) -> Receipt {
    Receipt { changed: true, said, detail: Detail::Deployed { checkout: checkout.clone() }, ..Receipt::default() }
}

fn deployer<'a>(site: &Site<'a>) -> Result<&'a SamDeployer, StartError> {
    site.environment.sam().ok_or(StartError::NotConfigured)
}

/// The process of this step. One that has ended counts as done unless the step begins anew.
fn found_process(site: &Site<'_>, first: bool, checkout: &CheckedOut, said: &str) -> Option<Found> {
    let key = key(site);
    let seen = site.sam.jobs.look(&key)?;
    if first && seen.end.is_some() {
        site.sam.jobs.forget(&key);
        return None;
    }
    Some(Found::Done(receipt(checkout, format!("{said} at {}", checkout.name()))))
}

/// Nobody is at work in the checkout, and it is what was planned.
async fn may_begin(site: &Site<'_>, checkout: &CheckedOut) -> Found {
    if !is_free(site).await {
        let folder = deployer(site).map_or("", |deployer| &deployer.checkout);
        return Found::Refused(format!(
            "another sam is at work in {folder}; nothing was done. Ask again when it has ended"
        ));
    }
    match moved(site, checkout).await {
        Some(moved) => Found::Refused(moved),
        None => Found::NotDone,
    }
}

async fn moved(site: &Site<'_>, checkout: &CheckedOut) -> Option<String> {
    match deployer(site) {
        Ok(deployer) => site.sam.moved(deployer, checkout).await,
        Err(error) => Some(error.to_string()),
    }
}

/// Whether nothing is at work in the checkout; what was killed is given its time to end.
async fn is_free(site: &Site<'_>) -> bool {
    let Ok(deployer) = deployer(site) else { return true };
    let free = async {
        while !site.sam.is_free(deployer).await {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(GRACE + END_PATIENCE, free).await.is_ok()
}

/// What was written since the last look.
fn news(site: &Site<'_>, seen: &Seen) -> Option<Progress> {
    let (lines, new) = site.sam.jobs.news(&key(site));
    if new == 0 {
        return None;
    }
    let skipped = lines.len().saturating_sub(LINES_AT_ONCE);
    let shown: Vec<String> = lines.into_iter().skip(skipped).collect();
    let left_out = new.saturating_sub(shown.len() as u64);
    let lines = (left_out > 0).then(|| format!("… {left_out} lines left out")).into_iter().chain(shown).collect();
    let now = match seen.end {
        None => format!("{} lines so far", seen.count),
        Some(_) => format!("{} lines in all", seen.count),
    };
    Some(Progress { lines, now, ..Progress::default() })
}

/// Whether a stack was made or changed since then. CloudFormation's times are whole seconds here.
fn since(state: &StackState, start: Option<Timestamp>) -> bool {
    match (state.touched_at, start) {
        (Some(touched), Some(start)) => touched.as_second() >= start.as_second(),
        (None, _) | (_, None) => false,
    }
}

/// What became of a deployment that is over: the exit status says one thing, the stack another, and both have to be well.
fn judge(
    site: &Site<'_>,
    stack: &str,
    checkout: &CheckedOut,
    seen: Option<&Seen>,
    state: Option<&StackState>,
) -> (StepStatus, String) {
    let Some(state) = state else {
        let why = seen.and_then(|seen| Some(ended_badly("sam deploy", seen.end?, seen)));
        let why = why.unwrap_or_else(|| "sam deploy has ended".to_owned());
        return (StepStatus::Failed, format!("{why}, and there is no stack {stack}"));
    };
    let touched = since(state, site.step.started_at);
    let now = format!("{stack} is {}", state.status);
    let end = seen.and_then(|seen| Some((seen, seen.end?)));
    let well = end.is_none_or(|(_, end)| end.is_success());
    let how = match end {
        Some((_, end)) if end.is_success() => "sam deploy ended well".to_owned(),
        Some((seen, end)) => ended_badly("sam deploy", end, seen),
        None => "Alch was restarted, so the end of sam deploy was not seen".to_owned(),
    };
    match (touched, state.is_good()) {
        (true, true) if well => (StepStatus::Done, format!("deployed {}: {now}", checkout.name())),
        (true, true) => (StepStatus::Failed, format!("{how}, but {now}: it was changed all the same")),
        (true, false) => {
            let reason = state.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
            (StepStatus::Failed, format!("{how}, and {}{reason}", stuck(site, stack, state)))
        }
        (false, _) if end.is_none() => {
            (StepStatus::Unknown, format!("{how}, and it ended before it changed {stack}, which is {}", state.status))
        }
        (false, true) if well => (StepStatus::Already, format!("there was nothing to deploy: {now}, unchanged")),
        (false, _) => (StepStatus::Failed, format!("{how}. {now}, and was not changed")),
    }
}

/// In which state a stack is that is not well, and what helps.
fn stuck(site: &Site<'_>, stack: &str, state: &StackState) -> String {
    let status = &state.status;
    let environment = &site.environment.name;
    match status.as_str() {
        "UPDATE_ROLLBACK_COMPLETE" | "IMPORT_ROLLBACK_COMPLETE" => {
            format!("{stack} was rolled back to what it was before ({status})")
        }
        "UPDATE_ROLLBACK_FAILED" | "UPDATE_FAILED" => {
            format!("{stack} is {status} and takes no update; `recover {environment}` brings it out of that")
        }
        "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "CREATE_FAILED" | "DELETE_FAILED" => {
            format!("{stack} is {status}: it never came up, and only deleting it helps, which Alch does not do")
        }
        _ => format!("{stack} is {status}"),
    }
}

/// How a process ended that did not end well, with its last words.
fn ended_badly(name: &str, end: End, seen: &Seen) -> String {
    let how = match (end.stopped, end.code, end.signal) {
        (Some(Stopped::Asked), _, _) => "was stopped with all its children".to_owned(),
        (Some(Stopped::TimedOut), _, _) => "took too long and was killed with all its children".to_owned(),
        (Some(Stopped::WroteTooMuch), _, _) => "wrote without end and was killed with all its children".to_owned(),
        (None, Some(127), _) => "could not be found".to_owned(),
        (None, Some(code), _) => format!("failed with exit status {code}"),
        (None, None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None, None) => "ended in a way that nobody can tell".to_owned(),
    };
    let skip = seen.lines.len().saturating_sub(LAST_LINES);
    let last: Vec<&str> = seen.lines.iter().skip(skip).map(|line| line.trim()).collect();
    if last.is_empty() { format!("{name} {how}") } else { format!("{name} {how}: {}", last.join(" / ")) }
}
