//! What the fuzzing targets are fed with first, and what once broke them, with any compiler and without libFuzzer.

#[path = "../fuzz/src/targets.rs"]
mod targets;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use targets::TARGETS;

fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
}

#[test]
fn what_was_fed_to_a_target_before_holds_still() {
    for (name, target) in TARGETS {
        let seeds: Vec<PathBuf> =
            fs::read_dir(corpora().join(name)).unwrap().map(|seed| seed.unwrap().path()).collect();
        assert!(!seeds.is_empty(), "{name} has no seeds");
        for seed in seeds {
            println!("{}", seed.display());
            target(&fs::read(seed).unwrap());
        }
    }
}

#[test]
fn each_target_has_its_corpus_and_no_other() {
    let folders: BTreeSet<String> =
        fs::read_dir(corpora()).unwrap().map(|folder| folder.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(folders, TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect());
}
