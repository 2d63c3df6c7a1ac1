//! What runs cost that wait, and how soon the program is ready again when many do: the real program, killed and started anew.
//!
//! `cargo bench --bench waiting` lets 50 runs wait for approval, on a SQLite file; `cargo bench --bench waiting -- 1000 60s
//! postgres://…` lets another number wait, measures for another time, and takes an empty database of PostgreSQL. The emulated
//! Slack and AWS run in this process, and are not counted.

mod program;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use alch::clock::Clock;
use alch::config::{Config, Variables};
use alch::sandbox::Emulators;
use alch::sandbox::aws::Pace;
use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http::StatusCode;
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use program::{Bot, Usage};
use sqlx::Connection as _;
use tokio::net::TcpListener;

/// How many wait, unless told otherwise.
const RUNS: i64 = 50;
/// How long it is watched how they wait, unless told otherwise.
const LASTING: Duration = Duration::from_secs(30);
/// How many ask at once: Slack's limits are not what is measured.
const ASKERS: i64 = 8;
/// How long it is given to settle.
const PATIENCE: Duration = Duration::from_secs(600);
/// Of one core, in percent, at most.
const SHARE: f64 = 5.0;
/// How soon it has to be ready again.
const READY: Duration = Duration::from_secs(5);

fn main() -> anyhow::Result<ExitCode> {
    // cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let runs = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(RUNS);
    let seconds = arguments.iter().find_map(|argument| argument.strip_suffix('s')?.parse().ok());
    let lasting = seconds.map_or(LASTING, Duration::from_secs);
    let given = arguments.iter().find(|argument| argument.contains("://"));
    sqlx::any::install_default_drivers();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let directory = tempfile::tempdir()?;
    let file = format!("sqlite:{}", directory.path().join("alch.db").display());
    let met = runtime.block_on(measure(runs, lasting, given.unwrap_or(&file)))?;
    Ok(if met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn measure(runs: i64, lasting: Duration, database: &str) -> anyhow::Result<bool> {
    let config = Config::sandbox(&Variables::new())?.0;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let emulators = Emulators::start(&config, Clock::system(), Pace::default(), listener, None).await?;
    let began = Instant::now();
    let bot = Bot::start(&config, &emulators, database)?;
    let empty = ready(&bot, began).await?;
    emulators.slack.deliver_to(&bot.events_url());
    let asking = Instant::now();
    for _ in 0..(runs + ASKERS - 1) / ASKERS {
        let askers = (0..ASKERS).map(|_| emulators.slack.types("U0ALICE", "/alch enable signal-generated prod"));
        let delivered = futures_util::future::join_all(askers).await;
        ensure!(delivered.iter().all(|one| one.is_ok()), "a command was refused");
    }
    let mut connection = sqlx::AnyConnection::connect(database).await?;
    until(&mut connection, "as many wait", "SELECT COUNT(*) FROM runs WHERE live = 1 AND driven = 0", runs).await?;
    let asked = asking.elapsed();
    until(&mut connection, "Slack is told", "SELECT COUNT(*) FROM runs WHERE projected_seq = head_seq", runs).await?;
    let told = asking.elapsed();
    let waiting: i64 = number(&mut connection, "SELECT COUNT(*) FROM runs WHERE live = 1").await?;
    println!(
        "{waiting} runs wait for approval, {:.1} s after they were asked for, and Slack knows it after {:.1} s",
        asked.as_secs_f64(),
        told.as_secs_f64()
    );
    let share = share(&bot, lasting).await?;
    drop(bot);
    let began = Instant::now();
    let bot = Bot::start(&config, &emulators, database)?;
    let again = ready(&bot, began).await?;
    println!("  ready after {:.2} s; {:.2} s with an empty database", again.as_secs_f64(), empty.as_secs_f64());
    emulators.slack.deliver_to(&bot.events_url());
    let stays = number(&mut connection, "SELECT COUNT(*) FROM runs WHERE live = 1").await?;
    ensure!(stays == waiting, "{waiting} waited, and {stays} do after the restart");
    drop(bot);
    Ok(share < SHARE && again < READY)
}

/// What the program takes of one core while nothing happens, in percent.
async fn share(bot: &Bot, lasting: Duration) -> anyhow::Result<f64> {
    let usage = || Usage::of(bot.child.id()).context("the system does not say what a process takes");
    let before = usage()?;
    tokio::time::sleep(lasting).await;
    let after = usage()?;
    let taken = after.processor.saturating_sub(before.processor);
    let share = taken.as_secs_f64() / lasting.as_secs_f64() * 100.0;
    println!(
        "  {share:.1} % of a core over {} s; {:.0} MiB before, {:.0} MiB after",
        lasting.as_secs(),
        before.resident_mib,
        after.resident_mib
    );
    Ok(share)
}

/// How long after `began` the program says that it is ready.
async fn ready(bot: &Bot, began: Instant) -> anyhow::Result<Duration> {
    let http: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let url: http::Uri = format!("{}/readyz", bot.url).parse()?;
    loop {
        if http.get(url.clone()).await.is_ok_and(|answer| answer.status() == StatusCode::OK) {
            return Ok(began.elapsed());
        }
        ensure!(began.elapsed() < PATIENCE, "it does not get ready");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn until(
    connection: &mut sqlx::AnyConnection,
    what: &str,
    count: &'static str,
    least: i64,
) -> anyhow::Result<()> {
    let began = Instant::now();
    while number(connection, count).await? < least {
        ensure!(began.elapsed() < PATIENCE, "it does not come to it that {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

async fn number(connection: &mut sqlx::AnyConnection, count: &'static str) -> anyhow::Result<i64> {
    Ok(sqlx::query_scalar(count).fetch_one(connection).await?)
}
