//! The emulated surroundings of the bot: what `alch sandbox` and the tests talk to instead of the real services. The
//! emulators know nothing of the bot itself.

pub mod aws;
pub mod slack;
