use super::{EnvValue, RuntimeSpec};
use crate::{Error, InstanceId, Result};
use async_trait::async_trait;
use std::{collections::BTreeMap, fmt};

/// Instances that are started before it is known what they will run: the ground of warm pools.
///
/// # Contract
/// - `warm` makes an instance at the spec's limits, with its image, mounts, network and labels, and starts it. When it
///   returns, the instance runs and waits; nothing of the spec's command has run.
/// - `bind` runs an assignment in an instance that waits. From then on the instance is as one that was made for it: its
///   output is in `logs` and nothing else is, its end is the program's end with the program's exit code, `stop` asks the
///   program politely.
/// - Binding under a key once more is `Ok` and changes nothing; another key gives `WrongState`.
/// - A program that can't be found gives `NotFound` or `Invalid`; the instance is then good for nothing but removal.
/// - `ping` is `Ok` while the instance waits and answers; one that doesn't run gives `WrongState`, one that is silent
///   `TimedOut` or `Unavailable`, one that isn't there `NotFound`.
/// - A bound instance that was stopped and is started again waits again.
#[async_trait]
pub trait Resident: Send + Sync {
    /// Makes an instance that waits for its work, and starts it. One that doesn't come to wait is removed again.
    ///
    /// # Errors
    /// Those of [`create`](super::RuntimeBackend::create) and [`start`](super::RuntimeBackend::start).
    async fn warm(&self, spec: &RuntimeSpec) -> Result<InstanceId>;

    /// Gives an instance its work; returns when its program runs.
    ///
    /// # Errors
    /// As the contract says.
    async fn bind(&self, id: &InstanceId, work: &Assignment) -> Result<()>;

    /// Asks an instance that waits whether it is well.
    ///
    /// # Errors
    /// As the contract says.
    async fn ping(&self, id: &InstanceId) -> Result<()>;
}

/// What a warm instance is told when it is claimed. `Debug` shows no secret.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Assignment {
    /// Makes binding twice as good as once, up to 128 printable characters; the session's id.
    pub key: String,
    /// The program and its arguments; empty for the image's own.
    pub command: Vec<String>,
    /// Environment variables, beside those of the image.
    pub env: BTreeMap<String, EnvValue>,
    /// The folder to start in; default: the image's.
    pub working_dir: Option<String>,
    /// Whom the program runs as; default: as the instance does. Where it isn't that user, binding gives
    /// `PermissionDenied`: an instance without privileges can't become another.
    pub user: Option<String>,
}

impl Assignment {
    /// What `spec` would have run, under this key.
    pub fn of_spec(key: impl Into<String>, spec: &RuntimeSpec) -> Self {
        Self {
            key: key.into(),
            command: spec.command.clone(),
            env: spec.env.clone(),
            working_dir: spec.working_dir.clone(),
            user: spec.user.clone(),
        }
    }

    /// Checks the form of the key, and of what a spec is checked for as well.
    ///
    /// # Errors
    /// `Invalid`, naming the field; `LimitExceeded` for too many words or variables.
    pub fn validate(&self) -> Result<()> {
        if !(1..=128).contains(&self.key.len()) || !self.key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::invalid("an assignment's key is 1 to 128 printable characters"));
        }
        let mut spec = RuntimeSpec::new(
            "assignment",
            if self.command.is_empty() { vec!["x".into()] } else { self.command.clone() },
        );
        spec.env.clone_from(&self.env);
        spec.working_dir.clone_from(&self.working_dir);
        spec.user.clone_from(&self.user);
        spec.validate()
    }
}

impl fmt::Debug for Assignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assignment")
            .field("key", &self.key)
            .field("program", &self.command.first())
            .field("variables", &self.env.keys())
            .field("working_dir", &self.working_dir)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}
