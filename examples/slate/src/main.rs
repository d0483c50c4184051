//! `slate`: the reference binary. It shows every piece of SLATE together, and is what README's commands run.

mod assets;
mod audio;
mod build;
mod cli;
mod config;
mod convert;
mod demo;
mod docker;
mod doctor;
mod model;
mod output;
mod pieces;
mod pools;
mod serve;
mod session;
mod stores;
mod texture;
mod verdict;

use clap::Parser;
use cli::{Cli, Verb};
use output::Output;
use slate_core::{Error, ErrorKind, Result};
use std::process::ExitCode;

fn main() -> ExitCode {
    // The process backend starts this program again as the supervisor of each instance.
    slate_process::shim::run_if_asked();
    let cli = Cli::parse();
    let output = Output::new(cli.json);
    let config = match config::load(&cli) {
        Ok(config) => config,
        Err(error) => return fail(&output, &error),
    };
    start_tracing(&config.log);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&output, &Error::io("start the executor", error)),
    };
    let result: Result<bool> = runtime.block_on(async {
        match cli.verb {
            Verb::Demo(options) => demo::run(&config, &output, options).await,
            Verb::Build(options) => build::run(&config, &output, options).await,
            Verb::Assets(options) => assets::run(&config, &output, options).await,
            Verb::Audio(options) => audio::run(&config, &output, options).await,
            Verb::Texture(options) => texture::run(&config, &output, options).await,
            Verb::Model(wanted) => model::run(&config, &output, wanted).await,
            Verb::Session(verb) => session::run(&config, &output, verb).await,
            Verb::Serve(_) => serve::run(&config, &output).await,
            Verb::Doctor => doctor::run(&config, &output).await,
        }
    });
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => fail(&output, &error),
    }
}

/// Says what went wrong and what to do, and gives the exit code of the error's kind.
fn fail(output: &Output, error: &Error) -> ExitCode {
    output.error(error);
    ExitCode::from(match error.kind() {
        ErrorKind::Invalid | ErrorKind::Unsupported | ErrorKind::LimitExceeded => 2,
        ErrorKind::NotFound => 3,
        ErrorKind::Unavailable | ErrorKind::TimedOut | ErrorKind::ResourceExhausted => 4,
        ErrorKind::PermissionDenied => 5,
        ErrorKind::Canceled => 130,
        _ => 70,
    })
}

fn start_tracing(filter: &str) {
    let filter = tracing_subscriber::EnvFilter::try_new(filter).unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}
