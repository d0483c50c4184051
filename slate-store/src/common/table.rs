//! What the tables of mutable records have in common.

use super::{Columns, Dialect, Kind, Statement, Value};
use slate_core::{
    Error, Result, Timestamp, Version, WorkerId,
    model::{AssetJob, BuildJob, Lease, Revision, RuntimeSession},
    store::{Cursor, JobRef, Order, Page, PageRequest},
};
use std::collections::BTreeMap;

/// A kind of record and the table that keeps it. Every such table begins with the columns of [`Revision`] and the id.
pub(crate) trait Table: Sized + Send + Sync + 'static {
    const NAME: &'static str;
    /// The columns of its own, without those of the lease.
    const COLUMNS: &'static [(&'static str, Kind)];
    /// The columns of records that it belongs to for good, and the tables of those.
    const OWNERS: &'static [(&'static str, &'static str)] = &[];
    /// The column of a record that it points to, and the table of that.
    const REFERENCE: Option<(&'static str, &'static str)> = None;
    /// Whether it has a lease.
    #[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "SQLite asks each record"))]
    const LEASED: bool = false;
    /// What its lists are asked for by.
    type Query: Send;

    fn bits(&self) -> u128;
    fn revision(&self) -> &Revision;
    /// The values of [`COLUMNS`](Self::COLUMNS), in that order.
    fn values(&self) -> Result<Vec<Value>>;
    fn read<R: Columns>(row: &R, revision: Revision) -> Result<Self>;
    /// Adds what a query wants to a list.
    fn conditions<D: Dialect>(query: Self::Query, list: &mut Statement<D>);

    /// The lease, of what can be leased.
    fn lease(&self) -> Option<&Lease> {
        None
    }

    /// Whether an update to this ends the lease.
    fn ends_lease(&self) -> bool {
        false
    }

    /// The names of its own columns.
    fn names() -> impl Iterator<Item = &'static str> {
        Self::COLUMNS.iter().map(|(name, _)| *name)
    }
}

pub(crate) const LEASE: [(&str, Kind); 4] =
    [("lease_owner", Kind::Text), ("lease_until", Kind::Time), ("attempt", Kind::Int), ("given_back", Kind::Int)];

pub(crate) fn read<T: Table>(row: &impl Columns) -> Result<T> {
    let revision = Revision {
        version: Version(row.number("version")?),
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        deleted_at: row.maybe_time("deleted_at")?,
    };
    T::read(row, revision)
}

pub(crate) fn read_lease(row: &impl Columns) -> Result<Lease> {
    Ok(Lease {
        owner: row.maybe_parse("lease_owner")?,
        until: row.maybe_time("lease_until")?,
        attempt: row.number("attempt")?,
        given_back: row.number("given_back")?,
    })
}

pub(crate) fn lease_values(lease: &Lease) -> [Value; LEASE.len()] {
    [
        Value::from(lease.owner.as_ref().map(WorkerId::as_str)),
        Value::from(lease.until),
        Value::Int(lease.attempt.into()),
        Value::Int(lease.given_back.into()),
    ]
}

/// Selects the live record of an id.
pub(crate) fn select_one<T: Table, D: Dialect>(id: impl Into<Value>) -> Statement<D> {
    let mut select = Statement::new(format!("SELECT * FROM {} WHERE deleted_at IS NULL AND id = ", T::NAME));
    select.bind(id);
    select
}

/// The record that [`select_one`] was to find.
pub(crate) fn found<T: Table>(row: Option<&impl Columns>) -> Result<T> {
    row.map(read).transpose()?.ok_or_else(|| Error::not_found("no such record").with("table", T::NAME))
}

/// Selects the live records that a query wants, and one too many; the page's limit beside it.
pub(crate) fn select_list<T: Table, D: Dialect>(query: T::Query, page: &PageRequest) -> Result<(Statement<D>, usize)> {
    let mut select = Statement::new(format!("SELECT * FROM {} WHERE deleted_at IS NULL", T::NAME));
    T::conditions(query, &mut select);
    let limit = finish_list(&mut select, "created_at", page)?;
    Ok((select, limit))
}

/// The page that [`select_list`] was to find.
pub(crate) fn page<T: Table>(rows: &[impl Columns], limit: usize) -> Result<Page<T>> {
    let found = rows.iter().map(read).collect::<Result<Vec<T>>>()?;
    Ok(Page::from_overfull(found, limit, |record| place_cursor(record.revision().created_at, record.bits())))
}

/// Adds order, start and limit to a list by a time and the id.
pub(crate) fn finish_list<D: Dialect>(statement: &mut Statement<D>, time: &str, page: &PageRequest) -> Result<usize> {
    let limit = page.checked_limit()?;
    let (operator, direction) = direction(page.order);
    if let Some(cursor) = &page.after {
        let (after, bits) = parse_place(cursor)?;
        statement.sql(format_args!(" AND ({time}, id) {operator} ("));
        statement.bind(after).sql(", ").bind(Value::Id(bits)).sql(")");
    }
    statement.sql(format_args!(" ORDER BY {time} {direction}, id {direction} LIMIT ")).bind(one_too_many(limit));
    Ok(limit)
}

pub(crate) const fn direction(order: Order) -> (&'static str, &'static str) {
    match order {
        Order::Ascending => (">", "ASC"),
        Order::Descending => ("<", "DESC"),
    }
}

pub(crate) fn one_too_many(limit: usize) -> Value {
    Value::number(limit as u64 + 1)
}

pub(crate) fn place_cursor(time: Timestamp, bits: u128) -> Cursor {
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

/// Why a record of this version was not there to be changed, from the version that is there.
pub(crate) fn not_current<T: Table>(found: Option<i64>, expected: Version) -> Error {
    match found {
        None => Error::not_found("no such record").with("table", T::NAME),
        Some(version) if u64::try_from(version) == Ok(expected.0) => {
            Error::invalid("a record stays with its project").with("table", T::NAME)
        }
        Some(version) => Error::conflict("the record has changed since it was read")
            .with("table", T::NAME)
            .with("version", version)
            .with("expected", expected),
    }
}

/// Why a record was not made.
pub(crate) fn no_owner<T: Table>() -> Error {
    Error::not_found("a record that this one belongs to isn't there").with("table", T::NAME)
}

/// What this store doesn't know, because a newer core made it.
pub(crate) fn unknown(what: &impl std::fmt::Debug) -> Error {
    let name: String = format!("{what:?}").chars().take_while(|c| c.is_alphanumeric()).collect();
    Error::unsupported("this store doesn't know this kind of change or record").with("kind", name)
}

/// The table and the id of a job.
pub(crate) fn place_of(job: JobRef) -> Result<(&'static str, u128)> {
    match job {
        JobRef::Build(id) => Ok((BuildJob::NAME, id.as_u128())),
        JobRef::AssetJob(id) => Ok((AssetJob::NAME, id.as_u128())),
        JobRef::Session(id) => Ok((RuntimeSession::NAME, id.as_u128())),
        other => Err(Error::unsupported("this store has no such jobs").with("job", format!("{other:?}"))),
    }
}

/// Jobs of one table: their ids and attempts.
pub(crate) type Jobs = Vec<(u128, u32)>;

/// Jobs by the tables that they are in.
pub(crate) fn by_table(held: &[(JobRef, u32)]) -> Result<BTreeMap<&'static str, Jobs>> {
    let mut tables: BTreeMap<_, Jobs> = BTreeMap::new();
    for (job, attempt) in held {
        let (table, id) = place_of(*job)?;
        tables.entry(table).or_default().push((id, *attempt));
    }
    Ok(tables)
}

/// Makes `$call` with each kind of record: `with_record!(record, unknown => each)`.
macro_rules! with_record {
    ($record:expr, $name:ident => $call:expr) => {
        match $record {
            slate_core::store::Record::Project($name) => $call,
            slate_core::store::Record::File($name) => $call,
            slate_core::store::Record::Asset($name) => $call,
            slate_core::store::Record::Session($name) => $call,
            slate_core::store::Record::Build($name) => $call,
            slate_core::store::Record::AssetJob($name) => $call,
            slate_core::store::Record::Template($name) => $call,
            slate_core::store::Record::PoolMember($name) => $call,
            other => Err($crate::common::table::unknown(other)),
        }
    };
}
pub(crate) use with_record;
