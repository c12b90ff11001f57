//! What the readers share: the empty workload, names, environment, paths, closing checks.

use std::collections::BTreeMap;

use tandem_model::money::MicroUsd;
use tandem_model::workload::{
    Checkpoints, GpuNeed, Limits, NAME_LEN_MAX, Resources, SourceFormat, Workload, WorkloadKind,
};

use super::cursor::{Field, Fields};
use super::problem::Problems;
use super::tree::Body;
use super::units;

/// Longest environment value in bytes.
const ENV_VALUE_MAX: usize = 32 * 1_024;
/// Longest path, image reference or address in bytes.
pub(super) const REFERENCE_MAX: usize = 1_024;

/// A workload with nothing asked.
pub(super) fn empty(format: SourceFormat, name: &str) -> Workload {
    Workload {
        name: name.to_owned(),
        format,
        kind: WorkloadKind::Job,
        class: None,
        tier: None,
        image: None,
        setup: None,
        run: String::new(),
        image_args: Vec::new(),
        env: BTreeMap::new(),
        secrets: Vec::new(),
        resources: Resources {
            gpu: GpuNeed::None,
            gpus_per_node: 0,
            nodes: 1,
            cpus_min: None,
            memory_gb_min: None,
            disk_gb_min: None,
            fast_interconnect: false,
        },
        port: None,
        replicas: 1,
        readiness_path: None,
        working_dir: None,
        code: Vec::new(),
        buckets: Vec::new(),
        checkpoints: Checkpoints::None,
        preemptible: false,
        exclusive: false,
        probe_while_running: false,
        secrets_on_consumer: false,
        limits: Limits::default(),
    }
}

/// A text in the form of our names, uncut: lower-case letters, digits and single dashes.
fn in_form(written: &str) -> String {
    let mut fitted = String::new();
    for c in written.chars().map(|c| c.to_ascii_lowercase()) {
        match c {
            'a'..='z' | '0'..='9' => fitted.push(c),
            _ if fitted.ends_with('-') => {}
            _ => fitted.push('-'),
        }
    }
    fitted.trim_matches('-').to_owned()
}

/// A text as a name of ours; none when nothing of it is left.
pub(super) fn fitted_name(written: &str) -> Option<String> {
    let cut: String = in_form(written).chars().take(NAME_LEN_MAX).collect();
    let cut = cut.trim_end_matches('-').to_owned();
    (!cut.is_empty()).then_some(cut)
}

/// A name in our form; a name of another form is adapted and the change noted.
pub(super) fn name(field: &Field<'_>, strict: bool, p: &mut Problems) -> Option<String> {
    let written = field.text(p)?;
    let fits = in_form(written) == written && written.len() <= NAME_LEN_MAX;
    match fitted_name(written) {
        Some(name) if fits => Some(name),
        Some(name) if !strict => {
            p.note(field, format!("named `{name}` here"));
            Some(name)
        }
        _ => {
            p.invalid(
                field,
                format!(
                    "`{}` is not a name: 1 to {NAME_LEN_MAX} lower-case letters, digits and dashes",
                    field.shown()
                ),
            );
            None
        }
    }
}

/// Whether a text can name an environment variable.
pub(super) fn is_env_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && text.len() <= 256
}

/// Names of ours that a file may set: only a sandbox reads them, to know how to play a workload.
const SANDBOX_NAMES: [&str; 4] = [
    "TANDEM_EXEC",
    "TANDEM_SIM_EXIT_CODE",
    "TANDEM_SIM_STEPS",
    "TANDEM_SIM_STEP_SECONDS",
];

/// Checks a variable's name; ours are reserved.
pub(super) fn env_name_fits(name: &str, field: &Field<'_>, p: &mut Problems) -> bool {
    if !is_env_name(name) {
        p.invalid(
            field,
            "not a name for an environment variable (letters, digits, _)",
        );
        return false;
    }
    if name.starts_with("TANDEM_") && !SANDBOX_NAMES.contains(&name) {
        p.invalid(field, "names that begin with TANDEM_ are set by Tandem");
        return false;
    }
    true
}

/// Adds a plain variable.
pub(super) fn set_env(
    w: &mut Workload,
    name: &str,
    value: &str,
    field: &Field<'_>,
    p: &mut Problems,
) {
    if !env_name_fits(name, field, p) {
        return;
    }
    if value.len() > ENV_VALUE_MAX || value.contains('\0') {
        p.too_large(
            field,
            format!("a value longer than {ENV_VALUE_MAX} bytes, or with a zero byte"),
        );
        return;
    }
    w.env.insert(name.to_owned(), value.to_owned());
}

/// Notes a plain value of a variable that the loaders of other systems would rewrite.
pub(super) fn note_rewritten(field: &Field<'_>, p: &mut Problems) {
    let Body::Scalar(scalar) = &field.node.body else {
        return;
    };
    let text = scalar.text.as_str();
    let truth = ["true", "yes", "on", "false", "no", "off"]
        .iter()
        .any(|word| word.eq_ignore_ascii_case(text));
    let number = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
        && text
            .chars()
            .all(|c| c.is_ascii_hexdigit() || "_.:+-xo".contains(c))
        && text.bytes().any(|b| b.is_ascii_digit());
    let rewritten = text.len() > 1
        && (text.starts_with('0') && !text.starts_with("0.")
            || text.contains(['_', ':', 'e', 'x', '+'])
            || text.contains('.') && text.ends_with('0'));
    if scalar.plain && (truth || number && rewritten) {
        p.note(
            field,
            format!(
                "the value is `{}` as written, where YAML may rewrite it; quote it to be sure",
                field.shown()
            ),
        );
    }
}

/// Adds a variable whose value is given at submission.
pub(super) fn add_secret(w: &mut Workload, name: &str, field: &Field<'_>, p: &mut Problems) {
    if env_name_fits(name, field, p) && !w.secrets.iter().any(|s| s == name) {
        w.secrets.push(name.to_owned());
    }
}

/// A short text without control characters.
pub(super) fn reference(field: &Field<'_>, p: &mut Problems) -> Option<String> {
    let text = field.text(p)?.trim();
    if text.is_empty() || text.len() > REFERENCE_MAX || text.chars().any(char::is_control) {
        p.invalid(
            field,
            format!("a text of 1 to {REFERENCE_MAX} bytes without control characters belongs here"),
        );
        return None;
    }
    Some(text.to_owned())
}

/// An image reference without spaces.
pub(super) fn image(field: &Field<'_>, p: &mut Problems) -> Option<String> {
    let text = reference(field, p)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
    if !text.chars().all(fits) || text.starts_with('-') {
        p.invalid(
            field,
            format!("`{}` is not an image reference", field.shown()),
        );
        return None;
    }
    Some(text)
}

/// A port from 1 to 65535.
pub(super) fn port(field: &Field<'_>, p: &mut Problems) -> Option<u16> {
    field
        .integer(1, 65_535, p)
        .and_then(|n| u16::try_from(n).ok())
}

/// The lower end of a range; an upper end has no effect, which is noted.
fn least(bounds: units::Bounds, field: &Field<'_>, p: &mut Problems) -> Option<u32> {
    if bounds.max.is_some() && bounds.max != bounds.min {
        p.note(field, "only the lower end is asked for");
    }
    bounds.min
}

/// The least of a size range in GB.
pub(super) fn size_min(field: &Field<'_>, p: &mut Problems) -> Option<u32> {
    let text = field.text(p)?;
    match units::bounds(text, units::size_gb) {
        Some(bounds) => least(bounds, field, p),
        None => {
            p.invalid(
                field,
                format!("`{}` is not a size such as 24GB or 24GB..", field.shown()),
            );
            None
        }
    }
}

/// The least of a count range.
pub(super) fn count_min(field: &Field<'_>, max: u32, p: &mut Problems) -> Option<u32> {
    let text = field.text(p)?;
    let whole = text
        .split('.')
        .next()
        .filter(|_| text.ends_with(".0"))
        .unwrap_or(text);
    match units::bounds(whole, units::count) {
        Some(b) if b.min.is_none_or(|n| (1..=max).contains(&n)) => least(b, field, p),
        _ => {
            p.invalid(
                field,
                format!("`{}` is not a count from 1 to {max}", field.shown()),
            );
            None
        }
    }
}

/// A positive number of dollars.
pub(super) fn usd(field: &Field<'_>, p: &mut Problems) -> Option<MicroUsd> {
    let text = field.text(p)?;
    match MicroUsd::parse_decimal_usd(text.trim_start_matches('$')) {
        Ok(amount) if amount > MicroUsd::ZERO => Some(amount),
        _ => {
            p.invalid(
                field,
                format!("`{}` is not a positive number of dollars", field.shown()),
            );
            None
        }
    }
}

/// An hourly price of a whole node as a price per GPU, rounded down.
pub(super) fn price_per_gpu(node_price: MicroUsd, gpus_per_node: u16) -> MicroUsd {
    MicroUsd::new(node_price.get() / i64::from(gpus_per_node.max(1)))
}

/// Seconds between two checkpoints in formats that cannot say it.
const CHECKPOINT_SECONDS: u32 = 600;

/// In formats without a field for it, a workload that writes to the checkpoint directory wants its
/// checkpoints kept.
pub(super) fn checkpoints_by_use(w: &mut Workload, whole: &Field<'_>, p: &mut Problems) {
    let used = |text: &str| text.contains("TANDEM_CHECKPOINT_DIR");
    if used(&w.run) || w.setup.as_deref().is_some_and(used) {
        w.checkpoints = Checkpoints::Agent {
            interval_seconds: CHECKPOINT_SECONDS,
        };
        p.note(whole, format!("TANDEM_CHECKPOINT_DIR is used: checkpoints are kept, every {CHECKPOINT_SECONDS} s at the latest"));
    }
}

/// Closing checks that need several fields; `whole` stands for the file.
pub(super) fn close(w: &Workload, whole: &Field<'_>, p: &mut Problems) {
    let blamed = |p: &Problems, names: &[&str]| {
        p.errors
            .iter()
            .any(|e| names.iter().any(|n| e.field.starts_with(n)))
    };
    let runs = [
        "run",
        "commands",
        "replicas",
        "image",
        "resources.image_id",
        "services",
        "spec",
    ];
    if w.run.trim().is_empty() && w.image.is_none() && !blamed(p, &runs) {
        let name = match w.format {
            SourceFormat::Dstack => "commands",
            SourceFormat::Tandem | SourceFormat::Skypilot => "run",
            SourceFormat::Akash | SourceFormat::IonetRecipe | SourceFormat::Kubernetes => "image",
        };
        let text = "nothing to run: give commands, or an image whose own command does the work";
        p.missing(whole, name, text);
    }
    let ports = ["port", "resources.ports", "service.ports"];
    if w.kind == WorkloadKind::Service && w.port.is_none() && !blamed(p, &ports) {
        let name = match w.format {
            SourceFormat::Skypilot => "resources.ports",
            SourceFormat::Kubernetes => "spec",
            _ => "port",
        };
        p.missing(whole, name, "a service needs the port that it listens on");
    }
    if let Some(both) = w.secrets.iter().find(|s| w.env.contains_key(*s)) {
        let text = format!("`{both}` is both a plain variable and a secret");
        p.missing(whole, "secrets", text);
    }
}

/// Goes on only when the command before ended well, and ends with its status otherwise.
const OR_STOP: &str = "\ncase $? in 0) ;; *) exit $? ;; esac\n";

/// Shell text from a list of commands, each run when the one before it ended well.
pub(super) fn commands(field: &Field<'_>, p: &mut Problems) -> String {
    let items = field.list(p);
    let texts = items.iter().filter_map(|f| f.text(p)).map(str::trim);
    let texts: Vec<_> = texts.filter(|text| !text.is_empty()).collect();
    texts.join(OR_STOP)
}

/// The readiness path of a probe that is a plain GET.
pub(super) fn readiness(field: &Field<'_>, p: &mut Problems) -> Option<String> {
    let path = reference(field, p)?;
    if !path.starts_with('/') {
        p.invalid(field, "a path begins with a slash");
        return None;
    }
    Some(path)
}

/// Text of a field when it is there.
pub(super) fn script(fields: &Fields<'_>, name: &str, p: &mut Problems) -> Option<String> {
    let text = fields.get(name)?.text(p)?;
    (!text.trim().is_empty()).then(|| text.to_owned())
}
