//! STS's operations: who one is, and assuming a role. Any role of an account that a stack is in may be assumed.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::clock::Clock;

use super::faults::SESSION_TAGS_REFUSED;
use super::input::Input;
use super::refusal::Refusal;
use super::serve::CallContext;
use super::state::{Place, Session, State};
use super::wire::Service;

/// The oldest sessions are forgotten beyond this many.
const SESSIONS_MAX: usize = 1_000;
/// Credentials are good for at least this long in real time.
const REAL_VALIDITY_MIN: SignedDuration = SignedDuration::from_hours(1);

pub fn answer(state: &mut State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    match call.operation {
        "GetCallerIdentity" => Ok(identity(state, call)),
        "AssumeRole" => assume_role(state, call, input),
        other => Err(Refusal::unknown_operation(Some(Service::Sts), other)),
    }
}

fn identity(state: &State, call: &CallContext) -> Value {
    let key = call.caller.access_key.as_deref();
    if let Some(session) = state.sessions.iter().find(|session| Some(session.access_key.as_str()) == key) {
        return json!({
            "Account": session.account,
            "Arn": session_arn(state, session),
            "UserId": format!("AROASANDBOXROLE:{}", session.name),
        });
    }
    let account = state.stacks.first().map_or("000000000000", |stack| stack.account.as_str());
    let partition = partition_of(state, account);
    json!({"Account": account, "Arn": format!("arn:{partition}:iam::{account}:user/sandbox"), "UserId": "AIDASANDBOX"})
}

/// An account is in one partition.
fn partition_of(state: &State, account: &str) -> &'static str {
    let stack = state.stacks.iter().find(|stack| stack.account == account);
    stack.map_or("aws", |stack| Place { account: String::new(), region: stack.region.clone() }.partition())
}

fn session_arn(state: &State, session: &Session) -> String {
    let partition = partition_of(state, &session.account);
    format!("arn:{partition}:sts::{}:assumed-role/{}/{}", session.account, session.role, session.name)
}

fn assume_role(state: &mut State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    let arn = input.required("RoleArn")?;
    let name = input.required("RoleSessionName")?;
    let source_identity = input.text("SourceIdentity");
    for text in std::iter::once(name).chain(source_identity) {
        let fits = text.chars().all(|letter| letter.is_ascii_alphanumeric() || "_+=,.@-".contains(letter));
        if !fits || !(2..=64).contains(&text.len()) {
            return Err(input.wrong(format!("the value {text} must satisfy the pattern [\\w+=,.@-]{{2,64}}")));
        }
    }
    let seconds = input.number("DurationSeconds", 3_600, 900..=43_200)?;
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let (partition, account, role) = match parts.as_slice() {
        ["arn", partition, "iam", "", account, role] => {
            role.strip_prefix("role/").map(|role| (*partition, *account, role))
        }
        _ => None,
    }
    .ok_or_else(|| input.wrong(format!("{arn} is invalid")))?;
    let is_there =
        state.stacks.iter().any(|stack| stack.account == account) && partition == partition_of(state, account);
    if !is_there {
        return Err(Refusal::access_denied(Service::Sts, "AssumeRole"));
    }
    let tags = tags(input)?;
    if state.fault(SESSION_TAGS_REFUSED) && (source_identity.is_some() || !tags.is_empty()) {
        let action = if source_identity.is_some() { "SetSourceIdentity" } else { "TagSession" };
        return Err(Refusal::access_denied(Service::Sts, action));
    }
    if state.sessions.len() >= SESSIONS_MAX {
        state.sessions.remove(0);
    }
    // Keys are numbered, so that each session has its own, also after the oldest were forgotten.
    let number = state.sessions.last().and_then(|last| last.access_key.get(11..)?.parse::<u32>().ok()).unwrap_or(0) + 1;
    let session = Session {
        access_key: format!("ASIASANDBOX{number:09}"),
        account: account.to_owned(),
        role: role.rsplit('/').next().unwrap_or(role).to_owned(),
        name: name.to_owned(),
        source_identity: source_identity.map(str::to_owned),
        tags,
    };
    let mut answer = json!({
        "Credentials": {
            "AccessKeyId": session.access_key,
            "SecretAccessKey": "sandbox",
            "SessionToken": "sandbox",
            "Expiration": expiration(call.now, seconds),
        },
        "AssumedRoleUser": {"AssumedRoleId": format!("AROASANDBOXROLE:{name}"), "Arn": session_arn(state, &session)},
    });
    if let Some(source_identity) = source_identity {
        answer["SourceIdentity"] = json!(source_identity);
    }
    state.sessions.push(session);
    Ok(answer)
}

fn tags(input: Input) -> Result<Vec<(String, String)>, Refusal> {
    let fits = |text: &str, most: usize| {
        text.chars().count() <= most
            && text.chars().all(|letter| letter.is_alphanumeric() || " _.:/=+-@".contains(letter))
    };
    let mut tags = Vec::new();
    for tag in input.list("Tags") {
        let text = |name: &str| tag.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (key, value) = (text("Key"), text("Value"));
        if key.is_empty() || !fits(&key, 128) || !fits(&value, 256) || tags.len() == 50 {
            return Err(input.wrong("a tag does not satisfy its constraint"));
        }
        tags.push((key, value));
    }
    Ok(tags)
}

/// When credentials expire. The SDK compares that with the real time, whatever time it is in the world: credentials that
/// it takes for old it would fetch again before each call.
fn expiration(now: Timestamp, seconds: i64) -> String {
    let in_the_world = now + SignedDuration::from_secs(seconds);
    let expiration = in_the_world.max(Clock::system().now() + REAL_VALIDITY_MIN);
    expiration.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
