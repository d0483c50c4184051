use super::{encode, name, segments};
use crate::LogLimits;
use slate_core::{
    Result, Timestamp,
    runtime::{LineCutter, LogStream},
};
use std::{
    collections::VecDeque,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Writes output into segments. What the disk doesn't take is counted, not waited for: a program never blocks on its log.
pub(crate) struct LogWriter {
    folder: PathBuf,
    limits: LogLimits,
    cutters: [LineCutter; 2],
    /// The segment being written, and its length up to the last whole record.
    open: Option<(File, u64)>,
    kept: VecDeque<u64>,
    last_seq: u64,
    last_at: i64,
    records: Vec<u8>,
}

impl LogWriter {
    /// Goes on after the last record in `folder`, in a new segment.
    pub(crate) fn open(folder: &Path, limits: LogLimits) -> Result<Self> {
        let mut reader = super::LogReader::new(folder, segments(folder).last().map_or(0, |first| first - 1));
        let mut last_seq = 0;
        loop {
            let batch = reader.read()?;
            let Some(last) = batch.last() else { break };
            last_seq = last.cursor.0;
        }
        // An empty or torn last segment still holds its first number.
        last_seq = last_seq.max(segments(folder).last().map_or(0, |first| first - 1));
        let (kept, cutters) = (segments(folder).into(), Default::default());
        Ok(Self {
            folder: folder.to_owned(),
            limits,
            cutters,
            open: None,
            kept,
            last_seq,
            last_at: 0,
            records: Vec::new(),
        })
    }

    /// Takes the next bytes of a stream.
    pub(crate) fn push(&mut self, stream: LogStream, bytes: &[u8]) {
        let at = Timestamp::now().as_micros().max(self.last_at);
        self.last_at = at;
        let (records, seq) = (&mut self.records, &mut self.last_seq);
        self.cutters[stream as usize].push(bytes, |line, partial| {
            *seq += 1;
            encode(records, *seq, at, stream, line, partial);
        });
        self.write();
    }

    /// A stream has ended.
    pub(crate) fn finish(&mut self, stream: LogStream) {
        let at = Timestamp::now().as_micros().max(self.last_at);
        let (records, seq) = (&mut self.records, &mut self.last_seq);
        self.cutters[stream as usize].finish(|line, partial| {
            *seq += 1;
            encode(records, *seq, at, stream, line, partial);
        });
        self.write();
    }

    fn write(&mut self) {
        if self.records.is_empty() {
            return;
        }
        // A record that can't be written leaves a gap in the numbers, by which readers learn of it.
        if self.try_write().is_err()
            && let Some((file, good)) = &self.open
            && file.set_len(*good).is_err()
        {
            self.open = None;
        }
        self.records.clear();
        self.records.shrink_to(1 << 20);
    }

    fn try_write(&mut self) -> io::Result<()> {
        if self.open.as_ref().is_none_or(|(_, length)| *length >= self.limits.segment_bytes) {
            self.open = None;
            self.roll()?;
        }
        if let Some((file, length)) = &mut self.open {
            file.write_all(&self.records)?;
            *length += self.records.len() as u64;
        }
        Ok(())
    }

    /// Begins a segment, and drops the oldest ones beyond the limit.
    fn roll(&mut self) -> io::Result<()> {
        let first = super::decode_seq(&self.records).unwrap_or(self.last_seq);
        let path = self.folder.join(name(first));
        // A torn segment may have this name: what is in it was never read as a whole record.
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
        file.set_len(0)?;
        self.open = Some((file, 0));
        if self.kept.back() != Some(&first) {
            self.kept.push_back(first);
        }
        let most = (self.limits.total_bytes / self.limits.segment_bytes.max(1)).max(2) as usize;
        while self.kept.len() > most
            && let Some(old) = self.kept.pop_front()
        {
            match fs::remove_file(self.folder.join(name(old))) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}
