use serde::{Deserialize, Serialize};
use slate_core::{
    InstanceId, ProjectId, SessionId, Timestamp, UserId, Version,
    model::{MetricSample, RuntimeSession},
    runtime::{DisplayConfiguration, ExitStatus, ResourceUsage, SessionStatus},
};

/// A session as its file has it: the runner's fields of seed 004, then what SLATE knows beyond them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ArchivedSession {
    /// Its id.
    pub session_id: SessionId,
    /// Its instance, once made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_id: Option<InstanceId>,
    /// The game: `gameId` of the session's metadata, else its project.
    pub game_id: String,
    /// Who started it.
    pub user_id: UserId,
    /// Its state, in the runner's words.
    pub status: SessionStatus,
    /// When it ran first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Timestamp>,
    /// When it wrote its last line, or its record changed.
    pub last_activity: Timestamp,
    /// The display, without its token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_info: Option<DisplayConfiguration>,
    /// What it used when it was last measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_usage: Option<ResourceUsage>,
    /// The project.
    pub project_id: ProjectId,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Timestamp>,
    /// How its instance ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<ExitStatus>,
    /// Why it failed or died.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// The record's version that this was written from.
    pub version: Version,
}

impl ArchivedSession {
    pub(super) fn new(session: &RuntimeSession, last_line: Option<Timestamp>, usage: Option<Usage>) -> Self {
        let changed = session.revision.updated_at;
        let mut display = session.container_config.display.clone();
        if let Some(display) = &mut display {
            display.auth_token = None;
        }
        Self {
            session_id: session.id,
            container_id: session.container_id.clone(),
            game_id: session.metadata["gameId"].as_str().map_or_else(|| session.project_id.to_string(), Into::into),
            user_id: session.user_id.clone(),
            status: session.status.into(),
            start_time: session.started_at,
            last_activity: last_line.map_or(changed, |line| line.max(changed)),
            display_info: display,
            resource_usage: usage.map(|Usage(usage)| usage),
            project_id: session.project_id,
            end_time: session.stopped_at,
            exit: session.exit,
            error_message: session.error_message.clone(),
            version: session.revision.version,
        }
    }
}

/// What a session used at a moment, made of the samples of that moment.
pub(super) struct Usage(pub(super) ResourceUsage);

/// The newest moment of these samples, newest first; `None` without any. `limit` is the memory limit in bytes.
pub(super) fn usage(samples: &[MetricSample], limit: Option<u64>) -> Option<Usage> {
    let timestamp = samples.first()?.timestamp;
    let value = |name: &str| {
        samples
            .iter()
            .find(|sample| sample.metric_type == name && sample.timestamp == timestamp)
            .map_or(0.0, |s| s.value)
    };
    // Samples count a core as 100 %, the runner counts the host so.
    let cores = std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64);
    let memory = value("memory_usage");
    let share = limit.filter(|limit| *limit > 0).map_or(0.0, |limit| memory * 100.0 / limit as f64);
    Some(Usage(ResourceUsage {
        cpu_percent: (value("cpu_percent") / cores).clamp(0.0, 100.0),
        memory_used: memory as u64,
        memory_percent: share.clamp(0.0, 100.0),
        gpu_usage: None,
        gpu_memory_used: None,
        disk_usage: 0,
        timestamp,
    }))
}

/// The day of a time in UTC, like `2025-10-29`; these sort as the days do.
pub(super) fn day_of(time: Timestamp) -> String {
    time.to_string().chars().take_while(|letter| *letter != 'T').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_made_of_one_moment() {
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        let sample = |name: &str, value: f64, at: &str| MetricSample {
            session_id: None,
            metric_type: name.into(),
            value,
            unit: String::new(),
            timestamp: time(at),
        };
        let (new, old) = ("2025-10-29T14:45:30Z", "2025-10-29T14:45:20Z");
        let samples = [sample("memory_usage", 512.0, new), sample("cpu_percent", 50.0, old)];
        let Usage(usage) = usage(&samples, Some(2048)).unwrap();
        assert_eq!((usage.memory_used, usage.memory_percent, usage.cpu_percent), (512, 25.0, 0.0));
        assert_eq!(usage.timestamp, time(new));
        assert_eq!(day_of(time(new)), "2025-10-29");
    }
}
