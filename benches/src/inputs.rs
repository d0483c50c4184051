//! What the contenders work on: the same bytes on each run.

use crate::Result;
use slate_core::{
    LogId, SessionId, Timestamp,
    model::{LogEntry, LogLevel, LogSource},
};
use std::path::PathBuf;

/// Numbers that look like chance and aren't (SplitMix64).
#[derive(Clone, Debug)]
pub struct Numbers(u64);

impl Numbers {
    /// The row that begins with this seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number between 0 and 1.
    pub fn share(&mut self) -> f64 {
        (self.next_bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn next_bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// A fixed time.
pub const NOW: Timestamp = Timestamp::from_millis(1_760_000_000_000);

/// An id that sorts as UUIDv7 do: by milliseconds, then by number.
pub const fn id_bits(number: usize) -> u128 {
    let milliseconds = 1_760_000_000_000 + number as u128 / 16;
    (milliseconds << 80) | (0x7 << 76) | (0b10 << 62) | number as u128
}

/// Log lines of four sessions, 290 bytes a row: two ids, level, time, message, metadata.
pub fn log_lines(count: usize) -> Vec<LogEntry> {
    let line = |number: usize| {
        let source = LogSource::Session(SessionId::from_u128(id_bits(number % 4)));
        let mut message = format!("[{number:08}] physics: body 'crate_{:04}' settled after ", number % 4096);
        while message.len() < 200 {
            message.push_str("0.016 s at (12.5, 0.0, -3.25), ");
        }
        message.truncate(200);
        let mut entry = LogEntry::new(source, LogLevel::Info, message, NOW);
        entry.id = LogId::from_u128(id_bits(number));
        entry.metadata = serde_json::json!({ "scene": "harbour", "frame": 100_000 + number % 900_000 });
        entry
    };
    (0..count).map(line).collect()
}

/// The art of the example project Lantern.
///
/// # Errors
/// Where the example isn't beside this package.
pub fn lantern(folder: &str) -> Result<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples/projects/lantern/assets").join(folder);
    Ok(path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))?)
}
