//! Hands what libFuzzer makes up to the target that the variable `ALCH_FUZZ` names. Started by `fuzz/run`.

#![no_main]

mod targets;

use std::sync::LazyLock;

static TARGET: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = std::env::var("ALCH_FUZZ").unwrap_or_default();
    let known = targets::TARGETS.iter().find(|(known, _)| *known == name);
    known.map_or_else(|| panic!("ALCH_FUZZ names no target: {name:?}"), |(_, target)| *target)
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (*TARGET)(bytes));
