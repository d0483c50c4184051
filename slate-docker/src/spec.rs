//! From a spec to the engine's words: pure, so that what a container is held to is seen in tests without an engine.

use crate::{DockerOptions, LogLimits, binds::STAGED, network::NetworkPlan, resident::WAITS_BY};
use bollard::models::{
    ContainerCreateBody, DeviceRequest, HealthConfig, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig,
    Mount, MountBindOptions, MountBindOptionsPropagationEnum, MountType as EngineMountType, PortBinding, PortMap,
    ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum,
};
use slate_core::{
    Error, Result,
    policy::{Hardening, Scratch, is_unprivileged},
    runtime::{
        Cpus, DisplayMethod, EnvValue, Gpu, HealthCheck, HealthProbe, MemorySize, MountMode, MountType, RuntimeSpec,
        VolumeMount,
    },
};
use std::collections::{BTreeMap, HashMap};

/// The label by which a backend knows what is its own.
pub(crate) const REALM: &str = "slate.realm";

/// What an engine's host has, as far as it bears on a container's limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EngineHost {
    /// Its processors.
    pub cpus: Cpus,
    /// Whether its storage can limit what a container writes.
    pub disk_limit: bool,
}

impl EngineHost {
    /// A host with so many processors and no disk limit.
    pub fn new(cpus: Cpus) -> Self {
        Self { cpus, disk_limit: false }
    }

    /// Sets whether its storage can limit what a container writes.
    #[must_use]
    pub fn with_disk_limit(mut self, disk_limit: bool) -> Self {
        self.disk_limit = disk_limit;
        self
    }
}

/// The body of the engine's request to create a container of `spec`, as JSON: for audits and tests. It holds the
/// environment with its secrets.
///
/// # Errors
/// As [`RuntimeSpec::validate`]; `PermissionDenied` where the spec asks for what the hardening doesn't grant.
pub fn request_body(spec: &RuntimeSpec, options: &DockerOptions, host: EngineHost) -> Result<serde_json::Value> {
    Ok(serde_json::to_value(container_body(spec, options, host)?)?)
}

/// The typed form of [`request_body`].
pub(crate) fn container_body(
    spec: &RuntimeSpec,
    options: &DockerOptions,
    host: EngineHost,
) -> Result<ContainerCreateBody> {
    spec.validate()?;
    let hardening = &options.hardening;
    let image =
        spec.image.as_ref().ok_or_else(|| Error::invalid("a container is made of an image: the spec names none"))?;
    if let Some(label) = [REALM, STAGED, WAITS_BY].into_iter().find(|label| spec.labels.contains_key(*label)) {
        return Err(Error::permission_denied("this label is the backend's own").with("label", label));
    }
    // Newer engines take a path to a program of the host for a runtime's name.
    if spec
        .isolation
        .as_ref()
        .is_some_and(|name| !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)))
    {
        return Err(Error::invalid("an isolation is the name of one of the engine's runtimes"));
    }
    let user = user(spec, hardening)?;
    let mut labels: HashMap<_, _> = spec.labels.clone().into_iter().collect();
    labels.insert(REALM.into(), options.realm.clone());
    let mut words = spec.command.iter().cloned();
    let entrypoint = words.next().map(|program| vec![program]);
    Ok(ContainerCreateBody {
        image: Some(image.to_string()),
        cmd: entrypoint.is_some().then(|| words.collect()),
        entrypoint,
        env: Some(environment(spec)?),
        user: Some(user.clone()),
        working_dir: spec.working_dir.clone(),
        labels: Some(labels),
        healthcheck: Some(spec.health.as_ref().map_or_else(no_health_check, health_check)),
        exposed_ports: (!spec.ports.is_empty())
            .then(|| spec.ports.iter().map(|port| format!("{}/{}", port.container, port.protocol)).collect()),
        host_config: Some(host_config(spec, options, host, &user)?),
        ..ContainerCreateBody::default()
    })
}

fn host_config(spec: &RuntimeSpec, options: &DockerOptions, host: EngineHost, user: &str) -> Result<HostConfig> {
    let hardening = &options.hardening;
    let memory = engine_number(spec.memory.unwrap_or(hardening.memory));
    let cpus = spec.cpus.unwrap_or(hardening.cpus).min(host.cpus);
    let mut tmpfs: HashMap<_, _> =
        hardening.scratch.iter().map(|scratch| (scratch.path.clone(), tmpfs_options(scratch, user))).collect();
    let memory_mounts = spec.mounts.iter().filter(|mount| mount.kind == MountType::Tmpfs);
    tmpfs.extend(memory_mounts.map(|mount| {
        let size = hardening.scratch.first().map_or(hardening.shared_memory, |scratch| scratch.size);
        (mount.container_path.clone(), tmpfs_options(&Scratch::new(mount.container_path.clone(), size), user))
    }));
    // A mount of the spec wins over a scratch folder of the same path: the engine refuses both at once.
    for mount in spec.mounts.iter().filter(|mount| mount.kind != MountType::Tmpfs) {
        tmpfs.remove(mount.container_path.trim_end_matches('/'));
    }
    let disk = spec.disk.filter(|_| host.disk_limit);
    Ok(HostConfig {
        // Who may do what.
        cap_drop: Some(vec!["ALL".into()]),
        security_opt: Some(vec!["no-new-privileges:true".into()]),
        privileged: Some(false),
        readonly_rootfs: Some(hardening.read_only),
        tmpfs: Some(tmpfs),
        mounts: Some(mounts(spec, &options.realm)),
        device_requests: device_requests(&spec.gpu, &options.gpu_driver),
        runtime: spec.isolation.clone(),
        // Namespaces of its own, with an init that reaps and forwards signals.
        init: Some(true),
        ipc_mode: Some("private".into()),
        cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
        network_mode: Some(NetworkPlan::of(spec, hardening, &options.realm)?.mode().to_owned()),
        port_bindings: port_bindings(spec, hardening),
        publish_all_ports: Some(false),
        // How much.
        memory: Some(memory),
        memory_swap: Some(memory),
        nano_cpus: Some(i64::from(cpus.millis()) * 1_000_000),
        pids_limit: Some(i64::from(spec.pids.unwrap_or(hardening.pids))),
        shm_size: Some(engine_number(hardening.shared_memory)),
        ulimits: Some(vec![ulimit("nofile", i64::from(hardening.open_files)), ulimit("core", 0)]),
        oom_score_adj: Some(i64::from(hardening.oom_score.min(1000))),
        storage_opt: disk.map(|size| HashMap::from([("size".into(), size.bytes().to_string())])),
        log_config: Some(log_config(options.log)),
        // SLATE decides about restarts and removal.
        restart_policy: Some(RestartPolicy { name: Some(RestartPolicyNameEnum::NO), maximum_retry_count: None }),
        auto_remove: Some(false),
        ..HostConfig::default()
    })
}

/// Puts a scratch folder in the place of each volume that the image declares: the engine would make volumes of any size,
/// which the image may let everybody write to. Where the spec mounts something there, that stays.
pub(crate) fn cover_volumes(body: &mut ContainerCreateBody, volumes: &[String], hardening: &Hardening) {
    let user = body.user.clone().unwrap_or_default();
    let Some(host) = body.host_config.as_mut().filter(|_| hardening.read_only) else { return };
    let mounted = |path: &str| {
        let targets = host.mounts.iter().flatten().filter_map(|mount| mount.target.as_deref());
        let folders = host.tmpfs.iter().flatten().map(|(folder, _)| folder.as_str());
        targets.chain(folders).any(|there| there.trim_end_matches('/') == path.trim_end_matches('/'))
    };
    let size = hardening.scratch.first().map_or(hardening.shared_memory, |scratch| scratch.size);
    let open: Vec<_> = volumes.iter().filter(|path| !mounted(path)).cloned().collect();
    let tmpfs = host.tmpfs.get_or_insert_default();
    tmpfs.extend(open.into_iter().map(|path| {
        let options = tmpfs_options(&Scratch::new(path.clone(), size), &user);
        (path, options)
    }));
}

/// A size as the engine counts, which takes a negative one for no limit.
fn engine_number(size: MemorySize) -> i64 {
    i64::try_from(size.bytes()).unwrap_or(i64::MAX)
}

fn user(spec: &RuntimeSpec, hardening: &Hardening) -> Result<String> {
    let user = spec.user.clone().unwrap_or_else(|| hardening.user.clone());
    if !hardening.root_user && !is_unprivileged(&user) {
        let error = Error::permission_denied("a program runs as a uid, or uid:gid, other than 0: a name may be root");
        return Err(error.with("user", user.escape_debug()));
    }
    Ok(user)
}

fn environment(spec: &RuntimeSpec) -> Result<Vec<String>> {
    let mut env: BTreeMap<&str, &str> =
        spec.env.iter().map(|(name, value)| (name.as_str(), EnvValue::expose(value))).collect();
    if let Some(display) = &spec.display {
        if display.auth_token.is_some() {
            return Err(Error::unsupported("a display's token is handed over as a mounted cookie file"));
        }
        match display.method {
            DisplayMethod::X11 => env.insert("DISPLAY", &display.display_id),
            _ => env.insert("WAYLAND_DISPLAY", &display.display_id),
        };
        if display.method == DisplayMethod::Wayland
            && let Some((folder, _)) = display.socket_path.as_deref().and_then(|path| path.rsplit_once('/'))
        {
            env.insert("XDG_RUNTIME_DIR", folder);
        }
    }
    Ok(env.into_iter().map(|(name, value)| format!("{name}={value}")).collect())
}

fn tmpfs_options(scratch: &Scratch, user: &str) -> String {
    // The engine ignores `mode` over a folder that the image has; owner and group always hold.
    let mut ids = user.split(':').map(|id| id.parse::<u32>().ok());
    let (uid, gid) = (ids.next().flatten(), ids.next().flatten());
    let owner = match (uid, gid) {
        (Some(uid), Some(gid)) => format!(",uid={uid},gid={gid}"),
        (Some(uid), None) => format!(",uid={uid}"),
        _ => String::new(),
    };
    let exec = if scratch.executable { "exec" } else { "noexec" };
    format!("rw,nosuid,nodev,{exec},size={},mode=1777{owner}", scratch.size.bytes())
}

fn mounts(spec: &RuntimeSpec, realm: &str) -> Vec<Mount> {
    let socket = spec.display.as_ref().and_then(|display| display.socket_path.as_ref());
    let socket = socket.map(|path| VolumeMount::bind(path.clone(), path.clone()).read_only());
    spec.mounts
        .iter()
        .chain(&socket)
        .filter(|mount| mount.kind != MountType::Tmpfs)
        .map(|of| mount(of, realm))
        .collect()
}

/// The engine's name of a realm's volume: one realm can't name another one's.
pub(crate) fn volume_name(realm: &str, name: &str) -> String {
    format!("{realm}-{name}")
}

fn mount(mount: &VolumeMount, realm: &str) -> Mount {
    let bind = mount.kind == MountType::Bind;
    let source = if bind { mount.host_path.clone() } else { volume_name(realm, &mount.host_path) };
    Mount {
        target: Some(mount.container_path.clone()),
        source: Some(source),
        typ: Some(if bind { EngineMountType::BIND } else { EngineMountType::VOLUME }),
        read_only: Some(mount.mode == MountMode::Ro),
        bind_options: bind.then(|| MountBindOptions {
            propagation: Some(MountBindOptionsPropagationEnum::RPRIVATE),
            ..MountBindOptions::default()
        }),
        ..Mount::default()
    }
}

fn device_requests(gpu: &Gpu, driver: &str) -> Option<Vec<DeviceRequest>> {
    let (count, device_ids) = match gpu {
        Gpu::None => return None,
        Gpu::Dedicated { devices } => (None, Some(devices.clone())),
        _ => (Some(-1), None),
    };
    let capabilities = ["gpu", "graphics", "video", "display", "compute", "utility"].map(str::to_owned).to_vec();
    // A CDI device carries its capabilities in its own description.
    let capabilities = (driver != "cdi").then(|| vec![capabilities]);
    let driver = Some(driver.to_owned());
    Some(vec![DeviceRequest { driver, count, device_ids, capabilities, options: None }])
}

fn port_bindings(spec: &RuntimeSpec, hardening: &Hardening) -> Option<PortMap> {
    let mut map = PortMap::new();
    for port in &spec.ports {
        let binding = PortBinding {
            host_ip: Some(hardening.publish_on.clone()),
            host_port: Some(port.host.map_or_else(String::new, |port| port.to_string())),
        };
        let bindings = map.entry(format!("{}/{}", port.container, port.protocol)).or_default();
        bindings.get_or_insert_default().push(binding);
    }
    (!map.is_empty()).then_some(map)
}

fn ulimit(name: &str, most: i64) -> ResourcesUlimits {
    ResourcesUlimits { name: Some(name.into()), soft: Some(most), hard: Some(most) }
}

fn log_config(limits: LogLimits) -> HostConfigLogConfig {
    let config = [("max-size", limits.file.bytes().to_string()), ("max-file", limits.files.to_string())];
    HostConfigLogConfig {
        typ: Some("json-file".into()),
        config: Some(config.map(|(key, value)| (key.to_owned(), value)).into()),
    }
}

/// An image's own check would run a command that nobody asked for.
fn no_health_check() -> HealthConfig {
    HealthConfig { test: Some(vec!["NONE".into()]), ..HealthConfig::default() }
}

fn health_check(check: &HealthCheck) -> HealthConfig {
    let test = match &check.probe {
        HealthProbe::Exec(command) => ["CMD".to_owned()].into_iter().chain(command.iter().cloned()).collect(),
        // The engine has no probe for ports, and images have no common tool that connects to one: the kernel's own table
        // says which ports are listened on (state 0A).
        HealthProbe::Tcp(port) => {
            let listens =
                format!("cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep -q ':{port:04X} [0-9A-F]*:0000 0A '");
            vec!["CMD-SHELL".into(), listens]
        }
        _ => vec!["NONE".into()],
    };
    let nanos = |millis: u64| Some(i64::try_from(millis.saturating_mul(1_000_000)).unwrap_or(i64::MAX));
    HealthConfig {
        test: Some(test),
        interval: nanos(check.interval_ms),
        // The engine takes no shorter time than a millisecond, and no shorter start than that, except none.
        timeout: nanos(check.timeout_ms),
        retries: Some(i64::from(check.retries)),
        start_period: nanos(check.start_period_ms),
        start_interval: None,
    }
}
