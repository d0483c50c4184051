use slate_core::{
    Error, Result,
    bus::{DurableBus, EventBus},
    store::Store,
};
use slate_nats::{DurableOptions, NatsBus, NatsDurable, NatsOptions};
use slate_store::{
    postgres::{PgOptions, PgStore},
    sqlite::{SqliteOptions, SqliteStore},
};
use std::{sync::Arc, time::Duration};

/// Opens a store: `postgres://…`, or the path of a SQLite file.
///
/// # Errors
/// Those of the store.
pub async fn open_store(address: &str) -> Result<Arc<dyn Store>> {
    if !address.starts_with("postgres://") {
        return Ok(Arc::new(SqliteStore::open(address, SqliteOptions::default()).await?));
    }
    // Short times: a test waits for them whenever a link is dead.
    let mut options = PgOptions::new(address)?
        .with_connections(6)
        .with_statement_timeout(Duration::from_secs(2))
        .with_acquire_timeout(Duration::from_secs(2));
    options.connect_timeout = Duration::from_secs(1);
    Ok(Arc::new(PgStore::open(options).await?))
}

/// Connects to NATS, `nats://host:port/prefix`: the bus, and a stream of the prefix' name.
///
/// # Errors
/// Those of the bus.
pub async fn open_bus(address: &str) -> Result<(Arc<dyn EventBus>, Arc<dyn DurableBus>)> {
    let (server, prefix) =
        address.rsplit_once('/').ok_or_else(|| Error::invalid("a bus is nats://host:port/prefix"))?;
    let mut options = NatsOptions::new(server).with_prefix(prefix);
    (options.pause, options.ping) = (Duration::from_millis(100), Duration::from_millis(500));
    (options.timeout, options.connect_timeout) = (Duration::from_secs(2), Duration::from_secs(1));
    let bus = NatsBus::connect(options).await?;
    let stream = DurableOptions::default()
        .with_stream(prefix)
        .with_max_bytes(4 << 20_i64)
        .with_heartbeat(Duration::from_millis(500));
    let durable = NatsDurable::open(&bus, stream).await?;
    Ok((Arc::new(bus), Arc::new(durable)))
}
