use crate::{config::Config, output::Output, pieces::Opened};
use serde::Serialize;
use slate_core::{Component, Descriptor, Result};
use std::time::{Duration, Instant};

/// Longest wait for one sign of life.
const LIMIT: Duration = Duration::from_secs(5);

#[derive(Serialize)]
struct Health {
    #[serde(flatten)]
    piece: Descriptor,
    healthy: bool,
    millis: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// Asks every piece for a sign of life.
pub(crate) async fn run(config: &Config, output: &Output) -> Result<bool> {
    let opened = Opened::open(config).await?;
    let pieces = &opened.pieces;
    let mut all = vec![
        check(&**pieces.journal.store()).await,
        check(&*pieces.bus).await,
        check(&*pieces.runtime).await,
        check(&*pieces.assets).await,
        check(&*pieces.blobs).await,
    ];
    if let Some(durable) = &pieces.durable {
        all.push(check(&**durable).await);
    }
    if let Some(cache) = opened.cache() {
        all.push(check(cache).await);
    }
    for health in &all {
        let Health { piece, healthy, millis, problem } = health;
        let sign = if *healthy { "ok " } else { "BAD" };
        output.line(format!("{sign} {:8} {:10} {millis:>5} ms  {}", piece.kind.as_str(), piece.name, piece.detail));
        if let Some(problem) = problem {
            output.line(format!("             {problem}"));
        }
    }
    let capabilities = pieces.runtime.capabilities();
    for (enforced, what) in [
        (capabilities.memory_limit, "memory limits"),
        (capabilities.cpu_limit, "processor limits"),
        (capabilities.pids_limit, "process limits"),
    ] {
        if !enforced {
            output.line(format!("    note: this host doesn't enforce {what}; a writable cgroup v2 would"));
        }
    }
    let healthy = all.iter().all(|health| health.healthy);
    output.document(&serde_json::json!({
        "healthy": healthy, "pieces": all, "capabilities": capabilities, "configuration": config.shown(),
    }))?;
    opened.close().await;
    Ok(healthy)
}

async fn check(piece: &(impl Component + ?Sized)) -> Health {
    let start = Instant::now();
    let problem = match tokio::time::timeout(LIMIT, piece.ping()).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some("no answer in 5 s: is its server running, and reachable from here?".into()),
    };
    let millis = start.elapsed().as_millis() as u64;
    Health { piece: piece.descriptor(), healthy: problem.is_none(), millis, problem }
}
