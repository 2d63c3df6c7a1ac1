//! What tests need from outside cargo: skipped loudly when it is not installed, unless it is required.

/// Says that `name` is not here. Fails when `ALCH_TEST_REQUIRE` (a list with commas) names it.
pub fn missing(name: &str, how: &str) {
    let required = std::env::var("ALCH_TEST_REQUIRE").unwrap_or_default();
    assert!(
        !required.split(',').any(|required| required.trim() == name),
        "ALCH_TEST_REQUIRE names {name}, but it is not installed: {how}"
    );
    eprintln!("\n!!! SKIPPED: {name} is not installed, so this was not tested. {how}\n");
}
