//! A project's folder that isn't what it seems, and isn't at the moment of use what it was at the check.

use crate::common::{SOON, backend_with, lines_of, options, printed, skipped, spec, within};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use slate_core::{
    ErrorKind,
    policy::MountPolicy,
    runtime::{RemoveOptions, RuntimeBackend, RuntimeBackendExt, RuntimeSpec, VolumeMount, labels},
};
use slate_docker::{Binding, DockerBackend, DockerOptions};
use std::{
    fs,
    os::unix::{fs::symlink, net::UnixListener},
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

/// A root with a project in it, a secret beside it, and a staging folder of this test's own.
struct Ground {
    folder: tempfile::TempDir,
}

impl Ground {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in [("root/p1", "project"), ("root/p2", "neighbour"), ("outside", "secret")] {
            fs::create_dir_all(folder.path().join(path)).unwrap();
            fs::write(folder.path().join(path).join("what"), format!("{text}\n")).unwrap();
        }
        Self { folder }
    }

    fn at(&self, path: &str) -> PathBuf {
        // The folder for temporary files may itself lie behind a link.
        fs::canonicalize(self.folder.path()).unwrap().join(path)
    }

    fn options(&self) -> DockerOptions {
        let root = MountPolicy::none().with_root(&self.at("root").to_string_lossy()).unwrap();
        options().with_mounts(root).with_binding(Binding::Staged { folder: self.at("staging") })
    }

    /// The backend, where this user may mount.
    async fn backend(&self) -> Option<DockerBackend> {
        if !rustix::process::geteuid().is_root() {
            skipped("folders can be staged by root only");
            return None;
        }
        backend_with(self.options()).await
    }

    fn spec(&self, path: &str, script: &str) -> RuntimeSpec {
        spec("folder", script).with_mount(VolumeMount::bind(self.at(path).to_string_lossy(), "/app"))
    }

    /// The containers whose mounts are staged.
    fn staged(&self) -> Vec<PathBuf> {
        let realms = fs::read_dir(self.at("staging")).into_iter().flatten().flatten();
        realms.flat_map(|realm| fs::read_dir(realm.path()).unwrap().flatten()).map(|entry| entry.path()).collect()
    }
}

/// What is still mounted would be removed with the folder.
impl Drop for Ground {
    fn drop(&mut self) {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let here = self.folder.path().to_string_lossy().into_owned();
        let left: Vec<_> =
            mounts.lines().filter_map(|line| line.split(' ').nth(1)).filter(|place| place.starts_with(&here)).collect();
        for place in left.iter().rev() {
            let _gone = rustix::mount::unmount(*place, rustix::mount::UnmountFlags::DETACH);
        }
        assert!(left.is_empty() || std::thread::panicking(), "still mounted: {left:?}");
    }
}

#[tokio::test]
async fn a_folder_of_the_root_is_seen_and_taken_away_again() {
    let ground = Ground::new();
    let Some(backend) = ground.backend().await else { return };
    rustix::fs::chown(ground.at("root/p1"), Some(rustix::process::Uid::from_raw(10001)), None).unwrap();
    let spec = ground.spec("root/p1", "cat /app/what; echo mine >/app/new && echo written");
    assert_eq!(lines_of(&backend, &spec).await, ["project", "written"]);
    assert_eq!(fs::read_to_string(ground.at("root/p1/new")).unwrap(), "mine\n");
    assert_eq!(ground.staged(), Vec::<PathBuf>::new(), "nothing stays");

    let mount = VolumeMount::bind(ground.at("root/p1").to_string_lossy(), "/app").read_only();
    let spec = crate::common::spec("reads", "touch /app/x 2>/dev/null || echo kept").with_mount(mount);
    assert_eq!(lines_of(&backend, &spec).await, ["kept"]);
}

#[tokio::test]
async fn what_is_no_folder_of_the_root_is_refused() {
    let ground = Ground::new();
    let Some(backend) = ground.backend().await else { return };
    let root = |path: &str| ground.at("root").join(path);
    symlink(ground.at("outside"), root("link")).unwrap();
    symlink("../outside", root("relative")).unwrap();
    symlink("p2", root("sideways")).unwrap();
    symlink("/proc/self/root", root("magic")).unwrap();
    symlink(ground.at(""), root("p1/up")).unwrap();
    let sized = rustix::fs::makedev(1, 3);
    mknodat(CWD, root("device"), FileType::CharacterDevice, Mode::from_raw_mode(0o666), sized).unwrap();
    mknodat(CWD, root("pipe"), FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap();
    let _socket = UnixListener::bind(root("socket")).unwrap();
    fs::hard_link(ground.at("outside/what"), root("second-name")).unwrap();
    fs::write(root("file"), "x").unwrap();
    for (path, reason) in [
        ("link", "symbolic link"),
        ("relative", "symbolic link"),
        ("sideways", "symbolic link"),
        ("link/what", "symbolic link"),
        ("magic", "symbolic link"),
        ("magic/etc", "symbolic link"),
        ("p1/up/outside", "symbolic link"),
        ("device", "no devices"),
        ("pipe", "no devices"),
        ("socket", "no devices"),
        ("second-name", "several names"),
        ("missing", "isn't there"),
        ("file/below", "isn't there"),
    ] {
        let error = backend.create(&ground.spec(&format!("root/{path}"), "true")).await.unwrap_err();
        assert!(error.to_string().contains(reason), "{path}: {error}");
        assert!(matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::NotFound), "{path}: {error:?}");
    }
    for path in ["outside", "root/../outside", "", "root2"] {
        let error = backend.create(&ground.spec(path, "true")).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::Invalid), "{path}: {error:?}");
    }
    let mut with_display = crate::common::spec("display", "true");
    with_display.display = Some(
        serde_json::from_value(
            serde_json::json!({ "method": "x11", "displayId": ":0", "socketPath": "/var/run/docker.sock" }),
        )
        .unwrap(),
    );
    assert_eq!(backend.create(&with_display).await.unwrap_err().kind(), ErrorKind::PermissionDenied);
    assert_eq!(ground.staged(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_project_sees_its_own_folder_and_no_neighbour_s() {
    let ground = Ground::new();
    let Some(_) = ground.backend().await else { return };
    let root = MountPolicy::none().with_root(&ground.at("root/{project}").to_string_lossy()).unwrap();
    let backend = backend_with(ground.options().with_mounts(root)).await.unwrap();
    let of = |project: &str, path: &str| ground.spec(path, "cat /app/what").with_label(labels::PROJECT, project);
    assert_eq!(lines_of(&backend, &of("p1", "root/p1")).await, ["project"]);
    // A folder of the project's that is part of the root is no way out either.
    symlink(ground.at("outside"), ground.at("root/p2/files")).unwrap();
    let deep = MountPolicy::none().with_root(&ground.at("root/{project}/files").to_string_lossy()).unwrap();
    let strict = backend_with(ground.options().with_mounts(deep)).await.unwrap();
    let error = strict.create(&of("p2", "root/p2/files")).await.unwrap_err();
    assert!(error.to_string().contains("symbolic link"), "{error}");
    for (project, path) in [("p1", "root/p2"), ("p2", "root/p1"), ("..", "outside"), ("p1", "root")] {
        let error = backend.create(&of(project, path)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{project} {path}: {error}");
    }
    backend.remove_network("slate-test-p1").await.unwrap();
}

#[tokio::test]
async fn without_roots_nothing_is_mounted() {
    let ground = Ground::new();
    let Some(backend) = backend_with(options()).await else { return };
    let error = backend.create(&ground.spec("root/p1", "true")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
}

#[tokio::test]
async fn a_folder_that_is_swapped_after_the_check_is_seen_as_it_was() {
    let ground = Ground::new();
    let Some(backend) = ground.backend().await else { return };
    let id = backend.create(&ground.spec("root/p1", "cat /app/what; echo end; sleep 600")).await.unwrap();
    fs::rename(ground.at("root/p1"), ground.at("root/old")).unwrap();
    symlink(ground.at("outside"), ground.at("root/p1")).unwrap();
    // The next one is refused, this one sees what was opened for it; after a new start as well.
    assert_eq!(backend.create(&ground.spec("root/p1", "true")).await.unwrap_err().kind(), ErrorKind::PermissionDenied);
    for _ in 0..2 {
        backend.start(&id).await.unwrap();
        printed(&backend, &id, "end").await;
        backend.stop(&id, slate_core::runtime::StopOptions::default().with_grace(Duration::ZERO)).await.unwrap();
    }
    let lines = crate::common::lines(&backend, &id, slate_core::runtime::LogOptions::default()).await;
    assert_eq!(lines, ["project", "end", "project", "end"]);
    backend.remove_if_there(&id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_is_swapped_all_the_time_never_becomes_the_secret() {
    let ground = Ground::new();
    let Some(backend) = ground.backend().await else { return };
    symlink(ground.at("outside"), ground.at("root/trap")).unwrap();
    let stop = AtomicBool::new(false);
    let (project, trap) = (ground.at("root/p1"), ground.at("root/trap"));
    let swap = || {
        while !stop.load(Ordering::Relaxed) {
            let flags = rustix::fs::RenameFlags::EXCHANGE;
            rustix::fs::renameat_with(CWD, &project, CWD, &trap, flags).unwrap();
        }
    };
    let (mut mounted, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(swap);
        let tries = async {
            for _ in 0..60 {
                match backend.create(&ground.spec("root/p1", "true")).await {
                    Ok(id) => {
                        mounted += 1;
                        let staged = ground.staged().pop().unwrap();
                        let seen = fs::read_to_string(staged.join("0/what")).unwrap();
                        backend.remove(&id, RemoveOptions::default()).await.unwrap();
                        assert_eq!(seen, "project\n");
                    }
                    Err(error) => {
                        refused += 1;
                        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:?}");
                    }
                }
            }
        };
        let done = tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(tokio::time::timeout(SOON * 3, tries))
        });
        stop.store(true, Ordering::Relaxed);
        done.unwrap();
    });
    assert!(refused > 0, "the swapping was never seen: {mounted} mounted");
    println!("{mounted} mounted, {refused} refused");
}

#[tokio::test]
async fn a_set_uid_program_and_a_device_of_the_project_work_for_nobody() {
    let ground = Ground::new();
    let Some(backend) = ground.backend().await else { return };
    let null = rustix::fs::makedev(1, 5);
    mknodat(CWD, ground.at("root/p1/zero"), FileType::CharacterDevice, Mode::from_raw_mode(0o666), null).unwrap();
    rustix::fs::chmod(ground.at("root/p1/zero"), Mode::from_raw_mode(0o666)).unwrap();
    // Set-uid programs gain nothing by `no-new-privileges` already; here they wouldn't either.
    let script = "grep ' /app ' /proc/mounts | grep -o -E 'nosuid|nodev'; \
                  head -c 1 /app/zero >/dev/null 2>&1 && echo read || echo no";
    assert_eq!(lines_of(&backend, &ground.spec("root/p1", script)).await, ["nosuid", "nodev", "no"]);
}

#[tokio::test]
async fn what_a_crash_leaves_staged_is_swept() {
    let ground = Ground::new();
    let Some(backend) = ground.backend().await else { return };
    let kept = backend.create(&ground.spec("root/p1", "cat /app/what")).await.unwrap();
    let lost = backend.create(&ground.spec("root/p2", "true")).await.unwrap();
    assert_eq!(ground.staged().len(), 2);
    // Removed past the backend, as by hand or by a service that died before it had tidied up.
    crate::forged::engine().unwrap().remove_container(lost.as_str(), None).await.unwrap();
    assert_eq!(backend.sweep_mounts(Duration::from_secs(3600)).await.unwrap(), 0, "too young");
    assert_eq!(within("the sweep", backend.sweep_mounts(Duration::ZERO)).await.unwrap(), 1);
    assert_eq!(ground.staged().len(), 1);
    backend.start(&kept).await.unwrap();
    assert!(backend.wait_for_exit(&kept, SOON).await.unwrap().success());
    // A host that was started anew has no mounts: that is said, and not an empty folder shown.
    let place = ground.staged().pop().unwrap();
    rustix::mount::unmount(&place, rustix::mount::UnmountFlags::DETACH).unwrap();
    assert_eq!(backend.start(&kept).await.unwrap_err().kind(), ErrorKind::WrongState);
    backend.remove_if_there(&kept).await.unwrap();
    assert_eq!(ground.staged(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_create_that_fails_leaves_nothing_staged() {
    let ground = Ground::new();
    let Some(backend) = ground.backend().await else { return };
    let spec = ground.spec("root/p1", "true");
    let id = backend.create(&spec).await.unwrap();
    assert_eq!(backend.create(&spec).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(ground.staged().len(), 1);
    backend.remove_if_there(&id).await.unwrap();
}

#[tokio::test]
async fn where_nothing_can_be_staged_folders_are_refused_unless_the_gap_is_accepted() {
    let ground = Ground::new();
    // A place where nobody can make a folder.
    let nowhere = ground.options().with_binding(Binding::Staged { folder: "/proc/slate".into() });
    let Some(backend) = backend_with(nowhere).await else { return };
    let error = backend.create(&ground.spec("root/p1", "true")).await.unwrap_err();
    assert!(error.to_string().contains("staging folder"), "{error}");

    let backend = backend_with(ground.options().with_binding(Binding::CheckedPaths)).await.unwrap();
    assert_eq!(lines_of(&backend, &ground.spec("root/p1", "cat /app/what")).await, ["project"]);
    symlink(ground.at("outside"), ground.at("root/link")).unwrap();
    let error = backend.create(&ground.spec("root/link", "true")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
}
