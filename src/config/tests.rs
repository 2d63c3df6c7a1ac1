//! What the settings accept and refuse, and how they say it.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use secrecy::ExposeSecret;

use super::problem::Findings;
use super::tree::Node;
use super::*;
use crate::domain::{ApprovalRule, OnGateFailure, OnInconclusive, Principal};

/// A small file that is sound.
const SOUND: &str = r#"
[slack]
workspace = "T0000001"
channel = "C0000001"

[environments.dev]
region = "eu-west-1"
stack = "orders-dev"
bus = "orders-events"
function = "orders-worker"
dlqs = ["orders-dlq"]
archive = "orders-archive"
alarm_topic = "orders-alarms"
alarms = ["orders errors"]

[[environments.dev.rules]]
name = "placed"
rule = "orders-placed"

[[environments.dev.rules]]
name = "paid"
rule = "orders-paid"

[environments.dev.table]
name = "orders-seen"
key = "id"
ttl_attribute = "expires"
"#;

fn variables(pairs: &[(&str, &str)]) -> Variables {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn sound(pairs: &[(&str, &str)]) -> (Config, Secrets) {
    Config::parse(SOUND, "a.toml", &variables(pairs)).unwrap_or_else(|errors| panic!("{errors}"))
}

fn errors_of(text: &str, pairs: &[(&str, &str)]) -> String {
    match Config::parse(text, "a.toml", &variables(pairs)) {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(errors) => errors.to_string(),
    }
}

/// The sound file with one line replaced, or with lines added to the table of the environment.
fn with(old: &str, new: &str) -> String {
    assert_eq!(SOUND.matches(old).count(), 1, "{old}");
    SOUND.replace(old, new)
}

#[test]
fn what_is_not_said_has_a_default() {
    let (config, secrets) = sound(&[]);
    assert_eq!(config.server.listen, "0.0.0.0:8080");
    assert_eq!(config.store.url, "sqlite:data/alch.db");
    assert_eq!(config.slack.command, "/alch");
    assert_eq!(config.slack.card_refresh, SignedDuration::from_secs(10));
    assert_eq!(config.slack.api_url, "https://slack.com/api");
    assert_eq!(secrets.database_url.expose_secret(), "sqlite:data/alch.db");
    let dev = config.environment("dev").unwrap();
    assert_eq!(dev.name, "dev");
    assert_eq!(dev.waits.after_enable, SignedDuration::from_mins(2));
    assert_eq!(dev.approval, ApprovalRule::None);
}

#[test]
fn the_file_that_comes_with_alch_is_sound_and_careful_in_production() {
    let (config, _) = Config::parse(ALCH_TOML, "config/alch.toml", &Variables::new()).unwrap_or_else(|e| panic!("{e}"));
    let (dev, prod) = (&config.environments["dev"], &config.environments["prod"]);
    let names = |environment: &Environment| environment.rules.iter().map(|rule| rule.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(dev), ["signal-generated", "rebalance-planned", "trade-executed", "all-events-monitor"]);
    assert_eq!(names(prod), names(dev));
    assert_eq!((dev.approval, prod.approval), (ApprovalRule::None, ApprovalRule::Required));
    assert_eq!((dev.on_gate_failure, prod.on_gate_failure), (OnGateFailure::Hold, OnGateFailure::Disable));
    assert_eq!((dev.on_inconclusive, prod.on_inconclusive), (OnInconclusive::Finish, OnInconclusive::Ask));
    assert_eq!(
        (dev.waits.after_enable, dev.waits.settle),
        (SignedDuration::from_mins(2), SignedDuration::from_mins(1))
    );
    assert_eq!(
        (prod.waits.after_enable, prod.waits.poll),
        (SignedDuration::from_hours(1), SignedDuration::from_mins(1))
    );
    assert_eq!(prod.waits.settle, SignedDuration::from_mins(5));
    assert!(dev.window.is_none() && prod.window.is_some());
    assert_eq!((dev.alarms.len(), dev.dlqs.len()), (6, 2));
}

#[test]
fn the_file_that_comes_with_alch_has_every_key() {
    let (root, _) = Node::from_toml("config/alch.toml", ALCH_TOML);
    let mut fields = BTreeMap::new();
    read::read::<Config>(&root, &mut Findings::default(), &mut fields).expect("sound");
    assert!(fields.len() > 10, "{fields:?}");
    for keys in fields.values() {
        // Structs of the same fields are the same: what prod explains need not stand in dev.
        let twins = || fields.iter().filter(|(_, others)| *others == keys).map(|(path, _)| path);
        for key in *keys {
            let set = twins().any(|path| root.at(&path.key(*key).0).is_some());
            let as_comment = ALCH_TOML.lines().any(|line| line.starts_with(&format!("# {key} = ")));
            assert!(set || as_comment, "{key} of {:?}", twins().collect::<Vec<_>>());
        }
    }
}

#[test]
fn the_sandbox_is_quick_and_differs_in_little() {
    let (config, _) = Config::sandbox(&Variables::new()).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!((config.slack.workspace.as_str(), config.slack.channel.as_str()), ("T0ALCHSBX", "C0PLATFORM"));
    assert_eq!(config.environments["dev"].account.as_deref(), Some("111111111111"));
    assert_eq!(config.environments["prod"].account.as_deref(), Some("222222222222"));
    for environment in config.environments.values() {
        let rules = i32::try_from(environment.rules.len()).unwrap();
        assert_eq!(rules, 4);
        let all = (environment.waits.after_enable + environment.waits.settle) * rules;
        assert!(all < SignedDuration::from_secs(90), "{all}");
    }
    let dev = &config.environments["dev"];
    assert!((dev.waits.after_enable + dev.waits.settle) * 4 < SignedDuration::from_secs(45));
    // Production is played through in about two minutes, by people whom the emulated Slack has.
    let prod = &config.environments["prod"];
    let per_rule = prod.safeguards.one_rule_per.unwrap().max(prod.waits.after_enable) + prod.waits.settle;
    let whole = per_rule * 4 + prod.safeguards.watch_after.unwrap() + prod.safeguards.soak.unwrap();
    assert!(whole < SignedDuration::from_secs(120), "{whole}");
    assert_eq!(prod.roles.approver, [Principal("S0APPROVERS".to_owned())]);
    assert_eq!(prod.notify.slack, ["C0STAKEHOLD"]);
    assert_eq!(prod.window.as_ref().unwrap().allow[0].days.len(), 7);
    // What the overlay does not speak of is as in the file below it.
    assert_eq!(dev.bus, "alchemiser-trading-events-dev");
    assert_eq!(config.environments["prod"].approval, ApprovalRule::Required);
}

#[test]
fn variables_override_any_setting() {
    let (config, secrets) = sound(&[
        ("ALCH__SLACK__CHANNEL", "C1ABC"),
        ("ALCH__SLACK__ALSO_IN", r#"["C2ABC", "C3ABC"]"#),
        ("ALCH__ENVIRONMENTS__DEV__WAITS__AFTER_ENABLE", "30s"),
        ("ALCH__ENVIRONMENTS__DEV__ACCOUNT", "012345678901"),
        ("ALCH__ENVIRONMENTS__DEV__LIMITS__DLQ_GROWTH", "3"),
        ("ALCH__ENVIRONMENTS__DEV__RULES__1__NAME", "settled"),
        ("ALCH__environments__dev__approval", "required"),
        ("ALCH__ENVIRONMENTS__DEV__ROLES__APPROVER", r#"["S1ABC"]"#),
        ("ALCH__LIMITS__PERSON_PER_MINUTE", "0"),
        ("PORT", "9090"),
        ("SLACK_API_URL", "http://127.0.0.1:4000/api/"),
        ("DATABASE_URL", "postgres://alch:hush@db/alch"),
        ("ALCHEMY", "not ours"),
    ]);
    assert_eq!(config.slack.channels().collect::<Vec<_>>(), ["C1ABC", "C2ABC", "C3ABC"]);
    let dev = &config.environments["dev"];
    assert_eq!(dev.waits.after_enable, SignedDuration::from_secs(30));
    assert_eq!(dev.account.as_deref(), Some("012345678901"));
    assert_eq!(dev.limits.dlq_growth, 3);
    assert_eq!(dev.rules[1].name, "settled");
    assert_eq!(dev.approval, ApprovalRule::Required);
    assert_eq!(dev.roles.approver, [Principal("S1ABC".to_owned())]);
    assert_eq!((config.limits.person_per_minute, config.limits.workspace_per_minute), (0, 300));
    assert_eq!(config.server.address().unwrap().port(), 9090);
    assert_eq!(config.slack.api_url, "http://127.0.0.1:4000/api");
    assert_eq!(secrets.database_url.expose_secret(), "postgres://alch:hush@db/alch");
    assert_eq!(config.store.url, "sqlite:data/alch.db");
}

#[test]
fn variables_find_environments_with_dashes() {
    let text = SOUND.replace("environments.dev", "environments.eu-dev");
    let pairs = variables(&[("ALCH__ENVIRONMENTS__EU_DEV__REGION", "eu-central-1")]);
    let (config, _) = Config::parse(&text, "a.toml", &pairs).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(config.environments["eu-dev"].region, "eu-central-1");
}

#[test]
fn variables_that_name_no_setting_are_refused() {
    let error = errors_of(SOUND, &[("ALCH__SLACK__CHANEL", "C1ABC")]);
    assert_eq!(
        error,
        "environment variable ALCH__SLACK__CHANEL: slack.chanel: there is no such key. Did you mean `channel`?"
    );
    for name in ["ALCH__", "ALCH__SLACK__", "ALCH__SLACK__CHANNEL__ID", "ALCH__ENVIRONMENTS__DEV__RULES__7__NAME"] {
        assert!(errors_of(SOUND, &[(name, "x")]).contains(name), "{name}");
    }
    assert!(errors_of(SOUND, &[("PORT", "many")]).starts_with("environment variable PORT: "));
}

#[test]
fn an_error_names_the_file_the_line_the_key_and_the_mend() {
    let error = errors_of(&with("region = ", "regoin = "), &[]);
    assert_eq!(
        error,
        "a.toml:6: environments.dev.region: this key is missing. Add `region = …`; config/alch.toml explains it.\n\
         a.toml:7: environments.dev.regoin: there is no such key. Did you mean `region`?"
    );
}

#[test]
fn many_errors_are_found_at_once() {
    let text = SOUND
        .replace("workspace = \"T0000001\"", "workspace = 7\nchanel = \"C1\"")
        .replace("region = \"eu-west-1\"", "region = \"europe\"\ncolour = \"red\"")
        .replace("stack = \"orders-dev\"\n", "")
        .replace("name = \"paid\"", "name = \"all\"")
        .replace("dlqs = [\"orders-dlq\"]", "dlqs = \"orders-dlq\"");
    let found = errors_of(&text, &[]);
    for wanted in [
        "slack.workspace: here is a number where a text is expected. Put the value in quotes.",
        "slack.chanel: there is no such key. Did you mean `channel`?",
        "environments.dev.region: `europe` is not an AWS region",
        "environments.dev.colour: there is no such key. Known here:",
        "environments.dev.stack: this key is missing",
        "environments.dev.dlqs: here is a text where a list is expected",
        "environments.dev.rules[1].name: `all` means every rule",
    ] {
        assert!(found.contains(wanted), "{wanted}\nnot in\n{found}");
    }
    assert_eq!(found.lines().count(), 7, "{found}");
}

#[test]
fn what_is_unsound_is_refused_with_its_key() {
    let environment = |lines: &str| with("region = \"eu-west-1\"", &format!("region = \"eu-west-1\"\n{lines}"));
    let tail = |lines: &str| format!("{SOUND}\n{lines}");
    let second_rule = "name = \"paid\"\nrule = \"orders-paid\"";
    let cases = [
        ("", "slack: this key is missing"),
        ("[slack", "this is not TOML"),
        (&with("\"T0000001\"", "\"acme\""), "slack.workspace: this is not the id"),
        (&with("\"C0000001\"", "\"#platform\""), "slack.channel: this is not the id"),
        (&with("[slack]", "[slack]\ntransport = \"sockets\""), "slack.transport: only"),
        (&with("[slack]", "[slack]\ntransport = \"sockets\""), "Did you mean \"socket\"?"),
        (&with("[slack]", "[slack]\nalso_in = [\"C0000001\"]"), "slack.also_in[0]: this channel is named twice"),
        (&with("[slack]", "[slack]\ncommand = \"alch\""), "slack.command: this is not a slash command"),
        (&with("[slack]", "[slack]\ncard_refresh = \"0s\""), "slack.card_refresh: this is no time"),
        (&tail("[server]\nlisten = \"8080\""), "server.listen: this is not an address"),
        (&tail("[store]\nurl = \"mysql://x\""), "store.url: this is not the URL"),
        (&environment("account = \"1234\""), "environments.dev.account: an AWS account has twelve digits"),
        (&environment("account = 123456789012"), "environments.dev.account: here is a number where a text"),
        (&environment("name = \"dev\""), "environments.dev.name: there is no such key"),
        (&environment("role_arn = \"alch\""), "environments.dev.role_arn: this is not the ARN"),
        (
            &environment("account = \"123456789012\"\nrole_arn = \"arn:aws:iam::210987654321:role/alch\""),
            "environments.dev.role_arn: this role belongs to another account",
        ),
        (
            &environment("role_arn = \"arn:aws-cn:iam::210987654321:role/alch\""),
            "environments.dev.role_arn: this role is of the partition aws-cn, and the region eu-west-1 is of aws",
        ),
        (
            &environment("reader_role_arn = \"arn:aws:iam::210987654321:role/alch\""),
            "environments.dev.reader_role_arn: there is a role for reading and none for acting",
        ),
        (&environment("session = \"tags\""), "environments.dev.session: only \"tagged\" or \"named\""),
        (&environment("dashboard_url = \"grafana\""), "environments.dev.dashboard_url: this is not a URL"),
        (&environment("approval = \"yes\""), "environments.dev.approval: only \"none\" or \"required\""),
        (&with("bus = \"orders-events\"", "bus = \"\""), "environments.dev.bus: this is not the name"),
        (&with("bus = \"orders-events\"", "bus = \"a b\""), "environments.dev.bus: this is not the name"),
        (&with("[\"orders-dlq\"]", "[\"q\", \"q\"]"), "environments.dev.dlqs[1]: `q` is named twice"),
        (&with("[\"orders-dlq\"]", "[]"), "environments.dev.dlqs: no dead-letter queue"),
        (&with("[\"orders errors\"]", "[\"a\", \"b\", \"a\"]"), "environments.dev.alarms[2]: `a` is named twice"),
        (&with("name = \"paid\"", "name = \"placed\""), "environments.dev.rules[1].name: `placed` is named twice"),
        (
            &with("\"orders-paid\"", "\"orders-placed\""),
            "environments.dev.rules[1].rule: `orders-placed` is named twice",
        ),
        (
            &with("name = \"paid\"", "name = \"orders-placed\""),
            "environments.dev.rules[1].name: `orders-placed` is named",
        ),
        (
            &with("name = \"paid\"", "name = \"dev\""),
            "environments.dev.rules[1].name: `dev` is the name of an environment",
        ),
        (&with("name = \"paid\"", "name = \"Paid\""), "environments.dev.rules[1].name: this name cannot be typed"),
        (&with("name = \"paid\"", "name = \"pаid\""), "environments.dev.rules[1].name: this name cannot be typed"),
        (&with("name = \"paid\"", "nome = \"paid\""), "environments.dev.rules[1].nome: there is no such key"),
        (&with(second_rule, "name = \"paid\""), "environments.dev.rules[1].rule: this key is missing"),
        (&SOUND.replace("environments.dev", "environments.Dev"), "environments.Dev: this name cannot be typed"),
        (&SOUND.replace("environments.dev", "environments.status"), "environments.status: `status` is a word"),
        (&SOUND.replace("environments.dev", "environments.all"), "environments.all: `all` is a word"),
        (&environment("waits = { after_enable = \"0s\" }"), "environments.dev.waits.after_enable: this is no time"),
        (&environment("waits = { settle = \"-5s\" }"), "environments.dev.waits.settle: this is no time"),
        (&environment("waits = { answer = \"900h\" }"), "environments.dev.waits.answer: this is longer than a week"),
        (
            &environment("waits = { after_enable = \"soon\" }"),
            "environments.dev.waits.after_enable: this is no time to wait. Write a time like 90s",
        ),
        (
            &environment("waits = { after_enable = \"10s\" }"),
            "environments.dev.waits.poll: this is longer than the wait",
        ),
        (
            &environment("limits = { dlq_growth = -1 }"),
            "environments.dev.limits.dlq_growth: this number is out of range",
        ),
        (&environment("limits = { dlq_growth = \"1\" }"), "environments.dev.limits.dlq_growth: here is a text"),
        (
            &environment("window = { zone = \"UTC\", allow = [] }"),
            "environments.dev.window.allow: this window never opens",
        ),
        (&environment("window = { zone = \"UTC\" }"), "environments.dev.window.allow: this key is missing"),
        (
            &environment("window = { zone = \"Mars/Olympus\", allow = [{ days = [\"mon\"] }] }"),
            "environments.dev.window.zone: `Mars/Olympus` is not a time zone",
        ),
        (
            &environment("window = { zone = \"UTC\", allow = [{ days = [] }] }"),
            "environments.dev.window.allow[0].days: this range is on no day",
        ),
        (
            &environment(
                "window = { zone = \"UTC\", allow = [{ days = [\"mon\"], from = \"09:00\", until = \"09:00\" }] }",
            ),
            "environments.dev.window.allow[0]: this range is empty",
        ),
        (
            &environment("window = { zone = \"UTC\", allow = [{ days = [\"monday\"] }] }"),
            "environments.dev.window.allow[0].days[0]: only",
        ),
        (
            "[slack]\nworkspace = \"T0000001\"\nchannel = \"C0000001\"\n[environments]\n",
            "environments: there is no environment",
        ),
        ("[slack]\nworkspace = \"T0000001\"\nchannel = \"C0000001\"\n", "environments: this key is missing"),
    ];
    for (text, wanted) in cases {
        let found = errors_of(text, &[]);
        assert!(found.contains(wanted), "{wanted}\nnot in\n{found}");
        assert!(found.lines().all(|line| line.starts_with("a.toml")), "{found}");
    }
}

#[test]
fn what_is_unsound_about_people_and_care_is_refused_with_its_key() {
    let cases = [
        ("approval = \"required\"", "roles.approver: approval is required here, and nobody may approve"),
        ("roles = { viewer = [\"alice\"] }", "roles.viewer[0]: this is neither \"everyone\" nor the id"),
        ("roles = { operator = [\"C0123\"] }", "roles.operator[0]: this is neither"),
        ("roles = { admin = [\"U0A\", \"U0A\"] }", "roles.admin[1]: `U0A` is named twice"),
        ("roles = { responder = [] }", "roles.responder: nobody could roll back in an incident"),
        (
            "roles = { commands = { approve = [\"U0A\"] } }",
            "roles.commands.approve: this is no command that takes a role",
        ),
        ("roles = { commands = { promote = [] } }", "roles.commands.promote: nobody is named"),
        ("approvals = { needed = 0 }", "approvals.needed: an approval takes from 1 to 10 people"),
        ("approvals = { needed = 11 }", "approvals.needed: an approval takes from 1 to 10 people"),
        (
            "approvals = { needed = 2 }\nroles = { approver = [\"U0A\"] }",
            "approvals.needed: so many people have to approve, and only 1 may",
        ),
        ("approvals = { expires = \"30s\" }", "approvals.expires: a question stands for a minute at least"),
        ("approvals = { expires = \"25h\" }", "approvals.expires: a question stands for a minute at least"),
        ("approvals = { override = [\"bob\"] }", "approvals.override[0]: this is neither"),
        ("approvals = { by_requester = [\"verify\"] }", "approvals.by_requester[0]: this is no command that acts"),
        (
            "approvals = { by_requester = [\"rollback\"] }",
            "approvals.by_requester[0]: a rollback waits for no approval",
        ),
        ("approvals = { step_up = \"sms\" }", "approvals.step_up: only \"none\" or \"totp\""),
        (
            "approvals = { commands = { status = { needed = 1 } } }",
            "approvals.commands.status: this is no command that acts",
        ),
        ("approvals = { commands = { disable = { by = [] } } }", "approvals.commands.disable.by: nobody is named"),
        (
            "approvals = { commands = { disable = { by = [\"U0A\"], needed = 2 } } }",
            "approvals.commands.disable.needed: so many people have to approve, and only 1 may",
        ),
        ("safeguards = { one_rule_per = \"0s\" }", "safeguards.one_rule_per: this is no time"),
        ("safeguards = { watch_after = \"169h\" }", "safeguards.watch_after: this is longer than a week"),
        ("safeguards = { soak = \"24h\" }", "safeguards.soak: there is no environment in which that could be shown"),
        ("safeguards = { rehearsal = \"24h\" }", "safeguards.rehearsal: there is no environment"),
        ("safeguards = { commands = [\"runs\"] }", "safeguards.commands[0]: this is no command that acts"),
        ("promote_from = \"dev\"", "promote_from: nothing is promoted from where it is"),
        ("promote_from = \"qa\"", "promote_from: there is no environment `qa`. Known here: dev."),
        ("notify = { slack = [\"#stakeholders\"] }", "notify.slack[0]: this is not the id of a channel or a person"),
        ("notify = { slack = [\"S0123\"] }", "notify.slack[0]: this is not the id of a channel or a person"),
        ("notify = { slack = [\"C0A\", \"C0A\"] }", "notify.slack[1]: `C0A` is named twice"),
        ("notify = { topic = \"a b\" }", "notify.topic: this is neither the name nor the ARN"),
        ("notify = { topic = \"arn:aws:sqs:us-east-1:123456789012:a\" }", "notify.topic: this is neither the name"),
        ("notify = { patience = \"5s\" }", "notify.patience: a notice may take ten seconds at least"),
        (
            "window = { zone = \"UTC\", allow = [{ days = [\"mon\"] }], \
             blackout = [{ from = \"2026-12-24T13:00\", until = \"2026-12-24T13:00\" }] }",
            "window.blackout[0]: this blackout is empty",
        ),
    ];
    for (lines, wanted) in cases {
        let found = errors_of(&with("region = \"eu-west-1\"", &format!("region = \"eu-west-1\"\n{lines}")), &[]);
        let wanted = format!("environments.dev.{wanted}");
        assert!(found.contains(&wanted) && found.lines().count() == 1, "{wanted}\nnot alone in\n{found}");
        assert!(found.starts_with("a.toml:"), "{found}");
    }
    for (lines, wanted) in [
        ("person_per_minute = 400", "limits.workspace_per_minute: this is less than what one person may"),
        ("workspace_per_minute = 1000000", "limits.workspace_per_minute: this limit is out of range"),
        ("per_minute = 1", "limits.per_minute: there is no such key"),
    ] {
        let found = errors_of(&format!("{SOUND}\n[limits]\n{lines}"), &[]);
        assert!(found.contains(wanted), "{wanted}\nnot in\n{found}");
    }
}

/// A second environment like the first, with more lines in its table.
fn with_production(lines: &str) -> String {
    let (_, dev) = SOUND.split_once("[environments.dev]").unwrap();
    let prod = format!("[environments.dev]{dev}").replace("environments.dev", "environments.prod");
    format!("{SOUND}\n{}", prod.replace("region =", &format!("{lines}\nregion =")))
}

#[test]
fn a_production_with_every_care_is_read() {
    let text = with_production(
        r#"
approval = "required"
promote_from = "dev"
roles = { viewer = ["S0VIEW"], approver = ["S0APPROVE", "U0ANN"], admin = ["U0ANN"], commands = { promote = ["W0LEAD"] } }
safeguards = { soak = "24h", rehearsal = "720h", one_rule_per = "1h", watch_after = "1h", commands = ["promote"] }
notify = { slack = ["C0TELL", "U0ANN"], topic = "arn:aws:sns:eu-west-1:123456789012:orders.fifo", patience = "1m" }
approvals = { needed = 3, approve = "each", expires = "1h", by_requester = ["disable"], override = ["U0ANN"], step_up = "totp", commands = { disable = { needed = 1, by = ["everyone"], approve = "plan" } } }
window = { zone = "UTC", allow = [{ days = ["sat"] }], blackout = [2026-12-26, { from = "2026-12-24T13:00", until = "2026-12-28T00:00" }] }
"#,
    );
    let key = "0123456789abcdefghijklmnopqrstuv";
    let (config, secrets) =
        Config::parse(&text, "a.toml", &variables(&[("STEP_UP_KEY", key)])).unwrap_or_else(|e| panic!("{e}"));
    let prod = &config.environments["prod"];
    assert_eq!(prod.approvers("promote").len(), 2);
    assert_eq!((prod.approvals_needed("promote"), prod.approvals_needed("disable")), (3, 1));
    assert_eq!(prod.approvers("disable"), [Principal("everyone".to_owned())]);
    assert_eq!(prod.window.as_ref().unwrap().blackout.len(), 2);
    assert!(!format!("{secrets:?}").contains(key));
    assert_eq!(secrets.step_up_key.unwrap().expose_secret(), key);

    let missing = errors_of(&text, &[]);
    assert!(missing.contains("environment variable STEP_UP_KEY: it is not set"), "{missing}");
    assert!(missing.contains("environments.prod.approvals.step_up"), "{missing}");
    let short = errors_of(&text, &[("STEP_UP_KEY", "too short for a key")]);
    assert!(short.contains("STEP_UP_KEY: the value does not look right") && !short.contains("too short"), "{short}");
}

#[test]
fn journals_are_kept_for_as_long_as_safeguards_look_back_and_removed_by_who_has_a_key() {
    let key = "0123456789abcdefghijklmnopqrstuv";
    let text = with_production("promote_from = \"dev\"\nsafeguards = { soak = \"24h\", rehearsal = \"720h\" }");
    let kept = |days: &str, key: &str| {
        Config::parse(&text, "a.toml", &variables(&[("ALCH__STORE__RETENTION_DAYS", days), ("AUDIT_KEY", key)]))
    };
    let (config, secrets) = kept("60", key).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(config.store.kept(), Some(SignedDuration::from_hours(60 * 24)));
    assert!(!format!("{secrets:?}").contains(key));
    kept("60", &format!("{key}X, {key}")).unwrap_or_else(|e| panic!("{e}"));
    for (days, key, problem) in [
        (
            "59",
            key,
            "store.retention_days: safeguards look further back, or people still talk of them. Write 60 at least",
        ),
        ("0", key, "Write 60 at least"),
        ("36501", key, "store.retention_days: this is no time"),
        ("-1", key, "store.retention_days"),
        ("60", "", "AUDIT_KEY: it is not set, and store.retention_days is"),
        ("60", "too short for a key", "AUDIT_KEY: the value does not look right"),
        ("60", "0123456789abcdefghijklmnopqrstuv,", "AUDIT_KEY: the value does not look right"),
    ] {
        let found = kept(days, key).map(drop).unwrap_err().to_string();
        assert!(found.contains(problem) && !found.contains("too short"), "{days}: {found}");
    }
    let (config, _) = Config::parse(&text, "a.toml", &Variables::new()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(config.store.kept(), None, "for ever");
}

#[test]
fn versions_come_from_an_environment_with_the_same_rules() {
    let text = with_production("promote_from = \"dev\"");
    assert!(Config::parse(&text, "a.toml", &Variables::new()).is_ok());
    let text = text.replacen("name = \"paid\"", "name = \"settled\"", 1);
    let found = errors_of(&text, &[]);
    assert!(found.contains("environments.prod.promote_from: `dev` has other rules: paid, settled"), "{found}");
}

#[test]
fn somebody_is_called_whatever_is_configured() {
    let escalates_to = |primary: Option<&str>, escalation: Option<&str>| {
        let contacts = Contacts { primary: primary.map(str::to_owned), escalation: escalation.map(str::to_owned) };
        contacts.escalates_to().to_owned()
    };
    assert_eq!(escalates_to(Some("Ann"), Some("U0CALL")), "U0CALL");
    assert_eq!(escalates_to(Some("Ann"), None), "Ann");
    assert!(escalates_to(None, None).contains("contacts.escalation"));
}

#[test]
fn an_environment_without_rules_is_refused() {
    let text: String = SOUND.split("[[environments.dev.rules]]").next().unwrap().to_owned();
    let table = "[environments.dev.table]\nname = \"t\"\nkey = \"id\"\nttl_attribute = \"ttl\"\n";
    let found = errors_of(&format!("{text}{table}"), &[]);
    assert!(found.contains("environments.dev.rules: this key is missing"), "{found}");
    let text = text.replace("region", "rules = []\nregion");
    let found = errors_of(&format!("{text}{table}"), &[]);
    assert!(found.contains("environments.dev.rules: there are no rules"), "{found}");
}

#[test]
fn a_window_may_be_blacked_out() {
    let text = with(
        "region = \"eu-west-1\"",
        "region = \"eu-west-1\"\nwindow = { zone = \"Europe/Paris\", allow = [{ days = [\"sat\"], from = 08:00:00 }], blackout = [2026-12-26] }",
    );
    let (config, _) = Config::parse(&text, "a.toml", &Variables::new()).unwrap_or_else(|errors| panic!("{errors}"));
    let window = config.environments["dev"].window.clone().unwrap();
    assert_eq!(window.blackout, [crate::domain::Blackout::Day(jiff::civil::date(2026, 12, 26))]);
}

#[test]
fn a_missing_file_is_named() {
    let error = Config::load(Path::new("no/such.toml"), &Variables::new()).unwrap_err().to_string();
    assert!(error.starts_with("no/such.toml: the file cannot be read"), "{error}");
}

#[test]
fn secrets_in_the_settings_are_refused_and_never_shown() {
    let cases = [
        ("bot_token", "hush-hush", "SLACK_BOT_TOKEN"),
        ("signing_secret", "hush-hush", "SLACK_SIGNING_SECRET"),
        ("command", "xapp-1-hush", "SLACK_APP_TOKEN"),
        ("command", "xoxb-1-hush", "SLACK_BOT_TOKEN"),
        ("command", "0123456789abcdef0123456789abcdef", "SLACK_SIGNING_SECRET"),
    ];
    for (key, secret, home) in cases {
        let found = errors_of(&with("[slack]", &format!("[slack]\n{key} = \"{secret}\"")), &[]);
        let wanted = format!("a.toml:3: slack.{key}: this is a secret");
        assert!(found.starts_with(&wanted) && found.contains(home), "{found}");
        assert!(!found.contains(secret) && found.lines().count() == 1, "{found}");
    }
    let url = "postgres://alch:hush@db/alch";
    let found = errors_of(&format!("{SOUND}\n[store]\nurl = \"{url}\""), &[]);
    assert!(found.contains("DATABASE_URL") && !found.contains("hush"), "{found}");
    let found = errors_of(SOUND, &[("ALCH__STORE__URL", url)]);
    assert!(found.contains("environment variable ALCH__STORE__URL") && !found.contains("hush"), "{found}");
    // A line that is not TOML is not quoted either.
    let found = errors_of("[slack]\nbot_token = \"xoxb-hush", &[]);
    assert!(found.contains("a.toml:2: this is not TOML") && !found.contains("hush"), "{found}");
    // Nor is what stands where nobody expects a secret.
    for line in [
        "\"xoxb-1-hush-hush\" = 1",
        "transport = \"it is xoxb-1-hush-hush\"",
        "api_url = \"https://alch:hush@slack.example\"",
        "0123456789abcdef0123456789abcdef = \"hush\"",
    ] {
        let found = errors_of(&with("[slack]", &format!("[slack]\n{line}")), &[]);
        assert!(!found.contains("hush") && !found.contains("0123456789abcdef"), "{found}");
    }
}

#[test]
fn secrets_come_from_variables_or_files() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    std::fs::write(&path, "xoxb-from-file\r\n").unwrap();
    let path = path.to_str().unwrap();
    let (config, secrets) =
        sound(&[("SLACK_BOT_TOKEN_FILE", path), ("SLACK_SIGNING_SECRET", "hush"), ("SLACK_APP_TOKEN", "")]);
    assert_eq!(secrets.slack_bot_token.as_ref().unwrap().expose_secret(), "xoxb-from-file");
    assert!(secrets.slack_app_token.is_none());
    let shown = format!("{secrets:?} {config:?} {:?}", config.transport(&secrets));
    assert!(!shown.contains("hush") && !shown.contains("from-file"), "{shown}");

    let both = errors_of(SOUND, &[("SLACK_BOT_TOKEN_FILE", path), ("SLACK_BOT_TOKEN", "xoxb-hush")]);
    assert!(both.contains("SLACK_BOT_TOKEN_FILE is set as well") && !both.contains("hush"), "{both}");
    let gone = errors_of(SOUND, &[("DATABASE_URL_FILE", "/no/such")]);
    assert!(
        gone.starts_with("environment variable DATABASE_URL_FILE: the file that it names cannot be read"),
        "{gone}"
    );
    for (name, value) in [("SLACK_BOT_TOKEN", "hush"), ("SLACK_APP_TOKEN", "xoxb-hush"), ("DATABASE_URL", "hush://x")] {
        let wrong = errors_of(SOUND, &[(name, value)]);
        assert!(wrong.contains(name) && !wrong.contains("hush"), "{wrong}");
    }
}

#[test]
fn the_transport_follows_from_the_secrets_unless_it_is_said() {
    let http = ("SLACK_SIGNING_SECRET", "hush");
    let socket = ("SLACK_APP_TOKEN", "xapp-hush");
    let cases = [
        ("auto", &[http][..], "http"),
        ("auto", &[http, socket], "http"),
        ("auto", &[socket], "socket"),
        ("auto", &[], "neither it nor SLACK_APP_TOKEN is set"),
        ("http", &[http, socket], "http"),
        ("http", &[socket], "environment variable SLACK_SIGNING_SECRET: it is not set"),
        ("socket", &[http, socket], "socket"),
        ("socket", &[http], "environment variable SLACK_APP_TOKEN: it is not set"),
        ("socket", &[], "xapp-"),
    ];
    for (choice, pairs, wanted) in cases {
        let text = with("[slack]", &format!("[slack]\ntransport = \"{choice}\""));
        let (config, secrets) = Config::parse(&text, "a.toml", &variables(pairs)).unwrap();
        let found = match config.transport(&secrets) {
            Ok(Transport::Http { signing_secret }) => {
                assert_eq!(signing_secret.expose_secret(), "hush");
                "http".to_owned()
            }
            Ok(Transport::Socket { app_token }) => {
                assert_eq!(app_token.expose_secret(), "xapp-hush");
                "socket".to_owned()
            }
            Err(errors) => errors.to_string(),
        };
        assert!(
            found.contains(wanted) && (found == wanted || !["http", "socket"].contains(&found.as_str())),
            "{found}"
        );
    }
}

#[test]
fn layers_keep_their_names_in_errors() {
    let over = "[environments.dev]\nregion = \"mars\"\n";
    let errors = Config::layered(&[("a.toml", SOUND), ("b.toml", over)], &Variables::new()).unwrap_err();
    assert_eq!(
        errors.to_string(),
        "b.toml:2: environments.dev.region: `mars` is not an AWS region. Write it like us-east-1."
    );
}
