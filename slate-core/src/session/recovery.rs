use super::Step;
use crate::{
    Timestamp,
    model::{Json, RuntimeSession, SessionState},
    runtime::{ExitStatus, Instance, RestartOn, RestartPolicy},
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What is remembered of a session between two runs of its instance. It is kept in the session's metadata, as
/// `slate.recovery`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Recovery {
    /// Ends in a row after which it was started again.
    pub row: u32,
    /// When it is started again at the earliest.
    pub not_before: Option<Timestamp>,
    /// Why the orchestrator ends its instance, where that is its own decision.
    pub doomed: Option<String>,
}

impl Recovery {
    /// What the session's record holds; nothing where it holds none, or what can't be read.
    pub fn of(session: &RuntimeSession) -> Self {
        let kept = session.metadata.get("slate").and_then(|slate| slate.get("recovery"));
        kept.and_then(|kept| serde_json::from_value(kept.clone()).ok()).unwrap_or_default()
    }

    /// Writes it into the session's record.
    pub fn keep(&self, session: &mut RuntimeSession) {
        if !session.metadata.is_object() {
            session.metadata = Json::Object(serde_json::Map::new());
        }
        if !session.metadata["slate"].is_object() {
            session.metadata["slate"] = serde_json::json!({});
        }
        session.metadata["slate"]["recovery"] =
            serde_json::json!({ "row": self.row, "notBefore": self.not_before, "doomed": self.doomed });
    }
}

/// What follows when a running session's instance has ended though nobody asked for it.
pub(super) fn after_end(session: &RuntimeSession, instance: &Instance, recovery: &Recovery, now: Timestamp) -> Step {
    let exit = instance.exit.unwrap_or(ExitStatus::unknown());
    let failed = recovery.doomed.is_some() || !exit.success();
    let reason = match &recovery.doomed {
        // It was ended for this; how it took that says nothing more.
        Some(why) => why.clone(),
        None => exit.describe(),
    };
    let wanted = |policy: &RestartPolicy| failed || policy.on == RestartOn::End;
    let policy = session.container_config.restart.filter(|policy| wanted(policy) && !session.stop_requested);
    let mut given_up = String::new();
    if let Some(policy) = policy {
        let ran = instance.started_at.zip(instance.finished_at).map_or(Duration::ZERO, |(from, to)| to.since(from));
        let row = if ran >= Duration::from_millis(policy.steady_ms) { 0 } else { recovery.row };
        if row < policy.max_restarts {
            return Step::Again { reason, row: row + 1, not_before: now + policy.wait(row + 1) };
        }
        given_up = format!(" (started again {row} times in a row, and given up)");
    }
    if failed {
        Step::Finish(SessionState::Error, Some(format!("{reason}{given_up}")), instance.exit)
    } else {
        Step::Finish(SessionState::Stopped, None, instance.exit)
    }
}
