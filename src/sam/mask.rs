//! What in a line looks like a secret, or is one that is known, and is written as `[masked]` instead. Pure.
//!
//! It would rather hide too much than too little: what is hidden here is read on the machine itself.

use std::sync::LazyLock;

use regex_lite::Regex;
use secrecy::{ExposeSecret, SecretString};

/// What stands for a secret.
pub const MASKED: &str = "[masked]";

/// Known values shorter than this are not looked for: they would hide half of every line.
const MIN_KNOWN_BYTES: usize = 6;
/// Of those whose name says that they are secret, shorter ones are looked for as whole words, down to this length.
const MIN_WORD_BYTES: usize = 3;
/// What a variable with such a name may say without being a secret.
const NO_SECRETS: [&str; 8] = ["true", "false", "null", "none", "yes", "off", "auto", "http"];

/// Words that say of a name that its value is a secret.
const NAMES: &str = "passw(?:or)?d|passphrase|secret|token|credential|authorization|signature|\
                     (?:api|access|account|auth|encryption|license|private|secret|shared|signing)[_-]?key";

/// What a secret looks like.
struct Pattern {
    /// A line without any of these, in lower case, has none of it: looking for words is a hundred times cheaper.
    words: &'static [&'static str],
    looks: Regex,
    /// What is written for it.
    instead: &'static str,
}

static PATTERNS: LazyLock<Vec<Pattern>> = LazyLock::new(|| {
    let value = r#"(?:\\?"(?:[^"\\]|\\[^"])*\\?"?|'[^']*'?|[^\s,;&}\])]+)"#;
    let names: &[&str] = &["pass", "secret", "token", "credential", "authorization", "signature", "key"];
    let patterns: [(&[&str], String, &str); 8] = [
        // AWS access key ids.
        (&["akia", "asia", "abia", "acca"], r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{12,}".to_owned(), MASKED),
        // Slack's tokens.
        (&["xox", "xapp", "xwfp"], r"\bx(?:ox[a-z]|app|wfp|oxe\.xox[a-z])-[A-Za-z0-9-]{6,}".to_owned(), MASKED),
        // Tokens of GitHub and GitLab.
        (&["gh", "glpat"], r"\b(?:gh[a-z]_|github_pat_|glpat-)[A-Za-z0-9_-]{16,}".to_owned(), MASKED),
        // JSON web tokens.
        (&["eyj"], r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*".to_owned(), MASKED),
        // A password in a URL.
        (&["://"], r"(://[^/\s:@]*:)[^/\s@]+@".to_owned(), "$1[masked]@"),
        (&["bearer", "basic"], r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}".to_owned(), "$1 [masked]"),
        // A parameter of CloudFormation whose name says it.
        (
            &["parameterkey"],
            format!(
                r#"(?i)(ParameterKey"?\s*[=:]\s*"?[\w-]*(?:{NAMES})[\w-]*"?\s*,\s*"?ParameterValue"?\s*[=:]\s*){value}"#
            ),
            "$1[masked]",
        ),
        // password=…, "token": "…".
        (names, format!(r#"(?i)([\w.-]*(?:{NAMES})[\w.-]*(?:\\?["'])?\s*[=:]\s*){value}"#), "$1[masked]"),
    ];
    let patterns = patterns.into_iter();
    patterns
        .filter_map(|(words, looks, instead)| Some(Pattern { words, looks: Regex::new(&looks).ok()?, instead }))
        .collect()
});

/// Names of variables whose value is a secret.
static SECRET_NAME: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(&format!("(?i)(?:{NAMES}|database_url|_pat$|_pass$|_key$|^key$)")).ok());

/// Whether the value of a variable of this name is to be kept secret.
pub fn is_secret_name(name: &str) -> bool {
    SECRET_NAME.as_ref().is_none_or(|known| known.is_match(name))
}

/// Hides what is known to be secret, and what looks so.
#[derive(Clone, Debug, Default)]
pub struct Mask {
    /// The longest first: one may be part of another.
    known: Vec<SecretString>,
    /// Short ones, which are hidden where they stand as a word.
    words: Vec<SecretString>,
    /// Whether lines of a private key are passing by.
    in_key: bool,
}

impl Mask {
    /// With these values, wherever they stand.
    pub fn of(values: impl IntoIterator<Item = SecretString>) -> Self {
        let trimmed = values.into_iter().map(|value| SecretString::from(value.expose_secret().trim()));
        let mut known: Vec<_> = trimmed.filter(|value| value.expose_secret().len() >= MIN_KNOWN_BYTES).collect();
        known.sort_by_key(|value| std::cmp::Reverse(value.expose_secret().len()));
        Self { known, words: Vec::new(), in_key: false }
    }

    /// And with those of these values that are too short to be looked for everywhere: where they stand as a whole word. Of
    /// one or two characters none is hidden, nor what nobody keeps secret, such as `true`.
    pub fn with_words(mut self, values: impl IntoIterator<Item = SecretString>) -> Self {
        let trimmed = values.into_iter().map(|value| SecretString::from(value.expose_secret().trim()));
        self.words = trimmed
            .filter(|value| (MIN_WORD_BYTES..MIN_KNOWN_BYTES).contains(&value.expose_secret().len()))
            .filter(|value| !NO_SECRETS.contains(&value.expose_secret().to_lowercase().as_str()))
            .collect();
        self
    }

    /// How long the longest known value is, in bytes.
    pub fn longest_bytes(&self) -> usize {
        self.known.first().map_or(0, |value| value.expose_secret().len())
    }

    /// The line without secrets. Lines come in order: those between the first and the last of a private key are hidden.
    pub fn line(&mut self, line: &str) -> String {
        let begins = line.contains("-----BEGIN ") && line.contains("PRIVATE KEY");
        let ends = line.contains("-----END ");
        if begins || self.in_key {
            self.in_key = !ends;
            return MASKED.to_owned();
        }
        let mut masked = line.to_owned();
        for value in &self.known {
            if masked.contains(value.expose_secret()) {
                masked = masked.replace(value.expose_secret(), MASKED);
            }
        }
        for word in &self.words {
            masked = without_word(&masked, word.expose_secret());
        }
        let lower = masked.to_lowercase();
        for Pattern { words, looks, instead } in PATTERNS.iter() {
            if words.iter().any(|word| lower.contains(word)) {
                masked = looks.replace_all(&masked, *instead).into_owned();
            }
        }
        without_keys(&masked)
    }
}

/// The line without a word, where no letter, digit or underscore is beside it.
fn without_word(line: &str, word: &str) -> String {
    let is_of_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(start) = rest.find(word) {
        let (before, from) = rest.split_at(start);
        let after = &from[word.len()..];
        let before_it = before.chars().next_back().or_else(|| shown.chars().next_back());
        let alone = !before_it.is_some_and(is_of_word) && !after.chars().next().is_some_and(is_of_word);
        shown.push_str(before);
        shown.push_str(if alone { MASKED } else { word });
        rest = after;
    }
    shown + rest
}

/// The longest run of letters and digits that is shown: session tokens have no names that would tell.
const MAX_RUN_BYTES: usize = 200;

/// Without what AWS's secret keys and session tokens look like: 40 characters of all kinds, which a commit's id and most
/// paths do not have, or very many.
fn without_keys(line: &str) -> String {
    let of_key = |c: char| c.is_ascii_alphanumeric() || c == '+' || c == '/';
    let of_token = |c: char| of_key(c) || "=_-".contains(c);
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(start) = rest.find(of_token) {
        let (before, from) = rest.split_at(start);
        let (token, after) = from.split_at(from.find(|c| !of_token(c)).unwrap_or(from.len()));
        shown.push_str(before);
        if token.len() >= MAX_RUN_BYTES {
            shown.push_str(MASKED);
        } else {
            for part in token.split_inclusive(|c| !of_key(c)) {
                let (run, end) = part.split_at(part.find(|c| !of_key(c)).unwrap_or(part.len()));
                shown.push_str(if is_secret_key(run) { MASKED } else { run });
                shown.push_str(end);
            }
        }
        rest = after;
    }
    shown + rest
}

fn is_secret_key(run: &str) -> bool {
    let has = |kind: fn(&char) -> bool| run.chars().any(|c| kind(&c));
    run.len() == 40 && has(char::is_ascii_uppercase) && has(char::is_ascii_lowercase) && has(char::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn masked(line: &str) -> String {
        Mask::default().line(line)
    }

    #[test]
    fn every_pattern_is_one() {
        assert_eq!(PATTERNS.len(), 8);
        assert!(SECRET_NAME.is_some());
    }

    #[test]
    fn what_looks_like_a_secret_is_hidden() {
        let secret_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        let session = "IQoJb3JpZ2luX2VjE".repeat(20);
        for (line, expected) in [
            ("key AKIAIOSFODNN7EXAMPLE used", "key [masked] used"),
            ("(ASIAIOSFODNN7EXAMPLE)", "([masked])"),
            (&format!("with {secret_key}."), "with [masked]."),
            (&format!("aws_secret_access_key = {secret_key}"), "aws_secret_access_key = [masked]"),
            (&format!("session {session}"), "session [masked]"),
            ("slack xoxb-1234567890-abcdef and xapp-1-A0-123-abc", "slack [masked] and [masked]"),
            ("password=hunter2 user=ada", "password=[masked] user=ada"),
            ("DB_PASSWORD: 'two words' host: x", "DB_PASSWORD: [masked] host: x"),
            (
                r#"{"Stage": "dev", "ApiToken": "a b c", "Size": 3}"#,
                r#"{"Stage": "dev", "ApiToken": [masked], "Size": 3}"#,
            ),
            (r#"{\"token\": \"abc\"}"#, r#"{\"token\": [masked]}"#),
            (
                "--parameter-overrides AlpacaSecretKey=abc Stage=dev",
                "--parameter-overrides AlpacaSecretKey=[masked] Stage=dev",
            ),
            (
                "ParameterKey=BrokerToken,ParameterValue=abc ParameterKey=Stage,ParameterValue=dev",
                "ParameterKey=BrokerToken,ParameterValue=[masked] ParameterKey=Stage,ParameterValue=dev",
            ),
            ("Authorization: Bearer abcdefgh12345", "Authorization: [masked] [masked]"),
            ("curl -H 'Bearer abcdefgh12345'", "curl -H 'Bearer [masked]'"),
            ("https://ada:hunter2@pypi.example.com/simple", "https://ada:[masked]@pypi.example.com/simple"),
            (
                "https://b.s3.amazonaws.com/k?X-Amz-Signature=0a1b&X-Amz-Date=1",
                "https://b.s3.amazonaws.com/k?X-Amz-Signature=[masked]&X-Amz-Date=1",
            ),
            ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_1", "jwt [masked]"),
            ("ghp_abcdefghijklmnopqrst123456", "[masked]"),
        ] {
            assert_eq!(masked(line), expected, "{line}");
        }
    }

    #[test]
    fn what_is_no_secret_is_left_alone() {
        for line in [
            "Stack name                   : the-alchemiser-v2-dev",
            "UPDATE_COMPLETE     AWS::Lambda::Function    TradingSystemFunction    -",
            "commit 3f786850e387550fdab836ed7e6dc881de23001b",
            "Uploading to the-alchemiser/0a1b2c3d4e5f60718293a4b5c6d7e8f9.template  1234 / 1234  (100.00%)",
            "arn:aws:lambda:us-east-1:111122223333:function:the-alchemiser-v2-lambda-dev",
            "Running PythonPipBuilder:ResolveDependencies",
            "Key                 TradingSystemFunctionArn",
        ] {
            assert_eq!(masked(line), line);
        }
    }

    #[test]
    fn a_private_key_is_hidden_from_its_first_line_to_its_last() {
        let mut mask = Mask::default();
        let lines = ["-----BEGIN RSA PRIVATE KEY-----", "MIIEow", "-----END RSA PRIVATE KEY-----", "after"];
        assert_eq!(lines.map(|line| mask.line(line)), [MASKED, MASKED, MASKED, "after"]);
    }

    #[test]
    fn names_that_say_it_are_known() {
        for name in
            ["SLACK_BOT_TOKEN", "AWS_SECRET_ACCESS_KEY", "DATABASE_URL", "STEP_UP_KEY", "db_password", "NPM_PAT"]
        {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["PATH", "HOME", "AWS_REGION", "LANG", "KEYBOARD"] {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_known_value_is_never_in_a_masked_line(
            value in "[ -~]{6,40}",
            before in "[ -~]{0,60}",
            after in "[ -~]{0,60}",
        ) {
            let value = value.trim().to_owned();
            // A value that is part of what stands for one cannot be told from it.
            prop_assume!(value.len() >= MIN_KNOWN_BYTES && !MASKED.contains(&value));
            let mut mask = Mask::of([SecretString::from(value.clone())]);
            let masked = mask.line(&format!("{before}{value}{after}"));
            prop_assert!(!masked.contains(&value), "{}", masked);
        }

        #[test]
        fn no_line_breaks_it(line in "\\PC*") {
            Mask::default().line(&line);
        }
    }
}
