//! What happens to containers, from the engine's events.
//!
//! Events are a hint: the engine keeps the last 256 and leaves out what a slow reader misses. After any doubt the watcher says
//! `Resync`, and its listener lists anew.

use crate::{backend::Shared, error::translate, instance, spec::REALM};
use bollard::{
    Docker,
    models::EventMessage,
    query_parameters::{EventsOptions, ListContainersOptions},
};
use futures_util::StreamExt;
use slate_core::{
    BoxStream, Error, InstanceId, Result, Timestamp,
    runtime::{RuntimeChange, WatchOptions},
};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::mpsc::{self, error::TrySendError},
    time::Instant,
};

/// Changes that a listener may lag behind before it is told to list anew.
const BACKLOG: usize = 1024;
/// Memory kills that wait for the end which they announce.
const OOMS: usize = 256;
/// Past events that are asked for at the beginning: the time until the engine's connection stands.
const OVERLAP: Duration = Duration::from_secs(1);

/// How long after a container's end the engine may tell that it was killed for memory.
const OOM_LATE: Duration = Duration::from_millis(200);

/// Whether the engine told that a container was killed for memory, though its record doesn't say so: the engine hears of the
/// kill and of the end on two ways, and the end may be there first. A container that has just ended is given a moment.
///
/// `ended` is by the engine's clock.
pub(crate) async fn killed_for_memory(docker: &Docker, id: &str, ended: Timestamp) -> Result<bool> {
    let filters = HashMap::from([("container".into(), vec![id.into()]), ("event".into(), vec!["oom".into()])]);
    let until = Some(seconds(ended + OOM_LATE));
    let asked = EventsOptions { since: Some(seconds(ended)), until, filters: Some(filters) };
    match docker.events(Some(asked)).next().await {
        Some(Ok(_)) => Ok(true),
        Some(Err(error)) => Err(translate(error, "inspect")),
        None => Ok(false),
    }
}

/// A time as the engine wants it in a question.
fn seconds(time: Timestamp) -> String {
    let micros = time.as_micros();
    format!("{}.{:06}", micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000))
}

/// The changes from now on. The connection is made at once, not at the first reading.
pub(crate) fn watch(shared: Arc<Shared>, options: WatchOptions) -> BoxStream<Result<RuntimeChange>> {
    let (to, changes) = mpsc::channel(BACKLOG);
    let since = Timestamp::now() - OVERLAP;
    tokio::spawn(async move { Watcher { shared, options, to, behind: false, ooms: VecDeque::new() }.run(since).await });
    futures_util::stream::unfold(changes, async |mut changes| changes.recv().await.map(|change| (change, changes)))
        .boxed()
}

struct Watcher {
    shared: Arc<Shared>,
    options: WatchOptions,
    to: mpsc::Sender<Result<RuntimeChange>>,
    /// Whether the listener has missed a change and must be told so.
    behind: bool,
    ooms: VecDeque<String>,
}

impl Watcher {
    async fn run(mut self, since: Timestamp) {
        let (mut away, mut first): (Option<Instant>, bool) = (None, true);
        while !self.to.is_closed() {
            let error = match self.listen(since, first, &mut away).await {
                Ok(()) => return,
                Err(error) => error,
            };
            let gone = *away.get_or_insert_with(Instant::now);
            if gone.elapsed() > self.shared.options.reconnect {
                // Nobody listening is no error.
                let _gone: Result<_, _> = self.to.send(Err(error)).await;
                return;
            }
            first = false;
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(250)) => {}
                () = self.to.closed() => return,
            }
        }
    }

    /// Carries events until the connection breaks.
    async fn listen(&mut self, since: Timestamp, first: bool, away: &mut Option<Instant>) -> Result<()> {
        let mut labels = vec![format!("{REALM}={}", self.shared.options.realm)];
        labels.extend(self.options.labels.iter().map(|(key, value)| format!("{key}={value}")));
        let kinds = ["create", "start", "die", "oom", "destroy", "health_status"].map(str::to_owned).to_vec();
        let filters = HashMap::from([
            ("type".into(), vec!["container".into()]),
            ("event".into(), kinds),
            ("label".into(), labels),
        ]);
        // Only the beginning is replayed: after a break the listener is told to list anew.
        let since = first.then(|| seconds(since));
        let asked = EventsOptions { since, until: None, filters: Some(filters) };
        let mut events = Box::pin(self.shared.docker.events(Some(asked)));
        if !first {
            // What is listed after this answer, and told after this connection, leaves no gap between them.
            let probe = ListContainersOptions { limit: Some(1), ..ListContainersOptions::default() };
            let docker = self.shared.docker.clone();
            let mut connected = Box::pin(docker.list_containers(Some(probe)));
            let early = tokio::select! {
                biased;
                event = events.next() => Some(event),
                answer = &mut connected => {
                    answer.map_err(|error| translate(error, "watch"))?;
                    None
                }
            };
            *away = None;
            self.tell(RuntimeChange::Resync)?;
            if let Some(event) = early {
                self.take(event)?;
            }
        }
        loop {
            let room = self.to.clone();
            tokio::select! {
                event = events.next() => self.take(event)?,
                Ok(place) = room.reserve(), if self.behind => {
                    place.send(Ok(RuntimeChange::Resync));
                    self.behind = false;
                }
                () = room.closed() => return Ok(()),
            }
            *away = None;
        }
    }

    fn take(&mut self, event: Option<Result<EventMessage, bollard::errors::Error>>) -> Result<()> {
        let event = event.ok_or_else(|| Error::unavailable("the engine ended its events"))?;
        let event = event.map_err(|error| translate(error, "watch"))?;
        match self.change(&event) {
            Some(change) => self.tell(change),
            None => Ok(()),
        }
    }

    /// Tells a change, or remembers that one couldn't be told.
    fn tell(&mut self, change: RuntimeChange) -> Result<()> {
        // What comes before the listener has room again is covered by the `Resync` that it gets then.
        if self.behind {
            return Ok(());
        }
        if let Err(TrySendError::Full(_)) = self.to.try_send(Ok(change)) {
            self.behind = true;
        }
        Ok(())
    }

    fn change(&mut self, event: &EventMessage) -> Option<RuntimeChange> {
        let actor = event.actor.as_ref()?;
        let text = actor.id.as_deref()?;
        let id = InstanceId::new(text).ok()?;
        let action = event.action.as_deref()?;
        let (action, detail) = action.split_once(": ").unwrap_or((action, ""));
        Some(match action {
            "create" => RuntimeChange::Created(id),
            "start" => RuntimeChange::Started(id),
            "destroy" => RuntimeChange::Removed(id),
            "health_status" => RuntimeChange::Health(id, detail == "healthy"),
            "oom" => {
                self.ooms.push_back(text.to_owned());
                self.ooms.drain(..self.ooms.len().saturating_sub(OOMS));
                return None;
            }
            "die" => {
                let code = actor.attributes.as_ref().and_then(|told| told.get("exitCode")?.parse().ok());
                let before = self.ooms.len();
                self.ooms.retain(|other| other != text);
                // A child that was killed for memory doesn't end its program.
                let killed = self.ooms.len() < before && code == Some(i64::from(instance::KILLED));
                RuntimeChange::Exited(id, instance::exit(code, killed))
            }
            _ => return None,
        })
    }
}
