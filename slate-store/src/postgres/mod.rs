//! The store in a Postgres database.

mod analytics;
mod assets;
mod audits;
mod builds;
mod changes;
mod connect;
mod encode;
mod enqueue;
mod error;
mod events;
mod files;
mod jobs;
mod logs;
mod maintain;
mod metrics;
mod options;
mod partitions;
mod pool;
mod pools;
mod projects;
mod quotas;
mod replica;
mod sessions;
mod sql;
mod table;
mod templates;

use crate::common::{
    Value,
    table::{self as common_table, Table},
};
use async_trait::async_trait;
use error::PLACE;
pub use options::PgOptions;
use pool::{Pool, Role, within};
pub use replica::Lsn;
use replica::Replica;
use slate_core::{
    Component, ComponentKind, Descriptor, Result,
    store::{Page, PageRequest},
};
use sql::Statement;
use sqlx::{PgConnection, postgres::PgRow};
use std::sync::Arc;

/// How often work is done again that others were in the way of.
const CLASHES: u32 = 4;

/// A [`Store`](slate_core::store::Store) in a Postgres database, from version 14 on.
///
/// - A write that returned `Ok` survives a crash of every process and of the server, as far as the server's `fsync` and
///   `synchronous_commit` are on, which is their default.
/// - Any number of processes share the database. Leases run by the database's clock alone.
/// - A future that is dropped leaves nothing half done: its connection is closed, and the server takes the rest back.
/// - When the server restarts, or another host becomes the primary, calls under way fail with `Unavailable` or `TimedOut`,
///   and later ones find the new primary by themselves.
///
/// It is a handle: a clone is the same store.
#[derive(Clone, Debug)]
pub struct PgStore {
    inner: Arc<Inner>,
    /// What reads must see at least, where they go to a replica.
    at_least: Lsn,
}

#[derive(Debug)]
struct Inner {
    primary: Arc<Pool>,
    replica: Option<Replica>,
    options: PgOptions,
}

impl PgStore {
    /// Connects, brings the schema up to date, and makes the partitions that are needed soon. Any number of processes may do
    /// so at once.
    ///
    /// # Errors
    /// `Unavailable` where none of the hosts is a primary that answers; `PermissionDenied` where the user may not connect, or
    /// may not make tables; `Unsupported` where a newer SLATE made the schema, or the server is older than version 14.
    pub async fn open(options: PgOptions) -> Result<Self> {
        let primary = Pool::new(options.hosts.clone(), Role::Primary, options.clone());
        connect::prepare(&primary, &options).await.map_err(|error| error.at(PLACE, "open"))?;
        let replica = (!options.replicas.is_empty()).then(|| {
            Replica::new(Pool::new(options.replicas.clone(), Role::Reader, options.clone()), options.replica_lag)
        });
        Ok(Self { inner: Arc::new(Inner { primary, replica, options }), at_least: Lsn::default() })
    }

    /// Closes all connections. Later calls give `Unavailable`. Nothing is lost where nobody calls this.
    pub async fn close(&self) {
        self.inner.primary.close().await;
        if let Some(replica) = &self.inner.replica {
            replica.close().await;
        }
    }

    fn options(&self) -> &PgOptions {
        &self.inner.options
    }

    fn primary(&self) -> &Arc<Pool> {
        &self.inner.primary
    }

    /// The live record of this id.
    async fn get<T: Table>(&self, id: impl Into<Value>) -> Result<T> {
        let select = common_table::select_one::<T, _>(id);
        common_table::found(self.primary_row(&select).await?.as_ref())
    }

    /// The live records that a query wants.
    async fn list<T: Table>(&self, query: T::Query, page: &PageRequest) -> Result<Page<T>> {
        let (select, limit) = common_table::select_list::<T, _>(query, page)?;
        common_table::page(&self.read_rows(&select).await?, limit)
    }

    /// Reads from a replica where one is near enough, else from the primary.
    async fn read_rows(&self, select: &Statement) -> Result<Vec<PgRow>> {
        if let Some(replica) = &self.inner.replica
            && let Some(rows) = replica.rows(self, select).await
        {
            return Ok(rows);
        }
        self.primary_rows(select).await
    }

    async fn read_row(&self, select: &Statement) -> Result<Option<PgRow>> {
        Ok(self.read_rows(select).await?.into_iter().next())
    }

    /// Reads what is current.
    async fn primary_rows(&self, select: &Statement) -> Result<Vec<PgRow>> {
        rows_of(self.primary(), self.options(), select).await
    }

    async fn primary_row(&self, select: &Statement) -> Result<Option<PgRow>> {
        Ok(self.primary_rows(select).await?.into_iter().next())
    }

    /// Does a piece of writing, which leaves no transaction open; once more where others were in the way.
    async fn write<W: Work>(&self, work: W) -> Result<W::Output> {
        let mut clashes = 0;
        loop {
            let mut session = self.primary().session().await?;
            let result = match session.db() {
                Ok(db) => within(self.options().statement_timeout, work.run(db)).await,
                Err(error) => Err(error),
            };
            match session.end(result) {
                Err(error) if error::clashed(&error) && clashes < CLASHES => clashes += 1,
                result => return result,
            }
        }
    }

    async fn execute(&self, statement: &Statement) -> Result<u64> {
        self.write(Count(statement)).await
    }

    async fn write_rows(&self, statement: &Statement) -> Result<Vec<PgRow>> {
        self.write(Rows(statement)).await
    }

    async fn write_row(&self, statement: &Statement) -> Result<Option<PgRow>> {
        Ok(self.write_rows(statement).await?.into_iter().next())
    }
}

/// A piece of writing. It may be run more than once, each time after all that it did was taken back.
#[async_trait]
trait Work: Send + Sync {
    type Output: Send;

    async fn run(&self, db: &mut PgConnection) -> Result<Self::Output>;
}

/// One statement, for the number of rows that it changes.
struct Count<'a>(&'a Statement);

#[async_trait]
impl Work for Count<'_> {
    type Output = u64;

    async fn run(&self, db: &mut PgConnection) -> Result<u64> {
        self.0.execute(db).await
    }
}

/// One statement, for the rows that it yields.
struct Rows<'a>(&'a Statement);

#[async_trait]
impl Work for Rows<'_> {
    type Output = Vec<PgRow>;

    async fn run(&self, db: &mut PgConnection) -> Result<Vec<PgRow>> {
        self.0.rows(db).await
    }
}

/// Reads; once more where a connection turned out to be broken, since reading twice is as good as once.
async fn rows_of(pool: &Arc<Pool>, options: &PgOptions, select: &Statement) -> Result<Vec<PgRow>> {
    let mut again = true;
    loop {
        let mut session = pool.session().await?;
        let result = match session.db() {
            Ok(db) => within(options.statement_timeout, select.rows(db)).await,
            Err(error) => Err(error),
        };
        match session.end(result) {
            Err(error) if error.kind() == slate_core::ErrorKind::Unavailable && again => again = false,
            result => return result,
        }
    }
}

#[async_trait]
impl Component for PgStore {
    fn descriptor(&self) -> Descriptor {
        Descriptor::new(ComponentKind::Store, "postgres").with_detail(self.options().place())
    }

    async fn ping(&self) -> Result<()> {
        let ask = Statement::new("SELECT count(*) FROM slate_leases");
        self.primary_row(&ask).await.map(drop).map_err(|error| error.at(PLACE, "ping"))
    }
}
