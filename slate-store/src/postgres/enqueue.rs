use super::{PgStore, changes, error::PLACE, error::failed, pool::quoted, sql::Statement};
use crate::common::Columns;
use slate_core::{
    Result,
    store::{Applied, ChangeSet},
};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, PgTransaction};

impl PgStore {
    /// Applies a set in a transaction of the caller's own, on the same database: it is committed, or taken back, together with
    /// whatever else the caller writes. So a host enqueues a build in the transaction that records why.
    ///
    /// The set is behind a savepoint: where it fails, the transaction can go on without it. Nobody is woken when it commits;
    /// relays and workers find it at their next look, after a second by default.
    ///
    /// # Errors
    /// Those of [`apply`](slate_core::store::ChangeStore::apply).
    pub async fn enqueue_in(&self, transaction: &mut PgTransaction<'_>, set: ChangeSet) -> Result<Applied> {
        let enqueue = async {
            set.check()?;
            let mut savepoint = transaction.begin().await.map_err(failed)?;
            let before = self.enter_schema(&mut savepoint).await?;
            let applied = Box::pin(changes::steps(&mut savepoint, &set, false)).await?;
            if let Some(before) = before {
                set_path(&mut savepoint, before).await?;
            }
            savepoint.commit().await.map_err(failed)?;
            Ok(applied)
        };
        enqueue.await.map_err(|error: slate_core::Error| error.at(PLACE, "enqueue_in"))
    }

    /// Makes names mean SLATE's tables, where these have a schema of their own; what names meant before.
    async fn enter_schema(&self, db: &mut PgConnection) -> Result<Option<String>> {
        let Some(schema) = &self.options().schema else { return Ok(None) };
        let ask = Statement::new("SELECT current_setting('search_path') AS path");
        let before = ask.row(db).await?.map_or(Ok(String::new()), |row| row.text("path"))?;
        db.execute(AssertSqlSafe(format!("SET LOCAL search_path = {}", quoted(schema)))).await.map_err(failed)?;
        Ok(Some(before))
    }
}

async fn set_path(db: &mut PgConnection, path: String) -> Result<()> {
    let mut set = Statement::new("SELECT set_config('search_path', ");
    set.bind(path.as_str()).sql(", true)");
    set.row(db).await.map(drop)
}
