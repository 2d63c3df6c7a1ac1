//! Change sets of the world: made in a moment, executed over some seconds, with the events that CloudFormation would tell.
//! A version is the stem of the template's name; what is special about it is planned by a test or the panel.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::input::Input;
use super::refusal::Refusal;
use super::serve::CallContext;
use super::state::{Place, RuleState, State};

/// How long CloudFormation works out a change set.
const MAKING: SignedDuration = SignedDuration::from_secs(2);
/// How long an update takes, and half of it, when one that fails does.
const UPDATING: SignedDuration = SignedDuration::from_secs(20);
const HALF: SignedDuration = SignedDuration::from_secs(10);
/// What CloudFormation says where nothing would change.
const EMPTY: &str =
    "The submitted information didn't contain changes. Submit different information to create a change set.";

/// What is special about deploying a version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionPlan {
    /// The reason with which a resource's update fails.
    pub fails: Option<String>,
    /// Whether putting the stack back fails too.
    pub rollback_fails: bool,
    /// Whether the template says that the rules are enabled.
    pub enables_rules: bool,
    /// Whether the table is replaced.
    pub replaces_table: bool,
    /// Whether the function's role changes.
    pub changes_role: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ChangeSet {
    place: Place,
    stack: String,
    name: String,
    id: String,
    version: String,
    empty: bool,
    created: Timestamp,
    /// When and by which token it was executed.
    executed: Option<(Timestamp, String)>,
    /// Whether what came of it is in the stack.
    settled: bool,
}

/// One event of an update, by the time since its beginning.
type Beat = (SignedDuration, &'static str, &'static str, &'static str, Option<String>);

impl State {
    /// Lets the updates end that are over.
    pub fn settle_stacks(&mut self, now: Timestamp) {
        let over = |set: &ChangeSet| {
            let executed = set.executed.as_ref().map(|(at, _)| *at).filter(|_| !set.settled);
            executed.filter(|at| now >= *at + UPDATING)
        };
        let due: Vec<(usize, Timestamp)> =
            self.change_sets.iter().enumerate().filter_map(|(n, set)| Some((n, over(set)?))).collect();
        for (n, began) in due {
            self.change_sets[n].settled = true;
            let (stack, version) = (self.change_sets[n].stack.clone(), self.change_sets[n].version.clone());
            let plan = self.versions.get(&version).cloned().unwrap_or_default();
            let Some(formation) = self.formations.iter_mut().find(|formation| formation.name == stack) else {
                continue;
            };
            let environment = formation.environment.clone();
            if plan.fails.is_some() {
                let status = if plan.rollback_fails { "UPDATE_ROLLBACK_FAILED" } else { "UPDATE_ROLLBACK_COMPLETE" };
                formation.standing = Some((status.to_owned(), None));
                continue;
            }
            formation.standing = None;
            self.deploy(&environment, &version, began + UPDATING);
            if plan.enables_rules {
                let of_environment =
                    |owner: &Option<(String, String)>| owner.as_ref().is_some_and(|(of, _)| *of == environment);
                for rule in
                    self.buses.iter_mut().flat_map(|bus| &mut bus.rules).filter(|rule| of_environment(&rule.owner))
                {
                    (rule.before, rule.state, rule.since) = (rule.state, RuleState::Enabled, began + UPDATING);
                }
            }
        }
    }

    /// The state that an update under way gives a stack.
    pub fn updating(&self, stack: &str, now: Timestamp) -> Option<&'static str> {
        let under_way =
            self.change_sets.iter().rev().find(|set| set.stack == stack && !set.settled && set.executed.is_some());
        let (at, _) = under_way?.executed.as_ref()?;
        let fails = self.versions.get(&under_way?.version).is_some_and(|plan| plan.fails.is_some());
        Some(if fails && now >= *at + HALF { "UPDATE_ROLLBACK_IN_PROGRESS" } else { "UPDATE_IN_PROGRESS" })
    }

    fn beats(&self, version: &str) -> Vec<Beat> {
        let plan = self.versions.get(version).cloned().unwrap_or_default();
        let (stack, at) = ("AWS::CloudFormation::Stack", SignedDuration::from_secs);
        let (rule, function) = ("AWS::Events::Rule", "AWS::Lambda::Function");
        let mut beats: Vec<Beat> = vec![
            (at(0), "stack", stack, "UPDATE_IN_PROGRESS", Some("User Initiated".to_owned())),
            (at(3), "SignalGeneratedRule", rule, "UPDATE_IN_PROGRESS", None),
            (at(6), "SignalGeneratedRule", rule, "UPDATE_COMPLETE", None),
            (at(7), "TradingSystemFunction", function, "UPDATE_IN_PROGRESS", None),
        ];
        match &plan.fails {
            Some(reason) => beats.extend([
                (HALF, "TradingSystemFunction", function, "UPDATE_FAILED", Some(reason.clone())),
                (HALF, "stack", stack, "UPDATE_ROLLBACK_IN_PROGRESS", None),
                (at(14), "TradingSystemFunction", function, "UPDATE_COMPLETE", None),
                (
                    UPDATING,
                    "stack",
                    stack,
                    if plan.rollback_fails { "UPDATE_ROLLBACK_FAILED" } else { "UPDATE_ROLLBACK_COMPLETE" },
                    None,
                ),
            ]),
            None => beats.extend([
                (at(15), "TradingSystemFunction", function, "UPDATE_COMPLETE", None),
                (UPDATING, "stack", stack, "UPDATE_COMPLETE", None),
            ]),
        }
        beats
    }

    fn change_set(&self, call: &CallContext, input: &Input) -> Result<usize, Refusal> {
        let named = input.required("ChangeSetName")?;
        let stack = input.text("StackName");
        let is = |set: &ChangeSet| {
            call.sees(&set.place)
                && (set.id == named || (set.name == named && stack.is_none_or(|stack| set.stack == stack)))
        };
        self.change_sets.iter().position(is).ok_or_else(|| Refusal {
            status: 404,
            ..Refusal::sender("ChangeSetNotFound", format!("ChangeSet [{named}] does not exist"))
        })
    }
}

pub fn create(state: &mut State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    let (stack, name) = (input.required("StackName")?, input.required("ChangeSetName")?);
    let url = input.required("TemplateURL")?;
    let file = url.rsplit('/').next().unwrap_or_default();
    let version = file.strip_suffix(".yaml").ok_or_else(|| input.wrong("TemplateURL must reference a template"))?;
    let Some(formation) =
        state.formations.iter().find(|formation| formation.name == stack && call.sees(&formation.place))
    else {
        return Err(Refusal::unmodelled("ValidationError", format!("Stack [{stack}] does not exist")));
    };
    if state.change_sets.iter().any(|set| set.name == name && set.stack == stack) {
        return Err(Refusal::sender("AlreadyExistsException", format!("ChangeSet {name} already exists")));
    }
    if state.updating(stack, call.now).is_some() {
        return Err(input.wrong(format!("Stack:{stack} is in UPDATE_IN_PROGRESS state and can not be updated.")));
    }
    let place = formation.place.clone();
    let id = place.arn("cloudformation", &format!("changeSet/{name}/{:08}", state.change_sets.len()));
    state.change_sets.push(ChangeSet {
        stack: stack.to_owned(),
        name: name.to_owned(),
        id: id.clone(),
        version: version.to_owned(),
        empty: formation.label.as_deref() == Some(version),
        created: call.now,
        executed: None,
        settled: false,
        place,
    });
    Ok(json!({"Id": id, "StackId": stack}))
}

pub fn describe(state: &State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    let set = &state.change_sets[state.change_set(call, &input)?];
    let ready = call.now >= set.created + MAKING;
    // Another change set that was executed since makes this one worthless.
    let obsolete = state.change_sets.iter().any(|other| {
        other.stack == set.stack
            && other.executed.as_ref().is_some_and(|(at, _)| *at >= set.created)
            && other.id != set.id
    });
    let (status, execution, reason) = match (ready, set.empty, &set.executed) {
        (_, _, Some(_)) if set.settled => ("CREATE_COMPLETE", "EXECUTE_COMPLETE", None),
        (_, _, Some(_)) => ("CREATE_COMPLETE", "EXECUTE_IN_PROGRESS", None),
        (false, _, None) => ("CREATE_IN_PROGRESS", "UNAVAILABLE", None),
        (true, true, None) => ("FAILED", "UNAVAILABLE", Some(EMPTY)),
        (true, false, None) if obsolete => ("CREATE_COMPLETE", "OBSOLETE", None),
        (true, false, None) => ("CREATE_COMPLETE", "AVAILABLE", None),
    };
    let plan = state.versions.get(&set.version).cloned().unwrap_or_default();
    let mut resources = vec![
        ("Modify", "SignalGeneratedRule", "AWS::Events::Rule", "False"),
        ("Modify", "TradingSystemFunction", "AWS::Lambda::Function", "False"),
    ];
    resources.extend(plan.replaces_table.then_some(("Modify", "EventDedupTable", "AWS::DynamoDB::Table", "True")));
    resources.extend(plan.changes_role.then_some(("Modify", "TradingSystemRole", "AWS::IAM::Role", "False")));
    let change = |(action, logical, kind, replacement): (&str, &str, &str, &str)| {
        json!({"Type": "Resource", "ResourceChange": {
            "Action": action, "LogicalResourceId": logical, "ResourceType": kind, "Replacement": replacement,
        }})
    };
    let changes: Vec<Value> =
        if ready && !set.empty { resources.into_iter().map(change).collect() } else { Vec::new() };
    Ok(json!({
        "ChangeSetName": set.name, "ChangeSetId": set.id, "StackName": set.stack,
        "Status": status, "ExecutionStatus": execution, "StatusReason": reason, "Changes": changes,
        "CreationTime": set.created.to_string(),
    }))
}

pub fn delete(state: &mut State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    let at = state.change_set(call, &input)?;
    state.change_sets.remove(at);
    Ok(json!({}))
}

pub fn execute(state: &mut State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    let at = state.change_set(call, &input)?;
    let token = input.text("ClientRequestToken").unwrap_or_default().to_owned();
    let described = describe(state, call, input)?;
    if described["ExecutionStatus"] != "AVAILABLE" {
        let message = format!("ChangeSet is in {} state", described["ExecutionStatus"]);
        return Err(Refusal::sender("InvalidChangeSetStatus", message));
    }
    state.change_sets[at].executed = Some((call.now, token));
    Ok(json!({}))
}

pub fn events(state: &State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    let stack = input.required("StackName")?;
    let mut events = Vec::new();
    for set in state.change_sets.iter().filter(|set| set.stack == stack && call.sees(&set.place)) {
        let Some((began, token)) = &set.executed else { continue };
        for (n, (after, logical, kind, status, reason)) in state.beats(&set.version).into_iter().enumerate() {
            if *began + after <= call.now {
                let logical = if logical == "stack" { stack } else { logical };
                events.push((
                    *began + after,
                    json!({
                        "StackId": stack, "StackName": stack, "EventId": format!("{}-{n}", set.name),
                        "LogicalResourceId": logical, "ResourceType": kind, "ResourceStatus": status,
                        "ResourceStatusReason": reason, "ClientRequestToken": token,
                        "Timestamp": (*began + after).to_string(),
                    }),
                ));
            }
        }
    }
    for (at, token, status) in state.recoveries.iter().filter(|(at, ..)| *at <= call.now) {
        events.push((*at, json!({
            "StackId": stack, "StackName": stack, "EventId": format!("{token}-{status}"), "LogicalResourceId": stack,
            "ResourceType": "AWS::CloudFormation::Stack", "ResourceStatus": status, "ClientRequestToken": token,
            "Timestamp": at.to_string(),
        })));
    }
    events.sort_by_key(|(at, _)| *at);
    let newest: Vec<Value> = events.into_iter().rev().map(|(_, event)| event).collect();
    let (page, next) = input.page(newest, "NextToken", call.page_max)?;
    Ok(json!({"StackEvents": page, "NextToken": next}))
}

/// ContinueUpdateRollback and RollbackStack: done at once.
pub fn recover(state: &mut State, call: &CallContext, input: Input, from: &[&str]) -> Result<Value, Refusal> {
    let stack = input.required("StackName")?;
    let token = input.text("ClientRequestToken").unwrap_or_default().to_owned();
    let formation = state.formations.iter_mut().find(|formation| formation.name == stack);
    let Some(formation) = formation.filter(|formation| call.sees(&formation.place)) else {
        return Err(input.wrong(format!("Stack [{stack}] does not exist")));
    };
    let standing = formation.standing.as_ref().map_or("", |(status, _)| status.as_str());
    if !from.contains(&standing) {
        return Err(input.wrong(format!("Stack:{stack} is in {standing} state and can not be rolled back.")));
    }
    formation.standing = Some(("UPDATE_ROLLBACK_COMPLETE".to_owned(), None));
    state.recoveries.push((call.now, token, "UPDATE_ROLLBACK_COMPLETE".to_owned()));
    Ok(json!({}))
}
