use crate::{
    Error, Result,
    asset::AssetOptions,
    model::{BuildOptions, BuildType, ProjectPath, Stage, TargetPlatform},
};
use std::collections::BTreeMap;

/// What is asked of an engine when it plans a build.
#[derive(Clone, Debug, PartialEq)]
pub struct BuildRequest {
    /// What it is made for.
    pub target: TargetPlatform,
    /// What it is made of.
    pub build_type: BuildType,
    /// How it is done.
    pub options: BuildOptions,
    /// The project's folder as the commands see it; absolute.
    pub project_dir: String,
    /// The folder for the build's output as the commands see it; absolute and empty at the start.
    pub output_dir: String,
}

/// What a build does, stage by stage.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct BuildPlan {
    /// The stages that have something to do, in order, each once.
    pub stages: Vec<PlannedStage>,
    /// Paths below the output that must be there at the end, each a file that isn't empty.
    pub expected: Vec<ProjectPath>,
}

/// What one stage does.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedStage {
    /// The stage.
    pub stage: Stage,
    /// Its steps, in order.
    pub steps: Vec<Step>,
}

/// One thing that a stage does.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Step {
    /// Runs a program in the project's folder.
    Run {
        /// The program and its arguments.
        command: Vec<String>,
        /// Environment variables beyond the build's own.
        env: BTreeMap<String, String>,
    },
    /// Processes the project's assets by the asset pipeline.
    Assets {
        /// The folder of the project that holds them; `None` for the whole project.
        from: Option<ProjectPath>,
        /// The folder of the output that takes the results.
        to: ProjectPath,
        /// Options by kind of asset; a kind without is left out.
        options: Vec<AssetOptions>,
    },
}

impl Step {
    /// A program with its arguments.
    pub fn run(command: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::Run { command: command.into_iter().map(Into::into).collect(), env: BTreeMap::new() }
    }
}

impl BuildPlan {
    /// The most steps of a stage.
    pub const MAX_STEPS: usize = 256;

    /// A plan that does nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a step to a stage. Stages may be named in any order.
    #[must_use]
    pub fn step(mut self, stage: Stage, step: Step) -> Self {
        match self.stages.binary_search_by_key(&stage, |planned| planned.stage) {
            Ok(index) => self.stages[index].steps.push(step),
            Err(index) => self.stages.insert(index, PlannedStage { stage, steps: vec![step] }),
        }
        self
    }

    /// Demands that this file is there at the end.
    #[must_use]
    pub fn expect(mut self, path: ProjectPath) -> Self {
        self.expected.push(path);
        self
    }

    /// Checks that the plan does something and that every command names a program.
    ///
    /// # Errors
    /// `Invalid` or `LimitExceeded`, naming the stage.
    pub fn validate(&self) -> Result<()> {
        if self.stages.iter().all(|planned| planned.steps.is_empty()) {
            return Err(Error::invalid("the plan has nothing to do: no stage has a step"));
        }
        for PlannedStage { stage, steps } in &self.stages {
            if steps.len() > Self::MAX_STEPS {
                return Err(Error::limit_exceeded("a stage has at most 256 steps").with("stage", stage));
            }
            let programless =
                |step: &Step| matches!(step, Step::Run { command, .. } if command.first().is_none_or(String::is_empty));
            if steps.iter().any(programless) {
                return Err(Error::invalid("a step names no program").with("stage", stage));
            }
        }
        Ok(())
    }

    /// Per cent of the build that is done when `share` (0.0 to 1.0) of step `step` of `stage` is.
    pub fn percent(&self, stage: Stage, step: usize, share: f32) -> u8 {
        let steps =
            self.stages.iter().find(|planned| planned.stage == stage).map_or(1, |planned| planned.steps.len().max(1));
        let (start, end) = (f32::from(stage.start_percent()), f32::from(stage.done_percent()));
        let done = ((step as f32 + share.clamp(0.0, 1.0)) / steps as f32).min(1.0);
        (start + (end - start) * done) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_come_in_their_order() {
        let plan = BuildPlan::new()
            .step(Stage::Package, Step::run(["b"]))
            .step(Stage::Compile, Step::run(["a"]))
            .step(Stage::Package, Step::run(["c"]));
        let stages: Vec<_> = plan.stages.iter().map(|planned| (planned.stage, planned.steps.len())).collect();
        assert_eq!(stages, [(Stage::Compile, 1), (Stage::Package, 2)]);
        plan.validate().unwrap();
    }

    #[test]
    fn empty_plans_and_commands_are_refused() {
        assert!(BuildPlan::new().validate().is_err());
        assert!(BuildPlan::new().step(Stage::Compile, Step::run(Vec::<String>::new())).validate().is_err());
        assert!(BuildPlan::new().step(Stage::Compile, Step::run([""])).validate().is_err());
    }

    #[test]
    fn progress_never_falls_and_ends_at_the_stage() {
        let plan = BuildPlan::new().step(Stage::Compile, Step::run(["a"])).step(Stage::Compile, Step::run(["b"]));
        let percents =
            [(0, 0.0), (0, 0.5), (1, 0.0), (1, 1.0)].map(|(step, share)| plan.percent(Stage::Compile, step, share));
        assert_eq!(percents, [10, 15, 20, 30]);
        assert_eq!(plan.percent(Stage::Finalize, 0, 1.0), 100);
    }
}
