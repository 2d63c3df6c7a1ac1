//! The second factor of approvers: time-based one-time codes (RFC 6238), so that a stolen Slack session alone cannot
//! approve. Pure: the time is a parameter, what was spent is the store's.
//!
//! No secret of a person is stored anywhere: it follows from the key of this installation, the person, and how often they
//! were reset. Whoever has the database alone has nothing.

use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use totp_rs::{Builder, Secret, Totp};

/// Wrong codes in a row after which none is taken for a while.
const MOST_WRONG: i64 = 5;
/// For how long none is taken then.
const LOCKED_FOR: SignedDuration = SignedDuration::from_mins(15);
/// The name that authenticator apps show.
const ISSUER: &str = "Alch";
/// RFC 4226 asks for 160 bits.
const SECRET_BYTES: usize = 20;
/// Codes of one step before and after are taken as well: clocks differ, and people type slowly.
const SKEW: u16 = 1;

/// Makes and checks the codes of this installation.
#[derive(Clone, Debug)]
pub struct StepUp {
    key: SecretString,
}

/// What a person puts into an authenticator app. Shown to them once, and to nobody else.
#[derive(Clone)]
pub struct Enrolment {
    /// To be typed: base32.
    pub secret: String,
    /// To be opened or shown as a picture: `otpauth://totp/…`.
    pub url: String,
}

/// That a person showed a right code: of which step, under which of their secrets. Tells nothing of the code itself, so it
/// can be recorded in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// How often the person's secret was replaced before.
    pub generation: i64,
    /// The number of the 30 seconds that the code is of, counted since 1970.
    pub step: i64,
}

/// What is known of a person's second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecondFactor {
    /// How often its secret was replaced: by a reset, or because it was shown anew before it was confirmed.
    pub generation: i64,
    /// When its first code was shown to be right, UTC; until then it approves nothing.
    pub confirmed_at: Option<Timestamp>,
    /// The newest step whose code was spent.
    pub last_step: Option<i64>,
    /// Wrong codes in a row.
    pub wrong: i64,
    /// When the last wrong one was, UTC.
    pub wrong_at: Option<Timestamp>,
}

impl SecondFactor {
    /// Whether the code of this step was spent, or one of a later step.
    pub fn is_spent(&self, step: i64) -> bool {
        self.last_step.is_some_and(|last| step <= last)
    }

    /// Until when no code is taken, because too many were wrong.
    pub fn locked_until(&self, now: Timestamp) -> Option<Timestamp> {
        let until = self.wrong_at?.saturating_add(LOCKED_FOR).ok()?;
        (self.wrong >= MOST_WRONG && now < until).then_some(until)
    }
}

impl StepUp {
    /// With the installation's key, `STEP_UP_KEY`.
    pub fn new(key: SecretString) -> Self {
        Self { key }
    }

    /// What the person puts into an authenticator app; none when the person's id cannot be used in one.
    pub fn enrolment(&self, user: &str, generation: i64) -> Option<Enrolment> {
        let totp = self.totp(user, generation)?;
        let secret = Secret::from(self.secret(user, generation)?).to_base32();
        Some(Enrolment { secret, url: totp.to_url().ok()? })
    }

    /// The step that a code belongs to, if it is right now. A step may be spent once; that is the store's to see to.
    pub fn check(&self, user: &str, generation: i64, code: &str, now: Timestamp) -> Option<i64> {
        let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
        if code.len() != 6 || !code.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let seconds = u64::try_from(now.as_second()).ok()?;
        i64::try_from(self.totp(user, generation)?.check(&code, seconds)?).ok()
    }

    fn totp(&self, user: &str, generation: i64) -> Option<Totp> {
        Builder::new()
            .with_secret(Secret::from(self.secret(user, generation)?))
            .with_skew(SKEW)
            .with_account_name(user)
            .with_issuer(Some(ISSUER))
            .build()
            .ok()
    }

    fn secret(&self, user: &str, generation: i64) -> Option<Vec<u8>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.expose_secret().as_bytes()).ok()?;
        mac.update(format!("totp/{generation}/{user}").as_bytes());
        Some(mac.finalize().into_bytes()[..SECRET_BYTES].to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step_up() -> StepUp {
        StepUp::new(SecretString::from("a key of this installation, 32 characters"))
    }

    fn code(step_up: &StepUp, user: &str, generation: i64, at: Timestamp) -> String {
        step_up.totp(user, generation).unwrap().generate(u64::try_from(at.as_second()).unwrap()).to_string()
    }

    #[test]
    fn a_code_is_right_for_its_person_and_time_only() {
        let step_up = step_up();
        let now: Timestamp = "2026-11-23T12:00:10Z".parse().unwrap();
        let right = code(&step_up, "U1", 0, now);
        let step = step_up.check("U1", 0, &right, now).unwrap();
        assert_eq!(step, now.as_second() / 30);
        assert_eq!(step_up.check("U1", 0, &format!(" {} {} ", &right[..3], &right[3..]), now), Some(step));
        for seconds in [-30, 30] {
            assert_eq!(step_up.check("U1", 0, &right, now + SignedDuration::from_secs(seconds)), Some(step));
        }
        for seconds in [-90, 90] {
            assert_eq!(step_up.check("U1", 0, &right, now + SignedDuration::from_secs(seconds)), None);
        }
        assert_eq!(step_up.check("U2", 0, &right, now), None);
        assert_eq!(step_up.check("U1", 1, &right, now), None);
        let other = StepUp::new(SecretString::from("another key of an installation, as long"));
        assert_eq!(other.check("U1", 0, &right, now), None);
        for wrong in ["", "12345", "1234567", "abcdef", "１２３４５６", "12345\u{0}"] {
            assert_eq!(step_up.check("U1", 0, wrong, now), None, "{wrong:?}");
        }
    }

    #[test]
    fn an_app_makes_the_same_codes_from_what_is_shown() {
        let step_up = step_up();
        let now: Timestamp = "2026-11-23T12:00:10Z".parse().unwrap();
        let shown = step_up.enrolment("U1", 3).unwrap();
        let app = Totp::from_url(&shown.url).unwrap();
        assert_eq!(app.generate(u64::try_from(now.as_second()).unwrap()).to_string(), code(&step_up, "U1", 3, now));
        assert!(shown.url.contains(&shown.secret), "{}", shown.url);
        assert!(!format!("{step_up:?}").contains("a key of this"), "debug output tells no secret");
    }

    #[test]
    fn too_many_wrong_codes_close_it_for_a_while() {
        let at: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        let factor =
            |wrong| SecondFactor { generation: 0, confirmed_at: None, last_step: None, wrong, wrong_at: Some(at) };
        assert_eq!(factor(4).locked_until(at), None);
        assert_eq!(factor(5).locked_until(at), Some(at + LOCKED_FOR));
        assert_eq!(factor(5).locked_until(at + LOCKED_FOR), None);
    }
}
