//! The real `sam`, driven by the real program: it builds a small template and deploys it to an emulated AWS that somebody
//! else wrote, and ends with the program that started it.
#![cfg(feature = "sandbox")]
#![expect(clippy::unwrap_used, reason = "a story that cannot go on panics, in its helpers too")]

#[expect(dead_code, reason = "other tests use the rest")]
mod support {
    pub mod emulators;
    pub mod recorder;
    pub mod server;
    pub mod stack;
}

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::emulators::{self, Emulator};
use support::recorder::Recorder;
use support::server::{By, Stage, until};
use support::stack::Sdk;

/// A function that needs no compiler and no interpreter, and something that shows that a second deployment arrived.
fn template(topic: &str) -> String {
    format!(
        "AWSTemplateFormatVersion: '2010-09-09'\n\
         Transform: AWS::Serverless-2016-10-31\n\
         Resources:\n\
        \x20 Function:\n\
        \x20   Type: AWS::Serverless::Function\n\
        \x20   Metadata:\n\
        \x20     SkipBuild: true\n\
        \x20   Properties:\n\
        \x20     FunctionName: alch-sam-function\n\
        \x20     CodeUri: code/\n\
        \x20     Handler: bootstrap\n\
        \x20     Runtime: provided.al2023\n\
        \x20 Topic:\n\
        \x20   Type: AWS::SNS::Topic\n\
        \x20   Properties:\n\
        \x20     TopicName: {topic}\n"
    )
}

struct Checkout(tempfile::TempDir);

impl Checkout {
    fn new(deploy: &str) -> Self {
        let checkout = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(checkout.path().join("code")).unwrap();
        checkout.writes("code/bootstrap", "#!/bin/sh\n");
        checkout.writes("template.yaml", &template("alch-sam-one"));
        checkout.writes("samconfig.toml", &format!("version = 0.1\n[dev.deploy.parameters]\n{deploy}\n"));
        checkout.git(&["init", "-q", "-b", "main"]);
        checkout.commits("one");
        checkout
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn writes(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    fn git(&self, arguments: &[&str]) {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=ada", "-c", "user.email=ada@example.com"]).args(arguments);
        let output = command.current_dir(self.path()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    fn commits(&self, words: &str) {
        self.git(&["add", "."]);
        self.git(&["commit", "-qm", words]);
    }
}

/// The program, with `dev` deployed to by this `sam` from this checkout.
async fn stage(checkout: &Checkout, sam: &Path, settings: &[(&str, &str)]) -> Stage {
    let (folder, sam) = (checkout.path().display().to_string(), sam.display().to_string());
    let mut all = vec![
        ("ALCH__ENVIRONMENTS__DEV__DEPLOY__DEPLOYER", "sam"),
        ("ALCH__ENVIRONMENTS__DEV__DEPLOY__SAM__CHECKOUT", folder.as_str()),
        ("ALCH__ENVIRONMENTS__DEV__DEPLOY__SAM__CONFIG_ENV", "dev"),
        ("ALCH__ENVIRONMENTS__DEV__DEPLOY__SAM__COMMAND", sam.as_str()),
    ];
    all.extend(settings);
    let mut stage = Stage::with(By::Http, &all).await;
    stage.variables.insert("PATH".to_owned(), std::env::var("PATH").unwrap());
    stage
}

#[tokio::test(flavor = "multi_thread")]
async fn the_real_sam_builds_and_deploys_to_ministack() {
    let Some(sam) = emulators::sam() else { return };
    let Some(ministack) = emulators::ministack().await else { return };
    let checkout = Checkout::new("resolve_s3 = true\ncapabilities = \"CAPABILITY_IAM\"");
    deploys(&ministack, &checkout, &sam).await;
}

async fn deploys(emulator: &Emulator, checkout: &Checkout, sam: &Path) {
    let settings = [("ALCH__ENVIRONMENTS__DEV__ACCOUNT", emulator.account)];
    let mut stage = stage(checkout, sam, &settings).await;
    // What Alch looks at beside the stack is made under another name.
    let dev = stage.config.environment("dev").unwrap().clone();
    let sdk = Sdk::connect(&dev, &emulator.endpoint).await;
    let mut other = dev.clone();
    other.stack = "what-alch-looks-at".to_owned();
    sdk.make_stack(&other).await;
    let recorder = Recorder::start(&emulator.endpoint).await;
    stage.variables.insert("AWS_ENDPOINT_URL".to_owned(), recorder.url.clone());

    let done = stage.alch(&["run", "--yes", "deploy dev"]).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stdout.contains("sam build: built"), "{done:?}");
    assert!(done.stdout.contains(&format!("{} is CREATE_COMPLETE", dev.stack)), "{done:?}");
    let executed = recorder.asked("ExecuteChangeSet").len();
    assert_eq!(executed, 2, "one for the bucket that sam keeps its packages in, one for the stack");
    let created = recorder.asked("CreateChangeSet");
    let of_stack = created.iter().filter(|asked| asked.form().contains(&("StackName".to_owned(), dev.stack.clone())));
    assert_eq!(of_stack.count(), 1);

    checkout.writes("template.yaml", &template("alch-sam-two"));
    checkout.commits("two");
    let done = stage.alch(&["run", "--yes", "deploy dev"]).await;
    assert!(done.stdout.contains(&format!("{} is UPDATE_COMPLETE", dev.stack)), "{done:?}");
    assert_eq!(recorder.asked("ExecuteChangeSet").len(), executed + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_that_the_real_sam_cannot_build_is_said_in_its_own_words() {
    let Some(sam) = emulators::sam() else { return };
    let checkout = Checkout::new("resolve_s3 = true");
    checkout.writes("template.yaml", "Resources: [not, a, template]\n");
    checkout.commits("broken");
    let stage = stage(&checkout, &sam, &[]).await;
    let done = stage.alch(&["run", "--yes", "deploy dev"]).await;
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.stdout.contains("sam build failed with exit status 1"), "{done:?}");
    assert!(done.stdout.contains("Nothing was deployed"), "{done:?}");
}

/// Whether a process is there and no mere remnant.
fn lives(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.rsplit(')').next().unwrap().trim_start().starts_with('Z'))
}

/// A `sam` that hangs, with a child that does.
fn hanging(folder: &Path) -> PathBuf {
    let sam = folder.join("sam");
    std::fs::write(
        &sam,
        "#!/bin/sh\ncd \"$(dirname \"$0\")\"\ntrap '' HUP\nsleep 300 &\necho $! > child\necho $$ > parent\nwait\n",
    )
    .unwrap();
    std::fs::set_permissions(&sam, std::fs::Permissions::from_mode(0o755)).unwrap();
    sam
}

#[tokio::test(flavor = "multi_thread")]
async fn sam_does_not_outlive_a_program_that_is_killed_or_stopped() {
    for kill in [true, false] {
        let checkout = Checkout::new("resolve_s3 = true");
        let tools = tempfile::tempdir().unwrap();
        let stage = stage(&checkout, &hanging(tools.path()), &[]).await;
        let mut server = stage.serve().await;
        assert!(stage.slack.types(support::server::ALICE, "/alch deploy dev").await.is_ok());
        let pid = |name: &str| std::fs::read_to_string(tools.path().join(name)).ok()?.trim().parse::<u32>().ok();
        until("sam is at work", async || pid("parent").is_some()).await;
        let pids = [pid("parent").unwrap(), pid("child").unwrap()];
        assert!(pids.iter().all(|pid| lives(*pid)), "{pids:?}");
        if kill {
            server.process.kill();
        } else {
            server.process.terminate();
            assert!(server.process.exit().await.success());
        }
        until("sam and its child end", async || !pids.iter().any(|pid| lives(*pid))).await;
    }
}
