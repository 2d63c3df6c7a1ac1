//! Production: what people approve, what stands in the way, who is told, and what becomes of it when things go wrong.

mod approval;
mod clocks;
mod crash;
mod going;
mod notices;
mod rollback;
mod safeguards;

use alch::domain::{Outcome, RunId};
use alch::sandbox::aws::RuleState;
use insta::assert_snapshot;
use jiff::SignedDuration;

use crate::world::{World, says, story_with};

const R1: RunId = RunId(1);
const R2: RunId = RunId(2);
const BUS: &str = "alchemiser-trading-events-prod";
const RULE: &str = "alchemiser-signal-generated-prod";

/// A window that is always open.
const ALWAYS: &str = "[{ days = [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\", \"sat\", \"sun\"] }]";

/// Stakeholders are told, in Slack and by e-mail.
const TOLD: [(&str, &str); 2] = [
    ("ALCH__ENVIRONMENTS__PROD__NOTIFY__SLACK", "[\"C0STAKEHOLD\"]"),
    ("ALCH__ENVIRONMENTS__PROD__NOTIFY__TOPIC", "alchemiser-alarms-prod"),
];

/// The same, at any time of the week.
const TOLD_ALWAYS: [(&str, &str); 3] = [TOLD[0], TOLD[1], ("ALCH__ENVIRONMENTS__PROD__WINDOW__ALLOW", ALWAYS)];

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// `dev` shows that the version is well: enabled, verified, rolled back, restored, and verified again.
async fn rehearsed(world: &World) {
    for (command, run) in
        [("enable all dev", 1), ("verify dev", 2), ("rollback dev", 3), ("restore dev", 4), ("verify dev", 5)]
    {
        world.alice().types(command).await;
        let ended = world.until_ended(RunId(run)).await.ended.unwrap();
        assert_eq!(ended.outcome, Outcome::Succeeded, "{command}: {}", ended.summary);
    }
}

/// Alice asks for something in production, where everything is off; it waits for approval.
async fn asks(world: &World, command: &str) {
    world.set_all("prod", RuleState::Disabled);
    world.alice().types(command).await;
    assert!(world.run(R1).await.open_round().is_some(), "{}", world.told(R1).await);
}

/// Bob gives what the run asks for.
async fn approved(world: &World, run: RunId) {
    let card = world.asking(run, "approve").await;
    world.bob().clicks(&card, "approve").await;
}

/// How it ended, which it has.
async fn ended(world: &World, run: RunId) -> (Outcome, String) {
    let ended = world.run(run).await.ended;
    match ended {
        Some(ended) => (ended.outcome, ended.summary),
        None => panic!("{run} has not ended:\n{}", world.told(run).await),
    }
}

/// How it ends, however long that takes.
async fn goes_to_its_end(world: &World, run: RunId) -> (Outcome, String) {
    let ended = world.ended_within(run, HOUR * 12).await.ended.unwrap();
    (ended.outcome, ended.summary)
}

async fn kinds(world: &World, run: RunId) -> Vec<&'static str> {
    world.journal(run).await.iter().map(|recorded| recorded.event.kind()).collect()
}

/// The run's journal; who is told first of those who are told at the same time is nobody's promise.
async fn told(world: &World, run: RunId) -> String {
    let told = world.told(run).await;
    let mut lines: Vec<&str> = told.lines().collect();
    for together in lines.chunk_by_mut(|one, other| [one, other].iter().all(|line| line.contains(" told "))) {
        together.sort_unstable();
    }
    lines.join("\n")
}

/// The e-mails of production, as they arrive.
fn mails(world: &World) -> String {
    let mails = world.aws.published("prod");
    let mails = mails.iter().map(|mail| {
        format!("To: {}\nSubject: {}\n\n{}", mail.topic, mail.subject.as_deref().unwrap_or_default(), mail.body)
    });
    mails.collect::<Vec<_>>().join("\n-----\n")
}

#[test]
fn a_promotion_from_dev_to_production() {
    story_with(&TOLD, async |world| {
        rehearsed(world).await;
        let posts = world.slack.posts();
        world.passes(SignedDuration::from_hours(24)).await;
        assert_eq!(world.slack.posts(), posts, "a soak is quiet");
        world.set_all("prod", RuleState::Disabled);
        world.alice().types("promote --reason \"quarterly rebalance\"").await;
        let promotion = world.store().recent_runs(None, 1).await.unwrap()[0].id;
        assert_eq!(world.enabled("prod"), Vec::<&str>::new());
        assert_snapshot!("promotion_asks", world.thread(promotion).await);
        let plan = world.asking(promotion, "approve").await;
        world.bob().clicks(&plan, "approve").await;
        let run = world.ended_within(promotion, HOUR * 8).await;
        assert_eq!(run.ended.as_ref().unwrap().outcome, Outcome::Succeeded, "{}", world.told(promotion).await);
        assert_eq!(world.enabled("prod").len(), 4);
        assert_snapshot!("promotion_thread", world.thread(promotion).await);
        assert_snapshot!("promotion_journal", told(world, promotion).await);
        assert_snapshot!("promotion_stakeholders", world.channel("C0STAKEHOLD"));
        assert_snapshot!("promotion_mails", mails(world));
        assert_snapshot!("promotion_approver_sees", world.bob().sees());
    });
}
