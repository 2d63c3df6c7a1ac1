//! What is done to the function itself: its reserved concurrency is set, and other code is put in.

use std::time::Instant;

use super::ActError;
use super::effects::{Found, Observation, Site};
use crate::aws::{AwsError, AwsErrorKind};
use crate::domain::{Artefact, Detail, Expected, ExpectedBy, Held, Package, Progress, Receipt, StepStatus};
use crate::runbook::code_rollback::overwritten;

/// A reserved concurrency that is wanted, and the one that was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Concurrency<'a> {
    pub(super) function: &'a str,
    pub(super) from: Option<u32>,
    pub(super) to: Option<u32>,
}

/// Looks whether the function has it already (Lambda `GetFunctionConcurrency`).
pub(super) async fn find_concurrency(site: &Site<'_>, wish: Concurrency<'_>) -> Result<Found, AwsError> {
    let read = site.aws.concurrency(wish.function).await?;
    if read.value == wish.to {
        // What was planned from tells also after a crash who changed it.
        return Ok(Found::Done(Receipt { request_ids: read.request_ids, ..receipt(wish, wish.from != wish.to) }));
    }
    // A stop takes whatever it finds. What is given back is what a stop took, and nothing of somebody else's.
    if wish.to != Some(0) && read.value != wish.from {
        return Ok(Found::Refused(format!(
            "the reserved concurrency of {} was {} when this was planned, and is {} now: somebody else has changed it, and it is \
             left as it is. Nothing was done; look at `status {3}`, and ask `restore {3}` anew",
            wish.function,
            words(wish.from),
            words(read.value),
            site.environment.name
        )));
    }
    Ok(Found::NotDone)
}

/// Sets it (Lambda `PutFunctionConcurrency`, `DeleteFunctionConcurrency`).
pub(super) async fn set_concurrency(
    site: &Site<'_>,
    held: &Held<'_>,
    wish: Concurrency<'_>,
) -> Result<Receipt, ActError> {
    let started = Instant::now();
    // What is taken is what is there now; a plan may have waited for its click.
    let wish = match site.aws.concurrency(wish.function).await {
        Ok(read) if wish.to == Some(0) => Concurrency { from: read.value, ..wish },
        Ok(_) | Err(_) => wish,
    };
    let sent = site.aws.set_concurrency(held, wish.function, wish.to).await;
    let request_ids = sent.map_err(|error| match &error.kind {
        AwsErrorKind::Other { code, .. } if code == "InvalidParameterValueException" && wish.to != Some(0) => {
            ActError::Refused(format!(
                "{0} does not get its reserved concurrency of {1} back: {error}. It stays stopped, and no rule is turned on. \
                 Free reserved concurrency of other functions and ask `restore {2}` anew; or give {0} another value by hand, \
                 which `restore {2}` then leaves as it is",
                wish.function,
                words(wish.to),
                site.environment.name
            ))
        }
        _ => error.into(),
    })?;
    Ok(Receipt { request_ids, elapsed_ms: millis(started), ..receipt(wish, wish.from != wish.to) })
}

fn receipt(wish: Concurrency<'_>, changed: bool) -> Receipt {
    let Concurrency { function, from, to } = wish;
    let said = if changed {
        format!("reserved concurrency of {function}: {} → {}", words(from), words(to))
    } else {
        format!("reserved concurrency of {function} was {} already", words(to))
    };
    Receipt { changed, said, detail: Detail::Concurrency { from, to }, ..Receipt::default() }
}

/// Reads it back.
pub(super) async fn observe_concurrency(
    site: &Site<'_>,
    wish: Concurrency<'_>,
    receipt: &Receipt,
) -> Result<Observation, AwsError> {
    let Concurrency { function, from, to } = wish;
    let from = match receipt.detail {
        Detail::Concurrency { from, .. } => from,
        _ => from,
    };
    let environment = &site.environment.name;
    let read = site.aws.concurrency(function).await?.value;
    let status = if receipt.changed { StepStatus::Done } else { StepStatus::Already };
    Ok(match to {
        _ if read != to => Observation::over(
            StepStatus::Failed,
            format!(
                "the reserved concurrency of {function} reads {}, not {}: somebody else has changed it since",
                words(read),
                words(to)
            ),
        ),
        Some(0) if receipt.changed => Observation::over(
            status,
            format!(
                "{function} is stopped, read back as reserved concurrency 0 (before: {}). Nothing runs now, events that \
                 are queued for it already neither: Lambda keeps trying them for up to six hours and then gives them up. \
                 What is running at this moment ends by itself. The rules are as they were. `restore {environment}` \
                 gives the former value back",
                words(from)
            ),
        ),
        Some(0) => Observation::over(
            status,
            format!(
                "{function} was stopped already; nothing was changed. Events that are queued for it do not run either. \
                 `restore {environment}` gives back what a hard stop of Alch has taken"
            ),
        ),
        Some(_) | None => Observation::over(
            status,
            format!(
                "{function} runs again, with {}. Events that Lambda still keeps for it are worked on now",
                match to {
                    Some(number) => format!("reserved concurrency {number}"),
                    None => "no reserved concurrency".to_owned(),
                }
            ),
        ),
    })
}

fn words(concurrency: Option<u32>) -> String {
    concurrency.map_or_else(|| "none".to_owned(), |number| number.to_string())
}

/// Code that is wanted, and what was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Code<'a> {
    pub(super) function: &'a str,
    pub(super) package: &'a Package,
    pub(super) version: Option<&'a str>,
    pub(super) before: &'a str,
    pub(super) revision: &'a str,
    pub(super) expected: Option<&'a Expected>,
}

/// Looks whether the function's code is another one than when it was planned (Lambda `GetFunctionConfiguration`).
pub(super) async fn find_code(site: &Site<'_>, wish: Code<'_>, first: bool) -> Result<Found, AwsError> {
    let read = site.aws.code(wish.function).await?;
    let function = wish.function;
    if read.value.revision == wish.revision {
        // What CloudFormation is at work on, it would put its own code over.
        let state = site.aws.stack_state(&site.environment.stack).await?;
        let refused = state.and_then(|state| overwritten(&state.status, site.environment));
        return Ok(refused.map_or(Found::NotDone, |why| Found::Refused(format!("{why}. Nothing was done"))));
    }
    Ok(if first {
        Found::Refused(format!(
            "{function} was changed by somebody else since this was planned; nothing was done. Look at `status {0}`, and \
             ask anew",
            site.environment.name
        ))
    } else if read.value.code == wish.before {
        Found::Unknown(format!(
            "{function} has been changed, but its code is what it was: this update was not carried out, or the package \
             holds the same code. Look at the function in the console; cancel and ask anew to put the package in"
        ))
    } else {
        Found::Done(Receipt { request_ids: read.request_ids, ..code_receipt(wish, None) })
    })
}

/// Puts the package in (Lambda `UpdateFunctionCode`).
pub(super) async fn update_code(site: &Site<'_>, held: &Held<'_>, wish: Code<'_>) -> Result<Receipt, ActError> {
    let started = Instant::now();
    match site.aws.update_code(held, wish.function, wish.package, wish.revision).await {
        Ok(answer) => {
            let (request_ids, elapsed_ms) = (answer.request_ids, millis(started));
            Ok(Receipt { request_ids, elapsed_ms, ..code_receipt(wish, answer.value) })
        }
        Err(error) => {
            let is_other =
                matches!(&error.kind, AwsErrorKind::Other { code, .. } if code == "PreconditionFailedException");
            // The SDK may have repeated a call whose answer was lost: the code tells.
            if is_other && site.aws.code(wish.function).await?.value.code != wish.before {
                return Ok(code_receipt(wish, None));
            }
            Err(error.into())
        }
    }
}

fn code_receipt(wish: Code<'_>, answered: Option<String>) -> Receipt {
    let version = wish.version.map(str::to_owned);
    Receipt {
        changed: true,
        said: format!("{} gets the code of {}", wish.function, wish.package),
        detail: Detail::Code { package: wish.package.clone(), version, answered },
        ..Receipt::default()
    }
}

/// Looks how far the update is, and whether the code is what it has to be.
pub(super) async fn observe_code(site: &Site<'_>, wish: Code<'_>, receipt: &Receipt) -> Result<Observation, AwsError> {
    let read = site.aws.code(wish.function).await?.value;
    let (function, environment) = (wish.function, &site.environment.name);
    let answered = match &receipt.detail {
        Detail::Code { answered, .. } => answered.as_deref(),
        _ => None,
    };
    Ok(match read.status.as_str() {
        "Successful" if read.code == wish.before => Observation::over(
            StepStatus::Failed,
            format!(
                "Lambda says that the update was successful, but the code of {function} is what it was ({}): {} holds the \
                 same code. Give another package",
                read.code, wish.package
            ),
        ),
        "Successful" => match compared(&read.code, wish.expected, answered) {
            Ok(proof) => Observation::over(
                StepStatus::Done,
                format!(
                    "{function} runs the code of {} now: its hash was {} and is {}, {proof}. The stack does not know: layers, \
                     variables and permissions stay as they were deployed last, and the next deployment puts its own code in. \
                     `rollback {environment} --code --stack` puts all of it back",
                    wish.package, wish.before, read.code
                ),
            ),
            Err(expected) => Observation::over(
                StepStatus::Failed,
                format!(
                    "Lambda says that the update was successful, but {function} runs other code than it should: its hash is \
                     {}, and {expected}. Somebody else may have changed it meanwhile, or the package is not what it was. Look \
                     who is at it, then ask anew, or `rollback {environment} --code --stack`",
                    read.code
                ),
            ),
        },
        "Failed" => Observation::over(
            StepStatus::Failed,
            format!(
                "Lambda could not update {function}: {}. It runs what it ran before. Try another package, or `rollback \
                 {environment} --code --stack`",
                read.reason.as_deref().unwrap_or("it gave no reason").trim_end_matches('.')
            ),
        ),
        status => {
            let now = format!("Lambda updates {function}: {status}");
            let is_new = site.step.progress.now != now;
            Observation { news: is_new.then(|| Progress { now, ..Progress::default() }), ..Observation::default() }
        }
    })
}

/// Whether the code is what it has to be, and by whose word; else whose word it is not.
fn compared(code: &str, expected: Option<&Expected>, answered: Option<&str>) -> Result<String, String> {
    let (wanted, word) = match (expected, answered) {
        (Some(Expected { code, by: ExpectedBy::Journal { run } }), _) => {
            (code.as_str(), format!("recorded in {run} when that package was deployed"))
        }
        (Some(Expected { code, by: ExpectedBy::DryRun }), _) => {
            (code.as_str(), "computed by Lambda of the package beforehand".to_owned())
        }
        (None, Some(answered)) => {
            (answered, "answered by Lambda to the update; nothing from before is known to compare with".to_owned())
        }
        (None, None) => {
            return Ok("with nothing to compare it with: none was recorded, and Lambda's answer was lost".to_owned());
        }
    };
    if code == wanted { Ok(format!("as {word}")) } else { Err(format!("{wanted} was {word}")) }
}

/// Reads what the function runs and which package that is (Lambda `GetFunctionConfiguration`, CloudFormation
/// `GetTemplate`).
pub(super) async fn record_code(site: &Site<'_>, version: Option<&str>) -> Result<Receipt, AwsError> {
    let artefact = site.aws.running(site.environment).await?;
    let Artefact { code, package, lacks } = &artefact;
    let from = match (package, lacks) {
        (Some(package), _) => format!("from {package}"),
        (None, Some(why)) => format!("and its package is not known: {}", why.trim_end_matches('.')),
        (None, None) => "and its package is not known".to_owned(),
    };
    let said = format!("it runs code {code} {from}");
    let detail = Detail::Runs { version: version.map(str::to_owned), artefact };
    Ok(Receipt { said, detail, ..Receipt::default() })
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
