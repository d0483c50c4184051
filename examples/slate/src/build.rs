use crate::{
    cli::BuildOptions as Wanted,
    config::Config,
    output::{Output, bytes},
    pieces::{Found, Opened, user},
    serve::interrupted,
    session::finish,
};
use futures_util::StreamExt;
use slate_core::{
    BuildId, Error, Result,
    blob::Blobs,
    model::{BuildJob, BuildStatus, BuildType, LogLevel, LogSource, TargetPlatform},
    service::Builds,
    store::{Cursor, LogQuery, PageRequest},
};
use std::{fs, io::Write, path::Path, sync::Arc, time::Duration};

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
    let id = builds.enqueue(job).await?.id;
    let mut bar = output.bar("build", 100);
    let mut log = Tail { id, after: None };
    let mut canceled = false;
    loop {
        let build = journal.store().build(id).await?;
        log.tell(opened, output).await?;
        let stage = build.stage.map_or("waits", |stage| stage.title());
        bar.step(u64::from(build.progress), stage);
        if build.status.is_final() {
            log.tell(opened, output).await?;
            bar.finish();
            return Ok(build);
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(50)) => {}
            signal = interrupted(), if !canceled => {
                signal?;
                canceled = true;
                builds.cancel(id).await?;
            }
        }
    }
}

/// Shows a build's log as it grows.
struct Tail {
    id: BuildId,
    after: Option<Cursor>,
}

impl Tail {
    async fn tell(&mut self, opened: &Opened, output: &Output) -> Result<()> {
        let query = LogQuery::all().of_source(LogSource::Build(self.id));
        loop {
            let page = PageRequest::first(500).after(self.after.clone());
            let page = opened.pieces.journal.store().logs(query.clone(), page).await?;
            for entry in &page.items {
                let mark = match entry.level {
                    LogLevel::Error => "!!",
                    LogLevel::Warning => " !",
                    _ => "  ",
                };
                output.line(format!("        {mark} {}", entry.message));
            }
            if let Some(last) = page.items.last() {
                self.after = Some(Cursor::new(last.id.to_string()));
            }
            if page.next.is_none() {
                return Ok(());
            }
        }
    }
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

/// Writes the artifacts aside, syncs them, and puts each in its place.
async fn copy_artifacts(blobs: &dyn Blobs, build: &BuildJob, folder: &Path) -> Result<()> {
    for artifact in &build.artifacts {
        let Some(blob) = &artifact.blob else { continue };
        let target = folder.join(&artifact.path);
        let failed = |error| Error::io("copy an artifact", error).with("path", target.display());
        fs::create_dir_all(target.parent().unwrap_or(folder)).map_err(failed)?;
        let aside = target.with_extension("slate-part");
        let mut file = fs::File::create(&aside).map_err(failed)?;
        let mut chunks = blobs.get(blob, None);
        while let Some(chunk) = chunks.next().await {
            file.write_all(&chunk?).map_err(failed)?;
        }
        file.sync_all().and_then(|()| fs::rename(&aside, &target)).map_err(failed)?;
    }
    Ok(())
}
