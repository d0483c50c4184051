//! No line is lost, or its loss is told.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{SOON, backend, backend_with, cutter::Cutter, options, spec, within};
use futures_util::{StreamExt, TryStreamExt};
use slate_core::runtime::{
    ListOptions, LogChunk, LogCursor, LogOptions, MemorySize, RuntimeBackend, RuntimeBackendExt, labels,
};
use slate_docker::{DockerBackend, LogLimits};
use std::time::Duration;

/// Lines of the fast writers: many times what the engine keeps.
const MANY: u64 = 200_000;

fn numbered(chunks: &[LogChunk]) -> impl Iterator<Item = u64> {
    chunks.iter().map(|chunk| chunk.text().split(' ').next().unwrap().parse().unwrap())
}

/// Checks that each number from 1 comes once and in order, where `lost_before` stands for what is missing; gives the lost.
fn checked(chunks: &[LogChunk]) -> u64 {
    let (mut last, mut lost) = (0, 0);
    for (chunk, number) in chunks.iter().zip(numbered(chunks)) {
        assert!(number > last, "{number} after {last}");
        assert!(number == last + 1 || chunk.lost_before > 0, "{number} after {last}, and nothing said");
        (last, lost) = (number, lost + number - last - 1);
    }
    assert_eq!(last, MANY, "the last line came");
    lost
}

/// A backend whose engine keeps so many MiB of each log, in files of a fourth.
async fn with_logs_of(mib: u64) -> Option<DockerBackend> {
    backend_with(options().with_log(LogLimits::new(MemorySize::from_bytes(mib << 18), 4))).await
}

fn writer() -> slate_core::runtime::RuntimeSpec {
    // About 70 bytes a line, 30 MB in the log: the engine's files are written over again and again.
    // It stays for a while: of a program that ends at once, an engine that is too busy for two seconds throws away what is left
    // in the pipe.
    let script =
        format!("seq 1 {MANY} | sed 's/$/ the lamp is lit and the harbour is dark, says the keeper/'; sleep 4");
    spec("writer", &script)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_loses_no_line_of_a_fast_writer_though_the_log_is_rotated() {
    let Some(backend) = with_logs_of(16).await else { return };
    let id = backend.create(&writer()).await.unwrap();
    // Followed before the start, as an orchestrator may.
    let logs = backend.logs(&id, LogOptions::default().with_follow(true));
    let read = tokio::spawn(logs.try_collect::<Vec<_>>());
    backend.start(&id).await.unwrap();
    let chunks = tokio::time::timeout(3 * SOON, read).await.expect("the end of the log").unwrap().unwrap();
    assert_eq!(checked(&chunks), 0, "lines were lost");
    assert!(chunks.windows(2).all(|pair| pair[0].cursor < pair[1].cursor), "cursors grow");
    // The log itself has long been written over.
    let kept: Vec<_> = backend.logs(&id, LogOptions::default()).try_collect().await.unwrap();
    assert!((kept.len() as u64) < MANY, "the log was never rotated: {}", kept.len());
    backend.remove_if_there(&id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_comes_late_is_told_what_is_gone() {
    let Some(backend) = with_logs_of(2).await else { return };
    let script = "echo first; read line </tmp/go; seq 1 60000 | sed 's/$/ a line that fills the log/'";
    let mut spec = spec("late", &format!("mkfifo /tmp/go; {script}"));
    spec = spec.with_label(labels::SESSION, common::unique("session"));
    let id = backend.run(&spec).await.unwrap();
    let mut logs = backend.logs(&id, LogOptions::default().with_follow(true));
    let first = within("the first line", logs.next()).await.unwrap().unwrap();
    assert_eq!((first.text().as_ref(), first.lost_before), ("first", 0));
    drop(logs);
    let go = slate_core::runtime::Command::new(["sh", "-c", "echo >/tmp/go"]);
    backend.exec_all(&id, &go, slate_core::runtime::ExecOptions::default()).await.unwrap();
    backend.wait_for_exit(&id, SOON).await.unwrap();
    let rest = LogOptions::default().with_after(Some(first.cursor));
    let rest: Vec<_> = backend.logs(&id, rest).try_collect().await.unwrap();
    assert!(rest[0].lost_before > 0, "nothing is said of the lines that are gone");
    assert!(rest[1..].iter().all(|chunk| chunk.lost_before == 0), "it is said once");
    assert!(numbered(&rest).is_sorted());
    backend.remove_if_there(&id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_is_told_what_is_gone_and_does_not_stop_the_writer() {
    let Some(backend) = with_logs_of(2).await else { return };
    let id = backend.create(&writer()).await.unwrap();
    let mut logs = backend.logs(&id, LogOptions::default().with_follow(true));
    // Followed from before the start: of what was rotated away before anybody followed, nobody can tell.
    let (first, started) = tokio::join!(within("the first line", logs.next()), backend.start(&id));
    started.unwrap();
    let mut chunks = vec![first.unwrap().unwrap()];
    // Nobody reads until the writer has ended.
    backend.wait_for_exit(&id, 3 * SOON).await.unwrap();
    chunks.extend(within("the rest", logs.try_collect::<Vec<_>>()).await.unwrap());
    assert!(checked(&chunks) > 0, "{} lines fit in the log", chunks.len());
    backend.remove_if_there(&id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn another_service_takes_a_session_up_by_its_labels_where_its_log_ended() {
    let Some(first) = backend().await else { return };
    let session = common::unique("session");
    let spec = spec("adopted", "for i in $(seq 1 60); do echo $i; sleep 0.05; done")
        .with_label(labels::SESSION, &session)
        .with_label(labels::OWNER, "worker-1")
        .with_label(labels::GENERATION, 1);
    let id = first.run(&spec).await.unwrap();
    let seen: Vec<_> = first.logs(&id, LogOptions::default().with_follow(true)).take(10).try_collect().await.unwrap();
    let LogCursor(cursor) = seen[9].cursor;
    drop(first);

    let second = DockerBackend::open(options()).await.unwrap();
    let ours = ListOptions::default().with_labels([(labels::SESSION.to_owned(), session)].into());
    let found = second.list_all(ours).await.unwrap();
    assert_eq!(found.iter().map(|instance| &instance.id).collect::<Vec<_>>(), [&id]);
    assert_eq!(found[0].labels.get(labels::OWNER).map(String::as_str), Some("worker-1"));
    assert_eq!(found[0].labels.get(labels::GENERATION).map(String::as_str), Some("1"));
    let rest = LogOptions::default().with_follow(true).with_after(Some(LogCursor(cursor)));
    let rest: Vec<_> = within("the rest", second.logs(&id, rest).try_collect()).await.unwrap();
    assert_eq!(numbered(&rest).collect::<Vec<_>>(), (11..=60).collect::<Vec<_>>());
    assert!(rest.iter().all(|chunk| chunk.lost_before == 0));
    second.remove_if_there(&id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_of_a_silent_instance_sees_its_removal() {
    let Some(backend) = backend().await else { return };
    let id = backend.run(&spec("silent", "sleep 600")).await.unwrap();
    let logs = backend.logs(&id, LogOptions::default().with_follow(true));
    let read = tokio::spawn(logs.collect::<Vec<_>>());
    tokio::time::sleep(Duration::from_millis(300)).await;
    backend.remove_if_there(&id).await.unwrap();
    // Ended, or told that it is gone: never an endless wait.
    let read = within("the end", read).await.unwrap();
    assert!(read.len() <= 1, "{read:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_read_before_the_connection_broke_are_not_lost() {
    let Some(whole) = backend().await else { return };
    let id = whole.run(&spec("broken", "seq 1 100 | sed 's/$/ lines of a log that breaks off/'")).await.unwrap();
    whole.wait_for_exit(&id, SOON).await.unwrap();
    // In the middle of the log, twice, and each time long before a bunch is full.
    let cutter = Cutter::start("/logs?", &[2000, 4000]);
    let backend = DockerBackend::open(options().with_endpoint(cutter.endpoint())).await.unwrap();
    let logs = backend.logs(&id, LogOptions::default().with_follow(true));
    let chunks: Vec<_> = within("the end of the log", logs.try_collect()).await.unwrap();
    assert_eq!(cutter.left(), 0, "the log was never cut");
    assert_eq!(numbered(&chunks).collect::<Vec<_>>(), (1..=100).collect::<Vec<_>>());
    assert!(chunks.iter().all(|chunk| chunk.lost_before == 0));
    whole.remove_if_there(&id).await.unwrap();
}
