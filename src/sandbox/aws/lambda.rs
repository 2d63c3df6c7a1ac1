//! Lambda's operations on functions.

use serde_json::{Value, json};

use super::faults::rule_fault;
use super::iam::role_arn;
use super::input::Input;
use super::refusal::Refusal;
use super::serve::CallContext;
use super::state::State;
use super::wire::Service;

pub fn answer(state: &State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    match call.operation {
        "GetFunctionConfiguration" => get_function_configuration(state, call, input),
        "GetPolicy" => get_policy(state, call, input),
        other => Err(Refusal::unknown_operation(Some(Service::Lambda), other)),
    }
}

fn get_function_configuration(state: &State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    if input.text("Qualifier").is_some() {
        return Err(Refusal::unmodelled("InvalidParameterValueException", "versions and aliases are not known here"));
    }
    let name = input.required("FunctionName")?;
    let mut functions = state.functions.iter().filter(|function| call.sees(&function.place));
    let function = functions.find(|function| function.name == name || function.arn() == name).ok_or_else(|| {
        Refusal { status: 404, ..Refusal::sender("ResourceNotFoundException", format!("Function not found: {name}")) }
    })?;
    Ok(json!({
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
        "Version": "$LATEST",
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "PackageType": "Zip",
    }))
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
