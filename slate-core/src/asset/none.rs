use super::{AssetOutput, AssetPipeline, AssetTask, ProcessorInfo, Progress};
use crate::{BoxStream, Component, ComponentKind, Descriptor, Error, Result, blob::BlobKey};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;

const COMPONENT: &str = "assets.none";

/// The [`AssetPipeline`] of whoever processes no assets: it has no processors and refuses every task.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoAssets;

#[async_trait]
impl Component for NoAssets {
    fn descriptor(&self) -> Descriptor {
        Descriptor::new(ComponentKind::Assets, "none")
    }

    async fn ping(&self) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl AssetPipeline for NoAssets {
    fn processors(&self) -> Vec<ProcessorInfo> {
        Vec::new()
    }

    /// # Errors
    /// `Unsupported`, always.
    async fn process(&self, task: AssetTask, _: Progress) -> Result<AssetOutput> {
        Err(Error::unsupported("no assets are processed here: plug in a pipeline, for example slate-assets")
            .with("kind", task.options.kind())
            .at(COMPONENT, "process"))
    }

    fn read(&self, blob: &BlobKey) -> BoxStream<Result<Bytes>> {
        let error = Error::not_found("no assets are processed here").with("key", blob).at(COMPONENT, "read");
        Box::pin(stream::iter([Err(error)]))
    }
}
