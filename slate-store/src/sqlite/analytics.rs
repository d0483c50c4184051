use super::{SqliteStore, error::PLACE, sql::Statement};
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
use sqlx::SqliteConnection;

#[async_trait]
impl AnalyticsStore for SqliteStore {
    async fn counters(&self, query: CounterQuery) -> Result<Vec<Counter>> {
        let list = async {
            let mut select = Statement::new("SELECT * FROM slate_analytics WHERE true");
            streams::and_counter(&mut select, query);
            select.sql(" ORDER BY bucket, name, label LIMIT ").bind(Value::number(MAX_BATCH as u64));
            select.rows(&self.readers).await?.iter().map(streams::read_counter).collect::<Result<Vec<_>>>()
        };
        list.await.map_err(|error: Error| error.at(PLACE, "counters"))
    }
}

pub(super) async fn count(db: &mut SqliteConnection, counter: &Counter) -> Result<()> {
    let mut add = Statement::new(format!("INSERT INTO slate_analytics ({}) VALUES ", streams::names::<Counter>()));
    add.bind_rows([counter.values()?]);
    add.sql(" ON CONFLICT (bucket, name, label) DO UPDATE SET value = value + excluded.value");
    add.execute(db).await.map(drop)
}
