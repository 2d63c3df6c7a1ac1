//! Starts the real program between the emulated Slack and the emulated AWS, with a clean environment and a configuration
//! of its own, and ends what it started. Whatever the program wrote is searched for secrets at the end.
#![expect(dead_code, reason = "each test binary uses a part")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alch::clock::Clock;
use alch::config::{ALCH_TOML, Config, Variables};
use alch::domain::RunId;
use alch::sandbox::Emulators;
use alch::sandbox::aws::{Pace, World};
use alch::sandbox::slack::{Message, Slack};
use alch::store::Store;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use jiff::SignedDuration;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;

#[path = "leaks.rs"]
mod leaks;

/// How long anything that a test waits for may take.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at what tells nobody when it changes.
const LOOK: Duration = Duration::from_millis(5);

/// A person of the emulated workspace who may act.
pub const ALICE: &str = "U0ALICE";
/// Another one.
pub const BOB: &str = "U0BOB";
/// A third one.
pub const CAROL: &str = "U0CAROL";

/// The secret half of the AWS keys that the program gets.
const AWS_SECRET: &str = "aws-secret-that-nobody-may-read";
/// The signing secret; the emulated workspace's own, like the two tokens.
pub const SIGNING_SECRET: &str = "sandbox-signing-secret";
const BOT_TOKEN: &str = "xoxb-sandbox-bot-token";
const APP_TOKEN: &str = "xapp-sandbox-app-token";

/// How requests from Slack reach the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Http,
    Socket,
}

/// The emulators, a directory, and the environment of the programs that are started in it.
pub struct Stage {
    pub slack: Slack,
    pub aws: World,
    pub config: Config,
    /// What the programs find in their environment.
    pub variables: Variables,
    pub directory: tempfile::TempDir,
    by: By,
    written: Arc<Mutex<String>>,
    _emulators: Emulators,
}

impl Stage {
    /// Requests by signed HTTP; waits so short that one rule takes about a second.
    pub async fn new() -> Self {
        Self::with(By::Http, &[]).await
    }

    /// With settings of its own, `ALCH__…`.
    pub async fn with(by: By, settings: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("alch.toml"), ALCH_TOML).unwrap();
        let mut variables: Variables = [
            ("ALCH__SERVER__LISTEN", "127.0.0.1:0"),
            ("ALCH__SLACK__CARD_REFRESH", "1s"),
            ("ALCH__ENVIRONMENTS__DEV__ACCOUNT", "111111111111"),
            ("ALCH__ENVIRONMENTS__DEV__WAITS__AFTER_ENABLE", "600ms"),
            ("ALCH__ENVIRONMENTS__DEV__WAITS__POLL", "150ms"),
            ("ALCH__ENVIRONMENTS__DEV__WAITS__SETTLE", "400ms"),
            ("ALCH__ENVIRONMENTS__DEV__WAITS__UNKNOWN_GRACE", "2s"),
            ("ALCH__ENVIRONMENTS__PROD__ACCOUNT", "222222222222"),
            ("ALCH__ENVIRONMENTS__PROD__ROLE_ARN", "arn:aws:iam::222222222222:role/alch-operator"),
        ]
        .into_iter()
        .chain(settings.iter().copied())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
        let (config, _) = Config::parse(ALCH_TOML, "alch.toml", &variables).unwrap();
        let pace = Pace {
            event_gap: SignedDuration::from_millis(100),
            metric_delay: SignedDuration::from_millis(50),
            alarm_period: SignedDuration::from_millis(500),
            alarm_window: SignedDuration::from_secs(60),
        };
        let page = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let emulators = Emulators::start(&config, Clock::system(), pace, page, None).await.unwrap();
        let home = directory.path().display().to_string();
        let database = format!("sqlite:{}", directory.path().join("alch.db").display());
        for (name, value) in [
            ("HOME", home.as_str()),
            ("USER", "ada"),
            ("ALCH_CONFIG", &directory.path().join("alch.toml").display().to_string()),
            ("RUST_LOG", "info,alch=trace"),
            ("DATABASE_URL", &database),
            ("SLACK_API_URL", &format!("{}/api", emulators.slack_url)),
            ("SLACK_BOT_TOKEN", BOT_TOKEN),
            ("AWS_ENDPOINT_URL", &emulators.aws_url),
            ("AWS_ACCESS_KEY_ID", "AKIATEST"),
            ("AWS_SECRET_ACCESS_KEY", AWS_SECRET),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ] {
            variables.insert(name.to_owned(), value.to_owned());
        }
        match by {
            By::Http => variables.insert("SLACK_SIGNING_SECRET".to_owned(), SIGNING_SECRET.to_owned()),
            By::Socket => variables.insert("SLACK_APP_TOKEN".to_owned(), APP_TOKEN.to_owned()),
        };
        let (slack, aws) = (emulators.slack.clone(), emulators.world.clone());
        let written = Arc::default();
        Self { slack, aws, config, variables, directory, by, written, _emulators: emulators }
    }

    /// The path of the configuration file.
    pub fn config_path(&self) -> PathBuf {
        self.directory.path().join("alch.toml")
    }

    /// Starts `alch` with these arguments.
    pub fn spawn(&self, arguments: &[&str]) -> Process {
        Process::spawn(&self.variables, arguments, self.written.clone())
    }

    /// Starts `alch` with these arguments on a disk that takes no file longer than this many times 512 bytes, or any.
    pub fn spawn_on_a_small_disk(&self, blocks: &str, arguments: &[&str]) -> Process {
        // Ignored, the signal becomes an error of the write, as a full disk is one.
        let limited = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &limited, env!("CARGO_BIN_EXE_alch")]).args(arguments);
        Process::start(command, &self.variables, self.written.clone())
    }

    /// Starts `alch serve` without waiting for anything.
    pub fn spawn_server(&self) -> Process {
        self.spawn_server_on(&self.variables["DATABASE_URL"])
    }

    /// The same with the database at this address.
    pub fn spawn_server_on(&self, database: &str) -> Process {
        let mut variables = self.variables.clone();
        variables.insert("DATABASE_URL".to_owned(), database.to_owned());
        let arguments = ["serve", "--config", &self.config_path().display().to_string()];
        Process::spawn(&variables, &arguments, self.written.clone())
    }

    /// Starts `alch serve`, and returns when it answers.
    pub async fn serve(&self) -> Server {
        let mut process = self.spawn_server();
        let url = self.address_of(&mut process).await.expect("the server ended at its start");
        Server { process, url }
    }

    /// Waits until a started server answers, and lets Slack deliver to it; none when it ended before.
    pub async fn address_of(&self, process: &mut Process) -> Option<String> {
        let said = process.line("\"message\":\"serving\"").await?;
        let said: Value = serde_json::from_str(&said).unwrap();
        let url = format!("http://{}", said["fields"]["address"].as_str().unwrap());
        within("the server answers", get(&format!("{url}/healthz"))).await.ok()?;
        match self.by {
            By::Http => self.slack.deliver_to(&format!("{url}/slack/events")),
            By::Socket => self.sees("a Socket Mode connection", |slack| slack.connections() > 0).await,
        }
        Some(url)
    }

    /// Runs `alch` to its end.
    pub async fn alch(&self, arguments: &[&str]) -> Finished {
        let mut process = self.spawn(arguments);
        let status = process.exit().await;
        Finished { code: status.code(), stdout: process.stdout(), stderr: process.stderr() }
    }

    /// The database. Only while no program has it.
    pub async fn store(&self) -> Store {
        Store::open(&self.variables["DATABASE_URL"]).await.unwrap()
    }

    /// Reads one number from the database, whoever has it.
    pub async fn number(&self, sql: &'static str) -> i64 {
        use sqlx::{Connection, Row};
        sqlx::any::install_default_drivers();
        let mut connection = sqlx::AnyConnection::connect(&self.variables["DATABASE_URL"]).await.unwrap();
        if self.variables["DATABASE_URL"].starts_with("sqlite:") {
            sqlx::query("PRAGMA busy_timeout = 5000").execute(&mut connection).await.unwrap();
        }
        let row = sqlx::query(sql).fetch_one(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        row.try_get(0).unwrap()
    }

    /// Waits until Slack shows something.
    pub async fn sees(&self, what: &str, holds: impl FnMut(&Slack) -> bool) {
        if tokio::time::timeout(PATIENCE, self.slack.until(holds)).await.is_err() {
            panic!("{what}: Slack does not show it within {PATIENCE:?}\n{}", self.slack.transcript());
        }
    }

    /// The messages of a run as everybody sees them, each by its key.
    pub fn messages_of(&self, run: RunId) -> Vec<(String, Message)> {
        messages_of(&self.slack, run)
    }

    /// The card of a run.
    pub async fn card(&self, run: RunId) -> Message {
        self.sees(&format!("the card of {run}"), |slack| card(slack, run).is_some()).await;
        card(&self.slack, run).unwrap()
    }

    /// The thread of a run without its card: what each message says, and whether it shows a picture.
    pub fn thread_of(&self, run: RunId) -> Vec<(String, bool)> {
        let root = card(&self.slack, run).expect("there is a card").ts;
        let told = |message: &Message| {
            message.thread_ts.as_ref() == Some(&root) && !message.deleted && message.ephemeral_to.is_none()
        };
        let messages = self.slack.messages().into_iter().filter(told);
        messages.map(|message| (message.text, !message.files.is_empty())).collect()
    }

    /// Waits until Slack was told of a run to its end. The card, and the words that end the thread.
    pub async fn told(&self, run: RunId) -> (Message, Message) {
        let last =
            |slack: &Slack| messages_of(slack, run).into_iter().find(|(_, message)| message.text.contains("took "));
        let shown = |slack: &Slack| card(slack, run).filter(|card| card.text.contains("Ended "));
        self.sees(&format!("the end of {run}"), |slack| last(slack).is_some() && shown(slack).is_some()).await;
        // A picture may follow the last words.
        let untold = "SELECT count(*) FROM runs WHERE live = 0 AND projected_seq < head_seq";
        until(&format!("{run} is told to its end"), async || self.number(untold).await == 0).await;
        (shown(&self.slack).unwrap(), last(&self.slack).unwrap().1)
    }

    /// Waits until what only this person sees has these words; returns the message.
    pub async fn hears(&self, user: &str, words: &str) -> Message {
        let found =
            |slack: &Slack| slack.ephemerals(user).into_iter().rev().find(|message| message.text.contains(words));
        self.sees(&format!("{user} hears {words:?}"), |slack| found(slack).is_some()).await;
        found(&self.slack).unwrap()
    }

    /// Whether a rule of an environment is enabled, as it truly is.
    pub fn is_enabled(&self, environment: &str, rule: &str) -> bool {
        let place = self.config.environment(environment).unwrap();
        let rule = place.rule(rule).unwrap();
        self.aws.rule_state(&place.bus, &rule.rule).unwrap() != alch::sandbox::aws::RuleState::Disabled
    }

    /// How often AWS was asked for an operation that changes something.
    pub fn changes_asked(&self) -> usize {
        self.aws.calls().iter().filter(|call| matches!(call.operation.as_str(), "EnableRule" | "DisableRule")).count()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let written = self.written.lock().unwrap();
            eprintln!("--- what the programs wrote ---\n{written}");
            return;
        }
        let written = self.written.lock().unwrap();
        let told = leaks::told(&self.slack);
        let kept = leaks::database_bytes(&self.variables["DATABASE_URL"]);
        leaks::refuse_secrets(
            &[SIGNING_SECRET, BOT_TOKEN, APP_TOKEN, AWS_SECRET],
            &[("what was written", written.as_bytes()), ("Slack", told.as_bytes()), ("the database", &kept)],
        );
        leaks::refuse_shouts(&self.slack);
        assert!(!written.contains("panicked"), "a program panicked:\n{written}");
        assert_eq!(self.aws.unknown_calls(), [], "the emulated AWS was asked what it does not know");
        for call in self.slack.calls() {
            let unknown = alch::sandbox::slack::Outcome::Refused("unknown_method".to_owned());
            assert_ne!(call.outcome, unknown, "{call:?}");
        }
    }
}

fn messages_of(slack: &Slack, run: RunId) -> Vec<(String, Message)> {
    let prefix = format!("{run}/");
    let key = |message: &Message| {
        let key = message.metadata.as_ref()?.pointer("/event_payload/key")?.as_str()?;
        key.strip_prefix(&prefix).map(str::to_owned)
    };
    let public = |message: &Message| !message.deleted && message.ephemeral_to.is_none();
    slack.messages().into_iter().filter(public).filter_map(|message| Some((key(&message)?, message))).collect()
}

fn card(slack: &Slack, run: RunId) -> Option<Message> {
    messages_of(slack, run).into_iter().find(|(key, _)| key == "card").map(|(_, message)| message)
}

/// A server that answers.
pub struct Server {
    pub process: Process,
    pub url: String,
}

/// How a program ended, and what it wrote.
#[derive(Debug)]
pub struct Finished {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// A started program. Dropping it kills it.
pub struct Process {
    child: Child,
    stdout: Arc<Mutex<Vec<String>>>,
    stderr: Arc<Mutex<Vec<String>>>,
    /// How many lines were read, and how many of the two streams have ended.
    read: watch::Receiver<(usize, usize)>,
}

impl Process {
    fn spawn(variables: &BTreeMap<String, String>, arguments: &[&str], written: Arc<Mutex<String>>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_alch"));
        command.args(arguments);
        Self::start(command, variables, written)
    }

    fn start(mut command: Command, variables: &BTreeMap<String, String>, written: Arc<Mutex<String>>) -> Self {
        command.env_clear().envs(variables);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (tell, read) = watch::channel((0, 0));
        let tell = Arc::new(tell);
        let stdout = follow(child.stdout.take().unwrap(), tell.clone(), written.clone());
        let stderr = follow(child.stderr.take().unwrap(), tell, written);
        Self { child, stdout, stderr, read }
    }

    /// Waits for a line that has these words; none when the program ends without it.
    pub async fn line(&mut self, words: &str) -> Option<String> {
        let found = || {
            let lines = [&self.stdout, &self.stderr].map(|lines| lines.lock().unwrap().clone()).concat();
            lines.into_iter().find(|line| line.contains(words))
        };
        let mut read = self.read.clone();
        let waiting = async {
            loop {
                let over = read.borrow_and_update().1 == 2;
                if let Some(line) = found() {
                    return Some(line);
                }
                if over {
                    return None;
                }
                read.changed().await.unwrap();
            }
        };
        within(&format!("a line with {words:?}"), waiting).await
    }

    /// Ends it at once, as `kill -9` does.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }

    /// Asks it to stop, as a supervisor does.
    pub fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Lets it stand still, as a machine does that has no time for it.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets a frozen one go on.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Lets the disk take no file longer than this many bytes, or any, for one that was started on a small disk.
    pub fn limit_files(&self, bytes: &str) {
        let (of, limit) = (format!("--pid={}", self.id()), format!("--fsize={bytes}:"));
        assert!(Command::new("prlimit").args([of, limit]).status().unwrap().success());
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end.
    pub async fn exit(&mut self) -> ExitStatus {
        let mut read = self.read.clone();
        within("the program's end", async { read.wait_for(|(_, ended)| *ended == 2).await.map(drop) }).await.unwrap();
        self.child.wait().unwrap()
    }

    pub fn stdout(&self) -> String {
        self.stdout.lock().unwrap().join("\n")
    }

    pub fn stderr(&self) -> String {
        self.stderr.lock().unwrap().join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

type Tell = Arc<watch::Sender<(usize, usize)>>;

fn follow(stream: impl Read + Send + 'static, tell: Tell, written: Arc<Mutex<String>>) -> Arc<Mutex<Vec<String>>> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let kept = lines.clone();
    std::thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while stream.read_until(b'\n', &mut line).unwrap_or_default() > 0 {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            line.clear();
            written.lock().unwrap().push_str(&format!("{text}\n"));
            kept.lock().unwrap().push(text);
            tell.send_modify(|(read, _)| *read += 1);
        }
        tell.send_modify(|(_, ended)| *ended += 1);
    });
    lines
}

/// Waits, but not for ever.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(done) => done,
        Err(_) => panic!("{what}: not within {PATIENCE:?}"),
    }
}

/// Waits until something is so that tells nobody when it changes.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let looking = async {
        while !holds().await {
            tokio::time::sleep(LOOK).await;
        }
    };
    within(what, looking).await;
}

/// An HTTP answer.
#[derive(Debug)]
pub struct Answered {
    pub status: u16,
    pub body: String,
}

/// GETs a URL.
pub async fn get(url: &str) -> Result<Answered, String> {
    send(http::Request::get(url).body(Full::default()).unwrap()).await
}

/// Sends a request on a connection of its own.
pub async fn send(request: http::Request<Full<bytes::Bytes>>) -> Result<Answered, String> {
    let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http();
    let answer = client.request(request).await.map_err(|error| error.to_string())?;
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
    Ok(Answered { status, body: String::from_utf8_lossy(&body).into_owned() })
}
