//! `tandem submit`: quote, choose, show the price, accept, and watch when asked.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};

use tandem_model::error::ErrorCode;
use tandem_model::secret::Secret;
use tandem_model::workload::Tier;

use super::connection::Connection;
use super::failure::Failure;
use super::output::{read_file, say, tell};
use super::watch;
use super::words::{counted, hourly, word};
use super::{quote, quote::of_file};
use crate::api::{JobRequest, JobSummary, QuoteReply, QuoteView, SecretText};
use crate::client::Answer;

/// Arguments of `tandem submit`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Workload file; `-` is standard input.
    file: String,
    /// Buy this tier: consumer, assured or enterprise. Else the cheapest that fits.
    #[arg(long, value_parser = quote::tier)]
    tier: Option<Tier>,
    /// Value of a secret that the file names: NAME=VALUE, or NAME to take it from the environment,
    /// where other users of the machine do not see it.
    #[arg(long = "secret", value_name = "NAME[=VALUE]", value_parser = secret)]
    secrets: Vec<(String, Option<Secret>)>,
    /// Accept the price without asking.
    #[arg(long, short)]
    yes: bool,
    /// Watch the job until it ends.
    #[arg(long, short)]
    watch: bool,
    #[command(flatten)]
    connection: Connection,
}

fn secret(text: &str) -> Result<(String, Option<Secret>), String> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(Secret::new(value))),
        None => (text, None),
    };
    if name.is_empty() {
        return Err("NAME=VALUE, or NAME".to_owned());
    }
    Ok((name.to_owned(), value))
}

/// Runs a workload.
pub async fn run(arguments: Arguments, json: bool) -> anyhow::Result<()> {
    let file = arguments.file;
    let workload = read_file(&file)?;
    let client = arguments.connection.client()?;
    let from_environment = |name: &str| std::env::var(name).ok().map(Secret::new);
    let given = values(arguments.secrets, from_environment)?;
    let quoted = quote::ask(&client, &file, &workload, arguments.tier).await?;
    let reply = &quoted.view;
    let secrets = wanted(&reply.secrets, given, &file)?;
    let Some((_, chosen)) = quote::cheapest(reply) else {
        if !json {
            quote::print(reply, &file)?;
        }
        return Err(quote::no_price(reply, !json).into());
    };
    if !arguments.yes {
        if !json {
            quote::print(reply, &file)?;
        }
        consent(reply, chosen)?;
    }
    tell(&format!("accepting {}", price(chosen)));
    let request = JobRequest {
        quote_token: chosen.quote_token.clone().unwrap_or_default(),
        workload,
        secrets,
    };
    let made: Answer<JobSummary> = client
        .create("/v1/jobs", &request)
        .await
        .map_err(|error| of_file(error, &file))?;
    let id = made.view.id;
    if arguments.watch {
        if !json {
            say(&format!("{id} is {}", word(&made.view.state)))?;
        }
        return watch::run(&client, id, json).await;
    }
    if json {
        say(&serde_json::to_string_pretty(&made.document)?)?;
    } else {
        say(&format!("{id} is {}", word(&made.view.state)))?;
        tell(&format!(
            "next: `tandem job {id} --watch`, `tandem logs {id} -f`"
        ));
    }
    Ok(())
}

fn price(quote: &QuoteView) -> String {
    let rate = quote.rate_micro_usd_per_gpu_hour;
    format!(
        "{}: {} at {} an hour, {}",
        quote.tier.as_str(),
        counted(quote.gpus.into(), "GPU"),
        hourly(rate, quote.gpus),
        quote.at_most()
    )
}

/// Asks the person at the terminal.
fn consent(reply: &QuoteReply, chosen: &QuoteView) -> Result<(), Failure> {
    let usage = |message: &str| Failure::new(ErrorCode::USAGE, message);
    if !std::io::stdin().is_terminal() {
        return Err(usage("nobody is there to accept the price")
            .hint("--yes accepts it; `tandem quote FILE` only shows it"));
    }
    let question = format!("run {} as {}? [y/N] ", reply.name, price(chosen));
    // Where the question cannot be shown, the answer is not "y".
    let _ = write!(std::io::stderr(), "{question}");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    match (read, answer.trim().to_ascii_lowercase().as_str()) {
        (Ok(_), "y" | "yes") => Ok(()),
        _ => Err(usage("the price was not accepted; nothing runs")),
    }
}

type Values = BTreeMap<String, Secret>;

fn values(
    given: Vec<(String, Option<Secret>)>,
    from_environment: impl Fn(&str) -> Option<Secret>,
) -> Result<Values, Failure> {
    let mut values = Values::new();
    for (name, value) in given {
        let value = value.or_else(|| from_environment(&name)).ok_or_else(|| {
            let message = format!("the secret {name} has no value: the variable {name} is not set");
            Failure::new(ErrorCode::USAGE, message).hint(format!("export {name}=…"))
        })?;
        values.insert(name, value);
    }
    Ok(values)
}

/// The values of exactly the secrets that the file names.
fn wanted(
    names: &[String],
    mut given: Values,
    file: &str,
) -> Result<BTreeMap<String, SecretText>, Failure> {
    let mut wanted = BTreeMap::new();
    let mut missing = Vec::new();
    for name in names {
        match given.remove(name) {
            Some(value) => {
                wanted.insert(name.clone(), SecretText(value));
            }
            None => missing.push(format!("--secret {name}")),
        }
    }
    let usage = |message: String| Failure::new(ErrorCode::USAGE, message);
    if !missing.is_empty() {
        let message = format!("{file} names secrets without a value here");
        return Err(usage(message).hint(format!("add {}", missing.join(" "))));
    }
    if let Some(name) = given.keys().next() {
        let message = format!("{file} does not name the secret {name}");
        return Err(usage(message).hint("add it to `secrets` in the file, or leave it away here"));
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|n| (*n).to_owned()).collect()
    }

    #[test]
    fn secrets_come_from_arguments_or_the_environment_and_only_those_that_are_named() {
        let given = vec![secret("A=x=y").unwrap(), secret("B").unwrap()];
        let environment = |name: &str| (name == "B").then(|| Secret::new("from outside"));
        let values = values(given, environment).unwrap();
        let wanted = wanted(&names(&["A", "B"]), values, "f").unwrap();
        assert_eq!(wanted["A"].0.expose(), "x=y");
        assert_eq!(wanted["B"].0.expose(), "from outside");
        assert!(secret("=x").is_err());
    }

    #[test]
    fn missing_and_superfluous_secrets_are_named_before_anything_is_bought() {
        let none = |_: &str| None;
        let unset = values(vec![secret("A").unwrap()], none).unwrap_err();
        assert!(unset.message.contains("variable A"));
        let missing = wanted(&names(&["A", "B"]), Values::new(), "f").unwrap_err();
        assert_eq!(missing.hint.as_deref(), Some("add --secret A --secret B"));
        let extra = values(vec![secret("C=1").unwrap()], none).unwrap();
        assert!(
            wanted(&[], extra, "f")
                .unwrap_err()
                .message
                .contains("secret C")
        );
    }
}
