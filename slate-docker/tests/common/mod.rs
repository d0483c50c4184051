//! What the tests share: an engine if there is one, and an image made without a registry.
#![allow(dead_code, reason = "each test file uses its share")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

pub(crate) mod cutter;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use slate_core::{
    InstanceId,
    conformance::runtime::RuntimeFixture,
    runtime::{
        Command, ExecOptions, ExitStatus, ImageRef, Images, LogOptions, MemorySize, RuntimeBackend, RuntimeBackendExt,
        RuntimeSpec,
    },
};
use slate_docker::{Agent, DockerBackend, DockerOptions, NoCredentials, PullPolicy};
use std::{
    path::Path,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Longer than anything takes that must happen.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// The image of the tests: BusyBox, and nothing else.
pub(crate) fn image() -> ImageRef {
    "slate-test/busybox:1".parse().unwrap()
}

/// Says that a test is skipped, or fails where nothing may be missing.
pub(crate) fn skipped(why: &str) {
    assert!(std::env::var_os("SLATE_REQUIRE_SERVICES").is_none_or(|word| word != "1"), "{why}");
    println!("skipped: {why}");
}

/// A word that no other test has.
pub(crate) fn unique(word: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{word}-{:x}-{:x}-{count}", std::process::id(), slate_core::Timestamp::now().as_micros())
}

pub(crate) fn options() -> DockerOptions {
    DockerOptions::default().with_realm("slate-test").with_pull(PullPolicy::Never).with_credentials(NoCredentials)
}

/// The agent of warm containers: the one that `SLATE_AGENT` names, or built by `dev/agent`.
pub(crate) fn agent() -> Option<Agent> {
    static PATH: OnceLock<Result<String, String>> = OnceLock::new();
    let built = PATH.get_or_init(|| {
        if let Ok(path) = std::env::var("SLATE_AGENT") {
            return Ok(path);
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dev/agent");
        let built = std::process::Command::new(script).output().map_err(|error| error.to_string())?;
        if !built.status.success() {
            return Err(String::from_utf8_lossy(&built.stderr).into_owned());
        }
        Ok(String::from_utf8_lossy(&built.stdout).trim().to_owned())
    });
    match built {
        Ok(path) => Some(Agent::open(path).unwrap()),
        Err(why) => {
            skipped(&format!("no agent: {why}"));
            None
        }
    }
}

/// A backend on the engine that `DOCKER_HOST` names, with the image in it.
pub(crate) async fn backend() -> Option<DockerBackend> {
    backend_with(options()).await
}

pub(crate) async fn backend_with(options: DockerOptions) -> Option<DockerBackend> {
    let backend = match DockerBackend::open(options).await {
        Ok(backend) => backend,
        Err(error) => {
            skipped(&format!("no container engine: {error}; `dev/engine start` makes one"));
            return None;
        }
    };
    if !backend.exists(&image()).await.unwrap() {
        let archive = match busybox() {
            Ok(archive) => archive,
            Err(why) => {
                skipped(&why);
                return None;
            }
        };
        backend.import_image(&image(), stream::iter([archive])).await.unwrap();
    }
    Some(backend)
}

/// A root file system as an archive: a static BusyBox under the names of its programs.
pub(crate) fn busybox() -> Result<Bytes, String> {
    busybox_with("")
}

/// The same with a note of its own, so that no two are equal.
pub(crate) fn busybox_with(note: &str) -> Result<Bytes, String> {
    let places = ["/bin/busybox", "/usr/bin/busybox"];
    let program = places.into_iter().find(|place| Path::new(place).exists());
    let program = program.ok_or("no /bin/busybox: install the package busybox-static")?;
    let content = std::fs::read(program).map_err(|error| error.to_string())?;
    let list = std::process::Command::new(program).arg("--list").output().map_err(|error| error.to_string())?;
    let mut archive = tar::Builder::new(Vec::new());
    let mut add = |kind: tar::EntryType, name: &str, mode: u32, content: &[u8], link: Option<&str>| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        match link {
            Some(target) => archive.append_link(&mut header, name, target),
            None => archive.append_data(&mut header, name, content),
        }
        .unwrap();
    };
    for (folder, mode) in [("bin", 0o755), ("etc", 0o755), ("tmp", 0o1777), ("data", 0o755), ("home", 0o755)] {
        add(tar::EntryType::Directory, folder, mode, &[], None);
    }
    add(tar::EntryType::Regular, "bin/busybox", 0o755, &content, None);
    add(tar::EntryType::Regular, "etc/note", 0o644, note.as_bytes(), None);
    add(tar::EntryType::Regular, "etc/passwd", 0o644, b"root::0:0::/:/bin/sh\n", None);
    for applet in String::from_utf8_lossy(&list.stdout).lines().filter(|applet| *applet != "busybox") {
        add(tar::EntryType::Symlink, &format!("bin/{applet}"), 0o777, &[], Some("busybox"));
    }
    Ok(archive.into_inner().unwrap().into())
}

pub(crate) async fn fixture() -> Option<RuntimeFixture> {
    fixture_with(options().with_agent(agent()?)).await
}

pub(crate) async fn fixture_with(options: DockerOptions) -> Option<RuntimeFixture> {
    let backend = backend_with(options.clone()).await?;
    let fixture = RuntimeFixture::new(Arc::new(backend))
        .with_base(|spec| spec.with_image(image()))
        .with_patience(SOON)
        .with_probe(|mark| living(&format!("SLATE_PROBE={mark}")))
        .with_reopen(move || {
            let options = options.clone();
            async move { Arc::new(DockerBackend::open(options).await.unwrap()) as Arc<dyn RuntimeBackend> }
        });
    Some(fixture)
}

/// How many processes of this host live whose environment has this entry.
pub(crate) fn living(entry: &str) -> usize {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let has = |folder: std::path::PathBuf| {
        let environment = std::fs::read(folder.join("environ")).unwrap_or_default();
        let stat = std::fs::read_to_string(folder.join("stat")).unwrap_or_default();
        let zombie = stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z'));
        !zombie && environment.split(|byte| *byte == 0).any(|variable| variable == entry.as_bytes())
    };
    processes.filter(|process| has(process.path())).count()
}

/// A spec that runs a script.
pub(crate) fn spec(name: &str, script: &str) -> RuntimeSpec {
    RuntimeSpec::new(unique(name), ["sh", "-c", script]).with_image(image())
}

/// Runs a script that takes more than its 32 MiB of memory, and gives how it ended. It begins when `start` has returned, and is
/// tried again where the engine told of the kill alone: one on control groups of version 1 can miss what it was for.
pub(crate) async fn squeezed(backend: &DockerBackend, script: &str) -> ExitStatus {
    let waits = format!("until [ -e /tmp/go ]; do sleep 0.01; done; {script}");
    let mut tries = 0;
    loop {
        tries += 1;
        let id = backend.run(&spec("squeezed", &waits).with_memory(MemorySize::from_mib(32))).await.unwrap();
        let go = Command::new(["touch", "/tmp/go"]);
        backend.exec_all(&id, &go, ExecOptions::default()).await.unwrap();
        let exit = backend.wait_for_exit(&id, SOON).await.unwrap();
        backend.remove_if_there(&id).await.unwrap();
        assert_eq!(exit.code, Some(137), "{exit:?}");
        if exit.out_of_memory || tries == 5 {
            return exit;
        }
    }
}

/// Runs a script to its end and gives its lines.
pub(crate) async fn lines_of(backend: &DockerBackend, spec: &RuntimeSpec) -> Vec<String> {
    let id = backend.run(spec).await.unwrap();
    backend.wait_for_exit(&id, SOON).await.unwrap();
    let lines = lines(backend, &id, LogOptions::default()).await;
    backend.remove_if_there(&id).await.unwrap();
    lines
}

/// The output so far.
pub(crate) async fn lines(backend: &DockerBackend, id: &InstanceId, options: LogOptions) -> Vec<String> {
    let chunks: Vec<_> = backend.logs(id, options).try_collect().await.unwrap();
    chunks.iter().map(|chunk| chunk.text().into_owned()).collect()
}

/// Waits until the instance has printed a line that is `text`.
pub(crate) async fn printed(backend: &DockerBackend, id: &InstanceId, text: &str) {
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

/// Waits for something that must happen.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(SOON, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what} didn't come within {SOON:?}"),
    }
}
