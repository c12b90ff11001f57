//! Bodies about orders: what is asked for, how it stands, how it ended.

use serde::{Deserialize, Serialize};

use super::Mode;
use crate::decimal::Decimal;

/// Body of `POST /orders`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderRequest {
    /// Unique per access key; a repeat with the same content answers the same order.
    pub client_order_no: String,
    /// What.
    pub spec_id: String,
    /// How it is sold.
    pub mode: Mode,
    /// How many servers.
    pub servers: u16,
    /// For how many hours.
    pub hours: u32,
    /// Key that every server accepts, one line in OpenSSH form.
    pub ssh_public_key: String,
    /// Whether a `Reserve` order renews itself.
    #[serde(default)]
    pub auto_renew: bool,
}

/// Where an order stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OrderStatus {
    /// Waiting for payment.
    ToBePaid,
    /// Paid; its servers are checked, then handed over.
    InService,
    /// Over.
    Completed,
    /// Never paid, or cancelled before it was.
    Cancelled,
    /// A word we do not know.
    #[serde(untagged)]
    Other(String),
}

impl OrderStatus {
    /// The word on the wire.
    pub fn word(&self) -> &str {
        match self {
            Self::ToBePaid => "TO_BE_PAID",
            Self::InService => "IN_SERVICE",
            Self::Completed => "COMPLETED",
            Self::Cancelled => "CANCELLED",
            Self::Other(word) => word,
        }
    }
}

/// Why an order ended (`endReason`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// Its time was used up.
    TimeUp,
    /// The renter released it.
    Released,
    /// The host failed.
    ProviderFault,
    /// Not paid in time.
    Unpaid,
    /// A word we do not know.
    #[serde(untagged)]
    Other(String),
}

/// An order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// Its id.
    pub order_id: String,
    /// The renter's own number.
    pub client_order_no: String,
    /// Where it stands.
    pub status: OrderStatus,
    /// What was ordered.
    pub spec_id: String,
    /// How it is sold.
    pub mode: Mode,
    /// How many servers.
    pub servers: u16,
    /// Hours ordered, extensions included.
    pub hours: u32,
    /// When it was created.
    pub created_ms: u64,
    /// When it is cancelled if unpaid.
    pub pay_by_ms: u64,
    /// When service began.
    #[serde(default)]
    pub started_ms: Option<u64>,
    /// When its time is used up.
    #[serde(default)]
    pub ends_ms: Option<u64>,
    /// When it ended.
    #[serde(default)]
    pub ended_ms: Option<u64>,
    /// Why it ended.
    #[serde(default)]
    pub end_reason: Option<EndReason>,
    /// USD before discounts.
    pub subtotal: Decimal,
    /// USD taken off.
    pub discount: Decimal,
    /// USD.
    pub total: Decimal,
    /// USD for one ATH, frozen at creation.
    pub ath_usd_rate: Decimal,
    /// ATH to pay.
    pub ath_total: Decimal,
    /// ATH paid so far.
    pub ath_paid: Decimal,
    /// ATH given back.
    pub refunded_ath: Decimal,
    /// Whether it renews itself.
    #[serde(default)]
    pub auto_renew: bool,
    /// Minutes in service.
    #[serde(default)]
    pub minutes_served: u32,
    /// Paid minutes left.
    #[serde(default)]
    pub minutes_remaining: u32,
}

/// Body of `POST /orders/{orderId}/extend`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExtendRequest {
    /// Hours to add.
    pub hours: u32,
    /// Unique per order; a repeat adds nothing.
    pub client_extension_no: String,
}
