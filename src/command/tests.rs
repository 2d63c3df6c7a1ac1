//! What is understood, what is refused and in which words, and that grammar, help and `Command` agree.

use jiff::SignedDuration;
use jiff::civil::time;
use proptest::prelude::*;

use super::*;
use crate::domain::{Answer, AuditFormat, HoldKind, Selection, TimeRange, Weekday};

fn context() -> Context {
    let rules = |environment: &str| {
        let names = ["signal-generated", "rebalance-planned", "all-events-monitor"];
        names.map(|name| Rule { name: name.to_owned(), rule: format!("Acme-{name}-{environment}") }).to_vec()
    };
    let weekends = TimeRange { days: vec![Weekday::Sat, Weekday::Sun], from: None, until: None };
    let nights = TimeRange { days: vec![Weekday::Mon], from: Some(time(17, 0, 0, 0)), until: None };
    let window = Window { zone: "America/New_York".to_owned(), allow: vec![weekends, nights], blackout: Vec::new() };
    let dev = Known { name: "dev".to_owned(), rules: rules("dev"), promote_from: None, window: None };
    let prod = Known {
        name: "prod".to_owned(),
        rules: rules("prod"),
        promote_from: Some("dev".to_owned()),
        window: Some(window),
    };
    Context { environments: vec![dev, prod], command_word: "/alch".to_owned(), implied: None }
}

/// A Monday, seven in the morning in New York.
fn now() -> Timestamp {
    at("2026-11-23T12:00:00Z")
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn parse(text: &str, context: &Context) -> Result<Parsed, Refusal> {
    super::parse(text, context, now())
}

fn thread() -> Context {
    context().typed_after("@alch").in_thread_of(RunId(7), "prod")
}

fn understood(text: &str) -> Command {
    parse(text, &context()).unwrap_or_else(|refusal| panic!("{text}: {refusal}")).command
}

fn refused(text: &str) -> String {
    match parse(text, &context()) {
        Ok(parsed) => panic!("{text} was understood as {:?}", parsed.command),
        Err(refusal) => refusal.to_string(),
    }
}

fn enable(rule: &str, environment: &str) -> Command {
    let rules = if rule == "all" { Selection::All } else { Selection::One(rule.to_owned()) };
    Command::Enable { rules, environment: environment.to_owned() }
}

/// The commands without anybody's own words in them: their words may stand in any order.
fn plain_commands() -> impl Strategy<Value = Command> {
    let environment = || prop::sample::select(vec!["dev".to_owned(), "prod".to_owned()]);
    let rules = || {
        prop::sample::select(vec![
            Selection::All,
            Selection::One("signal-generated".to_owned()),
            Selection::One("rebalance-planned".to_owned()),
            Selection::One("all-events-monitor".to_owned()),
        ])
    };
    let run = || (1..i64::MAX).prop_map(RunId);
    let answers = prop::sample::select(vec![Answer::WaitOn, Answer::Continue, Answer::Undo, Answer::Retry]);
    let holds = prop::sample::select(vec![HoldKind::Freeze, HoldKind::Lock]);
    let topics = prop::sample::select(WORDS.to_vec());
    prop_oneof![
        (rules(), environment()).prop_map(|(rules, environment)| Command::Enable { rules, environment }),
        (rules(), environment()).prop_map(|(rules, environment)| Command::Disable { rules, environment }),
        environment().prop_map(|environment| Command::Rollback { environment }),
        environment().prop_map(|environment| Command::Restore { environment }),
        environment().prop_map(|environment| Command::Verify { environment }),
        prop::option::of(environment()).prop_map(|environment| Command::Status { environment }),
        prop::option::of(environment()).prop_map(|environment| Command::Runs { environment }),
        run().prop_map(|run| Command::Show { run }),
        run().prop_map(|run| Command::Cancel { run }),
        (run(), answers).prop_map(|(run, answer)| Command::Answer { run, answer }),
        (run(), "[0-9a-f]{6,64}").prop_map(|(run, plan)| Command::Approve { run, plan, note: None }),
        run().prop_map(|run| Command::Pause { run }),
        run().prop_map(|run| Command::Resume { run }),
        run().prop_map(|run| Command::Retry { run }),
        (holds, environment()).prop_map(|(kind, environment)| Command::Release { kind, environment }),
        Just(Command::Promote { environment: "prod".to_owned(), version: None, at: None, reason: None }),
        run().prop_map(|run| Command::Escalate { run, reason: None }),
        Just(Command::Contacts),
        Just(Command::Enrol { reset: None }),
        Just(Command::Whoami),
        prop::option::of(topics).prop_map(|topic| Command::Help { topic: topic.map(str::to_owned) }),
    ]
}

/// What people may say, with what is likely to be misread in it.
fn reasons() -> impl Strategy<Value = String> {
    let traps = prop::sample::select(vec![
        "\"",
        "'",
        "\\",
        "\\\"",
        "--for 4h",
        "--reason",
        "-",
        "=",
        "<@U1>",
        "<http://a.b|c>",
        "<mailto:a>",
        "<",
        ">",
        "&lt;",
        "&amp;",
        "&amp;lt;",
        "&",
        "`",
        "*bold*",
        "\u{201c}",
        "\u{201d}",
        "\u{2019}",
        "\u{2014}",
        "\u{2014}for",
        " ",
        "\u{a0}",
        "R-4",
        "prod",
        "/alch",
        "\u{1f525}",
        "\u{e9}",
        "\u{440}",
        ".",
        "!",
        "#",
        "$HOME",
        "soak",
    ]);
    let letters = "\\PC{0,12}";
    let pieces = prop::collection::vec(prop_oneof![traps.prop_map(str::to_owned), letters], 1..10);
    let said = pieces.prop_map(|pieces| clean::sentence(&pieces.concat()));
    said.prop_filter("a reason says something", |reason| {
        !reason.is_empty() && reason.chars().count() <= MAX_REASON_CHARS
    })
}

/// The commands with somebody's own words in them.
fn worded_commands() -> impl Strategy<Value = Command> {
    let environment = || prop::sample::select(vec!["dev".to_owned(), "prod".to_owned()]);
    let run = || (1..i64::MAX).prop_map(RunId);
    let safeguards =
        prop::sample::select(vec!["soak", "version", "progressive", "watched", "rehearsal", "window", "stakeholders"]);
    let lasting = || {
        prop::option::of((1..30_i64 * 86_400, 0..1_000_i32).prop_map(|(s, ms)| SignedDuration::new(s, ms * 1_000_000)))
    };
    let ahead =
        (1..60_i64 * 86_400, 0..1_000_000_000_i32).prop_map(|(s, ns)| now() + SignedDuration::new(s - 1, ns.max(1)));
    let formats = prop::sample::select(vec![AuditFormat::Csv, AuditFormat::Jsonl]);
    prop_oneof![
        ("[!-~]([ -~]{0,30}[!-~])?", prop::option::of(ahead), prop::option::of(reasons())).prop_map(
            |(version, at, reason)| {
                Command::Promote { environment: "prod".to_owned(), version: Some(version), at, reason }
            }
        ),
        (run(), "[0-9a-f]{6,64}", reasons()).prop_map(|(run, plan, note)| Command::Approve {
            run,
            plan,
            note: Some(note)
        }),
        (run(), reasons()).prop_map(|(run, reason)| Command::Reject { run, reason }),
        (run(), safeguards, reasons()).prop_map(|(run, safeguard, reason)| Command::Override {
            run,
            safeguard: safeguard.to_owned(),
            reason
        }),
        (run(), reasons()).prop_map(|(run, reason)| Command::Object { run, reason }),
        (run(), reasons()).prop_map(|(run, reason)| Command::Skip { run, reason }),
        (run(), reasons()).prop_map(|(run, reason)| Command::Escalate { run, reason: Some(reason) }),
        (environment(), reasons(), lasting()).prop_map(|(environment, reason, lasting)| {
            Command::Hold { kind: HoldKind::Freeze, environment, reason, lasting }
        }),
        (environment(), prop::option::of(reasons()), lasting()).prop_map(|(environment, reason, lasting)| {
            Command::Hold { kind: HoldKind::Lock, environment, reason: reason.unwrap_or_default(), lasting }
        }),
        (prop::option::of(environment()), lasting(), formats).prop_map(|(environment, since, format)| Command::Audit {
            environment,
            since,
            format
        }),
        "[UW][A-Z0-9]{2,10}".prop_map(|person| Command::Enrol { reset: Some(person) }),
    ]
}

fn all_commands() -> impl Strategy<Value = Command> {
    let single = || prop_oneof![plain_commands(), worded_commands()];
    let planned = single().prop_map(|command| match command {
        command if command.acts() || matches!(command, Command::Verify { .. }) => {
            Command::Plan { of: Box::new(command) }
        }
        command => command,
    });
    prop_oneof![4 => single(), 1 => planned]
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        let _ = parse(&text, &context());
        let _ = parse(&text, &thread());
    }

    #[test]
    fn no_text_of_its_own_words_makes_it_panic(
        words in prop::collection::vec(prop::sample::select(vec![
            "enable", "answer", "show", "help", "promote", "plan", "approve", "reject", "override", "freeze", "lock", "audit",
            "enrol", "--at", "--at=", "--for", "--reason", "--reason=\"", "--since", "sat", "10:00", "next", "window", "4h",
            "99999999999999999999d", "2026-11-28T10:00", "-9999-01-01", "soak", "3f9a0c", "=", "dev", "prod", "all", "signal-generated", "R-1", "wait", "--", "-x", "--help", "'", "\"",
            "\\", "<@U1>", "<http://a|b", "`", "#", "&amp;", "\u{2014}", "\u{200b}", "_", "*", "$", "\n",
        ]), 0..8),
        glue in prop::sample::select(vec![" ", "", "\u{a0}"]),
    ) {
        let text = words.join(glue);
        for context in [context(), thread()] {
            if let Err(refusal) = parse(&text, &context) {
                let shown = refusal.to_string();
                prop_assert!(!shown.contains("<@") && !shown.contains("<http"), "{shown}");
            }
        }
    }

    #[test]
    fn what_a_command_says_of_itself_is_understood(command in all_commands()) {
        let text = command.text();
        prop_assert_eq!(parse(&text, &context()).map(|parsed| parsed.command), Ok(command.clone()), "{}", text);
        prop_assert_eq!(parse(&text, &thread()).map(|parsed| parsed.command.run()), Ok(command.run()), "{}", text);
    }

    #[test]
    fn case_does_not_matter(command in plain_commands()) {
        prop_assert_eq!(parse(&format!("/alch {}", command.text().to_uppercase()), &context()).map(|parsed| parsed.command), Ok(command));
    }

    #[test]
    fn order_and_case_do_not_matter(command in plain_commands(), upper in any::<u64>()) {
        let text = command.text();
        let (first, rest) = text.split_once(' ').unwrap_or((&text, ""));
        let reversed = rest.split(' ').rev().collect::<Vec<_>>().join(" ");
        let mixed: String = format!("{first} {reversed}")
            .chars()
            .enumerate()
            .map(|(place, letter)| if upper >> (place % 64) & 1 == 1 { letter.to_ascii_uppercase() } else { letter })
            .collect();
        prop_assert_eq!(parse(&mixed, &context()).map(|parsed| parsed.command), Ok(command));
    }
}

#[test]
fn a_command_is_understood_however_slack_delivers_it() {
    let wanted = enable("signal-generated", "dev");
    for text in [
        "enable signal-generated dev",
        "enable dev signal-generated",
        "  Enable   SIGNAL-generated\u{a0}dev\n",
        "enable “signal-generated” ‘dev’",
        "enable `signal-generated` *dev*",
        "`enable signal-generated dev`",
        "```enable signal-generated dev```",
        "_enable signal-generated dev_".trim_matches('_'),
        "enable _signal-generated_ ~dev~.",
        "enable signal\u{2013}generated dev",
        "enable signal\u{2011}generated \u{200b}dev\u{feff}",
        "enable <http://signal-generated|signal-generated> dev",
        "enable <mailto:signal-generated|signal-generated> dev",
        "<@U0ALCH> enable signal-generated dev",
        "<@U0ALCH|alch> /alch enable signal-generated dev",
        "/alch enable signal-generated dev",
        "enable acme-signal-generated-dev dev",
        "enable Acme-Signal-Generated-Dev DEV",
    ] {
        assert_eq!(understood(text), wanted, "{text}");
    }
    for text in ["", "   ", "<@U0ALCH>", "/alch", "help", "--help", "?"] {
        assert_eq!(understood(text), Command::Help { topic: None }, "{text:?}");
    }
    for text in ["help enable", "enable --help", "enable dev -h", "help Enable", "enable \u{2014}help"] {
        assert_eq!(understood(text), Command::Help { topic: Some("enable".to_owned()) }, "{text}");
    }
    for text in ["show R-42", "show r42", "show #42", "show 42", "Show `R-42`", "show R\u{2013}42"] {
        assert_eq!(understood(text), Command::Show { run: RunId(42) }, "{text}");
    }
    assert_eq!(understood("disable all prod").name(), "disable");
    let text = parse("<@U1> enable <http://x.y|all> &lt;dev", &context());
    assert!(matches!(text, Err(Refusal::UnknownName { .. })), "{text:?}");
}

#[test]
fn the_text_for_the_journal_is_plain() {
    let parsed = parse("<@U0ALCH>  enable “signal-generated”  *dev*", &context()).unwrap();
    assert_eq!(parsed.text, "enable signal-generated dev");
}

#[test]
fn a_thread_implies_its_run_and_its_environment() {
    let run = RunId(7);
    let prod = || Some("prod".to_owned());
    let cases = [
        ("cancel", Command::Cancel { run }),
        ("show", Command::Show { run }),
        ("show R-8", Command::Show { run: RunId(8) }),
        ("status", Command::Status { environment: prod() }),
        ("status dev", Command::Status { environment: Some("dev".to_owned()) }),
        ("runs", Command::Runs { environment: prod() }),
        ("verify", Command::Verify { environment: "prod".to_owned() }),
        ("enable signal-generated", enable("signal-generated", "prod")),
        ("enable all dev", enable("all", "dev")),
        ("answer continue", Command::Answer { run, answer: Answer::Continue }),
        ("answer undo R-9", Command::Answer { run: RunId(9), answer: Answer::Undo }),
        ("<@U0ALCH> wait", Command::Answer { run, answer: Answer::WaitOn }),
        ("Continue", Command::Answer { run, answer: Answer::Continue }),
        ("undo", Command::Answer { run, answer: Answer::Undo }),
    ];
    for (text, wanted) in cases {
        assert_eq!(parse(text, &thread()).map(|parsed| parsed.command), Ok(wanted), "{text}");
    }
}

#[test]
fn a_thread_of_an_environment_that_is_gone_implies_only_the_run() {
    let gone = context().in_thread_of(RunId(7), "staging");
    assert_eq!(parse("status", &gone).map(|parsed| parsed.command), Ok(Command::Status { environment: None }));
    assert_eq!(parse("cancel", &gone).map(|parsed| parsed.command), Ok(Command::Cancel { run: RunId(7) }));
    for text in ["verify", "enable all"] {
        assert!(matches!(parse(text, &gone), Err(Refusal::Missing { .. })), "{text}");
    }
}

#[test]
fn a_refusal_says_what_is_wrong_and_how_it_is_right() {
    assert_eq!(
        refused("enable signal-genrated dev"),
        "I know no rule `signal-genrated`. Did you mean `signal-generated`?\n\
         Usage: `/alch enable &lt;rule|all&gt; &lt;env&gt;`\nFor example: `/alch enable signal-generated dev`"
    );
    let cases = [
        ("enabel all dev", "I know no command `enabel`. Did you mean `enable`?"),
        ("production", "I know no command `production`. Type `/alch help`"),
        ("rollback production", "I know no environment `production`. Did you mean `prod`?"),
        ("rollback prd", "Did you mean `prod`?"),
        ("rollback PRODD", "Did you mean `prod`?"),
        ("rollback live", "I know no environment `live`. I know `dev` and `prod`."),
        ("rollback", "In which environment? I know `dev` and `prod`."),
        ("enable", "Which rule, and in which environment?"),
        ("enable all", "In which environment?"),
        ("enable dev", "Which rule of `dev`? `dev` has `signal-generated`"),
        ("enable signal dev", "Did you mean `signal-generated`?"),
        (
            "enable heartbeat dev",
            "I know no rule `heartbeat`. `dev` has `signal-generated`, `rebalance-planned` and `all-",
        ),
        ("enable heartbeat", "I know no rule or environment `heartbeat`. I know `dev` and `prod`."),
        ("enable all staging", "I know no environment `staging`."),
        ("enable dev prod all", "You named two of a kind: `dev` and `prod`."),
        ("enable all all dev", "You named the rule `all` twice."),
        ("enable all signal-generated dev", "You named two of a kind: `all` and `signal-generated`."),
        ("enable all dev now", "I don't know what `now` means here."),
        ("rollback dev now", "I don't know what `now` means here."),
        ("whoami please", "I don't know what `please` means here."),
        ("enable acme-signal-generated-dev prod", "is called so in `dev`, and you named `prod`."),
        ("enable all dev --force", "I know no option `--force`."),
        ("enable all dev \u{2014}force", "I know no option `--force`."),
        ("show", "Which run?"),
        ("cancel it", "I know no run `it`. Runs are written like `R-42`."),
        ("show R-0", "I know no run `R-0`."),
        ("show R-1 R-2", "I don't know what `R-2` means here."),
        ("answer R-1", "Which answer: `wait`, `continue`, `undo` or `retry`?"),
        ("answer R-1 contineu", "I know no answer `contineu`. Did you mean `continue`?"),
        ("answer wait", "Which run?"),
        ("continue", "Which run?"),
        ("answer R-1 wait undo", "You gave more than one answer."),
        ("rollback dev --code --stack --function", "say one of the two."),
        ("subscribe dev ada", "There is no e-mail address in that"),
        ("subscribe dev", "Which e-mail address?"),
        ("help enabel", "I know no command `enabel`. Did you mean `enable`?"),
        ("enable \"all dev", "a quotation mark without its partner"),
        ("enable don't", "I know no rule or environment `don't`."),
    ];
    for (text, wanted) in cases {
        let found = refused(text);
        assert!(found.contains(wanted), "{text}: {wanted}\nnot in\n{found}");
    }
}

#[test]
fn letters_that_look_like_others_are_never_matched() {
    let cases = [
        ("rollback рrod", "`р` (U+0440), which looks like `p`"),
        ("rollback dеv", "`е` (U+0435), which looks like `e`"),
        ("rollbac\u{212a} dev", "U+212A"),
        ("rollback ｄev", "which looks like `d`"),
        ("rollback dev 🔥", "U+1F525"),
    ];
    for (text, wanted) in cases {
        let found = refused(text);
        assert!(found.contains(wanted) && found.contains("not on an English keyboard"), "{found}");
    }
}

#[test]
fn what_was_typed_is_quoted_without_meaning() {
    for text in
        ["<!channel>", "rollback <@U1>", "rollback &lt;!here&gt;", "rollback `<#C1>`", "enable all dev --<!here>"]
    {
        // A mention in front is taken for the bot's, so it stands behind a command here.
        let found = refused(text);
        assert!(!found.contains("<!") && !found.contains("<@") && !found.contains("<#"), "{found}");
    }
    assert!(refused("rollback a&amp;b").starts_with("I know no environment `a&amp;b`."));
    assert!(refused("rollback a&amp;lt;b").starts_with("I know no environment `a&amp;lt;b`."));
    let long = refused(&format!("rollback {}", "x".repeat(500)));
    assert!(long.contains("xxx…`") && long.len() < 400, "{long}");
    assert_eq!(
        refused(&"x".repeat(MAX_TEXT_CHARS + 1)),
        "That is too long for a command: I read up to 2000 characters."
    );
    assert!(parse(&" ".repeat(MAX_TEXT_CHARS), &context()).is_ok());
}

#[test]
fn usage_follows_the_command_word_and_the_configuration() {
    let mut other = context().typed_after("@bot");
    other.environments.remove(0);
    let refusal = parse("enable", &other).unwrap_err().to_string();
    assert!(refusal.ends_with("For example: `@bot enable signal-generated prod`"), "{refusal}");
}

#[test]
fn help_and_command_agree() {
    let context = context();
    let overview = help::overview(&context);
    let hints = help::hints(&context);
    assert_eq!(hints.len(), WORDS.len());
    for (word, (usage, line)) in WORDS.into_iter().zip(&hints) {
        assert!(usage.starts_with(word) && !line.is_empty(), "{usage}");
        assert!(overview.contains(&format!("• `/alch {word}")), "{word}");
        let topic = help::topic(word, &context);
        assert!(topic.starts_with(&format!("*{word}*: {line}\nUsage: `/alch {word}")), "{topic}");
        // Each example is a command of that name, and what it says of itself means the same.
        let examples: Vec<&str> = topic.lines().filter_map(|line| line.strip_prefix("• `/alch ")).collect();
        assert!(!examples.is_empty(), "{topic}");
        for example in examples {
            let command = understood(example.trim_end_matches('`'));
            assert!(command.text().starts_with(word), "{}", command.text());
            assert_eq!(understood(&command.text()), command, "{example}");
        }
        assert!(!topic.contains('<') && !overview.contains('<'), "{topic}");
    }
    let usages: Vec<&str> = hints.iter().map(|(usage, _)| usage.as_str()).collect();
    for usage in ["enable <rule|all> dev|prod", "status [dev|prod]", "unfreeze dev|prod"] {
        assert!(usages.contains(&usage), "{usages:#?}");
    }
    assert!(usages.iter().any(|usage| usage.starts_with("promote [prod] [--")), "{usages:#?}");
}

#[test]
fn the_overview_fits_into_slacks_messages() {
    let overview = help::overview(&context());
    let paragraphs: Vec<&str> = overview.split("\n\n").collect();
    assert_eq!(paragraphs.len(), 9, "{overview}");
    assert!(paragraphs.iter().all(|paragraph| paragraph.chars().count() < 900), "{overview}");
    assert!(overview.chars().count() < 3_900, "{}", overview.chars().count());
}

fn promote(version: Option<&str>, at: Option<Timestamp>, reason: Option<&str>) -> Command {
    let (version, reason) = (version.map(str::to_owned), reason.map(str::to_owned));
    Command::Promote { environment: "prod".to_owned(), version, at, reason }
}

#[test]
fn a_promotion_is_understood_in_any_order() {
    let ten = Some(at("2026-11-28T15:00:00Z"));
    let cases = [
        ("promote", promote(None, None, None)),
        ("promote prod", promote(None, None, None)),
        ("promote --version v1.4 prod", promote(Some("v1.4"), None, None)),
        ("promote --Version=V1.4", promote(Some("V1.4"), None, None)),
        ("promote \u{2014}at “sat 10:00” prod", promote(None, ten, None)),
        ("promote --at sat 10:00 prod", promote(None, ten, None)),
        ("promote --at=sat 10:00 prod", promote(None, ten, None)),
        ("promote --at=\"sat 10:00\" prod", promote(None, ten, None)),
        ("promote --reason weekly release --at 2026-11-28T15:00:00Z prod", promote(None, ten, Some("weekly release"))),
        ("promote --reason \"it's time\" prod --version a", promote(Some("a"), None, Some("it's time"))),
        ("promote --reason=\"-- & <http://a.b|a.b>\" prod", promote(None, None, Some("-- & a.b"))),
    ];
    for (text, wanted) in cases {
        assert_eq!(understood(text), wanted, "{text}");
    }
    let in_dev = context().in_thread_of(RunId(7), "dev");
    assert_eq!(parse("promote", &in_dev).map(|parsed| parsed.command), Ok(promote(None, None, None)));
}

#[test]
fn moments_are_in_the_zone_of_the_window() {
    let cases = [
        ("sat 10:00", "2026-11-28T10:00:00-05:00"),
        ("Saturday 10:00", "2026-11-28T10:00:00-05:00"),
        ("10:00 sat", "2026-11-28T10:00:00-05:00"),
        ("mon 10:00", "2026-11-23T10:00:00-05:00"),
        ("mon 6:30", "2026-11-30T06:30:00-05:00"),
        ("mon 07:00", "2026-11-30T07:00:00-05:00"),
        ("10:00", "2026-11-23T10:00:00-05:00"),
        ("06:59:30", "2026-11-24T06:59:30-05:00"),
        ("today 23:00", "2026-11-23T23:00:00-05:00"),
        ("tomorrow 10:00", "2026-11-24T10:00:00-05:00"),
        ("2026-11-28 10:00", "2026-11-28T10:00:00-05:00"),
        ("2026-11-28T10:00", "2026-11-28T10:00:00-05:00"),
        ("2026-11-28T10:00:00Z", "2026-11-28T10:00:00Z"),
        ("2026-11-28t10:00z", "2026-11-28T10:00:00Z"),
        ("2026-11-28T10:00:00+09:00", "2026-11-28T10:00:00+09:00"),
        ("next window", "2026-11-23T17:00:00-05:00"),
    ];
    for (text, wanted) in cases {
        assert_eq!(understood(&format!("promote --at \"{text}\"")), promote(None, Some(at(wanted)), None), "{text}");
        assert_eq!(understood(&format!("promote --at {text} prod")), promote(None, Some(at(wanted)), None), "{text}");
    }
    // While the window is open, the next one is the one after it: not the midnight between two open days.
    let on_saturday = super::parse("promote --at next window", &context(), at("2026-11-28T15:00:00Z"));
    let wanted = promote(None, Some(at("2026-11-30T17:00:00-05:00")), None);
    assert_eq!(on_saturday.map(|parsed| parsed.command), Ok(wanted));
    // Without a window, in UTC.
    let mut utc = context();
    utc.environments[1].window = None;
    let wanted = promote(None, Some(at("2026-11-23T12:30:00Z")), None);
    assert_eq!(parse("promote --at 12:30", &utc).map(|parsed| parsed.command), Ok(wanted));
    let refusal = parse("promote --at \"next window\"", &utc).unwrap_err().to_string();
    assert!(refusal.starts_with("`prod` has no deployment window"), "{refusal}");
}

#[test]
fn moments_that_are_not_one_are_refused() {
    let cases = [
        (
            "2026-11-23 06:00",
            "That moment is over: Monday, 2026-11-23 at 06:00 EST. It is now Monday, 2026-11-23 at 07:00 EST.",
        ),
        ("today 06:00", "That moment is over"),
        ("2026-11-23T12:00:00Z", "That moment is over"),
        ("2027-02-01 10:00", "That is too far ahead"),
        ("2999-12-31 23:59", "That is too far ahead"),
        ("9999-12-31 23:59", "is no moment that I know"),
        ("sat", "At what time? Write it like"),
        ("2026-11-28", "At what time?"),
        ("noonish", "I cannot read the time `noonish`. Write it like `\"sat 10:00\"`"),
        ("25:00", "I cannot read the time `25:00`."),
        ("2026-02-30 10:00", "I cannot read the time `2026-02-30 10:00`."),
        ("sat sun 10:00", "I cannot read the time"),
        ("next sat 10:00", "I cannot read the time"),
    ];
    for (text, wanted) in cases {
        let found = refused(&format!("promote --at \"{text}\""));
        assert!(found.contains(wanted), "{text}: {wanted}\nnot in\n{found}");
    }
    let clocks = |text: &str, now: &str| super::parse(text, &context(), at(now)).unwrap_err().to_string();
    let gap = clocks("promote --at \"2027-03-14 02:30\"", "2027-03-10T12:00:00Z");
    assert!(gap.starts_with("There is no 2027-03-14 02:30 in America/New_York: the clocks go forward"), "{gap}");
    let twice = clocks("promote --at \"sun 01:30\"", "2026-10-30T12:00:00Z");
    assert!(twice.starts_with("2026-11-01 01:30 comes twice in America/New_York"), "{twice}");
    // Either of the two that it offers is understood.
    for offered in ["2026-11-01T01:30-04", "2026-11-01T01:30-05"] {
        assert!(twice.contains(&format!("`{offered}`")), "{twice}");
        assert!(
            super::parse(&format!("promote --at {offered}"), &context(), at("2026-10-30T12:00:00Z")).is_ok(),
            "{offered}"
        );
    }
    assert!(refused("promote --at").starts_with("What is `--at`?"));
    assert!(refused("promote --at --reason x").starts_with("What is `--at`?"));
}

#[test]
fn only_what_has_promote_from_is_promoted_to() {
    let refusal = refused("promote dev");
    assert!(refusal.starts_with("Nothing is promoted to `dev`"), "{refusal}");
    let mut none = context();
    none.environments[1].promote_from = None;
    let refusal = parse("promote", &none).unwrap_err().to_string();
    assert!(refusal.starts_with("No environment takes promotions"), "{refusal}");
    let mut both = context();
    both.environments[0].promote_from = Some("test".to_owned());
    let refusal = parse("promote", &both).unwrap_err().to_string();
    assert!(refusal.starts_with("To which environment? `dev` and `prod` can be promoted to."), "{refusal}");
}

#[test]
fn reasons_are_what_was_typed() {
    let cases = [
        ("reject R-5 too early", "too early"),
        ("reject R-5 it doesn't look right.", "it doesn't look right."),
        ("reject R-5 \"it doesn't\"", "it doesn't"),
        ("reject R-5 “it’s broken”", "it’s broken"),
        ("reject R-5 'it's broken'", "it's broken"),
        ("reject R-5 the \"new\" alarm, again", "the \"new\" alarm, again"),
        ("reject R-5 errors up 5% \u{2014} see R-4", "errors up 5% \u{2014} see R-4"),
        ("reject R-5 -5% traffic", "-5% traffic"),
        ("reject R-5 \"--reason\"", "--reason"),
        ("reject R-5 --reason too early", "too early"),
        ("reject --reason \"too early\" R-5", "too early"),
        ("reject R-5 --reason=\"too early\"", "too early"),
        ("reject \"too early\" R-5", "too early"),
        ("reject 5 7 alarms", "7 alarms"),
        ("`reject R-5 too early`", "too early"),
        ("reject R-5 don't", "don't"),
        ("reject R-5 it's late and we don't", "it's late and we don't"),
        ("reject R-5 'tis too early", "'tis too early"),
        ("reject R-5 C:\\temp\\new is full", "C:\\temp\\new is full"),
        ("reject R-5 \"C:\\temp\"", "C:\\temp"),
        ("reject R-5 \"say \\\"no\\\"\"", "say \"no\""),
        ("reject R-5 'it'\\''s late'", "it's late"),
        ("reject R-5 \"\u{2014}for a day\"", "\u{2014}for a day"),
        ("reject R-5 '-for' nothing", "'-for' nothing"),
        ("reject -- R-5 --reason --", "--reason --"),
        ("reject R-5 see <https://a.b/c|a.b/c> &amp; &lt;b&gt;", "see a.b/c & <b>"),
        ("reject R-5 zu fr\u{fc}h \u{1f525}", "zu fr\u{fc}h \u{1f525}"),
        ("reject R-5 one\ntwo \u{202e}three", "one\ntwo three"),
    ];
    for (text, wanted) in cases {
        let wanted = Command::Reject { run: RunId(5), reason: wanted.replace('\n', " ") };
        assert_eq!(understood(text), wanted, "{text}");
    }
    let in_thread = [
        ("reject 3 alarms fire", 7, "3 alarms fire"),
        ("reject same as R-4", 7, "same as R-4"),
        ("reject R-5 too early", 5, "too early"),
        ("object \"too early\" R-5", 5, "too early"),
    ];
    for (text, run, reason) in in_thread {
        let command = parse(text, &thread()).unwrap().command;
        let said = match &command {
            Command::Reject { reason, .. } | Command::Object { reason, .. } => reason.as_str(),
            other => panic!("{other:?}"),
        };
        assert_eq!((command.run(), said), (Some(RunId(run)), reason), "{text}");
    }
    let cases = [
        ("reject", "Which run?"),
        ("reject too early", "Which run?"),
        ("reject too early as in R-4", "Which run?"),
        ("reject R-5", "Why?"),
        ("reject R-5 \"\"", "Why?"),
        ("reject R-5 \" \"", "Why?"),
        ("reject R-5 --reason \"\"", "The reason is empty."),
        ("reject R-5 --reason", "What is `--reason`?"),
        ("reject R-5 early --reason late", "I don't know what `early` means here."),
        ("reject R-5 --raeson late", "I know no option `--raeson`. Did you mean `--reason`?"),
        ("reject R-5 too early \u{2014}wait", "I know no option `--wait`."),
        ("reject R-5 too early -wait", "I know no option `--wait`."),
        ("reject R-5 --reason a --reason b", "You gave `--reason` twice."),
        ("reject R-5x early", "I know no run `R-5x`."),
        ("skip R-0 \"no traffic\"", "I know no run `R-0`."),
        ("freeze prod closing --fro 4h", "I know no option `--fro`. Did you mean `--for`?"),
    ];
    for (text, wanted) in cases {
        let found = refused(text);
        assert!(found.contains(wanted), "{text}: {wanted}\nnot in\n{found}");
    }
    let long = format!("reject R-5 {}", "x".repeat(MAX_REASON_CHARS + 1));
    assert!(refused(&long).starts_with("That reason is too long: it may have 500 characters."));
    assert!(parse(&long[..long.len() - 1], &context()).is_ok());
}

#[test]
fn approvals_name_the_plan() {
    let wanted = |run, plan: &str| Command::Approve { run: RunId(run), plan: plan.to_owned(), note: None };
    let cases = [
        ("approve R-5 3F9A0C", wanted(5, "3f9a0c")),
        ("approve 3f9a0c R-5", wanted(5, "3f9a0c")),
        ("approve 5 123456", wanted(5, "123456")),
        ("approve 123456 r5", wanted(5, "123456")),
        ("approve R-5 `3f9a0c2b11d4`.", wanted(5, "3f9a0c2b11d4")),
    ];
    for (text, wanted) in cases {
        assert_eq!(understood(text), wanted, "{text}");
    }
    let Command::Approve { note, .. } = understood("approve R-5 3f9a0c --note looks fine") else {
        panic!("no approval")
    };
    assert_eq!(note.as_deref(), Some("looks fine"));
    for (text, wanted) in [("approve 123456", wanted(7, "123456")), ("approve 5 3f9a0c", wanted(5, "3f9a0c"))] {
        assert_eq!(parse(text, &thread()).map(|parsed| parsed.command), Ok(wanted), "{text}");
    }
    let cases = [
        ("approve", "Which run?"),
        ("approve R-5", "Which plan?"),
        ("approve 3f9a0c", "Which run?"),
        ("approve R-5 3f9a0", "I know no plan `3f9a0`. A plan is named by the first 6 or more digits"),
        ("approve R-5 3f9a0g", "I know no plan `3f9a0g`."),
        ("approve R-5 3f9a0c yes", "I don't know what `yes` means here."),
    ];
    for (text, wanted) in cases {
        let found = refused(text);
        assert!(found.contains(wanted), "{text}: {wanted}\nnot in\n{found}");
    }
}

#[test]
fn safeguards_are_overridden_by_name() {
    let wanted = Command::Override { run: RunId(5), safeguard: "soak".to_owned(), reason: "a hotfix".to_owned() };
    for text in ["override R-5 soak a hotfix", "override SOAK R-5 \"a hotfix\"", "override R-5 soak --reason a hotfix"]
    {
        assert_eq!(understood(text), wanted, "{text}");
    }
    let cases = [
        ("override R-5", "Which safeguard? They are `soak`, `version`"),
        ("override R-5 sok because", "I know no safeguard `sok`. Did you mean `soak`?"),
        ("override R-5 because", "I know no safeguard `because`. They are `soak`"),
        ("override R-5 freeze because", "A freeze cannot be overridden. `unfreeze` lifts it."),
        ("override R-5 lock because", "`unlock` lifts it."),
        ("override R-5 soak", "Why?"),
    ];
    for (text, wanted) in cases {
        let found = refused(text);
        assert!(found.contains(wanted), "{text}: {wanted}\nnot in\n{found}");
    }
}

#[test]
fn environments_are_held_and_released() {
    let hold = |kind, environment: &str, reason: &str, minutes: Option<i64>| Command::Hold {
        kind,
        environment: environment.to_owned(),
        reason: reason.to_owned(),
        lasting: minutes.map(SignedDuration::from_mins),
    };
    let freeze = |reason, minutes| hold(HoldKind::Freeze, "prod", reason, minutes);
    let cases = [
        ("freeze prod \"month end\"", freeze("month end", None)),
        ("freeze prod month end --for 4h", freeze("month end", Some(240))),
        ("freeze --for 1d prod month end", freeze("month end", Some(1_440))),
        ("freeze prod --for=90m month end", freeze("month end", Some(90))),
        ("freeze prod month \u{2014}for 4H30M end", freeze("month end", Some(270))),
        ("freeze \"month end\" prod --for \"4h 30m\"", freeze("month end", Some(270))),
        ("freeze prod --for 30d x", freeze("x", Some(43_200))),
        ("lock dev", hold(HoldKind::Lock, "dev", "", None)),
        ("lock dev \"\"", hold(HoldKind::Lock, "dev", "", None)),
        ("lock DEV looking --for 1h", hold(HoldKind::Lock, "dev", "looking", Some(60))),
        ("unfreeze prod", Command::Release { kind: HoldKind::Freeze, environment: "prod".to_owned() }),
        ("unlock dev", Command::Release { kind: HoldKind::Lock, environment: "dev".to_owned() }),
    ];
    for (text, wanted) in cases {
        assert_eq!(understood(text), wanted, "{text}");
    }
    assert_eq!(
        parse("freeze broken deploys", &thread()).map(|parsed| parsed.command),
        Ok(freeze("broken deploys", None))
    );
    let misspelt = parse("freeze prd broken deploys", &thread()).unwrap_err().to_string();
    assert!(misspelt.starts_with("I know no environment `prd`. Did you mean `prod`?"), "{misspelt}");
    let cases = [
        ("freeze", "Which environment? I know `dev` and `prod`."),
        ("freeze prod", "Why?"),
        ("freeze prd month end", "I know no environment `prd`. Did you mean `prod`?"),
        ("freeze \u{440}rod month end", "which looks like `p`"),
        ("lock dev prod", "You named `dev` and `prod`."),
        ("freeze prod x --for", "What is `--for`?"),
        ("freeze prod x --for soon", "`soon` is no length of time."),
        ("freeze prod x --for 0h", "is no length of time"),
        ("freeze prod x --for -4h", "is no length of time"),
        ("freeze prod x --for 4", "is no length of time"),
        ("freeze prod x --for \"4h ago\"", "is no length of time"),
        ("freeze prod x --for 1y", "is no length of time"),
        ("freeze prod x --for 31d", "`31d` is too long: 30 days at most."),
        ("unfreeze", "In which environment?"),
        ("unlock prod now", "I don't know what `now` means here."),
    ];
    for (text, wanted) in cases {
        let found = refused(text);
        assert!(found.contains(wanted), "{text}: {wanted}\nnot in\n{found}");
    }
}

#[test]
fn a_plan_is_of_what_acts() {
    let plan = |of: Command| Command::Plan { of: Box::new(of) };
    assert_eq!(understood("plan enable all dev"), plan(enable("all", "dev")));
    assert_eq!(understood("plan \"verify\" prod"), plan(Command::Verify { environment: "prod".to_owned() }));
    assert_eq!(
        understood("plan promote --at sat 10:00"),
        plan(promote(None, Some(at("2026-11-28T10:00:00-05:00")), None))
    );
    assert_eq!(understood("plan enable --help"), Command::Help { topic: Some("plan".to_owned()) });
    let cases = [
        ("plan", "The plan of which command?"),
        ("plan status dev", "`status` has no plan"),
        ("plan plan enable all dev", "`plan` has no plan"),
        ("plan freeze prod x", "`freeze` has no plan"),
        ("plan enabel all dev", "I know no command `enabel`. Did you mean `enable`?"),
        ("plan wait", "I know no command `wait`."),
        ("plan enable dev", "Which rule of `dev`?"),
    ];
    for (text, wanted) in cases {
        let found = refused(text);
        assert!(found.contains(wanted), "{text}: {wanted}\nnot in\n{found}");
    }
}

#[test]
fn the_rest_is_understood_too() {
    let run = RunId(7);
    let reset = |person: &str| Command::Enrol { reset: Some(person.to_owned()) };
    let audit = |environment: Option<&str>, hours: Option<i64>, format| Command::Audit {
        environment: environment.map(str::to_owned),
        since: hours.map(SignedDuration::from_hours),
        format,
    };
    let cases = [
        ("pause", Command::Pause { run }),
        ("resume R-8", Command::Resume { run: RunId(8) }),
        ("retry", Command::Retry { run }),
        ("answer retry", Command::Answer { run, answer: Answer::Retry }),
        ("escalate", Command::Escalate { run, reason: None }),
        ("escalate orders stand still", Command::Escalate { run, reason: Some("orders stand still".to_owned()) }),
        ("contacts", Command::Contacts),
        ("enrol", Command::Enrol { reset: None }),
        ("Enroll", Command::Enrol { reset: None }),
        ("help enroll", Command::Help { topic: Some("enrol".to_owned()) }),
        ("enrol --reset <@U123>", reset("U123")),
        ("enrol --reset=<@W123|alice b>", reset("W123")),
        ("enrol reset <@U123|alice>", reset("U123")),
        ("enrol --reset u123", reset("U123")),
        ("audit dev", audit(Some("dev"), None, AuditFormat::Jsonl)),
        ("audit dev --since 7d", audit(Some("dev"), Some(168), AuditFormat::Jsonl)),
        ("audit --format CSV --since=36h dev", audit(Some("dev"), Some(36), AuditFormat::Csv)),
    ];
    for (text, wanted) in cases {
        assert_eq!(parse(text, &thread()).map(|parsed| parsed.command), Ok(wanted), "{text}");
    }
    assert_eq!(understood("audit"), audit(None, None, AuditFormat::Jsonl));
    let cases = [
        ("pause", "Which run?"),
        ("enrol --reset alice", "I know no person `alice`."),
        ("enrol reset", "Whose second factor"),
        ("enrol <@U123>", "I don't know what `&lt;@U123&gt;` means here."),
        ("audit --format pdf", "I know no format `pdf`. The formats are `csv` and `jsonl`."),
        ("audit --format json", "Did you mean `jsonl`?"),
        ("audit --since ever", "`ever` is no time to look back."),
        ("contacts please", "I don't know what `please` means here."),
    ];
    for (text, wanted) in cases {
        let found = refused(text);
        assert!(found.contains(wanted), "{text}: {wanted}\nnot in\n{found}");
    }
}

#[test]
fn what_has_a_plan_is_what_acts() {
    for name in plan::PLANNED {
        let topic = help::topic(name, &context());
        let examples = topic.lines().filter_map(|line| line.strip_prefix("• `/alch "));
        let mut commands = examples.map(|example| understood(example.trim_end_matches('`')));
        assert!(commands.any(|command| command.acts() || matches!(command, Command::Verify { .. })), "{name}");
    }
}
