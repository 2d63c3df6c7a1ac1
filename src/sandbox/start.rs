//! `alch sandbox`: the real bot over real HTTP between an emulated Slack with a web page and an emulated AWS, in one
//! process. The emulators are started the same way by the tests.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use jiff::SignedDuration;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::aws::{AlarmMetric, AlarmSpec, FaultGroup, Pace, RuleSpec, RuleState, StackSpec, TradeSpec, World};
use super::slack::{ChannelSpec, FaultSwitch, Hint, Panel, Slack, WorkspaceSpec};
use crate::app::{App, Surroundings};
use crate::aws::{AccessKeys, AwsSettings};
use crate::clock::Clock;
use crate::command::{Context, help};
use crate::config::{Config, Secrets, Transport, Variables};
use crate::domain::{ApprovalRule, Environment};
use crate::slack::outbox::Tempo;

/// How often the world is written to disk.
const SAVE_EVERY: Duration = Duration::from_millis(500);
/// The channel of the sandbox's stakeholders.
const STAKEHOLDERS: &str = "C0STAKEHOLD";
/// The file of the emulated AWS in the state's directory.
const AWS_STATE: &str = "aws.json";
/// An alarm on a metric that counts goes off at the first.
const ANY: f64 = 1.0;
/// What every environment of the sandbox runs at first.
const VERSION: &str = "2026.11.20";
/// Where the emulated functions trade when orders are real.
const LIVE: &str = "https://api.alpaca.markets/v2";
/// What the emulated functions keep to themselves; nobody's secrets.
const SECRETS: [(&str, &str); 2] =
    [("ALPACA__KEY", "PKSANDBOX0000000000"), ("ALPACA__SECRET", "sandbox-broker-secret-0000")];
/// Milliseconds at which the alarm on the function's duration goes off: most of its 900 s.
const LONG_DURATION_MS: f64 = 720_000.0;

/// The emulated Slack and AWS, serving.
pub struct Emulators {
    /// The workspace.
    pub slack: Slack,
    /// The AWS accounts.
    pub world: World,
    /// Where the page and, below `/api`, the Web API are.
    pub slack_url: String,
    /// The endpoint of all AWS services.
    pub aws_url: String,
    _serving: JoinSet<()>,
}

impl Emulators {
    /// Starts both for the environments of `config`, the page on `listener`. With `state`, they come back to what was
    /// left there and keep it.
    ///
    /// # Errors
    /// When no port can be had or the state cannot be read.
    pub async fn start(
        config: &Config,
        clock: Clock,
        pace: Pace,
        listener: TcpListener,
        state: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let slack_url = format!("http://{}", listener.local_addr()?);
        let slack = Slack::new(clock.clone(), workspace(config), &slack_url);
        let stacks = config.environments.values().map(stack).collect();
        let world = match state {
            None => World::new(clock, pace, stacks),
            Some(state) => {
                slack.load(&state.join("slack.json")).context("cannot read the state of the emulated Slack")?;
                World::load(clock, pace, stacks, &state.join(AWS_STATE))?
            }
        };
        let aws = TcpListener::bind("127.0.0.1:0").await?;
        let aws_url = format!("http://{}", aws.local_addr()?);
        let mut serving = JoinSet::new();
        let routes = slack.api_router().merge(slack.page_router(panel(config, &world)));
        serving.spawn(async move {
            let _ = axum::serve(listener, routes).await;
        });
        let routes = world.router();
        serving.spawn(async move {
            let _ = axum::serve(aws, routes).await;
        });
        if let Some(state) = state {
            serving.spawn(keep(slack.clone(), world.clone(), state.to_owned()));
        }
        Ok(Self { slack, world, slack_url, aws_url, _serving: serving })
    }

    /// How a bot reaches the emulated AWS.
    pub fn aws_settings(&self) -> AwsSettings {
        let keys = AccessKeys { id: "AKIASANDBOX".to_owned(), secret: SecretString::from("sandbox") };
        AwsSettings { endpoint_url: Some(self.aws_url.clone()), keys: Some(keys), ..AwsSettings::default() }
    }

    /// The secrets that a bot has in the emulated workspace.
    pub fn secrets(&self, database_url: String) -> Secrets {
        let spec = self.slack.spec();
        Secrets {
            slack_signing_secret: Some(spec.signing_secret.clone().into()),
            slack_bot_token: Some(spec.bot_token.clone().into()),
            slack_app_token: Some(spec.app_token.clone().into()),
            database_url: database_url.into(),
            // Long enough, and nobody's secret.
            step_up_key: Some(SecretString::from("sandbox-step-up-key-of-32-or-more-characters")),
            audit_key: Some(SecretString::from("sandbox-audit-key-of-32-or-more-characters")),
        }
    }
}

/// How fast the emulated Slack may be spoken to: nobody else uses it.
pub fn tempo() -> Tempo {
    Tempo {
        card_spacing: SignedDuration::from_millis(500),
        posts_per_second: 50,
        backoff: (SignedDuration::from_millis(500), SignedDuration::from_secs(3)),
        stuck: SignedDuration::from_secs(5),
    }
}

/// Runs the sandbox until `stop`. `ready` is told the page's URL and the AWS endpoint.
///
/// # Errors
/// When no port can be had, or the state is not readable.
pub async fn run(
    port: u16,
    state: Option<PathBuf>,
    variables: &Variables,
    ready: impl FnOnce(&str, &str),
    stop: CancellationToken,
) -> anyhow::Result<()> {
    // The sandbox is complete in itself: the settings of a real bot in the environment are not for it.
    let variables: Variables =
        variables.iter().filter(|(name, _)| name.starts_with("ALCH__")).map(|(n, v)| (n.clone(), v.clone())).collect();
    let (mut config, _) = Config::sandbox(&variables)?;
    let (directory, _temporary) = match state {
        Some(directory) => {
            std::fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
            (directory, None)
        }
        None => {
            let temporary = TemporaryDirectory::new()?;
            (temporary.0.clone(), Some(temporary))
        }
    };
    let page = TcpListener::bind(("127.0.0.1", port)).await.with_context(|| {
        format!("cannot listen on port {port}: is another sandbox running? Choose another port with --port")
    })?;
    let clock = Clock::system();
    let is_new = !directory.join(AWS_STATE).exists();
    let emulators = Emulators::start(&config, clock.clone(), Pace::default(), page, Some(&directory)).await?;
    if is_new {
        turn_off(&emulators.world, &config);
    }
    config.slack.api_url = format!("{}/api", emulators.slack_url);
    let secrets = emulators.secrets(format!("sqlite:{}", directory.join("alch.db").display()));
    let signing_secret = secrets.slack_signing_secret.clone().ok_or_else(|| anyhow!("no signing secret"))?;
    let surroundings = Surroundings {
        aws: emulators.aws_settings(),
        tempo: tempo(),
        variables: variables.clone(),
        ..Surroundings::default()
    };
    let app = App::build(config, &secrets, clock, surroundings).await?;
    let bot = TcpListener::bind("127.0.0.1:0").await?;
    emulators.slack.deliver_to(&format!("http://{}/slack/events", bot.local_addr()?));
    ready(&emulators.slack_url, &emulators.aws_url);
    app.serve(bot, Transport::Http { signing_secret }, stop).await?;
    save(&emulators.slack, &emulators.world, &directory);
    Ok(())
}

/// Everything is off at first, so that a promotion has something to do.
fn turn_off(world: &World, config: &Config) {
    for environment in config.environments.values() {
        for rule in &environment.rules {
            world.set_rule_state(&environment.bus, &rule.rule, RuleState::Disabled);
        }
    }
}

async fn keep(slack: Slack, world: World, directory: PathBuf) {
    loop {
        tokio::time::sleep(SAVE_EVERY).await;
        save(&slack, &world, &directory);
    }
}

fn save(slack: &Slack, world: &World, directory: &Path) {
    let saved = slack.save(&directory.join("slack.json")).and_then(|()| world.save(&directory.join(AWS_STATE)));
    if let Err(error) = saved {
        tracing::warn!(%error, "the sandbox's state could not be saved");
    }
}

/// The emulated workspace, as the configuration names it.
fn workspace(config: &Config) -> WorkspaceSpec {
    let mut spec = WorkspaceSpec::demo();
    spec.team_id.clone_from(&config.slack.workspace);
    spec.command.clone_from(&config.slack.command);
    spec.channel.id.clone_from(&config.slack.channel);
    spec.also_in = told(config);
    spec
}

/// The channels of stakeholders: those who are told in them look on there, and the bot is a member.
fn told(config: &Config) -> Vec<ChannelSpec> {
    let told: BTreeSet<&String> = config.environments.values().flat_map(|there| &there.notify.slack).collect();
    let channels = told.into_iter().filter(|id| id.starts_with('C') && **id != config.slack.channel);
    channels
        .map(|id| ChannelSpec {
            id: id.clone(),
            name: if id == STAKEHOLDERS { "trading-stakeholders".to_owned() } else { id.to_lowercase() },
            topic: "What happens in production, before and after".to_owned(),
            ..ChannelSpec::default()
        })
        .collect()
}

/// An environment's stack. Where acting needs approval, it is in use already: its rules are enabled.
fn stack(environment: &Environment) -> StackSpec {
    let in_use = environment.approval == ApprovalRule::Required;
    let rule =
        |rule: &crate::domain::Rule| RuleSpec { short: rule.name.clone(), name: rule.rule.clone(), enabled: in_use };
    StackSpec {
        environment: environment.name.clone(),
        account: environment.account.clone().unwrap_or_else(|| "111111111111".to_owned()),
        region: environment.region.clone(),
        stack: environment.stack.clone(),
        bus: environment.bus.clone(),
        rules: environment.rules.iter().map(rule).collect(),
        function: environment.function.clone(),
        dlqs: environment.dlqs.clone(),
        table: environment.table.name.clone(),
        table_key: environment.table.key.clone(),
        ttl_attribute: environment.table.ttl_attribute.clone(),
        topic: environment.alarm_topic.clone(),
        more_topics: notice_topic(environment).into_iter().collect(),
        version: VERSION.to_owned(),
        archive: environment.archive.clone(),
        alarms: environment.alarms.iter().map(|name| alarm(name, environment)).collect(),
        variables: SECRETS.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        trades: environment.smoke.as_ref().and_then(|smoke| {
            Some(TradeSpec {
                variable: smoke.proof_variable.clone(),
                paper: smoke.expected.first()?.clone(),
                live: LIVE.to_owned(),
                is_live: in_use,
            })
        }),
    }
}

/// The topic of notices, unless it is that of the alarms.
fn notice_topic(environment: &Environment) -> Option<String> {
    let topic = environment.notify.topic.as_deref()?;
    let name = topic.rsplit(':').next().unwrap_or(topic);
    (name != environment.alarm_topic).then(|| name.to_owned())
}

/// What an alarm watches, guessed from its name: the configuration knows no more of it.
fn alarm(name: &str, environment: &Environment) -> AlarmSpec {
    let rule = environment.rules.iter().find(|rule| name.contains(&rule.name));
    let watches = match (rule, environment.dlqs.first()) {
        (Some(rule), _) => AlarmMetric::RuleFailures { rule: rule.name.clone(), names_bus: true },
        (None, Some(queue)) if name.contains("dlq") => AlarmMetric::QueueDepth(queue.clone()),
        (None, _) if name.contains("errors") => AlarmMetric::FunctionErrors,
        (None, _) if name.contains("throttles") => AlarmMetric::FunctionThrottles,
        (None, _) if name.contains("duration") => AlarmMetric::FunctionDuration,
        (None, _) => AlarmMetric::Unmodelled,
    };
    let threshold = if watches == AlarmMetric::FunctionDuration { LONG_DURATION_MS } else { ANY };
    AlarmSpec { name: name.to_owned(), watches, threshold }
}

fn panel(config: &Config, world: &World) -> Panel {
    let (shown, faults, turned) = (world.clone(), world.clone(), world.clone());
    let hints = help::hints(&Context::from(config)).into_iter();
    let word = &config.slack.command;
    Panel {
        world: Box::new(move || shown.snapshot()),
        faults: Box::new(move || faults.faults().into_iter().map(switch).collect()),
        set_fault: Box::new(move |id, on| turned.set_fault(id, on)),
        hints: hints.map(|(usage, description)| Hint { usage: format!("{word} {usage}"), description }).collect(),
    }
}

fn switch(fault: super::aws::Fault) -> FaultSwitch {
    let group = match fault.group {
        FaultGroup::Rules => "Rules",
        FaultGroup::Function => "Function",
        FaultGroup::Queue => "Queues",
        FaultGroup::Aws => "Alarms, table, AWS",
    };
    let group = match &fault.environment {
        Some(environment) => format!("{environment}: {group}"),
        None => group.to_owned(),
    };
    FaultSwitch { id: fault.id, label: fault.label, group, active: fault.active, momentary: fault.momentary }
}

/// A directory that goes when the sandbox ends.
struct TemporaryDirectory(PathBuf);

impl TemporaryDirectory {
    fn new() -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("alch-sandbox-{:08x}", rand::random::<u32>()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
