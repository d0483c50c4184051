use super::{Hardening, judge::is_unprivileged};
use crate::{runtime::Cpus, wire::wire_enum};
use serde::Serialize;

/// What an engine says of a container that it made, in the engine's own words: the ground of an [`audit`].
///
/// A backend fills it from the engine's record, never from what it asked for. The default is a container that is held to
/// nothing, so that a limit which a backend forgets to fill in is found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct InspectedInstance {
    /// The user it runs as; empty is root.
    pub user: String,
    /// Whether it is in privileged mode.
    pub privileged: bool,
    /// Capabilities added.
    pub capabilities_added: Vec<String>,
    /// Capabilities dropped.
    pub capabilities_dropped: Vec<String>,
    /// Options of security, for example `no-new-privileges:true` or `seccomp=unconfined`.
    pub security_options: Vec<String>,
    /// Whether the image's files can't be written.
    pub read_only: bool,
    /// Whether an init reaps orphans.
    pub init: bool,
    /// Namespaces by name (`pid`, `ipc`, `uts`, `user`, `cgroup`, `network`) and whose they are: `host`, `container:…`, …
    pub namespaces: Vec<(&'static str, String)>,
    /// Devices of the host, rules for devices, and groups added.
    pub devices: Vec<String>,
    /// Kernel settings.
    pub kernel_settings: Vec<String>,
    /// Control group that it is put into instead of the engine's own.
    pub cgroup_parent: String,
    /// Whether the engine's masks over `/proc` and `/sys` were taken away.
    pub unmasked: bool,
    /// Containers whose files it shares.
    pub volumes_from: Vec<String>,
    /// What it sees of the host.
    pub mounts: Vec<InspectedMount>,
    /// Places where volumes lie that nobody asked for: the image's own, of any size.
    pub image_volumes: Vec<String>,
    /// Most memory in bytes; 0 is no limit.
    pub memory: u64,
    /// Most memory and swap in bytes; 0 or less is no limit.
    pub memory_and_swap: i64,
    /// Most processor time; 0 is no limit.
    pub cpus: Cpus,
    /// Most processes; 0 or less is no limit.
    pub pids: i64,
    /// Addresses of the host on which ports are published; empty is all of them.
    pub published_on: Vec<String>,
    /// Whether its log is bounded.
    pub log_bounded: bool,
}

/// A mount as the engine made it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InspectedMount {
    /// The host's path, or empty for volumes and memory.
    pub source: String,
    /// The container's path.
    pub target: String,
    /// Whether mounts made later travel in or out (`shared`, `slave`).
    pub propagates: bool,
}

wire_enum! {
    /// How bad a [`Finding`] is.
    Severity {
        /// A limit is missing; the host may suffer.
        Warning = "warning",
        /// The container may leave itself. A backend doesn't start it.
        Danger = "danger",
    }
}

/// Something of a container that isn't as it is held to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What of the container, for example `privileged`.
    pub subject: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

/// Folders of the host that nobody's container may see, nor what lies below.
const HOST_PATHS: [&str; 8] =
    ["/boot", "/dev", "/etc", "/proc", "/sys", "/var/lib/containerd", "/var/lib/docker", "/var/lib/kubelet"];

/// Sockets of engines; whoever speaks to one owns the host.
const ENGINE_SOCKETS: [&str; 5] = ["docker.sock", "containerd.sock", "crio.sock", "podman.sock", "dockershim.sock"];

/// Compares what an engine made with what every container is held to. Nothing is asked of anybody: the same record gives the
/// same findings, the worst first.
pub fn audit(made: &InspectedInstance, held_to: &Hardening) -> Vec<Finding> {
    let mut findings = Vec::new();
    privileges(made, held_to, &mut findings);
    surroundings(made, held_to, &mut findings);
    limits(made, held_to, &mut findings);
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

fn privileges(made: &InspectedInstance, held_to: &Hardening, findings: &mut Vec<Finding>) {
    let mut danger = |wrong: bool, subject, reason: &str| {
        if wrong {
            findings.push(Finding { severity: Severity::Danger, subject, reason: reason.to_owned() });
        }
    };
    danger(made.privileged, "privileged", "it is in privileged mode");
    let everything = made.capabilities_dropped.iter().any(|name| name.eq_ignore_ascii_case("all"));
    danger(!everything, "capabilities", "it keeps capabilities");
    let added = !made.capabilities_added.is_empty();
    danger(added, "capabilities", &format!("it got {}", made.capabilities_added.join(", ")));
    danger(
        !held_to.root_user && !is_unprivileged(&made.user),
        "user",
        "it runs as root, or as a name that may be root",
    );
    danger(held_to.read_only && !made.read_only, "readOnly", "the image's files can be written");
    let options = || made.security_options.iter().map(|option| option.replace('=', ":"));
    let kept = options().any(|option| matches!(option.as_str(), "no-new-privileges" | "no-new-privileges:true"));
    danger(!kept, "noNewPrivileges", "a set-uid program gains its owner's rights");
    let unconfined = |option: &String| option.ends_with(":unconfined") || option.as_str() == "label:disable";
    danger(options().any(|option| unconfined(&option)), "securityOptions", "a filter of the engine is switched off");
}

fn surroundings(made: &InspectedInstance, held_to: &Hardening, findings: &mut Vec<Finding>) {
    let mut danger = |wrong: bool, subject, reason: String| {
        if wrong {
            findings.push(Finding { severity: Severity::Danger, subject, reason });
        }
    };
    for (namespace, of) in &made.namespaces {
        let foreign = of == "host" || of.starts_with("container:") || of.starts_with("ns:");
        let granted = *namespace == "network" && of == "host" && held_to.host_network;
        danger(foreign && !granted, "namespaces", format!("its {namespace} namespace is {of}"));
    }
    danger(!made.devices.is_empty(), "devices", format!("it has {}", made.devices.join(", ")));
    danger(!made.kernel_settings.is_empty(), "kernelSettings", made.kernel_settings.join(", "));
    danger(!made.cgroup_parent.is_empty(), "cgroupParent", format!("it is put into {}", made.cgroup_parent));
    danger(made.unmasked, "masks", "it sees what the engine masks of /proc and /sys".into());
    danger(!made.volumes_from.is_empty(), "volumesFrom", format!("it shares {}", made.volumes_from.join(", ")));
    for mount in &made.mounts {
        let source = mount.source.trim_end_matches('/');
        let below = |root: &str| source == root || source.strip_prefix(root).is_some_and(|rest| rest.starts_with('/'));
        let whole = !mount.source.is_empty() && source.is_empty();
        let named = ENGINE_SOCKETS.iter().any(|name| source.rsplit('/').next() == Some(name));
        let forbidden = whole || named || HOST_PATHS.iter().any(|root| below(root));
        danger(forbidden, "mounts", format!("it sees {} at {}", mount.source, mount.target));
        danger(mount.propagates, "mounts", format!("mounts travel through {}", mount.target));
    }
}

fn limits(made: &InspectedInstance, held_to: &Hardening, findings: &mut Vec<Finding>) {
    let mut warning = |wrong: bool, subject, reason: &str| {
        if wrong {
            findings.push(Finding { severity: Severity::Warning, subject, reason: reason.to_owned() });
        }
    };
    warning(made.memory == 0, "memory", "nothing limits its memory");
    let swaps =
        made.memory > 0 && u64::try_from(made.memory_and_swap).map_or(true, |both| both == 0 || both > made.memory);
    warning(swaps, "swap", "it can swap beyond its memory");
    warning(made.cpus == Cpus::default(), "cpus", "nothing limits its processor time");
    warning(made.pids <= 0, "pids", "nothing limits its processes");
    let volumes = !made.image_volumes.is_empty();
    warning(volumes, "volumes", &format!("nothing limits the image's volume at {}", made.image_volumes.join(", ")));
    warning(!made.init, "init", "nobody reaps its orphans");
    warning(!made.log_bounded, "log", "its log may fill the disk");
    let everywhere = |on: &String| matches!(on.as_str(), "" | "0.0.0.0" | "::") && *on != held_to.publish_on;
    warning(made.published_on.iter().any(everywhere), "ports", "a port is published on every address of the host");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> InspectedInstance {
        InspectedInstance {
            user: "10001:10001".into(),
            capabilities_dropped: vec!["ALL".into()],
            security_options: vec!["no-new-privileges:true".into()],
            read_only: true,
            init: true,
            namespaces: vec![("pid", String::new()), ("ipc", "private".into()), ("network", "slate-p1".into())],
            mounts: vec![InspectedMount { source: "/srv/p".into(), target: "/project".into(), propagates: false }],
            memory: 1 << 30,
            memory_and_swap: 1 << 30,
            cpus: Cpus::cores(1),
            pids: 256,
            published_on: vec!["127.0.0.1".into()],
            log_bounded: true,
            ..InspectedInstance::default()
        }
    }

    #[test]
    fn a_hardened_container_has_no_findings() {
        assert_eq!(audit(&sound(), &Hardening::default()), []);
    }

    #[test]
    fn each_loosening_is_found() {
        use Severity::{Danger, Warning};
        let mount = |source: &str| InspectedMount { source: source.into(), ..InspectedMount::default() };
        type Change = Box<dyn Fn(&mut InspectedInstance)>;
        let mut cases: Vec<(Severity, &str, Change)> = vec![
            (Danger, "privileged", Box::new(|made| made.privileged = true)),
            (Danger, "capabilities", Box::new(|made| made.capabilities_dropped.clear())),
            (Danger, "capabilities", Box::new(|made| made.capabilities_added.push("SYS_ADMIN".into()))),
            (Danger, "user", Box::new(|made| made.user.clear())),
            (Danger, "user", Box::new(|made| made.user = "admin".into())),
            (Danger, "readOnly", Box::new(|made| made.read_only = false)),
            (Danger, "noNewPrivileges", Box::new(|made| made.security_options.clear())),
            (Danger, "securityOptions", Box::new(|made| made.security_options.push("seccomp=unconfined".into()))),
            (Danger, "securityOptions", Box::new(|made| made.security_options.push("apparmor:unconfined".into()))),
            (Danger, "devices", Box::new(|made| made.devices.push("/dev/sda".into()))),
            (Danger, "kernelSettings", Box::new(|made| made.kernel_settings.push("kernel.shmmax=1".into()))),
            (Danger, "cgroupParent", Box::new(|made| made.cgroup_parent = "/".into())),
            (Danger, "masks", Box::new(|made| made.unmasked = true)),
            (Danger, "volumesFrom", Box::new(|made| made.volumes_from.push("other".into()))),
            (Danger, "mounts", Box::new(|made| made.mounts[0].propagates = true)),
            (Warning, "memory", Box::new(|made| made.memory = 0)),
            (Warning, "swap", Box::new(|made| made.memory_and_swap = -1)),
            (Warning, "cpus", Box::new(|made| made.cpus = Cpus::default())),
            (Warning, "pids", Box::new(|made| made.pids = -1)),
            (Warning, "init", Box::new(|made| made.init = false)),
            (Warning, "volumes", Box::new(|made| made.image_volumes.push("/data".into()))),
            (Warning, "log", Box::new(|made| made.log_bounded = false)),
            (Warning, "ports", Box::new(|made| made.published_on.push("0.0.0.0".into()))),
        ];
        for namespace in ["pid", "ipc", "uts", "user", "cgroup", "network"] {
            cases.push((Danger, "namespaces", Box::new(move |made| made.namespaces.push((namespace, "host".into())))));
        }
        for source in
            ["/", "/etc", "/proc/1", "/dev/sda", "/var/run/docker.sock", "/x/containerd.sock", "/var/lib/docker/x"]
        {
            cases.push((Danger, "mounts", Box::new(move |made| made.mounts.push(mount(source)))));
        }
        for (index, (severity, subject, change)) in cases.iter().enumerate() {
            let mut made = sound();
            change(&mut made);
            let findings = audit(&made, &Hardening::default());
            assert_eq!(findings.len(), 1, "{index} {subject}: {findings:?}");
            assert_eq!((findings[0].severity, findings[0].subject), (*severity, *subject), "{index}");
        }
    }

    #[test]
    fn what_a_backend_forgets_is_found() {
        let findings = audit(&InspectedInstance::default(), &Hardening::default());
        assert!(findings.len() >= 9 && findings[0].severity == Severity::Danger, "{findings:?}");
    }

    #[test]
    fn what_the_operator_granted_is_no_finding() {
        let mut made = sound();
        made.user = "0:0".into();
        made.read_only = false;
        made.namespaces.push(("network", "host".into()));
        let granted = Hardening { root_user: true, read_only: false, host_network: true, ..Hardening::default() };
        assert_eq!(audit(&made, &granted), []);
        made.namespaces.push(("network", "container:other".into()));
        assert_eq!(audit(&made, &granted).len(), 1);
    }
}
