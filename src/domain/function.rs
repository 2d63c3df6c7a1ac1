//! A function as it was found, and its code: the package in S3, the hash, and who says what the hash has to be.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::RunId;

/// A function's package in S3.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The object's version, in a bucket that has them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub object_version: Option<String>,
}

impl Package {
    /// Reads `s3://bucket/key` or `s3://bucket/key@version-id`.
    pub fn read(text: &str) -> Option<Self> {
        let (bucket, key) = text.strip_prefix("s3://")?.split_once('/')?;
        let (key, object_version) = match key.rsplit_once('@') {
            Some((key, version)) => (key, Some(version.to_owned())),
            None => (key, None),
        };
        let is_whole = !bucket.is_empty() && !key.is_empty() && object_version.as_deref() != Some("");
        is_whole.then(|| Self { bucket: bucket.to_owned(), key: key.to_owned(), object_version })
    }
}

impl fmt::Display for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)?;
        self.object_version.iter().try_for_each(|version| write!(f, "@{version}"))
    }
}

/// What a function runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artefact {
    /// CodeSha256 (Lambda `GetFunctionConfiguration`), base64 as Lambda gives it.
    pub code: String,
    /// The package that the stack's template names for it; none when that could not be told.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub package: Option<Package>,
    /// Why it could not, for people; a part of a sentence.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lacks: Option<String>,
}

/// The CodeSha256 that a function has to have after an update, and who says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// The hash.
    pub code: String,
    /// Who says so.
    pub by: ExpectedBy,
}

/// Who says which hash a package's code has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum ExpectedBy {
    /// The journal: the function ran it when this package was deployed.
    Journal {
        /// By which run.
        run: RunId,
    },
    /// Lambda, which computed it beforehand (`UpdateFunctionCode` with DryRun).
    DryRun,
}

/// A function as it was found (Lambda `GetFunctionConcurrency`, `GetFunctionConfiguration`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionFact {
    /// The reserved concurrency; none for no reservation.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub concurrency: Option<u32>,
    /// CodeSha256 and RevisionId, where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub code: Option<(String, String)>,
    /// The reserved concurrency from before a hard stop that was not taken back, and which run that was.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stopped: Option<(RunId, Option<u32>)>,
    /// The package that is wanted: as it was given, or as the journals know it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub package: Option<Package>,
    /// What people call it, where the journals know.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub version: Option<String>,
    /// The hashes that the function had when this package was deployed, by run, newest first.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub recorded: Vec<(RunId, String)>,
    /// The hash that Lambda computes of the package (`UpdateFunctionCode` with DryRun); none when it was not asked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub dry_run: Option<String>,
}
