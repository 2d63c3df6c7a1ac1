//! What a workspace consists of before anything is said in it: its people, channels, groups and the app's credentials.

use serde::{Deserialize, Serialize};

/// A workspace and the one app that is installed in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WorkspaceSpec {
    /// The workspace's id, `T…`.
    pub team_id: String,
    /// The workspace's name, as in its address.
    pub team_domain: String,
    /// The app's id, `A…`.
    pub api_app_id: String,
    /// The app's user in the workspace.
    pub bot_user: BotSpec,
    /// The token of the Web API, `xoxb-…`.
    pub bot_token: String,
    /// The token that opens Socket Mode connections, `xapp-…`.
    pub app_token: String,
    /// What requests to the bot are signed with.
    pub signing_secret: String,
    /// The app's slash command with its slash.
    pub command: String,
    /// The channel that the app is a member of.
    pub channel: ChannelSpec,
    /// Further channels that the app is a member of.
    #[serde(default)]
    pub also_in: Vec<ChannelSpec>,
    /// Channels that the app is not a member of.
    #[serde(default)]
    pub other_channels: Vec<ChannelSpec>,
    /// Everybody except the app's user.
    pub people: Vec<PersonSpec>,
    /// User groups, `@handle`.
    pub usergroups: Vec<GroupSpec>,
}

/// The app's user.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BotSpec {
    /// Its user id, `U…`.
    pub id: String,
    /// The name it is mentioned by, without `@`.
    pub name: String,
}

/// A channel.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ChannelSpec {
    /// `C…`.
    pub id: String,
    /// Without `#`.
    pub name: String,
    /// What the channel's header says.
    pub topic: String,
    /// Shared with another organisation (Slack Connect).
    pub is_ext_shared: bool,
    /// Nobody can post any more.
    pub is_archived: bool,
}

/// A person, of this workspace or of another one.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PersonSpec {
    /// `U…`.
    pub id: String,
    /// As shown beside the messages.
    pub name: String,
    /// The role that the profile tells.
    pub title: String,
    /// The person's own workspace; empty means this one.
    pub team_id: String,
    /// Another app's user.
    pub is_bot: bool,
    /// A guest of several channels.
    pub is_restricted: bool,
    /// A guest of one channel.
    pub is_ultra_restricted: bool,
    /// Belongs to another organisation.
    pub is_stranger: bool,
    /// The account was deactivated.
    pub deleted: bool,
}

/// A user group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GroupSpec {
    /// `S…`.
    pub id: String,
    /// Without `@`.
    pub handle: String,
    /// As shown in the profile.
    pub name: String,
    /// User ids.
    pub members: Vec<String>,
}

impl WorkspaceSpec {
    /// A small workspace with somebody of each kind, for tests and for a sandbox that is not told otherwise.
    pub fn demo() -> Self {
        let person = |id: &str, name: &str, title: &str| PersonSpec {
            id: id.to_owned(),
            name: name.to_owned(),
            title: title.to_owned(),
            ..PersonSpec::default()
        };
        let group = |id: &str, handle: &str, name: &str, members: &[&str]| GroupSpec {
            id: id.to_owned(),
            handle: handle.to_owned(),
            name: name.to_owned(),
            members: members.iter().map(|&id| id.to_owned()).collect(),
        };
        Self {
            team_id: "T0ALCHEMIST".to_owned(),
            team_domain: "alchemiser".to_owned(),
            api_app_id: "A0ALCH".to_owned(),
            bot_user: BotSpec { id: "U0ALCH".to_owned(), name: "alch".to_owned() },
            bot_token: "xoxb-sandbox-bot-token".to_owned(),
            app_token: "xapp-sandbox-app-token".to_owned(),
            signing_secret: "sandbox-signing-secret".to_owned(),
            command: "/alch".to_owned(),
            channel: ChannelSpec {
                id: "C0PLATFORM".to_owned(),
                name: "alchemiser-platform".to_owned(),
                topic: "Deployments of the Alchemiser".to_owned(),
                ..ChannelSpec::default()
            },
            also_in: Vec::new(),
            other_channels: vec![ChannelSpec {
                id: "C0RANDOM".to_owned(),
                name: "random".to_owned(),
                ..ChannelSpec::default()
            }],
            people: vec![
                person("U0ALICE", "Alice Moreau", "Engineer"),
                person("U0BOB", "Bob Keller", "Release approver"),
                person("U0CAROL", "Carol Okafor", "On call"),
                PersonSpec { is_restricted: true, ..person("U0GUEST", "Gus Vale", "Contractor") },
                PersonSpec {
                    is_stranger: true,
                    team_id: "T0PARTNER".to_owned(),
                    ..person("U0STRANGER", "Sam Frost", "Partner company")
                },
            ],
            usergroups: vec![
                group("S0APPROVERS", "alch-approvers", "Alch approvers", &["U0BOB", "U0CAROL"]),
                group("S0RESPONDERS", "alch-responders", "Alch responders", &["U0CAROL"]),
            ],
        }
    }

    /// The person with this id.
    pub fn person(&self, id: &str) -> Option<&PersonSpec> {
        self.people.iter().find(|person| person.id == id)
    }

    /// The direct message channel between the bot and this user.
    pub fn direct_message(user: &str) -> String {
        format!("D{}", user.get(1..).unwrap_or_default())
    }

    /// The app's bot id, `B…`, which messages carry beside its user id.
    pub(super) fn bot_id(&self) -> String {
        format!("B{}", self.bot_user.id.get(1..).unwrap_or_default())
    }

    /// The channels that the bot is in.
    pub(super) fn joined(&self) -> impl Iterator<Item = &ChannelSpec> {
        std::iter::once(&self.channel).chain(&self.also_in)
    }

    /// Whether the bot is in this channel.
    pub(super) fn is_joined(&self, id: &str) -> bool {
        self.joined().any(|channel| channel.id == id)
    }

    /// All channels, whether the bot is in them or not.
    pub(super) fn channels(&self) -> impl Iterator<Item = &ChannelSpec> {
        self.joined().chain(&self.other_channels)
    }

    /// A channel that exists, whether the bot is in it or not.
    pub(super) fn channel(&self, id: &str) -> Option<&ChannelSpec> {
        self.channels().find(|channel| channel.id == id)
    }

    /// Whose direct message channel this is.
    pub(super) fn owner_of(&self, direct_message: &str) -> Option<&PersonSpec> {
        self.people.iter().find(|person| Self::direct_message(&person.id) == direct_message)
    }

    /// What people read as the author of a message.
    pub(super) fn shown_name<'a>(&'a self, user: &'a str) -> &'a str {
        match user {
            SLACKBOT => "Slackbot",
            _ if user == self.bot_user.id => &self.bot_user.name,
            _ => self.person(user).map_or(user, |person| &person.name),
        }
    }

    /// A channel's name as event payloads and people tell it.
    pub(super) fn channel_name<'a>(&'a self, id: &'a str) -> &'a str {
        match self.channel(id) {
            Some(channel) => &channel.name,
            None => "directmessage",
        }
    }

    /// The workspace a person belongs to.
    pub(super) fn team_of<'a>(&'a self, person: &'a PersonSpec) -> &'a str {
        if person.team_id.is_empty() { &self.team_id } else { &person.team_id }
    }
}

/// Slack's own user, the author of failures that a person is told of.
pub(super) const SLACKBOT: &str = "USLACKBOT";

impl PersonSpec {
    /// The handle that `@` completes to.
    pub fn username(&self) -> String {
        self.name.to_lowercase().chars().filter(|&c| c.is_alphanumeric() || "._-".contains(c)).collect()
    }

    /// `member`, `guest` or `stranger`.
    pub(super) fn kind(&self) -> &'static str {
        if self.is_stranger {
            "stranger"
        } else if self.is_restricted || self.is_ultra_restricted {
            "guest"
        } else {
            "member"
        }
    }
}
