//! `tandem key` and `tandem account`: who may ask for what.

use clap::Subcommand;
use tandem_model::id::{AccountId, ApiKeyId};
use tandem_model::network::Country;
use tandem_pricing::countries;

use super::connection::Connection;
use super::output::{listing, say, table, tell};
use super::words::moment;
use crate::api::{AccountRequest, AccountView, KeyRequest, KeyView, NewKeyView, SCOPES, Scope};
use crate::client::Answer;

/// What is done with keys.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a key; it is shown once.
    Create(CreateArguments),
    /// List keys.
    List {
        /// Keys of another account, which only an admin sees.
        #[arg(long)]
        account: Option<AccountId>,
        /// Which broker.
        #[command(flatten)]
        connection: Connection,
    },
    /// Revoke a key for ever.
    Revoke {
        /// The key's id, not the key itself.
        id: ApiKeyId,
        /// Which broker.
        #[command(flatten)]
        connection: Connection,
    },
}

/// Arguments of `tandem key create`.
#[derive(Debug, clap::Args)]
pub struct CreateArguments {
    /// What it is for, 1 to 63 characters.
    name: String,
    /// What it may do: jobs:read, jobs:write, quotes, offers:read, keys:admin, accounts:admin,
    /// policies or admin. Without any: run and read jobs.
    #[arg(long = "scope", value_parser = scope)]
    scopes: Vec<Scope>,
    /// Refuse it after so many days.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3_650))]
    expires_in_days: Option<u32>,
    /// For another account, which only an admin may.
    #[arg(long)]
    account: Option<AccountId>,
    #[command(flatten)]
    connection: Connection,
}

/// What is done with accounts.
#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// Make an account.
    Create {
        /// Its name, 1 to 63 characters.
        name: String,
        /// Where it is established, such as DE; rules about places ask for it.
        #[arg(long, value_parser = country)]
        country: Option<Country>,
        /// Which broker.
        #[command(flatten)]
        connection: Connection,
    },
    /// List accounts.
    List {
        /// Which broker.
        #[command(flatten)]
        connection: Connection,
    },
}

/// What a key may do when nothing is said.
const CUSTOMER: [Scope; 4] = [
    Scope::JobsRead,
    Scope::JobsWrite,
    Scope::Quotes,
    Scope::OffersRead,
];
/// Seconds of a day.
const DAY_SECONDS: u32 = 86_400;

fn scope(name: &str) -> Result<Scope, String> {
    Scope::parse(name).ok_or_else(|| {
        let all: Vec<&str> = SCOPES.iter().map(|s| s.as_str()).collect();
        format!("one of {}", all.join(", "))
    })
}

fn country(code: &str) -> Result<Country, String> {
    countries::parse(code)
        .ok_or_else(|| "the two letters that ISO 3166-1 gave a country, such as DE".to_owned())
}

/// Runs a command on keys.
pub async fn key(command: KeyCommand, json: bool) -> anyhow::Result<()> {
    match command {
        KeyCommand::Create(arguments) => create(arguments, json).await,
        KeyCommand::List {
            account,
            connection,
        } => {
            let path = match account {
                Some(account) => format!("/v1/keys?account={account}"),
                None => "/v1/keys".to_owned(),
            };
            let keys: Answer<Vec<KeyView>> = connection.client()?.all(&path).await?;
            list(&keys, json)
        }
        KeyCommand::Revoke { id, connection } => {
            let path = format!("/v1/keys/{id}");
            let client = connection.client()?;
            let revoked: Answer<serde_json::Value> =
                client.settle(reqwest::Method::DELETE, &path).await?;
            if json {
                let document = match revoked.document {
                    serde_json::Value::Null => serde_json::json!({ "id": id, "revoked": true }),
                    other => other,
                };
                return say(&serde_json::to_string_pretty(&document)?);
            }
            say(&format!("{id} is revoked"))
        }
    }
}

async fn create(arguments: CreateArguments, json: bool) -> anyhow::Result<()> {
    let scopes = match arguments.scopes.as_slice() {
        [] => &CUSTOMER,
        chosen => chosen,
    };
    let request = KeyRequest {
        name: arguments.name,
        scopes: scopes.iter().map(|s| s.as_str().to_owned()).collect(),
        expires_in_seconds: arguments.expires_in_days.map(|days| days * DAY_SECONDS),
        account: arguments.account,
    };
    let client = arguments.connection.client()?;
    let made: Answer<NewKeyView> = client.create("/v1/keys", &request).await?;
    if json {
        return say(&serde_json::to_string_pretty(&made.document)?);
    }
    say(made.view.key.0.expose())?;
    let view = &made.view.view;
    tell(&format!(
        "{} ({}) may: {}",
        view.id,
        view.name,
        view.scopes.join(", ")
    ));
    tell("keep it: it is not shown again");
    Ok(())
}

fn list(keys: &Answer<Vec<KeyView>>, json: bool) -> anyhow::Result<()> {
    if json {
        return say(&serde_json::to_string_pretty(&keys.document)?);
    }
    let mut rows = table(&["key", "name", "may", "made", "until"]);
    for key in &keys.view {
        let until = match (key.revoked_at, key.expires_at) {
            (Some(at), _) => format!("revoked {}", moment(at)),
            (None, Some(at)) => moment(at),
            (None, None) => String::new(),
        };
        rows.add_row([
            key.id.to_string(),
            key.name.clone(),
            key.scopes.join(" "),
            moment(key.created_at),
            until,
        ]);
    }
    say(&rows.to_string())
}

/// Runs a command on accounts.
pub async fn account(command: AccountCommand, json: bool) -> anyhow::Result<()> {
    match command {
        AccountCommand::Create {
            name,
            country,
            connection,
        } => {
            let client = connection.client()?;
            let country = country.map(|country| country.to_string());
            let request = AccountRequest { name, country };
            let made: Answer<AccountView> = client.create("/v1/accounts", &request).await?;
            if json {
                return say(&serde_json::to_string_pretty(&made.document)?);
            }
            let id = made.view.id;
            say(&id.to_string())?;
            tell(&format!("next: `tandem key create NAME --account {id}`"));
            Ok(())
        }
        AccountCommand::List { connection } => {
            let accounts: Answer<Vec<AccountView>> =
                connection.client()?.all("/v1/accounts").await?;
            if json {
                return say(&serde_json::to_string_pretty(&accounts.document)?);
            }
            let mut rows = table(&["account", "name", "in", "made"]);
            for account in &accounts.view {
                rows.add_row([
                    account.id.to_string(),
                    account.name.clone(),
                    account.country.map(|c| c.to_string()).unwrap_or_default(),
                    moment(account.created_at),
                ]);
            }
            say(&listing(&rows))
        }
    }
}
