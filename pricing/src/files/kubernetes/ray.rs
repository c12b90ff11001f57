//! Ray's jobs and clusters (`ray.io/v1`): the first node starts the head, the others join it, and
//! the first submits the job to itself as KubeRay's submitter does
//! (docs.ray.io/en/latest/cluster/kubernetes).

use tandem_model::workload::{Workload, WorkloadKind};

use crate::files::cursor::Field;
use crate::files::problem::Problems;

use super::beside::Beside;
use super::tables::{RAY_CLUSTER, RAY_JOB};
use super::{pod, ray_groups};

/// Port of Ray's dashboard, which takes jobs.
const DASHBOARD_PORT: u16 = 8_265;
/// Where the job's own environment is written.
const RUNTIME_ENV: &str = "/tmp/tandem-ray-runtime-env.yaml";

/// Starts Ray on every node; only the first goes on. `ray start --block` ends with the head.
const START: &str = "tandem_head=${TANDEM_NODE_IPS%%,*}
if [ \"${TANDEM_RANK:-0}\" != 0 ]; then
  until ray health-check --address \"$tandem_head:6379\" >/dev/null 2>&1; do sleep 5; done
  exec ray start --address \"$tandem_head:6379\" --block
fi
";
const HEAD: &str = "ray start --head --port 6379 --dashboard-host 0.0.0.0 --dashboard-port 8265";

/// A RayJob: ends with its entrypoint.
pub(super) fn job(spec: &Field<'_>, beside: &Beside<'_>, w: &mut Workload, p: &mut Problems) {
    let Some(fields) = spec.map(p) else { return };
    fields.check(RAY_JOB, p);
    if let Some(f) = fields.get("activeDeadlineSeconds") {
        pod::deadline(&f, w, p);
    }
    match fields.get("rayClusterSpec") {
        Some(f) => groups(&f, beside, w, p),
        None => p.missing(spec, "rayClusterSpec", "the cluster belongs here"),
    }
    let Some(entrypoint) = fields.get("entrypoint") else {
        p.missing(spec, "entrypoint", "the command of the job belongs here");
        return;
    };
    let Some(command) = entrypoint.text(p).map(str::trim) else {
        return;
    };
    let mut lines = format!("{START}{HEAD} || exit 1\n");
    let mut option = String::new();
    if let Some(f) = fields.get("runtimeEnvYAML") {
        let text = f.text(p).unwrap_or_default();
        let quoted = shlex::try_quote(text).unwrap_or_default();
        lines.push_str(&format!("printf '%s' {quoted} > {RUNTIME_ENV} || exit 1\n"));
        option = format!(" --runtime-env {RUNTIME_ENV}");
    }
    lines.push_str(&format!(
        "exec ray job submit --address http://127.0.0.1:{DASHBOARD_PORT}{option} -- {command}\n"
    ));
    w.run = lines;
}

/// A RayCluster: stays up and takes jobs on its dashboard's port.
pub(super) fn cluster(spec: &Field<'_>, beside: &Beside<'_>, w: &mut Workload, p: &mut Problems) {
    groups(spec, beside, w, p);
    w.kind = WorkloadKind::Service;
    w.port = Some(DASHBOARD_PORT);
    w.run = format!("{START}exec {HEAD} --block\n");
    p.note(spec, "the cluster takes jobs on its dashboard's port, 8265");
}

fn groups(spec: &Field<'_>, beside: &Beside<'_>, w: &mut Workload, p: &mut Problems) {
    let Some(fields) = spec.map(p) else { return };
    fields.check(RAY_CLUSTER, p);
    ray_groups::read(spec, &fields, beside, w, p);
}
