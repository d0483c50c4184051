use super::{run::Build, track::Track};
use crate::{
    Cancel, Result,
    asset::{AssetInput, AssetKind, AssetOptions, AssetOutput, AssetTask, Progress},
    blob::write_file,
    build::Evidence,
    model::{LogLevel, ProjectPath, Stage},
};
use futures_util::{StreamExt, stream};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// Assets that are handed to the pipeline at a time; how many it works on is its own choice.
const AT_A_TIME: usize = 16;

/// Processes a folder of assets into the output.
pub(super) async fn run(
    build: &Build,
    track: &mut Track,
    stage: Stage,
    index: usize,
    (from, to, options): (Option<&ProjectPath>, &ProjectPath, &[AssetOptions]),
    evidence: &mut Vec<Evidence>,
) -> Result<()> {
    let below = from.map(|from| format!("{from}/"));
    let wanted: Vec<(ProjectPath, AssetOptions)> = build
        .view
        .files()
        .filter(|(path, _)| below.as_ref().is_none_or(|below| path.as_str().starts_with(below)))
        .filter_map(|(path, _)| {
            let kind = AssetKind::of_path(path.as_str());
            let options = options.iter().find(|options| options.kind() == kind)?;
            Some((path.clone(), options.clone()))
        })
        .collect();
    track.log(LogLevel::Info, format!("[{stage}] processes {} assets", wanted.len())).await?;
    let total = wanted.len();
    let cancel = track.work().ended.clone();
    let mut results = stream::iter(wanted)
        .map(|(path, options)| process(build, path, options, cancel.clone()))
        .buffer_unordered(AT_A_TIME);
    let (mut done, mut cached) = (0, 0);
    let mut written = BTreeSet::new();
    while let Some((path, result)) = results.next().await {
        super::super::worker::check(track.work())?;
        match result {
            Ok(output) => {
                cached += usize::from(output.cached);
                let folder = target_folder(build, to, below.as_deref(), &path);
                for file in &output.files {
                    let target = folder.join(&file.name);
                    if !written.insert(target.clone()) {
                        let line = format!("{path}: another asset gives {} too", target.display());
                        evidence.push(Evidence::ErrorLine { stage, line });
                        continue;
                    }
                    write_file(&target, build.context.assets.read(&file.blob)).await?;
                }
            }
            Err(error) if error.kind() == crate::ErrorKind::Canceled => return Err(error),
            Err(error) if error.retry() != crate::Retry::No => return Err(error),
            Err(error) => evidence.push(Evidence::ErrorLine { stage, line: format!("{path}: {error}") }),
        }
        done += 1;
        let percent = build.plan.percent(stage, index, done as f32 / total as f32);
        track.progress(stage, percent, &format!("{done} of {total} assets")).await?;
    }
    track.log(LogLevel::Info, format!("[{stage}] {done} assets processed, {cached} of them from the cache")).await
}

async fn process(
    build: &Build,
    path: ProjectPath,
    options: AssetOptions,
    cancel: Cancel,
) -> (ProjectPath, Result<AssetOutput>) {
    let result = match AssetInput::from_file(build.project_dir.join(path.as_str())) {
        Ok(input) => {
            let task = AssetTask::new(input, options).with_cancel(cancel);
            build.context.assets.process(task, Progress::ignored()).await
        }
        Err(error) => Err(error),
    };
    (path, result)
}

/// The folder of the output that takes the asset's results: where the asset lies in its own folder.
fn target_folder(build: &Build, to: &ProjectPath, below: Option<&str>, path: &ProjectPath) -> PathBuf {
    let relative = below.and_then(|below| path.as_str().strip_prefix(below)).unwrap_or(path.as_str());
    let parent = Path::new(relative).parent().unwrap_or(Path::new(""));
    build.output_dir.join(to.as_str()).join(parent)
}
