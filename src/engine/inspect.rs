//! Looks that are judged by checks, each family's readings and checks brought together.

use jiff::Timestamp;

use super::execute::{Engine, Place};
use super::{resend, smoke};
use crate::checks::{doctor, infrastructure};
use crate::domain::{Check, Inspection, Run};

impl Engine {
    /// The checks of a look that a step of `run` makes.
    pub(super) async fn inspect(
        &self,
        place: &Place,
        run: &Run,
        inspection: Inspection,
        asked_at: Timestamp,
    ) -> Vec<Check> {
        match inspection {
            Inspection::Infrastructure => {
                let readings = place.aws.read_infrastructure(&place.environment).await;
                infrastructure::checks(&place.environment, &readings)
            }
            Inspection::Idempotency => resend::interlock(place, asked_at).await,
            Inspection::Doctor => {
                // A look at so much is a large future; on the heap it is nobody's stack.
                let readings = Box::pin(place.aws.read_doctor(&place.environment, asked_at)).await;
                doctor::checks(&place.environment, &readings)
            }
            Inspection::SmokeEvidence => Box::pin(smoke::evidence(place, run, asked_at)).await,
        }
    }
}
