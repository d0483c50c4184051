//! What both dialects share: how the model's values become columns, statements put together, records as tables.
//!
//! Nothing here speaks to a database. A dialect adds how its parameters look, how a statement runs, and whatever it does by
//! means of its own.

mod columns;
pub(crate) mod maintenance;
pub(crate) mod migrate;
pub(crate) mod records;
mod statement;
pub(crate) mod streams;
pub(crate) mod table;
mod value;

pub(crate) use columns::{Columns, damaged};
pub(crate) use statement::{Dialect, Statement};
pub(crate) use value::{Kind, Value};
