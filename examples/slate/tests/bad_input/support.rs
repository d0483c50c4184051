use crate::service::Service;
use slate_assets::LocalPipeline;
use slate_core::{
    SessionId, UserId,
    blob::FolderBlobs,
    engine::Engines,
    memory::MemoryBus,
    model::{Json, LogEntry, LogSource, Project, RuntimeSession},
    policy::MountPolicy,
    runtime::{RuntimeSpec, RuntimeType},
    service::{BuildWorkerOptions, NewSession, Pieces, Projects, Services, ServicesOptions, Sessions, start_all},
    store::{Cursor, LogQuery, PageRequest, Store},
};
use slate_process::{ProcessBackend, ProcessOptions, Shim};
use slate_store::sqlite::{SqliteOptions, SqliteStore};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(60);
const SLATE: &str = env!("CARGO_BIN_EXE_slate");

/// What the program said, and its exit code.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// Checks the exit code, and that an error names these words.
    #[track_caller]
    pub(crate) fn refused(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{self:#?}");
        for word in words {
            assert!(self.err.contains(word) || self.out.contains(word), "`{word}` isn't told: {self:#?}");
        }
        assert!(!self.err.contains("panicked"), "{self:#?}");
    }

    pub(crate) fn json(&self) -> Json {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

/// The program on this data folder, with no configuration but what is given.
pub(crate) fn command(data: &Path) -> Command {
    let mut command = Command::new(SLATE);
    command.current_dir(data.parent().unwrap()).env("SLATE_LEASE", "1").args(["--data".as_ref(), data.as_os_str()]);
    command
}

pub(crate) fn slate(data: &Path, arguments: &[&str]) -> Ran {
    let output = command(data).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
}

pub(crate) fn serve(data: &Path) -> Service {
    Service::start(command(data).args(["serve", "--log", "error"]).stdout(Stdio::null()))
}

/// A data folder, the pieces on it, and a project of a test's own.
pub(crate) struct World {
    /// Taken away at last, when all that may write to it has ended.
    pub(crate) root: tempfile::TempDir,
    pub(crate) data: PathBuf,
    pub(crate) pieces: Pieces,
    pub(crate) project: Project,
    pub(crate) user: UserId,
}

impl World {
    pub(crate) async fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let data = fs::canonicalize(root.path()).unwrap().join("data");
        Self::at(root, data).await
    }

    pub(crate) async fn at(root: tempfile::TempDir, data: PathBuf) -> Self {
        fs::create_dir_all(&data).unwrap();
        let store = SqliteStore::open(data.join("slate.db"), SqliteOptions::default()).await.unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        let options = ProcessOptions::new(data.join("instances")).with_shim(Shim::Path(SLATE.into()));
        let runtime = Arc::new(ProcessBackend::open(options).await.unwrap());
        let blobs = Arc::new(FolderBlobs::open(data.join("blobs")).unwrap());
        let assets = LocalPipeline::builder(blobs.clone()).with_texture().with_model().with_audio().build().unwrap();
        let pieces = Pieces::new(store, Arc::new(MemoryBus::new()), runtime, Arc::new(assets), blobs);
        let user = UserId::new("tester").unwrap();
        let mut project = Project::new("Test", user.clone(), pieces.journal.now());
        project.settings = serde_json::json!({ "path": root.path().join("project"), "engine": "custom" });
        let projects = Projects::new(pieces.journal.clone(), Arc::clone(&pieces.blobs));
        let project = projects.create(project).await.unwrap();
        Self { root, data, pieces, project, user }
    }

    /// All services in this process, quick to hear and to act.
    pub(crate) async fn start(&self, change: impl FnOnce(&mut ServicesOptions)) -> Services {
        let engines = Engines::new().with(slate_custom::Custom);
        let mut builds = BuildWorkerOptions::new(self.data.join("builds"), engines);
        builds.projects = MountPolicy::any();
        builds.stop_grace = Duration::from_millis(300);
        let mut options = ServicesOptions::new(builds);
        options.orchestrator.stop_grace = Duration::from_millis(300);
        options.orchestrator.watch = Duration::from_millis(50);
        options.logs.flush_every = Duration::from_millis(200);
        change(&mut options);
        start_all(self.pieces.clone(), options).await.unwrap()
    }

    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        self.pieces.journal.store()
    }

    pub(crate) fn sessions(&self) -> Sessions {
        Sessions::new(self.pieces.journal.clone(), MountPolicy::none(), None)
    }

    pub(crate) fn wanted(&self, spec: RuntimeSpec) -> NewSession {
        NewSession::new(self.project.id, self.user.clone(), RuntimeType::Custom, "process", spec)
    }

    /// A new session of this shell script.
    pub(crate) async fn session(&self, script: &str) -> SessionId {
        self.sessions().create(self.wanted(shell(script))).await.unwrap().id
    }

    pub(crate) async fn session_when(
        &self,
        id: SessionId,
        what: &str,
        wanted: impl Fn(&RuntimeSession) -> bool,
    ) -> RuntimeSession {
        let start = Instant::now();
        loop {
            let session = self.store().session(id).await.unwrap();
            if wanted(&session) {
                return session;
            }
            assert!(start.elapsed() < PATIENCE, "never {what}: {session:#?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn ended(&self, id: SessionId) -> RuntimeSession {
        self.session_when(id, "ended", |session| session.status.is_final()).await
    }

    pub(crate) async fn log(&self, source: LogSource) -> Vec<LogEntry> {
        let (mut lines, mut after) = (Vec::new(), None);
        loop {
            let page = PageRequest::first(500).after(after);
            let page = self.store().logs(LogQuery::all().of_source(source), page).await.unwrap();
            after = page.items.last().map(|entry| Cursor::new(entry.id.to_string()));
            lines.extend(page.items);
            if page.next.is_none() {
                return lines;
            }
        }
    }

    /// Waits until a session's log has this line.
    pub(crate) async fn printed(&self, id: SessionId, line: &str) {
        let start = Instant::now();
        while !self.log(LogSource::Session(id)).await.iter().any(|entry| entry.message == line) {
            assert!(start.elapsed() < PATIENCE, "never printed {line}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until no process of this world is left, and its backend has no instance.
    pub(crate) async fn is_empty(&self) {
        let root = self.root.path().to_string_lossy().into_owned();
        let data = self.data.to_string_lossy().into_owned();
        until("no process is left", || processes_with(&root).is_empty() && processes_with(&data).is_empty()).await;
        let folder = self.data.join("instances").join("instances");
        until("no instance is left", || fs::read_dir(&folder).map_or(0, Iterator::count) == 0).await;
    }
}

pub(crate) fn shell(script: &str) -> RuntimeSpec {
    RuntimeSpec::new("session", ["sh", "-c", script])
}

pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "it never came that {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Every other process with this text in its command line or environment.
pub(crate) fn processes_with(text: &str) -> Vec<String> {
    let own = std::process::id().to_string();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.bytes().all(|b| b.is_ascii_digit()) || name == own {
            continue;
        }
        let read =
            |file: &str| String::from_utf8_lossy(&fs::read(entry.path().join(file)).unwrap_or_default()).into_owned();
        let (cmdline, environ) = (read("cmdline").replace('\0', " "), read("environ"));
        if cmdline.contains(text) || environ.contains(text) {
            found.push(format!("{name}: {cmdline}"));
        }
    }
    found
}

/// Every file below a folder, by its path from there.
pub(crate) fn files(root: &Path) -> Vec<String> {
    let (mut found, mut folders) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(root).unwrap().to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}

/// A real asset of the game that comes with SLATE.
pub(crate) fn lantern(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../projects/lantern/assets").join(path)
}
