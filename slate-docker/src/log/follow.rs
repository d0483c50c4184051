use super::{
    Numbering,
    bell::{Bell, Count, Pace},
};
use crate::{
    backend::Shared,
    error::{PLACE, translate},
    instance, resident,
};
use bollard::{
    container::LogOutput,
    query_parameters::{AttachContainerOptions, LogsOptions, WaitContainerOptions},
};
use futures_util::{Stream, StreamExt};
use slate_core::{
    Error, ErrorKind, Result, Timestamp,
    runtime::{InstanceState, LogChunk, LogCursor, LogOptions},
};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::mpsc::Sender,
    time::{Instant, timeout},
};

/// Chunks handed on at once.
const BATCH: usize = 256;
/// Time between two readings of a log that grows all the time.
const PAUSE: Duration = Duration::from_millis(20);
/// A look at the container where nothing rings: a connection may have gone without a word.
const LOOK: Duration = Duration::from_secs(15);
/// A listener that takes nothing for so long hangs: no writer is held back for it any more.
const PATIENCE: Duration = Duration::from_secs(2);
/// Entries read beyond those that the bell counted, so that readings overlap.
const OVERLAP: u64 = 64;

/// Sends a container's output to `to` until it has ended, or nobody listens.
pub(crate) async fn follow(shared: Arc<Shared>, id: String, options: LogOptions, to: Sender<Result<Vec<LogChunk>>>) {
    let mut reader = Reader {
        shared,
        id,
        to,
        last: None,
        lost: 0,
        expected: 0,
        fresh: false,
        since: options.since.map(Timestamp::as_micros),
        has_agent: false,
        pace: Arc::default(),
    };
    let read = reader.run(&options).await;
    if let Err(Stop::Failed(error)) = read {
        let error = if error.context().iter().any(|(key, _)| *key == "instance") {
            error
        } else {
            error.with("instance", &reader.id)
        };
        // Nobody listening is no error.
        let _gone: Result<_, _> = reader.to.send(Err(error.at(PLACE, "logs"))).await;
    }
}

enum Stop {
    /// Nobody listens any more.
    Unheard,
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

struct Reader {
    shared: Arc<Shared>,
    id: String,
    to: Sender<Result<Vec<LogChunk>>>,
    /// The cursor of the last line that was read.
    last: Option<u64>,
    /// Lines that are known to be gone before the next one.
    lost: u64,
    /// Lines that were counted as they came, and not read yet.
    expected: u64,
    /// Whether nothing was read yet of a container that was followed from before its start: its log begins with its first
    /// line, or lines are gone.
    fresh: bool,
    /// Microseconds before which lines are left out.
    since: Option<i64>,
    /// Whether an agent's answers are among the lines, which are nobody's output.
    has_agent: bool,
    /// How the reading gets on: a writer is held back for a slow reader, not for one that hangs.
    pace: Arc<Pace>,
}

/// Which part of a log is read.
enum Part {
    /// What isn't read yet, found by time.
    Rest,
    /// The last so many entries, in which what was read last must be found again.
    Tail(u64),
}

impl Reader {
    async fn run(&mut self, options: &LogOptions) -> Result<(), Stop> {
        if !options.follow || options.tail.is_some() {
            self.has_agent = resident::has_agent(&self.shared.owned(&self.id).await?);
        }
        self.start(options).await?;
        if !options.follow {
            self.read(Part::Rest).await?;
            return Ok(());
        }
        let mut away: Option<Instant> = None;
        loop {
            match self.listen(&mut away).await {
                Ok(()) => return Ok(()),
                Err(Stop::Failed(error)) if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::TimedOut) => {
                    // The engine went away: what it wrote down meanwhile is read when it is back.
                    let since = *away.get_or_insert_with(Instant::now);
                    if since.elapsed() > self.shared.options.reconnect {
                        return Err(error.into());
                    }
                    tokio::time::sleep(Duration::from_millis(250)).await;
                }
                // Removed after it was followed: its output has ended.
                Err(Stop::Failed(error)) if error.kind() == ErrorKind::NotFound && self.last.is_some() => return Ok(()),
                Err(stop) => return Err(stop),
            }
            if self.to.is_closed() {
                return Err(Stop::Unheard);
            }
        }
    }

    /// Finds where to begin.
    async fn start(&mut self, options: &LogOptions) -> Result<(), Stop> {
        self.last = options.after.map(|LogCursor(cursor)| cursor).filter(|cursor| *cursor > 0);
        let Some(tail) = options.tail.filter(|_| options.after.is_none()) else { return Ok(()) };
        if tail == 0 {
            self.last = self.cursors(1).await?.last().map(|(cursor, _)| *cursor);
            return Ok(());
        }
        // The engine counts entries: parts of long lines are several. The line before the last `tail` ones must be seen.
        let mut entries = tail.saturating_add(1);
        loop {
            let cursors = self.cursors(entries).await?;
            let ends: Vec<_> = cursors.iter().filter(|(_, partial)| !partial).map(|(cursor, _)| *cursor).collect();
            let spare = (ends.len() as u64).checked_sub(tail.saturating_add(1));
            if let Some(before) = spare {
                self.last = ends.get(before as usize).copied();
                return Ok(());
            }
            if (cursors.len() as u64) < entries {
                return Ok(());
            }
            entries = entries.saturating_mul(4);
        }
    }

    /// The cursors of the last so many entries, and whether each is a part that goes on.
    async fn cursors(&self, entries: u64) -> Result<Vec<(u64, bool)>, Stop> {
        // So many numbers are kept at most; a longer tail is a reading from the start.
        const MOST: u64 = 1 << 20;
        let mut numbering = Numbering::of(self.has_agent);
        let mut cursors = Vec::new();
        let mut output = Box::pin(self.shared.docker.logs(&self.id, Some(query(&entries.min(MOST).to_string(), 0))));
        while let Some(entry) = self.next(&mut output).await? {
            cursors.extend(numbering.take(entry).map(|chunk| (chunk.cursor.0, chunk.partial)));
        }
        Ok(cursors)
    }

    /// How much the log holds.
    async fn kept(&self) -> Result<Count, Stop> {
        let mut numbering = Numbering::of(self.has_agent);
        let mut kept = Count::default();
        let mut output = Box::pin(self.shared.docker.logs(&self.id, Some(query("all", 0))));
        while let Some(entry) = self.next(&mut output).await? {
            if let Some(chunk) = numbering.take(entry) {
                kept.bytes += chunk.line.len() as u64;
                kept.lines += u64::from(!chunk.partial);
            }
        }
        Ok(kept)
    }

    /// Reads while the container runs, and to the end once it has ended.
    async fn listen(&mut self, away: &mut Option<Instant>) -> Result<(), Stop> {
        loop {
            let container = self.shared.owned(&self.id).await?;
            *away = None;
            self.has_agent = resident::has_agent(&container);
            self.fresh |= self.last.is_none() && instance::state(&container) == InstanceState::Created;
            if instance::state(&container) == InstanceState::Exited {
                // The engine calls a container ended after it has written down its last line.
                self.read(Part::Rest).await?;
                return Ok(());
            }
            let options = AttachContainerOptions {
                stream: true,
                stdout: true,
                stderr: true,
                ..AttachContainerOptions::default()
            };
            let attached = match self.shared.docker.attach_container(&self.id, Some(options)).await {
                Ok(attached) => attached,
                Err(error) => match translate(error, "logs") {
                    // Frozen, or ending just now.
                    error if error.kind() == ErrorKind::WrongState => {
                        self.read(Part::Rest).await?;
                        let frozen = instance::state(&container) == InstanceState::Paused;
                        self.pause(Duration::from_millis(if frozen { 1000 } else { 100 })).await?;
                        continue;
                    }
                    error => return Err(error.into()),
                },
            };
            let log = self.shared.options.log;
            let bell = Bell::hang(attached, log.file.bytes() * u64::from(log.files), Arc::clone(&self.pace));
            self.read(Part::Rest).await?;
            self.ring(&bell).await?;
            if self.ended_within(PAUSE).await? {
                self.read(Part::Rest).await?;
                return Ok(());
            }
        }
    }

    /// Reads what the bell announces, until the container's output has ended.
    async fn ring(&mut self, bell: &Bell) -> Result<(), Stop> {
        let mut read = Count::default();
        loop {
            tokio::select! {
                // What is left is read when the container is seen to have ended.
                more = bell.rung() => if !more {
                    self.expected = bell.count().lines - read.lines;
                    return Ok(());
                },
                () = self.to.closed() => return Err(Stop::Unheard),
                () = tokio::time::sleep(LOOK) => return Ok(()),
            };
            let count = bell.count();
            let entries = count.entries_since(read);
            self.expected = count.lines - read.lines;
            // The log may be ahead of the bell: a longer part then, before the costly search by time.
            let near = self.read(Part::Tail(entries.saturating_mul(2).saturating_add(OVERLAP))).await?;
            if !near && !self.read(Part::Tail(entries.saturating_mul(16).saturating_add(4096))).await? {
                self.read(Part::Rest).await?;
            }
            bell.read(count);
            self.pace.moved();
            read = count;
            self.pause(PAUSE).await?;
        }
    }

    /// Whether the container ends within this time; it does so a little after its output has.
    async fn ended_within(&self, limit: Duration) -> Result<bool, Stop> {
        let options = WaitContainerOptions { condition: "not-running".into() };
        let mut ended = self.shared.docker.wait_container(&self.id, Some(options));
        tokio::select! {
            // A code other than 0 comes as an error; any other one is met again by who looks next.
            ended = ended.next() => {
                Ok(matches!(ended, Some(Ok(_) | Err(bollard::errors::Error::DockerContainerWaitError { .. }))))
            }
            paused = self.pause(limit) => paused.map(|()| false),
        }
    }

    async fn pause(&self, time: Duration) -> Result<(), Stop> {
        tokio::select! {
            () = tokio::time::sleep(time) => Ok(()),
            () = self.to.closed() => Err(Stop::Unheard),
        }
    }

    /// Reads what comes after the last line in this part of the log and hands it on. `false`, and nothing handed on, where
    /// the part begins after that line, so that lines between may be missing.
    async fn read(&mut self, part: Part) -> Result<bool, Stop> {
        let tail = match part {
            Part::Tail(_) if self.last.is_none() => return Ok(false),
            Part::Tail(entries) => entries.to_string(),
            Part::Rest => "all".into(),
        };
        // A second of overlap, from which the cursors come out the same.
        let since = match part {
            Part::Tail(_) => 0,
            Part::Rest => {
                let asked = self.since.map(|micros| micros / 1_000_000);
                let last = self.last.map(|cursor| (cursor / 1_000_000_000) as i64 - 1);
                last.or(asked).map_or(0, |second| i32::try_from(second.max(0)).unwrap_or(i32::MAX))
            }
        };
        let mut numbering = Numbering::of(self.has_agent);
        let mut batch = Vec::new();
        let mut joined = self.last.is_none() && !self.fresh;
        let mut output = Box::pin(self.shared.docker.logs(&self.id, Some(query(&tail, since))));
        while let Some(entry) = self.next(&mut output).await.transpose() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    // What was read is not read again: it is handed on first.
                    self.hand_on(&mut batch).await?;
                    return Err(error.into());
                }
            };
            let Some(mut chunk) = numbering.take(entry) else { continue };
            let LogCursor(cursor) = chunk.cursor;
            if self.last.is_some_and(|last| cursor <= last) {
                joined = true;
                continue;
            }
            if !joined {
                if matches!(part, Part::Tail(_)) {
                    return Ok(false);
                }
                // Even the whole log begins after it. How many lines are gone is known only where they were counted as they
                // came; else one stands for some.
                let kept = self.kept().await?;
                let limits = self.shared.options.log;
                let rotated = kept.room() > limits.file.bytes() * u64::from(limits.files.saturating_sub(1)) / 4 * 3;
                let least = u64::from(!self.fresh || rotated);
                self.lost = self.expected.saturating_sub(kept.lines).max(least);
                (joined, self.fresh) = (true, false);
            }
            chunk.lost_before = std::mem::take(&mut self.lost);
            self.last = Some(cursor);
            if self.since.is_none_or(|since| chunk.at.as_micros() >= since) {
                batch.push(chunk);
            }
            if batch.len() >= BATCH {
                self.hand_on(&mut batch).await?;
            }
        }
        self.hand_on(&mut batch).await?;
        let whole = joined || matches!(part, Part::Rest);
        if whole {
            self.expected = 0;
        }
        Ok(whole)
    }

    /// The next entry of a log that the engine gives out; none at its end.
    async fn next(
        &self,
        output: &mut (impl Stream<Item = Result<LogOutput, bollard::errors::Error>> + Unpin),
    ) -> Result<Option<LogOutput>> {
        match timeout(self.shared.options.timeout, output.next()).await {
            Ok(entry) => entry.transpose().map_err(|error| translate(error, "logs")),
            Err(_) => Err(Error::timed_out("the engine stopped in the middle of a log")),
        }
    }

    async fn hand_on(&self, batch: &mut Vec<LogChunk>) -> Result<(), Stop> {
        if batch.is_empty() {
            return Ok(());
        }
        let room = match timeout(PATIENCE, self.to.reserve()).await {
            Ok(room) => room,
            Err(_) => {
                self.pace.set_hangs(true);
                let room = self.to.reserve().await;
                self.pace.set_hangs(false);
                room
            }
        };
        room.map_err(|_| Stop::Unheard)?.send(Ok(std::mem::take(batch)));
        Ok(())
    }
}

fn query(tail: &str, since: i32) -> LogsOptions {
    LogsOptions { follow: false, stdout: true, stderr: true, since, until: 0, timestamps: true, tail: tail.into() }
}
