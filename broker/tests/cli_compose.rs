//! The container files, as far as they can be checked without a container engine: every key is one
//! of the Compose Specification, and what they name exists in this program.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

#[path = "cli_compose/yaml.rs"]
mod yaml;

use std::collections::BTreeMap;
use std::path::Path;

use clap::Parser;
use serde_json::{Map, Value};
use tandem::cli::{Arguments, Command};
use tandem::config::{Layers, Sources, load};

/// Keys of a service that are used here, by the Compose Specification.
const SERVICE_KEYS: [&str; 15] = [
    "build",
    "cap_drop",
    "command",
    "depends_on",
    "environment",
    "healthcheck",
    "image",
    "network_mode",
    "ports",
    "read_only",
    "restart",
    "security_opt",
    "stop_grace_period",
    "tmpfs",
    "volumes",
];
/// Keys of a health check.
const HEALTH_KEYS: [&str; 5] = ["test", "interval", "timeout", "start_period", "retries"];
/// Conditions of `depends_on`.
const CONDITIONS: [&str; 3] = [
    "service_started",
    "service_healthy",
    "service_completed_successfully",
];

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    std::fs::read_to_string(path).unwrap()
}

fn compose() -> Value {
    yaml::read(&file("docker-compose.yml"))
}

fn services(compose: &Value) -> &Map<String, Value> {
    compose["services"].as_object().unwrap()
}

fn words(list: &Value) -> Vec<String> {
    let words = list.as_array().unwrap().iter();
    words.map(|w| w.as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_key_of_the_compose_file_is_one_of_the_specification() {
    let compose = compose();
    for key in compose.as_object().unwrap().keys() {
        assert!(
            ["name", "services", "volumes"].contains(&key.as_str()),
            "{key}"
        );
    }
    for (name, service) in services(&compose) {
        for key in service.as_object().unwrap().keys() {
            let known = SERVICE_KEYS.contains(&key.as_str());
            assert!(known, "{name}.{key}");
        }
        for key in service["healthcheck"].as_object().unwrap().keys() {
            assert!(
                HEALTH_KEYS.contains(&key.as_str()),
                "{name}.healthcheck.{key}"
            );
        }
    }
}

#[test]
fn what_a_service_waits_for_exists_and_can_become_healthy() {
    let compose = compose();
    for (name, service) in services(&compose) {
        let needed = service["depends_on"].as_object().into_iter().flatten();
        for (other, how) in needed {
            let other = &services(&compose)[other];
            let condition = how["condition"].as_str().unwrap();
            assert!(CONDITIONS.contains(&condition), "{name}: {condition}");
            assert!(other["healthcheck"]["test"].is_array());
        }
        let shared = service["network_mode"].as_str();
        if let Some(other) = shared.and_then(|mode| mode.strip_prefix("service:")) {
            assert!(services(&compose).contains_key(other), "{other}");
            assert!(service["ports"].is_null(), "its ports belong to {other}");
        }
    }
}

#[test]
fn every_command_and_health_check_is_one_that_this_program_understands() {
    let compose = compose();
    let mut commands = vec![dockerfile_words("CMD [")];
    let mut health = vec![dockerfile_words("CMD [\"tandem\"")];
    for service in services(&compose).values() {
        commands.push(words(&service["command"]));
        let test = words(&service["healthcheck"]["test"]);
        assert_eq!(test[0], "CMD", "there is no shell in the image");
        health.push(test[1..].to_vec());
    }
    for command in commands {
        let all = std::iter::once("tandem".to_owned()).chain(command.clone());
        let parsed = Arguments::try_parse_from(all).unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let runs = matches!(parsed.command, Command::Serve(_) | Command::Sandbox(_));
        assert!(runs, "{command:?}");
    }
    for check in health {
        let parsed = Arguments::try_parse_from(&check).unwrap();
        assert!(
            matches!(parsed.command, Command::Healthcheck { .. }),
            "{check:?}"
        );
    }
}

/// The words of the JSON list in the last line of the Dockerfile that holds `begin`.
fn dockerfile_words(begin: &str) -> Vec<String> {
    let text = file("Dockerfile");
    let line = text.lines().rfind(|line| line.contains(begin)).unwrap();
    let list = &line[line.find('[').unwrap()..];
    serde_json::from_str(list).unwrap()
}

/// Variables that the Dockerfile sets.
fn image_variables() -> BTreeMap<String, String> {
    let text = file("Dockerfile").replace("\\\n", " ");
    let lines = text.lines().filter_map(|line| line.strip_prefix("ENV "));
    let pairs = lines.flat_map(str::split_whitespace);
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap());
    pairs.map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
}

#[test]
fn the_variables_of_image_and_compose_file_are_an_accepted_configuration() {
    let mut sources = Sources {
        variables: image_variables(),
        ..Sources::default()
    };
    let compose = compose();
    let set = compose["services"]["broker"]["environment"]
        .as_object()
        .unwrap();
    for (name, value) in set {
        let value = value.as_str().unwrap().to_owned();
        sources.variables.insert(name.clone(), value);
    }
    let config = load(&sources).unwrap();
    assert_eq!(config.listen.port(), 8080);
    let layers = Layers::read(&sources).unwrap();
    assert_eq!(layers.origin("data_dir"), "TANDEM__DATA_DIR");
}

#[test]
fn data_and_master_key_lie_in_volumes_apart_and_all_else_is_read_only() {
    let compose = compose();
    let broker = &compose["services"]["broker"];
    assert_eq!(words(&broker["volumes"]), ["data:/data", "keys:/keys"]);
    let declared: Vec<&String> = compose["volumes"].as_object().unwrap().keys().collect();
    assert_eq!(declared, ["data", "keys"]);
    for (name, service) in services(&compose) {
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(words(&service["cap_drop"]), ["ALL"], "{name}");
    }
    let published = words(&compose["services"]["sandbox"]["ports"]);
    assert!(
        published.iter().all(|p| p.starts_with("127.0.0.1:")),
        "{published:?}"
    );
    let dockerfile = file("Dockerfile");
    let user = dockerfile.lines().find_map(|l| l.strip_prefix("USER "));
    assert!(user.is_some_and(|user| !user.starts_with('0') && user != "root"));
}

#[test]
fn a_container_has_longer_to_end_than_the_broker_takes() {
    let grace = &compose()["services"]["broker"]["stop_grace_period"];
    let seconds: u64 = grace
        .as_str()
        .unwrap()
        .trim_end_matches('s')
        .parse()
        .unwrap();
    assert!(seconds > tandem::serve::STOP_TIMEOUT.as_secs());
}
