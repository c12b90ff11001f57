//! The sandbox over HTTP: sockets, the clock, and the carrying of agents' calls.
//!
//! The world sits behind one mutex that is never held across an await. A loop lets it run when its
//! next timer is due or something happened, and carries out its effects.

mod body;
mod clock;
mod convert;
mod page;
mod pump;
mod service;
mod sse;
mod time;

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use actix_web::{App, HttpServer, web};
use anyhow::Context as _;
use tandem_model::secret::Secret;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::exec::{Exec, ExecOptions};
use crate::world::{ExecScope, Moment, NODES_MAX, Profile, World, WorldOptions};
pub use clock::SPEED_MAX;
use clock::ShellClock;

/// Time that a client has to send its request's head.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);
/// Idle time of a connection.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Open connections of the server.
const CONNECTIONS_MAX: usize = 10_000;
/// Deadline of an agent's call and of a call to a service that runs for real.
const CALL_DEADLINE: Duration = Duration::from_secs(10);

/// How to serve the sandbox.
#[derive(Debug, Clone)]
pub struct Options {
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Seed of the world.
    pub seed: u64,
    /// Speed of the world clock in thousandths, 1,000 to 10,000.
    pub speed_permille: u32,
    /// How the world is made; `public_base` and `ssh` are filled in by the shell.
    pub world: WorldOptions,
    /// How what was deployed runs as real processes; none simulates everything.
    pub exec: Option<ExecOptions>,
}

impl Options {
    /// Quick boots at normal speed, everything simulated.
    pub fn new(listen: SocketAddr, seed: u64) -> Self {
        Self {
            listen,
            seed,
            speed_permille: 1_000,
            world: WorldOptions {
                profile: Profile::Quick,
                ..WorldOptions::default()
            },
            exec: None,
        }
    }
}

/// What every part of the shell shares.
pub(crate) struct Shared {
    world: Mutex<World>,
    clock: ShellClock,
    /// Something happened: let the world run.
    changed: Notify,
    client: reqwest::Client,
    exec: Option<Exec>,
    stop: CancellationToken,
}

impl Shared {
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Moment {
        self.clock.now()
    }

    pub(crate) fn wake(&self) {
        self.changed.notify_one();
    }

    pub(crate) fn exec(&self) -> Option<&Exec> {
        self.exec.as_ref()
    }
}

/// A sandbox that runs; it ends when this is stopped or dropped.
pub struct Running {
    address: SocketAddr,
    ssh_port: u16,
    server: actix_web::dev::ServerHandle,
    shared: Arc<Shared>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Running {
    /// Base URL, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Base URL of the emulated io.net.
    pub fn ionet_url(&self) -> String {
        self.url()
    }

    /// Base URL of the emulated Aethir-style network.
    pub fn aethir_url(&self) -> String {
        format!("{}/aethir", self.url())
    }

    /// API key of the emulated io.net.
    pub const fn ionet_key(&self) -> &'static str {
        "sandbox"
    }

    /// Access key and secret key of the emulated Aethir-style network.
    pub fn aethir_keys(&self) -> (&'static str, Secret) {
        ("sandbox", Secret::new("sandbox-secret"))
    }

    /// Both clocks of the sandbox.
    pub fn now(&self) -> Moment {
        self.shared.now()
    }

    /// Port of the machines' SSH server.
    pub const fn ssh_port(&self) -> u16 {
        self.ssh_port
    }

    /// Stops everything, real processes included.
    pub async fn stop(mut self) {
        self.shared.stop.cancel();
        self.server.stop(false).await;
        for task in std::mem::take(&mut self.tasks) {
            let _ended = task.await;
        }
        if let Some(exec) = &self.shared.exec {
            exec.kill_all();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.stop.cancel();
        // The command to stop is sent at once; only its confirmation would have to be awaited.
        drop(self.server.stop(false));
        if let Some(exec) = &self.shared.exec {
            exec.kill_all();
        }
    }
}

fn check(options: &Options) -> anyhow::Result<()> {
    let speed = options.speed_permille;
    anyhow::ensure!(
        (1_000..=SPEED_MAX * 1_000).contains(&speed),
        "the speed must be from 1 to {SPEED_MAX}"
    );
    anyhow::ensure!(
        options.world.nodes <= NODES_MAX,
        "a world has at most {NODES_MAX} nodes"
    );
    Ok(())
}

/// Serves both networks. Must be called inside a Tokio runtime.
///
/// Fails when the options are out of range or an address cannot be bound.
pub async fn serve(options: Options) -> anyhow::Result<Running> {
    check(&options)?;
    let listener = TcpListener::bind(options.listen).with_context(|| {
        format!(
            "cannot listen on {}; choose another address",
            options.listen
        )
    })?;
    let address = listener
        .local_addr()
        .context("the listener has no address")?;
    let ssh = crate::ssh::Listener::bind(options.listen.ip(), options.seed).await?;
    let mut world_options = options.world;
    if let Some(exec) = &options.exec {
        world_options.exec = if exec.only_marked {
            ExecScope::Marked
        } else {
            ExecScope::Everything
        };
    }
    world_options.public_base = format!("http://{address}");
    world_options.ssh = ssh.endpoint();
    let shared = Arc::new(Shared {
        world: Mutex::new(World::new(options.seed, world_options)),
        clock: ShellClock::start(i64::from(options.speed_permille)),
        changed: Notify::new(),
        client: reqwest::Client::builder()
            .timeout(CALL_DEADLINE)
            .no_proxy()
            .build()
            .context("the HTTP client cannot be made")?,
        exec: options.exec.map(Exec::new).transpose()?,
        stop: CancellationToken::new(),
    });
    let server = http_server(listener, &shared)?;
    let ssh_port = ssh.port();
    let handle = server.handle();
    let tasks = vec![
        tokio::spawn(async move {
            if let Err(error) = server.await {
                tracing::error!(%error, "the sandbox's HTTP server ended");
            }
        }),
        tokio::spawn(pump::run(Arc::clone(&shared))),
        tokio::spawn(ssh.run(Arc::clone(&shared), shared.stop.clone())),
    ];
    Ok(Running {
        address,
        ssh_port,
        server: handle,
        shared,
        tasks,
    })
}

fn http_server(
    listener: TcpListener,
    shared: &Arc<Shared>,
) -> anyhow::Result<actix_web::dev::Server> {
    let data = web::Data::from(Arc::clone(shared));
    let server = HttpServer::new(move || {
        App::new()
            .app_data(data.clone())
            .route("/", web::get().to(page::page))
            .route("/sandbox/time", web::post().to(time::set))
            .route("/sandbox/time", web::get().to(time::show))
            .route("/sandbox/run/{unit}", web::to(service::serve))
            .route("/sandbox/run/{unit}/{path:.*}", web::to(service::serve))
            .default_service(web::to(convert::answer))
    });
    let server = server
        .workers(2)
        .max_connections(CONNECTIONS_MAX)
        .client_request_timeout(HEAD_DEADLINE)
        .keep_alive(KEEP_ALIVE)
        .shutdown_timeout(1)
        .disable_signals()
        .listen(listener)
        .context("the HTTP server cannot take the listener")?;
    Ok(server.run())
}
