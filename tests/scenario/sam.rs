//! Deployments by `sam`: a small shell script plays it, in a git checkout of its own, and the story plays CloudFormation.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use alch::domain::{Detail, Outcome, Run, RunId, StepStatus};
use alch::sandbox::aws::RuleState;
use jiff::SignedDuration;

use crate::world::{World, story_with};

const R1: RunId = RunId(1);
const R2: RunId = RunId(2);
/// How long anything real may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A `sam` that notes what it is told, and does what the files beside it say.
const SAM: &str = r#"#!/bin/sh
here=$(dirname "$0")
echo "$*" >> "$here/asked"
env | sort > "$here/env.$1"
echo $$ >> "$here/pids"
echo "sam $1 begins with key $AWS_ACCESS_KEY_ID and password=hunter2"
if [ -e "$here/$1.hangs" ]; then
    sleep 300 &
    echo $! >> "$here/pids"
    echo ready
    touch "$here/$1.begun"
    while [ ! -e "$here/$1.go" ]; do sleep 0.02; done
fi
[ -e "$here/$1.says" ] && cat "$here/$1.says"
[ -e "$here/$1.fails" ] && exit 1
touch "$here/$1.over"
"#;

struct Checkout {
    folder: tempfile::TempDir,
}

impl Checkout {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let checkout = Self { folder };
        std::fs::create_dir(checkout.path().join("tools")).unwrap();
        std::fs::create_dir(checkout.path().join("app")).unwrap();
        checkout.writes("tools/sam", SAM);
        std::fs::set_permissions(checkout.path().join("tools/sam"), std::fs::Permissions::from_mode(0o755)).unwrap();
        checkout.git(&["init", "-q", "-b", "main"]);
        checkout.writes("app/template.yaml", "Resources: {}\n");
        checkout.writes("app/samconfig.toml", "version = 0.1\n[dev.deploy.parameters]\nresolve_s3 = true\n[prod]\n");
        checkout.commits("one");
        checkout
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn git(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=ada", "-c", "user.email=ada@example.com"]).args(arguments);
        command.envs([("GIT_AUTHOR_DATE", "2026-11-20T00:00:00Z"), ("GIT_COMMITTER_DATE", "2026-11-20T00:00:00Z")]);
        let output = command.current_dir(self.path().join("app")).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn commits(&self, words: &str) {
        self.git(&["add", "."]);
        self.git(&["commit", "-qm", words]);
    }

    fn commit(&self) -> String {
        self.git(&["rev-parse", "HEAD"]).trim().to_owned()
    }

    fn writes(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    /// Beside the script, out of the checkout.
    fn tool(&self, name: &str, text: &str) {
        self.writes(&format!("tools/{name}"), text);
    }

    fn reads(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join("tools").join(name)).unwrap_or_default()
    }

    fn has(&self, name: &str) -> bool {
        self.path().join("tools").join(name).exists()
    }

    fn settings(&self, environment: &str) -> Vec<(String, String)> {
        let checkout = self.path().join("app").display().to_string();
        let program = self.path().join("tools/sam").display().to_string();
        let key = |key: &str| format!("ALCH__ENVIRONMENTS__{}__DEPLOY__{key}", environment.to_uppercase());
        [
            ("DEPLOYER", "sam"),
            ("SAM__CHECKOUT", &checkout),
            ("SAM__COMMAND", &program),
            ("SAM__CONFIG_ENV", environment),
            ("SAM__TIMEOUT", "10m"),
        ]
        .map(|(name, value)| (key(name), value.to_owned()))
        .to_vec()
    }

    async fn no_process_is_left(&self) {
        let pids: Vec<u32> = self.reads("pids").lines().map(|line| line.parse().unwrap()).collect();
        assert!(!pids.is_empty());
        let lives = |pid: &u32| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
            stat.is_ok_and(|stat| !stat.rsplit(')').next().unwrap().trim_start().starts_with('Z'))
        };
        really("all processes end", || !pids.iter().any(lives)).await;
    }
}

/// Tells a story of `dev` or `prod`, deployed to by `sam`.
fn told(environment: &str, tell: impl AsyncFnOnce(&mut World, &Checkout)) {
    let checkout = Checkout::new();
    let settings = checkout.settings(environment);
    let settings: Vec<(&str, &str)> = settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    story_with(&settings, async |world| {
        // The stack was made a while ago.
        world.passes(SignedDuration::from_mins(1)).await;
        tell(world, &checkout).await;
    });
}

/// Waits, in real time, for what a process does.
async fn really(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Lets the story's time pass until something holds that a process and the bot bring about together.
async fn passes_until(world: &World, what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    world.settle().await;
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
        world.passes(SignedDuration::from_secs(3)).await;
    }
}

async fn ended(world: &World, run: RunId) -> Run {
    let began = Instant::now();
    loop {
        let now = world.run(run).await;
        if now.ended.is_some() {
            return now;
        }
        assert!(began.elapsed() < PATIENCE, "{run} does not end: {}", world.told(run).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
        world.passes(SignedDuration::from_secs(3)).await;
    }
}

/// `sam deploy` is at work: CloudFormation begins to update the stack.
async fn deploy_is_under_way(world: &World, checkout: &Checkout) {
    passes_until(world, "sam deploy begins", || checkout.has("deploy.begun")).await;
    assert!(world.aws.touch_stack("alchemiser-trading-dev", "UPDATE_IN_PROGRESS", None));
}

fn step(run: &Run, id: &str) -> (StepStatus, String) {
    let step = run.steps.iter().find(|progress| progress.step.id.0 == id).unwrap();
    (step.status, step.summary.clone())
}

#[test]
fn what_is_checked_out_is_built_and_deployed() {
    told("dev", async |world, checkout| {
        checkout.tool("deploy.hangs", "");
        checkout.tool("deploy.says", "Successfully created/updated stack - alchemiser-trading-dev in us-east-1\n");
        world.alice().types("deploy dev").await;
        deploy_is_under_way(world, checkout).await;
        world.passes(SignedDuration::from_secs(6)).await;
        let meanwhile = world.thread(R1).await;
        assert!(meanwhile.contains("sam deploy begins with key [masked] and password=[masked]"), "{meanwhile}");
        assert!(world.aws.touch_stack("alchemiser-trading-dev", "UPDATE_COMPLETE", None));
        checkout.tool("deploy.go", "");
        // The template says ENABLED.
        world.set_all("dev", RuleState::Enabled);
        let run = ended(world, R1).await;
        let (status, summary) = step(&run, "sam-deploy");
        let commit = checkout.commit();
        assert_eq!(status, StepStatus::Done, "{}", world.told(R1).await);
        assert_eq!(summary, format!("deployed {} (main): alchemiser-trading-dev is UPDATE_COMPLETE", &commit[..12]));
        let deployed = run.steps.iter().find_map(|progress| match &progress.effected.as_ref()?.1.detail {
            Detail::Deployed { checkout } => Some(checkout.clone()),
            _ => None,
        });
        assert_eq!(deployed.unwrap().commit, commit);
        assert_eq!(
            checkout.reads("asked"),
            "build\ndeploy --config-env dev --stack-name alchemiser-trading-dev --region us-east-1 \
             --no-confirm-changeset --no-fail-on-empty-changeset --no-progressbar\n"
        );
        let found = checkout.reads("env.deploy");
        for line in ["SAM_CLI_TELEMETRY=0", "AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=", "AWS_ENDPOINT_URL=http://127"]
        {
            assert!(found.contains(line), "{line}: {found}");
        }
        assert!(!checkout.reads("env.build").contains("AWS_ACCESS_KEY_ID"), "a build gets no credentials");
        let (_, summary) = step(&run, "keep-rules");
        assert!(summary.contains("are as they were before: signal-generated enabled → disabled"), "{summary}");
        assert!(world.enabled("dev").is_empty());
        assert_eq!(step(&run, "infrastructure").0, StepStatus::Done, "{}", world.told(R1).await);
        assert_eq!(run.ended.unwrap().outcome, Outcome::Succeeded);
        let told = format!("{}{}", world.told(R1).await, world.thread(R1).await);
        assert!(!told.contains("hunter2"), "{told}");
    });
}

#[test]
fn rules_are_left_as_the_template_says_when_that_is_asked_for() {
    told("dev", async |world, checkout| {
        checkout.tool("deploy.hangs", "");
        world.alice().types("deploy dev --leave-rules").await;
        deploy_is_under_way(world, checkout).await;
        world.set_all("dev", RuleState::Enabled);
        assert!(world.aws.touch_stack("alchemiser-trading-dev", "UPDATE_COMPLETE", None));
        checkout.tool("deploy.go", "");
        let run = ended(world, R1).await;
        assert_eq!(run.ended.unwrap().outcome, Outcome::Succeeded);
        assert_eq!(world.enabled("dev").len(), 4);
        let thread = world.thread(R1).await;
        assert!(thread.contains("Rules are left as the template says"), "{thread}");
    });
}

#[test]
fn a_build_that_fails_deploys_nothing() {
    told("dev", async |world, checkout| {
        checkout.tool("build.says", "Error: PythonPipBuilder:ResolveDependencies - no such package\n");
        checkout.tool("build.fails", "");
        checkout.writes("app/new.py", "");
        world.alice().types("deploy dev").await;
        let run = ended(world, R1).await;
        assert_eq!(run.ended.as_ref().unwrap().outcome, Outcome::Failed);
        let (status, summary) = step(&run, "sam-build");
        assert_eq!(status, StepStatus::Failed);
        assert!(summary.contains("sam build failed with exit status 1"), "{summary}");
        assert!(summary.contains("no such package. Nothing was deployed"), "{summary}");
        assert_eq!(checkout.reads("asked"), "build\n");
        let thread = world.thread(R1).await;
        assert!(thread.contains("NOT CLEAN: 1 file differs (new.py). Nobody can check out again"), "{thread}");
    });
}

#[test]
fn the_exit_status_and_the_stack_both_have_to_be_well() {
    for (stack, fails, status, said) in [
        (Some("UPDATE_ROLLBACK_COMPLETE"), false, StepStatus::Failed, "was rolled back to what it was before"),
        (Some("UPDATE_ROLLBACK_FAILED"), true, StepStatus::Failed, "`recover dev` brings it out of that"),
        (Some("UPDATE_COMPLETE"), true, StepStatus::Failed, "it was changed all the same"),
        (None, true, StepStatus::Failed, "and was not changed"),
        (None, false, StepStatus::Already, "there was nothing to deploy"),
    ] {
        told("dev", async |world, checkout| {
            checkout.tool("deploy.hangs", "");
            if fails {
                checkout.tool("deploy.fails", "");
            }
            world.alice().types("deploy dev").await;
            passes_until(world, "sam deploy begins", || checkout.has("deploy.begun")).await;
            if let Some(stack) = stack {
                let reason = Some("Resource handler returned message: no");
                assert!(world.aws.touch_stack("alchemiser-trading-dev", stack, reason));
            }
            checkout.tool("deploy.go", "");
            let run = ended(world, R1).await;
            let (found, summary) = step(&run, "sam-deploy");
            assert_eq!(found, status, "{summary}");
            assert!(summary.contains(said), "{said}: {summary}");
        });
    }
}

#[test]
fn the_stack_is_waited_for_when_sam_has_ended() {
    told("dev", async |world, checkout| {
        checkout.tool("deploy.hangs", "");
        world.alice().types("deploy dev").await;
        deploy_is_under_way(world, checkout).await;
        checkout.tool("deploy.go", "");
        passes_until(world, "sam deploy ends", || checkout.has("deploy.over")).await;
        world.passes(SignedDuration::from_mins(5)).await;
        let run = world.run(R1).await;
        assert_eq!(step(&run, "sam-deploy").0, StepStatus::Running);
        let thread = world.thread(R1).await;
        assert!(thread.contains("alchemiser-trading-dev goes on by itself: UPDATE_IN_PROGRESS"), "{thread}");
        world.aws.touch_stack("alchemiser-trading-dev", "UPDATE_COMPLETE", None);
        let run = ended(world, R1).await;
        assert_eq!(step(&run, "sam-deploy").0, StepStatus::Done);
    });
}

#[test]
fn a_cancel_kills_sam_with_its_children_and_says_how_the_stack_is_left() {
    told("dev", async |world, checkout| {
        checkout.tool("build.hangs", "");
        world.alice().types("deploy dev").await;
        passes_until(world, "sam build begins", || checkout.has("build.begun")).await;
        world.alice().types("cancel R-1").await;
        let run = ended(world, R1).await;
        assert_eq!(run.ended.as_ref().unwrap().outcome, Outcome::Cancelled);
        assert!(step(&run, "sam-build").1.contains("stopped with all its children; nothing was deployed"));
        checkout.no_process_is_left().await;

        std::fs::remove_file(checkout.path().join("tools/build.hangs")).unwrap();
        checkout.tool("deploy.hangs", "");
        world.alice().types("deploy dev").await;
        deploy_is_under_way(world, checkout).await;
        world.alice().types("cancel R-2").await;
        let run = ended(world, R2).await;
        let summary = step(&run, "sam-deploy").1;
        assert!(
            summary.contains("CloudFormation goes on by itself: alchemiser-trading-dev is UPDATE_IN_PROGRESS"),
            "{summary}"
        );
        checkout.no_process_is_left().await;
    });
}

#[test]
fn a_rollback_does_not_wait_for_a_deployment() {
    told("dev", async |world, checkout| {
        checkout.tool("deploy.hangs", "");
        world.set_all("dev", RuleState::Enabled);
        world.alice().types("deploy dev").await;
        deploy_is_under_way(world, checkout).await;
        world.carol().types("rollback dev").await;
        world.settle().await;
        assert!(world.enabled("dev").is_empty());
        let run = ended(world, R1).await;
        assert_eq!(run.ended.as_ref().unwrap().outcome, Outcome::Preempted);
        checkout.no_process_is_left().await;
    });
}

#[test]
fn after_a_crash_the_stack_tells_and_nothing_is_deployed_a_second_time() {
    for (stack, status, said) in [
        ("UPDATE_COMPLETE", StepStatus::Done, "deployed "),
        ("UPDATE_ROLLBACK_COMPLETE", StepStatus::Failed, "was rolled back to what it was before"),
    ] {
        told("dev", async |world, checkout| {
            checkout.tool("deploy.hangs", "");
            world.alice().types("deploy dev").await;
            deploy_is_under_way(world, checkout).await;
            world.killed();
            checkout.no_process_is_left().await;
            world.starts().await;
            world.passes(SignedDuration::from_mins(2)).await;
            assert_eq!(step(&world.run(R1).await, "sam-deploy").0, StepStatus::Running, "while it is IN_PROGRESS");
            world.aws.touch_stack("alchemiser-trading-dev", stack, None);
            let run = ended(world, R1).await;
            let (found, summary) = step(&run, "sam-deploy");
            assert_eq!(found, status, "{summary}");
            assert!(summary.contains(said), "{summary}");
            assert_eq!(checkout.reads("asked").matches("deploy ").count(), 1, "{}", checkout.reads("asked"));
        });
    }
}

#[test]
fn a_build_that_a_crash_ended_is_begun_again() {
    told("dev", async |world, checkout| {
        checkout.tool("build.hangs", "");
        world.alice().types("deploy dev").await;
        passes_until(world, "sam build begins", || checkout.has("build.begun")).await;
        world.killed();
        checkout.no_process_is_left().await;
        checkout.tool("build.go", "");
        world.starts().await;
        let run = ended(world, R1).await;
        assert_eq!(step(&run, "sam-build").0, StepStatus::Done, "{}", world.told(R1).await);
        assert_eq!(checkout.reads("asked").matches("build").count(), 2);
    });
}

#[test]
fn a_checkout_that_moves_after_the_plan_is_not_deployed() {
    told("dev", async |world, checkout| {
        checkout.tool("build.hangs", "");
        world.alice().types("deploy dev").await;
        passes_until(world, "sam build begins", || checkout.has("build.begun")).await;
        checkout.writes("app/template.yaml", "Resources: {Other: {}}\n");
        checkout.tool("build.go", "");
        let run = ended(world, R1).await;
        let (status, summary) = step(&run, "sam-deploy");
        assert_eq!(status, StepStatus::Failed);
        assert!(summary.contains("NOT CLEAN: 1 file differs (template.yaml) now; nothing was done"), "{summary}");
        assert_eq!(checkout.reads("asked"), "build\n");
    });
}

#[test]
fn what_cannot_be_deployed_is_said_before_anything_is_done() {
    told("dev", async |world, checkout| {
        checkout.writes("app/samconfig.toml", "version = 0.1\n[dev.deploy.parameters]\nstack_name = \"other\"\n");
        world.alice().types("deploy dev").await;
        world.settle().await;
        let summary = world.run(R1).await.ended.unwrap().summary;
        assert!(
            summary.contains("deploys to the stack other, but Alch looks after alchemiser-trading-dev"),
            "{summary}"
        );
        checkout.git(&["checkout", "-q", "--", "."]);
        world.alice().types("deploy dev --version 2026.11.20").await;
        world.settle().await;
        let summary = world.run(R2).await.ended.unwrap().summary;
        assert!(summary.contains("(main), not at 2026.11.20"), "{summary}");
        assert!(world.aws.touch_stack("alchemiser-trading-dev", "UPDATE_IN_PROGRESS", None));
        world.alice().types("deploy dev").await;
        let run = ended(world, RunId(3)).await;
        assert!(step(&run, "sam-deploy").1.contains("somebody else changes it"), "{:?}", step(&run, "sam-deploy"));
        assert_eq!(checkout.reads("asked"), "build\n");
    });
}

#[test]
fn to_production_goes_a_clean_commit_that_was_approved() {
    told("prod", async |world, checkout| {
        checkout.writes("app/new.py", "");
        world.alice().types("deploy prod").await;
        world.settle().await;
        let summary = world.run(R1).await.ended.unwrap().summary;
        assert!(summary.contains("NOT CLEAN: 1 file differs (new.py)"), "{summary}");

        std::fs::remove_file(checkout.path().join("app/new.py")).unwrap();
        world.alice().types("deploy prod").await;
        world.settle().await;
        let (plan, digest) = world.run(R2).await.plan.unwrap();
        assert!(plan.approval.is_some());
        // Somebody commits between the question and the approval: what was approved is not what would go out.
        checkout.writes("app/template.yaml", "Resources: {Other: {}}\n");
        checkout.commits("two");
        let asking = world.asking(R2, "approve").await;
        world.bob().clicks(&asking, "approve").await;
        world.settle().await;
        let run = world.run(R2).await;
        assert_ne!(run.plan.as_ref().unwrap().1, digest, "a plan of the new commit");
        let thread = world.thread(R2).await;
        assert!(thread.contains(&format!("is at {} (main) now", &checkout.commit()[..12])), "{thread}");
        assert_eq!(checkout.reads("asked"), "", "nothing was begun");
        world.alice().types("cancel R-2").await;
        world.settle().await;
    });
}
