//! How SQLite's statements look, run, and answer.
//!
//! Ids are kept as 16 bytes, times as microseconds since the epoch, JSON as text, flags as 0 and 1.

use super::error::failed;
use crate::common::{self, Columns, Dialect, Value};
use serde::de::DeserializeOwned;
use slate_core::{Result, Timestamp};
use sqlx::{AssertSqlSafe, Row as _, Sqlite, sqlite::SqliteArguments, sqlite::SqliteRow};

/// A statement of SQLite's.
pub(super) type Statement = common::Statement<Lite>;

/// SQLite's dialect.
pub(crate) struct Lite;

impl Dialect for Lite {
    type Param = Value;

    fn place(_number: usize, sql: &mut String) {
        // Without a number: SQLite would look each number up among all before it.
        sql.push('?');
    }

    fn starts_with(statement: &mut Statement, column: &str, prefix: String) {
        let length = i64::try_from(prefix.chars().count()).unwrap_or(i64::MAX);
        statement.sql(format_args!("substr({column}, 1, ")).bind(Value::Int(length)).sql(") = ");
        statement.bind(Value::Text(prefix));
    }

    fn contains(statement: &mut Statement, column: &str, text: &str) {
        statement.sql(format_args!("instr({column}, ")).bind(text).sql(") > 0");
    }
}

/// Most rows of one statement: where more no longer made it quicker. Full ones are many, so these are kept prepared.
pub(super) const CHUNK: usize = 500;

impl Statement {
    /// Adds rows, each in parentheses, joined by commas.
    pub(super) fn bind_rows(&mut self, rows: impl IntoIterator<Item = Vec<Value>>) -> &mut Self {
        let mut count = 0;
        for row in rows {
            self.sql(if count > 0 { ", (" } else { "(" }).bind_all(row).sql(")");
            count += 1;
        }
        if matches!(count, 1 | CHUNK) { self } else { self.once() }
    }

    /// Runs it; the number of rows that it changed.
    pub(super) async fn execute(self, db: impl sqlx::Executor<'_, Database = Sqlite>) -> Result<u64> {
        self.query().execute(db).await.map(|done| done.rows_affected()).map_err(failed)
    }

    /// Runs it; the rows that it yields.
    pub(super) async fn rows(self, db: impl sqlx::Executor<'_, Database = Sqlite>) -> Result<Vec<SqliteRow>> {
        self.query().fetch_all(db).await.map_err(failed)
    }

    /// Runs it; the first row that it yields.
    pub(super) async fn row(self, db: impl sqlx::Executor<'_, Database = Sqlite>) -> Result<Option<SqliteRow>> {
        self.query().fetch_optional(db).await.map_err(failed)
    }

    fn query<'q>(self) -> sqlx::query::Query<'q, Sqlite, SqliteArguments> {
        let (sql, params, keep) = self.into_parts();
        let query = sqlx::query(AssertSqlSafe(sql)).persistent(keep);
        params.into_iter().fold(query, |query, param| match param {
            Value::Null => query.bind(None::<i64>),
            Value::Int(value) => query.bind(value),
            Value::Real(value) => query.bind(value),
            Value::Flag(value) => query.bind(value),
            Value::Text(value) | Value::Json(value) => query.bind(value),
            Value::Time(value) => query.bind(value.as_micros()),
            Value::Id(bits) => query.bind(bits.to_be_bytes().to_vec()),
        })
    }
}

impl Columns for SqliteRow {
    fn maybe_int(&self, column: &'static str) -> Result<Option<i64>> {
        self.try_get(column).map_err(failed)
    }

    fn maybe_real(&self, column: &'static str) -> Result<Option<f64>> {
        self.try_get(column).map_err(failed)
    }

    fn maybe_flag(&self, column: &'static str) -> Result<Option<bool>> {
        Ok(self.maybe_int(column)?.map(|flag| flag != 0))
    }

    fn maybe_time(&self, column: &'static str) -> Result<Option<Timestamp>> {
        Ok(self.maybe_int(column)?.map(Timestamp::from_micros))
    }

    fn maybe_text(&self, column: &'static str) -> Result<Option<String>> {
        self.try_get(column).map_err(failed)
    }

    fn maybe_bits(&self, column: &'static str) -> Result<Option<u128>> {
        let bytes: Option<Vec<u8>> = self.try_get(column).map_err(failed)?;
        let Some(bytes) = bytes else { return Ok(None) };
        let bytes = bytes.try_into().map_err(|_| common::damaged(column))?;
        Ok(Some(u128::from_be_bytes(bytes)))
    }

    fn maybe_json<T: DeserializeOwned>(&self, column: &'static str) -> Result<Option<T>> {
        let text: Option<&str> = self.try_get(column).map_err(failed)?;
        text.map(|text| serde_json::from_str(text).map_err(|error| common::damaged(column).because(error))).transpose()
    }
}
