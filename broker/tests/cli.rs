//! Commands as a person types them: what goes to stdout, what to stderr, and the exit code.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use clap::CommandFactory;
use serde_json::Value;

fn tandem(arguments: &[&str], stdin: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tandem"))
        .args(arguments)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("tandem starts");
    // A command that reads no input may have ended already.
    let _ = child
        .stdin
        .take()
        .expect("piped")
        .write_all(stdin.as_bytes());
    child.wait_with_output().expect("tandem ends")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("as the test set it up")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("as the test set it up")
}

fn json(arguments: &[&str]) -> Value {
    let output = tandem(arguments, "");
    assert!(output.status.success(), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).expect("stdout is one JSON document")
}

#[test]
fn classify_gives_one_json_document_with_the_published_fields() {
    let answer = json(&["classify", "examples/finetune-lora.yaml", "--json"]);
    assert_eq!(answer["class"], "single_node_training");
    for field in ["confidence", "needs", "tiers", "evidence"] {
        assert!(!answer[field].is_null(), "{field}");
    }
    for tier in ["consumer", "assured", "enterprise"] {
        assert!(answer["tiers"][tier].is_boolean(), "{tier}");
    }
}

#[test]
fn classify_reads_standard_input_and_formats_that_cannot_be_submitted() {
    let compose = "services:\n  a:\n    image: jupyter/base-notebook\n    command: jupyter lab\n";
    let output = tandem(&["classify", "-", "--json"], compose);
    assert!(output.status.success(), "{}", stderr(&output));
    let answer: Value = serde_json::from_slice(&output.stdout).expect("as the test set it up");
    assert_eq!(answer["class"], "interactive");
}

#[test]
fn check_says_where_every_example_starts() {
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples"))
        .expect("as the test set it up")
    {
        let path = entry.expect("as the test set it up").path();
        if path.extension().is_none_or(|e| e != "yaml") {
            continue;
        }
        let answer = json(&[
            "check",
            path.to_str().expect("as the test set it up"),
            "--json",
        ]);
        let products = answer["products"]
            .as_array()
            .expect("as the test set it up");
        assert!(
            products.iter().any(|p| p["can_start"] == true),
            "{}",
            path.display()
        );
        assert_eq!(products.len(), 4, "two products of each network");
    }
}

#[test]
fn check_fails_with_every_obstacle_when_a_file_can_start_nowhere() {
    let file = "tandem: 1\nname: mount\nrun: ./x\nbuckets:\n  - path: /data\n    source: s3://b\n";
    let output = tandem(&["check", "-", "--json"], file);
    assert!(!output.status.success());
    let answer: Value = serde_json::from_slice(&output.stdout).expect("as the test set it up");
    for product in answer["products"]
        .as_array()
        .expect("as the test set it up")
    {
        assert_eq!(product["can_start"], false, "{product}");
        assert_eq!(product["obstacles"][0]["field"], "buckets", "{product}");
    }
    assert!(stderr(&output).contains("TDM-1101"));
}

#[test]
fn check_fails_where_no_card_is_meant_and_names_the_nearest() {
    let file = "tandem: 1\nname: x\nrun: ./x\nresources: {gpu: RTX4099}\n";
    let output = tandem(&["check", "-"], file);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("did you mean `RTX4090`?"));
    assert!(stderr(&output).contains("TDM-1201"), "{}", stderr(&output));
}

#[test]
fn a_wrong_file_is_refused_with_line_field_code_and_hint() {
    let file = "tandem: 1\nname: x\nrun: ./x\nresources:\n  gpu: H100\n  gpus_per_nod: 2\n";
    let output = tandem(&["check", "-"], file);
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(1));
    for part in [
        "-:6:",
        "gpus_per_nod",
        "gpus_per_node",
        "hint:",
        "tandem explain TDM-1002",
    ] {
        assert!(told.contains(part), "`{part}` is missing in {told}");
    }
    assert!(stdout(&output).is_empty());
}

#[test]
fn a_missing_file_and_text_that_is_not_utf8_are_refused() {
    let output = tandem(&["classify", "/nonexistent.yaml"], "");
    assert!(stderr(&output).contains("TDM-5002"), "{}", stderr(&output));
    let output = tandem(&["classify", env!("CARGO_BIN_EXE_tandem")], "");
    assert!(stderr(&output).contains("TDM-5002"), "{}", stderr(&output));
}

#[test]
fn explain_prints_a_page_lists_all_and_refuses_an_unknown_code() {
    let page = stdout(&tandem(&["explain", "tdm-2101"], ""));
    assert!(page.starts_with("# TDM-2101:"), "{page}");
    let list = stdout(&tandem(&["explain"], ""));
    assert!(list.lines().count() > 20 && list.contains("TDM-1001"));
    let output = tandem(&["explain", "TDM-9999"], "");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("hint:"));
}

#[test]
fn completions_name_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let script = stdout(&tandem(&["completions", shell], ""));
        for command in tandem::cli::Arguments::command().get_subcommands() {
            let name = command.get_name();
            let hidden = command.is_hide_set();
            assert!(hidden || script.contains(name), "{shell}: {name}");
        }
    }
}

#[test]
fn a_reader_that_goes_away_ends_a_command_quietly() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tandem"))
        .arg("explain")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("as the test set it up");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("as the test set it up");
    assert!(stderr(&output).is_empty(), "{}", stderr(&output));
}

#[test]
fn started_under_the_agents_name_it_is_the_agent() {
    let folder = tempfile::tempdir().expect("as the test set it up");
    let agent = folder.path().join("gpu-probe");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_tandem"), &agent)
        .expect("as the test set it up");
    let output = Command::new(&agent)
        .arg("--version")
        .output()
        .expect("as the test set it up");
    assert!(
        stdout(&output).starts_with("gpu-probe "),
        "{}",
        stdout(&output)
    );
    let output = Command::new(&agent)
        .args(["agent", "--", "true"])
        .env_clear()
        .output()
        .expect("as the test set it up");
    assert!(stderr(&output).contains("TDM-4003"), "{}", stderr(&output));
}

#[test]
fn the_help_of_every_command_is_as_it_was_agreed() {
    let mut help = String::new();
    write_help(tandem::cli::Arguments::command().term_width(100), &mut help);
    insta::assert_snapshot!(help);
}

fn write_help(mut command: clap::Command, into: &mut String) {
    command.build();
    let name = command.get_bin_name().unwrap_or("tandem").to_owned();
    into.push_str(&format!("==== {name}\n{}\n", command.render_help()));
    for sub in command.get_subcommands() {
        // The demo is a story of its own, with tests of its own.
        if !["help", "demo"].contains(&sub.get_name()) && !sub.is_hide_set() {
            write_help(sub.clone().term_width(100), into);
        }
    }
}

#[test]
fn the_defaults_are_a_file_to_start_from() {
    let defaults = stdout(&tandem(&["config", "show", "--default"], ""));
    let folder = tempfile::tempdir().expect("as the test set it up");
    let file = folder.path().join("tandem.toml");
    std::fs::write(&file, &defaults).expect("as the test set it up");
    let path = file.to_str().expect("as the test set it up");
    assert_eq!(json(&["config", "check", path, "--json"])["ok"], true);
    let often = defaults.replace("refresh_seconds = 30", "refresh_seconds = \"often\"");
    std::fs::write(&file, often).expect("as the test set it up");
    let refused = tandem(&["config", "check", path], "");
    assert_eq!(refused.status.code(), Some(1));
    let told = stderr(&refused);
    for part in ["market.refresh_seconds", path, "TDM-5005", "hint:"] {
        assert!(told.contains(part), "`{part}` is missing in {told}");
    }
    let shown = json(&["config", "show", "--config", path, "--json"]);
    assert_eq!(shown["market.refresh_seconds"]["origin"], path);
}

#[test]
fn a_health_check_fails_where_nobody_answers() {
    let output = tandem(&["healthcheck", "http://127.0.0.1:1/readyz"], "");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("TDM-5008"));
}

const PRICES: &str = "InstanceType,AcceleratorName,AcceleratorCount,Price,SpotPrice,Region\n\
                      a,RTX4090,1,0.40,0.00,\"Oregon, US, NA\"\n\
                      b,RTX4090,1,40,,DE\n";

#[test]
fn a_price_file_is_checked_without_a_broker_and_nothing_free_is_an_offer() {
    let output = tandem(&["offers", "check", "-", "--json"], PRICES);
    assert!(output.status.success(), "{}", stderr(&output));
    let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    assert_eq!(
        report,
        serde_json::json!({
            "rows": 2, "offers": 1, "refused": 2, "corrected": 0,
            "defects": [
                {
                    "code": "spot_price_zero", "count": 1,
                    "example": "-:2: SpotPrice `$0.00`: spot is not offered",
                },
                {
                    "code": "price_in_cents", "count": 1,
                    "example": "-:3: Price `$40.00`: likely the price is off by 100: cents and \
                                dollars, which would be $0.40 per GPU-hour; a price is not guessed",
                },
            ],
        })
    );
    let shown = stdout(&tandem(&["offers", "check", "-"], PRICES));
    for part in ["2 rows: 1 offers", "price_in_cents", "never quoted"] {
        assert!(shown.contains(part), "`{part}` is missing in {shown}");
    }
}

#[test]
fn a_price_file_or_argument_that_cannot_be_used_fails_and_says_what_to_do() {
    for (arguments, stdin, told) in [
        (
            vec!["offers", "check", "-"],
            "a,b\n1,2\n",
            "-:1: column `AcceleratorName` is missing",
        ),
        (vec!["offers", "check", "-"], "x\0", "-:1: a NUL byte"),
        (vec!["offers", "check", "no/such/file.csv"], "", "TDM-5002"),
        (vec!["offers", "check"], "", "<FILE>"),
        (
            vec!["offers", "check", "-", "--dated", "may"],
            PRICES,
            "such as 2026-05-20",
        ),
        (
            vec!["offers", "--gpu", "h100", "check", "-"],
            PRICES,
            "TDM-5001",
        ),
    ] {
        let output = tandem(&arguments, stdin);
        assert!(!output.status.success(), "{arguments:?}");
        assert!(stdout(&output).is_empty(), "{arguments:?}");
        assert!(stderr(&output).contains(told), "{}", stderr(&output));
    }
}

#[test]
fn a_back_test_names_a_promotion_that_had_no_part_in_it() {
    let policy = "examples/policies/launch-promotion.yaml";
    let replayed = |more: &[&str]| {
        let all = [&["policy", "backtest", policy], more].concat();
        let output = tandem(&all, "");
        assert!(output.status.success(), "{}", stderr(&output));
        stderr(&output)
    };
    let told = replayed(&[]);
    assert!(
        told.contains("gives render-weeks from 2027-01-15"),
        "{told}"
    );
    let again = "2027-01-15T00:00:00Z";
    assert!(told.contains(&format!("--start {again}")), "{told}");
    let told = replayed(&["--start", again]);
    assert!(!told.contains("render-weeks"), "{told}");
}
