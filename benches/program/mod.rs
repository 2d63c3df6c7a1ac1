//! The real program under load, and what it takes of the machine.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use alch::config::Config;
use alch::sandbox::Emulators;
use anyhow::{Context as _, bail};
use serde_json::Value;

/// Of `/proc/<pid>/stat`: what Linux shows to programs, whatever the kernel's own clock.
const TICKS_A_SECOND: u32 = 100;

/// `alch serve` as a process of its own. Dropping it kills it.
pub struct Bot {
    /// Where it serves, as `http://127.0.0.1:12345`.
    pub url: String,
    pub child: Child,
}

impl Bot {
    pub fn start(config: &Config, emulators: &Emulators, database: &str) -> anyhow::Result<Self> {
        let spec = emulators.slack.spec();
        let mut variables = BTreeMap::from([
            ("ALCH__SERVER__LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
            ("ALCH__LIMITS__PERSON_PER_MINUTE".to_owned(), "0".to_owned()),
            ("ALCH__LIMITS__WORKSPACE_PER_MINUTE".to_owned(), "0".to_owned()),
            ("ALCH__SLACK__WORKSPACE".to_owned(), spec.team_id.clone()),
            ("ALCH__SLACK__CHANNEL".to_owned(), spec.channel.id.clone()),
            ("SLACK_API_URL".to_owned(), format!("{}/api", emulators.slack_url)),
            ("SLACK_BOT_TOKEN".to_owned(), spec.bot_token.clone()),
            ("SLACK_SIGNING_SECRET".to_owned(), spec.signing_secret.clone()),
            ("DATABASE_URL".to_owned(), database.to_owned()),
            ("AWS_ENDPOINT_URL".to_owned(), emulators.aws_url.clone()),
            ("AWS_ACCESS_KEY_ID".to_owned(), "AKIASANDBOX".to_owned()),
            ("AWS_SECRET_ACCESS_KEY".to_owned(), "sandbox".to_owned()),
            ("RUST_LOG".to_owned(), "alch=info".to_owned()),
        ]);
        for (name, environment) in &config.environments {
            let key = |setting: &str| format!("ALCH__ENVIRONMENTS__{}__{setting}", name.to_uppercase());
            variables.extend(environment.account.clone().map(|account| (key("ACCOUNT"), account)));
            variables.extend(environment.role_arn.clone().map(|role| (key("ROLE_ARN"), role)));
        }
        let mut child = Command::new(env!("CARGO_BIN_EXE_alch"))
            .args(["serve", "--config"])
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/alch.toml"))
            .envs(variables)
            .stderr(Stdio::piped())
            .spawn()
            .context("the program does not start")?;
        let told = child.stderr.take().context("no stderr")?;
        let mut told = BufReader::new(told).lines().map_while(Result::ok);
        let mut said = Vec::new();
        let address = told.find_map(|line| {
            let address = serde_json::from_str(&line).ok().and_then(|line: Value| {
                (line["fields"]["message"] == "serving").then(|| line["fields"]["address"].as_str().map(str::to_owned))
            });
            said.push(line);
            address.flatten()
        });
        // A full pipe would stop it.
        thread::spawn(move || told.for_each(drop));
        let Some(address) = address else { bail!("the program does not serve: {}", said.join("\n")) };
        Ok(Self { url: format!("http://{address}"), child })
    }

    /// Where it takes Slack's requests.
    pub fn events_url(&self) -> String {
        format!("{}/slack/events", self.url)
    }
}

impl Drop for Bot {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the program has taken so far.
pub struct Usage {
    pub resident_mib: f64,
    pub processor: Duration,
}

impl Usage {
    /// Where there is no `/proc`, nothing.
    pub fn of(process: u32) -> Option<Self> {
        let read = |name: &str| std::fs::read_to_string(format!("/proc/{process}/{name}")).ok();
        let resident: u32 = read("status")?
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?
            .trim()
            .strip_suffix(" kB")?
            .parse()
            .ok()?;
        let stat = read("stat")?;
        // After the name, which may have spaces: the state is the third field, utime and stime are the 14th and 15th.
        let ticks = stat.rsplit_once(')')?.1.split_whitespace().skip(11).take(2);
        let ticks = ticks.filter_map(|field| field.parse::<u32>().ok()).sum::<u32>();
        Some(Self {
            resident_mib: f64::from(resident) / 1_024.0,
            processor: Duration::from_secs(1) * ticks / TICKS_A_SECOND,
        })
    }
}
