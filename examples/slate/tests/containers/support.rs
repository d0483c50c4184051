//! An engine if there is one, images without a registry, and the services on both.

use futures_util::stream;
use slate_core::{
    InstanceId, SessionId, UserId,
    asset::NoAssets,
    blob::FolderBlobs,
    engine::Engines,
    memory::MemoryBus,
    model::{LogSource, Project, RuntimeSession},
    policy::MountPolicy,
    runtime::{ImageRef, Images, ListOptions, RuntimeBackendExt, RuntimeSpec, RuntimeType},
    service::{BuildWorkerOptions, NewSession, Pieces, Projects, ServicesOptions, Sessions},
    store::{Cursor, LogQuery, PageRequest},
};
use slate_docker::{DockerBackend, DockerOptions, Endpoint, NoCredentials, PullPolicy};
use slate_store::sqlite::{SqliteOptions, SqliteStore};
use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

/// Longest wait for anything that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// Whom containers run as.
pub(crate) const USER: (u32, u32) = (10_001, 10_001);

/// Says that a test is skipped, or fails where nothing may be missing.
pub(crate) fn skipped(why: &str) {
    assert!(std::env::var_os("SLATE_REQUIRE_SERVICES").is_none_or(|word| word != "1"), "{why}");
    println!("skipped: {why}");
}

pub(crate) fn image() -> ImageRef {
    "slate-test/containers:1".parse().unwrap()
}

/// A realm that no other test has.
pub(crate) fn realm() -> String {
    format!("t-{:x}-{:x}", std::process::id(), slate_core::Timestamp::now().as_micros())
}

/// A backend on the engine that `DOCKER_HOST` names, with BusyBox as an image in it.
pub(crate) async fn backend(realm: &str) -> Option<DockerBackend> {
    match open(realm, Endpoint::from_env()).await {
        Ok(backend) => Some(backend),
        Err(error) => {
            skipped(&format!("no container engine: {error}; `dev/engine start` makes one"));
            None
        }
    }
}

pub(crate) async fn open(realm: &str, endpoint: Endpoint) -> slate_core::Result<DockerBackend> {
    let options = DockerOptions::default().with_realm(realm).with_pull(PullPolicy::Never);
    let options = options.with_credentials(NoCredentials).with_endpoint(endpoint).with_mounts(MountPolicy::any());
    let backend = DockerBackend::open(options).await?;
    if !backend.exists(&image()).await? {
        backend.import_image(&image(), stream::iter([busybox().into()])).await?;
    }
    Ok(backend)
}

/// A root file system as an archive: Debian's static BusyBox under the names that the tests use.
fn busybox() -> Vec<u8> {
    let program = ["/bin/busybox", "/usr/bin/busybox"].into_iter().find_map(|path| std::fs::read(path).ok());
    let program = program.expect("no /bin/busybox: install the package busybox-static");
    let mut archive = tar::Builder::new(Vec::new());
    let header = |mode, size: usize| {
        let mut header = tar::Header::new_gnu();
        header.set_mode(mode);
        header.set_size(size as u64);
        header
    };
    archive.append_data(&mut header(0o755, program.len()), "bin/busybox", &program[..]).unwrap();
    for name in ["sh", "cat", "echo", "env", "grep", "head", "id", "ls", "rm", "seq", "sleep", "tail", "test", "touch"]
    {
        let mut link = header(0o777, 0);
        link.set_entry_type(tar::EntryType::Symlink);
        archive.append_link(&mut link, format!("bin/{name}"), "busybox").unwrap();
    }
    archive.into_inner().unwrap()
}

/// A data folder, the pieces on it, and a project.
pub(crate) struct World {
    pub(crate) data: PathBuf,
    pub(crate) backend: DockerBackend,
    pub(crate) pieces: Pieces,
    pub(crate) project: Project,
    pub(crate) user: UserId,
    /// Taken away at last.
    _root: tempfile::TempDir,
}

impl World {
    pub(crate) async fn new(backend: DockerBackend) -> Self {
        let root = tempfile::tempdir().unwrap();
        let data = std::fs::canonicalize(root.path()).unwrap();
        let store = Arc::new(SqliteStore::open(data.join("slate.db"), SqliteOptions::default()).await.unwrap());
        let blobs = Arc::new(FolderBlobs::open(data.join("blobs")).unwrap());
        let bus = Arc::new(MemoryBus::new());
        let pieces = Pieces::new(store, bus, Arc::new(backend.clone()), Arc::new(NoAssets), blobs);
        let user = UserId::new("tester").unwrap();
        let project = Project::new("Test", user.clone(), pieces.journal.now());
        let projects = Projects::new(pieces.journal.clone(), Arc::clone(&pieces.blobs));
        let project = projects.create(project).await.unwrap();
        Self { data, backend, pieces, project, user, _root: root }
    }

    /// Quick services.
    pub(crate) fn options(&self, engines: Engines) -> ServicesOptions {
        let mut builds = BuildWorkerOptions::new(self.data.join("builds"), engines);
        builds.projects = MountPolicy::any();
        builds.poll = Duration::from_millis(100);
        (builds.owner, builds.copy_projects) = (Some(USER), true);
        let mut options = ServicesOptions::new(builds);
        options.orchestrator.policy.mounts = MountPolicy::any();
        options.orchestrator.poll = Duration::from_millis(100);
        options.orchestrator.watch = Duration::from_millis(100);
        options.orchestrator.stop_grace = Duration::from_secs(1);
        options.orchestrator.lease = Duration::from_secs(2);
        options
    }

    pub(crate) fn sessions(&self) -> Sessions {
        Sessions::new(self.pieces.journal.clone(), MountPolicy::any(), None)
    }

    pub(crate) async fn start(&self, spec: RuntimeSpec) -> RuntimeSession {
        let new = NewSession::new(self.project.id, self.user.clone(), RuntimeType::Custom, "docker", spec);
        self.sessions().create(new).await.unwrap()
    }

    pub(crate) async fn session(&self, id: SessionId) -> RuntimeSession {
        self.pieces.journal.store().session(id).await.unwrap()
    }

    pub(crate) async fn until(&self, id: SessionId, wanted: impl Fn(&RuntimeSession) -> bool) -> RuntimeSession {
        let start = Instant::now();
        loop {
            let session = self.session(id).await;
            if wanted(&session) {
                return session;
            }
            assert!(start.elapsed() < PATIENCE, "{session:#?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) async fn eventually(&self, what: &str, is_so: impl AsyncFn(&Self) -> bool) {
        let start = Instant::now();
        while !is_so(self).await {
            assert!(start.elapsed() < PATIENCE, "{what}: it doesn't come; there are {:?}", self.instances().await);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub(crate) async fn ended(&self, id: SessionId) -> RuntimeSession {
        self.until(id, |session| session.status.is_final()).await
    }

    pub(crate) async fn lines(&self, source: LogSource) -> Vec<String> {
        let (mut lines, mut after): (Vec<String>, Option<Cursor>) = (Vec::new(), None);
        loop {
            let query = LogQuery::all().of_source(source);
            let page = PageRequest::first(1000).after(after);
            let page = self.pieces.journal.store().logs(query, page).await.unwrap();
            lines.extend(page.items.into_iter().map(|entry| entry.message));
            after = page.next;
            if after.is_none() {
                return lines;
            }
        }
    }

    /// The realm's containers.
    pub(crate) async fn instances(&self) -> Vec<InstanceId> {
        let all = self.backend.list_all(ListOptions::default().with_all(true)).await.unwrap();
        all.into_iter().map(|instance| instance.id).collect()
    }
}

/// A spec that runs a script.
pub(crate) fn script(text: &str) -> RuntimeSpec {
    RuntimeSpec::new("session", ["sh", "-c", text]).with_image(image()).with_pids(64)
}

/// Copies a folder, and gives it to the containers' user.
pub(crate) fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-rT").arg(from).arg(to).status().unwrap().success());
    let owner = format!("{}:{}", USER.0, USER.1);
    assert!(Command::new("chown").arg("-R").arg(owner).arg(to).status().unwrap().success());
}
