//! The command line: what `alch` can be told, as values.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Runs the EventBridge deployment runbook from Slack.
#[derive(Debug, Parser)]
#[command(name = "alch", version, about, max_term_width = 110)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: CliCommand,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum CliCommand {
    /// Serve Slack: signed HTTP or Socket Mode, as the configuration says.
    Serve(ConfigArgs),
    /// Start a Slack-like channel in the browser, with an emulated AWS behind it. Needs nothing else.
    #[cfg(feature = "sandbox")]
    Sandbox(SandboxArgs),
    /// Validate the configuration; with --live also Slack's and AWS's access.
    Check(CheckArgs),
    /// Print the Slack app's manifest, ready to paste.
    Manifest(ManifestArgs),
    /// Run a command as if typed after /alch, and print its journal as it grows. Exit status 0 only if it succeeded.
    Run(RunArgs),
}

/// Where the configuration is.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// The configuration file.
    #[arg(long, env = "ALCH_CONFIG", default_value = "config/alch.toml")]
    pub config: PathBuf,
}

/// Arguments of `alch check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented at the type")]
    pub config: ConfigArgs,
    /// Also call Slack and AWS: the token's scopes, the identity and access in each environment. Changes nothing.
    #[arg(long)]
    pub live: bool,
}

/// Arguments of `alch manifest`.
#[derive(Debug, Args)]
pub struct ManifestArgs {
    /// The public address of this Alch, such as `https://alch.example.com`.
    #[arg(long)]
    pub url: Option<String>,
    /// For Socket Mode, which needs no public address.
    #[arg(long, conflicts_with = "url")]
    pub socket: bool,
}

/// Arguments of `alch run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented at the type")]
    pub config: ConfigArgs,
    /// The command, as typed after /alch: "enable signal-generated dev".
    #[arg(required = true, num_args = 1.., value_name = "COMMAND")]
    pub command: Vec<String>,
    /// One JSON event a line.
    #[arg(long)]
    pub json: bool,
    /// Wait for the environment when another run holds it.
    #[arg(long)]
    pub queue: bool,
    /// Do not ask before acting. Never approves production steps.
    #[arg(long)]
    pub yes: bool,
}

/// Arguments of `alch sandbox`.
#[cfg(feature = "sandbox")]
#[derive(Debug, Args)]
pub struct SandboxArgs {
    /// Keep the state here, to come back to it. Without it, a temporary directory is used.
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// The page's port; 0 takes a free one.
    #[arg(long, env = "PORT", default_value_t = 7700)]
    pub port: u16,
}
