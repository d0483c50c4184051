//! How a backend is opened, and what it refuses.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use slate_core::{
    ErrorKind,
    runtime::{ExecOptions, RuntimeBackend, RuntimeBackendExt, RuntimeSpec, VolumeMount},
};
use slate_process::{Cgroups, ProcessBackend, ProcessOptions, Shim};
use std::time::Duration;

fn options(root: &std::path::Path) -> ProcessOptions {
    ProcessOptions::new(root).with_shim(Shim::Path(env!("CARGO_BIN_EXE_slate-shim").into()))
}

#[tokio::test]
async fn without_a_supervisor_the_error_says_what_to_do() {
    let root = tempfile::tempdir().unwrap();
    // This executable doesn't call `run_if_asked`, and no shim lies beside it.
    let error = ProcessBackend::open(ProcessOptions::new(root.path())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.message().contains("run_if_asked"), "{error}");
    let missing = ProcessOptions::new(root.path()).with_shim(Shim::Path("/no/such/shim".into()));
    assert_eq!(ProcessBackend::open(missing).await.unwrap_err().kind(), ErrorKind::NotFound);
    let nowhere = options(root.path()).with_cgroups(Cgroups::Under("/no/such/group".into()));
    assert_eq!(ProcessBackend::open(nowhere).await.unwrap_err().kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_supervisor_that_is_none_is_an_error_and_leaves_the_instance_created() {
    let root = tempfile::tempdir().unwrap();
    let mut options = options(root.path()).with_shim(Shim::Path("/bin/true".into()));
    options.start_timeout = Duration::from_secs(5);
    let backend = ProcessBackend::open(options.clone()).await.unwrap();
    let id = backend.create(&RuntimeSpec::new("a", ["true"])).await.unwrap();
    assert_eq!(backend.start(&id).await.unwrap_err().kind(), ErrorKind::Internal);
    assert_eq!(backend.inspect(&id).await.unwrap().state, slate_core::runtime::InstanceState::Created);
    let hangs = root.path().join("hangs");
    std::fs::write(&hangs, "#!/bin/sh\nexec sleep 60\n").unwrap();
    std::fs::set_permissions(&hangs, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    options.shim = Shim::Path(hangs);
    options.start_timeout = Duration::from_millis(200);
    let backend = ProcessBackend::open(options).await.unwrap();
    assert_eq!(backend.start(&id).await.unwrap_err().kind(), ErrorKind::TimedOut);
}

#[tokio::test]
async fn a_long_root_and_a_mounted_folder_work() {
    let root = tempfile::tempdir().unwrap();
    let long = root.path().join("x".repeat(120));
    let backend = ProcessBackend::open(options(&long)).await.unwrap();
    let project = root.path().canonicalize().unwrap();
    let mount = VolumeMount::bind(project.to_string_lossy(), "/app");
    let spec = RuntimeSpec::new("a", ["sleep", "600"]).with_mount(mount).with_working_dir("/app");
    let id = backend.run(&spec).await.unwrap();
    let pwd = slate_core::runtime::Command::new(["pwd", "-P"]);
    let (stdout, _, _) = backend.exec_all(&id, &pwd, ExecOptions::default()).await.unwrap();
    assert_eq!(String::from_utf8(stdout).unwrap().trim_end(), project.to_str().unwrap());
    backend.remove_if_there(&id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn opening_takes_nothing_from_those_at_work() {
    let root = tempfile::tempdir().unwrap();
    let backend = ProcessBackend::open(options(root.path())).await.unwrap();
    let opening = tokio::spawn({
        let options = options(root.path()).with_cgroups(Cgroups::Off);
        async move {
            for _ in 0..300 {
                ProcessBackend::open(options.clone()).await.unwrap();
            }
        }
    });
    let mut made = 0;
    while !opening.is_finished() {
        backend.create(&RuntimeSpec::new(format!("n{made}"), ["true"])).await.unwrap();
        made += 1;
    }
    opening.await.unwrap();
    assert_eq!(backend.list_all(Default::default()).await.unwrap().len(), made);
}
