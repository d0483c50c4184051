//! A folder of PNGs through the whole pipeline, cold and cached.

use futures_util::future::try_join_all;
use image::{DynamicImage, imageops::FilterType};
use slate_assets::{LocalPipeline, PipelineOptions};
use slate_benches::{Contest, Result, Sample, Watch, inputs};
use slate_core::{
    asset::{AssetInput, AssetOptions, AssetPipeline, AssetTask, Progress, Resize, TextureOptions},
    blob::FolderBlobs,
};
use std::{path::Path, sync::Arc};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const SIDE: u32 = 512;

pub(super) fn run() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let runtime = &runtime;
    let mut textures = Vec::new();
    for entry in std::fs::read_dir(inputs::lantern("textures")?)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "png") {
            textures.push((path.file_name().unwrap_or_default().to_string_lossy().into_owned(), std::fs::read(&path)?));
        }
    }
    textures.sort();
    let textures = &textures;
    let kept = Kept::new(2)?;
    runtime.block_on(kept.process(textures, false))?;
    let cold = |threads: usize| runtime.block_on(Kept::new(threads)?.process(textures, false));
    Contest::new(format!("{} PNGs → {SIDE}² → mip chain → file, with a cache", textures.len()), "texture")
        .contender("image: Lanczos3, thumbnail chain in gamma space, 1 thread, no cache (peer)", || peer(textures))
        .contender("LocalPipeline, cold, 1 thread", || cold(1))
        .contender("LocalPipeline, cold, 2 threads", || cold(2))
        .contender("LocalPipeline, cached", || cached(runtime, &kept, textures))
        .run()
}

fn cached(runtime: &Runtime, kept: &Kept, textures: &[(String, Vec<u8>)]) -> Result<Sample> {
    runtime.block_on(kept.process(textures, true))
}

/// A pipeline and the folder where it keeps results.
struct Kept {
    folder: TempDir,
    pipeline: LocalPipeline,
}

impl Kept {
    fn new(threads: usize) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let options = PipelineOptions::default().with_threads(threads).with_concurrent_jobs(threads);
        let blobs = Arc::new(FolderBlobs::open(folder.path())?);
        let pipeline = LocalPipeline::builder(blobs).with_options(options).with_texture().build()?;
        Ok(Self { folder, pipeline })
    }

    async fn process(&self, textures: &[(String, Vec<u8>)], cached: bool) -> Result<Sample> {
        let mut options = TextureOptions::default();
        options.resize = Some(Resize { width: SIDE, height: SIDE });
        let options = AssetOptions::Texture(options);
        let mut watch = Watch::new();
        let outputs = watch.time_async(textures.len(), async {
            let work = textures.iter().map(|(name, bytes)| {
                let input = AssetInput::from_bytes(name.clone(), bytes.clone());
                self.pipeline.process(AssetTask::new(input, options.clone()), Progress::ignored())
            });
            try_join_all(work).await
        });
        if outputs.await?.iter().any(|output| output.cached != cached) {
            return Err(format!("not as expected: cached in {}", self.folder.path().display()).into());
        }
        Ok(watch.sample())
    }
}

/// What one writes with crate `image` in an afternoon.
fn peer(textures: &[(String, Vec<u8>)]) -> Result<Sample> {
    let folder = tempfile::tempdir()?;
    let mut watch = Watch::new();
    watch.time(textures.len(), || {
        textures.iter().try_for_each(|(name, bytes)| optimize(bytes, &folder.path().join(name)))
    })?;
    Ok(watch.sample())
}

fn optimize(bytes: &[u8], to: &Path) -> Result<()> {
    let image = image::load_from_memory(bytes)?.resize_exact(SIDE, SIDE, FilterType::Lanczos3);
    let mut out = image.as_bytes().to_vec();
    let mut level: DynamicImage = image;
    while level.width() > 1 {
        level = level.thumbnail_exact(level.width() / 2, level.height() / 2);
        out.extend_from_slice(level.as_bytes());
    }
    Ok(std::fs::write(to, out)?)
}
