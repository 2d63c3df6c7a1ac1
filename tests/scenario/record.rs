//! Records journals for `tests/journals`, once for each release: `cargo test --test scenario record -- --ignored`.

use std::path::Path;

use alch::domain::RunId;
use alch::sandbox::aws::RuleState;

use crate::world::{World, story, story_with};

async fn keep(world: &World, run: RunId, name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journals").join(env!("CARGO_PKG_VERSION"));
    std::fs::create_dir_all(&folder).unwrap();
    let lines: Vec<String> =
        world.journal(run).await.iter().map(|recorded| serde_json::to_string(recorded).unwrap()).collect();
    std::fs::write(folder.join(format!("{name}.jsonl")), lines.join("\n") + "\n").unwrap();
}

#[test]
#[ignore = "writes files that are kept from release to release"]
fn record() {
    story(async |world| {
        world.alice().types("enable all dev").await;
        world.until_ended(RunId(1)).await;
        keep(world, RunId(1), "enable-all-healthy").await;
        world.alice().types("verify dev").await;
        world.until_ended(RunId(2)).await;
        keep(world, RunId(2), "verify").await;
        world.alice().types("rollback dev").await;
        keep(world, RunId(3), "rollback").await;
        world.alice().types("restore dev").await;
        world.until_ended(RunId(4)).await;
        keep(world, RunId(4), "restore").await;
    });
    story_with(&[("ALCH__ENVIRONMENTS__DEV__ON_GATE_FAILURE", "disable")], async |world| {
        world.aws.set_fault("dev.rule.rebalance-planned.fails", true);
        world.alice().types("enable all dev").await;
        world.until_ended(RunId(1)).await;
        keep(world, RunId(1), "enable-all-undone").await;
    });
    story_with(&[("ALCH__ENVIRONMENTS__DEV__ON_INCONCLUSIVE", "ask")], async |world| {
        let bus = "alchemiser-trading-events-dev";
        world.aws.set_rule_state(bus, "alchemiser-trade-executed-dev", RuleState::Enabled);
        world.aws.set_fault("dev.rule.trade-executed.silent", true);
        world.alice().types("enable trade-executed dev").await;
        world.bob().types("disable all dev").await;
        let offer = world.slack.ephemerals("U0BOB").pop().unwrap();
        world.bob().clicks(&offer, "queue").await;
        world.passes(jiff::SignedDuration::from_mins(20)).await;
        world.bob().says_in_thread(RunId(1), "@alch continue").await;
        world.until_ended(RunId(1)).await;
        world.until_ended(RunId(2)).await;
        keep(world, RunId(1), "enable-asked").await;
        keep(world, RunId(2), "disable-queued").await;
    });
}
