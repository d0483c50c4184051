//! Forgets what the events on the bus say has changed.

use super::{Cached, Shared};
use crate::{
    Error, Result, Version,
    bus::{EventBus, Message, SubscribeOptions, Subscription, event::Event, filters, headers},
    store::RecordId,
};
use std::{fmt, str::FromStr, sync::Arc};
use tokio::task::JoinHandle;

impl Cached {
    /// Listens to `slate.>` and forgets what changed. What was cached before is forgotten now: nobody listened for it.
    ///
    /// Where the subscription lost messages because it was too slow, everything is forgotten.
    ///
    /// # Errors
    /// Those of [`EventBus::subscribe`].
    pub async fn follow(&self, bus: &dyn EventBus) -> Result<Invalidation> {
        let events = bus.subscribe(&filters::all(), SubscribeOptions::default()).await?;
        self.0.forget_all().await;
        Ok(Invalidation { task: tokio::spawn(listen(Arc::clone(&self.0), events)) })
    }
}

/// Keeps a [`Cached`] true to the events of a bus, until it is dropped or the bus is closed.
pub struct Invalidation {
    task: JoinHandle<()>,
}

impl Invalidation {
    /// Whether it still listens; once the bus is closed only own writes and the times to live keep the cache true.
    pub fn is_running(&self) -> bool {
        !self.task.is_finished()
    }
}

impl Drop for Invalidation {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Invalidation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invalidation").field("is_running", &self.is_running()).finish()
    }
}

async fn listen(shared: Arc<Shared>, mut events: Subscription) {
    let mut lost = 0;
    while let Some(message) = events.next().await {
        let lost_before = std::mem::replace(&mut lost, events.dropped());
        if lost > lost_before {
            shared.forget_all().await;
        }
        if let Some((id, version)) = changed(&message) {
            shared.forget(id, version).await;
        }
    }
}

/// The record that a message says has changed, and its version since then, where it tells.
fn changed(message: &Message) -> Option<(RecordId, Option<Version>)> {
    if let Some(aggregate) = message.headers.get(headers::AGGREGATE) {
        let version = message.headers.get(headers::VERSION).and_then(|version| version.parse().ok()).map(Version);
        return Some((parse(aggregate).ok()?, version));
    }
    // Lines, cursors, presence and commands change no record; lines are most of what is on the bus.
    let mut tokens = message.subject.tokens().skip(1);
    let (resource, action) = (tokens.next()?, tokens.next()?);
    if matches!(resource, "container" | "editor" | "collab") || action == "log" || tokens.next() == Some("log") {
        return None;
    }
    let id = match Event::parse(message).ok()? {
        Event::Project(event) => event.project_id.into(),
        Event::File(event) => event.file_id.into(),
        Event::Asset(event) => event.asset_id.into(),
        Event::Runtime(event) => event.session_id.into(),
        Event::Build(event) => event.build_id.into(),
        Event::Editor(_) | Event::Collab(_) => return None,
    };
    Some((id, None))
}

/// Reads what [`RecordId`]'s `Display` writes, of the kinds that are cached.
fn parse(aggregate: &str) -> Result<RecordId> {
    fn id<T: FromStr<Err = Error> + Into<RecordId>>(text: &str) -> Result<RecordId> {
        text.parse::<T>().map(Into::into)
    }
    match aggregate.split_once(':') {
        Some(("project", text)) => id::<crate::ProjectId>(text),
        Some(("file", text)) => id::<crate::FileId>(text),
        Some(("asset", text)) => id::<crate::AssetId>(text),
        Some(("session", text)) => id::<crate::SessionId>(text),
        Some(("build", text)) => id::<crate::BuildId>(text),
        _ => Err(Error::invalid("no record that is cached").with("aggregate", aggregate)),
    }
}
