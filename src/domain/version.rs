//! What is deployed: the version whose soak counts.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::AlarmState;

/// What runs in an environment: two environments with the same artefact and template run the same version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Version {
    /// What people call it: the value of the stack's tag `version`; none when it has no such tag.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub label: Option<String>,
    /// The function's CodeSha256 (Lambda `GetFunctionConfiguration`), base64 as Lambda gives it.
    pub artefact: String,
    /// SHA-256 of the stack's template (CloudFormation `GetTemplate`, stage Original), hexadecimal.
    pub template: String,
}

impl Version {
    /// Whether artefact and template are the same; labels are only names.
    pub fn is_same(&self, other: &Self) -> bool {
        self.artefact == other.artefact && self.template == other.template
    }

    /// Whether `text`, as a person types it, means this version: its label, or the beginning of the artefact's digest
    /// (at least six characters).
    pub fn is_called(&self, text: &str) -> bool {
        self.label.as_deref() == Some(text) || (text.len() >= 6 && self.artefact.starts_with(text))
    }

    /// For people: the label if there is one, else the beginning of the artefact's digest.
    pub fn name(&self) -> String {
        let artefact: String = self.artefact.chars().take(8).collect();
        match &self.label {
            Some(label) => format!("{label} ({artefact})"),
            None => artefact,
        }
    }
}

/// A change of an alarm's state (CloudWatch `DescribeAlarmHistory`, StateUpdate).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmChange {
    /// The alarm's name.
    pub alarm: String,
    /// When, UTC.
    pub at: Timestamp,
    /// The state that it went to.
    pub to: AlarmState,
}
