use super::program::Process;
use crate::{
    InstanceId, Timestamp,
    runtime::{ExitStatus, Instance, InstanceState, LogChunk, LogCursor, LogOptions, LogStream, RuntimeSpec},
};
use bytes::Bytes;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};
use tokio::sync::watch;

/// Bytes of output that are kept of each instance; older lines are dropped and counted.
pub(super) const LOG_BYTES: usize = 16 << 20;

/// One instance.
pub(super) struct Entry {
    pub(super) id: InstanceId,
    pub(super) spec: RuntimeSpec,
    created_at: Timestamp,
    life: Mutex<Life>,
    /// Told whenever `life` has changed.
    changed: watch::Sender<u64>,
}

#[derive(Default)]
pub(super) struct Life {
    pub(super) running: Option<Arc<Process>>,
    pub(super) commands: Vec<Weak<Process>>,
    pub(super) exit: Option<ExitStatus>,
    pub(super) started_at: Option<Timestamp>,
    pub(super) finished_at: Option<Timestamp>,
    pub(super) removed: bool,
    /// Whether it runs nothing of its own until it is bound.
    pub(super) warm: bool,
    /// The key of the work that a warm instance has.
    pub(super) bound: Option<String>,
    log: VecDeque<LogChunk>,
    log_bytes: usize,
    last_cursor: u64,
}

impl Entry {
    pub(super) fn new(id: InstanceId, spec: RuntimeSpec) -> Self {
        let (changed, _) = watch::channel(0);
        Self { id, spec, created_at: Timestamp::now(), life: Mutex::default(), changed }
    }

    pub(super) fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the life and tells whoever waits.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Life) -> T) -> T {
        let result = change(&mut self.life());
        self.changed.send_modify(|version| *version += 1);
        result
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    pub(super) fn instance(&self) -> Instance {
        let life = self.life();
        let mut instance = Instance::created(self.id.clone(), &self.spec.name, self.created_at);
        instance.labels.clone_from(&self.spec.labels);
        instance.state = match (&life.running, life.started_at) {
            (Some(_), _) => InstanceState::Running,
            (None, Some(_)) => InstanceState::Exited,
            (None, None) => InstanceState::Created,
        };
        instance.exit = life.exit;
        instance.started_at = life.started_at;
        instance.finished_at = life.finished_at;
        instance
    }

    /// Keeps a line of output.
    pub(super) fn log(&self, stream: LogStream, line: &[u8], partial: bool) {
        self.change(|life| {
            life.last_cursor += 1;
            let cursor = LogCursor(life.last_cursor);
            let mut chunk = LogChunk::line(cursor, Timestamp::now(), stream, Bytes::copy_from_slice(line));
            chunk.partial = partial;
            life.log_bytes += line.len();
            life.log.push_back(chunk);
            while life.log_bytes > LOG_BYTES
                && let Some(old) = life.log.pop_front()
            {
                life.log_bytes -= old.line.len();
            }
        });
    }
}

impl Life {
    /// Whether it runs a placeholder, and can be bound.
    pub(super) fn waits(&self) -> bool {
        self.warm && self.bound.is_none()
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.log_bytes
    }

    /// The cursor after which the options start.
    pub(super) fn start(&self, options: &LogOptions) -> u64 {
        match (options.after, options.tail) {
            (Some(LogCursor(after)), _) => after,
            (None, None) => 0,
            (None, Some(tail)) => {
                let ends = self.log.iter().rev().filter(|chunk| !chunk.partial);
                let before = usize::try_from(tail).ok().and_then(|tail| ends.map(|chunk| chunk.cursor.0).nth(tail));
                before.unwrap_or_else(|| self.log.front().map_or(0, |first| first.cursor.0 - 1))
            }
        }
    }

    /// Up to 256 chunks after this cursor; the first says how many before it are gone.
    pub(super) fn after(&self, cursor: u64) -> Vec<LogChunk> {
        let from = self.log.partition_point(|chunk| chunk.cursor.0 <= cursor);
        let mut chunks: Vec<_> = self.log.range(from..).take(256).cloned().collect();
        if let Some(first) = chunks.first_mut() {
            first.lost_before = first.cursor.0 - cursor - 1;
        }
        chunks
    }
}
