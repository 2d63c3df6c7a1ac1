//! What the doctor reads beside the checklist: who Alch is, namesakes on the default bus, the archive, Alch's own rights.

use futures_util::future::join_all;
use jiff::Timestamp;

use crate::checks::doctor::{DoctorReadings, Needed, Right, needed};
use crate::checks::{Answer, Permission, Reading};
use crate::domain::Environment;

use super::observe::in_words;
use super::{Aws, AwsErrorKind};

/// The bus that EventBridge means when none is named.
const DEFAULT_BUS: &str = "default";

impl Aws {
    /// Everything that the doctor looks at. What cannot be read says why in its place. Nothing is changed.
    pub async fn read_doctor(&self, environment: &Environment, now: Timestamp) -> DoctorReadings {
        let namesakes = join_all(
            environment.rules.iter().map(|rule| async { (rule.name.clone(), self.has_namesake(&rule.rule).await) }),
        );
        let (list, identity, namesakes, archive, tried) = tokio::join!(
            Box::pin(self.read_checklist(environment, now)),
            self.identity(),
            namesakes,
            self.archive(&environment.archive),
            Box::pin(self.check_access(environment, now)),
        );
        let source = match (&environment.role_arn, &identity) {
            (Some(role), _) => Ok(role.clone()),
            (None, Ok(identity)) => Ok(policy_source(&identity.arn)),
            (None, Err(error)) => Err(error.to_string()),
        };
        let wanted = needed(environment);
        let simulated = join_all(wanted.iter().map(|need| self.rights(need, &source))).await;
        let denied = tried.into_iter().filter_map(|(operation, result)| {
            let error = result.err()?;
            let permission = match &error.kind {
                AwsErrorKind::AccessDenied { .. } => Permission::Denied(error.to_string()),
                // Whatever is not there, or not reachable, other checks tell.
                _ => return None,
            };
            let on = error.subject.clone().unwrap_or_else(|| "*".to_owned());
            Some(Right { action: operation.iam_action.to_owned(), on, vital: true, permission })
        });
        DoctorReadings {
            rights: denied.chain(simulated.into_iter().flatten()).collect(),
            list,
            identity: identity.map(|identity| (identity.account, identity.arn)).map_err(|error| error.to_string()),
            namesakes: namesakes.into_iter().collect(),
            archive: in_words(archive),
        }
    }

    async fn has_namesake(&self, rule: &str) -> Reading<bool> {
        match self.read_rule(DEFAULT_BUS, rule).await {
            Ok(answer) => Ok(Answer { value: true, request_ids: answer.request_ids }),
            Err(error) if error.is_not_found() => {
                Ok(Answer { value: false, request_ids: error.request_id.into_iter().collect() })
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// Whether Alch may do what it needs to on one resource.
    async fn rights(&self, need: &Needed, source: &Result<String, String>) -> Vec<Right> {
        let asked = async {
            let source = source.as_ref().map_err(Clone::clone)?;
            if source.ends_with(":root") {
                // The account's root user may do everything there, and IAM simulates nothing for it.
                let all = need.actions.iter().map(|action| ((*action).to_owned(), Permission::Allowed));
                return Ok(Answer { value: all.collect(), request_ids: Vec::new() });
            }
            let arn = self.arn(need.service, &need.resource).await.map_err(|error| error.to_string())?;
            Box::pin(self.may_all(source, need.actions, &arn)).await.map_err(|error| error.to_string())
        };
        let right = |action: &str, permission| Right {
            action: action.to_owned(),
            on: need.resource.clone(),
            vital: need.vital,
            permission,
        };
        match asked.await {
            Ok(answer) => answer.value.into_iter().map(|(action, permission)| right(&action, permission)).collect(),
            Err(why) => need.actions.iter().map(|action| right(action, Permission::Unknown(why.clone()))).collect(),
        }
    }
}

/// The identity whose policies count for a caller: the role of an assumed role's session, the user itself. A session does
/// not tell the path of its role, so a role with a path has to be configured as `role_arn` to be found.
fn policy_source(caller: &str) -> String {
    let parts: Vec<&str> = caller.splitn(6, ':').collect();
    match parts.as_slice() {
        ["arn", partition, "sts", _, account, resource] if resource.starts_with("assumed-role/") => {
            let role = resource.split('/').nth(1).unwrap_or_default();
            format!("arn:{partition}:iam::{account}:role/{role}")
        }
        // A federated user has no policies that could be asked about; IAM says so.
        _ => caller.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::policy_source;

    #[test]
    fn a_session_is_asked_for_by_its_role() {
        let session = "arn:aws-cn:sts::111111111111:assumed-role/alch/alch-dev";
        assert_eq!(policy_source(session), "arn:aws-cn:iam::111111111111:role/alch");
        let user = "arn:aws:iam::111111111111:user/ada";
        assert_eq!(policy_source(user), user);
        let federated = "arn:aws:sts::111111111111:federated-user/ada";
        assert_eq!(policy_source(federated), federated, "it is no role");
    }
}
