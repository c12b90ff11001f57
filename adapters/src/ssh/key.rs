//! Our own key pair and the pinned keys of machines.

use std::fmt;
use std::sync::Arc;

use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, PrivateKey, PublicKey};
use tandem_model::secret::Secret;

use super::SshError;

/// Comment of our public key, by which people find it on a machine.
const COMMENT: &str = "tandem";

/// The key pair of an installation: ed25519.
#[derive(Clone)]
pub struct SshKeyPair(pub(super) Arc<PrivateKey>);

impl SshKeyPair {
    /// Makes a new one from the system's randomness.
    pub fn generate() -> Self {
        let mut key = PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519)
            .expect("ed25519 is compiled in and takes any random bytes");
        key.set_comment(COMMENT);
        Self(Arc::new(key))
    }

    /// Reads one back; fails on anything but an unencrypted OpenSSH private key.
    pub fn from_openssh(text: &Secret) -> Result<Self, SshError> {
        let invalid = |why: &str| SshError::Invalid(format!("our private key {why}"));
        let key = PrivateKey::from_openssh(text.expose())
            .map_err(|_| invalid("is not in OpenSSH form"))?;
        match key.is_encrypted() {
            true => Err(invalid("is encrypted")),
            false => Ok(Self(Arc::new(key))),
        }
    }

    /// For keeping: the private key in OpenSSH form.
    pub fn to_openssh(&self) -> Secret {
        let text = self
            .0
            .to_openssh(LineEnding::LF)
            .expect("a key in memory has a text form");
        Secret::new(text.to_string())
    }

    /// The line that a machine's `authorized_keys` takes.
    pub fn public_line(&self) -> String {
        self.0
            .public_key()
            .to_openssh()
            .expect("a key in memory has a text form")
    }
}

impl fmt::Debug for SshKeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SshKeyPair")
            .field(&self.public_line())
            .finish()
    }
}

/// Which host key a machine must show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PinnedHostKey {
    /// Whatever it shows: only for the first provision of a machine whose network publishes none.
    FirstUse,
    /// This one, in OpenSSH form.
    Known(String),
}

impl PinnedHostKey {
    /// The key, if one is pinned.
    pub(super) fn key(&self) -> Result<Option<PublicKey>, SshError> {
        match self {
            Self::FirstUse => Ok(None),
            Self::Known(text) => PublicKey::from_openssh(text.trim()).map(Some).map_err(|_| {
                SshError::Invalid("the pinned host key is not in OpenSSH form".to_owned())
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_pair_survives_keeping_and_never_shows_its_private_half() {
        let pair = SshKeyPair::generate();
        let kept = pair.to_openssh();
        let back = SshKeyPair::from_openssh(&kept).unwrap();
        assert_eq!(back.public_line(), pair.public_line());
        assert!(
            pair.public_line().starts_with("ssh-ed25519 ")
                && pair.public_line().ends_with(" tandem")
        );
        assert!(!format!("{pair:?}").contains("PRIVATE"));
        assert_ne!(SshKeyPair::generate().public_line(), pair.public_line());
    }

    #[test]
    fn texts_that_are_no_keys_are_refused() {
        for text in ["", "ssh-ed25519", "-----BEGIN OPENSSH PRIVATE KEY-----"] {
            assert!(SshKeyPair::from_openssh(&Secret::new(text)).is_err());
            assert!(PinnedHostKey::Known(text.to_owned()).key().is_err());
        }
    }
}
