//! What the tests share.
#![allow(dead_code, reason = "each test file uses its share")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use slate_core::{
    InstanceId,
    conformance::runtime::RuntimeFixture,
    runtime::{ListOptions, LogOptions, RuntimeBackend, RuntimeBackendExt},
};
use slate_process::{ProcessBackend, ProcessOptions, Shim};
use std::{fs, path::Path, sync::Arc, time::Duration};

/// Longer than anything takes that must happen.
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) fn options(root: &Path) -> ProcessOptions {
    ProcessOptions::new(root).with_shim(Shim::Path(env!("CARGO_BIN_EXE_slate-shim").into()))
}

pub(crate) async fn open(root: &Path) -> ProcessBackend {
    ProcessBackend::open(options(root)).await.unwrap()
}

pub(crate) async fn fixture() -> RuntimeFixture {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("run");
    RuntimeFixture::new(Arc::new(open(&path).await))
        .with_probe(|mark| living(&format!("SLATE_PROBE={mark}")).len())
        .with_reopen(move || {
            let path = path.clone();
            async move { Arc::new(open(&path).await) as Arc<dyn RuntimeBackend> }
        })
        .keeping(root)
}

/// The living processes whose environment has this entry.
pub(crate) fn living(entry: &str) -> Vec<i32> {
    let has = |pid: &i32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == entry.as_bytes()) && state(*pid) != Some('Z')
    };
    pids().into_iter().filter(has).collect()
}

pub(crate) fn pids() -> Vec<i32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The state letter of a process.
pub(crate) fn state(pid: i32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// The parent of a process.
pub(crate) fn parent(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

/// Waits until `done`, and says `what` didn't come.
pub(crate) async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + SOON;
    while !done() {
        assert!(std::time::Instant::now() < deadline, "{what} didn't come");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The output so far.
pub(crate) async fn lines(backend: &ProcessBackend, id: &InstanceId, options: LogOptions) -> Vec<String> {
    use futures_util::TryStreamExt;
    let chunks: Vec<_> = backend.logs(id, options).try_collect().await.unwrap();
    chunks.iter().map(|chunk| chunk.text().into_owned()).collect()
}

/// Waits until the instance has printed a line that is `text`.
pub(crate) async fn printed(backend: &ProcessBackend, id: &InstanceId, text: &str) {
    use futures_util::StreamExt;
    let mut logs = backend.logs(id, LogOptions::default().with_follow(true));
    let seen = async {
        while let Some(chunk) = logs.next().await {
            if chunk.unwrap().text() == text {
                return true;
            }
        }
        false
    };
    assert!(tokio::time::timeout(SOON, seen).await.unwrap_or(false), "{text:?} wasn't printed");
}

/// Removes everything of a backend.
pub(crate) async fn clean(backend: &ProcessBackend) {
    for instance in backend.list_all(ListOptions::default()).await.unwrap() {
        backend.remove_if_there(&instance.id).await.unwrap();
    }
}
