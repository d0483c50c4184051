//! Projects that say themselves how they are run and built: a `slate.toml` names the commands for each stage.
//!
//! ```toml
//! [project]
//! name = "Lantern"
//!
//! [session]
//! command = ["sh", "tools/run.sh"]
//! memory = "256m"
//!
//! [build]
//! expect = ["lantern.tar"]
//! compile = [["sh", "tools/check.sh"]]
//! package = [["sh", "tools/pack.sh"]]
//!
//! [build.assets]
//! from = "assets"
//! to = "assets"
//! texture = { format = "ktx2" }
//!
//! [log]
//! fatal = ["error:"]
//! ```
//!
//! ```
//! use slate_core::engine::{Engine, ProjectView};
//!
//! let view = ProjectView::default().with_text(
//!     "slate.toml".parse()?,
//!     "[project]\nname = \"Lantern\"\n[build]\ncompile = [[\"make\"]]\n",
//! );
//! let detected = slate_custom::Custom.detect(&view).ok_or_else(|| slate_core::Error::not_found("no slate.toml"))?;
//! assert_eq!(detected.project_name.as_deref(), Some("Lantern"));
//! # Ok::<(), slate_core::Error>(())
//! ```

mod manifest;

pub use manifest::{AssetRules, BuildRules, LogRules, Manifest, ProjectRules, SessionRules};

use slate_core::{
    Error, Result,
    build::{BuildPlan, BuildRequest, Step},
    engine::{Classifier, Detected, Engine, LineClass, ProjectView},
    model::{LogLevel, ProjectPath, Stage},
    runtime::{RuntimeSpec, RuntimeType},
};
use std::sync::Arc;

/// The file that makes a folder such a project.
pub const MANIFEST: &str = "slate.toml";

/// The engine of projects with a `slate.toml`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Custom;

impl Custom {
    fn manifest(project: &ProjectView) -> Result<Manifest> {
        let text = project.text(MANIFEST).ok_or_else(|| {
            Error::not_found("the project has no slate.toml, or it is larger than 1 MiB").with("path", MANIFEST)
        })?;
        Manifest::parse(text)
    }
}

impl Engine for Custom {
    fn name(&self) -> &'static str {
        "custom"
    }

    fn runtime_type(&self) -> RuntimeType {
        RuntimeType::Custom
    }

    fn markers(&self) -> &'static [&'static str] {
        &[MANIFEST]
    }

    fn detect(&self, project: &ProjectView) -> Option<Detected> {
        project.contains(MANIFEST).then(|| {
            // A malformed file still makes it such a project: planning says what is wrong with it.
            let project_name = Self::manifest(project).ok().and_then(|manifest| manifest.project.name);
            Detected { project_name, engine_version: None, confidence: 90 }
        })
    }

    fn session_spec(&self, project: &ProjectView, project_dir: &str, name: &str) -> Result<RuntimeSpec> {
        let SessionRules { command, env, memory, cpus, pids, image } = Self::manifest(project)?.session;
        let mut spec = RuntimeType::Custom.default_spec(name).with_working_dir(project_dir);
        spec.command = command;
        spec.image = image;
        spec.memory = memory.or(spec.memory);
        spec.cpus = cpus.or(spec.cpus);
        spec.pids = pids;
        Ok(env.into_iter().fold(spec, |spec, (key, value)| spec.with_env(key, value)))
    }

    fn plan(&self, project: &ProjectView, request: &BuildRequest) -> Result<BuildPlan> {
        let rules = Self::manifest(project)?.build;
        if !rules.targets.is_empty() && !rules.targets.contains(&request.target) {
            let targets: Vec<_> = rules.targets.iter().map(|target| target.as_str()).collect();
            return Err(Error::unsupported(format!("the project can be built for: {}", targets.join(", ")))
                .with("target", request.target));
        }
        let stages = [
            (Stage::Prepare, rules.prepare),
            (Stage::Compile, rules.compile),
            (Stage::Package, rules.package),
            (Stage::Optimize, rules.optimize),
            (Stage::Executable, rules.executable),
            (Stage::Finalize, rules.finalize),
        ];
        let mut plan = BuildPlan::new();
        for (stage, commands) in stages {
            plan = commands.into_iter().map(Step::run).fold(plan, |plan, step| plan.step(stage, step));
        }
        if let Some(assets) = rules.assets {
            plan = plan.step(Stage::Assets, assets.into_step()?);
        }
        rules.expect.into_iter().try_fold(plan, |plan, path| Ok(plan.expect(ProjectPath::new(path)?)))
    }

    fn classifier(&self, project: &ProjectView) -> Result<Classifier> {
        let rules = Self::manifest(project)?.log;
        Ok(Arc::new(move |line| classify(&rules, line)))
    }
}

/// What a line says: by the project's own words first, then by the words that most tools use.
fn classify(rules: &LogRules, line: &str) -> LineClass {
    let has = |words: &[String]| words.iter().any(|word| line.contains(word.as_str()));
    if has(&rules.fatal) {
        return LineClass::fatal();
    }
    if has(&rules.warning) {
        return LineClass::level(LogLevel::Warning);
    }
    if let Some(share) = rules.progress.as_deref().and_then(|word| percent_after(line, word)) {
        return LineClass::progress(share);
    }
    let word = line.trim_start().split([':', ' ', ']']).next().unwrap_or("").trim_start_matches('[');
    LineClass::level(LogLevel::parse_lenient(word).unwrap_or(LogLevel::Info))
}

/// The number after `word` in `line`, as a share of 100.
fn percent_after(line: &str, word: &str) -> Option<f32> {
    let rest = line[line.find(word)? + word.len()..].trim_start();
    let digits: String = rest.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    let percent: f32 = digits.parse().ok()?;
    (0.0..=100.0).contains(&percent).then_some(percent / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use slate_core::{
        ErrorKind,
        model::{BuildOptions, BuildType, TargetPlatform},
    };

    const LANTERN: &str = r#"
        [project]
        name = "Lantern"
        [session]
        command = ["sh", "run.sh"]
        memory = "256m"
        [build]
        targets = ["linux"]
        expect = ["lantern.tar"]
        compile = [["sh", "check.sh"], ["true"]]
        package = [["sh", "pack.sh"]]
        [build.assets]
        from = "assets"
        to = "data"
        audio = { format = "wav" }
        [log]
        fatal = ["KAPUTT"]
        progress = "done:"
    "#;

    fn view(text: &str) -> ProjectView {
        ProjectView::default().with_text(MANIFEST.parse().unwrap(), text)
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

    #[test]
    fn stages_have_their_commands() {
        let plan = Custom.plan(&view(LANTERN), &request(TargetPlatform::Linux)).unwrap();
        let stages: Vec<_> = plan.stages.iter().map(|planned| (planned.stage, planned.steps.len())).collect();
        assert_eq!(stages, [(Stage::Compile, 2), (Stage::Assets, 1), (Stage::Package, 1)]);
        assert_eq!(plan.expected[0].as_str(), "lantern.tar");
    }

    #[test]
    fn a_session_has_its_command_and_limits() {
        let spec = Custom.session_spec(&view(LANTERN), "/p", "s").unwrap();
        assert_eq!(spec.command, ["sh", "run.sh"]);
        assert_eq!(spec.memory.unwrap().to_string(), "256m");
        assert_eq!(spec.working_dir.as_deref(), Some("/p"));
    }

    #[test]
    fn another_target_is_refused_with_what_there_is() {
        let error = Custom.plan(&view(LANTERN), &request(TargetPlatform::Webgl)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.message().contains("linux"), "{error}");
    }

    #[test]
    fn unknown_keys_are_named() {
        let error =
            Custom.plan(&view("[build]\ncompiel = [[\"make\"]]\n"), &request(TargetPlatform::Linux)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("compiel"), "{error}");
        assert!(Custom.detect(&view("nonsense [")).is_some());
        assert!(Manifest::parse("[service]\nanything = 1\n").is_ok(), "the service's own part is not the project's");
    }

    #[test]
    fn lines_are_read_by_the_projects_words() {
        let classify = Custom.classifier(&view(LANTERN)).unwrap();
        assert!(classify("alles KAPUTT hier").fatal);
        assert_eq!(classify("done: 50%").progress, Some(0.5));
        assert_eq!(classify("warning: x").level, LogLevel::Warning);
        assert_eq!(classify("[ERROR] y").level, LogLevel::Error);
        assert_eq!(classify("all is well").level, LogLevel::Info);
        assert!(!classify("error: not a word of this project").fatal);
    }
}
