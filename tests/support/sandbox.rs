//! The real binary's sandbox as a process of its own, until it is dropped.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;

use tempfile::TempDir;

/// A running `alch sandbox`.
pub struct Sandbox {
    /// Where its page is.
    pub url: String,
    child: Child,
    _state: TempDir,
}

impl Sandbox {
    /// Starts one on a free port, with these variables.
    pub fn start(variables: &[(&str, &str)]) -> Self {
        let state = TempDir::new().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_alch"))
            .args(["sandbox", "--port", "0", "--state"])
            .arg(state.path())
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let url = told.find_map(|line| line.strip_prefix("The sandbox is ready: ").map(str::to_owned));
        // What else it says is of no interest, but it could not say it to a pipe that nobody reads.
        thread::spawn(move || told.for_each(drop));
        let url = url.unwrap_or_else(|| panic!("the sandbox did not start: {:?}", child.wait()));
        Self { url, child, _state: state }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
