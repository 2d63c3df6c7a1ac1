//! What is done to the function itself: its reserved concurrency is set, and other code is put in.

use std::time::Instant;

use super::ActError;
use super::effects::{Found, Observation, Site};
use crate::aws::{AwsError, AwsErrorKind};
use crate::domain::{Detail, Held, Package, Progress, Receipt, StepStatus};

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
    if read.value != wish.to {
        return Ok(Found::NotDone);
    }
    // What was planned from tells also after a crash who changed it.
    Ok(Found::Done(Receipt { request_ids: read.request_ids, ..receipt(wish, wish.from != wish.to) }))
}

/// Sets it (Lambda `PutFunctionConcurrency`, `DeleteFunctionConcurrency`).
pub(super) async fn set_concurrency(
    site: &Site<'_>,
    held: &Held<'_>,
    wish: Concurrency<'_>,
) -> Result<Receipt, ActError> {
    let started = Instant::now();
    let request_ids = site.aws.set_concurrency(held, wish.function, wish.to).await?;
    Ok(Receipt { request_ids, elapsed_ms: millis(started), ..receipt(wish, true) })
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
}

/// Looks whether the function's code is another one than when it was planned (Lambda `GetFunctionConfiguration`).
pub(super) async fn find_code(site: &Site<'_>, wish: Code<'_>, first: bool) -> Result<Found, AwsError> {
    let read = site.aws.code(wish.function).await?;
    let function = wish.function;
    Ok(if read.value.revision == wish.revision {
        Found::NotDone
    } else if first {
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
        Found::Done(Receipt { request_ids: read.request_ids, ..code_receipt(wish) })
    })
}

/// Puts the package in (Lambda `UpdateFunctionCode`).
pub(super) async fn update_code(site: &Site<'_>, held: &Held<'_>, wish: Code<'_>) -> Result<Receipt, ActError> {
    let started = Instant::now();
    match site.aws.update_code(held, wish.function, wish.package, wish.revision).await {
        Ok(request_ids) => Ok(Receipt { request_ids, elapsed_ms: millis(started), ..code_receipt(wish) }),
        Err(error) => {
            let is_other =
                matches!(&error.kind, AwsErrorKind::Other { code, .. } if code == "PreconditionFailedException");
            // The SDK may have repeated a call whose answer was lost: the code tells.
            if is_other && site.aws.code(wish.function).await?.value.code != wish.before {
                return Ok(code_receipt(wish));
            }
            Err(error.into())
        }
    }
}

fn code_receipt(wish: Code<'_>) -> Receipt {
    Receipt {
        changed: true,
        said: format!("{} gets the code of {}", wish.function, wish.package),
        detail: Detail::Code { package: wish.package.clone(), version: wish.version.map(str::to_owned) },
        ..Receipt::default()
    }
}

/// Looks how far the update is.
pub(super) async fn observe_code(site: &Site<'_>, wish: Code<'_>) -> Result<Observation, AwsError> {
    let read = site.aws.code(wish.function).await?.value;
    let (function, environment) = (wish.function, &site.environment.name);
    Ok(match read.status.as_str() {
        "Successful" if read.code == wish.before => Observation::over(
            StepStatus::Failed,
            format!(
                "Lambda says that the update was successful, but the code of {function} is what it was ({}): {} holds the \
                 same code. Give another package",
                read.code, wish.package
            ),
        ),
        "Successful" => Observation::over(
            StepStatus::Done,
            format!(
                "{function} runs the code of {} now: its hash was {} and is {}. The stack does not know: layers, variables \
                 and permissions stay as they were deployed last, and the next deployment puts its own code in. `rollback \
                 {environment} --code --stack` puts all of it back",
                wish.package, wish.before, read.code
            ),
        ),
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

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
