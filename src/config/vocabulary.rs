//! The configured names as what commands and policy need of them.

use super::{Config, Slack};
use crate::command::{Context, Known};
use crate::policy::House;

impl From<&Config> for Context {
    fn from(config: &Config) -> Self {
        let known = |environment: &crate::domain::Environment| Known {
            name: environment.name.clone(),
            rules: environment.rules.clone(),
            promote_from: environment.promote_from.clone(),
            window: environment.window.clone(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::parse;
    use crate::config::Variables;
    use crate::domain::{Command, Selection};

    #[test]
    fn every_rule_of_the_file_that_comes_with_alch_can_be_typed() {
        let (config, _) = Config::sandbox(&Variables::new()).unwrap();
        let context = Context::from(&config);
        for environment in config.environments.values() {
            for rule in &environment.rules {
                let wanted =
                    Command::Enable { rules: Selection::One(rule.name.clone()), environment: environment.name.clone() };
                for name in [&rule.name, &rule.rule] {
                    let text = format!("/alch enable {} {name}", environment.name);
                    assert_eq!(
                        parse(&text, &context, jiff::Timestamp::UNIX_EPOCH).map(|parsed| parsed.command).as_ref(),
                        Ok(&wanted),
                        "{text}"
                    );
                }
            }
        }
        let house = House::from(&config.slack);
        assert_eq!((house.workspace.as_str(), house.channel.as_str()), ("T0ALCHSBX", "C0PLATFORM"));
    }
}
