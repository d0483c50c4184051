//! Runs a session on pieces in memory, and prints its lines and the events about it.

use slate_core::{
    Result, UserId, asset::NoAssets, bus::EventBusExt, engine::Engines, memory::*, model::*, policy::MountPolicy,
    runtime::*, service::*, store::*,
};
use std::sync::Arc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    // The pieces. On a server they are others, and nothing below changes.
    let game = MemoryRuntime::new().with_program("game", |io: ProgramIo| async move {
        for level in 1..=3 {
            io.print(&format!("level {level} of {} solved by {}", io.args()[0], io.env("PLAYER").unwrap_or("nobody")))
                .await;
        }
        0
    });
    let (store, bus) = (Arc::new(MemoryStore::new()), Arc::new(MemoryBus::new()));
    let blobs = Arc::new(MemoryBlobs::default());
    let pieces = Pieces::new(store.clone(), bus.clone(), Arc::new(game), Arc::new(NoAssets), blobs);
    let (journal, mut events) = (pieces.journal.clone(), bus.listen("slate.runtime.>").await?);

    // All services in this process: orchestrator, builds, assets, logs, analytics and the relay of events.
    let builds = BuildWorkerOptions::new(std::env::temp_dir().join("slate-quickstart"), Engines::new());
    let services = start_all(pieces, ServicesOptions::new(builds)).await?;

    // A project, and a session of it.
    let project = Project::new("Breakout", UserId::new("ada")?, journal.now());
    store.create(project.clone().into()).await?;
    let spec = RuntimeSpec::new("play", ["game", "Breakout"]).with_env("PLAYER", "Ada");
    let wish = NewSession::new(project.id, project.owner_id, RuntimeType::Custom, "memory", spec);
    let session = Sessions::new(journal, MountPolicy::none(), None).create(wish).await?;

    // What happens is told on the bus, and recorded in the store.
    while let Some(event) = events.next().await {
        let told: Json = event.parse()?;
        println!("event {} {}", told["type"], told["data"]);
        if told["type"] == "stopped" || told["type"] == "error" {
            break;
        }
    }
    services.shutdown().await?;
    let lines = store.logs(LogQuery::all().of_source(LogSource::Session(session.id)), PageRequest::first(100)).await?;
    lines.items.iter().for_each(|line| println!("line  {}", line.message));
    println!("end   {}", store.session(session.id).await?.status);
    Ok(())
}
