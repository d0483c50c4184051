use super::{Command, Cpus, DisplayConfiguration, MemorySize, RestartPolicy, VolumeMount};
use super::{EnvValue, ImageRef};
use crate::{Error, Result, wire::wire_enum};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, time::Duration};

/// Everything a [`RuntimeBackend`](super::RuntimeBackend) needs to make one instance.
///
/// Built by [`RuntimeSpec::new`] and the `with_…` methods, checked by [`validate`](Self::validate), which every backend calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct RuntimeSpec {
    /// What to run from; backends without images (local processes) take none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageRef>,
    /// A name unique within the backend, so that creating twice is found out: 1 to 63 letters, digits, `_`, `.`, `-`.
    pub name: String,
    /// The program and its arguments; default: what the image says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Environment variables. Values marked secret are kept out of every log and record.
    #[serde(default)]
    pub env: BTreeMap<String, EnvValue>,
    /// Ports of the instance that the host publishes.
    #[serde(default)]
    pub ports: Vec<PortMapping>,
    /// What the instance sees of the host.
    #[serde(default)]
    pub mounts: Vec<VolumeMount>,
    /// Most memory it may use; default: the backend's.
    #[serde(default)]
    pub memory: Option<MemorySize>,
    /// Most processor time it may use; default: the backend's.
    #[serde(default)]
    pub cpus: Option<Cpus>,
    /// Most processes and threads it may have; default: the backend's.
    #[serde(default)]
    pub pids: Option<u32>,
    /// Access to graphics processors; default none.
    #[serde(default)]
    pub gpu: Gpu,
    /// Most disk it may write outside of its mounts; default: the backend's.
    #[serde(default)]
    pub disk: Option<MemorySize>,
    /// How it is connected; default [`NetworkMode::Bridge`].
    #[serde(default)]
    pub network: NetworkMode,
    /// The user that it runs as, `name` or `uid:gid`; default: the backend's unprivileged user.
    #[serde(default)]
    pub user: Option<String>,
    /// The folder that it starts in; default: what the image says.
    #[serde(default)]
    pub working_dir: Option<String>,
    /// How its health is asked; default: it runs, so it is healthy. A session whose check fails as often as it says is ended,
    /// or started again where `restart` says so, on backends that run health checks.
    #[serde(default)]
    pub health: Option<HealthCheck>,
    /// When it is started again after an end that nobody asked for; default never. For sessions; builds and other direct
    /// users of a backend decide themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<RestartPolicy>,
    /// Labels by which it is found again. Keys that start with `slate.` are SLATE's own.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The display it draws on; default none.
    #[serde(default)]
    pub display: Option<DisplayConfiguration>,
    /// A stronger isolation by name, for example `runsc`; default: the backend's own.
    #[serde(default)]
    pub isolation: Option<String>,
}

/// The label keys that SLATE sets on instances. Adoption after a restart goes by them.
pub mod labels {
    /// The session that an instance belongs to.
    pub const SESSION: &str = "slate.session";
    /// The build that an instance belongs to.
    pub const BUILD: &str = "slate.build";
    /// The project that an instance belongs to.
    pub const PROJECT: &str = "slate.project";
    /// The worker that made an instance.
    pub const OWNER: &str = "slate.owner";
    /// The fence (attempt number) under which an instance was made; a later one outranks it.
    pub const GENERATION: &str = "slate.generation";
    /// The deployment that an instance belongs to; a backend shared by several holds instances of each.
    pub const DEPLOYMENT: &str = "slate.deployment";
    /// The warm pool that an instance was made for.
    pub const POOL: &str = "slate.pool";
    /// The pool's member that an instance belongs to.
    pub const MEMBER: &str = "slate.member";
}

impl RuntimeSpec {
    /// A spec of this name that runs `command` and asks for nothing else.
    pub fn new(name: impl Into<String>, command: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            image: None,
            name: name.into(),
            command: command.into_iter().map(Into::into).collect(),
            env: BTreeMap::new(),
            ports: Vec::new(),
            mounts: Vec::new(),
            memory: None,
            cpus: None,
            pids: None,
            gpu: Gpu::None,
            disk: None,
            network: NetworkMode::Bridge,
            user: None,
            working_dir: None,
            health: None,
            restart: None,
            labels: BTreeMap::new(),
            display: None,
            isolation: None,
        }
    }

    /// Sets the image.
    #[must_use]
    pub fn with_image(mut self, image: ImageRef) -> Self {
        self.image = Some(image);
        self
    }

    /// Sets an environment variable that may be shown.
    #[must_use]
    pub fn with_env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), EnvValue::plain(value));
        self
    }

    /// Sets an environment variable that must not be shown.
    #[must_use]
    pub fn with_secret(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), EnvValue::secret(value));
        self
    }

    /// Sets a label.
    #[must_use]
    pub fn with_label(mut self, key: impl Into<String>, value: impl fmt::Display) -> Self {
        self.labels.insert(key.into(), value.to_string());
        self
    }

    /// Adds a mount.
    #[must_use]
    pub fn with_mount(mut self, mount: VolumeMount) -> Self {
        self.mounts.push(mount);
        self
    }

    /// Sets the working folder.
    #[must_use]
    pub fn with_working_dir(mut self, path: impl Into<String>) -> Self {
        self.working_dir = Some(path.into());
        self
    }

    /// Sets the most memory.
    #[must_use]
    pub fn with_memory(mut self, memory: MemorySize) -> Self {
        self.memory = Some(memory);
        self
    }

    /// Sets the most processor time.
    #[must_use]
    pub fn with_cpus(mut self, cpus: Cpus) -> Self {
        self.cpus = Some(cpus);
        self
    }

    /// Sets the most processes and threads.
    #[must_use]
    pub fn with_pids(mut self, pids: u32) -> Self {
        self.pids = Some(pids);
        self
    }

    /// Sets how its health is asked.
    #[must_use]
    pub fn with_health(mut self, health: HealthCheck) -> Self {
        self.health = Some(health);
        self
    }

    /// Sets when it is started again.
    #[must_use]
    pub fn with_restart(mut self, restart: RestartPolicy) -> Self {
        self.restart = Some(restart);
        self
    }

    /// The command in a form that [`RuntimeBackend::exec`](super::RuntimeBackend::exec) takes.
    pub fn as_command(&self) -> Command {
        Command::new(self.command.iter().cloned())
    }

    /// Checks every field's form. Whether it is *allowed* is the policy's question.
    ///
    /// # Errors
    /// `Invalid`, naming the field; `PermissionDenied` for a mount over a system path.
    pub fn validate(&self) -> Result<()> {
        check_name(&self.name)?;
        if self.image.is_none() && self.command.is_empty() {
            return Err(Error::invalid("a spec names an image, a command, or both"));
        }
        for (count, limit, what) in [
            (self.command.len(), 4096, "command words"),
            (self.env.len(), 1024, "environment variables"),
            (self.ports.len(), 256, "ports"),
            (self.mounts.len(), 64, "mounts"),
            (self.labels.len(), 64, "labels"),
        ] {
            if count > limit {
                return Err(Error::limit_exceeded(format!("too many {what}"))
                    .with("count", count)
                    .with("limit", limit));
            }
        }
        if self.command.iter().any(|word| word.contains('\0')) {
            return Err(Error::invalid("a command word must not contain a NUL byte"));
        }
        for (name, value) in &self.env {
            check_env(name, value)?;
        }
        for (key, value) in &self.labels {
            let sound = (1..=128).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic() && b != b'=');
            if !sound || value.len() > 1024 || value.chars().any(char::is_control) {
                return Err(Error::invalid("a label is up to 128 printable characters with a value of up to 1024")
                    .with("label", key.escape_debug()));
            }
        }
        self.mounts.iter().try_for_each(VolumeMount::validate)?;
        let mut targets: Vec<_> = self.mounts.iter().map(|m| m.container_path.trim_end_matches('/')).collect();
        targets.sort_unstable();
        if targets.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Error::invalid("two mounts have the same containerPath"));
        }
        if self.memory.is_some_and(|memory| memory < MemorySize::from_mib(4)) {
            return Err(Error::invalid("memory is at least 4m"));
        }
        for (field, size) in [("memory", self.memory), ("disk", self.disk)] {
            // Beyond it an engine's signed numbers turn over, and a limit into none.
            if size.is_some_and(|size| size > MOST) {
                return Err(Error::invalid(format!("{field} is at most {MOST}")));
            }
        }
        if self.cpus.is_some_and(|cpus| cpus == Cpus::default()) {
            return Err(Error::invalid("cpus is more than 0"));
        }
        if self.ports.iter().any(|port| port.container == 0 || port.host == Some(0)) {
            return Err(Error::invalid("a port is 1 to 65535"));
        }
        if self.pids == Some(0) {
            return Err(Error::invalid("pids is at least 1"));
        }
        if let Gpu::Dedicated { devices } = &self.gpu
            && (devices.is_empty() || devices.iter().any(String::is_empty))
        {
            return Err(Error::invalid("a dedicated gpu names its devices"));
        }
        for (field, text) in [("user", &self.user), ("workingDir", &self.working_dir), ("isolation", &self.isolation)] {
            if text.as_ref().is_some_and(|text| text.is_empty() || text.chars().any(char::is_control)) {
                return Err(Error::invalid(format!("{field} must not be empty or hold control characters")));
            }
        }
        if self.working_dir.as_ref().is_some_and(|path| !path.starts_with('/')) {
            return Err(Error::invalid("workingDir is an absolute path"));
        }
        self.display.as_ref().map_or(Ok(()), DisplayConfiguration::validate)?;
        self.health.as_ref().map_or(Ok(()), HealthCheck::validate)
    }
}

/// The most memory or disk that can be asked for.
const MOST: MemorySize = MemorySize::from_gib(1 << 20);

fn check_name(name: &str) -> Result<()> {
    let sound = (1..=63).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
    if sound {
        return Ok(());
    }
    Err(Error::invalid("a name is 1 to 63 letters, digits, '_', '.' or '-' and starts with a letter or digit")
        .with("name", name.escape_debug().to_string().chars().take(80).collect::<String>()))
}

fn check_env(name: &str, value: &EnvValue) -> Result<()> {
    let sound = (1..=256).contains(&name.len())
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !sound {
        return Err(Error::invalid("an environment variable's name is letters, digits and '_'")
            .with("name", name.escape_debug().to_string().chars().take(80).collect::<String>()));
    }
    if value.expose().contains('\0') || value.expose().len() > 128 * 1024 {
        return Err(Error::invalid("an environment variable's value is up to 128 KiB without NUL").with("name", name));
    }
    Ok(())
}

/// Access to graphics processors.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "access", rename_all = "lowercase")]
#[non_exhaustive]
pub enum Gpu {
    /// None.
    #[default]
    None,
    /// Those of the host, together with other instances.
    Shared,
    /// These devices, for this instance alone.
    Dedicated {
        /// Device ids as the driver names them.
        devices: Vec<String>,
    },
}

/// How an instance is connected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum NetworkMode {
    /// Not at all.
    None,
    /// By the backend's default network.
    #[default]
    Bridge,
    /// By the host's own network; policies refuse it unless told otherwise.
    Host,
    /// By the network of this name.
    Named(String),
}

wire_enum! {
    /// The protocol of a port.
    Protocol {
        /// TCP.
        Tcp = "tcp",
        /// UDP.
        Udp = "udp",
    }
}

/// A port of the instance that the host publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PortMapping {
    /// The instance's port.
    pub container: u16,
    /// The host's port; default: the backend chooses a free one and reports it.
    #[serde(default)]
    pub host: Option<u16>,
    /// The protocol; default TCP.
    #[serde(default = "tcp")]
    pub protocol: Protocol,
}

fn tcp() -> Protocol {
    Protocol::Tcp
}

/// How an instance's health is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HealthCheck {
    /// What is tried.
    pub probe: HealthProbe,
    /// Time between two tries, in milliseconds; default 10 s.
    #[serde(default = "ten_seconds")]
    pub interval_ms: u64,
    /// Time that one try may take, in milliseconds; default 5 s.
    #[serde(default = "five_seconds")]
    pub timeout_ms: u64,
    /// Failures in a row that make it unhealthy; default 3.
    #[serde(default = "three")]
    pub retries: u32,
    /// Time after the start in which failures don't count, in milliseconds; default 0.
    #[serde(default)]
    pub start_period_ms: u64,
}

/// One try of a [`HealthCheck`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum HealthProbe {
    /// Runs a command in the instance; exit code 0 is healthy.
    Exec(Vec<String>),
    /// Opens a TCP connection to a port of the instance.
    Tcp(u16),
}

impl HealthCheck {
    /// A check with the default times.
    pub fn new(probe: HealthProbe) -> Self {
        Self { probe, interval_ms: 10_000, timeout_ms: 5_000, retries: 3, start_period_ms: 0 }
    }

    /// The time between two tries.
    pub const fn interval(&self) -> Duration {
        Duration::from_millis(self.interval_ms)
    }

    fn validate(&self) -> Result<()> {
        let sound = self.interval_ms >= 100
            && self.timeout_ms >= 1
            && self.retries >= 1
            && !matches!(&self.probe, HealthProbe::Exec(command) if command.is_empty())
            && !matches!(self.probe, HealthProbe::Tcp(0));
        if sound {
            return Ok(());
        }
        Err(Error::invalid("a health check has a probe, an interval of at least 100 ms, a time-out and a retry"))
    }
}

fn ten_seconds() -> u64 {
    10_000
}

fn five_seconds() -> u64 {
    5_000
}

fn three() -> u32 {
    3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn secrets_are_never_shown() {
        let spec = RuntimeSpec::new("a", ["b"]).with_secret("TOKEN", "hunter2");
        assert!(!format!("{spec:?}").contains("hunter2"));
        assert_eq!(spec.env["TOKEN"].redacted().expose(), "***");
        assert_eq!(spec.env["TOKEN"].expose(), "hunter2");
    }

    #[test]
    fn malformed_specs_are_refused() {
        let good = RuntimeSpec::new("a", ["b"]);
        good.validate().unwrap();
        let bad = [
            RuntimeSpec::new("", ["b"]),
            RuntimeSpec::new("a/b", ["b"]),
            RuntimeSpec::new("a", Vec::<String>::new()),
            RuntimeSpec::new("a", ["b\0"]),
            good.clone().with_env("A=B", "c"),
            good.clone().with_env("A\nB", "c"),
            good.clone().with_env("A", "c\0"),
            good.clone().with_label("k", "line\nbreak"),
            good.clone().with_pids(0),
            good.clone().with_memory(MemorySize::from_bytes(1)),
            good.clone().with_memory(MemorySize::from_bytes(u64::MAX)),
            good.clone().with_cpus(Cpus::from_millis(0)),
            RuntimeSpec {
                ports: vec![PortMapping { container: 80, host: Some(0), protocol: Protocol::Tcp }],
                ..good.clone()
            },
            good.clone().with_working_dir("relative"),
            good.clone().with_mount(VolumeMount::bind("/a", "/x")).with_mount(VolumeMount::bind("/b", "/x/")),
            RuntimeSpec { gpu: Gpu::Dedicated { devices: vec![] }, ..good.clone() },
            RuntimeSpec { health: Some(HealthCheck::new(HealthProbe::Exec(vec![]))), ..good },
        ];
        for spec in bad {
            assert_eq!(spec.validate().unwrap_err().kind(), ErrorKind::Invalid, "{spec:?}");
        }
    }
}
