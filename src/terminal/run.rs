//! `alch run`: a command from a terminal or a pipeline, told event by event.

use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::Context as _;
use futures_util::StreamExt;
use secrecy::{ExposeSecret, SecretString};
use tokio_util::sync::CancellationToken;

use super::teller::Teller;
use crate::app::{App, Surroundings};
use crate::cli::RunArgs;
use crate::clock::Clock;
use crate::command::{self, Context};
use crate::config::{Config, Secrets, Variables};
use crate::control::{self, Ask};
use crate::domain::{ApprovalRule, Command};
use crate::slack::view;
use crate::store::{StoreError, sqlite_path};

pub(super) async fn run(args: RunArgs, variables: &Variables) -> anyhow::Result<ExitCode> {
    let (config, mut secrets) = super::load(&args.config, variables)?;
    let text = args.command.join(" ");
    let context = Context::from(&config).typed_after("alch run");
    let command = match command::parse(&text, &context, Clock::system().now()) {
        Ok(parsed) => parsed.command,
        Err(refusal) => {
            eprintln!("{}", view::plain(&refusal.to_string()));
            return Ok(Teller::new(args.json, text).over());
        }
    };
    let go_on = match named(&command, &config) {
        Some(environment) => typed(&what_it_does(&command), environment, &mut std::io::stdin().lock())?,
        None => !command.acts() || args.yes || confirmed(&command)?,
    };
    if !go_on {
        eprintln!("Nothing was changed.");
        return Ok(Teller::new(args.json, text).over());
    }
    let user = variables.get("USER").or(variables.get("LOGNAME")).cloned().unwrap_or_else(|| "unknown".to_owned());
    let mut teller = Teller::new(args.json, text.clone());
    let ask = Ask { text, user, queue: args.queue };
    let around = super::surroundings(variables);
    let built = App::build(config.clone(), &secrets, Clock::system(), around.clone()).await;
    let app = match built {
        Ok(app) => app,
        Err(error) => match error.downcast_ref::<StoreError>() {
            Some(StoreError::InUse(database)) => {
                // A server has the database: it is asked to do it.
                let asked = control::ask_there(&control::path_beside(database), &ask, |tell| teller.tell(&tell)).await;
                match asked {
                    Err(error) if matches!(command, Command::Rollback { .. }) => {
                        eprintln!("alch: {error:#}");
                        eprintln!(
                            "alch: rolling back beside it; what that other process has under way goes on, and may turn rules \
                             on again: end it"
                        );
                        teller = Teller::new(args.json, ask.text.clone());
                        build_apart(config, &mut secrets, around).await?
                    }
                    asked => {
                        let code = teller.over();
                        return asked.map(|()| code);
                    }
                }
            }
            Some(_) if matches!(command, Command::Rollback { .. }) => {
                eprintln!("alch: {error:#}");
                eprintln!("alch: rolling back without it; the journal of this run is kept apart");
                build_apart(config, &mut secrets, around).await?
            }
            _ => return Err(error),
        },
    };
    here(&app, ask, &mut teller).await;
    Ok(teller.over())
}

/// In this process: with an engine and an outbox of its own.
async fn here(app: &App, ask: Ask, teller: &mut Teller) {
    let stop = CancellationToken::new();
    let told = async {
        let mut told = std::pin::pin!(control::ask_here(app.requests().clone(), app.engine().clone(), ask));
        while let Some(tell) = told.next().await {
            teller.tell(&tell);
        }
        stop.cancel();
    };
    tokio::join!(told, app.run_for_terminal(stop.clone()));
}

/// When the database cannot be opened, a rollback still has a journal: beside the place where a database would be.
async fn build_apart(config: Config, secrets: &mut Secrets, around: Surroundings) -> anyhow::Result<App> {
    let wanted = sqlite_path(secrets.database_url.expose_secret());
    let folder = wanted.as_deref().and_then(std::path::Path::parent).map_or_else(std::env::temp_dir, ToOwned::to_owned);
    let name = format!("alch-rollback-{}.db", Clock::system().now().as_second());
    let places = [folder.join(&name), std::env::temp_dir().join(&name)];
    let mut last = None;
    for place in places {
        secrets.database_url = SecretString::from(format!("sqlite:{}", place.display()));
        match App::build(config.clone(), secrets, Clock::system(), around.clone()).await {
            Ok(app) => {
                eprintln!("alch: the journal of this run is in {}", place.display());
                return Ok(app);
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.context("no place for a journal")?)
}

/// The environment whose name has to be typed before the command: that of a rollback or a hard stop where others approve. No
/// option stands in for it.
fn named<'a>(command: &'a Command, config: &Config) -> Option<&'a str> {
    let (Command::Rollback { environment } | Command::HardStop { environment }) = command else { return None };
    let approval = config.environments.get(environment)?.approval;
    (approval == ApprovalRule::Required).then_some(environment)
}

fn what_it_does(command: &Command) -> String {
    match command {
        Command::HardStop { environment } => format!("stops the function of {environment}"),
        _ => format!("turns off every rule of {}", command.environment().unwrap_or_default()),
    }
}

/// Asks for the environment's name, on a terminal and in a pipeline alike.
fn typed(does: &str, environment: &str, input: &mut impl BufRead) -> anyhow::Result<bool> {
    eprint!("This {does}, at once. To go on, type the environment's name: ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    input.read_line(&mut answer)?;
    Ok(answer.trim() == environment)
}

/// Asks whoever sits at the terminal; a pipeline is not asked.
fn confirmed(command: &Command) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Ok(true);
    }
    eprint!("{}: go on? [y/N] ", command.text());
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_environments_name_lets_a_rollback_of_production_go_on() {
        for (input, goes_on) in
            [("prod\n", true), ("  prod ", true), ("", false), ("y\n", false), ("prod2\nprod\n", false)]
        {
            let does = "turns off every rule of prod";
            assert_eq!(typed(does, "prod", &mut input.as_bytes()).ok(), Some(goes_on), "{input:?}");
        }
    }

    #[test]
    fn the_name_is_asked_for_where_others_approve_and_the_command_waits_for_nobody() {
        let (config, _) = Config::parse(crate::config::ALCH_TOML, "alch.toml", &Variables::default()).unwrap();
        let of = |name: &str| name.to_owned();
        for command in [Command::Rollback { environment: of("prod") }, Command::HardStop { environment: of("prod") }] {
            assert_eq!(named(&command, &config), Some("prod"));
        }
        assert_eq!(named(&Command::HardStop { environment: of("dev") }, &config), None);
        assert_eq!(named(&Command::Restore { environment: of("prod") }, &config), None);
    }
}
