//! What is done to the function for a smoke test: it proves paper mode, is invoked once, and its answer is judged. What it
//! wrote is masked before anybody keeps it.

use std::time::{Duration, Instant};

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use secrecy::{ExposeSecret, SecretString};

use super::ActError;
use super::effects::{Found, Observation, Site};
use crate::aws::{Answered, AwsError, Invocation, Invoke, Invoked};
use crate::checks::smoke::{judge, moved, unproven};
use crate::domain::{Held, Progress, Receipt, StepStatus, Verdict, span};
use crate::sam::{Mask, is_secret_name};

/// How long a look waits for an answer that is about to come.
const LOOK: Duration = Duration::from_secs(1);
/// How often it is told that the function still runs.
const TOLD_EVERY: SignedDuration = SignedDuration::from_mins(1);
/// How long it is tried to read again how the function is set up.
const REREAD: SignedDuration = SignedDuration::from_mins(2);
/// Characters of what the answer says of itself.
const MAX_WORD_CHARS: usize = 60;
/// Characters of the answer that are kept.
const MAX_ANSWER_CHARS: usize = 600;
/// Lines of the log that are kept, and characters of each.
const MAX_LINES: usize = 30;
const MAX_LINE_CHARS: usize = 300;
/// From this length on Lambda has cut the log's tail, and its first line with it.
const CUT_BYTES: usize = 4000;
/// Lines of the log that are looked for after a restart.
const MAX_FOUND: usize = 100;

/// One invocation that is wanted, as it was planned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish<'a> {
    pub(super) function: &'a str,
    pub(super) qualifier: Option<&'a str>,
    pub(super) payload: &'a str,
    pub(super) variable: &'a str,
    pub(super) expected: &'a [String],
}

/// Whether the function may be invoked for this step: only if surely nothing was sent for it. `first` as in
/// [`super::effects::find`]; what trouble came after it in this process is told apart by what the process has noted.
pub(super) async fn find(site: &Site<'_>, wish: Wish<'_>, first: bool) -> Found {
    let key = correlation_id(site);
    match site.aws.invocation(&key, Duration::ZERO).await {
        Some(Invocation::Prepared) => may_run(site, wish).await,
        Some(Invocation::Running { .. } | Invocation::Over(_)) => Found::Done(receipt(site, wish)),
        None if first => {
            site.aws.prepare_invocation(&key);
            may_run(site, wish).await
        }
        None => Found::Unknown(untold(site, wish).await),
    }
}

/// Asked before the environment is in hand: of one that is stopped meanwhile, Lambda refuses the invoke.
async fn may_run(site: &Site<'_>, wish: Wish<'_>) -> Found {
    match site.aws.concurrency(wish.function).await.map(|read| read.value) {
        Ok(Some(0)) => {
            let why = stopped(wish.function, &site.environment.name);
            Found::Refused(format!("refused: {why}. Nothing was invoked"))
        }
        Ok(_) | Err(_) => Found::NotDone,
    }
}

/// Has the function prove paper mode (Lambda `GetFunctionConfiguration`), and invokes it right after that (Lambda `Invoke`).
/// It does not wait for the answer: nothing is to wait for that.
pub(super) async fn act(site: &Site<'_>, held: &Held<'_>, wish: Wish<'_>) -> Result<Receipt, ActError> {
    let started = Instant::now();
    let refuse = |why: String| ActError::Refused(format!("refused: {why}. Nothing was invoked"));
    let payload = with_id(wish.payload, &correlation_id(site))
        .ok_or_else(|| refuse("the payload is no JSON object".to_owned()))?;
    // Whatever else has to be asked is asked before the proof.
    site.aws.confirm_account().await?;
    let mode = match site.aws.mode(wish.function, wish.qualifier, wish.variable, wish.expected).await {
        Ok(mode) => mode,
        Err(error) if error.is_transient() => return Err(error.into()),
        Err(error) => return Err(refuse(unread(wish.function, &error))),
    };
    if let Some(why) = unproven(wish.function, wish.variable, &mode.proof) {
        return Err(refuse(why));
    }
    let (function, qualifier) = (wish.function.to_owned(), wish.qualifier.map(str::to_owned));
    let wanted = Invoke { key: correlation_id(site), function, qualifier, payload, mode };
    site.aws.invoke(held, wanted).await?;
    let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(Receipt { elapsed_ms, ..receipt(site, wish) })
}

/// What is said of a function that is stopped; a part of a sentence.
pub fn stopped(function: &str, environment: &str) -> String {
    format!(
        "{function} is stopped: its reserved concurrency is 0, so nothing runs. `restore {environment}` gives back what a hard \
         stop of Alch has taken"
    )
}

/// What is said when the proof could not be read; a part of a sentence.
pub fn unread(function: &str, error: &AwsError) -> String {
    format!("{function} does not prove paper mode: how it is set up could not be read: {error}")
}

/// Looks whether the function has answered, and what.
pub(super) async fn observe(site: &Site<'_>, wish: Wish<'_>) -> Result<Observation, AwsError> {
    match site.aws.invocation(&correlation_id(site), LOOK).await {
        Some(Invocation::Prepared) | None => Ok(Observation::over(StepStatus::Unknown, untold(site, wish).await)),
        Some(Invocation::Running { .. }) => Ok(running(site)),
        Some(Invocation::Over(invoked)) => over(site, wish, &invoked).await,
    }
}

/// Nobody waits for it any longer. What has answered already is told.
pub(super) async fn stop(site: &Site<'_>, wish: Wish<'_>) -> Result<Observation, AwsError> {
    if let Some(Invocation::Over(invoked)) = site.aws.invocation(&correlation_id(site), Duration::ZERO).await {
        return over(site, wish, &invoked).await;
    }
    Ok(Observation::over(
        StepStatus::Skipped,
        format!(
            "not waited for any longer, but {0} goes on: nothing stops a run of a function that has begun. How it ends is in its \
             log, {1}, under {2}",
            wish.function,
            log_group(site, wish.function).await,
            correlation_id(site)
        ),
    ))
}

/// Environment, run and the moment of the intent: the same whoever asks, and never that of another run.
fn correlation_id(site: &Site<'_>) -> String {
    let began = site.step.started_at.unwrap_or(site.run.requested_at).to_zoned(TimeZone::UTC);
    format!("alch-{}-R{}-{}", site.environment.name, site.run.id.0, began.strftime("%Y%m%dT%H%M%SZ"))
}

fn with_id(payload: &str, id: &str) -> Option<String> {
    let mut fields: serde_json::Map<String, serde_json::Value> = serde_json::from_str(payload).ok()?;
    fields.insert("correlation_id".to_owned(), id.into());
    Some(serde_json::Value::Object(fields).to_string())
}

fn receipt(site: &Site<'_>, wish: Wish<'_>) -> Receipt {
    let said = format!(
        "{} proved paper mode by {} and was invoked once, with the correlation id {}",
        wish.function,
        wish.variable,
        correlation_id(site)
    );
    Receipt { changed: true, said, ..Receipt::default() }
}

fn running(site: &Site<'_>) -> Observation {
    let since = site.step.effected.as_ref().map_or(site.now, |(at, _)| *at);
    let lasted = site.now.duration_since(since);
    let minutes = lasted.as_secs().max(0) / TOLD_EVERY.as_secs();
    let now = match minutes {
        0 => "invoked; it has not answered yet".to_owned(),
        minutes => format!("has been running for {}", span(SignedDuration::from_mins(minutes))),
    };
    let is_new = site.step.progress.now != now;
    Observation { news: is_new.then(|| Progress { now, ..Progress::default() }), ..Observation::default() }
}

/// The log group that the function writes to; when that cannot be asked, the one that is named after it.
async fn log_group(site: &Site<'_>, function: &str) -> String {
    let read = site.aws.log_group(function).await;
    read.unwrap_or_else(|_| format!("/aws/lambda/{function}"))
}

/// What is said when it may have run and nobody can tell, with what its log has to show.
async fn untold(site: &Site<'_>, wish: Wish<'_>) -> String {
    let (function, id) = (wish.function, correlation_id(site));
    let group = log_group(site, function).await;
    let from = site.step.started_at.unwrap_or(site.run.requested_at);
    let found = site.aws.search_log(&group, &format!("\"{id}\""), from, site.now, MAX_FOUND).await;
    let told = match found {
        Ok(lines) if lines.value.is_empty() => {
            format!("No line of {group} names {id} yet, which does not show that it did not run")
        }
        Ok(lines) => format!(
            "{group} names {id}: it ran, the last line is of {}. How it ended is to be read there",
            lines.value.last().map(|line| line.at.strftime("%H:%M:%S UTC").to_string()).unwrap_or_default()
        ),
        Err(error) => format!("{group} could not be searched: {error}. Look there for {id}"),
    };
    format!(
        "{function} may have been invoked, or may be running still, and the answer is lost. It is not invoked again by itself. \
         {told}. Only when it is sure that it has ended, ask for another smoke test"
    )
}

/// An invocation that is over: what it shows, and whether it was the proven function that ran.
async fn over(site: &Site<'_>, wish: Wish<'_>, invoked: &Invoked) -> Result<Observation, AwsError> {
    let answered = match &invoked.result {
        Ok(answered) => answered,
        Err(error) if error.may_have_happened() => {
            let summary = format!("{error}. {}", untold(site, wish).await);
            return Ok(Observation::over(StepStatus::Unknown, summary));
        }
        Err(error) => {
            return Ok(Observation::over(
                StepStatus::Failed,
                format!("{} was not invoked: {error}. It is not tried again by itself", wish.function),
            ));
        }
    };
    // Read after the answer: what was changed meanwhile may have been what ran.
    let now = match site.aws.mode(wish.function, wish.qualifier, wish.variable, wish.expected).await {
        // Asked again for a while, but the answer is not kept from people for longer.
        Err(error) if error.is_transient() && !is_tired(site) => return Err(error),
        read => read,
    };
    let after = now.as_ref().map(|mode| mode.secrets.as_slice()).unwrap_or_default();
    let mut mask = mask(invoked.mode.secrets.iter().chain(after));
    let moved = match &now {
        Ok(mode) => moved(wish.function, wish.variable, &invoked.mode.proof, &mode.proof, answered.version.as_deref()),
        Err(error) => Some(format!(
            "PAPER MODE IS NOT PROVEN OF THIS RUN of {}: whether it was changed meanwhile could not be read: {error}",
            wish.function
        )),
    };
    let (verdict, word) = match &answered.function_error {
        Some(kind) => (Verdict::Fail, format!("function error {kind}")),
        None => judge(&answered.payload),
    };
    let word = clipped(&mask.line(&word), MAX_WORD_CHARS);
    let status = match (&moved, verdict) {
        (Some(_), _) | (None, Verdict::Fail) => StepStatus::Failed,
        (None, Verdict::Pass) => StepStatus::Done,
        (None, Verdict::Inconclusive | Verdict::Unknown) => StepStatus::Inconclusive,
    };
    let took = match invoked.elapsed.as_millis() {
        ms @ 0..1000 => format!("{ms} ms"),
        _ => span(SignedDuration::try_from(invoked.elapsed).unwrap_or(SignedDuration::MAX)),
    };
    let request = answered.request_id.as_ref().map(|id| format!(", request {id}")).unwrap_or_default();
    let mut summary = moved.map(|moved| format!("{moved}. ")).unwrap_or_default();
    summary.push_str(&format!("answered after {took}{request}: {word}"));
    if verdict == Verdict::Inconclusive {
        summary.push_str(", which does not say whether it succeeded");
    }
    summary.push_str(&format!(". Response: {}", shown(&mut mask, &answered.payload)));
    let lines = if status == StepStatus::Done { Vec::new() } else { tail(&mut mask, answered) };
    let now = format!("answered: {word}");
    Ok(Observation {
        news: Some(Progress { lines, now, ..Progress::default() }),
        over: Some((status, summary)),
        ..Observation::default()
    })
}

/// Whether the proof could not be read again for long enough.
fn is_tired(site: &Site<'_>) -> bool {
    site.run.trouble.as_ref().is_some_and(|trouble| site.now.duration_since(trouble.since) >= REREAD)
}

/// Hides these values, as they are and as JSON writes them.
fn mask<'a>(secrets: impl Iterator<Item = &'a (String, SecretString)>) -> Mask {
    let secrets: Vec<&(String, SecretString)> = secrets.collect();
    // Of a short value only the name can tell that it is one.
    let named = secrets.iter().filter(|(name, _)| is_secret_name(name)).map(|(_, secret)| secret.clone());
    let forms = secrets.iter().flat_map(|(_, secret)| {
        let plain = secret.expose_secret();
        let written = serde_json::to_string(plain).unwrap_or_default();
        let written = written.trim_matches('"').to_owned();
        // A line of it may stand alone.
        let lines = plain.lines().map(str::to_owned).collect::<Vec<_>>();
        lines.into_iter().chain([written, plain.to_owned()]).map(SecretString::from)
    });
    Mask::of(forms).with_words(named)
}

fn shown(mask: &mut Mask, payload: &str) -> String {
    let lines: Vec<String> = payload.lines().map(|line| mask.line(line)).collect();
    let text = lines.join(" ");
    if text.trim().is_empty() { "empty".to_owned() } else { clipped(text.trim(), MAX_ANSWER_CHARS) }
}

/// The last lines of the log. A first line that Lambda has cut may begin within a secret, and is left out.
fn tail(mask: &mut Mask, answered: &Answered) -> Vec<String> {
    let cut = answered.log.len() >= CUT_BYTES;
    let lines: Vec<&str> = answered.log.lines().skip(usize::from(cut)).filter(|line| !line.trim().is_empty()).collect();
    let masked: Vec<String> =
        lines.into_iter().map(|line| clipped(mask.line(line).trim_end(), MAX_LINE_CHARS)).collect();
    let older = masked.len().saturating_sub(MAX_LINES);
    masked.into_iter().skip(older).collect()
}

fn clipped(text: &str, most: usize) -> String {
    let kept: String = text.chars().take(most).collect();
    if kept.len() < text.len() { format!("{kept}…") } else { kept }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(log: &str) -> Answered {
        Answered { function_error: None, version: None, payload: String::new(), log: log.to_owned(), request_id: None }
    }

    fn hiding(secret: &str) -> Mask {
        mask([("NAME".to_owned(), SecretString::from(secret))].iter())
    }

    #[test]
    fn the_correlation_id_goes_with_the_payload_and_only_with_an_object() {
        let sent = with_id(r#"{"mode": "trade", "correlation_id": "mine"}"#, "alch-dev-R1").unwrap();
        assert_eq!(sent, r#"{"correlation_id":"alch-dev-R1","mode":"trade"}"#);
        assert_eq!(with_id("[]", "id"), None);
    }

    #[test]
    fn values_of_variables_are_hidden_however_they_are_written() {
        let mut mask = hiding("pa\"ss word");
        assert_eq!(shown(&mut mask, r#"{"said": "pa\"ss word"}"#), r#"{"said": "[masked]"}"#);
        assert_eq!(shown(&mut mask, "it is pa\"ss word."), "it is [masked].");
        let mut mask = hiding("first-line\nsecond-line");
        assert_eq!(tail(&mut mask, &answered("a first-line\nb second-line\n")), ["a [masked]", "b [masked]"]);
    }

    #[test]
    fn a_short_value_is_hidden_as_a_word_where_its_variable_is_named_like_a_secret() {
        let hidden = |name: &str, value: &str, line: &str| {
            mask([(name.to_owned(), SecretString::from(value))].iter()).line(line)
        };
        assert_eq!(
            hidden("BROKER_TOKEN", "a1b2", "sent a1b2, not a1b23 nor xa1b2"),
            "sent [masked], not a1b23 nor xa1b2"
        );
        assert_eq!(hidden("DB_PASSWORD", "abc", "'abc' and abc"), "'[masked]' and [masked]");
        for (name, value) in [("STAGE", "dev"), ("API_KEY", "ab"), ("USE_TOKEN", "true"), ("API_KEY", "  ")] {
            let line = format!("it is {value} here");
            assert_eq!(hidden(name, value, &line), line, "{name}");
        }
    }

    #[test]
    fn a_tail_that_was_cut_begins_with_a_whole_line() {
        let mut mask = hiding("hunter2hunter2");
        let long = "x".repeat(CUT_BYTES);
        assert_eq!(tail(&mut mask, &answered(&format!("r2hunter2\n{long}"))).len(), 1);
        let many: String = (0..100).map(|n| format!("line {n}\n")).collect();
        let kept = tail(&mut mask, &answered(&many));
        assert_eq!((kept.len(), kept.last().unwrap().as_str()), (MAX_LINES, "line 99"));
    }

    #[test]
    fn what_is_shown_is_bounded() {
        assert_eq!(shown(&mut hiding(""), "  "), "empty");
        assert_eq!(shown(&mut hiding(""), &"é".repeat(5_000)).chars().count(), MAX_ANSWER_CHARS + 1);
    }
}
