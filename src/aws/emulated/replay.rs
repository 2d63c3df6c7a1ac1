//! Archives and replays against the emulated AWS: what is asked, and what comes of it.

use jiff::SignedDuration;

use super::*;
use crate::domain::{Held, ReplayOrder, ReplayState};
use crate::sandbox::aws::RuleState as Set;

impl Stage {
    fn passes(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
    }

    /// The last ten minutes of the archive, for the environment's only rule.
    async fn order(&self, aws: &Aws) -> ReplayOrder {
        let archive = aws.archive("archive-dev").await.unwrap().value.unwrap();
        let rules = aws.rules("orders-dev").await.unwrap();
        let rule = rules.iter().find(|rule| rule.name == "first-dev").unwrap();
        let now = self.now();
        ReplayOrder {
            archive_arn: archive.arn,
            bus_arn: archive.bus_arn,
            rule_arns: vec![rule.arn.clone()],
            from: now - SignedDuration::from_mins(10),
            to: now - SignedDuration::from_mins(2),
        }
    }
}

#[tokio::test]
async fn an_archive_tells_its_bus_and_what_it_keeps_though_its_rules_are_off() {
    let stage = Stage::new().await;
    let aws = stage.aws(&dev()).await;
    stage.passes(600);
    let archive = aws.archive("archive-dev").await.unwrap().value.unwrap();
    assert_eq!(archive.arn, "arn:aws:events:eu-west-1:111111111111:archive/archive-dev");
    assert_eq!(archive.bus_arn, "arn:aws:events:eu-west-1:111111111111:event-bus/orders-dev");
    assert_eq!((archive.state.as_str(), archive.retention_days, archive.filtered), ("ENABLED", Some(365), false));
    assert!(archive.events > 300, "{}", archive.events);
    assert_eq!(archive.since, Some("2026-11-20T09:00:00Z".parse().unwrap()));
    assert_eq!(aws.archive("gone").await.unwrap().value, None);
    assert_eq!(aws.archives_of(&archive.bus_arn).await.unwrap().value, ["archive-dev"]);
    stage.plan("DescribeArchive", Failure::AccessDenied);
    let denied = aws.archive("archive-dev").await.unwrap_err();
    assert_eq!(denied.kind, AwsErrorKind::AccessDenied { iam_action: "events:DescribeArchive" });
}

#[tokio::test]
async fn a_replay_gives_one_rule_its_events_again_and_takes_its_time() {
    let stage = Stage::new().await;
    let (aws, held) = (stage.aws(&dev()).await, Held::granted("dev", None));
    stage.passes(900);
    stage.world.set_rule_state("orders-dev", "first-dev", Set::Enabled);
    let order = stage.order(&aws).await;
    aws.start_replay(&held, "alch-1", "R-1", &order).await.unwrap();
    let look = async || aws.replay("alch-1").await.unwrap().value.unwrap();
    let first = look().await;
    assert_eq!((first.state, first.last_event, first.percent()), (ReplayState::Starting, None, 0));
    assert_eq!(first.order, order);
    stage.passes(12);
    let under_way = look().await;
    assert_eq!(under_way.state, ReplayState::Running);
    assert!((1..100).contains(&under_way.percent()), "{under_way:?}");
    stage.passes(60);
    let last = look().await;
    assert_eq!((last.state, last.percent()), (ReplayState::Completed, 100));
    assert!(last.ended.is_some() && last.last_event < Some(order.to));
    let replayed = stage.world.replayed("alch-1").unwrap();
    // One event every three seconds for eight minutes, for this rule and no other of the bus.
    assert_eq!(replayed.len(), 160);
    assert!(replayed.iter().all(|rule| rule == "first-dev"));
    let listed = aws.replays(&order.archive_arn).await.unwrap().value;
    assert_eq!((listed.len(), listed[0].state, listed[0].order.to), (1, ReplayState::Completed, order.to));
    let asked: Vec<_> = stage.world.calls().into_iter().filter(|call| call.operation == "StartReplay").collect();
    let [asked] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(asked.request["EventSourceArn"], "arn:aws:events:eu-west-1:111111111111:archive/archive-dev");
    assert_eq!(asked.request["Destination"]["FilterArns"][0], order.rule_arns[0].as_str());
}

#[tokio::test]
async fn the_rules_that_are_off_match_nothing_and_the_replay_completes_all_the_same() {
    let stage = Stage::new().await;
    let (aws, held) = (stage.aws(&dev()).await, Held::granted("dev", None));
    stage.passes(900);
    let order = stage.order(&aws).await;
    aws.start_replay(&held, "alch-1", "R-1", &order).await.unwrap();
    stage.passes(60);
    assert_eq!(aws.replay("alch-1").await.unwrap().value.unwrap().state, ReplayState::Completed);
    assert_eq!(stage.world.replayed("alch-1").unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_replay_is_started_once_whatever_becomes_of_the_answer() {
    let stage = Stage::new().await;
    let (aws, held) = (stage.aws(&dev()).await, Held::granted("dev", None));
    stage.passes(900);
    let order = stage.order(&aws).await;
    stage.plan("StartReplay", Failure::AfterEffect);
    aws.start_replay(&held, "alch-1", "R-1", &order).await.unwrap();
    aws.start_replay(&held, "alch-1", "R-1", &order).await.unwrap();
    assert_eq!(stage.world.replays(), ["alch-1 STARTING"]);
    let other = ReplayOrder { to: order.to - SignedDuration::from_mins(1), ..order };
    let taken = aws.start_replay(&held, "alch-1", "R-1", &other).await.unwrap_err();
    assert!(taken.to_string().contains("was started before with other arguments"), "{taken}");
}

#[tokio::test]
async fn a_replay_of_the_bus_or_of_all_rules_is_never_asked_for() {
    let stage = Stage::new().await;
    let (aws, held) = (stage.aws(&dev()).await, Held::granted("dev", None));
    stage.passes(900);
    let order = stage.order(&aws).await;
    let all = ReplayOrder { rule_arns: Vec::new(), ..order.clone() };
    let refused = aws.start_replay(&held, "alch-1", "R-1", &all).await.unwrap_err();
    assert!(refused.to_string().contains("all rules of the bus"), "{refused}");
    assert_eq!(stage.asked("StartReplay"), 0);
    // The runbook's own text has the bus as the source.
    let bus = ReplayOrder { archive_arn: order.bus_arn.clone(), ..order.clone() };
    let refused = aws.start_replay(&held, "alch-1", "R-1", &bus).await.unwrap_err();
    assert!(refused.to_string().contains("Must contain an archive ARN"), "{refused}");
    let elsewhere = ReplayOrder { bus_arn: order.bus_arn.replace("-dev", "-prod"), ..order.clone() };
    let refused = aws.start_replay(&held, "alch-1", "R-1", &elsewhere).await.unwrap_err();
    assert!(refused.to_string().contains("Cross event bus"), "{refused}");
    let backwards = ReplayOrder { from: order.to, to: order.from, ..order.clone() };
    assert!(aws.start_replay(&held, "alch-1", "R-1", &backwards).await.is_err());
    let of_prod = Held::granted("prod", None);
    let mixed_up = aws.start_replay(&of_prod, "alch-1", "R-1", &order).await.unwrap_err();
    assert!(matches!(mixed_up.kind, AwsErrorKind::WrongEnvironment { .. }), "{mixed_up}");
    for number in 0..10 {
        aws.start_replay(&held, &format!("alch-{number}"), "R", &order).await.unwrap();
    }
    let many = aws.start_replay(&held, "alch-10", "R", &order).await.unwrap_err();
    assert!(many.to_string().contains("LimitExceededException"), "{many}");
}

#[tokio::test]
async fn a_replay_is_cancelled_while_it_runs_and_not_after() {
    let stage = Stage::new().await;
    let (aws, held) = (stage.aws(&dev()).await, Held::granted("dev", None));
    stage.passes(900);
    let order = stage.order(&aws).await;
    aws.start_replay(&held, "alch-1", "R-1", &order).await.unwrap();
    stage.passes(12);
    aws.cancel_replay(&held, "alch-1").await.unwrap();
    assert_eq!(aws.replay("alch-1").await.unwrap().value.unwrap().state, ReplayState::Cancelling);
    assert!(aws.cancel_replay(&held, "alch-1").await.is_err());
    stage.passes(5);
    let cancelled = aws.replay("alch-1").await.unwrap().value.unwrap();
    assert_eq!(cancelled.state, ReplayState::Cancelled);
    assert!(cancelled.percent() < 100);
    let late = aws.cancel_replay(&held, "alch-1").await.unwrap_err();
    assert!(late.to_string().contains("IllegalStatusException"), "{late}");
    assert!(aws.cancel_replay(&held, "gone").await.unwrap_err().is_not_found());
    assert_eq!(aws.replay("gone").await.unwrap().value, None);
}
