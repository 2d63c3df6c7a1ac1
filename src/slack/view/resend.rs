//! Events handled again, as people read of it: what lies in the dead-letter queues, how replays stand, and the form that
//! asks when a replay begins and ends.

use jiff::Timestamp;
use jiff::civil::DateTime;
use serde_json::{Value, json};

use super::action;
use super::blocks::Draft;
use super::markup::{Markup, clip, md};
use super::modals::{Carried, form, plain, section};
use super::{card::permille_bar, words};
use crate::domain::{Command, DeadLetterGroup, DlqDepth, Environment, Remark, ReplayFact, ReplayState, Run, span};
use crate::slack::message::Message;

/// Groups of messages, and replays, that an answer spells out.
const MAX_LINES: usize = 12;
/// The options of a select.
const MAX_RULES: usize = 100;

/// A dead-letter queue as it was just looked into.
#[derive(Clone, Debug, Default)]
pub struct QueueLook {
    /// Its name.
    pub queue: String,
    /// What lies in it, or why that is not known.
    pub depth: Option<DlqDepth>,
    /// How old the oldest message is, in seconds; none when that is not known.
    pub oldest_seconds: Option<i64>,
    /// The sample by rule and error.
    pub groups: Vec<DeadLetterGroup>,
    /// What could not be asked, and what did not go well.
    pub notes: Vec<String>,
}

/// The answer to `dlq`.
pub fn dead_letters(environment: &str, looks: &[QueueLook], command_word: &str, at: Timestamp) -> Message {
    let mut draft = Draft::new();
    let known: Option<i64> = looks.iter().map(|look| look.depth.map(DlqDepth::total)).sum();
    let head = md!("Dead-letter queues of {}", environment).bold();
    draft.section(match known {
        _ if looks.is_empty() => md!("{}: none is configured.", head),
        Some(0) => md!("✅ {}: empty", head),
        Some(total) => md!("📮 {}: {}", head, words::count(total, "message")),
        None => md!("⚠️ {}: not all could be looked into", head),
    });
    let mut sendable = false;
    for look in looks {
        draft.lines(std::iter::once(queue_line(look)).chain(look.groups.iter().take(MAX_LINES).map(group_line)));
        let more = look.groups.len().saturating_sub(MAX_LINES);
        if more > 0 {
            draft.section(md!("… and {} more kinds", more));
        }
        draft.lines(look.notes.iter().map(|note| md!("⚠️ {}", clip(note, 400))));
        sendable |= look.groups.iter().any(|group| group.stuck < group.count);
    }
    let next = if sendable {
        let redrive = Command::Redrive { environment: environment.to_owned(), limit: None };
        let typed = Markup::code(&format!("{command_word} {}", redrive.text()));
        md!("To put them on the bus again: {}", typed)
    } else {
        Markup::default()
    };
    let looked = md!("Looked at {}. Nothing was deleted; what was looked at is there again.", Markup::time(at));
    draft.context(Markup::join([next, looked], "\n"));
    draft.finish()
}

fn queue_line(look: &QueueLook) -> Markup {
    let name = Markup::from(clip(&look.queue, 90)).bold();
    let Some(depth) = look.depth else { return md!("⚠️ {}: could not be asked", name) };
    let mark = if depth.total() == 0 { "✅" } else { "📮" };
    let age = match look.oldest_seconds {
        Some(seconds) if depth.total() > 0 => {
            format!(", the oldest for about {}", span(jiff::SignedDuration::from_secs(seconds)))
        }
        Some(_) | None => String::new(),
    };
    let seen: i64 = look.groups.iter().map(|group| i64::from(group.count)).sum();
    let seen = if depth.total() > 0 { format!("; {} looked at", words::count(seen, "message")) } else { String::new() };
    md!("{} {}: {}{}{}", mark, name, words::depth(&depth), age, seen)
}

fn group_line(group: &DeadLetterGroup) -> Markup {
    let when = match (group.first, group.last) {
        (Some(first), Some(last)) if first == last => md!(", {}", Markup::minute(first)),
        (Some(first), Some(last)) => md!(", {} to {}", Markup::minute(first), Markup::minute(last)),
        (Some(_), None) | (None, Some(_)) | (None, None) => Markup::default(),
    };
    let stuck = match group.stuck {
        0 => Markup::default(),
        all if all == group.count => md!("; cannot be put on the bus"),
        some => md!("; {} of them cannot be put on the bus", some.to_string()),
    };
    let message = match group.message.as_str() {
        "" => Markup::default(),
        said => md!(": {}", Markup::prose(&clip(said.trim_end_matches('.'), 200))),
    };
    md!(
        "• {} × {} · {}{}{}, for example {}{}",
        group.count.to_string(),
        clip(&group.rule, 90),
        Markup::code(&clip(&group.error, 80)),
        message,
        when,
        clip(&group.example, 200),
        stuck,
    )
}

/// The answer to `replay status`: the replays that are under way, and the run that looks after one.
pub fn replay_status(environment: &str, replays: &[ReplayFact], run: Option<&Run>, command_word: &str) -> Message {
    let mut draft = Draft::new();
    let under_way: Vec<&ReplayFact> = replays.iter().filter(|replay| !replay.state.is_over()).collect();
    match (under_way.is_empty(), run) {
        (true, Some(run)) => draft.section(md!(
            "⏳ {}: {} is not replaying yet, or not any more. See {}.",
            md!("No replay of {} is under way", environment).bold(),
            run.id,
            Markup::code(&format!("{command_word} show {}", run.id)),
        )),
        (true, None) => {
            draft.section(md!("{}.", md!("No replay of {} is under way", environment).bold()));
            draft.lines(replays.first().map(|last| md!("The last one: {}", replay_line(last))));
        }
        (false, _) => {
            draft.section(md!("⏪ {}", md!("Replays of {} under way", environment).bold()));
            for replay in &under_way {
                draft.lines([replay_line(replay), md!("{}", permille_bar(u16::from(replay.percent()) * 10))]);
            }
            draft.section(match run {
                Some(run) => {
                    let cancel = Command::ReplayCancel { environment: environment.to_owned() };
                    let typed = Markup::code(&format!("{command_word} {}", cancel.text()));
                    md!("{} by {} looks after it. To stop it: {}", run.id, Markup::actor(&run.actor), typed)
                }
                None => md!("No run of mine looks after it: it was started elsewhere."),
            });
        }
    }
    draft.finish()
}

/// The answer to `replay list`.
pub fn replay_list(environment: &str, replays: &[ReplayFact]) -> Message {
    let mut draft = Draft::new();
    let count = i64::try_from(replays.len()).unwrap_or(i64::MAX);
    draft.section(md!("⏪ {}: {}", md!("Replays of {}", environment).bold(), words::count(count, "replay")));
    let more = replays.len().saturating_sub(MAX_LINES);
    draft.lines(replays.iter().take(MAX_LINES).map(|replay| md!("• {}", replay_line(replay))));
    if more > 0 {
        draft.section(md!("… and {} older ones", more));
    }
    draft.context(md!("EventBridge forgets a replay 90 days after its end."));
    draft.finish()
}

fn replay_line(replay: &ReplayFact) -> Markup {
    let mark = match replay.state {
        ReplayState::Completed => "✅",
        ReplayState::Failed => "❌",
        ReplayState::Cancelled => "⏹️",
        ReplayState::Starting | ReplayState::Running | ReplayState::Cancelling => "⏳",
    };
    let started = replay.started.map(|at| md!(", started {}", Markup::minute(at))).unwrap_or_default();
    let last = replay.last_event.map(|at| md!(", last event from {}", Markup::time(at))).unwrap_or_default();
    let why = replay.reason.as_deref().map(|why| md!(" ({})", clip(why, 200))).unwrap_or_default();
    md!(
        "{} {} {}: events from {} to {}{}{}{}",
        mark,
        Markup::code(&clip(&replay.name, 64)),
        replay.state.word(),
        Markup::minute(replay.order.from),
        Markup::minute(replay.order.to),
        started,
        last,
        why,
    )
}

/// What people have to know before a plan is carried out.
pub fn remarks(remarks: &[Remark]) -> Vec<Markup> {
    remarks.iter().map(|remark| md!("{} {}", if remark.loud { "⚠️" } else { "•" }, clip(&remark.text, 600))).collect()
}

/// What the form for a replay begins with.
#[derive(Clone, Copy, Debug)]
pub struct ReplayForm<'a> {
    /// Where.
    pub environment: &'a Environment,
    /// The zone in which times are read.
    pub zone: &'a str,
    /// The window that it proposes, in that zone.
    pub window: (DateTime, DateTime),
}

/// The blocks and elements of the form.
pub mod replay_input {
    /// The first day.
    pub const FROM_DATE: &str = "from_date";
    /// Its time.
    pub const FROM_TIME: &str = "from_time";
    /// The last day.
    pub const TO_DATE: &str = "to_date";
    /// Its time.
    pub const TO_TIME: &str = "to_time";
    /// The rules.
    pub const RULES: &str = "rules";
    /// Although all of them are disabled.
    pub const EVEN_OFF: &str = "even_off";
}

/// The form that asks when a replay begins and ends, and to which rules. None when Slack would not carry what has to be
/// carried.
pub fn replay_form(about: &ReplayForm<'_>, carried: &Carried) -> Option<Value> {
    use replay_input::{EVEN_OFF, FROM_DATE, FROM_TIME, RULES, TO_DATE, TO_TIME};
    let environment = about.environment;
    let text = md!(
        "Events that {} got in this time go to the rules again, and their handlers run again. Events take up to 10 minutes \
         to arrive there. Times are in {}. The plan follows in the thread before anything is replayed.",
        clip(&environment.archive, 90),
        clip(about.zone, 60),
    );
    let input = |block: &str, label: &str, element: Value| json!({"type": "input", "block_id": block, "label": plain(label), "element": element});
    let date = |block: &str, label: &str, at: DateTime| {
        let initial = at.strftime("%Y-%m-%d").to_string();
        input(block, label, json!({"type": "datepicker", "action_id": block, "initial_date": initial}))
    };
    let time = |block: &str, label: &str, at: DateTime| {
        let initial = at.strftime("%H:%M").to_string();
        input(block, label, json!({"type": "timepicker", "action_id": block, "initial_time": initial}))
    };
    let (from, to) = about.window;
    let mut blocks = vec![
        section(&text),
        date(FROM_DATE, "From, day", from),
        time(FROM_TIME, "From, time", from),
        date(TO_DATE, "To, day", to),
        time(TO_TIME, "To, time", to),
    ];
    let rules: Vec<Value> = environment
        .rules
        .iter()
        .take(MAX_RULES)
        .map(|rule| json!({"text": plain(&clip(&rule.name, 75)), "value": rule.name}))
        .collect();
    if !rules.is_empty() {
        let element = json!({
            "type": "multi_static_select", "action_id": RULES, "options": rules.clone(), "initial_options": rules,
        });
        blocks.push(input(RULES, "To these rules", element));
    }
    let even_off = json!({
        "type": "checkboxes",
        "action_id": EVEN_OFF,
        "options": [{"text": plain("Although all of these rules are disabled"), "value": EVEN_OFF}],
    });
    let mut even_off = input(EVEN_OFF, "A disabled rule gets nothing", even_off);
    even_off["optional"] = json!(true);
    blocks.push(even_off);
    let title = clip(&format!("Replay in {}", environment.name), super::modals::MAX_TITLE);
    form((action::REPLAY, &title, "Make the plan"), carried, blocks)
}

/// What was chosen in a form that was sent in, as texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplayChoice {
    /// Day and time: `2026-11-20 09:00`.
    pub from: String,
    /// Day and time.
    pub to: String,
    /// The rules' short names.
    pub rules: Vec<String>,
    /// Although all of them are disabled.
    pub even_off: bool,
}

/// Reads the inputs of a form that was sent in.
pub fn replay_choice(state: &Value) -> ReplayChoice {
    use replay_input::{EVEN_OFF, FROM_DATE, FROM_TIME, RULES, TO_DATE, TO_TIME};
    let text = |block: &str, key: &str| state[block][block][key].as_str().unwrap_or_default().to_owned();
    let moment = |date: &str, time: &str| {
        format!("{} {}", text(date, "selected_date"), text(time, "selected_time")).trim().to_owned()
    };
    let values = |block: &str| {
        let options = state[block][block]["selected_options"].as_array().into_iter().flatten();
        options.filter_map(|option| option["value"].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    ReplayChoice {
        from: moment(FROM_DATE, FROM_TIME),
        to: moment(TO_DATE, TO_TIME),
        rules: values(RULES),
        even_off: !values(EVEN_OFF).is_empty(),
    }
}

/// The answer to a form that keeps it open and says what is wrong at one of its inputs.
pub fn replay_refused(input: &str, problem: &str) -> Value {
    // A form's errors are plain text.
    json!({"response_action": "errors", "errors": {input: clip(&problem.replace('`', ""), 300)}})
}
