//! What is fed with anything at all, a function a target, and what has to hold then. A target panics when it does not.
//!
//! `main.rs` hands them to libFuzzer; `tests/corpus.rs` includes this file, and feeds them with the corpora.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use alch::checks::dead_letters::{self, DeadLetter};
use alch::checks::policy_document::{Asker, PolicyDocument, Request, permission};
use alch::checks::{smoke, template};
use alch::command::{self, Context, MAX_TEXT_CHARS, Refusal};
use alch::config::{ALCH_TOML, Config, Variables};
use alch::domain::{Command, Recorded, Run, RunId};
use alch::engine;
use alch::requests::click::{self, Click};
use alch::slack::inbound::{Delivery, Inbound};
use alch::slack::message::Message;
use alch::slack::view::{self, Carried, ViewContext};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// The longest refusal of a command, in characters: Slack takes 3,000 in one block.
const MAX_REFUSAL_CHARS: usize = 1_500;
/// The longest word on why a request is nothing for us, in characters.
const MAX_WHY_CHARS: usize = 100;
/// Answers a request without a token: not to be logged.
const RESPONSE_URL: &str = "https://hooks.slack.com/commands/T0/planted";
/// What a secret in the settings looks like, each with the part that tells it.
const PLANTED: [(&str, &str); 3] = [
    ("xoxb-planted-7777", "planted-7777"),
    ("xapp-planted-8888", "planted-8888"),
    ("postgres://alch:planted-9999@db/alch", "planted-9999"),
];

/// A target: its name, and what it does with the bytes.
pub type Target = (&'static str, fn(&[u8]));

/// All targets: `corpus` has a folder of seeds for each, by its name.
pub const TARGETS: [Target; 5] = [
    ("inbound", inbound),
    ("command", |bytes| as_text(bytes, command)),
    ("config", |bytes| as_text(bytes, config)),
    ("journal", |bytes| as_text(bytes, journal)),
    ("documents", |bytes| as_text(bytes, documents)),
];

/// What is no text does not get so far: whoever hands it over has refused it.
fn as_text(bytes: &[u8], target: fn(&str)) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        target(text);
    }
}

static CONFIG: LazyLock<Config> = LazyLock::new(|| {
    let read = Config::parse(ALCH_TOML, "alch.toml", &Variables::new());
    let (config, _) = read.unwrap_or_else(|errors| panic!("the settings of the repository: {errors}"));
    config
});

/// The words that are known in a channel, and in the thread of a run.
static CHANNEL: LazyLock<Context> = LazyLock::new(|| Context::from(&*CONFIG));
static THREAD: LazyLock<Context> = LazyLock::new(|| CHANNEL.typed_after("@alch").in_thread_of(RunId(7), "prod"));

/// A Monday, seven in the morning in New York.
fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(1_795_435_200)
}

/// A request's body, and the same bytes as an envelope of Socket Mode.
fn inbound(bytes: &[u8]) {
    taken(Inbound::from_http(bytes));
    let envelope: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let kind = envelope["type"].as_str().unwrap_or_default();
    taken(Inbound::from_envelope(kind, &envelope["payload"]));
}

/// What becomes of a request, as far as that takes neither time nor a database.
fn taken(mut inbound: Inbound) {
    let signature = inbound.dedupe_key(Delivery::Http { signature: "5" });
    let envelope = inbound.dedupe_key(Delivery::Socket { envelope_id: "5" });
    assert!(!signature.is_empty() && (signature == envelope) == signature.starts_with("event:"), "{signature}");
    let stored = serde_json::to_string(&inbound).expect("what is taken can be stored");
    let again: Inbound = serde_json::from_str(&stored).expect("what is stored can be read");
    assert!(again == inbound, "stored as {stored}, and read as {again:?}");
    if let Inbound::Slash { response_url, .. } | Inbound::Action { response_url, .. } = &mut inbound {
        RESPONSE_URL.clone_into(response_url);
        let logged = format!("{inbound:?}");
        assert!(!logged.contains(RESPONSE_URL) || stored.contains(RESPONSE_URL), "{logged}");
    }
    match inbound {
        Inbound::Slash { text, .. } | Inbound::Mention { text, .. } | Inbound::DirectMessage { text, .. } => {
            command(&text);
        }
        Inbound::Action { action_id, value, .. } => clicked(&action_id, &value.unwrap_or_default()),
        Inbound::ViewSubmission { callback_id, private_metadata, mut state, .. } => {
            sent_in(&callback_id, &private_metadata, &mut state);
        }
        Inbound::Ignored { why } => {
            let is_plain = why.chars().all(|letter| letter.is_ascii_graphic() || letter == ' ');
            assert!(is_plain && why.len() <= MAX_WHY_CHARS, "{why:?}");
        }
        Inbound::HomeOpened { .. } | Inbound::UrlVerification { .. } | Inbound::SslCheck => {}
    }
}

/// A click on a button with this value.
fn clicked(action_id: &str, value: &str) {
    match click::read(action_id, value) {
        Click::Ask(asked, _) => assert!(!asked.text().is_empty()),
        Click::Why(asked, _) => {
            let carried = Carried {
                value: value.to_owned(),
                channel: "C1".to_owned(),
                message_ts: None,
                thread_ts: Some("1.0".to_owned()),
            };
            if let Some(form) = view::reason_form(&asked, None, &carried) {
                let carries = form["private_metadata"].as_str().unwrap_or_default();
                assert_eq!(Carried::read(carries), Some(carried));
                told(&form.to_string());
            }
        }
        Click::Typed(words, _) => command(&words),
        Click::Garbled | Click::Unknown => {}
    }
}

/// A form that was sent in: what it carries is read like the click that opened it, what was typed into it is checked.
fn sent_in(callback_id: &str, private_metadata: &str, state: &mut Value) {
    let _ = view::take_code(state);
    let _ = view::note(state);
    let choice = view::replay_choice(state);
    let Some(carried) = Carried::read(private_metadata) else { return };
    clicked(callback_id, &carried.value);
    if let (Click::Why(asked, _), Ok(why)) = (click::read(callback_id, &carried.value), view::reason(state)) {
        assert!(!click::with_reason(asked, why).text().is_empty());
    }
    let times =
        command::ReplayTimes { from: &choice.from, to: &choice.to, rules: choice.rules, even_off: choice.even_off };
    match command::replay_of(&carried.value, times, &CHANNEL, now()) {
        Ok(asked) => understood_again(&asked),
        Err((_, problem)) => assert!(problem.chars().count() <= MAX_REFUSAL_CHARS, "{problem}"),
    }
}

/// A text that was typed, in a channel and in the thread of a run.
fn command(text: &str) {
    for context in [&*CHANNEL, &*THREAD] {
        match command::parse(text, context, now()) {
            Ok(parsed) => understood_again(&parsed.command),
            Err(refusal) => harmless(&refusal),
        }
    }
}

/// What a command says of itself is that command: it stands in messages to be copied, and in the values of buttons.
fn understood_again(asked: &Command) {
    let said = asked.text();
    match command::parse(&said, &CHANNEL, now()) {
        Ok(again) => assert_eq!(&again.command, asked, "{said}"),
        Err(refusal) => assert!(said.chars().count() > MAX_TEXT_CHARS, "{said}: {refusal}"),
    }
    let stored = serde_json::to_string(asked).expect("a command can be stored");
    let again: Command = serde_json::from_str(&stored).expect("what is stored can be read");
    assert_eq!(&again, asked);
}

/// A refusal goes to Slack as it is.
fn harmless(refusal: &Refusal) {
    let shown = refusal.to_string();
    let is_line = |letter: char| letter == '\n' || !letter.is_control();
    assert!(shown.chars().count() <= MAX_REFUSAL_CHARS && shown.chars().all(is_line), "{shown:?}");
    assert!(!shown.contains(['<', '>']), "Slack could read a mention or a link in it: {shown}");
    let Message { text, blocks } = view::refused(refusal);
    told(&text);
    blocks.iter().for_each(|block| told(&block.to_string()));
}

/// Nobody is called by what others wrote.
fn told(text: &str) {
    for call in ["<!channel", "<!here", "<!everyone"] {
        assert!(!text.contains(call), "{text}");
    }
}

/// A file of settings. Comments in front of it may set variables, as in `#$ ALCH__SLACK__CHANNEL=C0`.
fn config(text: &str) {
    let lines = text.lines().map_while(|line| line.strip_prefix("#$ "));
    let variables = lines.filter_map(|line| line.split_once('=')).filter(|(name, _)| name.starts_with("ALCH__"));
    let variables: Variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    match Config::parse(text, "alch.toml", &variables) {
        Ok((config, secrets)) => {
            let shown = format!("{secrets:?}");
            assert!(PLANTED.iter().all(|(_, tell)| !shown.contains(tell)), "{shown}");
            let context = Context::from(&config);
            let _ = command::help::overview(&context);
            let _ = command::parse("status", &context, now());
        }
        Err(errors) => {
            let told = errors.to_string();
            assert!(!errors.0.is_empty() && !told.trim().is_empty());
            for (secret, tell) in PLANTED {
                assert!(!told.contains(tell) || !text.contains(secret), "{told}");
            }
        }
    }
}

/// A journal, an event a line, as it is stored.
fn journal(text: &str) {
    let mut journal: Vec<Recorded> = Vec::new();
    for line in text.lines() {
        let Ok(recorded) = serde_json::from_str::<Recorded>(line) else { continue };
        let stored = serde_json::to_string(&recorded).expect("an event can be stored");
        assert_eq!(serde_json::from_str::<Recorded>(&stored).ok().as_ref(), Some(&recorded), "{stored}");
        journal.push(recorded);
    }
    let Some(run) = Run::from_journal(&journal) else { return };
    if let Some(environment) = CONFIG.environments.get(&run.environment) {
        let _ = engine::next(&run, environment, None, now());
        let _ = engine::next(&run, environment, Some(run.last_at), run.last_at);
    }
    let context = ViewContext {
        environments: &CONFIG.environments,
        card_refresh: SignedDuration::from_secs(15),
        contacts: ("U0PRIMARY", "U0ESCALATION"),
        command_word: "/alch",
    };
    let _ = view::card_changes_at(&run, &context, now());
    let threads = view::thread(&journal, &context).into_iter().map(|message| message.message);
    let mut messages: Vec<Message> = threads.collect();
    messages.extend(view::notices(&journal, &context).into_iter().map(|notice| notice.message));
    messages.extend([view::card(&run, &context, now()), view::show(&run, &journal, now())]);
    for Message { text, blocks } in messages {
        told(&text);
        blocks.iter().for_each(|block| told(&block.to_string()));
    }
    for recorded in &journal {
        let _ = view::terminal(recorded, &run);
    }
}

/// What AWS hands over and others have written: a template, a policy, a function's answer, the body of a dead letter.
fn documents(text: &str) {
    let known = [("Stage", "dev"), ("AWS::StackName", "trading-dev"), ("Hidden", "****")];
    let known: BTreeMap<String, String> = known.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    if let Err(why) = template::package(text, "worker-dev", &known) {
        assert!(!why.contains("****"), "a value that AWS hides is taken for one: {why}");
    }
    if let Ok(policy) = PolicyDocument::parse(text) {
        let table = "arn:aws:dynamodb:us-east-1:111111111111:table/seen";
        let role = "arn:aws:iam::111111111111:role/worker";
        for asker in [Asker::Itself, Asker::Service("events.amazonaws.com"), Asker::Role(role)] {
            let context = BTreeMap::from([("aws:securetransport", "true".to_owned())]);
            let request = Request { asker, action: "dynamodb:PutItem", resource: table, context };
            let one = std::slice::from_ref(&policy);
            let alone = permission(one, None, &request);
            // A boundary takes away, and the same statements again add nothing.
            assert_eq!(permission(&[policy.clone(), policy.clone()], None, &request), alone);
            let bounded = permission(one, Some(&PolicyDocument::default()), &request);
            assert!(matches!(bounded, alch::checks::Permission::Denied(_)), "{bounded:?}");
        }
    }
    let _ = smoke::judge(text);
    let letter = DeadLetter {
        id: "m-1".to_owned(),
        receipt: "r-1".to_owned(),
        sent: None,
        receives: 1,
        body: text.to_owned(),
        rule_arn: None,
        target_arn: None,
        error_code: None,
        error_message: Some(text.to_owned()),
        exhausted: None,
        retries: None,
    };
    if let Ok(event) = letter.event("trading-dev") {
        assert!(serde_json::from_str::<serde_json::Map<String, Value>>(&event.detail).is_ok(), "{}", event.detail);
        assert!(!event.source.starts_with("aws."), "{}", event.source);
        let _ = dead_letters::with_key("id", &[event]);
    }
    if let Some(environment) = CONFIG.environments.get("dev") {
        let groups = dead_letters::groups(environment, &[letter]);
        assert_eq!(groups.iter().map(|group| group.count).sum::<u32>(), 1);
    }
}
