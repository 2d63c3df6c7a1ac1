//! What a step does beside setting rules: one effect on AWS, or of a child process, that may take time to be over; what it
//! left behind when it was done, and how far it is. Each family of effects has its own part below.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Artefact, CheckedOut, Expected, Package, ReplayOrder, ResourceChange, Rule, RuleState};

/// One effect. What identifies it (a name, a token) follows from run and step, so that a repeat finds what was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum Effect {
    /// CloudFormation `ExecuteChangeSet`, until the stack has settled.
    ExecuteChangeSet {
        /// The stack.
        stack: String,
        /// The change set's id.
        change_set: String,
        /// The version that it brings.
        version: String,
        /// What it would change.
        changes: Vec<ResourceChange>,
    },
    /// CloudFormation `ContinueUpdateRollback` or `RollbackStack`, whichever the stack's state asks for.
    RecoverStack {
        /// The stack.
        stack: String,
        /// The state that it was found in.
        status: String,
    },
    /// Bring rules back to the states from before a deployment.
    KeepRules {
        /// On which bus.
        bus: String,
        /// Which, each with the state that is wanted.
        rules: Vec<(Rule, RuleState)>,
    },
    /// `sam build` in the configured checkout.
    SamBuild {
        /// What is built.
        checkout: CheckedOut,
    },
    /// `sam deploy` in the configured checkout, until the stack has settled.
    SamDeploy {
        /// The stack.
        stack: String,
        /// What is deployed.
        checkout: CheckedOut,
    },
    /// Lambda `Invoke`, once.
    Invoke {
        /// The function.
        function: String,
        /// The version or alias; `$LATEST` when not said.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        qualifier: Option<String>,
        /// The payload, a JSON object. The run's correlation id is added to it.
        payload: String,
        /// The variable of the function's own that has to prove paper mode right before.
        #[serde(default)]
        variable: String,
        /// Its values that are such a proof.
        #[serde(default)]
        expected: Vec<String>,
    },
    /// Lambda `UpdateFunctionCode`, until the update is successful.
    UpdateCode {
        /// The function.
        function: String,
        /// The package that is put in.
        package: Package,
        /// The version that people call it by, where it was said.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        version: Option<String>,
        /// The CodeSha256 that was found when it was planned.
        before: String,
        /// The RevisionId that was found.
        revision: String,
        /// The CodeSha256 that the package has, where that is known beforehand.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        expected: Option<Expected>,
    },
    /// What the function runs is read and kept in the journal, so that it can be gone back to (Lambda
    /// `GetFunctionConfiguration`, CloudFormation `GetTemplate`). Changes nothing.
    RecordCode {
        /// The function.
        function: String,
        /// What people call the version, where that is known.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        version: Option<String>,
    },
    /// Lambda `PutFunctionConcurrency`, or `DeleteFunctionConcurrency` for none.
    SetConcurrency {
        /// The function.
        function: String,
        /// What was found when it was planned; none for no reservation.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        from: Option<u32>,
        /// The reserved concurrency that is wanted; none for no reservation.
        to: Option<u32>,
    },
    /// EventBridge `StartReplay`, until the replay is over.
    StartReplay {
        /// The archive.
        archive: String,
        /// The bus.
        bus: String,
        /// The rules that events are replayed to.
        rules: Vec<Rule>,
        /// Those of them that were found disabled, by short name: they get nothing.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        off: Vec<String>,
        /// What EventBridge is asked.
        order: ReplayOrder,
    },
    /// Put messages of a dead-letter queue on the bus again (SQS `ReceiveMessage`, EventBridge `PutEvents`, SQS
    /// `DeleteMessage`).
    Redrive {
        /// The queue.
        queue: String,
        /// The bus.
        bus: String,
        /// The most messages.
        limit: u32,
    },
    /// SNS `Subscribe`, until the subscription is confirmed.
    Subscribe {
        /// The topic.
        topic: String,
        /// The e-mail address.
        endpoint: String,
    },
    /// SNS `Publish` of a message that is marked as a test.
    TestAlarm {
        /// The topic.
        topic: String,
    },
}

impl Effect {
    /// What it does, for people: `Execute the change set`.
    pub fn title(&self) -> String {
        match self {
            Self::ExecuteChangeSet { .. } => "Execute the change set".to_owned(),
            Self::RecoverStack { stack, .. } => format!("Bring {stack} out of its failed update"),
            Self::KeepRules { .. } => "Keep the rules as they were".to_owned(),
            Self::SamBuild { .. } => "sam build".to_owned(),
            Self::SamDeploy { .. } => "sam deploy".to_owned(),
            Self::Invoke { function, .. } => format!("Invoke {function}"),
            Self::UpdateCode { function, .. } => format!("Put the code of {function} back"),
            Self::RecordCode { function, .. } => format!("Record what {function} runs"),
            Self::SetConcurrency { function, to: Some(0), .. } => format!("Stop {function}"),
            Self::SetConcurrency { function, .. } => format!("Let {function} run again"),
            Self::StartReplay { .. } => "Replay events".to_owned(),
            Self::Redrive { queue, .. } => format!("Put messages of {queue} on the bus again"),
            Self::Subscribe { endpoint, .. } => format!("Subscribe {endpoint}"),
            Self::TestAlarm { topic } => format!("Publish a test to {topic}"),
        }
    }

    /// Whether it is done a handful at a time, each with the environment in hand, rather than at once.
    pub fn is_worked_on(&self) -> bool {
        match self {
            Self::Redrive { .. } => true,
            Self::ExecuteChangeSet { .. }
            | Self::RecoverStack { .. }
            | Self::KeepRules { .. }
            | Self::SamBuild { .. }
            | Self::SamDeploy { .. }
            | Self::Invoke { .. }
            | Self::UpdateCode { .. }
            | Self::RecordCode { .. }
            | Self::SetConcurrency { .. }
            | Self::StartReplay { .. }
            | Self::Subscribe { .. }
            | Self::TestAlarm { .. } => false,
        }
    }

    /// Whether it needs the environment for itself. What only tells somebody does not.
    pub fn holds_environment(&self) -> bool {
        match self {
            // Stopping a function waits for nobody.
            Self::Subscribe { .. }
            | Self::TestAlarm { .. }
            | Self::RecordCode { .. }
            | Self::SetConcurrency { to: Some(0), .. } => false,
            Self::ExecuteChangeSet { .. }
            | Self::RecoverStack { .. }
            | Self::KeepRules { .. }
            | Self::SamBuild { .. }
            | Self::SamDeploy { .. }
            | Self::Invoke { .. }
            | Self::UpdateCode { .. }
            | Self::SetConcurrency { .. }
            | Self::StartReplay { .. }
            | Self::Redrive { .. } => true,
        }
    }
}

/// What shows that an effect was done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Whether this run changed anything; false when the world was so already.
    pub changed: bool,
    /// What was done, for people, plain text.
    pub said: String,
    /// What later runs and steps need to know of it.
    #[serde(default)]
    pub detail: Detail,
    /// The request ids of AWS, for CloudTrail.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub request_ids: Vec<String>,
    /// How long the calls took, milliseconds.
    #[serde(default)]
    pub elapsed_ms: u64,
}

/// What is known of an effect beside words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "snake_case")]
pub enum Detail {
    /// Nothing more.
    #[default]
    None,
    /// What `sam` deployed.
    Deployed {
        /// What was checked out.
        checkout: CheckedOut,
    },
    /// The version of a stack that a change set brought.
    Version {
        /// What people call it.
        version: String,
    },
    /// A message that was published to a topic.
    Published {
        /// How many confirmed subscribers it reaches; none where that could not be read.
        confirmed: Option<u32>,
    },
    /// A function's code that was put in.
    Code {
        /// The package.
        package: Package,
        /// What people call it.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        version: Option<String>,
        /// The CodeSha256 that Lambda answered the update with.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        answered: Option<String>,
    },
    /// What a function runs after a deployment.
    Runs {
        /// What people call it.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        version: Option<String>,
        /// Its code.
        artefact: Artefact,
    },
    /// A function's reserved concurrency.
    Concurrency {
        /// The former value; none for no reservation.
        from: Option<u32>,
        /// The value read back.
        to: Option<u32>,
    },
}

/// How far an effect, or a look that lasts, is. Recorded when there is news.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What has happened since the last record: lines for people, plain text, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub lines: Vec<String>,
    /// How far it is, in thousandths, where that can be told.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub permille: Option<u16>,
    /// How it stands, in one line for people, plain text.
    #[serde(default)]
    pub now: String,
    /// What is counted, by name: the numbers so far.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub counts: BTreeMap<String, i64>,
}

impl Progress {
    /// Lines that a folded run keeps; a message shows fewer.
    const KEPT_LINES: usize = 100;

    /// Takes the news: lines add up, the rest is replaced.
    pub fn add(&mut self, news: &Self) {
        self.lines.extend(news.lines.iter().cloned());
        let over = self.lines.len().saturating_sub(Self::KEPT_LINES);
        self.lines.drain(..over);
        self.permille = news.permille.or(self.permille);
        self.now.clone_from(&news.now);
        self.counts.extend(news.counts.iter().map(|(name, count)| (name.clone(), *count)));
    }

    /// A number so far; zero when nothing was counted.
    pub fn count(&self, name: &str) -> i64 {
        self.counts.get(name).copied().unwrap_or(0)
    }
}

/// Something that is looked at once and judged by checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Inspection {
    /// What the stack should have made: bus, table, queue.
    Infrastructure,
    /// Whether events flowed after a smoke test.
    SmokeEvidence,
    /// Whether a handler that runs again does no harm.
    Idempotency,
    /// The traps of the runbook in the live account.
    Doctor,
}

impl Inspection {
    /// What is done, for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Infrastructure => "Check the infrastructure",
            Self::SmokeEvidence => "Check the flow of events",
            Self::Idempotency => "Check idempotency",
            Self::Doctor => "Look for traps",
        }
    }
}
