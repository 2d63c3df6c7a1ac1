//! What users.info says, and what we make of it.

use serde_json::{Value, json};

use super::*;
use crate::slack::stand_in::{Fault, StandIn};

fn clock() -> Clock {
    Clock::manual(Timestamp::from_second(1_790_000_000).unwrap())
}

#[test]
fn how_people_stand() {
    for (user, expected) in [
        (json!({ "id": "U1", "team_id": "T1" }), Standing::Member),
        (json!({ "id": "U1" }), Standing::Member),
        (json!({ "id": "U1", "team_id": "T2" }), Standing::Stranger),
        (json!({ "id": "U1", "team_id": "T2", "enterprise_user": { "teams": ["T2", "T1"] } }), Standing::Member),
        (json!({ "id": "U1", "team_id": "T1", "is_stranger": true }), Standing::Stranger),
        (json!({ "id": "U1", "team_id": "T1", "is_bot": true }), Standing::Bot),
        (json!({ "id": "U1", "team_id": "T1", "is_restricted": true }), Standing::Guest),
        (json!({ "id": "U1", "team_id": "T1", "is_ultra_restricted": true }), Standing::Guest),
        (json!({ "id": "U1", "team_id": "T1", "deleted": true, "is_restricted": true }), Standing::Deleted),
    ] {
        assert_eq!(standing(&serde_json::from_value(user.clone()).unwrap(), "T1"), expected, "{user}");
    }
}

#[tokio::test]
async fn slack_is_asked_once_in_five_minutes_and_a_failure_is_not_kept() {
    let slack = StandIn::start().await;
    slack.set_user(json!({ "id": "U1", "team_id": "T1" }));
    let clock = clock();
    let people = People::new(slack.client(), clock.clone());
    slack.fail_next("users.info", Fault::Refuse("missing_scope"));
    assert!(matches!(people.standing("U1", "T1").await, Standing::Unknown(why) if why.contains("users:read")));
    for _ in 0..3 {
        assert_eq!(people.standing("U1", "T1").await, Standing::Member);
    }
    assert_eq!(slack.calls("users.info").len(), 2);
    slack.set_user(json!({ "id": "U1", "team_id": "T1", "deleted": true }));
    clock.advance(SignedDuration::from_mins(5));
    assert_eq!(people.standing("U1", "T1").await, Standing::Deleted);
}

#[tokio::test]
async fn who_cannot_be_asked_about_is_unknown_and_never_a_member() {
    let slack = StandIn::start().await;
    let people = People::new(slack.client(), clock());
    for fault in [Fault::Status(500), Fault::Refuse("unknown_method"), Fault::Lost, Fault::DoneThenHangs] {
        slack.fail_next("users.info", fault.clone());
        assert!(matches!(people.standing("U1", "T1").await, Standing::Unknown(_)), "{fault:?}");
    }
    slack.set_user(json!({ "id": "U2", "team_id": "T1" }));
    assert!(matches!(people.standing("U1", "T1").await, Standing::Unknown(_)));
    slack.set_user(Value::Null);
    assert!(matches!(people.standing("U1", "T1").await, Standing::Unknown(_)));
    slack.fail_next("users.info", Fault::Refuse("user_not_found"));
    assert_eq!(people.standing("U1", "T1").await, Standing::Stranger);
}
