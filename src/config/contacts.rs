//! Whom people turn to when Alch cannot help.

use serde::Deserialize;

/// `[contacts]`: free text, an e-mail address or a Slack id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Contacts {
    /// Who looks after the system.
    pub primary: Option<String>,
    /// Who is called when that does not help.
    pub escalation: Option<String>,
}

impl Contacts {
    /// Who is called when nobody decides in time, or a person asks for help: a text in any case.
    pub fn escalates_to(&self) -> &str {
        let named = self.escalation.as_deref().or(self.primary.as_deref());
        named.unwrap_or("whoever is on call (contacts.escalation is not configured)")
    }
}
