//! The `service` section of a SkyPilot task (SkyServe).

use tandem_model::workload::{Workload, WorkloadKind};

use crate::files::cursor::Meaning::{Note, Refused, Used};
use crate::files::cursor::{Field, Table};
use crate::files::draft;
use crate::files::problem::Problems;

const SERVICE: Table = &[
    ("readiness_probe", Used),
    ("replicas", Used),
    ("replica_policy", Used),
    ("ports", Used),
    (
        "load_balancing_policy",
        Note("requests are spread over ready replicas"),
    ),
    (
        "load_balancer",
        Note("requests are spread over ready replicas"),
    ),
    (
        "tls",
        Refused(
            "certificates of a service cannot be given",
            "the gateway ends TLS itself",
        ),
    ),
    (
        "pool",
        Refused(
            "pools of standing workers are not kept",
            "submit one job per task",
        ),
    ),
    (
        "workers",
        Refused("pools of standing workers are not kept", "use `replicas`"),
    ),
];
const PROBE: Table = &[
    ("path", Used),
    ("post_data", Used),
    (
        "headers",
        Note("the readiness probe sends no headers of its own"),
    ),
    (
        "initial_delay_seconds",
        Note("a service is given its start-up time by its objective"),
    ),
    ("timeout_seconds", Note("the probe's time is fixed")),
    (
        "endpoint_probe_interval_seconds",
        Note("the probe's interval is fixed"),
    ),
    (
        "consecutive_failure_threshold_timeout",
        Note("failed probes are judged by the service's objective"),
    ),
];
const SCALING: &str = "the number of replicas is not changed by load";
const POLICY: Table = &[
    ("min_replicas", Used),
    ("max_replicas", Note(SCALING)),
    ("num_overprovision", Note(SCALING)),
    ("target_qps_per_replica", Note(SCALING)),
    ("dynamic_ondemand_fallback", Note(SCALING)),
    ("base_ondemand_fallback_replicas", Note(SCALING)),
    ("spot_placer", Note(SCALING)),
    ("upscale_delay_seconds", Note(SCALING)),
    ("downscale_delay_seconds", Note(SCALING)),
];

/// Most replicas of a service.
const REPLICAS_MAX: u64 = 100;

/// Reads `service`; the workload becomes one.
pub(super) fn read(field: &Field<'_>, w: &mut Workload, p: &mut Problems) {
    w.kind = WorkloadKind::Service;
    let Some(fields) = field.map(p) else { return };
    fields.check(SERVICE, p);
    if let Some(f) = fields.get("ports") {
        w.port = draft::port(&f, p);
    }
    let replicas = |f: Field<'_>, p: &mut Problems| {
        f.integer(1, REPLICAS_MAX, p)
            .and_then(|n| u16::try_from(n).ok())
            .unwrap_or(1)
    };
    if let Some(f) = fields.get("replicas") {
        w.replicas = replicas(f, p);
    }
    if let Some(f) = fields.get("replica_policy")
        && let Some(policy) = f.map(p)
    {
        policy.check(POLICY, p);
        if fields.get("replicas").is_some() {
            p.unsupported(
                &f,
                "`replicas` and `replica_policy` do not go together",
                "keep one of them",
            );
        }
        if let Some(least) = policy.get("min_replicas") {
            w.replicas = replicas(least, p);
        }
    }
    if let Some(f) = fields.get("readiness_probe") {
        probe(&f, w, p);
    }
}

fn probe(field: &Field<'_>, w: &mut Workload, p: &mut Problems) {
    if !field.is_map() {
        w.readiness_path = draft::readiness(field, p);
        return;
    }
    let Some(fields) = field.map(p) else { return };
    fields.check(PROBE, p);
    let path = fields.get("path").and_then(|f| draft::readiness(&f, p));
    match fields.get("post_data") {
        Some(f) => p.note(
            &f,
            "a probe with a body is not sent; the service counts as ready when its port answers",
        ),
        None => w.readiness_path = path,
    }
}
