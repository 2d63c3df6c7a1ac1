//! How `sam` is called: arguments and variables. Pure.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};

use super::mask::is_secret_name;

/// What `sam deploy` is told beside its own configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// The table of `samconfig.toml`.
    pub config_env: &'a str,
    /// The stack that Alch looks after: never another, whatever `samconfig.toml` says.
    pub stack: &'a str,
    /// Its region.
    pub region: &'a str,
}

/// The arguments of `sam build`.
pub fn build(more: &[String]) -> Vec<String> {
    std::iter::once("build".to_owned()).chain(more.iter().cloned()).collect()
}

/// The arguments of `sam deploy`. It asks nobody, and takes it that nothing is to be changed.
pub fn deploy(target: &Target<'_>, more: &[String]) -> Vec<String> {
    let Target { config_env, stack, region } = target;
    let own = [
        "deploy",
        "--config-env",
        config_env,
        "--stack-name",
        stack,
        "--region",
        region,
        "--no-confirm-changeset",
        "--no-fail-on-empty-changeset",
        "--no-progressbar",
    ];
    own.into_iter().map(str::to_owned).chain(more.iter().cloned()).collect()
}

/// Options that an extra argument may not be, and why. They would ask somebody, act elsewhere or not act at all.
const REFUSED: [(&str, &str); 14] = [
    ("--guided", "it asks questions, and nobody answers"),
    ("-g", "it asks questions, and nobody answers"),
    ("--confirm-changeset", "it asks, and nobody answers"),
    ("--no-execute-changeset", "nothing would be deployed"),
    ("--profile", "the credentials are those that Alch itself uses"),
    ("--stack-name", "the stack is the environment's `stack`"),
    ("--region", "the region is the environment's `region`"),
    ("--config-env", "it is the key `config_env`"),
    ("--on-failure", "a stack that failed is left for people to look at"),
    ("--disable-rollback", "a deployment that fails is rolled back"),
    ("--debug", "it writes out what is secret"),
    ("--save-params", "it would change the checkout"),
    ("--watch", "it would never end"),
    ("--express", "it ends before the stack has settled"),
];

/// Why an extra argument of `sam` cannot be; none when it can.
pub fn refused(argument: &str) -> Option<&'static str> {
    let name = argument.split('=').next().unwrap_or(argument);
    REFUSED.iter().find(|(refused, _)| *refused == name).map(|(_, why)| *why)
}

/// The variables that a child finds as Alch does. Everything else, Alch's own secrets first of all, it does not.
const PASSED: [&str; 22] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "TZ",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "AWS_CA_BUNDLE",
    "AWS_ENDPOINT_URL",
    "DOCKER_HOST",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
];

/// Credentials of AWS for one call of a program.
#[derive(Clone, Debug)]
pub struct Keys {
    /// The access key's id.
    pub id: String,
    /// Its secret.
    pub secret: SecretString,
    /// The token of a temporary key.
    pub session: Option<SecretString>,
}

/// A child's variables, and those values of them and of Alch's own that its output must not show.
#[derive(Debug)]
pub struct Variables {
    /// What the child finds.
    pub passed: BTreeMap<String, SecretString>,
    /// What is hidden in its output.
    pub secret: Vec<SecretString>,
}

/// The variables of a child: of Alch's own those of a short list and those named in `also`; the region, the endpoint and
/// the keys that Alch itself uses; and no other way to credentials.
pub fn variables(
    own: &BTreeMap<String, String>,
    also: &[String],
    region: &str,
    endpoint: Option<&str>,
    keys: Option<&Keys>,
) -> Variables {
    let is_passed = |name: &str| PASSED.contains(&name) || also.iter().any(|also| also == name);
    let mut passed: BTreeMap<String, SecretString> = own
        .iter()
        .filter(|(name, _)| is_passed(name))
        .map(|(name, value)| (name.clone(), SecretString::from(value.clone())))
        .collect();
    let mut set = |name: &str, value: &str| passed.insert(name.to_owned(), SecretString::from(value.to_owned()));
    for (name, value) in [
        ("SAM_CLI_TELEMETRY", "0"),
        ("PYTHONUNBUFFERED", "1"),
        ("NO_COLOR", "1"),
        ("AWS_PAGER", ""),
        ("AWS_REGION", region),
        ("AWS_DEFAULT_REGION", region),
        // Without files, a profile that somebody names is an error, and not somebody else's credentials.
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ] {
        set(name, value);
    }
    if let Some(endpoint) = endpoint {
        set("AWS_ENDPOINT_URL", endpoint);
    }
    if let Some(Keys { id, secret, session }) = keys {
        set("AWS_ACCESS_KEY_ID", id);
        set("AWS_SECRET_ACCESS_KEY", secret.expose_secret());
        if let Some(session) = session {
            set("AWS_SESSION_TOKEN", session.expose_secret());
        }
    }
    let of_own = own.iter().map(|(name, value)| (name, SecretString::from(value.clone())));
    let of_child = passed.iter().map(|(name, value)| (name, value.clone()));
    let secret = of_own.chain(of_child).filter(|(name, _)| is_secret_name(name)).map(|(_, value)| value).collect();
    Variables { passed, secret }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sam_is_told_which_stack_and_to_ask_nobody() {
        let target = Target { config_env: "dev", stack: "alchemiser-trading-dev", region: "us-east-1" };
        assert_eq!(
            deploy(&target, &["--s3-prefix=alch".to_owned()]).join(" "),
            "deploy --config-env dev --stack-name alchemiser-trading-dev --region us-east-1 --no-confirm-changeset \
             --no-fail-on-empty-changeset --no-progressbar --s3-prefix=alch"
        );
        assert_eq!(build(&["--cached".to_owned()]), ["build", "--cached"]);
    }

    #[test]
    fn arguments_that_would_ask_or_act_elsewhere_are_refused() {
        for argument in ["--guided", "-g", "--profile", "--profile=x", "--no-execute-changeset", "--stack-name=other"] {
            assert!(refused(argument).is_some(), "{argument}");
        }
        for argument in ["--cached", "--s3-prefix=alch", "--use-container", "dev"] {
            assert_eq!(refused(argument), None, "{argument}");
        }
    }

    #[test]
    fn a_child_finds_what_it_needs_and_none_of_alchs_secrets() {
        let own: BTreeMap<String, String> = [
            ("PATH", "/bin"),
            ("SLACK_BOT_TOKEN", "xoxb-1-2"),
            ("DATABASE_URL", "postgres://ada:hunter2@db/alch"),
            ("AWS_PROFILE", "admin"),
            ("AWS_SECRET_ACCESS_KEY", "of the machine"),
            ("PIP_INDEX_URL", "https://pypi.example.com"),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
        let keys = Keys {
            id: "ASIA1".to_owned(),
            secret: "of the role".to_owned().into(),
            session: Some("its token".to_owned().into()),
        };
        let found = variables(&own, &["PIP_INDEX_URL".to_owned()], "eu-west-1", None, Some(&keys));
        let get = |name: &str| found.passed.get(name).map(|value| value.expose_secret());
        assert_eq!(get("PATH"), Some("/bin"));
        assert_eq!(get("PIP_INDEX_URL"), Some("https://pypi.example.com"));
        assert_eq!(get("AWS_REGION"), Some("eu-west-1"));
        assert_eq!(get("AWS_SECRET_ACCESS_KEY"), Some("of the role"));
        assert_eq!(get("AWS_SESSION_TOKEN"), Some("its token"));
        for name in ["SLACK_BOT_TOKEN", "DATABASE_URL", "AWS_PROFILE", "AWS_ENDPOINT_URL"] {
            assert_eq!(get(name), None, "{name}");
        }
        let secret: Vec<&str> = found.secret.iter().map(|value| value.expose_secret()).collect();
        for value in ["xoxb-1-2", "of the machine", "of the role", "its token", "postgres://ada:hunter2@db/alch"] {
            assert!(secret.contains(&value), "{value}");
        }
        assert!(!secret.contains(&"/bin"));
        assert!(!format!("{found:?}").contains("hunter2"));
    }
}
