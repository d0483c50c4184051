//! Godot 3 and 4 projects: detected by `project.godot`, imported and exported headless.
//!
//! ```
//! use slate_core::engine::{Engine, ProjectView};
//!
//! let view = ProjectView::default().with_text(
//!     "project.godot".parse()?,
//!     "config_version=5\n[application]\nconfig/name=\"Lantern\"\n",
//! );
//! let detected = slate_godot::Godot::new().detect(&view).ok_or_else(|| slate_core::Error::not_found("no project"))?;
//! assert_eq!(detected.engine_version.as_deref(), Some("4"));
//! # Ok::<(), slate_core::Error>(())
//! ```
//!
//! Godot ends with code 0 after script errors and missing resources, so [`Godot`] reads what it prints, demands the file that
//! it was to make, looks into it, and may run it. The crate's README has what was measured.

mod config;
mod output;
mod pack;

pub use config::{ConfigFile, Preset};
pub use pack::{Pack, Packed};

use slate_core::{
    Error, Result,
    build::{BuildPlan, BuildRequest, Step},
    engine::{Classifier, Detected, Engine, ProjectView, ReadSeek},
    model::{BuildType, ProjectPath, Stage, TargetPlatform},
    runtime::{RuntimeSpec, RuntimeType},
};
use std::sync::Arc;

const PROJECT: &str = "project.godot";
const PRESETS: &str = "export_presets.cfg";

/// The Godot engine.
#[derive(Clone, Debug)]
pub struct Godot {
    program: Option<String>,
    smoke_run: bool,
}

/// The major version that a project was made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Major {
    Three,
    Four,
}

impl Godot {
    /// Runs `godot` for Godot 4 projects and `godot3-server` for Godot 3 projects, as Debian names them.
    pub fn new() -> Self {
        Self { program: None, smoke_run: false }
    }

    /// Runs this program for every project.
    pub fn with_program(program: impl Into<String>) -> Self {
        Self { program: Some(program.into()), smoke_run: false }
    }

    /// Runs each exported pack for one frame as the build's last step. It fails the build where a scene, script or resource
    /// of the main scene can't be loaded.
    #[must_use]
    pub fn with_smoke_run(mut self) -> Self {
        self.smoke_run = true;
        self
    }

    fn program(&self, major: Major) -> String {
        let usual = match major {
            Major::Three => "godot3-server",
            Major::Four => "godot",
        };
        self.program.clone().unwrap_or_else(|| usual.into())
    }
}

impl Default for Godot {
    fn default() -> Self {
        Self::new()
    }
}

impl Engine for Godot {
    fn name(&self) -> &'static str {
        "godot"
    }

    fn runtime_type(&self) -> RuntimeType {
        RuntimeType::Godot
    }

    fn markers(&self) -> &'static [&'static str] {
        &[PROJECT, PRESETS]
    }

    fn detect(&self, project: &ProjectView) -> Option<Detected> {
        let config = ConfigFile::parse(project.text(PROJECT)?).ok()?;
        let engine_version = match major(&config) {
            Ok(Major::Three) => Some("3".to_owned()),
            Ok(Major::Four) => Some("4".to_owned()),
            Err(_) => None,
        };
        let project_name = config.text("application", "config/name").map(str::to_owned);
        Some(Detected { project_name, engine_version, confidence: 80 })
    }

    fn session_spec(&self, project: &ProjectView, project_dir: &str, name: &str) -> Result<RuntimeSpec> {
        let major = major(&read(project)?)?;
        let mut spec = RuntimeType::Godot.default_spec(name).with_working_dir(project_dir);
        spec.command = vec![self.program(major)];
        // Debian's godot3-server has no display to begin with; Godot 4 is told.
        spec.command.extend((major == Major::Four).then(|| "--headless".into()));
        spec.command.extend(["--path".into(), project_dir.to_owned()]);
        Ok(spec)
    }

    fn plan(&self, project: &ProjectView, request: &BuildRequest) -> Result<BuildPlan> {
        let config = read(project)?;
        let major = major(&config)?;
        if config.text("application", "run/main_scene").is_none() {
            return Err(
                Error::invalid("the project has no main scene: set application/run/main_scene").with("path", PROJECT)
            );
        }
        let presets = project.text(PRESETS).map(Preset::read_all).transpose()?.unwrap_or_default();
        let preset = choose(&presets, request.target)?;
        let name = config.text("application", "config/name").unwrap_or("game");
        let file = if preset.is_pack() { format!("{}.pck", stem(name)) } else { file_name(name, request.target) };
        let program = self.program(major);
        let base = |arguments: &[&str]| {
            let mut command = vec![program.clone()];
            command.extend((major == Major::Four).then(|| "--headless".into()));
            command.extend(["--path".into(), request.project_dir.clone()]);
            command.extend(arguments.iter().map(|argument| (*argument).to_owned()));
            Step::run(command)
        };
        let target = format!("{}/{file}", request.output_dir);
        let (import, export) = match (major, request.build_type) {
            (Major::Three, BuildType::Development) => (vec!["--editor", "--quit"], "--export-debug"),
            (Major::Three, _) => (vec!["--editor", "--quit"], "--export"),
            (Major::Four, BuildType::Development) => (vec!["--import"], "--export-debug"),
            (Major::Four, _) => (vec!["--import"], "--export-release"),
        };
        let mut plan = BuildPlan::new().step(Stage::Assets, base(&import));
        if preset.is_pack() {
            plan = plan.step(Stage::Package, base(&["--export-pack", &preset.name, &target]));
            if self.smoke_run {
                let mut command = vec![program.clone()];
                command.extend((major == Major::Four).then(|| "--headless".into()));
                command.extend(["--main-pack".into(), target, "--quit".into()]);
                plan = plan.step(Stage::Finalize, Step::run(command));
            }
            return Ok(plan.expect(ProjectPath::new(file)?));
        }
        plan = plan.step(Stage::Executable, base(&[export, &preset.name, &target]));
        Ok(plan.expect(ProjectPath::new(file)?))
    }

    fn classifier(&self, _: &ProjectView) -> Result<Classifier> {
        Ok(Arc::new(output::classify))
    }

    fn examine(&self, project: &ProjectView, path: &ProjectPath, artifact: &mut dyn ReadSeek) -> Result<Vec<String>> {
        if !path.as_str().ends_with(".pck") {
            return Ok(Vec::new());
        }
        let config = read(project)?;
        let main_scene = config.text("application", "run/main_scene").unwrap_or_default();
        pack::examine(artifact, main_scene)
    }
}

fn read(project: &ProjectView) -> Result<ConfigFile> {
    let text = project.text(PROJECT).ok_or_else(|| Error::not_found("the project has no project.godot"))?;
    ConfigFile::parse(text)
}

fn major(config: &ConfigFile) -> Result<Major> {
    match config.number("", "config_version") {
        Some(3 | 4) => Ok(Major::Three),
        Some(5) => Ok(Major::Four),
        version => Err(Error::unsupported("only projects of Godot 3 and 4 are known (config_version 3 to 5)")
            .with("config_version", version.map_or("missing".into(), |version| version.to_string()))),
    }
}

/// The preset for a platform; of several the first that is marked as runnable, else the first.
fn choose(presets: &[Preset], target: TargetPlatform) -> Result<&Preset> {
    let platforms: &[&str] = match target {
        TargetPlatform::Linux => &["Linux", "Linux/X11"],
        TargetPlatform::Windows => &["Windows Desktop"],
        TargetPlatform::Macos => &["macOS", "Mac OSX"],
        TargetPlatform::Android => &["Android"],
        TargetPlatform::Ios => &["iOS"],
        TargetPlatform::Webgl => &["Web", "HTML5"],
        _ => &[],
    };
    let mut fitting = presets.iter().filter(|preset| platforms.contains(&preset.platform.as_str()));
    let first = fitting.next();
    first.filter(|preset| preset.runnable).or_else(|| fitting.find(|preset| preset.runnable)).or(first).ok_or_else(
        || {
            let known: Vec<_> = presets.iter().map(|preset| format!("{} ({})", preset.name, preset.platform)).collect();
            let known = if known.is_empty() { "none".into() } else { known.join(", ") };
            Error::unsupported(format!("no export preset for this platform; export_presets.cfg has: {known}"))
                .with("target", target)
        },
    )
}

/// A file's name without its ending.
fn stem(project: &str) -> String {
    let words = project.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let stem: String = words.collect::<Vec<_>>().join("-").chars().take(64).collect();
    if stem.is_empty() { "game".into() } else { stem }
}

fn file_name(project: &str, target: TargetPlatform) -> String {
    let stem = stem(project);
    match target {
        TargetPlatform::Windows => format!("{stem}.exe"),
        TargetPlatform::Macos => format!("{stem}.zip"),
        TargetPlatform::Android => format!("{stem}.apk"),
        TargetPlatform::Ios => format!("{stem}.ipa"),
        TargetPlatform::Webgl => "index.html".into(),
        _ => format!("{stem}.x86_64"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slate_core::{ErrorKind, model::BuildOptions};

    const FOUR: &str = "; comment\nconfig_version=5\n\n[application]\n\nconfig/name=\"My \\\"Game\\\"\"\nrun/main_scene=\"res://a.tscn\"\n";
    const PRESET: &str = "[preset.0]\n\nname=\"Desktop\"\nplatform=\"Linux\"\nrunnable=true\n\n[preset.0.options]\nx=1\n\n[preset.1]\nname=\"W\"\nplatform=\"Windows Desktop\"\nrunnable=false\n";

    fn view(project: &str, presets: &str) -> ProjectView {
        ProjectView::default().with_text(PROJECT.parse().unwrap(), project).with_text(PRESETS.parse().unwrap(), presets)
    }

    fn request(target: TargetPlatform) -> BuildRequest {
        BuildRequest {
            target,
            build_type: BuildType::Production,
            options: BuildOptions::default_for(BuildType::Production),
            project_dir: "/p".into(),
            output_dir: "/o".into(),
        }
    }

    fn commands(plan: &BuildPlan) -> Vec<String> {
        let steps = plan.stages.iter().flat_map(|planned| &planned.steps);
        steps
            .filter_map(|step| if let Step::Run { command, .. } = step { Some(command.join(" ")) } else { None })
            .collect()
    }

    #[test]
    fn godot_4_is_imported_and_exported() {
        let plan = Godot::new().plan(&view(FOUR, PRESET), &request(TargetPlatform::Linux)).unwrap();
        assert_eq!(
            commands(&plan),
            [
                "godot --headless --path /p --import",
                "godot --headless --path /p --export-release Desktop /o/My-Game.x86_64",
            ]
        );
        assert_eq!(plan.expected[0].as_str(), "My-Game.x86_64");
    }

    #[test]
    fn godot_3_has_its_own_verbs() {
        let three = FOUR.replace("config_version=5", "config_version=4");
        let plan = Godot::new().plan(&view(&three, PRESET), &request(TargetPlatform::Windows)).unwrap();
        assert_eq!(commands(&plan)[1], "godot3-server --path /p --export W /o/My-Game.exe");
    }

    #[test]
    fn a_broken_project_is_named() {
        let plan = |project: &str, presets: &str, target| Godot::new().plan(&view(project, presets), &request(target));
        let error = plan(FOUR, PRESET, TargetPlatform::Android).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.message().contains("Desktop (Linux)"), "{error}");
        let sceneless = FOUR.replace("run/main_scene", "run/other");
        assert!(plan(&sceneless, PRESET, TargetPlatform::Linux).unwrap_err().message().contains("main scene"));
        let future = FOUR.replace("config_version=5", "config_version=6");
        assert_eq!(plan(&future, PRESET, TargetPlatform::Linux).unwrap_err().kind(), ErrorKind::Unsupported);
        assert!(plan("config_version=\"", PRESET, TargetPlatform::Linux).is_err());
    }

    #[test]
    fn sessions_run_headless() {
        let spec = Godot::with_program("/opt/godot").session_spec(&view(FOUR, ""), "/p", "s").unwrap();
        assert_eq!(spec.command, ["/opt/godot", "--headless", "--path", "/p"]);
    }
}
