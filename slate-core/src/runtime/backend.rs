use super::{
    Capabilities, Command, Exec, ExecOptions, ImageRef, Instance, ListOptions, LogChunk, LogOptions, RemoveOptions,
    Resident, ResourceSample, RuntimeChange, RuntimeSpec, StatsOptions, StopOptions, WatchOptions,
};
use crate::{BoxStream, Component, InstanceId, Result};
use async_trait::async_trait;
use bytes::Bytes;
use std::{fmt, time::Duration};

/// Runs instances: local processes, containers, pods.
///
/// # Contract
/// - `create` checks the spec, refuses a malformed one with `Invalid`, and makes an instance in state `created` that runs
///   nothing yet. A name in use gives `AlreadyExists` and leaves the other instance as it was.
/// - A spec that asks for a limit which `capabilities` says is not enforced is accepted; the capability tells the truth.
/// - `start` runs a created or exited instance; a running one gives `WrongState`. A program that can't be found gives
///   `NotFound` or `Invalid`, and the instance is left `created` or `exited`.
/// - `stop` asks politely, waits for the grace time, then kills the instance with all its descendants; it returns when
///   they are gone. Stopping an instance that doesn't run is `Ok`.
/// - `remove` takes an instance away with its logs; a running one is refused with `WrongState` unless forced. Afterwards
///   no process of it is alive and its name is free. Removing what isn't there gives `NotFound`.
/// - Every verb on an id that isn't there gives `NotFound`.
/// - `inspect` tells the truth of now, including an exit that nobody waited for, with its exit code.
/// - `list` yields each instance that has all the labels asked for, once.
/// - `exec` runs a command in a running instance (else `WrongState`), with the instance's environment and folder unless told
///   otherwise. Dropping the [`Exec`], or its time-out, kills the command.
/// - `logs` yields the output in the order in which it was written on each stream, each line once; resuming after a cursor
///   repeats and omits nothing that is still kept, and says how many lines are gone. With `follow` it ends after the last
///   line of an instance that has ended.
/// - A line of any length is delivered in parts of at most [`LogChunk::MAX_LINE`] bytes; memory stays bounded.
/// - `stats` of an instance that doesn't run ends without a sample; the first sample is already a true measurement.
/// - `watch` tells each change after it was called at least once, or `Resync`.
/// - Instances outlive the value that made them; another one on the same ground finds them by `list`, where
///   `survives_restart` says so.
#[async_trait]
pub trait RuntimeBackend: Component {
    /// What this backend can do on this host.
    fn capabilities(&self) -> Capabilities;

    /// Makes an instance, without starting it.
    ///
    /// # Errors
    /// As the contract says; `ResourceExhausted` where the host has no room.
    async fn create(&self, spec: &RuntimeSpec) -> Result<InstanceId>;

    /// Starts an instance.
    ///
    /// # Errors
    /// As the contract says.
    async fn start(&self, id: &InstanceId) -> Result<()>;

    /// Stops an instance and returns when it has ended.
    ///
    /// # Errors
    /// As the contract says.
    async fn stop(&self, id: &InstanceId, options: StopOptions) -> Result<()>;

    /// Takes an instance away.
    ///
    /// # Errors
    /// As the contract says.
    async fn remove(&self, id: &InstanceId, options: RemoveOptions) -> Result<()>;

    /// Tells how an instance is now.
    ///
    /// # Errors
    /// As the contract says.
    async fn inspect(&self, id: &InstanceId) -> Result<Instance>;

    /// The instances, in no particular order.
    fn list(&self, options: ListOptions) -> BoxStream<Result<Instance>>;

    /// Runs a command in a running instance.
    ///
    /// # Errors
    /// As the contract says.
    async fn exec(&self, id: &InstanceId, command: &Command, options: ExecOptions) -> Result<Exec>;

    /// The output of an instance.
    fn logs(&self, id: &InstanceId, options: LogOptions) -> BoxStream<Result<LogChunk>>;

    /// Measurements of a running instance.
    fn stats(&self, id: &InstanceId, options: StatsOptions) -> BoxStream<Result<ResourceSample>>;

    /// What happens to the instances from now on.
    fn watch(&self, options: WatchOptions) -> BoxStream<Result<RuntimeChange>>;

    /// Images, where this backend has them.
    fn images(&self) -> Option<&dyn Images> {
        None
    }

    /// Volumes, where this backend has them.
    fn volumes(&self) -> Option<&dyn Volumes> {
        None
    }

    /// Files in instances, where this backend can reach them.
    fn files(&self) -> Option<&dyn Files> {
        None
    }

    /// Instances that wait for their work, where this backend has them.
    fn resident(&self) -> Option<&dyn Resident> {
        None
    }

    /// Freezing, where this backend can do it.
    fn pausing(&self) -> Option<&dyn Pausing> {
        None
    }
}

/// The images of a backend.
#[async_trait]
pub trait Images: Send + Sync {
    /// Whether the image is on the backend's host.
    ///
    /// # Errors
    /// `Unavailable` and the like.
    async fn exists(&self, image: &ImageRef) -> Result<bool>;

    /// Fetches the image; yields progress, ends when it is there, or with the error that stopped it.
    fn pull(&self, image: &ImageRef, options: PullOptions) -> BoxStream<Result<ImageProgress>>;

    /// Removes the image from the backend's host; one that isn't there is `Ok`.
    ///
    /// # Errors
    /// `WrongState` while an instance uses it.
    async fn remove(&self, image: &ImageRef) -> Result<()>;
}

/// How [`Images::pull`] fetches.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct PullOptions {
    /// Who asks, where the registry wants to know; default: what the backend is configured with.
    pub login: Option<RegistryLogin>,
}

impl PullOptions {
    /// Sets who asks.
    #[must_use]
    pub fn with_login(mut self, login: RegistryLogin) -> Self {
        self.login = Some(login);
        self
    }
}

/// Who asks a registry. `Debug` shows no secret.
#[derive(Clone)]
#[non_exhaustive]
pub enum RegistryLogin {
    /// A user and a password.
    Password {
        /// The user's name.
        user: String,
        /// The password.
        password: String,
    },
    /// A token.
    Token(String),
}

impl fmt::Debug for RegistryLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password { user, .. } => write!(f, "Password {{ user: {user:?}, password: *** }}"),
            Self::Token(_) => f.write_str("Token(***)"),
        }
    }
}

/// How far the fetching of an image is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageProgress {
    /// The layer, where the step is about one.
    pub layer: Option<String>,
    /// What happens, for people.
    pub status: String,
    /// Bytes done.
    pub current: u64,
    /// Bytes to do, where known.
    pub total: Option<u64>,
}

impl ImageProgress {
    /// A step that counts no bytes.
    pub fn step(status: impl Into<String>) -> Self {
        Self { layer: None, status: status.into(), current: 0, total: None }
    }
}

/// The volumes of a backend.
#[async_trait]
pub trait Volumes: Send + Sync {
    /// Makes a volume; one that is there already is `Ok`.
    ///
    /// # Errors
    /// `Invalid` for a malformed name.
    async fn create(&self, name: &str) -> Result<()>;

    /// Removes a volume with its content; one that isn't there is `Ok`.
    ///
    /// # Errors
    /// `WrongState` while an instance uses it.
    async fn remove(&self, name: &str) -> Result<()>;

    /// The names of all volumes, ascending.
    ///
    /// # Errors
    /// `Unavailable` and the like.
    async fn list(&self) -> Result<Vec<String>>;
}

/// Files within instances.
#[async_trait]
pub trait Files: Send + Sync {
    /// Writes a file, whole or not at all.
    ///
    /// # Errors
    /// `NotFound` where its folder isn't there.
    async fn put(&self, id: &InstanceId, path: &str, content: Bytes) -> Result<()>;

    /// Reads a file of at most `limit` bytes.
    ///
    /// # Errors
    /// `NotFound`; `LimitExceeded`.
    async fn get(&self, id: &InstanceId, path: &str, limit: u64) -> Result<Bytes>;
}

/// Freezing instances.
#[async_trait]
pub trait Pausing: Send + Sync {
    /// Freezes a running instance.
    ///
    /// # Errors
    /// `WrongState` where it doesn't run.
    async fn pause(&self, id: &InstanceId) -> Result<()>;

    /// Lets a frozen instance go on.
    ///
    /// # Errors
    /// `WrongState` where it isn't frozen.
    async fn resume(&self, id: &InstanceId) -> Result<()>;
}

/// Times between which backends poll where the host tells nothing by itself.
pub(crate) const POLL: Duration = Duration::from_millis(50);
