use slate_benches::{BoxError, Result, inputs, median};
use slate_core::{
    SystemClock, Timestamp, UserId, WorkerId,
    bus::{EventBus, SubscribeOptions, filters},
    memory::{MemoryBus, MemoryStore},
    model::{BuildJob, BuildType, Project, TargetPlatform},
    service::{Builds, Journal},
    store::{Claim, Queue, Store, StoreExt},
};
use slate_harness::{Nats, NatsVersion, Postgres, PostgresOptions, unique};
use slate_nats::{NatsBus, NatsOptions};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::runtime::Runtime;

const BUILDS: usize = 200;

/// From the call that enqueues a build until a worker that slept has claimed it.
pub(crate) fn run(runtime: &Runtime) -> Result<()> {
    let server = Postgres::start(&PostgresOptions::default())?;
    let nats = Nats::start(NatsVersion::V2_15)?;
    println!("### Wake-up: enqueued → claimed by a worker that slept\n");
    println!("| store and bus | p50 ms | p99 ms |\n|---|---|---|");
    let times = runtime.block_on(wake(Arc::new(MemoryStore::new()), Arc::new(MemoryBus::new())))?;
    tell("in this process", times);
    let times = runtime.block_on(async {
        let (_database, store) = super::store::open(&server).await?;
        let options = NatsOptions::new(nats.url()).with_prefix(unique("bench"));
        wake(Arc::new(store), Arc::new(NatsBus::connect(options).await?)).await
    })?;
    tell("Postgres and NATS", times);
    println!();
    Ok(())
}

fn tell(name: &str, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    let p99 = times.get(times.len() * 99 / 100).copied().unwrap_or(f64::NAN);
    println!("| {name} | {:.2} | {p99:.2} |", median(times));
}

async fn wake(store: Arc<dyn Store>, bus: Arc<dyn EventBus>) -> Result<Vec<f64>> {
    let user = UserId::new("ada")?;
    let project = Project::new("Lantern", user.clone(), inputs::NOW);
    store.create(project.clone().into()).await?;
    let builds = Builds::new(Journal::new(Arc::clone(&store), Arc::new(SystemClock)), Arc::clone(&bus));
    let group = SubscribeOptions::default().with_queue("build-workers");
    let mut wake = bus.subscribe(&filters::build_jobs(), group).await?;
    bus.flush().await?;
    let worker = WorkerId::new("bench")?;
    let mut times = Vec::new();
    for _ in 0..BUILDS {
        let (kind, target) = (BuildType::Development, TargetPlatform::Linux);
        let build = BuildJob::new(project.id, user.clone(), kind, target, Timestamp::now());
        let began = Instant::now();
        let claiming = async {
            wake.next().await.ok_or("the bus ended")?;
            let claimed = store.claim(Queue::Builds, Claim::new(worker.clone(), Duration::from_secs(60), 1)).await?;
            if claimed.is_empty() { Err("woken for nothing".into()) } else { Ok(began.elapsed()) }
        };
        let enqueueing = async { builds.enqueue(build).await.map_err(BoxError::from) };
        let (claimed, _) = tokio::try_join!(claiming, enqueueing)?;
        times.push(claimed.as_secs_f64() * 1e3);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(times)
}
