//! The pipeline of this process: threads, a cache by content, and limits.

mod cache;
mod flight;
mod registry;
mod spool;

pub use registry::TaskOptions;

use crate::guard;
use async_trait::async_trait;
use bytes::Bytes;
use cache::ResultCache;
use flight::{Flight, Flights};
use futures_util::{FutureExt, StreamExt, stream};
use registry::{Registry, Served};
use sha2::{Digest, Sha256};
use slate_core::{
    BoxStream, Cancel, Component, ComponentKind, Descriptor, Error, Result,
    asset::{
        AssetInput, AssetLimits, AssetOutput, AssetPipeline, AssetTask, CacheKey, Processor, ProcessorInfo, Progress,
        Report, Work,
    },
    blob::{BlobKey, Blobs},
};
use spool::{Spool, SpooledFile};
use std::{num::NonZeroUsize, panic::AssertUnwindSafe, sync::Arc};
use tokio::sync::{Semaphore, oneshot};

const COMPONENT: &str = "assets.local";
/// Stands for the input's stem in the names of kept outputs: a renamed file has the same result under its new name.
const STEM: &str = "*";

/// How a [`LocalPipeline`] works.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PipelineOptions {
    /// Worker threads; default: as many as the process may use.
    pub threads: usize,
    /// Jobs that work at a time, which bounds the memory: each may hold `limits.decoded_bytes`; default 2. Others wait.
    pub concurrent_jobs: usize,
    /// What one job may cost.
    pub limits: AssetLimits,
}

impl Default for PipelineOptions {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self { threads, concurrent_jobs: 2, limits: AssetLimits::default() }
    }
}

impl PipelineOptions {
    /// Sets the number of worker threads; 0 counts as 1.
    #[must_use]
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// Sets how many jobs work at a time; 0 counts as 1.
    #[must_use]
    pub fn with_concurrent_jobs(mut self, jobs: usize) -> Self {
        self.concurrent_jobs = jobs.max(1);
        self
    }

    /// Sets what one job may cost.
    #[must_use]
    pub fn with_limits(mut self, limits: AssetLimits) -> Self {
        self.limits = limits;
        self
    }
}

/// Processes assets on threads of this process and keeps the results by content.
///
/// - A result is kept in the blobs: a record under `assets/index/`, bytes by their hash under `assets/content/`.
///   Whoever shares the blobs shares the results. Damaged and missing ones are made anew.
/// - Equal tasks at a time are worked on once. Work that nobody waits for any longer is canceled.
/// - A panic of a decoder or processor becomes an error.
///
/// Clones share everything. `process` needs a tokio runtime around it.
#[derive(Clone)]
pub struct LocalPipeline(Arc<Inner>);

struct Inner {
    cache: ResultCache,
    registry: Registry,
    flights: Flights,
    limits: AssetLimits,
    jobs: Arc<Semaphore>,
    threads: rayon::ThreadPool,
}

/// Puts a [`LocalPipeline`] together.
pub struct LocalPipelineBuilder {
    blobs: Arc<dyn Blobs>,
    options: PipelineOptions,
    registry: Registry,
}

impl LocalPipelineBuilder {
    /// Sets how it works.
    #[must_use]
    pub fn with_options(mut self, options: PipelineOptions) -> Self {
        self.options = options;
        self
    }

    /// Adds a processor, in place of the one for the same kind of asset.
    #[must_use]
    pub fn with<P>(mut self, processor: P) -> Self
    where
        P: Processor,
        P::Options: TaskOptions,
    {
        self.registry.insert(processor);
        self
    }

    /// Adds the texture processor.
    #[cfg(feature = "texture")]
    #[must_use]
    pub fn with_texture(self) -> Self {
        self.with(crate::texture::TextureProcessor)
    }

    /// Adds the model processor.
    #[cfg(feature = "model")]
    #[must_use]
    pub fn with_model(self) -> Self {
        self.with(crate::model::ModelProcessor)
    }

    /// Adds the sound processor.
    #[cfg(feature = "audio")]
    #[must_use]
    pub fn with_audio(self) -> Self {
        self.with(crate::audio::AudioProcessor)
    }

    /// Starts the threads.
    ///
    /// # Errors
    /// `ResourceExhausted` where the system gives no threads.
    pub fn build(self) -> Result<LocalPipeline> {
        let threads = rayon::ThreadPoolBuilder::new()
            .num_threads(self.options.threads.max(1))
            .thread_name(|index| format!("slate-assets-{index}"))
            .build()
            .map_err(|error| Error::resource_exhausted("can't start the asset threads").because(error))?;
        Ok(LocalPipeline(Arc::new(Inner {
            cache: ResultCache(self.blobs),
            registry: self.registry,
            flights: Flights::default(),
            limits: self.options.limits,
            jobs: Arc::new(Semaphore::new(self.options.concurrent_jobs.clamp(1, Semaphore::MAX_PERMITS))),
            threads,
        })))
    }
}

impl LocalPipeline {
    /// A pipeline without processors, to be given some.
    pub fn builder(blobs: Arc<dyn Blobs>) -> LocalPipelineBuilder {
        LocalPipelineBuilder { blobs, options: PipelineOptions::default(), registry: Registry::default() }
    }
}

#[async_trait]
impl Component for LocalPipeline {
    fn descriptor(&self) -> Descriptor {
        Descriptor::new(ComponentKind::Assets, "local")
            .with_detail(format!("{} threads", self.0.threads.current_num_threads()))
    }

    async fn ping(&self) -> Result<()> {
        self.0.cache.0.ping().await
    }
}

#[async_trait]
impl AssetPipeline for LocalPipeline {
    fn processors(&self) -> Vec<ProcessorInfo> {
        self.0.registry.infos()
    }

    async fn process(&self, task: AssetTask, progress: Progress) -> Result<AssetOutput> {
        let stem = task.input.stem();
        let output = self.0.process(task, &progress).await.map_err(|error| error.at(COMPONENT, "process"))?;
        progress.report(1.0);
        Ok(named_after(output, &stem))
    }

    fn read(&self, blob: &BlobKey) -> BoxStream<Result<Bytes>> {
        // The blobs hold other things too, which are nobody's output.
        if blob.as_str().strip_prefix(cache::CONTENT).is_some_and(|rest| rest.starts_with('/')) {
            return self.0.cache.0.get(blob, None);
        }
        let error = Error::not_found("no output of an asset has this key").with("key", blob);
        stream::iter([Err(error.at(COMPONENT, "read"))]).boxed()
    }
}

impl Inner {
    async fn process(self: &Arc<Self>, task: AssetTask, progress: &Progress) -> Result<AssetOutput> {
        task.options.validate()?;
        let served = self.registry.get(&task.options)?;
        served.check(&task.options)?;
        task.cancel.check()?;
        let key = self.key(&served, &task).await?;
        let (seat, new) = self.flights.join(key, progress.clone());
        if new {
            let (this, flight, input) = (Arc::clone(self), Arc::clone(seat.flight()), task.input.clone());
            let options = task.options.clone();
            // On a task of its own: who asked first may give up while others wait.
            tokio::spawn(async move {
                let work = this.fly(key, &flight, served, input, options);
                // Even a panic of the blobs lands the flight: nobody waits for ever.
                let outcome = AssertUnwindSafe(work).catch_unwind().await;
                let outcome = outcome.unwrap_or_else(|_| Err(Error::internal("the asset cache panicked")));
                this.flights.land(key, &flight, outcome);
            });
        }
        seat.outcome(&task.cancel).await
    }

    async fn key(&self, served: &Arc<dyn Served>, task: &AssetTask) -> Result<CacheKey> {
        let (served, task, limits) = (Arc::clone(served), task.clone(), self.limits.clone());
        blocking(move || {
            let mut input = task.input.sha256(&limits, &task.cancel)?;
            let references = guard::processor(|| served.references(&task.input, &limits))?;
            if !references.is_empty() {
                let mut hash = Sha256::new_with_prefix(input);
                for reference in references {
                    let sibling = task.input.sibling(&reference)?;
                    hash.update((reference.len() as u64).to_le_bytes());
                    hash.update(&reference);
                    hash.update(sibling.sha256(&limits, &task.cancel)?);
                }
                input = hash.finalize().into();
            }
            served.key(&task.options, &task.input.extension(), &input)
        })
        .await
    }

    async fn fly(
        self: &Arc<Self>,
        key: CacheKey,
        flight: &Arc<Flight>,
        served: Arc<dyn Served>,
        input: AssetInput,
        options: slate_core::asset::AssetOptions,
    ) -> Result<AssetOutput> {
        if let Some(mut output) = self.cache.find(key, &flight.cancel).await? {
            output.cached = true;
            return Ok(output);
        }
        let permit = tokio::select! {
            () = flight.cancel.canceled() => return Err(Error::canceled("the work was canceled")),
            permit = Arc::clone(&self.jobs).acquire_owned() => permit,
        };
        let _permit = permit.map_err(|error| Error::internal("the pipeline is closed").because(error))?;
        let input_bytes = input.len();
        let (cancel, progress) = (flight.cancel.clone(), flight.progress());
        let (report, files) = self.on_threads(served, input, options, cancel, progress).await?;
        flight.cancel.check()?;
        self.cache.keep(key, files, |files| AssetOutput::new(files, report, input_bytes)).await
    }

    async fn on_threads(
        &self,
        served: Arc<dyn Served>,
        input: AssetInput,
        options: slate_core::asset::AssetOptions,
        cancel: Cancel,
        progress: Progress,
    ) -> Result<(Report, Vec<SpooledFile>)> {
        let (done, result) = oneshot::channel();
        let limits = self.limits.clone();
        self.threads.spawn(move || {
            let result = guard::processor(|| {
                cancel.check()?;
                let mut output = Spool::new(limits.output_bytes);
                let mut work =
                    Work { input: &input, output: &mut output, limits: &limits, cancel: &cancel, progress: &progress };
                let report = served.process(&mut work, &options)?;
                let mut files = output.finish()?;
                for file in &mut files {
                    if let Some(rest) = file.name.strip_prefix(&input.stem()) {
                        file.name = format!("{STEM}{rest}");
                    }
                }
                Ok((report, files))
            });
            let _ = done.send(result);
        });
        result.await.map_err(|error| Error::internal("a worker thread ended early").because(error))?
    }
}

fn named_after(mut output: AssetOutput, stem: &str) -> AssetOutput {
    for file in &mut output.files {
        if let Some(rest) = file.name.strip_prefix(STEM) {
            file.name = format!("{stem}{rest}");
        }
    }
    output.files.sort_by(|a, b| a.name.cmp(&b.name));
    output
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::internal("a file task ended early").because(error)),
    }
}
