//! Stakeholders: told by themselves, with receipts in the journal.

use super::*;
use crate::domain::{Delivery, Destination, OnGateFailure, PLAN_VERSION, Plan, Step, StepKind, StepStatus};
use crate::store::SlackMessage;

/// Says that it begins, with a button while the run is under way, and that it is over.
pub(super) fn view(journal: &[Recorded]) -> Vec<Notice> {
    let Some(run) = Run::from_journal(journal) else { return Vec::new() };
    let begun = run.steps.iter().any(|progress| progress.started_at.is_some());
    let notice = |moment: Moment, to: &Destination| {
        let Destination::Slack(to) = to else { return None };
        let text = match moment {
            Moment::Before => format!("{} begins", run.id),
            Moment::After => format!("{} is over", run.id),
        };
        let has_button = moment == Moment::Before && run.ended.is_none();
        let blocks = if has_button { vec![json!({ "type": "actions", "elements": [] })] } else { Vec::new() };
        Some(Notice { moment, to: to.clone(), message: Message { text, blocks } })
    };
    let to = run.plan.iter().flat_map(|(plan, _)| &plan.notify);
    let before = to.clone().filter(|_| begun).filter_map(|to| notice(Moment::Before, to));
    before.chain(to.filter(|_| run.ended.is_some()).filter_map(|to| notice(Moment::After, to))).collect()
}

fn tell() -> StepId {
    StepId("notify".to_owned())
}

impl World {
    /// A run in C1 with these stakeholders, who are not told yet.
    async fn plans(&self, to: &[&str]) -> RunId {
        let run = self.asks_in("C1").await;
        let kind = StepKind::Notify { patience: SignedDuration::from_mins(5) };
        let plan = Plan {
            version: PLAN_VERSION,
            command: Command::Verify { environment: "dev".to_owned() },
            environment: "dev".to_owned(),
            steps: vec![Step { id: tell(), kind, undo: None, needs_person: false }],
            on_gate_failure: OnGateFailure::Hold,
            approval: None,
            world: None,
            notify: to.iter().map(|to| Destination::Slack((*to).to_owned())).collect(),
        };
        let digest = plan.digest();
        self.record(run, Event::Planned { plan, digest }).await;
        self.rested().await;
        run
    }

    /// The same, and they are being told.
    async fn begins(&self, to: &[&str]) -> RunId {
        let run = self.plans(to).await;
        self.record(run, Event::Started { step: tell() }).await;
        run
    }

    async fn has_told(&self, run: RunId, status: StepStatus) {
        self.record(run, Event::Finished { step: tell(), status, summary: String::new() }).await;
    }

    /// The texts in one conversation.
    fn said_in(&self, channel: &str) -> Vec<String> {
        let messages = self.slack.messages().into_iter().filter(|message| message["channel"] == channel);
        messages.map(|message| message["text"].as_str().unwrap().to_owned()).collect()
    }

    /// The time of the message with this text, outside of the run's own channel.
    fn ts_of(&self, text: &str) -> String {
        let messages = self.slack.messages();
        let message = messages.iter().find(|message| message["channel"] != "C1" && message["text"] == text).unwrap();
        message["ts"].as_str().unwrap().to_owned()
    }

    /// The receipts and problems in the journal, in order.
    async fn deliveries(&self, run: RunId) -> Vec<Delivery> {
        let delivery = |recorded: Recorded| match recorded.event {
            Event::Delivered { moment, to, receipt } => Some(Delivery { moment, to, receipt: Ok(receipt) }),
            Event::Undelivered { moment, to, problem } => Some(Delivery { moment, to, receipt: Err(problem) }),
            _ => None,
        };
        self.store.journal(run).await.unwrap().into_iter().filter_map(delivery).collect()
    }

    /// Idle, after the receipts were looked at as well.
    async fn quiet(&self) {
        self.idle().await;
        self.idle().await;
    }

    async fn is_over(&self) -> bool {
        self.store.unprojected().await.unwrap().is_empty()
    }
}

fn delivered(moment: Moment, to: &str, receipt: &str) -> Delivery {
    Delivery { moment, to: Destination::Slack(to.to_owned()), receipt: Ok(receipt.to_owned()) }
}

#[tokio::test]
async fn stakeholders_are_told_before_and_after_with_receipts_in_the_journal() {
    let mut world = World::new(Clock::system(), quick()).await;
    let run = world.plans(&["C7", "C1"]).await;
    world.idle().await;
    assert!(world.said_in("C7").is_empty(), "nobody is told before it begins");
    world.record(run, Event::Started { step: tell() }).await;
    world.quiet().await;
    assert_eq!(world.said_in("C7"), ["R-1 begins"]);
    let before = world.ts_of("R-1 begins");
    assert!(world.deliveries(run).await.contains(&delivered(Moment::Before, "C7", &before)));
    world.has_told(run, StepStatus::Done).await;
    world.ends(run).await;
    world.quiet().await;
    assert_eq!(world.said_in("C7"), ["R-1 begins", "R-1 is over"]);
    assert!(world.slack.messages().iter().filter(|m| m["channel"] == "C7").all(|m| m["thread_ts"].is_null()));
    // A notice has gone out when the thread says the end, in the same channel too.
    let said = world.said_in("C1");
    assert_eq!(said[said.len() - 2..], ["R-1 is over", "R-1 7"], "{said:?}");
    // The button of what was said before is gone.
    let notice = world.slack.messages().into_iter().find(|message| message["ts"] == before.as_str()).unwrap();
    assert_eq!(notice["blocks"], json!([]));
    assert_eq!(world.deliveries(run).await.len(), 4);
    assert!(world.is_over().await);
    let (posts, updates) = (world.posts(), world.updates());
    world.crash().await;
    world.restart();
    world.idle().await;
    assert_eq!((world.posts(), world.updates()), (posts, updates));
    world.stops().await;
}

#[tokio::test]
async fn a_person_is_told_in_a_direct_message() {
    let mut world = World::new(Clock::system(), quick()).await;
    let run = world.begins(&["U7"]).await;
    world.quiet().await;
    assert_eq!(world.said_in("D7"), ["R-1 begins"]);
    let before = world.ts_of("R-1 begins");
    assert_eq!(world.deliveries(run).await, [delivered(Moment::Before, "U7", &before)]);
    world.crash().await;
    world.ends(run).await;
    world.restart();
    world.quiet().await;
    let update = world.slack.calls("chat.update").into_iter().find(|call| call.args["ts"] == before.as_str()).unwrap();
    assert_eq!(update.args["channel"], "D7");
    assert_eq!(world.said_in("D7"), ["R-1 begins", "R-1 is over"]);
    world.stops().await;
}

#[tokio::test]
async fn a_notice_without_an_answer_is_not_repeated() {
    for fault in [Fault::DoneThenLost, Fault::DoneThenHangs, Fault::Lost, Fault::Status(502)] {
        for (to, conversation) in [("C7", "C7"), ("U7", "D7")] {
            for dropped in [false, true] {
                let world = World::new(Clock::system(), quick()).await;
                if dropped {
                    world.slack.drop_metadata();
                }
                let run = world.plans(&[to]).await;
                world.slack.fail_next("chat.postMessage", fault.clone());
                world.record(run, Event::Started { step: tell() }).await;
                world.quiet().await;
                assert_eq!(world.said_in(conversation), ["R-1 begins"], "{fault:?} {to}, dropped: {dropped}");
                let receipt = world.ts_of("R-1 begins");
                assert_eq!(world.deliveries(run).await, [delivered(Moment::Before, to, &receipt)]);
                world.stops().await;
            }
        }
    }
}

#[tokio::test]
async fn a_crash_in_the_middle_of_a_notice_repeats_nothing() {
    for (to, conversation) in [("C7", "C7"), ("U7", "D7")] {
        let mut world = World::new(Clock::system(), quick()).await;
        let run = world.plans(&[to]).await;
        let posts = world.posts();
        world.slack.fail_next("chat.postMessage", Fault::DoneThenHangs);
        world.record(run, Event::Started { step: tell() }).await;
        soon(world.slack.called("chat.postMessage", posts + 1)).await;
        world.crash().await;
        world.restart();
        world.quiet().await;
        assert_eq!(world.said_in(conversation), ["R-1 begins"]);
        let receipt = world.ts_of("R-1 begins");
        assert_eq!(world.deliveries(run).await, [delivered(Moment::Before, to, &receipt)]);
        world.stops().await;
    }
}

#[tokio::test]
async fn a_crash_between_a_notice_and_its_receipt_loses_no_receipt() {
    let mut world = World::new(Clock::system(), quick()).await;
    let run = world.plans(&["C7"]).await;
    world.crash().await;
    // As the process leaves it that dies before the receipt is in the journal.
    let now = world.clock.now();
    world.record(run, Event::Started { step: tell() }).await;
    world.store.slack_message_intent(run, "notice/before/C7", "C7", None, now).await.unwrap();
    let posted = SlackMessage {
        key: "notice/before/C7".to_owned(),
        channel: "C7".to_owned(),
        thread_ts: None,
        ts: Some("17.5".to_owned()),
        digest: String::new(),
    };
    world.store.slack_message_outcome(run, &posted).await.unwrap();
    for again in [false, true] {
        if again {
            world.crash().await;
        }
        world.restart();
        world.quiet().await;
        assert_eq!(world.deliveries(run).await, [delivered(Moment::Before, "C7", "17.5")]);
        assert!(world.said_in("C7").is_empty());
    }
    world.stops().await;
}

#[tokio::test]
async fn what_slack_refuses_for_good_is_said_once() {
    for code in ["channel_not_found", "not_in_channel", "is_archived", "restricted_action", "cannot_dm_bot", "new"] {
        let mut world = World::new(standing(), quick()).await;
        world.slack.fail_about("C7", Some(Fault::Refuse(code)));
        let run = world.begins(&["C7", "C8"]).await;
        world.quiet().await;
        let deliveries = world.deliveries(run).await;
        assert_eq!(deliveries.len(), 2, "{deliveries:?}");
        assert_eq!(world.said_in("C8"), ["R-1 begins"]);
        let folded = world.store.run(run).await.unwrap().unwrap();
        let refused = folded.deliveries.iter().find(|d| d.to == Destination::Slack("C7".to_owned())).unwrap();
        assert!(refused.receipt.as_ref().unwrap_err().contains(code), "{refused:?}");
        world.goes_on(run).await;
        world.crash().await;
        world.restart();
        world.quiet().await;
        assert_eq!(world.deliveries(run).await.len(), 2, "{code}");
        world.ends(run).await;
        world.quiet().await;
        assert_eq!(world.deliveries(run).await.len(), 4, "{code}");
        assert!(world.is_over().await, "nothing is left to be tried");
        world.stops().await;
    }
}

#[tokio::test]
async fn a_dead_destination_holds_up_neither_the_thread_nor_others() {
    let faults = [Fault::TooMany(600), Fault::Status(503), Fault::DoneThenHangs, Fault::Refuse("account_inactive")];
    for fault in faults {
        let world = World::new(standing(), quick()).await;
        world.slack.fail_about("C7", Some(fault.clone()));
        let run = world.begins(&["C7", "C8", "U9"]).await;
        world.rested().await;
        world.goes_on(run).await;
        world.rested().await;
        assert_eq!((world.said_in("C8"), world.said_in("D9")), (vec!["R-1 begins".into()], vec!["R-1 begins".into()]));
        assert_eq!(world.said_in("C1").last().unwrap(), "R-1 6", "{fault:?}");
        let other = world.asks_in("C2").await;
        world.ends(other).await;
        world.rested().await;
        assert_eq!(world.said_in("C2").len(), 2);
        assert_eq!(world.deliveries(run).await.len(), 2, "what passes is no matter for the journal");
        world.slack.fail_about("C7", None);
        world.clock.advance(SignedDuration::from_secs(600));
        world.quiet().await;
        assert_eq!((world.said_in("C7").len(), world.deliveries(run).await.len()), (1, 3), "{fault:?}");
        world.stops().await;
    }
}

#[tokio::test]
async fn stakeholders_are_told_though_the_runs_own_channel_is_dead() {
    let world = World::new(standing(), quick()).await;
    world.slack.fail_about("C1", Some(Fault::Refuse("is_archived")));
    let run = world.begins(&["C7"]).await;
    world.rested().await;
    assert_eq!(world.said_in("C7"), ["R-1 begins"]);
    world.ends(run).await;
    world.rested().await;
    assert_eq!(world.said_in("C7"), ["R-1 begins", "R-1 is over"]);
    assert!(world.said_in("C1").is_empty());
    world.slack.fail_about("C1", None);
    world.clock.advance(SignedDuration::from_secs(60));
    world.quiet().await;
    assert_eq!(world.said_in("C1").len(), 2);
    assert!(world.is_over().await);
    world.stops().await;
}

#[tokio::test]
async fn who_was_not_told_when_the_process_died_is_told_of_the_end_at_the_next_start() {
    let mut world = World::new(Clock::system(), quick()).await;
    let run = world.begins(&["C7"]).await;
    world.quiet().await;
    world.crash().await;
    world.ends(run).await;
    world.restart();
    world.quiet().await;
    assert_eq!(world.said_in("C7"), ["R-1 begins", "R-1 is over"]);
    assert_eq!(world.deliveries(run).await.last(), Some(&delivered(Moment::After, "C7", &world.ts_of("R-1 is over"))));
    assert!(world.is_over().await);
    world.stops().await;
}

#[tokio::test]
async fn nobody_is_told_that_it_begins_once_it_is_over() {
    for fault in [Fault::Status(503), Fault::TooMany(30)] {
        let world = World::new(standing(), quick()).await;
        world.slack.fail_about("C7", Some(fault));
        let run = world.begins(&["C7"]).await;
        world.rested().await;
        let problem = "it could not be delivered in time".to_owned();
        let to = Destination::Slack("C7".to_owned());
        world.record(run, Event::Undelivered { moment: Moment::Before, to, problem }).await;
        world.has_told(run, StepStatus::Failed).await;
        world.rested().await;
        world.slack.fail_about("C7", None);
        world.clock.advance(SignedDuration::from_secs(60));
        world.quiet().await;
        assert!(world.said_in("C7").is_empty());
        world.ends(run).await;
        world.quiet().await;
        assert_eq!(world.said_in("C7"), ["R-1 is over"]);
        assert_eq!(world.deliveries(run).await.len(), 2);
        assert!(world.is_over().await);
        world.stops().await;
    }
}

#[tokio::test]
async fn a_notice_that_was_posted_without_an_answer_is_found_however_late() {
    let world = World::new(standing(), quick()).await;
    world.slack.fail_about("C7", Some(Fault::DoneThenLost));
    let run = world.begins(&["C7"]).await;
    world.rested().await;
    let problem = "it could not be delivered in time".to_owned();
    let to = Destination::Slack("C7".to_owned());
    world.record(run, Event::Undelivered { moment: Moment::Before, to, problem }).await;
    world.has_told(run, StepStatus::Failed).await;
    world.slack.fail_about("C7", None);
    world.clock.advance(SignedDuration::from_secs(60));
    world.quiet().await;
    assert_eq!(world.said_in("C7"), ["R-1 begins"]);
    let folded = world.store.run(run).await.unwrap().unwrap();
    assert_eq!(folded.deliveries, [delivered(Moment::Before, "C7", &world.ts_of("R-1 begins"))]);
    world.stops().await;
}

#[tokio::test]
async fn who_was_given_up_because_slack_was_away_is_told_of_the_end_when_it_is_back() {
    let world = World::new(standing(), quick()).await;
    let run = world.begins(&["C7"]).await;
    world.quiet().await;
    world.slack.outage(Some(Fault::Status(503)));
    world.ends(run).await;
    world.rested().await;
    let problem = "it could not be delivered in time".to_owned();
    let to = Destination::Slack("C7".to_owned());
    world.record(run, Event::Undelivered { moment: Moment::After, to, problem }).await;
    world.rested().await;
    assert!(!world.is_over().await);
    world.slack.outage(None);
    world.clock.advance(SignedDuration::from_secs(60));
    world.quiet().await;
    let folded = world.store.run(run).await.unwrap().unwrap();
    assert_eq!(folded.deliveries.last(), Some(&delivered(Moment::After, "C7", &world.ts_of("R-1 is over"))));
    assert!(world.is_over().await);
    world.stops().await;
}
