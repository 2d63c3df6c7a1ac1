//! Smoke tests: the function proves paper mode or is not invoked, it is invoked once whatever happens, and only what is
//! seen to flow is a pass.

use std::time::{Duration, Instant};

use alch::domain::{Event, Outcome, Recorded, Run, RunId, StepStatus};
use alch::sandbox::aws::{ApiFault, Call, Failure, RuleState};
use jiff::SignedDuration;

use crate::world::{World, story, story_with};

const R1: RunId = RunId(1);
const FUNCTION: &str = "the-alchemiser-v2-lambda-dev";
/// A variable of the emulated functions.
const SECRET: &str = "sandbox-broker-secret-0000";

fn invokes(world: &World) -> Vec<serde_json::Value> {
    let calls = world.aws.calls().into_iter().filter(|call| call.operation == "Invoke");
    calls.map(|call| call.request).collect()
}

fn ended(run: &Run) -> (Outcome, &str) {
    let ended = run.ended.as_ref().unwrap();
    (ended.outcome, &ended.summary)
}

/// Nothing that the function keeps to itself is in Slack or in the journal.
async fn kept_secret(world: &World, run: RunId) {
    let journal = serde_json::to_string(&world.journal(run).await).unwrap();
    for text in [journal, world.thread(run).await, world.channel("C0PLATFORM")] {
        for secret in [SECRET, "PKSANDBOX", "https://api.alpaca.markets"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}

async fn waits_for_invoke(world: &World) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while invokes(world).is_empty() {
        assert!(Instant::now() < deadline, "nothing is invoked");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[test]
fn with_proof_the_function_is_invoked_once_and_its_events_are_seen_to_flow() {
    story(async |world| {
        world.set_all("dev", RuleState::Enabled);
        world.alice().types("smoke dev").await;
        let run = world.until_ended(R1).await;
        assert_eq!(ended(&run).0, Outcome::Succeeded, "{}", world.told(R1).await);
        let all = invokes(world);
        assert_eq!(all.len(), 1, "{all:?}");
        let payload: serde_json::Value = serde_json::from_str(all[0]["Payload"].as_str().unwrap()).unwrap();
        assert_eq!(payload["mode"], "trade");
        assert_eq!(payload["trading_mode"], "paper");
        assert_eq!(payload["correlation_id"], "alch-dev-R1-20261123T030000Z");
        assert_eq!((&all[0]["LogType"], &all[0]["InvocationType"]), (&"Tail".into(), &"RequestResponse".into()));
        let archived = world.aws.archived("alchemiser-event-archive-dev");
        assert!(archived.iter().any(|event| event.detail.contains("alch-dev-R1-20261123T030000Z")));
        // The proof is the last thing that is asked before, and asked again after.
        let about: Vec<String> = world.aws.calls().into_iter().map(|call| call.operation).collect();
        let at = about.iter().position(|operation| operation == "Invoke").unwrap();
        assert_eq!(about[at - 1], "GetFunctionConfiguration");
        assert!(about[at + 1..].contains(&"GetFunctionConfiguration".to_owned()));
        insta::assert_snapshot!("smoke_thread", world.thread(R1).await);
        kept_secret(world, R1).await;
    });
}

#[test]
fn without_proof_nothing_is_invoked_anywhere_and_no_approval_is_asked_for() {
    story(async |world| {
        for (run, command) in [(R1, "smoke prod"), (RunId(2), "plan smoke prod"), (RunId(2), "smoke dev")] {
            if command == "smoke dev" {
                assert!(world.aws.set_fault("dev.function.trades-elsewhere", true));
            }
            world.alice().types(command).await;
            if command == "plan smoke prod" {
                assert!(world.alice().saw().contains("not the expected value"), "{}", world.alice().saw());
                continue;
            }
            let ended_run = world.until_ended(run).await;
            let (outcome, summary) = ended(&ended_run);
            assert_eq!(outcome, Outcome::Failed);
            assert!(
                summary.contains("refused") && summary.contains("ALPACA__ENDPOINT is not the expected value"),
                "{summary}"
            );
            assert!(summary.contains("Nothing was invoked"), "{summary}");
            assert!(ended_run.rounds.is_empty(), "nobody is asked to approve what cannot be");
            kept_secret(world, run).await;
        }
        assert!(invokes(world).is_empty());
    });
}

#[test]
fn in_production_on_paper_it_takes_approval_and_the_proof_right_before() {
    story(async |world| {
        assert!(world.aws.set_fault("prod.function.trades-elsewhere", true));
        world.set_all("prod", RuleState::Enabled);
        world.alice().types("smoke prod").await;
        let card = world.asking(R1, "approve").await;
        assert!(invokes(world).is_empty(), "nobody has approved");
        world.bob().clicks(&card, "approve").await;
        let run = world.until_ended(R1).await;
        assert_eq!(ended(&run).0, Outcome::Succeeded, "{}", world.told(R1).await);
        assert_eq!(invokes(world).len(), 1);
        // Approved, but meanwhile the function trades live again.
        world.alice().types("smoke prod").await;
        let card = world.asking(RunId(2), "approve").await;
        assert!(world.aws.set_fault("prod.function.trades-elsewhere", false));
        world.bob().clicks(&card, "approve").await;
        let run = world.until_ended(RunId(2)).await;
        assert!(ended(&run).1.contains("ALPACA__ENDPOINT is not the expected value"), "{}", ended(&run).1);
        assert_eq!(invokes(world).len(), 1);
        kept_secret(world, RunId(2)).await;
    });
}

#[test]
fn in_production_a_failure_ends_the_run_and_nobody_is_asked_to_invoke_again() {
    story(async |world| {
        assert!(world.aws.set_fault("prod.function.trades-elsewhere", true));
        assert!(world.aws.set_fault("prod.function.errors", true));
        world.alice().types("smoke prod").await;
        let card = world.asking(R1, "approve").await;
        world.bob().clicks(&card, "approve").await;
        let run = world.until_ended(R1).await;
        assert_eq!(ended(&run).0, Outcome::Failed, "{}", world.told(R1).await);
        assert!(!has(&world.journal(R1).await, |event| matches!(event, Event::Asked { .. })));
        assert!(!world.thread(R1).await.contains("[Try again"), "{}", world.thread(R1).await);
        assert_eq!(invokes(world).len(), 1);
        kept_secret(world, R1).await;
    });
}

#[test]
fn what_changes_between_the_approval_and_the_invoke_is_refused() {
    story_with(&[("ALCH__ENVIRONMENTS__PROD__APPROVALS__APPROVE", "each")], async |world| {
        assert!(world.aws.set_fault("prod.function.trades-elsewhere", true));
        world.alice().types("smoke prod").await;
        let card = world.asking(R1, "approve").await;
        world.bob().clicks(&card, "approve").await;
        // The plan is approved and was looked at again; the step has a go-ahead of its own, and then it trades live.
        assert!(world.run(R1).await.cleared);
        let card = world.asking(R1, "approve").await;
        assert!(world.aws.set_fault("prod.function.trades-elsewhere", false));
        world.bob().clicks(&card, "approve").await;
        let run = world.until_ended(R1).await;
        let (outcome, summary) = ended(&run);
        assert_eq!((outcome, run.steps.iter().any(|step| step.effected.is_some())), (Outcome::Failed, false));
        assert!(summary.contains("refused: ") && summary.contains("not the expected value"), "{summary}");
        assert!(invokes(world).is_empty());
        kept_secret(world, R1).await;
    });
}

#[test]
fn what_is_changed_while_it_runs_is_said_loudly() {
    story(async |world| {
        world.set_all("dev", RuleState::Enabled);
        assert!(world.aws.set_fault("dev.function.slow", true));
        world.slack.types("U0ALICE", "/alch smoke dev").await;
        waits_for_invoke(world).await;
        assert!(world.aws.deploy("dev", "2026.11.21"));
        let deadline = Instant::now() + Duration::from_secs(50);
        while world.run(R1).await.ended.is_none() {
            assert!(Instant::now() < deadline, "{}", world.told(R1).await);
            tokio::time::sleep(Duration::from_millis(50)).await;
            world.clock.advance(SignedDuration::from_secs(2));
        }
        let run = world.until_ended(R1).await;
        let (outcome, summary) = ended(&run);
        assert_eq!(outcome, Outcome::Failed);
        assert!(summary.contains("PAPER MODE IS NOT PROVEN OF THIS RUN"), "{summary}");
        assert!(summary.contains("look at the broker's orders now"), "{summary}");
        assert_eq!(invokes(world).len(), 1);
    });
}

#[test]
fn what_cannot_be_read_is_refused_with_the_permission_to_add() {
    story(async |world| {
        assert!(world.aws.set_fault("dev.function.variables-unreadable", true));
        world.alice().types("smoke dev").await;
        let run = world.until_ended(R1).await;
        let summary = ended(&run).1;
        assert!(summary.contains("add the IAM action kms:Decrypt on arn:aws:kms:"), "{summary}");
        assert!(world.aws.set_fault("dev.function.variables-unreadable", false));
        let operation = "GetFunctionConfiguration".to_owned();
        world.aws.inject(ApiFault { operation, times: 2, how: Failure::AccessDenied });
        world.alice().types("smoke dev").await;
        let run = world.until_ended(RunId(2)).await;
        let summary = ended(&run).1;
        assert!(summary.contains("add the IAM action lambda:GetFunctionConfiguration"), "{summary}");
        assert!(invokes(world).is_empty());
    });
}

#[test]
fn a_function_that_is_stopped_is_said_to_be() {
    story(async |world| {
        assert!(world.aws.set_concurrency(FUNCTION, Some(0)));
        world.alice().types("smoke dev").await;
        let run = world.until_ended(R1).await;
        assert!(ended(&run).1.contains("is stopped: its reserved concurrency is 0"), "{}", ended(&run).1);
        assert!(invokes(world).is_empty());
    });
}

#[test]
fn the_values_that_are_configured_are_those_that_count() {
    story_with(&[("ALCH__ENVIRONMENTS__DEV__SMOKE__EXPECTED", "[\"https://elsewhere.example.com\"]")], async |world| {
        world.alice().types("smoke dev").await;
        let run = world.until_ended(R1).await;
        assert_eq!(invokes(world).len(), 1, "{}", ended(&run).1);
    });
}

#[test]
fn a_function_error_is_shown_with_the_end_of_the_log_and_without_its_secrets() {
    story(async |world| {
        world.set_all("dev", RuleState::Enabled);
        assert!(world.aws.set_fault("dev.function.errors", true));
        world.alice().types("smoke dev").await;
        let run = world.until_ended(R1).await;
        let (outcome, summary) = ended(&run);
        assert_eq!(outcome, Outcome::Failed);
        assert!(summary.contains("function error Unhandled"), "{summary}");
        assert_eq!(invokes(world).len(), 1);
        let thread = world.thread(R1).await;
        assert!(thread.contains("[masked]") && thread.contains("[ERROR] RuntimeError"), "{thread}");
        insta::assert_snapshot!("smoke_function_error", thread);
        kept_secret(world, R1).await;
    });
}

#[test]
fn a_result_that_says_failed_is_a_failure_though_nothing_was_raised() {
    story(async |world| {
        world.set_all("dev", RuleState::Enabled);
        assert!(world.aws.set_fault("dev.function.returns-failed", true));
        world.alice().types("smoke dev").await;
        let run = world.until_ended(R1).await;
        let (outcome, summary) = ended(&run);
        assert_eq!(outcome, Outcome::Failed);
        assert!(summary.contains("status failed") && summary.contains("the broker does not answer"), "{summary}");
        assert!(world.thread(R1).await.contains("The end of its log"), "{}", world.thread(R1).await);
        assert_eq!(invokes(world).len(), 1);
        kept_secret(world, R1).await;
    });
}

#[test]
fn what_is_not_seen_to_flow_is_no_pass() {
    for silent in ["rules are off", "nothing is published"] {
        story(async |world| {
            if silent == "nothing is published" {
                world.set_all("dev", RuleState::Enabled);
                for rule in ["signal-generated", "rebalance-planned", "trade-executed", "all-events-monitor"] {
                    assert!(world.aws.set_fault(&format!("dev.rule.{rule}.silent"), true));
                }
                world.passes(SignedDuration::from_mins(2)).await;
                assert!(world.aws.set_fault("dev.function.publishes-nothing", true));
            }
            world.alice().types("smoke dev").await;
            let run = world.until_ended(R1).await;
            let (outcome, summary) = ended(&run);
            assert_eq!(outcome, Outcome::Unproven, "{silent}: {}", world.told(R1).await);
            assert!(summary.contains("Not everything is proven"), "{summary}");
            assert_eq!(invokes(world).len(), 1);
            // It was looked for as long as is configured.
            let evidence = run.steps.last().unwrap();
            let looked = evidence.finished_at.unwrap().duration_since(evidence.started_at.unwrap());
            assert!(looked >= SignedDuration::from_mins(10), "{looked:#}");
        });
    }
}

#[test]
fn what_cannot_be_delivered_fails_the_test() {
    story(async |world| {
        world.set_all("dev", RuleState::Enabled);
        assert!(world.aws.set_fault("dev.rule.trade-executed.fails", true));
        world.alice().types("smoke dev").await;
        let run = world.until_ended(R1).await;
        assert_eq!(ended(&run).0, Outcome::Failed, "{}", world.told(R1).await);
        assert!(ended(&run).1.contains("trade-executed"), "{}", ended(&run).1);
    });
}

#[test]
fn a_lost_answer_is_unknown_and_is_not_invoked_again() {
    for (how, told) in [
        (Failure::AfterEffect, "names alch-dev-R1-"),
        (Failure::BeforeEffect, "No line of /aws/lambda/"),
        (Failure::ServerError, "it may have been carried out all the same"),
    ] {
        story(async |world| {
            world.set_all("dev", RuleState::Enabled);
            world.aws.inject(ApiFault { operation: "Invoke".to_owned(), times: 1, how });
            world.alice().types("smoke dev").await;
            let run = world.until_ended(R1).await;
            assert_eq!(run.steps[0].status, StepStatus::Unknown, "{how:?}: {}", world.told(R1).await);
            let (outcome, summary) = ended(&run);
            assert_eq!(outcome, Outcome::Failed);
            assert!(summary.contains("It is not known how") && summary.contains(told), "{how:?}: {summary}");
            assert!(summary.contains("alch-dev-R1-20261123T030000Z"), "{summary}");
            assert_eq!(invokes(world).len(), 1, "{how:?}");
            let asked = run.steps.iter().any(|progress| progress.question.is_some());
            assert!(!asked, "a retry within the run would invoke again");
            world.alice().types("retry R1").await;
            world.passes(SignedDuration::from_mins(1)).await;
            assert_eq!(world.run(R1).await.steps[0].status, StepStatus::Unknown, "a retry is a run of its own");
            world.until_ended(RunId(2)).await;
            assert_eq!(invokes(world).len(), 2, "and a person asked for it");
        });
    }
}

#[test]
fn what_is_refused_surely_did_not_run_and_is_not_repeated() {
    for (how, told) in [(Failure::Throttle, "throttled"), (Failure::AccessDenied, "lambda:InvokeFunction")] {
        story(async |world| {
            world.aws.inject(ApiFault { operation: "Invoke".to_owned(), times: 1, how });
            world.alice().types("smoke dev").await;
            let run = world.until_ended(R1).await;
            let (outcome, summary) = ended(&run);
            assert_eq!(outcome, Outcome::Failed);
            assert!(summary.contains("was not invoked") && summary.contains(told), "{summary}");
            assert_eq!((invokes(world).len(), run.steps[0].status), (1, StepStatus::Failed));
        });
    }
}

#[test]
fn trouble_with_the_proof_is_waited_out_and_invokes_once() {
    story(async |world| {
        world.set_all("dev", RuleState::Enabled);
        world.slack.types("U0ALICE", "/alch smoke dev").await;
        let operation = "GetFunctionConcurrency".to_owned();
        world.aws.inject(ApiFault { operation, times: 1, how: Failure::ServerError });
        let operation = "GetFunctionConfiguration".to_owned();
        world.aws.inject(ApiFault { operation, times: 7, how: Failure::ServerError });
        world.settle().await;
        let run = world.until_ended(R1).await;
        assert_eq!(ended(&run).0, Outcome::Succeeded, "{}", world.told(R1).await);
        assert_eq!(invokes(world).len(), 1);
        world.aws.cancel_injected();
    });
}

#[test]
fn an_answer_is_told_though_nobody_can_say_whether_the_function_was_changed_meanwhile() {
    story(async |world| {
        world.set_all("dev", RuleState::Enabled);
        assert!(world.aws.set_fault("dev.function.slow", true));
        world.slack.types("U0ALICE", "/alch smoke dev").await;
        waits_for_invoke(world).await;
        let operation = "GetFunctionConfiguration".to_owned();
        world.aws.inject(ApiFault { operation, times: 500, how: Failure::ServerError });
        let deadline = Instant::now() + Duration::from_secs(60);
        while world.run(R1).await.ended.is_none() {
            assert!(Instant::now() < deadline, "{}", world.told(R1).await);
            tokio::time::sleep(Duration::from_millis(50)).await;
            world.clock.advance(SignedDuration::from_secs(2));
        }
        world.aws.cancel_injected();
        let run = world.until_ended(R1).await;
        let (outcome, summary) = ended(&run);
        assert_eq!(outcome, Outcome::Failed);
        assert!(summary.contains("PAPER MODE IS NOT PROVEN") && summary.contains("status success"), "{summary}");
        assert_eq!(invokes(world).len(), 1);
    });
}

/// The journal has an event of this kind.
fn has(journal: &[Recorded], is: impl Fn(&Event) -> bool) -> bool {
    journal.iter().any(|recorded| is(&recorded.event))
}

#[test]
fn a_crash_anywhere_invokes_once_at_most_and_never_passes_on_less_than_it_saw() {
    // After the intent, after the call, after the record: killed as soon as that many calls were made in all.
    let mut calls = 0;
    let mut at = 0;
    story(async |world| {
        world.set_all("dev", RuleState::Enabled);
        world.alice().types("smoke dev").await;
        world.until_ended(R1).await;
        let all: Vec<String> = world.aws.calls().into_iter().map(|call| call.operation).collect();
        at = all.iter().position(|operation| operation == "Invoke").unwrap();
        calls = all.len();
    });
    assert!(calls > at + 5, "{calls}");
    for point in (at.saturating_sub(3)..at + 4).chain([at + 12]) {
        story(async |world| {
            world.set_all("dev", RuleState::Enabled);
            world.slack.types("U0ALICE", "/alch smoke dev").await;
            world.killed_when(|world| world.aws.calls().len() >= point).await;
            let run = world.until_ended(R1).await;
            let count = invokes(world).len();
            assert!(count <= 1, "killed after {point} calls: {count}");
            let journal = world.journal(R1).await;
            let done = has(
                &journal,
                |event| matches!(event, Event::Finished { step, status: StepStatus::Done, .. } if step.0 == "invoke"),
            );
            match ended(&run).0 {
                Outcome::Succeeded => assert!(done && count == 1, "killed after {point} calls"),
                _ => assert_eq!(run.steps[0].status, StepStatus::Unknown, "{point}: {}", world.told(R1).await),
            }
        });
    }
}

#[test]
fn a_rollback_does_not_wait_for_a_function_that_runs() {
    story(async |world| {
        world.set_all("dev", RuleState::Enabled);
        assert!(world.aws.set_fault("dev.function.slow", true));
        world.slack.types("U0ALICE", "/alch smoke dev").await;
        waits_for_invoke(world).await;
        let started = Instant::now();
        world.slack.types("U0BOB", "/alch rollback dev").await;
        let deadline = Instant::now() + Duration::from_secs(10);
        while !world.enabled("dev").is_empty() {
            assert!(Instant::now() < deadline, "the rules are still on");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
        let run = world.until_ended(R1).await;
        let (outcome, summary) = ended(&run);
        assert_eq!(outcome, Outcome::Preempted);
        assert!(summary.contains("goes on: nothing stops a run of a function"), "{summary}");
        assert_eq!(ended(&world.until_ended(RunId(2)).await).0, Outcome::Succeeded);
        assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    });
}

#[test]
fn who_cancels_is_told_that_the_function_goes_on() {
    story(async |world| {
        assert!(world.aws.set_fault("dev.function.slow", true));
        world.slack.types("U0ALICE", "/alch smoke dev").await;
        waits_for_invoke(world).await;
        world.slack.types("U0ALICE", "/alch cancel R1").await;
        let run = world.until_ended(R1).await;
        let (outcome, summary) = ended(&run);
        assert_eq!(outcome, Outcome::Cancelled);
        assert!(summary.contains("goes on") && summary.contains("/aws/lambda/the-alchemiser"), "{summary}");
        assert_eq!(invokes(world).len(), 1);
    });
}

#[test]
fn an_alias_is_what_proves_itself_and_what_is_invoked() {
    story_with(&[("ALCH__ENVIRONMENTS__DEV__SMOKE__QUALIFIER", "live")], async |world| {
        world.set_all("dev", RuleState::Enabled);
        world.alice().types("smoke dev").await;
        let run = world.until_ended(R1).await;
        assert_eq!(ended(&run).0, Outcome::Succeeded, "{}", world.told(R1).await);
        assert_eq!(invokes(world)[0]["Qualifier"], "live");
        let calls = world.aws.calls();
        let at = calls.iter().position(|call| call.operation == "Invoke").unwrap();
        for proof in [&calls[..at], &calls[at..]] {
            let of_alias = |call: &&Call| call.request["Qualifier"] == "live";
            assert!(proof.iter().filter(of_alias).any(|call| call.operation == "GetFunctionConfiguration"));
        }
    });
    story_with(&[("ALCH__ENVIRONMENTS__DEV__SMOKE__QUALIFIER", "nobody")], async |world| {
        world.alice().types("smoke dev").await;
        assert_eq!(ended(&world.until_ended(R1).await).0, Outcome::Failed);
        assert!(invokes(world).is_empty());
    });
}

#[test]
fn a_short_secret_is_hidden_and_the_log_is_read_where_the_function_writes_it() {
    story(async |world| {
        assert!(world.aws.set_up_function(FUNCTION, "/trading/log", ("BROKER_TOKEN", "a1b2")));
        assert!(world.aws.set_fault("dev.function.errors", true));
        world.alice().types("smoke dev").await;
        world.until_ended(R1).await;
        let thread = world.thread(R1).await;
        assert!(thread.contains("'BROKER_TOKEN': [masked]") && !thread.contains("a1b2"), "{thread}");
        assert!(world.aws.set_fault("dev.function.errors", false));
        world.aws.inject(ApiFault { operation: "Invoke".to_owned(), times: 1, how: Failure::AfterEffect });
        world.alice().types("smoke dev").await;
        world.passes(SignedDuration::from_mins(1)).await;
        let told = world.told(RunId(2)).await;
        assert!(told.contains("/trading/log names alch-dev-R2-"), "{told}");
        world.until_ended(RunId(2)).await;
        world.alice().types("verify dev").await;
        world.until_ended(RunId(3)).await;
        let calls = world.aws.calls();
        let searched: Vec<&Call> = calls.iter().filter(|call| call.operation == "FilterLogEvents").collect();
        assert!(searched.iter().all(|call| call.request["logGroupName"] == "/trading/log"), "{searched:?}");
        kept_secret(world, R1).await;
    });
}
