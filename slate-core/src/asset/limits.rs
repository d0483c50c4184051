/// What an asset may cost. Each is checked before memory is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AssetLimits {
    /// Bytes of one input file; default 1 GiB.
    pub input_bytes: u64,
    /// Bytes that one job may hold decoded at a time; default 2 GiB.
    pub decoded_bytes: u64,
    /// Bytes of all outputs of one job together; default 4 GiB.
    pub output_bytes: u64,
    /// Pixels of one image; default 268 435 456 (16384 × 16384).
    pub pixels: u64,
    /// Vertices of one model; default 50 million.
    pub vertices: u64,
    /// Indices of one model; default 300 million.
    pub indices: u64,
    /// Nodes of one scene; default 1 million.
    pub nodes: u64,
    /// Seconds of one sound; default 4 hours.
    pub audio_seconds: u64,
}

impl Default for AssetLimits {
    fn default() -> Self {
        Self {
            input_bytes: 1 << 30,
            decoded_bytes: 2 << 30,
            output_bytes: 4 << 30,
            pixels: 16_384 * 16_384,
            vertices: 50_000_000,
            indices: 300_000_000,
            nodes: 1_000_000,
            audio_seconds: 4 * 3600,
        }
    }
}

impl AssetLimits {
    /// Refuses `value` over `limit`, naming the limit.
    ///
    /// # Errors
    /// `LimitExceeded` with the limit's name, its value and what was asked.
    pub fn check(name: &'static str, value: u64, limit: u64) -> crate::Result<()> {
        if value <= limit {
            return Ok(());
        }
        Err(crate::Error::limit_exceeded(format!("{name} is over its limit")).with("value", value).with("limit", limit))
    }
}
