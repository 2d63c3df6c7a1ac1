//! CloudFormation's operations on stacks.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::change_sets;
use super::input::Input;
use super::refusal::Refusal;
use super::serve::CallContext;
use super::state::{Stack, State};
use super::wire::Service;

pub fn answer(state: &mut State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    match call.operation {
        "DescribeStacks" => describe_stacks(state, call, input),
        "CreateChangeSet" => change_sets::create(state, call, input),
        "DescribeChangeSet" => change_sets::describe(state, call, input),
        "DeleteChangeSet" => change_sets::delete(state, call, input),
        "ExecuteChangeSet" => change_sets::execute(state, call, input),
        "DescribeStackEvents" => change_sets::events(state, call, input),
        "ContinueUpdateRollback" => change_sets::recover(state, call, input, &["UPDATE_ROLLBACK_FAILED"]),
        "RollbackStack" => change_sets::recover(state, call, input, &["UPDATE_FAILED", "CREATE_FAILED"]),
        "GetTemplate" => get_template(state, call, input),
        other => Err(Refusal::unknown_operation(Some(Service::CloudFormation), other)),
    }
}

fn visible<'a>(state: &'a State, call: &'a CallContext) -> impl Iterator<Item = &'a Stack> {
    state.formations.iter().filter(|stack| call.sees(&stack.place))
}

/// A stack by its name or id. There is no code for one that is missing, only words.
fn find<'a>(state: &'a State, call: &'a CallContext, named: &str) -> Result<&'a Stack, Refusal> {
    let found = visible(state, call).find(|stack| stack.name == named || id_of(stack) == named);
    found.ok_or_else(|| Refusal::sender("ValidationError", format!("Stack with id {named} does not exist")))
}

fn id_of(stack: &Stack) -> String {
    stack.place.arn("cloudformation", &format!("stack/{}/00000000-0000-4000-8000-000000000000", stack.name))
}

fn get_template(state: &State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    if input.text("ChangeSetName").is_some() {
        return Err(Refusal::unmodelled("ChangeSetNotFound", "change sets are not known here"));
    }
    let stack = find(state, call, input.required("StackName")?)?;
    let body = match input.text("TemplateStage") {
        None | Some("Original") => stack.template.clone(),
        Some("Processed") => processed(state, stack),
        Some(other) => return Err(input.wrong(format!("{other} is no value of TemplateStage"))),
    };
    Ok(json!({"TemplateBody": body, "StagesAvailable": ["Original", "Processed"]}))
}

/// The template after its transforms, as JSON: SAM's function has become Lambda's, with its package.
fn processed(state: &State, stack: &Stack) -> String {
    let functions = state.functions.iter().filter(|function| function.environment == stack.environment);
    let label = stack.label.as_deref().unwrap_or_default();
    let resources: Vec<(String, Value)> = functions
        .enumerate()
        .map(|(n, function)| {
            let function = json!({"Type": "AWS::Lambda::Function", "Properties": {
                "FunctionName": function.name,
                "Code": {"S3Bucket": "alchemiser-artefacts", "S3Key": format!("code/{label}.zip")},
            }});
            (format!("Function{n}"), function)
        })
        .collect();
    json!({"Resources": resources.into_iter().collect::<serde_json::Map<_, _>>()}).to_string()
}

fn describe_stacks(state: &State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    let stacks = match input.text("StackName") {
        Some(name) => vec![find(state, call, name)?],
        None => visible(state, call).collect(),
    };
    let (page, next) = input.page(stacks, "NextToken", call.page_max)?;
    let stacks: Vec<Value> = page.into_iter().map(|stack| stack_value(state, stack, call.now)).collect();
    let mut answer = json!({"Stacks": stacks});
    if let Some(next) = next {
        answer["NextToken"] = json!(next);
    }
    Ok(answer)
}

fn stack_value(state: &State, stack: &Stack, now: Timestamp) -> Value {
    let mut tags = vec![json!({"Key": "environment", "Value": stack.environment})];
    tags.extend(stack.label.as_ref().map(|label| json!({"Key": "version", "Value": label})));
    let is_updated = stack.updated > stack.created;
    let mut value = json!({
        "StackName": stack.name,
        "StackId": id_of(stack),
        "CreationTime": stack.created.to_string(),
        "StackStatus": if is_updated { "UPDATE_COMPLETE" } else { "CREATE_COMPLETE" },
        "DisableRollback": false,
        "Tags": tags,
    });
    if let Some((status, reason)) = &stack.standing {
        value["StackStatus"] = json!(status);
        if let Some(reason) = reason {
            value["StackStatusReason"] = json!(reason);
        }
    }
    if let Some(status) = state.updating(&stack.name, now) {
        value["StackStatus"] = json!(status);
    }
    if is_updated {
        value["LastUpdatedTime"] = json!(stack.updated.to_string());
    }
    value
}
