//! What several tests share: finding and starting the emulators of other people, and making a stack in one.
#![allow(dead_code, reason = "each test binary uses a part")]

pub mod emulators;
pub mod stack;
