//! Connections that are kept for long.
//!
//! Not sqlx's pool: that asks the server at every release, which a hot loop pays for, and waits for ever on a connection
//! whose other side is silently gone. Here a connection is given back only after its work has ended well; one that took
//! too long, or whose caller went away in the middle, is closed.

use super::{PgOptions, error::failed};
use slate_core::{Error, ErrorKind, Result};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row, postgres::PgConnectOptions};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Between two rounds over the hosts, while none of them will do.
const ROUND: Duration = Duration::from_millis(100);
/// Who holds a lock of all processes and says nothing for so long has vanished: between two statements there is nothing to do.
const VANISHED: Duration = Duration::from_secs(10);

/// Which of the hosts will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Only the one that takes writes.
    Primary,
    /// Any.
    Reader,
}

/// A pool of connections to one of several hosts.
#[derive(Debug)]
pub(super) struct Pool {
    hosts: Vec<PgConnectOptions>,
    role: Role,
    options: PgOptions,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Idle>>,
    /// Connections of earlier generations are closed instead of used.
    generation: AtomicU64,
    /// The host that took the last connection.
    last: AtomicUsize,
}

#[derive(Debug)]
struct Idle {
    db: PgConnection,
    born: Instant,
    since: Instant,
    generation: u64,
}

impl Pool {
    pub(super) fn new(hosts: Vec<PgConnectOptions>, role: Role, options: PgOptions) -> Arc<Self> {
        let permits = Arc::new(Semaphore::new(options.connections as usize));
        let (idle, generation, last) = Default::default();
        Arc::new(Self { hosts, role, options, permits, idle, generation, last })
    }

    /// A connection for one piece of work.
    pub(super) async fn session(self: &Arc<Self>) -> Result<Session> {
        let deadline = Instant::now() + self.options.acquire_timeout;
        let permit = tokio::time::timeout(self.options.acquire_timeout, Arc::clone(&self.permits).acquire_owned());
        let permit = permit
            .await
            .map_err(|_| Error::timed_out("no connection to the database became free: allow more connections"))?
            .map_err(|_| Error::unavailable("the store is closed"))?;
        let (db, born, generation) = match self.take_idle().await {
            Some(idle) => (idle.db, idle.born, idle.generation),
            None => {
                let generation = self.generation.load(Ordering::SeqCst);
                (self.connect_by(deadline).await?, Instant::now(), generation)
            }
        };
        Ok(Session { db: Some(db), born, generation, pool: Arc::clone(self), _permit: permit })
    }

    /// Closes what is idle, and lets nobody in any more.
    pub(super) async fn close(&self) {
        self.permits.close();
        let idle = std::mem::take(&mut *self.lock());
        for idle in idle {
            // Whoever closes doesn't wait for a server that is gone.
            let _ = tokio::time::timeout(self.options.connect_timeout, idle.db.close()).await;
        }
    }

    /// A connection outside of the pool, without limits on its statements, for work under a lock that all processes share.
    /// Where its owner has vanished, the server ends it and gives the lock to the next.
    pub(super) async fn unbounded(&self) -> Result<PgConnection> {
        let mut db = self.connect_by(Instant::now() + self.options.acquire_timeout).await?;
        let limit = VANISHED.as_millis();
        let set = format!(
            "SET statement_timeout = 0; SET idle_session_timeout = {limit}; \
             SET idle_in_transaction_session_timeout = {limit}"
        );
        sqlx::raw_sql(AssertSqlSafe(set)).execute(&mut db).await.map_err(failed)?;
        Ok(db)
    }

    async fn take_idle(&self) -> Option<Idle> {
        loop {
            // The one used last: it is the likeliest to work, and its statements are prepared.
            let mut idle = self.lock().pop()?;
            if idle.generation != self.generation.load(Ordering::SeqCst)
                || idle.born.elapsed() > self.options.max_lifetime
            {
                continue;
            }
            if idle.since.elapsed() < self.options.idle_check {
                return Some(idle);
            }
            match tokio::time::timeout(self.options.connect_timeout, idle.db.ping()).await {
                Ok(Ok(())) => return Some(idle),
                // One that died says that its fellows may have, too.
                _ => self.retire(),
            }
        }
    }

    /// Goes over the hosts until one will do.
    async fn connect_by(&self, deadline: Instant) -> Result<PgConnection> {
        loop {
            let mut error = Error::unavailable("no host is known");
            let first = self.last.load(Ordering::Relaxed);
            for index in 0..self.hosts.len() {
                let index = (first + index) % self.hosts.len();
                match tokio::time::timeout(self.options.connect_timeout, self.connect(&self.hosts[index])).await {
                    Ok(Ok(db)) => {
                        self.last.store(index, Ordering::Relaxed);
                        return Ok(db);
                    }
                    Ok(Err(failure)) => error = failure,
                    Err(_) => error = Error::unavailable("the host doesn't answer"),
                }
            }
            // A wrong password stays wrong; a server that starts, or is being promoted, comes round.
            let may_pass = matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::ResourceExhausted);
            if !may_pass || Instant::now() + ROUND >= deadline {
                return Err(error);
            }
            tokio::time::sleep(ROUND).await;
        }
    }

    async fn connect(&self, host: &PgConnectOptions) -> Result<PgConnection> {
        let mut db = host.connect().await.map_err(not_connected)?;
        let rows = sqlx::raw_sql(AssertSqlSafe(self.greeting())).fetch_all(&mut db).await.map_err(failed)?;
        let recovers = rows.last().map_or(Ok(false), |row| row.try_get::<bool, _>(0)).map_err(failed)?;
        if recovers && self.role == Role::Primary {
            return Err(Error::unavailable("none of the hosts is the primary at the moment"));
        }
        Ok(db)
    }

    /// What is said on each new connection.
    fn greeting(&self) -> String {
        // The server's limit is a little longer: it ends what was given up here, and never comes first.
        let limit = self.options.statement_timeout.as_millis().saturating_add(1000).min(i32::MAX as u128);
        let path = self.options.schema.as_deref().map(|schema| format!("SET search_path = {};", quoted(schema)));
        format!(
            "SET statement_timeout = {limit}; SET idle_in_transaction_session_timeout = {limit}; {} \
             SELECT pg_is_in_recovery()",
            path.unwrap_or_default()
        )
    }

    /// Gives up all connections there are, at their next use.
    fn retire(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why no connection could be made. A certificate that isn't trusted comes as damaged data, and doesn't mend by waiting.
fn not_connected(error: sqlx::Error) -> Error {
    match &error {
        sqlx::Error::Io(io) if io.kind() == std::io::ErrorKind::InvalidData => {
            Error::permission_denied("the server's certificate is not trusted: see sslmode and sslrootcert")
                .because(error)
        }
        _ => failed(error),
    }
}

/// A name as an SQL identifier.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\"").replace('\0', ""))
}

/// A connection that somebody works with. Dropped before [`end`](Self::end), it is closed: nobody knows what it is up to.
pub(super) struct Session {
    db: Option<PgConnection>,
    born: Instant,
    generation: u64,
    pool: Arc<Pool>,
    _permit: OwnedSemaphorePermit,
}

impl Session {
    /// The connection.
    pub(super) fn db(&mut self) -> Result<&mut PgConnection> {
        self.db.as_mut().ok_or_else(|| Error::internal("the session has ended"))
    }

    /// Gives the connection back, or closes it where the work's end says that it is no good any more.
    pub(super) fn end<T>(mut self, result: Result<T>) -> Result<T> {
        let kind = result.as_ref().err().map(Error::kind);
        if matches!(kind, Some(ErrorKind::Unavailable | ErrorKind::TimedOut)) {
            self.pool.retire();
        } else if let Some(db) = self.db.take() {
            let idle = Idle { db, born: self.born, since: Instant::now(), generation: self.generation };
            self.pool.lock().push(idle);
        }
        result
    }
}

/// Does work within a time. Whoever runs out of it must close the connection.
pub(super) async fn within<T>(limit: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(limit, work)
        .await
        .unwrap_or_else(|_| Err(Error::timed_out("the database gave no answer in time; the work may still be done")))
}
