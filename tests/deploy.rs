//! The files in `deploy/`: read by parsers of their formats, and held against what they lean on: the image, the command
//! line, the settings. ECS's is judged by AWS's own model of the request, and registered with moto.
#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

#[expect(dead_code, reason = "other tests use the rest")]
mod support {
    pub mod emulators;
}

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use alch::cli::{Cli, CliCommand};
use alch::config::{ALCH_TOML, Config, Transport, Variables};
use clap::Parser;
use secrecy::ExposeSecret;
use serde_json::Value;
use support::emulators;

/// What a compose service of ours may have: an unknown word is a slip of the pen, and Docker's is not the first to see it.
const SERVICE_KEYS: [&str; 17] = [
    "image",
    "build",
    "read_only",
    "user",
    "cap_drop",
    "security_opt",
    "restart",
    "stop_grace_period",
    "depends_on",
    "environment",
    "configs",
    "secrets",
    "healthcheck",
    "volumes",
    "ports",
    "deploy",
    "profiles",
];
/// The longest that an orderly stop takes, in seconds.
const STOP: i64 = 10;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn compose() -> Value {
    serde_yaml_ng::from_str(&read("deploy/compose.yaml")).unwrap()
}

fn task() -> Value {
    serde_json::from_str(&read("deploy/ecs-task-definition.json")).unwrap()
}

/// The services that are Alch.
fn alchs(compose: &Value) -> Vec<(&String, &Value)> {
    let services = compose["services"].as_object().unwrap();
    services.iter().filter(|(name, _)| name.starts_with("alch-")).collect()
}

/// The names in a list of names, of maps with a `source`, or of a map.
fn names(list: &Value) -> BTreeSet<String> {
    match list {
        Value::Array(items) => {
            let name = |item: &Value| item.as_str().or(item["source"].as_str()).unwrap().to_owned();
            items.iter().map(name).collect()
        }
        Value::Object(map) => map.keys().cloned().collect(),
        Value::Null => BTreeSet::new(),
        other => panic!("{other} is no list"),
    }
}

/// What the image exposes and who it runs as, from the Dockerfile.
fn image(word: &str) -> String {
    let dockerfile = read("Dockerfile");
    let line = dockerfile.lines().rev().find_map(|line| line.strip_prefix(word)).unwrap();
    line.trim().to_owned()
}

/// The port of the shipped settings, which the image exposes too.
fn port() -> u64 {
    let (config, _) = Config::parse(ALCH_TOML, "alch.toml", &Variables::default()).unwrap();
    let port = config.server.address().unwrap().port();
    assert_eq!(image("EXPOSE "), port.to_string());
    port.into()
}

/// The program of a health check is the image's, and its words are understood.
fn assert_asks_for_health(command: &Value) {
    let words: Vec<&str> = command.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    let ["CMD", program, arguments @ ..] = words.as_slice() else { panic!("{words:?}: the image has no shell") };
    assert_eq!(image("ENTRYPOINT "), format!("[\"{program}\"]"));
    let cli = Cli::try_parse_from([&["alch"], arguments].concat()).unwrap();
    assert!(matches!(cli.command, CliCommand::Health(_)), "{cli:?}");
}

/// With these variables, and no others, the shipped settings serve Slack by HTTP on PostgreSQL.
fn assert_enough_to_serve(variables: &Variables) {
    let (config, secrets) = Config::parse(ALCH_TOML, "alch.toml", variables).unwrap();
    assert!(matches!(config.transport(&secrets).unwrap(), Transport::Http { .. }));
    assert!(secrets.slack_bot_token.is_some());
    assert_eq!(secrets.database_url.expose_secret().split(':').next(), Some("postgres"));
}

#[test]
fn compose_names_only_what_it_has() {
    let compose = compose();
    for (name, service) in compose["services"].as_object().unwrap() {
        let unknown: Vec<String> =
            names(service).into_iter().filter(|key| !SERVICE_KEYS.contains(&key.as_str())).collect();
        assert_eq!(unknown, Vec::<String>::new(), "{name}");
        for kind in ["configs", "secrets"] {
            let missing: Vec<String> = names(&service[kind]).difference(&names(&compose[kind])).cloned().collect();
            assert_eq!(missing, Vec::<String>::new(), "{kind} of {name}");
        }
        let missing: Vec<String> =
            names(&service["depends_on"]).difference(&names(&compose["services"])).cloned().collect();
        assert_eq!(missing, Vec::<String>::new(), "what {name} depends on");
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let (volume, _) = volume.as_str().unwrap().split_once(':').unwrap();
            assert!(names(&compose["volumes"]).contains(volume), "{volume} of {name}");
        }
        for variable in service["environment"].as_object().into_iter().flatten() {
            if let Some(secret) = variable.1.as_str().and_then(|value| value.strip_prefix("/run/secrets/")) {
                assert!(names(&service["secrets"]).contains(secret), "{secret} of {name}");
            }
        }
    }
    let used: BTreeSet<String> =
        compose["services"].as_object().unwrap().values().flat_map(|service| names(&service["secrets"])).collect();
    assert_eq!(used, names(&compose["secrets"]), "a secret that nobody uses");
    for file in ["Caddyfile", "../config/alch.toml"] {
        assert!(root().join("deploy").join(file).exists(), "{file}");
    }
}

#[test]
fn compose_runs_two_of_the_image_on_postgresql_and_either_can_be_replaced() {
    let compose = compose();
    let alchs = alchs(&compose);
    assert_eq!(alchs.len(), 2);
    for (name, service) in &alchs {
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(service["cap_drop"], serde_json::json!(["ALL"]), "{name}");
        // The id of `nonroot` in the distroless images.
        assert!(image("FROM ").ends_with(":nonroot") && service["user"] == "65532:65532", "{name}");
        let grace = service["stop_grace_period"].as_str().unwrap().trim_end_matches('s').parse::<i64>().unwrap();
        assert!(grace > STOP, "{name} is killed while it stops");
        assert_asks_for_health(&service["healthcheck"]["test"]);
        let target = service["configs"][0]["target"].as_str().unwrap();
        assert!(read("Dockerfile").contains(&format!("ALCH_CONFIG={target} ")), "{target}");

        let secrets = tempfile::tempdir().unwrap();
        let of = |secret: &str| match secret {
            "database_url" => "postgres://alch:secret@postgres/alch".to_owned(),
            "slack_bot_token" => "xoxb-1".to_owned(),
            other => other.to_owned(),
        };
        let mut variables = Variables::default();
        for (variable, value) in service["environment"].as_object().unwrap() {
            // Without a value it is handed through.
            let Some(mut value) = value.as_str().map(str::to_owned) else { continue };
            if let Some(secret) = value.strip_prefix("/run/secrets/") {
                let file = secrets.path().join(secret);
                std::fs::write(&file, of(secret)).unwrap();
                value = file.display().to_string();
            }
            variables.insert(variable.clone(), value);
        }
        assert_enough_to_serve(&variables);
    }
    let caddyfile = read("deploy/Caddyfile");
    let upstreams: Vec<String> = alchs.iter().map(|(name, _)| format!("{name}:{}", port())).collect();
    assert!(caddyfile.contains(&format!("reverse_proxy {} {{", upstreams.join(" "))), "{upstreams:?}");
    assert!(caddyfile.contains("health_uri /readyz") && caddyfile.contains("handle /slack/*"));
}

#[test]
fn the_ecs_task_runs_the_image_as_it_is_meant() {
    let task = task();
    let [container] = task["containerDefinitions"].as_array().unwrap().as_slice() else { panic!("{task}") };
    assert_eq!(container["portMappings"][0]["containerPort"], port());
    assert_eq!((&container["readonlyRootFilesystem"], &container["user"]), (&true.into(), &"65532:65532".into()));
    assert!(container["stopTimeout"].as_i64().unwrap() > STOP);
    assert_asks_for_health(&container["healthCheck"]["command"]);
    let mut variables = Variables::default();
    for secret in container["secrets"].as_array().unwrap() {
        let name = secret["name"].as_str().unwrap();
        let value = match name {
            "DATABASE_URL" => "postgres://alch:secret@database/alch",
            "SLACK_BOT_TOKEN" => "xoxb-1",
            other => other,
        };
        variables.insert(name.to_owned(), value.to_owned());
    }
    assert_enough_to_serve(&variables);
}

/// Reads the task definition, has botocore judge it by AWS's model of RegisterTaskDefinition, and registers it.
const REGISTER: &str = r#"
import json, sys, botocore.session
endpoint, path = sys.argv[1:]
session = botocore.session.get_session()
session.set_credentials("AKIAIOSFODNN7EXAMPLE", "secret")
client = session.create_client("ecs", region_name="us-east-1", endpoint_url=endpoint)
answer = client.register_task_definition(**json.load(open(path)))
print(answer["taskDefinition"]["taskDefinitionArn"])
"#;

#[tokio::test(flavor = "multi_thread")]
async fn ecs_takes_the_task() {
    let Some(moto) = emulators::moto().await else { return };
    let Some(python) = emulators::motos_python() else { return };
    let register = |path: &Path| {
        let mut command = Command::new(&python);
        command.args(["-c", REGISTER, &moto.endpoint, &path.display().to_string()]);
        command.output().unwrap()
    };
    let done = register(&root().join("deploy/ecs-task-definition.json"));
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(said.trim().ends_with(":task-definition/alch:1"), "{said}");

    // That it would have been refused, had it a slip of the pen.
    let mut wrong = task();
    wrong["containerDefinitions"][0]["stopTimout"] = 15.into();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), wrong.to_string()).unwrap();
    let done = register(file.path());
    assert!(!done.status.success() && String::from_utf8_lossy(&done.stderr).contains("stopTimout"), "{done:?}");
}
