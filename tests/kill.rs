//! What survives `kill -9`: the real program is killed at random and at chosen moments and started again on the same
//! database, and afterwards nothing is missing, nothing is there twice, and nothing is stuck.
#![cfg(feature = "sandbox")]
#![expect(clippy::unwrap_used, reason = "a story that cannot go on panics, in its helpers too")]

mod support {
    pub mod server;
}

use std::collections::BTreeMap;
use std::time::Duration;

use alch::domain::{Actor, Event, Outcome, Recorded, Run, RunId};
use alch::sandbox::aws::{ApiFault, Failure, RuleState};
use alch::sandbox::slack::Message;
use alch::slack::view::{self, ViewContext};
use alch::store::Store;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use support::server::{ALICE, BOB, By, CAROL, Process, Server, Stage, until};
use tokio::time::Instant;

/// How often the program is killed in the main story.
const KILLS: usize = 24;
/// The waits of the main story: one run of four rules lasts four times their sum at least, however fast all else is.
const AFTER_ENABLE: Duration = Duration::from_millis(2_500);
const SETTLE: Duration = Duration::from_millis(700);

/// The seed of this run's random moments: `ALCH_TEST_SEED`, or a new one. It is printed, to have a failure again.
fn random() -> StdRng {
    let seed = match std::env::var("ALCH_TEST_SEED") {
        Ok(seed) => seed.parse().expect("ALCH_TEST_SEED is a number"),
        Err(_) => rand::random::<u32>().into(),
    };
    eprintln!("ALCH_TEST_SEED={seed}");
    StdRng::seed_from_u64(seed)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_on_where_it_was_however_often_and_whenever_the_process_is_killed() {
    let mut random = random();
    let waits = [AFTER_ENABLE, SETTLE].map(|wait| format!("{}ms", wait.as_millis()));
    let stage = Stage::with(
        By::Http,
        &[
            ("ALCH__ENVIRONMENTS__DEV__WAITS__AFTER_ENABLE", &waits[0]),
            ("ALCH__ENVIRONMENTS__DEV__WAITS__SETTLE", &waits[1]),
        ],
    )
    .await;
    let rules = u32::try_from(stage.config.environment("dev").unwrap().rules.len()).unwrap();
    let shortest = (AFTER_ENABLE + SETTLE) * rules;
    let mut process = stage.serve().await.process;
    let typed = stage.slack.types(ALICE, "/alch enable all dev").await;
    assert_eq!((typed.http_status, typed.error), (200, None));
    let begun = Instant::now();
    let mut moments: Vec<Duration> = (0..KILLS).map(|_| random.random_range(Duration::ZERO..shortest)).collect();
    moments.sort();
    for moment in moments {
        tokio::time::sleep_until(begun + moment).await;
        process.kill();
        process = stage.spawn_server();
    }
    assert_it_ended_as_if_never_killed(&stage, process).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_survives_a_kill_right_after_each_of_its_effects() {
    let settings = [("AFTER_ENABLE", "400ms"), ("POLL", "100ms"), ("SETTLE", "300ms")]
        .map(|(wait, lasting)| (format!("ALCH__ENVIRONMENTS__DEV__WAITS__{wait}"), lasting));
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, lasting)| (name.as_str(), *lasting)).collect();
    let stage = Stage::with(By::Http, &settings).await;
    let mut process = stage.serve().await.process;
    let rules: Vec<String> =
        stage.config.environment("dev").unwrap().rules.iter().map(|rule| rule.name.clone()).collect();
    let effects = || {
        let enabled = rules.iter().filter(|rule| stage.is_enabled("dev", rule)).count();
        enabled + usize::try_from(stage.slack.posts()).unwrap()
    };
    assert!(stage.slack.types(ALICE, "/alch enable all dev").await.is_ok());
    // The four rules, the card, the plan, the four gates and the end, each of these with its chart.
    let expected = rules.len() + 1 + 1 + 2 * (rules.len() + 1);
    let mut kills = 0;
    let mut seen = 0;
    while seen < expected {
        until("the next effect", async || effects() > seen).await;
        process.kill();
        seen = effects();
        kills += 1;
        process = stage.spawn_server();
    }
    assert!(kills > rules.len(), "{kills} kills");
    assert_it_ended_as_if_never_killed(&stage, process).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledged_command_becomes_one_run_and_another_at_most_one() {
    let mut random = random();
    for by in [By::Http, By::Socket] {
        commands_typed_around_a_kill(by, &mut random).await;
    }
}

async fn commands_typed_around_a_kill(by: By, random: &mut StdRng) {
    let stage = Stage::with(by, &[]).await;
    let (mut acknowledged, mut unanswered) = (0, 0);
    let mut expected: BTreeMap<(String, String), (usize, usize)> = BTreeMap::new();
    for _ in 0..5 {
        let mut server = stage.serve().await;
        let typed =
            [ALICE, BOB, CAROL].into_iter().flat_map(|user| ["dev", "prod"].map(|environment| (user, environment)));
        let typing: Vec<_> = typed
            .map(|(user, environment)| {
                let slack = stage.slack.clone();
                tokio::spawn(async move {
                    let told = slack.types(user, &format!("/alch verify {environment}")).await;
                    (user, environment, told.http_status)
                })
            })
            .collect();
        tokio::time::sleep(random.random_range(Duration::ZERO..Duration::from_millis(80))).await;
        server.process.kill();
        for typed in typing {
            let (user, environment, status) = typed.await.unwrap();
            assert!(matches!(status, 0 | 200), "{status}");
            let (least, most) = expected.entry((user.to_owned(), environment.to_owned())).or_default();
            *most += 1;
            if status == 200 {
                *least += 1;
                acknowledged += 1;
            } else {
                unanswered += 1;
            }
        }
    }
    eprintln!("{by:?}: {acknowledged} commands were acknowledged, {unanswered} were not answered");
    let mut server = stage.serve().await;
    until("every request is settled and every run has ended", async || {
        stage.number("SELECT count(*) FROM inbox WHERE done_at IS NULL").await == 0
            && stage.number("SELECT count(*) FROM runs WHERE live = 1").await == 0
    })
    .await;
    server.process.kill();
    let store = stage.store().await;
    assert_eq!(store.verify_chain().await.unwrap(), Vec::<String>::new());
    let mut runs: BTreeMap<(String, String), usize> = BTreeMap::new();
    for run in store.recent_runs(None, 1_000).await.unwrap() {
        let Actor::Slack { user, .. } = run.actor else { panic!("{:?}", run.actor) };
        *runs.entry((user, run.environment)).or_default() += 1;
    }
    for (asked, (least, most)) in expected {
        let runs = runs.remove(&asked).unwrap_or_default();
        assert!((least..=most).contains(&runs), "{asked:?}: {runs} runs of {least} acknowledged and {most} typed");
    }
    assert_eq!(runs, BTreeMap::new(), "runs that nobody asked for");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_start_that_is_killed_leaves_nothing_in_the_way_of_the_next() {
    let mut random = random();
    let stage = Stage::new().await;
    for _ in 0..12 {
        for entry in std::fs::read_dir(stage.directory.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.to_string_lossy().contains("alch.db") {
                std::fs::remove_file(path).unwrap();
            }
        }
        let mut process = stage.spawn_server();
        tokio::time::sleep(Duration::from_micros(random.random_range(0..60_000))).await;
        process.kill();
        let mut server = stage.serve().await;
        server.process.kill();
    }
    let server = stage.serve().await;
    assert!(stage.slack.types(ALICE, "/alch verify dev").await.is_ok());
    stage.told(RunId(1)).await;
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_that_is_killed_half_way_is_finished_by_the_next_start() {
    let stage = Stage::with(By::Http, &[("ALCH__ENVIRONMENTS__DEV__WAITS__AFTER_ENABLE", "10m")]).await;
    let dev = stage.config.environment("dev").unwrap().clone();
    let mut server = stage.serve().await;
    assert!(stage.slack.types(ALICE, "/alch enable all dev").await.is_ok());
    until("the first rule is on", async || stage.is_enabled("dev", &dev.rules[0].name)).await;
    for rule in &dev.rules[1..] {
        stage.aws.set_rule_state(&dev.bus, &rule.rule, RuleState::Enabled);
    }
    let hanging = 2;
    stage.aws.inject(ApiFault { operation: "DisableRule".to_owned(), times: hanging, how: Failure::Hang });
    assert!(stage.slack.types(CAROL, "/alch rollback dev").await.is_ok());
    until("the rollback hangs, half done", async || {
        let enabled = dev.rules.iter().filter(|rule| stage.is_enabled("dev", &rule.name)).count();
        stage.aws.faults_left().is_empty() && enabled == usize::try_from(hanging).unwrap()
    })
    .await;
    server.process.kill();
    assert_eq!(dev.rules.iter().filter(|rule| stage.is_enabled("dev", &rule.name)).count(), 2, "killed in the middle");
    let server = stage.serve().await;
    until("all rules are off", async || dev.rules.iter().all(|rule| !stage.is_enabled("dev", &rule.name))).await;
    let (card, _) = stage.told(RunId(2)).await;
    assert!(card.text.contains("succeeded"), "{}", card.text);
    stage.told(RunId(1)).await;
    stop(server).await;
    assert_nothing_lost_nothing_twice(&stage, RunId(1), Outcome::Preempted).await;
    assert_nothing_lost_nothing_twice(&stage, RunId(2), Outcome::Succeeded).await;
    assert!(dev.rules.iter().all(|rule| !stage.is_enabled("dev", &rule.name)));
    // Only the run that was there is told of: the interrupted rollback is not another one.
    let store = stage.store().await;
    assert_eq!(store.recent_runs(None, 10).await.unwrap().len(), 2);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_that_is_killed_as_it_begins_is_done_by_the_next_start() {
    let mut random = random();
    let stage = Stage::new().await;
    let dev = stage.config.environment("dev").unwrap().clone();
    for round in 1..=4 {
        for rule in &dev.rules {
            stage.aws.set_rule_state(&dev.bus, &rule.rule, RuleState::Enabled);
        }
        let mut server = stage.serve().await;
        let (slack, by) = (stage.slack.clone(), Duration::from_millis(random.random_range(0..60)));
        let typing = tokio::spawn(async move { slack.types(CAROL, "/alch rollback dev").await });
        tokio::time::sleep(by).await;
        server.process.kill();
        let acknowledged = typing.await.unwrap().http_status == 200;
        eprintln!("round {round}: killed {by:?} after it was typed, acknowledged: {acknowledged}");
        let mut server = stage.serve().await;
        if acknowledged {
            until("all rules are off", async || dev.rules.iter().all(|rule| !stage.is_enabled("dev", &rule.name)))
                .await;
        }
        until("what was recorded is settled", async || {
            stage.number("SELECT count(*) FROM inbox WHERE done_at IS NULL").await == 0
                && stage.number("SELECT count(*) FROM runs WHERE live = 1").await == 0
        })
        .await;
        server.process.kill();
        let store = stage.store().await;
        assert_eq!(store.verify_chain().await.unwrap(), Vec::<String>::new());
        assert_eq!(store.holder("dev").await.unwrap(), None);
        let runs = store.recent_runs(None, 100).await.unwrap();
        assert!(runs.len() <= round, "a rollback became several runs");
        for run in runs {
            let ended = run.ended.unwrap();
            assert_eq!(ended.outcome, Outcome::Succeeded, "{}", ended.summary);
        }
        store.close().await;
    }
}

async fn stop(mut server: Server) {
    server.process.terminate();
    assert!(server.process.exit().await.success());
}

/// The journal is whole, and Slack has each message of it once, in its order.
async fn assert_nothing_lost_nothing_twice(stage: &Stage, run: RunId, outcome: Outcome) {
    let store = stage.store().await;
    let journal = whole_journal(&store, run).await;
    let folded = Run::from_journal(&journal).unwrap();
    let ended = folded.ended.clone().unwrap();
    assert_eq!(ended.outcome, outcome, "{}", ended.summary);
    assert_eq!(store.holder(&folded.environment).await.unwrap(), None, "the lock is free");
    let context = ViewContext {
        environments: &stage.config.environments,
        card_refresh: stage.config.slack.card_refresh,
        contacts: (
            stage.config.contacts.primary.as_deref().unwrap_or_default(),
            stage.config.contacts.escalation.as_deref().unwrap_or_default(),
        ),
        command_word: &stage.config.slack.command,
    };
    let told: Vec<(String, bool)> = view::thread(&journal, &context)
        .into_iter()
        .map(|told| match told.chart {
            Some(chart) => (chart.caption, true),
            None => (told.message.text, false),
        })
        .collect();
    assert_eq!(stage.thread_of(run), told, "the thread is the journal: no gap, no duplicate, the same order");
    let mut messages: BTreeMap<String, Vec<Message>> = BTreeMap::new();
    for (key, message) in stage.messages_of(run) {
        messages.entry(key).or_default().push(message);
    }
    assert!(messages.values().all(|same| same.len() == 1), "{messages:?}");
    assert_eq!(messages["card"][0].text, view::card(&folded, &context, ended.at).text, "the card shows the end");
    store.close().await;
}

async fn whole_journal(store: &Store, run: RunId) -> Vec<Recorded> {
    assert_eq!(store.verify_chain().await.unwrap(), Vec::<String>::new());
    let journal = store.journal(run).await.unwrap();
    let numbers: Vec<i64> = journal.iter().map(|recorded| recorded.seq).collect();
    assert_eq!(numbers, (1..=i64::try_from(journal.len()).unwrap()).collect::<Vec<_>>());
    assert!(matches!(journal.last().unwrap().event, Event::Ended { .. }), "{:?}", journal.last());
    let ends = journal.iter().filter(|recorded| matches!(recorded.event, Event::Ended { .. })).count();
    assert_eq!(ends, 1, "it ended once");
    journal
}

/// Each rule was enabled in its turn and is on. A call that a kill interrupted may have been made again, once.
fn assert_enabled_in_order(stage: &Stage) {
    let dev = stage.config.environment("dev").unwrap();
    let calls = stage.aws.calls();
    let enables = calls.iter().filter(|call| call.operation == "EnableRule");
    let asked: Vec<&str> = enables.map(|call| call.request["Name"].as_str().unwrap()).collect();
    let mut order = asked.clone();
    order.dedup();
    assert_eq!(order, dev.rules.iter().map(|rule| rule.rule.as_str()).collect::<Vec<_>>());
    for rule in &dev.rules {
        assert!(stage.is_enabled("dev", &rule.name), "{} is on", rule.name);
        let times = asked.iter().filter(|name| **name == rule.rule).count();
        assert!(times <= 2, "{} was enabled {times} times", rule.name);
    }
    assert_eq!(calls.iter().filter(|call| call.operation == "DisableRule").count(), 0);
}

/// What has to hold after the last kill.
async fn assert_it_ended_as_if_never_killed(stage: &Stage, mut process: Process) {
    stage.told(RunId(1)).await;
    // Before it serves, nothing has to be stopped in order.
    let url = stage.address_of(&mut process).await.expect("it serves after the last kill");
    stop(Server { process, url }).await;
    assert_nothing_lost_nothing_twice(stage, RunId(1), Outcome::Succeeded).await;
    assert_enabled_in_order(stage);
    assert_the_next_run_works(stage).await;
}

async fn assert_the_next_run_works(stage: &Stage) {
    let next = stage.alch(&["run", "--yes", "disable all dev"]).await;
    assert_eq!(next.code, Some(0), "{next:?}");
    let dev = stage.config.environment("dev").unwrap();
    assert!(dev.rules.iter().all(|rule| !stage.is_enabled("dev", &rule.name)));
}
