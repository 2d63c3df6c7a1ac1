//! Counts each attempt of each call to AWS, by what came of it.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::FinalizerInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, Metadata};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    service: String,
    operation: String,
    result: &'static str,
}

/// Attempts by service, operation and result: `ok`, `throttled`, `denied`, `refused`, `failed` (5xx), `unanswered`.
#[derive(Clone, Debug, Default)]
pub struct AwsCounters(Family<CallLabels, Counter>);

impl AwsCounters {
    /// Adds the counters to `registry`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("aws_calls", "Attempts of calls to AWS by service, operation and result", self.0.clone());
    }
}

#[dyn_dispatch_hint]
impl Intercept for AwsCounters {
    fn name(&self) -> &'static str {
        "AwsCounters"
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(called) = config.load::<Metadata>() {
            let (service, operation) = (called.service().to_owned(), called.name().to_owned());
            let result = result(context.response());
            self.0.get_or_create(&CallLabels { service, operation, result }).inc();
        }
        Ok(())
    }
}

fn result(answer: Option<&HttpResponse>) -> &'static str {
    let Some(answer) = answer else { return "unanswered" };
    let status = answer.status().as_u16();
    match status {
        200..300 => return "ok",
        429 => return "throttled",
        500.. => return "failed",
        _ => {}
    }
    // The code is in a header or the body, as the protocol has it; its words are the same in all.
    let header = answer.headers().get("x-amzn-errortype").unwrap_or_default();
    let body = answer.body().bytes().map(String::from_utf8_lossy).unwrap_or_default();
    let says = |word: &str| header.contains(word) || body.contains(word);
    if ["Throttl", "TooManyRequests", "RequestLimitExceeded", "SlowDown"].into_iter().any(says) {
        "throttled"
    } else if ["AccessDenied", "NotAuthorized", "AuthorizationError", "UnauthorizedOperation"].into_iter().any(says) {
        "denied"
    } else {
        "refused"
    }
}
