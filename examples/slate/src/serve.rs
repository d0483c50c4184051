use crate::{config::Config, output::Output, pieces::Opened};
use slate_core::{Error, Result};
use std::time::Duration;

/// Runs all services until it is interrupted. Sessions go on afterwards and are adopted at the next start.
pub(crate) async fn run(config: &Config, output: &Output) -> Result<bool> {
    let opened = Opened::open(config).await?;
    let services = opened.start(config).await?;
    output.line(format!("slate serves {:?}; interrupt it to end", opened.pieces));
    output.line("ready");
    let mut ended = Vec::new();
    tokio::select! {
        signal = interrupted() => signal?,
        () = async {
            while ended.is_empty() {
                tokio::time::sleep(Duration::from_secs(1)).await;
                ended = services.ended();
            }
        } => {}
    }
    services.shutdown().await?;
    opened.close().await;
    if ended.is_empty() {
        return Ok(true);
    }
    Err(Error::internal("services ended though nobody asked for it").with("services", ended.join(", ")))
}

/// Returns when the program is asked to end.
pub(crate) async fn interrupted() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| Error::io("listen for signals", error))?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result.map_err(|error| Error::io("listen for signals", error)),
        _ = terminate.recv() => Ok(()),
    }
}
