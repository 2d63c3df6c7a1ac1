//! Templates of CloudFormation, read as far as they can be without CloudFormation: which package one names for a function.
//! Pure. What depends on things that are not known here is not told: never a package by guessing.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::domain::Package;

/// The types of resources that are functions, after transforms and before.
const FUNCTIONS: [&str; 2] = ["AWS::Lambda::Function", "AWS::Serverless::Function"];
/// What CloudFormation shows in place of a parameter's value that is a secret.
const HIDDEN: &str = "****";

/// The package that a template names for a function, or why none can be told: a part of a sentence. `known` are the values
/// of the stack's parameters, and of `AWS::StackName` and its like.
pub fn package(template: &str, function: &str, known: &BTreeMap<String, String>) -> Result<Package, String> {
    let Ok(Value::Object(template)) = serde_json::from_str::<Value>(template) else {
        return Err("the stack's template is no JSON, also after its transforms, and YAML is not read".to_owned());
    };
    let properties = properties_of(&template, function, known)?;
    let code = properties.get("Code").or_else(|| properties.get("CodeUri"));
    match code {
        Some(Value::String(text)) => {
            let place = text.strip_prefix("s3://").and_then(|rest| rest.split_once('/'));
            let (bucket, key) = place.ok_or_else(|| format!("the stack's template says {text}, which is not in S3"))?;
            Ok(Package { bucket: bucket.to_owned(), key: key.to_owned(), object_version: None })
        }
        Some(Value::Object(code)) => of_object(code, known),
        Some(_) | None => Err(format!("the stack's template names no code for {function}")),
    }
}

/// The properties of the function: of the one that has its name, else of the only one, if that is named by what is not
/// known here.
fn properties_of<'a>(
    template: &'a Map<String, Value>,
    function: &str,
    known: &BTreeMap<String, String>,
) -> Result<&'a Map<String, Value>, String> {
    let resources = template.get("Resources").and_then(Value::as_object);
    let functions: Vec<&Map<String, Value>> = resources
        .into_iter()
        .flat_map(|resources| resources.values())
        .filter(|resource| resource["Type"].as_str().is_some_and(|kind| FUNCTIONS.contains(&kind)))
        .filter_map(|resource| resource["Properties"].as_object())
        .collect();
    let name = |properties: &Map<String, Value>| properties.get("FunctionName").and_then(|name| text(name, known));
    if let Some(named) = functions.iter().find(|properties| name(properties).as_deref() == Some(function)) {
        return Ok(named);
    }
    match functions.as_slice() {
        [only] if name(only).is_none() => Ok(only),
        _ => Err(format!("the stack's template has no function that is plainly {function}")),
    }
}

fn of_object(code: &Map<String, Value>, known: &BTreeMap<String, String>) -> Result<Package, String> {
    if code.contains_key("ZipFile") {
        return Err("its code stands in the stack's template itself".to_owned());
    }
    if code.contains_key("ImageUri") {
        return Err("it runs a container image, which has no package in S3".to_owned());
    }
    // As Lambda's resource names it, and as SAM's does.
    let field = |names: [&str; 2]| names.into_iter().find_map(|name| code.get(name));
    let read = |value: &Value| {
        text(value, known)
            .ok_or_else(|| format!("the stack's template names its package by {value}, which is not known here"))
    };
    let missing = || "the stack's template names no package in S3 for it".to_owned();
    Ok(Package {
        bucket: read(field(["S3Bucket", "Bucket"]).ok_or_else(missing)?)?,
        key: read(field(["S3Key", "Key"]).ok_or_else(missing)?)?,
        object_version: field(["S3ObjectVersion", "Version"]).map(read).transpose()?,
    })
}

/// A value as text: written out, or made of parameters by `Ref` or a plain `Fn::Sub`.
fn text(value: &Value, known: &BTreeMap<String, String>) -> Option<String> {
    let value_of = |name: &str| known.get(name).filter(|value| *value != HIDDEN).cloned();
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Object(fields) if fields.len() == 1 => match fields.iter().next()? {
            (function, Value::String(name)) if function == "Ref" => value_of(name),
            (function, Value::String(pattern)) if function == "Fn::Sub" => {
                let mut parts = pattern.split("${");
                let mut whole = parts.next()?.to_owned();
                for part in parts {
                    let (name, rest) = part.split_once('}')?;
                    whole.push_str(&value_of(name.trim())?);
                    whole.push_str(rest);
                }
                Some(whole)
            }
            _ => None,
        },
        Value::Object(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(functions: &[Value]) -> Result<String, String> {
        let resources: Map<String, Value> =
            functions.iter().enumerate().map(|(n, function)| (format!("F{n}"), function.clone())).collect();
        let known = [("Stage", "dev"), ("AWS::StackName", "trading-dev"), ("Key", "code/2.zip"), ("Secret", HIDDEN)];
        let known = known.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let template = json!({"Resources": resources}).to_string();
        package(&template, "worker-dev", &known).map(|package| package.to_string())
    }

    fn lambda(name: Value, code: Value) -> Value {
        json!({"Type": "AWS::Lambda::Function", "Properties": {"FunctionName": name, "Code": code}})
    }

    #[test]
    fn a_package_is_told_however_it_is_written() {
        let name = || json!("worker-dev");
        for (code, package) in [
            (json!({"S3Bucket": "b", "S3Key": "k.zip"}), "s3://b/k.zip"),
            (json!({"S3Bucket": "b", "S3Key": "k.zip", "S3ObjectVersion": "v1"}), "s3://b/k.zip@v1"),
            (json!({"Bucket": "b", "Key": {"Ref": "Key"}}), "s3://b/code/2.zip"),
            (json!({"S3Bucket": {"Fn::Sub": "code-${Stage}"}, "S3Key": "k"}), "s3://code-dev/k"),
            (json!("s3://b/some/k"), "s3://b/some/k"),
        ] {
            assert_eq!(found(&[lambda(name(), code.clone())]).as_deref(), Ok(package), "{code}");
        }
        let sam = json!({"Type": "AWS::Serverless::Function", "Properties": {"CodeUri": "s3://b/k"}});
        assert_eq!(found(&[sam]).as_deref(), Ok("s3://b/k"), "the only function, without a name");
    }

    #[test]
    fn it_is_the_functions_own_or_none() {
        let code = |key: &str| json!({"S3Bucket": "b", "S3Key": key});
        let named = |name: Value, key: &str| lambda(name, code(key));
        let own = json!({"Fn::Sub": "worker-${Stage}"});
        let two = [named(json!("other-dev"), "other"), named(own, "own")];
        assert_eq!(found(&two).as_deref(), Ok("s3://b/own"));
        for none in [
            vec![named(json!("other-dev"), "other")],
            vec![named(json!({"Ref": "Name"}), "a"), named(json!({"Ref": "Name"}), "b")],
            Vec::new(),
        ] {
            assert!(found(&none).unwrap_err().contains("no function that is plainly worker-dev"));
        }
    }

    #[test]
    fn what_is_not_known_is_said_and_not_guessed() {
        for (code, words) in [
            (json!({"ZipFile": "x = 1"}), "in the stack's template itself"),
            (json!({"ImageUri": "x"}), "container image"),
            (json!({"S3Bucket": "b", "S3Key": {"Ref": "Secret"}}), "not known here"),
            (json!({"S3Bucket": "b", "S3Key": {"Fn::Join": ["", ["a"]]}}), "not known here"),
            (json!({"S3Bucket": "b"}), "no package in S3"),
            (json!("./build"), "not in S3"),
            (json!(null), "names no code"),
        ] {
            let why = found(&[lambda(json!("worker-dev"), code.clone())]).unwrap_err();
            assert!(why.contains(words), "{code}: {why}");
        }
        assert!(package("Resources:\n", "worker-dev", &BTreeMap::new()).unwrap_err().contains("YAML is not read"));
    }
}
