use crate::{config::Config, output::Output, pieces::Opened};
use slate_core::{Cancel, Error, Result, decorate::warm};
use slate_store::{
    MaintenanceOptions,
    archive::{ArchiveOptions, SessionArchive},
};
use std::{sync::Arc, time::Duration};

/// Records of each kind that the cache is filled with at the start.
const WARM: u32 = 500;

/// Runs all services until it is interrupted. Sessions go on afterwards and are adopted at the next start.
pub(crate) async fn run(config: &Config, output: &Output) -> Result<bool> {
    let opened = Opened::open(config).await?;
    let services = opened.start(config).await?;
    if opened.cache().is_some() {
        let warmed = warm(&**opened.pieces.journal.reads(), WARM).await;
        warmed.map_err(|error| tracing::warn!(%error, "the cache starts cold")).ok();
    }
    let cancel = Cancel::new();
    let beside = async { tokio::join!(tidy(&opened), archive(config, &opened, &cancel)).1 };
    output.line(format!("slate serves {:?}; interrupt it to end", opened.pieces));
    output.line("ready");
    let mut ended = Vec::new();
    tokio::select! {
        signal = interrupted() => signal?,
        ended = beside => ended?,
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

/// Tidies up the store now and each hour. Processes that do so at a time take turns.
async fn tidy(opened: &Opened) {
    let Some(store) = opened.maintain() else { return };
    let mut hours = tokio::time::interval(Duration::from_secs(3600));
    loop {
        hours.tick().await;
        match store.maintain(&MaintenanceOptions::default()).await {
            Ok(done) => tracing::info!(?done, "the store is tidy"),
            Err(error) => tracing::warn!(%error, "the store was not tidied up"),
        }
    }
}

/// Keeps sessions as files, too, where that is wanted; ends only with an error.
async fn archive(config: &Config, opened: &Opened, cancel: &Cancel) -> Result<()> {
    if let Some(folder) = &config.archive {
        let store = Arc::clone(opened.pieces.journal.store());
        let archive = SessionArchive::open(folder, store, ArchiveOptions::default())?;
        archive.run(&*opened.pieces.bus, cancel).await?;
    }
    std::future::pending().await
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
