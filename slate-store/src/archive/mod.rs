//! Sessions as a folder of JSON files, for people and scripts that read files rather than a database (seed 004):
//!
//! ```text
//! active/{session}.json                sessions that haven't ended
//! history/{date}/{session}.json        sessions that have, by the day (UTC) on which they did
//! metrics/{session}/{time}.json        samples of what they used
//! ```
//!
//! The folder is a sink: events tell of changes, the store says what is true, and [`SessionArchive::sync`] mends what was
//! missed while nobody listened. Nothing reads the folder back, so it may be deleted at any time. Each file is written aside
//! and renamed: whoever reads sees the old one or the new one. No environment, token or other secret is written.

mod file;

pub use file::ArchivedSession;

use file::{Usage, day_of, usage};
use futures_util::stream;
use slate_core::{
    Cancel, Error, ErrorKind, Result, SessionId, Timestamp,
    blob::write_file,
    bus::{EventBus, SubscribeOptions, Subscription, event::Event, filters},
    model::{LogSource, RuntimeSession, SessionState},
    runtime::MemorySize,
    store::{LogQuery, MetricQuery, PageRequest, SessionQuery, Store},
};
use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

const PLACE: &str = "store.archive";
const LIVE: [SessionState; 4] =
    [SessionState::Creating, SessionState::Starting, SessionState::Running, SessionState::Stopping];

/// How an archive works.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ArchiveOptions {
    /// How often samples of running sessions are written; default 10 s.
    pub sample_every: Duration,
    /// How often the whole folder is compared with the store; default 5 minutes.
    pub sync_every: Duration,
    /// How long ended sessions and their samples are kept; default 90 days.
    pub keep: Duration,
    /// Most samples of one session, the newest; default 1000.
    pub samples: usize,
}

impl Default for ArchiveOptions {
    fn default() -> Self {
        let day = Duration::from_secs(24 * 60 * 60);
        Self {
            sample_every: Duration::from_secs(10),
            sync_every: Duration::from_secs(300),
            keep: day * 90,
            samples: 1000,
        }
    }
}

/// A folder of session files, kept in line with a store.
pub struct SessionArchive {
    root: PathBuf,
    store: Arc<dyn Store>,
    options: ArchiveOptions,
}

impl fmt::Debug for SessionArchive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionArchive").field("root", &self.root).finish_non_exhaustive()
    }
}

impl SessionArchive {
    /// An archive in this folder, which is made where it is missing.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn open(root: impl Into<PathBuf>, store: Arc<dyn Store>, options: ArchiveOptions) -> Result<Self> {
        let root = root.into();
        for part in ["active", "history", "metrics"] {
            let folder = root.join(part);
            std::fs::create_dir_all(&folder).map_err(|error| failed("make the folder", &folder, error))?;
        }
        Ok(Self { root, store, options })
    }

    /// Follows the events of `bus` until `cancel` is raised. What fails is told by `tracing` and mended by the next
    /// comparison.
    ///
    /// # Errors
    /// Those of [`EventBus::subscribe`].
    pub async fn run(&self, bus: &dyn EventBus, cancel: &Cancel) -> Result<()> {
        let mut events = bus.subscribe(&filters::runtime(), SubscribeOptions::default()).await?;
        let mut sync = tokio::time::interval(self.options.sync_every.max(Duration::from_millis(100)));
        let mut sample = tokio::time::interval(self.options.sample_every.max(Duration::from_millis(100)));
        loop {
            let (what, result) = tokio::select! {
                changed = next_change(&mut events) => match changed {
                    Some(session) => ("record", self.record(session).await),
                    None => return Ok(()),
                },
                _ = sample.tick() => ("sample", self.sample().await),
                _ = sync.tick() => ("sync", self.sync().await),
                () = cancel.canceled() => return Ok(()),
            };
            if let Err(error) = result {
                tracing::warn!(what, %error, "the session archive is behind the store");
            }
        }
    }

    /// Brings the whole folder in line with the store: every session that hasn't ended, every one that ended within
    /// [`ArchiveOptions::keep`], and no others.
    ///
    /// # Errors
    /// Those of the store and of the file system.
    pub async fn sync(&self) -> Result<()> {
        let oldest = Timestamp::now() - self.options.keep;
        let mut page = PageRequest::newest(200);
        loop {
            let sessions = self.store.sessions(SessionQuery::all(), page.clone()).await?;
            for session in &sessions.items {
                let known = session.stopped_at.is_some_and(|ended| self.history(session.id, ended).exists());
                if !known && session.stopped_at.is_some_and(|ended| ended >= oldest) {
                    self.write(session).await?;
                }
            }
            // A session that was made before may still run: those are found by their state below.
            let past = sessions.items.last().is_some_and(|session| session.revision.created_at < oldest);
            match sessions.next {
                Some(next) if !past => page = page.after(Some(next)),
                _ => break,
            }
        }
        let live = self.live().await?;
        for session in &live {
            self.write(session).await?;
        }
        for name in names(&self.root.join("active"))? {
            let id = name.strip_suffix(".json").and_then(|id| id.parse().ok());
            if let Some(id) = id.filter(|id| !live.iter().any(|session| session.id == *id)) {
                self.record(id).await?;
            }
        }
        self.forget(oldest)
    }

    /// Writes what the store says of this session.
    ///
    /// # Errors
    /// Those of the store and of the file system.
    pub async fn record(&self, id: SessionId) -> Result<()> {
        match self.store.session(id).await {
            Ok(session) => self.write(&session).await,
            Err(error) if error.kind() == ErrorKind::NotFound => remove(&self.active(id)),
            Err(error) => Err(error),
        }
    }

    async fn write(&self, session: &RuntimeSession) -> Result<()> {
        let lines = LogQuery::all().of_source(LogSource::Session(session.id));
        let last_line = self.store.logs(lines, PageRequest::newest(1)).await?.items.pop().map(|line| line.timestamp);
        let file = ArchivedSession::new(session, last_line, self.usage_of(session).await?);
        let active = self.active(session.id);
        match session.stopped_at.filter(|_| session.status.is_final()) {
            // First the new file, then the old one: a crash between leaves both, and the next comparison mends it.
            Some(ended) => {
                put(self.history(session.id, ended), &file).await?;
                remove(&active)
            }
            None => put(active, &file).await,
        }
    }

    /// Writes a sample of each session that runs.
    async fn sample(&self) -> Result<()> {
        for session in self.live().await? {
            let Some(Usage(usage)) = self.usage_of(&session).await? else { continue };
            let folder = self.root.join("metrics").join(session.id.to_string());
            let file = folder.join(format!("{}.json", usage.timestamp));
            if file.exists() {
                continue;
            }
            put(file, &usage).await?;
            let samples = names(&folder)?;
            for old in samples.iter().take(samples.len().saturating_sub(self.options.samples.max(1))) {
                remove(&folder.join(old))?;
            }
        }
        Ok(())
    }

    async fn live(&self) -> Result<Vec<RuntimeSession>> {
        let mut all = Vec::new();
        let mut page = PageRequest::first(200);
        loop {
            let found = self.store.sessions(SessionQuery::all().in_states(LIVE.to_vec()), page.clone()).await?;
            all.extend(found.items);
            match found.next {
                Some(next) => page = page.after(Some(next)),
                None => return Ok(all),
            }
        }
    }

    async fn usage_of(&self, session: &RuntimeSession) -> Result<Option<Usage>> {
        let samples = self.store.metrics(MetricQuery::all().of_session(session.id), PageRequest::newest(16)).await?;
        Ok(usage(&samples.items, session.container_config.memory.map(MemorySize::bytes)))
    }

    /// Removes the days of the history that are over, with the samples of their sessions.
    fn forget(&self, oldest: Timestamp) -> Result<()> {
        let history = self.root.join("history");
        for day in names(&history)?.into_iter().filter(|day| *day < day_of(oldest)) {
            let folder = history.join(day);
            for name in names(&folder)? {
                let id = name.strip_suffix(".json").unwrap_or(&name);
                remove_folder(&self.root.join("metrics").join(id))?;
            }
            remove_folder(&folder)?;
        }
        Ok(())
    }

    fn active(&self, id: SessionId) -> PathBuf {
        self.root.join("active").join(format!("{id}.json"))
    }

    fn history(&self, id: SessionId, ended: Timestamp) -> PathBuf {
        self.root.join("history").join(day_of(ended)).join(format!("{id}.json"))
    }
}

/// The session of the next event that changes its record; `None` at the end of the bus.
async fn next_change(events: &mut Subscription) -> Option<SessionId> {
    loop {
        let message = events.next().await?;
        match Event::parse(&message) {
            Ok(Event::Runtime(event)) if event.kind != slate_core::bus::event::RuntimeEventKind::Log => {
                return Some(event.session_id);
            }
            // Lines change no record, and questions for a status aren't events.
            _ => {}
        }
    }
}

async fn put(path: PathBuf, file: &impl serde::Serialize) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(file)?;
    text.push(b'\n');
    write_file(path, Box::pin(stream::iter([Ok(text.into())]))).await
}

/// The names of a folder's files in their order, without those that are being written; none where there is no folder.
fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed("list the folder", folder, error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(|error| failed("list the folder", folder, error))?.file_name();
        names.extend(name.into_string().ok().filter(|name| !name.starts_with('.')));
    }
    names.sort_unstable();
    Ok(names)
}

fn remove(path: &Path) -> Result<()> {
    gone(std::fs::remove_file(path), path)
}

fn remove_folder(path: &Path) -> Result<()> {
    gone(std::fs::remove_dir_all(path), path)
}

fn gone(removed: std::io::Result<()>, path: &Path) -> Result<()> {
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed("remove", path, error)),
        _ => Ok(()),
    }
}

fn failed(what: &'static str, path: &Path, error: std::io::Error) -> Error {
    Error::io(what, error).with("path", path.display()).at(PLACE, "write")
}
