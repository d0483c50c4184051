use super::{GpuGrant, MountPolicy, NamePattern, PortRules, SecurityPolicy};
use crate::{
    runtime::{Cpus, MemorySize},
    wire::wire_enum,
};
use std::collections::BTreeSet;

wire_enum! {
    /// The policies of seed 002. Each closes its own part; [`SecurityPolicy::of`] has them together.
    Preset {
        /// No root, no mount of the host unless roots are named, no volume, no display. Files of the image that can't be written and no
        /// privileged mode are [`Hardening`](super::Hardening)'s, and hold for every container.
        BasicIsolation = "basic-isolation",
        /// At most 1 GiB of memory, half a core, 256 processes and 10 GiB of disk for one instance.
        ResourceLimits = "resource-limits",
        /// No named port below 1024 and none by which hosts and clusters are governed, no host network, no foreign network.
        NetworkRestrictions = "network-restrictions",
    }
}

impl SecurityPolicy {
    /// Grants everything that a spec can ask for, except SLATE's own labels and sockets that are no display's: what
    /// [`with_preset`](Self::with_preset) starts from, and for programs that one wrote oneself.
    pub fn open() -> Self {
        let all = || "*".parse::<NamePattern>().into_iter().collect::<Vec<_>>();
        Self {
            images: None,
            pinned_images: false,
            mounts: MountPolicy::any(),
            volumes: all(),
            displays: true,
            networks: all(),
            host_network: true,
            root_user: true,
            isolation: all(),
            gpu: GpuGrant::Dedicated,
            ports: PortRules::any(),
            memory: MemorySize::from_bytes(u64::MAX),
            cpus: Cpus::from_millis(u32::MAX),
            pids: u32::MAX,
            disk: MemorySize::from_bytes(u64::MAX),
            refused_env: Vec::new(),
            ..Self::default()
        }
    }

    /// Seed 002's policies together, each as strict as the seed has it: `SecurityPolicy::of(Preset::ALL)` is all three.
    pub fn of<'a>(presets: impl IntoIterator<Item = &'a Preset>) -> Self {
        presets.into_iter().fold(Self::open(), |policy, preset| policy.with_preset(*preset))
    }

    /// Closes what the preset closes, and leaves the rest as it is. Nothing is opened by it.
    #[must_use]
    pub fn with_preset(mut self, preset: Preset) -> Self {
        let strict = Self::default();
        match preset {
            Preset::BasicIsolation => {
                if self.mounts.is_any() {
                    self.mounts = MountPolicy::none();
                }
                self.volumes.clear();
                self.root_user = false;
                self.displays = false;
                let known: BTreeSet<_> = self.refused_env.drain(..).chain(strict.refused_env).collect();
                self.refused_env = known.into_iter().collect();
            }
            Preset::ResourceLimits => {
                self.memory = self.memory.min(MemorySize::from_gib(1));
                self.cpus = self.cpus.min(Cpus::from_millis(500));
                self.pids = self.pids.min(256);
                self.disk = self.disk.min(MemorySize::from_gib(10));
            }
            Preset::NetworkRestrictions => {
                self.host_network = false;
                self.networks.clear();
                self.ports.lowest = self.ports.lowest.max(strict.ports.lowest);
                self.ports.blocked.extend(strict.ports.blocked);
            }
        }
        self
    }
}
