//! What a command would do, without doing it: nothing is journalled, held or changed.

use super::Engine;
use crate::aws::AwsError;
use crate::domain::{Check, Command, Facts, Plan, PlanDigest};
use crate::runbook::{self, NoPlan};
use crate::store::StoreError;

/// A plan that nobody asked to be carried out.
#[derive(Clone, Debug)]
pub struct Preview {
    /// What would be done.
    pub plan: Plan,
    /// The plan's digest.
    pub digest: PlanDigest,
    /// The safeguards as they would be shown with it.
    pub safeguards: Vec<Check>,
    /// The world that the plan was made for.
    pub facts: Facts,
}

/// Why there is no preview. The text is for people.
#[derive(Debug, thiserror::Error)]
pub enum PreviewError {
    /// The command names no environment that is configured.
    #[error("`{0}` acts in no environment that I know")]
    Nowhere(&'static str),
    /// The facts do not allow a plan, or the command never has one.
    #[error(transparent)]
    NoPlan(#[from] NoPlan),
    /// AWS could not be asked.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Engine {
    /// Looks at the world and plans, as a run of this command would.
    ///
    /// # Errors
    /// When there is no plan, or the world cannot be looked at.
    pub async fn preview(&self, command: &Command) -> Result<Preview, PreviewError> {
        let place = command.environment().and_then(|environment| self.place(environment));
        let place = place.ok_or(PreviewError::Nowhere(command.name()))?;
        let rules = runbook::rules_of(command, &place.environment);
        let mut facts = place.aws.observe(&place.environment, &rules, self.clock().now()).await?;
        if let Command::Restore { environment } = command {
            facts.before_rollback = self.before_last_rollback(environment).await?;
        }
        let plan = runbook::plan(command, &facts, &place.environment)?;
        Ok(Preview { digest: plan.digest(), plan, safeguards: Vec::new(), facts })
    }
}
