//! API keys that the command line keeps: one file of the user, readable by nobody else.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use config::{Config, File, FileFormat};
use serde::Deserialize;
use tandem_model::secret::Secret;

/// What stands at the head of the file.
const HEAD: &str = "# API keys of brokers, by their addresses. Keep this file to yourself.\n";
/// Permissions of others.
const OTHERS: u32 = 0o077;

/// Why saved keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// Others can read the file.
    #[error("other users of this machine can read {0}")]
    Exposed(PathBuf),
    /// It cannot be read, written or understood.
    #[error("cannot use {path}: {why}")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What happened.
        why: String,
    },
}

#[derive(Deserialize)]
struct Entry {
    url: String,
    api_key: String,
}

#[derive(Deserialize, Default)]
struct Contents {
    #[serde(default)]
    broker: Vec<Entry>,
}

/// The file of saved keys.
#[derive(Debug, Clone)]
pub struct Credentials {
    path: PathBuf,
}

impl Credentials {
    /// The file at this path; it need not exist.
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn unusable(&self, why: impl ToString) -> CredentialsError {
        CredentialsError::Unusable {
            path: self.path.clone(),
            why: why.to_string(),
        }
    }

    fn read(&self) -> Result<Contents, CredentialsError> {
        let meta = match fs::metadata(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Contents::default()),
            other => other.map_err(|e| self.unusable(e))?,
        };
        if meta.permissions().mode() & OTHERS != 0 {
            return Err(CredentialsError::Exposed(self.path.clone()));
        }
        let text = fs::read_to_string(&self.path).map_err(|e| self.unusable(e))?;
        let file = File::from_str(&text, FileFormat::Toml);
        // The parser's own message would quote the line, and with it a key.
        let refuse = |_| self.unusable("it is not in the form that `tandem serve` writes");
        let contents = Config::builder().add_source(file).build().map_err(refuse)?;
        contents.try_deserialize().map_err(refuse)
    }

    /// The key saved for a broker.
    pub fn find(&self, url: &str) -> Result<Option<Secret>, CredentialsError> {
        let found = self.read()?.broker.into_iter().find(|b| b.url == url);
        Ok(found.map(|broker| Secret::new(broker.api_key)))
    }

    /// Saves the key of a broker in place of the one saved before; the file is complete at any
    /// moment.
    pub fn save(&self, url: &str, key: &Secret) -> Result<(), CredentialsError> {
        let mut contents = self.read()?;
        contents.broker.retain(|broker| broker.url != url);
        contents.broker.push(Entry {
            url: url.to_owned(),
            api_key: key.expose().to_owned(),
        });
        let mut text = HEAD.to_owned();
        for broker in &contents.broker {
            // A JSON text is a basic string of TOML.
            let quoted = |text: &str| serde_json::Value::from(text).to_string();
            let (url, key) = (quoted(&broker.url), quoted(&broker.api_key));
            text.push_str(&format!("\n[[broker]]\nurl = {url}\napi_key = {key}\n"));
        }
        self.write(&text).map_err(|e| self.unusable(e))
    }

    fn write(&self, text: &str) -> std::io::Result<()> {
        if let Some(folder) = self.path.parent() {
            let mut builder = fs::DirBuilder::new();
            builder.recursive(true).mode(0o700).create(folder)?;
        }
        let fresh = self
            .path
            .with_extension(format!("{}.new", std::process::id()));
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_folder() -> (tempfile::TempDir, Credentials) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tandem/credentials.toml");
        (folder, Credentials::at(path))
    }

    #[test]
    fn keys_are_kept_by_broker_and_readable_by_their_owner_alone() {
        let (_folder, credentials) = in_folder();
        assert!(credentials.find("http://a").unwrap().is_none());
        for (url, key) in [
            ("http://a", "k1"),
            ("http://b", "k2"),
            ("http://a", "k3\"\\"),
        ] {
            credentials.save(url, &Secret::new(key)).unwrap();
        }
        let found = |url| {
            credentials
                .find(url)
                .unwrap()
                .map(|k| k.expose().to_owned())
        };
        assert_eq!(found("http://a").as_deref(), Some("k3\"\\"));
        assert_eq!(found("http://b").as_deref(), Some("k2"));
        assert_eq!(found("http://c"), None);
        let mode = fs::metadata(credentials.path())
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let (_folder, credentials) = in_folder();
        credentials.save("http://a", &Secret::new("k")).unwrap();
        fs::set_permissions(credentials.path(), fs::Permissions::from_mode(0o640)).unwrap();
        let refused = credentials.find("http://a");
        assert!(matches!(refused, Err(CredentialsError::Exposed(_))));
    }

    #[test]
    fn a_broken_file_is_refused_without_telling_its_keys() {
        let (_folder, credentials) = in_folder();
        credentials.save("http://a", &Secret::new("k")).unwrap();
        fs::write(credentials.path(), "api_key = hunter2\n").unwrap();
        let error = credentials.find("http://a").unwrap_err().to_string();
        assert!(error.contains("credentials.toml") && !error.contains("hunter2"));
        assert!(credentials.save("http://a", &Secret::new("k")).is_err());
    }
}
