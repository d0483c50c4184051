//! Asset processing: textures, models and sounds from what artists save to what engines load.
//!
//! A [`Processor`] turns one input into outputs: synchronous, pure, the same bytes each time.
//! An [`AssetPipeline`] runs processors on threads, keeps their results by content, and reports.

mod input;
mod job;
mod key;
mod limits;
mod none;
mod options;
mod pipeline;
mod processor;
mod progress;

pub use input::{AssetInput, ReadSeek};
pub use job::{AssetOutput, AssetTask, OutputFile};
pub use key::CacheKey;
pub use limits::AssetLimits;
pub use none::NoAssets;
pub use options::{
    AlphaMode, AssetKind, AssetOptions, AudioFormat, AudioOptions, AudioPreset, Compression, Dither, ImageFormat,
    LodOutput, MeshCompression, MipFilter, ModelFormat, ModelImages, ModelOptions, ModelSteps, Normalize, Resampling,
    Resize, Sizing, Supercompression, TextureFormat, TextureKind, TextureOptions, TexturePreset, UpAxis,
};
pub use pipeline::AssetPipeline;
pub use processor::{MemoryOutput, Output, Processor, ProcessorInfo, Report, Work, WriteSeek};
pub use progress::Progress;
