//! Whether a request is Slack's: signature and time over the raw bytes, before anything of them is read.

use axum::http::HeaderMap;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// How far a request's time may lie from ours, either way, seconds.
const MAX_SKEW_SECONDS: u64 = 300;

/// Says that what it holds came from Slack: its signature was checked here, or it arrived on a socket that we opened
/// with the app's own token. Nothing else makes one.
#[derive(Clone, Debug)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    /// To be called only with what a Socket Mode connection delivered: its URL was given to us for our app token.
    pub(super) fn by_socket(received: T) -> Self {
        Self(received)
    }

    /// The same request, read into something else.
    pub fn map<U>(self, read: impl FnOnce(T) -> U) -> Verified<U> {
        Verified(read(self.0))
    }

    /// What was verified.
    pub fn get(&self) -> &T {
        &self.0
    }

    /// What was verified, without the proof.
    pub fn into_inner(self) -> T {
        self.0
    }
}

/// A request's body, and the signature that it was verified by.
#[derive(Clone, Debug)]
pub struct SignedBody {
    /// The raw bytes.
    pub body: Bytes,
    /// The signature in lower-case hexadecimal.
    pub signature: String,
}

/// Why a request is not taken for Slack's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// A header is not there.
    #[error("the signature or its time is missing")]
    Missing,
    /// The headers are not what Slack sends.
    #[error("the signature or its time cannot be read")]
    Malformed,
    /// Signed more than five minutes ago, or ahead.
    #[error("the request's time is more than five minutes away from ours")]
    Stale,
    /// Signed with another secret, or changed on the way.
    #[error("the signature is wrong")]
    Wrong,
}

impl Rejection {
    /// The name in counters.
    pub fn outcome(self) -> &'static str {
        match self {
            Self::Missing => "missing_signature",
            Self::Malformed => "malformed_signature",
            Self::Stale => "stale",
            Self::Wrong => "wrong_signature",
        }
    }
}

/// The signing secrets in force: one, or two while it is being rotated.
#[derive(Clone, Debug)]
pub struct SigningSecrets(Vec<SecretString>);

impl SigningSecrets {
    /// Those that are not empty. An empty secret would let anybody sign.
    pub fn new(secrets: impl IntoIterator<Item = SecretString>) -> Self {
        Self(secrets.into_iter().filter(|secret| !secret.expose_secret().is_empty()).collect())
    }

    /// Checks a request's signature and time.
    pub fn verify(&self, headers: &HeaderMap, body: Bytes, now: Timestamp) -> Result<Verified<SignedBody>, Rejection> {
        let header = |name: &str| {
            let mut values = headers.get_all(name).iter();
            match (values.next(), values.next()) {
                (None, _) => Err(Rejection::Missing),
                (Some(value), None) => value.to_str().map_err(|_| Rejection::Malformed),
                // Slack sends one. Of two, whoever stands before us may have looked at the other.
                (Some(_), Some(_)) => Err(Rejection::Malformed),
            }
        };
        let (signature, time) = (header("x-slack-signature")?, header("x-slack-request-timestamp")?);
        let seconds: i64 = time.parse().map_err(|_| Rejection::Malformed)?;
        let given = signature.strip_prefix("v0=").and_then(|digits| hex::decode(digits).ok());
        let given = given.ok_or(Rejection::Malformed)?;
        if seconds.abs_diff(now.as_second()) > MAX_SKEW_SECONDS {
            return Err(Rejection::Stale);
        }
        let signed = self.0.iter().any(|secret| {
            let mut mac = keyed(secret);
            for part in [b"v0:", time.as_bytes(), b":", &body] {
                mac.update(part);
            }
            // Compares in constant time.
            mac.verify_slice(&given).is_ok()
        });
        match signed {
            true => Ok(Verified(SignedBody { body, signature: hex::encode(given) })),
            false => Err(Rejection::Wrong),
        }
    }
}

fn keyed(secret: &SecretString) -> Hmac<Sha256> {
    match Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) {
        Ok(mac) => mac,
        Err(_) => unreachable!("HMAC takes keys of any length"),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use axum::http::HeaderValue;

    use super::*;

    /// The headers that Slack would send with `body` at `seconds`.
    pub(in crate::slack) fn signed(secret: &str, seconds: i64, body: &[u8]) -> HeaderMap {
        let mut mac = keyed(&SecretString::from(secret));
        mac.update(format!("v0:{seconds}:").as_bytes());
        mac.update(body);
        let signature = format!("v0={}", hex::encode(mac.finalize().into_bytes()));
        HeaderMap::from_iter([
            ("x-slack-signature".parse().unwrap(), signature.parse().unwrap()),
            ("x-slack-request-timestamp".parse().unwrap(), HeaderValue::from(seconds)),
        ])
    }

    const NOW: i64 = 1_790_000_000;

    fn check(headers: &HeaderMap, body: &'static [u8]) -> Result<String, Rejection> {
        let secrets = SigningSecrets::new(["".into(), "new".into(), "old".into()]);
        let now = Timestamp::from_second(NOW).unwrap();
        secrets.verify(headers, Bytes::from_static(body), now).map(|verified| verified.into_inner().signature)
    }

    #[test]
    fn only_a_fresh_request_signed_with_a_secret_in_force_is_verified() {
        let changed = |change: &dyn Fn(&mut HeaderMap)| {
            let mut headers = signed("new", NOW, b"text=hi");
            change(&mut headers);
            headers
        };
        let cases: Vec<(&str, HeaderMap, Option<Rejection>)> = vec![
            ("good", signed("new", NOW, b"text=hi"), None),
            ("the secret before", signed("old", NOW, b"text=hi"), None),
            ("just in time", signed("new", NOW - 300, b"text=hi"), None),
            ("just not ahead", signed("new", NOW + 300, b"text=hi"), None),
            ("old", signed("new", NOW - 301, b"text=hi"), Some(Rejection::Stale)),
            ("ahead", signed("new", NOW + 301, b"text=hi"), Some(Rejection::Stale)),
            ("far", signed("new", i64::MIN, b"text=hi"), Some(Rejection::Stale)),
            ("another secret", signed("other", NOW, b"text=hi"), Some(Rejection::Wrong)),
            ("the empty secret", signed("", NOW, b"text=hi"), Some(Rejection::Wrong)),
            ("another body", signed("new", NOW, b"text=ho"), Some(Rejection::Wrong)),
            ("nothing", HeaderMap::new(), Some(Rejection::Missing)),
            ("no time", changed(&|h| drop(h.remove("x-slack-request-timestamp"))), Some(Rejection::Missing)),
            ("no signature", changed(&|h| drop(h.remove("x-slack-signature"))), Some(Rejection::Missing)),
            (
                "another time",
                changed(&|h| drop(h.insert("x-slack-request-timestamp", HeaderValue::from(NOW - 1)))),
                Some(Rejection::Wrong),
            ),
            (
                "no number",
                changed(&|h| drop(h.insert("x-slack-request-timestamp", HeaderValue::from_static("soon")))),
                Some(Rejection::Malformed),
            ),
            (
                "cut short",
                changed(&|h| drop(h.insert("x-slack-signature", HeaderValue::from_static("v0=abcd")))),
                Some(Rejection::Wrong),
            ),
            (
                "two signatures",
                changed(&|h| assert!(h.append("x-slack-signature", HeaderValue::from_static("v0=abcd")))),
                Some(Rejection::Malformed),
            ),
            (
                "two times",
                changed(&|h| assert!(h.append("x-slack-request-timestamp", HeaderValue::from(NOW)))),
                Some(Rejection::Malformed),
            ),
            (
                "no version",
                changed(&|h| drop(h.insert("x-slack-signature", HeaderValue::from_static("abcd")))),
                Some(Rejection::Malformed),
            ),
        ];
        for (what, headers, expected) in cases {
            assert_eq!(check(&headers, b"text=hi").err(), expected, "{what}");
        }
    }

    #[test]
    fn two_spellings_of_a_signature_are_one() {
        let headers = signed("new", NOW, b"text=hi");
        let mut shouted = headers.clone();
        let upper = headers["x-slack-signature"].to_str().unwrap()[3..].to_uppercase();
        shouted.insert("x-slack-signature", format!("v0={upper}").parse().unwrap());
        assert_eq!(check(&headers, b"text=hi").unwrap(), check(&shouted, b"text=hi").unwrap());
    }

    #[test]
    fn a_body_that_is_no_text_is_verified_too() {
        assert!(check(&signed("new", NOW, b"text=\xff\xfe"), b"text=\xff\xfe").is_ok());
    }
}
