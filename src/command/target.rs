//! Which words name a rule, an environment or a run. The order does not matter; nothing is guessed.

use super::help::{self, Topic};
use super::refusal::{Quoted, Refusal, Usage, nearest};
use super::{Context, Known};
use crate::domain::{RunId, Selection};

/// Reads a rule, or `all`, and an environment.
pub(super) fn rules_and_environment(
    words: &[String],
    topic: &Topic,
    context: &Context,
) -> Result<(Selection, String), Refusal> {
    let usage = || help::usage(topic, context);
    let mut environment: Option<&Known> = None;
    let mut rule: Option<(&str, Option<&Known>)> = None;
    let mut unknown: Option<&str> = None;
    for word in words {
        if let Some(known) = find_environment(word, context) {
            if let Some(first) = environment {
                return Err(twice("environment", &first.name, &known.name, usage()));
            }
            environment = Some(known);
        } else if let Some(found) = find_rule(word, context) {
            if let Some((first, _)) = rule {
                return Err(twice("rule", first, found.0, usage()));
            }
            rule = Some(found);
        } else if unknown.replace(word).is_some() {
            // The first unknown word is the one to talk about.
            unknown = words.iter().map(String::as_str).find(|word| !is_known(word, context));
        }
    }
    if let Some(word) = unknown {
        let taken = rule.is_some() && environment.is_some();
        return Err(if taken {
            Refusal::TooMany { word: Quoted(word.to_owned()), usage: usage() }
        } else {
            unknown_name(word, rule.is_none(), environment, environment.is_none(), context, usage())
        });
    }
    let implied = context.implied.as_ref().and_then(|implied| context.environment(&implied.environment));
    match (rule, environment.or(implied)) {
        (Some((rule, only_in)), Some(environment)) => {
            if let Some(home) = only_in.filter(|home| home.name != environment.name) {
                let contradiction =
                    format!("`{rule}` is called so in `{}`, and you named `{}`.", home.name, environment.name);
                return Err(Refusal::Contradiction { contradiction, usage: usage() });
            }
            let selection = match rule {
                "all" => Selection::All,
                rule => match environment.rules.iter().find(|known| known.name == rule || known.rule == rule) {
                    Some(known) => Selection::One(known.name.clone()),
                    None => return Err(unknown_name(rule, true, Some(environment), false, context, usage())),
                },
            };
            Ok((selection, environment.name.clone()))
        }
        (Some(_), None) => Err(Refusal::Missing {
            piece: format!("In which environment? {}", list_environments(context)),
            usage: usage(),
        }),
        (None, Some(environment)) => {
            let piece = format!("Which rule of `{}`? {}", environment.name, list_rules(environment));
            Err(Refusal::Missing { piece, usage: usage() })
        }
        (None, None) => {
            let piece = format!("Which rule, and in which environment? {}", list_environments(context));
            Err(Refusal::Missing { piece, usage: usage() })
        }
    }
}

/// Reads an environment that has to be there, or is implied by the thread.
pub(super) fn environment(words: &[String], topic: &Topic, context: &Context) -> Result<String, Refusal> {
    optional_environment(words, topic, context)?.ok_or_else(|| Refusal::Missing {
        piece: format!("In which environment? {}", list_environments(context)),
        usage: help::usage(topic, context),
    })
}

/// Reads an environment if there is one, or takes the one that the thread implies.
pub(super) fn optional_environment(
    words: &[String],
    topic: &Topic,
    context: &Context,
) -> Result<Option<String>, Refusal> {
    let usage = || help::usage(topic, context);
    let mut found: Option<&Known> = None;
    for word in words {
        match (find_environment(word, context), found) {
            (Some(known), None) => found = Some(known),
            (Some(known), Some(first)) => return Err(twice("environment", &first.name, &known.name, usage())),
            (None, None) => return Err(unknown_name(word, false, None, true, context, usage())),
            (None, Some(_)) => return Err(Refusal::TooMany { word: Quoted(word.clone()), usage: usage() }),
        }
    }
    let implied = || context.implied.as_ref().and_then(|implied| context.environment(&implied.environment));
    Ok(found.or_else(implied).map(|known| known.name.clone()))
}

/// Reads a run that has to be there, or is implied by the thread.
pub(super) fn run(words: &[String], topic: &Topic, context: &Context) -> Result<RunId, Refusal> {
    let usage = || help::usage(topic, context);
    match words {
        [] => match &context.implied {
            Some(implied) => Ok(implied.run),
            None => Err(Refusal::Missing { piece: WHICH_RUN.to_owned(), usage: usage() }),
        },
        [word] => word.parse().map_err(|_| unknown_run(word, usage())),
        [_, extra, ..] => Err(Refusal::TooMany { word: Quoted(extra.clone()), usage: usage() }),
    }
}

/// A word that should have named a run.
pub(super) fn unknown_run(word: &str, usage: Box<Usage>) -> Refusal {
    let known = " Runs are written like `R-42`.".to_owned();
    Refusal::UnknownName { word: Quoted(word.to_owned()), kind: "run", near: None, known, usage }
}

/// What is asked when no run is named.
pub(super) const WHICH_RUN: &str = "Which run? They are written like `R-42`; `runs` lists them.";

/// Refuses words where none are taken.
pub(super) fn nothing(words: &[String], topic: &Topic, context: &Context) -> Result<(), Refusal> {
    match words.first() {
        Some(word) => Err(Refusal::TooMany { word: Quoted(word.clone()), usage: help::usage(topic, context) }),
        None => Ok(()),
    }
}

fn is_known(word: &str, context: &Context) -> bool {
    find_environment(word, context).is_some() || find_rule(word, context).is_some()
}

/// The environment that a word names.
pub(super) fn find_environment<'a>(word: &str, context: &'a Context) -> Option<&'a Known> {
    context.environments.iter().find(|known| known.name.eq_ignore_ascii_case(word))
}

/// The rule's name as configured, and the environment where alone it is called so, if it is a full name. Rules of the
/// same short name are there in several environments.
fn find_rule<'a>(word: &str, context: &'a Context) -> Option<(&'a str, Option<&'a Known>)> {
    if word.eq_ignore_ascii_case("all") {
        return Some(("all", None));
    }
    let rules = || context.environments.iter().flat_map(|known| known.rules.iter().map(move |rule| (known, rule)));
    if let Some((_, rule)) = rules().find(|(_, rule)| rule.name.eq_ignore_ascii_case(word)) {
        return Some((&rule.name, None));
    }
    let mut homes = rules().filter(|(_, rule)| rule.rule.eq_ignore_ascii_case(word));
    let (home, rule) = homes.next()?;
    Some((&rule.rule, homes.next().is_none().then_some(home)))
}

fn twice(kind: &str, first: &str, second: &str, usage: Box<Usage>) -> Refusal {
    let contradiction = if first == second {
        format!("You named the {kind} `{first}` twice.")
    } else {
        format!("You named two of a kind: `{first}` and `{second}`. One {kind} at a time, please.")
    };
    Refusal::Contradiction { contradiction, usage }
}

/// A word that names neither of what is wanted.
pub(super) fn unknown_name(
    word: &str,
    rule_wanted: bool,
    environment: Option<&Known>,
    environment_wanted: bool,
    context: &Context,
    usage: Box<Usage>,
) -> Refusal {
    let environments: Vec<&str> = match environment_wanted {
        true => context.environments.iter().map(|known| known.name.as_str()).collect(),
        false => Vec::new(),
    };
    let rules: Vec<&str> = match (rule_wanted, environment) {
        (true, Some(environment)) => environment.rules.iter().map(|rule| rule.name.as_str()).chain(["all"]).collect(),
        (true, None) => {
            let of_all = context.environments.iter().flat_map(|known| &known.rules);
            of_all.map(|rule| rule.name.as_str()).chain(["all"]).collect()
        }
        (false, _) => Vec::new(),
    };
    let (kind, known) = match (rule_wanted, environment_wanted, environment) {
        (true, false, Some(environment)) => ("rule", format!(" {}", list_rules(environment))),
        (true, false, None) => ("rule", String::new()),
        (true, true, _) => ("rule or environment", format!(" {}", list_environments(context))),
        (false, _, _) => ("environment", format!(" {}", list_environments(context))),
    };
    let near = nearest(word, environments.into_iter().chain(rules)).map(str::to_owned);
    Refusal::UnknownName {
        word: Quoted(word.to_owned()),
        kind,
        known: if near.is_none() { known } else { String::new() },
        near,
        usage,
    }
}

pub(super) fn list_environments(context: &Context) -> String {
    let names: Vec<String> = context.environments.iter().map(|known| format!("`{}`", known.name)).collect();
    format!("I know {}.", and(&names))
}

fn list_rules(environment: &Known) -> String {
    let names: Vec<String> = environment.rules.iter().map(|rule| format!("`{}`", rule.name)).collect();
    format!("`{}` has {}.", environment.name, and(&names))
}

/// Names as a sentence has them.
pub(super) fn and(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}
