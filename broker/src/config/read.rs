//! From layers to a validated configuration: every wrong key is named, all of them at once.

mod probe;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use config::ValueKind;
use gpu_probe::protocol::CheckpointStore;
use tandem_adapters::ionet::VmPriceUnit;
use tandem_model::money::Token;
use tandem_model::network::Country;
use tandem_model::secret::Secret;
use tandem_model::time::WallTime;
use tandem_model::token::TokenRate;
use tandem_pricing::countries;
use tandem_pricing::jurisdiction::{DataRules, Rules};
use tracing_subscriber::EnvFilter;

use super::layers::{Layers, Sources};
use super::{
    AethirConfig, Config, ConfigError, IoNetConfig, LimitsConfig, LogFormat, MasterKeySource,
    Problem, TelemetryConfig, paths, url,
};
use crate::vault::Vault;

/// Seconds of a day.
const DAY_SECONDS: u64 = 86_400;

/// Reads typed values and collects what is wrong.
struct Reader<'a> {
    layers: &'a Layers,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn problem(&mut self, key: &str, text: impl Into<String>) {
        self.problems.push(Problem {
            key: key.to_owned(),
            origin: self.layers.origin(key).to_owned(),
            text: text.into(),
        });
    }

    fn text(&mut self, key: &str) -> Option<String> {
        match self.layers.value(key).into_string() {
            Ok(text) if text.is_empty() => None,
            Ok(text) => Some(text),
            Err(_) => {
                self.problem(key, "must be a text");
                None
            }
        }
    }

    fn secret(&mut self, key: &str) -> Option<Secret> {
        self.text(key).map(Secret::new)
    }

    fn path(&mut self, key: &str) -> Option<PathBuf> {
        self.text(key).map(PathBuf::from)
    }

    fn number(&mut self, key: &str, range: RangeInclusive<u32>) -> u32 {
        let read = self.layers.value(key).into_int().ok();
        let number = read.and_then(|n| u32::try_from(n).ok());
        match number.filter(|n| range.contains(n)) {
            Some(number) => number,
            None => {
                let (low, high) = (range.start(), range.end());
                self.problem(key, format!("must be a whole number from {low} to {high}"));
                *range.start()
            }
        }
    }

    fn count(&mut self, key: &str, most: u32) -> NonZeroU32 {
        NonZeroU32::new(self.number(key, 1..=most)).unwrap_or(NonZeroU32::MIN)
    }

    fn truth(&mut self, key: &str) -> bool {
        self.layers.value(key).into_bool().unwrap_or_else(|_| {
            self.problem(key, "must be true or false");
            false
        })
    }

    /// Countries as a list, or as one text with commas or spaces between them.
    fn countries(&mut self, key: &str) -> Vec<Country> {
        let value = self.layers.value(key);
        let codes: Option<Vec<String>> = match value.kind {
            ValueKind::Array(items) => items.into_iter().map(|v| v.into_string().ok()).collect(),
            ValueKind::String(text) => {
                let codes = text.split([',', ' ']).filter(|code| !code.is_empty());
                Some(codes.map(str::to_owned).collect())
            }
            _ => None,
        };
        let Some(codes) = codes else {
            self.problem(key, "must be a list of countries, such as [\"DE\", \"FR\"]");
            return Vec::new();
        };
        let mut found = Vec::new();
        for code in codes {
            match countries::parse(&code) {
                Some(country) => found.push(country),
                None => {
                    let text = format!("`{code}` is no country's code in ISO 3166-1 alpha-2");
                    self.problem(key, text);
                }
            }
        }
        found
    }

    fn jurisdiction(&mut self) -> Rules {
        Rules {
            denied_also: self.countries("jurisdiction.denied_also"),
            licensed: self.countries("jurisdiction.licensed"),
            region_needed: self.truth("jurisdiction.region_needed"),
            customer_country_required: self.truth("jurisdiction.customer_country_required"),
            data: DataRules {
                eea_and_adequate: self.truth("jurisdiction.data.eea_and_adequate"),
                places_also: self.countries("jurisdiction.data.places_also"),
                personal_needs_datacenter: self
                    .truth("jurisdiction.data.personal_needs_datacenter"),
            },
            ..Rules::default()
        }
    }

    fn one_of<T: Copy>(&mut self, key: &str, choices: &[(&str, T)]) -> T {
        let text = self.text(key).unwrap_or_default();
        if let Some((_, value)) = choices.iter().find(|(name, _)| *name == text) {
            return *value;
        }
        let names: Vec<String> = choices.iter().map(|(n, _)| format!("\"{n}\"")).collect();
        self.problem(key, format!("must be one of {}", names.join(", ")));
        choices[0].1
    }

    fn url(
        &mut self,
        key: &str,
        check: impl FnOnce(&str) -> Result<String, &'static str>,
    ) -> Option<String> {
        match check(&self.text(key)?) {
            Ok(url) => Some(url),
            Err(why) => {
                self.problem(key, why);
                None
            }
        }
    }

    fn listen(&mut self) -> SocketAddr {
        let text = self.text("listen").unwrap_or_default();
        text.parse().unwrap_or_else(|_| {
            self.problem("listen", "must be an address and a port: 127.0.0.1:8080");
            SocketAddr::from(([127, 0, 0, 1], 0))
        })
    }

    fn data_dir(&mut self, sources: &Sources) -> PathBuf {
        let chosen = self.path("data_dir");
        chosen
            .or_else(|| paths::data_dir(&sources.variables))
            .unwrap_or_else(|| {
                self.problem("data_dir", "must be set, because no home folder is known");
                PathBuf::new()
            })
    }

    fn master_key(&mut self, sources: &Sources, data_dir: &std::path::Path) -> MasterKeySource {
        if let Some(key) = self.secret("master_key") {
            if let Err(error) = Vault::new(&key) {
                let text = format!("{error}; `openssl rand -hex 32` makes some");
                self.problem("master_key", text);
            }
            return MasterKeySource::Given(key);
        }
        let chosen = self.path("master_key_file");
        let file = chosen.or_else(|| paths::master_key_file(&sources.variables));
        let Some(file) = file else {
            let text = "must be set, because no home folder is known";
            self.problem("master_key_file", text);
            return MasterKeySource::File(PathBuf::new());
        };
        if paths::lies_in(&file, data_dir) {
            let text = "must not lie in the data folder: a copy of that folder would hold the key to what is sealed in it";
            self.problem("master_key_file", text);
        }
        MasterKeySource::File(file)
    }

    fn ionet(&mut self) -> Option<IoNetConfig> {
        let url = self.url("networks.ionet.url", url::guarded);
        let unit = self.one_of(
            "networks.ionet.vm_price_unit",
            &[
                ("configuration", VmPriceUnit::Configuration),
                ("gpu", VmPriceUnit::Gpu),
            ],
        );
        let api_key = self.secret("networks.ionet.api_key")?;
        Some(IoNetConfig {
            url: url?,
            api_key,
            vm_price_unit: unit,
        })
    }

    fn aethir(&mut self) -> Option<AethirConfig> {
        let url = self.url("networks.aethir.url", url::guarded);
        let access_key = self.text("networks.aethir.access_key");
        let secret_key = self.secret("networks.aethir.secret_key");
        if url.is_some() || access_key.is_some() || secret_key.is_some() {
            for (key, missing) in [
                ("networks.aethir.url", self.unset("networks.aethir.url")),
                ("networks.aethir.access_key", access_key.is_none()),
                ("networks.aethir.secret_key", secret_key.is_none()),
            ] {
                if missing {
                    self.problem(key, "must be set, because other keys of the network are");
                }
            }
        }
        Some(AethirConfig {
            url: url?,
            access_key: access_key?,
            secret_key: secret_key?,
        })
    }

    fn unset(&self, key: &str) -> bool {
        self.layers
            .value(key)
            .into_string()
            .is_ok_and(|text| text.is_empty())
    }

    fn checkpoints(&mut self) -> Option<CheckpointStore> {
        let allow_http = self.truth("checkpoint_store.allow_http");
        let endpoint = self.url("checkpoint_store.endpoint", url::http);
        if !allow_http && endpoint.as_ref().is_some_and(|e| !e.starts_with("https:")) {
            let text = "must be https unless checkpoint_store.allow_http is true";
            self.problem("checkpoint_store.endpoint", text);
        }
        let access_key_id = self.text("checkpoint_store.access_key_id");
        let secret_access_key = self.secret("checkpoint_store.secret_access_key");
        if access_key_id.is_some() != secret_access_key.is_some() {
            let key = match access_key_id {
                Some(_) => "checkpoint_store.secret_access_key",
                None => "checkpoint_store.access_key_id",
            };
            self.problem(key, "must be set together with its other half");
        }
        let region = self.text("checkpoint_store.region");
        Some(CheckpointStore {
            url: self.url("checkpoint_store.url", url::checkpoints)?,
            endpoint,
            region,
            access_key_id,
            secret_access_key,
            allow_http,
        })
    }

    fn token_rates(&mut self) -> Vec<TokenRate> {
        let prices = [
            (Token::Io, self.number("tokens.io_nano_usd", 0..=u32::MAX)),
            (Token::Ath, self.number("tokens.ath_nano_usd", 0..=u32::MAX)),
        ];
        let stated = self.text("tokens.rates_at");
        let at = stated.map(|text| text.parse::<jiff::Timestamp>());
        let at = match at {
            Some(Ok(time)) => Some(WallTime::from_micros(time.as_microsecond())),
            Some(Err(error)) => {
                self.problem("tokens.rates_at", format!("is no moment: {error}"));
                return Vec::new();
            }
            None => None,
        };
        let set = prices.into_iter().filter(|(_, price)| *price > 0);
        let rates: Vec<_> = set
            .map(|(token, price)| TokenRate {
                token,
                nano_usd_per_token: price.into(),
                at: at.unwrap_or_default(),
            })
            .collect();
        if !rates.is_empty() && at.is_none() {
            let text = "must say when the prices of the tokens were taken";
            self.problem("tokens.rates_at", text);
        }
        rates
    }

    fn telemetry(&mut self) -> TelemetryConfig {
        let log_format = self.one_of(
            "telemetry.log_format",
            &[
                ("auto", LogFormat::Auto),
                ("human", LogFormat::Human),
                ("json", LogFormat::Json),
            ],
        );
        let log_filter = self.text("telemetry.log_filter").unwrap_or_default();
        if let Err(error) = EnvFilter::builder().parse(&log_filter) {
            self.problem("telemetry.log_filter", format!("is no filter: {error}"));
        }
        TelemetryConfig {
            log_format,
            log_filter,
            otlp_endpoint: self.url("telemetry.otlp_endpoint", url::http),
        }
    }

    /// A live network reaches us over TLS only: agents send their tokens.
    fn check_public_url(&mut self, public_url: Option<&String>, live: &[&str]) {
        let reachable = public_url.is_some_and(|u| u.starts_with("https:") || url::is_local(u));
        if live.is_empty() || reachable {
            return;
        }
        let live = live.iter().any(|url| !url::is_local(url));
        if live {
            let text = "must be the https URL at which rented machines reach this broker";
            self.problem("public_url", text);
        }
    }
}

/// Turns layers into a configuration, or names everything that is wrong.
pub(super) fn validate(layers: &Layers, sources: &Sources) -> Result<Config, ConfigError> {
    let mut reader = Reader {
        layers,
        problems: Vec::new(),
    };
    let data_dir = reader.data_dir(sources);
    let public_url = reader.url("public_url", url::http);
    let (ionet, aethir) = (reader.ionet(), reader.aethir());
    let live: Vec<&str> = [
        ionet.as_ref().map(|n| n.url.as_str()),
        aethir.as_ref().map(|n| n.url.as_str()),
    ]
    .into_iter()
    .flatten()
    .collect();
    reader.check_public_url(public_url.as_ref(), &live);
    let config = Config {
        listen: reader.listen(),
        public_url,
        master_key: reader.master_key(sources, &data_dir),
        data_dir,
        agent_path: reader.path("agent.path"),
        checkpoint_store: reader.checkpoints(),
        market_refresh: Duration::from_secs(
            reader.number("market.refresh_seconds", 1..=3_600).into(),
        ),
        limits: LimitsConfig {
            requests_per_second: reader.count("limits.requests_per_second", 100_000),
            burst: reader.count("limits.burst", 100_000),
            streams_per_account: reader.number("limits.streams_per_account", 1..=10_000),
        },
        probe: reader.probe(),
        jurisdiction: reader.jurisdiction(),
        token_rates: reader.token_rates(),
        denials_kept: Duration::from_secs(
            u64::from(reader.number("denials.kept_days", 1..=3_650)) * DAY_SECONDS,
        ),
        telemetry: reader.telemetry(),
        ionet,
        aethir,
    };
    if reader.problems.is_empty() {
        Ok(config)
    } else {
        Err(ConfigError::Problems(reader.problems))
    }
}
