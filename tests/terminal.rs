//! `alch run`, `check` and `manifest`: what a person or a pipeline at a terminal sees of the real program.
#![cfg(feature = "sandbox")]
#![expect(clippy::unwrap_used, reason = "a story that cannot go on panics, in its helpers too")]

mod support {
    pub mod server;
}

use std::time::{Duration, Instant};

use alch::domain::{Outcome, Recorded, RunId};
use alch::sandbox::aws::{ApiFault, Failure, RuleState};
use serde_json::Value;
use support::server::{ALICE, By, Finished, Stage, get, until};

const ENABLE: [&str; 3] = ["run", "enable signal-generated dev", "--yes"];

#[tokio::test(flavor = "multi_thread")]
async fn a_run_from_a_terminal_prints_its_journal_as_it_grows() {
    let stage = Stage::with(By::Http, &[("ALCH__ENVIRONMENTS__DEV__WAITS__AFTER_ENABLE", "3s")]).await;
    let mut process = stage.spawn(&ENABLE);
    process.line("enabled signal-generated (disabled → enabled").await.expect("the act is printed");
    assert!(!process.stdout().contains("succeeded"), "while the run goes on:\n{}", process.stdout());
    assert_eq!(process.exit().await.code(), Some(0), "{}", process.stdout());
    let told = process.stdout();
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[0].ends_with("R-1: ada (terminal) asked: enable signal-generated dev"), "{told}");
    assert!(lines[lines.len() - 1].contains("succeeded"), "{told}");
    assert!(stage.is_enabled("dev", "signal-generated"));
    let (card, _) = stage.told(RunId(1)).await;
    assert!(card.text.contains("succeeded"), "Slack is told as well: {}", card.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_on_when_nobody_reads_any_more() {
    let stage = Stage::new().await;
    let (read, write) = std::io::pipe().unwrap();
    drop(read);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_alch"));
    command.args(ENABLE).env_clear().envs(&stage.variables).stdin(std::process::Stdio::null()).stdout(write);
    let done = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(stage.is_enabled("dev", "signal-generated"));
    assert!(stage.told(RunId(1)).await.0.text.contains("succeeded"));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_json_each_line_is_an_event_of_the_journal() {
    let mut stage = Stage::new().await;
    stage.variables.remove("SLACK_BOT_TOKEN");
    let done = stage.alch(&["run", "--json", "--yes", "enable", "signal-generated", "dev"]).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    let events: Vec<Value> = done.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let store = stage.store().await;
    let journal = store.journal(RunId(1)).await.unwrap();
    store.close().await;
    let (summary, events) = events.split_last().unwrap();
    assert_eq!(events, journal.iter().map(|recorded| serde_json::to_value(recorded).unwrap()).collect::<Vec<_>>());
    assert_eq!(events[0]["event"]["kind"], "requested");
    assert_eq!(events[events.len() - 1]["event"]["kind"], "ended");
    assert_eq!(summary["kind"], "summary", "the last line says how it ended");
    assert_eq!((&summary["run"], &summary["outcome"]), (&events[0]["run"], &Value::from("succeeded")));
    assert_eq!(
        (&summary["exit_status"], &summary["rules"]["signal-generated"]),
        (&Value::from(0), &Value::from("enabled"))
    );
    assert_eq!(stage.slack.calls().len(), 0, "without a token there is no Slack");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_status_tells_failed_and_unproven_from_succeeded() {
    for (fault, code, said) in [("fails", 1, "gate of signal-generated failed"), ("silent", 3, "not yet proven")] {
        let stage = Stage::new().await;
        assert!(stage.aws.set_fault(&format!("dev.rule.signal-generated.{fault}"), true));
        let done = stage.alch(&ENABLE).await;
        assert_eq!(done.code, Some(code), "{}", done.stdout);
        assert!(done.stdout.to_lowercase().contains(said), "{}", done.stdout);
    }
}

/// What the helper scripts of the runbook did, as a pipeline does it: the exit status, and the last line of `--json`.
#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_verifies_enables_and_disables_by_exit_status_and_json() {
    async fn piped(stage: &Stage, command: &str) -> (Option<i32>, Vec<Value>) {
        let done = stage.alch(&["run", "--json", command]).await;
        let lines = done.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (done.code, lines)
    }
    let stage = Stage::new().await;
    let (code, lines) = piped(&stage, "enable signal-generated dev").await;
    let summary = lines.last().unwrap();
    assert_eq!(code, Some(0), "a pipeline is not asked: {summary}");
    assert_eq!(summary["rules"]["signal-generated"], "enabled");
    let (_, lines) = piped(&stage, "verify dev").await;
    let summary = lines.last().unwrap();
    let checks = summary["checks"].as_array().unwrap();
    assert!(checks.len() >= 9, "{summary}");
    for check in checks {
        let verdict = check["verdict"].as_str().unwrap();
        assert!(["pass", "fail", "inconclusive", "unknown"].contains(&verdict), "{check}");
        assert!(check["title"].is_string() && check["value"].is_string() && check["step"] == "checklist", "{check}");
    }
    // A message in the dead-letter queue is a failure that no pipeline may miss.
    let queue = stage.config.environment("dev").unwrap().dlqs[0].clone();
    assert!(stage.aws.put_message(&queue, alch::sandbox::aws::MessageState::Visible));
    let (code, lines) = piped(&stage, "verify dev").await;
    let summary = lines.last().unwrap();
    assert_eq!((code, &summary["outcome"]), (Some(1), &Value::from("failed")), "{summary}");
    assert!(summary["checks"].as_array().unwrap().iter().any(|check| check["verdict"] == "fail"), "{summary}");
    let (code, lines) = piped(&stage, "disable all dev").await;
    let summary = lines.last().unwrap();
    assert_eq!((code, &summary["succeeded"]), (Some(0), &Value::from(true)));
    assert!(!stage.is_enabled("dev", "signal-generated"));
    // What is no run, and what is none at all, ends with a summary too.
    let (code, lines) = piped(&stage, "status dev").await;
    let summary = lines.last().unwrap();
    assert_eq!((code, &summary["run"], &summary["outcome"]), (Some(0), &Value::Null, &Value::Null));
    assert!(summary["summary"].as_str().unwrap().contains("signal-generated"), "{summary}");
    let (code, lines) = piped(&stage, "enable nothing dev").await;
    assert_eq!((code, lines.len(), &lines[0]["exit_status"]), (Some(1), 1, &Value::from(1)), "{lines:?}");
    let (code, lines) = piped(&stage, "enable all prod").await;
    assert_eq!((code, &lines.last().unwrap()["exit_status"]), (Some(1), &Value::from(1)), "it needs approval");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_server_has_the_database_it_is_asked_to_do_it() {
    let stage = Stage::new().await;
    let mut server = stage.serve().await;
    let done = stage.alch(&ENABLE).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stdout.contains("R-1: ada (terminal) asked: enable signal-generated dev"), "{}", done.stdout);
    assert!(done.stdout.lines().last().unwrap().contains("succeeded"), "{}", done.stdout);
    let (card, _) = stage.told(RunId(1)).await;
    assert!(card.text.contains("succeeded"), "{}", card.text);
    assert!(stage.aws.set_fault("dev.rule.rebalance-planned.silent", true));
    let done = stage.alch(&["run", "--json", "--yes", "enable rebalance-planned dev"]).await;
    assert_eq!(done.code, Some(3), "{done:?}");
    for line in done.stdout.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        assert_eq!(event["run"], serde_json::to_value(RunId(2)).unwrap(), "{line}");
    }
    let done = stage.alch(&["run", "status", "dev"]).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stdout.contains("signal-generated"), "{}", done.stdout);
    server.process.terminate();
    assert!(server.process.exit().await.success());
    assert_eq!(stage.alch(&["run", "show R-1"]).await.code, Some(0), "and without the server, from the same journal");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_environment_is_said_and_fails() {
    let stage = Stage::with(By::Http, &[("ALCH__ENVIRONMENTS__DEV__WAITS__AFTER_ENABLE", "10m")]).await;
    let _server = stage.serve().await;
    assert!(stage.slack.types(ALICE, "/alch enable signal-generated dev").await.is_ok());
    until("the first run has begun", async || stage.is_enabled("dev", "signal-generated")).await;
    let done = stage.alch(&["run", "--yes", "enable rebalance-planned dev"]).await;
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.stdout.contains("R-1") && done.stdout.contains("held"), "{}", done.stdout);
    assert!(!stage.is_enabled("dev", "rebalance-planned"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_queues_on_a_terminal_waits_for_the_environment() {
    let stage = Stage::with(By::Http, &[("ALCH__ENVIRONMENTS__DEV__WAITS__AFTER_ENABLE", "10m")]).await;
    let _server = stage.serve().await;
    assert!(stage.slack.types(ALICE, "/alch enable signal-generated dev").await.is_ok());
    until("the first run has begun", async || stage.is_enabled("dev", "signal-generated")).await;
    let mut queued = stage.spawn(&["run", "--yes", "--queue", "disable signal-generated dev"]);
    queued.line("waiting: dev is held by R-1").await.expect("it says for whom it waits");
    assert!(stage.is_enabled("dev", "signal-generated"));
    assert!(stage.slack.types(ALICE, "/alch cancel R-1").await.is_ok());
    assert!(queued.exit().await.success());
    assert!(!stage.is_enabled("dev", "signal-generated"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_does_not_wait_for_terminals_and_they_do_not_call_it_a_success() {
    let stage = Stage::with(By::Http, &[("ALCH__ENVIRONMENTS__DEV__WAITS__AFTER_ENABLE", "4s")]).await;
    let mut server = stage.serve().await;
    let mut following = stage.spawn(&ENABLE);
    following.line("enabled signal-generated").await.expect("it follows");
    server.process.terminate();
    let asked = Instant::now();
    assert!(server.process.exit().await.success());
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
    assert_eq!(following.exit().await.code(), Some(1), "{}", following.stdout());
    assert!(following.stderr().contains("stopped before this was over"), "{}", following.stderr());
    let _server = stage.serve().await;
    let (card, _) = stage.told(RunId(1)).await;
    assert!(card.text.contains("succeeded"), "{}", card.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_goes_on_although_its_terminal_goes_away() {
    let stage = Stage::new().await;
    turn_on(&stage);
    let _server = stage.serve().await;
    stage.aws.inject(ApiFault { operation: "DisableRule".to_owned(), times: 1, how: Failure::Hang });
    let mut process = stage.spawn(&["run", "--yes", "rollback dev"]);
    until("the rollback hangs", async || stage.aws.faults_left().is_empty()).await;
    process.kill();
    let (card, _) = stage.told(RunId(1)).await;
    assert!(card.text.contains("succeeded"), "{}", card.text);
    let dev = stage.config.environment("dev").unwrap();
    assert!(dev.rules.iter().all(|rule| !stage.is_enabled("dev", &rule.name)));
    let next = stage.alch(&ENABLE).await;
    assert_eq!(next.code, Some(0), "the environment is free: {next:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_works_while_slack_is_down() {
    let stage = Stage::new().await;
    turn_on(&stage);
    assert!(stage.slack.set_fault("slack-down", true));
    let done = stage.alch(&["run", "--yes", "rollback dev"]).await;
    assert_rolled_back(&stage, &done);
    assert_eq!(stage.slack.messages().len(), 0);
    // What Slack could not be told then, the next start tells.
    assert!(stage.slack.set_fault("slack-down", false));
    let _server = stage.serve().await;
    let (card, _) = stage.told(RunId(1)).await;
    assert!(card.text.contains("succeeded"), "{}", card.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_works_while_the_database_cannot_be_opened() {
    let mut stage = Stage::new().await;
    turn_on(&stage);
    let here = stage.directory.path().to_owned();
    // A folder below a file cannot be made.
    let unusable = format!("sqlite:{}", stage.config_path().join("below/alch.db").display());
    stage.variables.insert("DATABASE_URL".to_owned(), unusable);
    stage.variables.insert("TMPDIR".to_owned(), here.display().to_string());
    let done = stage.alch(&["run", "--yes", "enable signal-generated dev"]).await;
    assert_eq!(done.code, Some(1), "nothing else does without a journal: {done:?}");
    let done = stage.alch(&["run", "--yes", "rollback dev"]).await;
    assert_rolled_back(&stage, &done);
    let names = std::fs::read_dir(&here).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let apart = names.filter(|name| name.starts_with("alch-rollback-") && name.ends_with(".db")).collect::<Vec<_>>();
    let [apart] = apart.as_slice() else { panic!("{apart:?}") };
    assert!(done.stderr.contains(apart.as_str()), "it says where the journal is: {}", done.stderr);
    stage.variables.insert("DATABASE_URL".to_owned(), format!("sqlite:{}", here.join(apart).display()));
    let store = stage.store().await;
    let run = store.run(RunId(1)).await.unwrap().unwrap();
    assert_eq!(run.ended.unwrap().outcome, Outcome::Succeeded);
    assert_eq!(store.verify_chain().await.unwrap(), Vec::<String>::new());
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_works_while_another_run_has_the_database() {
    let stage = Stage::new().await;
    turn_on(&stage);
    let mut other = stage.spawn(&["run", "monitor dev --for 1h"]);
    other.line("begins: Monitor everything").await.expect("it has the database");
    let done = stage.alch(&["run", "status dev"]).await;
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.stderr.contains("an `alch run` that is under way"), "{done:?}");
    let done = stage.alch(&["run", "--yes", "rollback dev"]).await;
    assert_rolled_back(&stage, &done);
    assert!(done.stderr.contains("may turn rules on again"), "{done:?}");
    other.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn yes_approves_nothing_in_production() {
    let stage = Stage::new().await;
    for command in ["enable all prod", "restore prod"] {
        let done = stage.alch(&["run", "--yes", command]).await;
        assert_eq!(done.code, Some(1), "{done:?}");
        assert!(done.stdout.contains("needs approval"), "{done:?}");
    }
    // A rollback asks for the environment's name, which a pipeline without a word does not give.
    let done = stage.alch(&["run", "--yes", "rollback prod"]).await;
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.stderr.contains("type the environment's name"), "{done:?}");
    assert_eq!(stage.changes_asked(), 0);
    assert_eq!(stage.number("SELECT count(*) FROM runs").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_understood_is_explained_and_fails() {
    let stage = Stage::new().await;
    let done = stage.alch(&["run", "--yes", "enable signal-generatd dev"]).await;
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.stderr.contains("signal-generated"), "{done:?}");
    assert_eq!(stage.alch(&["run"]).await.code, Some(2), "a command line that is none");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_prints_the_journals_beside_a_running_server() {
    let stage = Stage::new().await;
    let mut server = stage.serve().await;
    for command in ["verify dev", "verify prod"] {
        stage.alch(&["run", command]).await;
    }
    let everything = stage.alch(&["audit"]).await;
    assert_eq!(everything.code, Some(0), "{everything:?}");
    let lines: Vec<Recorded> = everything.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.first().map(|line| (line.run, line.seq)), Some((RunId(1), 1)));
    assert_eq!(lines.last().map(|line| (line.run, line.event.kind())), Some((RunId(2), "ended")));
    let one = stage.alch(&["audit", "prod", "--since", "7d", "--format", "csv"]).await;
    assert_eq!(one.code, Some(0), "{one:?}");
    let lines: Vec<&str> = one.stdout.lines().collect();
    assert!(lines[0].starts_with("run,seq,at,environment,kind,actor"), "{}", one.stdout);
    assert!(lines[1].starts_with("R-2,1,") && lines[1].contains("ada (terminal)"), "{}", one.stdout);
    assert!(!one.stdout.contains("R-1,"), "{}", one.stdout);
    let verified = stage.alch(&["audit", "verify"]).await;
    assert_eq!(verified.code, Some(0), "{verified:?}");
    assert!(verified.stdout.contains("of 2 runs"), "{}", verified.stdout);
    for wrong in [["audit", "nowhere"], ["audit", "--since=-1d"], ["audit", "--format=xml"]] {
        assert_ne!(stage.alch(&wrong).await.code, Some(0), "{wrong:?}");
    }
    server.process.terminate();
    assert!(server.process.exit().await.success());
    assert_eq!(stage.alch(&["audit"]).await.stdout, everything.stdout, "and without the server");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_was_tampered_with_is_found() {
    let stage = Stage::new().await;
    assert_eq!(stage.alch(&["audit", "verify"]).await.code, Some(1), "there is nothing to verify yet");
    stage.alch(&["run", "verify dev"]).await;
    assert_eq!(stage.alch(&["audit", "verify"]).await.code, Some(0));
    let _server = stage.serve().await;
    let changed = "UPDATE events SET body = replace(body, 'ada', 'bob') WHERE run_id = 1 AND seq = 1 RETURNING seq";
    assert_eq!(stage.number(changed).await, 1);
    let found = stage.alch(&["audit", "verify"]).await;
    assert_eq!(found.code, Some(1), "{found:?}");
    assert!(found.stdout.contains("FAIL  R-1: event 1 is not what was recorded"), "{}", found.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_says_whether_the_configuration_is_sound() {
    let stage = Stage::new().await;
    let done = stage.alch(&["check"]).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stdout.contains("rules in order: signal-generated, rebalance-planned"), "{}", done.stdout);
    assert_eq!((stage.slack.calls().len(), stage.aws.calls().len()), (0, 0), "it asks nobody");
    let text = std::fs::read_to_string(stage.config_path()).unwrap();
    let wrong = text.replace("function = \"the-alchemiser-v2-lambda-dev\"", "funktion = \"x\"");
    assert_ne!(text, wrong);
    std::fs::write(stage.config_path(), wrong).unwrap();
    let done = stage.alch(&["check"]).await;
    assert_eq!(done.code, Some(1), "{done:?}");
    for part in ["alch.toml:", "environments.dev.funktion", "function"] {
        assert!(done.stderr.contains(part), "{part}: {}", done.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_check_asks_slack_and_aws_and_changes_nothing() {
    let stage = Stage::new().await;
    let done = stage.alch(&["check", "--live"]).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    let of_aws = ["dev: GetMetricData", "prod: DescribeRule", "dev: GetTemplate", "prod: GetFunctionConfiguration"];
    let others = ["prod: DescribeStacks", "dev: DescribeAlarmHistory", "Slack: chat:write", "Slack: workspace"];
    for row in of_aws.into_iter().chain(others) {
        let line = done.stdout.lines().find(|line| line.contains(row));
        assert!(line.is_some_and(|line| line.starts_with("ok ")), "{row}:\n{}", done.stdout);
    }
    assert!(!done.stdout.contains("FAIL"), "{}", done.stdout);
    stage.slack.grant_scopes(&["commands", "chat:write"]);
    let done = stage.alch(&["check", "--live"]).await;
    assert_eq!(done.code, Some(1), "{done:?}");
    let missing = done.stdout.lines().find(|line| line.contains("Slack: users:read")).unwrap();
    assert!(missing.starts_with("FAIL") && missing.contains("missing"), "{missing}");
    let stage = Stage::new().await;
    assert!(stage.aws.set_fault("aws.metrics-forbidden", true));
    let done = stage.alch(&["check", "--live"]).await;
    assert_eq!(done.code, Some(1), "{done:?}");
    let denied: Vec<&str> = done.stdout.lines().filter(|line| line.starts_with("FAIL")).collect();
    // The read itself, and what the doctor says of it: the trap and its finding.
    assert_eq!(denied.len(), 2 * 3, "three of each environment:\n{}", done.stdout);
    assert!(denied.iter().all(|line| line.contains("GetMetricData")), "{denied:?}");
    assert_eq!(stage.changes_asked(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_inside_aws_cannot_be_told() {
    let stage = Stage::new().await;
    stage.aws.inject(ApiFault { operation: "GetTemplate".to_owned(), times: 100, how: Failure::ServerError });
    let done = stage.alch(&["check", "--live"]).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    let line = done.stdout.lines().find(|line| line.contains("dev: GetTemplate")).unwrap();
    assert!(line.starts_with("? ") && line.ends_with("cannot be told"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_asks_the_server_in_it_how_it_is() {
    let mut stage = Stage::new().await;
    let server = stage.serve().await;
    until("it is ready", async || get(&format!("{}/readyz", server.url)).await.is_ok_and(|told| told.status == 200))
        .await;
    let address = server.url.trim_start_matches("http://").to_owned();
    stage.variables.insert("ALCH__SERVER__LISTEN".to_owned(), address.clone());
    let health = stage.alch(&["health"]).await;
    assert_eq!((health.code, health.stdout.trim()), (Some(0), "ok"), "{health:?}");
    let ready = stage.alch(&["health", "--ready"]).await;
    assert_eq!(ready.code, Some(0), "{ready:?}");
    assert!(ready.stdout.contains("\"database\":\"ok\""), "{ready:?}");

    // With a token that Slack does not know it lives, and is not ready.
    drop(server);
    stage.variables.insert("SLACK_BOT_TOKEN".to_owned(), "xoxb-of-nobody".to_owned());
    let again = stage.serve().await;
    assert_eq!(stage.alch(&["health"]).await.code, Some(0));
    let ready = stage.alch(&["health", "--ready"]).await;
    assert_eq!(ready.code, Some(1), "{ready:?}");
    assert!(ready.stdout.contains("\"slack\""), "{ready:?}");

    drop(again);
    let gone = stage.alch(&["health"]).await;
    assert_eq!(gone.code, Some(1), "{gone:?}");
    assert!(gone.stderr.contains(&format!("nothing answers at {address}")), "{gone:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_is_for_an_address_or_for_socket_mode() {
    let stage = Stage::new().await;
    let done = stage.alch(&["manifest", "--url", "https://x.example"]).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(done.stdout.matches("https://x.example/slack/events").count(), 3, "{}", done.stdout);
    let done = stage.alch(&["manifest", "--socket"]).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stdout.contains("socket_mode_enabled: true"), "{}", done.stdout);
    assert!(!done.stdout.contains("/slack/events"), "{}", done.stdout);
    let done = stage.alch(&["manifest", "--url", "https://x.example", "--socket"]).await;
    assert_eq!(done.code, Some(2), "{done:?}");
    assert!(done.stderr.contains("cannot be used with"), "{}", done.stderr);
}

/// Enables every rule of dev behind the program's back.
fn turn_on(stage: &Stage) {
    let dev = stage.config.environment("dev").unwrap();
    for rule in &dev.rules {
        assert!(stage.aws.set_rule_state(&dev.bus, &rule.rule, RuleState::Enabled));
    }
}

fn assert_rolled_back(stage: &Stage, done: &Finished) {
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stdout.contains("All 4 rules of dev are off"), "{}", done.stdout);
    let dev = stage.config.environment("dev").unwrap();
    assert!(dev.rules.iter().all(|rule| !stage.is_enabled("dev", &rule.name)));
}
