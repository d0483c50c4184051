//! Two stores on one file, as two orchestrators have them: the promises hold across both.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::*;
use slate_core::{
    ErrorKind, Version,
    model::{BuildStatistics, Project, QuotaLimits, QuotaUsage},
    store::{
        BuildStore, Change, ChangeSet, ChangeStore, Claim, EventQuery, EventStore, JobStore, ProjectStore, Queue,
        QuotaStore, Record, StoreExt,
    },
};
use slate_store::sqlite::{SqliteOptions, SqliteStore};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

const LONG: Duration = Duration::from_secs(3600);

async fn two() -> (tempfile::TempDir, [Arc<SqliteStore>; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let open = || SqliteStore::open(folder.path().join("slate.db"), SqliteOptions::default());
    let stores = [Arc::new(open().await.unwrap()), Arc::new(open().await.unwrap())];
    (folder, stores)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_wrote_the_other_reads() {
    let (_folder, [a, b]) = two().await;
    let project = project();
    a.create(project.clone().into()).await.unwrap();
    assert_eq!(b.project(project.id).await.unwrap(), project);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_concurrent_updates_of_one_version_exactly_one_succeeds() {
    let (_folder, stores) = two().await;
    let project = project();
    stores[0].create(project.clone().into()).await.unwrap();
    for version in 1..=10 {
        let tasks: Vec<_> = (0..16)
            .map(|index| {
                let mut changed = Project { name: index.to_string(), ..project.clone() };
                changed.revision.version = Version(version);
                let store = stores[index % 2].clone();
                tokio::spawn(async move { store.update(changed.into()).await })
            })
            .collect();
        let mut won = 0;
        for task in tasks {
            match task.await.unwrap() {
                Ok(()) => won += 1,
                Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}"),
            }
        }
        assert_eq!(won, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_job_is_claimed_once() {
    let (_folder, stores) = two().await;
    let project = project();
    let set = (0..200).fold(ChangeSet::new().create(project.clone()), |set, _| set.create(build(project.id)));
    stores[0].apply(set).await.unwrap();
    let workers: Vec<_> = (0..8)
        .map(|index| {
            let store = stores[index % 2].clone();
            tokio::spawn(async move {
                let mut mine = Vec::new();
                loop {
                    let claim = Claim::new(worker(&format!("w{index}")), LONG, 5);
                    let got = store.claim(Queue::Builds, claim).await.unwrap();
                    if got.is_empty() {
                        return mine;
                    }
                    mine.extend(got.iter().map(Record::id));
                }
            })
        })
        .collect();
    let mut all = Vec::new();
    for worker in workers {
        all.extend(worker.await.unwrap());
    }
    assert_eq!((all.len(), all.iter().collect::<BTreeSet<_>>().len()), (200, 200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reservations_never_exceed_a_limit_together() {
    let (_folder, stores) = two().await;
    let tasks: Vec<_> = (0..64)
        .map(|index| {
            let store = stores[index % 2].clone();
            let usage = QuotaUsage { containers: 1, ..QuotaUsage::default() };
            let reserve = Change::Reserve { user: user(), usage, default: Some(QuotaLimits::default()) };
            tokio::spawn(async move { store.apply(ChangeSet::new().change(reserve)).await.is_ok() })
        })
        .collect();
    let mut granted = 0;
    for task in tasks {
        granted += u32::from(task.await.unwrap());
    }
    assert_eq!(granted, 5);
    assert_eq!(stores[1].quota(&user()).await.unwrap().unwrap().used.containers, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_fails_takes_no_other_of_its_group_along() {
    let (_folder, [store, _]) = two().await;
    let project = project();
    store.create(project.clone().into()).await.unwrap();
    let tasks: Vec<_> = (0..100)
        .map(|index| {
            let store = store.clone();
            // Every third one fails after it has made something.
            let set = ChangeSet::new().create(build(project.id)).event(event("x", 1));
            let set = if index % 3 == 0 { set.delete(slate_core::BuildId::new(), Version(1)) } else { set };
            tokio::spawn(async move { (index, store.apply(set).await) })
        })
        .collect();
    for task in tasks {
        let (index, result) = task.await.unwrap();
        assert_eq!(result.is_err(), index % 3 == 0, "{index}: {result:?}");
    }
    assert_eq!(store.build_statistics(None).await.unwrap().total, 66);
    assert_eq!(store.count_events(EventQuery::all()).await.unwrap(), 66);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_future_leaves_nothing_half_done() {
    let (_folder, [store, other]) = two().await;
    let project = project();
    store.create(project.clone().into()).await.unwrap();
    let mut finished = 0;
    for round in 0..200_u64 {
        let set = ChangeSet::new().create(build(project.id)).create(build(project.id)).event(event("pair", round + 1));
        let patience = Duration::from_micros(round * 20);
        finished += u64::from(tokio::time::timeout(patience, store.apply(set)).await.is_ok());
    }
    store.close().await.unwrap();
    let BuildStatistics { total, .. } = other.build_statistics(None).await.unwrap();
    let pairs = other.count_events(EventQuery::all()).await.unwrap();
    assert_eq!(total, pairs * 2, "each set is there as a whole or not at all");
    assert!(pairs >= finished && finished < 200, "{pairs} pairs, {finished} waited for");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_store_refuses_and_left_everything_in_the_file() {
    let (folder, [store, other]) = two().await;
    let project = project();
    store.create(project.clone().into()).await.unwrap();
    drop(other);
    store.close().await.unwrap();
    store.close().await.unwrap();
    assert_eq!(store.update(project.clone().into()).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(store.project(project.id).await.unwrap_err().kind(), ErrorKind::Unavailable);
    // The main file alone, without the log, holds it.
    let copy = folder.path().join("copy.db");
    std::fs::copy(folder.path().join("slate.db"), &copy).unwrap();
    let copy = SqliteStore::open(copy, SqliteOptions::default()).await.unwrap();
    assert_eq!(copy.project(project.id).await.unwrap(), project);
}
