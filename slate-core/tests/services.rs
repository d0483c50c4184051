//! The services on pieces in memory: each alone, all together, and gracefully ended.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use async_trait::async_trait;
use bytes::Bytes;
use slate_core::{
    AssetJobId, BoxStream, Component, ComponentKind, Descriptor, Error, ErrorKind, Result, SystemClock, Timestamp,
    UserId, WorkerId,
    asset::{
        AssetKind, AssetOptions, AssetOutput, AssetPipeline, AssetTask, ProcessorInfo, Progress, Report, TextureOptions,
    },
    blob::BlobKey,
    build::{BuildPlan, BuildRequest, Step},
    bus::{BuildTopic, EventBus, EventBusExt, Message, RuntimeTopic, Topic, event::Event, filters, headers},
    engine::{Classifier, Detected, Engine, Engines, LineClass, ProjectView},
    memory::{MemoryBlobs, MemoryBus, MemoryRuntime, MemoryStore},
    model::{
        AssetJob, AssetJobStatus, BuildJob, BuildStatus, BuildType, Json, LogEntry, LogLevel, LogSource, Project,
        SessionState, Stage, TargetPlatform,
    },
    policy::MountPolicy,
    runtime::{RuntimeBackendExt, RuntimeSpec, RuntimeType, labels},
    service::{
        Analytics, AnalyticsOptions, AssetProcessor, AssetWorkerOptions, Assets, BuildWorker, BuildWorkerOptions,
        Builds, Journal, LogAggregator, LogOptions, LogSink, NewSession, Orchestrator, OrchestratorOptions, Pieces,
        Projects, Relay, RelayOptions, ServicesOptions, Sessions, start_all,
    },
    store::{Claim, EventQuery, LogQuery, PageRequest, Queue, Store},
};
use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

const SOON: Duration = Duration::from_secs(20);

async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, look: impl Fn() -> F) -> T {
    let waiting = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SOON, waiting).await.unwrap_or_else(|_| panic!("{what} did not happen"))
}

/// Everything in memory, with a project whose folder is real.
struct World {
    store: Arc<dyn Store>,
    bus: Arc<MemoryBus>,
    runtime: Arc<MemoryRuntime>,
    blobs: Arc<MemoryBlobs>,
    journal: Journal,
    folder: tempfile::TempDir,
    project: Project,
    user: UserId,
}

impl World {
    async fn new() -> Self {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let journal = Journal::new(Arc::clone(&store), Arc::new(SystemClock));
        let user = UserId::new("ada").unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("game.test"), "x").unwrap();
        let blobs = Arc::new(MemoryBlobs::default());
        let mut project = Project::new("Test", user.clone(), journal.now());
        project.settings = serde_json::json!({ "path": folder.path() });
        Projects::new(journal.clone(), Arc::clone(&blobs) as _).create(project.clone()).await.unwrap();
        let runtime = Arc::new(MemoryRuntime::new());
        Self { store, bus: Arc::new(MemoryBus::new()), runtime, blobs, journal, folder, project, user }
    }

    async fn logs(&self) -> (LogSink, slate_core::service::Handle) {
        let mut options = LogOptions::default();
        options.flush_every = Duration::from_millis(50);
        let (store, clock) = (Arc::clone(&self.store) as _, Arc::clone(self.journal.clock()));
        LogAggregator::start(store, Arc::clone(&self.bus) as _, clock, options).await.unwrap()
    }

    fn builds(&self, plan: fn() -> BuildPlan) -> BuildWorkerOptions {
        let mut options =
            BuildWorkerOptions::new(self.folder.path().join("out"), Engines::new().with(TestEngine(plan)));
        options.projects = MountPolicy::any();
        options.poll = Duration::from_millis(20);
        options.retry_after = Duration::from_millis(10);
        options
    }

    async fn build(&self, plan: fn() -> BuildPlan) -> BuildJob {
        let (logs, aggregator) = self.logs().await;
        let (bus, runtime, blobs) = (Arc::clone(&self.bus), Arc::clone(&self.runtime), Arc::clone(&self.blobs));
        let pipeline = Arc::new(Copying::default());
        let options = self.builds(plan);
        let journal = self.journal.clone();
        let worker = BuildWorker::start(journal, bus, runtime, pipeline, blobs, logs, options).await.unwrap();
        let job = self.job();
        Builds::new(self.journal.clone(), Arc::clone(&self.bus) as _).enqueue(job.clone()).await.unwrap();
        let ended = eventually("the build's end", || async {
            let build = self.store.build(job.id).await.unwrap();
            build.status.is_final().then_some(build)
        })
        .await;
        worker.shutdown(SOON).await.unwrap();
        aggregator.shutdown(SOON).await.unwrap();
        ended
    }

    fn job(&self) -> BuildJob {
        let (kind, target) = (BuildType::Production, TargetPlatform::Linux);
        BuildJob::new(self.project.id, self.user.clone(), kind, target, self.journal.now())
    }

    async fn lines(&self, source: LogSource) -> Vec<String> {
        let page = self.store.logs(LogQuery::all().of_source(source), PageRequest::first(1000)).await.unwrap();
        page.items.into_iter().map(|entry| entry.message).collect()
    }
}

/// An engine whose plan is given; lines that begin with `FATAL` fail a build.
struct TestEngine(fn() -> BuildPlan);

impl Engine for TestEngine {
    fn name(&self) -> &'static str {
        "test"
    }

    fn runtime_type(&self) -> RuntimeType {
        RuntimeType::Custom
    }

    fn markers(&self) -> &'static [&'static str] {
        &["game.test"]
    }

    fn detect(&self, project: &ProjectView) -> Option<Detected> {
        let found = project.contains("game.test");
        found.then_some(Detected { project_name: None, engine_version: None, confidence: 50 })
    }

    fn session_spec(&self, _: &ProjectView, _: &str, name: &str) -> Result<RuntimeSpec> {
        Ok(RuntimeSpec::new(name, ["sleep", "60"]))
    }

    fn plan(&self, _: &ProjectView, _: &BuildRequest) -> Result<BuildPlan> {
        Ok((self.0)())
    }

    fn classifier(&self, _: &ProjectView) -> Result<Classifier> {
        Ok(Arc::new(
            |line| {
                if line.starts_with("FATAL") { LineClass::fatal() } else { LineClass::level(LogLevel::Info) }
            },
        ))
    }
}

/// A pipeline that gives every asset back, after failing as often as it is told.
#[derive(Default)]
struct Copying {
    failures: AtomicU32,
    damaged: bool,
    /// Never ends by itself.
    stuck: bool,
}

#[async_trait]
impl Component for Copying {
    fn descriptor(&self) -> Descriptor {
        Descriptor::new(ComponentKind::Assets, "copying")
    }

    async fn ping(&self) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl AssetPipeline for Copying {
    fn processors(&self) -> Vec<ProcessorInfo> {
        Vec::new()
    }

    async fn process(&self, task: AssetTask, progress: Progress) -> Result<AssetOutput> {
        if self.stuck {
            task.cancel.canceled().await;
        }
        task.cancel.check()?;
        if self.damaged {
            return Err(Error::corrupt("not an image"));
        }
        if self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err(Error::unavailable("not now"));
        }
        progress.report(1.0);
        Ok(AssetOutput::new(Vec::new(), Report::new(), task.input.len()))
    }

    fn read(&self, _: &BlobKey) -> BoxStream<Result<Bytes>> {
        Box::pin(futures_util::stream::empty())
    }
}

#[tokio::test]
async fn the_relay_publishes_what_is_stored_once_each_in_order() {
    let world = World::new().await;
    let mut events = world.bus.subscribe(&filters::all(), Default::default()).await.unwrap();
    let relay = Relay::start(world.journal.clone(), Arc::clone(&world.bus) as _, None, RelayOptions::default());
    let first = tokio::time::timeout(SOON, events.next()).await.unwrap().unwrap();
    assert_eq!(first.subject.as_str(), "slate.project.created.ada");
    assert!(first.event_id().is_some() && first.headers[headers::VERSION] == "1");
    assert!(matches!(Event::parse(&first).unwrap(), Event::Project(event) if event.project_id == world.project.id));
    eventually("the mark", || async { world.store.unpublished(10).await.unwrap().is_empty().then_some(()) }).await;
    relay.shutdown(SOON).await.unwrap();
    assert_eq!(world.store.count_events(EventQuery::all()).await.unwrap(), 1);
}

#[tokio::test]
async fn a_bus_that_fails_loses_no_event() {
    let world = World::new().await;
    world.bus.close().await.unwrap();
    let relay = Relay::start(world.journal.clone(), Arc::clone(&world.bus) as _, None, RelayOptions::default());
    tokio::time::sleep(Duration::from_millis(100)).await;
    relay.shutdown(SOON).await.unwrap();
    assert_eq!(world.store.unpublished(10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_line_is_acknowledged_when_it_is_stored() {
    let world = World::new().await;
    let (logs, aggregator) = world.logs().await;
    let source = LogSource::Build(slate_core::BuildId::new());
    let line = |text: &str| LogEntry::new(source, LogLevel::Info, text, Timestamp::now());
    logs.append(vec![line("one"), line("two")]).await.unwrap();
    assert_eq!(world.lines(source).await, ["one", "two"]);
    logs.submit(vec![line("three")]).await.unwrap();
    logs.barrier().await.unwrap();
    assert_eq!(world.lines(source).await, ["one", "two", "three"]);
    logs.submit(vec![line("last")]).await.unwrap();
    aggregator.shutdown(SOON).await.unwrap();
    assert_eq!(world.lines(source).await.last().unwrap(), "last", "nothing is lost at shutdown");
    assert_eq!(logs.append(vec![line("late")]).await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn lines_of_others_are_taken_over_the_bus() {
    let world = World::new().await;
    let (_logs, aggregator) = world.logs().await;
    let id = slate_core::SessionId::new();
    let subject = Topic::Runtime(RuntimeTopic::Log(id)).subject();
    let envelope = serde_json::json!({
        "type": "log", "sessionId": id, "timestamp": 5, "data": { "level": "ERROR", "message": "Shader compilation failed", "metadata": { "line": 42 } },
    });
    let answer: Json = world.bus.ask(subject.clone(), &envelope, SOON).await.unwrap();
    assert_eq!(answer["success"], true);
    let page = world.store.logs(LogQuery::all(), PageRequest::first(10)).await.unwrap();
    let entry = &page.items[0];
    assert_eq!((entry.level, entry.message.as_str()), (LogLevel::Error, "Shader compilation failed"));
    assert_eq!((entry.timestamp, entry.metadata["line"].as_i64()), (Timestamp::from_millis(5), Some(42)));
    let refused: Json = world.bus.ask(subject, &serde_json::json!({ "nonsense": 1 }), SOON).await.unwrap();
    assert_eq!(refused["success"], false);
    aggregator.shutdown(SOON).await.unwrap();
}

#[tokio::test]
async fn what_ran_before_a_crash_though_nobody_wrote_it_down_is_not_started_again() {
    let world = World::new().await;
    let sessions = Sessions::new(world.journal.clone(), MountPolicy::none(), None);
    let spec = RuntimeSpec::new("s", ["print", "once"]);
    let new = NewSession::new(world.project.id, world.user.clone(), RuntimeType::Custom, "memory", spec.clone());
    let session = sessions.create(new).await.unwrap();
    // An orchestrator that claims it, makes its instance and starts it, and is gone before it says so.
    let claim = Claim::new(WorkerId::new("gone").unwrap(), Duration::from_millis(1), 1);
    assert_eq!(world.store.claim(Queue::Sessions, claim).await.unwrap().len(), 1);
    let instance = world.runtime.run(&spec.with_label(labels::SESSION, session.id)).await.unwrap();
    world.runtime.wait_for_exit(&instance, SOON).await.unwrap();

    let (logs, aggregator) = world.logs().await;
    let mut options = OrchestratorOptions::default();
    options.poll = Duration::from_millis(20);
    let (bus, runtime) = (Arc::clone(&world.bus), Arc::clone(&world.runtime));
    let orchestrator = Orchestrator::start(world.journal.clone(), bus, runtime, logs, options).await.unwrap();
    let ended = eventually("the session's end", || async {
        let session = world.store.session(session.id).await.unwrap();
        session.status.is_final().then_some(session)
    })
    .await;
    assert_eq!((ended.status, ended.container_id), (SessionState::Stopped, Some(instance)));
    assert_eq!(world.lines(LogSource::Session(session.id)).await, ["once"]);
    orchestrator.shutdown(SOON).await.unwrap();
    aggregator.shutdown(SOON).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_orchestrator_alone_runs_a_session_to_its_end() {
    let world = World::new().await;
    let (logs, aggregator) = world.logs().await;
    let mut options = OrchestratorOptions::default();
    options.poll = Duration::from_millis(20);
    options.watch = Duration::from_millis(20);
    let (bus, runtime) = (Arc::clone(&world.bus), Arc::clone(&world.runtime));
    let orchestrator = Orchestrator::start(world.journal.clone(), bus, runtime, logs, options).await.unwrap();
    let sessions = Sessions::new(world.journal.clone(), MountPolicy::none(), None);
    let spec = RuntimeSpec::new("s", ["print", "one", "two"]);
    let new = NewSession::new(world.project.id, world.user.clone(), RuntimeType::Custom, "memory", spec);
    let session = sessions.create(new.clone().with_idempotency_key("k")).await.unwrap();
    assert_eq!(sessions.create(new.with_idempotency_key("k")).await.unwrap().id, session.id, "asked twice, made once");
    let ended = eventually("the session's end", || async {
        let session = world.store.session(session.id).await.unwrap();
        session.status.is_final().then_some(session)
    })
    .await;
    assert_eq!(ended.status, SessionState::Stopped, "{ended:?}");
    assert_eq!(world.lines(LogSource::Session(session.id)).await, ["one", "two"]);
    orchestrator.shutdown(SOON).await.unwrap();
    aggregator.shutdown(SOON).await.unwrap();
    let events =
        world.store.events(EventQuery::all().under("slate.runtime.".into()), PageRequest::first(100)).await.unwrap();
    let states: Vec<_> = events.items.iter().filter_map(|e| e.event.payload["data"]["status"].as_str()).collect();
    assert_eq!(states, ["creating", "starting", "running", "running", "stopped", "stopped"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_goes_through_all_stages_and_needs_an_artifact() {
    let world = World::new().await;
    // The runtime in memory can't write files: the artifact is put there by the test.
    let plan = || {
        BuildPlan::new()
            .step(Stage::Compile, Step::run(["print", "compiled"]))
            .step(Stage::Package, Step::run(["print"]))
    };
    let ended = world.build(plan).await;
    assert_eq!(ended.status, BuildStatus::Failed);
    assert_eq!(ended.error_message.as_deref(), Some("the build made no artifact"));
    let stages: Vec<_> = ended.metadata["slate"]["stages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|stage| stage["stage"].as_str().unwrap())
        .collect();
    assert_eq!(stages, ["prepare", "compile", "assets", "package", "optimize", "executable", "finalize"]);
    assert!(world.lines(LogSource::Build(ended.id)).await.contains(&"compiled".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_says_so_fails_a_build_that_ended_with_code_0() {
    let world = World::new().await;
    let ended = world.build(|| BuildPlan::new().step(Stage::Compile, Step::run(["print", "FATAL: syntax"]))).await;
    assert_eq!(ended.status, BuildStatus::Failed);
    assert_eq!(ended.error_message.as_deref(), Some("error in compile: FATAL: syntax"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_can_not_be_planned_fails_with_the_reason() {
    let world = World::new().await;
    let ended = world.build(BuildPlan::new).await;
    assert_eq!(ended.status, BuildStatus::Failed);
    assert!(ended.error_message.unwrap().contains("nothing to do"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_build_is_canceled_and_leaves_nothing() {
    let world = World::new().await;
    let (logs, aggregator) = world.logs().await;
    let (bus, runtime, blobs) = (Arc::clone(&world.bus), Arc::clone(&world.runtime), Arc::clone(&world.blobs));
    let mut options = world.builds(|| BuildPlan::new().step(Stage::Compile, Step::run(["sleep", "600"])));
    options.lease = Duration::from_millis(300);
    options.stop_grace = Duration::from_millis(50);
    let worker =
        BuildWorker::start(world.journal.clone(), bus, runtime, Arc::new(Copying::default()), blobs, logs, options)
            .await
            .unwrap();
    let builds = Builds::new(world.journal.clone(), Arc::clone(&world.bus) as _);
    let id = builds.enqueue(world.job()).await.unwrap().id;
    eventually("the compile stage", || async {
        (world.store.build(id).await.unwrap().stage == Some(Stage::Compile)).then_some(())
    })
    .await;
    builds.cancel(id).await.unwrap();
    let ended = eventually("the end", || async {
        let build = world.store.build(id).await.unwrap();
        build.status.is_final().then_some(build)
    })
    .await;
    assert_eq!(ended.status, BuildStatus::Canceled);
    worker.shutdown(SOON).await.unwrap();
    aggregator.shutdown(SOON).await.unwrap();
    assert!(instances(&world).await.is_empty(), "no instance is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_is_given_back_when_its_worker_ends() {
    let world = World::new().await;
    let (logs, aggregator) = world.logs().await;
    let (bus, runtime, blobs) = (Arc::clone(&world.bus), Arc::clone(&world.runtime), Arc::clone(&world.blobs));
    let mut options = world.builds(|| BuildPlan::new().step(Stage::Compile, Step::run(["sleep", "600"])));
    options.stop_grace = Duration::from_millis(50);
    let worker =
        BuildWorker::start(world.journal.clone(), bus, runtime, Arc::new(Copying::default()), blobs, logs, options)
            .await
            .unwrap();
    let builds = Builds::new(world.journal.clone(), Arc::clone(&world.bus) as _);
    let id = builds.enqueue(world.job()).await.unwrap().id;
    eventually("an instance", || async { (!instances(&world).await.is_empty()).then_some(()) }).await;
    worker.shutdown(SOON).await.unwrap();
    aggregator.shutdown(SOON).await.unwrap();
    let build = world.store.build(id).await.unwrap();
    assert!(build.status == BuildStatus::Running && build.lease.is_free(Timestamp::now()), "{build:?}");
    assert_eq!((build.lease.given_back, build.lease.tries()), (1, 0), "it doesn't count as a try");
    assert!(instances(&world).await.is_empty(), "no instance is left");
}

async fn instances(world: &World) -> Vec<slate_core::runtime::Instance> {
    use slate_core::runtime::{ListOptions, RuntimeBackendExt};
    world.runtime.list_all(ListOptions::default()).await.unwrap()
}

/// Imports one texture and asks for its processing.
async fn enqueue_asset(world: &World) -> AssetJobId {
    std::fs::write(world.folder.path().join("hero.png"), b"no png").unwrap();
    let view = ProjectView::read(world.folder.path(), [], &[]).unwrap();
    let projects = Projects::new(world.journal.clone(), Arc::clone(&world.blobs) as _);
    projects.import(world.project.id, &world.user, world.folder.path(), &view).await.unwrap();
    let again = projects.import(world.project.id, &world.user, world.folder.path(), &view).await.unwrap();
    assert_eq!((again.created, again.unchanged), (0, 2), "doing it twice is as good as once");
    let assets = world.store.assets(slate_core::store::AssetQuery::all(), PageRequest::first(10)).await.unwrap();
    let texture = assets.items.iter().find(|asset| asset.kind == AssetKind::Texture).unwrap().id;
    let batch = vec![(texture, AssetOptions::Texture(TextureOptions::default()))];
    let assets = Assets::new(world.journal.clone(), Arc::clone(&world.bus) as _);
    assets.process(world.project.id, &world.user, batch).await.unwrap().remove(0).id
}

async fn asset_processor(world: &World, pipeline: Copying, logs: LogSink) -> slate_core::service::Handle {
    let mut options = AssetWorkerOptions::default();
    (options.poll, options.retry_after) = (Duration::from_millis(10), Duration::from_millis(10));
    let (bus, blobs) = (Arc::clone(&world.bus) as _, Arc::clone(&world.blobs) as _);
    AssetProcessor::start(world.journal.clone(), bus, Arc::new(pipeline), blobs, logs, options).await.unwrap()
}

async fn end_of(world: &World, job: AssetJobId) -> AssetJob {
    eventually("the job's end", || async {
        let job = world.store.asset_job(job).await.unwrap();
        job.status.is_final().then_some(job)
    })
    .await
}

/// Has one texture processed by this pipeline; the job's end and how often it was tried.
async fn process_asset(pipeline: Copying) -> (AssetJobStatus, u32, Option<String>) {
    let world = World::new().await;
    let (logs, aggregator) = world.logs().await;
    let job = enqueue_asset(&world).await;
    let processor = asset_processor(&world, pipeline, logs).await;
    let ended = end_of(&world, job).await;
    processor.shutdown(SOON).await.unwrap();
    aggregator.shutdown(SOON).await.unwrap();
    (ended.status, ended.lease.attempt, ended.error_message)
}

#[tokio::test(flavor = "multi_thread")]
async fn ends_of_the_service_are_no_tries_of_an_asset_job() {
    let world = World::new().await;
    let (logs, aggregator) = world.logs().await;
    let job = enqueue_asset(&world).await;
    // More often than a job is tried.
    for ended in 1..=5 {
        let stuck = Copying { stuck: true, ..Copying::default() };
        let processor = asset_processor(&world, stuck, logs.clone()).await;
        eventually("work on it", || async {
            let job = world.store.asset_job(job).await.unwrap();
            (job.lease.attempt == ended).then_some(())
        })
        .await;
        processor.shutdown(SOON).await.unwrap();
        let job = world.store.asset_job(job).await.unwrap();
        assert_eq!((job.lease.attempt, job.lease.given_back, job.status), (ended, ended, AssetJobStatus::Running));
    }
    let processor = asset_processor(&world, Copying::default(), logs).await;
    let job = end_of(&world, job).await;
    assert_eq!((job.status, job.lease.attempt, job.lease.tries()), (AssetJobStatus::Completed, 6, 1));
    processor.shutdown(SOON).await.unwrap();
    aggregator.shutdown(SOON).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_asset_that_fails_in_passing_is_tried_again() {
    let pipeline = Copying { failures: AtomicU32::new(2), ..Copying::default() };
    assert_eq!(process_asset(pipeline).await, (AssetJobStatus::Completed, 3, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_asset_that_fails_too_often_is_a_dead_letter() {
    let pipeline = Copying { failures: AtomicU32::new(99), ..Copying::default() };
    let (status, attempts, message) = process_asset(pipeline).await;
    assert_eq!((status, attempts), (AssetJobStatus::Failed, 3));
    assert!(message.unwrap().contains("not now"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_asset_is_not_tried_again() {
    let pipeline = Copying { damaged: true, ..Copying::default() };
    let (status, attempts, message) = process_asset(pipeline).await;
    assert_eq!((status, attempts), (AssetJobStatus::Failed, 1));
    assert!(message.unwrap().contains("not an image"));
}

#[tokio::test]
async fn analytics_counts_each_event_once() {
    let world = World::new().await;
    let mut options = AnalyticsOptions::default();
    options.poll = Duration::from_millis(10);
    for _ in 0..2 {
        let analytics = Analytics::start(world.journal.clone(), options.clone());
        tokio::time::sleep(Duration::from_millis(100)).await;
        analytics.shutdown(SOON).await.unwrap();
    }
    let (since, until) = (Timestamp::EPOCH + Duration::from_secs(1), Timestamp::now() + SOON);
    let report = Analytics::report(&world.journal, since, until).await.unwrap();
    assert_eq!(report.projects, [1, 0, 0]);
    assert_eq!((report.active_users, report.events_per_user["ada"]), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_together_start_work_and_end() {
    let world = World::new().await;
    let pieces = Pieces::new(
        Arc::clone(&world.store),
        Arc::clone(&world.bus) as _,
        Arc::clone(&world.runtime) as _,
        Arc::new(Copying::default()),
        Arc::clone(&world.blobs) as _,
    );
    let plan = || BuildPlan::new().step(Stage::Compile, Step::run(["print", "x"]));
    let services = start_all(pieces.clone(), ServicesOptions::new(world.builds(plan))).await.unwrap();
    let sessions = Sessions::new(pieces.journal.clone(), MountPolicy::none(), None);
    let spec = RuntimeSpec::new("s", ["sleep", "600"]);
    let new = NewSession::new(world.project.id, world.user.clone(), RuntimeType::Custom, "memory", spec);
    let id = sessions.create(new).await.unwrap().id;
    let ask = |topic: slate_core::bus::ContainerTopic, payload: Json| {
        let bus = Arc::clone(&world.bus);
        async move { bus.ask::<_, Json>(Topic::Container(topic).subject(), &payload, SOON).await.unwrap() }
    };
    use slate_core::bus::ContainerTopic as C;
    let started = ask(C::Start(id), Json::Null).await;
    assert!(started["success"] == true && started["status"] == "running", "{started}");
    let said = ask(C::Execute(id), serde_json::json!({ "command": "print", "args": ["hello"] })).await;
    assert!(said["success"] == true && said["output"].as_str().unwrap().trim() == "hello", "{said}");
    let stats = ask(C::Stats(id), Json::Null).await;
    assert!(stats["cpu_percent"].is_number() && stats["memory_usage"].is_number(), "{stats}");
    let restarted = ask(C::Restart(id), Json::Null).await;
    assert!(restarted["success"] == true && restarted["status"] == "running", "{restarted}");
    let stopped = ask(C::Stop(id), Json::Null).await;
    assert!(stopped["success"] == true && stopped["status"] == "stopped", "{stopped}");
    let missing = ask(C::Stop(slate_core::SessionId::new()), Json::Null).await;
    assert!(missing["success"] == false && missing["kind"] == "not-found", "{missing}");
    let wake = Message::json(Topic::Build(BuildTopic::Jobs()).subject(), &Json::Null).unwrap();
    world.bus.publish(wake).await.unwrap();
    assert!(services.ended().is_empty());
    services.shutdown().await.unwrap();
    assert!(world.store.unpublished(10).await.unwrap().is_empty(), "everything is published at the end");
    assert_eq!(world.bus.status().subscriptions, 0, "nobody listens any more");
}
