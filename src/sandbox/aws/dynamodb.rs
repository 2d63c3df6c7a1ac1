//! DynamoDB's operations on tables.

use serde_json::{Value, json};

use super::faults::denial_fault;
use super::input::Input;
use super::refusal::Refusal;
use super::serve::CallContext;
use super::state::{State, Table};
use super::wire::Service;

pub fn answer(state: &State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    match call.operation {
        "DescribeTable" => Ok(json!({"Table": table_value(find(state, call, input)?)})),
        "DescribeTimeToLive" => {
            let table = find(state, call, input)?;
            let description = if table.ttl_enabled {
                json!({"TimeToLiveStatus": "ENABLED", "AttributeName": table.ttl_attribute})
            } else {
                json!({"TimeToLiveStatus": "DISABLED"})
            };
            Ok(json!({"TimeToLiveDescription": description}))
        }
        "GetResourcePolicy" => get_resource_policy(state, call, input),
        other => Err(Refusal::unknown_operation(Some(Service::DynamoDb), other)),
    }
}

fn find<'a>(state: &'a State, call: &CallContext, input: Input) -> Result<&'a Table, Refusal> {
    let named = input.required("TableName")?;
    let name = named.rsplit('/').next().unwrap_or(named);
    let mut tables = state.tables.iter().filter(|table| call.sees(&table.place));
    tables.find(|table| table.name == name).ok_or_else(|| {
        Refusal::sender("ResourceNotFoundException", format!("Requested resource not found: Table: {name} not found"))
    })
}

/// A table's description. The time to live is not part of it.
fn table_value(table: &Table) -> Value {
    json!({
        "TableName": table.name,
        "TableArn": table.place.arn("dynamodb", &format!("table/{}", table.name)),
        "TableStatus": "ACTIVE",
        "CreationDateTime": table.created.as_second(),
        "AttributeDefinitions": [{"AttributeName": table.key, "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": table.key, "KeyType": "HASH"}],
        "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
        "ProvisionedThroughput": {"NumberOfDecreasesToday": 0, "ReadCapacityUnits": 0, "WriteCapacityUnits": 0},
        "ItemCount": 0,
        "TableSizeBytes": 0,
    })
}

/// A table's policy. It has none, unless a fault denies the function everything.
fn get_resource_policy(state: &State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    let arn = input.required("ResourceArn")?;
    let mut tables = state.tables.iter().filter(|table| call.sees(&table.place));
    let table = tables
        .find(|table| table.place.arn("dynamodb", &format!("table/{}", table.name)) == arn)
        .ok_or_else(|| Refusal::sender("ResourceNotFoundException", format!("Requested resource not found: {arn}")))?;
    let stack = state.stacks.iter().find(|stack| stack.table == table.name && stack.account == table.place.account);
    if !stack.is_some_and(|stack| state.fault(&denial_fault(&stack.environment, "table"))) {
        return Err(Refusal::sender(
            "PolicyNotFoundException",
            "Resource-based policy not found for the provided ResourceArn",
        ));
    }
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Sid": "nobody", "Effect": "Deny", "Principal": "*", "Action": "dynamodb:*", "Resource": arn},
    ]});
    Ok(json!({"Policy": policy.to_string(), "RevisionId": "1"}))
}
