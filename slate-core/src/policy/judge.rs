//! The rules, one function for each part of a spec.

use super::{GpuGrant, SecurityPolicy, Verdict};
use crate::runtime::{Gpu, ImageVersion, MountType, NetworkMode, RuntimeSpec};

/// The beginning of the labels that are SLATE's own.
const RESERVED: &str = "slate.";

pub(super) fn judge(policy: &SecurityPolicy, spec: &RuntimeSpec) -> Verdict {
    let mut verdict = Verdict::default();
    image(policy, spec, &mut verdict);
    environment(policy, spec, &mut verdict);
    ports(policy, spec, &mut verdict);
    mounts(policy, spec, &mut verdict);
    amounts(policy, spec, &mut verdict);
    graphics(policy, spec, &mut verdict);
    network(policy, spec, &mut verdict);
    identity(policy, spec, &mut verdict);
    verdict
}

/// Whether `user` is for certain nobody special: numbers, and neither user nor group 0. A name is the image's to translate,
/// and an empty one is root for engines.
pub fn is_unprivileged(user: &str) -> bool {
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u32>().is_ok_and(|id| id > 0);
    let (user, group) = user.split_once(':').map_or((user, None), |(user, group)| (user, Some(group)));
    number(user) && group.is_none_or(number)
}

fn image(policy: &SecurityPolicy, spec: &RuntimeSpec, verdict: &mut Verdict) {
    let Some(image) = &spec.image else { return };
    if let Some(allowed) = &policy.images
        && !allowed.iter().any(|pattern| pattern.matches(image))
    {
        let reason = format!("{image} is not on the list of images");
        verdict.refuse("image", reason, Some(format!("images: {}", image.repository())));
    }
    if policy.pinned_images && !matches!(image.version(), ImageVersion::Digest(_)) {
        let reason = format!("{image} is a tag, which may be moved: name the image by its digest");
        verdict.refuse("image", reason, Some("pinnedImages: false".into()));
    }
}

fn environment(policy: &SecurityPolicy, spec: &RuntimeSpec, verdict: &mut Verdict) {
    for name in spec.env.keys() {
        if let Some(pattern) = policy.refused_env.iter().find(|pattern| pattern.matches(name)) {
            let reason = "this variable changes more than the program";
            verdict.refuse(format!("env.{name}"), reason, Some(format!("refusedEnv without {pattern}")));
        }
    }
}

fn ports(policy: &SecurityPolicy, spec: &RuntimeSpec, verdict: &mut Verdict) {
    for (index, port) in spec.ports.iter().enumerate() {
        if !policy.ports.publish {
            let reason = "ports may not be published";
            verdict.refuse(format!("ports[{index}]"), reason, Some("ports.publish: true".into()));
        } else if let Some((reason, grant)) = port.host.and_then(|port| policy.ports.refusal(port)) {
            verdict.refuse(format!("ports[{index}].host"), reason, Some(grant));
        }
    }
}

fn mounts(policy: &SecurityPolicy, spec: &RuntimeSpec, verdict: &mut Verdict) {
    for (index, mount) in spec.mounts.iter().enumerate() {
        let path = || format!("mounts[{index}].hostPath");
        match mount.kind {
            MountType::Bind if !policy.mounts.allows(&mount.host_path) => {
                let shown = mount.host_path.escape_debug();
                let reason = format!("{shown} lies under no allowed root ({})", policy.mounts.describe());
                // `/` and paths with `..` are never a root.
                let root = super::MountPolicy::none().with_root(&mount.host_path).is_ok();
                verdict.refuse(path(), reason, root.then(|| format!("mounts: {shown}")));
            }
            MountType::Volume
                if !policy.mounts.is_any() && !policy.volumes.iter().any(|name| name.matches(&mount.host_path)) =>
            {
                let reason = format!("the volume {} is not granted", mount.host_path.escape_debug());
                verdict.refuse(path(), reason, Some(format!("volumes: {}", mount.host_path.escape_debug())));
            }
            _ => {}
        }
    }
    let Some(socket) = spec.display.as_ref().and_then(|display| display.socket_path.as_ref()) else { return };
    if !is_display_socket(socket) {
        let reason = "a display's socket is /tmp/.X11-unix/X… or /run/user/…/wayland-…";
        verdict.refuse("display.socketPath", reason, None);
    } else if !policy.displays {
        let reason = "a display of the host is not granted";
        verdict.refuse("display.socketPath", reason, Some("displays: true".into()));
    }
}

/// Whether `path` is where a display's socket lies: `/tmp/.X11-unix/X…` or `/run/user/…/wayland-…`. No other socket of the
/// host is handed in as a display's.
pub fn is_display_socket(path: &str) -> bool {
    let digits = |text: &str| (1..=10).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let x11 = path.strip_prefix("/tmp/.X11-unix/X").is_some_and(digits);
    let wayland = path.strip_prefix("/run/user/").and_then(|rest| rest.split_once('/')).is_some_and(|(user, name)| {
        digits(user)
            && name.strip_prefix("wayland-").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_alphanumeric()))
    });
    x11 || wayland
}

fn amounts(policy: &SecurityPolicy, spec: &RuntimeSpec, verdict: &mut Verdict) {
    let mut ceiling = |field: &str, asked: Option<String>, most: String| {
        if let Some(asked) = asked {
            let reason = format!("{asked} is more than {most}");
            verdict.refuse(field, reason, Some(format!("{field}: {asked}")));
        }
    };
    let over = |size: Option<crate::runtime::MemorySize>, most| size.filter(|size| *size > most);
    ceiling("memory", over(spec.memory, policy.memory).map(|size| size.to_string()), policy.memory.to_string());
    ceiling("cpus", spec.cpus.filter(|cpus| *cpus > policy.cpus).map(|cpus| cpus.to_string()), policy.cpus.to_string());
    ceiling("pids", spec.pids.filter(|pids| *pids > policy.pids).map(|pids| pids.to_string()), policy.pids.to_string());
    ceiling("disk", over(spec.disk, policy.disk).map(|size| size.to_string()), policy.disk.to_string());
}

fn graphics(policy: &SecurityPolicy, spec: &RuntimeSpec, verdict: &mut Verdict) {
    let asked = match spec.gpu {
        Gpu::None => GpuGrant::None,
        Gpu::Shared => GpuGrant::Shared,
        Gpu::Dedicated { .. } => GpuGrant::Dedicated,
    };
    if asked > policy.gpu {
        verdict.refuse("gpu", format!("{asked} is more than {}", policy.gpu), Some(format!("gpu: {asked}")));
    }
}

fn network(policy: &SecurityPolicy, spec: &RuntimeSpec, verdict: &mut Verdict) {
    match &spec.network {
        NetworkMode::Host if !policy.host_network => {
            verdict.refuse("network", "the host's own network is not granted", Some("hostNetwork: true".into()));
        }
        // An engine's words for namespaces of the host or of another container.
        NetworkMode::Named(name) if matches!(name.as_str(), "host" | "bridge" | "default" | "none") => {
            verdict.refuse("network", format!("{name} is no network of its own"), None);
        }
        NetworkMode::Named(name) if name.contains([':', '/']) => {
            verdict.refuse("network", "another namespace can't be joined", None);
        }
        NetworkMode::Named(name) if !policy.networks.iter().any(|pattern| pattern.matches(name)) => {
            let shown = name.escape_debug();
            let reason = format!("the network {shown} is not granted");
            verdict.refuse("network", reason, Some(format!("networks: {shown}")));
        }
        _ => {}
    }
}

fn identity(policy: &SecurityPolicy, spec: &RuntimeSpec, verdict: &mut Verdict) {
    if let Some(user) = spec.user.as_ref().filter(|user| !policy.root_user && !is_unprivileged(user)) {
        let reason = format!("{} is root or may be: name a uid, or uid:gid, other than 0", user.escape_debug());
        verdict.refuse("user", reason, Some("rootUser: true".into()));
    }
    for key in spec.labels.keys().filter(|key| key.to_ascii_lowercase().starts_with(RESERVED)) {
        let reason = "labels that begin with `slate.` are SLATE's own: instances are found and owned by them";
        verdict.refuse(format!("labels.{key}"), reason, None);
    }
    match &spec.isolation {
        Some(name) if !policy.isolation.iter().any(|pattern| pattern.matches(name)) => {
            let shown = name.escape_debug();
            verdict.refuse("isolation", format!("{shown} is not granted"), Some(format!("isolation: {shown}")));
        }
        None if policy.isolation_required => {
            let known: Vec<_> = policy.isolation.iter().map(ToString::to_string).collect();
            let reason = format!("a spec must name an isolation: {}", known.join(", "));
            verdict.refuse("isolation", reason, Some("isolationRequired: false".into()));
        }
        _ => {}
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
