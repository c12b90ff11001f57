//! What a person sees: `gpu-probe` as a process, with every way in which a driver can be wrong.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use gpu_probe::report::SignedReport;
use gpu_probe::verdict::ReasonCode;
use gpu_probe::verify::{Facts, Policy, judge_stored};
use serde_json::{Value, json};

use super::fake;

/// Exit code of a probe that could not run.
const COULD_NOT_RUN: Option<i32> = Some(69);

/// Runs the probe on a machine without NVML.
pub(crate) fn probe(library: impl AsRef<OsStr>, spec: &Value, arguments: &[&str]) -> Output {
    probe_with(library, "/nowhere/libnvidia-ml.so.1", spec, arguments)
}

fn probe_with(
    library: impl AsRef<OsStr>,
    nvml: impl AsRef<OsStr>,
    spec: &Value,
    arguments: &[&str],
) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gpu-probe"))
        .args(arguments)
        .env("TANDEM_CUDA_LIBRARY", library)
        .env("TANDEM_NVML_LIBRARY", nvml)
        .env("FAKE_CUDA_SPEC", spec.to_string())
        .env("TANDEM_PROBE_SCALE", "tiny")
        .env("NO_COLOR", "1")
        .output()
        .expect("the probe starts")
}

pub(crate) fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// That a run ended as one that could not be made, with this code and these words.
fn could_not_run(output: &Output, parts: &[&str]) {
    let said = words(output);
    assert_eq!(output.status.code(), COULD_NOT_RUN, "{said}");
    assert!(!said.contains("panicked"), "{said}");
    assert_eq!(output.stdout, b"", "nothing on stdout without a report");
    for part in parts {
        assert!(said.contains(part), "`{part}` is not in: {said}");
    }
}

/// A copy of the library in which one exported name is another.
fn without_symbol(folder: &Path, symbol: &str) -> PathBuf {
    let mut bytes = std::fs::read(fake::library()).expect("the library");
    let name = [&[0], symbol.as_bytes(), &[0]].concat();
    let places: Vec<usize> = (0..bytes.len() - name.len())
        .filter(|at| bytes[*at..].starts_with(&name))
        .collect();
    assert!(!places.is_empty(), "{symbol} is exported");
    for at in places {
        bytes[at + 1] = b'x';
    }
    let path = folder.join("libcuda.so.1");
    std::fs::write(&path, bytes).expect("a copy");
    path
}

#[test]
fn a_library_that_lacks_one_function_is_named_with_it() {
    let folder = tempfile::tempdir().expect("a folder");
    for symbol in ["cuMemGetInfo_v2", "cuEventElapsedTime", "cuLaunchKernel"] {
        let library = without_symbol(folder.path(), symbol);
        let output = probe(&library, &fake::honest(), &["info"]);
        could_not_run(&output, &["TDM-8003", symbol, "libcuda.so.1"]);
        std::fs::remove_file(library).expect("the copy");
    }
}

#[test]
fn a_machine_without_driver_or_card_is_told_which_of_both() {
    for command in ["info", "run"] {
        let output = probe("/nowhere/libcuda.so.1", &fake::honest(), &[command]);
        could_not_run(&output, &["TDM-8001", "/nowhere/libcuda.so.1"]);
    }
    let empty = json!({ "cards": [] });
    could_not_run(&probe(fake::library(), &empty, &["run"]), &["TDM-8004"]);
    let output = probe(fake::library(), &fake::honest(), &["run", "--device", "3"]);
    could_not_run(&output, &["TDM-8004", "no device 3", "sees 1"]);
}

#[test]
fn a_driver_that_is_too_old_is_told_with_both_versions() {
    let mut spec = fake::honest();
    spec["driver_version"] = json!(11_080);
    let output = probe(fake::library(), &spec, &["info"]);
    could_not_run(&output, &["TDM-8002", "11.8", "12.0"]);
}

#[test]
fn a_kernel_that_hangs_ends_within_its_deadline_and_says_nothing_against_the_card() {
    let mut spec = fake::honest();
    spec["hang_launch"] = json!(3);
    let begun = Instant::now();
    let output = probe(fake::library(), &spec, &["run", "--json"]);
    assert!(
        begun.elapsed() < Duration::from_secs(60),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    let document: Value = serde_json::from_slice(&output.stdout).expect("one document");
    let device = &document["report"]["report"]["devices"][0];
    let reasons: Vec<String> = ["isa_gate", "bandwidth", "fp32", "launch"]
        .iter()
        .map(|name| device[name]["could_not_run"]["reason"].to_string())
        .collect();
    assert!(reasons[0].contains("TDM-8008"), "{reasons:?}");
    let mut rest = reasons[1..].iter();
    // Nothing waits for the hung kernel a second time.
    assert!(rest.all(|r| r.contains("earlier")), "{reasons:?}");
}

#[test]
fn memory_that_others_hold_means_that_nothing_was_measured_and_not_that_the_card_is_bad() {
    let mut spec = fake::honest();
    spec["refuse_above_bytes"] = json!(100_000);
    let output = probe(fake::library(), &spec, &["run", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    let document: Value = serde_json::from_slice(&output.stdout).expect("one document");
    let device = &document["report"]["report"]["devices"][0];
    let reason = device["bandwidth"]["could_not_run"]["reason"].to_string();
    assert!(
        reason.contains("TDM-8005") && reason.contains("262144"),
        "{reason}"
    );
    assert!(
        device["census"]["measured"].is_object(),
        "{}",
        device["census"]
    );
}

#[test]
fn a_kernel_that_faults_is_the_cards_failure_and_nothing_runs_after_it() {
    let mut spec = fake::honest();
    spec["fail_launch"] = json!(1);
    let output = probe(fake::library(), &spec, &["run", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", words(&output));
    let document: Value = serde_json::from_slice(&output.stdout).expect("one document");
    let device = &document["report"]["report"]["devices"][0];
    let census = device["census"]["failed"]["reason"].to_string();
    assert!(census.contains("CUDA_ERROR_LAUNCH_FAILED"), "{census}");
    assert!(
        device["launch"]["could_not_run"].is_object(),
        "{}",
        device["launch"]
    );
}

/// The full report of an honest card with NVML, made once, and its one device as JSON.
fn honest_full() -> &'static (SignedReport, Value) {
    static REPORT: OnceLock<(SignedReport, Value)> = OnceLock::new();
    REPORT.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("report.json");
        let out = path.to_string_lossy().into_owned();
        let arguments = ["run", "--kind", "full", "--json", "--out", &out];
        let library = fake::library();
        let output = probe_with(library, library, &fake::honest(), &arguments);
        assert_eq!(output.status.code(), Some(0), "{}", words(&output));
        let document: Value = serde_json::from_slice(&output.stdout).expect("one document");
        assert_eq!(document["level"], 0);
        let written = std::fs::read(&path).expect("the report");
        let signed = SignedReport::parse(&written).expect("a report of the format");
        (signed, document["report"]["report"]["devices"][0].clone())
    })
}

#[test]
fn an_honest_card_gives_a_signed_report_with_its_own_rates() {
    let (signed, _) = honest_full();
    signed.check_signature().expect("signed");
    let device = &signed.report.devices[0];
    let census = device.census.measured().expect("a census");
    assert_eq!(census.sms.len(), 82);
    assert!(device.isa_gate.measured().expect("the gate").is_right);
    let copy = device.bandwidth.measured().expect("a rate").copy.mb_per_s();
    assert!(
        copy.expect("samples").abs_diff(842_400) < 20_000,
        "{copy:?}"
    );
    let fp32 = device.fp32.measured().expect("a rate").gflops();
    assert!(fp32.expect("samples").abs_diff(33_800) < 1_500, "{fp32:?}");
    let f16 = device.tensor_f16.measured().expect("a rate").gflops();
    assert!(f16.expect("samples").abs_diff(66_400) < 3_000, "{f16:?}");
    assert!(
        device.tensor_bf16.measured().is_some(),
        "{:?}",
        device.tensor_bf16
    );
    let fp8 = device.tensor_fp8.reason().expect("no such units");
    assert!(fp8.contains("no units"), "{fp8}");
    let health = device.health.as_ref().expect("a full probe");
    let patterns = health.patterns.measured().expect("patterns");
    assert!(
        patterns.passes.iter().all(|pass| pass.errors == 0),
        "{patterns:?}"
    );
    let launches = device.launch.measured().expect("launches");
    let graph = launches.graph.as_ref().expect("a graph");
    assert_eq!((launches.host_ns.len(), graph.host_ns.len()), (20, 2));
    assert_eq!(graph.kernels, 100);
    assert!(health.gaps.measured().is_some(), "{:?}", health.gaps);
    assert!(
        health.latency_map.measured().is_some(),
        "{:?}",
        health.latency_map
    );
}

#[test]
fn a_person_sees_a_table_with_shares_and_what_the_run_is_worth() {
    let output = probe(fake::library(), &fake::honest(), &["run"]);
    let table = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    for part in [
        "rtx3090",
        "memory copy",
        "GB/s",
        " %",
        "level 0",
        "is right",
    ] {
        assert!(table.contains(part), "`{part}` is not in: {table}");
    }
    let output = probe(fake::library(), &fake::honest(), &["info"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("CUDA 12.4") && text.contains("82 SMs"),
        "{text}"
    );
}

fn disagrees(signed: &SignedReport) -> bool {
    let verdict = judge_stored(signed, &Policy::default(), &Facts::default());
    verdict.has(ReasonCode::SourcesDisagree)
}

#[test]
fn what_nvml_says_stands_beside_the_measurements() {
    let (signed, device) = honest_full();
    assert!(!disagrees(signed));
    let identity = &device["identity"]["nvml"];
    assert_eq!(identity["name"], "NVIDIA GeForce RTX 3090");
    assert_eq!(identity["total_memory_bytes"], 24u64 << 30);
    assert_eq!(
        identity["serial"],
        Value::Null,
        "a function that is missing"
    );
    let sample = &device["health"]["steady_load"]["measured"]["samples"][0];
    assert_eq!(sample["memory_celsius"], 78, "{sample}");
    assert_eq!(sample["retired_pages"], 3);
    assert_eq!(sample["core_celsius"], Value::Null);
    assert_eq!(sample["power_mw"], 250_000);
    let short = &device["tensor_f16"]["measured"]["power_mw"];
    assert_eq!(
        *short,
        Value::Null,
        "the mean of a second says nothing of it"
    );
}

#[test]
fn a_name_that_only_one_of_two_libraries_says_is_found() {
    let mut spec = fake::honest();
    spec["cards"][0]["nvml_name"] = json!("NVIDIA H100 80GB HBM3");
    let output = probe_with(fake::library(), fake::library(), &spec, &["run", "--json"]);
    let document: Value = serde_json::from_slice(&output.stdout).expect("one document");
    let report = document["report"].to_string();
    let signed = SignedReport::parse(report.as_bytes()).expect("a report of the format");
    assert!(disagrees(&signed));
}
