//! May a role do something: by simulation, by its policies where that is denied, and unknown where both are.

use crate::checks::Permission;

use super::{Stage, dev};

const ROLE: &str = "arn:aws:iam::111111111111:role/trading-dev-FunctionRole";

#[tokio::test]
async fn what_a_role_may_is_told_the_same_by_simulation_and_by_its_policies() {
    let stage = Stage::new().await;
    let aws = stage.aws(&dev()).await;
    let table = "arn:aws:dynamodb:eu-west-1:111111111111:table/seen-dev";
    for simulate in [true, false] {
        stage.world.set_fault("aws.simulate-denied", !simulate);
        stage.world.set_fault("dev.role.table", false);
        assert_eq!(aws.may(ROLE, "dynamodb:PutItem", table).await.unwrap().value, Permission::Allowed);
        let other = format!("{table}-2");
        let denied = aws.may(ROLE, "dynamodb:PutItem", &other).await.unwrap().value;
        assert!(matches!(denied, Permission::Denied(_)), "{denied:?}");
        stage.world.set_fault("dev.role.table", true);
        let denied = aws.may_all(ROLE, &["dynamodb:GetItem", "dynamodb:PutItem"], table).await.unwrap().value;
        let names: Vec<&str> = denied.iter().map(|(action, _)| action.as_str()).collect();
        assert_eq!(names, ["dynamodb:GetItem", "dynamodb:PutItem"]);
        assert!(denied.iter().all(|(_, permission)| matches!(permission, Permission::Denied(_))), "{denied:?}");
        let log = aws.may(ROLE, "logs:PutLogEvents", "*").await.unwrap().value;
        assert_eq!(log, Permission::Allowed, "by its managed policy");
    }
    assert!(stage.asked("GetRolePolicy") > 0 && stage.asked("GetPolicyVersion") > 0);
}

#[tokio::test]
async fn where_neither_can_be_read_it_is_unknown_with_the_actions_to_add() {
    let stage = Stage::new().await;
    let aws = stage.aws(&dev()).await;
    stage.world.set_fault("aws.simulate-denied", true);
    stage.world.set_fault("aws.policies-denied", true);
    let Permission::Unknown(why) = aws.may(ROLE, "dynamodb:PutItem", "*").await.unwrap().value else {
        panic!("it is not known");
    };
    assert!(why.contains("iam:SimulatePrincipalPolicy") && why.contains("iam:ListRolePolicies"), "{why}");
}

#[tokio::test]
async fn a_role_that_does_not_exist_is_an_error() {
    let stage = Stage::new().await;
    let aws = stage.aws(&dev()).await;
    let nobody = "arn:aws:iam::111111111111:role/nobody-FunctionRole";
    assert!(aws.may(nobody, "dynamodb:PutItem", "*").await.unwrap_err().is_not_found());
    stage.world.set_fault("aws.simulate-denied", true);
    assert!(aws.may(nobody, "dynamodb:PutItem", "*").await.unwrap_err().is_not_found());
}
