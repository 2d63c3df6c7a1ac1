//! The flows: (command, observed facts, configuration) → plan. Pure; what the steps do to AWS is in [`steps`].

pub mod code_rollback;
mod deploy;
mod enable;
pub mod hard_stop;
mod recover;
mod redrive;
mod replay;
mod restore;
mod sam;
mod smoke;
pub mod steps;
mod topic;

use jiff::SignedDuration;

use crate::domain::{
    ApprovalMode, CodeRollback, Command, Destination, Environment, Facts, Inspection, PLAN_VERSION, Plan,
    PlannedApproval, Remark, Rule, RuleState, Selection, Step, StepId, StepKind,
};

/// How long an environment is monitored when nobody says.
const MONITORED: SignedDuration = SignedDuration::from_mins(30);

/// Why there is no plan. The text is for people.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NoPlan {
    /// The facts lack a rule that the plan needs.
    #[error("the rule {0} could not be read")]
    UnreadRule(String),
    /// AWS manages the rule; nobody else may change it.
    #[error("the rule {rule} is managed by {by} and is never touched")]
    Managed {
        /// The short name.
        rule: String,
        /// The AWS service.
        by: String,
    },
    /// Nothing was ever rolled back here.
    #[error("there was no rollback of {0} to restore from")]
    NoRollback(String),
    /// Nothing says how the environment is deployed to.
    #[error("the configuration does not say how {0} is deployed to: add a table [environments.{0}.deploy]")]
    NoDeployer(String),
    /// Something else stands against it; a sentence without its full stop.
    #[error("{0}")]
    Because(String),
    /// The command is not a flow.
    #[error("`{0}` does not become a run")]
    NotAFlow(&'static str),
}

/// Makes the plan of a command.
///
/// # Errors
/// When the facts do not allow one.
pub fn plan(command: &Command, facts: &Facts, environment: &Environment) -> Result<Plan, NoPlan> {
    let steps = match command {
        Command::Enable { rules, .. } => enable::steps(command, selected(rules, environment), facts, environment)?,
        Command::Disable { rules, .. } => {
            let mut steps = Vec::new();
            for rule in selected(rules, environment) {
                steps.push(set_rule(rule, RuleState::Disabled, facts, environment)?);
            }
            steps
        }
        Command::Restore { .. } => restore::steps(command, facts, environment)?,
        Command::Promote { .. } => enable::steps(command, environment.rules.iter().collect(), facts, environment)?,
        Command::HardStop { .. } => hard_stop::steps(facts, environment)?,
        Command::CodeRollback { by: CodeRollback::Function, to, package, .. } => {
            code_rollback::steps(to.as_deref(), package.as_deref(), facts, environment)?
        }
        Command::ReplayStart { .. } => replay::steps(command, facts, environment)?,
        Command::Redrive { .. } => redrive::steps(command, facts, environment)?,
        Command::Monitor { lasting, .. } => vec![step(
            "monitor",
            StepKind::Monitor {
                rules: environment.rules.clone(),
                lasting: lasting.unwrap_or(MONITORED),
                poll: environment.waits.poll,
            },
        )],
        Command::Verify { .. } => vec![step("checklist", StepKind::Checklist)],
        Command::Doctor { .. } => {
            vec![step("doctor", StepKind::Inspect { inspection: Inspection::Doctor, lasting: None })]
        }
        Command::Rollback { .. } => vec![step(
            "disable-all",
            StepKind::DisableAll { rules: environment.rules.clone(), bus: environment.bus.clone() },
        )],
        Command::Deploy { .. } | Command::CodeRollback { by: CodeRollback::Stack, .. } => {
            deploy::steps(command, facts, environment)?
        }
        Command::Recover { .. } => recover::steps(facts, environment)?,
        Command::Smoke { .. } => smoke::steps(facts, environment)?,
        Command::Subscribe { endpoint, .. } => topic::subscribe(endpoint, environment),
        Command::TestAlarm { .. } => topic::test(environment),
        _ => return Err(NoPlan::NotAFlow(command.name())),
    };
    let steps = if command.acts() { guarded(steps, command, environment) } else { steps };
    let approval = environment.needs_approval(command).then(|| PlannedApproval {
        needed: environment.approvals_needed(command.name()),
        expires: environment.approvals.expires,
    });
    Ok(Plan {
        version: PLAN_VERSION,
        command: command.clone(),
        environment: environment.name.clone(),
        steps,
        on_gate_failure: environment.on_gate_failure,
        approval,
        world: None,
        notify: if command.acts() { destinations(environment) } else { Vec::new() },
    })
}

/// Who is told of what acts in an environment.
pub fn destinations(environment: &Environment) -> Vec<Destination> {
    let slack = environment.notify.slack.iter().cloned().map(Destination::Slack);
    slack.chain(environment.notify.topic.iter().cloned().map(Destination::Topic)).collect()
}

/// What production adds to a flow: stakeholders are told first, each act asks where it is to, and everything is watched
/// on at the end.
fn guarded(steps: Vec<Step>, command: &Command, environment: &Environment) -> Vec<Step> {
    if steps.is_empty() || command.is_emergency() {
        return steps;
    }
    let each = environment.needs_approval(command) && environment.approval_mode(command.name()) == ApprovalMode::Each;
    let mut guarded: Vec<Step> =
        steps.into_iter().map(|step| Step { needs_person: each && step.kind.acts(), ..step }).collect();
    if !destinations(environment).is_empty() {
        // What is only looked at before anything acts may end the run: then there is nothing to tell.
        let first = guarded.iter().position(|step| step.kind.acts()).unwrap_or(0);
        guarded.insert(first, step("notify", StepKind::Notify { patience: environment.notify.patience }));
    }
    let rules: Vec<Rule> = guarded
        .iter()
        .filter_map(|step| match &step.kind {
            StepKind::Gate { rule, .. } => Some(rule.clone()),
            _ => None,
        })
        .collect();
    if let Command::Promote { .. } = command {
        guarded.push(step("checklist", StepKind::Checklist));
    }
    let asked = environment.asks_safeguards(command.name()) && !rules.is_empty();
    if let Some(lasting) = environment.safeguards.watch_after.filter(|_| asked) {
        let poll = environment.waits.poll;
        guarded.push(step("watch-all", StepKind::WatchAll { rules, lasting, poll }));
    }
    guarded
}

/// The rules that a replay is for, in the configured order.
pub fn chosen<'a>(command: &Command, environment: &'a Environment) -> Vec<&'a Rule> {
    replay::chosen(command, environment)
}

/// What people have to know before a command's plan is carried out: what it rests on, and what it does beside what was
/// asked for.
pub fn remarks(command: &Command, facts: &Facts, environment: &Environment) -> Vec<Remark> {
    match command {
        Command::ReplayStart { .. } => replay::remarks(command, facts, environment),
        Command::Redrive { .. } => redrive::remarks(command, facts, environment),
        Command::Restore { .. } => restore::remarks(facts, environment),
        Command::Smoke { .. } => smoke::remarks(facts, environment),
        Command::CodeRollback { by: CodeRollback::Function, .. } => code_rollback::remarks(facts, environment),
        Command::Deploy { .. } | Command::CodeRollback { by: CodeRollback::Stack, .. } => {
            deploy::remarks(command, facts, environment)
        }
        _ => Vec::new(),
    }
}

/// The rules that a flow of this command looks at before it plans.
pub fn rules_of<'a>(command: &Command, environment: &'a Environment) -> Vec<&'a Rule> {
    match command {
        Command::Enable { rules, .. } | Command::Disable { rules, .. } => selected(rules, environment),
        Command::Restore { .. }
        | Command::Verify { .. }
        | Command::Rollback { .. }
        | Command::Promote { .. }
        | Command::Deploy { .. }
        | Command::Recover { .. }
        | Command::CodeRollback { .. }
        | Command::Smoke { .. }
        | Command::ReplayStart { .. }
        | Command::Redrive { .. }
        | Command::Monitor { .. } => environment.rules.iter().collect(),
        _ => Vec::new(),
    }
}

fn selected<'a>(selection: &Selection, environment: &'a Environment) -> Vec<&'a Rule> {
    match selection {
        Selection::All => environment.rules.iter().collect(),
        Selection::One(name) => environment.rule(name).into_iter().collect(),
    }
}

fn step(id: &str, kind: StepKind) -> Step {
    Step { id: StepId(id.to_owned()), kind, undo: None, needs_person: false }
}

/// The step that sets one rule's state; undone to the state that was found.
fn set_rule(rule: &Rule, to: RuleState, facts: &Facts, environment: &Environment) -> Result<Step, NoPlan> {
    let fact = facts.rules.get(&rule.name).ok_or_else(|| NoPlan::UnreadRule(rule.name.clone()))?;
    if let Some(by) = &fact.managed_by {
        return Err(NoPlan::Managed { rule: rule.name.clone(), by: by.clone() });
    }
    let verb = if to.is_enabled() { "enable" } else { "disable" };
    // A rule that also matches CloudTrail's management events is enabled already, and stays what it is.
    let to = if fact.state.is_enabled() && to.is_enabled() { fact.state } else { to };
    let kind = StepKind::SetRule { rule: rule.clone(), bus: environment.bus.clone(), from: fact.state, to };
    Ok(Step { undo: (fact.state != to).then_some(fact.state), ..step(&format!("{verb}:{}", rule.name), kind) })
}
