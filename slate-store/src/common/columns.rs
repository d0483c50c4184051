use serde::de::DeserializeOwned;
use slate_core::{Error, Result, Timestamp};
use std::str::FromStr;

/// A row that is read column by column. A dialect gives the `maybe_…` of each [`Kind`](super::Kind).
pub(crate) trait Columns {
    fn maybe_int(&self, column: &'static str) -> Result<Option<i64>>;
    fn maybe_real(&self, column: &'static str) -> Result<Option<f64>>;
    fn maybe_flag(&self, column: &'static str) -> Result<Option<bool>>;
    fn maybe_time(&self, column: &'static str) -> Result<Option<Timestamp>>;
    fn maybe_text(&self, column: &'static str) -> Result<Option<String>>;
    fn maybe_bits(&self, column: &'static str) -> Result<Option<u128>>;
    fn maybe_json<T: DeserializeOwned>(&self, column: &'static str) -> Result<Option<T>>;

    fn int(&self, column: &'static str) -> Result<i64> {
        there(column, self.maybe_int(column))
    }

    /// An integer of any width.
    fn number<T: TryFrom<i64>>(&self, column: &'static str) -> Result<T> {
        T::try_from(self.int(column)?).map_err(|_| damaged(column))
    }

    fn real(&self, column: &'static str) -> Result<f64> {
        there(column, self.maybe_real(column))
    }

    fn flag(&self, column: &'static str) -> Result<bool> {
        there(column, self.maybe_flag(column))
    }

    fn time(&self, column: &'static str) -> Result<Timestamp> {
        there(column, self.maybe_time(column))
    }

    fn text(&self, column: &'static str) -> Result<String> {
        there(column, self.maybe_text(column))
    }

    /// What was written by [`Value::text`](super::Value::text).
    fn parse<T: FromStr>(&self, column: &'static str) -> Result<T> {
        there(column, self.maybe_parse(column))
    }

    fn maybe_parse<T: FromStr>(&self, column: &'static str) -> Result<Option<T>> {
        self.maybe_text(column)?.map(|text| text.parse().map_err(|_| damaged(column))).transpose()
    }

    fn json<T: DeserializeOwned>(&self, column: &'static str) -> Result<T> {
        there(column, self.maybe_json(column))
    }

    fn id<T>(&self, column: &'static str, make: impl FnOnce(u128) -> T) -> Result<T> {
        there(column, self.maybe_bits(column)).map(make)
    }

    fn maybe_id<T>(&self, column: &'static str, make: impl FnOnce(u128) -> T) -> Result<Option<T>> {
        Ok(self.maybe_bits(column)?.map(make))
    }
}

fn there<T>(column: &'static str, value: Result<Option<T>>) -> Result<T> {
    value?.ok_or_else(|| damaged(column))
}

/// A value that was not written by this crate, or was damaged since.
pub(crate) fn damaged(column: &'static str) -> Error {
    Error::corrupt("a stored value isn't what it should be").with("column", column)
}
