//! Files made into others by the pipeline: what `assets`, `texture`, `model` and `audio` have in common.

use crate::{output::Output, serve::interrupted};
use futures_util::{StreamExt, stream};
use slate_core::{
    Cancel, Error, Result,
    asset::{AssetInput, AssetKind, AssetOptions, AssetOutput, AssetPipeline, AssetTask, Progress},
    blob::write_file,
    model::Json,
};
use std::{
    collections::{BTreeMap, btree_map::Entry},
    fs,
    path::{Path, PathBuf},
};

/// Files that are handed to the pipeline at a time; how many it works on is its own choice.
const AT_A_TIME: usize = 32;

/// A file that is to be made into others.
pub(crate) struct Job {
    source: PathBuf,
    options: AssetOptions,
    target: Target,
}

enum Target {
    /// A folder, where results have the names that the processor gives them.
    Folder(PathBuf),
    /// A file; where there are several results, they share its stem.
    File(PathBuf),
}

/// What became of a file.
pub(crate) struct Made {
    /// What the pipeline says of it.
    pub(crate) output: AssetOutput,
    /// The files that were written, in the order of its outputs.
    pub(crate) files: Vec<PathBuf>,
}

/// Made files, or why there are none, by the names of their sources.
pub(crate) type Done = BTreeMap<String, Result<Made>>;

impl Job {
    /// Makes a file into another or, where the output isn't the name of a file, into others in a folder; or makes all files
    /// below a folder.
    pub(crate) fn all_of(input: &Path, output: &Path, is_file: bool, options: AssetOptions) -> Result<Vec<Self>> {
        match (input.is_dir(), is_file) {
            (true, _) => Self::all_below(input, output, &[options]),
            (false, true) => Ok(vec![Self::to_file(input, output, options)]),
            (false, false) => Ok(vec![Self::into_folder(input, output, options)]),
        }
    }

    /// The file that is made into others.
    pub(crate) fn source(&self) -> &Path {
        &self.source
    }

    fn to_file(source: &Path, target: &Path, options: AssetOptions) -> Self {
        Self { source: source.to_owned(), options, target: Target::File(target.to_owned()) }
    }

    /// Makes one file into others of its name.
    pub(crate) fn into_folder(source: &Path, folder: &Path, options: AssetOptions) -> Self {
        Self { source: source.to_owned(), options, target: Target::Folder(folder.to_owned()) }
    }

    /// Makes all files below a folder that there are options for into others, at the same places below another.
    pub(crate) fn all_below(root: &Path, output: &Path, options: &[AssetOptions]) -> Result<Vec<Self>> {
        let failed = |folder: &Path| {
            let path = folder.display().to_string();
            move |error| Error::io("read the assets", error).with("path", path)
        };
        let (mut jobs, mut folders) = (Vec::new(), vec![root.to_owned()]);
        while let Some(folder) = folders.pop() {
            let below = output.join(folder.strip_prefix(root).unwrap_or(Path::new("")));
            for entry in fs::read_dir(&folder).map_err(failed(&folder))? {
                let entry = entry.map_err(failed(&folder))?;
                let kind = entry.file_type().map_err(failed(&folder))?;
                if kind.is_dir() {
                    folders.push(entry.path());
                } else if kind.is_file()
                    && let Some(options) = options_for(&entry.path(), options)
                {
                    jobs.push(Self::into_folder(&entry.path(), &below, options.clone()));
                }
            }
        }
        Ok(jobs)
    }

    /// Where a result goes that the processor called so.
    fn target_of(&self, result: &str, is_only: bool) -> PathBuf {
        match &self.target {
            Target::Folder(folder) => folder.join(result),
            Target::File(file) if is_only => file.clone(),
            Target::File(file) => {
                let [from, to] = [&self.source, file].map(|path| stem(path));
                let renamed =
                    result.strip_prefix(&from).map_or_else(|| result.to_owned(), |rest| format!("{to}{rest}"));
                file.with_file_name(renamed)
            }
        }
    }

    /// What no two jobs may have in common: their results would have the same names.
    fn place(&self) -> (PathBuf, AssetKind) {
        match &self.target {
            Target::Folder(folder) => (folder.join(stem(&self.source)), self.options.kind()),
            Target::File(file) => (file.with_extension(""), self.options.kind()),
        }
    }
}

/// The options of the kind that a file is of, by its extension.
pub(crate) fn options_for<'a>(path: &Path, options: &'a [AssetOptions]) -> Option<&'a AssetOptions> {
    let kind = AssetKind::of_path(&path.to_string_lossy());
    options.iter().find(|options| options.kind() == kind)
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// Carries the jobs out, several at a time, and shows how far it is. An interruption ends all of them.
///
/// # Errors
/// `NotFound` where there are none; `Invalid` where two of them would write the same files; `Canceled`. What goes wrong with
/// one file is told in its place.
pub(crate) async fn run(pipeline: &dyn AssetPipeline, output: &Output, what: &str, jobs: Vec<Job>) -> Result<Done> {
    if jobs.is_empty() {
        return Err(Error::not_found(format!("there are no {what} there")));
    }
    let mut places = BTreeMap::<_, Job>::new();
    for job in jobs {
        match places.entry(job.place()) {
            // The same file, named twice.
            Entry::Occupied(other) if other.get().source == job.source => {}
            Entry::Occupied(other) => {
                return Err(Error::invalid("two files would become the same one")
                    .with("one", other.get().source.display())
                    .with("other", job.source.display()));
            }
            Entry::Vacant(free) => drop(free.insert(job)),
        }
    }
    let cancel = Cancel::new();
    let mut bar = output.bar(what, places.len() as u64);
    let mut results = stream::iter(places.into_values())
        .map(|job| {
            let cancel = cancel.clone();
            async move { (job.source.display().to_string(), make(pipeline, &job, cancel).await) }
        })
        .buffer_unordered(AT_A_TIME);
    let mut done = BTreeMap::new();
    loop {
        tokio::select! {
            result = results.next() => match result {
                Some((name, made)) => {
                    bar.step(done.len() as u64 + 1, &name);
                    done.insert(name, made);
                }
                None => break,
            },
            signal = interrupted(), if !cancel.is_canceled() => {
                signal?;
                cancel.cancel();
            }
        }
    }
    drop(results);
    bar.finish();
    cancel.check()?;
    Ok(done)
}

async fn make(pipeline: &dyn AssetPipeline, job: &Job, cancel: Cancel) -> Result<Made> {
    let task = AssetTask::new(AssetInput::from_file(&job.source)?, job.options.clone()).with_cancel(cancel);
    let output = pipeline.process(task, Progress::ignored()).await?;
    let source = fs::canonicalize(&job.source).ok();
    let mut files = Vec::with_capacity(output.files.len());
    for result in &output.files {
        let target = job.target_of(&result.name, output.files.len() == 1);
        if source.is_some() && fs::canonicalize(&target).ok() == source {
            return Err(Error::invalid("a file can't be written over itself").with("file", target.display()));
        }
        write_file(&target, pipeline.read(&result.blob)).await?;
        files.push(target);
    }
    Ok(Made { output, files })
}

/// Tells that nothing came of a file.
pub(crate) fn tell_failure(output: &Output, name: &str, error: &Error) -> Json {
    output.line(format!("{name}: FAILED: {error}"));
    serde_json::json!({ "error": error.to_string(), "kind": error.kind().as_str() })
}
