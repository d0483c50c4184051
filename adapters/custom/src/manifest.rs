use serde::Deserialize;
use slate_core::{
    Error, Result,
    asset::{AssetOptions, AudioOptions, ModelOptions, TextureOptions},
    build::Step,
    model::{ProjectPath, TargetPlatform},
    runtime::{Cpus, ImageRef, MemorySize},
};
use std::collections::BTreeMap;

/// What a `slate.toml` says of a project. Unknown keys are refused.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Manifest {
    /// What the project is.
    pub project: ProjectRules,
    /// How it is run.
    pub session: SessionRules,
    /// How it is built.
    pub build: BuildRules,
    /// How its output is read.
    pub log: LogRules,
    /// The part that configures the service; not the project's, and not looked at here.
    service: Option<toml::Table>,
}

impl Manifest {
    /// Reads a `slate.toml`.
    ///
    /// # Errors
    /// `Invalid`, with the line and what is wrong.
    pub fn parse(text: &str) -> Result<Self> {
        toml::from_str(text).map_err(|error| {
            Error::invalid(format!("malformed slate.toml: {}", error.to_string().trim())).because(error)
        })
    }
}

/// What a project is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ProjectRules {
    /// Its name; default: its folder's.
    pub name: Option<String>,
    /// What it is about.
    pub description: Option<String>,
    /// The engine's name, where another one than `custom` is to have it.
    pub engine: Option<String>,
}

/// How a project is run.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
#[non_exhaustive]
pub struct SessionRules {
    /// The program and its arguments, run in the project's folder.
    pub command: Vec<String>,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
    /// Most memory; default 2 GiB.
    pub memory: Option<MemorySize>,
    /// Most processor time; default 2 cores.
    pub cpus: Option<Cpus>,
    /// Most processes and threads; default the backend's.
    pub pids: Option<u32>,
    /// The image, for backends that have images.
    pub image: Option<ImageRef>,
}

/// How a project is built: the commands of each stage, each a program with its arguments.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
#[non_exhaustive]
pub struct BuildRules {
    /// The platforms that it can be built for; default: any.
    pub targets: Vec<TargetPlatform>,
    /// Files of the output that must be there at the end.
    pub expect: Vec<String>,
    /// Prepares the environment.
    pub prepare: Vec<Vec<String>>,
    /// Compiles scripts.
    pub compile: Vec<Vec<String>>,
    /// Processes assets; done by SLATE itself.
    pub assets: Option<AssetRules>,
    /// Packages resources.
    pub package: Vec<Vec<String>>,
    /// Optimises.
    pub optimize: Vec<Vec<String>>,
    /// Makes the executable.
    pub executable: Vec<Vec<String>>,
    /// Finishes.
    pub finalize: Vec<Vec<String>>,
}

/// How a project's assets are processed. A kind without options is left out.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub struct AssetRules {
    /// The folder that holds them; default: the whole project.
    #[serde(default)]
    pub from: Option<String>,
    /// The folder of the output that takes the results.
    pub to: String,
    /// For textures.
    #[serde(default)]
    pub texture: Option<TextureOptions>,
    /// For models.
    #[serde(default)]
    pub model: Option<ModelOptions>,
    /// For sounds.
    #[serde(default)]
    pub audio: Option<AudioOptions>,
}

impl AssetRules {
    /// The options by kind of asset.
    pub fn options(&self) -> Vec<AssetOptions> {
        let texture = self.texture.clone().map(AssetOptions::Texture);
        let model = self.model.clone().map(AssetOptions::Model);
        let audio = self.audio.clone().map(AssetOptions::Audio);
        [texture, model, audio].into_iter().flatten().collect()
    }

    pub(crate) fn into_step(self) -> Result<Step> {
        let options = self.options();
        options.iter().try_for_each(AssetOptions::validate)?;
        let from = self.from.map(ProjectPath::new).transpose()?;
        Ok(Step::Assets { from, to: ProjectPath::new(self.to)?, options })
    }
}

/// How a project's output is read: words that a line holds.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
#[non_exhaustive]
pub struct LogRules {
    /// Lines with one of these fail the build, whatever the exit code says.
    pub fatal: Vec<String>,
    /// Lines with one of these are warnings.
    pub warning: Vec<String>,
    /// The number after this is the per cent of the current step that is done.
    pub progress: Option<String>,
}
