use clap::{Args, Parser, Subcommand};
use slate_core::service::Service;
use std::path::PathBuf;

/// Runs game-engine work: sessions, builds and assets, on this machine or on a cluster.
///
/// Exit codes: 0 done, 1 the work itself failed (a build, an asset), 2 a malformed request or configuration, 3 not found,
/// 4 a piece can't be reached or is full, 5 not allowed, 70 a mistake of SLATE, 130 interrupted.
#[derive(Parser)]
#[command(name = "slate", version)]
pub(crate) struct Cli {
    /// The configuration file [default: slate.toml in this folder, where there is one].
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The folder that holds the store, the blobs and the instances [default: .slate].
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// What runs sessions and builds: process, docker or memory [default: process].
    #[arg(long, global = true, alias = "runtime")]
    pub(crate) backend: Option<String>,
    /// The container engine, `unix://…` or `tcp://…` [default: DOCKER_HOST, or /var/run/docker.sock].
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub(crate) docker_host: Option<String>,
    /// The image that containers are made of [default: what the project's engine names].
    #[arg(long, global = true)]
    pub(crate) image: Option<String>,
    /// How containers are connected: bridge, none, or a network's name [default: what the project's engine says].
    #[arg(long, global = true)]
    pub(crate) network: Option<String>,
    /// Writes one JSON document to standard output, and nothing else.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// What to tell of the work inside, for example `info` or `slate_core=debug` [default: warn].
    #[arg(long, global = true, value_name = "FILTER")]
    pub(crate) log: Option<String>,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Imports, runs and builds a small real game, and shows what is recorded of it.
    Demo(DemoOptions),
    /// Builds a project.
    Build(BuildOptions),
    /// Processes textures, models and sounds.
    Assets(AssetOptions),
    /// Converts a sound, or a folder of them: format, rate, channels, loudness.
    Audio(crate::audio::Wanted),
    /// Compresses a texture, or a folder of them, and tells how near the result is.
    Texture(crate::texture::Wanted),
    /// Makes models lighter, with levels of detail, and reports.
    Model(crate::model::ModelArgs),
    /// Starts, shows and ends sessions.
    #[command(subcommand)]
    Session(SessionVerb),
    /// Runs services until it is interrupted.
    Serve(ServeOptions),
    /// Asks every piece for a sign of life, and says what to do.
    Doctor,
}

#[derive(Args)]
pub(crate) struct ServeOptions {
    /// The services of this process, joined by commas: logs, orchestrator, builds, assets, analytics [default: all].
    #[arg(long, value_delimiter = ',', value_name = "SERVICES")]
    pub(crate) only: Vec<Service>,
}

#[derive(Args)]
pub(crate) struct DemoOptions {
    /// The project [default: the game Lantern that comes with SLATE].
    #[arg(long, value_name = "DIR")]
    pub(crate) project: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct BuildOptions {
    /// The project's folder.
    pub(crate) project: PathBuf,
    /// The platform: windows, macos, linux, android, ios, webgl, playstation, xbox, switch.
    #[arg(long, default_value = "linux")]
    pub(crate) target: String,
    /// What it is made of: development, staging, production.
    #[arg(long = "type", default_value = "development")]
    pub(crate) build_type: String,
    /// The engine [default: found out from the project].
    #[arg(long)]
    pub(crate) engine: Option<String>,
    /// Copies the artifacts here.
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct AssetOptions {
    /// Files, and folders with all files below them.
    #[arg(required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// The folder for the results.
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: PathBuf,
    /// Options for textures as JSON, for example `{"format":"png","generateMipmaps":false}`.
    #[arg(long, value_name = "JSON")]
    pub(crate) texture: Option<String>,
    /// Options for models as JSON.
    #[arg(long, value_name = "JSON")]
    pub(crate) model: Option<String>,
    /// Options for sounds as JSON.
    #[arg(long, value_name = "JSON")]
    pub(crate) audio: Option<String>,
}

#[derive(Subcommand)]
pub(crate) enum SessionVerb {
    /// Starts a session of a project.
    Start {
        /// The project's folder.
        project: PathBuf,
        /// The program and its arguments, after `--` [default: the project's own].
        #[arg(last = true)]
        command: Vec<String>,
        /// An environment variable, `NAME=VALUE`; may be given many times.
        #[arg(long, value_name = "NAME=VALUE")]
        env: Vec<String>,
        /// A secret environment variable, by name; its value is taken from this program's environment.
        #[arg(long, value_name = "NAME")]
        secret: Vec<String>,
        /// Most memory, for example 512m.
        #[arg(long)]
        memory: Option<String>,
        /// Most processes and threads.
        #[arg(long)]
        pids: Option<u32>,
    },
    /// Lists sessions, newest first.
    List {
        /// Only those that haven't ended.
        #[arg(long)]
        active: bool,
        /// Most sessions.
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
    /// Shows a session.
    Show {
        /// The session.
        id: String,
    },
    /// Ends a session.
    Stop {
        /// The session.
        id: String,
    },
    /// Stops a session's instance and starts it again.
    Restart {
        /// The session.
        id: String,
    },
    /// Shows a session's log.
    Logs {
        /// The session.
        id: String,
        /// Goes on until the session has ended.
        #[arg(short, long)]
        follow: bool,
        /// Only the last so many lines [default: all].
        #[arg(long)]
        tail: Option<u32>,
    },
    /// Runs a command in a session.
    Exec {
        /// The session.
        id: String,
        /// The program and its arguments.
        #[arg(required = true, last = true)]
        command: Vec<String>,
    },
    /// Measures a running session.
    Stats {
        /// The session.
        id: String,
    },
}
