//! Lambda's operations on functions.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::deploy::code_of;
use super::faults::{VARIABLES_UNREADABLE, function_fault, rule_fault};
use super::iam::role_arn;
use super::input::Input;
use super::invoke;
use super::refusal::Refusal;
use super::serve::CallContext;
use super::state::{Function, State};
use super::wire::Service;

pub fn answer(state: &mut State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    match call.operation {
        "GetFunctionConfiguration" => get_function_configuration(state, call, input),
        "GetFunctionConcurrency" => get_function_concurrency(state, call, input),
        "PutFunctionConcurrency" => put_function_concurrency(state, call, input),
        "DeleteFunctionConcurrency" => delete_function_concurrency(state, call, input),
        "UpdateFunctionCode" => update_function_code(state, call, input),
        "Invoke" => invoke::invoke(state, call, input),
        "GetPolicy" => get_policy(state, call, input),
        other => Err(Refusal::unknown_operation(Some(Service::Lambda), other)),
    }
}

fn get_function_configuration(state: &State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    let name = input.required("FunctionName")?;
    let version = version_of(name, &input)?;
    let mut functions = state.functions.iter().filter(|function| call.sees(&function.place));
    let function = functions.find(|function| function.name == name || function.arn() == name).ok_or_else(|| {
        Refusal { status: 404, ..Refusal::sender("ResourceNotFoundException", format!("Function not found: {name}")) }
    })?;
    let status = update_status(function, call.now);
    let unreadable = state.fault(&function_fault(&function.environment, VARIABLES_UNREADABLE));
    let variables = match (function.variables.is_empty(), unreadable) {
        (true, _) => Value::Null,
        (false, false) => json!({"Variables": function.variables}),
        (false, true) => json!({"Error": {
            "ErrorCode": "AccessDeniedException",
            "Message": "Lambda was unable to decrypt your environment variables because the KMS access was denied.",
        }}),
    };
    let key = unreadable.then(|| function.place.arn("kms", "key/00000000-0000-4000-8000-000000000000"));
    Ok(json!({
        "Environment": variables,
        "KMSKeyArn": key,
        "FunctionName": function.name,
        "FunctionArn": function.arn(),
        "Role": role_arn(state, function),
        "Runtime": "python3.13",
        "Handler": "app.handler",
        "CodeSize": 4_096,
        "Timeout": 300,
        "MemorySize": 512,
        "LastModified": function.modified.strftime("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string(),
        "CodeSha256": function.code,
        "Version": version,
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": function.log_group()},
        "State": "Active",
        "LastUpdateStatus": status,
        "LastUpdateStatusReason": function.update_fails.as_deref().filter(|_| status == "Failed"),
        "RevisionId": revision(function),
        "PackageType": "Zip",
    }))
}

/// The alias that every function has, and the version that it points to, which is set up as `$LATEST` is.
const ALIAS: (&str, &str) = ("live", "7");

/// The version that a call is about.
pub fn version_of(function: &str, input: &Input) -> Result<&'static str, Refusal> {
    match input.text("Qualifier") {
        None | Some("$LATEST") => Ok("$LATEST"),
        Some(qualifier) if qualifier == ALIAS.0 || qualifier == ALIAS.1 => Ok(ALIAS.1),
        Some(qualifier) => {
            let message = format!("Function not found: {function}:{qualifier}");
            Err(Refusal { status: 404, ..Refusal::sender("ResourceNotFoundException", message) })
        }
    }
}

/// The most that an account of 1000 can reserve, where no other function reserves any.
const ACCOUNT_RESERVES: i64 = 900;
/// How long Lambda works on an update.
const UPDATE_TAKES: SignedDuration = SignedDuration::from_secs(8);

fn revision(function: &Function) -> String {
    format!("00000000-0000-4000-8000-{:012}", function.revision)
}

fn update_status(function: &Function, now: Timestamp) -> &'static str {
    match function.updated_at {
        Some(at) if now < at => "InProgress",
        Some(_) if function.update_fails.is_some() => "Failed",
        Some(_) | None => "Successful",
    }
}

fn function_mut<'a>(state: &'a mut State, call: &CallContext, name: &str) -> Result<&'a mut Function, Refusal> {
    let mut functions = state.functions.iter_mut().filter(|function| call.sees(&function.place));
    functions.find(|function| function.name == name || function.arn() == name).ok_or_else(|| Refusal {
        status: 404,
        ..Refusal::sender("ResourceNotFoundException", format!("Function not found: {name}"))
    })
}

fn get_function_concurrency(state: &mut State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    let function = function_mut(state, call, input.required("FunctionName")?)?;
    Ok(match function.concurrency {
        Some(reserved) => json!({"ReservedConcurrentExecutions": reserved}),
        None => json!({}),
    })
}

fn put_function_concurrency(state: &mut State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    let reserved = input.number("ReservedConcurrentExecutions", -1, 0..=i64::from(u32::MAX))?;
    let function = function_mut(state, call, input.required("FunctionName")?)?;
    if reserved > ACCOUNT_RESERVES {
        let message = "Specified ReservedConcurrentExecutions for function decreases account's \
                       UnreservedConcurrentExecution below its minimum value of [100].";
        return Err(Refusal::sender("InvalidParameterValueException", message));
    }
    function.concurrency = u32::try_from(reserved).ok();
    Ok(json!({"ReservedConcurrentExecutions": reserved}))
}

fn delete_function_concurrency(state: &mut State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    function_mut(state, call, input.required("FunctionName")?)?.concurrency = None;
    Ok(json!({}))
}

/// The code of a package follows from the last part of its key: the version's label.
fn update_function_code(state: &mut State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    let function = function_mut(state, call, input.required("FunctionName")?)?;
    if input.text("RevisionId").is_some_and(|given| given != revision(function)) {
        let message = "The Revision Id provided does not match the latest Revision Id. Call the GetFunction API to retrieve \
                       the latest Revision Id for your resource.";
        return Err(Refusal { status: 412, ..Refusal::sender("PreconditionFailedException", message) });
    }
    if update_status(function, call.now) == "InProgress" {
        let message = format!(
            "The operation cannot be performed at this time. An update is in progress for resource: {}",
            function.arn()
        );
        return Err(Refusal { status: 409, ..Refusal::sender("ResourceConflictException", message) });
    }
    let (_, key) = (input.required("S3Bucket")?, input.required("S3Key")?);
    let label = key.rsplit('/').next().unwrap_or(key);
    let label = label.strip_suffix(".zip").ok_or_else(|| {
        input.wrong("Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist.")
    })?;
    if input.flag("DryRun") {
        return Ok(
            json!({"FunctionName": function.name, "CodeSha256": code_of(label), "RevisionId": revision(function)}),
        );
    }
    if function.update_fails.is_none() {
        function.code = code_of(label);
    }
    function.revision += 1;
    function.modified = call.now;
    function.updated_at = Some(call.now + UPDATE_TAKES);
    Ok(json!({"FunctionName": function.name, "CodeSha256": function.code, "RevisionId": revision(function)}))
}

/// The function's own policy: a statement for each rule of its stack that may invoke it.
fn get_policy(state: &State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    let name = input.required("FunctionName")?;
    let missing = || Refusal {
        status: 404,
        ..Refusal::sender("ResourceNotFoundException", "The resource you requested does not exist.")
    };
    let mut functions = state.functions.iter().filter(|function| call.sees(&function.place));
    let function = functions.find(|function| function.name == name || function.arn() == name).ok_or_else(missing)?;
    let stacks = state.stacks.iter().filter(|stack| stack.environment == function.environment);
    let permitted = stacks.flat_map(|stack| stack.rules.iter().map(move |rule| (stack, rule)));
    let permitted =
        permitted.filter(|(stack, rule)| !state.fault(&rule_fault(&stack.environment, &rule.short, "unpermitted")));
    let statements: Vec<Value> = permitted
        .map(|(stack, rule)| {
            json!({
                "Sid": format!("invoke-{}", rule.short),
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Action": "lambda:InvokeFunction",
                "Resource": function.arn(),
                "Condition": {"ArnLike": {
                    "AWS:SourceArn": function.place.arn("events", &format!("rule/{}/{}", stack.bus, rule.name)),
                }},
            })
        })
        .collect();
    if statements.is_empty() {
        return Err(missing());
    }
    let policy = json!({"Version": "2012-10-17", "Id": "default", "Statement": statements}).to_string();
    Ok(json!({"Policy": policy, "RevisionId": "00000000-0000-4000-8000-000000000000"}))
}
