//! What others do at the same time, and what goes wrong: transactions in each other's way, servers killed, links cut.

use crate::{common::*, support::*};
use slate_core::{
    Component, ErrorKind, Version,
    model::{Project, QuotaLimits, QuotaUsage},
    store::{
        BuildStore, Change, ChangeSet, ChangeStore, EventQuery, EventStore, PageRequest, ProjectQuery, ProjectStore,
        QuotaStore, StoreExt,
    },
};
use slate_harness::{Postgres, PostgresOptions, Proxy, require};
use slate_store::postgres::{Lsn, PgOptions, PgStore};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// Tries until it goes well; fails after a minute.
async fn eventually<T, F: Future<Output = slate_core::Result<T>>>(mut work: impl FnMut() -> F) -> T {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        match work().await {
            Ok(value) => return value,
            Err(error) if Instant::now() > end => panic!("it never went well: {error:?}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_twenty_who_reserve_at_once_five_get_it() {
    let Some(Fresh { store, database }) = fresh().await else { return };
    let other = Arc::new(open(&database.url).await.unwrap());
    let tasks: Vec<_> = (0..20)
        .map(|index| {
            let store = if index % 2 == 0 { store.clone() } else { other.clone() };
            let usage = QuotaUsage { containers: 1, ..QuotaUsage::default() };
            let reserve = Change::Reserve { user: user(), usage, default: Some(QuotaLimits::default()) };
            tokio::spawn(async move { store.apply(ChangeSet::new().change(reserve)).await })
        })
        .collect();
    let mut granted = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => granted += 1,
            Err(error) => assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{error:?}"),
        }
    }
    assert_eq!(granted, 5);
    assert_eq!(store.quota(&user()).await.unwrap().unwrap().used.containers, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_follows_the_events_misses_none_that_a_slower_transaction_commits() {
    let Some(Fresh { store, database }) = fresh().await else { return };
    let host = sqlx::PgPool::connect(&database.url).await.unwrap();
    // The first takes its number, and waits; the second is committed with a greater one.
    let mut slow = host.begin().await.unwrap();
    store.enqueue_in(&mut slow, ChangeSet::new().event(event("slow", 1))).await.unwrap();
    store.apply(ChangeSet::new().event(event("quick", 1))).await.unwrap();
    let options = PgOptions::new(&database.url).unwrap();
    let follower = tokio::spawn(async move {
        let store = PgStore::open(options).await.unwrap();
        let (mut seen, mut page) = (Vec::new(), PageRequest::first(10));
        while seen.len() < 2 {
            let found = store.events(EventQuery::all(), page.clone()).await.unwrap();
            if let Some(last) = found.items.last() {
                page = page.after(Some(slate_core::store::Cursor::new(last.seq.to_string())));
            }
            seen.extend(found.items.into_iter().map(|event| event.event.aggregate.unwrap().name));
        }
        seen
    });
    // Whatever is there is published without waiting: that is by name, not by number.
    let names = |events: Vec<slate_core::model::StoredEvent>| {
        events.into_iter().map(|event| event.event.aggregate.unwrap().name).collect::<Vec<_>>()
    };
    assert_eq!(names(store.unpublished(10).await.unwrap()), ["quick"]);
    tokio::time::timeout(Duration::from_millis(300), async {
        while !follower.is_finished() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect_err("it went past the number of a transaction under way");
    slow.commit().await.unwrap();
    assert_eq!(follower.await.unwrap(), ["slow", "quick"]);
    assert_eq!(names(store.unpublished(10).await.unwrap()), ["slow", "quick"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_of_many_writers_sees_each_event_once_and_in_order() {
    let Some(Fresh { store, database: _database }) = fresh().await else { return };
    let done = Arc::new(AtomicBool::new(false));
    let follower = tokio::spawn({
        let (store, done) = (store.clone(), done.clone());
        async move {
            let (mut seen, mut page) = (Vec::new(), PageRequest::first(7));
            loop {
                let last_round = done.load(Ordering::SeqCst);
                let found = store.events(EventQuery::all(), page.clone()).await.unwrap().items;
                match found.last() {
                    Some(last) => page = page.after(Some(slate_core::store::Cursor::new(last.seq.to_string()))),
                    None if last_round => return seen,
                    None => tokio::task::yield_now().await,
                }
                seen.extend(found);
            }
        }
    });
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                for version in 1..=50 {
                    // Every other one by a transaction of several statements.
                    let mut set = ChangeSet::new().event(event(&format!("w{writer}"), version));
                    if version % 2 == 0 {
                        set = set.create(project()).create(project());
                    }
                    store.apply(set).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    done.store(true, Ordering::SeqCst);
    let seen = follower.await.unwrap();
    assert_eq!(seen.len(), 400);
    assert!(seen.windows(2).all(|pair| pair[0].seq < pair[1].seq));
}

#[tokio::test]
async fn what_is_enqueued_in_a_hosts_transaction_is_committed_or_taken_back_with_it() {
    let Some(Fresh { store, database }) = fresh().await else { return };
    let project = project();
    store.create(project.clone().into()).await.unwrap();
    let host = sqlx::PgPool::connect(&database.url).await.unwrap();
    sqlx::query("CREATE TABLE orders (id int)").execute(&host).await.unwrap();
    for commit in [false, true] {
        let job = build(project.id);
        let mut transaction = host.begin().await.unwrap();
        sqlx::query("INSERT INTO orders VALUES (1)").execute(&mut *transaction).await.unwrap();
        store.enqueue_in(&mut transaction, ChangeSet::new().create(job.clone()).event(event("b", 1))).await.unwrap();
        // What fails leaves the transaction as it was.
        let orphan = ChangeSet::new().create(build(slate_core::ProjectId::new()));
        assert_eq!(store.enqueue_in(&mut transaction, orphan).await.unwrap_err().kind(), ErrorKind::NotFound);
        if commit {
            transaction.commit().await.unwrap();
        } else {
            transaction.rollback().await.unwrap();
        }
        assert_eq!(store.build(job.id).await.is_ok(), commit);
        assert_eq!(store.count_events(EventQuery::all()).await.unwrap(), u64::from(commit));
    }
    assert_eq!(psql(&database, "SELECT count(*) FROM orders"), "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sets_that_get_in_each_others_way_are_done_again() {
    let Some(Fresh { store, database: _database }) = fresh().await else { return };
    let (a, b) = (slate_core::UserId::new("a").unwrap(), slate_core::UserId::new("b").unwrap());
    let tasks: Vec<_> = (0..8)
        .map(|index| {
            let store = store.clone();
            // Half of them lock the two quotas the other way round.
            let users = if index % 2 == 0 { [a.clone(), b.clone()] } else { [b.clone(), a.clone()] };
            let set = users
                .into_iter()
                .fold(ChangeSet::new(), |set, user| set.change(Change::SetQuota(user, QuotaLimits::default())));
            tokio::spawn(async move { store.apply(set).await })
        })
        .collect();
    for task in tasks {
        if let Err(error) = task.await.unwrap() {
            assert_eq!((error.kind(), error.retry()), (ErrorKind::Conflict, slate_core::Retry::Backoff), "{error:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_kill_of_the_server() {
    let Some(mut server) = require(Postgres::start(&PostgresOptions { durable: true, ..Default::default() })) else {
        return;
    };
    let store = Arc::new(open(&server.address().url("postgres")).await.unwrap());
    let project = project();
    store.create(project.clone().into()).await.unwrap();
    for _ in 0..3 {
        let stop = Arc::new(AtomicBool::new(false));
        let writers: Vec<_> = (0..4)
            .map(|_| {
                let (store, stop, id) = (store.clone(), stop.clone(), project.id);
                tokio::spawn(async move {
                    let mut acknowledged = Vec::new();
                    while !stop.load(Ordering::SeqCst) {
                        let (one, two) = (build(id), build(id));
                        let ids = [one.id, two.id];
                        let set = ChangeSet::new().create(one).create(two).event(event("pair", 1));
                        match store.apply(set).await {
                            Ok(_) => acknowledged.extend(ids),
                            Err(error) => {
                                assert!(
                                    matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::TimedOut),
                                    "{error:?}"
                                );
                                return acknowledged;
                            }
                        }
                    }
                    acknowledged
                })
            })
            .collect();
        eventually(|| async {
            let made = store.build_statistics(None).await?.total;
            if made > 20 { Ok(()) } else { Err(slate_core::Error::unavailable("too few yet")) }
        })
        .await;
        server.kill9().unwrap();
        stop.store(true, Ordering::SeqCst);
        let mut acknowledged = Vec::new();
        for writer in writers {
            acknowledged.extend(writer.await.unwrap());
        }
        server.restart().unwrap();
        // The same store goes on.
        eventually(|| store.ping()).await;
        for id in &acknowledged {
            store.build(*id).await.unwrap();
        }
        let pairs = store.count_events(EventQuery::all()).await.unwrap();
        assert_eq!(store.build_statistics(None).await.unwrap().total, pairs * 2, "a set is torn");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_a_replica_is_promoted_the_store_goes_on_by_itself() {
    let options = PostgresOptions::default();
    let Some(mut primary) = require(Postgres::start(&options)) else { return };
    let replica = primary.replica(&options).unwrap();
    let (one, two) = (primary.address().port, replica.address().port);
    let url = format!("postgres://postgres@127.0.0.1:{one},127.0.0.1:{two}/postgres");
    let store = PgStore::open(PgOptions::new(&url).unwrap()).await.unwrap();
    let project = project();
    store.create(project.clone().into()).await.unwrap();
    let replicated = || async {
        let count = replica.address().psql("postgres", "SELECT count(*) FROM slate_projects");
        if count.is_ok_and(|count| count == "1") { Ok(()) } else { Err(slate_core::Error::unavailable("not yet")) }
    };
    eventually(replicated).await;
    primary.kill9().unwrap();
    replica.promote().unwrap();
    let renamed = Project { name: "Renamed".into(), ..project.clone() };
    let update = || async {
        match store.update(renamed.clone().into()).await {
            // An attempt before, whose answer was lost, may have done it.
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(()),
            result => result,
        }
    };
    eventually(update).await;
    let found = store.project(project.id).await.unwrap();
    assert_eq!((found.name.as_str(), found.revision.version), ("Renamed", Version(2)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_go_to_a_replica_that_is_near_and_see_what_they_were_promised() {
    let options = PostgresOptions::default();
    let Some(primary) = require(Postgres::start(&options)) else { return };
    let writer = PgStore::open(PgOptions::new(&primary.address().url("postgres")).unwrap()).await.unwrap();
    let replica = primary.replica(&options).unwrap();
    let open = |lag| {
        let options = PgOptions::new(&primary.address().url("postgres")).unwrap();
        PgStore::open(options.with_replica(&replica.address().url("postgres")).unwrap().with_replica_lag(lag))
    };
    let lax = open(Duration::from_secs(3600)).await.unwrap();
    let list = |store: PgStore| async move {
        store.projects(ProjectQuery::all(), PageRequest::default()).await.unwrap().items.len()
    };
    // From now on for an hour, what the primary has written by now will do; the replica has it soon.
    assert_eq!(list(lax.clone()).await, 0);
    let token = writer.token().await.unwrap();
    eventually(|| async {
        let sql = format!("SELECT pg_last_wal_replay_lsn() >= '{token}'");
        match replica.address().psql("postgres", &sql).unwrap().as_str() {
            "t" => Ok(()),
            _ => Err(slate_core::Error::unavailable("not near enough yet")),
        }
    })
    .await;
    // The replica stops where it is.
    replica.address().psql("postgres", "SELECT pg_wal_replay_pause()").unwrap();
    eventually(|| async {
        let state = replica.address().psql("postgres", "SELECT pg_get_wal_replay_pause_state()").unwrap();
        if state == "paused" { Ok(()) } else { Err(slate_core::Error::unavailable(state)) }
    })
    .await;
    writer.create(project().into()).await.unwrap();
    assert_eq!(list(lax.clone()).await, 0, "it may be an hour behind, and is");
    let token = writer.token().await.unwrap();
    assert_eq!(list(lax.at_least(token)).await, 1, "whoever asks for what was written gets it");
    assert_eq!(list(lax.at_least(Lsn::default())).await, 0);
    let strict = open(Duration::ZERO).await.unwrap();
    assert_eq!(list(strict.clone()).await, 1, "beyond the lag allowed, the primary is asked");
    replica.address().psql("postgres", "SELECT pg_wal_replay_resume()").unwrap();
    drop(replica);
    assert_eq!(list(strict).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_is_silently_gone_blocks_nobody_for_longer_than_a_statement_may_take() {
    let Some(Fresh { store: direct, database }) = fresh().await else { return };
    let proxy = Proxy::start(database.address.port).unwrap();
    let url = database.address.tcp_url(proxy.port(), &database.name);
    let options = PgOptions::new(&url).unwrap().with_connections(2);
    let mut options = options.with_statement_timeout(Duration::from_millis(500));
    options.connect_timeout = Duration::from_millis(500);
    options.acquire_timeout = Duration::from_secs(5);
    let store = Arc::new(PgStore::open(options).await.unwrap());
    let project = project();
    direct.create(project.clone().into()).await.unwrap();
    store.project(project.id).await.unwrap();
    for _ in 0..3 {
        proxy.half_open();
        // More callers than connections: each must get an answer, and each connection come free again.
        let tasks: Vec<_> = (0..6)
            .map(|_| {
                let (store, id) = (store.clone(), project.id);
                tokio::spawn(async move { store.project(id).await.map(drop) })
            })
            .collect();
        for task in tasks {
            if let Err(error) = task.await.unwrap() {
                assert!(matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::Unavailable), "{error:?}");
            }
        }
        proxy.heal();
        eventually(|| store.project(project.id)).await;
    }
    proxy.cut();
    assert_eq!(store.project(project.id).await.unwrap(), project, "a read is tried again on a new connection");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_future_leaves_nothing_half_done_and_takes_no_connection_along() {
    let Some(Fresh { store, database }) = fresh().await else { return };
    let project = project();
    store.create(project.clone().into()).await.unwrap();
    for round in 0..100_u64 {
        let set = ChangeSet::new().create(build(project.id)).create(build(project.id)).event(event("pair", round + 1));
        let _ = tokio::time::timeout(Duration::from_micros(round * 40), store.apply(set)).await;
    }
    let whole = "SELECT (SELECT count(*) FROM slate_build_jobs) = 2 * (SELECT count(*) FROM slate_outbox)";
    assert_eq!(psql(&database, whole), "t", "a set is torn");
    for _ in 0..20 {
        store.project(project.id).await.unwrap();
    }
}
