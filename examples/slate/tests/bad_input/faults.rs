use super::support::World;
use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use slate_core::{
    BoxStream, Component, Descriptor, Error, InstanceId, Result,
    model::{LogSource, SessionState},
    runtime::{
        Capabilities, Command, Exec, ExecOptions, Instance, InstanceState, ListOptions, LogChunk, LogOptions,
        RemoveOptions, ResourceSample, RuntimeBackend, RuntimeChange, RuntimeSpec, StatsOptions, StopOptions,
        WatchOptions,
    },
};
use std::sync::{
    Arc,
    atomic::{AtomicI32, Ordering},
};

/// A backend whose replies get lost so many times, and whose logs break off while the program runs and so many times after.
struct Faulty {
    inner: Arc<dyn RuntimeBackend>,
    lost_creates: AtomicI32,
    refused_creates: AtomicI32,
    broken_logs: Option<Arc<AtomicI32>>,
}

impl Faulty {
    async fn world(change: impl FnOnce(&mut Self)) -> World {
        let mut world = World::new().await;
        let (inner, none) = (Arc::clone(&world.pieces.runtime), || AtomicI32::new(0));
        let mut faulty = Self { inner, lost_creates: none(), refused_creates: none(), broken_logs: None };
        change(&mut faulty);
        world.pieces.runtime = Arc::new(faulty);
        world
    }
}

fn due(count: &AtomicI32) -> bool {
    count.fetch_sub(1, Ordering::Relaxed) > 0
}

#[async_trait]
impl Component for Faulty {
    fn descriptor(&self) -> Descriptor {
        self.inner.descriptor()
    }

    async fn ping(&self) -> Result<()> {
        self.inner.ping().await
    }
}

#[async_trait]
impl RuntimeBackend for Faulty {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn create(&self, spec: &RuntimeSpec) -> Result<InstanceId> {
        if due(&self.refused_creates) {
            return Err(Error::already_exists("somebody is making an instance of this name"));
        }
        let made = self.inner.create(spec).await?;
        if due(&self.lost_creates) { Err(Error::unavailable("the reply was lost")) } else { Ok(made) }
    }

    async fn start(&self, id: &InstanceId) -> Result<()> {
        self.inner.start(id).await
    }

    async fn stop(&self, id: &InstanceId, options: StopOptions) -> Result<()> {
        self.inner.stop(id, options).await
    }

    async fn remove(&self, id: &InstanceId, options: RemoveOptions) -> Result<()> {
        self.inner.remove(id, options).await
    }

    async fn inspect(&self, id: &InstanceId) -> Result<Instance> {
        self.inner.inspect(id).await
    }

    fn list(&self, options: ListOptions) -> BoxStream<Result<Instance>> {
        self.inner.list(options)
    }

    async fn exec(&self, id: &InstanceId, command: &Command, options: ExecOptions) -> Result<Exec> {
        self.inner.exec(id, command, options).await
    }

    fn logs(&self, id: &InstanceId, options: LogOptions) -> BoxStream<Result<LogChunk>> {
        let chunks = self.inner.logs(id, options);
        let Some(count) = self.broken_logs.clone() else { return chunks };
        let (inner, id) = (Arc::clone(&self.inner), id.clone());
        let chosen = async move {
            let ended = inner.inspect(&id).await.is_ok_and(|instance| instance.state == InstanceState::Exited);
            if ended && !due(&count) {
                return chunks;
            }
            let broken = stream::once(async { Err(Error::unavailable("the log broke off")) });
            chunks.take(3).chain(broken).boxed()
        };
        stream::once(chosen).flatten().boxed()
    }

    fn stats(&self, id: &InstanceId, options: StatsOptions) -> BoxStream<Result<ResourceSample>> {
        self.inner.stats(id, options)
    }

    fn watch(&self, options: WatchOptions) -> BoxStream<Result<RuntimeChange>> {
        self.inner.watch(options)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_breaks_off_again_and_again_is_stored_whole_and_once() {
    let world = Faulty::world(|faulty| faulty.broken_logs = Some(Arc::new(3.into()))).await;
    let services = world.start(|_| {}).await;
    let id = world.session("for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do echo line $i; done").await;
    assert_eq!(world.ended(id).await.status, SessionState::Stopped);
    let lines: Vec<_> = world.log(LogSource::Session(id)).await.into_iter().map(|entry| entry.message).collect();
    assert_eq!(lines, (1..=20).map(|number| format!("line {number}")).collect::<Vec<_>>());
    world.is_empty().await;
    services.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_can_never_be_read_ends_the_session_all_the_same_and_the_loss_is_told() {
    let world = Faulty::world(|faulty| faulty.broken_logs = Some(Arc::new(i32::MAX.into()))).await;
    let services = world.start(|_| {}).await;
    let id = world.session("i=0; while [ $i -lt 100 ]; do i=$((i+1)); echo line $i; done").await;
    assert_eq!(world.ended(id).await.status, SessionState::Stopped);
    let last = world.log(LogSource::Session(id)).await.pop().unwrap();
    assert!(last.message.contains("the log broke off"), "{last:?}");
    world.is_empty().await;
    services.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_whose_creation_was_not_heard_of_is_found_and_used() {
    let world = Faulty::world(|faulty| faulty.lost_creates = AtomicI32::new(1)).await;
    let services = world.start(|_| {}).await;
    let starts = world.root.path().join("starts");
    let id = world.session(&format!("echo started >> {}", starts.display())).await;
    assert_eq!(world.ended(id).await.status, SessionState::Stopped);
    assert_eq!(std::fs::read_to_string(&starts).unwrap(), "started\n", "it ran once");
    world.is_empty().await;
    services.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_just_being_taken_does_not_fail_the_session() {
    let world = Faulty::world(|faulty| faulty.refused_creates = AtomicI32::new(3)).await;
    let services = world.start(|_| {}).await;
    let id = world.session("true").await;
    let session = world.ended(id).await;
    assert_eq!(session.status, SessionState::Stopped, "{session:?}");
    world.is_empty().await;
    services.shutdown().await.unwrap();
}
