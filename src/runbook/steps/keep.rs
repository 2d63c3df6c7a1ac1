//! Bring rules back to the states from before a deployment: a template that says ENABLED turns on what was turned off.

use super::ActError;
use super::effects::{Found, Observation, Site};
use crate::aws::AwsError;
use crate::domain::{Held, Receipt, Rule, RuleState, StepStatus};

/// Looks whether the rules are as they were.
///
/// # Errors
/// When AWS cannot be asked.
pub(super) async fn find(site: &Site<'_>, bus: &str, rules: &[(Rule, RuleState)]) -> Result<Found, AwsError> {
    for (rule, wanted) in rules {
        if super::find(site.aws, bus, rule).await?.state.is_enabled() != wanted.is_enabled() {
            return Ok(Found::NotDone);
        }
    }
    Ok(Found::Done(Receipt { said: "every rule is as it was before".to_owned(), ..Receipt::default() }))
}

/// Sets those that are not, one after the other. Harmless to repeat: what is as it was is left alone.
///
/// # Errors
/// When AWS refuses, cannot be asked, or does not show a change.
pub(super) async fn act(
    site: &Site<'_>,
    held: &Held<'_>,
    bus: &str,
    rules: &[(Rule, RuleState)],
) -> Result<Receipt, ActError> {
    let mut receipt = Receipt::default();
    let mut said = Vec::new();
    for (rule, wanted) in rules {
        let found = super::find(site.aws, bus, rule).await?;
        if found.state.is_enabled() == wanted.is_enabled() {
            continue;
        }
        let change = super::set(site.aws, held, bus, rule, &found, *wanted).await?;
        said.push(format!("{} {} → {}", rule.name, change.from.word(), change.to.word()));
        receipt.changed = true;
        receipt.request_ids.extend(change.request_ids);
        receipt.elapsed_ms = receipt.elapsed_ms.saturating_add(change.elapsed_ms);
    }
    receipt.said = if said.is_empty() {
        "every rule is as it was before".to_owned()
    } else {
        format!("the deployment had changed rules, which are as they were before: {}", said.join(", "))
    };
    Ok(receipt)
}

/// It is over as soon as it is done.
pub(super) fn observe(receipt: &Receipt) -> Observation {
    let status = if receipt.changed { StepStatus::Done } else { StepStatus::Already };
    Observation::over(status, receipt.said.clone())
}
