//! Who gets a permit, who does not, and what they read.

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::config::{Config, Variables};
use crate::domain::{Answer, Environment, RunId, Selection};

fn house() -> House {
    House {
        workspace: "T1".to_owned(),
        channel: "C1".to_owned(),
        also_in: vec!["C2".to_owned()],
        command_word: "/alch".to_owned(),
    }
}

/// `dev` without approval, `prod` with it and with a window, as the sandbox has them.
fn environment(name: &str) -> Environment {
    Config::sandbox(&Variables::new()).unwrap().0.environments.remove(name).unwrap()
}

fn person(standing: Standing) -> Person {
    Person { actor: Actor::Slack { user: "U1".to_owned(), team: "T1".to_owned() }, standing }
}

fn unknown() -> Standing {
    Standing::Unknown("users.info timed out".to_owned())
}

/// Wednesday noon in New York: the window of prod is closed.
fn noon() -> Timestamp {
    "2026-11-25T17:00:00Z".parse().unwrap()
}

fn commands(environment: &str) -> Vec<Command> {
    let e = || environment.to_owned();
    let one = || Selection::One("signal-generated".to_owned());
    vec![
        Command::Enable { rules: Selection::All, environment: e() },
        Command::Enable { rules: one(), environment: e() },
        Command::Disable { rules: one(), environment: e() },
        Command::Rollback { environment: e() },
        Command::Restore { environment: e() },
        Command::Verify { environment: e() },
        Command::Status { environment: Some(e()) },
        Command::Runs { environment: Some(e()) },
        Command::Show { run: RunId(1) },
        Command::Cancel { run: RunId(1) },
        Command::Answer { run: RunId(1), answer: Answer::Continue },
        Command::Whoami,
        Command::Help { topic: None },
    ]
}

fn ask(person: &Person, command: &Command, environment: &Environment, place: &Place) -> Result<Permit, Refusal> {
    decide(&Request { person, command, environment: Some(environment), place, house: &house(), now: noon() })
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

const ACTS: [&str; 4] = ["enable", "disable", "rollback", "restore"];
const LOOKS: [&str; 6] = ["verify", "status", "runs", "show", "whoami", "help"];
const EVERYTHING: [&str; 12] = [
    "enable", "disable", "rollback", "restore", "verify", "status", "runs", "show", "cancel", "answer", "whoami",
    "help",
];
const NOTHING_THAT_ACTS: [&str; 7] = ["verify", "status", "runs", "show", "cancel", "whoami", "help"];

#[test]
fn who_may_do_what_where() {
    let (dev, prod) = (environment("dev"), environment("prod"));
    let channel = Place::Channel("C1".to_owned());
    let also = Place::Channel("C2".to_owned());
    let elsewhere = Place::Channel("C9".to_owned());
    let terminal = Person { actor: Actor::Terminal { user: "ada".to_owned() }, standing: unknown() };
    let other_team =
        Person { actor: Actor::Slack { user: "U1".to_owned(), team: "T2".to_owned() }, standing: Standing::Member };
    let alch = Person { actor: Actor::Alch, standing: Standing::Member };
    let none: &[&str] = &[];
    let cases: [(&str, Person, &Environment, &Place, &[&str]); 21] = [
        ("member", person(Standing::Member), &dev, &channel, &EVERYTHING),
        ("member, other channel", person(Standing::Member), &dev, &also, &EVERYTHING),
        ("member elsewhere", person(Standing::Member), &dev, &elsewhere, none),
        ("member, direct", person(Standing::Member), &dev, &Place::DirectMessage, &LOOKS),
        ("member, prod", person(Standing::Member), &prod, &channel, &NOTHING_THAT_ACTS),
        ("member, prod, direct", person(Standing::Member), &prod, &Place::DirectMessage, &LOOKS),
        ("guest", person(Standing::Guest), &dev, &channel, &LOOKS),
        ("guest, prod", person(Standing::Guest), &prod, &channel, &LOOKS),
        ("guest, direct", person(Standing::Guest), &dev, &Place::DirectMessage, none),
        ("stranger", person(Standing::Stranger), &dev, &channel, none),
        ("another team", other_team.clone(), &dev, &channel, none),
        ("another team, direct", other_team, &dev, &Place::DirectMessage, none),
        ("bot", person(Standing::Bot), &dev, &channel, none),
        ("deleted", person(Standing::Deleted), &dev, &channel, none),
        ("unknown", person(unknown()), &dev, &channel, &EVERYTHING),
        ("unknown, prod", person(unknown()), &prod, &channel, &NOTHING_THAT_ACTS),
        ("terminal", terminal.clone(), &dev, &Place::Terminal, &EVERYTHING),
        ("terminal, prod", terminal.clone(), &prod, &Place::Terminal, &NOTHING_THAT_ACTS),
        ("terminal person in a channel", terminal, &dev, &channel, none),
        ("slack person on a terminal", person(Standing::Member), &dev, &Place::Terminal, none),
        ("alch itself", alch, &dev, &channel, none),
    ];
    for (who, person, environment, place, wanted) in cases {
        assert_eq!(permitted(&person, environment, place), wanted, "{who}");
    }
}

#[test]
fn a_permit_names_what_was_decided() {
    let command = Command::Rollback { environment: "dev".to_owned() };
    let channel = Place::Channel("C1".to_owned());
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
    let channel = Place::Channel("C1".to_owned());
    let enable =
        |environment: &Environment| Command::Enable { rules: Selection::All, environment: environment.name.clone() };
    let said = |person: &Person, command: &Command, environment: &Environment, place: &Place| {
        ask(person, command, environment, place).unwrap_err().to_string()
    };
    assert_eq!(
        said(&member, &enable(&prod), &prod, &channel),
        "`enable all prod` needs approval, and approvals are not built yet: for now I refuse everything that acts in \
         `prod`. Nothing was changed.\nWhat works now: `/alch verify prod` and `/alch status prod`."
    );
    let elsewhere = Place::Channel("C9".to_owned());
    let cases = [
        (said(&member, &enable(&dev), &dev, &elsewhere), "<#C1>"),
        (said(&member, &enable(&dev), &dev, &Place::DirectMessage), "`enable all dev` was refused"),
        (said(&person(Standing::Guest), &enable(&dev), &dev, &channel), "full member"),
        (said(&person(Standing::Stranger), &enable(&dev), &dev, &channel), "another"),
        (said(&person(Standing::Bot), &enable(&dev), &dev, &channel), "people"),
        (said(&member, &enable(&dev), &prod, &channel), "no environment `dev`"),
        (
            said(&member, &Command::Answer { run: RunId(4), answer: Answer::Undo }, &prod, &channel),
            "`/alch cancel R-4`",
        ),
    ];
    for (found, wanted) in cases {
        assert!(found.contains(wanted) && found.to_lowercase().contains("nothing was changed"), "{found}");
    }
}

#[test]
fn a_refused_rollback_tells_how_to_do_it_by_hand() {
    let prod = environment("prod");
    let command = Command::Rollback { environment: "prod".to_owned() };
    let found =
        ask(&person(Standing::Member), &command, &prod, &Place::Channel("C1".to_owned())).unwrap_err().to_string();
    for rule in &prod.rules {
        let line = format!(
            "\naws events disable-rule --name {} --event-bus-name {} --region us-east-1\n",
            rule.rule, prod.bus
        );
        assert_eq!(found.matches(&line).count(), 1, "{line}\nnot in\n{found}");
    }
    assert_eq!(found.matches("```").count(), 2);
    assert!(found.len() < 3_000, "fits a section of Slack: {}", found.len());
}

#[test]
fn a_closed_window_stops_what_turns_rules_on_and_nothing_else() {
    let mut dev = environment("dev");
    dev.window = environment("prod").window;
    let member = person(Standing::Member);
    let channel = Place::Channel("C1".to_owned());
    let mut wanted: Vec<&str> = EVERYTHING.to_vec();
    wanted.retain(|name| !["enable", "restore"].contains(name));
    assert_eq!(permitted(&member, &dev, &channel), wanted);
    let command = Command::Restore { environment: "dev".to_owned() };
    let found = ask(&member, &command, &dev, &channel).unwrap_err().to_string();
    assert!(found.contains("It opens on Wednesday, 2026-11-25 at 17:00 EST."), "{found}");
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
        which in 0..13_usize,
        second in 0..2_000_000_000_i64,
    ) {
        let environment = environment(configured);
        let person = Person { actor, standing };
        let command = commands(named).swap_remove(which);
        let now = Timestamp::from_second(second).unwrap();
        let house = house();
        let request = Request { person: &person, command: &command, environment: Some(&environment), place: &place, house: &house, now };
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
        if !LOOKS.contains(&command.name()) {
            prop_assert!(!(slack && person.standing == Standing::Guest));
            prop_assert!(place != Place::DirectMessage);
        }
        if ACTS.contains(&command.name()) {
            prop_assert!(command.acts());
            prop_assert_eq!(environment.approval, ApprovalRule::None);
            prop_assert_eq!(permit.environment(), command.environment());
        }
        if slack && matches!(person.standing, Standing::Unknown(_)) && !LOOKS.contains(&command.name()) {
            prop_assert_eq!(permit.notes().len(), 1);
        }
    }
}
