//! What the tables of mutable records have in common.

use super::sql::{Columns, Statement, Value};
use slate_core::{
    Error, Result, Timestamp, Version, WorkerId,
    model::{Lease, Revision},
    store::{Cursor, Order, Page, PageRequest},
};
use sqlx::{SqliteConnection, SqlitePool, sqlite::SqliteRow};

/// A kind of record and the table that keeps it. Every such table begins with the columns of [`Revision`] and the id.
pub(super) trait Table: Sized + Send + Sync + 'static {
    const NAME: &'static str;
    /// The columns of its own, without those of the lease.
    const COLUMNS: &'static [&'static str];
    /// The columns of records that it belongs to for good, and the tables of those.
    const OWNERS: &'static [(&'static str, &'static str)] = &[];
    /// The column of a record that it points to, and the table of that.
    const REFERENCE: Option<(&'static str, &'static str)> = None;

    fn bits(&self) -> u128;
    fn revision(&self) -> &Revision;
    /// The values of [`COLUMNS`](Self::COLUMNS), in that order.
    fn values(&self) -> Result<Vec<Value>>;
    fn read(row: &Columns<'_>, revision: Revision) -> Result<Self>;

    /// The lease, of what can be leased.
    fn lease(&self) -> Option<&Lease> {
        None
    }

    /// Whether an update to this ends the lease.
    fn ends_lease(&self) -> bool {
        false
    }
}

const LEASE: [&str; 4] = ["lease_owner", "lease_until", "attempt", "given_back"];

pub(super) fn read<T: Table>(row: &SqliteRow) -> Result<T> {
    let columns = Columns(row);
    let revision = Revision {
        version: Version(columns.number("version")?),
        created_at: columns.time("created_at")?,
        updated_at: columns.time("updated_at")?,
        deleted_at: columns.maybe_time("deleted_at")?,
    };
    T::read(&columns, revision)
}

pub(super) fn read_lease(row: &Columns<'_>) -> Result<Lease> {
    Ok(Lease {
        owner: row.maybe_parse("lease_owner")?,
        until: row.maybe_time("lease_until")?,
        attempt: row.number("attempt")?,
        given_back: row.number("given_back")?,
    })
}

/// The live record of this id.
pub(super) async fn get<T: Table>(pool: &SqlitePool, id: impl Into<Value>) -> Result<T> {
    let mut statement = Statement::new(format!("SELECT * FROM {} WHERE deleted_at IS NULL AND id = ", T::NAME));
    let row = statement.bind(id).row(pool).await?;
    row.as_ref().map(read).transpose()?.ok_or_else(|| Error::not_found("no such record").with("table", T::NAME))
}

/// The live records for which the conditions hold.
pub(super) async fn list<T: Table>(
    pool: &SqlitePool,
    page: &PageRequest,
    conditions: impl FnOnce(&mut Statement),
) -> Result<Page<T>> {
    let mut statement = Statement::new(format!("SELECT * FROM {} WHERE deleted_at IS NULL", T::NAME));
    conditions(&mut statement);
    let limit = finish_list(&mut statement, "created_at", page)?;
    let rows = statement.rows(pool).await?;
    let found = rows.iter().map(read).collect::<Result<Vec<T>>>()?;
    Ok(Page::from_overfull(found, limit, |record| place_cursor(record.revision().created_at, record.bits())))
}

/// Adds order, start and limit to a list by a time and the id.
pub(super) fn finish_list(statement: &mut Statement, time: &str, page: &PageRequest) -> Result<usize> {
    let limit = page.checked_limit()?;
    let (operator, direction) = direction(page.order);
    if let Some(cursor) = &page.after {
        let (after, bits) = parse_place(cursor)?;
        statement
            .sql(format_args!(" AND ({time}, id) {operator} ("))
            .bind(after)
            .sql(", ")
            .bind(Value::id(bits))
            .sql(")");
    }
    statement.sql(format_args!(" ORDER BY {time} {direction}, id {direction} LIMIT ")).bind(one_too_many(limit));
    Ok(limit)
}

pub(super) const fn direction(order: Order) -> (&'static str, &'static str) {
    match order {
        Order::Ascending => (">", "ASC"),
        Order::Descending => ("<", "DESC"),
    }
}

pub(super) fn one_too_many(limit: usize) -> Value {
    Value::number(limit as u64 + 1)
}

pub(super) fn place_cursor(time: Timestamp, bits: u128) -> Cursor {
    Cursor::new(format!("{}:{bits:032x}", time.as_micros()))
}

fn parse_place(cursor: &Cursor) -> Result<(Timestamp, u128)> {
    cursor
        .as_str()
        .split_once(':')
        .and_then(|(time, bits)| Some((time.parse().ok()?, u128::from_str_radix(bits, 16).ok()?)))
        .map(|(time, bits)| (Timestamp::from_micros(time), bits))
        .ok_or_else(|| Error::invalid("not a cursor of this query"))
}

/// Makes a record, if all that it belongs to is live.
pub(super) async fn insert<T: Table>(db: &mut SqliteConnection, record: &T) -> Result<()> {
    let values = record.values()?;
    let made = record.revision().created_at;
    let columns = T::COLUMNS.join(", ");
    let mut insert = Statement::new(format!("INSERT INTO {} (id, version, created_at, updated_at, {columns}", T::NAME));
    if record.lease().is_some() {
        insert.sql(", ").sql(LEASE.join(", "));
    }
    insert.sql(") SELECT ").bind(Value::id(record.bits())).sql(", 1, ").bind_all([made, made]).sql(", ");
    insert.bind_all(values.clone());
    if let Some(lease) = record.lease() {
        insert.sql(", ").bind_all(lease_values(lease));
    }
    insert.sql(" WHERE true");
    for (column, table) in T::OWNERS.iter().chain(&T::REFERENCE) {
        let parent = T::COLUMNS.iter().position(|name| name == column).and_then(|index| values.get(index));
        let Some(parent) = parent.filter(|parent| **parent != Value::Null) else { continue };
        insert.sql(format_args!(" AND EXISTS (SELECT 1 FROM {table} WHERE deleted_at IS NULL AND id = "));
        insert.bind(parent.clone()).sql(")");
    }
    match insert.execute(db).await? {
        0 => Err(Error::not_found("a record that this one belongs to isn't there").with("table", T::NAME)),
        _ => Ok(()),
    }
}

fn lease_values(lease: &Lease) -> [Value; 4] {
    [
        Value::from(lease.owner.as_ref().map(WorkerId::as_str)),
        Value::from(lease.until),
        Value::Int(lease.attempt.into()),
        Value::Int(lease.given_back.into()),
    ]
}

/// Replaces a record of the same version; its next version.
pub(super) async fn update<T: Table>(db: &mut SqliteConnection, record: &T, now: Timestamp) -> Result<Version> {
    let values = record.values()?;
    let version = record.revision().version;
    let mut update = Statement::new(format!("UPDATE {} SET version = version + 1, updated_at = ", T::NAME));
    update.bind(now);
    for (column, value) in T::COLUMNS.iter().zip(&values) {
        update.sql(format_args!(", {column} = ")).bind(value.clone());
    }
    if record.ends_lease() {
        update.sql(", lease_owner = NULL, lease_until = NULL");
    }
    update.sql(" WHERE deleted_at IS NULL AND id = ").bind(Value::id(record.bits()));
    update.sql(" AND version = ").bind(Value::number(version.0));
    for (column, value) in T::COLUMNS.iter().zip(&values) {
        if T::OWNERS.iter().any(|(owner, _)| owner == column) {
            update.and_equal(column, Some(value.clone()));
        }
    }
    match update.execute(&mut *db).await? {
        0 => Err(not_current::<T>(db, record.bits(), version).await),
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
    delete.bind(now).sql(", deleted_at = ").bind(now).sql(" WHERE deleted_at IS NULL AND id = ").bind(Value::id(id));
    match delete.sql(" AND version = ").bind(Value::number(version.0)).execute(&mut *db).await? {
        0 => Err(not_current::<T>(db, id, version).await),
        _ => Ok(()),
    }
}

/// Why a record of this version was not found to be changed.
async fn not_current<T: Table>(db: &mut SqliteConnection, id: u128, expected: Version) -> Error {
    let mut select = Statement::new(format!("SELECT version FROM {} WHERE deleted_at IS NULL AND id = ", T::NAME));
    let found = match select.bind(Value::id(id)).row(db).await {
        Ok(row) => row.map(|row| Columns(&row).int("version")).transpose(),
        Err(error) => Err(error),
    };
    match found {
        Ok(None) => Error::not_found("no such record").with("table", T::NAME),
        Ok(Some(version)) if u64::try_from(version) == Ok(expected.0) => {
            Error::invalid("a record stays with its project").with("table", T::NAME)
        }
        Ok(Some(version)) => Error::conflict("the record has changed since it was read")
            .with("table", T::NAME)
            .with("version", version)
            .with("expected", expected),
        Err(error) => error,
    }
}
