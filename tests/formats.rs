//! Plans and journals outlive the binary that wrote them: what every release has recorded is read, and finished, by this
//! one. `tests/scenario/record.rs` makes the records of a release.

#![expect(clippy::unwrap_used, reason = "in a test, what is not there fails it")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use alch::config::{ALCH_TOML, Config};
use alch::domain::{Event, Recorded, Run};
use alch::engine::{Next, next};
use alch::journal::link;

fn recorded() -> Vec<(PathBuf, Vec<String>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journals");
    let mut journals = Vec::new();
    for release in std::fs::read_dir(folder).unwrap() {
        for file in std::fs::read_dir(release.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let lines = std::fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect();
            journals.push((path, lines));
        }
    }
    assert!(!journals.is_empty());
    journals
}

fn read(path: &Path, lines: &[String]) -> Vec<Recorded> {
    lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
        .collect()
}

#[test]
fn journals_of_every_release_are_read_and_written_again_as_they_were() {
    for (path, lines) in recorded() {
        for (line, recorded) in lines.iter().zip(read(&path, &lines)) {
            let again: serde_json::Value = serde_json::to_value(&recorded).unwrap();
            let before: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(again, before, "{}", path.display());
        }
    }
}

#[test]
fn the_chain_of_every_recorded_journal_holds() {
    for (path, lines) in recorded() {
        let journal = read(&path, &lines);
        for pair in journal.windows(2) {
            let body = serde_json::to_string(&pair[1].event).unwrap();
            let hash = link(&pair[0].hash, pair[1].run, pair[1].seq, pair[1].at, &body);
            assert_eq!(hash, pair[1].hash, "{}: event {}", path.display(), pair[1].seq);
        }
    }
}

#[test]
fn a_plan_has_the_digest_that_it_was_approved_under() {
    for (path, lines) in recorded() {
        for recorded in read(&path, &lines) {
            if let Event::Planned { plan, digest } = recorded.event {
                assert_eq!(plan.digest(), digest, "{}", path.display());
            }
        }
    }
}

#[test]
fn a_run_that_an_earlier_release_left_anywhere_can_be_gone_on_with() {
    let (config, _) = Config::parse(ALCH_TOML, "alch.toml", &BTreeMap::new()).unwrap();
    for (path, lines) in recorded() {
        let journal = read(&path, &lines);
        for end in 1..=journal.len() {
            let run = Run::from_journal(&journal[..end]).unwrap();
            let next = next(&run, &config.environments[&run.environment], None, run.last_at);
            assert_eq!(next == Next::Ended, end == journal.len(), "{} after event {end}: {next:?}", path.display());
        }
    }
}
