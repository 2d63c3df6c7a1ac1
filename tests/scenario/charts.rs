//! Charts in threads: a picture at the end of a gate, of a monitoring and of a run through several rules, in the form that
//! the workspace takes, once, and never in the way of the words.

use alch::domain::{Outcome, RunId};
use alch::sandbox::aws::RuleState;
use alch::sandbox::slack::{How, StoredFile};
use jiff::SignedDuration;

use crate::world::{World, story, story_with};

const R1: RunId = RunId(1);
/// The shape of the picture's beginning: PNG's signature, and the size in its header.
const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

async fn one_rule(world: &World) {
    world.alice().types("enable signal-generated dev").await;
    let run = world.until_ended(R1).await;
    assert_eq!(run.ended.unwrap().outcome, Outcome::Succeeded, "{}", world.told(R1).await);
}

fn is_picture(file: &StoredFile) -> bool {
    let content = file.content.as_deref().unwrap();
    content.starts_with(SIGNATURE) && content[16..24] == [1200_u32.to_be_bytes(), 640_u32.to_be_bytes()].concat()[..]
}

fn files(world: &World) -> Vec<String> {
    world.slack.files().into_iter().map(|file| file.name).collect()
}

#[test]
fn a_gate_ends_with_a_picture_in_its_thread() {
    story(async |world| {
        one_rule(world).await;
        let files = world.slack.files();
        assert_eq!(files.len(), 1, "one rule has one chart: {files:?}");
        let file = &files[0];
        assert!(is_picture(file));
        assert_eq!(file.name, "R-1-gate-signal-generated.png");
        assert_eq!(file.title, "signal-generated in dev");
        for words in
            ["signal-generated in dev, R-1 · healthy", "Invocations per minute: signal-generated: min", "limit 0"]
        {
            assert!(file.alt.contains(words), "{words}: {}", file.alt);
        }
        assert!(file.alt.contains("Marked: signal-generated enabled at"), "{}", file.alt);
        let card = world.card(R1).await;
        let thread = world.slack.thread(&card.ts);
        let shown: Vec<usize> = (0..thread.len()).filter(|&n| thread[n].files.contains(&file.id)).collect();
        assert_eq!(shown.len(), 1, "{}", world.thread(R1).await);
        assert!(thread[shown[0] - 1].text.contains("healthy"), "below the gate's words: {}", thread[shown[0] - 1].text);
        assert!(thread[shown[0] + 1].text.contains("took"), "and above the end");
    });
}

#[test]
fn what_goes_through_several_rules_ends_with_one_of_all() {
    story(async |world| {
        world.alice().types("enable all dev").await;
        world.until_ended(R1).await;
        let rules = ["signal-generated", "rebalance-planned", "trade-executed", "all-events-monitor"];
        let wanted: Vec<String> = rules.iter().map(|rule| format!("R-1-gate-{rule}.png")).collect();
        assert_eq!(files(world), [wanted, vec!["R-1-all.png".to_owned()]].concat());
        let all = world.slack.files().pop().unwrap();
        assert!(is_picture(&all));
        for rule in rules {
            assert!(
                all.alt.contains(&format!("{rule} enabled")) && all.alt.contains(&format!("{rule}: min")),
                "{}",
                all.alt
            );
        }
    });
}

#[test]
fn a_monitoring_ends_with_a_picture_also_when_it_is_stopped() {
    story(async |world| {
        for rule in ["signal-generated", "trade-executed"] {
            let name = format!("alchemiser-{rule}-dev");
            world.aws.set_rule_state("alchemiser-trading-events-dev", &name, RuleState::Enabled);
        }
        world.passes(SignedDuration::from_mins(10)).await;
        world.alice().types("monitor dev --for 20m").await;
        world.passes(SignedDuration::from_mins(5)).await;
        world.aws.set_fault("dev.rule.trade-executed.fails", true);
        world.passes(SignedDuration::from_mins(5)).await;
        assert_eq!(files(world), Vec::<String>::new(), "not before its end");
        world.alice().types("monitor stop dev").await;
        world.until_ended(R1).await;
        assert_eq!(files(world), ["R-1-monitor.png"]);
        let file = world.slack.files().pop().unwrap();
        assert!(is_picture(&file));
        assert!(file.alt.contains("Failed invocations of trade-executed: min"), "{}", file.alt);
        assert!(file.alt.contains("Failed invocations of trade-executed failed at"), "{}", file.alt);
    });
}

#[test]
fn where_nothing_was_counted_there_is_no_chart() {
    story(async |world| {
        world.aws.set_fault("dev.rule.signal-generated.silent", true);
        world.alice().types("enable signal-generated dev").await;
        let run = world.until_ended(R1).await;
        assert_ne!(run.ended.unwrap().outcome, Outcome::Succeeded);
        assert_eq!(files(world), Vec::<String>::new());
        assert!(!world.thread(R1).await.contains('▁'));
    });
}

#[test]
fn without_the_scope_for_files_it_is_told_in_text() {
    story(async |world| {
        world.slack.grant_scopes(&["commands", "chat:write", "users:read", "usergroups:read", "channels:history"]);
        world.alice().types("enable all dev").await;
        world.until_ended(R1).await;
        assert_eq!(files(world), Vec::<String>::new());
        let thread = world.thread(R1).await;
        assert!(thread.contains("signal-generated: min") && thread.contains('█'), "{thread}");
        let asked = world.slack.calls().iter().filter(|call| call.method == "files.getUploadURLExternal").count();
        assert_eq!(asked, 1, "it is not asked again and again");
    });
}

#[test]
fn charts_may_be_told_in_text_or_in_slacks_own_blocks() {
    for (style, sign) in [("text", "```"), ("native", "data_visualization")] {
        story_with(&[("ALCH__SLACK__CHARTS", style)], async |world| {
            one_rule(world).await;
            assert_eq!(files(world), Vec::<String>::new());
            let card = world.card(R1).await;
            let thread = world.slack.thread(&card.ts);
            let chart = thread.iter().find(|message| message.text.contains("📈")).unwrap();
            let whole = format!("{} {:?}", chart.text, chart.blocks);
            assert!(whole.contains(sign), "{style}: {whole}");
        });
    }
}

#[test]
fn a_picture_whose_answer_is_lost_is_not_uploaded_twice() {
    story(async |world| {
        world.slack_gets_into_trouble();
        world.slack.fail_next("files.completeUploadExternal", 1, How::AcceptedButDropped);
        world.alice().types("enable signal-generated dev").await;
        world.until_ended(R1).await;
        world.slack_catches_up().await;
        assert_eq!(files(world), ["R-1-gate-signal-generated.png"]);
        assert_eq!(world.slack.unspent_failures(), []);
        let card = world.card(R1).await;
        let charts = world.slack.thread(&card.ts).iter().filter(|message| message.text.contains("📈")).count();
        assert_eq!(charts, 1, "{}", world.thread(R1).await);
    });
}

#[test]
fn where_uploads_go_on_failing_the_words_take_their_place() {
    for (how, times) in [(How::ServerError, 3), (How::Error("file_upload_size_restricted"), 1)] {
        story(async |world| {
            world.slack_gets_into_trouble();
            world.slack.fail_next("files.completeUploadExternal", times, how.clone());
            world.alice().types("enable signal-generated dev").await;
            world.until_ended(R1).await;
            world.slack_catches_up().await;
            assert_eq!(files(world), Vec::<String>::new());
            let thread = world.thread(R1).await;
            assert!(thread.contains("signal-generated: min") && thread.contains("took"), "{thread}");
        });
    }
}

#[test]
fn a_crash_before_the_end_is_told_uploads_nothing_twice() {
    let mut calls = 0;
    story(async |world| {
        one_rule(world).await;
        calls = world.slack.calls().len();
    });
    for back in 1..=9 {
        story(async |world| {
            world.alice().types("enable signal-generated dev").await;
            world.killed_when(|world| world.slack.calls().len() + back >= calls).await;
            world.until_ended(R1).await;
            world.passes(SignedDuration::from_secs(30)).await;
            assert_eq!(files(world), ["R-1-gate-signal-generated.png"], "killed {back} calls before the end");
        });
    }
}
