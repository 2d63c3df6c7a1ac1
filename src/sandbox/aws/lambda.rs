//! Lambda's operations on functions.

use serde_json::{Value, json};

use super::input::Input;
use super::refusal::Refusal;
use super::serve::CallContext;
use super::state::State;
use super::wire::Service;

pub fn answer(state: &State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    match call.operation {
        "GetFunctionConfiguration" => get_function_configuration(state, call, input),
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
        "Role": function.role_arn(),
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
