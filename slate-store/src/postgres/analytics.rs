use super::{PgStore, error::PLACE, sql::Statement};
use crate::common::{
    Value,
    streams::{self, Entry},
};
use async_trait::async_trait;
use slate_core::{
    Error, Result,
    model::Counter,
    store::{AnalyticsStore, CounterQuery, check::MAX_BATCH},
};
use sqlx::PgConnection;

#[async_trait]
impl AnalyticsStore for PgStore {
    async fn counters(&self, query: CounterQuery) -> Result<Vec<Counter>> {
        let list = async {
            let mut select = Statement::new("SELECT * FROM slate_analytics WHERE true");
            streams::and_counter(&mut select, query);
            select.sql(" ORDER BY bucket, name, label LIMIT ").bind(Value::number(MAX_BATCH as u64));
            // From the primary: a place to go on from is kept here, and must not be an old one.
            self.primary_rows(&select).await?.iter().map(streams::read_counter).collect::<Result<Vec<_>>>()
        };
        list.await.map_err(|error: Error| error.at(PLACE, "counters"))
    }
}

pub(super) async fn count(db: &mut PgConnection, counters: &[&Counter]) -> Result<()> {
    let rows = counters.iter().map(|counter| counter.values()).collect::<Result<Vec<_>>>()?;
    let names = streams::names::<Counter>();
    let mut add = Statement::new(format!("INSERT INTO slate_analytics AS a ({names}) "));
    // One row may be counted on once a statement; in one order, so that two who count don't wait for each other.
    add.sql("SELECT bucket, name, label, sum(value)::bigint FROM ").rows_as("w", Counter::COLUMNS, rows);
    add.sql(" GROUP BY bucket, name, label ORDER BY bucket, name, label");
    add.sql(" ON CONFLICT (bucket, name, label) DO UPDATE SET value = a.value + excluded.value");
    add.execute(db).await.map(drop)
}
