use super::{Hardening, ImagePattern, MountPolicy, NamePattern, PortRules, Verdict, judge};
use crate::{
    Result,
    runtime::{Cpus, MemorySize, RuntimeSpec},
    wire::wire_enum,
};
use serde::{Deserialize, Serialize};

/// What an operator grants to specs. A spec that asks for more is refused, at the door and again before its instance is made.
///
/// Plain data, and [`judge`](Self::judge) is a pure function: the same spec gets the same verdict anywhere. It stands before
/// [`Hardening`], which says what every container gets whatever its spec asks for; where both speak (root, the host's
/// network), both must grant.
///
/// A [`RuntimeSpec`] has no word for privileged mode, added capabilities, devices of the host, kernel settings, host
/// namespaces for processes, shared memory, names or users, filters of system calls, control groups, or another container's
/// files. There is no field through which an engine's own options pass, and an unknown field is refused when a spec is read.
/// What can't be said needs no rule here, and nothing grants it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[non_exhaustive]
pub struct SecurityPolicy {
    /// Images that may be run; default any. Backends without images take none.
    pub images: Option<Vec<ImagePattern>>,
    /// Whether an image must be named by its digest: a tag may be moved after it was approved. Default `false`.
    pub pinned_images: bool,
    /// Folders of the host that may be mounted; default none.
    pub mounts: MountPolicy,
    /// Volumes that may be mounted by name; default none, since the volumes of a backend are everybody's. Any where
    /// `mounts` is any.
    pub volumes: Vec<NamePattern>,
    /// Whether a display's socket of the host may be handed in, `/tmp/.X11-unix/X…` or
    /// `/run/user/…/wayland-…`, and nothing else;
    /// default `false`: whoever draws on a display can read its keyboard.
    pub displays: bool,
    /// Networks that may be named; default none. A project's own network is had without naming it.
    pub networks: Vec<NamePattern>,
    /// Whether the host's own network may be asked for; default `false`.
    pub host_network: bool,
    /// Whether user or group 0 may be named, or a user by name, which the image may translate to 0; default `false`.
    pub root_user: bool,
    /// Stronger isolations that may be named; default `runsc`. A runtime that isolates less is a runtime as well.
    pub isolation: Vec<NamePattern>,
    /// Whether a spec must name one of them; default `false`.
    pub isolation_required: bool,
    /// Access to graphics processors; default [`GpuGrant::Dedicated`], everything.
    pub gpu: GpuGrant,
    /// Ports of the host.
    pub ports: PortRules,
    /// Most memory; default 64 GiB. Quotas say what a user has in all.
    pub memory: MemorySize,
    /// Most processor time; default 64 cores.
    pub cpus: Cpus,
    /// Most processes and threads; default 8192.
    pub pids: u32,
    /// Most disk; default 1 TiB.
    pub disk: MemorySize,
    /// Environment variables that a spec may not set; default those that a device's runtime or the loader of a host's
    /// helper obeys (`NVIDIA_*`, `LD_PRELOAD`, `LD_AUDIT`), and SLATE's own (`SLATE_*`).
    pub refused_env: Vec<NamePattern>,
}

wire_enum! {
    /// How much of the graphics processors a policy grants; each includes those before it.
    GpuGrant {
        /// None.
        None = "none",
        /// Together with others.
        Shared = "shared",
        /// Devices for one instance alone.
        Dedicated = "dedicated",
    }
}

impl Default for SecurityPolicy {
    fn default() -> Self {
        Self {
            images: None,
            pinned_images: false,
            mounts: MountPolicy::none(),
            volumes: Vec::new(),
            displays: false,
            networks: Vec::new(),
            host_network: false,
            root_user: false,
            isolation: patterns(&["runsc"]),
            isolation_required: false,
            gpu: GpuGrant::Dedicated,
            ports: PortRules::default(),
            memory: MemorySize::from_gib(64),
            cpus: Cpus::cores(64),
            pids: 8192,
            disk: MemorySize::from_gib(1024),
            refused_env: patterns(&["NVIDIA_*", "LD_PRELOAD", "LD_AUDIT", "SLATE_*"]),
        }
    }
}

fn patterns(texts: &[&str]) -> Vec<NamePattern> {
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}

/// The default, with these mounts.
impl From<MountPolicy> for SecurityPolicy {
    fn from(mounts: MountPolicy) -> Self {
        Self { mounts, ..Self::default() }
    }
}

impl SecurityPolicy {
    /// Sets which images may be run.
    #[must_use]
    pub fn with_images(mut self, images: impl IntoIterator<Item = ImagePattern>) -> Self {
        self.images = Some(images.into_iter().collect());
        self
    }

    /// Sets whether images must be named by their digest.
    #[must_use]
    pub fn with_pinned_images(mut self, pinned: bool) -> Self {
        self.pinned_images = pinned;
        self
    }

    /// Sets which folders may be mounted.
    #[must_use]
    pub fn with_mounts(mut self, mounts: MountPolicy) -> Self {
        self.mounts = mounts;
        self
    }

    /// Sets which volumes may be mounted.
    #[must_use]
    pub fn with_volumes(mut self, volumes: impl IntoIterator<Item = NamePattern>) -> Self {
        self.volumes = volumes.into_iter().collect();
        self
    }

    /// Sets which networks may be named.
    #[must_use]
    pub fn with_networks(mut self, networks: impl IntoIterator<Item = NamePattern>) -> Self {
        self.networks = networks.into_iter().collect();
        self
    }

    /// Sets which ports of the host may be named.
    #[must_use]
    pub fn with_ports(mut self, ports: PortRules) -> Self {
        self.ports = ports;
        self
    }

    /// Sets which isolations may be named, and whether one must be.
    #[must_use]
    pub fn with_isolation(mut self, names: impl IntoIterator<Item = NamePattern>, required: bool) -> Self {
        (self.isolation, self.isolation_required) = (names.into_iter().collect(), required);
        self
    }

    /// Sets the most memory, processor time and processes of one instance.
    #[must_use]
    pub fn with_ceilings(mut self, memory: MemorySize, cpus: Cpus, pids: u32) -> Self {
        (self.memory, self.cpus, self.pids) = (memory, cpus, pids);
        self
    }

    /// The same for instances of one project: `{project}` in roots, volumes and networks stands for it.
    #[must_use]
    pub fn of_project(&self, project: impl std::fmt::Display) -> Self {
        let project = project.to_string();
        let fill = |patterns: &[NamePattern]| patterns.iter().map(|pattern| pattern.of_project(&project)).collect();
        Self {
            mounts: self.mounts.of_project(&project),
            volumes: fill(&self.volumes),
            networks: fill(&self.networks),
            ..self.clone()
        }
    }

    /// Everything that this spec asks for and that isn't granted. The spec's form is
    /// [`validate`](RuntimeSpec::validate)'s to check.
    ///
    /// The labels are judged as a user's: judge a spec before SLATE's own labels are added.
    pub fn judge(&self, spec: &RuntimeSpec) -> Verdict {
        judge::judge(self, spec)
    }

    /// Checks the spec's form and what it asks for.
    ///
    /// # Errors
    /// As [`RuntimeSpec::validate`]; `PermissionDenied` with the refusals.
    pub fn check(&self, spec: &RuntimeSpec) -> Result<()> {
        spec.validate()?;
        self.judge(spec).into_result()
    }

    /// Names a ceiling where the spec names nothing and would get more by [`Hardening`]'s defaults.
    pub fn tighten(&self, spec: &mut RuntimeSpec) {
        let usual = Hardening::default();
        if spec.memory.is_none() && self.memory < usual.memory {
            spec.memory = Some(self.memory);
        }
        if spec.cpus.is_none() && self.cpus < usual.cpus {
            spec.cpus = Some(self.cpus);
        }
        if spec.pids.is_none() && self.pids < usual.pids {
            spec.pids = Some(self.pids);
        }
    }
}
