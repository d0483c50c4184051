use crate::{
    PLACE, ProcessOptions, end, exec,
    ground::{Found, Ground},
    log::{LogReader, start_of_tail},
    record::LOG,
    start, stats,
    watch::Watcher,
};
use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use slate_core::{
    BoxStream, Component, ComponentKind, Descriptor, Error, ErrorKind, InstanceId, Result,
    runtime::{
        Capabilities, Command, Exec, ExecOptions, Instance, InstanceState, ListOptions, LogChunk, LogCursor,
        LogOptions, RemoveOptions, ResourceSample, RuntimeBackend, RuntimeChange, RuntimeSpec, StatsOptions,
        StopOptions, WatchOptions,
    },
};
use std::{sync::Arc, time::Duration};

/// Runs instances as local processes. See the [crate's documentation](crate).
///
/// Clones share the root; so do any number of backends in any number of processes of one user.
#[derive(Clone, Debug)]
pub struct ProcessBackend(Arc<Ground>);

impl ProcessBackend {
    /// Opens a root, or makes it, and finds out what this host can enforce.
    ///
    /// # Errors
    /// `Unsupported` where there is no shim or no control group as asked for; `PermissionDenied` and the like for the root.
    pub async fn open(options: ProcessOptions) -> Result<Self> {
        let ground = blocking("open", move || {
            let shim = start::find_shim(&options.shim)?;
            Ground::open(options, shim)
        });
        Ok(Self(Arc::new(ground.await?)))
    }

    /// Does something with the ground on a thread that may block.
    async fn on_ground<T: Send + 'static>(
        &self,
        verb: &'static str,
        work: impl FnOnce(&Ground) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let ground = self.0.clone();
        blocking(verb, move || work(&ground)).await
    }

    async fn on_instance<T: Send + 'static>(
        &self,
        verb: &'static str,
        id: &InstanceId,
        work: impl FnOnce(&Ground, &InstanceId) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (of, named) = (id.clone(), id.clone());
        self.on_ground(verb, move |ground| work(ground, &of).map_err(|error| naming(error, &named))).await
    }
}

fn naming(error: Error, id: &InstanceId) -> Error {
    if error.context().iter().any(|(key, _)| *key == "instance") { error } else { error.with("instance", id) }
}

async fn blocking<T: Send + 'static>(
    verb: &'static str,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.unwrap_or_else(|error| Err(Error::internal("a task was lost").because(error)));
    done.map_err(|error| error.at(PLACE, verb))
}

#[async_trait]
impl Component for ProcessBackend {
    fn descriptor(&self) -> Descriptor {
        Descriptor::new(ComponentKind::Runtime, "process").with_detail(self.0.root.display().to_string())
    }

    async fn ping(&self) -> Result<()> {
        self.on_ground("ping", Ground::ping).await
    }
}

#[async_trait]
impl RuntimeBackend for ProcessBackend {
    fn capabilities(&self) -> Capabilities {
        let mut can = Capabilities::default();
        // Only what the kernel enforces: the watchdog is no promise.
        can.memory_limit = self.0.groups.enforces("memory");
        can.cpu_limit = self.0.groups.enforces("cpu");
        can.pids_limit = self.0.groups.enforces("pids");
        can.exec = true;
        can.survives_restart = true;
        can
    }

    async fn create(&self, spec: &RuntimeSpec) -> Result<InstanceId> {
        let spec = spec.clone();
        self.on_ground("create", move |ground| ground.create(&spec)).await
    }

    async fn start(&self, id: &InstanceId) -> Result<()> {
        self.on_instance("start", id, start::start).await
    }

    async fn stop(&self, id: &InstanceId, options: StopOptions) -> Result<()> {
        self.on_instance("stop", id, move |ground, id| end::stop(ground, id, options.grace)).await
    }

    async fn remove(&self, id: &InstanceId, options: RemoveOptions) -> Result<()> {
        self.on_instance("remove", id, move |ground, id| end::remove(ground, id, &options)).await
    }

    async fn inspect(&self, id: &InstanceId) -> Result<Instance> {
        self.on_instance("inspect", id, |ground, id| Ok(ground.find(id)?.instance())).await
    }

    fn list(&self, options: ListOptions) -> BoxStream<Result<Instance>> {
        let backend = self.clone();
        let listed = async move { backend.on_ground("list", Ground::all).await };
        let wanted = move |found: Found| {
            let instance = found.instance();
            let labelled = options.labels.iter().all(|(key, value)| instance.labels.get(key) == Some(value));
            (labelled && (options.all || instance.state == InstanceState::Running)).then_some(Ok(instance))
        };
        let each = move |all: Vec<Found>| stream::iter(all.into_iter().filter_map(&wanted).collect::<Vec<_>>());
        stream::once(listed).map_ok(each).try_flatten().boxed()
    }

    async fn exec(&self, id: &InstanceId, command: &Command, options: ExecOptions) -> Result<Exec> {
        let found = self.on_instance("exec", id, Ground::find).await?;
        exec::exec(found, command, options).await.map_err(|error| naming(error, id).at(PLACE, "exec"))
    }

    fn logs(&self, id: &InstanceId, options: LogOptions) -> BoxStream<Result<LogChunk>> {
        let (backend, id, since, follow) = (self.clone(), id.clone(), options.since, options.follow);
        let opened = async move {
            let reader = backend.on_instance("logs", &id, move |ground, id| open_log(ground, id, &options)).await?;
            Ok::<_, Error>(
                stream::try_unfold(Some((backend, id, reader, follow)), |following| async move {
                    let Some((backend, id, reader, follow)) = following else { return Ok(None) };
                    let read = backend.next_log(&id, reader, follow).await?;
                    Ok::<_, Error>(read.map(|(chunks, reader)| {
                        (stream::iter(chunks.into_iter().map(Ok)), Some((backend, id, reader, follow)))
                    }))
                })
                .try_flatten(),
            )
        };
        let wanted = move |chunk: &LogChunk| std::future::ready(since.is_none_or(|since| chunk.at >= since));
        stream::once(opened).try_flatten().try_filter(wanted).boxed()
    }

    fn stats(&self, id: &InstanceId, options: StatsOptions) -> BoxStream<Result<ResourceSample>> {
        let (backend, id) = (self.clone(), id.clone());
        let interval = options.interval.max(Duration::from_millis(10));
        // The first sample measures over a short time, so that it is true and comes soon; ticks are 10 ms.
        let first = interval.clamp(Duration::from_millis(200), Duration::from_millis(300));
        stream::try_unfold((backend, id, None, Some(first)), move |(backend, id, before, pause)| async move {
            let Some(pause) = pause else { return Ok(None) };
            let before = match before {
                Some(before) => before,
                None => match backend.reading(&id).await? {
                    Some(reading) => reading,
                    None => return Ok(None),
                },
            };
            tokio::time::sleep(pause).await;
            // Gone in between is an end like any other.
            let reading = match backend.reading(&id).await {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                reading => reading?,
            };
            Ok(reading.map(|reading| {
                let reading = reading.since(&before);
                (reading.sample, (backend, id, Some(reading), (!options.once).then_some(interval)))
            }))
        })
        .boxed()
    }

    fn watch(&self, options: WatchOptions) -> BoxStream<Result<RuntimeChange>> {
        // Begun here and not in a task: what happens after this call is told. It reads a few small files an instance.
        let begun = Watcher::begin(&self.0, options.labels).map_err(|error| error.at(PLACE, "watch"));
        let backend = self.clone();
        let follow = move |watcher| {
            stream::try_unfold((backend.clone(), watcher), |(backend, mut watcher): (Self, Watcher)| async move {
                loop {
                    if let Some(change) = watcher.found.pop_front() {
                        return Ok(Some((change, (backend, watcher))));
                    }
                    tokio::time::sleep(backend.0.poll).await;
                    let looked = backend.on_ground("watch", move |ground| {
                        watcher.look(ground)?;
                        Ok(watcher)
                    });
                    watcher = looked.await?;
                }
            })
        };
        stream::iter([begun]).map_ok(follow).try_flatten().boxed()
    }
}

fn open_log(ground: &Ground, id: &InstanceId, options: &LogOptions) -> Result<LogReader> {
    let folder = ground.find(id)?.folder.join(LOG);
    let after = match (options.after, options.tail) {
        (Some(LogCursor(after)), _) => after,
        (None, Some(lines)) => start_of_tail(&folder, lines)?,
        (None, None) => 0,
    };
    Ok(LogReader::new(&folder, after))
}

impl ProcessBackend {
    /// The next output; `None` at its end.
    async fn next_log(
        &self,
        id: &InstanceId,
        mut reader: LogReader,
        follow: bool,
    ) -> Result<Option<(Vec<LogChunk>, LogReader)>> {
        loop {
            let read = self.on_instance("logs", id, move |ground, id| {
                // Asked before reading: what an ended instance has written is all on disk.
                let over = match ground.find(id) {
                    Err(error) if error.kind() == ErrorKind::NotFound => true,
                    found => found.map(|found| !found.running && found.state.is_some())?,
                };
                Ok((reader.read()?, over, reader))
            });
            let (chunks, over, read_on) = read.await?;
            if !chunks.is_empty() {
                return Ok(Some((chunks, read_on)));
            }
            if over || !follow {
                return Ok(None);
            }
            reader = read_on;
            tokio::time::sleep(self.0.poll).await;
        }
    }

    async fn reading(&self, id: &InstanceId) -> Result<Option<stats::Reading>> {
        self.on_instance("stats", id, |ground, id| {
            let found = ground.find(id)?;
            Ok(found.running.then(|| stats::read(ground, &found)))
        })
        .await
    }
}
