//! `alch audit`: the journals for auditors, and whether their hash chain holds. It only reads, also beside a server that
//! has the database.

use std::io::{self, BufWriter, ErrorKind, Write};
use std::process::ExitCode;

use anyhow::Context as _;
use secrecy::ExposeSecret;

use super::{load, say};
use crate::audit;
use crate::cli::{AuditArgs, AuditCommand, AuditWriting, ConfigArgs};
use crate::clock::Clock;
use crate::config::{Config, Secrets, Variables};
use crate::domain::AuditFormat;
use crate::store::{AuditKeys, AuditScope, ChainReport, Removed, Store};

pub(super) async fn audit(args: &AuditArgs, variables: &Variables) -> anyhow::Result<ExitCode> {
    match &args.instead {
        Some(AuditCommand::Verify(config)) => verify(config, variables).await,
        None => print(args, variables).await,
    }
}

async fn open(args: &ConfigArgs, variables: &Variables) -> anyhow::Result<(Config, Secrets, Store)> {
    let (config, secrets) = load(args, variables)?;
    let store = Store::open_read_only(secrets.database_url.expose_secret()).await;
    Ok((config, secrets, store.context("cannot open the database")?))
}

async fn print(args: &AuditArgs, variables: &Variables) -> anyhow::Result<ExitCode> {
    let (config, _, store) = open(&args.config, variables).await?;
    if let Some(name) = args.environment.as_deref().filter(|name| !config.environments.contains_key(*name)) {
        let known: Vec<&str> = config.environments.keys().map(String::as_str).collect();
        anyhow::bail!("there is no environment `{name}` in the configuration; it has {}", known.join(", "));
    }
    let format = match args.format {
        AuditWriting::Jsonl => AuditFormat::Jsonl,
        AuditWriting::Csv => AuditFormat::Csv,
    };
    let since = args.since.map(|since| Clock::system().now().saturating_sub(since)).transpose()?;
    let scope = AuditScope { environment: args.environment.as_deref(), since };
    match write(&store, scope, format, BufWriter::new(io::stdout().lock())).await? {
        Ok(()) => Ok(ExitCode::SUCCESS),
        // Whoever read it has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(error) => Err(error).context("cannot write the journals"),
    }
}

async fn write(
    store: &Store,
    scope: AuditScope<'_>,
    format: AuditFormat,
    mut to: impl Write,
) -> anyhow::Result<io::Result<()>> {
    let mut text = audit::head(format);
    let mut last = None;
    loop {
        if let Err(error) = to.write_all(text.as_bytes()) {
            return Ok(Err(error));
        }
        let page = store.journal_lines(scope, last.as_ref()).await?;
        text = audit::lines(format, &page);
        match page.into_iter().next_back() {
            Some(line) => last = Some(line),
            None => return Ok(to.flush()),
        }
    }
}

async fn verify(args: &ConfigArgs, variables: &Variables) -> anyhow::Result<ExitCode> {
    let (_, secrets, store) = open(args, variables).await?;
    let chain = store.check_chain(secrets.audit_key.as_ref().map(AuditKeys::read).as_ref()).await?;
    say(format_args!("Checked {} events of {} runs.", chain.events, chain.runs));
    say_chain(&chain);
    let problems = chain.problems;
    if problems.is_empty() {
        say("The hash chain holds: nothing was edited, deleted or reordered.");
        Ok(ExitCode::SUCCESS)
    } else {
        say("The hash chain is broken: the journal is not what was recorded.");
        Ok(ExitCode::FAILURE)
    }
}

/// Says where the chain ends, what was removed of it, and what does not fit.
pub(super) fn say_chain(chain: &ChainReport) {
    if let Some((run, hash)) = &chain.head {
        say(format_args!("Head: {run} {hash}"));
    }
    for Removed { first, last, events, at, .. } in &chain.removed {
        say(format_args!("Removed, their time being over: {first} to {last}, {events} events, the last at {at}"));
    }
    for problem in &chain.problems {
        say(format_args!("FAIL  {problem}"));
    }
}
