//! What vendors' documentation says of their machine types: which form of card they hold, and
//! which machine an accelerator of Google Cloud belongs to. A price file says neither.
//!
//! Sources, as of 2026: learn.microsoft.com/azure/virtual-machines/sizes/gpu-accelerated (NC
//! A100 v4, NC H100 v5, ND A100 v4, NDm A100 v4, ND H100 v5, NC v3), cloud.google.com/compute/docs
//! /gpus and /accelerator-optimized-machines (A2, A3, A4, G2; N1 for T4 and V100), docs.aws.amazon.com
//! /ec2 instance types (P4d, P4de, P5), Lambda's instance types by their API's descriptions
//! ("1x A100 (40 GB PCIe)").

use crate::gate::Form;

use super::regions::Vendor;

/// What a machine type says of its cards.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Documented {
    /// The form.
    pub(super) form: Option<Form>,
    /// Memory of each GPU in GB.
    pub(super) gb: Option<u16>,
}

/// Accelerator, start of the machine type, end of it, form, GB of each GPU.
type MachineRow = (&'static str, &'static str, &'static str, Form, u16);

const MACHINES: &[MachineRow] = &[
    ("A100", "Standard_ND96asr", "_v4", Form::Sxm, 40),
    ("A100-80GB", "Standard_NC", "_A100_v4", Form::Pcie, 80),
    ("A100-80GB", "Standard_ND", "_A100_v4", Form::Sxm, 80),
    ("H100", "Standard_NC", "_H100_v5", Form::Nvl, 94),
    ("H100", "Standard_ND", "_H100_v5", Form::Sxm, 80),
    ("V100", "Standard_NC", "s_v3", Form::Pcie, 16),
    ("A100", "p4d.", "", Form::Sxm, 40),
    ("A100-80GB", "p4de.", "", Form::Sxm, 80),
    ("H100", "p5.", "", Form::Sxm, 80),
    ("A100", "gpu_1x_a100", "x_a100", Form::Pcie, 40),
    ("A100", "gpu_2x_a100", "x_a100", Form::Pcie, 40),
    ("A100", "gpu_4x_a100", "x_a100", Form::Pcie, 40),
    ("A100", "gpu_8x_a100", "x_a100", Form::Sxm, 40),
];

/// Accelerators that Google Cloud has only as modules.
const GCP_SXM: &[&str] = &["A100", "A100-80GB", "H100", "H100-MEGA", "H200", "B200"];

/// What is documented of a machine type with this accelerator.
pub(super) fn documented(vendor: Option<Vendor>, instance: &str, gpu_name: &str) -> Documented {
    if instance.is_empty() {
        let is_sxm = vendor == Some(Vendor::Gcp) && GCP_SXM.contains(&gpu_name);
        return Documented {
            form: is_sxm.then_some(Form::Sxm),
            gb: None,
        };
    }
    if let Some(form) = Form::named_in(instance) {
        return Documented {
            form: Some(form),
            gb: None,
        };
    }
    let row = MACHINES.iter().find(|(gpu, start, end, ..)| {
        *gpu == gpu_name && instance.starts_with(start) && instance.ends_with(end)
    });
    row.map_or_else(Documented::default, |(.., form, gb)| Documented {
        form: Some(*form),
        gb: Some(*gb),
    })
}

/// The name under which a card is known beyond one vendor.
pub(super) fn market_name(gpu_name: &str) -> &str {
    match gpu_name {
        // The H100 with Google's larger network.
        "H100-MEGA" => "H100",
        other => other,
    }
}

/// Whether a machine type may be the host of accelerators priced apart.
pub(super) fn may_be_host(instance: &str) -> bool {
    ["a2-", "a3-", "a4-", "g2-standard-", "n1-standard-"]
        .iter()
        .any(|start| instance.starts_with(start))
}

/// The machine type around so many accelerators of Google Cloud; none where it is not known.
///
/// A2, A3, A4 and G2 are fixed by the accelerator (the smallest G2 that has the GPUs is taken). T4
/// and V100 are attached to any N1: 4 vCPUs for each T4 and 8 for each V100 are our choice.
pub(super) fn host_of(gpu_name: &str, gpus: u16) -> Option<String> {
    let one_of = |counts: &[u16], family: &str| {
        let fits = counts.contains(&gpus);
        fits.then(|| format!("{family}-{gpus}g"))
    };
    match gpu_name {
        "A100" if gpus == 16 => Some("a2-megagpu-16g".into()),
        "A100" => one_of(&[1, 2, 4, 8], "a2-highgpu"),
        "A100-80GB" => one_of(&[1, 2, 4, 8], "a2-ultragpu"),
        "H100" => one_of(&[1, 2, 4, 8], "a3-highgpu"),
        "H100-MEGA" => one_of(&[8], "a3-megagpu"),
        "H200" => one_of(&[8], "a3-ultragpu"),
        "B200" => one_of(&[8], "a4-highgpu"),
        "L4" => {
            let vcpus = match gpus {
                1 => 4,
                2 | 4 | 8 => gpus * 12,
                _ => return None,
            };
            Some(format!("g2-standard-{vcpus}"))
        }
        "T4" if [1, 2, 4].contains(&gpus) => Some(format!("n1-standard-{}", gpus * 4)),
        "V100" if [1, 2, 4, 8].contains(&gpus) => Some(format!("n1-standard-{}", gpus * 8)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machine_types_say_which_form_they_hold() {
        for (instance, gpu, form) in [
            ("Standard_NC80adis_H100_v5", "H100", Some(Form::Nvl)),
            ("Standard_ND96isr_H100_v5", "H100", Some(Form::Sxm)),
            ("Standard_NC24ads_A100_v4", "A100-80GB", Some(Form::Pcie)),
            ("Standard_ND96asr_v4", "A100", Some(Form::Sxm)),
            ("1x-H100_NVL-32-65536", "H100", Some(Form::Nvl)),
            ("gpu_1x_h100_pcie", "H100", Some(Form::Pcie)),
            ("gpu_8x_a100", "A100", Some(Form::Sxm)),
            ("gpu_4x_a100", "A100", Some(Form::Pcie)),
            ("Standard_Z1_H100", "H100", None),
            ("", "H100", None),
        ] {
            let found = documented(None, instance, gpu).form;
            assert_eq!(found, form, "{instance}");
        }
        let gcp = documented(Some(Vendor::Gcp), "", "H100-MEGA");
        assert_eq!(gcp.form, Some(Form::Sxm));
    }

    #[test]
    fn accelerators_of_google_cloud_have_one_host() {
        for (gpu, gpus, host) in [
            ("A100", 16, Some("a2-megagpu-16g")),
            ("A100", 3, None),
            ("L4", 1, Some("g2-standard-4")),
            ("L4", 8, Some("g2-standard-96")),
            ("H100-MEGA", 8, Some("a3-megagpu-8g")),
            ("T4", 2, Some("n1-standard-8")),
            ("P4", 1, None),
        ] {
            assert_eq!(host_of(gpu, gpus).as_deref(), host, "{gpu} x {gpus}");
            assert!(host.is_none_or(may_be_host));
        }
    }
}
