//! The one installation of every run: its terms, its agents' tokens, its customers' accounts.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tandem::engine::plan::LaunchSettings;
use tandem::engine::probe::ProbeTerms;
use tandem::engine::terms::{AgentTokens, Rounds, Terms};
use tandem::store::BrokerId;
use tandem_adapters::adapter::Adapter;
use tandem_model::id::{AccountId, InstallationId, JobId};
use tandem_model::network::NetworkId;
use tandem_model::placement::Epoch;
use tandem_model::secret::Secret;
use tandem_model::time::WallTime;
use tandem_pricing::jurisdiction::{Digester, Rules};
use tandem_pricing::policy::{Live, Policy};
use tandem_pricing::quote::SeenByKind;
use tandem_sla::detect::Windows;

use crate::plan::Renewed;

/// A well-formed key that opens nothing but the sandbox's machines.
pub(crate) const PUBLIC_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f tandem";

/// Who rents.
pub(crate) fn id() -> InstallationId {
    InstallationId::from_parts(1, &[7; 10])
}

/// An account of a customer.
pub(crate) fn account(number: u8) -> AccountId {
    AccountId::from_parts(1, &[number; 10])
}

/// The secret of an attempt's agents.
pub(crate) fn token(job: JobId, epoch: Epoch) -> Secret {
    Secret::new(format!("{job}/{epoch}"))
}

/// What a broker knows of the installation.
pub(crate) fn terms(
    adapters: &BTreeMap<NetworkId, Arc<dyn Adapter>>,
    broker: BrokerId,
    (market, sweep): (Duration, Duration),
    probe: ProbeTerms,
) -> Terms {
    Terms {
        installation: id(),
        broker,
        windows: Windows::DEFAULT,
        places: Arc::new(Digester::of(Rules::default())),
        seen: SeenByKind::new(),
        rounds: Rounds {
            market,
            sweep,
            ..Rounds::DEFAULT
        },
        products: adapters
            .values()
            .flat_map(|a| a.products().to_vec())
            .collect(),
        ssh_public_key: PUBLIC_KEY.to_owned(),
        launch: LaunchSettings {
            broker_url: "http://broker".to_owned(),
            agent_url: "http://broker/agent/v1/binary".to_owned(),
            agent_sha256: "0".repeat(64),
            time_factor: 1,
        },
        probe,
        tokens: AgentTokens::new(token),
    }
}

/// The policy that is in force when terms end.
pub(crate) fn policy(renewed: Renewed) -> Arc<Live> {
    Arc::clone(&POLICIES[renewed as usize])
}

/// By the order of [`Renewed`]; made once, for brokers start often.
static POLICIES: LazyLock<[Arc<Live>; 4]> = LazyLock::new(|| {
    [(1_200, 300), (400, 300), (4_000, 300), (4_000, 3_000)].map(|(margin, least)| {
        let version = Live::standard(WallTime::default()).version;
        let text = version
            .text
            .replace(
                "margin_basis_points: 1_200",
                &format!("margin_basis_points: {margin}"),
            )
            .replace(
                "margin_basis_points: 900",
                &format!("margin_basis_points: {margin}"),
            )
            .replace("term_seconds: 86_400", "term_seconds: 3_600")
            .replace(
                "margin_min_basis_points: 300",
                &format!("margin_min_basis_points: {least}"),
            );
        let policy = Policy::parse(&text).expect("the standard policy with other numbers");
        Arc::new(Live { version, policy })
    })
});
