//! The `users.*` and `usergroups.*` methods: who is in the workspace, and in which groups.

use serde_json::{Value, json};

use super::Slack;
use super::args::{Answer, Args, page_of};
use super::spec::{GroupSpec, PersonSpec};

/// People in one page unless the caller says how many.
const DEFAULT_LIMIT: usize = 200;
/// When people and groups were made or changed, in seconds: any time in the past.
const CREATED: i64 = 1_700_000_000;

impl Slack {
    pub(super) fn users_info(&self, args: &Args) -> Answer {
        let id = args.required("user")?;
        if id == self.spec().bot_user.id {
            return Ok(json!({"user": self.bot_json()}));
        }
        let person = self.spec().person(id).ok_or("user_not_found")?;
        Ok(json!({"user": self.person_json(person)}))
    }

    pub(super) fn users_list(&self, args: &Args) -> Answer {
        // People of other organisations are not in the list; they can be looked up one by one.
        let people = self.spec().people.iter().filter(|person| !person.is_stranger);
        let everybody: Vec<Value> = people.map(|person| self.person_json(person)).chain([self.bot_json()]).collect();
        let (page, cursor) = page_of(&everybody, args, DEFAULT_LIMIT)?;
        Ok(json!({"members": page, "cache_ts": CREATED, "response_metadata": {"next_cursor": cursor}}))
    }

    pub(super) fn usergroups_list(&self, args: &Args) -> Value {
        let with_users = args.flag("include_users");
        let groups = self.spec().usergroups.iter().map(|group| self.group_json(group, with_users));
        json!({"usergroups": groups.collect::<Vec<Value>>()})
    }

    pub(super) fn usergroups_users_list(&self, args: &Args) -> Answer {
        let id = args.required("usergroup")?;
        let group = self.spec().usergroups.iter().find(|group| group.id == id).ok_or("no_such_subteam")?;
        Ok(json!({"users": self.members(group)}))
    }

    /// Who is in a group now.
    fn members(&self, group: &GroupSpec) -> Vec<String> {
        self.state().members.get(&group.id).cloned().unwrap_or_else(|| group.members.clone())
    }

    fn person_json(&self, person: &PersonSpec) -> Value {
        json!({
            "id": person.id,
            "team_id": self.spec().team_of(person),
            "name": person.username(),
            "real_name": person.name,
            "deleted": person.deleted,
            "is_bot": person.is_bot,
            "is_app_user": false,
            "is_admin": false,
            "is_owner": false,
            "is_primary_owner": false,
            "is_restricted": person.is_restricted,
            "is_ultra_restricted": person.is_ultra_restricted,
            "is_stranger": person.is_stranger,
            "tz": "Europe/London",
            "tz_offset": 0,
            "updated": CREATED,
            "profile": {
                "real_name": person.name,
                "display_name": person.name,
                "title": person.title,
                "team": self.spec().team_of(person),
            },
        })
    }

    fn bot_json(&self) -> Value {
        let bot = &self.spec().bot_user;
        json!({
            "id": bot.id,
            "team_id": self.spec().team_id,
            "name": bot.name,
            "real_name": bot.name,
            "deleted": false,
            "is_bot": true,
            "is_app_user": false,
            "is_restricted": false,
            "is_ultra_restricted": false,
            "is_stranger": false,
            "updated": CREATED,
            "profile": {"real_name": bot.name, "display_name": bot.name, "api_app_id": self.spec().api_app_id},
        })
    }

    fn group_json(&self, group: &GroupSpec, with_users: bool) -> Value {
        let members = self.members(group);
        let creator = members.first().map_or("", String::as_str);
        let mut told = json!({
            "id": group.id,
            "team_id": self.spec().team_id,
            "is_usergroup": true,
            "is_subteam": true,
            "name": group.name,
            "description": "",
            "handle": group.handle,
            "is_external": false,
            "auto_provision": false,
            "date_create": CREATED,
            "date_update": CREATED,
            "date_delete": 0,
            "auto_type": null,
            "created_by": creator,
            "updated_by": creator,
            "deleted_by": null,
            "prefs": {"channels": [], "groups": []},
            "user_count": members.len(),
            "channel_count": 0,
        });
        if with_users {
            told["users"] = json!(members);
        }
        told
    }
}
