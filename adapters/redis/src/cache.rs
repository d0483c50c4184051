use crate::{COMPONENT, RedisOptions, entry, link::Link};
use async_trait::async_trait;
use bytes::Bytes;
use redis::{FromRedisValue, Script, ToRedisArgs};
use slate_core::{Component, ComponentKind, Descriptor, Error, Result, Version, cache::Cache};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::watch;

/// Keys that are looked at, or removed, by one command of a sweep.
const SWEEP: usize = 500;

/// [`Cache`] on Redis or Valkey. Clones are the same connection.
///
/// # What holds beyond the contract
/// - Reading never fails: where Redis is away or too slow, there is no value, and [`failures`](Self::failures) counts it. Nor
///   does `put`. Whoever must know that a value is gone (`remove`, `remove_prefix`, `outdate`), or whether one is kept (`put_newer`), gets the error.
/// - Nobody waits for a connection: it is made beside the work, and until then there are no values.
/// - Versions are compared by the server, so that many processes may fill one cache. They are exact below 2⁵³.
/// - Redis replicates behind the primary's back: a fail-over may bring back what was removed a moment before. Keep the times
///   to live short where that matters.
#[derive(Clone)]
pub struct RedisCache(Arc<Shared>);

struct Shared {
    link: Arc<Link>,
    put_newer: Script,
    outdate: Script,
    remove: Script,
    failures: AtomicU64,
}

impl RedisCache {
    /// A cache that begins to connect, on the runtime that this is called in.
    ///
    /// # Errors
    /// `Invalid` for options that can't work. A server that is away is none.
    pub fn open(options: RedisOptions) -> Result<Self> {
        options.check()?;
        let script = |text: &str| Script::new(text.trim());
        Ok(Self(Arc::new(Shared {
            link: Link::open(options)?,
            put_newer: script(entry::PUT_NEWER),
            outdate: script(entry::OUTDATE),
            remove: script(entry::REMOVE),
            failures: AtomicU64::new(0),
        })))
    }

    /// A cache that is connected.
    ///
    /// # Errors
    /// `Invalid` for options that can't work; `Unavailable` where there is no connection after `patience`.
    pub async fn connect(options: RedisOptions, patience: Duration) -> Result<Self> {
        let cache = Self::open(options)?;
        let mut states = cache.states();
        let connected = tokio::time::timeout(patience, states.wait_for(|connected| *connected)).await.is_ok();
        if connected {
            Ok(cache)
        } else {
            cache.0.link.connection().map(|_| cache.clone()).map_err(|e| e.at(COMPONENT, "connect"))
        }
    }

    /// Follows whether it is connected.
    pub fn states(&self) -> watch::Receiver<bool> {
        self.0.link.states()
    }

    /// How many verbs Redis has failed so far.
    pub fn failures(&self) -> u64 {
        self.0.failures.load(Ordering::Relaxed)
    }

    fn key(&self, key: &str) -> String {
        format!("{}{key}", self.0.link.options().prefix)
    }

    async fn run<T: FromRedisValue>(&self, operation: &'static str, command: &redis::Cmd) -> Result<T> {
        self.counted(operation, async {
            let mut connection = self.0.link.connection()?;
            let result = command.query_async(&mut connection.inner).await;
            self.0.link.note(&connection, result)
        })
        .await
    }

    async fn script(
        &self,
        operation: &'static str,
        script: &Script,
        key: &str,
        args: &[&(dyn Arg + '_)],
    ) -> Result<bool> {
        let mut call = script.key(self.key(key));
        for arg in args {
            arg.add(&mut call);
        }
        self.counted(operation, async {
            let mut connection = self.0.link.connection()?;
            let result = call.invoke_async(&mut connection.inner).await;
            self.0.link.note(&connection, result)
        })
        .await
    }

    async fn counted<T>(&self, operation: &'static str, work: impl Future<Output = Result<T>>) -> Result<T> {
        work.await.map_err(|error| {
            self.0.failures.fetch_add(1, Ordering::Relaxed);
            metrics::counter!("slate_cache_failed_total", "cache" => "redis", "operation" => operation).increment(1);
            error.at(COMPONENT, operation)
        })
    }

    fn fits(&self, value: &Bytes, operation: &'static str) -> Result<()> {
        let limit = self.0.link.options().max_value;
        if value.len() <= limit {
            return Ok(());
        }
        Err(Error::limit_exceeded("the value is larger than the cache takes")
            .with("size", value.len())
            .with("limit", limit)
            .at(COMPONENT, operation))
    }
}

/// Milliseconds, at least one for any time at all: Redis takes no less.
fn millis(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).min(1 << 50).max(u64::from(!ttl.is_zero()))
}

/// A prefix as a pattern that matches just what starts with it.
fn pattern(prefix: &str) -> String {
    let mut pattern = String::with_capacity(prefix.len() + 1);
    for letter in prefix.chars() {
        if matches!(letter, '*' | '?' | '[' | ']' | '\\' | '^') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push('*');
    pattern
}

#[async_trait]
impl Component for RedisCache {
    fn descriptor(&self) -> Descriptor {
        Descriptor::new(ComponentKind::Cache, "redis").with_detail(self.0.link.options().servers.places())
    }

    async fn ping(&self) -> Result<()> {
        self.run::<()>("ping", &redis::cmd("PING")).await
    }
}

#[async_trait]
impl Cache for RedisCache {
    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        let read: Result<Option<Vec<u8>>> = self.run("get", redis::cmd("GET").arg(self.key(key))).await;
        Ok(read.ok().flatten().and_then(entry::value))
    }

    async fn put(&self, key: &str, value: Bytes, ttl: Duration) -> Result<()> {
        self.fits(&value, "put")?;
        if ttl.is_zero() {
            return self.remove(key).await;
        }
        let mut command = redis::cmd("SET");
        command.arg(self.key(key)).arg(entry::plain(&value)).arg("PX").arg(millis(ttl));
        // What couldn't be kept is counted, and missing.
        let _kept: Result<()> = self.run("put", &command).await;
        Ok(())
    }

    async fn remove(&self, key: &str) -> Result<()> {
        self.script("remove", &self.0.remove, key, &[]).await.map(drop)
    }

    async fn remove_prefix(&self, prefix: &str) -> Result<()> {
        let pattern = pattern(&self.key(prefix));
        let sweep = async {
            let mut cursor = 0_u64;
            loop {
                let mut scan = redis::cmd("SCAN");
                scan.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(SWEEP);
                let (next, keys): (u64, Vec<Vec<u8>>) = self.run("remove_prefix", &scan).await?;
                for keys in keys.chunks(SWEEP) {
                    self.run::<()>("remove_prefix", redis::cmd("UNLINK").arg(keys)).await?;
                }
                if next == 0 {
                    return Ok(());
                }
                cursor = next;
            }
        };
        match tokio::time::timeout(self.0.link.options().sweep_timeout, sweep).await {
            Ok(swept) => swept,
            Err(_) => Err(Error::timed_out("not all keys could be looked at in time").at(COMPONENT, "remove_prefix")),
        }
    }

    async fn put_newer(&self, key: &str, value: Bytes, version: Version, ttl: Duration) -> Result<bool> {
        self.fits(&value, "put_newer")?;
        if ttl.is_zero() {
            return Ok(false);
        }
        let entry = entry::versioned(&value, version);
        self.script("put_newer", &self.0.put_newer, key, &[&entry, &version.0, &millis(ttl)]).await
    }

    async fn outdate(&self, key: &str, version: Version, ttl: Duration) -> Result<()> {
        let entry = entry::outdated(version);
        self.script("outdate", &self.0.outdate, key, &[&entry, &version.0, &millis(ttl)]).await.map(drop)
    }
}

/// An argument of a script.
trait Arg: Send + Sync {
    fn add(&self, call: &mut redis::ScriptInvocation<'_>);
}

impl<T: ToRedisArgs + Send + Sync> Arg for T {
    fn add(&self, call: &mut redis::ScriptInvocation<'_>) {
        call.arg(self);
    }
}

impl fmt::Debug for RedisCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisCache")
            .field("options", self.0.link.options())
            .field("failures", &self.failures())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_no_pattern() {
        assert_eq!(pattern("a*b?[c]\\^"), "a\\*b\\?\\[c\\]\\\\\\^*");
        assert_eq!(entry::HEAD, entry::plain(b"").len());
    }

    #[test]
    fn no_time_becomes_none() {
        assert_eq!((millis(Duration::ZERO), millis(Duration::from_micros(1)), millis(Duration::MAX)), (0, 1, 1 << 50));
    }
}
