//! Who gets a permit, who does not, and what they read.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::config::{ALCH_TOML, Config, Variables};
use crate::domain::{
    Answer, AuditFormat, Environment, HoldKind, Membership, Principal, RunId, Selection, Subject, Window,
};

fn house() -> House {
    House {
        workspace: "T1".to_owned(),
        channel: "C1".to_owned(),
        also_in: vec!["C2".to_owned()],
        command_word: "/alch".to_owned(),
    }
}

/// `dev` without approval and `prod` with it, as the sandbox has them.
fn environment(name: &str) -> Environment {
    static SANDBOX: LazyLock<Config> = LazyLock::new(|| Config::sandbox(&Variables::new()).unwrap().0);
    SANDBOX.environments[name].clone()
}

/// Production's as in the file that comes with Alch: nights and weekends in New York.
fn window() -> Window {
    static REAL: LazyLock<Config> =
        LazyLock::new(|| Config::parse(ALCH_TOML, "alch.toml", &Variables::new()).unwrap().0);
    REAL.environments["prod"].window.clone().unwrap()
}

fn somebody(user: &str, standing: Standing) -> Person {
    let actor = Actor::Slack { user: user.to_owned(), team: "T1".to_owned() };
    Person { actor, standing, groups: Memberships::new() }
}

fn person(standing: Standing) -> Person {
    somebody("U1", standing)
}

fn member_in(groups: &[(&str, Membership)]) -> Person {
    let groups = groups.iter().map(|(group, membership)| ((*group).to_owned(), membership.clone())).collect();
    Person { groups, ..person(Standing::Member) }
}

fn silence() -> Membership {
    Membership::Unknown("Slack cannot be asked".to_owned())
}

fn unknown() -> Standing {
    Standing::Unknown("users.info timed out".to_owned())
}

fn principals(names: &[&str]) -> Vec<Principal> {
    names.iter().map(|&name| Principal(name.to_owned())).collect()
}

/// Wednesday noon in New York: the window of prod is closed.
fn noon() -> Timestamp {
    "2026-11-25T17:00:00Z".parse().unwrap()
}

fn commands(environment: &str) -> Vec<Command> {
    let e = || environment.to_owned();
    let one = || Selection::One("signal-generated".to_owned());
    let (run, why) = (RunId(1), || "because".to_owned());
    let hold = |kind| Command::Hold { kind, environment: e(), reason: why(), lasting: None };
    vec![
        Command::Enable { rules: Selection::All, environment: e() },
        Command::Enable { rules: one(), environment: e() },
        Command::Disable { rules: one(), environment: e() },
        Command::Restore { environment: e() },
        Command::Promote { environment: e(), version: None, at: None, reason: None },
        Command::Rollback { environment: e() },
        Command::Answer { run, answer: Answer::Continue },
        Command::Resume { run },
        Command::Retry { run },
        Command::Skip { run, reason: why() },
        Command::Approve { run, plan: "abcdef".to_owned(), note: None },
        Command::Override { run, safeguard: "soak".to_owned(), reason: why() },
        Command::Release { kind: HoldKind::Freeze, environment: e() },
        Command::Release { kind: HoldKind::Lock, environment: e() },
        Command::Cancel { run },
        Command::Pause { run },
        Command::Reject { run, reason: why() },
        hold(HoldKind::Freeze),
        hold(HoldKind::Lock),
        Command::Escalate { run, reason: None },
        Command::Object { run, reason: why() },
        Command::Verify { environment: e() },
        Command::Status { environment: Some(e()) },
        Command::Runs { environment: Some(e()) },
        Command::Show { run },
        Command::Plan { of: Box::new(Command::Restore { environment: e() }) },
        Command::Audit { environment: Some(e()), since: None, format: AuditFormat::Csv },
        Command::Contacts,
        Command::Enrol { reset: None },
        Command::Whoami,
        Command::Help { topic: None },
    ]
}

fn ask(person: &Person, command: &Command, environment: &Environment, place: &Place) -> Result<Permit, Refusal> {
    let (environment, house, slack_approves) = (Some(environment), &house(), false);
    decide(&Request { person, command, environment, place, house, slack_approves, now: noon() })
}

fn channel() -> Place {
    Place::Channel("C1".to_owned())
}

/// The commands that are permitted, by name.
fn permitted(person: &Person, environment: &Environment, place: &Place) -> Vec<&'static str> {
    let mut names: Vec<&str> = commands(&environment.name)
        .iter()
        .filter(|command| ask(person, command, environment, place).is_ok())
        .map(Command::name)
        .collect();
    names.dedup();
    names
}

/// What acts and needs approval where that is required.
const APPROVED: [&str; 4] = ["enable", "disable", "restore", "promote"];
const GO_ON: [&str; 4] = ["answer", "resume", "retry", "skip"];
const LETS_HAPPEN: [&str; 4] = ["approve", "override", "unfreeze", "unlock"];
const STOPS: [&str; 6] = ["cancel", "pause", "reject", "freeze", "lock", "escalate"];
const LOOKS: [&str; 10] = ["verify", "status", "runs", "show", "plan", "audit", "contacts", "enrol", "whoami", "help"];

#[test]
fn who_may_do_what_where() {
    let (dev, prod) = (environment("dev"), environment("prod"));
    let also = Place::Channel("C2".to_owned());
    let elsewhere = Place::Channel("C9".to_owned());
    let told = Place::Channel("C0STAKEHOLD".to_owned());
    let terminal = || Person { actor: Actor::Terminal { user: "ada".to_owned() }, ..person(unknown()) };
    let other_team = || {
        let actor = Actor::Slack { user: "U1".to_owned(), team: "T2".to_owned() };
        Person { actor, ..person(Standing::Member) }
    };
    let alch = Person { actor: Actor::Alch, ..person(Standing::Member) };
    let (member, guest) = (|| person(Standing::Member), || person(Standing::Guest));
    let everything = [&APPROVED[..], &["rollback"], &GO_ON, &LETS_HAPPEN, &STOPS, &["object"], &LOOKS].concat();
    let looks = LOOKS.to_vec();
    let looks_and_objects = [&["object"][..], &LOOKS].concat();
    let nothing_happens = [&["rollback"][..], &STOPS, &["object"], &LOOKS].concat();
    let by_hand = [&["rollback"][..], &LETS_HAPPEN, &STOPS, &["object"], &LOOKS].concat();
    let none = Vec::new();
    let cases = [
        ("member", member(), &dev, &channel(), &everything),
        ("member, other channel", member(), &dev, &also, &everything),
        ("member elsewhere", member(), &dev, &elsewhere, &none),
        ("member, direct", member(), &dev, &Place::DirectMessage, &looks_and_objects),
        ("member, prod", member(), &prod, &channel(), &everything),
        ("member, prod, direct", member(), &prod, &Place::DirectMessage, &looks_and_objects),
        ("member where stakeholders are told", member(), &prod, &told, &vec!["object"]),
        ("member where those of prod are told, dev", member(), &dev, &told, &none),
        ("guest", guest(), &dev, &channel(), &looks),
        ("guest, prod", guest(), &prod, &channel(), &looks),
        ("guest, direct", guest(), &dev, &Place::DirectMessage, &none),
        ("guest where stakeholders are told", guest(), &prod, &told, &none),
        ("stranger", person(Standing::Stranger), &dev, &channel(), &none),
        ("stranger where stakeholders are told", person(Standing::Stranger), &prod, &told, &none),
        ("another team", other_team(), &dev, &channel(), &none),
        ("another team, direct", other_team(), &dev, &Place::DirectMessage, &none),
        ("bot", person(Standing::Bot), &dev, &channel(), &none),
        ("deleted", person(Standing::Deleted), &dev, &channel(), &none),
        ("unknown", person(unknown()), &dev, &channel(), &everything),
        ("unknown, prod", person(unknown()), &prod, &channel(), &nothing_happens),
        ("terminal", terminal(), &dev, &Place::Terminal, &everything),
        ("terminal, prod", terminal(), &prod, &Place::Terminal, &by_hand),
        ("terminal person in a channel", terminal(), &dev, &channel(), &none),
        ("slack person on a terminal", member(), &dev, &Place::Terminal, &none),
        ("alch itself", alch, &dev, &channel(), &none),
    ];
    for (who, person, environment, place, wanted) in cases {
        assert_eq!(permitted(&person, environment, place), *wanted, "{who}");
    }
}

/// A production with a list for each role.
fn listed() -> Environment {
    let mut prod = environment("prod");
    prod.roles.viewer = principals(&["S0VIEW", "S0OP", "S0RESP", "S0ADMIN"]);
    prod.roles.operator = principals(&["S0OP", "U0OPAL"]);
    prod.roles.responder = principals(&["S0RESP"]);
    prod.roles.admin = principals(&["S0ADMIN"]);
    prod.roles.commands.insert("promote".to_owned(), principals(&["S0LEAD"]));
    prod
}

#[test]
fn roles_say_who_may_do_what() {
    let prod = listed();
    let all = ["S0VIEW", "S0OP", "S0RESP", "S0ADMIN", "S0LEAD"];
    let only = |wanted: &str| {
        let say = |group: &'static str| (group, if group == wanted { Membership::In } else { Membership::Out });
        member_in(&all.map(say))
    };
    // What needs no role here: decisions are for `approval`, objections for everybody.
    let free = ["approve", "override", "reject", "object", "contacts", "enrol", "whoami", "help"];
    let looks = ["verify", "status", "runs", "show", "plan", "audit"];
    let operates = [
        "enable", "disable", "restore", "answer", "resume", "retry", "skip", "unfreeze", "unlock", "cancel", "pause",
        "freeze", "lock", "escalate",
    ];
    let cases: [(&str, Vec<&str>); 6] = [
        ("nobody", vec![]),
        ("S0VIEW", looks.to_vec()),
        ("S0OP", [&operates[..], &looks].concat()),
        ("S0RESP", [&["rollback", "freeze"][..], &looks].concat()),
        ("S0ADMIN", [&["unfreeze", "unlock", "freeze", "lock"][..], &looks].concat()),
        ("S0LEAD", vec!["promote"]),
    ];
    for (group, wanted) in cases {
        let mut found = permitted(&only(group), &prod, &channel());
        found.retain(|name| !free.contains(name));
        assert_eq!(found, wanted, "{group}");
    }
    let mut opal = only("nobody");
    opal.actor = Actor::Slack { user: "U0OPAL".to_owned(), team: "T1".to_owned() };
    assert!(permitted(&opal, &prod, &channel()).contains(&"enable"), "people are listed too");
    let held = |person: &Person| may_break_lock(person, &prod);
    assert!(held(&only("S0ADMIN")) && !held(&only("S0OP")) && !held(&member_in(&[("S0ADMIN", silence())])));
    let guest = Person { standing: Standing::Guest, ..only("S0ADMIN") };
    assert!(!held(&guest), "a guest in the group stays a guest");
}

#[test]
fn a_refusal_for_want_of_a_role_says_who_may() {
    let prod = listed();
    let nobody = member_in(&["S0OP", "S0RESP", "S0ADMIN", "S0LEAD"].map(|group| (group, Membership::Out)));
    let said = |command: &Command| ask(&nobody, command, &prod, &channel()).unwrap_err();
    let enable = said(&Command::Enable { rules: Selection::All, environment: "prod".to_owned() });
    assert_eq!(
        enable.to_string(),
        "`enable all prod` was refused and nothing was changed: in `prod` it is for <!subteam^S0OP>, <@U0OPAL>, and you \
         are not among them. Please ask one of them; `/alch whoami` shows what you may do."
    );
    assert_eq!(enable.in_short(), "needs the role operator");
    let hold = Command::Hold {
        kind: HoldKind::Lock,
        environment: "prod".to_owned(),
        reason: "`<!channel> & co".to_owned(),
        lasting: None,
    };
    let lock = said(&hold);
    assert!(lock.to_string().contains("`lock prod ''&lt;!channel&gt; &amp; co'`"), "{lock}");
    assert_eq!(lock.in_short(), "needs the role operator or admin");
    let reset = Command::Enrol { reset: Some("U1".to_owned()) };
    assert_eq!(said(&reset).in_short(), "needs the role admin");
    assert!(ask(&member_in(&[("S0ADMIN", Membership::In)]), &reset, &prod, &channel()).is_ok());
    let (person, house) = (person(Standing::Member), house());
    let nowhere = Request {
        person: &person,
        command: &reset,
        environment: None,
        place: &channel(),
        house: &house,
        slack_approves: true,
        now: noon(),
    };
    assert!(matches!(decide(&nowhere), Err(Refusal::OnlyAdmins { .. })));
}

#[test]
fn where_slack_is_silent_nothing_acts_but_a_rollback_which_says_so() {
    let prod = listed();
    let groups = ["S0VIEW", "S0OP", "S0RESP", "S0ADMIN", "S0LEAD"].map(|group| (group, silence()));
    for doubtful in [member_in(&groups), member_in(&[])] {
        let found = permitted(&doubtful, &prod, &channel());
        let wanted = [&["rollback", "approve", "override", "reject", "object"][..], &LOOKS].concat();
        assert_eq!(found, wanted);
    }
    let rollback = Command::Rollback { environment: "prod".to_owned() };
    let permit = ask(&member_in(&groups), &rollback, &prod, &channel()).unwrap();
    assert_eq!(permit.notes(), ["Slack could not say whether U1 is a responder: Slack cannot be asked"]);
    assert_eq!(permit.approvals_needed(), 0);
    let enable = Command::Enable { rules: Selection::All, environment: "prod".to_owned() };
    let refused = ask(&member_in(&groups), &enable, &prod, &channel()).unwrap_err().to_string();
    assert!(refused.contains("Slack cannot be asked") && refused.contains("`/alch rollback prod`"), "{refused}");
    // One group that says yes is enough, whatever the others say.
    assert!(ask(&member_in(&[("S0OP", Membership::In), ("S0LEAD", silence())]), &enable, &prod, &channel()).is_ok());
}

#[test]
fn only_the_groups_that_decide_are_asked_about() {
    let prod = listed();
    let asked = |environment: &Environment, name: &str| {
        let command = commands(&environment.name).into_iter().find(|command| command.name() == name).unwrap();
        groups_of(Some(environment), &command).into_iter().collect::<Vec<_>>()
    };
    for (name, wanted) in [
        ("enable", &["S0OP"][..]),
        ("promote", &["S0LEAD"]),
        ("rollback", &["S0RESP"]),
        ("freeze", &["S0ADMIN", "S0OP", "S0RESP"]),
        ("status", &["S0ADMIN", "S0OP", "S0RESP", "S0VIEW"]),
        ("approve", &["S0APPROVERS", "S0RESP"]),
        ("object", &[]),
        ("help", &[]),
        ("whoami", &["S0ADMIN", "S0APPROVERS", "S0LEAD", "S0OP", "S0RESP", "S0VIEW"]),
    ] {
        assert_eq!(asked(&prod, name), wanted, "{name}");
    }
    let sandbox = environment("prod");
    for name in ["enable", "rollback", "status", "cancel"] {
        assert!(asked(&sandbox, name).is_empty(), "{name} is everybody's");
    }
    let enable = Command::Enable { rules: Selection::All, environment: "prod".to_owned() };
    assert_eq!(groups_of(None, &enable).len(), 0);
    let decided = |command: &Command| groups_to_decide(&prod, command, &Subject::Plan);
    assert_eq!(decided(&enable), BTreeSet::from(["S0APPROVERS".to_owned()]));
    assert_eq!(decided(&Command::Rollback { environment: "prod".to_owned() }), BTreeSet::from(["S0RESP".to_owned()]));
}

#[test]
fn a_terminal_may_ask_where_slack_approves() {
    let prod = environment("prod");
    let ada = Person { actor: Actor::Terminal { user: "ada".to_owned() }, ..person(Standing::Member) };
    let (command, house) = (Command::Disable { rules: Selection::All, environment: "prod".to_owned() }, house());
    let mut request = Request {
        person: &ada,
        command: &command,
        environment: Some(&prod),
        place: &Place::Terminal,
        house: &house,
        slack_approves: false,
        now: noon(),
    };
    let refused = decide(&request).unwrap_err().to_string();
    for part in ["approvals come from Slack", "`/alch disable all prod`", "`rollback prod`", "nothing was changed"] {
        assert!(refused.contains(part), "{refused}");
    }
    request.slack_approves = true;
    assert_eq!(decide(&request).unwrap().approvals_needed(), 1);
}

#[test]
fn a_permit_names_what_was_decided() {
    let command = Command::Rollback { environment: "dev".to_owned() };
    let channel = channel();
    let permit = ask(&person(Standing::Member), &command, &environment("dev"), &channel).unwrap();
    assert_eq!((permit.command(), permit.environment()), (&command, Some("dev")));
    assert_eq!((permit.approvals_needed(), permit.notes().len()), (0, 0));

    let permit = ask(&person(unknown()), &command, &environment("dev"), &channel).unwrap();
    assert_eq!(permit.notes(), ["Slack could not say whether U1 is a guest: users.info timed out"]);
    let look = Command::Status { environment: Some("dev".to_owned()) };
    assert!(ask(&person(unknown()), &look, &environment("dev"), &channel).unwrap().notes().is_empty());
}

#[test]
fn a_refusal_says_what_was_refused_that_nothing_changed_and_what_to_do() {
    let (dev, prod) = (environment("dev"), environment("prod"));
    let member = person(Standing::Member);
    let channel = channel();
    let enable =
        |environment: &Environment| Command::Enable { rules: Selection::All, environment: environment.name.clone() };
    let said = |person: &Person, command: &Command, environment: &Environment, place: &Place| {
        ask(person, command, environment, place).unwrap_err().to_string()
    };
    let elsewhere = Place::Channel("C9".to_owned());
    let cases = [
        (said(&member, &enable(&dev), &dev, &elsewhere), "<#C1>"),
        (said(&member, &enable(&dev), &dev, &Place::DirectMessage), "`enable all dev` was refused"),
        (said(&person(Standing::Guest), &enable(&dev), &dev, &channel), "full member"),
        (said(&person(Standing::Stranger), &enable(&dev), &dev, &channel), "another"),
        (said(&person(Standing::Bot), &enable(&dev), &dev, &channel), "people"),
        (said(&member, &enable(&dev), &prod, &channel), "no environment `dev`"),
        (said(&person(unknown()), &enable(&prod), &prod, &channel), "users.info timed out"),
    ];
    for (found, wanted) in cases {
        assert!(found.contains(wanted) && found.to_lowercase().contains("nothing was changed"), "{found}");
    }
}

#[test]
fn a_closed_window_stops_what_turns_rules_on_and_nothing_else() {
    let (mut dev, mut prod) = (environment("dev"), environment("prod"));
    dev.window = Some(window());
    prod.window = Some(window());
    let member = person(Standing::Member);
    let mut wanted = permitted(&member, &environment("dev"), &channel());
    wanted.retain(|name| !["enable", "restore", "promote"].contains(name));
    assert_eq!(permitted(&member, &dev, &channel()), wanted);
    let command = Command::Restore { environment: "dev".to_owned() };
    let found = ask(&member, &command, &dev, &channel()).unwrap_err().to_string();
    assert!(found.contains("It opens on Wednesday, 2026-11-25 at 17:00 EST."), "{found}");
    let plan = Command::Plan { of: Box::new(command) };
    assert!(ask(&member, &plan, &dev, &channel()).is_ok(), "a plan may be looked at any time");
    let command = Command::Restore { environment: "prod".to_owned() };
    assert!(ask(&member, &command, &prod, &channel()).is_ok(), "with approval it is a safeguard of the plan");
}

fn standings() -> impl Strategy<Value = Standing> {
    prop_oneof![
        Just(Standing::Member),
        Just(Standing::Guest),
        Just(Standing::Stranger),
        Just(Standing::Bot),
        Just(Standing::Deleted),
        Just(unknown()),
    ]
}

fn actors() -> impl Strategy<Value = Actor> {
    prop_oneof![
        3 => prop::sample::select(vec!["T1", "T2"]).prop_map(|team| Actor::Slack { user: "U1".to_owned(), team: team.to_owned() }),
        1 => Just(Actor::Terminal { user: "ada".to_owned() }),
        1 => Just(Actor::Alch),
    ]
}

fn places() -> impl Strategy<Value = Place> {
    prop_oneof![
        prop::sample::select(vec!["C1", "C2", "C9"]).prop_map(|id| Place::Channel(id.to_owned())),
        Just(Place::DirectMessage),
        Just(Place::Terminal),
    ]
}

proptest! {
    #[test]
    fn no_permit_goes_where_none_may_go(
        actor in actors(),
        standing in standings(),
        place in places(),
        configured in prop::sample::select(vec!["dev", "prod"]),
        named in prop::sample::select(vec!["dev", "prod"]),
        which in 0..31_usize,
        (membership, slack_approves) in (memberships(), any::<bool>()),
        second in 0..2_000_000_000_i64,
    ) {
        let mut environment = environment(configured);
        environment.roles.operator = principals(&["S1"]);
        environment.roles.responder = principals(&["S1"]);
        let groups = membership.iter().map(|membership| ("S1".to_owned(), membership.clone())).collect();
        let person = Person { actor, standing, groups };
        let command = commands(named).swap_remove(which);
        let now = Timestamp::from_second(second).unwrap();
        let house = house();
        let request = Request { person: &person, command: &command, environment: Some(&environment), place: &place, house: &house, slack_approves, now };
        let Ok(permit) = decide(&request) else { return Ok(()) };
        let slack = matches!(person.actor, Actor::Slack { .. });
        prop_assert_eq!(permit.command(), &command);
        prop_assert!(person.actor != Actor::Alch);
        prop_assert_eq!(slack, place != Place::Terminal);
        prop_assert!(place != Place::Channel("C9".to_owned()));
        if let Actor::Slack { team, .. } = &person.actor {
            prop_assert_eq!(team, "T1");
            prop_assert!(![Standing::Stranger, Standing::Bot, Standing::Deleted].contains(&person.standing));
        }
        let rollback = matches!(command, Command::Rollback { .. });
        if !LOOKS.contains(&command.name()) {
            prop_assert!(!(slack && person.standing == Standing::Guest));
            prop_assert!(place != Place::DirectMessage || command.name() == "object");
        }
        if command.acts() {
            prop_assert_eq!(permit.environment(), command.environment());
            let careful = environment.approval == ApprovalRule::Required && !rollback;
            prop_assert_eq!(permit.approvals_needed() > 0, careful);
            prop_assert!(!careful || slack || slack_approves);
            let certain = membership == Some(Membership::In);
            let refuted = membership == Some(Membership::Out);
            prop_assert!(!slack || certain || (rollback && !refuted));
            prop_assert!(!careful || !matches!(person.standing, Standing::Unknown(_)) || !slack);
            prop_assert!(!slack || certain || permit.notes().iter().any(|note| note.contains("responder")));
        }
        if slack && matches!(person.standing, Standing::Unknown(_)) && !LOOKS.contains(&command.name()) {
            prop_assert!(permit.notes().iter().any(|note| note.contains("guest")));
        }
    }

    #[test]
    fn nothing_but_a_no_from_slack_keeps_a_full_member_from_a_rollback(
        configured in prop::sample::select(vec!["dev", "prod"]),
        unsure in any::<bool>(),
        membership in memberships(),
        second in 0..2_000_000_000_i64,
        slack_approves in any::<bool>(),
        open_to_all in any::<bool>(),
    ) {
        let mut environment = environment(configured);
        environment.window = Some(window());
        environment.window.as_mut().unwrap().allow.truncate(1);
        environment.approvals.needed = 3;
        environment.roles.responder = principals(if open_to_all { &["everyone"] } else { &["S1"] });
        let groups = membership.iter().map(|membership| ("S1".to_owned(), membership.clone())).collect();
        let standing = if unsure { unknown() } else { Standing::Member };
        let person = Person { groups, ..person(standing) };
        let command = Command::Rollback { environment: configured.to_owned() };
        let (house, place, now) = (house(), channel(), Timestamp::from_second(second).unwrap());
        let decided = decide(&Request {
            person: &person,
            command: &command,
            environment: Some(&environment),
            place: &place,
            house: &house,
            slack_approves,
            now,
        });
        prop_assert_eq!(decided.is_ok(), open_to_all || membership != Some(Membership::Out));
    }
}

/// What Slack says of a group; none when it was not asked.
fn memberships() -> impl Strategy<Value = Option<Membership>> {
    prop_oneof![Just(Some(Membership::In)), Just(Some(Membership::Out)), Just(Some(silence())), Just(None)]
}
