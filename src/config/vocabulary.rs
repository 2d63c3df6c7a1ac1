//! The configured names as what commands and policy need of them.

use super::{Config, Slack};
use crate::command::{Context, Known};
use crate::policy::House;

impl From<&Config> for Context {
    fn from(config: &Config) -> Self {
        let known = |environment: &crate::domain::Environment| Known {
            name: environment.name.clone(),
            rules: environment.rules.clone(),
        };
        Self {
            environments: config.environments.values().map(known).collect(),
            command_word: config.slack.command.clone(),
            implied: None,
        }
    }
}

impl From<&Slack> for House {
    fn from(slack: &Slack) -> Self {
        Self {
            workspace: slack.workspace.clone(),
            channel: slack.channel.clone(),
            also_in: slack.also_in.clone(),
            command_word: slack.command.clone(),
        }
    }
}
