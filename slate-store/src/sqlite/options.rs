use slate_core::{Clock, SystemClock};
use std::{fmt, sync::Arc, time::Duration};

/// How a [`SqliteStore`](super::SqliteStore) works.
#[derive(Clone)]
#[non_exhaustive]
pub struct SqliteOptions {
    /// The clock that leases run by; default the system's.
    ///
    /// Processes that share a file compare each other's times: run them on one machine's clock.
    pub clock: Arc<dyn Clock>,
    /// How long to wait while another process writes; default 10 s.
    pub busy_timeout: Duration,
    /// Most reads at a time; default 4.
    pub readers: u32,
    /// Most writes that wait; further callers wait to be let in. Default 1024.
    pub queue: usize,
    /// Most writes that are committed together; default 256.
    pub group: usize,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            busy_timeout: Duration::from_secs(10),
            readers: 4,
            queue: 1024,
            group: 256,
        }
    }
}

impl SqliteOptions {
    /// Sets the clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Sets how long to wait while another process writes.
    #[must_use]
    pub fn with_busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// Sets the most reads at a time; at least 1.
    #[must_use]
    pub fn with_readers(mut self, readers: u32) -> Self {
        self.readers = readers.max(1);
        self
    }
}

impl fmt::Debug for SqliteOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteOptions")
            .field("busy_timeout", &self.busy_timeout)
            .field("readers", &self.readers)
            .field("queue", &self.queue)
            .field("group", &self.group)
            .finish_non_exhaustive()
    }
}
