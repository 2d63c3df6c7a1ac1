//! The wire endpoint: takes a call, lets the faults have their say, asks the service's file for the answer, logs it.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State as Shared;
use axum::response::Response;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderValue, Method, Uri};
use jiff::Timestamp;
use serde_json::Value;

use super::calls::{Call, Outcome};
use super::faults::{
    CREDENTIALS_EXPIRED, ENABLE_DENIED, Failure, METRICS_FORBIDDEN, SLOW, THROTTLE_ALL, THROTTLE_SOME, UNREACHABLE,
    VERSION_FORBIDDEN,
};
use super::input::Input;
use super::invoke::SLOW_FOR;
use super::refusal::Refusal;
use super::rights::allows;
use super::state::{Place, State};
use super::wire::{Caller, Request, Service};
use super::world::{Inner, World};
use super::{cloudformation, cloudwatch, dynamodb, events, iam, lambda, logs, sns, sqs, sts};

/// How much longer a call takes while AWS is slow.
const SLOWNESS: Duration = Duration::from_millis(1_500);
/// After this time a call without an answer is dropped, if its caller has not given up before.
const HANG_MAX: Duration = Duration::from_secs(300);
/// Of the calls while AWS throttles some, each of this number is throttled.
const THROTTLE_EACH: u64 = 3;

/// What an operation knows of the call beside its input.
pub struct CallContext<'a> {
    pub operation: &'a str,
    pub caller: &'a Caller,
    pub endpoint: &'a str,
    pub now: Timestamp,
    /// The most that lists put on one page.
    pub page_max: usize,
    /// The account that the caller's role is in; `None` for a caller without a role, who is in every account.
    account: Option<String>,
}

impl CallContext<'_> {
    /// Whether the caller is in the account of `place`, whichever region it signed for.
    pub fn is_of_account(&self, place: &Place) -> bool {
        self.account.as_ref().is_none_or(|account| place.account == *account)
    }

    /// Whether the caller sees what is in `place`: its own account, and the region that it signed for.
    pub fn sees(&self, place: &Place) -> bool {
        self.account.as_ref().is_none_or(|account| place.account == *account)
            && self.caller.region.as_ref().is_none_or(|region| place.region == *region)
    }
}

/// The router of one world.
pub fn router(world: World) -> Router {
    Router::new().fallback(serve).with_state(world)
}

async fn serve(Shared(world): Shared<World>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let request = Request::parse(&method, &uri, &headers, &body);
    let (failure, is_slow) = {
        let mut inner = world.lock();
        (inner.next_failure(&request), inner.state.fault(SLOW))
    };
    if is_slow {
        tokio::time::sleep(SLOWNESS).await;
    }
    match failure {
        None => {
            let answer = world.lock().answer(world.clock().now(), &request, None);
            if world.lock().state.answers_slowly(&request) {
                tokio::time::sleep(SLOW_FOR).await;
            }
            request.respond(&answer)
        }
        Some(Failure::AfterEffect) => {
            // What the answer would have been is of no interest to anybody: nobody gets it.
            let _ = world.lock().answer(world.clock().now(), &request, Some(Outcome::AnswerLost));
            broken_connection()
        }
        Some(Failure::BeforeEffect) => {
            world.lock().log(world.clock().now(), &request, Outcome::Lost);
            broken_connection()
        }
        Some(Failure::Hang) => {
            world.lock().log(world.clock().now(), &request, Outcome::Lost);
            tokio::time::sleep(HANG_MAX).await;
            broken_connection()
        }
        Some(
            failure @ (Failure::Throttle
            | Failure::ServerError
            | Failure::AccessDenied
            | Failure::ExpiredToken
            | Failure::Conflict),
        ) => {
            let refusal = refusal_of(failure, &request);
            world.lock().log(world.clock().now(), &request, Outcome::Refused(refusal.query_code.to_owned()));
            request.respond(&Err(refusal))
        }
    }
}

fn refusal_of(failure: Failure, request: &Request) -> Refusal {
    let service = request.service.unwrap_or(Service::Events);
    match failure {
        Failure::Throttle => Refusal::throttled(service),
        Failure::AccessDenied => Refusal::access_denied(service, &request.operation),
        Failure::ExpiredToken => Refusal::expired_token(service),
        Failure::Conflict => Refusal::conflict(),
        Failure::ServerError | Failure::Hang | Failure::BeforeEffect | Failure::AfterEffect => {
            Refusal::server_error(service)
        }
    }
}

/// An answer that breaks off: it promises a body and its stream fails, so the connection is closed instead.
fn broken_connection() -> Response {
    let broken = futures_util::stream::once(async { Err::<Bytes, _>(std::io::Error::other("connection lost")) });
    let mut response = Response::new(Body::from_stream(broken));
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("1000"));
    response
}

impl Inner {
    /// What happens to this call instead of an answer: planned faults first, then the panel's switches.
    fn next_failure(&mut self, request: &Request) -> Option<Failure> {
        self.served += 1;
        let planned = self.planned.iter_mut();
        // What is only tried is not met by what is planned for the change itself.
        let is_tried = request.input.as_ref().is_ok_and(|input| input["DryRun"] == true);
        let mut planned =
            planned.filter(|fault| (fault.operation == request.operation && !is_tried) || fault.operation == "*");
        if let Some(fault) = planned.next() {
            fault.times = fault.times.saturating_sub(1);
            let how = fault.how;
            self.planned.retain(|fault| fault.times > 0);
            return Some(how);
        }
        let on = |id| self.state.fault(id);
        let operation = request.operation.as_str();
        if on(UNREACHABLE) {
            Some(Failure::BeforeEffect)
        } else if on(THROTTLE_ALL) || (on(THROTTLE_SOME) && self.served.is_multiple_of(THROTTLE_EACH)) {
            Some(Failure::Throttle)
        } else if on(CREDENTIALS_EXPIRED) {
            Some(Failure::ExpiredToken)
        } else if on(METRICS_FORBIDDEN) && matches!(operation, "GetMetricData" | "GetMetricStatistics")
            || on(ENABLE_DENIED) && operation == "EnableRule"
            || on(VERSION_FORBIDDEN)
                && matches!(operation, "GetFunctionConfiguration" | "GetTemplate" | "DescribeStacks")
        {
            Some(Failure::AccessDenied)
        } else {
            None
        }
    }

    /// Answers a call and logs it, with the given outcome in place of its own.
    fn answer(&mut self, now: Timestamp, request: &Request, instead: Option<Outcome>) -> Result<Value, Refusal> {
        self.tick(now);
        let key = request.caller.access_key.as_ref();
        let session = self.state.sessions.iter().find(|session| Some(&session.access_key) == key);
        let call = CallContext {
            operation: &request.operation,
            caller: &request.caller,
            endpoint: &request.endpoint,
            now,
            page_max: self.page_max,
            account: session.map(|session| session.account.clone()),
        };
        let may = session.is_none_or(|session| allows(&self.rights, &self.state, session, &call, request));
        let answer = match &request.input {
            Err(refusal) => Err(refusal.clone()),
            Ok(_) if !may => {
                Err(Refusal::access_denied(request.service.unwrap_or(Service::Events), &request.operation))
            }
            Ok(value) => dispatch(&mut self.state, &call, request.service, value),
        };
        let outcome = match &answer {
            Err(refusal) if refusal.unknown => Outcome::Unknown,
            Ok(_) => instead.unwrap_or(Outcome::Answered),
            Err(refusal) => instead.unwrap_or_else(|| Outcome::Refused(refusal.query_code.to_owned())),
        };
        self.log(now, request, outcome);
        answer
    }

    fn log(&mut self, at: Timestamp, request: &Request, outcome: Outcome) {
        self.calls.push(Call {
            at,
            service: request.service_name.clone(),
            operation: request.operation.clone(),
            request: request.input.clone().unwrap_or(Value::Null),
            access_key: request.caller.access_key.clone(),
            outcome,
        });
    }
}

fn dispatch(state: &mut State, call: &CallContext, service: Option<Service>, value: &Value) -> Result<Value, Refusal> {
    let input = |invalid| Input { value, invalid };
    match service {
        Some(Service::Events) => events::answer(state, call, input("ValidationException")),
        Some(Service::CloudWatch) => cloudwatch::answer(state, call, input("ValidationError")),
        Some(Service::Sqs) => sqs::answer(state, call, input("InvalidParameterValue")),
        Some(Service::DynamoDb) => dynamodb::answer(state, call, input("ValidationException")),
        Some(Service::Lambda) => lambda::answer(state, call, input("InvalidParameterValueException")),
        Some(Service::CloudFormation) => cloudformation::answer(state, call, input("ValidationError")),
        Some(Service::Sns) => sns::answer(state, call, input("InvalidParameter")),
        Some(Service::Logs) => logs::answer(state, call, input("InvalidParameterException")),
        Some(Service::Iam) => iam::answer(state, call, input("ValidationError")),
        Some(Service::Sts) => sts::answer(state, call, input("ValidationError")),
        None => Err(Refusal::unknown_operation(None, call.operation)),
    }
}
