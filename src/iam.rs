//! The IAM policies that an environment's roles need: templates from `config/iam` with the environment's names filled in.
//! Nothing is left unfilled: what the configuration does not say is a placeholder that begins with REPLACE, and told.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::domain::{Environment, Partition, SessionStyle, arn, global_arn};

const READER: &str = include_str!("../config/iam/reader.json");
const OPERATOR: &str = include_str!("../config/iam/operator.json");
const BOT: &str = include_str!("../config/iam/bot.json");
const TRUST: &str = include_str!("../config/iam/trust.json");

/// What a placeholder begins with that somebody has to fill in.
const REPLACE: &str = "REPLACE";
/// How much of an environment's name stands in the name of a session.
const SESSION_NAME_CHARS: usize = 24;

/// Whose policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyOf {
    /// The role that reads.
    Reader,
    /// The role that acts; it reads too, since it looks at what it changes.
    Operator,
    /// Alch's own identity, which takes the roles.
    Bot,
    /// Who may take the roles: their trust policy.
    Trust,
}

/// A policy, and what of it somebody has to fill in.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// The document.
    pub document: Value,
    /// What is missing and where it is to be said, for people.
    pub missing: Vec<String>,
}

/// What an environment says, by the names that templates use.
struct Names<'a> {
    values: BTreeMap<&'static str, Vec<String>>,
    parts: BTreeSet<&'static str>,
    environment: &'a Environment,
}

/// The policy of an environment. `bot` is the ARN of Alch's own identity, where it is known.
pub fn policy(environment: &Environment, of: PolicyOf, bot: Option<&str>) -> Policy {
    let names = Names::of(environment, bot);
    let templates: &[&str] = match of {
        PolicyOf::Reader => &[READER],
        PolicyOf::Operator => &[READER, OPERATOR],
        PolicyOf::Bot => &[BOT],
        PolicyOf::Trust => &[TRUST],
    };
    let statements = templates.iter().flat_map(|template| names.statements(template)).collect::<Vec<Value>>();
    let document = json!({"Version": "2012-10-17", "Statement": statements});
    let missing = names.missing(&document.to_string());
    Policy { document, missing }
}

impl<'a> Names<'a> {
    fn of(environment: &'a Environment, bot: Option<&str>) -> Self {
        let region = environment.region.as_str();
        let account = environment.account.clone().unwrap_or_else(|| format!("{REPLACE}-ACCOUNT"));
        let one = |text: &str| vec![text.to_owned()];
        let role = |configured: &Option<String>, name: &str| {
            configured.clone().unwrap_or_else(|| global_arn(region, &account, "iam", &format!("role/{name}")))
        };
        let operator = role(&environment.role_arn, "alch-operator");
        let reader = environment.reader_role_arn.clone().into_iter();
        let topic_arn = |topic: &String| {
            if topic.starts_with("arn:") { topic.clone() } else { arn(region, &account, "sns", topic) }
        };
        let mut topics: Vec<String> =
            std::iter::once(&environment.alarm_topic).chain(&environment.notify.topic).map(topic_arn).collect();
        topics.dedup();
        let bot = bot.map_or_else(
            || {
                global_arn(
                    region,
                    &format!("{REPLACE}-ACCOUNT-OF-ALCH"),
                    "iam",
                    &format!("role/{REPLACE}-ROLE-OF-ALCH"),
                )
            },
            str::to_owned,
        );
        let values = BTreeMap::from([
            ("partition", one(Partition::of_region(region).id())),
            ("region", one(region)),
            ("account", one(&account)),
            ("environment", vec![environment.name.chars().take(SESSION_NAME_CHARS).collect()]),
            ("stack", one(&environment.stack)),
            ("bus", one(&environment.bus)),
            ("rule", environment.rules.iter().map(|rule| rule.rule.clone()).collect()),
            ("function", one(&environment.function)),
            ("invoked_function", one(&invoked(environment))),
            ("queue", environment.dlqs.clone()),
            ("table", one(&environment.table.name)),
            ("archive", one(&environment.archive)),
            ("alarm_topic", one(&environment.alarm_topic)),
            ("topic_arn", topics),
            ("operator_role_arn", one(&operator)),
            ("own_role_arn", reader.chain([operator]).collect()),
            ("bot_arn", one(&bot)),
            (
                "deploy_role_arn",
                deploy_role(environment).unwrap_or_else(|| {
                    one(&global_arn(region, &account, "iam", &format!("role/{REPLACE}-ROLE-OF-THE-STACK")))
                }),
            ),
            ("bucket", buckets(environment)),
        ]);
        Self { values, parts: parts(environment), environment }
    }

    /// A template's statements as far as the environment has a use for them.
    fn statements(&self, template: &str) -> Vec<Value> {
        let template: Value = serde_json::from_str(template).unwrap_or_default();
        let statements = template["Statement"].as_array().cloned().unwrap_or_default();
        statements.into_iter().filter_map(|statement| self.statement(statement)).collect()
    }

    fn statement(&self, mut statement: Value) -> Option<Value> {
        let fields = statement.as_object_mut()?;
        if let Some(only) = fields.remove("Only")
            && !only.as_str().is_some_and(|part| self.parts.contains(part))
        {
            return None;
        }
        for value in fields.values_mut() {
            *value = self.filled(value.take());
        }
        // A statement about nothing would be refused by IAM.
        let about_nothing = |name: &str| fields.get(name).and_then(Value::as_array).is_some_and(Vec::is_empty);
        (!about_nothing("Resource")).then_some(statement)
    }

    fn filled(&self, value: Value) -> Value {
        match value {
            Value::String(text) => {
                let mut all = self.expanded(&text);
                if all.len() == 1 { Value::String(all.remove(0)) } else { all.into_iter().map(Value::String).collect() }
            }
            Value::Array(list) => {
                let texts = list.iter().filter_map(Value::as_str).flat_map(|text| self.expanded(text));
                let mut texts: Vec<String> = texts.collect();
                texts.dedup();
                texts.into_iter().map(Value::String).collect()
            }
            Value::Object(fields) => Value::Object(
                fields.into_iter().map(|(name, value)| (self.expanded(&name).concat(), self.filled(value))).collect(),
            ),
            other @ (Value::Null | Value::Bool(_) | Value::Number(_)) => other,
        }
    }

    /// A text with its placeholders filled in: as many texts as there are combinations of their values.
    fn expanded(&self, text: &str) -> Vec<String> {
        let found = self.values.iter().find_map(|(name, values)| {
            let placeholder = format!("{{{name}}}");
            text.contains(&placeholder).then_some((placeholder, values))
        });
        match found {
            None => vec![text.to_owned()],
            Some((placeholder, values)) => {
                values.iter().flat_map(|value| self.expanded(&text.replace(&placeholder, value))).collect()
            }
        }
    }

    /// What is left to somebody, in the order of importance.
    fn missing(&self, document: &str) -> Vec<String> {
        let name = &self.environment.name;
        let told = [
            (format!("{REPLACE}-ACCOUNT\""), String::new()),
            (
                format!(":{REPLACE}-ACCOUNT:"),
                format!("the account: set environments.{name}.account, its twelve digits"),
            ),
            (
                format!("{REPLACE}-ACCOUNT-OF-ALCH"),
                "Alch's own identity: give it with --bot ARN; `aws sts get-caller-identity` tells it where Alch runs, and of an \
                 assumed role the role's ARN is meant"
                    .to_owned(),
            ),
            (
                format!("{REPLACE}-ROLE-OF-THE-STACK"),
                format!("the role that CloudFormation works with on {}", self.environment.stack),
            ),
            (format!("{REPLACE}-BUCKET"), "the bucket of templates and packages".to_owned()),
        ];
        told.into_iter()
            .filter(|(sign, words)| !words.is_empty() && document.contains(sign))
            .map(|(_, words)| words)
            .collect()
    }
}

/// What of the templates an environment has a use for.
fn parts(environment: &Environment) -> BTreeSet<&'static str> {
    let mut parts = BTreeSet::new();
    if environment.session == SessionStyle::Tagged {
        parts.insert("tagged");
    }
    if environment.smoke.is_some() {
        parts.insert("smoke");
    }
    if environment.changeset().is_some() {
        parts.insert("changeset");
    }
    // Whoever puts a package into the function has to be able to read it, whatever has deployed it.
    if environment.deploy.is_some() {
        parts.insert("packages");
    }
    parts
}

/// The function as a smoke test invokes it: with its version or alias, where one is named.
fn invoked(environment: &Environment) -> String {
    let qualifier = environment.smoke.as_ref().and_then(|smoke| smoke.qualifier.as_deref());
    match qualifier.filter(|qualifier| *qualifier != "$LATEST") {
        Some(qualifier) => format!("{}:{qualifier}", environment.function),
        None => environment.function.clone(),
    }
}

fn deploy_role(environment: &Environment) -> Option<Vec<String>> {
    Some(vec![environment.changeset()?.role_arn.clone()?])
}

/// The buckets of templates, as far as they are said in `s3://bucket/…`.
fn buckets(environment: &Environment) -> Vec<String> {
    let settings = serde_json::to_string(environment).unwrap_or_default();
    let named: BTreeSet<String> = settings
        .split("s3://")
        .skip(1)
        .filter_map(|rest| rest.split(['/', '"']).next())
        .filter(|bucket| !bucket.is_empty())
        .map(str::to_owned)
        .collect();
    if named.is_empty() { vec![format!("{REPLACE}-BUCKET")] } else { named.into_iter().collect() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::checks::policy_document::{Asker, PolicyDocument, Request, Ruling, rule};
    use crate::config::{ALCH_TOML, Config};

    /// The operations of the code, as their file declares them: name, action, and whether it changes something.
    fn operations() -> Vec<(String, String, bool)> {
        let source = include_str!("aws/operation.rs");
        let mut all = Vec::new();
        for (kind, changes) in [("&Operation::read(", false), ("&Operation::change(", true)] {
            for declared in source.split(kind).skip(1) {
                let texts: Vec<&str> = declared.split('"').skip(1).step_by(2).take(3).collect();
                let [_, name, action] = texts.as_slice() else { panic!("{declared:.80}") };
                all.push(((*name).to_owned(), (*action).to_owned(), changes));
            }
        }
        assert!(all.len() > 30, "{all:?}");
        all
    }

    fn environment(name: &str) -> Environment {
        let (config, _) = Config::parse(ALCH_TOML, "alch.toml", &Default::default()).unwrap();
        let mut environment = config.environments[name].clone();
        environment.account = Some("111122223333".to_owned());
        environment.role_arn = Some("arn:aws:iam::111122223333:role/alch-operator".to_owned());
        environment.reader_role_arn = Some("arn:aws:iam::111122223333:role/alch-reader".to_owned());
        environment.notify.topic = Some("notices".to_owned());
        environment
    }

    /// The resources that an operation is used on, as IAM names them.
    fn used_on(action: &str, e: &Environment) -> Vec<String> {
        let (service, name) = action.split_once(':').unwrap();
        let here = |service: &str, resource: &str| arn(&e.region, "111122223333", service, resource);
        let rules = || e.rules.iter().map(|rule| here("events", &format!("rule/{}/{}", e.bus, rule.rule))).collect();
        match (service, name) {
            ("events", "ListRules" | "ListArchives" | "ListReplays" | "ListEventBuses") | ("cloudwatch", _) => {
                vec!["*".to_owned()]
            }
            ("events", "DescribeEventBus" | "PutEvents") => vec![here("events", &format!("event-bus/{}", e.bus))],
            ("events", "DescribeArchive") => vec![here("events", &format!("archive/{}", e.archive))],
            ("events", "StartReplay") => {
                vec![here("events", "replay/alch-dev-R1"), here("events", &format!("archive/{}", e.archive))]
            }
            ("events", "DescribeReplay" | "CancelReplay") => vec![here("events", "replay/alch-dev-R1")],
            ("events", _) => rules(),
            ("sqs", _) => e.dlqs.iter().map(|queue| here("sqs", queue)).collect(),
            ("dynamodb", _) => vec![here("dynamodb", &format!("table/{}", e.table.name))],
            ("lambda", _) => vec![here("lambda", &format!("function:{}", e.function))],
            ("logs", _) => vec![here("logs", &format!("log-group:/aws/lambda/{}:*", e.function))],
            ("cloudformation", _) => vec![here("cloudformation", &format!("stack/{}/some-id", e.stack))],
            ("sns", "Subscribe") => vec![here("sns", &e.alarm_topic)],
            ("sns", _) => vec![here("sns", &e.alarm_topic), here("sns", "notices")],
            ("iam", "GetPolicy" | "GetPolicyVersion") => vec![
                "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole".to_owned(),
                "arn:aws:iam::111122223333:policy/own".to_owned(),
            ],
            ("iam", _) => vec![format!("arn:aws:iam::111122223333:role/{}-FunctionRole-1", e.stack)],
            // Of roles, the bot's policy speaks; who one is, everybody may ask.
            ("sts", _) => Vec::new(),
            other => panic!("say here what {other:?} is used on"),
        }
    }

    fn documents(policy: &Policy) -> Vec<PolicyDocument> {
        vec![PolicyDocument::parse(&policy.document.to_string()).unwrap()]
    }

    fn ruling(documents: &[PolicyDocument], action: &str, resource: &str, context: &[(&'static str, &str)]) -> Ruling {
        let context: BTreeMap<_, _> = context.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        rule(documents, &Request { asker: Asker::Itself, action, resource, context })
    }

    #[test]
    fn every_operation_of_the_code_is_in_a_policy() {
        for name in ["dev", "prod"] {
            let environment = environment(name);
            let reader = documents(&policy(&environment, PolicyOf::Reader, None));
            let operator = documents(&policy(&environment, PolicyOf::Operator, None));
            let bot = documents(&policy(&environment, PolicyOf::Bot, None));
            for (operation, action, changes) in operations() {
                if action == "sts:AssumeRole" {
                    for role in ["alch-operator", "alch-reader"] {
                        let role = format!("arn:aws:iam::111122223333:role/{role}");
                        assert_eq!(ruling(&bot, &action, &role, &[]), Ruling::Allowed);
                    }
                    continue;
                }
                // Optional parts come and go with the configuration; see the test of those.
                if is_of_change_sets(&action) {
                    continue;
                }
                for resource in used_on(&action, &environment) {
                    let context = [("sns:protocol", "email")];
                    let told = match ruling(&operator, &action, &resource, &context) {
                        // Whether a service manages the rule is not known here; only that the policy asks.
                        Ruling::Unknown(why) if why.ends_with("Null on events:ManagedBy") => Ruling::Allowed,
                        told => told,
                    };
                    assert_eq!(
                        told,
                        Ruling::Allowed,
                        "the operator's policy lacks {action} on {resource} for {operation}"
                    );
                    let told = ruling(&reader, &action, &resource, &context);
                    let may = told == Ruling::Allowed;
                    assert_eq!(
                        may, !changes,
                        "the reader's policy and {action} on {resource} for {operation}: {told:?}"
                    );
                }
            }
        }
    }

    fn is_of_change_sets(action: &str) -> bool {
        let acts =
            ["CreateChangeSet", "ExecuteChangeSet", "DeleteChangeSet", "ContinueUpdateRollback", "RollbackStack"];
        action.strip_prefix("cloudformation:").is_some_and(|name| acts.contains(&name)) || action.starts_with("s3:")
    }

    #[test]
    fn what_is_invoked_by_an_alias_is_allowed_by_that_alias() {
        let mut environment = environment("dev");
        let plain = used_on("lambda:InvokeFunction", &environment).remove(0);
        let live = format!("{plain}:live");
        let may = |environment: &Environment, of, action: &str, resource: &str| {
            ruling(&documents(&policy(environment, of, None)), action, resource, &[]) == Ruling::Allowed
        };
        assert!(!may(&environment, PolicyOf::Operator, "lambda:InvokeFunction", &live));
        environment.smoke.as_mut().unwrap().qualifier = Some("live".to_owned());
        assert!(may(&environment, PolicyOf::Operator, "lambda:InvokeFunction", &live));
        for resource in [&plain, &live] {
            assert!(may(&environment, PolicyOf::Reader, "lambda:GetFunctionConfiguration", resource));
        }
    }

    #[test]
    fn dev_and_prod_are_apart_and_what_is_managed_or_foreign_is_nobodys() {
        let (dev, prod) = (environment("dev"), environment("prod"));
        let operator = documents(&policy(&dev, PolicyOf::Operator, None));
        for (_, action, _) in operations() {
            for resource in used_on(&action, &prod).iter().filter(|resource| resource.contains("prod")) {
                assert_ne!(ruling(&operator, &action, resource, &[]), Ruling::Allowed, "{action} on {resource}");
            }
        }
        let rule = used_on("events:EnableRule", &dev).remove(0);
        let managed = [("events:managedby", "prod.vhs.events.aws.internal")];
        for action in ["events:EnableRule", "events:DisableRule"] {
            assert_ne!(ruling(&operator, action, &rule, &managed), Ruling::Allowed);
            for foreign in [rule.replace("signal-generated", "feed"), rule.replace(&format!("{}/", dev.bus), "")] {
                assert_ne!(ruling(&operator, action, &foreign, &[]), Ruling::Allowed, "{foreign}");
            }
        }
        let text = policy(&dev, PolicyOf::Operator, None).document.to_string();
        for never in [
            "PutRule",
            "PutTargets",
            "RemoveTargets",
            "DeleteRule",
            "iam:Put",
            "iam:Attach",
            "DeleteStack",
            "PurgeQueue",
            "\"*:*\"",
        ] {
            assert!(!text.contains(never), "{never}");
        }
    }

    #[test]
    fn only_what_cannot_be_narrowed_is_allowed_on_everything() {
        let text = policy(&environment("dev"), PolicyOf::Operator, None).document;
        for statement in text["Statement"].as_array().unwrap() {
            if statement["Resource"] == "*" {
                assert_eq!(statement["Sid"], "WhatCannotBeNarrowed");
            }
        }
    }

    #[test]
    fn nothing_is_left_unfilled_and_what_is_missing_is_said() {
        let whole = environment("dev");
        for of in [PolicyOf::Reader, PolicyOf::Operator, PolicyOf::Bot, PolicyOf::Trust] {
            let told = policy(&whole, of, Some("arn:aws:iam::999999999999:role/alch"));
            let text = told.document.to_string();
            assert!(!text.contains('{') || !text.contains("{partition}"), "{text}");
            for name in Names::of(&whole, None).values.keys() {
                assert!(!text.contains(&format!("{{{name}}}")), "{name} in {text}");
            }
            assert!(!text.contains(REPLACE), "{text}");
            assert_eq!(told.missing, Vec::<String>::new());
        }
        let (config, _) = Config::parse(ALCH_TOML, "alch.toml", &Default::default()).unwrap();
        let shipped = &config.environments["dev"];
        let told = policy(shipped, PolicyOf::Operator, None);
        assert_eq!(told.missing.len(), 1, "{:?}", told.missing);
        assert!(told.missing[0].contains("environments.dev.account"), "{:?}", told.missing);
        let told = policy(&whole, PolicyOf::Trust, None);
        assert!(told.missing.len() == 1 && told.missing[0].contains("--bot"), "{:?}", told.missing);
    }

    #[test]
    fn every_partition_has_its_own_arns_and_sessions_that_say_less_need_less() {
        for (region, partition) in [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")] {
            let there =
                Environment { region: region.to_owned(), role_arn: None, reader_role_arn: None, ..environment("dev") };
            let text = policy(&there, PolicyOf::Operator, None).document.to_string();
            assert!(
                !text.contains("arn:aws:") && text.contains(&format!("arn:{partition}:events:{region}:")),
                "{text}"
            );
        }
        let named = Environment { session: SessionStyle::Named, ..environment("dev") };
        for of in [PolicyOf::Bot, PolicyOf::Trust] {
            assert!(!policy(&named, of, None).document.to_string().contains("TagSession"));
            assert!(policy(&environment("dev"), of, None).document.to_string().contains("TagSession"));
        }
    }
}
