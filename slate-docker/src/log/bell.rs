//! An attachment to a container's output that rings when there is some, and keeps the writer from running away.
//!
//! The engine's own `logs --follow` silently leaves lines out when its file is rotated under a fast writer. An attachment
//! leaves out nothing, but knows no times, and so no cursors. So it is only counted here, and what it announces is read from
//! the log, which is whole at each reading.

use bollard::container::{AttachContainerResults, LogOutput};
use futures_util::StreamExt;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{sync::Notify, task::JoinHandle};

/// How long a writer is held back while the reader doesn't move, once: a reader that hangs must not stop a game.
const PATIENCE: Duration = Duration::from_secs(2);
/// What the engine writes around a line of its log.
const AROUND: u64 = 80;

/// Rings for new output. Dropping it ends the attachment.
pub(crate) struct Bell {
    counts: Arc<Counts>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Counts {
    bytes: AtomicU64,
    lines: AtomicU64,
    /// Room in the log whose lines are known to have been read.
    read: AtomicU64,
    ended: AtomicBool,
    rings: Notify,
}

/// How much output there has been.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) bytes: u64,
    pub(crate) lines: u64,
}

impl Count {
    /// The most entries that the log can have got since `before`: a line is one, and so are 16 KiB of a long one.
    pub(crate) fn entries_since(self, before: Self) -> u64 {
        (self.lines - before.lines) + (self.bytes - before.bytes) / (16 * 1024)
    }

    /// The room that it takes in the log, in bytes.
    pub(super) fn room(self) -> u64 {
        self.bytes + self.lines * AROUND
    }
}

impl Bell {
    /// Counts what `attached` yields. A writer is held back whose output takes more than `ahead` bytes in the log beyond
    /// what was read, while `progress` says that the reader moves.
    pub(crate) fn hang(mut attached: AttachContainerResults, ahead: u64, progress: Arc<Notify>) -> Self {
        let counts = Arc::new(Counts::default());
        let told = Arc::clone(&counts);
        let task = tokio::spawn(async move {
            let mut given_up = None;
            while let Some(Ok(output)) = attached.output.next().await {
                told.count(&output);
                loop {
                    let read = told.read.load(Ordering::Acquire);
                    if told.now().room().saturating_sub(read) <= ahead || given_up == Some(read) {
                        break;
                    }
                    // What isn't read from here fills the engine's buffers, and then the program waits in its own write.
                    if tokio::time::timeout(PATIENCE, progress.notified()).await.is_err() {
                        given_up = Some(read);
                    }
                }
            }
            told.ended.store(true, Ordering::Release);
            told.rings.notify_one();
        });
        Self { counts, task }
    }

    /// How much output there has been so far.
    pub(crate) fn count(&self) -> Count {
        self.counts.now()
    }

    /// The output up to `count` was read.
    pub(crate) fn read(&self, count: Count) {
        self.counts.read.store(count.room(), Ordering::Release);
    }

    /// Returns at the next output or at the end; `false` once it has ended.
    pub(crate) async fn rung(&self) -> bool {
        self.counts.rings.notified().await;
        !self.counts.ended.load(Ordering::Acquire)
    }
}

impl Counts {
    fn now(&self) -> Count {
        Count { bytes: self.bytes.load(Ordering::Acquire), lines: self.lines.load(Ordering::Acquire) }
    }

    fn count(&self, output: &LogOutput) {
        let bytes = output.as_ref();
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.lines.fetch_add(lines, Ordering::Release);
        self.bytes.fetch_add(bytes.len() as u64, Ordering::Release);
        self.rings.notify_one();
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        self.task.abort();
    }
}
