//! The machines' SSH server: one listener and one host key for all of them; the user name is the
//! machine's id. It accepts the order's public key only, and runs a script that is fed to it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use russh::keys::PrivateKey;
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::server::{
    Auth, ChannelOpenHandle, Config, Handler, Msg, Server as _, Session, VerifiedPublicKey,
};
use russh::{Channel, ChannelId};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::http::Shared;
use crate::world::{SshEndpoint, SshReply, mix};

/// Largest script in bytes.
const SCRIPT_BYTES_MAX: usize = 1 << 20;
/// Idle time of a connection.
const INACTIVITY: Duration = Duration::from_secs(120);

/// A bound listener that does not accept yet.
pub(crate) struct Listener {
    listener: TcpListener,
    key: PrivateKey,
    endpoint: SshEndpoint,
}

impl Listener {
    /// Binds a free port; the host key follows from the seed, so that it is the same in every run.
    pub(crate) async fn bind(address: IpAddr, seed: u64) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((address, 0))
            .await
            .context("the SSH server of the machines cannot listen")?;
        let port = listener.local_addr()?.port();
        let mut bytes = [0; 32];
        for (part, chunk) in (0..).zip(bytes.chunks_mut(8)) {
            chunk.copy_from_slice(&mix(seed, 70, part, 0).to_be_bytes());
        }
        let key = PrivateKey::from(Ed25519Keypair::from_seed(&bytes));
        let host_key = key
            .public_key()
            .to_openssh()
            .context("the host key cannot be written")?;
        let host = if address.is_unspecified() {
            "127.0.0.1".to_owned()
        } else {
            address.to_string()
        };
        let endpoint = SshEndpoint {
            host,
            port,
            host_key,
        };
        Ok(Self {
            listener,
            key,
            endpoint,
        })
    }

    pub(crate) fn endpoint(&self) -> SshEndpoint {
        self.endpoint.clone()
    }

    pub(crate) fn port(&self) -> u16 {
        self.endpoint.port
    }

    /// Serves until the sandbox stops.
    pub(crate) async fn run(self, shared: Arc<Shared>, stop: CancellationToken) {
        let config = Arc::new(Config {
            keys: vec![self.key],
            auth_rejection_time: Duration::from_millis(200),
            auth_rejection_time_initial: Some(Duration::ZERO),
            inactivity_timeout: Some(INACTIVITY),
            ..Config::default()
        });
        let mut server = Server { shared };
        let running = server.run_on_socket(config, &self.listener);
        let handle = running.handle();
        tokio::pin!(running);
        tokio::select! {
            ended = &mut running => {
                if let Err(error) = ended {
                    tracing::error!(%error, "the sandbox's SSH server ended");
                }
            }
            () = stop.cancelled() => handle.shutdown("the sandbox stops".to_owned()),
        }
    }
}

struct Server {
    shared: Arc<Shared>,
}

impl russh::server::Server for Server {
    type Handler = Connection;

    fn new_client(&mut self, _peer: Option<std::net::SocketAddr>) -> Connection {
        Connection {
            shared: Arc::clone(&self.shared),
            machine: String::new(),
            script: Vec::new(),
            command: None,
        }
    }
}

/// One client.
struct Connection {
    shared: Arc<Shared>,
    machine: String,
    script: Vec<u8>,
    command: Option<String>,
}

impl Connection {
    /// The script as `sh -s` would get it: a command that is not a bare shell comes first.
    fn whole_script(&self) -> Vec<u8> {
        let command = self.command.as_deref().map_or("", str::trim);
        if matches!(command, "" | "sh" | "sh -s" | "bash -s" | "/bin/sh -s") {
            return self.script.clone();
        }
        command.as_bytes().to_vec()
    }

    async fn execute(&self) -> (u32, Vec<u8>, Vec<u8>) {
        let script = self.whole_script();
        let text = String::from_utf8_lossy(&script).into_owned();
        let now = self.shared.now();
        let reply = self.shared.world().ssh(&self.machine, &text, now);
        self.shared.wake();
        match (reply, self.shared.exec()) {
            (SshReply::Done { exit, stdout }, _) => (exit, stdout.into_bytes(), Vec::new()),
            (SshReply::Run { emulated_gpu }, Some(exec)) => {
                match exec.script(&self.machine, &script, &emulated_gpu).await {
                    Ok(output) => (output.exit, output.stdout, output.stderr),
                    Err(error) => (255, Vec::new(), format!("{error:#}\n").into_bytes()),
                }
            }
            (SshReply::Run { .. } | SshReply::Gone, _) => {
                (255, Vec::new(), b"the machine is gone\n".to_vec())
            }
        }
    }
}

impl Handler for Connection {
    type Error = russh::Error;

    async fn auth_publickey(
        &mut self,
        user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Self::Error> {
        let offered = key.public_key.to_openssh().unwrap_or_default();
        if self.shared.world().ssh_accepts(user, &offered) {
            user.clone_into(&mut self.machine);
            return Ok(Auth::Accept);
        }
        Ok(Auth::reject())
    }

    async fn channel_open_session(
        &mut self,
        _channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn shell_request(
        &mut self,
        channel: ChannelId,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(channel)
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.command = Some(String::from_utf8_lossy(data).into_owned());
        session.channel_success(channel)
    }

    async fn data(
        &mut self,
        _channel: ChannelId,
        data: &[u8],
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        if self.script.len() + data.len() > SCRIPT_BYTES_MAX {
            return Err(russh::Error::Disconnect);
        }
        self.script.extend_from_slice(data);
        Ok(())
    }

    async fn channel_eof(
        &mut self,
        channel: ChannelId,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let (exit, stdout, stderr) = self.execute().await;
        self.script.clear();
        session.data(channel, stdout)?;
        if !stderr.is_empty() {
            session.extended_data(channel, 1, stderr)?;
        }
        session.exit_status_request(channel, exit)?;
        session.eof(channel)?;
        session.close(channel)
    }
}
