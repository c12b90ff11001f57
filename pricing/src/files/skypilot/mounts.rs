//! `file_mounts` of a SkyPilot task: local files, bucket copies and bucket mounts.

use tandem_model::workload::{BucketMount, CodeSource, Workload};

use crate::files::cursor::Meaning::{Note, Refused, Used};
use crate::files::cursor::{Field, Fields, Table};
use crate::files::draft;
use crate::files::problem::Problems;

const STORAGE: Table = &[
    ("name", Used),
    ("source", Used),
    ("store", Used),
    ("mode", Used),
    (
        "persistent",
        Note("buckets are the customer's own and are never deleted"),
    ),
    (
        "mount_options",
        Note("nothing is mounted through FUSE here"),
    ),
    ("config", Note("nothing is mounted through FUSE here")),
    (
        "type",
        Refused(
            "network volumes do not exist on these networks",
            "use a bucket",
        ),
    ),
    ("_is_sky_managed", Note("SkyPilot's own bookkeeping")),
    ("_bucket_sub_path", Note("SkyPilot's own bookkeeping")),
    ("_force_delete", Note("SkyPilot's own bookkeeping")),
];

const MODES: [&str; 4] = ["MOUNT", "COPY", "MOUNT_CACHED", "MOUNT_CACHED_RO"];

/// Reads `file_mounts`.
pub(super) fn read(field: &Field<'_>, w: &mut Workload, p: &mut Problems) {
    let Some(fields) = field.map(p) else { return };
    for (path, f) in fields.iter() {
        if path.is_empty()
            || path.len() > draft::REFERENCE_MAX
            || path.chars().any(char::is_control)
        {
            p.invalid(&f, "not a path");
        } else if f.is_map() {
            if let Some(storage) = f.map(p) {
                bucket(path, &f, &storage, w, p);
            }
        } else if let Some(source) = draft::reference(&f, p) {
            plain(path, source, w);
        }
    }
}

/// A bucket address is copied once; anything else is a file or folder of the customer.
fn plain(path: &str, source: String, w: &mut Workload) {
    if source.contains("://") {
        w.buckets.push(BucketMount {
            path: path.to_owned(),
            source,
            writable: false,
        });
    } else {
        w.code
            .push((path.to_owned(), CodeSource::LocalPath(source)));
    }
}

fn bucket(path: &str, field: &Field<'_>, storage: &Fields<'_>, w: &mut Workload, p: &mut Problems) {
    storage.check(STORAGE, p);
    let name = storage.get("name").and_then(|f| draft::reference(&f, p));
    let mode = storage
        .get("mode")
        .and_then(|f| f.word(&MODES, p))
        .unwrap_or("MOUNT");
    let source = storage.get("source");
    if let Some(f) = &source
        && f.is_list()
    {
        p.unsupported(
            f,
            "a bucket made from several local sources is not created",
            "create the bucket first",
        );
        return;
    }
    let source_text = source.as_ref().and_then(|f| draft::reference(f, p));
    let store = storage.get("store").and_then(|f| draft::reference(&f, p));
    let address = match (source_text, name) {
        (Some(address), _) if address.contains("://") => address,
        (Some(_), Some(_)) => {
            p.unsupported(
                field,
                "a new bucket is not filled from local files",
                "create the bucket first",
            );
            return;
        }
        (Some(local), None) => {
            w.code.push((path.to_owned(), CodeSource::LocalPath(local)));
            return;
        }
        (None, Some(name)) => match store {
            Some(store) => format!("{}://{name}", store.to_ascii_lowercase()),
            None => name,
        },
        (None, None) => {
            p.invalid(field, "`source` or `name` belongs here");
            return;
        }
    };
    w.buckets.push(BucketMount {
        path: path.to_owned(),
        source: address,
        writable: mode == "MOUNT" || mode == "MOUNT_CACHED",
    });
}
