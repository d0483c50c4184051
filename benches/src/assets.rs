//! Processors of assets on bytes in memory.

use crate::Result;
use bytes::Bytes;
use slate_core::{
    Cancel,
    asset::{AssetInput, AssetLimits, MemoryOutput, Processor, Progress, Report, Work},
};

/// What one processor makes of bytes, its first output, and its report. The name tells the format.
///
/// # Errors
/// Those of the processor, and where it wrote nothing.
pub fn process<P: Processor>(processor: &P, name: &str, bytes: Bytes, options: &P::Options) -> Result<(Bytes, Report)> {
    let input = AssetInput::from_bytes(name, bytes);
    let (limits, cancel, progress) = (AssetLimits::default(), Cancel::new(), Progress::ignored());
    let mut output = MemoryOutput::new(limits.output_bytes);
    let mut work = Work { input: &input, output: &mut output, limits: &limits, cancel: &cancel, progress: &progress };
    let report = processor.process(&mut work, options)?;
    Ok((output.take().into_values().next().ok_or("the processor wrote nothing")?, report))
}
