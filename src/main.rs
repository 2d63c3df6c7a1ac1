//! The program: reads what it was told, and starts it.

// The futures of the AWS SDK are nested deeper than the compiler follows by default.
#![recursion_limit = "256"]

use std::io::IsTerminal;
use std::process::ExitCode;

use alch::cli::{Cli, CliCommand};
use alch::terminal;
use clap::Parser;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Slack's, AWS's and PostgreSQL's TLS are one: two providers in a process is a panic at the first connection.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        eprintln!("alch: TLS was set up twice");
        return ExitCode::FAILURE;
    }
    log_to_stderr(matches!(cli.command, CliCommand::Serve(_)));
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("alch: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(terminal::start(cli.command, std::env::vars().collect())) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("alch: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// `RUST_LOG` decides what is logged. A server whose output nobody watches logs JSON.
fn log_to_stderr(server: bool) {
    // The SDK warns at length while it looks for credentials; what came of it is said by Alch.
    let default = if server { "info,aws_config=error" } else { "warn,aws_config=error" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if server && !std::io::stderr().is_terminal() {
        log.json().init();
    } else {
        log.init();
    }
}
