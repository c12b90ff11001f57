//! Folders of the user, by the XDG Base Directory Specification.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A path under one of the user's folders: the XDG variable's, else the one in the home folder.
/// None when neither is known. Relative values of XDG variables are passed over, as the
/// specification says.
pub fn under_home(
    variables: &BTreeMap<String, String>,
    xdg: &str,
    in_home: &str,
    tail: &str,
) -> Option<PathBuf> {
    let absolute = |name: &str| {
        let path = PathBuf::from(variables.get(name)?);
        path.is_absolute().then_some(path)
    };
    let base = absolute(xdg).or_else(|| Some(absolute("HOME")?.join(in_home)))?;
    Some(base.join("tandem").join(tail))
}

/// Where the master key is by default.
pub(super) fn master_key_file(variables: &BTreeMap<String, String>) -> Option<PathBuf> {
    under_home(variables, "XDG_CONFIG_HOME", ".config", "master.key")
}

/// Where the data folder is by default.
pub(super) fn data_dir(variables: &BTreeMap<String, String>) -> Option<PathBuf> {
    under_home(variables, "XDG_DATA_HOME", ".local/share", "")
}

/// Where the command line keeps API keys of brokers.
pub fn credentials_file(variables: &BTreeMap<String, String>) -> Option<PathBuf> {
    under_home(variables, "XDG_CONFIG_HOME", ".config", "credentials.toml")
}

/// Whether a path lies in a folder, both as they really are where they exist.
pub(super) fn lies_in(path: &Path, folder: &Path) -> bool {
    real(path).starts_with(real(folder))
}

/// The path without links and dots, as far as it exists.
fn real(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    if let Ok(found) = path.canonicalize() {
        return found;
    }
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => real(parent).join(name),
        _ => path,
    }
}
