//! What SLATE knows of an engine: [`Engine`], which detects a project, plans its builds and reads its output.
//!
//! Pure: an engine sees a [`ProjectView`] that others filled, and returns plans that others carry out.

mod view;

pub use view::ProjectView;

use crate::{
    Error, Result,
    build::{BuildPlan, BuildRequest},
    model::{LogLevel, ProjectPath},
    runtime::{RuntimeSpec, RuntimeType},
};
use std::{
    io::{Read, Seek},
    sync::Arc,
};

/// Knows the projects of one engine.
///
/// # Contract
/// - Every method is pure: the same view and request give the same answer.
/// - `detect` is quick and errs on the side of "no".
/// - `plan` refuses what the engine can't do with `Unsupported`, and a malformed project with `Invalid`; both name what is
///   wrong in the project.
pub trait Engine: Send + Sync + 'static {
    /// The engine's short name, for example `godot`.
    fn name(&self) -> &'static str;

    /// What its sessions run.
    fn runtime_type(&self) -> RuntimeType;

    /// The files whose text it wants to see, as paths from the project's root; a last part may begin with `*`.
    fn markers(&self) -> &'static [&'static str];

    /// What it recognises the project as; `None` where it is none of its own.
    fn detect(&self, project: &ProjectView) -> Option<Detected>;

    /// What a session of the project runs, with the project at `project_dir`; limits are the engine's defaults.
    ///
    /// # Errors
    /// As the contract says.
    fn session_spec(&self, project: &ProjectView, project_dir: &str, name: &str) -> Result<RuntimeSpec>;

    /// What a build of the project does.
    ///
    /// # Errors
    /// As the contract says.
    fn plan(&self, project: &ProjectView, request: &BuildRequest) -> Result<BuildPlan>;

    /// How lines of the project's builds and sessions are read.
    ///
    /// # Errors
    /// `Invalid` for a project whose own rules are malformed.
    fn classifier(&self, project: &ProjectView) -> Result<Classifier>;

    /// What is wrong in a file that the plan demanded, a sentence for each thing; none where it is sound, or where this
    /// engine doesn't look into its artifacts, which is the default.
    ///
    /// # Errors
    /// Those of reading. What isn't as it should be is no error.
    fn examine(
        &self,
        _project: &ProjectView,
        _path: &ProjectPath,
        _artifact: &mut dyn ReadSeek,
    ) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}

/// A file that is read here and there.
pub trait ReadSeek: Read + Seek {}

impl<T: Read + Seek + ?Sized> ReadSeek for T {}

/// Tells what a line of output says.
pub type Classifier = Arc<dyn Fn(&str) -> LineClass + Send + Sync>;

/// A project that an engine recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detected {
    /// The project's own name, where it says one.
    pub project_name: Option<String>,
    /// The engine's version that it was made with, where it says one.
    pub engine_version: Option<String>,
    /// How sure it is, 0 to 100; of several engines the surest is taken.
    pub confidence: u8,
}

/// What a line of output says.
#[derive(Clone, Debug, PartialEq)]
pub struct LineClass {
    /// How much it matters.
    pub level: LogLevel,
    /// Whether it proves that the build went wrong, whatever the exit code says.
    pub fatal: bool,
    /// The share of the current step that is done, 0.0 to 1.0, where the line tells it.
    pub progress: Option<f32>,
}

impl LineClass {
    /// A line of this level that proves nothing.
    pub const fn level(level: LogLevel) -> Self {
        Self { level, fatal: false, progress: None }
    }

    /// An error that fails the build.
    pub const fn fatal() -> Self {
        Self { level: LogLevel::Error, fatal: true, progress: None }
    }

    /// A line that tells how far the step is.
    pub fn progress(share: f32) -> Self {
        Self { level: LogLevel::Info, fatal: false, progress: Some(share.clamp(0.0, 1.0)) }
    }
}

/// The engines that a service knows.
#[derive(Clone, Default)]
pub struct Engines(Vec<Arc<dyn Engine>>);

impl Engines {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an engine.
    #[must_use]
    pub fn with(mut self, engine: impl Engine) -> Self {
        self.0.push(Arc::new(engine));
        self
    }

    /// The engines, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Engine>> {
        self.0.iter()
    }

    /// The engine of this name.
    ///
    /// # Errors
    /// `NotFound`, naming those that there are.
    pub fn named(&self, name: &str) -> Result<Arc<dyn Engine>> {
        self.0.iter().find(|engine| engine.name() == name).cloned().ok_or_else(|| {
            let known: Vec<_> = self.0.iter().map(|engine| engine.name()).collect();
            Error::not_found(format!("no such engine; there are: {}", known.join(", ")))
                .with("engine", name.escape_debug())
        })
    }

    /// The engine that is surest of the project; of equally sure ones the first.
    ///
    /// # Errors
    /// `NotFound` where none recognises it, naming what each looks for.
    pub fn detect(&self, project: &ProjectView) -> Result<(Arc<dyn Engine>, Detected)> {
        let mut best: Option<(Arc<dyn Engine>, Detected)> = None;
        for engine in &self.0 {
            if let Some(detected) = engine.detect(project)
                && best.as_ref().is_none_or(|(_, other)| detected.confidence > other.confidence)
            {
                best = Some((Arc::clone(engine), detected));
            }
        }
        best.ok_or_else(|| {
            let looked: Vec<_> = self.0.iter().map(|e| format!("{} ({})", e.name(), e.markers().join(", "))).collect();
            Error::not_found(format!("no engine recognises the project; looked for: {}", looked.join("; ")))
        })
    }
}

impl std::fmt::Debug for Engines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|engine| engine.name())).finish()
    }
}
