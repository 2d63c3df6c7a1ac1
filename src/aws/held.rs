//! What stands before every call that changes something: whose the environment is, whose the account is, and whether the
//! proof lasts until the call is over.

use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

use super::{Aws, AwsError, AwsErrorKind, Operation};
use crate::domain::{Fence, Held};

/// How long one attempt of a call may take: for so long the proof has to last when it is sent.
const CALL_TIME: Duration = Duration::from_secs(6);

/// Lets each attempt of a call pass while the proof lasts: a retry after a process was frozen is not sent any more.
#[derive(Debug)]
#[must_use = "the call has to have it as its interceptor"]
pub(super) struct InTime(Option<Arc<dyn Fence>>);

impl InTime {
    fn is_over(&self) -> bool {
        self.0.as_ref().is_some_and(|fence| fence.left() < CALL_TIME)
    }
}

#[dyn_dispatch_hint]
impl Intercept for InTime {
    fn name(&self) -> &'static str {
        "InTime"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if self.is_over() { Err("the lease of the run is over".into()) } else { Ok(()) }
    }
}

impl Aws {
    /// To be asked right before a call that changes something, which gets what is returned as its interceptor.
    pub(super) async fn may_change(&self, held: &Held<'_>, operation: &'static Operation) -> Result<InTime, AwsError> {
        self.same_environment(operation, held.environment())?;
        self.confirm_account().await?;
        // Last: nothing that may take time comes after it.
        let in_time = InTime(held.fence().cloned());
        if in_time.is_over() {
            return Err(AwsError::new(operation, AwsErrorKind::LeaseLapsed));
        }
        Ok(in_time)
    }
}
