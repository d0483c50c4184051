//! What a container uses: one stream from the engine, whose samples are compared with each other.

use crate::{
    backend::Shared,
    error::{PLACE, translate},
    instance,
};
use bollard::{models::ContainerStatsResponse, query_parameters::StatsOptions as EngineOptions};
use futures_util::StreamExt;
use slate_core::{
    ErrorKind, Result, Timestamp,
    runtime::{InstanceState, ResourceSample, StatsOptions},
};
use std::{sync::Arc, time::Duration};
use tokio::{sync::mpsc::Sender, time::Instant};

/// Sends measurements of a running container to `to` until it has ended, or nobody listens.
pub(crate) async fn measure(
    shared: Arc<Shared>,
    id: String,
    options: StatsOptions,
    to: Sender<Result<ResourceSample>>,
) {
    let mut away: Option<Instant> = None;
    loop {
        let error = match once(&shared, &id, &options, &to, &mut away).await {
            Ok(()) => return,
            Err(error) => error,
        };
        let since = *away.get_or_insert_with(Instant::now);
        let gone = matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::TimedOut);
        if gone && since.elapsed() < shared.options.reconnect && !to.is_closed() {
            tokio::time::sleep(Duration::from_millis(250)).await;
            continue;
        }
        // Nobody listening is no error.
        let _gone: Result<_, _> = to.send(Err(error.with("instance", &id).at(PLACE, "stats"))).await;
        return;
    }
}

/// Measures over one connection to the engine.
async fn once(
    shared: &Shared,
    id: &str,
    options: &StatsOptions,
    to: &Sender<Result<ResourceSample>>,
    away: &mut Option<Instant>,
) -> Result<()> {
    let runs = async || Ok::<_, slate_core::Error>(lives(instance::state(&shared.owned(id).await?)));
    if !runs().await? {
        return Ok(());
    }
    *away = None;
    let mut readings = Box::pin(shared.docker.stats(id, Some(EngineOptions { stream: true, one_shot: false })));
    let (mut before, mut sent): (Option<Reading>, Option<Timestamp>) = (None, None);
    loop {
        let next = tokio::select! {
            next = readings.next() => next,
            () = to.closed() => return Ok(()),
        };
        let Some(next) = next else { break };
        // The engine goes on with empty readings after a container's end.
        let Some(reading) = Reading::of(&next.map_err(|error| translate(error, "stats"))?) else {
            match runs().await {
                Ok(true) => continue,
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => return Ok(()),
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
                return Ok(());
            }
        }
    }
    match runs().await {
        Ok(true) => Err(slate_core::Error::unavailable("the engine ended its measurements")),
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
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
