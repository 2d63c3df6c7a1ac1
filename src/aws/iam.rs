//! IAM: may a role do something? IAM is asked to simulate it; where that is refused, the role's policies are read and
//! judged here (`checks::policy_document`); where neither can be read, it is unknown.

use std::collections::BTreeMap;

use aws_sdk_iam::types::{PolicyEvaluationDecisionType as Decision, ResourceSpecificResult};

use crate::checks::policy_document::{self, Asker, Permission, PolicyDocument, Request};

use super::operation::{
    GET_POLICY, GET_POLICY_VERSION, GET_ROLE, GET_ROLE_POLICY, LIST_ATTACHED_POLICIES, LIST_ROLE_POLICIES, SIMULATE,
};
use super::rules::ids;
use super::{Answer, Aws, AwsError, AwsErrorKind, Operation};

/// Pages of one listing that are read before it is called endless.
const MAX_PAGES: usize = 20;

/// What a role's policies say, read one by one.
struct RolePolicies {
    documents: Vec<PolicyDocument>,
    boundary: Option<PolicyDocument>,
}

impl Aws {
    /// Whether a role may do one action on one resource, by its own policies (SimulatePrincipalPolicy, else
    /// ListRolePolicies, GetRolePolicy, ListAttachedRolePolicies, GetPolicy, GetPolicyVersion and GetRole). Policies of the
    /// resource are not part of it. That it cannot be told is an answer; an error is a role that does not exist, or AWS
    /// not answering.
    pub async fn may(&self, role_arn: &str, action: &str, resource: &str) -> Result<Answer<Permission>, AwsError> {
        let Answer { value, request_ids } = self.may_all(role_arn, &[action], resource).await?;
        let unsaid = || Permission::Unknown("IAM said nothing about it".to_owned());
        Ok(Answer { value: value.into_iter().next().map_or_else(unsaid, |(_, permission)| permission), request_ids })
    }

    /// The same of several actions on one resource, in their order.
    pub async fn may_all(
        &self,
        role_arn: &str,
        actions: &[&str],
        resource: &str,
    ) -> Result<Answer<Vec<(String, Permission)>>, AwsError> {
        let refused = match Box::pin(self.simulate(role_arn, actions, resource)).await {
            Ok(answer) => return Ok(answer),
            Err(error) if is_for_the_policies(&error) => error,
            Err(error) => return Err(error),
        };
        let named = |permission: &dyn Fn(&str) -> Permission| {
            actions.iter().map(|action| ((*action).to_owned(), permission(action))).collect()
        };
        if !role_arn.contains(":role/") {
            let why = format!("{refused}; only a role's policies can be read instead, and {role_arn} is none");
            let request_ids = refused.request_id.into_iter().collect();
            return Ok(Answer { value: named(&|_| Permission::Unknown(why.clone())), request_ids });
        }
        match Box::pin(self.role_policies(role_arn)).await {
            Ok(Answer { value: RolePolicies { documents, boundary }, request_ids }) => {
                let permission = |action: &str| {
                    let request = Request { asker: Asker::Itself, action, resource, context: BTreeMap::new() };
                    policy_document::permission(&documents, boundary.as_ref(), &request)
                };
                Ok(Answer { value: named(&permission), request_ids })
            }
            Err(error) if is_for_the_policies(&error) => {
                let why = format!("{refused}; its policies cannot be read either: {error}");
                let request_ids = refused.request_id.into_iter().chain(error.request_id).collect();
                Ok(Answer { value: named(&|_| Permission::Unknown(why.clone())), request_ids })
            }
            Err(error) => Err(error),
        }
    }

    async fn simulate(
        &self,
        role_arn: &str,
        actions: &[&str],
        resource: &str,
    ) -> Result<Answer<Vec<(String, Permission)>>, AwsError> {
        let mut told: BTreeMap<String, Permission> = BTreeMap::new();
        let mut request_ids = Vec::new();
        let mut marker = None;
        for _ in 0..MAX_PAGES {
            let page = self
                .clients()
                .iam
                .simulate_principal_policy()
                .policy_source_arn(role_arn)
                .set_action_names(Some(actions.iter().map(|action| (*action).to_owned()).collect()))
                .resource_arns(resource)
                .set_marker(marker)
                .send()
                .await
                .map_err(|error| AwsError::from_sdk(SIMULATE, &error).about(role_arn))?;
            request_ids.extend(ids(&page));
            for result in page.evaluation_results() {
                // The result as a whole may speak of other resources too; that of this one counts where there is one.
                let specific =
                    result.resource_specific_results().iter().find(|one| one.eval_resource_name() == resource);
                let (decision, missing) = match specific {
                    Some(specific) => (specific.eval_resource_decision(), missing(specific)),
                    None => (result.eval_decision(), result.missing_context_values()),
                };
                told.insert(result.eval_action_name().to_ascii_lowercase(), decided(decision, missing));
            }
            marker = page.marker().filter(|_| page.is_truncated()).map(str::to_owned);
            if marker.is_none() {
                let unsaid = || Permission::Unknown("IAM's simulation said nothing about it".to_owned());
                let of = |action: &&str| {
                    let permission = told.get(&action.to_ascii_lowercase()).cloned();
                    ((*action).to_owned(), permission.unwrap_or_else(unsaid))
                };
                return Ok(Answer { value: actions.iter().map(of).collect(), request_ids });
            }
        }
        Err(endless(SIMULATE, role_arn))
    }

    async fn role_policies(&self, role_arn: &str) -> Result<Answer<RolePolicies>, AwsError> {
        let role = role_arn.rsplit('/').next().unwrap_or(role_arn);
        let (own, attached, boundary) =
            tokio::join!(self.inline_policies(role), self.attached_policies(role), self.boundary(role));
        let (own, attached, boundary) = (own?, attached?, boundary?);
        let value =
            RolePolicies { documents: own.value.into_iter().chain(attached.value).collect(), boundary: boundary.value };
        let request_ids = [own.request_ids, attached.request_ids, boundary.request_ids].concat();
        Ok(Answer { value, request_ids })
    }

    /// The policies that are written into the role (ListRolePolicies, GetRolePolicy).
    async fn inline_policies(&self, role: &str) -> Result<Answer<Vec<PolicyDocument>>, AwsError> {
        let iam = &self.clients().iam;
        let mut all = Answer { value: Vec::new(), request_ids: Vec::new() };
        let mut marker = None;
        for _ in 0..MAX_PAGES {
            let page = iam
                .list_role_policies()
                .role_name(role)
                .set_marker(marker)
                .send()
                .await
                .map_err(|error| AwsError::from_sdk(LIST_ROLE_POLICIES, &error).about(role))?;
            all.request_ids.extend(ids(&page));
            for name in page.policy_names() {
                let output = iam
                    .get_role_policy()
                    .role_name(role)
                    .policy_name(name)
                    .send()
                    .await
                    .map_err(|error| AwsError::from_sdk(GET_ROLE_POLICY, &error).about(name))?;
                all.request_ids.extend(ids(&output));
                all.value.push(document(GET_ROLE_POLICY, name, output.policy_document())?);
            }
            marker = page.marker().filter(|_| page.is_truncated()).map(str::to_owned);
            if marker.is_none() {
                return Ok(all);
            }
        }
        Err(endless(LIST_ROLE_POLICIES, role))
    }

    /// The managed policies of a role (ListAttachedRolePolicies, GetPolicy, GetPolicyVersion).
    async fn attached_policies(&self, role: &str) -> Result<Answer<Vec<PolicyDocument>>, AwsError> {
        let mut all = Answer { value: Vec::new(), request_ids: Vec::new() };
        let mut marker = None;
        for _ in 0..MAX_PAGES {
            let page = self
                .clients()
                .iam
                .list_attached_role_policies()
                .role_name(role)
                .set_marker(marker)
                .send()
                .await
                .map_err(|error| AwsError::from_sdk(LIST_ATTACHED_POLICIES, &error).about(role))?;
            all.request_ids.extend(ids(&page));
            for arn in page.attached_policies().iter().filter_map(|policy| policy.policy_arn()) {
                let managed = self.managed_policy(arn).await?;
                all.value.push(managed.value);
                all.request_ids.extend(managed.request_ids);
            }
            marker = page.marker().filter(|_| page.is_truncated()).map(str::to_owned);
            if marker.is_none() {
                return Ok(all);
            }
        }
        Err(endless(LIST_ATTACHED_POLICIES, role))
    }

    /// The permissions boundary of a role, if it has one (GetRole).
    async fn boundary(&self, role: &str) -> Result<Answer<Option<PolicyDocument>>, AwsError> {
        let call = self.clients().iam.get_role().role_name(role);
        let output = call.send().await.map_err(|error| AwsError::from_sdk(GET_ROLE, &error).about(role))?;
        let mut answer = Answer { value: None, request_ids: ids(&output) };
        let boundary = output.role().and_then(|role| role.permissions_boundary());
        if let Some(arn) = boundary.and_then(|boundary| boundary.permissions_boundary_arn()) {
            let managed = self.managed_policy(arn).await?;
            answer.value = Some(managed.value);
            answer.request_ids.extend(managed.request_ids);
        }
        Ok(answer)
    }

    async fn managed_policy(&self, arn: &str) -> Result<Answer<PolicyDocument>, AwsError> {
        let iam = &self.clients().iam;
        let policy = iam.get_policy().policy_arn(arn).send().await;
        let policy = policy.map_err(|error| AwsError::from_sdk(GET_POLICY, &error).about(arn))?;
        let version = policy.policy().and_then(|policy| policy.default_version_id()).unwrap_or("v1");
        let output = iam.get_policy_version().policy_arn(arn).version_id(version).send().await;
        let output = output.map_err(|error| AwsError::from_sdk(GET_POLICY_VERSION, &error).about(arn))?;
        let text = output.policy_version().and_then(|version| version.document()).unwrap_or_default();
        let request_ids = ids(&policy).into_iter().chain(ids(&output)).collect();
        Ok(Answer { value: document(GET_POLICY_VERSION, arn, text)?, request_ids })
    }
}

/// Whether another way to the answer is worth trying: this one is refused to Alch, or broken for good.
fn is_for_the_policies(error: &AwsError) -> bool {
    match &error.kind {
        AwsErrorKind::AccessDenied { .. } | AwsErrorKind::ServerError | AwsErrorKind::Other { .. } => true,
        AwsErrorKind::Throttled
        | AwsErrorKind::NotFound
        | AwsErrorKind::Managed
        | AwsErrorKind::Conflict
        | AwsErrorKind::CredentialsUnavailable
        | AwsErrorKind::CredentialsExpired
        | AwsErrorKind::Unreachable
        | AwsErrorKind::Interrupted
        | AwsErrorKind::NotReady
        | AwsErrorKind::LeaseLapsed
        | AwsErrorKind::Timeout
        | AwsErrorKind::WrongAccount { .. }
        | AwsErrorKind::WrongEnvironment { .. } => false,
    }
}

fn missing(specific: &ResourceSpecificResult) -> &[String] {
    specific.missing_context_values()
}

fn decided(decision: &Decision, missing: &[String]) -> Permission {
    match decision {
        Decision::ExplicitDeny => Permission::Denied("a statement of its policies denies it".to_owned()),
        _ if !missing.is_empty() => {
            Permission::Unknown(format!("it depends on {}, which a simulation does not know", missing.join(", ")))
        }
        Decision::Allowed => Permission::Allowed,
        Decision::ImplicitDeny => Permission::Denied("none of its policies allows it".to_owned()),
        other => Permission::Unknown(format!("IAM's simulation answered {}", other.as_str())),
    }
}

/// A document as IAM's answers have it: percent-encoded.
fn document(operation: &'static Operation, name: &str, text: &str) -> Result<PolicyDocument, AwsError> {
    PolicyDocument::parse(&percent_decoded(text))
        .map_err(|why| AwsError::other(operation, "UnreadablePolicy", why).about(name))
}

/// RFC 3986: a plus is a plus. What is no escape stays as it is.
fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = text.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        // Rust's numbers may have a sign.
        let escaped = escaped.filter(|hex| hex.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn endless(operation: &'static Operation, subject: &str) -> AwsError {
    AwsError::other(operation, "TooManyPages", format!("the listing did not end within {MAX_PAGES} pages"))
        .about(subject)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_decoded_as_iam_encodes_them() {
        assert_eq!(percent_decoded("%7B%22a%22%3A%20%22b%2Bc+d%22%7D"), r#"{"a": "b+c+d"}"#);
        assert_eq!(percent_decoded("100% %zz %+4 %4"), "100% %zz %+4 %4");
    }

    #[test]
    fn a_yes_that_depends_on_something_is_no_yes() {
        let key = ["aws:SourceIp".to_owned()];
        assert!(matches!(decided(&Decision::Allowed, &key), Permission::Unknown(_)));
        assert!(matches!(decided(&Decision::ImplicitDeny, &key), Permission::Unknown(_)));
        assert!(matches!(decided(&Decision::ExplicitDeny, &key), Permission::Denied(_)));
        assert_eq!(decided(&Decision::Allowed, &[]), Permission::Allowed);
        assert!(matches!(decided(&"new".into(), &[]), Permission::Unknown(_)));
    }
}
