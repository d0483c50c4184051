//! A process that writes is killed at random moments: what it was told is stored is there, and nothing is torn.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::*;
use slate_core::{
    BuildId, ProjectId, SessionId, Timestamp, Version,
    model::{Counter, LogEntry, LogLevel, LogSource},
    store::{
        AnalyticsStore, BuildStore, Change, ChangeSet, ChangeStore, CounterQuery, EventQuery, EventStore, LogQuery,
        LogStore, PageRequest, ProjectStore,
    },
};
use slate_store::sqlite::{SqliteOptions, SqliteStore};
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

const ROUNDS: u32 = 20;
const LINES: u64 = 20;

fn log_source() -> LogSource {
    LogSource::Session(SessionId::from_u128(1))
}

/// What the killed processes were told is stored.
#[derive(Default)]
struct Acknowledged {
    version: u64,
    lines: u64,
    builds: Vec<BuildId>,
}

impl Acknowledged {
    fn note(&mut self, line: &str) {
        let mut words = line.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some("ack-version"), Some(version), _) => self.version = version.parse().unwrap(),
            (Some("ack-lines"), Some(count), _) => self.lines = count.parse().unwrap(),
            (Some("ack-pair"), Some(a), Some(b)) => {
                self.builds.extend([a.parse().unwrap(), b.parse::<BuildId>().unwrap()]);
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = folder.path().join("slate.db");
    let project = project();
    let store = SqliteStore::open(&path, SqliteOptions::default()).await.unwrap();
    store.apply(ChangeSet::new().create(project.clone())).await.unwrap();
    drop(store);
    let mut acknowledged = Acknowledged::default();
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
    for round in 0..ROUNDS {
        let before = acknowledged.builds.len();
        let pause = Duration::from_millis(u64::from((seed.wrapping_add(round * 7919)) % 150));
        write_and_kill(&path, project.id, pause, &mut acknowledged);
        assert!(acknowledged.builds.len() > before, "the child wrote nothing before it was killed");
        check(&path, project.id, &acknowledged).await;
    }
    println!(
        "{ROUNDS} kills: version {}, {} lines, {} builds acknowledged, none lost",
        acknowledged.version,
        acknowledged.lines,
        acknowledged.builds.len()
    );
}

fn write_and_kill(path: &Path, project: ProjectId, pause: Duration, acknowledged: &mut Acknowledged) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_process_that_is_killed", "--ignored", "--nocapture"])
        .env("SLATE_CRASH_DB", path)
        .env("SLATE_CRASH_PROJECT", project.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut deadline = None;
    // The kill comes from the side, while this reads on: the pipe holds what was printed before.
    let killer = std::sync::Mutex::new(child);
    std::thread::scope(|scope| {
        let mut spawned = false;
        for line in &mut lines {
            let line = line.unwrap();
            acknowledged.note(&line);
            if line.starts_with("ack-pair") && !spawned {
                spawned = true;
                deadline = Some(Instant::now() + pause);
                let killer = &killer;
                scope.spawn(move || {
                    std::thread::sleep(pause);
                    killer.lock().unwrap().kill().unwrap();
                });
            }
        }
    });
    assert!(deadline.is_some(), "the child ended before it wrote anything");
    let status = killer.lock().unwrap().wait().unwrap();
    assert!(!status.success(), "the child was to be killed");
}

async fn check(path: &Path, project: ProjectId, acknowledged: &Acknowledged) {
    let store = SqliteStore::open(path, SqliteOptions::default()).await.unwrap();
    // Versions: none lost, each by one, and with it its event and its count.
    let version = store.project(project).await.unwrap().revision.version.0;
    assert!(version >= acknowledged.version, "{version} is stored, {} was acknowledged", acknowledged.version);
    let told = events(&store, "project").await;
    assert_eq!(told, (2..=version).collect::<Vec<_>>());
    let counters = store.counters(CounterQuery::all()).await.unwrap();
    assert_eq!(counters.iter().map(|counter| counter.value).sum::<i64>(), version as i64 - 1);
    // Pairs: both or none.
    let pairs = events(&store, "pair").await.len() as u64;
    assert_eq!(store.build_statistics(None).await.unwrap().total, pairs * 2);
    for build in &acknowledged.builds {
        store.build(*build).await.unwrap();
    }
    // Lines: whole batches, none lost.
    let lines = store.count_logs(LogQuery::all()).await.unwrap();
    assert!(lines >= acknowledged.lines, "{lines} are stored, {} were acknowledged", acknowledged.lines);
    assert_eq!(lines % LINES, 0, "a batch is torn");
    assert_eq!(store.last_log_seq(log_source()).await.unwrap(), (lines > 0).then_some(lines));
    store.close().await.unwrap();
    let database = sqlx::SqlitePool::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    let verdict: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&database).await.unwrap();
    assert_eq!(verdict, "ok");
    database.close().await;
}

async fn events(store: &SqliteStore, aggregate: &str) -> Vec<u64> {
    let (mut versions, mut page) = (Vec::new(), PageRequest::first(1000));
    loop {
        let found = store.events(EventQuery::all().of_aggregate(aggregate.into()), page.clone()).await.unwrap();
        versions.extend(found.items.iter().map(|event| event.event.aggregate.as_ref().unwrap().version.0));
        let Some(next) = found.next else { return versions };
        page = page.after(Some(next));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the child of what_was_acknowledged_survives_a_kill, which starts and kills it"]
async fn the_process_that_is_killed() {
    let path = std::env::var("SLATE_CRASH_DB").expect("only what_was_acknowledged_survives_a_kill runs this");
    let project: ProjectId = std::env::var("SLATE_CRASH_PROJECT").unwrap().parse().unwrap();
    let store = SqliteStore::open(path, SqliteOptions::default()).await.unwrap();
    tokio::join!(update(&store, project), append(&store), create(&store, project));
}

async fn update(store: &SqliteStore, id: ProjectId) {
    loop {
        let project = store.project(id).await.unwrap();
        let next = project.revision.version.0 + 1;
        let count = Counter { name: "updates".into(), label: String::new(), bucket: Timestamp::EPOCH, value: 1 };
        let set = ChangeSet::new().update(project).change(Change::Count(count)).event(event("project", next));
        let applied = store.apply(set).await.unwrap();
        assert_eq!(applied.versions[0].1, Version(next));
        println!("ack-version {next}");
    }
}

async fn append(store: &SqliteStore) {
    let mut seq = store.last_log_seq(log_source()).await.unwrap().unwrap_or(0);
    loop {
        let lines = (1..=LINES)
            .map(|index| LogEntry::new(log_source(), LogLevel::Info, "x", Timestamp::now()).with_seq(seq + index))
            .collect();
        assert_eq!(store.append_logs(lines).await.unwrap(), LINES as usize);
        seq += LINES;
        println!("ack-lines {seq}");
    }
}

async fn create(store: &SqliteStore, project: ProjectId) {
    loop {
        let (a, b) = (build(project), build(project));
        let (first, second) = (a.id, b.id);
        store.apply(ChangeSet::new().create(a).create(b).event(event("pair", 1))).await.unwrap();
        println!("ack-pair {first} {second}");
    }
}
