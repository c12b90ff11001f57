//! The registry of error codes: one line here and one page in `docs/errors/` each.
//!
//! A code is stable: it is printed, sent in problem documents, and explained by `tandem explain`.
//! Its page is compiled in, so a code without a page does not build.

use std::fmt;

use serde::{Serialize, Serializer};

/// A stable error code with its page.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ErrorCode(&'static Entry);

#[derive(PartialEq, Eq)]
struct Entry {
    code: &'static str,
    title: &'static str,
    page: &'static str,
}

/// Defines the codes; a macro because `include_str!` needs a literal path.
macro_rules! codes {
    ($($name:ident = $code:literal, $title:literal;)*) => {
        impl ErrorCode {
            $(
                #[doc = $title]
                pub const $name: Self = Self(&Entry {
                    code: $code,
                    title: $title,
                    page: include_str!(concat!("../../docs/errors/", $code, ".md")),
                });
            )*

            /// Every code, in order.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
        }
    };
}

codes! {
    // Workload files and launch plans.
    WORKLOAD_SYNTAX = "TDM-1001", "the workload file is not valid YAML or JSON";
    WORKLOAD_FIELD_UNKNOWN = "TDM-1002", "the workload file has a field that is not known";
    WORKLOAD_FIELD_INVALID = "TDM-1003", "a field of the workload file has a value that is refused";
    WORKLOAD_FIELD_UNSUPPORTED = "TDM-1004", "the workload file asks for something that is not supported";
    WORKLOAD_TOO_LARGE = "TDM-1005", "the workload file is larger than a limit allows";
    LAUNCH_IMPOSSIBLE = "TDM-1101", "the workload cannot start on this product";
    NO_OFFER_FITS = "TDM-1201", "no offer of either network fits the workload";
    PLACE_DENIED = "TDM-1202", "rules about places leave nothing where the work may run";
    POLICY_REFUSED = "TDM-1301", "the pricing policy is refused";
    POLICY_GUARD_RAILS = "TDM-1302", "the change of policy goes further than its guard rails allow";
    POLICY_UNCHANGED = "TDM-1303", "this pricing policy is in force already";
    POLICY_CONFLICT = "TDM-1304", "another version of the pricing policy was applied first";
    LAB_FILE_REFUSED = "TDM-1401", "a file of the price lab is refused";
    // Networks.
    NETWORK_REFUSED = "TDM-2001", "the network refused the request";
    NETWORK_UNREACHABLE = "TDM-2002", "the network did not answer in time";
    NETWORK_ANSWER_INVALID = "TDM-2003", "the network's answer could not be understood";
    NETWORK_CREDENTIALS = "TDM-2004", "the network does not accept our credentials";
    NETWORK_CIRCUIT_OPEN = "TDM-2005", "the network failed too often and is given a pause";
    NETWORK_RATE_LIMITED = "TDM-2006", "the network's rate limit is reached";
    SSH_HOST_KEY = "TDM-2101", "the machine's SSH host key is not the one expected";
    SSH_FAILED = "TDM-2102", "the start over SSH failed";
    // Agent.
    AGENT_FENCED = "TDM-4001", "a newer attempt of the job is live, or the lease was lost";
    AGENT_CHECKPOINT = "TDM-4002", "a checkpoint could not be saved or restored";
    AGENT_CONFIG = "TDM-4003", "the agent's environment is incomplete";
    AGENT_REQUEST = "TDM-4004", "an agent sent a body that the broker refuses";
    AGENT_TOKEN = "TDM-4005", "the agent's token is not that of its attempt";
    // Broker, sandbox and command line.
    USAGE = "TDM-5001", "the command line cannot be understood";
    FILE_UNREADABLE = "TDM-5002", "a file could not be read";
    LISTEN_FAILED = "TDM-5003", "the address to listen on could not be taken";
    JOB_ENDED_BADLY = "TDM-5004", "a job ended without the result that was expected";
    CONFIG_REFUSED = "TDM-5005", "the configuration is refused";
    DATA_DIR = "TDM-5006", "the data folder cannot be used";
    MASTER_KEY = "TDM-5007", "the master key cannot be used";
    BROKER_UNREACHABLE = "TDM-5008", "the broker did not answer";
    START_FAILED = "TDM-5009", "a part of the broker could not start";
    API_KEY_UNKNOWN = "TDM-5010", "no API key is known for this broker";
    PRICE_FILE = "TDM-5011", "a price file cannot be used";
    // API of the broker.
    API_NOT_FOUND = "TDM-6001", "there is nothing at this address, or not for this account";
    API_METHOD = "TDM-6002", "the address exists, but not for this method";
    API_BODY = "TDM-6003", "the body or its media type cannot be used";
    API_FIELD = "TDM-6004", "a field of the request is refused";
    API_KEY = "TDM-6005", "the API key is missing, wrong, expired or revoked";
    API_SCOPE = "TDM-6006", "the API key may not do this";
    API_RATE = "TDM-6007", "too many requests, or too many open streams";
    API_BUSY = "TDM-6008", "the broker cannot answer now";
    API_INTERNAL = "TDM-6009", "the broker has a defect";
    API_IDEMPOTENCY = "TDM-6010", "the idempotency key is in use";
    QUOTE_INVALID = "TDM-6101", "the quote is not one of this broker for this account";
    QUOTE_EXPIRED = "TDM-6102", "the quote has expired";
    QUOTE_USED = "TDM-6103", "the quote was accepted before";
    QUOTE_WORKLOAD = "TDM-6104", "the workload is not the one that was quoted";
    QUOTE_REVOKED = "TDM-6105", "the quote was revoked";
    QUOTE_CAPACITY = "TDM-6106", "the capacity that was quoted is gone";
    // GPU probe: why it could not run.
    PROBE_DRIVER_MISSING = "TDM-8001", "there is no CUDA driver";
    PROBE_DRIVER_OLD = "TDM-8002", "the CUDA driver is too old";
    PROBE_DRIVER_INCOMPLETE = "TDM-8003", "the CUDA driver lacks a function";
    PROBE_NO_DEVICE = "TDM-8004", "the CUDA driver sees no such card";
    PROBE_OUT_OF_MEMORY = "TDM-8005", "the card or the host has too little free memory";
    PROBE_KERNELS_REFUSED = "TDM-8006", "the driver loads no image of the kernels";
    PROBE_CALL_FAILED = "TDM-8007", "the card or its driver failed";
    PROBE_DEADLINE = "TDM-8008", "the card did not answer in time";
}

impl ErrorCode {
    /// The code as text (`TDM-1001`).
    pub const fn as_str(self) -> &'static str {
        self.0.code
    }

    /// What it means, in one line.
    pub const fn title(self) -> &'static str {
        self.0.title
    }

    /// Its page, in Markdown.
    pub const fn page(self) -> &'static str {
        self.0.page
    }

    /// The code with this text, upper or lower case, with or without the prefix.
    pub fn parse(text: &str) -> Option<Self> {
        let wanted = text.trim().to_ascii_uppercase();
        let matches =
            |c: &Self| c.0.code == wanted || c.0.code.strip_prefix("TDM-") == Some(&wanted);
        Self::ALL.iter().copied().find(matches)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0.code)
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.code)
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.0.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_unique_sorted_and_explained_by_its_page() {
        let codes: Vec<_> = ErrorCode::ALL.iter().map(|c| c.as_str()).collect();
        let mut sorted = codes.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(codes, sorted);
        for code in ErrorCode::ALL {
            let heading = format!("# {code}: {}", code.title());
            assert_eq!(code.page().lines().next(), Some(heading.as_str()));
            for part in ["## What happened", "## What to do"] {
                assert!(code.page().contains(part), "{code} lacks `{part}`");
            }
            assert_eq!(ErrorCode::parse(code.as_str()), Some(*code));
        }
        assert_eq!(
            ErrorCode::parse("tdm-1001"),
            Some(ErrorCode::WORKLOAD_SYNTAX)
        );
        assert_eq!(ErrorCode::parse("1001"), Some(ErrorCode::WORKLOAD_SYNTAX));
        assert_eq!(ErrorCode::parse(""), None);
    }
}
