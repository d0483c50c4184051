//! Reading and writing records, whatever their kind.

use super::{SqliteStore, sql::Statement};
use crate::common::{
    Columns, Value,
    table::{self, LEASE, Table, lease_values, no_owner, not_current},
};
use slate_core::{
    Result, Timestamp, Version,
    store::{Page, PageRequest},
};
use sqlx::SqliteConnection;

impl SqliteStore {
    /// The live record of this id.
    pub(super) async fn get<T: Table>(&self, id: impl Into<Value>) -> Result<T> {
        let row = table::select_one::<T, _>(id).row(&self.readers).await?;
        table::found(row.as_ref())
    }

    /// The live records that a query wants.
    pub(super) async fn list<T: Table>(&self, query: T::Query, page: &PageRequest) -> Result<Page<T>> {
        let (select, limit) = table::select_list::<T, _>(query, page)?;
        table::page(&select.rows(&self.readers).await?, limit)
    }
}

/// Makes a record, if all that it belongs to is live.
pub(super) async fn insert<T: Table>(db: &mut SqliteConnection, record: &T) -> Result<()> {
    let values = record.values()?;
    let made = record.revision().created_at;
    let columns = T::names().collect::<Vec<_>>().join(", ");
    let mut insert = Statement::new(format!("INSERT INTO {} (id, version, created_at, updated_at, {columns}", T::NAME));
    if record.lease().is_some() {
        insert.sql(", ").sql(LEASE.map(|(name, _)| name).join(", "));
    }
    insert.sql(") SELECT ").bind(Value::Id(record.bits())).sql(", 1, ").bind_all([made, made]).sql(", ");
    insert.bind_all(values.clone());
    if let Some(lease) = record.lease() {
        insert.sql(", ").bind_all(lease_values(lease));
    }
    insert.sql(" WHERE true");
    for (column, table) in T::OWNERS.iter().chain(&T::REFERENCE) {
        let parent = T::names().position(|name| name == *column).and_then(|index| values.get(index));
        let Some(parent) = parent.filter(|parent| **parent != Value::Null) else { continue };
        insert.sql(format_args!(" AND EXISTS (SELECT 1 FROM {table} WHERE deleted_at IS NULL AND id = "));
        insert.bind(parent.clone()).sql(")");
    }
    match insert.execute(db).await? {
        0 => Err(no_owner::<T>()),
        _ => Ok(()),
    }
}

/// Replaces a record of the same version; its next version.
pub(super) async fn update<T: Table>(db: &mut SqliteConnection, record: &T, now: Timestamp) -> Result<Version> {
    let values = record.values()?;
    let version = record.revision().version;
    let mut update = Statement::new(format!("UPDATE {} SET version = version + 1, updated_at = ", T::NAME));
    update.bind(now);
    for (column, value) in T::names().zip(&values) {
        update.sql(format_args!(", {column} = ")).bind(value.clone());
    }
    if record.ends_lease() {
        update.sql(", lease_owner = NULL, lease_until = NULL");
    }
    update.sql(" WHERE deleted_at IS NULL AND id = ").bind(Value::Id(record.bits()));
    update.sql(" AND version = ").bind(Value::number(version.0));
    for (column, value) in T::names().zip(&values) {
        if T::OWNERS.iter().any(|(owner, _)| *owner == column) {
            update.and_equal(column, Some(value.clone()));
        }
    }
    match update.execute(&mut *db).await? {
        0 => Err(why_not::<T>(db, record.bits(), version).await),
        _ => Ok(version.next()),
    }
}

/// Softly deletes a record of this version.
pub(super) async fn delete<T: Table>(
    db: &mut SqliteConnection,
    id: u128,
    version: Version,
    now: Timestamp,
) -> Result<()> {
    let mut delete = Statement::new(format!("UPDATE {} SET version = version + 1, updated_at = ", T::NAME));
    delete.bind(now).sql(", deleted_at = ").bind(now).sql(" WHERE deleted_at IS NULL AND id = ").bind(Value::Id(id));
    delete.sql(" AND version = ").bind(Value::number(version.0));
    match delete.execute(&mut *db).await? {
        0 => Err(why_not::<T>(db, id, version).await),
        _ => Ok(()),
    }
}

/// Why a record of this version was not found to be changed.
async fn why_not<T: Table>(db: &mut SqliteConnection, id: u128, expected: Version) -> slate_core::Error {
    let mut select = Statement::new(format!("SELECT version FROM {} WHERE deleted_at IS NULL AND id = ", T::NAME));
    select.bind(Value::Id(id));
    match select.row(db).await.and_then(|row| row.map(|row| row.int("version")).transpose()) {
        Ok(found) => not_current::<T>(found, expected),
        Err(error) => error,
    }
}
