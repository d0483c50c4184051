//! One client in a process of its own: `slate-history-client STORE BUS NOTES MILLISECONDS`.

use slate_core::{Error, Result};
use slate_history::{Notes, client::Client, open_bus, open_store};
use std::{path::Path, time::Duration};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [store, bus, notes, busy] = args.as_slice() else {
        return Err(Error::invalid("usage: slate-history-client STORE BUS NOTES MILLISECONDS"));
    };
    let busy = busy.parse().map_err(|_| Error::invalid("milliseconds are a whole number"))?;
    let notes = Notes::open(Path::new(notes)).map_err(|error| Error::io("open the notes", error))?;
    // A server that is down at the moment is part of the test.
    let store = patiently(|| open_store(store)).await?;
    let (bus, durable) = patiently(|| open_bus(bus)).await?;
    Client::new(store, notes, Duration::from_millis(busy)).run(bus, durable).await
}

async fn patiently<T, F: Future<Output = Result<T>>>(open: impl Fn() -> F) -> Result<T> {
    for _ in 0..200 {
        match open().await {
            Ok(opened) => return Ok(opened),
            Err(error) => eprintln!("waits: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    open().await
}
