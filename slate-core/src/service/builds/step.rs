use super::{Context, run::Build, track::Track};
use crate::{
    Error, InstanceId, Result,
    build::{BuildPlan, Evidence},
    model::{BuildOptions, LogEntry, LogLevel, LogSource, Stage},
    runtime::{ExitStatus, LogOptions, LogStream, RuntimeBackendExt, RuntimeSpec, StopOptions, VolumeMount, labels},
    service::worker::check,
};
use futures_util::StreamExt;
use std::{collections::BTreeMap, path::Path, time::Duration};

/// Where instances with mounts of their own see the project and the output.
const PROJECT: &str = "/slate/project";
const OUTPUT: &str = "/slate/output";
/// Lines that are kept as evidence; the log has them all.
const MAX_ERROR_LINES: usize = 50;

/// The project's folder as commands see it: where the backend doesn't isolate mounts, the host's own.
pub(super) fn seen_project(context: &Context, dir: &Path) -> String {
    if context.runtime.capabilities().mounts { PROJECT.into() } else { dir.to_string_lossy().into_owned() }
}

/// The output folder as commands see it.
pub(super) fn seen_output(context: &Context, dir: &Path) -> String {
    if context.runtime.capabilities().mounts { OUTPUT.into() } else { dir.to_string_lossy().into_owned() }
}

/// Runs one command as an instance of its own, and adds what it tells to the evidence.
pub(super) async fn run(
    build: &Build,
    track: &mut Track,
    stage: Stage,
    index: usize,
    command: &[String],
    env: &BTreeMap<String, String>,
    evidence: &mut Vec<Evidence>,
) -> Result<()> {
    let spec = spec(build, track, stage, index, command, env)?;
    track.log(LogLevel::Info, format!("[{stage}] {}", command.join(" "))).await?;
    check(track.work())?;
    let runtime = &build.context.runtime;
    let instance = match runtime.run(&spec).await {
        Ok(instance) => instance,
        // A program that isn't there is a fact about the build, not about the worker.
        Err(error) if error.retry() == crate::Retry::No => {
            evidence.push(Evidence::ErrorLine { stage, line: error.to_string() });
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let (ended, lost) = (track.work().ended.clone(), track.work().lost.clone());
    let outcome = tokio::select! {
        outcome = tokio::time::timeout(build.context.options.step_timeout, watch(build, track, stage, index, &instance, evidence)) => {
            outcome.unwrap_or_else(|_| Ok(ExitStatus { timed_out: true, ..ExitStatus::unknown() }))
        }
        () = ended.canceled() => Err(Error::canceled("the build was canceled")),
        () = lost.canceled() => Err(crate::service::worker::lost()),
    };
    // Whatever came of it, nothing of the step is left running.
    let grace = StopOptions::default().with_grace(build.context.options.stop_grace);
    if !matches!(&outcome, Ok(status) if !status.timed_out) {
        let _ = runtime.stop(&instance, grace).await;
    }
    runtime.remove_if_there(&instance).await?;
    let status = outcome?;
    let program = command.first().cloned().unwrap_or_default();
    evidence.push(Evidence::Exit { stage, program, status });
    Ok(())
}

fn spec(
    build: &Build,
    track: &Track,
    stage: Stage,
    index: usize,
    command: &[String],
    env: &BTreeMap<String, String>,
) -> Result<RuntimeSpec> {
    let (context, request, job) = (&build.context, &build.request, track.job());
    let name = format!("slate-{}-{}-{}", job.id, job.lease.attempt, stage as usize * BuildPlan::MAX_STEPS + index);
    let mut spec = build.engine.session_spec(&build.view, &request.project_dir, &name)?;
    spec.command = command.to_vec();
    spec.working_dir = Some(request.project_dir.clone());
    spec.image = context.options.image.clone().or(spec.image);
    spec.network = context.options.network.clone().unwrap_or(spec.network);
    if context.runtime.capabilities().mounts {
        spec.mounts.retain(|mount| mount.container_path != PROJECT);
        spec = spec
            .with_mount(VolumeMount::bind(build.project_dir.to_string_lossy(), PROJECT))
            .with_mount(VolumeMount::bind(build.output_dir.to_string_lossy(), OUTPUT));
    }
    for (key, value) in build_env(build, track, stage).into_iter().chain(env.clone()) {
        spec = spec.with_env(key, value);
    }
    Ok(spec
        .with_label(labels::BUILD, job.id)
        .with_label(labels::PROJECT, job.project_id)
        .with_label(labels::DEPLOYMENT, &context.options.deployment)
        .with_label(labels::OWNER, context.leases.worker())
        .with_label(labels::GENERATION, job.lease.attempt))
}

/// What every command of a build is told.
fn build_env(build: &Build, track: &Track, stage: Stage) -> BTreeMap<String, String> {
    let (request, job) = (&build.request, track.job());
    let BuildOptions { clean, verbose, parallel_jobs, optimization, compression_format, include_debug_symbols } =
        &job.options;
    [
        ("SLATE_BUILD_ID", job.id.to_string()),
        ("SLATE_PROJECT_DIR", request.project_dir.clone()),
        ("SLATE_OUTPUT_DIR", request.output_dir.clone()),
        ("SLATE_STAGE", stage.to_string()),
        ("SLATE_TARGET", request.target.to_string()),
        ("SLATE_BUILD_TYPE", request.build_type.to_string()),
        ("SLATE_CLEAN", clean.to_string()),
        ("SLATE_VERBOSE", verbose.to_string()),
        ("SLATE_PARALLEL_JOBS", parallel_jobs.to_string()),
        ("SLATE_OPTIMIZATION", optimization.to_string()),
        ("SLATE_COMPRESSION", compression_format.to_string()),
        ("SLATE_DEBUG_SYMBOLS", include_debug_symbols.to_string()),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect()
}

/// Reads the step's output to its end: every line goes to the log, and what the engine makes of it to progress and evidence.
async fn watch(
    build: &Build,
    track: &mut Track,
    stage: Stage,
    index: usize,
    instance: &InstanceId,
    evidence: &mut Vec<Evidence>,
) -> Result<ExitStatus> {
    let source = LogSource::Build(track.job().id);
    let logs = build.context.logs.for_project(track.job().project_id);
    let mut chunks = build.context.runtime.logs(instance, LogOptions::default().with_follow(true)).ready_chunks(256);
    while let Some(bunch) = chunks.next().await {
        let mut entries = Vec::with_capacity(bunch.len());
        let mut share = None;
        for chunk in bunch {
            let chunk = chunk?;
            let line = chunk.text();
            let class = (build.classify)(&line);
            if class.fatal && evidence.len() < MAX_ERROR_LINES {
                let line: String = line.chars().take(500).collect();
                evidence.push(Evidence::ErrorLine { stage, line });
            }
            share = class.progress.or(share);
            let level = match chunk.stream {
                LogStream::Stderr => class.level.max(LogLevel::Warning),
                LogStream::Stdout => class.level,
            };
            entries.push(LogEntry::new(source, level, line, chunk.at));
        }
        logs.submit(entries).await?;
        if let Some(share) = share {
            track.progress(stage, build.plan.percent(stage, index, share), stage.title()).await?;
        }
    }
    // The log ends with the instance.
    build.context.runtime.wait_for_exit(instance, Duration::from_secs(30)).await
}
