use super::{Json, Lease, Revision, Sha256Hex};
use crate::{BuildId, ProjectId, Timestamp, UserId, blob::BlobKey, wire::wire_enum};
use serde::{Deserialize, Serialize};

wire_enum! {
    /// What a build is made for: nine platforms.
    TargetPlatform {
        /// Windows.
        Windows = "windows",
        /// macOS.
        Macos = "macos",
        /// Linux.
        Linux = "linux",
        /// Android.
        Android = "android",
        /// iOS.
        Ios = "ios",
        /// WebGL in a browser.
        Webgl = "webgl",
        /// PlayStation.
        Playstation = "playstation",
        /// Xbox.
        Xbox = "xbox",
        /// Nintendo Switch.
        Switch = "switch",
    }
}

wire_enum! {
    /// What a build is made of.
    BuildType {
        /// Quick, with debug symbols.
        Development = "development",
        /// As shipped, to be tried.
        Staging = "staging",
        /// As shipped.
        Production = "production",
    }
}

wire_enum! {
    /// The state of a build. [`build`](crate::build) draws the edges.
    BuildStatus {
        /// Waits for a worker.
        Queued = "queued",
        /// A worker builds it.
        Running = "running",
        /// Done, with artifacts.
        Completed = "completed",
        /// Ended with errors.
        Failed = "failed",
        /// Ended because somebody asked for it.
        Canceled = "canceled",
    }
}

impl BuildStatus {
    /// Whether the build has ended for good.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Canceled)
    }
}

wire_enum! {
    /// The seven stages of a build, in order.
    Stage {
        /// Prepare the environment.
        Prepare = "prepare",
        /// Compile scripts.
        Compile = "compile",
        /// Build asset bundles.
        Assets = "assets",
        /// Package resources.
        Package = "package",
        /// Optimise the build.
        Optimize = "optimize",
        /// Create the executable.
        Executable = "executable",
        /// Collect and check the artifacts.
        Finalize = "finalize",
    }
}

impl Stage {
    /// Per cent of the build that is done when the stage is: 10, 30, 50, 70, 85, 95, 100.
    pub const fn done_percent(self) -> u8 {
        match self {
            Self::Prepare => 10,
            Self::Compile => 30,
            Self::Assets => 50,
            Self::Package => 70,
            Self::Optimize => 85,
            Self::Executable => 95,
            Self::Finalize => 100,
        }
    }

    /// Per cent of the build that is done when the stage begins.
    pub const fn start_percent(self) -> u8 {
        match self {
            Self::Prepare => 0,
            Self::Compile => 10,
            Self::Assets => 30,
            Self::Package => 50,
            Self::Optimize => 70,
            Self::Executable => 85,
            Self::Finalize => 95,
        }
    }

    /// The words that progress is announced with.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Prepare => "Prepare environment",
            Self::Compile => "Compile scripts",
            Self::Assets => "Build asset bundles",
            Self::Package => "Package resources",
            Self::Optimize => "Optimize build",
            Self::Executable => "Create executable",
            Self::Finalize => "Finalize",
        }
    }
}

wire_enum! {
    /// How much a build is optimised.
    Optimization {
        /// Not at all.
        None = "none",
        /// For size.
        Size = "size",
        /// For speed.
        Speed = "speed",
        /// All there is.
        Full = "full",
    }
}

wire_enum! {
    /// How a build's archives are compressed.
    CompressionFormat {
        /// Not at all.
        None = "none",
        /// gzip.
        Gzip = "gzip",
        /// LZ4.
        Lz4 = "lz4",
        /// LZ4, high compression.
        Lz4hc = "lz4hc",
        /// Brotli.
        Brotli = "brotli",
    }
}

/// How a build is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BuildOptions {
    /// Whether to throw away what earlier builds left.
    pub clean: bool,
    /// Whether to tell everything.
    pub verbose: bool,
    /// Tasks at a time, 1 to 256.
    pub parallel_jobs: u16,
    /// How much to optimise.
    pub optimization: Optimization,
    /// How to compress.
    pub compression_format: CompressionFormat,
    /// Whether to keep debug symbols.
    pub include_debug_symbols: bool,
}

impl BuildOptions {
    /// The defaults for a type of build: 4 jobs, no optimisation and symbols in development; 8 jobs, full optimisation and a
    /// clean build in production; staging is production with symbols, on what earlier builds left.
    pub const fn default_for(build_type: BuildType) -> Self {
        match build_type {
            BuildType::Development => Self {
                clean: false,
                verbose: true,
                parallel_jobs: 4,
                optimization: Optimization::None,
                compression_format: CompressionFormat::None,
                include_debug_symbols: true,
            },
            BuildType::Staging => Self {
                clean: false,
                verbose: false,
                parallel_jobs: 8,
                optimization: Optimization::Full,
                compression_format: CompressionFormat::Gzip,
                include_debug_symbols: true,
            },
            BuildType::Production => Self {
                clean: true,
                verbose: false,
                parallel_jobs: 8,
                optimization: Optimization::Full,
                compression_format: CompressionFormat::Gzip,
                include_debug_symbols: false,
            },
        }
    }
}

/// A file that a build made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Artifact {
    /// Its file name.
    pub name: String,
    /// Its path below the build's output.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the bytes.
    pub sha256: Sha256Hex,
    /// Where its bytes are kept.
    pub blob: Option<BlobKey>,
}

/// A build (`slate_build_jobs`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildJob {
    /// Its id.
    pub id: BuildId,
    /// The project.
    pub project_id: ProjectId,
    /// Who asked for it.
    pub user_id: UserId,
    /// Its state.
    pub status: BuildStatus,
    /// What it is made of.
    pub build_type: BuildType,
    /// What it is made for.
    pub target_platform: TargetPlatform,
    /// How it is done.
    pub options: BuildOptions,
    /// The commit that it is made from.
    pub source_commit: Option<String>,
    /// Where its output is.
    pub output_path: Option<String>,
    /// What went wrong.
    pub error_message: Option<String>,
    /// The stage it is in.
    pub stage: Option<Stage>,
    /// Per cent done, 0 to 100.
    pub progress: u8,
    /// What it made.
    pub artifacts: Vec<Artifact>,
    /// Whether somebody asked for its end.
    #[serde(default)]
    pub cancel_requested: bool,
    /// Not to be claimed before this time.
    pub not_before: Option<Timestamp>,
    /// When a worker began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
    /// Free data; stage times and evidence of the verdict are kept in it under `slate`.
    #[serde(default)]
    pub metadata: Json,
    /// Who builds it.
    #[serde(default)]
    pub lease: Lease,
    /// Its history.
    #[serde(flatten)]
    pub revision: Revision,
}

impl BuildJob {
    /// A new build with the default options of its type.
    pub fn new(
        project_id: ProjectId,
        user_id: UserId,
        build_type: BuildType,
        target_platform: TargetPlatform,
        now: Timestamp,
    ) -> Self {
        Self {
            id: BuildId::new(),
            project_id,
            user_id,
            status: BuildStatus::Queued,
            build_type,
            target_platform,
            options: BuildOptions::default_for(build_type),
            source_commit: None,
            output_path: None,
            error_message: None,
            stage: None,
            progress: 0,
            artifacts: Vec::new(),
            cancel_requested: false,
            not_before: None,
            started_at: None,
            completed_at: None,
            metadata: Json::Object(serde_json::Map::new()),
            lease: Lease::default(),
            revision: Revision::first(now),
        }
    }
}

/// The builds of a project in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildStatistics {
    /// All builds.
    pub total: u64,
    /// Those that are done.
    pub completed: u64,
    /// Those that failed.
    pub failed: u64,
    /// Those that were canceled.
    pub canceled: u64,
    /// Mean seconds from start to end of the completed ones; `None` without any.
    pub average_duration: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_have_nine_platforms_and_seven_stages() {
        assert_eq!(TargetPlatform::ALL.len(), 9);
        let percents: Vec<_> = Stage::ALL.iter().map(|stage| stage.done_percent()).collect();
        assert_eq!(percents, [10, 30, 50, 70, 85, 95, 100]);
        for pair in Stage::ALL.windows(2) {
            assert_eq!(pair[0].done_percent(), pair[1].start_percent());
        }
    }

    #[test]
    fn parallel_jobs_follow_the_seeds() {
        assert_eq!(BuildOptions::default_for(BuildType::Development).parallel_jobs, 4);
        assert_eq!(BuildOptions::default_for(BuildType::Production).parallel_jobs, 8);
    }
}
