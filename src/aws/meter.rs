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

use super::error::{DENIED, THROTTLED};

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
    let says = |code: &&str| has_word(header, code) || has_word(&body, code);
    if THROTTLED.iter().any(says) {
        "throttled"
    } else if DENIED.iter().any(says) {
        "denied"
    } else {
        "refused"
    }
}

/// Whether a text has a code, and not as a part of a longer one.
fn has_word(text: &str, code: &str) -> bool {
    let is_part = |letter: Option<char>| letter.is_some_and(char::is_alphanumeric);
    text.match_indices(code).any(|(at, _)| {
        let (before, after) = (text.get(..at), text.get(at + code.len()..));
        !is_part(before.and_then(|before| before.chars().next_back()))
            && !is_part(after.and_then(|after| after.chars().next()))
    })
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::body::SdkBody;

    use super::*;

    #[test]
    fn every_code_of_the_lists_is_counted_in_every_protocol() {
        let refused = |body: &str| {
            let status = 400.try_into().unwrap();
            result(Some(&HttpResponse::new(status, SdkBody::from(body))))
        };
        for (codes, word) in [(THROTTLED.as_slice(), "throttled"), (DENIED.as_slice(), "denied")] {
            for code in codes {
                for body in [
                    format!("{{\"__type\":\"com.amazonaws.events#{code}\",\"message\":\"no\"}}"),
                    format!("<ErrorResponse><Error><Code>AWS.Service.{code}</Code></Error></ErrorResponse>"),
                ] {
                    assert_eq!(refused(&body), word, "{body}");
                }
                let mut answer = HttpResponse::new(400.try_into().unwrap(), SdkBody::empty());
                answer.headers_mut().insert("x-amzn-errortype", format!("{code}:http://internal/"));
                assert_eq!(result(Some(&answer)), word, "{code}");
            }
        }
        assert_eq!(refused("{\"__type\":\"LimitExceededException\"}"), "refused");
        assert_eq!(refused("<Code>ValidationError</Code>"), "refused");
    }
}
