//! What makes the settings of the smoke test sound: a proof that can be given, and a payload that is one.

use jiff::SignedDuration;

use super::problem::{Findings, KeyPath};
use crate::domain::Smoke;

/// The longest time that it is looked for evidence.
const MAX_WAIT: SignedDuration = SignedDuration::from_hours(24);

/// Notes what is wrong with them.
pub(super) fn check(smoke: &Smoke, at: &KeyPath, findings: &mut Findings) {
    let name = &smoke.proof_variable;
    findings.require(
        name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'),
        at.key("proof_variable"),
        "this is not the name of a variable of a Lambda function",
        "Write it as the function has it, such as ALPACA__ENDPOINT.",
    );
    findings.require(
        !smoke.expected.is_empty() && smoke.expected.iter().all(|value| !value.trim().is_empty()),
        at.key("expected"),
        "no value would prove paper mode",
        "Name each value that the variable has in paper mode, to the letter.",
    );
    findings.require(
        smoke.qualifier.as_ref().is_none_or(|qualifier| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            qualifier == "$LATEST"
                || (!qualifier.is_empty() && qualifier.len() <= 128 && qualifier.bytes().all(is_plain))
        }),
        at.key("qualifier"),
        "this is neither a version nor an alias of a Lambda function",
        "Write it as Lambda shows it, such as live or 7; or leave it out for $LATEST.",
    );
    let object = serde_json::from_str::<serde_json::Value>(&smoke.payload).is_ok_and(|payload| payload.is_object());
    findings.require(
        object,
        at.key("payload"),
        "this is no JSON object",
        r#"Write it like '{"mode": "trade", "trading_mode": "paper"}'."#,
    );
    findings.require(
        smoke.wait.is_positive() && smoke.wait <= MAX_WAIT,
        at.key("wait"),
        "this is no time to look for evidence",
        "Write a time like 10m; a day is the most.",
    );
}
