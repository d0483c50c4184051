//! Opening: making the schema, finding it made, finding a newer one; partitions and tidying up.

use crate::{common::*, support::*};
use slate_core::{
    ErrorKind, SessionId, Timestamp,
    model::{LogEntry, LogLevel, LogSource, MetricSample},
    store::{LogStore, MetricQuery, MetricStore, PageRequest, ProjectStore, StoreExt},
};
use slate_harness::Proxy;
use slate_store::{
    Maintain, MaintenanceOptions,
    postgres::{PgOptions, PgStore},
};
use std::time::Duration;

#[path = "../common/upkeep.rs"]
mod upkeep;

#[tokio::test]
async fn a_schema_is_made_once() {
    let Some(database) = database() else { return };
    let project = project();
    let store = open(&database.url).await.unwrap();
    store.create(project.clone().into()).await.unwrap();
    store.close().await;
    assert_eq!(store.project(project.id).await.unwrap_err().kind(), ErrorKind::Unavailable);
    let store = open(&database.url).await.unwrap();
    assert_eq!(store.project(project.id).await.unwrap(), project);
    assert_eq!(psql(&database, "SELECT count(*) FROM _slate_migrations"), "3");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_may_open_a_new_database_at_once() {
    let Some(database) = database() else { return };
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let url = database.url.clone();
            tokio::spawn(async move {
                let store = open(&url).await.unwrap();
                store.create(project().into()).await.unwrap();
                store.close().await;
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(psql(&database, "SELECT count(*) FROM slate_projects"), "8");
}

/// Takes the lock that whoever migrates holds.
async fn lock(host: &sqlx::PgPool) -> sqlx::pool::PoolConnection<sqlx::Postgres> {
    let mut db = host.acquire().await.unwrap();
    let key = i64::from_be_bytes(*b"slate_pg");
    sqlx::query("SELECT pg_advisory_lock($1)").bind(key).execute(&mut *db).await.unwrap();
    db
}

#[tokio::test]
async fn who_finds_the_schema_made_waits_for_nobody() {
    let Some(Fresh { store, database }) = fresh().await else { return };
    store.close().await;
    let host = sqlx::PgPool::connect(&database.url).await.unwrap();
    let _held = lock(&host).await;
    let mut options = PgOptions::new(&database.url).unwrap();
    options.migration_timeout = Duration::from_millis(1);
    PgStore::open(options).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_whose_owner_has_vanished_keeps_nobody_out() {
    let Some(database) = database() else { return };
    let host = sqlx::PgPool::connect(&database.url).await.unwrap();
    let held = lock(&host).await;
    let proxy = Proxy::start(database.address.port).unwrap();
    let through = database.address.tcp_url(proxy.port(), &database.name);
    let vanishes = tokio::spawn(async move { open(&through).await.map(drop) });
    let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
    while psql(&database, waiting) != "1" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // It is given the lock, and never hears of it.
    proxy.half_open();
    held.close().await.unwrap();
    open(&database.url).await.unwrap();
    vanishes.abort();
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_as_it_is() {
    let Some(Fresh { store, database }) = fresh().await else { return };
    store.close().await;
    psql(
        &database,
        "INSERT INTO _slate_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'later', true, '\\x00', 0)",
    );
    let error = open(&database.url).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.component(), error.operation()),
        (ErrorKind::Unsupported, "store.postgres", "open")
    );
    assert!(error.to_string().contains("newer"), "{error}");
    psql(
        &database,
        "DELETE FROM _slate_migrations WHERE version = 9999; UPDATE _slate_migrations SET checksum = '\\x00'",
    );
    assert_eq!(open(&database.url).await.unwrap_err().kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn a_schema_of_its_own_leaves_the_hosts_tables_alone() {
    let Some(database) = database() else { return };
    psql(&database, "CREATE TABLE _sqlx_migrations (mine int); CREATE TABLE slate_projects (mine int)");
    let options = PgOptions::new(&database.url).unwrap().with_schema("Slate's \"own\"");
    let store = PgStore::open(options.clone()).await.unwrap();
    let project = project();
    store.create(project.clone().into()).await.unwrap();
    assert_eq!(PgStore::open(options).await.unwrap().project(project.id).await.unwrap(), project);
    assert_eq!(psql(&database, "SELECT count(*) FROM slate_projects"), "0");
    // In a transaction of the host's, names mean the host's tables again when SLATE is done.
    let host = sqlx::PgPool::connect(&database.url).await.unwrap();
    let mut transaction = host.begin().await.unwrap();
    let job = build(project.id);
    let set = slate_core::store::ChangeSet::new().create(job.clone());
    store.enqueue_in(&mut transaction, set).await.unwrap();
    sqlx::query("INSERT INTO slate_projects VALUES (7)").execute(&mut *transaction).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(psql(&database, "SELECT mine FROM slate_projects"), "7");
    assert_eq!(slate_core::store::BuildStore::build(&store, job.id).await.unwrap(), job);
}

#[tokio::test]
async fn no_server_and_no_database_are_told_apart() {
    let Some(database) = database() else { return };
    let refused = PgOptions::new("postgres://nobody@127.0.0.1:1/none").unwrap();
    let refused = refused.with_acquire_timeout(Duration::from_millis(200));
    assert_eq!(PgStore::open(refused).await.unwrap_err().kind(), ErrorKind::Unavailable);
    let missing = database.url.replace(&database.name, "not_there");
    assert_eq!(open(&missing).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn what_is_old_goes_and_what_is_young_stays() {
    let Some(Fresh { store, database: _database }) = fresh().await else { return };
    upkeep::what_is_old_goes_and_what_is_young_stays(&*store, &*store).await;
}

#[tokio::test]
async fn what_something_points_to_is_not_purged() {
    let Some(Fresh { store, database: _database }) = fresh().await else { return };
    upkeep::what_something_points_to_is_not_purged(&*store, &*store).await;
}

#[tokio::test]
async fn partitions_are_made_ahead_take_over_what_is_there_and_go_as_a_whole() {
    let Some(Fresh { store, database }) = fresh().await else { return };
    let sample = |timestamp| MetricSample {
        session_id: None,
        metric_type: "cpu".into(),
        value: 1.0,
        unit: "percent".into(),
        timestamp,
    };
    let days = |days: u32| Duration::from_secs(24 * 3600) * days;
    let now = Timestamp::now();
    let times = [now, now + days(3), now + days(12)];
    store.append_metrics(times.map(sample).into()).await.unwrap();
    let rest = "SELECT count(*) FROM slate_runtime_metrics_rest";
    assert_eq!(psql(&database, rest), "1", "only the one for which no partition was made yet");
    let mut options = MaintenanceOptions::default().with_rollups(None);
    options.days_ahead = 14;
    store.maintain(&options).await.unwrap();
    assert_eq!(psql(&database, rest), "0");
    let found = store.metrics(MetricQuery::all(), PageRequest::default()).await.unwrap().items;
    assert_eq!(found.iter().map(|sample| sample.timestamp).collect::<Vec<_>>(), times);
    // A day of long ago, made as the keeper would have made it then.
    psql(
        &database,
        "CREATE TABLE slate_runtime_metrics_20200101 PARTITION OF slate_runtime_metrics \
         FOR VALUES FROM ('2020-01-01Z') TO ('2020-01-02Z')",
    );
    store.append_metrics(vec![sample("2020-01-01T12:00:00Z".parse().unwrap())]).await.unwrap();
    let done = store.maintain(&options).await.unwrap();
    assert_eq!((done.partitions, done.metrics), (1, 0));
    assert_eq!(psql(&database, "SELECT to_regclass('slate_runtime_metrics_20200101') IS NULL"), "t");
    assert_eq!(store.hourly_metrics(MetricQuery::all()).await.unwrap().len(), 1, "summed up before it went");
}

#[tokio::test]
async fn a_line_is_stored_once_however_late_it_comes_again() {
    let Some(Fresh { store, database }) = fresh().await else { return };
    let source = LogSource::Session(SessionId::new());
    let line = |at| LogEntry::new(source, LogLevel::Info, "x", at).with_seq(1);
    let now = Timestamp::now();
    assert_eq!(store.append_logs(vec![line(now)]).await.unwrap(), 1);
    assert_eq!(store.append_logs(vec![line(now + Duration::from_secs(90 * 24 * 3600))]).await.unwrap(), 0);
    assert_eq!(psql(&database, "SELECT count(*) FROM slate_runtime_logs_rest"), "0", "today has a partition");
}

#[tokio::test]
async fn a_nul_is_kept_as_its_symbol() {
    let Some(Fresh { store, database: _database }) = fresh().await else { return };
    let mut line = LogEntry::new(LogSource::Session(SessionId::new()), LogLevel::Info, "a\0b", Timestamp::now());
    line.metadata = serde_json::json!({ "k": "\0\\u0000" });
    store.append_logs(vec![line]).await.unwrap();
    let found = store.logs(Default::default(), PageRequest::default()).await.unwrap().items.remove(0);
    assert_eq!((found.message.as_str(), found.metadata["k"].as_str()), ("a\u{2400}b", Some("\u{2400}\\u0000")));
}
