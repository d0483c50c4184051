use super::{
    Layer, Layered,
    Repeat::{self, Always, Unapplied},
    layered::{long, quick},
};
use crate::{
    BoxStream, ComponentKind, Error, InstanceId, Result,
    runtime::{
        Assignment, Capabilities, Command, Exec, ExecOptions, Files, ImageProgress, ImageRef, Images, Instance,
        ListOptions, LogChunk, LogOptions, Pausing, PullOptions, RemoveOptions, Resident, ResourceSample,
        RuntimeBackend, RuntimeChange, RuntimeSpec, StatsOptions, StopOptions, Volumes, WatchOptions,
    },
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_core::future::BoxFuture;
use std::future::ready;

const RUNTIME: ComponentKind = ComponentKind::Runtime;

#[async_trait]
impl<T: RuntimeBackend + ?Sized, L: Layer> RuntimeBackend for Layered<T, L> {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn create(&self, spec: &RuntimeSpec) -> Result<InstanceId> {
        self.layer.call(long(RUNTIME, "create", Unapplied), || self.inner.create(spec)).await
    }

    async fn start(&self, id: &InstanceId) -> Result<()> {
        self.layer.call(quick(RUNTIME, "start", Unapplied), || self.inner.start(id)).await
    }

    async fn stop(&self, id: &InstanceId, options: StopOptions) -> Result<()> {
        self.layer.call(long(RUNTIME, "stop", Always), || self.inner.stop(id, options.clone())).await
    }

    async fn remove(&self, id: &InstanceId, options: RemoveOptions) -> Result<()> {
        self.layer.call(quick(RUNTIME, "remove", Unapplied), || self.inner.remove(id, options.clone())).await
    }

    async fn inspect(&self, id: &InstanceId) -> Result<Instance> {
        self.layer.call(quick(RUNTIME, "inspect", Always), || self.inner.inspect(id)).await
    }

    fn list(&self, options: ListOptions) -> BoxStream<Result<Instance>> {
        self.layer.stream(long(RUNTIME, "list", Always), self.inner.list(options))
    }

    async fn exec(&self, id: &InstanceId, command: &Command, options: ExecOptions) -> Result<Exec> {
        let run = || self.inner.exec(id, command, options.clone());
        self.layer.call(quick(RUNTIME, "exec", Unapplied), run).await
    }

    fn logs(&self, id: &InstanceId, options: LogOptions) -> BoxStream<Result<LogChunk>> {
        self.layer.stream(long(RUNTIME, "logs", Always), self.inner.logs(id, options))
    }

    fn stats(&self, id: &InstanceId, options: StatsOptions) -> BoxStream<Result<ResourceSample>> {
        self.layer.stream(long(RUNTIME, "stats", Always), self.inner.stats(id, options))
    }

    fn watch(&self, options: WatchOptions) -> BoxStream<Result<RuntimeChange>> {
        self.layer.stream(long(RUNTIME, "watch", Always), self.inner.watch(options))
    }

    fn images(&self) -> Option<&dyn Images> {
        self.inner.images().map(|_| self as &dyn Images)
    }

    fn volumes(&self) -> Option<&dyn Volumes> {
        self.inner.volumes().map(|_| self as &dyn Volumes)
    }

    fn files(&self) -> Option<&dyn Files> {
        self.inner.files().map(|_| self as &dyn Files)
    }

    fn resident(&self) -> Option<&dyn Resident> {
        self.inner.resident().map(|_| self as &dyn Resident)
    }

    fn pausing(&self) -> Option<&dyn Pausing> {
        self.inner.pausing().map(|_| self as &dyn Pausing)
    }
}

impl<T: RuntimeBackend + ?Sized, L: Layer> Layered<T, L> {
    /// Calls a companion that the backend has; the companions of `Layered` are given out only where it does.
    async fn companion<'a, C: ?Sized + 'a, R: Send + 'a>(
        &'a self,
        name: &'static str,
        repeat: Repeat,
        find: impl Fn(&'a T) -> Option<&'a C> + Send + Sync + 'a,
        run: impl Fn(&'a C) -> BoxFuture<'a, Result<R>> + Send + Sync + 'a,
    ) -> Result<R> {
        let run = move || match find(&self.inner) {
            Some(companion) => run(companion),
            None => Box::pin(ready(Err(none()))),
        };
        self.layer.call(long(RUNTIME, name, repeat), run).await
    }
}

fn none() -> Error {
    Error::unsupported("the backend has no such companion")
}

#[async_trait]
impl<T: RuntimeBackend + ?Sized, L: Layer> Images for Layered<T, L> {
    async fn exists(&self, image: &ImageRef) -> Result<bool> {
        self.companion("images.exists", Always, T::images, |images| images.exists(image)).await
    }

    fn pull(&self, image: &ImageRef, options: PullOptions) -> BoxStream<Result<ImageProgress>> {
        let pull = match self.inner.images() {
            Some(images) => images.pull(image, options),
            None => Box::pin(futures_util::stream::iter([Err(none())])),
        };
        self.layer.stream(long(RUNTIME, "images.pull", Always), pull)
    }

    async fn remove(&self, image: &ImageRef) -> Result<()> {
        self.companion("images.remove", Always, T::images, |images| images.remove(image)).await
    }
}

#[async_trait]
impl<T: RuntimeBackend + ?Sized, L: Layer> Volumes for Layered<T, L> {
    async fn create(&self, name: &str) -> Result<()> {
        self.companion("volumes.create", Always, T::volumes, |volumes| volumes.create(name)).await
    }

    async fn remove(&self, name: &str) -> Result<()> {
        self.companion("volumes.remove", Always, T::volumes, |volumes| volumes.remove(name)).await
    }

    async fn list(&self) -> Result<Vec<String>> {
        self.companion("volumes.list", Always, T::volumes, |volumes| volumes.list()).await
    }
}

#[async_trait]
impl<T: RuntimeBackend + ?Sized, L: Layer> Files for Layered<T, L> {
    async fn put(&self, id: &InstanceId, path: &str, content: Bytes) -> Result<()> {
        self.companion("files.put", Always, T::files, |files| files.put(id, path, content.clone())).await
    }

    async fn get(&self, id: &InstanceId, path: &str, limit: u64) -> Result<Bytes> {
        self.companion("files.get", Always, T::files, |files| files.get(id, path, limit)).await
    }
}

#[async_trait]
impl<T: RuntimeBackend + ?Sized, L: Layer> Pausing for Layered<T, L> {
    async fn pause(&self, id: &InstanceId) -> Result<()> {
        self.companion("pausing.pause", Unapplied, T::pausing, |pausing| pausing.pause(id)).await
    }

    async fn resume(&self, id: &InstanceId) -> Result<()> {
        self.companion("pausing.resume", Unapplied, T::pausing, |pausing| pausing.resume(id)).await
    }
}

#[async_trait]
impl<T: RuntimeBackend + ?Sized, L: Layer> Resident for Layered<T, L> {
    async fn warm(&self, spec: &RuntimeSpec) -> Result<InstanceId> {
        self.companion("resident.warm", Unapplied, T::resident, |resident| resident.warm(spec)).await
    }

    // Binding under one key twice is binding once.
    async fn bind(&self, id: &InstanceId, work: &Assignment) -> Result<()> {
        self.companion("resident.bind", Always, T::resident, |resident| resident.bind(id, work)).await
    }

    async fn ping(&self, id: &InstanceId) -> Result<()> {
        self.companion("resident.ping", Always, T::resident, |resident| resident.ping(id)).await
    }
}
