//! Slack: what comes in, what goes out, what it says of people and groups, and how a run looks there. Only here is Slack
//! spoken.

pub mod client;
pub mod http;
pub mod inbound;
pub mod ingress;
pub mod message;
pub mod outbox;
pub mod people;
pub mod socket;
pub mod verify;
pub mod view;

#[cfg(all(test, feature = "sandbox"))]
mod emulated;
#[cfg(test)]
mod stand_in;
mod tls;
