//! What is deployed: how a version's code and template follow from its label, and bringing another one to a stack.

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::state::State;

/// Each six bits as a letter, as base64 has them.
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The version that the panel's switch deploys in place of the first one.
pub const OTHER_VERSION: &str = "2026.11.21";

/// The CodeSha256 of a version's code.
pub fn code_of(label: &str) -> String {
    base64(&Sha256::digest(format!("the code of {label}")))
}

/// A version's template. It has what XML has to escape.
pub fn template_of(label: &str) -> String {
    format!(
        "AWSTemplateFormatVersion: \"2010-09-09\"\n\
         Description: Trading events & what becomes of them, version <{label}>\n\
         Parameters:\n  Stage:\n    Type: String\n\
         Resources:\n  Bus:\n    Type: AWS::Events::EventBus\n    Properties:\n      Name: !Sub \"events-${{Stage}}\"\n"
    )
}

impl State {
    /// Brings a version to an environment; says whether there is such a one.
    pub fn deploy(&mut self, environment: &str, label: &str, now: Timestamp) -> bool {
        for function in self.functions.iter_mut().filter(|function| function.environment == environment) {
            function.code = code_of(label);
            function.modified = now;
            function.revision += 1;
        }
        let mut stacks = self.formations.iter_mut();
        let Some(stack) = stacks.find(|stack| stack.environment == environment) else { return false };
        stack.template = template_of(label);
        stack.label = Some(label.to_owned());
        stack.updated = now;
        true
    }
}

pub fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().chain(&[0; 2]).take(3).fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place) & 63) as usize];
            // A byte more makes a letter more; what is left over is filled up.
            text.push(if place <= group.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_base64() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(code_of("1").len(), 44);
    }
}
