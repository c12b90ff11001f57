//! What a request may hold, for the OpenAPI document: ids, words, numbers and texts with their
//! limits, told from the same definitions that read them. Nothing here is ever made.

use std::borrow::Cow;

use serde::Serialize;
use tandem_model::id::{AccountId, ApiKeyId, JobId};
use tandem_model::job::JobState;
use tandem_model::network::Grade;
use tandem_model::workload::Tier;
use tandem_pricing::countries;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{Object, RefOr};
use utoipa::{PartialSchema, ToSchema};

use super::PAGE_ITEMS_MAX;

/// Longest name of an account or key in characters.
pub const NAME_CHARS_MAX: usize = 63;
/// Longest reason of a ban in characters.
pub const BAN_REASON_CHARS_MAX: usize = 200;
/// Every grade.
pub const GRADES: [Grade; 2] = [Grade::Consumer, Grade::Datacenter];

/// The smallest workload that can be classified and quoted.
const WORKLOAD: &str = "tandem: 1\nname: hello\nrun: nvidia-smi\nresources:\n  gpu: RTX4090\n";

fn text(description: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::String))
        .description(Some(description))
}

fn done(object: impl Into<Object>) -> RefOr<Schema> {
    RefOr::T(Schema::Object(object.into()))
}

fn id(prefix: &str, description: &str) -> RefOr<Schema> {
    done(text(description).pattern(Some(format!("^{prefix}_[0-9a-f]{{32}}$"))))
}

fn words<W: Serialize>(all: impl IntoIterator<Item = W>, description: &str) -> RefOr<Schema> {
    let word = |word| serde_json::to_value(word).expect("a word is a JSON text");
    let all: Vec<_> = all.into_iter().map(word).collect();
    done(text(description).enum_values(Some(all)))
}

/// An account.
pub struct AccountIdText;
/// A job.
pub struct JobIdText;
/// An account, or all of them.
pub struct AccountsText;
/// An API key.
pub struct ApiKeyIdText;
/// A state of a job.
pub struct JobStateWord;
/// A tier.
pub struct TierWord;
/// A grade of hardware.
pub struct GradeWord;
/// A country.
pub struct CountryWord;
/// How many items a page may have.
pub struct PageLimit;
/// A name of an account or key.
pub struct NameText;
/// A workload file.
pub struct WorkloadText;
/// A place in a job's log.
pub struct LogCursorText;
/// A device.
pub struct DeviceUuidText;
/// Why a device is banned, or its ban lifted.
pub struct BanReasonText;
/// A key under which a request is answered once.
pub struct IdempotencyKeyText;

impl PartialSchema for AccountIdText {
    fn schema() -> RefOr<Schema> {
        id(AccountId::PREFIX, "Id of an account.")
    }
}

impl PartialSchema for AccountsText {
    fn schema() -> RefOr<Schema> {
        let which = text("Id of an account, or `all`.");
        let pattern = format!("^(all|{}_[0-9a-f]{{32}})$", AccountId::PREFIX);
        done(which.pattern(Some(pattern)))
    }
}

impl PartialSchema for JobIdText {
    fn schema() -> RefOr<Schema> {
        id(JobId::PREFIX, "Id of a job.")
    }
}

impl PartialSchema for ApiKeyIdText {
    fn schema() -> RefOr<Schema> {
        id(ApiKeyId::PREFIX, "Id of an API key; not the key.")
    }
}

impl PartialSchema for JobStateWord {
    fn schema() -> RefOr<Schema> {
        words(JobState::ALL, "Where a job stands.")
    }
}

impl PartialSchema for TierWord {
    fn schema() -> RefOr<Schema> {
        words(Tier::ALL, "What is bought.")
    }
}

impl PartialSchema for GradeWord {
    fn schema() -> RefOr<Schema> {
        words(GRADES, "What the hardware is.")
    }
}

impl PartialSchema for CountryWord {
    fn schema() -> RefOr<Schema> {
        words(
            countries::all(),
            "A country, as ISO 3166-1 alpha-2; XK is Kosovo.",
        )
    }
}

impl PartialSchema for PageLimit {
    fn schema() -> RefOr<Schema> {
        let number = ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::Integer))
            .description(Some("Most items of a page."))
            .minimum(Some(1))
            .maximum(Some(PAGE_ITEMS_MAX as usize));
        done(number)
    }
}

/// A line of text without control characters and outer spaces.
fn line(description: &str, chars_max: usize) -> RefOr<Schema> {
    let line = text(description)
        .min_length(Some(1))
        .max_length(Some(chars_max))
        .pattern(Some(
            r"^[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f])?$",
        ));
    done(line)
}

impl PartialSchema for NameText {
    fn schema() -> RefOr<Schema> {
        let description = "A name without control characters and outer spaces.";
        line(description, NAME_CHARS_MAX)
    }
}

impl PartialSchema for BanReasonText {
    fn schema() -> RefOr<Schema> {
        let description = "A reason without control characters and outer spaces.";
        line(description, BAN_REASON_CHARS_MAX)
    }
}

impl PartialSchema for DeviceUuidText {
    fn schema() -> RefOr<Schema> {
        done(text("UUID of a device.").pattern(Some("^[0-9a-f]{32}$")))
    }
}

impl PartialSchema for WorkloadText {
    fn schema() -> RefOr<Schema> {
        let file = text("Text of a workload file: YAML or JSON of any supported format.")
            .min_length(Some(1))
            .examples([WORKLOAD]);
        done(file)
    }
}

impl PartialSchema for LogCursorText {
    fn schema() -> RefOr<Schema> {
        // Lengths that fit the numbers' types, which is all that the broker itself writes.
        let [epoch, rank, sequence] = [8, 3, 17].map(|more| format!("(0|[1-9][0-9]{{0,{more}}})"));
        let cursor = text("A place in a job's log.");
        done(cursor.pattern(Some(format!(r"^{epoch}\.{rank}\.{sequence}$"))))
    }
}

impl PartialSchema for IdempotencyKeyText {
    fn schema() -> RefOr<Schema> {
        let key = text("1 to 255 visible ASCII characters, in quotation marks or not.");
        done(key.pattern(Some(r##"^([!#-~][!-~]{0,254}|"[!#-\[\]-~]{1,255}")$"##)))
    }
}

/// Gives each its name in the document.
macro_rules! named {
    ($($kind:ident = $name:literal;)*) => {
        $(impl ToSchema for $kind {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed($name)
            }
        })*
    };
}

named! {
    AccountIdText = "AccountId";
    AccountsText = "Accounts";
    JobIdText = "JobId";
    ApiKeyIdText = "ApiKeyId";
    JobStateWord = "JobState";
    TierWord = "Tier";
    GradeWord = "Grade";
    CountryWord = "Country";
    PageLimit = "PageLimit";
    NameText = "Name";
    WorkloadText = "WorkloadText";
    LogCursorText = "LogCursor";
    IdempotencyKeyText = "IdempotencyKey";
    DeviceUuidText = "DeviceUuid";
    BanReasonText = "BanReason";
}

/// One server-sent event (WHATWG HTML §9.2), as its fields are after parsing.
#[derive(ToSchema)]
pub struct StreamEvent {
    /// Give this as `Last-Event-ID` to go on after it.
    pub id: String,
    /// Its kind: `job` or `log`.
    #[schema(example = "job")]
    pub event: String,
    /// JSON in one line: an `EventView` or a `LogChunkView`.
    pub data: String,
}
