//! How soon commands are acknowledged, whether each is recorded exactly once, and what the program takes of memory and
//! processor: the real program, under signed requests that come at fixed times, whether or not earlier ones were answered.
//!
//! `cargo bench --bench ack` takes 200 and 1,000 requests a second for 10 s each, on a SQLite file;
//! `cargo bench --bench ack -- 500 60s postgres://…` takes another number, time, and an empty database of PostgreSQL.
//! Half ask for the state of an environment, half for the list of runs; the emulated Slack and AWS run in this process and
//! share the processor with the program. Some requests are sent twice, byte by byte. The program is killed right after the last
//! acknowledgement, so that what is counted in the database is what survives.

mod program;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use alch::clock::Clock;
use alch::config::{Config, Variables};
use alch::sandbox::Emulators;
use alch::sandbox::aws::Pace;
use alch::sandbox::slack::signature;
use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use program::{Bot, Usage};
use serde_json::Value;
use sqlx::Connection as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How long each rate is kept up, unless told otherwise.
const LASTING: Duration = Duration::from_secs(10);
/// Before it, the same unmeasured: connections are opened and people are looked up.
const WARMING: Duration = Duration::from_secs(1);
/// Requests a second, unless told otherwise.
const RATES: [u32; 2] = [200, 1_000];
/// What 99 of 100 acknowledgements should take at most, at the first of the rates.
const TARGET: Duration = Duration::from_millis(50);
/// One request of so many is sent a second time.
const REPEATED: u32 = 50;
/// Slack gives up on a command after three seconds.
const PATIENCE: Duration = Duration::from_secs(3);

type Http = Client<HttpConnector, Full<Bytes>>;

fn main() -> anyhow::Result<ExitCode> {
    // cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let rates: Vec<u32> = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
    let rates = if rates.is_empty() { RATES.to_vec() } else { rates };
    let seconds = arguments.iter().find_map(|argument| argument.strip_suffix('s')?.parse().ok());
    let lasting = seconds.map_or(LASTING, Duration::from_secs);
    let given = arguments.iter().find(|argument| argument.contains("://"));
    ensure!(given.is_none() || rates.len() == 1, "a database is empty for one rate only");
    sqlx::any::install_default_drivers();
    let surroundings = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let mut sound = true;
    for rate in rates {
        let config = Config::sandbox(&Variables::new())?.0;
        let emulators = surroundings.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            Emulators::start(&config, Clock::system(), Pace::default(), listener, None).await
        })?;
        let directory = tempfile::tempdir()?;
        let file = format!("sqlite:{}", directory.path().join("alch.db").display());
        let database = given.unwrap_or(&file);
        let bot = Bot::start(&config, &emulators, database)?;
        let secret = emulators.slack.spec().signing_secret.clone();
        let load = Load { url: bot.events_url(), secret, rate, lasting, process: bot.child.id() };
        let driver = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (mut acknowledged, usage) = driver.block_on(load.bring())?;
        drop(bot);
        sound &= driver.block_on(report(&load, &mut acknowledged, database))?;
        report_usage(&usage, lasting);
    }
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is brought to the program.
struct Load {
    url: String,
    secret: String,
    rate: u32,
    lasting: Duration,
    /// The program's.
    process: u32,
}

/// What came of one request.
struct Acknowledged {
    number: u32,
    measured: bool,
    /// From the time at which it was to be sent, however late it was sent.
    after: Duration,
    received: bool,
}

impl Load {
    /// What came of each request, and what the program had taken at the start, half way and at the end.
    async fn bring(&self) -> anyhow::Result<(Vec<Acknowledged>, Vec<Usage>)> {
        let http: Http = Client::builder(TokioExecutor::new()).build_http();
        let warming = self.requests_in(WARMING);
        let measured = self.requests_in(self.lasting);
        let mut usage = Vec::new();
        let began = Instant::now();
        let mut under_way = JoinSet::new();
        for number in 0..warming + measured {
            let due = began + Duration::from_secs(1) * number / self.rate;
            let (http, request) = (http.clone(), self.request(number)?);
            let again = request.clone();
            // Slept here, so that tasks are not all made at once.
            tokio::time::sleep_until(due).await;
            if [warming, warming + measured / 2].contains(&number) {
                usage.extend(Usage::of(self.process));
            }
            under_way.spawn(async move {
                let received = is_received(&http, request).await;
                let after = due.elapsed();
                if number % REPEATED == 0 {
                    is_received(&http, again).await;
                }
                Acknowledged { number, measured: number >= warming, after, received }
            });
        }
        let acknowledged = under_way.join_all().await;
        usage.extend(Usage::of(self.process));
        Ok((acknowledged, usage))
    }

    fn requests_in(&self, time: Duration) -> u32 {
        u32::try_from(time.as_secs()).unwrap_or(u32::MAX).saturating_mul(self.rate)
    }

    /// A command as Slack sends it. Signed once, so that a repeat is the same to the byte.
    fn request(&self, number: u32) -> anyhow::Result<Request<Full<Bytes>>> {
        let text = if number.is_multiple_of(2) { "status dev" } else { "runs" };
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("team_id", "T0ALCHSBX"),
                ("channel_id", "C0PLATFORM"),
                ("user_id", "U0ALICE"),
                ("command", "/alch"),
                ("text", text),
                ("api_app_id", "A0ALCH"),
                ("trigger_id", &trigger(number)),
            ])
            .finish();
        let timestamp = Clock::system().now().as_second();
        Ok(Request::post(&self.url)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("x-slack-request-timestamp", timestamp.to_string())
            .header("x-slack-signature", signature(&self.secret, timestamp, body.as_bytes()))
            .body(Full::from(body))?)
    }
}

fn trigger(number: u32) -> String {
    format!("trigger.{number}.end")
}

/// Whether it was acknowledged as recorded: a command that was not gets a text in its place.
async fn is_received(http: &Http, request: Request<Full<Bytes>>) -> bool {
    let asking = async {
        let answer = http.request(request).await.ok()?;
        let ok = answer.status() == StatusCode::OK;
        let body = answer.into_body().collect().await.ok()?.to_bytes();
        Some(ok && body.is_empty())
    };
    tokio::time::timeout(PATIENCE, asking).await.ok().flatten().unwrap_or(false)
}

/// Prints the figures, and says whether each acknowledged request is in the inbox exactly once.
async fn report(load: &Load, acknowledged: &mut [Acknowledged], database: &str) -> anyhow::Result<bool> {
    let Load { rate, lasting, .. } = *load;
    acknowledged.sort_by_key(|one| one.after);
    let times: Vec<Duration> = acknowledged.iter().filter(|one| one.measured).map(|one| one.after).collect();
    ensure!(!times.is_empty(), "nothing was sent");
    let share = |percent: usize| times[(times.len() * percent).div_ceil(100).max(1) - 1];
    let millis = |time: Duration| time.as_secs_f64() * 1_000.0;
    println!(
        "{rate}/s for {} s: acknowledged after p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms, at most {:.1} ms",
        lasting.as_secs(),
        millis(share(50)),
        millis(share(90)),
        millis(share(99)),
        millis(share(100)),
    );
    if rate == RATES[0] {
        let verdict = if share(99) < TARGET { "met" } else { "MISSED" };
        println!("  target of p99 under {} ms: {verdict}", TARGET.as_millis());
    }
    let mut connection = sqlx::AnyConnection::connect(database).await?;
    let bodies: Vec<String> = sqlx::query_scalar("SELECT body FROM inbox").fetch_all(&mut connection).await?;
    let settled: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM inbox WHERE done_at IS NOT NULL").fetch_one(&mut connection).await?;
    let mut recorded: BTreeMap<String, u32> = BTreeMap::new();
    for body in &bodies {
        let body: Value = serde_json::from_str(body)?;
        let trigger = find_trigger(&body).with_context(|| format!("a record without its trigger: {body}"))?;
        *recorded.entry(trigger).or_default() += 1;
    }
    let is_recorded = |one: &&Acknowledged| recorded.contains_key(&trigger(one.number));
    let (received, refused): (Vec<_>, Vec<_>) = acknowledged.iter().partition(|one| one.received);
    let lost = received.len() - received.iter().copied().filter(is_recorded).count();
    let unwanted = refused.iter().copied().filter(is_recorded).count();
    let doubled = recorded.values().filter(|&&times| times > 1).count();
    println!(
        "  {} requests, {} of them sent twice: {} acknowledged as recorded, of which {lost} are lost and {doubled} recorded \
         twice; {} refused, of which {unwanted} are recorded all the same; {settled} were answered when it was killed",
        acknowledged.len(),
        acknowledged.len().div_ceil(usize::try_from(REPEATED)?),
        received.len(),
        refused.len(),
    );
    Ok(lost == 0 && doubled == 0)
}

/// Prints what the program took, from the first measured request to the last acknowledgement.
fn report_usage(usage: &[Usage], lasting: Duration) {
    let [start, middle, end] = usage else { return };
    let share = (end.processor.saturating_sub(start.processor)).as_secs_f64() / lasting.as_secs_f64();
    println!(
        "  resident memory: {:.0} MiB at the start, {:.0} MiB half way, {:.0} MiB at the end; {:.0} % of a core",
        start.resident_mib,
        middle.resident_mib,
        end.resident_mib,
        share * 100.0,
    );
}

fn find_trigger(body: &Value) -> Option<String> {
    match body {
        Value::String(text) => text.starts_with("trigger.").then(|| text.clone()),
        Value::Object(members) => members.values().find_map(find_trigger),
        Value::Array(values) => values.iter().find_map(find_trigger),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}
