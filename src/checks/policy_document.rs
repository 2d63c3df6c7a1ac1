//! Policy documents of IAM, read as far as they can be without IAM: does a set of statements allow one action on one
//! resource? Pure. What depends on things that are not known here is unknown: never a yes by guessing.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Whether something is permitted, as far as it could be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permission {
    /// It is.
    Allowed,
    /// It is not; why, for people.
    Denied(String),
    /// It could not be told; why, for people.
    Unknown(String),
}

/// A policy document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyDocument {
    statements: Vec<Statement>,
}

/// One of its statements.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Statement {
    /// Its Sid, or its place in the document.
    name: String,
    allows: bool,
    actions: Patterns,
    resources: Patterns,
    /// None for a policy of an identity, which is about whom it is attached to.
    principal: Option<Value>,
    excludes_principals: bool,
    conditions: Map<String, Value>,
}

/// What a statement is about: these, or all but these.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Patterns {
    Of(Vec<String>),
    AllBut(Vec<String>),
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker<'a> {
    /// The identity that the documents are attached to.
    Itself,
    /// An AWS service: `events.amazonaws.com`.
    Service(&'a str),
    /// A role, by its ARN.
    Role(&'a str),
}

/// One question.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Who asks.
    pub asker: Asker<'a>,
    /// The IAM action: `dynamodb:PutItem`.
    pub action: &'a str,
    /// The ARN of the resource.
    pub resource: &'a str,
    /// What is known of the request's context, by key in lower case: `aws:sourcearn`.
    pub context: BTreeMap<&'a str, String>,
}

/// What documents say about a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// A statement allows it, and none denies it.
    Allowed,
    /// This statement denies it.
    Denied(String),
    /// No statement is about it. Whether that is a no is for others to say: of policies of one account, one is enough.
    Silent,
    /// It depends on what is not known here: this statement's condition, for example.
    Unknown(String),
}

/// Whether a statement, or a part of it, is about the question.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Applies {
    Yes,
    No,
    Maybe(String),
}

impl Applies {
    fn and(self, other: impl FnOnce() -> Self) -> Self {
        match self {
            Self::No => Self::No,
            Self::Yes => other(),
            Self::Maybe(why) => match other() {
                Self::No => Self::No,
                Self::Yes | Self::Maybe(_) => Self::Maybe(why),
            },
        }
    }

    fn when(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

impl PolicyDocument {
    /// Reads a document.
    ///
    /// # Errors
    /// When it is none; the words say why.
    pub fn parse(text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))?;
        let statements = match value.get("Statement") {
            Some(Value::Array(list)) => list.iter().collect(),
            Some(one @ Value::Object(_)) => vec![one],
            _ => return Err("it has no Statement".to_owned()),
        };
        let statements = statements.into_iter().enumerate().map(|(n, value)| Statement::read(n, value));
        Ok(Self { statements: statements.collect::<Result<_, _>>()? })
    }
}

/// What several documents say together: a denial anywhere outdoes everything, and what may be one is never a yes.
pub fn rule(documents: &[PolicyDocument], request: &Request<'_>) -> Ruling {
    let (mut allowed, mut doubt) = (false, None);
    for statement in documents.iter().flat_map(|document| &document.statements) {
        match (statement.applies(request), statement.allows) {
            (Applies::No, _) => {}
            (Applies::Yes, true) => allowed = true,
            (Applies::Yes, false) => return Ruling::Denied(statement.name.clone()),
            (Applies::Maybe(why), allows) => {
                let verb = if allows { "allow" } else { "deny" };
                let why = format!("whether {} would {verb} it depends on {why}", statement.name);
                // A denial that may hold takes a yes away; a permission that may hold only adds to a no.
                match &doubt {
                    Some((false, _)) => {}
                    Some((true, _)) | None => doubt = Some((allows, why)),
                }
            }
        }
    }
    match (allowed, doubt) {
        (_, Some((false, why))) | (false, Some((true, why))) => Ruling::Unknown(why),
        (true, Some((true, _)) | None) => Ruling::Allowed,
        (false, None) => Ruling::Silent,
    }
}

/// Whether an identity's own policies permit something: what they allow, within its permissions boundary if it has one.
pub fn permission(policies: &[PolicyDocument], boundary: Option<&PolicyDocument>, request: &Request<'_>) -> Permission {
    let own = match rule(policies, request) {
        Ruling::Denied(by) => return Permission::Denied(format!("{by} of its policies denies it")),
        Ruling::Silent => return Permission::Denied("none of its policies allows it".to_owned()),
        Ruling::Unknown(why) => Permission::Unknown(why),
        Ruling::Allowed => Permission::Allowed,
    };
    match boundary.map(|boundary| rule(std::slice::from_ref(boundary), request)) {
        None | Some(Ruling::Allowed) => own,
        Some(Ruling::Denied(by)) => Permission::Denied(format!("{by} of its permissions boundary denies it")),
        Some(Ruling::Silent) => Permission::Denied("its permissions boundary does not allow it".to_owned()),
        Some(Ruling::Unknown(why)) => Permission::Unknown(why),
    }
}

impl Statement {
    fn read(n: usize, value: &Value) -> Result<Self, String> {
        let sid = value.get("Sid").and_then(Value::as_str).filter(|sid| !sid.is_empty());
        let name = sid.map_or_else(|| format!("statement {}", n + 1), |sid| format!("statement \"{sid}\""));
        let allows = match value.get("Effect").and_then(Value::as_str) {
            Some("Allow") => true,
            Some("Deny") => false,
            _ => return Err(format!("{name} has no Effect")),
        };
        let patterns = |is: &str, is_not: &str| match (texts(value.get(is)), texts(value.get(is_not))) {
            (Some(those), None) => Ok(Some(Patterns::Of(those))),
            (None, Some(those)) => Ok(Some(Patterns::AllBut(those))),
            (None, None) => Ok(None),
            (Some(_), Some(_)) => Err(format!("{name} has both {is} and {is_not}")),
        };
        let everything = || Patterns::Of(vec!["*".to_owned()]);
        let excludes_principals = value.get("NotPrincipal").is_some();
        Ok(Self {
            allows,
            actions: patterns("Action", "NotAction")?.ok_or_else(|| format!("{name} has no Action"))?,
            // A bus's policy of old may leave it out: it is about the bus.
            resources: patterns("Resource", "NotResource")?.unwrap_or_else(everything),
            principal: value.get("Principal").or_else(|| value.get("NotPrincipal")).cloned(),
            excludes_principals,
            conditions: value.get("Condition").and_then(Value::as_object).cloned().unwrap_or_default(),
            name,
        })
    }

    fn applies(&self, request: &Request<'_>) -> Applies {
        self.actions
            .apply("NotAction", |pattern| matches(&pattern.to_lowercase(), &request.action.to_lowercase()))
            .and(|| self.resources.apply("NotResource", |pattern| matches(pattern, request.resource)))
            .and(|| self.principal(request))
            .and(|| self.conditions(request))
    }

    fn principal(&self, request: &Request<'_>) -> Applies {
        let Some(principal) = &self.principal else {
            return Applies::when(request.asker == Asker::Itself);
        };
        if self.excludes_principals {
            return Applies::Maybe("its NotPrincipal".to_owned());
        }
        if principal.as_str() == Some("*") || texts(principal.get("AWS")).is_some_and(|of| of.iter().any(|p| p == "*"))
        {
            return Applies::Yes;
        }
        match request.asker {
            Asker::Itself => Applies::Maybe("its Principal".to_owned()),
            Asker::Service(service) => {
                let services = texts(principal.get("Service")).unwrap_or_default();
                Applies::when(services.iter().any(|named| named == service))
            }
            Asker::Role(role) => {
                let account = role.split(':').nth(4).unwrap_or_default();
                let named = texts(principal.get("AWS")).unwrap_or_default();
                let is_it = |name: &String| {
                    name == role
                        || name == account
                        || (name.ends_with(":root") && name.contains(&format!("::{account}:")))
                };
                if named.iter().any(is_it) {
                    Applies::Yes
                } else if named.iter().any(|name| name.contains(":assumed-role/")) {
                    Applies::Maybe("which session of the role asks".to_owned())
                } else {
                    Applies::No
                }
            }
        }
    }

    fn conditions(&self, request: &Request<'_>) -> Applies {
        let all = self.conditions.iter().flat_map(|(operator, keys)| {
            keys.as_object().into_iter().flatten().map(move |(key, values)| (operator, key, values))
        });
        all.fold(Applies::Yes, |so_far, (operator, key, values)| so_far.and(|| holds(operator, key, values, request)))
    }
}

/// Whether a condition holds. Only what compares a known key in a plain way is told.
fn holds(operator: &str, key: &str, values: &Value, request: &Request<'_>) -> Applies {
    let unknown = || Applies::Maybe(format!("its condition {operator} on {key}"));
    let (Some(known), Some(values)) = (request.context.get(key.to_lowercase().as_str()), texts(Some(values))) else {
        return unknown();
    };
    if values.iter().any(|value| value.contains("${")) {
        return unknown();
    }
    match operator.strip_suffix("IfExists").unwrap_or(operator) {
        "StringEquals" => Applies::when(values.iter().any(|value| value == known)),
        "StringLike" | "ArnLike" | "ArnEquals" => Applies::when(values.iter().any(|value| matches(value, known))),
        "Bool" => Applies::when(values.iter().any(|value| value.eq_ignore_ascii_case(known))),
        _ => unknown(),
    }
}

impl Patterns {
    fn apply(&self, negation: &str, is_one: impl Fn(&String) -> bool) -> Applies {
        match self {
            Self::Of(those) if those.iter().any(&is_one) => Applies::Yes,
            Self::Of(those) if those.iter().any(|pattern| pattern.contains("${")) => {
                Applies::Maybe("a variable in it".to_owned())
            }
            Self::Of(_) => Applies::No,
            Self::AllBut(those) if those.iter().any(&is_one) => Applies::No,
            Self::AllBut(_) => Applies::Maybe(format!("its {negation}")),
        }
    }
}

/// A text, or a list of them.
fn texts(value: Option<&Value>) -> Option<Vec<String>> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    match value? {
        Value::Array(list) => list.iter().map(text).collect(),
        one => text(one).map(|text| vec![text]),
    }
}

/// Whether a pattern with `*` (any text) and `?` (any one character) covers a text.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    // Where the last star was, and how much it covers so far.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(letter) if *letter == '?' || *letter == text[t] => (p, t) = (p + 1, t + 1),
            Some(_) | None => match star {
                Some((at, covered)) => {
                    star = Some((at, covered + 1));
                    (p, t) = (at + 1, covered + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|letter| *letter == '*')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TABLE: &str = "arn:aws:dynamodb:us-east-1:111111111111:table/seen";
    const ROLE: &str = "arn:aws:iam::111111111111:role/worker";

    fn documents(statements: Value) -> Vec<PolicyDocument> {
        vec![PolicyDocument::parse(&json!({"Version": "2012-10-17", "Statement": statements}).to_string()).unwrap()]
    }

    fn put(asker: Asker<'_>) -> Request<'_> {
        let context = BTreeMap::from([("aws:securetransport", "true".to_owned())]);
        Request { asker, action: "dynamodb:PutItem", resource: TABLE, context }
    }

    #[test]
    fn patterns_cover_what_iam_says_they_cover() {
        for (pattern, text, covers) in [
            ("*", "", true),
            ("dynamodb:*", "dynamodb:putitem", true),
            ("dynamodb:put*", "dynamodb:getitem", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*table/seen", TABLE, true),
            ("*table/seen/*", TABLE, false),
            ("arn:*:*/s*n", TABLE, true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, text), covers, "{pattern} {text}");
        }
    }

    #[test]
    fn what_statements_say_and_what_they_leave_open() {
        let allow = json!({"Effect": "Allow", "Action": "dynamodb:*", "Resource": TABLE});
        let cases: Vec<(&str, Value, &str)> = vec![
            ("allowed", json!([allow]), "allowed"),
            ("one statement, not in a list", allow.clone(), "allowed"),
            (
                "actions in any case",
                json!([{"Effect": "Allow", "Action": ["DYNAMODB:putitem"], "Resource": "*"}]),
                "allowed",
            ),
            ("another action", json!([{"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": "*"}]), "silent"),
            ("another table", json!([{"Effect": "Allow", "Action": "*", "Resource": format!("{TABLE}-2")}]), "silent"),
            (
                "a denial outdoes",
                json!([allow, {"Effect": "Deny", "Action": "dynamodb:Put*", "Resource": "*"}]),
                "denied",
            ),
            (
                "a denial under a condition",
                json!([allow, {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"StringNotEquals": {"aws:SourceVpc": "vpc-1"}}}]),
                "unknown",
            ),
            (
                "a denial of what is not encrypted",
                json!([allow, {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}]),
                "allowed",
            ),
            (
                "allowed under a condition",
                json!([{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}]),
                "unknown",
            ),
            ("all but another", json!([{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}]), "unknown"),
            ("all but this", json!([{"Effect": "Allow", "NotAction": "dynamodb:*", "Resource": "*"}]), "silent"),
            (
                "a denial of all but another",
                json!([allow, {"Effect": "Deny", "NotAction": "s3:*", "Resource": "*"}]),
                "unknown",
            ),
            (
                "a denial of all but this",
                json!([allow, {"Effect": "Deny", "NotAction": "dynamodb:*", "Resource": "*"}]),
                "allowed",
            ),
            (
                "all but another table",
                json!([{"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::a"}]),
                "unknown",
            ),
            (
                "a variable",
                json!([{"Effect": "Allow", "Action": "*", "Resource": "arn:aws:dynamodb:*:*:table/${aws:username}"}]),
                "unknown",
            ),
            ("nothing", json!([]), "silent"),
        ];
        for (so, statements, expected) in cases {
            let told = match rule(&documents(statements), &put(Asker::Itself)) {
                Ruling::Allowed => "allowed",
                Ruling::Denied(_) => "denied",
                Ruling::Silent => "silent",
                Ruling::Unknown(_) => "unknown",
            };
            assert_eq!(told, expected, "{so}");
        }
    }

    #[test]
    fn a_policy_of_a_resource_is_about_its_principals() {
        let statement =
            |principal: Value| json!([{"Effect": "Deny", "Principal": principal, "Action": "*", "Resource": "*"}]);
        for (principal, asker, expected) in [
            (json!("*"), Asker::Role(ROLE), Ruling::Denied("statement 1".to_owned())),
            (json!({"AWS": "*"}), Asker::Service("events.amazonaws.com"), Ruling::Denied("statement 1".to_owned())),
            (json!({"AWS": ROLE}), Asker::Role(ROLE), Ruling::Denied("statement 1".to_owned())),
            (json!({"AWS": "111111111111"}), Asker::Role(ROLE), Ruling::Denied("statement 1".to_owned())),
            (
                json!({"AWS": ["arn:aws:iam::111111111111:root"]}),
                Asker::Role(ROLE),
                Ruling::Denied("statement 1".to_owned()),
            ),
            (json!({"AWS": "222222222222"}), Asker::Role(ROLE), Ruling::Silent),
            (json!({"Service": "events.amazonaws.com"}), Asker::Role(ROLE), Ruling::Silent),
            (
                json!({"Service": ["sns.amazonaws.com", "events.amazonaws.com"]}),
                Asker::Service("events.amazonaws.com"),
                Ruling::Denied("statement 1".to_owned()),
            ),
        ] {
            assert_eq!(rule(&documents(statement(principal.clone())), &put(asker)), expected, "{principal}");
        }
        let but = json!([{"Effect": "Deny", "NotPrincipal": {"AWS": ROLE}, "Action": "*", "Resource": "*"}]);
        assert!(matches!(rule(&documents(but), &put(Asker::Role(ROLE))), Ruling::Unknown(_)));
    }

    #[test]
    fn a_boundary_takes_away_and_never_gives() {
        let of = |action: &str| documents(json!([{"Effect": "Allow", "Action": action, "Resource": "*"}]));
        let asked = |own: &str, boundary: &str| permission(&of(own), of(boundary).first(), &put(Asker::Itself));
        assert_eq!(asked("dynamodb:*", "*"), Permission::Allowed);
        assert!(matches!(asked("dynamodb:*", "events:*"), Permission::Denied(_)));
        assert!(matches!(asked("events:*", "*"), Permission::Denied(_)));
    }

    #[test]
    fn what_is_no_policy_is_refused() {
        for text in ["", "[]", "{}", r#"{"Statement": [{"Action": "*"}]}"#, r#"{"Statement": [{"Effect": "Allow"}]}"#] {
            assert!(PolicyDocument::parse(text).is_err(), "{text}");
        }
    }
}
