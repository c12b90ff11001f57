//! Tenants' side of the store: accounts, API keys, answers kept for idempotency keys, denials, the
//! versions of the pricing policy, and the installation's own settings. The same database and writer
//! as [`super::Store`], a trait of its own because the engine needs none of it.

use std::time::Duration;

use tandem_model::id::{AccountId, ApiKeyId};
use tandem_model::network::Country;
use tandem_model::time::WallTime;
use tandem_model::workload::{Tier, WorkloadClass};
use tandem_pricing::jurisdiction::Denial;
use tandem_pricing::policy::Version;

use super::Answer;
use super::PromotionGiven;

/// How long the answer of an idempotency key is kept.
pub const REPLY_TTL: Duration = Duration::from_secs(24 * 3_600);
/// Most denials that are kept of an account and a day (UTC); what comes after them is counted only.
pub const DENIALS_PER_DAY_MAX: u32 = 1_000;
/// Longest text of a kept denial in bytes.
pub const DENIAL_TEXT_BYTES_MAX: usize = 1_024;
/// Longest setting in bytes.
pub const SETTING_BYTES_MAX: usize = 64 * 1_024;

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRecord {
    /// Its id.
    pub id: AccountId,
    /// Its name, 1 to 63 characters.
    pub name: String,
    /// Where it is established, when that is known.
    pub country: Option<Country>,
    /// When it was made.
    pub created_at: WallTime,
}

/// An API key; the key itself is never stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// Its id, part of the key's text.
    pub id: ApiKeyId,
    /// Whose it is.
    pub account: AccountId,
    /// What it is for, in the owner's words.
    pub name: String,
    /// Keyed SHA-256 of the whole key, 32 bytes.
    pub hash: Vec<u8>,
    /// What it may do.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: WallTime,
    /// From when it is refused.
    pub expires_at: Option<WallTime>,
    /// When it was revoked.
    pub revoked_at: Option<WallTime>,
}

/// The answer to a request that carried an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyRecord {
    /// Whose key it is.
    pub account: AccountId,
    /// The key.
    pub key: String,
    /// Method and route.
    pub route: String,
    /// SHA-256 of the request's body, 32 bytes.
    pub body_sha256: Vec<u8>,
    /// Status answered.
    pub status: u16,
    /// Body answered.
    pub body: String,
    /// When; kept for [`REPLY_TTL`].
    pub at: WallTime,
}

/// What a rule about places denied to an account on one day (UTC). There is one of each rule, party
/// and subject; when it is denied again, that is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DenialRecord {
    /// Number within the store, rising; 0 when it is to be written.
    pub sequence: u64,
    /// To whom.
    pub account: AccountId,
    /// Which rule, about what, and why; of the last time.
    pub denial: Denial,
    /// SHA-256 of the workload file, 64 lower-case hex digits; of the last time.
    pub workload_sha256: String,
    /// Offers that it refused; of the last time.
    pub offers: u64,
    /// How many times; what is written adds to what is kept.
    pub count: u64,
    /// The first time; its day is the record's.
    pub first_at: WallTime,
    /// The last time.
    pub last_at: WallTime,
}

/// Under what quotes are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConversionKey {
    /// Version of the policy that made the price.
    pub policy_version: u32,
    /// Class of the workload.
    pub class: WorkloadClass,
    /// The tier.
    pub tier: Tier,
    /// Price over reference price, in permille, rounded down to the row.
    pub ratio_permille_from: u32,
}

/// How many quotes were made and taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Conversion {
    /// Made.
    pub quoted: u64,
    /// Taken.
    pub accepted: u64,
}

/// Tenants, their keys and their answers.
pub trait Tenants: Send + Sync {
    /// Adds an account, with the answer to keep when the request carried a key. Its id must be new.
    fn add_account(&self, account: AccountRecord, reply: Option<ReplyRecord>) -> Answer<'_, ()>;

    /// One account.
    fn account(&self, id: AccountId) -> Answer<'_, Option<AccountRecord>>;

    /// Accounts by id, after a given one; at most [`super::PAGE_MAX`].
    fn accounts(&self, after: Option<AccountId>, limit: u32) -> Answer<'_, Vec<AccountRecord>>;

    /// Adds a key, with the answer to keep when the request carried one. Its account must exist.
    fn add_key(&self, key: KeyRecord, reply: Option<ReplyRecord>) -> Answer<'_, ()>;

    /// A key by its id, whoever's it is: for the check of a request.
    fn key(&self, id: ApiKeyId) -> Answer<'_, Option<KeyRecord>>;

    /// Keys of an account by id, after a given one; at most [`super::PAGE_MAX`].
    fn keys(
        &self,
        account: AccountId,
        after: Option<ApiKeyId>,
        limit: u32,
    ) -> Answer<'_, Vec<KeyRecord>>;

    /// Revokes a key of an account, for ever; false when the account has none of that id. A key
    /// that was revoked before keeps its first moment.
    fn revoke_key(&self, account: AccountId, id: ApiKeyId, at: WallTime) -> Answer<'_, bool>;

    /// The answer kept for a key of an account and route, unless it is older than [`REPLY_TTL`].
    fn reply(
        &self,
        account: AccountId,
        key: String,
        route: String,
        now: WallTime,
    ) -> Answer<'_, Option<ReplyRecord>>;

    /// Removes answers older than [`REPLY_TTL`], at most [`super::PAGE_MAX`] at once; how many.
    fn forget_replies(&self, now: WallTime) -> Answer<'_, u64>;

    /// Keeps denials, each joined to what is kept of the same account, day, rule, party and subject.
    /// How many found no room: of an account and day at most [`DENIALS_PER_DAY_MAX`] are kept.
    /// Refuses an account that is not there, a text beyond [`DENIAL_TEXT_BYTES_MAX`], and what is no
    /// SHA-256; then none is kept.
    fn add_denials(&self, denials: Vec<DenialRecord>) -> Answer<'_, u64>;

    /// Denials of an account, or of all, the newest first, below a given number; at most
    /// [`super::PAGE_MAX`].
    fn denials(
        &self,
        account: Option<AccountId>,
        below: Option<u64>,
        limit: u32,
    ) -> Answer<'_, Vec<DenialRecord>>;

    /// Removes denials of days before the one of a moment, at most [`super::PAGE_MAX`] at once; how
    /// many.
    fn forget_denials(&self, before: WallTime) -> Answer<'_, u64>;

    /// What every promotion gave to the jobs that were accepted so far.
    fn promotions_given(&self) -> Answer<'_, Vec<PromotionGiven>>;

    /// Adds to the counts of quotes.
    fn add_conversion(&self, counts: Vec<(ConversionKey, Conversion)>) -> Answer<'_, ()>;

    /// Counts of quotes in the order of their keys, `skip` of them left out; at most
    /// [`super::PAGE_MAX`].
    fn conversion(&self, skip: u32, limit: u32) -> Answer<'_, Vec<(ConversionKey, Conversion)>>;

    /// Adds a version of the pricing policy, with the answer to keep when the request carried a key.
    /// Its number must be the one after the last, or 1: of two that were made at once, one is
    /// refused.
    fn add_policy(&self, version: Version, reply: Option<ReplyRecord>) -> Answer<'_, ()>;

    /// Versions of the pricing policy, the newest first, below a given number; at most
    /// [`super::PAGE_MAX`]. Their texts are left empty.
    fn policies(&self, below: Option<u32>, limit: u32) -> Answer<'_, Vec<Version>>;

    /// One version of the pricing policy with its text; the newest without a number.
    fn policy(&self, number: Option<u32>) -> Answer<'_, Option<Version>>;

    /// A setting of the installation.
    fn setting(&self, name: &'static str) -> Answer<'_, Option<Vec<u8>>>;

    /// Sets a setting unless it is set; what is set now. Brokers that start at once agree.
    fn setting_or(&self, name: &'static str, value: Vec<u8>) -> Answer<'_, Vec<u8>>;

    /// Sets a setting to a value.
    fn set_setting(&self, name: &'static str, value: Vec<u8>) -> Answer<'_, ()>;
}
