//! Change sets, packages and concurrency against moto and ministack.

use super::*;
use crate::domain::{ChangeSetOrder, ChangeSetState, Package};

const BUCKET: &str = "alchemiser-artefacts";
/// A zip without entries.
const EMPTY_ZIP: &[u8] = b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

#[tokio::test]
async fn a_change_set_is_made_executed_and_empty_against_moto() {
    if let Some(moto) = emulators::moto().await {
        let story = begin(&moto).await;
        story.a_version_is_deployed(false).await;
        story.what_cannot_be_found_makes_no_change_set().await;
        story.a_dry_run_changes_nothing().await;
        story.the_function_is_stopped_and_gets_other_code().await;
    }
}

#[tokio::test]
async fn a_change_set_is_made_executed_and_empty_against_ministack() {
    if let Some(ministack) = emulators::ministack().await {
        let story = begin(&ministack).await;
        story.a_version_is_deployed(true).await;
        story.what_cannot_be_found_makes_no_change_set().await;
        story.the_function_is_stopped_and_gets_other_code().await;
    }
}

async fn begin(emulator: &Emulator) -> Story {
    let story = Story::begin(
        emulator,
        Lies { new_alarms_lack_data: false, missing_rules_are_refused: false, functions_echo: false },
    )
    .await;
    emulator.put(&format!("/{BUCKET}"), b"");
    let next = template(&story.environment).replace("events & what", "events, and what");
    let next = next.replace(
        r#""Topic": {"#,
        r#""Extra": { "Type": "AWS::SQS::Queue", "Properties": { "QueueName": "extra-dev" } },
    "Topic": {"#,
    );
    emulator.put(&format!("/{BUCKET}/dev/2.yaml"), next.as_bytes());
    emulator.put(&format!("/{BUCKET}/code/2.zip"), EMPTY_ZIP);
    story
}

impl Story {
    fn order(&self, name: &str, version: &str) -> ChangeSetOrder {
        ChangeSetOrder {
            stack: self.environment.stack.clone(),
            name: name.to_owned(),
            token: name.to_owned(),
            template_url: format!("https://s3.us-east-1.amazonaws.com/{BUCKET}/dev/{version}.yaml"),
            parameters: Vec::new(),
            kept_parameters: Vec::new(),
            capabilities: vec!["CAPABILITY_IAM".to_owned()],
            role_arn: None,
            tags: vec![("version".to_owned(), version.to_owned())],
            creates: false,
        }
    }

    /// Waits until CloudFormation has worked a change set out, or executed it.
    async fn settled(&self, name: &str) -> ChangeSetState {
        let stack = &self.environment.stack;
        for _ in 0..100 {
            let found = self.aws.change_set(stack, name).await.unwrap().value.unwrap();
            let stands = self.aws.stack_state(stack).await.unwrap().unwrap();
            if found.state != ChangeSetState::Pending && !stands.is_in_progress() {
                return found.state;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("{name} is not settled after 5 s");
    }

    /// `keeps_tokens` where the emulator keeps the request's token with the stack's events, as AWS does.
    async fn a_version_is_deployed(&self, keeps_tokens: bool) {
        let stack = self.environment.stack.clone();
        assert_eq!(self.aws.change_set(&stack, "alch-R1-1").await.unwrap().value, None);
        let made = self.aws.create_change_set(&self.held, &self.order("alch-R1-1", "2")).await.unwrap().value;
        assert_eq!(self.settled("alch-R1-1").await, ChangeSetState::Available);
        let found = self.aws.change_set(&stack, &made).await.unwrap().value.unwrap();
        assert_eq!(found.id, made, "by its id too");
        let added = found.changes.iter().find(|change| change.logical_id == "Extra").unwrap();
        assert_eq!((added.action.as_str(), added.resource_type.as_str()), ("Add", "AWS::SQS::Queue"), "{found:#?}");

        let token = "alch-R1-execute";
        assert!(self.aws.stack_events(&stack, token).await.unwrap().value.is_empty(), "nothing has happened yet");
        self.aws.execute_change_set(&self.held, &stack, &made, token).await.unwrap();
        let executed = self.settled(&made).await;
        assert_eq!(executed, ChangeSetState::Executed { status: "EXECUTE_COMPLETE".to_owned() });
        let state = self.aws.stack_state(&stack).await.unwrap().unwrap();
        assert_eq!((state.status.as_str(), state.is_good()), ("UPDATE_COMPLETE", true));
        let events = self.aws.stack_events(&stack, token).await.unwrap().value;
        assert_eq!(!events.is_empty(), keeps_tokens, "{events:#?}");

        self.aws.create_change_set(&self.held, &self.order("alch-R2-1", "2")).await.unwrap();
        assert_eq!(self.settled("alch-R2-1").await, ChangeSetState::Empty);
        self.aws.delete_change_set(&self.held, &stack, "alch-R2-1").await.unwrap();
        assert_eq!(self.aws.change_set(&stack, "alch-R2-1").await.unwrap().value, None);
    }

    async fn what_cannot_be_found_makes_no_change_set(&self) {
        let stack = &self.environment.stack;
        assert!(self.aws.create_change_set(&self.held, &self.order("alch-R3-1", "none")).await.is_err());
        assert_eq!(self.aws.change_set(stack, "alch-R3-1").await.unwrap().value, None);
        assert_eq!(self.aws.stack_state("no-such-stack").await.unwrap(), None);
    }

    /// moto answers with the code that runs, which Alch takes for no answer. ministack carries it out, so it is not asked.
    async fn a_dry_run_changes_nothing(&self) {
        let function = &self.environment.function;
        let before = self.aws.code(function).await.unwrap().value;
        let package = Package { bucket: BUCKET.to_owned(), key: "code/2.zip".to_owned(), object_version: None };
        let answered = self.aws.dry_run_code(&self.held, function, &package).await.unwrap().value;
        assert!(answered.is_some());
        assert_eq!(self.aws.code(function).await.unwrap().value.code, before.code);
    }

    async fn the_function_is_stopped_and_gets_other_code(&self) {
        let function = &self.environment.function;
        for to in [Some(0), Some(5), None, None] {
            self.aws.set_concurrency(&self.held, function, to).await.unwrap();
            assert_eq!(self.aws.concurrency(function).await.unwrap().value, to);
        }
        let before = self.aws.code(function).await.unwrap().value;
        let package = Package { bucket: BUCKET.to_owned(), key: "code/2.zip".to_owned(), object_version: None };
        let running = self.aws.running(&self.environment).await.unwrap();
        assert_eq!(running.code, before.code);
        assert!(running.package.is_some() != running.lacks.is_some(), "{running:?}");
        let answered = self.aws.update_code(&self.held, function, &package, &before.revision).await.unwrap().value;
        let after = self.aws.code(function).await.unwrap().value;
        assert_ne!(after.code, before.code);
        assert_eq!(answered.as_ref(), Some(&after.code));
        let missing = self.aws.set_concurrency(&self.held, "no-such-function", Some(0)).await.unwrap_err();
        assert!(missing.is_not_found(), "{missing}");
    }
}
