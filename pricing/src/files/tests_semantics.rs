//! What SkyPilot and dstack mean by a field: it is honoured, noted or refused, never changed unsaid.

use tandem_model::workload::{GpuNeed, Workload};

use super::*;

fn workload(text: &str) -> Workload {
    match read(text) {
        Ok(document) => document.workload.expect("a submittable format"),
        Err(errors) => panic!("{errors}\n{text}"),
    }
}

/// Fields that are refused, and fields that are noted.
fn said(text: &str) -> (Vec<String>, Vec<String>) {
    let document = look(text).expect(text);
    let refused = document.refusals.iter().map(|e| e.field.clone());
    let noted = document.notes.iter().map(|n| n.field.clone());
    (refused.collect(), noted.collect())
}

fn cards(need: &GpuNeed) -> Vec<&str> {
    match need {
        GpuNeed::Named { choices } => choices.iter().map(|c| c.name.as_str()).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn a_number_with_a_leading_zero_is_refused_because_loaders_disagree_on_it() {
    for (text, field) in [
        ("num_nodes: 010\nrun: x\n", "num_nodes"),
        (
            "run: x\nresources: {accelerators: \"A100:010\"}\n",
            "resources.accelerators",
        ),
        ("run: x\nresources: {memory: 064}\n", "resources.memory"),
        ("tandem: 1\nname: a\nrun: x\nport: 0777\n", "port"),
        ("type: task\ncommands: [x]\nnodes: 02\n", "nodes"),
        (
            "type: task\ncommands: [x]\nports: [\"8080:010\"]\n",
            "ports[0]",
        ),
    ] {
        assert_eq!(said(text).0, [field], "{text}");
    }
}

#[test]
fn alternatives_of_skypilot_replace_the_base_and_must_agree_on_everything_but_the_card() {
    let of = |resources: &str| format!("run: x\nresources: {resources}\n");
    let replaced = workload(&of(
        "{accelerators: \"A100:1\", any_of: [{accelerators: \"H100:1\"}]}",
    ));
    assert_eq!(cards(&replaced.resources.gpu), ["H100"]);
    let partly = workload(&of(
        "{accelerators: \"A100:1\", ordered: [{accelerators: \"H100:1\"}, {use_spot: true}]}",
    ));
    assert_eq!(cards(&partly.resources.gpu), ["H100", "A100"]);
    let same = workload(&of(
        "{any_of: [{cpus: 8+, accelerators: \"L4:1\"}, {cpus: 8+, accelerators: \"T4:1\"}]}",
    ));
    assert_eq!(same.resources.cpus_min, Some(8));
    for (resources, field) in [
        (
            "{any_of: [{cpus: 4}, {cpus: 32}]}",
            "resources.any_of[1].cpus",
        ),
        (
            "{any_of: [{cpus: 4}, {use_spot: true}]}",
            "resources.any_of[1]",
        ),
        (
            "{any_of: [{ports: 1}, {ports: 2}]}",
            "resources.any_of[1].ports",
        ),
        (
            "{any_of: [{any_of: [{use_spot: true}]}]}",
            "resources.any_of[0].any_of",
        ),
        (
            "{any_of: [{max_hourly_cost: 2}]}",
            "resources.any_of[0].max_hourly_cost",
        ),
        (
            "{any_of: [{instance_type: p4d}]}",
            "resources.any_of[0].instance_type",
        ),
        (
            "{any_of: [{use_spot: true}], ordered: [{use_spot: true}]}",
            "resources.ordered",
        ),
        (
            "{any_of: [{accelerators: \"L4:1\"}, {accelerators: \"L4:2\"}]}",
            "resources.any_of[1].accelerators",
        ),
    ] {
        assert_eq!(said(&of(resources)).0, [field], "{resources}");
    }
}

#[test]
fn skypilot_cards_can_be_asked_by_memory() {
    for (written, count, fits, fits_not) in [
        ("24GB+", 1, "h100-sxm5-80gb", "rtx3060-12gb"),
        ("80GB:2", 2, "h100-sxm5-80gb", "rtx4090"),
        ("\"nvidia:48GB+:4\"", 4, "a100-sxm4-80gb", "rtx4090"),
    ] {
        let w = workload(&format!("run: x\nresources: {{accelerators: {written}}}\n"));
        let accepts = |id: &str| {
            let model = tandem_model::gpu::GpuModel::by_id(id).expect(id);
            w.resources.gpu.accepts(model)
        };
        assert_eq!(w.resources.gpus_per_node, count, "{written}");
        assert!(accepts(fits) && !accepts(fits_not), "{written}");
    }
}

#[test]
fn skypilot_ports_and_scaling_are_refused_or_noted() {
    for ports in ["[8000, 8001]", "8000-8010", "[\"8000-8010\"]", "0", "70000"] {
        let text = format!("run: x\nresources: {{ports: {ports}}}\n");
        assert_eq!(said(&text).0.len(), 1, "{ports}");
    }
    let scaled = "run: x\nresources: {ports: 80}\nservice: {replica_policy: {min_replicas: 2, max_replicas: 9}}\n";
    assert_eq!(workload(scaled).replicas, 2);
    assert_eq!(said(scaled).1, ["service.replica_policy.max_replicas"]);
    let to_zero = "run: x\nresources: {ports: 80}\nservice: {replica_policy: {min_replicas: 0}}\n";
    assert_eq!(said(to_zero).0, ["service.replica_policy.min_replicas"]);
    let both = "run: x\nresources: {ports: 80}\nservice: {replicas: 1, replica_policy: {min_replicas: 2}}\n";
    assert_eq!(said(both).0, ["service.replica_policy"]);
    assert_eq!(said("run: [a, b]\nnum_nodes: 1\n").0, ["run"]);
}

#[test]
fn values_that_yaml_may_rewrite_are_noted_where_they_are_not_quoted() {
    let plain = "run: x\nenvs: {A: yes, B: 010, C: 1:30, D: 1e3, E: 3.10, F: 12, G: abc, H: 1.5, I: 0, J: 0.5}\n";
    assert_eq!(
        said(plain).1,
        ["envs.A", "envs.B", "envs.C", "envs.D", "envs.E"]
    );
    let quoted = "run: x\nenvs: {A: \"yes\", B: \"010\"}\n";
    assert!(said(quoted).1.is_empty());
    assert_eq!(workload(plain).env["A"], "yes");
    let dstack = "type: task\ncommands: [x]\nenv: {A: on}\n";
    assert_eq!(said(dstack).1, ["env.A"]);
}

#[test]
fn a_dstack_command_runs_only_when_the_one_before_it_ended_well() {
    let run = |commands: &str| {
        let w = workload(&format!("type: task\ncommands:\n{commands}"));
        let output = std::process::Command::new("sh")
            .args(["-c", &w.run])
            .output()
            .unwrap();
        (
            String::from_utf8(output.stdout).unwrap(),
            output.status.code(),
        )
    };
    let (out, code) = run("  - echo a\n  - sh -c 'exit 3'\n  - echo never\n");
    assert_eq!((out.as_str(), code), ("a\n", Some(3)));
    let (out, code) = run(
        "  - |\n    cat <<END\n    x\n    END\n  - sleep 0 &\n  - false || echo b\n  - cd / && pwd\n",
    );
    assert_eq!((out.as_str(), code), ("x\nb\n/\n", Some(0)));
    assert_eq!(said("type: task\ncommands: echo a\n").0, ["commands"]);
}

#[test]
fn dstack_ranges_durations_and_ports_keep_both_ends_or_say_so() {
    let of = |rest: &str| format!("type: task\ncommands: [x]\n{rest}\n");
    let ranged = workload(&of("resources: {gpu: {memory: {min: 24GB, max: 48GB}}}"));
    let accepts = |id: &str| {
        ranged
            .resources
            .gpu
            .accepts(tandem_model::gpu::GpuModel::by_id(id).expect(id))
    };
    assert!(accepts("rtx4090") && !accepts("h100-sxm5-80gb"));
    let two = workload(&of("resources: {gpu: \"24GB..80GB:2\"}"));
    assert_eq!(two.resources.gpus_per_node, 2);
    assert_eq!(workload(&of("ports: [\"8080:80\"]")).port, Some(80));
    for off in ["off", "Off", "no", "false"] {
        let w = workload(&of(&format!("max_duration: {off}")));
        assert_eq!(w.limits.max_duration_seconds, None, "{off}");
    }
    for (rest, noted) in [
        ("resources: {memory: 16GB..64GB}", "resources.memory"),
        ("resources: {cpu: {min: 4, max: 8}}", "resources.cpu.max"),
        (
            "resources: {disk: {size: {min: 100GB, max: 200GB}}}",
            "resources.disk.size.max",
        ),
        ("retry: true", "retry"),
        ("env: [\"A=x-${{ secrets.y }}\"]", "env[0]"),
    ] {
        assert_eq!(said(&of(rest)).1, [noted], "{rest}");
    }
    for (rest, refused) in [
        (
            "resources: {cpu: {min: 4, cores: 8}}",
            "resources.cpu.cores",
        ),
        (
            "resources: {gpu: {memory: {min: 80GB, max: 24GB}}}",
            "resources.gpu.memory",
        ),
        (
            "resources: {gpu: {count: {min: 1, most: 2}}}",
            "resources.gpu.count.most",
        ),
        ("nodes: 2..4", "nodes"),
        ("ports: 8080:80", "ports"),
        ("max_duration: -1", "max_duration"),
    ] {
        assert_eq!(said(&of(rest)).0, [refused], "{rest}");
    }
}
