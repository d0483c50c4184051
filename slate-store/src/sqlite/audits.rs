use super::{SqliteStore, error::PLACE, sql::Statement};
use crate::common::{
    streams::{self, Entry},
    table::{finish_list, place_cursor},
};
use async_trait::async_trait;
use slate_core::{
    Error, Result,
    model::AuditEntry,
    store::{AuditQuery, AuditStore, Page, PageRequest},
};
use sqlx::SqliteConnection;

#[async_trait]
impl AuditStore for SqliteStore {
    async fn audits(&self, query: AuditQuery, page: PageRequest) -> Result<Page<AuditEntry>> {
        let list = async {
            let mut select = Statement::new("SELECT * FROM slate_audit WHERE true");
            streams::and_audit(&mut select, query);
            let limit = finish_list(&mut select, "at", &page)?;
            let rows = select.rows(&self.readers).await?;
            let found = rows.iter().map(streams::read_audit).collect::<Result<Vec<_>>>()?;
            Ok(Page::from_overfull(found, limit, |entry| place_cursor(entry.at, entry.id.as_u128())))
        };
        list.await.map_err(|error: Error| error.at(PLACE, "audits"))
    }
}

pub(super) async fn add(db: &mut SqliteConnection, entry: &AuditEntry) -> Result<()> {
    let mut insert = Statement::new(format!("INSERT INTO slate_audit ({}) VALUES ", streams::names::<AuditEntry>()));
    insert.bind_rows([entry.values()?]);
    insert.execute(db).await.map(drop)
}
