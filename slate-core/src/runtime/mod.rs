//! Runtime sessions' ground: [`RuntimeBackend`], which runs a [`RuntimeSpec`] as a process, a container, a pod.

mod backend;
mod defaults;
mod env;
mod ext;
mod image;
mod instance;
mod launch;
mod lines;
mod mount;
mod options;
mod resident;
mod restart;
mod size;
mod spec;

pub use backend::{Files, ImageProgress, Images, Pausing, PullOptions, RegistryLogin, RuntimeBackend, Volumes};
pub use defaults::RuntimeType;
pub use env::EnvValue;
pub use ext::RuntimeBackendExt;
pub use image::{ImageRef, ImageVersion};
pub use instance::{
    Capabilities, Exec, ExecExit, ExecInput, ExecOutput, ExitStatus, Instance, InstanceState, LogChunk, LogCursor,
    LogStream, ResourceSample, RuntimeChange,
};
pub use launch::{
    DisplayConfiguration, DisplayMethod, GameLaunchRequest, GamePlatform, GpuAccess, HostCapabilities,
    LaunchConfiguration, ResourceLimits, ResourceUsage, RunnerSession, SessionStatus,
};
pub use lines::LineCutter;
pub use mount::{MountMode, MountType, VolumeMount};
pub use options::{
    Command, ExecOptions, ListOptions, LogOptions, RemoveOptions, StatsOptions, StopOptions, WatchOptions,
};
pub use resident::{Assignment, Resident};
pub use restart::{RestartOn, RestartPolicy};
pub use size::{Cpus, MemorySize};
pub use spec::{Gpu, HealthCheck, HealthProbe, NetworkMode, PortMapping, Protocol, RuntimeSpec, labels};
