//! Item 5: the idempotency table is there with its key, and its items expire.

use super::{Checklist, Finding, Row};
use crate::domain::{Check, Verdict};

/// A table as it was found (DynamoDB `DescribeTable`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableFact {
    /// Its status: `ACTIVE`.
    pub status: String,
    /// The attribute that is its partition key.
    pub partition_key: Option<String>,
    /// The attribute that is its sort key.
    pub sort_key: Option<String>,
}

/// How a table's items expire, as it was found (DynamoDB `DescribeTimeToLive`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TtlFact {
    /// Its status: `ENABLED`.
    pub status: String,
    /// The attribute that holds the time.
    pub attribute: Option<String>,
}

impl Checklist<'_> {
    pub(super) fn table(&self) -> Vec<Check> {
        vec![self.shape(), self.ttl()]
    }

    fn shape(&self) -> Check {
        let table = &self.environment.table;
        let row = Row::new("table", format!("Table {}", table.name), format!("ACTIVE, key {}", table.key));
        self.check(row, format!("DescribeTable {}", table.name), &self.readings.table, |found| {
            let Some(fact) = found else {
                let reason = "There is no table of this name, so no event can be told from its repeat. Deploy the stack, \
                              or mend `table.name`.";
                return Finding::new(Verdict::Fail, "missing", reason);
            };
            let key = fact.partition_key.as_deref().unwrap_or("none");
            let value = match &fact.sort_key {
                Some(sort) => format!("{}, key {key} with {sort}", fact.status),
                None => format!("{}, key {key}", fact.status),
            };
            if key != table.key || fact.sort_key.is_some() {
                let reason = format!(
                    "The key is not {} alone, so the function's conditional writes mean something else. Compare the \
                     template with `table.key`.",
                    table.key
                );
                Finding::new(Verdict::Fail, value, reason)
            } else if fact.status != "ACTIVE" {
                Finding::new(Verdict::Fail, value, "The table is not ACTIVE. Wait for its change to end, and look again.")
            } else {
                Finding::new(Verdict::Pass, value, "The table is there, with the configured key.")
            }
        })
    }

    fn ttl(&self) -> Check {
        let table = &self.environment.table;
        let row =
            Row::new("expiry", format!("Expiry in {}", table.name), format!("ENABLED on {}", table.ttl_attribute));
        self.check(row, format!("DescribeTimeToLive {}", table.name), &self.readings.ttl, |found| {
            let Some(fact) = found else {
                return Finding::new(Verdict::Fail, "missing", "There is no table of this name.");
            };
            let attribute = fact.attribute.as_deref();
            let value = match attribute {
                Some(attribute) => format!("{} on {attribute}", fact.status),
                None => fact.status.clone(),
            };
            if fact.status == "ENABLED" && attribute == Some(table.ttl_attribute.as_str()) {
                Finding::new(Verdict::Pass, value, "Items expire by the configured attribute.")
            } else if fact.status == "ENABLING" && attribute == Some(table.ttl_attribute.as_str()) {
                let reason = "DynamoDB is still turning expiry on, which takes up to an hour. Look again then.";
                Finding::new(Verdict::Inconclusive, value, reason)
            } else {
                let reason = format!("Items do not expire by {}. Deploy the stack again.", table.ttl_attribute);
                Finding::new(Verdict::Fail, value, reason)
            }
        })
    }
}
