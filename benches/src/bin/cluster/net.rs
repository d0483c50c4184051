use bytes::Bytes;
use futures_util::StreamExt;
use slate_benches::{BoxError, Contest, Result, Sample, Watch, inputs};
use slate_core::{
    SessionId, UserId,
    bus::{EventBus, EventBusExt, Message, Subject},
    cache::Cache,
    decorate::{Cached, CachedOptions, Layered},
    memory::{MemoryBus, MemoryCache, TieredCache},
    model::{Project, RuntimeSession},
    runtime::{RuntimeSpec, RuntimeType},
    store::{ChangeSet, SessionStore, Store},
};
use slate_harness::{Nats, NatsVersion, Postgres, PostgresOptions, Redis, unique};
use slate_nats::{NatsBus, NatsOptions};
use slate_redis::{RedisCache, RedisOptions};
use std::{sync::Arc, time::Duration};
use tokio::runtime::Runtime;

const MESSAGES: usize = 50_000;
const READS: usize = 2_000;

pub(crate) fn run(runtime: &Runtime) -> Result<()> {
    let nats = Nats::start(NatsVersion::V2_15)?;
    let url = nats.url();
    let payload = Bytes::from(vec![b'x'; 200]);
    Contest::new("Messages of 200 B, from one publisher to one subscriber", "message")
        .contender("raw async-nats (peer)", || runtime.block_on(raw(&url, &payload)))
        .contender("NatsBus", || {
            runtime.block_on(async {
                let bus = Arc::new(NatsBus::connect(NatsOptions::new(&url).with_prefix(unique("bench"))).await?);
                carry(bus, &payload).await
            })
        })
        .contender("MemoryBus", || runtime.block_on(carry(Arc::new(MemoryBus::new()), &payload)))
        .run()?;

    let redis = Redis::start()?;
    let server = Postgres::start(&PostgresOptions::default())?;
    let (_database, store) = runtime.block_on(super::store::open(&server))?;
    let store: Arc<dyn Store> = Arc::new(store);
    let id = runtime.block_on(session(&*store))?;
    // Its connection is kept up by a task of the runtime's.
    let _entered = runtime.enter();
    let far = || -> Result<Arc<dyn Cache>> { Ok(Arc::new(RedisCache::open(RedisOptions::new(redis.url()))?)) };
    Contest::new("A session's record, read again and again", "read")
        .contender("PgStore (peer)", || runtime.block_on(read(&*store, id, READS)))
        .contender("Cached → Redis", || {
            let cached = Cached::new(far()?, CachedOptions::default());
            runtime.block_on(read(&Layered::new(Arc::clone(&store), cached), id, READS))
        })
        .contender("Cached → in this process, then Redis", || {
            let tiered = TieredCache::new(MemoryCache::default(), far()?);
            let cached = Cached::new(Arc::new(tiered), CachedOptions::default());
            runtime.block_on(read(&Layered::new(Arc::clone(&store), cached), id, READS * 20))
        })
        .contender("Cached → in this process", || {
            let cached = Cached::new(Arc::new(MemoryCache::default()), CachedOptions::default());
            runtime.block_on(read(&Layered::new(Arc::clone(&store), cached), id, READS * 20))
        })
        .contender("TieredCache::get alone, in this process", || {
            let tiered = TieredCache::new(MemoryCache::default(), far()?);
            runtime.block_on(hit(&tiered))
        })
        .run()
}

/// The bytes of a record that is there.
async fn hit(cache: &dyn Cache) -> Result<Sample> {
    cache.put("slate:record", Bytes::from(vec![b'x'; 1500]), Duration::from_secs(60)).await?;
    let mut watch = Watch::new();
    let work = async {
        for _ in 0..READS * 20 {
            std::hint::black_box(cache.get("slate:record").await?.ok_or("it is gone")?);
        }
        Ok::<_, BoxError>(())
    };
    watch.time_async(READS * 20, work).await?;
    Ok(watch.sample())
}

async fn raw(url: &str, payload: &Bytes) -> Result<Sample> {
    let client = async_nats::ConnectOptions::new().subscription_capacity(MESSAGES * 2).connect(url).await?;
    // As long as the bus' subject with its prefix: the server carries it twice for each message.
    let subject = format!("{}.slate.bench.message", unique("bench"));
    let mut heard = client.subscribe(subject.clone()).await?;
    client.flush().await?;
    let mut watch = Watch::new();
    let work = async {
        let publishing = async {
            for _ in 0..MESSAGES {
                client.publish(subject.clone(), payload.clone()).await?;
            }
            client.flush().await?;
            Ok::<_, BoxError>(())
        };
        let hearing = async {
            for _ in 0..MESSAGES {
                heard.next().await.ok_or("the subscription ended")?;
            }
            Ok::<_, BoxError>(())
        };
        tokio::try_join!(publishing, hearing)
    };
    watch.time_async(MESSAGES, work).await?;
    Ok(watch.sample())
}

async fn carry(bus: Arc<dyn EventBus>, payload: &Bytes) -> Result<Sample> {
    let subject = Subject::new("slate.bench.message")?;
    let mut heard = bus.listen(subject.as_str()).await?;
    bus.flush().await?;
    let mut watch = Watch::new();
    let work = async {
        let publishing = async {
            for _ in 0..MESSAGES {
                bus.publish(Message::new(subject.clone(), payload.clone())).await?;
            }
            bus.flush().await?;
            Ok::<_, BoxError>(())
        };
        let hearing = async {
            for _ in 0..MESSAGES {
                heard.next().await.ok_or("the subscription ended")?;
            }
            Ok::<_, BoxError>(())
        };
        tokio::try_join!(publishing, hearing)
    };
    // A lost message would be waited for.
    let work = async { tokio::time::timeout(Duration::from_secs(60), work).await? };
    watch.time_async(MESSAGES, work).await?;
    bus.close().await?;
    Ok(watch.sample())
}

async fn session(store: &dyn Store) -> Result<SessionId> {
    let user = UserId::new("ada")?;
    let project = Project::new("Lantern", user.clone(), inputs::NOW);
    let spec = RuntimeSpec::new("session", ["sleep", "60"]);
    let session = RuntimeSession::new(project.id, user, RuntimeType::Custom, "process", spec, inputs::NOW);
    let id = session.id;
    store.apply(ChangeSet::new().create(project).create(session)).await?;
    Ok(id)
}

async fn read(store: &(impl SessionStore + ?Sized), id: SessionId, reads: usize) -> Result<Sample> {
    // The first one fills the cache.
    store.session(id).await?;
    let mut watch = Watch::new();
    let work = async {
        for _ in 0..reads {
            std::hint::black_box(store.session(id).await?);
        }
        Ok::<_, BoxError>(())
    };
    watch.time_async(reads, work).await?;
    Ok(watch.sample())
}
