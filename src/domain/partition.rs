//! The partitions of AWS: which one a region belongs to, and how ARNs and the console's addresses are written there.

use std::fmt;

/// A part of AWS with accounts, names and addresses of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partition {
    /// `aws`.
    Commercial,
    /// `aws-cn`.
    China,
    /// `aws-us-gov`.
    UsGovernment,
}

impl Partition {
    /// The partition that a region such as `cn-north-1` belongs to.
    pub fn of_region(region: &str) -> Self {
        if region.starts_with("cn-") {
            Self::China
        } else if region.starts_with("us-gov-") {
            Self::UsGovernment
        } else {
            Self::Commercial
        }
    }

    /// Its id, as it stands in ARNs.
    pub fn id(self) -> &'static str {
        match self {
            Self::Commercial => "aws",
            Self::China => "aws-cn",
            Self::UsGovernment => "aws-us-gov",
        }
    }

    /// The host of its console, without the region in front.
    fn console_host(self) -> &'static str {
        match self {
            Self::Commercial => "console.aws.amazon.com",
            Self::China => "console.amazonaws.cn",
            Self::UsGovernment => "console.amazonaws-us-gov.com",
        }
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

/// The ARN of a resource, written as its service does after the account: `rule/bus/name`. The partition follows from the
/// region.
pub fn arn(region: &str, account: &str, service: &str, resource: &str) -> String {
    format!("arn:{}:{service}:{region}:{account}:{resource}", Partition::of_region(region))
}

/// The ARN of something that is in no region, such as a role of IAM. `region` tells the partition.
pub fn global_arn(region: &str, account: &str, service: &str, resource: &str) -> String {
    format!("arn:{}:{service}::{account}:{resource}", Partition::of_region(region))
}

/// The address of a page of a region's console: `console_url("cn-north-1", "cloudwatch", "alarmsV2:")`.
pub fn console_url(region: &str, service: &str, page: &str) -> String {
    let host = match Partition::of_region(region) {
        // The console of the United States' government has no hosts of single regions.
        Partition::UsGovernment => Partition::UsGovernment.console_host().to_owned(),
        other @ (Partition::Commercial | Partition::China) => format!("{region}.{}", other.console_host()),
    };
    let page = if page.is_empty() { String::new() } else { format!("#{page}") };
    format!("https://{host}/{service}/home?region={region}{page}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_says_how_things_are_named() {
        let table = [
            ("us-east-1", "aws", "https://us-east-1.console.aws.amazon.com/events/home?region=us-east-1#/eventbus/b"),
            (
                "ap-southeast-4",
                "aws",
                "https://ap-southeast-4.console.aws.amazon.com/events/home?region=ap-southeast-4#/eventbus/b",
            ),
            (
                "cn-north-1",
                "aws-cn",
                "https://cn-north-1.console.amazonaws.cn/events/home?region=cn-north-1#/eventbus/b",
            ),
            (
                "us-gov-west-1",
                "aws-us-gov",
                "https://console.amazonaws-us-gov.com/events/home?region=us-gov-west-1#/eventbus/b",
            ),
        ];
        for (region, partition, url) in table {
            assert_eq!(Partition::of_region(region).to_string(), partition);
            assert_eq!(arn(region, "1", "sns", "t"), format!("arn:{partition}:sns:{region}:1:t"));
            assert_eq!(global_arn(region, "1", "iam", "role/r"), format!("arn:{partition}:iam::1:role/r"));
            assert_eq!(console_url(region, "events", "/eventbus/b"), url);
        }
        assert!(console_url("eu-west-1", "cloudwatch", "").ends_with("/cloudwatch/home?region=eu-west-1"));
    }
}
