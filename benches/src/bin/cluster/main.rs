//! The store in Postgres, the bus over NATS and the cache in Redis, each beside its raw driver on the same server.

mod graphile;
mod latency;
mod net;
mod store;

use slate_benches::Result;

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    store::run(&runtime)?;
    net::run(&runtime)?;
    latency::run(&runtime)
}
