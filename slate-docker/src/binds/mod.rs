//! Folders of the host in containers, without a gap between the check and the use.
//!
//! A path that was checked may be another one when the engine opens it: a symbolic link, or another folder swapped in. Each
//! folder is therefore opened by handle, through no link on its whole way, and the handle is mounted in a staging
//! folder that is SLATE's own. The engine is given the staged path. What was opened is what the container sees.

#[cfg(target_os = "linux")]
#[path = "hold.rs"]
mod hold;
#[cfg(not(target_os = "linux"))]
#[path = "hold_elsewhere.rs"]
mod hold;

use crate::{
    Binding, DockerBackend, DockerOptions, Endpoint,
    backend::{Shared, held},
    error::{PLACE, translate},
    exec::unique,
    spec::REALM,
};
use bollard::{
    models::{ContainerCreateBody, ContainerInspectResponse, MountType as EngineMountType},
    query_parameters::ListContainersOptions,
};
use hold::Handle;
use slate_core::{
    Error, Result,
    policy::{MountPolicy, is_display_socket},
    runtime::{MountMode, MountType, RuntimeSpec, labels},
};
use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// The label by which a container's staged mounts are found.
pub(crate) const STAGED: &str = "slate.staged";

/// Time between two searches for staged mounts whose container is gone.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// Where a backend's mounts are staged.
#[derive(Debug)]
pub(crate) struct Staging {
    folder: PathBuf,
    swept: Mutex<Option<Instant>>,
}

/// A bind mount that a spec asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Wanted {
    path: String,
    read_only: bool,
    /// Whether it is a display's socket: the only kind of socket that is handed in.
    socket: bool,
}

/// Mounts staged for a container that isn't made yet; taken away with this value unless kept.
#[derive(Debug)]
pub(crate) struct Staged {
    place: PathBuf,
    token: String,
    sources: HashMap<Wanted, PathBuf>,
    kept: bool,
}

impl Staging {
    /// The staging folder of a realm on the engine of this id: other engines' containers are not found on this one, and
    /// their mounts must not be taken for leftovers.
    pub(crate) fn new(options: &DockerOptions, engine: &str) -> Self {
        let base = match &options.binding {
            Binding::Staged { folder } => folder.clone(),
            Binding::CheckedPaths => PathBuf::new(),
        };
        let engine: String = engine.chars().filter(char::is_ascii_alphanumeric).take(24).collect();
        Self { folder: base.join(format!("{}-{engine}", options.realm)), swept: Mutex::default() }
    }
}

fn wanted(spec: &RuntimeSpec) -> Vec<Wanted> {
    let binds = spec.mounts.iter().filter(|mount| mount.kind == MountType::Bind);
    let binds = binds.map(|mount| Wanted {
        path: mount.host_path.clone(),
        read_only: mount.mode == MountMode::Ro,
        socket: false,
    });
    let socket = spec.display.as_ref().and_then(|display| display.socket_path.clone());
    binds.chain(socket.map(|path| Wanted { path, read_only: true, socket: true })).collect()
}

/// Opens what is wanted, each below an allowed root.
fn open(policy: &MountPolicy, wanted: &[Wanted]) -> Result<Vec<Handle>> {
    let open = |wanted: &Wanted| {
        let path = wanted.path.as_str();
        let named = |error: Error| error.with("hostPath", path.escape_debug());
        // The policy at the door grants displays; here only their form is known.
        if policy.root_of(path).is_none() && !(wanted.socket && is_display_socket(path)) {
            return Err(named(Error::permission_denied("this folder may not be mounted")));
        }
        Handle::open(Path::new(path), wanted.socket).map_err(named)
    };
    wanted.iter().map(open).collect()
}

impl Shared {
    /// The roots of the project that a spec belongs to.
    fn roots(&self, spec: &RuntimeSpec) -> MountPolicy {
        spec.labels
            .get(labels::PROJECT)
            .map_or_else(|| self.options.mounts.clone(), |project| self.options.mounts.of_project(project))
    }

    /// Checks what a spec wants mounted as it lies there now, before anything is fetched or made.
    pub(crate) async fn check_binds(&self, spec: &RuntimeSpec) -> Result<()> {
        let wanted = wanted(spec);
        if wanted.is_empty() || self.options.mounts.is_any() {
            return Ok(());
        }
        if matches!(self.options.binding, Binding::Staged { .. }) && !matches!(self.options.endpoint, Endpoint::Unix(_))
        {
            return Err(Error::unsupported(
                "folders can't be staged for an engine that is reached over the network: accept `Binding::CheckedPaths`",
            ));
        }
        let policy = self.roots(spec);
        blocking(move || open(&policy, &wanted).map(drop)).await
    }

    /// Opens what a spec wants mounted once more, stages it, and names the staged paths in the engine's request.
    pub(crate) async fn stage_binds(
        self: &Arc<Self>,
        spec: &RuntimeSpec,
        body: &mut ContainerCreateBody,
    ) -> Result<Option<Staged>> {
        let wanted = wanted(spec);
        if wanted.is_empty() || self.options.mounts.is_any() {
            return Ok(None);
        }
        let policy = self.roots(spec);
        if self.options.binding == Binding::CheckedPaths {
            let asked = wanted.clone();
            let handles = blocking(move || open(&policy, &asked)).await?;
            let paths = wanted.into_iter().zip(handles).map(|(wanted, handle)| Ok((wanted, handle.path()?)));
            rename_sources(body, &paths.collect::<Result<_>>()?);
            return Ok(None);
        }
        self.sweep_sometimes().await;
        let folder = self.staging.folder.clone();
        let staged = blocking(move || Staged::new(&folder, &policy, &wanted)).await?;
        rename_sources(body, &staged.sources);
        body.labels.get_or_insert_default().insert(STAGED.into(), staged.token.clone());
        Ok(Some(staged))
    }

    /// Whether a container's staged mounts are still there: they go with the host's restart.
    pub(crate) fn check_staged(&self, container: &ContainerInspectResponse) -> Result<()> {
        let Some(token) = token(container) else { return Ok(()) };
        if self.staging.folder.join(&token).join("0").exists() {
            return Ok(());
        }
        Err(Error::wrong_state("the instance's mounts went with a restart of the host: make a new instance"))
    }

    /// Takes a removed container's staged mounts away.
    pub(crate) async fn unstage(&self, container: &ContainerInspectResponse) {
        let Some(token) = token(container) else { return };
        let place = self.staging.folder.join(token);
        if let Err(error) = blocking(move || hold::take_away(&place)).await {
            tracing::warn!(%error, "an instance's staged mounts stay until they are swept");
        }
    }

    async fn sweep_sometimes(&self) {
        let now = Instant::now();
        {
            let mut swept = held(&self.staging.swept);
            if swept.is_some_and(|at| now.duration_since(at) < SWEEP_EVERY) {
                return;
            }
            *swept = Some(now);
        }
        // Longer than a container takes to be made of its staged mounts.
        let age = (self.options.timeout * 3).max(Duration::from_secs(300));
        if let Err(error) = self.sweep_staged(age).await {
            tracing::warn!(%error, "staged mounts could not be swept");
        }
    }

    async fn sweep_staged(&self, older_than: Duration) -> Result<usize> {
        let folder = self.staging.folder.clone();
        // Read before the containers: one that is made meanwhile is among them.
        let found = blocking(move || hold::staged(&folder, older_than)).await?;
        if found.is_empty() {
            return Ok(0);
        }
        let filters = HashMap::from([("label".to_owned(), vec![format!("{REALM}={}", self.options.realm)])]);
        let options = ListContainersOptions { all: true, limit: None, size: false, filters: Some(filters) };
        let listed = self.docker.list_containers(Some(options)).await.map_err(|error| translate(error, "sweep"))?;
        let used: HashSet<_> =
            listed.into_iter().filter_map(|container| container.labels?.remove(STAGED)).map(PathBuf::from).collect();
        let left: Vec<_> = found
            .into_iter()
            .filter(|place| place.file_name().is_some_and(|name| !used.contains(Path::new(name))))
            .collect();
        let count = left.len();
        blocking(move || left.iter().try_for_each(|place| hold::take_away(place))).await?;
        Ok(count)
    }
}

impl DockerBackend {
    /// Takes away the staged mounts of at least this age whose container is gone, and tells how many containers' there were.
    /// The backend does so by itself, for those older than 5 minutes, when it mounts something and hasn't within a minute.
    ///
    /// # Errors
    /// `Unavailable` and the like; those of the file system.
    pub async fn sweep_mounts(&self, older_than: Duration) -> Result<usize> {
        match self.0.options.binding {
            Binding::Staged { .. } => self.0.sweep_staged(older_than).await.map_err(|error| error.at(PLACE, "sweep")),
            Binding::CheckedPaths => Ok(0),
        }
    }
}

impl Staged {
    fn new(folder: &Path, policy: &MountPolicy, wanted: &[Wanted]) -> Result<Self> {
        let handles = open(policy, wanted)?;
        let token = unique();
        let place = folder.join(&token);
        hold::prepare(&place)?;
        let mut staged = Self { place, token, sources: HashMap::new(), kept: false };
        for (number, (wanted, handle)) in wanted.iter().zip(&handles).enumerate() {
            let target = staged.place.join(number.to_string());
            handle.mount_on(&target, wanted.read_only)?;
            staged.sources.insert(wanted.clone(), target);
        }
        Ok(staged)
    }

    /// Leaves the mounts to the container that was made of them.
    pub(crate) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.kept
            && let Err(error) = hold::take_away(&self.place)
        {
            tracing::warn!(%error, "staged mounts stay until they are swept");
        }
    }
}

fn token(container: &ContainerInspectResponse) -> Option<String> {
    let token = container.config.as_ref()?.labels.as_ref()?.get(STAGED)?;
    // It becomes a part of a path.
    token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-').then(|| token.clone())
}

fn rename_sources(body: &mut ContainerCreateBody, sources: &HashMap<Wanted, PathBuf>) {
    let mounts = body.host_config.as_mut().and_then(|config| config.mounts.as_mut());
    for mount in mounts.into_iter().flatten().filter(|mount| mount.typ == Some(EngineMountType::BIND)) {
        let read_only = mount.read_only.unwrap_or_default();
        let staged = sources
            .iter()
            .find(|(wanted, _)| Some(&wanted.path) == mount.source.as_ref() && wanted.read_only == read_only);
        if let Some((_, path)) = staged {
            mount.source = Some(path.to_string_lossy().into_owned());
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(Error::internal("a look at the host's files was broken off").because(error)),
    }
}
