//! The emulated AWS as its users meet it: the real SDK's clients against the endpoint. The clock is moved by hand, so
//! nothing here waits.

mod faults;
mod flow;
mod invoke;
mod metrics;
mod persistence;
mod query;
mod resources;
mod rules;
mod stacks;
mod topics;

use aws_sdk_cloudwatch::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_http_client::Builder;
use aws_smithy_types::retry::RetryConfig;
use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinHandle;

use super::{AlarmMetric, AlarmSpec, Pace, RuleSpec, StackSpec, TradeSpec, World};
use crate::clock::Clock;

const START: &str = "2026-03-02T09:00:00Z";

/// A world, its clock, and an endpoint that answers until the stage is dropped.
struct Stage {
    clock: Clock,
    world: World,
    url: String,
    server: JoinHandle<()>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// One event every 10 s for each rule; metrics 20 s late; alarms look every 10 s at the last minute.
fn pace() -> Pace {
    Pace {
        event_gap: SignedDuration::from_secs(10),
        metric_delay: SignedDuration::from_secs(20),
        alarm_period: SignedDuration::from_secs(10),
        alarm_window: SignedDuration::from_secs(60),
    }
}

fn stack(environment: &str, account: &str) -> StackSpec {
    let named = |name: &str| format!("{name}-{environment}");
    let rule = |short: &str| RuleSpec { short: short.to_owned(), name: named(short), enabled: false };
    let alarm = |name: &str, watches| AlarmSpec { name: named(name), watches, threshold: 1.0 };
    StackSpec {
        environment: environment.to_owned(),
        account: account.to_owned(),
        region: "eu-west-1".to_owned(),
        stack: named("trading"),
        bus: named("orders"),
        rules: vec![rule("first"), rule("second")],
        function: named("worker"),
        dlqs: vec![named("dlq"), named("other-dlq")],
        table: named("seen"),
        table_key: "id".to_owned(),
        ttl_attribute: "expires".to_owned(),
        topic: named("alarms"),
        more_topics: vec![named("notices")],
        version: "1.0".to_owned(),
        archive: named("archive"),
        alarms: vec![
            alarm("depth", AlarmMetric::QueueDepth(named("dlq"))),
            alarm("first-failed", AlarmMetric::RuleFailures { rule: "first".to_owned(), names_bus: true }),
            alarm("first-failed-blind", AlarmMetric::RuleFailures { rule: "first".to_owned(), names_bus: false }),
            alarm("errors", AlarmMetric::FunctionErrors),
            alarm("other", AlarmMetric::Unmodelled),
        ],
        variables: [("SECRET".to_owned(), "hunter2-hunter2".to_owned())].into(),
        trades: Some(TradeSpec {
            variable: "ENDPOINT".to_owned(),
            paper: "https://paper.example.com".to_owned(),
            live: "https://live.example.com".to_owned(),
            is_live: environment != "dev",
        }),
    }
}

impl Stage {
    async fn new() -> Self {
        Self::with(vec![stack("dev", "111111111111"), stack("prod", "222222222222")]).await
    }

    async fn with(stacks: Vec<StackSpec>) -> Self {
        let clock = Clock::manual(START.parse().unwrap());
        let world = World::new(clock.clone(), pace(), stacks);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = world.router();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { clock, world, url, server }
    }

    fn pass(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// A client of one service, without retries, signing for the stacks' region.
macro_rules! client {
    ($sdk:ident, $stage:expr) => {
        crate::sandbox::aws::tests::client!($sdk, $stage, "AKIASANDBOX", "eu-west-1")
    };
    ($sdk:ident, $stage:expr, $access_key:expr, $region:expr) => {
        $sdk::Client::from_conf(
            $sdk::Config::builder()
                .behavior_version(crate::sandbox::aws::tests::BehaviorVersion::latest())
                .endpoint_url(&$stage.url)
                .region(crate::sandbox::aws::tests::Region::new($region))
                .credentials_provider(crate::sandbox::aws::tests::credentials($access_key))
                .http_client(crate::sandbox::aws::tests::Builder::new().build_http())
                .retry_config(crate::sandbox::aws::tests::RetryConfig::disabled())
                .build(),
        )
    };
}
use client;

fn credentials(access_key: &str) -> Credentials {
    Credentials::new(access_key, "secret", None, None, "test")
}
