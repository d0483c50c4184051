//! What a container uses: one stream from the engine for all who ask, whose readings are compared with each other.

use crate::{
    backend::{AbortOnDrop, Shared, held},
    error::{PLACE, translate},
    instance,
};
use bollard::{models::ContainerStatsResponse, query_parameters::StatsOptions as EngineOptions};
use futures_util::StreamExt;
use slate_core::{
    Error, ErrorKind, Result, Timestamp,
    runtime::{InstanceState, ResourceSample, StatsOptions},
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};
use tokio::{
    sync::{broadcast, mpsc::Sender, watch},
    time::Instant,
};

/// Readings that a listener may lag behind before it misses some.
const BACKLOG: usize = 16;

/// The containers that are measured now.
#[derive(Default)]
pub(crate) struct Hubs(Mutex<HashMap<String, Weak<Hub>>>);

/// One connection to the engine for all who want to know of one container. It ends with its last listener.
struct Hub {
    readings: broadcast::Sender<Reading>,
    last: Arc<Mutex<Option<Reading>>>,
    end: watch::Receiver<Option<Result<(), Arc<Error>>>>,
    _task: AbortOnDrop,
}

/// Sends measurements of a running container to `to` until it has ended, or nobody listens.
pub(crate) async fn measure(
    shared: Arc<Shared>,
    id: String,
    options: StatsOptions,
    to: Sender<Result<ResourceSample>>,
) {
    let hub = shared.hub(&id);
    let (mut readings, mut end) = (hub.readings.subscribe(), hub.end.clone());
    // What was read for others is good to compare with.
    let (mut before, mut sent) = (*held(&hub.last), None::<Timestamp>);
    loop {
        let next = tokio::select! {
            biased;
            next = readings.recv() => Some(next),
            // Without a word where the task was lost; it then has no more to say.
            _told = end.wait_for(Option::is_some) => None,
            () = to.closed() => return,
        };
        let reading = match next {
            Some(Ok(reading)) => reading,
            Some(Err(broadcast::error::RecvError::Lagged(_))) => continue,
            Some(Err(broadcast::error::RecvError::Closed)) | None => {
                let told = end.borrow().clone();
                if let Some(Err(error)) = told {
                    let again = Error::new(error.kind(), error.message().to_owned()).retry_as(error.retry());
                    // Nobody listening is no error.
                    let _gone: Result<_, _> =
                        to.send(Err(again.with("instance", &id).at(PLACE, "stats").because(error))).await;
                }
                return;
            }
        };
        let Some(sample) = before.as_ref().and_then(|before| reading.since(before)) else {
            before = Some(reading);
            continue;
        };
        // The engine measures once a second; a longer interval takes some of its readings, a shorter one all.
        let due = sent.is_none_or(|sent| reading.at.since(sent) + Duration::from_millis(100) >= options.interval);
        if due {
            (before, sent) = (Some(reading), Some(reading.at));
            if to.send(Ok(sample)).await.is_err() || options.once {
                return;
            }
        }
    }
}

impl Shared {
    /// The connection that measures this container, or a new one.
    fn hub(self: &Arc<Self>, id: &str) -> Arc<Hub> {
        let mut hubs = held(&self.hubs.0);
        hubs.retain(|_, hub| hub.strong_count() > 0);
        if let Some(hub) = hubs.get(id).and_then(Weak::upgrade)
            && hub.end.borrow().is_none()
        {
            return hub;
        }
        let (readings, _) = broadcast::channel(BACKLOG);
        let (told, end) = watch::channel(None);
        let last = Arc::new(Mutex::new(None));
        let gatherer =
            Gatherer { shared: Arc::clone(self), id: id.into(), readings: readings.clone(), last: last.clone() };
        let task = tokio::spawn(async move {
            let gathered = gatherer.gather().await;
            told.send_replace(Some(gathered.map_err(Arc::new)));
        });
        let hub = Arc::new(Hub { readings, last, end, _task: AbortOnDrop(task) });
        hubs.insert(id.into(), Arc::downgrade(&hub));
        hub
    }
}

/// Reads what the engine tells of one container.
struct Gatherer {
    shared: Arc<Shared>,
    id: String,
    readings: broadcast::Sender<Reading>,
    last: Arc<Mutex<Option<Reading>>>,
}

impl Gatherer {
    /// Gathers until the container has ended, over as many connections as it takes.
    async fn gather(&self) -> Result<()> {
        let mut away: Option<Instant> = None;
        loop {
            let error = match self.connect(&mut away).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let since = *away.get_or_insert_with(Instant::now);
            let gone = matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::TimedOut);
            if !gone || since.elapsed() > self.shared.options.reconnect {
                return Err(error);
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    /// Gathers over one connection.
    async fn connect(&self, away: &mut Option<Instant>) -> Result<()> {
        if !self.runs().await? {
            return Ok(());
        }
        *away = None;
        let options = EngineOptions { stream: true, one_shot: false };
        let mut told = Box::pin(self.shared.docker.stats(&self.id, Some(options)));
        while let Some(told) = told.next().await {
            if let Some(reading) = Reading::of(&told.map_err(|error| translate(error, "stats"))?) {
                *held(&self.last) = Some(reading);
                // Nobody listening just now is no error.
                let _heard: Result<_, _> = self.readings.send(reading);
            } else if self.has_ended().await? {
                // The engine goes on with empty readings after a container's end.
                return Ok(());
            }
        }
        if self.has_ended().await? { Ok(()) } else { Err(Error::unavailable("the engine ended its measurements")) }
    }

    async fn runs(&self) -> Result<bool> {
        Ok(lives(instance::state(&self.shared.owned(&self.id).await?)))
    }

    /// Whether a container that ran runs no more, or is gone.
    async fn has_ended(&self) -> Result<bool> {
        match self.runs().await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
            runs => Ok(!runs?),
        }
    }
}

fn lives(state: InstanceState) -> bool {
    matches!(state, InstanceState::Running | InstanceState::Paused)
}

/// One of the engine's readings.
#[derive(Clone, Copy, Debug)]
struct Reading {
    at: Timestamp,
    cpu_nanos: u64,
    sample: ResourceSample,
}

impl Reading {
    /// `None` for the empty readings of a container that doesn't run.
    fn of(told: &ContainerStatsResponse) -> Option<Self> {
        let at: Timestamp = told.read.as_deref()?.parse().ok()?;
        let cpu_nanos = told.cpu_stats.as_ref()?.cpu_usage.as_ref()?.total_usage?;
        let memory = told.memory_stats.as_ref()?;
        let mut sample = ResourceSample::default();
        sample.timestamp = at;
        // Pages of files that can be dropped at any time aren't used up: `total_inactive_file` under control groups of
        // version 1, `inactive_file` under version 2. `docker stats` counts the same.
        let of = |name: &str| memory.stats.as_ref().and_then(|stats| stats.get(name)).copied();
        let droppable = of("total_inactive_file").or_else(|| of("inactive_file")).unwrap_or_default();
        let used = memory.usage?;
        sample.memory_usage = if droppable < used { used - droppable } else { used };
        sample.memory_limit = memory.limit.unwrap_or_default();
        for network in told.networks.iter().flatten().map(|(_, network)| network) {
            sample.network_rx_bytes += network.rx_bytes.unwrap_or_default();
            sample.network_tx_bytes += network.tx_bytes.unwrap_or_default();
        }
        let blocks = told.blkio_stats.as_ref().and_then(|stats| stats.io_service_bytes_recursive.as_ref());
        for entry in blocks.into_iter().flatten() {
            // `Read` under version 1, `read` under version 2.
            let sum = match entry.op.as_deref().map(str::to_ascii_lowercase).as_deref() {
                Some("read") => &mut sample.block_read_bytes,
                Some("write") => &mut sample.block_write_bytes,
                _ => continue,
            };
            *sum += entry.value.unwrap_or_default();
        }
        sample.pids = told.pids_stats.as_ref().and_then(|stats| stats.current).unwrap_or_default();
        Some(Self { at, cpu_nanos, sample })
    }

    /// The measurement over the time since `before`. The engine's own first comparison is with nothing, and a lie.
    fn since(&self, before: &Self) -> Option<ResourceSample> {
        let micros = self.at.as_micros() - before.at.as_micros();
        // A container that was started again begins at zero.
        let used = self.cpu_nanos.checked_sub(before.cpu_nanos)?;
        if micros <= 0 {
            return None;
        }
        let mut sample = self.sample;
        sample.cpu_percent = used as f64 / 10.0 / micros as f64;
        Some(sample)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(json: &str) -> Option<Reading> {
        Reading::of(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn both_versions_of_control_groups_are_understood() {
        let v1 = reading(include_str!("../tests/data/stats-v1.json")).unwrap().sample;
        let v2 = reading(include_str!("../tests/data/stats-v2.json")).unwrap().sample;
        assert_eq!((v1.memory_usage, v1.memory_limit, v1.pids), (7_000_000, 536_870_912, 3));
        assert_eq!((v2.memory_usage, v2.memory_limit, v2.pids), (6_000_000, 268_435_456, 2));
        assert_eq!((v1.block_read_bytes, v1.block_write_bytes), (4096, 8192));
        assert_eq!((v2.block_read_bytes, v2.block_write_bytes), (1024, 2048));
        assert_eq!((v1.network_rx_bytes, v1.network_tx_bytes), (110, 220));
        assert_eq!((v2.network_rx_bytes, v2.network_tx_bytes), (0, 0));
    }

    #[test]
    fn the_processor_s_share_is_of_one_core() {
        let before = reading(include_str!("../tests/data/stats-v1.json")).unwrap();
        let mut after = before;
        after.at = before.at + Duration::from_secs(2);
        after.cpu_nanos += 3_000_000_000;
        assert!((after.since(&before).unwrap().cpu_percent - 150.0).abs() < 1e-9);
        assert!(before.since(&before).is_none(), "no time has passed");
        assert!(before.since(&after).is_none(), "the counter began anew");
    }

    #[test]
    fn an_ended_container_has_no_reading() {
        let ended = r#"{"read":"0001-01-01T00:00:00Z","cpu_stats":{"cpu_usage":{"total_usage":0}},"memory_stats":{}}"#;
        assert!(reading(ended).is_none());
    }
}
