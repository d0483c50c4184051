//! A runtime backend of one's own: plain processes of this host, in four small files.
//!
//! It shows what a third party writes to plug another runtime into SLATE: a crate that depends on `slate-core` alone, an
//! implementation of [`RuntimeBackend`], and one line in `tests/conformance.rs` that holds it to the whole contract. What it
//! can't do it says in its [`capabilities`](RuntimeBackend::capabilities): here that is nearly everything, so the cases about
//! `exec`, limits and survival are skipped. `slate-process` is the backend on local processes for real work.
//!
//! It needs Linux: descendants are found by the environment that they inherit, in `/proc`.
#![cfg(target_os = "linux")]

mod entry;
mod family;
mod process;

use async_trait::async_trait;
use entry::Entry;
use futures_util::{StreamExt, stream};
use process::Order;
use slate_core::{
    BoxStream, Component, ComponentKind, Descriptor, Error, InstanceId, Result, WorkerId,
    runtime::{
        Capabilities, Command, Exec, ExecOptions, Instance, InstanceState, ListOptions, LogChunk, LogOptions,
        RemoveOptions, ResourceSample, RuntimeBackend, RuntimeChange, RuntimeSpec, StatsOptions, StopOptions,
        WatchOptions,
    },
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::broadcast;

const COMPONENT: &str = "runtime.plain";

/// Changes that a watcher may lag behind before it is told to list anew.
const WATCH_BACKLOG: usize = 1024;

/// Runs instances as processes of this host, without any isolation. They are killed when it is dropped.
pub struct PlainBackend {
    instances: Mutex<HashMap<InstanceId, Arc<Entry>>>,
    changes: Changes,
}

/// Changes, each with the labels of its instance.
type Changes = broadcast::Sender<(BTreeMap<String, String>, RuntimeChange)>;

impl PlainBackend {
    /// A backend without instances.
    pub fn new() -> Self {
        Self { instances: Mutex::default(), changes: broadcast::channel(WATCH_BACKLOG).0 }
    }

    fn instances(&self) -> MutexGuard<'_, HashMap<InstanceId, Arc<Entry>>> {
        self.instances.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entry(&self, id: &InstanceId, verb: &'static str) -> Result<Arc<Entry>> {
        self.instances().get(id).cloned().ok_or_else(|| missing(id, verb))
    }

    fn tell(&self, entry: &Entry, change: RuntimeChange) {
        tell(&self.changes, entry, change);
    }
}

fn tell(changes: &Changes, entry: &Entry, change: RuntimeChange) {
    // Nobody listening is no error.
    drop(changes.send((entry.spec.labels.clone(), change)));
}

fn missing(id: &InstanceId, verb: &'static str) -> Error {
    Error::not_found("no such instance").with("instance", id).at(COMPONENT, verb)
}

fn has_labels(all: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> bool {
    wanted.iter().all(|(key, value)| all.get(key) == Some(value))
}

impl Default for PlainBackend {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for PlainBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PlainBackend").field("instances", &self.instances().len()).finish()
    }
}

impl Drop for PlainBackend {
    fn drop(&mut self) {
        self.instances().values().for_each(|entry| entry.order(Order::Kill));
    }
}

#[async_trait]
impl Component for PlainBackend {
    fn descriptor(&self) -> Descriptor {
        Descriptor::new(ComponentKind::Runtime, "plain").with_detail("processes of this host, not isolated")
    }

    async fn ping(&self) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl RuntimeBackend for PlainBackend {
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    async fn create(&self, spec: &RuntimeSpec) -> Result<InstanceId> {
        spec.validate().map_err(|error| error.at(COMPONENT, "create"))?;
        if spec.command.is_empty() {
            return Err(Error::unsupported("this backend has no images: name a command").at(COMPONENT, "create"));
        }
        let id = InstanceId::new(WorkerId::unique("plain").as_str())?;
        let entry = Arc::new(Entry::new(id.clone(), spec.clone()));
        {
            let mut instances = self.instances();
            if instances.values().any(|other| other.spec.name == spec.name) {
                let error = Error::already_exists("an instance of this name is there already");
                return Err(error.with("name", &spec.name).at(COMPONENT, "create"));
            }
            instances.insert(id.clone(), Arc::clone(&entry));
        }
        self.tell(&entry, RuntimeChange::Created(id.clone()));
        Ok(id)
    }

    async fn start(&self, id: &InstanceId) -> Result<()> {
        let entry = self.entry(id, "start")?;
        process::start(&entry, &self.changes).map_err(|error| error.with("instance", id).at(COMPONENT, "start"))
    }

    async fn stop(&self, id: &InstanceId, options: StopOptions) -> Result<()> {
        let entry = self.entry(id, "stop")?;
        if !options.grace.is_zero() {
            entry.order(Order::Ask);
            if tokio::time::timeout(options.grace, entry.ended()).await.is_ok() {
                return Ok(());
            }
        }
        entry.order(Order::Kill);
        entry.ended().await;
        Ok(())
    }

    async fn remove(&self, id: &InstanceId, options: RemoveOptions) -> Result<()> {
        let entry = self.entry(id, "remove")?;
        loop {
            if options.force {
                entry.order(Order::Kill);
                entry.ended().await;
            }
            let mut instances = self.instances();
            let idle = entry.change(|life| {
                let idle = life.orders.is_none();
                life.removed |= idle;
                idle
            });
            if idle {
                let removed = instances.remove(id);
                drop(instances);
                let entry = removed.ok_or_else(|| missing(id, "remove"))?;
                self.tell(&entry, RuntimeChange::Removed(id.clone()));
                return Ok(());
            }
            if !options.force {
                let error = Error::wrong_state("the instance runs: stop it first, or force the removal");
                return Err(error.with("instance", id).at(COMPONENT, "remove"));
            }
        }
    }

    async fn inspect(&self, id: &InstanceId) -> Result<Instance> {
        Ok(self.entry(id, "inspect")?.instance())
    }

    fn list(&self, options: ListOptions) -> BoxStream<Result<Instance>> {
        let all: Vec<_> = self.instances().values().map(|entry| entry.instance()).collect();
        let wanted = all.into_iter().filter(move |instance| {
            has_labels(&instance.labels, &options.labels) && (options.all || instance.state == InstanceState::Running)
        });
        stream::iter(wanted.map(Ok)).boxed()
    }

    async fn exec(&self, id: &InstanceId, _: &Command, _: ExecOptions) -> Result<Exec> {
        self.entry(id, "exec")?;
        Err(Error::unsupported("this backend runs no further commands").at(COMPONENT, "exec"))
    }

    fn logs(&self, id: &InstanceId, options: LogOptions) -> BoxStream<Result<LogChunk>> {
        match self.entry(id, "logs") {
            Ok(entry) => entry.logs(&options).map(Ok).boxed(),
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    }

    fn stats(&self, id: &InstanceId, options: StatsOptions) -> BoxStream<Result<ResourceSample>> {
        let entry = match self.entry(id, "stats") {
            Ok(entry) => entry,
            Err(error) => return stream::iter([Err(error)]).boxed(),
        };
        // The first sample comes after a short measurement, not after a whole interval.
        let first = options.interval.min(Duration::from_millis(100));
        stream::unfold((entry, Some(first)), move |(entry, pause)| async move {
            let pause = pause?.max(Duration::from_millis(1));
            entry.life().orders.as_ref()?;
            let before = family::usage(&entry.id);
            tokio::time::sleep(pause).await;
            entry.life().orders.as_ref()?;
            let sample = family::sample(&before, &family::usage(&entry.id));
            Some((Ok(sample), (entry, (!options.once).then_some(options.interval))))
        })
        .boxed()
    }

    fn watch(&self, options: WatchOptions) -> BoxStream<Result<RuntimeChange>> {
        stream::unfold((self.changes.subscribe(), options.labels), async |(mut changes, labels)| {
            loop {
                match changes.recv().await {
                    Ok((of, change)) if has_labels(&of, &labels) => return Some((Ok(change), (changes, labels))),
                    Ok(_) => {}
                    Err(broadcast::error::RecvError::Lagged(_)) => {
                        return Some((Ok(RuntimeChange::Resync), (changes, labels)));
                    }
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        })
        .boxed()
    }
}
