//! Reaching the engine.

use crate::{DockerOptions, Endpoint, error::PLACE, error::translate, spec::EngineHost};
use bollard::{API_DEFAULT_VERSION, Docker, models::SystemInfo};
use slate_core::{
    Error, ErrorKind, Result,
    runtime::{Capabilities, Cpus},
};

/// The oldest version of the engine's interface that is understood: Engine 20.10.
const OLDEST: (usize, usize) = (1, 41);

/// A client for the engine, in the newest version that both understand.
pub(crate) async fn connect(options: &DockerOptions) -> Result<Docker> {
    let seconds = options.timeout.as_secs().max(1);
    let made = match &options.endpoint {
        Endpoint::Unix(path) => Docker::connect_with_unix(&path.to_string_lossy(), seconds, API_DEFAULT_VERSION),
        Endpoint::Tcp(address) => Docker::connect_with_http(address, seconds, API_DEFAULT_VERSION),
        Endpoint::Tls { address, certificates } => {
            let file = |name: &str| certificates.join(name);
            let (key, certificate, authority) = (file("key.pem"), file("cert.pem"), file("ca.pem"));
            Docker::connect_with_ssl(address, &key, &certificate, &authority, seconds, API_DEFAULT_VERSION)
        }
    };
    let told = |error: Error| error.with("endpoint", options.endpoint.to_string());
    let docker = made.map_err(|error| told(translate(error, "open")))?;
    let docker = docker.negotiate_version().await.map_err(|error| told(translate(error, "open")))?;
    let version = docker.client_version();
    if (version.major_version, version.minor_version) < OLDEST {
        let error = Error::new(ErrorKind::Unsupported, "this engine is too old: its interface must be 1.41 or newer");
        return Err(told(error.with("version", version).at(PLACE, "open")));
    }
    Ok(docker)
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Tls { address, .. } => write!(f, "https://{address}"),
        }
    }
}

/// What the engine's host has and enforces.
pub(crate) fn surroundings(info: &SystemInfo) -> (EngineHost, Capabilities) {
    let cpus = u32::try_from(info.ncpu.unwrap_or(1).max(1)).unwrap_or(u32::MAX);
    // Others can limit too (overlay on xfs with project quotas), but don't say so.
    let disk_limit = matches!(info.driver.as_deref(), Some("btrfs" | "zfs" | "devicemapper"));
    let runtimes = info.runtimes.clone().unwrap_or_default();
    let mut can = Capabilities::default();
    can.images = true;
    can.memory_limit = info.memory_limit.unwrap_or_default();
    can.cpu_limit = info.cpu_cfs_quota.unwrap_or_default();
    can.pids_limit = info.pids_limit.unwrap_or_default();
    can.disk_limit = disk_limit;
    (can.mounts, can.networks, can.ports, can.user) = (true, true, true, true);
    can.gpu = runtimes.contains_key("nvidia") || info.cdi_spec_dirs.as_ref().is_some_and(|dirs| !dirs.is_empty());
    (can.exec, can.tty, can.health) = (true, true, true);
    can.survives_restart = true;
    (EngineHost::new(Cpus::cores(cpus)).with_disk_limit(disk_limit), can)
}
