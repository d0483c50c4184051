use super::{Context, artifacts, assets, copy, step, track::Track};
use crate::{
    Error, ErrorKind, Result, Timestamp,
    build::{BuildPlan, BuildRequest, Evidence, Step, Verdict, judge},
    engine::{Classifier, Engine, ProjectView},
    model::{Artifact, BuildJob, BuildStatus, Json, LogLevel, ProjectPath, Stage},
    service::{leases::Work, worker::may_pass},
    task::blocking,
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Folders of a project that are never part of a build.
const IGNORED: [&str; 4] = ["build", "builds", "target", "node_modules"];

/// Problems of one artifact that are kept as evidence.
const MAX_PROBLEMS: usize = 20;

/// A build in the hands of a worker.
pub(super) struct Build {
    pub(super) context: Context,
    pub(super) engine: Arc<dyn Engine>,
    pub(super) classify: Classifier,
    pub(super) view: Arc<ProjectView>,
    pub(super) request: BuildRequest,
    pub(super) plan: BuildPlan,
    pub(super) project_dir: PathBuf,
    pub(super) output_dir: PathBuf,
}

/// Works on a build until its end, or until the lease is lost.
pub(super) async fn run(context: Context, job: BuildJob, work: Work) {
    let id = job.id;
    let mut track = Track::new(context.clone(), work.clone(), job);
    let result = attempt(&context, &mut track).await;
    // Before the end is recorded: nobody comes back for an ended build's copy.
    if !work.lost.is_canceled() && context.options.copy_projects {
        let folder = copy::folder(&context.options.workspace, id);
        if let Err(error) = blocking(move || copy::remove(&folder)).await {
            tracing::warn!(build = %id, %error, "the copy of the project was not removed");
        }
    }
    let result = match result {
        Ok(outcome) => outcome.record(&context, &mut track).await,
        Err(error) => Err(error),
    };
    let recorded = match result {
        Ok(()) => Ok(()),
        Err(_) if work.lost.is_canceled() => return,
        Err(error) if error.kind() == ErrorKind::Canceled => canceled(&mut track).await,
        Err(error) => failed(&context, &mut track, error).await,
    };
    if let Err(error) = recorded {
        // The lease runs out and the build is claimed again.
        tracing::warn!(build = %id, %error, "the build's end could not be recorded");
    }
}

async fn attempt(context: &Context, track: &mut Track) -> Result<Outcome> {
    if track.job().lease.tries() > context.options.max_attempts {
        return Err(Error::internal("the build was given up: its workers ended before it did, too often")
            .with("attempts", track.job().lease.tries() - 1)
            .retry_as(crate::Retry::No)
            .at("service.builds", "claim"));
    }
    if track.job().cancel_requested {
        return Err(Error::canceled("the build was canceled"));
    }
    track.started().await?;
    let mut times = Times::default();
    times.begin(Stage::Prepare, context.journal.now());
    track.progress(Stage::Prepare, 0, Stage::Prepare.title()).await?;
    let build = prepare(context, track).await?;
    let mut evidence = Vec::new();
    for &stage in Stage::ALL {
        if stage != Stage::Prepare {
            times.begin(stage, context.journal.now());
            track.progress(stage, stage.start_percent(), stage.title()).await?;
        }
        let steps = build.plan.stages.iter().find(|planned| planned.stage == stage).map_or(&[][..], |p| &p.steps);
        for (index, planned) in steps.iter().enumerate() {
            match planned {
                Step::Run { command, env } => {
                    step::run(&build, track, stage, index, command, env, &mut evidence).await?;
                }
                Step::Assets { from, to, options } => {
                    assets::run(&build, track, stage, index, (from.as_ref(), to, options), &mut evidence).await?;
                }
            }
            if evidence.iter().any(Evidence::is_against) {
                break;
            }
        }
        if evidence.iter().any(Evidence::is_against) {
            break;
        }
        if stage != Stage::Finalize {
            track.progress(stage, stage.done_percent(), stage.title()).await?;
        }
    }
    conclude(&build, times, evidence).await
}

/// Finds the project, plans the build, and makes an empty folder for its output.
async fn prepare(context: &Context, track: &Track) -> Result<Build> {
    let job = track.job();
    let project = context.journal.store().project(job.project_id).await?;
    let path = project.settings["path"].as_str().ok_or_else(|| {
        Error::invalid("the project's settings name no folder: set settings.path").with("project", project.id)
    })?;
    let project_dir =
        fs::canonicalize(path).map_err(|error| Error::io("find the project's folder", error).with("path", path))?;
    allowed(context, &project_dir)?;
    let output_dir = context.options.workspace.join(job.id.to_string());
    let engines = context.options.engines.clone();
    let named = project.settings["engine"].as_str().map(str::to_owned);
    let (root, output, owner) = (project_dir.clone(), output_dir.clone(), context.options.owner);
    let copied = context.options.copy_projects.then(|| copy::folder(&context.options.workspace, job.id));
    let (view, output_dir, project_dir) = blocking(move || {
        let view = ProjectView::read(&root, engines.iter().map(|engine| &**engine), &IGNORED)?;
        // What an earlier attempt left is thrown away: a build never mixes two attempts.
        let made = match fs::remove_dir_all(&output) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => fs::create_dir_all(&output).and_then(|()| fs::canonicalize(&output)),
        };
        let made = made.map_err(|e| Error::io("make the output folder", e).with("path", output.display()))?;
        copy::hand_over(&made, owner)?;
        let project = match copied {
            Some(to) => copy::copy(&root, &to, &IGNORED, owner)?,
            None => root,
        };
        Ok((view, made, project))
    })
    .await?;
    let engine = match named {
        Some(name) => context.options.engines.named(&name)?,
        None => context.options.engines.detect(&view)?.0,
    };
    let request = BuildRequest {
        target: job.target_platform,
        build_type: job.build_type,
        options: job.options.clone(),
        project_dir: step::seen_project(context, &project_dir),
        output_dir: step::seen_output(context, &output_dir),
    };
    let plan = engine.plan(&view, &request)?;
    plan.validate()?;
    let classify = engine.classifier(&view)?;
    track.log(LogLevel::Info, format!("builds with {}: {} files", engine.name(), view.files().count())).await?;
    Ok(Build {
        context: context.clone(),
        engine,
        classify,
        view: Arc::new(view),
        request,
        plan,
        project_dir,
        output_dir,
    })
}

fn allowed(context: &Context, project_dir: &Path) -> Result<()> {
    let mount = crate::runtime::VolumeMount::bind(project_dir.to_string_lossy(), "/slate/project");
    context.options.projects.check(&crate::runtime::RuntimeSpec::new("check", ["true"]).with_mount(mount))
}

/// What a build came to.
struct Outcome {
    verdict: Verdict,
    evidence: Vec<Evidence>,
    files: Vec<Artifact>,
    output_path: String,
    times: Times,
}

/// Collects the artifacts and judges the build.
async fn conclude(build: &Build, times: Times, mut evidence: Vec<Evidence>) -> Result<Outcome> {
    let files = artifacts::collect(&build.context, &build.output_dir).await?;
    if !evidence.iter().any(Evidence::is_against) {
        evidence.extend(
            build
                .plan
                .expected
                .iter()
                .filter(|path| !is_there(path, &files))
                .map(|path| Evidence::Missing { path: path.to_string() }),
        );
    }
    if !evidence.iter().any(Evidence::is_against) {
        evidence.extend(examine(build).await?);
    }
    let (verdict, output_path) = (judge(&evidence, &files), build.output_dir.to_string_lossy().into_owned());
    Ok(Outcome { verdict, evidence, files, output_path, times })
}

impl Outcome {
    /// Records the build's end.
    async fn record(self, context: &Context, track: &mut Track) -> Result<()> {
        let Self { verdict, evidence, files, output_path, mut times } = self;
        if let Verdict::Failed(reasons) = &verdict {
            for reason in reasons.iter().take(20) {
                track.log(LogLevel::Error, reason.clone()).await?;
            }
        }
        // Every line is in the store before the record says that the build has ended.
        context.logs.barrier().await?;
        if track.work().ended.is_canceled() {
            return Err(Error::canceled("the build was canceled"));
        }
        times.end(context.journal.now());
        match verdict {
            Verdict::Sound => {
                track
                    .end(BuildStatus::Completed, |job| {
                        job.progress = 100;
                        job.stage = Some(Stage::Finalize);
                        job.output_path = Some(output_path.clone());
                        job.artifacts.clone_from(&files);
                        job.error_message = None;
                        note(job, &times, &evidence, &[]);
                    })
                    .await
            }
            Verdict::Failed(reasons) => {
                track
                    .end(BuildStatus::Failed, |job| {
                        job.error_message = reasons.first().cloned();
                        note(job, &times, &evidence, &reasons);
                    })
                    .await
            }
        }
    }
}

/// What the engine finds wrong in the files that its plan demanded.
async fn examine(build: &Build) -> Result<Vec<Evidence>> {
    let (engine, view) = (Arc::clone(&build.engine), Arc::clone(&build.view));
    let (output, expected) = (build.output_dir.clone(), build.plan.expected.clone());
    blocking(move || {
        let mut found = Vec::new();
        for path in expected {
            let mut file = fs::File::open(output.join(path.as_str()))
                .map_err(|error| Error::io("read an artifact", error).with("path", &path))?;
            let problems = engine.examine(&view, &path, &mut file)?.into_iter().take(MAX_PROBLEMS);
            found.extend(problems.map(|problem| Evidence::Unsound { path: path.to_string(), problem }));
        }
        Ok(found)
    })
    .await
}

fn is_there(path: &ProjectPath, files: &[Artifact]) -> bool {
    files.iter().any(|file| file.path == path.as_str() && file.size > 0)
}

/// Keeps the stage times and the evidence with the build.
fn note(job: &mut BuildJob, times: &Times, evidence: &[Evidence], errors: &[String]) {
    *slate_part(job) = serde_json::json!({ "stages": times.stages, "evidence": evidence, "errors": errors });
}

async fn canceled(track: &mut Track) -> Result<()> {
    track.log(LogLevel::Warning, "the build was canceled").await?;
    track.end(BuildStatus::Canceled, |job| job.error_message = Some("canceled".into())).await
}

/// Records a failure that isn't the build's verdict: tried again where that may help and tries are left.
async fn failed(context: &Context, track: &mut Track, error: Error) -> Result<()> {
    let attempt = track.job().lease.tries();
    track.log(LogLevel::Error, error.to_string()).await?;
    if may_pass(&error) && attempt < context.options.max_attempts {
        let not_before = context.journal.now() + context.options.backoff().wait(attempt);
        let message = error.to_string();
        return track
            .change(
                |job| {
                    job.status = BuildStatus::Queued;
                    job.not_before = Some(not_before);
                    job.error_message = Some(message.clone());
                    (job.progress, job.stage) = (0, None);
                },
                |_| Ok(None),
            )
            .await;
    }
    let message = error.to_string();
    track.end(BuildStatus::Failed, |job| job.error_message = Some(message.clone())).await
}

/// What the service itself keeps with a build.
fn slate_part(job: &mut BuildJob) -> &mut Json {
    if !job.metadata.is_object() {
        job.metadata = Json::Object(serde_json::Map::new());
    }
    &mut job.metadata["slate"]
}

/// When each stage began and how long it took.
#[derive(Default)]
struct Times {
    stages: Vec<Json>,
    current: Option<(Stage, Timestamp)>,
}

impl Times {
    fn begin(&mut self, stage: Stage, now: Timestamp) {
        self.end(now);
        self.current = Some((stage, now));
    }

    fn end(&mut self, now: Timestamp) {
        if let Some((stage, start)) = self.current.take() {
            let millis = now.since(start).as_millis() as u64;
            self.stages.push(serde_json::json!({ "stage": stage, "startedAt": start, "millis": millis }));
        }
    }
}
