use super::task::Handle;
use crate::{
    AssetJobId, BuildId, Cancel, Clock, Error, LogId, ProjectId, Result, SessionId,
    bus::{
        AssetTopic, BuildTopic, EventBus, EventBusExt, Message, RuntimeTopic, SubscribeOptions, Subscription, Topic,
        event::RuntimeEventKind, filters, headers,
    },
    model::{Json, LogEntry, LogLevel, LogSource},
    store::LogStore,
};
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use std::{collections::VecDeque, fmt, sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::Instant,
};

const NAME: &str = "logs";
/// Tries to store the last lines when the service ends and the store can't be reached: about ten seconds.
const LAST_TRIES: u32 = 8;
/// Most bytes of lines that are brought, and stored, at once; a line alone may be more.
const PIECE: usize = 4 << 20;

/// How the aggregator works.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LogOptions {
    /// Longest time that a line waits to be stored; default 5 s.
    pub flush_every: Duration,
    /// Shortest time between two early flushes, so that a storm of errors is still stored in batches; default 50 ms.
    pub early_flush_every: Duration,
    /// Lines that are stored at once; default 1000.
    pub batch: usize,
    /// Lines that may wait; whoever brings more waits too. Default 20 000.
    pub capacity: usize,
    /// Bytes of lines that may wait; whoever brings more waits too. Default 64 MiB.
    pub capacity_bytes: usize,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            flush_every: Duration::from_secs(5),
            early_flush_every: Duration::from_millis(50),
            batch: 1000,
            capacity: 20_000,
            capacity_bytes: 64 << 20,
        }
    }
}

/// Collects log lines of every source and stores them in batches: each 5 s, at once with an error or warning among them.
///
/// Lines come by its [`LogSink`], and over the bus on `slate.runtime.log.*`, `slate.build.*.log` and `slate.asset.*.log`. A
/// line that came as a request is answered once it is stored. What isn't stored yet when the service ends is stored then.
#[derive(Debug)]
pub struct LogAggregator;

impl LogAggregator {
    /// Starts it.
    ///
    /// # Errors
    /// Those of [`EventBus::subscribe`].
    pub async fn start(
        store: Arc<dyn LogStore>,
        bus: Arc<dyn EventBus>,
        clock: Arc<dyn Clock>,
        options: LogOptions,
    ) -> Result<(LogSink, Handle)> {
        let group = SubscribeOptions::default().with_queue("slate-logs");
        let mut subscriptions = Vec::new();
        for filter in [filters::runtime_logs(), filters::build_logs(), filters::asset_logs()] {
            subscriptions.push(bus.subscribe(&filter, group.clone()).await?);
        }
        Ok(Self::run(store, bus, clock, options, subscriptions))
    }

    /// Starts one that stores the lines of its own process only: beside services that run without the aggregator. Lines that
    /// come over the bus are the aggregator's.
    pub fn start_local(
        store: Arc<dyn LogStore>,
        bus: Arc<dyn EventBus>,
        clock: Arc<dyn Clock>,
        options: LogOptions,
    ) -> (LogSink, Handle) {
        Self::run(store, bus, clock, options, Vec::new())
    }

    fn run(
        store: Arc<dyn LogStore>,
        bus: Arc<dyn EventBus>,
        clock: Arc<dyn Clock>,
        options: LogOptions,
        subscriptions: Vec<Subscription>,
    ) -> (LogSink, Handle) {
        let (sender, receiver) = mpsc::channel(options.capacity.div_ceil(64).max(1));
        let room = Arc::new(Semaphore::new(options.capacity_bytes.clamp(PIECE, Semaphore::MAX_PERMITS)));
        let sink = LogSink { sender, room, bus: Arc::clone(&bus), project: None };
        let cancel = Cancel::new();
        let listener = Listener { bus, sink: sink.clone(), clock };
        let writer = Writer { store, options, waiting: VecDeque::new(), room: None, acknowledge: Vec::new() };
        let handle = Handle::spawn(NAME, cancel.clone(), async move {
            let listening = tokio::spawn({
                let cancel = cancel.clone();
                async move {
                    let mut messages = stream::select_all(subscriptions);
                    loop {
                        tokio::select! {
                            message = messages.next() => match message {
                                Some(message) => listener.take(message).await,
                                None => return,
                            },
                            () = cancel.canceled() => return,
                        }
                    }
                }
            });
            writer.run(receiver, &cancel).await;
            let _ = listening.await;
        });
        (sink, handle)
    }
}

/// Where other services bring their lines. Clones bring to the same aggregator.
#[derive(Clone)]
pub struct LogSink {
    sender: mpsc::Sender<Batch>,
    /// Bytes that may wait yet.
    room: Arc<Semaphore>,
    bus: Arc<dyn EventBus>,
    project: Option<ProjectId>,
}

struct Batch {
    entries: Vec<LogEntry>,
    /// The room that the entries take.
    room: Option<OwnedSemaphorePermit>,
    stored: Option<oneshot::Sender<Result<()>>>,
}

impl LogSink {
    /// The same, for lines of this project: live lines then name it, as seed 003 has it.
    #[must_use]
    pub fn for_project(&self, project: ProjectId) -> Self {
        Self { project: Some(project), ..self.clone() }
    }

    /// Brings lines, and shows them live on the bus; returns when the aggregator has taken them, not yet stored them.
    ///
    /// # Errors
    /// `Unavailable` once the aggregator has ended.
    pub async fn submit(&self, entries: Vec<LogEntry>) -> Result<()> {
        self.show(&entries).await;
        self.send(entries, None).await
    }

    /// Brings lines and returns when they are stored: a line for which this returned `Ok` is acknowledged, and not lost.
    ///
    /// # Errors
    /// Those of [`LogStore::append_logs`]; `Unavailable` once the aggregator has ended.
    pub async fn append(&self, entries: Vec<LogEntry>) -> Result<()> {
        self.show(&entries).await;
        let (stored, told) = oneshot::channel();
        self.send(entries, Some(stored)).await?;
        told.await.unwrap_or_else(|_| Err(ended()))
    }

    /// Returns when every line that this sink and its clones brought before is stored.
    ///
    /// # Errors
    /// As for [`append`](Self::append).
    pub async fn barrier(&self) -> Result<()> {
        self.append(Vec::new()).await
    }

    /// Sends lines in pieces, each when there is room for it.
    async fn send(&self, mut entries: Vec<LogEntry>, stored: Option<oneshot::Sender<Result<()>>>) -> Result<()> {
        while let Some(at) = end_of_piece(&entries) {
            let rest = entries.split_off(at);
            self.send_piece(std::mem::replace(&mut entries, rest), None).await?;
        }
        self.send_piece(entries, stored).await
    }

    async fn send_piece(&self, entries: Vec<LogEntry>, stored: Option<oneshot::Sender<Result<()>>>) -> Result<()> {
        let bytes = entries.iter().map(weight).sum::<usize>();
        let room = match bytes {
            0 => None,
            _ => {
                let wanted = u32::try_from(bytes.min(PIECE)).unwrap_or(u32::MAX);
                Some(Arc::clone(&self.room).acquire_many_owned(wanted).await.map_err(|_| ended())?)
            }
        };
        self.sender.send(Batch { entries, room, stored }).await.map_err(|_| ended())
    }

    /// Live lines are for whoever looks on: they may be lost, the stored ones are the record.
    async fn show(&self, entries: &[LogEntry]) {
        for entry in entries {
            if let Ok(message) = live_message(entry, self.project)
                && let Err(error) = self.bus.publish(message).await
            {
                tracing::debug!(%error, "a live log line was not shown");
                return;
            }
        }
    }
}

impl fmt::Debug for LogSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogSink")
    }
}

/// What a waiting line costs: its text, and about what holds it.
fn weight(entry: &LogEntry) -> usize {
    entry.message.len() + 256
}

/// Where a piece ends that is to be sent before the rest; `None` where all lines are one piece.
fn end_of_piece(entries: &[LogEntry]) -> Option<usize> {
    let mut bytes = 0;
    let at = entries.iter().position(|entry| {
        bytes += weight(entry);
        bytes > PIECE
    })?;
    // A line alone is always a piece.
    let at = at.max(1);
    (at < entries.len()).then_some(at)
}

fn ended() -> Error {
    Error::unavailable("the log aggregator has ended").at("service.logs", "append")
}

/// The line as it is shown on the bus, marked as taken care of.
fn live_message(entry: &LogEntry, project_id: Option<ProjectId>) -> Result<Message> {
    let (session_id, build_id, job_id, topic) = match entry.source {
        // The seeds' runtime envelope names the session.
        LogSource::Session(id) => (Some(id), None, None, Topic::Runtime(RuntimeTopic::Log(id))),
        LogSource::Build(id) => (None, Some(id), None, Topic::Build(BuildTopic::Log(id))),
        LogSource::AssetJob(id) => (None, None, Some(id), Topic::Asset(AssetTopic::Log(id))),
    };
    let (id, level, message, seq, metadata) = (entry.id, entry.level, &*entry.message, entry.seq, &entry.metadata);
    let data = LiveData { id, level, message, seq, metadata };
    let timestamp = entry.timestamp.as_millis();
    let kind = RuntimeEventKind::Log;
    let line = LiveLine { kind, timestamp, project_id, session_id, build_id, job_id, data };
    Ok(Message::json(topic.subject(), &line)?.with_header(headers::STORED, "1"))
}

/// Every line is written so, whether anybody looks on or not: straight from the entry, without a tree of values between.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LiveLine<'a> {
    #[serde(rename = "type")]
    kind: RuntimeEventKind,
    timestamp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    project_id: Option<ProjectId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<SessionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    build_id: Option<BuildId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    job_id: Option<AssetJobId>,
    data: LiveData<'a>,
}

#[derive(Serialize)]
struct LiveData<'a> {
    id: LogId,
    level: LogLevel,
    message: &'a str,
    seq: Option<u64>,
    metadata: &'a Json,
}

/// Takes lines that others published.
struct Listener {
    bus: Arc<dyn EventBus>,
    sink: LogSink,
    clock: Arc<dyn Clock>,
}

impl Listener {
    async fn take(&self, message: Message) {
        if message.headers.contains_key(headers::STORED) {
            return;
        }
        let entry = match self.read(&message) {
            Ok(entry) => entry,
            Err(error) => {
                metrics::counter!("slate_logs_refused_total").increment(1);
                tracing::warn!(%error, "a log message was malformed");
                return self.answer(&message, Err(error)).await;
            }
        };
        let (stored, told) = oneshot::channel();
        let acknowledged = message.reply.is_some();
        if let Err(error) = self.sink.send(vec![entry], acknowledged.then_some(stored)).await {
            return self.answer(&message, Err(error)).await;
        }
        if acknowledged {
            let (bus, sink, clock) = (Arc::clone(&self.bus), self.sink.clone(), Arc::clone(&self.clock));
            let listener = Self { bus, sink, clock };
            tokio::spawn(async move {
                let result = told.await.unwrap_or_else(|_| Err(ended()));
                listener.answer(&message, result).await;
            });
        }
    }

    async fn answer(&self, message: &Message, result: Result<()>) {
        let reply = match result {
            Ok(()) => serde_json::json!({ "success": true }),
            Err(error) => serde_json::json!({ "success": false, "error": error.to_string() }),
        };
        if let Err(error) = self.bus.answer(message, &reply).await {
            tracing::debug!(%error, "a log message could not be answered");
        }
    }

    fn read(&self, message: &Message) -> Result<LogEntry> {
        let source = match Topic::parse(&message.subject)? {
            Topic::Runtime(RuntimeTopic::Log(id)) => LogSource::Session(id),
            Topic::Build(BuildTopic::Log(id)) => LogSource::Build(id),
            Topic::Asset(AssetTopic::Log(id)) => LogSource::AssetJob(id),
            _ => return Err(Error::invalid("not a log subject").with("subject", &message.subject)),
        };
        let line = foreign_line(message)?;
        let timestamp = line.timestamp.map_or_else(|| self.clock.now(), crate::Timestamp::from_millis);
        let level = line.level.as_deref().and_then(LogLevel::parse_lenient).unwrap_or(LogLevel::Info);
        let mut entry = LogEntry::new(source, level, line.message, timestamp);
        if line.metadata.is_object() && entry.metadata.is_null() {
            entry.metadata = line.metadata;
        }
        Ok(entry)
    }
}

/// A line as others send it: in the seeds' event envelope under `data`, or plain.
fn foreign_line(message: &Message) -> Result<ForeignLine> {
    #[derive(Deserialize)]
    struct Envelope {
        timestamp: Option<i64>,
        data: ForeignLine,
    }
    match message.parse::<Envelope>() {
        Ok(Envelope { timestamp, data }) => Ok(ForeignLine { timestamp: data.timestamp.or(timestamp), ..data }),
        Err(_) => message.parse(),
    }
}

#[derive(Deserialize)]
struct ForeignLine {
    level: Option<String>,
    message: String,
    timestamp: Option<i64>,
    #[serde(default)]
    metadata: Json,
}

/// Stores what comes.
struct Writer {
    store: Arc<dyn LogStore>,
    options: LogOptions,
    waiting: VecDeque<LogEntry>,
    /// The room that they take.
    room: Option<OwnedSemaphorePermit>,
    /// Who is to be told, and after how many further lines of `waiting` from its front.
    acknowledge: Vec<(usize, oneshot::Sender<Result<()>>)>,
}

impl Writer {
    async fn run(mut self, mut batches: mpsc::Receiver<Batch>, cancel: &Cancel) {
        let mut due: Option<Instant> = None;
        let mut last = Instant::now().checked_sub(self.options.early_flush_every).unwrap_or_else(Instant::now);
        loop {
            let full = self.waiting.len() >= self.options.capacity;
            tokio::select! {
                biased;
                () = sleep_until(due) => {
                    self.flush(Some(cancel)).await;
                    last = Instant::now();
                    due = None;
                }
                batch = batches.recv(), if !full => match batch {
                    Some(batch) => {
                        let urgent = self.take(batch);
                        let now = Instant::now();
                        // A whole batch would gain nothing by waiting for more.
                        let wanted = match (self.waiting.len() >= self.options.batch, urgent) {
                            (true, _) => now,
                            (false, true) => last + self.options.early_flush_every,
                            (false, false) => now + self.options.flush_every,
                        };
                        due = Some(due.map_or(wanted, |due| due.min(wanted)));
                    }
                    None => break,
                },
                () = cancel.canceled() => break,
            }
        }
        // Whatever was sent before the end is stored; later senders are told that it has ended.
        batches.close();
        while let Some(batch) = batches.recv().await {
            self.take(batch);
        }
        self.flush(None).await;
    }

    /// Whether the lines are wanted in the store soon.
    fn take(&mut self, batch: Batch) -> bool {
        let urgent = batch.stored.is_some() || batch.entries.iter().any(|entry| entry.level >= LogLevel::Warning);
        self.waiting.extend(batch.entries);
        match (&mut self.room, batch.room) {
            (Some(room), Some(more)) => room.merge(more),
            (room @ None, more) => *room = more,
            (Some(_), None) => {}
        }
        match batch.stored {
            Some(stored) if self.waiting.is_empty() => drop(stored.send(Ok(()))),
            Some(stored) => self.acknowledge.push((self.waiting.len(), stored)),
            None => {}
        }
        let bytes = self.room.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        urgent || bytes >= self.options.capacity_bytes / 4
    }

    /// Stores all that waits. A store that can't be reached is waited for, as long as the service is to run: lines are kept,
    /// and senders wait. At the end, `running` is `None` and it is waited for [`LAST_TRIES`] times.
    async fn flush(&mut self, running: Option<&Cancel>) {
        let mut failures: u32 = 0;
        while !self.waiting.is_empty() {
            let count = self.waiting.len().min(self.options.batch.max(1));
            let count = self.waiting.make_contiguous().get(..count).and_then(end_of_piece).unwrap_or(count);
            let batch: Vec<_> = self.waiting.iter().take(count).cloned().collect();
            match self.store.append_logs(batch).await {
                Ok(_) => {
                    failures = 0;
                    self.done(count, &Ok(()));
                    metrics::counter!("slate_logs_stored_total").increment(count as u64);
                }
                Err(error) if error.retry() != crate::Retry::No && (running.is_some() || failures < LAST_TRIES) => {
                    failures += 1;
                    tracing::warn!(%error, failures, "log lines could not be stored yet");
                    let pause = tokio::time::sleep(Duration::from_millis(50 << failures.min(6)));
                    match running {
                        None => pause.await,
                        Some(cancel) => tokio::select! {
                            () = pause => {}
                            () = cancel.canceled() => return,
                        },
                    }
                }
                Err(error) => {
                    // The store refuses these lines whatever happens: told aloud, counted, and never silent.
                    tracing::error!(%error, lines = count, "log lines were refused and are lost");
                    metrics::counter!("slate_logs_lost_total").increment(count as u64);
                    self.done(count, &Err(error));
                }
            }
        }
    }

    fn done(&mut self, count: usize, result: &Result<()>) {
        let bytes = self.waiting.drain(..count).map(|entry| weight(&entry)).sum::<usize>();
        match &mut self.room {
            Some(room) if !self.waiting.is_empty() => drop(room.split(bytes.min(room.num_permits()))),
            room => *room = None,
        }
        let mut rest = Vec::new();
        for (after, stored) in self.acknowledge.drain(..) {
            if after <= count {
                let told = match result {
                    Ok(()) => Ok(()),
                    Err(error) => Err(Error::new(error.kind(), error.message().to_owned())),
                };
                let _ = stored.send(told);
            } else {
                rest.push((after - count, stored));
            }
        }
        self.acknowledge = rest;
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        SystemClock, Timestamp,
        memory::{MemoryBus, MemoryStore},
        store::LogQuery,
    };

    fn line(source: LogSource) -> LogEntry {
        let mut entry = LogEntry::new(source, LogLevel::Info, "ready", Timestamp::from_millis(7)).with_seq(3);
        entry.metadata = serde_json::json!({ "scene": "harbour" });
        entry
    }

    #[test]
    fn a_live_line_is_the_seeds_envelope() {
        let (session, build, job) = (SessionId::new(), BuildId::new(), AssetJobId::new());
        let cases = [
            (LogSource::Session(session), "sessionId", session.to_string()),
            (LogSource::Build(build), "buildId", build.to_string()),
            (LogSource::AssetJob(job), "jobId", job.to_string()),
        ];
        let project = ProjectId::new();
        for (source, key, id) in cases {
            let entry = line(source);
            let message = live_message(&entry, Some(project)).unwrap();
            let metadata = serde_json::json!({ "scene": "harbour" });
            let data = serde_json::json!({
                "id": entry.id, "level": "info", "message": "ready", "seq": 3, "metadata": metadata,
            });
            let expected = serde_json::json!({
                "type": RuntimeEventKind::Log, "timestamp": 7, "projectId": project, key: id, "data": data,
            });
            assert_eq!(message.parse::<Json>().unwrap(), expected);
            assert!(message.headers.contains_key(headers::STORED));
        }
    }

    #[tokio::test]
    async fn a_whole_batch_waits_for_nothing() {
        let store = Arc::new(MemoryStore::new());
        let never = Duration::from_secs(3600);
        let options = LogOptions { flush_every: never, early_flush_every: never, batch: 10, ..LogOptions::default() };
        let bus = Arc::new(MemoryBus::new());
        let (sink, service) = LogAggregator::start(store.clone(), bus, Arc::new(SystemClock), options).await.unwrap();
        let source = LogSource::Session(SessionId::new());
        let mut entries: Vec<_> = (0..30).map(|_| line(source)).collect();
        entries.iter_mut().enumerate().for_each(|(seq, entry)| entry.seq = Some(seq as u64));
        for batch in entries.chunks(10) {
            sink.submit(batch.to_vec()).await.unwrap();
        }
        let stored = async {
            while store.count_logs(LogQuery::all()).await.unwrap() < 30 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), stored).await.unwrap();
        service.shutdown(Duration::from_secs(10)).await.unwrap();
    }
}
