//! Opening: making the schema, finding it made, finding a newer one, finding rubbish.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::*;
use slate_core::{
    ErrorKind,
    store::{Claim, JobStore, ProjectStore, Queue, StoreExt},
};
use slate_store::sqlite::{SqliteOptions, SqliteStore};
use sqlx::SqlitePool;
use std::path::Path;

async fn open(path: &Path) -> slate_core::Result<SqliteStore> {
    SqliteStore::open(path, SqliteOptions::default()).await
}

async fn database(path: &Path) -> SqlitePool {
    SqlitePool::connect(&format!("sqlite://{}", path.display())).await.unwrap()
}

#[tokio::test]
async fn a_schema_is_made_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("slate.db");
    let project = project();
    let store = open(&path).await.unwrap();
    store.create(project.clone().into()).await.unwrap();
    store.close().await.unwrap();
    let store = open(&path).await.unwrap();
    assert_eq!(store.project(project.id).await.unwrap(), project);
    let applied: i64 =
        sqlx::query_scalar("SELECT count(*) FROM _slate_migrations").fetch_one(&database(&path).await).await.unwrap();
    assert_eq!(applied, 5);
}

#[tokio::test]
async fn an_older_schema_is_brought_up_to_date_and_keeps_its_records() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("slate.db");
    let project = project();
    let store = open(&path).await.unwrap();
    store.create(project.clone().into()).await.unwrap();
    store.close().await.unwrap();
    // The schema as it was before its third migration.
    let later = sqlx::query_scalar::<_, String>(
        "SELECT name FROM sqlite_schema WHERE type = 'index' AND name GLOB '*_deleted'",
    );
    let mut later = later.fetch_all(&database(&path).await).await.unwrap();
    later.extend(["slate_outbox_published".into(), "slate_idempotency_age".into()]);
    let older = ["slate_runtime_sessions", "slate_build_jobs", "slate_asset_jobs"]
        .map(|table| format!("ALTER TABLE {table} DROP COLUMN given_back;"))
        .concat()
        + &later.iter().map(|index| format!("DROP INDEX {index};")).collect::<String>()
        + "DROP TABLE slate_metric_rollups; DROP TABLE slate_pool_members; DELETE FROM _slate_migrations WHERE version >= 3;";
    let pool = database(&path).await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(older)).execute(&pool).await.unwrap();
    pool.close().await;
    let store = open(&path).await.unwrap();
    assert_eq!(store.project(project.id).await.unwrap(), project);
    assert_eq!(
        store.claim(Queue::Builds, Claim::new("w".parse().unwrap(), std::time::Duration::ZERO, 1)).await.unwrap(),
        []
    );
}

#[tokio::test]
async fn an_embedding_services_own_migrations_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("slate.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let theirs = SqlitePool::connect_with(options).await.unwrap();
    sqlx::raw_sql("CREATE TABLE _sqlx_migrations (mine); INSERT INTO _sqlx_migrations VALUES (7)")
        .execute(&theirs)
        .await
        .unwrap();
    open(&path).await.unwrap();
    let mine: i64 = sqlx::query_scalar("SELECT mine FROM _sqlx_migrations").fetch_one(&theirs).await.unwrap();
    assert_eq!(mine, 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_may_open_a_new_file_at_once() {
    for _ in 0..5 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("slate.db");
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let path = path.clone();
                tokio::spawn(async move {
                    let store = open(&path).await.unwrap();
                    let project = project();
                    store.create(project.clone().into()).await.unwrap();
                    assert_eq!(store.project(project.id).await.unwrap(), project);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let made: i64 =
            sqlx::query_scalar("SELECT count(*) FROM slate_projects").fetch_one(&database(&path).await).await.unwrap();
        assert_eq!(made, 8);
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("slate.db");
    open(&path).await.unwrap().close().await.unwrap();
    let newer = "INSERT INTO _slate_migrations (version, description, success, checksum, execution_time) \
                 VALUES (9999, 'later', true, x'00', 0)";
    sqlx::raw_sql(newer).execute(&database(&path).await).await.unwrap();
    let error = open(&path).await.unwrap_err();
    assert_eq!((error.kind(), error.component(), error.operation()), (ErrorKind::Unsupported, "store.sqlite", "open"));
    assert!(error.to_string().contains("newer"), "{error}");
}

#[tokio::test]
async fn a_changed_migration_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("slate.db");
    open(&path).await.unwrap().close().await.unwrap();
    sqlx::raw_sql("UPDATE _slate_migrations SET checksum = x'00'").execute(&database(&path).await).await.unwrap();
    assert_eq!(open(&path).await.unwrap_err().kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn rubbish_is_corrupt() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("slate.db");
    std::fs::write(&path, "this is no database ".repeat(1000)).unwrap();
    let error = open(&path).await.unwrap_err();
    assert_eq!((error.kind(), error.component()), (ErrorKind::Corrupt, "store.sqlite"), "{error:?}");
}

#[tokio::test]
async fn a_damaged_page_is_corrupt() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("slate.db");
    let store = open(&path).await.unwrap();
    let project = project();
    store.create(project.clone().into()).await.unwrap();
    store.close().await.unwrap();
    // Everything but the header and the schema.
    let mut bytes = std::fs::read(&path).unwrap();
    let root: i64 = sqlx::query_scalar("SELECT rootpage FROM sqlite_schema WHERE name = 'slate_projects'")
        .fetch_one(&database(&path).await)
        .await
        .unwrap();
    let page = (root as usize - 1) * 4096;
    bytes[page..page + 4096].fill(0xA5);
    std::fs::write(&path, bytes).unwrap();
    let store = open(&path).await.unwrap();
    let list = store.projects(Default::default(), Default::default()).await;
    let get = store.project(project.id).await;
    assert!(
        [list.map(drop), get.map(drop)]
            .iter()
            .any(|result| result.as_ref().is_err_and(|e| e.kind() == ErrorKind::Corrupt)),
        "a damaged page was read as if it were whole"
    );
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_unavailable() {
    let folder = tempfile::tempdir().unwrap();
    let error = open(&folder.path().join("no/such/folder/slate.db")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
}

#[tokio::test]
async fn every_table_of_the_seeds_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("slate.db");
    open(&path).await.unwrap();
    let tables: Vec<String> =
        sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'slate%' ORDER BY name")
            .fetch_all(&database(&path).await)
            .await
            .unwrap();
    assert_eq!(
        tables,
        [
            "slate_analytics",
            "slate_asset_jobs",
            "slate_assets",
            "slate_audit",
            "slate_build_jobs",
            "slate_container_templates",
            "slate_files",
            "slate_idempotency",
            "slate_leases",
            "slate_metric_rollups",
            "slate_outbox",
            "slate_pool_members",
            "slate_projects",
            "slate_runtime_logs",
            "slate_runtime_metrics",
            "slate_runtime_sessions",
            "slate_user_quotas",
        ]
    );
}
