use super::Value;
use std::{
    fmt::{Display, Write},
    marker::PhantomData,
};

/// How a database's SQL differs where this crate uses it.
pub(crate) trait Dialect: Sized + Send + Sync + 'static {
    /// What is bound.
    type Param: From<Value> + Send + Sync;

    /// Writes the place of the parameter of this number, from 1.
    fn place(number: usize, sql: &mut String);
    /// Adds that the text in a column starts with another. Not LIKE: that has wildcards, and SQLite's ignores case.
    fn starts_with(statement: &mut Statement<Self>, column: &str, prefix: String);
    /// Adds that the text in a column contains another.
    fn contains(statement: &mut Statement<Self>, column: &str, text: &str);
}

/// A statement that is put together; every value is bound, never written into the text.
pub(crate) struct Statement<D: Dialect> {
    sql: String,
    params: Vec<D::Param>,
    /// Whether the connection keeps it prepared: a text that varies with the number of rows would only push out others.
    keep: bool,
    dialect: PhantomData<D>,
}

impl<D: Dialect> Statement<D> {
    pub(crate) fn new(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), params: Vec::new(), keep: true, dialect: PhantomData }
    }

    /// Adds SQL, which never holds a caller's words.
    pub(crate) fn sql(&mut self, sql: impl Display) -> &mut Self {
        // Writing into a String can't fail.
        let _ = write!(self.sql, "{sql}");
        self
    }

    /// Adds a value.
    pub(crate) fn bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.bind_param(D::Param::from(value.into()))
    }

    /// Adds a parameter of the dialect's own.
    pub(crate) fn bind_param(&mut self, param: D::Param) -> &mut Self {
        self.params.push(param);
        D::place(self.params.len(), &mut self.sql);
        self
    }

    /// Adds values, joined by commas.
    pub(crate) fn bind_all(&mut self, values: impl IntoIterator<Item = impl Into<Value>>) -> &mut Self {
        for (index, value) in values.into_iter().enumerate() {
            if index > 0 {
                self.sql(", ");
            }
            self.bind(value);
        }
        self
    }

    #[cfg(feature = "sqlite")]
    /// Says that its text is one of many, so that keeping it prepared would only push out others.
    pub(crate) fn once(&mut self) -> &mut Self {
        self.keep = false;
        self
    }

    /// Adds `AND column = value`, where a value is wanted.
    pub(crate) fn and_equal<V: Into<Value>>(&mut self, column: &str, value: Option<V>) -> &mut Self {
        self.and(column, "=", value)
    }

    /// Adds `AND column operator value`, where a value is wanted.
    pub(crate) fn and<V: Into<Value>>(&mut self, column: &str, operator: &str, value: Option<V>) -> &mut Self {
        if let Some(value) = value {
            self.sql(format_args!(" AND {column} {operator} ")).bind(value);
        }
        self
    }

    /// Adds `AND column IN (values)`, where values are wanted.
    pub(crate) fn and_in(&mut self, column: &str, values: Option<Vec<impl Display>>) -> &mut Self {
        match values {
            // SQLite takes an empty list, the standard has none.
            Some(values) if values.is_empty() => self.sql(" AND false"),
            Some(values) => {
                self.sql(format_args!(" AND {column} IN (")).bind_all(values.into_iter().map(Value::text)).sql(")")
            }
            None => self,
        }
    }

    /// Adds that the column starts with a text, where one is wanted.
    pub(crate) fn and_starts_with(&mut self, column: &str, prefix: Option<String>) -> &mut Self {
        if let Some(prefix) = prefix {
            self.sql(" AND ");
            D::starts_with(self, column, prefix);
        }
        self
    }

    /// Adds that the column contains a text, where one is wanted.
    pub(crate) fn and_contains(&mut self, column: &str, text: Option<&str>) -> &mut Self {
        if let Some(text) = text {
            self.sql(" AND ");
            D::contains(self, column, text);
        }
        self
    }

    #[cfg(feature = "postgres")]
    /// Its text, what is bound, and whether to keep it prepared.
    pub(crate) fn parts(&self) -> (&str, &[D::Param], bool) {
        (&self.sql, &self.params, self.keep)
    }

    #[cfg(feature = "sqlite")]
    /// The same, to keep.
    pub(crate) fn into_parts(self) -> (String, Vec<D::Param>, bool) {
        (self.sql, self.params, self.keep)
    }
}
