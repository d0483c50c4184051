use crate::{
    DockerOptions, NetworkOptions, audit, binds, connect,
    error::{PLACE, translate},
    exec,
    gates::Gates,
    image, instance, log,
    network::NetworkPlan,
    resident,
    spec::{EngineHost, REALM, container_body},
    starts::Starts,
    stats, watch,
};
use async_trait::async_trait;
use bollard::{
    Docker,
    models::{ContainerCreateBody, ContainerInspectResponse, ContainerStateStatusEnum},
    query_parameters::{
        CreateContainerOptions, KillContainerOptions, ListContainersOptions, RemoveContainerOptions,
        RenameContainerOptions, StopContainerOptions,
    },
};
use futures_util::{StreamExt, stream};
use slate_core::{
    BoxStream, Component, ComponentKind, Descriptor, Error, ErrorKind, InstanceId, Result,
    runtime::{
        Capabilities, Command, EnvValue, Exec, ExecOptions, Files, Images, Instance, InstanceState, ListOptions,
        LogChunk, LogOptions, Pausing, RemoveOptions, Resident, ResourceSample, RuntimeBackend, RuntimeChange,
        RuntimeSpec, StatsOptions, StopOptions, Volumes, WatchOptions,
    },
};
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::mpsc;

/// Runs instances as hardened containers of a Docker Engine. See the [crate's documentation](crate).
///
/// Clones share the connection. Any number of backends in any number of processes may work with one engine: those of one
/// [realm](DockerOptions::realm) see the same instances.
#[derive(Clone)]
pub struct DockerBackend(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) docker: Docker,
    pub(crate) options: DockerOptions,
    pub(crate) host: EngineHost,
    can: Capabilities,
    pub(crate) starts: Starts,
    /// One start of a container at a time: the engine calls a second one done, and doesn't say that it did nothing.
    starting: Gates,
    /// One removal at a time, for the same reason.
    removing: Gates,
    programs: Mutex<HashSet<String>>,
    pub(crate) network_gate: tokio::sync::Mutex<()>,
    pub(crate) volume_gate: tokio::sync::Mutex<()>,
    pub(crate) staging: binds::Staging,
    pub(crate) flights: image::Flights,
    pub(crate) hubs: stats::Hubs,
    pub(crate) links: resident::Links,
}

impl std::fmt::Debug for DockerBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("DockerBackend").field(&self.0.options).finish()
    }
}

impl DockerBackend {
    /// Connects to the engine and finds out what it enforces.
    ///
    /// # Errors
    /// `Unavailable` where no engine answers; `Unsupported` where it is older than 20.10; `Invalid` for a malformed realm
    /// or certificates that can't be read.
    pub async fn open(options: DockerOptions) -> Result<Self> {
        let realm = options.realm.as_bytes();
        let sound = (1..=32).contains(&realm.len())
            && realm[0].is_ascii_alphanumeric()
            && realm.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-');
        if !sound {
            let error = Error::invalid("a realm is 1 to 32 lower-case letters, digits or '-'");
            return Err(error.with("realm", options.realm.escape_debug()).at(PLACE, "open"));
        }
        let docker = connect::connect(&options).await?;
        let info = docker.info().await.map_err(|error| translate(error, "open"))?;
        let (host, can) = connect::surroundings(&info);
        let staging = binds::Staging::new(&options, info.id.as_deref().unwrap_or_default());
        Ok(Self(Arc::new(Shared {
            starts: Starts::new(options.starts, options.waiting_starts),
            docker,
            options,
            host,
            can,
            starting: Gates::default(),
            removing: Gates::default(),
            programs: Mutex::default(),
            network_gate: tokio::sync::Mutex::default(),
            volume_gate: tokio::sync::Mutex::default(),
            staging,
            flights: image::Flights::default(),
            hubs: stats::Hubs::default(),
            links: resident::Links::default(),
        })))
    }

    /// Gives an instance another name.
    ///
    /// # Errors
    /// `NotFound`; `AlreadyExists` for a name in use; `Invalid` for a malformed one.
    pub async fn rename(&self, id: &InstanceId, name: &str) -> Result<()> {
        // The same rules as for a new instance.
        RuntimeSpec::new(name, ["x"]).validate().map_err(|error| error.at(PLACE, "rename"))?;
        self.0.owned(id.as_str()).await.map_err(|error| error.at(PLACE, "rename"))?;
        let name = format!("{}-{name}", self.0.options.realm);
        let renamed = self.0.docker.rename_container(id.as_str(), RenameContainerOptions { name }).await;
        renamed.map_err(|error| translate(error, "rename").with("instance", id))
    }

    /// Makes a network of this realm; one that is there already is `Ok`, whatever its options. A spec names it with
    /// [`NetworkMode::Named`](slate_core::runtime::NetworkMode::Named).
    ///
    /// # Errors
    /// `ResourceExhausted` where the engine has no addresses left; `Invalid` for a malformed name.
    pub async fn create_network(&self, name: &str, options: NetworkOptions) -> Result<()> {
        self.0.ensure_network(name, options).await.map_err(|error| error.at(PLACE, "network"))
    }

    /// Removes a network of this realm; one that isn't there is `Ok`.
    ///
    /// # Errors
    /// `WrongState` while an instance is connected to it.
    pub async fn remove_network(&self, name: &str) -> Result<()> {
        self.0.remove_network(name).await.map_err(|error| error.at(PLACE, "network"))
    }

    /// The names of this realm's networks, ascending.
    ///
    /// # Errors
    /// `Unavailable` and the like.
    pub async fn networks(&self) -> Result<Vec<String>> {
        self.0.networks(None).await.map_err(|error| error.at(PLACE, "network"))
    }

    /// Removes this realm's networks to which nothing is connected, and tells their names. The engine has addresses for
    /// about 30 networks unless its `default-address-pools` say otherwise.
    ///
    /// # Errors
    /// `Unavailable` and the like.
    pub async fn prune_networks(&self) -> Result<Vec<String>> {
        self.0.prune_networks().await.map_err(|error| error.at(PLACE, "network"))
    }
}

pub(crate) fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// The container of this id, if it is one of this realm's: others are not there for this backend.
    pub(crate) async fn owned(&self, id: &str) -> Result<ContainerInspectResponse> {
        let missing = || Error::not_found("no such instance").with("instance", id);
        // What can't be an id must not become a part of the request's path.
        if !id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b)) {
            return Err(missing());
        }
        match self.docker.inspect_container(id, None).await {
            Ok(container) if instance::belongs(&container, &self.options.realm) => Ok(container),
            Ok(_) => Err(missing()),
            Err(error) => match translate(error, "inspect") {
                error if error.kind() == ErrorKind::NotFound => Err(missing()),
                error => Err(error.with("instance", id)),
            },
        }
    }

    pub(crate) fn programs(&self) -> MutexGuard<'_, HashSet<String>> {
        held(&self.programs)
    }

    async fn create(self: &Arc<Self>, spec: &RuntimeSpec) -> Result<InstanceId> {
        let mut body = container_body(spec, &self.options, self.host)?;
        self.check_binds(spec).await?;
        let plan = NetworkPlan::of(spec, &self.options.hardening, &self.options.realm)?;
        let image = async {
            let Some(image) = &spec.image else { return Ok(()) };
            self.provide(image).await?;
            self.cover_image_volumes(image, &mut body).await
        };
        // Side by side: each is a question to the engine that the start waits for.
        tokio::try_join!(image, self.prepare_network(&plan))?;
        let staged = self.stage_binds(spec, &mut body).await?;
        let made = match self.make(spec, body.clone()).await {
            // Removed between the look and now.
            Err(error) if error.kind() == ErrorKind::NotFound && error.message().contains("No such image") => {
                if let Some(image) = &spec.image {
                    self.fetch_missing(image).await?;
                    self.cover_image_volumes(image, &mut body).await?;
                }
                self.make(spec, body).await
            }
            made => made,
        };
        let made = made?;
        if let Some(staged) = staged {
            staged.keep();
        }
        InstanceId::new(made)
    }

    pub(crate) async fn make(&self, spec: &RuntimeSpec, body: ContainerCreateBody) -> Result<String> {
        self.prepare_volumes(spec).await?;
        let name = Some(format!("{}-{}", self.options.realm, spec.name));
        let options = CreateContainerOptions { name, platform: String::new() };
        let made = self.docker.create_container(Some(options), body).await;
        let made = made.map_err(|error| without_secrets(translate(error, "create"), spec).with("name", &spec.name));
        Ok(made?.id)
    }

    async fn start(&self, id: &str) -> Result<()> {
        let gate = self.starting.of(id);
        let _alone = gate.lock().await;
        let _turn = self.starts.turn().await?;
        let container = self.owned(id).await?;
        if matches!(instance::state(&container), InstanceState::Running | InstanceState::Paused) {
            return Err(Error::wrong_state("the instance runs already"));
        }
        audit::refuse_dangers(&container, &self.options.hardening)?;
        self.check_staged(&container)?;
        self.check_program(id, &container).await?;
        self.docker.start_container(id, None).await.map_err(|error| translate(error, "start"))
    }

    async fn stop(&self, id: &str, grace: Duration) -> Result<()> {
        let container = self.owned(id).await?;
        match instance::state(&container) {
            InstanceState::Created | InstanceState::Exited => return Ok(()),
            // A frozen program hears no signal.
            InstanceState::Paused => self.unfreeze(id).await?,
            _ => {}
        }
        // The engine counts whole seconds, and takes 0 as "at once".
        let seconds = grace.as_secs() + u64::from(grace.subsec_nanos() > 0);
        let seconds = i32::try_from(seconds).unwrap_or(i32::MAX);
        let options = StopContainerOptions { signal: None, t: Some(seconds) };
        let patient = self.docker.clone().with_timeout(grace.saturating_add(self.options.timeout));
        patient.stop_container(id, Some(options)).await.map_err(|error| translate(error, "stop"))
    }

    async fn unfreeze(&self, id: &str) -> Result<()> {
        match self.docker.unpause_container(id).await.map_err(|error| translate(error, "stop")) {
            Err(error) if error.kind() != ErrorKind::WrongState => Err(error),
            _ => Ok(()),
        }
    }

    pub(crate) async fn remove(&self, id: &str, force: bool) -> Result<()> {
        self.links.forget(id);
        let gate = self.removing.of(id);
        let _alone = gate.lock().await;
        let container = self.owned(id).await?;
        if instance::state(&container) == InstanceState::Paused && force {
            self.unfreeze(id).await?;
        }
        if force && matches!(instance::state(&container), InstanceState::Running | InstanceState::Paused) {
            // Killed first: the engine's forced removal gives up on a container that is ending just now.
            let killed = self.docker.kill_container(id, Some(KillContainerOptions { signal: "KILL".into() })).await;
            drop(killed.map_err(|error| translate(error, "remove")));
        }
        let options = RemoveContainerOptions { v: true, force, link: false };
        match self.docker.remove_container(id, Some(options)).await.map_err(|error| translate(error, "remove")) {
            // Somebody else removes it: it is gone when they are done.
            Err(error) if error.kind() == ErrorKind::WrongState && error.message().contains("already in progress") => {
                self.until_gone(id).await?;
                Err(Error::not_found("no such instance"))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Err(Error::not_found("no such instance")),
            Err(error) => Err(error),
            Ok(()) => {
                self.unstage(&container).await;
                Ok(())
            }
        }
    }

    async fn until_gone(&self, id: &str) -> Result<()> {
        let gone = async {
            loop {
                match self.owned(id).await {
                    Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                    Err(error) => return Err(error),
                    Ok(container) => {
                        let status = container.state.and_then(|state| state.status);
                        if status == Some(ContainerStateStatusEnum::DEAD) {
                            return Err(Error::wrong_state("the engine could not remove the instance's files"));
                        }
                    }
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let waited = tokio::time::timeout(self.options.timeout, gone).await;
        waited.unwrap_or_else(|_| Err(Error::timed_out("the instance is not removed in time")))
    }

    async fn list(&self, options: ListOptions) -> Result<Vec<String>> {
        let mut labels = vec![format!("{REALM}={}", self.options.realm)];
        labels.extend(options.labels.iter().map(|(key, value)| format!("{key}={value}")));
        let mut filters = HashMap::from([("label".to_owned(), labels)]);
        if !options.all {
            filters.insert("status".into(), vec!["running".into()]);
        }
        let asked = ListContainersOptions { all: options.all, limit: None, size: false, filters: Some(filters) };
        let listed = self.docker.list_containers(Some(asked)).await.map_err(|error| translate(error, "list"))?;
        Ok(listed.into_iter().filter_map(|container| container.id).collect())
    }
}

/// The error without its text where that repeats a secret of the environment.
fn without_secrets(error: Error, spec: &RuntimeSpec) -> Error {
    let shown = format!("{error:?}");
    let mut secrets = spec.env.values().filter(|value| value.is_secret()).map(EnvValue::expose);
    if secrets.any(|secret| !secret.is_empty() && shown.contains(secret)) {
        return Error::new(error.kind(), "the engine refused, in words that hold a secret of the environment");
    }
    error
}

pub(crate) fn told(error: Error, id: &InstanceId, verb: &'static str) -> Error {
    let named = error.context().iter().any(|(key, _)| *key == "instance");
    let error = if named { error } else { error.with("instance", id) };
    error.at(PLACE, verb)
}

#[async_trait]
impl Component for DockerBackend {
    fn descriptor(&self) -> Descriptor {
        Descriptor::new(ComponentKind::Runtime, "docker").with_detail(self.0.options.endpoint.to_string())
    }

    async fn ping(&self) -> Result<()> {
        self.0.docker.ping().await.map(drop).map_err(|error| translate(error, "ping"))
    }
}

#[async_trait]
impl RuntimeBackend for DockerBackend {
    fn capabilities(&self) -> Capabilities {
        self.0.can.clone()
    }

    async fn create(&self, spec: &RuntimeSpec) -> Result<InstanceId> {
        self.0.create(spec).await.map_err(|error| error.at(PLACE, "create"))
    }

    async fn start(&self, id: &InstanceId) -> Result<()> {
        self.0.start(id.as_str()).await.map_err(|error| told(error, id, "start"))
    }

    async fn stop(&self, id: &InstanceId, options: StopOptions) -> Result<()> {
        self.0.stop(id.as_str(), options.grace).await.map_err(|error| told(error, id, "stop"))
    }

    async fn remove(&self, id: &InstanceId, options: RemoveOptions) -> Result<()> {
        self.0.remove(id.as_str(), options.force).await.map_err(|error| told(error, id, "remove"))
    }

    async fn inspect(&self, id: &InstanceId) -> Result<Instance> {
        let container = self.0.owned(id.as_str()).await.map_err(|error| told(error, id, "inspect"))?;
        let instance = instance::instance(&container, &self.0.options.realm);
        let mut instance = instance.map_err(|error| told(error, id, "inspect"))?;
        if let (Some(exit), Some(ended)) = (&mut instance.exit, instance.finished_at)
            && exit.code == Some(instance::KILLED)
            && !exit.out_of_memory
        {
            let asked = watch::killed_for_memory(&self.0.docker, instance.id.as_str(), ended).await;
            exit.out_of_memory = asked.map_err(|error| told(error, id, "inspect"))?;
            // Whoever takes an instance away by force kills it first: then it is gone by now.
            self.0.owned(id.as_str()).await.map_err(|error| told(error, id, "inspect"))?;
        }
        Ok(instance)
    }

    fn list(&self, options: ListOptions) -> BoxStream<Result<Instance>> {
        let backend = self.clone();
        let running = !options.all;
        let listed = async move { (backend.0.list(options).await.map_err(|error| error.at(PLACE, "list")), backend) };
        stream::once(listed)
            .flat_map(|(ids, backend)| match ids {
                Err(error) => stream::iter([Err(error)]).boxed(),
                // The engine's list doesn't know how a container ended; a few are looked at at once.
                Ok(ids) => stream::iter(ids)
                    .map(move |id| {
                        let backend = backend.clone();
                        async move { backend.inspect(&InstanceId::new(id)?).await }
                    })
                    .buffer_unordered(8)
                    .boxed(),
            })
            .filter(move |instance| {
                let wanted = match instance {
                    // Removed, or ended, since it was listed.
                    Err(error) => error.kind() != ErrorKind::NotFound,
                    Ok(instance) => !running || instance.state == InstanceState::Running,
                };
                std::future::ready(wanted)
            })
            .boxed()
    }

    async fn exec(&self, id: &InstanceId, command: &Command, options: ExecOptions) -> Result<Exec> {
        let running = exec::exec(Arc::clone(&self.0), id.as_str(), command, options).await;
        running.map_err(|error| told(error, id, "exec"))
    }

    fn logs(&self, id: &InstanceId, options: LogOptions) -> BoxStream<Result<LogChunk>> {
        let (shared, id) = (Arc::clone(&self.0), id.to_string());
        let batches = driven(4, move |to| log::follow(shared, id, options, to));
        let chunks = |batch: Result<Vec<LogChunk>>| match batch {
            Ok(chunks) => stream::iter(chunks.into_iter().map(Ok).collect::<Vec<_>>()),
            Err(error) => stream::iter(vec![Err(error)]),
        };
        batches.flat_map(chunks).boxed()
    }

    fn stats(&self, id: &InstanceId, options: StatsOptions) -> BoxStream<Result<ResourceSample>> {
        let (shared, id) = (Arc::clone(&self.0), id.to_string());
        driven(4, move |to| stats::measure(shared, id, options, to))
    }

    fn watch(&self, options: WatchOptions) -> BoxStream<Result<RuntimeChange>> {
        watch::watch(Arc::clone(&self.0), options)
    }

    fn images(&self) -> Option<&dyn Images> {
        Some(self)
    }

    fn volumes(&self) -> Option<&dyn Volumes> {
        Some(self)
    }

    fn files(&self) -> Option<&dyn Files> {
        Some(self)
    }

    fn resident(&self) -> Option<&dyn Resident> {
        Some(self)
    }

    fn pausing(&self) -> Option<&dyn Pausing> {
        Some(self)
    }
}

#[async_trait]
impl Pausing for DockerBackend {
    async fn pause(&self, id: &InstanceId) -> Result<()> {
        let work = async {
            let container = self.0.owned(id.as_str()).await?;
            if instance::state(&container) != InstanceState::Running {
                return Err(Error::wrong_state("the instance doesn't run"));
            }
            self.0.docker.pause_container(id.as_str()).await.map_err(|error| translate(error, "pause"))
        };
        work.await.map_err(|error| told(error, id, "pause"))
    }

    async fn resume(&self, id: &InstanceId) -> Result<()> {
        let work = async {
            let container = self.0.owned(id.as_str()).await?;
            if instance::state(&container) != InstanceState::Paused {
                return Err(Error::wrong_state("the instance isn't frozen"));
            }
            self.0.docker.unpause_container(id.as_str()).await.map_err(|error| translate(error, "resume"))
        };
        work.await.map_err(|error| told(error, id, "resume"))
    }
}

/// A stream of what a task sends, begun at the first reading; the task ends with the stream.
pub(crate) fn driven<T, F>(room: usize, begin: impl FnOnce(mpsc::Sender<T>) -> F + Send + 'static) -> BoxStream<T>
where
    T: Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let begun = async move {
        let (to, from) = mpsc::channel(room);
        let task = AbortOnDrop(tokio::spawn(begin(to)));
        stream::unfold((from, task), async |(mut from, task)| from.recv().await.map(|item| (item, (from, task))))
    };
    stream::once(begun).flatten().boxed()
}

/// A task that ends with this value.
pub(crate) struct AbortOnDrop(pub(crate) tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_repeats_no_secret() {
        let spec =
            RuntimeSpec::new("a", ["b"]).with_secret("TOKEN", "hunter2").with_secret("EMPTY", "").with_env("A", "b");
        let error = Error::invalid("bad entry TOKEN=hunter2").because(std::io::Error::other("TOKEN=hunter2"));
        let error = without_secrets(error, &spec);
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let harmless = without_secrets(Error::not_found("no such image"), &spec);
        assert_eq!(harmless.message(), "no such image");
    }
}
