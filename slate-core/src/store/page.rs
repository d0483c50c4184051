use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Where a page ended; good for asking for the next one with the same query and order. Opaque.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(String);

impl Cursor {
    /// Wraps an implementation's own text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The implementation's own text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads the text as what the implementation wrote into it.
    ///
    /// # Errors
    /// `Invalid` where it is something else, for example of another query.
    pub fn parse<T: std::str::FromStr>(&self) -> Result<T> {
        self.0.parse().map_err(|_| Error::invalid("not a cursor of this query"))
    }
}

/// In which order records are listed: by when they were made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// Oldest first.
    #[default]
    Ascending,
    /// Newest first.
    Descending,
}

/// Which part of a list is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PageRequest {
    /// Goes on after this place; default: from the start.
    pub after: Option<Cursor>,
    /// Most records, 1 to [`MAX_LIMIT`](Self::MAX_LIMIT); default 100.
    pub limit: u32,
    /// The order; default oldest first.
    pub order: Order,
}

impl Default for PageRequest {
    fn default() -> Self {
        Self { after: None, limit: 100, order: Order::Ascending }
    }
}

impl PageRequest {
    /// The most records of one page.
    pub const MAX_LIMIT: u32 = 1000;

    /// The first `limit` records, oldest first.
    pub fn first(limit: u32) -> Self {
        Self { limit, ..Self::default() }
    }

    /// The last `limit` records, newest first.
    pub fn newest(limit: u32) -> Self {
        Self { limit, order: Order::Descending, ..Self::default() }
    }

    /// Goes on after `cursor`.
    #[must_use]
    pub fn after(mut self, cursor: Option<Cursor>) -> Self {
        self.after = cursor;
        self
    }

    /// The limit, checked.
    ///
    /// # Errors
    /// `Invalid` for 0, `LimitExceeded` for more than [`MAX_LIMIT`](Self::MAX_LIMIT).
    pub fn checked_limit(&self) -> Result<usize> {
        match self.limit {
            0 => Err(Error::invalid("a page has at least one record")),
            limit if limit > Self::MAX_LIMIT => {
                Err(Error::limit_exceeded("a page has at most 1000 records").with("limit", limit))
            }
            limit => Ok(limit as usize),
        }
    }
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// The records.
    pub items: Vec<T>,
    /// Where to go on; `None` at the end.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// Makes a page of up to `limit + 1` records that were found: the one too many tells that there are more.
    pub fn from_overfull(mut items: Vec<T>, limit: usize, cursor: impl Fn(&T) -> Cursor) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        let next = if more { items.last().map(cursor) } else { None };
        Self { items, next }
    }
}
