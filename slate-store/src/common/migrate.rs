//! Migrations, embedded in the crate and noted in a table of its own.

use slate_core::Error;
use sqlx::migrate::{MigrateError, Migration, Migrator};

/// Where this crate notes its migrations: an embedding service has its own in `_sqlx_migrations`.
pub(crate) const TABLE: &str = "_slate_migrations";

/// The migrations in `migrations/{dialect}`, by number and name.
macro_rules! migrations {
    ($dialect:literal: $($version:literal $name:literal),* $(,)?) => {
        vec![$(sqlx::migrate::Migration::new(
            $version,
            $name.into(),
            sqlx::migrate::MigrationType::Simple,
            sqlx::SqlSafeStr::into_sql_str(include_str!(concat!("../../migrations/", $dialect, "/", $name, ".sql"))),
            false,
        )),*]
    };
}
pub(crate) use migrations;

pub(crate) fn migrator(migrations: Vec<Migration>) -> Migrator {
    let mut migrator = Migrator::with_migrations(migrations);
    migrator.dangerous_set_table_name(TABLE);
    // Each dialect holds a lock of its own while it migrates.
    migrator.set_locking(false);
    migrator
}

/// What a failed migration means for the caller.
pub(crate) fn migration_failed(error: MigrateError, failed: impl FnOnce(sqlx::Error) -> Error) -> Error {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => failed(error),
        MigrateError::VersionMissing(version) => {
            Error::unsupported("a newer SLATE made this database: use that one, or a copy from before")
                .with("schema", version)
                .because(error)
        }
        MigrateError::VersionMismatch(version) => {
            Error::corrupt("the database was migrated by other statements than this SLATE's")
                .with("schema", version)
                .because(error)
        }
        other => Error::internal("the database can't be migrated").because(other),
    }
}
