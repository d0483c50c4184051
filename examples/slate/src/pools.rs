//! Warm pools by configuration.

use crate::{config::Config, pieces::Opened};
use serde::{Deserialize, Serialize};
use slate_core::{
    Error, Result,
    policy::PoolSpec,
    runtime::{NetworkMode, RuntimeSpec},
    service::Pool,
};
use std::path::PathBuf;

/// A warm pool (`[service.pools.NAME]`): instances that wait for sessions, kept by `slate serve`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Warm {
    /// The folder of the project whose sessions it serves, made as `slate session start` makes them.
    pub(crate) project: Option<PathBuf>,
    /// Without a project: what its instances are made of, for sessions of any project that need no more than this.
    pub(crate) image: Option<String>,
    /// Memory of an instance, as `512M`; default what the project says, or no limit of the pool's own.
    pub(crate) memory: Option<String>,
    /// Processes of an instance; default as for the memory.
    pub(crate) pids: Option<u32>,
    /// Instances that are to be ready; default 1.
    #[serde(default = "one")]
    pub(crate) ready: u32,
    /// Most instances in all, those in use too; default 32.
    #[serde(default = "thirty_two")]
    pub(crate) most: u32,
}

const fn one() -> u32 {
    1
}

const fn thirty_two() -> u32 {
    32
}

impl Warm {
    pub(crate) fn check(&self, name: &str) -> Result<()> {
        self.size().validate().map_err(|error| error.with("pool", name))?;
        if self.project.is_some() == self.image.is_some() {
            return Err(Error::invalid("a pool is of a project or of an image: name one of them").with("pool", name));
        }
        Ok(())
    }

    fn size(&self) -> PoolSpec {
        let mut size = PoolSpec::default();
        (size.min_ready, size.max_total) = (self.ready, self.most);
        size.max_ready = size.max_ready.max(self.ready);
        size
    }

    /// The pool, with the project's record where it is of one.
    pub(crate) async fn open(&self, name: &str, opened: &Opened, config: &Config) -> Result<Pool> {
        let (mut spec, project) = match &self.project {
            Some(folder) => {
                let found = opened.look_at(folder, None)?;
                let spec = opened.session_spec(config, &found)?;
                (spec, Some(opened.project(&found).await?.0.id))
            }
            None => {
                let mut spec = RuntimeSpec::new("session", ["sh"]);
                spec.image = self.image.as_deref().map(str::parse).transpose()?;
                spec.network = config.docker.network().unwrap_or(NetworkMode::None);
                (spec, None)
            }
        };
        spec.memory = self.memory.as_deref().map(str::parse).transpose()?.or(spec.memory);
        spec.pids = self.pids.or(spec.pids);
        let pool = Pool::new(name, spec, self.size());
        Ok(project.into_iter().fold(pool, Pool::for_project))
    }
}
