use super::support::{World, files, lantern, slate};
use slate_core::{
    asset::{AssetKind, AssetOptions, TextureOptions},
    engine::{Engine, ProjectView},
    model::{AssetJob, AssetJobStatus, LogLevel, LogSource},
    service::{Assets, Projects},
    store::{AssetJobQuery, AssetQuery, PageRequest},
};
use std::{fs, path::Path};

/// A Targa header that promises 65535 x 65535 pixels, and no pixel.
fn huge_tga() -> Vec<u8> {
    let mut header = vec![0; 18];
    (header[2], header[16]) = (2, 32);
    header[12..16].fill(0xFF);
    header
}

fn bad_files(folder: &Path) -> Vec<&'static str> {
    fs::create_dir_all(folder).unwrap();
    let cut = |path: &str| {
        let bytes = fs::read(lantern(path)).unwrap();
        bytes[..bytes.len() / 2].to_vec()
    };
    let bad = [
        ("cut.png", cut("textures/cobbles.png")),
        ("cut.glb", cut("models/tower.glb")),
        ("cut.flac", cut("sounds/wind.flac")[..64].to_vec()),
        ("text.png", b"this is no picture".to_vec()),
        ("text.wav", b"this is no sound".to_vec()),
        ("empty.jpg", Vec::new()),
        ("empty.gltf", Vec::new()),
        ("huge.tga", huge_tga()),
    ];
    for (name, bytes) in &bad {
        fs::write(folder.join(name), bytes).unwrap();
    }
    bad.map(|(name, _)| name).into()
}

#[test]
fn a_damaged_sound_is_named_and_the_others_are_converted() {
    let root = tempfile::tempdir().unwrap();
    let (from, to) = (root.path().join("in"), root.path().join("out"));
    fs::create_dir_all(from.join("deep")).unwrap();
    fs::copy(lantern("sounds/wind.flac"), from.join("deep/wind.v2.flac")).unwrap();
    fs::write(from.join("text.wav"), "this is no sound").unwrap();
    let [from_text, to_text] = [&from, &to].map(|path| path.to_string_lossy().into_owned());
    let data = root.path().join("data");
    let ran = slate(&data, &["--json", "audio", &from_text, &to_text, "--preset", "music-mobile", "--preview"]);
    assert_eq!(ran.code, 1, "{ran:#?}");
    let document = ran.json();
    assert_eq!(document[from.join("text.wav").to_str().unwrap()]["kind"], "corrupt");
    let made = &document[from.join("deep/wind.v2.flac").to_str().unwrap()];
    let ogg = to.join("deep/wind.v2.ogg");
    assert_eq!(made["bytes"], fs::metadata(&ogg).unwrap().len(), "{made}");
    let report = |key: &str| made["report"][key].as_f64().unwrap();
    // Its gusts would need more of the limiter than it may give to reach -18 LUFS.
    assert!((-19.0..=-17.9).contains(&report("loudness")) && report("truePeak") <= -0.95, "{made}");
    let names = files(&to);
    assert_eq!(names.len(), 2, "the sound and its picture, and nothing half done: {names:?}");

    let wind = from.join("deep/wind.v2.flac").to_string_lossy().into_owned();
    let ran = slate(&data, &["audio", &wind, &wind]);
    assert_eq!((ran.code, fs::read(&wind).unwrap()), (1, fs::read(lantern("sounds/wind.flac")).unwrap()), "{ran:#?}");
    let ran = slate(&data, &["audio", &wind, &to_text, "--preset", "loud"]);
    assert_eq!(ran.code, 2, "{ran:#?}");
}

#[test]
fn each_corrupt_asset_is_named_with_its_reason_and_the_sound_one_beside_them_is_made() {
    let root = tempfile::tempdir().unwrap();
    let (from, to) = (root.path().join("in"), root.path().join("out"));
    let bad = bad_files(&from);
    fs::copy(lantern("textures/flame.png"), from.join("good.png")).unwrap();
    let (from_text, to_text) = (from.to_string_lossy().into_owned(), to.to_string_lossy().into_owned());
    let ran = slate(&root.path().join("data"), &["--json", "assets", &from_text, "-o", &to_text]);
    assert_eq!(ran.code, 1, "{ran:#?}");
    let document = ran.json();
    for name in &bad {
        let told = &document[from.join(name).to_str().unwrap()];
        let kind = told["kind"].as_str().unwrap_or_else(|| panic!("{name}: {told}"));
        let expected: &[_] =
            if *name == "huge.tga" { &["limit-exceeded"] } else { &["corrupt", "unsupported", "invalid"] };
        assert!(
            expected.contains(&kind) && told["error"].as_str().is_some_and(|text| text.len() > 10),
            "{name}: {told}"
        );
    }
    assert!(document[from.join("good.png").to_str().unwrap()]["error"].is_null(), "{document}");
    let made = files(&to);
    assert!(!made.is_empty() && made.iter().all(|name| name.starts_with("good.")), "{made:?}");
}

#[test]
fn an_asset_over_the_size_limit_is_refused_without_being_read() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("giant.png");
    fs::File::create(&file).unwrap().set_len((1 << 30) + 1).unwrap();
    let to = root.path().join("out").to_string_lossy().into_owned();
    let ran = slate(&root.path().join("data"), &["assets", file.to_str().unwrap(), "-o", &to]);
    ran.refused(1, &["giant.png", "limit"]);
    assert!(files(Path::new(&to)).is_empty());
}

#[test]
fn malformed_options_and_paths_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let (data, to) = (root.path().join("data"), root.path().join("out").to_string_lossy().into_owned());
    let picture = lantern("textures/flame.png").to_string_lossy().into_owned();
    slate(&data, &["assets", &picture, "-o", &to, "--texture", "{"]).refused(2, &["texture"]);
    slate(&data, &["assets", &picture, "-o", &to, "--texture", "{\"colour\":1}"]).refused(2, &["colour"]);
    slate(&data, &["assets", "nowhere", "-o", &to]).refused(3, &["nowhere"]);
    slate(&data, &["assets", "/dev/null", "-o", &to]).refused(2, &["null"]);
    // Another picture whose results would have the same names.
    fs::copy(&picture, root.path().join("flame.png")).unwrap();
    let other = root.path().join("flame.png").to_string_lossy().into_owned();
    slate(&data, &["assets", &picture, &other, "-o", &to]).refused(2, &["flame.png", "same"]);
    assert!(files(Path::new(&to)).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_of_bad_assets_become_dead_letters_that_say_why_and_the_others_are_done() {
    let world = World::new().await;
    let folder = world.root.path().join("project");
    let bad = bad_files(&folder);
    fs::copy(lantern("textures/flame.png"), folder.join("good.png")).unwrap();
    fs::write(folder.join("over.png"), vec![0; 3 << 20]).unwrap();
    fs::write(folder.join("slate.toml"), "").unwrap();
    let engine: &dyn Engine = &slate_custom::Custom;
    let view = ProjectView::read(&folder, [engine], &[]).unwrap();
    let projects = Projects::new(world.pieces.journal.clone(), world.pieces.blobs.clone());
    projects.import(world.project.id, &world.user, &folder, &view).await.unwrap();
    let services = world.start(|options| options.assets.limits.input_bytes = 2 << 20).await;
    let query = AssetQuery::all().of_project(world.project.id).of_kind(AssetKind::Texture);
    let textures = world.store().assets(query, PageRequest::first(100)).await.unwrap().items;
    let names: Vec<_> = textures.iter().map(|asset| asset.metadata["path"].as_str().unwrap().to_owned()).collect();
    let options = AssetOptions::Texture(TextureOptions::default());
    let batch = textures.iter().map(|asset| (asset.id, options.clone())).collect();
    let asked = Assets::new(world.pieces.journal.clone(), world.pieces.bus.clone())
        .process(world.project.id, &world.user, batch)
        .await
        .unwrap();
    let mut jobs: Vec<AssetJob> = Vec::new();
    for (job, name) in asked.iter().zip(&names) {
        loop {
            let job = world.store().asset_job(job.id).await.unwrap();
            if job.status.is_final() {
                jobs.push(job);
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        let job = jobs.last().unwrap();
        if name == "good.png" {
            assert_eq!(job.status, AssetJobStatus::Completed, "{job:?}");
            continue;
        }
        assert!(bad.contains(&name.as_str()) || name == "over.png", "{name}");
        assert_eq!((job.status, job.lease.attempt), (AssetJobStatus::Failed, 1), "{name}: tried once: {job:?}");
        assert!(job.error_message.as_ref().is_some_and(|message| message.len() > 10), "{name}: {job:?}");
        if ["over.png", "huge.tga"].contains(&name.as_str()) {
            assert!(job.error_message.as_ref().unwrap().contains("limit"), "{name}: {job:?}");
        }
    }
    let letters = AssetJobQuery::all().of_project(world.project.id).in_states(vec![AssetJobStatus::Failed]);
    let letters = world.store().asset_jobs(letters, PageRequest::first(100)).await.unwrap().items;
    assert_eq!(letters.len(), names.len() - 1, "the dead letters are found by their state");
    services.shutdown().await.unwrap();
    for letter in letters {
        let lines = world.log(LogSource::AssetJob(letter.id)).await;
        assert!(lines.iter().any(|line| line.level == LogLevel::Error), "{letter:?} has no line in the log");
    }
    assert_eq!(world.store().unpublished(10).await.unwrap().len(), 0, "every event was published");
}
