//! `graphile-worker`, a well-known queue on Postgres for node, on the same server: `benches/peers/graphile-worker`.

use slate_benches::{Result, Sample, jobs::Work};
use slate_harness::Postgres;
use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// The program with its packages, which npm brings; `None` where there is no node.
pub(crate) struct Graphile(PathBuf);

impl Graphile {
    pub(crate) fn install() -> Result<Option<Self>> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/graphile-worker");
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/peers/graphile-worker");
        std::fs::create_dir_all(&folder)?;
        for file in ["package.json", "run.mjs"] {
            std::fs::copy(source.join(file), folder.join(file))?;
        }
        let npm =
            Command::new("npm").args(["install", "--silent", "--no-audit", "--no-fund"]).current_dir(&folder).output();
        match npm {
            Ok(done) if done.status.success() => Ok(Some(Self(folder))),
            Ok(done) => Err(format!("npm: {}", String::from_utf8_lossy(&done.stderr)).into()),
            Err(error) => {
                println!("skipped: graphile-worker: no npm: {error}\n");
                Ok(None)
            }
        }
    }

    /// Works off jobs that do nothing. Its CPU time is node's own and isn't measured.
    pub(crate) fn work(&self, server: &Postgres, work: Work) -> Result<Sample> {
        let database = server.address().database()?;
        let ran = Command::new("node")
            .arg("run.mjs")
            .current_dir(&self.0)
            .env("DATABASE_URL", &database.url)
            .env("JOBS", work.jobs.to_string())
            .env("BATCH", work.batch.to_string())
            .output()?;
        if !ran.status.success() {
            return Err(format!("graphile-worker: {}", String::from_utf8_lossy(&ran.stderr)).into());
        }
        let told = String::from_utf8_lossy(&ran.stdout);
        let seconds: f64 = told.lines().last().unwrap_or_default().trim().parse()?;
        Ok(Sample { units: work.jobs as f64, wall: Duration::from_secs_f64(seconds), cpu: Duration::ZERO })
    }
}
