use super::{
    Command, ExecOptions, ExitStatus, Instance, InstanceState, ListOptions, RemoveOptions, ResourceSample,
    RuntimeBackend, RuntimeSpec, StatsOptions, StopOptions, backend::POLL,
};
use crate::{Error, ErrorKind, InstanceId, Result};
use async_trait::async_trait;
use futures_util::TryStreamExt;
use std::time::Duration;

/// Comfort over [`RuntimeBackend`]; nobody implements it.
#[async_trait]
pub trait RuntimeBackendExt: RuntimeBackend {
    /// Makes an instance and starts it; one that can't be started is removed again.
    ///
    /// # Errors
    /// Those of `create` and `start`.
    async fn run(&self, spec: &RuntimeSpec) -> Result<InstanceId> {
        let id = self.create(spec).await?;
        match self.start(&id).await {
            Ok(()) => Ok(id),
            Err(error) => {
                self.remove_if_there(&id).await?;
                Err(error)
            }
        }
    }

    /// Removes an instance, running or not; one that isn't there is `Ok`.
    ///
    /// # Errors
    /// Those of `remove`, except `NotFound`.
    async fn remove_if_there(&self, id: &InstanceId) -> Result<()> {
        match self.remove(id, RemoveOptions::default().with_force(true)).await {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Stops an instance and starts it again.
    ///
    /// # Errors
    /// Those of `stop` and `start`.
    async fn restart(&self, id: &InstanceId, options: StopOptions) -> Result<()> {
        self.stop(id, options).await?;
        self.start(id).await
    }

    /// Waits until an instance has ended, asking for it again and again.
    ///
    /// # Errors
    /// Those of `inspect`; `TimedOut` after `limit`.
    async fn wait_for_exit(&self, id: &InstanceId, limit: Duration) -> Result<ExitStatus> {
        let ended = async {
            loop {
                let instance = self.inspect(id).await?;
                if instance.state == InstanceState::Exited {
                    return Ok(instance.exit.unwrap_or(ExitStatus::unknown()));
                }
                tokio::time::sleep(POLL).await;
            }
        };
        match tokio::time::timeout(limit, ended).await {
            Ok(result) => result,
            Err(_) => Err(Error::timed_out("the instance hasn't ended in time").with("instance", id)),
        }
    }

    /// All instances with these options in one list.
    ///
    /// # Errors
    /// The first error of `list`.
    async fn list_all(&self, options: ListOptions) -> Result<Vec<Instance>> {
        self.list(options).try_collect().await
    }

    /// Runs a command to its end and collects its output, at most 16 MiB.
    ///
    /// # Errors
    /// Those of `exec`; `LimitExceeded` for more output.
    async fn exec_all(
        &self,
        id: &InstanceId,
        command: &Command,
        options: ExecOptions,
    ) -> Result<(Vec<u8>, Vec<u8>, ExitStatus)> {
        self.exec(id, command, options).await?.collect(16 << 20).await
    }

    /// One measurement of a running instance.
    ///
    /// # Errors
    /// Those of `stats`; `WrongState` where it doesn't run.
    async fn sample(&self, id: &InstanceId) -> Result<ResourceSample> {
        let mut samples = self.stats(id, StatsOptions::default().with_once(true));
        let sample = samples.try_next().await?;
        sample.ok_or_else(|| Error::wrong_state("the instance doesn't run").with("instance", id))
    }
}

impl<T: RuntimeBackend + ?Sized> RuntimeBackendExt for T {}
