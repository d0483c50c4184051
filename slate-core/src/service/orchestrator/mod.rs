mod commands;
mod output;
mod pooled;
mod supervise;

use super::{
    Journal, LogSink, Pool, Sessions,
    leases::Leases,
    pool::Turns,
    sweep::sweep,
    task::{Handle, repeat},
};
use crate::{
    Cancel, Result, SessionId, WorkerId,
    bus::EventBus,
    model::{QuotaLimits, RuntimeSession},
    policy::SecurityPolicy,
    runtime::RuntimeBackend,
    store::{Claim, JobRef, Queue, Record},
};
use std::{sync::Arc, time::Duration};
use supervise::Supervisor;
use tokio::sync::{Notify, RwLock, broadcast};

const NAME: &str = "orchestrator";
/// Records of which a command that waits may lag behind before it looks for itself.
const RECORDED: usize = 256;

/// How the orchestrator works.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OrchestratorOptions {
    /// Whose instances these are, where several deployments share a backend; default `default`.
    pub deployment: String,
    /// How long a session stays with an orchestrator that is heard of no more; default 15 s.
    pub lease: Duration,
    /// Longest wait until the store is asked for sessions again; default 1 s.
    pub poll: Duration,
    /// Time between two looks at a running instance; default 500 ms.
    pub watch: Duration,
    /// Time that an instance has to end politely; default 10 s.
    pub stop_grace: Duration,
    /// Time between two measurements of a running session; default 10 s.
    pub sample_every: Duration,
    /// Time between two searches for orphans; default 30 s.
    pub sweep_every: Duration,
    /// Age under which an instance is never taken for an orphan; default 30 s.
    pub orphan_grace: Duration,
    /// Most sessions of one orchestrator; default 1000.
    pub max_sessions: usize,
    /// Time that a command over the bus may take before it is answered; default 30 s.
    pub command_timeout: Duration,
    /// What sessions may ask for; asked again before an instance is made, so that a policy that was closed meanwhile holds
    /// for sessions that wait. Default [`SecurityPolicy::default`], which allows no mount of the host.
    pub policy: SecurityPolicy,
    /// What users without a quota may hold; default unlimited.
    pub default_quota: Option<QuotaLimits>,
    /// The warm pools that sessions are taken from where their spec fits one; default none. A
    /// [`PoolKeeper`](crate::service::PoolKeeper) keeps them.
    pub pools: Vec<Pool>,
}

impl Default for OrchestratorOptions {
    fn default() -> Self {
        Self {
            deployment: "default".into(),
            lease: Duration::from_secs(15),
            poll: Duration::from_secs(1),
            watch: Duration::from_millis(500),
            stop_grace: Duration::from_secs(10),
            sample_every: Duration::from_secs(10),
            sweep_every: Duration::from_secs(30),
            orphan_grace: Duration::from_secs(30),
            max_sessions: 1000,
            command_timeout: Duration::from_secs(30),
            policy: SecurityPolicy::default(),
            default_quota: None,
            pools: Vec::new(),
        }
    }
}

/// Brings sessions to the state that their records ask for, and keeps them there.
///
/// It claims sessions of its backend's kind, makes, starts, watches and stops their instances, records every change with its
/// event, carries their output to the log aggregator, and answers commands on `slate.container.*.*`. Instances that run when
/// it starts are adopted; several orchestrators share the work by leases.
#[derive(Debug)]
pub struct Orchestrator;

/// What the orchestrator's parts share.
pub(super) struct Context {
    journal: Journal,
    bus: Arc<dyn EventBus>,
    runtime: Arc<dyn RuntimeBackend>,
    logs: LogSink,
    sessions: Sessions,
    leases: Leases,
    options: OrchestratorOptions,
    /// Where sessions wait for members of pools.
    turns: Turns,
    /// Rung when there may be a session to claim.
    bell: Notify,
    /// Tells of each session whose record this orchestrator has changed.
    recorded: broadcast::Sender<SessionId>,
    /// Held by each removal of an ended session's instance, which the orchestrator's end waits for.
    removals: Arc<RwLock<()>>,
}

impl Orchestrator {
    /// Starts it.
    ///
    /// # Errors
    /// Those of [`EventBus::subscribe`].
    pub async fn start(
        journal: Journal,
        bus: Arc<dyn EventBus>,
        runtime: Arc<dyn RuntimeBackend>,
        logs: LogSink,
        options: OrchestratorOptions,
    ) -> Result<Handle> {
        let leases = Leases::new(WorkerId::unique(NAME), options.lease);
        let sessions = Sessions::new(journal.clone(), options.policy.clone(), options.default_quota);
        let (turns, bell, removals) = (Turns::default(), Notify::new(), Arc::default());
        let recorded = broadcast::Sender::new(RECORDED);
        let context =
            Context { journal, bus, runtime, logs, sessions, leases, options, turns, bell, recorded, removals };
        let context = Arc::new(context);
        let commands = commands::subscribe(&context).await?;
        let cancel = Cancel::new();
        Ok(Handle::spawn(NAME, cancel.clone(), async move {
            tokio::join!(
                commands::serve(Arc::clone(&context), commands, &cancel),
                claim(&context, &cancel),
                extend(&context, &cancel),
                clean(&context, &cancel),
            );
            // Instances go on; another orchestrator, or this one's next start, adopts them.
            if let Err(error) = context.leases.release(&*context.journal.store().clone()).await {
                tracing::warn!(%error, "the sessions' leases could not be given back and will run out");
            }
            drop(context.removals.write().await);
        }))
    }
}

async fn claim(context: &Arc<Context>, cancel: &Cancel) {
    repeat(NAME, cancel, || async {
        let room = context.options.max_sessions.saturating_sub(context.leases.len()).min(100);
        if room > 0 {
            let backend = context.runtime.descriptor().name;
            let claim = Claim::new(context.leases.worker().clone(), context.leases.duration(), room as u32)
                .with_backend(backend);
            for record in context.journal.store().claim(Queue::Sessions, claim).await? {
                if let Record::Session(session) = record {
                    supervise(context, &session);
                }
            }
        }
        tokio::select! {
            () = context.bell.notified() => {}
            () = tokio::time::sleep(context.options.poll) => {}
            () = cancel.canceled() => {}
        }
        Ok(Duration::ZERO)
    })
    .await;
}

fn supervise(context: &Arc<Context>, session: &RuntimeSession) {
    let job = JobRef::Session(session.id);
    let work = context.leases.add(job, session.lease.attempt);
    let supervisor = Supervisor::new(Arc::clone(context), session, work.clone());
    let context = Arc::clone(context);
    tokio::spawn(async move {
        tokio::select! {
            () = supervisor.run() => {}
            () = work.lost.canceled() => {}
        }
        context.leases.remove(job, work.attempt);
    });
}

async fn extend(context: &Context, cancel: &Cancel) {
    let store = context.journal.store();
    repeat(NAME, cancel, || async {
        context.leases.extend(&**store).await?;
        Ok(context.options.lease / 3)
    })
    .await;
}

async fn clean(context: &Context, cancel: &Cancel) {
    let options = &context.options;
    repeat(NAME, cancel, || async {
        sweep(&context.journal, &*context.runtime, &options.deployment, options.orphan_grace).await?;
        Ok(options.sweep_every)
    })
    .await;
}
