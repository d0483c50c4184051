use super::{Revision, Sha256Hex};
use crate::{InstanceId, PoolMemberId, Result, SessionId, Timestamp, WorkerId, runtime::RuntimeSpec, wire::wire_enum};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

wire_enum! {
    /// Where a member of a warm pool is in its life.
    PoolMemberState {
        /// Recorded; its instance is being made ready.
        Warming = "warming",
        /// Its instance waits for work.
        Ready = "ready",
        /// A session has it, and keeps it to its end.
        Claimed = "claimed",
        /// Found unhealthy: nobody may claim it, and it is looked at no more.
        Quarantined = "quarantined",
        /// Its instance is being removed.
        Draining = "draining",
        /// Its instance is gone. The record is deleted with the same change.
        Gone = "gone",
    }
}

impl PoolMemberState {
    /// Whether a member may go from this state to the other. A used one never becomes ready again.
    pub const fn allows(self, to: Self) -> bool {
        use PoolMemberState::{Claimed, Draining, Gone, Quarantined, Ready, Warming};
        matches!(
            (self, to),
            (Warming, Ready | Draining | Gone)
                | (Ready, Claimed | Quarantined | Draining | Gone)
                | (Claimed, Draining | Gone)
                | (Quarantined, Draining | Gone)
                | (Draining, Gone)
        )
    }
}

/// A pre-started instance of a warm pool (`slate_pool_members`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PoolMember {
    /// Its id; its instance carries it as a label.
    pub id: PoolMemberId,
    /// The pool's name.
    pub pool: String,
    /// What it is good for: the [`warm_hash`] of the specs that it can run.
    pub spec_hash: Sha256Hex,
    /// The kind of backend that runs it.
    pub backend: String,
    /// Its instance, once made.
    pub instance_id: Option<InstanceId>,
    /// Its state.
    pub state: PoolMemberState,
    /// The keeper that made it or took it over.
    pub owner: Option<WorkerId>,
    /// The session that has it.
    pub session_id: Option<SessionId>,
    /// The key under which it was claimed; no two claimed members have the same.
    pub claim_key: Option<String>,
    /// When it became ready.
    pub ready_at: Option<Timestamp>,
    /// When it was claimed.
    pub claimed_at: Option<Timestamp>,
    /// Why it was quarantined or drained, for people.
    pub reason: Option<String>,
    /// Its history.
    #[serde(flatten)]
    pub revision: Revision,
}

impl PoolMember {
    /// Most bytes of a pool's name and of a claim's key.
    pub const MAX_KEY: usize = 200;

    /// A member that is about to be warmed.
    pub fn new(pool: impl Into<String>, spec_hash: Sha256Hex, backend: impl Into<String>, now: Timestamp) -> Self {
        Self {
            id: PoolMemberId::new(),
            pool: pool.into(),
            spec_hash,
            backend: backend.into(),
            instance_id: None,
            state: PoolMemberState::Warming,
            owner: None,
            session_id: None,
            claim_key: None,
            ready_at: None,
            claimed_at: None,
            reason: None,
            revision: Revision::first(now),
        }
    }
}

/// The hash of all of a spec that is settled when its instance is made: image, limits, mounts, ports, network and the like.
/// What an instance is told when it is claimed (command, environment, working folder) and what names it (name, labels)
/// doesn't count. Specs of one hash can run in each other's instances.
///
/// # Errors
/// `Invalid` where the spec is no JSON, which none that was read from JSON is.
pub fn warm_hash(spec: &RuntimeSpec) -> Result<Sha256Hex> {
    let settled = RuntimeSpec {
        name: String::new(),
        command: Vec::new(),
        env: BTreeMap::new(),
        working_dir: None,
        labels: BTreeMap::new(),
        ..spec.clone()
    };
    Ok(Sha256Hex::of(&serde_json::to_vec(&settled)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::{MemorySize, VolumeMount};

    #[test]
    fn the_hash_is_of_what_is_settled_at_the_making() {
        let spec = RuntimeSpec::new("a", ["x"]).with_memory(MemorySize::from_mib(64));
        let hash = warm_hash(&spec).unwrap();
        let told = RuntimeSpec::new("b", ["y", "z"]).with_memory(MemorySize::from_mib(64)).with_env("A", "b");
        let told = told.with_secret("S", "t").with_working_dir("/w").with_label("l", "m");
        assert_eq!(warm_hash(&told).unwrap(), hash);
        for other in [
            spec.clone().with_memory(MemorySize::from_mib(65)),
            spec.clone().with_mount(VolumeMount::bind("/a", "/b")),
            spec.clone().with_pids(7),
            spec.with_image("busybox:1".parse().unwrap()),
        ] {
            assert_ne!(warm_hash(&other).unwrap(), hash, "{other:?}");
        }
    }

    #[test]
    fn a_used_member_is_never_ready_again() {
        use PoolMemberState::{Claimed, Draining, Gone, Quarantined, Ready};
        for from in [Claimed, Quarantined, Draining, Gone] {
            assert!(!from.allows(Ready) && !from.allows(Claimed), "{from}");
        }
        for &to in PoolMemberState::ALL {
            assert!(!Gone.allows(to));
        }
    }
}
