use super::{Decoded, decode, name, segments};
use slate_core::{
    Error, Result,
    runtime::{LogChunk, LogCursor},
};
use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// Reads segments in order, also while they are written and deleted.
pub(crate) struct LogReader {
    folder: PathBuf,
    /// The number of the next record.
    next: u64,
    open: Option<(u64, File, u64)>,
    buffer: Vec<u8>,
}

/// Bytes read at a time: room for a few of the longest records.
const BATCH: usize = 256 * 1024;

impl LogReader {
    /// Begins after the record of this number.
    pub(crate) fn new(folder: &Path, after: u64) -> Self {
        Self { folder: folder.to_owned(), next: after + 1, open: None, buffer: Vec::new() }
    }

    /// The next records, at most about 256 KiB of them; none where nothing more is written yet.
    pub(crate) fn read(&mut self) -> Result<Vec<LogChunk>> {
        self.try_read().map_err(|error| Error::io("read the log", error))
    }

    fn try_read(&mut self) -> io::Result<Vec<LogChunk>> {
        loop {
            if self.open.is_none() && !self.open_next(0)? {
                return Ok(Vec::new());
            }
            let Some((first, ..)) = self.open else { return Ok(Vec::new()) };
            let later = segments(&self.folder).iter().any(|&other| other > first);
            // Asked before reading: what is read after a later segment was seen is all that this one will have.
            let (chunks, moved) = self.read_open()?;
            if !chunks.is_empty() {
                return Ok(chunks);
            }
            let goes_on = moved || (later && self.open_next(first)?);
            if !goes_on {
                return Ok(Vec::new());
            }
        }
    }

    /// Opens the segment that holds the next record, or the first one after it; one beyond `after` only.
    fn open_next(&mut self, after: u64) -> io::Result<bool> {
        loop {
            let firsts: Vec<_> = segments(&self.folder).into_iter().filter(|&first| first > after).collect();
            let holds = firsts.iter().rev().find(|&&first| first <= self.next).or(firsts.first());
            let Some(&first) = holds else { return Ok(false) };
            match File::open(self.folder.join(name(first))) {
                Ok(file) => {
                    self.open = Some((first, file, 0));
                    return Ok(true);
                }
                // Rotated away in between.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads on in the open segment; also says whether anything at all was read, skipped records included.
    fn read_open(&mut self) -> io::Result<(Vec<LogChunk>, bool)> {
        let Some((_, file, offset)) = &mut self.open else { return Ok((Vec::new(), false)) };
        self.buffer.resize(BATCH, 0);
        let length = file.read_at(&mut self.buffer, *offset)?;
        let (mut bytes, mut chunks, mut used) = (&self.buffer[..length], Vec::new(), 0);
        while let Decoded::Chunk(mut chunk, size) = decode(bytes) {
            (bytes, used) = (&bytes[size..], used + size);
            let LogCursor(seq) = chunk.cursor;
            if seq >= self.next {
                chunk.lost_before = seq - self.next;
                self.next = seq + 1;
                chunks.push(chunk);
            }
        }
        *offset += used as u64;
        Ok((chunks, used > 0))
    }
}

/// The number after which the last `lines` lines begin.
pub(crate) fn start_of_tail(folder: &Path, lines: u64) -> Result<u64> {
    let mut missing = lines;
    let firsts = segments(folder);
    for (at, &first) in firsts.iter().enumerate().rev() {
        let end = firsts.get(at + 1).copied().unwrap_or(u64::MAX);
        let mut reader = LogReader::new(folder, first - 1);
        let (mut ends, mut open) = (Vec::new(), true);
        while open {
            let batch = reader.read()?;
            open = !batch.is_empty();
            for chunk in batch {
                open &= chunk.cursor.0 < end;
                if chunk.cursor.0 < end && !chunk.partial {
                    ends.push(chunk.cursor.0);
                }
            }
        }
        // The line before the first one wanted, where it is in this segment.
        if let Some(before) = (ends.len() as u64).checked_sub(missing + 1) {
            return Ok(ends[before as usize]);
        }
        missing -= ends.len() as u64;
    }
    Ok(firsts.first().map_or(0, |first| first - 1))
}
