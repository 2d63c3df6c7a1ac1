//! Items 6 and 7: the function's role may use the table and publish to the bus, and neither's own policy forbids it.

use std::collections::BTreeMap;

use super::super::policy_document::{self, Asker, PolicyDocument, Request, Ruling};
use super::super::words::sentence;
use super::super::{Permission, Reading};
use super::{Checklist, Finding, Row, unread};
use crate::domain::{Check, Verdict};

/// What is to be used.
struct Resource<'a> {
    name: &'a str,
    arn: Result<String, String>,
    policy: Result<Option<String>, String>,
}

impl Checklist<'_> {
    pub(super) fn table_access(&self) -> Vec<Check> {
        let resource = Resource {
            name: &self.environment.table.name,
            arn: self.readings.table_arn.clone(),
            policy: self.readings.table_policy.clone().map(|answer| answer.value),
        };
        self.access(&self.readings.table_access, &resource)
    }

    pub(super) fn bus_access(&self) -> Vec<Check> {
        let bus = self.readings.bus.as_ref().map(|answer| answer.value.as_ref()).map_err(Clone::clone);
        let resource = Resource {
            name: &self.environment.bus,
            arn: bus
                .clone()
                .and_then(|bus| bus.map(|bus| bus.arn.clone()).ok_or_else(|| "there is no such bus".to_owned())),
            policy: bus.map(|bus| bus.and_then(|bus| bus.policy.clone())),
        };
        self.access(&self.readings.bus_access, &resource)
    }

    fn access(&self, access: &Reading<Vec<(String, Permission)>>, on: &Resource<'_>) -> Vec<Check> {
        let resource = on.name;
        let query = format!("SimulatePrincipalPolicy of the role of {} on {resource}", self.environment.function);
        let Ok(answer) = access else {
            return vec![
                self.check(Row::new("role", "", "allowed"), query, access, |_| Finding::new(Verdict::Unknown, "", "")),
            ];
        };
        let parts = answer.value.iter().map(|(action, permission)| {
            let finding = self.judged(action, permission, on);
            let mut check = self.found(Row::new(action, action, "allowed"), query.clone(), finding);
            check.evidence.request_ids.clone_from(&answer.request_ids);
            check
        });
        parts.collect()
    }

    fn judged(&self, action: &str, permission: &Permission, on: &Resource<'_>) -> Finding {
        let resource = on.name;
        let function = &self.environment.function;
        let by_resource = match (&on.policy, &on.arn) {
            (Err(why), _) | (Ok(Some(_)), Err(why)) => Err(unread(why).reason),
            (Ok(None), _) => Ok(Ruling::Silent),
            (Ok(Some(text)), Ok(arn)) => PolicyDocument::parse(text)
                .map(|document| policy_document::rule(&[document], &self.by_role(action, arn)))
                .map_err(|why| format!("It cannot be read: {}", sentence(&why))),
        };
        match (permission, by_resource) {
            (_, Ok(Ruling::Denied(by))) => Finding::new(
                Verdict::Fail,
                "denied",
                format!("{by} of the policy of {resource} denies it. Take it out."),
            ),
            (Permission::Denied(why), Ok(Ruling::Allowed)) => {
                let reason = format!(
                    "{} But the policy of {resource} allows it, which may be enough. Give the role the action itself.",
                    sentence(why)
                );
                Finding::new(Verdict::Unknown, "not told", reason)
            }
            (Permission::Denied(why), _) => {
                let reason = format!(
                    "The role of {function} may not do this: {why}. Add {action} on {resource} to it in the template."
                );
                Finding::new(Verdict::Fail, "denied", reason)
            }
            (Permission::Unknown(why), _) => Finding::new(Verdict::Unknown, "", sentence(why)),
            (Permission::Allowed, Err(why)) => {
                let reason =
                    format!("The role may, but whether the policy of {resource} forbids it is not known. {why}");
                Finding::new(Verdict::Unknown, "", reason)
            }
            (Permission::Allowed, Ok(Ruling::Unknown(why))) => {
                let reason = format!("The role may, but of the policy of {resource}: {}", sentence(&why));
                Finding::new(Verdict::Unknown, "", reason)
            }
            (Permission::Allowed, Ok(Ruling::Allowed | Ruling::Silent)) => Finding::new(
                Verdict::Pass,
                "allowed",
                "The role allows it, and the resource's policy does not forbid it.",
            ),
        }
    }

    /// The question as the resource's policy hears it.
    fn by_role<'a>(&'a self, action: &'a str, arn: &'a str) -> Request<'a> {
        let function = self.readings.function.as_ref().ok().and_then(|answer| answer.value.as_ref());
        let role = function.map_or("", |function| function.role.as_str());
        let context = BTreeMap::from([("aws:securetransport", "true".to_owned())]);
        Request { asker: Asker::Role(role), action, resource: arn, context }
    }
}
