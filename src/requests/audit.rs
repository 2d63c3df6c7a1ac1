//! `audit`: the journals as a file, handed to where they were asked for.

use jiff::SignedDuration;

use super::{Asked, Requests, Response};
use crate::audit;
use crate::domain::{AuditFormat, Command, JournalLine, Origin};
use crate::policy;
use crate::slack::client::{CallError, FileUpload, Place};
use crate::slack::view::{self, AuditFile};
use crate::store::{AuditScope, StoreError};

/// The largest file that is handed out in Slack, bytes. A terminal takes any.
const MOST_BYTES: usize = 20 * 1024 * 1024;

/// What to do when Slack is not the place for it.
const ON_A_TERMINAL: &str = "On the machine that I run on, `alch audit` prints the same.";

/// The export that is asked for.
struct Wanted<'a> {
    environment: Option<&'a str>,
    since: Option<SignedDuration>,
    format: AuditFormat,
}

impl Requests {
    /// Hands out the journals. The command was permitted where it names an environment; without a name it is about all of
    /// them, and each is asked for.
    pub(super) async fn audit(&self, asked: &Asked) -> Result<Response, StoreError> {
        let Command::Audit { environment, since, format } = &asked.command else { return Err(StoreError::NoRun) };
        if environment.is_none()
            && let Some(refusal) = self.may_not_audit_all(asked, *format)
        {
            return Ok(Response::Refuse(view::refused(&refusal)));
        }
        let (Some((client, _)), Origin::Slack(to)) = (&self.0.slack, &asked.origin) else {
            return Ok(Response::Refuse(view::refusal(&format!("This hands out a file in Slack. {ON_A_TERMINAL}"))));
        };
        let wanted = Wanted { environment: environment.as_deref(), since: *since, format: *format };
        let (file, content) = match self.written(&wanted).await? {
            Ok(written) => written,
            Err(why) => return Ok(Response::Refuse(view::refusal(&why))),
        };
        let name = audit::file_name(wanted.environment, wanted.format, self.0.engine.clock().now());
        let upload = FileUpload {
            name: &name,
            title: &name,
            alt: "",
            content,
            place: Place { channel: &to.channel, thread_ts: to.thread_ts.as_deref() },
            comment: &view::audit_file(&file, &asked.person.actor),
        };
        Ok(match client.upload(upload).await {
            Ok(_) => Response::Say(view::audit_uploaded(&name, &file)),
            Err(error) => {
                tracing::warn!(%error, "an audit could not be handed out");
                Response::Refuse(view::refusal(&not_uploaded(&error)))
            }
        })
    }

    fn may_not_audit_all(&self, asked: &Asked, format: AuditFormat) -> Option<policy::Refusal> {
        self.0.config.environments.values().find_map(|environment| {
            let command = Command::Audit { environment: Some(environment.name.clone()), since: None, format };
            let request = policy::Request {
                person: &asked.person,
                command: &command,
                environment: Some(environment),
                place: &asked.place,
                house: &self.0.house,
                slack_approves: false,
                now: self.0.engine.clock().now(),
            };
            policy::decide(&request).err()
        })
    }

    /// The file, or why there is none.
    async fn written(&self, wanted: &Wanted<'_>) -> Result<Result<(AuditFile, Vec<u8>), String>, StoreError> {
        let store = self.0.engine.store();
        let since = wanted.since.and_then(|since| self.0.engine.clock().now().checked_sub(since).ok());
        let scope = AuditScope { environment: wanted.environment, since };
        let environment = wanted.environment.map(str::to_owned);
        let mut file = AuditFile { environment, since, runs: 0, events: 0, head: store.chain_head().await? };
        let mut content = audit::head(wanted.format);
        let mut last = None;
        loop {
            let page = store.journal_lines(scope, last.as_ref()).await?;
            for line in &page {
                let before = last.as_ref().map(|last: &JournalLine| last.run);
                file.runs += u64::from(before != Some(line.run));
                file.events += 1;
                last = Some(line.clone());
            }
            if page.is_empty() {
                break;
            }
            content.push_str(&audit::lines(wanted.format, &page));
            if content.len() > MOST_BYTES {
                let mib = MOST_BYTES / 1024 / 1024;
                return Ok(Err(format!(
                    "That is more than {mib} MiB, which is too much for a file in Slack. Ask for less with `--since`, or \
                     for one environment. {ON_A_TERMINAL}"
                )));
            }
        }
        if file.events == 0 {
            return Ok(Err("Nothing is recorded there for that time, so there is no file.".to_owned()));
        }
        Ok(Ok((file, content.into_bytes())))
    }
}

/// Why the file is not there, and what to do.
fn not_uploaded(error: &CallError) -> String {
    let why = match error {
        CallError::Api { code, .. } if code == "missing_scope" => {
            "Slack does not let me upload files: my app lacks the scope `files:write`. Whoever looks after the app can \
             add it and install the app again."
                .to_owned()
        }
        CallError::Api { code, .. } if code == "unknown_method" => "This Slack cannot take files.".to_owned(),
        CallError::Ambiguous(_) => {
            "The file was sent, but Slack did not say whether it arrived. If it does not show up here, ask again."
                .to_owned()
        }
        CallError::RateLimited { .. }
        | CallError::Api { .. }
        | CallError::Unreachable(_)
        | CallError::InvalidAuth(_) => {
            format!("The file could not be uploaded: {error}.")
        }
    };
    format!("{why} {ON_A_TERMINAL}")
}
