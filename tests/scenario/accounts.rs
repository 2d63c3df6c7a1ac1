//! Two accounts, any region, any partition: what dev may do reaches dev alone.

use alch::domain::{Outcome, RunId};
use alch::sandbox::aws::Outcome as CallOutcome;

use crate::world::{World, story_with};

const R1: RunId = RunId(1);

/// Each call that reached an account, by the account, and the environment whose names it was about.
fn reached(world: &World) -> Vec<(String, &'static str, String)> {
    let about = |request: &str| match (request.contains("-dev"), request.contains("-prod")) {
        (true, false) => "dev",
        (false, true) => "prod",
        _ => "neither",
    };
    let calls = world.aws.calls().into_iter().filter(|call| call.service != "sts");
    calls
        .filter_map(|call| {
            let account = world.aws.session_of(&call)?.account;
            Some((account, about(&call.request.to_string()), call.operation))
        })
        .collect()
}

/// Settings of two environments in two accounts of one partition and region, with roles of their own.
fn placed(region: &str, partition: &str) -> Vec<(String, String)> {
    let mut settings = Vec::new();
    for (environment, account) in [("DEV", "111111111111"), ("PROD", "222222222222")] {
        let mut set = |key: &str, value: String| {
            settings.push((format!("ALCH__ENVIRONMENTS__{environment}__{key}"), value));
        };
        set("REGION", region.to_owned());
        set("ROLE_ARN", format!("arn:{partition}:iam::{account}:role/alch-operator"));
        set("READER_ROLE_ARN", format!("arn:{partition}:iam::{account}:role/alch-reader"));
    }
    settings.push(("ALCH__ENVIRONMENTS__PROD__NOTIFY__TOPIC".to_owned(), "alchemiser-alarms-prod".to_owned()));
    settings
}

#[test]
fn each_environment_is_reached_in_its_own_account_in_every_partition() {
    for (region, partition) in
        [("us-east-1", "aws"), ("ap-southeast-2", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")]
    {
        let settings = placed(region, partition);
        let settings: Vec<_> = settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        story_with(&settings, async |world| {
            world.alice().types("enable signal-generated dev").await;
            let run = world.until_ended(R1).await;
            assert_eq!(run.ended.unwrap().outcome, Outcome::Succeeded, "{region}: {}", world.told(R1).await);
            world.alice().types("verify prod").await;
            let run = world.until_ended(RunId(2)).await;
            assert!(run.ended.is_some(), "{region}: {}", world.told(RunId(2)).await);
            world.alice().types("disable all prod").await;
            let card = world.asking(RunId(3), "approve").await;
            world.bob().clicks(&card, "approve").await;
            let run = world.until_ended(RunId(3)).await;
            assert_eq!(run.ended.unwrap().outcome, Outcome::Succeeded, "{region}: {}", world.told(RunId(3)).await);
            assert_eq!(world.enabled("prod"), Vec::<&str>::new());
            assert_eq!(world.enabled("dev"), ["signal-generated"], "dev is as it was");
            assert!(!world.aws.published("prod").is_empty(), "{region}: the topic was reached");
            let calls = reached(world);
            assert!(calls.len() > 30, "{region}: {}", calls.len());
            for (account, about, operation) in calls {
                let own = if account == "111111111111" { "dev" } else { "prod" };
                assert!(about == own || about == "neither", "{region}: {operation} of {about} in the account of {own}");
            }
            // That a table has no policy of its own, DynamoDB tells by an error.
            let is_answer = |operation: &str| operation == "GetResourcePolicy";
            let refused = world
                .aws
                .calls()
                .into_iter()
                .filter(|call| matches!(call.outcome, CallOutcome::Refused(_)) && !is_answer(&call.operation));
            assert_eq!(refused.map(|call| call.operation).collect::<Vec<_>>(), Vec::<String>::new(), "{region}");
        });
    }
}

#[test]
fn what_is_configured_with_prods_names_in_devs_account_finds_nothing_there() {
    // A slip of the pen: dev's environment names prod's bus and rule. Its role sees dev's account, and nothing else.
    let settings = placed("us-east-1", "aws");
    let mut settings: Vec<_> = settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    settings.push(("ALCH__ENVIRONMENTS__DEV__BUS", "alchemiser-trading-events-prod"));
    story_with(&settings, async |world| {
        // The emulated stack of dev is made of these names too; what is looked at is prod's own, in its account.
        let before = world.enabled("prod").len();
        world.alice().types("disable all dev").await;
        world.until_ended(R1).await;
        world.alice().types("rollback dev").await;
        world.until_ended(RunId(2)).await;
        let prod = reached(world).into_iter().filter(|(account, ..)| account == "222222222222");
        assert_eq!(prod.map(|(_, _, operation)| operation).collect::<Vec<_>>(), Vec::<String>::new());
        assert_eq!(before, 4);
    });
}
