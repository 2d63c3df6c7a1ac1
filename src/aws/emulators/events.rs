//! Archives, replays, dead letters and rights against moto and ministack.

use std::time::Duration;

use aws_sdk_sqs::types::MessageAttributeValue;

use super::*;
use crate::checks::policy_document::Permission;
use crate::domain::ReplayOrder;

const ALLOWED: &str = "dynamodb:GetItem";

#[tokio::test]
async fn events_are_replayed_and_dead_letters_handled_against_moto() {
    if let Some(moto) = emulators::moto().await {
        tell(&moto, false).await;
    }
}

#[tokio::test]
async fn events_are_replayed_and_dead_letters_handled_against_ministack() {
    if let Some(ministack) = emulators::ministack().await {
        tell(&ministack, true).await;
    }
}

/// `ends` where the emulator lets a replay that is over not be cancelled, as AWS does.
async fn tell(emulator: &Emulator, ends: bool) {
    let story = Story::begin(
        emulator,
        Lies { new_alarms_lack_data: false, missing_rules_are_refused: false, functions_echo: false },
    )
    .await;
    story.an_archive_is_replayed_from(ends).await;
    story.a_dead_letter_is_put_on_the_bus_again().await;
    story.a_role_may_what_its_policies_say().await;
}

impl Story {
    async fn an_archive_is_replayed_from(&self, ends: bool) {
        let name = &self.environment.archive;
        assert_eq!(self.aws.archive(name).await.unwrap().value, None);
        let bus = self.sdk.events.describe_event_bus().name(self.bus()).send().await.unwrap();
        let create = self.sdk.events.create_archive().archive_name(name).retention_days(365);
        create.event_source_arn(bus.arn().unwrap()).send().await.unwrap();
        let archive = self.aws.archive(name).await.unwrap().value.unwrap();
        assert_eq!((archive.bus_arn.as_str(), archive.state.as_str()), (bus.arn().unwrap(), "ENABLED"));
        assert_eq!((archive.retention_days, archive.filtered), (Some(365), false));
        assert_eq!(self.aws.archives_of(&archive.bus_arn).await.unwrap().value, std::slice::from_ref(name));

        let rules = self.aws.rules(self.bus()).await.unwrap();
        let rule = rules.iter().find(|rule| rule.name == self.rule().rule).unwrap();
        let order = ReplayOrder {
            archive_arn: archive.arn.clone(),
            bus_arn: archive.bus_arn,
            rule_arns: vec![rule.arn.clone()],
            from: self.now - SignedDuration::from_mins(30),
            to: self.now - SignedDuration::from_mins(20),
        };
        assert_eq!(self.aws.replay("alch-dev-R-1").await.unwrap().value, None);
        for _ in 0..2 {
            // The second is the same one.
            self.aws.start_replay(&self.held, "alch-dev-R-1", "R-1", &order).await.unwrap();
        }
        let replay = self.aws.replay("alch-dev-R-1").await.unwrap().value.unwrap();
        assert_eq!(
            (replay.order.from.as_second(), replay.order.to.as_second()),
            (order.from.as_second(), order.to.as_second())
        );
        let listed = self.aws.replays(&archive.arn).await.unwrap().value;
        assert_eq!(
            listed.iter().map(|one| (one.name.as_str(), one.order.from)).collect::<Vec<_>>(),
            [("alch-dev-R-1", replay.order.from)]
        );
        assert!(replay.state.is_over(), "neither takes any time: {replay:?}");
        assert_eq!(self.aws.cancel_replay(&self.held, "alch-dev-R-1").await.is_err(), ends);
        assert!(self.aws.cancel_replay(&self.held, "no-such-replay").await.unwrap_err().is_not_found());
    }

    async fn a_dead_letter_is_put_on_the_bus_again(&self) {
        let queue = &self.environment.dlqs[0];
        let url = self.sdk.sqs.get_queue_url().queue_name(queue).send().await.unwrap();
        let arn = format!("arn:aws:events:us-east-1:111111111111:rule/{}/{}", self.bus(), self.rule().rule);
        let body = r#"{"id":"e1","detail-type":"SignalGenerated","source":"somebody.else","detail":{"event_id":"1"}}"#;
        let mut send = self.sdk.sqs.send_message().queue_url(url.queue_url().unwrap()).message_body(body);
        for (name, value) in [("RULE_ARN", arn.as_str()), ("ERROR_CODE", "SDK_CLIENT_ERROR"), ("RETRY_ATTEMPTS", "185")]
        {
            let value = MessageAttributeValue::builder().data_type("String").string_value(value).build().unwrap();
            send = send.message_attributes(name, value);
        }
        send.send().await.unwrap();
        for _ in 0..2 {
            // A look leaves it there.
            let sample = self.aws.sample(queue, 10).await.unwrap();
            assert_eq!((sample.letters.len(), sample.hidden), (1, None));
        }
        let letter = self.aws.receive(queue, 10, 30).await.unwrap().value.remove(0);
        assert_eq!((letter.rule_name(), letter.retries), (Some(self.rule().rule.as_str()), Some(185)));
        assert_eq!((letter.error().as_str(), letter.receives >= 3), ("SDK_CLIENT_ERROR", true), "{letter:?}");
        // No rule matches it: moto cannot deliver to a function, and takes no notice of a rule being off.
        let event = letter.event(self.bus()).unwrap();
        let put = self.aws.put_event(&self.held, self.bus(), &event).await.unwrap().value.unwrap();
        assert!(!put.is_empty());
        self.aws.delete_message(&self.held, queue, &letter).await.unwrap();
        assert_eq!(self.aws.dlq_depth(queue).await.unwrap().total(), 0);
        assert!(self.aws.receive("no-such-queue", 1, 1).await.unwrap_err().is_not_found());
        let empty = tokio::time::timeout(Duration::from_secs(10), self.aws.sample(queue, 10)).await.unwrap().unwrap();
        assert!(empty.letters.is_empty());
    }

    /// moto cannot simulate, so the role's policies are read there.
    async fn a_role_may_what_its_policies_say(&self) {
        let role = self.aws.read_function(&self.environment.function).await.unwrap().value.role;
        let account = self.environment.account.as_deref().unwrap();
        let table = format!("arn:aws:dynamodb:us-east-1:{account}:table/{}", self.environment.table.name);
        let document = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"{ALLOWED}","Resource":"{table}"}}]}}"#
        );
        let put = self.sdk.iam.put_role_policy().role_name(role.rsplit('/').next().unwrap()).policy_name("table");
        put.policy_document(document).send().await.unwrap();
        let told = self.aws.may_all(&role, &[ALLOWED, "dynamodb:PutItem"], &table).await.unwrap().value;
        assert_eq!(told[0], (ALLOWED.to_owned(), Permission::Allowed));
        assert!(matches!(told[1].1, Permission::Denied(_)), "{told:?}");
        for other in [format!("{role}-none"), format!("arn:aws:iam::{account}:user/nobody")] {
            let told = self.aws.may(&other, ALLOWED, &table).await;
            assert!(!matches!(told, Ok(Answer { value: Permission::Allowed, .. })), "{told:?}");
        }
    }
}
