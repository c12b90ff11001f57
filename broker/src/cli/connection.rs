//! Which broker a command speaks with, and with which key.

use tandem_model::secret::Secret;

use super::failure::Failure;
use crate::client::{Client, ClientError, Credentials, DEFAULT_URL};
use crate::config::{Sources, credentials_file};

/// Arguments of every command that speaks with a broker.
#[derive(Debug, Clone, clap::Args)]
pub struct Connection {
    /// Address of the broker.
    #[arg(long, env = "TANDEM_URL", default_value = DEFAULT_URL, value_name = "URL", help_heading = "Broker")]
    url: String,
    /// API key; better given as a variable, because other users of a machine see arguments.
    /// Without one, the key that `tandem serve` saved for this address.
    #[arg(
        long,
        env = "TANDEM_API_KEY",
        hide_env_values = true,
        value_name = "KEY",
        value_parser = secret,
        help_heading = "Broker"
    )]
    key: Option<Secret>,
}

fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text))
}

impl Connection {
    /// The client that the arguments name.
    pub fn client(self) -> Result<Client, Failure> {
        let url = self.url.trim_end_matches('/');
        let given = self.key.filter(|key| !key.expose().is_empty());
        let key = match given {
            Some(key) => Some(key),
            None => saved(url)?,
        };
        Ok(Client::new(url, key)?)
    }
}

fn saved(url: &str) -> Result<Option<Secret>, ClientError> {
    let variables = Sources::from_process().variables;
    match credentials_file(&variables) {
        Some(path) => Ok(Credentials::at(path).find(url)?),
        None => Ok(None),
    }
}
