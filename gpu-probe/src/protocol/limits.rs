//! Limits of the agent API's bodies, and the checks that a receiver makes before it believes one.

use tandem_model::id::JobId;
use tandem_model::placement::Epoch;

use super::{BindReply, BindRequest, CheckpointRef, CheckpointRequest};
use super::{HeartbeatRequest, ResultReport};

/// Most bytes of a request body; a larger one is refused unread. A byte of output takes up to six
/// in JSON (a control character, RFC 8259 §7), so this holds [`LOG_BYTES_MAX`] or
/// [`OUTPUT_TAIL_BYTES_MAX`] six times.
pub const REQUEST_BYTES_MAX: usize = 512 * 1024;
/// Most bytes of a reply body; the agent stops reading there.
pub const REPLY_BYTES_MAX: usize = 1024 * 1024;
/// Longest container name, in bytes.
pub const CONTAINER_LEN_MAX: usize = 256;
/// Longest agent version, in bytes.
pub const VERSION_LEN_MAX: usize = 64;
/// Longest object key, in bytes (the limit of S3).
pub const KEY_LEN_MAX: usize = 1_024;
/// Most log lines in one heartbeat.
pub const LOG_LINES_MAX: usize = 200;
/// Longest log line, in bytes.
pub const LOG_LINE_BYTES_MAX: usize = 4 * 1024;
/// Most bytes of log lines in one heartbeat.
pub const LOG_BYTES_MAX: usize = 64 * 1024;
/// Longest output tail of a result, in bytes.
pub const OUTPUT_TAIL_BYTES_MAX: usize = 64 * 1024;
/// Longest detail of a result, in bytes.
pub const DETAIL_LEN_MAX: usize = 1_024;
/// Most secrets of a workload.
pub const SECRETS_MAX: usize = 256;
/// Longest name of a secret, in bytes.
pub const SECRET_NAME_LEN_MAX: usize = 128;
/// Longest value of a secret, in bytes.
pub const SECRET_VALUE_LEN_MAX: usize = 64 * 1024;
/// Largest step; the range of exact integers in JSON (RFC 8259 §6).
pub const STEP_MAX: u64 = (1 << 53) - 1;
/// Largest checkpoint, in bytes: 128 GiB.
pub const CHECKPOINT_BYTES_MAX: u64 = 128 * 1024 * 1024 * 1024;
/// Longest time in a reply, in milliseconds: one day.
pub const REPLY_MS_MAX: u64 = 24 * 60 * 60 * 1_000;

/// End of the key of a checkpoint that is a directory, kept as a tar stream.
pub const TAR_SUFFIX: &str = ".tar";

/// Key of a checkpoint that is one file; a directory's has [`TAR_SUFFIX`] added.
pub fn checkpoint_key(job: JobId, epoch: Epoch, step: u64) -> String {
    format!("{job}/{epoch}/{step}")
}

/// A field has a value that is refused; the whole body is refused with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("field `{field}` is refused: {reason}")]
pub struct FieldRefused {
    /// Name of the field.
    pub field: &'static str,
    /// What is wrong with it.
    pub reason: &'static str,
}

pub(super) fn refuse_if(
    bad: bool,
    field: &'static str,
    reason: &'static str,
) -> Result<(), FieldRefused> {
    if bad {
        Err(FieldRefused { field, reason })
    } else {
        Ok(())
    }
}

/// Whether a key stays inside its store: relative, of plain characters, without `.` or `..` parts.
fn is_plain_key(key: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    let part_is_plain = |part: &str| {
        !part.is_empty() && !part.bytes().all(|b| b == b'.') && part.bytes().all(plain)
    };
    key.len() <= KEY_LEN_MAX && key.split('/').all(part_is_plain)
}

fn check_object(step: u64, key: &str, bytes: u64) -> Result<(), FieldRefused> {
    refuse_if(step > STEP_MAX, "step", "larger than 2^53 - 1")?;
    refuse_if(
        !is_plain_key(key),
        "key",
        "not a relative path of letters, digits, `_`, `-`, `.`",
    )?;
    refuse_if(
        bytes > CHECKPOINT_BYTES_MAX,
        "bytes",
        "larger than a checkpoint may be",
    )
}

impl BindRequest {
    /// What is wrong with epoch 0.
    pub(super) const FIRST_EPOCH: &str = "the first attempt is 1";

    /// Refuses a body that is out of its limits.
    pub fn check(&self) -> Result<(), FieldRefused> {
        refuse_if(self.epoch.0 == 0, "epoch", Self::FIRST_EPOCH)?;
        let too_long = "too long";
        refuse_if(
            self.container.len() > CONTAINER_LEN_MAX,
            "container",
            too_long,
        )?;
        refuse_if(
            self.agent_version.len() > VERSION_LEN_MAX,
            "agent_version",
            too_long,
        )
    }
}

impl BindReply {
    /// Refuses terms that no agent can keep; secrets must be environment names of their own.
    pub fn check(&self) -> Result<(), FieldRefused> {
        let out = |ms: u64| ms == 0 || ms > REPLY_MS_MAX;
        let range = "not between 1 ms and one day";
        refuse_if(out(self.lease_ttl_ms), "lease_ttl_ms", range)?;
        refuse_if(out(self.orphan_ttl_ms), "orphan_ttl_ms", range)?;
        refuse_if(
            out(self.heartbeat_interval_ms),
            "heartbeat_interval_ms",
            range,
        )?;
        refuse_if(
            self.heartbeat_interval_ms >= self.lease_ttl_ms,
            "heartbeat_interval_ms",
            "not shorter than the lease",
        )?;
        refuse_if(self.secrets.len() > SECRETS_MAX, "secrets", "too many")?;
        for (name, value) in &self.secrets {
            refuse_if(
                !is_secret_name(name),
                "secrets",
                "a name that is no variable of its own",
            )?;
            let text = value.expose();
            let bad = text.len() > SECRET_VALUE_LEN_MAX || text.contains('\0');
            refuse_if(
                bad,
                "secrets",
                "a value that is too long or holds a zero byte",
            )?;
        }
        self.restore.as_ref().map_or(Ok(()), CheckpointRef::check)
    }
}

/// Whether a name can be a variable of the workload and not one of the agent's.
fn is_secret_name(name: &str) -> bool {
    let first_is_digit = name.as_bytes().first().is_none_or(u8::is_ascii_digit);
    !first_is_digit
        && name.len() <= SECRET_NAME_LEN_MAX
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !name.starts_with("TANDEM_")
}

impl CheckpointRef {
    /// Refuses a reference that is out of its limits or leaves its store.
    pub fn check(&self) -> Result<(), FieldRefused> {
        check_object(self.step, &self.key, self.bytes)
    }
}

impl HeartbeatRequest {
    /// Refuses a body that is out of its limits.
    pub fn check(&self) -> Result<(), FieldRefused> {
        refuse_if(self.sequence == 0, "sequence", "the first heartbeat is 1")?;
        let step = self
            .progress
            .map_or(0, |p| p.step.max(p.total_steps.unwrap_or(0)));
        refuse_if(step > STEP_MAX, "progress", "larger than 2^53 - 1")?;
        refuse_if(
            self.log_tail.len() > LOG_LINES_MAX,
            "log_tail",
            "too many lines",
        )?;
        let long_line = self.log_tail.iter().any(|l| l.len() > LOG_LINE_BYTES_MAX);
        refuse_if(long_line, "log_tail", "a line is too long")?;
        let bytes: usize = self.log_tail.iter().map(String::len).sum();
        refuse_if(bytes > LOG_BYTES_MAX, "log_tail", "too many bytes")
    }
}

impl CheckpointRequest {
    /// Refuses a body that is out of its limits or names an object that is not its attempt's.
    pub fn check(&self) -> Result<(), FieldRefused> {
        check_object(self.step, &self.key, self.bytes)?;
        let own = checkpoint_key(self.job, self.epoch, self.step);
        let is_own = self.key == own || self.key.strip_suffix(TAR_SUFFIX) == Some(&own);
        refuse_if(!is_own, "key", "not `job/epoch/step` of the same request")
    }

    /// The checkpoint it asks to point to.
    pub fn checkpoint(&self) -> CheckpointRef {
        CheckpointRef {
            epoch: self.epoch,
            step: self.step,
            key: self.key.clone(),
            sha256: self.sha256,
            bytes: self.bytes,
        }
    }
}

impl ResultReport {
    /// Refuses a body that is out of its limits or says both exit code and signal.
    pub fn check(&self) -> Result<(), FieldRefused> {
        let both = self.exit_code.is_some() && self.signal.is_some();
        refuse_if(
            both,
            "signal",
            "a process that exited did not die by a signal",
        )?;
        refuse_if(self.step > STEP_MAX, "step", "larger than 2^53 - 1")?;
        let tail = self.output_tail.len();
        refuse_if(tail > OUTPUT_TAIL_BYTES_MAX, "output_tail", "too long")?;
        let detail = self.detail.as_ref().map_or(0, String::len);
        refuse_if(detail > DETAIL_LEN_MAX, "detail", "too long")
    }
}
