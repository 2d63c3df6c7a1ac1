//! Journals as files for auditors: JSON lines and CSV. Pure; reading them is the store's.

use jiff::Timestamp;

use crate::domain::{Actor, AuditFormat, Check, Event, JournalLine};

/// The columns of the CSV.
const COLUMNS: [&str; 9] = ["run", "seq", "at", "environment", "kind", "actor", "subject", "detail", "hash"];

/// What a file of this format begins with.
pub fn head(format: AuditFormat) -> String {
    match format {
        AuditFormat::Csv => record(&COLUMNS.map(str::to_owned)),
        AuditFormat::Jsonl => String::new(),
    }
}

/// The lines of some events; files are written piece by piece.
pub fn lines(format: AuditFormat, journal: &[JournalLine]) -> String {
    match format {
        AuditFormat::Csv => csv(journal),
        AuditFormat::Jsonl => jsonl(journal),
    }
}

/// The name of the file: `alch-audit-dev-2026-11-23.jsonl`.
pub fn file_name(environment: Option<&str>, format: AuditFormat, now: Timestamp) -> String {
    let day = now.to_zoned(jiff::tz::TimeZone::UTC).strftime("%Y-%m-%d");
    // Names of environments are the configuration's; a file's name must hold in every system.
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '-' };
    let environment: String = environment.unwrap_or("all").chars().map(plain).collect();
    format!("alch-audit-{environment}-{day}.{}", ending(format))
}

/// The ending of a file's name.
fn ending(format: AuditFormat) -> &'static str {
    match format {
        AuditFormat::Csv => "csv",
        AuditFormat::Jsonl => "jsonl",
    }
}

/// One JSON object a line. The event's JSON is byte for byte what was recorded, so that its hash can be made again.
pub fn jsonl(journal: &[JournalLine]) -> String {
    let mut text = String::new();
    for line in journal {
        // The stored JSON has no line breaks: it was written compactly, and in strings they are escaped. What somebody
        // has put there instead must not look like two lines.
        let body = line.body.replace(['\n', '\r'], " ");
        let event = if serde_json::from_str::<serde::de::IgnoredAny>(&body).is_ok() {
            body
        } else {
            serde_json::Value::from(line.body.as_str()).to_string()
        };
        let hash = serde_json::Value::from(line.hash.as_str());
        text.push_str(&format!(
            "{{\"run\":{},\"seq\":{},\"at\":\"{}\",\"event\":{event},\"hash\":{hash}}}\n",
            line.run.0, line.seq, line.at
        ));
    }
    text
}

/// One record an event (RFC 4180), without the head. What a spreadsheet would take for a formula is defused.
pub fn csv(journal: &[JournalLine]) -> String {
    journal.iter().map(|line| record(&cells(line))).collect()
}

fn cells(line: &JournalLine) -> [String; 9] {
    let event = line.event();
    let (kind, actor, subject, detail) = match &event {
        Some(event) => {
            let Said { actor, subject, detail } = said(event);
            (event.kind().to_owned(), actor.map(person).unwrap_or_default(), subject, detail)
        }
        // Of a newer version, or tampered with: it is shown as it is.
        None => ("unreadable".to_owned(), String::new(), String::new(), line.body.clone()),
    };
    [
        line.run.to_string(),
        line.seq.to_string(),
        line.at.to_string(),
        line.environment.clone(),
        kind,
        actor,
        subject,
        detail,
        line.hash.clone(),
    ]
}

fn record(cells: &[String; 9]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| quoted(&defused(cell))).collect();
    format!("{}\r\n", cells.join(","))
}

/// A cell that begins like a formula gets an apostrophe, which spreadsheets read as "text".
fn defused(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell.to_owned() }
}

fn quoted(cell: &str) -> String {
    if cell.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}

fn person(actor: &Actor) -> String {
    match actor {
        Actor::Slack { user, team } => format!("{user} ({team})"),
        Actor::Terminal { user } => format!("{user} (terminal)"),
        Actor::Alch => "Alch".to_owned(),
    }
}

/// What the columns say of an event.
struct Said<'a> {
    actor: Option<&'a Actor>,
    subject: String,
    detail: String,
}

fn said(event: &Event) -> Said<'_> {
    let said = |actor, subject: &dyn ToString, detail: String| Said { actor, subject: subject.to_string(), detail };
    match event {
        Event::Requested { command, text, actor, .. } => said(Some(actor), &command.name(), text.clone()),
        Event::Observed { facts } => said(None, &"", format!("{} rules read", facts.rules.len())),
        Event::Planned { plan, digest } => {
            let steps: Vec<&str> = plan.steps.iter().map(|step| step.id.0.as_str()).collect();
            said(None, &"plan", format!("{}: {}", digest.0, steps.join(", ")))
        }
        Event::Safeguarded { checks } => said(None, &"safeguards", verdicts(checks)),
        Event::Drifted { differences } => said(None, &"plan", differences.join("; ")),
        Event::ApprovalAsked { subject, digest, needed, until } => {
            said(None, subject, format!("{}: {needed} needed until {until}", digest.0))
        }
        Event::Approved { subject, digest, actor, note, stepped_up } => {
            let second = if *stepped_up { " with a second factor" } else { "" };
            let note = note.as_deref().map(|note| format!(": {note}")).unwrap_or_default();
            said(Some(actor), subject, format!("{}{second}{note}", digest.0))
        }
        Event::Rejected { subject, digest, actor, reason } => {
            said(Some(actor), subject, format!("{}: {reason}", digest.0))
        }
        Event::Reminded { subject } | Event::Lapsed { subject } => said(None, subject, String::new()),
        Event::Escalated { actor, contact, reason } => said(Some(actor), contact, reason.clone()),
        Event::Overridden { safeguard, digest, actor, reason } => {
            said(Some(actor), safeguard, format!("{}: {reason}", digest.0))
        }
        Event::Cleared { digest } => said(None, &"plan", digest.0.clone()),
        Event::Paused { actor, reason, objection } => {
            let what = if *objection { "objection" } else { "pause" };
            said(Some(actor), &what, reason.clone().unwrap_or_default())
        }
        Event::Resumed { actor } | Event::CancelRequested { actor } => said(Some(actor), &"", String::new()),
        Event::SkipRequested { step, actor, reason } => said(Some(actor), step, reason.clone()),
        Event::Delivered { to, receipt, .. } => said(None, to, receipt.clone()),
        Event::Undelivered { to, problem, .. } => said(None, to, problem.clone()),
        Event::Held { hold } => {
            let until = hold.until.map(|until| format!(" until {until}")).unwrap_or_default();
            said(Some(&hold.by), &hold.kind.word(), format!("{}{until}", hold.reason))
        }
        Event::Discarded { change_sets, problem } => {
            said(None, &change_sets.join(" "), problem.clone().unwrap_or_default())
        }
        Event::Released { hold } => said(None, &hold.word(), String::new()),
        Event::Waiting { holder } => said(None, holder, String::new()),
        Event::Locked => said(None, &"", String::new()),
        Event::Started { step } => said(None, step, String::new()),
        Event::Applied { step, change } | Event::Undone { step, change } => {
            let done = format!("{} to {}", change.from.word(), change.to.word());
            let ids = change.request_ids.join(" ");
            said(None, step, format!("{done}{}{ids}", if ids.is_empty() { "" } else { ", AWS requests " }))
        }
        Event::Effected { step, receipt } => {
            let ids = receipt.request_ids.join(" ");
            said(None, step, format!("{}{}{ids}", receipt.said, if ids.is_empty() { "" } else { ", AWS requests " }))
        }
        Event::Progressed { step, progress } => said(None, step, progress.now.clone()),
        Event::Checked { step, checks } => said(None, step, verdicts(checks)),
        Event::Finished { step, status, summary } => {
            said(None, step, format!("{}: {summary}", format!("{status:?}").to_lowercase()))
        }
        Event::Troubled { step, problem, .. } => {
            said(None, &step.as_ref().map(ToString::to_string).unwrap_or_default(), problem.clone())
        }
        Event::Asked { step, question, .. } => said(None, step, question.clone()),
        Event::Answered { step, answer, actor } => said(Some(actor), step, answer.word().to_owned()),
        Event::Preempted { by } => said(None, by, String::new()),
        Event::Undoing { reason } => said(None, &"", reason.clone()),
        Event::RulesDisabled { rules, verified, .. } => {
            let names: Vec<&str> = rules.iter().map(|outcome| outcome.rule.name.as_str()).collect();
            said(None, &names.join(" "), if *verified { "verified off" } else { "not all shown to be off" }.to_owned())
        }
        Event::Ended { outcome, summary, .. } => said(None, &outcome.word(), summary.clone()),
    }
}

fn verdicts(checks: &[Check]) -> String {
    let verdicts: Vec<String> =
        checks.iter().map(|check| format!("{}: {}", check.name, check.verdict.word())).collect();
    verdicts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Command, Origin, Outcome, Recorded, RunId};

    fn line(seq: i64, event: &Event) -> JournalLine {
        JournalLine {
            environment: "dev".to_owned(),
            run: RunId(7),
            seq,
            at: "2026-11-23T03:00:00.25Z".parse().unwrap(),
            body: serde_json::to_string(event).unwrap(),
            hash: "ab12".to_owned(),
        }
    }

    fn asked(text: &str) -> Event {
        Event::Requested {
            command: Command::Verify { environment: "dev".to_owned() },
            text: text.to_owned(),
            actor: Actor::Slack { user: "U0ALICE".to_owned(), team: "T1".to_owned() },
            environment: "dev".to_owned(),
            origin: Origin::Terminal,
            queue: false,
            notes: Vec::new(),
        }
    }

    fn ended(summary: &str) -> Event {
        let (outcome, summary) = (Outcome::Succeeded, summary.to_owned());
        Event::Ended { outcome, summary, rules: Default::default(), next: Vec::new() }
    }

    #[test]
    fn a_line_of_json_is_the_journals_event() {
        let events = [asked("verify \"dev\"\n"), ended("well\r\n"), Event::Locked];
        let lines: Vec<JournalLine> = (1..).zip(&events).map(|(seq, event)| line(seq, event)).collect();
        let text = jsonl(&lines);
        assert_eq!(text.lines().count(), 3);
        for ((text, line), event) in text.lines().zip(&lines).zip(&events) {
            assert!(text.contains(&line.body), "the recorded bytes: {text}");
            let read: Recorded = serde_json::from_str(text).unwrap();
            assert_eq!((read.run, read.seq, read.at, &read.event), (RunId(7), line.seq, line.at, event));
            assert_eq!(read.hash, "ab12");
        }
    }

    #[test]
    fn what_somebody_put_into_the_journal_stays_one_line() {
        for body in ["no json", "{\"kind\":\"locked\"}\n{\"run\":1}", "{}\",\"hash\":\"x\"}\n{"] {
            let text = jsonl(&[JournalLine { body: body.to_owned(), ..line(1, &Event::Locked) }]);
            assert_eq!(text.lines().count(), 1, "{text}");
            let read: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(read["hash"], "ab12");
        }
        let cells = csv(&[JournalLine { body: "no json".to_owned(), ..line(1, &Event::Locked) }]);
        assert_eq!(cells, "R-7,1,2026-11-23T03:00:00.25Z,dev,unreadable,,,no json,ab12\r\n");
    }

    #[test]
    fn a_record_has_as_many_cells_as_there_are_columns() {
        assert_eq!(head(AuditFormat::Csv), "run,seq,at,environment,kind,actor,subject,detail,hash\r\n");
        assert_eq!(
            csv(&[line(1, &asked("verify dev")), line(2, &Event::Locked)]),
            "R-7,1,2026-11-23T03:00:00.25Z,dev,requested,U0ALICE (T1),verify,verify dev,ab12\r\n\
             R-7,2,2026-11-23T03:00:00.25Z,dev,locked,,,,ab12\r\n"
        );
    }

    #[test]
    fn cells_are_quoted_and_formulas_are_defused() {
        for (text, cell) in [
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\tx", "'\tx"),
            ("\r=x", "\"'\r=x\""),
            ("=HYPERLINK(\"http://x\",\"y\")", "\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\""),
            ("a=b", "a=b"),
        ] {
            let record = csv(&[line(1, &asked(text))]);
            assert!(record.contains(&format!(",verify,{cell},ab12\r\n")), "{text:?}: {record}");
        }
    }

    #[test]
    fn a_files_name_says_where_and_when() {
        let now = "2026-11-23T03:00:00Z".parse().unwrap();
        assert_eq!(file_name(Some("dev"), AuditFormat::Jsonl, now), "alch-audit-dev-2026-11-23.jsonl");
        assert_eq!(file_name(None, AuditFormat::Csv, now), "alch-audit-all-2026-11-23.csv");
        assert_eq!(file_name(Some("a/b"), AuditFormat::Csv, now), "alch-audit-a-b-2026-11-23.csv");
    }
}
