//! STS: the sessions in which Alch acts. Each act has one of its own, assumed anew, whose name tells run and step and whose
//! SourceIdentity and tags tell who asked for it: CloudTrail then names the person with every call. What acts in an
//! emergency waits for none: it has the credentials of a session that is kept fresh beforehand.

use std::fmt;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use aws_sdk_sts::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_sts::types::Tag;

use crate::domain::{Actor, RunId, SessionStyle};

use super::clients::{self, Clients};
use super::operation::ASSUME_ROLE;
use super::{Aws, AwsError, AwsErrorKind, Inner};

/// The longest name of a session, and SourceIdentity.
const NAME_MAX_CHARS: usize = 64;
/// How much of an environment's name stands in a session's name: run and step must fit in too.
const ENVIRONMENT_MAX_CHARS: usize = 24;
/// How long a session lasts: the most that a role assumed by a role may.
const SESSION: Duration = Duration::from_secs(60 * 60);
/// The session that is kept fresh is used no longer than this: its last minutes might end within a call.
const STANDING_USE: Duration = Duration::from_secs(55 * 60);
/// How long it is kept before it is assumed anew.
const STANDING_RENEWAL: Duration = Duration::from_secs(20 * 60);
/// Between two tries to assume it.
const STANDING_RETRY: Duration = Duration::from_secs(30);
/// How long an act that nobody may be kept waiting for waits for a session of its own, where there is a standing one.
const URGENT_PATIENCE: Duration = Duration::from_secs(1);
/// How long it is remembered that a role's trust policy refuses tags: each try costs a call.
const REFUSAL_MEMORY: Duration = Duration::from_secs(10 * 60);

/// For whom and for what Alch acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The run; none while it has no number yet.
    pub run: Option<RunId>,
    /// The step's id.
    pub step: String,
    /// Who asked for it.
    pub actor: Actor,
    /// The command's first word.
    pub command: String,
    /// Whether it must not wait for STS.
    pub urgent: bool,
}

impl Session {
    /// The session that is kept fresh for emergencies; nobody has asked for it.
    fn standing() -> Self {
        Self { run: None, step: "standby".to_owned(), actor: Actor::Alch, command: "standby".to_owned(), urgent: false }
    }

    /// What CloudTrail shows as the session: `alch-prod-R42-enable-signal-generated`.
    fn name(&self, environment: &str) -> String {
        let environment: String = environment.chars().take(ENVIRONMENT_MAX_CHARS).collect();
        let run = self.run.map(|run| format!("R{}-", run.0)).unwrap_or_default();
        legal(&format!("alch-{environment}-{run}{}", self.step), "")
    }

    /// Who acts, as STS takes it: `U061@T024`, `mallory@terminal`. The mark between the two is ours alone, so that nobody's
    /// name at a terminal reads like a user of Slack.
    fn source_identity(&self) -> String {
        match &self.actor {
            Actor::Slack { user, team } => format!("{}@{}", legal(user, "@"), legal(team, "@")),
            Actor::Terminal { user } => format!("{}@terminal", legal(user, "@").chars().take(50).collect::<String>()),
            Actor::Alch => "alch".to_owned(),
        }
    }

    fn tags(&self, environment: &str) -> Vec<(&'static str, String)> {
        let run = self.run.map(|run| ("alch:run", format!("R{}", run.0)));
        let others = [
            ("alch:environment", environment.to_owned()),
            ("alch:user", self.source_identity()),
            ("alch:command", self.command.clone()),
        ];
        run.into_iter().chain(others).collect()
    }
}

/// A text with nothing but what STS takes in names, and without `except`.
fn legal(text: &str, except: &str) -> String {
    let fits =
        |letter: char| (letter.is_ascii_alphanumeric() || "_+=,.@-".contains(letter)) && !except.contains(letter);
    text.chars().map(|letter| if fits(letter) { letter } else { '-' }).take(NAME_MAX_CHARS).collect()
}

/// How much of who acts a session says. The first is tried first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Attribution {
    /// Name, SourceIdentity and tags.
    Tagged,
    /// Name and SourceIdentity.
    Identified,
    /// The name alone.
    Named,
}

impl Attribution {
    /// Those that are worth a try, the fullest first.
    fn from(fullest: Self) -> impl Iterator<Item = Self> {
        [Self::Tagged, Self::Identified, Self::Named].into_iter().filter(move |one| *one >= fullest)
    }
}

/// The session that is kept fresh.
#[derive(Clone)]
pub(super) struct Standing {
    credentials: Credentials,
    events: aws_sdk_eventbridge::Client,
    assumed: Instant,
}

impl fmt::Debug for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Standing").field("assumed", &self.assumed).finish_non_exhaustive()
    }
}

impl Aws {
    /// The same environment in a session of the operator's role for one act (AssumeRole): its calls carry the run, the
    /// step and the person who asked. Without `role_arn` there is nothing to assume, and the process's own identity acts.
    ///
    /// A repeat is harmless: another session of the same role. What is urgent waits 1 s at most, if there are
    /// credentials that were kept fresh, and acts with those then.
    pub async fn acting_for(&self, session: &Session) -> Result<Self, AwsError> {
        let Some(role) = &self.0.operator else { return Ok(self.clone()) };
        // On the heap: it is a part of every act, and large.
        let assuming = Box::pin(self.assume(&self.0.clients.sts_own, role, session));
        let credentials = match self.standing().filter(|_| session.urgent) {
            None => assuming.await?,
            Some(standing) => match tokio::time::timeout(URGENT_PATIENCE, assuming).await {
                Ok(Ok(credentials)) => credentials,
                Ok(Err(error)) => {
                    self.warn_of_standing(&error.to_string());
                    standing.credentials
                }
                Err(_) => {
                    self.warn_of_standing("STS did not answer in time");
                    standing.credentials
                }
            },
        };
        Ok(self.with_credentials(credentials))
    }

    /// The same environment with the person on whose behalf [`Aws::disable_all`] acts.
    pub fn in_emergency_for(&self, session: &Session) -> Self {
        Self(std::sync::Arc::new(Inner { emergency_for: Some(session.clone()), ..(*self.0).clone() }))
    }

    /// Keeps a session of the operator's role fresh, for ever. An emergency needs no answer of STS then. Without
    /// `role_arn` it has nothing to do.
    pub async fn keep_ready(&self) {
        let Some(role) = &self.0.operator else { return };
        loop {
            let pause = match self.assume(&self.0.clients.sts_own, role, &Session::standing()).await {
                Ok(credentials) => {
                    let events = clients::emergency(&self.0.own, &credentials, &self.0.counters);
                    let fresh = Standing { credentials, events, assumed: Instant::now() };
                    *self.0.shared.standing.lock().unwrap_or_else(PoisonError::into_inner) = Some(fresh);
                    // Who it is for is known then too, and an emergency need not ask.
                    if let Err(error) = self.confirm_account().await {
                        tracing::warn!(environment = %self.0.environment, %error, "the account is not confirmed yet");
                    }
                    STANDING_RENEWAL
                }
                Err(error) => {
                    let name = &self.0.environment;
                    tracing::warn!(environment = %name, %error, "no credentials are ready for an emergency; trying again");
                    STANDING_RETRY
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// The credentials that were kept fresh, while they are good.
    pub(super) fn standing(&self) -> Option<Standing> {
        let standing = self.0.shared.standing.lock().unwrap_or_else(PoisonError::into_inner).clone();
        standing.filter(|standing| standing.assumed.elapsed() < STANDING_USE)
    }

    /// EventBridge's client for an emergency with the credentials at hand; those of a session are fetched by the first
    /// call when none were kept fresh.
    pub(super) fn emergency_client(&self) -> aws_sdk_eventbridge::Client {
        self.standing().map_or_else(|| self.0.emergency.clone(), |standing| standing.events)
    }

    /// EventBridge's client for an emergency in a session of its own; none where there is nothing to assume, or it is
    /// nobody's.
    pub(super) async fn attributed_emergency_client(&self) -> Option<aws_sdk_eventbridge::Client> {
        let (role, session) = (self.0.operator.as_ref()?, self.0.emergency_for.as_ref()?);
        match self.assume(&self.0.clients.sts_urgent, role, session).await {
            Ok(credentials) => Some(clients::emergency(&self.0.own, &credentials, &self.0.counters)),
            Err(error) => {
                self.warn_of_standing(&error.to_string());
                None
            }
        }
    }

    fn warn_of_standing(&self, why: &str) {
        let environment = &self.0.environment;
        tracing::warn!(%environment, why, "acting without a session that names the person: the journal alone says who");
    }

    fn with_credentials(&self, credentials: Credentials) -> Self {
        let provider = SharedCredentialsProvider::new(credentials);
        let config = clients::with_identity(&self.0.own, provider);
        let clients = Clients::new(&config, &self.0.own, &self.0.counters);
        Self(std::sync::Arc::new(Inner { clients, ..(*self.0).clone() }))
    }

    /// A session of a role, with as much attribution as its trust policy takes.
    async fn assume(&self, sts: &aws_sdk_sts::Client, role: &str, session: &Session) -> Result<Credentials, AwsError> {
        let fullest = match self.0.style {
            SessionStyle::Named => Attribution::Named,
            SessionStyle::Tagged => self.taken().unwrap_or(Attribution::Tagged),
        };
        let mut refused = None;
        for attribution in Attribution::from(fullest) {
            match self.assume_as(sts, role, session, attribution).await {
                Ok(credentials) => {
                    if attribution > fullest {
                        self.remember(attribution);
                        let environment = &self.0.environment;
                        tracing::warn!(
                            %environment,
                            role,
                            ?attribution,
                            "the role's trust policy refuses sts:SetSourceIdentity or sts:TagSession: CloudTrail does not \
                             name who asked; `alch iam --role trust` prints a policy that takes them, and \
                             session = \"named\" asks for neither"
                        );
                    }
                    return Ok(credentials);
                }
                Err(error) if matches!(error.kind, AwsErrorKind::AccessDenied { .. }) => refused = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(refused.unwrap_or_else(|| AwsError::new(ASSUME_ROLE, AwsErrorKind::CredentialsUnavailable)))
    }

    pub(super) async fn assume_as(
        &self,
        sts: &aws_sdk_sts::Client,
        role: &str,
        session: &Session,
        attribution: Attribution,
    ) -> Result<Credentials, AwsError> {
        let environment = &self.0.environment;
        let seconds = i32::try_from(SESSION.as_secs()).unwrap_or(i32::MAX);
        let mut call = sts.assume_role().role_arn(role).role_session_name(session.name(environment));
        call = call.duration_seconds(seconds);
        if attribution <= Attribution::Identified {
            call = call.source_identity(session.source_identity());
        }
        if attribution == Attribution::Tagged {
            for (key, value) in session.tags(environment) {
                let tag = Tag::builder().key(key).value(legal(&value, "")).build();
                call =
                    call.tags(tag.map_err(|_| AwsError::other(ASSUME_ROLE, "RequestNotBuilt", "a tag is not legal"))?);
            }
        }
        let sent = Box::pin(call.send()).await;
        let output = sent.map_err(|error| AwsError::from_sdk(ASSUME_ROLE, &error).about(role))?;
        let credentials = output.credentials().ok_or_else(|| {
            AwsError::other(ASSUME_ROLE, "MissingCredentials", "the answer has no credentials").about(role)
        })?;
        // The SDK need not know when they end: they are used for one step, or renewed long before.
        let (id, secret) = (credentials.access_key_id(), credentials.secret_access_key());
        Ok(Credentials::new(id, secret, Some(credentials.session_token().to_owned()), None, "alch-session"))
    }

    /// What the trust policy was last seen to take, if that is not all and not long ago.
    fn taken(&self) -> Option<Attribution> {
        let taken = *self.0.shared.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.filter(|(_, at)| at.elapsed() < REFUSAL_MEMORY).map(|(attribution, _)| attribution)
    }

    fn remember(&self, attribution: Attribution) {
        *self.0.shared.taken.lock().unwrap_or_else(PoisonError::into_inner) = Some((attribution, Instant::now()));
    }
}

/// For the check of a configuration: a session as it would be assumed by whoever runs the check.
pub(super) fn check_session() -> Session {
    Session { step: "check".to_owned(), command: "check".to_owned(), ..Session::standing() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(actor: Actor, step: &str) -> Session {
        Session { run: Some(RunId(42)), step: step.to_owned(), actor, command: "enable".to_owned(), urgent: false }
    }

    fn slack(user: &str) -> Actor {
        Actor::Slack { user: user.to_owned(), team: "T024".to_owned() }
    }

    fn is_legal(name: &str) -> bool {
        let fits = |letter: char| letter.is_ascii_alphanumeric() || "_+=,.@-".contains(letter);
        (2..=64).contains(&name.len()) && name.chars().all(fits)
    }

    #[test]
    fn a_sessions_name_is_legal_and_has_run_and_step() {
        let long = "x".repeat(100);
        let table = [
            ("prod", "enable:signal-generated", "alch-prod-R42-enable-signal-generated".to_owned()),
            ("prod", "größe:📈", "alch-prod-R42-gr--e--".to_owned()),
            ("prod", &long, format!("alch-prod-R42-{}", &long[..50])),
            (&long, "execute", format!("alch-{}-R42-execute", &long[..24])),
            ("", "", "alch--R42-".to_owned()),
        ];
        for (environment, step, name) in table {
            let told = session(slack("U061"), step).name(environment);
            assert!(is_legal(&told), "{told}");
            assert_eq!(told, name);
        }
        let unnumbered = Session { run: None, ..session(slack("U061"), "disable-all") };
        assert_eq!(unnumbered.name("prod"), "alch-prod-disable-all");
    }

    #[test]
    fn a_source_identity_is_legal_and_nobody_at_a_terminal_looks_like_a_user_of_slack() {
        let table = [
            (slack("U061"), "U061@T024"),
            (Actor::Terminal { user: "ada".to_owned() }, "ada@terminal"),
            (Actor::Terminal { user: "U061@T024".to_owned() }, "U061-T024@terminal"),
            (Actor::Terminal { user: String::new() }, "@terminal"),
            (Actor::Terminal { user: "domain\\grüße zwei".to_owned() }, "domain-gr--e-zwei@terminal"),
            (Actor::Alch, "alch"),
        ];
        for (actor, identity) in table {
            let told = session(actor, "step").source_identity();
            assert!(is_legal(&told), "{told}");
            assert_eq!(told, identity);
        }
        let long = session(Actor::Terminal { user: "y".repeat(200) }, "step").source_identity();
        assert!(is_legal(&long) && long.ends_with("@terminal"), "{long}");
    }
}
