mod claim;
mod keep;
mod tend;

pub(super) use claim::Turns;

use super::{
    Journal,
    sweep::sweep,
    task::{Handle, repeat},
};
use crate::{
    Cancel, Error, ProjectId, Result, WorkerId,
    model::{PoolMember, RuntimeSession, Sha256Hex, Template, warm_hash},
    policy::PoolSpec,
    runtime::{NetworkMode, RuntimeBackend, RuntimeSpec},
};
use keep::Keeper;
use std::{sync::Arc, time::Duration};

const NAME: &str = "pools";

/// A warm pool: which instances it holds, and how many. Keepers and orchestrators are given the same ones.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Pool {
    /// Its name, 1 to 128 printable characters, unique in the deployment.
    pub name: String,
    /// What its members are made from. Command, environment and working folder don't matter: sessions bring their own.
    pub spec: RuntimeSpec,
    /// How many there are.
    pub size: PoolSpec,
    /// The project whose sessions it serves, and whose network its members are in; default any. Only a spec whose network is
    /// none, or named, can serve any project.
    pub project: Option<ProjectId>,
    /// Time for which a session waits for a member before its instance is made cold; default 500 ms.
    pub wait: Duration,
}

impl Pool {
    /// A pool for sessions of this spec, in any project.
    pub fn new(name: impl Into<String>, spec: RuntimeSpec, size: PoolSpec) -> Self {
        Self { name: name.into(), spec, size, project: None, wait: Duration::from_millis(500) }
    }

    /// A pool of this template, named after it.
    pub fn of_template(template: &Template, size: PoolSpec) -> Self {
        Self::new(format!("template-{}", template.id), template.config.clone(), size)
    }

    /// Sets the project whose sessions it serves.
    #[must_use]
    pub fn for_project(mut self, project: ProjectId) -> Self {
        self.project = Some(project);
        self
    }

    /// Sets how long a session waits for a member.
    #[must_use]
    pub fn with_wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Checks the name, the size and that the spec can be warmed.
    ///
    /// # Errors
    /// `Invalid`, naming the rule; those of [`RuntimeSpec::validate`].
    pub fn validate(&self) -> Result<()> {
        let name = self.name.as_bytes();
        if !(1..=128).contains(&name.len()) || !name.iter().all(u8::is_ascii_graphic) {
            return Err(Error::invalid("a pool's name is 1 to 128 printable characters"));
        }
        self.size.validate().map_err(|error| error.with("pool", &self.name))?;
        RuntimeSpec { name: "member".into(), ..self.spec.clone() }.validate()?;
        if self.project.is_none() && self.spec.network == NetworkMode::Bridge {
            let rule = "a pool for any project has network none or a named one: the default network is its project's";
            return Err(Error::invalid(rule).with("pool", &self.name));
        }
        if self.spec.ports.iter().any(|port| port.host.is_some()) {
            let rule = "the members of a pool can't all have one port of the host: leave the choice to the backend";
            return Err(Error::invalid(rule).with("pool", &self.name));
        }
        Ok(())
    }

    /// What its members are good for.
    ///
    /// # Errors
    /// Those of [`warm_hash`].
    pub fn spec_hash(&self) -> Result<Sha256Hex> {
        warm_hash(&self.spec)
    }

    /// Whether this session can run in a member.
    pub(super) fn fits(&self, session: &RuntimeSession) -> bool {
        self.project.is_none_or(|project| project == session.project_id)
            && matches!((warm_hash(&session.container_config), self.spec_hash()), (Ok(wanted), Ok(held)) if wanted == held)
    }
}

/// How the keeper of pools works.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PoolKeeperOptions {
    /// The pools that it keeps.
    pub pools: Vec<Pool>,
    /// Whose instances these are, where several deployments share a backend; default `default`.
    pub deployment: String,
    /// Time between two looks at a pool; default 250 ms.
    pub look: Duration,
    /// How long one keeper of a pool keeps the others away; default 15 s. It is also the time after which another takes over.
    pub lease: Duration,
    /// Time between two questions to a ready member whether it is well; default 5 s.
    pub heartbeat: Duration,
    /// Time that the answer may take; default 2 s.
    pub heartbeat_timeout: Duration,
    /// Missed answers in a row that make a member unhealthy; default 2.
    pub missed: u32,
    /// Time that the warming of a member may take; default 60 s.
    pub warm_timeout: Duration,
    /// Time between two searches for orphans, and for pools that nobody keeps any more; default 30 s.
    pub sweep_every: Duration,
    /// Age under which an instance is never taken for an orphan; default 30 s.
    pub orphan_grace: Duration,
    /// Time after which the members of a pool that no keeper knows are removed; default 5 min.
    pub forget_after: Duration,
}

impl PoolKeeperOptions {
    /// The defaults, for these pools.
    pub fn new(pools: Vec<Pool>) -> Self {
        Self {
            pools,
            deployment: "default".into(),
            look: Duration::from_millis(250),
            lease: Duration::from_secs(15),
            heartbeat: Duration::from_secs(5),
            heartbeat_timeout: Duration::from_secs(2),
            missed: 2,
            warm_timeout: Duration::from_secs(60),
            sweep_every: Duration::from_secs(30),
            orphan_grace: Duration::from_secs(30),
            forget_after: Duration::from_secs(300),
        }
    }
}

/// Keeps warm pools between their floor and their ceiling: warms members, asks them whether they are well, removes what is
/// too many, too old, unhealthy or used.
///
/// A member is used by one session and then removed with its instance. Several keepers may know the same pools: one keeps each
/// at a time, by a lease, and the others take over when it is gone; members are adopted, never lost.
#[derive(Debug)]
pub struct PoolKeeper;

/// What the keepers of all pools share.
struct Shared {
    journal: Journal,
    runtime: Arc<dyn RuntimeBackend>,
    options: PoolKeeperOptions,
    worker: WorkerId,
}

impl PoolKeeper {
    /// Starts it.
    ///
    /// # Errors
    /// `Invalid` for a pool that isn't sound, or two of one name; `Unsupported` where the backend has no instances that wait
    /// for work.
    pub fn start(journal: Journal, runtime: Arc<dyn RuntimeBackend>, options: PoolKeeperOptions) -> Result<Handle> {
        options.pools.iter().try_for_each(Pool::validate)?;
        let mut names: Vec<_> = options.pools.iter().map(|pool| &pool.name).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Error::invalid("two pools have the same name").with("pool", pair[0]));
        }
        if runtime.resident().is_none() {
            let backend = runtime.descriptor().name;
            return Err(Error::unsupported("this backend has no instances that wait for work").with("backend", backend));
        }
        let shared = Arc::new(Shared { journal, runtime, options, worker: WorkerId::unique(NAME) });
        let hashes = shared.options.pools.iter().map(Pool::spec_hash).collect::<Result<Vec<_>>>()?;
        let pools: Vec<_> = shared.options.pools.iter().cloned().zip(hashes).collect();
        let cancel = Cancel::new();
        Ok(Handle::spawn(NAME, cancel.clone(), async move {
            let keeping =
                pools.into_iter().map(|(pool, hash)| Keeper::new(Arc::clone(&shared), pool, hash).run(&cancel));
            tokio::join!(futures_util::future::join_all(keeping), clean(&shared, &cancel));
        }))
    }
}

async fn clean(shared: &Arc<Shared>, cancel: &Cancel) {
    let options = &shared.options;
    repeat(NAME, cancel, || async {
        sweep(&shared.journal, &*shared.runtime, &options.deployment, options.orphan_grace).await?;
        tend::forgotten_pools(shared).await?;
        Ok(options.sweep_every)
    })
    .await;
}

/// The name of the lease under which a pool is kept.
fn lease_name(pool: &str) -> String {
    format!("pool:{pool}")
}

/// The name of a member's instance; making it twice is found out by it.
fn instance_name(member: &PoolMember) -> String {
    format!("slate-pool-{}", member.id)
}
