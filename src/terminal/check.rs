//! `alch check`: is the configuration sound, and with `--live`, do Slack and AWS let Alch do its work.

use std::process::ExitCode;

use secrecy::ExposeSecret;

use super::say;
use crate::aws::{Aws, AwsErrorKind, AwsSettings};
use crate::checks::doctor;
use crate::cli::CheckArgs;
use crate::clock::Clock;
use crate::config::{Config, Secrets, Transport, Variables, manifest};
use crate::domain::{Check, Environment, Verdict};
use crate::slack::client::{CallCounters, SlackClient};

/// A line of the table: what was looked at, how it is, and what was seen.
struct Row {
    what: String,
    state: State,
    seen: String,
}

/// How it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Well,
    Bad,
    /// Cannot be told here.
    Open,
}

impl State {
    fn of(well: bool) -> Self {
        if well { Self::Well } else { Self::Bad }
    }
}

pub(super) async fn check(args: &CheckArgs, variables: &Variables) -> anyhow::Result<ExitCode> {
    let (config, secrets) = super::load(&args.config, variables)?;
    let mut rows = described(&config, &secrets);
    if args.live {
        rows.extend(slack(&config, &secrets).await);
        for environment in config.environments.values() {
            let aws = Aws::connect(environment, &AwsSettings::default()).await;
            let tried = aws.check_access(environment, Clock::system().now()).await;
            let answers = tried.iter().any(|(_, result)| result.is_ok());
            for (operation, result) in tried {
                let what = format!("{}: {}", environment.name, operation.name);
                let (state, seen) = match result {
                    Ok(seen) => (State::Well, seen),
                    // A failure inside AWS tells nothing of what Alch may do; where nothing else answers, it does.
                    Err(error) if answers && error.kind == AwsErrorKind::ServerError => {
                        (State::Open, format!("{error}, so this cannot be told"))
                    }
                    Err(error) => (State::Bad, error.to_string()),
                };
                rows.push(Row { what, state, seen });
            }
            let readings = aws.read_doctor(environment, Clock::system().now()).await;
            rows.extend(doctor::checks(environment, &readings).into_iter().map(|check| found(environment, check)));
        }
    }
    say(table(&rows));
    let failed = rows.iter().filter(|row| row.state == State::Bad).count();
    if failed == 0 {
        say(format_args!("{} is sound.", args.config.config.display()));
        Ok(ExitCode::SUCCESS)
    } else {
        say(format_args!("{failed} of {} are not well.", rows.len()));
        Ok(ExitCode::FAILURE)
    }
}

/// A trap that was looked for.
fn found(environment: &Environment, check: Check) -> Row {
    let state = match check.verdict {
        Verdict::Pass => State::Well,
        Verdict::Fail => State::Bad,
        Verdict::Inconclusive | Verdict::Unknown => State::Open,
    };
    let what = format!("{}: {}{}", environment.name, if check.is_part() { "  " } else { "" }, check.title);
    let seen = match check.verdict {
        Verdict::Pass => check.value,
        Verdict::Fail | Verdict::Inconclusive | Verdict::Unknown if check.value.is_empty() => check.reason,
        Verdict::Fail | Verdict::Inconclusive | Verdict::Unknown => format!("{}. {}", check.value, check.reason),
    };
    Row { what, state, seen }
}

/// What the configuration says, for a look over.
fn described(config: &Config, secrets: &Secrets) -> Vec<Row> {
    let mut rows = Vec::new();
    let transport = match config.transport(secrets) {
        Ok(Transport::Http { .. }) => (State::Well, format!("signed HTTP on {}", config.server.listen)),
        Ok(Transport::Socket { .. }) => (State::Well, "Socket Mode".to_owned()),
        // Without secrets the file can still be checked, as in a pipeline.
        Err(errors) => (State::Open, format!("not decided here: {errors}").replace('\n', " ")),
    };
    rows.push(Row { what: "transport".to_owned(), state: transport.0, seen: transport.1 });
    rows.push(Row {
        what: "Slack".to_owned(),
        state: State::Well,
        seen: format!("workspace {}, channel {}", config.slack.workspace, config.slack.channel),
    });
    for environment in config.environments.values() {
        let rules: Vec<&str> = environment.rules.iter().map(|rule| rule.name.as_str()).collect();
        rows.push(Row {
            what: environment.name.clone(),
            state: State::Well,
            seen: format!(
                "{}, account {}, bus {}, rules in order: {}",
                environment.region,
                environment.account.as_deref().unwrap_or("not pinned"),
                environment.bus,
                rules.join(", ")
            ),
        });
    }
    rows
}

async fn slack(config: &Config, secrets: &Secrets) -> Vec<Row> {
    let row = |what: &str, well, seen: String| Row { what: format!("Slack: {what}"), state: State::of(well), seen };
    let Some(token) = &secrets.slack_bot_token else {
        return vec![row("bot token", false, "SLACK_BOT_TOKEN is not set".to_owned())];
    };
    if token.expose_secret().is_empty() {
        return vec![row("bot token", false, "SLACK_BOT_TOKEN is empty".to_owned())];
    }
    let client = match SlackClient::new(&config.slack.api_url, token.clone(), CallCounters::default()) {
        Ok(client) => client,
        Err(error) => return vec![row("address", false, error.to_string())],
    };
    let told = match client.auth_test().await {
        Ok(told) => told,
        Err(error) => return vec![row("bot token", false, error.to_string())],
    };
    let mut rows = vec![row("bot token", true, format!("{} in {} ({})", told.user, told.team, told.team_id))];
    let same = told.team_id == config.slack.workspace;
    let seen = if same { told.team_id.clone() } else { format!("the token is of {}", told.team_id) };
    rows.push(row("workspace", same, seen));
    for scope in manifest::bot_scopes() {
        if told.scopes.is_empty() {
            rows.push(row(&scope, true, "this server does not tell scopes".to_owned()));
        } else {
            let granted = told.scopes.contains(&scope);
            let seen = if granted { "granted" } else { "missing: add it to the app and install it again" };
            rows.push(row(&scope, granted, seen.to_owned()));
        }
    }
    rows
}

fn table(rows: &[Row]) -> String {
    let width = rows.iter().map(|row| row.what.chars().count()).max().unwrap_or_default();
    let mut text = String::new();
    for Row { what, state, seen } in rows {
        let mark = match state {
            State::Well => "ok  ",
            State::Bad => "FAIL",
            State::Open => "?   ",
        };
        text.push_str(&format!("{mark}  {what:width$}  {seen}\n"));
    }
    text
}
