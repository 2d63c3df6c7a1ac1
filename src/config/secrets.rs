//! The secrets: read from variables or from files that variables name, never from the settings, never shown.

use secrecy::SecretString;

use super::problem::{ConfigError, ConfigErrors, KeyPath, Origin, Segment};
use super::store;
use super::tree::{Node, Value};
use super::{Config, Variables};
use crate::domain::StepUp;
use crate::sam::{MASKED, Mask};

/// What Alch must not show to anybody. `Debug` hides it.
#[derive(Clone, Debug)]
pub struct Secrets {
    /// `SLACK_SIGNING_SECRET`: shows that a request comes from Slack.
    pub slack_signing_secret: Option<SecretString>,
    /// `SLACK_BOT_TOKEN`, `xoxb-…`: for the Web API.
    pub slack_bot_token: Option<SecretString>,
    /// `SLACK_APP_TOKEN`, `xapp-…`: for Socket Mode.
    pub slack_app_token: Option<SecretString>,
    /// The database to connect to: `DATABASE_URL`, or `store.url` of the settings.
    pub database_url: SecretString,
    /// `STEP_UP_KEY`: what people's second factors are kept under. Needed where approvals ask for one.
    pub step_up_key: Option<SecretString>,
    /// `AUDIT_KEY`: what stands for removed journals is signed with it. Several, separated by commas, while it is changed: the
    /// newest first. Needed where `store.retention_days` is set.
    pub audit_key: Option<SecretString>,
}

/// The shortest key that keeps second factors, or signs.
const MIN_KEY_CHARS: usize = 32;

impl Secrets {
    /// Reads them. A secret stands in the variable itself, or in the file that `<NAME>_FILE` names.
    pub(super) fn from_variables(
        variables: &Variables,
        config: Option<&Config>,
        errors: &mut Vec<ConfigError>,
    ) -> Option<Self> {
        let mut read = |name: &str, known: fn(&str) -> bool, looks: &str| {
            let secret = one(variables, name, errors)?;
            if !known(&secret) {
                errors.push(variable_error(name, "the value does not look right", looks));
            }
            Some(SecretString::from(secret))
        };
        let slack_signing_secret =
            read("SLACK_SIGNING_SECRET", |text| !text.contains(char::is_whitespace), "Copy it again.");
        let slack_bot_token = read("SLACK_BOT_TOKEN", |text| text.starts_with("xox"), "A bot token begins with xoxb-.");
        let slack_app_token =
            read("SLACK_APP_TOKEN", |text| text.starts_with("xapp-"), "An app token begins with xapp-.");
        let database_url = read("DATABASE_URL", store::is_database_url, store::MEND)
            .or_else(|| config.map(|config| SecretString::from(config.store.url.clone())))?;
        let step_up_key = read(
            "STEP_UP_KEY",
            |text| text.trim().chars().count() >= MIN_KEY_CHARS,
            "It has 32 characters at least; `openssl rand -base64 48` makes one.",
        );
        let audit_key = read(
            "AUDIT_KEY",
            |text| text.split(',').all(|key| key.trim().chars().count() >= MIN_KEY_CHARS),
            "It has 32 characters at least, and so has each of several that are separated by commas; `openssl rand -hex 32` \
             makes one.",
        );
        if let Some(name) = config.and_then(steps_up).filter(|_| step_up_key.is_none()) {
            let problem = format!("it is not set, and environments.{name}.approvals.step_up is \"totp\"");
            let mend = "Set 32 random characters at least, and keep them: without them every second factor is lost.";
            errors.push(variable_error("STEP_UP_KEY", &problem, mend));
        }
        if config.is_some_and(|config| config.store.retention_days.is_some()) && audit_key.is_none() {
            let problem = "it is not set, and store.retention_days is";
            let mend = "Set 32 random characters at least, and keep them: without them nobody can tell later whether journals \
                        were removed by Alch.";
            errors.push(variable_error("AUDIT_KEY", problem, mend));
        }
        Some(Self { slack_signing_secret, slack_bot_token, slack_app_token, database_url, step_up_key, audit_key })
    }
}

/// An environment whose approvers show a second factor.
fn steps_up(config: &Config) -> Option<&str> {
    let mut environments = config.environments.values();
    environments.find(|environment| environment.approvals.step_up == StepUp::Totp).map(|found| found.name.as_str())
}

fn one(variables: &Variables, name: &str, errors: &mut Vec<ConfigError>) -> Option<String> {
    // An empty variable is how many tools say "not set".
    let given = |name: &str| variables.get(name).filter(|text| !text.trim().is_empty());
    let file_name = format!("{name}_FILE");
    let text = match (given(name), given(&file_name)) {
        (Some(_), Some(_)) => {
            errors.push(variable_error(name, &format!("{file_name} is set as well"), "Set one of the two."));
            return None;
        }
        (Some(text), None) => text.clone(),
        (None, Some(path)) => match std::fs::read_to_string(path.trim()) {
            Ok(text) => text,
            Err(error) => {
                let problem = format!("the file that it names cannot be read: {error}");
                errors.push(variable_error(&file_name, &problem, "Name a file that holds only the secret."));
                return None;
            }
        },
        (None, None) => return None,
    };
    let text = text.trim_end_matches(['\r', '\n']).to_owned();
    if text.trim().is_empty() {
        errors.push(variable_error(&file_name, "the file that it names is empty", "Put the secret into it."));
        return None;
    }
    Some(text)
}

fn variable_error(name: &str, problem: &str, mend: &str) -> ConfigError {
    ConfigError {
        origin: Origin::Variable(name.to_owned()),
        key: KeyPath::default(),
        problem: problem.to_owned(),
        mend: mend.to_owned(),
    }
}

/// Takes secrets out of the settings and says where each belongs, by the key's name or by the looks of the value.
pub(super) fn refuse_in(root: &mut Node, errors: &mut Vec<ConfigError>) {
    let mut found: Vec<(KeyPath, &'static str)> = Vec::new();
    root.each_text(&KeyPath::default(), &mut |path, text| {
        if let Some(home) = by_name(path).or_else(|| by_looks(text)) {
            found.push((path.clone(), home));
        }
    });
    for (path, home) in found {
        errors.push(ConfigError {
            origin: root.origin(&path),
            key: path.clone(),
            problem: "this is a secret, and settings are no place for one".to_owned(),
            mend: format!("Remove it here, revoke it if others can read the file, and set {home} or {home}_FILE."),
        });
        if !root.put(&path.0, None) {
            // In a list nothing can be removed without moving the rest.
            root.put(&path.0, Some(Value::Text(String::new())));
        }
    }
}

/// The errors, as they may be told: a key or a value that they quote may have a secret in it that stands where none is
/// expected, and so was not taken out of the settings.
pub(super) fn hidden_in(mut errors: Vec<ConfigError>) -> ConfigErrors {
    for error in &mut errors {
        error.problem = hidden(&error.problem);
        for segment in &mut error.key.0 {
            if let Segment::Key(key) = segment {
                *key = hidden(key);
            }
        }
    }
    ConfigErrors(errors)
}

fn hidden(text: &str) -> String {
    by_looks(text).map_or_else(|| Mask::default().line(text), |_| MASKED.to_owned())
}

fn by_name(path: &KeyPath) -> Option<&'static str> {
    let Some(Segment::Key(key)) = path.0.last() else { return None };
    let key = key.to_lowercase().replace('-', "_");
    match key.trim_start_matches("slack_") {
        "signing_secret" | "secret" => Some("SLACK_SIGNING_SECRET"),
        "bot_token" | "token" => Some("SLACK_BOT_TOKEN"),
        "app_token" => Some("SLACK_APP_TOKEN"),
        "database_url" | "password" => Some("DATABASE_URL"),
        "step_up_key" => Some("STEP_UP_KEY"),
        "audit_key" => Some("AUDIT_KEY"),
        _ => None,
    }
}

fn by_looks(text: &str) -> Option<&'static str> {
    let text = text.trim();
    if text.starts_with("xapp-") {
        Some("SLACK_APP_TOKEN")
    } else if text.starts_with("xox") && text.contains('-') {
        Some("SLACK_BOT_TOKEN")
    } else if text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Some("SLACK_SIGNING_SECRET")
    } else if has_password(text) {
        Some("DATABASE_URL")
    } else {
        None
    }
}

fn has_password(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    let in_host = host.split_once('@').is_some_and(|(user, _)| user.contains(':'));
    scheme.starts_with("postgres") && (in_host || rest.contains("password="))
}
