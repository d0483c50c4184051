//! The contract of [`AssetPipeline`], sentence by sentence.
//!
//! Each case takes a [`Subject`]: a new pipeline over empty blobs, and tasks of known outcome.

use crate::{
    ErrorKind,
    asset::{AssetPipeline, AssetTask, Progress},
    blob::{BlobKey, Blobs},
    model::Sha256Hex,
};
use futures_util::TryStreamExt;
use std::sync::{Arc, Mutex};

/// What the cases work with.
pub struct Subject {
    /// The pipeline.
    pub pipeline: Arc<dyn AssetPipeline>,
    /// The empty blobs below it.
    pub blobs: Arc<dyn Blobs>,
    /// A task that succeeds.
    pub good: AssetTask,
    /// A task whose input is damaged.
    pub damaged: AssetTask,
    /// A task whose options are valid and not served.
    pub unserved: AssetTask,
    /// A task whose options are invalid.
    pub invalid: AssetTask,
}

/// Makes one test for each sentence of the contract of [`AssetPipeline`](crate::asset::AssetPipeline).
///
/// Takes an expression that is a future of `Option<Subject>`, new for each case.
#[macro_export]
macro_rules! assets_conformance {
    ($make:expr) => {
        $crate::conformance_tests!(
            assets,
            $make,
            [
                it_names_its_processors,
                the_same_task_gives_the_same_outputs,
                a_cached_result_is_returned_with_cached_set,
                equal_tasks_at_a_time_give_equal_outputs,
                outputs_read_back_with_their_size_and_hash,
                outputs_are_sorted_by_plain_names,
                what_is_not_kept_reads_as_not_found,
                a_failed_task_leaves_nothing_behind,
                a_canceled_task_leaves_nothing_behind,
                unserved_options_give_unsupported_before_any_work,
                invalid_options_give_invalid_before_any_work,
                progress_never_falls_and_ends_at_one,
                ping_is_ok,
            ]
        );
    };
}

pub async fn it_names_its_processors(subject: Subject) {
    let kinds: Vec<_> = subject.pipeline.processors().iter().map(|info| info.kind).collect();
    assert!(kinds.contains(&subject.good.options.kind()), "{kinds:?}");
}

pub async fn the_same_task_gives_the_same_outputs(subject: Subject) {
    let first = subject.pipeline.process(subject.good.clone(), Progress::ignored()).await.unwrap();
    for info in subject.blobs.list("").try_collect::<Vec<_>>().await.unwrap() {
        subject.blobs.delete(&info.key).await.unwrap();
    }
    let second = subject.pipeline.process(subject.good, Progress::ignored()).await.unwrap();
    assert_eq!(first, second, "made anew, with nothing in the cache");
}

pub async fn a_cached_result_is_returned_with_cached_set(subject: Subject) {
    let first = subject.pipeline.process(subject.good.clone(), Progress::ignored()).await.unwrap();
    let mut second = subject.pipeline.process(subject.good, Progress::ignored()).await.unwrap();
    assert!(!first.cached && second.cached);
    second.cached = false;
    assert_eq!(first, second);
}

pub async fn equal_tasks_at_a_time_give_equal_outputs(subject: Subject) {
    let tasks: Vec<_> = (0..6)
        .map(|_| {
            let (pipeline, task) = (Arc::clone(&subject.pipeline), subject.good.clone());
            tokio::spawn(async move { pipeline.process(task, Progress::ignored()).await })
        })
        .collect();
    let mut seen = Vec::new();
    for task in tasks {
        seen.push(task.await.unwrap().unwrap().files);
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]));
}

pub async fn outputs_read_back_with_their_size_and_hash(subject: Subject) {
    let output = subject.pipeline.process(subject.good.clone(), Progress::ignored()).await.unwrap();
    assert!(!output.files.is_empty());
    assert_eq!(output.input_bytes, subject.good.input.len());
    for file in &output.files {
        let chunks: Vec<_> = subject.pipeline.read(&file.blob).try_collect().await.unwrap();
        let bytes = chunks.concat();
        assert_eq!((bytes.len() as u64, Sha256Hex::of(&bytes)), (file.size, file.sha256.clone()), "{}", file.name);
    }
}

pub async fn outputs_are_sorted_by_plain_names(subject: Subject) {
    let output = subject.pipeline.process(subject.good, Progress::ignored()).await.unwrap();
    let names: Vec<_> = output.files.iter().map(|file| file.name.as_str()).collect();
    assert!(names.is_sorted(), "{names:?}");
    assert!(names.iter().all(|name| !name.is_empty() && !name.contains(['/', '\\'])), "{names:?}");
}

pub async fn what_is_not_kept_reads_as_not_found(subject: Subject) {
    let none = BlobKey::new("assets/content/00/none").unwrap();
    let read: Result<Vec<_>, _> = subject.pipeline.read(&none).try_collect().await;
    assert_eq!(read.unwrap_err().kind(), ErrorKind::NotFound);
}

pub async fn a_failed_task_leaves_nothing_behind(subject: Subject) {
    let error = subject.pipeline.process(subject.damaged.clone(), Progress::ignored()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
    assert!(subject.blobs.list("").try_collect::<Vec<_>>().await.unwrap().is_empty());
    let again = subject.pipeline.process(subject.damaged, Progress::ignored()).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Corrupt, "a failure is no result to keep");
}

pub async fn a_canceled_task_leaves_nothing_behind(subject: Subject) {
    let task = subject.good.clone();
    task.cancel.cancel();
    let error = subject.pipeline.process(task, Progress::ignored()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Canceled, "{error:?}");
    assert!(subject.blobs.list("").try_collect::<Vec<_>>().await.unwrap().is_empty());
}

pub async fn unserved_options_give_unsupported_before_any_work(subject: Subject) {
    refused(&subject, subject.unserved.clone(), ErrorKind::Unsupported).await;
}

pub async fn invalid_options_give_invalid_before_any_work(subject: Subject) {
    refused(&subject, subject.invalid.clone(), ErrorKind::Invalid).await;
}

async fn refused(subject: &Subject, task: AssetTask, kind: ErrorKind) {
    let (progress, seen) = recorded();
    let error = subject.pipeline.process(task, progress).await.unwrap_err();
    assert_eq!(error.kind(), kind, "{error:?}");
    assert!(!error.message().is_empty());
    assert!(seen.lock().unwrap().iter().all(|&share| share == 0.0), "work was done");
    assert!(subject.blobs.list("").try_collect::<Vec<_>>().await.unwrap().is_empty());
}

pub async fn progress_never_falls_and_ends_at_one(subject: Subject) {
    for round in ["new", "cached"] {
        let (progress, seen) = recorded();
        subject.pipeline.process(subject.good.clone(), progress).await.unwrap();
        let seen = seen.lock().unwrap();
        assert!(seen.is_sorted(), "{round}: {seen:?}");
        assert_eq!(seen.last(), Some(&1.0), "{round}");
    }
}

pub async fn ping_is_ok(subject: Subject) {
    subject.pipeline.ping().await.unwrap();
}

fn recorded() -> (Progress, Arc<Mutex<Vec<f32>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let progress = Progress::new({
        let seen = Arc::clone(&seen);
        move |share| seen.lock().unwrap().push(share)
    });
    (progress, seen)
}
