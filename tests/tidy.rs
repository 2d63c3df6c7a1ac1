//! The rules of the architecture, held against the source text: who may use whom, what is absent where, and that the
//! documents name what there is. It reads files and judges lines; what the code does is for the other tests.

#![expect(clippy::unwrap_used, reason = "in a test, what is not there fails it")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each module and the modules of ours that it may use. `slack` is told apart as far as the rules do.
///
/// Everything flows from left to right in the picture of docs/architecture.md and back by the journal, so a new entry
/// here is a change of the architecture: say there why.
const MAY_USE: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("chart", &[]),
    ("clock", &[]),
    ("cli", &[]),
    ("journal", &["domain"]),
    ("step_up", &[]),
    ("iam", &["domain"]),
    ("audit", &["domain"]),
    // When the next deployment window opens: a time that people may ask for.
    ("command", &["domain", "window"]),
    ("window", &["domain"]),
    ("notice", &["domain"]),
    ("policy", &["domain", "window"]),
    ("checks", &["domain", "window"]),
    // Deploying with sam is a step like others.
    ("runbook", &["domain", "checks", "aws", "sam"]),
    // Which run and step a process is for; nothing else of ours. What a deployment did is read from AWS.
    ("sam", &["domain"]),
    // What a reading of AWS has to answer is said by the checks.
    ("aws", &["domain", "checks"]),
    // What is known of a second factor is a row there; how long a lease lasts, the clock tells.
    ("store", &["domain", "clock", "journal", "step_up"]),
    ("engine", &["domain", "clock", "checks", "notice", "runbook", "aws", "sam", "store"]),
    ("slack::message", &[]),
    ("slack::view", &["domain", "chart", "slack::message"]),
    ("slack", &["domain", "chart", "clock", "store", "step_up", "slack::message"]),
    // The configured names, in the words of commands and policy.
    ("config", &["domain", "chart", "command", "policy", "sam"]),
    (
        "requests",
        &[
            "domain",
            "audit",
            "command",
            "policy",
            "config",
            "engine",
            "store",
            "step_up",
            "slack",
            "slack::message",
            "slack::view",
        ],
    ),
    ("control", &["domain", "engine", "requests", "store", "slack::view"]),
    ("web", &["clock", "store"]),
    (
        "app",
        &[
            "domain",
            "clock",
            "config",
            "aws",
            "store",
            "engine",
            "sam",
            "requests",
            "step_up",
            "control",
            "web",
            "slack",
            "slack::message",
            "slack::view",
        ],
    ),
    (
        "terminal",
        &[
            "domain",
            "audit",
            "checks",
            "clock",
            "cli",
            "config",
            "command",
            "iam",
            "store",
            "aws",
            "slack",
            "slack::view",
            "control",
            "app",
            "sandbox",
        ],
    ),
    // Only `start` knows the bot; the emulators know the clock and nothing else. See the test below.
    ("sandbox", &["domain", "clock", "config", "command", "aws", "slack", "app"]),
];

/// Modules that are pure: values in, values out. They wait for nothing and ask the machine for nothing.
const PURE: &[&str] = &[
    "domain",
    "journal",
    "chart",
    "audit",
    "command",
    "window",
    "policy",
    "checks",
    "notice",
    "iam",
    "step_up",
    "slack::message",
    "slack::view",
];

/// The crates that `domain` rests on: values, their JSON and their digests.
const CRATES_OF_DOMAIN: &[&str] = &["std", "serde", "serde_json", "jiff", "sha2", "hex", "shell_words", "thiserror"];

/// A line of production code: without comments, and without the tests.
struct Line {
    file: PathBuf,
    number: usize,
    text: String,
}

impl Line {
    fn place(&self) -> String {
        format!("{}:{}: {}", self.file.display(), self.number, self.text.trim())
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The `.rs` files below a folder, relative to the root.
fn files_below(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().join(folder)];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "there is nothing in {folder}");
    found
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The name that a line declares a module by: `pub mod name;` or `mod name {`.
fn declared_module(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = line.strip_prefix("pub(crate) ").or(line.strip_prefix("pub ")).unwrap_or(line);
    line.strip_prefix("mod ")?.split([';', ' ']).next()
}

/// Whether what follows a line is compiled for tests only.
fn opens_tests(line: &str) -> bool {
    let line = line.trim();
    line == "#[cfg(test)]" || line.starts_with("#[cfg(all(test, ")
}

/// Files that are compiled for tests only: `#[cfg(test)] mod name;` names them.
fn is_for_tests(file: &Path, for_tests: &[PathBuf]) -> bool {
    for_tests.iter().any(|test| file.starts_with(test) || file == test.with_extension("rs"))
}

fn modules_for_tests(files: &[PathBuf]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for file in files {
        let text = read(file);
        let lines: Vec<&str> = text.lines().collect();
        for (index, _) in lines.iter().enumerate().filter(|(_, line)| opens_tests(line)) {
            let declaration = lines[index + 1..].iter().find(|line| !line.trim_start().starts_with("#["));
            if let Some(name) = declaration.and_then(|line| declared_module(line)) {
                let is_root = file.file_name().is_some_and(|name| name == "mod.rs" || name == "lib.rs");
                let folder = if is_root { file.parent().unwrap().to_owned() } else { file.with_extension("") };
                found.push(folder.join(name));
            }
        }
    }
    found
}

/// All lines of production code in `src`.
fn production() -> Vec<Line> {
    let files = files_below("src");
    let for_tests = modules_for_tests(&files);
    let mut lines = Vec::new();
    for file in files.iter().filter(|file| !is_for_tests(file, &for_tests)) {
        let text = read(file);
        let mut previous = "";
        for (index, line) in text.lines().enumerate() {
            if opens_tests(previous) && declared_module(line).is_some() && line.ends_with('{') {
                break; // Inline tests stand at the end of a file.
            }
            previous = line;
            if !line.trim_start().starts_with("//") {
                lines.push(Line { file: file.clone(), number: index + 1, text: line.to_owned() });
            }
        }
    }
    lines
}

/// The module that a file belongs to, as [`MAY_USE`] names it.
fn module_of(file: &Path) -> String {
    let name = file.strip_prefix("src").unwrap().with_extension("");
    let parts: Vec<&str> = name.iter().filter_map(|part| part.to_str()).filter(|part| *part != "mod").collect();
    name_of(&parts)
}

fn name_of(parts: &[&str]) -> String {
    match parts {
        ["slack", part @ ("view" | "message"), ..] => format!("slack::{part}"),
        [module, ..] => (*module).to_owned(),
        [] => String::new(),
    }
}

/// The modules of ours that a line names after `crate::`.
fn used_in(text: &str) -> BTreeSet<String> {
    let paths = text.split("crate::").skip(1);
    paths
        .map(|path| {
            let path = path.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').next().unwrap_or_default();
            name_of(&path.split("::").collect::<Vec<_>>())
        })
        .collect()
}

/// Fails with every line that breaks a rule.
fn refuse(rule: &str, broken: impl IntoIterator<Item = String>) {
    let broken: Vec<String> = broken.into_iter().collect();
    assert!(broken.is_empty(), "{rule}\n  {}", broken.join("\n  "));
}

/// Lines outside the given paths that contain one of the words.
fn containing<'a>(lines: &'a [Line], words: &'a [&str], allowed: &'a [&str]) -> impl Iterator<Item = String> + 'a {
    lines
        .iter()
        .filter(|line| !allowed.iter().any(|allowed| line.file.starts_with(allowed)))
        .filter(|line| words.iter().any(|word| line.text.contains(word)))
        .map(Line::place)
}

#[test]
fn modules_use_only_what_they_may() {
    let may_use: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let mut broken = Vec::new();
    let mut seen = BTreeSet::new();
    for line in production() {
        let module = module_of(&line.file);
        if matches!(module.as_str(), "lib" | "main") {
            continue;
        }
        let Some(allowed) = may_use.get(module.as_str()) else {
            panic!("{} is in no module that MAY_USE knows", line.file.display());
        };
        for used in used_in(&line.text) {
            assert!(!used.is_empty(), "`crate::{{…}}` hides what is used: {}", line.place());
            if used != module && !allowed.contains(&used.as_str()) {
                broken.push(line.place());
            }
            seen.insert((module.clone(), used));
        }
    }
    refuse("a module uses another that it may not:", broken);
    let unused = MAY_USE.iter().flat_map(|(module, uses)| uses.iter().map(move |used| (*module, *used)));
    let unused = unused.filter(|(module, used)| !seen.contains(&((*module).to_owned(), (*used).to_owned())));
    let documented: &[(&str, &str)] = &[("runbook", "checks")];
    refuse(
        "MAY_USE permits what nobody needs:",
        unused.filter(|pair| !documented.contains(pair)).map(|(module, used)| format!("{module} → {used}")),
    );
}

#[test]
fn pure_modules_wait_for_nothing_and_ask_nobody() {
    let words = [".await", "async ", "tokio::", "Instant", "std::fs", "std::env", "std::net", "std::process", "rand::"];
    let lines = production();
    let pure: Vec<Line> =
        lines.into_iter().filter(|line| PURE.contains(&module_of(&line.file).as_str()) || is_plan(line)).collect();
    assert!(pure.len() > 1_000);
    refuse("these are pure:", containing(&pure, &words, &[]));
}

/// The flows make plans and do nothing else; what steps do is in `steps`.
fn is_plan(line: &Line) -> bool {
    let acts = ["src/runbook/steps.rs", "src/runbook/steps"].iter().any(|steps| line.file.starts_with(steps));
    line.file.starts_with("src/runbook") && !acts
}

#[test]
fn the_domain_rests_on_values_only() {
    let lines = production();
    let domain = lines.iter().filter(|line| module_of(&line.file) == "domain");
    let foreign = domain.filter(|line| {
        line.text.strip_prefix("use ").is_some_and(|path| {
            let first = path.split("::").next().unwrap_or_default();
            first != "super" && !CRATES_OF_DOMAIN.contains(&first)
        })
    });
    refuse("the domain knows no other crates:", foreign.map(Line::place));
}

#[test]
fn each_dependency_is_wrapped_in_one_place() {
    let lines = production();
    refuse("SQL is the store's:", containing(&lines, &["sqlx"], &["src/store"]));
    refuse("the AWS SDK is aws's:", containing(&lines, &["aws_sdk_", "aws_config::"], &["src/aws"]));
    refuse("so is what it is built on:", containing(&lines, &["aws_smithy"], &["src/aws"]));
    refuse("slack-morphism is a referee of tests:", containing(&lines, &["slack_morphism"], &[]));
    refuse("the time of day is the clock's:", containing(&lines, &["Timestamp::now", "SystemTime"], &["src/clock.rs"]));
    let end = ["src/app.rs", "src/control.rs", "src/terminal", "src/requests/mod.rs", "src/sandbox/start.rs"];
    refuse("anyhow is for where errors end:", containing(&lines, &["anyhow"], &end));
}

#[test]
fn only_the_engine_says_that_an_environment_is_held() {
    let lines = production();
    refuse("Held is granted elsewhere:", containing(&lines, &["Held::granted"], &["src/engine"]));
    let granted: Vec<String> = containing(&lines, &["Held::granted"], &[]).collect();
    assert_eq!(
        granted.len(),
        3,
        "before an act, around effects and preparations, and in the emergency path: {granted:#?}"
    );
    // The event of the same name says that a person holds an environment.
    let own = ["src/domain/held.rs", "src/domain/event.rs"];
    let built = containing(&lines, &["Held {"], &own).filter(|line| !line.contains("Event::Held {"));
    refuse("a Held is built past its maker:", built);
}

#[test]
fn emulators_know_nothing_of_the_bot() {
    let broken = production().into_iter().filter(|line| {
        module_of(&line.file) == "sandbox"
            && !line.file.ends_with("start.rs")
            && used_in(&line.text).iter().any(|used| !matches!(used.as_str(), "clock" | "sandbox"))
    });
    refuse("an emulator that shares code with the bot shares its errors:", broken.map(|line| line.place()));
}

#[test]
fn files_say_what_they_own() {
    let all = files_below("src").into_iter().chain(files_below("tests"));
    let silent = all.filter(|file| !read(file).starts_with("//! "));
    refuse("a file opens with a sentence on what it owns:", silent.map(|file| file.display().to_string()));
    let vague = ["util", "utils", "common", "helpers", "misc", "manager", "service"];
    let all = files_below("src").into_iter().chain(files_below("tests"));
    let named = all.filter(|file| file.with_extension("").iter().any(|part| vague.iter().any(|vague| part == *vague)));
    refuse("a name that says nothing:", named.map(|file| file.display().to_string()));
}

#[test]
fn nothing_is_left_half_done_or_silenced() {
    let mut broken = Vec::new();
    let here = Path::new("tests/tidy.rs");
    // Shared by test binaries that each use a part: an expectation of dead code would fail in those that use it all.
    let shared = Path::new("tests/support/mod.rs");
    for file in files_below("src").into_iter().chain(files_below("tests")).filter(|file| file != here) {
        for (index, line) in read(&file).lines().enumerate() {
            let comment = line.split_once("//").map_or("", |(_, comment)| comment);
            let left = ["TODO", "FIXME", "XXX", "HACK"].iter().any(|word| comment.contains(word));
            let silenced = file != shared && (line.contains("#[allow(") || line.contains("#![allow("));
            if left || silenced {
                broken.push(format!("{}:{}: {}", file.display(), index + 1, line.trim()));
            }
        }
    }
    refuse("finish it, or expect the lint with a reason:", broken);
}

#[test]
fn the_code_map_names_every_module() {
    let map = read("docs/architecture.md");
    let modules = files_below("src").into_iter().filter(|file| file.starts_with("src")).filter_map(|file| {
        let first = file.strip_prefix("src").unwrap().iter().next()?.to_str()?.to_owned();
        (!matches!(first.as_str(), "lib.rs")).then_some(first)
    });
    let modules: BTreeSet<String> = modules.map(|name| name.trim_end_matches(".rs").to_owned()).collect();
    assert!(modules.len() > 15, "{modules:?}");
    let missing = modules.into_iter().filter(|name| !map.contains(&format!("| `{name}`")));
    refuse("docs/architecture.md has no line in the code map for:", missing);
}

#[test]
fn the_readme_names_every_command() {
    let readme = read("README.md");
    let missing = alch::command::WORDS.into_iter().filter(|word| !readme.contains(&format!("| `{word}")));
    refuse("README.md has no line for:", missing.map(str::to_owned));
}

#[test]
fn the_documents_name_only_files_that_are_there() {
    let mut broken = Vec::new();
    let documents = [
        "README.md",
        "SECURITY.md",
        "docs/architecture.md",
        "docs/guarantees.md",
        "docs/operations.md",
        "deploy/README.md",
        "CHANGELOG.md",
    ];
    for document in documents {
        let text = read(document);
        for quoted in text.split('`').skip(1).step_by(2) {
            let is_path = ["src/", "tests/", "config/", "migrations/", "docs/", "deploy/", "fuzz/"]
                .iter()
                .any(|top| quoted.starts_with(top));
            let path = quoted.trim_end_matches('/');
            if is_path && !path.contains(['*', '<', ' ', ':']) && !root().join(path).exists() {
                broken.push(format!("{document}: {quoted}"));
            }
        }
    }
    refuse("there is no such file:", broken);
}

#[test]
fn the_tests_that_guarantees_rest_on_are_there() {
    let source: String = files_below("src").into_iter().chain(files_below("tests")).map(read).collect();
    let document = read("docs/guarantees.md");
    let rows = document.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| what holds"));
    let names = rows.flat_map(|row| row.split('|').nth(3).unwrap_or_default().split('`').skip(1).step_by(2));
    let names: Vec<&str> = names.collect();
    assert!(names.len() > 60, "{} names", names.len());
    let missing = names.into_iter().filter(|name| !source.contains(&format!("fn {name}(")));
    refuse("docs/guarantees.md names tests that are not there:", missing.map(str::to_owned));
}
