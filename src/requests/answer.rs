//! The answers to those who only look: status, runs, who am I, and the App Home.

use std::collections::BTreeMap;

use futures_util::future::{join, join_all, join3};

use super::{Asked, Requests};
use crate::domain::{ApprovalRule, Command, DlqDepth, Environment, HoldKind, Role, Run, RunId, Selection};
use crate::engine::Place;
use crate::policy::{self, Belongs};
use crate::slack::message::Message;
use crate::slack::view::{self, EnvironmentStatus, Who};
use crate::store::StoreError;

/// How many runs a list looks back.
const RECENT: i64 = 20;

impl Requests {
    pub(super) async fn status(&self, environment: Option<&str>) -> Result<Message, StoreError> {
        let environments = self.observe(environment).await?;
        Ok(view::status(&environments, self.0.engine.clock().now()))
    }

    pub(super) async fn runs(&self, environment: Option<&str>) -> Result<Message, StoreError> {
        let runs = self.0.engine.store().recent_runs(environment, RECENT).await?;
        Ok(view::runs_list(&runs, self.0.engine.clock().now()))
    }

    pub(super) async fn publish_home(&self, user: &str) -> Result<(), StoreError> {
        let Some((client, _)) = &self.0.slack else { return Ok(()) };
        let environments = self.observe(None).await?;
        let runs = self.0.engine.store().recent_runs(None, RECENT).await?;
        let home = view::home(&environments, &runs, self.0.engine.clock().now());
        if let Err(error) = client.views_publish(user, &home).await {
            tracing::warn!(%error, "the App Home could not be shown");
        }
        Ok(())
    }

    pub(super) async fn permalink(&self, run: RunId) -> Result<Option<String>, StoreError> {
        let Some((client, _)) = &self.0.slack else { return Ok(None) };
        let messages = self.0.engine.store().slack_messages(run).await?;
        let card = messages.iter().find(|message| message.thread_ts.is_none());
        Ok(match card.and_then(|card| Some((&card.channel, card.ts.as_ref()?))) {
            // A link is a courtesy: without it, the run's number has to do.
            Some((channel, ts)) => client.permalink(channel, ts).await.ok(),
            None => None,
        })
    }

    /// The answer to `whoami`, asked of the policy itself.
    pub(super) async fn whoami(&self, asked: &Asked) -> Result<Message, StoreError> {
        let mut who = Who {
            actor: asked.person.actor.clone(),
            roles: Vec::new(),
            may: Vec::new(),
            may_not: Vec::new(),
            second_factor: self.own_factor(&asked.person.actor).await?,
        };
        for environment in self.0.config.environments.values() {
            let has = |role: &Role| policy::has_role(&asked.person, environment, *role) == Belongs::Yes;
            let roles: Vec<&str> = Role::ALL.iter().filter(|role| has(role)).map(|role| role.word()).collect();
            if !roles.is_empty() {
                who.roles.push(format!("{}: {}", environment.name, roles.join(", ")));
            }
            for (what, command) in self.of_interest(environment) {
                match self.may(asked, environment, &command) {
                    Ok(approvals) => who.may.push(format!("{what}{approvals}")),
                    Err(why) => who.may_not.push(format!("{what}: {why}")),
                }
            }
        }
        Ok(view::whoami(&who))
    }

    /// What people want to know whether they may do it, each with a command that stands for it.
    fn of_interest(&self, environment: &Environment) -> Vec<(String, Command)> {
        let name = &environment.name;
        let here = || name.clone();
        // Which run it would be does not matter.
        let (run, nothing) = (RunId(0), String::new);
        let mut commands = vec![
            (format!("look at {name}"), Command::Status { environment: Some(here()) }),
            (
                format!("enable and disable rules of {name}"),
                Command::Enable { rules: Selection::All, environment: here() },
            ),
        ];
        if environment.promote_from.is_some() {
            let promote = Command::Promote { environment: here(), version: None, at: None, reason: None };
            commands.push((format!("promote to {name}"), promote));
        }
        commands.extend([
            (format!("roll back {name}"), Command::Rollback { environment: here() }),
            (format!("cancel and pause runs in {name}"), Command::Pause { run }),
            (
                format!("freeze {name}"),
                Command::Hold { kind: HoldKind::Freeze, environment: here(), reason: nothing(), lasting: None },
            ),
        ]);
        if environment.approval == ApprovalRule::Required {
            let (safeguard, reason) = (nothing(), nothing());
            commands.extend([
                (
                    format!("approve what others ask for in {name}"),
                    Command::Approve { run, plan: nothing(), note: None },
                ),
                (format!("override a safeguard of {name}"), Command::Override { run, safeguard, reason }),
            ]);
        }
        commands
    }

    /// Whether that is permitted here: with which approvals, or why not.
    fn may(&self, asked: &Asked, environment: &Environment, command: &Command) -> Result<String, String> {
        let permit = policy::decide(&policy::Request {
            person: &asked.person,
            command,
            environment: Some(environment),
            place: &asked.place,
            house: &self.0.house,
            slack_approves: self.slack_approves(),
            now: self.0.engine.clock().now(),
        })
        .map_err(|refusal| refusal.in_short().into_owned())?;
        match policy::may_decide(&asked.person, environment, command) {
            Belongs::Yes => {}
            Belongs::No => {
                return Err(match command {
                    Command::Override { .. } => "not named in approvals.override".to_owned(),
                    _ => format!("needs the role {}", Role::Approver.word()),
                });
            }
            Belongs::Unknown(why) => return Err(why),
        }
        let waits_for_others = environment.approval == ApprovalRule::Required;
        Ok(match (permit.approvals_needed(), command) {
            (0, Command::Rollback { .. }) if waits_for_others => ", without anybody's approval".to_owned(),
            (0, _) => String::new(),
            (1, _) => ", once somebody else approves".to_owned(),
            (needed, _) => format!(", once {needed} others approve"),
        })
    }

    async fn observe(&self, environment: Option<&str>) -> Result<Vec<EnvironmentStatus>, StoreError> {
        let places =
            self.0.engine.places().filter(|place| environment.is_none_or(|name| place.environment.name == name));
        join_all(places.map(|place| self.observe_one(place))).await.into_iter().collect()
    }

    async fn observe_one(&self, place: &Place) -> Result<EnvironmentStatus, StoreError> {
        let environment = &place.environment;
        let (mut status, stored) = join(self.observe_aws(place), self.stored(environment)).await;
        let (holder, queued, last) = stored?;
        (status.holder, status.queued, status.last) = (holder, queued, last);
        let (holds, now) = (self.0.engine.store().holds(&environment.name).await?, self.0.engine.clock().now());
        status.holds = holds.into_iter().filter(|hold| hold.stands(now)).collect();
        Ok(status)
    }

    async fn observe_aws(&self, place: &Place) -> EnvironmentStatus {
        let Place { environment, aws, .. } = place;
        let depths = join_all(environment.dlqs.iter().map(|queue| async move { (queue, aws.dlq_depth(queue).await) }));
        let looks = join3(aws.rules(&environment.bus), aws.alarms(&environment.alarms), depths);
        let ((rules, alarms, depths), concurrency) = join(looks, aws.concurrency(&environment.function)).await;
        let mut notes = Vec::new();
        match concurrency.map(|read| read.value) {
            Ok(Some(0)) => notes.push(format!(
                "{} is stopped: reserved concurrency 0. Nothing that comes for it runs, whatever the rules are; `restore {}` \
                 gives back what a hard stop has taken",
                environment.function, environment.name
            )),
            Ok(Some(_) | None) => {}
            Err(error) => notes.push(format!("Function: {error}")),
        }
        let listed = rules.unwrap_or_else(|error| {
            notes.push(format!("Rules: {error}"));
            Vec::new()
        });
        let mut dlqs: BTreeMap<String, DlqDepth> = BTreeMap::new();
        for (queue, depth) in depths {
            match depth {
                Ok(depth) => {
                    dlqs.insert(queue.clone(), depth);
                }
                Err(error) => notes.push(format!("Queue {queue}: {error}")),
            }
        }
        let alarms = alarms.unwrap_or_else(|error| {
            notes.push(format!("Alarms: {error}"));
            BTreeMap::new()
        });
        let state = |name: &str| listed.iter().find(|listed| listed.name == name).map(|listed| listed.state);
        let account = environment.account.as_deref().unwrap_or("the default account");
        EnvironmentStatus {
            name: environment.name.clone(),
            place: format!("{account}, {}", environment.region),
            rules: environment.rules.iter().map(|rule| (rule.name.clone(), state(&rule.rule))).collect(),
            dlqs,
            alarms,
            notes,
            observed_at: Some(self.0.engine.clock().now()),
            dashboard_url: environment.dashboard_url.clone(),
            ..EnvironmentStatus::default()
        }
    }

    /// Who holds the environment, who waits for it, and what ended last.
    async fn stored(&self, environment: &Environment) -> Result<Stored, StoreError> {
        let store = self.0.engine.store();
        let holder = match store.holder(&environment.name).await? {
            Some(holder) => store.run(holder.run).await?,
            None => None,
        };
        let mut queued = Vec::new();
        for id in store.live_runs(&environment.name).await? {
            queued.extend(store.run(id).await?.filter(|run| run.waiting_for.is_some()));
        }
        let last =
            store.recent_runs(Some(&environment.name), RECENT).await?.into_iter().find(|run| run.ended.is_some());
        Ok((holder, queued, last))
    }
}

/// The holder of an environment, those who wait for it, and the run that ended last.
type Stored = (Option<Run>, Vec<Run>, Option<Run>);
