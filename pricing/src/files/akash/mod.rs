//! Akash deployments (SDL 2.0 and 2.1): akash.network/docs/getting-started/stack-definition-language.
//!
//! One service is one workload; its compute profile says the hardware of a replica.

mod compute;
mod service;

use tandem_model::workload::{SourceFormat, Workload};

use super::cursor::Meaning::{Note, Refused, Used};
use super::cursor::{Field, Fields, Table};
use super::draft;
use super::problem::Problems;

const FILE: Table = &[
    ("version", Used),
    ("services", Used),
    ("profiles", Used),
    ("deployment", Used),
    (
        "endpoints",
        Refused("no addresses are leased", "use the gateway's address"),
    ),
    ("include", Refused("other files are not read in", "")),
    (
        "reclamation",
        Note("leases are ended by the workload, not by the provider"),
    ),
];
const PROFILES: Table = &[("compute", Used), ("placement", Used)];
const PLACEMENT: Table = &[
    (
        "pricing",
        Note("offers of Akash have no meaning here; limit the price in a file of our own form"),
    ),
    (
        "attributes",
        Note("Tandem chooses the place; limit countries in a file of our own form"),
    ),
    ("signedBy", Note("Akash's auditors have no meaning here")),
];
const DEPLOYMENT: Table = &[("profile", Used), ("count", Used)];

/// Most replicas of a service.
const REPLICAS_MAX: u64 = 100;

/// Reads an SDL file.
pub(super) fn read(root: &Field<'_>, p: &mut Problems) -> Option<Workload> {
    let file = root.map(p)?;
    file.check(FILE, p);
    let mut w = draft::empty(SourceFormat::Akash, "akash-deployment");
    if let Some(f) = file.get("version") {
        f.word(&["2.0", "2.1", "2"], p);
    }
    let services = file.get("services")?.map(p)?;
    let mut all: Vec<_> = services.iter().collect();
    if all.is_empty() {
        p.missing(root, "services", "a service belongs here");
    }
    // The one with GPUs is what a reader would call the workload; the rest is refused by name.
    all.sort_by_key(|(name, _)| gpu_units(&file, name).is_none());
    let mut all = all.into_iter();
    let (name, field) = all.next()?;
    for (other, f) in all {
        p.unsupported(
            &f,
            &format!("`{other}` would run beside `{name}`, and one service is submitted at a time"),
            "put each into a file of its own",
        );
    }
    if let Some(fitted) = draft::fitted_name(name) {
        w.name = fitted;
    }
    service::read(&field, &mut w, p);
    let profile = deployment(&file, name, &mut w, p);
    profiles(&file, profile.as_deref().unwrap_or(name), &mut w, p);
    draft::checkpoints_by_use(&mut w, root, p);
    draft::close(&w, root, p);
    Some(w)
}

/// The GPU section of a service's profile, without complaints; the profile usually bears its name.
fn gpu_units<'a>(file: &Fields<'a>, service: &str) -> Option<Field<'a>> {
    let mut unheard = Problems::default();
    let mut at = file.get("profiles")?;
    for name in ["compute", service, "resources", "gpu", "units"] {
        at = at.map(&mut unheard)?.get(name)?;
    }
    (at.node.text() != Some("0")).then_some(at)
}

/// Reads how often the service runs, and gives its profile.
fn deployment(
    file: &Fields<'_>,
    service: &str,
    w: &mut Workload,
    p: &mut Problems,
) -> Option<String> {
    let field = file.get("deployment")?;
    let Some(own) = field.map(p)?.get(service) else {
        p.missing(&field, service, "the service is not deployed anywhere");
        return None;
    };
    let places: Vec<_> = own.map(p)?.iter().map(|(_, f)| f).collect();
    if let Some(second) = places.get(1) {
        p.unsupported(second, "one placement is rented", "keep one of them");
    }
    let fields = places.first()?.map(p)?;
    fields.check(DEPLOYMENT, p);
    if let Some(n) = fields
        .get("count")
        .and_then(|f| f.integer(1, REPLICAS_MAX, p))
    {
        w.replicas = u16::try_from(n).unwrap_or(1);
    }
    fields.get("profile")?.text(p).map(str::to_owned)
}

fn profiles(file: &Fields<'_>, profile: &str, w: &mut Workload, p: &mut Problems) {
    let Some(field) = file.get("profiles") else {
        return;
    };
    let Some(fields) = field.map(p) else { return };
    fields.check(PROFILES, p);
    for (_, f) in fields
        .get("placement")
        .and_then(|f| f.map(p))
        .iter()
        .flat_map(Fields::iter)
    {
        if let Some(placement) = f.map(p) {
            placement.check(PLACEMENT, p);
        }
    }
    let Some(all) = fields.get("compute") else {
        p.missing(
            &field,
            "compute",
            "the hardware of the service belongs here",
        );
        return;
    };
    match all.map(p).and_then(|f| f.get(profile)) {
        Some(own) => compute::read(&own, w, p),
        None => p.missing(&all, profile, "the service's profile is not there"),
    }
}
