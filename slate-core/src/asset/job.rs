use super::{AssetInput, AssetOptions, Report};
use crate::{Cancel, blob::BlobKey, model::Sha256Hex};
use serde::{Deserialize, Serialize};

/// One asset to be processed, and how.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AssetTask {
    /// The asset.
    pub input: AssetInput,
    /// The type of asset and its options.
    pub options: AssetOptions,
    /// Raised when the result is no longer wanted.
    pub cancel: Cancel,
}

impl AssetTask {
    /// A task that nobody cancels yet.
    pub fn new(input: AssetInput, options: AssetOptions) -> Self {
        Self { input, options, cancel: Cancel::new() }
    }

    /// Sets the flag that cancels it.
    #[must_use]
    pub fn with_cancel(mut self, cancel: Cancel) -> Self {
        self.cancel = cancel;
        self
    }
}

/// What came of an asset. As JSON it is what is kept in the cache and stored with the job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AssetOutput {
    /// The outputs, sorted by name; their bytes are in the pipeline's blobs.
    pub files: Vec<OutputFile>,
    /// What the processor told.
    pub report: Report,
    /// Bytes of the input.
    pub input_bytes: u64,
    /// Whether the result was there already and nothing had to be done.
    pub cached: bool,
}

impl AssetOutput {
    /// An output that was made just now.
    pub fn new(files: Vec<OutputFile>, report: Report, input_bytes: u64) -> Self {
        Self { files, report, input_bytes, cached: false }
    }

    /// Bytes of all outputs together.
    pub fn output_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }
}

/// One output file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutputFile {
    /// The plain file name.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the bytes.
    pub sha256: Sha256Hex,
    /// Where the bytes are in the pipeline's blobs.
    pub blob: BlobKey,
}
