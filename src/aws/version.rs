//! Lambda and CloudFormation: which version is deployed, and from which package.

use aws_sdk_cloudformation::types::TemplateStage;
use sha2::{Digest, Sha256};

use crate::checks::template;
use crate::domain::{Artefact, Environment, Package, Version};

use super::operation::{DESCRIBE_STACKS, GET_FUNCTION, GET_TEMPLATE};
use super::{Aws, AwsError};

/// The stack's tag that holds what people call the version.
const LABEL_TAG: &str = "version";

impl Aws {
    /// What is deployed in the environment: the function's CodeSha256 (GetFunctionConfiguration), the digest of the
    /// stack's template (GetTemplate) and the stack's tag `version` (DescribeStacks), asked for at the same time.
    ///
    /// Fails when any of the three cannot be read: a label that could not be asked for is not a missing one.
    pub async fn version(&self, environment: &Environment) -> Result<Version, AwsError> {
        self.same_environment(GET_FUNCTION, &environment.name)?;
        // All are waited for, so that of two errors it is always the same one that is told.
        let (artefact, template, label) = tokio::join!(
            self.artefact(&environment.function),
            self.template_digest(&environment.stack),
            self.version_label(&environment.stack),
        );
        Ok(Version { artefact: artefact?, template: template?, label: label? })
    }

    /// What the environment's function runs (GetFunctionConfiguration), and the package that the stack names for it
    /// (GetTemplate, stage Processed; DescribeStacks for its parameters), asked for at the same time. A package that cannot
    /// be told is no error: the artefact says why.
    ///
    /// # Errors
    /// When the function cannot be read.
    pub async fn running(&self, environment: &Environment) -> Result<Artefact, AwsError> {
        self.same_environment(GET_FUNCTION, &environment.name)?;
        let (code, package) = tokio::join!(self.artefact(&environment.function), self.named_package(environment));
        let (package, lacks) = match package {
            Ok(package) => (Some(package), None),
            Err(why) => (None, Some(why)),
        };
        Ok(Artefact { code: code?, package, lacks })
    }

    /// The package that the stack names for the function, or why none can be told.
    async fn named_package(&self, environment: &Environment) -> Result<Package, String> {
        let stack = &environment.stack;
        let (template, described) =
            tokio::join!(self.template(stack, TemplateStage::Processed), self.describe_stack(stack));
        let (template, described) =
            (template.map_err(|error| error.to_string())?, described.map_err(|error| error.to_string())?);
        let parameters = described.stacks().iter().flat_map(|stack| stack.parameters());
        let values = parameters.filter_map(|one| {
            let value = one.resolved_value().or(one.parameter_value())?;
            Some((one.parameter_key()?.to_owned(), value.to_owned()))
        });
        let own = [("AWS::StackName", stack), ("AWS::Region", &environment.region)];
        let own = own.map(|(name, value)| (name.to_owned(), value.clone()));
        let account = environment.account.iter().map(|account| ("AWS::AccountId".to_owned(), account.clone()));
        let known = values.chain(own).chain(account).collect();
        template::package(&template, &environment.function, &known)
    }

    /// The digest of the code that a function runs, as Lambda gives it: base64 of SHA-256 (GetFunctionConfiguration).
    pub(super) async fn artefact(&self, function: &str) -> Result<String, AwsError> {
        let call = self.clients().lambda.get_function_configuration().function_name(function);
        let output = call.send().await.map_err(|error| AwsError::from_sdk(GET_FUNCTION, &error).about(function))?;
        let digest = output.code_sha256().filter(|digest| !digest.is_empty());
        digest.map(str::to_owned).ok_or_else(|| {
            AwsError::other(GET_FUNCTION, "MissingDigest", "the answer has no CodeSha256").about(function)
        })
    }

    /// SHA-256, in hexadecimal, of the stack's template as it was submitted (GetTemplate, stage Original). Hashed are the
    /// bytes of the text as CloudFormation returns it, comments and white space included: nothing is normalised, so the
    /// same file gives the same digest and any edit another one. Parameters and tags of the stack are no part of it.
    pub(super) async fn template_digest(&self, stack: &str) -> Result<String, AwsError> {
        let body = self.template(stack, TemplateStage::Original).await?;
        Ok(hex::encode(Sha256::digest(body)))
    }

    /// The stack's template at a stage (GetTemplate).
    async fn template(&self, stack: &str, stage: TemplateStage) -> Result<String, AwsError> {
        let call = self.clients().cloudformation.get_template().stack_name(stack).template_stage(stage);
        let output = call.send().await.map_err(|error| AwsError::from_sdk(GET_TEMPLATE, &error).about(stack))?;
        let body = output.template_body().filter(|body| !body.is_empty()).map(str::to_owned);
        body.ok_or_else(|| AwsError::other(GET_TEMPLATE, "MissingTemplate", "the answer has none").about(stack))
    }

    /// The value of the stack's tag `version` (DescribeStacks); none when it has no such tag, or an empty one.
    pub(super) async fn version_label(&self, stack: &str) -> Result<Option<String>, AwsError> {
        let output = self.describe_stack(stack).await?;
        let described = output.stacks().first().ok_or_else(|| AwsError::missing(DESCRIBE_STACKS, stack))?;
        let tag = described.tags().iter().find(|tag| tag.key() == Some(LABEL_TAG));
        Ok(tag.and_then(|tag| tag.value()).filter(|label| !label.is_empty()).map(str::to_owned))
    }
}
