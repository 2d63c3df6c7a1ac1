//! `/alch deploy` by change set: what would change is shown first, then executed once, and the rules stay as they were.

use alch::domain::{Detail, Outcome, RunId};
use alch::sandbox::aws::{ApiFault, Failure, Outcome as CallOutcome, RuleState, VersionPlan};
use insta::assert_snapshot;
use jiff::SignedDuration;

use crate::world::{World, story_with};

const R1: RunId = RunId(1);
const SETTINGS: [(&str, &str); 4] = [
    ("ALCH__ENVIRONMENTS__DEV__DEPLOY__DEPLOYER", "changeset"),
    ("ALCH__ENVIRONMENTS__DEV__DEPLOY__CHANGESET__TEMPLATE", "s3://alchemiser-artefacts/dev/{version}.yaml"),
    ("ALCH__ENVIRONMENTS__PROD__DEPLOY__DEPLOYER", "changeset"),
    ("ALCH__ENVIRONMENTS__PROD__DEPLOY__CHANGESET__TEMPLATE", "s3://alchemiser-artefacts/prod/{version}.yaml"),
];

fn tell(story: impl AsyncFnOnce(&mut World)) {
    story_with(&SETTINGS, story);
}

fn executions(world: &World) -> usize {
    world.aws.calls().iter().filter(|call| call.operation == "ExecuteChangeSet").count()
}

#[test]
fn a_version_is_deployed_and_the_rules_stay_as_they_were() {
    tell(async |world| {
        world.alice().types("deploy dev --version 2026.11.27").await;
        let run = world.until_ended(R1).await;
        assert_eq!(run.ended.unwrap().outcome, Outcome::Succeeded, "{}", world.told(R1).await);
        assert_eq!(executions(world), 1);
        assert_eq!(world.enabled("dev"), Vec::<&str>::new());
        assert_snapshot!("deploy", world.thread(R1).await);
        world.alice().types("versions dev").await;
        assert!(world.alice().sees().contains("2026.11.27 (runs now)"), "{}", world.alice().sees());
    });
}

#[test]
fn what_is_deployed_already_is_an_empty_change_set_and_nothing_is_executed() {
    tell(async |world| {
        world.alice().types("deploy dev --version 2026.11.27").await;
        world.until_ended(R1).await;
        world.alice().types("deploy dev --version 2026.11.27").await;
        let run = world.until_ended(RunId(2)).await;
        assert_eq!(run.ended.unwrap().outcome, Outcome::Succeeded, "{}", world.told(RunId(2)).await);
        assert_eq!(executions(world), 1);
        let thread = world.thread(RunId(2)).await;
        assert!(thread.contains("The change set of 2026.11.27 is empty"), "{thread}");
    });
}

#[test]
fn the_version_before_is_gone_back_to() {
    tell(async |world| {
        for (run, version) in [(1, "2026.11.27"), (2, "2026.11.28")] {
            world.alice().types(&format!("deploy dev --version {version}")).await;
            world.until_ended(RunId(run)).await;
        }
        world.alice().types("rollback dev --code").await;
        let run = world.until_ended(RunId(3)).await;
        assert_eq!(run.ended.unwrap().outcome, Outcome::Succeeded, "{}", world.told(RunId(3)).await);
        world.alice().types("versions dev").await;
        assert!(world.alice().sees().contains("2026.11.27 (runs now)"), "{}", world.alice().sees());
    });
}

/// Another database counts its runs from one again, and what it finds of that number in AWS is not its own.
#[test]
fn names_and_tokens_are_no_other_databases() {
    tell(async |world| {
        world.alice().types("deploy dev --version 2026.11.27").await;
        world.until_ended(R1).await;
        let asked = |operation: &str, field: &str| {
            let call = world.aws.calls().into_iter().find(|call| call.operation == operation).unwrap();
            call.request[field].as_str().unwrap().to_owned()
        };
        let mark = format!("alch-R1-{}", world.run(R1).await.requested_at.strftime("%Y%m%dT%H%M%S"));
        for name in [
            asked("CreateChangeSet", "ChangeSetName"),
            asked("CreateChangeSet", "ClientToken"),
            asked("ExecuteChangeSet", "ClientRequestToken"),
        ] {
            assert!(name.starts_with(&mark), "{name} and {mark}");
        }
    });
}

#[test]
fn the_first_deployment_is_gone_back_from_to_what_ran_before_it() {
    tell(async |world| {
        world.alice().types("deploy dev --version 2026.11.27").await;
        world.until_ended(R1).await;
        world.alice().types("rollback dev --code").await;
        let run = world.until_ended(RunId(2)).await;
        assert_eq!(run.ended.unwrap().outcome, Outcome::Succeeded, "{}", world.told(RunId(2)).await);
        assert!(world.told(RunId(2)).await.contains("with version 2026.11.20"), "{}", world.told(RunId(2)).await);
    });
}

#[test]
fn a_version_whose_update_failed_is_none_to_go_back_to() {
    tell(async |world| {
        let fails = Some("Resource handler returned message: no such layer".to_owned());
        world.aws.plan_version("2026.11.29", VersionPlan { fails, ..VersionPlan::default() });
        for (run, version) in [(1, "2026.11.27"), (2, "2026.11.28"), (3, "2026.11.29")] {
            world.alice().types(&format!("deploy dev --version {version}")).await;
            world.until_ended(RunId(run)).await;
        }
        world.alice().types("versions dev").await;
        let seen = world.alice().sees();
        assert!(seen.contains("2026.11.28 (runs now)") && !seen.contains("2026.11.29"), "{seen}");
        world.alice().types("rollback dev --code").await;
        let run = world.until_ended(RunId(4)).await;
        assert_eq!(run.ended.unwrap().outcome, Outcome::Succeeded, "{}", world.told(RunId(4)).await);
        assert!(world.told(RunId(4)).await.contains("with version 2026.11.27"), "{}", world.told(RunId(4)).await);
    });
}

#[test]
fn a_crash_around_the_execution_executes_nothing_twice() {
    for seconds in [0, 2, 4, 10] {
        tell(async |world| {
            world.alice().types("deploy dev --version 2026.11.27").await;
            world.passes(SignedDuration::from_secs(seconds)).await;
            world.killed();
            world.starts().await;
            world.clock.advance(SignedDuration::from_secs(15));
            let run = world.until_ended(R1).await;
            assert_eq!(run.ended.unwrap().outcome, Outcome::Succeeded, "{}", world.told(R1).await);
            assert_eq!(executions(world), 1);
        });
    }
}

#[test]
fn which_version_has_to_be_said_where_none_is_promoted() {
    tell(async |world| {
        world.alice().types("deploy dev").await;
        let run = world.until_ended(R1).await;
        let ended = run.ended.unwrap();
        assert_eq!(ended.outcome, Outcome::Failed);
        assert!(ended.summary.contains("say which version"), "{}", ended.summary);
        assert_eq!(executions(world), 0);
    });
}

#[test]
fn a_template_that_says_enabled_turns_nothing_on_for_good() {
    tell(async |world| {
        world.aws.plan_version("2026.11.27", VersionPlan { enables_rules: true, ..VersionPlan::default() });
        world.alice().types("deploy dev --version 2026.11.27").await;
        let run = world.until_ended(R1).await;
        assert_eq!(run.ended.unwrap().outcome, Outcome::Succeeded, "{}", world.told(R1).await);
        assert_eq!(world.enabled("dev"), Vec::<&str>::new());
        world.alice().types("deploy dev --version 2026.11.28 --leave-rules").await;
        world.aws.plan_version("2026.11.28", VersionPlan { enables_rules: true, ..VersionPlan::default() });
        world.until_ended(RunId(2)).await;
        assert_eq!(world.enabled("dev").len(), 4, "left as the template says");
    });
}

#[test]
fn an_update_that_fails_says_why_and_what_the_stack_is_now() {
    tell(async |world| {
        let fails = Some("Resource handler returned message: no such layer".to_owned());
        world.aws.plan_version("2026.11.27", VersionPlan { fails, ..VersionPlan::default() });
        world.alice().types("deploy dev --version 2026.11.27").await;
        let run = world.until_ended(R1).await;
        let ended = run.ended.unwrap();
        assert_eq!(ended.outcome, Outcome::Failed);
        for words in ["is UPDATE_ROLLBACK_COMPLETE", "no such layer", "put the stack back to what it was"] {
            assert!(ended.summary.contains(words), "{}", ended.summary);
        }
        assert_snapshot!("deploy_failed", world.thread(R1).await);
    });
}

#[test]
fn a_stack_that_could_not_be_put_back_is_recovered() {
    tell(async |world| {
        let fails = Some("Resource handler returned message: no such layer".to_owned());
        world.aws.plan_version("2026.11.27", VersionPlan { fails, rollback_fails: true, ..VersionPlan::default() });
        world.alice().types("deploy dev --version 2026.11.27").await;
        let ended = world.until_ended(R1).await.ended.unwrap();
        assert!(ended.summary.contains("`recover dev` continues the rollback"), "{}", ended.summary);
        world.alice().types("deploy dev --version 2026.11.28").await;
        let ended = world.until_ended(RunId(2)).await.ended.unwrap();
        assert!(ended.summary.contains("takes no update"), "{}", ended.summary);
        world.alice().types("recover dev").await;
        let run = world.until_ended(RunId(3)).await;
        assert_eq!(run.ended.unwrap().outcome, Outcome::Succeeded, "{}", world.told(RunId(3)).await);
        world.alice().types("recover dev").await;
        let ended = world.until_ended(RunId(4)).await.ended.unwrap();
        assert!(ended.summary.contains("nothing to bring it out of"), "{}", ended.summary);
    });
}

#[test]
fn in_production_the_change_set_is_shown_and_approved_before_it_is_executed() {
    tell(async |world| {
        let plan = VersionPlan { replaces_table: true, changes_role: true, ..VersionPlan::default() };
        world.aws.plan_version("2026.11.27", plan);
        world.alice().types("deploy prod --version 2026.11.27 --reason \"weekly release\"").await;
        world.passes(SignedDuration::from_secs(10)).await;
        assert_eq!(executions(world), 0, "nobody has approved it");
        assert_snapshot!("deploy_asks", world.thread(R1).await);
        let question = world.asking(R1, "approve").await;
        world.bob().clicks(&question, "approve").await;
        let run = world.until_ended(R1).await;
        assert_eq!(run.ended.unwrap().outcome, Outcome::Succeeded, "{}", world.told(R1).await);
        assert_eq!(executions(world), 1);
        assert_eq!(world.enabled("prod").len(), 4, "the rules stay as they were");
    });
}

#[test]
fn what_the_function_runs_is_kept_in_the_journal() {
    tell(async |world| {
        world.alice().types("deploy dev --version 2026.11.27").await;
        let run = world.until_ended(R1).await;
        let recorded = run.steps.iter().find_map(|progress| match &progress.effected.as_ref()?.1.detail {
            Detail::Runs { version, artefact } => Some((version.clone(), artefact.clone())),
            _ => None,
        });
        let (version, artefact) = recorded.unwrap();
        assert_eq!(version.as_deref(), Some("2026.11.27"));
        assert_eq!(artefact.package.unwrap().to_string(), "s3://alchemiser-artefacts/code/2026.11.27.zip");
        let before = run.facts.unwrap().1.artefact.unwrap();
        assert_ne!(before.code, artefact.code);
        assert_eq!(before.package.unwrap().to_string(), "s3://alchemiser-artefacts/code/2026.11.20.zip");
    });
}

#[test]
fn a_rollback_in_the_middle_of_an_update_turns_the_rules_off_and_says_what_goes_on() {
    tell(async |world| {
        world.set_all("dev", RuleState::Enabled);
        world.aws.plan_version("2026.11.27", VersionPlan { enables_rules: true, ..VersionPlan::default() });
        world.alice().types("deploy dev --version 2026.11.27").await;
        world.passes(SignedDuration::from_secs(8)).await;
        assert_eq!(executions(world), 1);
        world.alice().types("rollback dev").await;
        assert_eq!(world.enabled("dev"), Vec::<&str>::new());
        let rollback = world.until_ended(RunId(2)).await.ended.unwrap();
        assert!(rollback.summary.contains("is UPDATE_IN_PROGRESS"), "{}", rollback.summary);
        let ended = world.until_ended(R1).await.ended.unwrap();
        assert_eq!(ended.outcome, Outcome::Preempted);
        assert!(ended.summary.contains("roll back once more if one is on"), "{}", ended.summary);
    });
}

/// What has become of the change sets that were made: still there, by name.
fn left(world: &World) -> Vec<String> {
    let calls = world.aws.calls();
    let names = |operation: &str| -> Vec<String> {
        let of = calls.iter().filter(|call| call.operation == operation && call.outcome == CallOutcome::Answered);
        of.map(|call| call.request["ChangeSetName"].as_str().unwrap().to_owned()).collect()
    };
    let deleted = names("DeleteChangeSet");
    names("CreateChangeSet").into_iter().filter(|name| !deleted.contains(name)).collect()
}

#[test]
fn a_change_set_that_nobody_executes_is_deleted() {
    for how in ["reject", "cancel", "lapse"] {
        tell(async |world| {
            world.alice().types("deploy prod --version 2026.11.27").await;
            world.passes(SignedDuration::from_secs(10)).await;
            assert_eq!(left(world).len(), 1);
            match how {
                "cancel" => {
                    world.alice().types("cancel R-1").await;
                }
                "lapse" => world.passes(SignedDuration::from_mins(31)).await,
                _ => {
                    world.bob().types("reject R-1 \"not today\"").await;
                }
            }
            let run = world.until_ended(R1).await;
            world.passes(SignedDuration::from_secs(5)).await;
            assert_eq!((left(world), executions(world)), (Vec::new(), 0), "{how}");
            let told = world.told(R1).await;
            let name = format!("alch-{}-1", run.mark());
            assert!(told.contains(&format!("not executed, and so deleted: {name}")), "{how}: {told}");
        });
    }
}

#[test]
fn a_change_set_is_deleted_though_alch_is_killed_or_cloudformation_does_not_answer() {
    for killed in [true, false] {
        tell(async |world| {
            world.alice().types("deploy prod --version 2026.11.27").await;
            world.passes(SignedDuration::from_secs(10)).await;
            let operation = "DeleteChangeSet".to_owned();
            world.aws.inject(ApiFault { operation, times: 6, how: Failure::ServerError });
            world.alice().types("cancel R-1").await;
            world.until_ended(R1).await;
            assert_eq!(left(world).len(), 1);
            if killed {
                world.killed();
                world.aws.cancel_injected();
                world.clock.advance(SignedDuration::from_secs(40));
                world.starts().await;
            }
            world.passes(SignedDuration::from_mins(2)).await;
            assert_eq!(left(world), Vec::<String>::new());
        });
    }
}

#[test]
fn a_change_set_that_cannot_be_deleted_is_said_to_be_left() {
    tell(async |world| {
        let operation = "DeleteChangeSet".to_owned();
        world.aws.inject(ApiFault { operation, times: 1, how: Failure::AccessDenied });
        world.alice().types("deploy prod --version 2026.11.27").await;
        world.passes(SignedDuration::from_secs(10)).await;
        world.alice().types("cancel R-1").await;
        world.until_ended(R1).await;
        let thread = world.thread(R1).await;
        assert!(thread.contains("A change set may be left behind") && thread.contains("DeleteChangeSet"), "{thread}");
    });
}

#[test]
fn a_preview_leaves_nothing_behind_and_says_why_it_shows_no_more() {
    tell(async |world| {
        world.alice().types("deploy dev --version 2026.11.27").await;
        world.until_ended(R1).await;
        world.passes(SignedDuration::from_mins(20)).await;
        let made = left(world);
        for (command, words) in [
            ("deploy dev --version 2026.11.28", "what a deployment would change is said by its change set"),
            ("rollback dev --code", "what a deployment would change is said by its change set"),
            ("rollback dev --code --function", "Put the code of the-alchemiser-v2-lambda-dev back"),
            ("rollback dev", "Disable all rules"),
            ("hard-stop dev", "reserved concurrency none → 0"),
            ("restore dev", "there was no rollback of dev to restore from"),
            ("smoke dev", "Invoke the-alchemiser-v2-lambda-dev"),
            ("recover dev", "there is nothing to bring it out of"),
            ("enable all dev", "Enable signal-generated"),
            ("disable all dev", "Disable signal-generated"),
            ("replay start dev --from \"2026-11-23 03:00\" --to \"2026-11-23 03:05\" --even-off", "Replay events"),
            ("replay start dev", "There is no plan"),
            ("dlq redrive dev", "There is no plan"),
            ("dlq dev", "does not become a run"),
            ("hard-stop prod", "Stop the-alchemiser-v2-lambda-prod"),
        ] {
            world.bob().types(&format!("plan {command}")).await;
            let saw = world.bob().saw();
            assert!(saw.contains(words), "{command}: {saw}");
        }
        assert_eq!(left(world), made);
        let changing =
            ["Put", "Delete", "Update", "Create", "Execute", "Enable", "Disable", "Start", "Invoke", "Publish"];
        let since = world.run(R1).await.ended.unwrap().at;
        for call in world.aws.calls().iter().filter(|call| call.at > since) {
            assert!(!changing.iter().any(|word| call.operation.starts_with(word)), "{call:?}");
        }
        assert_eq!(world.store().recent_runs(None, 10).await.unwrap().len(), 1, "and nothing is recorded");
    });
}
