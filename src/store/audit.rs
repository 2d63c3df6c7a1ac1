//! What an audit reads: journals as they were written, page by page, and whether the hash chain holds.

use jiff::Timestamp;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::{Result, Store, micros, time};
use crate::domain::{Event, JournalLine, RunId};
use crate::journal::link;

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
        .fetch_all(&self.reads)
        .await?
        .iter()
        .map(line)
        .collect()
    }

    /// What the next run is chained to: the last run, and the hash of its first event. None before the first run.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn chain_head(&self) -> Result<Option<(RunId, String)>> {
        let row = sqlx::query("SELECT id, hash FROM last_run").fetch_one(&self.reads).await?;
        let head = (RunId(row.try_get("id")?), row.try_get("hash")?);
        Ok((head.0.0 > 0).then_some(head))
    }

    /// Checks the hash chain of all runs. Returns what does not fit, in words; nothing when all is well.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn verify_chain(&self) -> Result<Vec<String>> {
        Ok(self.check_chain().await?.problems)
    }

    /// Checks the hash chain of all runs, and says what was checked.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn check_chain(&self) -> Result<ChainReport> {
        // Read first: a run that is made meanwhile is beyond it, and no reason for alarm.
        let head = self.chain_head().await?;
        let mut walk = Walk::to(head.clone());
        let mut last: Option<JournalLine> = None;
        loop {
            let page = self.journal_lines(AuditScope::default(), last.as_ref()).await?;
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
        .fetch_all(&self.reads)
        .await?
        {
            report.problems.push(format!("{}: the newest events are missing", RunId(row.try_get("id")?)));
        }
        Ok(report)
    }
}

/// One walk along the chain.
struct Walk {
    report: ChainReport,
    /// Whether the head was met.
    met: bool,
    run: RunId,
    seq: i64,
    /// The hash of the last run's first event.
    genesis: String,
    previous: String,
}

impl Walk {
    fn to(head: Option<(RunId, String)>) -> Self {
        Self {
            met: head.is_none(),
            report: ChainReport { head, ..ChainReport::default() },
            run: RunId(0),
            seq: 0,
            genesis: String::new(),
            previous: String::new(),
        }
    }

    fn step(&mut self, line: &JournalLine) {
        let JournalLine { run, seq, .. } = *line;
        if run != self.run {
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
            self.met |= self.report.head.as_ref().is_some_and(|head| *head == (run, line.hash.clone()));
            // The row's environment is in no hash, and decides whose audit shows the run.
            if line.event().is_some_and(|event| !asked_in(&event, &line.environment)) {
                self.report.problems.push(format!("{run}: is filed under `{}`, where it was not", line.environment));
            }
        }
        self.report.events += 1;
        (self.seq, self.previous) = (seq, line.hash.clone());
    }

    fn end(mut self) -> ChainReport {
        if let (false, Some((run, _))) = (self.met, &self.report.head) {
            self.report.problems.push(format!("the newest runs, up to {run}, are missing or not what was recorded"));
        }
        self.report
    }
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
