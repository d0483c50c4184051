use super::{
    SqliteStore,
    error::PLACE,
    sql::{Columns, Statement, Value},
    table::{finish_list, place_cursor},
};
use async_trait::async_trait;
use slate_core::{
    AuditId, Error, Result, UserId,
    model::AuditEntry,
    store::{AuditQuery, AuditStore, Page, PageRequest},
};
use sqlx::{SqliteConnection, sqlite::SqliteRow};

#[async_trait]
impl AuditStore for SqliteStore {
    async fn audits(&self, query: AuditQuery, page: PageRequest) -> Result<Page<AuditEntry>> {
        let list = async {
            let mut select = Statement::new("SELECT * FROM slate_audit WHERE true");
            select.and_equal("user_id", query.user.map(Value::text)).and_equal("target", query.target.map(Value::Text));
            let limit = finish_list(&mut select, "at", &page)?;
            let rows = select.rows(&self.readers).await?;
            let found = rows.iter().map(read).collect::<Result<Vec<_>>>()?;
            Ok(Page::from_overfull(found, limit, |entry| place_cursor(entry.at, entry.id.as_u128())))
        };
        list.await.map_err(|error: Error| error.at(PLACE, "audits"))
    }
}

pub(super) async fn add(db: &mut SqliteConnection, entry: &AuditEntry) -> Result<()> {
    let row = vec![
        entry.id.into(),
        entry.at.into(),
        entry.user_id.as_ref().map(UserId::as_str).into(),
        Value::text(&entry.action),
        Value::text(&entry.target),
        Value::text(entry.outcome),
        Value::json(&entry.detail)?,
    ];
    let mut insert =
        Statement::new("INSERT INTO slate_audit (id, at, user_id, action, target, outcome, detail) VALUES ");
    insert.bind_rows([row]).execute(db).await.map(drop)
}

fn read(row: &SqliteRow) -> Result<AuditEntry> {
    let row = Columns(row);
    Ok(AuditEntry {
        id: row.id("id", AuditId::from_u128)?,
        at: row.time("at")?,
        user_id: row.maybe_parse("user_id")?,
        action: row.text("action")?,
        target: row.text("target")?,
        outcome: row.parse("outcome")?,
        detail: row.json("detail")?,
    })
}
