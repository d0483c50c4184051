use super::support::{World, files, lantern, shell, slate};
use slate_core::{
    ErrorKind,
    model::{LogSource, SessionState},
};
use std::{fs, path::Path, process::Command};

/// A small file system, taken away when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={size}");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()).output();
        if mount.is_ok_and(|output| output.status.success()) {
            return Some(Self(folder));
        }
        println!("skipped: a small disk can't be mounted here");
        None
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn fill(&self) {
        let filled = fs::write(self.path().join("filler"), vec![b'x'; 64 << 20]);
        assert_eq!(filled.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    }

    fn free(&self) {
        fs::remove_file(self.path().join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(self.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()));
    }
}

#[test]
fn results_that_find_no_room_are_told_and_leave_nothing_half_written() {
    let Some(disk) = SmallDisk::new("2m") else { return };
    let root = tempfile::tempdir().unwrap();
    let (data, to) = (root.path().join("data"), disk.path().join("out"));
    let (pictures, out) = (lantern("textures").to_string_lossy().into_owned(), to.to_string_lossy().into_owned());
    disk.fill();
    slate(&data, &["assets", &pictures, "-o", &out]).refused(1, &["FAILED", "No space left"]);
    let left: u64 = files(&to).iter().map(|file| fs::metadata(to.join(file)).unwrap().len()).sum();
    assert_eq!(left, 0, "{:?}", files(&to));
    disk.free();
    let flame = lantern("textures/flame.png").to_string_lossy().into_owned();
    let ran = slate(&data, &["assets", &flame, "-o", &out]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert!(!files(&to).is_empty());
}

#[test]
fn a_full_data_folder_is_a_clear_error_and_works_again_when_room_is_freed() {
    let Some(disk) = SmallDisk::new("16m") else { return };
    let root = tempfile::tempdir().unwrap();
    let (data, to) = (disk.path().join("data"), root.path().join("out"));
    let (flame, out) = (lantern("textures/flame.png"), to.to_string_lossy().into_owned());
    let arguments = ["assets", flame.to_str().unwrap(), "-o", &out];
    disk.fill();
    let ran = slate(&data, &arguments);
    assert!([1, 4].contains(&ran.code), "{ran:#?}");
    assert!(
        ["full", "No space", "room"].iter().any(|word| ran.err.contains(word) || ran.out.contains(word)),
        "{ran:#?}"
    );
    assert!(files(&to).is_empty(), "{:?}", files(&to));
    disk.free();
    let ran = slate(&data, &arguments);
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert!(!files(&to).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_finds_no_room_then_room_and_the_services_live_through_it() {
    let Some(disk) = SmallDisk::new("16m") else { return };
    let root = tempfile::tempdir().unwrap();
    let world = World::at(root, disk.path().join("data")).await;
    let services = world.start(|_| {}).await;
    let before = world.session("echo ready; while [ ! -e go ]; do sleep 0.02; done; echo done").await;
    world.printed(before, "ready").await;
    disk.fill();
    let mut refused = 0;
    // The store has some room in its own files yet: it is asked until that is used up.
    for _ in 0..20_000 {
        match world.sessions().create(world.wanted(shell("true"))).await {
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{error:?}");
                refused += 1;
                break;
            }
        }
    }
    assert_eq!(refused, 1, "a full disk is told");
    disk.free();
    let after = world.session("echo after").await;
    assert_eq!(world.ended(after).await.status, SessionState::Stopped);
    assert!(services.ended().is_empty(), "{:?}", services.ended());
    world.sessions().request_stop(before).await.unwrap();
    assert_eq!(world.ended(before).await.status, SessionState::Stopped);
    assert!(world.log(LogSource::Session(before)).await.iter().any(|line| line.message == "ready"));
    world.is_empty().await;
    services.shutdown().await.unwrap();
}
