//! AWS's own deployment tool as a child process: `sam build` and `sam deploy` in a checkout, what they write, and their
//! end. What a deployment did to the stack is read from AWS, not from here.

mod checkout;
mod invocation;
mod jobs;
mod mask;
mod output;
#[cfg(test)]
mod tests;

pub use checkout::{Checkout, CheckoutError, SamConfig, read as read_checkout};
pub use invocation::{Keys, Target, Variables, build, deploy, refused, variables};
pub use jobs::{End, GRACE, Jobs, Key, Seen, StartError, Stopped, Task};
pub use mask::MASKED;
pub use output::{MAX_LINE_CHARS, MAX_LINES};
