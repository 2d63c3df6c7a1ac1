//! What a person can ask for, typed.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{HoldKind, RunId};

/// Which rules of an environment are meant. Names are the short ones of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selection {
    /// All rules, in the configured order.
    All,
    /// One rule.
    One(String),
}

/// What a person chose when a run asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Wait as long again for traffic, then decide again.
    WaitOn,
    /// Go on although it is not proven.
    Continue,
    /// Undo what this run did, and end it.
    Undo,
    /// Do the step again that failed.
    Retry,
}

/// How code is rolled back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CodeRollback {
    /// The whole stack, by the template of a version before.
    Stack,
    /// The function's code alone.
    Function,
}

/// How an audit export is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditFormat {
    /// One line an event, with columns.
    Csv,
    /// One JSON object a line, as the journal holds it.
    Jsonl,
}

/// A parsed request. Environments and rules in it exist in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// Enable rules, each watched and gated.
    Enable {
        /// Which.
        rules: Selection,
        /// Where.
        environment: String,
    },
    /// Disable rules.
    Disable {
        /// Which.
        rules: Selection,
        /// Where.
        environment: String,
    },
    /// The emergency path: all rules off, verified, everyone told.
    Rollback {
        /// Where.
        environment: String,
    },
    /// Bring back the rule states from before the last rollback, progressively and gated.
    Restore {
        /// Where.
        environment: String,
    },
    /// The checklist.
    Verify {
        /// Where.
        environment: String,
    },
    /// What state an environment, or all, are in.
    Status {
        /// Where; all when not said.
        environment: Option<String>,
    },
    /// Recent runs.
    Runs {
        /// Where; all when not said.
        environment: Option<String>,
    },
    /// One run's story.
    Show {
        /// Which.
        run: RunId,
    },
    /// Stop a run at its next safe point.
    Cancel {
        /// Which.
        run: RunId,
    },
    /// Answer a run that asks.
    Answer {
        /// Which.
        run: RunId,
        /// What.
        answer: Answer,
    },
    /// Promote what runs in the environment before to this one: every safeguard, one rule after the other.
    Promote {
        /// Where to.
        environment: String,
        /// The version that is meant; whatever is there when not said.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        version: Option<String>,
        /// When to begin, UTC; as soon as approved when not said.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        at: Option<Timestamp>,
        /// Why, for stakeholders.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        reason: Option<String>,
    },
    /// Deploy a version of the stack.
    Deploy {
        /// Where.
        environment: String,
        /// Which version; what that means when not said depends on the deployer.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        version: Option<String>,
        /// Whether rules stay as the template leaves them, instead of being brought back to the states from before.
        #[serde(default)]
        leave_rules: bool,
        /// Why, for stakeholders.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        reason: Option<String>,
    },
    /// Bring a stack out of a failed update.
    Recover {
        /// Where.
        environment: String,
    },
    /// Put the code of a version before back.
    CodeRollback {
        /// Where.
        environment: String,
        /// The whole stack, or the function alone.
        by: CodeRollback,
        /// To which version; the one before when not said.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        to: Option<String>,
        /// The function's package, `s3://bucket/key` with `@` and the object's version where there is one.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        package: Option<String>,
    },
    /// The versions that are known.
    Versions {
        /// Where.
        environment: String,
    },
    /// Invoke the function once, in paper mode, and look whether events flow.
    Smoke {
        /// Where.
        environment: String,
    },
    /// After a rollback: the function itself is stopped too.
    HardStop {
        /// Where.
        environment: String,
    },
    /// Subscribe an e-mail address to the alarms.
    Subscribe {
        /// Where.
        environment: String,
        /// The address.
        endpoint: String,
    },
    /// Who is subscribed to the alarms.
    Subscriptions {
        /// Where.
        environment: String,
    },
    /// Publish a test to the alarm topic.
    TestAlarm {
        /// Where.
        environment: String,
    },
    /// Watch an environment for a time and tell what changes.
    Monitor {
        /// Where.
        environment: String,
        /// For how long; half an hour when not said.
        #[serde(rename = "for", skip_serializing_if = "Option::is_none", default)]
        lasting: Option<SignedDuration>,
    },
    /// End the monitoring of an environment.
    MonitorStop {
        /// Where.
        environment: String,
    },
    /// Replay events of the archive.
    ReplayStart {
        /// Where.
        environment: String,
        /// From when on, UTC; a form asks when not said.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        from: Option<Timestamp>,
        /// Until when, exclusive, UTC; a form asks when not said.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        to: Option<Timestamp>,
        /// To which rules, by short name; to all when empty.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        rules: Vec<String>,
        /// Whether it is meant although all of these rules are disabled.
        #[serde(default)]
        even_off: bool,
    },
    /// How far the replay is.
    ReplayStatus {
        /// Where.
        environment: String,
    },
    /// Cancel the replay.
    ReplayCancel {
        /// Where.
        environment: String,
    },
    /// The replays of the archive.
    ReplayList {
        /// Where.
        environment: String,
    },
    /// What lies in the dead-letter queues.
    Dlq {
        /// Where.
        environment: String,
    },
    /// Put messages of the dead-letter queue on the bus again.
    Redrive {
        /// Where.
        environment: String,
        /// The most messages; a small number when not said.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        limit: Option<u32>,
    },
    /// Look for the runbook's traps in the live account.
    Doctor {
        /// Where.
        environment: String,
    },
    /// Show the plan and the safeguards of another command, and do nothing.
    Plan {
        /// Of which.
        of: Box<Command>,
    },
    /// Approve what a run asks for, named by the beginning of its plan's digest.
    Approve {
        /// Which run.
        run: RunId,
        /// The beginning of the plan's digest.
        plan: String,
        /// What the approver has to say.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        note: Option<String>,
    },
    /// Reject what a run asks for.
    Reject {
        /// Which run.
        run: RunId,
        /// Why.
        reason: String,
    },
    /// Override a safeguard that fails.
    Override {
        /// Of which run.
        run: RunId,
        /// The safeguard's name.
        safeguard: String,
        /// Why.
        reason: String,
    },
    /// Object to a run: it is paused.
    Object {
        /// To which.
        run: RunId,
        /// Why.
        reason: String,
    },
    /// Begin nothing new in a run.
    Pause {
        /// Which.
        run: RunId,
    },
    /// Go on with a paused run.
    Resume {
        /// Which.
        run: RunId,
    },
    /// Try a step again that failed, or the whole run anew when it has ended.
    Retry {
        /// Which.
        run: RunId,
    },
    /// Leave out the step under way.
    Skip {
        /// Of which run.
        run: RunId,
        /// Why.
        reason: String,
    },
    /// Freeze or lock an environment.
    Hold {
        /// Which of the two.
        kind: HoldKind,
        /// Where.
        environment: String,
        /// Why.
        reason: String,
        /// For how long; until it is lifted when not said.
        #[serde(rename = "for", skip_serializing_if = "Option::is_none", default)]
        lasting: Option<SignedDuration>,
    },
    /// Lift a freeze or a lock.
    Release {
        /// Which of the two.
        kind: HoldKind,
        /// Where.
        environment: String,
    },
    /// Whom to turn to.
    Contacts,
    /// Call the escalation contact to a run.
    Escalate {
        /// To which.
        run: RunId,
        /// Why.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        reason: Option<String>,
    },
    /// Hand out the journals.
    Audit {
        /// Of which environment; all when not said.
        environment: Option<String>,
        /// How far back; all when not said.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        since: Option<SignedDuration>,
        /// How it is written.
        format: AuditFormat,
    },
    /// Enrol a second factor, or reset somebody's.
    Enrol {
        /// Whose to reset; one's own to enrol when not said.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        reset: Option<String>,
    },
    /// Who am I, and what may I do.
    Whoami,
    /// How to use a command, or all.
    Help {
        /// The command's name; an overview when not said.
        topic: Option<String>,
    },
}

impl Command {
    /// The first words of the commands that change an environment.
    pub const ACTING: [&'static str; 12] = [
        "enable",
        "disable",
        "rollback",
        "restore",
        "promote",
        "deploy",
        "recover",
        "code-rollback",
        "smoke",
        "hard-stop",
        "replay",
        "redrive",
    ];

    /// The first words of all commands for which a role is needed, so that the configuration can give them to others.
    pub const WITH_ROLE: [&'static str; 36] = [
        "enable",
        "disable",
        "rollback",
        "restore",
        "promote",
        "deploy",
        "recover",
        "code-rollback",
        "smoke",
        "hard-stop",
        "replay",
        "redrive",
        "subscribe",
        "test-alarm",
        "verify",
        "doctor",
        "dlq",
        "monitor",
        "versions",
        "subscriptions",
        "status",
        "runs",
        "show",
        "plan",
        "audit",
        "cancel",
        "answer",
        "pause",
        "resume",
        "retry",
        "skip",
        "escalate",
        "freeze",
        "lock",
        "unfreeze",
        "unlock",
    ];

    /// The command's name: its first word as typed, or the one that says more.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Enable { .. } => "enable",
            Self::Disable { .. } => "disable",
            Self::Rollback { .. } => "rollback",
            Self::Restore { .. } => "restore",
            Self::Verify { .. } => "verify",
            Self::Status { .. } => "status",
            Self::Runs { .. } => "runs",
            Self::Show { .. } => "show",
            Self::Cancel { .. } => "cancel",
            Self::Answer { .. } => "answer",
            Self::Promote { .. } => "promote",
            Self::Deploy { .. } => "deploy",
            Self::Recover { .. } => "recover",
            Self::CodeRollback { .. } => "code-rollback",
            Self::Versions { .. } => "versions",
            Self::Smoke { .. } => "smoke",
            Self::HardStop { .. } => "hard-stop",
            Self::Subscribe { .. } => "subscribe",
            Self::Subscriptions { .. } => "subscriptions",
            Self::TestAlarm { .. } => "test-alarm",
            Self::Monitor { .. } | Self::MonitorStop { .. } => "monitor",
            Self::ReplayStart { .. }
            | Self::ReplayStatus { .. }
            | Self::ReplayCancel { .. }
            | Self::ReplayList { .. } => "replay",
            Self::Dlq { .. } => "dlq",
            Self::Redrive { .. } => "redrive",
            Self::Doctor { .. } => "doctor",
            Self::Plan { .. } => "plan",
            Self::Approve { .. } => "approve",
            Self::Reject { .. } => "reject",
            Self::Override { .. } => "override",
            Self::Object { .. } => "object",
            Self::Pause { .. } => "pause",
            Self::Resume { .. } => "resume",
            Self::Retry { .. } => "retry",
            Self::Skip { .. } => "skip",
            Self::Hold { kind: HoldKind::Freeze, .. } => "freeze",
            Self::Hold { kind: HoldKind::Lock, .. } => "lock",
            Self::Release { kind: HoldKind::Freeze, .. } => "unfreeze",
            Self::Release { kind: HoldKind::Lock, .. } => "unlock",
            Self::Contacts => "contacts",
            Self::Escalate { .. } => "escalate",
            Self::Audit { .. } => "audit",
            Self::Enrol { .. } => "enrol",
            Self::Whoami => "whoami",
            Self::Help { .. } => "help",
        }
    }

    /// The environment that it speaks of, if it names one.
    pub fn environment(&self) -> Option<&str> {
        match self {
            Self::Enable { environment, .. }
            | Self::Disable { environment, .. }
            | Self::Rollback { environment }
            | Self::Restore { environment }
            | Self::Verify { environment }
            | Self::Promote { environment, .. }
            | Self::Deploy { environment, .. }
            | Self::Recover { environment, .. }
            | Self::CodeRollback { environment, .. }
            | Self::Versions { environment, .. }
            | Self::Smoke { environment, .. }
            | Self::HardStop { environment, .. }
            | Self::Subscribe { environment, .. }
            | Self::Subscriptions { environment, .. }
            | Self::TestAlarm { environment, .. }
            | Self::Monitor { environment, .. }
            | Self::MonitorStop { environment, .. }
            | Self::ReplayStart { environment, .. }
            | Self::ReplayStatus { environment, .. }
            | Self::ReplayCancel { environment, .. }
            | Self::ReplayList { environment, .. }
            | Self::Dlq { environment, .. }
            | Self::Redrive { environment, .. }
            | Self::Doctor { environment, .. }
            | Self::Hold { environment, .. }
            | Self::Release { environment, .. } => Some(environment),
            Self::Plan { of } => of.environment(),
            Self::Status { environment } | Self::Runs { environment } | Self::Audit { environment, .. } => {
                environment.as_deref()
            }
            Self::Show { .. }
            | Self::Cancel { .. }
            | Self::Answer { .. }
            | Self::Approve { .. }
            | Self::Reject { .. }
            | Self::Override { .. }
            | Self::Object { .. }
            | Self::Pause { .. }
            | Self::Resume { .. }
            | Self::Retry { .. }
            | Self::Skip { .. }
            | Self::Contacts
            | Self::Escalate { .. }
            | Self::Enrol { .. }
            | Self::Whoami
            | Self::Help { .. } => None,
        }
    }

    /// The run that it speaks of, if it names one.
    pub fn run(&self) -> Option<RunId> {
        match self {
            Self::Show { run }
            | Self::Cancel { run }
            | Self::Answer { run, .. }
            | Self::Approve { run, .. }
            | Self::Reject { run, .. }
            | Self::Override { run, .. }
            | Self::Object { run, .. }
            | Self::Pause { run }
            | Self::Resume { run }
            | Self::Retry { run }
            | Self::Skip { run, .. }
            | Self::Escalate { run, .. } => Some(*run),
            Self::Enable { .. }
            | Self::Disable { .. }
            | Self::Rollback { .. }
            | Self::Restore { .. }
            | Self::Verify { .. }
            | Self::Status { .. }
            | Self::Runs { .. }
            | Self::Promote { .. }
            | Self::Deploy { .. }
            | Self::Recover { .. }
            | Self::CodeRollback { .. }
            | Self::Versions { .. }
            | Self::Smoke { .. }
            | Self::HardStop { .. }
            | Self::Subscribe { .. }
            | Self::Subscriptions { .. }
            | Self::TestAlarm { .. }
            | Self::Monitor { .. }
            | Self::MonitorStop { .. }
            | Self::ReplayStart { .. }
            | Self::ReplayStatus { .. }
            | Self::ReplayCancel { .. }
            | Self::ReplayList { .. }
            | Self::Dlq { .. }
            | Self::Redrive { .. }
            | Self::Doctor { .. }
            | Self::Plan { .. }
            | Self::Hold { .. }
            | Self::Release { .. }
            | Self::Contacts
            | Self::Audit { .. }
            | Self::Enrol { .. }
            | Self::Whoami
            | Self::Help { .. } => None,
        }
    }

    /// Whether it changes an environment.
    pub fn acts(&self) -> bool {
        match self {
            Self::Enable { .. }
            | Self::Disable { .. }
            | Self::Rollback { .. }
            | Self::Restore { .. }
            | Self::Promote { .. }
            | Self::Deploy { .. }
            | Self::Recover { .. }
            | Self::CodeRollback { .. }
            | Self::Smoke { .. }
            | Self::HardStop { .. }
            | Self::ReplayStart { .. }
            | Self::Redrive { .. } => true,
            Self::Verify { .. }
            | Self::Versions { .. }
            | Self::Subscribe { .. }
            | Self::Subscriptions { .. }
            | Self::TestAlarm { .. }
            | Self::Monitor { .. }
            | Self::MonitorStop { .. }
            | Self::ReplayStatus { .. }
            | Self::ReplayCancel { .. }
            | Self::ReplayList { .. }
            | Self::Dlq { .. }
            | Self::Doctor { .. }
            | Self::Status { .. }
            | Self::Runs { .. }
            | Self::Show { .. }
            | Self::Cancel { .. }
            | Self::Answer { .. }
            | Self::Plan { .. }
            | Self::Approve { .. }
            | Self::Reject { .. }
            | Self::Override { .. }
            | Self::Object { .. }
            | Self::Pause { .. }
            | Self::Resume { .. }
            | Self::Retry { .. }
            | Self::Skip { .. }
            | Self::Hold { .. }
            | Self::Release { .. }
            | Self::Contacts
            | Self::Escalate { .. }
            | Self::Audit { .. }
            | Self::Enrol { .. }
            | Self::Whoami
            | Self::Help { .. } => false,
        }
    }

    /// Whether it stops what does harm: it waits for nobody's approval, and no freeze or lock keeps it out.
    pub fn is_emergency(&self) -> bool {
        matches!(self, Self::Rollback { .. } | Self::HardStop { .. })
    }

    /// The command as one would type it after `/alch`.
    pub fn text(&self) -> String {
        let rules = |selection: &Selection| match selection {
            Selection::All => "all".to_owned(),
            Selection::One(rule) => rule.clone(),
        };
        let with = |environment: &Option<String>| environment.as_ref().map(|e| format!(" {e}")).unwrap_or_default();
        match self {
            Self::Enable { rules: r, environment } => format!("enable {} {environment}", rules(r)),
            Self::Disable { rules: r, environment } => format!("disable {} {environment}", rules(r)),
            Self::Rollback { environment } => format!("rollback {environment}"),
            Self::Restore { environment } => format!("restore {environment}"),
            Self::Verify { environment } => format!("verify {environment}"),
            Self::Status { environment } => format!("status{}", with(environment)),
            Self::Runs { environment } => format!("runs{}", with(environment)),
            Self::Show { run } => format!("show {run}"),
            Self::Cancel { run } => format!("cancel {run}"),
            Self::Answer { run, answer } => format!("answer {run} {}", answer.word()),
            Self::Promote { environment, version, at, reason } => {
                let mut text = format!("promote {environment}");
                if let Some(version) = version {
                    text.push_str(&format!(" --version {}", quoted(version)));
                }
                if let Some(at) = at {
                    text.push_str(&format!(" --at {at}"));
                }
                if let Some(reason) = reason {
                    text.push_str(&format!(" --reason {}", quoted(reason)));
                }
                text
            }
            Self::Deploy { environment, version, leave_rules, reason } => {
                let mut text = format!("deploy {environment}");
                if let Some(version) = version {
                    text.push_str(&format!(" --version {}", quoted(version)));
                }
                if *leave_rules {
                    text.push_str(" --leave-rules");
                }
                if let Some(reason) = reason {
                    text.push_str(&format!(" --reason {}", quoted(reason)));
                }
                text
            }
            Self::CodeRollback { environment, by, to, package } => {
                let mut text = format!("rollback {environment} --code {}", by.option());
                if let Some(to) = to {
                    text.push_str(&format!(" --to {}", quoted(to)));
                }
                if let Some(package) = package {
                    text.push_str(&format!(" --package {}", quoted(package)));
                }
                text
            }
            Self::Subscribe { environment, endpoint } => format!("subscribe {environment} {}", quoted(endpoint)),
            Self::Monitor { environment, lasting } => {
                format!("monitor {environment}{}", lasting.map(|t| format!(" --for {}", span(t))).unwrap_or_default())
            }
            Self::MonitorStop { environment } => format!("monitor stop {environment}"),
            Self::ReplayStart { environment, from, to, rules, even_off } => {
                let mut text = format!("replay start {environment}");
                if let Some(from) = from {
                    text.push_str(&format!(" --from {from}"));
                }
                if let Some(to) = to {
                    text.push_str(&format!(" --to {to}"));
                }
                for rule in rules {
                    text.push_str(&format!(" --rule {rule}"));
                }
                if *even_off {
                    text.push_str(" --even-off");
                }
                text
            }
            Self::ReplayStatus { environment } => format!("replay status {environment}"),
            Self::ReplayCancel { environment } => format!("replay cancel {environment}"),
            Self::ReplayList { environment } => format!("replay list {environment}"),
            Self::Redrive { environment, limit } => {
                format!("dlq redrive {environment}{}", limit.map(|n| format!(" --limit {n}")).unwrap_or_default())
            }
            Self::Recover { environment }
            | Self::Versions { environment }
            | Self::Smoke { environment }
            | Self::HardStop { environment }
            | Self::Subscriptions { environment }
            | Self::TestAlarm { environment }
            | Self::Dlq { environment }
            | Self::Doctor { environment } => format!("{} {environment}", self.name()),
            Self::Plan { of } => format!("plan {}", of.text()),
            Self::Approve { run, plan, note } => {
                format!(
                    "approve {run} {plan}{}",
                    note.as_deref().map(|note| format!(" --note {}", quoted(note))).unwrap_or_default()
                )
            }
            Self::Reject { run, reason } => format!("reject {run} {}", quoted(reason)),
            Self::Override { run, safeguard, reason } => format!("override {run} {safeguard} {}", quoted(reason)),
            Self::Object { run, reason } => format!("object {run} {}", quoted(reason)),
            Self::Pause { run } => format!("pause {run}"),
            Self::Resume { run } => format!("resume {run}"),
            Self::Retry { run } => format!("retry {run}"),
            Self::Skip { run, reason } => format!("skip {run} {}", quoted(reason)),
            Self::Hold { environment, reason, lasting, .. } => {
                let reason = if reason.is_empty() { String::new() } else { format!(" {}", quoted(reason)) };
                let lasting = lasting.map(|lasting| format!(" --for {}", span(lasting))).unwrap_or_default();
                format!("{} {environment}{reason}{lasting}", self.name())
            }
            Self::Release { environment, .. } => format!("{} {environment}", self.name()),
            Self::Contacts => "contacts".to_owned(),
            Self::Escalate { run, reason } => {
                format!("escalate {run}{}", reason.as_deref().map(|r| format!(" {}", quoted(r))).unwrap_or_default())
            }
            Self::Audit { environment, since, format } => {
                let since = since.map(|since| format!(" --since {}", span(since))).unwrap_or_default();
                let format = match format {
                    AuditFormat::Csv => "csv",
                    AuditFormat::Jsonl => "jsonl",
                };
                format!("audit{}{since} --format {format}", with(environment))
            }
            Self::Enrol { reset } => {
                format!("enrol{}", reset.as_deref().map(|user| format!(" --reset <@{user}>")).unwrap_or_default())
            }
            Self::Whoami => "whoami".to_owned(),
            Self::Help { topic } => format!("help{}", with(topic)),
        }
    }
}

/// A length of time in one word: `4h30m`.
fn span(lasting: SignedDuration) -> String {
    format!("{lasting:#}").replace([' ', ','], "")
}

/// A person's words as one word, quoted as a shell would, and always: bare, they could be taken for a name or an option.
/// Slack's escapes stand where they are needed for them not to be read as one of Slack's links or escapes.
fn quoted(text: &str) -> String {
    let word = match shell_words::quote(text) {
        bare if bare == text => format!("'{bare}'"),
        quoted => quoted.into_owned(),
    };
    // All of them or none: an escaped one no longer ends what begins at the one before.
    let has_link = word.match_indices('<').any(|(at, _)| is_link(&word[at + 1..]));
    let word = ["amp;", "lt;", "gt;"]
        .iter()
        .fold(word, |word, escape| word.replace(&format!("&{escape}"), &format!("&amp;{escape}")));
    if has_link { word.replace('<', "&lt;") } else { word }
}

/// Whether what stands behind a `<` makes a link or a labelled mention with it; a label may even end in a later word.
fn is_link(behind: &str) -> bool {
    let close = behind.find(['<', '>']);
    let inner = &behind[..close.unwrap_or(behind.len())];
    let target = inner.split('|').next().unwrap_or_default();
    let ends_well = close.is_none_or(|close| behind[close..].starts_with('>'));
    let is_labelled = target.len() < inner.len();
    ends_well && !target.contains(char::is_whitespace) && (is_labelled || (close.is_some() && target.contains(':')))
}

impl CodeRollback {
    /// The option that is typed for it.
    pub fn option(self) -> &'static str {
        match self {
            Self::Stack => "--stack",
            Self::Function => "--function",
        }
    }
}

impl Answer {
    /// The word that is typed for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::WaitOn => "wait",
            Self::Continue => "continue",
            Self::Undo => "undo",
            Self::Retry => "retry",
        }
    }
}
