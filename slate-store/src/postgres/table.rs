//! Writing records, whatever their kind: one or many by one statement.

use super::sql::Statement;
use crate::common::{
    Columns, Kind, Value,
    table::{LEASE, Table, lease_values, no_owner, not_current},
};
use slate_core::{
    Error, Result, Version, WorkerId,
    model::{Asset, AssetJob, BuildJob, FileRecord, PoolMember, Project, RuntimeSession, Template},
    store::Record,
};
use sqlx::PgConnection;
use std::collections::BTreeSet;

/// A table whose records can be told from others.
pub(super) trait Kindred: Table {
    /// The record, where it is of this kind.
    fn of(record: &Record) -> Option<&Self>;
}

macro_rules! kindred {
    ($($variant:ident $kind:ident),*) => {$(
        impl Kindred for $kind {
            fn of(record: &Record) -> Option<&Self> {
                if let Record::$variant(record) = record { Some(record) } else { None }
            }
        }
    )*};
}

kindred!(Project Project, File FileRecord, Asset Asset, Session RuntimeSession, Build BuildJob, AssetJob AssetJob,
    Template Template, PoolMember PoolMember);

/// Says that the lease of the record that is changed must be this.
#[derive(Clone, Copy)]
pub(super) struct Holder<'a> {
    pub(super) worker: &'a WorkerId,
    pub(super) attempt: u32,
}

/// Adds a statement that makes records, if all that each belongs to is live, and yields the ids of those made.
pub(super) fn insert<T: Table>(statement: &mut Statement, records: &[&T]) -> Result<()> {
    let mut columns = vec![("id", Kind::Id), ("created_at", Kind::Time)];
    columns.extend(T::COLUMNS);
    if T::LEASED {
        columns.extend(LEASE);
    }
    let row = |record: &&T| {
        let mut row = vec![Value::Id(record.bits()), record.revision().created_at.into()];
        row.extend(record.values()?);
        row.extend(record.lease().into_iter().flat_map(lease_values));
        Ok(row)
    };
    let rows = records.iter().map(row).collect::<Result<Vec<_>>>()?;
    let own: Vec<&str> = columns.iter().skip(2).map(|(name, _)| *name).collect();
    let (into, from) = (own.join(", "), own.join(", w."));
    statement.sql(format_args!("INSERT INTO {} (id, version, created_at, updated_at, {into}) ", T::NAME));
    statement.sql(format_args!("SELECT w.id, 1, w.created_at, w.created_at, w.{from} FROM "));
    statement.rows_as("w", &columns, rows).sql(" WHERE true");
    for (column, table) in T::OWNERS {
        statement.sql(format_args!(" AND {}", is_live(column, table)));
    }
    if let Some((column, table)) = T::REFERENCE {
        statement.sql(format_args!(" AND (w.{column} IS NULL OR {})", is_live(column, table)));
    }
    statement.sql(" ORDER BY w.n RETURNING id");
    Ok(())
}

fn is_live(column: &str, table: &str) -> String {
    format!("EXISTS (SELECT 1 FROM {table} AS o WHERE o.deleted_at IS NULL AND o.id = w.{column})")
}

/// Adds a statement that replaces records which still have their versions, and yields the ids of those replaced.
///
/// `holders` are those of the records' leases, in their order; or none, and then nobody is asked for.
pub(super) fn update<T: Table>(statement: &mut Statement, records: &[&T], holders: &[Holder<'_>]) -> Result<()> {
    let mut columns = vec![("id", Kind::Id), ("version", Kind::Int), ("ends", Kind::Flag)];
    columns.extend(T::COLUMNS);
    if !holders.is_empty() {
        columns.extend([("held_by", Kind::Text), ("held_as", Kind::Int)]);
    }
    let row = |(index, record): (usize, &&T)| {
        let version = Value::number(record.revision().version.0);
        let mut row = vec![Value::Id(record.bits()), version, record.ends_lease().into()];
        row.extend(record.values()?);
        if let Some(holder) = holders.get(index) {
            row.extend([Value::text(holder.worker), Value::Int(holder.attempt.into())]);
        }
        Ok(row)
    };
    let rows = records.iter().enumerate().map(row).collect::<Result<Vec<_>>>()?;
    let is_owner = |name: &str| T::OWNERS.iter().any(|(owner, _)| *owner == name);
    statement.sql(format_args!("UPDATE {} AS t SET version = t.version + 1, updated_at = now()", T::NAME));
    for name in T::names().filter(|name| !is_owner(name)) {
        statement.sql(format_args!(", {name} = w.{name}"));
    }
    if T::LEASED {
        statement.sql(", lease_owner = CASE WHEN w.ends THEN NULL ELSE t.lease_owner END");
        statement.sql(", lease_until = CASE WHEN w.ends THEN NULL ELSE t.lease_until END");
    }
    statement.sql(" FROM ").rows_as("w", &columns, rows);
    statement.sql(" WHERE t.id = w.id AND t.version = w.version AND t.deleted_at IS NULL");
    for (owner, _) in T::OWNERS {
        statement.sql(format_args!(" AND t.{owner} = w.{owner}"));
    }
    if !holders.is_empty() {
        statement.sql(" AND t.lease_owner = w.held_by AND t.attempt = w.held_as");
    }
    statement.sql(" RETURNING t.id");
    Ok(())
}

/// Adds a statement that softly deletes records of these versions, and yields the ids of those deleted.
pub(super) fn delete<T: Table>(statement: &mut Statement, records: &[(u128, Version)]) {
    let rows = records.iter().map(|(id, version)| vec![Value::Id(*id), Value::number(version.0)]).collect();
    statement.sql(format_args!("UPDATE {} AS t SET version = t.version + 1, ", T::NAME));
    statement.sql("updated_at = now(), deleted_at = now() FROM ");
    statement.rows_as("w", &[("id", Kind::Id), ("version", Kind::Int)], rows);
    statement.sql(" WHERE t.id = w.id AND t.version = w.version AND t.deleted_at IS NULL RETURNING t.id");
}

/// The first of these ids that the statement didn't yield.
pub(super) async fn first_left_out(
    db: &mut PgConnection,
    statement: &Statement,
    ids: impl Iterator<Item = u128> + Send,
) -> Result<Option<u128>> {
    let rows = statement.rows(db).await?;
    let done = rows.iter().map(|row| row.id("id", |bits| bits)).collect::<Result<BTreeSet<u128>>>()?;
    Ok(ids.into_iter().find(|id| !done.contains(id)))
}

/// Why a record was not made.
pub(super) fn not_made<T: Table>() -> Error {
    no_owner::<T>()
}

/// Why a record of this version was not there to be changed.
pub(super) async fn why_not<T: Table>(db: &mut PgConnection, id: u128, expected: Version) -> Error {
    let mut select = Statement::new(format!("SELECT version FROM {} WHERE deleted_at IS NULL AND id = ", T::NAME));
    select.bind(Value::Id(id));
    match select.row(db).await.and_then(|row| row.map(|row| row.int("version")).transpose()) {
        Ok(found) => not_current::<T>(found, expected),
        Err(error) => error,
    }
}
