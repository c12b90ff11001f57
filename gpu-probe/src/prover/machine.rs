//! A machine's cards, made ready: driver, contexts, kernels, identities; and the report of them.

use std::time::{SystemTime, UNIX_EPOCH};

use ed25519_dalek::SigningKey;

use crate::bench::{Card, Loaded, Progress, Scale, identify, measure};
use crate::cuda::{Context, CudaError, Device, Driver, Nvml};
use crate::exchange::{Claim, Hello, Plan};
use crate::hex::HexBytes;
use crate::kernels::kernels_sha256;
use crate::report::{self, FORMAT_VERSION, Identity, Kind, Outcome, Report};

use super::exchange::Summaries;

/// A key for one run of the program.
pub fn fresh_key() -> SigningKey {
    SigningKey::from_bytes(&rand::random())
}

/// The cards of a machine that are probed.
#[derive(Debug)]
pub struct Machine {
    driver: Driver,
    nvml: Result<Nvml, String>,
    contexts: Vec<Context>,
    kernels: Vec<Loaded>,
    identities: Vec<Identity>,
}

impl Machine {
    /// Makes all cards of a driver ready, or the one of a number.
    ///
    /// # Errors
    ///
    /// No such card, or a card that cannot be used at all.
    pub fn open(driver: Driver, ordinal: Option<u32>) -> Result<Self, CudaError> {
        let numbers = match ordinal {
            Some(one) => one..one.saturating_add(1),
            None => 0..driver.device_count()?,
        };
        if numbers.is_empty() {
            return Err(CudaError::NoDevice);
        }
        let nvml = Nvml::load();
        let mut machine = Self {
            driver: driver.clone(),
            nvml,
            contexts: Vec::new(),
            kernels: Vec::new(),
            identities: Vec::new(),
        };
        for number in numbers.take(report::DEVICES_MAX) {
            let device = driver.device(number)?;
            let context = device.context()?;
            let (free, _) = context.memory_bytes()?;
            let identity = identify(&device, free, machine.nvml.as_ref().ok())?;
            machine.kernels.push(Loaded::load(&context)?);
            machine.identities.push(identity);
            machine.contexts.push(context);
        }
        Ok(machine)
    }

    /// The driver.
    pub fn driver(&self) -> &Driver {
        &self.driver
    }

    /// Why there is no NVML, where there is none.
    pub fn nvml_missing(&self) -> Option<&str> {
        self.nvml.as_ref().err().map(String::as_str)
    }

    /// What is said of each card.
    pub fn identities(&self) -> &[Identity] {
        &self.identities
    }

    /// The cards, ready to work at a scale.
    ///
    /// # Errors
    ///
    /// A failed call.
    pub fn cards<'a>(&'a self, scale: &'a Scale) -> Result<Vec<Card<'a>>, CudaError> {
        let nvml = self.nvml.as_ref().ok();
        let both = self.contexts.iter().zip(&self.kernels);
        both.map(|(context, kernels)| Card::new(context, kernels, scale, nvml))
            .collect()
    }

    /// The opening of an exchange.
    pub fn hello(&self, key: &SigningKey) -> Hello {
        let claim = |identity: &Identity| Claim {
            uuid: identity.cuda.uuid,
            name: identity.cuda.name.clone(),
            pci_device_id: identity.pci_device_id(),
            compute_capability: identity.cuda.compute_capability,
            sm_count: identity.cuda.sm_count,
            total_memory_bytes: identity.cuda.total_memory_bytes,
            free_memory_bytes: identity.cuda.free_memory_bytes,
        };
        Hello {
            format_version: FORMAT_VERSION,
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            public_key: HexBytes(key.verifying_key().to_bytes()),
            devices: self.identities.iter().map(claim).collect(),
        }
    }

    /// Measures every card, one after the other, and makes the report. Without a plan it answers no
    /// challenge, and the proofs could not run.
    pub fn report(
        &self,
        cards: &[Card<'_>],
        kind: Kind,
        proven: Option<(&Plan, Summaries)>,
        progress: Progress<'_>,
    ) -> Report {
        let (challenge_id, nonce) = match &proven {
            Some((plan, _)) => (plan.challenge_id, plan.nonce),
            None => (HexBytes([0; 16]), HexBytes([0; 32])),
        };
        // The proofs warmed all cards, but the later ones wait while the first is measured.
        let mut is_warm = proven.is_some();
        let mut summaries = proven.map(|(_, summaries)| summaries).into_iter().flatten();
        let others: Vec<Device> = self.contexts.iter().map(|c| c.device().clone()).collect();
        let devices = cards.iter().zip(&self.identities).map(|(card, identity)| {
            let proofs = match summaries.next() {
                Some((matrix, vram)) => (
                    Outcome::Measured(matrix),
                    vram.map_or_else(unasked, Outcome::Measured),
                ),
                None => (unasked(), unasked()),
            };
            let is_warm = std::mem::take(&mut is_warm);
            let identity = identity.clone();
            measure(card, kind, &others, identity, proofs, is_warm, progress)
        });
        Report {
            format_version: FORMAT_VERSION,
            kind,
            challenge_id,
            nonce,
            started_at_unix_ms: unix_ms(),
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            emulated: false,
            kernels_sha256: HexBytes(kernels_sha256()),
            devices: devices.collect(),
            driver: self.driver_report(),
            public_key: HexBytes([0; 32]),
        }
    }

    fn driver_report(&self) -> report::Driver {
        let version = self.nvml.as_ref().ok().and_then(Nvml::driver_version);
        let in_container = std::path::Path::new("/.dockerenv").exists();
        report::Driver {
            cuda_version: self.driver.version().0,
            version,
            is_virtual: in_container.then_some(true),
        }
    }
}

fn unasked<T>() -> Outcome<T> {
    Outcome::CouldNotRun {
        reason: "no verifier asked for it".to_owned(),
    }
}

/// This machine's clock, for the report alone.
#[expect(
    clippy::disallowed_methods,
    reason = "a report says when it was made; nothing is decided by it"
)]
fn unix_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}
