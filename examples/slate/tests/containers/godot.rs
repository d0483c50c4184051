//! A real Godot: sound projects are called sound, and each planted fault is called failed.

use crate::support::{World, backend, copy, realm, skipped};
use slate_core::{
    engine::{Engine, Engines, ProjectView},
    model::{BuildJob, BuildStatus, BuildType, LogSource, Project, SessionState, TargetPlatform},
    runtime::{
        ListOptions, NetworkMode, RuntimeBackend, RuntimeBackendExt, RuntimeType, StopOptions, VolumeMount, labels,
    },
    service::{Builds, NewSession, Projects, ServicesOptions, start_all},
};
use slate_godot::{Godot, Pack};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

/// Spoils a project.
type Fault = Box<dyn Fn(&Path)>;

/// The services with Godot, or `None` where there is no engine, or no image.
async fn world() -> Option<World> {
    let backend = backend(&realm()).await?;
    let made = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dev/godot-image")).output().unwrap();
    if !made.status.success() {
        skipped(&String::from_utf8_lossy(&made.stderr));
        return None;
    }
    Some(World::new(backend).await)
}

fn beacon() -> PathBuf {
    fs::canonicalize(concat!(env!("CARGO_MANIFEST_DIR"), "/../projects/beacon")).unwrap()
}

fn engines() -> Engines {
    Engines::new().with(Godot::new().with_smoke_run())
}

fn options(world: &World) -> ServicesOptions {
    let mut options = world.options(engines());
    // No registry here has the image that the engine names by default.
    options.builds.image = Some("slate/godot-runtime:3".parse().unwrap());
    options.builds.network = Some(NetworkMode::None);
    options.builds.max_attempts = 1;
    options
}

/// Records a project in this folder and asks for its build.
async fn build(world: &World, folder: &Path) -> BuildJob {
    let mut project = Project::new(folder.to_string_lossy(), world.user.clone(), world.pieces.journal.now());
    project.settings = serde_json::json!({ "path": folder, "engine": "godot" });
    let projects = Projects::new(world.pieces.journal.clone(), Arc::clone(&world.pieces.blobs));
    let project = projects.create(project).await.unwrap();
    let (kind, target) = (BuildType::Production, TargetPlatform::Linux);
    let job = BuildJob::new(project.id, world.user.clone(), kind, target, world.pieces.journal.now());
    Builds::new(world.pieces.journal.clone(), Arc::clone(&world.pieces.bus)).enqueue(job).await.unwrap()
}

async fn built(world: &World, job: &BuildJob) -> BuildJob {
    let start = Instant::now();
    loop {
        let build = world.pieces.journal.store().build(job.id).await.unwrap();
        if build.status.is_final() {
            return build;
        }
        assert!(start.elapsed() < Duration::from_secs(300), "{build:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_project_is_imported_exported_and_played() {
    let Some(world) = world().await else { return };
    let before = files(&beacon());
    let services = start_all(world.pieces.clone(), options(&world)).await.unwrap();
    let job = build(&world, &beacon()).await;
    let built = built(&world, &job).await;
    let lines = world.lines(LogSource::Build(job.id)).await;
    assert_eq!(built.status, BuildStatus::Completed, "{built:#?}\n{lines:#?}");
    assert!(lines.iter().any(|line| line == "beacon lit: lamp 32x32"), "the smoke run: {lines:#?}");
    assert_eq!(files(&beacon()), before, "a build changes nothing in the project");
    assert!(!world.data.join(format!("builds/{}.project", job.id)).exists(), "the copy is gone");

    let pack = Path::new(built.output_path.as_ref().unwrap()).join("Beacon.pck");
    let contents = Pack::read(&mut fs::File::open(&pack).unwrap()).unwrap();
    assert_eq!(contents.godot, (3, 2, 3));
    assert!(contents.files.contains_key("res://scenes/beacon.tscn"));

    // Thirty frames of it as a session, from the exported pack alone.
    let view = ProjectView::read(&beacon(), [&Godot::new() as &dyn Engine], &[]).unwrap();
    let mut spec = Godot::new().session_spec(&view, "/slate/game", "session").unwrap();
    spec.image = Some("slate/godot-runtime:3".parse().unwrap());
    spec.network = NetworkMode::None;
    spec.command = ["godot3-server", "--main-pack", "Beacon.pck", "--frames=30"].map(str::to_owned).to_vec();
    let spec = spec.with_mount(VolumeMount::bind(pack.parent().unwrap().to_string_lossy(), "/slate/game").read_only());
    let new = NewSession::new(world.project.id, world.user.clone(), RuntimeType::Godot, "docker", spec);
    let session = world.sessions().create(new).await.unwrap();
    let ended = world.ended(session.id).await;
    let lines = world.lines(LogSource::Session(session.id)).await;
    assert_eq!(ended.status, SessionState::Stopped, "{ended:#?}\n{lines:#?}");
    for line in ["frame 10, boat at 38", "frame 30, boat at 78", "beacon out after 30 frames"] {
        assert!(lines.iter().any(|said| said == line), "{line}: {lines:#?}");
    }
    // A session's end is recorded before its container is taken away.
    let start = Instant::now();
    while !world.instances().await.is_empty() {
        assert!(start.elapsed() < Duration::from_secs(60), "{:#?}", world.instances().await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    services.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_planted_fault_is_called_failed() {
    let Some(world) = world().await else { return };
    let write = |path: &'static str, text: &'static str| {
        Box::new(move |root: &Path| fs::write(root.join(path), text).unwrap()) as Fault
    };
    let remove = |path: &'static str| Box::new(move |root: &Path| fs::remove_file(root.join(path)).unwrap()) as Fault;
    let replace = |path: &'static str, from: &'static str, to: &'static str| {
        Box::new(move |root: &Path| {
            let text = fs::read_to_string(root.join(path)).unwrap();
            assert!(text.contains(from));
            fs::write(root.join(path), text.replace(from, to)).unwrap();
        }) as Fault
    };
    let faults: [(&str, Fault, &str); 9] = [
        ("syntax", write("scripts/boat.gd", "extends Sprite\nfunc _process(_delta)\n\tpass\n"), "':' expected"),
        ("texture", remove("textures/boat.png"), "res://textures/boat.png"),
        ("not-a-texture", write("textures/boat.png", "not a picture"), "res://textures/boat.png"),
        ("preset", replace("export_presets.cfg", "Linux/X11", "Amiga"), "no export preset"),
        ("presets", write("export_presets.cfg", "[preset.0]\nname=\"Linux"), "never ends"),
        ("main-scene", write("scenes/beacon.tscn", "[gd_scene load_steps=5 format=2]\n[node name="), "beacon.tscn"),
        ("no-main-scene", remove("scenes/beacon.tscn"), "res://scenes/beacon.tscn"),
        ("script", remove("scripts/boat.gd"), "res://scripts/boat.gd"),
        ("runtime", replace("scripts/beacon.gd", "$Lamp.rotation", "$Nowhere.rotation"), "SCRIPT ERROR"),
    ];
    let services = start_all(world.pieces.clone(), options(&world)).await.unwrap();
    let mut jobs = Vec::new();
    for (name, plant, word) in &faults {
        let folder = world.data.join(name);
        copy(&beacon(), &folder);
        plant(&folder);
        jobs.push((name, word, build(&world, &folder).await));
    }
    for (name, word, job) in &jobs {
        let build = built(&world, job).await;
        assert_eq!(build.status, BuildStatus::Failed, "{name}: {build:#?}");
        let told = format!("{:?} {}", build.error_message, build.metadata["slate"]["errors"]);
        assert!(told.contains(**word), "{name} doesn't tell {word:?}: {told}");
    }
    services.shutdown().await.unwrap();
    assert!(world.instances().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_step_fails_its_build() {
    let Some(world) = world().await else { return };
    let folder = world.data.join("killed");
    copy(&beacon(), &folder);
    // A tool of the editor that takes its time: the import doesn't end by itself.
    fs::write(folder.join("scripts/boat.gd"), "tool\nextends Sprite\nfunc _init():\n\tOS.delay_msec(600000)\n")
        .unwrap();
    let services = start_all(world.pieces.clone(), options(&world)).await.unwrap();
    let job = build(&world, &folder).await;
    let start = Instant::now();
    let instance = loop {
        let ours = BTreeMap::from([(labels::BUILD.to_owned(), job.id.to_string())]);
        let running = ListOptions::default().with_labels(ours).with_all(false);
        if let Some(instance) = world.backend.list_all(running).await.unwrap().pop() {
            break instance;
        }
        assert!(start.elapsed() < Duration::from_secs(60));
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    world.backend.stop(&instance.id, StopOptions::default().with_grace(Duration::ZERO)).await.unwrap();
    let build = built(&world, &job).await;
    assert_eq!(build.status, BuildStatus::Failed, "{build:#?}");
    // By which signal is the engine's choice: a grace of nothing may be TERM and KILL in one breath.
    let told = build.error_message.as_ref().unwrap();
    assert!(["exit code 137", "exit code 143"].iter().any(|code| told.contains(code)), "{build:#?}");
    services.shutdown().await.unwrap();
    assert!(world.instances().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_over_its_time_fails_its_build() {
    let Some(world) = world().await else { return };
    let mut options = options(&world);
    options.builds.step_timeout = Duration::from_millis(300);
    let services = start_all(world.pieces.clone(), options).await.unwrap();
    let build = built(&world, &build(&world, &beacon()).await).await;
    assert_eq!(build.status, BuildStatus::Failed, "{build:#?}");
    assert!(build.error_message.as_ref().unwrap().contains("time-out"), "{build:#?}");
    services.shutdown().await.unwrap();
    assert!(world.instances().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_fails_the_build() {
    let Some(world) = world().await else { return };
    let workspace = world.data.join("small");
    fs::create_dir(&workspace).unwrap();
    let size = "size=96k";
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", size, "tmpfs"]).arg(&workspace).status().unwrap();
    if !mounted.success() {
        return skipped("no small disk can be mounted here");
    }
    let mut options = options(&world);
    options.builds.workspace.clone_from(&workspace);
    let services = start_all(world.pieces.clone(), options).await.unwrap();
    let folder = world.data.join("full");
    copy(&beacon(), &folder);
    let noise: Vec<_> = (0..20_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    fs::write(folder.join("noise.gd"), [b"# ", &noise.iter().map(|b| b % 26 + 97).collect::<Vec<_>>()[..]].concat())
        .unwrap();
    let build = built(&world, &build(&world, &folder).await).await;
    services.shutdown().await.unwrap();
    assert!(Command::new("umount").arg("-l").arg(&workspace).status().unwrap().success());
    assert_eq!(build.status, BuildStatus::Failed, "{build:#?}");
    assert!(world.instances().await.is_empty());
}

/// Every file below a folder with its size.
fn files(folder: &Path) -> BTreeMap<PathBuf, u64> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            match entry.metadata().unwrap() {
                kind if kind.is_dir() => folders.push(entry.path()),
                kind => drop(found.insert(entry.path(), kind.len())),
            }
        }
    }
    found
}
