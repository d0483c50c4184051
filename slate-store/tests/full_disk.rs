//! The disk is full: the store says so, loses nothing, and goes on when there is room again.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::*;
use slate_core::{
    ErrorKind, SessionId, Timestamp,
    model::{LogEntry, LogLevel, LogSource},
    store::{LogQuery, LogStore, ProjectStore, StoreExt},
};
use slate_store::sqlite::{SqliteOptions, SqliteStore};
use std::{path::PathBuf, process::Command};

/// A file system of 8 MiB; gone with this value.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// `None`, after it has said so, where this process may not mount.
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=8m", "slate-test"])
            .arg(folder.path())
            .output()
            .is_ok_and(|output| output.status.success());
        if mounted {
            return Some(Self(folder));
        }
        assert!(std::env::var_os("SLATE_REQUIRE_SERVERS").is_none(), "a file system can't be mounted here");
        println!("skipped: full disk: mounting a small file system needs root");
        None
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, for the store may close its files a moment later.
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_resource_exhausted_until_there_is_room() {
    let Some(disk) = SmallDisk::mount() else { return };
    std::fs::write(disk.file("ballast"), vec![1; 2 * 1024 * 1024]).unwrap();
    let store = SqliteStore::open(disk.file("slate.db"), SqliteOptions::default()).await.unwrap();
    let project = project();
    store.create(project.clone().into()).await.unwrap();
    let source = LogSource::Session(SessionId::new());
    let lines = || {
        (0..20).map(|_| LogEntry::new(source, LogLevel::Info, "x".repeat(4096), Timestamp::now())).collect::<Vec<_>>()
    };
    let mut stored = 0;
    let error = loop {
        match store.append_logs(lines()).await {
            Ok(count) => stored += count as u64,
            Err(error) => break error,
        }
        assert!(stored < 10_000, "the disk never got full");
    };
    assert_eq!((error.kind(), error.component()), (ErrorKind::ResourceExhausted, "store.sqlite"), "{error:?}");
    assert_eq!(error.retry(), slate_core::Retry::Backoff);
    assert!(stored > 0);
    // Reading goes on, and nothing that was acknowledged is lost, nothing refused is there.
    assert_eq!(store.project(project.id).await.unwrap(), project);
    assert_eq!(store.count_logs(LogQuery::all()).await.unwrap(), stored);
    // Many at a time are each refused, and the store stays whole.
    let (a, b, c) = tokio::join!(store.append_logs(lines()), store.append_logs(lines()), store.append_logs(lines()));
    for result in [a, b, c] {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::ResourceExhausted);
    }
    std::fs::remove_file(disk.file("ballast")).unwrap();
    assert_eq!(store.append_logs(lines()).await.unwrap(), 20);
    assert_eq!(store.count_logs(LogQuery::all()).await.unwrap(), stored + 20);
    store.close().await.unwrap();
}
