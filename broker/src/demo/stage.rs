//! Everything that the demo sets up and takes down: folder, sandbox, broker, and the two who use
//! it: an operator with the first admin key, and a customer.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use tandem_model::error::ErrorCode;
use tandem_model::id::AccountId;
use tandem_sandbox::exec::ExecOptions;
use tandem_sandbox::{Options as SandboxOptions, Running as Sandbox};

use super::Settings;
use super::saboteur::Saboteur;
use crate::api::{
    AccountRequest, AccountView, BalancesReply, KeyRequest, NewKeyView, OfferPage, Scope,
};
use crate::cli::failure::Failure;
use crate::cli::output::tell;
use crate::client::Client;
use crate::config::{self, Config, Sources};
use crate::serve::{Broker, Options, World};

/// What the customer's key may do.
const SCOPES: [Scope; 4] = [
    Scope::Quotes,
    Scope::JobsRead,
    Scope::JobsWrite,
    Scope::OffersRead,
];
/// Longest wait for the first reading of both markets.
const MARKET_TIMEOUT: Duration = Duration::from_secs(20);
/// Time between two looks at the market.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Folder of the broker's data within the working folder.
const DATA: &str = "data";

/// What is set up.
pub struct Stage {
    /// The customer's side of the API.
    pub customer: Client,
    /// Who breaks things.
    pub saboteur: Saboteur,
    operator: Client,
    account: AccountId,
    broker: Broker,
    sandbox: Sandbox,
    folder: Folder,
}

/// The working folder: removed at the end, unless it is to be kept.
enum Folder {
    Kept(PathBuf),
    Temporary(tempfile::TempDir),
}

impl Folder {
    fn open(keep: Option<&PathBuf>) -> anyhow::Result<Self> {
        let Some(path) = keep else {
            return Ok(Self::Temporary(
                tempfile::tempdir().context("no temporary folder")?,
            ));
        };
        std::fs::create_dir_all(path)
            .with_context(|| format!("cannot make the folder {}", path.display()))?;
        let path = std::path::absolute(path)?;
        if path.join(DATA).exists() {
            let message = format!("{} holds an earlier demo", path.display());
            return Err(Failure::new(ErrorCode::DATA_DIR, message)
                .hint("give --keep a folder that is empty or missing")
                .into());
        }
        Ok(Self::Kept(path))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }
}

impl Stage {
    /// Sets everything up.
    pub async fn open(settings: &Settings) -> anyhow::Result<Self> {
        let folder = Folder::open(settings.keep.as_ref())?;
        let sandbox = open_sandbox(settings, folder.path()).await?;
        let broker = Broker::start(Options {
            config: configuration(settings, folder.path())?,
            world: World::SandboxAt(sandbox.url()),
            new_admin_key: false,
        })
        .await?;
        let operator = Client::new(&broker.url(), broker.admin_key().cloned())?;
        let (account, customer) = open_account(&operator).await?;
        Ok(Self {
            customer,
            saboteur: Saboteur::at(&sandbox.url())?,
            operator,
            account,
            broker,
            sandbox,
            folder,
        })
    }

    /// Where the sandbox listens.
    pub fn sandbox_url(&self) -> String {
        self.sandbox.url()
    }

    /// Where the broker listens.
    pub fn broker_url(&self) -> String {
        self.broker.url()
    }

    /// Waits until both networks were read; how many offers there are.
    pub async fn offers(&self) -> anyhow::Result<usize> {
        let read = async {
            loop {
                let page: OfferPage = self.customer.get("/v1/offers?limit=1").await?.view;
                if page.networks.len() > 1 && page.networks.iter().all(|n| n.offers > 0) {
                    let offers = page.networks.iter().map(|n| n.offers).sum();
                    return Ok::<usize, Failure>(offers);
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let waited = tokio::time::timeout(MARKET_TIMEOUT, read).await;
        Ok(waited.context("the markets of both networks were not read in time")??)
    }

    /// What the books say that the customer owes, in micro-dollars.
    pub async fn ledger_micro_usd(&self) -> Result<i128, Failure> {
        let books: BalancesReply = self.operator.get("/v1/ledger/balances").await?.view;
        let owed = format!("receivable:{}", self.account);
        let number = |text: &str| text.parse::<i128>().unwrap_or(0);
        let of_customer = books.items.iter().filter(|b| b.account == owed);
        Ok(of_customer
            .map(|b| number(&b.debit) - number(&b.credit))
            .sum())
    }

    /// Ends everything.
    pub async fn close(self) {
        self.broker.stop().await;
        self.sandbox.stop().await;
        if let Folder::Kept(path) = &self.folder {
            tell(&format!("the working folder is kept: {}", path.display()));
        }
    }
}

async fn open_sandbox(settings: &Settings, folder: &Path) -> anyhow::Result<Sandbox> {
    let mut options = SandboxOptions::new(([127, 0, 0, 1], 0).into(), settings.seed);
    options.world.prices_from_start = true;
    options.speed_permille = settings.speed * 1_000;
    options.exec = Some(ExecOptions {
        work_dir: folder.join("machines"),
        agent_path: None,
        only_marked: true,
    });
    tandem_sandbox::serve(options)
        .await
        .context("the sandbox did not start")
}

/// The defaults, in a folder of its own, with room for a stream a job. Nothing of this machine's
/// configuration is read.
fn configuration(settings: &Settings, folder: &Path) -> anyhow::Result<Config> {
    let mut sources = Sources::default();
    let mut set = |key, value: String| sources.flag("demo", key, Some(value));
    set("listen", "127.0.0.1:0".to_owned());
    set("data_dir", folder.join(DATA).display().to_string());
    let key = folder.join("keys").join("master.key");
    set("master_key_file", key.display().to_string());
    set("limits.streams_per_account", "1000".to_owned());
    set("limits.burst", "1000".to_owned());
    if let Some(agent) = &settings.agent {
        set("agent.path", agent.display().to_string());
    }
    Ok(config::load(&sources)?)
}

/// The operator opens an account and hands out a key for it.
async fn open_account(operator: &Client) -> Result<(AccountId, Client), Failure> {
    let request = AccountRequest {
        name: "demo customer".to_owned(),
        country: None,
    };
    let account: AccountView = operator.create("/v1/accounts", &request).await?.view;
    let request = KeyRequest {
        name: "demo".to_owned(),
        scopes: SCOPES.iter().map(ToString::to_string).collect(),
        expires_in_seconds: None,
        account: Some(account.id),
    };
    let key: NewKeyView = operator.create("/v1/keys", &request).await?.view;
    let customer = Client::new(operator.url(), Some(key.key.0))?;
    Ok((account.id, customer))
}
