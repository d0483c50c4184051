//! Statements and rows: how the model's values are written into columns and read from them.

use super::error::failed;
use serde::{Serialize, de::DeserializeOwned};
use slate_core::{Error, Result, Timestamp};
use sqlx::{QueryBuilder, Row as _, Sqlite, sqlite::SqliteRow};
use std::{fmt::Display, str::FromStr};

/// A value of a column.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Int(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

impl Value {
    /// What has words of its own as text: ids, enums, paths.
    pub(super) fn text(value: impl Display) -> Self {
        Self::Text(value.to_string())
    }

    /// A checked number, as [`ChangeSet::check`](slate_core::store::ChangeSet::check) lets through.
    pub(super) fn number(value: u64) -> Self {
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }

    /// Anything as JSON.
    pub(super) fn json(value: &impl Serialize) -> Result<Self> {
        serde_json::to_string(value)
            .map(Self::Text)
            .map_err(|error| Error::invalid("a value is no JSON").because(error))
    }

    pub(super) fn id(bits: u128) -> Self {
        Self::Blob(bits.to_be_bytes().into())
    }
}

impl From<Timestamp> for Value {
    fn from(time: Timestamp) -> Self {
        Self::Int(time.as_micros())
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Int(value.into())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

macro_rules! ids {
    ($($id:ident),*) => {$(
        impl From<slate_core::$id> for Value {
            fn from(id: slate_core::$id) -> Self {
                Self::id(id.as_u128())
            }
        }
    )*};
}

ids!(ProjectId, FileId, AssetId, SessionId, BuildId, AssetJobId, TemplateId, AuditId, EventId, LogId);

/// A statement that is put together; every value is bound, never written into the text.
pub(super) struct Statement {
    builder: QueryBuilder<Sqlite>,
    /// Whether the connection keeps it prepared: a text that varies with the number of rows would only push out others.
    keep: bool,
}

/// Most rows of one statement: where more no longer made it quicker. Full ones are many, so these are kept prepared.
pub(super) const CHUNK: usize = 500;

impl Statement {
    pub(super) fn new(sql: impl Into<String>) -> Self {
        Self { builder: QueryBuilder::new(sql), keep: true }
    }

    /// Adds SQL, which never holds a caller's words.
    pub(super) fn sql(&mut self, sql: impl Display) -> &mut Self {
        self.builder.push(sql);
        self
    }

    /// Adds a value.
    pub(super) fn bind(&mut self, value: impl Into<Value>) -> &mut Self {
        match value.into() {
            Value::Null => self.builder.push_bind(None::<i64>),
            Value::Int(value) => self.builder.push_bind(value),
            Value::Real(value) => self.builder.push_bind(value),
            Value::Text(value) => self.builder.push_bind(value),
            Value::Blob(value) => self.builder.push_bind(value),
        };
        self
    }

    /// Adds values, joined by commas.
    pub(super) fn bind_all(&mut self, values: impl IntoIterator<Item = impl Into<Value>>) -> &mut Self {
        for (index, value) in values.into_iter().enumerate() {
            if index > 0 {
                self.sql(", ");
            }
            self.bind(value);
        }
        self
    }

    /// Adds rows, each in parentheses, joined by commas.
    pub(super) fn bind_rows(&mut self, rows: impl IntoIterator<Item = Vec<Value>>) -> &mut Self {
        let mut count = 0;
        for row in rows {
            self.sql(if count > 0 { ", (" } else { "(" }).bind_all(row).sql(")");
            count += 1;
        }
        self.keep = matches!(count, 1 | CHUNK);
        self
    }

    /// Adds `AND column = value`, where a value is wanted.
    pub(super) fn and_equal<V: Into<Value>>(&mut self, column: &str, value: Option<V>) -> &mut Self {
        self.and(column, "=", value)
    }

    /// Adds `AND column operator value`, where a value is wanted.
    pub(super) fn and<V: Into<Value>>(&mut self, column: &str, operator: &str, value: Option<V>) -> &mut Self {
        if let Some(value) = value {
            self.sql(format_args!(" AND {column} {operator} ")).bind(value);
        }
        self
    }

    /// Adds `AND column IN (values)`, where values are wanted.
    pub(super) fn and_in(&mut self, column: &str, values: Option<Vec<impl Display>>) -> &mut Self {
        if let Some(values) = values {
            self.sql(format_args!(" AND {column} IN (")).bind_all(values.into_iter().map(Value::text)).sql(")");
        }
        self
    }

    /// Adds that the column starts with a text, where one is wanted. Not LIKE: that has wildcards and ignores case.
    pub(super) fn and_starts_with(&mut self, column: &str, prefix: Option<String>) -> &mut Self {
        if let Some(prefix) = prefix {
            let length = i64::try_from(prefix.chars().count()).unwrap_or(i64::MAX);
            self.sql(format_args!(" AND substr({column}, 1, ")).bind(Value::Int(length)).sql(") = ");
            self.bind(Value::Text(prefix));
        }
        self
    }

    /// Runs it; the number of rows that it changed.
    pub(super) async fn execute(&mut self, db: impl sqlx::Executor<'_, Database = Sqlite>) -> Result<u64> {
        self.builder.build().persistent(self.keep).execute(db).await.map(|done| done.rows_affected()).map_err(failed)
    }

    /// Runs it; the rows that it yields.
    pub(super) async fn rows(&mut self, db: impl sqlx::Executor<'_, Database = Sqlite>) -> Result<Vec<SqliteRow>> {
        self.builder.build().persistent(self.keep).fetch_all(db).await.map_err(failed)
    }

    /// Runs it; the first row that it yields.
    pub(super) async fn row(&mut self, db: impl sqlx::Executor<'_, Database = Sqlite>) -> Result<Option<SqliteRow>> {
        self.builder.build().persistent(self.keep).fetch_optional(db).await.map_err(failed)
    }
}

/// A row that is read column by column.
pub(super) struct Columns<'a>(pub(super) &'a SqliteRow);

impl Columns<'_> {
    pub(super) fn int(&self, column: &str) -> Result<i64> {
        self.0.try_get(column).map_err(failed)
    }

    /// An integer of any width.
    pub(super) fn number<T: TryFrom<i64>>(&self, column: &'static str) -> Result<T> {
        T::try_from(self.int(column)?).map_err(|_| damaged(column))
    }

    pub(super) fn real(&self, column: &str) -> Result<f64> {
        self.0.try_get(column).map_err(failed)
    }

    pub(super) fn flag(&self, column: &str) -> Result<bool> {
        Ok(self.int(column)? != 0)
    }

    pub(super) fn time(&self, column: &str) -> Result<Timestamp> {
        self.int(column).map(Timestamp::from_micros)
    }

    pub(super) fn maybe_int(&self, column: &str) -> Result<Option<i64>> {
        self.0.try_get(column).map_err(failed)
    }

    pub(super) fn maybe_time(&self, column: &str) -> Result<Option<Timestamp>> {
        Ok(self.maybe_int(column)?.map(Timestamp::from_micros))
    }

    pub(super) fn text(&self, column: &str) -> Result<String> {
        self.0.try_get(column).map_err(failed)
    }

    pub(super) fn maybe_text(&self, column: &str) -> Result<Option<String>> {
        self.0.try_get(column).map_err(failed)
    }

    /// What was written by [`Value::text`].
    pub(super) fn parse<T: FromStr>(&self, column: &'static str) -> Result<T> {
        self.text(column)?.parse().map_err(|_| damaged(column))
    }

    pub(super) fn maybe_parse<T: FromStr>(&self, column: &'static str) -> Result<Option<T>> {
        self.maybe_text(column)?.map(|text| text.parse().map_err(|_| damaged(column))).transpose()
    }

    pub(super) fn json<T: DeserializeOwned>(&self, column: &'static str) -> Result<T> {
        serde_json::from_str(&self.text(column)?).map_err(|error| damaged(column).because(error))
    }

    pub(super) fn maybe_json<T: DeserializeOwned>(&self, column: &'static str) -> Result<Option<T>> {
        let text = self.maybe_text(column)?;
        text.map(|text| serde_json::from_str(&text).map_err(|error| damaged(column).because(error))).transpose()
    }

    pub(super) fn id<T>(&self, column: &'static str, make: impl FnOnce(u128) -> T) -> Result<T> {
        self.maybe_id(column, make)?.ok_or_else(|| damaged(column))
    }

    pub(super) fn maybe_id<T>(&self, column: &'static str, make: impl FnOnce(u128) -> T) -> Result<Option<T>> {
        let bytes: Option<Vec<u8>> = self.0.try_get(column).map_err(failed)?;
        let Some(bytes) = bytes else { return Ok(None) };
        let bytes = bytes.try_into().map_err(|_| damaged(column))?;
        Ok(Some(make(u128::from_be_bytes(bytes))))
    }
}

fn damaged(column: &'static str) -> Error {
    Error::corrupt("a stored value isn't what it should be").with("column", column)
}
