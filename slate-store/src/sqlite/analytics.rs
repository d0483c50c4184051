use super::{
    SqliteStore,
    error::PLACE,
    sql::{Columns, Statement, Value},
};
use async_trait::async_trait;
use slate_core::{
    Error, Result,
    model::Counter,
    store::{AnalyticsStore, CounterQuery, check::MAX_BATCH},
};
use sqlx::{SqliteConnection, sqlite::SqliteRow};

#[async_trait]
impl AnalyticsStore for SqliteStore {
    async fn counters(&self, query: CounterQuery) -> Result<Vec<Counter>> {
        let list = async {
            let mut select = Statement::new("SELECT * FROM slate_analytics WHERE true");
            select
                .and_equal("name", query.name.map(Value::Text))
                .and_equal("label", query.label.map(Value::Text))
                .and("bucket", ">=", query.since)
                .and("bucket", "<", query.until)
                .sql(" ORDER BY bucket, name, label LIMIT ")
                .bind(Value::number(MAX_BATCH as u64));
            select.rows(&self.readers).await?.iter().map(read).collect::<Result<Vec<_>>>()
        };
        list.await.map_err(|error: Error| error.at(PLACE, "counters"))
    }
}

pub(super) async fn count(db: &mut SqliteConnection, counter: &Counter) -> Result<()> {
    let row =
        vec![counter.bucket.into(), Value::text(&counter.name), Value::text(&counter.label), Value::Int(counter.value)];
    let mut add = Statement::new("INSERT INTO slate_analytics (bucket, name, label, value) VALUES ");
    add.bind_rows([row]).sql(" ON CONFLICT (bucket, name, label) DO UPDATE SET value = value + excluded.value");
    add.execute(db).await.map(drop)
}

fn read(row: &SqliteRow) -> Result<Counter> {
    let row = Columns(row);
    Ok(Counter {
        name: row.text("name")?,
        label: row.text("label")?,
        bucket: row.time("bucket")?,
        value: row.int("value")?,
    })
}
