//! The store, the bus and the cache that an address names.

use crate::config::Config;
use slate_core::{
    Error, Result,
    bus::{DurableBus, EventBus},
    cache::Cache,
    memory::{MemoryBus, MemoryCache, MemoryDurableBus, MemoryStore, TieredCache},
    store::Store,
};
use slate_nats::{DurableOptions, NatsBus, NatsDurable, NatsOptions};
use slate_redis::{RedisCache, RedisOptions, RedisServers};
use slate_store::{
    Maintain,
    postgres::{PgOptions, PgStore},
    sqlite::{SqliteOptions, SqliteStore},
};
use std::{path::Path, sync::Arc};

/// A store that was opened.
pub(crate) enum AnyStore {
    Memory(Arc<MemoryStore>),
    Sqlite(Arc<SqliteStore>),
    Postgres(Arc<PgStore>),
}

impl AnyStore {
    pub(crate) async fn open(config: &Config, data: &Path) -> Result<Self> {
        match config.store.as_str() {
            "memory" => Ok(Self::Memory(Arc::new(MemoryStore::new()))),
            "sqlite" => {
                let store = SqliteStore::open(data.join("slate.db"), SqliteOptions::default()).await?;
                Ok(Self::Sqlite(Arc::new(store)))
            }
            url => {
                let mut options = PgOptions::new(url)?;
                if let Some(replica) = &config.replica {
                    options = options.with_replica(replica)?;
                }
                let opened = PgStore::open(options).await;
                let store = opened.map_err(|error| error.with("store", crate::config::redacted(url)))?;
                Ok(Self::Postgres(Arc::new(store)))
            }
        }
    }

    pub(crate) fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Memory(store) => Arc::clone(store) as _,
            Self::Sqlite(store) => Arc::clone(store) as _,
            Self::Postgres(store) => Arc::clone(store) as _,
        }
    }

    /// What tidies it up; the memory needs none.
    pub(crate) fn maintain(&self) -> Option<&dyn Maintain> {
        match self {
            Self::Memory(_) => None,
            Self::Sqlite(store) => Some(&**store),
            Self::Postgres(store) => Some(&**store),
        }
    }

    /// Writes what is still held.
    pub(crate) async fn close(self) {
        match self {
            Self::Memory(_) => {}
            Self::Sqlite(store) => {
                if let Err(error) = store.close().await {
                    tracing::warn!(%error, "the store was not closed");
                }
            }
            Self::Postgres(store) => store.close().await,
        }
    }
}

/// A bus that was opened, and where stored events go beside it.
pub(crate) struct AnyBus {
    pub(crate) bus: Arc<dyn EventBus>,
    pub(crate) durable: Option<Arc<dyn DurableBus>>,
}

impl AnyBus {
    pub(crate) async fn open(config: &Config) -> Result<Self> {
        if config.bus == "memory" {
            let durable = (config.durable > 0).then(|| Arc::new(MemoryDurableBus::default()) as Arc<dyn DurableBus>);
            return Ok(Self { bus: Arc::new(MemoryBus::new()), durable });
        }
        let servers: Vec<String> = config.bus.split(',').map(Into::into).collect();
        let bus = NatsBus::connect(NatsOptions::new("").with_servers(servers)).await?;
        let durable: Option<Arc<dyn DurableBus>> = match config.durable {
            0 => None,
            servers => {
                let options = DurableOptions::default().with_replicas(servers);
                Some(Arc::new(NatsDurable::open(&bus, options).await?))
            }
        };
        Ok(Self { bus: Arc::new(bus), durable })
    }
}

/// The cache that reads go through; `None` without one.
pub(crate) fn open_cache(config: &Config) -> Result<Option<Arc<dyn Cache>>> {
    let servers = match config.cache.as_str() {
        "none" => return Ok(None),
        "memory" => return Ok(Some(Arc::new(MemoryCache::default()))),
        sentinels if sentinels.starts_with("sentinel://") => {
            let (hosts, name) = sentinels["sentinel://".len()..]
                .rsplit_once('/')
                .ok_or_else(|| Error::invalid("Sentinels are sentinel://host:port,host:port/name"))?;
            RedisServers::sentinel(hosts.split(',').map(|host| format!("redis://{host}")), name)
        }
        url => RedisServers::One(url.into()),
    };
    let redis = RedisCache::open(RedisOptions::at(servers))?;
    Ok(Some(Arc::new(TieredCache::new(MemoryCache::default(), Arc::new(redis)))))
}
