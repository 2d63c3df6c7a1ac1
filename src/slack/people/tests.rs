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

fn groups(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|&id| id.to_owned()).collect()
}

#[tokio::test]
async fn who_is_in_a_group_is_believed_for_a_minute_and_asked_anew_where_it_counts() {
    let slack = StandIn::start().await;
    slack.set_group("S1", &["U1", "U2"]);
    slack.set_group("S2", &["U2"]);
    let clock = clock();
    let people = People::new(slack.client(), clock.clone());
    for user in ["U1", "U1", "U2"] {
        let found = people.memberships(user, &groups(&["S1", "S2"]), false).await;
        let second = if user == "U2" { Membership::In } else { Membership::Out };
        assert_eq!(found, Memberships::from([("S1".into(), Membership::In), ("S2".into(), second)]));
    }
    assert_eq!(slack.calls("usergroups.users.list").len(), 2, "once each, for everybody");
    slack.set_group("S1", &["U2"]);
    clock.advance(SignedDuration::from_secs(59));
    assert_eq!(people.memberships("U1", &groups(&["S1"]), false).await["S1"], Membership::In);
    assert_eq!(people.memberships("U1", &groups(&["S1"]), true).await["S1"], Membership::Out);
    assert_eq!(people.memberships("U1", &groups(&["S1"]), false).await["S1"], Membership::Out, "and that is kept");
    slack.set_group("S1", &["U1"]);
    clock.advance(SignedDuration::from_secs(60));
    assert_eq!(people.memberships("U1", &groups(&["S1"]), false).await["S1"], Membership::In);
    assert!(people.memberships("U1", &groups(&[]), true).await.is_empty());
}

#[tokio::test]
async fn a_group_that_cannot_be_read_says_nothing_even_if_it_was_known() {
    let slack = StandIn::start().await;
    slack.set_group("S1", &["U1"]);
    let people = People::new(slack.client(), clock());
    assert_eq!(people.memberships("U1", &groups(&["S1"]), true).await["S1"], Membership::In);
    for (fault, wanted) in [
        (Fault::Refuse("missing_scope"), "usergroups:read"),
        (Fault::TooMany(30), "too often"),
        (Fault::Status(500), "cannot be asked"),
        (Fault::Babble, "cannot be asked"),
        (Fault::DoneThenHangs, "within 2 s"),
    ] {
        slack.fail_next("usergroups.users.list", fault);
        let found = people.memberships("U1", &groups(&["S1"]), true).await;
        assert!(matches!(&found["S1"], Membership::Unknown(why) if why.contains(wanted)), "{found:?}");
    }
    let found = people.memberships("U1", &groups(&["S1", "S9"]), false).await;
    assert_eq!(found["S1"], Membership::In);
    assert!(matches!(&found["S9"], Membership::Unknown(why) if why.contains("no such user group")), "{found:?}");
}

#[tokio::test]
async fn whether_a_channel_is_shared_is_asked_once_in_five_minutes() {
    let slack = StandIn::start().await;
    let clock = clock();
    let people = People::new(slack.client(), clock.clone());
    slack.set_channel(json!({ "id": "C1" }));
    assert_eq!(people.is_shared("C1").await, None);
    slack.set_channel(json!({ "id": "C1", "is_ext_shared": true }));
    slack.fail_next("conversations.info", Fault::Refuse("missing_scope"));
    assert_eq!(people.is_shared("C1").await, None);
    assert_eq!((people.is_shared("C1").await, people.is_shared("C1").await), (Some(true), Some(true)));
    assert_eq!(slack.calls("conversations.info").len(), 3);
    slack.set_channel(json!({ "id": "C1", "is_ext_shared": false }));
    clock.advance(SignedDuration::from_mins(5));
    assert_eq!(people.is_shared("C1").await, Some(false));
}
