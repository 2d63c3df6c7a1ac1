//! Which versions ran in an environment, and from which packages, as its journals tell it.

use jiff::Timestamp;

use super::{Actor, Artefact, CodeRollback, Command, Detail, Effect, Package, Run, RunId, StepKind, StepStatus};

/// How short a name may be that means a version by its beginning: a commit's, or a hash's.
const MIN_BEGINNING: usize = 6;

/// A version that ran here.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownVersion {
    /// What people call it.
    pub name: Option<String>,
    /// The run that tells of it.
    pub run: RunId,
    /// When, UTC.
    pub at: Timestamp,
    /// How it came to run.
    pub how: How,
    /// What the function ran; none when nobody has read it then.
    pub artefact: Option<Artefact>,
}

/// How a version came to run.
#[derive(Clone, Debug, PartialEq)]
pub enum How {
    /// Deployed, as this person asked.
    Deployed(Actor),
    /// Put back, as this person asked.
    PutBack {
        /// With the whole stack, or the function's code alone.
        by: CodeRollback,
        /// Who asked.
        actor: Actor,
    },
    /// Nobody knows: it was there when the run came.
    Found,
}

impl KnownVersion {
    /// All that the journals tell, newest first as the runs are: a version is told of as often as it came to run.
    pub fn all(runs: &[Run], function: &str) -> Vec<Self> {
        runs.iter().flat_map(|run| of_run(run, function)).collect()
    }

    /// Of each version what is best known: newest first, with its code and package where anything tells them.
    pub fn each_once(known: &[Self]) -> Vec<Self> {
        let mut each: Vec<Self> = Vec::new();
        for one in known {
            let is_same = |other: &&mut Self| match (&other.name, &one.name) {
                (Some(other), Some(one)) => other == one,
                (None, None) => other.code() == one.code(),
                _ => false,
            };
            match each.iter_mut().find(is_same) {
                Some(other) if other.artefact.is_none() || (other.package().is_none() && one.package().is_some()) => {
                    other.artefact.clone_from(&one.artefact);
                }
                Some(_) => {}
                None => each.push(one.clone()),
            }
        }
        each
    }

    /// The version that is called so, with its package where that is known.
    pub fn named(known: &[Self], text: &str) -> Option<Self> {
        let called: Vec<&Self> = known.iter().filter(|one| one.is_called(text)).collect();
        called.iter().find(|one| one.package().is_some()).or(called.first()).map(|one| (*one).clone())
    }

    /// The version before the one that runs: of those that were deployed or found, not of what was put back, or going back
    /// twice would go forward.
    pub fn before(known: &[Self], runs: impl Fn(&Self) -> bool) -> Option<Self> {
        let deployed: Vec<&Self> = known.iter().filter(|one| !matches!(one.how, How::PutBack { .. })).collect();
        let now = deployed.iter().position(|one| runs(one));
        let older = &deployed[now.map_or(0, |at| at + 1)..];
        older.iter().find(|one| !runs(one)).map(|one| (*one).clone())
    }

    /// The hashes that the function had when a package was deployed, each once: first what was deployed, newest first, then
    /// what was found.
    pub fn hashes_of(known: &[Self], package: &Package) -> Vec<(RunId, String)> {
        let mut hashes: Vec<(RunId, String)> = Vec::new();
        let (found, deployed): (Vec<&Self>, Vec<&Self>) =
            known.iter().filter(|one| one.package() == Some(package)).partition(|one| one.how == How::Found);
        for one in deployed.into_iter().chain(found) {
            if let Some(code) = one.code().filter(|code| hashes.iter().all(|(_, other)| other != code)) {
                hashes.push((one.run, code.to_owned()));
            }
        }
        hashes
    }

    /// Whether the whole stack came to it, rather than the function's code alone.
    pub fn is_of_stack(&self) -> bool {
        match self.how {
            How::Deployed(_) | How::PutBack { by: CodeRollback::Stack, .. } => true,
            How::PutBack { by: CodeRollback::Function, .. } | How::Found => false,
        }
    }

    /// The hash of its code.
    pub fn code(&self) -> Option<&str> {
        self.artefact.as_ref().map(|artefact| artefact.code.as_str())
    }

    /// Its package.
    pub fn package(&self) -> Option<&Package> {
        self.artefact.as_ref()?.package.as_ref()
    }

    /// What people call it: its name, else the beginning of its hash.
    pub fn title(&self) -> String {
        let hash = || self.code().map(|code| code.chars().take(8).collect());
        self.name.clone().or_else(hash).unwrap_or_else(|| "a version without a name".to_owned())
    }

    /// Whether a person means it: by its name, or by the beginning of that or of its hash.
    fn is_called(&self, text: &str) -> bool {
        let begins = |whole: &str| whole == text || (text.len() >= MIN_BEGINNING && whole.starts_with(text));
        self.name.as_deref().is_some_and(begins) || self.code().is_some_and(begins)
    }
}

/// What one run tells: what came to run by it, then what was there before.
fn of_run(run: &Run, function: &str) -> Vec<KnownVersion> {
    let mut deployed: Option<String> = None;
    let mut artefact: Option<Artefact> = None;
    let mut at = None;
    for progress in run.steps.iter().filter(|progress| progress.status == StepStatus::Done) {
        let (StepKind::Effect { effect, .. }, Some((_, receipt))) = (&progress.step.kind, &progress.effected) else {
            continue;
        };
        let is_meant = match effect {
            Effect::UpdateCode { function: of, .. } | Effect::RecordCode { function: of, .. } => of == function,
            _ => true,
        };
        match &receipt.detail {
            Detail::Version { version } => deployed = Some(version.clone()),
            Detail::Deployed { checkout } => deployed = checkout.commit.get(..12).map(str::to_owned),
            Detail::Runs { version, artefact: read } if is_meant => {
                deployed = deployed.or_else(|| version.clone());
                artefact = Some(read.clone());
            }
            Detail::Code { package, version, answered } if is_meant => {
                let expected = match effect {
                    Effect::UpdateCode { expected, .. } => expected.as_ref().map(|expected| expected.code.clone()),
                    _ => None,
                };
                deployed = version.clone();
                let code = expected.or_else(|| answered.clone());
                artefact = code.map(|code| Artefact { code, package: Some(package.clone()), lacks: None });
            }
            _ => continue,
        }
        at = at.max(progress.finished_at);
    }
    let mut told = Vec::new();
    if let Some(at) = at {
        let actor = run.actor.clone();
        let how = match &run.command {
            Command::CodeRollback { by, .. } => How::PutBack { by: *by, actor },
            _ => How::Deployed(actor),
        };
        told.push(KnownVersion { name: deployed, run: run.id, at, how, artefact });
        // Of the function's code alone, what the stack calls its version says nothing.
        let stack = told.iter().any(KnownVersion::is_of_stack);
        if let Some((at, facts)) = run.facts.as_ref().filter(|_| stack) {
            let name = facts.version.as_ref().and_then(|version| version.label.clone());
            let artefact = facts.artefact.clone();
            if name.is_some() || artefact.is_some() {
                told.push(KnownVersion { name, run: run.id, at: *at, how: How::Found, artefact });
            }
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(name: &str, code: &str, how: How) -> KnownVersion {
        let key = format!("{name}.zip");
        let package = Some(Package { bucket: "b".to_owned(), key, object_version: None });
        KnownVersion {
            name: Some(name.to_owned()),
            run: RunId(1),
            at: Timestamp::UNIX_EPOCH,
            how,
            artefact: Some(Artefact { code: code.to_owned(), package, lacks: None }),
        }
    }

    fn before(known: &[KnownVersion], running: &str) -> Option<String> {
        KnownVersion::before(known, |one| one.code() == Some(running)).map(|version| version.title())
    }

    #[test]
    fn going_back_twice_goes_back_twice() {
        let deployed = || How::Deployed(Actor::Alch);
        let mut known = vec![ran("3", "c", deployed()), ran("2", "b", deployed()), ran("1", "a", deployed())];
        assert_eq!(before(&known, "c").as_deref(), Some("2"));
        known.insert(0, ran("2", "b", How::PutBack { by: CodeRollback::Stack, actor: Actor::Alch }));
        assert_eq!(before(&known, "b").as_deref(), Some("1"), "and not forward to 3");
        assert_eq!(before(&known, "somebody else's").as_deref(), Some("3"));
        assert_eq!(before(&known, "a"), None);
    }

    #[test]
    fn the_first_deployment_is_gone_back_from_to_what_was_found() {
        let known = [ran("2", "b", How::Deployed(Actor::Alch)), ran("1", "a", How::Found)];
        assert_eq!(before(&known, "b").as_deref(), Some("1"));
    }

    #[test]
    fn a_version_is_meant_by_name_or_beginning_and_rather_with_its_package() {
        let newer = KnownVersion { artefact: None, ..ran("3f786850e387", "", How::Found) };
        let known = [newer, ran("3f786850e387", "Zm9vYmFy", How::Found)];
        for text in ["3f786850e387", "3f7868", "Zm9vYm"] {
            assert!(KnownVersion::named(&known, text).unwrap().package().is_some(), "{text}");
        }
        assert_eq!(KnownVersion::named(&known, "3f7"), None, "too short to mean one");
        let each = KnownVersion::each_once(&known);
        assert_eq!((each.len(), each[0].code()), (1, Some("Zm9vYmFy")));
    }

    #[test]
    fn a_package_that_was_seen_with_several_hashes_keeps_them_all() {
        let known = [ran("2", "c", How::Found), ran("2", "b", How::Found), ran("2", "c", How::Found)];
        let hashes = KnownVersion::hashes_of(&known, known[0].package().unwrap());
        assert_eq!(hashes.into_iter().map(|(_, code)| code).collect::<Vec<_>>(), ["c", "b"]);
    }
}
