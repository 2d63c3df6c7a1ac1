//! What must hold for any journal: Slack's limits, and that nobody's words become markup.

use jiff::SignedDuration;
use proptest::prelude::*;
use serde_json::Value;

use super::super::blocks::{self, Button, Confirm, Draft, Style};
use super::super::markup::{Markup, length};
use super::super::{
    EnvironmentStatus, ViewContext, Who, approved, card, contacts, escalated, held, hold_lifted, hold_placed, home,
    journals, notices, objected, overridden, paused, preview, refusal, rejected, resumed, retrying, runs_list, show,
    skip_asked, stale_click, status, terminal, thread, whoami,
};
use crate::domain::*;
use crate::slack::message::Message;

/// What Slack refuses, checked from its documentation's side.
fn within_limits(message: &Message) {
    assert!(length(&message.text) <= 3900, "text of {}", length(&message.text));
    assert!(!message.text.is_empty());
    assert!(message.blocks.len() <= 50, "{} blocks", message.blocks.len());
    assert!(message.blocks.iter().filter(|block| block["type"] == "table").count() <= 1);
    message.blocks.iter().for_each(block_within_limits);
}

fn block_within_limits(block: &Value) {
    let long = |value: &Value, limit: usize| {
        let text = value["text"].as_str().unwrap();
        assert!((1..=limit).contains(&length(text)), "{} of {limit}: {text}", length(text));
    };
    match block["type"].as_str().unwrap() {
        "header" => long(&block["text"], 150),
        "section" => long(&block["text"], 3000),
        "context" => {
            let elements = block["elements"].as_array().unwrap();
            assert!((1..=10).contains(&elements.len()));
            elements.iter().for_each(|element| long(element, 3000));
        }
        "actions" => {
            let elements = block["elements"].as_array().unwrap();
            assert!((1..=25).contains(&elements.len()));
            for button in elements {
                long(&button["text"], 75);
                assert!(length(button["value"].as_str().unwrap()) <= 2000);
                if let Some(confirm) = button.get("confirm") {
                    long(&confirm["title"], 100);
                    long(&confirm["text"], 300);
                    long(&confirm["confirm"], 30);
                    long(&confirm["deny"], 30);
                }
            }
        }
        "table" => {
            let rows = block["rows"].as_array().unwrap();
            assert!((1..=100).contains(&rows.len()));
            assert!(block["column_settings"].as_array().unwrap().len() <= 20);
            let mut all = 0;
            for row in rows {
                let row = row.as_array().unwrap();
                assert!((1..=20).contains(&row.len()));
                row.iter().for_each(|cell| long(cell, 10_000));
                all += row.iter().map(|cell| length(cell["text"].as_str().unwrap())).sum::<usize>();
            }
            assert!(all <= 10_000, "{all} characters in the table");
        }
        "divider" => {}
        other => panic!("unknown block {other}"),
    }
}

/// Every `<…>` that Slack would act upon, of all mrkdwn of a message.
fn sequences(message: &Message) -> Vec<String> {
    let mut texts = vec![message.text.clone()];
    let mut stack: Vec<&Value> = message.blocks.iter().collect();
    while let Some(value) = stack.pop() {
        match value {
            Value::Object(object) if object.get("type").is_some_and(|kind| kind == "mrkdwn") => {
                assert_eq!(object["verbatim"], true);
                texts.push(object["text"].as_str().unwrap().to_owned());
            }
            Value::Object(object) => stack.extend(object.values()),
            Value::Array(array) => stack.extend(array),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut found = Vec::new();
    for text in texts {
        let mut rest = text.as_str();
        while let Some(from) = rest.find('<') {
            let until = from + rest[from..].find('>').expect("a < that is not closed");
            found.push(rest[from..=until].to_owned());
            rest = &rest[until + 1..];
        }
        assert!(!rest.contains('>'), "a stray > in {rest:?}");
    }
    found
}

/// The sequences that are ours: times, the two people of the stories, and the links to the dashboard and the run.
fn is_ours(sequence: &str) -> bool {
    let date =
        sequence.strip_prefix("<!date^").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit() || c == '-'));
    let known = [
        "<@U0ALICE>",
        "<@U0BOB>",
        "<@U0CAROL>",
        "<!subteam^S0APPROVERS>",
        "<!subteam^S0LEADS>",
        "<!subteam^S0ONCALL>",
        "<#C0OPS>",
        "<https://example.com/dash|dashboard>",
        "<https://example.com/p1|Look at the run>",
    ];
    date || known.contains(&sequence)
}

/// A journal in which every text is `evil` and every list is `many` long.
fn hostile(evil: &str, many: usize, ending: u8) -> Vec<Recorded> {
    let e = || evil.to_owned();
    let rule = |n: usize| Rule { name: format!("{evil}{n}"), rule: e() };
    let lasting = SignedDuration::from_mins(2);
    let step = |n: usize| {
        let kind = match n % 3 {
            0 => StepKind::SetRule { rule: rule(n), bus: e(), from: RuleState::Disabled, to: RuleState::Enabled },
            1 => StepKind::Watch { rule: rule(n), lasting, poll: lasting, also: Vec::new() },
            _ => StepKind::Gate { rule: rule(n), settle: lasting, on_inconclusive: OnInconclusive::Ask },
        };
        Step { id: StepId(n.to_string()), kind, undo: Some(RuleState::Disabled), needs_person: true }
    };
    let check = |n: usize| Check {
        name: "traffic".to_owned(),
        title: e(),
        verdict: [Verdict::Pass, Verdict::Inconclusive, Verdict::Unknown, Verdict::Fail][n % 4],
        value: e(),
        limit: e(),
        reason: e(),
        evidence: Evidence { query: format!("{evil}{n}"), from: Some(journals::start()), ..Evidence::default() },
    };
    let plan = Plan {
        version: PLAN_VERSION,
        command: Command::Verify { environment: e() },
        environment: e(),
        steps: (0..many)
            .map(step)
            .chain([Step { id: StepId("list".to_owned()), kind: StepKind::Checklist, undo: None, needs_person: false }])
            .collect(),
        on_gate_failure: OnGateFailure::Disable,
        approval: None,
        world: None,
        notify: Vec::new(),
    };
    let version = Version { label: Some(e()), artefact: e(), template: e() };
    let approved = Plan {
        approval: Some(PlannedApproval { needed: 2, expires: lasting }),
        world: Some(World { alarms: vec![e(); many], version: Some(version), ..World::default() }),
        notify: vec![Destination::Slack(e()), Destination::Topic(e())],
        steps: [Step {
            id: StepId("notify".to_owned()),
            kind: StepKind::Notify { patience: lasting },
            undo: None,
            needs_person: false,
        }]
        .into_iter()
        .chain(plan.steps.clone())
        .collect(),
        ..plan.clone()
    };
    let safeguards: Vec<Check> = (0..many).map(|n| Check { name: format!("{evil}{n}"), ..check(n) }).collect();
    let alarm = || AlarmStatus { state: AlarmState::Alarm, reason: e(), since: None };
    let facts = Facts {
        rules: (0..many)
            .map(|n| (format!("{evil}{n}"), RuleFact { state: RuleState::Enabled, managed_by: None, targets: vec![] }))
            .collect(),
        dlqs: (0..many).map(|n| (format!("{evil}{n}"), DlqDepth::default())).collect(),
        alarms: (0..many).map(|n| (format!("{evil}{n}"), alarm())).collect(),
        before_rollback: Some((RunId(3), [(e(), RuleState::Enabled)].into())),
        notes: vec![e(); many],
        ..Facts::default()
    };
    let change = Change {
        from: RuleState::Disabled,
        to: RuleState::Enabled,
        changed: true,
        request_ids: vec![e()],
        elapsed_ms: u64::MAX,
    };
    let checks: Vec<Check> = (0..many).map(check).collect();
    let odd = || Actor::Slack { user: e(), team: e() };
    let outcome = |n: usize| RuleOutcome {
        rule: rule(n),
        before: None,
        after: [None, Some(RuleState::Enabled)][n % 2],
        attempts: 9,
        elapsed_ms: u64::MAX,
        error: Some(e()),
    };
    let place = SlackPlace { channel: e(), thread_ts: None };
    let mut events = vec![
        Event::Requested {
            command: Command::Enable { rules: Selection::One(e()), environment: e() },
            text: e(),
            actor: odd(),
            environment: e(),
            origin: Origin::Slack(place),
            queue: true,
            notes: vec![e(); many],
        },
        Event::Observed { facts },
        Event::Planned { digest: PlanDigest(e()), plan },
        Event::Troubled {
            step: Some(journals::id("enable:signal-generated")),
            problem: e(),
            retry_at: journals::start() + lasting,
            gives_up_at: Some(journals::start() + lasting),
        },
    ];
    let digest = || PlanDigest(e());
    let approval = |subject: Subject| Event::ApprovalAsked {
        subject,
        digest: digest(),
        needed: 3,
        until: journals::start() + lasting,
    };
    let approve = |subject: Subject, actor: Actor| Event::Approved {
        subject,
        digest: digest(),
        actor,
        note: Some(e()),
        stepped_up: true,
    };
    let step_id = || StepId("0".to_owned());
    events.extend([
        Event::Drifted { differences: vec![e(); many] },
        Event::Safeguarded { checks: safeguards },
        Event::Planned { digest: digest(), plan: approved },
        approval(Subject::Plan),
        Event::Overridden { safeguard: format!("{evil}3"), digest: digest(), actor: odd(), reason: e() },
        Event::Reminded { subject: Subject::Plan },
        Event::Escalated { actor: odd(), contact: e(), reason: e() },
        approve(Subject::Plan, odd()),
        approve(Subject::Plan, Actor::Terminal { user: e() }),
        approval(Subject::Step(step_id())),
        approve(Subject::Step(step_id()), odd()),
        Event::Rejected { subject: Subject::Step(step_id()), digest: digest(), actor: odd(), reason: e() },
        Event::SkipRequested { step: step_id(), actor: odd(), reason: e() },
        approval(Subject::Skip(step_id())),
        Event::Lapsed { subject: Subject::Skip(step_id()) },
        Event::Paused { actor: odd(), reason: Some(e()), objection: ending > 1 },
        Event::Resumed { actor: odd() },
        Event::Paused { actor: odd(), reason: Some(e()), objection: false },
        Event::Cleared { digest: digest() },
        Event::Delivered { moment: Moment::Before, to: Destination::Slack(e()), receipt: e() },
        Event::Undelivered { moment: Moment::Before, to: Destination::Topic(e()), problem: e() },
        Event::Held { hold: hold(evil) },
        Event::Released { hold: HoldKind::Lock },
    ]);
    for n in 0..many.min(5) {
        let step = StepId(n.to_string());
        events.push(Event::Started { step: step.clone() });
        events.push(Event::Checked { step: step.clone(), checks: checks.clone() });
        events.push(Event::Applied { step: step.clone(), change: change.clone() });
        events.push(Event::Asked { step: step.clone(), question: e(), until: journals::start() });
        if n % 2 == 0 {
            events.push(Event::Answered {
                step: step.clone(),
                answer: Answer::WaitOn,
                actor: Actor::Terminal { user: e() },
            });
        }
        let status = [StepStatus::Failed, StepStatus::Done, StepStatus::Inconclusive, StepStatus::Unknown][n % 4];
        events.push(Event::Finished { step, status, summary: e() });
    }
    let list = StepId("list".to_owned());
    events.push(Event::Checked { step: list.clone(), checks });
    events.push(Event::Finished { step: list, status: StepStatus::Failed, summary: e() });
    events.push(Event::CancelRequested { actor: odd() });
    if ending > 0 {
        events.push(Event::Undoing { reason: e() });
        events.push(Event::Undone { step: StepId("0".to_owned()), change });
    }
    if ending > 1 {
        events.push(Event::RulesDisabled { rules: (0..many).map(outcome).collect(), elapsed_ms: 1, verified: false });
    }
    if ending > 2 {
        events.push(Event::Ended {
            outcome: Outcome::Failed,
            summary: e(),
            rules: (0..many).map(|n| (format!("{evil}{n}"), RuleState::Enabled)).collect(),
            next: vec![e(); many],
        });
    }
    (1..)
        .zip(events)
        .map(|(seq, event)| Recorded { run: RunId(12), seq, at: journals::start(), event, hash: e() })
        .collect()
}

fn hold(evil: &str) -> Hold {
    let by = Actor::Slack { user: evil.to_owned(), team: evil.to_owned() };
    let (since, reason) = (journals::start(), evil.to_owned());
    Hold { kind: HoldKind::Freeze, run: RunId(12), by, reason, since, until: None }
}

/// Everything that can be said of a journal.
fn everything(journal: &[Recorded], evil: &str) -> Vec<Message> {
    let run = Run::from_journal(journal).unwrap();
    let now = journals::start() + SignedDuration::from_secs(30);
    let runs = vec![run.clone(); 16];
    let state = EnvironmentStatus {
        name: evil.to_owned(),
        place: evil.to_owned(),
        rules: vec![(evil.to_owned(), None); 60],
        alarms: run.facts.clone().map(|(_, facts)| facts.alarms).unwrap_or_default(),
        holds: vec![hold(evil); 9],
        holder: Some(run.clone()),
        queued: vec![run.clone(); 6],
        last: Some(run.clone()),
        notes: vec![evil.to_owned(); 60],
        dashboard_url: Some(evil.to_owned()),
        ..EnvironmentStatus::default()
    };
    let home_blocks = home(&vec![state.clone(); 13], &runs, now)["blocks"].as_array().unwrap().clone();
    let who = Who {
        actor: run.actor.clone(),
        roles: vec![evil.to_owned(); 50],
        may: vec![evil.to_owned(); 50],
        may_not: vec![evil.to_owned(); 50],
        second_factor: Some(evil.to_owned()),
    };
    let mut messages = vec![
        Message { text: "home".to_owned(), blocks: home_blocks },
        status(&vec![state; 8], now),
        runs_list(&runs, now),
        show(&run, journal, now),
        whoami(&who),
        held(&run, Some(evil), &run.command),
        held(&run, Some("https://example.com/p1"), &run.command),
        refusal(evil),
        stale_click(&run),
        rejected(&run),
        overridden(&run, evil),
        paused(&run),
        objected(&run),
        resumed(&run),
        retrying(&run),
        skip_asked(&run, true),
        escalated(&run, evil),
        hold_placed(&hold(evil), evil),
        hold_lifted(HoldKind::Lock, evil),
        contacts(Some(evil), Some(evil)),
    ];
    messages.extend(run.rounds.iter().map(|round| approved(&run, round)));
    journals::in_context(|base| {
        let mut environments = base.environments.clone();
        let mut odd = environments["dev"].clone();
        odd.dashboard_url =
            Some(if evil.len().is_multiple_of(2) { evil.to_owned() } else { "https://example.com/dash".to_owned() });
        odd.region = evil.to_owned();
        odd.roles.approver = vec![Principal(evil.to_owned()); 9];
        odd.approvals.overriders = vec![Principal(evil.to_owned()); 9];
        environments.insert(evil.to_owned(), odd);
        let context = ViewContext { environments: &environments, contacts: (evil, evil), command_word: evil, ..*base };
        messages.push(card(&run, &context, now));
        // At each moment: what is live says something else later.
        for length in [journal.len() / 3, journal.len() / 2, journal.len()] {
            messages.extend(thread(&journal[..length], &context).into_iter().map(|told| told.message));
            let run = Run::from_journal(&journal[..length.max(1)]).unwrap();
            messages.push(card(&run, &context, now));
        }
        messages.extend(notices(journal, &context).into_iter().map(|notice| notice.message));
        if let (Some((plan, digest)), Some((_, facts))) = (&run.plan, &run.facts) {
            messages.push(preview(plan, digest, &run.safeguards, facts, &context));
        }
    });
    messages
}

#[test]
fn every_story_stays_within_slacks_limits() {
    for story in journals::all().into_values() {
        everything(&story.journal, "dev").iter().for_each(within_limits);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_hugest_journal_stays_within_slacks_limits(
        piece in "[a-z<&🛑é ]{1,12}", times in 0_usize..150, many in 0_usize..110, ending in 0_u8..4,
    ) {
        let evil = piece.repeat(times);
        everything(&hostile(&evil, many, ending), &evil).iter().for_each(within_limits);
    }

    #[test]
    fn nobodys_words_become_a_mention_or_a_link(
        evil in "(<!channel>|<!here\\|x>|<@U0EVIL>|<#C1>|<https://e\\.vil\\|x>|<!subteam\\^S1>|https://e\\.vil|<|>|&lt;|&|`|\\*|\\||\n|a|😈| ){1,8}",
        many in 0_usize..8, ending in 0_u8..4,
    ) {
        // An address that is nothing but an address may be linked where an address belongs.
        prop_assume!(!evil.starts_with("https://") || evil.contains(['<', '>', '|', '`', ' ', '\n']));
        let journal = hostile(&evil, many, ending);
        for message in everything(&journal, &evil) {
            for sequence in sequences(&message) {
                prop_assert!(is_ours(&sequence), "{}", sequence);
            }
        }
        let mut run = Run::from_journal(&journal[..1]).unwrap();
        for recorded in &journal {
            run.apply(recorded);
            prop_assert!(!terminal(recorded, &run).contains(char::is_control));
        }
    }

    #[test]
    fn a_thread_only_grows_in_whatever_order_things_happen(
        order in Just((1_usize..70).collect::<Vec<_>>()).prop_shuffle(), cut in 0_usize..65,
    ) {
        let told = hostile("dev", 6, 3);
        let shuffled = order.into_iter().filter_map(|at| told.get(at));
        let journal: Vec<Recorded> = (1..)
            .zip(told.first().into_iter().chain(shuffled))
            .map(|(seq, recorded)| Recorded { seq, ..recorded.clone() })
            .collect();
        let cut = cut.min(journal.len());
        journals::in_context(|context| {
            let whole = thread(&journal, context);
            let part = thread(&journal[..cut], context);
            super::grows(&part, &whole);
            let calls = journal.iter().filter(|told| matches!(told.event, Event::Escalated { .. })).count();
            prop_assert!(whole.iter().filter(|told| told.broadcast).count() <= 1 + calls);
            Ok(())
        })?;
    }

    #[test]
    fn a_draft_keeps_to_the_limits_whatever_is_put_in(
        text in "[<&a🛑\n]{0,60}", times in 0_usize..120, rows in 0_usize..150, columns in 0_usize..25,
    ) {
        let long = text.repeat(times);
        let mut draft = Draft::new();
        draft.section(Markup::from("so that it is never empty"));
        draft.header(&long);
        draft.lines((0..rows).map(|_| Markup::prose(&long)));
        let row = vec![long.clone(); columns.max(1)];
        draft.table(&["Head"; 1], vec![row.clone(); rows], vec![Markup::from(&long); rows]);
        draft.table(&["Head"; 1], vec![row; rows], vec![Markup::from(&long); rows]);
        let confirm = Confirm { title: long.clone(), text: long.clone(), yes: "Yes", no: "No" };
        let button = Button { label: long.clone(), action: "a", value: long.clone(), style: Style::Danger, confirm: Some(confirm) };
        draft.buttons(vec![button; rows], Markup::from(&long));
        draft.context(Markup::from(&long));
        within_limits(&draft.finish());
    }
}

#[test]
fn what_does_not_fit_is_said_to_be_left_out() {
    let mut draft = Draft::new();
    (0..60).for_each(|_| draft.section(Markup::from("x")));
    let message = draft.finish();
    assert_eq!(message.blocks.len(), blocks::MAX_BLOCKS);
    assert_eq!(message.blocks[49]["elements"][0]["text"], "… there is more than fits here");
}
