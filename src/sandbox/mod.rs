//! The world around the bot, emulated: what `alch sandbox` shows a newcomer and what the tests drive.

pub mod slack;
