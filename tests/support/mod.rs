//! What several tests share: finding and starting the emulators of other people, and making a stack in one.
#![allow(dead_code, reason = "each test binary uses a part")]

#[cfg(feature = "sandbox")] // It needs the CBOR that comes with the sandbox.
pub mod bridge;
pub mod emulators;
pub mod stack;
