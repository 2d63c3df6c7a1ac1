//! Puts the parts together: builds the clients, starts the loops, and stops them in order.

mod degraded;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use prometheus_client::registry::Registry;
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::degraded::Degraded;
use crate::aws::{Aws, AwsSettings};
use crate::clock::Clock;
use crate::config::{Config, Secrets, Transport, Variables};
use crate::control;
use crate::domain::{Origin, Outcome, Run, SlackPlace};
use crate::engine::{Engine, JournalsKept};
use crate::requests::Requests;
use crate::sam::Sam;
use crate::slack::client::{CallCounters, SlackClient};
use crate::slack::http::{Ingress, router};
use crate::slack::ingress::{IngressCounters, Intake};
use crate::slack::outbox::{ChartToShow, Look, Notice, Outbox, Tempo, Told};
use crate::slack::people::People;
use crate::slack::socket::{Patience, Socket};
use crate::slack::verify::SigningSecrets;
use crate::slack::view::{self, Charted, ViewContext};
use crate::step_up::StepUp;
use crate::store::{AuditKeys, Replica, Store, sqlite_path};
use crate::web::{self, Readiness};

/// How long a stop lets the outbox tell what is left.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How long a stop then waits for calls to Slack that are under way. One that is cut off is looked for at the next start.
const LAST_CALLS: Duration = Duration::from_secs(2);
/// Before credentials are asked about again that were not accepted.
const PROBE_RETRY: Duration = Duration::from_secs(5);

/// The bot, built and not yet running.
pub struct App {
    /// The SQLite file; none on PostgreSQL.
    database: Option<PathBuf>,
    store: Store,
    engine: Engine,
    /// For how long journals are kept; for ever when not said.
    kept: Option<JournalsKept>,
    requests: Requests,
    slack: Option<SlackSide>,
    readiness: Readiness,
    registry: Registry,
    clock: Clock,
    /// Where people are told how the bot itself is.
    channel: String,
}

struct SlackSide {
    client: SlackClient,
    outbox: Outbox,
    counters: IngressCounters,
}

/// What differs between production, the sandbox and tests.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// How AWS is reached.
    pub aws: AwsSettings,
    /// How fast Slack may be spoken to.
    pub tempo: Tempo,
    /// Whether a PostgreSQL that is away at the start is waited for, while all else goes on.
    pub waits_for_database: bool,
    /// The variables that the process found, for the programs that it starts.
    pub variables: Variables,
}

impl App {
    /// Opens the database and makes the clients. Without a bot token there is no Slack, only the terminal.
    ///
    /// # Errors
    /// When the database cannot be opened or Slack's address is no URL.
    pub async fn build(
        config: Config,
        secrets: &Secrets,
        clock: Clock,
        surroundings: Surroundings,
    ) -> anyhow::Result<Self> {
        let url = secrets.database_url.expose_secret();
        let opened =
            if surroundings.waits_for_database { Store::open_when_there(url).await } else { Store::open(url).await };
        let store = opened.context("cannot open the database")?;
        let mut environments = Vec::new();
        for environment in config.environments.values() {
            environments.push((environment.clone(), Aws::connect(environment, &surroundings.aws).await));
        }
        let sam = Sam::new(surroundings.variables);
        let replica = Replica::new(store.clone(), clock.clone());
        let engine = Engine::new(replica.clone(), clock.clone(), environments, config.slack.command.clone(), sam);
        let mut registry = Registry::with_prefix("alch");
        surroundings.aws.counters.register(&mut registry);
        engine.meter().register(&mut registry);
        let slack = match &secrets.slack_bot_token {
            Some(token) => Some(SlackSide::new(&config, token, &replica, &clock, surroundings.tempo, &mut registry)?),
            None => None,
        };
        let people =
            slack.as_ref().map(|slack| (slack.client.clone(), People::new(slack.client.clone(), clock.clone())));
        let wanted: Vec<String> = config.environments.keys().map(|name| format!("aws.{name}")).collect();
        let channel = config.slack.channel.clone();
        let step_up = secrets.step_up_key.clone().map(StepUp::new);
        let keys = secrets.audit_key.as_ref().map(AuditKeys::read);
        let kept = config.store.kept().zip(keys).map(|(lasting, keys)| JournalsKept { lasting, keys });
        let requests = Requests::new(config, engine.clone(), people, step_up);
        let readiness =
            Readiness::new(store.clone(), wanted.into_iter().chain(slack.is_some().then(|| "slack".to_owned())));
        let database = sqlite_path(url);
        Ok(Self { database, store, engine, kept, requests, slack, readiness, registry, clock, channel })
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What takes requests.
    pub fn requests(&self) -> &Requests {
        &self.requests
    }

    /// What tells Slack; none without a bot token.
    pub fn outbox(&self) -> Option<&Outbox> {
        self.slack.as_ref().map(|slack| &slack.outbox)
    }

    /// What has to be seen before the process is ready.
    pub fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// Runs what one command on a terminal needs, until `stop`: the engine, and the telling, where no server tells. What a
    /// server has in its inbox is the server's.
    pub async fn run_for_terminal(&self, stop: CancellationToken) {
        self.run(stop, false).await;
    }

    async fn run(&self, stop: CancellationToken, takes_requests: bool) {
        let loops = TaskTracker::new();
        let inner = CancellationToken::new();
        let (engine, token) = (self.engine.clone(), inner.clone());
        loops.spawn(async move { engine.run(token).await });
        if takes_requests {
            let (requests, token) = (self.requests.clone(), inner.clone());
            loops.spawn(async move { requests.run(token).await });
            let (engine, token) = (self.engine.clone(), inner.clone());
            loops.spawn(async move { engine.keep_soaks(token).await });
            let (engine, kept, token) = (self.engine.clone(), self.kept.clone(), inner.clone());
            loops.spawn(async move { engine.keep_to_retention(kept, token).await });
            for place in self.engine.places() {
                let (aws, token) = (place.aws.clone(), inner.clone());
                loops.spawn(async move { token.run_until_cancelled(aws.keep_ready()).await });
            }
        }
        let telling = CancellationToken::new();
        let mut told = None;
        if let Some(slack) = &self.slack {
            let (outbox, token) = (slack.outbox.clone(), telling.clone());
            told = Some(tokio::spawn(async move { outbox.run(token).await }));
        }
        stop.cancelled().await;
        inner.cancel();
        loops.close();
        loops.wait().await;
        if let (Some(slack), Some(told)) = (&self.slack, told) {
            if !slack.outbox.drain(LAST_WORDS).await {
                tracing::info!("Slack was not told everything yet; the next start goes on with it");
            }
            telling.cancel();
            let _ = tokio::time::timeout(LAST_CALLS, told).await;
        }
        if let Err(error) = self.engine.replica().leave().await {
            tracing::warn!(%error, "others take over what is left only when the lease has lapsed");
        }
    }

    /// Serves until `stop`. Requests that were acknowledged are in the database, whatever happens here.
    ///
    /// # Errors
    /// When Socket Mode or the control socket cannot be set up.
    pub async fn serve(
        mut self,
        listener: TcpListener,
        transport: Transport,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        let registry = std::mem::take(&mut self.registry);
        let replica = self.engine.replica().clone();
        let mut routes = web::router(self.readiness.clone(), replica, self.clock.clone(), registry);
        let slack =
            self.slack.as_ref().ok_or_else(|| anyhow!("SLACK_BOT_TOKEN is not set: Alch cannot post without it"))?;
        let intake = Intake {
            accept: self.requests.accept(),
            client: Some(slack.client.clone()),
            counters: slack.counters.clone(),
        };
        let front = TaskTracker::new();
        match transport {
            Transport::Http { signing_secret } => {
                let secrets = SigningSecrets::new(vec![signing_secret]);
                routes = routes.merge(router(Ingress { secrets, clock: self.clock.clone(), intake }));
            }
            Transport::Socket { app_token } => {
                let client = slack.client.clone();
                let socket =
                    Socket::new(client, app_token, intake, Patience::default()).context("cannot set up Socket Mode")?;
                let live = socket.live();
                front.spawn(note_socket(self.readiness.clone(), live, stop.clone()));
                let stop = stop.clone();
                front.spawn(async move { socket.run(stop).await });
            }
        }
        if let Some(database) = &self.database {
            let (path, stop) = (control::path_beside(database), stop.clone());
            let control = control::serve(path, self.requests.clone(), self.engine.clone(), stop)?;
            front.spawn(control);
        }
        front.spawn(probe(self.engine.clone(), slack.client.clone(), self.readiness.clone(), stop.clone()));
        let telling = Degraded {
            client: slack.client.clone(),
            channel: self.channel.clone(),
            readiness: self.readiness.clone(),
            clock: self.clock.clone(),
        };
        let token = stop.clone();
        front.spawn(async move { token.run_until_cancelled(telling.tell()).await.unwrap_or_default() });
        front.spawn(web::serve(listener, routes, web::Limits::default(), stop.clone()));
        self.run(stop, true).await;
        front.close();
        if tokio::time::timeout(LAST_WORDS, front.wait()).await.is_err() {
            tracing::warn!("some connections did not close in time");
        }
        self.store.close().await;
        Ok(())
    }
}

impl SlackSide {
    fn new(
        config: &Config,
        token: &SecretString,
        replica: &Replica,
        clock: &Clock,
        tempo: Tempo,
        registry: &mut Registry,
    ) -> anyhow::Result<Self> {
        let calls = CallCounters::default();
        calls.register(registry);
        let counters = IngressCounters::default();
        counters.register(registry);
        let client = SlackClient::new(&config.slack.api_url, token.clone(), calls).context("cannot call Slack")?;
        let tempo = if client.is_public() { Tempo::default() } else { tempo };
        let outbox = Outbox::new(replica.clone(), client.clone(), clock.clone(), look(config), tempo);
        Ok(Self { client, outbox, counters })
    }
}

/// How runs look in Slack, and where they are told.
fn look(config: &Config) -> Look {
    let config = Arc::new(config.clone());
    fn context(config: &Config) -> ViewContext<'_> {
        ViewContext {
            environments: &config.environments,
            card_refresh: config.slack.card_refresh,
            contacts: (
                config.contacts.primary.as_deref().unwrap_or_default(),
                config.contacts.escalation.as_deref().unwrap_or_default(),
            ),
            command_word: &config.slack.command,
        }
    }
    let (for_card, for_change, for_thread) = (config.clone(), config.clone(), config.clone());
    let charts = config.slack.charts;
    let (for_notices, for_elsewhere, for_place) = (config.clone(), config.clone(), config);
    Look {
        card: Box::new(move |run, now| view::card(run, &context(&for_card), now)),
        card_changes_at: Box::new(move |run, now| view::card_changes_at(run, &context(&for_change), now)),
        thread: Box::new(move |journal| {
            let messages = view::thread(journal, &context(&for_thread));
            messages
                .into_iter()
                .map(|told| Told {
                    key: told.key,
                    message: told.message,
                    broadcast: told.broadcast,
                    live: told.live,
                    chart: told.chart.map(|shown| {
                        let Charted { chart, file, caption, native, text: _ } = *shown;
                        ChartToShow { chart, file, caption, native }
                    }),
                })
                .collect()
        }),
        notices: Box::new(move |journal| {
            let notices = view::notices(journal, &context(&for_notices));
            notices
                .into_iter()
                .map(|notice| Notice { moment: notice.moment, to: notice.to, message: notice.message })
                .collect()
        }),
        elsewhere: Box::new(move |run, channel, why| view::elsewhere(run, channel, why, &context(&for_elsewhere))),
        place: Box::new(move |run: &Run| {
            let channel = match &run.origin {
                Origin::Slack(place) => place.channel.clone(),
                Origin::Terminal => for_place.slack.channel.clone(),
                // Looks by ourselves are news only when they find something.
                Origin::Schedule => {
                    let ended = run.ended.as_ref()?;
                    let quiet = matches!(ended.outcome, Outcome::Succeeded | Outcome::Unproven);
                    (!quiet).then(|| for_place.slack.channel.clone())?
                }
            };
            Some(SlackPlace { channel, thread_ts: None })
        }),
        charts,
    }
}

/// Asks once for everybody's credentials, until all were accepted.
async fn probe(engine: Engine, slack: SlackClient, readiness: Readiness, stop: CancellationToken) {
    let asking = async {
        loop {
            let mut complete = true;
            if let Err(error) = slack.auth_test().await {
                complete = false;
                tracing::warn!(%error, "Slack does not accept the bot token yet");
                readiness.note("slack", Err("the bot token is not accepted yet".to_owned()));
            } else {
                readiness.note("slack", Ok(()));
            }
            for place in engine.places() {
                let name = &place.environment.name;
                let seen = place.aws.confirm_account().await;
                let seen = match seen {
                    Ok(()) => place.aws.identity().await.map(drop),
                    Err(error) => Err(error),
                };
                if let Err(error) = &seen {
                    complete = false;
                    tracing::warn!(environment = %name, %error, "AWS does not accept the credentials yet");
                }
                readiness
                    .note(&format!("aws.{name}"), seen.map_err(|_| "the credentials are not accepted yet".to_owned()));
            }
            if complete {
                return;
            }
            tokio::time::sleep(PROBE_RETRY).await;
        }
    };
    let _ = stop.run_until_cancelled(asking).await;
}

/// Ready only once a connection stands.
async fn note_socket(readiness: Readiness, mut live: tokio::sync::watch::Receiver<usize>, stop: CancellationToken) {
    readiness.note("slack.socket", Err("not connected yet".to_owned()));
    if let Some(Ok(_)) = stop.run_until_cancelled(live.wait_for(|live| *live > 0)).await {
        readiness.note("slack.socket", Ok(()));
    }
}
