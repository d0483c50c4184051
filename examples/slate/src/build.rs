use crate::{
    cli::BuildOptions as Wanted,
    config::Config,
    output::{Output, bytes},
    pieces::{Found, Opened, user},
    serve::interrupted,
    session::finish,
};
use futures_util::FutureExt;
use slate_core::{
    Error, Result,
    blob::{Blobs, write_file},
    bus::{BuildTopic, Message, SubscribeOptions, Topic},
    model::{BuildJob, BuildStatus, BuildType, Json, TargetPlatform},
    service::Builds,
};
use std::{path::Path, sync::Arc, time::Duration};

/// Builds a project and waits for the end.
pub(crate) async fn run(config: &Config, output: &Output, wanted: Wanted) -> Result<bool> {
    let target: TargetPlatform = wanted.target.parse()?;
    let build_type: BuildType = wanted.build_type.parse()?;
    let opened = Opened::open(config).await?;
    let found = opened.look_at(&wanted.project, wanted.engine.as_deref())?;
    let services = opened.start(config).await?;
    let built = build(&opened, &found, output, target, build_type).await;
    let build = finish(services, built).await?;
    tell(output, &build)?;
    if let Some(folder) = &wanted.output
        && build.status == BuildStatus::Completed
    {
        copy_artifacts(&*opened.pieces.blobs, &build, folder).await?;
        output.line(format!("copied to {}", folder.display()));
    }
    opened.close().await;
    match build.status {
        BuildStatus::Canceled => Err(Error::canceled("the build was canceled").with("build", build.id)),
        status => Ok(status == BuildStatus::Completed),
    }
}

/// Records a build and shows it until its end. An interruption cancels it.
pub(crate) async fn build(
    opened: &Opened,
    found: &Found,
    output: &Output,
    target: TargetPlatform,
    build_type: BuildType,
) -> Result<BuildJob> {
    let (project, _) = opened.project(found).await?;
    let journal = &opened.pieces.journal;
    let builds = Builds::new(journal.clone(), Arc::clone(&opened.pieces.bus));
    let job = BuildJob::new(project.id, user()?, build_type, target, journal.now());
    let id = job.id;
    let lines = Topic::Build(BuildTopic::Log(id)).subject().into();
    let mut lines = opened.pieces.bus.subscribe(&lines, SubscribeOptions::default()).await?;
    builds.enqueue(job).await?;
    let mut bar = output.bar("build", 100);
    let mut canceled = false;
    loop {
        let build = journal.store().build(id).await?;
        let stage = build.stage.map_or("waits", |stage| stage.title());
        bar.step(u64::from(build.progress), stage);
        if build.status.is_final() {
            while let Some(Some(line)) = lines.next().now_or_never() {
                tell_line(output, &line);
            }
            bar.finish();
            return Ok(build);
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(50)) => {}
            Some(line) = lines.next() => tell_line(output, &line),
            signal = interrupted(), if !canceled => {
                signal?;
                canceled = true;
                builds.cancel(id).await?;
            }
        }
    }
}

/// Shows a line of the build as it is shown on the bus.
fn tell_line(output: &Output, message: &Message) {
    let Ok(line) = message.parse::<Json>() else { return };
    let mark = match line["data"]["level"].as_str() {
        Some("error") => "!!",
        Some("warning") => " !",
        _ => "  ",
    };
    output.line(format!("        {mark} {}", line["data"]["message"].as_str().unwrap_or_default()));
}

pub(crate) fn tell(output: &Output, build: &BuildJob) -> Result<()> {
    output.line(format!("build {} {}", build.id, build.status));
    if let Some(message) = &build.error_message {
        output.line(format!("  because: {message}"));
    }
    for stage in build.metadata["slate"]["stages"].as_array().into_iter().flatten() {
        let name = stage["stage"].as_str().unwrap_or_default();
        output.line(format!("  {name:10} {:>7} ms", stage["millis"]));
    }
    for artifact in &build.artifacts {
        output.line(format!("  {:24} {:>10}  sha256 {}", artifact.path, bytes(artifact.size), artifact.sha256));
    }
    output.document(build)
}

/// Writes the artifacts below a folder.
async fn copy_artifacts(blobs: &dyn Blobs, build: &BuildJob, folder: &Path) -> Result<()> {
    for artifact in &build.artifacts {
        let Some(blob) = &artifact.blob else { continue };
        write_file(folder.join(&artifact.path), blobs.get(blob, None)).await?;
    }
    Ok(())
}
