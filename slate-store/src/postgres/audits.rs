use super::{PgStore, error::PLACE, sql::Statement};
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
use sqlx::PgConnection;

#[async_trait]
impl AuditStore for PgStore {
    async fn audits(&self, query: AuditQuery, page: PageRequest) -> Result<Page<AuditEntry>> {
        let list = async {
            let mut select = Statement::new("SELECT * FROM slate_audit WHERE true");
            streams::and_audit(&mut select, query);
            let limit = finish_list(&mut select, "at", &page)?;
            let rows = self.read_rows(&select).await?;
            let found = rows.iter().map(streams::read_audit).collect::<Result<Vec<_>>>()?;
            Ok(Page::from_overfull(found, limit, |entry| place_cursor(entry.at, entry.id.as_u128())))
        };
        list.await.map_err(|error: Error| error.at(PLACE, "audits"))
    }
}

pub(super) async fn add(db: &mut PgConnection, entries: &[&AuditEntry]) -> Result<()> {
    let rows = entries.iter().map(|entry| entry.values()).collect::<Result<Vec<_>>>()?;
    let names = streams::names::<AuditEntry>();
    let mut insert = Statement::new(format!("INSERT INTO slate_audit ({names}) SELECT {names} FROM "));
    insert.rows_as("w", AuditEntry::COLUMNS, rows);
    insert.execute(db).await.map(drop)
}
