//! Networks, their products and the terms they sell on, as data.
//!
//! A product is one way to rent on a network (containers, virtual machines, whole servers). What a
//! product can start and what prepaid time costs when a placement ends early are facts that
//! pricing, launch plans and the engine share, so they are said here once.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

/// A compute network's short name: 2 to 24 lower-case letters, digits and dashes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct NetworkId(Cow<'static, str>);

impl NetworkId {
    /// A name known at compile time. The adapters' registry test checks its form.
    pub const fn from_static(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// A name from outside; none when its form is wrong.
    pub fn parse(name: &str) -> Option<Self> {
        let fits = (2..=24).contains(&name.len())
            && name
                .bytes()
                .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        fits.then(|| Self(Cow::Owned(name.to_owned())))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NetworkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<'de> Deserialize<'de> for NetworkId {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let name = String::deserialize(d)?;
        Self::parse(&name).ok_or_else(|| serde::de::Error::custom("not a network name"))
    }
}

/// What the hardware is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// A machine of a private or small provider.
    Consumer,
    /// A server in a professional data centre.
    Datacenter,
}

/// An ISO 3166-1 alpha-2 country code in upper case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

impl Country {
    /// Reads two ASCII letters of either case; none for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        match text.as_bytes() {
            [a, b] => Self::from_letters([*a, *b]),
            _ => None,
        }
    }

    /// The same of two ASCII letters.
    pub const fn from_letters(letters: [u8; 2]) -> Option<Self> {
        let [a, b] = letters;
        match a.is_ascii_alphabetic() && b.is_ascii_alphabetic() {
            true => Some(Self([a.to_ascii_uppercase(), b.to_ascii_uppercase()])),
            false => None,
        }
    }

    /// The two letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("??")
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Country {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Country {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not an ISO 3166 alpha-2 code"))
    }
}

/// How a workload gets onto what was rented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LaunchVia {
    /// The network starts one HTTP container from an image.
    Container,
    /// The network gives a machine; the workload is started over SSH.
    Ssh,
}

/// How a product is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Payment {
    /// From a balance held with the network; charged at once.
    Balance,
    /// Per order; an order not paid within the window is cancelled.
    PerOrder {
        /// Seconds from the order's creation to its cancellation.
        window_seconds: u32,
    },
}

/// What comes back when a placement ends before its prepaid time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum RefundRule {
    /// Nothing.
    None,
    /// The first hour is kept; after it the unused rest comes back in proportion.
    ProportionalAfterFirstHour,
    /// Nothing when the renter stops; the running period when the provider fails.
    PeriodOnProviderFault {
        /// Length of a settlement period in seconds.
        period_seconds: u32,
    },
}

/// One way to rent on a network, and its terms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Product {
    /// The network.
    pub network: NetworkId,
    /// Short name, unique within the network (`caas`, `vmaas`, `on-demand`, `reserve`).
    pub name: &'static str,
    /// How a workload is started.
    pub launch: LaunchVia,
    /// Whether several nodes of one placement can reach each other.
    pub nodes_are_linked: bool,
    /// Most nodes in one placement.
    pub nodes_max: u16,
    /// Most GPUs in one node.
    pub gpus_per_node_max: u16,
    /// Most ports that can be published.
    pub published_ports_max: u16,
    /// Whether `$` in an entrypoint must be doubled.
    pub doubles_dollar: bool,
    /// How it is paid.
    pub payment: Payment,
    /// Shortest prepaid time in hours.
    pub prepaid_hours_min: u32,
    /// Longest prepaid time in hours.
    pub prepaid_hours_max: u32,
    /// Step of an extension in hours.
    pub extension_step_hours: u32,
    /// What comes back after an early end.
    pub refund: RefundRule,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_names_and_countries_are_checked() {
        assert!(NetworkId::parse("ionet").is_some());
        for bad in ["", "x", "IO", "io net", "io/net", &"a".repeat(25)] {
            assert!(NetworkId::parse(bad).is_none(), "{bad}");
        }
        assert_eq!(Country::parse("de").unwrap().as_str(), "DE");
        for bad in ["", "D", "DEU", "D1", "é"] {
            assert!(Country::parse(bad).is_none(), "{bad}");
        }
    }
}
