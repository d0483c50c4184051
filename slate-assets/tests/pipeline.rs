//! The local pipeline keeps the contract of pipelines, and its own promises.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::field_reassign_with_default,
    reason = "a test fails by panicking; options are open-ended"
)]

mod support;

use futures_util::TryStreamExt;
use slate_assets::{LocalPipeline, PipelineOptions};
use slate_core::{
    Error, ErrorKind, Result,
    asset::{
        AssetInput, AssetKind, AssetOptions, AssetPipeline, AssetTask, AudioFormat, AudioOptions, ModelOptions,
        Processor, ProcessorInfo, Progress, Report, TextureFormat, TextureKind, TextureOptions, Work,
    },
    blob::{Blobs, BlobsExt, FolderBlobs},
    conformance::assets::Subject,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

slate_core::assets_conformance!(async { Some(subject()) });

fn blobs() -> Arc<dyn Blobs> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap().keep();
    Arc::new(FolderBlobs::open(folder).unwrap())
}

fn texture(change: impl FnOnce(&mut TextureOptions)) -> AssetOptions {
    let mut options = TextureOptions::default();
    change(&mut options);
    AssetOptions::Texture(options)
}

fn subject() -> Subject {
    let blobs = blobs();
    let (name, picture) = support::pictures().remove(0);
    let task = |options| AssetTask::new(AssetInput::from_bytes(name, picture.clone()), options);
    let half = picture[..picture.len() / 2].to_vec();
    Subject {
        pipeline: Arc::new(LocalPipeline::builder(Arc::clone(&blobs)).with_texture().build().unwrap()),
        blobs,
        good: task(texture(|_| ())),
        damaged: AssetTask::new(AssetInput::from_bytes(name, half), texture(|_| ())),
        unserved: task(texture(|options| {
            (options.format, options.kind, options.generate_mipmaps) = (TextureFormat::Png, TextureKind::Hdr, false);
        })),
        invalid: task(texture(|options| options.quality = 101)),
    }
}

/// Counts its runs, and waits, panics or fails by the input's first byte.
struct Probe(Arc<AtomicUsize>);

impl Processor for Probe {
    type Options = AudioOptions;
    const INFO: ProcessorInfo =
        ProcessorInfo { name: "probe", version: 1, kind: AssetKind::Audio, reads: &[], writes: &[] };

    fn process(&self, work: &mut Work<'_>, _: &AudioOptions) -> Result<Report> {
        self.0.fetch_add(1, Ordering::SeqCst);
        match work.input.bytes(work.limits)?.first() {
            Some(b'p') => panic!("as asked"),
            Some(b'f') => return Err(Error::corrupt("as asked").with("why", 7)),
            Some(b's') => std::thread::sleep(Duration::from_millis(150)),
            Some(b'w') => loop {
                work.cancel.check()?;
                std::thread::sleep(Duration::from_millis(2));
            },
            _ => {}
        }
        [0.5, 0.2, 0.9].iter().for_each(|&share| work.progress.report(share));
        let name = format!("{}_x.out", work.stem());
        work.write(&name, b"done")?;
        Ok(Report::new())
    }
}

fn probe() -> (LocalPipeline, Arc<AtomicUsize>, Arc<dyn Blobs>) {
    let (runs, blobs) = (Arc::new(AtomicUsize::new(0)), blobs());
    let pipeline = LocalPipeline::builder(Arc::clone(&blobs)).with(Probe(Arc::clone(&runs))).build().unwrap();
    (pipeline, runs, blobs)
}

fn sound(name: &str, bytes: &'static [u8]) -> AssetTask {
    AssetTask::new(AssetInput::from_bytes(name, bytes), AssetOptions::Audio(AudioOptions::default()))
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_tasks_at_a_time_run_once() {
    let (pipeline, runs, _) = probe();
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let pipeline = pipeline.clone();
            tokio::spawn(async move { pipeline.process(sound("a", b"slow"), Progress::ignored()).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gives_up_leaves_the_others_their_result() {
    let (pipeline, runs, _) = probe();
    let first = sound("a", b"slow");
    let second = sound("a", b"slow");
    let cancel = first.cancel.clone();
    let one = tokio::spawn({
        let pipeline = pipeline.clone();
        async move { pipeline.process(first, Progress::ignored()).await }
    });
    let two = tokio::spawn(async move { pipeline.process(second, Progress::ignored()).await });
    tokio::time::sleep(Duration::from_millis(60)).await;
    cancel.cancel();
    assert_eq!(one.await.unwrap().unwrap_err().kind(), ErrorKind::Canceled);
    assert!(two.await.unwrap().is_ok());
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_nobody_waits_for_ends() {
    let (pipeline, runs, blobs) = probe();
    let waiting = pipeline.process(sound("a", b"wait for ever"), Progress::ignored());
    assert!(tokio::time::timeout(Duration::from_millis(100), waiting).await.is_err());
    // Both job slots are free again, or these would wait for ever.
    for name in [&b"a"[..], b"b", b"c"] {
        let task = sound("a", name);
        tokio::time::timeout(Duration::from_secs(10), pipeline.process(task, Progress::ignored()))
            .await
            .unwrap()
            .unwrap();
    }
    assert_eq!(runs.load(Ordering::SeqCst), 4);
    assert_eq!(blobs.list("assets/index/").try_collect::<Vec<_>>().await.unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_an_error_and_harms_nobody() {
    let (pipeline, _, _) = probe();
    let error = pipeline.process(sound("a", b"panic"), Progress::ignored()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert!(error.message().contains("as asked"), "{error}");
    let error = pipeline.process(sound("a", b"fail"), Progress::ignored()).await.unwrap_err();
    assert_eq!((error.kind(), error.context()), (ErrorKind::Corrupt, &[("why", "7".to_owned())][..]));
    assert!(pipeline.process(sound("a", b"ok"), Progress::ignored()).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_cache_is_made_anew() {
    let (pipeline, runs, blobs) = probe();
    let first = pipeline.process(sound("a", b"x"), Progress::ignored()).await.unwrap();
    let index = blobs.list("assets/index/").try_collect::<Vec<_>>().await.unwrap()[0].key.clone();
    let content = first.files[0].blob.clone();
    let damages: [(&_, Option<&'static [u8]>); 6] = [
        (&content, None),
        (&content, Some(b"dome")),
        (&content, Some(b"don")),
        (&content, Some(b"done and more")),
        (&index, None),
        (&index, Some(b"{\"files\": [")),
    ];
    for (round, (key, bytes)) in damages.into_iter().enumerate() {
        match bytes {
            Some(bytes) => drop(blobs.put_bytes(key, bytes.into()).await.unwrap()),
            None => blobs.delete(key).await.unwrap(),
        }
        let again = pipeline.process(sound("a", b"x"), Progress::ignored()).await.unwrap();
        assert_eq!((&again, again.cached), (&first, false), "damage {round}");
        assert_eq!(runs.load(Ordering::SeqCst), round + 2);
        assert!(pipeline.process(sound("a", b"x"), Progress::ignored()).await.unwrap().cached);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_input_has_the_same_result_under_its_new_name() {
    let (pipeline, runs, _) = probe();
    let first = pipeline.process(sound("one.snd", b"x"), Progress::ignored()).await.unwrap();
    let second = pipeline.process(sound("dir/two.snd", b"x"), Progress::ignored()).await.unwrap();
    assert_eq!((first.files[0].name.as_str(), second.files[0].name.as_str()), ("one_x.out", "two_x.out"));
    assert!(second.cached);
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_beside_a_model_gives_a_new_result() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("m.gltf"), support::gltf("m.bin").to_string()).unwrap();
    std::fs::write(folder.path().join("m.bin"), support::triangle()).unwrap();
    let pipeline = LocalPipeline::builder(blobs()).with_model().build().unwrap();
    let mut options = ModelOptions::default();
    options.generate_lods = false;
    let task = || {
        AssetTask::new(
            AssetInput::from_file(folder.path().join("m.gltf")).unwrap(),
            AssetOptions::Model(options.clone()),
        )
    };
    let first = pipeline.process(task(), Progress::ignored()).await.unwrap();
    assert!(pipeline.process(task(), Progress::ignored()).await.unwrap().cached);
    let mut moved = support::triangle();
    moved[..4].copy_from_slice(&5.0f32.to_le_bytes());
    std::fs::write(folder.path().join("m.bin"), moved).unwrap();
    let second = pipeline.process(task(), Progress::ignored()).await.unwrap();
    assert!(!second.cached);
    assert_ne!(first.files, second.files);
}

#[tokio::test(flavor = "multi_thread")]
async fn any_number_of_threads_gives_the_same_bytes() {
    let mut outputs = Vec::new();
    for threads in [1, 2, 5] {
        let options = PipelineOptions::default().with_threads(threads);
        let pipeline =
            LocalPipeline::builder(blobs()).with_options(options).with_texture().with_audio().build().unwrap();
        let mut hashes = Vec::new();
        for (name, bytes) in support::pictures() {
            let options = texture(|options| {
                options.resize = Some(slate_core::asset::Resize { width: 90, height: 70 });
                if name == "a.hdr" {
                    options.kind = slate_core::asset::TextureKind::Hdr;
                }
            });
            let task = AssetTask::new(AssetInput::from_bytes(name, bytes), options);
            hashes.push(pipeline.process(task, Progress::ignored()).await.unwrap());
        }
        let samples: Vec<i16> = (0..20_000i32).map(|at| (at * 37 % 9001) as i16).collect();
        let mut audio = AudioOptions::default();
        audio.format = AudioFormat::Wav;
        let task = AssetTask::new(
            AssetInput::from_bytes("s.wav", support::wav(2, 44_100, &samples)),
            AssetOptions::Audio(audio),
        );
        hashes.push(pipeline.process(task, Progress::ignored()).await.unwrap());
        outputs.push(hashes);
    }
    assert_eq!(outputs[0].len(), support::pictures().len() + 1);
    assert!(outputs.windows(2).all(|pair| pair[0] == pair[1]));
}
