use super::{AssetOutput, AssetTask, ProcessorInfo, Progress};
use crate::{BoxStream, Component, Result, blob::BlobKey};
use async_trait::async_trait;
use bytes::Bytes;

/// Processes assets: on threads of this process, or wherever an implementation takes them.
///
/// # Contract
/// - `process` is pure in its result: the same input, options and processor version give the same outputs.
/// - A result that is in the cache is returned with `cached` set, without work.
/// - A failed or canceled task leaves nothing half-written.
/// - Options that no processor serves give `Unsupported`; invalid ones `Invalid`; both before any work.
/// - Progress never falls and ends at 1.0 on success.
#[async_trait]
pub trait AssetPipeline: Component {
    /// The processors that it has.
    fn processors(&self) -> Vec<ProcessorInfo>;

    /// Processes one asset; many calls may run at a time, and the pipeline bounds how many work.
    ///
    /// # Errors
    /// As the contract and [`Processor`](super::Processor) say.
    async fn process(&self, task: AssetTask, progress: Progress) -> Result<AssetOutput>;

    /// The bytes of an output, in chunks.
    ///
    /// Yields `NotFound` where the output is no longer kept: process the asset again.
    fn read(&self, blob: &BlobKey) -> BoxStream<Result<Bytes>>;
}
