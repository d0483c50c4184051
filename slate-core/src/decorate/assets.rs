use super::{Layer, Layered, Repeat::Always, layered::long};
use crate::{
    BoxStream, ComponentKind, Result,
    asset::{AssetOutput, AssetPipeline, AssetTask, ProcessorInfo, Progress},
    blob::BlobKey,
};
use async_trait::async_trait;
use bytes::Bytes;
use std::sync::{Mutex, PoisonError};

const ASSETS: ComponentKind = ComponentKind::Assets;

#[async_trait]
impl<T: AssetPipeline + ?Sized, L: Layer> AssetPipeline for Layered<T, L> {
    fn processors(&self) -> Vec<ProcessorInfo> {
        self.inner.processors()
    }

    async fn process(&self, task: AssetTask, progress: Progress) -> Result<AssetOutput> {
        let progress = rising(progress);
        let run = || self.inner.process(task.clone(), progress.clone());
        self.layer.call(long(ASSETS, "process", Always), run).await
    }

    fn read(&self, blob: &BlobKey) -> BoxStream<Result<Bytes>> {
        self.layer.stream(long(ASSETS, "read", Always), self.inner.read(blob))
    }
}

/// Progress that doesn't fall when the work is begun anew.
fn rising(progress: Progress) -> Progress {
    let reached = Mutex::new(0.0_f32);
    Progress::new(move |share| {
        let mut reached = reached.lock().unwrap_or_else(PoisonError::into_inner);
        *reached = reached.max(share);
        progress.report(*reached);
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn progress_does_not_fall_when_work_begins_anew() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let progress = rising(Progress::new({
            let seen = Arc::clone(&seen);
            move |share| seen.lock().unwrap().push(share)
        }));
        [0.0, 0.5, 0.25, 1.0].into_iter().for_each(|share| progress.report(share));
        assert_eq!(*seen.lock().unwrap(), [0.0, 0.5, 0.5, 1.0]);
    }
}
