//! The driver of the stories: the real bot between the emulators, in one process, on a clock that stands still until the
//! story moves it.

use std::cell::Cell;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use alch::app::{App, Surroundings};
use alch::clock::Clock;
use alch::config::{Config, Transport, Variables};
use alch::domain::{Environment, Recorded, Run, RunId};
use alch::engine::Engine;
use alch::journal::AuditKeys;
use alch::requests::Requests;
use alch::sandbox::Emulators;
use alch::sandbox::aws::{Outcome as CallOutcome, Pace, RuleState, World as Aws};
use alch::sandbox::slack::{Delivered, Message, Slack};
use alch::slack::outbox::{Outbox, Tempo};
use alch::slack::view;
use alch::store::{Pulse, Store};
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;
use sqlx::Connection as _;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

#[path = "../../support/leaks.rs"]
mod leaks;
#[path = "../../support/postgres.rs"]
mod postgres;
#[path = "../../support/required.rs"]
mod required;

use postgres::{Postgres, postgres};

/// How long a story waits, in real time, for the bot to have nothing left to do.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(3);

/// When every story begins: Monday 2026-11-23, 03:00 UTC.
pub const START: &str = "2026-11-23T03:00:00Z";

/// The bot with its surroundings.
pub struct World {
    pub clock: Clock,
    pub slack: Slack,
    pub aws: Aws,
    emulators: Emulators,
    config: Config,
    pub database: String,
    bot: Option<Bot>,
    was_killed: bool,
    slack_is_in_trouble: Cell<bool>,
    verification: Cell<Option<(Vec<Pulse>, Option<Timestamp>)>>,
    _directory: tempfile::TempDir,
}

/// A running bot, in a runtime of its own, so that a kill leaves nothing of it running.
struct Bot {
    runtime: Runtime,
    engine: Engine,
    requests: Requests,
    outbox: Outbox,
    store: Store,
    stop: CancellationToken,
}

/// Somebody at a keyboard.
pub struct Person<'a> {
    world: &'a World,
    id: &'static str,
}

/// A text has all of these parts.
#[track_caller]
pub fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

/// Tells a story and then demands a clean slate: nobody was asked for what does not exist, nothing is half done.
pub fn story(tell: impl AsyncFnOnce(&mut World)) {
    story_with(&[], tell);
}

/// The same with settings changed, as by environment variables.
pub fn story_with(settings: &[(&str, &str)], tell: impl AsyncFnOnce(&mut World)) {
    tell_on(None, settings, tell);
}

/// The same on PostgreSQL, if it is installed.
pub fn story_on_postgres(tell: impl AsyncFnOnce(&mut World)) {
    if let Some(postgres) = postgres() {
        tell_on(Some(&postgres), &[], tell);
    }
}

fn tell_on(postgres: Option<&Postgres>, settings: &[(&str, &str)], tell: impl AsyncFnOnce(&mut World)) {
    static TLS: OnceLock<()> = OnceLock::new();
    TLS.get_or_init(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let database = match postgres {
            Some(postgres) => Some(postgres.database().await),
            None => None,
        };
        let mut world = World::start(database, settings).await;
        tell(&mut world).await;
        world.end().await;
    });
    runtime.shutdown_background();
}

impl World {
    async fn start(database: Option<String>, settings: &[(&str, &str)]) -> Self {
        let variables: Variables =
            settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        // The sandbox's names with production's waits: time costs nothing here.
        let (mut config, _) = Config::layered(
            &[("alch.toml", alch::config::ALCH_TOML), ("scenario.toml", include_str!("scenario.toml"))],
            &variables,
        )
        .unwrap();
        let directory = tempfile::Builder::new().prefix("alch-story").tempdir().unwrap();
        let clock = Clock::manual(START.parse::<Timestamp>().unwrap());
        let pace = Pace {
            event_gap: SignedDuration::from_secs(20),
            metric_delay: SignedDuration::from_secs(30),
            alarm_period: SignedDuration::from_secs(60),
            alarm_window: SignedDuration::from_mins(5),
        };
        let page = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let emulators = Emulators::start(&config, clock.clone(), pace, page, None).await.unwrap();
        config.slack.api_url = format!("{}/api", emulators.slack_url);
        let file = directory.path().join("alch.db");
        let database = database.unwrap_or_else(|| format!("sqlite:{}", file.display()));
        let mut world = Self {
            clock,
            slack: emulators.slack.clone(),
            aws: emulators.world.clone(),
            emulators,
            config,
            database,
            bot: None,
            was_killed: false,
            slack_is_in_trouble: Cell::new(false),
            verification: Cell::new(None),
            _directory: directory,
        };
        world.starts().await;
        world
    }

    /// An environment as it is configured.
    pub fn environment(&self, name: &str) -> &Environment {
        &self.config.environments[name]
    }

    /// Changes what the bot is told at its next start, and nothing of the world.
    pub fn configured(&mut self, change: impl FnOnce(&mut Config)) {
        change(&mut self.config);
    }

    /// Starts the bot on the database that is there.
    pub async fn starts(&mut self) {
        if std::mem::take(&mut self.was_killed) {
            self.buried().await;
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let secrets = self.emulators.secrets(self.database.clone());
        // While the clock stands, a card that waits for its turn would wait for ever.
        let tempo = Tempo { card_spacing: SignedDuration::ZERO, ..alch::sandbox::tempo() };
        let surroundings = Surroundings {
            aws: self.emulators.aws_settings(),
            tempo,
            variables: std::env::vars().collect(),
            ..Surroundings::default()
        };
        let (config, clock, stop) = (self.config.clone(), self.clock.clone(), CancellationToken::new());
        let signing_secret = secrets.slack_signing_secret.clone().unwrap();
        let token = stop.clone();
        let deadline = Instant::now() + PATIENCE;
        let started = runtime.spawn(async move {
            let app = loop {
                match App::build(config.clone(), &secrets, clock.clone(), surroundings.clone()).await {
                    Ok(app) => break app,
                    // A killed bot's last statement may still hold the file for a moment.
                    Err(error) => assert!(Instant::now() < deadline, "{error:#}"),
                }
                tokio::time::sleep(LOOK).await;
            };
            let handles = (app.engine().clone(), app.requests().clone(), app.outbox().unwrap().clone());
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            tokio::spawn(app.serve(listener, Transport::Http { signing_secret }, token));
            (handles, address)
        });
        let ((engine, requests, outbox), address) = started.await.unwrap();
        self.slack.deliver_to(&format!("http://{address}/slack/events"));
        let store = engine.store().clone();
        self.bot = Some(Bot { runtime, engine, requests, outbox, store, stop });
    }

    /// Ends the bot as kill -9 would: nothing is finished, nothing is said. Waits until it is gone: workers that are told to
    /// end go on for some dozens of polls, and a dead process does not act beside the one that comes after it.
    pub fn killed(&mut self) {
        if let Some(Bot { runtime, .. }) = self.bot.take() {
            std::thread::spawn(move || runtime.shutdown_timeout(PATIENCE)).join().unwrap();
            self.was_killed = true;
        }
    }

    /// Lets the dead be buried, for which another process would wait until their lease has lapsed.
    async fn buried(&self) {
        if self.database.starts_with("postgres:") {
            let mut connection = sqlx::AnyConnection::connect(&self.database).await.unwrap();
            sqlx::query("DELETE FROM replicas").execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        }
    }

    /// Lets the bot go on until `reached`, or until it waits for ever; then it is killed, and started again. Time passes only
    /// while the bot is at rest: it does not run away from what is being done.
    pub async fn killed_when(&mut self, reached: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !reached(self) {
            assert!(Instant::now() < deadline, "the bot does not get there");
            if !self.is_settled().await {
                tokio::time::sleep(Duration::from_micros(100)).await;
                continue;
            }
            // Slack is told at its own pace.
            self.settle().await;
            match self.next_wake().await {
                _ if reached(self) => break,
                Some(wake) => self.clock.advance(wake.duration_since(self.clock.now()).max(SignedDuration::ZERO)),
                None => break,
            }
        }
        self.killed();
        self.starts().await;
    }

    fn bot(&self) -> &Bot {
        self.bot.as_ref().expect("the bot runs")
    }

    pub fn engine(&self) -> &Engine {
        &self.bot().engine
    }

    pub fn store(&self) -> &Store {
        &self.bot().store
    }

    pub fn alice(&self) -> Person<'_> {
        Person { world: self, id: "U0ALICE" }
    }

    pub fn bob(&self) -> Person<'_> {
        Person { world: self, id: "U0BOB" }
    }

    pub fn carol(&self) -> Person<'_> {
        Person { world: self, id: "U0CAROL" }
    }

    pub fn guest(&self) -> Person<'_> {
        Person { world: self, id: "U0GUEST" }
    }

    pub fn stranger(&self) -> Person<'_> {
        Person { world: self, id: "U0STRANGER" }
    }

    /// Waits until the bot has nothing left to do at this time.
    pub async fn settle(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut changes = self.store().changes();
            changes.mark_unchanged();
            while !self.is_settled().await {
                assert!(Instant::now() < deadline, "the bot does not come to rest");
                tokio::time::sleep(LOOK).await;
            }
            if self.slack_is_in_trouble.get() {
                return;
            }
            tokio::time::timeout(PATIENCE, self.bot().outbox.idle()).await.expect("Slack is told everything");
            // What Slack answers goes into the journal, and the run goes on with it.
            if changes.has_changed().is_ok_and(|changed| !changed) && self.is_settled().await {
                return;
            }
        }
    }

    /// From now on Slack is not waited for: what it refuses is tried again when the story lets time pass.
    pub fn slack_gets_into_trouble(&self) {
        self.slack_is_in_trouble.set(true);
    }

    /// Slack is well again; lets time pass until it has been told everything.
    pub async fn slack_catches_up(&self) {
        self.settle().await;
        let deadline = Instant::now() + PATIENCE;
        while !self.bot().outbox.drain(Duration::from_millis(200)).await {
            assert!(Instant::now() < deadline, "Slack is not told everything");
            self.clock.advance(SignedDuration::from_secs(1));
        }
        self.slack_is_in_trouble.set(false);
    }

    async fn is_settled(&self) -> bool {
        let bot = self.bot();
        // In the order in which work passes on: what moves between two looks is seen by the second.
        bot.requests.is_idle().await.unwrap()
            && bot.engine.replica().next_wake().await.unwrap().is_none_or(|wake| wake > self.clock.now())
            && bot.engine.active() == 0
            && self.next_verification().await.is_none_or(|due| due > self.clock.now())
    }

    /// When the bot verifies by itself next. Asked anew only when it may be another time: it reads many journals.
    async fn next_verification(&self) -> Option<Timestamp> {
        let bot = self.bot();
        let mut pulses = Vec::new();
        for environment in self.config.environments.keys() {
            pulses.push(bot.store.pulse(environment).await.unwrap());
        }
        let known = self
            .verification
            .take()
            .filter(|(seen, due)| *seen == pulses && due.is_none_or(|due| due > self.clock.now()));
        let due = match &known {
            Some((_, due)) => *due,
            None => bot.engine.next_verification().await.unwrap(),
        };
        self.verification.set(Some((pulses, due)));
        due
    }

    /// When the bot has something to do next.
    async fn next_wake(&self) -> Option<Timestamp> {
        let wake = self.bot().engine.replica().next_wake().await.unwrap();
        [wake, self.next_verification().await].into_iter().flatten().min()
    }

    /// Lets time pass, stopping wherever the bot has something to do.
    pub async fn passes(&self, span: SignedDuration) {
        let end = self.clock.now() + span;
        self.settle().await;
        while self.clock.now() < end {
            let wake = self.next_wake().await.unwrap_or(end);
            let next = wake.clamp(self.clock.now() + SignedDuration::from_millis(1), end);
            self.clock.advance(next.duration_since(self.clock.now()));
            self.settle().await;
        }
    }

    /// Lets time pass until the run has ended; an hour at most.
    pub async fn until_ended(&self, run: RunId) -> Run {
        self.ended_within(run, SignedDuration::from_hours(1)).await
    }

    /// The same of a run that takes longer.
    pub async fn ended_within(&self, run: RunId, most: SignedDuration) -> Run {
        self.settle().await;
        let end = self.clock.now() + most;
        loop {
            let now = self.run(run).await;
            if now.ended.is_some() {
                return now;
            }
            let wake = self
                .bot()
                .engine
                .replica()
                .next_wake()
                .await
                .unwrap()
                .unwrap_or_else(|| panic!("{run} waits for ever"));
            assert!(wake <= end, "{run} takes more than {most:#}: {}", self.told(run).await);
            self.passes(wake.duration_since(self.clock.now())).await;
        }
    }

    pub async fn run(&self, run: RunId) -> Run {
        self.store().run(run).await.unwrap().unwrap_or_else(|| panic!("there is no {run}"))
    }

    pub async fn journal(&self, run: RunId) -> Vec<Recorded> {
        self.store().journal(run).await.unwrap()
    }

    /// The run's journal as a story, one event a line.
    pub async fn told(&self, run: RunId) -> String {
        let journal = self.journal(run).await;
        let lines = (1..=journal.len()).map(|count| {
            let run = Run::from_journal(&journal[..count]).unwrap();
            view::terminal(&journal[count - 1], &run)
        });
        without_milliseconds(&lines.collect::<Vec<_>>().join("\n"))
    }

    /// The card of the run, as Slack has it.
    pub async fn card(&self, run: RunId) -> Message {
        let messages = self.store().slack_messages(run).await.unwrap();
        let card = messages.iter().find(|message| message.key == "card").unwrap_or_else(|| panic!("{run} has no card"));
        self.slack.message(card.ts.as_ref().unwrap()).unwrap()
    }

    /// The card and the thread of the run, as people read them.
    pub async fn thread(&self, run: RunId) -> String {
        let card = self.card(run).await;
        without_milliseconds(&self.slack.thread_transcript(&card.ts))
    }

    /// What a channel shows.
    pub fn channel(&self, id: &str) -> String {
        without_milliseconds(&self.slack.transcript_of(id))
    }

    /// The newest message of a run's thread that has a button of this action.
    pub async fn asking(&self, run: RunId, action: &str) -> Message {
        let card = self.card(run).await;
        let thread = self.slack.thread(&card.ts);
        let shows = |message: &&Message| {
            let blocks = serde_json::to_string(&message.blocks).unwrap_or_default();
            blocks.contains(&format!("\"action_id\":\"{action}\""))
        };
        let found = thread.iter().rev().find(shows);
        found.unwrap_or_else(|| panic!("{run} has no button {action}")).clone()
    }

    /// Switches all rules of an environment by hand, behind the bot's back.
    pub fn set_all(&self, environment: &str, state: RuleState) {
        let environment = &self.config.environments[environment];
        for rule in &environment.rules {
            assert!(self.aws.set_rule_state(&environment.bus, &rule.rule, state));
        }
    }

    /// Whether the rule is enabled, by its short name.
    pub fn is_enabled(&self, environment: &str, rule: &str) -> bool {
        let environment = &self.config.environments[environment];
        let rule = &environment.rule(rule).unwrap().rule;
        self.aws.rule_state(&environment.bus, rule).unwrap() == RuleState::Enabled
    }

    /// The short names of the enabled rules, in order.
    pub fn enabled(&self, environment: &str) -> Vec<&str> {
        let rules = &self.config.environments[environment].rules;
        rules.iter().map(|rule| rule.name.as_str()).filter(|rule| self.is_enabled(environment, rule)).collect()
    }

    /// The changing calls that AWS has carried out, as `EnableRule alchemiser-…`, in order.
    pub fn changes(&self) -> Vec<String> {
        let changing = ["EnableRule", "DisableRule"];
        self.aws
            .calls()
            .into_iter()
            .filter(|call| changing.contains(&call.operation.as_str()))
            .filter(|call| matches!(call.outcome, CallOutcome::Answered | CallOutcome::AnswerLost))
            .map(|call| format!("{} {}", call.operation, call.request["Name"].as_str().unwrap_or_default()))
            .collect()
    }

    /// Nothing that Slack was told, and nothing that is kept, has a secret in it or calls everybody.
    fn refuse_leaks(&self) {
        let secrets = self.emulators.secrets(self.database.clone());
        let slack = [secrets.slack_signing_secret, secrets.slack_bot_token, secrets.slack_app_token];
        let all: Vec<_> = slack.into_iter().chain([secrets.step_up_key, secrets.audit_key]).flatten().collect();
        let all: Vec<&str> = all.iter().map(ExposeSecret::expose_secret).collect();
        assert_eq!(all.len(), 5);
        let told = leaks::told(&self.slack);
        let kept = leaks::database_bytes(&self.database);
        assert!(!kept.is_empty() || !self.database.starts_with("sqlite:"), "the database is looked at");
        leaks::refuse_secrets(&all, &[("Slack", told.as_bytes()), ("the database", &kept)]);
        leaks::refuse_shouts(&self.slack);
    }

    async fn end(&mut self) {
        self.settle().await;
        for run in self.store().recent_runs(None, 100).await.unwrap() {
            assert!(run.ended.is_some(), "{} is left running", run.id);
        }
        for environment in self.config.environments.keys() {
            assert_eq!(self.store().holder(environment).await.unwrap(), None, "{environment} is left locked");
        }
        let keys = self.emulators.secrets(self.database.clone()).audit_key.as_ref().map(AuditKeys::read);
        assert_eq!(self.store().check_chain(keys.as_ref()).await.unwrap().problems, Vec::<String>::new());
        assert!(self.aws.unknown_calls().is_empty(), "{:?}", self.aws.unknown_calls());
        assert!(self.slack.unspent_failures().is_empty(), "{:?}", self.slack.unspent_failures());
        self.refuse_leaks();
        let unbused: Vec<_> = self
            .aws
            .calls()
            .into_iter()
            .filter(|call| {
                ["EnableRule", "DisableRule", "DescribeRule", "ListRules"].contains(&call.operation.as_str())
            })
            .filter(|call| call.request["EventBusName"].as_str().is_none_or(str::is_empty))
            .collect();
        assert!(unbused.is_empty(), "without a bus AWS means the default one: {unbused:?}");
        let bot = self.bot.take().expect("the bot runs");
        bot.stop.cancel();
        drop(bot.store);
        bot.runtime.shutdown_background();
    }
}

impl Person<'_> {
    pub fn id(&self) -> &'static str {
        self.id
    }

    /// Types a command into the channel, and waits until the bot has done what it can do now.
    pub async fn types(&self, text: &str) -> Delivered {
        let delivered = self.world.slack.types(self.id, &format!("/alch {text}")).await;
        self.world.settle().await;
        delivered
    }

    /// Writes into the thread of a run.
    pub async fn says_in_thread(&self, run: RunId, text: &str) -> Delivered {
        let card = self.world.card(run).await;
        let delivered = self.world.slack.says(self.id, &card.channel, Some(&card.ts), text).await;
        self.world.settle().await;
        delivered
    }

    /// Writes to the bot directly.
    pub async fn says_directly(&self, text: &str) -> Delivered {
        let channel = alch::sandbox::slack::WorkspaceSpec::direct_message(self.id);
        let delivered = self.world.slack.says(self.id, &channel, None, text).await;
        self.world.settle().await;
        delivered
    }

    /// Presses a button of a message.
    pub async fn clicks(&self, message: &Message, action: &str) -> Delivered {
        let delivered = self.world.slack.clicks(self.id, &message.ts, action).await;
        self.world.settle().await;
        delivered
    }

    /// Presses a button of a message as it was.
    pub async fn clicks_stale(&self, message: &Message, action: &str) -> Delivered {
        let delivered = self.world.slack.clicks_stale(self.id, message, action).await;
        self.world.settle().await;
        delivered
    }

    /// Fills in the form that is open and sends it.
    pub async fn gives_reason(&self, reason: &str) -> Delivered {
        let form = self.world.slack.views(self.id).pop().expect("a form is open");
        let values = serde_json::json!({"reason": {"reason": reason}});
        let delivered = self.world.slack.submits(self.id, &form.id, values).await;
        self.world.settle().await;
        delivered
    }

    /// The newest of what only this person sees.
    pub fn saw(&self) -> String {
        self.world.slack.ephemerals(self.id).pop().map(|message| message.text).unwrap_or_default()
    }

    /// What only this person sees.
    pub fn sees(&self) -> String {
        without_milliseconds(&self.world.slack.ephemeral_transcript(self.id))
    }
}

/// How long calls take is real time, which no two runs share.
fn without_milliseconds(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(|character: char| character.is_ascii_digit()) {
        let (before, number) = rest.split_at(at);
        out.push_str(before);
        let end = number.find(|character: char| !character.is_ascii_digit()).unwrap_or(number.len());
        let (digits, after) = number.split_at(end);
        // Nor do two runs share the timestamp of a message: who posts first at the same moment is nobody's promise.
        let is_message = digits.len() == 10 && after.starts_with('.');
        out.push_str(if after.starts_with(" ms") || is_message { "N" } else { digits });
        rest = if is_message { after[1..].trim_start_matches(|digit: char| digit.is_ascii_digit()) } else { after };
    }
    out.push_str(rest);
    // A line that is cut is cut where their digits let it be.
    let whole_words = |line: &str| match line.strip_suffix('…').and_then(|cut| cut.rsplit_once(' ')) {
        Some((words, _)) if words.contains("N ms") => format!("{words} …"),
        _ => line.to_owned(),
    };
    out.split('\n').map(whole_words).collect::<Vec<_>>().join("\n")
}
