//! What stays of journals that were removed when their time was over: where the hash chain goes on behind them, signed, so
//! that nobody without the key removes a journal and passes it off for that.

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use crate::domain::RunId;

/// What is signed begins with it, so that a signature for something else under the same key is none here.
const PURPOSE: &str = "alch removed journals 1";

/// A stretch of runs whose journals were removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    /// The first of them.
    pub first: RunId,
    /// The last of them.
    pub last: RunId,
    /// The hash of the last one's first event: what the first event of the run after it is chained to.
    pub hash: String,
    /// How many events they had.
    pub events: u64,
    /// When the newest of them was removed, UTC, in whole microseconds.
    pub at: Timestamp,
}

impl Removed {
    /// Whether the run is one of them.
    pub fn has(&self, run: RunId) -> bool {
        (self.first..=self.last).contains(&run)
    }

    /// The stretches in the order of their runs, those that touch made one.
    pub fn joined(mut stretches: Vec<Self>) -> Vec<Self> {
        stretches.sort_by_key(|stretch| stretch.first);
        let mut joined: Vec<Self> = Vec::with_capacity(stretches.len());
        for next in stretches {
            match joined.last_mut() {
                Some(before) if before.last.0 + 1 == next.first.0 => {
                    let events = before.events + next.events;
                    *before = Self { first: before.first, events, at: before.at.max(next.at), ..next };
                }
                _ => joined.push(next),
            }
        }
        joined
    }

    /// Every part but the hash is a number, and the hash has no line breaks in it, so the parts cannot run into one another.
    fn text(&self) -> String {
        let Self { first, last, hash, events, at } = self;
        format!("{PURPOSE}\n{}\n{}\n{hash}\n{events}\n{}", first.0, last.0, at.as_microsecond())
    }
}

/// The keys that removed journals are signed with: the newest signs, all of them verify.
#[derive(Clone, Debug)]
pub struct AuditKeys(Vec<SecretString>);

impl AuditKeys {
    /// Reads `AUDIT_KEY`: one key, or several separated by commas, the newest first.
    pub fn read(text: &SecretString) -> Self {
        let keys = text.expose_secret().split(',').map(str::trim).filter(|key| !key.is_empty());
        Self(keys.map(SecretString::from).collect())
    }

    /// The signature, in lower-case hexadecimal.
    pub fn sign(&self, removed: &Removed) -> String {
        self.0
            .first()
            .and_then(|key| mac(key, removed))
            .map(|mac| hex::encode(mac.finalize().into_bytes()))
            .unwrap_or_default()
    }

    /// Whether one of the keys has signed it.
    pub fn have_signed(&self, removed: &Removed, signature: &str) -> bool {
        let Ok(signature) = hex::decode(signature) else { return false };
        let mut macs = self.0.iter().filter_map(|key| mac(key, removed));
        macs.any(|mac| mac.verify_slice(&signature).is_ok())
    }
}

fn mac(key: &SecretString, removed: &Removed) -> Option<Hmac<Sha256>> {
    let mac = Hmac::<Sha256>::new_from_slice(key.expose_secret().as_bytes()).ok()?;
    Some(mac.chain_update(removed.text()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stretch(first: i64, last: i64) -> Removed {
        let at = Timestamp::from_second(1_800_000_000 + last).unwrap();
        Removed { first: RunId(first), last: RunId(last), hash: format!("{last:064x}"), events: 3, at }
    }

    fn keys(text: &str) -> AuditKeys {
        AuditKeys::read(&SecretString::from(text))
    }

    #[test]
    fn every_part_of_it_is_signed() {
        let (keys, removed) = (keys("a key of thirty-two characters!!"), stretch(3, 9));
        let signature = keys.sign(&removed);
        assert!(keys.have_signed(&removed, &signature));
        for other in [
            Removed { first: RunId(2), ..removed.clone() },
            Removed { last: RunId(10), ..removed.clone() },
            Removed { hash: "ab".to_owned(), ..removed.clone() },
            Removed { events: 4, ..removed.clone() },
            Removed { at: Timestamp::UNIX_EPOCH, ..removed.clone() },
        ] {
            assert!(!keys.have_signed(&other, &signature), "{other:?}");
        }
        for other in ["", "00", "no hexadecimal", &signature[1..], &signature.replace(['a', '1'], "b")] {
            assert!(!keys.have_signed(&removed, other), "{other}");
        }
    }

    #[test]
    fn a_new_key_signs_and_the_old_one_still_verifies() {
        let (old, removed) = (keys("old"), stretch(1, 4));
        let signature = old.sign(&removed);
        let both = keys("new, old");
        assert!(both.have_signed(&removed, &signature));
        assert!(keys("new").have_signed(&removed, &both.sign(&removed)));
        assert!(!keys("new").have_signed(&removed, &signature));
        assert!(!keys(" , ").have_signed(&removed, &keys("").sign(&removed)), "without a key nothing is signed");
    }

    proptest! {
        #[test]
        fn joined_they_are_the_same_runs(kept in prop::collection::vec(any::<bool>(), 1..40)) {
            let removed: Vec<i64> = (1..).zip(&kept).filter(|(_, kept)| !**kept).map(|(run, _)| run).collect();
            let joined = Removed::joined(removed.iter().rev().map(|&run| stretch(run, run)).collect());
            for run in 1..=i64::try_from(kept.len())? {
                let in_it = joined.iter().filter(|stretch| stretch.has(RunId(run))).count();
                prop_assert_eq!(in_it, usize::from(removed.contains(&run)));
            }
            prop_assert!(joined.windows(2).all(|pair| pair[0].last.0 + 1 < pair[1].first.0), "those that touch are one");
            for one in &joined {
                prop_assert_eq!(&one.hash, &stretch(one.last.0, one.last.0).hash);
            }
            prop_assert_eq!(joined.iter().map(|one| one.events).sum::<u64>(), 3 * u64::try_from(removed.len())?);
        }
    }
}
