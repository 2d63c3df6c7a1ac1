//! Stories: what people do, and what the thread, the journal and AWS say afterwards.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod accounts;
mod aws_trouble;
mod charts;
mod closed;
mod code_rollback;
mod crash;
mod decisions;
mod deploy;
mod dlq;
mod doctor;
mod enable;
mod hard_stop;
mod hold;
mod monitor;
mod permissions;
mod production;
mod record;
mod replay;
mod retention;
mod rollback;
mod sam;
mod sessions;
mod slack_trouble;
mod smoke;
mod soak;
mod step_up;
mod subscribe;
mod trouble;
mod verify;
mod who;
mod world;
