//! How Postgres's statements look, run, and answer.
//!
//! A statement's text hardly depends on how many rows it is about: rows go in as one array for each column, and `unnest`
//! makes a table of them; a column whose values are all the same goes in once. So each text is prepared once for a
//! connection.

use super::{
    encode::{Param, element},
    error::failed,
};
use crate::common::{self, Columns, Dialect, Kind, Value};
use serde::de::DeserializeOwned;
use slate_core::{Error, Result, Timestamp};
use sqlx::{AssertSqlSafe, PgConnection, Postgres, Row as _, ValueRef as _, postgres::PgArguments, postgres::PgRow};

/// A statement of Postgres's.
pub(super) type Statement = common::Statement<Pg>;

/// Postgres's dialect.
pub(crate) struct Pg;

impl Dialect for Pg {
    type Param = Param;

    fn place(number: usize, sql: &mut String) {
        sql.push('$');
        sql.push_str(&number.to_string());
    }

    fn starts_with(statement: &mut Statement, column: &str, prefix: String) {
        statement.sql(format_args!("starts_with({column}, ")).bind(Value::Text(prefix)).sql(")");
    }

    fn contains(statement: &mut Statement, column: &str, text: &str) {
        statement.sql(format_args!("strpos({column}, ")).bind(text).sql(") > 0");
    }
}

impl Statement {
    /// Adds rows as a table of this name, with a column `n` that counts them from 1.
    ///
    /// One row is a row of constants, which the planner looks up by index; several are arrays.
    pub(super) fn rows_as(&mut self, name: &str, columns: &[(&str, Kind)], rows: Vec<Vec<Value>>) -> &mut Self {
        if rows.len() == 1 {
            self.sql("(SELECT ");
            for ((column, kind), value) in columns.iter().zip(rows.into_iter().flatten()) {
                self.bind(value).sql(format_args!("::{} AS {column}, ", kind_name(*kind)));
            }
            return self.sql(format_args!("1::bigint AS n) AS {name}"));
        }
        let mut values: Vec<Vec<Value>> = columns.iter().map(|_| Vec::with_capacity(rows.len())).collect();
        for row in rows {
            values.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
        }
        self.columns_as(name, columns, values, true)
    }

    /// Adds columns, the values of several rows in each, as a table of this name; `numbered`, with the column `n`.
    ///
    /// What all rows have alike, which is much in a batch of one project or one session, goes once instead of as an array.
    pub(super) fn columns_as(
        &mut self,
        name: &str,
        columns: &[(&str, Kind)],
        mut values: Vec<Vec<Value>>,
        numbered: bool,
    ) -> &mut Self {
        let mut alike: Vec<bool> = values.iter().map(|values| all_alike(values)).collect();
        if let (true, [first, ..]) = (alike.iter().all(|alike| *alike), alike.as_mut_slice()) {
            // The arrays say how many rows there are.
            *first = false;
        }
        let (mut names, mut comma) = (String::new(), "");
        self.sql("(SELECT ");
        for (((column, kind), values), alike) in columns.iter().zip(&mut values).zip(&alike) {
            self.sql(std::mem::replace(&mut comma, ", "));
            match values.pop_if(|_| *alike) {
                Some(value) => {
                    self.bind(value).sql(format_args!("::{} AS {column}", kind_name(*kind)));
                }
                None => {
                    let cast = if element(*kind) == *kind { "" } else { "::jsonb" };
                    self.sql(format_args!("a.{column}{cast}"));
                    names.push_str(if names.is_empty() { "" } else { ", " });
                    names.push_str(column);
                }
            }
        }
        let (number, ordinality) = if numbered { (", n", " WITH ORDINALITY") } else { ("", "") };
        self.sql(format_args!("{number} FROM unnest("));
        let arrays = columns.iter().zip(values).zip(&alike).filter(|(_, alike)| !**alike);
        for (index, (((_, kind), values), _)) in arrays.enumerate() {
            self.sql(if index > 0 { ", " } else { "" });
            self.bind_param(Param::Array(*kind, values)).sql(format_args!("::{}[]", kind_name(element(*kind))));
        }
        // A table of its own: were it merged into the statement, the planner might look rows up by what they have alike, and
        // go through all those of a project.
        self.sql(format_args!("){ordinality} AS a ({names}{number}) OFFSET 0) AS {name}"))
    }

    /// Adds the time so much after the transaction's start, by the database's clock.
    pub(super) fn bind_later(&mut self, after: std::time::Duration) -> &mut Self {
        // More than a hundred years is for ever.
        const MOST: u128 = 100 * 366 * 24 * 3600 * 1_000_000;
        let micros = i64::try_from(after.as_micros().min(MOST)).unwrap_or(i64::MAX);
        self.sql("now() + ").bind(Value::Int(micros)).sql("::bigint * interval '1 microsecond'")
    }

    /// Runs it; the number of rows that it changed.
    pub(super) async fn execute(&self, db: &mut PgConnection) -> Result<u64> {
        self.query()?.execute(db).await.map(|done| done.rows_affected()).map_err(failed)
    }

    /// Runs it; the rows that it yields.
    pub(super) async fn rows(&self, db: &mut PgConnection) -> Result<Vec<PgRow>> {
        self.query()?.fetch_all(db).await.map_err(failed)
    }

    /// Runs it; the first row that it yields.
    pub(super) async fn row(&self, db: &mut PgConnection) -> Result<Option<PgRow>> {
        self.query()?.fetch_optional(db).await.map_err(failed)
    }

    fn query<'q>(&self) -> Result<sqlx::query::Query<'q, Postgres, PgArguments>> {
        use sqlx::Arguments as _;
        let (sql, params, keep) = self.parts();
        let mut arguments = PgArguments::default();
        for param in params {
            let added = arguments.add(param);
            added.map_err(|error| Error::limit_exceeded("a value is too large for the database").because(error))?;
        }
        Ok(sqlx::query_with(AssertSqlSafe(sql.to_owned()), arguments).persistent(keep))
    }
}

/// Whether these are many values and all are the same. Of few it isn't asked: each answer makes another statement to prepare.
fn all_alike(values: &[Value]) -> bool {
    const MANY: usize = 16;
    matches!(values, [first, rest @ ..] if values.len() >= MANY && rest.iter().all(|value| value == first))
}

const fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Int => "bigint",
        Kind::Real => "float8",
        Kind::Flag => "boolean",
        Kind::Text => "text",
        Kind::Json => "jsonb",
        Kind::Time => "timestamptz",
        Kind::Id => "uuid",
    }
}

impl Columns for PgRow {
    fn maybe_int(&self, column: &'static str) -> Result<Option<i64>> {
        self.try_get(column).map_err(failed)
    }

    fn maybe_real(&self, column: &'static str) -> Result<Option<f64>> {
        self.try_get(column).map_err(failed)
    }

    fn maybe_flag(&self, column: &'static str) -> Result<Option<bool>> {
        self.try_get(column).map_err(failed)
    }

    fn maybe_time(&self, column: &'static str) -> Result<Option<Timestamp>> {
        let micros = bytes(self, column)?.map(|bytes| <[u8; 8]>::try_from(bytes).map(i64::from_be_bytes));
        Ok(micros.transpose().map_err(|_| common::damaged(column))?.map(super::encode::read_time))
    }

    fn maybe_text(&self, column: &'static str) -> Result<Option<String>> {
        self.try_get(column).map_err(failed)
    }

    fn maybe_bits(&self, column: &'static str) -> Result<Option<u128>> {
        let bits = bytes(self, column)?.map(|bytes| <[u8; 16]>::try_from(bytes).map(u128::from_be_bytes));
        bits.transpose().map_err(|_| common::damaged(column))
    }

    fn maybe_json<T: DeserializeOwned>(&self, column: &'static str) -> Result<Option<T>> {
        // The first byte is the version of jsonb's binary form; the rest is JSON.
        let parse = |bytes: &[u8]| match bytes {
            [1, json @ ..] => serde_json::from_slice(json).map_err(|error| common::damaged(column).because(error)),
            _ => Err(common::damaged(column)),
        };
        bytes(self, column)?.map(parse).transpose()
    }
}

/// The binary form of a value.
fn bytes<'r>(row: &'r PgRow, column: &'static str) -> Result<Option<&'r [u8]>> {
    let value = row.try_get_raw(column).map_err(failed)?;
    if value.is_null() {
        return Ok(None);
    }
    value.as_bytes().map(Some).map_err(|error| common::damaged(column).because(error))
}
