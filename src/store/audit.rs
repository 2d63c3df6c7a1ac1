//! What an audit reads: journals as they were written, page by page, and whether the hash chain holds.

use std::collections::VecDeque;

use jiff::Timestamp;
use sqlx::any::AnyRow;
use sqlx::{Any, Row, Transaction};

use super::retention::{newest_are_missing, not_signed, removed};
use super::{Result, Store, micros, time};
use crate::domain::{Event, JournalLine, RunId};
use crate::journal::{AuditKeys, Removed, link};

/// How many events are read at once.
const PAGE: i64 = 1_000;

/// Which journals are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct AuditScope<'a> {
    /// Of which environment; of all when not said.
    pub environment: Option<&'a str>,
    /// Only what was recorded then or later, UTC.
    pub since: Option<Timestamp>,
}

/// What a check of the hash chain saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChainReport {
    /// How many runs have a journal.
    pub runs: u64,
    /// How many events those have.
    pub events: u64,
    /// What the next run is chained to: the last run and the hash of its first event; none before the first.
    pub head: Option<(RunId, String)>,
    /// The runs whose journals were removed when their time was over, in their order.
    pub removed: Vec<Removed>,
    /// What does not fit, in words; nothing when all is well.
    pub problems: Vec<String>,
}

impl Store {
    /// The next page of the journals, run by run and each in order; empty when there is no more. `after` is the last line
    /// of the page before.
    ///
    /// # Errors
    /// When the database fails. What this version cannot read is handed out as it is.
    pub async fn journal_lines(&self, scope: AuditScope<'_>, after: Option<&JournalLine>) -> Result<Vec<JournalLine>> {
        lines(&self.reads, scope, after).await
    }

    /// What the next run is chained to: the last run, and the hash of its first event. None before the first run.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn chain_head(&self) -> Result<Option<(RunId, String)>> {
        chain_head(&self.reads).await
    }

    /// Checks the hash chain of all runs. Returns what does not fit, in words; nothing when all is well.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn verify_chain(&self) -> Result<Vec<String>> {
        Ok(self.check_chain(None).await?.problems)
    }

    /// Checks the hash chain of all runs, and says what was checked. Where journals were removed, it goes on behind them, by
    /// the word of who has a key; without keys that is not known, which is a problem too.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn check_chain(&self, keys: Option<&AuditKeys>) -> Result<ChainReport> {
        // All at one moment: else a run that is made or removed meanwhile is a reason for alarm.
        let mut tx = self.begin_snapshot().await?;
        let mut walk = Walk::to(chain_head(&mut *tx).await?);
        for (stretch, signature) in removed(&mut tx).await? {
            match keys {
                Some(keys) if keys.have_signed(&stretch, &signature) => {}
                Some(_) => walk.report.problems.push(not_signed(&stretch)),
                None => walk.report.problems.push(without_key(&stretch)),
            }
            walk.removed.push_back(stretch.clone());
            walk.report.removed.push(stretch);
        }
        let mut last: Option<JournalLine> = None;
        loop {
            let page = lines(&mut *tx, AuditScope::default(), last.as_ref()).await?;
            for line in &page {
                walk.step(line);
            }
            match page.into_iter().next_back() {
                Some(line) => last = Some(line),
                None => break,
            }
        }
        let mut report = walk.end();
        for row in sqlx::query(
            "SELECT runs.id AS id FROM runs LEFT JOIN events ON events.run_id = runs.id AND events.seq = runs.head_seq
             WHERE events.hash IS NULL OR events.hash <> runs.head_hash ORDER BY runs.id",
        )
        .fetch_all(&mut *tx)
        .await?
        {
            report.problems.push(newest_are_missing(RunId(row.try_get("id")?)));
        }
        tx.rollback().await?;
        Ok(report)
    }
}

async fn chain_head(from: impl sqlx::Executor<'_, Database = Any>) -> Result<Option<(RunId, String)>> {
    let row = sqlx::query("SELECT id, hash FROM last_run").fetch_one(from).await?;
    let head = (RunId(row.try_get("id")?), row.try_get("hash")?);
    Ok((head.0.0 > 0).then_some(head))
}

async fn lines(
    from: impl sqlx::Executor<'_, Database = Any>,
    scope: AuditScope<'_>,
    after: Option<&JournalLine>,
) -> Result<Vec<JournalLine>> {
    let (run, seq) = after.map_or((0, 0), |line| (line.run.0, line.seq));
    sqlx::query(
        "SELECT events.run_id AS run_id, events.seq AS seq, events.at AS at, events.body AS body,
             events.hash AS hash, COALESCE(runs.environment, '') AS environment
         FROM events LEFT JOIN runs ON runs.id = events.run_id
         WHERE (events.run_id > $1 OR (events.run_id = $1 AND events.seq > $2))
             AND ($3 = '' OR runs.environment = $3) AND events.at >= $4
         ORDER BY events.run_id, events.seq LIMIT $5",
    )
    .bind(run)
    .bind(seq)
    .bind(scope.environment.unwrap_or_default().to_owned())
    .bind(scope.since.map_or(i64::MIN, micros))
    .bind(PAGE)
    .fetch_all(from)
    .await?
    .iter()
    .map(line)
    .collect()
}

/// The journal of one run, in order.
pub(super) async fn lines_of(tx: &mut Transaction<'static, Any>, run: RunId) -> Result<Vec<JournalLine>> {
    sqlx::query(
        "SELECT events.run_id AS run_id, events.seq AS seq, events.at AS at, events.body AS body,
             events.hash AS hash, runs.environment AS environment
         FROM events JOIN runs ON runs.id = events.run_id WHERE events.run_id = $1 ORDER BY events.seq",
    )
    .bind(run.0)
    .fetch_all(&mut **tx)
    .await?
    .iter()
    .map(line)
    .collect()
}

/// One walk along the chain.
pub(super) struct Walk {
    report: ChainReport,
    /// Whether the head was met.
    met: bool,
    /// What is still ahead of what was removed.
    removed: VecDeque<Removed>,
    run: RunId,
    seq: i64,
    /// The hash of the last run's first event.
    genesis: String,
    previous: String,
}

impl Walk {
    /// From the first run to the head.
    fn to(head: Option<(RunId, String)>) -> Self {
        let met = head.is_none();
        Self { met, report: ChainReport { head, ..ChainReport::default() }, ..Self::behind(RunId(0), String::new()) }
    }

    /// From the run behind this one, whose first event's hash is `genesis`, to wherever it is led.
    pub(super) fn behind(run: RunId, genesis: String) -> Self {
        Self {
            report: ChainReport::default(),
            met: true,
            removed: VecDeque::new(),
            run,
            seq: 0,
            genesis,
            previous: String::new(),
        }
    }

    pub(super) fn step(&mut self, line: &JournalLine) {
        let JournalLine { run, seq, .. } = *line;
        if run != self.run {
            self.pass_removed(run);
            if run.0 != self.run.0 + 1 {
                self.report.problems.push(format!("between {} and {run} runs are missing", self.run));
            }
            self.report.runs += 1;
            (self.run, self.seq) = (run, 0);
            self.previous.clone_from(&self.genesis);
        }
        if seq != self.seq + 1 {
            self.report.problems.push(format!("{run}: between event {} and {seq} events are missing", self.seq));
        }
        if line.hash != link(&self.previous, run, seq, line.at, &line.body) {
            self.report.problems.push(format!("{run}: event {seq} is not what was recorded"));
        }
        if seq == 1 {
            self.genesis.clone_from(&line.hash);
            self.meet();
            // The row's environment is in no hash, and decides whose audit shows the run.
            if line.event().is_some_and(|event| !asked_in(&event, &line.environment)) {
                self.report.problems.push(format!("{run}: is filed under `{}`, where it was not", line.environment));
            }
        }
        self.report.events += 1;
        (self.seq, self.previous) = (seq, line.hash.clone());
    }

    /// Goes over what was removed between the run that was walked last and the next.
    fn pass_removed(&mut self, next: RunId) {
        while let Some(stretch) =
            self.removed.pop_front_if(|stretch| stretch.first.0 == self.run.0 + 1 && stretch.last < next)
        {
            (self.run, self.genesis) = (stretch.last, stretch.hash);
            self.meet();
        }
    }

    fn meet(&mut self) {
        let is_head = |(run, hash): &(RunId, String)| *run == self.run && *hash == self.genesis;
        self.met |= self.report.head.as_ref().is_some_and(is_head);
    }

    pub(super) fn end(mut self) -> ChainReport {
        self.pass_removed(RunId(i64::MAX));
        for Removed { first, last, .. } in &self.removed {
            self.report.problems.push(format!("{first} to {last}: are said to be removed, and are there"));
        }
        if let (false, Some((run, _))) = (self.met, &self.report.head) {
            self.report.problems.push(format!("the newest runs, up to {run}, are missing or not what was recorded"));
        }
        self.report
    }
}

/// What is not known of a stretch without any key, in words.
fn without_key(stretch: &Removed) -> String {
    let Removed { first, last, .. } = stretch;
    format!("{first} to {last}: were removed, and without AUDIT_KEY it is not known whether Alch has signed that")
}

fn asked_in(event: &Event, filed: &str) -> bool {
    match event {
        Event::Requested { environment, .. } => environment == filed,
        _ => true,
    }
}

fn line(row: &AnyRow) -> Result<JournalLine> {
    Ok(JournalLine {
        environment: row.try_get("environment")?,
        run: RunId(row.try_get("run_id")?),
        seq: row.try_get("seq")?,
        at: time(row, "at")?,
        body: row.try_get("body")?,
        hash: row.try_get("hash")?,
    })
}
