//! Warm pools on a real engine: what a claim takes beside a cold start, and what the orchestrator adds to the engine's calls.
//!
//! Needs `DOCKER_HOST` (`dev/engine start`) and `SLATE_AGENT` (`dev/agent`). All contenders take turns in one run.

use bollard::{
    Docker,
    models::ContainerCreateBody,
    query_parameters::{RemoveContainerOptions, StopContainerOptions, WaitContainerOptions},
};
use futures_util::{StreamExt, stream};
use slate_benches::{BoxError, Result};
use slate_core::{
    SessionId, SystemClock, Timestamp, UserId,
    bus::{ContainerTopic, EventBus, Message, Topic},
    memory::{MemoryBus, MemoryStore},
    model::{PoolMember, PoolMemberState, Project, warm_hash},
    policy::MountPolicy,
    runtime::{
        Assignment, Cpus, ImageRef, Images, NetworkMode, Resident, RuntimeBackend, RuntimeBackendExt, RuntimeSpec,
        RuntimeType, StopOptions,
    },
    service::{Handle, Journal, LogAggregator, LogOptions, NewSession, Orchestrator, OrchestratorOptions, Sessions},
    store::{ChangeSet, ChangeStore, MemberClaim, PoolStore, Store},
};
use slate_docker::{Agent, DockerBackend, DockerOptions, EngineHost, NoCredentials, PullPolicy, request_body};
use slate_store::sqlite::{SqliteOptions, SqliteStore};
use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

/// Members of each kind that are claimed.
const CLAIMS: usize = 60;
/// Containers that are warmed at a time; the engine doesn't start more at once any faster.
const BATCH: usize = 10;
/// Rounds of create, start and stop.
const ROUNDS: usize = 50;

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        // One of the tables alone, where it is named.
        let wanted = std::env::args().nth(1);
        let wants = |name| wanted.as_deref().is_none_or(|wanted| wanted == name);
        if wants("claims") {
            claims().await?;
        }
        if wants("overhead") {
            overhead().await?;
        }
        Ok(())
    })
}

fn options() -> DockerOptions {
    DockerOptions::default().with_realm("slate-bench").with_pull(PullPolicy::Never).with_credentials(NoCredentials)
}

fn image() -> Result<ImageRef> {
    Ok("slate-bench/busybox:1".parse()?)
}

fn spec(name: impl Into<String>) -> Result<RuntimeSpec> {
    let mut spec = RuntimeSpec::new(name, ["sleep", "600"]).with_image(image()?).with_cpus(Cpus::cores(1));
    spec.network = NetworkMode::None;
    Ok(spec)
}

async fn backend(options: DockerOptions) -> Result<DockerBackend> {
    let backend = DockerBackend::open(options).await?;
    if !backend.exists(&image()?).await? {
        let folder = tempfile::tempdir()?;
        let make = "mkdir bin tmp && cp \"$(command -v busybox)\" bin/busybox && for name in sh sleep cat mkfifo rm; do \
                    ln -s busybox bin/$name; done && chmod 1777 tmp && tar -c .";
        let made = std::process::Command::new("sh").args(["-c", make]).current_dir(folder.path()).output()?;
        if !made.status.success() {
            return Err("no image could be made: install busybox-static".into());
        }
        backend.import_image(&image()?, stream::iter([made.stdout.into()])).await?;
    }
    Ok(backend)
}

/// Times in milliseconds.
#[derive(Default)]
struct Times(Vec<f64>);

impl Times {
    async fn time<T, E: Into<BoxError>>(&mut self, work: impl Future<Output = Result<T, E>>) -> Result<T> {
        let begin = Instant::now();
        let result = work.await.map_err(Into::into)?;
        self.0.push(begin.elapsed().as_secs_f64() * 1000.0);
        Ok(result)
    }

    fn at(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().saturating_sub(1);
        sorted.get((last as f64 * share).round() as usize).copied().unwrap_or(f64::NAN)
    }

    fn row(&self, name: &str, cold: &Self) {
        let ratio = cold.at(0.5) / self.at(0.5);
        println!("| {name} | {:.2} | {:.2} | {:.2} | {ratio:.0} |", self.at(0.5), self.at(0.9), self.at(0.99));
    }
}

/// Claims of warm containers, beside starts of cold ones of the same spec.
async fn claims() -> Result<()> {
    let agent = std::env::var("SLATE_AGENT").map_err(|_| "SLATE_AGENT names the agent: dev/agent builds it")?;
    let with_agent = backend(options().with_agent(Agent::open(agent)?)).await?;
    let with_shell = backend(options()).await?;
    let folder = tempfile::tempdir()?;
    let store = SqliteStore::open(folder.path().join("slate.db"), SqliteOptions::default()).await?;
    let (mut cold, mut commit, mut bound, mut whole, mut shell) =
        (Times::default(), Times::default(), Times::default(), Times::default(), Times::default());
    let hash = warm_hash(&spec("x")?)?;
    for _ in 0..CLAIMS / BATCH {
        let mut agents = Vec::new();
        let mut shells = Vec::new();
        for _ in 0..BATCH {
            let id = with_agent.warm(&spec(unique())?).await?;
            let mut member = PoolMember::new("bench", hash.clone(), "docker", Timestamp::now());
            member.state = PoolMemberState::Ready;
            (member.instance_id, member.ready_at) = (Some(id.clone()), Some(Timestamp::now()));
            store.apply(ChangeSet::new().create(member)).await?;
            agents.push(id);
            shells.push(with_shell.warm(&spec(unique())?).await?);
        }
        for idle in &shells {
            // One of each kind in turn.
            let name = unique();
            let id = cold
                .time(async {
                    let id = with_shell.create(&spec(name)?).await?;
                    with_shell.start(&id).await?;
                    Ok::<_, BoxError>(id)
                })
                .await?;
            with_shell.remove_if_there(&id).await?;
            let session = SessionId::new();
            let work = Assignment::of_spec(session.to_string(), &spec("work")?);
            let begin = Instant::now();
            let claim = MemberClaim::new("bench", hash.clone(), session);
            let member = commit.time(store.claim_member(claim)).await?.ok_or("a member is ready")?;
            let instance = member.instance_id.ok_or("a ready member has an instance")?;
            bound.time(with_agent.bind(&instance, &work)).await?;
            whole.0.push(begin.elapsed().as_secs_f64() * 1000.0);
            shell.time(with_shell.bind(idle, &work)).await?;
        }
        for id in agents.iter().chain(&shells) {
            with_agent.remove_if_there(id).await?;
        }
    }
    println!("\n### A claim, beside create + start of the same spec ({CLAIMS} each, in turn; ms)\n");
    println!("| | p50 | p90 | p99 | cold is so many times slower |\n|---|---|---|---|---|");
    cold.row("cold: create + start", &cold);
    bound.row("agent: the work handed over and taken", &cold);
    commit.row("SQLite: the claim's durable commit", &cold);
    whole.row("both", &cold);
    shell.row("without an agent: by exec", &cold);
    Ok(())
}

/// The engine's calls raw, by the backend, and by the orchestrator with its records.
async fn overhead() -> Result<()> {
    let backend = backend(options()).await?;
    let docker = Docker::connect_with_defaults()?.negotiate_version().await?;
    let folder = tempfile::tempdir()?;
    let durable = SqliteStore::open(folder.path().join("slate.db"), SqliteOptions::default()).await?;
    let durable = Served::start(Arc::new(durable), &backend).await?;
    let light = Served::start(Arc::new(MemoryStore::new()), &backend).await?;
    let host = EngineHost::new(Cpus::cores(std::thread::available_parallelism()?.get() as u32));

    let (mut raw, mut by_backend, mut in_sqlite, mut in_memory) =
        (Phases::default(), Phases::default(), Phases::default(), Phases::default());
    for _ in 0..ROUNDS {
        let body: ContainerCreateBody = serde_json::from_value(request_body(&spec(unique())?, &options(), host)?)?;
        let id = raw.start.time(async {
            let id = docker.create_container(None, body).await?.id;
            docker.start_container(&id, None).await?;
            Ok::<_, BoxError>(id)
        });
        let id = id.await?;
        let stop = async {
            docker.stop_container(&id, Some(StopContainerOptions { signal: None, t: Some(10) })).await?;
            docker.remove_container(&id, Some(RemoveContainerOptions { v: true, force: true, link: false })).await?;
            Ok::<_, BoxError>(())
        };
        raw.stop.time(stop).await?;

        let wanted = spec(unique())?;
        let id = by_backend.start.time(backend.run(&wanted)).await?;
        let stop = async {
            backend.stop(&id, StopOptions::default()).await?;
            backend.remove_if_there(&id).await?;
            Ok::<_, BoxError>(())
        };
        by_backend.stop.time(stop).await?;

        light.session(&mut in_memory, &docker).await?;
        durable.session(&mut in_sqlite, &docker).await?;
    }
    println!("\n### Create + start, and stop + remove ({ROUNDS} each, in turn; ms, p50)\n");
    println!("| | create + start | stop + remove | all | to raw calls |\n|---|---|---|---|---|");
    raw.row("raw engine calls", &raw);
    by_backend.row("DockerBackend", &raw);
    in_memory.row("orchestrator, records in memory", &raw);
    in_sqlite.row("orchestrator, records in SQLite", &raw);
    durable.end().await?;
    light.end().await
}

/// The orchestrator with its records in a store.
struct Served {
    bus: Arc<MemoryBus>,
    sessions: Sessions,
    project: Project,
    handles: [Handle; 2],
}

impl Served {
    async fn start(store: Arc<dyn Store>, backend: &DockerBackend) -> Result<Self> {
        let journal = Journal::new(Arc::clone(&store), Arc::new(SystemClock));
        let bus = Arc::new(MemoryBus::new());
        let (lines, live, clock) = (Arc::clone(&store) as _, Arc::clone(&bus) as _, Arc::clone(journal.clock()));
        let (logs, aggregator) = LogAggregator::start(lines, live, clock, LogOptions::default()).await?;
        let mut options = OrchestratorOptions::default();
        options.stop_grace = Duration::from_secs(10);
        let runtime = Arc::new(backend.clone());
        let orchestrator = Orchestrator::start(journal.clone(), Arc::clone(&bus) as _, runtime, logs, options).await?;
        let project = Project::new("Bench", UserId::new("bench")?, journal.now());
        store.apply(ChangeSet::new().create(project.clone())).await?;
        let sessions = Sessions::new(journal, MountPolicy::none(), None);
        Ok(Self { bus, sessions, project, handles: [orchestrator, aggregator] })
    }

    /// One session from its creation to the removal of its container.
    async fn session(&self, phases: &mut Phases, docker: &Docker) -> Result<()> {
        let command = |topic| async {
            let message = Message::new(Topic::Container(topic).subject(), "{}");
            let reply: serde_json::Value = self.bus.request(message, Duration::from_secs(30)).await?.parse()?;
            if reply["success"] == true { Ok(reply) } else { Err(BoxError::from(reply.to_string())) }
        };
        let (project, user) = (self.project.id, self.project.owner_id.clone());
        let new = NewSession::new(project, user, RuntimeType::Custom, "docker", spec("session")?);
        let start = async {
            let session = self.sessions.create(new).await?;
            let running = command(ContainerTopic::Start(session.id)).await?;
            Ok::<_, BoxError>((session.id, running["output"].as_str().unwrap_or_default().to_owned()))
        };
        let (id, container) = phases.start.time(start).await?;
        let options = WaitContainerOptions { condition: "removed".into() };
        let mut removed = docker.wait_container(&container, Some(options));
        let stop = async {
            // Removed after the session's end is recorded; the engine says so, with the program's code.
            let (ended, _removed) = tokio::join!(command(ContainerTopic::Stop(id)), removed.next());
            ended
        };
        phases.stop.time(stop).await.map(drop)
    }

    async fn end(self) -> Result<()> {
        for handle in self.handles {
            handle.shutdown(Duration::from_secs(10)).await?;
        }
        Ok(())
    }
}

#[derive(Default)]
struct Phases {
    start: Times,
    stop: Times,
}

impl Phases {
    fn row(&self, name: &str, raw: &Self) {
        let (start, stop) = (self.start.at(0.5), self.stop.at(0.5));
        // In each round: a machine that others use too wanders between them.
        let sums = |of: &Self| of.start.0.iter().zip(&of.stop.0).map(|(start, stop)| start + stop).collect::<Vec<_>>();
        let ratios = Times(sums(self).iter().zip(sums(raw)).map(|(own, raw)| own / raw).collect());
        println!("| {name} | {start:.1} | {stop:.1} | {:.1} | {:.3} |", start + stop, ratios.at(0.5));
    }
}

fn unique() -> String {
    format!("bench-{}", SessionId::new())
}
