//! IAM's operations: the roles of the functions with their policies, and simulating them. The roles follow from the stacks:
//! a function's role may use its table and publish to its bus, unless a fault takes that away. Any other identity is the
//! bot's, and may do everything that no fault forbids.

use serde_json::{Value, json};

use super::faults::{
    ENABLE_DENIED, METRICS_FORBIDDEN, POLICIES_DENIED, SIMULATE_DENIED, VERSION_FORBIDDEN, role_fault,
};
use super::input::Input;
use super::refusal::Refusal;
use super::serve::CallContext;
use super::spec::StackSpec;
use super::state::{Function, Place, State};
use super::wire::Service;

/// What the names of functions' roles end with.
const ROLE_SUFFIX: &str = "-FunctionRole";
/// The name of a role's own policy.
const OWN_POLICY: &str = "function";
/// The managed policy that every function's role has: writing its log.
const LOG_POLICY: &str = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";
const LOG_ACTIONS: [&str; 3] = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"];

/// What a role's policies allow.
struct Grant {
    sid: &'static str,
    actions: Vec<&'static str>,
    resource: String,
}

/// The name of the role that a function runs with, as CloudFormation would make it: the stack's, then its own.
fn role_name(state: &State, function: &Function) -> String {
    let stack = state.stacks.iter().find(|stack| stack.environment == function.environment);
    format!("{}{ROLE_SUFFIX}", stack.map_or(function.name.as_str(), |stack| &stack.stack))
}

/// The ARN of the role that a function runs with.
pub fn role_arn(state: &State, function: &Function) -> String {
    let partition = function.arn().split(':').nth(1).unwrap_or("aws").to_owned();
    format!("arn:{partition}:iam::{}:role/{}", function.place.account, role_name(state, function))
}

pub fn answer(state: &State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    let denied = match call.operation {
        "SimulatePrincipalPolicy" => state.fault(SIMULATE_DENIED),
        _ => state.fault(POLICIES_DENIED),
    };
    if denied {
        return Err(Refusal::access_denied(Service::Iam, call.operation));
    }
    match call.operation {
        "SimulatePrincipalPolicy" => simulate(state, call, input),
        "GetRole" => {
            let function = find(state, call, input)?;
            let role = json!({
                "Path": "/",
                "RoleName": role_name(state, function),
                "RoleId": "AROASANDBOXFUNCTION",
                "Arn": role_arn(state, function),
                "CreateDate": "2026-01-01T00:00:00Z",
            });
            Ok(json!({"Role": role}))
        }
        "ListRolePolicies" => {
            find(state, call, input)?;
            Ok(json!({"PolicyNames": [OWN_POLICY], "IsTruncated": false}))
        }
        "GetRolePolicy" => {
            let function = find(state, call, input)?;
            if input.required("PolicyName")? != OWN_POLICY {
                return Err(no_entity("policy"));
            }
            let document = encoded(&document(&own_grants(state, function)));
            Ok(json!({
                "RoleName": role_name(state, function), "PolicyName": OWN_POLICY, "PolicyDocument": document
            }))
        }
        "ListAttachedRolePolicies" => {
            find(state, call, input)?;
            let attached = json!({"PolicyName": "AWSLambdaBasicExecutionRole", "PolicyArn": LOG_POLICY});
            Ok(json!({"AttachedPolicies": [attached], "IsTruncated": false}))
        }
        "GetPolicy" if input.required("PolicyArn")? == LOG_POLICY => {
            Ok(json!({"Policy": {"Arn": LOG_POLICY, "DefaultVersionId": "v1"}}))
        }
        "GetPolicyVersion" if input.required("PolicyArn")? == LOG_POLICY => {
            let document = encoded(&document(&[log_grant()]));
            Ok(json!({"PolicyVersion": {"Document": document, "VersionId": "v1", "IsDefaultVersion": true}}))
        }
        "GetPolicy" | "GetPolicyVersion" => Err(no_entity("policy")),
        other => Err(Refusal::unknown_operation(Some(Service::Iam), other)),
    }
}

/// The function whose role a call names. IAM is in no region.
fn find<'a>(state: &'a State, call: &CallContext, input: Input) -> Result<&'a Function, Refusal> {
    let name = input.required("RoleName")?;
    let mut functions = state.functions.iter().filter(|function| call.is_of_account(&function.place));
    functions.find(|function| role_name(state, function) == name).ok_or_else(|| no_entity("role"))
}

fn no_entity(what: &str) -> Refusal {
    Refusal { status: 404, ..Refusal::sender("NoSuchEntity", format!("The {what} cannot be found.")) }
}

fn log_grant() -> Grant {
    Grant { sid: "Log", actions: LOG_ACTIONS.to_vec(), resource: "*".to_owned() }
}

fn own_grants(state: &State, function: &Function) -> Vec<Grant> {
    let stacks: Vec<&StackSpec> =
        state.stacks.iter().filter(|stack| stack.environment == function.environment).collect();
    let mut grants = Vec::new();
    for stack in stacks {
        let place = Place { account: stack.account.clone(), region: stack.region.clone() };
        let without = |what: &str| state.fault(&role_fault(&stack.environment, what));
        if !without("table") {
            let actions = vec!["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"];
            let resource = place.arn("dynamodb", &format!("table/{}", stack.table));
            grants.push(Grant { sid: "Table", actions, resource });
        }
        if !without("bus") {
            let resource = place.arn("events", &format!("event-bus/{}", stack.bus));
            grants.push(Grant { sid: "Bus", actions: vec!["events:PutEvents"], resource });
        }
    }
    grants
}

fn document(grants: &[Grant]) -> String {
    let statement = |grant: &Grant| json!({"Sid": grant.sid, "Effect": "Allow", "Action": grant.actions, "Resource": grant.resource});
    let statements: Vec<Value> = grants.iter().map(statement).collect();
    json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}

/// Documents are percent-encoded in answers.
fn encoded(document: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    document
        .bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn simulate(state: &State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    let source = input.required("PolicySourceArn")?;
    let actions = input.texts("ActionNames");
    if actions.is_empty() {
        return Err(input.wrong("ActionNames must not be empty"));
    }
    let resources = match input.texts("ResourceArns") {
        none if none.is_empty() => vec!["*"],
        some => some,
    };
    let function = state
        .functions
        .iter()
        .find(|function| role_arn(state, function) == source && call.is_of_account(&function.place));
    if function.is_none() && source.ends_with(ROLE_SUFFIX) {
        return Err(no_entity("role"));
    }
    let mut results = Vec::new();
    for action in actions {
        for resource in &resources {
            let allowed = match function {
                Some(function) => {
                    let grants = own_grants(state, function);
                    grants.iter().chain([&log_grant()]).any(|grant| {
                        grant.actions.contains(&action) && (grant.resource == "*" || grant.resource == *resource)
                    })
                }
                None => !forbidden(state, action),
            };
            let decision = if allowed { "allowed" } else { "implicitDeny" };
            results.push(json!({
                "EvalActionName": action,
                "EvalResourceName": resource,
                "EvalDecision": decision,
                "MissingContextValues": [],
                "ResourceSpecificResults": [{
                    "EvalResourceName": resource, "EvalResourceDecision": decision, "MissingContextValues": []
                }],
            }));
        }
    }
    Ok(json!({"EvaluationResults": results, "IsTruncated": false}))
}

/// Whether a fault keeps the bot from an action.
fn forbidden(state: &State, action: &str) -> bool {
    match action {
        "events:EnableRule" => state.fault(ENABLE_DENIED),
        "cloudwatch:GetMetricData" => state.fault(METRICS_FORBIDDEN),
        "lambda:GetFunctionConfiguration" | "cloudformation:GetTemplate" | "cloudformation:DescribeStacks" => {
            state.fault(VERSION_FORBIDDEN)
        }
        _ => false,
    }
}
