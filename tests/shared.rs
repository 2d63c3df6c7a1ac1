//! Several real servers on one PostgreSQL: one is killed, frozen, cut off from the database or stopped, and another goes on
//! with what it had; nothing is done twice, and nothing is told twice.
#![cfg(feature = "sandbox")]
#![expect(clippy::unwrap_used, reason = "a story that cannot go on panics, in its helpers too")]

mod support {
    pub mod postgres;
    pub mod required;
    pub mod server;
}

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alch::domain::RunId;
use alch::sandbox::aws::{ApiFault, Failure, RuleState};
use support::postgres::{Postgres, postgres};
use support::server::{ALICE, BOB, By, Process, Stage, get, until};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

const R1: RunId = RunId(1);
/// Within so long another process goes on with what a dead one had.
const TAKEN_OVER: Duration = Duration::from_secs(15);
/// A rule of these stories takes about three seconds, so that there is something to be in the middle of.
const WAITS: [(&str, &str); 2] =
    [("ALCH__ENVIRONMENTS__DEV__WAITS__AFTER_ENABLE", "2s"), ("ALCH__ENVIRONMENTS__DEV__WAITS__SETTLE", "800ms")];

/// Two servers and what they stand on; none where PostgreSQL is not installed.
struct Two {
    stage: Stage,
    first: Process,
    second: Process,
    urls: [String; 2],
    _postgres: Arc<Postgres>,
}

impl Two {
    async fn start(by: By) -> Option<Self> {
        let postgres = postgres()?;
        let url = postgres.database().await;
        Some(Self::on(postgres, by, &url, &url).await)
    }

    /// The first one reaches the database by an address of its own.
    async fn on(postgres: Arc<Postgres>, by: By, of_first: &str, url: &str) -> Self {
        let mut stage = Stage::with(by, &WAITS).await;
        stage.variables.insert("DATABASE_URL".to_owned(), url.to_owned());
        let mut first = stage.spawn_server_on(of_first);
        // It is the one that tells, and that Slack speaks to at first.
        let first_url = stage.address_of(&mut first).await.unwrap();
        until("the first one tells", async || stage.number("SELECT count(*) FROM duties").await > 0).await;
        let mut second = stage.spawn_server();
        let second_url = stage.address_of(&mut second).await.unwrap();
        let two = Self { stage, first, second, urls: [first_url, second_url], _postgres: postgres };
        if by == By::Http {
            two.deliver_to(0);
        }
        two
    }

    /// The first one has asked AWS to turn a rule on, and waits for an answer that does not come; its SDK would ask again.
    /// The second one was away until now.
    async fn in_the_middle_of_an_act(&self) {
        self.second.freeze();
        let hangs = ApiFault { operation: "EnableRule".to_owned(), times: 1, how: Failure::Hang };
        self.stage.aws.inject(hangs);
        assert!(self.stage.slack.types(ALICE, "/alch enable signal-generated dev").await.is_ok());
        until("it acts", async || self.stage.changes_asked() == 1).await;
        self.second.thaw();
        self.deliver_to(1);
    }

    /// The second one has done it, once, and the first one, when it is back, nothing more.
    async fn done_by_the_second_alone(&self) {
        let (card, _) = self.stage.told(R1).await;
        assert!(card.text.contains("succeeded"), "{}", card.text);
        assert_eq!(self.stage.changes_asked(), 2, "once without an effect, and once by the other");
        self.told_once();
    }

    fn deliver_to(&self, which: usize) {
        self.stage.slack.deliver_to(&format!("{}/slack/events", self.urls[which]));
    }

    fn rules(&self) -> Vec<String> {
        self.stage.config.environment("dev").unwrap().rules.iter().map(|rule| rule.name.clone()).collect()
    }

    fn enabled(&self) -> usize {
        self.rules().iter().filter(|rule| self.stage.is_enabled("dev", rule)).count()
    }

    /// Waits until the run has ended, and sees to it that all was done and told once.
    async fn ended_well(&self) {
        let (card, _) = self.stage.told(R1).await;
        assert!(card.text.contains("succeeded"), "{}", card.text);
        assert_eq!(self.enabled(), self.rules().len());
        assert_eq!(self.stage.changes_asked(), self.rules().len(), "each rule was enabled once");
        self.told_once();
    }

    fn told_once(&self) {
        let mut times: BTreeMap<String, usize> = BTreeMap::new();
        for (key, _) in self.stage.messages_of(R1) {
            *times.entry(key).or_default() += 1;
        }
        for (caption, _) in self.stage.thread_of(R1).into_iter().filter(|(_, picture)| *picture) {
            *times.entry(caption).or_default() += 1;
        }
        assert!(times.values().all(|times| *times == 1), "{times:?}\n{}", self.stage.slack.transcript());
    }

    /// How many of the processes that are taken for alive are this one.
    async fn is_known(&self, process: &Process) -> bool {
        self.owners("replicas", "name").await.iter().any(|name| name.starts_with(&format!("{}-", process.id())))
    }

    async fn owners(&self, table: &str, column: &str) -> Vec<String> {
        use sqlx::{Connection, Row};
        let mut connection = sqlx::AnyConnection::connect(&self.stage.variables["DATABASE_URL"]).await.unwrap();
        let sql = sqlx::AssertSqlSafe(format!("SELECT {column} FROM {table}"));
        let rows = sqlx::query(sql).fetch_all(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        rows.iter().map(|row| row.try_get(0).unwrap()).collect()
    }

    /// Waits until this process has the duty of telling.
    async fn tells(&self, process: &Process) {
        let mark = format!("{}-", process.id());
        until("the other one tells", async || {
            self.owners("duties", "owner").await.iter().any(|owner| owner.starts_with(&mark))
        })
        .await;
    }
}

/// A way to the database that can be cut: then nothing comes through, and nobody says so.
struct Line {
    url: String,
    address: String,
    listening: tokio::task::JoinHandle<()>,
    is_cut: watch::Sender<bool>,
}

impl Line {
    async fn to(url: &str) -> Self {
        Self::at("127.0.0.1:0", url).await
    }

    /// By this address.
    async fn at(address: &str, url: &str) -> Self {
        let (before, rest) = url.split_once("127.0.0.1:").unwrap();
        let (port, name) = rest.split_once('/').unwrap();
        let upstream = format!("127.0.0.1:{port}");
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let url = format!("{before}{address}/{name}");
        let is_cut = watch::Sender::new(false);
        let watching = is_cut.subscribe();
        let listening = tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (upstream, mut is_cut) = (upstream.clone(), watching.clone());
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(upstream).await.unwrap();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => return,
                        _ = is_cut.wait_for(|cut| *cut) => {}
                    }
                    // Both ends stay open until it is mended, and are lost then.
                    let _ = is_cut.wait_for(|cut| !*cut).await;
                });
            }
        });
        Self { url, address, listening, is_cut }
    }

    fn cut(&self) {
        self.is_cut.send_replace(true);
    }

    fn mend(&self) {
        self.is_cut.send_replace(false);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_one_loses_everything_to_the_other_in_time_and_nothing_is_done_twice() {
    for by in [By::Http, By::Socket] {
        let Some(mut two) = Two::start(by).await else { return };
        assert!(two.stage.slack.types(ALICE, "/alch enable all dev").await.is_ok());
        until("the first rule is on", async || two.enabled() > 0).await;
        two.first.kill();
        let killed = Instant::now();
        if by == By::Http {
            two.deliver_to(1);
        }
        two.tells(&two.second).await;
        assert!(killed.elapsed() < TAKEN_OVER, "{:?}", killed.elapsed());
        two.ended_well().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_one_does_not_act_on_what_it_had_when_it_comes_back() {
    let Some(two) = Two::start(By::Http).await else { return };
    two.in_the_middle_of_an_act().await;
    two.first.freeze();
    let frozen = Instant::now();
    until("the other one has done it", async || two.enabled() == 1).await;
    assert!(frozen.elapsed() < TAKEN_OVER, "{:?}", frozen.elapsed());
    two.first.thaw();
    until("the first one is back, under another name", async || two.is_known(&two.first).await).await;
    two.done_by_the_second_alone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_cut_off_from_the_database_stops_acting_before_the_other_begins() {
    let Some(postgres) = postgres() else { return };
    let url = postgres.database().await;
    let line = Line::to(&url).await;
    let two = Two::on(postgres, By::Http, &line.url, &url).await;
    two.in_the_middle_of_an_act().await;
    line.cut();
    let cut = Instant::now();
    until("the other one has done it", async || two.enabled() == 1).await;
    assert!(cut.elapsed() < TAKEN_OVER, "{:?}", cut.elapsed());
    line.mend();
    until("the first one is back, under another name", async || two.is_known(&two.first).await).await;
    two.done_by_the_second_alone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_finds_no_database_rolls_back_all_the_same_and_goes_on_when_it_is_there() {
    let Some(postgres) = postgres() else { return };
    let url = postgres.database().await;
    let line = Line::to(&url).await;
    let (address, by_line) = (line.address.clone(), line.url.clone());
    // Nobody answers there any more.
    drop(line);
    let mut stage = Stage::with(By::Http, &WAITS).await;
    stage.variables.insert("DATABASE_URL".to_owned(), url.clone());
    let mut server = stage.spawn_server_on(&by_line);
    let at = stage.address_of(&mut server).await.expect("it serves");
    let ready = async || get(&format!("{at}/readyz")).await.unwrap();
    let said = ready().await;
    assert!(said.status == 503 && said.body.contains("\"database\":\"does not answer"), "{said:?}");
    let typed = stage.slack.types(ALICE, "/alch enable signal-generated dev").await;
    assert!(typed.body.contains("could not be recorded, so nothing was done"), "{typed:?}");
    let dev = stage.config.environment("dev").unwrap();
    for rule in &dev.rules {
        assert!(stage.aws.set_rule_state(&dev.bus, &rule.rule, RuleState::Enabled));
    }
    assert!(stage.slack.types(ALICE, "/alch rollback dev").await.is_ok());
    until("all rules are off", async || dev.rules.iter().all(|rule| !stage.is_enabled("dev", &rule.name))).await;
    let _line = Line::at(&address, &url).await;
    until("it is ready", async || ready().await.body.contains("\"database\":\"ok\"")).await;
    let (card, _) = stage.told(R1).await;
    assert!(card.text.contains("R-1 · rollback · dev"), "it is journalled late: {}", card.text);
    assert!(stage.slack.types(ALICE, "/alch enable signal-generated dev").await.is_ok());
    let (card, _) = stage.told(RunId(2)).await;
    assert!(card.text.contains("succeeded"), "{}", card.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_in_the_middle_of_a_run_delays_it() {
    let Some(postgres) = postgres() else { return };
    let url = postgres.database().await;
    let line = Line::to(&url).await;
    let mut stage = Stage::with(By::Http, &WAITS).await;
    stage.variables.insert("DATABASE_URL".to_owned(), url);
    let mut server = stage.spawn_server_on(&line.url);
    let at = stage.address_of(&mut server).await.unwrap();
    let rules: Vec<String> =
        stage.config.environment("dev").unwrap().rules.iter().map(|rule| rule.name.clone()).collect();
    let enabled = || rules.iter().filter(|rule| stage.is_enabled("dev", rule)).count();
    assert!(stage.slack.types(ALICE, "/alch enable all dev").await.is_ok());
    until("the first rule is on", async || enabled() == 1).await;
    line.cut();
    server.line("the lease could not be renewed").await.expect("the log says so");
    let ready = get(&format!("{at}/readyz")).await.unwrap();
    assert!(ready.status == 503 && ready.body.contains("does not answer"), "{ready:?}");
    assert_eq!(enabled(), 1, "what cannot be recorded is not done");
    let typed = stage.slack.types(BOB, "/alch cancel R-1").await;
    assert!(typed.body.contains("could not be recorded, so nothing was done"), "{typed:?}");
    line.mend();
    let (card, _) = stage.told(R1).await;
    assert!(card.text.contains("succeeded"), "{}", card.text);
    assert_eq!((enabled(), stage.changes_asked()), (rules.len(), rules.len()), "each rule was enabled once");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_stops_hands_over_at_once() {
    let Some(mut two) = Two::start(By::Http).await else { return };
    assert!(two.stage.slack.types(ALICE, "/alch enable all dev").await.is_ok());
    until("the first rule is on", async || two.enabled() > 0).await;
    two.deliver_to(1);
    two.first.terminate();
    let asked = Instant::now();
    assert!(two.first.exit().await.success());
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    two.tells(&two.second).await;
    assert!(!two.is_known(&two.first).await, "nobody has to wait for its lease");
    two.ended_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_click_may_come_to_any_of_them() {
    let Some(two) = Two::start(By::Http).await else { return };
    assert!(two.stage.slack.types(ALICE, "/alch enable all dev").await.is_ok());
    let card = two.stage.card(R1).await;
    until("the first rule is on", async || two.enabled() > 0).await;
    two.deliver_to(1);
    assert!(two.stage.slack.clicks(BOB, &card.ts, "cancel").await.is_ok());
    let (card, _) = two.stage.told(R1).await;
    assert!(card.text.contains("cancelled"), "{}", card.text);
    two.told_once();
    let mut telling = 0;
    for url in &two.urls {
        let metrics = get(&format!("{url}/metrics")).await.unwrap().body;
        for shown in ["alch_replicas 2.0\n", "alch_outbox_runs_behind 0.0\n", "alch_lease_left_seconds "] {
            assert!(metrics.contains(shown), "{shown}: {metrics}");
        }
        telling += metrics.matches("alch_duty{duty=\"telling\"} 1.0\n").count();
    }
    assert_eq!(telling, 1, "one of them tells Slack");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_one_has_acknowledged_is_done_by_the_other() {
    let Some(mut two) = Two::start(By::Http).await else { return };
    // The second one has nothing to do with it before the first is dead.
    two.second.freeze();
    let mut acknowledged = 0;
    for user in [ALICE, BOB] {
        let typed = two.stage.slack.types(user, "/alch verify dev").await;
        acknowledged += usize::from(typed.is_ok());
    }
    two.first.kill();
    two.second.thaw();
    assert_eq!(acknowledged, 2);
    for run in [R1, RunId(2)] {
        two.stage.told(run).await;
    }
    assert_eq!(two.stage.number("SELECT count(*) FROM inbox WHERE done_at IS NULL").await, 0);
    assert_eq!(two.stage.number("SELECT count(*) FROM runs").await, 2);
}
