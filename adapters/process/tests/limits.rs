//! Limits, where they are enforced and where they are only watched; output without end; a full disk; secrets.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{SOON, clean, living, open, options, printed};
use futures_util::StreamExt;
use slate_core::{
    Component, ErrorKind,
    runtime::{
        InstanceState, LogChunk, LogOptions, MemorySize, RemoveOptions, RuntimeBackend, RuntimeBackendExt, RuntimeSpec,
    },
};
use slate_process::{Cgroups, LogLimits, ProcessBackend};
use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_bomb_under_an_enforced_limit_is_held_and_removed() {
    let root = tempfile::tempdir().unwrap();
    let backend = open(root.path()).await;
    if !backend.capabilities().pids_limit {
        println!("skipped: no control group for processes here");
        return;
    }
    let bomb = RuntimeSpec::new("bomb", ["bash", "-c", "echo lit; b() { b | b & }; b; sleep 600"]).with_pids(64);
    let id = backend.run(&bomb).await.unwrap();
    printed(&backend, &id, "lit").await;
    let mark = format!("SLATE_INSTANCE={id}");
    for _ in 0..3 {
        if let Ok(sample) = backend.sample(&id).await {
            assert!(sample.pids <= 64, "{} processes", sample.pids);
        }
    }
    backend.remove(&id, RemoveOptions::default().with_force(true)).await.unwrap();
    assert_eq!(living(&mark), Vec::<i32>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_control_groups_too_many_processes_end_the_instance() {
    let root = tempfile::tempdir().unwrap();
    let backend = ProcessBackend::open(options(root.path()).with_cgroups(Cgroups::Off)).await.unwrap();
    let can = backend.capabilities();
    assert!(!can.pids_limit && !can.memory_limit && !can.cpu_limit, "what is only watched isn't promised");
    // Bounded, so that the host survives a watchdog that fails.
    let many = "i=0; while [ $i -lt 300 ]; do sleep 60 & i=$((i+1)); done; wait";
    let id = backend.run(&RuntimeSpec::new("many", ["sh", "-c", many]).with_pids(64)).await.unwrap();
    let exit = backend.wait_for_exit(&id, SOON).await.unwrap();
    assert_eq!((exit.signal, exit.out_of_memory), (Some(9), false));
    assert_eq!(living(&format!("SLATE_INSTANCE={id}")), Vec::<i32>::new());
    clean(&backend).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_control_groups_too_much_memory_ends_the_instance() {
    let root = tempfile::tempdir().unwrap();
    let backend = ProcessBackend::open(options(root.path()).with_cgroups(Cgroups::Off)).await.unwrap();
    let greedy = "x=$(head -c 150000000 /dev/zero | tr '\\0' x); sleep 60; echo ${#x}";
    let spec = RuntimeSpec::new("greedy", ["sh", "-c", greedy]).with_memory(MemorySize::from_mib(48));
    let id = backend.run(&spec).await.unwrap();
    let exit = backend.wait_for_exit(&id, SOON).await.unwrap();
    assert!(exit.out_of_memory && exit.signal == Some(9), "{exit:?}");
    clean(&backend).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_100_megabytes_stays_bounded() {
    const BYTES: u64 = 100_000_000;
    let root = tempfile::tempdir().unwrap();
    let limits = LogLimits::new(1 << 20, 8 << 20);
    let backend = ProcessBackend::open(options(root.path()).with_log(limits)).await.unwrap();
    let script = format!("head -c {BYTES} /dev/zero | tr '\\0' x; echo; echo after; exec sleep 600");
    let id = backend.run(&RuntimeSpec::new("long", ["sh", "-c", &script])).await.unwrap();
    printed(&backend, &id, "after").await;
    let folder = root.path().join("instances").join(id.as_str());
    let state: serde_json::Value = serde_json::from_slice(&fs::read(folder.join("state.json")).unwrap()).unwrap();
    let status = fs::read_to_string(format!("/proc/{}/status", state["shim"]["pid"])).unwrap();
    let peak: u64 =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok()).unwrap();
    assert!(peak < 32 * 1024, "the supervisor took {peak} KiB");
    let kept: u64 =
        fs::read_dir(folder.join("log")).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    assert!(kept <= limits.total_bytes + limits.segment_bytes, "{kept} bytes are kept");
    let chunks: Vec<LogChunk> = backend.logs(&id, LogOptions::default()).map(Result::unwrap).collect().await;
    assert!(chunks.iter().all(|chunk| chunk.line.len() <= LogChunk::MAX_LINE));
    let seen = chunks.len() as u64 + chunks.iter().map(|chunk| chunk.lost_before).sum::<u64>();
    assert_eq!(seen, BYTES.div_ceil(LogChunk::MAX_LINE as u64) + 1, "what is gone is counted");
    assert!(chunks[0].lost_before > 0);
    clean(&backend).await;
}

/// A file system of one mebibyte, taken away when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(folder.path()).output();
        if mount.is_ok_and(|output| output.status.success()) {
            return Some(Self(folder));
        }
        println!("skipped: a small disk can't be mounted here");
        None
    }

    fn fill(&self) {
        let filled = fs::write(self.0.path().join("filler"), vec![b'x'; 2 << 20]);
        assert_eq!(filled.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    }

    fn free(&self) {
        fs::remove_file(self.0.path().join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(self.0.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_a_clear_error_and_leaves_nothing_half_written() {
    let Some(disk) = SmallDisk::new() else { return };
    let root = disk.0.path().join("run");
    let backend = open(&root).await;
    let idle = backend.create(&RuntimeSpec::new("idle", ["true"])).await.unwrap();
    let script = "trap 'exit 23' TERM; echo ready; while :; do sleep 0.02; done";
    let busy = backend.run(&RuntimeSpec::new("busy", ["sh", "-c", script])).await.unwrap();
    printed(&backend, &busy, "ready").await;
    disk.fill();

    let error = backend.create(&RuntimeSpec::new("more", ["true"])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{error:?}");
    assert_eq!(fs::read_dir(root.join("new")).unwrap().count(), 0, "nothing half-made is left");
    assert_eq!(fs::read_dir(root.join("names")).unwrap().count(), 2);
    let error = backend.start(&idle).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{error:?}");
    assert_eq!(backend.inspect(&idle).await.unwrap().state, InstanceState::Created);
    assert_eq!(living(&format!("SLATE_INSTANCE={idle}")), Vec::<i32>::new());
    assert_eq!(backend.ping().await.unwrap_err().kind(), ErrorKind::Unavailable);
    // The end of what runs is written down all the same.
    backend.stop(&busy, Default::default()).await.unwrap();
    assert_eq!(backend.inspect(&busy).await.unwrap().exit.unwrap().code, Some(23));

    disk.free();
    backend.start(&idle).await.unwrap();
    assert_eq!(backend.wait_for_exit(&idle, SOON).await.unwrap().code, Some(0));
    clean(&backend).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_in_one_file_that_only_the_owner_reads() {
    const SECRET: &str = "hunter2-77ab";
    let root = tempfile::tempdir().unwrap();
    let backend = open(root.path()).await;
    let spec = RuntimeSpec::new("secret", ["sh", "-c", "echo ready; exec sleep 600"]).with_secret("TOKEN", SECRET);
    let id = backend.run(&spec).await.unwrap();
    printed(&backend, &id, "ready").await;
    let mut holders = Vec::new();
    let mut folders = vec![root.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let (path, meta) = (entry.path(), entry.path().symlink_metadata().unwrap());
            if meta.is_dir() {
                folders.push(path);
            } else if meta.is_file() && String::from_utf8_lossy(&fs::read(&path).unwrap()).contains(SECRET) {
                assert_eq!(meta.permissions().mode() & 0o777, 0o600, "{path:?}");
                holders.push(path.file_name().unwrap().to_owned());
            }
        }
    }
    assert_eq!(holders, ["launch.json"]);
    // Command lines are everybody's to read; the supervisor has the secret neither there nor in its environment.
    for pid in common::pids() {
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&command).contains(SECRET), "process {pid}");
    }
    let missing = RuntimeSpec::new("broken", ["/no/such"]).with_secret("TOKEN", SECRET);
    let error = backend.run(&missing).await.unwrap_err();
    for shown in [format!("{error:?}"), format!("{backend:?}"), format!("{:?}", options(Path::new("/r")))] {
        assert!(!shown.contains(SECRET));
    }
    // A damaged file isn't quoted in the error.
    let launch = root.path().join("instances").join(id.as_str()).join("launch.json");
    backend.stop(&id, Default::default()).await.unwrap();
    fs::write(&launch, format!("{{\"env\":\"{SECRET}\"")).unwrap();
    let error = backend.start(&id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(!format!("{error:?}").contains(SECRET));
    clean(&backend).await;
}
