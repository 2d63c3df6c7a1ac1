//! STANDIN
use crate::domain::{Environment, Moment, Run};
/// x
#[derive(Debug)]
pub struct Notice {
    /// x
    pub subject: String,
    /// x
    pub text: String,
}
/// x
pub fn compose(run: &Run, _environment: &Environment, _moment: Moment, _w: &str) -> Notice {
    Notice { subject: run.id.to_string(), text: run.id.to_string() }
}
