//! Journals as runs write them, told by hand for the tests of the views.

mod production;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::ViewContext;
use crate::domain::*;
pub use production::*;

/// A journal that is being told. Time moves only by [`Story::after`].
#[derive(Clone)]
pub struct Story {
    pub journal: Vec<Recorded>,
    now: Timestamp,
}

pub fn start() -> Timestamp {
    "2026-11-23T14:30:00Z".parse().unwrap()
}

impl Story {
    pub fn of(command: Command) -> Self {
        Self { journal: Vec::new(), now: start() }.then(Event::Requested {
            text: command.text(),
            environment: command.environment().unwrap().to_owned(),
            command,
            actor: alice(),
            origin: Origin::Slack(SlackPlace { channel: "C0PLATFORM".to_owned(), thread_ts: None }),
            queue: false,
            notes: Vec::new(),
        })
    }

    pub fn after(mut self, seconds: i64) -> Self {
        self.now += SignedDuration::from_secs(seconds);
        self
    }

    pub fn then(mut self, event: Event) -> Self {
        let seq = self.journal.len() as i64 + 1;
        self.journal.push(Recorded { run: RunId(12), seq, at: self.now, event, hash: format!("{seq:064}") });
        self
    }

    pub fn planned(self, steps: Vec<Step>, on_gate_failure: OnGateFailure) -> Self {
        let Event::Requested { command, environment, .. } = self.journal[0].event.clone() else { unreachable!() };
        let plan = Plan {
            version: PLAN_VERSION,
            command,
            environment,
            steps,
            on_gate_failure,
            approval: None,
            world: None,
            notify: Vec::new(),
        };
        let digest = plan.digest();
        self.then(Event::Planned { plan, digest })
    }

    pub fn started(self, step: &str) -> Self {
        self.then(Event::Started { step: id(step) })
    }

    pub fn applied(self, step: &str, from: RuleState, to: RuleState) -> Self {
        self.then(Event::Applied { step: id(step), change: change(from, to) })
    }

    pub fn checked(self, step: &str, checks: Vec<Check>) -> Self {
        self.then(Event::Checked { step: id(step), checks })
    }

    pub fn finished(self, step: &str, status: StepStatus, summary: &str) -> Self {
        self.then(Event::Finished { step: id(step), status, summary: summary.to_owned() })
    }

    pub fn ended(self, outcome: Outcome, summary: &str, rules: &[(&str, RuleState)], next: &[&str]) -> Self {
        self.then(Event::Ended {
            outcome,
            summary: summary.to_owned(),
            rules: rules.iter().map(|(name, state)| ((*name).to_owned(), *state)).collect(),
            next: next.iter().map(|text| (*text).to_owned()).collect(),
        })
    }

    /// Enabled, watched, and as far as the gate's checks.
    fn enabled_and_watched(self, rule: &str, checks: Vec<Check>) -> Self {
        let (set, watch, gate) = (format!("enable:{rule}"), format!("watch:{rule}"), format!("gate:{rule}"));
        self.started(&set)
            .applied(&set, RuleState::Disabled, RuleState::Enabled)
            .finished(&set, StepStatus::Done, "")
            .started(&watch)
            .after(15)
            .checked(&watch, traffic(rule, "1", "0"))
            .after(105)
            .finished(&watch, StepStatus::Done, "")
            .started(&gate)
            .after(60)
            .checked(&gate, checks)
    }

    pub fn run(&self) -> Run {
        Run::from_journal(&self.journal).unwrap()
    }
}

pub fn id(step: &str) -> StepId {
    StepId(step.to_owned())
}

pub fn alice() -> Actor {
    Actor::Slack { user: "U0ALICE".to_owned(), team: "T0HOME".to_owned() }
}

pub fn bob() -> Actor {
    Actor::Slack { user: "U0BOB".to_owned(), team: "T0HOME".to_owned() }
}

pub fn rule(name: &str) -> Rule {
    Rule { name: name.to_owned(), rule: format!("alchemiser-{name}-dev") }
}

pub const RULES: [&str; 4] = ["signal-generated", "rebalance-planned", "trade-executed", "all-events-monitor"];

pub fn enable(rules: Selection) -> Command {
    Command::Enable { rules, environment: "dev".to_owned() }
}

fn enable_first() -> Command {
    enable(Selection::One("signal-generated".to_owned()))
}

fn change(from: RuleState, to: RuleState) -> Change {
    Change { from, to, changed: from != to, request_ids: vec!["req-1".to_owned()], elapsed_ms: 212 }
}

pub fn steps(name: &str, from: RuleState, on_inconclusive: OnInconclusive) -> Vec<Step> {
    let bus = "alchemiser-trading-events-dev".to_owned();
    let set = StepKind::SetRule { rule: rule(name), bus, from, to: RuleState::Enabled };
    let lasting = SignedDuration::from_mins(2);
    let watch = StepKind::Watch { rule: rule(name), lasting, poll: SignedDuration::from_secs(15), also: Vec::new() };
    let gate = StepKind::Gate { rule: rule(name), settle: SignedDuration::from_mins(1), on_inconclusive };
    let undo = (!from.is_enabled()).then_some(RuleState::Disabled);
    [("enable", set, undo), ("watch", watch, None), ("gate", gate, None)]
        .into_iter()
        .map(|(word, kind, undo)| Step { id: id(&format!("{word}:{name}")), kind, undo, needs_person: false })
        .collect()
}

fn off_to_on(name: &str) -> Vec<Step> {
    steps(name, RuleState::Disabled, OnInconclusive::Finish)
}

fn facts(enabled: &[&str]) -> Event {
    let fact = |name: &&str| {
        let state = if enabled.contains(name) { RuleState::Enabled } else { RuleState::Disabled };
        ((*name).to_owned(), RuleFact { state, managed_by: None, targets: Vec::new() })
    };
    let alarm = |state| AlarmStatus { state, reason: String::new(), since: None };
    let facts = Facts {
        rules: RULES.iter().map(fact).collect(),
        dlqs: [("alchemiser-event-dlq-dev".to_owned(), DlqDepth { visible: 2, in_flight: 0, delayed: 1 })].into(),
        alarms: [
            ("alchemiser-dlq-depth-dev".to_owned(), alarm(AlarmState::Ok)),
            ("alchemiser-lambda-errors-dev".to_owned(), alarm(AlarmState::InsufficientData)),
        ]
        .into(),
        ..Facts::default()
    };
    Event::Observed { facts }
}

pub fn check(name: &str, title: &str, verdict: Verdict, value: &str, limit: &str, reason: &str) -> Check {
    Check {
        name: name.to_owned(),
        title: title.to_owned(),
        verdict,
        value: value.to_owned(),
        limit: limit.to_owned(),
        reason: reason.to_owned(),
        evidence: Evidence::default(),
    }
}

/// A gate's checks with so many invocations and failures.
pub fn traffic(rule: &str, invocations: &str, failures: &str) -> Vec<Check> {
    let failed = if failures == "0" { Verdict::Pass } else { Verdict::Fail };
    let quiet = if invocations == "0" { Verdict::Inconclusive } else { Verdict::Pass };
    let mend = if failures == "0" { "" } else { "The target refuses events. Look at the function's log and the DLQ." };
    let no_traffic = if invocations == "0" { "No event matched since the rule was enabled." } else { "" };
    let mut checks = vec![
        check("failed-invocations", &format!("Failed invocations of {rule}"), failed, failures, "0", mend),
        check("traffic", &format!("Invocations of {rule}"), quiet, invocations, "at least 1", no_traffic),
        check("dlq", "Messages in the DLQ", Verdict::Pass, "3 → 3", "3", ""),
    ];
    for (check, metric) in checks.iter_mut().zip(["FailedInvocations", "Invocations"]) {
        check.evidence.from = Some(start());
        check.evidence.until = Some(start() + SignedDuration::from_secs(182));
        check.evidence.query = format!(
            "GetMetricData AWS/Events {metric} {{EventBusName=alchemiser-trading-events-dev, RuleName=alchemiser-{rule}-dev}} Sum 60 s"
        );
    }
    checks
}

fn begun(command: Command, steps: Vec<Step>, on_gate_failure: OnGateFailure) -> Story {
    Story::of(command).then(facts(&[])).planned(steps, on_gate_failure).then(Event::Locked).after(2)
}

const ON: RuleState = RuleState::Enabled;
const OFF: RuleState = RuleState::Disabled;

pub fn healthy() -> Story {
    begun(enable_first(), off_to_on("signal-generated"), OnGateFailure::Hold)
        .enabled_and_watched("signal-generated", traffic("signal-generated", "4", "0"))
        .finished("gate:signal-generated", StepStatus::Done, "all checks pass")
        .ended(
            Outcome::Succeeded,
            "signal-generated is enabled and healthy.",
            &[("signal-generated", ON), ("rebalance-planned", OFF)],
            &["disable signal-generated dev", "enable rebalance-planned dev"],
        )
}

pub fn already_enabled() -> Story {
    let steps = steps("signal-generated", ON, OnInconclusive::Finish);
    Story::of(enable_first())
        .then(facts(&["signal-generated"]))
        .planned(steps, OnGateFailure::Hold)
        .then(Event::Locked)
        .started("enable:signal-generated")
        .applied("enable:signal-generated", ON, ON)
        .finished("enable:signal-generated", StepStatus::Already, "")
        .started("watch:signal-generated")
        .finished("watch:signal-generated", StepStatus::Already, "")
        .started("gate:signal-generated")
        .after(5)
        .checked("gate:signal-generated", traffic("signal-generated", "40", "0"))
        .finished("gate:signal-generated", StepStatus::Done, "")
        .ended(
            Outcome::Succeeded,
            "signal-generated was enabled already, and is healthy.",
            &[("signal-generated", ON)],
            &[],
        )
}

pub fn no_traffic() -> Story {
    begun(enable_first(), off_to_on("signal-generated"), OnGateFailure::Hold)
        .enabled_and_watched("signal-generated", traffic("signal-generated", "0", "0"))
        .finished("gate:signal-generated", StepStatus::Inconclusive, "")
        .ended(
            Outcome::Unproven,
            "signal-generated is enabled, not yet proven: no traffic seen.",
            &[("signal-generated", ON)],
            &["verify dev", "disable signal-generated dev"],
        )
}

pub fn gate_fails_and_holds() -> Story {
    begun(enable_first(), off_to_on("signal-generated"), OnGateFailure::Hold)
        .enabled_and_watched("signal-generated", traffic("signal-generated", "4", "3"))
        .finished("gate:signal-generated", StepStatus::Failed, "3 invocations failed, 0 are allowed.")
        .ended(
            Outcome::Failed,
            "The gate of signal-generated failed. The rule stays enabled for you to look at.",
            &[("signal-generated", ON)],
            &["disable signal-generated dev", "rollback dev"],
        )
}

pub fn gate_fails_and_undoes() -> Story {
    begun(enable_first(), off_to_on("signal-generated"), OnGateFailure::Disable)
        .enabled_and_watched("signal-generated", traffic("signal-generated", "4", "3"))
        .finished("gate:signal-generated", StepStatus::Failed, "3 invocations failed, 0 are allowed.")
        .then(Event::Undoing { reason: "the gate of signal-generated failed".to_owned() })
        .then(Event::Undone { step: id("enable:signal-generated"), change: change(ON, OFF) })
        .ended(
            Outcome::Failed,
            "The gate failed; signal-generated is disabled again.",
            &[("signal-generated", OFF)],
            &[],
        )
}

pub fn fails_while_watched() -> Story {
    begun(enable_first(), off_to_on("signal-generated"), OnGateFailure::Hold)
        .started("enable:signal-generated")
        .applied("enable:signal-generated", OFF, ON)
        .finished("enable:signal-generated", StepStatus::Done, "")
        .started("watch:signal-generated")
        .after(30)
        .checked("watch:signal-generated", traffic("signal-generated", "2", "1"))
        .finished("watch:signal-generated", StepStatus::Failed, "1 invocation failed within 30 s.")
        .ended(Outcome::Failed, "signal-generated failed early.", &[("signal-generated", ON)], &["rollback dev"])
}

pub fn all_stops_at_the_second() -> Story {
    let plan = RULES.iter().flat_map(|name| off_to_on(name)).collect();
    begun(enable(Selection::All), plan, OnGateFailure::Hold)
        .enabled_and_watched("signal-generated", traffic("signal-generated", "4", "0"))
        .finished("gate:signal-generated", StepStatus::Done, "")
        .enabled_and_watched("rebalance-planned", traffic("rebalance-planned", "2", "2"))
        .finished("gate:rebalance-planned", StepStatus::Failed, "2 invocations failed, 0 are allowed.")
        .ended(
            Outcome::Failed,
            "Stopped at rebalance-planned. trade-executed and all-events-monitor were not touched.",
            &[("signal-generated", ON), ("rebalance-planned", ON), ("trade-executed", OFF)],
            &["disable rebalance-planned dev"],
        )
}

pub fn cancelled() -> Story {
    begun(enable_first(), off_to_on("signal-generated"), OnGateFailure::Hold)
        .started("enable:signal-generated")
        .applied("enable:signal-generated", OFF, ON)
        .finished("enable:signal-generated", StepStatus::Done, "")
        .started("watch:signal-generated")
        .after(40)
        .checked("watch:signal-generated", traffic("signal-generated", "3", "0"))
        .then(Event::CancelRequested { actor: bob() })
        .then(Event::CancelRequested { actor: alice() })
        .ended(
            Outcome::Cancelled,
            "Stopped while watching signal-generated, which stays enabled and is not proven.",
            &[("signal-generated", ON)],
            &["disable signal-generated dev"],
        )
        .then(Event::CancelRequested { actor: bob() })
}

pub fn preempted() -> Story {
    begun(enable_first(), off_to_on("signal-generated"), OnGateFailure::Hold)
        .started("enable:signal-generated")
        .applied("enable:signal-generated", OFF, ON)
        .finished("enable:signal-generated", StepStatus::Done, "")
        .started("watch:signal-generated")
        .after(20)
        .then(Event::Preempted { by: RunId(13) })
        .ended(Outcome::Preempted, "Rollback R-13 goes first.", &[("signal-generated", ON)], &[])
}

pub fn cannot_be_asked() -> Story {
    let mut checks = traffic("signal-generated", "4", "0");
    for check in &mut checks[..2] {
        check.verdict = Verdict::Unknown;
        check.value.clear();
        check.reason = "CloudWatch gave no answer for 2 min. Ask again when it does.".to_owned();
    }
    begun(enable_first(), off_to_on("signal-generated"), OnGateFailure::Hold)
        .enabled_and_watched("signal-generated", checks)
        .finished("gate:signal-generated", StepStatus::Unknown, "The metrics could not be read.")
        .ended(Outcome::Failed, "Not known whether signal-generated is well.", &[("signal-generated", ON)], &[])
}

fn rollback(failing: Option<&str>) -> Story {
    let rules: Vec<Rule> = RULES.iter().map(|name| rule(name)).collect();
    let kind = StepKind::DisableAll { rules: rules.clone(), bus: "alchemiser-trading-events-dev".to_owned() };
    let step = Step { id: id("disable-all"), kind, undo: None, needs_person: false };
    let outcomes = rules
        .into_iter()
        .map(|rule| {
            let fails = failing == Some(rule.name.as_str());
            RuleOutcome {
                before: Some(ON),
                after: Some(if fails { ON } else { OFF }),
                attempts: if fails { 8 } else { 1 },
                elapsed_ms: if fails { 9400 } else { 310 },
                error: fails.then(|| "AWS throttles DisableRule".to_owned()),
                rule,
            }
        })
        .collect();
    let elapsed_ms = if failing.is_some() { 9600 } else { 812 };
    Story::of(Command::Rollback { environment: "dev".to_owned() })
        .planned(vec![step], OnGateFailure::Hold)
        .started("disable-all")
        .after(1)
        .then(Event::RulesDisabled { rules: outcomes, elapsed_ms, verified: failing.is_none() })
}

pub fn rolled_back() -> Story {
    rollback(None).finished("disable-all", StepStatus::Done, "").ended(
        Outcome::Succeeded,
        "All 4 rules of dev are off, verified in 0.8 s.",
        &RULES.map(|name| (name, OFF)),
        &["restore dev"],
    )
}

pub fn rollback_fails() -> Story {
    rollback(Some("trade-executed")).finished("disable-all", StepStatus::Failed, "1 rule is still on").ended(
        Outcome::Failed,
        "trade-executed is still enabled. Disable it by hand now.",
        &[("trade-executed", ON), ("signal-generated", OFF)],
        &["rollback dev"],
    )
}

pub fn verified_with_bad_ttl() -> Story {
    let step = Step { id: id("checklist"), kind: StepKind::Checklist, undo: None, needs_person: false };
    let mend = "TTL is off. Turn it on: aws dynamodb update-time-to-live …";
    let checks = vec![
        check("bus", "Event bus", Verdict::Pass, "there", "there", ""),
        check("rules", "Rules", Verdict::Pass, "4 of 4 enabled", "4 enabled", ""),
        check("ttl", "TTL of the table", Verdict::Fail, "DISABLED", "ENABLED on expires_at", mend),
        check("alarms", "Alarms", Verdict::Unknown, "", "all OK", "AccessDenied: allow cloudwatch:DescribeAlarms."),
    ];
    Story::of(Command::Verify { environment: "dev".to_owned() })
        .planned(vec![step], OnGateFailure::Hold)
        .started("checklist")
        .after(1)
        .checked("checklist", checks)
        .finished("checklist", StepStatus::Failed, "1 item fails, 1 could not be asked.")
        .ended(Outcome::Failed, "dev is not as it should be: TTL of the table.", &[], &["verify dev"])
}

pub fn queued() -> Story {
    Story::of(enable_first())
        .then(facts(&[]))
        .planned(off_to_on("signal-generated"), OnGateFailure::Hold)
        .then(Event::Waiting { holder: RunId(11) })
        .after(300)
        .then(Event::Locked)
        .then(facts(&["rebalance-planned"]))
        .planned(off_to_on("signal-generated"), OnGateFailure::Hold)
}

pub fn asked_and_answered() -> Story {
    let plan = steps("signal-generated", OFF, OnInconclusive::Ask);
    let gate = || id("gate:signal-generated");
    let until = start() + SignedDuration::from_hours(4);
    begun(enable_first(), plan, OnGateFailure::Disable)
        .enabled_and_watched("signal-generated", traffic("signal-generated", "0", "0"))
        .then(Event::Asked {
            step: gate(),
            question: "No traffic in 2 min. Wait on, continue or undo?".to_owned(),
            until,
        })
        .after(60)
        .then(Event::Answered { step: gate(), answer: Answer::WaitOn, actor: bob() })
        .then(Event::Answered { step: gate(), answer: Answer::Undo, actor: alice() })
        .after(30)
        .checked("gate:signal-generated", traffic("signal-generated", "5", "0"))
        .finished("gate:signal-generated", StepStatus::Done, "")
        .ended(Outcome::Succeeded, "signal-generated is enabled and healthy.", &[("signal-generated", ON)], &[])
}

pub fn troubled() -> Story {
    let trouble = |seconds: i64| Event::Troubled {
        step: Some(id("enable:signal-generated")),
        problem: "AWS throttles EnableRule".to_owned(),
        retry_at: start() + SignedDuration::from_secs(seconds),
        gives_up_at: Some(start() + SignedDuration::from_secs(602)),
    };
    begun(enable_first(), off_to_on("signal-generated"), OnGateFailure::Hold)
        .started("enable:signal-generated")
        .then(trouble(7))
        .after(5)
        .then(trouble(17))
        .after(10)
        .then(trouble(47))
        .after(30)
        .then(trouble(107))
}

/// The same, once AWS answers again.
pub fn trouble_passed() -> Story {
    troubled().after(60).applied("enable:signal-generated", OFF, ON)
}

/// A gate that cannot be asked when it should decide, and can later.
pub fn gate_untold() -> Story {
    let unread = |checks: Vec<Check>| {
        let reason = "CloudWatch throttled GetMetricData: too many requests at the moment.";
        checks
            .into_iter()
            .map(|check| Check { verdict: Verdict::Unknown, reason: reason.to_owned(), ..check })
            .collect()
    };
    begun(enable_first(), off_to_on("signal-generated"), OnGateFailure::Hold)
        .enabled_and_watched("signal-generated", unread(traffic("signal-generated", "", "0")))
        .after(30)
        .checked("gate:signal-generated", traffic("signal-generated", "4", "0"))
        .finished("gate:signal-generated", StepStatus::Done, "")
}

/// Every story, by name.
pub fn all() -> BTreeMap<&'static str, Story> {
    BTreeMap::from([
        ("healthy", healthy()),
        ("already_enabled", already_enabled()),
        ("no_traffic", no_traffic()),
        ("gate_fails_and_holds", gate_fails_and_holds()),
        ("gate_fails_and_undoes", gate_fails_and_undoes()),
        ("fails_while_watched", fails_while_watched()),
        ("all_stops_at_the_second", all_stops_at_the_second()),
        ("cancelled", cancelled()),
        ("rolled_back", rolled_back()),
        ("rollback_fails", rollback_fails()),
        ("verified_with_bad_ttl", verified_with_bad_ttl()),
        ("queued", queued()),
        ("asked_and_answered", asked_and_answered()),
        ("troubled", troubled()),
        ("trouble_passed", trouble_passed()),
        ("gate_untold", gate_untold()),
        ("preempted", preempted()),
        ("cannot_be_asked", cannot_be_asked()),
        ("promoted", promoted()),
        ("rejected_with_a_reason", rejected_with_a_reason()),
        ("expired", expired()),
        ("drifted_and_approved_again", drifted_and_approved_again()),
        ("overridden_and_scheduled", overridden_and_scheduled()),
        ("objected_and_resumed", objected_and_resumed()),
        ("failed_and_retried", failed_and_retried()),
        ("skipped_in_production", skipped_in_production()),
        ("go_ahead_of_a_step", go_ahead_of_a_step()),
        ("untold", untold()),
        ("rollback_offered", rollback_offered()),
        ("rollback_clicked", rollback_clicked()),
        ("rollback_lapsed", rollback_lapsed()),
        ("frozen", frozen()),
        ("unfrozen", unfrozen()),
        ("paused_and_skipped_in_dev", paused_and_skipped_in_dev()),
    ])
}

/// What the views know beside the run, in these stories.
pub fn in_context<T>(view: impl FnOnce(&ViewContext<'_>) -> T) -> T {
    let environment = Environment {
        name: "dev".to_owned(),
        escalation: String::new(),
        account: Some("111122223333".to_owned()),
        region: "us-east-1".to_owned(),
        role_arn: None,
        reader_role_arn: None,
        session: Default::default(),
        stack: "alchemiser-trading-dev".to_owned(),
        bus: "alchemiser-trading-events-dev".to_owned(),
        rules: RULES.iter().map(|name| rule(name)).collect(),
        function: "the-alchemiser-v2-lambda-dev".to_owned(),
        dlqs: vec!["alchemiser-event-dlq-dev".to_owned()],
        table: Table {
            name: "alchemiser-event-dedup-dev".to_owned(),
            key: "event_id".to_owned(),
            ttl_attribute: "expires_at".to_owned(),
            keeps: None,
        },
        archive: "alchemiser-events-dev".to_owned(),
        archive_retention_days: None,
        alarm_subscribers: Vec::new(),
        alarm_topic: "alchemiser-alarms-dev".to_owned(),
        alarms: Vec::new(),
        dashboard_url: Some("https://example.com/dash?env=dev&x=1".to_owned()),
        approval: ApprovalRule::None,
        waits: Waits::default(),
        limits: GateLimits::default(),
        on_gate_failure: OnGateFailure::Hold,
        on_inconclusive: OnInconclusive::Finish,
        window: None,
        roles: Roles::default(),
        approvals: Approvals::default(),
        safeguards: Safeguards::default(),
        notify: Notify::default(),
        promote_from: None,
        deploy: None,
        smoke: None,
    };
    let group = |id: &str| vec![Principal(id.to_owned())];
    let prod = Environment {
        name: "prod".to_owned(),
        account: Some("444455556666".to_owned()),
        approval: ApprovalRule::Required,
        roles: Roles { approver: group("S0APPROVERS"), ..Roles::default() },
        approvals: Approvals { overriders: group("S0LEADS"), ..Approvals::default() },
        window: Some(Window { zone: "America/New_York".to_owned(), allow: Vec::new(), blackout: Vec::new() }),
        promote_from: Some("dev".to_owned()),
        ..environment.clone()
    };
    view(&ViewContext {
        environments: &[("dev".to_owned(), environment), ("prod".to_owned(), prod)].into(),
        card_refresh: SignedDuration::from_secs(5),
        contacts: ("platform on-call", "head of trading systems"),
        command_word: "/alch",
    })
}
