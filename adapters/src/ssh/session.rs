//! One session: connect, check the host key, log in, feed the shell, read until it ends.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use russh::client::{self, Handle};
use russh::keys::{HashAlg, PrivateKeyWithHashAlg, PublicKey, PublicKeyOrCertificate};
use russh::{ChannelMsg, Disconnect, Preferred};
use tandem_model::placement::SshAddress;
use tokio::time::{Instant, timeout_at};

use super::{Finished, OUTPUT_BYTES_MAX, PinnedHostKey, SshError, SshKeyPair};

/// Silence after which a keep-alive is sent; three unanswered ones end the session.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// The shell: its script comes on standard input.
const SHELL: &str = "sh -s";

/// Checks the machine's key before anything is sent.
struct HostKeyCheck {
    pinned: Option<PublicKey>,
    seen: Arc<OnceLock<PublicKey>>,
}

impl client::Handler for HostKeyCheck {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        shown: &PublicKeyOrCertificate,
    ) -> Result<bool, Self::Error> {
        // No certificate algorithm is offered, so a certificate is not an answer to us.
        let PublicKeyOrCertificate::PublicKey { key, .. } = shown else {
            return Ok(false);
        };
        // A key exchange repeated within a session must show the first key again.
        let first = self.seen.get_or_init(|| key.clone());
        let expected = self.pinned.as_ref().unwrap_or(first);
        Ok(expected.key_data() == key.key_data())
    }
}

/// What the end of a session is called depends on how far it got.
struct Progress {
    host: String,
    was_sent: AtomicBool,
    seen: Arc<OnceLock<PublicKey>>,
}

impl Progress {
    fn ended(&self, why: impl std::fmt::Display) -> SshError {
        let (host, why) = (self.host.clone(), why.to_string());
        match self.was_sent.load(Ordering::Relaxed) {
            true => SshError::Cut { host, why },
            false => SshError::NoSession { host, why },
        }
    }
}

pub(super) async fn run(
    address: &SshAddress,
    input: Vec<u8>,
    key: &SshKeyPair,
    pinned: &PinnedHostKey,
    deadline: Instant,
) -> Result<Finished, SshError> {
    let progress = Progress {
        host: format!("{}:{}", address.host, address.port),
        was_sent: AtomicBool::new(false),
        seen: Arc::new(OnceLock::new()),
    };
    let pinned = pinned.key()?;
    let whole = async {
        let session = connect(address, key, pinned, &progress).await?;
        let finished = feed(&session, input, &progress).await;
        let _closed = session.disconnect(Disconnect::ByApplication, "", "").await;
        finished
    };
    match timeout_at(deadline, Box::pin(whole)).await {
        Ok(result) => result,
        Err(_) => Err(progress.ended("the deadline came")),
    }
}

async fn connect(
    address: &SshAddress,
    key: &SshKeyPair,
    pinned: Option<PublicKey>,
    progress: &Progress,
) -> Result<Handle<HostKeyCheck>, SshError> {
    let mut preferred = Preferred::DEFAULT;
    if let Some(pinned) = &pinned {
        // A machine has several host keys: ask for the one that we can compare.
        preferred.key = Cow::Owned(vec![pinned.algorithm()]);
    }
    let config = Arc::new(client::Config {
        preferred,
        keepalive_interval: Some(KEEPALIVE),
        nodelay: true,
        ..client::Config::default()
    });
    let check = HostKeyCheck {
        pinned: pinned.clone(),
        seen: Arc::clone(&progress.seen),
    };
    let target = (address.host.as_str(), address.port);
    let connected = Box::pin(client::connect(config, target, check)).await;
    let mut session = connected.map_err(|error| match (&pinned, progress.seen.get()) {
        (Some(pinned), Some(seen)) if pinned.key_data() != seen.key_data() => SshError::HostKey {
            host: progress.host.clone(),
            seen: seen.fingerprint(HashAlg::Sha256).to_string(),
        },
        // The machine has no key of the pinned kind: it is not the one we know.
        (Some(_), None) if matches!(error, russh::Error::NoCommonAlgo { .. }) => {
            SshError::HostKey {
                host: progress.host.clone(),
                seen: "of another kind".to_owned(),
            }
        }
        _ => progress.ended(error),
    })?;
    let signer = PrivateKeyWithHashAlg::new(Arc::clone(&key.0), None);
    let login = session
        .authenticate_publickey(address.user.as_str(), signer)
        .await;
    match login.map_err(|error| progress.ended(error))?.success() {
        true => Ok(session),
        false => Err(progress.ended("the machine does not accept our key")),
    }
}

async fn feed(
    session: &Handle<HostKeyCheck>,
    input: Vec<u8>,
    progress: &Progress,
) -> Result<Finished, SshError> {
    let ended = |error: russh::Error| progress.ended(error);
    let mut channel = session.channel_open_session().await.map_err(ended)?;
    channel.exec(true, SHELL).await.map_err(ended)?;
    progress.was_sent.store(true, Ordering::Relaxed);
    channel.data_bytes(input).await.map_err(ended)?;
    channel.eof().await.map_err(ended)?;
    let mut output = Tail::default();
    let (mut exit_status, mut has_ended) = (None, false);
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::Data { data } | ChannelMsg::ExtendedData { data, .. } => output.add(&data),
            ChannelMsg::ExitStatus {
                exit_status: status,
            } => {
                (exit_status, has_ended) = (Some(status), true);
            }
            ChannelMsg::ExitSignal { .. } => has_ended = true,
            ChannelMsg::Failure => return Err(progress.ended("the machine runs no shell for us")),
            _ => {}
        }
    }
    let host_key = progress.seen.get().and_then(|key| key.to_openssh().ok());
    match (has_ended, host_key) {
        (true, Some(host_key)) => Ok(Finished {
            exit_status,
            output: output.into_text(),
            host_key,
        }),
        _ => Err(progress.ended("the connection broke")),
    }
}

/// The last `OUTPUT_BYTES_MAX` bytes of what is added.
#[derive(Default)]
struct Tail(Vec<u8>);

impl Tail {
    fn add(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
        // Cut in large steps, so that a talkative script costs no copy for each line.
        if self.0.len() > 2 * OUTPUT_BYTES_MAX {
            self.cut();
        }
    }

    fn cut(&mut self) {
        let extra = self.0.len().saturating_sub(OUTPUT_BYTES_MAX);
        self.0.drain(..extra);
    }

    fn into_text(mut self) -> String {
        self.cut();
        String::from_utf8_lossy(&self.0).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_a_long_output_is_kept() {
        let mut tail = Tail::default();
        for _ in 0..5 {
            tail.add(&vec![b'x'; OUTPUT_BYTES_MAX]);
            assert!(tail.0.len() <= 2 * OUTPUT_BYTES_MAX);
        }
        tail.add(b"end");
        let text = tail.into_text();
        assert!(text.len() == OUTPUT_BYTES_MAX && text.ends_with("xend"));
    }
}
