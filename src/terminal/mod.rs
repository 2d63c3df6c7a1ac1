//! What each subcommand does, as far as it speaks to a terminal.

mod audit;
mod backup;
mod check;
mod health;
mod iam;
mod run;
mod teller;

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::app::{App, Surroundings};
use crate::cli::{CliCommand, ConfigArgs};
use crate::clock::Clock;
use crate::config::{Config, Secrets, Variables, manifest};

/// Does what the command line says.
///
/// # Errors
/// When it cannot; the text is for the person at the terminal.
pub async fn start(command: CliCommand, variables: Variables) -> anyhow::Result<ExitCode> {
    match command {
        CliCommand::Serve(args) => serve(&args, &variables).await,
        #[cfg(feature = "sandbox")]
        CliCommand::Sandbox(args) => sandbox(args, &variables).await,
        CliCommand::Check(args) => check::check(&args, &variables).await,
        CliCommand::Health(args) => health::health(&args, &variables).await,
        CliCommand::Manifest(args) => {
            say(manifest::render(args.url.as_deref(), args.socket).trim_end());
            Ok(ExitCode::SUCCESS)
        }
        CliCommand::Audit(args) => audit::audit(&args, &variables).await,
        CliCommand::Backup(args) => backup::backup(args, &variables).await,
        CliCommand::Iam(args) => iam::iam(&args, &variables),
        CliCommand::Run(args) => run::run(args, &variables).await,
    }
}

/// Prints a line. Whoever reads may be gone, as `head` is after its lines: what is under way goes on all the same.
fn say(text: impl Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn load(args: &ConfigArgs, variables: &Variables) -> anyhow::Result<(Config, Secrets)> {
    Ok(Config::load(&args.config, variables)?)
}

/// AWS and Slack as they are.
fn surroundings(variables: &Variables) -> Surroundings {
    Surroundings { variables: variables.clone(), ..Surroundings::default() }
}

async fn serve(args: &ConfigArgs, variables: &Variables) -> anyhow::Result<ExitCode> {
    let (config, secrets) = load(args, variables)?;
    let transport = config.transport(&secrets)?;
    if secrets.slack_bot_token.is_none() {
        anyhow::bail!(
            "SLACK_BOT_TOKEN is not set, and without it Alch cannot post. Set it, or SLACK_BOT_TOKEN_FILE, to the bot \
             token of the Slack app (OAuth & Permissions); it begins with xoxb-."
        );
    }
    let address = config.server.address().context("server.listen is not an address")?;
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    let around = Surroundings { waits_for_database: true, ..surroundings(variables) };
    let app = App::build(config, &secrets, Clock::system(), around).await?;
    tracing::info!(address = %listener.local_addr()?, "serving");
    let stop = CancellationToken::new();
    tokio::spawn(stop_on_signal(stop.clone()));
    app.serve(listener, transport, stop).await?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(feature = "sandbox")]
async fn sandbox(args: crate::cli::SandboxArgs, variables: &Variables) -> anyhow::Result<ExitCode> {
    let stop = CancellationToken::new();
    tokio::spawn(stop_on_signal(stop.clone()));
    let ready = |page: &str, aws: &str| {
        // Whoever does not listen is not told.
        let _ = writeln!(
            std::io::stdout(),
            "The sandbox is ready: {page}\nOpen it in a browser and type:  /alch enable signal-generated dev\n\
             Its AWS, for the aws CLI:  --endpoint-url {aws}\nCtrl-C ends it."
        );
    };
    crate::sandbox::run(args.port, args.state, variables, ready, stop).await?;
    Ok(ExitCode::SUCCESS)
}

/// Ctrl-C, or what a supervisor sends.
async fn stop_on_signal(stop: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    tracing::info!("stopping");
    stop.cancel();
}
