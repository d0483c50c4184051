//! Many starts at once against a small quota: just as many are let through as fit, on both databases.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{project, user};
use slate_core::{
    ErrorKind, SystemClock,
    memory::MemoryBlobs,
    model::{QuotaLimits, SessionState},
    policy::MountPolicy,
    runtime::{RuntimeSpec, RuntimeType},
    service::{Journal, NewSession, Projects, Sessions},
    store::{PageRequest, SessionQuery, Store},
};
use slate_harness::{require, shared};
use slate_store::{
    postgres::{PgOptions, PgStore},
    sqlite::{SqliteOptions, SqliteStore},
};
use std::sync::Arc;

const AT_ONCE: usize = 200;

async fn race(store: Arc<dyn Store>) {
    let journal = Journal::new(Arc::clone(&store), Arc::new(SystemClock));
    let projects = Projects::new(journal.clone(), Arc::new(MemoryBlobs::new(MemoryBlobs::DEFAULT_CAPACITY)));
    let project = projects.create(project()).await.unwrap();
    let limits = QuotaLimits::default();
    let sessions = Sessions::new(journal, MountPolicy::none(), Some(limits));
    let asked: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (sessions, project) = (sessions.clone(), project.id);
            tokio::spawn(async move {
                let mut spec = RuntimeSpec::new("race", ["true"]);
                (spec.memory, spec.cpus) = (None, None);
                sessions.create(NewSession::new(project, user(), RuntimeType::Custom, "memory", spec)).await
            })
        })
        .collect();
    let mut let_through = 0;
    for answer in asked {
        match answer.await.unwrap() {
            Ok(_) => let_through += 1,
            Err(error) => assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{error:?}"),
        }
    }
    assert_eq!(let_through, limits.max_containers as usize);
    let there = store.sessions(SessionQuery::all(), PageRequest::first(1000)).await.unwrap().items;
    assert_eq!(there.len(), limits.max_containers as usize);
    assert!(there.iter().all(|session| session.status == SessionState::Creating));
    assert_eq!(store.quota(&user()).await.unwrap().unwrap().used.containers, limits.max_containers);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_starts_against_a_quota_of_five_start_five_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("slate.db"), SqliteOptions::default()).await.unwrap();
    race(Arc::new(store)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_starts_against_a_quota_of_five_start_five_on_postgres() {
    let Some(database) = require(shared::postgres().and_then(|server| server.database())) else { return };
    race(Arc::new(PgStore::open(PgOptions::new(&database.url).unwrap()).await.unwrap())).await;
}
