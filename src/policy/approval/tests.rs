//! Whose click counts and what the others read; and that no sequence of clicks approves what the required people did not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;
use crate::config::{Config, Variables};
use crate::domain::{
    Evidence, Membership, Memberships, OnGateFailure, Origin, Outcome, PLAN_VERSION, Plan, PlanDigest, PlannedApproval,
    Recorded, RunId, Selection, StepId, World,
};

const APPROVERS: &str = "S0APPROVE";
const OVERRIDERS: &str = "S0OVER";
const EXPIRES: SignedDuration = SignedDuration::from_mins(30);

fn start() -> Timestamp {
    "2026-11-25T17:00:00Z".parse().unwrap()
}

fn house() -> House {
    House { workspace: "T1".to_owned(), channel: "C1".to_owned(), also_in: vec![], command_word: "/alch".to_owned() }
}

fn principals(names: &[&str]) -> Vec<Principal> {
    names.iter().map(|&name| Principal(name.to_owned())).collect()
}

/// Production with one group that approves and one that overrides.
fn production() -> Environment {
    static SANDBOX: LazyLock<Config> = LazyLock::new(|| Config::sandbox(&Variables::new()).unwrap().0);
    let mut prod = SANDBOX.environments["prod"].clone();
    prod.roles.approver = principals(&[APPROVERS]);
    prod.roles.responder = principals(&["S0RESPOND"]);
    prod.approvals.overriders = principals(&[OVERRIDERS]);
    prod
}

fn slack(user: &str, team: &str) -> Actor {
    Actor::Slack { user: user.to_owned(), team: team.to_owned() }
}

/// A full member in these groups and no others.
fn member(user: &str, groups: &[&str]) -> Person {
    let asked = [APPROVERS, OVERRIDERS, "S0RESPOND"];
    let say = |group: &&str| if groups.contains(group) { Membership::In } else { Membership::Out };
    let groups: Memberships = asked.iter().map(|group| ((*group).to_owned(), say(group))).collect();
    Person { actor: slack(user, "T1"), standing: Standing::Member, groups }
}

fn alice() -> Person {
    member("U0ALICE", &[APPROVERS, OVERRIDERS])
}

fn bob() -> Person {
    member("U0BOB", &[APPROVERS, OVERRIDERS])
}

fn carol() -> Person {
    member("U0CAROL", &[APPROVERS])
}

fn enable() -> Command {
    Command::Enable { rules: Selection::All, environment: "prod".to_owned() }
}

fn silence() -> Membership {
    Membership::Unknown("Slack cannot be asked".to_owned())
}

/// A run of Alice's with its journal, and a clock.
#[derive(Clone)]
struct Story {
    journal: Vec<Recorded>,
    run: Run,
    now: Timestamp,
    environment: Environment,
    /// The plans' digests in the order asked.
    plans: Vec<PlanDigest>,
    needed: u32,
}

impl Story {
    fn of(command: Command, needed: u32) -> Self {
        let event = Event::Requested {
            text: command.text(),
            command,
            actor: alice().actor,
            environment: "prod".to_owned(),
            origin: Origin::Terminal,
            queue: false,
            notes: vec![],
        };
        let first = Recorded { run: RunId(7), seq: 1, at: start(), event, hash: String::new() };
        let run = Run::from_journal(std::slice::from_ref(&first)).unwrap();
        Self { journal: vec![first], run, now: start(), environment: production(), plans: vec![], needed }
    }

    /// With its first plan asked for.
    fn asked(needed: u32, failing: &[&str]) -> Self {
        let mut story = Self::of(enable(), needed);
        story.plans_anew(0, failing);
        story
    }

    fn record(&mut self, event: Event) {
        let seq = self.run.last_seq + 1;
        self.journal.push(Recorded { run: RunId(7), seq, at: self.now, event, hash: String::new() });
        self.run = Run::from_journal(&self.journal).unwrap();
    }

    /// A plan for a world of this number, in which these safeguards fail, and the question for its approval.
    fn plans_anew(&mut self, world: usize, failing: &[&str]) {
        let check = |name: &str| Check {
            name: name.to_owned(),
            title: name.to_owned(),
            verdict: if failing.contains(&name) { Verdict::Fail } else { Verdict::Pass },
            value: String::new(),
            limit: String::new(),
            reason: String::new(),
            evidence: Evidence::default(),
        };
        let checks: Vec<Check> = ["soak", "window", "freeze"].map(check).to_vec();
        let safeguards = checks.iter().map(|check| (check.name.clone(), check.verdict)).collect();
        let plan = Plan {
            version: PLAN_VERSION,
            command: self.run.command.clone(),
            environment: "prod".to_owned(),
            steps: vec![],
            on_gate_failure: OnGateFailure::Hold,
            approval: Some(PlannedApproval { needed: self.needed, expires: EXPIRES }),
            world: Some(World { settings: world.to_string(), safeguards, ..World::default() }),
            notify: vec![],
        };
        let digest = plan.digest();
        self.record(Event::Safeguarded { checks });
        self.record(Event::Planned { plan, digest: digest.clone() });
        self.ask(Subject::Plan, digest.clone());
        self.plans.push(digest);
    }

    fn ask(&mut self, subject: Subject, digest: PlanDigest) {
        let until = self.now + EXPIRES;
        self.record(Event::ApprovalAsked { subject, digest, needed: self.needed, until });
    }

    fn digest(&self) -> String {
        self.plans.last().unwrap().0.clone()
    }

    /// A decision from C1 about the newest plan.
    fn with<T>(&self, person: &Person, decide: impl FnOnce(&Decider<'_>) -> T) -> T {
        let (place, house, digest) = (Place::Channel("C1".to_owned()), house(), self.digest());
        decide(&Decider {
            person,
            place: &place,
            house: &house,
            channel_is_shared: false,
            run: &self.run,
            environment: &self.environment,
            digest: &digest,
            subject: &Subject::Plan,
            stepped_up: false,
            now: self.now,
        })
    }

    fn approves(&mut self, person: &Person) -> Result<(), Declined> {
        let events = self.with(person, |decider| approve(decider, None))?;
        events.into_iter().for_each(|event| self.record(event));
        Ok(())
    }

    fn rejects(&mut self, person: &Person) -> Result<(), Declined> {
        let events = self.with(person, |decider| reject(decider, "not today"))?;
        events.into_iter().for_each(|event| self.record(event));
        Ok(())
    }

    fn overrides(&mut self, person: &Person, safeguard: &str) -> Result<(), Declined> {
        let events = self.with(person, |decider| override_safeguard(decider, safeguard, "known and harmless"))?;
        events.into_iter().for_each(|event| self.record(event));
        Ok(())
    }

    /// What somebody reads who approves.
    fn told(&self, person: &Person) -> String {
        self.with(person, |decider| approve(decider, None)).unwrap_err().to_string()
    }
}

#[track_caller]
fn assert_says(found: &str, parts: &[&str]) {
    for part in parts {
        assert!(found.contains(part), "{part}\nnot in\n{found}");
    }
}

#[test]
fn an_approval_names_plan_person_and_note() {
    let story = Story::asked(1, &[]);
    let short = story.digest()[..6].to_owned();
    let seen = |decider: &Decider<'_>| {
        approve(&Decider { digest: &short, stepped_up: true, ..decider.clone() }, Some("seen".to_owned()))
    };
    let events = story.with(&bob(), seen).unwrap();
    let wanted = Event::Approved {
        subject: Subject::Plan,
        digest: story.plans[0].clone(),
        actor: bob().actor,
        note: Some("seen".to_owned()),
        stepped_up: true,
    };
    assert_eq!(events, [wanted]);
}

#[test]
fn the_required_number_of_different_people_is_counted() {
    let mut story = Story::asked(2, &[]);
    story.approves(&bob()).unwrap();
    assert!(!story.run.is_approved());
    assert_says(&story.told(&bob()), &["counts already, once", "One more is needed"]);
    // The same person through another workspace's door, as far as ids tell.
    let again = Person { actor: slack("U0BOB", "T1"), ..bob() };
    assert!(matches!(story.approves(&again), Err(Declined::ApprovedByYou { .. })));
    story.approves(&carol()).unwrap();
    assert!(story.run.is_approved());
    assert_says(&story.told(&member("U0DAVE", &[APPROVERS])), &["nothing more", "<@U0BOB> and <@U0CAROL>", "R-7"]);
    assert_says(&story.told(&carol()), &["counts already", "needs nothing more"]);
    assert!(matches!(story.rejects(&carol()), Err(Declined::Granted { .. })));
}

#[test]
fn who_may_not_approve_is_told_why() {
    let story = Story::asked(1, &[]);
    let standing = |standing: Standing| Person { standing, ..bob() };
    let groups = |membership: Option<Membership>| {
        let groups = membership.map(|membership| (APPROVERS.to_owned(), membership)).into_iter().collect();
        Person { groups, ..bob() }
    };
    let terminal = Person { actor: Actor::Terminal { user: "ada".to_owned() }, ..bob() };
    for (person, wanted) in [
        (alice(), "somebody else has to approve it: <!subteam^S0APPROVE>"),
        (member("U0DAVE", &[]), "in `prod` this is for <!subteam^S0APPROVE>"),
        (standing(Standing::Guest), "Guests may look"),
        (standing(Standing::Stranger), "our own workspace"),
        (Person { actor: slack("U0BOB", "T2"), ..bob() }, "our own workspace"),
        (standing(Standing::Bot), "open account"),
        (standing(Standing::Deleted), "open account"),
        (standing(Standing::Unknown("it is slow".to_owned())), "it is slow"),
        (groups(Some(silence())), "Slack cannot be asked"),
        (groups(None), "Slack was not asked"),
        (terminal, "never from a terminal"),
        (Person { actor: Actor::Alch, ..bob() }, "open account"),
    ] {
        let found = story.told(&person);
        assert_says(&found, &[wanted]);
        assert!(found.contains("Nothing was decided"), "{found}");
    }
    let elsewhere = Place::Channel("C9".to_owned());
    for place in [&elsewhere, &Place::DirectMessage] {
        let found = story.with(&bob(), |decider| approve(&Decider { place: place, ..decider.clone() }, None));
        assert_eq!(found, Err(Declined::Elsewhere { channel: "C1".to_owned() }));
    }
    let found = story.with(&bob(), |decider| approve(&Decider { place: &Place::Terminal, ..decider.clone() }, None));
    assert_eq!(found, Err(Declined::FromTerminal));
    let found = story.with(&bob(), |decider| approve(&Decider { channel_is_shared: true, ..decider.clone() }, None));
    assert_eq!(found, Err(Declined::SharedChannel { channel: "C1".to_owned() }));
}

#[test]
fn a_click_that_comes_too_late_is_told_what_has_happened() {
    let fresh = Story::asked(1, &[]);
    let after = |event: Event| {
        let mut story = fresh.clone();
        story.record(event);
        story.told(&bob())
    };
    let cancelled = after(Event::CancelRequested { actor: alice().actor });
    assert_says(&cancelled, &["R-7 was cancelled by <@U0ALICE>"]);
    assert_says(&after(Event::Preempted { by: RunId(8) }), &["rollback R-8 goes first"]);
    let ended =
        Event::Ended { outcome: Outcome::Expired, summary: String::new(), rules: BTreeMap::new(), next: vec![] };
    assert_says(&after(ended), &["R-7 has ended, expired"]);

    let mut lapsed = fresh.clone();
    lapsed.now = lapsed.now + EXPIRES;
    let unrecorded = lapsed.told(&bob());
    assert_says(&unrecorded, &["the time to decide was over at", "2026-11-25 17:30 UTC"]);
    lapsed.record(Event::Lapsed { subject: Subject::Plan });
    assert_eq!(lapsed.told(&bob()), unrecorded);
    assert!(lapsed.approves(&bob()).is_err() && lapsed.rejects(&bob()).is_err());

    let mut rejected = fresh.clone();
    rejected.rejects(&carol()).unwrap();
    assert_says(&rejected.told(&bob()), &["<@U0CAROL> rejected this at"]);

    let mut drifted = fresh.clone();
    drifted.plans_anew(1, &[]);
    let old = fresh.digest();
    let found =
        drifted.with(&bob(), |decider| approve(&Decider { digest: &old, ..decider.clone() }, None)).unwrap_err();
    assert_says(&found.to_string(), &["older plan of R-7", "further down"]);
    let vague = drifted.digest()[..5].to_owned();
    let found = drifted.with(&bob(), |decider| approve(&Decider { digest: &vague, ..decider.clone() }, None));
    assert_eq!(found, Err(Declined::UnclearPlan { digits: 6 }));
    drifted.approves(&bob()).unwrap();

    let other = Subject::Step(StepId("enable:a".to_owned()));
    let found = fresh.with(&bob(), |decider| approve(&Decider { subject: &other, ..decider.clone() }, None));
    assert_eq!(found, Err(Declined::NothingAsked { run: RunId(7) }));
    assert!(matches!(Story::of(enable(), 1).with_no_plan(&bob()), Err(Declined::NothingAsked { .. })));
}

impl Story {
    fn with_no_plan(mut self, person: &Person) -> Result<Vec<Event>, Declined> {
        self.plans.push(PlanDigest("0".repeat(64)));
        self.with(person, |decider| approve(decider, None))
    }
}

#[test]
fn a_failed_safeguard_blocks_until_it_is_overridden_which_needs_one_more() {
    let mut story = Story::asked(1, &["soak", "window"]);
    assert_says(&story.told(&bob()), &["`soak`, `window`", "<!subteam^S0OVER>", "one approval more"]);
    assert_says(&story.overrides(&alice(), "soak").unwrap_err().to_string(), &["somebody else has to override"]);
    assert!(matches!(story.overrides(&carol(), "soak"), Err(Declined::NotEntitled { .. })));
    story.overrides(&bob(), "soak").unwrap();
    assert_says(&story.overrides(&bob(), "soak").unwrap_err().to_string(), &["<@U0BOB> overrode `soak`"]);
    assert_says(&story.told(&bob()), &["block R-7: `window`."]);
    story.overrides(&bob(), "window").unwrap();
    story.approves(&bob()).unwrap();
    assert!(!story.run.is_approved(), "one more than usual");
    story.approves(&carol()).unwrap();
    assert!(story.run.is_approved());
}

#[test]
fn what_does_not_fail_is_not_overridden_and_a_freeze_is_lifted() {
    let mut story = Story::asked(1, &["freeze"]);
    assert_says(&story.overrides(&bob(), "freeze").unwrap_err().to_string(), &["`/alch unfreeze prod`"]);
    assert_says(&story.overrides(&bob(), "lock").unwrap_err().to_string(), &["`/alch unlock prod`"]);
    assert!(matches!(story.overrides(&bob(), "soak"), Err(Declined::NotFailing { .. })));
    let odd = story.overrides(&bob(), "`<!here>").unwrap_err().to_string();
    assert_says(&odd, &["`'&lt;!here&gt;`"]);
    assert!(matches!(story.approves(&bob()), Err(Declined::Blocked { .. })));
}

#[test]
fn a_reason_is_needed_to_reject_and_to_override() {
    let story = Story::asked(1, &["soak"]);
    assert_eq!(story.with(&bob(), |decider| reject(decider, " ")), Err(Declined::NoReason));
    assert_eq!(story.with(&bob(), |decider| override_safeguard(decider, "soak", "")), Err(Declined::NoReason));
}

#[test]
fn the_requester_may_reject_and_others_only_if_they_may_approve() {
    assert!(Story::asked(1, &["soak"]).rejects(&alice()).is_ok());
    let mut story = Story::asked(2, &[]);
    assert!(matches!(story.rejects(&member("U0DAVE", &[])), Err(Declined::NotEntitled { .. })));
    story.approves(&bob()).unwrap();
    story.rejects(&bob()).expect("one may think again while the question stands");
    assert!(matches!(story.approves(&carol()), Err(Declined::Rejected { .. })));
}

#[test]
fn a_second_factor_is_asked_for_last() {
    let mut story = Story::asked(1, &["soak"]);
    story.environment.approvals.step_up = StepUp::Totp;
    assert!(matches!(story.approves(&alice()), Err(Declined::OwnRequest { .. })));
    assert!(matches!(story.approves(&bob()), Err(Declined::Blocked { .. })));
    story.overrides(&bob(), "soak").unwrap();
    assert_eq!(story.approves(&bob()), Err(Declined::SecondFactor { environment: "prod".to_owned() }));
    assert!(story.with(&bob(), |decider| approve(&Decider { stepped_up: true, ..decider.clone() }, None)).is_ok());
}

#[test]
fn the_configuration_may_let_the_requester_approve_and_name_others_for_a_command() {
    let mut story = Story::asked(1, &[]);
    story.environment.approvals.by_requester = vec!["disable".to_owned()];
    assert!(matches!(story.approves(&alice()), Err(Declined::OwnRequest { .. })));
    story.environment.approvals.by_requester = vec!["enable".to_owned()];
    assert!(story.clone().approves(&alice()).is_ok());
    let own = crate::domain::CommandApprovals { by: Some(principals(&["U0DAVE"])), ..Default::default() };
    story.environment.approvals.commands.insert("enable".to_owned(), own);
    assert!(matches!(story.approves(&bob()), Err(Declined::NotEntitled { .. })));
    assert!(matches!(story.approves(&alice()), Err(Declined::NotEntitled { .. })), "still one of those who may");
    story.approves(&member("U0DAVE", &[])).unwrap();
}

#[test]
fn who_wants_a_step_left_out_does_not_approve_that() {
    let mut story = Story::asked(1, &[]);
    story.approves(&bob()).unwrap();
    let step = StepId("watch:a".to_owned());
    let reason = "it is quiet".to_owned();
    story.record(Event::SkipRequested { step: step.clone(), actor: carol().actor, reason });
    let subject = Subject::Skip(step);
    story.ask(subject.clone(), story.plans[0].clone());
    let click = |person: &Person| {
        story.with(person, |decider| approve(&Decider { subject: &subject, ..decider.clone() }, None))
    };
    assert!(matches!(click(&carol()), Err(Declined::OwnRequest { .. })));
    assert!(matches!(click(&alice()), Err(Declined::OwnRequest { .. })));
    assert!(click(&bob()).is_ok());
}

#[test]
fn any_responder_starts_a_rollback_with_one_click() {
    let mut story = Story::of(Command::Rollback { environment: "prod".to_owned() }, 1);
    story.plans_anew(0, &["freeze", "window"]);
    story.environment.approvals.step_up = StepUp::Totp;
    let responder = member("U0ALICE", &["S0RESPOND"]);
    let click = |person: &Person| {
        story.with(person, |decider| approve(&Decider { channel_is_shared: true, ..decider.clone() }, None))
    };
    assert!(click(&responder).is_ok(), "the requester, frozen, out of hours, without a second factor, anywhere");
    assert!(matches!(click(&bob()), Err(Declined::NotEntitled { .. })));
    assert_eq!(click(&Person { standing: Standing::Guest, ..responder.clone() }), Err(Declined::Guest));
    let silent = Person {
        standing: Standing::Unknown("it is slow".to_owned()),
        groups: Memberships::from([("S0RESPOND".to_owned(), silence())]),
        ..bob()
    };
    let events = click(&silent).unwrap();
    let [Event::Approved { note: Some(note), .. }] = events.as_slice() else { panic!("{events:?}") };
    assert_says(note, &["guest: it is slow", "responder: Slack cannot be asked"]);
    story.approves(&responder).unwrap();
    assert!(story.run.is_approved());
}

/// What may happen to a run, in any order.
#[derive(Clone, Debug)]
enum Happening {
    Approve {
        who: usize,
        plan: usize,
        stepped_up: bool,
    },
    Reject {
        who: usize,
        plan: usize,
    },
    Override {
        who: usize,
        plan: usize,
        safeguard: usize,
    },
    /// Time passes, minutes. Nothing records that a question lapses.
    Pass(i64),
    Lapse,
    /// The world moves, perhaps back to what it was.
    Move {
        world: usize,
        failing: usize,
    },
    /// Somebody leaves the approvers, or comes back.
    Regroup {
        who: usize,
    },
    Cancel,
    End,
}

const SAFEGUARDS: [&str; 3] = ["soak", "window", "freeze"];

fn failing(set: usize) -> Vec<&'static str> {
    SAFEGUARDS.iter().enumerate().filter(|(bit, _)| set >> bit & 1 == 1).map(|(_, name)| *name).collect()
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let who = || 0..12_usize;
    // Counted from the newest: old cards are clicked less often.
    let plan = || prop_oneof![4 => Just(0_usize), 1 => 1..3_usize];
    prop::collection::vec(
        prop_oneof![
            12 => (who(), plan(), any::<bool>()).prop_map(|(who, plan, stepped_up)| Happening::Approve { who, plan, stepped_up }),
            1 => (who(), plan()).prop_map(|(who, plan)| Happening::Reject { who, plan }),
            5 => (who(), plan(), 0..3_usize)
                .prop_map(|(who, plan, safeguard)| Happening::Override { who, plan, safeguard }),
            2 => (1..20_i64).prop_map(Happening::Pass),
            1 => Just(Happening::Lapse),
            2 => (0..3_usize, prop_oneof![3 => Just(0_usize), 2 => 0..4_usize])
                .prop_map(|(world, failing)| Happening::Move { world, failing }),
            1 => who().prop_map(|who| Happening::Regroup { who }),
            1 => prop_oneof![20 => Just(Happening::Pass(0)), 1 => Just(Happening::Cancel), 1 => Just(Happening::End)],
        ],
        1..50,
    )
}

/// Somebody of each kind; the first asked for the run.
fn people() -> Vec<Person> {
    let odd = |user: &str, standing: Standing| Person { standing, ..member(user, &[APPROVERS, OVERRIDERS]) };
    let both = &[APPROVERS, OVERRIDERS];
    vec![
        alice(),
        bob(),
        carol(),
        member("U0DAVE", both),
        member("U0ERIN", both),
        member("U0OVER", &[OVERRIDERS]),
        member("U0OUT", &[]),
        odd("U0GUEST", Standing::Guest),
        odd("U0FAR", Standing::Stranger),
        odd("U0MIST", Standing::Unknown("it is slow".to_owned())),
        Person { actor: slack("U0BOB", "T2"), ..bob() },
        Person {
            groups: [APPROVERS, OVERRIDERS].map(|group| (group.to_owned(), silence())).into_iter().collect(),
            ..member("U0HAZE", both)
        },
    ]
}

/// Whether a person counts, said once more in other words than the policy's.
fn counts(person: &Person, group: &str) -> bool {
    let Actor::Slack { team, .. } = &person.actor else { return false };
    team == "T1" && person.standing == Standing::Member && person.groups.get(group) == Some(&Membership::In)
}

fn user(person: &Person) -> String {
    person.actor.to_string()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    /// The clicks are remembered beside the journal, and held against what the journal makes of them.
    #[test]
    fn no_sequence_of_clicks_approves_what_the_required_people_did_not(
        happenings in happenings(),
        needed in 1..4_u32,
        first in prop_oneof![3 => Just(0_usize), 2 => 0..4_usize],
        requester_may in any::<bool>(),
        steps_up in any::<bool>(),
    ) {
        let mut story = Story::of(enable(), needed);
        story.environment.approvals.step_up = if steps_up { StepUp::Totp } else { StepUp::None };
        story.environment.approvals.by_requester = if requester_may { vec!["enable".to_owned()] } else { vec![] };
        story.plans_anew(0, &failing(first));
        let (mut people, mut fails, mut asked_at) = (people(), failing(first), story.now);
        let mut approvals: Vec<(String, PlanDigest, Timestamp)> = Vec::new();
        let mut overrides: Vec<(&str, PlanDigest, Timestamp)> = Vec::new();
        for happening in happenings {
            let digest = |plan: usize| story.plans[story.plans.len().saturating_sub(plan + 1)].clone();
            match happening {
                Happening::Approve { who, plan, stepped_up } => {
                    let (person, digest) = (&people[who], digest(plan));
                    let eligible = counts(person, APPROVERS)
                        && (requester_may || user(person) != user(&alice()))
                        && (stepped_up || !steps_up);
                    if eligible {
                        approvals.push((user(person), digest.clone(), story.now));
                    }
                    let found = story.with(person, |decider| {
                        approve(&Decider { digest: &digest.0, stepped_up, ..decider.clone() }, None)
                    });
                    prop_assert!(found.is_err() || eligible);
                    found.unwrap_or_default().into_iter().for_each(|event| story.record(event));
                }
                Happening::Reject { who, plan } => {
                    let digest = digest(plan);
                    let found = story.with(&people[who], |decider| {
                        reject(&Decider { digest: &digest.0, ..decider.clone() }, "no")
                    });
                    found.unwrap_or_default().into_iter().for_each(|event| story.record(event));
                }
                Happening::Override { who, plan, safeguard } => {
                    let (person, digest, name) = (&people[who], digest(plan), SAFEGUARDS[safeguard]);
                    if counts(person, OVERRIDERS) && user(person) != user(&alice()) && name != "freeze" {
                        overrides.push((name, digest.clone(), story.now));
                    }
                    let found = story.with(person, |decider| {
                        override_safeguard(&Decider { digest: &digest.0, ..decider.clone() }, name, "known")
                    });
                    found.unwrap_or_default().into_iter().for_each(|event| story.record(event));
                }
                Happening::Pass(minutes) => story.now = story.now + SignedDuration::from_mins(minutes),
                Happening::Lapse if story.run.rounds.last().is_some_and(|round| story.now >= round.until) => {
                    story.record(Event::Lapsed { subject: Subject::Plan });
                }
                Happening::Lapse => {}
                Happening::Move { world, failing: set } => {
                    // The same world again is no move.
                    let before = story.clone();
                    story.plans_anew(world, &failing(set));
                    if story.plans.last() == before.plans.last() {
                        story = before;
                    } else {
                        (fails, asked_at) = (failing(set), story.now);
                        overrides.clear();
                        approvals.clear();
                    }
                }
                Happening::Regroup { who } => {
                    if let Some(membership) = people[who].groups.get_mut(APPROVERS) {
                        *membership = if *membership == Membership::In { Membership::Out } else { Membership::In };
                    }
                }
                Happening::Cancel => story.record(Event::CancelRequested { actor: alice().actor }),
                Happening::End => story.record(Event::Ended {
                    outcome: Outcome::Cancelled,
                    summary: String::new(),
                    rules: BTreeMap::new(),
                    next: vec![],
                }),
            }
            if !story.run.is_approved() {
                continue;
            }
            let digest = story.plans.last().unwrap();
            let in_time = |at: Timestamp| asked_at <= at && at < asked_at + EXPIRES;
            let overridden: BTreeSet<&str> = overrides
                .iter()
                .filter(|(_, plan, at)| plan == digest && in_time(*at))
                .map(|(name, ..)| *name)
                .collect();
            prop_assert!(fails.iter().all(|name| overridden.contains(name)), "{fails:?} block");
            let approvers: BTreeSet<&String> = approvals
                .iter()
                .filter(|(_, plan, at)| plan == digest && in_time(*at))
                .map(|(user, ..)| user)
                .collect();
            let wanted = needed as usize + usize::from(!fails.is_empty());
            prop_assert!(approvers.len() >= wanted, "{approvers:?}");
        }
    }

    #[test]
    fn nothing_keeps_a_full_member_from_clicking_a_rollback(
        held in 0..8_usize,
        steps_up in any::<bool>(),
        shared in any::<bool>(),
        known in any::<bool>(),
        minutes in 0..30_i64,
        who in 0..7_usize,
    ) {
        let mut story = Story::of(Command::Rollback { environment: "prod".to_owned() }, 1);
        story.plans_anew(0, &failing(held));
        story.environment.approvals.step_up = if steps_up { StepUp::Totp } else { StepUp::None };
        story.now = story.now + SignedDuration::from_mins(minutes);
        let membership = if known { Membership::In } else { silence() };
        let groups = Memberships::from([("S0RESPOND".to_owned(), membership)]);
        let person = Person { groups, ..people()[who].clone() };
        let found = story.with(&person, |decider| approve(&Decider { channel_is_shared: shared, ..decider.clone() }, None));
        prop_assert!(found.is_ok(), "{found:?}");
    }
}
