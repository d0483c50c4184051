//! Asset processing in pure Rust: textures, models and sounds from what artists save to what engines load.
//!
//! ```
//! use slate_assets::LocalPipeline;
//! use slate_core::{asset::{AssetInput, AssetOptions, AssetPipeline, AssetTask, Progress, TextureOptions}, blob::FolderBlobs};
//! use std::sync::Arc;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> slate_core::Result<()> {
//! # let folder = tempfile::tempdir().unwrap();
//! # let folder = folder.path();
//! // A Targa file of one red pixel: 18 bytes of header, then blue, green, red.
//! let tga = [&[0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 24, 0x20][..], &[0, 0, 255]].concat();
//!
//! let pipeline = LocalPipeline::builder(Arc::new(FolderBlobs::open(folder)?)).with_texture().build()?;
//! let task = AssetTask::new(AssetInput::from_bytes("red.tga", tga), AssetOptions::Texture(TextureOptions::default()));
//! let output = pipeline.process(task.clone(), Progress::ignored()).await?;
//! assert_eq!(output.files[0].name, "red.ktx2");
//!
//! // The second time nothing is done.
//! assert!(pipeline.process(task, Progress::ignored()).await?.cached);
//! # Ok(())
//! # }
//! ```
//!
//! - [`LocalPipeline`]: threads, a cache by content, limits. It takes any processor.
//! - `texture`, `model`, `audio`: the processors, each behind a feature of its name; all are on by default.
//!
//! The README says per format what is read, what is written and what is not there yet.

#[cfg(feature = "audio")]
pub mod audio;
#[cfg(feature = "model")]
pub mod model;
pub mod pipeline;
#[cfg(feature = "texture")]
pub mod texture;

mod guard;
#[cfg(any(feature = "texture", feature = "audio", feature = "model"))]
mod simd;

pub use pipeline::{LocalPipeline, LocalPipelineBuilder, PipelineOptions, TaskOptions};
