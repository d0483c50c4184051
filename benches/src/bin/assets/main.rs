//! Textures and sounds, beside crate `image`, plain loops and crate `rubato`.

mod audio;
mod mips;
mod pipeline;

use slate_benches::Result;
use slate_core::{
    Cancel,
    asset::{AssetInput, AssetLimits, MemoryOutput, Processor, Progress, Work},
};

fn main() -> Result<()> {
    pipeline::run()?;
    mips::run()?;
    audio::run()
}

/// Runs one processor on bytes in memory; its one output.
fn process<P: Processor>(processor: &P, name: &str, bytes: bytes::Bytes, options: &P::Options) -> Result<bytes::Bytes> {
    let input = AssetInput::from_bytes(name, bytes);
    let (limits, cancel, progress) = (AssetLimits::default(), Cancel::new(), Progress::ignored());
    let mut output = MemoryOutput::new(limits.output_bytes);
    let mut work = Work { input: &input, output: &mut output, limits: &limits, cancel: &cancel, progress: &progress };
    processor.process(&mut work, options)?;
    Ok(output.take().into_values().next().ok_or("the processor wrote nothing")?)
}
