//! An agent and terms that tests start from.

use super::*;

pub(crate) const TTL_S: u64 = 30;
pub(crate) const ORPHAN_S: u64 = 900;

pub(crate) fn identity(kind: WorkloadKind) -> Identity {
    Identity {
        job: JobId::from_parts(1, &[1; 10]),
        epoch: Epoch(3),
        rank: 0,
        boot_id: BootId::from_parts(2, &[2; 10]),
        container: "box".to_owned(),
        agent_version: "0.1.0".to_owned(),
        kind,
    }
}

pub(crate) fn store() -> CheckpointStore {
    CheckpointStore {
        url: "file:///tmp/store".to_owned(),
        endpoint: None,
        region: None,
        access_key_id: None,
        secret_access_key: None,
        allow_http: false,
    }
}

pub(crate) fn terms() -> BindReply {
    BindReply {
        lease_ttl_ms: TTL_S * 1_000,
        heartbeat_interval_ms: 5_000,
        orphan_ttl_ms: ORPHAN_S * 1_000,
        exclusive: false,
        secrets: Default::default(),
        restore: None,
        checkpoint_store: Some(store()),
        probe: None,
    }
}
