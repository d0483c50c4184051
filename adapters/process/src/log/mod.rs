//! An instance's output on disk: segments of records, each named by its first record's number.
//!
//! A record is `0xA5 · flags · length u32 · number u64 · time i64 · bytes`, little endian; flag 1 is standard error, flag 2
//! a line that goes on. Numbers grow by one; a gap says how many records are gone. A torn record ends its segment.

mod reader;
mod writer;

pub(crate) use reader::{LogReader, start_of_tail};
pub(crate) use writer::LogWriter;

use bytes::Bytes;
use slate_core::{
    Timestamp,
    runtime::{LogChunk, LogCursor, LogStream},
};
use std::path::Path;

const MAGIC: u8 = 0xA5;
const HEADER: usize = 22;

/// Appends a record to `out`.
fn encode(out: &mut Vec<u8>, seq: u64, at: i64, stream: LogStream, line: &[u8], partial: bool) {
    out.push(MAGIC);
    out.push(u8::from(stream == LogStream::Stderr) | (u8::from(partial) << 1));
    out.extend((line.len() as u32).to_le_bytes());
    out.extend(seq.to_le_bytes());
    out.extend(at.to_le_bytes());
    out.extend(line);
}

/// What is at the begin of some bytes.
enum Decoded {
    Chunk(LogChunk, usize),
    Incomplete,
    Damaged,
}

fn decode(bytes: &[u8]) -> Decoded {
    let Some(header) = bytes.first_chunk::<HEADER>() else { return Decoded::Incomplete };
    let field = |from: usize| header[from..].first_chunk::<8>().map_or(0, |field| u64::from_le_bytes(*field));
    let length = header[2..].first_chunk::<4>().map_or(0, |field| u32::from_le_bytes(*field)) as usize;
    if header[0] != MAGIC || length > LogChunk::MAX_LINE || header[1] > 3 {
        return Decoded::Damaged;
    }
    let Some(line) = bytes.get(HEADER..HEADER + length) else { return Decoded::Incomplete };
    let stream = if header[1] & 1 == 1 { LogStream::Stderr } else { LogStream::Stdout };
    let at = Timestamp::from_micros(field(14).cast_signed());
    let mut chunk = LogChunk::line(LogCursor(field(6)), at, stream, Bytes::copy_from_slice(line));
    chunk.partial = header[1] & 2 == 2;
    Decoded::Chunk(chunk, HEADER + length)
}

/// The number of the record at the begin of some bytes.
fn decode_seq(bytes: &[u8]) -> Option<u64> {
    bytes.get(6..)?.first_chunk::<8>().map(|field| u64::from_le_bytes(*field))
}

/// The first numbers of all segments, ascending.
fn segments(folder: &Path) -> Vec<u64> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut firsts: Vec<u64> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    firsts.sort_unstable();
    firsts
}

fn name(first: u64) -> String {
    format!("{first:020}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LogLimits;

    fn texts(folder: &Path, after: u64) -> Vec<LogChunk> {
        let mut reader = LogReader::new(folder, after);
        let mut all = Vec::new();
        loop {
            let batch = reader.read().unwrap();
            if batch.is_empty() {
                return all;
            }
            all.extend(batch);
        }
    }

    #[test]
    fn old_segments_go_and_the_gap_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let limits = LogLimits::new(256 << 10, 512 << 10);
        let mut writer = LogWriter::open(folder.path(), limits).unwrap();
        let line = [b'x'; 999];
        for n in 0..3000u32 {
            writer.push(LogStream::Stdout, &line);
            writer.push(LogStream::Stdout, format!("{n}\n").as_bytes());
        }
        let chunks = texts(folder.path(), 0);
        let size: u64 = segments(folder.path())
            .iter()
            .map(|first| std::fs::metadata(folder.path().join(name(*first))).unwrap().len())
            .sum();
        assert!(size <= limits.total_bytes + limits.segment_bytes, "{size} bytes are kept");
        assert_eq!(chunks[0].lost_before + chunks.len() as u64, 3000);
        assert!(chunks[0].lost_before > 0 && chunks[1..].iter().all(|chunk| chunk.lost_before == 0));
        assert_eq!(chunks.last().unwrap().cursor, LogCursor(3000));
        assert_eq!(start_of_tail(folder.path(), 10).unwrap(), 2990);
    }

    #[test]
    fn a_torn_record_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = LogWriter::open(folder.path(), LogLimits::default()).unwrap();
        writer.push(LogStream::Stdout, b"one\ntwo\n");
        drop(writer);
        let segment = folder.path().join(name(1));
        let length = std::fs::metadata(&segment).unwrap().len();
        std::fs::OpenOptions::new().write(true).open(&segment).unwrap().set_len(length - 1).unwrap();
        let mut writer = LogWriter::open(folder.path(), LogLimits::default()).unwrap();
        writer.push(LogStream::Stderr, b"three\n");
        let chunks = texts(folder.path(), 0);
        let seen: Vec<_> = chunks.iter().map(|chunk| (chunk.text().into_owned(), chunk.lost_before)).collect();
        assert_eq!(seen, [("one".to_owned(), 0), ("three".to_owned(), 0)]);
    }
}
