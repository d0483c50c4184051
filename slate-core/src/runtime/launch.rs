//! The runner's own records (seed 004): a game launched with a display, and its session.

use super::{Cpus, Gpu, MemorySize, VolumeMount};
use crate::{Error, Result, Timestamp, UserId, model::SessionState, wire::wire_enum};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, time::Duration};

wire_enum! {
    /// The platform that a game was made for.
    GamePlatform {
        /// Windows, by Wine.
        Windows = "windows",
        /// Linux.
        Linux = "linux",
    }
}

wire_enum! {
    /// How a display is forwarded.
    DisplayMethod {
        /// An X11 server.
        X11 = "x11",
        /// A Wayland compositor.
        Wayland = "wayland",
    }
}

/// A request to launch a game.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GameLaunchRequest {
    /// The game in the library.
    pub game_id: String,
    /// Who asks.
    pub user_id: UserId,
    /// The platform to launch for.
    pub platform: GamePlatform,
    /// How to launch.
    pub launch_config: LaunchConfiguration,
    /// Unique among active sessions.
    pub session_id: String,
    /// When it was asked.
    pub timestamp: Timestamp,
}

impl GameLaunchRequest {
    /// Checks the request against what the host has.
    ///
    /// # Errors
    /// `Invalid` or `ResourceExhausted`, naming the field.
    pub fn validate(&self, host: &HostCapabilities) -> Result<()> {
        for (field, text) in [("gameId", &self.game_id), ("sessionId", &self.session_id)] {
            if text.is_empty() || text.len() > 128 || text.chars().any(char::is_control) {
                return Err(Error::invalid(format!("{field} is 1 to 128 printable characters")));
            }
        }
        self.launch_config.validate(self.platform, host)
    }
}

/// How a game is launched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LaunchConfiguration {
    /// The Wine prefix; needed for Windows games.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wine_prefix: Option<String>,
    /// How the display is forwarded.
    pub display_mode: DisplayMethod,
    /// What it may use.
    #[serde(default)]
    pub resources: ResourceLimits,
    /// Environment variables.
    #[serde(default)]
    pub environment: BTreeMap<String, super::EnvValue>,
    /// Mounts beyond the library.
    #[serde(default)]
    pub volumes: Vec<VolumeMount>,
    /// Whether audio is forwarded; default `true`.
    #[serde(default = "yes")]
    pub audio_enabled: bool,
}

fn yes() -> bool {
    true
}

impl LaunchConfiguration {
    /// Checks the configuration for `platform` against what the host has.
    ///
    /// # Errors
    /// `Invalid`, `Unsupported` or `ResourceExhausted`, naming the field.
    pub fn validate(&self, platform: GamePlatform, host: &HostCapabilities) -> Result<()> {
        let prefix_sound = self.wine_prefix.as_ref().is_some_and(|prefix| prefix.starts_with('/'));
        if platform == GamePlatform::Windows && !prefix_sound {
            return Err(Error::invalid("winePrefix is an absolute path and needed for a Windows game"));
        }
        if !host.displays.contains(&self.display_mode) {
            return Err(Error::unsupported("the host has no such display").with("displayMode", self.display_mode));
        }
        self.resources.validate(host)?;
        self.volumes.iter().try_for_each(VolumeMount::validate)
    }
}

/// What the host of a session has. Validation goes by it.
#[derive(Clone, Debug, PartialEq)]
pub struct HostCapabilities {
    /// Processor cores.
    pub cpus: u32,
    /// Bytes of memory.
    pub memory: MemorySize,
    /// Display methods.
    pub displays: Vec<DisplayMethod>,
    /// Ids of graphics processors.
    pub gpus: Vec<String>,
}

/// What a session may use.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceLimits {
    /// Processor cores; default no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_limit: Option<Cpus>,
    /// Memory; default no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<MemorySize>,
    /// Access to graphics processors; default none.
    #[serde(default)]
    pub gpu_access: GpuAccess,
    /// The devices of dedicated access.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_devices: Option<Vec<String>>,
    /// Temporary storage; default no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_limit: Option<MemorySize>,
}

/// How graphics processors are given, in the words of seed 004.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GpuAccess {
    /// Not at all.
    #[default]
    None,
    /// With others.
    Shared,
    /// Alone.
    Dedicated,
}

impl ResourceLimits {
    /// Checks the limits against what the host has.
    ///
    /// # Errors
    /// `Invalid` or `ResourceExhausted`, naming the field.
    pub fn validate(&self, host: &HostCapabilities) -> Result<()> {
        if self.cpu_limit.is_some_and(|cpus| cpus > Cpus::cores(host.cpus)) {
            return Err(Error::resource_exhausted("cpuLimit is more than the host has").with("host", host.cpus));
        }
        if self.memory_limit.is_some_and(|memory| memory > host.memory) {
            return Err(Error::resource_exhausted("memoryLimit is more than the host has").with("host", host.memory));
        }
        let gpu = self.gpu()?;
        match &gpu {
            Gpu::Dedicated { devices } => match devices.iter().find(|id| !host.gpus.contains(id)) {
                Some(id) => Err(Error::not_found("the host has no such gpu").with("device", id)),
                None => Ok(()),
            },
            Gpu::Shared if host.gpus.is_empty() => Err(Error::unsupported("the host has no gpu")),
            _ => Ok(()),
        }
    }

    /// The access to graphics processors as a [`RuntimeSpec`](super::RuntimeSpec) has it.
    ///
    /// # Errors
    /// `Invalid` where devices are named without dedicated access, or the other way round.
    pub fn gpu(&self) -> Result<Gpu> {
        match (self.gpu_access, &self.gpu_devices) {
            (GpuAccess::None, None) => Ok(Gpu::None),
            (GpuAccess::Shared, None) => Ok(Gpu::Shared),
            (GpuAccess::Dedicated, Some(devices)) if !devices.is_empty() => {
                Ok(Gpu::Dedicated { devices: devices.clone() })
            }
            (GpuAccess::Dedicated, _) => Err(Error::invalid("dedicated gpuAccess names its gpuDevices")),
            _ => Err(Error::invalid("gpuDevices are named for dedicated gpuAccess only")),
        }
    }
}

/// A display that a session draws on. `Debug` shows no token.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DisplayConfiguration {
    /// The protocol.
    pub method: DisplayMethod,
    /// The X11 display (`:1`, `host:0.0`) or the Wayland display's name (`wayland-0`).
    pub display_id: String,
    /// Width and height in pixels, like `1920x1080`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<String>,
    /// Refresh rate in hertz, 1 to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_rate: Option<u32>,
    /// The socket on the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket_path: Option<String>,
    /// The X11 authentication token; a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_token: Option<super::EnvValue>,
}

impl fmt::Debug for DisplayConfiguration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DisplayConfiguration")
            .field("method", &self.method)
            .field("display_id", &self.display_id)
            .field("resolution", &self.resolution)
            .field("auth_token", &self.auth_token.as_ref().map(|_| "***"))
            .finish_non_exhaustive()
    }
}

impl DisplayConfiguration {
    /// Checks every field's form.
    ///
    /// # Errors
    /// `Invalid`, naming the field.
    pub fn validate(&self) -> Result<()> {
        let id = &self.display_id;
        let sound = match self.method {
            DisplayMethod::X11 => id.rsplit_once(':').is_some_and(|(host, number)| {
                let mut parts = number.split('.');
                let digits = |part: &str| (1..=5).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
                let host_fits = host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-".contains(&b));
                host_fits
                    && parts.next().is_some_and(digits)
                    && parts.next().is_none_or(digits)
                    && parts.next().is_none()
            }),
            DisplayMethod::Wayland => {
                (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
            }
        };
        if !sound {
            return Err(Error::invalid("displayId is like ':1' for x11 and like 'wayland-0' for wayland")
                .with("displayId", id.escape_debug()));
        }
        if self.resolution.is_some() && self.pixels().is_none() {
            return Err(Error::invalid("resolution is like 1920x1080, each side from 1 to 16384"));
        }
        if self.refresh_rate.is_some_and(|hertz| !(1..=1000).contains(&hertz)) {
            return Err(Error::invalid("refreshRate goes from 1 to 1000"));
        }
        if self.socket_path.as_ref().is_some_and(|path| !path.starts_with('/') || path.contains("/../")) {
            return Err(Error::invalid("socketPath is an absolute path"));
        }
        Ok(())
    }

    /// The resolution as width and height in pixels, where a sound one is set.
    pub fn pixels(&self) -> Option<(u32, u32)> {
        let (width, height) = self.resolution.as_ref()?.split_once('x')?;
        let side = |text: &str| text.parse().ok().filter(|side| (1..=16_384).contains(side));
        Some((side(width)?, side(height)?))
    }
}

/// What a session uses at a moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceUsage {
    /// Processor use of the host in per cent, 0 to 100.
    pub cpu_percent: f64,
    /// Bytes of memory.
    pub memory_used: u64,
    /// Memory in per cent of the limit, 0 to 100.
    pub memory_percent: f64,
    /// Use of the graphics processor in per cent, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_usage: Option<f64>,
    /// Bytes of graphics memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_memory_used: Option<u64>,
    /// Bytes of temporary disk.
    #[serde(default)]
    pub disk_usage: u64,
    /// When it was measured.
    pub timestamp: Timestamp,
}

impl ResourceUsage {
    /// The oldest that a measurement may be.
    pub const MAX_AGE: Duration = Duration::from_secs(300);

    /// Checks the ranges, and that the measurement is recent and not of the future.
    ///
    /// # Errors
    /// `Invalid`, naming the field.
    pub fn validate(&self, now: Timestamp) -> Result<()> {
        let percentages = [
            ("cpuPercent", Some(self.cpu_percent)),
            ("memoryPercent", Some(self.memory_percent)),
            ("gpuUsage", self.gpu_usage),
        ];
        for (field, value) in percentages {
            if value.is_some_and(|value| !(0.0..=100.0).contains(&value)) {
                return Err(Error::invalid(format!("{field} goes from 0 to 100")));
            }
        }
        if now.since(self.timestamp) > Self::MAX_AGE || self.timestamp.since(now) > Duration::from_secs(60) {
            return Err(Error::invalid("timestamp is not of the last few minutes").with("timestamp", self.timestamp));
        }
        Ok(())
    }
}

wire_enum! {
    /// The state of a runner's session, in the words of seed 004.
    SessionStatus {
        /// Asked for; nothing runs.
        Requested = "requested",
        /// The container starts.
        Starting = "starting",
        /// The game runs.
        Running = "running",
        /// It is being ended.
        Stopping = "stopping",
        /// Ended as asked.
        Terminated = "terminated",
        /// Died while running.
        Crashed = "crashed",
        /// Never ran.
        Failed = "failed",
    }
}

/// The runner's word for the same state.
impl From<SessionState> for SessionStatus {
    fn from(state: SessionState) -> Self {
        match state {
            SessionState::Creating => Self::Requested,
            SessionState::Starting => Self::Starting,
            SessionState::Running => Self::Running,
            SessionState::Stopping => Self::Stopping,
            SessionState::Stopped => Self::Terminated,
            SessionState::Failed => Self::Failed,
            SessionState::Error => Self::Crashed,
        }
    }
}

/// A game's session as the runner keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunnerSession {
    /// Unique among all sessions.
    pub session_id: String,
    /// The container.
    pub container_id: String,
    /// The game.
    pub game_id: String,
    /// Who launched it.
    pub user_id: UserId,
    /// Its state.
    pub status: SessionStatus,
    /// When the container was started.
    pub start_time: Timestamp,
    /// When there was input or output last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_activity: Option<Timestamp>,
    /// The display.
    pub display_info: DisplayConfiguration,
    /// What it uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_usage: Option<ResourceUsage>,
    /// The game's process id in the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process_id: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> HostCapabilities {
        HostCapabilities {
            cpus: 4,
            memory: MemorySize::from_gib(8),
            displays: vec![DisplayMethod::X11],
            gpus: vec!["gpu-0".into()],
        }
    }

    fn request() -> GameLaunchRequest {
        serde_json::from_str(
            r#"{"gameId":"game_diablo_pc_12345","userId":"user_john_doe","platform":"windows",
            "sessionId":"sess_7f9e2b4a-1234-5678-9abc-def012345678","timestamp":"2025-10-29T14:29:45Z",
            "launchConfig":{"winePrefix":"/home/retro/.wine-diablo","displayMode":"x11","audioEnabled":true,
            "resources":{"cpuLimit":4.0,"memoryLimit":"4G","gpuAccess":"shared"},
            "environment":{"WINEDLLOVERRIDES":"d3d11=n;dxgi=n","DXVK_HUD":"fps"}}}"#,
        )
        .unwrap()
    }

    #[test]
    fn the_seed_request_is_sound() {
        request().validate(&host()).unwrap();
    }

    #[test]
    fn the_seed_session_is_read() {
        let session: RunnerSession = serde_json::from_str(
            r#"{"sessionId":"sess_7f9e2b4a-1234-5678-9abc-def012345678","containerId":"dillinger_runner_sess_7f9e2b4a",
            "gameId":"game_diablo_pc_12345","userId":"user_john_doe","status":"running","startTime":"2025-10-29T14:30:00Z",
            "lastActivity":"2025-10-29T14:45:32Z",
            "displayInfo":{"method":"x11","displayId":":1","resolution":"1920x1080","socketPath":"/tmp/.X11-unix/X1"},
            "resourceUsage":{"cpuPercent":45.2,"memoryUsed":2147483648,"memoryPercent":53.7,"gpuUsage":78.9,
            "timestamp":"2025-10-29T14:45:30Z"},"processId":1234}"#,
        )
        .unwrap();
        session.display_info.validate().unwrap();
        assert_eq!(session.display_info.pixels(), Some((1920, 1080)));
        let usage = session.resource_usage.unwrap();
        usage.validate("2025-10-29T14:46:00Z".parse().unwrap()).unwrap();
        assert!(usage.validate("2025-10-29T15:46:00Z".parse().unwrap()).is_err());
    }

    #[test]
    fn each_rule_is_kept() {
        let breaks: [fn(&mut GameLaunchRequest); 7] = [
            |r| r.session_id.clear(),
            |r| r.launch_config.wine_prefix = None,
            |r| r.launch_config.display_mode = DisplayMethod::Wayland,
            |r| r.launch_config.resources.cpu_limit = Some(Cpus::cores(5)),
            |r| r.launch_config.resources.memory_limit = Some(MemorySize::from_gib(9)),
            |r| r.launch_config.resources.gpu_devices = Some(vec!["gpu-0".into()]),
            |r| r.launch_config.volumes = vec![VolumeMount::bind("/srv", "/etc")],
        ];
        for (index, change) in breaks.into_iter().enumerate() {
            let mut request = request();
            change(&mut request);
            assert!(request.validate(&host()).is_err(), "rule {index}");
        }
    }

    #[test]
    fn display_ids_have_the_form_of_their_method() {
        let display = |method, id: &str| DisplayConfiguration {
            method,
            display_id: id.into(),
            resolution: None,
            refresh_rate: None,
            socket_path: None,
            auth_token: None,
        };
        for good in [":0", ":1.0", "localhost:10.0"] {
            display(DisplayMethod::X11, good).validate().unwrap();
        }
        for bad in ["", "1", ":", ":a", ":1.0.0", "a b:1", ":1;rm"] {
            assert!(display(DisplayMethod::X11, bad).validate().is_err(), "{bad:?}");
        }
        display(DisplayMethod::Wayland, "wayland-0").validate().unwrap();
        assert!(display(DisplayMethod::Wayland, "../wayland").validate().is_err());
    }
}
