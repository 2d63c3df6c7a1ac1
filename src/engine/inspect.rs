//! Looks that are judged by checks, each family's readings and checks brought together.

use jiff::Timestamp;

use super::execute::{Engine, Place};
use super::resend;
use crate::domain::{Check, Inspection, Run, StepId};
use crate::store::StoreError;

impl Engine {
    /// The checks of a look that a step of `run` makes.
    pub(super) async fn inspect(
        &self,
        place: &Place,
        run: &Run,
        step: &StepId,
        inspection: Inspection,
        asked_at: Timestamp,
    ) -> Result<Vec<Check>, StoreError> {
        let _ = (place, run, step, asked_at);
        match inspection {
            Inspection::Idempotency => Ok(resend::interlock(place, asked_at).await),
            Inspection::Infrastructure | Inspection::SmokeEvidence | Inspection::Dlq | Inspection::Doctor => {
                Ok(Vec::new())
            }
        }
    }
}
