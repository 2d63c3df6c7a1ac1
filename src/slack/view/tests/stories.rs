//! What people read of whole journals.

use jiff::SignedDuration;

use super::super::{
    EnvironmentStatus, Who, approved, cancel_accepted, card, card_changes_at, contacts, escalated, held, help,
    hold_lifted, hold_placed, home, journals, notices, objected, overridden, paused, refusal, rejected, resumed,
    retrying, runs_list, show, skip_asked, stale_click, status, terminal, thread, whoami,
};
use super::{dates, read};
use crate::domain::*;
use crate::slack::message::Message;

use journals::{Story, in_context};

/// The thread, then the card at the end.
fn tell(story: &Story) -> String {
    in_context(|context| {
        let thread = thread(&story.journal, context);
        let end = story.journal.last().unwrap().at;
        let mut page = format!("── card\n{}", read(&card(&story.run(), context, end)));
        for told in thread {
            let broadcast = if told.broadcast { ", to the channel too" } else { "" };
            let live = if told.live { ", live" } else { "" };
            page.push_str(&format!("── {}{live}{broadcast}\n{}", told.key, read(&told.message)));
        }
        for notice in notices(&story.journal, context) {
            page.push_str(&format!("── notice {:?} to {}\n{}", notice.moment, notice.to, read(&notice.message)));
        }
        page
    })
}

/// The card after the first `events`, `seconds` later.
fn card_after(story: &Story, events: usize, seconds: i64) -> Message {
    let run = Run::from_journal(&story.journal[..events]).unwrap();
    in_context(|context| card(&run, context, run.last_at + SignedDuration::from_secs(seconds)))
}

macro_rules! stories {
    ($($name:ident),* $(,)?) => {
        $(#[test]
        fn $name() {
            insta::assert_snapshot!(stringify!($name), tell(&journals::$name()));
        })*

        #[test]
        fn every_story_is_read() {
            let named = [$(stringify!($name)),*];
            assert!(journals::all().keys().all(|name| named.contains(name)));
        }
    };
}

stories!(
    healthy,
    already_enabled,
    no_traffic,
    gate_fails_and_holds,
    gate_fails_and_undoes,
    fails_while_watched,
    all_stops_at_the_second,
    cancelled,
    rolled_back,
    rollback_fails,
    verified_with_bad_ttl,
    queued,
    asked_and_answered,
    troubled,
    trouble_passed,
    gate_untold,
    preempted,
    cannot_be_asked,
    promoted,
    rejected_with_a_reason,
    expired,
    drifted_and_approved_again,
    overridden_and_scheduled,
    objected_and_resumed,
    failed_and_retried,
    skipped_in_production,
    go_ahead_of_a_step,
    untold,
    rollback_offered,
    rollback_clicked,
    rollback_lapsed,
    frozen,
    unfrozen,
    paused_and_skipped_in_dev,
);

/// The position right after the first event of a kind.
fn up_to(story: &Story, kind: &str) -> usize {
    story.journal.iter().position(|recorded| recorded.event.kind() == kind).unwrap() + 1
}

#[test]
fn the_card_follows_the_run() {
    let story = journals::healthy();
    let asked = journals::asked_and_answered();
    let troubled = journals::troubled();
    let cancelled = journals::cancelled();
    let queued = journals::queued();
    let undone = journals::gate_fails_and_undoes();
    let all = journals::all_stops_at_the_second();
    let moments = [
        ("just asked", card_after(&story, 1, 0)),
        ("planned", card_after(&story, up_to(&story, "planned"), 0)),
        ("watching, 40 s of it", card_after(&story, up_to(&story, "checked"), 25)),
        ("past the wait", card_after(&story, up_to(&story, "checked"), 300)),
        ("queued", card_after(&queued, up_to(&queued, "waiting"), 100)),
        ("asking", card_after(&asked, up_to(&asked, "asked"), 100)),
        ("waiting on", card_after(&asked, up_to(&asked, "answered"), 30)),
        ("in trouble", card_after(&troubled, up_to(&troubled, "troubled"), 3)),
        ("stopping", card_after(&cancelled, up_to(&cancelled, "cancel_requested"), 1)),
        ("undoing", card_after(&undone, up_to(&undone, "undoing"), 1)),
        ("all, at the first", card_after(&all, up_to(&all, "applied"), 1)),
    ];
    let page: String = moments.iter().map(|(name, card)| format!("── {name}\n{}", read(card))).collect();
    insta::assert_snapshot!("the_card_follows_the_run", page);
}

#[test]
fn the_card_is_rendered_anew_only_while_time_is_the_news() {
    let changes = |story: &Story, events: usize, seconds: i64| {
        let run = Run::from_journal(&story.journal[..events]).unwrap();
        let now = run.last_at + SignedDuration::from_secs(seconds);
        in_context(|context| card_changes_at(&run, context, now)).map(|at| at.duration_since(now).as_secs())
    };
    let (story, asked, troubled) = (journals::healthy(), journals::asked_and_answered(), journals::troubled());
    assert_eq!(changes(&story, up_to(&story, "checked"), 10), Some(5));
    assert_eq!(changes(&story, up_to(&story, "checked"), 300), None, "the wait is over");
    assert_eq!(changes(&story, story.journal.len(), 10), None, "the run is over");
    assert_eq!(changes(&asked, up_to(&asked, "asked"), 10), None, "a person is awaited");
    assert_eq!(changes(&troubled, up_to(&troubled, "troubled"), 10), Some(5));
}

#[test]
fn the_card_of_a_run_that_ended_stands_still() {
    for (name, story) in journals::all() {
        let run = story.run();
        if run.ended.is_some() {
            let later = run.last_at + SignedDuration::from_hours(30);
            in_context(|context| assert_eq!(card(&run, context, run.last_at), card(&run, context, later), "{name}"));
        }
    }
}

#[test]
fn a_long_plan_is_folded_around_the_step_under_way() {
    let names: Vec<String> = (1..=20).map(|n| format!("rule-{n}")).collect();
    let steps: Vec<Step> =
        names.iter().flat_map(|name| journals::steps(name, RuleState::Disabled, OnInconclusive::Finish)).collect();
    let mut story = Story::of(journals::enable(Selection::All)).planned(steps.clone(), OnGateFailure::Hold);
    for step in &steps[..30] {
        story = story.started(&step.id.0).finished(&step.id.0, StepStatus::Done, "");
    }
    let card = card_after(&story, story.journal.len(), 0);
    let page = read(&card);
    let lines: Vec<&str> = page.lines().collect();
    assert_eq!(lines[2], "… 26 steps before these, all over");
    assert_eq!(lines[3], "✅ Check rule-9 — done");
    assert_eq!(lines[7], "▫️ Enable rule-11 — to do: disabled → enabled");
    assert_eq!(lines[19], "… and 18 more");
}

#[test]
fn a_thread_only_grows() {
    for (name, story) in journals::all() {
        in_context(|context| {
            let whole = thread(&story.journal, context);
            let all_notices = notices(&story.journal, context);
            for length in 0..=story.journal.len() {
                let part = thread(&story.journal[..length], context);
                super::grows(&part, &whole);
                let told = notices(&story.journal[..length], context);
                assert_eq!(told, all_notices[..told.len()], "{name}, the first {length} events");
                let last: i64 = part.last().map_or(0, |told| told.key.parse().unwrap());
                assert!(last <= length as i64, "{name}: {last} speaks before it happened");
            }
        });
    }
}

#[test]
fn only_a_bad_end_a_rollback_and_a_call_for_help_reach_the_channel_and_once() {
    for (name, story) in journals::all() {
        let loud = in_context(|context| thread(&story.journal, context).iter().filter(|told| told.broadcast).count());
        let run = story.run();
        let failed = run.ended.as_ref().is_some_and(|ended| ended.outcome == Outcome::Failed);
        let turned_off = run.disabled.is_some();
        let calls = story.journal.iter().filter(|recorded| matches!(recorded.event, Event::Escalated { .. })).count();
        assert_eq!(loud, usize::from(failed || turned_off) + calls, "{name}");
    }
}

#[test]
fn the_text_says_what_the_blocks_say() {
    for (name, story) in journals::all() {
        in_context(|context| {
            let mut messages: Vec<Message> = thread(&story.journal, context).into_iter().map(|m| m.message).collect();
            messages.push(card(&story.run(), context, story.run().last_at));
            for message in messages {
                for block in message.blocks {
                    for at in ["/text/text", "/elements/0/text"] {
                        if let Some(said) = block.pointer(at).and_then(serde_json::Value::as_str) {
                            assert!(message.text.contains(said), "{name}: {said:?} is not in {:?}", message.text);
                        }
                    }
                    for row in block["rows"].as_array().into_iter().flatten().skip(1) {
                        for cell in row.as_array().unwrap() {
                            let cell = cell["text"].as_str().unwrap();
                            let said = message.text.contains(cell) || cell == "–";
                            assert!(said, "{name}: the cell {cell:?} is not in {:?}", message.text);
                        }
                    }
                }
            }
        });
    }
}

#[test]
fn the_gate_in_plain_text_holds_values_and_limits() {
    let story = journals::gate_fails_and_holds();
    let gate = in_context(|context| {
        thread(&story.journal, context).into_iter().find(|told| told.message.text.contains("Failed inv")).unwrap()
    });
    insta::assert_snapshot!("the_gate_in_plain_text", dates(&gate.message.text));
}

#[test]
fn a_terminal_tells_the_story_line_by_line() {
    let tell = |story: Story| {
        let mut run = Run::from_journal(&story.journal[..1]).unwrap();
        let mut lines = Vec::new();
        for recorded in &story.journal {
            run.apply(recorded);
            lines.push(terminal(recorded, &run));
        }
        lines.join("\n")
    };
    let stories = [
        journals::healthy(),
        journals::rollback_fails(),
        journals::cancelled(),
        journals::troubled(),
        journals::expired(),
        journals::overridden_and_scheduled(),
        journals::skipped_in_production(),
        journals::objected_and_resumed(),
        journals::drifted_and_approved_again(),
        journals::frozen(),
        journals::unfrozen(),
    ];
    insta::assert_snapshot!("terminal", stories.map(tell).join("\n\n"));
}

fn dev_status() -> EnvironmentStatus {
    let alarm = |state, reason: &str| AlarmStatus { state, reason: reason.to_owned(), since: Some(journals::start()) };
    let mut holder = journals::cancelled().run();
    holder.ended = None;
    EnvironmentStatus {
        name: "dev".to_owned(),
        place: "account 111122223333, us-east-1".to_owned(),
        rules: vec![
            ("signal-generated".to_owned(), Some(RuleState::Enabled)),
            ("rebalance-planned".to_owned(), Some(RuleState::Disabled)),
            ("trade-executed".to_owned(), None),
        ],
        dlqs: [("alchemiser-event-dlq-dev".to_owned(), DlqDepth { visible: 1, in_flight: 0, delayed: 0 })].into(),
        alarms: [
            ("alchemiser-dlq-depth-dev".to_owned(), alarm(AlarmState::Alarm, "1 datapoint > 0")),
            ("alchemiser-lambda-errors-dev".to_owned(), alarm(AlarmState::Ok, "")),
        ]
        .into(),
        holds: vec![Hold {
            kind: HoldKind::Lock,
            run: RunId(9),
            by: journals::bob(),
            reason: "trying out a new rule".to_owned(),
            since: journals::start(),
            until: None,
        }],
        holder: Some(holder),
        queued: vec![journals::queued().run()],
        last: Some(journals::healthy().run()),
        notes: vec!["trade-executed could not be read: AccessDenied".to_owned()],
        observed_at: Some(journals::start()),
        dashboard_url: None,
    }
}

#[test]
fn short_answers_read_well() {
    let now = journals::start() + SignedDuration::from_mins(5);
    let (run, story) = (journals::cancelled().run(), journals::gate_fails_and_undoes());
    let mut active = run.clone();
    active.ended = None;
    active.cancel = None;
    let asked = Command::Enable { rules: Selection::All, environment: "dev".to_owned() };
    let who = Who {
        actor: journals::alice(),
        roles: vec!["dev: viewer, operator, responder".to_owned()],
        may: vec!["enable and disable rules of dev".to_owned()],
        may_not: vec!["act in prod: needs approval".to_owned()],
        second_factor: Some("approving in prod takes a one-time code; you have set up none yet".to_owned()),
    };
    let answers = [
        ("status", status(&[dev_status(), EnvironmentStatus { name: "prod".to_owned(), ..Default::default() }], now)),
        ("runs", runs_list(&[story.run(), active.clone(), journals::rolled_back().run()], now)),
        ("no runs", runs_list(&[], now)),
        ("show", show(&story.run(), &story.journal, now)),
        ("whoami", whoami(&who)),
        ("held", held(&active, Some("https://x.slack.com/archives/C1/p1?thread_ts=1&cid=C1"), &asked)),
        ("refusal", refusal("`prod` needs approval.\nAsk for it & wait.")),
        ("help", help("*enable*: enable rules\nUsage: `/alch enable &lt;rule|all&gt; &lt;env&gt;`")),
        ("cancel accepted", cancel_accepted(&active)),
        ("stale click", stale_click(&run)),
    ];
    let page: String = answers.iter().map(|(name, answer)| format!("── {name}\n{}", read(answer))).collect();
    insta::assert_snapshot!("short_answers", page);
}

#[test]
fn who_steers_a_run_reads_what_became_of_it() {
    let approving = Run::from_journal(&journals::overridden_and_scheduled().journal[..7]).unwrap();
    let approved_run = journals::overridden_and_scheduled().run();
    let running = journals::objected_and_resumed();
    let paused_run = Run::from_journal(&running.journal[..running.journal.len() - 1]).unwrap();
    let Event::Held { hold } = &journals::frozen().journal[1].event else { unreachable!() };
    let answers = [
        ("approved, one of two", approved(&approving, approving.open_round().unwrap())),
        ("approved", approved(&approved_run, approved_run.round(&Subject::Plan).unwrap())),
        ("rejected", rejected(&journals::rejected_with_a_reason().run())),
        ("overridden", overridden(&approving, "soak")),
        ("paused", paused(&paused_run)),
        ("objected", objected(&paused_run)),
        ("resumed", resumed(&running.run())),
        ("retrying", retrying(&journals::failed_and_retried().run())),
        ("skip asked", skip_asked(&running.run(), true)),
        ("skipped", skip_asked(&journals::paused_and_skipped_in_dev().run(), false)),
        ("escalated", escalated(&paused_run, "S0ONCALL")),
        ("frozen", hold_placed(hold, "prod")),
        ("unfrozen", hold_lifted(HoldKind::Freeze, "prod")),
        ("contacts", contacts(Some("Platform Team (platform@example.com)"), Some("S0ONCALL"))),
        ("no contacts", contacts(None, None)),
    ];
    let page: String = answers.iter().map(|(name, answer)| format!("── {name}\n{}", read(answer))).collect();
    insta::assert_snapshot!("steering", page);
}

/// A question loses its buttons with the first thing that settles it, and says what that was.
#[test]
fn the_question_for_approval_follows_the_run() {
    let (plain, scheduled, expired) = (journals::promoted(), journals::overridden_and_scheduled(), journals::expired());
    let drifted = journals::drifted_and_approved_again();
    let mut cancelled = journals::promoted();
    cancelled.journal.truncate(up_to(&cancelled, "approval_asked"));
    let cancelled = cancelled.then(Event::CancelRequested { actor: journals::alice() });
    let moments = [
        ("asked", &plain, up_to(&plain, "approval_asked")),
        ("approved", &plain, up_to(&plain, "approved")),
        ("blocked", &scheduled, up_to(&scheduled, "approval_asked")),
        ("overridden", &scheduled, up_to(&scheduled, "overridden")),
        ("one of two", &scheduled, up_to(&scheduled, "approved")),
        ("lapsed", &expired, up_to(&expired, "lapsed")),
        ("superseded", &drifted, drifted.journal.len()),
        ("cancelled", &cancelled, cancelled.journal.len()),
    ];
    let question = |story: &Story, events: usize| {
        in_context(|context| {
            thread(&story.journal[..events], context).into_iter().find(|told| told.live).unwrap().message
        })
    };
    let page: String =
        moments.iter().map(|(name, story, events)| format!("── {name}\n{}", read(&question(story, *events)))).collect();
    insta::assert_snapshot!("the_question_for_approval_follows_the_run", page);
    for (name, story, events) in moments {
        let open = ["asked", "blocked", "overridden", "one of two"].contains(&name);
        let text = question(story, events).text;
        assert_eq!(text.contains("/alch reject R-12"), open, "{name}: {text}");
        let approvable = open && name != "blocked";
        assert_eq!(text.contains("/alch approve R-12"), approvable, "{name}: {text}");
    }
}

#[test]
fn the_card_follows_production() {
    let (promoted, scheduled) = (journals::promoted(), journals::overridden_and_scheduled());
    let (objected, failed) = (journals::objected_and_resumed(), journals::failed_and_retried());
    let (skipped, offered) = (journals::skipped_in_production(), journals::rollback_offered());
    let lapsed = journals::rollback_lapsed();
    let dev = journals::paused_and_skipped_in_dev();
    let moments = [
        ("waiting for approval", card_after(&promoted, up_to(&promoted, "approval_asked"), 60)),
        ("blocked", card_after(&scheduled, up_to(&scheduled, "approval_asked"), 60)),
        ("scheduled", card_after(&scheduled, scheduled.journal.len(), 60)),
        ("watching", card_after(&promoted, up_to(&promoted, "checked"), 60)),
        ("paused", card_after(&objected, up_to(&objected, "paused"), 60)),
        ("failed and asking", card_after(&failed, up_to(&failed, "asked"), 60)),
        ("skip asked for", card_after(&skipped, up_to(&skipped, "skip_requested") + 1, 60)),
        ("rollback not clicked", card_after(&offered, offered.journal.len(), 60)),
        ("rollback lapsed", card_after(&lapsed, lapsed.journal.len(), 60)),
        ("paused in dev", card_after(&dev, up_to(&dev, "paused"), 10)),
    ];
    let page: String = moments.iter().map(|(name, card)| format!("── {name}\n{}", read(card))).collect();
    insta::assert_snapshot!("the_card_follows_production", page);
}

#[test]
fn the_home_shows_environments_and_runs() {
    let now = journals::start() + SignedDuration::from_mins(5);
    let view = home(&[dev_status()], &[journals::healthy().run()], now);
    assert_eq!(view["type"], "home");
    let blocks = view["blocks"].as_array().unwrap().clone();
    insta::assert_snapshot!("home", read(&Message { text: String::new(), blocks }));
}
