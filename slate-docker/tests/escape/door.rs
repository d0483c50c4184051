//! The way of a session: judged when it is asked for, judged again before its container is made.

use crate::common::{SOON, backend_with, image, options, skipped, spec};
use slate_core::{
    Error, ErrorKind, SystemClock, UserId,
    blob::Blobs,
    bus::EventBus,
    memory::{MemoryBlobs, MemoryBus, MemoryStore},
    model::{LogSource, Project, RuntimeSession, SessionState},
    policy::{MountPolicy, SecurityPolicy},
    runtime::{ListOptions, NetworkMode, RuntimeBackendExt, RuntimeSpec, RuntimeType, VolumeMount, labels},
    service::{
        Handle, Journal, LogAggregator, LogOptions, NewSession, Orchestrator, OrchestratorOptions, Projects, Sessions,
    },
    store::{LogQuery, PageRequest, Store},
};
use slate_docker::{Binding, DockerBackend};
use std::{sync::Arc, time::Duration};

struct World {
    journal: Journal,
    project: Project,
    user: UserId,
    handles: Vec<Handle>,
    runtime: Arc<DockerBackend>,
    deployment: String,
    folder: tempfile::TempDir,
}

impl World {
    async fn new(policy: SecurityPolicy, runtime: DockerBackend, folder: tempfile::TempDir) -> Self {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let journal = Journal::new(Arc::clone(&store), Arc::new(SystemClock));
        let user = UserId::new("mallory").unwrap();
        let blobs: Arc<dyn Blobs> = Arc::new(MemoryBlobs::default());
        let project = Project::new("Door", user.clone(), journal.now());
        Projects::new(journal.clone(), blobs).create(project.clone()).await.unwrap();
        let bus: Arc<dyn EventBus> = Arc::new(MemoryBus::new());
        let clock = Arc::clone(journal.clock());
        let (logs, aggregator) =
            LogAggregator::start(store, Arc::clone(&bus), clock, LogOptions::default()).await.unwrap();
        let mut options = OrchestratorOptions::default();
        options.policy = policy;
        (options.poll, options.watch) = (Duration::from_millis(20), Duration::from_millis(20));
        // Another test's containers are not this one's orphans.
        options.deployment = crate::common::unique("door");
        let (runtime, deployment) = (Arc::new(runtime), options.deployment.clone());
        let orchestrator =
            Orchestrator::start(journal.clone(), bus, Arc::clone(&runtime) as _, logs, options).await.unwrap();
        Self { journal, project, user, handles: vec![orchestrator, aggregator], runtime, deployment, folder }
    }

    /// Records a session as a service with this policy would.
    async fn ask(&self, policy: SecurityPolicy, spec: RuntimeSpec) -> Result<RuntimeSession, Error> {
        let sessions = Sessions::new(self.journal.clone(), policy, None);
        let wish = NewSession::new(self.project.id, self.user.clone(), RuntimeType::Custom, "docker", spec);
        sessions.create(wish).await
    }

    async fn end(&self, session: &RuntimeSession) -> RuntimeSession {
        let ended = async {
            loop {
                let session = self.journal.store().session(session.id).await.unwrap();
                if session.status.is_final() {
                    return session;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(SOON, ended).await.unwrap()
    }

    async fn close(self) {
        // A session's end is recorded before its container, with its mounts, is taken away.
        let ours = ListOptions::default().with_labels([(labels::DEPLOYMENT.to_owned(), self.deployment)].into());
        let gone = async {
            while !self.runtime.list_all(ours.clone()).await.unwrap().is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(SOON, gone).await.unwrap();
        for handle in self.handles {
            handle.shutdown(SOON).await.unwrap();
        }
        drop(self.folder);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_judged_at_the_door_and_again_before_its_container_is_made() {
    if !rustix::process::geteuid().is_root() {
        return skipped("folders can be staged by root only");
    }
    let folder = tempfile::tempdir().unwrap();
    let root = std::fs::canonicalize(folder.path()).unwrap();
    std::fs::create_dir_all(root.join("p1")).unwrap();
    std::fs::write(root.join("p1/what"), "project\n").unwrap();
    let mounts = MountPolicy::none().with_root(&root.to_string_lossy()).unwrap();
    let binding = Binding::Staged { folder: root.join("staging") };
    let Some(runtime) = backend_with(options().with_mounts(mounts.clone()).with_binding(binding)).await else { return };
    let strict = SecurityPolicy::from(mounts).with_images(["slate-test/*".parse().unwrap()]);
    let world = World::new(strict.clone(), runtime, folder).await;

    // What is granted runs, with its project's folder.
    let project = VolumeMount::bind(root.join("p1").to_string_lossy(), "/app");
    let granted = spec("granted", "cat /app/what; id -u").with_mount(project);
    let session = world.ask(strict.clone(), granted).await.unwrap();
    let ended = world.end(&session).await;
    assert_eq!((ended.status, ended.error_message), (SessionState::Stopped, None));
    let query = LogQuery::all().of_source(LogSource::Session(session.id));
    let lines = world.journal.store().logs(query, PageRequest::first(10)).await.unwrap();
    let lines: Vec<_> = lines.items.into_iter().map(|entry| entry.message).collect();
    assert_eq!(lines, ["project", "10001"]);

    // What isn't, is refused before anything is recorded.
    let mut hostile = spec("hostile", "true").with_label("slate.owner", "me").with_env("LD_PRELOAD", "/x");
    hostile.network = NetworkMode::Host;
    hostile.user = Some("0".into());
    let error = world.ask(strict.clone(), hostile.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    for path in ["network:", "user:", "labels.slate.owner:", "env.LD_PRELOAD:"] {
        assert!(error.to_string().contains(path), "{path} {error}");
    }

    // One that came in by an open door fails at the second look, and nothing is made of it.
    hostile.labels.clear();
    let session = world.ask(SecurityPolicy::open(), hostile).await.unwrap();
    let ended = world.end(&session).await;
    assert_eq!((ended.status, ended.container_id), (SessionState::Failed, None));
    let message = ended.error_message.unwrap();
    assert!(message.contains("the host's own network is not granted"), "{message}");

    // A link that took the folder's place since then as well.
    let project = VolumeMount::bind(root.join("p2").to_string_lossy(), "/app");
    std::os::unix::fs::symlink("/etc", root.join("p2")).unwrap();
    let session = world.ask(strict, spec("link", "true").with_image(image()).with_mount(project)).await.unwrap();
    let ended = world.end(&session).await;
    assert_eq!(ended.status, SessionState::Failed);
    assert!(ended.error_message.unwrap().contains("symbolic link"));
    world.close().await;
}
