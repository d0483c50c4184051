//! What the engine made, held against what every container is held to.

use crate::{DockerBackend, backend::Shared, error::PLACE};
use bollard::models::{ContainerInspectResponse, DeviceMapping, HostConfig, MountPoint};
use slate_core::{
    Error, InstanceId, Result,
    policy::{Finding, Hardening, InspectedInstance, InspectedMount, Severity, audit},
    runtime::Cpus,
};

impl DockerBackend {
    /// Compares an instance, as the engine has made it, with what this backend holds containers to; the worst comes first.
    /// Nothing is found of one that the backend made and that nobody changed.
    ///
    /// # Errors
    /// `NotFound`; `Unavailable` and the like.
    pub async fn audit(&self, id: &InstanceId) -> Result<Vec<Finding>> {
        let container = Shared::owned(&self.0, id.as_str()).await.map_err(|error| error.at(PLACE, "audit"))?;
        Ok(audit(&inspected(&container), &self.0.options.hardening))
    }
}

/// Refuses a container that the engine made otherwise than it was asked to, or that somebody else made in this realm's name.
pub(crate) fn refuse_dangers(container: &ContainerInspectResponse, hardening: &Hardening) -> Result<()> {
    let findings = audit(&inspected(container), hardening);
    let mut dangers = findings.into_iter().filter(|finding| finding.severity == Severity::Danger).peekable();
    if dangers.peek().is_none() {
        return Ok(());
    }
    let error = Error::permission_denied("this container isn't held to what it must be, and is not started");
    Err(dangers.take(8).fold(error, |error, finding| error.with(finding.subject, finding.reason)))
}

fn inspected(container: &ContainerInspectResponse) -> InspectedInstance {
    let nothing = HostConfig::default();
    let host = container.host_config.as_ref().unwrap_or(&nothing);
    let list = |of: &Option<Vec<String>>| of.clone().unwrap_or_default();
    let text = |of: &Option<String>| of.clone().unwrap_or_default();
    let empty = |of: &Option<Vec<String>>| of.as_ref().is_some_and(Vec::is_empty);
    let mut made = InspectedInstance::default();
    made.user = container.config.as_ref().map(|config| text(&config.user)).unwrap_or_default();
    made.privileged = host.privileged.unwrap_or_default();
    made.capabilities_added = list(&host.cap_add);
    made.capabilities_dropped = list(&host.cap_drop);
    made.security_options = list(&host.security_opt);
    made.read_only = host.readonly_rootfs.unwrap_or_default();
    made.init = host.init.unwrap_or_default();
    made.namespaces = vec![
        ("pid", text(&host.pid_mode)),
        ("ipc", text(&host.ipc_mode)),
        ("uts", text(&host.uts_mode)),
        ("user", text(&host.userns_mode)),
        ("cgroup", host.cgroupns_mode.map(|mode| mode.to_string()).unwrap_or_default()),
        ("network", text(&host.network_mode)),
    ];
    made.devices = host.devices.iter().flatten().map(device).collect();
    made.devices.extend(list(&host.device_cgroup_rules));
    made.devices.extend(list(&host.group_add).into_iter().map(|group| format!("group {group}")));
    made.kernel_settings = host.sysctls.iter().flatten().map(|(key, value)| format!("{key}={value}")).collect();
    made.cgroup_parent = text(&host.cgroup_parent);
    made.unmasked = empty(&host.masked_paths) || empty(&host.readonly_paths);
    made.volumes_from = list(&host.volumes_from);
    made.mounts = container.mounts.iter().flatten().map(mount).collect();
    made.image_volumes = container.mounts.iter().flatten().filter_map(image_volume).collect();
    let positive = |of: Option<i64>| of.and_then(|of| u64::try_from(of).ok()).unwrap_or_default();
    made.memory = positive(host.memory);
    made.memory_and_swap = host.memory_swap.unwrap_or_default();
    made.cpus = Cpus::from_millis(u32::try_from(positive(host.nano_cpus) / 1_000_000).unwrap_or(u32::MAX));
    made.pids = host.pids_limit.unwrap_or_default();
    let bindings = host.port_bindings.iter().flatten().filter_map(|(_, bindings)| bindings.as_ref()).flatten();
    made.published_on = bindings.map(|binding| text(&binding.host_ip)).collect();
    let log = host.log_config.as_ref();
    let none = log.and_then(|log| log.typ.as_deref()) == Some("none");
    let sized = log.and_then(|log| log.config.as_ref()).is_some_and(|config| config.contains_key("max-size"));
    made.log_bounded = none || sized;
    made
}

fn device(device: &DeviceMapping) -> String {
    device.path_on_host.clone().unwrap_or_else(|| "a device".into())
}

/// The place of a volume that the engine named itself: its name is a hash.
fn image_volume(of: &MountPoint) -> Option<String> {
    let hash = |name: &&String| name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit());
    of.name.as_ref().filter(hash).map(|_| of.destination.clone().unwrap_or_default())
}

fn mount(of: &MountPoint) -> InspectedMount {
    let bind = of.typ.as_deref() == Some("bind");
    let propagation = of.propagation.as_deref().unwrap_or_default();
    InspectedMount {
        source: of.source.clone().filter(|_| bind).unwrap_or_default(),
        target: of.destination.clone().unwrap_or_default(),
        propagates: propagation.contains("shared") || propagation.contains("slave"),
    }
}
