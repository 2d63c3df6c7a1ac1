//! What is wrong with a configuration: where, what, and the mend. Owns how that is written; finds nothing itself.

use std::fmt;

/// One thing that is wrong. It names a place and a mend, and never the text of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Where it was written.
    pub origin: Origin,
    /// The key, such as `environments.dev.rules[2].name`; empty when it is about no key.
    pub key: KeyPath,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub mend: String,
}

/// Everything that was found wrong at once, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

/// Where a setting was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Nowhere: it is a default, or missing.
    #[default]
    Default,
    /// In a file, at a line, counted from 1.
    Line(String, usize),
    /// In a file, as a whole.
    File(String),
    /// In an environment variable.
    Variable(String),
}

/// The way to a key.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyPath(pub Vec<Segment>);

/// One step of the way to a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Segment {
    /// A key of a table.
    Key(String),
    /// A place in an array, counted from 0.
    Index(usize),
}

impl KeyPath {
    /// This path and one more key.
    #[must_use]
    pub fn key(&self, key: impl Into<String>) -> Self {
        self.with(Segment::Key(key.into()))
    }

    /// This path and a place in the array there.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.with(Segment::Index(index))
    }

    fn with(&self, segment: Segment) -> Self {
        let mut segments = self.0.clone();
        segments.push(segment);
        Self(segments)
    }

    /// Whether one of the two leads to the other.
    pub fn touches(&self, other: &Self) -> bool {
        let shorter = self.0.len().min(other.0.len());
        self.0[..shorter] == other.0[..shorter]
    }
}

/// The path of a dotted key without arrays, as code writes it.
impl From<&str> for KeyPath {
    fn from(dotted: &str) -> Self {
        Self(dotted.split('.').map(|key| Segment::Key(key.to_owned())).collect())
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Key(key) if position > 0 => write!(f, ".{key}")?,
                Segment::Key(key) => f.write_str(key)?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => Ok(()),
            Self::Line(file, line) => write!(f, "{file}:{line}"),
            Self::File(file) => f.write_str(file),
            Self::Variable(name) => write!(f, "environment variable {name}"),
        }
    }
}

impl fmt::Display for ConfigError {
    /// `config/alch.toml:12: environments.dev.regoin: there is no such key. Did you mean region?`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.origin != Origin::Default {
            write!(f, "{}: ", self.origin)?;
        }
        if !self.key.0.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}", self.problem)?;
        if !self.mend.is_empty() {
            write!(f, ". {}", self.mend)?;
        }
        Ok(())
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, error) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
impl std::error::Error for ConfigErrors {}

/// What a check of values collects: problems at keys, whose origin is looked up later.
#[derive(Debug, Default)]
pub(super) struct Findings(pub(super) Vec<(KeyPath, String, String)>);

impl Findings {
    /// Notes a problem and its mend.
    pub(super) fn add(&mut self, key: KeyPath, problem: impl Into<String>, mend: impl Into<String>) {
        self.0.push((key, problem.into(), mend.into()));
    }

    /// Notes it unless `fine`.
    pub(super) fn require(&mut self, fine: bool, key: KeyPath, problem: impl Into<String>, mend: impl Into<String>) {
        if !fine {
            self.add(key, problem, mend);
        }
    }
}

/// The known word that was probably meant.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&word, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}
