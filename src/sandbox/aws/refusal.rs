//! Errors as the services tell them: the code in either protocol, the status, the words.

use super::wire::Service;

/// An error that a call is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub code: &'static str,
    /// The code in the Query protocol. CloudWatch and SQS carry it along in JSON too.
    pub query_code: &'static str,
    pub status: u16,
    pub message: String,
    /// Whether the world does not know what was asked of it: never right in a test.
    pub unknown: bool,
}

impl Refusal {
    /// An error of the caller's making.
    pub fn sender(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, query_code: code, status: 400, message: message.into(), unknown: false }
    }

    /// An error for something that the real service might know and the world does not.
    pub fn unmodelled(code: &'static str, message: impl Into<String>) -> Self {
        Self { unknown: true, ..Self::sender(code, message) }
    }

    /// Whose fault it is, in the Query protocol's words.
    pub fn fault(&self) -> &'static str {
        if self.status < 500 { "Sender" } else { "Receiver" }
    }

    pub fn unknown_operation(service: Option<Service>, operation: &str) -> Self {
        let message = format!("the operation {operation} is not known here");
        match service {
            Some(Service::Sts | Service::Iam | Service::CloudFormation | Service::Sns) => {
                Self::unmodelled("InvalidAction", message)
            }
            Some(Service::CloudWatch) | None => {
                Self { query_code: "InvalidAction", ..Self::unmodelled("UnknownOperationException", message) }
            }
            Some(Service::Events | Service::Sqs | Service::DynamoDb | Service::Lambda | Service::Logs) => {
                Self::unmodelled("UnknownOperationException", message)
            }
        }
    }

    pub fn throttled(service: Service) -> Self {
        let (code, status) = match service {
            Service::Events | Service::DynamoDb | Service::Logs => ("ThrottlingException", 400),
            Service::CloudWatch | Service::CloudFormation | Service::Sns | Service::Sts | Service::Iam => {
                ("Throttling", 400)
            }
            Service::Sqs => ("RequestThrottled", 400),
            Service::Lambda => ("TooManyRequestsException", 429),
        };
        Self { status, ..Self::sender(code, "Rate exceeded") }
    }

    pub fn server_error(service: Service) -> Self {
        let (code, query_code) = match service {
            Service::Events => ("InternalException", "InternalException"),
            Service::CloudWatch => ("InternalServiceFault", "InternalServiceError"),
            Service::Sqs | Service::CloudFormation | Service::Sts => ("InternalFailure", "InternalFailure"),
            Service::Logs => ("ServiceUnavailableException", "ServiceUnavailableException"),
            Service::Iam => ("ServiceFailure", "ServiceFailure"),
            Service::Lambda => ("ServiceException", "ServiceException"),
            Service::Sns => ("InternalError", "InternalError"),
            Service::DynamoDb => ("InternalServerError", "InternalServerError"),
        };
        Self { query_code, status: 500, ..Self::sender(code, "Internal error") }
    }

    /// Somebody else is changing the same thing; only EventBridge says so here.
    pub fn conflict() -> Self {
        Self::sender("ConcurrentModificationException", "Another change to this rule or target is under way.")
    }

    pub fn expired_token(service: Service) -> Self {
        let message = "The security token included in the request is expired";
        match service {
            Service::Events | Service::DynamoDb | Service::Logs => Self::sender("ExpiredTokenException", message),
            Service::CloudWatch | Service::Sqs => {
                Self { query_code: "ExpiredToken", ..Self::sender("ExpiredTokenException", message) }
            }
            Service::Lambda => Self { status: 403, ..Self::sender("ExpiredTokenException", message) },
            Service::CloudFormation | Service::Sts | Service::Iam | Service::Sns => {
                Self { status: 403, ..Self::sender("ExpiredToken", message) }
            }
        }
    }

    pub fn access_denied(service: Service, operation: &str) -> Self {
        let message = format!("not authorized to perform: {}:{operation}", service.iam_prefix());
        let (code, query_code, status) = match service {
            Service::Events | Service::DynamoDb | Service::Logs => {
                ("AccessDeniedException", "AccessDeniedException", 400)
            }
            Service::CloudWatch | Service::Sqs => ("AccessDeniedException", "AccessDenied", 403),
            Service::Lambda => ("AccessDeniedException", "AccessDeniedException", 403),
            Service::CloudFormation | Service::Sts | Service::Iam => ("AccessDenied", "AccessDenied", 403),
            Service::Sns => ("AuthorizationError", "AuthorizationError", 403),
        };
        Self { query_code, status, ..Self::sender(code, message) }
    }
}
