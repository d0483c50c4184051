//! What is only of use while it is new: many small values in few messages, and who is there.

use super::{
    CollabTopic, EventBus, EventBusExt, Message, Subject, SubscribeOptions, Subscription, Topic,
    event::{CollabEvent, CollabEventKind, Event},
};
use crate::{ProjectId, Result, Timestamp, UserId, model::Json};
use serde::Serialize;
use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, MissedTickBehavior},
};

/// How a [`Batcher`] works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchOptions {
    /// How long the first value of a message waits for others; default 100 ms, as seed 003 has it.
    pub period: Duration,
    /// Most values of a message; those beyond go into the next; default 500.
    pub most: usize,
    /// Most values that wait; those beyond are dropped and counted; default 10 000.
    pub capacity: usize,
}

impl Default for BatchOptions {
    fn default() -> Self {
        Self { period: Duration::from_millis(100), most: 500, capacity: 10_000 }
    }
}

/// Publishes many values as a JSON array each 100 ms, for example cursors on `slate.editor.cursors.batch`. For what may be lost.
///
/// Dropping it publishes what waits. Nothing is published, and no time is spent, while there are no values.
pub struct Batcher<T> {
    values: mpsc::Sender<T>,
    dropped: Arc<AtomicU64>,
}

impl<T: Serialize + Send + Sync + 'static> Batcher<T> {
    /// Starts it, on the runtime that this is called in.
    pub fn start(bus: Arc<dyn EventBus>, subject: Subject, options: BatchOptions) -> Self {
        let (values, waiting) = mpsc::channel(options.capacity.max(1));
        let dropped = Arc::new(AtomicU64::new(0));
        tokio::spawn(publish_batches(bus, subject, options, waiting, Arc::clone(&dropped)));
        Self { values, dropped }
    }

    /// Takes a value, without ever waiting.
    pub fn push(&self, value: T) {
        if self.values.try_send(value).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many values were dropped, because too many waited or the bus took none.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl<T> fmt::Debug for Batcher<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batcher").field("dropped", &self.dropped).finish_non_exhaustive()
    }
}

async fn publish_batches<T: Serialize + Send + Sync>(
    bus: Arc<dyn EventBus>,
    subject: Subject,
    options: BatchOptions,
    mut waiting: mpsc::Receiver<T>,
    dropped: Arc<AtomicU64>,
) {
    let most = options.most.max(1);
    while let Some(first) = waiting.recv().await {
        let end = Instant::now() + options.period;
        let mut batch = vec![first];
        while batch.len() < most {
            match tokio::time::timeout_at(end, waiting.recv()).await {
                Ok(Some(value)) => batch.push(value),
                // The time is over, or nothing more will come.
                Ok(None) | Err(_) => break,
            }
        }
        let published = match Message::json(subject.clone(), &batch) {
            Ok(message) => bus.publish(message).await,
            Err(error) => Err(error),
        };
        if let Err(error) = published {
            dropped.fetch_add(batch.len() as u64, Ordering::Relaxed);
            tracing::debug!(%error, %subject, values = batch.len(), "a batch was dropped");
        }
    }
}

/// Says every 5 s that a user is there, until it is dropped.
#[derive(Debug)]
pub struct Announcing(JoinHandle<()>);

impl Announcing {
    /// How often, as seed 003 has it.
    pub const PERIOD: Duration = Duration::from_secs(5);

    /// Starts it, on the runtime that this is called in; `location` is what the user looks at, as JSON.
    pub fn start(bus: Arc<dyn EventBus>, project: ProjectId, user: UserId, location: Json) -> Self {
        Self(tokio::spawn(async move {
            let mut times = tokio::time::interval(Self::PERIOD);
            times.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                times.tick().await;
                let event = CollabEvent::new(CollabEventKind::Presence, project, user.clone(), Timestamp::now())
                    .with_data(serde_json::json!({ "location": location }));
                // One that is lost is made good by the next.
                if let Err(error) = bus.emit(&Event::Collab(event)).await {
                    tracing::debug!(%error, "a sign of presence was lost");
                }
            }
        }))
    }
}

impl Drop for Announcing {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Who is in a project: those who joined or gave a sign within 15 s, and did not leave.
pub struct Present {
    users: Arc<Mutex<HashMap<UserId, Instant>>>,
    task: JoinHandle<()>,
}

impl Present {
    /// How long a user counts as there after a sign: three of them may be lost.
    pub const EXPIRY: Duration = Duration::from_secs(15);
    /// Most users of one project that are kept.
    pub const MAX: usize = 10_000;

    /// Listens from now on.
    ///
    /// # Errors
    /// Those of [`EventBus::subscribe`].
    pub async fn watch(bus: &dyn EventBus, project: ProjectId) -> Result<Self> {
        // Joined, left and presence differ in the third token alone.
        let subject = Topic::Collab(CollabTopic::Presence(project)).subject();
        let filter = super::SubjectFilter::new(subject.as_str().replace(".presence.", ".*."))?;
        let signs = bus.subscribe(&filter, SubscribeOptions::default()).await?;
        let users = Arc::default();
        let task = tokio::spawn(note(signs, Arc::clone(&users)));
        Ok(Self { users, task })
    }

    /// The users that are there now, in order of their names.
    pub fn users(&self) -> Vec<UserId> {
        let (mut seen, now) = (lock(&self.users), Instant::now());
        seen.retain(|_, last| now < *last + Self::EXPIRY);
        let mut users: Vec<_> = seen.keys().cloned().collect();
        users.sort();
        users
    }
}

async fn note(mut signs: Subscription, users: Arc<Mutex<HashMap<UserId, Instant>>>) {
    while let Some(message) = signs.next().await {
        // A message of another form says nothing of anybody.
        let Ok(Event::Collab(event)) = Event::parse(&message) else { continue };
        let (mut seen, now) = (lock(&users), Instant::now());
        if event.kind == CollabEventKind::Left {
            seen.remove(&event.user_id);
            continue;
        }
        if seen.len() >= Present::MAX {
            seen.retain(|_, last| now < *last + Present::EXPIRY);
        }
        if seen.len() < Present::MAX || seen.contains_key(&event.user_id) {
            seen.insert(event.user_id, now);
        }
    }
}

fn lock(users: &Mutex<HashMap<UserId, Instant>>) -> MutexGuard<'_, HashMap<UserId, Instant>> {
    users.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Present {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Present {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Present").field("users", &lock(&self.users).len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{bus::EditorTopic, memory::MemoryBus};

    #[tokio::test(start_paused = true)]
    async fn what_comes_within_the_period_goes_in_one_message() {
        let bus = MemoryBus::new();
        let mut heard = bus.listen("slate.editor.>").await.unwrap();
        let subject = Topic::Editor(EditorTopic::CursorsBatch()).subject();
        let options = BatchOptions { most: 3, capacity: 4, ..BatchOptions::default() };
        let batcher = Batcher::start(Arc::new(bus), subject, options);
        for number in 0..6 {
            batcher.push(number);
        }
        assert_eq!(batcher.dropped(), 2, "four may wait");
        for expected in [vec![0, 1, 2], vec![3]] {
            let batch: Vec<u32> = heard.next().await.unwrap().parse().unwrap();
            assert_eq!(batch, expected);
        }
        let before = Instant::now();
        batcher.push(7);
        drop(batcher);
        assert_eq!(heard.next().await.unwrap().parse::<Vec<u32>>().unwrap(), [7]);
        assert!(before.elapsed() < Duration::from_millis(100), "what waits is published when it ends");
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_no_sign_is_gone() {
        let bus = MemoryBus::new();
        let project = ProjectId::new();
        let (ada, bob) = (UserId::new("ada").unwrap(), UserId::new("bob").unwrap());
        let present = Present::watch(&bus, project).await.unwrap();
        let announcing = |user: &UserId| Announcing::start(Arc::new(bus.clone()), project, user.clone(), Json::Null);
        let (one, _other) = (announcing(&ada), announcing(&bob));
        let _elsewhere = Announcing::start(Arc::new(bus.clone()), ProjectId::new(), ada.clone(), Json::Null);
        bus.publish(Message::new(Topic::Collab(CollabTopic::Joined(project)).subject(), "{")).await.unwrap();
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(present.users(), [ada.clone(), bob.clone()]);
        drop(one);
        tokio::time::sleep(Present::EXPIRY + Duration::from_secs(1)).await;
        assert_eq!(present.users(), std::slice::from_ref(&bob));
        let left = CollabEvent::new(CollabEventKind::Left, project, bob, Timestamp::now());
        bus.emit(&Event::Collab(left)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(present.users().is_empty());
    }
}
