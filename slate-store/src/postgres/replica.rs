//! Reading from a replica, as long as it is near enough to the primary.

use super::{PgStore, pool::Pool, rows_of, sql::Statement};
use crate::common::Columns;
use slate_core::{Error, Result};
use sqlx::postgres::PgRow;
use std::{
    fmt,
    str::FromStr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// A place in the database's log of changes. What was written before it was taken is seen by whoever has read up to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(u64);

impl fmt::Display for Lsn {
    /// As Postgres writes it: `16/B374D848`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

impl FromStr for Lsn {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parse = || {
            let (high, low) = text.split_once('/')?;
            Some(u64::from(u32::from_str_radix(high, 16).ok()?) << 32 | u64::from(u32::from_str_radix(low, 16).ok()?))
        };
        parse().map(Self).ok_or_else(|| Error::invalid("not a place in a log: like 16/B374D848 is expected"))
    }
}

impl PgStore {
    /// A token of all that was written so far, for [`at_least`](Self::at_least): here, or in another process.
    ///
    /// # Errors
    /// `Unavailable` and the like.
    pub async fn token(&self) -> Result<Lsn> {
        written(self).await.map_err(|error| error.at(super::error::PLACE, "token"))
    }

    /// The same store, whose reads see at least what was written before the token was taken, wherever they go.
    #[must_use]
    pub fn at_least(&self, token: Lsn) -> Self {
        Self { inner: Arc::clone(&self.inner), at_least: self.at_least.max(token) }
    }
}

async fn written(store: &PgStore) -> Result<Lsn> {
    let ask = Statement::new("SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint AS place");
    let row = store.primary_row(&ask).await?;
    row.map_or(Ok(Lsn::default()), |row| row.int("place").map(|place| Lsn(place.cast_unsigned())))
}

/// How long a replica that failed is left alone.
const REST: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Replica {
    pool: Arc<Pool>,
    lag: Duration,
    /// How far it is known to have come. It never goes back.
    reached: AtomicU64,
    /// How far the primary was, and when that was asked for.
    primary: Mutex<Option<(Lsn, Instant)>>,
    rests_until: Mutex<Option<Instant>>,
}

impl Replica {
    pub(super) fn new(pool: Arc<Pool>, lag: Duration) -> Self {
        let (reached, primary, rests_until) = Default::default();
        Self { pool, lag, reached, primary, rests_until }
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }

    /// The rows, if the replica is near enough and answers; the primary is asked otherwise.
    pub(super) async fn rows(&self, store: &PgStore, select: &Statement) -> Option<Vec<PgRow>> {
        let rests = *self.rests_until.lock().unwrap_or_else(PoisonError::into_inner);
        if rests.is_some_and(|until| Instant::now() < until) {
            return None;
        }
        match self.try_rows(store, select).await {
            Ok(rows) => rows,
            Err(error) => {
                tracing::warn!(%error, "a replica failed: reads go to the primary for a while");
                *self.rests_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + REST);
                None
            }
        }
    }

    async fn try_rows(&self, store: &PgStore, select: &Statement) -> Result<Option<Vec<PgRow>>> {
        let needed = self.needed(store).await?;
        if self.reached.load(Ordering::Acquire) < needed.0 {
            let ask = Statement::new(
                "SELECT (coalesce(pg_last_wal_replay_lsn(), pg_current_wal_lsn()) - '0/0'::pg_lsn)::bigint AS place",
            );
            let row = rows_of(&self.pool, store.options(), &ask).await?.into_iter().next();
            let place = row.map_or(Ok(0), |row| row.int("place"))?.cast_unsigned();
            self.reached.fetch_max(place, Ordering::AcqRel);
            if place < needed.0 {
                return Ok(None);
            }
        }
        rows_of(&self.pool, store.options(), select).await.map(Some)
    }

    /// What a read must see: what the caller asks for, and what the primary had written so long ago as a replica may lag.
    ///
    /// Asked of the primary itself, so that neither clocks nor a replica that lost touch can feign nearness.
    async fn needed(&self, store: &PgStore) -> Result<Lsn> {
        let known = *self.primary.lock().unwrap_or_else(PoisonError::into_inner);
        let place = match known {
            Some((place, when)) if when.elapsed() < self.lag => place,
            _ => {
                let when = Instant::now();
                let place = written(store).await?;
                *self.primary.lock().unwrap_or_else(PoisonError::into_inner) = Some((place, when));
                place
            }
        };
        Ok(place.max(store.at_least))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_text_as_postgres_writes_it() {
        let lsn: Lsn = "16/B374D848".parse().unwrap();
        assert_eq!(lsn.to_string(), "16/B374D848");
        assert!("16".parse::<Lsn>().is_err() && "1/100000000".parse::<Lsn>().is_err());
    }
}
