//! Starting workloads on rented machines over SSH, and reading their logs.
//!
//! The machine belongs to a stranger. Its host key is pinned before anything is sent; environment
//! and script travel inside the encrypted channel on standard input, never on a command line,
//! where every process of the machine could read them; what comes back is capped.

mod key;
mod session;

use tandem_model::error::ErrorCode;
use tandem_model::launch::SshLaunch;
use tandem_model::placement::SshAddress;
use tokio::time::Instant;

pub use key::{PinnedHostKey, SshKeyPair};

/// Most bytes kept of what a script prints, the last ones.
pub const OUTPUT_BYTES_MAX: usize = 64 << 10;
/// Longest script with its environment in bytes.
pub const SCRIPT_BYTES_MAX: usize = 1 << 20;

/// How a script ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Its exit status; none when a signal ended it.
    pub exit_status: Option<u32>,
    /// The end of what it printed on both outputs; bytes that are not UTF-8 are replaced.
    pub output: String,
    /// The host key of the machine, in OpenSSH form: to be pinned from now on.
    pub host_key: String,
}

/// Why a script did not end.
#[derive(Debug, thiserror::Error)]
pub enum SshError {
    /// The machine is another one than before, or somebody stands between. Nothing was sent.
    #[error("{host} shows the host key {seen}, not the pinned one")]
    HostKey {
        /// Host and port.
        host: String,
        /// Fingerprint of the key it shows.
        seen: String,
    },
    /// The pinned key or our own cannot be read, or the script cannot be sent. Nothing was sent.
    #[error("the start cannot be sent: {0}")]
    Invalid(String),
    /// No connection, or no login. Nothing was sent.
    #[error("no session with {host}: {why}")]
    NoSession {
        /// Host and port.
        host: String,
        /// In the library's words.
        why: String,
    },
    /// The connection broke, or the deadline came, after the script was sent: it may have run.
    #[error("the session with {host} ended before the script did: {why}")]
    Cut {
        /// Host and port.
        host: String,
        /// In the library's words.
        why: String,
    },
}

impl SshError {
    /// The stable code.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::HostKey { .. } => ErrorCode::SSH_HOST_KEY,
            _ => ErrorCode::SSH_FAILED,
        }
    }

    /// Whether the script may have run. Scripts are made so that running them again is safe.
    pub fn may_have_run(&self) -> bool {
        matches!(self, Self::Cut { .. })
    }
}

/// Feeds a launch to `sh -s` on the machine and waits for its end, at the latest until the
/// deadline.
///
/// With [`PinnedHostKey::FirstUse`] any host key is taken: [`Finished::host_key`] must be stored
/// and pinned afterwards. The shell runs nothing before the last line has arrived, so a broken
/// connection never leaves half of a script behind.
pub async fn start(
    address: &SshAddress,
    launch: &SshLaunch,
    key: &SshKeyPair,
    pinned: &PinnedHostKey,
    deadline: Instant,
) -> Result<Finished, SshError> {
    let input = standard_input(launch)?;
    session::run(address, input, key, pinned, deadline).await
}

/// Runs a script without environment, such as the reading of a log's tail, with the same safety.
pub async fn run(
    address: &SshAddress,
    script: &str,
    key: &SshKeyPair,
    pinned: &PinnedHostKey,
    deadline: Instant,
) -> Result<Finished, SshError> {
    let launch = SshLaunch {
        script: script.to_owned(),
        env: std::collections::BTreeMap::new(),
        secret_env: std::collections::BTreeMap::new(),
    };
    start(address, &launch, key, pinned, deadline).await
}

/// What the shell reads: exports, then the script, in one pair of braces, because a shell runs a
/// compound command only when it has read all of it.
pub fn standard_input(launch: &SshLaunch) -> Result<Vec<u8>, SshError> {
    let secrets = launch
        .secret_env
        .iter()
        .map(|(name, value)| (name, value.expose()));
    let plain = launch
        .env
        .iter()
        .map(|(name, value)| (name, value.as_str()));
    let mut text = "{\n".to_owned();
    for (name, value) in plain.chain(secrets) {
        if !is_variable_name(name) {
            return Err(SshError::Invalid(format!(
                "`{name}` is not a name of a variable"
            )));
        }
        if value.contains('\0') {
            return Err(SshError::Invalid(format!(
                "the value of `{name}` holds a null character"
            )));
        }
        text.push_str(&format!(
            "export {name}='{}'\n",
            value.replace('\'', r"'\''")
        ));
    }
    text.push_str(&launch.script);
    text.push_str("\n}\n");
    if text.len() > SCRIPT_BYTES_MAX || launch.script.contains('\0') {
        let why =
            format!("the script holds a null character or more than {SCRIPT_BYTES_MAX} bytes");
        return Err(SshError::Invalid(why));
    }
    Ok(text.into_bytes())
}

fn is_variable_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use tandem_model::secret::Secret;

    fn launch(name: &str, value: &str) -> SshLaunch {
        SshLaunch {
            script: "run".to_owned(),
            env: BTreeMap::from([(name.to_owned(), value.to_owned())]),
            secret_env: BTreeMap::from([("TOKEN".to_owned(), Secret::new("t"))]),
        }
    }

    #[test]
    fn values_are_quoted_and_the_script_comes_last_in_one_compound_command() {
        let input = standard_input(&launch("A", "it's $HOME\n`id`")).unwrap();
        let expected = "{\nexport A='it'\\''s $HOME\n`id`'\nexport TOKEN='t'\nrun\n}\n";
        assert_eq!(String::from_utf8(input).unwrap(), expected);
    }

    #[test]
    fn what_a_shell_would_misread_is_refused_by_name() {
        for name in ["", "1A", "A B", "A;id", "Ä"] {
            let error = standard_input(&launch(name, "x")).unwrap_err();
            assert!(
                !error.may_have_run() && error.to_string().contains(name),
                "{error}"
            );
        }
        assert!(standard_input(&launch("A", "x\0y")).is_err());
        let mut long = launch("A", "x");
        long.script = "x".repeat(SCRIPT_BYTES_MAX);
        assert!(standard_input(&long).is_err());
    }
}
