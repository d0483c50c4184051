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
use tokio::{
    sync::Notify,
    task::JoinHandle,
    time::{Instant, timeout_at},
};

/// How much of its log a writer that is held back may still fill in a second, in bytes; an eighth of it at most. What a program
/// leaves in its pipe when it ends, some 100 KiB, the engine throws away unless it is taken within two seconds, and nothing
/// tells before then that the program has ended: so no writer is ever brought to a stand.
const TRICKLE: u64 = 512 * 1024;
/// So much of what it might have been given is made up for where this task came late.
const LATE: Duration = Duration::from_secs(1);
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

/// What a writer that is held back waits for: that the log is read on, or that whoever listens turns out to hang.
#[derive(Default)]
pub(crate) struct Pace {
    hangs: AtomicBool,
    changed: Notify,
}

impl Pace {
    /// The reader got on.
    pub(crate) fn moved(&self) {
        self.changed.notify_one();
    }

    /// Whether the listener hangs: nobody is held back for one that does, as it must not stop a game.
    pub(crate) fn set_hangs(&self, hangs: bool) {
        self.hangs.store(hangs, Ordering::Release);
        self.changed.notify_one();
    }
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
    /// Counts what `attached` yields. A writer is held back, to [`TRICKLE`], whose output takes more than an eighth of the
    /// log's `capacity` in bytes beyond what was read, unless the listener hangs.
    pub(crate) fn hang(mut attached: AttachContainerResults, capacity: u64, pace: Arc<Pace>) -> Self {
        let counts = Arc::new(Counts::default());
        let told = Arc::clone(&counts);
        let task = tokio::spawn(async move {
            let is_ahead = || told.unread() > capacity / 8 && !pace.hangs.load(Ordering::Acquire);
            let rate = TRICKLE.min(capacity / 8).max(1);
            let mut next = Instant::now();
            while let Some(Ok(output)) = attached.output.next().await {
                let room = told.count(&output).room();
                let now = Instant::now();
                if !is_ahead() {
                    next = now;
                    continue;
                }
                // What isn't taken from here fills the engine's buffers, and then the program waits in its own write.
                next =
                    next.max(now.checked_sub(LATE).unwrap_or(now)) + Duration::from_secs_f64(room as f64 / rate as f64);
                let held = async {
                    while is_ahead() {
                        pace.changed.notified().await;
                    }
                };
                // Passed in vain: the next piece is taken all the same.
                let _in_time: Result<_, _> = timeout_at(next, held).await;
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

    /// Room in the log that isn't known to have been read.
    fn unread(&self) -> u64 {
        self.now().room().saturating_sub(self.read.load(Ordering::Acquire))
    }

    /// Counts a piece of output in, and gives its own count.
    fn count(&self, output: &LogOutput) -> Count {
        let bytes = output.as_ref();
        let count =
            Count { bytes: bytes.len() as u64, lines: bytes.iter().filter(|byte| **byte == b'\n').count() as u64 };
        self.lines.fetch_add(count.lines, Ordering::Release);
        self.bytes.fetch_add(count.bytes, Ordering::Release);
        self.rings.notify_one();
        count
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        self.task.abort();
    }
}
