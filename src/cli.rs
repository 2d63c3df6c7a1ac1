//! The command line: what `alch` can be told, as values.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::{SignedDuration, Span, SpanRelativeTo};

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
    /// Ask the server of this machine whether it lives; with --ready whether it is ready. Exit status 0 only if so.
    Health(HealthArgs),
    /// Print the Slack app's manifest, ready to paste.
    Manifest(ManifestArgs),
    /// Print an IAM policy of an environment, ready to paste: the roles that read and act, Alch's own, and who is trusted.
    Iam(IamArgs),
    /// Print the journals of an environment, or of all: one JSON object a line, or CSV. Beside a running server too.
    Audit(AuditArgs),
    /// Copy the SQLite database as it is now, beside a running server too, and check the copy. Never replaces a file.
    Backup(BackupArgs),
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

/// Arguments of `alch health`.
#[derive(Debug, Args)]
pub struct HealthArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented at the type")]
    pub config: ConfigArgs,
    /// Whether it may be sent requests: the database answers, and Slack and AWS were seen.
    #[arg(long)]
    pub ready: bool,
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

/// Arguments of `alch iam`.
#[derive(Debug, Args)]
pub struct IamArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented at the type")]
    pub config: ConfigArgs,
    /// The environment.
    #[arg(value_name = "ENV")]
    pub environment: String,
    /// Whose policy.
    #[arg(long, value_enum, default_value_t = IamRole::Operator)]
    pub role: IamRole,
    /// The ARN of Alch's own identity, for the trust policy.
    #[arg(long, value_name = "ARN")]
    pub bot: Option<String>,
}

/// Whose policy is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum IamRole {
    /// The role that reads.
    Reader,
    /// The role that acts, and reads what it needs for that.
    Operator,
    /// Alch's own identity, which takes the roles.
    Bot,
    /// The trust policy of both roles.
    Trust,
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

/// Arguments of `alch audit`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct AuditArgs {
    #[command(subcommand)]
    #[expect(missing_docs, reason = "documented at the type")]
    pub instead: Option<AuditCommand>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented at the type")]
    pub config: ConfigArgs,
    /// The environment; all when not given.
    #[arg(value_name = "ENV")]
    pub environment: Option<String>,
    /// How far back: "7d", "12h", "2w". Everything when not given.
    #[arg(long, value_name = "TIME", value_parser = length_of_time)]
    pub since: Option<SignedDuration>,
    /// How it is written.
    #[arg(long, value_enum, default_value_t = AuditWriting::Jsonl)]
    pub format: AuditWriting,
}

/// Arguments of `alch backup`.
#[derive(Debug, Args)]
pub struct BackupArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented at the type")]
    pub config: ConfigArgs,
    /// Where the copy goes: a new file, or a directory. Beside the database when not given, with the time (UTC) in its name.
    #[arg(long, value_name = "FILE")]
    pub to: Option<PathBuf>,
}

/// What `alch audit` does beside printing.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Check the hash chain of all journals. Exit status 0 only if nothing was edited, deleted or reordered.
    Verify(ConfigArgs),
}

/// How journals are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AuditWriting {
    /// One JSON object a line, as recorded.
    Jsonl,
    /// For spreadsheets.
    Csv,
}

/// A length of time that is not negative; a day has 24 hours.
fn length_of_time(text: &str) -> Result<SignedDuration, String> {
    let span: Span = text.parse().map_err(|_| format!("`{text}` is no length of time, such as 7d or 12h"))?;
    match span.to_duration(SpanRelativeTo::days_are_24_hours()) {
        Ok(length) if length > SignedDuration::ZERO => Ok(length),
        Ok(_) | Err(_) => Err(format!("`{text}` is no length of time, such as 7d or 12h")),
    }
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
