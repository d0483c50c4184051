//! One instance: what is known of it, and its output.

use crate::process::Order;
use futures_util::{Stream, StreamExt, stream};
use slate_core::{
    InstanceId, Timestamp,
    runtime::{ExitStatus, Instance, InstanceState, LogChunk, LogCursor, LogOptions, LogStream, RuntimeSpec},
};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::{mpsc, watch};

/// Bytes of output that are kept of each instance; older lines are dropped and counted.
const LOG_BYTES: usize = 4 << 20;

pub(crate) struct Entry {
    pub(crate) id: InstanceId,
    pub(crate) spec: RuntimeSpec,
    created_at: Timestamp,
    life: Mutex<Life>,
    /// Told whenever `life` has changed.
    changed: watch::Sender<()>,
}

#[derive(Default)]
pub(crate) struct Life {
    /// Where orders for the process go, while it runs.
    pub(crate) orders: Option<mpsc::UnboundedSender<Order>>,
    pub(crate) process_id: Option<u32>,
    pub(crate) exit: Option<ExitStatus>,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) finished_at: Option<Timestamp>,
    pub(crate) removed: bool,
    log: VecDeque<LogChunk>,
    log_bytes: usize,
    last_cursor: u64,
}

impl Entry {
    pub(crate) fn new(id: InstanceId, spec: RuntimeSpec) -> Self {
        Self { id, spec, created_at: Timestamp::now(), life: Mutex::default(), changed: watch::channel(()).0 }
    }

    pub(crate) fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the life and tells whoever waits.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Life) -> T) -> T {
        let result = change(&mut self.life());
        self.changed.send_replace(());
        result
    }

    /// Gives an order to the process, if one runs.
    pub(crate) fn order(&self, order: Order) {
        if let Some(orders) = &self.life().orders {
            // A process that has ended in between needs no order.
            let _: Result<_, _> = orders.send(order);
        }
    }

    /// Returns when no process runs.
    pub(crate) async fn ended(&self) {
        let mut changes = self.changed.subscribe();
        while self.life().orders.is_some() && changes.changed().await.is_ok() {}
    }

    pub(crate) fn instance(&self) -> Instance {
        let life = self.life();
        let mut instance = Instance::created(self.id.clone(), &self.spec.name, self.created_at);
        instance.labels.clone_from(&self.spec.labels);
        instance.state = match (&life.orders, life.started_at) {
            (Some(_), _) => InstanceState::Running,
            (None, Some(_)) => InstanceState::Exited,
            (None, None) => InstanceState::Created,
        };
        instance.process_id = life.process_id;
        instance.exit = life.exit;
        instance.started_at = life.started_at;
        instance.finished_at = life.finished_at;
        instance
    }

    /// Keeps a line of output.
    pub(crate) fn log(&self, stream: LogStream, line: &[u8], partial: bool) {
        self.change(|life| {
            life.last_cursor += 1;
            let mut chunk = LogChunk::line(LogCursor(life.last_cursor), Timestamp::now(), stream, line.to_vec());
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

    pub(crate) fn logs(self: Arc<Self>, options: &LogOptions) -> impl Stream<Item = LogChunk> + Send + use<> {
        let (cursor, changes) = (self.life().begin(options), self.changed.subscribe());
        let (since, follow) = (options.since, options.follow);
        let batches = stream::unfold((self, cursor, changes), move |(entry, cursor, mut changes)| async move {
            loop {
                changes.mark_unchanged();
                let (chunks, over) = {
                    let life = entry.life();
                    let ended = life.orders.is_none() && life.started_at.is_some();
                    (life.after(cursor), !follow || ended || life.removed)
                };
                if let Some(last) = chunks.last() {
                    let cursor = last.cursor.0;
                    return Some((stream::iter(chunks), (entry, cursor, changes)));
                }
                if over || changes.changed().await.is_err() {
                    return None;
                }
            }
        });
        batches.flatten().filter(move |chunk| std::future::ready(since.is_none_or(|since| chunk.at >= since)))
    }
}

impl Life {
    /// The cursor after which the options begin.
    fn begin(&self, options: &LogOptions) -> u64 {
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
    fn after(&self, cursor: u64) -> Vec<LogChunk> {
        let from = self.log.partition_point(|chunk| chunk.cursor.0 <= cursor);
        let mut chunks: Vec<_> = self.log.range(from..).take(256).cloned().collect();
        if let Some(first) = chunks.first_mut() {
            first.lost_before = first.cursor.0 - cursor - 1;
        }
        chunks
    }
}
