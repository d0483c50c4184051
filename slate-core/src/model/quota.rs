use super::Revision;
use crate::{
    UserId,
    runtime::{Cpus, MemorySize, RuntimeSpec},
};
use serde::{Deserialize, Serialize};

/// What a user may hold at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QuotaLimits {
    /// Sessions that haven't ended.
    pub max_containers: u32,
    /// Memory of those together.
    pub max_memory: MemorySize,
    /// Processor time of those together.
    pub max_cpu: Cpus,
    /// Stored bytes.
    pub max_storage: MemorySize,
}

impl Default for QuotaLimits {
    /// The seeds' defaults: 5 containers, 2 GiB, 50 per cent of a core, 10 GiB.
    fn default() -> Self {
        Self {
            max_containers: 5,
            max_memory: MemorySize::from_gib(2),
            max_cpu: Cpus::from_millis(500),
            max_storage: MemorySize::from_gib(10),
        }
    }
}

/// What is held of a quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QuotaUsage {
    /// Sessions.
    pub containers: u32,
    /// Bytes of memory.
    pub memory: u64,
    /// Thousandths of a core.
    pub cpu_millis: u64,
    /// Stored bytes.
    pub storage: u64,
}

impl QuotaUsage {
    /// What a session with this spec holds; a limit that isn't set counts as nothing.
    pub fn of_spec(spec: &RuntimeSpec) -> Self {
        Self {
            containers: 1,
            memory: spec.memory.map_or(0, MemorySize::bytes),
            cpu_millis: spec.cpus.map_or(0, |cpus| u64::from(cpus.millis())),
            storage: spec.disk.map_or(0, MemorySize::bytes),
        }
    }

    /// Both together; saturates.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            containers: self.containers.saturating_add(other.containers),
            memory: self.memory.saturating_add(other.memory),
            cpu_millis: self.cpu_millis.saturating_add(other.cpu_millis),
            storage: self.storage.saturating_add(other.storage),
        }
    }

    /// This without the other; nothing falls below zero.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self {
            containers: self.containers.saturating_sub(other.containers),
            memory: self.memory.saturating_sub(other.memory),
            cpu_millis: self.cpu_millis.saturating_sub(other.cpu_millis),
            storage: self.storage.saturating_sub(other.storage),
        }
    }

    /// The first limit that this is over, by name.
    pub fn over(&self, limits: &QuotaLimits) -> Option<&'static str> {
        [
            ("maxContainers", self.containers > limits.max_containers),
            ("maxMemory", self.memory > limits.max_memory.bytes()),
            ("maxCpu", self.cpu_millis > u64::from(limits.max_cpu.millis())),
            ("maxStorage", self.storage > limits.max_storage.bytes()),
        ]
        .into_iter()
        .find_map(|(name, over)| over.then_some(name))
    }
}

/// A user's quota (`slate_user_quotas`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserQuota {
    /// The user.
    pub user_id: UserId,
    /// What the user may hold.
    #[serde(flatten)]
    pub limits: QuotaLimits,
    /// What the user holds.
    pub used: QuotaUsage,
    /// Its history.
    #[serde(flatten)]
    pub revision: Revision,
}
