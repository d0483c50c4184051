use crate::{
    assets, build,
    cli::DemoOptions,
    config::Config,
    output::{Output, bytes},
    pieces::{Found, Opened, user},
    session,
};
use slate_core::{
    Error, Result,
    asset::{AssetKind, AssetOptions},
    model::{
        AssetJob, AssetJobStatus, BuildJob, BuildStatus, BuildType, LogSource, Project, RuntimeSession, TargetPlatform,
    },
    service::{Assets, Imported, Projects},
    store::{AssetJobQuery, AssetQuery, EventQuery, LogQuery, PageRequest},
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

/// Imports, runs and builds a small real game, and shows what is recorded of it.
pub(crate) async fn run(config: &Config, output: &Output, options: DemoOptions) -> Result<bool> {
    let start = Instant::now();
    let opened = Opened::open(config).await?;
    let found = opened.look_at(&folder(options.project)?, None)?;
    let services = opened.start(config).await?;
    let shown = show(&opened, config, &found, output).await;
    let (shown, imported) = session::finish(services, shown).await?;
    // Counted after the services have ended, when everything that they held is stored.
    let sound = summary(&opened, output, &shown, &imported, start.elapsed()).await?;
    opened.close().await;
    Ok(sound)
}

struct Shown {
    project: Project,
    session: RuntimeSession,
    jobs: Vec<AssetJob>,
    build: BuildJob,
}

async fn show(opened: &Opened, config: &Config, found: &Found, output: &Output) -> Result<(Shown, Imported)> {
    let title = |text: &str| output.line(format!("\n== {text}"));
    title(&format!("imports {} (engine: {})", found.name(), found.engine.name()));
    let (project, new) = opened.project(found).await?;
    let projects = Projects::new(opened.pieces.journal.clone(), Arc::clone(&opened.pieces.blobs));
    let imported = projects.import(project.id, &user()?, &found.folder, &found.view).await?;
    output.line(format!(
        "{} project {}: {} files new, {} changed, {} as before, {} in all",
        if new { "new" } else { "known" },
        project.id,
        imported.created,
        imported.updated,
        imported.unchanged,
        bytes(imported.bytes)
    ));
    title("opens a session");
    let session = session::start(opened, found, opened.session_spec(config, found)?).await?;
    output.line(format!("session {} is {}, its game plays on while we build", session.id, session.status));
    title("processes every asset");
    let jobs = process(opened, &project, output).await?;
    title("builds for linux, production");
    let build = build::build(opened, found, output, TargetPlatform::Linux, BuildType::Production).await?;
    title("waits for the game to end");
    let session = session::until(opened, session.id, |session| session.status.is_final()).await?;
    output.line(format!("session {} is {}", session.id, session.status));
    Ok((Shown { project, session, jobs, build }, imported))
}

/// Records a job for every asset of the project and waits for the end of all.
async fn process(opened: &Opened, project: &Project, output: &Output) -> Result<Vec<AssetJob>> {
    let store = opened.pieces.journal.store();
    let mut batch = Vec::new();
    for options in assets::defaults() {
        let query = AssetQuery::all().of_project(project.id).of_kind(options.kind());
        for asset in store.assets(query, PageRequest::first(1000)).await?.items {
            let external = asset.metadata["path"].as_str().is_some_and(|path| path.ends_with(".gltf"));
            // A job has its one file: a model whose buffers lie beside it is packed by the build, which has the folder.
            if !external {
                batch.push((asset.id, options.clone()));
            }
        }
    }
    let assets = Assets::new(opened.pieces.journal.clone(), Arc::clone(&opened.pieces.bus));
    let queued = assets.process(project.id, &user()?, batch).await?;
    let first = queued.iter().map(|job| job.id).min();
    let mut bar = output.bar("assets", queued.len() as u64);
    loop {
        let page = store.asset_jobs(AssetJobQuery::all().of_project(project.id), PageRequest::newest(1000)).await?;
        let ours: Vec<_> = page.items.into_iter().filter(|job| Some(job.id) >= first).collect();
        let done = ours.iter().filter(|job| job.status.is_final()).count();
        bar.step(done as u64, "");
        if done == queued.len() {
            bar.finish();
            return Ok(ours);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn summary(opened: &Opened, output: &Output, shown: &Shown, imported: &Imported, took: Duration) -> Result<bool> {
    let store = opened.pieces.journal.store();
    let Shown { project, session, jobs, build } = shown;
    output.line("\n== what is recorded");
    let mut assets = serde_json::Map::new();
    let mut sound = build.status == BuildStatus::Completed && session.error_message.is_none();
    for kind in [AssetKind::Texture, AssetKind::Model, AssetKind::Audio] {
        let of_kind: Vec<_> = jobs.iter().filter(|job| AssetOptions::kind(&job.options) == kind).collect();
        let outputs: Vec<_> = of_kind.iter().filter_map(|job| job.output.as_ref()).collect();
        let before: u64 = outputs.iter().map(|made| made.input_bytes).sum();
        let after: u64 = outputs.iter().map(|made| made.output_bytes()).sum();
        let cached = outputs.iter().filter(|made| made.cached).count();
        let failed = of_kind.iter().filter(|job| job.status != AssetJobStatus::Completed).count();
        sound &= failed == 0;
        output.line(format!(
            "{kind:8} {:>3} processed, {} -> {}, {cached} from the cache, {failed} failed",
            outputs.len(),
            bytes(before),
            bytes(after)
        ));
        let counts = serde_json::json!({
            "processed": outputs.len(), "bytesBefore": before, "bytesAfter": after, "cached": cached, "failed": failed,
        });
        assets.insert(kind.to_string(), counts);
    }
    for job in jobs.iter().filter(|job| job.status != AssetJobStatus::Completed) {
        output.line(format!("  asset job {} {}: {}", job.id, job.status, job.error_message.as_deref().unwrap_or("-")));
    }
    if !output.is_json() {
        build::tell(output, build)?;
    }
    let events = store.count_events(EventQuery::all()).await?;
    let waiting = store.unpublished(1).await?.len();
    let session_lines = store.count_logs(LogQuery::all().of_source(LogSource::Session(session.id))).await?;
    let build_lines = store.count_logs(LogQuery::all().of_source(LogSource::Build(build.id))).await?;
    output.line(format!("events   {events} stored, {waiting} unpublished"));
    output.line(format!("lines    {session_lines} of the session, {build_lines} of the build"));
    output.line(format!("took     {:.1} s", took.as_secs_f32()));
    let cached = jobs.iter().all(|job| job.output.as_ref().is_some_and(|made| made.cached));
    if cached {
        output.line("note     every asset came from the cache: nothing had to be processed again");
    }
    output.line("\n== look further");
    output.line(format!("slate session logs {}", session.id));
    output.line(format!("slate session show {}", session.id));
    output.line("slate session list");
    output.line("slate doctor");
    output.document(&serde_json::json!({
        "sound": sound, "project": project.id, "imported": { "created": imported.created, "updated": imported.updated,
        "unchanged": imported.unchanged, "bytes": imported.bytes }, "session": { "id": session.id, "status": session.status },
        "assets": assets, "allCached": cached, "build": build, "events": events, "unpublishedEvents": waiting,
        "lines": { "session": session_lines, "build": build_lines }, "seconds": took.as_secs_f32(),
    }))?;
    Ok(sound)
}

/// The project asked for, or the game that comes with SLATE: below this folder, or where the program was built.
fn folder(wanted: Option<PathBuf>) -> Result<PathBuf> {
    if let Some(wanted) = wanted {
        return Ok(wanted);
    }
    let here = PathBuf::from("examples/projects/lantern");
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../projects/lantern");
    [here, built].into_iter().find(|folder| folder.is_dir()).ok_or_else(|| {
        Error::not_found("the game Lantern isn't here: run the demo in SLATE's folder, or name a project by --project")
    })
}
