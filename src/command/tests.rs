//! What is understood, what is refused and in which words, and that grammar, help and `Command` agree.

use proptest::prelude::*;

use super::*;
use crate::domain::{Answer, Selection};

fn context() -> Context {
    let rules = |environment: &str| {
        let names = ["signal-generated", "rebalance-planned", "all-events-monitor"];
        names.map(|name| Rule { name: name.to_owned(), rule: format!("Acme-{name}-{environment}") }).to_vec()
    };
    let known = |name: &str| Known { name: name.to_owned(), rules: rules(name) };
    Context { environments: vec![known("dev"), known("prod")], command_word: "/alch".to_owned(), implied: None }
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

fn all_commands() -> impl Strategy<Value = Command> {
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
    let answers = prop::sample::select(vec![Answer::WaitOn, Answer::Continue, Answer::Undo]);
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
        Just(Command::Whoami),
        prop::option::of(topics).prop_map(|topic| Command::Help { topic: topic.map(str::to_owned) }),
    ]
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
            "enable", "answer", "show", "help", "dev", "prod", "all", "signal-generated", "R-1", "wait", "--", "-x", "--help", "'", "\"",
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
        prop_assert_eq!(parse(&command.text(), &context()).map(|parsed| parsed.command), Ok(command.clone()));
        prop_assert_eq!(parse(&format!("/alch {}", command.text().to_uppercase()), &context()).map(|parsed| parsed.command), Ok(command));
    }

    #[test]
    fn order_and_case_do_not_matter(command in all_commands(), upper in any::<u64>()) {
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
        ("answer R-1", "Which answer: `wait`, `continue` or `undo`?"),
        ("answer R-1 contineu", "I know no answer `contineu`. Did you mean `continue`?"),
        ("answer wait", "Which run?"),
        ("continue", "Which run?"),
        ("answer R-1 wait undo", "You gave more than one answer."),
        ("help enabel", "I know no command `enabel`. Did you mean `enable`?"),
        ("enable \"all dev", "a quotation mark without its partner"),
        ("enable don't", "a quotation mark without its partner"),
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
        "That is too long for a command: I read up to 1000 characters."
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
fn help_grammar_and_command_agree() {
    let context = context();
    let overview = help::overview(&context);
    let hints = help::hints(&context);
    let grammar = <Grammar as clap::CommandFactory>::command();
    let subcommands: Vec<&str> = grammar.get_subcommands().map(clap::Command::get_name).collect();
    assert_eq!(subcommands, WORDS);
    assert_eq!(hints.len(), WORDS.len());
    for (word, (usage, line)) in WORDS.into_iter().zip(&hints) {
        assert!(usage.starts_with(word) && !line.is_empty(), "{usage}");
        assert!(overview.contains(&format!("• `/alch {word}")), "{word}");
        let topic = help::topic(word, &context);
        assert!(topic.starts_with(&format!("*{word}*: {line}\nUsage: `/alch {word}")), "{topic}");
        // Each example is a command of that name, and says the same when it is typed again.
        let examples: Vec<&str> = topic.lines().filter_map(|line| line.strip_prefix("• `/alch ")).collect();
        assert!(!examples.is_empty(), "{topic}");
        for example in examples {
            let example = example.trim_end_matches('`');
            let command = understood(example);
            assert_eq!((command.name(), command.text().as_str()), (word, example));
        }
        assert!(!topic.contains('<') && !overview.contains('<'), "{topic}");
    }
    assert_eq!(hints[0].0, "enable <rule|all> dev|prod");
    assert_eq!(hints[5].0, "status [dev|prod]");
}
