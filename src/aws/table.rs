//! DynamoDB: the idempotency table's shape and expiry. Items are never read.

use aws_sdk_dynamodb::types::KeyType;

use crate::checks::checklist::{TableFact, TtlFact};

use super::operation::{DESCRIBE_TABLE, DESCRIBE_TTL};
use super::rules::ids;
use super::{Answer, Aws, AwsError};

impl Aws {
    /// A table's status and key (DescribeTable).
    pub async fn table(&self, table: &str) -> Result<TableFact, AwsError> {
        self.read_table(table).await.map(|answer| answer.value)
    }

    pub(crate) async fn read_table(&self, table: &str) -> Result<Answer<TableFact>, AwsError> {
        let call = self.clients().dynamodb.describe_table().table_name(table);
        let output = call.send().await.map_err(|error| AwsError::from_sdk(DESCRIBE_TABLE, &error).about(table))?;
        let described = output
            .table()
            .ok_or_else(|| AwsError::other(DESCRIBE_TABLE, "EmptyAnswer", "the answer has no table").about(table))?;
        let key = |kind: &KeyType| {
            let element = described.key_schema().iter().find(|element| element.key_type() == kind);
            element.map(|element| element.attribute_name().to_owned())
        };
        let fact = TableFact {
            status: described.table_status().map(|status| status.as_str().to_owned()).unwrap_or_default(),
            partition_key: key(&KeyType::Hash),
            sort_key: key(&KeyType::Range),
        };
        Ok(Answer { value: fact, request_ids: ids(&output) })
    }

    /// Whether and by which attribute a table's items expire (DescribeTimeToLive; DescribeTable does not tell).
    pub async fn ttl(&self, table: &str) -> Result<TtlFact, AwsError> {
        self.read_ttl(table).await.map(|answer| answer.value)
    }

    pub(crate) async fn read_ttl(&self, table: &str) -> Result<Answer<TtlFact>, AwsError> {
        let call = self.clients().dynamodb.describe_time_to_live().table_name(table);
        let output = call.send().await.map_err(|error| AwsError::from_sdk(DESCRIBE_TTL, &error).about(table))?;
        let described = output.time_to_live_description();
        let fact = TtlFact {
            status: described
                .and_then(|ttl| ttl.time_to_live_status())
                .map_or_else(|| "DISABLED".to_owned(), |status| status.as_str().to_owned()),
            attribute: described.and_then(|ttl| ttl.attribute_name()).map(str::to_owned),
        };
        Ok(Answer { value: fact, request_ids: ids(&output) })
    }
}
